//! How λ is chosen: a number, or a rule that looks at a curve (residual norm, penalty norm, degrees of freedom as functions
//! of λ) and at nothing else.

pub(crate) mod balancing;
pub(crate) mod bracket;
pub(crate) mod corner;
pub(crate) mod discrepancy;
pub(crate) mod evidence;
pub(crate) mod gcv;
pub(crate) mod hyper;
pub(crate) mod information;
pub(crate) mod kfold;
pub(crate) mod lcurve;
pub(crate) mod loo;
pub(crate) mod ncp;
pub(crate) mod noise;
pub(crate) mod one_standard_error;
pub(crate) mod penalty_norm;
pub(crate) mod periodogram;
pub(crate) mod quasi_optimality;
pub(crate) mod reginska;
pub(crate) mod search;
pub(crate) mod shrinkage;
pub(crate) mod strong_robust_gcv;
pub(crate) mod target;
pub(crate) mod truncation;
pub(crate) mod upre;
pub(crate) mod weighted_gcv;

pub use balancing::Balancing;
pub use discrepancy::Discrepancy;
pub use evidence::{Evidence, Gml, KnownNoiseEvidence};
pub use gcv::{Gcv, RobustGcv};
pub use hyper::{HierarchicalEvidence, HyperPrior, Scales};
pub use information::{Aicc, Bic};
pub use kfold::KFold;
pub use lcurve::{LCurve, LCurveCorner};
pub use loo::Loo;
pub use ncp::{Ncp, NcpGrid};
pub use one_standard_error::OneStandardError;
pub use penalty_norm::PenaltyNorm;
pub use quasi_optimality::QuasiOptimality;
pub use reginska::Reginska;
pub use shrinkage::{HoerlKennardBaldwin, LawlessWang};
pub use strong_robust_gcv::StrongRobustGcv;
pub use target::{EffectiveDof, NormFraction};
pub use truncation::Truncation;
pub use upre::Upre;
pub use weighted_gcv::WeightedGcv;

use crate::curve::{Curve, Spectrum};
use crate::error::{Error, Result};
use crate::lambda::Lambda;
use crate::warning::Warning;
use noise::Noise;

/// λ given as a number: the same as passing the number itself.
///
/// ```
/// use wellposed::{DenseView, Given, ridge};
/// let a = [3.0, 1.0, 1.0, 2.0];
/// let a = DenseView::column_major(&a, 2, 2)?;
/// assert_eq!(ridge(&a, &[1.0, 2.0], Given(0.5))?.x, ridge(&a, &[1.0, 2.0], 0.5)?.x);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Given(pub f64);

/// A parameter-choice rule. Each is a value of its own type ([`Gcv`], [`Loo`], [`Discrepancy`], …) and converts into this.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// Generalized cross-validation.
    Gcv(Gcv),
    /// Robust generalized cross-validation.
    RobustGcv(RobustGcv),
    /// Strong robust generalized cross-validation.
    StrongRobustGcv(StrongRobustGcv),
    /// Generalized cross-validation with weighted degrees of freedom: modified and weighted GCV.
    WeightedGcv(WeightedGcv),
    /// Exact leave-one-out cross-validation.
    Loo(Loo),
    /// Exact K-fold cross-validation.
    KFold(KFold),
    /// The largest λ within one standard error of the least cross-validated error.
    OneStandardError(OneStandardError),
    /// Evidence (restricted maximum likelihood).
    Evidence(Evidence),
    /// Evidence with the noise level given.
    KnownNoiseEvidence(KnownNoiseEvidence),
    /// Akaike's criterion, corrected.
    Aicc(Aicc),
    /// The Bayesian information criterion.
    Bic(Bic),
    /// Unbiased predictive risk (Mallows' C_L).
    Upre(Upre),
    /// Morozov's discrepancy principle, and the monotone-error rule.
    Discrepancy(Discrepancy),
    /// Lepskiĭ's balancing principle.
    Balancing(Balancing),
    /// The L-curve's point of maximum curvature.
    LCurve(LCurve),
    /// The corner of a discrete L-curve.
    LCurveCorner(LCurveCorner),
    /// Quasi-optimality.
    QuasiOptimality(QuasiOptimality),
    /// Regińska's rule.
    Reginska(Reginska),
    /// The whitest residual.
    Ncp(Ncp),
    /// The whitest residual of an image.
    NcpGrid(NcpGrid),
    /// Hoerl, Kennard, Baldwin.
    HoerlKennardBaldwin(HoerlKennardBaldwin),
    /// Lawless, Wang.
    LawlessWang(LawlessWang),
    /// So many effective degrees of freedom.
    EffectiveDof(EffectiveDof),
    /// A fraction of the unregularized norm.
    NormFraction(NormFraction),
    /// A ball for the penalty norm.
    PenaltyNorm(PenaltyNorm),
}

/// A number or a rule: what every `solve` takes after the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    pub(crate) kind: Kind,
    pub(crate) shared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Number(Lambda),
    Rule(Rule),
}

impl Choice {
    /// One λ for all right-hand sides.
    pub fn shared(self) -> Self {
        Self { shared: true, ..self }
    }
}

impl Rule {
    /// One λ for all right-hand sides.
    pub fn shared(self) -> Choice {
        Choice::from(self).shared()
    }

    /// The rules that a comparison asks: every one that needs no number from the caller but a usual one. Leave-one-out stands for
    /// cross-validation: K-fold depends on its folds.
    pub(crate) fn usual(noise_known: bool) -> Vec<Rule> {
        let (discrepancy, upre, balancing) = match noise_known {
            true => (Discrepancy::whitened(), Upre::whitened(), Balancing::whitened()),
            false => (Discrepancy::estimated(), Upre::estimated(), Balancing::estimated()),
        };
        vec![
            Gcv.into(),
            Gcv.robust(0.3).into(),
            Gcv.strong_robust(0.95).into(),
            Gcv.modified(1.4).into(),
            Loo.into(),
            Evidence.into(),
            Aicc.into(),
            Bic.into(),
            upre.into(),
            discrepancy.into(),
            discrepancy.monotone_error().into(),
            balancing.into(),
            LCurve.into(),
            LCurve::pruning().into(),
            LCurve::triangle().into(),
            QuasiOptimality.into(),
            Reginska::new(1.0).into(),
            Ncp.into(),
            HoerlKennardBaldwin.into(),
            LawlessWang.into(),
        ]
    }

    /// The name, for reports and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Gcv(_) => "GCV",
            Rule::RobustGcv(_) => "robust GCV",
            Rule::StrongRobustGcv(_) => "strong robust GCV",
            Rule::WeightedGcv(rule) => rule.name(),
            Rule::Loo(_) => "leave-one-out",
            Rule::KFold(_) => "K-fold",
            Rule::OneStandardError(rule) => rule.name(),
            Rule::Evidence(_) => "evidence",
            Rule::KnownNoiseEvidence(_) => KnownNoiseEvidence::NAME,
            Rule::Aicc(_) => "AICc",
            Rule::Bic(_) => "BIC",
            Rule::Upre(_) => "predictive risk",
            Rule::Discrepancy(rule) => rule.name(),
            Rule::Balancing(_) => "balancing",
            Rule::LCurve(_) => "L-curve",
            Rule::LCurveCorner(rule) => rule.name(),
            Rule::QuasiOptimality(_) => "quasi-optimality",
            Rule::Reginska(_) => "Regińska",
            Rule::Ncp(_) => "NCP",
            Rule::NcpGrid(_) => "NCP (grid)",
            Rule::HoerlKennardBaldwin(_) => "Hoerl–Kennard–Baldwin",
            Rule::LawlessWang(_) => "Lawless–Wang",
            Rule::EffectiveDof(_) => "degrees of freedom",
            Rule::NormFraction(_) => "fraction of the norm",
            Rule::PenaltyNorm(_) => "penalty norm",
        }
    }

    /// The criterion grows with this power of the data: 2 for a mean square, 1 for a norm, 0 for what has no units.
    pub(crate) fn degree_in_data(&self) -> i32 {
        match self {
            Rule::Gcv(_) | Rule::RobustGcv(_) | Rule::StrongRobustGcv(_) | Rule::WeightedGcv(_) => 2,
            Rule::Loo(_) | Rule::KFold(_) | Rule::OneStandardError(_) => 2,
            Rule::Evidence(_) | Rule::KnownNoiseEvidence(_) | Rule::Aicc(_) | Rule::Bic(_) | Rule::Upre(_) => 2,
            // the noise variance of the unregularized fit
            Rule::HoerlKennardBaldwin(_) | Rule::LawlessWang(_) => 2,
            Rule::Discrepancy(_) | Rule::Reginska(_) => 1,
            Rule::Balancing(_) | Rule::LCurve(_) | Rule::LCurveCorner(_) | Rule::QuasiOptimality(_) => 0,
            Rule::Ncp(_) | Rule::NcpGrid(_) | Rule::EffectiveDof(_) | Rule::NormFraction(_) | Rule::PenaltyNorm(_) => 0,
        }
    }

    /// The criterion grows with this power of ‖Lx‖, beside its power of the data.
    pub(crate) fn degree_in_penalty(&self) -> f64 {
        match self {
            Rule::QuasiOptimality(_) => 2.0,
            Rule::Reginska(rule) => rule.power(),
            Rule::PenaltyNorm(_) => 1.0,
            _ => 0.0,
        }
    }

    /// Whether it looks at the rows of U.
    pub(crate) fn needs_leverages(&self) -> bool {
        matches!(self, Rule::Loo(_) | Rule::KFold(_) | Rule::OneStandardError(_) | Rule::Ncp(_) | Rule::NcpGrid(_))
    }

    /// Whether it looks at the spectrum far below the λ that it chooses: the eigenvalues of a Gram matrix do not serve.
    pub(crate) fn needs_every_value(&self) -> bool {
        match self {
            Rule::HoerlKennardBaldwin(_) | Rule::LawlessWang(_) | Rule::NormFraction(_) | Rule::PenaltyNorm(_) | Rule::Balancing(_) => true,
            Rule::Upre(rule) => rule.noise == Noise::Estimated,
            Rule::Discrepancy(rule) => rule.is_estimated(),
            _ => false,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Rule::RobustGcv(rule) => rule.check(),
            Rule::StrongRobustGcv(rule) => rule.check(),
            Rule::WeightedGcv(rule) => rule.check(),
            Rule::KFold(rule) => rule.check(),
            Rule::OneStandardError(rule) => rule.check(),
            Rule::Upre(rule) => rule.noise.check(),
            Rule::KnownNoiseEvidence(rule) => rule.noise.check(),
            Rule::Discrepancy(rule) => rule.check(),
            Rule::Balancing(rule) => rule.noise.check(),
            Rule::Reginska(rule) => rule.check(),
            Rule::NcpGrid(rule) => rule.check(),
            Rule::EffectiveDof(rule) => rule.check(),
            Rule::NormFraction(rule) => rule.check(),
            Rule::PenaltyNorm(rule) => rule.check(),
            Rule::Gcv(_) | Rule::Loo(_) | Rule::Evidence(_) | Rule::Aicc(_) | Rule::Bic(_) => Ok(()),
            Rule::LCurve(_) | Rule::LCurveCorner(_) | Rule::QuasiOptimality(_) | Rule::Ncp(_) => Ok(()),
            Rule::HoerlKennardBaldwin(_) | Rule::LawlessWang(_) => Ok(()),
        }
    }

    /// The same rule for a curve on which one unit of the caller's ‖L(x − x₀)‖ is `unit`.
    pub(crate) fn in_penalty_units(self, unit: f64) -> Self {
        match self {
            Rule::PenaltyNorm(rule) => rule.in_units(unit).into(),
            other => other,
        }
    }

    /// λ on this curve; `data_norm` is ‖b‖ in the curve's units and `unit` the factor from the caller's units to them.
    pub(crate) fn choose(&self, curve: &dyn Curve, data_norm: f64, unit: f64) -> Result<Chosen> {
        match self {
            Rule::Gcv(rule) => rule.choose(curve),
            Rule::RobustGcv(rule) => rule.choose(curve),
            Rule::StrongRobustGcv(rule) => rule.choose(curve),
            Rule::WeightedGcv(rule) => rule.choose(curve),
            Rule::Loo(rule) => rule.choose(curve),
            Rule::KFold(rule) => rule.choose(curve),
            Rule::OneStandardError(rule) => rule.choose(curve),
            Rule::Evidence(rule) => rule.choose(curve),
            Rule::KnownNoiseEvidence(rule) => rule.choose(curve, unit),
            Rule::Aicc(rule) => rule.choose(curve),
            Rule::Bic(rule) => rule.choose(curve),
            Rule::Upre(rule) => rule.choose(curve, unit),
            Rule::Discrepancy(rule) => rule.choose(curve, data_norm, unit),
            Rule::Balancing(rule) => rule.choose(curve, unit),
            Rule::LCurve(rule) => rule.choose(curve),
            Rule::LCurveCorner(rule) => rule.choose(curve),
            Rule::QuasiOptimality(rule) => rule.choose(curve),
            Rule::Reginska(rule) => rule.choose(curve),
            Rule::Ncp(rule) => rule.choose(curve),
            Rule::NcpGrid(rule) => rule.choose(curve),
            Rule::HoerlKennardBaldwin(rule) => rule.choose(curve),
            Rule::LawlessWang(rule) => rule.choose(curve),
            Rule::EffectiveDof(rule) => rule.choose(curve),
            Rule::NormFraction(rule) => rule.choose(curve),
            Rule::PenaltyNorm(rule) => rule.choose(curve),
        }
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Chosen {
    pub damping: f64,
    /// The criterion there.
    pub value: f64,
    /// Every local minimum inside the interval: damping and criterion value, by increasing damping.
    pub minima: Vec<(f64, f64)>,
    /// The criterion as it was evaluated: damping and value, by increasing damping.
    pub evaluated: Vec<(f64, f64)>,
    pub warnings: Vec<Warning>,
}

impl core::fmt::Display for Choice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.kind {
            Kind::Number(lambda) => write!(f, "{lambda}"),
            Kind::Rule(rule) => write!(f, "chosen by {}", rule.name()),
        }?;
        if self.shared { f.write_str(", one for all right-hand sides") } else { Ok(()) }
    }
}

impl From<Lambda> for Choice {
    fn from(lambda: Lambda) -> Self {
        Self { kind: Kind::Number(lambda), shared: false }
    }
}
impl From<f64> for Choice {
    fn from(lambda: f64) -> Self {
        Lambda::new(lambda).into()
    }
}
impl From<Given> for Choice {
    fn from(given: Given) -> Self {
        given.0.into()
    }
}
impl From<Rule> for Choice {
    fn from(rule: Rule) -> Self {
        Self { kind: Kind::Rule(rule), shared: false }
    }
}

macro_rules! rules {
    ($($type:ident),*) => {$(
        impl From<$type> for Rule {
            fn from(rule: $type) -> Self {
                Rule::$type(rule)
            }
        }
        impl From<$type> for Choice {
            fn from(rule: $type) -> Self {
                Rule::$type(rule).into()
            }
        }
        impl From<$type> for Truncation {
            fn from(rule: $type) -> Self {
                Rule::$type(rule).into()
            }
        }
        impl $type {
            /// One λ for all right-hand sides, chosen on all of them together.
            pub fn shared(self) -> Choice {
                Choice::from(self).shared()
            }
        }
    )*};
}
rules!(
    Gcv,
    RobustGcv,
    StrongRobustGcv,
    WeightedGcv,
    Loo,
    KFold,
    OneStandardError,
    Evidence,
    KnownNoiseEvidence,
    Aicc,
    Bic,
    Upre,
    Discrepancy,
    Balancing,
    LCurve,
    LCurveCorner,
    QuasiOptimality,
    Reginska,
    Ncp,
    NcpGrid,
    HoerlKennardBaldwin,
    LawlessWang,
    EffectiveDof,
    NormFraction,
    PenaltyNorm
);

/// The spectrum that a rule with sums of its own needs.
pub(crate) fn needs_spectrum<'c>(curve: &'c dyn Curve, rule: &'static str) -> Result<&'c Spectrum> {
    curve.spectrum().ok_or(spectrum_unknown(rule))
}

/// The same.
pub(crate) fn spectrum_unknown(rule: &'static str) -> Error {
    Error::Unsupported {
        what: rule,
        with: "a method that knows norms and degrees of freedom but no spectrum",
        instead: "use Gcv, or a direct method such as Method::Svd",
    }
}

/// What a rule says that needs the rows of U and has none.
pub(crate) fn needs_rows(rule: &'static str) -> Error {
    Error::Unsupported {
        what: rule,
        with: "a method that does not form the leverages",
        instead: "use Method::Svd, Method::Gsvd or Method::Auto",
    }
}

/// What a rule says that needs the rows of the caller, where they were merged as they came.
pub(crate) fn needs_unmerged_rows(rule: &'static str) -> Error {
    Error::Unsupported {
        what: rule,
        with: "rows that were merged as they came, whose leverages and residuals are gone",
        instead: "use Gcv, Evidence or Discrepancy, or keep the rows and solve a Problem",
    }
}

/// The interval has no extent: A (or what the penalty sees of it) is zero.
pub(crate) fn no_interval(rule: &'static str) -> Error {
    Error::NoLambda {
        rule,
        low: 0.0,
        high: 0.0,
        why: "no direction of A is both seen by the data and penalised, so that λ changes nothing; give λ as a number".into(),
    }
}
