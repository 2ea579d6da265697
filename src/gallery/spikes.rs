//! A spiky solution: entries s/(2√(πt³))·exp(−s²/(4t)) at s = iδ, t = jδ, δ = t_max/n, as of a heat kernel; x is a unit step
//! at t = 1/2 with spikes of heights 25, 9, 5, 4, 3, 2, 2, … at 1/2, 3/2, 5/2, …
//!
//! Hansen's own (Regularization Tools); not the discretization of an integral equation: the entries lack the factor δ.

use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem};
use crate::error::Error;
use crate::operator::Boundary;
use core::f64::consts::PI;

/// A step with a train of `spikes` spikes (5 in Regularization Tools) at order n: severely ill-posed, and x as far from
/// smooth as can be.
///
/// # Errors
/// [`Error::Parameter`] for no spike, or fewer unknowns than spikes.
///
/// ```
/// let problem = wellposed::gallery::spikes(50, 5)?;
/// assert_eq!(problem.x.map(|x| (x[3], x[4], x[5], x[14])), Some((0.0, 25.0, 1.0, 9.0)));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn spikes(n: usize, spikes: usize) -> Result<TestProblem> {
    if spikes == 0 {
        return Err(Error::Parameter { name: "the number of spikes", value: 0.0, must_be: "at least 1" });
    }
    if n < spikes {
        return Err(Error::Parameter {
            name: "the order n of the test problem",
            value: n as f64,
            must_be: "at least the number of spikes",
        });
    }
    let delta = spikes as f64 / n as f64;
    let a = Forward::from_fn(n, n, |i, j| {
        let (s, t) = ((i as f64 + 1.0) * delta, (j as f64 + 1.0) * delta);
        s / (2.0 * (PI * t.powi(3)).sqrt()) * (-s * s / (4.0 * t)).exp()
    });
    // the spike at k + 1/2 is unknown number (k + 1/2)n/t_max, rounded, counted from 1
    let place = |k: usize| (((2 * k + 1) as f64 * n as f64) / (2 * spikes) as f64).round() as usize;
    let step = place(0).saturating_sub(1);
    let mut x: Vec<f64> = (0..n).map(|i| if i >= step { 1.0 } else { 0.0 }).collect();
    for k in 0..spikes {
        if let Some(value) = x.get_mut(place(k).saturating_sub(1)) {
            *value = [25.0, 9.0, 5.0, 4.0, 3.0].get(k).copied().unwrap_or(2.0);
        }
    }
    let facts = Facts {
        models: "a step with spikes, behind a kernel that diffuses them",
        ill_posedness: IllPosedness::Severe,
        derivative: 0,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Line(n),
        data: Layout::Line(n),
        reference: "P. C. Hansen, Numer. Algorithms 46 (2007) 189",
    };
    Ok(TestProblem::consistent("spikes", a, x, facts))
}
