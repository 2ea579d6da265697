//! The inverse Laplace transform: ∫₀^∞ exp(−st) f(t) dt = g(s).
//!
//! Gauss–Laguerre quadrature in t, collocation at s = 10i/n. J. M. Varah 1983, SIAM J. Sci. Stat. Comput. 4:164.
//!
//! Regularization Tools has columns of zeros for n > 195, where its weights underflow; here they are right at every n.

use super::laguerre::gauss_laguerre;
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;

/// The function whose Laplace transform is given to [`inverse_laplace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InverseLaplace {
    /// f(t) = exp(−t/2), g(s) = 1/(s + 1/2). Example 1 of Regularization Tools.
    Decay,
    /// f(t) = 1 − exp(−t/2), g(s) = 1/s − 1/(s + 1/2). Example 2.
    Rise,
    /// f(t) = t²·exp(−t/2), g(s) = 2/(s + 1/2)³. Example 3.
    Peak,
    /// f(t) = 0 up to 2 and 1 from there on, g(s) = exp(−2s)/s. Example 4.
    Step,
}

/// A function from its Laplace transform, at order n: the most ill-conditioned of the classical problems.
///
/// The unknowns are values of f at the n nodes of Gauss–Laguerre quadrature, which are not equidistant. Both sides are
/// discretized, for the smooth functions to 1e-11 at n = 64.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for n = 0.
///
/// ```
/// use wellposed::gallery::{InverseLaplace, inverse_laplace};
/// let problem = inverse_laplace(300, InverseLaplace::Step)?;
/// assert_eq!(problem.x.map(|x| (x[0], x[299])), Some((0.0, 1.0)));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn inverse_laplace(n: usize, function: InverseLaplace) -> Result<TestProblem> {
    check_order(n, 1)?;
    let nodes = gauss_laguerre(n);
    let s: Vec<f64> = (1..=n).map(|i| 10.0 * i as f64 / n as f64).collect();
    let a = Forward::from_fn(n, n, |i, j| nodes[j].scaled_weight * (-s[i] * nodes[j].at).exp());
    let right_side = |s: f64| match function {
        InverseLaplace::Decay => 1.0 / (s + 0.5),
        InverseLaplace::Rise => 0.5 / (s * (s + 0.5)),
        InverseLaplace::Peak => 2.0 / (s + 0.5).powi(3),
        InverseLaplace::Step => (-2.0 * s).exp() / s,
    };
    let value = |t: f64| match function {
        InverseLaplace::Decay => (-t / 2.0).exp(),
        InverseLaplace::Rise => -(-t / 2.0).exp_m1(),
        InverseLaplace::Peak => t * t * (-t / 2.0).exp(),
        InverseLaplace::Step if t <= 2.0 => 0.0,
        InverseLaplace::Step => 1.0,
    };
    let (name, derivative) = match function {
        InverseLaplace::Decay => ("inverse-laplace-decay", 1),
        InverseLaplace::Rise => ("inverse-laplace-rise", 1),
        InverseLaplace::Peak => ("inverse-laplace-peak", 0),
        InverseLaplace::Step => ("inverse-laplace-step", 1),
    };
    Ok(TestProblem {
        name,
        a,
        b: s.iter().map(|&s| right_side(s)).collect(),
        x: Some(nodes.iter().map(|node| value(node.at)).collect()),
        facts: Facts {
            models: "a function from its Laplace transform",
            ill_posedness: IllPosedness::Severe,
            derivative,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Line(n),
            data: Layout::Line(n),
            reference: "J. M. Varah, SIAM J. Sci. Stat. Comput. 4 (1983) 164",
        },
    })
}
