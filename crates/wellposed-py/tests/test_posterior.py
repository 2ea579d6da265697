"""Posteriors against the formulas that define them, written out in NumPy; kernels against scikit-learn's."""

import pickle

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import scipy.stats
from numpy.testing import assert_allclose
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.linear_model import BayesianRidge

import wellposed as wp

RNG = np.random.default_rng(41)
A = RNG.standard_normal((25, 6))
B = A @ [1.0, -2.0, 0.0, 0.5, 0.0, 3.0] + 0.3 * RNG.standard_normal(25)


def written_out(a, b, noise, prior, covariance=None):
    """Mean and covariance of x, and log p(b), for x ~ N(0, prior^2 C) and noise of this standard deviation."""
    c = prior**2 * (np.eye(a.shape[1]) if covariance is None else covariance)
    marginal = a @ c @ a.T + noise**2 * np.eye(len(b))
    gain = np.linalg.solve(marginal, a @ c).T
    return gain @ b, c - gain @ a @ c, scipy.stats.multivariate_normal.logpdf(b, np.zeros(len(b)), marginal)


def test_a_posterior_is_the_formula():
    posterior = wp.Problem(A).noise_std(0.3).posterior(B, 0.04)
    # lam = 1/prior variance in whitened units
    mean, covariance, log_evidence = written_out(A, B, 0.3, 5.0)
    assert_allclose(posterior.mean, mean, rtol=1e-9)
    assert_allclose(posterior.covariance(), covariance, rtol=1e-8, atol=1e-12)
    assert_allclose(posterior.std, np.sqrt(np.diag(covariance)), rtol=1e-9)
    assert posterior.prior_std == pytest.approx(5.0) and posterior.lam == pytest.approx(0.04)
    assert posterior.log_evidence == pytest.approx(log_evidence, rel=1e-10)
    v = RNG.standard_normal((6, 3))
    assert_allclose(posterior.covariance_times(v), covariance @ v, rtol=1e-8, atol=1e-12)
    assert_allclose(posterior.covariance_times(v[:, 0]), covariance @ v[:, 0], rtol=1e-8, atol=1e-12)
    half = scipy.stats.norm.ppf(0.95)
    assert_allclose(posterior.band(0.9), np.column_stack([mean - half * posterior.std, mean + half * posterior.std]), rtol=1e-9)
    new = RNG.standard_normal((4, 6))
    at = posterior.predict(new)
    assert_allclose(at.mean, new @ mean, rtol=1e-9)
    assert_allclose(at.std, np.sqrt(np.diag(new @ covariance @ new.T)), rtol=1e-8)
    assert_allclose(at.observation_std, np.hypot(at.std, posterior.noise_std), rtol=1e-12)
    assert_allclose(posterior.predict(scipy.sparse.csr_array(new)).std, at.std, rtol=1e-12)
    assert "noise std" in str(posterior) and "6 unknowns" in repr(posterior)


def test_draws_have_mean_and_covariance():
    posterior = wp.Problem(A).noise_std(0.3).posterior(B, 0.04)
    draws = posterior.sample(40_000, seed=3)
    assert draws.x.shape == (6, 40_000) and (draws.intercepts == 0).all()
    assert (posterior.sample(5, seed=3).x == draws.x[:, :5]).all() and (posterior.sample(5, seed=4).x != draws.x[:, :5]).any()
    # five standard errors of the mean and of the entries of the covariance
    root = np.sqrt(np.diag(posterior.covariance()))
    assert (abs(draws.x.mean(axis=1) - posterior.mean) < 5 * root / 200).all()
    assert_allclose(np.cov(draws.x) / np.outer(root, root), posterior.covariance() / np.outer(root, root), atol=5 * np.sqrt(2) / 200)
    exact = wp.Problem(A).noise_std(0.3).samples(B, posterior, 4000, seed=1)
    assert (abs(exact.x.mean(axis=1) - posterior.mean) < 5 * root / np.sqrt(4000)).all()
    assert_allclose(np.cov(exact.x) / np.outer(root, root), posterior.covariance() / np.outer(root, root), atol=5 * np.sqrt(2 / 4000))


def test_evidence_is_the_largest_likelihood():
    posterior = wp.Problem(A).posterior(B)

    def negative(logs):
        return -written_out(A, B, np.exp(logs[0]), np.exp(logs[1]))[2]

    best = scipy.optimize.minimize(negative, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert_allclose([posterior.noise_std, posterior.prior_std], np.exp(best.x), rtol=1e-5)
    assert posterior.log_evidence == pytest.approx(-best.fun, rel=1e-9)
    # the curvature there
    step = 1e-3
    at = lambda i, j: negative(best.x + step * np.array([i, j]))  # noqa: E731
    hessian = np.array(
        [
            [at(1, 0) + at(-1, 0) - 2 * at(0, 0), (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4],
            [0.0, at(0, 1) + at(0, -1) - 2 * at(0, 0)],
        ]
    )
    hessian[1, 0] = hessian[0, 1]
    errors = np.sqrt(np.diag(np.linalg.inv(hessian / step**2)))
    assert_allclose([posterior.log_noise_std_error, posterior.log_prior_std_error], errors, rtol=1e-3)


def test_hyper_priors_are_those_of_scikit_learn():
    """BayesianRidge maximises the evidence with Gamma priors on both precisions."""
    theirs = BayesianRidge(
        alpha_1=2.0, alpha_2=0.5, lambda_1=3.0, lambda_2=0.7, fit_intercept=False, tol=1e-12, max_iter=10_000
    ).fit(A, B)
    evidence = wp.Evidence().noise_prior(wp.HyperPrior.gamma_precision(2.0, 0.5)).scale_prior(wp.HyperPrior.gamma_precision(3.0, 0.7))
    posterior = wp.Problem(A).posterior(B, evidence)
    assert_allclose(posterior.noise_std**-2, theirs.alpha_, rtol=1e-6)
    assert_allclose(posterior.prior_std**-2, theirs.lambda_, rtol=1e-6)
    assert_allclose(posterior.mean, theirs.coef_, rtol=1e-6)
    assert_allclose(posterior.covariance(), theirs.sigma_, rtol=1e-5, atol=1e-9)
    with pytest.raises(wp.Error, match="posterior"):
        wp.ridge(A, B, evidence)
    with pytest.raises(wp.Error, match="known"):
        wp.Evidence.noise_std(0.1).noise_prior(wp.HyperPrior.flat())
    for prior in [wp.HyperPrior.half_normal(1.0), wp.HyperPrior.half_cauchy(1.0), wp.HyperPrior.gamma_std(2.0, 1.0), wp.HyperPrior.log_normal(0.3, 0.4)]:
        assert 0.1 < wp.Problem(A).posterior(B, wp.Evidence().noise_prior(prior)).noise_std < 1.0
    known = wp.Problem(A).noise_std(0.3).posterior(B, wp.Evidence())
    assert_allclose(wp.ridge(A, B, wp.Evidence.noise_std(0.3)).lam, known.lam * 0.09, rtol=1e-6)
    assert known.log_noise_std_error is None


@pytest.mark.parametrize("kernel", ["matern", "squared_exponential"])
def test_gaussian_process(kernel):
    points = 0.1 * np.arange(30)
    means = np.array([np.convolve(row, np.ones(5) / 5, "same") for row in np.eye(30)])[::2]
    b = np.sin(points) @ means.T + 0.05 * RNG.standard_normal(15)
    if kernel == "matern":
        ours, theirs = wp.Covariance.matern(1.5, 0.6), Matern(length_scale=0.6, nu=1.5)
    else:
        ours, theirs = wp.Covariance.squared_exponential(0.3).nugget(1e-3), RBF(length_scale=0.3)
    c = theirs(points[:, None]) + (0.0 if kernel == "matern" else 1e-3) * np.eye(30)
    mean, covariance, log_evidence = written_out(means, b, 0.05, 2.0, c)
    problem = wp.Problem(means).noise_std(0.05)
    for penalty in [
        wp.Penalty.kernel((30,), ours, spacing=[0.1]),
        wp.Penalty.covariance(c),
        wp.Penalty.precision(np.linalg.inv(c)),
        wp.Penalty.matrix(np.linalg.cholesky(np.linalg.inv(c)).T),
    ]:
        posterior = problem.penalty(penalty).posterior(b, 0.25)
        assert_allclose(posterior.mean, mean, rtol=1e-6, atol=1e-7)
        assert_allclose(posterior.covariance(), covariance, atol=1e-6)
        assert posterior.log_evidence == pytest.approx(log_evidence, rel=1e-6)
    with pytest.raises(wp.Error, match="eigenvalue"):
        problem.penalty(wp.Penalty.covariance(-c)).posterior(b, 0.25)
    periodic = wp.Penalty.kernel((6, 5), wp.Covariance.exponential(1.0), boundary="periodic")
    assert wp.Problem(np.eye(30)).penalty(periodic).solve(np.ones(30), 1.0).x.std() < 1e-9


def test_intercept_weights_and_several_columns():
    weights = RNG.random(25) + 0.5
    problem = wp.Problem(A).intercept().weights(weights).noise_std(0.3)
    first, second = problem.posterior(np.column_stack([B + 7.0, -B]), 0.5)
    fit = problem.solve(B + 7.0, 0.5)
    assert_allclose(first.mean, fit.x, rtol=1e-9)
    assert first.intercept == pytest.approx(fit.intercept) and second.intercept < 7.0 and first.intercept_std > 0.0


def test_complex_posteriors():
    a = A + 1j * np.roll(A, 2, axis=0)
    posterior = wp.Problem(a).noise_std(0.3).posterior(B, 0.5)
    expected = np.linalg.inv((a.conj().T @ a) / 0.09 + 0.5 * np.eye(6))
    assert_allclose(posterior.covariance(), expected, rtol=1e-8, atol=1e-12)
    assert posterior.mean.dtype == complex and isinstance(posterior.intercept, complex)
    with pytest.raises(wp.Error, match="order"):
        posterior.band()
    with pytest.raises(TypeError, match="dtype"):
        wp.Problem(A).noise_std(0.3).samples(B, posterior, 2)


def test_low_rank():
    n = 60
    blur = np.exp(-0.5 * ((np.arange(n)[:, None] - np.arange(n)) / 3.0) ** 2)
    b = blur @ np.sin(np.arange(n) / 9.0) + 0.01 * RNG.standard_normal(n)

    class Blur:
        shape = (n, n)
        matvec = staticmethod(lambda x: blur @ x)
        rmatvec = staticmethod(lambda y: blur.T @ y)

    problem = wp.Problem(Blur()).noise_std(0.01)
    low = problem.posterior(b, 1e-2, rank=45)
    exact = wp.Problem(blur).noise_std(0.01).posterior(b, 1e-2)
    assert_allclose(low.mean, exact.mean, atol=1e-6)
    assert (low.std**2 >= exact.std**2 * (1 - 1e-9)).all() and (low.std**2 <= exact.std**2 + low.covariance_error).all()
    assert exact.covariance_error is None


def test_relevance():
    wide = RNG.standard_normal((50, 12))
    b = 3.0 * wide[:, 2] - wide[:, 7] + 0.1 * RNG.standard_normal(50)
    found = wp.Problem(wide).relevance(b)
    assert {2, 7} <= set(found.kept) and sorted(found.kept + found.pruned) == list(range(12))
    assert (found.std[found.pruned] == 0).all() and found.noise_std == pytest.approx(0.1, rel=0.4)
    # with the variances that it found, the mean is the ridge solution
    kept = wide[:, found.kept]
    precision = np.diag(found.noise_std**2 / found.prior_std[found.kept] ** 2)
    assert_allclose(found.mean[found.kept], np.linalg.solve(kept.T @ kept + precision, kept.T @ b), rtol=1e-6)


class LogNormal:
    """log z_j ~ N(0, 1): positive."""

    def __init__(self):
        self.calls = 0

    def value(self, z):
        self.calls += 1
        if (z <= 0).any():
            return -np.inf
        return float((-np.log(z) - 0.5 * np.log(z) ** 2 - 0.5 * np.log(2 * np.pi)).sum())

    def gradient(self, z):
        return -(1.0 + np.log(z)) / z

    def curvature(self, z):
        return -np.log(z) / z**2


def test_any_log_prior():
    b = A @ np.array([1.0, 0.5, 2.0, 0.1, 0.4, 3.0]) + 0.3 * RNG.standard_normal(25)
    problem = wp.Problem(A).noise_std(0.3)
    prior = LogNormal()
    found = problem.map(b, prior, start=np.ones(6))
    assert prior.calls > 0 and (found.x > 0).all()

    def negative(x):
        return 0.5 * np.sum((A @ x - b) ** 2) / 0.09 - prior.value(x)

    best = scipy.optimize.minimize(negative, np.ones(6), method="L-BFGS-B", bounds=[(1e-6, None)] * 6, options={"ftol": 1e-15, "gtol": 1e-9})
    assert_allclose(found.x, best.x, rtol=1e-4)

    class Full(LogNormal):
        def curvature(self, z):
            return np.diag(super().curvature(z))

    assert_allclose(problem.map(b, Full(), start=np.ones(6)).x, found.x, rtol=1e-6)
    gaussian = problem.map(B, wp.Prior.gaussian(2.0))
    posterior = problem.posterior(B, 0.25)
    assert_allclose(gaussian.x, posterior.mean, rtol=1e-8)
    assert_allclose(gaussian.std, posterior.std, rtol=1e-8)
    assert gaussian.log_evidence == pytest.approx(posterior.log_evidence, rel=1e-8)
    for prior in [wp.Prior.laplace(0.3), wp.Prior.student_t(3.0, 0.5), wp.Prior.cauchy(0.5), wp.Prior.horseshoe(0.5).smoothed(1e-2)]:
        assert problem.map(B, prior).gradient < 1e-6


def test_a_prior_that_fails_says_so():
    class Broken(LogNormal):
        def gradient(self, z):
            raise KeyError("mine")

    class Wrong(LogNormal):
        def gradient(self, z):
            return -super().gradient(z)

    class Short(LogNormal):
        def gradient(self, z):
            return np.zeros(2)

    problem = wp.Problem(A).noise_std(0.3)
    with pytest.raises(KeyError, match="mine"):
        problem.map(B, Broken(), start=np.ones(6))
    with pytest.raises(wp.Error, match="gradient"):
        problem.map(B, Wrong(), start=np.ones(6))
    with pytest.raises(wp.Error, match="one for each of the 6 unknowns"):
        problem.map(B, Short(), start=np.ones(6))
    with pytest.raises(TypeError, match="no gradient"):
        problem.map(B, type("Half", (), {"value": lambda self, z: 0.0})())


def test_bad_questions():
    with pytest.raises(wp.Error):
        wp.Problem(A).posterior(B, 0.0)
    posterior = wp.Problem(A).posterior(B, 0.1)
    with pytest.raises(wp.Error, match="level"):
        posterior.band(1.5)
    with pytest.raises(wp.Error, match="column"):
        posterior.predict(np.ones((2, 5)))
    with pytest.raises(wp.Error, match="unknown"):
        posterior.covariance_times(np.ones(5))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(posterior)
