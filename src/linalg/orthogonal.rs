//! Orthogonal factors written out, and products into new memory.

use super::{Accum, Mat, MatRef, Op, Threads, zeros};
use crate::scalar::Scalar;

/// Q (as many columns as A, m ≥ n) and R of A = QR.
pub fn thin_qr<T: Scalar>(a: Mat<T>, threads: Threads) -> (Mat<T>, Mat<T>) {
    let (m, n) = a.shape();
    let factored = T::qr(a, threads);
    written_out(factored.basis.as_ref(), factored.coefficients.as_ref(), m, n, threads)
}

/// The same of A with its columns in the order that pivoting chooses, which is not returned.
pub fn thin_qr_pivoted<T: Scalar>(a: Mat<T>, threads: Threads) -> (Mat<T>, Mat<T>) {
    let (m, n) = a.shape();
    let (factored, _) = T::qr_pivoted(a, threads);
    written_out(factored.basis.as_ref(), factored.coefficients.as_ref(), m, n, threads)
}

fn written_out<T: Scalar>(basis: MatRef<'_, T>, coefficients: MatRef<'_, T>, m: usize, n: usize, threads: Threads) -> (Mat<T>, Mat<T>) {
    let triangle = Mat::from_fn(n, n, |i, j| if i <= j { basis[(i, j)] } else { T::ZERO });
    let mut q = Mat::from_fn(m, n, |i, j| if i == j { T::ONE } else { T::ZERO });
    T::apply_reflectors(basis, coefficients, Op::None, q.as_mut(), threads);
    (q, triangle)
}

/// S with SᴴS = QᴴQ and no more rows than columns.
pub fn triangle_of<T: Scalar>(q: Mat<T>, threads: Threads) -> Mat<T> {
    let (m, n) = q.shape();
    if m <= n {
        return q;
    }
    let factored = T::qr(q, threads);
    Mat::from_fn(n, n, |i, j| if i <= j { factored.basis[(i, j)] } else { T::ZERO })
}

/// op(A)·op(B).
pub fn product<T: Scalar>(a: MatRef<'_, T>, op_a: Op, b: MatRef<'_, T>, op_b: Op, threads: Threads) -> Mat<T> {
    let rows = if op_a == Op::None { a.nrows() } else { a.ncols() };
    let columns = if op_b == Op::None { b.ncols() } else { b.nrows() };
    let mut out = zeros(rows, columns);
    T::product(out.as_mut(), Accum::Replace, T::ONE, a, op_a, b, op_b, threads);
    out
}

/// Σ|aᵢⱼ|².
pub fn sum_of_squares<T: Scalar>(a: MatRef<'_, T>) -> f64 {
    use crate::scalar::Real;
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))).map(|at| a[at].modulus_squared().to_f64()).sum()
}
