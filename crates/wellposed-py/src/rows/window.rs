//! `Window`: the last blocks of rows.

use super::{Rows, Settings, answer, asked, check_block, optional_method, rows_of_kind};
use crate::array::{Held, reals};
use crate::callback::Failure;
use crate::errors::{raise, type_error, value_error};
use crate::matrix::{Source, right_hand_side};
use crate::options::Count;
use crate::problem::choice_or_gcv;
use crate::scalar::{Element, Kind, dispatch, of_each_type, on};
use crate::solution::Solution;
use crate::watch::detached;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use wellposed::{Choice, DenseView};

/// The last ``length`` blocks of rows: what leaves is forgotten, and never subtracted, so that it leaves no rounding errors.
///
/// Each block is merged about three times, in O((columns + 2)^3) operations whatever the length; a triangle is kept for each block.
/// Tangwongsan, Hirzel, Schneider 2021, arXiv:2009.13768.
///
/// Parameters
/// ----------
/// columns : int
///     Unknowns, n.
/// length : int
///     Blocks inside, at least 1.
/// right_hand_sides : int, optional
///     Columns of b; a vector b unless given.
/// dtype : dtype, default float64
///     float32, float64, complex64 or complex128.
/// forgetting : float, default 1.0
///     With every block that comes, those inside lose this factor of their weight.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> window = wp.Window(1, 3)
/// >>> for slope in [1e8, 1.0, 1.0, 1.0, 2.0]:
/// ...     window.push([[1.0], [2.0]], [slope, 2 * slope])
/// >>> window.solve(0.0).x.round(12), window.count  # slopes 1, 1 and 2 are inside
/// (array([1.33333333]), 6)
#[pyclass(module = "wellposed")]
pub struct Window {
    kept: Kept,
    kind: Kind,
    vector: bool,
    length: usize,
}

type Of<T> = wellposed::rows::Window<T, DenseView<'static, T>>;

of_each_type! {
    /// A window of one of the four types.
    Kept of Of by MakeWindow
}

fn empty<T: MakeWindow>(columns: usize, count: usize, length: usize, forgetting: f64) -> Kept {
    T::keep(Of::with_right_hand_sides(columns, count, length).forgetting(forgetting))
}

fn push<T: Element>(
    window: &mut Of<T>,
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
            None => window.push(&a, &b.view()),
            Some(weights) => window.push_weighted(&a, &b.view(), &weights.to_vec()),
        }
    });
    failure.take().map_or_else(|| outcome.map_err(|error| raise(py, &error)), Err)
}

fn solve<T: Element>(window: &Of<T>, py: Python<'_>, vector: bool, settings: &Settings<'_, '_>, choice: Choice) -> PyResult<Solution> {
    let rows = window.rows();
    let answer = asked(&rows, py, settings, |problem| Ok(answer(problem.solve(choice)?, rows.columns())))?;
    answer.into_python(py, vector, None)
}

#[pymethods]
impl Window {
    #[new]
    #[pyo3(signature = (columns, length, *, right_hand_sides=None, dtype=None, forgetting=1.0))]
    fn new(
        py: Python<'_>,
        columns: Count,
        length: Count,
        right_hand_sides: Option<Count>,
        dtype: Option<&Bound<'_, PyAny>>,
        forgetting: f64,
    ) -> PyResult<Self> {
        if length.0 == 0 {
            return Err(value_error(py, "the length of a window is 0, but it must be at least 1 block"));
        }
        if !(forgetting > 0.0 && forgetting <= 1.0) {
            return Err(value_error(
                py,
                format!("forgetting is {forgetting}, but it must be greater than 0 and at most 1, which forgets nothing"),
            ));
        }
        let (kind, count) = rows_of_kind(py, right_hand_sides, dtype)?;
        let kept = dispatch!(kind, empty(columns.0, count, length.0, forgetting));
        Ok(Self { kept, kind, vector: right_hand_sides.is_none(), length: length.0 })
    }

    /// Adds a block of rows; where the window is full, the oldest block leaves.
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
    ///     A ``ValueError`` for wrong shapes or NaN. The window is untouched then.
    #[pyo3(signature = (A, b, weights=None))]
    #[allow(non_snake_case)]
    fn push(&mut self, A: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, weights: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let source = Source::new(A, "A")?;
        let (b, kind) = right_hand_side(b)?;
        check_block(&b, source.kind.with(kind), self.kind, self.vector, "Window")?;
        on!(Kept, &mut self.kept, window => push(window, A.py(), &source, &b, weights))
    }

    /// The oldest block leaves, if there is one.
    fn forget_oldest(&mut self) {
        on!(Kept, &mut self.kept, window => window.forget_oldest());
    }

    /// Solves the problem of the rows inside; arguments and answer are those of ``Rows.solve``.
    #[pyo3(signature = (choice=None, *, intercept=false, penalty=None, prior_mean=None, noise_std=None, method=None))]
    fn solve(
        &self,
        py: Python<'_>,
        choice: Option<&Bound<'_, PyAny>>,
        intercept: bool,
        penalty: Option<&Bound<'_, PyAny>>,
        prior_mean: Option<&Bound<'_, PyAny>>,
        noise_std: Option<f64>,
        #[pyo3(from_py_with = optional_method)] method: Option<wellposed::Method>,
    ) -> PyResult<Solution> {
        let settings = Settings::new(self.kind, intercept, penalty, prior_mean, noise_std, method)?;
        let choice = choice_or_gcv(choice)?;
        on!(Kept, &self.kept, window => solve(window, py, self.vector, &settings, choice))
    }

    /// The rows inside, merged: to store, to merge with others, or to ask.
    fn rows(&self) -> Rows {
        Rows { kept: on!(Kept, &self.kept, window => super::Make::keep(window.rows())), kind: self.kind, vector: self.vector }
    }

    /// Blocks inside.
    #[getter]
    fn blocks(&self) -> usize {
        on!(Kept, &self.kept, window => window.blocks())
    }

    /// Rows inside.
    #[getter]
    fn count(&self) -> usize {
        on!(Kept, &self.kept, window => window.rows().count())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(type_error("a window is not pickled: pickle window.rows(), which is what is inside, merged"))
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.Window: {} of {} blocks, {} rows>", self.blocks(), self.length, self.count())
    }
}
