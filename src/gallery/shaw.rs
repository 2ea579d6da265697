//! Shaw's image restoration: ∫ K(s, t) f(t) dt = g(s) on [−π/2, π/2] with K(s, t) = (cos s + cos t)²·(sin u/u)² and
//! u = π(sin s + sin t): brightness g at an angle s behind a slit lit by a source f at angles t.
//!
//! Midpoint rule. f is the sum of two Gaussians. C. B. Shaw, Jr. 1972, J. Math. Anal. Appl. 37:83.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order, midpoints};
use crate::operator::Boundary;
use core::f64::consts::{FRAC_PI_2, PI};

/// Shaw's problem at an even order n: severely ill-posed, about 20 singular values above rounding.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless n is even and at least 2.
///
/// ```
/// let problem = wellposed::gallery::shaw(32)?;
/// assert_eq!(problem.facts.derivative, 1);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn shaw(n: usize) -> Result<TestProblem> {
    check_order(n, 2)?;
    let t = midpoints(n, -FRAC_PI_2, FRAC_PI_2);
    let h = PI / n as f64;
    let a = Forward::from_fn(n, n, |i, j| {
        // exactly opposite angles
        let u = if i + j + 1 == n { 0.0 } else { PI * (t[i].sin() + t[j].sin()) };
        let slit = if u == 0.0 { 1.0 } else { u.sin() / u };
        h * ((t[i].cos() + t[j].cos()) * slit).powi(2)
    });
    let x = t.iter().map(|t| 2.0 * (-6.0 * (t - 0.8).powi(2)).exp() + (-2.0 * (t + 0.5).powi(2)).exp()).collect();
    let facts = Facts {
        models: "the brightness of a source, from that behind a slit",
        ill_posedness: IllPosedness::Severe,
        derivative: 1,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Line(n),
        data: Layout::Line(n),
        reference: "C. B. Shaw, Jr., J. Math. Anal. Appl. 37 (1972) 83",
    };
    Ok(TestProblem::consistent("shaw", a, x, facts))
}
