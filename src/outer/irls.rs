//! Robust misfits and penalties by iteratively reweighted least squares: minimise Σ φ(uᵢ) + λ·Σⱼ ωⱼ Σₖ ψⱼ(vⱼₖ) with u = W^½(b − Ax − c) and
//! vⱼ = Lⱼ(x − x₀).
//!
//! φ and ψ are concave in the square of their argument ([`misfit`](crate::misfit)), so that the ridge problem with the rows of A weighted by
//! φ'(u)/2u and those of Lⱼ by ψ'(v)/2v lies above the objective and touches it at the current x: its minimiser lowers the objective
//! (majorization and minimization). Each step is one ridge problem of the library, by whatever engine the caller's method means.
//!
//! The powers are smoothed by ε, which falls tenfold from stage to stage; a stage starts from the x of the one before. For p < 1,
//! and for Student's t, the objective is not convex, and what is found is the local minimum downhill from the ridge solution.
//! Where a rule chooses λ it does so at each step, for the weighted problem of that step; the objective is then another at
//! each step, and the iteration may fail to settle, which is an error.
//!
//! When to prefer a sibling: [`subspace`](super::subspace) where only products with A are known and λ is given; the ℓ1 solvers, which
//! are exact, for p = 1 penalties. Convergence is linear: the error left is about step·q/(1 − q) with q the ratio of steps, near 1
//! for p near 0 and for small ε. Cost: one ridge problem a step.
//!
//! References: Holland and Welsch 1977 (doi:10.1080/03610927708827533); Lange, Hunter and Yang 2000 (doi:10.1080/10618600.2000.10474858) on
//! majorization; Chartrand and Yin 2008 (doi:10.1109/ICASSP.2008.4518498) on the falling ε.

use crate::error::{Error, Result};
use crate::misfit::{Misfit, Profile};

/// One weighted ridge problem's answer.
pub(crate) struct Step<S> {
    /// |uᵢ| and, for each term, |vⱼₖ|.
    pub residuals: Vec<f64>,
    pub components: Vec<Vec<f64>>,
    /// λ of this step.
    pub lambda: f64,
    /// ‖change of (x, c)‖/‖(x, c)‖ since the step before.
    pub change: f64,
    /// What the caller keeps.
    pub solution: S,
}

/// The weights of a step: of the rows of A, and of the rows of each Lⱼ; `None` where all are 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weights {
    pub rows: Option<Vec<f64>>,
    pub terms: Vec<Option<Vec<f64>>>,
}

/// The objective.
pub(crate) struct Objective<'o> {
    pub misfit: Option<&'o Misfit>,
    /// ωⱼ and ψⱼ; `None` is the square.
    pub terms: Vec<(f64, Option<Profile>)>,
}

/// The end.
pub(crate) struct Settled<S> {
    pub solution: S,
    pub weights: Weights,
    /// Σφ + λΣωψ, and the same smoothed.
    pub objective: f64,
    pub smoothed: f64,
    /// R = Σωψ, not smoothed.
    pub penalty: f64,
    /// The smoothed objective after each step of the last stage, at its λ.
    pub history: Vec<f64>,
    pub steps: usize,
    pub change: f64,
    pub scale: Option<f64>,
    /// ε of the misfit and of each term, 0 where nothing is smoothed.
    pub smoothing: (f64, Vec<f64>),
}

impl<S> Settled<S> {
    /// The same with another form of the solution.
    pub fn with<R>(self, solution: R) -> Settled<R> {
        let Self { solution: _, weights, objective, smoothed, penalty, history, steps, change, scale, smoothing } = self;
        Settled { solution, weights, objective, smoothed, penalty, history, steps, change, scale, smoothing }
    }
}

/// Stages of ε, each a tenth of the one before.
pub(super) const STAGES: usize = 5;
/// The first ε as a fraction of the largest component. The last is 10⁻⁴ of it.
const FIRST: f64 = 1.0;
/// The change at which a stage but the last ends.
const LOOSE: f64 = 1e-3;
/// The objective stands still where it changes by less than this fraction in so many steps on end: where convergence is slow the
/// change of x is small long before that, and says less.
const STILL: f64 = 1e-14;
const STILL_STEPS: usize = 3;
/// Steps of one stage but the last.
const STAGE_STEPS: usize = 50;

impl Objective<'_> {
    pub(super) fn is_smoothed(&self) -> bool {
        self.misfit.is_some_and(|misfit| misfit.profile.is_smoothed())
            || self.terms.iter().any(|(_, profile)| profile.is_some_and(|profile| profile.is_smoothed()))
    }

    pub fn is_convex(&self) -> bool {
        self.misfit.is_none_or(|misfit| misfit.profile.is_convex())
            && self.terms.iter().all(|(_, profile)| profile.is_none_or(|profile| profile.is_convex()))
    }

    /// ‖·‖² where there is no profile.
    fn sum(profile: Option<&Profile>, components: &[f64], epsilon: f64) -> f64 {
        components.iter().map(|&u| profile.map_or(u * u, |profile| profile.value(u, epsilon))).sum()
    }

    /// Data term and penalty.
    pub(super) fn value<S>(&self, step: &Step<S>, misfit: Option<&Profile>, smoothing: &(f64, Vec<f64>)) -> (f64, f64) {
        let data = Self::sum(misfit, &step.residuals, smoothing.0);
        let penalty = (self.terms.iter().zip(&step.components).zip(&smoothing.1))
            .map(|(((omega, profile), components), &epsilon)| omega * Self::sum(profile.as_ref(), components, epsilon))
            .sum();
        (data, penalty)
    }

    pub(super) fn weights<S>(&self, step: &Step<S>, misfit: Option<&Profile>, smoothing: &(f64, Vec<f64>)) -> Weights {
        let of = |profile: &Profile, components: &[f64], epsilon: f64| {
            // a weight of 0 would take a row out, and 1/0 is none
            components.iter().map(|&u| profile.weight(u, epsilon).clamp(f64::MIN_POSITIVE, f64::MAX)).collect::<Vec<f64>>()
        };
        Weights {
            rows: misfit.map(|profile| of(profile, &step.residuals, smoothing.0)),
            terms: (self.terms.iter().zip(&step.components).zip(&smoothing.1))
                .map(|(((_, profile), components), &epsilon)| profile.as_ref().map(|profile| of(profile, components, epsilon)))
                .collect(),
        }
    }

    /// The end, with the objective there.
    pub(super) fn settled<S>(
        &self,
        step: &Step<()>,
        solution: S,
        misfit: Option<&Profile>,
        weights: Weights,
        history: Vec<f64>,
        steps: usize,
        scale: Option<f64>,
        smoothing: (f64, Vec<f64>),
    ) -> Settled<S> {
        let (smooth_data, smooth_penalty) = self.value(step, misfit, &smoothing);
        let (data, penalty) = self.value(step, misfit, &(0.0, vec![0.0; smoothing.1.len()]));
        Settled {
            objective: data + step.lambda * penalty,
            smoothed: smooth_data + step.lambda * smooth_penalty,
            penalty,
            weights,
            history,
            steps,
            change: step.change,
            scale,
            smoothing,
            solution,
        }
    }
}

/// The largest |u| of the misfit and of each term, where it is smoothed: what ε is a fraction of.
pub(super) fn smoothing_unit<S>(objective: &Objective<'_>, step: &Step<S>) -> (f64, Vec<f64>) {
    let of = |profile: Option<&Profile>, components: &[f64]| match profile.is_some_and(Profile::is_smoothed) {
        // where all is 0 any ε serves
        true => Some(components.iter().fold(0.0f64, |a, u| a.max(*u))).filter(|&size| size > 0.0).unwrap_or(1.0),
        false => 0.0,
    };
    (
        of(objective.misfit.map(|misfit| &misfit.profile), &step.residuals),
        objective.terms.iter().zip(&step.components).map(|((_, profile), components)| of(profile.as_ref(), components)).collect(),
    )
}

/// Whether the last steps left the objective as it was.
pub(super) fn stands_still(history: &[f64], still: f64) -> bool {
    let last = history.len().saturating_sub(STILL_STEPS + 1);
    history.len() > STILL_STEPS && history[last..].windows(2).all(|pair| (pair[0] - pair[1]).abs() <= still * pair[1].abs())
}

/// ε of a stage.
pub(super) fn at_stage(unit: &(f64, Vec<f64>), stage: usize) -> (f64, Vec<f64>) {
    let factor = FIRST * 0.1f64.powi(stage as i32);
    (unit.0 * factor, unit.1.iter().map(|epsilon| epsilon * factor).collect())
}

/// `solve` solves the ridge problem with these weights; `tolerance` bounds the last relative change, `max_steps` the steps.
pub(crate) fn reweight<S>(
    objective: &Objective<'_>,
    tolerance: f64,
    max_steps: usize,
    solve: &mut dyn FnMut(&Weights) -> Result<Step<S>>,
) -> Result<Settled<S>> {
    let plain = Weights { rows: None, terms: vec![None; objective.terms.len()] };
    let mut step = solve(&plain)?;
    let unit = smoothing_unit(objective, &step);
    let stages = if objective.is_smoothed() { STAGES } else { 1 };
    let (mut steps, mut scale, mut history) = (1, None, Vec::new());
    let mut smoothing = unit.clone();
    let mut weights = plain;
    for stage in 0..stages {
        let last = stage + 1 == stages;
        smoothing = at_stage(&unit, stage);
        history.clear();
        let mut made = 0;
        loop {
            let misfit = match objective.misfit {
                None => None,
                Some(misfit) => {
                    let (profile, found) = misfit.scaled(&step.residuals)?;
                    scale = found;
                    Some(profile)
                }
            };
            weights = objective.weights(&step, misfit.as_ref(), &smoothing);
            step = solve(&weights)?;
            steps += 1;
            made += 1;
            let (data, penalty) = objective.value(&step, misfit.as_ref(), &smoothing);
            history.push(data + step.lambda * penalty);
            let bound = if last { tolerance } else { tolerance.max(LOOSE) };
            if step.change <= bound || stands_still(&history, STILL) {
                break;
            }
            if !last && made >= STAGE_STEPS {
                break;
            }
            if steps >= max_steps {
                return Err(Error::NotConverged {
                    method: "iterative reweighting",
                    steps,
                    reached: step.change,
                    tolerance,
                    instead: "give λ as a number, use a p nearer to 1 or a larger δ; where λ is small and residuals can vanish the weights grow without bound",
                });
            }
        }
    }
    let misfit = match objective.misfit {
        None => None,
        Some(misfit) => Some(misfit.scaled(&step.residuals)?.0),
    };
    let Step { residuals, components, lambda, change, solution } = step;
    let state = Step { residuals, components, lambda, change, solution: () };
    Ok(objective.settled(&state, solution, misfit.as_ref(), weights, history, steps, scale, smoothing))
}
