//! A curve from samples: for engines whose every λ costs a factorization, so that rules see what they see of a spectrum.
//!
//! In t = log λ the residual norm, the penalty norm and tr(I − H) are sums of rational functions of eᵗ with poles at a
//! distance of π from the real axis, and log ρ and log tr(I − H) are analytic at least half as far. Polynomials through
//! Chebyshev points therefore converge geometrically: on a cell of half-width h the error falls by
//! δ + √(δ² + 1) with every point, δ = π/(2h) (Trefethen 2013, Approximation Theory and Approximation Practice, ch. 8).
//! Cells of two units with seven points show where the minima are (worst case 6e-4 in the logarithm, usually far less). Where the last
//! coefficient of a cell says that far less is the case, the next one is wider: among few singular values the logarithms are nearly straight.
//! Around the minimum chosen a cell of one unit with fifteen points gives λ to about ten digits.
//!
//! Derivatives are those of the polynomials. tr H² = dof + d dof/dt, because dφ/dt = −φ(1 − φ). Outside the cells ρ and
//! tr(I − H) go on as c₀ − c₁e^(∓t).

use crate::curve::{Curve, Jet, Point};
use crate::error::Result;
use crate::refusal::Handed;
use crate::rule::{Chosen, Rule};

/// What one factorization says of a damping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// ρ, the squared residual norm.
    pub residual: f64,
    /// η, the squared penalty norm.
    pub penalty: f64,
    /// tr(I − H).
    pub trace: f64,
}

/// Width of a cell and points on it, for the search.
const CELL: f64 = 2.0;
const POINTS: usize = 7;
/// The widest cell: a logistic function, four units wide, does not hide between its points.
const WIDEST: f64 = 8.0;
/// After a cell whose last coefficients are below the first the next is twice as wide; above the second a wide one is divided.
const EASY: f64 = 1e-8;
const COARSE: f64 = 1e-6;
/// The same around the λ that was chosen.
const FINE_CELL: f64 = 1.0;
const FINE_POINTS: usize = 15;
/// Upwards λ has ceased to matter where a unit of log λ moves the degrees of freedom by less than this.
const STILL_ABOVE: f64 = 1e-4;
/// Downwards less is asked: data with little noise have their minimum where λ hardly moves anything.
const STILL_BELOW: f64 = 1e-8;
/// What is less than the rounding of the degrees of freedom is no movement: this many times mε.
const ROUNDING: f64 = 64.0;
/// Downwards nothing is to come where the logarithms of ρ and tr(I − H) are straight to this, or to rounding.
const STRAIGHT: f64 = 1e-8;
/// Relative rounding of tr(I − H) from which on λ is not followed further down. A choice: criteria near their minimum move more.
const RESOLVED: f64 = 1e-3;
/// Cells in each direction at most, divided ones counted as one.
const MOST_CELLS: usize = 20;

/// A place in t, and the logarithms of ρ, η and tr(I − H) there.
type Logs = (f64, [f64; 3]);

/// The logarithms through Chebyshev points.
struct Cell {
    start: f64,
    end: f64,
    points: Vec<Logs>,
}

pub(crate) struct Sampled {
    /// By increasing t, without gaps.
    cells: Vec<Cell>,
    fine: Vec<Cell>,
    rows: usize,
    still: f64,
}

/// A function of log λ = t; the damping is e^(t/2).
type Source<'a> = &'a dyn Fn(f64) -> Handed<Sample>;

impl Cell {
    /// `known` are points that another cell has already, if they are among those of this one.
    fn new(start: f64, end: f64, points: usize, known: &[Logs], source: Source<'_>) -> Handed<Self> {
        let place = |k: usize| match k {
            0 => start,
            k if k == points - 1 => end,
            k if 2 * k == points - 1 => 0.5 * (start + end),
            k => 0.5 * (start + end) - 0.5 * (end - start) * (core::f64::consts::PI * k as f64 / (points - 1) as f64).cos(),
        };
        let logs = |t: f64| {
            if let Some(&known) = known.iter().find(|known| known.0 == t) {
                return Ok(known);
            }
            let Sample { residual, penalty, trace } = source(t)?;
            let log = |v: f64| v.max(f64::MIN_POSITIVE).ln();
            Ok((t, [log(residual), log(penalty), log(trace)]))
        };
        let points = (0..points).map(|k| logs(place(k))).collect::<Handed<Vec<_>>>()?;
        Ok(Self { start, end, points })
    }

    /// The next cells upwards or downwards: one of this width, or narrower ones where it is not resolved, in the order away from `from`;
    /// none where the source refuses. `known` is what the neighbour knows.
    fn next(from: f64, width: f64, known: &[Logs], source: Source<'_>) -> Vec<Self> {
        let (start, end) = if width > 0.0 { (from, from + width) } else { (from + width, from) };
        let cell = match Self::new(start, end, POINTS, known, source) {
            Ok(cell) if width.abs() <= CELL || cell.last_coefficients() <= COARSE => return vec![cell],
            Ok(cell) => Some(cell),
            Err(_) if width.abs() <= CELL => return Vec::new(),
            Err(_) => None,
        };
        let known = cell.as_ref().map_or(known, |cell| cell.points.as_slice());
        let mut cells = Self::next(from, 0.5 * width, known, source);
        let reached = cells.last().map(|cell| if width > 0.0 { cell.end } else { cell.start });
        if reached == Some(from + 0.5 * width) {
            let mut known = known.to_vec();
            known.extend(cells.iter().flat_map(|cell| &cell.points));
            cells.extend(Self::next(from + 0.5 * width, 0.5 * width, &known, source));
        }
        cells
    }

    /// The larger of the last two coefficients in Chebyshev polynomials, of the three logarithms.
    fn last_coefficients(&self) -> f64 {
        let last = self.points.len() - 1;
        let coefficient = |order: usize, component: usize| {
            let term = |(k, point): (usize, &Logs)| {
                let weight = if k == 0 || k == last { 0.5 } else { 1.0 };
                weight * point.1[component] * (core::f64::consts::PI * (order * k) as f64 / last as f64).cos()
            };
            let sum: f64 = self.points.iter().enumerate().map(term).sum();
            sum.abs() * if order == last { 1.0 } else { 2.0 } / last as f64
        };
        (0..3).flat_map(|component| [coefficient(last, component), coefficient(last - 1, component)]).fold(0.0, f64::max)
    }

    /// Whether ρ and tr(I − H) are powers of λ to these relative roundings of theirs at the start. η is then on its way to its limit.
    fn is_straight(&self, roundings: impl Fn(&Logs) -> [f64; 2]) -> bool {
        let (first, last) = (&self.points[0], &self.points[self.points.len() - 1]);
        let straight = |(component, rounding): (usize, f64)| {
            let slope = (last.1[component] - first.1[component]) / (last.0 - first.0);
            let off = |point: &Logs| (point.1[component] - first.1[component] - slope * (point.0 - first.0)).abs();
            self.points.iter().all(|point| off(point) <= STRAIGHT.max(rounding))
        };
        [0, 2].into_iter().zip(roundings(first)).all(straight)
    }

    /// Whether the traces are more than rounding: tr(I − H) = c + Σλ/(γ² + λ) with c ≥ 0 grows with λ, and no faster than λ. Where H is
    /// nearly I they are what is left of a difference, which this tells without an estimate of its rounding.
    fn is_resolved(&self) -> bool {
        self.points.windows(2).all(|pair| {
            let (step, growth) = (pair[1].0 - pair[0].0, pair[1].1[2] - pair[0].1[2]);
            (-RESOLVED..=step + RESOLVED).contains(&growth)
        })
    }

    /// Value, slope and bend of the three polynomials (Newton's form, by nested multiplication).
    fn at(&self, t: f64) -> [Jet; 3] {
        core::array::from_fn(|component| {
            let mut table: Vec<f64> = self.points.iter().map(|p| p.1[component]).collect();
            let count = table.len();
            for order in 1..count {
                for k in (order..count).rev() {
                    table[k] = (table[k] - table[k - 1]) / (self.points[k].0 - self.points[k - order].0);
                }
            }
            let mut jet = Jet { value: table[count - 1], slope: 0.0, bend: 0.0 };
            for k in (0..count - 1).rev() {
                let x = t - self.points[k].0;
                jet.bend = jet.bend * x + 2.0 * jet.slope;
                jet.slope = jet.slope * x + jet.value;
                jet.value = jet.value * x + table[k];
            }
            jet
        })
    }
}

/// e^log with its derivatives.
fn exponential(log: Jet) -> Jet {
    let value = log.value.exp();
    Jet { value, slope: value * log.slope, bend: value * (log.bend + log.slope * log.slope) }
}

/// The value at the end of the cells, followed to where λ no longer matters: v(t) = v + s(1 − e^−|t−t₀|).
fn beyond(jet: Jet, distance: f64) -> Jet {
    let fade = (-distance.abs()).exp();
    let direction = distance.signum();
    Jet { value: jet.value + direction * jet.slope * (1.0 - fade), slope: jet.slope * fade, bend: -direction * jet.slope * fade }
}

impl Sampled {
    /// Samples from around t = `middle` outwards, until λ no longer matters, the source refuses or the traces are rounding; an error only
    /// where it refuses at once. `rows` is m, `epsilon` that of the scalar type.
    pub fn new(middle: f64, rows: usize, epsilon: f64, source: Source<'_>) -> Handed<Self> {
        let rounding = ROUNDING * epsilon * rows as f64;
        let (still, below_still) = (STILL_ABOVE.max(rounding), STILL_BELOW.max(rounding));
        let first = Cell::new(middle, middle + CELL, POINTS, &[], source)?;
        let moves = |cell: &Cell, t: f64| exponential(cell.at(t)[2]).slope.abs();
        // from one end outwards, until `ends` says so or the source refuses
        let outwards = |direction: f64, ends: &dyn Fn(&Cell) -> bool| {
            let (mut cells, mut width) = (Vec::<Cell>::new(), CELL);
            for _ in 0..MOST_CELLS {
                let last = cells.last().unwrap_or(&first);
                if ends(last) {
                    break;
                }
                width = if last.last_coefficients() <= EASY { (2.0 * width).min(WIDEST) } else { CELL };
                let from = if direction > 0.0 { last.end } else { last.start };
                let more = Cell::next(from, direction * width, &last.points, source);
                cells.extend(more.into_iter().take_while(|cell| direction > 0.0 || cell.is_resolved()));
                let reached = cells.last().map(|cell| if direction > 0.0 { cell.end } else { cell.start });
                if reached != Some(from + direction * width) {
                    break;
                }
            }
            cells
        };
        let above = outwards(1.0, &|cell| moves(cell, cell.end) < still);
        // of the residual, which is a difference from the data, and of m − dof
        let largest = above.iter().chain([&first]).flat_map(|cell| &cell.points).map(|point| point.1[0]).fold(f64::NEG_INFINITY, f64::max);
        let roundings = |point: &Logs| [ROUNDING * epsilon * (0.5 * (largest - point.1[0])).exp(), rounding * (-point.1[2]).exp()];
        let mut cells = outwards(-1.0, &|cell| moves(cell, cell.start) < below_still || cell.is_straight(roundings));
        cells.reverse();
        cells.push(first);
        cells.extend(above);
        Ok(Self { cells, fine: Vec::new(), rows, still })
    }

    /// The λ that the rule chooses: on the coarse cells first, then on a fine one around it.
    pub fn choose(&mut self, rule: &Rule, data_norm: f64, unit: f64, source: Source<'_>) -> Handed<Result<Chosen>> {
        let chosen = match rule.choose(self, data_norm, unit) {
            Ok(chosen) => chosen,
            Err(error) => return Ok(Err(error)),
        };
        let t = 2.0 * chosen.damping.ln();
        let (low, high) = self.range();
        let (start, end) = ((t - 0.5 * FINE_CELL).max(low), (t + 0.5 * FINE_CELL).min(high));
        if !(end - start > 0.1 * FINE_CELL) {
            return Ok(Ok(chosen));
        }
        self.fine.push(Cell::new(start, end, FINE_POINTS, &[], source)?);
        let near = Near { curve: self, start, end };
        // an end of the fine cell is no end of the curve: the coarse answer then stands
        let inside = |t: f64| t > start + 1e-6 && t < end - 1e-6;
        Ok(Ok(match rule.choose(&near, data_norm, unit) {
            Ok(fine) if inside(2.0 * fine.damping.ln()) => {
                Chosen { damping: fine.damping, value: fine.value, minima: replaced(&chosen, &fine), ..chosen }
            }
            _ => chosen,
        }))
    }

    fn range(&self) -> (f64, f64) {
        (self.cells[0].start, self.cells[self.cells.len() - 1].end)
    }

    /// The jets of ρ, η and tr(I − H) at t.
    fn jets(&self, t: f64) -> [Jet; 3] {
        let (low, high) = self.range();
        if t < low {
            return self.cells[0].at(low).map(|jet| beyond(exponential(jet), t - low));
        }
        if t > high {
            let [residual, penalty, trace] = self.cells[self.cells.len() - 1].at(high);
            // η falls as 1/λ², to 0
            let penalty = Jet { value: penalty.value + penalty.slope * (t - high), bend: 0.0, ..penalty };
            return [beyond(exponential(residual), t - high), exponential(penalty), beyond(exponential(trace), t - high)];
        }
        if let Some(fine) = self.fine.iter().find(|cell| cell.start <= t && t <= cell.end) {
            return fine.at(t).map(exponential);
        }
        let place = self.cells.partition_point(|cell| cell.end < t).min(self.cells.len() - 1);
        self.cells[place].at(t).map(exponential)
    }
}

/// The list of minima with the one chosen at its better place.
fn replaced(chosen: &Chosen, fine: &Chosen) -> Vec<(f64, f64)> {
    chosen
        .minima
        .iter()
        .map(|&(damping, value)| if damping == chosen.damping { (fine.damping, fine.value) } else { (damping, value) })
        .collect()
}

impl Curve for Sampled {
    fn at(&self, damping: f64) -> Point {
        let [residual, penalty, trace] = self.jets(2.0 * damping.ln());
        let dof = self.rows as f64 - trace.value;
        // the third derivative would be needed for the bend; robust GCV searches with it left at 0
        let trace_squared = Jet { value: (dof - trace.slope).max(0.0), slope: -trace.slope - trace.bend, bend: 0.0 };
        Point { residual, penalty: Jet { bend: 0.0, ..penalty }, trace, trace_squared }
    }
    fn interval(&self) -> (f64, f64) {
        let (low, high) = self.range();
        // A is zero, or sees only what L does not: no λ changes anything
        let trace = |t: f64| self.jets(t)[2].value;
        if (trace(high) - trace(low)).abs() <= self.still {
            return (0.0, 0.0);
        }
        ((0.5 * low).exp(), (0.5 * high).exp())
    }
    fn rows(&self) -> usize {
        self.rows
    }
}

/// The curve, looked at on one cell.
struct Near<'a> {
    curve: &'a Sampled,
    start: f64,
    end: f64,
}

impl Curve for Near<'_> {
    fn at(&self, damping: f64) -> Point {
        self.curve.at(damping)
    }
    fn interval(&self) -> (f64, f64) {
        ((0.5 * self.start).exp(), (0.5 * self.end).exp())
    }
    fn rows(&self) -> usize {
        self.curve.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Spectrum;
    use crate::refusal::Refusal;
    use crate::rule::{Discrepancy, Gcv};

    /// Five decades of singular values, coefficients that decay towards a noise level.
    fn spectrum() -> Spectrum {
        let values: Vec<f64> = (0..30).map(|i| 10f64.powf(-f64::from(i) / 6.0)).collect();
        let coefficients = values.iter().enumerate().map(|(i, v)| 2.0 * v + 1e-3 * (1.0 + (i % 3) as f64)).collect();
        Spectrum { values, coefficients, outside: 3e-5, rows: 40, unpenalised: 1, tolerance: 0.0 }
    }

    /// Samples of a spectrum are that spectrum's curve: values and derivatives on the cells and beyond them, and the λ of a rule.
    #[test]
    fn samples_of_a_spectrum_are_its_curve() {
        let spectrum = spectrum();
        let source = |t: f64| {
            let point = Curve::at(&spectrum, (0.5 * t).exp());
            Ok(Sample { residual: point.residual.value, penalty: point.penalty.value, trace: point.trace.value })
        };
        let mut sampled = Sampled::new(-3.0, spectrum.rows, f64::EPSILON, &source).unwrap();
        let (low, high) = sampled.range();
        assert!(low < 2.0 * 1e-5f64.ln() && high > 0.0, "{low}, {high}");
        let mut t = low - 3.0;
        while t < high + 3.0 {
            let (found, expected) = (sampled.at((0.5 * t).exp()), Curve::at(&spectrum, (0.5 * t).exp()));
            let near = |a: f64, b: f64, tolerance: f64, what: &str| assert!((a - b).abs() <= tolerance, "{what} at {t}: {a} is not {b}");
            near(found.residual.value / expected.residual.value, 1.0, 1e-3, "ρ");
            near(found.penalty.value / expected.penalty.value, 1.0, 1e-3, "η");
            near(found.trace.value, expected.trace.value, 1e-3, "tr(I − H)");
            near(found.trace.slope, expected.trace.slope, 2e-2, "its slope");
            near(found.trace_squared.value, expected.trace_squared.value, 2e-2, "tr H²");
            near(found.residual.slope / expected.residual.value, expected.residual.slope / expected.residual.value, 2e-2, "slope of ρ");
            t += 0.37;
        }
        for rule in [Rule::Gcv(Gcv), Rule::RobustGcv(Gcv.robust(0.3)), Rule::Discrepancy(Discrepancy::noise_norm(0.02))] {
            let found = sampled.choose(&rule, 1.0, 1.0, &source).unwrap().unwrap();
            let expected = rule.choose(&spectrum, 1.0, 1.0).unwrap();
            let difference = 2.0 * (found.damping / expected.damping).ln();
            assert!(difference.abs() <= 1e-7, "{}: {} is not {}", rule.name(), found.damping, expected.damping);
            assert_eq!(found.minima.len(), expected.minima.len(), "{}", rule.name());
            sampled.fine.clear();
        }
    }

    /// Where tr(I − H) is nothing but rounding it may have any value, and criteria any minimum: none is looked for there.
    #[test]
    fn rounding_is_not_followed() {
        let spectrum = Spectrum { outside: 0.0, rows: 30, unpenalised: 0, ..spectrum() };
        let source = |t: f64| {
            let point = Curve::at(&spectrum, (0.5 * t).exp());
            let trace = point.trace.value + 1e-7 * (1e3 * t).sin();
            Ok(Sample { residual: point.residual.value, penalty: point.penalty.value, trace })
        };
        let mut sampled = Sampled::new(-3.0, spectrum.rows, f64::EPSILON, &source).unwrap();
        let lowest = Curve::at(&spectrum, (0.5 * sampled.range().0).exp()).trace.value;
        assert!((1e-5..1e-2).contains(&lowest), "{lowest:e}");
        let rule = Rule::Gcv(Gcv);
        let found = sampled.choose(&rule, 1.0, 1.0, &source).unwrap().unwrap();
        let expected = rule.choose(&spectrum, 1.0, 1.0).unwrap();
        assert!((found.damping / expected.damping).ln().abs() <= 1e-4, "{} is not {}", found.damping, expected.damping);
    }

    /// What never moves has no interval; what refuses at once is handed back.
    #[test]
    fn a_curve_without_extent() {
        let still = |_: f64| Ok(Sample { residual: 2.0, penalty: 1.0, trace: 5.0 });
        let curve = Sampled::new(0.0, 5, f64::EPSILON, &still).unwrap();
        assert_eq!(curve.interval(), (0.0, 0.0));
        let refuses = |_: f64| Err(Refusal::OutOfRange);
        assert!(Sampled::new(0.0, 5, f64::EPSILON, &refuses).is_err());
    }
}
