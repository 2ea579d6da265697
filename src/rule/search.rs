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
/// Differences of the logarithm of a criterion below this are rounding, in searches without derivatives.
const VALUE_NOISE: f64 = 1e-12;
/// A minimum has been found when its log λ is known to this, in searches without derivatives.
const SETTLED: f64 = 1e-8;
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
    let grid = grid(range, CELL)?;
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
    let places = with_ends(grid(range, cell)?);
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

/// Where rules look whose criterion costs much: in t = 2 log d, cells of twice the usual width among the singular values.
pub(crate) fn places_inside(curve: &dyn Curve) -> Option<Vec<f64>> {
    grid(curve.inside(), 2.0 * CELL)
}

/// The same on the whole interval and on cells of the usual width, wider ones beyond the singular values, where nothing changes
/// faster than as a power of λ. What is computed for one of the two serves the other.
pub(crate) fn places(curve: &dyn Curve) -> Option<Vec<f64>> {
    let inside = places_inside(curve)?;
    let (low, high) = curve.interval();
    let (first, last) = (*inside.first()?, *inside.last()?);
    let middles: Vec<f64> = inside.windows(2).map(|cell| 0.5 * (cell[0] + cell[1])).collect();
    let beyond = |from: f64, to: f64| {
        let cells = ((to - from).abs() / (4.0 * CELL)).ceil();
        (1..=cells as usize).map(move |k| from + (to - from) * k as f64 / cells)
    };
    let mut all: Vec<f64> = beyond(first, 2.0 * low.ln()).collect();
    all.reverse();
    all.extend(inside);
    all.extend(middles);
    all.extend(beyond(last, 2.0 * high.ln()));
    all.sort_by(f64::total_cmp);
    Some(all)
}

/// All local minima of a positive criterion whose values (`None` where it is not defined) at many dampings cost little more than
/// at one: those at `places`, and then those that a polynomial needs in each bracket. λ comes out to 1e-8 where the criterion is
/// as smooth as its sums.
pub(crate) fn minimise_together(places: Vec<f64>, ends: Ends, values: &dyn Fn(&[f64]) -> Vec<Option<f64>>) -> Option<Chosen> {
    let sample = |places: &[f64]| -> Vec<Sample> {
        let dampings: Vec<f64> = places.iter().map(|t| (0.5 * t).exp()).collect();
        let logs = values(&dampings).into_iter().map(|v| v.map(f64::ln).filter(|v| !v.is_nan()).unwrap_or(f64::INFINITY));
        places.iter().zip(logs).map(|(&t, log)| Sample { t, at: Objective { log, slope: 0.0, bend: 0.0, slope_noise: 0.0 } }).collect()
    };
    let mut samples = sample(&with_ends(places));
    for _ in 0..SPLITS {
        let more = doubtful(&samples);
        if more.is_empty() {
            break;
        }
        samples.extend(sample(&more));
        samples.sort_by(|a, b| a.t.total_cmp(&b.t));
    }
    let mut brackets = Vec::new();
    let mut falling = None;
    for k in 1..samples.len() {
        let change = samples[k].at.log - samples[k - 1].at.log;
        if change < -VALUE_NOISE {
            falling = Some(k - 1);
        } else if change > VALUE_NOISE
            && let Some(left) = falling.take()
        {
            brackets.push(Bracket::new(&samples[left..=k]));
        }
    }
    // the points of all brackets together
    for _ in 0..8 {
        let points: Vec<f64> = brackets.iter().filter(|bracket| !bracket.done).flat_map(Bracket::points).collect();
        if points.is_empty() {
            break;
        }
        let found = sample(&points);
        brackets
            .iter_mut()
            .filter(|bracket| !bracket.done)
            .zip(found.chunks(BRACKET_POINTS))
            .for_each(|(bracket, found)| bracket.narrow(found));
        samples.extend(found);
    }
    samples.retain(|s| s.at.log.is_finite());
    samples.sort_by(|a, b| a.t.total_cmp(&b.t));
    conclude(samples, brackets.into_iter().map(|bracket| bracket.best).collect(), ends, Scale::Logarithm)
}

/// The middles of the cells in which, and beside which, a pair of extrema may hide: the mean slope of a cell keeps its sign and yet comes
/// nearer to 0 than that of both neighbours, by so much that it may have crossed 0 inside.
fn doubtful(samples: &[Sample]) -> Vec<f64> {
    let slope = |k: usize| (samples[k + 1].at.log - samples[k].at.log) / (samples[k + 1].t - samples[k].t);
    let mut cells: Vec<usize> = Vec::new();
    for k in 1..samples.len().saturating_sub(2) {
        let (before, here, after) = (slope(k - 1), slope(k), slope(k + 1));
        let turns = before * here > 0.0 && here * after > 0.0 && here.abs() < before.abs().min(after.abs());
        if turns && here.abs() <= (before - here).abs() + (after - here).abs() {
            cells.extend([k - 1, k, k + 1]);
        }
    }
    cells.sort_unstable();
    cells.dedup();
    cells.into_iter().map(|k| 0.5 * (samples[k].t + samples[k + 1].t)).collect()
}

/// With points beside the ends: without slopes a minimum there shows only if there are points between it and the end.
fn with_ends(mut places: Vec<f64>) -> Vec<f64> {
    let count = places.len();
    let (first, last) = (places[1] - places[0], places[count - 1] - places[count - 2]);
    let (start, end) = (places[0], places[count - 1]);
    places.extend([0.25, 0.0625].iter().flat_map(|part| [start + part * first, end - part * last]));
    places.sort_by(f64::total_cmp);
    places
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

/// Points of a polynomial.
const BRACKET_POINTS: usize = 12;

/// A minimum on its way to being found by the polynomial through Chebyshev points on a stretch: the nearest singularities of a
/// criterion's sums lie at ±iπ, so that twelve points on a stretch of ±½ leave 1e-13 (Trefethen 2013, Approximation Theory and
/// Approximation Practice, ch. 8). Where the coefficients do not fall like that, the stretch is shortened.
struct Bracket {
    ends: (f64, f64),
    /// The stretch: its middle and half its length.
    centre: f64,
    half: f64,
    best: Sample,
    /// How far off t may be.
    uncertainty: f64,
    done: bool,
}

impl Bracket {
    /// Around the samples from one that falls to one that rises.
    fn new(samples: &[Sample]) -> Self {
        let ends = (samples[0].t, samples[samples.len() - 1].t);
        let best = *samples.iter().min_by(|a, b| a.at.log.total_cmp(&b.at.log)).unwrap_or(&samples[0]);
        let half = (0.25 * (ends.1 - ends.0)).min(0.5);
        Self { ends, centre: vertex(samples).unwrap_or(best.t), half, best, uncertainty: f64::INFINITY, done: false }
    }

    /// The stretch inside the bracket, as middle and radius.
    fn stretch(&self) -> (f64, f64) {
        let (low, high) = ((self.centre - self.half).max(self.ends.0), (self.centre + self.half).min(self.ends.1));
        (0.5 * (low + high), 0.5 * (high - low))
    }

    fn angle(j: usize) -> f64 {
        core::f64::consts::PI * (j as f64 + 0.5) / BRACKET_POINTS as f64
    }

    fn points(&self) -> impl Iterator<Item = f64> + use<> {
        let (middle, radius) = self.stretch();
        (0..BRACKET_POINTS).map(move |j| middle + radius * Self::angle(j).cos())
    }

    /// With the criterion at those points, the minimum or the next stretch.
    fn narrow(&mut self, found: &[Sample]) {
        let (middle, radius) = self.stretch();
        if found.iter().any(|s| !s.at.log.is_finite()) {
            self.done = true;
            return;
        }
        let coefficient = |k: usize| {
            let terms = found.iter().enumerate().map(|(j, s)| s.at.log * (k as f64 * Self::angle(j)).cos());
            terms.sum::<f64>() * if k == 0 { 1.0 } else { 2.0 } / BRACKET_POINTS as f64
        };
        let polynomial: Vec<f64> = (0..BRACKET_POINTS).map(coefficient).collect();
        let slopes = derivative(&polynomial);
        // where the slope turns from − to +, the deepest of such places
        let node = |k: usize| -1.0 + k as f64 / 16.0;
        let turns = (0..32).filter(|&k| chebyshev(&slopes, node(k)) < 0.0 && chebyshev(&slopes, node(k + 1)) >= 0.0);
        let roots = turns.map(|k| root(&slopes, node(k), node(k + 1)));
        let Some(x) = roots.min_by(|&a, &b| chebyshev(&polynomial, a).total_cmp(&chebyshev(&polynomial, b))) else {
            // it falls to one end of the stretch: there the next one has its middle
            let end = middle + if chebyshev(&slopes, 0.0) > 0.0 { -radius } else { radius };
            self.done = end <= self.ends.0 || end >= self.ends.1;
            self.centre = end;
            return;
        };
        let bend = chebyshev(&derivative(&slopes), x);
        let lost = polynomial[BRACKET_POINTS - 1].abs() + polynomial[BRACKET_POINTS - 2].abs();
        let off = radius * lost * (BRACKET_POINTS * BRACKET_POINTS) as f64 / bend.abs();
        let log = chebyshev(&polynomial, x);
        if off < self.uncertainty {
            self.best = Sample { t: middle + radius * x, at: Objective { log, ..self.best.at } };
        }
        // where a shorter stretch was no better, what is left is rounding
        self.done = off <= SETTLED || off >= self.uncertainty;
        self.uncertainty = self.uncertainty.min(off);
        (self.centre, self.half) = (self.best.t, 0.4 * self.half);
    }
}

/// The lowest point of the parabola through the lowest sample and its neighbours.
fn vertex(bracket: &[Sample]) -> Option<f64> {
    let &[a, b, c] = bracket else { return None };
    let (left, right) = ((b.at.log - a.at.log) / (b.t - a.t), (c.at.log - b.at.log) / (c.t - b.t));
    let vertex = 0.5 * (a.t + b.t) - 0.5 * left * (c.t - a.t) / (right - left);
    (vertex > a.t && vertex < c.t).then_some(vertex)
}

/// Σ cₖTₖ(x), by Clenshaw's recurrence.
fn chebyshev(coefficients: &[f64], x: f64) -> f64 {
    let (mut one, mut two) = (0.0, 0.0);
    for &c in coefficients.iter().skip(1).rev() {
        (one, two) = (c + 2.0 * x * one - two, one);
    }
    coefficients.first().map_or(0.0, |c| c + x * one - two)
}

/// The coefficients of the derivative.
fn derivative(coefficients: &[f64]) -> Vec<f64> {
    let n = coefficients.len();
    let mut slopes = vec![0.0; n + 1];
    for k in (1..n).rev() {
        slopes[k - 1] = slopes[k + 1] + 2.0 * k as f64 * coefficients[k];
    }
    slopes.truncate(n.saturating_sub(1));
    slopes.iter_mut().take(1).for_each(|c| *c *= 0.5);
    slopes
}

/// Where a polynomial turns from − to + between two places, by bisection.
fn root(coefficients: &[f64], mut low: f64, mut high: f64) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if chebyshev(coefficients, middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Chebyshev series: values, derivatives and roots of a known polynomial, 4x³ − 3x + 2 = 2T₀ + T₃.
    #[test]
    fn chebyshev_series_are_polynomials() {
        let series = [2.0, 0.0, 0.0, 1.0];
        for x in [-1.0, -0.3, 0.0, 0.7, 1.0f64] {
            assert!((chebyshev(&series, x) - (4.0 * x.powi(3) - 3.0 * x + 2.0)).abs() < 1e-14);
            assert!((chebyshev(&derivative(&series), x) - (12.0 * x * x - 3.0)).abs() < 1e-13);
        }
        assert!((root(&derivative(&series), 0.0, 1.0) - 0.5).abs() < 1e-14);
    }

    /// Minima of a criterion with known ones, among them one beside an end and one that is narrow; plateaus of rounding are none.
    #[test]
    fn minima_are_found_together() {
        // |t − c|-shaped valleys made smooth: log cosh has its minimum at c and the width 1
        let check = |centres: &[f64], width: f64| {
            let log = |t: f64| centres.iter().map(|c| -1.0 / ((t - c) / width).cosh()).sum::<f64>();
            let values = |dampings: &[f64]| dampings.iter().map(|d| Some(log(2.0 * d.ln()).exp())).collect();
            let places: Vec<f64> = (0..41).map(|k| -20.0 + k as f64).collect();
            let found = minimise_together(places, Ends::LastResort, &values).unwrap();
            assert_eq!(found.minima.len(), centres.len(), "{:?}", found.minima);
            for (c, &(damping, value)) in centres.iter().zip(&found.minima) {
                assert!((2.0 * damping.ln() - c).abs() < 1e-8, "{c} {}", 2.0 * damping.ln());
                assert!((value.ln() - log(*c)).abs() < 1e-10);
            }
        };
        check(&[0.3], 2.0);
        check(&[-12.4, 7.123], 1.0);
        check(&[-19.4], 1.0);
        check(&[2.6], 0.7);
    }
}
