//! Regińska's rule: a local minimum of Ψ(λ) = ‖Ax − b‖²·‖Lx‖^{2μ}.
//!
//! At it the log-log L-curve has the slope −1/μ: with μ = 1 it is where a line of slope −1 touches the curve from below. A
//! fixed point of
//! √λ ← √μ·‖Ax − b‖/‖Lx‖. Regińska 1996, SIAM J. Sci. Comput. 17:740 (doi:10.1137/S1064827593252672); Bazán 2008, Inverse Problems
//! 24:035001 (doi:10.1088/0266-5611/24/3/035001). Ψ → 0 as λ → ∞, so that only local minima among the singular values count.
//! v = log ρ + μ·log η in t = log λ, where λη' = −ρ'.

use super::search::{Ends, Objective, minimise_on};
use super::{Chosen, no_interval};
use crate::curve::Curve;
use crate::error::{Error, Result};

/// Regińska's rule: the least local minimum of ‖Ax − b‖·‖Lx‖^μ; no noise level is needed.
///
/// Source: Regińska 1996, doi:10.1137/S1064827593252672.
///
/// ```
/// use wellposed::{DenseView, Reginska, ridge};
/// let a: Vec<f64> = (0..64).map(|k| 1.0 / (1.0 + (k % 8) as f64 + (k / 8) as f64)).collect();
/// let b: Vec<f64> = (0..8).map(|i| 1.0 + 0.01 * (i as f64).sin()).collect();
/// let fit = ridge(&DenseView::column_major(&a, 8, 8)?, &b, Reginska::new(1.0))?;
/// // at the minimum λ‖x‖² = μ‖Ax − b‖²
/// assert!((fit.lambda * fit.penalty_norm.powi(2) / fit.residual_norm.powi(2) - 1.0).abs() < 1e-6);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reginska {
    mu: f64,
}

impl Reginska {
    /// μ > 0; 1 is usual, larger values prefer a smaller ‖Lx‖.
    pub fn new(mu: f64) -> Self {
        Self { mu }
    }

    pub(crate) fn power(self) -> f64 {
        self.mu
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.mu > 0.0 && self.mu.is_finite() {
            return Ok(());
        }
        Err(Error::Parameter { name: "μ of Regińska's rule", value: self.mu, must_be: "positive and finite; 1 is usual" })
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let objective = |damping: f64| {
            let point = curve.at(damping);
            let (rho, eta) = (point.residual, point.penalty);
            let (r, e) = (rho.slope / rho.value, eta.slope / eta.value);
            // halved: the criterion is ‖r‖·‖Lx‖^μ
            Some(Objective {
                log: 0.5 * (rho.value.ln() + self.mu * eta.value.ln()),
                slope: 0.5 * (r + self.mu * e),
                bend: 0.5 * (rho.bend / rho.value - r * r + self.mu * (eta.bend / eta.value - e * e)),
                slope_noise: 16.0 * f64::EPSILON * (r.abs() + self.mu * e.abs()),
            })
        };
        minimise_on(curve.inside(), Ends::LastResort, &objective).ok_or_else(|| no_interval("Regińska"))
    }
}
