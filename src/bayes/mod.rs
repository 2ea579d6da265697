//! The Bayesian reading of the problem: x ~ N(x₀, τ²(LᴴL)⁻¹), b = Ax + c + e with e ~ N(0, s²W⁻¹), λ = s²/τ².
//!
//! [`scales`] finds s and τ by evidence, [`gaussian`] is the posterior once they are known. [`map`] takes any log prior,
//! [`relevance`] gives every coefficient a variance of its own,
//! [`low_rank`] needs only products with A. None of them factors A: what they need of it they are handed.

pub(crate) mod gaussian;
pub(crate) mod low_rank;
pub(crate) mod map;
pub(crate) mod relevance;
pub(crate) mod scales;

/// z with P(N(0, 1) ≤ z) = p, for p in (0, 1).
///
/// Acklam's rational approximation (relative error 1.15e-9) with one step of Halley's method on [`normal_tail`].
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] =
        [-3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1, 2.506628277459239];
    const B: [f64; 5] = [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
    const C: [f64; 6] =
        [-7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783];
    const D: [f64; 4] = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    // by symmetry only the lower half
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let horner = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    let x = if p < 0.02425 {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    };
    let error = normal_tail(-x) - p;
    let u = error * core::f64::consts::TAU.sqrt() * (0.5 * x * x).exp();
    x - u / (1.0 + 0.5 * x * u)
}

/// P(N(0, 1) > x) for x ≥ 0: a power series near 0, a continued fraction beyond.
fn normal_tail(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / core::f64::consts::TAU.sqrt();
    if x < 3.0 {
        // P(0 < N < x) = density·(x + x³/3 + x⁵/15 + …): all terms positive
        let (mut term, mut sum, mut k) = (x, x, 1.0);
        while term > 1e-18 * sum {
            k += 2.0;
            term *= x * x / k;
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // density/(x + 1/(x + 2/(x + 3/(x + …)))), from the back
    let fraction = (1..=80).rev().fold(x, |tail, k| x + f64::from(k) / tail);
    density / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles as printed in tables (and by mpmath).
    #[test]
    fn quantiles() {
        for (p, z) in [
            (0.975, 1.959963984540054),
            (0.95, 1.6448536269514722),
            (0.5, 0.0),
            (0.995, 2.5758293035489004),
            (1e-9, -5.997807015007686),
            (0.25, -0.6744897501960817),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-13 * (1.0 + z.abs()), "{p}: {} is not {z}", normal_quantile(p));
        }
    }
}
