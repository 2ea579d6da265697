//! Generalized cross-validation: minimise G(λ) = m·‖Ax − b‖² / tr(I − H)².
//!
//! Golub, Heath, Wahba 1979, Technometrics 21:215 (doi:10.1080/00401706.1979.10489751); Craven, Wahba 1979, Numer.
//! Math. 31:377 (doi:10.1007/BF01404567). Robust: Lukas 2006, Inverse Problems 22:1883 (doi:10.1088/0266-5611/22/5/021).
//! Unpenalised directions and the intercept count in H. With v = log G, in t = log λ:
//! v' = ρ'/ρ − 2T'/T and v'' = ρ''/ρ − (ρ'/ρ)² − 2T''/T + 2(T'/T)².

use super::search::{Objective, minimise};
use super::{Chosen, no_interval};
use crate::curve::{Curve, Point};
use crate::error::{Error, Result};

/// Generalized cross-validation: needs no noise level, and assumes noise that is white after the weights.
///
/// It is not leave-one-out ([`Loo`](crate::Loo)) but its rotation-invariant form: G(λ) = m·‖Ax − b‖² / tr(I − H)².
/// When the noise is correlated it tends to choose too little regularization; then [`Gcv::robust`] or
/// [`Discrepancy`](crate::Discrepancy).
///
/// Source: Golub, Heath, Wahba 1979, doi:10.1080/00401706.1979.10489751.
///
/// ```
/// use wellposed::{DenseView, Gcv, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let fit = ridge(&DenseView::column_major(&a, 4, 2)?, &[1.1, 1.9, 3.2, 3.9], Gcv)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcv;

/// What [`Gcv::robust`] makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustGcv {
    gamma: f64,
}

impl Gcv {
    /// Robust GCV: [γ + (1 − γ)·tr(H²)/m]·G(λ), 0 < γ ≤ 1 (γ = 1 is GCV; 0.1 to 0.9 are usual). It guards against far too
    /// small λ.
    ///
    /// Source: Lukas 2006, doi:10.1088/0266-5611/22/5/021.
    pub fn robust(self, gamma: f64) -> RobustGcv {
        RobustGcv { gamma }
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        minimise(curve, &|damping| Some(log_gcv(&curve.at(damping), curve.rows()))).ok_or_else(|| no_interval("GCV"))
    }
}

impl RobustGcv {
    pub(crate) fn check(self) -> Result<()> {
        if self.gamma > 0.0 && self.gamma <= 1.0 {
            return Ok(());
        }
        Err(Error::Parameter { name: "γ of robust GCV", value: self.gamma, must_be: "in (0, 1]; 0.1 to 0.9 are usual" })
    }

    /// γ + (1 − γ)·tr(H²)/m.
    pub(crate) fn factor(self, point: &Point, rows: usize) -> f64 {
        self.gamma + (1.0 - self.gamma) * point.trace_squared.value / rows as f64
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let objective = |damping: f64| {
            let point = curve.at(damping);
            let mut v = log_gcv(&point, curve.rows());
            let weight = (1.0 - self.gamma) / curve.rows() as f64;
            let factor = self.factor(&point, curve.rows());
            let slope = weight * point.trace_squared.slope / factor;
            v.log += factor.ln();
            v.slope += slope;
            v.bend += weight * point.trace_squared.bend / factor - slope * slope;
            v.slope_noise += 16.0 * f64::EPSILON * slope.abs();
            Some(v)
        };
        minimise(curve, &objective).ok_or_else(|| no_interval("robust GCV"))
    }
}

/// log G with its derivatives.
pub(crate) fn log_gcv(point: &Point, rows: usize) -> Objective {
    let (rho, trace) = (point.residual, point.trace);
    let (r1, t1) = (rho.slope / rho.value, trace.slope / trace.value);
    Objective {
        log: (rows as f64).ln() + rho.value.ln() - 2.0 * trace.value.ln(),
        slope: r1 - 2.0 * t1,
        bend: rho.bend / rho.value - r1 * r1 - 2.0 * trace.bend / trace.value + 2.0 * t1 * t1,
        slope_noise: 16.0 * f64::EPSILON * (r1.abs() + 2.0 * t1.abs()),
    }
}
