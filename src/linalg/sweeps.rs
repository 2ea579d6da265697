//! One pass over a large matrix: products with a vector, the normal equations, residuals; rows or columns split over threads.
//!
//! Each thread owns its part of the result or sums into one of its own, and the parts are added in a fixed order: the same
//! bits for the same number of threads, and no thread waits for another inside a sweep.

use super::kernels::{gram, product};
use super::vectors::both;
use super::{Accum, Kernels, Mat, MatMut, MatRef, Op, ReborrowMut, Threads, add_scaled, column, zeros};
use crate::scalar::Scalar;
use faer::traits::ComplexField;
use faer::traits::pulp::bytemuck::Pod;
use std::sync::{Mutex, PoisonError};

/// Below this many entries a matrix-vector product runs on one thread. Not measured yet: a guess.
const MULTIPLY_THREADS_FROM: usize = 500_000;

pub(super) fn multiply<T: Scalar + ComplexField>(a: MatRef<'_, T>, x: &[T], y: &mut [T], threads: Threads) {
    let (m, n) = a.shape();
    let x = MatRef::from_column_major_slice(x, n, 1);
    let one_block = |a: MatRef<'_, T>, y: &mut [T]| {
        let y = MatMut::from_column_major_slice_mut(y, a.nrows(), 1);
        product(y, Accum::Replace, T::ONE, a, Op::None, x, Op::None, Threads::ONE);
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && m * n >= MULTIPLY_THREADS_FROM {
        let rows = m.div_ceil(threads.0);
        rayon::scope(|scope| {
            for (block, y) in y.chunks_mut(rows).enumerate() {
                let a = a.subrows(block * rows, y.len());
                scope.spawn(move |_| one_block(a, y));
            }
        });
        return;
    }
    let _ = (threads, MULTIPLY_THREADS_FROM, m);
    one_block(a, y);
}

pub(super) fn multiply_adjoint<T: Scalar + ComplexField>(a: MatRef<'_, T>, y: &[T], x: &mut [T], threads: Threads) {
    let (m, n) = a.shape();
    let one_block = |a: MatRef<'_, T>, y: &[T], x: &mut [T]| {
        let x = MatMut::from_column_major_slice_mut(x, a.ncols(), 1);
        let y = MatRef::from_column_major_slice(y, a.nrows(), 1);
        product(x, Accum::Replace, T::ONE, a, Op::Adjoint, y, Op::None, Threads::ONE);
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && m * n >= MULTIPLY_THREADS_FROM {
        // the columns are split: each thread owns its part of x, whatever the order of the threads
        let columns = n.div_ceil(threads.0);
        rayon::scope(|scope| {
            for (block, x) in x.chunks_mut(columns).enumerate() {
                let a = a.subcols(block * columns, x.len());
                scope.spawn(move |_| one_block(a, y, x));
            }
        });
        return;
    }
    let _ = (threads, m, n);
    one_block(a, y, x);
}

/// Fewer rows than this a block of columns is not cut into: their entries lie too far apart for a product. A guess.
const FUSED_ROWS: usize = 128;

/// w ← Ax − αu and z ← Aᴴw, in row blocks that are still in the cache for the second product. Where A is so wide that such a block would
/// have few rows (and its rows do not lie in one piece), the two products are made one after the other.
pub(super) fn fused<T: Scalar + ComplexField>(a: MatRef<'_, T>, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T], threads: Threads) {
    let (m, n) = a.shape();
    let block = (BLOCK_ENTRIES / n.max(1)).clamp(1, 4096);
    if m < TALL * block.min(FUSED_ROWS) || (block < FUSED_ROWS && a.col_stride().unsigned_abs() != 1) {
        multiply(a, x, w, threads);
        add_scaled(w, -alpha, u);
        return multiply_adjoint(a, w, z, threads);
    }
    let parts = if m * n >= MULTIPLY_THREADS_FROM { threads.0.max(1) } else { 1 };
    T::with_scratch((parts - 1) * n, |scratch| fused_parts(a, x, alpha, u, w, z, scratch, block, parts));
}

/// `scratch` has a sum for each part but the first, whose sum is z.
fn fused_parts<T: Scalar + ComplexField>(
    a: MatRef<'_, T>,
    x: &[T],
    alpha: T,
    u: &[T],
    w: &mut [T],
    z: &mut [T],
    scratch: &mut [T],
    block: usize,
    parts: usize,
) {
    let (m, n) = a.shape();
    if parts > 1 {
        let left = parts / 2;
        let middle = m / parts * left;
        let (above, below) = a.split_at_row(middle);
        let ((u_above, u_below), (w_above, w_below)) = (u.split_at(middle), w.split_at_mut(middle));
        let (left_scratch, rest) = scratch.split_at_mut((left - 1) * n);
        let (sum, right_scratch) = rest.split_at_mut(n);
        both(
            || fused_parts(above, x, alpha, u_above, w_above, z, left_scratch, block, left),
            || fused_parts(below, x, alpha, u_below, w_below, sum, right_scratch, block, parts - left),
        );
        return z.iter_mut().zip(sum).for_each(|(z, &mut sum)| *z += sum);
    }
    let x = MatRef::from_column_major_slice(x, n, 1);
    let mut sum = MatMut::from_column_major_slice_mut(z, n, 1);
    let mut accumulate = Accum::Replace;
    for ((start, u), w) in (0..m).step_by(block).zip(u.chunks(block)).zip(w.chunks_mut(block)) {
        let a = a.subrows(start, w.len());
        product(MatMut::from_column_major_slice_mut(w, a.nrows(), 1), Accum::Replace, T::ONE, a, Op::None, x, Op::None, Threads::ONE);
        add_scaled(w, -alpha, u);
        let w = MatRef::from_column_major_slice(w, a.nrows(), 1);
        product(sum.rb_mut(), accumulate, T::ONE, a, Op::Adjoint, w, Op::None, Threads::ONE);
        accumulate = Accum::Add;
    }
    if m == 0 {
        z.fill(T::ZERO);
    }
}

type RealOf<T> = <T as Scalar>::Real;

/// Numbers of |U|² that are made at once: 256 KB in double precision, for the second-level cache. A guess.
const SQUARES: usize = 1 << 15;

pub(super) fn leverage_sweep<T: Scalar + ComplexField>(
    u: MatRef<'_, T>,
    f: MatRef<'_, RealOf<T>>,
    gaps: MatMut<'_, RealOf<T>>,
    w: MatRef<'_, T>,
    residuals: MatMut<'_, T>,
    threads: Threads,
) {
    let rows = (SQUARES / u.ncols().max(1)).max(16);
    let one_part = |u: MatRef<'_, T>, mut gaps: MatMut<'_, RealOf<T>>, mut residuals: MatMut<'_, T>| {
        let mut squares = zeros::<RealOf<T>>(rows.min(u.nrows()), u.ncols());
        let mut copied = Vec::new();
        for start in (0..u.nrows()).step_by(rows) {
            let count = rows.min(u.nrows() - start);
            let block = u.subrows(start, count);
            for k in 0..u.ncols() {
                for (square, u) in squares.col_as_slice_mut(k).iter_mut().zip(column(block, k, &mut copied)) {
                    *square = u.modulus_squared();
                }
            }
            let (squares, one) = (squares.as_ref().subrows(0, count), RealOf::<T>::ONE);
            RealOf::<T>::product(gaps.rb_mut().subrows_mut(start, count), Accum::Add, one, squares, Op::None, f, Op::None, Threads::ONE);
            product(residuals.rb_mut().subrows_mut(start, count), Accum::Add, T::ONE, block, Op::None, w, Op::None, Threads::ONE);
        }
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && u.nrows() * u.ncols() >= MULTIPLY_THREADS_FROM {
        let share = u.nrows().div_ceil(threads.0);
        let one_part = &one_part;
        rayon::scope(|scope| {
            let (mut gaps, mut residuals) = (gaps, residuals);
            for start in (0..u.nrows()).step_by(share) {
                let count = share.min(u.nrows() - start);
                let (own_gaps, other_gaps) = gaps.split_at_row_mut(count);
                let (own_residuals, other_residuals) = residuals.split_at_row_mut(count);
                (gaps, residuals) = (other_gaps, other_residuals);
                let u = u.subrows(start, count);
                scope.spawn(move |_| one_part(u, own_gaps, own_residuals));
            }
        });
        return;
    }
    let _ = threads;
    one_part(u, gaps, residuals);
}

/// The largest part, and a sum that is NaN when an entry is not finite, in lanes that vectorize.
pub(super) fn largest_of_slice<T: Scalar>(values: &[T]) -> (T::Real, T::Real) {
    const LANES: usize = 8;
    let zero = T::Real::ZERO;
    let (mut largest, mut poison) = ([zero; LANES], [zero; LANES]);
    let mut visit = |lane: usize, part: T::Real| {
        let size = part.modulus();
        if size > largest[lane] {
            largest[lane] = size;
        }
        // 0 for every finite number, NaN otherwise
        poison[lane] += part * zero;
    };
    let chunks = values.chunks_exact(LANES);
    for (lane, &value) in chunks.remainder().iter().enumerate() {
        visit(lane, value.real());
        visit(lane, value.imaginary());
    }
    for chunk in chunks {
        for lane in 0..LANES {
            visit(lane, chunk[lane].real());
            if T::IS_COMPLEX {
                visit(lane, chunk[lane].imaginary());
            }
        }
    }
    let maximum = largest.into_iter().fold(zero, |a, b| if b > a { b } else { a });
    (maximum, poison.into_iter().fold(zero, |a, b| a + b))
}

pub(super) fn largest_entry<T: Scalar>(a: MatRef<'_, T>, threads: Threads) -> Option<T::Real> {
    // the long dimension contiguous, where there is one
    let a = if a.col_stride().unsigned_abs() == 1 && a.row_stride().unsigned_abs() != 1 { a.transpose() } else { a };
    let (m, n) = a.shape();
    let columns = |range: core::ops::Range<usize>| {
        let (mut total, mut copied) = ((T::Real::ZERO, T::Real::ZERO), Vec::new());
        for j in range {
            let (largest, poison) = largest_of_slice(column(a, j, &mut copied));
            total = (if largest > total.0 { largest } else { total.0 }, total.1 + poison);
        }
        total
    };
    let parts = if m * n < SWEEP_THREADS_FROM { 1 } else { threads.0.max(1) };
    let width = n.div_ceil(parts).max(1);
    let mut results = vec![(T::Real::ZERO, T::Real::ZERO); n.div_ceil(width)];
    let columns = &columns;
    in_parallel(
        results.iter_mut().enumerate().map(|(part, result)| move || *result = columns(part * width..((part + 1) * width).min(n))).collect(),
    );
    let largest = results.iter().fold(T::Real::ZERO, |largest, &(l, _)| if l > largest { l } else { largest });
    results.iter().all(|&(_, poison)| poison == T::Real::ZERO).then_some(largest)
}

/// A matrix this many times taller than wide is swept in row blocks, split over the threads.
const TALL: usize = 4;
/// Beyond this many columns AᴴA itself no longer stays in the cache, and a thread's rows are one block.
/// The limit itself is a guess; at 1000 columns GCV went from 0.245 to 0.222 s with it (benches/compare, 10 000 rows).
const NARROW: usize = 256;
/// Entries of a row block: 512 KiB of f64 stay in the second-level cache while the block is used twice.
/// Four times the first guess, which gained nothing beyond the noise; not settled.
const BLOCK_ENTRIES: usize = 65_536;
/// Below this many entries a sweep runs on one thread. Not measured yet: a guess.
const SWEEP_THREADS_FROM: usize = 100_000;

/// How a tall m×n matrix is cut: rows of a block, and rows of each thread's part (at least a block each).
pub(super) fn cut(m: usize, n: usize, threads: Threads) -> (usize, usize) {
    let parts = if m * n < SWEEP_THREADS_FROM { 1 } else { threads.0.max(1) };
    let rows = m.div_ceil(parts).max(1);
    if n > NARROW {
        return (rows, rows);
    }
    let block = (BLOCK_ENTRIES / n.max(1)).clamp(32, 4096);
    (block, rows.max(block))
}

/// Runs the jobs, on threads where there are several.
pub fn in_parallel<F: FnOnce() + Send>(jobs: Vec<F>) {
    #[cfg(feature = "rayon")]
    if jobs.len() > 1 {
        rayon::scope(|scope| jobs.into_iter().for_each(|job| scope.spawn(move |_| job())));
        return;
    }
    jobs.into_iter().for_each(|job| job());
}

/// Works on each item; whichever thread is free takes the next one, and has a state of its own.
pub fn take_turns<I: Send, S>(items: Vec<I>, threads: Threads, state: impl Fn() -> S + Sync, work: impl Fn(&mut S, I) + Sync) {
    let count = threads.0.min(items.len());
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut state = state();
        while let Some(item) = next() {
            work(&mut state, item);
        }
    };
    in_parallel(vec![worker; count]);
}

/// Adds the parts' lower triangles or rectangles, in the order of the parts: the same bits for the same number of threads.
pub fn add_parts<T: Scalar>(mut out: MatMut<'_, T>, parts: &[Mat<T>]) {
    for j in 0..out.ncols() {
        for i in 0..out.nrows() {
            out[(i, j)] = parts.iter().fold(T::ZERO, |sum, part| sum + part[(i, j)]);
        }
    }
}

pub(super) fn normal_equations<T: Scalar + ComplexField + Pod>(
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    mut normal: MatMut<'_, T>,
    mut data: MatMut<'_, T>,
    threads: Threads,
) {
    let (m, n) = a.shape();
    if m < TALL * n {
        gram(normal, Accum::Replace, a, Op::Adjoint, threads);
        product(data, Accum::Replace, T::ONE, a, Op::Adjoint, b, Op::None, threads);
        return;
    }
    let (block, rows) = cut(m, n, threads);
    let starts: Vec<usize> = (0..m).step_by(rows).collect();
    let mut parts: Vec<(Mat<T>, Mat<T>)> = starts.iter().map(|_| (zeros(n, n), zeros(n, b.ncols()))).collect();
    let one_part = |start: usize, normal: &mut Mat<T>, data: &mut Mat<T>| {
        let end = (start + rows).min(m);
        let mut row = start;
        while row < end {
            let count = block.min(end - row);
            let (a, b) = (a.subrows(row, count), b.subrows(row, count));
            gram(normal.as_mut(), Accum::Add, a, Op::Adjoint, Threads::ONE);
            product(data.as_mut(), Accum::Add, T::ONE, a, Op::Adjoint, b, Op::None, Threads::ONE);
            row += count;
        }
    };
    let one_part = &one_part;
    in_parallel(starts.iter().zip(&mut parts).map(|(&start, (normal, data))| move || one_part(start, normal, data)).collect());
    let (normals, datas): (Vec<Mat<T>>, Vec<Mat<T>>) = parts.into_iter().unzip();
    add_parts(normal.as_mut(), &normals);
    add_parts(data.as_mut(), &datas);
}

pub(super) fn residual_sweep<T: Scalar + ComplexField>(
    a: MatRef<'_, T>,
    x: MatRef<'_, T>,
    b: MatRef<'_, T>,
    mut residual: MatMut<'_, T>,
    mut gradient: MatMut<'_, T>,
    threads: Threads,
) {
    let (m, n) = a.shape();
    if m < TALL * n {
        residual.copy_from(b);
        product(residual.as_mut(), Accum::Add, -T::ONE, a, Op::None, x, Op::None, threads);
        product(gradient, Accum::Replace, T::ONE, a, Op::Adjoint, residual.as_ref(), Op::None, threads);
        return;
    }
    let (block, rows) = cut(m, n, threads);
    let starts: Vec<usize> = (0..m).step_by(rows).collect();
    let mut parts: Vec<Mat<T>> = starts.iter().map(|_| zeros(n, b.ncols())).collect();
    let mut slices: Vec<MatMut<'_, T>> = Vec::with_capacity(starts.len());
    let mut rest = residual;
    for &start in &starts {
        let (head, tail) = rest.split_at_row_mut(rows.min(m - start));
        slices.push(head);
        rest = tail;
    }
    let one_part = |start: usize, mut residual: MatMut<'_, T>, gradient: &mut Mat<T>| {
        let count = residual.nrows();
        let mut row = 0;
        while row < count {
            let size = block.min(count - row);
            let a = a.subrows(start + row, size);
            let mut r = residual.as_mut().subrows_mut(row, size);
            r.copy_from(b.subrows(start + row, size));
            product(r.as_mut(), Accum::Add, -T::ONE, a, Op::None, x, Op::None, Threads::ONE);
            product(gradient.as_mut(), Accum::Add, T::ONE, a, Op::Adjoint, r.as_ref(), Op::None, Threads::ONE);
            row += size;
        }
    };
    let one_part = &one_part;
    in_parallel(starts.iter().zip(slices).zip(&mut parts).map(|((&start, r), part)| move || one_part(start, r, part)).collect());
    add_parts(gradient.as_mut(), &parts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::norm;
    use crate::random::Random;
    use crate::scalar::{Real, c64};

    /// One sweep gives what two products give: tall matrices by columns and by rows, cut in blocks and over threads, some rows left over,
    /// and those that are not cut.
    fn one_sweep_is_two_products<T: Scalar + Kernels>() {
        let mut random = Random::new(23);
        for (m, n) in [(5000, 13), (60_001, 17), (3001, 700), (40, 90), (0, 3), (5, 0)] {
            let entries: Vec<T> = random.scalars(m * n);
            let (x, u): (Vec<T>, Vec<T>) = (random.scalars(n), random.scalars(m));
            let alpha = random.scalars::<T>(1)[0];
            for a in [MatRef::from_column_major_slice(&entries, m, n), MatRef::from_row_major_slice(&entries, m, n)] {
                let (mut w, mut z) = (vec![T::ZERO; m], vec![T::ZERO; n]);
                T::multiply(a, &x, &mut w, Threads::ONE);
                add_scaled(&mut w, -alpha, &u);
                T::multiply_adjoint(a, &w, &mut z, Threads::ONE);
                for threads in [1, 2, 3] {
                    let nan = T::from_real(T::Real::from_f64(f64::NAN));
                    let (mut found_w, mut found_z) = (vec![nan; m], vec![nan; n]);
                    T::fused(a, &x, alpha, &u, &mut found_w, &mut found_z, Threads(threads));
                    for (found, expected) in [(&mut found_w, &w), (&mut found_z, &z)] {
                        add_scaled(found, -T::ONE, expected);
                        let error = norm(found).to_f64();
                        assert!(error <= 1e-13 * norm(expected).to_f64(), "{m}×{n}, {threads} threads: {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_fused_sweep() {
        one_sweep_is_two_products::<f64>();
        one_sweep_is_two_products::<c64>();
    }
}
