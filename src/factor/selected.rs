//! Selected inversion: the entries of M⁻¹ on the pattern of the Cholesky factor, and tr(M⁻¹P) from them.
//!
//! The inverse of a sparse matrix is full, but the trace of M⁻¹P needs it only where P is not zero, and on the pattern of the
//! factor M = RRᴴ it follows from the last column back (Takahashi, Fagan, Chen 1973; Erisman, Tinney 1975,
//! doi:10.1145/360680.360704). For a supernode with columns J and rows I below them, Y = R_IJ R_JJ⁻¹ and Z = M⁻¹,
//!
//! ```text
//! Z_IJ = −Z_II Y        Z_JJ = R_JJ⁻ᴴ R_JJ⁻¹ − Yᴴ Z_IJ
//! ```
//! and Z_II is there already: its places lie in supernodes further up the elimination tree. Once those above are done, threads take disjoint
//! subtrees in turns.
//! Cost: about twice the factorization; as many numbers as the factor.

use crate::linalg::sparse::{Lower, Nodes, Supernode};
use crate::linalg::{self, Accum, Mat, MatMut, MatRef, Op, Threads, take_turns};
use crate::scalar::{Real, Scalar};

/// M⁻¹ on the pattern of the factor with these values.
pub(super) fn inverse<T: Scalar>(nodes: Nodes<'_>, factor: &[T], threads: Threads) -> Vec<T> {
    let subtrees = nodes.apart();
    let mut inverse = vec![T::ZERO; factor.len()];
    let ends = subtrees.iter().map(|subtree| subtree.end);
    let begins = subtrees.iter().map(|subtree| subtree.start).chain([nodes.count()]);
    let above: Vec<_> = core::iter::once(0).chain(ends).zip(begins).collect();
    let mut part = Part { nodes, factor, before: 0, own: &mut inverse, above: &[] };
    above.iter().rev().for_each(|&(from, to)| (from..to).rev().for_each(|s| part.invert(s, threads)));

    let (mut rest, mut taken) = (inverse.as_mut_slice(), 0);
    let (mut done, mut turns) = (Vec::with_capacity(above.len()), Vec::with_capacity(subtrees.len()));
    for subtree in subtrees {
        let (start, end) = (nodes.places(subtree.start).start, nodes.places(subtree.end - 1).end);
        let (before, after) = rest.split_at_mut(start - taken);
        let (own, after) = after.split_at_mut(end - start);
        done.push((taken, &*before));
        turns.push((subtree, start, own));
        (rest, taken) = (after, end);
    }
    done.push((taken, &*rest));
    take_turns(
        turns,
        threads,
        || (),
        |(), (subtree, before, own)| {
            let mut part = Part { nodes, factor, before, own, above: &done };
            subtree.rev().for_each(|s| part.invert(s, Threads::ONE));
        },
    );
    inverse
}

/// Values of M⁻¹ that one thread fills, from the last supernode down, and those that it reads.
struct Part<'a, T> {
    nodes: Nodes<'a>,
    factor: &'a [T],
    /// The place of the first of its own values among all.
    before: usize,
    own: &'a mut [T],
    /// Values outside, with the place of the first of each piece.
    above: &'a [(usize, &'a [T])],
}

impl<T: Scalar> Part<'_, T> {
    /// Z_JJ and Z_IJ of a supernode.
    fn invert(&mut self, s: usize, threads: Threads) {
        let Supernode { start, end, pattern } = self.nodes.supernode(s);
        let (w, r) = (end - start, pattern.len());
        let block = self.nodes.block(self.factor, s);
        let triangle = block.subrows(0, w);
        // R_JJ⁻¹ into the lower triangle, zeros above
        let mut own = linalg::zeros(w, w);
        T::invert_lower(triangle, own.as_mut(), threads);
        let mut diagonal = linalg::zeros(w, w);
        T::product(diagonal.as_mut(), Accum::Replace, T::ONE, own.as_ref(), Op::Adjoint, own.as_ref(), Op::None, threads);
        let mut below = linalg::zeros(r, w);
        if r > 0 {
            // Yᴴ = R_JJ⁻ᴴ R_IJᴴ
            let mut y = linalg::adjoint(block.subrows(w, r));
            T::solve_lower(triangle, Op::Adjoint, y.as_mut(), threads);
            let above = self.gathered(pattern);
            T::product(below.as_mut(), Accum::Replace, -T::ONE, above.as_ref(), Op::None, y.as_ref(), Op::Adjoint, threads);
            T::product(diagonal.as_mut(), Accum::Add, -T::ONE, y.as_ref(), Op::None, below.as_ref(), Op::None, threads);
        }
        let places = self.nodes.places(s);
        let own = &mut self.own[places.start - self.before..places.end - self.before];
        let mut out = MatMut::from_column_major_slice_mut(own, w + r, w);
        for j in 0..w {
            for i in 0..w {
                out[(i, j)] = diagonal[(i, j)];
            }
            for i in 0..r {
                out[(w + i, j)] = below[(i, j)];
            }
        }
    }

    /// The values of a supernode that is filled already.
    fn block(&self, s: usize) -> MatRef<'_, T> {
        let places = self.nodes.places(s);
        let own = self.before..self.before + self.own.len();
        let (first, values): (usize, &[T]) = match own.contains(&places.start) {
            true => (self.before, &*self.own),
            false => self.above[self.above.partition_point(|piece| piece.0 <= places.start) - 1],
        };
        let Supernode { start, end, pattern } = self.nodes.supernode(s);
        MatRef::from_column_major_slice(&values[places.start - first..places.end - first], end - start + pattern.len(), end - start)
    }

    /// Z_II, whole, for the rows I below a supernode.
    fn gathered(&self, rows: &[usize]) -> Mat<T> {
        let mut all = linalg::zeros(rows.len(), rows.len());
        let mut first = 0;
        while first < rows.len() {
            let t = self.nodes.node_of(rows[first]);
            let Supernode { start, end, pattern } = self.nodes.supernode(t);
            let last = first + rows[first..].partition_point(|&row| row < end);
            let block = self.block(t);
            let mut place = 0;
            for i in first..rows.len() {
                let local = if rows[i] < end {
                    rows[i] - start
                } else {
                    while pattern[place] < rows[i] {
                        place += 1;
                    }
                    end - start + place
                };
                for j in first..last.min(i + 1) {
                    let value = block[(local, rows[j] - start)];
                    all[(i, j)] = value;
                    all[(j, i)] = value.conj();
                }
            }
            first = last;
        }
        all
    }
}

/// tr(M⁻¹P) for a P whose pattern is inside that of M; `lower` has that pattern, `values` are those of P.
pub(super) fn trace<T: Scalar>(nodes: Nodes<'_>, inverse: &[T], lower: &Lower<T>, values: &[T]) -> f64 {
    let new = nodes.order();
    let mut sum = 0.0;
    for j in 0..lower.order() {
        for place in lower.starts[j]..lower.starts[j + 1] {
            let (i, p) = (lower.indices[place], values[place]);
            if p == T::ZERO {
                continue;
            }
            let (row, column) = (new[i].max(new[j]), new[i].min(new[j]));
            let s = nodes.node_of(column);
            let Supernode { start, end, pattern } = nodes.supernode(s);
            let local = if row < end { row - start } else { end - start + pattern.partition_point(|&r| r < row) };
            let z = nodes.block(inverse, s)[(local, column - start)];
            // Z and P are self-adjoint: a pair of places contributes twice the real part
            let z = if new[i] >= new[j] { z } else { z.conj() };
            let product = (z * p.conj()).real().to_f64();
            sum += if i == j { product } else { 2.0 * product };
        }
    }
    sum
}
