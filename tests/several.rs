//! Several penalties, each with its λ: against the optimum at 30 digits (testdata/several.py), and laws of scale and order.

use serde::Deserialize;
use wellposed::{Choice, DenseView, Discrepancy, Error, Evidence, Gcv, Loo, Penalty, Problem, Warning, c64};

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: String,
    penalties: serde_json::Value,
    a: Vec<Vec<f64>>,
    b: Vec<f64>,
    intercept: bool,
    weights: Option<Vec<f64>>,
    inside: bool,
    lambdas: Vec<f64>,
    value: f64,
}

fn penalties(case: &Case) -> Vec<Penalty<'static, f64>> {
    match &case.penalties {
        serde_json::Value::String(bands) => {
            let labels: Vec<usize> = bands.trim_start_matches("bands ").bytes().map(|c| usize::from(c - b'0')).collect();
            Penalty::bands(&labels)
        }
        list => vec![Penalty::identity(), if list[1] == "first" { Penalty::first_difference() } else { Penalty::second_difference() }],
    }
}

fn choice(kind: &str) -> Choice {
    match kind {
        "gcv" => Gcv.into(),
        "loo" => Loo.into(),
        _ => Evidence.into(),
    }
}

#[test]
fn the_optimum_at_thirty_digits() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/several.json")).unwrap();
    assert!(cases.iter().filter(|case| case.inside).count() >= 5);
    for case in &cases {
        let name = format!("{}, {}", case.name, case.kind);
        let entries: Vec<f64> = case.a.iter().flatten().copied().collect();
        let a = DenseView::row_major(&entries, case.a.len(), case.a[0].len()).unwrap();
        let mut problem = Problem::new(&a).penalties(penalties(case));
        if case.intercept {
            problem = problem.intercept();
        }
        if let Some(weights) = &case.weights {
            problem = problem.weights(weights);
        }
        let fit = problem.solve(&case.b, choice(&case.kind)).unwrap();
        let value = fit.report.criteria[0].value.ln();
        // the evidence of several penalties is known up to what A and L fix, which no λ moves
        let comparable = case.kind != "reml";
        if case.inside {
            for (found, expected) in fit.lambdas.iter().zip(&case.lambdas) {
                assert!((found - expected).abs() <= 1e-8 * expected, "{name}: {:?} {:?}", fit.lambdas, case.lambdas);
            }
            assert!(!comparable || (value - case.value).abs() < 1e-10, "{name}: {value} {}", case.value);
        } else {
            // the oracle's point is the best of a grid that ends before the λ that make no difference
            assert!(!comparable || value <= case.value + 1e-9, "{name}: {value} {}", case.value);
            let edges = fit.report.warnings.iter().filter(|warning| matches!(warning, Warning::PenaltyAtEdge { .. }));
            assert!(edges.count() > 0, "{name}: {:?}", fit.report.warnings);
        }
        assert!(fit.report.penalties[0].slope < 1e-6, "{name}");
    }
}

/// Rows of noise and a smooth x.
fn sample(m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let a: Vec<f64> = (0..m * n).map(|k| (-0.04 * ((k % m) as f64 * n as f64 / m as f64 - (k / m) as f64).powi(2)).exp()).collect();
    let b =
        (0..m).map(|i| (0..n).map(|j| a[i + m * j] * (j as f64 * 0.4).sin()).sum::<f64>() + 0.1 * ((i * i) as f64 * 0.77).cos()).collect();
    (a, b)
}

#[test]
fn scales_and_order_of_the_penalties_do_not_matter() {
    let (a, b) = sample(40, 12);
    let view = DenseView::column_major(&a, 40, 12).unwrap();
    let first: Vec<f64> = (0..12 * 12).map(|k| if k % 13 == 0 { 1.0 } else { 0.0 }).collect();
    let scaled: Vec<f64> = first.iter().map(|v| 1e3 * v).collect();
    let (l, l_scaled) = (DenseView::column_major(&first, 12, 12).unwrap(), DenseView::column_major(&scaled, 12, 12).unwrap());
    for choice in [Choice::from(Gcv), Evidence.into(), Loo.into()] {
        let solve = |penalties: [Penalty<'_, f64>; 2]| Problem::new(&view).penalties(penalties).solve(&b, choice).unwrap();
        let reference = solve([Penalty::matrix(&l), Penalty::second_difference()]);
        let other = solve([Penalty::second_difference(), Penalty::matrix(&l_scaled)]);
        for (found, expected) in [(other.lambdas[1] * 1e6, reference.lambdas[0]), (other.lambdas[0], reference.lambdas[1])] {
            assert!((found - expected).abs() <= 1e-6 * expected, "{choice}: {:?} {:?}", other.lambdas, reference.lambdas);
        }
        for (found, expected) in other.x.iter().zip(&reference.x) {
            assert!((found - expected).abs() < 1e-7, "{choice}");
        }
    }
}

#[test]
fn units_of_a_scale_every_lambda() {
    let (a, b) = sample(40, 8);
    let reference = Problem::new(&DenseView::column_major(&a, 40, 8).unwrap())
        .penalties([Penalty::identity(), Penalty::first_difference()])
        .intercept()
        .solve(&b, Gcv)
        .unwrap();
    let factor = 2f64.powi(250);
    let scaled: Vec<f64> = a.iter().map(|v| v * factor).collect();
    let other = Problem::new(&DenseView::column_major(&scaled, 40, 8).unwrap())
        .penalties([Penalty::identity(), Penalty::first_difference()])
        .intercept()
        .solve(&b, Gcv)
        .unwrap();
    for (found, expected) in other.lambdas.iter().zip(&reference.lambdas) {
        assert!((found / factor / factor - expected).abs() <= 1e-8 * expected, "{:?} {:?}", other.lambdas, reference.lambdas);
    }
}

#[test]
fn the_answer_is_that_of_the_weighted_sum() {
    let (a, b) = sample(30, 10);
    let view = DenseView::column_major(&a, 30, 10).unwrap();
    let mean = [0.1; 10];
    let fit = Problem::new(&view).prior_mean(&mean).penalties([Penalty::identity(), Penalty::second_difference()]).solve(&b, Gcv).unwrap();
    let sum = Penalty::sum([(fit.lambdas[0], Penalty::identity()), (fit.lambdas[1], Penalty::second_difference())]);
    let same = Problem::new(&view).prior_mean(&mean).penalty(sum).solve(&b, 1.0).unwrap();
    assert_eq!(fit.x, same.x);
    assert_eq!(fit.lambda, 1.0);
    // GCV of the fit is what the criterion said
    let dof = fit.dof.unwrap();
    let gcv = 30.0 * fit.residual_norm.powi(2) / (30.0 - dof).powi(2);
    assert!((gcv - fit.report.criteria[0].value).abs() <= 1e-9 * gcv);
    let norms = &fit.report.penalties[0].penalty_norms;
    let together = fit.lambdas[0] * norms[0].powi(2) + fit.lambdas[1] * norms[1].powi(2);
    assert!((together.sqrt() - fit.penalty_norm).abs() <= 1e-10 * fit.penalty_norm);
    // a number multiplies all of them
    let numbered = Problem::new(&view).penalties([Penalty::identity(), Penalty::second_difference()]).solve(&b, 0.3).unwrap();
    let sum = Penalty::sum([(1.0, Penalty::identity()), (1.0, Penalty::second_difference())]);
    assert_eq!(numbered.x, Problem::new(&view).penalty(sum).solve(&b, 0.3).unwrap().x);
    assert_eq!(numbered.lambdas, [0.3]);
    // inference goes with it
    let problem = Problem::new(&view).penalties([Penalty::identity(), Penalty::second_difference()]);
    let inference = problem.inference(&b, Gcv).unwrap();
    assert!((inference.dof - problem.solve(&b, Gcv).unwrap().dof.unwrap()).abs() < 1e-8);
    assert_eq!(inference.rule, Some("GCV"));
}

#[test]
fn each_right_hand_side_has_its_own() {
    let (a, b) = sample(25, 6);
    let other: Vec<f64> = b.iter().rev().copied().collect();
    let both: Vec<f64> = b.iter().chain(&other).copied().collect();
    let view = DenseView::column_major(&a, 25, 6).unwrap();
    let problem = Problem::new(&view).penalties([Penalty::identity(), Penalty::first_difference()]).intercept();
    let fit = problem.solve(&DenseView::column_major(&both, 25, 2).unwrap(), Evidence).unwrap();
    for (k, b) in [&b, &other].into_iter().enumerate() {
        let alone = problem.solve(b, Evidence).unwrap();
        assert_eq!(fit.lambdas[k], alone.lambdas);
        assert_eq!(fit.x[k], alone.x);
        assert_eq!(fit.intercept[k], alone.intercept);
    }
    assert!(fit.report.to_string().contains("second") || fit.report.to_string().contains("first difference"), "{}", fit.report);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (a, b) = sample(20, 5);
    let view = DenseView::column_major(&a, 20, 5).unwrap();
    let two = || Problem::new(&view).penalties([Penalty::identity(), Penalty::first_difference()]);
    let refused = |result: wellposed::Result<()>, text: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(two().solve(&b, Discrepancy::noise_norm(0.1)).map(|_| ()), "use Gcv, Loo or Evidence");
    refused(two().plan(Discrepancy::noise_norm(0.1)).map(|_| ()), "use Gcv, Loo or Evidence");
    refused(two().solve(&b, Gcv.shared()).map(|_| ()), "drop .shared()");
    refused(two().factorize().map(|_| ()), "Penalty::sum");
    refused(two().groups(&[0; 20]).solve(&b, Loo).map(|_| ()), "groups of rows");
    refused(Problem::new(&view).penalties([]).solve(&b, Gcv).map(|_| ()), "at least 1");
    let nothing = Problem::new(&view).penalties([Penalty::identity(), Penalty::diagonal(&[0.0; 5])]);
    refused(nothing.solve(&b, Gcv).map(|_| ()), "leave it out");
    let l1 = Problem::new(&view).penalties([Penalty::identity(), Penalty::identity().l1()]);
    refused(l1.solve(&b, Gcv).map(|_| ()), "no square of a norm");
    refused(two().bounds(0.0..).solve(&b, Gcv).map(|_| ()), "bounds or equality constraints");
    refused(two().posterior(&b, Evidence).map(|_| ()), "Penalty::sum");
    let products = wellposed::operator::from_fn(
        2,
        2,
        |x: &[f64], y: &mut [f64]| y.copy_from_slice(x),
        |y: &[f64], x: &mut [f64]| x.copy_from_slice(y),
    );
    let error = Problem::new(&products).penalties([Penalty::identity(), Penalty::first_difference()]).solve(&[1.0, 2.0], Gcv).unwrap_err();
    assert!(matches!(error, Error::NeedsEntries { .. }));
    let complex: Vec<c64> = a.iter().map(|&v| c64::new(v, 0.0)).collect();
    let right: Vec<c64> = b.iter().map(|&v| c64::new(v, 0.0)).collect();
    let complex = DenseView::column_major(&complex, 20, 5).unwrap();
    let error = Problem::new(&complex).penalties([Penalty::identity(), Penalty::first_difference()]).solve(&right, Gcv).map(|_| ());
    refused(error, "complex data");
    // columns that nobody sees
    let mut blind = a.clone();
    blind[80..].fill(0.0);
    let blind = DenseView::column_major(&blind, 20, 5).unwrap();
    let seen = Penalty::diagonal(&[1.0, 1.0, 1.0, 1.0, 0.0]);
    let error = Problem::new(&blind).penalties([seen.clone(), seen]).solve(&b, Gcv).unwrap_err();
    assert!(matches!(error, Error::CommonNullSpace { dimension: 1 }), "{error}");
    let plan = two().plan(Gcv).unwrap().to_string();
    assert!(plan.contains("a λ for each penalty"), "{plan}");
}
