//! ℓ1 beside ℓ2 on real data: which coefficients are zero, what the two penalties do to two nearly equal columns, and to a signal with
//! jumps. Each printed claim is one of docs/THEORY.md. Run it with
//!
//! ```text
//! cargo run --release --example l1
//! ```
use wellposed::{DenseView, KFold, Penalty, Problem, Result, SparseView, log_grid};

const NAMES: [&str; 8] = ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"];

fn main() -> Result<()> {
    prostate()?;
    twins()?;
    jumps()
}

/// The lasso path, λ by cross-validation, and the ridge at its own best λ; 30 rows held out judge them.
fn prostate() -> Result<()> {
    heading("1. Prostate cancer data, 67 rows to fit: the lasso path");
    let rows = numbers(include_str!("../data/prostate.tsv"));
    let (train, test): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[10] == 1.0);
    let scale: Vec<(f64, f64)> = (1..=8).map(|j| mean_and_deviation(train.iter().map(|row| row[j]))).collect();
    let standardise = |row: &Vec<f64>| -> Vec<f64> { scale.iter().zip(&row[1..=8]).map(|((mean, sd), v)| (v - mean) / sd).collect() };
    let a: Vec<f64> = train.iter().flat_map(standardise).collect();
    let b: Vec<f64> = train.iter().map(|row| row[9]).collect();
    let a = DenseView::row_major(&a, train.len(), 8)?;

    let lasso = Problem::new(&a).intercept().penalty(Penalty::identity().l1());
    let largest = lasso.lambda_max(&b)?;
    print!("{:>9}", "λ/λ_max");
    NAMES.iter().for_each(|name| print!(" {name:>8}"));
    println!();
    let lambdas: Vec<f64> = log_grid(1e-3 * largest..=largest, 10).collect();
    for fit in lasso.path(&b, lambdas.into_iter().rev())? {
        print!("{:>9.4}", fit.lambda / largest);
        // a blank is an exact zero
        fit.x.iter().for_each(|x| if *x == 0.0 { print!("        ·") } else { print!(" {x:>8.3}") });
        println!();
    }

    heading("2. λ by 10-fold cross-validation: lasso, elastic net and ridge");
    let folds = KFold::new(10).seed(1);
    let ridge = Problem::new(&a).intercept();
    let net = Problem::new(&a).intercept().penalty(Penalty::identity().elastic_net(0.5));
    let fits = [
        ("lasso", lasso.solve(&b, folds)?),
        ("lasso, 1 s.e.", lasso.solve(&b, folds.one_standard_error())?),
        ("net, 1 s.e.", net.solve(&b, folds.one_standard_error())?),
        ("ridge", ridge.solve(&b, folds)?),
        ("ridge, 1 s.e.", ridge.solve(&b, folds.one_standard_error())?),
    ];
    println!("{}\n", fits[1].1.report);
    print!("{:<16}", "");
    fits.iter().for_each(|(name, _)| print!(" {name:>14}"));
    println!();
    for (j, name) in NAMES.iter().enumerate() {
        print!("{name:<16}");
        fits.iter().for_each(|(_, fit)| if fit.x[j] == 0.0 { print!("              0") } else { print!(" {:>14.4}", fit.x[j]) });
        println!();
    }
    print!("{:<16}", "held-out error");
    for (_, fit) in &fits {
        let square = |row: &Vec<f64>| (row[9] - fit.intercept - dot(&standardise(row), &fit.x)).powi(2);
        print!(" {:>14.4}", test.iter().map(square).sum::<f64>() / test.len() as f64);
    }
    println!();
    print!("{:<16}", "zeros");
    for (_, fit) in &fits {
        print!(" {:>14}", fit.x.iter().filter(|x| **x == 0.0).count());
    }
    println!("\n\nℓ1 sets coefficients to 0 at a finite λ; ℓ2 only makes them small.");
    assert!(fits[1].1.x.contains(&0.0) && !fits[4].1.x.contains(&0.0));
    Ok(())
}

/// Two columns that are nearly the same: ℓ1 takes the better one, ℓ2 and the elastic net share.
fn twins() -> Result<()> {
    heading("3. Two nearly equal columns: who gets the coefficient");
    let m = 60;
    let signal: Vec<f64> = (0..m).map(|i| (i as f64 * 0.7).sin()).collect();
    let twin: Vec<f64> = signal.iter().enumerate().map(|(i, s)| s + 0.03 * (i as f64 * 1.3).cos()).collect();
    let b: Vec<f64> = signal.iter().enumerate().map(|(i, s)| 2.0 * s + 0.1 * (i as f64 * 5.3).sin()).collect();
    let a: Vec<f64> = signal.iter().chain(&twin).copied().collect();
    let a = DenseView::column_major(&a, m, 2)?;
    for (name, penalty) in
        [("ℓ1", Penalty::identity().l1()), ("elastic net, ρ = 0.5", Penalty::identity().elastic_net(0.5)), ("ℓ2", Penalty::identity())]
    {
        let x = Problem::new(&a).penalty(penalty).solve(&b, 1.0)?.x;
        println!("{name:<22} {:>8.4} {:>8.4}", x[0], x[1]);
    }
    println!(
        "\nTo ℓ1 one coefficient of 2 costs what two of 1 do, and it takes the column that fits a little better; to ℓ2 two of 1 cost half."
    );
    Ok(())
}

/// A signal with jumps under noise: ‖Dx‖₁ keeps them, ‖Dx‖² smooths them away.
fn jumps() -> Result<()> {
    heading("4. A signal with jumps: total variation ‖Dx‖₁ beside ‖Dx‖²");
    let n = 60;
    let starts: Vec<u32> = (0..=n as u32).collect();
    let (columns, ones) = (starts[..n].to_vec(), vec![1.0; n]);
    let identity = SparseView::csr(n, n, &starts, &columns, &ones)?;
    let truth: Vec<f64> = (0..n)
        .map(|i| {
            if i < 20 {
                0.0
            } else if i < 38 {
                3.0
            } else {
                1.0
            }
        })
        .collect();
    let b: Vec<f64> = truth.iter().enumerate().map(|(i, t)| t + 0.5 * ((i * i) as f64 * 1.3 + i as f64).sin()).collect();
    let error = |x: &[f64]| x.iter().zip(&truth).map(|(x, t)| (x - t).powi(2)).sum::<f64>().sqrt();
    let mut best = Vec::new();
    for (name, penalty) in [("‖Dx‖₁", Penalty::first_difference().l1()), ("‖Dx‖²", Penalty::first_difference())] {
        // each at the λ that is best for it, which only a known truth tells
        let fits = Problem::new(&identity).penalty(penalty).path(&b, log_grid(1e-2..=1e2, 60))?;
        let fit = fits.into_iter().min_by(|p, q| error(&p.x).total_cmp(&error(&q.x)));
        let Some(fit) = fit else { continue };
        let levels = 1 + fit.x.windows(2).filter(|w| (w[1] - w[0]).abs() > 1e-8).count();
        println!("{name}  λ = {:<9.3e} error {:.3}, {levels} levels", fit.lambda, error(&fit.x));
        best.push(fit.x);
    }
    for i in (0..n).step_by(3) {
        print!("{i:>4} {:>7.3}", b[i]);
        best.iter().for_each(|x| print!(" {:>8.4}", x[i]));
        println!();
    }
    println!("\ncolumns: data, ‖Dx‖₁, ‖Dx‖²");
    Ok(())
}

fn heading(text: &str) {
    println!("\n{text}\n{}\n", "─".repeat(text.chars().count()));
}

/// The rows of a table without its header.
fn numbers(text: &str) -> Vec<Vec<f64>> {
    let value = |field: &str| match field.trim() {
        "T" => 1.0,
        other => other.parse().unwrap_or(f64::NAN),
    };
    text.lines().skip(1).map(|line| line.split('\t').map(value).collect()).collect()
}

fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, (values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0)).sqrt())
}

fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}
