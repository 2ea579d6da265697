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

use crate::linalg::{self, FilterSums};
use crate::scalar::c64;
use core::cell::RefCell;
use std::collections::HashMap;

mod leverages;

pub(crate) use leverages::{Leverages, complement};

/// A value with its first and second derivative in t = log λ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Jet {
    pub value: f64,
    pub slope: f64,
    pub bend: f64,
}

impl From<[f64; 3]> for Jet {
    fn from([value, slope, bend]: [f64; 3]) -> Self {
        Self { value, slope, bend }
    }
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
    /// Σ |rᵢ/(1 − hᵢᵢ)|² at each of these dampings, where the leverages are known and no row decides its own fitted value.
    fn left_out(&self, dampings: &[f64]) -> Vec<Option<f64>> {
        vec![None; dampings.len()]
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
    /// q, where the curve knows the sums below.
    fn unpenalised(&self) -> Option<usize> {
        self.spectrum().map(|spectrum| spectrum.unpenalised)
    }
    /// σ₁, likewise.
    fn largest(&self) -> Option<f64> {
        self.spectrum().map(Spectrum::largest)
    }
    /// How many penalised directions A sees.
    fn seen(&self) -> Option<f64> {
        self.spectrum().map(|spectrum| spectrum.values.iter().filter(|&&value| value > spectrum.tolerance).count() as f64)
    }
    /// tr H.
    fn dof(&self, damping: f64) -> Option<f64> {
        self.spectrum().map(|spectrum| spectrum.dof(damping))
    }
    /// bᴴ(I − H)b.
    fn quadratic(&self, damping: f64) -> Option<Jet> {
        self.spectrum().map(|spectrum| spectrum.quadratic(damping))
    }
    /// Σ log fᵢ.
    fn log_determinant(&self, damping: f64) -> Option<Jet> {
        self.spectrum().map(|spectrum| spectrum.log_determinant(damping))
    }
    /// Σ (φᵢ/σᵢ)².
    fn variance(&self, damping: f64) -> Option<Jet> {
        self.spectrum().map(|spectrum| spectrum.variance(damping))
    }
    /// b − Ax at each of these dampings for each right-hand side, where the rows are known.
    fn residuals(&self, _: &[f64]) -> Option<Vec<Vec<Vec<c64>>>> {
        None
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

/// Factors 1 + (σ/d)² up to 1e30 whose product is no overflow.
const FACTORS: usize = 8;

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

    /// Values up to this one count as 0 at this damping.
    fn cutoff(&self, damping: f64) -> f64 {
        if damping < self.tolerance { self.tolerance } else { -1.0 }
    }

    /// Every sum with its derivatives.
    fn sums(&self, damping: f64) -> FilterSums {
        linalg::filter_sums(&self.values, &self.coefficients, damping, self.cutoff(damping))
    }

    /// Σ(φfβ/σ)² = ‖L·dx/dt‖².
    pub(crate) fn motion(&self, damping: f64) -> Jet {
        self.sums(damping).motion.into()
    }

    /// Σ(φ/σ)²: the variance that white noise of unit variance puts into Lx.
    pub(crate) fn variance(&self, damping: f64) -> Jet {
        self.sums(damping).variance.into()
    }

    /// bᴴ(I − H)b = ρ + λη = Σf|β|² + δ₀.
    pub(crate) fn quadratic(&self, damping: f64) -> Jet {
        let inside = Jet::from(self.sums(damping).quadratic);
        Jet { value: inside.value + self.outside, ..inside }
    }

    /// Σ log fᵢ over the penalised directions that A sees.
    pub(crate) fn log_determinant(&self, damping: f64) -> Jet {
        // log f = −log(1 + σ²/λ): one logarithm for as many factors as a product holds without overflow
        let cutoff = self.cutoff(damping);
        let (mut value, mut slope) = (0.0, 0.0);
        for values in self.values.chunks(FACTORS) {
            let (mut product, mut alone) = (1.0, 0.0);
            slope += values.iter().map(|&value| filter(if value <= cutoff { 0.0 } else { value }, damping).0).sum::<f64>();
            for &value in values.iter().filter(|value| value.is_finite() && **value > cutoff) {
                let ratio = value / damping;
                if ratio <= 1e15 {
                    product *= 1.0 + ratio * ratio;
                } else {
                    alone += 2.0 * ratio.ln();
                }
            }
            value -= f64::ln(product) + alone;
        }
        Jet { value, slope, bend: -self.sums(damping).left[1] }
    }

    /// Σf³|β|² + δ₀ over √(Σf⁴|β|² + δ₀): what the monotone-error rule compares with the noise.
    pub(crate) fn monotone_error(&self, damping: f64) -> f64 {
        let (mut third, mut fourth) = (0.0, 0.0);
        for (&value, coefficient) in self.values.iter().zip(&self.coefficients) {
            let f = filter(self.effective(value, damping), damping).1;
            let square = f * f * f * coefficient * coefficient;
            (third, fourth) = (third + square, fourth + square * f);
        }
        (third + self.outside) / (fourth + self.outside).sqrt()
    }
}

impl Curve for Spectrum {
    fn at(&self, damping: f64) -> Point {
        let FilterSums { residual, penalty, left, kept_squared, .. } = self.sums(damping);
        let mut point =
            Point { residual: residual.into(), penalty: penalty.into(), trace: left.into(), trace_squared: kept_squared.into() };
        point.residual.value += self.outside;
        point.trace.value += self.spare_rows();
        point.trace_squared.value += self.unpenalised as f64;
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
    fn left_out(&self, dampings: &[f64]) -> Vec<Option<f64>> {
        self.curve.left_out(dampings)
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
    fn residuals(&self, dampings: &[f64]) -> Option<Vec<Vec<Vec<c64>>>> {
        self.curve.residuals(dampings)
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
