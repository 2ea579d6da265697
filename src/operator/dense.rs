//! A dense matrix somewhere in memory: pointer, shape and two strides. Never copied.

use super::{Entries, Operator};
use crate::error::{Error, Result, Size};
use crate::linalg::{MatRef, Threads};
use crate::scalar::Scalar;

/// A dense m×n matrix in the caller's memory, with any strides.
///
/// This is how slices, `Vec`s and arrays become matrices, and how an [`Operator`] shows its entries.
///
/// ```
/// use wellposed::{DenseView, ridge};
///
/// let a = [1.0, 2.0,
///          3.0, 4.0,
///          5.0, 6.0];
/// let fit = ridge(&DenseView::row_major(&a, 3, 2)?, &[1.0, 2.0, 3.0], 0.1)?;
/// assert_eq!(fit.x.len(), 2);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct DenseView<'a, T> {
    matrix: MatRef<'a, T>,
}

impl<'a, T> DenseView<'a, T> {
    /// The m×n matrix whose columns lie one after another in `entries`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the length is not m·n.
    pub fn column_major(entries: &'a [T], rows: usize, columns: usize) -> Result<Self> {
        check_length(entries.len(), rows, columns)?;
        Ok(Self { matrix: MatRef::from_column_major_slice(entries, rows, columns) })
    }

    /// The m×n matrix whose rows lie one after another in `entries`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the length is not m·n.
    pub fn row_major(entries: &'a [T], rows: usize, columns: usize) -> Result<Self> {
        check_length(entries.len(), rows, columns)?;
        Ok(Self { matrix: MatRef::from_row_major_slice(entries, rows, columns) })
    }

    /// The vector `entries` as a matrix of one column.
    pub fn column(entries: &'a [T]) -> Self {
        Self { matrix: MatRef::from_column_major_slice(entries, entries.len(), 1) }
    }

    /// (m, n).
    pub fn shape(&self) -> (usize, usize) {
        (self.matrix.nrows(), self.matrix.ncols())
    }

    pub(crate) fn from_matrix(matrix: MatRef<'a, T>) -> Self {
        Self { matrix }
    }

    pub(crate) fn matrix(&self) -> MatRef<'a, T> {
        self.matrix
    }
}

impl<T: Scalar> DenseView<'_, T> {
    /// The entry in row i and column j, if there is one.
    pub fn get(&self, i: usize, j: usize) -> Option<T> {
        (i < self.matrix.nrows() && j < self.matrix.ncols()).then(|| self.matrix[(i, j)])
    }
}

fn check_length(length: usize, rows: usize, columns: usize) -> Result<()> {
    if rows.checked_mul(columns) == Some(length) {
        return Ok(());
    }
    Err(Error::Shape {
        what: "the slice of entries",
        found: Size::Length(length),
        expected: Size::Shape(rows, columns),
        hint: "its length must be rows times columns",
    })
}

impl<T: Scalar> Operator for DenseView<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        DenseView::shape(self)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        T::multiply(self.matrix, x, y, Threads::ONE)
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        T::multiply_adjoint(self.matrix, y, x, Threads::ONE)
    }
    fn entries(&self) -> Entries<'_, T> {
        Entries::Dense(*self)
    }
}
