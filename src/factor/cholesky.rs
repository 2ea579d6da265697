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

use super::qr::stacked;
use super::refine::{self, Refined};
use super::{Handed, Refusal};
use crate::linalg::{self, Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};
use crate::transform::data_matrix::DataMatrix;
use crate::transform::standard_form::PenaltyRows;

/// κ(M)·ε above this is handed back: two refinement steps then still reach the accuracy of QR.
/// Measured: tests/nist.rs, where with 1e-4 no set and no λ is half a digit below a stacked QR.
pub(super) const LARGEST_CONDITION: f64 = 1e-4;

/// From this κ(M) on, residuals are accumulated in twice the precision where the problem is small: below it nothing is
/// lost against QR. Measured: tests/nist.rs.
pub(super) const EXTEND_FROM: f64 = 1e2;
/// Entries of [A; √λL] up to which that is done (75 flops an entry and step, one thread): this many, or κ(M) times
/// [`EXTEND_PER_CONDITION`] where that is less. Beyond, working precision keeps all but about half a digit.
pub(super) const EXTEND_ENTRIES: f64 = 2e5;
/// See [`EXTEND_ENTRIES`].
pub(super) const EXTEND_PER_CONDITION: f64 = 40.0;

/// The solution of one λ by a direct factorization.
pub(crate) struct Direct<T> {
    /// n×k.
    pub x: Mat<T>,
    /// ‖b − Ax‖ for each right-hand side.
    pub residual_norms: Vec<f64>,
    /// tr of the hat matrix, where it was asked for.
    pub dof: Option<f64>,
    /// Numerical rank of the stacked matrix.
    pub rank: usize,
    /// Estimated condition number of the stacked matrix [A; √λL].
    pub condition: f64,
}

/// Solves with L = I, diagonal or any.
pub(crate) fn solve<T: Scalar>(
    a: &DataMatrix<'_, T>,
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
        PenaltyRows::Identity if m < n => dual(a.view(), lambda, b, threads),
        _ => primal(a, penalty, lambda, b, threads),
    }
}

fn primal<T: Scalar>(
    a: &DataMatrix<'_, T>,
    penalty: &PenaltyRows<T>,
    lambda: T::Real,
    b: MatRef<'_, T>,
    threads: Threads,
) -> Handed<Direct<T>> {
    let ((m, n), k) = (a.shape(), b.ncols());
    let (mut normal, mut x) = (linalg::zeros(n, n), linalg::zeros(n, k));
    a.normal_equations(b, normal.as_mut(), x.as_mut(), threads);
    add_penalty(&mut normal, penalty, lambda, threads);
    let factor = factorize(normal, threads)?;

    factor.solve(&mut x, threads);
    let subtract = |x: &Mat<T>, gradient: &mut Mat<T>| subtract_penalty_gradient(gradient, penalty, lambda, x, threads);
    let solve = |c: &mut Mat<T>| {
        factor.solve(c, threads);
        Ok(())
    };
    let extend = factor.condition > EXTEND_FROM && ((m + n) * n) as f64 <= EXTEND_ENTRIES.min(EXTEND_PER_CONDITION * factor.condition);
    let Refined { x, residual_norms } = match extend {
        true => refine::stacked(stacked(a.view(), penalty, lambda.sqrt()).as_ref(), b, x, &solve)?,
        false => refine::primal(a, b, x, &subtract, &solve, threads)?,
    };
    let dof = match penalty {
        _ if lambda == T::Real::ZERO => n as f64,
        _ => n as f64 - lambda.to_f64() * factor.inverse_trace(penalty, threads),
    };
    Ok(Direct { x, residual_norms, dof: Some(dof), rank: n, condition: factor.condition.sqrt() })
}

fn dual<T: Scalar>(a: MatRef<'_, T>, lambda: T::Real, b: MatRef<'_, T>, threads: Threads) -> Handed<Direct<T>> {
    let (m, n) = a.shape();
    let mut kernel = linalg::zeros(m, m);
    T::gram(kernel.as_mut(), Accum::Replace, a, Op::None, threads);
    let size = (0..m).map(|i| kernel[(i, i)].real().to_f64()).sum::<f64>().sqrt();
    add_penalty(&mut kernel, &PenaltyRows::Identity, lambda, threads);
    let factor = factorize(kernel, threads)?;
    let solve = |c: &mut Mat<T>| {
        factor.solve(c, threads);
        Ok(())
    };
    let mut y = linalg::copy(b);
    solve(&mut y)?;
    let Refined { x, residual_norms } = refine::dual(a, size, b, y, &vec![lambda.to_f64(); b.ncols()], &solve, threads)?;
    let dof =
        m as f64 - if lambda == T::Real::ZERO { 0.0 } else { lambda.to_f64() * factor.inverse_trace(&PenaltyRows::Identity, threads) };
    let rank = if lambda == T::Real::ZERO { m } else { n };
    Ok(Direct { x, residual_norms, dof: Some(dof), rank, condition: factor.condition.sqrt() })
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
    T::cholesky(normal.as_mut(), threads).map_err(|_| Refusal::IllConditioned(1.0 / T::Real::EPSILON.to_f64()))?;
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
