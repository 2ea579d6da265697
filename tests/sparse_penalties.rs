//! ℓ1, elastic net, groups, total variation: optimal by their own gap, by the optimality conditions computed here from x alone, and
//! against scikit-learn's coefficients (testdata/lasso_oracle.py); and the laws that hold for all of them.

use serde::Deserialize;
use wellposed::method::{Admm, CoordinateDescent};
use wellposed::operator::Boundary;
use wellposed::{Aicc, Bic, DenseView, Discrepancy, Error, Gcv, KFold, Lambda, Loo, Operator, Penalty, Problem, SparseView, c64, ridge};

#[derive(Deserialize)]
struct Case {
    rows: usize,
    columns: usize,
    mean: f64,
    intercept: bool,
    weighted: bool,
    alpha: f64,
    l1_ratio: f64,
    x: Vec<f64>,
    constant: f64,
}

/// The data of lasso_oracle.py, column by column.
fn data(m: usize, n: usize, mean: f64) -> (Vec<f64>, Vec<f64>) {
    let entry = |i: usize, j: usize| {
        let (x, y) = (i as f64, j as f64);
        mean * (j % 3) as f64 + (1.0 + 1.7 * x * (y + 1.0) + 0.3 * y * y).sin() + 0.3 * (0.9 * x + y).cos()
    };
    let a: Vec<f64> = (0..n).flat_map(|j| (0..m).map(move |i| entry(i, j))).collect();
    let x = |j: usize| if j % 4 == 0 { (if j % 2 == 0 { 1.0 } else { -1.0 }) * (3.0 - 0.2 * j as f64) } else { 0.0 };
    let noise = |i: usize| 0.3 * (12.9 * (i * i) as f64 + 1.0).sin();
    let b = (0..m).map(|i| (0..n).map(|j| a[j * m + i] * x(j)).sum::<f64>() + noise(i)).collect();
    (a, b)
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn close(x: &[f64], y: &[f64], tolerance: f64) {
    let scale = norm(y).max(1e-300);
    for (k, (x, y)) in x.iter().zip(y).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{k}: {x} is not {y}");
    }
    assert_eq!(x.len(), y.len());
}

/// Rows of A compressed, zeros left out.
struct Csr(Vec<u32>, Vec<u32>, Vec<f64>);

fn compressed(a: &[f64], m: usize, n: usize) -> Csr {
    let mut out = Csr(vec![0], Vec::new(), Vec::new());
    for i in 0..m {
        for j in 0..n {
            if a[j * m + i] != 0.0 {
                out.1.push(j as u32);
                out.2.push(a[j * m + i]);
            }
        }
        out.0.push(out.1.len() as u32);
    }
    out
}

/// 2Aᵀ W (b − Ax − c) and the residual.
fn gradient(a: &[f64], b: &[f64], weights: &[f64], x: &[f64], constant: f64) -> (Vec<f64>, Vec<f64>) {
    let m = b.len();
    let r: Vec<f64> = (0..m).map(|i| b[i] - constant - x.iter().enumerate().map(|(j, x)| a[j * m + i] * x).sum::<f64>()).collect();
    let along = |j: usize| 2.0 * (0..m).map(|i| a[j * m + i] * weights[i] * r[i]).sum::<f64>();
    ((0..x.len()).map(along).collect(), r)
}

/// Dense and sparse, with intercept and weights, lasso and elastic net: scikit-learn's coefficients, and the optimality conditions.
#[test]
fn scikit_learn_and_the_optimality_conditions() -> Result<(), Error> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/lasso.json")).expect("the file of the oracle");
    assert_eq!(cases.len(), 48);
    for case in &cases {
        let (m, n) = (case.rows, case.columns);
        let (a, b) = data(m, n, case.mean);
        let Csr(starts, indices, values) = compressed(&a, m, n);
        agrees(case, &a, &b, &DenseView::column_major(&a, m, n)?)?;
        agrees(case, &a, &b, &SparseView::csr(m, n, &starts, &indices, &values)?)?;
    }
    Ok(())
}

fn agrees(case: &Case, a: &[f64], b: &[f64], operator: &impl Operator<Scalar = f64>) -> Result<(), Error> {
    let m = case.rows;
    let weights: Vec<f64> = (0..m).map(|i| if case.weighted { 1.0 + (i % 3) as f64 } else { 1.0 }).collect();
    let (lambda, rho) = Lambda::elastic_net(case.alpha, case.l1_ratio, weights.iter().sum());
    let penalty = if case.l1_ratio == 1.0 { Penalty::identity().l1() } else { Penalty::identity().elastic_net(rho) };
    let mut problem = Problem::new(operator).penalty(penalty);
    if case.weighted {
        problem = problem.weights(&weights);
    }
    if case.intercept {
        problem = problem.intercept();
    }
    let fit = problem.solve(b, lambda)?;
    close(&fit.x, &case.x, 1e-8);
    assert!((fit.intercept - case.constant).abs() <= 1e-8 * (1.0 + case.constant.abs()));
    let gap = fit.report.duality_gap.expect("a gap");
    assert!((0.0..=3e-12 * norm(b).powi(2)).contains(&gap), "{gap:e}");
    // exactly zero where scikit-learn is
    for (x, y) in fit.x.iter().zip(&case.x) {
        assert_eq!(*x == 0.0, y.abs() < 1e-11, "{x} {y}");
    }
    let (g, r) = gradient(a, b, &weights, &fit.x, fit.intercept);
    let bound = lambda.value() * rho;
    for (g, x) in g.iter().zip(&fit.x) {
        let rest = g - 2.0 * lambda.value() * (1.0 - rho) * x;
        let off = if *x == 0.0 { (rest.abs() - bound).max(0.0) } else { (rest - bound * x.signum()).abs() };
        assert!(off <= 1e-9 * bound.max(1.0), "{off:e} at {bound}");
    }
    if case.intercept {
        let sum: f64 = r.iter().zip(&weights).map(|(r, w)| r * w).sum();
        assert!(sum.abs() < 1e-9, "{sum:e}");
    }
    let residual: f64 = r.iter().zip(&weights).map(|(r, w)| w * r * r).sum::<f64>().sqrt();
    assert!((fit.residual_norm - residual).abs() <= 1e-10 * residual);
    let penalty: f64 = fit.x.iter().map(|x| rho * x.abs() + (1.0 - rho) * x * x).sum();
    assert!((fit.penalty_norm.powi(2) - penalty).abs() <= 1e-10 * penalty);
    Ok(())
}
