//! What a user should know about an answer that is otherwise right.

use core::fmt;

/// Something the caller should know about a result. Reports print it; code can match on it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The chosen λ is an end of the interval searched: the criterion has no minimum inside.
    EdgeOfInterval {
        /// The end, as λ.
        lambda: f64,
        /// Whether it is the upper end.
        upper: bool,
    },
    /// The objective is not convex: this is a local minimum.
    LocalMinimum,
    /// The λ of one of several penalties is an end of its range: the criterion has no minimum inside.
    PenaltyAtEdge {
        /// Which penalty, in their order.
        penalty: usize,
        /// Its λ.
        lambda: f64,
        /// Whether it is the upper end.
        upper: bool,
    },
    /// The criterion hardly changes over more than two decades of λ: the data do not determine λ well.
    FlatMinimum {
        /// Lower end of the flat stretch.
        low: f64,
        /// Upper end of the flat stretch.
        high: f64,
    },
    /// Another local minimum is almost as good.
    RivalMinimum {
        /// Its λ.
        lambda: f64,
        /// Its criterion value divided by the best one.
        ratio: f64,
    },
    /// A rule needed the level of the noise, and estimated it.
    NoiseEstimated {
        /// The estimated standard deviation of a row's noise, in whitened units.
        noise_std: f64,
        /// From what.
        estimator: &'static str,
    },
    /// The minimiser is not unique: this is the one of minimum norm.
    MinimumNorm {
        /// Numerical rank.
        rank: usize,
        /// Number of unknowns.
        unknowns: usize,
        /// Relative tolerance of the rank decision.
        tolerance: f64,
    },
    /// Within the bounds the minimiser need not be unique: this is one of them.
    NotUnique {
        /// Numerical rank of [A; √λL], with the equality constraints.
        rank: usize,
        /// Number of unknowns.
        unknowns: usize,
        /// Relative tolerance of the rank decision.
        tolerance: f64,
    },
    /// The planned method gave the problem back and another one solved it.
    MethodChanged {
        /// The planned method.
        from: &'static str,
        /// The one that solved the problem.
        to: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The random probes leave λ more uncertain than asked for.
    UncertainLambda {
        /// Lower end of the interval of λ.
        low: f64,
        /// Upper end.
        high: f64,
        /// Probes used.
        probes: usize,
    },
    /// The iteration was stopped before its tolerance, and the caller had asked to accept that.
    Partial {
        /// What the stopping quantity reached.
        reached: f64,
        /// What it should have reached.
        tolerance: f64,
    },
}

impl Warning {
    /// The same with every λ in other units.
    pub(crate) fn with_lambda(self, convert: impl Fn(f64) -> f64) -> Self {
        match self {
            Warning::EdgeOfInterval { lambda, upper } => Warning::EdgeOfInterval { lambda: convert(lambda), upper },
            Warning::FlatMinimum { low, high } => Warning::FlatMinimum { low: convert(low), high: convert(high) },
            Warning::RivalMinimum { lambda, ratio } => Warning::RivalMinimum { lambda: convert(lambda), ratio },
            Warning::UncertainLambda { low, high, probes } => Warning::UncertainLambda { low: convert(low), high: convert(high), probes },
            other => other,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::EdgeOfInterval { lambda, upper } => {
                let (end, hint) = if *upper {
                    ("upper", "the data favour as much regularization as there is; check the model, or give λ")
                } else {
                    ("lower", "the data favour no regularization")
                };
                write!(f, "λ = {lambda:.3e} is the {end} end of the interval searched: {hint}")
            }
            Warning::LocalMinimum => f.write_str(
                "the objective is not convex: this is the local minimum downhill from the ridge solution, and there may be lower ones",
            ),
            Warning::PenaltyAtEdge { penalty, lambda, upper } => {
                let (end, hint) = if *upper {
                    ("upper", "the data favour an x that this penalty does not see")
                } else {
                    ("lower", "the data favour to do without this penalty")
                };
                write!(f, "λ = {lambda:.3e} of penalty {} is the {end} end of its range: {hint}", penalty + 1)
            }
            Warning::FlatMinimum { low, high } => {
                write!(f, "the criterion is flat from λ = {low:.1e} to {high:.1e}: the data hardly determine λ")
            }
            Warning::RivalMinimum { lambda, ratio } => {
                write!(f, "another local minimum at λ = {lambda:.3e} is within a factor {ratio:.4} of the best")
            }
            Warning::NoiseEstimated { noise_std, estimator } => {
                write!(f, "the standard deviation of the noise was estimated as {noise_std:.3e}, from {estimator}")
            }
            Warning::MinimumNorm { rank, unknowns, tolerance } => {
                write!(f, "rank {rank} of {unknowns} (relative tolerance {tolerance:.1e}): this is the minimum-norm solution")
            }
            Warning::NotUnique { rank, unknowns, tolerance } => write!(
                f,
                "rank {rank} of {unknowns} (relative tolerance {tolerance:.1e}): the minimiser within the bounds need not be unique, and this is one"
            ),
            Warning::MethodChanged { from, to, why } => write!(f, "{from} handed over to {to}: {why}"),
            Warning::UncertainLambda { low, high, probes } => write!(
                f,
                "{probes} probes leave λ between {low:.3e} and {high:.3e}: more of them (Probes::max_probes) or another seed would move it"
            ),
            Warning::Partial { reached, tolerance } => {
                write!(f, "stopped at {reached:.1e}, before the tolerance {tolerance:.1e}, as asked")
            }
        }
    }
}
