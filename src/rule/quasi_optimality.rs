//! Quasi-optimality: minimise ‖L·dx/d(log λ)‖², the λ at which the solution moves least.
//!
//! Q(λ) = Σ(φᵢfᵢ|βᵢ|/σᵢ)². Tikhonov, Glasko 1965, USSR Comput. Math. Math. Phys. 5(3):93
//! (doi:10.1016/0041-5553(65)90150-3). It needs no
//! noise level, and has many local minima: all are reported. Q vanishes at both ends of the λ axis, so that only local minima
//! among the singular values, max(σ_min, 16ε·σ₁) ≤ √λ ≤ σ₁, count; an end only where there is none.
//! With g = φf: (g²)' = 2g²(φ − f), (g²)'' = 4g²((φ − f)² − φf).

use super::search::{Ends, Objective, minimise_on};
use super::{Chosen, needs_spectrum, no_interval};
use crate::curve::{Curve, Jet};
use crate::error::Result;

/// Quasi-optimality: the λ at which ‖L·dx/d(log λ)‖ has its least local minimum; no noise level is needed.
///
/// Source: Tikhonov, Glasko 1965, doi:10.1016/0041-5553(65)90150-3.
///
/// ```
/// use wellposed::{DenseView, QuasiOptimality, ridge};
/// let a: Vec<f64> = (0..64).map(|k| 1.0 / (1.0 + (k % 8) as f64 + (k / 8) as f64)).collect();
/// let b: Vec<f64> = (0..8).map(|i| 1.0 + 0.01 * (i as f64).sin()).collect();
/// let fit = ridge(&DenseView::column_major(&a, 8, 8)?, &b, QuasiOptimality)?;
/// println!("{:?}", fit.report.criteria[0].minima); // look at the rivals
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuasiOptimality;

impl QuasiOptimality {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let spectrum = needs_spectrum(curve, "quasi-optimality")?;
        let objective = |damping: f64| Some(logarithm(spectrum.motion(damping)));
        minimise_on(curve.inside(), Ends::LastResort, &objective).ok_or_else(|| no_interval("quasi-optimality"))
    }
}

/// The logarithm of a positive sum with its derivatives.
pub(crate) fn logarithm(jet: Jet) -> Objective {
    let slope = jet.slope / jet.value;
    // the sum for the slope has terms of both signs, each at most twice the value
    Objective { log: jet.value.ln(), slope, bend: jet.bend / jet.value - slope * slope, slope_noise: 32.0 * f64::EPSILON }
}
