//! Nuclear magnetic resonance relaxometry: the joint distribution of longitudinal and transverse relaxation times T₁ and T₂ from
//! the decay of a signal, ∬ (1 − 2·exp(−τ₁/T₁))·exp(−τ₂/T₂) f(T₁, T₂) dT₁ dT₂ = g(τ₁, τ₂).
//!
//! Midpoint rule on a logarithmic grid of times from 1e-4 to 10: B = A₁XA₂ᵀ, two small dense matrices, one after the other.
//! From IR Tools (`PRnmr`).

use super::forward::Separable;
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_order};
use crate::operator::Boundary;
use core::f64::consts::{LN_10, PI};

/// The distribution of [`nmr`], in the logarithms of the two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nmr {
    /// One narrow peak.
    Carbonate,
    /// Two peaks, one of them narrower.
    Methane,
    /// One peak, long in T₂.
    Organic,
    /// One peak, long in T₁.
    Hydroxyl,
}

/// The exponents of the shortest and longest time.
const EXPONENTS: [f64; 2] = [-4.0, 1.0];

/// Relaxation times of a `material` on an n×n grid, from 2n×2n times of acquisition. Severely ill-posed in both directions.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for n = 0.
///
/// ```
/// use wellposed::gallery::{Nmr, nmr};
/// use wellposed::operator::Operator;
/// assert_eq!(nmr(16, Nmr::Methane)?.a.shape(), (1024, 256));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn nmr(n: usize, material: Nmr) -> Result<TestProblem> {
    check_order(n, 1)?;
    let (m, span) = (2 * n, EXPONENTS[1] - EXPONENTS[0]);
    let exponents: Vec<f64> = (0..n).map(|j| EXPONENTS[0] + (j as f64 + 0.5) * span / n as f64).collect();
    let relaxation: Vec<f64> = exponents.iter().map(|&e| 10f64.powf(e)).collect();
    let acquisition: Vec<f64> = (0..m).map(|i| 10f64.powf(EXPONENTS[0] + i as f64 * span / (m - 1) as f64)).collect();
    // dT = T·log(10)·d(log₁₀ T)
    let weight = |j: usize| span / n as f64 * LN_10 * relaxation[j];
    let along = Forward::from_fn(m, n, |i, j| weight(j) * (1.0 - 2.0 * (-acquisition[i] / relaxation[j]).exp()));
    let across = Forward::from_fn(m, n, |i, j| weight(j) * (-acquisition[i] / relaxation[j]).exp());
    let sum = EXPONENTS[0] + EXPONENTS[1];
    let peak = |at: [f64; 2], middle: [f64; 2], width: [f64; 2]| {
        let square = |k: usize| ((at[k] - middle[k]) / width[k]).powi(2);
        (-0.5 * (square(0) + square(1))).exp() / (2.0 * PI * width[0] * width[1])
    };
    let value = |at: [f64; 2], mirrored: [f64; 2]| match material {
        Nmr::Carbonate => peak(at, [sum / 2.0; 2], [0.1; 2]),
        Nmr::Methane => peak(at, [sum / 4.0, 0.75 * sum], [0.2; 2]) + peak(at, [0.75 * sum, sum / 4.0], [0.1; 2]),
        Nmr::Organic => peak(at, [sum / 4.0, sum / 3.0], [0.08, 0.4]),
        Nmr::Hydroxyl => peak(mirrored, [sum / 4.0, sum / 6.0], [0.4, 0.1]),
    };
    let x = (0..n * n)
        .map(|k| {
            let (i, j) = (k % n, k / n);
            let density = value([exponents[i], exponents[j]], [exponents[i], exponents[n - 1 - j]]);
            if density < 1e-10 { 0.0 } else { density }
        })
        .collect();
    let facts = Facts {
        models: "the joint distribution of two relaxation times, from the decay of a signal",
        ill_posedness: IllPosedness::Severe,
        derivative: 0,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Grid { rows: n, columns: n },
        data: Layout::Grid { rows: m, columns: m },
        reference: "S. Gazzola, P. C. Hansen, J. G. Nagy, Numer. Algorithms 81 (2019) 773",
    };
    Ok(TestProblem::consistent("nmr", Forward::from_operator(Separable { along, across }), x, facts))
}
