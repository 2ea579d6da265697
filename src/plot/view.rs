//! The numbers behind the figures of one right-hand side.
//!
//! Sums over the spectrum by [`curve`](crate::curve), the curvature and the corner of the L-curve by the rule
//! [`LCurve`], the cumulative periodogram by that of [`Ncp`](crate::Ncp): in units of σ₁ and of the largest coefficient, so that no
//! square leaves the range.

use crate::curve::{self, Curve as _, damped_coefficient, filter};
use crate::error::{Error, Result};
use crate::factorization::Spectrum;
use crate::lambda::log_grid;
use crate::rule::lcurve::curvature;
use crate::rule::{LCurve, periodogram};
use crate::run::Modes;
use crate::scalar::c64;
use crate::warning::Warning;

/// Points of a curve.
const POINTS: usize = 161;
/// How far a figure reaches to either side of the λ that matter, as a factor of the damping: eight decades of λ.
const REACH: f64 = 1e4;
/// λ outside this range is not drawn: its neighbours would not be normal numbers.
const LEAST: f64 = 1e-290;
/// 95 % of the Kolmogorov–Smirnov statistic, times √q.
pub(crate) const KOLMOGOROV: f64 = 1.36;
/// The page recomputes a periodogram of m rows by m²/2 operations; beyond this many rows it is left out. About 0.1 s by the count.
pub(crate) const PERIODOGRAM_UP_TO: usize = 16_384;

#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The finite σᵢ/σ₁, with |βᵢ| and what no x reaches in `unit_data`.
    pub sums: curve::Spectrum,
    pub unit_value: f64,
    pub unit_data: f64,
}

/// Everything at one λ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct At {
    pub lambda: f64,
    pub residual_norm: f64,
    pub penalty_norm: f64,
    pub dof: f64,
    /// tr(I − H) = m − dof.
    pub trace: f64,
    pub gcv: f64,
    /// Of the L-curve.
    pub curvature: f64,
}

impl View {
    /// # Errors
    /// No direction of A is both seen and penalised, or λ would leave the range of numbers.
    pub fn new(spectrum: &Spectrum, rows: usize) -> Result<Self> {
        let pairs = || spectrum.values.iter().copied().zip(spectrum.coefficients.iter().copied());
        let infinite = pairs().filter(|(value, _)| !value.is_finite()).count();
        let largest = |it: &mut dyn Iterator<Item = f64>| it.fold(0.0, f64::max);
        let unit_value = largest(&mut spectrum.values.iter().copied().filter(|v| v.is_finite()));
        let unit_data = match largest(&mut spectrum.coefficients.iter().copied().chain([spectrum.outside])) {
            0.0 => 1.0,
            unit => unit,
        };
        let outside = spectrum.outside / unit_data;
        let sums = curve::Spectrum {
            values: pairs().filter(|(value, _)| value.is_finite()).map(|(value, _)| value / unit_value).collect(),
            coefficients: pairs().filter(|(value, _)| value.is_finite()).map(|(_, beta)| beta / unit_data).collect(),
            outside: outside * outside,
            rows,
            unpenalised: spectrum.unpenalised + infinite,
            tolerance: spectrum.floor / unit_value,
        };
        let view = Self { sums, unit_value, unit_data };
        if unit_value == 0.0 {
            let why = "no direction of A is both seen by the data and penalised, so that λ changes nothing and there is nothing to draw";
            return Err(Error::NoLambda { rule: "a figure", low: 0.0, high: 0.0, why: why.into() });
        }
        let (low, high) = view.interval();
        if !(low * low >= LEAST && high * high <= 1.0 / LEAST) {
            let why = "the squares of the singular values leave the range of numbers; multiply A by a power of two, and x by its inverse";
            return Err(Error::NoLambda { rule: "a figure", low: low * low, high: high * high, why: why.into() });
        }
        Ok(view)
    }

    /// The dampings between which λ makes any difference, as the rules search them but for the upper end.
    fn interval(&self) -> (f64, f64) {
        (self.sums.interval().0 * self.unit_value, 10.0 * self.unit_value)
    }

    /// The range of λ that figures show: around these λ, where it makes a difference.
    pub fn range(&self, around: &[f64]) -> (f64, f64) {
        let (mut low, mut high) = self.interval();
        let mut dampings = around.iter().filter(|&&lambda| lambda > LEAST && lambda < 1.0 / LEAST).map(|lambda| lambda.sqrt()).peekable();
        if dampings.peek().is_some() {
            let (least, most) = dampings.fold((f64::INFINITY, 0.0f64), |(a, b), d| (a.min(d), b.max(d)));
            (low, high) = (low.max(least / REACH).min(least), high.min(most * REACH).max(most));
        }
        if high < 10.0 * low {
            (low, high) = (low / 10.0, high * 10.0);
        }
        (low * low, high * high)
    }

    pub fn grid(&self, (low, high): (f64, f64)) -> Vec<f64> {
        log_grid(low..=high, POINTS).collect()
    }

    pub fn at(&self, lambda: f64) -> At {
        let damping = lambda.sqrt() / self.unit_value;
        let point = self.sums.at(damping);
        let residual_norm = self.unit_data * point.residual.value.sqrt();
        let root = residual_norm / point.trace.value;
        At {
            lambda,
            residual_norm,
            penalty_norm: self.unit_data / self.unit_value * point.penalty.value.sqrt(),
            dof: self.sums.dof(damping),
            trace: point.trace.value,
            gcv: self.sums.rows as f64 * root * root,
            curvature: curvature(&point, damping).unwrap_or(f64::NAN),
        }
    }

    /// The corner of the L-curve that the rule takes, where it lies inside the range and at no end of the rule's own.
    pub fn corner(&self, (low, high): (f64, f64)) -> Option<At> {
        let chosen = LCurve.choose(&self.sums).ok()?;
        let damping = chosen.damping * self.unit_value;
        let at_edge = chosen.warnings.iter().any(|warning| matches!(warning, Warning::EdgeOfInterval { .. }));
        let inside = damping * damping > low && damping * damping < high;
        (inside && !at_edge).then(|| self.at(damping * damping))
    }

    /// The standard deviation of the noise of a whitened row by this λ, ‖r‖/√(m − dof), where any rows are left to tell.
    pub fn noise(&self, at: &At) -> Option<f64> {
        let noise = at.residual_norm / at.trace.sqrt();
        (at.trace > 1e-6 * self.sums.rows as f64 && noise.is_finite()).then_some(noise)
    }
}

/// x, its standard deviation and the residual at one λ.
pub(crate) struct Fields<'a> {
    pub modes: &'a Modes,
    pub view: &'a View,
}

/// What a band stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deviation {
    /// Of the posterior, s²(AᴴWA + λLᴴL)⁻¹.
    Posterior,
    /// Of the estimate under noise alone: its bias is not in it.
    Sampling,
}

impl Fields<'_> {
    fn unknowns(&self) -> usize {
        self.modes.limit.len()
    }

    /// σᵢ; 0 for what is rounding and would be amplified at this damping, as the engines take it.
    fn values(&self, damping: f64) -> impl Iterator<Item = f64> {
        let floor = self.view.sums.tolerance * self.view.unit_value;
        self.modes.values.iter().map(move |&value| if value <= floor && damping < floor { 0.0 } else { value })
    }

    pub fn solution(&self, lambda: f64) -> Vec<f64> {
        let mut x = self.modes.limit.clone();
        let n = self.unknowns();
        for (k, (value, &beta)) in self.values(lambda.sqrt()).zip(&self.modes.coefficients).enumerate() {
            let weight = damped_coefficient(value, lambda.sqrt()) * beta;
            for (x, &y) in x.iter_mut().zip(&self.modes.solution[k * n..(k + 1) * n]) {
                *x += weight * y;
            }
        }
        x
    }

    pub fn residual(&self, lambda: f64) -> Vec<f64> {
        let mut r = self.modes.residual.clone();
        let m = r.len();
        for (k, (value, &beta)) in self.values(lambda.sqrt()).zip(&self.modes.coefficients).enumerate() {
            let weight = filter(value, lambda.sqrt()).0 * beta;
            for (r, &u) in r.iter_mut().zip(&self.modes.data[k * m..(k + 1) * m]) {
                *r -= weight * u;
            }
        }
        r
    }

    pub fn kind(&self) -> Deviation {
        if self.modes.unseen.is_some() { Deviation::Posterior } else { Deviation::Sampling }
    }

    /// Standard deviation of each unknown for noise of this standard deviation.
    pub fn deviation(&self, lambda: f64, noise: f64) -> Vec<f64> {
        let n = self.unknowns();
        let damping = lambda.sqrt();
        let mut variance = self.modes.free.clone();
        if let Some(unseen) = &self.modes.unseen {
            for (v, &u) in variance.iter_mut().zip(unseen) {
                *v += u / lambda;
            }
        }
        for (k, value) in self.values(damping).enumerate() {
            let weight = match self.kind() {
                Deviation::Posterior => 1.0 / value.hypot(damping),
                Deviation::Sampling => damped_coefficient(value, damping),
            };
            for (v, &y) in variance.iter_mut().zip(&self.modes.solution[k * n..(k + 1) * n]) {
                *v += (weight * y) * (weight * y);
            }
        }
        variance.into_iter().map(|v| noise * v.sqrt()).collect()
    }
}

/// cᵢ, i = 1..⌊m/2⌋: the share of the frequencies 1..i in the power of all but the constant; empty where there is none.
pub(crate) fn cumulative_periodogram(r: &[f64]) -> Vec<f64> {
    // a unit of the data, so that squares stay in range
    let unit = r.iter().fold(0.0f64, |u, v| u.max(v.abs()));
    if r.len() < 2 || !(unit > 0.0 && unit.is_finite()) {
        return Vec::new();
    }
    let scaled: Vec<c64> = r.iter().map(|v| c64::new(v / unit, 0.0)).collect();
    periodogram::cumulative(&periodogram::powers(&scaled)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(values: &[f64], coefficients: &[f64], outside: f64, rows: usize) -> View {
        let spectrum = Spectrum { values: values.to_vec(), coefficients: coefficients.to_vec(), outside, floor: 0.0, unpenalised: 1 };
        View::new(&spectrum, rows).unwrap()
    }

    /// The closed form against second differences of the log-log curve.
    #[test]
    fn curvature_equals_differences() {
        let view = view(&[3.0, 1.0, 0.2, 1e-2, 1e-4], &[2.0, 1.0, 0.3, 0.05, 0.04], 0.03, 9);
        for lambda in [1e-7, 1e-5, 1e-3, 0.02, 1.0, 30.0] {
            let h: f64 = 1e-3;
            let log = |t: f64| {
                let at = view.at(lambda * t.exp());
                (at.residual_norm.ln(), at.penalty_norm.ln())
            };
            let ((x0, y0), (x1, y1), (x2, y2)) = (log(-h), log(0.0), log(h));
            let (dx, dy) = ((x2 - x0) / (2.0 * h), (y2 - y0) / (2.0 * h));
            let (ddx, ddy) = ((x2 - 2.0 * x1 + x0) / (h * h), (y2 - 2.0 * y1 + y0) / (h * h));
            let expected = (dx * ddy - ddx * dy) / (dx * dx + dy * dy).powf(1.5);
            let found = view.at(lambda).curvature;
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1e-2), "{lambda}: {found}, not {expected}");
        }
    }

    #[test]
    fn units_change_nothing_but_units() {
        let (values, coefficients) = ([3.0, 1.0, 0.2], [2.0, 1.0, 0.3]);
        let plain = view(&values, &coefficients, 0.5, 6).at(0.1);
        let (a, b) = (2f64.powi(200), 2f64.powi(-400));
        let scaled = view(&values.map(|v| v * a), &coefficients.map(|v| v * b), 0.5 * b, 6).at(0.1 * a * a);
        assert!((scaled.residual_norm / b - plain.residual_norm).abs() < 1e-14);
        assert!((scaled.penalty_norm / b * a - plain.penalty_norm).abs() < 1e-13);
        assert!((scaled.dof - plain.dof).abs() < 1e-14 && (scaled.curvature - plain.curvature).abs() < 1e-12);
    }

    #[test]
    fn periodogram_of_what_is_known() {
        // one frequency: all of the power at once
        let m = 40;
        let wave: Vec<f64> = (0..m).map(|i| (core::f64::consts::TAU * 7.0 * f64::from(i) / f64::from(m)).cos()).collect();
        let c = cumulative_periodogram(&wave);
        assert_eq!(c.len(), 20);
        assert!(c[5] < 1e-20 && (c[6] - 1.0).abs() < 1e-12);
        // one spike: equal power everywhere, the diagonal but for the last frequency of an even m
        let mut spike = vec![0.0; 31];
        spike[4] = 1e200;
        for (i, c) in cumulative_periodogram(&spike).into_iter().enumerate() {
            assert!((c - (i + 1) as f64 / 15.0).abs() < 1e-13);
        }
        assert!(cumulative_periodogram(&[0.0; 8]).is_empty() && cumulative_periodogram(&[1.0]).is_empty());
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        let spectrum =
            |values: Vec<f64>| Spectrum { coefficients: vec![1.0; values.len()], values, outside: 0.0, floor: 0.0, unpenalised: 0 };
        for values in [vec![], vec![0.0, 0.0], vec![1e-200], vec![1e200]] {
            assert!(matches!(View::new(&spectrum(values), 3), Err(Error::NoLambda { .. })));
        }
    }
}
