//! The one error type: few variants, each something the caller can act on, each text ending in the way out.

use std::fmt;

/// What every fallible call of this library returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call was refused or could not be completed, with numbers and the way out in its text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A length or a shape does not fit.
    #[error("{what} is {found}, but {expected} is needed: {hint}")]
    Shape {
        /// Which argument.
        what: &'static str,
        /// The shape or length it has.
        found: Size,
        /// The shape or length it should have.
        expected: Size,
        /// What to do.
        hint: &'static str,
    },
    /// NaN or ∞ where a finite number is needed.
    #[error("{what} has a value that is NaN or infinite at {index}: {}", .index.way_out())]
    NonFinite {
        /// Which argument (or result).
        what: &'static str,
        /// Where: the row and column.
        index: Size,
    },
    /// An entry of an index array of a sparse matrix that cannot be.
    #[error("{what}[{place}] is {value}, but it must be {must_be}")]
    Index {
        /// Which array.
        what: &'static str,
        /// The place in it.
        place: usize,
        /// What stands there.
        value: i128,
        /// What may stand there, and why.
        must_be: String,
    },
    /// A parameter outside its range.
    #[error("{name} is {value}, but it must be {must_be}")]
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The permitted values, and what to do.
        must_be: &'static str,
    },
    /// Stored bytes that are not what they should be.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The problem has no unique solution, and a unique one was asked for.
    #[error(
        "rank {rank} of {unknowns} unknowns at the relative tolerance {tolerance:.1e}: the minimiser is not unique; \
         use λ > 0 or a penalty that sees the free directions; Method::Auto or Method::Svd without require_full_rank() gives the minimum-norm answer"
    )]
    RankDeficient {
        /// Numerical rank.
        rank: usize,
        /// Number of unknowns.
        unknowns: usize,
        /// The relative tolerance at which the rank was decided.
        tolerance: f64,
    },
    /// A and L vanish on a common direction, so that no λ makes the answer unique.
    #[error(
        "A and L share a null space of dimension {dimension}: no λ makes the minimiser unique; \
         add a penalty that sees those directions, or drop require_full_rank() for the minimum-norm answer"
    )]
    CommonNullSpace {
        /// Dimension of the shared null space.
        dimension: usize,
    },
    /// A direct method was asked for, and the operator offers only products.
    #[error("{method} needs the entries of {what}, which offers only products: use {instead}")]
    NeedsEntries {
        /// The method asked for.
        method: &'static str,
        /// The operator without entries.
        what: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// The rule finds no λ.
    #[error("{rule} finds no λ in [{low:.3e}, {}]: {why}", if *high == f64::INFINITY { "∞".to_owned() } else { format!("{high:.3e}") })]
    NoLambda {
        /// Which rule.
        rule: &'static str,
        /// Lower end of the interval searched.
        low: f64,
        /// Upper end.
        high: f64,
        /// Why, and what to do.
        why: String,
    },
    /// A combination that is not offered.
    #[error("{what} cannot be combined with {with}: {instead}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What it does not go with.
        with: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A log prior whose derivatives are not those of its value.
    #[error(
        "the {what} of the log prior is {found:.6e} along a direction in which differences of {of} give {expected:.6e}: \
         correct the {what} (or the value), and round off corners"
    )]
    LogPrior {
        /// The derivative that is wrong: gradient or curvature.
        what: &'static str,
        /// What it was compared with.
        of: &'static str,
        /// Along a direction, as the prior says.
        found: f64,
        /// By differences.
        expected: f64,
    },
    /// An iteration or a kernel stopped before its tolerance was reached.
    #[error("{method} stopped after {steps} steps at {reached:.1e}, before its tolerance {tolerance:.1e}: {instead}")]
    NotConverged {
        /// Which method.
        method: &'static str,
        /// Steps made.
        steps: usize,
        /// What the stopping quantity reached.
        reached: f64,
        /// What it should have reached.
        tolerance: f64,
        /// What to do.
        instead: &'static str,
    },
    /// Bounds between which there is no number.
    #[error(
        "component {index} of x is bounded by {low} and {high}: the lower bound must be a number not above the upper one; −∞ and ∞ leave a side open"
    )]
    Bounds {
        /// Which component of x.
        index: usize,
        /// Its lower bound.
        low: f64,
        /// Its upper bound.
        high: f64,
    },
    /// No x keeps to the constraints.
    #[error("no x satisfies {what}: the nearest leaves ‖Cx − d‖ = {gap:.3e}; {instead}")]
    Infeasible {
        /// Which constraints.
        what: &'static str,
        /// The least ‖Cx − d‖ that is possible.
        gap: f64,
        /// What to do.
        instead: &'static str,
    },
    /// The factorization asked for by name would lose the digits this library promises.
    #[error("{method} would lose too many digits here (condition of the factored matrix about {condition:.1e}): {instead}")]
    IllConditioned {
        /// Which method.
        method: &'static str,
        /// Estimated condition number of the matrix that it factors.
        condition: f64,
        /// What to do.
        instead: &'static str,
    },
}

/// A length, or rows × columns, as errors print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A length.
    Length(usize),
    /// Rows and columns.
    Shape(usize, usize),
    /// A position in a vector.
    Entry(usize),
    /// Row and column of a matrix.
    Position(usize, usize),
    /// A step of an iteration; 0 is what comes before the first.
    Step(usize),
}

impl Size {
    /// What to do about a value there that is not finite.
    fn way_out(&self) -> &'static str {
        match self {
            Size::Step(_) => "the operator returned it, or its values overflow; operator::dot_test checks both products",
            _ => "remove or impute it before the call",
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Size::Length(n) => write!(f, "of length {n}"),
            Size::Shape(rows, columns) => write!(f, "{rows}×{columns}"),
            Size::Entry(index) => write!(f, "entry {index}"),
            Size::Position(row, column) => write!(f, "row {row}, column {column}"),
            Size::Step(index) => write!(f, "step {index}"),
        }
    }
}
