//! What is known beforehand of the two scales of a Bayesian problem: the standard deviation of the noise, and that of x in units
//! of the penalty.
//!
//! Every density here is one of log σ, so that its mode, and with it the answer, is the same whether one writes it for the standard
//! deviation, the variance or the precision. (That is also what scikit-learn's `BayesianRidge` maximises: its Gamma(a, b) on a
//! precision is [`HyperPrior::gamma_precision`].)

use super::{Choice, Evidence, Rule};
use crate::error::{Error, Result};

/// What is known of a standard deviation σ before the data are seen.
///
/// ```
/// use wellposed::{DenseView, Evidence, HyperPrior, Problem};
/// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
/// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
/// let a = DenseView::column_major(&a, 12, 8)?;
/// // the instrument's noise is about 0.01, give or take a factor of 1.5
/// let evidence = Evidence.noise_prior(HyperPrior::log_normal(0.01, 0.4));
/// let posterior = Problem::new(&a).posterior(&b, evidence)?;
/// assert!((posterior.noise_std / 0.01).ln().abs() < 1.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HyperPrior {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Flat,
    LogNormal { median: f64, log_std: f64 },
    GammaPrecision { shape: f64, rate: f64 },
    GammaStd { shape: f64, rate: f64 },
    HalfNormal { scale: f64 },
    HalfCauchy { scale: f64 },
}

/// log density of u = log σ up to a constant, with two derivatives in u.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct LogDensity {
    pub value: f64,
    pub slope: f64,
    pub bend: f64,
}

impl HyperPrior {
    /// Nothing: log σ is uniform (improper). With it on both scales the maximum is that of [`Evidence`].
    pub fn flat() -> Self {
        Self { kind: Kind::Flat }
    }

    /// log σ ~ N(log median, log_std²): "about `median`, give or take a factor of exp(log_std)".
    pub fn log_normal(median: f64, log_std: f64) -> Self {
        Self { kind: Kind::LogNormal { median, log_std } }
    }

    /// The precision 1/σ² ~ Gamma(shape, rate): mean shape/rate. The variance is then inverse-gamma with the same numbers; this is
    /// `alpha_1, alpha_2` (noise) and `lambda_1, lambda_2` (x) of scikit-learn's `BayesianRidge`.
    pub fn gamma_precision(shape: f64, rate: f64) -> Self {
        Self { kind: Kind::GammaPrecision { shape, rate } }
    }

    /// σ² ~ inverse-gamma(shape, scale): another name of [`gamma_precision`](Self::gamma_precision).
    pub fn inverse_gamma_variance(shape: f64, scale: f64) -> Self {
        Self::gamma_precision(shape, scale)
    }

    /// σ ~ Gamma(shape, rate): mean shape/rate.
    pub fn gamma_std(shape: f64, rate: f64) -> Self {
        Self { kind: Kind::GammaStd { shape, rate } }
    }

    /// σ = |N(0, scale²)|.
    pub fn half_normal(scale: f64) -> Self {
        Self { kind: Kind::HalfNormal { scale } }
    }

    /// σ = |Cauchy(0, scale)| (Gelman 2006, doi:10.1214/06-BA117A).
    pub fn half_cauchy(scale: f64) -> Self {
        Self { kind: Kind::HalfCauchy { scale } }
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.kind == Kind::Flat
    }

    /// Where log σ is densest; `None` for a flat one.
    pub(crate) fn mode(&self) -> Option<f64> {
        match self.kind {
            Kind::Flat => None,
            Kind::LogNormal { median, .. } => Some(median.ln()),
            Kind::GammaPrecision { shape, rate } => Some(0.5 * (rate / shape).ln()),
            Kind::GammaStd { shape, rate } => Some((shape / rate).ln()),
            Kind::HalfNormal { scale } | Kind::HalfCauchy { scale } => Some(scale.ln()),
        }
    }

    pub(crate) fn at(&self, log_std: f64) -> LogDensity {
        let u = log_std;
        match self.kind {
            Kind::Flat => LogDensity::default(),
            Kind::LogNormal { median, log_std } => {
                let z = (u - median.ln()) / log_std;
                LogDensity { value: -0.5 * z * z, slope: -z / log_std, bend: -1.0 / (log_std * log_std) }
            }
            Kind::GammaPrecision { shape, rate } => {
                let pull = rate * (-2.0 * u).exp();
                LogDensity { value: -2.0 * shape * u - pull, slope: -2.0 * shape + 2.0 * pull, bend: -4.0 * pull }
            }
            Kind::GammaStd { shape, rate } => {
                let pull = rate * u.exp();
                LogDensity { value: shape * u - pull, slope: shape - pull, bend: -pull }
            }
            Kind::HalfNormal { scale } => {
                let square = (2.0 * (u - scale.ln())).exp();
                LogDensity { value: u - 0.5 * square, slope: 1.0 - square, bend: -2.0 * square }
            }
            Kind::HalfCauchy { scale } => {
                // σ/(1 + σ²/c²) in u, by the logistic function of 2(u − log c)
                let t = 2.0 * (u - scale.ln());
                let logistic = 1.0 / (1.0 + (-t).exp());
                let log = if t > 0.0 { t + (-t).exp().ln_1p() } else { t.exp().ln_1p() };
                LogDensity { value: u - log, slope: 1.0 - 2.0 * logistic, bend: -4.0 * logistic * (1.0 - logistic) }
            }
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let positive = |name, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::Parameter { name, value, must_be: "positive and finite; HyperPrior::flat() says that nothing is known" }),
        };
        let (first, second) = match self.kind {
            Kind::Flat => return Ok(()),
            Kind::LogNormal { median, log_std } => (("the median of a hyper-prior", median), ("log_std of a hyper-prior", log_std)),
            Kind::GammaPrecision { shape, rate } | Kind::GammaStd { shape, rate } => {
                (("the shape of a hyper-prior", shape), ("the rate of a hyper-prior", rate))
            }
            Kind::HalfNormal { scale } | Kind::HalfCauchy { scale } => {
                (("the scale of a hyper-prior", scale), ("the scale of a hyper-prior", scale))
            }
        };
        positive(first.0, first.1)?;
        positive(second.0, second.1)
    }
}

/// [`Evidence`] with something known beforehand of the noise or of the size of x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HierarchicalEvidence {
    pub(crate) noise: Option<HyperPrior>,
    pub(crate) scale: HyperPrior,
}

impl Evidence {
    /// The noise has a hyper-prior. On a problem with [`noise_std`](crate::Problem::noise_std), it is one of the factor by which
    /// all of them are multiplied (without it, they are taken as known).
    pub fn noise_prior(self, prior: HyperPrior) -> HierarchicalEvidence {
        HierarchicalEvidence { noise: Some(prior), scale: HyperPrior::flat() }
    }

    /// The prior standard deviation τ of x (in units of the penalty) has a hyper-prior.
    pub fn scale_prior(self, prior: HyperPrior) -> HierarchicalEvidence {
        HierarchicalEvidence { noise: None, scale: prior }
    }
}

impl HierarchicalEvidence {
    /// As [`Evidence::noise_prior`].
    pub fn noise_prior(self, prior: HyperPrior) -> Self {
        Self { noise: Some(prior), ..self }
    }

    /// As [`Evidence::scale_prior`].
    pub fn scale_prior(self, prior: HyperPrior) -> Self {
        Self { scale: prior, ..self }
    }
}

/// How λ and the noise of a posterior are found: λ as a number, any rule, or [`Evidence`] with hyper-priors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales {
    pub(crate) choice: Choice,
    pub(crate) hierarchical: Option<HierarchicalEvidence>,
}

impl<C: Into<Choice>> From<C> for Scales {
    fn from(choice: C) -> Self {
        Self { choice: choice.into(), hierarchical: None }
    }
}

impl From<HierarchicalEvidence> for Scales {
    fn from(hierarchical: HierarchicalEvidence) -> Self {
        Self { choice: Rule::from(Evidence).into(), hierarchical: Some(hierarchical) }
    }
}

impl Scales {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(hierarchical) = &self.hierarchical {
            hierarchical.scale.check()?;
            hierarchical.noise.map_or(Ok(()), |prior| prior.check())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes and bends against differences, and the mode where the slope vanishes: a sign or a factor of two would show.
    #[test]
    fn derivatives_of_every_density() {
        let all = [
            HyperPrior::log_normal(0.3, 0.7),
            HyperPrior::gamma_precision(2.5, 0.4),
            HyperPrior::gamma_std(1.7, 3.0),
            HyperPrior::half_normal(0.2),
            HyperPrior::half_cauchy(1.5),
        ];
        for prior in all {
            for u in [-3.0, -0.4, 0.0, 1.1] {
                let (h, here) = (1e-4, prior.at(u));
                let (up, down) = (prior.at(u + h), prior.at(u - h));
                assert!(((up.value - down.value) / (2.0 * h) - here.slope).abs() < 1e-6 * (1.0 + here.slope.abs() + here.bend.abs()));
                assert!(((up.slope - down.slope) / (2.0 * h) - here.bend).abs() < 1e-6 * (1.0 + here.slope.abs() + here.bend.abs()));
            }
            assert!(prior.at(prior.mode().unwrap()).slope.abs() < 1e-12, "{prior:?}");
        }
    }
}
