//! Gravity surveying: ∫₀¹ d·(d² + (s − t)²)^(−3/2) f(t) dt = g(s): the vertical field g at the surface of a mass f at depth d.
//!
//! Midpoint rule on [0, 1] for both variables: A is a symmetric Toeplitz matrix. The deeper the mass, the faster the
//! singular values decay. G. M. Wing and J. D. Zahrt 1991, A Primer on Integral Equations of the First Kind, p. 17.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_positive, midpoints};
use crate::error::Error;
use crate::operator::Boundary;
use core::f64::consts::PI;

/// The mass of [`gravity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gravity {
    /// sin(πt) + sin(2πt)/2. Example 1 of Regularization Tools.
    Sines,
    /// Rising to 2 in the first third, falling to 1 at 7/8, then to 0. Example 2.
    PiecewiseLinear,
    /// 2 in the first third, then 1. Example 3.
    PiecewiseConstant,
}

/// Mass at a `depth` d > 0 (1/4 in Regularization Tools) from its field at the surface, at order n ≥ 2: severely
/// ill-posed.
///
/// # Errors
/// [`Error::Parameter`] for n < 2, or a depth that is not positive and finite.
///
/// ```
/// use wellposed::gallery::{Gravity, gravity};
/// let problem = gravity(30, Gravity::PiecewiseConstant, 0.25)?;
/// assert_eq!(problem.x.map(|x| (x[9], x[10])), Some((2.0, 1.0)));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn gravity(n: usize, mass: Gravity, depth: f64) -> Result<TestProblem> {
    check_positive("the depth of the mass", depth)?;
    if n < 2 {
        return Err(Error::Parameter { name: "the order n of the test problem", value: n as f64, must_be: "at least 2" });
    }
    let t = midpoints(n, 0.0, 1.0);
    let h = 1.0 / n as f64;
    let a = Forward::from_fn(n, n, |i, j| h * depth / (depth * depth + (t[i] - t[j]).powi(2)).powf(1.5));
    // the corners, in numbers of points
    let (third, late) = ((n as f64 / 3.0).round(), (n as f64 * 7.0 / 8.0).round());
    let value = |i: usize| {
        let k = i as f64 + 1.0;
        match mass {
            Gravity::Sines => (PI * t[i]).sin() + 0.5 * (2.0 * PI * t[i]).sin(),
            Gravity::PiecewiseLinear if k <= third => 2.0 * k / third,
            Gravity::PiecewiseLinear if k <= late => (2.0 * late - third - k) / (late - third),
            Gravity::PiecewiseLinear => (n as f64 - k) / (n as f64 - late),
            Gravity::PiecewiseConstant if k <= third => 2.0,
            Gravity::PiecewiseConstant => 1.0,
        }
    };
    let (name, derivative) = match mass {
        Gravity::Sines => ("gravity-sines", 2),
        Gravity::PiecewiseLinear => ("gravity-linear", 1),
        Gravity::PiecewiseConstant => ("gravity-constant", 1),
    };
    let facts = Facts {
        models: "the distribution of mass at a depth, from the vertical field at the surface",
        ill_posedness: IllPosedness::Severe,
        derivative,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Line(n),
        data: Layout::Line(n),
        reference: "G. M. Wing and J. D. Zahrt, A Primer on Integral Equations of the First Kind (1991) p. 17",
    };
    Ok(TestProblem::consistent(name, a, (0..n).map(value).collect(), facts))
}
