//! QR of the stacked matrix: one λ, every digit.
//!
//! min ‖[A; √λL]x − [b; 0]‖, columns equilibrated by powers of two (QR does not care, the rank decision and the refinement
//! do), R by Householder reflections, the rank from a column-pivoted QR of R, and then the refinement of the augmented
//! system of Björck 1967 (doi:10.1007/BF01939321) with residuals accumulated in twice the precision:
//!
//! ```text
//! f = b − r − Sx,  g = −Sᴴr;    R ᴴh = g,  (c₁, c₂) = Qᴴf,   dx = R⁻¹(c₁ − h),  dr = Q(h, c₂)
//! ```
//! It brings x to full accuracy while κ·ε < 1, whatever the size of the residual. A rank-deficient matrix is handed back.
//!
//! Where the rows differ much in size (√λ far above A, large weights), the large ones are put first: reflections then err
//! relative to each row and not to the largest (Cox, Higham 1998, doi:10.1016/S0024-3795(97)10034-2). Otherwise a small A
//! under a large √λL would drown in the rounding of the penalty's rows.
//!
//! Prefer [`cholesky`](super::cholesky) when κ² leaves enough digits, [`svd`](super::svd) when the rank is in question.
//! Cost: 2(m + p)n² flops and (m + p)n numbers, about 70mn flops for each refinement step and right-hand side.

use super::cholesky::Direct;
use super::{Handed, Refusal, rank_tolerance};
use crate::extended;
use crate::linalg::{self, Mat, MatMut, MatRef, Op, Reflectors, Threads};
use crate::scalar::times_power_of_two;
use crate::scalar::{Real, Scalar};
use crate::transform::standard_form::PenaltyRows;

/// Rows are put in order of size where the largest is this many times the smallest.
const SORT_ROWS_FROM: f64 = 1e3;
/// Refinement steps at most; three are usual at κ = 1e10.
const REFINEMENTS: usize = 8;

/// Solves with L = I, diagonal or any.
pub(crate) fn solve<T: Scalar>(
    a: MatRef<'_, T>,
    penalty: &PenaltyRows<T>,
    damping: f64,
    b: MatRef<'_, T>,
    threads: Threads,
) -> Handed<Direct<T>> {
    let (m, n) = a.shape();
    let k = b.ncols();
    let d = T::Real::from_f64(damping);
    if !d.finite() || (damping > 0.0 && d == T::Real::ZERO) {
        return Err(Refusal::OutOfRange);
    }
    let mut stacked = stacked(a, penalty, d);
    let p = stacked.nrows() - m;
    if T::largest_entry(stacked.as_ref(), threads).is_none() {
        return Err(Refusal::OutOfRange);
    }
    let exponents = equilibrate(&mut stacked);
    if m + p < n {
        return Err(Refusal::RankDeficient { rank: m + p, tolerance: rank_tolerance::<T>(m + p, n) });
    }
    let order = by_size(&stacked);
    if let Some(order) = &order {
        stacked = Mat::from_fn(m + p, n, |i, j| stacked[(order[i], j)]);
    }
    // which row of [A; √λL] is at each place
    let original = |place: usize| order.as_ref().map_or(place, |order| order[place]);
    let reflectors = T::qr(stacked.clone(), threads);
    let triangle = reflectors.basis.as_ref().submatrix(0, 0, n, n);
    let condition = linalg::condition_upper(triangle);
    let tolerance = rank_tolerance::<T>(m + p, n);
    if !(condition * tolerance < 0.01) {
        let rank = pivoted_rank(triangle, tolerance, threads);
        if rank < n {
            return Err(Refusal::RankDeficient { rank, tolerance });
        }
    }

    let mut x = linalg::zeros(n, k);
    let mut residual_norms = Vec::with_capacity(k);
    let mut data = vec![T::ZERO; m + p];
    for j in 0..k {
        for (place, entry) in data.iter_mut().enumerate() {
            let i = original(place);
            *entry = if i < m { b[(i, j)] } else { T::ZERO };
        }
        let (solution, residual) = refined(&stacked, &reflectors, &data, threads);
        for (i, &value) in solution.iter().enumerate() {
            x[(i, j)] = times_power_of_two(value, exponents[i]);
        }
        let of_data: Vec<T> = (0..m + p).filter(|&place| original(place) < m).map(|place| residual[place]).collect();
        residual_norms.push(linalg::norm(&of_data).to_f64());
    }
    // dof = ‖A·C·R⁻¹‖²_F = n − ‖√λ·L·C·R⁻¹‖²_F: the smaller of the two sums keeps its digits
    let rows = |of_data: bool| -> f64 {
        let places: Vec<usize> = (0..m + p).filter(|&place| (original(place) < m) == of_data).collect();
        let count = places.len();
        let mut columns = Mat::from_fn(n, count, |j, i| stacked[(places[i], j)].conj());
        T::solve_upper(triangle, Op::Adjoint, columns.as_mut(), threads);
        (0..count).map(|j| (0..n).map(|i| columns[(i, j)].modulus_squared().to_f64()).sum::<f64>()).sum()
    };
    let dof = if p == 0 {
        n as f64
    } else if m < p || original(0) >= m {
        rows(true)
    } else {
        n as f64 - rows(false)
    };
    Ok(Direct { x, residual_norms, dof: Some(dof), rank: n, condition })
}

/// C·R⁻¹ with [A; √λL]C = QR and C powers of two: G with GGᴴ = (AᴴA + λLᴴL)⁻¹, to the accuracy of R (the error grows with the
/// condition number of the stacked matrix, not with its square).
pub(crate) fn inverse_root<T: Scalar>(a: MatRef<'_, T>, penalty: &PenaltyRows<T>, damping: f64, threads: Threads) -> Handed<Mat<T>> {
    let n = a.ncols();
    let d = T::Real::from_f64(damping);
    if !d.finite() || (damping > 0.0 && d == T::Real::ZERO) {
        return Err(Refusal::OutOfRange);
    }
    let mut stacked = stacked(a, penalty, d);
    let rows = stacked.nrows();
    if T::largest_entry(stacked.as_ref(), threads).is_none() {
        return Err(Refusal::OutOfRange);
    }
    let exponents = equilibrate(&mut stacked);
    let tolerance = rank_tolerance::<T>(rows, n);
    if rows < n {
        return Err(Refusal::RankDeficient { rank: rows, tolerance });
    }
    if let Some(order) = by_size(&stacked) {
        stacked = Mat::from_fn(rows, n, |i, j| stacked[(order[i], j)]);
    }
    let reflectors = T::qr(stacked, threads);
    let triangle = reflectors.basis.as_ref().submatrix(0, 0, n, n);
    if !(linalg::condition_upper(triangle) * tolerance < 0.01) {
        let rank = pivoted_rank(triangle, tolerance, threads);
        if rank < n {
            return Err(Refusal::RankDeficient { rank, tolerance });
        }
    }
    let mut root = Mat::from_fn(n, n, |i, j| if i == j { T::ONE } else { T::ZERO });
    T::solve_upper(triangle, Op::None, root.as_mut(), threads);
    for j in 0..n {
        for (value, &exponent) in root.col_as_slice_mut(j).iter_mut().zip(&exponents) {
            *value = times_power_of_two(*value, exponent);
        }
    }
    Ok(root)
}

/// [A; √λL]; A alone for a damping of 0.
pub(super) fn stacked<T: Scalar>(a: MatRef<'_, T>, penalty: &PenaltyRows<T>, damping: T::Real) -> Mat<T> {
    let (m, n) = a.shape();
    let p = match penalty {
        _ if damping == T::Real::ZERO => 0,
        PenaltyRows::Dense(l) => l.nrows(),
        _ => n,
    };
    Mat::from_fn(m + p, n, |i, j| match penalty {
        _ if i < m => a[(i, j)],
        PenaltyRows::Dense(l) => l[(i - m, j)].scale(damping),
        _ if i - m != j => T::ZERO,
        PenaltyRows::Diagonal(w) => T::from_real(w[j] * damping),
        PenaltyRows::Identity => T::from_real(damping),
    })
}

/// The rows by falling size, where they differ much.
fn by_size<T: Scalar>(stacked: &Mat<T>) -> Option<Vec<usize>> {
    let mut sizes = vec![0.0f64; stacked.nrows()];
    for j in 0..stacked.ncols() {
        for (size, value) in sizes.iter_mut().zip(stacked.col_as_slice(j)) {
            *size = size.max(value.real().modulus().to_f64()).max(value.imaginary().modulus().to_f64());
        }
    }
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let smallest = sizes.iter().copied().filter(|&s| s > 0.0).fold(f64::INFINITY, f64::min);
    if !(largest > SORT_ROWS_FROM * smallest) {
        return None;
    }
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));
    Some(order)
}

/// Scales each column by a power of two to about 1; x is that power times the solution of the scaled problem.
fn equilibrate<T: Scalar>(stacked: &mut Mat<T>) -> Vec<i32> {
    (0..stacked.ncols())
        .map(|j| {
            let largest = linalg::largest_modulus(stacked.col_as_slice(j)).to_f64();
            if largest == 0.0 {
                return 0;
            }
            let exponent = -(largest.log2().floor() as i32);
            for value in stacked.col_as_slice_mut(j) {
                *value = times_power_of_two(*value, exponent);
            }
            exponent
        })
        .collect()
}

fn pivoted_rank<T: Scalar>(triangle: MatRef<'_, T>, tolerance: f64, threads: Threads) -> usize {
    let n = triangle.nrows();
    let upper = Mat::from_fn(n, n, |i, j| if i <= j { triangle[(i, j)] } else { T::ZERO });
    let (reflectors, _) = T::qr_pivoted(upper, threads);
    let pivot = |k: usize| reflectors.basis[(k, k)].modulus().to_f64();
    (0..n).take_while(|&k| pivot(k) > tolerance * pivot(0)).count()
}

/// x and r = b − Sx, refined until the corrections are rounding or stop shrinking.
fn refined<T: Scalar>(stacked: &Mat<T>, reflectors: &Reflectors<T>, b: &[T], threads: Threads) -> (Vec<T>, Vec<T>) {
    let n = stacked.ncols();
    let triangle = reflectors.basis.as_ref().submatrix(0, 0, n, n);
    let reflect = |op: Op, y: &mut [T]| {
        let rows = y.len();
        let column = MatMut::from_column_major_slice_mut(y, rows, 1);
        T::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), op, column, threads);
    };
    let solve = |op: Op, y: &mut [T]| T::solve_upper(triangle, op, MatMut::from_column_major_slice_mut(y, n, 1), threads);

    let mut x = vec![T::ZERO; n];
    let mut r = vec![T::ZERO; b.len()];
    let (mut f, mut g) = (b.to_vec(), vec![T::ZERO; n]);
    let mut last = f64::INFINITY;
    for _ in 0..REFINEMENTS {
        solve(Op::Adjoint, &mut g);
        reflect(Op::Adjoint, &mut f);
        let mut dx: Vec<T> = f[..n].iter().zip(&g).map(|(&c, &h)| c - h).collect();
        solve(Op::None, &mut dx);
        f[..n].copy_from_slice(&g);
        reflect(Op::None, &mut f);
        let size = linalg::norm(&dx).to_f64();
        // corrections that do not halve are rounding noise (or κ·ε ≥ 1): keep what is there
        if !(size <= 0.5 * last) {
            break;
        }
        // nothing found in the first step may be all that was lost: the residual of x = 0 decides
        last = if size == 0.0 && last.is_infinite() { last } else { size };
        linalg::add_scaled(&mut x, T::ONE, &dx);
        linalg::add_scaled(&mut r, T::ONE, &f);
        if size > 0.0 && size <= 0.25 * T::Real::EPSILON.to_f64() * linalg::norm(&x).to_f64() {
            break;
        }
        f = extended::residual(stacked.as_ref(), &x, &r, b);
        g = extended::negative_adjoint_product(stacked.as_ref(), &r);
    }
    (x, r)
}
