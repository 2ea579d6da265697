//! How many singular values are kept: truncated SVD (L = I), truncated GSVD or standard form (any L), with k chosen by the rules.
//!
//! x_k = Σ_{i≤k} vᵢβᵢ/σᵢ (Hanson 1971, doi:10.1137/0708058; Hansen 1990, doi:10.1137/0911028; with L, Hansen 1989,
//! doi:10.1007/BF02219234).
//! The filter factors are 1 or 0, and every criterion becomes a list over k = 0..r from running sums:
//!
//! ```text
//! ρ_k = δ₀ + Σ_{i>k}|βᵢ|²    η_k = Σ_{i≤k}|βᵢ/σᵢ|²    tr(I − H) = m − q − k    tr H² = q + k    quasi-optimality |β_k/σ_k|²
//! ```
//! Discrepancy takes the smallest k that reaches the noise, the L-curve its discrete corner (pruning unless another is
//! asked for), leave-one-out and NCP the
//! rows. What assumes smooth filters (evidence, balancing, K-fold, closed formulas) does not apply. Cost: O(r), or O(mr) with rows.

use super::{Chosen, Rule, gcv, information, lcurve, ncp, needs_rows, needs_spectrum, no_interval, upre};
use crate::curve::{Curve, Jet, Point, Spectrum};
use crate::error::{Error, Result};
use crate::warning::Warning;

/// How many singular values are kept: a number, or a rule that chooses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    pub(crate) kind: TruncationKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TruncationKind {
    Count(usize),
    Rule(Rule),
}

impl From<usize> for Truncation {
    fn from(count: usize) -> Self {
        Self { kind: TruncationKind::Count(count) }
    }
}

impl From<Rule> for Truncation {
    fn from(rule: Rule) -> Self {
        Self { kind: TruncationKind::Rule(rule) }
    }
}

/// The spectrum as a list of truncations: index k keeps the k largest values that are no rounding.
pub(crate) struct Truncations<'s> {
    spectrum: &'s Spectrum,
    /// Positions of the values, largest first.
    pub order: Vec<usize>,
    /// Norms and traces with k values kept (no derivatives).
    points: Vec<Point>,
    /// Σ_{i≤k} 1/σᵢ².
    variances: Vec<f64>,
}

impl<'s> Truncations<'s> {
    pub fn new(spectrum: &'s Spectrum) -> Self {
        let mut order: Vec<usize> = (0..spectrum.values.len()).filter(|&i| spectrum.values[i] > spectrum.tolerance).collect();
        order.sort_by(|&i, &j| spectrum.values[j].total_cmp(&spectrum.values[i]));
        let kept: usize = order.len();
        let dropped: f64 = (0..spectrum.values.len()).filter(|i| !order.contains(i)).map(|i| spectrum.coefficients[i].powi(2)).sum();
        let jet = |value: f64| Jet { value, ..Jet::default() };
        let mut points = vec![Point::default(); kept + 1];
        let mut variances = vec![0.0; kept + 1];
        let (mut penalty, mut variance) = (0.0, 0.0);
        for k in 0..=kept {
            if k > 0 {
                let i = order[k - 1];
                penalty += (spectrum.coefficients[i] / spectrum.values[i]).powi(2);
                variance += spectrum.values[i].powi(-2);
            }
            let used = (spectrum.unpenalised + k) as f64;
            points[k].penalty = jet(penalty);
            points[k].trace = jet(spectrum.rows as f64 - used);
            points[k].trace_squared = jet(used);
            variances[k] = variance;
        }
        // from the small end: the tail of the sum keeps its digits
        let mut residual = spectrum.outside + dropped;
        for k in (0..=kept).rev() {
            points[k].residual = jet(residual);
            if k > 0 {
                residual += spectrum.coefficients[order[k - 1]].powi(2);
            }
        }
        Self { spectrum, order, points, variances }
    }

    /// The number of values that can be kept.
    pub fn most(&self) -> usize {
        self.order.len()
    }

    /// ρ, η and traces with k values kept.
    pub fn at(&self, k: usize) -> &Point {
        &self.points[k]
    }

    /// √λ that stands for k: every σᵢ ≥ √λ is kept. Twice the largest value stands for none.
    pub fn damping(&self, k: usize) -> f64 {
        let value = |i: usize| self.spectrum.values[self.order[i]];
        match k.min(self.most()) {
            0 if self.order.is_empty() => 0.0,
            0 => 2.0 * self.spectrum.largest(),
            k => value(k - 1).min(f64::MAX),
        }
    }
}

impl Truncation {
    pub(crate) fn check(&self) -> Result<()> {
        match &self.kind {
            TruncationKind::Count(_) => Ok(()),
            TruncationKind::Rule(rule) => rule.check(),
        }
    }
}

/// k, and what the rule saw.
pub(crate) fn choose(rule: &Rule, curve: &dyn Curve, data_norm: f64, unit: f64) -> Result<(usize, Chosen)> {
    let spectrum = needs_spectrum(curve, rule.name())?;
    let steps = Truncations::new(spectrum);
    if steps.most() == 0 {
        return Err(no_interval(rule.name()));
    }
    let rows = curve.rows();
    // log criteria of a point: `None` where it is not defined
    let by_point = |log: &dyn Fn(&Point) -> Option<f64>| (0..=steps.most()).map(|k| log(steps.at(k)).map(f64::exp)).collect();
    let gcv = |point: &Point| (point.trace.value > 0.0).then(|| gcv::log_gcv(point, rows).log);
    let values: Vec<Option<f64>> = match rule {
        Rule::Gcv(_) => by_point(&gcv),
        Rule::RobustGcv(rule) => by_point(&|p| Some(gcv(p)? + rule.factor(p, rows).ln())),
        Rule::StrongRobustGcv(rule) => {
            let factor = |k: usize| rule.factor(spectrum.largest(), rows, steps.variances[k]);
            (0..=steps.most()).map(|k| Some(gcv(steps.at(k))?.exp() * factor(k))).collect()
        }
        Rule::WeightedGcv(rule) => by_point(&|p| Some(gcv::log_gcv(&rule.weighted(*p, rows)?, rows).log)),
        Rule::Aicc(_) => by_point(&|p| information::log_aicc(p, rows).map(|v| v.log)),
        Rule::Bic(_) => by_point(&|p| Some(information::log_bic(p, rows).log)),
        Rule::Upre(rule) => {
            let level = rule.noise.level(curve, unit, "predictive risk")?;
            let values = by_point(&|p| Some(upre::log_risk(p, rows, level.std * level.std).log));
            let (k, mut chosen) = least(&steps, values, 0, rule_name(rule))?;
            chosen.warnings.extend(level.warnings(unit));
            return Ok((k, chosen));
        }
        Rule::Loo(_) | Rule::Ncp(_) | Rule::NcpGrid(_) => {
            let mut values = vec![None; steps.most() + 1];
            let frequencies = match rule {
                Rule::Ncp(rule) => Some(rule.frequencies(rows)),
                Rule::NcpGrid(rule) => {
                    rule.fits(rows)?;
                    Some(rule.frequencies())
                }
                _ => None,
            };
            let known = curve.truncated_rows(&steps.order, &mut |k, gaps, residuals| {
                values[k] = match &frequencies {
                    Some(frequencies) => ncp::distances(&[residuals.to_vec()], frequencies).pop().flatten(),
                    None if gaps.iter().all(|&gap| gap > 0.0) => {
                        let error = |r: &Vec<_>| -> f64 { r.iter().zip(gaps).map(|(r, gap)| modulus_squared(r) / (gap * gap)).sum() };
                        Some(residuals.iter().map(error).sum::<f64>() / residuals.len().max(1) as f64)
                    }
                    None => None,
                };
            });
            if !known {
                return Err(needs_rows(rule.name()));
            }
            values
        }
        Rule::QuasiOptimality(_) => {
            let motion = |k: usize| steps.points[k].penalty.value - steps.points[k - 1].penalty.value;
            (0..=steps.most()).map(|k| (k > 0).then(|| motion(k).max(0.0))).collect()
        }
        Rule::Reginska(rule) => {
            // between the ends, where the product falls to nothing
            let product = |k: usize| (0.5 * (steps.at(k).residual.value.ln() + rule.power() * steps.at(k).penalty.value.ln())).exp();
            (0..=steps.most()).map(|k| (k > 0 && k < steps.most()).then(|| product(k))).collect()
        }
        Rule::LCurve(_) | Rule::LCurveCorner(_) => {
            let corner = match rule {
                Rule::LCurveCorner(rule) => *rule,
                _ => lcurve::LCurve::pruning(),
            };
            let log = |k: usize| (0.5 * steps.at(k).residual.value.log10(), 0.5 * steps.at(k).penalty.value.log10());
            let points: Vec<(f64, f64)> = (1..=steps.most()).map(log).collect();
            let (low, high) = (steps.damping(steps.most()), steps.damping(1));
            let k = 1 + corner.corner(&points).ok_or_else(|| lcurve::no_corner(corner.name(), low, high))?;
            return Ok((k, Chosen { damping: steps.damping(k), value: k as f64, ..Chosen::default() }));
        }
        Rule::Discrepancy(rule) => {
            let (target, warnings) = rule.target(curve, data_norm, unit)?;
            let norm = |k: usize| steps.at(k).residual.value.sqrt();
            let Some(k) = (0..=steps.most()).find(|&k| norm(k) <= target) else {
                return Err(Error::NoLambda {
                    rule: rule.name(),
                    low: 0.0,
                    high: f64::INFINITY,
                    why: format!(
                        "the residual norm is never below {:.3e}, above the {:.3e} asked for; raise the noise norm, or use Gcv",
                        norm(steps.most()) / unit,
                        target / unit
                    ),
                });
            };
            let evaluated = (0..=steps.most()).rev().map(|k| (steps.damping(k), norm(k))).collect();
            return Ok((k, Chosen { damping: steps.damping(k), value: norm(k), evaluated, warnings, minima: Vec::new() }));
        }
        Rule::EffectiveDof(target) => {
            let k = (target.0 - spectrum.unpenalised as f64).round();
            if !(k >= 0.0 && k <= steps.most() as f64) {
                let (least, most) = (spectrum.unpenalised, spectrum.unpenalised + steps.most());
                let why =
                    format!("dof lies between {least} (the unpenalised directions) and {most} (the rank); ask for a number between them");
                return Err(Error::NoLambda { rule: rule.name(), low: 0.0, high: f64::INFINITY, why });
            }
            let k = k as usize;
            return Ok((k, Chosen { damping: steps.damping(k), value: (spectrum.unpenalised + k) as f64, ..Chosen::default() }));
        }
        Rule::NormFraction(target) => {
            let full = steps.at(steps.most()).penalty.value;
            let fraction = |k: usize| (steps.at(k).penalty.value / full).sqrt();
            let k = (0..=steps.most()).rev().find(|&k| fraction(k) <= target.0).unwrap_or(0);
            return Ok((k, Chosen { damping: steps.damping(k), value: fraction(k), ..Chosen::default() }));
        }
        Rule::KFold(_)
        | Rule::OneStandardError(_)
        | Rule::Evidence(_)
        | Rule::KnownNoiseEvidence(_)
        | Rule::Balancing(_)
        | Rule::PenaltyNorm(_)
        | Rule::HoerlKennardBaldwin(_)
        | Rule::LawlessWang(_) => {
            return Err(Error::Unsupported {
                what: rule.name(),
                with: "a truncated SVD",
                instead: "use Gcv, Loo, LCurve::pruning() or a noise level to choose the number of singular values",
            });
        }
    };
    // criteria that say nothing of x = 0
    let first = usize::from(matches!(rule, Rule::QuasiOptimality(_) | Rule::Reginska(_)));
    least(&steps, values, first, rule.name())
}

fn rule_name(rule: &upre::Upre) -> &'static str {
    Rule::from(*rule).name()
}

fn modulus_squared(z: &crate::scalar::c64) -> f64 {
    z.re * z.re + z.im * z.im
}

/// The k of the least value, with every local minimum.
fn least(steps: &Truncations<'_>, values: Vec<Option<f64>>, first: usize, rule: &'static str) -> Result<(usize, Chosen)> {
    let at = |k: usize| values[k].filter(|v| !v.is_nan()).unwrap_or(f64::INFINITY);
    let k =
        (first..values.len()).min_by(|&i, &j| at(i).total_cmp(&at(j))).filter(|&k| at(k).is_finite()).ok_or_else(|| no_interval(rule))?;
    let minima = (first.max(1)..values.len() - 1).filter(|&k| at(k) < at(k - 1) && at(k) <= at(k + 1));
    let pair = |k: usize| (steps.damping(k), at(k));
    let mut chosen = Chosen {
        damping: steps.damping(k),
        value: at(k),
        minima: minima.rev().map(pair).collect(),
        evaluated: (0..values.len()).rev().filter(|&k| at(k).is_finite()).map(pair).collect(),
        warnings: Vec::new(),
    };
    if k == first || k + 1 == values.len() {
        chosen.warnings.push(Warning::EdgeOfInterval { lambda: chosen.damping * chosen.damping, upper: k == first });
    }
    Ok((k, chosen))
}
