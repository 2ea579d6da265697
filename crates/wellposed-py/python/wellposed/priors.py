"""What is known before the data: priors of x, covariances, and hyper-priors of the scales; and how residuals are measured.

>>> import numpy as np
>>> import wellposed as wp
>>> rng = np.random.default_rng(0)
>>> A = rng.standard_normal((40, 6))
>>> b = 3.0 * A[:, 0] + 0.1 * rng.standard_normal(40)
>>> fit = wp.Problem(A).noise_std(0.1).map(b, wp.Prior.laplace(0.2))
>>> bool(2.5 < fit.x[0] < 3.1), bool(abs(fit.x[1:]).max() < 0.2)
(True, True)
>>> b[3] = 100.0
>>> robust = wp.Problem(A).misfit(wp.Misfit.huber(1.345).scaled_by_mad()).solve(b, 1e-3)
>>> bool(abs(robust.x[0] - 3.0) < 0.1), bool(robust.report.reweighted[0].weights[3] < 0.01)
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Covariance", "HyperPrior", "Misfit", "Prior"]


@dataclass(frozen=True)
class Prior:
    """The same density for each unknown, for ``Problem.map``; made by one of the class methods.

    ``map`` takes any object with ``value(z)``, ``gradient(z)`` and ``curvature(z)`` as well.
    """

    kind: str
    numbers: tuple[float, ...]
    smoothing: float | None = None

    @property
    def _specification(self) -> tuple[str, list[float], float | None]:
        return self.kind, list(self.numbers), self.smoothing

    @classmethod
    def gaussian(cls, std: float) -> Prior:
        """N(0, std^2): ridge regression with a multiplier of noise variance over std^2."""
        return cls("gaussian", (float(std),))

    @classmethod
    def laplace(cls, scale: float) -> Prior:
        """exp(-abs(z)/scale)/(2 scale), its corner rounded off: the lasso with 2 noise variance/scale."""
        return cls("laplace", (float(scale),))

    @classmethod
    def student_t(cls, dof: float, scale: float) -> Prior:
        """Student's t: many small coefficients and a few large ones."""
        return cls("student_t", (float(dof), float(scale)))

    @classmethod
    def cauchy(cls, scale: float) -> Prior:
        """Student's t with one degree of freedom."""
        return cls.student_t(1.0, scale)

    @classmethod
    def horseshoe(cls, scale: float) -> Prior:
        """Infinite at 0 with the tails of a Cauchy density, its pole rounded off. Carvalho, Polson, Scott 2010, doi:10.1093/biomet/asq017."""
        return cls("horseshoe", (float(scale),))

    def smoothed(self, epsilon: float) -> Prior:
        """Rounds a corner off at this distance; no effect on priors without one."""
        return replace(self, smoothing=float(epsilon))


@dataclass(frozen=True)
class HyperPrior:
    """What is known of a standard deviation before the data, for ``Evidence().noise_prior(..)`` and ``.scale_prior(..)``.

    Every density is one of the logarithm, so that its mode does not depend on whether it is written for the standard deviation, the
    variance or the precision.
    """

    kind: str
    numbers: tuple[float, ...] = ()

    @property
    def _specification(self) -> tuple[str, list[float]]:
        return self.kind, list(self.numbers)

    @classmethod
    def flat(cls) -> HyperPrior:
        """Nothing is known."""
        return cls("flat")

    @classmethod
    def log_normal(cls, median: float, log_std: float) -> HyperPrior:
        """About ``median``, give or take a factor of exp(log_std)."""
        return cls("log_normal", (float(median), float(log_std)))

    @classmethod
    def gamma_precision(cls, shape: float, rate: float) -> HyperPrior:
        """The precision is Gamma(shape, rate): ``alpha_1, alpha_2`` and ``lambda_1, lambda_2`` of scikit-learn's BayesianRidge."""
        return cls("gamma_precision", (float(shape), float(rate)))

    @classmethod
    def inverse_gamma_variance(cls, shape: float, scale: float) -> HyperPrior:
        """The variance is inverse-gamma: another name of ``gamma_precision``."""
        return cls.gamma_precision(shape, scale)

    @classmethod
    def gamma_std(cls, shape: float, rate: float) -> HyperPrior:
        """The standard deviation is Gamma(shape, rate)."""
        return cls("gamma_std", (float(shape), float(rate)))

    @classmethod
    def half_normal(cls, scale: float) -> HyperPrior:
        """The modulus of N(0, scale^2)."""
        return cls("half_normal", (float(scale),))

    @classmethod
    def half_cauchy(cls, scale: float) -> HyperPrior:
        """The modulus of a Cauchy variable of this scale. Gelman 2006, doi:10.1214/06-BA117A."""
        return cls("half_cauchy", (float(scale),))


@dataclass(frozen=True)
class Covariance:
    """A covariance that is a function of the distance between points of a grid, of variance 1, for ``Penalty.kernel``."""

    kind: str
    numbers: tuple[float | None, ...]

    @property
    def _specification(self) -> tuple[str, tuple[float | None, ...]]:
        return self.kind, self.numbers

    @classmethod
    def matern(cls, nu: float, length: float) -> Covariance:
        """Matérn with smoothness 1/2, 3/2, 5/2, ... and this length. Rasmussen, Williams 2006, section 4.2."""
        return cls("matern", (float(nu), float(length), 0.0))

    @classmethod
    def exponential(cls, length: float) -> Covariance:
        """exp(-r/length): continuous and nowhere smooth."""
        return cls.matern(0.5, length)

    @classmethod
    def squared_exponential(cls, length: float) -> Covariance:
        """exp(-r^2/(2 length^2)), with a nugget of 1e-10 unless another is given: without one it cannot be factored."""
        return cls("squared_exponential", (float(length), None))

    def nugget(self, nugget: float) -> Covariance:
        """Adds this multiple of the identity: each point has a small variance of its own."""
        return replace(self, numbers=(*self.numbers[:-1], float(nugget)))


@dataclass(frozen=True)
class Misfit:
    """How residuals are measured, if not by their squares, for ``Problem.misfit``."""

    kind: str
    numbers: tuple[float, ...]
    by_mad: bool = False

    @property
    def _specification(self) -> tuple[str, list[float], bool]:
        return self.kind, list(self.numbers), self.by_mad

    @classmethod
    def huber(cls, delta: float) -> Misfit:
        """The square up to ``delta``, then ``2 delta abs(u) - delta^2``. Convex. Huber 1964, doi:10.1214/aoms/1177703732."""
        return cls("huber", (float(delta),))

    @classmethod
    def student_t(cls, freedom: float, scale: float) -> Misfit:
        """``(freedom + 1) scale^2 log(1 + u^2/(freedom scale^2))``: far outliers lose all influence. Not convex: a local minimum."""
        return cls("student_t", (float(freedom), float(scale)))

    @classmethod
    def power(cls, p: float) -> Misfit:
        """``abs(u)^p``, 0 < p <= 2: least absolute deviations for 1; not convex below."""
        return cls("power", (float(p),))

    def scaled_by_mad(self) -> Misfit:
        """``delta`` or ``scale`` is a multiple of the noise's standard deviation, estimated by the median of the residuals."""
        return replace(self, by_mad=True)
