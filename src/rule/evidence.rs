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

use super::search::{Objective, minimise};
use super::{Chosen, needs_spectrum, no_interval};
use crate::curve::{Curve, Spectrum};
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

impl Evidence {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let spectrum = needs_spectrum(curve, "evidence")?;
        if spectrum.rows <= spectrum.unpenalised {
            return Err(Error::NoLambda {
                rule: "evidence",
                low: 0.0,
                high: f64::INFINITY,
                why: "the unpenalised directions fit every row; penalise more of them, or give λ".into(),
            });
        }
        minimise(curve, &|damping| Some(log_likelihood(spectrum, damping))).ok_or_else(|| no_interval("evidence"))
    }
}

/// log M with its derivatives.
fn log_likelihood(spectrum: &Spectrum, damping: f64) -> Objective {
    let free = (spectrum.rows - spectrum.unpenalised) as f64;
    let (quadratic, determinant) = (spectrum.quadratic(damping), spectrum.log_determinant(damping));
    let slope = quadratic.slope / quadratic.value;
    Objective {
        log: quadratic.value.ln() - determinant.value / free,
        slope: slope - determinant.slope / free,
        bend: quadratic.bend / quadratic.value - slope * slope - determinant.bend / free,
        slope_noise: 16.0 * f64::EPSILON * (slope.abs() + determinant.slope / free),
    }
}
