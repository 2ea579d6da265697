//! The discrepancy principle where every λ costs a factorization: ‖Ax − b‖ is all that it looks at, so that neither traces nor a
//! whole curve are needed.
//!
//! log ‖Ax − b‖ rises with t = log λ. From around the middle steps of doubled length lead to the other side of the target, and the
//! bracket is closed without derivatives ([`rising_root`]): about ten factorizations in all.

use crate::error::{Error, Result};
use crate::refusal::Handed;
use crate::rule::bracket::rising_root;
use crate::rule::{Chosen, Discrepancy};
use crate::warning::Warning;

/// The first step from the middle, in log λ.
const STEP: f64 = 2.0;
/// How far from the middle λ is looked for: 27 decades to each side, beyond which one of AᴴA and λLᴴL is below the rounding of the other.
const REACH: f64 = 62.0;
/// A step that is refused is halved down to this.
const LEAST_STEP: f64 = 0.5;
/// log ‖Ax − b‖ and log λ are found to this.
const FOUND: (f64, f64) = (1e-12, 1e-13);

/// The λ at which the residual norm is `target`. `norm` is that norm at t = log λ; one unit of the caller's norms is `unit`. An error of the
/// outer kind only where the source refuses at once.
pub(crate) fn choose(rule: Discrepancy, target: f64, unit: f64, middle: f64, norm: &dyn Fn(f64) -> Handed<f64>) -> Handed<Result<Chosen>> {
    let mut evaluated = Vec::new();
    let mut height = |t: f64| -> Handed<f64> {
        let here = norm(t)?;
        evaluated.push(((0.5 * t).exp(), here));
        // 0 is the least of all
        Ok((here.max(f64::MIN_POSITIVE) / target).ln())
    };
    let start = (middle, height(middle)?);
    let upwards = start.1 < 0.0;
    let (mut near, mut far, mut step) = (start, start, STEP);
    while (far.1 < 0.0) == upwards && far.1 != 0.0 {
        let t = if upwards { (far.0 + step).min(middle + REACH) } else { (far.0 - step).max(middle - REACH) };
        if t == far.0 {
            break;
        }
        match height(t) {
            Ok(value) => (near, far, step) = (far, (t, value), 2.0 * step),
            Err(_) if step > LEAST_STEP => step *= 0.5,
            Err(_) => break,
        }
    }
    let (left, right) = if upwards { (near, far) } else { (far, near) };
    let end = if left.1 > 0.0 {
        Some(left)
    } else if right.1 < 0.0 {
        Some(right)
    } else {
        None
    };
    let mut warnings = Vec::new();
    let (t, value) = match end {
        None => match rising_root(left, right, FOUND, &mut height) {
            Ok(bracket) => bracket.best,
            Err(refusal) => return Err(refusal),
        },
        Some((t, value)) if upwards && rule.is_inequality() => {
            warnings.push(Warning::EdgeOfInterval { lambda: t.exp(), upper: true });
            (t, value)
        }
        Some((t, value)) => {
            let (norm, target) = (target * value.exp() / unit, target / unit);
            let (low, high) = if upwards { (0.0, t.exp()) } else { (t.exp(), f64::INFINITY) };
            let why = if upwards { rule.beyond(norm, target) } else { rule.below(norm, target) };
            return Ok(Err(Error::NoLambda { rule: rule.name(), low, high, why }));
        }
    };
    evaluated.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
    evaluated.dedup_by(|a, b| a.0 == b.0);
    Ok(Ok(Chosen { damping: (0.5 * t).exp(), value: target * value.exp(), minima: Vec::new(), evaluated, warnings }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{Curve, Spectrum};
    use crate::refusal::Refusal;
    use crate::rule::Rule;

    fn spectrum() -> Spectrum {
        let values: Vec<f64> = (0..30).map(|i| 10f64.powf(-f64::from(i) / 6.0)).collect();
        let coefficients = values.iter().enumerate().map(|(i, v)| 2.0 * v + 1e-3 * (1.0 + (i % 3) as f64)).collect();
        Spectrum { values, coefficients, outside: 3e-5, rows: 40, unpenalised: 1, tolerance: 0.0 }
    }

    fn norm(t: f64) -> f64 {
        Curve::at(&spectrum(), (0.5 * t).exp()).residual.value.sqrt()
    }

    /// From any middle the λ that the whole spectrum gives, in few values.
    #[test]
    fn the_level_of_a_spectrum() {
        for target in [0.006, 0.02, 0.5, 2.0] {
            let rule = Discrepancy::noise_norm(target);
            let expected = Rule::Discrepancy(rule).choose(&spectrum(), 1.0, 1.0).unwrap();
            for middle in [-30.0, -5.0, 0.0, 12.0] {
                let found = choose(rule, target, 1.0, middle, &|t| Ok(norm(t))).unwrap().unwrap();
                let off = 2.0 * (found.damping / expected.damping).ln();
                assert!(off.abs() < 1e-9 && (found.value / target - 1.0).abs() < 1e-9, "{target} from {middle}: {off:e}");
                assert!(found.evaluated.len() <= 25, "{} values", found.evaluated.len());
                assert!(found.evaluated.is_sorted_by(|a, b| a.0 < b.0));
            }
        }
    }

    /// What no λ reaches is an error that names the extreme norm, or the largest λ for an inequality; a source that refuses some λ is
    /// asked for nearer ones, one that refuses at once hands its reason back.
    #[test]
    fn levels_out_of_reach() {
        let error = |target: f64, norm: &dyn Fn(f64) -> Handed<f64>| {
            choose(Discrepancy::noise_norm(target), target, 1.0, 0.0, norm).unwrap().unwrap_err().to_string()
        };
        let plain = |t: f64| Ok(norm(t));
        assert!(error(1e-3, &plain).contains("never below 5.4"), "{}", error(1e-3, &plain));
        assert!(error(1e3, &plain).contains("never above"), "{}", error(1e3, &plain));
        let limited = |t: f64| if t < -7.3 { Err(Refusal::OutOfRange) } else { Ok(norm(t)) };
        let least = format!("never below {:.1e}", norm(-7.3));
        assert!(error(1e-3, &limited).contains(least.split('e').next().unwrap()), "{} has no {least}", error(1e-3, &limited));
        let rule = Discrepancy::noise_norm(1e3).at_most();
        let found = choose(rule, 1e3, 1.0, 0.0, &plain).unwrap().unwrap();
        assert!(matches!(found.warnings[..], [Warning::EdgeOfInterval { upper: true, .. }]) && found.damping > 1e10);
        assert!(choose(rule, 1e3, 1.0, 0.0, &|_| Err(Refusal::OutOfRange)).is_err());
    }
}
