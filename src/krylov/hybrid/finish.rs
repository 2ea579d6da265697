//! The last steps at one λ: to the tolerance, and then the residuals computed afresh from x.
//!
//! With a tolerance they are what is judged; without one the residual must be the one of the projected problem, which is how products
//! that are not each other's adjoint show. The recursion is believed down to its rounding level and no further, as in
//! [`drive`](crate::krylov).

use super::basis::Process;
use super::projection::{Bidiagonal, Small};
use super::{Found, Minimise, WINDOW, Watch};
use crate::error::{Error, Result};
use crate::krylov::{Fault, RECURSION_FLOOR, ROUNDING, ROUNDING_AT_STANDSTILL, State};
use crate::linalg::norm;
use crate::scalar::{Real, Scalar};
use crate::step::Stop;

/// The residual computed from x may differ from that of the projected problem by this many √ε: far above rounding, far below
/// any slip in an adjoint.
const MISMATCH: f64 = 8.0;

/// How an iteration at one λ ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    pub minimise: Minimise,
    /// Of the normal residual; without one, x is that of the space as it is.
    pub tolerance: Option<f64>,
    pub limit: usize,
    pub exact: bool,
    pub partial: bool,
}

impl Finish {
    /// Goes on at this λ until the tolerance is reached, and computes the residuals from x. `before` is why the steps
    /// before this ended, and remains the reason where there is nothing more to do. The process has kept all its vectors.
    pub fn at<T: Scalar>(
        self,
        process: &mut Process<'_, T>,
        b: &[T],
        damping: f64,
        before: Stop,
        watch: &mut Watch<'_, '_, T>,
    ) -> Result<Found<T>> {
        let (m, n) = process.shape();
        let epsilon = T::Real::EPSILON.to_f64();
        let reference = process.numbers.reference();
        let mut x = vec![T::ZERO; n];
        if reference == 0.0 {
            let residual_norm = process.numbers.beta.first().copied().unwrap_or(0.0);
            let found = Found { x, damping, chosen: None, steps: 0, stop: Stop::Zero, residual_norm, normal_residual: 0.0 };
            return Ok(found);
        }
        let mut small = Small::default();
        small.reserve(self.limit.min(n).min(m));
        let mut stalled = 0;
        let judge = |process: &Process<'_, T>, small: &Small| {
            let recursion = state(process, small, damping, process.numbers.normal_norm(damping, small));
            (recursion, recursion.recursion_units(epsilon))
        };
        let mut stop = None;
        if process.steps() > 0 {
            solve_small(&process.numbers, damping, self.minimise, &mut small);
        }
        while stop.is_none() {
            let steps = process.steps();
            if steps > 0
                && let Some(tolerance) = self.tolerance
            {
                let (recursion, units) = judge(process, &small);
                if recursion.normal_residual() <= tolerance.max(epsilon * epsilon) || units <= RECURSION_FLOOR {
                    let judged = verify(process, b, &small, damping, &mut x)?;
                    let units = judged.state(&recursion).units(epsilon);
                    if judged.normal_norm <= tolerance * reference {
                        stop = Some(Stop::Tolerance);
                    } else if units <= ROUNDING || (units <= ROUNDING_AT_STANDSTILL && stalled >= WINDOW) {
                        stop = Some(Stop::Rounding);
                    } else if stalled >= WINDOW {
                        stop = Some(Stop::Stalled);
                    }
                    stalled += 1;
                    if stop.is_some() {
                        break;
                    }
                }
            } else if steps > 0 && !self.exact {
                stop = Some(before);
                break;
            }
            if process.exhausted {
                stop = Some(Stop::Exhausted);
            } else if watch.ended {
                stop = Some(Stop::Observer);
            } else if steps >= self.limit {
                stop = Some(if self.exact { Stop::Steps } else { Stop::StepLimit });
            } else {
                process.step().map_err(|fault| fault.at(steps + 1))?;
                solve_small(&process.numbers, damping, self.minimise, &mut small);
                let normal = process.numbers.normal_norm(damping, &small) / reference;
                watch.look(process, &small, normal, &mut x);
            }
        }
        let steps = process.steps();
        let stop = stop.unwrap_or(before);
        let judged = verify(process, b, &small, damping, &mut x)?;
        let (recursion, _) = judge(process, &small);
        let units = judged.state(&recursion).units(epsilon);
        // without a next direction x is the minimiser in the whole space, unless the products are not what they seem
        let stop = if stop == Stop::Exhausted && !(units <= ROUNDING_AT_STANDSTILL) { Stop::Stalled } else { stop };
        let size = process.numbers.beta.first().copied().unwrap_or(0.0) + recursion.operator_norm * recursion.solution_norm;
        let slip = (judged.residual_norm - recursion.residual_norm).abs() / size;
        if !(slip <= MISMATCH * epsilon.sqrt()) {
            return Err(Fault::NotAdjoint(slip).at(steps));
        }
        let normal_residual = judged.normal_norm / reference;
        if matches!(stop, Stop::StepLimit | Stop::Stalled) && !self.partial {
            return Err(self.not_converged(stop, steps, normal_residual));
        }
        Ok(Found { x, damping, chosen: None, steps, stop, residual_norm: judged.residual_norm, normal_residual })
    }

    pub fn not_converged(self, stop: Stop, steps: usize, reached: f64) -> Error {
        let instead = match stop {
            Stop::Stalled => {
                "check the operator (and the penalty's) with operator::dot_test; accept_partial() returns what has been reached"
            }
            _ => {
                "allow more with max_steps(..), ask for less with tolerance(..), take what there is with accept_partial(), or use a \
                 larger λ; if the numbers look wrong, check the operator with operator::dot_test"
            }
        };
        Error::NotConverged { method: self.minimise.name(), steps, reached, tolerance: self.tolerance.unwrap_or(0.0), instead }
    }
}

pub(crate) fn solve_small(numbers: &Bidiagonal, damping: f64, minimise: Minimise, small: &mut Small) {
    match minimise {
        Minimise::Objective => numbers.solve(damping, small),
        Minimise::NormalResidual => numbers.solve_normal(damping, small),
    }
}

/// Where the recursion stands.
fn state<T: Scalar>(process: &Process<'_, T>, small: &Small, damping: f64, normal: f64) -> State {
    let residual = norm(&small.residual);
    let length = norm(&small.y);
    State {
        residual_norm: residual,
        stacked_norm: residual.hypot(damping * length),
        normal_norm: normal,
        reference: process.numbers.reference(),
        solution_norm: length,
        operator_norm: process.numbers.largest().hypot(damping),
        condition: 1.0,
        guessed: false,
    }
}

/// What is computed from x.
struct Judged {
    residual_norm: f64,
    /// ‖Aᴴ(b − Ax) − d²x‖.
    normal_norm: f64,
}

impl Judged {
    fn state(&self, recursion: &State) -> State {
        State { normal_norm: self.normal_norm, residual_norm: self.residual_norm, ..*recursion }
    }
}

/// x ← Vy, and its residuals by fresh products.
fn verify<T: Scalar>(process: &Process<'_, T>, b: &[T], small: &Small, damping: f64, x: &mut [T]) -> Result<Judged> {
    let ((m, n), a) = (process.shape(), process.operator());
    process.right.combine(&small.y, x);
    let mut residual = vec![T::ZERO; m];
    a.apply(x, &mut residual);
    for (residual, &b) in residual.iter_mut().zip(b) {
        *residual = b - *residual;
    }
    let mut normal = vec![T::ZERO; n];
    a.apply_adjoint(&residual, &mut normal);
    let d = T::Real::from_f64(damping);
    for (normal, &x) in normal.iter_mut().zip(&*x) {
        *normal -= x.scale(d).scale(d);
    }
    let (residual_norm, normal_norm) = (a.range_norm(&residual).to_f64(), norm(&normal).to_f64());
    if !(residual_norm.is_finite() && normal_norm.is_finite()) {
        return Err(Fault::NonFinite("the residual computed from x").at(process.steps()));
    }
    Ok(Judged { residual_norm, normal_norm })
}
