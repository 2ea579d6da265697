//! A sparse matrix somewhere in memory: compressed rows or columns, in the caller's arrays. Never copied.
//!
//! Keep rows (CSR) with `u32` indices where you can choose: a step of an iterative method then reads A once
//! ([`apply_fused`](Operator::apply_fused)), and each entry costs 12 bytes instead of 16.

use super::{Entries, Operator};
use crate::error::{Error, Result, Size};
pub use crate::linalg::compressed::Index;
use crate::linalg::compressed::{Defect, Pattern, largest_stored};
use crate::linalg::{self, Mat, Threads};
use crate::scalar::{Real, Scalar};
use std::borrow::Cow;

/// A sparse m×n matrix in the caller's memory: compressed sparse rows (CSR) or columns (CSC).
///
/// Indices are `u32`, `usize`, `i32` or `i64`, counted from 0: the arrays of faer, nalgebra-sparse, sprs and SciPy as they
/// are. Entries need not be sorted within a row, and several at one place count as their sum; rows and columns may be empty.
/// As in every sparse format, what is not stored is zero, and what is stored may be.
///
/// Both products cost one pass over the entries, on as many threads as [`threads`](Self::threads) allows.
///
/// ```
/// use wellposed::{SparseView, ridge};
///
/// // 2 0 0
/// // 0 1 3
/// let (starts, columns, values) = ([0u32, 1, 3], [0u32, 1, 2], [2.0, 1.0, 3.0]);
/// let a = SparseView::csr(2, 3, &starts, &columns, &values)?;
/// let fit = ridge(&a, &[1.0, 2.0], 0.1)?;
/// let expected: f64 = 2.0 / 4.1;
/// assert!((fit.x[0] - expected).abs() < 1e-14);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SparseView<'a, T> {
    rows: usize,
    columns: usize,
    by_rows: bool,
    pattern: Pattern<'a>,
    values: &'a [T],
    threads: Option<usize>,
}

impl<'a, T> SparseView<'a, T> {
    /// Compressed rows: the entries of row i are `row_starts[i]..row_starts[i + 1]` of `column_indices` and `values`.
    ///
    /// Cost: one pass over the indices, which are checked here once.
    ///
    /// # Errors
    /// [`Error::Shape`] when `row_starts` has not one entry more than there are rows, or indices and values differ in number;
    /// [`Error::Index`], which names the place, when a start falls or leaves the arrays or a column index is too large.
    pub fn csr<I: Index>(rows: usize, columns: usize, row_starts: &'a [I], column_indices: &'a [I], values: &'a [T]) -> Result<Self> {
        let pattern = I::pattern(row_starts, None, column_indices, 0);
        if let Some(defect) = pattern.defect(rows, columns, values.len()) {
            return Err(refused(defect, rows, columns, values.len(), &BY_ROWS));
        }
        Ok(Self { rows, columns, by_rows: true, pattern, values, threads: None })
    }

    /// Compressed columns: the entries of column j are `column_starts[j]..column_starts[j + 1]` of `row_indices` and
    /// `values`.
    ///
    /// # Errors
    /// As [`csr`](Self::csr), with rows and columns exchanged.
    ///
    /// ```
    /// use wellposed::{Operator, SparseView};
    /// // the same 2×3 matrix as above, by columns
    /// let (starts, rows, values) = ([0usize, 1, 2, 3], [0usize, 1, 1], [2.0, 1.0, 3.0]);
    /// let a = SparseView::csc(2, 3, &starts, &rows, &values)?;
    /// let mut y = [0.0; 2];
    /// a.apply(&[1.0, 1.0, 1.0], &mut y);
    /// assert_eq!(y, [2.0, 4.0]);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn csc<I: Index>(rows: usize, columns: usize, column_starts: &'a [I], row_indices: &'a [I], values: &'a [T]) -> Result<Self> {
        let pattern = I::pattern(column_starts, None, row_indices, 0);
        if let Some(defect) = pattern.defect(columns, rows, values.len()) {
            return Err(refused(defect, columns, rows, values.len(), &BY_COLUMNS));
        }
        Ok(Self { rows, columns, by_rows: false, pattern, values, threads: None })
    }

    /// The arrays of a container that keeps them valid itself. (If it does not, a product ends in a panic of the bounds
    /// check, as anywhere in safe code.) `base` is what the starts call the first place of the arrays; `lengths` holds the number
    /// of entries of each row or column where they do not lie without gaps.
    pub(crate) fn of_container<I: Index>(
        (rows, columns): (usize, usize),
        by_rows: bool,
        (starts, base): (&'a [I], usize),
        lengths: Option<&'a [I]>,
        indices: &'a [I],
        values: &'a [T],
    ) -> Self {
        Self { rows, columns, by_rows, pattern: I::pattern(starts, lengths, indices, base), values, threads: None }
    }

    /// At most so many threads for a product, instead of all of the current rayon pool. Products have the same bits for the
    /// same number of threads. [`Problem::threads`](crate::Problem::threads) sets it for a whole solve.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// (m, n).
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// The number of entries stored, zeros and repeated places among them.
    pub fn stored(&self) -> usize {
        self.pattern.entries()
    }

    /// Aᵀ, the same arrays read the other way.
    pub(crate) fn exchanged(self) -> Self {
        Self { rows: self.columns, columns: self.rows, by_rows: !self.by_rows, ..self }
    }

    fn allowed(&self) -> Threads {
        self.threads.map_or_else(Threads::available, |threads| Threads(threads.max(1)))
    }
}

/// Starts, row indices, values.
pub(crate) type NarrowColumns<'a, T> = (Cow<'a, [u32]>, Cow<'a, [u32]>, &'a [T]);

impl<'a, T: Scalar> SparseView<'a, T> {
    /// Each stored entry as (row, column, value), in the order of storage.
    pub fn for_each(&self, mut visit: impl FnMut(usize, usize, T)) {
        self.pattern.for_each(|i, j, place| match self.by_rows {
            true => visit(i, j, self.values[place]),
            false => visit(j, i, self.values[place]),
        });
    }

    /// Compressed columns in 32 bits: starts, row indices and values, in the caller's arrays where they are that. `None` for compressed rows,
    /// and where [`Pattern::narrow`] has none.
    pub(crate) fn narrow_columns(&self) -> Option<NarrowColumns<'a, T>> {
        let ((starts, rows), places) = (!self.by_rows).then(|| self.pattern.narrow())??;
        Some((starts, rows, &self.values[places]))
    }

    /// The largest part of an entry of DA, or the position of an entry that is NaN or infinite.
    pub(crate) fn largest(&self, row_scale: Option<&[T::Real]>) -> core::result::Result<f64, (usize, usize)> {
        let scale = |row: usize| row_scale.map_or(1.0, |scale| scale[row].to_f64());
        largest_stored(self.pattern, self.values, |i, j| scale(if self.by_rows { i } else { j }))
            .map_err(|(i, j)| if self.by_rows { (i, j) } else { (j, i) })
    }

    /// Multiplications in AᴴA: Σ (entries of a row)²/2, rows above 10√n entries counted once for each entry.
    pub(crate) fn gram_work(&self) -> f64 {
        let mut counts = vec![0u32; self.rows];
        self.for_each(|i, _, _| counts[i] = counts[i].saturating_add(1));
        let dense = (10.0 * (self.columns as f64).sqrt()).max(16.0);
        let of = |count: f64| if count > dense { count } else { count * count / 2.0 };
        counts.into_iter().map(|count| of(f64::from(count))).sum()
    }

    /// All entries, zeros included.
    pub(crate) fn to_dense(self) -> Mat<T> {
        let mut dense = linalg::zeros(self.rows, self.columns);
        self.for_each(|i, j, value| dense[(i, j)] += value);
        dense
    }
}

/// The words of one layout.
struct Words {
    starts: &'static str,
    count: &'static str,
    index: &'static str,
    range: &'static str,
}

const BY_ROWS: Words = Words {
    starts: "row_starts",
    count: "one start for each row and the end of the last",
    index: "column_indices",
    range: "column indices are counted from 0 and less than the number of columns",
};
const BY_COLUMNS: Words = Words {
    starts: "column_starts",
    count: "one start for each column and the end of the last",
    index: "row_indices",
    range: "row indices are counted from 0 and less than the number of rows",
};

/// What is wrong with the arrays, as the caller's error.
fn refused(defect: Defect, count: usize, width: usize, values: usize, words: &Words) -> Error {
    let shape = |what, found, expected, hint| Error::Shape { what, found, expected, hint };
    match defect {
        Defect::Starts(found) => shape(words.starts, Size::Length(found), Size::Length(count.saturating_add(1)), words.count),
        Defect::Lengths(indices) => {
            shape("the array of indices", Size::Length(indices), Size::Length(values), "there is one index for each value")
        }
        Defect::Falling { place, start, before } => Error::Index {
            what: words.starts,
            place,
            value: start,
            must_be: format!("at least {before}, where the row or column before it begins"),
        },
        Defect::Beyond { place, start } => {
            Error::Index { what: words.starts, place, value: start, must_be: format!("at most {values}, the number of values") }
        }
        Defect::Index { place, index } => {
            Error::Index { what: words.index, place, value: index, must_be: format!("less than {width}: {}", words.range) }
        }
    }
}

impl<T: Scalar> Operator for SparseView<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        SparseView::shape(self)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        match self.by_rows {
            true => T::gather(self.pattern, self.values, false, x, y, self.allowed()),
            false => T::scatter(self.pattern, self.values, false, x, y, self.allowed()),
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        match self.by_rows {
            true => T::scatter(self.pattern, self.values, true, y, x, self.allowed()),
            false => T::gather(self.pattern, self.values, true, y, x, self.allowed()),
        }
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        match self.by_rows {
            true => T::gather_block(self.pattern, self.values, false, k, self.columns, x, y, self.allowed()),
            false => T::scatter_block(self.pattern, self.values, false, k, self.rows, x, y, self.allowed()),
        }
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        match self.by_rows {
            true => T::scatter_block(self.pattern, self.values, true, k, self.columns, y, x, self.allowed()),
            false => T::gather_block(self.pattern, self.values, true, k, self.rows, y, x, self.allowed()),
        }
    }
    fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
        if self.by_rows {
            return T::gather_scatter(self.pattern, self.values, x, alpha, u, w, z, self.allowed());
        }
        self.apply(x, w);
        linalg::add_scaled(w, -alpha, u);
        self.apply_adjoint(w, z);
    }
    fn entries(&self) -> Entries<'_, T> {
        Entries::Sparse(*self)
    }
    fn range_norm(&self, y: &[T]) -> T::Real {
        linalg::norm_by(y, self.allowed())
    }
}
