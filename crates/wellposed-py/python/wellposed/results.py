"""Parts of answers: plain values, which compare, print and pickle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Constrained", "MapEstimate", "PenaltiesUsed", "Prediction", "Relevance", "Reweighted", "Samples"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Constrained:
    """The certificate of an answer that keeps to bounds.

    Attributes
    ----------
    kkt_residual : float
        How far the first-order conditions of optimality are from holding, without units.
    at_lower, at_upper : int
        How many components lie at their lower bound (or at both), and at their upper bound only.
    equality_residual : float
        ``||C x - d||``; 0 without equations.
    """

    kkt_residual: float
    at_lower: int
    at_upper: int
    equality_residual: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Reweighted:
    """What reweighting did, for a misfit or a penalty that is no square.

    Attributes
    ----------
    objective, smoothed_objective : float
        The objective at x, and the smoothed one that x minimises.
    history : ndarray
        The smoothed objective after each step at the last smoothing.
    misfit_smoothing : float
    penalty_smoothing : list of float
        Epsilon in ``(u^2 + epsilon^2)^(p/2)``, of the misfit and of each term of the penalty.
    scale : float or None
        Standard deviation of the noise, where it was estimated.
    weights : ndarray, shape (m,)
        1 for a row that counts in full, near 0 for an outlier. Empty where the misfit is the square.
    steps : int
        Ridge problems solved.
    change : float
        Relative size of the last change.
    convex : bool
        Whether the minimum is global.
    """

    objective: float
    smoothed_objective: float
    history: _Floats
    misfit_smoothing: float
    penalty_smoothing: list[float]
    scale: float | None
    weights: _Floats
    steps: int
    change: float
    convex: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class PenaltiesUsed:
    """The multipliers of several penalties that a rule chose.

    Attributes
    ----------
    lambdas, penalty_norms : ndarray, shape (p,)
        Of each penalty.
    penalties : list of str
        What each is.
    slope : float
        Largest derivative of the logarithm of the criterion that is left.
    minima : list of (ndarray, float)
        Every local minimum found, the best first.
    evaluations : int
    """

    lambdas: _Floats
    penalties: list[str]
    penalty_norms: _Floats
    slope: float
    minima: list[tuple[_Floats, float]]
    evaluations: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Fitted values at new rows of A.

    Attributes
    ----------
    mean : ndarray, shape (k,)
    std : ndarray, shape (k,)
        What is not known of the fitted value.
    observation_std : ndarray, shape (k,)
        The noise of a new observation included.
    """

    mean: NDArray[np.inexact]
    std: _Floats
    observation_std: _Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Draws from a posterior.

    Attributes
    ----------
    x : ndarray, shape (n, count)
        One draw in each column.
    intercepts : ndarray, shape (count,)
    """

    x: NDArray[np.inexact]
    intercepts: NDArray[np.inexact]


@dataclass(frozen=True, kw_only=True, eq=False)
class MapEstimate:
    """A mode of a posterior, with Laplace's approximation around it.

    Attributes
    ----------
    x : ndarray, shape (n,)
    intercept : float
    log_likelihood, log_prior : float
    log_evidence : float or None
        log p(b) by Laplace's approximation, exact for a Gaussian prior; None where a coefficient sits on a corner of the prior.
    std : ndarray of shape (n,) or None
        Standard deviations by the same approximation.
    residual_norm : float
        In units of the noise.
    gradient : float
        Relative size of the gradient that is left.
    steps : int
    smoothing : float
        Distance at which a corner of the prior was rounded off.
    """

    x: _Floats
    intercept: float
    log_likelihood: float
    log_prior: float
    log_evidence: float | None
    std: _Floats | None
    residual_norm: float
    gradient: float
    steps: int
    smoothing: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Relevance:
    """Coefficients with prior variances of their own.

    Attributes
    ----------
    mean, std, prior_std : ndarray, shape (n,)
        Posterior means and standard deviations, and prior standard deviations; a pruned column has 0 for the last two.
    intercept : float
    kept, pruned : list of int
        Columns.
    noise_std, log_evidence, dof : float
    steps : int
    """

    mean: _Floats
    std: _Floats
    intercept: float
    prior_std: _Floats
    kept: list[int]
    pruned: list[int]
    noise_std: float
    log_evidence: float
    dof: float
    steps: int
