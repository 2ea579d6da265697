//! Any log prior: the trait that [`Problem::map`](crate::Problem::map) takes, and five priors that implement it.
//!
//! | prior | log p(z), up to a constant | smoothing |
//! |---|---|---|
//! | [`Prior::gaussian`] | −z²/2τ² | |
//! | [`Prior::laplace`] | −√(z² + ε²)/β | ε = 1e-6·β: \|z\| has a corner at 0 |
//! | [`Prior::student_t`] | −(ν + 1)/2·log(1 + z²/νσ²) | |
//! | [`Prior::cauchy`] | Student's t with ν = 1 | |
//! | [`Prior::horseshoe`] | log(eʷE₁(w)), w = (z² + ε²)/2τ² | ε = 1e-3·τ: the density is infinite at 0 |
//!
//! The constants that make them densities are included (those of the unsmoothed density for the smoothed ones), so that a Laplace
//! approximation of the evidence is one. Horseshoe: z ~ N(0, τ²κ²), κ ~ half-Cauchy(0, 1), κ integrated out (Carvalho, Polson, Scott
//! 2010, doi:10.1093/biomet/asq017).

use crate::error::{Error, Result};

/// log p(z) of z = x − x₀, with gradient and curvature: everything that [`Problem::map`](crate::Problem::map) asks of a prior.
///
/// It need be neither concave nor a product over the unknowns, but it must be twice differentiable: a corner has to be rounded
/// off. The gradient is compared with differences of the value once, and the curvature with differences of the gradient, before
/// anything else happens.
///
/// Positive values with log zⱼ ~ N(0, 1), beyond what any norm says:
///
/// ```
/// use wellposed::{DenseView, LogPrior, Problem};
///
/// struct LogNormal;
/// impl LogPrior for LogNormal {
///     fn value(&self, z: &[f64]) -> f64 {
///         // −∞ where the density is 0: the line search stays out
///         z.iter().map(|&z| if z > 0.0 { -z.ln() - 0.5 * z.ln().powi(2) - 0.918938533204673 } else { f64::NEG_INFINITY }).sum()
///     }
///     fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
///         gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -(1.0 + z.ln()) / z);
///     }
///     fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
///         z.iter().enumerate().for_each(|(j, z)| visit(j, j, -z.ln() / (z * z)));
///     }
/// }
///
/// let a: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
/// let b: Vec<f64> = (0..12).map(|i| 2.0 / (1.0 + i as f64) + 0.01 * ((i * i) as f64).sin()).collect();
/// let a = DenseView::column_major(&a, 12, 5)?;
/// let fit = Problem::new(&a).noise_std(&[0.01]).map_from(&b, &LogNormal, &[1.0; 5])?;
/// assert!(fit.x.iter().all(|&x| x > 0.0));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub trait LogPrior {
    /// log p(z), up to a constant (which only the evidence sees); −∞ where z cannot be.
    fn value(&self, z: &[f64]) -> f64;

    /// gradient ← ∇log p(z).
    fn gradient(&self, z: &[f64], gradient: &mut [f64]);

    /// Visits the entries (i, j), i ≥ j, of −∇²log p(z) that are not 0; entries visited twice add up. A product over the unknowns
    /// has a diagonal only.
    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64));

    /// The distance from a corner below which the prior is rounded off; 0 for a prior that is smooth by itself.
    fn smoothing(&self) -> f64 {
        0.0
    }
}

impl<P: LogPrior + ?Sized> LogPrior for &P {
    fn value(&self, z: &[f64]) -> f64 {
        (**self).value(z)
    }
    fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
        (**self).gradient(z, gradient)
    }
    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
        (**self).curvature(z, visit)
    }
    fn smoothing(&self) -> f64 {
        (**self).smoothing()
    }
}

/// The same density for each unknown, independently.
///
/// ```
/// use wellposed::{DenseView, Prior, Problem};
/// let a: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
/// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
/// let a = DenseView::column_major(&a, 12, 5)?;
/// let problem = Problem::new(&a).noise_std(&[0.1]);
/// let gaussian = problem.map(&b, &Prior::gaussian(2.0))?;
/// let ridge = problem.solve(&b, 1.0 / 4.0)?; // noise of variance 1 in whitened units, over τ² = 4
/// assert!(gaussian.x.iter().zip(&ridge.x).all(|(p, q)| (p - q).abs() < 1e-10));
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    kind: Kind,
    smoothing: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Gaussian { std: f64 },
    Laplace { scale: f64 },
    StudentT { dof: f64, scale: f64 },
    Horseshoe { scale: f64 },
}

/// ε of a Laplace prior in units of its scale. A choice: far below what any answer shows, far above rounding.
const LAPLACE_SMOOTHING: f64 = 1e-6;
/// ε of a horseshoe prior in units of its scale. A choice: its density is infinite at 0, so that the mode depends on ε, if only by
/// which coefficients are (nearly) 0.
const HORSESHOE_SMOOTHING: f64 = 1e-3;

impl Prior {
    /// N(0, std²): ridge regression with λ = (noise variance)/std².
    pub fn gaussian(std: f64) -> Self {
        Self { kind: Kind::Gaussian { std }, smoothing: 0.0 }
    }

    /// exp(−|z|/scale)/2·scale: the lasso with an L1 weight of 2·(noise variance)/scale, its corner rounded off.
    pub fn laplace(scale: f64) -> Self {
        Self { kind: Kind::Laplace { scale }, smoothing: LAPLACE_SMOOTHING * scale }
    }

    /// Student's t with this many degrees of freedom and this scale: heavy tails, many small coefficients and a few large.
    pub fn student_t(dof: f64, scale: f64) -> Self {
        Self { kind: Kind::StudentT { dof, scale }, smoothing: 0.0 }
    }

    /// Student's t with one degree of freedom.
    pub fn cauchy(scale: f64) -> Self {
        Self::student_t(1.0, scale)
    }

    /// The horseshoe: infinite at 0, tails of a Cauchy distribution, its pole rounded off. Several modes are the rule: see
    /// [`Problem::map_from`](crate::Problem::map_from).
    pub fn horseshoe(scale: f64) -> Self {
        Self { kind: Kind::Horseshoe { scale }, smoothing: HORSESHOE_SMOOTHING * scale }
    }

    /// ε in place of the one in the table above: for the Laplace and the horseshoe prior; no effect on the others.
    pub fn smoothed(self, epsilon: f64) -> Self {
        match self.kind {
            Kind::Laplace { .. } | Kind::Horseshoe { .. } => Self { smoothing: epsilon, ..self },
            _ => self,
        }
    }

    /// Whether the parameters are in range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn check(&self) -> Result<()> {
        let positive = |name, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::Parameter { name, value, must_be: "positive and finite" }),
        };
        match self.kind {
            Kind::Gaussian { std } => positive("the standard deviation of a Gaussian prior", std),
            Kind::Laplace { scale } => {
                positive("the scale of a Laplace prior", scale)?;
                positive("the smoothing of a Laplace prior", self.smoothing)
            }
            Kind::StudentT { dof, scale } => {
                positive("the degrees of freedom of a Student-t prior", dof)?;
                positive("the scale of a Student-t prior", scale)
            }
            Kind::Horseshoe { scale } => {
                positive("the scale of a horseshoe prior", scale)?;
                positive("the smoothing of a horseshoe prior", self.smoothing)
            }
        }
    }

    /// log p(z), its derivative, and minus its second derivative.
    fn at(&self, z: f64) -> [f64; 3] {
        let tau = core::f64::consts::TAU;
        match self.kind {
            Kind::Gaussian { std } => {
                let r = z / std;
                [-0.5 * (tau.ln() + r * r) - std.ln(), -r / std, 1.0 / (std * std)]
            }
            Kind::Laplace { scale } => {
                let s = z.hypot(self.smoothing);
                let e = self.smoothing / s;
                [-(2.0 * scale).ln() - s / scale, -z / s / scale, e * e / s / scale]
            }
            Kind::StudentT { dof, scale } => {
                let r = z / scale;
                let spread = dof + r * r;
                let constant = log_gamma(0.5 * (dof + 1.0)) - log_gamma(0.5 * dof) - 0.5 * (0.5 * tau * dof).ln() - scale.ln();
                let value = constant - 0.5 * (dof + 1.0) * (r * r / dof).ln_1p();
                [value, -(dof + 1.0) * r / spread / scale, (dof + 1.0) * (dof - r * r) / (spread * spread) / (scale * scale)]
            }
            Kind::Horseshoe { scale } => {
                let (r, e) = (z / scale, self.smoothing / scale);
                let w = 0.5 * (r * r + e * e);
                let Exponential { log, c, d } = scaled_exponential(w);
                // K = eʷE₁(w): −K'/K = c/w, K''/K = d/w + c/w² with 1/K = w + c, d = 1 − c
                let slope = -c / w;
                let bend = slope + r * r * (d / w + c / (w * w) - slope * slope);
                let constant = -0.5 * (0.25 * tau * tau * tau).ln() - scale.ln();
                [constant + log, slope * r / scale, -bend / (scale * scale)]
            }
        }
    }
}

impl LogPrior for Prior {
    fn value(&self, z: &[f64]) -> f64 {
        z.iter().map(|&z| self.at(z)[0]).sum()
    }
    fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
        gradient.iter_mut().zip(z).for_each(|(gradient, &z)| *gradient = self.at(z)[1]);
    }
    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
        z.iter().enumerate().for_each(|(j, &z)| visit(j, j, self.at(z)[2]));
    }
    fn smoothing(&self) -> f64 {
        self.smoothing
    }
}

/// eʷE₁(w) = 1/(w + c): its logarithm, c, and d = 1 − c.
struct Exponential {
    log: f64,
    c: f64,
    d: f64,
}

fn scaled_exponential(w: f64) -> Exponential {
    if w < 1.0 {
        // E₁(w) = −γ − log w + w − w²/4 + w³/18 − …
        let (mut power, mut sum) = (1.0, 0.0);
        for k in 1..=24 {
            let k = f64::from(k);
            power *= -w / k;
            sum -= power / k;
        }
        let k = w.exp() * (sum - w.ln() - 0.577_215_664_901_532_9);
        let c = 1.0 / k - w;
        return Exponential { log: k.ln(), c, d: 1.0 - c };
    }
    // eʷE₁(w) = 1/(w + 1 − 1/(w + 3 − 4/(w + 5 − 9/(…)))), from the back; at w = 1 the tail after 100 terms is below rounding
    let tail = (1..=100).rev().fold(0.0, |tail, k| {
        let k = f64::from(k);
        k * k / (w + 2.0 * k + 1.0 - tail)
    });
    // the fold's outermost term is 1/(w + 3 − …)
    Exponential { log: -(w + 1.0 - tail).ln(), c: 1.0 - tail, d: tail }
}

/// log Γ(x), x > 0: Stirling's series after the recurrence has taken x above 12.
fn log_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 12.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0)))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * core::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Prior; 6] {
        [
            Prior::gaussian(0.7),
            Prior::laplace(0.4).smoothed(0.05),
            Prior::student_t(3.5, 0.6),
            Prior::cauchy(1.3),
            Prior::horseshoe(0.8).smoothed(0.1),
            Prior::horseshoe(0.3),
        ]
    }

    #[test]
    fn derivatives() {
        for prior in all() {
            for z in [-7.0_f64, -0.9, -0.2, 0.05, 0.4, 1.2, 30.0] {
                let h = 1e-5 * f64::max(1.0f64.min(z.abs()), 0.01);
                let [_, slope, bend] = prior.at(z);
                let (up, down) = (prior.at(z + h), prior.at(z - h));
                let size = slope.abs() + bend.abs() + 1.0;
                assert!(((up[0] - down[0]) / (2.0 * h) - slope).abs() < 1e-5 * size, "{prior:?} at {z}");
                assert!(((down[1] - up[1]) / (2.0 * h) - bend).abs() < 1e-5 * size, "{prior:?} at {z}");
            }
        }
    }

    /// Every density integrates to 1 (the smoothed ones nearly so): a wrong constant would make the evidence wrong.
    #[test]
    fn densities() {
        for prior in [
            Prior::gaussian(0.7),
            Prior::laplace(0.4),
            Prior::student_t(3.5, 0.6),
            Prior::cauchy(1.3),
            Prior::horseshoe(0.8).smoothed(1e-9),
        ] {
            // z = sinh(u)/… covers both the pole and the tails
            let h = 1e-3;
            let sum: f64 = (-30_000..30_000).map(|k| h * (f64::from(k) + 0.5)).map(|u| (prior.at(u.exp())[0] + u).exp() * h).sum();
            assert!((2.0 * sum - 1.0).abs() < 1e-5, "{prior:?}: {}", 2.0 * sum);
        }
    }

    /// mpmath: log(gamma(x)); log(exp(w)·e1(w)).
    #[test]
    fn functions() {
        for (x, expected) in [(0.5, 0.572364942924700087), (1.75, -0.0844011210204855535), (30.25, 72.1042047420079998)] {
            assert!((log_gamma(x) - expected).abs() < 1e-13 * (1.0 + expected.abs()), "{x}: {}", log_gamma(x));
        }
        for w in [1e-6, 0.1, 0.999_999_999, 1.0, 1.7, 40.0, 1e6] {
            // d/dw(eʷE₁) = eʷE₁ − 1/w, and continuity where the forms meet
            let at = scaled_exponential(w);
            assert!((at.c + at.d - 1.0).abs() < 1e-15);
            assert!((at.log + (w + at.c).ln()).abs() < 1e-13, "{w}");
        }
        let (below, above) = (scaled_exponential(1.0 - 1e-12), scaled_exponential(1.0));
        assert!((below.log - above.log).abs() < 1e-11 && (above.log - 0.596347362323194f64.ln()).abs() < 1e-14);
    }
}
