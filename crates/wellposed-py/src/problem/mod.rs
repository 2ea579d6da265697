//! `Problem`: its settings one after another, and its calls. What it holds is in `settings`, how the calls are made in `calls`.

mod calls;
mod settings;

pub use calls::{choice_or_gcv, ridge, tikhonov};

use crate::choice;
use crate::errors::type_error;
use crate::factorization::Factorization;
use crate::options::{Count, PreconditionerOf, Seed, labels, method, misfit};
use crate::penalty::PenaltyOf;
use crate::posterior::Posterior;
use crate::scalar::dispatch;
use crate::solution::{Solution, python_layer};
use calls::{factorize_for, inference_for, lambda_max_for, map_for, path_for, plan_for, posterior_for, relevance_for, samples_for};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use settings::Settings;
use std::sync::Arc;

/// What pickle keeps of a problem: how to make it again, and from what.
type Reduced<'py> = (Bound<'py, PyAny>, (Py<PyAny>, Bound<'py, PyList>));

/// Everything except b and the amount of regularization.
///
/// Minimises ``(A x + c - b)^H W (A x + c - b) + lam R(x - prior_mean)``. Each method returns a new problem with one more
/// setting and never fails for a value: what is wrong is said when the problem is solved.
///
/// Parameters
/// ----------
/// A : array_like, sparse matrix, DataFrame or operator, shape (m, n)
///     float32, float64, complex64 or complex128, in place with any strides; other numbers are converted. Of
///     ``scipy.sparse``, csr and csc are used in place, other formats are converted. Objects with ``shape``, ``matvec`` and
///     ``rmatvec`` (SciPy's LinearOperator, PyLops) are multiplied with only.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> A = np.vander(np.linspace(0, 1, 20), 6)
/// >>> b = np.cos(np.linspace(0, 3, 20))
/// >>> fit = wp.Problem(A).penalty("second_difference").intercept().solve(b, "gcv")
/// >>> fit.x.shape
/// (6,)
#[pyclass(frozen, module = "wellposed")]
#[derive(Clone)]
pub struct Problem {
    settings: Settings,
    /// A as it was given, and what was set since, in order: what pickle keeps.
    given: Arc<Py<PyAny>>,
    history: Vec<(&'static str, Arc<Py<PyTuple>>)>,
}

impl Problem {
    fn of(matrix: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { settings: Settings::new(matrix)?, given: Arc::new(matrix.clone().unbind()), history: Vec::new() })
    }

    /// One more setting: the name of the method, its arguments, and what it does.
    fn set<'py, A>(
        &self,
        py: Python<'py>,
        name: &'static str,
        arguments: A,
        set: impl FnOnce(&mut Settings) -> PyResult<()>,
    ) -> PyResult<Self>
    where
        A: IntoPyObject<'py>,
    {
        let mut next = self.clone();
        set(&mut next.settings)?;
        next.history.push((name, Arc::new(arguments.into_bound_py_any(py)?.cast_into()?.unbind())));
        Ok(next)
    }
}

#[pymethods]
impl Problem {
    #[new]
    #[pyo3(signature = (A, /))]
    #[allow(non_snake_case)]
    fn new(A: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::of(A)
    }

    /// (m, n).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.settings.matrix.shape
    }

    /// Names of the columns, where A is a frame.
    #[getter]
    fn names(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.settings.matrix.names.as_ref().map(|names| names.clone_ref(py))
    }

    /// R(z) = ||L z||^2: ``"identity"``, ``"first_difference"``, ``"second_difference"``, a ``Penalty``, or a matrix or operator L
    /// of n columns.
    fn penalty(&self, penalty: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(penalty.py(), "penalty", (penalty,), |settings| {
            settings.penalty = Arc::new(PenaltyOf::new(penalty)?);
            settings.several = None;
            Ok(())
        })
    }

    /// Several penalties, to each of which ``"gcv"``, ``"loo"`` or ``"reml"`` gives a multiplier of its own: ``fit.lambdas``.
    ///
    /// ``Penalty.bands(labels)`` makes one for each group of columns. A number multiplies them all. Dense or small real A.
    fn penalties(&self, penalties: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = penalties.py();
        let Ok(penalties) = penalties.try_iter() else {
            return Err(type_error(
                "penalties must be a list, as [Penalty.identity(), \"second_difference\"]; a single one is set by penalty",
            ));
        };
        let penalties = penalties.collect::<PyResult<Vec<_>>>()?;
        let list = PyList::new(py, &penalties)?;
        self.set(py, "penalties", (list,), |settings| {
            settings.several = Some(Arc::new(penalties.iter().map(PenaltyOf::new).collect::<PyResult<_>>()?));
            Ok(())
        })
    }

    /// How residuals are measured, if not by their squares: ``Misfit.huber(1.345).scaled_by_mad()`` keeps outliers of b from
    /// carrying the fit away. ``fit.report.reweighted`` has the weights of the rows.
    #[pyo3(name = "misfit")]
    fn set_misfit(&self, misfit_of_residuals: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(misfit_of_residuals.py(), "misfit", (misfit_of_residuals,), |settings| {
            settings.misfit = Some(misfit(misfit_of_residuals)?);
            Ok(())
        })
    }

    /// One positive weight for each row: a weight of 2 counts as the row given twice.
    fn weights(&self, weights: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(weights.py(), "weights", (weights,), |settings| {
            settings.weights = Some(Arc::new(weights.clone().unbind()));
            Ok(())
        })
    }

    /// Standard deviation of the noise, of each row or one for all: rows are divided by it.
    fn noise_std(&self, noise_std: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(noise_std.py(), "noise_std", (noise_std,), |settings| {
            settings.noise_std = Some(Arc::new(noise_std.clone().unbind()));
            Ok(())
        })
    }

    /// The penalty measures the departure from it. Part of the objective, not a starting guess.
    fn prior_mean(&self, prior_mean: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(prior_mean.py(), "prior_mean", (prior_mean,), |settings| settings.set_prior_mean(prior_mean))
    }

    /// Fits an unpenalised constant beside x.
    fn intercept(&self, py: Python<'_>) -> PyResult<Self> {
        self.set(py, "intercept", PyTuple::empty(py), |settings| {
            settings.intercept = true;
            Ok(())
        })
    }

    /// lower <= x <= upper, ends included: a number for all or one for each unknown; None is open. The intercept is unbounded.
    ///
    /// The multiplier is a number, or chosen for the bounded problem by ``"gcv"``, ``"aicc"``, ``"bic"``, ``Discrepancy`` or
    /// ``PenaltyNorm``. ``fit.report.constrained`` has the certificate of optimality. Real x only.
    #[pyo3(signature = (lower=None, upper=None))]
    fn bounds(&self, py: Python<'_>, lower: Option<&Bound<'_, PyAny>>, upper: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        self.set(py, "bounds", (lower, upper), |settings| {
            let end = |end: Option<&Bound<'_, PyAny>>| end.map(|end| end.clone().unbind());
            settings.bounds = Some(Arc::new((end(lower), end(upper))));
            Ok(())
        })
    }

    /// x >= 0: ``bounds(0.0, None)``.
    fn nonnegative(&self, py: Python<'_>) -> PyResult<Self> {
        self.bounds(py, Some(pyo3::types::PyFloat::new(py, 0.0).as_any()), None)
    }

    /// C x = d for a matrix or operator C of shape (q, n), of any rank, and d of length q. A second call replaces the first.
    #[allow(non_snake_case)]
    fn equality(&self, C: &Bound<'_, PyAny>, d: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(C.py(), "equality", (C, d), |settings| settings.set_equality(C, d))
    }

    /// An integer label for each row: rows with the same label are left out together by cross-validation.
    fn groups(&self, labels_of_rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(labels_of_rows.py(), "groups", (labels_of_rows,), |settings| {
            settings.groups = Some(Arc::new(labels(labels_of_rows)?));
            Ok(())
        })
    }

    /// The method, by name (``"svd"``, ``"lsmr"``, ...) or with its options (``wellposed.Lsmr(tolerance=1e-8)``).
    #[pyo3(name = "method")]
    fn set_method(&self, method_or_name: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(method_or_name.py(), "method", (method_or_name,), |settings| {
            settings.method = method(method_or_name)?;
            Ok(())
        })
    }

    /// A preconditioner of an iterative method: ``"columns"``, ``"nystrom"``, ``"sketch"``, ``wellposed.Nystrom(..)``,
    /// ``wellposed.Sketch(..)``, a vector of scales, or an operator that applies the inverse.
    fn precondition(&self, preconditioner: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.set(preconditioner.py(), "precondition", (preconditioner,), |settings| {
            settings.preconditioner = Some(Arc::new(PreconditionerOf::new(preconditioner)?));
            Ok(())
        })
    }

    /// A minimiser that is not unique is an error instead of the one of least norm with a warning.
    fn require_full_rank(&self, py: Python<'_>) -> PyResult<Self> {
        self.set(py, "require_full_rank", PyTuple::empty(py), |settings| {
            settings.require_full_rank = true;
            Ok(())
        })
    }

    /// How many threads the kernels may use; all unless given.
    fn threads(&self, py: Python<'_>, threads: Count) -> PyResult<Self> {
        self.set(py, "threads", (threads.0,), |settings| {
            settings.threads = Some(threads.0);
            Ok(())
        })
    }

    /// What will be done for this choice, and why: nothing is factored.
    #[pyo3(signature = (choice=None))]
    fn plan(&self, py: Python<'_>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        let choice = choice_or_gcv(choice)?;
        dispatch!(self.settings.kind(), plan_for(&self.settings, py, choice))
    }

    /// Solves for one or many right-hand sides.
    ///
    /// Parameters
    /// ----------
    /// b : array_like, shape (m,) or (m, k)
    ///     Right-hand sides; each column of a matrix has a multiplier of its own, unless the choice is ``.shared()``.
    /// choice : float, Lambda, str or rule, default "gcv"
    ///     The multiplier of the penalty, or the rule that chooses it.
    /// observer : callable, optional
    ///     Called with a ``Step`` after each step of an iterative method; a true return value ends it.
    ///
    /// Returns
    /// -------
    /// Solution
    ///
    /// Raises
    /// ------
    /// Error
    ///     A ``ValueError`` for wrong shapes, NaN, parameters out of range, or a rule that finds no multiplier.
    /// NotConvergedError
    ///     An iteration reached its step limit.
    /// SingularError
    ///     The method asked for by name cannot solve the problem, or ``require_full_rank()`` was asked for.
    #[pyo3(signature = (b, choice=None, *, observer=None))]
    fn solve(
        &self,
        py: Python<'_>,
        b: &Bound<'_, PyAny>,
        choice: Option<&Bound<'_, PyAny>>,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Solution> {
        calls::solve(py, &self.settings, b, choice, observer)
    }

    /// One solution for each multiplier, at less than the cost of one solve after another.
    fn path(&self, py: Python<'_>, b: &Bound<'_, PyAny>, lambdas: &Bound<'_, PyAny>) -> PyResult<Vec<Solution>> {
        let (b, kind) = self.settings.with_data(b)?;
        let lambdas = lambdas.try_iter()?.map(|item| choice::lambda(&item?)).collect::<PyResult<Vec<_>>>()?;
        dispatch!(kind, path_for(&self.settings, py, &b, lambdas))
    }

    /// The least multiplier at which every coefficient penalised by an l1 norm is 0: where a path begins. An array for a matrix b.
    fn lambda_max<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (b, kind) = self.settings.with_data(b)?;
        dispatch!(kind, lambda_max_for(&self.settings, py, &b))
    }

    /// Solves, and says how far x can be trusted: standard errors, intervals, leverages, Cook's distances.
    ///
    /// Parameters
    /// ----------
    /// b : array_like, shape (m,) or (m, k)
    /// choice : float, Lambda, str or rule, default "gcv"
    ///
    /// Returns
    /// -------
    /// Inference
    ///     A list of them for a matrix b.
    #[pyo3(signature = (b, choice=None))]
    fn inference<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>, choice: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let choice = choice_or_gcv(choice)?;
        let (b, kind) = self.settings.with_data(b)?;
        dispatch!(kind, inference_for(&self.settings, py, &b, choice))
    }

    /// The posterior of x under Gaussian noise and the Gaussian prior that the penalty stands for.
    ///
    /// Parameters
    /// ----------
    /// b : array_like, shape (m,) or (m, k)
    /// choice : float, Lambda, str or rule, default "evidence"
    ///     Noise variance over prior variance, or what finds it. ``wellposed.Evidence()`` takes hyper-priors here. The noise is that
    ///     of ``noise_std``, and is estimated where that was not set.
    /// rank : int, optional
    ///     From products with A alone, with the covariance to this rank: for operators and large sparse A, and the identity penalty.
    ///     ``choice`` is then "gcv" unless given.
    ///
    /// Returns
    /// -------
    /// Posterior
    ///     A list of them for a matrix b.
    #[pyo3(signature = (b, choice=None, *, rank=None))]
    fn posterior<'py>(
        &self,
        py: Python<'py>,
        b: &Bound<'py, PyAny>,
        choice: Option<&Bound<'py, PyAny>>,
        rank: Option<Count>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (b, kind) = self.settings.with_data(b)?;
        dispatch!(kind, posterior_for(&self.settings, py, &b, choice, rank.map(|rank| rank.0)))
    }

    /// Exact draws from a posterior of this problem, each by solving a perturbed problem: for any A, however large.
    ///
    /// Parameters
    /// ----------
    /// b : array_like, shape (m,)
    /// posterior : Posterior
    ///     Has the multiplier and the scales.
    /// count : int
    /// seed : int, default 0
    ///     The same seed gives the same draws.
    ///
    /// Returns
    /// -------
    /// Samples
    ///     ``x`` of shape (n, count), and ``intercepts``. Papandreou, Yuille 2010, NIPS.
    #[pyo3(signature = (b, posterior, count, seed=Seed(0)), text_signature = "($self, b, posterior, count, seed=0)")]
    fn samples<'py>(
        &self,
        py: Python<'py>,
        b: &Bound<'py, PyAny>,
        posterior: &Bound<'py, Posterior>,
        count: Count,
        seed: Seed,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (b, kind) = self.settings.with_data(b)?;
        dispatch!(kind, samples_for(&self.settings, py, &b, posterior.get(), count.0, seed.0))
    }

    /// Relevance determination (sparse Bayesian learning): a prior variance for each coefficient, found by evidence; columns whose
    /// variance goes to 0 are pruned. A ``Relevance``, or a list of them for a matrix b. Tipping 2001, J. Mach. Learn. Res. 1:211.
    fn relevance<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (b, kind) = self.settings.with_data(b)?;
        dispatch!(kind, relevance_for(&self.settings, py, &b))
    }

    /// The most probable x under a log prior of x - prior_mean, in place of a penalty. The noise must be known: ``noise_std``.
    ///
    /// Parameters
    /// ----------
    /// b : array_like, shape (m,) or (m, k)
    /// prior : Prior or object
    ///     ``wellposed.Prior.laplace(0.2)`` and its like, or an object with ``value(z)``, ``gradient(z)`` and ``curvature(z)``: log p(z),
    ///     its gradient (n,), and minus its second derivatives, as a diagonal (n,) or a matrix (n, n).
    /// start : array_like, shape (n,), optional
    ///     Where there are several modes, the one downhill from there is found.
    ///
    /// Returns
    /// -------
    /// MapEstimate
    ///     A list of them for a matrix b.
    #[pyo3(name = "map", signature = (b, prior, start=None))]
    fn mode<'py>(
        &self,
        py: Python<'py>,
        b: &Bound<'py, PyAny>,
        prior: &Bound<'py, PyAny>,
        start: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (b, kind) = self.settings.with_data(b)?;
        dispatch!(kind, map_for(&self.settings, py, &b, prior, start))
    }

    /// Decomposes A once, for any number of right-hand sides, multipliers and rules.
    fn factorize(&self, py: Python<'_>) -> PyResult<Factorization> {
        dispatch!(self.settings.kind(), factorize_for(&self.settings, py))
    }

    fn __copy__(&self) -> Self {
        // settings are never changed, so that two problems may share them
        self.clone()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let history = self.history.iter().map(|(name, arguments)| (*name, arguments.clone_ref(py)));
        let history = PyList::new(py, history.collect::<Vec<_>>())?;
        Ok((python_layer(py, "restore_problem")?, (self.given.clone_ref(py), history)))
    }

    fn __repr__(&self) -> String {
        let (m, n) = self.settings.matrix.shape;
        format!("<wellposed.Problem {m}×{n}, method {}>", self.settings.method)
    }
}
