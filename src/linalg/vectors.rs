//! Norms, inner products, copies.

use super::{Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};

/// Euclidean norm without overflow or underflow.
pub fn norm<T: Scalar>(x: &[T]) -> T::Real {
    let mut sum = T::Real::ZERO;
    for &value in x {
        sum += value.modulus_squared();
    }
    // inside this window no square can have overflowed and none that matters was lost
    let safe = T::Real::MIN_POSITIVE / (T::Real::EPSILON * T::Real::EPSILON);
    if sum > safe && sum <= T::Real::MAX {
        return sum.sqrt();
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
    let mut column = vec![T::ZERO; a.nrows()];
    (0..a.ncols())
        .map(|j| {
            for (i, entry) in column.iter_mut().enumerate() {
                *entry = a[(i, j)];
            }
            norm(&column).to_f64()
        })
        .collect()
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
