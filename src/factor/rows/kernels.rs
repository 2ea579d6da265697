//! How the rows of a block become a triangle: by their Gram matrix, or by Householder reflections.

use super::{Block, factored, place, stacked};
use crate::linalg::{self, Accum, Mat, MatRef, Op, ReborrowMut, Threads};
use crate::scalar::{Real, Scalar};

/// Entries of a block that is factored at once: it stays in the second-level cache. A guess; benches/rows.rs times it.
const BLOCK_ENTRIES: usize = 65_536;
/// Blocks whose Gram matrices are added before one Cholesky factorization and one merge. A guess.
const BLOCKS_OF_A_GRAM: usize = 16;
/// κ₁ of the shifted and scaled columns up to which a Gram matrix keeps the digits: σ of the triangle is then right to
/// 60 ε·σ₁, as the test below checks on both sides of the limit. The number itself is a guess on the safe side.
const LARGEST_CONDITION: f64 = 24.0;
/// Fewer rows for each column than this are left to Householder: the factorization of the Gram matrix and the merge would cost as much. A guess.
const TALL: usize = 8;
/// Entries of a block below which one thread reduces it. A guess.
const THREADS_FROM: usize = 100_000;
/// Means up to this fraction of the root mean square cost the Gram matrix no digits: the columns are used as they lie.
const SMALL_MEAN: f64 = 0.5;

/// One triangle from each thread's part of the rows, in the order of the rows: the same bits for the same number of threads.
pub(super) fn reduce<T: Scalar>(block: &Block<'_, T>, threads: Threads) -> Vec<Mat<T>> {
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

/// R of some rows of a block.
fn reduce_part<T: Scalar>(block: &Block<'_, T>, first: usize, rows: usize) -> Mat<T> {
    let width = block.width();
    let size = (BLOCK_ENTRIES / width).clamp(64, 4096).max(2 * width);
    let mut work = Work::new(size, width);
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
pub(super) struct Work<T: Scalar> {
    /// Rows at a time.
    size: usize,
    /// So many rows, shifted and scaled, where the caller's cannot be used as they lie.
    packed: Mat<T>,
    ones: Vec<T>,
    gram: Mat<T>,
}

impl<T: Scalar> Work<T> {
    /// For so many rows at a time.
    pub fn new(rows: usize, width: usize) -> Self {
        Self { size: rows, packed: linalg::zeros(0, width), ones: vec![T::ONE; rows], gram: linalg::zeros(width, width) }
    }

    /// Calls `each` with the rows of [1 A B] from `first` on, shifted and scaled, some at a time, until it returns false.
    fn pack(
        &mut self,
        block: &Block<'_, T>,
        shift: &[T],
        first: usize,
        rows: usize,
        mut each: impl FnMut(usize, MatRef<'_, T>, &mut Mat<T>) -> bool,
    ) -> bool {
        if self.packed.nrows() == 0 {
            self.packed = linalg::zeros(self.size, block.width());
        }
        (first..first + rows).step_by(self.size).all(|start| {
            let mut packed = self.packed.as_mut().subrows_mut(0, self.size.min(first + rows - start));
            linalg::vectorized(
                #[inline(always)]
                || {
                    block.copy(start, shift, packed.rb_mut());
                },
            );
            each(start, packed.as_ref(), &mut self.gram)
        })
    }

    /// Whether columns whose squares sum up to 0 are zeros, and not only too small for squares.
    fn vanish(&mut self, block: &Block<'_, T>, shift: &[T], first: usize, rows: usize, columns: &[usize]) -> bool {
        let zeros = |packed: MatRef<'_, T>| columns.iter().all(|&j| (0..packed.nrows()).all(|i| packed[(i, j)] == T::ZERO));
        columns.is_empty() || self.pack(block, shift, first, rows, |_, packed, _| zeros(packed))
    }

    /// R by Cholesky, where the columns are independent enough.
    pub fn by_gram(&mut self, block: &Block<'_, T>, first: usize, rows: usize) -> Option<Mat<T>> {
        let (width, size) = (block.width(), self.size);
        let means = block.means(first, size.min(rows));
        let small = !T::IS_COMPLEX && means.iter().all(|(mean, size)| mean.modulus() <= T::Real::from_f64(SMALL_MEAN) * *size);
        let as_they_lie = block.columns(first, rows).filter(|_| small);
        let shift: Vec<T> = if as_they_lie.is_some() { Vec::new() } else { means.into_iter().map(|(mean, _)| mean).collect() };
        let accumulate = |start| if start == first { Accum::Replace } else { Accum::Add };
        match as_they_lie {
            Some(columns) => {
                for start in (0..rows).step_by(size) {
                    let end = rows.min(start + size);
                    let mut all = vec![&self.ones[..end - start]];
                    all.extend(columns.iter().map(|column| &column[start..end]));
                    T::gram_of_columns(self.gram.as_mut(), accumulate(first + start), &all);
                }
            }
            None => {
                self.pack(block, &shift, first, rows, |start, packed, gram| {
                    T::gram(gram.as_mut(), accumulate(start), packed, Op::Adjoint, Threads::ONE);
                    true
                });
            }
        }
        let gone: Vec<usize> = (0..width).filter(|&j| self.gram[(j, j)].real() == T::Real::ZERO).collect();
        if !self.vanish(block, &shift, first, rows, &gone) {
            return None;
        }
        let mut triangle = self.factor()?;
        // the shift is a multiple of the first column, which is one of the first row alone
        let constant = triangle[(0, 0)];
        for (j, &shift) in shift.iter().enumerate() {
            triangle[(0, 1 + j)] += constant * shift;
        }
        Some(triangle)
    }

    /// The upper triangle S of SᴴS = `gram`, where its columns scaled to norm 1 have a small condition number. A column of zeros has a row
    /// of zeros.
    fn factor(&self) -> Option<Mat<T>> {
        let width = self.gram.ncols();
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
        Some(triangle)
    }
}
