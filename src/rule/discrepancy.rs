//! Morozov's discrepancy principle: ‖Ax − b‖ = safety·‖noise‖.
//!
//! Morozov 1966, Soviet Math. Dokl. 7:414. ρ is a monotone function of λ between δ₀ and ‖b‖² (less what unpenalised
//! directions explain), so that the root is unique; it is found by bisection on log λ, safeguarding Newton steps.
//!
//! *Monotone error* (Tautenhahn, Hämarik 1999, Inverse Problems 15:1487, doi:10.1088/0266-5611/15/6/307) asks for (Br,
//! r)/‖Br‖ = safety·‖noise‖ instead,
//! B = λ(AAᴴ + λ)⁻¹ and r = Bb: (Σf³|β|² + δ₀)/√(Σf⁴|β|² + δ₀). As long as it is larger the error falls with λ, since
//! d‖x − x_true‖²/dλ = 2[(Br, r) − (Br, noise)]/λ². It is at most ‖r‖, rises with λ, and is found by bisection.

use super::noise::Noise;
use super::target::safeguarded_newton;
use super::{Chosen, needs_spectrum, no_interval};
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::warning::Warning;

/// The discrepancy principle: the largest amount of regularization that explains the data to within their noise.
///
/// It has no default: the noise level is the user's knowledge. With weights or `noise_std` the norm is that of the
/// whitened noise (about √m when `noise_std` is right: [`Discrepancy::whitened`]).
///
/// ```
/// use wellposed::{DenseView, Discrepancy, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let fit = ridge(&DenseView::column_major(&a, 4, 2)?, &[1.1, 1.9, 3.2, 3.9], Discrepancy::noise_norm(0.3))?;
/// assert!((fit.residual_norm - 0.3).abs() < 1e-9);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discrepancy {
    level: Level,
    safety: f64,
    what: What,
    /// ‖Ax − b‖ ≤ the norm, and not = .
    inequality: bool,
}

/// What is compared with the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    ResidualNorm,
    MonotoneError,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Level {
    Norm(f64),
    Relative(f64),
    Whitened,
    Estimated,
}

impl Discrepancy {
    /// ‖noise‖ is `norm` (the 2-norm of the whole noise vector: √m times its standard deviation).
    pub fn noise_norm(norm: f64) -> Self {
        Self { level: Level::Norm(norm), safety: 1.0, what: What::ResidualNorm, inequality: false }
    }

    /// ‖noise‖ is `fraction`·‖b‖: 0.01 for 1 % noise.
    pub fn relative_noise(fraction: f64) -> Self {
        Self { level: Level::Relative(fraction), safety: 1.0, what: What::ResidualNorm, inequality: false }
    }

    /// The data are whitened by `noise_std`, so that ‖noise‖ is √m.
    pub fn whitened() -> Self {
        Self { level: Level::Whitened, safety: 1.0, what: What::ResidualNorm, inequality: false }
    }

    /// ‖noise‖ is estimated from the data, as √m times the standard deviation that
    /// [`Warning::NoiseEstimated`](crate::Warning) names.
    pub fn estimated() -> Self {
        Self { level: Level::Estimated, safety: 1.0, what: What::ResidualNorm, inequality: false }
    }

    /// The monotone-error rule: down to this λ the error ‖x − x_true‖ is sure to fall with λ, whatever the noise of the
    /// given norm. Its λ is never
    /// below that of the discrepancy principle.
    ///
    /// Source: Tautenhahn, Hämarik 1999, doi:10.1088/0266-5611/15/6/307.
    pub fn monotone_error(self) -> Self {
        Self { what: What::MonotoneError, ..self }
    }

    pub(crate) fn name(self) -> &'static str {
        match self.what {
            What::ResidualNorm => "discrepancy",
            What::MonotoneError => "monotone error",
        }
    }

    pub(crate) fn is_estimated(self) -> bool {
        self.level == Level::Estimated
    }

    /// Asks for ‖Ax − b‖ = factor·‖noise‖; 1 unless given, often a little above 1.
    pub fn safety(self, factor: f64) -> Self {
        Self { safety: factor, ..self }
    }

    pub(crate) fn check(self) -> Result<()> {
        let (name, value) = match self.level {
            Level::Norm(norm) => ("the noise norm", norm),
            Level::Relative(fraction) => ("the relative noise", fraction),
            Level::Whitened | Level::Estimated => ("the noise norm", 1.0),
        };
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::Parameter { name, value, must_be: "positive and finite; without a noise level use Gcv or Loo" });
        }
        if !(self.safety > 0.0 && self.safety.is_finite()) {
            return Err(Error::Parameter {
                name: "the safety factor",
                value: self.safety,
                must_be: "positive and finite, usually 1 to 1.2",
            });
        }
        Ok(())
    }

    /// ‖Ax − b‖ ≤ safety·‖noise‖ in place of =: where even λ = ∞, x₀ with what L does not penalise, fits to within the noise, λ is the
    /// largest of the interval searched (x is then within its rounding of that fit) with
    /// [`Warning::EdgeOfInterval`], instead of an error. That no λ fits so well is an error either way.
    ///
    /// ```
    /// use wellposed::{DenseView, Discrepancy, ridge};
    /// let a = DenseView::column_major(&[1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5], 4, 2)?;
    /// let b = [1.1, 1.9, 3.2, 3.9];
    /// assert!(ridge(&a, &b, Discrepancy::noise_norm(10.0)).is_err());
    /// let fit = ridge(&a, &b, Discrepancy::noise_norm(10.0).at_most())?;
    /// assert!(fit.residual_norm <= 10.0 && fit.penalty_norm < 1e-3 && fit.report.warnings.len() == 1);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn at_most(self) -> Self {
        Self { inequality: true, ..self }
    }

    pub(crate) fn is_inequality(self) -> bool {
        self.inequality
    }

    /// Whether it compares a residual norm with a level that needs no spectrum.
    pub(crate) fn by_residual(self) -> bool {
        self.what == What::ResidualNorm && !self.is_estimated()
    }

    /// safety·‖noise‖ in the units of the data, for a level that is not estimated.
    pub(crate) fn residual_norm(self, rows: usize, data_norm: f64) -> f64 {
        self.safety
            * match self.level {
                Level::Norm(norm) => norm,
                Level::Relative(fraction) => fraction * data_norm,
                Level::Whitened | Level::Estimated => (rows as f64).sqrt(),
            }
    }

    /// The same with the noise as a number; `data_norm` is ‖W^½b‖ in the caller's units.
    pub(crate) fn absolute(self, data_norm: f64) -> Self {
        match self.level {
            Level::Relative(fraction) if data_norm > 0.0 => Self { level: Level::Norm(fraction * data_norm), ..self },
            _ => self,
        }
    }

    /// Why no λ makes the residual so small, both in the caller's units.
    pub(crate) fn below(self, least: f64, target: f64) -> String {
        format!(
            "the residual norm is never below {least:.3e}, above the {target:.3e} asked for: the noise is larger than stated or the model does not fit; raise the noise norm, or use Gcv"
        )
    }

    /// Why no λ makes the residual so large.
    pub(crate) fn beyond(self, most: f64, target: f64) -> String {
        format!(
            "the residual norm is never above {most:.3e}, below the {target:.3e} asked for: even λ = ∞ (x₀ and what the penalty leaves free) fits to within that noise; lower it, or take that fit with .at_most()"
        )
    }

    /// safety·‖noise‖ in the units of the curve.
    pub(crate) fn target(self, curve: &dyn Curve, data_norm: f64, unit: f64) -> Result<(f64, Vec<Warning>)> {
        let root = (curve.rows() as f64).sqrt();
        let (norm, warnings) = match self.level {
            Level::Norm(norm) => (norm * unit, Vec::new()),
            Level::Relative(fraction) => (fraction * data_norm, Vec::new()),
            Level::Whitened => (root * unit, Vec::new()),
            Level::Estimated => {
                let level = Noise::Estimated.level(curve, unit, self.name())?;
                (root * level.std, level.warnings(unit))
            }
        };
        Ok((self.safety * norm, warnings))
    }

    pub(crate) fn choose(self, curve: &dyn Curve, data_norm: f64, unit: f64) -> Result<Chosen> {
        let (low, high) = curve.interval();
        if high == 0.0 {
            return Err(no_interval(self.name()));
        }
        let (target, warnings) = self.target(curve, data_norm, unit)?;
        let spectrum = match self.what {
            What::ResidualNorm => None,
            What::MonotoneError => Some(needs_spectrum(curve, self.name())?),
        };
        // the value and, for ‖r‖, the Newton step in log d
        let at = |damping: f64| match spectrum {
            Some(spectrum) => (spectrum.monotone_error(damping), f64::NAN),
            None => {
                let rho = curve.at(damping).residual;
                let value = rho.value.sqrt();
                // d‖r‖/d(log d) = ρ'/‖r‖ with ρ' in log λ: log λ = 2 log d
                (value, (target - value) * value / rho.slope)
            }
        };
        let mut evaluated = Vec::new();
        let residual = |damping: f64| at(damping).0;
        let (least, most) = (residual(low), residual(f64::MAX));
        let fail = |why: String| Error::NoLambda { rule: self.name(), low: low * low, high: f64::INFINITY, why };
        if target < least {
            return Err(fail(self.below(least / unit, target / unit)));
        }
        if target >= most {
            if !self.inequality {
                return Err(fail(self.beyond(most / unit, target / unit)));
            }
            let mut warnings = warnings;
            warnings.push(Warning::EdgeOfInterval { lambda: high * high, upper: true });
            let value = residual(high);
            return Ok(Chosen { damping: high, value, minima: Vec::new(), evaluated: vec![(high, value)], warnings });
        }
        // ρ rises from `least` at low to `most` at ∞: widen upwards until the root is inside
        let (mut left, mut right) = (low.ln(), high.ln());
        while residual(right.exp()) < target && right < 700.0 {
            left = right;
            right += 2.0;
        }
        let t = safeguarded_newton((left, right), |t| {
            let (value, step) = at(t.exp());
            evaluated.push((t.exp(), value));
            (value < target, step)
        });
        evaluated.sort_by(|a, b| a.0.total_cmp(&b.0));
        evaluated.dedup_by(|a, b| a.0 == b.0);
        Ok(Chosen { damping: t.exp(), value: residual(t.exp()), minima: Vec::new(), evaluated, warnings })
    }
}
