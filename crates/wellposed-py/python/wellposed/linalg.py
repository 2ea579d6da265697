"""LSQR and LSMR with SciPy's signatures, tests for stopping and return values.

>>> import numpy as np
>>> import wellposed as wp
>>> A = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
>>> x, istop, itn, r1norm = wp.linalg.lsqr(A, [1.0, 0.0, -1.0])[:4]
>>> x, istop
(array([ 1., -1.]), 1)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from . import _core
from ._inputs import array, matrix

__all__ = ["lsmr", "lsqr"]

_REASONS = (
    "The exact solution is x = 0, or x = x0 if x0 was given",
    "Ax - b is small enough, given atol, btol",
    "The least-squares solution is good enough, given atol",
    "The estimate of cond(Abar) has exceeded conlim",
    "Ax - b is small enough for this machine",
    "The least-squares solution is good enough for this machine",
    "Cond(Abar) seems to be too large for this machine",
    "The iteration limit has been reached",
)

#: unknowns up to which variances are computed from A itself: a singular value decomposition of that size
_EXACT_VARIANCES_UP_TO = 2000
#: numbers of A that are stored densely at a time for them
_ENTRIES_AT_ONCE = 4_000_000


def lsqr(
    A: Any,
    b: Any,
    damp: float = 0.0,
    atol: float = 1e-6,
    btol: float = 1e-6,
    conlim: float = 1e8,
    iter_lim: int | None = None,
    show: bool = False,
    calc_var: bool = False,
    x0: Any = None,
) -> tuple[Any, ...]:
    """Least squares by LSQR, as ``scipy.sparse.linalg.lsqr``: ``min ||A x - b||^2 + damp^2 ||x - x0||^2``.

    Parameters
    ----------
    A : array_like, sparse matrix or operator, shape (m, n)
    b : array_like, shape (m,)
    damp : float
        The damping: the square root of the multiplier that ``wellposed.ridge`` takes.
    atol, btol : float
        Stops when the residual is at most ``btol ||b|| + atol ||A|| ||x||``, or the gradient at most ``atol ||A|| ||r||``.
    conlim : float
        Stops when the estimated condition number of ``[A; damp I]`` exceeds it; 0 for no limit.
    iter_lim : int, optional
        At most so many steps; 2 n unless given.
    show : bool
        Prints the steps.
    calc_var : bool
        Whether ``var`` is computed.
    x0 : array_like, shape (n,), optional
        Start; with damping, also what x is drawn towards. It is not changed.

    Returns
    -------
    x : ndarray, shape (n,)
        float64 or complex128.
    istop : int
        1: the system is solved; 2: the least-squares problem is; 3: ``conlim``; 4 to 6: the same at rounding level; 7: the limit
        of steps; 0: x0 (or zero) is the answer.
    itn : int
        Steps.
    r1norm, r2norm : float
        ``||b - A x||``, and ``sqrt(r1norm^2 + damp^2 ||x - x0||^2)``.
    anorm, acond : float
        Estimates of the Frobenius norm and the condition number of ``[A; damp I]``.
    arnorm : float
        Estimate of ``||A^H r - damp^2 (x - x0)||``.
    xnorm : float
        ``||x - x0||``.
    var : ndarray, shape (n,)
        With ``calc_var``, the diagonal of ``inv(A^H A + damp^2 I)``: up to 2000 unknowns from a decomposition of A, infinite where A
        does not determine an unknown. (SciPy's are what the iteration has seen, which is too little whenever it ends before n
        steps: for A = I it is off in every entry.) Beyond 2000 unknowns they are SciPy's, with a warning. Zeros otherwise.

    Raises
    ------
    Error
        A ``ValueError``: lengths that do not fit, or a value that is not finite.

    Notes
    -----
    C. C. Paige, M. A. Saunders, LSQR, ACM Trans. Math. Software 8 (1982), doi:10.1145/355984.355989 and
    doi:10.1145/355993.356000.
    """
    b = _vector(b)
    printer = _Printer("LSQR", ("r1norm", "r2norm"), show)
    method: Literal["lsqr", "lsqr_with_variances"] = "lsqr_with_variances" if calc_var else "lsqr"
    result = _core._iterate(method, A, b, float(damp), float(atol), float(btol), float(conlim), iter_lim, _start(x0), printer.step)
    printer.end(result[1])
    if not calc_var:
        return (*result[:-1], np.zeros(len(result[0])))
    exact = _variances(A, float(damp))
    return (*result[:-1], result[-1] if exact is None else exact)


def lsmr(
    A: Any,
    b: Any,
    damp: float = 0.0,
    atol: float = 1e-6,
    btol: float = 1e-6,
    conlim: float = 1e8,
    maxiter: int | None = None,
    show: bool = False,
    x0: Any = None,
) -> tuple[Any, ...]:
    """Least squares by LSMR, as ``scipy.sparse.linalg.lsmr``: ``min ||A x - b||^2 + damp^2 ||x||^2``.

    Parameters
    ----------
    A, b, damp, atol, btol, conlim, show
        As in ``lsqr``.
    maxiter : int, optional
        At most so many steps; min(m, n) unless given.
    x0 : array_like, shape (n,), optional
        Start; with damping, also what x is drawn towards, as in SciPy. It is not changed.

    Returns
    -------
    x : ndarray, shape (n,)
        float64 or complex128.
    istop, itn : int
        As in ``lsqr``.
    normr, normar : float
        ``||b - A x||`` (of the damped system, with damping), and the norm of its gradient, which falls monotonically.
    norma, conda : float
        Estimates of the Frobenius norm of A and of the condition number of ``[A; damp I]``.
    normx : float
        ``||x||``.

    Notes
    -----
    D. C.-L. Fong, M. A. Saunders, LSMR, SIAM J. Sci. Comput. 33 (2011), doi:10.1137/10079687X.
    """
    b = _vector(b)
    printer = _Printer("LSMR", ("norm r", "norm Ar"), show)
    # None has been a permitted value of damp in SciPy
    damp = float(damp or 0.0)
    result = _core._iterate("lsmr", A, b, damp, float(atol), float(btol), float(conlim), maxiter, _start(x0), printer.step)
    printer.end(result[1])
    return result


def _vector(b: Any) -> np.ndarray:
    b = np.atleast_1d(array(b, "b"))
    return np.atleast_1d(b.squeeze()) if b.ndim > 1 else b


def _start(x0: Any) -> np.ndarray | None:
    return None if x0 is None else np.atleast_1d(array(x0, "x0")).ravel()


class _Printer:
    """What ``show=True`` prints: a line for each step, and why the iteration ended."""

    def __init__(self, name: str, norms: tuple[str, str], show: bool) -> None:
        self.name = name
        self.step: Callable[..., None] | None = self._line if show else None
        if show:
            print(f"{name}: least-squares solution of Ax = b")
            print(f"{'itn':>6} {'x[0]':>12} {norms[0]:>10} {norms[1]:>10} {'compatible':>10} {'LS':>8} {'norm A':>8} {'cond A':>8}")

    def _line(self, itn: int, first: float, norm1: float, norm2: float, test1: float, test2: float, anorm: float, acond: float) -> None:
        print(f"{itn:6d} {first:12.5e} {norm1:10.3e} {norm2:10.3e} {test1:10.1e} {test2:8.1e} {anorm:8.1e} {acond:8.1e}")

    def end(self, istop: int) -> None:
        if self.step is not None:
            print(f"{self.name} finished: {_REASONS[istop]}")


def _variances(A: Any, damp: float) -> np.ndarray | None:
    """The diagonal of inv(A^H A + damp^2 I), from the singular value decomposition of the triangular factor of A."""
    dense, *parts = matrix(A, "A")
    n = dense.shape[1] if isinstance(dense, np.ndarray) else parts[0][1]
    if n > _EXACT_VARIANCES_UP_TO:
        warnings.warn(
            f"the variances of {n} unknowns are those that the iteration has seen, lower bounds; they are exact up to "
            f"{_EXACT_VARIANCES_UP_TO} unknowns",
            stacklevel=3,
        )
        return None
    factor = _triangular(A, dense, n)
    _, values, right = np.linalg.svd(factor, full_matrices=False)
    modes = np.abs(right) ** 2
    # directions that A does not see at all, beyond those of a wide A
    values = np.where(values > values.max(initial=0.0) * max(factor.shape) * np.finfo(float).eps, values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = modes / (values**2 + damp**2)[:, None]
        unseen = np.maximum(1.0 - modes.sum(axis=0), 0.0)
        unseen[unseen <= n * np.finfo(float).eps] = 0.0
        rest = np.where(unseen > 0, unseen / np.float64(damp) ** 2, 0.0)
    # 0/0: a direction without a value and an unknown without a part in it
    seen[(modes <= n * np.finfo(float).eps) & ~np.isfinite(seen)] = 0.0
    seen[np.isnan(seen)] = np.inf
    return seen.sum(axis=0) + rest


def _triangular(A: Any, dense: Any, n: int) -> np.ndarray:
    """R of A = QR, from some rows of A after the other, so that A is never stored densely unless it is."""
    if isinstance(dense, np.ndarray):
        m, rows = dense.shape[0], lambda low, high: dense[low:high]
    elif hasattr(A, "tocsr"):
        csr = A.tocsr()
        m, rows = csr.shape[0], lambda low, high: csr[low:high].toarray()
    else:
        # rows of an operator are products of its adjoint with unit vectors
        m = int(A.shape[0])

        def rows(low: int, high: int) -> np.ndarray:
            return np.stack([np.conj(np.ravel(A.rmatvec(_unit(m, place)))) for place in range(low, high)])

    step = max(n, _ENTRIES_AT_ONCE // max(n, 1))
    factor: Any = np.empty((0, n))
    for low in range(0, m, step):
        factor = np.linalg.qr(np.vstack([factor, rows(low, min(low + step, m))]), mode="r")
    return factor


def _unit(m: int, place: int) -> np.ndarray:
    unit = np.zeros(m)
    unit[place] = 1.0
    return unit
