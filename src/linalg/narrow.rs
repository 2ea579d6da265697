//! AᴴA of tall matrices with few columns, straight from the columns.
//!
//! faer's product packs both its factors, which n² flops a row pay for only where n is large. Here the inner products of [`P`]×[`Q`]
//! columns are summed in registers over pieces that stay in the first-level cache: no packing, no copy, and a list of columns need not
//! lie in one matrix.
//!
//! Measured (one core with two units for 4 doubles, peak 49 GF/s; faer / here, GF/s): 1260×52 in cache 26 / 42, 10⁶×52 21 / 30,
//! 655×100 in cache 35 / 40, 10⁵×100 30 / 35, 10⁵×200 40 / 39.

use super::{Accum, Mat, MatMut, MatRef, ReborrowMut, Threads, in_parallel, zeros};
use crate::scalar::Scalar;
use faer::traits::ComplexField;
use faer::traits::SimdArch;
use faer::traits::pulp::bytemuck::{Pod, cast_slice};
use faer::traits::pulp::{Simd, WithSimd};

/// Columns of a tile on both sides: 12 sums and 4 factors fill 16 registers.
const P: usize = 3;
const Q: usize = 4;
/// Bytes of a column that are used while Q columns stay in the first-level cache.
const PIECE: usize = 4096;
/// Columns from which faer's product is as fast. Measured: see above.
const WIDEST: usize = 160;
/// Entries below which one thread does it all. A guess.
const THREADS_FROM: usize = 200_000;

/// Whether A's columns are such that [`gram`] is the faster way.
pub(super) fn applies<T: Scalar>(a: MatRef<'_, T>) -> bool {
    // complex sums take twice the registers
    !T::IS_COMPLEX && a.row_stride() == 1 && (2..=WIDEST).contains(&a.ncols()) && a.nrows() >= 4 * a.ncols()
}

/// C ← AᴴA or C + AᴴA in the lower triangle, by threads with a sum of their own each.
pub(super) fn gram<T: Scalar + ComplexField + Pod>(mut c: MatMut<'_, T>, accumulate: Accum, a: MatRef<'_, T>, threads: Threads) {
    let (m, n) = a.shape();
    let part = |start: usize, count: usize| -> Vec<&[T]> {
        let a = a.subrows(start, count);
        (0..n).filter_map(|j| Some(a.col(j).try_as_col_major()?.as_slice())).collect()
    };
    if threads.0 <= 1 || m * n < THREADS_FROM {
        return of_columns(c, accumulate, &part(0, m));
    }
    let rows = m.div_ceil(threads.0);
    let mut sums: Vec<Mat<T>> = (0..m.div_ceil(rows)).map(|_| zeros(n, n)).collect();
    let jobs = sums.iter_mut().enumerate().map(|(place, sum)| {
        let columns = part(place * rows, rows.min(m - place * rows));
        move || of_columns(sum.as_mut(), Accum::Replace, &columns)
    });
    in_parallel(jobs.collect());
    // in the order of the parts: the same bits for the same number of threads
    for j in 0..n {
        for i in j..n {
            let before = if let Accum::Add = accumulate { c[(i, j)] } else { T::ZERO };
            c[(i, j)] = sums.iter().fold(before, |sum, part| sum + part[(i, j)]);
        }
    }
}

/// The same of columns of one length, wherever they lie.
pub(super) fn of_columns<T: Scalar + ComplexField + Pod>(mut c: MatMut<'_, T>, accumulate: Accum, columns: &[&[T]]) {
    if let Accum::Replace = accumulate {
        (0..columns.len()).for_each(|j| (j..columns.len()).for_each(|i| c[(i, j)] = T::ZERO));
    }
    T::Arch::default().dispatch(Inner { c, columns });
}

struct Inner<'a, T> {
    c: MatMut<'a, T>,
    columns: &'a [&'a [T]],
}

impl<T: Scalar + ComplexField + Pod> WithSimd for Inner<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut c, columns } = self;
        let context = T::simd_ctx(simd);
        let (n, rows) = (columns.len(), columns.first().map_or(0, |column| column.len()));
        let piece = PIECE / size_of::<T>();
        for start in (0..rows).step_by(piece) {
            let end = rows.min(start + piece);
            let column = |j: usize| &columns[j][start..end];
            let mut j = 0;
            while j + Q <= n {
                let right: [&[T]; Q] = core::array::from_fn(|q| column(j + q));
                let mut i = j;
                while i + P <= n {
                    let sums = tile::<T, S, P, Q>(context, [column(i), column(i + 1), column(i + 2)], right);
                    add(c.rb_mut(), (i, j), sums);
                    i += P;
                }
                match n - i {
                    2 => add(c.rb_mut(), (i, j), tile::<T, S, 2, Q>(context, [column(i), column(i + 1)], right)),
                    1 => add(c.rb_mut(), (i, j), tile::<T, S, 1, Q>(context, [column(i)], right)),
                    _ => {}
                }
                j += Q;
            }
            while j < n {
                (j..n).for_each(|i| add(c.rb_mut(), (i, j), tile::<T, S, 1, 1>(context, [column(i)], [column(j)])));
                j += 1;
            }
        }
    }
}

/// Adds what is on and below the diagonal.
#[inline(always)]
fn add<T: Scalar, const A: usize, const B: usize>(mut c: MatMut<'_, T>, (i, j): (usize, usize), sums: [[T; B]; A]) {
    for p in 0..A {
        for q in 0..B {
            if i + p >= j + q {
                c[(i + p, j + q)] += sums[p][q];
            }
        }
    }
}

/// xₚᴴy_q of columns of one length.
#[inline(always)]
fn tile<T: Scalar + ComplexField + Pod, S: Simd, const A: usize, const B: usize>(
    context: T::SimdCtx<S>,
    x: [&[T]; A],
    y: [&[T]; B],
) -> [[T; B]; A] {
    let lanes = size_of::<T::SimdVec<S>>() / size_of::<T>();
    let whole = x[0].len() / lanes * lanes;
    let vectors = whole / lanes;
    let xs: [&[T::SimdVec<S>]; A] = x.map(|x| &cast_slice(&x[..whole])[..vectors]);
    let ys: [&[T::SimdVec<S>]; B] = y.map(|y| &cast_slice(&y[..whole])[..vectors]);
    let mut sums = [[T::simd_splat(&context, &T::ZERO); B]; A];
    for k in 0..vectors {
        let mut left = [T::simd_splat(&context, &T::ZERO); A];
        for p in 0..A {
            left[p] = T::simd_load(&context, &xs[p][k]);
        }
        for q in 0..B {
            let right = T::simd_load(&context, &ys[q][k]);
            for p in 0..A {
                sums[p][q] = T::simd_conj_mul_add(&context, left[p], right, sums[p][q]);
            }
        }
    }
    // loops, not closures: what is not inlined here is compiled without the vector instructions
    let mut out = [[T::ZERO; B]; A];
    for p in 0..A {
        for q in 0..B {
            out[p][q] = T::simd_reduce_sum(&context, sums[p][q]);
            for (x, y) in x[p][whole..].iter().zip(&y[q][whole..]) {
                out[p][q] += Scalar::conj(*x) * *y;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::scalar::{Real, c32, c64};

    /// Every inner product once, for sizes beside those of tiles, pieces and vectors, added and replaced, on one thread and several.
    fn every_inner_product<T: Scalar + ComplexField + Pod>() {
        let mut random = Random::new(7);
        for (m, n) in [(1, 1), (9, 2), (41, 3), (1030, 4), (517, 7), (2100, 13), (64, 16), (40_003, 6)] {
            let entries: Vec<T> = random.scalars(m * n);
            let a = MatRef::from_column_major_slice(&entries, m, n);
            for (accumulate, threads) in [(Accum::Replace, 1), (Accum::Add, 1), (Accum::Replace, 3), (Accum::Add, 2)] {
                let one = T::ONE;
                let mut c = Mat::from_fn(n, n, |_, _| one);
                gram(c.as_mut(), accumulate, a, Threads(threads));
                for j in 0..n {
                    for i in 0..n {
                        let (x, y) = (&entries[i * m..(i + 1) * m], &entries[j * m..(j + 1) * m]);
                        let sum = x.iter().zip(y).fold(T::ZERO, |sum, (x, y)| sum + Scalar::conj(*x) * *y);
                        let expected = match accumulate {
                            _ if i < j => one,
                            Accum::Add => one + sum,
                            Accum::Replace => sum,
                        };
                        let error = (c[(i, j)] - expected).modulus().to_f64();
                        let sizes = crate::linalg::norm(x).to_f64() * crate::linalg::norm(y).to_f64();
                        let tolerance = 4.0 * (m as f64).sqrt() * <T as Scalar>::Real::EPSILON.to_f64() * (1.0 + sizes);
                        assert!(error <= tolerance, "{m}×{n}, ({i}, {j}), {threads} threads: {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn all_scalars() {
        every_inner_product::<f64>();
        every_inner_product::<f32>();
        every_inner_product::<c64>();
        every_inner_product::<c32>();
    }
}
