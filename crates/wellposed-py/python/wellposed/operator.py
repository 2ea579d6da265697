"""Operators that are never stored: convolutions, differences on grids, selections, tomography, Kronecker products, and combinations.

Each function returns an ``Operator``, which has the interface of SciPy's ``LinearOperator`` and is multiplied with, without Python, wherever
the package takes A or L. Images are vectors, column after column: ``image.ravel(order="F")``, ``x.reshape(shape, order="F")``.

>>> import numpy as np
>>> import wellposed as wp
>>> image = np.zeros((32, 24))
>>> image[8:24, 6:18] = 1.0
>>> seen = np.random.default_rng(0).random(image.shape) < 0.7
>>> A = wp.operator.mask(seen) @ wp.operator.convolution(image.shape, wp.operator.gaussian_kernel(1.5), "reflective")
>>> b = A @ image.ravel(order="F")
>>> fit = wp.Problem(A).penalty(wp.Penalty.gradient(image.shape)).method("lsmr").solve(b, 1e-3)
>>> fit.x.reshape(image.shape, order="F").shape
(32, 24)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import Operator, _make_kernel, _make_operator, _test_adjoint
from ._errors import Error
from ._inputs import array
from .penalties import Boundary

__all__ = [
    "Operator",
    "beside",
    "block_diagonal",
    "convolution",
    "defocus_kernel",
    "diagonal",
    "dot_test",
    "first_difference",
    "first_difference_2d",
    "gaussian_kernel",
    "gradient",
    "kronecker",
    "laplacian",
    "mask",
    "motion_kernel",
    "parallel_beam",
    "sampling",
    "second_difference",
    "second_difference_2d",
    "select",
    "stack",
]


def _pair(value: int | Sequence[int], what: str, second: int) -> tuple[int, int]:
    """(rows, columns) of an image; a number is a line."""
    values = (value, second) if np.ndim(value) == 0 else tuple(value)  # type: ignore[arg-type]
    if len(values) != 2:
        raise Error(f"{what} is {value!r}, but it must be a number for a line, or a pair for an image")
    return values  # type: ignore[return-value]


def convolution(
    shape: int | Sequence[int], kernel: ArrayLike, boundary: Boundary, *, centre: int | Sequence[int] | None = None
) -> Operator:
    """Convolution of an image or a line with a kernel, by fast Fourier transforms.

    Parameters
    ----------
    shape : int or (int, int)
        Of the line, or rows and columns of the image.
    kernel : array_like of one or two dimensions
        What a point becomes.
    boundary : {"zero", "periodic", "reflective", "free"}
        What lies beyond the edges; ``"free"`` has rows only for pixels whose surroundings are all given.
    centre : int or (int, int), optional
        The entry of the kernel that stays where the point is; the middle unless given.

    Returns
    -------
    Operator
        Of the dtype of the kernel. A periodic one, and a reflective one with a symmetric kernel, is diagonalised by a fast transform: with
        a difference penalty of the same kind any rule costs no more than a few products.

    Raises
    ------
    Error
        A ``ValueError`` for an empty image, a kernel that is not finite, a centre outside of it.

    Notes
    -----
    Hansen, Nagy, O'Leary 2006, doi:10.1137/1.9780898718874.

    Examples
    --------
    >>> import numpy as np
    >>> import wellposed as wp
    >>> blur = wp.operator.convolution((32, 24), wp.operator.gaussian_kernel(1.5), "reflective")
    >>> b = blur @ np.repeat([0.0, 1.0, 0.0], 256) + 0.01 * np.sin(np.arange(768.0) ** 2)
    >>> wp.Problem(blur).penalty(wp.Penalty.first_difference_2d(32, 24)).solve(b, "gcv").report.method
    'fast transform'
    """
    place = None if centre is None else _pair(centre, "centre", 0)
    return _make_operator("convolution", (_pair(shape, "shape", 1), kernel, boundary, place))


def gaussian_kernel(down: float, across: float | None = None) -> NDArray[Any]:
    """Gaussian blur of these standard deviations in pixels, out to four of them, of sum 1.

    Parameters
    ----------
    down, across : float
        At least 0; ``across`` is that of ``down`` unless given. A line has ``across=0``.

    Returns
    -------
    ndarray of two dimensions
        Of odd lengths.

    Examples
    --------
    >>> from wellposed.operator import gaussian_kernel
    >>> gaussian_kernel(1.0).shape, round(float(gaussian_kernel(2.0, 0.0).sum()), 12)
    ((9, 9), 1.0)
    """
    return _kernel("gaussian", down, down if across is None else across)


def motion_kernel(length: float, angle: float = 0.0) -> NDArray[Any]:
    """A point moving evenly along a line of this length in pixels; the angle in radians from the horizontal, counter-clockwise."""
    return _kernel("motion", length, angle)


def defocus_kernel(radius: float) -> NDArray[Any]:
    """A disc of this radius in pixels: a camera out of focus."""
    return _kernel("defocus", radius, math.nan)


def _kernel(name: str, first: float, second: float) -> NDArray[Any]:
    return _make_kernel(name, float(first), float(second))


def first_difference(n: int, boundary: Boundary = "free") -> Operator:
    """``x[j+1] - x[j]``; n - 1 rows with free ends.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.operator import first_difference
    >>> first_difference(4) @ np.array([1.0, 2.0, 4.0, 8.0])
    array([1., 2., 4.])
    """
    return _make_operator("first_difference", (n, boundary))


def second_difference(n: int, boundary: Boundary = "free") -> Operator:
    """``x[j-1] - 2 x[j] + x[j+1]``; n - 2 rows with free ends."""
    return _make_operator("second_difference", (n, boundary))


def first_difference_2d(rows: int, columns: int, boundary: Boundary = "free") -> Operator:
    """First differences down the columns of an image, and then those along its rows."""
    return _make_operator("first_difference_2d", ((rows, columns), boundary))


def second_difference_2d(rows: int, columns: int, boundary: Boundary = "free") -> Operator:
    """Second differences down the columns of an image, and then those along its rows."""
    return _make_operator("second_difference_2d", ((rows, columns), boundary))


def gradient(shape: Sequence[int], *, spacing: Sequence[float] | None = None, boundary: Boundary = "free") -> Operator:
    """First differences along each axis of a grid of one to three dimensions, over the spacing; the first index runs fastest."""
    return _make_operator("gradient", (list(shape), None if spacing is None else list(spacing), boundary))


def laplacian(shape: Sequence[int], *, spacing: Sequence[float] | None = None, boundary: Boundary = "zero") -> Operator:
    """The sum of second differences along the axes of a grid of one to three dimensions; not with free boundaries."""
    return _make_operator("laplacian", (list(shape), None if spacing is None else list(spacing), boundary))


def mask(seen: ArrayLike) -> Operator:
    """The values where ``seen`` is true, in order: an image with missing pixels, or a signal with gaps.

    Parameters
    ----------
    seen : array_like of booleans
        Of the shape of the image; column after column, as images are.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.operator import mask
    >>> mask([True, False, True]) @ np.array([1.0, 2.0, 3.0])
    array([1., 3.])
    """
    flags = array(seen, "the mask")
    if flags.dtype != bool:
        raise TypeError(f"the mask has dtype {flags.dtype}, but booleans are needed: ~numpy.isnan(image), or weights > 0")
    flags = flags.ravel(order="F")
    return _make_operator("mask", (flags.size, np.flatnonzero(flags).astype(np.int64)))


def select(n: int, places: ArrayLike) -> Operator:
    """The values at these places, in this order; a place may be chosen again."""
    chosen = array(places, "places").ravel()
    if chosen.size and chosen.dtype.kind not in "iu":
        raise TypeError(f"places has dtype {chosen.dtype}, but whole numbers are needed; a mask takes booleans")
    if (chosen < 0).any():
        raise Error(f"places has {chosen.min()}, but places count from 0")
    return _make_operator("select", (n, chosen.astype(np.int64)))


def sampling(shape: int | Sequence[int], step: int | Sequence[int]) -> Operator:
    """Every ``step``-th row and column of an image (or value of a line), from the first on."""
    rows_columns = _pair(shape, "shape", 1)
    return _make_operator("sampling", (rows_columns, _pair(step, "step", 1 if np.ndim(shape) == 0 else step)))  # type: ignore[arg-type]


def diagonal(d: ArrayLike) -> Operator:
    """Multiplies value j by ``d[j]``."""
    return _make_operator("diagonal", (d,))


def parallel_beam(n: int, angles: ArrayLike, detectors: int, spacing: float = 1.0) -> Operator:
    """Integrals of an n-by-n image along parallel lines: a tomograph.

    Parameters
    ----------
    n : int
        Pixels of side 1 along a side; the middle of the image is the origin.
    angles : array_like
        In radians; 0 sees along vertical lines.
    detectors : int
        Lines for each angle, the middle one through the origin.
    spacing : float, default 1.0
        Distance of the lines, in pixels.

    Returns
    -------
    Operator
        ``detectors * len(angles)`` rows: the sinogram, angle after angle. Nothing is stored; the adjoint is exact.

    Notes
    -----
    Siddon 1985, doi:10.1118/1.595715.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.operator import parallel_beam
    >>> (parallel_beam(4, [0.0], 5) @ np.ones(16)).tolist()
    [4.0, 4.0, 4.0, 4.0, 0.0]
    """
    return _make_operator("parallel_beam", (n, angles, detectors, float(spacing)))


def kronecker(a: Any, b: Any) -> Operator:
    """The Kronecker product of two matrices or operators: ``b`` acts down the columns of an image, ``a`` along its rows.

    With two matrices and no penalty but the identity, their SVDs give every multiplier, every rule and x.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.operator import kronecker
    >>> a, b = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [10.0, 1.0]])
    >>> x = np.arange(4.0)
    >>> bool(np.allclose(kronecker(a, b) @ x, np.kron(a, b) @ x))
    True
    """
    return _make_operator("kronecker", (a, b))


def stack(blocks: Iterable[Any]) -> Operator:
    """Matrices or operators on top of each other."""
    return _make_operator("stack", (list(blocks),))


def beside(blocks: Iterable[Any]) -> Operator:
    """Matrices or operators side by side."""
    return _make_operator("beside", (list(blocks),))


def block_diagonal(blocks: Iterable[Any]) -> Operator:
    """Matrices or operators along the diagonal."""
    return _make_operator("block_diagonal", (list(blocks),))


def dot_test(operator: Any) -> None:
    """Checks on random vectors that ``rmatvec`` is the adjoint of ``matvec``, of any operator or matrix.

    Raises
    ------
    Error
        A ``ValueError`` with the relative difference of the two numbers that should agree.

    Examples
    --------
    >>> import wellposed as wp
    >>> wp.operator.dot_test(wp.operator.gradient((5, 4)))
    """
    _test_adjoint(operator)
