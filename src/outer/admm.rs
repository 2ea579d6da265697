//! ‖Lx‖₁ and its like with any L: total variation, trend filtering, fused and overlapping sums, isotropic gradients.
//!
//! ```text
//! minimise   P(x) = ½‖b̄ − Āx‖² + Σ α_g‖(Lx)_g‖ + ½ Σ γᵢ(Lx)ᵢ²        α_g = λ·l1_g/2,  γᵢ = λ·l2ᵢ
//! ```
//! Where L = diag(w), [`coordinate_descent`](super::coordinate_descent) is faster and leaves exact zeros.
//!
//! **Method.** Alternating directions on the splitting v = Lx (Boyd, Parikh, Chu, Peleato, Eckstein 2011), relaxed by 1.6:
//! ```text
//! x ← (ĀᵀĀ + ρLᵀL)⁻¹(Āᵀb̄ + ρLᵀ(v − u)),   v ← prox(1.6Lx − 0.6v + u),   u ← u + 1.6Lx − 0.6v_old − v
//! ```
//! on one factorization for each ρ, which changes seldom: only where the primal and the dual residual differ by more than a factor of 5. Where
//! all groups have one member, the pattern of zeros in v is tried as the final one every so often: with it the problem is one
//! of least squares with L_Zx = 0 ([`constrained`]). When the pattern is right that has all digits.
//!
//! **What is certified.** After each x-update w = ρ(Lx − v + u) satisfies Lᵀw = Āᵀ(b̄ − Āx), to the rounding of the solve: s·(b̄ − Āx) is feasible for the dual
//! problem with the largest s ≤ 1 for which ‖s·w_g‖ ≤ α_g, and P(x) exceeds the minimum by at most
//! ```text
//! gap = ½(1 − s)²(‖r‖² + Σγv²) + Σ (α_g‖v_g‖ − s·v_g·u_g) + Σ_{α=0} (sw − γv)²/2γ,    v = Lx,  u = w − γv
//! ```
//!
//! **Cost.** One Cholesky factorization, n³/3 dense or with the zeros that a sparse A and L leave, for each ρ and each pattern tried; a step 2n² or the
//! entries of the factor. Vectors: 4 of length n, 5 of the rows of L.
//!
//! Boyd, Parikh, Chu, Peleato, Eckstein 2011, "Distributed optimization and statistical learning via the alternating direction method of
//! multipliers", Foundations and Trends in Machine Learning 3:1, doi:10.1561/2200000016. Degrees of freedom: Tibshirani, Taylor 2012,
//! doi:10.1214/12-AOS1003.

mod constrained;

use super::design::Design;
use super::path::{Fits, Reached, Settings, Verdict};
use crate::error::{Error, Result};
use crate::linalg::sparse::{self, Analysis, Rows};
use crate::linalg::{self, Kernels, Mat, MatMut, Op};

const METHOD: &str = "ADMM";
const RELAXATION: f64 = 1.6;
/// Steps between two looks at the gap. A guess: a look costs about two steps.
const LOOK: usize = 10;
/// Steps between two changes of ρ, or two patterns tried. A guess.
const CHANGE: usize = 50;
/// Unknowns up to which ĀᵀĀ is stored densely: 512 MB.
pub(crate) const DENSE_UP_TO: usize = 8000;
/// Entries of L up to which its rank is computed from a dense copy, for degrees of freedom.
const RANK_UP_TO: usize = 4_000_000;

/// The problem without λ.
pub(crate) struct General<'d, 'a> {
    pub design: &'d Design<'a>,
    /// L by rows and by columns.
    l: Rows<f64>,
    lt: Rows<f64>,
    blocks: Vec<Vec<usize>>,
    /// The block of each row of L.
    owner: Vec<usize>,
    l1: Vec<f64>,
    l2: Vec<f64>,
    normal: Normal,
    /// tr(ĀᵀĀ)/tr(LᵀL): where ρ starts.
    ratio: f64,
    single: bool,
}

/// ĀᵀĀ + Σ weightᵢ·lᵢᵀlᵢ, ready to be factored.
enum Normal {
    /// Lower triangle of ĀᵀĀ.
    Dense(Mat<f64>),
    /// Ā by rows, and the analysis for all L.
    Sparse(Rows<f64>, Box<Analysis>),
}

enum Factor {
    Dense(Mat<f64>),
    Sparse(Vec<f64>),
}

/// What L, its groups and their weights are: one label-free list of rows for each group.
#[derive(Clone)]
pub(crate) struct Parts {
    pub rows: usize,
    pub entries: Vec<(usize, usize, f64)>,
    pub blocks: Vec<Vec<usize>>,
    pub l1: Vec<f64>,
    pub l2: Vec<f64>,
}

impl<'d, 'a> General<'d, 'a> {
    /// # Errors
    /// A design that is sparse with directions projected out, or too large for a dense ĀᵀĀ.
    pub fn new(design: &'d Design<'a>, parts: Parts) -> Result<Self> {
        let n = design.columns;
        let Parts { rows, entries, blocks, l1, l2 } = parts;
        let l = Rows::new(rows, n, &|see| entries.iter().for_each(|&(i, j, value)| see(i, j, value)));
        let lt = l.transposed();
        let mut owner = vec![0; rows];
        for (g, block) in blocks.iter().enumerate() {
            block.iter().for_each(|&i| owner[i] = g);
        }
        let single = blocks.iter().all(|block| block.len() == 1);
        let trace_l: f64 = l.values.iter().map(|v| v * v).sum();
        let trace_a: f64 = design.squares.iter().sum();
        let ratio = if trace_a > 0.0 && trace_l > 0.0 { trace_a / trace_l } else { 1.0 };
        let normal = match design.sparse_rows() {
            Some(a) => {
                let mut stack = a.clone();
                (0..rows).for_each(|i| stack.push(l.row(i), 1.0));
                let lower = stack.gram(&stack.transposed());
                let analysis = Analysis::new(&lower, design.threads).ok_or(Error::Unsupported {
                    what: METHOD,
                    with: "an A and L whose factor fills in beyond memory",
                    instead: "use a quadratic penalty with an iterative method",
                })?;
                Normal::Sparse(a, Box::new(analysis))
            }
            None if n <= DENSE_UP_TO => Normal::Dense(design.gram(&(0..n).collect::<Vec<_>>())),
            None => {
                return Err(Error::Unsupported {
                    what: METHOD,
                    with: "a dense A (or a sparse one with an intercept) of more than 8000 columns and a penalty that does not separate",
                    instead: "use a sparse A without intercept, a penalty on the coefficients themselves, or a quadratic penalty",
                });
            }
        };
        Ok(Self { design, l, lt, blocks, owner, l1, l2, normal, ratio, single })
    }

    fn rows(&self) -> usize {
        self.l.rows()
    }

    /// Factors ĀᵀĀ + Σ weightᵢ·lᵢᵀlᵢ; `None` where it is singular.
    fn factor(&self, weight: &dyn Fn(usize) -> f64) -> Option<Factor> {
        match &self.normal {
            Normal::Dense(gram) => {
                let mut sum = gram.clone();
                self.add_rows(&mut sum, weight);
                f64::cholesky(sum.as_mut(), self.design.threads).ok()?;
                // a pivot at rounding level is a direction that neither A nor L sees
                let pivots = (0..sum.nrows()).map(|k| sum[(k, k)]);
                let (least, most) = pivots.fold((f64::INFINITY, 0.0f64), |(least, most), pivot| (least.min(pivot), most.max(pivot)));
                (sum.nrows() == 0 || least > 1e-7 * most).then_some(Factor::Dense(sum))
            }
            Normal::Sparse(a, analysis) => {
                let mut stack = a.clone();
                (0..self.rows()).for_each(|i| stack.push(self.l.row(i), weight(i).sqrt()));
                let lower = stack.gram(&stack.transposed());
                sparse::factorize(analysis, &lower.values, self.design.threads).map(Factor::Sparse)
            }
        }
    }

    /// Lower triangle of M ← M + Σ weightᵢ·lᵢᵀlᵢ.
    fn add_rows(&self, sum: &mut Mat<f64>, weight: &dyn Fn(usize) -> f64) {
        for i in 0..self.rows() {
            let (columns, values) = self.l.row(i);
            let w = weight(i);
            for (&j, &a) in columns.iter().zip(values).filter(|_| w != 0.0) {
                for (&k, &b) in columns.iter().zip(values).filter(|(k, _)| **k >= j) {
                    sum[(k, j)] += w * a * b;
                }
            }
        }
    }

    fn solve(&self, factor: &Factor, x: &mut [f64]) {
        let n = x.len();
        match (factor, &self.normal) {
            (Factor::Dense(l), _) => {
                f64::solve_lower(l.as_ref(), Op::None, MatMut::from_column_major_slice_mut(x, n, 1), self.design.threads);
                f64::solve_lower(l.as_ref(), Op::Adjoint, MatMut::from_column_major_slice_mut(x, n, 1), self.design.threads);
            }
            (Factor::Sparse(values), Normal::Sparse(_, analysis)) => {
                sparse::solve(analysis, values, x, self.design.threads);
            }
            (Factor::Sparse(_), Normal::Dense(_)) => x.fill(f64::NAN),
        }
    }

    fn image(&self, x: &[f64], v: &mut [f64]) {
        v.fill(0.0);
        self.l.add_product(1.0, x, v);
    }

    fn norm_of(&self, g: usize, v: &[f64]) -> f64 {
        match self.blocks[g].as_slice() {
            [i] => v[*i].abs(),
            block => block.iter().map(|&i| v[i] * v[i]).sum::<f64>().sqrt(),
        }
    }

    /// R(x) from Lx.
    fn penalty(&self, v: &[f64]) -> f64 {
        let norms: f64 = (0..self.blocks.len()).map(|g| self.l1[g] * self.norm_of(g, v)).sum();
        norms + v.iter().zip(&self.l2).map(|(v, l2)| l2 * v * v).sum::<f64>()
    }

    /// The gap from ‖r‖, v = Lx and a w with Lᵀw = Āᵀr.
    fn gap(&self, lambda: f64, r: f64, v: &[f64], w: &[f64]) -> f64 {
        let alpha = |g: usize| 0.5 * lambda * self.l1[g];
        let gamma = |i: usize| lambda * self.l2[i];
        let u: Vec<f64> = (0..v.len()).map(|i| if alpha(self.owner[i]) > 0.0 { w[i] - gamma(i) * v[i] } else { w[i] }).collect();
        let mut scale = 1.0f64;
        for g in 0..self.blocks.len() {
            let norm = self.norm_of(g, &u);
            if alpha(g) > 0.0 && norm * scale > alpha(g) {
                scale = alpha(g) / norm;
            }
        }
        let (mut outside, mut sum) = (r * r, 0.0);
        for (g, block) in self.blocks.iter().enumerate() {
            if alpha(g) > 0.0 {
                let inner: f64 = block.iter().map(|&i| v[i] * u[i]).sum();
                sum += (alpha(g) * self.norm_of(g, v) - scale * inner).max(0.0);
                outside += block.iter().map(|&i| gamma(i) * v[i] * v[i]).sum::<f64>();
            } else {
                for &i in block {
                    let off = scale * u[i] - gamma(i) * v[i];
                    sum += off * off / (2.0 * gamma(i));
                }
            }
        }
        0.5 * (1.0 - scale) * (1.0 - scale) * outside + sum
    }

    /// λ from which on Lx = 0 is sure, from multipliers that show it; the least such λ where L has full row rank, which leaves no other.
    fn lambda_max(&self, b: &[f64]) -> Result<f64> {
        let atb = self.adjoint(b);
        let zero: Vec<bool> = (0..self.rows()).map(|i| self.l1[self.owner[i]] > 0.0).collect();
        let (_, w) = self.constrained(&zero, &|_| 0.0, b, &atb, self.ratio, vec![0.0; self.rows()]).ok_or_else(shared_null_space)?;
        let of = |g: usize| 2.0 * self.norm_of(g, &w) / self.l1[g];
        Ok((0..self.blocks.len()).filter(|&g| self.l1[g] > 0.0).map(of).fold(0.0, f64::max))
    }

    /// Āᵀb̄.
    fn adjoint(&self, b: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.design.columns];
        let zero = vec![0.0; self.design.columns];
        self.design.gradient(&self.design.residual(b, &zero), None, &mut out);
        out
    }

    /// dim{x: L_Zx = 0}, where it is known.
    fn dof(&self, v: &[f64]) -> Option<f64> {
        if !self.single || self.l2.iter().any(|&l2| l2 > 0.0) {
            return None;
        }
        let n = self.design.columns;
        let zero: Vec<usize> = (0..v.len()).filter(|&i| v[i] == 0.0).collect();
        if zero.is_empty() {
            return Some((n + self.design.free_count()) as f64);
        }
        if zero.len().saturating_mul(n) > RANK_UP_TO {
            return None;
        }
        let mut dense = linalg::zeros(n, zero.len());
        for (k, &i) in zero.iter().enumerate() {
            let (columns, values) = self.l.row(i);
            columns.iter().zip(values).for_each(|(&j, &value)| dense[(j, k)] = value);
        }
        let (reflectors, _) = f64::qr_pivoted(dense, self.design.threads);
        let diagonal = |k: usize| reflectors.basis[(k, k)].abs();
        let size = n.min(zero.len());
        let tolerance = n.max(zero.len()) as f64 * f64::EPSILON * if size > 0 { diagonal(0) } else { 0.0 };
        let rank = (0..size).filter(|&k| diagonal(k) > tolerance).count();
        Some((n - rank + self.design.free_count()) as f64)
    }
}

/// The factorization failed.
fn shared_null_space() -> Error {
    Error::Unsupported {
        what: "a direction that neither A nor L sees (or sees only at rounding level)",
        with: "a penalty that is no square of a norm",
        instead: "add a small term that sees it: Penalty::sum([(1.0, penalty), (1e-6, Penalty::identity())])",
    }
}

/// The fits of one right-hand side along λ.
pub(crate) struct Directions<'p, 'd, 'a> {
    problem: &'p General<'d, 'a>,
    b: Vec<f64>,
    atb: Vec<f64>,
    x: Vec<f64>,
    v: Vec<f64>,
    /// w/ρ.
    u: Vec<f64>,
    rho: f64,
    factor: Option<Factor>,
    lambda: f64,
    residual_norm: f64,
    settings: Settings,
    partial: Option<(f64, f64)>,
}

impl<'p, 'd, 'a> Directions<'p, 'd, 'a> {
    pub fn new(problem: &'p General<'d, 'a>, b: Vec<f64>, settings: Settings) -> Self {
        let atb = problem.adjoint(&b);
        let (n, rows) = (problem.design.columns, problem.rows());
        let (x, v, u) = (vec![0.0; n], vec![0.0; rows], vec![0.0; rows]);
        let residual_norm = linalg::norm(&b);
        Self { problem, b, atb, x, v, u, rho: problem.ratio, factor: None, lambda: 0.0, residual_norm, settings, partial: None }
    }

    /// v ← prox of the penalty at h, with steps of 1/ρ.
    fn shrink(&self, h: &[f64], lambda: f64, v: &mut [f64]) {
        let problem = self.problem;
        for (g, block) in problem.blocks.iter().enumerate() {
            let threshold = 0.5 * lambda * problem.l1[g] / self.rho;
            let norm = problem.norm_of(g, h);
            let factor = if norm > threshold { 1.0 - threshold / norm } else { 0.0 };
            for &i in block {
                v[i] = h[i] * factor / (1.0 + lambda * problem.l2[i] / self.rho);
            }
        }
    }

    /// The pattern of v as the final one; whether its gap is smaller than the one there is.
    fn settle(&mut self, lambda: f64, gap: f64, w: &[f64]) -> Option<f64> {
        let problem = self.problem;
        let gamma = |i: usize| lambda * problem.l2[i];
        let alpha = |i: usize| 0.5 * lambda * problem.l1[problem.owner[i]];
        let zero: Vec<bool> = (0..w.len()).map(|i| alpha(i) > 0.0 && self.v[i] == 0.0).collect();
        let start = (0..w.len())
            .map(|i| match (zero[i], alpha(i) > 0.0) {
                (true, _) => w[i].clamp(-alpha(i), alpha(i)),
                (false, true) => alpha(i) * self.v[i].signum(),
                (false, false) => 0.0,
            })
            .collect();
        let (x, found) = problem.constrained(&zero, &gamma, &self.b, &self.atb, self.rho, start)?;
        let mut v = vec![0.0; w.len()];
        problem.image(&x, &mut v);
        let norm = linalg::norm(&problem.design.residual(&self.b, &x).s);
        let better = problem.gap(lambda, norm, &v, &found);
        if !(better < gap) {
            return None;
        }
        (0..v.len()).filter(|&i| zero[i]).for_each(|i| v[i] = 0.0);
        (self.x, self.v) = (x, v);
        self.u = found.iter().map(|w| w / self.rho).collect();
        self.residual_norm = norm;
        Some(better)
    }
}

impl Fits for Directions<'_, '_, '_> {
    fn lambda_max(&self) -> Result<f64> {
        self.problem.lambda_max(&self.b)
    }

    fn fit(&mut self, lambda: f64, _: bool) -> Result<Reached> {
        let problem = self.problem;
        if self.lambda > 0.0 {
            // the dual variable is of the size of λ
            self.u.iter_mut().for_each(|u| *u *= lambda / self.lambda);
        }
        self.lambda = lambda;
        let data = linalg::norm(&self.b);
        let asked = 0.5 * self.settings.tolerance * data * data;
        let rounding = 256.0 * f64::EPSILON * data * data;
        let rows = problem.rows();
        let (mut image, mut h, mut before, mut w) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let mut tried: Option<Vec<bool>> = None;
        let (mut gap, mut verdict, mut steps) = (f64::INFINITY, Verdict::Limit, 0);
        while steps < self.settings.max_steps {
            steps += 1;
            if self.factor.is_none() {
                let rho = self.rho;
                self.factor = Some(problem.factor(&|_| rho).ok_or_else(shared_null_space)?);
            }
            let Some(factor) = &self.factor else { break };
            self.x.copy_from_slice(&self.atb);
            for i in 0..rows {
                h[i] = self.rho * (self.v[i] - self.u[i]);
            }
            problem.lt_add(&h, &mut self.x);
            problem.solve(factor, &mut self.x);
            problem.image(&self.x, &mut image);
            before.copy_from_slice(&self.v);
            for i in 0..rows {
                w[i] = self.rho * (image[i] - self.v[i] + self.u[i]);
                h[i] = RELAXATION * image[i] + (1.0 - RELAXATION) * self.v[i] + self.u[i];
            }
            let mut v = core::mem::take(&mut self.v);
            self.shrink(&h, lambda, &mut v);
            self.v = v;
            for i in 0..rows {
                self.u[i] = h[i] - self.v[i];
            }
            if steps % LOOK != 0 && steps != self.settings.max_steps {
                continue;
            }
            self.residual_norm = linalg::norm(&problem.design.residual(&self.b, &self.x).s);
            gap = problem.gap(lambda, self.residual_norm, &image, &w);
            if !gap.is_finite() {
                return Err(shared_null_space());
            }
            let due = steps % CHANGE == 0 || gap <= asked;
            if problem.single && due {
                let pattern: Vec<bool> = self.v.iter().map(|v| *v == 0.0).collect();
                if tried.as_ref() != Some(&pattern)
                    && let Some(better) = self.settle(lambda, gap, &w)
                {
                    gap = better;
                }
                tried = Some(pattern);
            }
            if gap <= asked {
                verdict = Verdict::Tolerance;
                break;
            }
            if steps % CHANGE == 0 {
                // a relative primal residual beside a relative dual one
                let primal: f64 = image.iter().zip(&self.v).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                let moved: Vec<f64> = self.v.iter().zip(&before).map(|(a, b)| self.rho * (a - b)).collect();
                let size = linalg::norm(&image).max(linalg::norm(&self.v)).max(f64::MIN_POSITIVE);
                let (mut dual, mut total) = (vec![0.0; self.x.len()], vec![0.0; self.x.len()]);
                problem.lt_add(&moved, &mut dual);
                problem.lt_add(&w, &mut total);
                let ratio = (primal / size) / (linalg::norm(&dual) / linalg::norm(&total).max(f64::MIN_POSITIVE)).max(f64::MIN_POSITIVE);
                if (primal / size).max(linalg::norm(&dual)) <= f64::EPSILON * 16.0 && gap <= rounding {
                    verdict = Verdict::Rounding;
                    break;
                }
                if !(0.2..=5.0).contains(&ratio) && ratio.is_finite() && ratio > 0.0 && steps <= 40 * CHANGE {
                    let factor = ratio.sqrt().clamp(0.1, 10.0);
                    self.rho *= factor;
                    self.u.iter_mut().for_each(|u| *u /= factor);
                    self.factor = None;
                }
            }
        }
        if verdict == Verdict::Limit && gap <= rounding {
            verdict = Verdict::Rounding;
        }
        let reached = Reached { gap, passes: steps, verdict };
        self.partial = self.settings.accept(&reached, asked, METHOD)?.or(self.partial);
        Ok(reached)
    }

    fn coefficients(&self) -> &[f64] {
        &self.x
    }

    fn residual_norm(&self) -> f64 {
        self.residual_norm
    }

    fn penalty(&self) -> f64 {
        let mut v = vec![0.0; self.problem.rows()];
        self.problem.image(&self.x, &mut v);
        self.problem.penalty(&v)
    }

    fn dof(&self) -> Option<f64> {
        self.problem.dof(&self.v)
    }

    fn partial(&self) -> Option<(f64, f64)> {
        self.partial
    }
}

impl General<'_, '_> {
    /// x ← x + Lᵀy, by the rows of Lᵀ.
    fn lt_add(&self, y: &[f64], x: &mut [f64]) {
        self.lt.add_product(1.0, y, x);
    }
}
