//! Why an engine gives a problem back to the one that planned it.

/// Why an engine gave the problem back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Refusal {
    /// The factored matrix is too ill-conditioned for this method (estimate of its condition number).
    IllConditioned(f64),
    /// A numerically singular matrix: rank and the relative tolerance that decided.
    RankDeficient { rank: usize, tolerance: f64 },
    /// A and L vanish together on some direction.
    SharedNullSpace,
    /// Divided by the weights of the penalty, A leaves the range of the scalar type.
    PenaltyOutOfRange,
    /// A kernel's iteration did not converge.
    NoConvergence,
    /// The factor of a sparse matrix would have this many entries, or take that many operations: more than is reasonable.
    TooMuchFill { entries: f64, flops: f64 },
    /// Something that this engine does not cover.
    NotCovered,
    /// λ is so large or small that its square root's square leaves the exponent range.
    OutOfRange,
}

/// A result, or the problem handed back.
pub(crate) type Handed<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// For reports: what was wrong with the method that gave up.
    pub fn why(&self) -> &'static str {
        match self {
            Refusal::IllConditioned(_) => "the factored matrix is too ill-conditioned to keep the digits promised",
            Refusal::RankDeficient { .. } => "the matrix is numerically rank-deficient",
            Refusal::SharedNullSpace => "A and the penalty share a null space",
            Refusal::PenaltyOutOfRange => "A divided by the weights of the penalty leaves the range of the scalar type",
            Refusal::NoConvergence => "its iteration did not converge",
            Refusal::TooMuchFill { .. } => "its factor would fill in too much",
            Refusal::NotCovered => "the problem is outside what it covers",
            Refusal::OutOfRange => "λ leaves the range of numbers that it can square",
        }
    }
}
