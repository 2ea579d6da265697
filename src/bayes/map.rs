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

use crate::error::{Error, Result, Size};
use crate::linalg::{self, Accum, Kernels, Mat, MatMut, MatRef, Op, Threads};
use crate::log_prior::LogPrior;
use crate::random::Random;

/// Steps at most.
pub(super) const STEPS: usize = 500;
/// Newton's decrement ½·pᵀ(−∇F), relative to 1 + |F|, at which F cannot be told from its minimum.
const TOLERANCE: f64 = 1e-15;
/// And what the gradient may be, relative to the sum of the sizes of its two parts.
pub(super) const GRADIENT: f64 = 1e-9;
/// By how much a difference quotient may miss a derivative, relative to the sum of the sizes of its terms.
const MISMATCH: f64 = 1e-3;
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

struct Energy<'p> {
    a: MatRef<'p, f64>,
    b: &'p [f64],
    prior: &'p dyn LogPrior,
    gram: Mat<f64>,
    threads: Threads,
}

/// F, and what it is made of.
struct Here {
    z: Vec<f64>,
    residual: Vec<f64>,
    log_prior: f64,
    value: f64,
}

/// The mode that is reached from `start`.
pub(crate) fn mode(a: MatRef<'_, f64>, b: &[f64], prior: &dyn LogPrior, start: &[f64], threads: Threads) -> Result<Mode> {
    let n = a.ncols();
    check_derivatives(prior, start)?;
    let mut gram = linalg::zeros(n, n);
    f64::gram(gram.as_mut(), Accum::Replace, a, Op::Adjoint, threads);
    let energy = Energy { a, b, prior, gram, threads };
    let mut here = energy.at(start.to_vec());
    if !here.value.is_finite() {
        return Err(Error::Parameter {
            name: "the log prior at the start",
            value: here.log_prior,
            must_be: "finite; give a start where the density is positive to Problem::map_from",
        });
    }
    let mut gradient = vec![0.0; n];
    for steps in 0..STEPS {
        let size = energy.downhill(&here, &mut gradient)?;
        let relative = linalg::norm(&gradient) / size.max(f64::MIN_POSITIVE);
        let newton = energy.curvature(&here.z, None)?;
        let majorised = || energy.curvature(&here.z, Some(&gradient_of(prior, &here.z)));
        // the curvature itself where it is positive definite with the data, the majoriser elsewhere
        let mut step = energy.step(newton.as_ref(), &gradient);
        let exact = step.is_some();
        if step.is_none() {
            step = energy.step(majorised()?.as_ref(), &gradient);
        }
        let Some(mut p) = step else { return Err(not_positive()) };
        let decrement = linalg::dot(&p, &gradient);
        if exact && 0.5 * decrement <= TOLERANCE * (1.0 + here.value.abs()) && relative <= GRADIENT {
            return Ok(energy.conclude(here, relative, steps, newton.as_ref()));
        }
        let mut next = energy.search(&here, &p, decrement);
        if exact && next.as_ref().is_none_or(|(_, length)| *length < 0.25) {
            // far from the mode a Newton step may be of little use: the majoriser's is safe
            if let Some(safe) = energy.step(majorised()?.as_ref(), &gradient) {
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
                return Ok(energy.conclude(here, relative, steps, newton.as_ref()));
            }
            None => {
                return Err(not_converged(steps, relative));
            }
        }
    }
    let size = energy.downhill(&here, &mut gradient)?;
    Err(not_converged(STEPS, linalg::norm(&gradient) / size.max(f64::MIN_POSITIVE)))
}

pub(super) fn not_converged(steps: usize, reached: f64) -> Error {
    Error::NotConverged {
        method: "the search for the mode",
        steps,
        reached,
        tolerance: GRADIENT,
        instead: "give another start to Problem::map_from, a larger smoothing, or check the curvature of the log prior",
    }
}

pub(super) fn not_positive() -> Error {
    Error::Unsupported {
        what: "the search for a mode",
        with: "directions that neither A nor the curvature of the log prior sees",
        instead: "use a prior that is not flat there, or remove those columns of A",
    }
}

pub(super) fn gradient_of(prior: &dyn LogPrior, z: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; z.len()];
    prior.gradient(z, &mut gradient);
    gradient
}

impl Energy<'_> {
    fn at(&self, z: Vec<f64>) -> Here {
        let mut residual = vec![0.0; self.b.len()];
        f64::multiply(self.a, &z, &mut residual, self.threads);
        residual.iter_mut().zip(self.b).for_each(|(r, b)| *r = b - *r);
        let log_prior = self.prior.value(&z);
        let value = 0.5 * linalg::dot(&residual, &residual) - log_prior;
        Here { z, residual, log_prior, value: if value.is_nan() { f64::INFINITY } else { value } }
    }

    /// −∇F; returns the sum of the sizes of its two parts.
    fn downhill(&self, here: &Here, gradient: &mut [f64]) -> Result<f64> {
        f64::multiply_adjoint(self.a, &here.residual, gradient, self.threads);
        let prior = gradient_of(self.prior, &here.z);
        if let Some(index) = prior.iter().position(|g| !g.is_finite()) {
            return Err(Error::NonFinite { what: "the gradient of the log prior", index: Size::Entry(index) });
        }
        let size = linalg::norm(gradient) + linalg::norm(&prior);
        gradient.iter_mut().zip(&prior).for_each(|(g, p)| *g += p);
        Ok(size)
    }

    /// ĀᵀĀ + D in the lower triangle. With ∇log p given, D is the diagonal of a majoriser: what is negative on it is replaced, and what
    /// stands beside it is made up for.
    fn curvature(&self, z: &[f64], gradient: Option<&[f64]>) -> Result<Mat<f64>> {
        let n = z.len();
        let mut h = self.gram.clone();
        let mut diagonal = vec![0.0; n];
        let mut beside = vec![0.0; n];
        let mut bad = None;
        self.prior.curvature(z, &mut |i, j, value| {
            if i >= n || j > i || !value.is_finite() {
                bad = Some((i, j));
            } else if i == j {
                diagonal[j] += value;
            } else if gradient.is_none() {
                h[(i, j)] += value;
            } else {
                // a diagonal that dominates: the parabola is above the one of the full matrix
                beside[i] += value.abs();
                beside[j] += value.abs();
            }
        });
        if let Some((i, j)) = bad {
            return Err(match i < n && j <= i {
                true => Error::NonFinite { what: "the curvature of the log prior", index: Size::Position(i, j) },
                false => Error::Shape {
                    what: "the place of an entry of the curvature of the log prior",
                    found: Size::Position(i, j),
                    expected: Size::Shape(n, n),
                    hint: "visit the lower triangle: n > i ≥ j",
                },
            });
        }
        for j in 0..n {
            let mut d = diagonal[j];
            if let Some(gradient) = gradient {
                let weight = -gradient[j] / z[j];
                d = if weight.is_finite() && weight > d.max(0.0) { weight } else { d.abs() };
            }
            h[(j, j)] += d + beside[j];
        }
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

    /// A point with Armijo's decrease along p, and how far it is.
    fn search(&self, here: &Here, p: &[f64], decrement: f64) -> Option<(Here, f64)> {
        let mut length = 1.0;
        while length > 1e-12 {
            let there = self.at(here.z.iter().zip(p).map(|(z, p)| z + length * p).collect());
            if there.value <= here.value - 1e-4 * length * decrement && there.value < here.value {
                return Some((there, length));
            }
            length *= 0.5;
        }
        None
    }

    fn conclude(&self, here: Here, gradient: f64, steps: usize, h: MatRef<'_, f64>) -> Mode {
        let n = here.z.len();
        let corner = self.prior.smoothing() * ON_A_CORNER;
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

/// The gradient against differences of the value and the curvature against differences of the gradient, along random directions
/// at points near the start. Two mismatches of three condemn: one may be a corner.
pub(super) fn check_derivatives(prior: &dyn LogPrior, start: &[f64]) -> Result<()> {
    let n = start.len();
    if n == 0 {
        return Ok(());
    }
    let typical = match linalg::norm(start) / (n as f64).sqrt() {
        0.0 => 1.0,
        size => size,
    };
    let mut random = Random::new(0x10_6712);
    let mut wrong: [Vec<(f64, f64)>; 2] = Default::default();
    for _ in 0..3 {
        // inside the support where the start is: a small move, relative to each value
        let z: Vec<f64> =
            start.iter().map(|&z| z + 0.1 * z.abs().max(if z == 0.0 { typical } else { 0.0 }) * (2.0 * random.uniform() - 1.0)).collect();
        let v: Vec<f64> = z.iter().map(|&z| z.abs().max(1e-3 * typical) * if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
        let h = 1e-5;
        let moved = |t: f64| -> Vec<f64> { z.iter().zip(&v).map(|(z, v)| z + t * v).collect() };
        let (up, down) = (moved(h), moved(-h));
        let (value_up, value_down) = (prior.value(&up), prior.value(&down));
        if !(value_up.is_finite() && value_down.is_finite()) {
            continue;
        }
        let (gradient, gradient_up, gradient_down) = (gradient_of(prior, &z), gradient_of(prior, &up), gradient_of(prior, &down));
        let (sum, size) = gradient.iter().zip(&v).fold((0.0, 0.0), |(sum, size), (g, v)| (sum + g * v, size + (g * v).abs()));
        let expected = (value_up - value_down) / (2.0 * h);
        let rounding = f64::EPSILON * value_up.abs() * (n as f64) / h;
        if !((expected - sum).abs() <= MISMATCH * size + 16.0 * rounding) {
            wrong[0].push((sum, expected));
        }
        let mut image = vec![0.0; n];
        let mut sizes = vec![0.0; n];
        prior.curvature(&z, &mut |i, j, value| {
            if i < n && j < n {
                image[i] -= value * v[j];
                sizes[i] += (value * v[j]).abs();
                if i != j {
                    image[j] -= value * v[i];
                    sizes[j] += (value * v[i]).abs();
                }
            }
        });
        for i in 0..n {
            let expected = (gradient_up[i] - gradient_down[i]) / (2.0 * h);
            let rounding = f64::EPSILON * gradient[i].abs() / h;
            if !((expected - image[i]).abs() <= MISMATCH * (sizes[i] + expected.abs()) + 16.0 * rounding) {
                wrong[1].push((image[i], expected));
                break;
            }
        }
    }
    for (what, of, wrong) in [("gradient", "its value", &wrong[0]), ("curvature", "its gradient", &wrong[1])] {
        if let [_, (found, expected), ..] = wrong[..] {
            return Err(Error::LogPrior { what, of, found, expected });
        }
    }
    Ok(())
}
