//! The same between bounds: lo ≤ z ≤ hi for each coordinate, blocks of one member.
//!
//! ```text
//! minimise   ½‖b̄ − Āz‖² + Σ hⱼ(zⱼ)        hⱼ(z) = αⱼ|z| + ½γⱼz² for loⱼ ≤ z ≤ hiⱼ, ∞ elsewhere
//! ```
//! **Method.** What changes in the descent: the minimiser over a coordinate is the one without bounds moved to the nearer end; the step on the support
//! leaves out what lies at an end, and stops where the first coordinate meets one; an extrapolation that leaves the box is not taken.
//!
//! **What is certified.** With θ = s·r for any s for which all conjugates h* are finite, P(z) exceeds the minimum by at most
//! ```text
//! gap = ½(1 − s)²‖r‖² + Σ [hⱼ(zⱼ) + hⱼ*(uⱼ) − uⱼzⱼ],    u = s·Āᵀr
//! ```
//! (Fenchel's inequality, coordinate by coordinate). h* is finite everywhere where both ends are, or γ > 0; else u may not pass α on the open
//! side. Each bracket is ½γ(z − ẑ)² + α(|z| − |ẑ|) − (u − γẑ)(z − ẑ), ẑ the maximiser of uz − h(z): two terms of which neither is negative.
//! Up to four such points are tried, and the smallest gap is taken: s = 1 or the s that brings u within α wherever z is not at that end
//! (better for wide boxes), and γ in h or as rows √γI of Ā (better for small γ). A coordinate that nothing penalises and that is bounded
//! on one side has a finite h* at u of one sign only, so that no multiple of r is feasible: it is refused before.
//!
//! Fenchel's gap for such sums: Borwein, Lewis 2006, Convex Analysis and Nonlinear Optimization, ch. 3. Screening is that of
//! [`coordinate_descent`](super): a coordinate with 0 between its bounds is zero in every minimiser if ±u stays below α on the sides that are there.

use super::descent::{Descent, Iterate};
use super::{Separable, State};
use crate::linalg;
use crate::outer::limits::Limits;

/// How strongly u moves a coordinate away from 0, where it can go; never screened where 0 is not between the bounds.
pub(super) fn pull(low: f64, high: f64, u: f64) -> f64 {
    if low > 0.0 || high < 0.0 {
        return f64::INFINITY;
    }
    let up = if high > 0.0 { u } else { 0.0 };
    let down = if low < 0.0 { -u } else { 0.0 };
    up.max(down).max(0.0)
}

/// Whether a combination of iterates stays in the box; what lay at one end in all of them stays there to the last bit.
pub(super) fn stay_within(limits: &Limits, blocks: &[usize], problem: &Separable<'_, '_>, history: &[Iterate], z: &mut [f64]) -> bool {
    for (k, (&g, z)) in blocks.iter().zip(z).enumerate() {
        let j = problem.members(g)[0];
        let first = history[0].z[k];
        if history.iter().all(|iterate| iterate.z[k] == first) {
            *z = first;
        }
        // NaN is in no box
        if !(*z >= limits.low[j] && *z <= limits.high[j]) {
            return false;
        }
    }
    true
}

/// h(z) + h*(u) − uz for one coordinate; 0 and u on the wrong side of an open end count as rounding.
fn fenchel(alpha: f64, gamma: f64, (low, high): (f64, f64), z: f64, u: f64) -> f64 {
    let shrunk = if u > alpha {
        u - alpha
    } else if u < -alpha {
        u + alpha
    } else {
        0.0
    };
    let unbounded = if gamma > 0.0 {
        shrunk / gamma
    } else if shrunk > 0.0 && high.is_finite() {
        high
    } else if shrunk < 0.0 && low.is_finite() {
        low
    } else {
        0.0
    };
    let maximiser = unbounded.max(low).min(high);
    let off = z - maximiser;
    let slope = alpha * (z.abs() - maximiser.abs()) - (u - gamma * maximiser) * off;
    0.5 * gamma * off * off + slope.max(0.0)
}

impl Separable<'_, '_> {
    /// λ from which on the point of the box nearest to 0 is the minimiser, from Āᵀr there.
    pub(super) fn lambda_max_within(&self, limits: &Limits, gradient: &[f64]) -> f64 {
        let of = |g: usize| {
            let j = self.members(g)[0];
            let (low, high) = (limits.low[j], limits.high[j]);
            let z = limits.clamp(j, 0.0);
            // at an end beyond 0 the penalty's slope l1 + 2·l2·|z| holds against the pull further out
            let pull = if z > 0.0 {
                if high > z { gradient[j] } else { 0.0 }
            } else if z < 0.0 {
                if low < z { -gradient[j] } else { 0.0 }
            } else {
                pull(low, high, gradient[j])
            };
            2.0 * pull / (self.l1[g] + 2.0 * self.l2[j] * z.abs())
        };
        (0..self.blocks()).filter(|&g| self.l1[g] > 0.0).map(of).fold(0.0, f64::max)
    }

    /// The largest distance of a component of −∇ from what ℓ1 and the bounds answer for, over the norm of its column and the larger of
    /// residual and data.
    pub(super) fn kkt_within(&self, limits: &Limits, b: &[f64], state: &State, lambda: f64) -> f64 {
        let residual = self.design.residual(b, &state.z);
        let mut gradient = vec![0.0; self.design.columns];
        self.design.gradient(&residual, None, &mut gradient);
        let size = linalg::norm(b).max(linalg::norm(&residual.s));
        let one = |g: usize| {
            let j = self.members(g)[0];
            let (z, gamma, alpha) = (state.z[j], lambda * self.l2[j], 0.5 * lambda * self.l1[g]);
            let u = gradient[j] - gamma * z;
            // the interval of ∂(α|z|), widened by the normal cone of the box
            let (mut least, mut most) = match z {
                z if z > 0.0 => (alpha, alpha),
                z if z < 0.0 => (-alpha, -alpha),
                _ => (-alpha, alpha),
            };
            if z <= limits.low[j] {
                least = f64::NEG_INFINITY;
            }
            if z >= limits.high[j] {
                most = f64::INFINITY;
            }
            let off = (least - u).max(u - most).max(0.0);
            let norm = (self.design.squares[j] + gamma).sqrt();
            if off == 0.0 { 0.0 } else { off / norm / size }
        };
        (0..self.blocks()).map(one).fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a })
    }
}

impl Descent<'_, '_, '_> {
    /// The gap over these blocks; leaves u, and what the screening needs, for the dual point with γ as rows of Ā.
    pub(super) fn gap_within(&mut self, limits: &Limits, blocks: &[usize], state: &State) -> f64 {
        let problem = self.problem;
        let mut squares = false;
        for &g in blocks {
            let j = problem.members(g)[0];
            let as_rows = self.alpha[g] > 0.0;
            squares |= as_rows && self.gamma(j) > 0.0;
            self.u[j] = state.gradient[j] - if as_rows { self.gamma(j) * state.z[j] } else { 0.0 };
        }
        let needed = self.gap_of_multiple(limits, blocks, state, true, false);
        let tight = self.gap_of_multiple(limits, blocks, state, true, true);
        (self.screened_by, self.scale) = if tight.0 < needed.0 { tight } else { needed };
        if !squares {
            return self.screened_by;
        }
        let other = |tight| self.gap_of_multiple(limits, blocks, state, false, tight).0;
        self.screened_by.min(other(false)).min(other(true))
    }

    /// The gap for θ = s·r, and s: the least change that makes it feasible, or the one that brings u within α wherever z is not at that end.
    fn gap_of_multiple(&self, limits: &Limits, blocks: &[usize], state: &State, as_rows: bool, tight: bool) -> (f64, f64) {
        let problem = self.problem;
        let parts = |g: usize| {
            let j = problem.members(g)[0];
            let alpha = self.alpha[g];
            match as_rows && alpha > 0.0 {
                true => (j, alpha, 0.0, self.u[j]),
                false => (j, alpha, self.gamma(j), state.gradient[j]),
            }
        };
        let mut scale = 1.0f64;
        let mut outside: f64 = state.residual.s.iter().map(|s| s * s).sum();
        for &g in blocks {
            let (j, alpha, gamma, u) = parts(g);
            let z = state.z[j];
            if as_rows && alpha > 0.0 {
                outside += self.gamma(j) * z * z;
            }
            if gamma > 0.0 || alpha == 0.0 {
                continue;
            }
            let up = if limits.high[j].is_infinite() || (tight && z < limits.high[j]) { u } else { 0.0 };
            let down = if limits.low[j].is_infinite() || (tight && z > limits.low[j]) { -u } else { 0.0 };
            let most = up.max(down);
            if most * scale > alpha {
                scale = alpha / most;
            }
        }
        let one = |&g: &usize| {
            let (j, alpha, gamma, u) = parts(g);
            fenchel(alpha, gamma, (limits.low[j], limits.high[j]), state.z[j], scale * u)
        };
        (0.5 * (1.0 - scale) * (1.0 - scale) * outside + blocks.iter().map(one).sum::<f64>(), scale)
    }

    /// Where coordinate j may go without leaving its sign or its bounds.
    fn ends(&self, j: usize, z: f64) -> (f64, f64) {
        let problem = self.problem;
        let (mut low, mut high) = problem.limits.as_ref().map_or((f64::NEG_INFINITY, f64::INFINITY), |l| (l.low[j], l.high[j]));
        if self.alpha[problem.owner[j]] > 0.0 {
            if z > 0.0 {
                low = low.max(0.0);
            } else {
                high = high.min(0.0);
            }
        }
        (low, high)
    }

    /// The end that z + t·step meets first, and the t ≤ 1 at which it does.
    pub(super) fn crossing(&self, j: usize, z: f64, step: f64) -> Option<(f64, f64)> {
        let (low, high) = self.ends(j, z);
        let end = if step > 0.0 { high } else { low };
        let passed = if step > 0.0 { z + step >= end } else { step < 0.0 && z + step <= end };
        passed.then(|| (end, (end - z) / step))
    }

    /// `target` moved to what is permitted from z.
    pub(super) fn within_ends(&self, j: usize, z: f64, target: f64) -> f64 {
        let (low, high) = self.ends(j, z);
        target.max(low).min(high)
    }
}
