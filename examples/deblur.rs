//! A photograph, blurred, with 1 % of noise, and restored with λ chosen by the data. Run it with
//!
//! ```text
//! cargo run --release --example deblur [size] [folder]
//! ```
//!
//! The photograph (data/camera.png, 512×512, by Lav Varshney, CC0) is resized to size×size pixels (default 512), and the
//! pictures go to the folder (default target/deblur): truth, blurred, and what each way to λ made of it.
//!
//! 1. Gaussian blur with mirror images beyond the edges and a gradient penalty: the cosine transform diagonalises all, so that
//!    GCV and the discrepancy principle are exact and cost a second or two. Then the same blur as if only products with it were known: hybrid
//!    LSQR with GCV, with ‖∇x‖ and with ‖x‖, beside the exact GCV and the least error of the transform, and what 100 further steps change.
//! 2. Motion blur with darkness beyond the edges: no transform diagonalises it. Products alone: hybrid LSQR chooses λ on the way, by GCV,
//!    weighted and robust GCV and the discrepancy, GCV and the discrepancy also with ‖∇x‖ as the penalty; the probes choose it with an
//!    interval. Beside them the λ of least error, and what 100 further steps of hybrid LSQR change. Progress goes to the standard error.
//!    Memory: hybrid LSQR keeps two vectors for each step, with ‖∇x‖ and GCV four, and four for each step of two probes; the probes alone
//!    never more than 256 MiB beside some ten vectors. At 1024×1024 the program takes up to 6.8 GB, and four minutes.

#[path = "support/pictures.rs"]
mod pictures;

use pictures::{Picture, add_noise, write};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wellposed::operator::{convolution, gaussian_kernel, motion_kernel};
use wellposed::{Boundary, Choice, Discrepancy, Gcv, HybridLsqr, Lsqr, Method, Operator, Penalty, Probes, Problem, ProjectedGcv, log_grid};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let size: usize = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let folder = arguments.next().map_or_else(|| PathBuf::from("target/deblur"), PathBuf::from);
    let photograph = Picture::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/camera.png")))?;
    let truth = if size == photograph.rows { photograph } else { photograph.resized(size) };
    gaussian(&truth, &folder)?;
    motion(&truth, &folder)?;
    if let Some(peak) = peak_memory() {
        println!("\npeak memory of the program: {:.0} MB, {:.0} bytes a pixel", peak / 1e6, peak / (size * size) as f64);
    }
    Ok(())
}

/// Mirror images beyond the edges: a fast transform does it all.
fn gaussian(truth: &Picture, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (rows, columns) = (truth.rows, truth.columns);
    println!("Gaussian blur, standard deviation 2 pixels, reflective edges, 1 % noise, {rows}×{columns}");
    let blur = convolution(rows, columns, &gaussian_kernel(2.0, 2.0)?, Boundary::Reflective)?;
    let (blurred, noise) = blurred(&blur, truth);
    products(&blur, truth);
    let problem = Problem::new(&blur).penalty(Penalty::first_difference_2d(rows, columns, Boundary::Reflective));
    heading();
    row("blurred", None, &blurred, truth, None);
    let mut restored = Vec::new();
    for (name, choice) in [("GCV", Gcv.into()), ("discrepancy", Choice::from(Discrepancy::noise_norm(noise)))] {
        let start = Instant::now();
        let fit = problem.solve(&blurred.values, choice)?;
        let seconds = start.elapsed().as_secs_f64();
        let picture = Picture { values: fit.x, ..blurred };
        row(name, Some(fit.lambda), &picture, truth, Some(seconds));
        restored.push(picture);
        if name == "GCV" {
            println!("{}", fit.report);
        }
    }
    // what no one can know without the truth: the λ of least error
    let factor = problem.factorize()?;
    let mut best: Option<(f64, Picture)> = None;
    for fit in factor.path(&blurred.values, log_grid(1e-6..=1e0, 31)) {
        let fit = fit?;
        let picture = Picture { values: fit.x, ..blurred };
        if best.as_ref().is_none_or(|(_, old)| picture.relative_error(truth) < old.relative_error(truth)) {
            best = Some((fit.lambda, picture));
        }
    }
    if let Some((lambda, picture)) = best {
        row("least error", Some(lambda), &picture, truth, None);
    }
    write(&folder.join("gaussian.png"), &[truth, &blurred, &restored[0], &restored[1]])?;
    by_products(&blur, &blurred, truth)
}

/// The same blur by products; what the transform says of it is the measure.
fn by_products(blur: &impl Operator<Scalar = f64>, blurred: &Picture, truth: &Picture) -> Result<(), Box<dyn Error>> {
    println!("the same by products alone, first with ‖∇x‖, then with ‖x‖");
    let named = |values: Vec<f64>| Picture { values, ..*blurred };
    let smooth = Problem::new(blur).penalty(Penalty::first_difference_2d(truth.rows, truth.columns, Boundary::Reflective));
    let start = Instant::now();
    let fit = smooth.clone().method(HybridLsqr::new()).solve(&blurred.values, Gcv)?;
    let (seconds, steps) = (start.elapsed().as_secs_f64(), fit.report.steps.unwrap_or(0));
    let picture = named(fit.x);
    row("GCV, ‖∇x‖", Some(fit.lambda), &picture, truth, Some(seconds));
    println!("              {steps} steps");
    if pixels(truth) <= FURTHER_UP_TO {
        let later = smooth.method(HybridLsqr::new().steps(steps + 100)).solve(&blurred.values, Gcv)?;
        further(&picture, &named(later.x), truth);
    }
    let exact = Problem::new(blur).solve(&blurred.values, Gcv)?;
    row("exact GCV", Some(exact.lambda), &named(exact.x), truth, None);
    let mut least: Option<(f64, f64)> = None;
    for fit in Problem::new(blur).path(&blurred.values, log_grid(1e-6..=1e0, 61))? {
        let error = named(fit.x).relative_error(truth);
        least = least.filter(|&(_, best)| best <= error).or(Some((fit.lambda, error)));
    }
    for (name, options) in [("hybrid GCV", HybridLsqr::new()), ("weighted GCV", HybridLsqr::new().gcv(ProjectedGcv::Weighted))] {
        let start = Instant::now();
        let fit = Problem::new(blur).method(options.clone()).solve(&blurred.values, Gcv)?;
        let seconds = start.elapsed().as_secs_f64();
        let (steps, picture) = (fit.report.steps.unwrap_or(0), named(fit.x));
        row(name, Some(fit.lambda), &picture, truth, Some(seconds));
        println!("              {steps} steps");
        if pixels(truth) <= FURTHER_UP_TO {
            let later = Problem::new(blur).method(options.steps(steps + 100)).solve(&blurred.values, Gcv)?;
            further(&picture, &named(later.x), truth);
        }
    }
    if let Some((lambda, error)) = least {
        println!("least error of any λ with ‖x‖: {error:.4} at λ = {lambda:.3e}");
    }
    Ok(())
}

/// Pixels up to which 100 further steps are made, and all ways to λ are shown: the vectors of some hundred steps of a million pixels
/// are gigabytes.
const FURTHER_UP_TO: usize = 1 << 18;

fn pixels(picture: &Picture) -> usize {
    picture.rows * picture.columns
}

/// What more steps have changed.
fn further(before: &Picture, after: &Picture, truth: &Picture) {
    let (before, after) = (before.relative_error(truth), after.relative_error(truth));
    println!("              100 further steps: relative error {after:.4}, {:+.2} %", 100.0 * (after / before - 1.0));
}

/// What a step of an iteration would cost: one product with A and one with Aᴴ, the least of ten.
fn products(blur: &impl Operator<Scalar = f64>, truth: &Picture) {
    let (mut x, mut y) = (truth.values.clone(), vec![0.0; truth.values.len()]);
    let mut once = || {
        let start = Instant::now();
        blur.apply(&x, &mut y);
        blur.apply_adjoint(&y, &mut x);
        start.elapsed().as_secs_f64()
    };
    let least = (0..10).map(|_| once()).fold(f64::INFINITY, f64::min);
    println!("one product with A and one with Aᴴ: {:.1} ms", 1e3 * least);
}

/// Darkness beyond the edges: products alone.
fn motion(truth: &Picture, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (rows, columns) = (truth.rows, truth.columns);
    println!("\nMotion blur, 15 pixels at 30°, dark edges, 1 % noise, {rows}×{columns}");
    let blur = convolution(rows, columns, &motion_kernel(15.0, 30f64.to_radians())?, Boundary::Zero)?;
    let (blurred, noise) = blurred(&blur, truth);
    heading();
    row("blurred", None, &blurred, truth, None);
    let mut pictures = vec![truth.clone(), blurred.clone()];
    let smooth = Penalty::first_difference_2d(rows, columns, Boundary::Free);
    let gcv = Choice::from(Gcv);
    let discrepancy = Choice::from(Discrepancy::noise_norm(noise));
    let hybrid = pixels(truth) <= FURTHER_UP_TO;
    let robust = Choice::from(Gcv.robust(0.3));
    let plain = || HybridLsqr::new();
    let weighted = || HybridLsqr::new().gcv(ProjectedGcv::Weighted);
    // the last of each is what makes 100 further steps
    type Way<'p> = (&'static str, Penalty<'p, f64>, Choice, Method, bool, Option<HybridLsqr>);
    let ways: [Way<'_>; 7] = [
        ("GCV, ‖x‖", Penalty::identity(), gcv, plain().into(), true, Some(plain())),
        ("weighted GCV", Penalty::identity(), gcv, weighted().into(), true, Some(weighted())),
        ("robust GCV", Penalty::identity(), robust, plain().into(), hybrid, Some(plain())),
        ("discr., ‖x‖", Penalty::identity(), discrepancy, plain().into(), true, None),
        ("GCV, ‖∇x‖", smooth.clone(), gcv, plain().into(), true, Some(plain())),
        ("discr., ‖∇x‖", smooth.clone(), discrepancy, plain().into(), true, None),
        ("GCV, probes", Penalty::identity(), gcv, Probes::new().into(), true, None),
    ];
    for (name, penalty, choice, method, done, more) in ways {
        if !done {
            continue;
        }
        let start = Instant::now();
        let problem = Problem::new(&blur).penalty(penalty);
        let fit = problem.clone().method(method).solve_with(&blurred.values, choice, |step| {
            if step.index % 25 == 0 {
                eprintln!("{name}: step {}, residual {:.4e}", step.index, step.residual_norm);
            }
            ControlFlow::Continue(())
        });
        let fit = match fit {
            Ok(fit) => fit,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        let picture = Picture { values: fit.x, ..blurred };
        row(name, Some(fit.lambda), &picture, truth, Some(seconds));
        let steps = fit.report.steps.unwrap_or(0);
        println!("              {steps} steps");
        if let (true, Some(options)) = (hybrid, more) {
            let later = problem.method(options.steps(steps + 100)).solve(&blurred.values, choice)?;
            further(&picture, &Picture { values: later.x, ..blurred }, truth);
        }
        pictures.push(picture);
    }
    // what no one can know without the truth
    let problem = Problem::new(&blur).method(Lsqr::new().tolerance(1e-4));
    let mut best: Option<(f64, f64)> = None;
    for fit in problem.path(&blurred.values, log_grid(1e-4..=1e-1, 25))? {
        let error = Picture { values: fit.x, ..blurred }.relative_error(truth);
        if best.is_none_or(|(_, least)| error < least) {
            best = Some((fit.lambda, error));
        }
    }
    if let Some((lambda, error)) = best {
        println!("least error of any λ with ‖x‖: {error:.4} at λ = {lambda:.3e}");
    }
    if hybrid {
        let problem = Problem::new(&blur).penalty(smooth).method(Lsqr::new().tolerance(1e-6));
        let mut least = (0.0, f64::INFINITY);
        for lambda in log_grid(1e-3..=2e-2, 9) {
            let fit = problem.solve(&blurred.values, lambda)?;
            let error = Picture { values: fit.x, ..blurred }.relative_error(truth);
            least = if error < least.1 { (fit.lambda, error) } else { least };
        }
        println!("least error of any λ with ‖∇x‖: {:.4} at λ = {:.3e}", least.1, least.0);
    }
    write(&folder.join("motion.png"), &pictures.iter().collect::<Vec<_>>())
}

/// The truth behind the operator, with 1 % of noise of which the norm is returned.
fn blurred(blur: &impl Operator<Scalar = f64>, truth: &Picture) -> (Picture, f64) {
    let mut values = vec![0.0; truth.values.len()];
    blur.apply(&truth.values, &mut values);
    let noise = add_noise(&mut values, 0.01);
    (Picture { values, ..*truth }, noise)
}

fn heading() {
    println!("{:12} {:>11} {:>15} {:>9} {:>9}", "", "λ", "relative error", "PSNR/dB", "time/s");
}

fn row(name: &str, lambda: Option<f64>, picture: &Picture, truth: &Picture, seconds: Option<f64>) {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "—".into());
    println!(
        "{name:12} {:>11} {:>15.4} {:>9.2} {:>9}",
        or_dash(lambda.map(|v| format!("{v:.3e}"))),
        picture.relative_error(truth),
        picture.psnr(truth),
        or_dash(seconds.map(|v| format!("{v:.2}")))
    );
}

/// The most memory the program has used so far, where the system says so.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0)
}
