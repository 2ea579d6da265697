//! Stellar parallaxes: the true distribution f of parallaxes from the measured one g, ∫ K(s, t) f(t) dt = g(s) with
//! K(s, t) = exp(−((s − t)/σ)²/2)/(σ√(2π)) and σ = 0.014234″, for 0 ≤ t ≤ 0.1 and −0.03 ≤ s ≤ 0.1.
//!
//! Galerkin's method with orthonormal box functions; the integrals over a cell by the product of Simpson's rule with itself. The
//! right-hand side is a histogram of 640 measured parallaxes in 26 classes. W. M. Smart 1938, Stellar Dynamics, p. 30.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;
use core::f64::consts::PI;

/// Number of stars in each class.
const STARS: [f64; 26] = [
    3.0, 7.0, 7.0, 17.0, 27.0, 39.0, 46.0, 51.0, 56.0, 50.0, 43.0, 45.0, 43.0, 32.0, 33.0, 29.0, 21.0, 12.0, 17.0, 13.0, 15.0, 12.0, 6.0,
    6.0, 5.0, 5.0,
];

/// The distribution of stellar parallaxes in n classes from 26 observed ones: real data, with their noise; x is not known.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for n = 0.
///
/// ```
/// let problem = wellposed::gallery::parallax(20)?;
/// assert_eq!((problem.b.len(), problem.x), (26, None));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn parallax(n: usize) -> Result<TestProblem> {
    check_order(n, 1)?;
    let (m, sigma) = (STARS.len(), 0.014234);
    let (hs, ht) = (0.130 / m as f64, 0.1 / n as f64);
    let kernel = |s: f64, t: f64| (-0.5 * ((s - t) / sigma).powi(2)).exp();
    let a = Forward::from_fn(m, n, |i, j| {
        let mut sum = 0.0;
        for (quarters, weight) in [(0.0, 1.0), (0.5, 4.0), (1.0, 1.0)] {
            let s = -0.03 + (i as f64 + quarters) * hs;
            for (quarters, other) in [(0.0, 1.0), (0.5, 4.0), (1.0, 1.0)] {
                sum += weight * other * kernel(s, (j as f64 + quarters) * ht);
            }
        }
        (hs * ht).sqrt() / (36.0 * sigma * (2.0 * PI).sqrt()) * sum
    });
    Ok(TestProblem {
        name: "parallax",
        a,
        b: STARS.iter().map(|stars| stars / (hs.sqrt() * 640.0)).collect(),
        x: None,
        facts: Facts {
            models: "the distribution of stellar parallaxes, from 26 classes of measured ones",
            ill_posedness: IllPosedness::Severe,
            derivative: 2,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(m),
            reference: "W. M. Smart, Stellar Dynamics (1938) p. 30",
        },
    })
}
