//! Quantiles of the normal distribution and of Student's t with any real number of degrees of freedom.
//!
//! The distribution functions are statrs's; the quantile of t is found here from them, by Newton's method between brackets, since
//! statrs's own goes through 1 − y with y near 1 and loses digits as the degrees of freedom grow. Measured against 30
//! digits (`tests` below): relative errors below 1e-12.

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};

/// From so many degrees of freedom on t is the normal distribution with the first four terms of its expansion (Abramowitz and
/// Stegun 26.7.5): the fifth is below 1e-15 up to a level of 0.999. statrs's distribution function is good to 1e-12 up to ν = 1000, and
/// to 1e-11 at 99 000 (measured against `testdata/t_quantiles.in`).
const NORMAL_FROM: f64 = 3000.0;

/// z with P(N(0, 1) ≤ z) = p, for p in (0, 1).
pub(crate) fn normal(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// t with P(|t_ν| ≤ t) = level for 0 < level < 1; ν = ∞ is the normal distribution. `None` where ν is not positive or the level is
/// not between 0 and 1.
pub(crate) fn two_sided(level: f64, freedom: f64) -> Option<f64> {
    if !(level > 0.0 && level < 1.0 && freedom > 0.0) {
        return None;
    }
    let upper = 0.5 * (1.0 - level);
    let z = -normal(upper);
    if freedom >= NORMAL_FROM {
        let s = z * z;
        let terms = [
            1.0,
            (s + 1.0) / 4.0,
            ((5.0 * s + 16.0) * s + 3.0) / 96.0,
            (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
            ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92160.0,
        ];
        return Some(z * terms.iter().rev().fold(0.0, |sum, term| sum / freedom + term));
    }
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    // the tails of t are heavier: z is below the root
    let (mut low, mut high) = (z, 2.0 * z.max(1.0));
    while distribution.sf(high) > upper {
        low = high;
        high *= 4.0;
        if !high.is_finite() {
            return None;
        }
    }
    let mut t = low;
    for _ in 0..200 {
        let excess = distribution.sf(t) - upper;
        if excess > 0.0 {
            low = t;
        } else {
            high = t;
        }
        let newton = t + excess / distribution.pdf(t);
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - t).abs() <= 4.0 * f64::EPSILON * t {
            return Some(next);
        }
        t = next;
    }
    Some(t)
}

/// P(|t_ν| ≥ |t|).
pub(crate) fn two_sided_p(t: f64, freedom: f64) -> Option<f64> {
    if freedom == f64::INFINITY {
        return Some(2.0 * Normal::standard().sf(t.abs()));
    }
    Some(2.0 * StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_have_twelve_digits() {
        // mpmath at 30 digits: the root of betainc(ν/2, 1/2, 0, ν/(ν + t²), regularized) = 1 − level
        let known: [(f64, f64, f64); 12] = include!("../testdata/t_quantiles.in");
        for (level, freedom, expected) in known {
            let found = two_sided(level, freedom).unwrap();
            assert!((found - expected).abs() <= 1e-12 * expected, "{level} {freedom}: {found} {expected}");
            let p = two_sided_p(found, freedom).unwrap();
            assert!((p - (1.0 - level)).abs() <= 1e-9 * (1.0 - level), "{level} {freedom}: {p}");
        }
    }

    /// Quantiles as printed in tables (and by mpmath).
    #[test]
    fn quantiles_of_the_normal_distribution() {
        for (p, z) in [
            (0.975, 1.959963984540054),
            (0.95, 1.6448536269514722),
            (0.5, 0.0),
            (0.995, 2.5758293035489004),
            (1e-9, -5.997807015007686),
            (0.25, -0.6744897501960817),
        ] {
            assert!((normal(p) - z).abs() < 1e-13 * (1.0 + z.abs()), "{p}: {} is not {z}", normal(p));
        }
    }

    #[test]
    fn what_is_no_level_or_no_freedom_is_refused() {
        for (level, freedom) in [(0.0, 3.0), (1.0, 3.0), (f64::NAN, 3.0), (0.9, 0.0), (0.9, -1.0), (0.9, f64::NAN)] {
            assert_eq!(two_sided(level, freedom), None, "{level} {freedom}");
        }
        assert!((two_sided(0.95, f64::INFINITY).unwrap() - 1.959963984540054).abs() < 1e-12);
    }
}
