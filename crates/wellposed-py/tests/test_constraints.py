"""Bounds, equations, robust misfits, several penalties: against SciPy, or against the conditions that define the answer."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn.linear_model import HuberRegressor

import wellposed as wp

RNG = np.random.default_rng(17)
A = RNG.standard_normal((30, 7))
B = RNG.standard_normal(30)


def stacked(lam, a=A, b=B):
    n = a.shape[1]
    return np.vstack([a, np.sqrt(lam) * np.eye(n)]), np.concatenate([b, np.zeros(n)])


def test_bounds_are_those_of_scipy():
    expected = scipy.optimize.nnls(*stacked(0.3))[0]
    for problem in [wp.Problem(A).nonnegative(), wp.Problem(A).bounds(0.0), wp.Problem(A).bounds(np.zeros(7), np.full(7, np.inf))]:
        fit = problem.solve(B, 0.3)
        assert_allclose(fit.x, expected, atol=1e-10)
        assert (fit.x >= 0).all()
        (certificate,) = fit.report.constrained
        assert certificate.kkt_residual < 1e-10 and certificate.at_lower == (expected < 1e-12).sum() and certificate.at_upper == 0
    low, high = -0.1 * np.ones(7), np.where(np.arange(7) % 2, 0.05, np.inf)
    expected = scipy.optimize.lsq_linear(*stacked(0.3), bounds=(low, high), method="bvls", tol=1e-14).x
    assert_allclose(wp.Problem(A).bounds(-0.1, high).solve(B, 0.3).x, expected, atol=1e-9)
    assert_allclose(wp.Problem(scipy.sparse.csr_array(A)).bounds(low, high).solve(B, 0.3).x, expected, atol=1e-7)
    assert wp.Problem(A).bounds(None, 0.0).solve(B, 0.3).x.max() == 0.0
    assert wp.Problem(A).bounds(0.0, 1.0).solve(B, "gcv").lam > 0
    assert "x ≥ 0" in wp.Problem(A).nonnegative().plan(0.3)


def test_bounds_that_are_none():
    with pytest.raises(wp.Error, match="component 2"):
        wp.Problem(A).bounds(np.arange(7.0), np.ones(7)).solve(B, 0.3)
    with pytest.raises(wp.Error, match="7"):
        wp.Problem(A).bounds(np.zeros(3)).solve(B, 0.3)
    with pytest.raises(TypeError, match="order"):
        wp.Problem(A * 1j).nonnegative().solve(B, 0.3)
    with pytest.raises(wp.Error):
        wp.Problem(A).nonnegative().factorize()


def test_equations():
    c, d = RNG.standard_normal((2, 7)), np.array([1.0, -0.5])
    kkt = np.block([[A.T @ A + 0.3 * np.eye(7), c.T], [c, np.zeros((2, 2))]])
    expected = np.linalg.solve(kkt, np.concatenate([A.T @ B, d]))[:7]
    for matrix in [c, scipy.sparse.csr_array(c), c.tolist()]:
        assert_allclose(wp.Problem(A).equality(matrix, d).solve(B, 0.3).x, expected, rtol=1e-9)
    repeated = wp.Problem(A).equality(np.vstack([c, c[:1]]), [1.0, -0.5, 1.0]).solve(B, 0.3)
    assert_allclose(repeated.x, expected, rtol=1e-8)
    with pytest.raises(wp.Error):
        wp.Problem(A).equality(np.vstack([c, c[:1]]), [1.0, -0.5, 2.0]).solve(B, 0.3)
    simplex = wp.Problem(A).nonnegative().equality(np.ones((1, 7)), [1.0]).solve(B, 0.3)
    assert simplex.x.min() >= 0 and simplex.x.sum() == pytest.approx(1.0) and simplex.report.constrained[0].equality_residual < 1e-12
    compare = scipy.optimize.minimize(
        lambda x: np.sum((A @ x - B) ** 2) + 0.3 * x @ x,
        np.full(7, 1 / 7),
        jac=lambda x: 2 * A.T @ (A @ x - B) + 0.6 * x,
        bounds=[(0, None)] * 7,
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    assert_allclose(simplex.x, compare.x, atol=1e-6)


def test_a_ball():
    free = np.linalg.norm(wp.ridge(A, B, 0.0).x)
    fit = wp.ridge(A, B, wp.PenaltyNorm(0.5 * free))
    assert fit.penalty_norm == pytest.approx(0.5 * free) and fit.lam > 0
    assert wp.ridge(A, B, wp.PenaltyNorm.at_most(2 * free)).lam == 0.0


def objective(phi, x, lam):
    return phi(B_OUTLIER - A @ x).sum() + lam * x @ x


B_OUTLIER = np.where(np.arange(30) == 4, 40.0, A @ np.arange(7.0) + 0.1 * B)


@pytest.mark.parametrize(
    ("misfit", "phi"),
    [
        (wp.Misfit.huber(0.2), lambda u: np.where(abs(u) <= 0.2, u**2, 0.4 * abs(u) - 0.04)),
        (wp.Misfit.student_t(3.0, 0.2), lambda u: 4.0 * 0.04 * np.log1p(u**2 / (3.0 * 0.04))),
        (wp.Misfit.power(1.5), lambda u: abs(u) ** 1.5),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_misfits(misfit, phi):
    fit = wp.Problem(A).misfit(misfit).solve(B_OUTLIER, 0.1)
    (how,) = fit.report.reweighted
    assert how.objective == pytest.approx(objective(phi, fit.x, 0.1), rel=1e-6)
    assert how.weights.argmin() == 4 and how.weights.shape == (30,)
    # no x nearby is better
    best = scipy.optimize.minimize(lambda x: objective(phi, x, 0.1), fit.x, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 20_000})
    assert objective(phi, fit.x, 0.1) <= best.fun * (1 + 1e-7)
    assert np.linalg.norm(fit.x - np.arange(7.0)) < 0.5 * np.linalg.norm(wp.ridge(A, B_OUTLIER, 0.1).x - np.arange(7.0))


def test_huber_of_scikit_learn():
    """HuberRegressor estimates its scale by another rule: with outliers of no influence both find the truth."""
    theirs = HuberRegressor(epsilon=1.345, alpha=1e-3, fit_intercept=False, max_iter=1000).fit(A, B_OUTLIER).coef_
    ours = wp.Problem(A).misfit(wp.Misfit.huber(1.345).scaled_by_mad()).solve(B_OUTLIER, 1e-3)
    assert_allclose(ours.x, theirs, atol=0.1)
    assert ours.report.reweighted[0].scale > 0
    with pytest.raises(TypeError, match="Misfit.huber"):
        wp.Problem(A).misfit("huber")
    with pytest.raises(wp.Error, match="positive"):
        wp.Problem(A).misfit(wp.Misfit.huber(-1.0)).solve(B, 0.1)


def test_penalties_that_are_no_squares():
    x = lambda penalty: wp.Problem(np.eye(4)).penalty(penalty).solve([10.0, 0.2, -3.0, 0.0], 1.0).x  # noqa: E731
    assert_allclose(x(wp.Penalty.identity().huber(0.5)), [9.5, 0.1, -2.5, 0.0], atol=1e-6)
    assert_allclose(x(wp.Penalty.identity().power(2.0)), [5.0, 0.1, -1.5, 0.0], atol=1e-6)
    student = x(wp.Penalty.identity().student_t(3.0, 0.5))
    # the stationary point: x - b + (nu + 1) s^2 x/(nu s^2 + x^2) = 0
    assert_allclose(student - [10.0, 0.2, -3.0, 0.0] + 4 * 0.25 * student / (0.75 + student**2), 0.0, atol=1e-6)


def test_several_penalties():
    """At the multipliers found, the criterion of GCV is stationary: no other pair nearby is better."""
    second = np.diff(np.eye(7), 2, axis=0)
    problem = wp.Problem(A).penalties([wp.Penalty.identity(), "second_difference"])
    b = A @ np.sin(np.arange(7.0) / 2) + 0.3 * B
    fit = problem.solve(b, "gcv")
    assert fit.lambdas.shape == (2,) and fit.lam == 1.0
    l1, l2 = fit.lambdas
    inverse = lambda one, two: np.linalg.inv(A.T @ A + one * np.eye(7) + two * second.T @ second)  # noqa: E731
    assert_allclose(fit.x, inverse(l1, l2) @ A.T @ b, rtol=1e-7)

    def gcv(one, two):
        hat = A @ inverse(one, two) @ A.T
        return 30 * np.sum((b - hat @ b) ** 2) / (30 - np.trace(hat)) ** 2

    (used,) = fit.report.penalties
    assert used.minima and used.penalty_norms == pytest.approx([np.linalg.norm(fit.x), np.linalg.norm(second @ fit.x)])
    for factor in [0.8, 1.25]:
        assert gcv(l1, l2) <= gcv(l1 * factor, l2) * (1 + 1e-9) and gcv(l1, l2) <= gcv(l1, l2 * factor) * (1 + 1e-9)
    assert problem.solve(np.column_stack([b, B]), "gcv").lambdas.shape == (2, 2)
    assert_allclose(problem.solve(b, 2.0).x, inverse(2.0, 2.0) @ A.T @ b, rtol=1e-9)
    bands = wp.Problem(A).penalties(wp.Penalty.bands([0, 0, 1, 1, 1, 0, 1])).solve(b, "reml")
    assert bands.lambdas.shape == (2,)
    assert wp.ridge(A, np.column_stack([b, B]), 0.3).lambdas.shape == (2, 1)
