//! Wing's equation: ∫₀¹ t·exp(−st²) f(t) dt = (exp(−st₁²) − exp(−st₂²))/(2s) for 0 < s < 1, with f = 1 between t₁ and t₂ and
//! 0 elsewhere.
//!
//! Galerkin's method with orthonormal box functions; integrals by the midpoint rule. G. M. Wing and J. D. Zahrt 1991, A Primer on
//! Integral Equations of the First Kind, p. 109.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order, midpoints};
use crate::error::Error;
use crate::operator::Boundary;

/// Wing's problem at order n: a box from `start` to `end` (1/3 and 2/3 in Regularization Tools) whose edges leave next to
/// nothing in the data. Fewer than ten singular values are above rounding.
///
/// Both sides are discretized, and the edges fall inside cells: ‖Ax − b‖/‖b‖ is 3e-2 at n = 64.
///
/// # Errors
/// [`Error::Parameter`] for n = 0, or unless 0 ≤ start < end ≤ 1.
///
/// ```
/// let problem = wellposed::gallery::wing(30, 0.4, 0.8)?;
/// assert_eq!(problem.x.map(|x| (x[11] > 0.0, x[12] > 0.0)), Some((false, true)));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn wing(n: usize, start: f64, end: f64) -> Result<TestProblem> {
    check_order(n, 1)?;
    if !(0.0..=1.0).contains(&start) {
        return Err(Error::Parameter { name: "the start of the box", value: start, must_be: "between 0 and 1" });
    }
    if !(end > start && end <= 1.0) {
        return Err(Error::Parameter { name: "the end of the box", value: end, must_be: "above its start, and at most 1" });
    }
    let t = midpoints(n, 0.0, 1.0);
    let h = 1.0 / n as f64;
    let a = Forward::from_fn(n, n, |i, j| h * t[j] * (-t[i] * t[j] * t[j]).exp());
    // exp(−st₁²) − exp(−st₂²) without cancellation
    let b = t.iter().map(|&s| -h.sqrt() * 0.5 * (-s * start * start).exp() * (-s * (end * end - start * start)).exp_m1() / s).collect();
    let x = t.iter().map(|&t| if start < t && t < end { h.sqrt() } else { 0.0 }).collect();
    Ok(TestProblem {
        name: "wing",
        a,
        b,
        x: Some(x),
        facts: Facts {
            models: "a box behind a smooth kernel",
            ill_posedness: IllPosedness::Severe,
            derivative: 0,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "G. M. Wing and J. D. Zahrt, A Primer on Integral Equations of the First Kind (1991) p. 109",
        },
    })
}
