//! Sparse matrices of our own: by rows here, the lower triangle of a self-adjoint one in [`lower`], AᴴA in [`gram`]; their Cholesky factors
//! ([`ordering`], [`analysis`], [`multifrontal`], [`solution`]), and faer's sparse QR factorization under our names ([`qr`]).

use super::Threads;
use super::vectors::both;
use crate::scalar::Scalar;
use core::ops::Range;

mod analysis;
mod gram;
mod lower;
mod multifrontal;
mod ordering;
mod qr;
mod solution;

pub use analysis::{Analysis, Nodes, Supernode};
pub use lower::Lower;
pub use multifrontal::factorize;
pub(super) use qr::with_qr;
pub use qr::{Orthogonal, QrAnalysis};
pub use solution::solve;

/// Entries of A for each thread that transposes A or multiplies AᴴA, at least. A guess.
const ENTRIES_PER_THREAD: usize = 100_000;

/// A sparse matrix by rows: indices sorted within a row, each place once.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub columns: usize,
    pub starts: Vec<usize>,
    pub indices: Vec<usize>,
    pub values: Vec<T>,
}

/// Names each entry as (row, column, value) to the one who asks, and returns how much that was: nothing, or the number of rows.
type Visit<'f, T, R = ()> = &'f dyn Fn(&mut dyn FnMut(usize, usize, T)) -> R;

impl<T: Scalar> Rows<T> {
    /// From entries in any order; those at the same place are added. `visit` is called up to three times and must name the same
    /// entries each time.
    pub fn new(rows: usize, columns: usize, visit: Visit<'_, T>) -> Self {
        Self::counted(columns, &|entry| {
            visit(entry);
            rows
        })
    }

    /// The same, where `visit` says how many rows there are.
    pub fn counted(columns: usize, visit: Visit<'_, T, usize>) -> Self {
        Self::in_order(columns, visit).unwrap_or_else(|| Self::sorted(columns, visit))
    }

    /// From entries that come row after row, in the order of their columns and each place once; `None` where they do not.
    fn in_order(columns: usize, visit: Visit<'_, T, usize>) -> Option<Self> {
        let (mut starts, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        let (mut row, mut next, mut ordered) = (0, 0, true);
        let rows = visit(&mut |i, j, value| {
            ordered &= i > row || (i == row && j >= next);
            if !ordered {
                return;
            }
            while row < i {
                row += 1;
                starts.push(indices.len());
            }
            indices.push(j);
            values.push(value);
            next = j + 1;
        });
        starts.resize(rows + 1, indices.len());
        ordered.then_some(Self { columns, starts, indices, values })
    }

    fn sorted(columns: usize, visit: Visit<'_, T, usize>) -> Self {
        // by columns first: the second pass then meets the entries of each row in the order of their columns
        let mut starts = vec![0usize; columns + 1];
        let rows = visit(&mut |_, j, _| starts[j + 1] += 1);
        accumulate(&mut starts);
        let mut next = starts.clone();
        let (mut at, mut values) = (vec![0usize; starts[columns]], vec![T::ZERO; starts[columns]]);
        visit(&mut |i, j, value| {
            at[next[j]] = i;
            values[next[j]] = value;
            next[j] += 1;
        });
        let by_columns = Self { columns: rows, starts, indices: at, values };
        let mut sorted = by_columns.transposed();
        sorted.merge();
        sorted
    }

    /// Adds up neighbours at the same place.
    fn merge(&mut self) {
        let mut kept = 0;
        for i in 0..self.rows() {
            let (start, end) = (self.starts[i], self.starts[i + 1]);
            let first = kept;
            for place in start..end {
                if kept > first && self.indices[kept - 1] == self.indices[place] {
                    let value = self.values[place];
                    self.values[kept - 1] += value;
                } else {
                    self.indices[kept] = self.indices[place];
                    self.values[kept] = self.values[place];
                    kept += 1;
                }
            }
            self.starts[i] = first;
        }
        let rows = self.rows();
        self.starts[rows] = kept;
        self.indices.truncate(kept);
        self.values.truncate(kept);
    }

    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn row(&self, i: usize) -> (&[usize], &[T]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Aᵀ by rows, which is A by columns.
    pub fn transposed(&self) -> Self {
        self.transposed_by(Threads::ONE)
    }

    /// The same on several threads, which go through all entries and take those of some columns.
    pub fn transposed_by(&self, threads: Threads) -> Self {
        let mut starts = vec![0usize; self.columns + 1];
        self.indices.iter().for_each(|&j| starts[j + 1] += 1);
        accumulate(&mut starts);
        let (mut indices, mut values) = (vec![0; self.indices.len()], vec![T::ZERO; self.indices.len()]);
        self.transpose_columns(&starts, 0..self.columns, &mut indices, &mut values, parts(self.indices.len(), threads));
        Self { columns: self.rows(), starts, indices, values }
    }

    /// Those rows of Aᵀ; what is written is theirs alone.
    fn transpose_columns(&self, starts: &[usize], range: Range<usize>, indices: &mut [usize], values: &mut [T], parts: usize) {
        let first = starts[range.start];
        if parts > 1 && range.len() > 1 {
            let left = parts / 2;
            let middle = middle(starts, &range, left, parts);
            let (indices, other_indices) = indices.split_at_mut(starts[middle] - first);
            let (values, other_values) = values.split_at_mut(starts[middle] - first);
            return both(
                || self.transpose_columns(starts, range.start..middle, indices, values, left),
                || self.transpose_columns(starts, middle..range.end, other_indices, other_values, parts - left),
            );
        }
        let mut next: Vec<usize> = starts[range.clone()].iter().map(|start| start - first).collect();
        for i in 0..self.rows() {
            let (columns, entries) = self.row(i);
            for (&j, &value) in columns.iter().zip(entries).filter(|(j, _)| range.contains(j)) {
                let next = &mut next[j - range.start];
                indices[*next] = i;
                values[*next] = value;
                *next += 1;
            }
        }
    }

    /// These rows, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut part = Self { columns: self.columns, starts: vec![0], indices: Vec::new(), values: Vec::new() };
        for &i in rows {
            part.push(self.row(i), T::Real::ONE);
        }
        part
    }

    /// One more row, times a factor.
    pub fn push(&mut self, (indices, values): (&[usize], &[T]), factor: T::Real) {
        self.indices.extend_from_slice(indices);
        self.values.extend(values.iter().map(|v| v.scale(factor)));
        self.starts.push(self.indices.len());
    }

    /// yᵢ ← yᵢ + factor·Σⱼ aᵢⱼxⱼ.
    pub fn add_product(&self, factor: T::Real, x: &[T], y: &mut [T]) {
        for (i, y) in y.iter_mut().enumerate() {
            let (columns, values) = self.row(i);
            let sum = columns.iter().zip(values).fold(T::ZERO, |sum, (&j, &a)| sum + a * x[j]);
            *y += sum.scale(factor);
        }
    }

    /// xⱼ ← xⱼ + factor·Σᵢ āᵢⱼyᵢ.
    pub fn add_adjoint_product(&self, factor: T::Real, y: &[T], x: &mut [T]) {
        for (i, &y) in y.iter().enumerate() {
            let y = y.scale(factor);
            let (columns, values) = self.row(i);
            for (&j, &a) in columns.iter().zip(values) {
                x[j] += a.conj() * y;
            }
        }
    }

    /// The rank that the pattern allows: the most columns that can be given a row each in which they have an entry. `transposed`
    /// is Aᵀ by rows. Duff 1981 (ACM Trans. Math. Softw. 7:315): augmenting paths by depth-first search.
    pub fn structural_rank(&self, transposed: &Self) -> usize {
        const FREE: usize = usize::MAX;
        struct Step {
            column: usize,
            next: usize,
            row: usize,
        }
        let (mut column_of, mut seen) = (vec![FREE; self.rows()], vec![FREE; self.rows()]);
        let mut rank = 0;
        let mut path: Vec<Step> = Vec::new();
        for j in 0..self.columns {
            path.clear();
            path.push(Step { column: j, next: transposed.starts[j], row: FREE });
            while let Some(step) = path.last_mut() {
                if step.next == transposed.starts[step.column + 1] {
                    path.pop();
                    continue;
                }
                let row = transposed.indices[step.next];
                step.next += 1;
                if seen[row] == j {
                    continue;
                }
                seen[row] = j;
                step.row = row;
                if column_of[row] == FREE {
                    path.iter().for_each(|step| column_of[step.row] = step.column);
                    rank += 1;
                    break;
                }
                let column = column_of[row];
                path.push(Step { column, next: transposed.starts[column], row: FREE });
            }
        }
        rank
    }

    /// About how many multiplications AᴴA takes: Σ (entries of a row)²/2.
    pub fn gram_work(&self) -> f64 {
        self.starts.windows(2).map(|w| ((w[1] - w[0]) as f64).powi(2) / 2.0).sum()
    }
}

/// How many parts so many entries are worth.
fn parts(entries: usize, threads: Threads) -> usize {
    threads.0.min(entries / ENTRIES_PER_THREAD).max(1)
}

/// Where a range of rows is cut in two, `left` of `parts` of its entries before.
fn middle(starts: &[usize], range: &Range<usize>, left: usize, parts: usize) -> usize {
    let (from, to) = (starts[range.start], starts[range.end]);
    let target = from + (to - from) / parts * left;
    range.start + starts[range.clone()].partition_point(|&start| start < target)
}

fn accumulate(starts: &mut [usize]) {
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (row, column, value).
    type Entry = (usize, usize, f64);

    fn of(rows: usize, columns: usize, entries: &[Entry]) -> Rows<f64> {
        Rows::new(rows, columns, &|visit| entries.iter().for_each(|&(i, j, value)| visit(i, j, value)))
    }

    /// Entries in their order, in any other, and in parts make the same matrix; rows without entries at both ends.
    #[test]
    fn the_order_of_the_entries_does_not_matter() {
        let ordered: [Entry; 5] = [(1, 0, 2.0), (1, 3, -1.0), (2, 2, 4.0), (4, 1, 0.5), (4, 2, 3.0)];
        let expected = of(6, 4, &ordered);
        assert_eq!(
            (expected.starts.as_slice(), expected.indices.as_slice()),
            ([0, 0, 2, 3, 3, 5, 5].as_slice(), [0, 3, 2, 1, 2].as_slice())
        );
        assert_eq!(expected.values, [2.0, -1.0, 4.0, 0.5, 3.0]);
        let mut backwards = ordered;
        backwards.reverse();
        // a row out of order, columns out of order, a place named twice
        let late: [Entry; 5] = [ordered[0], ordered[2], ordered[1], ordered[3], ordered[4]];
        let turned: [Entry; 5] = [ordered[1], ordered[0], ordered[2], ordered[3], ordered[4]];
        let twice: [Entry; 6] = [ordered[0], ordered[1], (2, 2, 1.0), (2, 2, 3.0), ordered[3], ordered[4]];
        for entries in [&backwards[..], &late, &turned, &twice] {
            let found = of(6, 4, entries);
            assert_eq!(
                (&found.starts, &found.indices, &found.values),
                (&expected.starts, &expected.indices, &expected.values),
                "{entries:?}"
            );
        }
        assert_eq!(of(3, 2, &[]).starts, [0, 0, 0, 0]);
    }
}
