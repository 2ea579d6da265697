"""The library's operators in Python: against dense matrices of NumPy and SciPy, and in problems."""

import pickle

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from numpy.testing import assert_allclose

import wellposed as wp
from wellposed import operator as op

RNG = np.random.default_rng(5)
IMAGE = RNG.standard_normal((7, 5))
SEEN = RNG.random((7, 5)) < 0.6


def vector(image):
    return np.asarray(image).ravel(order="F")


def dense(operator):
    return operator @ np.eye(operator.shape[1])


@pytest.mark.parametrize("boundary, mode", [("zero", "constant"), ("periodic", "wrap"), ("reflective", "reflect")])
@pytest.mark.parametrize("kernel", [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 9.0]], [[1.0, 2.0], [3.0, 5.0]]])
def test_convolution_is_scipy_s(boundary, mode, kernel):
    blur = op.convolution(IMAGE.shape, kernel, boundary)
    # an even kernel has its centre before the middle in SciPy
    origin = [-1 + length % 2 for length in np.shape(kernel)]
    expected = scipy.ndimage.convolve(IMAGE, np.array(kernel), mode=mode, origin=origin)
    centre = np.array(np.shape(kernel)) // 2
    assert_allclose(op.convolution(IMAGE.shape, kernel, boundary, centre=tuple(centre)) @ vector(IMAGE), blur @ vector(IMAGE))
    if np.shape(kernel) == (3, 3):
        assert_allclose(blur @ vector(IMAGE), vector(expected), atol=1e-12)
    op.dot_test(blur)
    assert_allclose(dense(blur.H), dense(blur).T, atol=1e-12)


def test_convolution_of_a_line():
    x, kernel = RNG.standard_normal(11), [1.0, 2.0, 4.0]
    assert_allclose(op.convolution(11, kernel, "zero") @ x, np.convolve(x, kernel, "same"))
    assert_allclose(op.convolution(11, kernel, "free") @ x, np.convolve(x, kernel, "valid"))
    assert_allclose(op.convolution(11, kernel, "zero", centre=0) @ x, np.convolve(x, kernel)[:11])
    turned = op.convolution(11, np.array([1.0, 2.0j]), "periodic")
    assert turned.dtype == np.complex128 and (turned @ x).dtype == np.complex128
    op.dot_test(turned)


def test_selections_and_differences():
    x = vector(IMAGE)
    assert_allclose(op.mask(SEEN) @ x, x[vector(SEEN)])
    assert_allclose(op.select(35, [4, 0, 4]) @ x, x[[4, 0, 4]])
    assert_allclose(op.sampling(IMAGE.shape, 2) @ x, vector(IMAGE[::2, ::2]))
    assert_allclose(op.sampling(IMAGE.shape, (3, 2)) @ x, vector(IMAGE[::3, ::2]))
    assert_allclose(op.sampling(35, 4) @ x, x[::4])
    assert_allclose(op.first_difference(35) @ x, np.diff(x))
    assert_allclose(op.second_difference(35) @ x, np.diff(x, 2))
    down, across = vector(np.diff(IMAGE, axis=0)), vector(np.diff(IMAGE, axis=1))
    assert_allclose(op.first_difference_2d(7, 5) @ x, np.concatenate([down, across]))
    assert_allclose(op.gradient((7, 5), spacing=(1.0, 2.0)) @ x, np.concatenate([down, across / 2]))
    second = [vector(np.diff(IMAGE, 2, axis=axis)) for axis in (0, 1)]
    assert_allclose(op.second_difference_2d(7, 5) @ x, np.concatenate(second))
    expected = scipy.ndimage.laplace(IMAGE, mode="constant")
    assert_allclose(op.laplacian((7, 5)) @ x, vector(expected), atol=1e-12)
    assert_allclose(op.diagonal(x) @ x, x * x)


def test_parallel_beam():
    beam = op.parallel_beam(5, [0.0, np.pi / 2], 5)
    image = RNG.random((5, 5))
    assert_allclose(beam @ vector(image), np.concatenate([image.sum(axis=0), image.sum(axis=1)[::-1]]), atol=1e-12)
    op.dot_test(op.parallel_beam(6, np.linspace(0, np.pi, 7), 9, 0.8))


def test_combinations_are_those_of_matrices():
    a, b = RNG.standard_normal((4, 5)), RNG.standard_normal((5, 6)) + 1j * RNG.standard_normal((5, 6))
    sparse, linear = scipy.sparse.csc_array(a), scipy.sparse.linalg.aslinearoperator(b)
    one = op.stack([a])
    x, y = RNG.standard_normal(6) + 1j, RNG.standard_normal(4)
    product = one @ linear
    assert_allclose(product @ x, a @ (b @ x))
    assert_allclose(product.rmatvec(y), (a @ b).conj().T @ y)
    assert_allclose(product.T @ y, (a @ b).T @ y)
    assert_allclose(dense(one + sparse), 2 * a)
    assert_allclose(dense(one - 3 * one), -2 * a)
    assert_allclose(dense(-one * 2j), -2j * a)
    assert_allclose(dense(a + one), 2 * a)
    assert_allclose(dense(a - 3 * one), -2 * a)
    assert_allclose(y @ product, y @ a @ b)
    assert_allclose(np.stack([y, 2 * y]) @ product, np.stack([y, 2 * y]) @ a @ b)
    assert_allclose(dense(np.float64(2.0) * one), 2 * a)
    assert_allclose(dense(op.beside([sparse, one])), np.hstack([a, a]))
    assert_allclose(dense(op.stack([a, sparse])), np.vstack([a, a]))
    assert_allclose(dense(op.block_diagonal([a, linear])), scipy.linalg.block_diag(a, b))
    assert_allclose(dense(op.kronecker(a, linear)), np.kron(a, b))
    assert_allclose(one.matmat(RNG.standard_normal((5, 3)) * 0 + 1), a @ np.ones((5, 3)))
    assert (op.stack([a.astype(np.float32)]) @ np.ones(5, np.float32)).dtype == np.float32
    # SciPy takes it for its own
    theirs = scipy.sparse.linalg.lsqr(op.kronecker(a, a), np.ones(16), damp=0.1)[0]
    assert_allclose(theirs, wp.ridge(np.kron(a, a), np.ones(16), 0.01).x, rtol=1e-4, atol=1e-5)


def test_transforms_are_recognised():
    blur = op.convolution((32, 24), op.gaussian_kernel(1.5), "reflective")
    truth = np.zeros((32, 24))
    truth[8:20, 6:15] = 1.0
    b = blur @ vector(truth) + 0.01 * RNG.standard_normal(32 * 24)
    fit = wp.Problem(blur).penalty(wp.Penalty.first_difference_2d(32, 24)).solve(b, "gcv")
    assert fit.report.method == "fast transform"
    as_matrix = wp.Problem(dense(blur)).penalty(wp.Penalty.first_difference_2d(32, 24)).solve(b, float(fit.lam))
    assert_allclose(fit.x, as_matrix.x, rtol=1e-7, atol=1e-9)
    # float32 data: the plan of the operator is made again in the type of the problem
    assert wp.Problem(op.convolution(8, np.ones(3, np.float32), "periodic")).solve(np.arange(8, dtype=np.float32), 0.1).x.dtype == np.float32
    a, c = RNG.standard_normal((6, 4)), RNG.standard_normal((5, 3))
    b = RNG.standard_normal(30)
    separable, formed = wp.ridge(op.kronecker(a, c), b, "gcv"), wp.ridge(np.kron(a, c), b, "gcv")
    assert separable.report.method == "fast transform"
    assert_allclose(separable.x, formed.x, rtol=1e-5, atol=1e-8)


def test_as_a_penalty_and_in_an_iteration():
    a, b = RNG.standard_normal((20, 12)), RNG.standard_normal(20)
    expected = wp.Problem(a).penalty("second_difference").solve(b, 0.5).x
    assert_allclose(wp.Problem(a).penalty(op.second_difference(12)).solve(b, 0.5).x, expected, rtol=1e-9)
    missing = op.mask(SEEN) @ op.convolution(IMAGE.shape, op.gaussian_kernel(0.8), "zero")
    b = RNG.standard_normal(missing.shape[0])
    fit = wp.Problem(missing).method("lsmr").solve(b, 0.3)
    assert_allclose(fit.x, wp.ridge(dense(missing), b, 0.3).x, rtol=1e-7, atol=1e-9)


def test_kernels():
    assert op.gaussian_kernel(2.0, 0.0).shape == (17, 1)
    for kernel in [op.gaussian_kernel(1.0), op.motion_kernel(5.0, 0.6), op.defocus_kernel(2.5)]:
        assert_allclose(kernel.sum(), 1.0)
    assert_allclose(op.motion_kernel(3.0), np.full((1, 3), 1 / 3))


def test_what_python_raises_comes_out():
    class Mine(Exception):
        pass

    class Broken:
        shape = (4, 4)

        def matvec(self, x):
            raise Mine

        rmatvec = matvec

    with pytest.raises(Mine):
        op.block_diagonal([np.eye(4), Broken()]) @ np.ones(8)
    with pytest.raises(Mine):
        op.dot_test(Broken())


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: op.convolution((4, 0), [1.0], "zero"), ValueError, "needs a pixel"),
        (lambda: op.convolution(4, [1.0, np.nan], "zero"), ValueError, "the kernel"),
        (lambda: op.convolution(4, [1.0], "mirror"), ValueError, "the boundary is"),
        (lambda: op.convolution(4, [1.0, 2.0], "zero", centre=5), ValueError, "centre"),
        (lambda: op.convolution((4, 4, 4), [1.0], "zero"), ValueError, "a pair for an image"),
        (lambda: op.mask([1.0, 0.0]), TypeError, "booleans are needed"),
        (lambda: op.select(3, [0, 3]), ValueError, "below the number of values"),
        (lambda: op.select(3, [-1]), ValueError, "count from 0"),
        (lambda: op.sampling((4, 4), 0), ValueError, "a step of sampling"),
        (lambda: op.laplacian((4, 4), boundary="free"), ValueError, "not defined"),
        (lambda: op.parallel_beam(4, [np.inf], 3), ValueError, "an angle"),
        (lambda: op.parallel_beam(-4, [0.0], 3), ValueError, "at least 0"),
        (lambda: op.diagonal([1.0, np.inf]), ValueError, "not finite at 1"),
        (lambda: op.stack([np.eye(2), np.eye(3)]), ValueError, "columns"),
        (lambda: op.first_difference(4) @ np.ones(5), ValueError, "4 values are needed"),
        (lambda: op.first_difference(4) @ op.first_difference(4), ValueError, "shape|rows|columns"),
        (lambda: np.inf * op.first_difference(4), ValueError, "must be finite"),
        (lambda: op.gaussian_kernel(-1.0), ValueError, "standard deviation"),
        (lambda: op.dot_test(np.array([[np.nan]])), ValueError, "NaN|finite"),
        (lambda: pickle.dumps(op.first_difference(4)), TypeError, "make it again"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
