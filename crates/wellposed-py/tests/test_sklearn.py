"""The estimators: scikit-learn's own checks, its numbers, and what ours do beyond."""

import pickle

import numpy as np
import pandas
import pytest
import scipy.sparse
import sklearn.linear_model as theirs
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import wellposed as wp
import wellposed.sklearn as ours

RNG = np.random.default_rng(5)
X = RNG.standard_normal((50, 7)) @ np.diag(10.0 ** np.linspace(0, -2, 7)) + 1.0
Y = X @ np.arange(7.0) + 3.0 + 0.1 * RNG.standard_normal(50)
YY = np.column_stack([Y, np.sin(Y), Y**2])
W = RNG.integers(0, 4, 50).astype(float)

ESTIMATORS = [getattr(ours, name)() for name in ours.__all__]


def checks():
    for estimator in [*ESTIMATORS, ours.GeneralizedRidge(2.0, penalty="first_difference"), ours.Ridge(solver="lsmr"), ours.RidgeCV(alphas=[0.1, 1.0], criterion="loo")]:
        for instance, check in estimator_checks_generator(estimator, mark=None):
            yield pytest.param(instance, check, id=f"{estimator}-{getattr(check, 'func', check).__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("weights", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("y", [Y, YY], ids=["one", "three"])
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_ridge(weights, intercept, y, convert):
    mine = ours.Ridge(0.3, fit_intercept=intercept).fit(convert(X), y, weights)
    other = theirs.Ridge(0.3, fit_intercept=intercept, solver="cholesky").fit(X, y, weights)
    assert_allclose(mine.coef_, other.coef_, rtol=1e-7)
    assert_allclose(mine.intercept_, other.intercept_, rtol=1e-7, atol=1e-10)
    assert_allclose(mine.predict(convert(X)), other.predict(X), rtol=1e-7)
    assert mine.coef_.shape == other.coef_.shape and np.shape(mine.intercept_) == np.shape(other.intercept_ if intercept else mine.intercept_)


def test_ridge_alpha_for_each_target():
    alphas = [0.1, 1.0, 10.0]
    assert_allclose(ours.Ridge(alphas).fit(X, YY).coef_, theirs.Ridge(alphas).fit(X, YY).coef_, rtol=1e-7)
    with pytest.raises(ValueError, match="3 targets"):
        ours.Ridge([1.0, 2.0]).fit(X, YY)


def test_a_large_sparse_x_with_an_intercept_is_not_made_dense():
    m, n = 200_000, 20_000
    rows = np.repeat(np.arange(m), 3)
    a = scipy.sparse.csr_array((RNG.standard_normal(3 * m), (rows, RNG.integers(0, n, 3 * m))), shape=(m, n))
    # 32 GB if it were dense
    model = ours.Ridge(1.0, solver=wp.Lsmr(tolerance=1e-10)).fit(a, np.ones(m) + RNG.standard_normal(m))
    assert model.intercept_ == pytest.approx(1.0, abs=0.05) and model.n_iter_ > 0


@pytest.mark.parametrize("y", [Y, YY], ids=["one", "three"])
def test_ridge_cv_grid_by_loo_is_scikit_learns(y):
    alphas = np.logspace(-4, 4, 30)
    for per_target in [False, True]:
        mine = ours.RidgeCV(alphas, criterion="loo", alpha_per_target=per_target).fit(X, y)
        other = theirs.RidgeCV(alphas, alpha_per_target=per_target).fit(X, y)
        assert_allclose(mine.alpha_, other.alpha_)
        assert_allclose(mine.coef_, other.coef_, rtol=1e-6, atol=1e-9)


def test_ridge_cv_grid_is_the_least_of_its_criterion():
    alphas = np.logspace(-4, 4, 9)
    u, s, vt = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    beta = u.T @ (Y - Y.mean())
    outside = ((Y - Y.mean()) ** 2).sum() - beta @ beta
    gcv, reml = [], []
    for alpha in alphas:
        left = alpha / (s**2 + alpha)
        residual = outside + ((left * beta) ** 2).sum()
        gcv.append(residual / (50 - 1 - (1 - left).sum()) ** 2)
        reml.append(49 * np.log(outside + (left * beta**2).sum()) - np.log(left).sum())
    assert ours.RidgeCV(alphas, criterion="gcv").fit(X, Y).alpha_ == alphas[np.argmin(gcv)]
    assert ours.RidgeCV(alphas, criterion="reml").fit(X, Y).alpha_ == alphas[np.argmin(reml)]


@pytest.mark.parametrize("weights", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("criterion", ["gcv", "reml"])
def test_a_grid_is_searched_alike_with_and_without_a_copy(monkeypatch, criterion, weights):
    found = []
    for tall in [0, np.inf]:
        monkeypatch.setattr(ours, "_TALL", tall)
        for x in [X, scipy.sparse.csr_array(X)]:
            found.append(ours.RidgeCV(np.logspace(-4, 4, 30), criterion=criterion, alpha_per_target=True).fit(x, YY, weights))
    for model in found[1:]:
        assert (model.alpha_ == found[0].alpha_).all()
        assert_allclose(model.coef_, found[0].coef_, rtol=1e-8)


@pytest.mark.parametrize("criterion", ["gcv", "loo", "reml"])
def test_ridge_cv_without_a_grid_is_no_worse_than_a_fine_one(criterion):
    free = ours.RidgeCV(criterion=criterion).fit(X, Y)
    fine = ours.RidgeCV(np.logspace(-6, 4, 400), criterion=criterion).fit(X, Y)
    assert free.alpha_ == pytest.approx(fine.alpha_, rel=0.04)


@pytest.mark.parametrize("weights", [None, W + 1], ids=["plain", "weighted"])
def test_ridge_cv_folds(weights):
    """Exact K-fold: what refits say."""
    folds = KFold(5, shuffle=True, random_state=2)
    free = ours.RidgeCV(cv=folds).fit(X, Y, weights)

    def error(alpha):
        total = 0.0
        for train, test in folds.split(X):
            w = None if weights is None else weights[train]
            model = theirs.Ridge(alpha, solver="cholesky").fit(X[train], Y[train], w)
            squares = (Y[test] - model.predict(X[test])) ** 2
            total += (squares if weights is None else weights[test] * squares).sum()
        return total

    assert error(free.alpha_) <= min(error(free.alpha_ * factor) for factor in [0.9, 0.99, 1.01, 1.1])
    grid = np.logspace(-4, 3, 15)
    assert ours.RidgeCV(grid, cv=folds).fit(X, Y, weights).alpha_ == grid[np.argmin([error(alpha) for alpha in grid])]


def test_ridge_cv_splits_that_are_no_partition():
    splits = ShuffleSplit(4, random_state=0)
    with pytest.raises(ValueError, match="divide the samples"):
        ours.RidgeCV(cv=splits).fit(X, Y)
    assert ours.RidgeCV([0.1, 1.0], cv=splits).fit(X, Y).alpha_ in (0.1, 1.0)


def test_ridge_cv_many_targets():
    each = ours.RidgeCV(alpha_per_target=True).fit(X, YY)
    assert each.alpha_.shape == (3,)
    for j in range(3):
        assert ours.RidgeCV().fit(X, YY[:, j]).alpha_ == pytest.approx(each.alpha_[j], rel=1e-6)
    assert isinstance(ours.RidgeCV().fit(X, YY).alpha_, float)


def test_ridge_cv_refuses():
    for estimator, text in [
        (ours.RidgeCV(criterion="cgv"), "criterion"),
        (ours.RidgeCV([1.0, -1.0]), "above 0"),
        (ours.RidgeCV([1.0], criterion=wp.LCurve()), "leave alphas out"),
    ]:
        with pytest.raises(ValueError, match=text):
            estimator.fit(X, Y)


def test_generalized_ridge():
    l = np.diff(np.eye(7), axis=0)
    centred = X - X.mean(axis=0)
    expected = np.linalg.solve(centred.T @ centred + 2.0 * l.T @ l, centred.T @ Y)
    for penalty in ["first_difference", l, scipy.sparse.csr_array(l), wp.Penalty.matrix(l)]:
        assert_allclose(ours.GeneralizedRidge(2.0, penalty=penalty).fit(X, Y).coef_, expected, rtol=1e-7)
    weights = np.arange(7.0)
    expected = np.linalg.solve(centred.T @ centred + 2.0 * np.diag(weights**2), centred.T @ Y)
    assert_allclose(ours.GeneralizedRidge(2.0, penalty=weights).fit(X, Y).coef_, expected, rtol=1e-7)
    chosen = ours.GeneralizedRidge("reml", penalty=l).fit(X, Y)
    assert chosen.alpha_ > 0 and "evidence" in str(chosen.report_)


@pytest.mark.parametrize("weights", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("intercept", [True, False])
def test_bayesian_ridge(weights, intercept):
    options = {"compute_score": True, "fit_intercept": intercept, "tol": 1e-8}
    mine, other = ours.BayesianRidge(**options).fit(X, Y, weights), theirs.BayesianRidge(**options).fit(X, Y, weights)
    assert_allclose([mine.alpha_, mine.lambda_], [other.alpha_, other.lambda_], rtol=1e-6)
    assert_allclose(mine.coef_, other.coef_, rtol=1e-6)
    assert_allclose(mine.sigma_, other.sigma_, rtol=1e-5, atol=1e-9)
    for found, expected in zip(mine.predict(X, return_std=True), other.predict(X, return_std=True)):
        assert_allclose(found, expected, rtol=1e-6)
    assert mine.n_iter_ == other.n_iter_
    assert_allclose(mine.scores_, other.scores_, rtol=1e-6)


def test_bayesian_ridge_wide_and_sparse():
    wide = RNG.standard_normal((12, 30))
    y = wide[:, 0] + 0.1 * RNG.standard_normal(12)
    mine, other = ours.BayesianRidge().fit(wide, y), theirs.BayesianRidge().fit(wide, y)
    assert_allclose(mine.coef_, other.coef_, rtol=1e-5, atol=1e-8)
    assert_allclose(mine.sigma_, other.sigma_, rtol=1e-5, atol=1e-8)
    sparse = ours.BayesianRidge().fit(scipy.sparse.csr_array(X), Y)
    assert_allclose(sparse.coef_, ours.BayesianRidge().fit(X, Y).coef_, rtol=1e-6)


def test_in_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), ours.RidgeCV())
    assert pipeline.fit(X, Y).score(X, Y) > 0.98
    search = GridSearchCV(ours.Ridge(), {"alpha": [0.1, 1.0]}, cv=3).fit(X, Y)
    assert search.best_params_["alpha"] in (0.1, 1.0)
    assert cross_val_predict(ours.GeneralizedRidge("gcv"), X, Y).shape == (50,)
    assert MultiOutputRegressor(ours.BayesianRidge()).fit(X, YY).predict(X).shape == (50, 3)
    for estimator in [ours.RidgeCV(criterion=wp.KFold(5)), ours.GeneralizedRidge(wp.Gcv(), penalty=wp.Penalty.second_difference())]:
        assert repr(clone(estimator)) == repr(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_fitted_estimators_can_be_stored(estimator):
    model = clone(estimator).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert_allclose(again.predict(X), model.predict(X))
    assert "λ" in str(again.report_)


def test_names_of_frames():
    frame = pandas.DataFrame(X, columns=list("abcdefg"))
    model = ours.Ridge().fit(frame, Y)
    assert list(model.feature_names_in_) == list("abcdefg")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("gfedcba")])
    model.fit(X, Y)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    model = ours.Ridge().fit(X.astype(dtype), Y.astype(dtype))
    assert model.coef_.dtype == dtype and model.predict(X.astype(dtype)).dtype == dtype


def test_nothing_is_changed():
    a, y, w = X.copy(), YY.copy(), W.copy()
    for estimator in ESTIMATORS[1:]:
        estimator.fit(a, y, w)
    assert (a == X).all() and (y == YY).all() and (w == W).all()


@pytest.mark.parametrize("weights", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("y", [Y, YY], ids=["one", "three"])
def test_partial_fit_is_fit(weights, intercept, y):
    parts = ours.Ridge(0.3, fit_intercept=intercept)
    for block in np.array_split(np.arange(50), [3, 20, 45]):
        if block.size:
            parts.partial_fit(X[block], y[block], None if weights is None else weights[block] + 0.0)
    whole = ours.Ridge(0.3, fit_intercept=intercept).fit(X, y, weights)
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-8)
    assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-8, atol=1e-11)
    again = pickle.loads(pickle.dumps(parts)).partial_fit(X[:5], y[:5])
    assert_allclose(again.coef_, parts.partial_fit(X[:5], y[:5]).coef_)
    assert_allclose(parts.fit(X, y, weights).coef_, whole.coef_)


def test_partial_fit_with_an_alpha_for_each_target():
    alphas = [0.1, 1.0, 10.0]
    model = ours.Ridge(alphas).partial_fit(X[:20], YY[:20]).partial_fit(X[20:], YY[20:])
    assert_allclose(model.coef_, ours.Ridge(alphas).fit(X, YY).coef_, rtol=1e-8)


@pytest.mark.parametrize("weights", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csc_array])
@pytest.mark.parametrize("positive", [False, True])
def test_lasso_and_elastic_net(weights, intercept, convert, positive):
    exact = {"tol": 1e-13, "max_iter": 200_000}
    options = {"fit_intercept": intercept, "positive": positive}
    for mine, other in [
        (ours.Lasso(0.05, **options), theirs.Lasso(0.05, **options, **exact)),
        (ours.ElasticNet(0.05, l1_ratio=0.3, **options), theirs.ElasticNet(0.05, l1_ratio=0.3, **options, **exact)),
    ]:
        mine.fit(convert(X), Y, weights)
        other.fit(X, Y, weights)
        assert_allclose(mine.coef_, other.coef_, rtol=1e-4, atol=1e-5)
        assert_allclose(mine.intercept_, other.intercept_, rtol=1e-4, atol=1e-5)
        assert 0 <= mine.dual_gap_ < 1e-9 * np.var(Y)
        assert not positive or (mine.coef_ >= 0).all()
    with pytest.raises(ValueError, match="from 0 to 1"):
        ours.ElasticNet(l1_ratio=2.0).fit(X, Y)
