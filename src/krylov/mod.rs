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

pub(crate) mod cgls;
pub(crate) mod hybrid;
pub(crate) mod hybrid_basis;
pub(crate) mod hybrid_general;
pub(crate) mod hybrid_projection;
pub(crate) mod probes;

use crate::error::{Error, Result, Size};
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
    Converged { tolerance: f64, max_steps: usize, accept_partial: bool },
    /// Exactly so many steps.
    Steps(usize),
}

/// The loop. Returns why it stopped and after how many steps; the residual is then the one computed from x.
pub(crate) fn drive(iteration: &mut dyn Iteration, until: Until, mut observer: Option<&mut Observer<'_>>) -> Result<(Stop, usize)> {
    let epsilon = iteration.epsilon();
    // below ε² nothing that the recursion still does can be seen in x
    let (tolerance, max_steps) = match until {
        Until::Converged { tolerance, max_steps, .. } => (tolerance, max_steps),
        Until::Steps(steps) => (0.0, steps),
    };
    let threshold = tolerance.max(epsilon * epsilon);
    let mut index = 0;
    let mut progress = Progress::Moved;
    let mut replacements = 0;
    let mut last_replaced = f64::INFINITY;
    let (mut smallest, mut standstill) = (f64::INFINITY, 0);
    let mut smallest_stacked = f64::INFINITY;
    loop {
        let state = iteration.state();
        if state.reference == 0.0 {
            return Ok((Stop::Zero, index));
        }
        if state.normal_norm < 0.5 * smallest {
            (smallest, standstill) = (state.normal_norm, 0);
        } else {
            standstill += 1;
        }
        let units = state.recursion_units(epsilon);
        if state.normal_residual() <= threshold
            || units <= RECURSION_FLOOR
            || (units <= ROUNDING_AT_STANDSTILL && standstill >= STANDSTILL_STEPS)
            || progress == Progress::NoDirection
        {
            iteration.replace().map_err(|fault| fault.at(index))?;
            replacements += 1;
            let state = iteration.state();
            let units = state.units(epsilon);
            if state.normal_residual() <= tolerance && tolerance > 0.0 {
                return Ok((Stop::Tolerance, index));
            }
            // the first residual after a guess carries the rounding errors of the guess's size, and is always refined
            if state.normal_norm == 0.0 || (units <= ROUNDING && (!state.guessed || replacements > 1)) {
                return Ok((Stop::Rounding, index));
            }
            if state.normal_norm > 0.5 * last_replaced || progress == Progress::NoDirection {
                let stop = if units <= ROUNDING_AT_STANDSTILL { Stop::Rounding } else { Stop::Stalled };
                return finish(stop, index, iteration, until);
            }
            last_replaced = state.normal_norm;
            (smallest, standstill) = (state.normal_norm, 0);
            smallest_stacked = f64::INFINITY;
        }
        if index == max_steps {
            iteration.replace().map_err(|fault| fault.at(index))?;
            let stop = if matches!(until, Until::Steps(_)) { Stop::Steps } else { Stop::StepLimit };
            return finish(stop, index, iteration, until);
        }
        smallest_stacked = smallest_stacked.min(iteration.state().stacked_norm);
        index += 1;
        progress = iteration.step().map_err(|fault| fault.at(index))?;
        if progress == Progress::NoDirection {
            index -= 1;
            continue;
        }
        let state = iteration.state();
        if !(state.stacked_norm.is_finite() && state.normal_norm.is_finite() && state.solution_norm.is_finite()) {
            return Err(Fault::NonFinite("the iterate x or its residual").at(index));
        }
        if state.stacked_norm > DIVERGENCE * smallest_stacked {
            return Err(Error::NotConverged {
                method: iteration.name(),
                steps: index,
                reached: state.normal_residual(),
                tolerance,
                instead: "the residual grew, which no exact adjoint permits: check the operator (and the penalty's) with operator::dot_test",
            });
        }
        if let Some(observe) = observer.as_mut() {
            let step = Step {
                index,
                residual_norm: state.residual_norm,
                normal_residual: state.normal_residual(),
                solution_norm: state.solution_norm,
            };
            if let ControlFlow::Break(()) = observe(&step) {
                iteration.replace().map_err(|fault| fault.at(index))?;
                return Ok((Stop::Observer, index));
            }
        }
    }
}

/// The error, where stopping for this reason is one.
fn finish(stop: Stop, steps: usize, iteration: &dyn Iteration, until: Until) -> Result<(Stop, usize)> {
    let Until::Converged { tolerance, accept_partial: false, .. } = until else { return Ok((stop, steps)) };
    let instead = match stop {
        Stop::StepLimit => {
            "allow more with max_steps(..), ask for less with tolerance(..), take what there is with accept_partial(), \
             or use a larger λ; if the numbers look wrong, check the operator with operator::dot_test"
        }
        Stop::Stalled => "check the operator (and the penalty's) with operator::dot_test; accept_partial() returns what has been reached",
        _ => return Ok((stop, steps)),
    };
    Err(Error::NotConverged { method: iteration.name(), steps, reached: iteration.state().normal_residual(), tolerance, instead })
}
