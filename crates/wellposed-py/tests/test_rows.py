"""Rows that come in blocks, and penalties that are no squares."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

import wellposed as wp

RNG = np.random.default_rng(23)
A = RNG.standard_normal((90, 6))
B = RNG.standard_normal(90)


def pushed(a, b, sizes=(1, 7, 30), weights=None, **options):
    rows = wp.Rows(a.shape[1], right_hand_sides=None if b.ndim == 1 else b.shape[1], **options)
    for block in np.split(np.arange(len(b)), np.cumsum(sizes)):
        rows.push(a[block], b[block], None if weights is None else weights[block])
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("columns", [None, 1, 3])
def test_blocks_are_all_rows(dtype, columns):
    a, b = A.astype(dtype), (B if columns is None else RNG.standard_normal((90, columns))).astype(dtype)
    rows = pushed(a, b, dtype=dtype)
    assert rows.count == 90 and rows.columns == 6
    for options in [{}, {"intercept": True}, {"penalty": "second_difference"}]:
        problem = wp.Problem(a)
        if "intercept" in options:
            problem = problem.intercept()
        if "penalty" in options:
            problem = problem.penalty("second_difference")
        for choice in [0.3, "gcv"]:
            fit, whole = rows.solve(choice, **options), problem.solve(b, choice)
            assert fit.x.shape == whole.x.shape and fit.x.dtype == dtype
            # lambda of a rule is as flat as the type allows
            assert_allclose(fit.x, whole.x, rtol=5e-2 if dtype in (np.float32, np.complex64) else 1e-5, atol=1e-3 if choice == "gcv" else 1e-5)


def test_weights_merge_and_store():
    weights = RNG.random(90) + 0.5
    whole = wp.Problem(A).weights(weights).prior_mean(np.ones(6)).solve(B, 0.5)
    assert_allclose(pushed(A, B, weights=weights).solve(0.5, prior_mean=np.ones(6)).x, whole.x, rtol=1e-10)
    first, second = pushed(A[:40], B[:40]), pushed(A[40:], B[40:])
    second = pickle.loads(pickle.dumps(second))
    first.merge(second)
    assert_allclose(first.solve(0.5).x, wp.ridge(A, B, 0.5).x, rtol=1e-10)
    sparse = wp.Rows(6)
    sparse.push(scipy.sparse.csr_array(A), B)
    assert_allclose(sparse.solve(0.5).x, wp.ridge(A, B, 0.5).x, rtol=1e-10)


def test_forgetting():
    rows = wp.Rows(1, forgetting=0.5)
    for slope in [1.0, 1.0, 2.0, 2.0, 2.0, 2.0]:
        rows.push(np.array([[1.0], [2.0]]), np.array([slope, 2 * slope]))
    gone = 0.5 ** np.arange(6)
    assert rows.solve(0.0).x[0] == pytest.approx((gone * [2, 2, 2, 2, 1, 1]).sum() / gone.sum())
    assert rows.effective_rows == pytest.approx(2 * gone.sum())


def test_bad_blocks_leave_the_rows_as_they_were():
    rows = pushed(A, B)
    before = rows.solve(0.1).x
    for a, b, error in [
        (A[:, :5], B, ValueError),
        (A, B[:10], ValueError),
        (np.where(A == A[3, 2], np.nan, A), B, ValueError),
        (A * 1j, B, TypeError),
        (A, B[:, None], ValueError),
    ]:
        with pytest.raises(error):
            rows.push(a, b)
    assert rows.count == 90 and (rows.solve(0.1).x == before).all()
    with pytest.raises(ValueError, match="cannot be read"):
        wp.Rows.from_bytes(b"nothing")
    with pytest.raises(ValueError, match="themselves"):
        rows.merge(rows)
    with pytest.raises(TypeError, match="same dtype"):
        rows.merge(wp.Rows(6, dtype="f4"))


def test_lasso_meets_its_optimality_conditions():
    lasso = wp.Problem(A).penalty(wp.Penalty.identity().l1())
    largest = lasso.lambda_max(B)
    assert largest == pytest.approx(2 * np.abs(A.T @ B).max())
    fit = lasso.solve(B, 0.3 * largest)
    gradient = 2 * A.T @ (B - A @ fit.x)
    active = fit.x != 0
    assert 0 < active.sum() < 6
    assert_allclose(gradient[active], 0.3 * largest * np.sign(fit.x[active]), rtol=1e-5)
    assert (np.abs(gradient[~active]) <= 0.3 * largest * (1 + 1e-9)).all()
    assert fit.report.duality_gap <= 1e-10 * (B @ B)


def test_other_norms():
    steps = np.repeat([1.0, 4.0, 2.0], 10) + 0.1 * RNG.standard_normal(30)
    variation = wp.Penalty.first_difference().l1()
    x = wp.Problem(np.eye(30)).penalty(variation).method(wp.Admm(max_steps=50_000)).solve(steps, 2.0).x
    assert (np.abs(np.diff(x)) > 1e-4).sum() <= 5 and abs(x[15] - 4.0) < 0.5
    grouped = wp.Problem(A).penalty(wp.Penalty.identity().group_lasso([0, 0, 1, 1, 2, 2])).solve(B, 25.0).x
    assert [(pair != 0).all() or (pair == 0).all() for pair in grouped.reshape(3, 2)] == [True] * 3
    net = wp.Problem(A).penalty(wp.Penalty.identity().elastic_net(0.0)).solve(B, 0.4).x
    assert_allclose(net, wp.ridge(A, B, 0.4).x, rtol=1e-6)
    mixed = wp.Penalty.sum([(1.0, wp.Penalty.identity().l1()), (0.5, wp.Penalty.identity())])
    assert wp.Problem(A).penalty(mixed).solve(B, 0.4).report.duality_gap is not None


@pytest.mark.parametrize("columns", [None, 3])
def test_one_decomposition_of_rows(columns):
    b = B if columns is None else RNG.standard_normal((90, columns))
    factor = pushed(A, b).factorize(intercept=True)
    whole = wp.Problem(A).intercept().factorize()
    grid = wp.log_grid(1e-2, 1e2, 5)
    for found, expected in zip(factor.path(grid), whole.path(b, grid)):
        assert_allclose(found.x, expected.x, rtol=1e-9, atol=1e-12)
        assert_allclose(found.intercept, expected.intercept, rtol=1e-9)
    as_list = lambda value: [value] if columns is None else value  # noqa: E731
    for found, expected in zip(as_list(factor.curve(grid)), as_list(whole.curve(b, grid))):
        for name in ["lam", "residual_norm", "penalty_norm", "dof", "gcv"]:
            assert_allclose(found[name], expected[name], rtol=1e-8, err_msg=name)
    for found, expected in zip(as_list(factor.spectrum()), as_list(whole.spectrum(b))):
        assert_allclose(found.values, expected.values, rtol=1e-9)
        assert found.unpenalised == expected.unpenalised == 1
    assert_allclose(factor.solve("gcv").lam, whole.solve(b, "gcv").lam, rtol=1e-5)
    comparison = as_list(factor.compare_rules(["gcv", "reml"]))[0]
    assert [row.name for row in comparison.rows] == ["GCV", "evidence"]
    assert "90×6" in repr(factor) and "90" in factor.plan
    with pytest.raises(TypeError, match="Rows"):
        pickle.dumps(factor)


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_window_is_the_last_blocks(dtype):
    window = wp.Window(6, 3, dtype=dtype, forgetting=0.5)
    a, b = A.astype(dtype), B.astype(dtype)
    blocks = np.split(np.arange(90), [10, 20, 25, 50, 70])
    for index, block in enumerate(blocks):
        # large rows that have left leave nothing behind
        factor = 1e6 if index == 1 else 1.0
        window.push(a[block] * factor, b[block] * factor)
    last = np.concatenate(blocks[-3:])
    weights = np.repeat([0.25, 0.5, 1.0], [len(block) for block in blocks[-3:]])
    expected = wp.Problem(a[last]).intercept().weights(weights.astype(np.float32 if dtype == np.complex64 else float)).solve(b[last], 0.3)
    found = window.solve(0.3, intercept=True)
    assert found.x.dtype == dtype
    assert_allclose(found.x, expected.x, rtol=1e-3 if dtype == np.complex64 else 1e-10)
    assert (window.blocks, window.count) == (3, len(last))
    assert_allclose(window.rows().effective_rows, weights.sum())
    assert_allclose(window.rows().solve(0.3, intercept=True).x, found.x, rtol=1e-5)
    for _ in range(4):
        window.forget_oldest()
    assert window.count == 0 and (window.solve(1.0).x == 0).all()


def test_window_refuses():
    with pytest.raises(ValueError, match="at least 1 block"):
        wp.Window(2, 0)
    with pytest.raises(ValueError, match="forgetting is 1.5"):
        wp.Window(2, 3, forgetting=1.5)
    with pytest.raises(ValueError, match="at least 0"):
        wp.Window(2, -3)
    window = wp.Window(2, 3)
    with pytest.raises(wp.Error, match="NaN"):
        window.push([[1.0, np.nan]], [1.0])
    with pytest.raises(TypeError, match="complex block"):
        window.push([[1.0, 1j]], [1.0])
    with pytest.raises(ValueError, match="must be a vector"):
        window.push([[1.0, 1.0]], [[1.0]])
    with pytest.raises(TypeError, match="window.rows"):
        pickle.dumps(window)
    assert window.count == 0
