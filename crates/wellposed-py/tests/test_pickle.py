"""What is stored comes back: answers, reports, problems, estimators."""

import copy
import pickle

import joblib
import numpy as np
import pandas
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import wellposed as wp
import wellposed.sklearn as estimators

RNG = np.random.default_rng(5)
A = RNG.standard_normal((20, 5))
B = RNG.standard_normal(20)
ATTRIBUTES = ["lam", "lambdas", "damping", "residual_norm", "penalty_norm", "dof", "rank", "x", "intercept"]


def restored(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize(
    "fit",
    [
        wp.ridge(A, B, "gcv"),
        wp.ridge(A, np.column_stack([B, -B]), "loo"),
        wp.ridge(A.astype(np.complex64), B, 0.3),
        wp.Problem(A).method("lsmr").solve(B, 0.3),
        wp.Problem(A).nonnegative().solve(B, 0.3),
        wp.Problem(A).penalties([wp.Penalty.identity(), "first_difference"]).solve(B, "gcv"),
        wp.Problem(A).misfit(wp.Misfit.huber(1.0)).solve(B, 0.3),
        wp.Problem(pandas.DataFrame(A, columns=list("abcde"))).intercept().solve(B, "gcv"),
    ],
    ids=["rule", "columns", "complex", "iterative", "bounded", "several", "robust", "frame"],
)
def test_solutions(fit):
    for again in [restored(fit), copy.copy(fit), copy.deepcopy(fit), restored(restored(fit))]:
        for name in ATTRIBUTES:
            assert_array_equal(getattr(again, name), getattr(fit, name), err_msg=name)
            assert type(getattr(again, name)) is type(getattr(fit, name)), name
        assert again.names == fit.names
        assert str(again) == str(fit) and repr(again) == repr(fit) and repr(again.report) == repr(fit.report)
        assert again._repr_html_() == fit._repr_html_()
        for name in ["plan", "method", "rank", "condition", "steps", "stop", "converged", "duality_gap", "warnings"]:
            assert getattr(again.report, name) == getattr(fit.report, name), name
        for name in ["constrained", "reweighted", "penalties"]:
            assert str(getattr(again.report, name)) == str(getattr(fit.report, name)), name
        assert len(again.report.criteria) == len(fit.report.criteria)
        for mine, theirs in zip(again.report.criteria, fit.report.criteria):
            assert_array_equal(mine.lam, theirs.lam)
            assert mine.to_svg() == theirs.to_svg() and mine.minima == theirs.minima and repr(mine) == repr(theirs)
    assert not np.shares_memory(copy.deepcopy(fit).x, fit.x)


def test_a_stored_answer_draws():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert len(restored(wp.ridge(A, B, "gcv")).plot().axes) == 2


@pytest.mark.parametrize("a", [A, scipy.sparse.csr_array(A), pandas.DataFrame(A, columns=list("abcde"))], ids=["array", "sparse", "frame"])
def test_problems(a):
    problem = (
        wp.Problem(a)
        .penalty(wp.Penalty.sum([(0.5, wp.Penalty.identity()), (1.0, wp.Penalty.first_difference())]))
        .weights(np.arange(1.0, 21.0))
        .noise_std(0.5)
        .prior_mean(np.ones(5))
        .intercept()
        .method("svd" if a is A else "auto")
        .threads(1)
    )
    for again in [restored(problem), copy.copy(problem), copy.deepcopy(problem)]:
        assert again.shape == problem.shape and again.names == problem.names
        assert_array_equal(again.solve(B, "gcv").x, problem.solve(B, "gcv").x)
        assert again.plan("gcv") == problem.plan("gcv")
    bounded = wp.Problem(A).bounds(-1.0, np.ones(5)).equality(np.ones((1, 5)), [0.5])
    assert_array_equal(restored(bounded).solve(B, 0.1).x, bounded.solve(B, 0.1).x)
    # a stored problem is the problem as it was, and not what was made of it later
    before = wp.Problem(A)
    before.intercept()
    assert restored(before).solve(B, 0.1).intercept == 0.0


def test_what_cannot_be_stored_says_what_can():
    for value in [wp.Problem(A).factorize(), wp.Problem(A).inference(B, 0.1)]:
        with pytest.raises(TypeError, match="Problem"):
            pickle.dumps(value)


def square(problem, lam):
    return problem.solve(B, lam).x


def test_other_processes():
    """Problems go to worker processes, and answers come back."""
    problem = wp.Problem(A).intercept()
    lams = [0.1, 1.0, 10.0]
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(square)(problem, lam) for lam in lams)
    for x, lam in zip(found, lams):
        assert_array_equal(x, problem.solve(B, lam).x)


@pytest.mark.parametrize("name", estimators.__all__)
def test_estimators(name, tmp_path):
    model = getattr(estimators, name)()
    fitted = clone(model).fit(A, B)
    for again in [restored(fitted), copy.deepcopy(fitted)]:
        assert_array_equal(again.predict(A), fitted.predict(A))
        assert again.report_ == fitted.report_
    joblib.dump(fitted, tmp_path / "model")
    assert_array_equal(joblib.load(tmp_path / "model").coef_, fitted.coef_)
    assert not hasattr(clone(fitted), "coef_")


def test_a_grid_in_processes():
    search = GridSearchCV(estimators.Ridge(), {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2).fit(A, B)
    assert search.best_params_["alpha"] in (0.1, 1.0)
