//! Rows that come in blocks: the triangle R of [1 A B] = QR, kept up to date (TSQR).
//!
//! Every least-squares problem in the rows seen so far is one in the rows of R: Qᴴ changes no norm, so that
//! ‖W^½(Ax + c·1 − b)‖ = ‖R[x; c; −1]‖ for every x, c and column of B. λ, penalty, prior mean, intercept and rule can wait. The
//! memory is that of R and of a buffer, whatever the number of rows; two triangles are merged by the QR of one on top of
//! the other, so that blocks may be reduced on other threads, processes and days. Nothing is ever subtracted: a sliding
//! window merges what is inside it, from the two ends of a queue ([`TwoStacks`]).
//!
//! Two kernels take a block ([`kernels`]). *Householder*: QR of [R; block], backward stable whatever the rows are
//! ([`linalg::panel`]). *Gram*: blocks whose
//! columns, after a shift by their means and a scaling to one norm, are nearly orthogonal anyway
//! (`LARGEST_CONDITION` there) are reduced by the Cholesky factor of their Gram matrix, which is half the work. The
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

use super::rank_tolerance;
use crate::linalg::panel::panel_qr;
use crate::linalg::{self, ColMut, Mat, MatMut, MatRef, Threads};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::transform::whiten::balancing_exponent;

mod block;
mod kernels;
mod two_stacks;

pub(crate) use block::Block;
pub(crate) use two_stacks::TwoStacks;

/// Rows that the buffer holds before they are factored: enough that the triangle on top of them costs little.
pub(crate) fn buffer_rows(width: usize) -> usize {
    (8 * width).clamp(256, 4096)
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
            let parts = kernels::reduce(block, self.threads);
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
    if rows < width {
        // rows of zeros stay zeros
        let padded = Mat::from_fn(width, width, |i, j| if i < rows { all[(i, j)] } else { T::ZERO });
        *all = padded;
    }
    let (mut upper, mut factors) = (linalg::zeros(width, width), linalg::zeros(width, width));
    panel_qr(all.as_mut(), upper.as_mut(), factors.as_mut());
    Mat::from_fn(rows.min(width), width, |i, j| match exponents[j] {
        0 => upper[(i, j)],
        exponent => times_power_of_two(upper[(i, j)], -exponent),
    })
}

/// Zeros on the diagonal of R where m rows leave only rounding of a column that depends on those before it: m·ε of its norm, as of all
/// rows at once.
pub(crate) fn without_rounding<T: Scalar>(mut triangle: Mat<T>, rows: usize) -> Mat<T> {
    let tolerance = rank_tolerance::<T>(rows, triangle.ncols());
    for j in 0..triangle.nrows().min(triangle.ncols()) {
        let norm = linalg::norm(&triangle.col_as_slice(j)[..=j]).to_f64();
        if triangle[(j, j)].modulus().to_f64() <= tolerance * norm {
            triangle[(j, j)] = T::ZERO;
        }
    }
    triangle
}

/// to ← from, column by column.
fn place<T: Scalar>(to: MatMut<'_, T>, from: MatRef<'_, T>) {
    let mut copied = Vec::new();
    for (j, to) in to.col_iter_mut().enumerate() {
        slice_mut(to).copy_from_slice(linalg::column(from, j, &mut copied));
    }
}

/// A column of the matrices here, which are column-major.
fn slice_mut<T>(column: ColMut<'_, T>) -> &mut [T] {
    column.try_as_col_major_mut().map_or(&mut [], |column| column.as_slice_mut())
}

#[cfg(test)]
mod tests;
