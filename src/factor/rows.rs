//! Rows that come in blocks: the triangle R of [1 A B] = QR, kept up to date (TSQR).
//!
//! Every least-squares problem in the rows seen so far is one in the rows of R: Qᴴ changes no norm, so that
//! ‖W^½(Ax + c·1 − b)‖ = ‖R[x; c; −1]‖ for every x, c and column of B. λ, penalty, prior mean, intercept and rule can wait. The
//! memory is that of R and of a buffer, whatever the number of rows; two triangles are merged by the QR of one on top of
//! the other, so that blocks may be reduced on other threads, processes and days. Nothing is ever subtracted: a sliding
//! window merges what is inside it, from the two ends of a queue ([`TwoStacks`]).
//!
//! Two kernels take a block. *Householder*: QR of [R; block], backward stable whatever the rows are. *Gram*: blocks whose
//! columns, after a shift by their means and a scaling to one norm, are nearly orthogonal anyway
//! ([`LARGEST_CONDITION`]) are reduced by the Cholesky factor of their Gram matrix, which is half the work. The
//! relative backward error of a Cholesky factor is ε·κ(block), not ε·κ²: for κ at the limit it is that of a long
//! Householder reduction. The shift is undone exactly in the algebra (it is a multiple of the column of ones) and costs a
//! rounding of each entry. A block that fails the test costs its Gram matrix once; the rest of the push goes to Householder.
//!
//! Prefer [`qr`](super::qr) or [`svd`](super::svd) for rows that are all in memory and are wanted later (leverages, cross-validation).
//! Cost: 2mw² flops by Householder, mw² by Gram matrices, w = 1 + n + k columns; w² + [`buffer_rows`]·w numbers.
//!
//! | symbol | |
//! |---|---|
//! | w | columns of [1 A B]: the constant, n, k |
//! | R | min(m, w)×w, upper trapezoidal, first entry ≥ 0 |
//! | √w·row | a row of weight w |
//!
//! Sources: Golub, Van Loan 2013 §5.2, §6.5.4; Demmel, Grigori, Hoemmen, Langou 2012, Communication-optimal parallel and
//! sequential QR and LU factorizations, doi:10.1137/080731992 (TSQR); Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015 (the
//! error of Cholesky QR).

use crate::linalg::{self, Accum, ColMut, Mat, MatMut, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::transform::whiten::balancing_exponent;
use std::collections::VecDeque;

/// Entries of a block that is factored at once: it stays in the second-level cache. A guess; benches/rows.rs times it.
const BLOCK_ENTRIES: usize = 65_536;
/// Blocks whose Gram matrices are added before one Cholesky factorization and one merge. A guess.
const BLOCKS_OF_A_GRAM: usize = 16;
/// κ₁ of the shifted and scaled columns up to which a Gram matrix keeps the digits: σ of the triangle is then right to
/// 60 ε·σ₁, as the test below checks on both sides of the limit. The number itself is a guess on the safe side.
const LARGEST_CONDITION: f64 = 24.0;
/// Fewer rows for each column than this are left to Householder: the factorization of the Gram matrix and the merge would cost as much. A guess.
const TALL: usize = 8;
/// Rows that are transposed together.
const TILE: usize = 8;
/// Entries of a block below which one thread reduces it. A guess.
const THREADS_FROM: usize = 1_000_000;

/// Rows that the buffer holds before they are factored: enough that the triangle on top of them costs little.
pub(crate) fn buffer_rows(width: usize) -> usize {
    (8 * width).clamp(256, 4096)
}

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
    fn rows(&self) -> usize {
        self.a.nrows()
    }

    fn width(&self) -> usize {
        1 + self.a.ncols() + self.b.ncols()
    }

    /// Rows from `start` on, with `shift` subtracted from every row of [A B] before the scaling.
    fn copy(&self, start: usize, shift: &[T], out: MatMut<'_, T>) {
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

    /// The mean of each column of [A B] over some rows.
    fn means(&self, start: usize, count: usize) -> Vec<T> {
        let n = self.a.ncols();
        let inverse = T::Real::from_f64(1.0 / count as f64);
        let mut copied = Vec::new();
        (0..n + self.b.ncols())
            .map(|j| {
                let (a, j) = if j < n { (self.a, j) } else { (self.b, j - n) };
                let sum = linalg::column(a.subrows(start, count), j, &mut copied).iter().fold(T::ZERO, |sum, &value| sum + value);
                sum.scale(inverse)
            })
            .collect()
    }
}

/// A column of the matrices here, which are column-major.
fn slice_mut<T>(column: ColMut<'_, T>) -> &mut [T] {
    column.try_as_col_major_mut().map_or(&mut [], |column| column.as_slice_mut())
}

/// R of the rows so far, and rows that wait to be factored.
#[derive(Clone)]
pub(crate) struct Accumulated<T: Scalar> {
    width: usize,
    /// min(rows factored, w)×w, upper trapezoidal.
    triangle: Mat<T>,
    /// Rows √w·[1 A B] that are not in the triangle.
    waiting: Mat<T>,
    pending: usize,
    threads: Threads,
}

impl<T: Scalar> Accumulated<T> {
    pub fn new(width: usize, threads: Threads) -> Self {
        Self { width, triangle: linalg::zeros(0, width), waiting: linalg::zeros(0, width), pending: 0, threads }
    }

    /// A triangle that was computed before.
    pub fn from_triangle(triangle: Mat<T>, threads: Threads) -> Self {
        let width = triangle.ncols();
        Self { width, triangle, waiting: linalg::zeros(0, width), pending: 0, threads }
    }

    pub fn set_threads(&mut self, threads: Threads) {
        self.threads = threads;
    }

    /// Adds rows; false (and nothing is added) where an entry or a norm is not finite.
    #[must_use]
    pub fn push(&mut self, block: &Block<'_, T>) -> bool {
        let (rows, room) = (block.rows(), buffer_rows(self.width));
        if rows == 0 {
            return true;
        }
        if self.pending + rows > room {
            self.flush();
        }
        if rows >= room {
            let parts = reduce(block, self.threads);
            // what is not finite reaches the triangle: the rows need not be read a second time to see it
            if parts.iter().any(|part| T::largest_entry(part.as_ref(), Threads::ONE).is_none()) {
                return false;
            }
            self.merge(&parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>());
            return true;
        }
        let needed = self.pending + rows;
        if self.waiting.nrows() < needed {
            // few rows stay few numbers; the buffer grows by doubling
            let grown = linalg::zeros::<T>(needed.next_power_of_two().min(room), self.width);
            let old = core::mem::replace(&mut self.waiting, grown);
            place(self.waiting.as_mut().subrows_mut(0, self.pending), old.as_ref().subrows(0, self.pending));
        }
        block.copy(0, &[], self.waiting.as_mut().subrows_mut(self.pending, rows));
        if T::largest_entry(self.waiting.as_ref().subrows(self.pending, rows), Threads::ONE).is_none() {
            return false;
        }
        self.pending += rows;
        true
    }

    /// Multiplies every row so far; the triangle alone where nothing waits.
    pub fn scale(&mut self, factor: T::Real) {
        self.flush();
        self.triangle = Mat::from_fn(self.triangle.nrows(), self.width, |i, j| self.triangle[(i, j)].scale(factor));
    }

    /// Takes the waiting rows into the triangle.
    pub fn flush(&mut self) {
        if self.pending == 0 {
            return;
        }
        let rows = core::mem::take(&mut self.pending);
        let waiting = core::mem::replace(&mut self.waiting, linalg::zeros(0, self.width));
        self.merge(&[waiting.as_ref().subrows(0, rows)]);
        self.waiting = waiting;
    }

    /// Takes matrices of w columns in, all at once.
    pub fn merge(&mut self, parts: &[MatRef<'_, T>]) {
        let triangle = core::mem::replace(&mut self.triangle, linalg::zeros(0, 0));
        let mut all = vec![triangle.as_ref()];
        all.extend_from_slice(parts);
        self.triangle = stacked(&all, self.width);
    }

    /// R of all rows: min(m, w)×w, upper trapezoidal, its first entry not negative.
    pub fn triangle(&self) -> Mat<T> {
        let mut all = match self.pending {
            0 => linalg::copy(self.triangle.as_ref()),
            rows => stacked(&[self.triangle.as_ref(), self.waiting.as_ref().subrows(0, rows)], self.width),
        };
        if all.nrows() > 0 && all[(0, 0)].real() < T::Real::ZERO {
            for j in 0..self.width {
                all[(0, j)] = -all[(0, j)];
            }
        }
        all
    }
}

/// R of matrices on top of each other.
fn stacked<T: Scalar>(parts: &[MatRef<'_, T>], width: usize) -> Mat<T> {
    let rows = parts.iter().map(|part| part.nrows()).sum();
    let mut all = linalg::zeros(rows, width);
    let mut start = 0;
    for &part in parts {
        place(all.as_mut().subrows_mut(start, part.nrows()), part);
        start += part.nrows();
    }
    factored(&mut all)
}

/// R of a matrix, which it overwrites. Columns whose squares would leave the range of numbers are scaled by powers of two on the way.
fn factored<T: Scalar>(all: &mut Mat<T>) -> Mat<T> {
    let (rows, width) = all.shape();
    let exponents: Vec<i32> = (0..width).map(|j| balancing_exponent(linalg::largest_modulus(all.col_as_slice(j)))).collect();
    for (j, &exponent) in exponents.iter().enumerate().filter(|(_, exponent)| **exponent != 0) {
        all.col_as_slice_mut(j).iter_mut().for_each(|value| *value = times_power_of_two(*value, exponent));
    }
    *all = T::qr(core::mem::replace(all, linalg::zeros(0, 0)), Threads::ONE).basis;
    Mat::from_fn(rows.min(width), width, |i, j| match exponents[j] {
        _ if i > j => T::ZERO,
        0 => all[(i, j)],
        exponent => times_power_of_two(all[(i, j)], -exponent),
    })
}

/// One triangle from each thread's part of the rows, in the order of the rows: the same bits for the same number of threads.
fn reduce<T: Scalar>(block: &Block<'_, T>, threads: Threads) -> Vec<Mat<T>> {
    let (rows, width) = (block.rows(), block.width());
    let parts = if rows * width < THREADS_FROM { 1 } else { threads.0.max(1) };
    let share = rows.div_ceil(parts).max(1);
    let mut triangles: Vec<Mat<T>> = (0..rows.div_ceil(share)).map(|_| linalg::zeros(0, width)).collect();
    #[cfg(feature = "rayon")]
    if triangles.len() > 1 {
        rayon::scope(|scope| {
            for (part, triangle) in triangles.iter_mut().enumerate() {
                scope.spawn(move |_| *triangle = reduce_part(block, part * share, share.min(rows - part * share)));
            }
        });
        return triangles;
    }
    for (part, triangle) in triangles.iter_mut().enumerate() {
        *triangle = reduce_part(block, part * share, share.min(rows - part * share));
    }
    triangles
}

/// to ← from, column by column.
fn place<T: Scalar>(to: MatMut<'_, T>, from: MatRef<'_, T>) {
    let mut copied = Vec::new();
    for (j, to) in to.col_iter_mut().enumerate() {
        slice_mut(to).copy_from_slice(linalg::column(from, j, &mut copied));
    }
}

/// R of some rows of a block.
fn reduce_part<T: Scalar>(block: &Block<'_, T>, first: usize, rows: usize) -> Mat<T> {
    let width = block.width();
    let size = (BLOCK_ENTRIES / width).clamp(64, 4096).max(2 * width);
    let mut work = Work { packed: linalg::zeros(size, width), gram: linalg::zeros(width, width) };
    let mut triangle = linalg::zeros(0, width);
    let mut by_gram = true;
    let mut start = first;
    while start < first + rows {
        let count = (size * BLOCKS_OF_A_GRAM).min(first + rows - start);
        if by_gram && count >= TALL * width {
            if let Some(part) = work.by_gram(block, start, count) {
                triangle = stacked(&[triangle.as_ref(), part.as_ref()], width);
                start += count;
                continue;
            }
            by_gram = false;
        }
        let end = start + count;
        let mut stack = linalg::zeros(0, width);
        while start < end {
            let count = size.min(end - start);
            let above = triangle.nrows();
            if stack.nrows() != above + count {
                stack = linalg::zeros(above + count, width);
            }
            place(stack.as_mut().subrows_mut(0, above), triangle.as_ref());
            block.copy(start, &[], stack.as_mut().subrows_mut(above, count));
            triangle = factored(&mut stack);
            start += count;
        }
    }
    triangle
}

/// Memory of the Gram kernel.
struct Work<T: Scalar> {
    packed: Mat<T>,
    gram: Mat<T>,
}

impl<T: Scalar> Work<T> {
    /// Whether columns whose squares sum up to 0 are zeros, and not only too small for squares.
    fn vanish(&mut self, block: &Block<'_, T>, shift: &[T], first: usize, rows: usize, columns: &[usize]) -> bool {
        let size = self.packed.nrows();
        columns.is_empty()
            || (first..first + rows).step_by(size).all(|start| {
                let mut packed = self.packed.as_mut().subrows_mut(0, size.min(first + rows - start));
                use linalg::ReborrowMut;
                block.copy(start, shift, packed.rb_mut());
                columns.iter().all(|&j| (0..packed.nrows()).all(|i| packed[(i, j)] == T::ZERO))
            })
    }

    /// R by Cholesky, where the columns are independent enough.
    fn by_gram(&mut self, block: &Block<'_, T>, first: usize, rows: usize) -> Option<Mat<T>> {
        let (width, size) = (block.width(), self.packed.nrows());
        let shift = block.means(first, size.min(rows));
        let mut start = first;
        while start < first + rows {
            let count = size.min(first + rows - start);
            let mut packed = self.packed.as_mut().subrows_mut(0, count);
            linalg::vectorized(
                #[inline(always)]
                || {
                    use linalg::ReborrowMut;
                    block.copy(start, &shift, packed.rb_mut());
                },
            );
            let accumulate = if start == first { Accum::Replace } else { Accum::Add };
            T::gram(self.gram.as_mut(), accumulate, packed.as_ref(), Op::Adjoint, Threads::ONE);
            start += count;
        }
        let gone: Vec<usize> = (0..width).filter(|&j| self.gram[(j, j)].real() == T::Real::ZERO).collect();
        if !self.vanish(block, &shift, first, rows, &gone) {
            return None;
        }
        // columns of norm 1; what leaves the range of squares is Householder's
        let (low, high) = (T::Real::MIN_POSITIVE / T::Real::EPSILON / T::Real::EPSILON, T::Real::MAX * T::Real::EPSILON);
        let norms: Vec<Option<T::Real>> = (0..width)
            .map(|j| match self.gram[(j, j)].real() {
                zero if zero == T::Real::ZERO => Some(T::Real::ZERO),
                square if square > low && square < high => Some(square.sqrt()),
                _ => None,
            })
            .collect::<Vec<_>>();
        let norms: Vec<T::Real> = norms.into_iter().collect::<Option<_>>()?;
        let zero = |j: usize| norms[j] == T::Real::ZERO;
        let mut scaled = Mat::from_fn(width, width, |i, j| match (i == j, zero(i) || zero(j)) {
            (true, _) => T::ONE,
            (false, true) => T::ZERO,
            (false, false) if i > j => self.gram[(i, j)].scale(T::Real::ONE / norms[i] / norms[j]),
            _ => T::ZERO,
        });
        T::cholesky(scaled.as_mut(), Threads::ONE).ok()?;
        let mut triangle = Mat::from_fn(width, width, |i, j| if i <= j { scaled[(j, i)].conj() } else { T::ZERO });
        if !(linalg::condition_upper(triangle.as_ref()) <= LARGEST_CONDITION) {
            return None;
        }
        for j in 0..width {
            for i in 0..=j {
                // a column of zeros has a row of zeros
                triangle[(i, j)] = if zero(i) { T::ZERO } else { triangle[(i, j)].scale(norms[j]) };
            }
        }
        // the shift is a multiple of the first column, which is one of the first row alone
        let constant = triangle[(0, 0)];
        for (j, &shift) in shift.iter().enumerate() {
            triangle[(0, 1 + j)] += constant * shift;
        }
        Some(triangle)
    }
}

/// A queue of triangles whose merge is always at hand: what leaves is forgotten, not subtracted.
///
/// The older half is a stack of merges from its newest to each older member; the newer half is a list with the merge of all
/// of it. Leaving takes the top of the stack; when it is empty the newer half is turned over. Each triangle is merged at most
/// three times in all: O(w³) for each block that comes, whatever the length of the window.
///
/// Source: Tangwongsan, Hirzel, Schneider 2021, In-order sliding-window aggregation in worst-case constant time, arXiv:2009.13768 (§2, on the
/// queue of two stacks that it improves upon).
#[derive(Clone)]
pub(crate) struct TwoStacks<T: Scalar> {
    width: usize,
    /// The last is the merge of all older blocks; each one before it lacks the oldest of the next.
    older: Vec<Mat<T>>,
    /// The newer blocks, oldest first.
    newer: VecDeque<Mat<T>>,
    /// Their merge.
    merged: Mat<T>,
}

impl<T: Scalar> TwoStacks<T> {
    pub fn new(width: usize) -> Self {
        Self { width, older: Vec::new(), newer: VecDeque::new(), merged: linalg::zeros(0, width) }
    }

    /// Blocks inside.
    pub fn len(&self) -> usize {
        self.older.len() + self.newer.len()
    }

    pub fn push(&mut self, triangle: Mat<T>) {
        self.merged = stacked(&[self.merged.as_ref(), triangle.as_ref()], self.width);
        self.newer.push_back(triangle);
    }

    /// The oldest leaves.
    pub fn pop(&mut self) {
        if self.older.is_empty() {
            let mut merged = linalg::zeros(0, self.width);
            while let Some(newest) = self.newer.pop_back() {
                merged = stacked(&[merged.as_ref(), newest.as_ref()], self.width);
                self.older.push(linalg::copy(merged.as_ref()));
            }
            self.merged = linalg::zeros(0, self.width);
        }
        self.older.pop();
    }

    /// R of all blocks inside.
    pub fn triangle(&self) -> Mat<T> {
        match self.older.last() {
            Some(older) => stacked(&[older.as_ref(), self.merged.as_ref()], self.width),
            None => linalg::copy(self.merged.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::scalar::c64;

    /// ‖RᴴR − MᴴM‖ over ‖M‖², M = [1 A B] with its rows scaled.
    fn defect<T: Scalar>(r: &Mat<T>, m: &Mat<T>) -> f64 {
        let w = m.ncols();
        let gram = |m: &Mat<T>| {
            let mut g = linalg::zeros::<T>(w, w);
            T::product(g.as_mut(), Accum::Replace, T::ONE, m.as_ref(), Op::Adjoint, m.as_ref(), Op::None, Threads::ONE);
            g
        };
        let (found, expected) = (gram(r), gram(m));
        let size = linalg::column_norms(m.as_ref());
        let mut worst = 0.0f64;
        for i in 0..w {
            for j in 0..w {
                let difference = (found[(i, j)] - expected[(i, j)]).modulus().to_f64();
                worst = worst.max(difference / (size[i] * size[j]).max(f64::MIN_POSITIVE));
            }
        }
        worst
    }

    fn whole<T: Scalar>(block: &Block<'_, T>) -> Mat<T> {
        let mut all = linalg::zeros(block.rows(), block.width());
        block.copy(0, &[], all.as_mut());
        all
    }

    fn same_gram<T: Scalar>(rows: usize, n: usize, offset: f64, threads: usize) {
        let mut random = Random::new(11);
        let a = Mat::from_fn(rows, n, |_, j| {
            T::from_real(T::Real::from_f64(offset * (1.0 + j as f64))) + random.scalars::<T>(1)[0].scale(T::Real::from_f64(0.1 + j as f64))
        });
        let b = Mat::from_fn(rows, 1, |_, _| random.scalars::<T>(1)[0]);
        let scale: Vec<T::Real> = (0..rows).map(|i| T::Real::from_f64(1.0 + (i % 5) as f64)).collect();
        for scale in [None, Some(scale.as_slice())] {
            let block = Block { a: a.as_ref(), b: b.as_ref(), scale, factor: T::Real::ONE };
            let mut rows = Accumulated::new(n + 2, Threads(threads));
            assert!(rows.push(&block));
            let found = defect(&rows.triangle(), &whole(&block));
            assert!(found < 200.0 * T::Real::EPSILON.to_f64(), "{found:e}");
        }
    }

    #[test]
    fn the_triangle_has_the_gram_matrix_of_the_rows() {
        for threads in [1, 3] {
            same_gram::<f64>(40_000, 7, 3.0, threads);
            same_gram::<f64>(3, 7, 3.0, threads);
            same_gram::<c64>(20_000, 12, 0.0, threads);
            same_gram::<f32>(9_000, 5, 1.0, threads);
        }
    }

    /// The Gram kernel is used where it keeps the digits, and only there: σ_min of the whole is right to ε·σ_max in both cases.
    #[test]
    fn the_gram_kernel_knows_its_limit() {
        let mut random = Random::new(5);
        let (rows, n) = (8000, 6);
        for (distance, expected) in [(1.0, true), (1e-3, false), (1e-10f64, false)] {
            let common: Vec<f64> = random.scalars(rows);
            let mut own: Vec<f64> = random.scalars(rows * n);
            for j in 0..n {
                for i in 0..rows {
                    own[i + j * rows] = 30.0 + distance * own[i + j * rows] + if j < 2 && distance < 1.0 { common[i] } else { 0.0 };
                }
            }
            let b: Vec<f64> = random.scalars(rows);
            let (a, b) = (MatRef::from_column_major_slice(&own, rows, n), MatRef::from_column_major_slice(&b, rows, 1));
            let block = Block { a, b, scale: None, factor: 1.0 };
            let mut work = Work { packed: linalg::zeros(1000, n + 2), gram: linalg::zeros(n + 2, n + 2) };
            assert_eq!(work.by_gram(&block, 0, rows).is_some(), expected, "{distance}");
            let values = |m: &Mat<f64>| {
                let mut s = vec![0.0; n + 2];
                <f64 as linalg::Kernels>::svd(m.as_ref(), &mut s, None, None, false, Threads::ONE).unwrap();
                s
            };
            let mut accumulated = Accumulated::new(n + 2, Threads::ONE);
            assert!(accumulated.push(&block));
            let (found, exact) = (values(&accumulated.triangle()), values(&whole(&block)));
            for (value, reference) in found.iter().zip(&exact) {
                assert!((value - reference).abs() <= 60.0 * f64::EPSILON * exact[0], "{distance}: {value} is not {reference}");
            }
        }
    }

    /// Squares that overflow or vanish, columns of zeros and of constants.
    #[test]
    fn columns_beyond_the_range_of_squares() {
        for size in [1e200, 1e-200, 0.0f64] {
            let mut random = Random::new(3);
            let a = Mat::from_fn(3000, 2, |_, j| if j == 0 { size * random.normal() } else { 2.0 });
            let b = Mat::from_fn(3000, 1, |_, _| random.normal());
            let mut rows = Accumulated::new(4, Threads::ONE);
            assert!(rows.push(&Block { a: a.as_ref(), b: b.as_ref(), scale: None, factor: 1.0 }));
            let triangle = rows.triangle();
            let norms = linalg::column_norms(triangle.as_ref());
            let expected = [linalg::column_norms(a.as_ref())[0], linalg::column_norms(a.as_ref())[1], linalg::column_norms(b.as_ref())[0]];
            for (found, expected) in norms[1..].iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-13 * expected, "{found} {expected}");
            }
        }
    }
}
