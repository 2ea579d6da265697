//! The inverse heat equation, a Volterra equation: ∫₀ˢ k(s − t) f(t) dt = g(s) on [0, 1] with
//! k(t) = t^(−3/2)·exp(−1/(4κ²t))/(2κ√π).
//!
//! f is the temperature at the far side, g what arrives. Midpoint rule: A is a lower triangular Toeplitz matrix. A. S. Carasso 1982,
//! SIAM J. Appl. Math. 42:558; L. Eldén 1983, in Deuflhard and Hairer (eds.), Numerical Treatment of Inverse Problems in
//! Differential and Integral Equations.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order, check_positive};
use crate::operator::Boundary;
use core::f64::consts::PI;

/// The inverse heat equation at an even order n. κ = 1 is ill-conditioned, κ = 5 hardly; x is zero in the second half.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless n is even and at least 2, and κ positive and finite.
///
/// ```
/// use wellposed::gallery::heat;
/// let (hard, easy) = (heat(32, 1.0)?, heat(32, 5.0)?);
/// assert_eq!(hard.x, easy.x);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn heat(n: usize, kappa: f64) -> Result<TestProblem> {
    check_order(n, 2)?;
    check_positive("the conductivity κ", kappa)?;
    let h = 1.0 / n as f64;
    let kernel: Vec<f64> = (0..n)
        .map(|i| {
            let t = (i as f64 + 0.5) * h;
            h / (2.0 * kappa * PI.sqrt()) * t.powf(-1.5) * (-1.0 / (4.0 * kappa * kappa * t)).exp()
        })
        .collect();
    let a = Forward::from_fn(n, n, |i, j| if i >= j { kernel[i - j] } else { 0.0 });
    let value = |i: usize| {
        let t = (i as f64 + 1.0) * 20.0 / n as f64;
        match t {
            _ if i >= n / 2 => 0.0,
            t if t < 2.0 => 0.75 * t * t / 4.0,
            t if t < 3.0 => 0.75 + (t - 2.0) * (3.0 - t),
            t => 0.75 * (-2.0 * (t - 3.0)).exp(),
        }
    };
    let facts = Facts {
        models: "the temperature at one side of a conductor, from that at the other side",
        ill_posedness: if kappa < 3.0 { IllPosedness::Moderate } else { IllPosedness::Mild },
        derivative: 2,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Line(n),
        data: Layout::Line(n),
        reference: "A. S. Carasso, SIAM J. Appl. Math. 42 (1982) 558",
    };
    let name = if kappa == 5.0 { "heat-5" } else { "heat" };
    Ok(TestProblem::consistent(name, a, (0..n).map(value).collect(), facts))
}
