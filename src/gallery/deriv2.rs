//! The second derivative: ∫₀¹ K(s, t) f(t) dt = g(s) with the Green's function K(s, t) = s(t − 1) for s < t and t(s − 1)
//! otherwise, so that g'' = f and g(0) = g(1) = 0.
//!
//! Galerkin's method with orthonormal box functions, all integrals in closed form. The singular values are close to
//! 1/(πi)². L. M. Delves and J. L. Mohamed 1985, Computational Methods for Integral Equations, p. 310 (the first two
//! solutions); A. K. Louis and P. Maass 1990, Inverse Problems 6:427 (the third).

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;
use core::f64::consts::E;

/// The solution of [`deriv2`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deriv2 {
    /// f(t) = t, g(s) = (s³ − s)/6. Example 1 of Regularization Tools.
    Linear,
    /// f(t) = exp(t), g(s) = exp(s) + (1 − e)s − 1. Example 2.
    Exponential,
    /// f(t) = t up to 1/2 and 1 − t from there on. Example 3; n must be even.
    Tent,
}

/// The second derivative of a function, by inverting two integrations, at order n: moderately ill-posed.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for n = 0, or an odd n for [`Deriv2::Tent`].
///
/// ```
/// use wellposed::gallery::{Deriv2, deriv2};
/// let problem = deriv2(32, Deriv2::Tent)?;
/// assert_eq!(problem.name, "deriv2-tent");
/// assert!(deriv2(33, Deriv2::Tent).is_err());
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn deriv2(n: usize, solution: Deriv2) -> Result<TestProblem> {
    check_order(n, if solution == Deriv2::Tent { 2 } else { 1 })?;
    let h = 1.0 / n as f64;
    // i and j from 1, the midpoint of cell i at (i − 1/2)h
    let a = Forward::from_fn(n, n, |row, column| {
        let (i, j) = (row.max(column) as f64 + 1.0, row.min(column) as f64 + 1.0);
        if row == column { h * h * ((i * i - i + 0.25) * h - (i - 2.0 / 3.0)) } else { h * h * (j - 0.5) * ((i - 0.5) * h - 1.0) }
    });
    let root = h.sqrt();
    let exponential = |i: f64| ((i - 1.0) * h).exp() * h.exp_m1();
    let middle = n as f64 / 2.0;
    let cell = |i: f64| {
        let (end, start) = (i * h, (i - 1.0) * h);
        match solution {
            Deriv2::Linear => {
                let b = h * root * (i - 0.5) * ((i * i + (i - 1.0).powi(2)) * h * h / 2.0 - 1.0) / 6.0;
                (b, h * root * (i - 0.5))
            }
            Deriv2::Exponential => {
                let f = exponential(i);
                ((f + (1.0 - E) * (i - 0.5) * h * h - h) / root, f / root)
            }
            Deriv2::Tent => {
                let (sum, difference) = (end * end + start * start, (2.0 * i - 1.0) * h * h);
                if i <= middle {
                    (((sum - 1.5) * difference) / (24.0 * root), difference / (2.0 * root))
                } else {
                    let cubes = end.powi(3) - start.powi(3);
                    ((-sum * difference + 4.0 * cubes - 4.5 * difference + h) / (24.0 * root), (h - difference / 2.0) / root)
                }
            }
        }
    };
    let (b, x) = (1..=n).map(|i| cell(i as f64)).unzip();
    let (name, derivative) = match solution {
        Deriv2::Linear => ("deriv2-linear", 2),
        Deriv2::Exponential => ("deriv2-exponential", 2),
        Deriv2::Tent => ("deriv2-tent", 0),
    };
    Ok(TestProblem {
        name,
        a,
        b,
        x: Some(x),
        facts: Facts {
            models: "the second derivative of a function that vanishes at both ends",
            ill_posedness: IllPosedness::Moderate,
            derivative,
            boundary: Boundary::Free,
            // the box functions hold the moments of a line exactly
            consistent: solution == Deriv2::Linear,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "L. M. Delves and J. L. Mohamed, Computational Methods for Integral Equations (1985) p. 310; \
                        A. K. Louis and P. Maass, Inverse Problems 6 (1990) 427",
        },
    })
}
