//! Phillips' equation: ∫ φ(s − t) f(t) dt = g(s) on [−6, 6] with φ(t) = 1 + cos(πt/3) for |t| < 3 and 0 beyond, f = φ and
//! g(s) = (6 − |s|)(1 + cos(πs/3)/2) + 9/(2π)·sin(π|s|/3).
//!
//! Galerkin's method with orthonormal box functions, all integrals in closed form: A is a symmetric banded Toeplitz
//! matrix. D. L. Phillips 1962, J. ACM 9:84, doi:10.1145/321105.321114.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;
use core::f64::consts::PI;

/// Phillips' problem at an order n that is a multiple of 4: moderately ill-posed, x a smooth bump between zeros.
///
/// Both sides are discretized: ‖Ax − b‖/‖b‖ is 1e-3 at n = 64.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless n is a multiple of 4 and at least 4.
///
/// ```
/// assert!(wellposed::gallery::phillips(32).is_ok());
/// assert!(wellposed::gallery::phillips(30).is_err());
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn phillips(n: usize) -> Result<TestProblem> {
    check_order(n, 4)?;
    let (h, quarter, c) = (12.0 / n as f64, n / 4, PI / 3.0);
    // ∫∫ φ over a pair of cells at distance kh, divided by h; 2cos θ − cos(θ − δ) − cos(θ + δ) = 4 cos θ sin²(δ/2)
    let bump = (c * h / 2.0).sin().powi(2) * 36.0 / (h * PI * PI);
    let row = |k: usize| match k {
        k if k < quarter => h + bump * (k as f64 * c * h).cos(),
        k if k == quarter => h / 2.0 - bump / 2.0,
        _ => 0.0,
    };
    let a = Forward::from_fn(n, n, |i, j| row(i.abs_diff(j)));
    // an antiderivative of g for s ≥ 0
    let integral = |s: f64| s * (6.0 - s / 2.0) + ((3.0 - s / 2.0) * (c * s).sin() - 2.0 / c * ((c * s).cos() - 1.0)) / c;
    // cell k right of the middle is the mirror of cell k left of it
    let from_middle = |i: usize| if i < n / 2 { n / 2 - 1 - i } else { i - n / 2 };
    let b = (0..n)
        .map(|i| {
            let k = from_middle(i) as f64;
            (integral((k + 1.0) * h) - integral(k * h)) / h.sqrt()
        })
        .collect();
    let x = (0..n)
        .map(|i| match from_middle(i) {
            k if k < quarter => (h + (((k + 1) as f64 * h * c).sin() - (k as f64 * h * c).sin()) / c) / h.sqrt(),
            _ => 0.0,
        })
        .collect();
    Ok(TestProblem {
        name: "phillips",
        a,
        b,
        x: Some(x),
        facts: Facts {
            models: "a convolution with a cosine bump",
            ill_posedness: IllPosedness::Moderate,
            derivative: 1,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "D. L. Phillips, J. ACM 9 (1962) 84",
        },
    })
}
