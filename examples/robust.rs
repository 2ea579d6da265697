//! Outliers and edges: what a square does to them, and what else there is. Run it with
//!
//! ```text
//! cargo run --release --example robust
//! ```
use wellposed::{DenseView, Gcv, Misfit, Penalty, Problem, Result, operator};

fn main() -> Result<()> {
    outliers()?;
    edges()
}

/// A quarter of the readings is wrong.
fn outliers() -> Result<()> {
    println!("1. A straight line through 40 readings, 2 + 0.5 t, noise 0.1; every fourth reading is off by up to 20.\n");
    let m = 40;
    let t = |i: usize| i as f64 / 4.0;
    let a: Vec<f64> = (0..m).map(t).collect();
    let a = DenseView::column_major(&a, m, 1)?;
    let noise = |i: usize| 0.1 * ((i * i) as f64 * 1.7).sin();
    let wrong = |i: usize| if i % 4 == 1 { 5.0 + 15.0 * i as f64 / m as f64 } else { 0.0 };
    let b: Vec<f64> = (0..m).map(|i| 2.0 + 0.5 * t(i) + noise(i) + wrong(i)).collect();
    println!("   {:36} {:>10} {:>10} {:>16}", "misfit", "constant", "slope", "rows left out");
    let show = |name: &str, problem: Problem<'_, f64>| -> Result<()> {
        let fit = problem.solve(&b, 1e-6)?;
        let out = fit.report.reweighted.first().map_or(0, |one| one.weights.iter().filter(|&&weight| weight < 0.1).count());
        println!("   {name:36} {:>10.4} {:>10.4} {out:>16}", fit.intercept, fit.x[0]);
        Ok(())
    };
    let line = || Problem::new(&a).intercept();
    show("square", line())?;
    show("Huber, 1.345 scales (median)", line().misfit(Misfit::huber(1.345).scaled_by_mad()))?;
    show("absolute value (p = 1)", line().misfit(Misfit::power(1.0)))?;
    show("Student t, 3 degrees of freedom, 0.1", line().misfit(Misfit::student_t(3.0, 0.1)))?;
    println!("\n   Huber's outliers still pull, all with the same force and here all upwards; Student's t forgets them.");
    let both = line().misfit(Misfit::student_t(3.0, 0.1)).solve(&b, Gcv)?;
    println!("   λ may be a rule, too: GCV on the weighted rows takes λ = {:.1e}, slope {:.4}.\n", both.lambda, both.x[0]);
    Ok(())
}

/// A blurred signal with jumps, known by products alone.
fn edges() -> Result<()> {
    let n = 100;
    println!("2. A signal of {n} points with three jumps, blurred over 7 points, noise 1 %; A is a function that blurs.\n");
    let kernel: Vec<f64> = (-6i32..=6).map(|k| (-0.5 * f64::from(k * k) / 4.0).exp()).collect();
    let total: f64 = kernel.iter().sum();
    let blur = |x: &[f64], y: &mut [f64]| {
        for (i, y) in y.iter_mut().enumerate() {
            let term = |k: usize| (i + k).checked_sub(6).and_then(|j| x.get(j)).map(|x| kernel[k] / total * x);
            *y = (0..13).filter_map(term).sum();
        }
    };
    // the blur is symmetric
    let a = operator::from_fn(n, n, blur, blur);
    let truth: Vec<f64> = (0..n)
        .map(|i| {
            if i < 30 {
                0.2
            } else if i < 45 {
                1.0
            } else if i < 75 {
                0.6
            } else {
                0.0
            }
        })
        .collect();
    let mut b = vec![0.0; n];
    blur(&truth, &mut b);
    b.iter_mut().enumerate().for_each(|(i, b)| *b += 0.01 * ((i * i) as f64 * 0.77).sin());
    let error = |x: &[f64]| {
        let squares = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
        squares(&x.iter().zip(&truth).map(|(x, t)| x - t).collect::<Vec<f64>>()) / squares(&truth)
    };
    println!("   {:32} {:>10} {:>10} {:>8}", "penalty of the differences", "best λ", "error", "steps");
    for (name, penalty) in [
        ("squares", Penalty::first_difference()),
        ("Huber, δ = 0.01", Penalty::first_difference().huber(0.01)),
        ("power 1 (total variation)", Penalty::first_difference().power(1.0)),
        ("power 0.5, a local minimum", Penalty::first_difference().power(0.5)),
    ] {
        let mut best = (f64::INFINITY, 0.0, 0);
        for lambda in wellposed::log_grid(1e-4..=1e-2, 5) {
            let fit = Problem::new(&a).penalty(penalty.clone()).solve(&b, lambda)?;
            let steps = fit.report.reweighted.first().map_or(fit.report.steps.unwrap_or(0), |one| one.steps);
            if error(&fit.x) < best.0 {
                best = (error(&fit.x), fit.lambda, steps);
            }
        }
        println!("   {name:32} {:>10.1e} {:>10.4} {:>8}", best.1, best.0, best.2);
    }
    Ok(())
}
