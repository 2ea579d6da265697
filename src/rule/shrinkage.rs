//! Closed formulas of ridge regression: Hoerl, Kennard, Baldwin, and Lawless, Wang.
//!
//! With p penalised directions and s² = δ₀/(m − q − p), the noise variance of the unregularized fit,
//!
//! ```text
//! HKB   λ = (p − 2)·s² / Σ(|βᵢ|/σᵢ)²                 Hoerl, Kennard, Baldwin 1975, doi:10.1080/03610927508827232
//! L-W   λ = (p − 2)·s²·(Σσᵢ²/p) / Σ|βᵢ|²             Lawless, Wang 1976, doi:10.1080/03610927608827353
//! ```
//! in the form with p − 2 of MASS's `lm.ridge`. On centred columns scaled to standard deviation 1 (divisor n) the mean of
//! σᵢ² is n, and both are the
//! numbers that `lm.ridge` prints; written as here they do not depend on the units of A. They need p ≥ 3, full column rank
//! and more rows than unknowns.
//! What the report calls the criterion is s².

use super::{Chosen, needs_spectrum};
use crate::curve::{Curve, Spectrum};
use crate::error::{Error, Result};

/// λ = (p − 2)s²/‖x_ls‖², from the unregularized fit: for well-posed regression on comparable columns.
///
/// Source: Hoerl, Kennard, Baldwin 1975, doi:10.1080/03610927508827232.
///
/// ```
/// use wellposed::{DenseView, HoerlKennardBaldwin, ridge};
/// let a: Vec<f64> = (0..24).map(|k| ((k * k) as f64).sin()).collect();
/// let b: Vec<f64> = (0..8).map(|i| (i as f64).cos()).collect();
/// let fit = ridge(&DenseView::column_major(&a, 8, 3)?, &b, HoerlKennardBaldwin)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoerlKennardBaldwin;

/// λ = (p − 2)s²·(mean σᵢ²)/‖Ax_ls‖²: as [`HoerlKennardBaldwin`], with the directions weighted by their size.
///
/// Source: Lawless, Wang 1976, doi:10.1080/03610927608827353.
///
/// ```
/// use wellposed::{DenseView, LawlessWang, ridge};
/// let a: Vec<f64> = (0..24).map(|k| ((k * k) as f64).sin()).collect();
/// let b: Vec<f64> = (0..8).map(|i| (i as f64).cos()).collect();
/// let fit = ridge(&DenseView::column_major(&a, 8, 3)?, &b, LawlessWang)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LawlessWang;

impl HoerlKennardBaldwin {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        formula(curve, "Hoerl–Kennard–Baldwin", &|spectrum| {
            spectrum.values.iter().zip(&spectrum.coefficients).map(|(&value, &beta)| (beta / value).powi(2)).sum()
        })
    }
}

impl LawlessWang {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        formula(curve, "Lawless–Wang", &|spectrum| {
            let (value, beta) = (crate::linalg::norm(&spectrum.values), crate::linalg::norm(&spectrum.coefficients));
            spectrum.values.len() as f64 * (beta / value).powi(2)
        })
    }
}

/// λ = (p − 2)s²/size.
fn formula(curve: &dyn Curve, rule: &'static str, size: &dyn Fn(&Spectrum) -> f64) -> Result<Chosen> {
    let spectrum = needs_spectrum(curve, rule)?;
    let fail = |why: &str| Err(Error::NoLambda { rule, low: 0.0, high: f64::INFINITY, why: why.into() });
    let count = spectrum.values.len();
    if count < 3 {
        return fail("the formula has the factor p − 2 and needs at least 3 penalised directions; use Gcv or Evidence");
    }
    if spectrum.values.iter().any(|&value| value <= spectrum.tolerance || !value.is_finite()) {
        return fail("it needs the unregularized fit, and A has deficient rank; use Gcv or Evidence");
    }
    if !(spectrum.spare_rows() > 0.0 && spectrum.outside > 0.0) {
        return fail("it needs the residual of the unregularized fit, and there is none; use Gcv or Evidence");
    }
    let variance = spectrum.outside / spectrum.spare_rows();
    let lambda = (count - 2) as f64 * variance / size(spectrum);
    if !(lambda > 0.0 && lambda.is_finite()) {
        return fail("the unregularized fit is zero or overflows; give λ as a number");
    }
    Ok(Chosen { damping: lambda.sqrt(), value: variance, ..Chosen::default() })
}
