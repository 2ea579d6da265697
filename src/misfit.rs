//! How residuals, and components of Lx, are measured: the square unless said otherwise.
//!
//! ```text
//!               φ(u)                              weight φ'(u)/2u
//! square        u²                                1
//! Huber         u² to |u| = δ, then 2δ|u| − δ²    min(1, δ/|u|)
//! Student t     (ν + 1)s²·log(1 + u²/νs²)         (ν + 1)/(ν + u²/s²)
//! power         |u|ᵖ, 0 < p ≤ 2                   (p/2)·(u² + ε²)^{p/2 − 1}
//! ```
//! Each is concave in u², so that φ(v) ≤ φ(u) + weight(u)·(v² − u²): a weighted ridge problem lies above the objective and touches it at
//! u (majorization). Huber with δ → ∞, Student's t with ν → ∞ and p = 2 are the square. The power is smoothed to
//! (u² + ε²)^{p/2} − εᵖ, whose weight is finite at 0.
//!
//! Huber 1964 (doi:10.1214/aoms/1177703732); Lange, Little and Taylor 1989 (doi:10.1080/01621459.1989.10478852) on Student's t.

use crate::error::{Error, Result};
use core::fmt;

/// How the residual b − Ax − c (whitened) is measured. For [`Problem::misfit`](crate::Problem::misfit).
///
/// ```
/// use wellposed::{DenseView, Misfit, Problem};
/// let a = DenseView::column_major(&[1.0; 5], 5, 1)?;
/// let b = [1.0, 1.1, 0.9, 1.0, 50.0]; // the last is wrong
/// let mean = Problem::new(&a).solve(&b, 0.0)?;
/// let robust = Problem::new(&a).misfit(Misfit::huber(0.1)).solve(&b, 0.0)?;
/// assert!(mean.x[0] > 10.0 && robust.x[0] < 1.1);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misfit {
    pub(crate) profile: Profile,
    pub(crate) scale_by_mad: bool,
}

/// φ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Profile {
    Huber { delta: f64 },
    StudentT { freedom: f64, scale: f64 },
    Power { p: f64 },
}

/// Residuals are divided by this quantile of |N(0, 1)| so that their median estimates a standard deviation: Φ⁻¹(3/4).
const NORMAL_MEDIAN: f64 = 0.674_489_750_196_081_7;

impl Misfit {
    /// Σ u² as far as |u| ≤ δ, 2δ|u| − δ² beyond: an outlier pulls with a bounded force. Convex. The δ of scikit-learn and statsmodels is in
    /// units of the noise: 1.345 standard deviations keep 95 % of the efficiency under normal noise. SciPy's
    /// `least_squares(loss='huber', f_scale=δ)` minimises half of this.
    pub fn huber(delta: f64) -> Self {
        Self { profile: Profile::Huber { delta }, scale_by_mad: false }
    }

    /// Σ (ν + 1)s²·log(1 + u²/νs²): minus twice the logarithm of Student's density with ν degrees of freedom and this scale s, times
    /// s². Far outliers lose all influence. Not convex: a local minimum is found, the one downhill from the ridge solution.
    pub fn student_t(freedom: f64, scale: f64) -> Self {
        Self { profile: Profile::StudentT { freedom, scale }, scale_by_mad: false }
    }

    /// Σ |u|ᵖ, 0 < p ≤ 2: p = 1 is least absolute deviations, p < 1 is not convex. Smoothed as
    /// [`Report::reweighted`](crate::Report::reweighted) says.
    pub fn power(p: f64) -> Self {
        Self { profile: Profile::Power { p }, scale_by_mad: false }
    }

    /// δ, or the scale s, becomes a multiple of the noise's standard deviation, which is estimated from the median of |u| at every step (the
    /// median absolute deviation): `Misfit::huber(1.345).scaled_by_mad()`. The objective then changes with the estimate, and need not
    /// fall from step to step. It has no effect on [`power`](Self::power).
    pub fn scaled_by_mad(mut self) -> Self {
        self.scale_by_mad = true;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.profile.check()
    }

    /// φ at the estimated scale, and that scale.
    pub(crate) fn scaled(&self, residuals: &[f64]) -> Result<(Profile, Option<f64>)> {
        if !self.scale_by_mad {
            return Ok((self.profile, None));
        }
        let mut sizes: Vec<f64> = residuals.iter().map(|u| u.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let middle = sizes.len() / 2;
        let median = match sizes.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => sizes[middle],
            _ => 0.5 * (sizes[middle - 1] + sizes[middle]),
        };
        let scale = median / NORMAL_MEDIAN;
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::Parameter {
                name: "the median absolute residual",
                value: median,
                must_be: "positive where the scale is to be estimated: give δ or the scale as a number",
            });
        }
        let profile = match self.profile {
            Profile::Huber { delta } => Profile::Huber { delta: delta * scale },
            Profile::StudentT { freedom, scale: s } => Profile::StudentT { freedom, scale: s * scale },
            power @ Profile::Power { .. } => return Ok((power, None)),
        };
        Ok((profile, Some(scale)))
    }
}

impl Profile {
    pub(crate) fn check(&self) -> Result<()> {
        let positive = |name, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::Parameter { name, value, must_be: "positive and finite" }),
        };
        match *self {
            Profile::Huber { delta } => positive("δ of Huber's function", delta),
            Profile::StudentT { freedom, scale } => {
                positive("the degrees of freedom of Student's t", freedom)?;
                positive("the scale of Student's t", scale)
            }
            Profile::Power { p } if p > 0.0 && p <= 2.0 => Ok(()),
            Profile::Power { p } => Err(Error::Parameter { name: "the power p", value: p, must_be: "in (0, 2]; 2 is the square" }),
        }
    }

    /// φ(u), smoothed by ε where it is a power.
    pub(crate) fn value(&self, u: f64, epsilon: f64) -> f64 {
        match *self {
            Profile::Huber { delta } if u.abs() <= delta => u * u,
            Profile::Huber { delta } => delta * (2.0 * u.abs() - delta),
            Profile::StudentT { freedom, scale } => {
                let z = u / scale;
                (freedom + 1.0) * scale * scale * (z * z / freedom).ln_1p()
            }
            Profile::Power { p } if epsilon == 0.0 => u.abs().powf(p),
            Profile::Power { p } => u.hypot(epsilon).powf(p) - epsilon.powf(p),
        }
    }

    /// φ'(u)/2u.
    pub(crate) fn weight(&self, u: f64, epsilon: f64) -> f64 {
        match *self {
            Profile::Huber { delta } => (delta / u.abs()).min(1.0),
            Profile::StudentT { freedom, scale } => {
                let z = u / scale;
                (freedom + 1.0) / (freedom + z * z)
            }
            Profile::Power { p: 2.0 } => 1.0,
            Profile::Power { p } => 0.5 * p * u.hypot(epsilon).powf(p - 2.0),
        }
    }

    /// Whether its weight needs a smoothing at 0.
    pub(crate) fn is_smoothed(&self) -> bool {
        matches!(*self, Profile::Power { p } if p < 2.0)
    }

    pub(crate) fn is_convex(&self) -> bool {
        match *self {
            Profile::Huber { .. } => true,
            Profile::StudentT { .. } => false,
            Profile::Power { p } => p >= 1.0,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Profile::Huber { delta } => write!(f, "Huber (δ = {delta})"),
            Profile::StudentT { freedom, scale } => write!(f, "Student t (ν = {freedom}, scale {scale})"),
            Profile::Power { p } => write!(f, "power p = {p}"),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.profile)?;
        if self.scale_by_mad { f.write_str(", in units of the median absolute residual/0.6745") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_slopes_and_majorize() {
        let all = [
            Profile::Huber { delta: 0.7 },
            Profile::StudentT { freedom: 3.0, scale: 0.5 },
            Profile::Power { p: 1.0 },
            Profile::Power { p: 0.4 },
            Profile::Power { p: 2.0 },
        ];
        for profile in all {
            for u in [0.05, 0.3, 0.69, 0.71, 2.0, 40.0] {
                let step = 1e-6 * u;
                let slope = (profile.value(u + step, 0.01) - profile.value(u - step, 0.01)) / (2.0 * step);
                let weight = profile.weight(u, 0.01);
                assert!((slope - 2.0 * u * weight).abs() <= 1e-6 * slope, "{profile} {u}");
                for v in [0.0, 0.1, 0.5, 1.0, 3.0, 100.0] {
                    let above = profile.value(u, 0.01) + weight * (v * v - u * u);
                    assert!(profile.value(v, 0.01) <= above + 1e-12 * (1.0 + u * u + v * v), "{profile} {u} {v}");
                }
            }
        }
    }

    #[test]
    fn limits_are_the_square() {
        for u in [0.0, 0.3, 5.0] {
            assert_eq!(Profile::Huber { delta: 1e9 }.value(u, 0.0), u * u);
            assert_eq!(Profile::Power { p: 2.0 }.value(u, 0.0), u * u);
            let t = Profile::StudentT { freedom: 1e12, scale: 1.0 }.value(u, 0.0);
            assert!((t - u * u).abs() < 1e-9, "{t}");
        }
    }
}
