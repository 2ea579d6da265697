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
//! and on the last about 10n³ flops for each of some 5 to 10 sweeps.
//!
//! Symbols: A m×n, r = min(m, n), U m×r, V n×r, s₁ ≥ … ≥ s_r ≥ 0.
//!
//! References: Gu, Eisenstat 1995, doi:10.1137/S0895479892242232 (divide and conquer); Demmel, Kahan 1990,
//! doi:10.1137/0911052 (rotations); Drmač, Veselić 2008, doi:10.1137/050639193 (Jacobi).

use crate::error::Result;
use crate::factor::jacobi::jacobi_svd;
use crate::linalg::{Accum, Mat, MatRef, NoConvergence, Op, Threads, largest_modulus, norm, zeros};
use crate::random::Random;
use crate::scalar::{Real, Scalar, times_power_of_two};

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
        *s = times_power_of_two(*s, exponent);
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
        let swapped = crate::linalg::adjoint(a);
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

/// The first columns of the identity.
pub(crate) fn identity<T: Scalar>(rows: usize, columns: usize) -> Mat<T> {
    Mat::from_fn(rows, columns, |i, j| if i == j { T::ONE } else { T::ZERO })
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

/// A·2^exponent.
pub(crate) fn scaled<T: Scalar>(a: MatRef<'_, T>, exponent: i32) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| times_power_of_two(a[(i, j)], exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{c32, c64};

    fn random<T: Scalar>(m: usize, n: usize, seed: u64) -> Mat<T> {
        let entries: Vec<T> = Random::new(seed).scalars(m * n);
        Mat::from_fn(m, n, |i, j| entries[i + j * m])
    }

    fn size<T: Scalar>(a: &Mat<T>) -> f64 {
        (0..a.ncols()).map(|j| norm(a.col_as_slice(j)).to_f64()).fold(0.0, f64::hypot)
    }

    /// The largest of ‖A − USVᴴ‖/‖A‖, ‖UᴴU − I‖, ‖VᴴV − I‖ in Frobenius norms, in units of ε.
    fn defect<T: Scalar>(a: &Mat<T>, svd: &Svd<T>) -> f64 {
        let r = svd.s.len();
        assert!(svd.s.windows(2).all(|s| s[0] >= s[1]) && svd.s.iter().all(|s| *s >= T::Real::ZERO));
        let us = Mat::from_fn(a.nrows(), r, |i, j| svd.u[(i, j)].scale(svd.s[j]));
        let back = product(us.as_ref(), Op::None, svd.v.as_ref(), Op::Adjoint, Threads::ONE);
        let residual = size(&Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] - back[(i, j)])) / size(a).max(f64::MIN_POSITIVE);
        let unitary = |u: &Mat<T>| {
            let gram = product(u.as_ref(), Op::Adjoint, u.as_ref(), Op::None, Threads::ONE);
            size(&Mat::from_fn(r, r, |i, j| gram[(i, j)] - if i == j { T::ONE } else { T::ZERO }))
        };
        residual.larger(unitary(&svd.u)).larger(unitary(&svd.v)) / T::Real::EPSILON.to_f64()
    }

    /// Every route that delivers factors delivers the same, Jacobi and the cascade always deliver.
    fn check<T: Scalar>(name: &str, a: &Mat<T>) {
        let (m, n) = a.shape();
        let bound = 8.0 * (m + n + 4) as f64;
        let jacobi = by_route(a.as_ref(), Route::Jacobi, Threads::ONE).unwrap();
        let worst = defect(a, &jacobi);
        assert!(worst < bound && plausible(a.as_ref(), &jacobi), "{name}, Jacobi: {worst}");
        let svd = robust_svd(a.as_ref(), Threads::ONE).unwrap();
        assert!(defect(a, &svd) < bound, "{name}: {}", defect(a, &svd));
        let largest = svd.s.first().map_or(0.0, |s| s.to_f64());
        for route in ROUTES {
            match by_route(a.as_ref(), route, Threads::ONE) {
                Ok(other) if plausible(a.as_ref(), &other) => {
                    for (s, t) in svd.s.iter().zip(&other.s) {
                        assert!((s.to_f64() - t.to_f64()).abs() <= bound * T::Real::EPSILON.to_f64() * largest, "{name} {route:?} {s} {t}");
                    }
                }
                Ok(_) => println!("{name} {m}×{n} {}: {route:?} returned factors that are none", T::NAME),
                Err(_) => println!("{name} {m}×{n} {}: {route:?} did not converge", T::NAME),
            }
        }
    }

    fn number<T: Scalar>(value: f64) -> T {
        T::from_real(T::Real::from_f64(value))
    }

    fn all_matrices<T: Scalar>() {
        for (m, n) in [(0, 0), (0, 3), (3, 0), (1, 1), (1, 6), (6, 1), (5, 5), (11, 11), (30, 7), (7, 30), (40, 40), (60, 61)] {
            check("random", &random::<T>(m, n, (m * 100 + n) as u64));
            check("zeros", &zeros::<T>(m, n));
            check("identity", &identity::<T>(m, n));
            check("ones", &Mat::from_fn(m, n, |_, _| T::ONE));
            check("rank 2", &product(random::<T>(m, 2, 1).as_ref(), Op::None, random::<T>(2, n, 2).as_ref(), Op::None, Threads::ONE));
            let r = random::<T>(m, n, 3);
            check("graded columns", &Mat::from_fn(m, n, |i, j| r[(i, j)] * number(10.0_f64.powf(-0.4 * j as f64))));
            check("graded rows", &Mat::from_fn(m, n, |i, j| r[(i, j)] * number(10.0_f64.powf(-0.4 * i as f64))));
            check("graded both ways", &Mat::from_fn(m, n, |i, j| r[(i, j)] * number(2.0_f64.powi(-((i as i32 - j as i32).abs())))));
            check("Hilbert", &Mat::from_fn(m, n, |i, j| number::<T>(1.0 / (1.0 + (i + j) as f64))));
            check("one entry", &Mat::from_fn(m, n, |i, j| if i + 1 == m && j + 1 == n { T::ONE } else { T::ZERO }));
            check("shift", &Mat::from_fn(m, n, |i, j| if i + 1 == j { T::ONE } else { T::ZERO }));
            check("triangle", &Mat::from_fn(m, n, |i, j| if i <= j { T::ONE } else { T::ZERO }));
            check(
                "Kahan",
                &Mat::from_fn(m, n, |i, j| {
                    let s = 0.8_f64.powi(i as i32);
                    if i == j {
                        number(s)
                    } else if i < j {
                        number(-0.6 * s)
                    } else {
                        T::ZERO
                    }
                }),
            );
            check("every other column 0", &Mat::from_fn(m, n, |i, j| if j % 2 == 0 { T::ZERO } else { r[(i, j)] }));
            check(
                "pairs of values",
                &Mat::from_fn(m, n, |i, j| if i == j { number(if i % 2 == 0 { 1.0 } else { 1e-5 }) } else { T::ZERO }),
            );
            check("nearly equal columns", &Mat::from_fn(m, n, |i, j| T::ONE + r[(i, j)].scale(T::Real::EPSILON)));
        }
    }

    #[test]
    fn all_matrices_f64() {
        all_matrices::<f64>();
    }

    #[test]
    fn all_matrices_c64() {
        all_matrices::<c64>();
    }

    #[test]
    fn all_matrices_f32_and_c32() {
        all_matrices::<f32>();
        all_matrices::<c32>();
    }

    #[test]
    fn any_scale() {
        let a = random::<f64>(9, 6, 1);
        let base = robust_svd(a.as_ref(), Threads::ONE).unwrap();
        for by in [1e-300, 1e-160, 1e160, 1e300] {
            let svd = robust_svd(Mat::from_fn(9, 6, |i, j| a[(i, j)] * by).as_ref(), Threads::ONE).unwrap();
            assert!(svd.s.iter().zip(&base.s).all(|(s, t)| (s / by / t - 1.0).abs() < 1e-12));
        }
        let tiny = robust_svd(Mat::from_fn(2, 2, |i, j| if i == j { f64::from_bits(1) } else { 0.0 }).as_ref(), Threads::ONE).unwrap();
        assert_eq!(tiny.s, [f64::from_bits(1); 2]);
        let far_apart = Mat::from_fn(4, 3, |i, j| if i == j { [1e-305, 1e300, 1.0][i] } else { 0.0 });
        let svd = robust_svd(far_apart.as_ref(), Threads::ONE).unwrap();
        assert!(f64::abs(svd.s[0] / 1e300 - 1.0) < 1e-14 && svd.s[1] <= 1e286);
    }

    #[test]
    fn wrong_factors_are_noticed() {
        let a = random::<f64>(9, 6, 1);
        let svd = robust_svd(a.as_ref(), Threads::ONE).unwrap();
        assert!(plausible(a.as_ref(), &svd));
        let mut wrong = svd.clone();
        wrong.u[(0, 5)] += 1e-9;
        assert!(!plausible(a.as_ref(), &wrong));
        let mut wrong = svd.clone();
        wrong.s[5] = 0.0;
        assert!(!plausible(a.as_ref(), &wrong));
        let mut wrong = svd;
        wrong.v[(0, 0)] = f64::NAN;
        assert!(!plausible(a.as_ref(), &wrong));
    }

    /// Bidiagonal matrices from files (a line "diag", numbers, a line "subdiag", numbers) named in SVD_FILES, separated
    /// by ':'. For runs by hand with matrices on which some SVD once failed.
    #[test]
    #[ignore = "by hand"]
    fn bidiagonal_files() {
        for file in std::env::var("SVD_FILES").unwrap().split(':') {
            let text = std::fs::read_to_string(file).unwrap();
            let (diagonal, off) = text.split_once("subdiag").unwrap();
            let numbers = |text: &str| -> Vec<f64> { text.split([',', '\n']).filter_map(|word| word.trim().parse().ok()).collect() };
            let (diagonal, off) = (numbers(diagonal), numbers(off));
            let n = diagonal.len();
            println!("{file}: {n}, {}", off.len());
            let upper = Mat::from_fn(n, n, |i, j| match j.wrapping_sub(i) {
                0 => diagonal[i],
                1 => off[i],
                _ => 0.0,
            });
            let single = Mat::from_fn(n, n, |i, j| upper[(i, j)] as f32);
            let all = ROUTES.map(|route| {
                let time = std::time::Instant::now();
                let one = by_route(upper.as_ref(), route, Threads::ONE).map(|svd| (plausible(upper.as_ref(), &svd), defect(&upper, &svd)));
                let two =
                    by_route(single.as_ref(), route, Threads::ONE).map(|svd| (plausible(single.as_ref(), &svd), defect(&single, &svd)));
                println!("    {route:?}: f64 {one:?}, f32 {two:?}, {:?}", time.elapsed());
                (one, two)
            });
            assert!(all.iter().any(|(one, _)| one.is_ok_and(|(good, _)| good)));
            assert!(defect(&upper, &robust_svd(upper.as_ref(), Threads::ONE).unwrap()) < 8.0 * n as f64);
            assert!(defect(&single, &robust_svd(single.as_ref(), Threads::ONE).unwrap()) < 8.0 * n as f64);
        }
    }
}
