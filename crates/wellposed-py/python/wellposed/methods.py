"""Methods and preconditioners with their options. Methods without options are names: ``"svd"``, ``"cholesky"``, ``"qr"``, ..."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

__all__ = ["Admm", "Cgls", "CoordinateDescent", "FlexibleLsqr", "HybridLsmr", "HybridLsqr", "Lsmr", "Lsqr", "Nystrom", "Probes", "Sketch"]


class _Options:
    _name: ClassVar[str]

    @property
    def _specification(self) -> tuple[str, dict[str, Any]]:
        return self._name, {option.name: getattr(self, option.name) for option in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Cgls(_Options):
    """Conjugate gradients for least squares: only products with A and its adjoint.

    Parameters
    ----------
    tolerance : float, optional
        Stops when ``||A^H (b - A x) - lam L^H L x|| <= tolerance * ||A^H b||``, verified afresh from x; ten times the
        distance from 1 to the next number unless given. 0 goes on to rounding level.
    max_steps : int, optional
        ``NotConvergedError`` when the tolerance is not reached by then; 10 n + 100 unless given.
    steps : int, optional
        Exactly so many steps from zero: early stopping as regularization. Not with a tolerance, a step limit or a start.
    accept_partial : bool
        What has been reached at the step limit is the answer instead of an error.
    start : array_like, shape (n,), optional
        A guess of x. It saves steps and changes no answer.
    """

    _name: ClassVar[str] = "cgls"
    tolerance: float | None = None
    max_steps: int | None = None
    steps: int | None = None
    accept_partial: bool = False
    start: Any = None


@dataclass(frozen=True, kw_only=True)
class Lsmr(Cgls):
    """LSMR (Fong, Saunders 2011, doi:10.1137/10079687X): the options of ``Cgls`` and two more.

    Parameters
    ----------
    reorthogonalize : bool
        Keeps every vector of the process: fewer steps on ill-conditioned problems, n numbers of memory for each step.
    condition_limit : float, optional
        Stops as soon as the condition number is seen to exceed it: regularization by stopping.
    """

    _name: ClassVar[str] = "lsmr"
    reorthogonalize: bool = False
    condition_limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lsqr(Lsmr):
    """LSQR (Paige, Saunders 1982, doi:10.1145/355984.355989): the options of ``Lsmr`` and one more.

    Parameters
    ----------
    variances : bool
        Reports the diagonal of ``inv(A^H A + lam L^H L)`` as far as the iteration has seen it.
    """

    _name: ClassVar[str] = "lsqr"
    variances: bool = False


@dataclass(frozen=True, kw_only=True)
class HybridLsqr(_Options):
    """LSQR whose small projected problem is regularized, with any rule that needs no leverages.

    Parameters
    ----------
    gcv : {"automatic", "true_rows", "weighted"}, optional
        Which degrees of freedom GCV sees on the small problem.
    tolerance : float, optional
        As in ``Cgls``; with a rule the iteration otherwise ends when the multiplier and x have settled.
    settle : float, optional
        Settled is a change of x by no more than this fraction in five steps; 0.002 unless given.
    max_steps, steps, accept_partial
        As in ``Cgls``; 500 steps at most unless given.
    max_basis : int, optional
        Stores at most so many directions (8 or more).
    compare_with : array_like, shape (n,), optional
        The true x of a test problem: ``report.errors`` has the error of every step.
    """

    _name: ClassVar[str] = "hybrid_lsqr"
    gcv: Literal["automatic", "true_rows", "weighted"] | None = None
    tolerance: float | None = None
    settle: float | None = None
    max_steps: int | None = None
    steps: int | None = None
    max_basis: int | None = None
    accept_partial: bool = False
    compare_with: Any = None


@dataclass(frozen=True, kw_only=True)
class HybridLsmr(HybridLsqr):
    """The same spaces as ``HybridLsqr``; in each the x of least normal residual."""

    _name: ClassVar[str] = "hybrid_lsmr"


@dataclass(frozen=True, kw_only=True)
class FlexibleLsqr(HybridLsqr):
    """LSQR under changing weights, for l1, elastic-net and l_p penalties of the coefficients of an A that only multiplies.

    The options of ``HybridLsqr`` (Chung, Gazzola 2019, doi:10.1137/18M1194456), with these meanings:

    Parameters
    ----------
    tolerance : float, optional
        Of the duality gap, relative to ``||b||^2`` (of the gradient, for powers but 1); 1e-6 unless given,
        1e-4 for powers, complex unknowns and rules.
    max_steps : int, optional
        2000 unless given.
    gcv : {"true_rows", "weighted"}, optional
        Without it the rule "gcv" is refused: the small problem has its own degrees of freedom alone.
    max_basis : int, optional
        Stores at most so many directions; 80 unless given.
    """

    _name: ClassVar[str] = "flexible_lsqr"


@dataclass(frozen=True, kw_only=True)
class Probes(_Options):
    """A rule with traces that random probes estimate, then LSMR; the report has an interval for the multiplier.

    Parameters
    ----------
    seed : int, optional
        Of the probes; 1 unless given.
    max_probes : int, optional
        At least 4; 12 unless given.
    accuracy : float, optional
        Half width of the interval asked for, relative to the multiplier; 0.05 unless given.
    max_steps : int, optional
        Of each process; 1000 unless given.
    """

    _name: ClassVar[str] = "probes"
    seed: int | None = None
    max_probes: int | None = None
    accuracy: float | None = None
    max_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class CoordinateDescent(_Options):
    """Coordinate descent with a duality gap, for l1 norms of coefficients and of groups of them.

    Parameters
    ----------
    tolerance : float, optional
        Of the duality gap, relative to ``||b||^2``; 1e-12 unless given.
    max_steps : int, optional
    accept_partial : bool
        What has not converged is returned with a warning.
    """

    _name: ClassVar[str] = "coordinate_descent"
    tolerance: float | None = None
    max_steps: int | None = None
    accept_partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Admm(CoordinateDescent):
    """Alternating directions with a duality gap, for ||L z||_1 and its like with any L; the same options."""

    _name: ClassVar[str] = "admm"


@dataclass(frozen=True, kw_only=True)
class Nystrom(_Options):
    """A preconditioner from a random low-rank approximation of A^H A. Frangella, Tropp, Udell 2023, doi:10.1137/21M1466244."""

    _name: ClassVar[str] = "nystrom"
    rank: int | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sketch(_Options):
    """A preconditioner from the QR factorization of a random sketch, for tall A."""

    _name: ClassVar[str] = "sketch"
    seed: int | None = None
