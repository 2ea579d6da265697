//! Solutions with a factor M = CCᴴ, independent subtrees at the same time.
//!
//! The rows outside a subtree that its supernodes change are those of the pattern of its root. So a subtree works on a copy of its own part
//! of x and leaves what it does to that pattern, which is added when the supernodes above come to it, in the order of the subtrees: the sums
//! do not depend on the number of threads. On the way back it needs the same rows of x. Cost: one pass over the factor each way.

use super::analysis::Analysis;
use crate::linalg::{Threads, supernodal, take_turns};
use crate::scalar::Scalar;
use core::ops::Range;

/// Entries of the factor from which on subtrees are solved with apart. A guess: two milliseconds on one thread.
const PARALLEL_FROM: usize = 1_000_000;

/// x ← M⁻¹x, in the order of the matrix.
pub fn solve<T: Scalar>(analysis: &Analysis, values: &[T], x: &mut [T], threads: Threads) {
    match analysis.entries() < PARALLEL_FROM {
        true => supernodal::solve(analysis.nodes(), values, x),
        false => solve_by_subtrees(analysis, values, x, threads),
    }
}

pub(super) fn solve_by_subtrees<T: Scalar>(analysis: &Analysis, values: &[T], x: &mut [T], threads: Threads) {
    let nodes = analysis.nodes();
    let mut ordered = vec![T::ZERO; x.len()];
    nodes.order().iter().zip(&*x).for_each(|(&new, &value)| ordered[new] = value);
    let tree = &analysis.tree;
    let roots = tree.apart();
    let pattern = |k: usize| nodes.supernode(roots[k]).pattern;
    let subtree = |k: usize| tree.first[roots[k]]..roots[k] + 1;
    // the supernodes between one subtree and the next
    let ends = (0..roots.len()).map(|k| subtree(k).end);
    let begins = (0..roots.len()).map(|k| subtree(k).start).chain([nodes.count()]);
    let above: Vec<Range<usize>> = core::iter::once(0).chain(ends).zip(begins).map(|(from, to)| from..to).collect();
    let mut scratch = Vec::new();

    let left = each(analysis, &roots, &mut ordered, threads, &|k, vector, scratch| {
        pattern(k).iter().for_each(|&row| vector[row] = T::ZERO);
        supernodal::forward(nodes, values, subtree(k), vector, scratch);
        pattern(k).iter().map(|&row| vector[row]).collect::<Vec<T>>()
    });
    for (k, range) in above.iter().enumerate() {
        supernodal::forward(nodes, values, range.clone(), &mut ordered, &mut scratch);
        if let Some(changes) = left.get(k) {
            pattern(k).iter().zip(changes).for_each(|(&row, &change)| ordered[row] += change);
        }
    }
    for range in above.iter().rev() {
        supernodal::backward(nodes, values, range.clone(), &mut ordered, &mut scratch);
    }
    let needed: Vec<Vec<T>> = (0..roots.len()).map(|k| pattern(k).iter().map(|&row| ordered[row]).collect()).collect();
    each(analysis, &roots, &mut ordered, threads, &|k, vector, scratch| {
        pattern(k).iter().zip(&needed[k]).for_each(|(&row, &value)| vector[row] = value);
        supernodal::backward(nodes, values, subtree(k), vector, scratch);
    });
    nodes.order().iter().zip(x).for_each(|(&new, value)| *value = ordered[new]);
}

/// Work on the k-th subtree: its own part of a vector is set, and taken from it afterwards.
type Work<'f, T, R> = &'f (dyn Fn(usize, &mut [T], &mut Vec<T>) -> R + Sync);

/// Works on each subtree with a vector for each thread; what that returns, in the order of the subtrees.
fn each<T: Scalar, R: Send>(analysis: &Analysis, roots: &[usize], x: &mut [T], threads: Threads, work: Work<'_, T, R>) -> Vec<R> {
    let begins = &analysis.supernodes.begins;
    let (mut rest, mut taken) = (&mut *x, 0);
    let mut results: Vec<Option<R>> = roots.iter().map(|_| None).collect();
    let mut turns = Vec::with_capacity(roots.len());
    for ((k, &root), result) in roots.iter().enumerate().zip(&mut results) {
        let part = begins[analysis.tree.first[root]]..begins[root + 1];
        let (own, after) = rest.split_at_mut(part.start - taken).1.split_at_mut(part.len());
        (rest, taken) = (after, part.end);
        turns.push((k, part, own, result));
    }
    let state = || (vec![T::ZERO; analysis.order.len()], Vec::new());
    take_turns(turns, threads, state, |(vector, scratch), (k, part, own, result)| {
        vector[part.clone()].copy_from_slice(own);
        *result = Some(work(k, vector, scratch));
        own.copy_from_slice(&vector[part]);
    });
    results.into_iter().flatten().collect()
}
