//! The degrees of freedom that a space does not have.
//!
//! A space grown from b has the singular values that b sees. A rule that counts degrees of freedom sees too few of them, and chooses
//! another λ in the space than in the whole problem: for the first difference of 300 points GCV of the space settles at a λ 29 % too
//! small after 105 steps, for a blurred image of 64×64 pixels weighted GCV settles at one 3.4 times too large after 149
//! (seen with examples/matrix_free.rs when this file was not there). So, once λ has settled:
//!
//! 1. What is outside is bounded: tr H less that of the space is at most ‖(I − UUᴴ)A‖²_F/d², and two probes z taken out of the space
//!    estimate the norm without bias by ‖Aᴴ(I − UUᴴ)z‖². Where that is [`NEGLIGIBLE`] beside what moves the minimum, the λ of the space
//!    is that of the problem. On smoothing operators in one dimension it is.
//! 2. Otherwise, where the space may become the whole one within the step limit, it grows on, and λ is looked at again from time to
//!    time: exact in the end.
//! 3. Otherwise the traces come from [`PROBES`] or more random probes by quadrature, as in [`probes`](crate::krylov::probes), and the residual from
//!    the space; λ has to settle again. No interval is stated: that is what `Method::Probes` is for.
//!
//! log det(I − H) of the evidence and tr RRᴴ of strong robust GCV are such traces, too: quadrature of another function on the same nodes
//! (Ubaru, Chen & Saad 2017, doi:10.1137/16M1104974). GCV's variants that were asked for by name are left as their authors have them.

use super::basis::{Process, Space};
use super::projection::End;
use super::{Choice, Ruled, at_lower_end};
use crate::error::Result;
use crate::krylov::probes::{Curves, random_signs, spread};
use crate::linalg::norm;
use crate::method::ProjectedGcv;
use crate::method::hybrid::Options;
use crate::random::Random;
use crate::rule::Rule;
use crate::scalar::{Real, Scalar};

/// The trace outside may be this part of the change of the trace with log λ: it moves the minimum of GCV by about as much in log λ.
const NEGLIGIBLE: f64 = 0.02;
/// Probes for the trace outside, to begin with and at most: doubled while Student's interval of log λ, by the jackknife, reaches further
/// than [`SPREAD`] to either side. Images need no more than the first.
const PROBES: usize = 4;
const MOST_PROBES: usize = 16;
const SPREAD: f64 = 0.1;
/// Probes for the norm outside.
const NORM_PROBES: usize = 2;
/// Lower and upper quadrature of the traces may lead to λ this far apart in its logarithm.
const AGREE: f64 = 0.002;
/// Numbers in the vectors of the whole space up to which it is worth having (512 MiB in `f64`): a choice.
const WHOLE: usize = 1 << 26;
/// λ that has settled is looked at again after this many times the steps.
const LATER: f64 = 1.25;
/// Where the generator of the probes starts.
const SEED: u64 = 1;

/// What a rule has to be told beside the space.
pub(super) struct Beyond<'a, T: Scalar> {
    /// Whether the rule counts degrees of freedom.
    matters: bool,
    /// Whether the space can become the whole one.
    small: bool,
    /// Steps before which nothing is looked at again.
    next: usize,
    dimension: usize,
    random: Random,
    probes: Vec<Process<'a, T>>,
}

/// Whether λ by the rule is that of the problem only where the degrees of freedom are all of them.
pub(crate) fn counts_dof(rule: &Rule, gcv: ProjectedGcv) -> bool {
    match rule {
        Rule::Gcv(_) | Rule::RobustGcv(_) => gcv == ProjectedGcv::Automatic,
        Rule::WeightedGcv(_) | Rule::StrongRobustGcv(_) | Rule::Aicc(_) | Rule::Bic(_) | Rule::Upre(_) => true,
        Rule::Evidence(_) | Rule::KnownNoiseEvidence(_) | Rule::EffectiveDof(_) => true,
        _ => false,
    }
}

impl<'a, T: Scalar> Beyond<'a, T> {
    pub fn new(ruled: &Ruled<'_>, options: &Options, process: &Process<'a, T>) -> Self {
        let (m, n) = process.shape();
        Self {
            matters: counts_dof(ruled.rule, options.projected_gcv()),
            // a number of steps is as good as kept
            small: !options.exact_steps() && m.min(n) <= options.limit() && (m + n).saturating_mul(m.min(n)) <= WHOLE,
            next: 0,
            dimension: ruled.rows.saturating_sub(ruled.unpenalised),
            random: Random::new(SEED),
            probes: Vec::new(),
        }
    }

    /// Whether the traces come from probes by now.
    pub fn counts(&self) -> bool {
        !self.probes.is_empty()
    }

    /// Whether a λ that has settled is that of the whole problem, as far as can be known. If not, probes may count from now on; `project`
    /// takes out of them what the change of variables has taken out of A.
    pub fn accepts(&mut self, process: &Process<'a, T>, ruled: &Ruled<'_>, choice: &Choice, project: &dyn Fn(&mut [T])) -> Result<bool> {
        if !self.matters {
            return Ok(true);
        }
        if self.counts() {
            let curves = self.curves(process, ruled)?;
            let enough = self.probes.len() >= MOST_PROBES || spread(&curves, ruled, self.probes.len())? <= SPREAD;
            if !enough {
                self.add_probes(self.probes.len(), process, project)?;
            }
            return Ok(enough);
        }
        if process.steps() < self.next {
            return Ok(false);
        }
        self.next = (LATER * process.steps() as f64).ceil() as usize;
        if !choice.weighted && self.outside(process)? <= NEGLIGIBLE * moving(process, choice.chosen.damping) * choice.chosen.damping.powi(2)
        {
            return Ok(true);
        }
        if self.small {
            return Ok(false);
        }
        self.add_probes(PROBES, process, project)?;
        Ok(false)
    }

    /// A space that has no λ because it has fewer degrees of freedom than were asked for: they are counted at once.
    pub fn count_what_is_missing(&mut self, process: &Process<'a, T>, ruled: &Ruled<'_>, project: &dyn Fn(&mut [T])) -> Result<()> {
        match matches!(ruled.rule, Rule::EffectiveDof(_)) && !self.small {
            true => self.add_probes(PROBES, process, project),
            false => Ok(()),
        }
    }

    fn add_probes(&mut self, count: usize, process: &Process<'a, T>, project: &dyn Fn(&mut [T])) -> Result<()> {
        for _ in 0..count {
            let mut z: Vec<T> = random_signs(&mut self.random, process.shape().0);
            project(&mut z);
            self.probes.push(Process::start(process.operator(), process.hidden(), &z, 0).map_err(|fault| fault.at(process.steps()))?);
        }
        Ok(())
    }

    fn curves(&self, process: &Process<'a, T>, ruled: &Ruled<'_>) -> Result<Curves> {
        Curves::new(process, &self.probes, &[], self.dimension, ruled, T::Real::EPSILON.to_f64())
    }

    /// ‖(I − UUᴴ)A‖²_F, estimated.
    fn outside(&mut self, process: &Process<'a, T>) -> Result<f64> {
        let (m, n) = process.shape();
        let a = process.operator();
        let next = process.numbers.alpha.last().copied().unwrap_or(0.0);
        let (mut image, mut sum) = (vec![T::ZERO; n], 0.0);
        for _ in 0..NORM_PROBES {
            let mut z: Vec<T> = random_signs(&mut self.random, m);
            process.left.project_out(&mut z, &Space::Range(a), None);
            a.apply_adjoint(&z, &mut image);
            let size = norm(&image);
            super::basis::finite(size, "the product Aᴴ·u").map_err(|fault| fault.at(process.steps()))?;
            sum += size.to_f64().powi(2);
        }
        Ok(sum / NORM_PROBES as f64 + next * next)
    }

    /// λ with the traces of the probes, which make the steps that they need.
    pub fn choose(&mut self, process: &Process<'a, T>, ruled: &Ruled<'_>) -> Result<Choice> {
        loop {
            let curves = self.curves(process, ruled)?;
            let chosen = curves.ask(ruled, End::Radau, End::Radau, None);
            let other = curves.ask(ruled, End::Radau, End::Gauss, None);
            let agree = match (&chosen, &other) {
                // at the lower end of what they know they agree on nothing
                (Ok(chosen), Ok(other)) => !at_lower_end(chosen) && 2.0 * (chosen.damping / other.damping).ln().abs() <= AGREE,
                _ => false,
            };
            // the newest have made the fewest
            let steps = self.probes.iter().filter(|probe| !probe.exhausted).map(Process::steps).min().unwrap_or(usize::MAX);
            // a probe's quadrature is not slower than that of b by more than what lost orthogonality costs
            let done = steps >= 2 * process.steps();
            if agree || done {
                let chosen = chosen?;
                return Ok(Choice { well_inside: agree, weighted: false, chosen });
            }
            let target = (steps + steps / 4 + 4).min(2 * process.steps());
            for probe in &mut self.probes {
                while probe.steps() < target && !probe.exhausted {
                    probe.step().map_err(|fault| fault.at(process.steps()))?;
                }
            }
        }
    }
}

/// Σφf over the directions of the space: what tr H changes with log λ.
fn moving<T: Scalar>(process: &Process<'_, T>, damping: f64) -> f64 {
    let Ok(nodes) = process.numbers.nodes(End::Radau) else { return 0.0 };
    nodes
        .values
        .iter()
        .map(|&value| {
            let (phi, f) = crate::curve::filter(value, damping);
            phi * f
        })
        .sum()
}
