//! The problem on a known pattern of zeros: least squares under linear equations.
//!
//! ```text
//! minimise   ½‖b̄ − Āx‖² + cᵀ(Lx)_F + ½Σγᵢ(Lx)ᵢ²   subject to  (Lx)_Z = 0
//! ```
//! and multipliers w with Lᵀw = Āᵀ(b̄ − Āx), w_F = c + γ(Lx)_F.
//!
//! Up to a few hundred unknowns with an orthonormal basis of the null space of L_Z (QR with pivoting, one refinement), whatever the condition of L_Z;
//! its multipliers need not be unique, and those nearest in few places to the ones at hand are taken. Beyond that with the method of multipliers on
//! the sparse or dense factorization of ĀᵀĀ + ΣγlᵀL + ρL_ZᵀL_Z, ρ raised as long as it converges slowly. What either loses the gap shows.
//!
//! Cost: 2n²·abs(Z) + n³; or a factorization for each ρ and two solves a step.

use super::{General, Normal};
use crate::linalg::{self, Accum, Kernels, Mat, Op};

/// Entries of L_Z up to which a basis of its null space is formed. A guess: about a tenth of a second.
const BASIS_UP_TO: usize = 400_000;
/// The first ρ of the method of multipliers, times that of the iteration, and what it is raised by. A guess.
const FIRM: f64 = 100.0;
/// Steps of the method of multipliers with one ρ, and how often ρ is raised: beyond 1e6 times it rounding spoils the multipliers.
const STEPS: usize = 20;
const RAISES: usize = 3;

impl General<'_, '_> {
    /// x and w; `w` comes with c where a row is free and with the multipliers at hand elsewhere. `None` where the problem is singular.
    pub(super) fn constrained(
        &self,
        zero: &[bool],
        gamma: &dyn Fn(usize) -> f64,
        b: &[f64],
        atb: &[f64],
        rho: f64,
        w: Vec<f64>,
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        let fixed = zero.iter().filter(|&&zero| zero).count();
        match fixed.saturating_mul(atb.len()) <= BASIS_UP_TO && atb.len().saturating_mul(atb.len()) <= BASIS_UP_TO {
            true => self.by_basis(zero, gamma, b, w),
            false => self.by_multipliers(zero, gamma, atb, rho, w),
        }
    }

    fn by_basis(&self, zero: &[bool], gamma: &dyn Fn(usize) -> f64, b: &[f64], mut w: Vec<f64>) -> Option<(Vec<f64>, Vec<f64>)> {
        let (n, threads) = (self.design.columns, self.design.threads);
        let fixed: Vec<usize> = (0..w.len()).filter(|&i| zero[i]).collect();
        let mut rows = linalg::zeros(n, fixed.len());
        for (k, &i) in fixed.iter().enumerate() {
            let (columns, values) = self.l.row(i);
            columns.iter().zip(values).for_each(|(&j, &value)| rows[(j, k)] = value);
        }
        let (reflectors, order) = f64::qr_pivoted(rows, threads);
        let size = n.min(fixed.len());
        let r = |i: usize, j: usize| reflectors.basis[(i, j)];
        let tolerance = n.max(fixed.len()) as f64 * f64::EPSILON * if size > 0 { r(0, 0).abs() } else { 0.0 };
        let rank = (0..size).filter(|&k| r(k, k).abs() > tolerance).count();
        let mut q = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
        f64::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::None, q.as_mut(), threads);
        let free = n - rank;
        let basis = q.as_ref().subcols(rank, free);
        // Qᵀ(ĀᵀĀ + Σγllᵀ)Q
        let mut normal = match &self.normal {
            Normal::Dense(gram) => gram.clone(),
            Normal::Sparse(..) => self.design.gram(&(0..n).collect::<Vec<_>>()),
        };
        self.add_rows(&mut normal, &|i| if zero[i] { 0.0 } else { gamma(i) });
        let mut image = linalg::zeros(n, free);
        f64::self_adjoint_product(image.as_mut(), normal.as_ref(), basis, threads);
        let mut small = linalg::zeros(free, free);
        f64::product(small.as_mut(), Accum::Replace, 1.0, basis, Op::Adjoint, image.as_ref(), Op::None, threads);
        f64::cholesky(small.as_mut(), threads).ok()?;
        let (mut x, mut v) = (vec![0.0; n], vec![0.0; w.len()]);
        let mut rest = vec![0.0; n];
        // the second turn is refinement: the gradient is taken from x itself
        for _ in 0..3 {
            self.image(&x, &mut v);
            let pulled: Vec<f64> = (0..w.len()).map(|i| if zero[i] { 0.0 } else { w[i] + gamma(i) * v[i] }).collect();
            self.design.gradient(&self.design.residual(b, &x), None, &mut rest);
            self.l.add_adjoint_product(-1.0, &pulled, &mut rest);
            let mut step = Mat::from_fn(free, 1, |k, _| linalg::dot(q.col_as_slice(rank + k), &rest));
            f64::solve_lower(small.as_ref(), Op::None, step.as_mut(), threads);
            f64::solve_lower(small.as_ref(), Op::Adjoint, step.as_mut(), threads);
            (0..free).for_each(|k| linalg::add_scaled(&mut x, step[(k, 0)], q.col_as_slice(rank + k)));
        }
        // what is left of the gradient is in the range of L_Zᵀ: multipliers that balance it
        self.image(&x, &mut v);
        (0..w.len()).filter(|&i| !zero[i]).for_each(|i| w[i] += gamma(i) * v[i]);
        self.design.gradient(&self.design.residual(b, &x), None, &mut rest);
        self.l.add_adjoint_product(-1.0, &w, &mut rest);
        let mut change = Mat::from_fn(rank, 1, |k, _| linalg::dot(q.col_as_slice(k), &rest));
        let upper = Mat::from_fn(rank, rank, |i, j| if i <= j { r(i, j) } else { 0.0 });
        f64::solve_upper(upper.as_ref(), Op::None, change.as_mut(), threads);
        (0..rank).for_each(|k| w[fixed[order[k]]] += change[(k, 0)]);
        (x.iter().chain(&w).all(|value| value.is_finite())).then_some((x, w))
    }

    fn by_multipliers(
        &self,
        zero: &[bool],
        gamma: &dyn Fn(usize) -> f64,
        atb: &[f64],
        rho: f64,
        mut w: Vec<f64>,
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        let (mut x, mut v) = (vec![0.0; atb.len()], vec![0.0; w.len()]);
        let mut rho = FIRM * rho;
        'raise: for _ in 0..=RAISES {
            let factor = self.factor(&|i| if zero[i] { rho } else { gamma(i) })?;
            let mut last = f64::INFINITY;
            for _ in 0..STEPS {
                x.copy_from_slice(atb);
                self.l.add_adjoint_product(-1.0, &w, &mut x);
                self.solve(&factor, &mut x);
                self.image(&x, &mut v);
                let (mut off, mut size) = (0.0f64, 0.0f64);
                for i in (0..w.len()).filter(|&i| zero[i]) {
                    w[i] += rho * v[i];
                    (off, size) = (off.max((rho * v[i]).abs()), size.max(w[i].abs()));
                }
                if !off.is_finite() {
                    return None;
                }
                if off <= 1e-15 * size {
                    break 'raise;
                }
                if off > 0.3 * last {
                    break;
                }
                last = off;
            }
            rho *= FIRM;
        }
        (0..w.len()).filter(|&i| !zero[i]).for_each(|i| w[i] += gamma(i) * v[i]);
        Some((x, w))
    }
}
