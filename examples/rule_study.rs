//! Which rule to trust: the efficiency of every rule over the gallery of test problems, noise levels and seeds.
//!
//! ```text
//! cargo run --release --example rule_study                  # the tables of docs/CHOOSING.md
//! cargo run --release --example rule_study -- --seeds 10 --size 32 --smooth --by-problem
//! ```
//!
//! The efficiency of a rule is the error ‖x_λ − x‖ at its λ over the least error that any λ gives for the same data: 1 is
//! perfect, 2 is twice the error that was possible. The tables have the median and the 95th percentile; a solve that
//! fails counts as infinitely bad there, and is counted in a column of its own.
//!
//! The problems are those of the gallery with a known solution in one dimension, at n = 64; noise is white, or autoregressive of order 1
//! with a correlation of 0.8 between neighbours; ‖noise‖/‖b‖ is 1e-1 … 1e-4; 50 seeds each. L = I, or the
//! penalty that suits each problem with `--smooth`. One factorization serves all data of a problem.
//!
//! A rule is a row of [`RULES`]. Those that ask how complex x is (`EffectiveDof`, `NormFraction`) have none, nor has the NCP of
//! an image: there is no fair number to give the former, and the unknowns here lie on a line.

use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use wellposed::gallery::noise::{self, Noisy};
use wellposed::gallery::{CATALOGUE, TestProblem};
use wellposed::{
    Aicc, Balancing, Bic, Choice, DenseView, Discrepancy, Evidence, Factorization, Gcv, HoerlKennardBaldwin, KFold, LCurve, LawlessWang,
    Loo, Method, Ncp, Penalty, Problem, QuasiOptimality, Reginska, Result, Upre, log_grid,
};

/// A name, and the rule for these data (some are told the noise norm).
type Row = (&'static str, fn(&Noisy) -> Choice);

const RULES: &[Row] = &[
    ("GCV", |_| Gcv.into()),
    ("robust GCV (γ = 0.9)", |_| Gcv.robust(0.9).into()),
    ("robust GCV (γ = 0.5)", |_| Gcv.robust(0.5).into()),
    ("robust GCV (γ = 0.3)", |_| Gcv.robust(0.3).into()),
    ("strong robust GCV (γ = 0.95)", |_| Gcv.strong_robust(0.95).into()),
    ("modified GCV (factor 1.4)", |_| Gcv.modified(1.4).into()),
    ("leave-one-out", |_| Loo.into()),
    ("leave-one-out, one standard error", |_| Loo.one_standard_error().into()),
    ("5-fold", |_| KFold::new(5).into()),
    ("5-fold, one standard error", |_| KFold::new(5).one_standard_error().into()),
    ("evidence", |_| Evidence.into()),
    ("AICc", |_| Aicc.into()),
    ("BIC", |_| Bic.into()),
    ("predictive risk (noise known)", |data| Upre::noise_std(noise_std(data)).into()),
    ("predictive risk (noise estimated)", |_| Upre::estimated().into()),
    ("discrepancy (noise norm known)", |data| Discrepancy::noise_norm(data.noise_norm).into()),
    ("discrepancy (noise estimated)", |_| Discrepancy::estimated().into()),
    ("monotone error (noise norm known)", |data| Discrepancy::noise_norm(data.noise_norm).monotone_error().into()),
    ("monotone error (noise estimated)", |_| Discrepancy::estimated().monotone_error().into()),
    ("balancing (noise known)", |data| Balancing::noise_std(noise_std(data)).into()),
    ("balancing (noise estimated)", |_| Balancing::estimated().into()),
    ("L-curve, curvature", |_| LCurve.into()),
    ("L-curve, pruning", |_| LCurve::pruning().into()),
    ("L-curve, triangle", |_| LCurve::triangle().into()),
    ("quasi-optimality", |_| QuasiOptimality.into()),
    ("Regińska (µ = 1)", |_| Reginska::new(1.0).into()),
    ("NCP", |_| Ncp.into()),
    ("Hoerl–Kennard–Baldwin", |_| HoerlKennardBaldwin.into()),
    ("Lawless–Wang", |_| LawlessWang.into()),
];

/// √(mean of the squared noise): what a user would know of each row.
fn noise_std(data: &Noisy) -> f64 {
    data.noise_norm / (data.noise.len() as f64).sqrt()
}

const LEVELS: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];
const KINDS: [&str; 2] = ["white", "correlated"];
/// Of neighbouring entries of correlated noise.
const CORRELATION: f64 = 0.8;

struct Options {
    seeds: u64,
    size: usize,
    smooth: bool,
    by_problem: bool,
}

/// One solve of one rule.
#[derive(Clone, Copy)]
struct Outcome {
    rule: usize,
    kind: usize,
    level: usize,
    problem: usize,
    /// Error over least error; infinite when the solve failed.
    efficiency: f64,
}

fn main() -> ExitCode {
    match options().and_then(|options| study(&options).map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("rule_study: {message}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> std::result::Result<Options, String> {
    let mut options = Options { seeds: 50, size: 64, smooth: false, by_problem: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().ok_or(format!("{argument} needs a number"))?;
            text.parse::<u64>().map_err(|_| format!("{argument} {text}: not a whole number"))
        };
        match argument.as_str() {
            "--seeds" => options.seeds = number()?.max(1),
            "--size" => options.size = number()? as usize,
            "--smooth" => options.smooth = true,
            "--by-problem" => options.by_problem = true,
            _ => return Err(format!("{argument}: know --seeds N, --size N (a multiple of 4), --smooth, --by-problem")),
        }
    }
    Ok(options)
}

fn study(options: &Options) -> Result<()> {
    let mut problems = Vec::new();
    for entry in CATALOGUE.iter().filter(|entry| !entry.two_dimensional) {
        let problem = entry.build(options.size)?;
        if problem.x.is_some() {
            problems.push(problem);
        }
    }
    // each thread takes the next problem; what it finds does not depend on which thread that was
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(problem) = problems.get(index) else { return Ok(()) };
            let found = study_problem(options, index, problem)?;
            eprintln!("{}", problem.name);
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, |count| count.get()).min(problems.len());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let names: Vec<&str> = problems.iter().map(|problem| problem.name).collect();
    print_tables(options, &outcomes.into_inner().unwrap_or_else(PoisonError::into_inner), &names);
    Ok(())
}

/// Every rule on every data of one problem.
fn study_problem(options: &Options, index: usize, problem: &TestProblem) -> Result<Vec<Outcome>> {
    let Some(x) = &problem.x else { return Ok(Vec::new()) };
    let penalty = if options.smooth { problem.facts.penalty() } else { Penalty::identity() };
    let factor = Problem::new(&problem.a).penalty(penalty).method(Method::Svd).factorize()?;
    let mut outcomes = Vec::new();
    for (kind, level) in (0..KINDS.len()).flat_map(|kind| (0..LEVELS.len()).map(move |level| (kind, level))) {
        let data: Vec<Noisy> = (0..options.seeds).map(|seed| draw(problem, kind, LEVELS[level], seed)).collect::<Result<_>>()?;
        let least = least_errors(&factor, &data, x)?;
        for (data, least) in data.iter().zip(least) {
            for (rule, (_, choice)) in RULES.iter().enumerate() {
                let fit = factor.solve(&data.b, choice(data));
                // a λ between those that the search for the least error looked at may be better than all of them by rounding
                let efficiency = fit.map_or(f64::INFINITY, |fit| (error(&fit.x, x) / least).max(1.0));
                outcomes.push(Outcome { rule, kind, level, problem: index, efficiency });
            }
        }
    }
    Ok(outcomes)
}

fn draw(problem: &TestProblem, kind: usize, level: f64, seed: u64) -> Result<Noisy> {
    if kind == 0 { noise::gaussian(&problem.b, level, seed) } else { noise::correlated(&problem.b, level, CORRELATION, seed) }
}

fn error(found: &[f64], x: &[f64]) -> f64 {
    found.iter().zip(x).map(|(found, x)| (found - x).powi(2)).sum::<f64>().sqrt()
}

/// The least error over all λ, for each of the data: the best of a grid (8 points a decade of λ from 1e-30 to 1e4 of the largest
/// squared value), then golden sections between its neighbours.
fn least_errors(factor: &Factorization<f64>, data: &[Noisy], x: &[f64]) -> Result<Vec<f64>> {
    let Some(first) = data.first() else { return Ok(Vec::new()) };
    let scale = factor.spectrum(&first.b)?.values.first().map_or(1.0, |value| value * value);
    let lambdas: Vec<f64> = log_grid(1e-30 * scale..=1e4 * scale, 34 * 8 + 1).collect();
    let columns: Vec<f64> = data.iter().flat_map(|data| data.b.iter().copied()).collect();
    let block = DenseView::column_major(&columns, first.b.len(), data.len())?;
    let mut best = vec![(f64::INFINITY, 0); data.len()];
    for (k, &lambda) in lambdas.iter().enumerate() {
        for (best, found) in best.iter_mut().zip(&factor.solve(&block, lambda)?.x) {
            let error = error(found, x);
            if error < best.0 {
                *best = (error, k);
            }
        }
    }
    let refined = |(data, (least, k)): (&Noisy, (f64, usize))| {
        let at = |log: f64| Ok(error(&factor.solve(&data.b, log.exp())?.x, x));
        let (mut low, mut high) = (lambdas[k.saturating_sub(1)].ln(), lambdas[(k + 1).min(lambdas.len() - 1)].ln());
        let ratio = 0.5 * (5f64.sqrt() - 1.0);
        let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
        let (mut at_left, mut at_right) = (at(left)?, at(right)?);
        let mut least = least.min(at_left).min(at_right);
        // the error is flat at its minimum: 1e-3 in log λ is 1e-6 or less in the error
        while high - low > 1e-3 {
            if at_left < at_right {
                (high, right, at_right) = (right, left, at_left);
                left = high - ratio * (high - low);
                at_left = at(left)?;
            } else {
                (low, left, at_left) = (left, right, at_right);
                right = low + ratio * (high - low);
                at_right = at(right)?;
            }
            least = least.min(at_left).min(at_right);
        }
        Ok(least)
    };
    data.iter().zip(best).map(refined).collect()
}

/// Median and 95th percentile (the smallest value that so many do not exceed), and how many failed.
fn summary(outcomes: &[Outcome], keep: impl Fn(&Outcome) -> bool) -> (f64, f64, usize) {
    let mut values: Vec<f64> = outcomes.iter().filter(|outcome| keep(outcome)).map(|outcome| outcome.efficiency).collect();
    values.sort_by(f64::total_cmp);
    let percentile = |part: f64| values.get((part * values.len() as f64).ceil() as usize - 1).copied().unwrap_or(f64::NAN);
    (percentile(0.5), percentile(0.95), values.iter().filter(|value| value.is_infinite()).count())
}

fn number(value: f64) -> String {
    match value {
        v if v.is_infinite() => "∞".into(),
        v if v < 100.0 => format!("{v:.2}"),
        v => format!("{v:.0e}"),
    }
}

fn pair((median, high, _): (f64, f64, usize)) -> String {
    format!("{} · {}", number(median), number(high))
}

fn print_tables(options: &Options, outcomes: &[Outcome], names: &[&str]) {
    let penalty = if options.smooth { "the penalty of each problem" } else { "L = I" };
    println!(
        "Efficiency of rules: error over the least error of any λ, median · 95th percentile. {} problems at n = {}, {penalty}, noise {} of \
         ‖b‖, {} seeds; correlated noise is autoregressive with correlation {CORRELATION}.\n",
        names.len(),
        options.size,
        LEVELS.map(|level| format!("{level:.0e}")).join(", "),
        options.seeds
    );
    println!("| rule | white | failed | correlated | failed |\n|---|---|---|---|---|");
    for (rule, (name, _)) in RULES.iter().enumerate() {
        let of = |kind| summary(outcomes, |outcome| outcome.rule == rule && outcome.kind == kind);
        println!("| {name} | {} | {} | {} | {} |", pair(of(0)), of(0).2, pair(of(1)), of(1).2);
    }
    for (kind, kind_name) in KINDS.iter().enumerate() {
        let head = LEVELS.map(|level| format!(" {level:.0e} |")).concat();
        println!("\n| {kind_name} noise of level |{head}\n|---|{}", "---|".repeat(LEVELS.len()));
        for (rule, (name, _)) in RULES.iter().enumerate() {
            let cell = |level| pair(summary(outcomes, |o| o.rule == rule && o.kind == kind && o.level == level));
            println!("| {name} | {} |", (0..LEVELS.len()).map(cell).collect::<Vec<_>>().join(" | "));
        }
    }
    if !options.by_problem {
        return;
    }
    for (kind, kind_name) in KINDS.iter().enumerate() {
        let head = RULES.iter().map(|(name, _)| format!(" {name} |")).collect::<String>();
        println!("\n| {kind_name} noise |{head}\n|---|{}", "---|".repeat(RULES.len()));
        for (problem, name) in names.iter().enumerate() {
            let cell = |rule| pair(summary(outcomes, |o| o.rule == rule && o.kind == kind && o.problem == problem));
            println!("| {name} | {} |", (0..RULES.len()).map(cell).collect::<Vec<_>>().join(" | "));
        }
    }
}
