//! Evidence: the λ under which the data are most probable, with x ~ N(x₀, τ²(LᴴL)⁻¹) and noise variance s² = λτ², s² and the
//! unpenalised directions integrated out (restricted maximum likelihood, REML).
//!
//! With Q(λ) = bᴴ(I − H)b = ρ + λη and q unpenalised directions (the intercept among them), −2 log p(b) is up to constants
//! (m − q)·log Q − Σ log fᵢ. Divided by m − q and exponentiated it is Wahba's generalized maximum likelihood,
//!
//! ```text
//! M(λ) = bᴴ(I − H)b / det⁺(I − H)^{1/(m − q)}
//! ```
//! which has the same minimiser and the units of a squared norm. Patterson, Thompson 1971, Biometrika 58:545
//! (doi:10.1093/biomet/58.3.545); Wahba 1985, Ann. Stat. 13:1378 (doi:10.1214/aos/1176349743); MacKay 1992, Neural Comput. 4:415
//! (doi:10.1162/neco.1992.4.3.415). Q' = Σfφ|β|², (log f)' = φ. Complex data count twice in both terms, with the same minimiser.
//!
//! *With s² known* it is not integrated out: −2 log p(b) is up to constants Q/s² − Σ log fᵢ. Exponentiated in the same way,
//!
//! ```text
//! M(λ; s²) = (m − q)s²·exp(Q/(m − q)s² − 1) / det⁺(I − H)^{1/(m − q)}
//! ```
//! whose least value over s² is M(λ).

use super::noise::Noise;
use super::search::{Objective, minimise};
use super::{Chosen, no_interval, spectrum_unknown};
use crate::curve::Curve;
use crate::error::{Error, Result};

/// Evidence (REML, the marginal likelihood of λ): the λ under which the data are most probable. No noise level is needed.
///
/// It smooths more reliably than GCV where rows are few, and is sensitive to a prior that is wrong: x is taken for a draw from
/// N(x₀, τ²(LᴴL)⁻¹). Generalized maximum likelihood is the same rule by another name: [`Gml`].
///
/// Source: Wahba 1985, doi:10.1214/aos/1176349743; MacKay 1992, doi:10.1162/neco.1992.4.3.415.
///
/// ```
/// use wellposed::{DenseView, Evidence, Problem};
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
/// let fit = Problem::new(&DenseView::column_major(&a, 5, 2)?).intercept().solve(&[1.3, 1.6, 3.4, 3.7, 5.3], Evidence)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence;

/// Generalized maximum likelihood (Wahba 1985): [`Evidence`] under its name in the smoothing literature.
pub use Evidence as Gml;

/// What [`Evidence::noise_std`] and [`Evidence::whitened`] make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownNoiseEvidence {
    pub(crate) noise: Noise,
}

impl Evidence {
    /// With the noise known: each row's has standard deviation `std`, after the weights.
    ///
    /// λ then fits the size of x to it: λ is noise variance over prior variance, and of the two only the second is free. Where
    /// the noise is known it takes less rows to find λ; a `std` that is wrong by a factor moves it by more than the square.
    ///
    /// Source: MacKay 1992, doi:10.1162/neco.1992.4.3.415.
    ///
    /// ```
    /// use wellposed::{DenseView, Evidence, ridge};
    /// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
    /// let fit = ridge(&DenseView::column_major(&a, 5, 2)?, &[1.3, 1.6, 3.4, 3.7, 5.3], Evidence::noise_std(0.2))?;
    /// assert!(fit.lambda > 0.0);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn noise_std(std: f64) -> KnownNoiseEvidence {
        KnownNoiseEvidence { noise: Noise::Std(std) }
    }

    /// With the noise known: the data are whitened by `noise_std`, so that its standard deviation is 1.
    pub fn whitened() -> KnownNoiseEvidence {
        KnownNoiseEvidence { noise: Noise::Whitened }
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        most_probable(curve, "evidence", &log_likelihood)
    }
}

impl KnownNoiseEvidence {
    pub(crate) const NAME: &'static str = "evidence (noise known)";

    pub(crate) fn choose(self, curve: &dyn Curve, unit: f64) -> Result<Chosen> {
        let std = self.noise.level(curve, unit, Self::NAME)?.std;
        most_probable(curve, Self::NAME, &|curve, damping| log_likelihood_with(curve, damping, std * std))
    }
}

fn most_probable(curve: &dyn Curve, name: &'static str, log_likelihood: &dyn Fn(&dyn Curve, f64) -> Option<Objective>) -> Result<Chosen> {
    let Some(unpenalised) = curve.unpenalised() else { return Err(spectrum_unknown(name)) };
    if curve.rows() <= unpenalised {
        return Err(Error::NoLambda {
            rule: name,
            low: 0.0,
            high: f64::INFINITY,
            why: "the unpenalised directions fit every row; penalise more of them, or give λ".into(),
        });
    }
    minimise(curve, &|damping| log_likelihood(curve, damping)).ok_or_else(|| no_interval(name))
}

/// log M(λ; s²) with its derivatives.
fn log_likelihood_with(curve: &dyn Curve, damping: f64, variance: f64) -> Option<Objective> {
    let free = curve.rows().checked_sub(curve.unpenalised()?)? as f64;
    let (quadratic, determinant) = (curve.quadratic(damping)?, curve.log_determinant(damping)?);
    let unit = 1.0 / (free * variance);
    Some(Objective {
        log: (free * variance).ln() - 1.0 + unit * quadratic.value - determinant.value / free,
        slope: unit * quadratic.slope - determinant.slope / free,
        bend: unit * quadratic.bend - determinant.bend / free,
        slope_noise: 16.0 * f64::EPSILON * (unit * quadratic.slope.abs() + determinant.slope / free),
    })
}

/// log M with its derivatives.
fn log_likelihood(curve: &dyn Curve, damping: f64) -> Option<Objective> {
    let free = curve.rows().checked_sub(curve.unpenalised()?)? as f64;
    let (quadratic, determinant) = (curve.quadratic(damping)?, curve.log_determinant(damping)?);
    let slope = quadratic.slope / quadratic.value;
    Some(Objective {
        log: quadratic.value.ln() - determinant.value / free,
        slope: slope - determinant.slope / free,
        bend: quadratic.bend / quadratic.value - slope * slope - determinant.bend / free,
        slope_noise: 16.0 * f64::EPSILON * (slope.abs() + determinant.slope / free),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Spectrum;

    /// With s² known: derivatives are differences, the definition holds, and the least over s² is the criterion without it.
    #[test]
    fn known_noise() {
        let s = Spectrum {
            values: vec![3.0, 1.0, 0.2, 1e-2],
            coefficients: vec![2.0, 0.7, 0.5, 0.3],
            outside: 0.3,
            rows: 9,
            unpenalised: 2,
            tolerance: 0.0,
        };
        for t in [-9.0, -4.0, -1.0, 0.5, 3.0f64] {
            let at = |t: f64, variance: f64| log_likelihood_with(&s, (0.5 * t).exp(), variance).unwrap();
            let (h, variance) = (1e-4, 0.04);
            let (low, here, high) = (at(t - h, variance), at(t, variance), at(t + h, variance));
            assert!(((high.log - low.log) / (2.0 * h) - here.slope).abs() < 1e-6 * (1.0 + here.slope.abs()), "{t}");
            assert!(((high.slope - low.slope) / (2.0 * h) - here.bend).abs() < 1e-6 * (1.0 + here.bend.abs()), "{t}");
            let lambda = t.exp();
            let f = s.values.iter().map(|v| lambda / (v * v + lambda));
            let q = 0.3 + f.clone().zip(&s.coefficients).map(|(f, c)| f * c * c).sum::<f64>();
            let log_p = q / variance - f.map(f64::ln).sum::<f64>();
            let other = at(1.0, variance);
            let f = s.values.iter().map(|v| 1f64.exp() / (v * v + 1f64.exp()));
            let q1 = 0.3 + f.clone().zip(&s.coefficients).map(|(f, c)| f * c * c).sum::<f64>();
            let other_p = q1 / variance - f.map(f64::ln).sum::<f64>();
            assert!((7.0 * (here.log - other.log) - (log_p - other_p)).abs() < 1e-10 * log_p.abs());
            let best = at(t, q / 7.0).log;
            assert!((best - log_likelihood(&s, (0.5 * t).exp()).unwrap().log).abs() < 1e-12 * (1.0 + best.abs()));
            assert!(at(t, q / 6.0).log > best && at(t, q / 8.0).log > best);
        }
    }
}
