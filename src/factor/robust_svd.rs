//! A = U·diag(s)·Vᴴ for every finite matrix, thin, s descending.
//!
//! The problem: an iteration that stops with "no convergence" (or, worse, returns factors that are none) must not end
//! a solve. What it equals: the thin singular value decomposition, whatever route delivers it. The routes, in order:
//!
//! 1. divide and conquer on A; 2. the same on Aᴴ, whose bidiagonal form differs; 3. implicit QR rotations on A;
//! 4. the same on Aᴴ; 5. one-sided Jacobi ([`crate::factor::jacobi`]), slow and hard to upset.
//!
//! A result is taken only if it passes [`plausible`]: O(mn) work that catches wrong factors, not lost last digits.
//! A is scaled by a power of two first (exactly, so that nothing changes but the range).
//!
//! Prefer a sibling: a QR or Cholesky factorization when one λ is given; the GSVD ([`crate::factor::gsvd`]) when L ≠ I.
//!
//! Cost: about 6mn² + 16n³ flops on the first route (m ≥ n), a copy of A, U and V; another n³ or so for each failure,
//! and about 4n³ flops for each of 5 to 10 sweeps on the last.
//!
//! Symbols: A m×n, r = min(m, n), U m×r, V n×r, s₁ ≥ … ≥ s_r ≥ 0.
//!
//! References: Gu, Eisenstat 1995, doi:10.1137/S0895479892242232 (divide and conquer); Demmel, Kahan 1990,
//! doi:10.1137/0911052 (rotations); Drmač, Veselić 2008, doi:10.1137/050639193 (Jacobi).

use crate::error::Result;
use crate::factor::jacobi::jacobi_svd;
use crate::linalg::{Accum, Mat, MatRef, NoConvergence, Op, Threads, largest_modulus, norm};
use crate::random::Random;
use crate::scalar::{Real, Scalar};

/// A = U·diag(s)·Vᴴ.
#[derive(Debug, Clone)]
pub(crate) struct Svd<T: Scalar> {
    /// m×r, orthonormal columns (also where s = 0).
    pub(crate) u: Mat<T>,
    /// r singular values, descending.
    pub(crate) s: Vec<T::Real>,
    /// n×r, orthonormal columns (also where s = 0).
    pub(crate) v: Mat<T>,
}

/// One way to the decomposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// An iterative kernel, on A or on Aᴴ, by divide and conquer or by rotations.
    Kernel { adjoint: bool, by_rotations: bool },
    /// One-sided Jacobi.
    Jacobi,
}

const ROUTES: [Route; 5] = [
    Route::Kernel { adjoint: false, by_rotations: false },
    Route::Kernel { adjoint: true, by_rotations: false },
    Route::Kernel { adjoint: false, by_rotations: true },
    Route::Kernel { adjoint: true, by_rotations: true },
    Route::Jacobi,
];

/// The thin SVD of a finite matrix.
///
/// Singular values that leave the range of the type (entries within √(mn) of its largest number) come out as ∞.
///
/// # Errors
/// [`crate::Error::NotConverged`] when Jacobi itself gives up, for which no matrix is known.
pub(crate) fn robust_svd<T: Scalar>(a: MatRef<'_, T>, threads: Threads) -> Result<Svd<T>> {
    let (m, n) = a.shape();
    let r = m.min(n);
    let Some(exponent) = exponent(a) else {
        return Ok(Svd { u: identity(m, r), s: vec![T::Real::ZERO; r], v: identity(n, r) });
    };
    let a = scaled(a, -exponent);
    let mut svd = ROUTES[..ROUTES.len() - 1]
        .iter()
        .find_map(|&route| by_route(a.as_ref(), route, threads).ok().filter(|svd| plausible(a.as_ref(), svd)))
        .map_or_else(|| jacobi_svd(a.as_ref(), threads), Ok)?;
    for s in &mut svd.s {
        *s = shifted(*s, exponent);
    }
    Ok(svd)
}

/// The decomposition by one route, unchecked. The entries of `a` are of moderate size.
fn by_route<T: Scalar>(a: MatRef<'_, T>, route: Route, threads: Threads) -> core::result::Result<Svd<T>, NoConvergence> {
    let (adjoint, by_rotations) = match route {
        Route::Jacobi => return jacobi_svd(a, threads).map_err(|_| NoConvergence),
        Route::Kernel { adjoint, by_rotations } => (adjoint, by_rotations),
    };
    if adjoint {
        let swapped = conjugate_transpose(a);
        let Svd { u, s, v } = by_route(swapped.as_ref(), Route::Kernel { adjoint: false, by_rotations }, threads)?;
        return Ok(Svd { u: v, s, v: u });
    }
    let (m, n) = a.shape();
    let r = m.min(n);
    let (mut u, mut v, mut s) = (zeros(m, r), zeros(n, r), vec![T::ZERO; r]);
    T::svd(a, &mut s, Some(u.as_mut()), Some(v.as_mut()), by_rotations, threads)?;
    Ok(Svd { u, s: s.into_iter().map(T::real).collect(), v })
}

/// Whether the factors can be those of A: finite, descending, and for one random z both Uᴴ(Uz) = z = Vᴴ(Vz) and A(Vz) = U(Sz),
/// Aᴴ(Uz) = V(Sz). A defect of relative size δ in any column shows as about δ here.
fn plausible<T: Scalar>(a: MatRef<'_, T>, svd: &Svd<T>) -> bool {
    let r = svd.s.len();
    if svd.s.iter().any(|s| !s.finite() || *s < T::Real::ZERO) || svd.s.windows(2).any(|pair| pair[0] < pair[1]) {
        return false;
    }
    // roundoff of a backward stable decomposition stays far below this; a wrong factor lies far above
    let tolerance = 64.0 * (a.nrows() + a.ncols()) as f64 * T::Real::EPSILON.to_f64();
    let z: Vec<T> = Random::new(0x5eed).scalars(r);
    let sz: Vec<T> = z.iter().zip(&svd.s).map(|(z, s)| z.scale(*s)).collect();
    let (z, sz) = (column(&z), column(&sz));
    let times = |a: MatRef<'_, T>, op: Op, x: MatRef<'_, T>| product(a, op, x, Op::None, Threads::ONE);
    let close = |x: &Mat<T>, y: MatRef<'_, T>, scale: f64| {
        let difference: Vec<T> = (0..y.nrows()).map(|i| x[(i, 0)] - y[(i, 0)]).collect();
        norm(&difference).to_f64() <= tolerance * scale
    };
    let size = norm(z.col_as_slice(0)).to_f64();
    let largest = svd.s.first().map_or(0.0, |s| s.to_f64());
    let (uz, vz) = (times(svd.u.as_ref(), Op::None, z.as_ref()), times(svd.v.as_ref(), Op::None, z.as_ref()));
    close(&times(svd.u.as_ref(), Op::Adjoint, uz.as_ref()), z.as_ref(), size)
        && close(&times(svd.v.as_ref(), Op::Adjoint, vz.as_ref()), z.as_ref(), size)
        && close(&times(a, Op::None, vz.as_ref()), times(svd.u.as_ref(), Op::None, sz.as_ref()).as_ref(), size * largest)
        && close(&times(a, Op::Adjoint, uz.as_ref()), times(svd.v.as_ref(), Op::None, sz.as_ref()).as_ref(), size * largest)
}

/// op(A)·op(B).
pub(crate) fn product<T: Scalar>(a: MatRef<'_, T>, op_a: Op, b: MatRef<'_, T>, op_b: Op, threads: Threads) -> Mat<T> {
    let rows = if op_a == Op::None { a.nrows() } else { a.ncols() };
    let columns = if op_b == Op::None { b.ncols() } else { b.nrows() };
    let mut c = zeros(rows, columns);
    T::product(c.as_mut(), Accum::Replace, T::ONE, a, op_a, b, op_b, threads);
    c
}

/// [V W], square and unitary, for V with orthonormal columns.
pub(crate) fn completed<T: Scalar>(v: &Mat<T>, threads: Threads) -> Mat<T> {
    let (n, k) = v.shape();
    if k >= n {
        return v.clone();
    }
    let qr = T::qr(v.clone(), threads);
    // the last n − k columns of the full Q are orthogonal to the span of V
    let mut rest = Mat::from_fn(n, n - k, |i, j| if i == k + j { T::ONE } else { T::ZERO });
    T::apply_reflectors(qr.basis.as_ref(), qr.coefficients.as_ref(), Op::None, rest.as_mut(), threads);
    Mat::from_fn(n, n, |i, j| if j < k { v[(i, j)] } else { rest[(i, j - k)] })
}

pub(crate) fn zeros<T: Scalar>(rows: usize, columns: usize) -> Mat<T> {
    Mat::from_fn(rows, columns, |_, _| T::ZERO)
}

/// The first columns of the identity.
pub(crate) fn identity<T: Scalar>(rows: usize, columns: usize) -> Mat<T> {
    Mat::from_fn(rows, columns, |i, j| if i == j { T::ONE } else { T::ZERO })
}

pub(crate) fn conjugate_transpose<T: Scalar>(a: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.ncols(), a.nrows(), |i, j| a[(j, i)].conj())
}

fn column<T: Scalar>(x: &[T]) -> Mat<T> {
    Mat::from_fn(x.len(), 1, |i, _| x[i])
}

/// ⌊log₂⌋ of the largest |real| or |imaginary| part; None when all entries are zero.
pub(crate) fn exponent<T: Scalar>(a: MatRef<'_, T>) -> Option<i32> {
    let mut largest = 0.0_f64;
    for j in 0..a.ncols() {
        for i in 0..a.nrows() {
            largest = largest.max(largest_modulus(&[a[(i, j)]]).to_f64());
        }
    }
    exponent_of(largest)
}

/// ⌊log₂ value⌋, to within one, of a number that is not negative; None for zero.
pub(crate) fn exponent_of(value: f64) -> Option<i32> {
    (value > 0.0).then(|| value.log2().floor() as i32)
}

/// value·2^exponent, in two steps, because 2^exponent alone may leave the range although the product does not.
pub(crate) fn shifted<T: Scalar>(value: T, exponent: i32) -> T {
    let (first, second) = halves::<T>(exponent);
    value.scale(first).scale(second)
}

/// A·2^exponent.
pub(crate) fn scaled<T: Scalar>(a: MatRef<'_, T>, exponent: i32) -> Mat<T> {
    let (first, second) = halves::<T>(exponent);
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].scale(first).scale(second))
}

fn halves<T: Scalar>(exponent: i32) -> (T::Real, T::Real) {
    let half = exponent / 2;
    (T::Real::from_f64(2.0_f64.powi(half)), T::Real::from_f64(2.0_f64.powi(exponent - half)))
}
