//! The L-curve: the corner of (log ‖Ax − b‖, log ‖Lx‖).
//!
//! *Maximum curvature*, in closed form. With ρ = ‖Ax − b‖², η = ‖Lx‖² and η' = dη/d√λ (Hansen, O'Leary 1993,
//! doi:10.1137/0914086; Hansen
//! 2000), the curvature of (½log ρ, ½log η) is
//!
//! ```text
//! κ = −2(ηρ/η')·[λη'ρ + 2√λ·ηρ + λ²ηη'] / (λ²η² + ρ²)^{3/2}
//! ```
//! in our λ, the square of that paper's: λ² in the denominator is its λ⁴. (Copies with a square too few abound; κ is
//! compared with finite differences in
//! the tests.) Here with a = λη/ρ and s = d(log η)/d(log λ), both without units: κ = −2a(1 + s(1 + a)) / (s(1 + a²)^{3/2}).
//!
//! *Corners of a discrete L-curve*, on 200 points or on the truncations of an SVD: adaptive pruning and the triangle method, see
//! [`corner`](super::corner).
//!
//! λ between the singular values only, max(σ_min, 16ε·σ₁) ≤ √λ ≤ σ₁: beyond them the curve has corners that mean nothing.

use super::corner;
use super::search::{Ends, maximise_values};
use super::{Chosen, no_interval};
use crate::curve::{Curve, Point};
use crate::error::{Error, Result};
use crate::warning::Warning;

/// Points at which a discrete corner method looks at the curve: as many as Regularization Tools takes.
const POINTS: usize = 200;

/// The L-curve's point of maximum curvature; no noise level is needed.
///
/// It withstands correlated noise, which misleads cross-validation, and tends to smooth too much as the data grow better. A
/// curve without a
/// corner has no convex stretch: that is an error.
///
/// Source: Hansen, O'Leary 1993, doi:10.1137/0914086.
///
/// ```
/// use wellposed::{DenseView, LCurve, ridge};
/// let a: Vec<f64> = (0..64).map(|k| 1.0 / (1.0 + (k % 8) as f64 + (k / 8) as f64)).collect();
/// let b: Vec<f64> = (0..8).map(|i| 1.0 + 0.01 * (i as f64).sin()).collect();
/// let a = DenseView::column_major(&a, 8, 8)?;
/// let fit = ridge(&a, &b, LCurve)?;
/// let corner = ridge(&a, &b, LCurve::pruning())?;
/// assert!(fit.lambda > 0.0 && corner.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LCurve;

/// What [`LCurve::pruning`] and [`LCurve::triangle`] make: a corner of the L-curve as a chain of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LCurveCorner {
    pub(crate) method: CornerMethod,
}

/// How a corner is found among points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CornerMethod {
    Pruning,
    Triangle,
}

impl LCurve {
    /// The corner by adaptive pruning: robust against small local corners.
    ///
    /// Source: Hansen, Jensen, Rodriguez 2007, doi:10.1016/j.cam.2005.09.026.
    pub fn pruning() -> LCurveCorner {
        LCurveCorner { method: CornerMethod::Pruning }
    }

    /// The corner by the triangle method: the sharpest angle that a point makes with one before it and the last one.
    ///
    /// Source: Castellanos, Gómez, Guerra 2002, doi:10.1016/S0168-9274(01)00179-9.
    pub fn triangle() -> LCurveCorner {
        LCurveCorner { method: CornerMethod::Triangle }
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        if !curve.is_tikhonov() {
            return Err(Error::Unsupported {
                what: "the closed form of the L-curve's curvature",
                with: "another filter than Tikhonov's",
                instead: "use LCurve::pruning(), LCurve::triangle() or Gcv",
            });
        }
        let (low, high) = curve.inside();
        let value = |damping: f64| curvature(&curve.at(damping), damping);
        let chosen = maximise_values((low, high), Ends::LastResort, &value).ok_or_else(|| no_interval("L-curve"))?;
        if chosen.value > 0.0 { Ok(chosen) } else { Err(no_corner("L-curve", low, high)) }
    }
}

impl LCurveCorner {
    pub(crate) fn name(self) -> &'static str {
        match self.method {
            CornerMethod::Pruning => "L-curve (pruning)",
            CornerMethod::Triangle => "L-curve (triangle)",
        }
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let (low, high) = curve.inside();
        if high == 0.0 {
            return Err(no_interval(self.name()));
        }
        // from large λ to small ones: residual norms fall, penalty norms rise, as with a growing number of singular values
        let step = (low / high).ln() / (POINTS - 1) as f64;
        let dampings: Vec<f64> = (0..POINTS).map(|k| if k + 1 == POINTS { low } else { high * (step * k as f64).exp() }).collect();
        let points: Vec<(f64, f64)> = dampings
            .iter()
            .map(|&damping| {
                let point = curve.at(damping);
                (0.5 * point.residual.value.log10(), 0.5 * point.penalty.value.log10())
            })
            .collect();
        let index = self.corner(&points).ok_or_else(|| no_corner(self.name(), low, high))?;
        let damping = dampings[index];
        let evaluated = |&damping: &f64| Some((damping, curvature(&curve.at(damping), damping)?));
        let mut chosen = Chosen {
            damping,
            value: curvature(&curve.at(damping), damping).unwrap_or(0.0),
            evaluated: dampings.iter().rev().filter_map(evaluated).collect(),
            ..Chosen::default()
        };
        if index == 0 || index + 1 == POINTS {
            chosen.warnings.push(Warning::EdgeOfInterval { lambda: damping * damping, upper: index == 0 });
        }
        Ok(chosen)
    }

    /// The corner among points (log residual norm, log penalty norm) by falling residual norm.
    pub(crate) fn corner(self, points: &[(f64, f64)]) -> Option<usize> {
        match self.method {
            CornerMethod::Pruning => corner::pruning(points),
            CornerMethod::Triangle => corner::triangle(points),
        }
    }
}

pub(crate) fn no_corner(rule: &'static str, low: f64, high: f64) -> Error {
    Error::NoLambda {
        rule,
        low: low * low,
        high: high * high,
        why: "the L-curve has no corner there; use Gcv, QuasiOptimality or a noise level".into(),
    }
}

/// κ of (½log ρ, ½log η); `None` where a norm is 0.
pub(crate) fn curvature(point: &Point, damping: f64) -> Option<f64> {
    let (rho, eta) = (point.residual, point.penalty);
    // λη/ρ without the square of a damping that could overflow
    let root = damping * eta.value.sqrt() / rho.value.sqrt();
    let (a, s) = (root * root, eta.slope / eta.value);
    let size = (1.0 + a * a).sqrt();
    // divided in this order, a large a does not overflow
    let kappa = -2.0 * (a / size) * ((1.0 + s + s * a) / size) / s / size;
    kappa.is_finite().then_some(kappa)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Spectrum;

    /// The closed form of the curvature equals finite differences of the log-log curve: the wrong power of λ, which many
    /// copies have, does not.
    #[test]
    fn curvature_is_that_of_the_curve() {
        let s = Spectrum {
            values: (0..12).map(|i| 3.0 * 0.3f64.powi(i)).collect(),
            coefficients: (0..12).map(|i| 2.0 * 0.25f64.powi(i) + 1e-3).collect(),
            outside: 1e-5,
            rows: 20,
            unpenalised: 1,
            tolerance: 0.0,
        };
        let mut largest = 0.0f64;
        for k in 0..40 {
            let t = -18.0 + 0.5 * k as f64;
            let at = |t: f64| {
                let point = s.at((0.5f64 * t).exp());
                (0.5 * point.residual.value.ln(), 0.5 * point.penalty.value.ln())
            };
            // five points: the error of the second difference is of fourth order in h
            let h = 0.02;
            let p = [at(t - 2.0 * h), at(t - h), at(t), at(t + h), at(t + 2.0 * h)];
            let first = |q: [f64; 5]| (q[0] - 8.0 * q[1] + 8.0 * q[3] - q[4]) / (12.0 * h);
            let second = |q: [f64; 5]| (-q[0] + 16.0 * q[1] - 30.0 * q[2] + 16.0 * q[3] - q[4]) / (12.0 * h * h);
            let (u, v) = (p.map(|q| q.0), p.map(|q| q.1));
            let speed = first(u).hypot(first(v));
            let expected = (first(u) * second(v) - second(u) * first(v)) / speed.powi(3);
            let damping = (0.5 * t).exp();
            let found = curvature(&s.at(damping), damping).unwrap();
            assert!((found - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "t = {t}: {found} {expected}");
            largest = largest.max(found);
        }
        assert!(largest > 0.1, "the curve has a corner");
    }
}
