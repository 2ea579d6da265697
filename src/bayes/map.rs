//! The mode of a posterior with any log prior, and Laplace's approximation of its evidence.
//!
//! minimise F(z) = ‖Āz − b̄‖²/2 − log p(z), the rows whitened by the noise (s = 1), z = x − x₀.
//!
//! Each step solves a reweighted ridge problem: with D the curvature −∇²log p at z,
//!
//! ```text
//! (ĀᵀĀ + D)p = Āᵀ(b̄ − Āz) + ∇log p(z)        the minimiser of ‖Ā(z + p) − b̄‖² + ‖D^½(p − D⁻¹∇log p)‖²
//! ```
//! D is diagonal for a product prior. Where an entry of it is negative (log p is not concave there) it is replaced by the
//! half-quadratic weight −∂ⱼlog p/zⱼ, whose parabola lies above −log p for every density that falls in z² and is log-convex in it
//! (Laplace, Student's t, horseshoe), and by its modulus where that weight is negative, too. So p goes downhill; a line search with Armijo's
//! condition does the rest. Near a mode D is the curvature itself, and the steps are Newton's.
//!
//! Laplace: log p(b) ≈ log p(b | ẑ) + log p(ẑ) + n/2·log 2π − ½·log det(ĀᵀĀ + D), exact for a Gaussian prior.
//! Cost: mn² flops once, n³/3 a step, n² numbers. Steps: 1 for a Gaussian prior, 5 to 30 usually.
//!
//! Sources: Tierney, Kadane 1986, doi:10.1080/01621459.1986.10478240 (Laplace); Geman, Yang 1995, IEEE Trans. Image Process. 4:932 (weights).

use super::energy::{Curvature, Energy, GRADIENT, Here, gradient_of, not_converged, not_positive};
use crate::error::Result;
use crate::linalg::{self, Accum, Kernels, Mat, MatMut, MatRef, Op, Threads};
use crate::log_prior::LogPrior;
use crate::operator::DenseView;

/// Steps at most.
pub(super) const STEPS: usize = 500;
/// Newton's decrement ½·pᵀ(−∇F), relative to 1 + |F|, at which F cannot be told from its minimum.
const TOLERANCE: f64 = 1e-15;
/// Coefficients within this many smoothing lengths of 0 sit on a rounded corner, where no parabola is like the density.
const ON_A_CORNER: f64 = 10.0;

/// A mode.
#[derive(Debug, Clone)]
pub(crate) struct Mode {
    pub z: Vec<f64>,
    /// ‖Āz − b̄‖.
    pub residual_norm: f64,
    pub log_prior: f64,
    /// ‖∇F‖ relative to the sizes of its two parts.
    pub gradient: f64,
    pub steps: usize,
    /// ½·log det H and the square roots of the diagonal of H⁻¹, H = ĀᵀĀ + D; `None` where z is on a corner or H not positive definite.
    pub laplace: Option<(f64, Vec<f64>)>,
}

/// The most probable x under a log prior of your own: what [`Problem::map`](crate::Problem::map) returns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MapEstimate {
    /// The mode.
    pub x: Vec<f64>,
    /// The unpenalised constant; 0 when no intercept was asked for.
    pub intercept: f64,
    /// log p(b | x), in the units of b; an intercept is integrated out.
    pub log_likelihood: f64,
    /// log p(x − x₀), as the prior says it.
    pub log_prior: f64,
    /// log p(b) by Laplace's approximation, if the prior is a density; exact for a Gaussian one. `None` where a coefficient sits on a
    /// rounded corner of the prior (there no Gaussian resembles the posterior), or the mode is not a strict one.
    pub log_evidence: Option<f64>,
    /// Standard deviations by the same approximation, and `None` with it.
    pub std: Option<Vec<f64>>,
    /// ‖W^½(b − Ax − c)‖, in units of the noise.
    pub residual_norm: f64,
    /// ‖∇ log posterior‖ relative to the sum of the norms of its two parts.
    pub gradient: f64,
    /// Ridge problems that were solved, but for those that a line search refused.
    pub steps: usize,
    /// The prior's ε: a corner was rounded off at this distance.
    pub smoothing: f64,
}

struct Dense<'p> {
    energy: Energy<'p>,
    gram: Mat<f64>,
    threads: Threads,
}

/// The mode that is reached from `start`.
pub(crate) fn mode(a: MatRef<'_, f64>, b: &[f64], prior: &dyn LogPrior, start: &[f64], threads: Threads) -> Result<Mode> {
    let n = a.ncols();
    let view = DenseView::from_matrix(a).with_threads(threads);
    let energy = Energy { a: &view, b, prior };
    let mut here = energy.begin(start)?;
    let mut gram = linalg::zeros(n, n);
    f64::gram(gram.as_mut(), Accum::Replace, a, Op::Adjoint, threads);
    let dense = Dense { energy, gram, threads };
    let energy = &dense.energy;
    for steps in 0..STEPS {
        let (gradient, size) = energy.downhill(&here)?;
        let relative = linalg::norm(&gradient) / size.max(f64::MIN_POSITIVE);
        let newton = dense.curvature(&here.z, None)?;
        let majorised = || dense.curvature(&here.z, Some(&gradient_of(prior, &here.z)));
        // the curvature itself where it is positive definite with the data, the majoriser elsewhere
        let mut step = dense.step(newton.as_ref(), &gradient);
        let exact = step.is_some();
        if step.is_none() {
            step = dense.step(majorised()?.as_ref(), &gradient);
        }
        let Some(mut p) = step else { return Err(not_positive()) };
        let decrement = linalg::dot(&p, &gradient);
        if exact && 0.5 * decrement <= TOLERANCE * (1.0 + here.value.abs()) && relative <= GRADIENT {
            return Ok(dense.conclude(here, relative, steps, newton.as_ref()));
        }
        let mut next = energy.search(&here, &p, decrement);
        if exact && next.as_ref().is_none_or(|(_, length)| *length < 0.25) {
            // far from the mode a Newton step may be of little use: the majoriser's is safe
            if let Some(safe) = dense.step(majorised()?.as_ref(), &gradient) {
                let by_majoriser = energy.search(&here, &safe, linalg::dot(&safe, &gradient));
                let better = match (&by_majoriser, &next) {
                    (Some((a, _)), Some((b, _))) => a.value < b.value,
                    (Some(_), None) => true,
                    _ => false,
                };
                if better {
                    (next, p) = (by_majoriser, safe);
                }
            }
        }
        match next {
            Some((there, _)) => here = there,
            // F is at rounding level: what the gradient says decides
            None if exact && relative <= GRADIENT.sqrt() && 0.5 * linalg::dot(&p, &gradient) <= 1e-10 * (1.0 + here.value.abs()) => {
                return Ok(dense.conclude(here, relative, steps, newton.as_ref()));
            }
            None => {
                return Err(not_converged(steps, relative));
            }
        }
    }
    let (gradient, size) = energy.downhill(&here)?;
    Err(not_converged(STEPS, linalg::norm(&gradient) / size.max(f64::MIN_POSITIVE)))
}

impl Dense<'_> {
    /// ĀᵀĀ + D in the lower triangle; with ∇log p given, D is the diagonal of a majoriser.
    fn curvature(&self, z: &[f64], gradient: Option<&[f64]>) -> Result<Mat<f64>> {
        let Curvature { diagonal, below } = self.energy.curvature(z, gradient)?;
        let mut h = self.gram.clone();
        diagonal.into_iter().enumerate().for_each(|(j, d)| h[(j, j)] += d);
        below.into_iter().for_each(|(i, j, value)| h[(i, j)] += value);
        Ok(h)
    }

    /// H⁻¹·gradient; `None` where H is not positive definite.
    fn step(&self, h: MatRef<'_, f64>, gradient: &[f64]) -> Option<Vec<f64>> {
        let n = gradient.len();
        let mut factor = linalg::copy(h);
        f64::cholesky(factor.as_mut(), self.threads).ok()?;
        let mut p = gradient.to_vec();
        let column = |p: &mut [f64], op| f64::solve_lower(factor.as_ref(), op, MatMut::from_column_major_slice_mut(p, n, 1), self.threads);
        column(&mut p, Op::None);
        column(&mut p, Op::Adjoint);
        p.iter().all(|v| v.is_finite()).then_some(p)
    }

    fn conclude(&self, here: Here, gradient: f64, steps: usize, h: MatRef<'_, f64>) -> Mode {
        let n = here.z.len();
        let corner = self.energy.prior.smoothing() * ON_A_CORNER;
        let mut factor = linalg::copy(h);
        let positive = f64::cholesky(factor.as_mut(), self.threads).is_ok();
        let laplace = (positive && here.z.iter().all(|z| z.abs() >= corner)).then(|| {
            let log = (0..n).map(|j| factor[(j, j)].ln()).sum();
            let mut inverse = linalg::zeros(n, n);
            f64::invert_lower(factor.as_ref(), inverse.as_mut(), self.threads);
            let std = (0..n).map(|j| linalg::norm(&inverse.col_as_slice(j)[j..])).collect();
            (log, std)
        });
        Mode { residual_norm: linalg::norm(&here.residual), log_prior: here.log_prior, gradient, steps, laplace, z: here.z }
    }
}
