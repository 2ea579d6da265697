//! ℓ1, elastic net, groups, total variation: optimal by their own gap, by the optimality conditions computed here from x alone, and
//! against scikit-learn's coefficients (testdata/lasso_oracle.py); and the laws that hold for all of them.

mod common;

use common::{lasso_data, norm};
use serde::Deserialize;
use wellposed::method::{Admm, CoordinateDescent};
use wellposed::operator::{Boundary, from_fn};
use wellposed::{
    Aicc, Bic, DenseView, Discrepancy, Error, FlexibleLsqr, Gcv, KFold, Lambda, Loo, Operator, Penalty, Problem, SparseView, c64, ridge,
};

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
#[track_caller]
fn close(x: &[f64], y: &[f64], tolerance: f64) {
    common::close(x, y, tolerance, "x");
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
        let (a, b) = lasso_data(m, n, case.mean);
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

/// The same cases by flexible LSQR, which knows A by its products alone: the objective of scikit-learn's coefficients to within the gap that
/// it states, and their coefficients to the digits that such a gap leaves, where reweighting gets to 1e-6; also with a basis of twelve that is compressed again and again.
#[test]
fn flexible_lsqr_has_scikit_learns_coefficients() -> Result<(), Error> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/lasso.json")).expect("the file of the oracle");
    let mut reached = [0; 2];
    for case in &cases {
        let (m, n) = (case.rows, case.columns);
        let (a, b) = lasso_data(m, n, case.mean);
        let view = DenseView::column_major(&a, m, n)?;
        let free = from_fn(m, n, |x: &[f64], y: &mut [f64]| view.apply(x, y), |y: &[f64], x: &mut [f64]| view.apply_adjoint(y, x));
        let weights: Vec<f64> = (0..m).map(|i| if case.weighted { 1.0 + (i % 3) as f64 } else { 1.0 }).collect();
        let (lambda, rho) = Lambda::elastic_net(case.alpha, case.l1_ratio, weights.iter().sum());
        let penalty = if case.l1_ratio == 1.0 { Penalty::identity().l1() } else { Penalty::identity().elastic_net(rho) };
        let objective = |x: &[f64], constant: f64| {
            let (_, r) = gradient(&a, &b, &weights, x, constant);
            let data: f64 = r.iter().zip(&weights).map(|(r, w)| w * r * r).sum();
            data + lambda.value() * x.iter().map(|x| rho * x.abs() + (1.0 - rho) * x * x).sum::<f64>()
        };
        let least = objective(&case.x, case.constant);
        let reference: f64 = weights.iter().zip(&b).map(|(w, b)| w * b * b).sum();
        for basis in [80, 12] {
            let method = FlexibleLsqr::new().tolerance(1e-6).max_basis(basis).max_steps(1000).accept_partial();
            let mut problem = Problem::new(&free).penalty(penalty.clone()).weights(&weights).method(method);
            if case.intercept {
                problem = problem.intercept();
            }
            let fit = problem.solve(&b, lambda)?;
            let (here, gap) = (objective(&fit.x, fit.intercept), fit.report.duality_gap.expect("a gap"));
            let off = here - least;
            assert!((-1e-10 * least..=gap + 1e-10 * least).contains(&off), "{basis}: {here} and {least}, gap {gap:e}");
            assert!(off <= 1e-3 * least, "{basis}: {here} and {least}");
            let stop = fit.report.stop.expect("why it stopped");
            if stop.converged() {
                assert!(gap <= 1.1e-6 * reference, "{basis}: {stop}, gap {gap:e}");
                reached[usize::from(basis == 12)] += 1;
                close(&fit.x, &case.x, 0.03);
            }
        }
    }
    println!("{reached:?} of {} cases to a gap of 1e-6", cases.len());
    // reweighting stands still on the others, and says so
    assert!(reached[0] >= cases.len() / 2, "{reached:?}");
    Ok(())
}

/// Lasso, elastic net and group lasso of orthogonal columns are thresholds, in one line each; λ_max is where the last one ends.
#[test]
fn orthogonal_columns_are_thresholds() -> Result<(), Error> {
    let scales = [1.0, 2.0, 0.5, 3.0, 1.5];
    let a: Vec<f64> = (0..25).map(|k| if k % 6 == 0 { scales[k / 6] } else { 0.0 }).collect();
    let a = DenseView::column_major(&a, 5, 5)?;
    let b = [3.0, -1.0, 0.7, 2.0, -0.1];
    let soft = |g: f64, t: f64| g.signum() * (g.abs() - t).max(0.0);
    let (lambda, rho) = (1.3, 0.7);
    let lasso = Problem::new(&a).penalty(Penalty::identity().l1());
    let expected: Vec<f64> = scales.iter().zip(b).map(|(s, b)| soft(s * b, lambda / 2.0) / (s * s)).collect();
    close(&lasso.solve(&b, lambda)?.x, &expected, 1e-14);
    let net = Problem::new(&a).penalty(Penalty::identity().elastic_net(rho)).solve(&b, lambda)?;
    let expected: Vec<f64> = scales.iter().zip(b).map(|(s, b)| soft(s * b, lambda * rho / 2.0) / (s * s + lambda * (1.0 - rho))).collect();
    close(&net.x, &expected, 1e-14);
    // Σ wⱼ|xⱼ|, the third coefficient free
    let weights = [1.0, 2.0, 0.0, 0.5, 1.0];
    let weighted = Problem::new(&a).penalty(Penalty::diagonal(&weights).l1()).solve(&b, lambda)?;
    let expected: Vec<f64> = (0..5).map(|j| soft(scales[j] * b[j], lambda * weights[j] / 2.0) / scales[j].powi(2)).collect();
    close(&weighted.x, &expected, 1e-13);
    let largest = lasso.lambda_max(&b)?;
    assert_eq!(largest, 12.0);
    assert!(lasso.solve(&b, largest)?.x.iter().all(|x| *x == 0.0));
    assert_eq!(lasso.solve(&b, largest * (1.0 - 1e-4))?.x.iter().filter(|x| **x != 0.0).count(), 1);
    // equal columns: a group shrinks along its own direction, by √2·λ/2
    let unit: Vec<f64> = (0..16).map(|k| if k % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let unit = DenseView::column_major(&unit, 4, 4)?;
    let groups = Problem::new(&unit).penalty(Penalty::identity().group_lasso(&[7, 3, 7, 3])).solve(&[3.0, 0.1, 4.0, 0.2], 1.0)?;
    let factor = 1.0 - 0.5 * 2.0_f64.sqrt() / 5.0;
    close(&groups.x, &[3.0 * factor, 0.0, 4.0 * factor, 0.0], 1e-13);
    Ok(())
}

/// ρ = 0 is the ridge and so is what comes near it, groups of one are the lasso, and the other engine finds the same.
#[test]
fn the_penalties_meet() -> Result<(), Error> {
    let (a, b) = lasso_data(30, 8, 0.0);
    let a = DenseView::column_major(&a, 30, 8)?;
    let plain = ridge(&a, &b, 3.0)?;
    close(&Problem::new(&a).penalty(Penalty::identity().elastic_net(0.0)).solve(&b, 3.0)?.x, &plain.x, 1e-14);
    close(&Problem::new(&a).penalty(Penalty::identity().elastic_net(1e-13)).solve(&b, 3.0)?.x, &plain.x, 1e-10);
    let lasso = Problem::new(&a).penalty(Penalty::identity().l1()).solve(&b, 8.0)?;
    assert!(lasso.x.contains(&0.0) && lasso.x.iter().any(|x| *x != 0.0));
    let labels: Vec<usize> = (0..8).rev().collect();
    close(&Problem::new(&a).penalty(Penalty::identity().group_lasso(&labels)).solve(&b, 8.0)?.x, &lasso.x, 1e-11);
    close(&Problem::new(&a).penalty(Penalty::identity().elastic_net(1.0)).solve(&b, 8.0)?.x, &lasso.x, 1e-14);
    let admm = Problem::new(&a).penalty(Penalty::identity().l1()).method(Admm::new()).solve(&b, 8.0)?;
    assert_eq!(admm.report.method, "ADMM");
    close(&admm.x, &lasso.x, 1e-9);
    // a sum of diagonal terms is the elastic net
    let sum = Penalty::sum([(0.6, Penalty::identity().l1()), (0.4, Penalty::identity())]);
    let net = Problem::new(&a).penalty(Penalty::identity().elastic_net(0.6)).solve(&b, 8.0)?;
    close(&Problem::new(&a).penalty(sum).solve(&b, 8.0)?.x, &net.x, 1e-12);
    Ok(())
}

/// dof is the divergence Σ ∂(Ax)ᵢ/∂bᵢ, by differences of fits: lasso, elastic net, groups (with a square beside them), free columns and the
/// constant; for complex data half the sum over real and imaginary parts.
#[test]
fn degrees_of_freedom_are_a_divergence() -> Result<(), Error> {
    let (m, n) = (20, 6);
    let (entries, b) = lasso_data(m, n, 0.4);
    let a = DenseView::column_major(&entries, m, n)?;
    let labels = [0, 0, 1, 1, 1, 2];
    let mixed = Penalty::sum([(1.0, Penalty::identity().group_lasso(&labels)), (0.2, Penalty::identity())]);
    let h = 1e-4;
    let weights = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    for (k, (penalty, lambda)) in [
        (Penalty::identity().l1(), 8.0),
        (Penalty::diagonal(&weights).elastic_net(0.6), 8.0),
        (Penalty::identity().group_lasso(&labels), 8.0),
        (mixed, 5.0),
    ]
    .into_iter()
    .enumerate()
    {
        let problem = Problem::new(&a).penalty(penalty).intercept().method(CoordinateDescent::new().tolerance(1e-14));
        let fitted = |b: &[f64], i: usize| -> Result<f64, Error> {
            let fit = problem.solve(b, lambda)?;
            Ok(fit.intercept + (0..n).map(|j| entries[j * m + i] * fit.x[j]).sum::<f64>())
        };
        let mut divergence = 0.0;
        for i in 0..m {
            let (mut up, mut down) = (b.clone(), b.clone());
            (up[i], down[i]) = (b[i] + h, b[i] - h);
            divergence += (fitted(&up, i)? - fitted(&down, i)?) / (2.0 * h);
        }
        let dof = problem.solve(&b[..], lambda)?.dof.expect("known");
        assert!((dof - divergence).abs() <= 1e-4 * divergence, "{k}: {dof} is not {divergence}");
    }
    let complex: Vec<c64> = (0..m * n).map(|k| c64::new(entries[k], (1.3 * k as f64).cos())).collect();
    let right: Vec<c64> = (0..m).map(|i| c64::new(b[i], (0.7 * i as f64).sin())).collect();
    let view = DenseView::column_major(&complex, m, n)?;
    let problem = Problem::new(&view).penalty(Penalty::identity().l1()).method(CoordinateDescent::new().tolerance(1e-14));
    let fitted = |b: &[c64], i: usize| -> Result<c64, Error> {
        let fit = problem.solve(b, 15.0)?;
        Ok((0..n).fold(c64::new(0.0, 0.0), |sum, j| sum + complex[j * m + i] * fit.x[j]))
    };
    let mut divergence = 0.0;
    for i in 0..m {
        for step in [c64::new(h, 0.0), c64::new(0.0, h)] {
            let (mut up, mut down) = (right.clone(), right.clone());
            (up[i], down[i]) = (right[i] + step, right[i] - step);
            let change = fitted(&up, i)? - fitted(&down, i)?;
            divergence += 0.5 * if step.im == 0.0 { change.re } else { change.im } / (2.0 * h);
        }
    }
    let fit = problem.solve(&right[..], 15.0)?;
    let dof = fit.dof.expect("known");
    assert!((dof - divergence).abs() <= 1e-4 * divergence, "complex: {dof} is not {divergence}");
    // and the rules that need them
    let by_rule = Problem::new(&a).penalty(Penalty::identity().group_lasso(&labels)).intercept().solve(&b[..], Aicc)?;
    assert!(by_rule.report.criteria[0].evaluated.len() > 50 && by_rule.dof.is_some());
    Ok(())
}

/// Of two equal columns the square takes both in equal parts, and so does the elastic net; ℓ1 alone is indifferent: any split of the sum has
/// the same objective.
#[test]
fn equal_columns() -> Result<(), Error> {
    let (entries, b) = lasso_data(30, 4, 0.0);
    let twice: Vec<f64> = entries[..30].iter().chain(&entries).copied().collect();
    let a = DenseView::column_major(&twice, 30, 5)?;
    for penalty in [Penalty::identity(), Penalty::identity().elastic_net(0.7)] {
        let fit = Problem::new(&a).penalty(penalty).solve(&b, 3.0)?;
        assert!(fit.x[0] != 0.0 && (fit.x[0] - fit.x[1]).abs() <= 1e-12 * fit.x[0].abs(), "{:?}", fit.x);
    }
    let once = Problem::new(&DenseView::column_major(&entries, 30, 4)?).penalty(Penalty::identity().l1()).solve(&b, 3.0)?;
    let lasso = Problem::new(&a).penalty(Penalty::identity().l1()).solve(&b, 3.0)?;
    assert!((lasso.x[0] + lasso.x[1] - once.x[0]).abs() <= 1e-10 * once.x[0].abs() && lasso.x[0] * lasso.x[1] >= 0.0);
    let objective = |residual: f64, penalty: f64| residual * residual + 3.0 * penalty * penalty;
    let (one, two) = (objective(once.residual_norm, once.penalty_norm), objective(lasso.residual_norm, lasso.penalty_norm));
    assert!((one - two).abs() <= 1e-12 * one);
    Ok(())
}

/// The group lasso satisfies its optimality conditions, computed from x: the gradient of a group is its direction, or short.
#[test]
fn group_lasso_is_optimal() -> Result<(), Error> {
    for (m, n) in [(40, 12), (25, 60)] {
        let (entries, b) = lasso_data(m, n, 0.5);
        let labels: Vec<usize> = (0..n).map(|j| (j * 5) % 7).collect();
        let a = DenseView::column_major(&entries, m, n)?;
        let problem = Problem::new(&a).penalty(Penalty::identity().group_lasso(&labels));
        let largest = problem.lambda_max(&b)?;
        assert!(problem.solve(&b, largest)?.x.iter().all(|x| *x == 0.0));
        for fraction in [0.5, 0.1, 0.01] {
            let lambda = fraction * largest;
            let fit = problem.solve(&b, lambda)?;
            let (g, _) = gradient(&entries, &b, &vec![1.0; m], &fit.x, 0.0);
            for label in 0..7 {
                let members: Vec<usize> = (0..n).filter(|&j| labels[j] == label).collect();
                let of = |v: &[f64]| members.iter().map(|&j| v[j]).collect::<Vec<_>>();
                let bound = lambda * (members.len() as f64).sqrt();
                let (x, g) = (of(&fit.x), of(&g));
                if norm(&x) == 0.0 {
                    assert!(norm(&g) <= bound * (1.0 + 1e-6));
                } else {
                    for (x_j, g_j) in x.iter().zip(&g) {
                        assert!((g_j - bound * x_j / norm(&x)).abs() <= 1e-5 * bound, "{m}×{n}, {fraction}");
                    }
                }
            }
            assert!(fit.report.duality_gap.is_some_and(|gap| gap <= 1.1e-12 * norm(&b).powi(2)), "{:?}", fit.report.duality_gap);
        }
    }
    Ok(())
}

/// (cA, cb, c²λ) has the same x; (A, cb, cλ) has cx; integer weights are repeated rows; x₀ shifts; λ = 0 is least squares.
#[test]
fn scaling_weights_and_prior_mean() -> Result<(), Error> {
    let (m, n) = (30, 8);
    let (entries, b) = lasso_data(m, n, 0.5);
    let a = DenseView::column_major(&entries, m, n)?;
    fn lasso<'a>(a: &'a DenseView<'a, f64>) -> Problem<'a, f64> {
        Problem::new(a).penalty(Penalty::identity().l1())
    }
    let fit = lasso(&a).intercept().solve(&b, 4.0)?;
    let scaled: Vec<f64> = entries.iter().map(|v| 1e3 * v).collect();
    let both: Vec<f64> = b.iter().map(|v| 1e3 * v).collect();
    let scaled = DenseView::column_major(&scaled, m, n)?;
    close(&lasso(&scaled).intercept().solve(&both, 4e6)?.x, &fit.x, 1e-11);
    let larger: Vec<f64> = fit.x.iter().map(|x| 1e3 * x).collect();
    close(&lasso(&a).intercept().solve(&both, 4e3)?.x, &larger, 1e-11);
    let shifted: Vec<f64> = b.iter().map(|v| v + 5.0).collect();
    let moved = lasso(&a).intercept().solve(&shifted, 4.0)?;
    close(&moved.x, &fit.x, 1e-11);
    assert!((moved.intercept - fit.intercept - 5.0).abs() < 1e-11);

    let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 2) as f64).collect();
    let rows: Vec<usize> = (0..m).flat_map(|i| vec![i; 1 + i % 2]).collect();
    let repeated: Vec<f64> = (0..n).flat_map(|j| rows.iter().map(move |&i| (j, i))).map(|(j, i)| entries[j * m + i]).collect();
    let repeated_b: Vec<f64> = rows.iter().map(|&i| b[i]).collect();
    let weighted = lasso(&a).weights(&weights).intercept().solve(&b, 4.0)?;
    let repeated = DenseView::column_major(&repeated, rows.len(), n)?;
    let again = lasso(&repeated).intercept().solve(&repeated_b, 4.0)?;
    close(&weighted.x, &again.x, 1e-11);

    let prior: Vec<f64> = (0..n).map(|j| 0.5 - 0.1 * j as f64).collect();
    let less: Vec<f64> = (0..m).map(|i| b[i] - (0..n).map(|j| entries[j * m + i] * prior[j]).sum::<f64>()).collect();
    let departure = lasso(&a).solve(&less, 4.0)?;
    let expected: Vec<f64> = departure.x.iter().zip(&prior).map(|(z, x0)| z + x0).collect();
    close(&lasso(&a).prior_mean(&prior).solve(&b, 4.0)?.x, &expected, 1e-11);
    close(&lasso(&a).solve(&b, 0.0)?.x, &ridge(&a, &b, 0.0)?.x, 1e-13);
    Ok(())
}

/// Free columns have a zero gradient, dense and sparse alike, beside an intercept; a column that nothing distinguishes from it is refused.
#[test]
fn unpenalised_columns() -> Result<(), Error> {
    let (m, n) = (40, 12);
    let (entries, b) = lasso_data(m, n, 2.0);
    let weights: Vec<f64> = (0..n).map(|j| if j % 5 == 1 { 0.0 } else { 1.0 }).collect();
    let dense = DenseView::column_major(&entries, m, n)?;
    let Csr(starts, indices, values) = compressed(&entries, m, n);
    let sparse = SparseView::csr(m, n, &starts, &indices, &values)?;
    let fit = Problem::new(&dense).penalty(Penalty::diagonal(&weights).l1()).intercept().solve(&b, 6.0)?;
    let other = Problem::new(&sparse).penalty(Penalty::diagonal(&weights).l1()).intercept().solve(&b, 6.0)?;
    close(&other.x, &fit.x, 1e-9);
    let (g, r) = gradient(&entries, &b, &vec![1.0; m], &fit.x, fit.intercept);
    assert!(r.iter().sum::<f64>().abs() < 1e-9);
    for j in 0..n {
        let bound = 6.0 * weights[j];
        let off = if fit.x[j] == 0.0 { (g[j].abs() - bound).max(0.0) } else { (g[j] - bound * fit.x[j].signum()).abs() };
        assert!(off < 1e-8, "{j}: {off:e}");
    }
    let ones = vec![1.0; m];
    let constant = DenseView::column_major(&ones, m, 1)?;
    let refused = Problem::new(&constant).penalty(Penalty::diagonal(&[0.0]).l1()).intercept().solve(&b, 1.0);
    assert!(matches!(refused, Err(Error::Unsupported { .. })) || refused.is_err_and(|e| e.to_string().contains("drop")));
    Ok(())
}

/// Total variation along a line is the lasso of the jumps with a free level: the two engines agree, and so does the limit of large λ.
#[test]
fn total_variation_is_a_lasso_of_jumps() -> Result<(), Error> {
    let (m, n) = (40, 25);
    let (entries, _) = lasso_data(m, n, 0.3);
    let a = DenseView::column_major(&entries, m, n)?;
    let truth: Vec<f64> = (0..n)
        .map(|j| {
            if j < 9 {
                1.0
            } else if j < 17 {
                -0.5
            } else {
                2.0
            }
        })
        .collect();
    let mut b = vec![0.0; m];
    a.apply(&truth, &mut b);
    b.iter_mut().enumerate().for_each(|(i, b)| *b += 0.2 * (7.0 * (i * i) as f64).sin());
    // column k of A·S: the sum of the columns from k on
    let mut sums = vec![0.0; m * n];
    for k in 0..n {
        for j in k..n {
            (0..m).for_each(|i| sums[k * m + i] += entries[j * m + i]);
        }
    }
    let mut weights = vec![1.0; n];
    weights[0] = 0.0;
    let jumps = DenseView::column_major(&sums, m, n)?;
    let lasso = Problem::new(&jumps).penalty(Penalty::diagonal(&weights).l1());
    let tv = Problem::new(&a).penalty(Penalty::first_difference().l1());
    let largest = tv.lambda_max(&b)?;
    assert!((largest / lasso.lambda_max(&b)? - 1.0).abs() < 1e-8);
    for fraction in [0.5, 0.05, 0.005] {
        let fit = tv.solve(&b, fraction * largest)?;
        let steps = lasso.solve(&b, fraction * largest)?;
        let levels: Vec<f64> = steps
            .x
            .iter()
            .scan(0.0, |level, jump| {
                Some({
                    *level += jump;
                    *level
                })
            })
            .collect();
        close(&fit.x, &levels, 1e-7);
        assert!(fit.report.duality_gap.is_some_and(|gap| (0.0..=1.1e-12 * norm(&b).powi(2)).contains(&gap)));
        // pieces of equal value are the degrees of freedom
        let pieces = 1 + steps.x[1..].iter().filter(|x| **x != 0.0).count();
        assert_eq!(fit.dof, Some(pieces as f64));
        assert_eq!(steps.dof, Some(pieces as f64));
        assert!((fit.residual_norm - steps.residual_norm).abs() < 1e-8 * steps.residual_norm);
        assert!((fit.penalty_norm - steps.penalty_norm).abs() < 1e-8 * steps.penalty_norm);
    }
    let constant = tv.solve(&b, 3.0 * largest)?;
    assert!(constant.x.iter().all(|x| (x - constant.x[0]).abs() < 1e-9));
    assert_eq!(constant.dof, Some(1.0));
    Ok(())
}

/// With A = I: the fused lasso is total variation, then a threshold; trend filtering of much λ is the straight line of least squares.
#[test]
fn fused_lasso_and_trend_filtering() -> Result<(), Error> {
    let n = 30;
    let Csr(starts, indices, values) = Csr((0..=n as u32).collect(), (0..n as u32).collect(), vec![1.0; n]);
    let identity = SparseView::csr(n, n, &starts, &indices, &values)?;
    let b: Vec<f64> = (0..n).map(|i| [0.1, 2.0, -1.0][i / 10] + 0.3 * (5.0 * (i * i) as f64).sin()).collect();
    let tv = Problem::new(&identity).penalty(Penalty::first_difference().l1()).solve(&b, 1.2)?;
    let fused = Penalty::sum([(0.3, Penalty::identity().l1()), (1.0, Penalty::first_difference().l1())]);
    let fused = Problem::new(&identity).penalty(fused).solve(&b, 1.2)?;
    let thresholded: Vec<f64> = tv.x.iter().map(|x| x.signum() * (x.abs() - 0.18).max(0.0)).collect();
    close(&fused.x, &thresholded, 1e-7);
    let trend = Problem::new(&identity).penalty(Penalty::second_difference().l1());
    let line = trend.solve(&b, 2.0 * trend.lambda_max(&b)?)?;
    let (mean_t, mean_b) = ((n - 1) as f64 / 2.0, b.iter().sum::<f64>() / n as f64);
    let slope =
        (0..n).map(|i| (i as f64 - mean_t) * (b[i] - mean_b)).sum::<f64>() / (0..n).map(|i| (i as f64 - mean_t).powi(2)).sum::<f64>();
    let expected: Vec<f64> = (0..n).map(|i| mean_b + slope * (i as f64 - mean_t)).collect();
    close(&line.x, &expected, 1e-8);
    let broken = trend.solve(&b, 0.05 * trend.lambda_max(&b)?)?;
    let bends = (1..n - 1).filter(|&i| (broken.x[i - 1] - 2.0 * broken.x[i] + broken.x[i + 1]).abs() > 1e-9).count();
    assert!(bends > 0 && broken.dof == Some(bends as f64 + 2.0), "{bends} {:?}", broken.dof);
    Ok(())
}

/// Images: isotropic total variation is the group lasso of the gradient by pixel, does not depend on a turn of the picture, and is no larger
/// than the anisotropic one; no step away from the answer is downhill by more than the gap.
#[test]
fn isotropic_total_variation() -> Result<(), Error> {
    let (r, c) = (7, 6);
    let n = r * c;
    let starts: Vec<u32> = (0..=n as u32).collect();
    let (indices, ones) = ((0..n as u32).collect::<Vec<_>>(), vec![1.0; n]);
    let identity = SparseView::csr(n, n, &starts, &indices, &ones)?;
    let at = |i: usize, j: usize| if i < 3 && j < 4 { 1.0 } else { 0.0 } + 0.2 * ((3 * i * i + 7 * j * j * j) as f64).sin();
    let image: Vec<f64> = (0..n).map(|k| at(k % r, k / r)).collect();
    let lambda = 0.25;
    for boundary in [Boundary::Free, Boundary::Periodic, Boundary::Zero] {
        let penalty = Penalty::first_difference_2d(r, c, boundary);
        let isotropic = Problem::new(&identity).penalty(penalty.clone().isotropic()).solve(&image, lambda)?;
        let gap = isotropic.report.duality_gap.expect("a gap");
        assert!(gap <= 1.1e-12 * norm(&image).powi(2), "{gap:e}");
        // R by its definition
        let x = |i: usize, j: usize| isotropic.x[i + j * r];
        let value = |i: isize, j: isize| -> Option<f64> {
            let (rows, columns) = (r as isize, c as isize);
            if (0..rows).contains(&i) && (0..columns).contains(&j) {
                return Some(x(i as usize, j as usize));
            }
            match boundary {
                Boundary::Zero => Some(0.0),
                Boundary::Periodic => Some(x(i.rem_euclid(rows) as usize, j.rem_euclid(columns) as usize)),
                _ => None,
            }
        };
        let (mut total, mut sides) = (0.0, 0.0);
        // forward differences; with zeros outside, backward ones
        let step = if boundary == Boundary::Zero { -1 } else { 1 };
        let last = isize::from(boundary == Boundary::Zero);
        for i in 0..r as isize + last {
            for j in 0..c as isize + last {
                let here = value(i, j).unwrap_or(0.0);
                let inside = |k: isize, size: usize| k < size as isize;
                let down = if inside(j, c) { value(i + step, j).map_or(0.0, |v| v - here) } else { 0.0 };
                let right = if inside(i, r) { value(i, j + step).map_or(0.0, |v| v - here) } else { 0.0 };
                total += f64::hypot(down, right);
                sides += down.abs() + right.abs();
            }
        }
        assert!((isotropic.penalty_norm.powi(2) - total).abs() < 1e-9 * total, "{boundary}: {} {total}", isotropic.penalty_norm.powi(2));
        assert!(total <= sides);
        let anisotropic = Problem::new(&identity).penalty(penalty.l1()).solve(&image, lambda)?;
        assert!(anisotropic.x.iter().zip(&isotropic.x).any(|(a, b)| (a - b).abs() > 1e-3));
    }
    Ok(())
}

/// Complex coefficients shrink in modulus; with zero imaginary parts the answer is the real one; f32 agrees to its accuracy.
#[test]
fn other_scalars() -> Result<(), Error> {
    let (m, n) = (30, 8);
    let (entries, b) = lasso_data(m, n, 0.3);
    let a = DenseView::column_major(&entries, m, n)?;
    let real = Problem::new(&a).penalty(Penalty::identity().l1()).intercept().solve(&b, 5.0)?;
    let complex: Vec<c64> = entries.iter().map(|&v| c64::new(v, 0.0)).collect();
    let complex_b: Vec<c64> = b.iter().map(|&v| c64::new(v, 0.0)).collect();
    let view = DenseView::column_major(&complex, m, n)?;
    let fit = Problem::new(&view).penalty(Penalty::identity().l1()).intercept().solve(&complex_b, 5.0)?;
    for (z, x) in fit.x.iter().zip(&real.x) {
        assert!((z.re - x).abs() < 1e-6 && z.im.abs() < 1e-6, "{z} {x}");
    }
    let unit = [c64::new(0.6, 0.8)];
    let one = Problem::new(&DenseView::column_major(&unit, 1, 1)?).penalty(Penalty::identity().l1()).solve(&[c64::new(0.0, 2.0)], 1.0)?;
    // conj(a)·b = 2(0.8 + 0.6i) of modulus 2, less λ/2
    assert!((one.x[0] - c64::new(1.2, 0.9)).norm() < 1e-9, "{}", one.x[0]);
    let tv = Problem::new(&view).penalty(Penalty::first_difference().l1()).solve(&complex_b, 5.0)?;
    let tv_real = Problem::new(&a).penalty(Penalty::first_difference().l1()).solve(&b, 5.0)?;
    for (z, x) in tv.x.iter().zip(&tv_real.x) {
        assert!((z.re - x).abs() < 1e-5 && z.im.abs() < 1e-5, "{z} {x}");
    }
    let single: Vec<f32> = entries.iter().map(|&v| v as f32).collect();
    let single_b: Vec<f32> = b.iter().map(|&v| v as f32).collect();
    let fit = Problem::new(&DenseView::column_major(&single, m, n)?).penalty(Penalty::identity().l1()).intercept().solve(&single_b, 5.0)?;
    for (z, x) in fit.x.iter().zip(&real.x) {
        assert!((f64::from(*z) - x).abs() < 1e-5, "{z} {x}");
    }
    Ok(())
}

/// A path is the solves one after another, in the caller's order; several right-hand sides are solved each by itself.
#[test]
fn path_and_many_right_hand_sides() -> Result<(), Error> {
    let (m, n) = (25, 60);
    let (entries, b) = lasso_data(m, n, 0.0);
    let a = DenseView::column_major(&entries, m, n)?;
    let problem = Problem::new(&a).penalty(Penalty::identity().l1());
    let lambdas = [2.0, 40.0, 0.5, 0.0, 9.0];
    let fits = problem.path(&b, lambdas)?;
    for (fit, lambda) in fits.iter().zip(lambdas) {
        assert_eq!(fit.lambda, lambda);
        close(&fit.x, &problem.solve(&b, lambda)?.x, 1e-8);
    }
    let two: Vec<f64> = b.iter().copied().chain(b.iter().map(|v| -2.0 * v)).collect();
    let both = problem.solve(&DenseView::column_major(&two, m, 2)?, 2.0)?;
    close(&both.x[0], &fits[0].x, 1e-9);
    let second: Vec<f64> = b.iter().map(|v| -2.0 * v).collect();
    close(&both.x[1], &problem.solve(&second, 2.0)?.x, 1e-9);
    assert_eq!(both.lambda, [2.0, 2.0]);
    Ok(())
}

/// K-fold by refits is what leaving the rows out by hand gives; one standard error is larger; the information criteria and the discrepancy
/// are their formulas.
#[test]
fn rules_look_at_refits() -> Result<(), Error> {
    let (m, n) = (40, 12);
    let (entries, b) = lasso_data(m, n, 0.5);
    let a = DenseView::column_major(&entries, m, n)?;
    let problem = Problem::new(&a).penalty(Penalty::identity().l1()).intercept();
    let rule = KFold::new(4).blocks();
    let fit = problem.solve(&b, rule)?;
    let criterion = &fit.report.criteria[0];
    assert_eq!(criterion.evaluated.len(), 100);
    let by_hand = |lambda: f64| -> Result<f64, Error> {
        let mut total = 0.0;
        for fold in 0..4 {
            let out = |i: &usize| i / 10 == fold;
            let kept: Vec<usize> = (0..m).filter(|i| !out(i)).collect();
            let part: Vec<f64> = (0..n).flat_map(|j| kept.iter().map(move |&i| (i, j))).map(|(i, j)| entries[j * m + i]).collect();
            let data: Vec<f64> = kept.iter().map(|&i| b[i]).collect();
            let view = DenseView::column_major(&part, kept.len(), n)?;
            let fit = Problem::new(&view).penalty(Penalty::identity().l1()).intercept().solve(&data, lambda)?;
            for i in (0..m).filter(out) {
                let fitted = fit.intercept + (0..n).map(|j| entries[j * m + i] * fit.x[j]).sum::<f64>();
                total += (b[i] - fitted).powi(2);
            }
        }
        Ok(total)
    };
    for k in [10, 50, 90] {
        let (lambda, value) = criterion.evaluated[k];
        let expected = by_hand(lambda)?;
        assert!((value - expected).abs() < 1e-6 * expected, "{k}: {value} {expected}");
    }
    assert!(criterion.evaluated.iter().all(|&(_, value)| value >= criterion.value));
    close(&fit.x, &problem.solve(&b, fit.lambda)?.x, 1e-12);
    let simpler = problem.solve(&b, rule.one_standard_error())?;
    assert!(simpler.lambda > fit.lambda);

    for (choice, bic) in [(problem.solve(&b, Aicc)?, false), (problem.solve(&b, Bic)?, true)] {
        let dof = choice.x.iter().filter(|x| **x != 0.0).count() as f64 + 1.0;
        assert_eq!(choice.dof, Some(dof));
        let m = m as f64;
        let penalty = if bic { m.ln() * dof / m } else { 2.0 * (dof + 1.0) / (m - dof - 2.0) };
        let expected = choice.residual_norm.powi(2) / m * penalty.exp();
        let value = choice.report.criteria[0].value;
        assert!((value - expected).abs() < 1e-6 * expected, "{value} {expected}");
    }
    let target = 1.4 * problem.solve(&b, 0.5)?.residual_norm;
    let fit = problem.solve(&b, Discrepancy::noise_norm(target))?;
    assert!((fit.residual_norm - target).abs() < 1e-6 * target);
    let tv = Problem::new(&a).penalty(Penalty::first_difference().l1());
    let target = 0.5 * (tv.solve(&b, 0.1)?.residual_norm + tv.solve(&b, 1e6)?.residual_norm);
    assert!((tv.solve(&b, Discrepancy::noise_norm(target))?.residual_norm - target).abs() < 1e-6 * target);
    Ok(())
}

/// What is refused says what to do instead; what does not converge is an error unless it was accepted.
#[test]
fn refusals_name_the_way_out() -> Result<(), Error> {
    let (entries, b) = lasso_data(30, 8, 0.0);
    let a = DenseView::column_major(&entries, 30, 8)?;
    let with = |penalty| Problem::new(&a).penalty(penalty);
    let lasso = with(Penalty::identity().l1());
    let text = |result: Result<_, Error>| result.map(drop).expect_err("a refusal").to_string();
    for (message, expected) in [
        (text(with(Penalty::identity().elastic_net(1.5)).solve(&b, 1.0)), "ρ of the elastic net is 1.5"),
        (text(with(Penalty::identity().elastic_net(f64::NAN)).solve(&b, 1.0)), "from 0 (ridge) to 1 (lasso)"),
        (text(with(Penalty::identity().elastic_net(-0.1)).solve(&b, 0.0)), "ρ of the elastic net"),
        (text(with(Penalty::identity().group_lasso(&[1, 2])).solve(&b, 1.0)), "one label for each component"),
        (text(with(Penalty::identity().isotropic()).solve(&b, 1.0)), "first_difference_2d"),
        (text(with(Penalty::diagonal(&[1.0; 3]).l1()).solve(&b, 1.0)), "one weight for each column"),
        (text(lasso.solve(&b, Gcv)), "KFold"),
        (text(lasso.solve(&b, Loo.one_standard_error())), "KFold::new(10).one_standard_error()"),
        (text(lasso.solve(&b, Discrepancy::estimated())), "noise_norm"),
        (text(lasso.solve(&b, KFold::new(5).shared())), "each right-hand side"),
        (text(lasso.clone().method(wellposed::Method::Svd).solve(&b, 1.0)), "CoordinateDescent::new()"),
        (text(with(Penalty::first_difference().l1()).method(CoordinateDescent::new()).solve(&b, 1.0)), "Admm::new()"),
        (text(Problem::new(&a).method(CoordinateDescent::new()).solve(&b, 1.0)), "l1()"),
        (text(Problem::new(&a).method(Admm::new()).solve(&b, 1.0)), "l1()"),
        (text(lasso.clone().method(CoordinateDescent::new().tolerance(2.0)).solve(&b, 1.0)), "tolerance of coordinate descent"),
        (text(lasso.clone().method(Admm::new().max_steps(0)).solve(&b, 1.0)), "step limit of ADMM"),
        (text(with(Penalty::first_difference().group_lasso(&[0, 0, 1, 1, 2, 2, 3])).solve(&b, Bic)), "KFold"),
        (text(Problem::new(&a).solve(&b, 1.0).and(Problem::new(&a).lambda_max(&b).map(|_| unreachable!()))), "log_grid"),
    ] {
        assert!(message.contains(expected), "{message}");
    }
    let factor = lasso.factorize().expect_err("no factorization").to_string();
    assert!(factor.contains("Problem::path"), "{factor}");
    let short = || lasso.clone().method(Admm::new().max_steps(1));
    assert!(matches!(short().solve(&b, 1.0), Err(Error::NotConverged { .. })));
    let partial = lasso.clone().method(Admm::new().max_steps(1).accept_partial()).solve(&b, 1.0)?;
    assert!(partial.report.warnings.iter().any(|warning| warning.to_string().contains("before the tolerance")));
    let printed = lasso.solve(&b, 1.0)?.report.to_string();
    assert!(printed.contains("identity, ℓ1") && printed.contains("coordinate descent") && printed.contains("gap "), "{printed}");
    assert!(lasso.plan(KFold::new(5))?.to_string().contains("duality gap"));
    Ok(())
}
