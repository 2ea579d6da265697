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
//! a sum of terms none of which is negative, so that nothing cancels. (With γ > 0 a second dual point is tried, and the smaller gap taken.) A block with ‖s·u_g‖ + √(2·gap)·√(‖A_g‖² + γ) < α_g is zero in
//! every minimiser and is left out (gap-safe screening, Ndiaye, Fercoq, Gramfort, Salmon 2017).
//!
//! **Cost.** A pass over the working set: 4m flops a column that moves, 2m one that does not; a full gradient 2mn for each working set (usually
//! two or three); a step on the support of p columns mp² + p³/3. Vectors: 3 of length n, 7 of length m.
//!
//! Massias, Gramfort, Salmon 2018, "Celer: a fast solver for the lasso with dual extrapolation", ICML, arXiv:1802.07481.
//! Bertrand, Massias 2021, "Anderson acceleration of coordinate descent", AISTATS, arXiv:2011.10065.
//! Ndiaye, Fercoq, Gramfort, Salmon 2017, "Gap safe screening rules for sparsity enforcing penalties", JMLR 18(128), arXiv:1611.05780.
//! Vaiter, Deledalle, Fadili, Peyré, Dossal 2017, "The degrees of freedom of partly smooth regularizers", Annals of the Institute of
//! Statistical Mathematics 69:791, hal-00981634.

mod bounded;
mod descent;

use super::design::{Design, Residual};
use super::limits::Limits;
use super::path::{Fits, Reached, Settings, Verdict};
use crate::error::Result;
use crate::linalg::{self, Kernels, Op};

/// The name of errors.
const METHOD: &str = "coordinate descent";

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
    /// Real numbers behind one unknown: degrees of freedom are counted in unknowns.
    parts: f64,
    /// lo ≤ z ≤ hi, for blocks of one member.
    limits: Option<Limits>,
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
        let mut problem = Self { design, starts, members, owner, l1, l2, lipschitz: Vec::new(), single, parts: 1.0, limits: None };
        problem.lipschitz = (0..problem.blocks()).map(|g| problem.square(g)).collect();
        problem
    }

    /// For complex unknowns, which come as pairs.
    pub fn of_parts(mut self, parts: usize) -> Self {
        self.parts = parts as f64;
        self
    }

    /// Between bounds, which must leave each coordinate that nothing penalises (α = γ = 0) two finite ends. For blocks of one member.
    pub fn within(mut self, limits: Limits) -> Self {
        debug_assert!(self.single, "bounds of groups");
        self.limits = Some(limits);
        self
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

    /// Nothing penalised by ℓ1 is in: z = 0, or the point between the bounds nearest to it.
    pub fn start(&self, b: &[f64]) -> State {
        let z = (0..self.design.columns).map(|j| self.limits.as_ref().map_or(0.0, |limits| limits.clamp(j, 0.0))).collect::<Vec<f64>>();
        let residual = self.design.residual(b, &z);
        let mut gradient = vec![0.0; self.design.columns];
        self.design.gradient(&residual, None, &mut gradient);
        State { z, residual, gradient }
    }

    /// The least λ for which every ℓ1-penalised block is zero (between bounds: as near to it as they permit), where every coordinate is
    /// penalised by ℓ1.
    pub fn lambda_max(&self, b: &[f64]) -> f64 {
        let gradient = self.start(b).gradient;
        if let Some(limits) = &self.limits {
            return self.lambda_max_within(limits, &gradient);
        }
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

    /// The coordinates that are not zero and that no bound holds.
    pub fn support(&self, z: &[f64]) -> Vec<usize> {
        let held = |j: usize| self.limits.as_ref().is_some_and(|limits| z[j] <= limits.low[j] || z[j] >= limits.high[j]);
        (0..z.len()).filter(|&j| z[j] != 0.0 && !held(j)).collect()
    }

    /// The trace of ∂(Āz)/∂b̄ beside the free columns: |S| for the lasso, in general that of Ā_S(Ā_SᵀĀ_S + C)⁻¹Ā_Sᵀ with C the curvature of the penalty
    /// on the blocks that are not zero, α_g/‖z_g‖·(I − z_gz_gᵀ/‖z_g‖²) and Γ (Vaiter, Deledalle, Fadili, Peyré, Dossal 2017). `None` where
    /// that is singular.
    pub fn dof(&self, z: &[f64], lambda: f64) -> Option<f64> {
        let free = self.design.free_count() as f64;
        let active: Vec<usize> = match self.single {
            true => self.support(z).into_iter().map(|j| self.owner[j]).collect(),
            false => (0..self.blocks()).filter(|&g| self.norm_of(g, z) > 0.0).collect(),
        };
        let support: Vec<usize> = active.iter().flat_map(|&g| self.members(g)).copied().collect();
        if self.single && support.iter().all(|&j| self.l2[j] == 0.0) {
            return Some((support.len() as f64 + free) / self.parts);
        }
        let mut gram = self.design.gram(&support);
        let mut filtered = gram.clone();
        for k in 0..support.len() {
            for l in k + 1..support.len() {
                filtered[(k, l)] = filtered[(l, k)];
            }
        }
        let mut first = 0;
        for &g in &active {
            let (members, norm) = (self.members(g), self.norm_of(g, z));
            let bend = if members.len() > 1 { 0.5 * lambda * self.l1[g] / norm } else { 0.0 };
            for (k, &i) in members.iter().enumerate() {
                gram[(first + k, first + k)] += lambda * self.l2[i] + bend;
                for (l, &j) in members.iter().enumerate().take(k + 1) {
                    gram[(first + k, first + l)] -= bend * (z[i] / norm) * (z[j] / norm);
                }
            }
            first += members.len();
        }
        f64::cholesky(gram.as_mut(), self.design.threads).ok()?;
        f64::solve_lower(gram.as_ref(), Op::None, filtered.as_mut(), self.design.threads);
        f64::solve_lower(gram.as_ref(), Op::Adjoint, filtered.as_mut(), self.design.threads);
        Some(((0..support.len()).map(|k| filtered[(k, k)]).sum::<f64>() + free) / self.parts)
    }

    /// Descends from where the state is to a gap within what is asked.
    pub fn descend(&self, b: &[f64], lambda: f64, state: &mut State, stopping: Stopping) -> Reached {
        let threshold: Vec<f64> = self.l1.iter().map(|l1| 0.5 * lambda * l1).collect();
        let mut descent = descent::Descent {
            problem: self,
            lambda,
            alpha: threshold,
            alive: (0..self.blocks()).collect(),
            u: vec![0.0; self.design.columns],
            passes: 0,
            screened_by: f64::INFINITY,
            scale: 1.0,
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
            let enough = |verdict| if gap <= stopping.gap { Verdict::Tolerance } else { verdict };
            // groups have no step on the support: the gap is the square of what it leaves open in z
            let asked = if stopping.finish && !self.single { 1e-3 * stopping.gap } else { stopping.gap };
            if gap <= asked {
                // a gap is the square of what it leaves open in z, and may be far below rounding: one step on the support gives all digits
                if !stopping.finish || finished || !descent.step_on_support(state) {
                    return reached(Verdict::Tolerance, descent.passes);
                }
                finished = true;
                continue;
            }
            without_progress = if gap < 0.5 * best { 0 } else { without_progress + 1 };
            best = best.min(gap);
            if without_progress >= 4 && gap <= descent.rounding {
                return reached(enough(Verdict::Rounding), descent.passes);
            }
            if without_progress >= 50 {
                return reached(enough(Verdict::Stalled), descent.passes);
            }
            if descent.passes >= stopping.max_passes {
                return reached(enough(Verdict::Limit), descent.passes);
            }
            finished = false;
            descent.screen(state);
            set = descent.choose_set(state, &set);
            // a pass over the set costs little beside the gradient of all columns that follows
            let target = (1e-3 * gap).max(0.3 * asked);
            descent.on_set(&set, state, target, stopping.max_passes);
        }
    }
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

    fn kkt_residual(&self) -> Option<f64> {
        let limits = self.problem.limits.as_ref()?;
        Some(self.problem.kkt_within(limits, &self.b, &self.state, self.lambda))
    }
}
