//! The stored entries of a sparse matrix as an operator, rows one after another.

use crate::files::Coordinates;
use crate::files::Problem;
use crate::number::Number;
use wellposed::Operator;

/// A sparse matrix in compressed rows: the entries of row i are at `starts[i]..starts[i + 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    columns: usize,
    starts: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<T>,
}

impl<T: Number> Rows<T> {
    /// Sorts entries into rows; those in the same place stay apart and add up in every product.
    ///
    /// # Errors
    /// Complex entries for a real T.
    pub fn new(entries: Coordinates) -> Result<Self, Problem> {
        let Coordinates { rows, columns, row_indices, column_indices, numbers } = entries;
        let unsorted = T::from_numbers(numbers)?;
        let mut starts = vec![0; rows + 1];
        for &row in &row_indices {
            starts[row + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let (mut indices, mut values) = (vec![0; unsorted.len()], vec![T::ZERO; unsorted.len()]);
        for ((row, column), value) in row_indices.into_iter().zip(column_indices).zip(unsorted) {
            (indices[next[row]], values[next[row]]) = (column, value);
            next[row] += 1;
        }
        Ok(Self { columns, starts, indices, values })
    }

    fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, T)>> {
        self.starts.windows(2).map(|ends| {
            let range = ends[0]..ends[1];
            self.indices[range.clone()].iter().copied().zip(self.values[range].iter().copied())
        })
    }
}

impl<T: Number> Operator for Rows<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.starts.len() - 1, self.columns)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        for (y, row) in y.iter_mut().zip(self.rows()) {
            *y = row.fold(T::ZERO, |sum, (j, value)| sum + value * x[j]);
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        x.fill(T::ZERO);
        for (&y, row) in y.iter().zip(self.rows()) {
            row.for_each(|(j, value)| x[j] += value.conj() * y);
        }
    }
}
