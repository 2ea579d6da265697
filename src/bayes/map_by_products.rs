//! The mode of a posterior with any log prior, by products with A alone.
//!
//! minimise F(z) = ‖Āz − b̄‖²/2 − log p(z), the rows whitened by the noise (s = 1), z = x − x₀.
//!
//! Newton's method as in [`map`](super::map), with its equations solved by conjugate gradients to as many digits as the gradient has
//! found so far (Dembo, Eisenstat, Steihaug 1982, doi:10.1137/0719025):
//!
//! ```text
//! (ĀᵀĀ + D)p = Āᵀ(b̄ − Āz) + ∇log p(z)        preconditioned by diag(D) + tr(ĀᵀĀ)/n
//! ```
//! D is the curvature −∇²log p where all directions that the iteration meets curve upwards, and the diagonal majoriser of [`map`](super::map)
//! elsewhere; a line search with Armijo's condition does the rest. There is no determinant: no evidence, no standard deviations.
//!
//! Cost: two products for each step of conjugate gradients, one of a line search; 6 vectors of length n, 3 of length m, and the entries that
//! the prior visits. When to prefer [`map`](super::map): where n² numbers fit.

use super::energy::{Curvature, Energy, GRADIENT, Here, gradient_of, not_converged, not_positive};
use super::map::{Mode, STEPS};
use crate::error::Result;
use crate::linalg;
use crate::log_prior::LogPrior;
use crate::operator::Operator;
use crate::random::Random;

/// Steps of conjugate gradients for one p. A choice.
const INNER: usize = 1000;
/// Random vectors for tr ĀᵀĀ, of which a rough value will do.
const PROBES: usize = 4;
/// Relative changes of F that are its rounding.
const FLAT: f64 = 1e-10;

struct ByProducts<'p> {
    energy: Energy<'p>,
    /// tr(ĀᵀĀ)/n.
    mean_square: f64,
}

/// The mode that is reached from `start`. `rounding` is what the products lose: a gradient as small as that is enough.
pub(crate) fn mode(a: &dyn Operator<Scalar = f64>, b: &[f64], prior: &dyn LogPrior, start: &[f64], rounding: f64) -> Result<Mode> {
    let energy = Energy { a, b, prior };
    let mut here = energy.begin(start)?;
    let (m, n) = a.shape();
    let mut random = Random::new(11);
    let (mut probe, mut image) = (Vec::new(), vec![0.0; m]);
    let mut trace = 0.0;
    for _ in 0..PROBES {
        probe = (0..n).map(|_| if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect::<Vec<f64>>();
        a.apply(&probe, &mut image);
        trace += linalg::dot(&image, &image) / PROBES as f64;
    }
    drop(probe);
    let products = ByProducts { energy, mean_square: trace / n.max(1) as f64 };
    let energy = &products.energy;
    let enough = GRADIENT.max(rounding);
    let mut relative = f64::INFINITY;
    for steps in 0..STEPS {
        let (gradient, size) = energy.downhill(&here)?;
        relative = linalg::norm(&gradient) / size.max(f64::MIN_POSITIVE);
        if relative <= enough {
            // a saddle has no gradient either
            if products.newton(&here.z, &gradient, 0.1)?.is_none() {
                return Err(not_converged(steps, relative));
            }
            return Ok(conclude(here, relative, steps));
        }
        // superlinear: the nearer, the more digits
        let forcing = relative.sqrt().min(0.1);
        let newton = products.newton(&here.z, &gradient, forcing)?;
        let mut next = newton.as_ref().and_then(|p| energy.search(&here, p, linalg::dot(p, &gradient)));
        if next.as_ref().is_none_or(|(_, length)| *length < 0.25) {
            // the majoriser's step is safe, where Newton's is of little use
            let curvature = energy.curvature(&here.z, Some(&gradient_of(prior, &here.z)))?;
            let Some(p) = products.step(&curvature, &gradient, forcing) else { return Err(not_positive()) };
            let safe = energy.search(&here, &p, linalg::dot(&p, &gradient));
            next = match (safe, next) {
                (Some(safe), Some(next)) => Some(if safe.0.value < next.0.value { safe } else { next }),
                (safe, next) => safe.or(next),
            };
        }
        here = match (next, newton) {
            (Some((there, _)), _) => there,
            // F is at rounding level: what the gradient says decides
            (None, Some(p)) => {
                let there = energy.at(here.z.iter().zip(&p).map(|(z, p)| z + p).collect());
                let flat = there.value - here.value <= FLAT * (1.0 + here.value.abs());
                let (gradient, size) = energy.downhill(&there)?;
                if !(flat && linalg::norm(&gradient) < 0.5 * relative * size) {
                    return Err(not_converged(steps, relative));
                }
                there
            }
            (None, None) => return Err(not_converged(steps, relative)),
        };
    }
    Err(not_converged(STEPS, relative))
}

impl ByProducts<'_> {
    /// Newton's step; `None` where a direction that it meets does not curve upwards.
    fn newton(&self, z: &[f64], gradient: &[f64], forcing: f64) -> Result<Option<Vec<f64>>> {
        Ok(self.step(&self.energy.curvature(z, None)?, gradient, forcing))
    }

    /// Conjugate gradients for (ĀᵀĀ + D)p = gradient, to a residual of `forcing` times it.
    fn step(&self, curvature: &Curvature, gradient: &[f64], forcing: f64) -> Option<Vec<f64>> {
        let n = gradient.len();
        let inverse: Vec<f64> =
            curvature.diagonal.iter().map(|d| d + self.mean_square).map(|d| if d > 0.0 { 1.0 / d } else { 1.0 }).collect();
        let preconditioned = |r: &[f64]| r.iter().zip(&inverse).map(|(r, s)| r * s).collect::<Vec<f64>>();
        let (mut p, mut residual) = (vec![0.0; n], gradient.to_vec());
        let mut s = preconditioned(&residual);
        let mut direction = s.clone();
        let mut rho = linalg::dot(&residual, &s);
        let goal = forcing * linalg::norm(gradient);
        let (mut image, mut product) = (vec![0.0; self.energy.b.len()], vec![0.0; n]);
        for _ in 0..INNER {
            if linalg::norm(&residual) <= goal {
                break;
            }
            self.energy.a.apply(&direction, &mut image);
            self.energy.a.apply_adjoint(&image, &mut product);
            for j in 0..n {
                product[j] += curvature.diagonal[j] * direction[j];
            }
            for &(i, j, value) in &curvature.below {
                product[i] += value * direction[j];
                product[j] += value * direction[i];
            }
            let bend = linalg::dot(&direction, &product);
            // NaN does not curve upwards
            if !(bend > 0.0) {
                return None;
            }
            let length = rho / bend;
            linalg::add_scaled(&mut p, length, &direction);
            linalg::add_scaled(&mut residual, -length, &product);
            s = preconditioned(&residual);
            let next = linalg::dot(&residual, &s);
            let keep = next / rho;
            direction.iter_mut().zip(&s).for_each(|(d, s)| *d = s + keep * *d);
            rho = next;
        }
        // what INNER steps leave open is a descent direction all the same
        p.iter().all(|v| v.is_finite()).then_some(p)
    }
}

fn conclude(here: Here, gradient: f64, steps: usize) -> Mode {
    Mode { residual_norm: linalg::norm(&here.residual), log_prior: here.log_prior, gradient, steps, laplace: None, z: here.z }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayes::map;
    use crate::linalg::Threads;
    use crate::log_prior::Prior;
    use crate::operator::DenseView;

    /// A Gaussian that ties neighbours together: curvature beside the diagonal.
    struct Chain;
    impl LogPrior for Chain {
        fn value(&self, z: &[f64]) -> f64 {
            -0.5 * z.iter().map(|z| z * z).sum::<f64>() - 2.0 * z.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>()
        }
        fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
            gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -z);
            for k in 1..z.len() {
                let pull = 4.0 * (z[k] - z[k - 1]);
                gradient[k] -= pull;
                gradient[k - 1] += pull;
            }
        }
        fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
            (0..z.len()).for_each(|k| visit(k, k, 1.0));
            for k in 1..z.len() {
                visit(k, k, 4.0);
                visit(k - 1, k - 1, 4.0);
                visit(k, k - 1, -4.0);
            }
        }
    }

    /// The mode is that of the method with n×n matrices, from the same start.
    #[test]
    fn modes_of_the_dense_method() {
        let mut random = Random::new(4);
        for (m, n) in [(30, 12), (8, 20)] {
            let a: Vec<f64> = random.scalars(m * n);
            let b: Vec<f64> = (0..m).map(|i| 3.0 * a[i] - 2.0 * a[2 * m + i] + 0.1 * random.uniform()).collect();
            let view = DenseView::column_major(&a, m, n).unwrap();
            let start: Vec<f64> = (0..n).map(|_| random.uniform() - 0.5).collect();
            let gaussian = Prior::gaussian(0.7);
            let (laplace, student) = (Prior::laplace(0.5), Prior::student_t(3.0, 0.5));
            let priors: [(&str, &dyn LogPrior); 4] =
                [("Gaussian", &gaussian), ("Laplace", &laplace), ("Student", &student), ("chain", &Chain)];
            for (name, prior) in priors {
                let what = format!("{name}, {m}×{n}");
                let expected = map::mode(view.matrix(), &b, prior, &start, Threads::ONE).unwrap_or_else(|e| panic!("{what}: {e}"));
                let found = mode(&view, &b, prior, &start, 1e-13).unwrap_or_else(|e| panic!("{what}: {e}"));
                let value = |mode: &Mode| 0.5 * mode.residual_norm.powi(2) - mode.log_prior;
                assert!(found.gradient <= GRADIENT, "{what}");
                // where −log p is not convex the two may go to different modes: only a worse one would be a fault of this method
                if name == "Student" {
                    assert!(value(&found) <= value(&expected) + 1e-2 * value(&expected).abs(), "{what}");
                    continue;
                }
                assert!((value(&found) - value(&expected)).abs() <= 1e-10 * (1.0 + value(&expected).abs()), "{what}");
                let scale = linalg::norm(&expected.z);
                for (f, e) in found.z.iter().zip(&expected.z) {
                    assert!((f - e).abs() <= 1e-6 * scale, "{what}: {f} is not {e}");
                }
                assert!(found.laplace.is_none());
            }
        }
    }
}
