//! Norms, inner products, copies.

use super::{Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};

/// Sums that run beside each other: an addition need not wait for the one before.
const LANES: usize = 8;
/// Fewer numbers than this are added in their order. A guess.
const LANES_FROM: usize = 64;
/// Numbers of a vector that a fused loop takes at a time: they stay in the first-level cache between its passes. A guess.
const BLOCK: usize = 512;
/// Numbers of a vector for each thread at least. A guess: waking a thread costs about as much as a pass over this many.
const LENGTH_PER_THREAD: usize = 50_000;

/// Σ|xᵢ|², which may overflow or lose what is small.
pub fn squares<T: Scalar>(x: &[T]) -> T::Real {
    let mut sum = T::Real::ZERO;
    let mut rest = x;
    if x.len() >= LANES_FROM {
        let chunks;
        (chunks, rest) = x.as_chunks::<LANES>();
        let mut sums = [T::Real::ZERO; LANES];
        for chunk in chunks {
            for k in 0..LANES {
                sums[k] += chunk[k].modulus_squared();
            }
        }
        sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
    for &value in rest {
        sum += value.modulus_squared();
    }
    sum
}

/// Euclidean norm without overflow or underflow.
pub fn norm<T: Scalar>(x: &[T]) -> T::Real {
    norm_of(squares(x), x)
}

/// The norm of x from its sum of squares, which is taken again where it left the range.
pub fn norm_of<T: Scalar>(squares: T::Real, x: &[T]) -> T::Real {
    // inside this window no square can have overflowed and none that matters was lost
    let safe = T::Real::MIN_POSITIVE / (T::Real::EPSILON * T::Real::EPSILON);
    if squares > safe && squares <= T::Real::MAX {
        return squares.sqrt();
    }
    let largest = largest_modulus(x);
    if largest == T::Real::ZERO || !largest.finite() {
        return largest;
    }
    let mut sum = T::Real::ZERO;
    for &value in x {
        let part = T::from_parts(value.real() / largest, value.imaginary() / largest);
        sum += part.modulus_squared();
    }
    largest * sum.sqrt()
}

/// [`norm`], long vectors on several threads.
pub fn norm_by<T: Scalar>(x: &[T], threads: Threads) -> T::Real {
    norm_of(sweep([], [x], threads, &|_: [&mut [T]; 0], [x]| squares(x)), x)
}

/// Cuts vectors of one length at one place.
fn cut_all<S: Default, const N: usize>(all: [S; N], cut: impl Fn(S) -> (S, S)) -> ([S; N], [S; N]) {
    let mut rest = [const { None }; N];
    let mut k = 0;
    let first = all.map(|vector| {
        let (first, second) = cut(vector);
        rest[k] = Some(second);
        k += 1;
        first
    });
    (first, rest.map(Option::unwrap_or_default))
}

/// `work` on blocks of vectors of one length, those of the first kind to be changed; the sum of what it returns. Split over threads, in
/// parts that depend on the length and the number of threads alone.
pub fn sweep<T: Scalar, const M: usize, const C: usize>(
    changed: [&mut [T]; M],
    read: [&[T]; C],
    threads: Threads,
    work: &(impl Fn([&mut [T]; M], [&[T]; C]) -> T::Real + Sync),
) -> T::Real {
    let length = changed.first().map_or_else(|| read.first().map_or(0, |x| x.len()), |x| x.len());
    sweep_parts(changed, read, length, threads.0.min(length / LENGTH_PER_THREAD).max(1), work)
}

fn sweep_parts<T: Scalar, const M: usize, const C: usize>(
    mut changed: [&mut [T]; M],
    mut read: [&[T]; C],
    length: usize,
    parts: usize,
    work: &(impl Fn([&mut [T]; M], [&[T]; C]) -> T::Real + Sync),
) -> T::Real {
    if parts > 1 {
        let left = parts / 2;
        let middle = length / parts * left;
        let (changed, changed_after) = cut_all(changed, |x| x.split_at_mut(middle));
        let (read, read_after) = cut_all(read, |x| x.split_at(middle));
        let (mut before, mut after) = (T::Real::ZERO, T::Real::ZERO);
        both(
            || before = sweep_parts(changed, read, middle, left, work),
            || after = sweep_parts(changed_after, read_after, length - middle, parts - left, work),
        );
        return before + after;
    }
    let (mut sum, mut left) = (T::Real::ZERO, length);
    while left > 0 {
        let count = left.min(BLOCK);
        let (block, changed_after) = cut_all(changed, |x| x.split_at_mut(count));
        let (read_block, read_after) = cut_all(read, |x| x.split_at(count));
        (changed, read) = (changed_after, read_after);
        sum += work(block, read_block);
        left -= count;
    }
    sum
}

/// Both, on two threads where there are some.
pub fn both(first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    rayon::join(first, second);
    #[cfg(not(feature = "rayon"))]
    {
        first();
        second();
    }
}

/// The largest |real| or |imaginary| part; NaN when there is one.
pub fn largest_modulus<T: Scalar>(x: &[T]) -> T::Real {
    let mut largest = T::Real::ZERO;
    for &value in x {
        largest = value.real().modulus().larger(largest);
        if T::IS_COMPLEX {
            largest = value.imaginary().modulus().larger(largest);
        }
    }
    largest
}

/// ⟨x, y⟩ = Σ x̄ᵢyᵢ.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut sum = [T::ZERO; 4];
    let (mut xs, mut ys) = (x.chunks_exact(4), y.chunks_exact(4));
    for (x, y) in xs.by_ref().zip(ys.by_ref()) {
        for k in 0..4 {
            sum[k] += x[k].conj() * y[k];
        }
    }
    let mut total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (&x, &y) in xs.remainder().iter().zip(ys.remainder()) {
        total += x.conj() * y;
    }
    total
}

/// y ← y + alpha·x.
pub fn add_scaled<T: Scalar>(y: &mut [T], alpha: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

/// [`add_scaled`], long vectors on several threads.
pub fn add_scaled_by<T: Scalar>(y: &mut [T], alpha: T, x: &[T], threads: Threads) {
    sweep([y], [x], threads, &|[y], [x]| {
        add_scaled(y, alpha, x);
        T::Real::ZERO
    });
}

/// y ← gain·x − loss·y, and ‖y‖.
pub fn exchange<T: Scalar>(y: &mut [T], gain: T::Real, x: &[T], loss: T, threads: Threads) -> T::Real {
    let squares = sweep([&mut *y], [x], threads, &|[y], [x]| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x.scale(gain) - loss * *y;
        }
        squares(y)
    });
    norm_of(squares, y)
}

/// A matrix of zeros.
pub fn zeros<T: Scalar>(rows: usize, columns: usize) -> Mat<T> {
    Mat::from_fn(rows, columns, |_, _| T::ZERO)
}

/// A copy.
pub fn copy<T: Scalar>(a: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)])
}

/// A copy of Aᴴ.
pub fn adjoint<T: Scalar>(a: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.ncols(), a.nrows(), |i, j| a[(j, i)].conj())
}

/// The columns of a matrix, one after another.
fn flatten<T: Scalar>(a: MatRef<'_, T>) -> Vec<T> {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)])).collect()
}

/// Euclidean norms of the columns, as `f64`, without overflow.
pub fn column_norms<T: Scalar>(a: MatRef<'_, T>) -> Vec<f64> {
    let mut copied = Vec::new();
    (0..a.ncols()).map(|j| norm(column(a, j, &mut copied)).to_f64()).collect()
}

/// Column j, in place where it is contiguous and in `copied` otherwise.
pub fn column<'v, T: Scalar>(a: MatRef<'v, T>, j: usize, copied: &'v mut Vec<T>) -> &'v [T] {
    match a.col(j).try_as_col_major() {
        Some(column) => column.as_slice(),
        None => {
            copied.clear();
            copied.extend((0..a.nrows()).map(|i| a[(i, j)]));
            copied
        }
    }
}

/// Y ← op(A)X, by the threaded matrix-vector product for one column.
pub fn multiply_block<T: Scalar>(a: MatRef<'_, T>, op: Op, x: MatRef<'_, T>, y: &mut Mat<T>, threads: Threads) {
    if x.ncols() == 1 {
        let x = flatten(x);
        let y = y.col_as_slice_mut(0);
        return match op {
            Op::None => T::multiply(a, &x, y, threads),
            Op::Adjoint => T::multiply_adjoint(a, &x, y, threads),
        };
    }
    T::product(y.as_mut(), Accum::Replace, T::ONE, a, op, x, Op::None, threads);
}

/// The largest ‖dxⱼ‖/‖xⱼ‖ over the columns.
pub fn relative_size<T: Scalar>(correction: &Mat<T>, x: &Mat<T>) -> f64 {
    let (d, x) = (column_norms(correction.as_ref()), column_norms(x.as_ref()));
    d.iter()
        .zip(&x)
        .map(|(&d, &x)| if d == 0.0 { 0.0 } else { d / x.max(f64::MIN_POSITIVE) })
        .fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::scalar::c64;

    /// Lengths around blocks, lanes and parts.
    const LENGTHS: [usize; 8] = [0, 1, 7, 9, 513, 1024, 100_001, 250_007];

    /// Sums in lanes, blocks and parts are the sum, whatever the number of threads; what leaves the range of squares comes back.
    #[test]
    fn norms_of_any_length_and_size() {
        let mut random = Random::new(8);
        for length in LENGTHS {
            let x: Vec<c64> = random.scalars(length);
            let expected = x.iter().map(|x| x.re * x.re + x.im * x.im).sum::<f64>().sqrt();
            for scale in [1.0, 1e-200, 1e200] {
                let scaled: Vec<c64> = x.iter().map(|x| x.scale(scale)).collect();
                for threads in [1, 2, 5] {
                    let found = norm_by(&scaled, Threads(threads));
                    assert!((found - scale * expected).abs() <= 1e-13 * scale * expected, "{length}, {scale}, {threads}: {found}");
                    assert_eq!(found, norm_by(&scaled, Threads(threads)));
                }
            }
        }
        let mut x = vec![1.0f64; 200_000];
        x[150_000] = f64::NAN;
        assert!(norm_by(&x, Threads(2)).is_nan() && norm(&x).is_nan());
    }

    /// Each number is changed once, by the numbers at its own place.
    #[test]
    fn fused_loops_change_every_place_once() {
        let mut random = Random::new(9);
        for length in LENGTHS {
            let (x, y): (Vec<f64>, Vec<f64>) = (random.scalars(length), random.scalars(length));
            let expected: Vec<f64> = y.iter().zip(&x).map(|(&y, &x)| x * 3.0 - 2.0 * y).collect();
            let sum: Vec<f64> = y.iter().zip(&x).map(|(&y, &x)| y + -0.5 * x).collect();
            for threads in [1, 2, 3] {
                let mut found = y.clone();
                let size = exchange(&mut found, 3.0, &x, 2.0, Threads(threads));
                assert_eq!(found, expected);
                assert!((size - norm(&expected)).abs() <= 1e-13 * size);
                found.copy_from_slice(&y);
                add_scaled_by(&mut found, -0.5, &x, Threads(threads));
                assert_eq!(found, sum);
            }
        }
    }
}
