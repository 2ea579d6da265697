"""Estimators for scikit-learn: ``Ridge``, ``RidgeCV``, ``GeneralizedRidge``, ``BayesianRidge``, ``Lasso``, ``ElasticNet``.

``alpha`` multiplies ``||coef||^2`` beside the sum of squared residuals, as in scikit-learn's ``Ridge``; the intercept is not
penalised; at a given alpha a sample weight of 2 counts as the row given twice, and one of 0 as a row left out.

>>> import numpy as np
>>> from wellposed.sklearn import RidgeCV
>>> rng = np.random.default_rng(0)
>>> X = rng.standard_normal((60, 4))
>>> y = X @ [1.0, 2.0, 0.5, -1.0] + 3.0 + 0.1 * rng.standard_normal(60)
>>> model = RidgeCV().fit(X, y)
>>> model.coef_.round(1), round(model.intercept_, 1)
(array([ 1. ,  2. ,  0.5, -1. ]), 3.0)
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.model_selection import check_cv
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:  # pragma: no cover
    raise ImportError("wellposed.sklearn needs scikit-learn 1.6 or newer: pip install scikit-learn") from error

from ._core import Factorization, Lambda, Problem, Rows, Solution
from .penalties import Penalty
from .rules import Evidence, Gcv, Gml, Loo, Rule

__all__ = ["BayesianRidge", "ElasticNet", "GeneralizedRidge", "Lasso", "Ridge", "RidgeCV"]

_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
#: samples for each feature from which on a grid of alphas is searched without a copy of X; a choice
_TALL = 4


def _is_plain(X: Any, y: Any, dimensions: int) -> bool:
    """Arrays that the engines take as they are and check themselves, so that scikit-learn's own pass over them can be saved."""
    return (
        type(X) is np.ndarray
        and type(y) is np.ndarray
        and X.ndim == 2
        and X.dtype in _FLOATS
        and y.dtype in _FLOATS
        and 1 <= y.ndim <= dimensions
        and X.shape[0] == y.shape[0]
        and X.shape[0] > 1
        and X.shape[1] > 0
    )


class _Linear(RegressorMixin, BaseEstimator):
    """What all have in common: checks, weights, ``predict``."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fits the model.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,), or (n_samples, n_targets) where the estimator takes several
        sample_weight : array_like of shape (n_samples,), optional
            At least 0; 0 leaves a row out. A criterion that chooses alpha counts rows, and weighs their errors.

        Returns
        -------
        Self
            The estimator itself.

        Raises
        ------
        ValueError
            For data or settings out of range, and where a criterion has no minimum.
        """
        self._fit_on(X, y, sample_weight)
        return self

    def _fit_on(self, X: Any, y: Any, sample_weight: Any) -> None:
        """``_solve`` on checked data."""
        if sample_weight is None and _is_plain(X, y, 2 if self._several_targets else 1):
            self.n_features_in_ = X.shape[1]
            self.__dict__.pop("feature_names_in_", None)
            try:
                return self._solve(X, y, None)
            except ValueError:
                # scikit-learn's text for what it refuses as well, ours for the rest
                pass
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], dtype=list(_FLOATS), multi_output=self._several_targets, y_numeric=True
        )
        if y.dtype not in _FLOATS:
            y = y.astype(X.dtype)
        if sample_weight is not None:
            X, y, sample_weight = _weighted(X, y, sample_weight)
        return self._solve(X, y, sample_weight)

    _several_targets = False

    def _solve(self, X: Any, y: Any, sample_weight: Any) -> None:
        raise NotImplementedError

    def _problem(self, X: Any, sample_weight: Any) -> Problem:
        problem = Problem(X)
        if self.fit_intercept:
            problem = problem.intercept()
        return problem if sample_weight is None else problem.weights(sample_weight)

    def _keep(self, fit: Solution) -> None:
        self.coef_ = fit.x.T
        self.intercept_ = fit.intercept
        self._report = fit.report
        self.n_iter_ = fit.report.steps

    @property
    def report_(self) -> str:
        """What was done and why, the numbers and the warnings, as a table."""
        check_is_fitted(self, "coef_")
        return str(self._report)

    def __getstate__(self) -> dict[str, Any]:
        # a stored estimator keeps the text of its report
        state = super().__getstate__()
        return {**state, "_report": str(state["_report"])} if "_report" in state else state

    def predict(self, X: Any) -> np.ndarray:
        """``X @ coef_ + intercept_``.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_targets)
        """
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, reset=False, accept_sparse=["csr", "csc", "coo"], dtype=list(_FLOATS))
        return np.asarray(X @ self.coef_.T) + self.intercept_


class _MultiTarget(MultiOutputMixin, _Linear):
    _several_targets = True


def _weighted(X: Any, y: np.ndarray, sample_weight: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Checked weights; rows of weight 0 are left out, which is what the weight says."""
    weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    if (weights < 0).any():
        raise ValueError(f"sample_weight has {weights.min()}, but weights are at least 0: 0 leaves a row out")
    kept = weights > 0
    if kept.all():
        return X, y, weights
    if not kept.any():
        raise ValueError("all sample weights are 0: no row is left to fit")
    return X[kept], y[kept], weights[kept]


class Ridge(_MultiTarget):
    """Ridge regression at a given alpha.

    Minimises ``sum(w * (y - X coef - intercept)^2) + alpha ||coef||^2``.

    Parameters
    ----------
    alpha : float or array_like of shape (n_targets,), default 1.0
        At least 0; 0 is least squares (of minimum norm, where it is not unique).
    fit_intercept : bool, default True
        Whether an unpenalised constant is fitted; sparse X is not made dense for it.
    solver : str or method, default "auto"
        ``"auto"``, ``"cholesky"``, ``"qr"``, ``"svd"``, ``"lsqr"``, ``"lsmr"``, ``"cgls"``, or a method with options such as
        ``wellposed.Lsmr(tolerance=1e-6)``.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    report_ : str
        What was done and why: a table.
    n_iter_ : int or None
        Steps of an iterative method.
    n_features_in_ : int
    feature_names_in_ : ndarray
        Where X is a frame.

    Examples
    --------
    >>> from wellposed.sklearn import Ridge
    >>> Ridge(alpha=1.0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).coef_
    array([0.66666667])
    """

    def __init__(self, alpha: Any = 1.0, *, fit_intercept: bool = True, solver: Any = "auto") -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver

    def _fit_on(self, X: Any, y: Any, sample_weight: Any) -> None:
        self.__dict__.pop("_rows", None)
        super()._fit_on(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Ridge:
        """Adds rows to those of earlier calls, and fits the model to all of them: what ``fit`` would say of all rows at once.

        They are kept as a triangle of O(n_features^2) numbers. ``fit`` begins anew.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array_like of shape (n_samples,), optional

        Returns
        -------
        Ridge
            The estimator itself.
        """
        rows: Rows | None = self.__dict__.get("_rows")
        first = rows is None
        X, y = validate_data(
            self, X, y, reset=first, accept_sparse=["csr", "csc"], dtype=list(_FLOATS), multi_output=True, y_numeric=True
        )
        if sample_weight is not None:
            X, y, sample_weight = _weighted(X, y, sample_weight)
        if rows is None:
            rows = Rows(X.shape[1], right_hand_sides=None if y.ndim == 1 else y.shape[1], dtype=X.dtype)
        rows.push(X, y, sample_weight)
        self._rows = rows
        alphas = self._alphas(1 if y.ndim == 1 else y.shape[1])
        if alphas is None:
            self._keep(rows.solve(float(self.alpha), intercept=self.fit_intercept))
        else:
            self._keep_all([rows.solve(alpha, intercept=self.fit_intercept) for alpha in alphas], y.ndim == 1)
        return self

    def _solve(self, X: Any, y: Any, sample_weight: Any) -> None:
        problem = self._problem(X, sample_weight)
        if self.solver != "auto":
            problem = problem.method(self.solver)
        alphas = self._alphas(1 if y.ndim == 1 else y.shape[1])
        if alphas is None:
            return self._keep(problem.solve(y, float(self.alpha)))
        columns = y[:, None] if y.ndim == 1 else y
        self._keep_all([problem.solve(columns[:, j], alpha) for j, alpha in enumerate(alphas)], y.ndim == 1)

    def _alphas(self, targets: int) -> np.ndarray | None:
        """One for each target, where they are given like that."""
        if np.ndim(self.alpha) == 0:
            return None
        alphas = np.asarray(self.alpha, dtype=float).ravel()
        if len(alphas) != targets:
            raise ValueError(f"alpha has {len(alphas)} values for {targets} targets: give one for each, or a single number")
        return alphas

    def _keep_all(self, fits: list[Solution], single: bool) -> None:
        """One fit for each target, with an alpha of its own: of that target alone, or of all of them."""
        self._keep(fits[-1])
        if not single:
            columns = [(fit.x, fit.intercept) if fit.x.ndim == 1 else (fit.x[:, j], fit.intercept[j]) for j, fit in enumerate(fits)]
            self.coef_ = np.stack([x for x, _ in columns])
            self.intercept_ = np.array([intercept for _, intercept in columns], dtype=self.coef_.dtype)


class RidgeCV(_MultiTarget):
    """Ridge regression with alpha chosen by the data.

    Parameters
    ----------
    alphas : array_like of shape (n_alphas,), optional
        Candidates. Unless given, alpha is any number: the criterion is minimised over an interval, by one decomposition.
    fit_intercept : bool, default True
        Whether an unpenalised constant is fitted.
    criterion : {"gcv", "loo", "reml"} or rule, default "gcv"
        Generalized cross-validation, exact leave-one-out, restricted maximum likelihood; without ``alphas`` any rule of
        wellposed, such as ``wellposed.KFold(5)``. Not looked at when ``cv`` is given.
    cv : int, splitter or iterable of (train, test), optional
        K-fold cross-validation of the squared error. Without ``alphas`` the test sets have to divide the samples among them.
    alpha_per_target : bool, default False
        Whether each target has an alpha of its own.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        What was chosen.
    coef_, intercept_, report_, n_iter_, n_features_in_, feature_names_in_
        As in ``Ridge``.

    Notes
    -----
    Cross-validation keeps alpha as it is for the rows that remain. Of a grid, the sum of the criterion over the targets is
    minimised; without one, their mean.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.sklearn import RidgeCV
    >>> X = np.vander(np.linspace(-1, 1, 30), 6)
    >>> y = np.cos(np.arange(30.0))
    >>> RidgeCV(alphas=[0.1, 1.0, 10.0], criterion="loo").fit(X, y).alpha_ in (0.1, 1.0, 10.0)
    True
    """

    def __init__(
        self,
        alphas: Any = None,
        *,
        fit_intercept: bool = True,
        criterion: Any = "gcv",
        cv: Any = None,
        alpha_per_target: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.criterion = criterion
        self.cv = cv
        self.alpha_per_target = alpha_per_target

    def _fit_on(self, X: Any, y: Any, sample_weight: Any) -> None:
        self._splits: list[tuple[np.ndarray, np.ndarray]] | None = None
        if self.cv is not None:
            self._prepare_splits(X, y, sample_weight)
        try:
            super()._fit_on(X, y, sample_weight)
        finally:
            del self._splits

    def _prepare_splits(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Splits of the caller's rows, without those of weight 0."""
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        splits = [(np.asarray(train), np.asarray(test)) for train, test in check_cv(self.cv).split(np.empty((rows, 1)))]
        if sample_weight is not None and np.ndim(sample_weight) == 1 and len(sample_weight) == rows:
            kept = np.asarray(sample_weight) > 0
            place = np.cumsum(kept) - 1
            inside = lambda indices: place[indices[kept[indices]]] if indices.dtype != bool else indices[kept]  # noqa: E731
            splits = [(inside(train), inside(test)) for train, test in splits]
        self._splits = splits

    def _solve(self, X: Any, y: Any, sample_weight: Any) -> None:
        if X.shape[0] == 1:
            raise ValueError("n_samples=1: alpha cannot be chosen from one sample; give it to Ridge")
        problem = self._problem(X, sample_weight)
        if self.alphas is not None:
            return self._solve_grid(problem, X, y, sample_weight)
        rule = self.criterion
        if self._splits is not None:
            problem = problem.groups(_folds(self._splits, X.shape[0]))
            rule = Loo()
        elif isinstance(rule, str) and rule not in ("gcv", "loo", "reml", "evidence", "gml"):
            raise ValueError(f'criterion is {rule!r}, but it must be "gcv", "loo", "reml" or a rule such as wellposed.KFold(5)')
        if y.ndim == 2 and not self.alpha_per_target:
            rule = (_RULES[rule] if isinstance(rule, str) else rule).shared()
        self._choose(problem.solve(y, rule))

    def _choose(self, fit: Solution) -> None:
        self._keep(fit)
        lam = fit.lam
        self.alpha_ = lam if np.ndim(lam) == 0 or self.alpha_per_target else float(lam[0])

    def _solve_grid(self, problem: Problem, X: Any, y: Any, sample_weight: Any) -> None:
        alphas = np.unique(np.asarray(self.alphas, dtype=float))
        if alphas.size == 0 or not (alphas > 0).all() or not np.isfinite(alphas).all():
            raise ValueError("alphas must be one or more finite numbers above 0")
        columns = y[:, None] if y.ndim == 1 else y
        # a factorization keeps a copy of X; rows that are pushed keep O(n_features^2) numbers, which is all that these criteria ask for
        solver: Any = problem
        if self._splits is not None:
            values = self._cross_validated(self._splits, X, columns, sample_weight, alphas)
        elif self.criterion != "loo" and X.shape[0] >= _TALL * X.shape[1]:
            rows = Rows(X.shape[1], right_hand_sides=columns.shape[1], dtype=X.dtype)
            rows.push(X, columns, sample_weight)
            kept = rows.factorize(intercept=self.fit_intercept)
            values = _criterion_on_grid(self.criterion, kept.curve, kept.spectrum, len(y), alphas)
        else:
            solver = problem.factorize()
            if self.criterion == "loo":
                values = _left_out_on_grid(solver, X, columns, sample_weight, alphas)
            else:
                curve, spectrum = (lambda grid: solver.curve(columns, grid)), (lambda: solver.spectrum(columns))
                values = _criterion_on_grid(self.criterion, curve, spectrum, len(y), alphas)
        if y.ndim == 2 and self.alpha_per_target:
            self.alpha_ = alphas[np.argmin(values, axis=0)]
            fits = [solver.solve(columns[:, j], alpha) for j, alpha in enumerate(self.alpha_)]
            Ridge._keep_all(self, fits, False)
        else:
            self.alpha_ = float(alphas[np.argmin(values.sum(axis=1))])
            self._keep(solver.solve(y, self.alpha_))

    def _cross_validated(self, splits: Any, X: Any, y: np.ndarray, sample_weight: Any, alphas: np.ndarray) -> np.ndarray:
        """Weighted squared errors of the test sets, for each alpha and target."""
        errors = np.zeros((len(alphas), y.shape[1]))
        for train, test in splits:
            weights = None if sample_weight is None else sample_weight[train]
            factor = self._problem(X[train], weights).factorize()
            for place, alpha in enumerate(alphas):
                fit = factor.solve(y[train], alpha)
                squares = np.square(y[test] - X[test] @ fit.x - fit.intercept)
                errors[place] += (squares if sample_weight is None else squares * sample_weight[test][:, None]).sum(axis=0)
        return errors


def _folds(splits: list[tuple[np.ndarray, np.ndarray]], rows: int) -> list[int]:
    """The fold of each row, where the test sets divide the rows among them."""
    folds = np.full(rows, -1)
    for fold, (_, test) in enumerate(splits):
        if (folds[test] >= 0).any():
            break
        folds[test] = fold
    else:
        if (folds >= 0).all():
            return folds.tolist()
    raise ValueError("the test sets of cv do not divide the samples among them: give candidates in alphas, or use KFold")


def _criterion_on_grid(criterion: Any, curve: Any, spectrum: Any, samples: int, alphas: np.ndarray) -> np.ndarray:
    """The criterion for each alpha and target, from curves or spectra of all targets."""
    if criterion == "gcv":
        return np.stack([one["gcv"] for one in curve(alphas)], axis=1)
    if criterion in ("reml", "evidence", "gml"):
        return np.stack([_evidence(one, samples, alphas) for one in spectrum()], axis=1)
    raise ValueError(f'on a grid the criterion is "gcv", "loo" or "reml", and not {criterion!r}: leave alphas out for other rules')


def _left_out_on_grid(factor: Factorization, X: Any, y: np.ndarray, sample_weight: Any, alphas: np.ndarray) -> np.ndarray:
    """Squared leave-one-out errors for each alpha and target."""
    root = 1.0 if sample_weight is None else np.sqrt(sample_weight)[:, None]
    values = np.empty((len(alphas), y.shape[1]))
    for place, alpha in enumerate(alphas):
        fit = factor.solve(y, alpha)
        leverages = factor.diagnostics(y[:, 0], alpha).leverages
        values[place] = np.square(root * (y - X @ fit.x - fit.intercept) / (1.0 - leverages)[:, None]).sum(axis=0)
    return values


def _evidence(spectrum: Any, samples: int, alphas: np.ndarray) -> np.ndarray:
    """log of b^H (I - H) b / det(I - H)^(1/(m - q)) at each alpha."""
    left = alphas[:, None] / (spectrum.values**2 + alphas[:, None])
    fitted = spectrum.outside**2 + (left * spectrum.coefficients**2).sum(axis=1)
    return np.log(fitted) - np.log(left).sum(axis=1) / (samples - spectrum.unpenalised)


_RULES: dict[str, Rule] = {"gcv": Gcv(), "loo": Loo(), "reml": Evidence(), "evidence": Evidence(), "gml": Gml()}


class GeneralizedRidge(_MultiTarget):
    """Generalized ridge (Tikhonov) regression: ``alpha ||L coef||^2`` in place of ``alpha ||coef||^2``.

    Parameters
    ----------
    alpha : float, str or rule, default 1.0
        The multiplier, or the rule that chooses it: ``"gcv"``, ``wellposed.LCurve()``, ...
    penalty : None, str, array_like, sparse matrix, operator or wellposed.Penalty, default None
        None is the identity; ``"first_difference"`` and ``"second_difference"`` smooth along the features; n_features numbers
        are weights, ``alpha * sum((w_j coef_j)^2)``, where 0 leaves a coefficient free; a matrix of n_features columns is L.
    fit_intercept : bool, default True
        Whether an unpenalised constant is fitted.
    solver : str or method, default "auto"
        As in ``Ridge``.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        The multiplier, given or chosen.
    coef_, intercept_, report_, n_iter_, n_features_in_, feature_names_in_
        As in ``Ridge``.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.sklearn import GeneralizedRidge
    >>> X = np.tril(np.ones((8, 8)))
    >>> smooth = GeneralizedRidge(100.0, penalty="first_difference", fit_intercept=False).fit(X, np.arange(1.0, 9.0))
    >>> smooth.coef_
    array([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, alpha: Any = 1.0, *, penalty: Any = None, fit_intercept: bool = True, solver: Any = "auto") -> None:
        self.alpha = alpha
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.solver = solver

    def _solve(self, X: Any, y: Any, sample_weight: Any) -> None:
        problem = self._problem(X, sample_weight)
        penalty = self.penalty
        if penalty is not None:
            is_weights = isinstance(penalty, (list, tuple, np.ndarray)) and np.ndim(penalty) == 1
            problem = problem.penalty(Penalty.diagonal(penalty) if is_weights else penalty)
        if self.solver != "auto":
            problem = problem.method(self.solver)
        fit = problem.solve(y, self.alpha)
        self._keep(fit)
        self.alpha_ = fit.lam


class BayesianRidge(_Linear):
    """Ridge regression with the precisions of noise and coefficients found by maximising the marginal likelihood.

    ``y ~ N(X coef + intercept, 1/alpha_)``, ``coef ~ N(0, I/lambda_)``, with gamma priors on both precisions. The names are
    scikit-learn's: here, ``alpha_`` is the precision of the noise, and ``lambda_ / alpha_`` what ``Ridge`` calls alpha.

    Parameters
    ----------
    max_iter : int, default 300
        At most so many updates of the precisions.
    tol : float, default 1e-3
        Ends when the coefficients change by less, in the sum of moduli.
    alpha_1, alpha_2, lambda_1, lambda_2 : float, default 1e-6
        Shape and rate of the gamma priors on ``alpha_`` and ``lambda_``.
    alpha_init, lambda_init : float, optional
        Where to start; 1/var(y) and 1 unless given.
    compute_score : bool, default False
        Whether ``scores_`` holds the log marginal likelihood of every update.
    fit_intercept : bool, default True
        Whether an unpenalised constant is fitted.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,)
    intercept_ : float
    alpha_, lambda_ : float
        Precisions of the noise and of the coefficients.
    sigma_ : ndarray, shape (n_features, n_features)
        Posterior covariance of the coefficients.
    scores_ : ndarray
        With ``compute_score``.
    n_iter_ : int
        Updates made.
    report_ : str
    n_features_in_, feature_names_in_
        As in ``Ridge``.

    Notes
    -----
    MacKay 1992, Neural Computation 4:415; Tipping 2001, J. Mach. Learn. Res. 1:211. An update costs O(n_features) after one
    decomposition of X. A weight of 2 counts as a row given twice, also in the number of samples.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.sklearn import BayesianRidge
    >>> model = BayesianRidge().fit([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], [0.0, 1.0, 2.0])
    >>> mean, std = model.predict([[1.0, 1.0]], return_std=True)
    >>> mean.round(4)
    array([1.])
    """

    def __init__(
        self,
        *,
        max_iter: int = 300,
        tol: float = 1e-3,
        alpha_1: float = 1e-6,
        alpha_2: float = 1e-6,
        lambda_1: float = 1e-6,
        lambda_2: float = 1e-6,
        alpha_init: float | None = None,
        lambda_init: float | None = None,
        compute_score: bool = False,
        fit_intercept: bool = True,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.alpha_1 = alpha_1
        self.alpha_2 = alpha_2
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.alpha_init = alpha_init
        self.lambda_init = lambda_init
        self.compute_score = compute_score
        self.fit_intercept = fit_intercept

    def _solve(self, X: Any, y: Any, sample_weight: Any) -> None:
        if self.max_iter < 1:
            raise ValueError(f"max_iter is {self.max_iter}, but it must be at least 1")
        y = np.ravel(y)
        weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        samples = weights.sum()
        factor = self._problem(X, sample_weight).factorize()
        # the first to see y refuses what is not finite
        spectrum = factor.spectrum(y)
        variance = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        alpha = 1.0 / (variance + np.finfo(float).eps) if self.alpha_init is None else float(self.alpha_init)
        lam = 1.0 if self.lambda_init is None else float(self.lambda_init)
        evidence = _Evidence(spectrum, samples, X.shape[1], self)
        scores, previous = [], None
        fit = factor.solve(y, lam / alpha)
        for step in range(1, self.max_iter + 1):
            if self.compute_score:
                scores.append(evidence.score(alpha, lam))
            alpha, lam = evidence.update(alpha, lam)
            if previous is not None and np.abs(previous - fit.x).sum() < self.tol:
                break
            previous = fit.x
            fit = factor.solve(y, lam / alpha)
        self.n_iter_ = step
        fit = factor.solve(y, lam / alpha)
        if self.compute_score:
            self.scores_ = np.array([*scores, evidence.score(alpha, lam)])
        self.coef_, self.intercept_, self._report = fit.x, fit.intercept, fit.report
        self.alpha_, self.lambda_ = alpha, lam
        self._offset = np.asarray(weights @ X / samples).ravel() if self.fit_intercept else np.zeros(X.shape[1])
        # rows divided by the noise: the multiplier is then the precision of the coefficients
        posterior = self._problem(X, sample_weight).noise_std(alpha**-0.5).posterior(y, lam)
        self.sigma_ = posterior.covariance()

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The mean of the posterior prediction, and with ``return_std`` its standard deviation, noise included.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        return_std : bool, default False

        Returns
        -------
        ndarray of shape (n_samples,), or two of them
        """
        mean = super().predict(X)
        if not return_std:
            return mean
        X = validate_data(self, X, reset=False, accept_sparse=["csr", "csc", "coo"], dtype=list(_FLOATS))
        centred = (X.toarray() if hasattr(X, "toarray") else X) - self._offset
        return mean, np.sqrt(((centred @ self.sigma_) * centred).sum(axis=1) + 1.0 / self.alpha_)


class _Evidence:
    """The marginal likelihood of the two precisions, from the singular values and coefficients of the data."""

    def __init__(self, spectrum: Any, samples: float, features: int, model: BayesianRidge) -> None:
        self.squares = spectrum.values**2
        self.coefficients = spectrum.coefficients**2
        self.outside = spectrum.outside**2
        self.samples, self.features, self.model = samples, features, model

    def sums(self, alpha: float, lam: float) -> tuple[float, float]:
        """Residual sum of squares, and ||coef||^2."""
        total = self.squares + lam / alpha
        residual = self.outside + (self.coefficients * (lam / alpha / total) ** 2).sum()
        return residual, (self.coefficients * self.squares / total**2).sum()

    def update(self, alpha: float, lam: float) -> tuple[float, float]:
        """MacKay's fixed point."""
        model = self.model
        residual, norm = self.sums(alpha, lam)
        determined = (alpha * self.squares / (lam + alpha * self.squares)).sum()
        new_lam = (determined + 2 * model.lambda_1) / (norm + 2 * model.lambda_2)
        new_alpha = (self.samples - determined + 2 * model.alpha_1) / (residual + 2 * model.alpha_2)
        return new_alpha, new_lam

    def score(self, alpha: float, lam: float) -> float:
        """log of the marginal likelihood times the priors, up to a constant of them."""
        model = self.model
        residual, norm = self.sums(alpha, lam)
        # directions that X does not see have the variance of the prior
        unseen = self.features - len(self.squares)
        log_det = -np.log(lam + alpha * self.squares).sum() - unseen * np.log(lam)
        priors = model.lambda_1 * np.log(lam) - model.lambda_2 * lam + model.alpha_1 * np.log(alpha) - model.alpha_2 * alpha
        likelihood = self.features * np.log(lam) + self.samples * np.log(alpha) - alpha * residual - lam * norm + log_det
        return priors + 0.5 * (likelihood - self.samples * np.log(2 * np.pi))


class ElasticNet(_MultiTarget):
    """Linear regression with an l1 penalty, and a squared one beside it.

    Minimises ``sum(w * (y - X coef - intercept)^2) / (2 sum(w)) + alpha * (l1_ratio ||coef||_1 + (1 - l1_ratio)/2 ||coef||^2)``, as
    scikit-learn's does, to a duality gap of 1e-12 of ``||y||^2``.

    Parameters
    ----------
    alpha : float, default 1.0
        Multiplier of the penalty.
    l1_ratio : float, default 0.5
        From 0 (the square alone) to 1 (the lasso).
    fit_intercept : bool, default True
        Whether an unpenalised constant is fitted.
    positive : bool, default False
        Whether coefficients are at least 0.
    solver : str or method, default "auto"
        Or ``wellposed.CoordinateDescent(tolerance=1e-8)``.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    dual_gap_ : float
        The objective is above its minimum by at most this.
    report_, n_iter_, n_features_in_, feature_names_in_
        As in ``Ridge``.

    Notes
    -----
    Each target is a problem of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.sklearn import ElasticNet
    >>> X = np.eye(4)
    >>> ElasticNet(0.1, l1_ratio=0.5, fit_intercept=False).fit(X, [1.0, -1.0, 0.1, 0.0]).coef_.round(4)
    array([ 0.6667, -0.6667, 0. , 0. ])
    """

    def __init__(
        self, alpha: float = 1.0, *, l1_ratio: float = 0.5, fit_intercept: bool = True, positive: bool = False, solver: Any = "auto"
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.solver = solver

    def _solve(self, X: Any, y: Any, sample_weight: Any) -> None:
        total = float(X.shape[0] if sample_weight is None else sample_weight.sum())
        lam, penalty = self._penalty(total)
        problem = self._problem(X, sample_weight).penalty(penalty)
        if self.positive:
            problem = problem.nonnegative()
        if self.solver != "auto":
            problem = problem.method(self.solver)
        fit = problem.solve(y, lam)
        self._keep(fit)
        self.dual_gap_ = (fit.report.duality_gap or 0.0) / (2.0 * total)

    def _penalty(self, total: float) -> tuple[Lambda, Penalty]:
        share = float(self.l1_ratio)
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"l1_ratio is {share}, but it must be from 0 to 1")
        lam, rho = Lambda.elastic_net(float(self.alpha), share, total)
        return lam, Penalty.identity().elastic_net(rho)


class Lasso(ElasticNet):
    """Linear regression with an l1 penalty: coefficients that are exactly 0.

    Minimises ``sum(w * (y - X coef - intercept)^2) / (2 sum(w)) + alpha ||coef||_1``, as scikit-learn's does, to a duality gap of
    1e-12 of ``||y||^2``.

    Parameters
    ----------
    alpha : float, default 1.0
        Multiplier of the penalty.
    fit_intercept : bool, default True
        Whether an unpenalised constant is fitted.
    positive : bool, default False
        Whether coefficients are at least 0.
    solver : str or method, default "auto"
        As in ``ElasticNet``.

    Attributes
    ----------
    coef_, intercept_, dual_gap_, report_, n_iter_, n_features_in_, feature_names_in_
        As in ``ElasticNet``.

    Examples
    --------
    >>> import numpy as np
    >>> from wellposed.sklearn import Lasso
    >>> Lasso(0.1, fit_intercept=False).fit(np.eye(4), [1.0, -1.0, 0.1, 0.0]).coef_
    array([ 0.6, -0.6, 0. , 0. ])
    """

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True, positive: bool = False, solver: Any = "auto") -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.solver = solver

    def _penalty(self, total: float) -> tuple[Lambda, Penalty]:
        return Lambda.lasso(float(self.alpha), total), Penalty.identity().l1()
