//! Ursell's equation: ∫₀¹ f(t)/(s + t + 1) dt = 1 for 0 ≤ s ≤ 1. It has no square-integrable solution.
//!
//! Galerkin's method with orthonormal box functions, all integrals in closed form: A is a Hankel matrix. F. Ursell 1974,
//! Introduction to the theory of linear integral equations, in Delves and Walsh (eds.), Numerical Solution of Integral
//! Equations.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;

/// Ursell's problem at order n: what a rule makes of data that no solution of bounded norm explains.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for n = 0.
///
/// ```
/// assert!(wellposed::gallery::ursell(16)?.x.is_none());
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn ursell(n: usize) -> Result<TestProblem> {
    check_order(n, 1)?;
    let order = n as f64;
    // n·(f(d + 1/n) + f(d − 1/n) − 2f(d)) for f(d) = d·log d and d = 1 + (i + j + 1)/n, without cancellation: with r = 1/(nd),
    // (1 + r)·log(1 + r) + (1 − r)·log(1 − r) = log(1 − r²) + 2r·artanh r
    let a = Forward::from_fn(n, n, |i, j| {
        let d = 1.0 + (i + j + 1) as f64 / order;
        let r = 1.0 / (order * d);
        order * d * ((-r * r).ln_1p() + 2.0 * r * r.atanh())
    });
    Ok(TestProblem {
        name: "ursell",
        a,
        b: vec![1.0 / order.sqrt(); n],
        x: None,
        facts: Facts {
            models: "an equation without a square-integrable solution",
            ill_posedness: IllPosedness::Severe,
            derivative: 0,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "F. Ursell, in Delves and Walsh (eds.), Numerical Solution of Integral Equations (1974)",
        },
    })
}
