//! Fox and Goodwin's equation: ∫₀¹ √(s² + t²) f(t) dt = ((1 + s²)^(3/2) − s³)/3 for 0 ≤ s ≤ 1, with f(t) = t.
//!
//! Midpoint rule. It does not satisfy the discrete Picard condition: b has a part that A reaches by a large x only, left by
//! the quadrature. L. Fox and E. T. Goodwin 1953, Phil. Trans. R. Soc. Lond. A 245:501; C. T. H. Baker 1977, The Numerical Treatment of
//! Integral Equations, p. 665.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order, midpoints};
use crate::operator::Boundary;

/// Fox and Goodwin's problem at order n: severely ill-posed, x a straight line.
///
/// Both sides are discretized: ‖Ax − b‖/‖b‖ is 4e-5 at n = 64.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for n = 0.
///
/// ```
/// let problem = wellposed::gallery::foxgood(8)?;
/// assert_eq!(problem.x.as_ref().map(|x| x[7]), Some(0.9375));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn foxgood(n: usize) -> Result<TestProblem> {
    check_order(n, 1)?;
    let t = midpoints(n, 0.0, 1.0);
    let a = Forward::from_fn(n, n, |i, j| t[i].hypot(t[j]) / n as f64);
    let b = t.iter().map(|s| ((1.0 + s * s).powf(1.5) - s.powi(3)) / 3.0).collect();
    Ok(TestProblem {
        name: "foxgood",
        a,
        b,
        x: Some(t),
        facts: Facts {
            models: "a Fredholm equation of the first kind with the kernel √(s² + t²)",
            ill_posedness: IllPosedness::Severe,
            derivative: 2,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "L. Fox and E. T. Goodwin, Phil. Trans. R. Soc. Lond. A 245 (1953) 501",
        },
    })
}
