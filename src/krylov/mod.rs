//! Iterative methods: they know A and L by their products alone.
//!
//! A method is an [`Iteration`]: what one step does, and how the residual is computed afresh from x. The loop around it,
//! [`drive`], exists once: tolerance, step limit, non-finite values, divergence, observer and the reason for stopping are
//! here and nowhere else.
//!
//! When to believe the recursions. A method updates its residual r̂ = [b − Ax; −√λLx] step by step, and the updated one
//! drifts from the true one by about ε‖Â‖·max‖x‖, Â = [A; √λL]. The normal residual s = Âᴴr̂ of the recursion falls
//! further than that, to about ε‖Â‖‖r̂‖, and it is this last part of its way that makes x as accurate as a direct method
//! makes it (Björck, Elfving & Strakoš 1998, doi:10.1137/S089547989631202X). So the recursion runs to the tolerance or to *its*
//! rounding level. Then r̂ is replaced by the true one, once, and judged: within the tolerance; or at the rounding level of a
//! computed residual, ε‖Â‖(‖r̂‖ + ‖Â‖‖x‖), which means that x is exact for a problem that differs at rounding level; or above
//! it (after a bad start guess, whose size the drift remembers), and then the iteration starts afresh from x.

//!
//! [`bidiagonal`] drives several recurrences together, for many right-hand sides or many dampings; each ends in this loop.

mod bidiagonal;
mod cgls;
pub(crate) mod flexible;
mod golub_kahan;
pub(crate) mod hybrid;
mod lsmr;
mod lsqr;
pub(crate) mod precondition;
pub(crate) mod probes;
pub(crate) mod standard_form;
mod system;

pub(crate) use system::{Kind, Length, Outcome, Start, System, block, path, solve};

use crate::error::{Error, Result, Size};
use crate::scalar::Real;
use crate::step::{Observer, Step, Stop};
use core::ops::ControlFlow;

/// The recursion's normal residual cannot fall below about this many ε‖Â‖‖r̂‖. Stopping later is not free of danger: below it
/// the direction is noise, which has components in the null space that nothing corrects.
const RECURSION_FLOOR: f64 = 8.0;
/// A computed normal residual of this many ε‖Â‖(‖r̂‖ + ‖Â‖‖x‖) is at rounding level: a small number times the length of
/// the sums in a product, whose errors grow about with its square root.
const ROUNDING: f64 = 64.0;
/// The same where no further progress is seen: operators that round more than a plain product.
const ROUNDING_AT_STANDSTILL: f64 = 1024.0;
/// This many steps without halving the normal residual, close to rounding level, are a standstill.
const STANDSTILL_STEPS: usize = 50;
/// The norm of r̂ falls monotonically in every method here, but for rounding; growth by this factor is divergence.
const DIVERGENCE: f64 = 1.01;
/// Changes of ‖r̂‖ by this many ε of its first value are rounding, however small it has become.
const RESIDUAL_NOISE: f64 = 1024.0;
/// A direction that Â shrinks by more than this many ε, relative to ‖Â‖, is in the null space as far as can be known.
const NULL_DIRECTION: f64 = 64.0;

/// A method: one step, and the residual computed afresh.
pub(crate) trait Iteration {
    /// The name that errors print.
    fn name(&self) -> &'static str;
    /// Distance from 1 to the next number in the scalar type.
    fn epsilon(&self) -> f64;
    /// One step. Allocates nothing.
    fn step(&mut self) -> core::result::Result<Progress, Fault>;
    /// Replaces the residual of the recursion by the one computed from x, and starts afresh from x.
    fn replace(&mut self) -> core::result::Result<(), Fault>;
    /// Where it stands.
    fn state(&self) -> State;
    /// The same for an observer, who sees ‖b − Ax‖ even where a method has no need of it.
    fn observe(&mut self) -> State {
        self.state()
    }
}

fn finite<R: Real>(value: R, what: &'static str) -> core::result::Result<(), Fault> {
    if value.finite() { Ok(()) } else { Err(Fault::NonFinite(what)) }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// x moved.
    Moved,
    /// Â maps the direction to zero, at rounding level: x did not move.
    NoDirection,
}

/// What a step can find wrong; the loop adds the number of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// This quantity is NaN or infinite.
    NonFinite(&'static str),
    /// ⟨Âp, r̂⟩ and ⟨p, Âᴴr̂⟩ differ by this much, relative to their terms.
    NotAdjoint(f64),
}

impl Fault {
    pub(crate) fn at(self, step: usize) -> Error {
        match self {
            Fault::NonFinite(what) => Error::NonFinite { what, index: Size::Step(step) },
            Fault::NotAdjoint(value) => Error::Parameter {
                name: "the relative difference of ⟨r, Ap⟩ and ⟨Aᴴr, p⟩",
                value,
                must_be: "at rounding level: apply_adjoint is not the adjoint of apply, of A or of the penalty; operator::dot_test tells which",
            },
        }
    }
}

/// Where an iteration stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct State {
    /// ‖b − Ax‖.
    pub residual_norm: f64,
    /// ‖r̂‖, r̂ = [b − Ax; −√λLx].
    pub stacked_norm: f64,
    /// ‖s‖, s = Aᴴ(b − Ax) − λLᴴLx.
    pub normal_norm: f64,
    /// ‖Aᴴb‖.
    pub reference: f64,
    /// ‖x‖.
    pub solution_norm: f64,
    /// A lower bound of ‖Â‖, or the norm of what cancels in its products where that is more; 0 while nothing is known.
    pub operator_norm: f64,
    /// A lower bound of the condition number of Â; 1 where the method knows none.
    pub condition: f64,
    /// Whether x started from a guess.
    pub guessed: bool,
}

impl State {
    /// ‖s‖/‖Aᴴb‖.
    pub(crate) fn normal_residual(&self) -> f64 {
        if self.reference == 0.0 { 0.0 } else { self.normal_norm / self.reference }
    }

    /// The normal residual in units of the rounding errors of the recursion.
    fn recursion_units(&self, epsilon: f64) -> f64 {
        units(self.normal_norm, self.operator_norm, epsilon * self.stacked_norm)
    }

    /// The normal residual in units of the rounding errors of a residual computed from x.
    fn units(&self, epsilon: f64) -> f64 {
        units(self.normal_norm, self.operator_norm, epsilon * (self.stacked_norm + self.operator_norm * self.solution_norm))
    }
}

/// (normal/operator)/residual, in the order that does not overflow; 0/0 = 0.
fn units(normal: f64, operator: f64, residual: f64) -> f64 {
    if normal == 0.0 { 0.0 } else { normal / operator / residual }
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Until {
    /// To the tolerance on ‖s‖/‖Aᴴb‖; not reaching it within the limit is an error, unless a partial answer is accepted.
    Converged { tolerance: f64, max_steps: usize, accept_partial: bool, condition_limit: f64 },
    /// Exactly so many steps, or fewer where the condition limit is met.
    Steps { steps: usize, condition_limit: f64 },
}

/// The loop's memory: what has been tried, and how far it went.
pub(crate) struct Driver {
    until: Until,
    epsilon: f64,
    tolerance: f64,
    /// Where the recursion is stopped and believed no longer.
    threshold: f64,
    max_steps: usize,
    condition_limit: f64,
    index: usize,
    progress: Progress,
    replacements: usize,
    last_replaced: f64,
    smallest: f64,
    standstill: usize,
    smallest_stacked: f64,
    first_stacked: f64,
}

impl Driver {
    pub fn new(epsilon: f64, until: Until) -> Self {
        let (tolerance, max_steps, condition_limit) = match until {
            Until::Converged { tolerance, max_steps, condition_limit, .. } => (tolerance, max_steps, condition_limit),
            Until::Steps { steps, condition_limit } => (0.0, steps, condition_limit),
        };
        Self {
            until,
            epsilon,
            tolerance,
            // below ε² nothing that the recursion still does can be seen in x
            threshold: tolerance.max(epsilon * epsilon),
            max_steps,
            condition_limit,
            index: 0,
            progress: Progress::Moved,
            replacements: 0,
            last_replaced: f64::INFINITY,
            smallest: f64::INFINITY,
            standstill: 0,
            smallest_stacked: f64::INFINITY,
            first_stacked: 0.0,
        }
    }

    /// Steps made.
    pub fn index(&self) -> usize {
        self.index
    }

    /// One more step has been made.
    pub fn count(&mut self) {
        self.index += 1;
    }

    /// Whether no further step is allowed.
    pub fn at_limit(&self) -> bool {
        self.index == self.max_steps
    }

    /// Whether the recursion has gone as far as it can be believed.
    pub fn settled(&mut self, state: &State) -> bool {
        if state.normal_norm < 0.5 * self.smallest {
            (self.smallest, self.standstill) = (state.normal_norm, 0);
        } else {
            self.standstill += 1;
        }
        let units = state.recursion_units(self.epsilon);
        state.normal_residual() <= self.threshold
            || units <= RECURSION_FLOOR
            || (units <= ROUNDING_AT_STANDSTILL && self.standstill >= STANDSTILL_STEPS)
            || self.progress == Progress::NoDirection
            || state.condition > self.condition_limit
    }

    /// Why to stop where the residual has just been computed from x; `None` to go on from there.
    fn verdict(&mut self, state: &State) -> Option<Stop> {
        self.replacements += 1;
        let units = state.units(self.epsilon);
        if state.normal_residual() <= self.tolerance && self.tolerance > 0.0 {
            return Some(Stop::Tolerance);
        }
        // the first residual after a guess carries the rounding errors of the guess's size, and is always refined
        if state.normal_norm == 0.0 || (units <= ROUNDING && (!state.guessed || self.replacements > 1)) {
            return Some(Stop::Rounding);
        }
        if state.condition > self.condition_limit {
            return Some(Stop::Condition);
        }
        if state.normal_norm > 0.5 * self.last_replaced || self.progress == Progress::NoDirection {
            return Some(if units <= ROUNDING_AT_STANDSTILL { Stop::Rounding } else { Stop::Stalled });
        }
        self.last_replaced = state.normal_norm;
        (self.smallest, self.standstill) = (state.normal_norm, 0);
        (self.smallest_stacked, self.first_stacked) = (f64::INFINITY, 0.0);
        None
    }

    /// Goes on with an iteration whose recursion has been driven elsewhere, and whose residual has just been computed from x.
    pub fn resume(mut self, iteration: &mut dyn Iteration) -> Result<(Stop, usize)> {
        let state = iteration.state();
        if state.reference == 0.0 {
            return Ok((Stop::Zero, self.index));
        }
        if let Some(stop) = self.verdict(&state) {
            return self.finish(stop, iteration);
        }
        self.run(iteration, None)
    }

    /// The loop. Returns why it stopped and after how many steps; the residual is then the one computed from x.
    pub fn run(mut self, iteration: &mut dyn Iteration, mut observer: Option<&mut Observer<'_>>) -> Result<(Stop, usize)> {
        loop {
            let state = iteration.state();
            if state.reference == 0.0 {
                return Ok((Stop::Zero, self.index));
            }
            if self.settled(&state) {
                iteration.replace().map_err(|fault| fault.at(self.index))?;
                if let Some(stop) = self.verdict(&iteration.state()) {
                    return self.finish(stop, iteration);
                }
            }
            if self.at_limit() {
                iteration.replace().map_err(|fault| fault.at(self.index))?;
                let stop = if matches!(self.until, Until::Steps { .. }) { Stop::Steps } else { Stop::StepLimit };
                return self.finish(stop, iteration);
            }
            let stacked = iteration.state().stacked_norm;
            self.smallest_stacked = self.smallest_stacked.min(stacked);
            self.first_stacked = self.first_stacked.max(stacked);
            self.index += 1;
            self.progress = iteration.step().map_err(|fault| fault.at(self.index))?;
            if self.progress == Progress::NoDirection {
                self.index -= 1;
                continue;
            }
            let state = iteration.state();
            if !(state.stacked_norm.is_finite() && state.normal_norm.is_finite() && state.solution_norm.is_finite()) {
                return Err(Fault::NonFinite("the iterate x or its residual").at(self.index));
            }
            if state.stacked_norm > DIVERGENCE * self.smallest_stacked + RESIDUAL_NOISE * self.epsilon * self.first_stacked {
                return Err(Error::NotConverged {
                    method: iteration.name(),
                    steps: self.index,
                    reached: state.normal_residual(),
                    tolerance: self.tolerance,
                    instead: "the residual grew, which no exact adjoint permits: check the operator (and the penalty's) with operator::dot_test",
                });
            }
            if let Some(observe) = observer.as_mut() {
                let state = iteration.observe();
                let step = Step {
                    index: self.index,
                    residual_norm: state.residual_norm,
                    normal_residual: state.normal_residual(),
                    solution_norm: state.solution_norm,
                };
                if let ControlFlow::Break(()) = observe(&step) {
                    iteration.replace().map_err(|fault| fault.at(self.index))?;
                    return Ok((Stop::Observer, self.index));
                }
            }
        }
    }

    /// The error, where stopping for this reason is one.
    fn finish(&self, stop: Stop, iteration: &dyn Iteration) -> Result<(Stop, usize)> {
        let Until::Converged { tolerance, accept_partial: false, .. } = self.until else { return Ok((stop, self.index)) };
        let instead = match stop {
            Stop::StepLimit => {
                "allow more with max_steps(..), ask for less with tolerance(..), take what there is with accept_partial(), \
                 or use a larger λ; if the numbers look wrong, check the operator with operator::dot_test"
            }
            Stop::Stalled => {
                "check the operator (and the penalty's) with operator::dot_test; accept_partial() returns what has been reached"
            }
            _ => return Ok((stop, self.index)),
        };
        let reached = iteration.state().normal_residual();
        Err(Error::NotConverged { method: iteration.name(), steps: self.index, reached, tolerance, instead })
    }
}
