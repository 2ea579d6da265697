//! Cholesky: one λ, the fastest way, with the digits of QR or not at all.
//!
//! M = AᴴA + λLᴴL = RᴴR, x = M⁻¹Aᴴb (primal, m ≥ n or any L), or K = AAᴴ + λI, x = AᴴK⁻¹b (dual, m < n and L = I).
//! Forming M squares the condition number. Two things give the digits back: fixed-precision refinement with the residual
//! r = b − Ax of the least-squares problem (corrected semi-normal equations, Björck 1987, doi:10.1016/0024-3795(87)90101-7),
//! which contracts the error by κ(M)·ε in each step; and an estimate of κ(M) from the factor, beyond which the problem is
//! handed back to QR.
//!
//! Prefer [`qr`](super::qr) when κ(M) is beyond that, [`tridiagonal`](super::tridiagonal) for many λ.
//! Cost: mn² + n³/3 flops, n³/3 for the degrees of freedom, 4mn for each refinement; n² numbers.

use super::{Handed, Refusal};
use crate::linalg::{self, Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};
use crate::transform::standard_form::PenaltyRows;

/// κ(M)·ε above this is handed back: two refinement steps then still reach the accuracy of QR.
/// Measured: tests/nist.rs, where 1e-4 costs no digit against stacked QR on any set and any λ.
pub(super) const LARGEST_CONDITION: f64 = 1e-4;
/// Refinement steps at most.
const REFINEMENTS: usize = 4;

/// The solution of one λ by a direct factorization.
pub(crate) struct Direct<T> {
    /// n×k.
    pub x: Mat<T>,
    /// ‖b − Ax‖ for each right-hand side.
    pub residual_norms: Vec<f64>,
    /// tr of the hat matrix.
    pub dof: f64,
    /// Numerical rank of the stacked matrix.
    pub rank: usize,
    /// Estimated condition number of the stacked matrix [A; √λL].
    pub condition: f64,
}

/// Solves with L = I, diagonal or any.
pub(crate) fn solve<T: Scalar>(
    a: MatRef<'_, T>,
    penalty: &PenaltyRows<T>,
    damping: f64,
    b: MatRef<'_, T>,
    threads: Threads,
) -> Handed<Direct<T>> {
    let lambda = damping * damping;
    let in_range = |x: f64| x == 0.0 || (x > 1e6 * T::Real::MIN_POSITIVE.to_f64() && x < 1e-6 * T::Real::MAX.to_f64());
    if !in_range(lambda) || (damping > 0.0 && lambda == 0.0) {
        return Err(Refusal::OutOfRange);
    }
    let lambda = T::Real::from_f64(lambda);
    let (m, n) = a.shape();
    match penalty {
        PenaltyRows::Identity if m < n => dual(a, lambda, b, threads),
        _ => primal(a, penalty, lambda, b, threads),
    }
}

fn primal<T: Scalar>(a: MatRef<'_, T>, penalty: &PenaltyRows<T>, lambda: T::Real, b: MatRef<'_, T>, threads: Threads) -> Handed<Direct<T>> {
    let (m, n) = a.shape();
    let k = b.ncols();
    let (mut normal, mut x) = (linalg::zeros(n, n), linalg::zeros(n, k));
    T::normal_equations(a, b, normal.as_mut(), x.as_mut(), threads);
    add_penalty(&mut normal, penalty, lambda, threads);
    let factor = factorize(normal, threads)?;

    // corrected semi-normal equations: r = b − Ax, g = Aᴴr − λLᴴLx, x ← x + M⁻¹g
    factor.solve(&mut x, threads);
    let mut residual = linalg::zeros(m, k);
    let mut gradient = linalg::zeros(n, k);
    let mut last = f64::INFINITY;
    let mut residual_norms = Vec::new();
    for _ in 0..REFINEMENTS {
        T::residual_sweep(a, x.as_ref(), b, residual.as_mut(), gradient.as_mut(), threads);
        let adjoint_residual = gradient.clone();
        subtract_penalty_gradient(&mut gradient, penalty, lambda, &x, threads);
        let mut correction = gradient.clone();
        factor.solve(&mut correction, threads);
        let relative = linalg::relative_size(&correction, &x);
        if !(relative <= 0.1) || (relative > 0.5 * last && relative > 1e3 * T::Real::EPSILON.to_f64()) {
            // the corrections do not shrink: the factor is worse than its estimate said
            return Err(Refusal::IllConditioned(factor.condition));
        }
        for j in 0..k {
            for i in 0..n {
                x[(i, j)] += correction[(i, j)];
            }
        }
        residual_norms = corrected_norms(&residual, &adjoint_residual, &gradient, &correction);
        // the next correction would be about relative² (each step contracts by `relative` or better)
        if relative * relative <= 0.25 * T::Real::EPSILON.to_f64() {
            break;
        }
        last = relative;
    }
    if residual_norms.iter().any(Option::is_none) {
        T::residual_sweep(a, x.as_ref(), b, residual.as_mut(), gradient.as_mut(), threads);
        residual_norms = linalg::column_norms(residual.as_ref()).into_iter().map(Some).collect();
    }
    let residual_norms = residual_norms.into_iter().flatten().collect();
    let dof = match penalty {
        _ if lambda == T::Real::ZERO => n as f64,
        _ => n as f64 - lambda.to_f64() * factor.inverse_trace(penalty, threads),
    };
    Ok(Direct { x, residual_norms, dof, rank: n, condition: factor.condition.sqrt() })
}

fn dual<T: Scalar>(a: MatRef<'_, T>, lambda: T::Real, b: MatRef<'_, T>, threads: Threads) -> Handed<Direct<T>> {
    let (m, n) = a.shape();
    let k = b.ncols();
    let mut kernel = linalg::zeros(m, m);
    T::gram(kernel.as_mut(), Accum::Replace, a, Op::None, threads);
    let size = (0..m).map(|i| kernel[(i, i)].real().to_f64()).sum::<f64>().sqrt();
    add_penalty(&mut kernel, &PenaltyRows::Identity, lambda, threads);
    let factor = factorize(kernel, threads)?;
    // Ky = b, x = Aᴴy, and the residual of the data is λy
    let mut y = linalg::copy(b);
    factor.solve(&mut y, threads);
    let mut x = linalg::zeros(n, k);
    let mut residual = linalg::zeros(m, k);
    for _ in 0..REFINEMENTS {
        linalg::multiply_block(a, Op::Adjoint, y.as_ref(), &mut x, threads);
        linalg::multiply_block(a, Op::None, x.as_ref(), &mut residual, threads);
        for j in 0..k {
            for i in 0..m {
                residual[(i, j)] = b[(i, j)] - residual[(i, j)] - y[(i, j)].scale(lambda);
            }
        }
        factor.solve(&mut residual, threads);
        let relative = linalg::relative_size(&residual, &y);
        if relative > 0.1 {
            return Err(Refusal::IllConditioned(factor.condition));
        }
        for j in 0..k {
            for i in 0..m {
                y[(i, j)] += residual[(i, j)];
            }
        }
        if relative * relative <= 0.25 * T::Real::EPSILON.to_f64() {
            break;
        }
    }
    linalg::multiply_block(a, Op::Adjoint, y.as_ref(), &mut x, threads);
    if lambda != T::Real::ZERO && cancels(&x, &y, size) {
        correct_in_x(a, lambda, b, &factor, &mut x, threads);
    }
    let residual_norms = if lambda == T::Real::ZERO {
        vec![0.0; k]
    } else {
        linalg::column_norms(y.as_ref()).iter().map(|norm| norm * lambda.to_f64()).collect()
    };
    let dof =
        m as f64 - if lambda == T::Real::ZERO { 0.0 } else { lambda.to_f64() * factor.inverse_trace(&PenaltyRows::Identity, threads) };
    let rank = if lambda == T::Real::ZERO { m } else { n };
    Ok(Direct { x, residual_norms, dof, rank, condition: factor.condition.sqrt() })
}

/// Whether x = Aᴴy is so much smaller than its terms that the rounding of y is more than that of x. y holds what A does
/// not explain of b, divided by λ: for a small λ it is large in directions that hardly reach x.
fn cancels<T: Scalar>(x: &Mat<T>, y: &Mat<T>, size: f64) -> bool {
    let (x_norms, y_norms) = (linalg::column_norms(x.as_ref()), linalg::column_norms(y.as_ref()));
    // ‖A‖ is at least the Frobenius norm over √m
    let size = size / (8.0 * (y.nrows().max(1) as f64).sqrt());
    x_norms.iter().zip(&y_norms).any(|(x, y)| size * y > *x)
}

/// One correction of x itself: x ← x + M⁻¹g with g = Aᴴ(b − Ax) − λx and M⁻¹g = (g − AᴴK⁻¹Ag)/λ.
fn correct_in_x<T: Scalar>(a: MatRef<'_, T>, lambda: T::Real, b: MatRef<'_, T>, factor: &Factor<T>, x: &mut Mat<T>, threads: Threads) {
    let ((m, n), k) = (a.shape(), b.ncols());
    let (mut data, mut gradient, mut back) = (linalg::zeros(m, k), linalg::zeros(n, k), linalg::zeros(n, k));
    linalg::multiply_block(a, Op::None, x.as_ref(), &mut data, threads);
    for j in 0..k {
        for i in 0..m {
            data[(i, j)] = b[(i, j)] - data[(i, j)];
        }
    }
    linalg::multiply_block(a, Op::Adjoint, data.as_ref(), &mut gradient, threads);
    for j in 0..k {
        for i in 0..n {
            gradient[(i, j)] = gradient[(i, j)] - x[(i, j)].scale(lambda);
        }
    }
    linalg::multiply_block(a, Op::None, gradient.as_ref(), &mut data, threads);
    factor.solve(&mut data, threads);
    linalg::multiply_block(a, Op::Adjoint, data.as_ref(), &mut back, threads);
    for j in 0..k {
        for i in 0..n {
            x[(i, j)] += (gradient[(i, j)] - back[(i, j)]) / T::from_real(lambda);
        }
    }
}

/// M = RRᴴ (R lower) with its condition.
struct Factor<T> {
    lower: Mat<T>,
    condition: f64,
}

fn factorize<T: Scalar>(mut normal: Mat<T>, threads: Threads) -> Handed<Factor<T>> {
    let n = normal.nrows();
    // ‖M‖₁ from the lower triangle, before it is overwritten
    let mut sums = vec![0.0; n];
    for j in 0..n {
        for i in j..n {
            let size = normal[(i, j)].modulus().to_f64();
            sums[j] += size;
            if i != j {
                sums[i] += size;
            }
        }
    }
    let norm = sums.into_iter().fold(0.0, f64::max);
    T::cholesky(normal.as_mut(), threads).map_err(|_| Refusal::IllConditioned(f64::INFINITY))?;
    let mut factor = Factor { lower: normal, condition: 1.0 };
    let solve = |x: &mut [T]| {
        let mut column = crate::linalg::MatMut::from_column_major_slice_mut(x, n, 1);
        T::solve_lower(factor.lower.as_ref(), Op::None, column.as_mut(), Threads::ONE);
        T::solve_lower(factor.lower.as_ref(), Op::Adjoint, column, Threads::ONE);
    };
    factor.condition = (norm * linalg::inverse_one_norm(n, &solve, &solve)).max(1.0);
    if !(factor.condition * T::Real::EPSILON.to_f64() <= LARGEST_CONDITION) {
        return Err(Refusal::IllConditioned(factor.condition));
    }
    Ok(factor)
}

impl<T: Scalar> Factor<T> {
    fn solve(&self, b: &mut Mat<T>, threads: Threads) {
        T::solve_lower(self.lower.as_ref(), Op::None, b.as_mut(), threads);
        T::solve_lower(self.lower.as_ref(), Op::Adjoint, b.as_mut(), threads);
    }

    /// tr(M⁻¹LᴴL) = ‖R⁻¹Lᴴ‖²_F.
    fn inverse_trace(&self, penalty: &PenaltyRows<T>, threads: Threads) -> f64 {
        let n = self.lower.nrows();
        match penalty {
            PenaltyRows::Dense(l) => {
                let mut columns = linalg::adjoint(l.as_ref());
                T::solve_lower(self.lower.as_ref(), Op::None, columns.as_mut(), threads);
                (0..columns.ncols()).map(|j| (0..n).map(|i| columns[(i, j)].modulus_squared().to_f64()).sum::<f64>()).sum()
            }
            _ => {
                let weight = |j: usize| match penalty {
                    PenaltyRows::Diagonal(w) => w[j].to_f64() * w[j].to_f64(),
                    _ => 1.0,
                };
                let mut inverse = linalg::zeros(n, n);
                T::invert_lower(self.lower.as_ref(), inverse.as_mut(), threads);
                (0..n).map(|j| weight(j) * (j..n).map(|i| inverse[(i, j)].modulus_squared().to_f64()).sum::<f64>()).sum()
            }
        }
    }
}

fn add_penalty<T: Scalar>(normal: &mut Mat<T>, penalty: &PenaltyRows<T>, lambda: T::Real, threads: Threads) {
    let n = normal.nrows();
    match penalty {
        PenaltyRows::Identity => (0..n).for_each(|j| normal[(j, j)] += T::from_real(lambda)),
        PenaltyRows::Diagonal(w) => (0..n).for_each(|j| normal[(j, j)] += T::from_real(lambda * w[j] * w[j])),
        PenaltyRows::Dense(l) => {
            let scaled = Mat::from_fn(l.nrows(), n, |i, j| l[(i, j)].scale(lambda.sqrt()));
            T::gram(normal.as_mut(), Accum::Add, scaled.as_ref(), Op::Adjoint, threads);
        }
    }
}

/// g ← g − λLᴴLx.
fn subtract_penalty_gradient<T: Scalar>(gradient: &mut Mat<T>, penalty: &PenaltyRows<T>, lambda: T::Real, x: &Mat<T>, threads: Threads) {
    let (n, k) = x.shape();
    let mut subtract = |weight: &dyn Fn(usize) -> T::Real| {
        for j in 0..k {
            for i in 0..n {
                gradient[(i, j)] -= x[(i, j)].scale(weight(i));
            }
        }
    };
    match penalty {
        PenaltyRows::Identity => subtract(&|_| lambda),
        PenaltyRows::Diagonal(w) => subtract(&|i| lambda * w[i] * w[i]),
        PenaltyRows::Dense(l) => {
            let mut lx = linalg::zeros(l.nrows(), k);
            T::product(lx.as_mut(), Accum::Replace, T::ONE, l.as_ref(), Op::None, x.as_ref(), Op::None, threads);
            T::product(gradient.as_mut(), Accum::Add, -T::from_real(lambda), l.as_ref(), Op::Adjoint, lx.as_ref(), Op::None, threads);
        }
    }
}

/// ‖r − A·dx‖² = ‖r‖² − 2Re⟨Aᴴr, dx⟩ + ‖A·dx‖², with ‖A·dx‖² ≤ Re⟨g, dx⟩ of second order: no further pass over A.
/// `None` where the correction is not small against r, so that the difference would cancel.
fn corrected_norms<T: Scalar>(residual: &Mat<T>, adjoint_residual: &Mat<T>, gradient: &Mat<T>, correction: &Mat<T>) -> Vec<Option<f64>> {
    let inner = |a: &Mat<T>, j: usize| -> f64 { (0..a.nrows()).map(|i| (a[(i, j)].conj() * correction[(i, j)]).real().to_f64()).sum() };
    let norms = linalg::column_norms(residual.as_ref());
    let corrected = |(j, norm): (usize, f64)| {
        let squared = norm * norm;
        let change = inner(gradient, j) - 2.0 * inner(adjoint_residual, j);
        (change.abs() <= 1e-6 * squared || change == 0.0).then(|| (squared + change).sqrt())
    };
    norms.into_iter().enumerate().map(corrected).collect()
}
