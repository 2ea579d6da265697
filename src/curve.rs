//! λ ↦ residual norm, penalty norm, degrees of freedom: all that a parameter-choice rule may see.
//!
//! Symbols, as in Hansen (1998, doi:10.1137/1.9780898719697): σᵢ (generalized) singular values, βᵢ = uᵢᴴb, d = √λ the
//! damping, φᵢ = σᵢ²/(σᵢ² + d²) the filter factors, fᵢ = 1 − φᵢ, t = log λ. With m rows and q unpenalised directions
//!
//! ```text
//! ρ = ‖Ax − b‖² = Σ fᵢ²|βᵢ|² + δ₀      η = ‖Lx‖² = Σ (φᵢ|βᵢ|/σᵢ)²
//! tr(I − H) = (m − q − r) + Σ fᵢ       dof = q + Σ φᵢ        tr H² = q + Σ φᵢ²
//! ```
//! and every derivative in t is a sum of the same kind (dfᵢ/dt = fᵢφᵢ): O(r) for each λ, nothing is divided by λ, and no
//! difference of nearly equal numbers is formed.

use crate::linalg::{self, Accum, Kernels, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar, c64};
use core::cell::RefCell;
use std::collections::HashMap;

/// A value with its first and second derivative in t = log λ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Jet {
    pub value: f64,
    pub slope: f64,
    pub bend: f64,
}

/// Everything a rule may look at, at one λ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Point {
    /// ρ, the squared residual norm.
    pub residual: Jet,
    /// η, the squared penalty norm.
    pub penalty: Jet,
    /// tr(I − H).
    pub trace: Jet,
    /// tr H².
    pub trace_squared: Jet,
}

/// λ ↦ [`Point`], with λ given by its damping √λ.
pub(crate) trait Curve {
    fn at(&self, damping: f64) -> Point;
    /// The dampings between which λ makes any difference.
    fn interval(&self) -> (f64, f64);
    /// m.
    fn rows(&self) -> usize;
    /// Σ |rᵢ/(1 − hᵢᵢ)|² where the leverages are known.
    fn leave_one_out(&self, damping: f64) -> Option<Jet>;
    /// [`leave_one_out`](Curve::leave_one_out) at many dampings, where that is cheaper than one by one.
    fn leave_one_out_at(&self, dampings: &[f64]) -> Vec<Option<Jet>> {
        dampings.iter().map(|&damping| self.leave_one_out(damping)).collect()
    }
    /// |rᵢ/(1 − hᵢᵢ)|² of each row (the mean over several right-hand sides).
    fn left_out_rows(&self, _: f64) -> Option<Vec<f64>> {
        None
    }
    /// The dampings among the singular values, for rules that have nothing to say beyond them.
    fn inside(&self) -> (f64, f64) {
        self.interval()
    }
    /// The sums over the spectrum behind this curve, where it is one.
    fn spectrum(&self) -> Option<&Spectrum> {
        None
    }
    /// b − Ax for each right-hand side, where the rows are known.
    fn residuals(&self, _: f64) -> Option<Vec<Vec<c64>>> {
        None
    }
    /// [`residuals`](Curve::residuals) at many dampings, where that is cheaper than one by one.
    fn residuals_at(&self, dampings: &[f64]) -> Option<Vec<Vec<Vec<c64>>>> {
        dampings.iter().map(|&damping| self.residuals(damping)).collect()
    }
    /// Prediction errors of rows left out together, where the rows are known.
    fn folds<'s>(&'s self, _: &'s [Vec<usize>]) -> Option<FoldErrors<'s>> {
        None
    }
    /// Which rows belong together, where the caller said so.
    fn groups(&self) -> Option<&[usize]> {
        None
    }
    /// Whether the filter factors are σ²/(σ² + λ), so that λ·dη/dλ = −dρ/dλ.
    fn is_tikhonov(&self) -> bool {
        true
    }
    /// Visits k = r, …, 0 with 1 − h and b − Ax of each row when the first k directions of `order` are kept; false where
    /// the rows are not known.
    fn truncated_rows(&self, _order: &[usize], _visit: &mut RowVisitor<'_>) -> bool {
        false
    }
}

/// What sees k, 1 − h of every row, and the residuals of every right-hand side.
pub(crate) type RowVisitor<'v> = dyn FnMut(usize, &[f64], &[Vec<c64>]) + 'v;

/// Damping ↦ the sum of squared prediction errors of each fold (the mean over several right-hand sides); `None` where a
/// fold decides
/// its own fitted values.
pub(crate) type FoldErrors<'s> = Box<dyn Fn(f64) -> Option<Vec<f64>> + 's>;

/// φ = σ²/(σ² + d²) and f = 1 − φ, each to full relative accuracy.
#[inline]
pub(crate) fn filter(value: f64, damping: f64) -> (f64, f64) {
    if value == 0.0 {
        return (0.0, 1.0);
    }
    let ratio = damping / value;
    let square = ratio * ratio;
    if square == f64::INFINITY {
        let inverse = value / damping;
        return (inverse * inverse, 1.0);
    }
    let phi = 1.0 / (1.0 + square);
    (phi, square * phi)
}

/// φβ/σ = βσ/(σ² + d²), without intermediate overflow: the coefficient of the solution on its singular vector.
#[inline]
pub(crate) fn damped_coefficient(value: f64, damping: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value >= damping {
        let ratio = damping / value;
        1.0 / (value * (1.0 + ratio * ratio))
    } else {
        let ratio = value / damping;
        ratio / (damping * (1.0 + ratio * ratio))
    }
}

/// Singular values and coefficients of one right-hand side (or the root mean square over several).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spectrum {
    /// σᵢ, the penalised directions.
    pub(crate) values: Vec<f64>,
    /// |βᵢ|.
    pub(crate) coefficients: Vec<f64>,
    /// δ₀: the squared norm of the part of b that no x reaches.
    pub(crate) outside: f64,
    /// m.
    pub(crate) rows: usize,
    /// q: unpenalised directions, the intercept among them.
    pub(crate) unpenalised: usize,
    /// Values up to this one are rounding: they count as 0 for a damping below it, and no rule looks below it.
    pub(crate) tolerance: f64,
}

impl Spectrum {
    /// The value that is inverted at this damping: 0 for what is rounding and would be amplified.
    pub fn effective(&self, value: f64, damping: f64) -> f64 {
        if value <= self.tolerance && damping < self.tolerance { 0.0 } else { value }
    }

    /// q + Σφᵢ.
    pub fn dof(&self, damping: f64) -> f64 {
        let kept: f64 = self.values.iter().map(|&value| filter(self.effective(value, damping), damping).0).sum();
        self.unpenalised as f64 + kept
    }

    /// m − q − r: rows beyond every direction of A.
    pub(crate) fn spare_rows(&self) -> f64 {
        self.rows.saturating_sub(self.unpenalised + self.values.len()) as f64
    }

    /// The largest finite value: an infinite (generalized) one is a direction that the penalty does not see.
    pub(crate) fn largest(&self) -> f64 {
        self.values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max)
    }

    /// Σ g(σ, β, φ, f) over the spectrum.
    fn sum<const N: usize>(&self, damping: f64, term: impl Fn(f64, f64, f64, f64) -> [f64; N]) -> [f64; N] {
        let mut total = [0.0; N];
        for (&value, &coefficient) in self.values.iter().zip(&self.coefficients) {
            let value = self.effective(value, damping);
            let (phi, f) = filter(value, damping);
            for (total, term) in total.iter_mut().zip(term(value, coefficient, phi, f)) {
                *total += term;
            }
        }
        total
    }

    /// Σ(φfβ/σ)² = ‖L·dx/dt‖².
    pub(crate) fn motion(&self, damping: f64) -> Jet {
        let [value, slope, bend] = self.sum(damping, |value, coefficient, phi, f| {
            let speed = damped_coefficient(value, damping) * f * coefficient;
            let square = speed * speed;
            [square, 2.0 * square * (phi - f), square * (4.0 * (phi - f) * (phi - f) - 4.0 * phi * f)]
        });
        Jet { value, slope, bend }
    }

    /// Σ(φ/σ)²: the variance that white noise of unit variance puts into Lx.
    pub(crate) fn variance(&self, damping: f64) -> Jet {
        let [value, slope, bend] = self.sum(damping, |value, _, phi, f| {
            let gain = damped_coefficient(value, damping);
            let square = gain * gain;
            [square, -2.0 * square * f, -2.0 * square * f * (phi - 2.0 * f)]
        });
        Jet { value, slope, bend }
    }

    /// bᴴ(I − H)b = ρ + λη = Σf|β|² + δ₀.
    pub(crate) fn quadratic(&self, damping: f64) -> Jet {
        let [value, slope, bend] = self.sum(damping, |_, coefficient, phi, f| {
            let square = f * coefficient * coefficient;
            [square, square * phi, square * phi * (phi - f)]
        });
        Jet { value: value + self.outside, slope, bend }
    }

    /// Σ log fᵢ over the penalised directions that A sees.
    pub(crate) fn log_determinant(&self, damping: f64) -> Jet {
        let [value, slope, bend] = self.sum(damping, |value, _, phi, f| {
            // log f = −log(1 + σ²/λ) keeps its digits where f is near 1, and where it underflows
            let ratio = damping / value;
            let log = if value == 0.0 {
                0.0
            } else if ratio > 1.0 {
                -(1.0 / (ratio * ratio)).ln_1p()
            } else {
                2.0 * ratio.ln() - (ratio * ratio).ln_1p()
            };
            [if value.is_finite() { log } else { 0.0 }, phi, -phi * f]
        });
        Jet { value, slope, bend }
    }

    /// Σf³|β|² + δ₀ over √(Σf⁴|β|² + δ₀): what the monotone-error rule compares with the noise.
    pub(crate) fn monotone_error(&self, damping: f64) -> f64 {
        let [third, fourth] = self.sum(damping, |_, coefficient, _, f| {
            let square = f * f * f * coefficient * coefficient;
            [square, square * f]
        });
        (third + self.outside) / (fourth + self.outside).sqrt()
    }
}

impl Curve for Spectrum {
    fn at(&self, damping: f64) -> Point {
        let mut point = Point::default();
        let Point { residual, penalty, trace, trace_squared } = &mut point;
        for (&value, &coefficient) in self.values.iter().zip(&self.coefficients) {
            let value = self.effective(value, damping);
            let (phi, f) = filter(value, damping);
            let left = f * coefficient;
            let left = left * left;
            residual.value += left;
            residual.slope += 2.0 * left * phi;
            residual.bend += 2.0 * left * phi * (2.0 - 3.0 * f);
            let kept = if value == 0.0 { 0.0 } else { phi / value * coefficient };
            let kept = kept * kept;
            penalty.value += kept;
            penalty.slope -= 2.0 * kept * f;
            penalty.bend -= 2.0 * kept * f * (phi - 2.0 * f);
            trace.value += f;
            trace.slope += f * phi;
            trace.bend += f * phi * (phi - f);
            trace_squared.value += phi * phi;
            trace_squared.slope -= 2.0 * phi * phi * f;
            trace_squared.bend -= 2.0 * phi * phi * f * (phi - 2.0 * f);
        }
        residual.value += self.outside;
        trace.value += self.spare_rows();
        trace_squared.value += self.unpenalised as f64;
        point
    }

    fn interval(&self) -> (f64, f64) {
        let largest = self.largest();
        if largest == 0.0 {
            return (0.0, 0.0);
        }
        let smallest = self.values.iter().copied().filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
        // below √ε·σ_min every filter factor is 1 to rounding; below 16 ε·σ_max the values themselves are rounding
        let low = (16.0 * f64::EPSILON * largest).max(f64::EPSILON.sqrt() * smallest / 4.0).max(self.tolerance);
        (low.max(f64::MIN_POSITIVE), (100.0 * largest).max(low).min(f64::MAX))
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn leave_one_out(&self, _: f64) -> Option<Jet> {
        None
    }

    fn inside(&self) -> (f64, f64) {
        let largest = self.largest();
        let smallest = self.values.iter().copied().filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
        let low = (16.0 * f64::EPSILON * largest).max(smallest).max(self.tolerance);
        // values of one size leave no room between them
        if low < 0.5 * largest { (low.max(f64::MIN_POSITIVE), largest) } else { self.interval() }
    }

    fn spectrum(&self) -> Option<&Spectrum> {
        Some(self)
    }
}

/// A spectrum together with the rows of U, which cross-validation and the rules that look at residuals need.
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
}

/// 1 − q-leverages − Σ|Uᵢₖ|², with what is rounding set to 0.
/// `directions` counts the unpenalised ones.
pub(crate) fn complement<T: Scalar>(basis: MatRef<'_, T>, unpenalised: &[f64], directions: usize) -> Vec<f64> {
    let full = basis.nrows() <= basis.ncols() + directions;
    (0..basis.nrows())
        .map(|i| {
            if full {
                return 0.0;
            }
            let used: f64 = (0..basis.ncols()).map(|k| basis[(i, k)].modulus_squared().to_f64()).sum();
            let rest = 1.0 - unpenalised.get(i).copied().unwrap_or(0.0) - used;
            if rest < 64.0 * T::Real::EPSILON.to_f64() { 0.0 } else { rest }
        })
        .collect()
}

/// Numbers in a block of residuals that a product makes at once: 8 MB in double precision.
const BLOCK: usize = 1 << 20;

/// Adds |u|² with u = r/(1 − h) and its derivatives to a sum: h' = −(1 − h)'.
fn add_left_out<T: Scalar>(total: &mut Jet, gap: [f64; 3], residual: [T; 3]) {
    let divide = |x: T, g: f64| x.scale(T::Real::from_f64(1.0 / g));
    let u = divide(residual[0], gap[0]);
    let u1 = divide(residual[1] - u.scale(T::Real::from_f64(gap[1])), gap[0]);
    let u2 = divide(residual[2] - u1.scale(T::Real::from_f64(2.0 * gap[1])) - u.scale(T::Real::from_f64(gap[2])), gap[0]);
    total.value += u.modulus_squared().to_f64();
    total.slope += 2.0 * (u.conj() * u1).real().to_f64();
    total.bend += 2.0 * (u1.modulus_squared().to_f64() + (u.conj() * u2).real().to_f64());
}

impl<T: Scalar> Leverages<'_, T> {
    /// The mean over the right-hand sides.
    fn mean(&self, total: Jet) -> Jet {
        let columns = self.columns.len().max(1) as f64;
        Jet { value: total.value / columns, slope: total.slope / columns, bend: total.bend / columns }
    }

    /// hᵢᵢ = 1 − (1 − hᵢᵢ).
    pub fn leverages(&self, damping: f64) -> Vec<f64> {
        let mut copied = Vec::new();
        let mut gap = self.complement.to_vec();
        for (k, &(_, f)) in self.factors(damping).iter().enumerate() {
            for (gap, &u) in gap.iter_mut().zip(linalg::column(self.basis, k, &mut copied)) {
                *gap += u.modulus_squared().to_f64() * f;
            }
        }
        gap.into_iter().map(|gap| 1.0 - gap).collect()
    }

    /// (φᵢ, fᵢ).
    fn factors(&self, damping: f64) -> Vec<(f64, f64)> {
        self.spectrum.values.iter().map(|&value| filter(self.spectrum.effective(value, damping), damping)).collect()
    }

    /// b − Ax = outside + U(fβ) for one right-hand side.
    fn residual(&self, factors: &[(f64, f64)], (coefficients, outside): &(Vec<T>, Vec<T>)) -> Vec<T> {
        let mut residual = outside.clone();
        let mut copied = Vec::new();
        for (k, (&beta, &(_, f))) in coefficients.iter().zip(factors).enumerate() {
            let weight = beta.scale(T::Real::from_f64(f));
            linalg::add_scaled(&mut residual, weight, linalg::column(self.basis, k, &mut copied));
        }
        residual
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

    fn residuals(&self, damping: f64) -> Option<Vec<Vec<c64>>> {
        let factors = self.factors(damping);
        let wide = |v: T| c64::new(v.real().to_f64(), v.imaginary().to_f64());
        Some(self.columns.iter().map(|column| self.residual(&factors, column).into_iter().map(wide).collect()).collect())
    }

    /// With u = r/(1 − h): (1 − h)u' = r' + h'u and (1 − h)u'' = r'' + 2h'u' + h''u. Both r and 1 − h are sums with the
    /// factors fᵢ, so that their ratio keeps its digits as λ → 0.
    fn leave_one_out(&self, damping: f64) -> Option<Jet> {
        let m = self.basis.nrows();
        let factors = self.factors(damping);
        let mut copied = Vec::new();
        // per row: 1 − h and its two derivatives, then three residual sums for each right-hand side
        let mut gap = [self.complement.to_vec(), vec![0.0; m], vec![0.0; m]];
        for (k, &(phi, f)) in factors.iter().enumerate() {
            let column = linalg::column(self.basis, k, &mut copied);
            let weights = [f, f * phi, f * phi * (phi - f)];
            let [g0, g1, g2] = &mut gap;
            for (((&u, g0), g1), g2) in column.iter().zip(g0).zip(g1).zip(g2) {
                let square = u.modulus_squared().to_f64();
                *g0 += square * weights[0];
                *g1 += square * weights[1];
                *g2 += square * weights[2];
            }
        }
        if gap[0].iter().any(|&gap| gap <= 0.0) {
            // the row decides its own fitted value whatever λ is: leave-one-out is not defined for it
            return None;
        }
        let mut total = Jet::default();
        for (coefficients, outside) in self.columns {
            let mut residual = [outside.clone(), vec![T::ZERO; m], vec![T::ZERO; m]];
            for (k, &(phi, f)) in factors.iter().enumerate() {
                let column = linalg::column(self.basis, k, &mut copied);
                let beta = [f, f * phi, f * phi * (phi - f)].map(|w| coefficients[k].scale(T::Real::from_f64(w)));
                for (residual, beta) in residual.iter_mut().zip(beta) {
                    linalg::add_scaled(residual, beta, column);
                }
            }
            for i in 0..m {
                add_left_out(&mut total, [gap[0][i], gap[1][i], gap[2][i]], [residual[0][i], residual[1][i], residual[2][i]]);
            }
        }
        Some(self.mean(total))
    }

    /// The sums of [`leave_one_out`](Self::leave_one_out) as two matrix products for many λ together.
    fn leave_one_out_at(&self, dampings: &[f64]) -> Vec<Option<Jet>> {
        let (m, r) = self.basis.shape();
        // in single precision the sums are kept in double, which a product is not
        if T::Real::EPSILON.to_f64() > 1e-10 || m == 0 || r == 0 {
            return dampings.iter().map(|&damping| self.leave_one_out(damping)).collect();
        }
        let squares = Mat::from_fn(m, r, |i, k| self.basis[(i, k)].modulus_squared());
        let mut all = Vec::with_capacity(dampings.len());
        for block in dampings.chunks((BLOCK / m).max(1)) {
            let factors: Vec<Vec<(f64, f64)>> = block.iter().map(|&damping| self.factors(damping)).collect();
            let weight = |k: usize, c: usize| {
                let (phi, f) = factors[c / 3][k];
                T::Real::from_f64([f, f * phi, f * phi * (phi - f)][c % 3])
            };
            let weights = Mat::from_fn(r, 3 * block.len(), weight);
            let mut gap = Mat::from_fn(m, 3 * block.len(), |i, c| T::Real::from_f64(if c % 3 == 0 { self.complement[i] } else { 0.0 }));
            let one = T::Real::ONE;
            <T::Real as Kernels>::product(
                gap.as_mut(),
                Accum::Add,
                one,
                squares.as_ref(),
                Op::None,
                weights.as_ref(),
                Op::None,
                self.threads,
            );
            let mut totals = vec![Some(Jet::default()); block.len()];
            for (coefficients, outside) in self.columns {
                let weights = Mat::from_fn(r, 3 * block.len(), |k, c| coefficients[k].scale(weight(k, c)));
                let mut residual = Mat::from_fn(m, 3 * block.len(), |i, c| if c % 3 == 0 { outside[i] } else { T::ZERO });
                T::product(residual.as_mut(), Accum::Add, T::ONE, self.basis, Op::None, weights.as_ref(), Op::None, self.threads);
                for (c, total) in totals.iter_mut().enumerate() {
                    let gaps = [3 * c, 3 * c + 1, 3 * c + 2].map(|c| gap.col_as_slice(c));
                    let residuals = [3 * c, 3 * c + 1, 3 * c + 2].map(|c| residual.col_as_slice(c));
                    if gaps[0].iter().any(|gap| gap.to_f64() <= 0.0) {
                        *total = None;
                    }
                    let Some(total) = total else { continue };
                    for i in 0..m {
                        add_left_out(total, gaps.map(|gap| gap[i].to_f64()), residuals.map(|residual| residual[i]));
                    }
                }
            }
            all.extend(totals.into_iter().map(|total| total.map(|total| self.mean(total))));
        }
        all
    }

    fn residuals_at(&self, dampings: &[f64]) -> Option<Vec<Vec<Vec<c64>>>> {
        let (m, r) = self.basis.shape();
        let wide = |v: T| c64::new(v.real().to_f64(), v.imaginary().to_f64());
        let mut all = vec![Vec::with_capacity(self.columns.len()); dampings.len()];
        for (start, block) in dampings.chunks((BLOCK / m.max(1)).max(1)).scan(0, |start, block| {
            *start += block.len();
            Some((*start - block.len(), block))
        }) {
            let factors: Vec<Vec<(f64, f64)>> = block.iter().map(|&damping| self.factors(damping)).collect();
            for (coefficients, outside) in self.columns {
                let weights = Mat::from_fn(r, block.len(), |k, c| coefficients[k].scale(T::Real::from_f64(factors[c][k].1)));
                let mut residual = Mat::from_fn(m, block.len(), |i, _| outside[i]);
                T::product(residual.as_mut(), Accum::Add, T::ONE, self.basis, Op::None, weights.as_ref(), Op::None, self.threads);
                for c in 0..block.len() {
                    all[start + c].push(residual.col_as_slice(c).iter().map(|&v| wide(v)).collect());
                }
            }
        }
        Some(all)
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
        let mut copied = Vec::new();
        let mut gap = self.complement.to_vec();
        for (k, &(_, f)) in factors.iter().enumerate() {
            for (gap, &u) in gap.iter_mut().zip(linalg::column(self.basis, k, &mut copied)) {
                *gap += u.modulus_squared().to_f64() * f;
            }
        }
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
                let weighted = Mat::from_fn(s, r, |i, k| u[(i, k)].scale(T::Real::from_f64(factors[k].1.sqrt())));
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

/// A curve that remembers its points: the rules of a comparison ask for the same λ.
pub(crate) struct Remembered<'c> {
    curve: &'c dyn Curve,
    points: RefCell<HashMap<u64, Point>>,
}

impl<'c> Remembered<'c> {
    pub fn new(curve: &'c dyn Curve) -> Self {
        Self { curve, points: RefCell::default() }
    }
}

impl Curve for Remembered<'_> {
    fn at(&self, damping: f64) -> Point {
        *self.points.borrow_mut().entry(damping.to_bits()).or_insert_with(|| self.curve.at(damping))
    }
    fn interval(&self) -> (f64, f64) {
        self.curve.interval()
    }
    fn rows(&self) -> usize {
        self.curve.rows()
    }
    fn leave_one_out(&self, damping: f64) -> Option<Jet> {
        self.curve.leave_one_out(damping)
    }
    fn leave_one_out_at(&self, dampings: &[f64]) -> Vec<Option<Jet>> {
        self.curve.leave_one_out_at(dampings)
    }
    fn left_out_rows(&self, damping: f64) -> Option<Vec<f64>> {
        self.curve.left_out_rows(damping)
    }
    fn inside(&self) -> (f64, f64) {
        self.curve.inside()
    }
    fn spectrum(&self) -> Option<&Spectrum> {
        self.curve.spectrum()
    }
    fn residuals(&self, damping: f64) -> Option<Vec<Vec<c64>>> {
        self.curve.residuals(damping)
    }
    fn residuals_at(&self, dampings: &[f64]) -> Option<Vec<Vec<Vec<c64>>>> {
        self.curve.residuals_at(dampings)
    }
    fn folds<'s>(&'s self, folds: &'s [Vec<usize>]) -> Option<FoldErrors<'s>> {
        self.curve.folds(folds)
    }
    fn groups(&self) -> Option<&[usize]> {
        self.curve.groups()
    }
    fn is_tikhonov(&self) -> bool {
        self.curve.is_tikhonov()
    }
    fn truncated_rows(&self, order: &[usize], visit: &mut RowVisitor<'_>) -> bool {
        self.curve.truncated_rows(order, visit)
    }
}

/// The curve of the damped SVD (Ekstrom, Rhoads 1974, J. Comput. Phys. 14:319): φ = σ/(σ + d) instead of σ²/(σ² + d²),
/// which dies away more
/// slowly. Here dfᵢ/dt = fᵢφᵢ/2, so that the sums are the same with halves for each derivative; η does not have the
/// identity λη' = −ρ'.
pub(crate) struct Damped<'s>(pub &'s Spectrum);

impl Damped<'_> {
    /// φᵢ and fᵢ = 1 − φᵢ.
    pub fn factors(&self, i: usize, damping: f64) -> (f64, f64) {
        let value = self.0.effective(self.0.values[i], damping);
        if value == 0.0 {
            return (0.0, 1.0);
        }
        let ratio = damping / value;
        let phi = 1.0 / (1.0 + ratio);
        (phi, if ratio == f64::INFINITY { 1.0 } else { ratio * phi })
    }
}

impl Curve for Damped<'_> {
    fn at(&self, damping: f64) -> Point {
        let mut point = Point::default();
        let Point { residual, penalty, trace, trace_squared } = &mut point;
        for (i, &coefficient) in self.0.coefficients.iter().enumerate() {
            let (phi, f) = self.factors(i, damping);
            let left = f * coefficient * (f * coefficient);
            residual.value += left;
            residual.slope += left * phi;
            residual.bend += 0.5 * left * phi * (2.0 - 3.0 * f);
            let kept = if phi == 0.0 { 0.0 } else { phi / self.0.values[i] * coefficient };
            let kept = kept * kept;
            penalty.value += kept;
            penalty.slope -= kept * f;
            penalty.bend -= 0.5 * kept * f * (phi - 2.0 * f);
            trace.value += f;
            trace.slope += 0.5 * f * phi;
            trace.bend += 0.25 * f * phi * (phi - f);
            trace_squared.value += phi * phi;
            trace_squared.slope -= phi * phi * f;
            trace_squared.bend -= 0.5 * phi * phi * f * (phi - 2.0 * f);
        }
        residual.value += self.0.outside;
        trace.value += self.0.spare_rows();
        trace_squared.value += self.0.unpenalised as f64;
        point
    }
    /// The filters change over twice as many decades as Tikhonov's.
    fn interval(&self) -> (f64, f64) {
        let (low, high) = self.0.interval();
        let largest = self.0.largest();
        (low * (low / largest.max(low)).max(1e-4), (100.0 * high).min(f64::MAX))
    }
    fn rows(&self) -> usize {
        self.0.rows
    }
    fn is_tikhonov(&self) -> bool {
        false
    }
    fn leave_one_out(&self, _: f64) -> Option<Jet> {
        None
    }
}

/// The root mean square over several right-hand sides: what a rule sees when one λ serves them all.
pub(crate) fn shared(spectra: &[Spectrum]) -> Spectrum {
    let Some(first) = spectra.first() else {
        return Spectrum::default();
    };
    let count = spectra.len() as f64;
    let root_mean_square = |k: usize| {
        let column: Vec<f64> = spectra.iter().map(|s| s.coefficients[k]).collect();
        linalg::norm(&column) / count.sqrt()
    };
    Spectrum {
        coefficients: (0..first.values.len()).map(root_mean_square).collect(),
        outside: spectra.iter().map(|s| s.outside).sum::<f64>() / count,
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum() -> Spectrum {
        Spectrum {
            values: vec![3.0, 1.0, 0.2, 1e-2, 3e-5, 0.0],
            coefficients: vec![2.0, 0.7, 0.5, 0.3, 0.1, 0.05],
            outside: 0.3,
            rows: 11,
            unpenalised: 2,
            tolerance: 0.0,
        }
    }

    /// Values at t and at t ± h: their differences are the slope and the bend.
    fn differences(jet: &dyn Fn(f64) -> Jet, who: &str) {
        for t in [-16.0, -9.0, -4.0, -1.0, 0.5, 2.0, 5.0] {
            let h = 1e-3;
            let at = |t: f64| jet((0.5f64 * t).exp());
            let (low, here, high) = (at(t - h), at(t), at(t + h));
            // differences of second order in h, of numbers with an error of ε
            let scale = here.value.abs() + here.slope.abs() + here.bend.abs();
            let slope = (high.value - low.value) / (2.0 * h);
            assert!((slope - here.slope).abs() <= 1e-6 * scale, "{who} t = {t}: slope {} {slope}", here.slope);
            let bend = (high.slope - low.slope) / (2.0 * h);
            assert!((bend - here.bend).abs() <= 1e-6 * scale, "{who} t = {t}: bend {} {bend}", here.bend);
        }
    }

    #[test]
    fn derivatives_are_differences() {
        let s = spectrum();
        let damped = Damped(&s);
        for (curve, who) in [(&s as &dyn Curve, "Tikhonov"), (&damped, "damped")] {
            differences(&|d| curve.at(d).residual, &format!("{who} residual"));
            differences(&|d| curve.at(d).penalty, &format!("{who} penalty"));
            differences(&|d| curve.at(d).trace, &format!("{who} trace"));
            differences(&|d| curve.at(d).trace_squared, &format!("{who} trace of the square"));
        }
        differences(&|d| s.motion(d), "motion");
        differences(&|d| s.variance(d), "variance");
        differences(&|d| s.quadratic(d), "quadratic form");
        differences(&|d| s.log_determinant(d), "determinant");
    }

    /// Sums by their definitions, and ρ + λη = bᴴ(I − H)b.
    #[test]
    fn sums_are_their_definitions() {
        let s = spectrum();
        for damping in [1e-6f64, 1e-3, 0.1, 2.0, 50.0] {
            let lambda = damping * damping;
            let phi: Vec<f64> = s.values.iter().map(|v| v * v / (v * v + lambda)).collect();
            let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-300), "{damping}: {a} {b}");
            near(s.dof(damping), 2.0 + phi.iter().sum::<f64>());
            near(s.quadratic(damping).value, s.at(damping).residual.value + lambda * s.at(damping).penalty.value);
            near(s.variance(damping).value, s.values.iter().map(|v| (v / (v * v + lambda)).powi(2)).sum());
            near(s.log_determinant(damping).value, s.values.iter().map(|v| -(v * v / lambda).ln_1p()).sum());
            let power = |n: i32| -> f64 { s.outside + (0..6).map(|i| (1.0 - phi[i]).powi(n) * s.coefficients[i].powi(2)).sum::<f64>() };
            assert!((s.monotone_error(damping) - power(3) / power(4).sqrt()).abs() < 1e-9);
            assert!(s.monotone_error(damping) <= s.at(damping).residual.value.sqrt() * (1.0 + 1e-12));
        }
    }
}
