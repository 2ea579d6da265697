//! `wellposed demo`: a test problem with a known answer, end to end.
//!
//! The problems are those of Hansen 1994, "Regularization Tools", Numer. Algorithms 6:1 (doi:10.1007/BF02149761), by their
//! published definitions: integral equations discretized with n points.

use crate::answer::{Answer, Destinations};
use crate::arguments::{Demo, DemoPenalty, LambdaChoice};
use crate::failure::Failure;
use crate::json;
use crate::print::Printer;
use crate::watch::{self, Goal, Phase};
use serde_json::json;
use std::f64::consts::{PI, TAU};
use std::fmt::Write;
use wellposed::{Choice, DenseView, Discrepancy, Gcv, Loo, Operator, Penalty, Problem, log_grid};

/// A problem whose answer is known.
struct Example {
    a: Vec<f64>,
    x: Vec<f64>,
}

/// A recipe for one.
struct Recipe {
    name: &'static str,
    about: &'static str,
    make: fn(usize) -> Example,
}

const RECIPES: &[Recipe] = &[
    Recipe { name: "deriv2", about: "second derivative of a function from its values (mildly ill-posed)", make: deriv2 },
    Recipe { name: "shaw", about: "light through a slit, from the image behind it (Shaw 1972; severely ill-posed)", make: shaw },
];

/// Row-major n×n entries.
fn entries(n: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..n * n).map(|k| entry(k / n, k % n)).collect()
}

/// K(s, t) = (cos s + cos t)²·(sin u/u)², u = π(sin s + sin t), on [−π/2, π/2]², midpoint rule.
fn shaw(n: usize) -> Example {
    let h = PI / n as f64;
    let t = |j: usize| (j as f64 + 0.5) * h - 0.5 * PI;
    let kernel = |i: usize, j: usize| {
        let u = PI * (t(i).sin() + t(j).sin());
        let diffraction = if u == 0.0 { 1.0 } else { u.sin() / u };
        h * ((t(i).cos() + t(j).cos()) * diffraction).powi(2)
    };
    let x = |j: usize| 2.0 * (-6.0 * (t(j) - 0.8).powi(2)).exp() + (-2.0 * (t(j) + 0.5).powi(2)).exp();
    Example { a: entries(n, kernel), x: (0..n).map(x).collect() }
}

/// K(s, t) = s(t − 1) for s < t, t(s − 1) for s ≥ t, on [0, 1]², Galerkin with box functions; x(t) = t.
fn deriv2(n: usize) -> Example {
    let h = 1.0 / n as f64;
    let kernel = |i: usize, j: usize| {
        let (low, high) = (i.min(j) as f64 + 1.0, i.max(j) as f64 + 1.0);
        if i == j { h * h * ((low * low - low + 0.25) * h - (low - 2.0 / 3.0)) } else { h * h * (low - 0.5) * ((high - 0.5) * h - 1.0) }
    };
    Example { a: entries(n, kernel), x: (0..n).map(|j| h * h.sqrt() * (j as f64 + 0.5)).collect() }
}

/// Standard normal numbers: SplitMix64 (Steele, Lea, Flood 2014) through Box and Muller's transformation.
fn normal(mut state: u64) -> impl FnMut() -> f64 {
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // in (0, 1): the logarithm is finite
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    move || (-2.0 * uniform().ln()).sqrt() * (TAU * uniform()).cos()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// ‖x − truth‖/‖truth‖.
fn error(x: &[f64], truth: &[f64]) -> f64 {
    norm(x.iter().zip(truth).map(|(x, truth)| x - truth)) / norm(truth.iter().copied())
}

pub fn run(options: &Demo) -> Result<(), Failure> {
    let printer = Printer::new(&options.talk);
    let Some(name) = &options.name else {
        let mut document = json::document("demo", "ok");
        document.insert("problems".into(), RECIPES.iter().map(|r| json!({ "name": r.name, "about": r.about })).collect());
        printer.value(&document.into())?;
        let lines: Vec<String> = RECIPES.iter().map(|recipe| format!("{:<8} {}", recipe.name, recipe.about)).collect();
        return Ok(printer.text(&lines.join("\n"))?);
    };
    let Some(recipe) = RECIPES.iter().find(|recipe| recipe.name == name) else {
        let names: Vec<&str> = RECIPES.iter().map(|recipe| recipe.name).collect();
        return Err(Failure::Usage(format!("there is no demo {name}: there are {}", names.join(", "))));
    };
    let destinations = Destinations::new("demo", &options.results, printer)?;
    destinations.record(|| demonstrate(recipe, options, &destinations))
}

fn demonstrate(recipe: &Recipe, options: &Demo, destinations: &Destinations) -> Result<(), Failure> {
    let n = usize::from(options.size);
    let Example { a, x: truth } = (recipe.make)(n);
    let a = DenseView::row_major(&a, n, n)?;
    let mut exact = vec![0.0; n];
    a.apply(&truth, &mut exact);
    let deviation = options.noise * norm(exact.iter().copied()) / (n as f64).sqrt();
    let mut sample = normal(options.seed);
    let noise: Vec<f64> = (0..n).map(|_| deviation * sample()).collect();
    let b: Vec<f64> = exact.iter().zip(&noise).map(|(exact, noise)| exact + noise).collect();
    let noise_norm = norm(noise.into_iter());

    let choice: Choice = match options.lambda {
        LambdaChoice::Number(lambda) => lambda.into(),
        LambdaChoice::Gcv => Gcv.into(),
        LambdaChoice::RobustGcv(gamma) => Gcv.robust(gamma).into(),
        LambdaChoice::Loo => Loo.into(),
        LambdaChoice::Discrepancy => Discrepancy::noise_norm(noise_norm).into(),
    };
    let problem = Problem::new(&a).penalty(match options.penalty {
        DemoPenalty::Identity => Penalty::identity(),
        DemoPenalty::First => Penalty::first_difference(),
        DemoPenalty::Second => Penalty::second_difference(),
    });
    destinations.check(true, false, None)?;
    let printer = &destinations.printer;
    printer.text(&format!(
        "{}: {}; {n} unknowns, noise {:.1e} of the data, seed {}\n",
        recipe.name, recipe.about, options.noise, options.seed
    ))?;
    let plan = problem.plan(choice)?;
    let solution = destinations.watch(&plan, Goal::Tolerance(f64::EPSILON), |observe| problem.solve_with(&b, choice, observe))?;

    // what follows is quick to repeat: Ctrl-C ends it at once
    watch::enter(Phase::Idle);
    let factor = problem.factorize()?;
    // sixteen decades, four λ in each: enough to see what the best λ could have done
    let scale = factor.spectrum(&b)?.values.first().map_or(1.0, |value| value * value);
    let mut best = (f64::INFINITY, 0.0);
    for lambda in log_grid(scale * 1e-16..=scale, 65) {
        let error = error(&factor.solve(&b, lambda)?.x, &truth);
        best = if error < best.0 { (error, lambda) } else { best };
    }
    let least_squares = error(&factor.solve(&b, 0.0)?.x, &truth);
    let ours = error(&solution.x, &truth);

    let lambda = solution.lambda;
    let picture = picture(&truth, &solution.x);
    destinations.deliver(&Answer {
        x: vec![solution.x],
        intercept: None,
        lambda: vec![lambda],
        report: solution.report,
        is_vector: true,
        names: None,
        grid: None,
        // the picture shows it
        listed: false,
    })?;
    let mut text = String::from("\nrelative error of x\n");
    let _ = writeln!(text, "  this λ           {ours:.3e}   at λ = {lambda:.2e}");
    let _ = writeln!(text, "  the best λ       {:.3e}   at λ = {:.2e}, which only the known answer tells", best.0, best.1);
    let _ = writeln!(text, "  no penalty       {least_squares:.3e}   least squares");
    let _ = write!(text, "\n{picture}");
    Ok(printer.text(&text)?)
}

/// The truth and the solution, drawn in characters.
fn picture(truth: &[f64], x: &[f64]) -> String {
    const WIDTH: usize = 72;
    const HEIGHT: usize = 14;
    let all = || truth.iter().chain(x);
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let mut rows = vec![vec![' '; WIDTH]; HEIGHT];
    let mut draw = |values: &[f64], mark: char| {
        for column in 0..WIDTH {
            let index = column * values.len().saturating_sub(1) / (WIDTH - 1);
            let height = if high > low { (values[index] - low) / (high - low) } else { 0.5 };
            // both clamped by the cast and by min
            let row = HEIGHT - 1 - ((height * (HEIGHT - 1) as f64).round() as usize).min(HEIGHT - 1);
            rows[row][column] = if rows[row][column] == ' ' { mark } else { '●' };
        }
    };
    draw(truth, '·');
    draw(x, 'o');
    let lines: Vec<String> = rows.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned()).collect();
    format!("{}\n· the truth    o this solution    ● both; from {low:.3} to {high:.3}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Norms at n = 32 as published with Regularization Tools.
    #[test]
    fn the_problems_are_those_that_were_published() {
        for (make, b_norm, x_norm, largest) in [
            (shaw as fn(usize) -> Example, 13.1873576295, 5.64673602257, 2.99332814759),
            (deriv2, 0.0459847304335, 0.57727978756, 0.101239842667),
        ] {
            let Example { a, x } = make(32);
            let view = DenseView::row_major(&a, 32, 32).unwrap();
            let mut b = vec![0.0; 32];
            view.apply(&x, &mut b);
            let close =
                |value: f64, published: f64, tolerance: f64| assert!((value / published - 1.0).abs() < tolerance, "{value} {published}");
            close(norm(x.iter().copied()), x_norm, 1e-10);
            // deriv2's published b is the exact integral; Ax has the error of the discretization
            close(norm(b.iter().copied()), b_norm, if x_norm < 1.0 { 1e-3 } else { 1e-10 });
            let spectrum = Problem::new(&view).factorize().unwrap().spectrum(&b).unwrap();
            close(spectrum.values[0], largest, 1e-10);
        }
    }

    #[test]
    fn noise_is_normal_and_reproducible() {
        let mut sample = normal(7);
        let values: Vec<f64> = (0..20_000).map(|_| sample()).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0;
        // five standard deviations of either
        assert!(mean.abs() < 5.0 / 20_000f64.sqrt() && (variance - 1.0).abs() < 5.0 * (2.0 / 20_000f64).sqrt(), "{mean} {variance}");
        let mut again = normal(7);
        assert!(values.iter().all(|&v| v == again()));
    }
}
