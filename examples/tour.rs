//! The tour: regularization on real data, λ chosen by the data. Run it with
//!
//! ```text
//! cargo run --release --example tour
//! ```
use wellposed::nalgebra::{DMatrix, DVector};
use wellposed::{DenseView, Gcv, Loo, Penalty, Problem, Result, log_grid, ridge};

fn main() -> Result<()> {
    longley()?;
    prostate()?;
    shaw()
}

/// Sixteen years of the US economy, six columns that say nearly the same: matrices of nalgebra.
fn longley() -> Result<()> {
    heading("1. Longley's economic data: price level from six nearly collinear columns, 1947–1962");
    const NAMES: [&str; 6] = ["GNP", "unemployed", "armed forces", "population", "year", "employed"];
    let rows = numbers(include_str!("../data/longley.csv"), ',');
    let order = [3, 4, 5, 6, 7, 1];
    let mut a = DMatrix::from_fn(rows.len(), 6, |i, j| rows[i][order[j]]);
    let b = DVector::from_fn(rows.len(), |i, _| rows[i][2]);
    // one unit of each column is its standard deviation, so that one λ is fair to all
    for mut column in a.column_iter_mut() {
        let (mean, deviation) = (column.mean(), column.variance().sqrt());
        column.apply(|v| *v = (*v - mean) / deviation);
    }
    let problem = Problem::new(&a).intercept();
    let plain = problem.solve(&b, 0.0)?;
    let gcv = problem.solve(&b, Gcv)?;
    let loo = problem.solve(&b, Loo)?;
    println!("{}\n{}", gcv.report, loo.report);
    let columns = [("λ = 0", plain.x.as_slice()), ("GCV", gcv.x.as_slice()), ("leave-one-out", loo.x.as_slice())];
    table(&NAMES, &columns);
    line("intercept", [plain.intercept, gcv.intercept, loo.intercept].into_iter());
    Ok(())
}

/// Prostate cancer data as in The Elements of Statistical Learning, 67 rows to fit and 30 to judge: slices.
fn prostate() -> Result<()> {
    heading("2. Prostate cancer data: eight clinical measures, 67 rows to fit, 30 held out to judge");
    const NAMES: [&str; 8] = ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"];
    let rows = numbers(include_str!("../data/prostate.tsv"), '\t');
    let (train, test): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[10] == 1.0);
    let scale: Vec<(f64, f64)> = (1..=8).map(|j| mean_and_deviation(train.iter().map(|row| row[j]))).collect();
    let standardise = |row: &Vec<f64>| -> Vec<f64> { scale.iter().zip(&row[1..=8]).map(|((mean, sd), v)| (v - mean) / sd).collect() };
    let a: Vec<f64> = train.iter().flat_map(standardise).collect();
    let b: Vec<f64> = train.iter().map(|row| row[9]).collect();
    let a = DenseView::row_major(&a, train.len(), 8)?;

    let problem = Problem::new(&a).intercept();
    let fits = [problem.solve(&b, 0.0)?, problem.solve(&b, Gcv)?, problem.solve(&b, Loo)?];
    println!("{}\n{}", fits[1].report, fits[2].report);
    table(&NAMES, &[("λ = 0", &fits[0].x), ("GCV", &fits[1].x), ("leave-one-out", &fits[2].x)]);
    let error = |x: &[f64], intercept: f64| {
        let square = |row: &Vec<f64>| (row[9] - intercept - dot(&standardise(row), x)).powi(2);
        test.iter().map(square).sum::<f64>() / test.len() as f64
    };
    line("intercept", fits.iter().map(|fit| fit.intercept));
    line("held-out error", fits.iter().map(|fit| error(&fit.x, fit.intercept)));
    Ok(())
}

/// Shaw's problem: light through a slit, blurred beyond recognition; the smallest singular values are rounding.
fn shaw() -> Result<()> {
    heading("3. An inverse problem: Shaw's integral equation, 100 unknowns, 1 % noise");
    let n = 100;
    let angle = |i: usize| (i as f64 + 0.5) / n as f64 * std::f64::consts::PI - std::f64::consts::FRAC_PI_2;
    let kernel = |s: f64, t: f64| {
        let u = std::f64::consts::PI * (s.sin() + t.sin());
        let sinc = if u == 0.0 { 1.0 } else { u.sin() / u };
        ((s.cos() + t.cos()) * sinc).powi(2) * std::f64::consts::PI / n as f64
    };
    let a: Vec<f64> = (0..n * n).map(|k| kernel(angle(k / n), angle(k % n))).collect();
    let truth: Vec<f64> = (0..n).map(angle).map(|t| 2.0 * (-6.0 * (t - 0.8).powi(2)).exp() + (-2.0 * (t + 0.5).powi(2)).exp()).collect();
    let exact: Vec<f64> = a.chunks(n).map(|row| dot(row, &truth)).collect();
    let noise = normal_numbers(n, 1);
    let size = 0.01 * norm(&exact) / norm(&noise);
    let b: Vec<f64> = exact.iter().zip(&noise).map(|(b, e)| b + size * e).collect();
    let a = DenseView::row_major(&a, n, n)?;

    let naive = ridge(&a, &b, 0.0)?;
    let small = ridge(&a, &b, Gcv)?;
    let smooth = Problem::new(&a).penalty(Penalty::second_difference());
    let smooth_fit = smooth.solve(&b, Gcv)?;
    println!("{}\n{}", small.report, smooth_fit.report);

    println!("relative error of x against the truth");
    for (name, x) in [("λ = 0", &naive.x), ("L = I, GCV", &small.x), ("L = second difference, GCV", &smooth_fit.x)] {
        let difference: Vec<f64> = x.iter().zip(&truth).map(|(x, t)| x - t).collect();
        let error = norm(&difference) / norm(&truth);
        println!("  {name:<28}{:>10}", if error < 1e3 { format!("{error:.3}") } else { format!("{error:.1e}") });
    }
    for (name, problem, best) in [("L = I", Problem::new(&a), small.lambda), ("L = second difference", smooth, smooth_fit.lambda)] {
        let from = 10f64.powf(best.log10().floor() - 8.0);
        let curve = problem.factorize()?.curve(&b, log_grid(from..=1e12 * from, 400))?;
        let points: Vec<(f64, f64)> = curve.iter().map(|point| (point.lambda, point.gcv)).collect();
        plot(&format!("the GCV function, {name}: minimum at λ = {best:.2e}"), &points, best);
    }
    Ok(())
}

fn heading(text: &str) {
    println!("\n{text}\n{}\n", "─".repeat(text.chars().count()));
}

/// The rows of a table without its header; the quotation marks of a name are ignored.
fn numbers(text: &str, separator: char) -> Vec<Vec<f64>> {
    let parse = |field: &str| field.trim().trim_matches('"').parse().unwrap_or(f64::NAN);
    text.lines().skip(1).map(|line| line.split(separator).map(parse).collect()).collect()
}

fn table(names: &[&str], columns: &[(&str, &[f64])]) {
    println!("{:<14}{}", "coefficient", columns.iter().map(|(title, _)| format!("{title:>15}")).collect::<String>());
    for (j, name) in names.iter().enumerate() {
        line(name, columns.iter().map(|(_, x)| x[j]));
    }
}

fn line(name: &str, values: impl Iterator<Item = f64>) {
    println!("{name:<14}{}", values.map(|v| format!("{v:>15.4}")).collect::<String>());
}

/// Both axes logarithmic, twelve decades wide, eight dots to a character; what is above twice the minimum is cut off.
fn plot(title: &str, curve: &[(f64, f64)], minimum: f64) {
    const WIDTH: usize = 73;
    const HEIGHT: usize = 12;
    let low = curve.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let (left, right, high) = (curve[0].0, curve[curve.len() - 1].0, 2.0 * low);
    // the place of a value on an axis of so many dots
    let place = |value: f64, from: f64, to: f64, dots: usize| ((value / from).ln() / (to / from).ln() * (dots - 1) as f64).round() as usize;
    let mut cells = [[0u8; WIDTH]; HEIGHT];
    let mut previous = None;
    for &(lambda, value) in curve.iter().filter(|point| point.1 <= high) {
        let (x, y) = (place(lambda, left, right, 2 * WIDTH), place(value, high, low, 4 * HEIGHT));
        let last = previous.replace(y).unwrap_or(y);
        for y in last.min(y)..=last.max(y) {
            cells[y / 4][x / 2] |= [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]][y % 4][x % 2];
        }
    }
    println!("\n{title}");
    for (i, row) in cells.iter().enumerate() {
        let label = [(0, high), (HEIGHT - 1, low)].iter().find(|end| end.0 == i).map_or(String::new(), |end| format!("{:.2e}", end.1));
        let mut text: Vec<char> = row.iter().map(|&dots| char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ')).collect();
        if i == HEIGHT - 1 {
            text[place(minimum, left, right, WIDTH)] = '●';
        }
        println!("{label:>9} ┤{}", text.iter().collect::<String>());
    }
    let ticks: Vec<String> = (0..=12).step_by(2).map(|k| format!("{:<12.0e}", left * 10f64.powi(k))).collect();
    println!("{:>9} └{}┬\n{:>11}{}", "", format!("┬{}", "─".repeat(11)).repeat(6), "", ticks.concat().trim_end());
}

fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, (values.map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
}

fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}

/// Standard normal numbers from a seed: SplitMix64 and Box–Muller.
fn normal_numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count).map(|_| (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()).collect()
}
