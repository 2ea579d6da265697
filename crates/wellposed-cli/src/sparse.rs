//! The stored entries of a sparse matrix by rows, as the library takes them.

use crate::files::{Coordinates, Place, Problem};
use crate::number::Number;
use wellposed::SparseView;

/// A sparse matrix in compressed rows: the entries of row i are at `starts[i]..starts[i + 1]`, by increasing column, one in
/// each place. Indices of four bytes, since products are bound by what they read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    columns: usize,
    starts: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<T>,
}

impl<T: Number> Rows<T> {
    /// Sorts entries into rows; those in the same place are added.
    ///
    /// # Errors
    /// Complex entries for a real T; more entries, rows or columns than 2³² − 1; what does not fit into memory.
    pub fn new(entries: Coordinates) -> Result<Self, Problem> {
        let Coordinates { rows, columns, row_indices, column_indices, numbers } = entries;
        let unsorted = T::from_numbers(numbers)?;
        let count = unsorted.len();
        if [rows, columns, count].iter().any(|&size| u32::try_from(size).is_err()) {
            let text = format!("has {count} entries in {rows} rows and {columns} columns; each of these may be 2³² − 1 at most");
            return Err(Problem::new(Place::Whole, text));
        }
        // by columns, then by rows: two stable passes leave each row sorted by column
        let by_columns = places_by(&column_indices, columns, None);
        let by_rows = places_by(&row_indices, rows, Some(&by_columns));
        let mut matrix = Self { columns, starts: Vec::with_capacity(rows + 1), indices: Vec::new(), values: Vec::new() };
        matrix.indices.try_reserve_exact(count).map_err(too_large)?;
        matrix.values.try_reserve_exact(count).map_err(too_large)?;
        matrix.starts.push(0);
        let mut places = by_rows.into_iter().peekable();
        for row in 0..rows {
            let start = matrix.indices.len();
            while let Some(place) = places.next_if(|&place| row_indices[place as usize] == row) {
                let (column, value) = (column_indices[place as usize] as u32, unsorted[place as usize]);
                match matrix.values.last_mut() {
                    Some(last) if matrix.indices.len() > start && matrix.indices.last() == Some(&column) => *last += value,
                    _ => {
                        matrix.indices.push(column);
                        matrix.values.push(value);
                    }
                }
            }
            matrix.starts.push(matrix.indices.len() as u32);
        }
        Ok(matrix)
    }

    /// As the library takes it.
    ///
    /// # Errors
    /// None for a matrix that [`new`](Self::new) made.
    pub fn view(&self) -> wellposed::Result<SparseView<'_, T>> {
        SparseView::csr(self.starts.len() - 1, self.columns, &self.starts, &self.indices, &self.values)
    }
}

/// The places of keys below `bound` in the order of their keys; of equal ones in the order given, or that of storage.
fn places_by(keys: &[usize], bound: usize, order: Option<&[u32]>) -> Vec<u32> {
    let mut next = vec![0u32; bound + 1];
    for &key in keys {
        next[key + 1] += 1;
    }
    for key in 0..bound {
        next[key + 1] += next[key];
    }
    let mut places = vec![0; keys.len()];
    let mut put = |place: u32| {
        let key = keys[place as usize];
        places[next[key] as usize] = place;
        next[key] += 1;
    };
    match order {
        Some(order) => order.iter().for_each(|&place| put(place)),
        None => (0..keys.len() as u32).for_each(put),
    }
    places
}

fn too_large(_: std::collections::TryReserveError) -> Problem {
    Problem::new(Place::Whole, "does not fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Numbers;
    use wellposed::{Operator, c64, operator};

    /// Unsorted, one place given twice, an empty row and an empty column.
    fn entries() -> Coordinates {
        Coordinates {
            rows: 4,
            columns: 3,
            row_indices: vec![3, 0, 3, 1, 3],
            column_indices: vec![2, 0, 0, 2, 2],
            numbers: Numbers::Complex((1..=5).map(|k| c64::new(f64::from(k), f64::from(k * k))).collect()),
        }
    }

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        let dense = entries().to_dense().unwrap();
        let rows = Rows::<c64>::new(entries()).unwrap();
        let sparse = rows.view().unwrap();
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

    #[test]
    fn rows_are_sorted_and_each_place_is_stored_once() {
        let rows = Rows::<c64>::new(entries()).unwrap();
        assert_eq!(rows.starts, [0, 1, 2, 2, 4]);
        assert_eq!(rows.indices, [0, 2, 0, 2]);
        assert_eq!(rows.values[3], c64::new(6.0, 26.0));
        let empty = Coordinates { rows: 0, columns: 3, row_indices: vec![], column_indices: vec![], numbers: Numbers::Real(vec![]) };
        assert_eq!(Rows::<f64>::new(empty).unwrap().view().unwrap().shape(), (0, 3));
        assert!(Rows::<f64>::new(entries()).is_err(), "complex entries are no real ones");
    }
}
