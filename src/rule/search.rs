//! The one global search on log λ: every local minimum of a criterion, and what is doubtful about the best.
//!
//! A criterion is a ratio of sums of logistic functions of t = log λ, each about four units wide; cells of at most
//! [`CELL`] resolve them. With v' and v'' known at both ends of a cell, a sign change of v' from − to + brackets a minimum,
//! and a pair of extrema hidden inside a cell shows in v'': such cells are split. Each bracket is closed by Newton's
//! method on v' with bisection as its safeguard.

use super::Chosen;
use crate::curve::Curve;
use crate::warning::Warning;

/// Width of a cell in log λ: an eighth of a logistic's width. With it every minimum of testdata/rules.toml is found; other widths
/// were not tried.
const CELL: f64 = 0.5;
/// How often a suspicious cell is halved.
const SPLITS: usize = 5;
/// The criterion may change by this fraction inside a stretch that counts as flat.
const FLAT: f64 = 1e-3;
/// A stretch this long in log λ (two decades) is reported as flat.
const FLAT_LENGTH: f64 = 2.0 * core::f64::consts::LN_10;
/// A local minimum within this fraction of the best is a rival.
const RIVAL: f64 = 0.05;

/// The logarithm of a criterion and its derivatives in t = log λ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objective {
    pub log: f64,
    pub slope: f64,
    pub bend: f64,
    /// |slope| below this is rounding.
    pub slope_noise: f64,
}

#[derive(Clone, Copy)]
struct Sample {
    t: f64,
    at: Objective,
}

impl Sample {
    /// −1, 0 or 1: which way the criterion goes as λ grows.
    fn direction(&self) -> i8 {
        if self.at.slope.abs() <= self.at.slope_noise {
            0
        } else if self.at.slope > 0.0 {
            1
        } else {
            -1
        }
    }
}

/// All local minima of the criterion on the curve's interval; `None` when the interval has no extent.
pub(crate) fn minimise(curve: &dyn Curve, objective: &dyn Fn(f64) -> Option<Objective>) -> Option<Chosen> {
    let (low, high) = curve.interval();
    if !(high > low && low > 0.0 && high.is_finite()) {
        return None;
    }
    // t = 2 log d
    let (start, end) = (2.0 * low.ln(), 2.0 * high.ln());
    let cells = ((end - start) / CELL).ceil().max(8.0) as usize;
    // where the criterion is not defined (0/0 at the lower end, say) there is no sample
    let sample = |t: f64| {
        let at = objective((0.5 * t).exp())?;
        (at.log.is_finite() && at.slope.is_finite() && at.bend.is_finite()).then_some(Sample { t, at })
    };
    let mut samples: Vec<Sample> = (0..=cells).filter_map(|k| sample(start + (end - start) * k as f64 / cells as f64)).collect();
    split_suspicious(&mut samples, &sample);
    let (first, last) = (*samples.first()?, *samples.last()?);

    let mut minima: Vec<Sample> = Vec::new();
    let mut falling: Option<Sample> = None;
    for &here in &samples {
        match here.direction() {
            -1 => falling = Some(here),
            1 => {
                if let Some(left) = falling.take() {
                    minima.push(refine(left, here, &sample));
                }
            }
            _ => {}
        }
    }

    let best_inside = minima.iter().copied().min_by(|a, b| a.at.log.total_cmp(&b.at.log));
    let mut warnings = Vec::new();
    let mut best = best_inside;
    for (edge, upper) in [(first, false), (last, true)] {
        // an end is the answer when the criterion is lower there than anywhere inside, by more than its rounding
        if best.is_none_or(|b| edge.at.log < b.at.log - 1e-12) {
            best = Some(edge);
            warnings = vec![Warning::EdgeOfInterval { lambda: edge.t.exp(), upper }];
        }
    }
    let best = best?;

    // the stretch around the best point in which the criterion hardly changes
    let flat = |s: &&Sample| s.at.log <= best.at.log + FLAT;
    let left = samples.iter().rev().filter(|s| s.t < best.t).take_while(flat).last().map_or(best.t, |s| s.t);
    let right = samples.iter().filter(|s| s.t > best.t).take_while(flat).last().map_or(best.t, |s| s.t);
    if right - left >= FLAT_LENGTH {
        warnings.push(Warning::FlatMinimum { low: left.exp(), high: right.exp() });
    }
    for other in &minima {
        let ratio = (other.at.log - best.at.log).exp();
        if other.t != best.t && ratio <= 1.0 + RIVAL {
            warnings.push(Warning::RivalMinimum { lambda: other.t.exp(), ratio });
        }
    }

    let mut evaluated: Vec<Sample> = samples;
    evaluated.extend(&minima);
    evaluated.sort_by(|a, b| a.t.total_cmp(&b.t));
    evaluated.dedup_by(|a, b| a.t == b.t);
    let pair = |s: &Sample| ((0.5 * s.t).exp(), s.at.log.exp());
    Some(Chosen {
        damping: (0.5 * best.t).exp(),
        value: best.at.log.exp(),
        minima: minima.iter().map(pair).collect(),
        evaluated: evaluated.iter().map(pair).collect(),
        warnings,
    })
}

/// Halves the cells inside which v' may change its sign twice.
fn split_suspicious(samples: &mut Vec<Sample>, sample: &dyn Fn(f64) -> Option<Sample>) {
    for _ in 0..SPLITS {
        let mut refined: Vec<Sample> = Vec::with_capacity(samples.len());
        let mut split = false;
        for &right in samples.iter() {
            if let Some(&left) = refined.last() {
                let (l, r, width) = (left.at, right.at, right.t - left.t);
                let dip = l.slope < 0.0 && r.slope < 0.0 && l.bend > 0.0 && r.bend < 0.0;
                let bump = l.slope > 0.0 && r.slope > 0.0 && l.bend < 0.0 && r.bend > 0.0;
                // v' can only reach 0 inside if its own slope carries it there
                let reach = width * l.bend.abs().max(r.bend.abs());
                if (dip || bump)
                    && l.slope.abs().min(r.slope.abs()) <= reach
                    && let Some(middle) = sample(0.5 * (left.t + right.t))
                {
                    refined.push(middle);
                    split = true;
                }
            }
            refined.push(right);
        }
        *samples = refined;
        if !split {
            return;
        }
    }
}

/// The minimum between a falling and a rising sample: Newton on v', bisection where it leaves the bracket.
fn refine(mut left: Sample, mut right: Sample, sample: &dyn Fn(f64) -> Option<Sample>) -> Sample {
    let mut here = if left.at.log < right.at.log { left } else { right };
    for _ in 0..100 {
        let newton = here.t - here.at.slope / here.at.bend;
        let inside = here.at.bend > 0.0 && newton > left.t && newton < right.t;
        let t = if inside { newton } else { 0.5 * (left.t + right.t) };
        let Some(next) = sample(t) else { return here };
        let step = (next.t - here.t).abs();
        here = next;
        match here.direction() {
            -1 => left = here,
            1 => right = here,
            _ => return here,
        }
        if step <= 1e-13 * (1.0 + t.abs()) || right.t - left.t <= 1e-13 * (1.0 + t.abs()) {
            return here;
        }
    }
    here
}
