//! How λ is chosen: a number, or a rule that looks at a curve (residual norm, penalty norm, degrees of freedom as functions of λ) and at nothing else.

pub(crate) mod discrepancy;
pub(crate) mod gcv;
pub(crate) mod loo;
pub(crate) mod search;

pub use discrepancy::Discrepancy;
pub use gcv::{Gcv, RobustGcv};
pub use loo::Loo;

use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::lambda::Lambda;
use crate::warning::Warning;

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

/// A parameter-choice rule. Each is a value of its own type ([`Gcv`], [`Loo`], [`Discrepancy`]) and converts into this.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// Generalized cross-validation.
    Gcv(Gcv),
    /// Robust generalized cross-validation.
    RobustGcv(RobustGcv),
    /// Exact leave-one-out cross-validation.
    Loo(Loo),
    /// Morozov's discrepancy principle.
    Discrepancy(Discrepancy),
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

    /// The name, for reports and errors.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Gcv(_) => "GCV",
            Rule::RobustGcv(_) => "robust GCV",
            Rule::Loo(_) => "leave-one-out",
            Rule::Discrepancy(_) => "discrepancy",
        }
    }

    /// The criterion grows with this power of the data: 2 for a mean square, 1 for a norm.
    pub(crate) fn degree_in_data(&self) -> i32 {
        match self {
            Rule::Gcv(_) | Rule::RobustGcv(_) | Rule::Loo(_) => 2,
            Rule::Discrepancy(_) => 1,
        }
    }

    pub(crate) fn needs_leverages(&self) -> bool {
        matches!(self, Rule::Loo(_))
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Rule::Gcv(_) | Rule::Loo(_) => Ok(()),
            Rule::RobustGcv(rule) => rule.check(),
            Rule::Discrepancy(rule) => rule.check(),
        }
    }

    /// λ on this curve; `data_norm` is ‖b‖ in the curve's units and `unit` the factor from the caller's units to them.
    pub(crate) fn choose(&self, curve: &dyn Curve, data_norm: f64, unit: f64) -> Result<Chosen> {
        match self {
            Rule::Gcv(rule) => rule.choose(curve),
            Rule::RobustGcv(rule) => rule.choose(curve),
            Rule::Loo(rule) => rule.choose(curve),
            Rule::Discrepancy(rule) => rule.choose(curve, data_norm, unit),
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
        impl $type {
            /// One λ for all right-hand sides, chosen on all of them together.
            pub fn shared(self) -> Choice {
                Choice::from(self).shared()
            }
        }
    )*};
}
rules!(Gcv, RobustGcv, Loo, Discrepancy);

/// The interval has no extent: A (or what the penalty sees of it) is zero.
pub(crate) fn no_interval(rule: &'static str) -> Error {
    Error::NoLambda {
        rule,
        low: 0.0,
        high: 0.0,
        why: "no direction of A is both seen by the data and penalised, so that λ changes nothing; give λ as a number".into(),
    }
}
