//! Hybrid LSQR and LSMR: a Krylov space that grows, and the ordinary rules on the small problem in it.
//!
//! Solves       minimise ‖Ax − b‖² + d²‖x‖² over x ∈ span{v₁ … vₖ}, k = 1, 2, …; d given, or chosen in each space by a rule.
//! Equals       Tikhonov's solution once the space has all that d lets through; with d given it is LSQR with damping and full
//!              reorthogonalization. LSMR: in each space the x of least normal residual; the same limit.
//! Siblings     CGLS for a given λ (no stored vectors); a factorization when A has entries; probes when λ by GCV is to have an
//!              error bar; `hybrid_general` for L ≠ I and for a bounded basis.
//! Cost         step k: two products, 4k(m + n) flops for the orthogonality, O(k²) for the curve and about 150 evaluations of
//!              it at O(k) by the rule's search. k(m + n) numbers stored.
//!
//! This loop is not `drive`: λ changes from step to step, so that neither a falling residual nor a tolerance tells when to
//! stop. What it asks instead:
//!
//! - λ by a rule: over the last [`WINDOW`] steps neither λ (in its logarithm) nor x has changed by more than the fraction
//!   that counts as settled. V is orthonormal, so that the change of x is that of y. The value of weighted GCV itself falls as
//!   1/k while λ and x stand still, which is why it is not what is watched. A rule without an answer (the
//!   discrepancy that no x in this space reaches) lets the space grow.
//! - then, and with λ given: the normal residual αₖ₊₁|rₖ₊₁| within the tolerance, where there is one.
//! - the space is exhausted: the projected problem is the whole one.
//!
//! At the end residual and normal residual are computed afresh from x. With a tolerance they are what is judged; without one
//! the residual must be the one of the projected problem, which is how products that are not each other's adjoint show.
//!
//! References   O'Leary & Simmons 1981, doi:10.1137/0902037 · Chung, Nagy & O'Leary 2008, Electron. Trans. Numer. Anal. 28:149
//!              · Chung & Palmer 2015 (LSMR; there λ multiplies ‖x‖² beside the *normal* residual, here it keeps its meaning),
//!              doi:10.1137/140975024 · Chung & Gazzola 2024 (survey), doi:10.1137/21M1441420.

use super::hybrid_basis::Process;
use super::hybrid_projection::{Bidiagonal, End, Small, Weighted};
use super::{Fault, ROUNDING, ROUNDING_AT_STANDSTILL, State};
use crate::error::{Error, Result};
use crate::linalg::{add_scaled, norm};
use crate::method::ProjectedGcv;
use crate::method::hybrid::Options;
use crate::operator::Operator;
use crate::rule::{Chosen, Rule};
use crate::scalar::{Real, Scalar};
use crate::step::{Observer, Step, Stop};
use core::ops::ControlFlow;

/// Steps over which λ and x must not change.
pub(crate) const WINDOW: usize = 5;
/// The residual computed from x may differ from that of the projected problem by this many √ε: far above rounding, far below
/// any slip in an adjoint.
const MISMATCH: f64 = 8.0;

/// What λ is to be.
#[derive(Clone, Copy)]
pub(crate) enum Aim<'r> {
    Damping(f64),
    Rule(Ruled<'r>),
}

/// A rule with what it needs to know beside the curve.
#[derive(Clone, Copy)]
pub(crate) struct Ruled<'r> {
    pub rule: &'r Rule,
    /// m of the caller.
    pub rows: usize,
    /// Directions that the change of variables has taken out: the constant.
    pub unpenalised: usize,
    /// ‖W^½b‖ in the units of the data here.
    pub data_norm: f64,
    /// One unit of the caller's data in those units.
    pub unit: f64,
}

/// Which x of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Minimise {
    /// Of least ‖Ax − b‖² + d²‖x‖².
    Objective,
    /// Of least normal residual.
    NormalResidual,
}

/// What a hybrid method found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found<T> {
    pub x: Vec<T>,
    pub damping: f64,
    pub chosen: Option<Chosen>,
    pub steps: usize,
    pub stop: Stop,
    /// Computed from x.
    pub residual_norm: f64,
    /// Computed from x.
    pub normal_residual: f64,
    /// ‖xₖ − truth‖/‖truth‖ of each step, where a truth was given.
    pub errors: Vec<f64>,
}

/// Whether λ and x have settled: their last changes.
#[derive(Debug, Clone)]
pub(crate) struct Settling {
    fraction: f64,
    log_damping: Option<f64>,
    changes: [(f64, f64); WINDOW],
    seen: usize,
}

impl Settling {
    pub fn new(fraction: f64) -> Self {
        Self { fraction, log_damping: None, changes: [(f64::INFINITY, f64::INFINITY); WINDOW], seen: 0 }
    }

    /// A step after which λ is `damping`², and x has changed by this fraction of itself.
    pub fn step(&mut self, damping: f64, change: f64) {
        // in log λ
        let moved = self.log_damping.map_or(f64::INFINITY, |before| 2.0 * (damping.ln() - before));
        self.changes[self.seen % WINDOW] = (moved, change);
        self.log_damping = Some(damping.ln());
        self.seen += 1;
    }

    /// A step in which the rule had no answer.
    pub fn forget(&mut self) {
        *self = Self::new(self.fraction);
    }

    pub fn settled(&self) -> bool {
        let moved: f64 = self.changes.iter().map(|(moved, _)| moved.abs()).sum();
        let changed: f64 = self.changes.iter().map(|(_, change)| change).sum();
        moved <= self.fraction && changed <= self.fraction
    }
}

/// ‖(y; 0 …) − before‖/‖y‖.
pub(crate) fn relative_change(y: &[f64], before: &[f64]) -> f64 {
    let mut sum = 0.0f64;
    for (k, value) in y.iter().enumerate() {
        sum = sum.hypot(value - before.get(k).copied().unwrap_or(0.0));
    }
    let length = norm(y);
    if length == 0.0 { 0.0 } else { sum / length }
}

/// λ in the space of a process. `weights` are the ω of its steps so far.
pub(crate) fn choose(numbers: &Bidiagonal, ruled: &Ruled<'_>, gcv: ProjectedGcv, weights: &mut Vec<f64>, epsilon: f64) -> Result<Chosen> {
    let nodes = numbers.nodes(End::Radau).map_err(|_| Error::NotConverged {
        method: "the singular values of the projected problem",
        steps: numbers.steps(),
        reached: f64::INFINITY,
        tolerance: f64::EPSILON,
        instead: "give λ as a number, or use Method::Probes",
    })?;
    weights.push(nodes.weight());
    let tolerance = epsilon * nodes.values.first().copied().unwrap_or(0.0) * (nodes.values.len() as f64).sqrt();
    let Ruled { rule, rows, unpenalised, data_norm, unit } = *ruled;
    if gcv == ProjectedGcv::Weighted && matches!(rule, Rule::Gcv(_) | Rule::RobustGcv(_)) {
        let weight = weights.iter().sum::<f64>() / weights.len() as f64;
        let small_rows = nodes.values.len() + 1;
        let curve = Weighted { spectrum: nodes.spectrum(small_rows, 0, tolerance), weight };
        return rule.choose(&curve, data_norm, unit);
    }
    rule.choose(&nodes.spectrum(rows, unpenalised, tolerance), data_norm, unit)
}

/// Solves on a growing space. `hidden` is the norm of what cancels inside the products with A, and `truth` what the iterates
/// are compared with.
pub(crate) fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    hidden: f64,
    b: &[T],
    aim: Aim<'_>,
    minimise: Minimise,
    options: &Options,
    truth: Option<&[T]>,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Found<T>> {
    let n = a.shape().1;
    let epsilon = T::Real::EPSILON.to_f64();
    let limit = options.limit();
    let mut process = Process::start(a, hidden, b, usize::MAX).map_err(|fault| fault.at(0))?;
    process.reserve(limit.min(a.global_rows().min(n)));
    let mut small = Small::default();
    small.reserve(limit.min(n));
    let mut before: Vec<f64> = Vec::with_capacity(limit.min(n));
    let mut x = vec![T::ZERO; n];
    let (mut weights, mut errors) = (Vec::new(), Vec::new());
    let mut settling = Settling::new(options.settle_fraction());
    let reference = process.numbers.reference();
    let mut tolerance = options.tolerance();
    let (mut damping, mut chosen, mut settled) = match aim {
        Aim::Damping(damping) => {
            tolerance = tolerance.or((!options.exact_steps()).then_some(10.0 * epsilon));
            (Some(damping), None, true)
        }
        Aim::Rule(_) => (None, None, false),
    };
    let mut no_lambda: Option<Error> = None;
    let mut verified: Option<Verified<T>> = None;
    let mut watched = false;
    let stop = loop {
        let steps = process.steps();
        if reference == 0.0 {
            break Stop::Zero;
        }
        if process.exhausted {
            break Stop::Exhausted;
        }
        if steps == limit {
            break if options.exact_steps() { Stop::Steps } else { Stop::StepLimit };
        }
        if watched {
            break Stop::Observer;
        }
        process.step().map_err(|fault| fault.at(steps + 1))?;
        let steps = process.steps();
        let last = process.exhausted || steps == limit;
        if let (Aim::Rule(ruled), false) = (&aim, settled) {
            // with exactly so many steps only the last space decides; its weights are those of all steps
            match choose(&process.numbers, ruled, options.projected_gcv(), &mut weights, epsilon) {
                Ok(found) => {
                    damping = Some(found.damping);
                    (chosen, no_lambda) = (Some(found), None);
                }
                Err(error @ Error::NoLambda { .. }) => {
                    (damping, chosen, no_lambda) = (None, None, Some(error));
                    settling.forget();
                }
                Err(error) => return Err(error),
            }
        }
        let at = damping.unwrap_or(0.0);
        solve_small(&process.numbers, at, minimise, &mut small);
        let normal = process.numbers.normal_norm(at, &small);
        if !(normal.is_finite() && norm(&small.y).is_finite()) {
            return Err(Fault::NonFinite("the iterate x or its residual").at(steps));
        }
        if let Some(truth) = truth {
            process.right.combine(&small.y, &mut x);
            errors.push(relative_error(&x, truth));
        }
        if let Some(observe) = observer.as_mut() {
            let step = Step {
                index: steps,
                residual_norm: norm(&small.residual),
                normal_residual: normal / reference,
                solution_norm: norm(&small.y),
            };
            watched = observe(&step) == ControlFlow::Break(());
        }
        if !settled && damping.is_some() {
            settling.step(at, relative_change(&small.y, &before));
            settled = settling.settled() && !options.exact_steps();
        }
        before.clear();
        before.extend_from_slice(&small.y);
        if !settled || options.exact_steps() || last {
            continue;
        }
        let Some(tolerance) = tolerance else { break Stop::Settled };
        let state = state(&process, &small, at, normal, reference);
        if normal / reference <= tolerance.max(epsilon * epsilon) || state.recursion_units(epsilon) <= 8.0 {
            let judged = verify(a, b, &process, &small, at)?;
            if judged.normal_residual(reference) <= tolerance {
                verified = Some(judged);
                break Stop::Tolerance;
            }
            let units = judged.state(&state).units(epsilon);
            if units <= ROUNDING || (units <= ROUNDING_AT_STANDSTILL && state.recursion_units(epsilon) <= 1.0) {
                verified = Some(judged);
                break Stop::Rounding;
            }
        }
    };
    let steps = process.steps();
    if stop == Stop::Zero || steps == 0 {
        if let (Aim::Rule(ruled), None) = (&aim, &chosen) {
            return Err(crate::rule::no_interval(ruled.rule.name()));
        }
        let residual_norm = a.range_norm(b).to_f64();
        let damping = damping.unwrap_or(0.0);
        return Ok(Found { x, damping, chosen, steps, stop, residual_norm, normal_residual: 0.0, errors });
    }
    if damping.is_none()
        && let Some(error) = no_lambda
    {
        return Err(error);
    }
    let damping = damping.unwrap_or(0.0);
    let verified = match verified {
        Some(verified) => verified,
        None => verify(a, b, &process, &small, damping)?,
    };
    let normal_residual = verified.normal_residual(reference);
    // without a next direction the answer is the minimiser, unless the products are not what they seem
    let at_rounding =
        verified.state(&state(&process, &small, damping, verified.normal_norm, reference)).units(epsilon) <= ROUNDING_AT_STANDSTILL;
    let stop = if stop == Stop::Exhausted && !at_rounding { Stop::Stalled } else { stop };
    let projected = norm(&small.residual);
    let slip = (verified.residual_norm - projected).abs() / process.numbers.beta.first().copied().unwrap_or(1.0);
    if !(slip <= MISMATCH * epsilon.sqrt()) {
        return Err(Fault::NotAdjoint(slip).at(steps));
    }
    if matches!(stop, Stop::StepLimit | Stop::Stalled) && !options.accepts_partial() {
        return Err(not_settled(minimise, steps, settled, normal_residual, tolerance, settling.fraction));
    }
    Ok(Found { x: verified.x, damping, chosen, steps, stop, residual_norm: verified.residual_norm, normal_residual, errors })
}

/// The error of a step limit.
pub(crate) fn not_settled(
    minimise: Minimise,
    steps: usize,
    settled: bool,
    normal_residual: f64,
    tolerance: Option<f64>,
    fraction: f64,
) -> Error {
    let method = match minimise {
        Minimise::Objective => "hybrid LSQR",
        Minimise::NormalResidual => "hybrid LSMR",
    };
    let instead = if settled {
        "allow more with max_steps(..), ask for less with tolerance(..), take what there is with accept_partial(), or use a larger λ"
    } else {
        "λ had not settled: allow more with max_steps(..), ask for less with settle(..), or take what there is with accept_partial()"
    };
    Error::NotConverged {
        method,
        steps,
        reached: normal_residual,
        tolerance: if settled { tolerance.unwrap_or(0.0) } else { fraction },
        instead,
    }
}

fn solve_small(numbers: &Bidiagonal, damping: f64, minimise: Minimise, small: &mut Small) {
    match minimise {
        Minimise::Objective => numbers.solve(damping, small),
        Minimise::NormalResidual => numbers.solve_normal(damping, small),
    }
}

/// ‖x − truth‖/‖truth‖.
pub(crate) fn relative_error<T: Scalar>(x: &[T], truth: &[T]) -> f64 {
    let (mut distance, mut length) = (0.0f64, 0.0f64);
    for (&x, &truth) in x.iter().zip(truth) {
        distance += (x - truth).modulus_squared().to_f64();
        length += truth.modulus_squared().to_f64();
    }
    if length == 0.0 { f64::INFINITY } else { (distance / length).sqrt() }
}

fn state<T: Scalar>(process: &Process<'_, T>, small: &Small, damping: f64, normal: f64, reference: f64) -> State {
    let residual = norm(&small.residual);
    let length = norm(&small.y);
    State {
        residual_norm: residual,
        stacked_norm: residual.hypot(damping * length),
        normal_norm: normal,
        reference,
        solution_norm: length,
        operator_norm: process.numbers.largest().hypot(damping),
        guessed: false,
    }
}

/// x with what is computed from it.
pub(crate) struct Verified<T> {
    pub x: Vec<T>,
    pub residual_norm: f64,
    /// ‖Aᴴ(b − Ax) − d²x‖.
    pub normal_norm: f64,
}

impl<T> Verified<T> {
    pub fn normal_residual(&self, reference: f64) -> f64 {
        if reference == 0.0 { 0.0 } else { self.normal_norm / reference }
    }

    fn state(&self, state: &State) -> State {
        State { normal_norm: self.normal_norm, residual_norm: self.residual_norm, ..*state }
    }
}

fn verify<T: Scalar>(a: &dyn Operator<Scalar = T>, b: &[T], process: &Process<'_, T>, small: &Small, damping: f64) -> Result<Verified<T>> {
    let (m, n) = a.shape();
    let mut x = vec![T::ZERO; n];
    process.right.combine(&small.y, &mut x);
    let mut residual = vec![T::ZERO; m];
    a.apply(&x, &mut residual);
    for (residual, &b) in residual.iter_mut().zip(b) {
        *residual = b - *residual;
    }
    let mut normal = vec![T::ZERO; n];
    a.apply_adjoint(&residual, &mut normal);
    let d = T::from_real(T::Real::from_f64(damping));
    let scaled: Vec<T> = x.iter().map(|&x| d * x).collect();
    add_scaled(&mut normal, -d, &scaled);
    let (residual_norm, normal_norm) = (a.range_norm(&residual).to_f64(), norm(&normal).to_f64());
    if !(residual_norm.is_finite() && normal_norm.is_finite()) {
        return Err(Fault::NonFinite("the residual computed from x").at(process.steps()));
    }
    Ok(Verified { x, residual_norm, normal_norm })
}
