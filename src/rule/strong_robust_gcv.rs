//! Strong robust GCV: minimise [γ + (1 − γ)·σ₁²·tr(RRᴴ)/m]·G(λ), with R the map from b to Lx.
//!
//! Lukas 2008, Inverse Problems 24:034006 (doi:10.1088/0266-5611/24/3/034006). tr(RRᴴ) = Σ(φᵢ/σᵢ)², where robust GCV has
//! tr(H²) = Σφᵢ²:
//! the variance of the solution instead of that of the fit, which punishes a small λ harder. σ₁² makes it free of units.

use super::gcv::{Gcv, log_gcv};
use super::search::minimise;
use super::{Chosen, no_interval, spectrum_unknown};
use crate::curve::Curve;
use crate::error::{Error, Result};

/// What [`Gcv::strong_robust`] makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrongRobustGcv {
    gamma: f64,
}

impl Gcv {
    /// Strong robust GCV: [γ + (1 − γ)·σ₁²·Σ(φᵢ/σᵢ)²/m]·G(λ), 0 < γ ≤ 1 (1 is GCV; 0.9 to 0.999 are usual, since the sum is
    /// large for
    /// ill-conditioned A).
    ///
    /// Source: Lukas 2008, doi:10.1088/0266-5611/24/3/034006.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, ridge};
    /// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
    /// let a = DenseView::column_major(&a, 5, 2)?;
    /// let b = [1.3, 1.6, 3.4, 3.7, 5.3];
    /// assert!(ridge(&a, &b, Gcv.strong_robust(0.95))?.lambda >= ridge(&a, &b, Gcv)?.lambda);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn strong_robust(self, gamma: f64) -> StrongRobustGcv {
        StrongRobustGcv { gamma }
    }
}

impl StrongRobustGcv {
    pub(crate) fn check(self) -> Result<()> {
        if self.gamma > 0.0 && self.gamma <= 1.0 {
            return Ok(());
        }
        Err(Error::Parameter { name: "γ of strong robust GCV", value: self.gamma, must_be: "in (0, 1]; 0.9 to 0.999 are usual" })
    }

    /// γ + (1 − γ)·σ₁²·Σ(φ/σ)²/m.
    pub(crate) fn factor(self, largest: f64, rows: usize, variance: f64) -> f64 {
        self.gamma + (1.0 - self.gamma) * largest / rows as f64 * largest * variance
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let Some(largest) = curve.largest() else { return Err(spectrum_unknown("strong robust GCV")) };
        let scale = (1.0 - self.gamma) * largest / curve.rows() as f64 * largest;
        let objective = |damping: f64| {
            let variance = curve.variance(damping)?;
            let mut v = log_gcv(&curve.at(damping), curve.rows());
            let factor = self.factor(largest, curve.rows(), variance.value);
            let slope = scale * variance.slope / factor;
            v.log += factor.ln();
            v.slope += slope;
            v.bend += scale * variance.bend / factor - slope * slope;
            v.slope_noise += 16.0 * f64::EPSILON * slope.abs();
            Some(v)
        };
        minimise(curve, &objective).ok_or_else(|| no_interval("strong robust GCV"))
    }
}
