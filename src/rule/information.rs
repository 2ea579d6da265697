//! Information criteria with effective degrees of freedom in place of a number of parameters.
//!
//! ```text
//! AICc   log(‖r‖²/m) + 1 + 2(dof + 1)/(m − dof − 2)      Hurvich, Simonoff, Tsai 1998, doi:10.1111/1467-9868.00125
//! BIC    log(‖r‖²/m) + log(m)·dof/m                      Schwarz 1978, doi:10.1214/aos/1176344136
//! ```
//! Both are minimised as logarithms; what is reported is the exponential (less the constant 1): a mean square times a
//! penalty factor.
//! AICc is not defined for dof ≥ m − 2. With T = m − dof: (2(m − T + 1)/(T − 2))' = −2(m − 1)T'/(T − 2)².

use super::search::{Objective, minimise};
use super::{Chosen, no_interval};
use crate::curve::{Curve, Point};
use crate::error::Result;

/// Akaike's criterion, corrected for small samples, with effective degrees of freedom; it avoids GCV's far too small λ.
///
/// Source: Hurvich, Simonoff, Tsai 1998, doi:10.1111/1467-9868.00125.
///
/// ```
/// use wellposed::{Aicc, DenseView, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 0.0, 1.0, 0.5, 2.0, 0.3];
/// let fit = ridge(&DenseView::column_major(&a, 6, 2)?, &[1.3, 1.6, 3.4, 3.7, 5.3, 5.8], Aicc)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aicc;

/// The Bayesian information criterion with effective degrees of freedom: log(m)/2 times as severe as Akaike's.
///
/// Source: Schwarz 1978, doi:10.1214/aos/1176344136.
///
/// ```
/// use wellposed::{Bic, DenseView, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 0.0, 1.0, 0.5, 2.0, 0.3];
/// let fit = ridge(&DenseView::column_major(&a, 6, 2)?, &[1.3, 1.6, 3.4, 3.7, 5.3, 5.8], Bic)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bic;

impl Aicc {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        minimise(curve, &|damping| log_aicc(&curve.at(damping), curve.rows())).ok_or_else(|| no_interval("AICc"))
    }
}

impl Bic {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        minimise(curve, &|damping| Some(log_bic(&curve.at(damping), curve.rows()))).ok_or_else(|| no_interval("BIC"))
    }
}

/// log ρ/m plus a penalty with its derivatives.
fn penalised(point: &Point, rows: usize, [penalty, slope, bend]: [f64; 3]) -> Objective {
    let rho = point.residual;
    let r = rho.slope / rho.value;
    Objective {
        log: rho.value.ln() - (rows as f64).ln() + penalty,
        slope: r + slope,
        bend: rho.bend / rho.value - r * r + bend,
        slope_noise: 16.0 * f64::EPSILON * (r.abs() + slope.abs()),
    }
}

pub(crate) fn log_aicc(point: &Point, rows: usize) -> Option<Objective> {
    let (m, trace) = (rows as f64, point.trace);
    let rest = trace.value - 2.0;
    if !(rest > 1e-9 * m) {
        return None;
    }
    let first = -2.0 * (m - 1.0) / (rest * rest);
    let second = 4.0 * (m - 1.0) / (rest * rest * rest);
    let penalty = [2.0 * (m - trace.value + 1.0) / rest, first * trace.slope, second * trace.slope * trace.slope + first * trace.bend];
    Some(penalised(point, rows, penalty))
}

pub(crate) fn log_bic(point: &Point, rows: usize) -> Objective {
    let (m, trace) = (rows as f64, point.trace);
    let weight = m.ln() / m;
    penalised(point, rows, [weight * (m - trace.value), -weight * trace.slope, -weight * trace.bend])
}
