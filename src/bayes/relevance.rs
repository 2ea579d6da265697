//! Automatic relevance determination: every coefficient has a prior variance of its own, zⱼ ~ N(0, 1/αⱼ), and evidence finds them
//! all. Most become 0: those columns are pruned.
//!
//! With C = s²I + Σ aⱼaⱼᵀ/αⱼ and, for one column, everything but itself in C₋ⱼ: sⱼ = aⱼᵀC₋ⱼ⁻¹aⱼ, qⱼ = aⱼᵀC₋ⱼ⁻¹b, the log evidence as a
//! function of αⱼ alone is ½[log αⱼ − log(αⱼ + sⱼ) + qⱼ²/(αⱼ + sⱼ)], with its only maximum at
//!
//! ```text
//! αⱼ = sⱼ²/(qⱼ² − sⱼ)  if qⱼ² > sⱼ,   αⱼ = ∞ (pruned)  otherwise
//! ```
//! Each step makes the one change (add, re-estimate, delete) that gains most: the evidence never falls. Where no change gains, the noise
//! is re-estimated by s² = ‖b − Az‖²/(m − Σ(1 − αⱼΣⱼⱼ)), and all begins again until neither moves. The maximum is a local one, reached
//! from the empty model.
//!
//! Prefer one λ ([`scales`](super::scales)) where all columns are alike, an L1 penalty where zeros matter more than uncertainties.
//! Cost: mn² flops once, nk² + k³/3 a step with k columns in the model; a few k to a few hundred k steps. n² numbers.
//!
//! Sources: Tipping, Faul 2003, Fast marginal likelihood maximisation for sparse Bayesian models, AISTATS; Tipping 2001, J. Mach.
//! Learn. Res. 1:211; MacKay 1992, doi:10.1162/neco.1992.4.3.415.

use crate::error::{Error, Result};
use crate::linalg::{self, Accum, Kernels, Mat, MatMut, MatRef, Op, Threads};

/// Coefficients with prior variances of their own: what [`Problem::relevance`](crate::Problem::relevance) returns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Relevance {
    /// Posterior means; x₀ (0 unless given) where the column was pruned.
    pub mean: Vec<f64>,
    /// Posterior standard deviations, 0 for a pruned column (with scales taken as known at their estimates).
    pub std: Vec<f64>,
    /// The unpenalised constant; 0 when no intercept was asked for.
    pub intercept: f64,
    /// The prior standard deviation of each coefficient that evidence found; 0 for a pruned column.
    pub prior_std: Vec<f64>,
    /// The columns that stay, in order.
    pub kept: Vec<usize>,
    /// The columns whose prior variance went to 0, in order.
    pub pruned: Vec<usize>,
    /// The noise of a row of weight 1: the caller's, or found together with the rest.
    pub noise_std: f64,
    /// log p(b) at these scales, in the units of b; an intercept is integrated out.
    pub log_evidence: f64,
    /// Σ(1 − αⱼΣⱼⱼ): how many coefficients the data determine, the intercept included.
    pub dof: f64,
    /// Changes of the model.
    pub steps: usize,
}

/// What the engine finds, for rows that are whitened.
pub(crate) struct Found {
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    pub prior_std: Vec<f64>,
    pub kept: Vec<usize>,
    pub noise_std: f64,
    pub log_evidence: f64,
    pub dof: f64,
    pub steps: usize,
}

/// Rounds, between which the noise is re-estimated.
const ROUNDS: usize = 2000;
/// Changes of the model in a round, for each column.
const CHANGES: usize = 100;
/// A change that gains less in log evidence is none.
const GAIN: f64 = 1e-14;
/// The relative change of s at which it stands still.
const STILL: f64 = 1e-11;
/// Noise below this multiple of ‖b‖/√m is an exact fit.
const NO_NOISE: f64 = 1e-7;

struct Model<'m> {
    gram: &'m Mat<f64>,
    /// Aᵀb.
    data: &'m [f64],
    precision: f64,
    /// αⱼ, ∞ where pruned.
    alpha: Vec<f64>,
    kept: Vec<usize>,
    /// G⁻¹ of Σ⁻¹ = GGᵀ in its lower triangle.
    inverse: Mat<f64>,
    mean: Vec<f64>,
    log_det: f64,
}

impl Model<'_> {
    /// Σ = (diag α + AᵀA/s²)⁻¹ and Σ·Aᵀb/s² of the columns kept.
    fn refresh(&mut self, threads: Threads) -> Result<()> {
        let k = self.kept.len();
        let entry = |i: usize, j: usize| {
            self.precision * self.gram[(self.kept[i], self.kept[j])] + if i == j { self.alpha[self.kept[i]] } else { 0.0 }
        };
        let mut h = Mat::from_fn(k, k, entry);
        if f64::cholesky(h.as_mut(), threads).is_err() {
            return Err(Error::IllConditioned {
                method: "relevance determination",
                condition: f64::INFINITY,
                instead: "rescale the columns of A, remove duplicates, or give Problem::noise_std",
            });
        }
        self.log_det = (0..k).map(|j| 2.0 * h[(j, j)].ln()).sum();
        let mut inverse = linalg::zeros(k, k);
        f64::invert_lower(h.as_ref(), inverse.as_mut(), threads);
        self.inverse = Mat::from_fn(k, k, |i, j| if i >= j { inverse[(i, j)] } else { 0.0 });
        self.mean = self.kept.iter().map(|&j| self.precision * self.data[j]).collect();
        let column = |x: &mut [f64], op| f64::solve_lower(h.as_ref(), op, MatMut::from_column_major_slice_mut(x, k, 1), threads);
        column(&mut self.mean, Op::None);
        column(&mut self.mean, Op::Adjoint);
        Ok(())
    }

    /// Sⱼ = aⱼᵀC⁻¹aⱼ and Qⱼ = aⱼᵀC⁻¹b of every column.
    fn influence(&self, threads: Threads) -> Vec<(f64, f64)> {
        let (n, k) = (self.data.len(), self.kept.len());
        let cross = Mat::from_fn(k, n, |i, j| self.gram[(self.kept[i], j)]);
        let mut rotated = linalg::zeros(k, n);
        f64::product(rotated.as_mut(), Accum::Replace, 1.0, self.inverse.as_ref(), Op::None, cross.as_ref(), Op::None, threads);
        (0..n)
            .map(|j| {
                let explained: f64 = rotated.col_as_slice(j).iter().map(|v| v * v).sum();
                let s = self.precision * (self.gram[(j, j)] - self.precision * explained);
                let q = self.precision * (self.data[j] - linalg::dot(cross.col_as_slice(j), &self.mean));
                (s.max(0.0), q)
            })
            .collect()
    }

    /// Σⱼⱼ of the columns kept.
    fn variances(&self) -> Vec<f64> {
        (0..self.kept.len()).map(|j| self.inverse.col_as_slice(j).iter().map(|v| v * v).sum()).collect()
    }

    /// Σ(1 − αⱼΣⱼⱼ).
    fn dof(&self) -> f64 {
        self.variances().iter().zip(&self.kept).map(|(v, &j)| (1.0 - self.alpha[j] * v).max(0.0)).sum()
    }

    /// The change of one αⱼ that gains most: (gain, column, αⱼ).
    fn best(&self, threads: Threads) -> Option<(f64, usize, f64)> {
        let gain = |j: usize, (s_all, q_all): (f64, f64)| {
            if !(self.gram[(j, j)] > 0.0) {
                return None;
            }
            let old = self.alpha[j];
            // without its own part: α·S/(α − S), where α − S = α²Σⱼⱼ cannot be 0
            let (s, q) = if old.is_finite() {
                let rest = 1.0 - s_all / old;
                if !(rest > 0.0) {
                    return None;
                }
                (s_all / rest, q_all / rest)
            } else {
                (s_all, q_all)
            };
            let log = |alpha: f64| {
                if alpha.is_finite() { 0.5 * (q * q / (alpha + s) - (s / alpha).ln_1p()) } else { 0.0 }
            };
            let excess = q * q - s;
            // at rounding level of S a column is one that those kept already span
            let new = if excess > 0.0 && s > 0.0 { s * s / excess } else { f64::INFINITY };
            Some((log(new) - log(old), j, new))
        };
        let all = self.influence(threads);
        let found = (0..self.data.len()).filter_map(|j| gain(j, all[j])).filter(|g| g.0.is_finite());
        found.max_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn residual_square(&self, total: f64) -> f64 {
        let k = self.kept.len();
        let linear: f64 = (0..k).map(|i| self.mean[i] * self.data[self.kept[i]]).sum();
        let square: f64 =
            (0..k).map(|i| self.mean[i] * (0..k).map(|j| self.gram[(self.kept[i], self.kept[j])] * self.mean[j]).sum::<f64>()).sum();
        (total - 2.0 * linear + square).max(0.0)
    }
}

/// Relevance determination on whitened rows; `noise_std` where it is known.
pub(crate) fn determine(a: MatRef<'_, f64>, b: &[f64], noise_std: Option<f64>, threads: Threads) -> Result<Found> {
    let (m, n) = a.shape();
    let mut gram = linalg::zeros(n, n);
    f64::gram(gram.as_mut(), Accum::Replace, a, Op::Adjoint, threads);
    let gram = Mat::from_fn(n, n, |i, j| if i >= j { gram[(i, j)] } else { gram[(j, i)] });
    let mut data = vec![0.0; n];
    f64::multiply_adjoint(a, b, &mut data, threads);
    let total = linalg::dot(b, b);
    let size = (total / m.max(1) as f64).sqrt();
    if noise_std.is_none() && !(size > 0.0) {
        return Err(no_noise());
    }
    // a tenth of the variance is noise until the data say otherwise
    let mut noise = noise_std.unwrap_or(size * 0.1f64.sqrt());
    let mut model = Model {
        gram: &gram,
        data: &data,
        precision: 1.0 / (noise * noise),
        alpha: vec![f64::INFINITY; n],
        kept: Vec::new(),
        inverse: linalg::zeros(0, 0),
        mean: Vec::new(),
        log_det: 0.0,
    };
    model.refresh(threads)?;
    let mut steps = 0;
    let mut reached = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut settled = false;
        for _ in 0..CHANGES * (n + 1) {
            let Some((gain, j, alpha)) = model.best(threads).filter(|change| change.0 > GAIN * (1.0 + m as f64)) else {
                settled = true;
                break;
            };
            reached = gain;
            steps += 1;
            model.alpha[j] = alpha;
            model.kept = (0..n).filter(|&j| model.alpha[j].is_finite()).collect();
            model.refresh(threads)?;
        }
        if !settled {
            break;
        }
        let moved = match noise_std {
            Some(_) => 0.0,
            None => {
                let free = m as f64 - model.dof();
                let new = if free > 0.0 { (model.residual_square(total) / free).sqrt() } else { 0.0 };
                if !(new > NO_NOISE * size) {
                    return Err(no_noise());
                }
                let moved = (new / noise).ln().abs();
                noise = new;
                model.precision = 1.0 / (noise * noise);
                model.refresh(threads)?;
                moved
            }
        };
        reached = moved;
        if moved <= STILL {
            return Ok(conclude(a, b, &model, noise, steps, threads));
        }
    }
    Err(Error::NotConverged {
        method: "relevance determination",
        steps,
        reached,
        tolerance: STILL,
        instead: "give Problem::noise_std, or remove columns that are nearly multiples of others",
    })
}

fn conclude(a: MatRef<'_, f64>, b: &[f64], model: &Model<'_>, noise: f64, steps: usize, threads: Threads) -> Found {
    let (m, n) = a.shape();
    let spread = |values: Vec<f64>| {
        let mut all = vec![0.0; n];
        model.kept.iter().zip(values).for_each(|(&j, value)| all[j] = value);
        all
    };
    let mean = spread(model.mean.clone());
    let mut residual = vec![0.0; m];
    f64::multiply(a, &mean, &mut residual, threads);
    residual.iter_mut().zip(b).for_each(|(r, b)| *r = b - *r);
    // bᵀC⁻¹b = ‖r‖²/s² + Σαⱼzⱼ²: no difference
    let quadratic = linalg::dot(&residual, &residual) / (noise * noise)
        + model.kept.iter().zip(&model.mean).map(|(&j, z)| model.alpha[j] * z * z).sum::<f64>();
    let log_alpha: f64 = model.kept.iter().map(|&j| model.alpha[j].ln()).sum();
    let log_det = 2.0 * m as f64 * noise.ln() + model.log_det - log_alpha;
    Found {
        std: spread(model.variances().into_iter().map(f64::sqrt).collect()),
        prior_std: spread(model.kept.iter().map(|&j| model.alpha[j].sqrt().recip()).collect()),
        kept: model.kept.clone(),
        noise_std: noise,
        log_evidence: -0.5 * (m as f64 * core::f64::consts::TAU.ln() + log_det + quadratic),
        dof: model.dof(),
        steps,
        mean,
    }
}

fn no_noise() -> Error {
    Error::Unsupported { what: "an estimate of the noise", with: "columns that fit the data exactly", instead: "give Problem::noise_std" }
}
