//! `Rows`: rows that come in blocks, from several machines, or too many to hold.

mod factorization;
mod window;

pub use factorization::RowsFactorization;
pub use window::Window;

use crate::array::{Held, array, kind_of, reals, vector};
use crate::callback::Failure;
use crate::errors::{raise, type_error, value_error};
use crate::matrix::{Source, right_hand_side};
use crate::options::{Count, method};
use crate::penalty::PenaltyOf;
use crate::problem::choice_or_gcv;
use crate::scalar::{Element, Kind, dispatch, of_each_type, on};
use crate::solution::{Answer, Solution};
use crate::watch::detached;
use factorization::factorize;
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use wellposed::{Choice, DenseView, Method};

/// What pickle keeps: the function that makes it again, and its arguments.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>, String, bool));

/// Rows of A and b in a triangle of O(columns^2) numbers: pushed block by block, merged, stored, and solved at any time.
///
/// The answers are those of all rows at once, to all digits, and with any rule that needs no leverages.
///
/// Parameters
/// ----------
/// columns : int
///     Unknowns, n.
/// right_hand_sides : int, optional
///     Columns of b; a vector b unless given.
/// dtype : dtype, default float64
///     float32, float64, complex64 or complex128.
/// forgetting : float, default 1.0
///     Before each block, all earlier rows lose this factor of their weight.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> A, b = np.vander(np.linspace(0, 1, 60), 4), np.cos(np.arange(60.0))
/// >>> rows = wp.Rows(4)
/// >>> for start in range(0, 60, 20):
/// ...     rows.push(A[start : start + 20], b[start : start + 20])
/// >>> bool(np.allclose(rows.solve(0.1, intercept=True).x, wp.Problem(A).intercept().solve(b, 0.1).x))
/// True
#[pyclass(module = "wellposed")]
pub struct Rows {
    kept: Kept,
    kind: Kind,
    vector: bool,
}

type Of<T> = wellposed::Rows<T, DenseView<'static, T>>;

of_each_type! {
    /// Rows of one of the four types.
    Kept of Of by Make
}

/// What is asked of the rows beside λ.
struct Settings<'a, 'py> {
    intercept: bool,
    penalty: PenaltyOf,
    prior_mean: Option<&'a Bound<'py, PyAny>>,
    noise_std: Option<f64>,
    method: Option<Method>,
}

fn push<T: Element>(
    rows: &mut Of<T>,
    py: Python<'_>,
    source: &Source,
    b: &Bound<'_, PyUntypedArray>,
    weights: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let failure = Failure::default();
    let matrix = source.hold::<T>(py, "A", &failure)?;
    let b = Held::<T>::new(b, "b")?;
    let weights = weights.map(|weights| reals::<T>(weights, "the vector of weights")).transpose()?;
    let outcome = detached(py, || {
        let a = matrix.operator()?;
        match &weights {
            None => rows.push(&a, &b.view()),
            Some(weights) => rows.push_weighted(&a, &b.view(), &weights.to_vec()),
        }
    });
    if let Some(error) = failure.take() {
        return Err(error);
    }
    outcome.map_err(|error| raise(py, &error))
}

/// Does `work` on the library's problem of the rows without the interpreter's lock.
fn asked<T: Element, R>(
    rows: &Of<T>,
    py: Python<'_>,
    settings: &Settings<'_, '_>,
    work: impl FnOnce(wellposed::rows::RowsProblem<'_, T, DenseView<'static, T>>) -> wellposed::Result<R>,
) -> PyResult<R> {
    let failure = Failure::default();
    let penalty = settings.penalty.hold::<T>(py, &failure)?;
    let prior_mean = match settings.prior_mean {
        None => None,
        Some(mean) => Some(vector(Held::<T>::new(&array(mean, "the prior mean")?, "the prior mean")?, py, "the prior mean")?.to_vec()),
    };
    let outcome = detached(py, || {
        let mut operators = Vec::new();
        penalty.operators(&mut operators)?;
        let mut problem = rows.problem().penalty(penalty.penalty(&mut operators.iter())?);
        if settings.intercept {
            problem = problem.intercept();
        }
        if let Some(mean) = &prior_mean {
            problem = problem.prior_mean(mean);
        }
        if let Some(std) = settings.noise_std {
            problem = problem.noise_std(<T::Real as wellposed::Real>::from_f64(std));
        }
        if let Some(method) = &settings.method {
            problem = problem.method(method.clone());
        }
        work(problem)
    });
    if let Some(error) = failure.take() {
        return Err(error);
    }
    outcome.map_err(|error: wellposed::Error| raise(py, &error))
}

fn solve<T: Element>(rows: &Of<T>, py: Python<'_>, vector_b: bool, settings: &Settings<'_, '_>, choice: Choice) -> PyResult<Solution> {
    let answer = asked(rows, py, settings, |problem| Ok(answer(problem.solve(choice)?, rows.columns())))?;
    answer.into_python(py, vector_b, None)
}

/// Parts of a solution of rows that Python gets.
fn answer<T: Element>(fit: wellposed::Solution<T, DenseView<'static, T>>, unknowns: usize) -> Answer<T> {
    Answer { x: fit.x.into_iter().flatten().collect(), unknowns, intercepts: fit.intercept, report: fit.report }
}

fn empty<T: Make>(columns: usize, count: usize, forgetting: f64) -> Kept {
    T::keep(wellposed::Rows::with_right_hand_sides(columns, count).forgetting(forgetting))
}

fn stored<T: Make>(bytes: &[u8]) -> wellposed::Result<Kept> {
    wellposed::Rows::from_bytes(bytes).map(T::keep)
}

impl<'a, 'py> Settings<'a, 'py> {
    /// What is asked, where it fits rows of this kind.
    fn new(
        rows: Kind,
        intercept: bool,
        penalty: Option<&Bound<'py, PyAny>>,
        prior_mean: Option<&'a Bound<'py, PyAny>>,
        noise_std: Option<f64>,
        method: Option<Method>,
    ) -> PyResult<Self> {
        let complex = |what| type_error(format!("{what} is complex and the rows are real: make them with dtype=complex"));
        if let Some(mean) = prior_mean
            && kind_of(&array(mean, "the prior mean")?, "the prior mean")?.complex
            && !rows.complex
        {
            return Err(complex("the prior mean"));
        }
        let penalty = penalty.map_or(Ok(PenaltyOf::Identity), PenaltyOf::new)?;
        if penalty.kind().complex && !rows.complex {
            return Err(complex("the penalty"));
        }
        Ok(Self { intercept, penalty, prior_mean, noise_std, method })
    }
}

/// The scalar type of rows, and how many right-hand sides they have.
fn rows_of_kind(py: Python<'_>, right_hand_sides: Option<Count>, dtype: Option<&Bound<'_, PyAny>>) -> PyResult<(Kind, usize)> {
    let kind = match dtype {
        None => Kind { double: true, complex: false },
        Some(dtype) => {
            let dtype = PyArrayDescr::new(py, dtype)?;
            Kind::of(&dtype)
                .ok_or_else(|| type_error(format!("dtype is {dtype}, but it must be float32, float64, complex64 or complex128")))?
        }
    };
    match right_hand_sides.map(|count| count.0) {
        Some(0) => Err(value_error(py, "right_hand_sides is 0, but it must be at least 1; leave it out for a vector b")),
        count => Ok((kind, count.unwrap_or(1))),
    }
}

/// Refuses a block that does not fit rows of this kind.
fn check_block(b: &Bound<'_, PyUntypedArray>, block: Kind, rows: Kind, vector: bool, class: &str) -> PyResult<()> {
    if block.complex && !rows.complex {
        return Err(type_error(format!("a complex block in real rows: make them with {class}(.., dtype=complex)")));
    }
    if vector != (b.ndim() == 1) {
        let needed = if vector { "a vector; right_hand_sides=k takes matrices" } else { "a matrix of one column for each" };
        return Err(value_error(b.py(), format!("b has {} dimensions, but it must be {needed}", b.ndim())));
    }
    Ok(())
}

#[pymethods]
impl Rows {
    #[new]
    #[pyo3(signature = (columns, *, right_hand_sides=None, dtype=None, forgetting=1.0))]
    fn new(
        py: Python<'_>,
        columns: Count,
        right_hand_sides: Option<Count>,
        dtype: Option<&Bound<'_, PyAny>>,
        forgetting: f64,
    ) -> PyResult<Self> {
        let (kind, count) = rows_of_kind(py, right_hand_sides, dtype)?;
        Ok(Self { kept: dispatch!(kind, empty(columns.0, count, forgetting)), kind, vector: right_hand_sides.is_none() })
    }

    /// Adds a block of rows.
    ///
    /// Parameters
    /// ----------
    /// A : array_like or sparse matrix, shape (rows, columns)
    /// b : array_like, shape (rows,) or (rows, right_hand_sides)
    /// weights : array_like, shape (rows,), optional
    ///     Positive; a weight of 2 counts as the row given twice.
    ///
    /// Raises
    /// ------
    /// Error
    ///     A ``ValueError`` for wrong shapes or NaN. The rows before are untouched then.
    #[pyo3(signature = (A, b, weights=None))]
    #[allow(non_snake_case)]
    fn push(&mut self, A: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, weights: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let source = Source::new(A, "A")?;
        let (b, kind) = right_hand_side(b)?;
        check_block(&b, source.kind.with(kind), self.kind, self.vector, "Rows")?;
        on!(Kept, &mut self.kept, rows => push(rows, A.py(), &source, &b, weights))
    }

    /// Adds the rows of another one, of the same columns and dtype.
    fn merge(&mut self, other: &Bound<'_, Rows>) -> PyResult<()> {
        let py = other.py();
        // rows may be merged with themselves, which a second borrow would refuse
        let other =
            other.try_borrow().map_err(|_| value_error(py, "rows cannot be merged with themselves: store them with to_bytes first"))?;
        match (&mut self.kept, &other.kept) {
            (Kept::Single(mine), Kept::Single(theirs)) => mine.merge(theirs),
            (Kept::Double(mine), Kept::Double(theirs)) => mine.merge(theirs),
            (Kept::ComplexSingle(mine), Kept::ComplexSingle(theirs)) => mine.merge(theirs),
            (Kept::ComplexDouble(mine), Kept::ComplexDouble(theirs)) => mine.merge(theirs),
            _ => return Err(type_error("only rows of the same dtype can be merged")),
        }
        .map_err(|error| raise(py, &error))
    }

    /// Solves the problem of the rows so far.
    ///
    /// Parameters
    /// ----------
    /// choice : float, Lambda, str or rule, default "gcv"
    /// intercept : bool, default False
    ///     Fits an unpenalised constant.
    /// penalty, prior_mean, method
    ///     As in ``Problem``.
    /// noise_std : float, optional
    ///     One standard deviation for all rows.
    ///
    /// Returns
    /// -------
    /// Solution
    #[pyo3(signature = (choice=None, *, intercept=false, penalty=None, prior_mean=None, noise_std=None, method=None))]
    fn solve(
        &self,
        py: Python<'_>,
        choice: Option<&Bound<'_, PyAny>>,
        intercept: bool,
        penalty: Option<&Bound<'_, PyAny>>,
        prior_mean: Option<&Bound<'_, PyAny>>,
        noise_std: Option<f64>,
        #[pyo3(from_py_with = optional_method)] method: Option<Method>,
    ) -> PyResult<Solution> {
        let settings = Settings::new(self.kind, intercept, penalty, prior_mean, noise_std, method)?;
        let choice = choice_or_gcv(choice)?;
        on!(Kept, &self.kept, rows => solve(rows, py, self.vector, &settings, choice))
    }

    /// Decomposes the rows so far, for any number of multipliers and rules.
    ///
    /// Parameters
    /// ----------
    /// intercept, penalty, prior_mean, noise_std, method
    ///     As in ``solve``.
    ///
    /// Returns
    /// -------
    /// RowsFactorization
    #[pyo3(signature = (*, intercept=false, penalty=None, prior_mean=None, noise_std=None, method=None))]
    fn factorize(
        &self,
        py: Python<'_>,
        intercept: bool,
        penalty: Option<&Bound<'_, PyAny>>,
        prior_mean: Option<&Bound<'_, PyAny>>,
        noise_std: Option<f64>,
        #[pyo3(from_py_with = optional_method)] method: Option<Method>,
    ) -> PyResult<RowsFactorization> {
        let settings = Settings::new(self.kind, intercept, penalty, prior_mean, noise_std, method)?;
        on!(Kept, &self.kept, rows => factorize(rows, py, self.vector, &settings))
    }

    /// Rows pushed.
    #[getter]
    fn count(&self) -> usize {
        on!(Kept, &self.kept, rows => rows.count())
    }

    /// The same, each counted by its forgetting factor.
    #[getter]
    fn effective_rows(&self) -> f64 {
        on!(Kept, &self.kept, rows => rows.effective_rows())
    }

    /// Unknowns.
    #[getter]
    fn columns(&self) -> usize {
        on!(Kept, &self.kept, rows => rows.columns())
    }

    /// All that is known of the rows: to store them, or to send them to where they are merged.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &on!(Kept, &self.kept, rows => rows.to_bytes()))
    }

    /// The rows that ``to_bytes`` stored, of this dtype; ``vector`` says whether b was a vector.
    #[classmethod]
    #[pyo3(signature = (data, *, dtype=None, vector=true))]
    fn from_bytes(class: &Bound<'_, PyType>, data: &[u8], dtype: Option<&Bound<'_, PyAny>>, vector: bool) -> PyResult<Self> {
        let py = class.py();
        let like = Self::new(py, Count(0), None, dtype, 1.0)?;
        let kept = dispatch!(like.kind, stored(data)).map_err(|error| raise(py, &error))?;
        Ok(Self { kept, kind: like.kind, vector })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let this = slf.borrow();
        let restore = slf.py().import("wellposed._show")?.getattr("restore_rows")?;
        Ok((restore, (this.to_bytes(slf.py()), this.kind.name().to_owned(), this.vector)))
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.Rows: {} rows of {} columns>", self.count(), self.columns())
    }
}

fn optional_method(object: &Bound<'_, PyAny>) -> PyResult<Option<Method>> {
    if object.is_none() { Ok(None) } else { method(object).map(Some) }
}
