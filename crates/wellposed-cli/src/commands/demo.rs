//! `wellposed demo`: a test problem of the library's gallery, whose answer is known, end to end.

use crate::answer::{Answer, Destinations};
use crate::arguments::{Demo, DemoPenalty};
use crate::failure::Failure;
use crate::json;
use crate::print::Printer;
use crate::rules::{LambdaChoice, Level};
use crate::watch::{self, Goal, Phase};
use serde_json::json;
use std::fmt::Write;
use wellposed::gallery::{self, CATALOGUE, Entry, Layout, TestProblem, noise};
use wellposed::{Boundary, Choice, Discrepancy, Error, Gcv, Operator, Penalty, Problem, Solution, plot};

/// Unknowns up to which A is written out and decomposed, which every rule, the comparison with the best λ and the page need:
/// a few seconds. Beyond it is left as it is, for fast transforms and iterations.
const DECOMPOSED_UP_TO: usize = 1100;
/// The largest side of a two-dimensional problem.
const LARGEST_SIDE: usize = 512;

pub fn run(options: &Demo) -> Result<(), Failure> {
    let printer = Printer::new(&options.talk);
    let Some(name) = &options.name else {
        let mut document = json::document("demo", "ok");
        let problems = CATALOGUE.iter().map(
            |entry| json!({ "name": entry.name, "about": entry.about, "size": entry.usual_size, "two_dimensional": entry.two_dimensional }),
        );
        document.insert("problems".into(), problems.collect());
        printer.value(&document.into())?;
        let width = CATALOGUE.iter().map(|entry| entry.name.len()).max().unwrap_or_default();
        let lines: Vec<String> = CATALOGUE.iter().map(|entry| format!("{:<width$}  {}", entry.name, entry.about)).collect();
        return Ok(printer.text(&lines.join("\n"))?);
    };
    let Some(entry) = gallery::find(name) else {
        let names: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
        return Err(Failure::Usage(format!("there is no demo {name}: there are {}", names.join(", "))));
    };
    let destinations = Destinations::new("demo", &options.results, printer)?;
    destinations.record(|| demonstrate(entry, options, &destinations))
}

fn penalty(choice: DemoPenalty, example: &TestProblem) -> Penalty<'static, f64> {
    match (choice, example.facts.unknowns) {
        (DemoPenalty::Usual, _) => example.facts.penalty(),
        (DemoPenalty::Identity, _) => Penalty::identity(),
        (DemoPenalty::First, Layout::Grid { rows, columns }) => Penalty::first_difference_2d(rows, columns, Boundary::Free),
        (DemoPenalty::First, _) => Penalty::first_difference(),
        (DemoPenalty::Second, Layout::Grid { rows, columns }) => Penalty::second_difference_2d(rows, columns, Boundary::Free),
        (DemoPenalty::Second, _) => Penalty::second_difference(),
    }
}

/// A rule, and why it is asked.
struct Ask {
    choice: Choice,
    why: String,
}

/// The rules to try when none is named, in order: by the study in the library's docs/CHOOSING.md discrepancy has the shortest tail of
/// all where the noise is known. Measured over the one-dimensional problems with 64 unknowns, noise of 1e-3 and the first seed:
/// discrepancy is within a factor of 3 of the best error wherever it finds a λ; of the two rules for the rest, strong robust GCV has
/// a relative error below 1 everywhere, robust GCV one of 74 for shaw.
fn usual_rules(example: &TestProblem, noise_norm: f64) -> Vec<Ask> {
    let cautious = |why: &str| Ask { choice: Gcv.strong_robust(0.95).into(), why: format!("strong robust GCV, since {why}") };
    // what the data lack besides: both sides of the equation may have been discretized
    let discretization = example.x.as_ref().map_or(0.0, |x| {
        let mut image = vec![0.0; example.b.len()];
        example.a.apply(x, &mut image);
        image.iter().zip(&example.b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    });
    if noise_norm == 0.0 {
        return vec![cautious("there is no noise to tell discrepancy of")];
    }
    let misfit = noise_norm.hypot(discretization);
    let besides =
        if discretization > 0.1 * noise_norm { format!(", with a discretization error of {discretization:.1e}") } else { String::new() };
    vec![
        Ask {
            choice: Discrepancy::noise_norm(misfit).into(),
            why: format!("discrepancy, since the norm of the noise is known here: {noise_norm:.3e}{besides}"),
        },
        cautious("discrepancy finds no λ: what the penalty leaves free fits the data to within the noise"),
    ]
}

fn demonstrate(entry: &Entry, options: &Demo, destinations: &Destinations) -> Result<(), Failure> {
    let size = options.size.map_or(entry.usual_size, usize::from);
    if entry.two_dimensional && size > LARGEST_SIDE {
        return Err(Failure::Usage(format!("{} has --size² unknowns: give a side of {LARGEST_SIDE} or less", entry.name)));
    }
    let example = entry.build(size)?;
    let (rows, columns) = example.a.shape();
    let whole = columns <= DECOMPOSED_UP_TO;
    if !whole && options.results.html.is_some() {
        return Err(Failure::Usage(format!(
            "--html decomposes A, for up to {DECOMPOSED_UP_TO} unknowns; {} with --size {size} has {columns}: give a smaller --size",
            entry.name
        )));
    }
    let example = if whole { example.dense() } else { example };
    let grid = match example.facts.unknowns {
        Layout::Grid { rows, columns } => Some((rows, columns)),
        _ => None,
    };
    let noisy = noise::gaussian(&example.b, options.noise, options.seed)?;
    let b = noisy.b.as_slice();
    let rules = match options.lambda {
        Some(named) => vec![Ask { choice: named.choice(Level::Norm(noisy.noise_norm), 1.0)?, why: String::new() }],
        None => usual_rules(&example, noisy.noise_norm),
    };
    let problem = Problem::new(&example.a).penalty(penalty(options.penalty, &example));
    destinations.check(true, false, grid)?;
    destinations.check_page(1, options.lambda.and_then(LambdaChoice::number))?;
    let printer = &destinations.printer;
    printer.text(&format!(
        "{}: {}; {rows} data, {columns} unknowns, noise {:.1e} of the data, seed {}",
        entry.name, entry.about, options.noise, options.seed
    ))?;
    let (solution, why) = first_answer(&problem, b, &rules, destinations)?;
    if !why.is_empty() {
        printer.text(&format!("λ is chosen by {why}"))?;
    }
    destinations.deliver(&Answer {
        x: vec![solution.x.clone()],
        intercept: None,
        lambda: vec![solution.lambda],
        report: solution.report.clone(),
        is_vector: true,
        names: None,
        grid,
        // the picture shows it
        listed: false,
    })?;

    // what follows is quick to repeat: Ctrl-C ends it at once
    watch::enter(Phase::Idle);
    let factor = if whole { Some(problem.factorize()?) } else { None };
    let mut text = String::new();
    match (&example.x, &factor) {
        (None, _) => text.push_str("\nnobody knows the true x of these data\n"),
        (Some(_), None) => {
            let ours = example.relative_error(&solution.x)?;
            let _ = writeln!(text, "\nrelative error of x   {ours:.3e}   at λ = {:.2e}", solution.lambda);
        }
        (Some(truth), Some(factor)) => {
            let ours = example.relative_error(&solution.x)?;
            let best = factor.oracle(b, truth)?;
            let least_squares = example.relative_error(&factor.solve(b, 0.0)?.x)?;
            text.push_str("\nrelative error of x\n");
            let _ = writeln!(text, "  this λ           {ours:.3e}   at λ = {:.2e}", solution.lambda);
            let _ = writeln!(
                text,
                "  the best λ       {:.3e}   at λ = {:.2e}, which only the known answer tells",
                example.relative_error(&best.x)?,
                best.lambda
            );
            let _ = writeln!(text, "  no penalty       {least_squares:.3e}   least squares");
            if matches!(example.facts.unknowns, Layout::Line(_)) {
                let _ = write!(text, "\n{}", picture(truth, &solution.x));
            }
        }
    }
    printer.text(&text)?;

    destinations.page(|| {
        let Some(factor) = &factor else { return Err(Failure::Data("there is no page without a decomposition".into())) };
        let title = format!("{}: {}, {columns} unknowns, noise {:.1e} of the data", entry.name, entry.about, options.noise);
        let mut page = plot::Report::new(factor, b, &solution)?.title(title);
        if let Some(truth) = &example.x {
            page = page.truth(truth)?;
        }
        if let Some((rows, columns)) = grid {
            page = page.picture(rows, columns)?;
        }
        Ok(page.to_html())
    })
}

/// The answer by the first of the rules that finds a λ, and why that one was asked.
fn first_answer<'r>(
    problem: &Problem<'_, f64>,
    b: &[f64],
    rules: &'r [Ask],
    destinations: &Destinations,
) -> Result<(Solution<f64, [f64]>, &'r str), Failure> {
    let mut refused = None;
    for Ask { choice, why } in rules {
        let plan = problem.plan(*choice)?;
        match destinations.watch(&plan, Goal::Tolerance(f64::EPSILON), |observe| problem.solve_with(b, *choice, observe)) {
            Err(Failure::Library(error @ Error::NoLambda { .. })) => refused = Some(error),
            answer => return Ok((answer?, why)),
        }
    }
    Err(refused.map_or_else(|| Failure::Usage("no rule was asked".into()), Failure::Library))
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
