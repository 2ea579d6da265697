//! `Problem`, and the one-line calls.

use crate::array::{Columns, Held, array, kind_of, reals, vector};
use crate::callback::Failure;
use crate::choice;
use crate::errors::{in_python, raise};
use crate::factorization::{Factorization, Keep};
use crate::inference::Inference;
use crate::matrix::{Source, right_hand_side};
use crate::options::{HeldPreconditioner, PenaltyOf, PreconditionerOf, labels, method};
use crate::scalar::{Element, Kind, dispatch};
use crate::solution::{Answer, Solution, Step};
use core::ops::ControlFlow;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wellposed::{Choice, Method, Preconditioner};

/// How often a running iteration looks whether Ctrl-C was pressed.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

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
    matrix: Arc<Source>,
    penalty: Arc<PenaltyOf>,
    weights: Option<Arc<Py<PyAny>>>,
    noise_std: Option<Arc<Py<PyAny>>>,
    prior_mean: Option<Arc<Py<PyUntypedArray>>>,
    prior_kind: Option<Kind>,
    intercept: bool,
    groups: Option<Arc<Vec<usize>>>,
    method: Method,
    preconditioner: Option<Arc<PreconditionerOf>>,
    require_full_rank: bool,
    threads: Option<usize>,
}

impl Problem {
    fn of(matrix: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            matrix: Arc::new(Source::new(matrix, "A")?),
            penalty: Arc::new(PenaltyOf::Identity),
            weights: None,
            noise_std: None,
            prior_mean: None,
            prior_kind: None,
            intercept: false,
            groups: None,
            method: Method::Auto,
            preconditioner: None,
            require_full_rank: false,
            threads: None,
        })
    }

    /// The scalar type that holds everything but b.
    fn kind(&self) -> Kind {
        let kind = self.matrix.kind.with(self.penalty.kind());
        self.prior_kind.map_or(kind, |prior| kind.with(prior))
    }

    /// Does `work` on the library's problem without the interpreter's lock. What Python raised in between comes out as itself.
    fn with<T: Element, R>(
        &self,
        py: Python<'_>,
        failure: &Failure,
        work: impl FnOnce(&wellposed::Problem<'_, T>) -> wellposed::Result<R>,
    ) -> PyResult<R> {
        let matrix = self.matrix.hold::<T>(py, "A", failure)?;
        let penalty = self.penalty.hold::<T>(py, failure)?;
        let held = |given: &Option<Arc<Py<PyAny>>>, what| given.as_ref().map(|w| reals::<T>(w.bind(py), what)).transpose();
        let weights = held(&self.weights, "the vector of weights")?;
        let noise_std = held(&self.noise_std, "noise_std")?;
        let prior_mean = match &self.prior_mean {
            None => None,
            Some(mean) => Some(vector(Held::<T>::new(mean.bind(py), "the prior mean")?, py, "the prior mean")?),
        };
        let preconditioner = self.preconditioner.as_ref().map(|p| p.hold::<T>(py, failure)).transpose()?;
        let outcome = detached(py, || {
            let a = matrix.operator()?;
            let mut operators = Vec::new();
            penalty.operators(&mut operators)?;
            let inverse = match &preconditioner {
                Some(HeldPreconditioner::Inverse(matrix)) => Some(matrix.operator()?),
                _ => None,
            };
            let mut problem = wellposed::Problem::new(&a).method(self.method.clone());
            if !matches!(*self.penalty, PenaltyOf::Identity) {
                problem = problem.penalty(penalty.penalty(&mut operators.iter()));
            }
            if let Some(weights) = &weights {
                problem = problem.weights(&weights.to_vec());
            }
            if let Some(noise_std) = &noise_std {
                problem = problem.noise_std(&noise_std.to_vec());
            }
            if let Some(prior_mean) = &prior_mean {
                problem = problem.prior_mean(&prior_mean.to_vec());
            }
            if self.intercept {
                problem = problem.intercept();
            }
            if let Some(groups) = &self.groups {
                problem = problem.groups(groups);
            }
            if self.require_full_rank {
                problem = problem.require_full_rank();
            }
            if let Some(threads) = self.threads {
                problem = problem.threads(threads);
            }
            match (&preconditioner, &inverse) {
                (Some(HeldPreconditioner::Value(value)), _) => problem = problem.precondition(value.clone()),
                (_, Some(inverse)) => problem = problem.precondition(Preconditioner::inverse(inverse)),
                _ => {}
            }
            work(&problem)
        });
        if let Some(error) = failure.take() {
            return Err(error);
        }
        outcome.map_err(|error| raise(py, &error))
    }

    fn solve_as<T: Element>(
        &self,
        py: Python<'_>,
        b: &Bound<'_, PyUntypedArray>,
        choice: Choice,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Solution> {
        let b = Held::<T>::new(b, "b")?;
        let failure = Failure::default();
        let unknowns = self.matrix.shape.1;
        let observer = observer.map(|observer| observer.clone().unbind());
        let answer = self.with::<T, _>(py, &failure, |problem| {
            let mut watch = Watch::new(observer.as_ref(), &failure);
            let solution = problem.solve_with(&Columns(b.view()), choice, |step| watch.see(step))?;
            Ok(Answer::new(solution, unknowns))
        })?;
        answer.into_python(py, b.vector, self.matrix.names.as_ref())
    }

    fn path_as<T: Element>(
        &self,
        py: Python<'_>,
        b: &Bound<'_, PyUntypedArray>,
        lambdas: Vec<wellposed::Lambda>,
    ) -> PyResult<Vec<Solution>> {
        let b = Held::<T>::new(b, "b")?;
        let failure = Failure::default();
        let unknowns = self.matrix.shape.1;
        let answers = self.with::<T, _>(py, &failure, |problem| {
            let solutions = problem.path(&Columns(b.view()), lambdas)?;
            Ok(solutions.into_iter().map(|solution| Answer::new(solution, unknowns)).collect::<Vec<_>>())
        })?;
        answers.into_iter().map(|answer| answer.into_python(py, b.vector, self.matrix.names.as_ref())).collect()
    }

    fn plan_as<T: Element>(&self, py: Python<'_>, choice: Choice) -> PyResult<String> {
        self.with::<T, _>(py, &Failure::default(), |problem| Ok(in_python(&problem.plan(choice)?.to_string())))
    }

    fn factorize_as<T: Element + Keep>(&self, py: Python<'_>) -> PyResult<Factorization> {
        let factor = self.with::<T, _>(py, &Failure::default(), |problem| problem.factorize())?;
        Ok(Factorization::new(T::keep(factor), T::KIND, self.matrix.shape.1, self.matrix.names.as_ref().map(|names| names.clone_ref(py))))
    }
}

/// What is looked at after each step: Ctrl-C, and the user's observer.
struct Watch<'a> {
    observer: Option<&'a Py<PyAny>>,
    failure: &'a Failure,
    looked: Instant,
}

impl<'a> Watch<'a> {
    fn new(observer: Option<&'a Py<PyAny>>, failure: &'a Failure) -> Self {
        Self { observer, failure, looked: Instant::now() }
    }

    fn see(&mut self, step: &wellposed::Step) -> ControlFlow<()> {
        if self.failure.occurred() {
            return ControlFlow::Break(());
        }
        if self.observer.is_none() && self.looked.elapsed() < SIGNALS_EVERY {
            return ControlFlow::Continue(());
        }
        self.looked = Instant::now();
        let stop = Python::attach(|py| {
            py.check_signals()?;
            match self.observer {
                Some(observer) => observer.call1(py, (Step::from(step),))?.is_truthy(py),
                None => Ok(false),
            }
        });
        match stop {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                self.failure.keep(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Does `work` without the interpreter's lock, on this thread.
pub fn detached<R>(py: Python<'_>, work: impl FnOnce() -> R) -> R {
    struct Here<V>(V);
    // SAFETY: `detach` asks for Send because nothing tied to the lock may enter the closure; it runs the closure on this thread.
    // What enters here are references to held arrays, `Py` pointers and values of the library, and no `Bound` or `Python`.
    unsafe impl<V> Send for Here<V> {}
    impl<R, F: FnOnce() -> R> Here<F> {
        fn call(self) -> Here<R> {
            Here((self.0)())
        }
    }
    let work = Here(work);
    py.detach(|| work.call()).0
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
        self.matrix.shape
    }

    /// Names of the columns, where A is a frame.
    #[getter]
    fn names(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.matrix.names.as_ref().map(|names| names.clone_ref(py))
    }

    /// R(z) = ||L z||^2: ``"identity"``, ``"first_difference"``, ``"second_difference"``, a ``Penalty``, or a matrix or operator L
    /// of n columns.
    fn penalty(&self, penalty: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { penalty: Arc::new(PenaltyOf::new(penalty)?), ..self.clone() })
    }

    /// One positive weight for each row: a weight of 2 counts as the row given twice.
    fn weights(&self, weights: Bound<'_, PyAny>) -> Self {
        Self { weights: Some(Arc::new(weights.unbind())), ..self.clone() }
    }

    /// Standard deviation of the noise, of each row or one for all: rows are divided by it.
    fn noise_std(&self, noise_std: Bound<'_, PyAny>) -> Self {
        Self { noise_std: Some(Arc::new(noise_std.unbind())), ..self.clone() }
    }

    /// The penalty measures the departure from it. Part of the objective, not a starting guess.
    fn prior_mean(&self, prior_mean: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mean = array(prior_mean, "the prior mean")?;
        let kind = kind_of(&mean, "the prior mean")?;
        Ok(Self { prior_mean: Some(Arc::new(mean.unbind())), prior_kind: Some(kind), ..self.clone() })
    }

    /// Fits an unpenalised constant beside x.
    fn intercept(&self) -> Self {
        Self { intercept: true, ..self.clone() }
    }

    /// An integer label for each row: rows with the same label are left out together by cross-validation.
    fn groups(&self, labels_of_rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { groups: Some(Arc::new(labels(labels_of_rows)?)), ..self.clone() })
    }

    /// The method, by name (``"svd"``, ``"lsmr"``, ...) or with its options (``wellposed.Lsmr(tolerance=1e-8)``).
    #[pyo3(name = "method")]
    fn set_method(&self, method_or_name: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { method: method(method_or_name)?, ..self.clone() })
    }

    /// A preconditioner of an iterative method: ``"columns"``, ``"nystrom"``, ``"sketch"``, ``wellposed.Nystrom(..)``,
    /// ``wellposed.Sketch(..)``, a vector of scales, or an operator that applies the inverse.
    fn precondition(&self, preconditioner: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { preconditioner: Some(Arc::new(PreconditionerOf::new(preconditioner)?)), ..self.clone() })
    }

    /// A minimiser that is not unique is an error instead of the one of least norm with a warning.
    fn require_full_rank(&self) -> Self {
        Self { require_full_rank: true, ..self.clone() }
    }

    /// How many threads the kernels may use; all unless given.
    fn threads(&self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self.clone() }
    }

    /// What will be done for this choice, and why: nothing is factored.
    #[pyo3(signature = (choice=None))]
    fn plan(&self, py: Python<'_>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        let choice = choice_or_gcv(choice)?;
        dispatch!(self.kind(), plan_for(self, py, choice))
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
        solve(py, self, b, choice, observer)
    }

    /// One solution for each multiplier, at less than the cost of one solve after another.
    fn path(&self, py: Python<'_>, b: &Bound<'_, PyAny>, lambdas: &Bound<'_, PyAny>) -> PyResult<Vec<Solution>> {
        let (b, kind) = right_hand_side(b)?;
        let lambdas = lambdas.try_iter()?.map(|item| choice::lambda(&item?)).collect::<PyResult<Vec<_>>>()?;
        let kind = self.kind().with(kind);
        dispatch!(kind, path_for(self, py, &b, lambdas))
    }

    /// The least multiplier at which every coefficient penalised by an l1 norm is 0: where a path begins. An array for a matrix b.
    fn lambda_max<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (b, kind) = right_hand_side(b)?;
        let kind = self.kind().with(kind);
        dispatch!(kind, lambda_max_for(self, py, &b))
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
        let (b, kind) = right_hand_side(b)?;
        let kind = self.kind().with(kind);
        dispatch!(kind, inference_for(self, py, &b, choice))
    }

    /// Decomposes A once, for any number of right-hand sides, multipliers and rules.
    fn factorize(&self, py: Python<'_>) -> PyResult<Factorization> {
        dispatch!(self.kind(), factorize_for(self, py))
    }

    fn __repr__(&self) -> String {
        let (m, n) = self.matrix.shape;
        format!("<wellposed.Problem {m}×{n}, method {}>", self.method)
    }
}

fn solve_for<T: Element>(
    problem: &Problem,
    py: Python<'_>,
    b: &Bound<'_, PyUntypedArray>,
    choice: Choice,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Solution> {
    problem.solve_as::<T>(py, b, choice, observer)
}

fn path_for<T: Element>(
    problem: &Problem,
    py: Python<'_>,
    b: &Bound<'_, PyUntypedArray>,
    lambdas: Vec<wellposed::Lambda>,
) -> PyResult<Vec<Solution>> {
    problem.path_as::<T>(py, b, lambdas)
}

fn inference_for<'py, T: Element>(
    problem: &Problem,
    py: Python<'py>,
    b: &Bound<'py, PyUntypedArray>,
    choice: Choice,
) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let names = match &problem.matrix.names {
        Some(names) => Some(names.bind(py).try_iter()?.map(|name| Ok(name?.str()?.to_string())).collect::<PyResult<Vec<String>>>()?),
        None => None,
    };
    let found = problem.with::<T, _>(py, &Failure::default(), |problem| problem.inference(&Columns(b.view()), choice))?;
    let found = found.into_iter().map(|inference| match &names {
        Some(names) => Inference(inference.names(names.clone())),
        None => Inference(inference),
    });
    let list = PyList::new(py, found.collect::<Vec<_>>())?;
    if b.vector && list.len() == 1 { list.get_item(0) } else { Ok(list.into_any()) }
}

fn lambda_max_for<'py, T: Element>(problem: &Problem, py: Python<'py>, b: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let largest = problem.with::<T, _>(py, &Failure::default(), |problem| problem.lambda_max(&Columns(b.view())))?;
    match (b.vector, largest.first()) {
        (true, Some(&only)) => Ok(pyo3::types::PyFloat::new(py, only).into_any()),
        _ => Ok(crate::array::numbers(py, largest)),
    }
}

fn plan_for<T: Element>(problem: &Problem, py: Python<'_>, choice: Choice) -> PyResult<String> {
    problem.plan_as::<T>(py, choice)
}

fn factorize_for<T: Element + Keep>(problem: &Problem, py: Python<'_>) -> PyResult<Factorization> {
    problem.factorize_as::<T>(py)
}

fn solve(
    py: Python<'_>,
    problem: &Problem,
    b: &Bound<'_, PyAny>,
    choice: Option<&Bound<'_, PyAny>>,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Solution> {
    let choice = choice_or_gcv(choice)?;
    let (b, kind) = right_hand_side(b)?;
    let kind = problem.kind().with(kind);
    dispatch!(kind, solve_for(problem, py, &b, choice, observer))
}

/// The choice given, or generalized cross-validation.
pub fn choice_or_gcv(object: Option<&Bound<'_, PyAny>>) -> PyResult<Choice> {
    object.map_or_else(|| Ok(wellposed::Gcv.into()), choice::choice)
}

/// Minimises ``||A x - b||^2 + lam ||x||^2``.
///
/// Parameters
/// ----------
/// A : array_like, sparse matrix, DataFrame or operator, shape (m, n)
///     As in ``Problem``.
/// b : array_like, shape (m,) or (m, k)
///     One right-hand side, or one in each column.
/// choice : float, Lambda, str or rule, default "gcv"
///     ``lam`` itself (scikit-learn's ``alpha``), or the rule that chooses it.
///
/// Returns
/// -------
/// Solution
///     ``x``, ``lam``, ``residual_norm``, ``penalty_norm``, ``dof``, ``rank``, ``report``.
///
/// Raises
/// ------
/// Error
///     A ``ValueError``: wrong shapes, NaN, a negative ``lam``, or a rule that finds none.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> A = np.array([[3.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
/// >>> fit = wp.ridge(A, [1.0, 2.0, 0.5], 0.1)
/// >>> np.allclose(A.T @ (A @ fit.x - [1.0, 2.0, 0.5]) + 0.1 * fit.x, 0)
/// True
/// >>> wp.ridge(A, [1.0, 2.0, 0.5], wp.Lambda.from_damping(0.1)).lam
/// 0.010000000000000002
#[pyfunction]
#[pyo3(signature = (A, b, choice=None))]
#[allow(non_snake_case)]
pub fn ridge(py: Python<'_>, A: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<Solution> {
    solve(py, &Problem::of(A)?, b, choice, None)
}

/// Minimises ``||A x - b||^2 + ||Gamma x||^2`` for a Tikhonov matrix of any shape and rank.
///
/// Parameters
/// ----------
/// A : array_like, sparse matrix, DataFrame or operator, shape (m, n)
///     As in ``Problem``.
/// b : array_like, shape (m,) or (m, k)
///     One right-hand side, or one in each column.
/// Gamma : array_like, sparse matrix or operator, shape (p, n)
///     The Tikhonov matrix, sqrt(lam) L.
///
/// Returns
/// -------
/// Solution
///     With ``lam`` 1.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> wp.tikhonov(np.eye(2), [1.0, 2.0], np.diag([1.0, 0.0])).x
/// array([0.5, 2. ])
#[pyfunction]
#[pyo3(signature = (A, b, Gamma))]
#[allow(non_snake_case)]
pub fn tikhonov(py: Python<'_>, A: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, Gamma: &Bound<'_, PyAny>) -> PyResult<Solution> {
    let problem = Problem { penalty: Arc::new(PenaltyOf::Matrix(Source::new(Gamma, "Gamma")?)), ..Problem::of(A)? };
    let (b, kind) = right_hand_side(b)?;
    let kind = problem.kind().with(kind);
    dispatch!(kind, solve_for(&problem, py, &b, 1.0.into(), None))
}
