//! Each figure from its numbers.

use super::figure::{Colour, Figure, Look, Mark, Pattern, Shape};
use super::image::Picture;
use super::scale::{Axis, Scale, number};
use super::view::{Deviation, Fields, KOLMOGOROV, View, cumulative_periodogram};
use crate::solution::Criterion;

/// Criteria are drawn up to at most this many times their smallest value: minima would not be seen on a longer axis.
const CRITERION_UP_TO: f64 = 30.0;
/// Unknowns whose path is drawn: as many as there are pairs of colour and pattern.
pub(crate) const PATHS: usize = 16;
/// Marks of a Picard plot; of more values some are picked.
const MARKS: usize = 1500;

const COLOURS: [Colour; 4] = [Colour::Blue, Colour::Green, Colour::Purple, Colour::Grey];
const PATTERNS: [Pattern; 4] = [Pattern::Solid, Pattern::Dashed, Pattern::DashDotted, Pattern::Dotted];
const LAMBDA: &str = "λ";

fn here(name: &str) -> Look {
    Look::new(name, Colour::Vermillion).id("here")
}

pub(crate) fn l_curve(view: &View, range: (f64, f64), lambda: Option<f64>) -> Figure {
    let curve: Vec<_> = view.grid(range).into_iter().map(|lambda| view.at(lambda)).collect();
    let corner = view.corner(range);
    let pair = |at: &super::view::At| (at.residual_norm, at.penalty_norm);
    let points: Vec<(f64, f64)> = curve.iter().map(pair).collect();
    let x = Axis::of("residual norm ‖Ax − b‖", Scale::Log, points.iter().map(|p| p.0), 0.05);
    let y = Axis::of("penalty norm ‖L(x − x₀)‖", Scale::Log, points.iter().map(|p| p.1), 0.05);
    let mut figure = Figure::new("l_curve", "L-curve", x, y);
    figure.description = format!(
        "L-curve, both axes logarithmic: from λ = {} to λ = {} the residual norm rises from {} to {} and the penalty norm falls from {} to {}. {}",
        number(range.0),
        number(range.1),
        number(points[0].0),
        number(points[points.len() - 1].0),
        number(points[0].1),
        number(points[points.len() - 1].1),
        match &corner {
            Some(at) => format!(
                "The corner, its largest curvature, is at λ = {}: residual norm {}, penalty norm {}.",
                number(at.lambda),
                number(at.residual_norm),
                number(at.penalty_norm)
            ),
            None => "It has no corner inside this range.".into(),
        }
    );
    figure.marks.push(Mark::Line { points, look: Look::new("L-curve", Colour::Blue) });
    if let Some(at) = &corner {
        let name = format!("corner, λ = {}", number(at.lambda));
        figure.marks.push(Mark::Dots { points: vec![pair(at)], look: Look::new(name, Colour::Green).shape(Shape::Square) });
    }
    if let Some(lambda) = lambda {
        figure.marks.push(Mark::Dots { points: vec![pair(&view.at(lambda))], look: here(LAMBDA).shape(Shape::Diamond) });
    }
    figure.header = ["λ", "residual norm", "penalty norm", "degrees of freedom", "curvature"].map(String::from).into();
    figure.rows = curve.iter().map(|at| vec![at.lambda, at.residual_norm, at.penalty_norm, at.dof, at.curvature]).collect();
    figure
}

/// How a criterion is brought to 1 at its smallest value.
fn relative(criterion: &Criterion) -> (f64, impl Fn(f64) -> f64) {
    let values = || criterion.evaluated.iter().map(|p| p.1).filter(|v| v.is_finite());
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    // a logarithm of a likelihood may be negative: its range is shown as one decade
    let logarithm = least <= 0.0;
    (least, move |v: f64| if logarithm { 10f64.powf((v - least) / (most - least)) } else { v / least })
}

pub(crate) fn criteria(criteria: &[&Criterion], range: Option<(f64, f64)>, lambda: Option<f64>) -> Figure {
    let drawn: Vec<&Criterion> = criteria.iter().copied().filter(|c| c.evaluated.len() > 1).collect();
    let inside = |lambda: f64| range.is_none_or(|(low, high)| lambda >= low * (1.0 - 1e-9) && lambda <= high * (1.0 + 1e-9));
    let mut lines = Vec::new();
    let (mut words, mut rows) = (Vec::new(), Vec::new());
    for (k, criterion) in drawn.iter().enumerate() {
        let (least, relative) = relative(criterion);
        let points: Vec<(f64, f64)> = criterion.evaluated.iter().filter(|p| inside(p.0)).map(|&(l, v)| (l, relative(v))).collect();
        let minima: Vec<(f64, f64)> = criterion.minima.iter().map(|&(l, v)| (l, relative(v))).collect();
        let places: Vec<String> =
            criterion.minima.iter().map(|&(lambda, value)| format!("{} (value {})", number(lambda), number(value))).collect();
        words.push(match places.as_slice() {
            [] => format!("{}: no minimum inside the range searched; the smallest value is {}.", criterion.rule, number(least)),
            [one] => format!("{}: one minimum, at λ = {one}.", criterion.rule),
            all => format!("{}: {} local minima, at λ = {}.", criterion.rule, all.len(), all.join(", ")),
        });
        rows.extend(criterion.evaluated.iter().filter(|p| inside(p.0)).map(|&(lambda, value)| vec![k as f64 + 1.0, lambda, value]));
        lines.push((criterion.rule, points, minima));
    }
    let xs: Vec<f64> = match range {
        Some((low, high)) => vec![low, high],
        None => lines.iter().flat_map(|(_, points, _)| points.iter().map(|p| p.0)).collect(),
    };
    // every criterion grows without end for large λ; what it does below its minimum is to be seen
    let plateau = |(_, points, _): &(_, Vec<(f64, f64)>, _)| {
        let best = points.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |p| p.0);
        points.iter().filter(|p| p.0 <= best).map(|p| p.1).fold(1.0, f64::max)
    };
    let most = (1.0 + 2.5 * (lines.iter().map(plateau).fold(1.0, f64::max) - 1.0)).clamp(1.3, CRITERION_UP_TO);
    let x = Axis::of("λ", Scale::Log, xs, 0.0);
    let y = Axis::from("criterion ÷ its smallest value", Scale::Log, most.powf(-0.08), most, 0.0);
    let title = match lines.as_slice() {
        [(rule, ..)] => format!("Criterion: {rule}"),
        _ => "Criteria and their minima".into(),
    };
    let mut figure = Figure::new("criteria", title, x, y);
    figure.description = if words.is_empty() { "No rule has a criterion to draw here.".into() } else { words.join(" ") };
    figure.header = vec![
        match lines.len() {
            0 | 1 => "criterion".into(),
            _ => format!(
                "criterion ({})",
                lines.iter().enumerate().map(|(k, (rule, ..))| format!("{}: {rule}", k + 1)).collect::<Vec<_>>().join(", ")
            ),
        },
        "λ".into(),
        "value".into(),
    ];
    figure.rows = rows;
    let shapes = [Shape::Circle, Shape::Square, Shape::Cross, Shape::Diamond];
    for (k, (rule, points, minima)) in lines.into_iter().enumerate() {
        let (colour, pattern) = (COLOURS[k % 4], PATTERNS[k % 4]);
        figure.marks.push(Mark::Line { points, look: Look::new(rule, colour).pattern(pattern) });
        figure.marks.push(Mark::Dots { points: minima, look: Look::new("", colour).shape(shapes[k % 4]) });
    }
    if let Some(lambda) = lambda {
        figure.marks.push(Mark::Place { x: lambda, look: here(LAMBDA) });
    }
    figure
}

pub(crate) fn picard(view: &View, lambda: Option<f64>) -> Figure {
    let count = view.sums.values.len();
    let picked: Vec<usize> =
        if count <= MARKS { (0..count).collect() } else { (0..MARKS).map(|k| k * (count - 1) / (MARKS - 1)).collect() };
    let values = |i: usize| view.sums.values[i] * view.unit_value;
    let coefficients = |i: usize| view.sums.coefficients[i] * view.unit_data;
    let ratio = |i: usize| if view.sums.values[i] > 0.0 { coefficients(i) / values(i) } else { f64::NAN };
    let series = |f: &dyn Fn(usize) -> f64| picked.iter().map(|&i| (i as f64 + 1.0, f(i))).collect::<Vec<_>>();
    let floor = view.sums.tolerance * view.unit_value;
    let noise = lambda.and_then(|lambda| view.noise(&view.at(lambda)));
    let all = picked.iter().flat_map(|&i| [values(i), coefficients(i), ratio(i)]).chain(noise).chain([floor]);
    let x = Axis::from("i", Scale::Linear, 0.0, count as f64 + 1.0, 0.0);
    let y = Axis::of("", Scale::Log, all, 0.04);
    let mut figure = Figure::new("picard", "Picard plot", x, y);
    let above = (0..count).filter(|&i| values(i) > floor).count();
    let over_noise = noise.map(|noise| (0..count).take_while(|&i| coefficients(i) > 2.0 * noise).count());
    figure.description = format!(
        "Picard plot: {count} singular values σ from {} down to {}, of which {above} are above the rounding floor {}. {}{}",
        number(values(0)),
        number(values(count - 1)),
        number(floor),
        match (noise, over_noise) {
            (Some(noise), Some(k)) => format!(
                "By the residual at λ the noise in a coefficient is about {}; the first {k} coefficients |uᴴb| exceed twice that.",
                number(noise)
            ),
            _ => String::new(),
        },
        if count > MARKS { format!(" {MARKS} of them are drawn.") } else { String::new() }
    );
    figure.marks.push(Mark::Dots { points: series(&values), look: Look::new("σᵢ", Colour::Blue) });
    figure.marks.push(Mark::Dots { points: series(&coefficients), look: Look::new("|uᵢᴴb|", Colour::Green).shape(Shape::Cross) });
    figure.marks.push(Mark::Dots { points: series(&ratio), look: Look::new("|uᵢᴴb|/σᵢ", Colour::Purple).shape(Shape::Circle) });
    if let Some(lambda) = lambda {
        let filtered = filtered(view, lambda);
        let points = picked.iter().map(|&i| (i as f64 + 1.0, filtered[i])).collect();
        figure
            .marks
            .push(Mark::Line { points, look: Look::new("what λ keeps, φᵢ|uᵢᴴb|/σᵢ", Colour::Vermillion).id("filtered") });
        figure.marks.push(Mark::Level { y: lambda.sqrt(), look: here("√λ").pattern(Pattern::DashDotted) });
    }
    if let Some(noise) = noise {
        let name = format!("noise, about {}", number(noise));
        figure.marks.push(Mark::Level { y: noise, look: Look::new(name, Colour::Green).pattern(Pattern::Dashed) });
    }
    let name = format!("rounding of σ, {}", number(floor));
    figure.marks.push(Mark::Level { y: floor, look: Look::new(name, Colour::Grey).pattern(Pattern::Dotted) });
    figure.header = ["i", "σᵢ", "|uᵢᴴb|", "|uᵢᴴb|/σᵢ"].map(String::from).into();
    figure.rows = (0..count).map(|i| vec![i as f64 + 1.0, values(i), coefficients(i), ratio(i)]).collect();
    figure
}

/// φᵢ|uᵢᴴb|/σᵢ: the coefficients of x.
pub(crate) fn filtered(view: &View, lambda: f64) -> Vec<f64> {
    let damping = lambda.sqrt() / view.unit_value;
    let unit = view.unit_data / view.unit_value;
    view.sums.values.iter().zip(&view.sums.coefficients).map(|(&v, &b)| crate::curve::damped_coefficient(v, damping) * b * unit).collect()
}

/// Something known about x beside the data.
pub(crate) struct Known<'a> {
    pub truth: Option<&'a [f64]>,
    /// Rows and columns where x is a picture, its entries column after column.
    pub shape: Option<(usize, usize)>,
    /// x is the real part of a complex solution.
    pub complex: bool,
}

pub(crate) fn solution(fields: &Fields<'_>, lambda: f64, known: &Known<'_>) -> Figure {
    let x = fields.solution(lambda);
    let what = if known.complex { "Re x" } else { "x" };
    let (least, most) = extent(&x);
    let range_words =
        format!("At λ = {} the {} entries of {what} lie between {} and {}.", number(lambda), x.len(), number(least), number(most));
    if let Some((rows, columns)) = known.shape {
        let axis = |label: &str, count: usize| Axis::from(label, Scale::Linear, 0.5, count as f64 + 0.5, 0.0);
        let vertical = axis("row, from the bottom", rows);
        let picture = picture_of(&x, rows, columns);
        let mut figure =
            Figure::new("solution", format!("Solution {what} as a picture of {rows} × {columns}"), axis("column", columns), vertical);
        figure.aspect = (rows as f64 / columns as f64).clamp(0.25, 1.0);
        figure.description = range_words;
        let name = format!("{} (dark) to {} (bright)", number(picture.low), number(picture.high));
        figure.marks.push(Mark::Image { picture, look: Look::new(name, Colour::Grey).id("x") });
        figure.header = vec!["entry".into(), what.into()];
        figure.rows = x.iter().enumerate().map(|(i, &v)| vec![i as f64 + 1.0, v]).collect();
        return figure;
    }
    let noise = (!known.complex).then(|| fields.view.noise(&fields.view.at(lambda))).flatten();
    let deviation = noise.map(|noise| fields.deviation(lambda, noise)).filter(|d| d.iter().all(|v| v.is_finite()));
    let band: Vec<(f64, f64, f64)> = match &deviation {
        Some(d) => x.iter().zip(d).enumerate().map(|(i, (&x, &d))| (i as f64 + 1.0, x - d, x + d)).collect(),
        None => Vec::new(),
    };
    let truth = known.truth.unwrap_or_default();
    // the axis holds still when λ moves: room around what is drawn now, but not for a band of any width
    let (low, high) = extent(&[&x[..], truth].concat());
    let reach = (high / 2.0 - low / 2.0).max(f64::MIN_POSITIVE);
    let values = [low, high].into_iter().chain(band.iter().flat_map(|&(_, a, b)| [a.max(low - reach), b.min(high + reach)]));
    let y = Axis::of(what, Scale::Linear, values, 0.15);
    let mut figure = Figure::new("solution", format!("Solution {what}"), Axis::from("i", Scale::Linear, 0.5, x.len() as f64 + 0.5, 0.0), y);
    let (name, kind) = match fields.kind() {
        Deviation::Posterior => ("±1 standard deviation of the posterior", "the posterior standard deviations, from s²(AᴴWA + λLᴴL)⁻¹,"),
        Deviation::Sampling => ("±1 standard error, bias not included", "the standard errors under noise alone, which leave the bias out,"),
    };
    figure.description = match (&deviation, noise) {
        (Some(d), Some(noise)) => {
            let (least, most) = extent(d);
            format!("{range_words} With s = {} for the noise, {kind} are between {} and {}.", number(noise), number(least), number(most))
        }
        _ => range_words,
    };
    figure.header = vec!["i".into(), what.into()];
    if deviation.is_some() {
        figure.header.push("standard deviation".into());
        figure.marks.push(Mark::Band { points: band, look: Look::new(name, Colour::Vermillion).id("band") });
    }
    if truth.len() == x.len() {
        figure.header.push("true x".into());
        let points = truth.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect();
        figure.marks.push(Mark::Line { points, look: Look::new("true x", Colour::Blue).pattern(Pattern::Dashed) });
        let unit = extent(truth).1.abs().max(extent(truth).0.abs());
        let norm = |it: &mut dyn Iterator<Item = f64>| it.map(|v| (v / unit) * (v / unit)).sum::<f64>().sqrt();
        let error = norm(&mut x.iter().zip(truth).map(|(a, b)| a - b)) / norm(&mut truth.iter().copied());
        figure.description.push_str(&format!(" The relative error against the true x is {}.", number(error)));
    }
    let points = x.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect();
    figure.marks.push(Mark::Line { points, look: Look::new(format!("{what} at λ"), Colour::Vermillion).id("x") });
    figure.rows = (0..x.len())
        .map(|i| {
            let mut row = vec![i as f64 + 1.0, x[i]];
            row.extend(deviation.as_ref().map(|d| d[i]));
            row.extend(truth.get(i).filter(|_| truth.len() == x.len()));
            row
        })
        .collect();
    figure
}

/// x, whose entries lie column after column, as a picture.
pub(crate) fn picture_of(x: &[f64], rows: usize, columns: usize) -> Picture {
    let by_rows = (0..rows).flat_map(|i| (0..columns).map(move |j| j * rows + i)).map(|k| x.get(k).copied().unwrap_or(f64::NAN));
    Picture::new(rows, columns, by_rows.collect())
}

pub(crate) fn residual(r: &[f64], complex: bool) -> Figure {
    let points: Vec<(f64, f64)> = r.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect();
    let (low, high) = extent(r);
    let y = Axis::of(if complex { "Re r" } else { "r" }, Scale::Linear, [low, high, 0.0], 0.25);
    let mut figure =
        Figure::new("residual", "Residual r = W^½(b − Ax)", Axis::from("row", Scale::Linear, 0.5, r.len() as f64 + 0.5, 0.0), y);
    let signs = r.windows(2).filter(|w| (w[0] < 0.0) != (w[1] < 0.0)).count();
    figure.description = format!(
        "The {} residuals lie between {} and {}; their sign changes {signs} times from one row to the next (white noise: about {}).",
        r.len(),
        number(low),
        number(high),
        r.len().saturating_sub(1) / 2
    );
    figure.marks.push(Mark::Level { y: 0.0, look: Look::new("", Colour::Grey) });
    figure.marks.push(Mark::Line { points, look: Look::new("residual at λ", Colour::Vermillion).id("r") });
    figure.header = vec!["row".into(), "residual".into()];
    figure.rows = r.iter().enumerate().map(|(i, &v)| vec![i as f64 + 1.0, v]).collect();
    figure
}

pub(crate) fn periodogram(r: &[f64]) -> Figure {
    let c = cumulative_periodogram(r);
    let q = c.len().max(1) as f64;
    let frequencies = Axis::from("frequency, up to half a cycle a row", Scale::Linear, 0.0, c.len().max(1) as f64, 0.0);
    let y = Axis::from("share of the power", Scale::Linear, -0.05, 1.05, 0.0);
    let mut figure = Figure::new("periodogram", "Cumulative periodogram of the residual", frequencies, y);
    let width = KOLMOGOROV / q.sqrt();
    let farthest = c.iter().enumerate().map(|(i, &c)| c - (i + 1) as f64 / q).fold(0.0f64, |a, d| if d.abs() > a.abs() { d } else { a });
    figure.description = if c.is_empty() {
        "The residual is zero or too short for a periodogram.".into()
    } else {
        format!(
            "The share of the residual's power up to each of {q} frequencies. White noise follows the diagonal within ±{}, the 95 % band of \
             Kolmogorov and Smirnov; here the largest distance is {}: {}.",
            number(width),
            number(farthest),
            if farthest.abs() <= width {
                "inside, the residual looks like white noise"
            } else if farthest > 0.0 {
                "outside and above, low frequencies are left in the residual: λ may be too large, or the noise is correlated"
            } else {
                "outside and below, low frequencies are missing from the residual: λ may be too small"
            }
        )
    };
    if !c.is_empty() {
        let band = vec![(0.0, -width, width), (q, 1.0 - width, 1.0 + width)];
        figure.marks.push(Mark::Band { points: band, look: Look::new("95 % band of white noise", Colour::Grey) });
    }
    let points = core::iter::once((0.0, 0.0)).chain(c.iter().enumerate().map(|(i, &c)| (i as f64 + 1.0, c))).collect();
    figure.marks.push(Mark::Line { points, look: Look::new("residual at λ", Colour::Vermillion).id("c") });
    figure.header = vec!["frequency".into(), "share".into(), "white noise".into()];
    figure.rows = c.iter().enumerate().map(|(i, &c)| vec![i as f64 + 1.0, c, (i + 1) as f64 / q]).collect();
    figure
}

pub(crate) fn coefficient_path(fields: &Fields<'_>, range: (f64, f64), lambda: Option<f64>, complex: bool) -> Figure {
    let grid = fields.view.grid(range);
    let paths: Vec<Vec<f64>> = grid.iter().map(|&lambda| fields.solution(lambda)).collect();
    let n = paths.first().map_or(0, Vec::len);
    let picked: Vec<usize> = if n <= PATHS { (0..n).collect() } else { (0..PATHS).map(|k| k * (n - 1) / (PATHS - 1)).collect() };
    // unregularized values would flatten all others: the axis holds what lies above λ/100
    let from = lambda.map_or(range.0, |lambda| lambda / 100.0);
    let seen = || grid.iter().zip(&paths).filter(|(l, _)| **l >= from).flat_map(|(_, x)| picked.iter().map(|&i| x[i]));
    let (low, high) = seen().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let what = if complex { "Re xᵢ" } else { "xᵢ" };
    let x = Axis::from("λ", Scale::Log, range.0, range.1, 0.0);
    let mut figure = Figure::new("path", "Coefficients over λ", x, Axis::of(what, Scale::Linear, [low, high], 0.1));
    let last = paths.last().map_or((0.0, 0.0), |x| extent(x));
    figure.description = format!(
        "The paths of {} of {n} entries of x as λ grows from {} to {}; at the largest λ they lie between {} and {}.",
        picked.len(),
        number(range.0),
        number(range.1),
        number(last.0),
        number(last.1)
    );
    for (k, &i) in picked.iter().enumerate() {
        let points = grid.iter().zip(&paths).map(|(&l, x)| (l, x[i])).collect();
        let name = if picked.len() <= 8 { format!("x{}", subscript(i + 1)) } else { String::new() };
        figure.marks.push(Mark::Line { points, look: Look::new(name, COLOURS[k % 4]).pattern(PATTERNS[k / 4 % 4]) });
    }
    if let Some(lambda) = lambda {
        figure.marks.push(Mark::Place { x: lambda, look: here(LAMBDA) });
    }
    figure.header = core::iter::once("λ".to_owned()).chain(picked.iter().map(|&i| format!("x{}", subscript(i + 1)))).collect();
    figure.rows = grid.iter().zip(&paths).map(|(&l, x)| core::iter::once(l).chain(picked.iter().map(|&i| x[i])).collect()).collect();
    figure
}

fn subscript(value: usize) -> String {
    value.to_string().chars().map(|c| char::from_u32('₀' as u32 + c.to_digit(10).unwrap_or(0)).unwrap_or(c)).collect()
}

/// Smallest and largest finite value.
fn extent(values: &[f64]) -> (f64, f64) {
    let (low, high) =
        values.iter().copied().filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}
