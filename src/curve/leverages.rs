//! A spectrum with the rows of U: what cross-validation and the rules that look at residuals need.
//!
//! With f = 1 − φ of each direction, b − Ax = b₀ + U(fβ) and 1 − h = c + |U|²f, |U|² entry by entry, b₀ the part of b outside the
//! range and c = 1 − (leverage of the unpenalised directions) − Σₖ|Uᵢₖ|². Both are sums with the factors f, so that r/(1 − h)
//! keeps its digits as λ → 0. For many λ together they are products with matrices whose columns are f and fβ, and U is read
//! once for both. Cost: 4mr flops for each λ of leave-one-out, 2mr for residuals alone.

use super::{Curve, FoldErrors, Point, RowVisitor, Spectrum, filter};
use crate::linalg::{self, Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar, c64};
use core::cell::RefCell;
use std::collections::HashMap;

/// A spectrum together with the rows of U.
pub(crate) struct Leverages<'a, T: Scalar> {
    pub spectrum: Spectrum,
    /// m×r, orthonormal columns, in the rows of the whitened data.
    pub basis: MatRef<'a, T>,
    /// m×q: an orthonormal basis of what the unpenalised directions fit, the intercept among them.
    pub free: MatRef<'a, T>,
    /// Which rows belong together.
    pub groups: Option<&'a [usize]>,
    pub threads: Threads,
    /// 1 − (leverage of the unpenalised directions) − Σₖ|Uᵢₖ|², never negative.
    pub complement: &'a [f64],
    /// For each right-hand side: its coefficients β and its part outside the range (m).
    pub columns: &'a [(Vec<T>, Vec<T>)],
    /// Residuals that one rule has made and another will ask for, by the bits of the damping.
    pub residuals: RefCell<HashMap<u64, Mat<T>>>,
}

/// 1 − q-leverages − Σ|Uᵢₖ|², with what is rounding set to 0.
/// `directions` counts the unpenalised ones.
pub(crate) fn complement<T: Scalar>(basis: MatRef<'_, T>, unpenalised: &[f64], directions: usize) -> Vec<f64> {
    let rows = basis.nrows();
    if rows <= basis.ncols() + directions {
        return vec![0.0; rows];
    }
    let mut used = vec![0.0; rows];
    let mut copied = Vec::new();
    for k in 0..basis.ncols() {
        for (used, u) in used.iter_mut().zip(linalg::column(basis, k, &mut copied)) {
            *used += u.modulus_squared().to_f64();
        }
    }
    (used.iter().enumerate())
        .map(|(i, used)| {
            let rest = 1.0 - unpenalised.get(i).copied().unwrap_or(0.0) - used;
            if rest < 64.0 * T::Real::EPSILON.to_f64() { 0.0 } else { rest }
        })
        .collect()
}

/// Numbers in a block of residuals that a product makes at once: 8 MB in double precision. A guess.
const BLOCK: usize = 1 << 20;

impl<T: Scalar> Leverages<'_, T> {
    /// Whether sums are kept in double by loops: a product in single precision does not.
    fn is_single() -> bool {
        T::Real::EPSILON.to_f64() > 1e-10
    }

    /// hᵢᵢ = 1 − (1 − hᵢᵢ).
    pub fn leverages(&self, damping: f64) -> Vec<f64> {
        self.gaps(&self.factors(damping)).into_iter().map(|gap| 1.0 - gap).collect()
    }

    /// fᵢ.
    fn factors(&self, damping: f64) -> Vec<f64> {
        self.spectrum.values.iter().map(|&value| filter(self.spectrum.effective(value, damping), damping).1).collect()
    }

    /// 1 − h of each row.
    fn gaps(&self, factors: &[f64]) -> Vec<f64> {
        let mut copied = Vec::new();
        let mut gap = self.complement.to_vec();
        for (k, f) in factors.iter().enumerate() {
            for (gap, &u) in gap.iter_mut().zip(linalg::column(self.basis, k, &mut copied)) {
                *gap += u.modulus_squared().to_f64() * f;
            }
        }
        gap
    }

    /// b − Ax = outside + U(fβ) for one right-hand side.
    fn residual(&self, factors: &[f64], (coefficients, outside): &(Vec<T>, Vec<T>)) -> Vec<T> {
        let mut residual = outside.clone();
        let mut copied = Vec::new();
        for (k, (&beta, &f)) in coefficients.iter().zip(factors).enumerate() {
            let weight = beta.scale(T::Real::from_f64(f));
            linalg::add_scaled(&mut residual, weight, linalg::column(self.basis, k, &mut copied));
        }
        residual
    }

    /// The squared errors of prediction of each row at one damping, right-hand side by right-hand side; false where a row
    /// decides its own fitted value.
    fn add_errors(residuals: MatRef<'_, T>, gaps: &[T::Real], total: &mut f64) -> bool {
        if gaps.iter().any(|gap| gap.to_f64() <= 0.0) {
            return false;
        }
        let mut copied = Vec::new();
        for j in 0..residuals.ncols() {
            for (r, gap) in linalg::column(residuals, j, &mut copied).iter().zip(gaps) {
                let gap = gap.to_f64();
                *total += r.modulus_squared().to_f64() / (gap * gap);
            }
        }
        true
    }

    /// Residuals (m×k) at the dampings of a block, and 1 − h where asked for (m×dampings).
    fn products(&self, block: &[f64], with_gaps: bool) -> (Vec<Mat<T>>, Option<Mat<T::Real>>) {
        let ((m, r), k) = (self.basis.shape(), self.columns.len());
        let factors: Vec<Vec<f64>> = block.iter().map(|&damping| self.factors(damping)).collect();
        let weights = Mat::from_fn(r, k * block.len(), |i, c| self.columns[c % k].0[i].scale(T::Real::from_f64(factors[c / k][i])));
        let mut residuals = Mat::from_fn(m, k * block.len(), |i, c| self.columns[c % k].1[i]);
        let gaps = with_gaps.then(|| {
            let weights = Mat::from_fn(r, block.len(), |i, c| T::Real::from_f64(factors[c][i]));
            (weights, Mat::from_fn(m, block.len(), |i, _| T::Real::from_f64(self.complement[i])))
        });
        let gaps = match gaps {
            Some((squares, mut gaps)) => {
                T::leverage_sweep(self.basis, squares.as_ref(), gaps.as_mut(), weights.as_ref(), residuals.as_mut(), self.threads);
                Some(gaps)
            }
            None => {
                T::product(residuals.as_mut(), Accum::Add, T::ONE, self.basis, Op::None, weights.as_ref(), Op::None, self.threads);
                None
            }
        };
        let each = (0..block.len()).map(|c| linalg::copy(residuals.as_ref().subcols(c * k, k))).collect();
        (each, gaps)
    }

    /// Keeps the residuals for the next rule, as long as they are few beside U.
    fn keep(&self, block: &[f64], residuals: Vec<Mat<T>>) {
        let mut kept = self.residuals.borrow_mut();
        for (damping, residuals) in block.iter().zip(residuals) {
            if (kept.len() + 1) * residuals.nrows() * residuals.ncols() <= BLOCK {
                kept.insert(damping.to_bits(), residuals);
            }
        }
    }

    /// Dampings that are computed at once.
    fn block_length(&self) -> usize {
        (BLOCK / (self.basis.nrows() * self.columns.len()).max(1)).max(1)
    }
}

impl<T: Scalar> Curve for Leverages<'_, T> {
    fn at(&self, damping: f64) -> Point {
        self.spectrum.at(damping)
    }
    fn interval(&self) -> (f64, f64) {
        self.spectrum.interval()
    }
    fn rows(&self) -> usize {
        self.spectrum.rows
    }
    fn inside(&self) -> (f64, f64) {
        self.spectrum.inside()
    }
    fn spectrum(&self) -> Option<&Spectrum> {
        Some(&self.spectrum)
    }
    fn groups(&self) -> Option<&[usize]> {
        self.groups
    }

    fn left_out(&self, dampings: &[f64]) -> Vec<Option<f64>> {
        let columns = self.columns.len().max(1) as f64;
        if Self::is_single() {
            let one = |&damping: &f64| self.left_out_rows(damping).map(|errors| errors.iter().sum());
            return dampings.iter().map(one).collect();
        }
        let mut all = Vec::with_capacity(dampings.len());
        for block in dampings.chunks(self.block_length()) {
            let (residuals, gaps) = self.products(block, true);
            let Some(gaps) = gaps else { return vec![None; dampings.len()] };
            for (c, residuals) in residuals.iter().enumerate() {
                let mut total = 0.0;
                let defined = Self::add_errors(residuals.as_ref(), gaps.col_as_slice(c), &mut total);
                all.push(defined.then_some(total / columns));
            }
            self.keep(block, residuals);
        }
        all
    }

    fn residuals(&self, dampings: &[f64]) -> Option<Vec<Vec<Vec<c64>>>> {
        let wide = |v: &T| c64::new(v.real().to_f64(), v.imaginary().to_f64());
        if Self::is_single() {
            let one = |&damping: &f64| {
                let factors = self.factors(damping);
                self.columns.iter().map(|column| self.residual(&factors, column).iter().map(wide).collect()).collect()
            };
            return Some(dampings.iter().map(one).collect());
        }
        let missing: Vec<f64> =
            dampings.iter().copied().filter(|damping| !self.residuals.borrow().contains_key(&damping.to_bits())).collect();
        let mut made = HashMap::new();
        for block in missing.chunks(self.block_length()) {
            made.extend(block.iter().map(|damping| damping.to_bits()).zip(self.products(block, false).0));
        }
        let kept = self.residuals.borrow();
        let one = |damping: &f64| {
            let residuals = kept.get(&damping.to_bits()).or_else(|| made.get(&damping.to_bits()))?;
            Some((0..residuals.ncols()).map(|j| residuals.col_as_slice(j).iter().map(wide).collect()).collect())
        };
        dampings.iter().map(one).collect()
    }

    fn truncated_rows(&self, order: &[usize], visit: &mut RowVisitor<'_>) -> bool {
        let wide = |v: T| c64::new(v.real().to_f64(), v.imaginary().to_f64());
        let dropped: Vec<usize> = (0..self.basis.ncols()).filter(|i| !order.contains(i)).collect();
        let mut gap = self.complement.to_vec();
        let mut residuals: Vec<Vec<c64>> = self.columns.iter().map(|(_, outside)| outside.iter().map(|&v| wide(v)).collect()).collect();
        let mut copied = Vec::new();
        let mut release = |k: usize, gap: &mut [f64], residuals: &mut [Vec<c64>]| {
            let column = linalg::column(self.basis, k, &mut copied);
            for (gap, &u) in gap.iter_mut().zip(column) {
                *gap += u.modulus_squared().to_f64();
            }
            for (residual, (coefficients, _)) in residuals.iter_mut().zip(self.columns) {
                for (r, &u) in residual.iter_mut().zip(column) {
                    *r += wide(u * coefficients[k]);
                }
            }
        };
        for k in dropped {
            release(k, &mut gap, &mut residuals);
        }
        for k in (0..=order.len()).rev() {
            visit(k, &gap, &residuals);
            if k > 0 {
                release(order[k - 1], &mut gap, &mut residuals);
            }
        }
        true
    }

    fn left_out_rows(&self, damping: f64) -> Option<Vec<f64>> {
        let factors = self.factors(damping);
        let gap = self.gaps(&factors);
        let mut errors = vec![0.0; gap.len()];
        for column in self.columns {
            for ((error, r), gap) in errors.iter_mut().zip(self.residual(&factors, column)).zip(&gap) {
                *error += (r.modulus().to_f64() / gap).powi(2) / self.columns.len() as f64;
            }
        }
        errors.iter().all(|e| e.is_finite()).then_some(errors)
    }

    /// The errors of predicting the rows S without them are (I − H_SS)⁻¹r_S, and I − H_SS = (I − UUᴴ − NNᴴ)_SS + U_S·diag(f)·U_Sᴴ:
    /// the first term does not depend on λ, and the second keeps its digits as λ → 0.
    fn folds<'s>(&'s self, folds: &'s [Vec<usize>]) -> Option<FoldErrors<'s>> {
        let (m, r) = self.basis.shape();
        if folds.iter().flatten().any(|&i| i >= m) {
            return None;
        }
        let full = m <= r + self.free.ncols();
        let rows = |of: MatRef<'_, T>, fold: &[usize]| Mat::from_fn(fold.len(), of.ncols(), |i, k| of[(fold[i], k)]);
        let prepared: Vec<(Mat<T>, Option<Mat<T>>)> = folds
            .iter()
            .map(|fold| {
                let u = rows(self.basis, fold);
                let complement = (!full).then(|| {
                    let mut gap = Mat::from_fn(fold.len(), fold.len(), |i, j| if i == j { T::ONE } else { T::ZERO });
                    for part in [u.as_ref(), rows(self.free, fold).as_ref()] {
                        T::product(gap.as_mut(), Accum::Add, -T::ONE, part, Op::None, part, Op::Adjoint, self.threads);
                    }
                    gap
                });
                (u, complement)
            })
            .collect();
        Some(Box::new(move |damping| {
            let factors = self.factors(damping);
            let residuals: Vec<Vec<T>> = self.columns.iter().map(|column| self.residual(&factors, column)).collect();
            let mut errors = Vec::with_capacity(folds.len());
            for (fold, (u, complement)) in folds.iter().zip(&prepared) {
                let s = fold.len();
                let weighted = Mat::from_fn(s, r, |i, k| u[(i, k)].scale(T::Real::from_f64(factors[k].sqrt())));
                let mut gap = complement.clone().unwrap_or_else(|| linalg::zeros(s, s));
                T::gram(gap.as_mut(), Accum::Add, weighted.as_ref(), Op::None, self.threads);
                // a pivot at rounding level: the fold decides its own fitted values, whatever λ is
                T::cholesky(gap.as_mut(), self.threads).ok()?;
                let least = (0..s).map(|i| gap[(i, i)].real().to_f64()).fold(f64::INFINITY, f64::min);
                let largest = (0..s).map(|i| gap[(i, i)].real().to_f64()).fold(0.0, f64::max);
                if !(least * least > 64.0 * T::Real::EPSILON.to_f64() * largest * largest * s as f64) && !full {
                    return None;
                }
                let mut e = Mat::from_fn(s, residuals.len(), |i, j| residuals[j][fold[i]]);
                T::solve_lower(gap.as_ref(), Op::None, e.as_mut(), self.threads);
                T::solve_lower(gap.as_ref(), Op::Adjoint, e.as_mut(), self.threads);
                let total: f64 = linalg::column_norms(e.as_ref()).iter().map(|norm| norm * norm).sum();
                errors.push(total / residuals.len().max(1) as f64);
            }
            Some(errors)
        }))
    }
}
