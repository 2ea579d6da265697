//! Sparse Cholesky factorization M = CCᴴ, supernode after supernode, independent subtrees at the same time.
//!
//! A supernode gathers the entries of its columns and what its children have left for it, is factored as a dense block, and
//! leaves U = BBᴴ, to be subtracted from the rows of its pattern, B being the rows of its block below its own columns
//! (the multifrontal method: Duff & Reid 1983, doi:10.1145/356044.356047; Liu 1992, doi:10.1137/1034004). What is left waits on a
//! stack, as the postorder of the tree wants it: the children of a supernode are the topmost.
//!
//! Subtrees of about equal work are ranges of supernodes and of values, so that each thread has a part of the factor to itself; what
//! remains above them is done one supernode after the other, with the products inside large ones divided. The sums are the same, and in the
//! same order, for any number of threads.
//!
//! Cost: the flops of [`Analysis::flops`], near the speed of the dense kernels where supernodes are wide; the stack holds less than
//! the factor.

use super::analysis::{Analysis, Supernode};
use crate::linalg::vectors::both;
use crate::linalg::{Accum, MatMut, MatRef, Op, Threads, take_turns};
use crate::scalar::{Real, Scalar};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;

/// Work from which on subtrees are done on several threads. A guess: about a millisecond.
const PARALLEL_FROM: f64 = 1e7;
/// Columns of a supernode that are factored one after the other; more of them in halves.
const PANEL: usize = 16;
/// Multiplications that are not divided among threads: about half a millisecond.
const TOGETHER: usize = 10_000_000;
/// From so many columns and rows on U comes from the dense kernel, below from a loop. Calls of it cost about as much as such a loop.
const KERNEL_FROM: (usize, usize) = (4, 8);

/// The values of the factor of the M with these values in its lower triangle, zeros above the diagonals of the blocks; `None` when M is not
/// positive definite in working precision.
pub fn factorize<T: Scalar>(analysis: &Analysis, lower: &[T], threads: Threads) -> Option<Vec<T>> {
    let (tree, count) = (&analysis.tree, analysis.nodes().count());
    let roots = if tree.all() < PARALLEL_FROM { Vec::new() } else { tree.apart() };
    let mut values = vec![T::ZERO; analysis.entries()];
    let mut subtrees = Vec::with_capacity(roots.len());
    let (mut rest, mut taken) = (values.as_mut_slice(), 0);
    for &root in &roots {
        let places = &analysis.supernodes.places;
        let part = places[tree.first[root]]..places[root + 1];
        let (own, after) = rest.split_at_mut(part.start - taken).1.split_at_mut(part.len());
        (rest, taken) = (after, part.end);
        subtrees.push(Subtree { root, values: own, left: None });
    }
    // the largest first, so that the threads end together
    let mut turns: Vec<_> = subtrees.iter_mut().collect();
    turns.sort_by(|a, b| tree.work[b.root].total_cmp(&tree.work[a.root]));
    let (none, failed) = (BTreeMap::new(), AtomicBool::new(false));
    take_turns(
        turns,
        threads,
        || Front::new(analysis, lower, &none, 1),
        |front, subtree: &mut Subtree<'_, T>| {
            if failed.load(Ordering::Relaxed) {
                return;
            }
            match front.go_through(tree.first[subtree.root]..subtree.root + 1, subtree.values) {
                true => subtree.left = Some(front.stack.pop()),
                false => failed.store(true, Ordering::Relaxed),
            }
        },
    );
    let left: Option<BTreeMap<usize, Vec<T>>> = subtrees.into_iter().map(|subtree| Some((subtree.root, subtree.left?))).collect();
    Front::new(analysis, lower, &left?, threads.0).go_through(0..count, &mut values).then_some(values)
}

/// A part of the tree with the values that are its own.
struct Subtree<'v, T> {
    root: usize,
    values: &'v mut [T],
    /// What it leaves to its parent, once it is done.
    left: Option<Vec<T>>,
}

/// The way through ranges of supernodes, one after the other.
struct Front<'a, T> {
    analysis: &'a Analysis,
    /// The values of M.
    lower: &'a [T],
    /// What subtrees inside the range, done already, have left, by their roots.
    done: &'a BTreeMap<usize, Vec<T>>,
    /// For large blocks.
    threads: usize,
    stack: Stack<T>,
    /// Where the rows of the present pattern are in its block.
    place: Vec<usize>,
    /// The same for the rows of all its children, one child after the other.
    places: Vec<usize>,
}

impl<'a, T: Scalar> Front<'a, T> {
    fn new(analysis: &'a Analysis, lower: &'a [T], done: &'a BTreeMap<usize, Vec<T>>, threads: usize) -> Self {
        Self { analysis, lower, done, threads, stack: Stack::default(), place: vec![0; analysis.order.len()], places: Vec::new() }
    }

    /// Room on the stack for a range: the way through it without numbers.
    fn reserve(&mut self, range: Range<usize>) {
        let (mut ends, mut most) = (vec![0], 0);
        self.visit(range, &mut |front, s, done| {
            let rows = front.analysis.nodes().supernode(s).pattern.len();
            most = most.max(ends[ends.len() - 1] + rows * rows);
            if !done {
                ends.truncate(ends.len() - front.analysis.tree.children[s]);
            }
            ends.push(ends[ends.len() - 1] + rows * rows);
            true
        });
        if most > self.stack.values.len() {
            self.stack.values = vec![T::ZERO; most];
        }
    }

    /// Names the supernodes of a range that are not done, and the roots of the subtrees that are; as long as the answer is yes.
    fn visit(&mut self, range: Range<usize>, visit: &mut dyn FnMut(&mut Self, usize, bool) -> bool) -> bool {
        let mut done = self.done.keys().copied().peekable();
        let mut s = range.start;
        while s < range.end {
            let root = done.next_if(|&root| self.analysis.tree.first[root] == s);
            if !visit(self, root.unwrap_or(s), root.is_some()) {
                return false;
            }
            s = root.unwrap_or(s) + 1;
        }
        true
    }

    /// Fills the values of a range; false when a pivot is not positive.
    fn go_through(&mut self, range: Range<usize>, values: &mut [T]) -> bool {
        let places = &self.analysis.supernodes.places;
        let before = places[range.start];
        self.reserve(range.clone());
        self.visit(range, &mut |front, s, done| {
            if done {
                let left = &front.done[&s];
                front.stack.free(left.len()).copy_from_slice(left);
                front.stack.push(0, left.len());
                return true;
            }
            front.factorize(s, &mut values[places[s] - before..places[s + 1] - before])
        })
    }

    fn factorize(&mut self, s: usize, block: &mut [T]) -> bool {
        let node = self.analysis.nodes().supernode(s);
        let (width, rows) = (node.end - node.start, node.pattern.len());
        self.gather(s, node, block);
        if !factorize_block(block, width + rows, self.threads) {
            return false;
        }
        // U on top of what the children have left, which is added and then overwritten
        let children = self.analysis.tree.children[s];
        let (waiting, own) = self.stack.split(rows * rows);
        outer_product(block, rows, own, width, self.threads);
        let mut places = self.places.as_slice();
        for (child, left) in self.analysis.tree.children(s).zip(waiting.rev()) {
            let count = self.analysis.nodes().supernode(child).pattern.len();
            let (of_child, others) = places.split_at(count);
            places = others;
            for column in of_child.partition_point(|&place| place < width)..count {
                let target = &mut own[(of_child[column] - width) * rows..][..rows];
                for (&place, &value) in of_child[column..].iter().zip(&left[column * count + column..]) {
                    target[place - width] += value;
                }
            }
        }
        self.stack.push(children, rows * rows);
        true
    }

    /// The block before it is factored: the entries of M, less what the children have left for its columns.
    fn gather(&mut self, s: usize, node: Supernode<'_>, block: &mut [T]) {
        let Supernode { start, end, pattern } = node;
        let (width, height) = (end - start, end - start + pattern.len());
        // written before it is read: fresh memory is then set up once
        block.fill(T::ZERO);
        pattern.iter().enumerate().for_each(|(k, &row)| self.place[row] = width + k);
        let place = |row: usize| if row < end { row - start } else { self.place[row] };
        let entries = &self.analysis.entries;
        for (j, column) in (start..end).zip(block.chunks_exact_mut(height)) {
            for k in entries.starts[j]..entries.starts[j + 1] {
                let value = self.lower[entries.sources[k] / 2];
                column[place(entries.rows[k])] = if entries.sources[k] % 2 == 1 { value.conj() } else { value };
            }
        }
        self.places.clear();
        for (child, left) in self.analysis.tree.children(s).zip(self.stack.waiting().rev()) {
            let rows = self.analysis.nodes().supernode(child).pattern;
            let from = self.places.len();
            self.places.extend(rows.iter().map(|&row| place(row)));
            let places = &self.places[from..];
            for (column, &target) in places.iter().enumerate().take_while(|&(_, &target)| target < width) {
                let target = &mut block[target * height..][..height];
                for (&place, &value) in places[column..].iter().zip(&left[column * rows.len() + column..]) {
                    target[place] -= value;
                }
            }
        }
    }
}

/// What supernodes leave to their parents, the last one on top.
#[derive(Default)]
struct Stack<T> {
    values: Vec<T>,
    /// Where each begins and ends.
    parts: Vec<Range<usize>>,
}

impl<T: Scalar> Stack<T> {
    fn top(&self) -> usize {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// What waits, from the bottom up.
    fn waiting(&self) -> impl DoubleEndedIterator<Item = &[T]> {
        self.parts.iter().map(|part| &self.values[part.clone()])
    }

    /// What waits, and room above it.
    fn split(&mut self, length: usize) -> (impl DoubleEndedIterator<Item = &[T]>, &mut [T]) {
        let (below, above) = self.values.split_at_mut(self.parts.last().map_or(0, |part| part.end));
        let below = &*below;
        (self.parts.iter().map(|part| &below[part.clone()]), &mut above[..length])
    }

    fn free(&mut self, length: usize) -> &mut [T] {
        self.split(length).1
    }

    /// Takes so many parts away and puts what was written above them in their place.
    fn push(&mut self, taken: usize, length: usize) {
        let written = self.top();
        self.parts.truncate(self.parts.len() - taken);
        let begin = self.top();
        self.values.copy_within(written..written + length, begin);
        self.parts.push(begin..begin + length);
    }

    fn pop(&mut self) -> Vec<T> {
        self.parts.pop().map_or_else(Vec::new, |part| self.values[part].to_vec())
    }
}

/// The first columns of a self-adjoint matrix (its lower triangle) become those of its factor; false when a pivot is not positive.
fn factorize_block<T: Scalar>(block: &mut [T], height: usize, threads: usize) -> bool {
    let positive = factorize_columns(block, 0, height, threads);
    // the products have reached above the diagonal
    for (j, column) in block.chunks_exact_mut(height).enumerate() {
        column[..j].fill(T::ZERO);
    }
    positive
}

/// Columns whose diagonal begins at row `start`: half of them, what these take from the others, and the others.
fn factorize_columns<T: Scalar>(columns: &mut [T], start: usize, height: usize, threads: usize) -> bool {
    let width = columns.len() / height;
    if width <= PANEL {
        return factorize_panel(columns, start, height);
    }
    let half = width / 2;
    let (left, right) = columns.split_at_mut(half * height);
    if !factorize_columns(left, start, height, threads) {
        return false;
    }
    let below = start + half;
    let first = MatRef::from_column_major_slice(left, height, half).subrows(below, height - below);
    let rest = MatMut::from_column_major_slice_mut(right, height, width - half).subrows_mut(below, height - below);
    subtract_product(rest, first, 0, threads);
    factorize_columns(right, below, height, threads)
}

/// C ← C − B·Bᵢᴴ, with as many rows Bᵢ of B, from row `from` on, as C has columns. Large ones in parts that the sizes alone fix.
fn subtract_product<T: Scalar>(mut c: MatMut<'_, T>, b: MatRef<'_, T>, from: usize, threads: usize) {
    if c.nrows() * c.ncols() * b.ncols() > TOGETHER && c.ncols() > 1 {
        let half = c.ncols() / 2;
        let (left, right) = c.split_at_col_mut(half);
        return in_turn(
            threads,
            |threads| subtract_product(left, b, from, threads),
            |threads| subtract_product(right, b, from + half, threads),
        );
    }
    let others = b.subrows(from, c.ncols());
    T::product(c.as_mut(), Accum::Add, -T::ONE, b, Op::None, others, Op::Adjoint, Threads::ONE);
}

/// Both, at the same time where there are threads for it, which they share.
fn in_turn(threads: usize, first: impl FnOnce(usize) + Send, second: impl FnOnce(usize) + Send) {
    if threads > 1 {
        both(|| first(threads / 2), || second(threads - threads / 2));
    } else {
        first(1);
        second(1);
    }
}

/// Columns whose diagonal begins at row `start`, one after the other.
fn factorize_panel<T: Scalar>(panel: &mut [T], start: usize, height: usize) -> bool {
    for k in 0..panel.len() / height {
        let (first, others) = panel[k * height..].split_at_mut(height);
        let pivot = first[start + k].real();
        if !(pivot > T::Real::ZERO && pivot.finite()) {
            return false;
        }
        let scale = T::Real::ONE / pivot.sqrt();
        first[start + k..].iter_mut().for_each(|value| *value = value.scale(scale));
        for (other, row) in others.chunks_exact_mut(height).zip(start + k + 1..) {
            crate::linalg::add_scaled(&mut other[row..], -first[row].conj(), &first[row..]);
        }
    }
    true
}

/// The lower triangle of U = BBᴴ, B being the rows of the block below its own columns.
fn outer_product<T: Scalar>(block: &[T], rows: usize, out: &mut [T], width: usize, threads: usize) {
    let height = width + rows;
    if width >= KERNEL_FROM.0 && rows >= KERNEL_FROM.1 {
        let below = MatRef::from_column_major_slice(block, height, width).subrows(width, rows);
        return outer_product_in_parts(below, MatMut::from_column_major_slice_mut(out, rows, rows), threads);
    }
    out.fill(T::ZERO);
    for column in block.chunks_exact(height).map(|column| &column[width..]) {
        for (k, target) in out.chunks_exact_mut(rows.max(1)).enumerate() {
            crate::linalg::add_scaled(&mut target[k..], column[k].conj(), &column[k..]);
        }
    }
}

/// The same for large ones: the first columns, which have half the entries, and the others.
fn outer_product_in_parts<T: Scalar>(b: MatRef<'_, T>, out: MatMut<'_, T>, threads: usize) {
    let rows = b.nrows();
    if rows * rows * b.ncols() < TOGETHER {
        return T::gram(out, Accum::Replace, b, Op::None, Threads::ONE);
    }
    // (1 − √½) of the columns
    let first = (3 * rows).div_ceil(10);
    let (left, right) = out.split_at_col_mut(first);
    let (above, below) = left.split_at_row_mut(first);
    let (head, tail) = b.split_at_row(first);
    in_turn(
        threads,
        |_| {
            T::gram(above, Accum::Replace, head, Op::None, Threads::ONE);
            T::product(below, Accum::Replace, T::ONE, tail, Op::None, head, Op::Adjoint, Threads::ONE);
        },
        |threads| outer_product_in_parts(tail, right.subrows_mut(first, rows - first), threads),
    );
}

#[cfg(test)]
mod tests;
