//! Flexible LSQR: minimise ‖b̄ − Āz‖² + λ·Σₜ ωₜ Σⱼ ψₜ(wₜⱼzⱼ), ψ an ℓ1 or ℓp norm, a square, or a robust function, by products alone.
//!
//! Solves       in each step the majorant of [`irls`](super::irls), whose weights are those at the x of the step before, over the space of
//!              the flexible Golub–Kahan process ([`krylov::flexible`](crate::krylov::flexible)), which the weights precondition. x stays in
//!              the space, so that the objective falls with λ given.
//! Equals       the minimiser, for convex R, as the steps go on: in the limit the space has the preconditioned gradient in it. For ℓ1 norms
//!              (and sums of them with squares) each step has a duality gap, without a product, and *that* says how far
//!              it is: P(x) − min P ≤ gap. Otherwise the relative gradient of the smoothed objective.
//! Smoothing    |v| → √(v² + ε²) − ε. With a gap, ε is what costs no more than the gap does, and never rises: ε = gap/(λ·Σω·n). No schedule, and where
//!              x converges ε follows it. (In a model of this loop, whole ridge problems on spikes blurred over 400 points: a gap of
//!              1.5e-6·‖b‖² after 200, 2.8e-6 with ε = 0.8ᵏ, 2e-5 with 0.95ᵏ.) Without a gap, the stages of [`irls`](super::irls).
//! How far      reweighting alone: neighbours under a blur that have to exchange their mass do so slowly. With 14 spikes on 32×32
//!              pixels, blurred by 1.5 pixels, 1 % noise, the gap stands still between 1e-4 and 1e-5 of ‖b‖², in the whole space, too.
//!              So where it slows down with λ given, real problems with a gap go on over the coefficients that are not zero, with their signs:
//!              [`support`](super::support). (A rule's λ belongs to the x of the reweighting: there the tolerance is 1e-4.) A gap that stands still even so is said: [`Stop::Stalled`].
//! λ            a number; or by a rule on the small weighted problem at each step, until λ and x have settled.
//! Siblings     coordinate descent where A has entries: exact zeros, a gap of 1e-12, hundreds of times the columns. [`subspace`](super::subspace)
//!              for a robust misfit or an L that is no diagonal. This one where A is large and only multiplies.
//! Cost         a step: one product with A, one with Aᴴ, 2nk² flops for the weights in the space of k columns.
//!
//! Zeros of the minimiser come out small, about ε, unless the support was settled.

use super::irls::{Objective, STAGES, Settled, Step as Weighed, Weights, at_stage, smoothing_unit, stands_still};
use super::support::{self, Supported, Terms};
use crate::error::{Error, Result, Size};
use crate::krylov::Fault;
use crate::krylov::flexible::Process;
use crate::krylov::hybrid::general::{Answer, Projected};
use crate::krylov::hybrid::{Settling, Watch, relative_error};
use crate::linalg::{self, Threads};
use crate::method::FlexibleLsqr;
use crate::misfit::Profile;
use crate::operator::Operator;
use crate::rule::Chosen;
use crate::scalar::{Real, Scalar};
use crate::step::{Step, Stop};
use core::ops::ControlFlow;

/// Iterates whose part in the older columns is kept. A choice.
const RECENT: usize = 10;
/// Steps of a stage of the smoothing but the last, and the relative gradient at which it ends, where there is no gap. Choices.
const STAGE_STEPS: usize = 20;
const LOOSE: f64 = 1e-3;
/// The objective stands still where it changes by less than this; its rounding is larger than that of a direct solution.
const STILL: f64 = 1e-13;
/// So many steps without a gap that is smaller by a tenth are a standstill: restarts of a small basis take tens.
const STANDSTILL: usize = 100;
/// A gap that so many steps have not halved is a case for the support. A choice.
const SLOW: usize = 25;
/// A coefficient below this many ε is taken for zero there. A choice: it comes back where that was wrong.
const OFF: f64 = 3.0;
/// ε is never below this power of the machine epsilon times the largest component: 4e-10 in `f64`, which costs a gap of 1e-11·‖b‖².
const LEAST_SMOOTHING: f64 = 0.6;
/// A gap below so many ε·‖b‖² is rounding.
const ROUNDING: f64 = 1e3;
/// The residual computed from x may differ from that of the process by this many √ε.
const MISMATCH: f64 = 8.0;

/// The problem after the change of variables.
pub(crate) struct Problem<'p, T: Scalar> {
    pub a: &'p dyn Operator<Scalar = T>,
    /// The norm of what cancels inside the products with A.
    pub hidden: f64,
    pub data: &'p [T],
    /// wₜ; `None` is 1.
    pub scales: Vec<Option<Vec<f64>>>,
    pub threads: Threads,
}

/// The solution of a small problem: at `None` for the λ of a rule, at `Some(d)` for that damping.
pub(crate) type Choose<'s, T> = dyn FnMut(&Projected<T>, Option<f64>) -> Result<Answer<T>> + 's;

/// λ, or what chooses it.
pub(crate) enum Aim<'s, T> {
    Lambda(f64),
    Rule(&'s mut Choose<'s, T>),
}

/// What was found.
pub(crate) struct Found<T> {
    pub settled: Settled<Vec<T>>,
    pub lambda: f64,
    pub chosen: Option<Chosen>,
    /// P(x) − min P at most, computed from x.
    pub gap: Option<f64>,
    /// What the tolerance bounds.
    pub reached: f64,
    pub tolerance: f64,
    pub stop: Stop,
    /// Computed from x.
    pub residual_norm: f64,
}

/// λ·Σ(aⱼ|zⱼ| + cⱼ|zⱼ|²): the penalty of which a gap is known.
struct Certificate {
    a: Vec<f64>,
    c: Vec<f64>,
    /// What ε costs: Σ ω over the smoothed components.
    smoothed: f64,
}

impl Certificate {
    /// `None` where a term is neither ℓ1 nor a square, or a coefficient is free: then nothing bounds the dual.
    fn new(objective: &Objective<'_>, scales: &[Option<Vec<f64>>], n: usize) -> Option<Self> {
        let mut new = Self { a: vec![0.0; n], c: vec![0.0; n], smoothed: 0.0 };
        for ((omega, profile), scale) in objective.terms.iter().zip(scales) {
            let w = |j: usize| scale.as_ref().map_or(1.0, |scale| scale[j]);
            match profile {
                None | Some(Profile::Power { p: 2.0 }) => (0..n).for_each(|j| new.c[j] += omega * w(j) * w(j)),
                Some(Profile::Power { p: 1.0 }) => {
                    (0..n).for_each(|j| new.a[j] += omega * w(j));
                    new.smoothed += omega * (0..n).filter(|&j| w(j) > 0.0).count() as f64;
                }
                _ => return None,
            }
        }
        (0..n).all(|j| new.a[j] + new.c[j] > 0.0).then_some(new)
    }

    /// Fenchel's inequality at the dual point −2s·r, as a sum of terms that are not negative: (1 − s)²‖r‖² + Σ(h(z) + h*(sg) − s·Re ḡz), g = 2Aᴴr,
    /// h*(t) = (|t| − λa)₊²/4λc. s ≤ 1 is as large as h* permits where c = 0.
    fn gap<T: Scalar>(&self, lambda: f64, residual_norm: f64, gradient: &[T], z: &[T]) -> f64 {
        let size = |g: &T| 2.0 * g.modulus().to_f64();
        let bound = |j: usize, g: &T| if self.c[j] > 0.0 { 1.0 } else { lambda * self.a[j] / size(g).max(f64::MIN_POSITIVE) };
        let s = gradient.iter().enumerate().map(|(j, g)| bound(j, g)).fold(1.0, f64::min);
        let components = gradient.iter().zip(z).enumerate().map(|(j, (g, z))| {
            let (t, length) = (s * size(g), z.modulus().to_f64());
            let along = s * 2.0 * (g.real() * z.real() + g.imaginary() * z.imaginary()).to_f64();
            let beyond = (t - lambda * self.a[j]).max(0.0);
            let dual = if self.c[j] > 0.0 { beyond * beyond / (4.0 * lambda * self.c[j]) } else { 0.0 };
            (lambda * (self.a[j] * length + self.c[j] * length * length) + dual - along).max(0.0)
        });
        ((1.0 - s) * residual_norm).powi(2) + components.sum::<f64>()
    }
}

/// The iterate with what is known of it.
struct State<T> {
    x: Vec<T>,
    /// Āᴴr.
    gradient: Vec<T>,
    weighed: Weighed<()>,
    residual_norm: f64,
}

impl<T: Scalar> Problem<'_, T> {
    fn components(&self, x: &[T]) -> Vec<Vec<f64>> {
        let of = |scale: &Option<Vec<f64>>| {
            let w = |j: usize| scale.as_ref().map_or(1.0, |scale| scale[j]);
            x.iter().enumerate().map(|(j, v)| w(j) * v.modulus().to_f64()).collect()
        };
        self.scales.iter().map(of).collect()
    }

    /// Σω·w²·ψ'(v)/2v of each coefficient, at least the smallest that is not 0: weights precondition, and a free coefficient has none.
    fn total(&self, objective: &Objective<'_>, weights: &Weights) -> Vec<f64> {
        let n = self.a.shape().1;
        let mut total = vec![0.0f64; n];
        for (((omega, _), scale), weights) in objective.terms.iter().zip(&self.scales).zip(&weights.terms) {
            for (j, total) in total.iter_mut().enumerate() {
                let w = scale.as_ref().map_or(1.0, |scale| scale[j]);
                // a weight may be as large as a number can be, and a free component has none
                *total += if w > 0.0 { omega * w * w * weights.as_ref().map_or(1.0, |weights| weights[j]) } else { 0.0 };
            }
        }
        total.iter_mut().for_each(|total| *total = total.min(f64::MAX));
        total
    }

    /// The minimiser over the coefficients that are off zero by more than `off`, as far as `limit` steps go.
    fn on_the_support(
        &self,
        certificate: &Certificate,
        lambda: f64,
        x: &[T],
        off: f64,
        allowed: f64,
        limit: usize,
    ) -> core::result::Result<Option<Supported<T>>, Fault> {
        let scaled = |v: &[f64]| v.iter().map(|v| lambda * v).collect();
        let terms = Terms { absolute: scaled(&certificate.a), square: scaled(&certificate.c) };
        let kept = |v: &T| Some(v.real().to_f64()).filter(|v| v.abs() > off).unwrap_or(0.0);
        let start: Vec<f64> = x.iter().map(kept).collect();
        let gap = |residual_norm: f64, gradient: &[T], z: &[T]| certificate.gap(lambda, residual_norm, gradient, z);
        support::solve(self.a, self.data, &terms, &start, &gap, allowed, limit)
    }

    /// ‖Āᴴr − λWx‖.
    fn gradient_norm(&self, state: &State<T>, lambda: f64, total: &[f64]) -> f64 {
        let pulled: Vec<T> =
            (state.gradient.iter().zip(&state.x).zip(total)).map(|((&g, &x), &w)| g - x.scale(T::Real::from_f64(lambda * w))).collect();
        linalg::norm(&pulled).to_f64()
    }
}

/// Solves as the options say.
pub(crate) fn solve<T: Scalar>(
    problem: &Problem<'_, T>,
    objective: &Objective<'_>,
    mut aim: Aim<'_, T>,
    options: &FlexibleLsqr,
    watch: &mut Watch<'_, '_, T>,
) -> Result<Found<T>> {
    let (m, n) = problem.a.shape();
    let epsilon = T::Real::EPSILON.to_f64();
    let certificate = Certificate::new(objective, &problem.scales, n);
    let ruled = matches!(aim, Aim::Rule(_));
    let tolerance = options.tolerance_for::<T>(certificate.is_some() && !ruled);
    let (limit, exact, most) = (options.limit(), options.0.exact_steps(), options.basis());
    let mut process = Process::start(problem.a, problem.hidden, problem.data).map_err(|fault| fault.at(0))?;
    let (beta, reference) = (process.beta(), process.reference());
    let mut weights = Weights { rows: None, terms: vec![None; objective.terms.len()] };
    let mut smoothing = (0.0, vec![0.0; objective.terms.len()]);
    let zero = Weighed { residuals: vec![beta], components: problem.components(&vec![T::ZERO; n]), lambda: 0.0, change: 0.0, solution: () };
    let mut state = State { x: vec![T::ZERO; n], gradient: vec![T::ZERO; n], weighed: zero, residual_norm: beta };
    let mut lambda = if let Aim::Lambda(lambda) = aim { lambda } else { 0.0 };
    if reference == 0.0 {
        // R grows from 0, and nothing pulls
        if matches!(aim, Aim::Rule(_)) {
            return Err(crate::rule::no_interval("the rule"));
        }
        state.weighed.lambda = lambda;
        let settled = objective.settled(&state.weighed, state.x, None, weights, Vec::new(), 0, None, smoothing);
        let gap = certificate.is_some().then_some(0.0);
        return Ok(Found { settled, lambda, chosen: None, gap, reached: 0.0, tolerance, stop: Stop::Zero, residual_norm: beta });
    }
    process.gradient(&process.residual(&[]), &mut state.gradient);
    let stages = if objective.is_smoothed() && certificate.is_none() { STAGES } else { 1 };
    let (mut unit, mut stage, mut made) = (None, 0, 0);
    let (mut iterates, mut history): (Vec<Vec<T>>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut settling = Settling::new(options.0.settle_fraction());
    let (mut chosen, mut no_lambda, mut reached) = (None, None, f64::INFINITY);
    let (mut best, mut best_at, mut steps) = (f64::INFINITY, 0, 0);
    // the x of the smallest gap on a support; when the gap was last halved, and how long that may take
    let mut supported: Option<Supported<T>> = None;
    let (mut halved, mut halved_at, mut patience) = (f64::INFINITY, 0, SLOW);
    let stop = loop {
        if steps >= limit {
            break if exact { Stop::Steps } else { Stop::StepLimit };
        }
        if watch.ended {
            break Stop::Observer;
        }
        if process.dimension() >= most && most < n {
            process.compress(&iterates);
            // coefficients on columns that are no more
            iterates.clear();
        }
        let total = problem.total(objective, &weights);
        if process.dimension() < n {
            let mut direction = preconditioned(&state.gradient, &total);
            // where it adds nothing, the weights alone move x
            process.expand(&mut direction).map_err(|fault| fault.at(steps + 1))?;
        }
        steps += 1;
        made += 1;
        let roots: Vec<T::Real> = total.iter().map(|&w| in_range(w.sqrt())).collect();
        let factor = process.weighted(&roots, problem.threads);
        let y = match &mut aim {
            Aim::Lambda(lambda) => process.solve(&factor, lambda.sqrt()),
            Aim::Rule(choose) => {
                let (a, data) = process.small();
                let small = Projected { a, l: factor, data, outside: 0.0, exhausted: process.dimension() == n };
                match choose(&small, None) {
                    Ok(answer) => {
                        lambda = answer.damping * answer.damping;
                        (chosen, no_lambda) = (answer.chosen, None);
                        // the decomposition is for the rule; with weights of many sizes a reflection keeps more digits of y
                        process.solve(&small.l, answer.damping)
                    }
                    Err(error @ Error::NoLambda { .. }) => {
                        // no λ in this space yet: it grows by the gradient of the least-squares problem
                        (lambda, chosen, no_lambda) = (0.0, None, Some(error));
                        settling.forget();
                        choose(&small, Some(0.0))?.y
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let mut x = vec![T::ZERO; n];
        process.combine(&y, &mut x);
        if let Some(place) = x.iter().position(|v| !v.finite()) {
            return Err(Error::NonFinite {
                what: "the iterate, whose projected problem is singular: use a larger λ; x",
                index: Size::Entry(place),
            });
        }
        let coordinates = process.residual(&y);
        process.gradient(&coordinates, &mut state.gradient);
        state.residual_norm = linalg::norm(&coordinates).to_f64();
        let change = change(&x, &state.x);
        state.x = x;
        state.weighed = Weighed {
            residuals: coordinates.iter().map(|v| v.modulus().to_f64()).collect(),
            components: problem.components(&state.x),
            lambda,
            change,
            solution: (),
        };
        iterates.insert(0, y);
        iterates.truncate(RECENT);
        if let Some(truth) = watch.truth {
            watch.errors.push(relative_error(&state.x, truth));
        }
        let found_lambda = no_lambda.is_none();
        if found_lambda {
            if ruled {
                settling.step(lambda.sqrt(), change);
            }
            let unit = unit.get_or_insert_with(|| smoothing_unit(objective, &state.weighed));
            if history.is_empty() && smoothing.1.iter().all(|&epsilon| epsilon == 0.0) {
                smoothing = at_stage(unit, 0);
            }
        }
        let gap = certificate.as_ref().filter(|_| found_lambda).map(|certificate| {
            let gap = certificate.gap(lambda, state.residual_norm, &state.gradient, &state.x);
            (gap, certificate.smoothed)
        });
        if let (Some((gap, smoothed)), Some(unit)) = (gap, &unit)
            && smoothed > 0.0
        {
            let allowed = gap / (lambda * smoothed);
            for (smoothing, unit) in smoothing.1.iter_mut().zip(&unit.1) {
                let next = allowed.max(unit * epsilon.powf(LEAST_SMOOTHING)).min(*smoothing);
                if next != *smoothing {
                    history.clear();
                    *smoothing = next;
                }
            }
        }
        let smoothed_gradient = if found_lambda {
            weights = objective.weights(&state.weighed, None, &smoothing);
            let (data, penalty) = objective.value(&state.weighed, None, &smoothing);
            history.push(data + lambda * penalty);
            problem.gradient_norm(&state, lambda, &problem.total(objective, &weights)) / reference
        } else {
            linalg::norm(&state.gradient).to_f64() / reference
        };
        reached = match (gap, found_lambda) {
            (Some((gap, _)), _) => gap / (beta * beta),
            (None, true) => smoothed_gradient,
            (None, false) => f64::INFINITY,
        };
        if let Some(observe) = watch.observer.as_mut() {
            let step = Step {
                index: steps,
                residual_norm: state.residual_norm,
                normal_residual: smoothed_gradient,
                solution_norm: linalg::norm(&state.x).to_f64(),
            };
            watch.ended = observe(&step) == ControlFlow::Break(());
        }
        if stage + 1 < stages {
            if found_lambda && (reached <= tolerance.max(LOOSE) || made >= STAGE_STEPS || stands_still(&history, STILL)) {
                (stage, made) = (stage + 1, 0);
                if let Some(unit) = &unit {
                    smoothing = at_stage(unit, stage);
                }
                weights = objective.weights(&state.weighed, None, &smoothing);
                history.clear();
            }
            continue;
        }
        if exact || !found_lambda {
            continue;
        }
        let on_its_way = ruled && !settling.settled();
        let still = match gap {
            Some(_) => {
                if reached < 0.9 * best || on_its_way {
                    (best, best_at) = (reached, steps);
                }
                steps - best_at >= STANDSTILL || reached == 0.0
            }
            None => stands_still(&history, STILL),
        };
        if reached <= tolerance && !on_its_way {
            break if ruled { Stop::Settled } else { Stop::Tolerance };
        }
        if reached <= 0.5 * halved {
            (halved, halved_at) = (reached, steps);
        }
        if let Some(certificate) = certificate.as_ref().filter(|_| !T::IS_COMPLEX && !ruled && lambda > 0.0)
            && steps - halved_at >= patience
        {
            let off = OFF * smoothing.1.iter().copied().fold(0.0, f64::max);
            let (allowed, before) = (tolerance * beta * beta, steps);
            let found = problem.on_the_support(certificate, lambda, &state.x, off, allowed, limit - steps);
            if let Some(found) = found.map_err(|fault| fault.at(steps))? {
                steps += found.steps;
                let enough = found.gap <= allowed;
                if supported.as_ref().is_none_or(|old| found.gap < old.gap) {
                    supported = Some(found);
                }
                if enough {
                    break Stop::Tolerance;
                }
            }
            // the steps there are no standstill here
            (halved_at, best_at, patience) = (steps, best_at + steps - before, 2 * patience);
        }
        if still && !on_its_way {
            // without a gap an objective that stands still is all that rounding permits; a gap says whether it is
            break if gap.is_none() || reached <= ROUNDING * epsilon { Stop::Rounding } else { Stop::Stalled };
        }
    };
    if let Some(error) = no_lambda {
        return Err(error);
    }
    if let Some(found) = supported.filter(|found| found.gap < reached * beta * beta) {
        (state.x, state.residual_norm) = (found.x, found.residual_norm);
        state.weighed = Weighed { residuals: vec![found.residual_norm], components: problem.components(&state.x), ..state.weighed };
        smoothing.1.fill(0.0);
    }
    // x, and its residual and gap by fresh products
    let mut residual = vec![T::ZERO; m];
    problem.a.apply(&state.x, &mut residual);
    residual.iter_mut().zip(problem.data).for_each(|(r, &b)| *r = b - *r);
    problem.a.apply_adjoint(&residual, &mut state.gradient);
    let residual_norm = problem.a.range_norm(&residual).to_f64();
    if !(residual_norm.is_finite() && linalg::norm(&state.gradient).finite()) {
        return Err(Fault::NonFinite("the residual computed from x").at(steps));
    }
    let slip = (residual_norm - state.residual_norm).abs() / beta;
    if !(slip <= MISMATCH * epsilon.sqrt()) {
        return Err(Fault::NotAdjoint(slip).at(steps));
    }
    let gap = certificate.as_ref().map(|certificate| certificate.gap(lambda, residual_norm, &state.gradient, &state.x));
    if let Some(gap) = gap {
        reached = gap / (beta * beta);
    }
    if matches!(stop, Stop::StepLimit | Stop::Stalled) && !options.0.accepts_partial() {
        return Err(Error::NotConverged {
            method: FlexibleLsqr::NAME,
            steps,
            reached,
            tolerance,
            instead: "allow more with max_steps(..) or max_basis(..), ask for less with tolerance(..) (or settle(..), where a rule chooses λ), \
                      take what there is with accept_partial(), or use a larger λ; the λ of weighted GCV may go on falling: steps(..) ends it",
        });
    }
    let settled = objective.settled(&state.weighed, state.x, None, weights, history, steps, None, smoothing);
    Ok(Found { settled, lambda, chosen, gap, reached, tolerance, stop, residual_norm })
}

/// W⁻¹g, up to a factor; a coefficient without a weight counts as the one of least weight.
fn preconditioned<T: Scalar>(g: &[T], total: &[f64]) -> Vec<T> {
    let least = total.iter().copied().filter(|&w| w > 0.0).fold(f64::INFINITY, f64::min);
    let factor = |w: f64| if w > 0.0 && least.is_finite() { least / w } else { 1.0 };
    g.iter().zip(total).map(|(g, &w)| g.scale(T::Real::from_f64(factor(w)))).collect()
}

/// The root of a weight as a number of the scalar type, not ∞.
fn in_range<R: Real>(root: f64) -> R {
    R::from_f64(root.min(R::MAX.to_f64() * R::EPSILON.to_f64()))
}

/// ‖x − before‖/‖x‖.
fn change<T: Scalar>(x: &[T], before: &[T]) -> f64 {
    let moved: Vec<T> = x.iter().zip(before).map(|(&x, &before)| x - before).collect();
    let (moved, length) = (linalg::norm(&moved).to_f64(), linalg::norm(x).to_f64());
    if moved == 0.0 { 0.0 } else { moved / length }
}
