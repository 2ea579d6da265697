//! The level of white noise, for rules that need one: given, known from the whitening, or estimated.
//!
//! Two estimates of its variance, the first that applies:
//!
//! 1. δ₀/(m − q − r): what the rows beyond every direction of A leave of b. Unbiased whatever x is; asked of 10 such rows or more.
//! 2. ρ/tr(I − H) at the λ of GCV (Wahba 1983, J. R. Stat. Soc. B 45:133). Where GCV has no minimum inside its interval the mean of
//!    |βᵢ|² over the last quarter of the directions is taken instead: the plateau of the Picard plot (Hansen 1998 §4.5).
//!
//! Each assumes white noise (after the weights); all of them count a misfit of the model as noise.

use super::gcv::Gcv;
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::warning::Warning;

/// Rows beyond every direction of A from which the noise is estimated without a λ. A guess: the estimate has a relative standard
/// error of √(1/2·10) ≈ 0.22 with ten.
const SPARE_ROWS: f64 = 10.0;

/// Where the standard deviation of the noise comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Noise {
    /// The caller's number, in whitened units.
    Std(f64),
    /// `noise_std` has been divided out: 1.
    Whitened,
    /// From the data.
    Estimated,
}

/// The ways to tell a rule its noise level: three constructors of a `$rule { noise }`.
macro_rules! told_the_noise {
    ($rule:ident) => {
        impl $rule {
            /// Each row's noise has standard deviation `std`, after the weights.
            pub fn noise_std(std: f64) -> Self {
                Self { noise: Noise::Std(std) }
            }

            /// The data are whitened by `noise_std`, so that the standard deviation is 1.
            pub fn whitened() -> Self {
                Self { noise: Noise::Whitened }
            }

            /// The noise level is estimated from the data; [`Warning::NoiseEstimated`](crate::Warning) says how.
            pub fn estimated() -> Self {
                Self { noise: Noise::Estimated }
            }
        }
    };
}
pub(super) use told_the_noise;

/// A noise level in the units of a curve, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    pub std: f64,
    pub estimator: Option<&'static str>,
}

impl Level {
    /// What the report says of an estimate.
    pub fn warnings(&self, unit: f64) -> Vec<Warning> {
        self.estimator.map(|estimator| Warning::NoiseEstimated { noise_std: self.std / unit, estimator }).into_iter().collect()
    }
}

impl Noise {
    pub fn check(self) -> Result<()> {
        match self {
            Noise::Std(value) if !(value > 0.0 && value.is_finite()) => Err(Error::Parameter {
                name: "the noise standard deviation",
                value,
                must_be: "positive and finite; without one use Gcv or Loo",
            }),
            _ => Ok(()),
        }
    }

    /// In the units of the curve, of which one unit of the caller's data is `unit`.
    pub fn level(self, curve: &dyn Curve, unit: f64, rule: &'static str) -> Result<Level> {
        match self {
            Noise::Std(std) => Ok(Level { std: std * unit, estimator: None }),
            Noise::Whitened => Ok(Level { std: unit, estimator: None }),
            Noise::Estimated => {
                let level = estimate(curve);
                match level {
                    Some(level) if level.std > 0.0 && level.std.is_finite() => Ok(level),
                    _ => Err(Error::NoLambda {
                        rule,
                        low: 0.0,
                        high: f64::INFINITY,
                        why: "the data leave no residual from which the noise could be estimated; give the noise level".into(),
                    }),
                }
            }
        }
    }
}

/// The first estimate that applies.
pub(crate) fn estimate(curve: &dyn Curve) -> Option<Level> {
    let spectrum = curve.spectrum();
    if let Some(spectrum) = spectrum.filter(|s| s.spare_rows() >= SPARE_ROWS && s.outside > 0.0) {
        let variance = spectrum.outside / spectrum.spare_rows();
        return Some(Level { std: variance.sqrt(), estimator: Some("the part of b that no x reaches, δ₀/(m − q − r)") });
    }
    let pilot = Gcv.choose(curve).ok()?;
    let edge = pilot.warnings.iter().any(|w| matches!(w, Warning::EdgeOfInterval { upper: false, .. }));
    match spectrum {
        Some(spectrum) if edge && spectrum.values.len() >= 8 => {
            let tail = &spectrum.coefficients[spectrum.coefficients.len() * 3 / 4..];
            let mean = tail.iter().map(|c| c * c).sum::<f64>() / tail.len() as f64;
            Some(Level { std: mean.sqrt(), estimator: Some("the mean of |uᵢᴴb|² over the last quarter of the spectrum") })
        }
        _ => {
            let point = curve.at(pilot.damping);
            let std = (point.residual.value / point.trace.value).sqrt();
            Some(Level { std, estimator: Some("‖Ax − b‖²/tr(I − H) at the λ of GCV") })
        }
    }
}
