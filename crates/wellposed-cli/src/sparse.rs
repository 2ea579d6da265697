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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Numbers;
    use wellposed::{c64, operator};

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        // unsorted, one place given twice, an empty row and an empty column
        let entries = Coordinates {
            rows: 4,
            columns: 3,
            row_indices: vec![3, 0, 3, 1, 3],
            column_indices: vec![2, 0, 0, 2, 2],
            numbers: Numbers::Complex((1..=5).map(|k| c64::new(f64::from(k), f64::from(k * k))).collect()),
        };
        let dense = entries.to_dense().unwrap();
        let sparse = Rows::<c64>::new(entries).unwrap();
        operator::dot_test(&sparse).unwrap();
        for j in 0..3 {
            let unit: Vec<c64> = (0..3).map(|k| c64::new(f64::from(u8::from(k == j)), 0.0)).collect();
            let mut column = vec![c64::new(f64::NAN, 0.0); 4];
            sparse.apply(&unit, &mut column);
            for (i, &entry) in column.iter().enumerate() {
                assert_eq!(Some(entry), dense.get(i, j));
            }
        }
    }
}
