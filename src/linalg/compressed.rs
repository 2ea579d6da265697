//! Products with a matrix stored by compressed rows or columns, in the caller's arrays.
//!
//! Seen from the storage there are two loops: *gather*, one inner product for each stored row (y = Ax by rows, x = Aᴴy by
//! columns), and *scatter*, one update of the whole result for each stored row (the other two). Gather splits the rows over
//! threads by the number of entries. Scatter gives each thread a private sum, and the sums are added in a fixed order at the
//! end: no atomics, and the same bits for the same number of threads. Their memory is kept by the calling thread, so that a
//! product allocates nothing after the first.
//!
//! *Fused* is the step of Golub and Kahan's process by rows: wᵢ is computed and scattered while its row is in the cache, so
//! that A is read once instead of twice. xⱼ and zⱼ lie side by side in a copy: what the scatter is about to change is in the
//! cache since the gather, which is worth a fifth of the time of a row of 10 entries at random places (27 ms against 21 for 10⁷
//! entries on one thread). What remains is the traffic of those cache lines, not that of A: matrices whose rows have neighbouring
//! columns come closer to the bandwidth of the memory.

use super::Threads;
use super::vectors::both;
use crate::scalar::{Real, Scalar};
use core::ops::Range;
use std::borrow::Cow;

/// Below this many entries for each thread a further thread is not used. A guess: waking one costs about as much as this
/// many entries.
const ENTRIES_PER_THREAD: usize = 50_000;
/// Columns of a block product that are multiplied at once: each entry of A is then read once for all of them.
const COLUMNS_AT_ONCE: usize = 4;

mod sealed {
    pub trait Sealed {}
}

/// Integers that may be the indices of a sparse matrix: `u32`, `usize`, `i32`, `i64`.
pub trait Index: sealed::Sealed + Copy + Send + Sync + core::fmt::Debug + 'static {
    #[doc(hidden)]
    fn at(self) -> usize;
    /// As it stands, for errors.
    #[doc(hidden)]
    fn number(self) -> i128;
    #[doc(hidden)]
    fn pattern<'a>(starts: &'a [Self], lengths: Option<&'a [Self]>, indices: &'a [Self], base: usize) -> Pattern<'a>;
}

/// Where each stored row begins, how long it is where it does not end at the next, and the index of each entry.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Indices<'a, I> {
    starts: &'a [I],
    lengths: Option<&'a [I]>,
    indices: &'a [I],
    /// What the start of a row that begins with the arrays is called: a view of some rows keeps the starts of the whole.
    base: usize,
}

/// The same for every type of index.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum Pattern<'a> {
    U32(Indices<'a, u32>),
    Usize(Indices<'a, usize>),
    I32(Indices<'a, i32>),
    I64(Indices<'a, i64>),
}

macro_rules! index {
    ($($type:ty: $variant:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Index for $type {
            #[inline(always)]
            fn at(self) -> usize {
                // a negative index becomes one that no matrix has, and is refused where indices are checked
                self as usize
            }
            fn number(self) -> i128 {
                self as i128
            }
            fn pattern<'a>(starts: &'a [Self], lengths: Option<&'a [Self]>, indices: &'a [Self], base: usize) -> Pattern<'a> {
                Pattern::$variant(Indices { starts, lengths, indices, base })
            }
        }
    )*};
}
index!(u32: U32, usize: Usize, i32: I32, i64: I64);

/// `$body` with the indices in their own type: the loops inside are compiled for each.
macro_rules! with_indices {
    ($pattern:expr, $indices:ident => $body:expr) => {
        match $pattern {
            Pattern::U32($indices) => $body,
            Pattern::Usize($indices) => $body,
            Pattern::I32($indices) => $body,
            Pattern::I64($indices) => $body,
        }
    };
}

impl<I: Index> Indices<'_, I> {
    /// How many rows are stored.
    #[inline(always)]
    fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
    /// Where row i lies.
    #[inline(always)]
    fn range(&self, i: usize) -> Range<usize> {
        let start = self.starts[i].at() - self.base;
        start..self.lengths.map_or_else(|| self.starts[i + 1].at() - self.base, |lengths| start + lengths[i].at())
    }
    /// Room between the first and the last row.
    fn room(&self, rows: &Range<usize>) -> usize {
        self.starts[rows.end].at().saturating_sub(self.starts[rows.start].at())
    }
    /// The row that splits `rows` so that about the fraction `numerator`/`denominator` of the entries lies before it.
    fn split(&self, rows: &Range<usize>, numerator: usize, denominator: usize) -> usize {
        let target = self.starts[rows.start].at() + self.room(rows) / denominator * numerator;
        rows.start + self.starts[rows.clone()].partition_point(|start| start.at() < target)
    }
}

/// The starts, counted from the first of them, and the indices in 32 bits.
type Narrow<'a> = (Cow<'a, [u32]>, Cow<'a, [u32]>);

impl<'a> Pattern<'a> {
    /// In 32 bits, as the caller's own arrays where that is what they are, and the places of the values; `None` where there are gaps between
    /// rows, or something does not fit.
    pub fn narrow(self) -> Option<(Narrow<'a>, Range<usize>)> {
        if let Pattern::U32(Indices { starts, lengths: None, indices, base: 0 }) = self
            && let (Some(0), Some(&end)) = (starts.first(), starts.last())
        {
            return Some(((Cow::Borrowed(starts), Cow::Borrowed(&indices[..end as usize])), 0..end as usize));
        }
        with_indices!(self, p => {
            if p.lengths.is_some() || p.starts.is_empty() {
                return None;
            }
            let places = p.range(0).start..p.range(0).start + p.room(&(0..p.count()));
            u32::try_from(places.len()).ok()?;
            let starts = p.starts.iter().map(|start| (start.at() - p.starts[0].at()) as u32).collect();
            let indices = p.indices[places.clone()].iter().map(|index| u32::try_from(index.at()).ok()).collect::<Option<Vec<u32>>>()?;
            Some(((Cow::Owned(starts), Cow::Owned(indices)), places))
        })
    }

    /// How many rows are stored.
    pub fn count(self) -> usize {
        with_indices!(self, p => p.count())
    }

    /// How many entries are stored.
    pub fn entries(self) -> usize {
        with_indices!(self, p => match p.lengths {
            Some(lengths) => lengths.iter().map(|l| l.at()).sum(),
            None => p.room(&(0..p.count())),
        })
    }

    /// Each entry as (stored row, index, place of the value), in the order of storage.
    pub fn for_each(self, mut visit: impl FnMut(usize, usize, usize)) {
        with_indices!(self, p => for i in 0..p.count() {
            for place in p.range(i) {
                visit(i, p.indices[place].at(), place);
            }
        })
    }

    /// What is wrong with arrays that should describe `count` rows of `width` with `values` values, if anything.
    pub fn defect(self, count: usize, width: usize, values: usize) -> Option<Defect> {
        with_indices!(self, p => {
            if p.starts.len() != count.saturating_add(1) {
                return Some(Defect::Starts(p.starts.len()));
            }
            if p.indices.len() != values {
                return Some(Defect::Lengths(p.indices.len()));
            }
            // as they stand: a negative one would be taken for a large one
            let start = |place: usize| p.starts[place].number();
            if let Some(place) = (0..=count).find(|&place| start(place) < if place == 0 { 0 } else { start(place - 1) }) {
                return Some(Defect::Falling { place, start: start(place), before: if place == 0 { 0 } else { start(place - 1) } });
            }
            if start(count) > values as i128 {
                return Some(Defect::Beyond { place: count, start: start(count) });
            }
            let bad = (0..count).flat_map(|i| p.range(i)).find(|&place| p.indices[place].at() >= width);
            if let Some(place) = bad {
                return Some(Defect::Index { place, index: p.indices[place].number() });
            }
            None
        })
    }
}

/// What can be wrong with the arrays of a sparse matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// This many starts.
    Starts(usize),
    /// This many indices.
    Lengths(usize),
    /// A start less than the one before.
    Falling { place: usize, start: i128, before: i128 },
    /// The last start is more than the number of values.
    Beyond { place: usize, start: i128 },
    /// An index out of range.
    Index { place: usize, index: i128 },
}

/// The value, or its conjugate.
#[inline(always)]
fn value<T: Scalar, const CONJUGATE: bool>(value: T) -> T {
    if CONJUGATE { value.conj() } else { value }
}

/// yᵢ = Σⱼ aᵢⱼxⱼ for these rows.
fn gather<T: Scalar, I: Index, const C: bool>(p: Indices<'_, I>, values: &[T], rows: Range<usize>, x: &[T], y: &mut [T]) {
    for (i, y) in rows.zip(y) {
        let range = p.range(i);
        let mut sum = T::ZERO;
        for (&j, &a) in p.indices[range.clone()].iter().zip(&values[range]) {
            sum += value::<T, C>(a) * x[j.at()];
        }
        *y = sum;
    }
}

/// xⱼ += Σᵢ aᵢⱼyᵢ for these rows; y holds their part alone.
fn scatter<T: Scalar, I: Index, const C: bool>(p: Indices<'_, I>, values: &[T], rows: Range<usize>, y: &[T], x: &mut [T]) {
    for (i, &y) in rows.zip(y) {
        let range = p.range(i);
        for (&j, &a) in p.indices[range.clone()].iter().zip(&values[range]) {
            x[j.at()] += value::<T, C>(a) * y;
        }
    }
}

/// w = Ax − αu and z += Aᴴw for these rows; u and w hold their part alone, each pair xⱼ and zⱼ.
///
/// Row by row: to gather the sums of 16 rows before any of them is scattered, so that a row would not wait for the one before, took half as long
/// again (10⁷ entries at random places, one thread: 4.0 to 4.5 GB/s against 6.5, November 2026, a machine with other work on it).
fn fused<T: Scalar, I: Index>(p: Indices<'_, I>, values: &[T], rows: Range<usize>, alpha: T, u: &[T], w: &mut [T], pairs: &mut [[T; 2]]) {
    for ((i, &u), w) in rows.zip(u).zip(w) {
        let range = p.range(i);
        let (indices, values) = (&p.indices[range.clone()], &values[range]);
        let mut sum = T::ZERO;
        for (&j, &a) in indices.iter().zip(values) {
            sum += a * pairs[j.at()][0];
        }
        sum += -(alpha * u);
        *w = sum;
        for (&j, &a) in indices.iter().zip(values) {
            pairs[j.at()][1] += a.conj() * sum;
        }
    }
}

fn gather_parts<T: Scalar, I: Index, const C: bool>(
    p: Indices<'_, I>,
    values: &[T],
    rows: Range<usize>,
    parts: usize,
    x: &[T],
    y: &mut [T],
) {
    if parts <= 1 {
        return gather::<T, I, C>(p, values, rows, x, y);
    }
    let left = parts / 2;
    let middle = p.split(&rows, left, parts);
    let (before, after) = y.split_at_mut(middle - rows.start);
    both(
        || gather_parts::<T, I, C>(p, values, rows.start..middle, left, x, before),
        || gather_parts::<T, I, C>(p, values, middle..rows.end, parts - left, x, after),
    );
}

/// `scratch` holds parts − 1 vectors of the length of x.
fn scatter_parts<T: Scalar, I: Index, const C: bool>(
    p: Indices<'_, I>,
    values: &[T],
    rows: Range<usize>,
    parts: usize,
    y: &[T],
    x: &mut [T],
    scratch: &mut [T],
) {
    if parts <= 1 {
        x.fill(T::ZERO);
        return scatter::<T, I, C>(p, values, rows, y, x);
    }
    let left = parts / 2;
    let middle = p.split(&rows, left, parts);
    let (above, below) = y.split_at(middle - rows.start);
    let (left_scratch, rest) = scratch.split_at_mut((left - 1) * x.len());
    let (sum, right_scratch) = rest.split_at_mut(x.len());
    both(
        || scatter_parts::<T, I, C>(p, values, rows.start..middle, left, above, x, left_scratch),
        || scatter_parts::<T, I, C>(p, values, middle..rows.end, parts - left, below, sum, right_scratch),
    );
    add(x, sum);
}

/// `scratch` holds a pair for each entry of x, for each part.
fn fused_parts<T: Scalar, I: Index>(
    p: Indices<'_, I>,
    values: &[T],
    rows: Range<usize>,
    parts: usize,
    x: &[T],
    alpha: T,
    u: &[T],
    w: &mut [T],
    scratch: &mut [[T; 2]],
) {
    if parts <= 1 {
        scratch.iter_mut().zip(x).for_each(|(pair, &x)| *pair = [x, T::ZERO]);
        return fused(p, values, rows, alpha, u, w, scratch);
    }
    let left = parts / 2;
    let middle = p.split(&rows, left, parts);
    let ((u_above, u_below), (w_above, w_below)) = (u.split_at(middle - rows.start), w.split_at_mut(middle - rows.start));
    let (above, below) = scratch.split_at_mut(left * x.len());
    both(
        || fused_parts(p, values, rows.start..middle, left, x, alpha, u_above, w_above, above),
        || fused_parts(p, values, middle..rows.end, parts - left, x, alpha, u_below, w_below, below),
    );
}

/// zⱼ = the sum of what the parts have at j, in their order; `z` begins at `first`.
fn add_pairs<T: Scalar>(pairs: &[[T; 2]], n: usize, first: usize, z: &mut [T], threads: usize) {
    if threads > 1 {
        let left = threads / 2;
        let middle = z.len() / threads * left;
        let (before, after) = z.split_at_mut(middle);
        return both(|| add_pairs(pairs, n, first, before, left), || add_pairs(pairs, n, first + middle, after, threads - left));
    }
    for (part, pairs) in pairs.chunks_exact(n.max(1)).enumerate() {
        for (z, pair) in z.iter_mut().zip(&pairs[first..]) {
            *z = if part == 0 { pair[1] } else { *z + pair[1] };
        }
    }
}

fn add<T: Scalar>(x: &mut [T], y: &[T]) {
    x.iter_mut().zip(y).for_each(|(x, &y)| *x += y);
}

/// How many parts a gather is worth.
fn gather_threads(entries: usize, threads: Threads) -> usize {
    threads.0.min(entries / ENTRIES_PER_THREAD).max(1)
}

/// How many private sums of length `width` a scatter is worth: adding them up must stay cheap beside the entries.
fn scatter_threads(entries: usize, width: usize, threads: Threads) -> usize {
    gather_threads(entries, threads).min(1 + entries / (2 * width.max(1))).max(1)
}

fn conjugated<T: Scalar>(conjugate: bool) -> bool {
    conjugate && T::IS_COMPLEX
}

pub(super) fn gather_all<T: Scalar>(p: Pattern<'_>, values: &[T], conjugate: bool, x: &[T], y: &mut [T], threads: Threads) {
    let parts = gather_threads(p.entries(), threads);
    with_indices!(p, p => {
        let rows = 0..p.count();
        match conjugated::<T>(conjugate) {
            true => gather_parts::<T, _, true>(p, values, rows, parts, x, y),
            false => gather_parts::<T, _, false>(p, values, rows, parts, x, y),
        }
    })
}

pub(super) fn scatter_all<T: Scalar>(p: Pattern<'_>, values: &[T], conjugate: bool, y: &[T], x: &mut [T], threads: Threads) {
    let parts = scatter_threads(p.entries(), x.len(), threads);
    T::with_scratch((parts - 1) * x.len(), |scratch| {
        with_indices!(p, p => {
            let rows = 0..p.count();
            match conjugated::<T>(conjugate) {
                true => scatter_parts::<T, _, true>(p, values, rows, parts, y, x, scratch),
                false => scatter_parts::<T, _, false>(p, values, rows, parts, y, x, scratch),
            }
        })
    })
}

pub(super) fn fused_all<T: Scalar>(p: Pattern<'_>, values: &[T], x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T], threads: Threads) {
    let parts = scatter_threads(p.entries(), z.len(), threads);
    T::with_scratch(2 * parts * z.len(), |scratch| {
        let (pairs, _) = scratch.as_chunks_mut();
        with_indices!(p, p => fused_parts(p, values, 0..p.count(), parts, x, alpha, u, w, pairs));
        add_pairs(pairs, z.len(), 0, z, gather_threads(parts * z.len(), threads));
    })
}

/// [`gather`] for up to [`COLUMNS_AT_ONCE`] columns of length `width`, `count` rows stored.
fn gather_columns<T: Scalar, I: Index, const C: bool, const K: usize>(p: Indices<'_, I>, values: &[T], x: &[T], y: &mut [T]) {
    let (width, count) = (x.len() / K, p.count());
    for i in 0..count {
        let range = p.range(i);
        let mut sums = [T::ZERO; K];
        for (&j, &a) in p.indices[range.clone()].iter().zip(&values[range]) {
            let a = value::<T, C>(a);
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum += a * x[k * width + j.at()];
            }
        }
        for (k, &sum) in sums.iter().enumerate() {
            y[k * count + i] = sum;
        }
    }
}

/// [`scatter`] for up to [`COLUMNS_AT_ONCE`] columns.
fn scatter_columns<T: Scalar, I: Index, const C: bool, const K: usize>(p: Indices<'_, I>, values: &[T], y: &[T], x: &mut [T]) {
    let (width, count) = (x.len() / K, p.count());
    x.fill(T::ZERO);
    for i in 0..count {
        let range = p.range(i);
        let factors: [T; K] = core::array::from_fn(|k| y[k * count + i]);
        for (&j, &a) in p.indices[range.clone()].iter().zip(&values[range]) {
            let a = value::<T, C>(a);
            for (k, &factor) in factors.iter().enumerate() {
                x[k * width + j.at()] += a * factor;
            }
        }
    }
}

/// Work on k columns of inputs and outputs.
type OneGroup<'f, T> = &'f (dyn Fn(usize, &[T], &mut [T]) + Sync);

/// `one_group(k, inputs, outputs)` for groups of columns, spread over the threads.
fn groups<T: Scalar>(
    columns: usize,
    (input, from): (usize, &[T]),
    (output, to): (usize, &mut [T]),
    parts: usize,
    one_group: OneGroup<'_, T>,
) {
    if parts > 1 && columns > COLUMNS_AT_ONCE {
        let left = (columns / COLUMNS_AT_ONCE).div_ceil(2) * COLUMNS_AT_ONCE;
        if left < columns {
            let ((from_left, from_right), (to_left, to_right)) = (from.split_at(left * input), to.split_at_mut(left * output));
            return both(
                || groups(left, (input, from_left), (output, to_left), parts.div_ceil(2), one_group),
                || groups(columns - left, (input, from_right), (output, to_right), parts / 2, one_group),
            );
        }
    }
    let mut column = 0;
    while column < columns {
        let k = match columns - column {
            1 => 1,
            2 | 3 => 2,
            _ => COLUMNS_AT_ONCE,
        };
        one_group(k, &from[column * input..(column + k) * input], &mut to[column * output..(column + k) * output]);
        column += k;
    }
}

/// Y = AX (or with the conjugated entries) by stored rows, for k columns; x of `width`.
pub(super) fn gather_block<T: Scalar>(
    p: Pattern<'_>,
    values: &[T],
    conjugate: bool,
    k: usize,
    width: usize,
    x: &[T],
    y: &mut [T],
    threads: Threads,
) {
    fn columns<T: Scalar, const C: bool>(p: Pattern<'_>, values: &[T], k: usize, x: &[T], y: &mut [T]) {
        with_indices!(p, p => match k {
            1 => gather_columns::<T, _, C, 1>(p, values, x, y),
            2 => gather_columns::<T, _, C, 2>(p, values, x, y),
            _ => gather_columns::<T, _, C, COLUMNS_AT_ONCE>(p, values, x, y),
        })
    }
    let parts = gather_threads(p.entries().saturating_mul(k), threads);
    let conjugate = conjugated::<T>(conjugate);
    groups(k, (width, x), (p.count(), y), parts, &|k, x, y| match conjugate {
        true => columns::<T, true>(p, values, k, x, y),
        false => columns::<T, false>(p, values, k, x, y),
    });
}

/// X = AᵀY (or AᴴY) by stored rows, for k columns; x of `width`.
pub(super) fn scatter_block<T: Scalar>(
    p: Pattern<'_>,
    values: &[T],
    conjugate: bool,
    k: usize,
    width: usize,
    y: &[T],
    x: &mut [T],
    threads: Threads,
) {
    fn columns<T: Scalar, const C: bool>(p: Pattern<'_>, values: &[T], k: usize, y: &[T], x: &mut [T]) {
        with_indices!(p, p => match k {
            1 => scatter_columns::<T, _, C, 1>(p, values, y, x),
            2 => scatter_columns::<T, _, C, 2>(p, values, y, x),
            _ => scatter_columns::<T, _, C, COLUMNS_AT_ONCE>(p, values, y, x),
        })
    }
    let parts = gather_threads(p.entries().saturating_mul(k), threads);
    let conjugate = conjugated::<T>(conjugate);
    groups(k, (p.count(), y), (width, x), parts, &|k, y, x| match conjugate {
        true => columns::<T, true>(p, values, k, y, x),
        false => columns::<T, false>(p, values, k, y, x),
    });
}

/// The largest |real| or |imaginary| part of 2⁰·scaleᵢ·aᵢⱼ, or the (stored row, index) of an entry that is NaN or infinite.
pub fn largest_stored<T: Scalar>(p: Pattern<'_>, values: &[T], scale: impl Fn(usize, usize) -> f64) -> Result<f64, (usize, usize)> {
    let (mut largest, mut bad) = (0.0f64, None);
    p.for_each(|i, j, place| {
        let value = values[place];
        if !value.finite() && bad.is_none() {
            bad = Some((i, j));
        }
        largest = largest.max(value.real().modulus().larger(value.imaginary().modulus()).to_f64() * scale(i, j));
    });
    bad.map_or(Ok(largest), Err)
}
