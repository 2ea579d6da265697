//! Standard errors, intervals and influence: against statsmodels at λ = 0, against the definitions at 50 digits for λ > 0
//! (every row left out and refitted), and by the laws that units and weights impose.

use serde::Deserialize;
use wellposed::inference::{Coefficient, Inference};
use wellposed::{DenseView, Error, Gcv, Penalty, Problem, SparseView, c64};

#[derive(Deserialize)]
struct File {
    statsmodels: Vec<Statsmodels>,
    dense: Vec<Dense>,
}

#[derive(Deserialize)]
struct Statsmodels {
    name: String,
    a: Vec<Vec<f64>>,
    b: Vec<f64>,
    weights: Option<Vec<f64>>,
    params: Vec<f64>,
    standard_errors: Vec<f64>,
    p_values: Vec<f64>,
    confidence: Vec<(f64, f64)>,
    sigma: f64,
    r_squared: f64,
    r_squared_adjusted: f64,
    hc: Vec<Vec<f64>>,
    new_rows: Vec<Vec<f64>>,
    predictions: Vec<[f64; 6]>,
    leverages: Option<Vec<f64>>,
    cooks: Option<Vec<f64>>,
    internal: Option<Vec<f64>>,
    external: Option<Vec<f64>>,
    press: Option<Vec<f64>>,
    vif: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Dense {
    name: String,
    a: Vec<Vec<f64>>,
    b: Vec<f64>,
    weights: Option<Vec<f64>>,
    penalty: Option<Vec<Vec<f64>>>,
    prior_mean: Option<Vec<f64>>,
    intercept: bool,
    lam: f64,
    theta: Vec<f64>,
    standard_errors: Vec<f64>,
    posterior: Vec<f64>,
    bias: Vec<f64>,
    vif: Vec<f64>,
    hc: Vec<Vec<f64>>,
    dof: f64,
    residual_dof: f64,
    sigma: f64,
    r_squared: f64,
    r_squared_predicted: f64,
    new_row: Vec<f64>,
    prediction: [f64; 3],
    rows: RowsOf,
}

#[derive(Deserialize)]
struct RowsOf {
    leverage: Vec<f64>,
    residual: Vec<f64>,
    studentized: Vec<f64>,
    external: Vec<f64>,
    left_out: Vec<f64>,
    cooks: Vec<f64>,
}

fn file() -> File {
    serde_json::from_str(include_str!("../testdata/inference.json")).unwrap()
}

fn flat(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().flatten().copied().collect()
}

/// Relative to the largest expected number.
#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(0.0f64, |a, &b| a.max(b.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * size, "{what}[{i}]: {f:e}, expected {e:e}");
    }
}

/// Each number to its own size.
#[track_caller]
fn close_each(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * e.abs(), "{what}[{i}]: {f:e}, expected {e:e}");
    }
}

fn all(inference: &Inference, of: impl Fn(&Coefficient) -> f64) -> Vec<f64> {
    inference.coefficients.iter().chain(&inference.intercept).map(of).collect()
}

#[test]
fn least_squares_as_statsmodels_has_it() {
    for case in file().statsmodels {
        let name = &case.name;
        // the condition of Longley's data with a column of ones is 5e9, and statsmodels works with a pseudo-inverse
        let tolerance = if name == "longley" { 2e-6 } else { 1e-10 };
        let (entries, n) = (flat(&case.a), case.a[0].len());
        let a = DenseView::row_major(&entries, case.a.len(), n).unwrap();
        let mut problem = Problem::new(&a).intercept();
        if let Some(weights) = &case.weights {
            problem = problem.weights(weights);
        }
        let inference = problem.inference(&case.b, 0.0).unwrap();
        // statsmodels has the constant first
        let turned = |mut values: Vec<f64>| {
            values.rotate_left(1);
            values
        };
        close_each(name, &all(&inference, |c| c.estimate), &turned(case.params.clone()), tolerance);
        let errors = turned(case.standard_errors.clone());
        close_each(name, &all(&inference, |c| c.standard_error), &errors, tolerance);
        close_each(name, &all(&inference, |c| c.posterior_std), &errors, tolerance);
        let hc = |k: usize| turned(case.hc[k].clone());
        close_each(name, &all(&inference, |c| c.heteroscedastic.hc0), &hc(0), tolerance);
        close_each(name, &all(&inference, |c| c.heteroscedastic.hc1.unwrap()), &hc(1), tolerance);
        close_each(name, &all(&inference, |c| c.heteroscedastic.hc2.unwrap()), &hc(2), tolerance);
        close_each(name, &all(&inference, |c| c.heteroscedastic.hc3.unwrap()), &hc(3), tolerance);
        assert!(all(&inference, |c| c.bias).iter().all(|&bias| bias == 0.0));
        close_each(name, &[inference.noise_std], &[case.sigma], tolerance);
        close_each(name, &[inference.r_squared.unwrap()], &[case.r_squared], tolerance);
        close_each(name, &[inference.r_squared_adjusted.unwrap()], &[case.r_squared_adjusted], tolerance);
        let p: Vec<f64> = inference.t_tests().unwrap().iter().map(|test| test.p_value).collect();
        close_each(name, &p, &turned(case.p_values.clone()), 100.0 * tolerance);
        let intervals = inference.confidence(0.95).unwrap();
        let mut expected = case.confidence.clone();
        expected.rotate_left(1);
        for (found, expected) in intervals.coefficients.iter().chain(&intervals.intercept).zip(&expected) {
            let width = expected.1 - expected.0;
            assert!((found.0 - expected.0).abs() <= tolerance * width.max(expected.0.abs()), "{name}: {found:?} {expected:?}");
            assert!((found.1 - expected.1).abs() <= tolerance * width.max(expected.1.abs()), "{name}: {found:?} {expected:?}");
        }
        for (row, expected) in case.new_rows.iter().zip(&case.predictions) {
            let found = inference.prediction(row, 0.9).unwrap();
            let numbers = [found.value, found.standard_error, found.credible.0, found.credible.1, found.interval.0, found.interval.1];
            close_each(name, &numbers, expected, 10.0 * tolerance);
        }
        let column = |of: fn(&wellposed::inference::RowInfluence) -> f64| inference.rows.iter().map(of).collect::<Vec<f64>>();
        if let (Some(leverages), Some(cooks), Some(internal), Some(external), Some(press), Some(vif)) =
            (&case.leverages, &case.cooks, &case.internal, &case.external, &case.press, &case.vif)
        {
            close(name, &column(|row| row.leverage), leverages, tolerance);
            close(name, &column(|row| row.cooks_distance.unwrap()), cooks, tolerance);
            close(name, &column(|row| row.studentized.unwrap()), internal, tolerance);
            close(name, &column(|row| row.studentized_externally.unwrap()), external, tolerance);
            close(name, &column(|row| row.left_out_error.unwrap()), press, tolerance);
            let found: Vec<f64> = inference.coefficients.iter().map(|c| c.variance_inflation.unwrap()).collect();
            close_each(name, &found, vif, tolerance);
        }
    }
}

fn check_dense(case: &Dense, inference: &Inference, tolerance: f64) {
    let name = &case.name;
    close(name, &all(inference, |c| c.estimate), &case.theta, tolerance);
    close_each(name, &all(inference, |c| c.standard_error), &case.standard_errors, tolerance);
    close_each(name, &all(inference, |c| c.posterior_std), &case.posterior, tolerance);
    if case.lam > 0.0 {
        close(name, &all(inference, |c| c.bias), &case.bias, tolerance);
    }
    let vif: Vec<f64> = inference.coefficients.iter().map(|c| c.variance_inflation.unwrap()).collect();
    close_each(name, &vif, &case.vif, tolerance);
    close_each(name, &all(inference, |c| c.heteroscedastic.hc0), &case.hc[0], tolerance);
    close_each(name, &all(inference, |c| c.heteroscedastic.hc1.unwrap()), &case.hc[1], tolerance);
    close_each(name, &all(inference, |c| c.heteroscedastic.hc2.unwrap()), &case.hc[2], tolerance);
    close_each(name, &all(inference, |c| c.heteroscedastic.hc3.unwrap()), &case.hc[3], tolerance);
    let summary = [inference.dof, inference.residual_dof, inference.noise_std, inference.r_squared.unwrap()];
    close_each(name, &summary, &[case.dof, case.residual_dof, case.sigma, case.r_squared], tolerance);
    close_each(name, &[inference.r_squared_predicted.unwrap()], &[case.r_squared_predicted], 10.0 * tolerance);
    let found = inference.prediction(&case.new_row, 0.95).unwrap();
    close_each(name, &[found.value, found.standard_error, found.posterior_std], &case.prediction, tolerance);
    let column = |of: fn(&wellposed::inference::RowInfluence) -> f64| inference.rows.iter().map(of).collect::<Vec<f64>>();
    close(name, &column(|row| row.leverage), &case.rows.leverage, tolerance);
    close(name, &column(|row| row.residual), &case.rows.residual, tolerance);
    close(name, &column(|row| row.studentized.unwrap()), &case.rows.studentized, tolerance);
    close(name, &column(|row| row.studentized_externally.unwrap()), &case.rows.external, 10.0 * tolerance);
    close(name, &column(|row| row.left_out_error.unwrap()), &case.rows.left_out, tolerance);
    close(name, &column(|row| row.cooks_distance.unwrap()), &case.rows.cooks, tolerance);
}

#[test]
fn ridge_as_the_definitions_have_it() {
    for case in file().dense {
        let (entries, m, n) = (flat(&case.a), case.a.len(), case.a[0].len());
        let a = DenseView::row_major(&entries, m, n).unwrap();
        let penalty = case.penalty.as_ref().map(|rows| (flat(rows), rows.len()));
        let l = penalty.as_ref().map(|(entries, p)| DenseView::row_major(entries, *p, n).unwrap());
        let diagonal = case.penalty.as_ref().filter(|rows| rows.len() == n).map(|rows| (0..n).map(|j| rows[j][j]).collect::<Vec<f64>>());
        let with = |penalty: Penalty<'_, f64>| {
            let mut problem = Problem::new(&a).penalty(penalty);
            if let Some(weights) = &case.weights {
                problem = problem.weights(weights);
            }
            if let Some(mean) = &case.prior_mean {
                problem = problem.prior_mean(mean);
            }
            if case.intercept {
                problem = problem.intercept();
            }
            problem.inference(&case.b, case.lam).unwrap()
        };
        let tolerance = 1e-10;
        match (&l, &diagonal) {
            (None, _) => check_dense(&case, &with(Penalty::identity()), tolerance),
            (Some(l), None) => check_dense(&case, &with(Penalty::matrix(l)), tolerance),
            (Some(l), Some(w)) => {
                // the same L as a matrix and as weights takes the other of the two factorizations where n > m
                check_dense(&case, &with(Penalty::matrix(l)), tolerance);
                check_dense(&case, &with(Penalty::diagonal(w)), tolerance);
            }
        }
    }
}

/// A problem with some structure and noise.
fn sample(m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let a: Vec<f64> = (0..m * n).map(|k| ((k * k + 3 * k) as f64 * 0.37).sin() + 0.2).collect();
    let b = (0..m).map(|i| 1.5 + (0..n.min(3)).map(|j| a[i + m * j]).sum::<f64>() + 0.3 * ((i * i) as f64 * 0.9).cos()).collect();
    (a, b)
}

#[test]
fn units_of_the_data_do_not_matter() {
    let (a, b) = sample(25, 4);
    let reference = Problem::new(&DenseView::column_major(&a, 25, 4).unwrap()).intercept().inference(&b, 0.7).unwrap();
    for power in [30, -300, 300] {
        let factor = 2f64.powi(power);
        let scaled: Vec<f64> = a.iter().map(|v| v * factor).collect();
        let problem_a = DenseView::column_major(&scaled, 25, 4).unwrap();
        let lambda = wellposed::Lambda::from_damping(0.7f64.sqrt() * factor);
        let other = Problem::new(&problem_a).intercept().inference(&b, lambda).unwrap();
        let back = |values: Vec<f64>| values.into_iter().map(|v| v * factor).collect::<Vec<f64>>();
        let errors = |inference: &Inference| inference.coefficients.iter().map(|c| c.standard_error).collect::<Vec<f64>>();
        close_each("standard errors", &back(errors(&other)), &errors(&reference), 1e-12);
        close_each("dof", &[other.dof, other.residual_dof], &[reference.dof, reference.residual_dof], 1e-12);
        let row: Vec<f64> = [1.0, -0.5, 2.0, 0.1].iter().map(|v| v * factor).collect();
        let (there, here) = (other.prediction(&row, 0.9).unwrap(), reference.prediction(&[1.0, -0.5, 2.0, 0.1], 0.9).unwrap());
        close_each("prediction", &[there.standard_error, there.posterior_std], &[here.standard_error, here.posterior_std], 1e-12);
    }
}

#[test]
fn whole_weights_are_repeated_rows() {
    let (a, b) = sample(12, 3);
    let counts = [1usize, 2, 1, 3, 1, 1, 2, 1, 1, 4, 1, 1];
    let repeated: Vec<usize> = counts.iter().enumerate().flat_map(|(i, &c)| std::iter::repeat_n(i, c)).collect();
    let total = repeated.len();
    let long_a: Vec<f64> = (0..3).flat_map(|j| repeated.iter().map(move |&i| (i, j))).map(|(i, j)| a[i + 12 * j]).collect();
    let long_b: Vec<f64> = repeated.iter().map(|&i| b[i]).collect();
    let weights: Vec<f64> = counts.iter().map(|&c| c as f64).collect();
    let short = Problem::new(&DenseView::column_major(&a, 12, 3).unwrap()).intercept().weights(&weights).inference(&b, 1.3).unwrap();
    let long = Problem::new(&DenseView::column_major(&long_a, total, 3).unwrap()).intercept().inference(&long_b, 1.3).unwrap();
    // the estimated noise differs, as there are fewer rows: everything else is the same
    let per_noise = |inference: &Inference| {
        let all = inference.coefficients.iter().chain(&inference.intercept);
        all.flat_map(|c| [c.standard_error / inference.noise_std, c.posterior_std / inference.noise_std]).collect::<Vec<f64>>()
    };
    close_each("errors", &per_noise(&short), &per_noise(&long), 1e-12);
    close_each("dof", &[short.dof], &[long.dof], 1e-12);
    close_each("R²", &[short.r_squared.unwrap()], &[long.r_squared.unwrap()], 1e-12);
}

#[test]
fn credible_intervals_cover_what_they_say() {
    // x from the prior that λ stands for, noise of variance 1: 95 % intervals cover 93 to 97 % of 400·6 coefficients
    let (m, n, runs) = (15, 6, 400);
    let (a, _) = sample(m, n);
    let view = DenseView::column_major(&a, m, n).unwrap();
    let mut state = 7u64;
    let mut normal = || {
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        };
        (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    };
    let lambda = 0.25;
    let (mut covered, mut inside) = (0, 0);
    for _ in 0..runs {
        let x: Vec<f64> = (0..n).map(|_| normal() / 0.5).collect();
        let b: Vec<f64> = (0..m).map(|i| (0..n).map(|j| a[i + m * j] * x[j]).sum::<f64>() + normal()).collect();
        let inference = Problem::new(&view).noise_std(&[1.0]).inference(&b, lambda).unwrap();
        let intervals = inference.credible(0.95).unwrap();
        covered += x.iter().zip(&intervals.coefficients).filter(|(x, (low, high))| low < *x && *x < high).count();
        let row: Vec<f64> = (0..n).map(|_| normal()).collect();
        let datum = row.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>() + normal();
        let prediction = inference.prediction(&row, 0.95).unwrap();
        inside += usize::from(prediction.interval.0 < datum && datum < prediction.interval.1);
    }
    let (share, predicted) = (covered as f64 / (runs * n) as f64, inside as f64 / runs as f64);
    assert!((0.93..0.97).contains(&share), "{share}");
    // 400 draws: three standard deviations are 0.033
    assert!((0.915..0.985).contains(&predicted), "{predicted}");
}

#[test]
fn many_right_hand_sides_are_as_many_inferences() {
    let (a, b) = sample(20, 3);
    let other: Vec<f64> = b.iter().rev().copied().collect();
    let both: Vec<f64> = b.iter().chain(&other).copied().collect();
    let view = DenseView::column_major(&a, 20, 3).unwrap();
    let problem = Problem::new(&view).intercept();
    let together = problem.inference(&DenseView::column_major(&both, 20, 2).unwrap(), Gcv).unwrap();
    for (found, b) in together.iter().zip([&b, &other]) {
        let alone = problem.inference(b, Gcv).unwrap();
        assert_eq!(found.rule, Some("GCV"));
        close_each("errors", &all(found, |c| c.standard_error), &all(&alone, |c| c.standard_error), 1e-9);
    }
}

#[test]
fn sparse_and_single_precision() {
    let (a, b) = sample(18, 3);
    let dense = Problem::new(&DenseView::column_major(&a, 18, 3).unwrap()).inference(&b, 0.4).unwrap();
    let offsets: Vec<usize> = (0..=3).map(|j| 18 * j).collect();
    let indices: Vec<usize> = (0..3).flat_map(|_| 0..18).collect();
    let sparse = SparseView::csc(18, 3, &offsets, &indices, &a).unwrap();
    let found = Problem::new(&sparse).inference(&b, 0.4).unwrap();
    close_each("sparse", &all(&found, |c| c.posterior_std), &all(&dense, |c| c.posterior_std), 1e-12);
    let (a32, b32): (Vec<f32>, Vec<f32>) = (a.iter().map(|&v| v as f32).collect(), b.iter().map(|&v| v as f32).collect());
    let single = Problem::new(&DenseView::column_major(&a32, 18, 3).unwrap()).inference(&b32, 0.4).unwrap();
    close_each("single precision", &all(&single, |c| c.posterior_std), &all(&dense, |c| c.posterior_std), 1e-5);
}

#[test]
fn a_row_that_fits_itself_is_named() {
    // the last column is 1 in the last row alone, unpenalised
    let (mut a, b) = sample(12, 3);
    for i in 0..12 {
        a[24 + i] = if i == 11 { 1.0 } else { 0.0 };
    }
    let view = DenseView::column_major(&a, 12, 3).unwrap();
    let inference = Problem::new(&view).penalty(Penalty::diagonal(&[1.0, 1.0, 0.0])).inference(&b, 0.5).unwrap();
    let last = &inference.rows[11];
    assert!((last.leverage - 1.0).abs() < 1e-12);
    assert_eq!((last.studentized, last.studentized_externally, last.left_out_error, last.cooks_distance), (None, None, None, None));
    assert!(inference.coefficients[0].heteroscedastic.hc3.is_none() && inference.coefficients[0].heteroscedastic.hc0.is_finite());
    assert!(inference.r_squared_predicted.is_none());
    assert!(inference.to_string().contains("rows 11 have leverage 1"), "{inference}");
}

#[test]
fn the_table_has_names_and_says_what_does_not_hold() {
    let (a, b) = sample(20, 2);
    let view = DenseView::column_major(&a, 20, 2).unwrap();
    let problem = Problem::new(&view).intercept();
    let chosen = problem.inference(&b, Gcv).unwrap().names(["age", "weight"]).to_string();
    for text in ["age", "weight", "intercept", "chosen by GCV", "no p-values", "taken as given"] {
        assert!(chosen.contains(text), "{text} is not in\n{chosen}");
    }
    let plain = problem.inference(&b, 0.0).unwrap().to_string();
    assert!(plain.contains(" p\n") && !plain.contains("no p-values"), "{plain}");
}

#[test]
fn what_cannot_be_said_is_refused() {
    let (a, b) = sample(20, 2);
    let view = DenseView::column_major(&a, 20, 2).unwrap();
    let ridge = Problem::new(&view).inference(&b, 1.0).unwrap();
    assert!(ridge.t_tests().unwrap_err().to_string().contains("use credible(..)"));
    for level in [0.0, 1.0, -0.5, f64::NAN] {
        assert!(matches!(ridge.confidence(level), Err(Error::Parameter { .. })));
    }
    assert!(matches!(ridge.prediction(&[1.0], 0.9), Err(Error::Shape { .. })));
    assert!(matches!(ridge.prediction(&[1.0, f64::NAN], 0.9), Err(Error::NonFinite { .. })));
    assert!(matches!(ridge.prediction_with(&[1.0, 0.0], -1.0, 0.9), Err(Error::Parameter { .. })));
    // duplicate columns at λ = 0
    let double: Vec<f64> = a[..20].iter().chain(&a[..20]).copied().collect();
    let double = DenseView::column_major(&double, 20, 2).unwrap();
    assert!(matches!(Problem::new(&double).inference(&b, 0.0), Err(Error::RankDeficient { .. })));
    assert!(Problem::new(&double).inference(&b, 0.1).is_ok());
    // as many unknowns as rows and no penalty: nothing is left for the noise, unless it is known
    let square = DenseView::column_major(&a[..16], 4, 4).unwrap();
    let error = Problem::new(&square).inference(&b[..4], 0.0).unwrap_err();
    assert!(error.to_string().contains("give Problem::noise_std"), "{error}");
    let known = Problem::new(&square).noise_std(&[0.1]).inference(&b[..4], 0.0).unwrap();
    assert!(known.noise_known && known.noise_std_estimate.is_none());
    // complex, and only products
    let complex: Vec<c64> = a.iter().map(|&v| c64::new(v, 1.0)).collect();
    let right: Vec<c64> = b.iter().map(|&v| c64::new(v, 0.0)).collect();
    let error = Problem::new(&DenseView::column_major(&complex, 20, 2).unwrap()).inference(&right, 1.0).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }));
    let products = wellposed::operator::from_fn(
        2,
        2,
        |x: &[f64], y: &mut [f64]| y.copy_from_slice(x),
        |y: &[f64], x: &mut [f64]| x.copy_from_slice(y),
    );
    assert!(matches!(Problem::new(&products).inference(&[1.0, 2.0], 1.0), Err(Error::NeedsEntries { .. })));
}
