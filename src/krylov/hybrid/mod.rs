//! Hybrid LSQR and LSMR: a Krylov space that grows, and the ordinary rules on the small problem in it.
//!
//! Solves       minimise ‖Ax − b‖² + d²‖x‖² over x ∈ span{v₁ … vₖ}, k = 1, 2, …; d given, or chosen in each space by a rule.
//! Equals       Tikhonov's solution once the space has all that d lets through; with d given it is LSQR with damping and full
//!              reorthogonalization. LSMR: in each space the x of least normal residual; the same limit.
//! Siblings     CGLS for a given λ (no stored vectors); a factorization when A has entries; probes when λ by GCV is to have an
//!              error bar; for L ≠ I this on `standard_form`, or [`general`], which also has a bounded basis.
//! Cost         step k: two products, 4k(m + n) flops for the orthogonality, O(k²) for the curve and about 150 evaluations of
//!              it at O(k) by the rule's search. k(m + n) numbers stored.
//!
//! This loop is not `drive`: λ changes from step to step, so that neither a falling residual nor a tolerance tells when to
//! stop. What it asks instead:
//!
//! - λ by a rule: over the last [`WINDOW`] steps x has not changed by more than the fraction that counts as settled, nor λ (in its
//!   logarithm) by more than ten times that. The rule sees the projected curve only where Gauss and Gauss–Radau quadrature
//!   agree on it, and λ at the lower end of that has not settled. V is orthonormal, so that the change of x is that of y. The value of weighted GCV itself falls as
//!   1/k while λ and x stand still, which is why it is not what is watched. A rule without an answer (the
//!   discrepancy that no x in this space reaches) lets the space grow.
//! - a rule that counts degrees of freedom sees those of the space alone: what is outside is estimated when λ has settled, and where it
//!   counts, the space grows on until it is the whole one (a small problem), or probes count what the space cannot: [`beyond`].
//! - then, and with λ given: the normal residual αₖ₊₁|rₖ₊₁| within the tolerance, where there is one.
//! - the space is exhausted: the projected problem is the whole one.
//!
//! How it ends: [`finish`].
//!
//! References   O'Leary & Simmons 1981, doi:10.1137/0902037 · Chung, Nagy & O'Leary 2008, Electron. Trans. Numer. Anal. 28:149
//!              · Chung & Palmer 2015 (LSMR; there λ multiplies ‖x‖² beside the *normal* residual, here it keeps its meaning),
//!              doi:10.1137/140975024 · Chung & Gazzola 2024 (survey), doi:10.1137/21M1441420.

pub(crate) mod basis;
mod beyond;
mod counted;
mod finish;
pub(crate) mod general;
pub(crate) mod projection;

use crate::curve::{Curve, Spectrum};
use crate::error::{Error, Result};
use crate::linalg::norm;
use crate::method::ProjectedGcv;
use crate::method::hybrid::Options;
use crate::operator::Operator;
use crate::rule::gcv::log_gcv;
use crate::rule::{Chosen, Rule};
use crate::scalar::{Real, Scalar};
use crate::step::{Observer, Step, Stop};
use crate::warning::Warning;
use basis::Process;
use beyond::Beyond;
use core::ops::ControlFlow;
use finish::solve_small;
use projection::{End, From, Nodes, Small, Weighted, known_from};

pub(crate) use beyond::counts_dof;
pub(crate) use counted::serves as counted_by_probes;
pub(crate) use finish::Finish;

/// Steps over which λ and x must not change.
pub(crate) const WINDOW: usize = 5;
/// Steps with λ at the end of what the space knows after which it is asked what is outside. On a first difference of 400 points
/// predictive risk stays there for 120 steps.
const UNSURE: usize = 2 * WINDOW;
/// A damping this many times above the least that the space knows is not made by the end of its knowledge, and may settle.
/// Seen on blurred images of 32² and 64² pixels: below 4, weighted GCV stood still for some steps at a λ that was too large by
/// a factor of three.
const WELL_INSIDE: f64 = 4.0;
/// While GCV with the true rows is lower than at λ by this factor somewhere, λ has not settled: the space has still to fit the
/// data. On illc1033 with its own right-hand side weighted GCV stood still while GCV was yet to fall by some hundreds; on phillips
/// a space of half the dimension falls by more than 2 for fitting noise. Between the two a guess.
const FALLEN: f64 = 50.0;
/// λ may move by this many times the fraction that x may: x hardly feels it near a minimum of GCV.
const LAMBDA_MOVES: f64 = 10.0;

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

impl Minimise {
    pub fn name(self) -> &'static str {
        match self {
            Minimise::Objective => "hybrid LSQR",
            Minimise::NormalResidual => "hybrid LSMR",
        }
    }
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

    /// How far λ has moved in its logarithm.
    pub fn moved(&self) -> f64 {
        self.changes.iter().map(|(moved, _)| moved.abs()).sum()
    }

    pub fn settled(&self) -> bool {
        let changed: f64 = self.changes.iter().map(|(_, change)| change).sum();
        self.moved() <= LAMBDA_MOVES * self.fraction && changed <= self.fraction
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

/// λ in a space.
pub(crate) struct Choice {
    pub chosen: Chosen,
    /// Whether it is well above the least that the space knows.
    pub well_inside: bool,
    /// Whether weighted GCV had to serve: with the true rows there was no minimum.
    pub weighted: bool,
}

/// λ in the space of a process. `weights` are the ω of its steps so far.
pub(crate) fn choose<T: Scalar>(process: &Process<'_, T>, ruled: &Ruled<'_>, gcv: ProjectedGcv, weights: &mut Vec<f64>) -> Result<Choice> {
    let numbers = &process.numbers;
    let nodes = |end: End| {
        numbers.nodes(end).map_err(|_| Error::NotConverged {
            method: "the singular values of the projected problem",
            steps: numbers.steps(),
            reached: f64::INFINITY,
            tolerance: f64::EPSILON,
            instead: "give λ as a number, or use Method::Probes",
        })
    };
    let (gauss, radau) = (nodes(End::Gauss)?, nodes(End::Radau)?);
    let tolerance = T::Real::EPSILON.to_f64() * radau.values.first().copied().unwrap_or(0.0) * (radau.values.len() as f64).sqrt();
    let Ruled { rule, rows, unpenalised, data_norm, unit } = *ruled;
    weights.push(radau.weight());
    let projected_rows = radau.values.len() + 1;
    let gauss = gauss.spectrum(rows, unpenalised, tolerance);
    let spectrum = radau.spectrum(rows, unpenalised, tolerance);
    let low = if process.exhausted { 0.0 } else { known_from(&gauss, &spectrum, false) };
    let ask = |curve: &dyn Curve| rule.choose(&From { curve, low }, data_norm, unit);
    if process.exhausted {
        // the whole space: the rule itself
        return ask(&spectrum).map(|chosen| Choice { chosen, well_inside: true, weighted: false });
    }
    if !matches!(rule, Rule::Gcv(_) | Rule::RobustGcv(_)) {
        return ask(&spectrum).map(|chosen| {
            let chosen = inside(chosen);
            let well_inside = chosen.damping > WELL_INSIDE * low && !at_lower_end(&chosen);
            Choice { chosen, well_inside, weighted: false }
        });
    }
    // what GCV falls to, wherever that is: where it is far below a minimum, the space has yet to fit the data
    let lowest = ask(&spectrum)?;
    let fallen = lowest.value;
    let settled = |chosen: Chosen| {
        let chosen = inside(chosen);
        let here = log_gcv(&spectrum.at(chosen.damping), rows).log;
        let well_inside = chosen.damping > WELL_INSIDE * low && !at_lower_end(&chosen) && (here - fallen.ln()) < FALLEN.ln();
        Choice { chosen, well_inside, weighted: false }
    };
    if gcv != ProjectedGcv::Weighted {
        let choice = settled(lowest);
        if choice.well_inside || gcv == ProjectedGcv::TrueRows {
            return Ok(choice);
        }
    }
    let weight = weights.iter().sum::<f64>() / weights.len() as f64;
    let projected = Spectrum { rows: projected_rows, unpenalised: 0, ..spectrum.clone() };
    ask(&Weighted { spectrum: projected, weight }).map(|chosen| Choice { weighted: true, ..settled(chosen) })
}

/// λ in a space of which no quadrature tells where its curve can be believed: a minimum inside, with the true rows where GCV has one that
/// is not far above what it falls to, or else weighted.
pub(crate) fn choose_unbracketed(spectrum: &Spectrum, ruled: &Ruled<'_>, gcv: ProjectedGcv, weights: &mut Vec<f64>) -> Result<Chosen> {
    let ask = |curve: &dyn Curve| ruled.rule.choose(curve, ruled.data_norm, ruled.unit);
    if !matches!(ruled.rule, Rule::Gcv(_) | Rule::RobustGcv(_)) {
        return ask(spectrum).map(inside);
    }
    let Spectrum { values, coefficients, outside, .. } = spectrum.clone();
    let rows = values.len() + 1;
    weights.push(Nodes { values, coefficients, outside }.weight());
    if gcv != ProjectedGcv::Weighted {
        let lowest = ask(spectrum)?;
        let fallen = lowest.value;
        let chosen = inside(lowest);
        if gcv == ProjectedGcv::TrueRows || (!at_lower_end(&chosen) && chosen.value < FALLEN * fallen) {
            return Ok(chosen);
        }
    }
    let weight = weights.iter().sum::<f64>() / weights.len() as f64;
    ask(&Weighted { spectrum: Spectrum { rows, unpenalised: 0, ..spectrum.clone() }, weight }).map(inside)
}

/// Whether λ is the lower end of what the space knows.
pub(crate) fn at_lower_end(chosen: &Chosen) -> bool {
    chosen.warnings.iter().any(|warning| matches!(warning, Warning::EdgeOfInterval { upper: false, .. }))
}

/// The best minimum inside the interval, where the criterion is lower still at the lower end. A space that grew from b fits
/// the noise in b with fewer degrees of freedom than it takes: towards λ = 0 its criterion is too low, until the space
/// is the whole one.
pub(crate) fn inside(chosen: Chosen) -> Chosen {
    let best = chosen.minima.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    match best {
        Some((damping, value)) if at_lower_end(&chosen) => Chosen { damping, value, warnings: Vec::new(), ..chosen },
        _ => chosen,
    }
}

/// From the unknowns of an iteration to those of the problem.
pub(crate) type Back<'w, T> = &'w dyn Fn(&[T]) -> Vec<T>;

/// Who looks at the steps: the observer, and the truth that the iterates are compared with.
pub(crate) struct Watch<'w, 'o, T> {
    pub observer: Option<&'w mut Observer<'o>>,
    pub truth: Option<&'w [T]>,
    /// What is looked at instead of the iteration's own unknowns, where these are those of a standard form.
    pub back: Option<Back<'w, T>>,
    /// ‖xₖ − truth‖/‖truth‖ of each step.
    pub errors: Vec<f64>,
    /// Whether the observer has ended the iteration.
    pub ended: bool,
}

impl<T: Scalar> Watch<'_, '_, T> {
    /// Whether x itself is looked at in every step.
    fn wants_x(&self) -> bool {
        self.truth.is_some() || (self.back.is_some() && self.observer.is_some())
    }

    fn look(&mut self, process: &Process<'_, T>, small: &Small, normal_residual: f64, x: &mut [T]) {
        let mut solution_norm = norm(&small.y);
        if self.wants_x() {
            process.right.combine(&small.y, x);
            let outward = self.back.map(|back| back(x));
            let x = outward.as_deref().unwrap_or(x);
            solution_norm = norm(x).to_f64();
            if let Some(truth) = self.truth {
                self.errors.push(relative_error(x, truth));
            }
        }
        if let Some(observe) = self.observer.as_mut() {
            let step = Step { index: process.steps(), residual_norm: norm(&small.residual), normal_residual, solution_norm };
            self.ended = observe(&step) == ControlFlow::Break(());
        }
    }
}

/// Solves on a growing space. `hidden` is the norm of what cancels inside the products with A; `project` takes out of a vector of data
/// what a change of variables has taken out of A.
pub(crate) fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    hidden: f64,
    project: &dyn Fn(&mut [T]),
    b: &[T],
    aim: Aim<'_>,
    minimise: Minimise,
    options: &Options,
    watch: &mut Watch<'_, '_, T>,
) -> Result<Found<T>> {
    let limit = options.limit();
    let mut process = Process::start(a, hidden, b, usize::MAX).map_err(|fault| fault.at(0))?;
    process.reserve(limit.min(a.shape().1).min(a.global_rows()));
    let finish = Finish {
        minimise,
        tolerance: options.tolerance().or(match aim {
            Aim::Damping(_) if !options.exact_steps() => Some(10.0 * T::Real::EPSILON.to_f64()),
            _ => None,
        }),
        limit,
        exact: options.exact_steps(),
        partial: options.accepts_partial(),
    };
    match aim {
        Aim::Damping(damping) => finish.at(&mut process, b, damping, Stop::Steps, watch),
        Aim::Rule(ruled) => {
            let (chosen, stop) = settle(&mut process, &ruled, project, minimise, options, watch)?;
            let found = finish.at(&mut process, b, chosen.damping, stop, watch)?;
            Ok(Found { chosen: Some(chosen), ..found })
        }
    }
}

/// Steps until λ and x have settled: [`Stop::Settled`], or what came before. The last λ.
fn settle<T: Scalar>(
    process: &mut Process<'_, T>,
    ruled: &Ruled<'_>,
    project: &dyn Fn(&mut [T]),
    minimise: Minimise,
    options: &Options,
    watch: &mut Watch<'_, '_, T>,
) -> Result<(Chosen, Stop)> {
    let reference = process.numbers.reference();
    let mut small = Small::default();
    let (mut weights, mut before) = (Vec::new(), Vec::new());
    let mut x = if watch.wants_x() { vec![T::ZERO; process.shape().1] } else { Vec::new() };
    let mut settling = Settling::new(options.settle_fraction());
    let mut last: Result<Choice> = Err(crate::rule::no_interval(ruled.rule.name()));
    let mut beyond = Beyond::new(ruled, options, process);
    let mut unsure = 0;
    let stop = loop {
        if process.exhausted {
            break Stop::Exhausted;
        }
        if process.steps() >= options.limit() {
            if !options.exact_steps() {
                break Stop::StepLimit;
            }
            while let Ok(choice) = &last
                && !beyond.accepts(process, ruled, choice, project)?
            {
                last = beyond.choose(process, ruled);
            }
            break Stop::Steps;
        }
        if watch.ended {
            break Stop::Observer;
        }
        if settling.settled() && !options.exact_steps() {
            match &last {
                Ok(choice) if !beyond.accepts(process, ruled, choice, project)? => settling.forget(),
                _ => break Stop::Settled,
            }
        }
        process.step().map_err(|fault| fault.at(process.steps() + 1))?;
        last = match beyond.counts() && !process.exhausted {
            true => beyond.choose(process, ruled),
            false => choose(process, ruled, options.projected_gcv(), &mut weights),
        };
        let damping = match &last {
            Ok(choice) => choice.chosen.damping,
            Err(Error::NoLambda { .. }) => 0.0,
            Err(error) => return Err(error.clone()),
        };
        solve_small(&process.numbers, damping, minimise, &mut small);
        match &last {
            Ok(choice) if choice.well_inside => {
                unsure = 0;
                settling.step(damping, relative_change(&small.y, &before));
            }
            _ => {
                unsure += 1;
                settling.forget();
            }
        }
        // degrees of freedom outside may be what keeps λ at the end of what the space knows: then it never settles
        if unsure >= UNSURE && !options.exact_steps() && !beyond.counts() {
            match &last {
                Ok(choice) => drop(beyond.accepts(process, ruled, choice, project)?),
                Err(_) => beyond.count_what_is_missing(process, ruled, project)?,
            }
        }
        before.clone_from(&small.y);
        watch.look(process, &small, process.numbers.normal_norm(damping, &small) / reference, &mut x);
    };
    let chosen = last?.chosen;
    if stop == Stop::StepLimit && !options.accepts_partial() {
        let fraction = options.settle_fraction();
        return Err(Error::NotConverged {
            method: minimise.name(),
            steps: process.steps(),
            reached: settling.moved(),
            tolerance: fraction,
            instead: "λ had not settled: allow more with max_steps(..), ask for less with settle(..), take what there is with \
                      accept_partial(), or use Method::Probes",
        });
    }
    Ok((chosen, stop))
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
