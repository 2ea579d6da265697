"""The native interface: inputs of every kind give one answer, and wrong ones a text and no crash."""

import copy
import pickle

import numpy as np
import pandas
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import wellposed as wp

RNG = np.random.default_rng(7)
A = RNG.standard_normal((20, 5))
B = RNG.standard_normal(20)


def normal_equations(a, b, lam, l=None):
    l = np.eye(a.shape[1]) if l is None else l
    return np.linalg.solve(a.conj().T @ a + lam * l.conj().T @ l, a.conj().T @ b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("rule", [0.3, "gcv"])
def test_every_dtype(dtype, rule):
    a, b = A.astype(dtype), B.astype(dtype)
    if np.issubdtype(dtype, np.complexfloating):
        a, b = a + 1j * np.roll(a, 1, axis=0), b * (1 + 2j)
    fit = wp.ridge(a, b, rule)
    assert fit.x.dtype == dtype
    assert_allclose(fit.x, normal_equations(a, b, fit.lam), rtol=2e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 3, axis=0)[::3],
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
        lambda a: np.lib.stride_tricks.as_strided(np.pad(a, ((0, 0), (0, 3))), a.shape, ((a.shape[1] + 3) * 8, 8)),
        lambda a: a.astype(">f8"),
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
        lambda a: a.tolist(),
        lambda a: np.ma.array(a),
        lambda a: np.asmatrix(a),
        pandas.DataFrame,
    ],
)
def test_any_memory(view):
    assert_allclose(wp.ridge(view(A), B, 0.3).x, wp.ridge(A, B, 0.3).x, rtol=1e-13)


def test_views_are_not_copied_and_not_changed():
    large = np.zeros((4000, 500))
    large[:, ::2] = RNG.standard_normal((4000, 250))
    before = large.copy()
    view = large[::-1, ::2]
    b = RNG.standard_normal(4000)
    assert_allclose(wp.ridge(view, b, 1.0).x, normal_equations(view, b, 1.0), rtol=1e-9, atol=1e-12)
    assert (large == before).all()


def test_the_constant_is_taken_out_alike_by_rows_and_by_columns():
    a, b = RNG.standard_normal((60, 19)) + 3.0, RNG.standard_normal(60)
    by_rows, by_columns = (wp.Problem(order(a)).intercept().solve(b, 0.3) for order in (np.ascontiguousarray, np.asfortranarray))
    assert_allclose(by_rows.x, by_columns.x, rtol=1e-12)
    centred = a - a.mean(axis=0)
    assert_allclose(by_rows.x, normal_equations(centred, b, 0.3), rtol=1e-10)
    assert by_rows.intercept == pytest.approx(b.mean() - a.mean(axis=0) @ by_rows.x)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(("weighted", "intercept"), [(False, True), (True, True), (True, False)])
def test_tall_data_that_are_not_copied(order, dtype, weighted, intercept):
    """Of this size rows are scaled and centred when they are read. Far from 0, so that a mean left in would show; a constant column."""
    rng = np.random.default_rng(1)
    a = np.array(rng.standard_normal((30_000, 20)) + 50.0, dtype=dtype, order=order)
    if dtype == np.complex128:
        a += 1j * np.roll(a, 1, axis=0)
    a[:, 4] = 0.1
    b, w = a[:, 0].real - a[:, 7].real + rng.standard_normal(30_000), rng.random(30_000) + 0.5 if weighted else np.ones(30_000)
    problem = wp.Problem(a)
    problem = problem.intercept() if intercept else problem
    problem = problem.weights(w) if weighted else problem
    mean, mean_b = ((w @ a) / w.sum(), w @ b / w.sum()) if intercept else (np.zeros(20), 0.0)
    root = np.sqrt(w)
    centred = root[:, None] * (a - mean)
    fit = problem.solve(b, 5.0)
    expected = normal_equations(centred, root * (b - mean_b), 5.0)
    assert_allclose(fit.x, expected, rtol=1e-8, atol=1e-12)
    assert fit.intercept == pytest.approx(mean_b - mean @ expected, abs=1e-9)
    assert fit.residual_norm == pytest.approx(np.linalg.norm(root * (b - a @ expected - fit.intercept)), rel=1e-10)
    hat = np.trace(np.linalg.solve(centred.conj().T @ centred + 5.0 * np.eye(20), centred.conj().T @ centred)).real
    assert fit.dof == pytest.approx(hat + intercept)
    chosen, reference = problem.solve(b, "gcv"), problem.method("svd").solve(b, "gcv")
    assert "tridiagonalization" in chosen.report.plan
    assert_allclose(chosen.x, reference.x, rtol=1e-4, atol=1e-6)
    if intercept:
        assert fit.x[4] == 0.0
        with_names = problem.method("cholesky").solve(np.column_stack([b, -b]), 5.0)
        assert_allclose(with_names.x[:, 0], -with_names.x[:, 1], rtol=1e-9, atol=1e-12)


def test_broadcast_rows():
    a = np.broadcast_to([1.0, 2.0], (4, 2))
    assert_allclose(wp.ridge(a, np.ones(4), 1.0).x, normal_equations(a, np.ones(4), 1.0))


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("cls", ["array", "matrix"])
def test_sparse(form, cls):
    dense = np.where(RNG.random((30, 8)) < 0.4, RNG.standard_normal((30, 8)), 0.0)
    a = getattr(scipy.sparse, f"csr_{cls}")(dense).asformat(form)
    b = RNG.standard_normal(30)
    assert_allclose(wp.ridge(a, b, 0.1).x, normal_equations(dense, b, 0.1), rtol=1e-10)
    fit = wp.Problem(a).intercept().method("lsmr").solve(b, 0.1)
    centred = np.column_stack([dense, np.ones(30)])
    l = np.diag([1.0] * 8 + [0.0])
    assert_allclose([*fit.x, fit.intercept], normal_equations(centred, b, 0.1, l), rtol=1e-9)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_sparse_indices_of_both_widths_unsorted_and_repeated(index, form):
    cls = getattr(scipy.sparse, f"{form}_array")
    a = cls((np.array([2.0, 1.0, 4.0, 0.5]), np.array([1, 0, 1, 1]), np.array([0, 2, 4])), shape=(2, 2))
    a.indices, a.indptr = a.indices.astype(index), a.indptr.astype(index)
    dense = np.array([[1.0, 2.0], [0.0, 4.5]]) if form == "csr" else np.array([[1.0, 0.0], [2.0, 4.5]])
    assert_allclose(wp.ridge(a, [1.0, 2.0], 0.1).x, normal_equations(dense, [1.0, 2.0], 0.1))


def test_broken_sparse_indices_are_refused():
    a = scipy.sparse.csr_array(np.eye(3))
    a.indices[1] = 7
    with pytest.raises(ValueError, match=r"column_indices\[1\] is 7"):
        wp.ridge(a, np.ones(3), 1.0)
    a = scipy.sparse.csr_array(np.eye(3))
    a.indices = a.indices.astype(float)
    with pytest.raises(TypeError, match="integers"):
        wp.ridge(a, np.ones(3), 1.0)


def test_many_right_hand_sides():
    b = RNG.standard_normal((20, 3))
    fit = wp.Problem(A).intercept().solve(b, "gcv")
    assert fit.x.shape == (5, 3) and fit.lam.shape == (3,) and fit.intercept.shape == (3,)
    for j in range(3):
        assert_allclose(wp.Problem(A).intercept().solve(b[:, j], fit.lam[j]).x, fit.x[:, j], rtol=1e-9)
    shared = wp.ridge(A, b, wp.Gcv().shared())
    assert len(set(shared.lam)) == 1
    assert wp.ridge(A, b[:, :1], 0.1).x.shape == (5, 1)
    assert wp.ridge(np.empty((20, 0)), b, 0.1).x.shape == (0, 3)


def test_frames_keep_their_names():
    frame = pandas.DataFrame(A, columns=list("abcde"))
    fit = wp.ridge(frame, pandas.Series(B), 0.1)
    assert fit.names == list("abcde")
    series = fit.to_pandas()
    assert list(series.index) == list("abcde") and series["b"] == fit.x[1]
    assert "<th>c</th>" in fit._repr_html_()
    with pytest.raises(wp.Error, match="missing value at 1, 0"):
        wp.ridge(pandas.DataFrame({"a": [1, None, 2]}, dtype=object), [1.0, 2.0, 3.0], 0.1)
    with pytest.raises(wp.Error, match="row 1, column 0"):
        wp.ridge(pandas.DataFrame({"a": pandas.array([1, None, 2], dtype="Int64")}), [1.0, 2.0, 3.0], 0.1)
    with pytest.raises(TypeError, match="get_dummies"):
        wp.ridge(pandas.DataFrame({"a": list("xyz")}), [1.0, 2.0, 3.0], 0.1)


class OnlyDlpack:
    """An array that can be read through DLPack and in no other way."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def test_dlpack():
    assert_allclose(wp.ridge(OnlyDlpack(A), OnlyDlpack(B), 0.2).x, wp.ridge(A, B, 0.2).x)


class OnADevice(OnlyDlpack):
    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **options):
        raise BufferError("CUDA memory")


def test_memory_of_a_device_is_refused():
    with pytest.raises(TypeError, match="host"):
        wp.ridge(OnADevice(A), B, 0.2)


@pytest.mark.parametrize(
    ("a", "b", "choice", "error", "text"),
    [
        (np.array([[1, "x"]], dtype=object), [1.0], 1.0, TypeError, "dtype object"),
        (np.array([["a"]]), [1.0], 1.0, TypeError, "A has dtype"),
        (np.ones((2, 2), np.longdouble), [1.0, 2.0], 1.0, TypeError, "astype"),
        ([[1.0, 2.0], [3.0]], [1.0, 2.0], 1.0, ValueError, "same length"),
        (np.ones(3), np.ones(3), 1.0, ValueError, r"reshape\(-1, 1\)"),
        (np.ones((2, 2, 2)), np.ones(2), 1.0, ValueError, "2 are needed"),
        (A, np.ones(19), 1.0, ValueError, "20"),
        (A, np.ones((20, 1, 1)), 1.0, ValueError, "dimensions"),
        (A, np.where(np.arange(20) == 3, np.nan, B), 1.0, ValueError, "NaN or infinite"),
        (np.where(A == A[2, 1], np.inf, A), B, 1.0, ValueError, "row 2, column 1"),
        (A, B, -1.0, ValueError, "λ|lambda"),
        (A, B, float("nan"), ValueError, "NaN|nan"),
        (A, B, "gvc", ValueError, '"gcv"'),
        (A, B, "kfold", ValueError, r"KFold\(5\)"),
        (A, B, object(), TypeError, "number"),
        (A, B, [1.0, 2.0], TypeError, "number"),
        (A, None, 1.0, TypeError, "b has dtype object"),
        (None, B, 1.0, TypeError, "A has dtype object"),
        (np.ma.masked_less(A, 0), B, 1.0, ValueError, "masked"),
    ],
)
def test_bad_input(a, b, choice, error, text):
    with pytest.raises(error, match=text):
        wp.ridge(a, b, choice)


def test_errors_speak_python():
    with pytest.raises(wp.SingularError, match=r'method\("svd"\)') as caught:
        wp.Problem(np.ones((4, 2))).require_full_rank().solve(np.ones(4), 0.0)
    assert isinstance(caught.value, (np.linalg.LinAlgError, ValueError)) and "::" not in str(caught.value)
    with pytest.raises(wp.NotConvergedError) as caught:
        wp.Problem(A).method(wp.Lsmr(max_steps=1)).solve(B, 1e-3)
    assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, ValueError)
    with pytest.raises(ValueError, match='"svd"'):
        wp.Problem(A).method("svm")
    with pytest.raises(ValueError, match="first_difference"):
        wp.Problem(A).penalty("smooth")
    for negative in [
        lambda: wp.Problem(A).threads(-1),
        lambda: wp.Problem(A).posterior(B, rank=-1),
        lambda: wp.Problem(A).posterior(B).sample(-1),
        lambda: wp.Problem(A).method(wp.Lsmr(max_steps=-1)),
        lambda: wp.log_grid(1.0, 2.0, -1),
        lambda: wp.Rows(-1),
    ]:
        with pytest.raises(wp.Error, match="-1, but it must be a whole number"):
            negative()
    with pytest.raises(TypeError, match="must be a list"):
        wp.Problem(A).penalties(3.0)
    with pytest.raises(wp.Error, match=r"Problem\.posterior\(b"):
        wp.Problem(A).map(B, wp.Prior.laplace(1.0))
    with pytest.raises(wp.Error, match="single one for all"):
        wp.Problem(A).bounds([0.0, 1.0]).solve(B, 1.0)


def test_settings():
    w, s, x0 = RNG.random(20) + 0.5, RNG.random(20) + 0.5, RNG.standard_normal(5)
    l = RNG.standard_normal((3, 5))
    fit = wp.Problem(A).penalty(l).weights(w).noise_std(s).prior_mean(x0).solve(B, 0.7)
    root = np.sqrt(w) / s
    expected = x0 + normal_equations(root[:, None] * A, root * (B - A @ x0), 0.7, l)
    assert_allclose(fit.x, expected, rtol=1e-10)
    assert_allclose(fit.residual_norm, np.linalg.norm(root * (B - A @ fit.x)), rtol=1e-12)
    assert_allclose(fit.penalty_norm, np.linalg.norm(l @ (fit.x - x0)), rtol=1e-12)
    assert fit.damping == pytest.approx(np.sqrt(0.7)) and fit.rank == 5
    assert "identity" not in wp.Problem(A).penalty(l).plan(0.1)
    assert wp.Problem(A).threads(1).solve(B, 0.1).x.shape == (5,)


def test_settings_leave_the_problem_as_it_was():
    problem = wp.Problem(A)
    problem.intercept()
    assert problem.solve(B, 0.1).intercept == 0.0


def test_penalties_by_name_and_matrix():
    second = np.diff(np.eye(5), 2, axis=0)
    for penalty in ["second_difference", wp.Penalty.second_difference(), second, scipy.sparse.csr_array(second)]:
        assert_allclose(wp.Problem(A).penalty(penalty).solve(B, 2.0).x, normal_equations(A, B, 2.0, second), rtol=1e-10)
    both = wp.Penalty.sum([(0.5, wp.Penalty.identity()), (2.0, wp.Penalty.matrix(second))])
    stacked = np.vstack([np.sqrt(0.5) * np.eye(5), np.sqrt(2.0) * second])
    assert_allclose(wp.Problem(A).penalty(both).solve(B, 2.0).x, normal_equations(A, B, 2.0, stacked), rtol=1e-10)
    assert_allclose(wp.tikhonov(A, B, second).x, normal_equations(A, B, 1.0, second), rtol=1e-10)
    grid = wp.Penalty.gradient((5,), spacing=[2.0])
    assert_allclose(wp.Problem(A).penalty(grid).solve(B, 4.0).x, normal_equations(A, B, 1.0, np.diff(np.eye(5), axis=0)), rtol=1e-10)


@pytest.mark.parametrize(
    "rule",
    [
        wp.Gcv().robust(0.3),
        wp.Gcv().strong_robust(0.95),
        wp.Gcv().modified(1.4),
        wp.Gcv().weighted(0.9),
        wp.Loo(),
        wp.Loo().one_standard_error(),
        wp.KFold(4, seed=3),
        wp.KFold(4).blocks().one_standard_error(),
        wp.Evidence(),
        wp.Gml(),
        wp.Aicc(),
        wp.Bic(),
        wp.Upre.noise_std(1.0),
        wp.Upre.estimated(),
        wp.Discrepancy.noise_norm(4.0),
        wp.Discrepancy.relative_noise(0.9).safety(1.01),
        wp.Discrepancy.noise_norm(4.0).monotone_error(),
        wp.Discrepancy.noise_norm(400.0).at_most(),
        wp.PenaltyNorm(0.1),
        wp.Evidence.noise_std(1.0),
        wp.Balancing.noise_std(1.0),
        wp.LCurve(),
        wp.LCurve.triangle(),
        wp.LCurve.pruning(),
        wp.QuasiOptimality(),
        wp.Reginska(0.5),
        wp.Ncp(),
        wp.Ncp(grid=(4, 5)),
        wp.HoerlKennardBaldwin(),
        wp.LawlessWang(),
        wp.EffectiveDof(3.0),
        wp.NormFraction(0.5),
    ],
    ids=repr,
)
def test_every_rule(rule):
    assert pickle.loads(pickle.dumps(rule)) == rule == copy.deepcopy(rule)
    try:
        fit = wp.ridge(A, B, rule)
    except wp.Error as error:
        # some have no multiplier for pure noise, and say so
        assert "finds no λ" in str(error)
        return
    assert fit.lam >= 0 and fit.report.criteria
    if isinstance(rule, wp.EffectiveDof):
        assert fit.dof == pytest.approx(3.0)
    if isinstance(rule, wp.NormFraction):
        free = np.linalg.lstsq(A, B)[0]
        assert np.linalg.norm(fit.x) == pytest.approx(0.5 * np.linalg.norm(free))


def test_lambda():
    lam = wp.Lambda.from_damping(1e-200)
    assert lam.value == 0.0 and lam.damping == 1e-200
    assert pickle.loads(pickle.dumps(lam)) == lam and hash(copy.copy(lam)) == hash(lam)
    assert repr(wp.Lambda(1e-4)) == "Lambda(0.0001)" and float(wp.Lambda(2.0)) == 2.0
    assert wp.ridge(A, B, np.float32(0.5)).lam == wp.ridge(A, B, wp.Lambda(0.5)).lam == 0.5
    assert wp.ridge(A, B, 1).lam == 1.0
    assert wp.Lambda.lasso(0.1, 50).value == 10.0
    lam, rho = wp.Lambda.elastic_net(0.1, 0.5, 50)
    assert lam.value * rho == pytest.approx(5.0) and lam.value * (1 - rho) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="samples=n"):
        wp.Lambda.weight_decay(0.1, "mean_squared")


def test_factorization():
    factor = wp.Problem(A).factorize()
    lams = wp.log_grid(1e-3, 1e2, 4)
    for lam, fit in zip(lams, factor.path(B, lams)):
        assert_allclose(fit.x, normal_equations(A, B, lam), rtol=1e-10)
    curve = factor.curve(B, lams)
    assert_allclose(curve["residual_norm"], [factor.solve(B, lam).residual_norm for lam in lams], rtol=1e-10)
    spectrum = factor.spectrum(B)
    assert_allclose(spectrum.values, np.linalg.svd(A, compute_uv=False), rtol=1e-10)
    assert_allclose(spectrum.outside**2 + (spectrum.coefficients**2).sum(), B @ B)
    diagnostics = factor.diagnostics(B, 0.5)
    hat = A @ np.linalg.solve(A.T @ A + 0.5 * np.eye(5), A.T)
    assert_allclose(diagnostics.leverages, np.diag(hat), rtol=1e-9)
    assert_allclose(diagnostics.dof, np.trace(hat), rtol=1e-10)
    u, s, vt = np.linalg.svd(A, full_matrices=False)
    assert_allclose(factor.truncated(B, 2).x, vt[:2].T @ ((u.T @ B)[:2] / s[:2]), rtol=1e-9)
    comparison = factor.compare_rules(np.column_stack([B, -B]))
    assert len(comparison) == 2 and comparison[0]["GCV"].lam == pytest.approx(comparison[1]["GCV"].lam)
    assert [row.name for row in factor.compare_rules(B, ["gcv", wp.KFold(4)]).rows] == ["GCV", "K-fold"]
    with pytest.raises(TypeError, match=r"astype\(complex\)"):
        factor.solve(B * 1j, 0.1)
    with pytest.raises(TypeError, match="real numbers"):
        factor.curve(B, [1j])
    assert factor.solve(B, "gcv").x.dtype == float and factor.shape == (20, 5) and factor.dtype == float


def test_inference():
    """At lambda = 0 the textbook's formulas; at any other the sandwich."""
    inference = wp.Problem(pandas.DataFrame(A, columns=list("vwxyz"))).inference(B, 0.4)
    inverse = np.linalg.inv(A.T @ A + 0.4 * np.eye(5))
    hat = A @ inverse @ A.T
    residual = B - hat @ B
    left = 20 - np.trace(2 * hat - hat @ hat.T)
    noise = np.sqrt(residual @ residual / left)
    assert inference.residual_dof == pytest.approx(left) and inference.noise_std == pytest.approx(noise)
    assert_allclose(inference.standard_error, noise * np.sqrt(np.diag(inverse @ A.T @ A @ inverse)), rtol=1e-9)
    assert_allclose(inference.posterior_std, noise * np.sqrt(np.diag(inverse)), rtol=1e-9)
    assert_allclose(inference.leverage, np.diag(hat), rtol=1e-9)
    assert_allclose(inference.left_out_error, residual / (1 - np.diag(hat)), rtol=1e-9)
    low, high = inference.confidence(0.9).T
    assert_allclose((low + high) / 2, inference.x, rtol=1e-9)
    assert "w" in str(inference) and inference.prediction(A[0])["value"] == pytest.approx(A[0] @ inference.x)
    assert len(wp.Problem(A).intercept().inference(np.column_stack([B, B]), "gcv")) == 2
    with pytest.raises(ValueError, match="level"):
        inference.credible(2.0)


def test_t_tests():
    """At lambda = 0 the textbook's, elsewhere refused."""
    import scipy.stats

    inference = wp.Problem(A).inference(B, 0.0)
    statistics, p_values = inference.t_tests()
    residual = B - A @ np.linalg.lstsq(A, B)[0]
    errors = np.sqrt(residual @ residual / 15 * np.diag(np.linalg.inv(A.T @ A)))
    assert_allclose(statistics, inference.x / errors, rtol=1e-9)
    assert_allclose(p_values, 2 * scipy.stats.t.sf(abs(statistics), 15), rtol=1e-7)
    with pytest.raises(wp.Error, match="credible"):
        wp.Problem(A).inference(B, 0.1).t_tests()
    exact = inference.prediction(A[0], noise_std=0.0)
    assert_allclose(exact["interval"], exact["credible"])


@pytest.mark.parametrize("dtype", [np.float32, complex])
def test_batch(dtype):
    a, b = A.astype(dtype)[None] * np.arange(1, 5)[:, None, None].astype(dtype), np.stack([B, -B, B, 2 * B]).astype(dtype)
    b[2, 7] = np.inf
    fits = wp.ridge_batch(a, b, 0.3)
    for k in [0, 1, 3]:
        # other kernels: to rounding
        assert_allclose(fits[k].x, wp.ridge(a[k], b[k], 0.3).x, rtol=1e-4 if dtype is np.float32 else 1e-10)
        assert fits[k].lam == 0.3 and fits[k].x.dtype == dtype
    assert isinstance(fits[2], wp.Error) and "row 7" in str(fits[2])
    assert len({fit.lam for fit in wp.ridge_batch([A, A[:9], A[:, :2]], [B, B[:9], B], "gcv")}) == 3
    assert wp.ridge_batch([], []) == []
    for wrong in [([A], [B, B]), ([A, A], [B])]:
        with pytest.raises(wp.Error, match="one for each"):
            wp.ridge_batch(*wrong)
    with pytest.raises(wp.Error, match="2 dimensions"):
        wp.ridge_batch([B], [B])


def test_path_of_problem():
    fits = wp.Problem(A).path(B, [0.1, wp.Lambda(1.0)])
    assert_allclose(fits[1].x, normal_equations(A, B, 1.0), rtol=1e-10)


def test_pictures():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    fit = wp.ridge(A, B, "gcv")
    figure = fit.plot()
    assert len(figure.axes) == 2 and figure.axes[1].get_xscale() == "log"
    assert len(wp.ridge(A, B, 0.1).plot().axes) == 1
    assert "<svg" in fit._repr_html_() and "<svg" in fit.report.criteria[0].to_svg()
    factor = wp.Problem(A).factorize()
    for name in ["l_curve", "picard", "solution", "residual", "periodogram", "coefficient_path"]:
        assert factor.figure(name, B, 0.5).startswith("<svg")
    assert factor.html_report(B, 0.5, title="Noise").startswith("<!DOCTYPE html>")
    assert "<pre" in factor.compare_rules(B)._repr_html_()
    for value in [fit, fit.report, factor, factor.compare_rules(B), factor.diagnostics(B, 1.0), wp.Problem(A)]:
        assert repr(value) and str(value)


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 12),
    n=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    decades=st.floats(-6, 3),
    order=st.sampled_from("CF"),
    complex_=st.booleans(),
)
def test_gradient_is_zero(m, n, seed, decades, order, complex_):
    rng = np.random.default_rng(seed)
    a, b, lam = np.array(rng.standard_normal((m, n)), order=order), rng.standard_normal(m), 10.0**decades
    if complex_:
        a, b = a + 1j * rng.standard_normal((m, n)), b * 1j
    fit = wp.ridge(a, b, lam)
    gradient = a.conj().T @ (a @ fit.x - b) + lam * fit.x
    size = np.linalg.norm(a) * (np.linalg.norm(a) * np.linalg.norm(fit.x) + np.linalg.norm(b)) + lam * np.linalg.norm(fit.x)
    assert np.linalg.norm(gradient) <= 1e-12 * size
    assert fit.residual_norm == pytest.approx(np.linalg.norm(a @ fit.x - b), rel=1e-9, abs=1e-13)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([1e-150, 1e-3, 1e3, 1e140]))
def test_units(seed, factor):
    """(cA, c^2 lam) has the answer x/c."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((9, 4)), rng.standard_normal(9)
    scaled = wp.ridge(factor * a, b, wp.Lambda.from_damping(factor * 0.3))
    assert_allclose(scaled.x * factor, wp.ridge(a, b, wp.Lambda.from_damping(0.3)).x, rtol=1e-11)


@pytest.mark.parametrize("seed, error", [(-1, ValueError), (2**64, ValueError), (0.5, TypeError)])
def test_seeds(seed, error):
    a, b = RNG.standard_normal((40, 3)), RNG.standard_normal(40)
    posterior = wp.Problem(a).posterior(b)
    for call in [
        lambda: posterior.sample(2, seed=seed),
        lambda: wp.Problem(a).samples(b, posterior, 2, seed=seed),
        lambda: wp.ridge(a, b, wp.KFold(4, seed=seed)),
        lambda: wp.Problem(a).method(wp.Probes(seed=seed)),
        lambda: wp.Problem(a).precondition(wp.Nystrom(seed=seed)),
        lambda: wp.Problem(a).precondition(wp.Sketch(seed=seed)),
    ]:
        with pytest.raises(error, match="seed"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: wp.Problem(np.eye(3)).penalty(wp.Penalty.gradient((3, -1))),
        lambda: wp.Problem(np.eye(3)).penalty(wp.Penalty.first_difference_2d(3, -1)),
        lambda: wp.ridge(np.eye(3), np.ones(3), wp.KFold(-2)),
        lambda: wp.Problem(np.eye(3)).threads(-1),
        lambda: wp.lsqr(np.eye(3), np.ones(3), iter_lim=-1),
    ],
)
def test_negative_sizes(call):
    with pytest.raises(ValueError, match="whole number of at least 0"):
        call()
