//! λ for a problem whose x is held by constraints: by criteria of residual norm and degrees of freedom, each λ a solve.
//!
//! ```text
//! GCV   m·ρ/(m − dof)²       AICc   log(ρ/m) + 2(dof + 1)/(m − dof − 2)       BIC   log(ρ/m) + log(m)·dof/m
//! ```
//! with ρ the squared residual norm of the constrained problem and dof the trace of ∂(Ax)/∂b, which is that of the hat matrix of
//! the free components (Stein's unbiased risk estimate needs this trace and nothing else; for bounds: Zou, Hastie, Tibshirani 2007,
//! doi:10.1214/009053607000000127, for the lasso's active set, whose argument is the same). As λ passes the points where a
//! component meets its bound, ρ is continuous and dof jumps: a criterion has jumps and many local minima, so that it is looked at on a
//! grid ([`CELL`]) over the whole range in which λ matters, and then between the neighbours of the best point. The minimum found is
//! that of the samples, which may differ from the infimum by a jump.
//!
//! ‖Az − b‖ rises and ‖Lz‖ falls with λ whatever the constraints (a convex set that does not depend on λ): the rules that ask for
//! one of these norms have one root, found on log λ by bracketing ([`bracket`](crate::rule::bracket)).

use crate::error::{Error, Result};
use crate::rule::bracket::rising_root;
use crate::rule::{Chosen, Rule};
use crate::warning::Warning;

/// Width of a cell in log λ: three points a decade. A guess.
const CELL: f64 = core::f64::consts::LN_10 / 3.0;
/// Cells without a change of ρ and dof after which λ is taken not to matter any more.
const STILL: usize = 6;
/// Such a change: relative, of dof also absolute.
const CHANGE: f64 = 1e-6;
/// Decades of λ above and below the middle that are looked at, at most.
const DECADES: (f64, f64) = (12.0, 20.0);

/// What one solve says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// ‖Az − b‖ in the units of the data of the problem; for cross-validation, over the rows that each fit was made without.
    pub residual_norm: f64,
    /// ‖Lz‖ in the units of the problem.
    pub penalty_norm: f64,
    /// tr H of what is free, the constant included; NaN where it is not known.
    pub dof: f64,
}

/// What the rules need beside the samples.
pub(crate) struct Scales {
    /// m of the caller.
    pub rows: usize,
    /// The damping at which both terms are of one size.
    pub middle: f64,
    /// ‖Db‖ in the units of the problem, and how many of those one unit of the caller's whitened data is.
    pub data_norm: f64,
    pub unit: f64,
    /// How many units of the problem one unit of the caller's ‖Lx‖ is.
    pub penalty_unit: f64,
}

/// Whether a rule can choose λ for a constrained problem, with and without degrees of freedom (and refits).
pub(crate) fn serves(rule: &Rule, dof: bool) -> bool {
    match rule {
        Rule::Gcv(_) | Rule::Aicc(_) | Rule::Bic(_) | Rule::KFold(_) => dof,
        Rule::Discrepancy(rule) => rule.by_residual(),
        Rule::PenaltyNorm(_) => true,
        _ => false,
    }
}

/// Where λ is looked for, as log λ, and what is known so far.
struct Search<'s> {
    solve: &'s mut dyn FnMut(f64) -> Result<Sample>,
    known: Vec<(f64, Sample)>,
}

impl Search<'_> {
    fn at(&mut self, t: f64) -> Result<Sample> {
        let sample = (self.solve)((0.5 * t).exp())?;
        let place = self.known.partition_point(|(known, _)| *known < t);
        self.known.insert(place, (t, sample));
        Ok(sample)
    }

    fn chosen(self, t: f64, value: f64, criterion: &dyn Fn(&Sample) -> Option<f64>, minimised: bool, warnings: Vec<Warning>) -> Chosen {
        let evaluated: Vec<(f64, f64)> = self.known.iter().filter_map(|(t, sample)| Some(((0.5 * t).exp(), criterion(sample)?))).collect();
        let lower = |k: usize| evaluated[k - 1].1 > evaluated[k].1 && evaluated[k].1 < evaluated[k + 1].1;
        let minima = match minimised {
            false => Vec::new(),
            true => (1..evaluated.len().saturating_sub(1)).filter(|&k| lower(k)).map(|k| evaluated[k]).collect(),
        };
        Chosen { damping: (0.5 * t).exp(), value, minima, evaluated, warnings }
    }
}

/// λ by a rule that [`serves`], given a solve for each damping.
///
/// # Errors
/// [`Error::NoLambda`] where the norm asked for is beyond what any λ reaches, and what `solve` returns.
pub(crate) fn choose(rule: &Rule, scales: &Scales, solve: &mut dyn FnMut(f64) -> Result<Sample>) -> Result<Chosen> {
    if !(scales.middle > 0.0 && scales.middle.is_finite()) {
        return Err(crate::rule::no_interval(rule.name()));
    }
    let search = Search { solve, known: Vec::new() };
    let m = scales.rows as f64;
    match rule {
        Rule::Discrepancy(rule) => {
            let target = rule.residual_norm(scales.rows, scales.data_norm / scales.unit) * scales.unit;
            residual_of(*rule, target, scales, search)
        }
        Rule::PenaltyNorm(rule) => penalty_of(rule.bound() * scales.penalty_unit, scales, search),
        Rule::Aicc(_) => minimum(scales, search, &|s| {
            let spare = m - s.dof - 2.0;
            (spare > 0.0).then(|| s.residual_norm * s.residual_norm / m * (2.0 * (s.dof + 1.0) / spare).exp())
        }),
        Rule::Bic(_) => {
            minimum(scales, search, &|s| (m - s.dof > 0.5).then(|| s.residual_norm * s.residual_norm / m * (m.ln() * s.dof / m).exp()))
        }
        Rule::KFold(_) => minimum(scales, search, &|s| Some(s.residual_norm * s.residual_norm)),
        _ => minimum(scales, search, &|s| {
            let spare = m - s.dof;
            // what is left of no spare row at all is rounding over rounding
            (spare > 1e-6 * m).then(|| m * (s.residual_norm / spare).powi(2))
        }),
    }
}

/// The least criterion over all λ that matter.
fn minimum(scales: &Scales, mut search: Search<'_>, criterion: &dyn Fn(&Sample) -> Option<f64>) -> Result<Chosen> {
    let middle = 2.0 * scales.middle.ln();
    let first = search.at(middle)?;
    for direction in [1.0, -1.0] {
        let decades = if direction > 0.0 { DECADES.0 } else { DECADES.1 };
        let cells = (decades * core::f64::consts::LN_10 / CELL) as usize;
        let (mut before, mut still) = (first, 0);
        for k in 1..=cells {
            let here = search.at(middle + direction * CELL * k as f64)?;
            let unmoved = (here.residual_norm - before.residual_norm).abs() <= CHANGE * here.residual_norm.max(before.residual_norm);
            still = if unmoved && (here.dof - before.dof).abs() <= CHANGE * here.dof.max(1.0) { still + 1 } else { 0 };
            if still == STILL {
                break;
            }
            before = here;
        }
    }
    let points: Vec<(f64, f64)> = search.known.iter().filter_map(|(t, sample)| Some((*t, criterion(sample)?))).collect();
    let Some(best) = (0..points.len()).min_by(|&a, &b| points[a].1.total_cmp(&points[b].1)) else {
        return Err(Error::NoLambda {
            rule: "the rule",
            low: 0.0,
            high: f64::INFINITY,
            why: "the free components fit every row exactly at every λ; give λ as a number".into(),
        });
    };
    let edge = best == 0 || best + 1 == points.len();
    let mut found = points[best];
    if !edge {
        // golden section, from the two sides of the best point; a jump inside is no harm, as the best sample is kept
        const GOLDEN: f64 = 0.381_966_011_250_105_1;
        let (mut left, mut right) = (points[best - 1].0, points[best + 1].0);
        for _ in 0..24 {
            let (t, at) = found;
            let trial = if t - left > right - t { t - GOLDEN * (t - left) } else { t + GOLDEN * (right - t) };
            let Some(value) = criterion(&search.at(trial)?) else { break };
            if value <= at {
                if trial < t {
                    right = t
                } else {
                    left = t
                }
                found = (trial, value);
            } else if trial < t {
                left = trial;
            } else {
                right = trial;
            }
            if right - left < 1e-4 {
                break;
            }
        }
    }
    let mut warnings = Vec::new();
    if edge {
        warnings.push(Warning::EdgeOfInterval { lambda: found.0.exp(), upper: best > 0 });
    }
    Ok(search.chosen(found.0, found.1, criterion, true, warnings))
}

/// ‖Az − b‖ = target.
fn residual_of(rule: crate::rule::Discrepancy, target: f64, scales: &Scales, mut search: Search<'_>) -> Result<Chosen> {
    let fail = |why: String| Error::NoLambda { rule: rule.name(), low: 0.0, high: f64::INFINITY, why };
    let middle = 2.0 * scales.middle.ln();
    let log = |sample: &Sample| (sample.residual_norm / target).ln();
    let (mut left, mut right) = ((middle, log(&search.at(middle)?)), (middle, 0.0));
    right.1 = left.1;
    let ten = core::f64::consts::LN_10;
    while right.1 < 0.0 && right.0 < middle + DECADES.0 * ten {
        left = right;
        right.0 += ten;
        right.1 = log(&search.at(right.0)?);
    }
    if right.1 < 0.0 {
        let most = target * right.1.exp();
        if rule.is_inequality() {
            let warning = Warning::EdgeOfInterval { lambda: right.0.exp(), upper: true };
            return Ok(search.chosen(right.0, most, &|s| Some(s.residual_norm), false, vec![warning]));
        }
        return Err(fail(rule.beyond(most / scales.unit, target / scales.unit)));
    }
    while left.1 > 0.0 && left.0 > middle - DECADES.1 * ten {
        right = left;
        left.0 -= ten;
        left.1 = log(&search.at(left.0)?);
    }
    if left.1 > 0.0 {
        return Err(fail(rule.below(target * left.1.exp() / scales.unit, target / scales.unit)));
    }
    let t = root(&mut search, left, right, &log)?;
    let value = target * log_of(&search, t, &log).exp();
    Ok(search.chosen(t, value, &|s| Some(s.residual_norm), false, Vec::new()))
}

/// ‖Lz‖ = bound, or λ = 0 where that is within it.
fn penalty_of(bound: f64, scales: &Scales, mut search: Search<'_>) -> Result<Chosen> {
    let log = |sample: &Sample| (bound / sample.penalty_norm).ln();
    let middle = 2.0 * scales.middle.ln();
    let (mut left, mut right) = ((middle, log(&search.at(middle)?)), (middle, 0.0));
    right.1 = left.1;
    // λ = 0 can be far harder to solve than the others: it is, only where they leave the question open
    if right.1 >= 0.0 {
        let free = (search.solve)(0.0)?;
        if free.penalty_norm <= bound {
            return Ok(Chosen { damping: 0.0, value: free.penalty_norm, evaluated: vec![(0.0, free.penalty_norm)], ..Chosen::default() });
        }
    }
    let ten = core::f64::consts::LN_10;
    // 300 decades is all that λ has
    while right.1 < 0.0 && right.0 < 300.0 * ten {
        left = right;
        right.0 += ten;
        right.1 = log(&search.at(right.0)?);
    }
    while left.1 > 0.0 && left.0 > -300.0 * ten {
        right = left;
        left.0 -= ten;
        left.1 = log(&search.at(left.0)?);
    }
    if right.1 < 0.0 || left.1 > 0.0 {
        return Err(Error::NoLambda {
            rule: "penalty norm",
            low: 0.0,
            high: f64::INFINITY,
            why: format!(
                "the constraints leave no x of ‖L(x − x₀)‖ ≤ {:.3e}; raise that bound, or loosen them",
                bound / scales.penalty_unit
            ),
        });
    }
    let t = root(&mut search, left, right, &log)?;
    let value = bound / log_of(&search, t, &log).exp();
    Ok(search.chosen(t, value, &|s| Some(s.penalty_norm), false, Vec::new()))
}

fn log_of(search: &Search<'_>, t: f64, log: &dyn Fn(&Sample) -> f64) -> f64 {
    search.known.iter().find(|(known, _)| *known == t).map_or(0.0, |(_, sample)| log(sample))
}

/// The root of a rising function between two points of different sign.
fn root(search: &mut Search<'_>, left: (f64, f64), right: (f64, f64), value: &dyn Fn(&Sample) -> f64) -> Result<f64> {
    if left.1 == 0.0 {
        return Ok(left.0);
    }
    Ok(rising_root(left, right, (1e-12, 1e-13), &mut |t| Ok(value(&search.at(t)?)))?.best.0)
}
