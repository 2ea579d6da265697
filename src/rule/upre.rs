//! Unbiased predictive risk: minimise U(λ) = ‖Ax − b‖² + 2s²·tr H, the same as Mallows' C_L and Stein's unbiased risk estimate.
//!
//! Its expectation is the squared error of the fitted values, E‖A(x − x_true)‖² + m·s². Mallows 1973, Technometrics 15:661
//! (doi:10.1080/00401706.1973.10489103); Stein 1981, Ann. Stat. 9:1135 (doi:10.1214/aos/1176345632); Vogel 2002, ch. 7
//! (doi:10.1137/1.9780898717570). The constant −m·s² of other texts is left out, so that U > 0. With tr H = m − T,
//! U' = ρ' − 2s²T' and U'' = ρ'' − 2s²T''.

use super::noise::{Noise, told_the_noise};
use super::search::{Objective, minimise};
use super::{Chosen, no_interval};
use crate::curve::{Curve, Point};
use crate::error::Result;

/// Unbiased predictive risk (UPRE, Mallows' C_L): the λ with the least expected error of the fitted values, given the noise level.
///
/// Source: Mallows 1973, doi:10.1080/00401706.1973.10489103.
///
/// ```
/// use wellposed::{DenseView, Upre, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
/// let fit = ridge(&DenseView::column_major(&a, 5, 2)?, &[1.3, 1.6, 3.4, 3.7, 5.3], Upre::noise_std(0.2))?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Upre {
    pub(crate) noise: Noise,
}

told_the_noise!(Upre);

impl Upre {
    pub(crate) fn choose(self, curve: &dyn Curve, unit: f64) -> Result<Chosen> {
        let level = self.noise.level(curve, unit, "predictive risk")?;
        let variance = level.std * level.std;
        let mut chosen = minimise(curve, &|damping| Some(log_risk(&curve.at(damping), curve.rows(), variance)))
            .ok_or_else(|| no_interval("predictive risk"))?;
        chosen.warnings.extend(level.warnings(unit));
        Ok(chosen)
    }
}

/// log U with its derivatives.
pub(crate) fn log_risk(point: &Point, rows: usize, variance: f64) -> Objective {
    let (rho, trace) = (point.residual, point.trace);
    let risk = rho.value + 2.0 * variance * (rows as f64 - trace.value);
    let slope = (rho.slope - 2.0 * variance * trace.slope) / risk;
    Objective {
        log: risk.ln(),
        slope,
        bend: (rho.bend - 2.0 * variance * trace.bend) / risk - slope * slope,
        slope_noise: 16.0 * f64::EPSILON * (rho.slope.abs() + 2.0 * variance * trace.slope.abs()) / risk,
    }
}
