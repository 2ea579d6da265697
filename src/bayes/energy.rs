//! F(z) = ‖Āz − b̄‖²/2 − log p(z), by products with A: what both searches for a mode minimise.

use crate::error::{Error, Result, Size};
use crate::linalg;
use crate::log_prior::LogPrior;
use crate::operator::Operator;
use crate::random::Random;

/// Relative size of a gradient that is none.
pub(super) const GRADIENT: f64 = 1e-9;
/// Armijo's fraction of the decrease that the slope promises.
const ARMIJO: f64 = 1e-4;
/// By how much a difference quotient may miss a derivative, relative to the sum of the sizes of its terms.
const MISMATCH: f64 = 1e-3;

pub(super) struct Energy<'p> {
    pub a: &'p dyn Operator<Scalar = f64>,
    pub b: &'p [f64],
    pub prior: &'p dyn LogPrior,
}

/// F, and what it is made of.
pub(super) struct Here {
    pub z: Vec<f64>,
    pub residual: Vec<f64>,
    pub log_prior: f64,
    pub value: f64,
}

/// −∇²log p: a diagonal, and what stands below it.
pub(super) struct Curvature {
    pub diagonal: Vec<f64>,
    pub below: Vec<(usize, usize, f64)>,
}

impl Energy<'_> {
    /// Where a search begins, the prior's derivatives being what they say they are there.
    pub fn begin(&self, start: &[f64]) -> Result<Here> {
        check_derivatives(self.prior, start)?;
        let here = self.at(start.to_vec());
        match here.value.is_finite() {
            true => Ok(here),
            false => Err(Error::Parameter {
                name: "the log prior at the start",
                value: here.log_prior,
                must_be: "finite; give a start where the density is positive to Problem::map_from",
            }),
        }
    }

    pub fn at(&self, z: Vec<f64>) -> Here {
        let mut residual = vec![0.0; self.b.len()];
        self.a.apply(&z, &mut residual);
        residual.iter_mut().zip(self.b).for_each(|(r, b)| *r = b - *r);
        let log_prior = self.prior.value(&z);
        let value = 0.5 * linalg::dot(&residual, &residual) - log_prior;
        Here { z, residual, log_prior, value: if value.is_nan() { f64::INFINITY } else { value } }
    }

    /// −∇F, and the sum of the sizes of its two parts.
    pub fn downhill(&self, here: &Here) -> Result<(Vec<f64>, f64)> {
        let mut gradient = vec![0.0; here.z.len()];
        self.a.apply_adjoint(&here.residual, &mut gradient);
        let prior = gradient_of(self.prior, &here.z);
        if let Some(index) = prior.iter().position(|g| !g.is_finite()) {
            return Err(Error::NonFinite { what: "the gradient of the log prior", index: Size::Entry(index) });
        }
        let size = linalg::norm(&gradient) + linalg::norm(&prior);
        linalg::add_scaled(&mut gradient, 1.0, &prior);
        match gradient.iter().position(|g| !g.is_finite()) {
            Some(index) => Err(Error::NonFinite { what: "a product with Aᵀ", index: Size::Entry(index) }),
            None => Ok((gradient, size)),
        }
    }

    /// D; with ∇log p given, the diagonal of a majoriser: what is negative is replaced, and what stands beside it is made up for.
    pub fn curvature(&self, z: &[f64], gradient: Option<&[f64]>) -> Result<Curvature> {
        let n = z.len();
        let (mut diagonal, mut beside, mut below) = (vec![0.0; n], vec![0.0; n], Vec::new());
        let mut bad = None;
        self.prior.curvature(z, &mut |i, j, value| {
            if i >= n || j > i || !value.is_finite() {
                bad = Some((i, j));
            } else if i == j {
                diagonal[j] += value;
            } else if gradient.is_none() {
                below.push((i, j, value));
            } else {
                beside[i] += f64::abs(value);
                beside[j] += f64::abs(value);
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
        if let Some(gradient) = gradient {
            for j in 0..n {
                let weight = -gradient[j] / z[j];
                let d = diagonal[j];
                diagonal[j] = if weight.is_finite() && weight > d.max(0.0) { weight } else { d.abs() } + beside[j];
            }
        }
        Ok(Curvature { diagonal, below })
    }

    /// A point with Armijo's decrease along p, and how far it is.
    pub fn search(&self, here: &Here, p: &[f64], slope: f64) -> Option<(Here, f64)> {
        let mut length = 1.0;
        while slope > 0.0 && length > 1e-12 {
            let there = self.at(here.z.iter().zip(p).map(|(z, p)| z + length * p).collect());
            if there.value <= here.value - ARMIJO * length * slope && there.value < here.value {
                return Some((there, length));
            }
            length *= 0.5;
        }
        None
    }
}

pub(super) fn gradient_of(prior: &dyn LogPrior, z: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; z.len()];
    prior.gradient(z, &mut gradient);
    gradient
}

/// The gradient against differences of the value and the curvature against differences of the gradient, along random directions
/// at points near the start. Two mismatches of three condemn: one may be a corner.
fn check_derivatives(prior: &dyn LogPrior, start: &[f64]) -> Result<()> {
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
