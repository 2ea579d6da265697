//! The lower triangle of AᴴA, column after column, for one sparse matrix or for two on the union of their patterns.
//!
//! Column j is the sum of the rows of A that have an entry there, each from that entry on. Threads take columns of the result, which has
//! the same bits for any number of them. Cost: [`Rows::gram_work`] multiplications, and sorting the rows of each column.

use super::{Lower, Rows, middle, parts};
use crate::linalg::Threads;
use crate::linalg::vectors::both;
use crate::scalar::Scalar;
use core::ops::Range;

impl<T: Scalar> Rows<T> {
    /// The lower triangle of AᴴA, its whole diagonal stored; `transposed` is Aᵀ by rows.
    pub fn gram(&self, transposed: &Self) -> Lower<T> {
        self.gram_by(transposed, Threads::ONE)
    }

    /// The same on several threads.
    pub fn gram_by(&self, transposed: &Self, threads: Threads) -> Lower<T> {
        let Together { starts, indices, values: [values] } = together([(self, transposed)], threads);
        Lower { starts, indices, values }
    }

    /// AᴴA and the values of BᴴB, both on the union of their patterns.
    pub fn grams(&self, other: &Self, threads: Threads) -> (Lower<T>, Vec<T>) {
        let (transposed, other_transposed) = (self.transposed_by(threads), other.transposed_by(threads));
        let Together { starts, indices, values: [values, others] } = together([(self, &transposed), (other, &other_transposed)], threads);
        (Lower { starts, indices, values }, others)
    }
}

/// Each matrix and its transpose.
type Pairs<'a, T, const K: usize> = [(&'a Rows<T>, &'a Rows<T>); K];

/// Columns of several lower triangles on one pattern.
struct Together<T, const K: usize> {
    starts: Vec<usize>,
    indices: Vec<usize>,
    values: [Vec<T>; K],
}

fn together<T: Scalar, const K: usize>(of: Pairs<'_, T, K>, threads: Threads) -> Together<T, K> {
    let entries = of.iter().map(|(rows, _)| rows.indices.len()).sum();
    columns(of, 0..of.first().map_or(0, |(rows, _)| rows.columns), parts(entries, threads))
}

/// Those columns, as if they were all.
fn columns<T: Scalar, const K: usize>(of: Pairs<'_, T, K>, range: Range<usize>, parts: usize) -> Together<T, K> {
    let largest = of.iter().max_by_key(|(rows, _)| rows.indices.len());
    if let Some((_, transposed)) = largest.filter(|_| parts > 1 && range.len() > 1) {
        let left = parts / 2;
        let middle = middle(&transposed.starts, &range, left, parts);
        let (mut first, mut second) = (None, None);
        both(|| first = Some(columns(of, range.start..middle, left)), || second = Some(columns(of, middle..range.end, parts - left)));
        if let (Some(first), Some(second)) = (first, second) {
            return first.followed_by(second);
        }
    }
    // room for what other parts append to the first one
    let entries: usize = of.iter().map(|(rows, _)| rows.indices.len()).sum();
    let room = if range.start == 0 { entries } else { 0 };
    let mut made = Together {
        starts: Vec::with_capacity(range.len() + 1),
        indices: Vec::with_capacity(room),
        values: of.map(|_| Vec::with_capacity(room)),
    };
    made.starts.push(0);
    // how far each row has come: what is left of it begins with the present column
    let first =
        |rows: &Rows<T>, i: usize| rows.starts[i] + if range.start == 0 { 0 } else { rows.row(i).0.partition_point(|&j| j < range.start) };
    let mut done: [Vec<usize>; K] = of.map(|(rows, _)| (0..rows.rows()).map(|i| first(rows, i)).collect());
    let n = of.first().map_or(0, |(rows, _)| rows.columns);
    // the rows before the range never come up
    let (mut sums, mut seen) = (vec![[T::ZERO; K]; n - range.start], vec![usize::MAX; n - range.start]);
    let mut touched = Vec::new();
    let before = range.start;
    for j in range {
        touched.clear();
        touched.push(j);
        (seen[j - before], sums[j - before]) = (j, [T::ZERO; K]);
        for (k, ((rows, transposed), done)) in of.iter().zip(&mut done).enumerate() {
            let (places, entries) = transposed.row(j);
            for (&i, &a) in places.iter().zip(entries) {
                let rest = done[i]..rows.starts[i + 1];
                done[i] += 1;
                for (&column, &b) in rows.indices[rest.clone()].iter().zip(&rows.values[rest]) {
                    let place = column - before;
                    if seen[place] != j {
                        (seen[place], sums[place]) = (j, [T::ZERO; K]);
                        touched.push(column);
                    }
                    sums[place][k] += b.conj() * a;
                }
            }
        }
        touched.sort_unstable();
        made.indices.extend_from_slice(&touched);
        for (k, values) in made.values.iter_mut().enumerate() {
            values.extend(touched.iter().map(|&row| sums[row - before][k]));
        }
        made.starts.push(made.indices.len());
    }
    made
}

impl<T, const K: usize> Together<T, K> {
    /// With the columns of another after its own.
    fn followed_by(mut self, mut other: Self) -> Self {
        let stored = self.indices.len();
        self.starts.extend(other.starts[1..].iter().map(|start| stored + start));
        self.indices.append(&mut other.indices);
        self.values.iter_mut().zip(&mut other.values).for_each(|(values, others)| values.append(others));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn random_rows(m: usize, n: usize, each: usize, seed: u64) -> Rows<f64> {
        let mut random = Random::new(seed);
        let entries: Vec<(usize, usize, f64)> =
            (0..m * each).map(|k| (k / each, (random.uniform() * n as f64) as usize % n, random.normal())).collect();
        Rows::new(m, n, &|visit| entries.iter().for_each(|&(i, j, value)| visit(i, j, value)))
    }

    /// By columns in parts the same bits as in one piece, which are those of the products; of a matrix alone and beside another one.
    #[test]
    fn gram_matrices_by_parts() {
        let n = 23;
        let (a, l) = (random_rows(80, n, 3, 2), random_rows(15, n, 2, 3));
        let (at, lt) = (a.transposed(), l.transposed());
        let of = [(&a, &at), (&l, &lt)];
        let whole = columns(of, 0..n, 1);
        for parts in [2, 3, 7, 40] {
            let found = columns(of, 0..n, parts);
            assert_eq!((&found.starts, &found.indices, &found.values), (&whole.starts, &whole.indices, &whole.values), "{parts} parts");
        }
        let alone = a.gram(&at);
        for j in 0..n {
            let rows = |starts: &[usize], indices: &[usize]| indices[starts[j]..starts[j + 1]].to_vec();
            let (union, own) = (rows(&whole.starts, &whole.indices), rows(&alone.starts, &alone.indices));
            assert!(union.is_sorted() && union[0] == j && own.iter().all(|i| union.contains(i)));
            for i in j..n {
                for (k, rows) in [&a, &l].into_iter().enumerate() {
                    let entry =
                        |row: usize, column: usize| rows.row(row).0.iter().position(|&c| c == column).map_or(0.0, |k| rows.row(row).1[k]);
                    let expected: f64 = (0..rows.rows()).map(|row| entry(row, i) * entry(row, j)).sum();
                    let found = union.iter().position(|&row| row == i).map_or(0.0, |place| whole.values[k][whole.starts[j] + place]);
                    assert!((found - expected).abs() <= 1e-13, "({i}, {j}) of matrix {k}");
                    if k == 0 {
                        let found = own.iter().position(|&row| row == i).map_or(0.0, |place| alone.values[alone.starts[j] + place]);
                        assert!((found - expected).abs() <= 1e-13, "({i}, {j}) alone");
                    }
                }
            }
        }
    }

    #[test]
    fn transposition_by_parts() {
        let a = random_rows(60, 17, 4, 5);
        let mut starts = vec![0; 18];
        a.indices.iter().for_each(|&j| starts[j + 1] += 1);
        super::super::accumulate(&mut starts);
        let whole = a.transposed();
        for parts in [1, 2, 5, 30] {
            let (mut indices, mut values) = (vec![0; a.indices.len()], vec![0.0; a.indices.len()]);
            a.transpose_columns(&starts, 0..17, &mut indices, &mut values, parts);
            assert_eq!((&indices, &values), (&whole.indices, &whole.values), "{parts} parts");
        }
        let back = whole.transposed();
        assert_eq!((back.starts, back.indices, back.values), (a.starts, a.indices, a.values));
    }
}
