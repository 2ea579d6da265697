//! λ by the size of the answer: effective degrees of freedom, or the norm relative to the unregularized one.
//!
//! dof(λ) = q + Σφᵢ falls from q + r to q, ‖Lx(λ)‖ from its value at λ = 0 to 0, so that the root is unique; Newton's
//! method in log λ with
//! bisection as its safeguard. Degrees of freedom: Hastie, Tibshirani, Friedman 2009 §3.4.1. Fractions of the norm: Rokem,
//! Kay 2020,
//! GigaScience 9:giaa133 (doi:10.1093/gigascience/giaa133).

use super::{Chosen, needs_spectrum, no_interval, spectrum_unknown};
use crate::curve::{Curve, damped_coefficient};
use crate::error::{Error, Result};

/// The λ at which the fit has so many effective degrees of freedom, intercept and unpenalised directions included.
///
/// ```
/// use wellposed::{DenseView, EffectiveDof, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let fit = ridge(&DenseView::column_major(&a, 4, 2)?, &[1.1, 1.9, 3.2, 3.9], EffectiveDof(1.5))?;
/// assert!((fit.dof.unwrap() - 1.5).abs() < 1e-9);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectiveDof(pub f64);

/// The λ at which ‖L(x − x₀)‖ is this fraction of its value at λ = 0.
///
/// Source: Rokem, Kay 2020, doi:10.1093/gigascience/giaa133.
///
/// ```
/// use wellposed::{DenseView, NormFraction, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let a = DenseView::column_major(&a, 4, 2)?;
/// let b = [1.1, 1.9, 3.2, 3.9];
/// let fit = ridge(&a, &b, NormFraction(0.8))?;
/// assert!((fit.penalty_norm / ridge(&a, &b, 0.0)?.penalty_norm - 0.8).abs() < 1e-9);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormFraction(pub f64);

impl EffectiveDof {
    pub(crate) fn check(self) -> Result<()> {
        if self.0 > 0.0 && self.0.is_finite() {
            return Ok(());
        }
        Err(Error::Parameter { name: "the effective degrees of freedom", value: self.0, must_be: "positive and finite" })
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let (Some(unpenalised), Some(seen)) = (curve.unpenalised(), curve.seen()) else {
            return Err(spectrum_unknown("degrees of freedom"));
        };
        let (least, most) = (unpenalised as f64, unpenalised as f64 + seen);
        if !(self.0 > least && self.0 < most) {
            return Err(Error::NoLambda {
                rule: "degrees of freedom",
                low: 0.0,
                high: f64::INFINITY,
                why: format!(
                    "dof lies between {least} (the unpenalised directions) and {most} (the rank) for every λ; ask for a number between them"
                ),
            });
        }
        falling_root(curve, "degrees of freedom", self.0, &|damping| {
            let kept = curve.at(damping);
            (curve.dof(damping).unwrap_or(f64::NAN), -kept.trace.slope)
        })
    }
}

impl NormFraction {
    pub(crate) fn check(self) -> Result<()> {
        if self.0 > 0.0 && self.0 < 1.0 {
            return Ok(());
        }
        Err(Error::Parameter { name: "the fraction of the norm", value: self.0, must_be: "in (0, 1); 1 is λ = 0" })
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let spectrum = needs_spectrum(curve, "fraction of the norm")?;
        let squares = spectrum.values.iter().zip(&spectrum.coefficients);
        let full: f64 = squares.map(|(&value, &beta)| (damped_coefficient(spectrum.effective(value, 0.0), 0.0) * beta).powi(2)).sum();
        if full == 0.0 {
            return Err(no_interval("fraction of the norm"));
        }
        falling_root(curve, "fraction of the norm", self.0, &|damping| {
            let penalty = curve.at(damping).penalty;
            let fraction = (penalty.value / full).sqrt();
            (fraction, 0.5 * fraction * penalty.slope / penalty.value)
        })
    }
}

/// The root of a falling function of t = log λ that is given with its slope in t.
pub(super) fn falling_root(curve: &dyn Curve, rule: &'static str, target: f64, value: &dyn Fn(f64) -> (f64, f64)) -> Result<Chosen> {
    let (low, high) = curve.interval();
    if high == 0.0 {
        return Err(no_interval(rule));
    }
    let at = |t: f64| value((0.5 * t).exp());
    let (mut left, mut right) = (2.0 * low.ln(), 2.0 * high.ln());
    // dampings from 1e-300 to 1e300
    while at(right).0 > target && right < 1400.0 {
        right += 4.0;
    }
    while at(left).0 < target && left > -1400.0 {
        left -= 4.0;
    }
    if !(at(left).0 >= target && at(right).0 <= target) {
        let why = "no λ in the range of numbers reaches the value asked for; ask for another one, or give λ".into();
        return Err(Error::NoLambda { rule, low: low * low, high: high * high, why });
    }
    let mut evaluated = Vec::new();
    let t = safeguarded_newton((left, right), |t| {
        let (here, slope) = at(t);
        evaluated.push(((0.5 * t).exp(), here));
        // in the logarithm of the value, which is nearly linear far from the root
        (here > target, (target / here).ln() * here / slope)
    });
    evaluated.sort_by(|a, b| a.0.total_cmp(&b.0));
    evaluated.dedup_by(|a, b| a.0 == b.0);
    Ok(Chosen { damping: (0.5 * t).exp(), value: at(t).0, minima: Vec::new(), evaluated, warnings: Vec::new() })
}

/// The root of a monotone function between two places. `at` says whether the root lies above a place, and how far Newton's method would
/// step from there; where that leaves the bracket, the bracket is halved.
pub(super) fn safeguarded_newton((mut left, mut right): (f64, f64), mut at: impl FnMut(f64) -> (bool, f64)) -> f64 {
    let mut t = 0.5 * (left + right);
    for _ in 0..200 {
        let (above, step) = at(t);
        if above {
            left = t;
        } else {
            right = t;
        }
        let newton = t + step;
        let next = if newton > left && newton < right { newton } else { 0.5 * (left + right) };
        if (next - t).abs() <= 4.0 * f64::EPSILON * (1.0 + t.abs()) {
            break;
        }
        t = next;
    }
    t
}
