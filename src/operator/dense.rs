//! A dense matrix somewhere in memory: pointer, shape and two strides. Never copied.

use super::{Entries, Operator};
use crate::error::{Error, Result, Size};
use crate::linalg::{Accum, Mat, MatMut, MatRef, Op, Threads};
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
    threads: Threads,
}

impl<'a, T> DenseView<'a, T> {
    /// The m×n matrix whose columns lie one after another in `entries`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the length is not m·n.
    pub fn column_major(entries: &'a [T], rows: usize, columns: usize) -> Result<Self> {
        check_length(entries.len(), rows, columns)?;
        Ok(Self::from_matrix(MatRef::from_column_major_slice(entries, rows, columns)))
    }

    /// The m×n matrix whose rows lie one after another in `entries`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the length is not m·n.
    pub fn row_major(entries: &'a [T], rows: usize, columns: usize) -> Result<Self> {
        check_length(entries.len(), rows, columns)?;
        Ok(Self::from_matrix(MatRef::from_row_major_slice(entries, rows, columns)))
    }

    /// The vector `entries` as a matrix of one column.
    pub fn column(entries: &'a [T]) -> Self {
        Self::from_matrix(MatRef::from_column_major_slice(entries, entries.len(), 1))
    }

    /// (m, n).
    pub fn shape(&self) -> (usize, usize) {
        (self.matrix.nrows(), self.matrix.ncols())
    }

    pub(crate) fn from_matrix(matrix: MatRef<'a, T>) -> Self {
        Self { matrix, threads: Threads::ONE }
    }

    /// For products; a view made by the caller has one thread.
    pub(crate) fn with_threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
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
        T::multiply(self.matrix, x, y, self.threads)
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        T::multiply_adjoint(self.matrix, y, x, self.threads)
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        let (m, n) = DenseView::shape(self);
        let (x, y) = (MatRef::from_column_major_slice(x, n, k), MatMut::from_column_major_slice_mut(y, m, k));
        T::product(y, Accum::Replace, T::ONE, self.matrix, Op::None, x, Op::None, self.threads)
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        let (m, n) = DenseView::shape(self);
        let (y, x) = (MatRef::from_column_major_slice(y, m, k), MatMut::from_column_major_slice_mut(x, n, k));
        T::product(x, Accum::Replace, T::ONE, self.matrix, Op::Adjoint, y, Op::None, self.threads)
    }
    /// One sweep over A where it is tall and has at most some 500 columns, or rows that lie in one piece.
    fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
        T::fused(self.matrix, x, alpha, u, w, z, self.threads)
    }
    fn entries(&self) -> Entries<'_, T> {
        Entries::Dense(*self)
    }
}

/// The columns that [`materialize`] asks for at once: enough for a block product, little memory beside the result.
const COLUMNS_AT_ONCE: usize = 32;

/// All entries of A: a copy of those it shows, or else its products with the unit vectors.
pub(crate) fn materialize<T: Scalar>(operator: &dyn Operator<Scalar = T>) -> Mat<T> {
    match operator.entries() {
        Entries::Dense(view) => return view.matrix().cloned(),
        Entries::Sparse(view) => return view.to_dense(),
        Entries::None => {}
    }
    let (m, n) = operator.shape();
    let mut entries = Mat::from_fn(m, n, |_, _| T::ZERO);
    let mut units = vec![T::ZERO; n * COLUMNS_AT_ONCE.min(n)];
    let mut products = vec![T::ZERO; m * COLUMNS_AT_ONCE.min(n)];
    for first in (0..n).step_by(COLUMNS_AT_ONCE) {
        let k = COLUMNS_AT_ONCE.min(n - first);
        for j in 0..k {
            units[j * n + first + j] = T::ONE;
        }
        operator.apply_block(k, &units[..n * k], &mut products[..m * k]);
        for j in 0..k {
            units[j * n + first + j] = T::ZERO;
            entries.col_as_slice_mut(first + j).copy_from_slice(&products[j * m..(j + 1) * m]);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Boundary, scaled, second_difference};

    #[test]
    fn materialized_products_are_the_entries() {
        for n in [0, 1, 2, 31, 32, 33, 70] {
            let d = materialize::<f64>(&second_difference(n, Boundary::Free));
            assert_eq!(d.shape(), (n.saturating_sub(2), n));
            for i in 0..d.nrows() {
                for j in 0..n {
                    let expected = if j == i + 1 { -2.0 } else { f64::from(u8::from(j == i || j == i + 2)) };
                    assert_eq!(d[(i, j)], expected, "{n}: {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn materialized_entries_are_a_copy() -> Result<()> {
        let numbers: Vec<f64> = (0..12).map(f64::from).collect();
        let view = DenseView::row_major(&numbers, 3, 4)?;
        let (copy, doubled) = (materialize(&view), materialize(&scaled(2.0, view)));
        for i in 0..3 {
            for j in 0..4 {
                assert_eq!(copy[(i, j)], numbers[4 * i + j]);
                assert_eq!(doubled[(i, j)], 2.0 * numbers[4 * i + j]);
            }
        }
        Ok(())
    }
}
