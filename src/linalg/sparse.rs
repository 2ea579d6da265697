//! Sparse matrices of our own: by rows here, the lower triangle of a self-adjoint one in [`lower`], and faer's sparse factorizations
//! under our names in [`factors`].

use crate::scalar::Scalar;

mod factors;
mod lower;

pub use factors::{Analysis, Nodes, Orthogonal, QrAnalysis, Supernode};
pub(super) use factors::{factorize, solve_factored, with_qr};
pub use lower::Lower;

/// A sparse matrix by rows: indices sorted within a row, each place once.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub columns: usize,
    pub starts: Vec<usize>,
    pub indices: Vec<usize>,
    pub values: Vec<T>,
}

/// Names each entry as (row, column, value) to the one who asks.
type Visit<'f, T> = &'f dyn Fn(&mut dyn FnMut(usize, usize, T));

impl<T: Scalar> Rows<T> {
    /// From entries in any order; those at the same place are added. `visit` is called twice and must name the same
    /// entries both times.
    pub fn new(rows: usize, columns: usize, visit: Visit<'_, T>) -> Self {
        // by columns first: the second pass then meets the entries of each row in the order of their columns
        let mut starts = vec![0usize; columns + 1];
        visit(&mut |_, j, _| starts[j + 1] += 1);
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
        let mut starts = vec![0usize; self.columns + 1];
        self.indices.iter().for_each(|&j| starts[j + 1] += 1);
        accumulate(&mut starts);
        let mut next = starts.clone();
        let (mut indices, mut values) = (vec![0; self.indices.len()], vec![T::ZERO; self.indices.len()]);
        for i in 0..self.rows() {
            let (columns, entries) = self.row(i);
            for (&j, &value) in columns.iter().zip(entries) {
                indices[next[j]] = i;
                values[next[j]] = value;
                next[j] += 1;
            }
        }
        Self { columns: self.rows(), starts, indices, values }
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

    /// The lower triangle of AᴴA, its whole diagonal stored; `transposed` is Aᵀ by rows.
    pub fn gram(&self, transposed: &Self) -> Lower<T> {
        let n = self.columns;
        let mut lower = Lower { starts: Vec::with_capacity(n + 1), indices: Vec::new(), values: Vec::new() };
        lower.starts.push(0);
        // how far row i has come: what is left of it begins with column j
        let mut done: Vec<usize> = self.starts[..self.rows()].to_vec();
        let (mut sums, mut seen) = (vec![T::ZERO; n], vec![usize::MAX; n]);
        let mut touched = Vec::new();
        for j in 0..n {
            touched.clear();
            touched.push(j);
            (seen[j], sums[j]) = (j, T::ZERO);
            let (rows, values) = transposed.row(j);
            for (&i, &a) in rows.iter().zip(values) {
                let rest = done[i]..self.starts[i + 1];
                done[i] += 1;
                for (&k, &b) in self.indices[rest.clone()].iter().zip(&self.values[rest]) {
                    if seen[k] != j {
                        (seen[k], sums[k]) = (j, T::ZERO);
                        touched.push(k);
                    }
                    sums[k] += b.conj() * a;
                }
            }
            touched.sort_unstable();
            lower.indices.extend_from_slice(&touched);
            lower.values.extend(touched.iter().map(|&k| sums[k]));
            lower.starts.push(lower.indices.len());
        }
        lower
    }
}

fn accumulate(starts: &mut [usize]) {
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
}
