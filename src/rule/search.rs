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

/// Which end of the range of λ may be the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// An end is the answer where the criterion is lower there than anywhere inside.
    Compete,
    /// An end is the answer only where nothing inside is a local minimum: for criteria that vanish at both ends.
    LastResort,
}

/// How the number that is minimised stands for the criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// It is the logarithm of a positive criterion.
    Logarithm,
    /// It is the negative of a criterion whose maxima are wanted.
    Negative,
}

impl Scale {
    fn criterion(self, v: f64) -> f64 {
        match self {
            Scale::Logarithm => v.exp(),
            Scale::Negative => -v,
        }
    }

    /// How much worse than the best, as a ratio ≥ 1.
    fn ratio(self, v: f64, best: f64) -> f64 {
        match self {
            Scale::Logarithm => (v - best).exp(),
            Scale::Negative if v < 0.0 => best / v,
            Scale::Negative => f64::INFINITY,
        }
    }
}

/// All local minima of the criterion on the curve's interval; `None` when the interval has no extent.
pub(crate) fn minimise(curve: &dyn Curve, objective: &dyn Fn(f64) -> Option<Objective>) -> Option<Chosen> {
    minimise_on(curve.interval(), Ends::Compete, objective)
}

/// All local minima of the criterion, whose logarithm is given with two derivatives, on a range of dampings.
pub(crate) fn minimise_on(range: (f64, f64), ends: Ends, objective: &dyn Fn(f64) -> Option<Objective>) -> Option<Chosen> {
    minimise_cells(range, ends, CELL, objective)
}

/// The dampings at which a search for a criterion that costs much begins, on cells twice as wide: to be evaluated together.
pub(crate) fn costly_dampings(range: (f64, f64)) -> Vec<f64> {
    grid(range, 2.0 * CELL).unwrap_or_default().into_iter().map(|t| (0.5 * t).exp()).collect()
}

/// [`minimise_on`] for a criterion that costs much.
pub(crate) fn minimise_costly(range: (f64, f64), ends: Ends, objective: &dyn Fn(f64) -> Option<Objective>) -> Option<Chosen> {
    minimise_cells(range, ends, 2.0 * CELL, objective)
}

fn minimise_cells(range: (f64, f64), ends: Ends, cell: f64, objective: &dyn Fn(f64) -> Option<Objective>) -> Option<Chosen> {
    let grid = grid(range, cell)?;
    // where the criterion is not defined (0/0 at the lower end, say) there is no sample
    let sample = |t: f64| {
        let at = objective((0.5 * t).exp())?;
        (at.log.is_finite() && at.slope.is_finite() && at.bend.is_finite()).then_some(Sample { t, at })
    };
    let mut samples: Vec<Sample> = grid.into_iter().filter_map(sample).collect();
    split_suspicious(&mut samples, &sample);
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
    conclude(samples, minima, ends, Scale::Logarithm)
}

/// The same for a positive criterion without derivatives (`None` where it is not defined): λ comes out to about 1e-8.
pub(crate) fn minimise_costly_values(range: (f64, f64), ends: Ends, value: &dyn Fn(f64) -> Option<f64>) -> Option<Chosen> {
    by_values(range, ends, 2.0 * CELL, Scale::Logarithm, &|damping| value(damping).map(f64::ln))
}

/// The same on cells four times as wide as usual.
pub(crate) fn minimise_coarsely(range: (f64, f64), ends: Ends, value: &dyn Fn(f64) -> Option<f64>) -> Option<Chosen> {
    by_values(range, ends, 4.0 * CELL, Scale::Logarithm, &|damping| value(damping).map(f64::ln))
}

/// All local maxima of a criterion without derivatives.
pub(crate) fn maximise_values(range: (f64, f64), ends: Ends, value: &dyn Fn(f64) -> Option<f64>) -> Option<Chosen> {
    by_values(range, ends, 0.5 * CELL, Scale::Negative, &|damping| value(damping).map(|v| -v))
}

fn by_values(range: (f64, f64), ends: Ends, cell: f64, scale: Scale, value: &dyn Fn(f64) -> Option<f64>) -> Option<Chosen> {
    let sample = |t: f64| {
        // what is not defined is no minimum, but keeps its place between its neighbours
        let log = value((0.5 * t).exp()).filter(|v| !v.is_nan()).unwrap_or(f64::INFINITY);
        Sample { t, at: Objective { log, slope: 0.0, bend: 0.0, slope_noise: 0.0 } }
    };
    let mut places = grid(range, cell)?;
    // without slopes a minimum beside an end shows only if there are points between it and the end
    let (start, end, width) = (places[0], places[places.len() - 1], places[1] - places[0]);
    places.extend([0.25, 0.0625].iter().flat_map(|part| [start + part * width, end - part * width]));
    places.sort_by(f64::total_cmp);
    let mut samples: Vec<Sample> = places.into_iter().map(sample).collect();
    let mut minima = Vec::new();
    let mut tried = Vec::new();
    for k in 1..samples.len().saturating_sub(1) {
        let [left, middle, right] = [samples[k - 1], samples[k], samples[k + 1]];
        // of equal neighbours the last is taken
        if middle.at.log.is_finite() && middle.at.log <= left.at.log && middle.at.log < right.at.log {
            minima.push(close_in(left, middle, right, &sample, &mut tried));
        }
    }
    samples.extend(tried);
    samples.retain(|s| s.at.log.is_finite());
    samples.sort_by(|a, b| a.t.total_cmp(&b.t));
    conclude(samples, minima, ends, scale)
}

/// The ends of the cells, in t = 2 log d.
fn grid((low, high): (f64, f64), cell: f64) -> Option<Vec<f64>> {
    if !(high > low && low > 0.0 && high.is_finite()) {
        return None;
    }
    let (start, end) = (2.0 * low.ln(), 2.0 * high.ln());
    let cells = ((end - start) / cell).ceil().max(8.0) as usize;
    Some((0..=cells).map(|k| start + (end - start) * k as f64 / cells as f64).collect())
}

/// Chooses among the minima and the ends, and says what is doubtful.
fn conclude(samples: Vec<Sample>, minima: Vec<Sample>, ends: Ends, scale: Scale) -> Option<Chosen> {
    let (first, last) = (*samples.first()?, *samples.last()?);
    let best_inside = minima.iter().copied().min_by(|a, b| a.at.log.total_cmp(&b.at.log));
    let mut warnings = Vec::new();
    let mut best = best_inside;
    if ends == Ends::Compete || best.is_none() {
        for (edge, upper) in [(first, false), (last, true)] {
            // an end is the answer when the criterion is lower there than anywhere inside, by more than its rounding
            if best.is_none_or(|b| edge.at.log < b.at.log - 1e-12) {
                best = Some(edge);
                warnings = vec![Warning::EdgeOfInterval { lambda: edge.t.exp(), upper }];
            }
        }
    }
    let best = best?;

    // the stretch around the best point in which the criterion hardly changes
    let flat = |s: &&Sample| scale.ratio(s.at.log, best.at.log) <= FLAT.exp();
    let left = samples.iter().rev().filter(|s| s.t < best.t).take_while(flat).last().map_or(best.t, |s| s.t);
    let right = samples.iter().filter(|s| s.t > best.t).take_while(flat).last().map_or(best.t, |s| s.t);
    if right - left >= FLAT_LENGTH {
        warnings.push(Warning::FlatMinimum { low: left.exp(), high: right.exp() });
    }
    for other in &minima {
        let ratio = scale.ratio(other.at.log, best.at.log);
        if other.t != best.t && ratio <= 1.0 + RIVAL {
            warnings.push(Warning::RivalMinimum { lambda: other.t.exp(), ratio });
        }
    }

    let mut evaluated: Vec<Sample> = samples;
    evaluated.extend(&minima);
    evaluated.sort_by(|a, b| a.t.total_cmp(&b.t));
    evaluated.dedup_by(|a, b| a.t == b.t);
    let pair = |s: &Sample| ((0.5 * s.t).exp(), scale.criterion(s.at.log));
    Some(Chosen {
        damping: (0.5 * best.t).exp(),
        value: scale.criterion(best.at.log),
        minima: minima.iter().map(pair).collect(),
        evaluated: evaluated.iter().map(pair).collect(),
        warnings,
    })
}

/// Brent's minimiser (Brent 1973, ch. 5): parabolas through the three best points, golden sections where they fail.
fn close_in(left: Sample, middle: Sample, right: Sample, sample: &dyn Fn(f64) -> Sample, tried: &mut Vec<Sample>) -> Sample {
    const GOLDEN: f64 = 0.381_966_011_250_105_1;
    let (mut a, mut b) = (left.t, right.t);
    let (mut best, mut second, mut third) = (middle, middle, middle);
    let (mut step, mut before_last) = (0.0f64, 0.0f64);
    for _ in 0..60 {
        let (x, half) = (best.t, 0.5 * (a + b));
        // a minimum of a smooth function is told from its neighbours to the root of the precision, not further
        let tolerance = 1e-9 * (1.0 + x.abs());
        if (x - half).abs() <= 2.0 * tolerance - 0.5 * (b - a) {
            break;
        }
        let r = (x - second.t) * (best.at.log - third.at.log);
        let q = (x - third.t) * (best.at.log - second.at.log);
        let (mut p, mut q) = ((x - third.t) * q - (x - second.t) * r, 2.0 * (q - r));
        if q > 0.0 {
            p = -p;
        }
        q = q.abs();
        let parabola = p.is_finite() && q > 0.0 && p.abs() < (0.5 * q * before_last).abs() && p > q * (a - x) && p < q * (b - x);
        before_last = step;
        step = if parabola {
            p / q
        } else {
            before_last = if x < half { b - x } else { a - x };
            GOLDEN * before_last
        };
        let next = sample(if step.abs() >= tolerance { x + step } else { x + tolerance.copysign(step) });
        tried.push(next);
        if next.at.log <= best.at.log {
            if next.t >= x {
                a = x
            } else {
                b = x
            }
            (third, second, best) = (second, best, next);
        } else {
            if next.t < x {
                a = next.t
            } else {
                b = next.t
            }
            if next.at.log <= second.at.log || second.t == x {
                (third, second) = (second, next);
            } else if next.at.log <= third.at.log || third.t == x || third.t == second.t {
                third = next;
            }
        }
    }
    best
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
