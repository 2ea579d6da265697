//! Solves with one triangle of a sparse factor M = CCᴴ in supernodes: C⁻¹ and C⁻ᴴ apart, as a change of variables needs them.
//!
//! Vectors are in the order of elimination ([`Nodes::order`] leads there). Within a supernode the columns are dense; what they do to
//! the rows below is gathered once for each supernode. Cost: one pass over the factor.

use super::sparse::{Nodes, Supernode};
use super::{add_scaled, dot};
use crate::scalar::Scalar;
use core::ops::Range;

/// x ← C⁻¹x. `scratch` grows to the longest pattern and can be kept.
pub fn solve_lower<T: Scalar>(nodes: Nodes<'_>, values: &[T], x: &mut [T], scratch: &mut Vec<T>) {
    forward(nodes, values, 0..nodes.count(), x, scratch);
}

/// What these supernodes do in that.
pub(super) fn forward<T: Scalar>(nodes: Nodes<'_>, values: &[T], range: Range<usize>, x: &mut [T], scratch: &mut Vec<T>) {
    for s in range {
        let Supernode { start, end, pattern } = nodes.supernode(s);
        let width = end - start;
        scratch.clear();
        scratch.resize(pattern.len(), T::ZERO);
        for (j, column) in nodes.numbers(values, s).chunks_exact(width + pattern.len()).enumerate() {
            let value = x[start + j] / column[j];
            x[start + j] = value;
            add_scaled(&mut x[start + j + 1..end], -value, &column[j + 1..width]);
            add_scaled(scratch, -value, &column[width..]);
        }
        for (&row, &change) in pattern.iter().zip(&*scratch) {
            x[row] += change;
        }
    }
}

/// x ← C⁻ᴴx.
pub fn solve_adjoint<T: Scalar>(nodes: Nodes<'_>, values: &[T], x: &mut [T], scratch: &mut Vec<T>) {
    backward(nodes, values, 0..nodes.count(), x, scratch);
}

/// What these supernodes do in that.
pub(super) fn backward<T: Scalar>(nodes: Nodes<'_>, values: &[T], range: Range<usize>, x: &mut [T], scratch: &mut Vec<T>) {
    for s in range.rev() {
        let Supernode { start, end, pattern } = nodes.supernode(s);
        let width = end - start;
        scratch.clear();
        scratch.extend(pattern.iter().map(|&row| x[row]));
        for (j, column) in nodes.numbers(values, s).chunks_exact(width + pattern.len()).enumerate().rev() {
            let inside = dot(&column[j + 1..width], &x[start + j + 1..end]);
            let below = dot(&column[width..], scratch);
            x[start + j] = (x[start + j] - inside - below) / column[j].conj();
        }
    }
}

/// x ← M⁻¹x, in the order of the matrix.
pub fn solve<T: Scalar>(nodes: Nodes<'_>, values: &[T], x: &mut [T]) {
    let (mut ordered, mut scratch) = (vec![T::ZERO; x.len()], Vec::new());
    nodes.order().iter().zip(&*x).for_each(|(&new, &value)| ordered[new] = value);
    solve_lower(nodes, values, &mut ordered, &mut scratch);
    solve_adjoint(nodes, values, &mut ordered, &mut scratch);
    nodes.order().iter().zip(x).for_each(|(&new, value)| *value = ordered[new]);
}

/// The least and the largest modulus on the diagonal of C.
pub fn diagonal_range<T: Scalar>(nodes: Nodes<'_>, values: &[T]) -> (f64, f64) {
    use crate::scalar::Real;
    let mut range = (f64::INFINITY, 0.0f64);
    for s in 0..nodes.count() {
        let Supernode { start, end, pattern } = nodes.supernode(s);
        for (j, column) in nodes.numbers(values, s).chunks_exact(end - start + pattern.len()).enumerate() {
            let size = column[j].modulus().to_f64();
            range = (range.0.min(size), range.1.max(size));
        }
    }
    range
}
