//! Figures and a report of one inverse problem: Shaw's integral equation, 100 unknowns, 0.1 % noise.
//!
//! ```text
//! cargo run --release --features plot --example report -- target/report
//! ```
//! writes report.html and an SVG file for each figure into the folder given.

use std::path::PathBuf;
use wellposed::{DenseView, Gcv, Problem, plot::Report};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(folder) = std::env::args().nth(1).map(PathBuf::from) else {
        return Err("give the folder to write to, for example target/report".into());
    };
    std::fs::create_dir_all(&folder)?;

    let n = 100;
    let (a, truth, b) = shaw(n, 1e-3);
    let a = DenseView::row_major(&a, n, n)?;
    let factor = Problem::new(&a).factorize()?;
    let fit = factor.solve(&b, Gcv)?;
    println!("{}", fit.report);

    let report = Report::new(&factor, &b, &fit)?.title("Shaw's integral equation, 100 unknowns, 0.1 % noise").truth(&truth)?;
    for figure in report.figures() {
        let file = folder.join(format!("{}.svg", figure.name()));
        figure.save(&file)?;
        println!("{}: {}", file.display(), figure.title());
    }
    let file = folder.join("report.html");
    report.save(&file)?;
    println!("{}", file.display());
    Ok(())
}

/// Light that passes a slit (Shaw 1972): K(s, t) = (cos s + cos t)²·(sin u/u)², u = π(sin s + sin t), by the midpoint rule on
/// [−π/2, π/2], with noise of this size relative to ‖b‖. A row by row, x and b.
fn shaw(n: usize, noise: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    use std::f64::consts::{FRAC_PI_2, PI};
    let angle = |i: usize| (i as f64 + 0.5) / n as f64 * PI - FRAC_PI_2;
    let kernel = |s: f64, t: f64| {
        let u = PI * (s.sin() + t.sin());
        let sinc = if u == 0.0 { 1.0 } else { u.sin() / u };
        ((s.cos() + t.cos()) * sinc).powi(2) * PI / n as f64
    };
    let a: Vec<f64> = (0..n * n).map(|k| kernel(angle(k / n), angle(k % n))).collect();
    let x: Vec<f64> = (0..n).map(angle).map(|t| 2.0 * (-6.0 * (t - 0.8).powi(2)).exp() + (-2.0 * (t + 0.5).powi(2)).exp()).collect();
    let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
    let exact: Vec<f64> = a.chunks(n).map(|row| dot(row, &x)).collect();
    let errors = normal_numbers(n, 1);
    let size = noise * (dot(&exact, &exact) / dot(&errors, &errors)).sqrt();
    let b = exact.iter().zip(&errors).map(|(b, e)| b + size * e).collect();
    (a, x, b)
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
