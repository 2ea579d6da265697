"""What the penalty measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .priors import Covariance

__all__ = ["Boundary", "Penalty"]

Boundary = Literal["free", "zero", "periodic", "reflective"]


@dataclass(frozen=True)
class Penalty:
    """R(z) = ||L z||^2, with L by name, by matrix or by operator, or a sum of such terms. It never contains the multiplier.

    ``boundary`` says what lies beyond the ends: nothing (``"free"``), zeros, the other end (``"periodic"``), or the mirror image
    (``"reflective"``). Images are stored column after column.

    Examples
    --------
    >>> import numpy as np
    >>> import wellposed as wp
    >>> A = np.tril(np.ones((5, 5)))
    >>> wp.Problem(A).penalty(wp.Penalty.first_difference()).solve(np.arange(1.0, 6.0), 10.0).x
    array([1., 1., 1., 1., 1.])
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def _specification(self) -> tuple[str, dict[str, Any]]:
        return self.kind, self.options

    @classmethod
    def identity(cls) -> Penalty:
        """||z||^2: ridge."""
        return cls("identity")

    @classmethod
    def diagonal(cls, weights: Any) -> Penalty:
        """Sum of (w_j z_j)^2, n weights; a weight 0 leaves the coefficient unpenalised."""
        return cls("diagonal", {"weights": weights})

    @classmethod
    def first_difference(cls, boundary: Boundary = "free") -> Penalty:
        """Sum of (z_{j+1} - z_j)^2; constants are unpenalised unless the boundary is zero."""
        return cls("difference", {"order": 1, "boundary": boundary})

    @classmethod
    def second_difference(cls, boundary: Boundary = "free") -> Penalty:
        """Sum of (z_{j-1} - 2 z_j + z_{j+1})^2; straight lines are unpenalised with free ends."""
        return cls("difference", {"order": 2, "boundary": boundary})

    @classmethod
    def first_difference_2d(cls, rows: int, columns: int, boundary: Boundary = "free") -> Penalty:
        """Squared gradient of an image of ``rows`` by ``columns`` pixels."""
        return cls("difference_2d", {"order": 1, "rows": rows, "columns": columns, "boundary": boundary})

    @classmethod
    def second_difference_2d(cls, rows: int, columns: int, boundary: Boundary = "free") -> Penalty:
        """Squared second differences along both axes of an image."""
        return cls("difference_2d", {"order": 2, "rows": rows, "columns": columns, "boundary": boundary})

    @classmethod
    def gradient(cls, shape: Sequence[int], *, spacing: Sequence[float] | None = None, boundary: Boundary = "free") -> Penalty:
        """Squared gradient on a grid of one to three dimensions, the first index running fastest."""
        return cls("gradient", {"shape": list(shape), "spacing": None if spacing is None else list(spacing), "boundary": boundary})

    @classmethod
    def laplacian(cls, shape: Sequence[int], *, spacing: Sequence[float] | None = None, boundary: Boundary = "zero") -> Penalty:
        """Squared Laplacian on a grid of one to three dimensions; not with free boundaries."""
        return cls("laplacian", {"shape": list(shape), "spacing": None if spacing is None else list(spacing), "boundary": boundary})

    @classmethod
    def matrix(cls, l: Any) -> Penalty:
        """||L z||^2 for a matrix or operator of n columns, of any number of rows and any rank."""
        return cls("matrix", {"l": l})

    @classmethod
    def covariance(cls, matrix: Any) -> Penalty:
        """z^H inv(C) z: x ~ N(prior_mean, t^2 C) before the data; C Hermitian positive definite, (n, n)."""
        return cls("covariance", {"matrix": matrix})

    @classmethod
    def precision(cls, matrix: Any) -> Penalty:
        """z^H P z: x ~ N(prior_mean, t^2 inv(P)) before the data; P Hermitian, positive semi-definite, (n, n)."""
        return cls("precision", {"matrix": matrix})

    @classmethod
    def kernel(
        cls, shape: Sequence[int], covariance: Covariance, *, spacing: Sequence[float] | None = None, boundary: Boundary = "free"
    ) -> Penalty:
        """z^T inv(C) z with C a function of distance on a grid: a Gaussian process. Free boundaries (up to 10 000 points) or, by fast
        Fourier transforms in one or two dimensions, periodic ones."""
        grid = {"shape": list(shape), "spacing": None if spacing is None else list(spacing)}
        return cls("kernel", {**grid, "covariance": covariance, "boundary": boundary})

    @staticmethod
    def bands(labels: Sequence[int]) -> list[Penalty]:
        """One ridge penalty for each group of columns, for ``Problem.penalties``: banded ridge.

        Nunez-Elizalde, Huth, Gallant 2019, doi:10.1016/j.neuroimage.2019.04.012.
        """
        groups = list(labels)
        return [Penalty.diagonal([float(label == band) for label in groups]) for band in sorted(set(groups))]

    @classmethod
    def sum(cls, terms: Iterable[tuple[float, Penalty]]) -> Penalty:
        """Sum of w_j R_j(z) with weights w_j >= 0."""
        return cls("sum", {"terms": [(float(weight), penalty) for weight, penalty in terms]})

    def l1(self) -> Penalty:
        """The sum of moduli ||L z||_1 in place of the square: the lasso for the identity, total variation for a first difference.

        ``alpha`` of scikit-learn's ``Lasso`` is a multiplier of ``2 n_samples alpha``. Tibshirani 1996, J. R. Stat. Soc. B 58:267.
        """
        return Penalty("l1", {"of": self})

    def elastic_net(self, rho: float) -> Penalty:
        """rho ||L z||_1 + (1 - rho) ||L z||^2, 0 <= rho <= 1. Zou, Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x."""
        return Penalty("elastic_net", {"of": self, "rho": float(rho)})

    def group_lasso(self, labels: Sequence[int]) -> Penalty:
        """Sum of sqrt(p_g) ||(L z)_g|| over groups of equal labels. Yuan, Lin 2006, doi:10.1111/j.1467-9868.2005.00532.x."""
        return Penalty("group_lasso", {"of": self, "labels": list(labels)})

    def isotropic(self) -> Penalty:
        """Isotropic total variation, for ``first_difference_2d`` and ``gradient``."""
        return Penalty("isotropic", {"of": self})

    def huber(self, delta: float) -> Penalty:
        """Sum of squares of (L z)_i up to ``delta``, linear beyond. Convex. Huber 1964, doi:10.1214/aoms/1177703732."""
        return Penalty("huber", {"of": self, "delta": float(delta)})

    def power(self, p: float) -> Penalty:
        """Sum of abs((L z)_i)^p, 0 < p <= 2, smoothed near 0; not convex below 1. For 1 ``l1`` is exact."""
        return Penalty("power", {"of": self, "p": float(p)})

    def student_t(self, freedom: float, scale: float) -> Penalty:
        """Minus twice the logarithm of Student's density, times scale^2. Not convex: a local minimum is found."""
        return Penalty("student_t", {"of": self, "freedom": float(freedom), "scale": float(scale)})
