//! Lepskiĭ's balancing principle: the largest λ whose solution differs from those of all smaller λ by no more than their noise.
//!
//! On a grid λ₀ < λ₁ < …, the largest λᵢ with ‖L(xᵢ − xⱼ)‖ ≤ 4ψⱼ for all j < i, where ψⱼ² = s²·Σ(φ/σ)² is the variance that
//! white noise puts
//! into Lxⱼ. Mathé, Pereverzev 2003, Inverse Problems 19:789 (doi:10.1088/0266-5611/19/3/319). The grid has the ratio √2 in λ, from
//! max(σ_min, 16ε·σ₁)² to σ₁²: λ is found to that ratio and no better. Cost: O(N²r) for N grid points, at most about 200.

use super::noise::{Noise, told_the_noise};
use super::{Chosen, needs_spectrum, no_interval};
use crate::curve::{Curve, damped_coefficient};
use crate::error::Result;
use crate::linalg;
use crate::warning::Warning;

/// log of the grid's ratio in λ.
const RATIO: f64 = 0.5 * core::f64::consts::LN_2;
/// The factor of the noise in the comparison.
const FACTOR: f64 = 4.0;

/// Lepskiĭ's balancing principle: adapts to the unknown smoothness of x, given the noise level.
///
/// Source: Mathé, Pereverzev 2003, doi:10.1088/0266-5611/19/3/319.
///
/// ```
/// use wellposed::{Balancing, DenseView, ridge};
/// let a: Vec<f64> = (0..64).map(|k| 1.0 / (1.0 + (k % 8) as f64 + (k / 8) as f64)).collect();
/// let b: Vec<f64> = (0..8).map(|i| 1.0 + 0.01 * (i as f64).sin()).collect();
/// let fit = ridge(&DenseView::column_major(&a, 8, 8)?, &b, Balancing::noise_std(0.01))?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balancing {
    pub(crate) noise: Noise,
}

told_the_noise!(Balancing);

impl Balancing {
    pub(crate) fn choose(self, curve: &dyn Curve, unit: f64) -> Result<Chosen> {
        let spectrum = needs_spectrum(curve, "balancing")?;
        let level = self.noise.level(curve, unit, "balancing")?;
        let (low, high) = curve.inside();
        if high == 0.0 {
            return Err(no_interval("balancing"));
        }
        // from the top downwards, so that a scale of A moves the grid with it
        let count = (2.0 * (high / low).ln() / RATIO).floor() as usize + 1;
        let grid: Vec<f64> = (0..count).rev().map(|k| high * (-0.5 * RATIO * k as f64).exp()).collect();
        let solution = |damping: f64| -> Vec<f64> {
            let pairs = spectrum.values.iter().zip(&spectrum.coefficients);
            pairs.map(|(&value, &beta)| damped_coefficient(spectrum.effective(value, damping), damping) * beta).collect()
        };
        let mut earlier: Vec<(Vec<f64>, f64)> = Vec::with_capacity(count);
        let mut chosen = Chosen { damping: grid[0], ..Chosen::default() };
        let mut broken = false;
        for &damping in &grid {
            let x = solution(damping);
            let ratio = |(other, bound): &(Vec<f64>, f64)| linalg::squared_distance(&x, other).sqrt() / bound;
            let worst = earlier.iter().map(ratio).fold(0.0, f64::max);
            chosen.evaluated.push((damping, worst));
            if worst > 1.0 {
                broken = true;
                break;
            }
            (chosen.damping, chosen.value) = (damping, worst);
            earlier.push((x, FACTOR * level.std * spectrum.variance(damping).value.sqrt()));
        }
        if !broken {
            chosen.warnings.push(Warning::EdgeOfInterval { lambda: chosen.damping * chosen.damping, upper: true });
        } else if chosen.damping == grid[0] {
            chosen.warnings.push(Warning::EdgeOfInterval { lambda: chosen.damping * chosen.damping, upper: false });
        }
        chosen.warnings.extend(level.warnings(unit));
        Ok(chosen)
    }
}
