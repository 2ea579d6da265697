//! Baart's equation: ∫₀^π exp(s·cos t) f(t) dt = 2·sinh(s)/s for 0 ≤ s ≤ π/2, with f(t) = sin t.
//!
//! Galerkin's method with orthonormal box functions: the integrals over s in closed form, those over t by Simpson's rule.
//! M. L. Baart 1982, IMA J. Numer. Anal. 2:241.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;
use core::f64::consts::{PI, SQRT_2};

/// Baart's problem at an even order n: about ten singular values above rounding, and a sine for a solution.
///
/// Both sides are discretized: ‖Ax − b‖/‖b‖ is 8e-5 at n = 64.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless n is even and at least 2.
///
/// ```
/// let problem = wellposed::gallery::baart(32)?;
/// assert_eq!(problem.b.len(), 32);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn baart(n: usize) -> Result<TestProblem> {
    check_order(n, 2)?;
    let (hs, ht) = (PI / (2 * n) as f64, PI / n as f64);
    // ∫ exp(s·cosine) ds over cell i
    let integral = |i: usize, cosine: f64| {
        let start = (i as f64 * hs * cosine).exp();
        if cosine == 0.0 { hs } else { start * (hs * cosine).exp_m1() / cosine }
    };
    let a = Forward::from_fn(n, n, |i, j| {
        let at = |quarters: f64| integral(i, ((j as f64 + quarters) * ht).cos());
        (at(0.0) + 4.0 * at(0.5) + at(1.0)) / (3.0 * SQRT_2)
    });
    let half_right_side = |s: f64| if s == 0.0 { 1.0 } else { s.sinh() / s };
    let b = (0..n)
        .map(|i| {
            let at = |quarters: f64| half_right_side((i as f64 + quarters) * hs);
            (at(0.0) + 4.0 * at(0.5) + at(1.0)) * hs.sqrt() / 3.0
        })
        .collect();
    // cos t − cos(t + h) without cancellation
    let x = (0..n).map(|j| 2.0 * ((j as f64 + 0.5) * ht).sin() * (0.5 * ht).sin() / ht.sqrt()).collect();
    Ok(TestProblem {
        name: "baart",
        a,
        b,
        x: Some(x),
        facts: Facts {
            models: "a Fredholm equation of the first kind with the kernel exp(s cos t)",
            ill_posedness: IllPosedness::Severe,
            derivative: 2,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "M. L. Baart, IMA J. Numer. Anal. 2 (1982) 241",
        },
    })
}
