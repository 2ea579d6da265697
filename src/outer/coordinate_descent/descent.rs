//! One λ: the working set, the passes over it, the two accelerations, the gap. [`coordinate_descent`](super) says what they are for.

use super::{Separable, State, bounded};
use crate::linalg::{self, Kernels, Mat, Op, Threads};
use crate::outer::design::Residual;

/// Iterates that an extrapolation combines. The number of the paper.
const EXTRAPOLATED: usize = 5;
/// Passes over the support between two passes over the whole working set. A guess.
const SUPPORT_PASSES: usize = 10;
/// Blocks of the first working set of a problem that starts at zero. That of the paper.
const FIRST_SET: usize = 100;
/// Support beyond which its Gram matrix is not formed: 128 MB. A choice.
const LARGEST_SUPPORT: usize = 4000;

/// One λ.
pub(super) struct Descent<'p, 'd, 'a> {
    pub(super) problem: &'p Separable<'d, 'a>,
    pub(super) lambda: f64,
    pub(super) alpha: Vec<f64>,
    /// Blocks that may be different from zero.
    pub(super) alive: Vec<usize>,
    /// Āᵀr − γz, or Āᵀr where α is 0.
    pub(super) u: Vec<f64>,
    pub(super) passes: usize,
    /// The gap of the dual point that the screening uses.
    pub(super) screened_by: f64,
    /// What that dual point is, as a multiple of the residual.
    pub(super) scale: f64,
    /// What rounding leaves of a gap.
    pub(super) rounding: f64,
}

impl Descent<'_, '_, '_> {
    pub(super) fn gamma(&self, j: usize) -> f64 {
        self.lambda * self.problem.l2[j]
    }

    /// P(z), for a residual that is settled or not, where only these blocks are not zero.
    fn objective(&self, blocks: &[usize], z: &[f64], residual: &Residual) -> f64 {
        let mut sum = 0.5 * (square(&residual.s) - square(&residual.t));
        for &g in blocks {
            sum += self.alpha[g] * self.problem.norm_of(g, z);
            sum += 0.5 * self.problem.members(g).iter().map(|&j| self.gamma(j) * z[j] * z[j]).sum::<f64>();
        }
        sum
    }

    /// The gap over all blocks alive, from a residual that is settled; the gradient is made afresh.
    pub(super) fn certify(&mut self, state: &mut State) -> f64 {
        let problem = self.problem;
        // the product with all of Āᵀ runs on all threads, and is the faster one unless few are left
        if 2 * self.alive.len() > problem.blocks() {
            problem.design.gradient(&state.residual, None, &mut state.gradient);
        } else {
            let columns: Vec<usize> = self.alive.iter().flat_map(|&g| problem.members(g).iter().copied()).collect();
            problem.design.gradient(&state.residual, Some(&columns), &mut state.gradient);
        }
        let alive = core::mem::take(&mut self.alive);
        let gap = self.gap(&alive, state);
        self.alive = alive;
        gap
    }

    /// The gap as these blocks see it.
    fn gap(&mut self, blocks: &[usize], state: &State) -> f64 {
        let problem = self.problem;
        if let Some(limits) = &problem.limits {
            return self.gap_within(limits, blocks, state);
        }
        let mut scale = 1.0f64;
        for &g in blocks {
            let bounded = self.alpha[g] > 0.0;
            for &j in problem.members(g) {
                self.u[j] = state.gradient[j] - if bounded { self.gamma(j) * state.z[j] } else { 0.0 };
            }
            if bounded {
                let norm = problem.norm_of(g, &self.u);
                if norm * scale > self.alpha[g] {
                    scale = self.alpha[g] / norm;
                }
            }
        }
        let mut outside = square(&state.residual.s);
        let mut sum = 0.0;
        for &g in blocks {
            let members = problem.members(g);
            if self.alpha[g] > 0.0 {
                let inner: f64 = members.iter().map(|&j| state.z[j] * self.u[j]).sum();
                let norm = problem.norm_of(g, &state.z);
                if norm > 0.0 {
                    sum += (self.alpha[g] * norm - scale * inner).max(0.0);
                    outside += members.iter().map(|&j| self.gamma(j) * state.z[j] * state.z[j]).sum::<f64>();
                }
            } else {
                for &j in members {
                    let off = scale * self.u[j] - self.gamma(j) * state.z[j];
                    sum += off * off / (2.0 * self.gamma(j));
                }
            }
        }
        self.scale = scale;
        self.screened_by = 0.5 * (1.0 - scale) * (1.0 - scale) * outside + sum;
        self.screened_by.min(self.gap_by_conjugates(blocks, state).unwrap_or(f64::INFINITY))
    }

    /// The gap for the dual point s·r that leaves coordinates with γ > 0 out of its constraints: with α|z| + ½γz² their conjugate
    /// (|u| − α)₊²/2γ is finite everywhere. The better one where α is small beside the gradient's rounding, as for a small ρ.
    fn gap_by_conjugates(&self, blocks: &[usize], state: &State) -> Option<f64> {
        let problem = self.problem;
        if !problem.single || blocks.iter().all(|&g| problem.l2[problem.members(g)[0]] == 0.0) {
            return None;
        }
        let parts = |g: usize| {
            let j = problem.members(g)[0];
            (self.alpha[g], self.gamma(j), state.z[j], state.gradient[j])
        };
        let mut scale = 1.0f64;
        for (alpha, _, _, u) in blocks.iter().map(|&g| parts(g)).filter(|part| part.1 == 0.0) {
            if u.abs() * scale > alpha {
                scale = alpha / u.abs();
            }
        }
        let mut sum = 0.5 * (1.0 - scale) * (1.0 - scale) * square(&state.residual.s);
        for (alpha, gamma, z, u) in blocks.iter().map(|&g| parts(g)) {
            let u = scale * u;
            sum += if gamma == 0.0 {
                (alpha * z.abs() - z * u).max(0.0)
            } else if u.abs() > alpha {
                let t = u - alpha * u.signum();
                (gamma * z - t) * (gamma * z - t) / (2.0 * gamma) + alpha * (z.abs() - z * u.signum())
            } else {
                0.5 * gamma * z * z + (alpha * z.abs() - z * u).max(0.0)
            };
        }
        Some(sum)
    }

    /// Leaves out what is zero in every minimiser.
    pub(super) fn screen(&mut self, state: &mut State) {
        let problem = self.problem;
        // the rounding of the gap must not screen what is needed
        let radius = (2.0 * (self.screened_by + self.rounding)).sqrt();
        let mut alive = core::mem::take(&mut self.alive);
        alive.retain(|&g| {
            let members = problem.members(g);
            let gamma = members.iter().map(|&j| self.gamma(j)).fold(0.0, f64::max);
            let size = (problem.lipschitz[g] + gamma).sqrt();
            self.alpha[g] == 0.0 || self.scale * self.pull(g) + radius * size >= self.alpha[g]
        });
        self.alive = alive;
        let mut kept = vec![false; problem.blocks()];
        self.alive.iter().for_each(|&g| kept[g] = true);
        for g in (0..problem.blocks()).filter(|&g| !kept[g]) {
            for &j in problem.members(g) {
                if state.z[j] != 0.0 {
                    problem.design.subtract(&mut state.residual, -state.z[j], j);
                    state.z[j] = 0.0;
                }
            }
        }
    }

    /// ‖u_g‖, which makes a block leave zero where it exceeds α; between bounds only as far as the block can go there.
    fn pull(&self, g: usize) -> f64 {
        match &self.problem.limits {
            None => self.problem.norm_of(g, &self.u),
            Some(limits) => {
                let j = self.problem.members(g)[0];
                bounded::pull(limits.low[j], limits.high[j], self.u[j])
            }
        }
    }

    /// The blocks that are not zero and as many of those nearest to leaving it.
    pub(super) fn choose_set(&self, state: &State, before: &[usize]) -> Vec<usize> {
        let problem = self.problem;
        let mut inside = vec![false; problem.blocks()];
        before.iter().for_each(|&g| inside[g] = true);
        let mut support = 0;
        let mut candidates: Vec<(f64, usize)> = Vec::with_capacity(self.alive.len());
        for &g in &self.alive {
            let zero = problem.members(g).iter().all(|&j| state.z[j] == 0.0);
            support += usize::from(!zero);
            let distance = match !zero || self.alpha[g] == 0.0 {
                true => f64::NEG_INFINITY,
                false => (self.alpha[g] - self.pull(g)) / problem.lipschitz[g].sqrt().max(f64::MIN_POSITIVE),
            };
            // what was in stays in, so that sets grow and the descent ends; unless it is far away now
            let distance = if inside[g] && distance < 0.0 { f64::NEG_INFINITY } else { distance };
            candidates.push((distance, g));
        }
        let violators = candidates.iter().filter(|(distance, _)| *distance < 0.0).count();
        let wanted = (2 * support).max(FIRST_SET).max(support + violators.min(FIRST_SET.max(support))).min(candidates.len());
        if wanted < candidates.len() {
            candidates.select_nth_unstable_by(wanted, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            candidates.truncate(wanted);
        }
        let mut set: Vec<usize> = candidates.into_iter().map(|(_, g)| g).collect();
        set.sort_unstable();
        set
    }

    /// Coordinate descent on the set until its own gap is within the target.
    pub(super) fn on_set(&mut self, set: &[usize], state: &mut State, target: f64, max_passes: usize) {
        let columns: Vec<usize> = set.iter().flat_map(|&g| self.problem.members(g).iter().copied()).collect();
        let mut history: Vec<Iterate> = Vec::new();
        let mut support_before: Vec<usize> = Vec::new();
        let limit = self.passes + 2000;
        while self.passes < max_passes.min(limit) {
            self.pass(set, state);
            let support: Vec<usize> = set.iter().copied().filter(|&g| self.problem.members(g).iter().any(|&j| state.z[j] != 0.0)).collect();
            history.clear();
            for k in 0..SUPPORT_PASSES {
                let largest = self.pass(&support, state);
                if largest == 0.0 {
                    break;
                }
                if k + EXTRAPOLATED >= SUPPORT_PASSES {
                    history.push(Iterate::of(&support, self.problem, state));
                }
            }
            self.extrapolate(&support, state, &history);
            if support == support_before {
                self.step_on_support(state);
            }
            support_before = support;
            self.problem.design.settle(&mut state.residual);
            self.problem.design.gradient(&state.residual, Some(&columns), &mut state.gradient);
            let gap = self.gap(set, state);
            if gap <= target || gap <= self.rounding * 1e-3 {
                return;
            }
        }
    }

    /// Minimises over each of these blocks in turn; returns the largest ‖A_g‖‖δ_g‖.
    fn pass(&mut self, blocks: &[usize], state: &mut State) -> f64 {
        self.passes += 1;
        let problem = self.problem;
        let design = problem.design;
        let within = |j: usize, z: f64| problem.limits.as_ref().map_or(z, |limits| limits.clamp(j, z));
        let mut largest = 0.0f64;
        let State { z, residual, .. } = state;
        linalg::vectorized(
            #[inline(always)]
            || {
                for &g in blocks {
                    let square = problem.lipschitz[g];
                    let alpha = self.alpha[g];
                    if let [j] = *problem.members(g) {
                        let gamma = self.lambda * problem.l2[j];
                        if square + gamma == 0.0 {
                            z[j] = within(j, 0.0);
                            continue;
                        }
                        let old = z[j];
                        let along = design.along(residual, j) + square * old;
                        let new = if along > alpha {
                            (along - alpha) / (square + gamma)
                        } else if along < -alpha {
                            (along + alpha) / (square + gamma)
                        } else {
                            0.0
                        };
                        let new = within(j, new);
                        if new != old {
                            design.subtract(residual, new - old, j);
                            z[j] = new;
                            largest = largest.max((new - old).abs() * square.sqrt());
                        }
                        continue;
                    }
                    largest = largest.max(self.step_of_block(g, z, residual));
                }
            },
        );
        largest
    }

    /// A step of a block with several members: the minimiser of a quadratic above P.
    #[inline(always)]
    fn step_of_block(&self, g: usize, z: &mut [f64], residual: &mut Residual) -> f64 {
        let problem = self.problem;
        let members = problem.members(g);
        let gamma = members.iter().map(|&j| self.gamma(j)).fold(0.0, f64::max);
        let curvature = problem.lipschitz[g] + gamma;
        if curvature == 0.0 {
            members.iter().for_each(|&j| z[j] = 0.0);
            return 0.0;
        }
        let mut target: Vec<f64> =
            members.iter().map(|&j| curvature * z[j] + problem.design.along(residual, j) - self.gamma(j) * z[j]).collect();
        let norm = target.iter().map(|v| v * v).sum::<f64>().sqrt();
        let factor = if norm > self.alpha[g] { (1.0 - self.alpha[g] / norm) / curvature } else { 0.0 };
        target.iter_mut().for_each(|v| *v *= factor);
        let mut moved = 0.0;
        for (&j, &new) in members.iter().zip(&target) {
            let delta = new - z[j];
            if delta != 0.0 {
                problem.design.subtract(residual, delta, j);
                z[j] = new;
                moved += delta * delta;
            }
        }
        (moved * problem.lipschitz[g]).sqrt()
    }

    /// Anderson's extrapolation of the last iterates, kept where P falls.
    fn extrapolate(&self, support: &[usize], state: &mut State, history: &[Iterate]) {
        if history.len() < EXTRAPOLATED {
            return;
        }
        let count = history.len() - 1;
        let differences: Vec<Vec<f64>> =
            history.windows(2).map(|pair| pair[1].z.iter().zip(&pair[0].z).map(|(new, old)| new - old).collect()).collect();
        let mut gram = linalg::zeros(count, count);
        for k in 0..count {
            for l in 0..=k {
                gram[(k, l)] = linalg::dot(&differences[k], &differences[l]);
            }
        }
        let trace: f64 = (0..count).map(|k| gram[(k, k)]).sum();
        if trace == 0.0 {
            return;
        }
        // the differences are nearly dependent when there is something to gain: a little regularization, as in the paper
        (0..count).for_each(|k| gram[(k, k)] += 1e-12 * trace);
        if f64::cholesky(gram.as_mut(), Threads::ONE).is_err() {
            return;
        }
        let mut weights = Mat::from_fn(count, 1, |_, _| 1.0);
        f64::solve_lower(gram.as_ref(), Op::None, weights.as_mut(), Threads::ONE);
        f64::solve_lower(gram.as_ref(), Op::Adjoint, weights.as_mut(), Threads::ONE);
        let sum: f64 = (0..count).map(|k| weights[(k, 0)]).sum();
        if !(sum.abs() > 0.0 && sum.is_finite()) {
            return;
        }
        let combine = |part: fn(&Iterate) -> &[f64], out: &mut [f64]| {
            out.fill(0.0);
            for k in 0..count {
                linalg::add_scaled(out, weights[(k, 0)] / sum, part(&history[k + 1]));
            }
        };
        let mut candidate = Iterate::of(support, self.problem, state);
        combine(|iterate| &iterate.z, &mut candidate.z);
        if let Some(limits) = &self.problem.limits
            && !bounded::stay_within(limits, support, self.problem, history, &mut candidate.z)
        {
            return;
        }
        combine(|iterate| &iterate.residual.s, &mut candidate.residual.s);
        combine(|iterate| &iterate.residual.t, &mut candidate.residual.t);
        let before = self.objective(support, &state.z, &state.residual);
        let previous = Iterate::of(support, self.problem, state);
        candidate.put(support, self.problem, state);
        // NaN is no progress
        if !(self.objective(support, &state.z, &state.residual) < before) {
            previous.put(support, self.problem, state);
        }
    }

    /// Towards the minimiser on the support with its signs, up to the first sign that would change; whether there was such a step.
    pub(super) fn step_on_support(&self, state: &mut State) -> bool {
        let problem = self.problem;
        if !problem.single {
            return false;
        }
        let mut support = problem.support(&state.z);
        if support.is_empty() || support.len() > LARGEST_SUPPORT {
            return false;
        }
        let mut gram = problem.design.gram(&support);
        let mut rest = linalg::zeros(support.len(), 1);
        // a few sign changes one after another; each drops a coordinate and its row
        for _ in 0..8 {
            let count = support.len();
            if count == 0 {
                return true;
            }
            problem.design.settle(&mut state.residual);
            let mut factor = gram.clone();
            for (k, &j) in support.iter().enumerate() {
                factor[(k, k)] += self.gamma(j);
                let g = problem.owner[j];
                let along = problem.design.along(&state.residual, j);
                rest[(k, 0)] = along - self.gamma(j) * state.z[j] - self.alpha[g] * state.z[j].signum();
            }
            if f64::cholesky(factor.as_mut(), problem.design.threads).is_err() {
                return false;
            }
            f64::solve_lower(factor.as_ref(), Op::None, rest.as_mut(), problem.design.threads);
            f64::solve_lower(factor.as_ref(), Op::Adjoint, rest.as_mut(), problem.design.threads);
            let mut length = 1.0;
            let mut crossing = None;
            for (k, &j) in support.iter().enumerate() {
                let (z, step) = (state.z[j], rest[(k, 0)]);
                if !step.is_finite() {
                    return false;
                }
                if let Some((end, fraction)) = self.crossing(j, z, step)
                    && fraction < length
                {
                    length = fraction;
                    crossing = Some((k, end));
                }
            }
            let blocks: Vec<usize> = support.iter().map(|&j| problem.owner[j]).collect();
            let before = self.objective(&blocks, &state.z, &state.residual);
            let kept = Iterate::of(&blocks, problem, state);
            for (k, &j) in support.iter().enumerate() {
                let target = match crossing {
                    Some((crossed, end)) if crossed == k => end,
                    // a second end reached at the same length is not passed by its rounding
                    _ => self.within_ends(j, state.z[j], state.z[j] + length * rest[(k, 0)]),
                };
                let delta = target - state.z[j];
                if delta != 0.0 {
                    problem.design.subtract(&mut state.residual, delta, j);
                    state.z[j] = target;
                }
            }
            let after = self.objective(&blocks, &state.z, &state.residual);
            // on a support of dependent columns the step may lead anywhere
            if !(after <= before + self.rounding.max(4.0 * f64::EPSILON * before)) {
                kept.put(&blocks, problem, state);
                return false;
            }
            let Some((dropped, _)) = crossing else { return true };
            support.remove(dropped);
            let old = gram;
            let from = |k: usize| if k < dropped { k } else { k + 1 };
            gram = Mat::from_fn(count - 1, count - 1, |k, l| old[(from(k), from(l))]);
            rest = linalg::zeros(count - 1, 1);
        }
        true
    }
}

/// The coefficients of some blocks, and the residual.
pub(super) struct Iterate {
    pub(super) z: Vec<f64>,
    residual: Residual,
}

impl Iterate {
    fn of(blocks: &[usize], problem: &Separable<'_, '_>, state: &State) -> Self {
        let z = blocks.iter().flat_map(|&g| problem.members(g)).map(|&j| state.z[j]).collect();
        Self { z, residual: state.residual.clone() }
    }

    fn put(self, blocks: &[usize], problem: &Separable<'_, '_>, state: &mut State) {
        for (&j, z) in blocks.iter().flat_map(|&g| problem.members(g)).zip(self.z) {
            state.z[j] = z;
        }
        state.residual = self.residual;
    }
}

fn square(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum()
}
