//! A block of rows as it is handed over: columns or rows of the caller, weights beside them.

use super::slice_mut;
use crate::linalg::{self, MatMut, MatRef};
use crate::scalar::{Real, Scalar};

/// Rows that are transposed together.
const TILE: usize = 8;

/// A block of rows √w·[1 A B].
#[derive(Clone, Copy)]
pub(crate) struct Block<'a, T: Scalar> {
    pub a: MatRef<'a, T>,
    pub b: MatRef<'a, T>,
    /// √w of each row.
    pub scale: Option<&'a [T::Real]>,
    /// Multiplies every row.
    pub factor: T::Real,
}

impl<T: Scalar> Block<'_, T> {
    pub fn rows(&self) -> usize {
        self.a.nrows()
    }

    pub fn width(&self) -> usize {
        1 + self.a.ncols() + self.b.ncols()
    }

    /// Rows from `start` on, with `shift` subtracted from every row of [A B] before the scaling.
    pub fn copy(&self, start: usize, shift: &[T], out: MatMut<'_, T>) {
        let (count, n) = (out.nrows(), self.a.ncols());
        let scale = self.scale.map(|scale| &scale[start..start + count]);
        let plain = scale.is_none() && self.factor == T::Real::ONE;
        let weight = |i: usize| scale.map_or(self.factor, |scale| scale[i] * self.factor);
        let mut columns: Vec<&mut [T]> = out.col_iter_mut().map(slice_mut).collect();
        let (ones, columns) = columns.split_at_mut(1);
        for (i, one) in ones[0].iter_mut().enumerate() {
            *one = T::from_real(weight(i));
        }
        let by_columns = |source: MatRef<'_, T>, columns: &mut [&mut [T]], shifts: &[T]| {
            for (j, to) in columns.iter_mut().enumerate() {
                let (column, shift) = (source.col(j), shifts.get(j).copied().unwrap_or(T::ZERO));
                match column.try_as_col_major() {
                    Some(from) if plain => to.iter_mut().zip(from.as_slice()).for_each(|(to, &from)| *to = from - shift),
                    Some(from) => {
                        for (i, (to, &from)) in to.iter_mut().zip(from.as_slice()).enumerate() {
                            *to = (from - shift).scale(weight(i));
                        }
                    }
                    None => {
                        for (i, to) in to.iter_mut().enumerate() {
                            *to = (column[i] - shift).scale(weight(i));
                        }
                    }
                }
            }
        };
        let (of_a, of_b) = columns.split_at_mut(n);
        let (shift_a, shift_b) = shift.split_at(n.min(shift.len()));
        let a = self.a.subrows(start, count);
        if n > 1 && count > 0 && a.row(0).try_as_row_major().is_some() {
            // a tile of rows fills a cache line of every column
            for first in (0..count).step_by(TILE) {
                let tile: Vec<&[T]> =
                    (first..count.min(first + TILE)).filter_map(|i| Some(a.row(i).try_as_row_major()?.as_slice())).collect();
                for (j, to) in of_a.iter_mut().enumerate() {
                    let shift = shift_a.get(j).copied().unwrap_or(T::ZERO);
                    for (i, (to, row)) in to[first..].iter_mut().zip(&tile).enumerate() {
                        *to = if plain { row[j] - shift } else { (row[j] - shift).scale(weight(first + i)) };
                    }
                }
            }
        } else {
            by_columns(a, of_a, shift_a);
        }
        by_columns(self.b.subrows(start, count), of_b, shift_b);
    }

    /// The columns of [A B] over some rows, where they can be used as they lie.
    pub fn columns(&self, start: usize, count: usize) -> Option<Vec<&[T]>> {
        let plain = self.scale.is_none() && self.factor == T::Real::ONE;
        let parts = [self.a, self.b].map(|part| part.subrows(start, count));
        let columns = || parts.iter().flat_map(|part| part.col_iter());
        let lie = plain && columns().all(|column| column.try_as_col_major().is_some());
        lie.then(|| columns().filter_map(|column| Some(column.try_as_col_major()?.as_slice())).collect())
    }

    /// The mean of each column of [A B] over some rows, and the root of the mean square.
    pub fn means(&self, start: usize, count: usize) -> Vec<(T, T::Real)> {
        let inverse = T::Real::from_f64(1.0 / count as f64);
        let ones = vec![T::ONE; count];
        let mut copied = Vec::new();
        let parts = [self.a, self.b].map(|part| part.subrows(start, count));
        let of = |part: MatRef<'_, T>, copied: &mut Vec<T>, j: usize| {
            let column = linalg::column(part, j, copied);
            (linalg::dot(&ones, column).scale(inverse), (linalg::dot(column, column).real() * inverse).sqrt())
        };
        parts.iter().flat_map(|part| (0..part.ncols()).map(|j| of(*part, &mut copied, j)).collect::<Vec<_>>()).collect()
    }
}
