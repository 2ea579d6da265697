//! What an iterative method shows of itself: one [`Step`] at a time, and at the end why it stopped ([`Stop`]).

use core::fmt;
use core::ops::ControlFlow;

/// One step of an iterative method, as an observer sees it.
///
/// The norms are those of the iteration's own recursions; the ones in the answer are computed afresh from x.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Number of the step; the first is 1.
    pub index: usize,
    /// ‖Ax − b‖.
    pub residual_norm: f64,
    /// ‖Aᴴ(b − Ax) − λLᴴLx‖ / ‖Aᴴb‖: 0 at the minimiser, 1 at x = 0. The tolerance bounds this number.
    pub normal_residual: f64,
    /// ‖x‖.
    pub solution_norm: f64,
}

/// Called after each step; `Break` ends the iteration with [`Stop::Observer`].
#[doc(hidden)]
pub type Observer<'o> = dyn FnMut(&Step) -> ControlFlow<()> + 'o;

/// Why an iterative method stopped.
///
/// [`converged`](Stop::converged) is the verdict. What did not converge is an error unless it was asked for.
///
/// ```
/// use wellposed::step::Stop;
/// assert!(Stop::Tolerance.converged() && Stop::Rounding.converged());
/// assert!(!Stop::Steps.converged());
/// assert_eq!(Stop::Tolerance.to_string(), "tolerance reached");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The normal residual, computed afresh from x, is within the tolerance.
    Tolerance,
    /// The normal residual is as small as rounding errors permit: x solves a problem that differs from the given one at
    /// rounding level. A smaller tolerance cannot be reached in this scalar type.
    Rounding,
    /// Aᴴb = 0: the minimiser (of smallest norm, where it is not unique) is x = 0.
    Zero,
    /// The number of steps that was asked for has been made: the steps are the regularization.
    Steps,
    /// The step limit was reached before the tolerance.
    StepLimit,
    /// Starting afresh from the computed x no longer improves it, well above rounding level.
    Stalled,
    /// The condition number of [A; √λL] is seen to exceed the limit that was asked for: stopping is the regularization.
    Condition,
    /// The observer ended the iteration.
    Observer,
    /// λ, which a rule chooses in each space, and x have settled: further steps no longer change them.
    Settled,
    /// The Krylov space has no further direction: what is solved in it is the whole problem.
    Exhausted,
}

impl Stop {
    /// Whether x is the minimiser, to the tolerance or to rounding level; with a λ that settles, to what counts as settled.
    pub fn converged(self) -> bool {
        match self {
            Stop::Tolerance | Stop::Rounding | Stop::Zero | Stop::Settled | Stop::Exhausted => true,
            Stop::Steps | Stop::StepLimit | Stop::Stalled | Stop::Condition | Stop::Observer => false,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stop::Tolerance => "tolerance reached",
            Stop::Rounding => "rounding level reached",
            Stop::Zero => "the adjoint product with b is zero, so x is zero",
            Stop::Steps => "the steps asked for are made",
            Stop::StepLimit => "step limit reached before the tolerance",
            Stop::Stalled => "no further progress, above the tolerance",
            Stop::Condition => "condition limit reached",
            Stop::Observer => "ended by the observer",
            Stop::Settled => "λ and x have settled",
            Stop::Exhausted => "the Krylov space is exhausted",
        })
    }
}
