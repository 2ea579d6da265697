//! The exact minimiser of a penalty that separates into coordinates or groups of them:
//!
//! ```text
//! minimise   P(z) = ½‖b̄ − Āz‖² + Σ α_g‖z_g‖ + ½ Σ γⱼzⱼ²        α_g = λ·l1_g/2,  γⱼ = λ·l2ⱼ
//! ```
//! Half of RSS + λR for the lasso and its weighted form (groups of one), the elastic net (γ), the group lasso, complex unknowns
//! (groups of two). For a penalty of Lz with an L that does not separate see [`admm`](super::admm).
//!
//! **Method.** Blocks are minimised in turn: exactly where they have one member, by a step of length 1/‖A_g‖² otherwise. Only a
//! working set takes part, the blocks nearest to leaving zero (Massias, Gramfort, Salmon 2018); most passes visit only the ones that are not zero.
//! Every few passes two accelerations are tried and kept where P falls: a step to the minimiser on the support with the signs as
//! they are, up to the first sign that would change (for groups of one; from there on it is Newton's method on a quadratic, and ends with
//! all digits), and Anderson extrapolation of the last iterates (Bertrand, Massias 2021).
//!
//! **What is certified.** With u = Āᵀr − γz (a coordinate with α = 0 keeps Āᵀr) and s ≤ 1 the largest factor with ‖s·u_g‖ ≤ α_g, s·r is feasible for
//! the dual problem and P(z) exceeds the minimum by at most
//! ```text
//! gap = ½(1 − s)²(‖r‖² + Σγz²) + Σ (α_g‖z_g‖ − s·z_g·u_g) + Σ_{α=0} (sĀᵀr − γz)²/2γ
//! ```
//! a sum of terms none of which is negative, so that nothing cancels. A block with ‖s·u_g‖ + √(2·gap)·√(‖A_g‖² + γ) < α_g is zero in
//! every minimiser and is left out (gap-safe screening, Ndiaye, Fercoq, Gramfort, Salmon 2017).
//!
//! **Cost.** A pass over the working set: 4m flops a column that moves, 2m one that does not; a full gradient 2mn for each working set (usually
//! two or three); a step on the support of p columns mp² + p³/3. Vectors: 3 of length n, 7 of length m.
//!
//! Massias, Gramfort, Salmon 2018, "Celer: a fast solver for the lasso with dual extrapolation", ICML, arXiv:1802.07481.
//! Bertrand, Massias 2021, "Anderson acceleration of coordinate descent", AISTATS, arXiv:2011.10065.
//! Ndiaye, Fercoq, Gramfort, Salmon 2017, "Gap safe screening rules for sparsity enforcing penalties", JMLR 18(128), arXiv:1611.05780.

use super::design::{Design, Residual};
use super::path::{Fits, Reached, Settings, Verdict};
use crate::error::Result;
use crate::linalg::{self, Kernels, Mat, Op};

/// The name of errors.
const METHOD: &str = "coordinate descent";
/// Iterates that an extrapolation combines. The number of the paper.
const EXTRAPOLATED: usize = 5;
/// Passes over the support between two passes over the whole working set. A guess.
const SUPPORT_PASSES: usize = 10;
/// Blocks of the first working set of a problem that starts at zero. That of the paper.
const FIRST_SET: usize = 100;
/// Support beyond which its Gram matrix is not formed: 128 MB. A choice.
const LARGEST_SUPPORT: usize = 4000;

/// The problem without λ.
pub(crate) struct Separable<'d, 'a> {
    pub design: &'d Design<'a>,
    /// Where the members of block g begin in `members`.
    starts: Vec<usize>,
    members: Vec<usize>,
    /// The block of each column.
    owner: Vec<usize>,
    /// α_g = λ/2 times this.
    l1: Vec<f64>,
    /// γⱼ = λ times this.
    l2: Vec<f64>,
    /// ‖A_g‖² or a bound of it.
    lipschitz: Vec<f64>,
    /// Whether every block has one member.
    single: bool,
}

/// Where the descent stands; kept from one λ to the next.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub z: Vec<f64>,
    residual: Residual,
    /// Āᵀr, up to date where no block is screened.
    gradient: Vec<f64>,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopping {
    /// The gap asked for.
    pub gap: f64,
    pub max_passes: usize,
    /// Whether the last step is one on the support, for all digits of z.
    pub finish: bool,
}

impl<'d, 'a> Separable<'d, 'a> {
    /// Blocks of members; `l1` has one weight for each block, `l2` one for each column.
    pub fn new(design: &'d Design<'a>, blocks: Option<Vec<Vec<usize>>>, l1: Vec<f64>, l2: Vec<f64>) -> Self {
        let single = blocks.as_ref().is_none_or(|blocks| blocks.iter().all(|block| block.len() == 1));
        let (mut starts, mut members) = (vec![0], Vec::with_capacity(design.columns));
        match blocks {
            None => {
                members.extend(0..design.columns);
                starts.extend(1..=design.columns);
            }
            Some(blocks) => {
                for block in blocks {
                    members.extend(block);
                    starts.push(members.len());
                }
            }
        }
        let mut owner = vec![0; design.columns];
        for g in 0..starts.len() - 1 {
            members[starts[g]..starts[g + 1]].iter().for_each(|&j| owner[j] = g);
        }
        let mut problem = Self { design, starts, members, owner, l1, l2, lipschitz: Vec::new(), single };
        problem.lipschitz = (0..problem.blocks()).map(|g| problem.square(g)).collect();
        problem
    }

    pub fn blocks(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn members(&self, g: usize) -> &[usize] {
        &self.members[self.starts[g]..self.starts[g + 1]]
    }

    /// ‖A_g‖²: of the one column, or the largest eigenvalue of the block's Gram matrix.
    fn square(&self, g: usize) -> f64 {
        let members = self.members(g);
        let trace = members.iter().map(|&j| self.design.squares[j]).sum::<f64>();
        if members.len() < 2 {
            return trace;
        }
        let gram = self.design.gram(members);
        let count = members.len();
        let (mut values, mut vectors) = (vec![0.0; count], linalg::zeros(count, count));
        match f64::self_adjoint_eigen(gram.as_ref(), &mut values, vectors.as_mut(), self.design.threads) {
            // a little more than the eigenvalue, whose rounding must not make a step too long
            Ok(()) => values[count - 1].max(0.0) * (1.0 + 1e-12),
            Err(_) => trace,
        }
    }

    /// Nothing penalised by ℓ1 is in: z = 0.
    pub fn start(&self, b: &[f64]) -> State {
        let z = vec![0.0; self.design.columns];
        let residual = self.design.residual(b, &z);
        let mut gradient = vec![0.0; self.design.columns];
        self.design.gradient(&residual, None, &mut gradient);
        State { z, residual, gradient }
    }

    /// The least λ for which every ℓ1-penalised block is zero, where there is no coordinate that is penalised by its square alone.
    pub fn lambda_max(&self, b: &[f64]) -> f64 {
        let gradient = self.start(b).gradient;
        (0..self.blocks()).filter(|&g| self.l1[g] > 0.0).map(|g| 2.0 * self.norm_of(g, &gradient) / self.l1[g]).fold(0.0, f64::max)
    }

    /// ‖v_g‖.
    fn norm_of(&self, g: usize, v: &[f64]) -> f64 {
        match self.members(g) {
            [j] => v[*j].abs(),
            members => members.iter().map(|&j| v[j] * v[j]).sum::<f64>().sqrt(),
        }
    }

    /// R(z) = Σ l1_g‖z_g‖ + Σ l2ⱼzⱼ².
    pub fn penalty(&self, z: &[f64]) -> f64 {
        let norms: f64 = (0..self.blocks()).map(|g| self.l1[g] * self.norm_of(g, z)).sum();
        norms + z.iter().zip(&self.l2).map(|(z, l2)| l2 * z * z).sum::<f64>()
    }

    /// How many coordinates are not zero.
    pub fn support(&self, z: &[f64]) -> Vec<usize> {
        (0..z.len()).filter(|&j| z[j] != 0.0).collect()
    }

    /// tr H on the support, beside the free columns: |S|, or with γ the trace of Ā_S(Ā_SᵀĀ_S + Γ)⁻¹Ā_Sᵀ. `None` for groups.
    pub fn dof(&self, z: &[f64], lambda: f64) -> Option<f64> {
        if !self.single {
            return None;
        }
        let support = self.support(z);
        let free = self.design.free_count() as f64;
        if support.iter().all(|&j| self.l2[j] == 0.0) {
            return Some(support.len() as f64 + free);
        }
        let mut gram = self.design.gram(&support);
        let mut filtered = gram.clone();
        for (k, &j) in support.iter().enumerate() {
            gram[(k, k)] += lambda * self.l2[j];
            for l in k + 1..support.len() {
                filtered[(k, l)] = filtered[(l, k)];
            }
        }
        f64::cholesky(gram.as_mut(), self.design.threads).ok()?;
        f64::solve_lower(gram.as_ref(), Op::None, filtered.as_mut(), self.design.threads);
        f64::solve_lower(gram.as_ref(), Op::Adjoint, filtered.as_mut(), self.design.threads);
        Some((0..support.len()).map(|k| filtered[(k, k)]).sum::<f64>() + free)
    }

    /// Descends from where the state is to a gap within what is asked.
    pub fn descend(&self, b: &[f64], lambda: f64, state: &mut State, stopping: Stopping) -> Reached {
        let threshold: Vec<f64> = self.l1.iter().map(|l1| 0.5 * lambda * l1).collect();
        let mut descent = Descent {
            problem: self,
            lambda,
            alpha: threshold,
            alive: (0..self.blocks()).collect(),
            u: vec![0.0; self.design.columns],
            passes: 0,
            rounding: 0.0,
        };
        let data = linalg::norm(b);
        let mut set: Vec<usize> = Vec::new();
        let (mut best, mut without_progress, mut finished) = (f64::INFINITY, 0, false);
        loop {
            state.residual = self.design.residual(b, &state.z);
            let gap = descent.certify(state);
            let reached = |verdict, passes| Reached { gap, passes, verdict };
            let moved: f64 = state.z.iter().zip(&self.design.squares).map(|(z, square)| z.abs() * square.sqrt()).sum();
            descent.rounding = 64.0 * f64::EPSILON * data * (data + moved);
            if gap <= stopping.gap {
                // one step on the support gives the digits that a gap of the square root's accuracy leaves open
                if !stopping.finish || finished || gap <= 1e-3 * f64::EPSILON * data * data || !descent.step_on_support(state) {
                    return reached(Verdict::Tolerance, descent.passes);
                }
                finished = true;
                continue;
            }
            without_progress = if gap < 0.5 * best { 0 } else { without_progress + 1 };
            best = best.min(gap);
            if without_progress >= 4 && gap <= descent.rounding {
                return reached(Verdict::Rounding, descent.passes);
            }
            if without_progress >= 50 {
                return reached(Verdict::Stalled, descent.passes);
            }
            if descent.passes >= stopping.max_passes {
                return reached(Verdict::Limit, descent.passes);
            }
            finished = false;
            descent.screen(state, gap);
            set = descent.choose_set(state, &set);
            let target = (0.1 * gap).max(0.3 * stopping.gap);
            descent.on_set(&set, state, target, stopping.max_passes);
        }
    }
}

/// One λ.
struct Descent<'p, 'd, 'a> {
    problem: &'p Separable<'d, 'a>,
    lambda: f64,
    alpha: Vec<f64>,
    /// Blocks that may be different from zero.
    alive: Vec<usize>,
    /// Āᵀr − γz, or Āᵀr where α is 0.
    u: Vec<f64>,
    passes: usize,
    /// What rounding leaves of a gap.
    rounding: f64,
}

impl Descent<'_, '_, '_> {
    fn gamma(&self, j: usize) -> f64 {
        self.lambda * self.problem.l2[j]
    }

    /// P(z), for a residual that is settled or not.
    fn objective(&self, state: &State) -> f64 {
        let r = square(&state.residual.s) - square(&state.residual.t);
        let mut sum = 0.5 * r;
        for g in 0..self.problem.blocks() {
            sum += self.alpha[g] * self.problem.norm_of(g, &state.z);
        }
        sum + 0.5 * (0..state.z.len()).filter(|&j| state.z[j] != 0.0).map(|j| self.gamma(j) * state.z[j] * state.z[j]).sum::<f64>()
    }

    /// The gap over all blocks alive, from a residual that is settled; the gradient is made afresh.
    fn certify(&mut self, state: &mut State) -> f64 {
        let problem = self.problem;
        if self.alive.len() == problem.blocks() {
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
        0.5 * (1.0 - scale) * (1.0 - scale) * outside + sum
    }

    /// Leaves out what is zero in every minimiser.
    fn screen(&mut self, state: &mut State, gap: f64) {
        let problem = self.problem;
        let scale = self.alive.iter().filter(|&&g| self.alpha[g] > 0.0).fold(1.0f64, |scale, &g| {
            let norm = problem.norm_of(g, &self.u);
            if norm * scale > self.alpha[g] { self.alpha[g] / norm } else { scale }
        });
        // the rounding of the gap must not screen what is needed
        let radius = (2.0 * (gap + self.rounding)).sqrt();
        let mut alive = core::mem::take(&mut self.alive);
        alive.retain(|&g| {
            let members = problem.members(g);
            let gamma = members.iter().map(|&j| self.gamma(j)).fold(0.0, f64::max);
            let size = (problem.lipschitz[g] + gamma).sqrt();
            self.alpha[g] == 0.0 || scale * problem.norm_of(g, &self.u) + radius * size >= self.alpha[g]
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

    /// The blocks that are not zero and as many of those nearest to leaving it.
    fn choose_set(&self, state: &State, before: &[usize]) -> Vec<usize> {
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
                false => (self.alpha[g] - problem.norm_of(g, &self.u)) / problem.lipschitz[g].sqrt().max(f64::MIN_POSITIVE),
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
    fn on_set(&mut self, set: &[usize], state: &mut State, target: f64, max_passes: usize) {
        let columns: Vec<usize> = set.iter().flat_map(|&g| self.problem.members(g).iter().copied()).collect();
        let mut history: Vec<State> = Vec::new();
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
                    history.push(state.clone_light());
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
                            z[j] = 0.0;
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
    fn extrapolate(&self, support: &[usize], state: &mut State, history: &[State]) {
        if history.len() < EXTRAPOLATED {
            return;
        }
        let columns: Vec<usize> = support.iter().flat_map(|&g| self.problem.members(g).iter().copied()).collect();
        let count = history.len() - 1;
        let difference = |k: usize, j: usize| history[k + 1].z[j] - history[k].z[j];
        let mut gram = linalg::zeros(count, count);
        for k in 0..count {
            for l in 0..=k {
                gram[(k, l)] = columns.iter().map(|&j| difference(k, j) * difference(l, j)).sum();
            }
        }
        let trace: f64 = (0..count).map(|k| gram[(k, k)]).sum();
        if trace == 0.0 {
            return;
        }
        // the differences are nearly dependent when there is something to gain: a little regularization, as in the paper
        (0..count).for_each(|k| gram[(k, k)] += 1e-12 * trace);
        if f64::cholesky(gram.as_mut(), crate::linalg::Threads::ONE).is_err() {
            return;
        }
        let mut weights = Mat::from_fn(count, 1, |_, _| 1.0);
        f64::solve_lower(gram.as_ref(), Op::None, weights.as_mut(), crate::linalg::Threads::ONE);
        f64::solve_lower(gram.as_ref(), Op::Adjoint, weights.as_mut(), crate::linalg::Threads::ONE);
        let sum: f64 = (0..count).map(|k| weights[(k, 0)]).sum();
        if !(sum.abs() > 0.0 && sum.is_finite()) {
            return;
        }
        let weight = |k: usize| weights[(k, 0)] / sum;
        let mut candidate = state.clone_light();
        for &j in &columns {
            candidate.z[j] = (0..count).map(|k| weight(k) * history[k + 1].z[j]).sum();
        }
        let combine = |part: fn(&State) -> &[f64], out: &mut [f64]| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = (0..count).map(|k| weight(k) * part(&history[k + 1])[i]).sum();
            }
        };
        combine(|state| &state.residual.s, &mut candidate.residual.s);
        combine(|state| &state.residual.t, &mut candidate.residual.t);
        if candidate.z.iter().all(|v| v.is_finite()) && self.objective(&candidate) < self.objective(state) {
            (state.z, state.residual) = (candidate.z, candidate.residual);
        }
    }

    /// Towards the minimiser on the support with its signs, up to the first sign that would change; whether there was such a step.
    fn step_on_support(&self, state: &mut State) -> bool {
        let problem = self.problem;
        if !problem.single {
            return false;
        }
        let mut support: Vec<usize> = problem.support(&state.z);
        if support.is_empty() || support.len() > LARGEST_SUPPORT.min(problem.design.rows + problem.blocks()) {
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
                let free = self.alpha[problem.owner[j]] == 0.0;
                if !free && (z + step) * z <= 0.0 && -z / step < length {
                    length = -z / step;
                    crossing = Some(k);
                }
            }
            let before = self.objective(state);
            let kept = state.clone_light();
            for (k, &j) in support.iter().enumerate() {
                let target = if crossing == Some(k) { 0.0 } else { state.z[j] + length * rest[(k, 0)] };
                let delta = target - state.z[j];
                if delta != 0.0 {
                    problem.design.subtract(&mut state.residual, delta, j);
                    state.z[j] = target;
                }
            }
            let after = self.objective(state);
            // on a support of dependent columns the step may lead anywhere
            if !(after <= before + self.rounding.max(4.0 * f64::EPSILON * before)) {
                (state.z, state.residual) = (kept.z, kept.residual);
                return false;
            }
            let Some(dropped) = crossing else { return true };
            support.remove(dropped);
            let old = gram;
            let from = |k: usize| if k < dropped { k } else { k + 1 };
            gram = Mat::from_fn(count - 1, count - 1, |k, l| old[(from(k), from(l))]);
            rest = linalg::zeros(count - 1, 1);
        }
        true
    }
}

impl State {
    /// z and the residual alone.
    fn clone_light(&self) -> Self {
        Self { z: self.z.clone(), residual: self.residual.clone(), gradient: Vec::new() }
    }
}

fn square(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum()
}

/// The fits of one right-hand side along λ.
pub(crate) struct Descents<'p, 'd, 'a> {
    pub problem: &'p Separable<'d, 'a>,
    /// b̄.
    pub b: Vec<f64>,
    state: State,
    lambda: f64,
    settings: Settings,
    /// What was not reached, where that was accepted: the gap and the one asked for.
    partial: Option<(f64, f64)>,
}

impl<'p, 'd, 'a> Descents<'p, 'd, 'a> {
    pub fn new(problem: &'p Separable<'d, 'a>, b: Vec<f64>, settings: Settings) -> Self {
        let state = problem.start(&b);
        Self { problem, b, state, lambda: f64::INFINITY, settings, partial: None }
    }
}

impl Fits for Descents<'_, '_, '_> {
    fn lambda_max(&self) -> Result<f64> {
        Ok(self.problem.lambda_max(&self.b))
    }

    fn fit(&mut self, lambda: f64, finish: bool) -> Result<Reached> {
        let data = linalg::norm(&self.b);
        let gap = 0.5 * self.settings.tolerance * data * data;
        let stopping = Stopping { gap, max_passes: self.settings.max_steps, finish };
        let reached = self.problem.descend(&self.b, lambda, &mut self.state, stopping);
        self.lambda = lambda;
        self.partial = self.settings.accept(&reached, gap, METHOD)?.or(self.partial);
        Ok(reached)
    }

    fn coefficients(&self) -> &[f64] {
        &self.state.z
    }

    fn residual_norm(&self) -> f64 {
        linalg::norm(&self.state.residual.s)
    }

    fn penalty(&self) -> f64 {
        self.problem.penalty(&self.state.z)
    }

    fn dof(&self) -> Option<f64> {
        self.problem.dof(&self.state.z, self.lambda)
    }

    fn partial(&self) -> Option<(f64, f64)> {
        self.partial
    }
}
