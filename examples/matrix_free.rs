//! λ for an A of which only products are known, beside the λ of the same rule from all singular values: how near, and at what cost.
//!
//! ```text
//! cargo run --release --example matrix_free [seeds]
//! ```
//!
//! Shaw's, Phillips' and the heat problem (n = 300, 1 % noise), a blurred image of 64×64 pixels, and illc1033 with the right-hand
//! side that belongs to it and with one made from a known x; then a well conditioned sparse matrix, the first difference. Every A is
//! hidden behind its products, which are counted. *plain* is what one solve at the exact λ costs by CGLS with the default tolerance
//! (1e-8 on illc1033, where CGLS reaches no more); the costs of the others are in units of it. Hybrid LSQR has its default limit of 500
//! steps: a smaller problem may end in the whole space, and for a larger one probes count what the space does not. For the probes the table has the
//! worst of the seeds (default 3): the largest deviation of λ and the largest cost, and how often λ lay within 5 % of the exact one
//! or the exact one in the interval that was reported. Most of the time, some minutes, goes into the 4096 singular values of the blur.

#[path = "support/matrix_market.rs"]
mod matrix_market;

use matrix_market::Matrix;
use std::cell::Cell;
use std::error::Error;
use wellposed::gallery::{self, TestProblem, noise};
use wellposed::operator::from_fn;
use wellposed::{Cgls, Gcv, HybridLsqr, Method, Operator, Probes, Problem, SparseView};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    println!(
        "{:<14} {:>10} {:>6} | {:>8} {:>6} {:>7} {:>6} | {:>8} {:>8} {:>6} {:>6}",
        "", "exact λ", "plain", "hybrid", "steps", "error", "cost", "probes", "interval", "good", "cost"
    );
    for problem in [gallery::shaw(300)?, gallery::phillips(300)?, gallery::heat(300, 1.0)?, gallery::blur(64, 5, 1.5)?] {
        let TestProblem { name, a, b, x, .. } = problem.clone();
        let b = noise::gaussian(&b, 0.01, 1)?.b;
        row(name, &a, &problem.dense().a, &b, x.as_deref(), None, seeds)?;
    }
    let a = Matrix::read("illc1033.mtx.gz")?;
    let own = Matrix::read("illc1033_rhs1.mtx.gz")?.values;
    let view = a.view()?;
    row("illc1033, own", &view, &view, &own, None, Some(1e-8), seeds)?;
    let x: Vec<f64> = (0..a.columns).map(|j| (j as f64 / 20.0).sin()).collect();
    let mut b = vec![0.0; a.rows];
    view.apply(&x, &mut b);
    let b = noise::gaussian(&b, 0.01, 1)?.b;
    row("illc1033, wave", &view, &view, &b, Some(&x), Some(1e-8), seeds)?;
    for n in [300u32, 1000] {
        // (Dx)ᵢ = xᵢ − xᵢ₋₁ of a wave, and half as much noise
        let starts: Vec<u32> = (0..=n).map(|j| (2 * j).min(2 * n - 1)).collect();
        let indices: Vec<u32> = (0..n).flat_map(|j| [j, j + 1]).take(2 * n as usize - 1).collect();
        let values: Vec<f64> = [1.0, -1.0].into_iter().cycle().take(2 * n as usize - 1).collect();
        let d = SparseView::csc(n as usize, n as usize, &starts, &indices, &values)?;
        let wave = |i: f64| (2.5 * i).cos();
        let b: Vec<f64> = (0..n).map(f64::from).map(|i| wave(i) - wave(i - 1.0) + 0.5 * (i * i * 7919.0).sin()).collect();
        row(&format!("difference {n}"), &d, &d, &b, None, None, seeds)?;
    }
    Ok(())
}

/// One problem: `a` as it multiplies, and as the singular values are computed from it.
fn row(
    name: &str,
    a: &impl Operator<Scalar = f64>,
    entries: &impl Operator<Scalar = f64>,
    b: &[f64],
    x: Option<&[f64]>,
    tolerance: Option<f64>,
    seeds: u64,
) -> Result<(), Failure> {
    let count = Cell::new(0u32);
    let (m, n) = a.shape();
    let hidden = from_fn(
        m,
        n,
        |x: &[f64], y: &mut [f64]| {
            count.set(count.get() + 1);
            a.apply(x, y);
        },
        |y: &[f64], x: &mut [f64]| {
            count.set(count.get() + 1);
            a.apply_adjoint(y, x);
        },
    );
    let exact = Problem::new(entries).method(Method::Svd).solve(b, Gcv)?;
    let cgls = Cgls::new().max_steps(100_000).accept_partial();
    let cgls = tolerance.map_or(cgls.clone(), |tolerance| cgls.tolerance(tolerance));
    Problem::new(&hidden).method(cgls).solve(b, exact.lambda)?;
    let plain = f64::from(count.take());
    let fit = Problem::new(&hidden).method(HybridLsqr::new().accept_partial()).solve(b, Gcv)?;
    let cost = f64::from(count.take()) / plain;
    let error = |found: &[f64]| distance(found, x.unwrap_or(&exact.x));
    let errors = match x {
        Some(_) => error(&fit.x) / error(&exact.x) - 1.0,
        None => error(&fit.x),
    };
    print!(
        "{name:<14} {:>10.3e} {plain:>6} | {:>7.1}% {:>6} {:>6.1}% {cost:>6.1} |",
        exact.lambda,
        100.0 * (fit.lambda / exact.lambda - 1.0),
        fit.report.steps.unwrap_or(0),
        100.0 * errors
    );
    let (mut good, mut worst, mut widest, mut costs) = (0, 0.0f64, 0.0f64, 0.0f64);
    for seed in 1..=seeds {
        let fit = Problem::new(&hidden).method(Probes::new().seed(seed)).solve(b, Gcv)?;
        costs = costs.max(f64::from(count.take()) / plain);
        let (low, high) = fit.report.criteria[0].interval.unwrap_or((fit.lambda, fit.lambda));
        let deviation = fit.lambda / exact.lambda - 1.0;
        good += u64::from(deviation.abs() < 0.05 || (low <= exact.lambda && exact.lambda <= high));
        worst = if deviation.abs() > worst.abs() { deviation } else { worst };
        widest = widest.max((high - low) / (2.0 * fit.lambda));
    }
    println!(" {:>7.1}% {:>7.1}% {:>6} {costs:>6.1}", 100.0 * worst, 100.0 * widest, format!("{good}/{seeds}"));
    Ok(())
}

/// ‖x − y‖/‖y‖.
fn distance(x: &[f64], y: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut x.iter().zip(y).map(|(x, y)| x - y)) / norm(&mut y.iter().copied())
}
