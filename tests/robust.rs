//! Robust misfits and penalties: against other programs (testdata/robust.py), by the gradient of their objective, and by what
//! majorization promises.

use serde::Deserialize;
use wellposed::{Choice, DenseView, Error, Gcv, Misfit, Operator, Penalty, Problem, SparseView, Warning, operator};

#[derive(Deserialize)]
struct File {
    a: Vec<Vec<f64>>,
    b: Vec<f64>,
    weights: Vec<f64>,
    huber: Vec<HuberCase>,
    rlm: Rlm,
    student: Student,
    median: f64,
    lasso: LassoCase,
}

#[derive(Deserialize)]
struct HuberCase {
    lam: f64,
    delta: f64,
    weighted: bool,
    theta: Vec<f64>,
}

#[derive(Deserialize)]
struct Rlm {
    theta: Vec<f64>,
    scale: f64,
}

#[derive(Deserialize)]
struct Student {
    lam: f64,
    nu: f64,
    s: f64,
    theta: Vec<f64>,
    objective: f64,
}

#[derive(Deserialize)]
struct LassoCase {
    a: Vec<Vec<f64>>,
    b: Vec<f64>,
    lam: f64,
    x: Vec<f64>,
    objective: f64,
}

fn file() -> File {
    serde_json::from_str(include_str!("../testdata/robust.json")).unwrap()
}

fn flat(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().flatten().copied().collect()
}

#[track_caller]
fn close(what: &str, x: &[f64], constant: f64, expected: &[f64], tolerance: f64) {
    let size = expected.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    for (found, expected) in x.iter().chain([&constant]).zip(expected) {
        assert!((found - expected).abs() <= tolerance * size, "{what}: {found:e}, expected {expected:e}");
    }
}

#[test]
fn huber_as_the_exact_active_set_has_it() {
    let file = file();
    let entries = flat(&file.a);
    let a = DenseView::row_major(&entries, 97, 8).unwrap();
    for case in &file.huber {
        let mut problem = Problem::new(&a).intercept().misfit(Misfit::huber(case.delta));
        if case.weighted {
            problem = problem.weights(&file.weights);
        }
        let fit = problem.solve(&file.b, case.lam).unwrap();
        close("Huber", &fit.x, fit.intercept, &case.theta, 1e-6);
        let weights = &fit.report.reweighted[0].weights;
        assert!([3, 20, 41, 77].iter().all(|&outlier| weights[outlier] < 0.35), "{weights:?}");
        assert!(fit.report.reweighted[0].convex && !fit.report.warnings.contains(&Warning::LocalMinimum));
    }
}

#[test]
fn scale_by_the_median_as_statsmodels_has_it() {
    let file = file();
    let entries = flat(&file.a);
    let a = DenseView::row_major(&entries, 97, 8).unwrap();
    let fit = Problem::new(&a).intercept().misfit(Misfit::huber(1.345).scaled_by_mad()).solve(&file.b, 0.0).unwrap();
    close("RLM", &fit.x, fit.intercept, &file.rlm.theta, 1e-6);
    let scale = fit.report.reweighted[0].scale.unwrap();
    assert!((scale - file.rlm.scale).abs() < 1e-6 * scale, "{scale} {}", file.rlm.scale);
}

#[test]
fn student_t_as_a_trust_region_has_it() {
    let file = file();
    let entries = flat(&file.a);
    let a = DenseView::row_major(&entries, 97, 8).unwrap();
    let Student { lam, nu, s, theta, objective } = &file.student;
    let fit = Problem::new(&a).intercept().misfit(Misfit::student_t(*nu, *s)).solve(&file.b, *lam).unwrap();
    close("Student t", &fit.x, fit.intercept, theta, 1e-6);
    let found = fit.report.reweighted[0].objective;
    assert!((found - objective).abs() < 1e-9 * objective, "{found} {objective}");
    assert!(fit.report.warnings.contains(&Warning::LocalMinimum));
}

#[test]
fn least_absolute_deviations_as_linear_programming_has_them() {
    let file = file();
    let entries = flat(&file.a);
    let a = DenseView::row_major(&entries, 97, 8).unwrap();
    let fit = Problem::new(&a).intercept().misfit(Misfit::power(1.0)).solve(&file.b, 0.0).unwrap();
    let report = &fit.report.reweighted[0];
    // no x is below the optimum; the smoothing costs less than m·ε
    assert!(report.objective >= file.median * (1.0 - 1e-12), "{} {}", report.objective, file.median);
    assert!(report.objective <= file.median + 97.0 * report.misfit_smoothing, "{} {}", report.objective, file.median);
    assert!(report.misfit_smoothing > 0.0 && report.misfit_smoothing < 2e-3);
}

#[test]
fn the_power_one_is_near_the_lasso() {
    let LassoCase { a, b, lam, x, objective } = file().lasso;
    let entries = flat(&a);
    let view = DenseView::row_major(&entries, 97, 8).unwrap();
    let fit = Problem::new(&view).intercept().penalty(Penalty::identity().power(1.0)).solve(&b, lam).unwrap();
    let found = fit.report.reweighted[0].objective;
    assert!(found >= objective * (1.0 - 1e-12) && found <= objective * (1.0 + 1e-5), "{found} {objective}");
    for (found, expected) in fit.x.iter().zip(&x) {
        assert!((found - expected).abs() < 1e-3, "{:?} {x:?}", fit.x);
    }
    // a norm whose square is R, as for every penalty
    assert!((fit.residual_norm.powi(2) + lam * fit.penalty_norm.powi(2) - found).abs() < 1e-9 * found);
}

/// A problem with outliers, and x with a jump.
fn sample(m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let a: Vec<f64> = (0..m * n).map(|k| ((k * k + 5 * k) as f64 * 0.29).sin()).collect();
    let x = |j: usize| if 3 * j < n { 1.0 } else { -0.5 };
    let b = (0..m)
        .map(|i| {
            let wrong = if i % 11 == 4 { 15.0 } else { 0.0 };
            (0..n).map(|j| a[i + m * j] * x(j)).sum::<f64>() + 0.1 * ((i * i) as f64 * 0.7).cos() + wrong
        })
        .collect();
    (a, b)
}

fn misfits() -> Vec<Misfit> {
    vec![Misfit::huber(0.2), Misfit::student_t(3.0, 0.2), Misfit::power(1.0), Misfit::power(1.5)]
}

fn penalties() -> Vec<Penalty<'static, f64>> {
    vec![
        Penalty::identity(),
        Penalty::identity().huber(0.3),
        Penalty::first_difference().power(1.0),
        Penalty::first_difference().student_t(2.0, 0.1),
        Penalty::sum([(0.5, Penalty::identity()), (2.0, Penalty::first_difference().huber(0.1))]),
        Penalty::diagonal(&[1.0, 2.0, 0.5, 1.0, 1.0, 3.0]).power(0.7),
    ]
}

#[test]
fn the_objective_falls_at_every_step() {
    let (a, b) = sample(30, 6);
    let view = DenseView::column_major(&a, 30, 6).unwrap();
    let mut seen = 0;
    for misfit in misfits() {
        for penalty in penalties() {
            let fit = Problem::new(&view).misfit(misfit).penalty(penalty.clone()).solve(&b, 0.3).unwrap();
            let report = &fit.report.reweighted[0];
            for pair in report.history.windows(2) {
                assert!(pair[1] <= pair[0] * (1.0 + 1e-12), "{misfit:?} {penalty:?}: {:?}", report.history);
                seen += 1;
            }
            assert!((report.smoothed_objective - report.history.last().unwrap()).abs() <= 1e-9 * report.smoothed_objective);
        }
    }
    assert!(seen > 100);
}

/// ‖gradient‖ of Σ√… at the answer by finite differences of the reported kind of objective, relative to its parts.
#[test]
fn the_gradient_vanishes_at_the_answer() {
    let (a, b) = sample(30, 6);
    let view = DenseView::column_major(&a, 30, 6).unwrap();
    let weights: Vec<f64> = (0..30).map(|i| 0.5 + (i % 3) as f64).collect();
    let mean = [0.2; 6];
    let (delta, lambda) = (0.3, 0.8);
    let problem = Problem::new(&view)
        .misfit(Misfit::huber(delta))
        .penalty(Penalty::first_difference().student_t(3.0, 0.2))
        .weights(&weights)
        .noise_std(&[0.5])
        .prior_mean(&mean)
        .intercept();
    let fit = problem.solve(&b, lambda).unwrap();
    // the objective written out once more, from the definitions
    let objective = |x: &[f64], c: f64| {
        let data: f64 = (0..30)
            .map(|i| {
                let u = weights[i].sqrt() / 0.5 * (b[i] - c - (0..6).map(|j| a[i + 30 * j] * x[j]).sum::<f64>());
                if u.abs() <= delta { u * u } else { 2.0 * delta * u.abs() - delta * delta }
            })
            .sum();
        let z: Vec<f64> = x.iter().map(|v| v - 0.2).collect();
        let penalty: f64 = z.windows(2).map(|z| 4.0 * 0.04 * ((z[1] - z[0]).powi(2) / (3.0 * 0.04)).ln_1p()).sum();
        data + lambda * penalty
    };
    let here = objective(&fit.x, fit.intercept);
    assert!((here - fit.report.reweighted[0].objective).abs() <= 1e-11 * here);
    for j in 0..=6 {
        let moved = |by: f64| {
            let (mut x, mut c) = (fit.x.clone(), fit.intercept);
            if j < 6 {
                x[j] += by
            } else {
                c += by
            }
            objective(&x, c)
        };
        let (up, down) = (moved(1e-5), moved(-1e-5));
        let slope = (up - down) / 2e-5;
        assert!(slope.abs() < 1e-5 * here, "{j}: {slope}");
        assert!(up >= here && down >= here, "{j}");
    }
}

#[test]
fn limits_are_the_ridge() {
    let (a, b) = sample(30, 6);
    let view = DenseView::column_major(&a, 30, 6).unwrap();
    let ridge = Problem::new(&view).intercept().solve(&b, 0.4).unwrap();
    let same = [
        Problem::new(&view).intercept().misfit(Misfit::huber(1e9)),
        Problem::new(&view).intercept().misfit(Misfit::power(2.0)),
        Problem::new(&view).intercept().misfit(Misfit::student_t(1e14, 1.0)),
        Problem::new(&view).intercept().penalty(Penalty::identity().power(2.0)),
        Problem::new(&view).intercept().penalty(Penalty::identity().huber(1e9)),
    ];
    for problem in same {
        let fit = problem.solve(&b, 0.4).unwrap();
        for (found, expected) in fit.x.iter().zip(&ridge.x) {
            assert!((found - expected).abs() < 1e-11, "{problem:?}");
        }
        assert!((fit.residual_norm - ridge.residual_norm).abs() < 1e-10 && (fit.penalty_norm - ridge.penalty_norm).abs() < 1e-10);
    }
}

#[test]
fn every_storage_of_a_has_the_same_answer() {
    let (a, b) = sample(40, 6);
    let view = DenseView::column_major(&a, 40, 6).unwrap();
    let offsets: Vec<usize> = (0..=6).map(|j| 40 * j).collect();
    let indices: Vec<usize> = (0..6).flat_map(|_| 0..40).collect();
    let sparse = SparseView::csc(40, 6, &offsets, &indices, &a).unwrap();
    let products =
        operator::from_fn(40, 6, |x: &[f64], y: &mut [f64]| view.apply(x, y), |y: &[f64], x: &mut [f64]| view.apply_adjoint(y, x));
    for misfit in misfits() {
        for penalty in penalties() {
            let dense = Problem::new(&view).misfit(misfit).penalty(penalty.clone()).solve(&b, 0.3).unwrap();
            let convex = dense.report.reweighted[0].convex;
            let check = |x: &[f64], objective: f64, tolerance: f64| {
                let reference = dense.report.reweighted[0].smoothed_objective;
                assert!((objective - reference).abs() <= tolerance * reference, "{misfit:?} {penalty:?}: {objective} {reference}");
                if convex {
                    x.iter().zip(&dense.x).for_each(|(x, d)| assert!((x - d).abs() < 1e3 * tolerance, "{misfit:?} {penalty:?}: {x} {d}"));
                }
            };
            let fit = Problem::new(&sparse).misfit(misfit).penalty(penalty.clone()).solve(&b, 0.3).unwrap();
            check(&fit.x, fit.report.reweighted[0].smoothed_objective, 1e-8);
            let fit = Problem::new(&products).misfit(misfit).penalty(penalty.clone()).solve(&b, 0.3).unwrap();
            assert_eq!(fit.report.plan.method, "majorization in a growing space");
            let report = &fit.report.reweighted[0];
            assert!(report.history.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-10)), "{misfit:?} {penalty:?}");
            if convex {
                // the smoothed powers are flat near their minimum: a relative gradient of 1e-5 leaves that much
                let smoothed = report.misfit_smoothing > 0.0 || report.penalty_smoothing.iter().any(|&epsilon| epsilon > 0.0);
                check(&fit.x, report.smoothed_objective, if smoothed { 1e-4 } else { 1e-6 });
            }
        }
    }
}

#[test]
fn a_blurred_signal_keeps_its_edges_by_products_alone() {
    // 120 points, a box, Gaussian blur; the squared gradient rounds the edges that p = 1 keeps
    let n = 120;
    let kernel: Vec<f64> = (-6i32..=6).map(|t| (-0.5 * f64::from(t * t) / 4.0).exp() / 5.013).collect();
    let blur = |x: &[f64], y: &mut [f64]| {
        for (i, y) in y.iter_mut().enumerate() {
            *y = (0..13).filter_map(|t| (i + t).checked_sub(6).and_then(|j| x.get(j)).map(|x| kernel[t] * x)).sum();
        }
    };
    let a = operator::from_fn(n, n, blur, blur);
    let truth: Vec<f64> = (0..n).map(|i| if (40..70).contains(&i) { 1.0 } else { 0.0 }).collect();
    let mut b = vec![0.0; n];
    blur(&truth, &mut b);
    b.iter_mut().enumerate().for_each(|(i, b)| *b += 0.01 * ((i * i) as f64 * 0.61).sin());
    let error = |x: &[f64]| x.iter().zip(&truth).map(|(x, t)| (x - t).powi(2)).sum::<f64>().sqrt();
    let least = |penalty: Penalty<'_, f64>| {
        [1e-4, 1e-3, 1e-2]
            .iter()
            .map(|&lambda| error(&Problem::new(&a).penalty(penalty.clone()).solve(&b, lambda).unwrap().x))
            .fold(f64::INFINITY, f64::min)
    };
    let (smooth, edges) = (least(Penalty::first_difference()), least(Penalty::first_difference().power(1.0)));
    assert!(edges < 0.5 * smooth, "{edges} {smooth}");
}

#[test]
fn a_rule_chooses_on_the_weighted_problem() {
    let (a, b) = sample(40, 6);
    let view = DenseView::column_major(&a, 40, 6).unwrap();
    let fit = Problem::new(&view).intercept().misfit(Misfit::huber(0.3)).solve(&b, Gcv).unwrap();
    let weights = &fit.report.reweighted[0].weights;
    let same = Problem::new(&view).intercept().weights(weights).solve(&b, Gcv).unwrap();
    assert!((fit.lambda - same.lambda).abs() <= 1e-6 * same.lambda, "{} {}", fit.lambda, same.lambda);
    fit.x.iter().zip(&same.x).for_each(|(x, s)| assert!((x - s).abs() < 1e-7));
}

#[test]
fn many_right_hand_sides_and_single_precision() {
    let (a, b) = sample(30, 6);
    let other: Vec<f64> = b.iter().rev().copied().collect();
    let both: Vec<f64> = b.iter().chain(&other).copied().collect();
    let view = DenseView::column_major(&a, 30, 6).unwrap();
    let problem = Problem::new(&view).misfit(Misfit::huber(0.3));
    let together = problem.solve(&DenseView::column_major(&both, 30, 2).unwrap(), 0.2).unwrap();
    for (k, b) in [&b, &other].into_iter().enumerate() {
        let alone = problem.solve(b, 0.2).unwrap();
        assert_eq!(together.x[k], alone.x);
        assert_eq!(together.residual_norm[k], alone.residual_norm);
    }
    let path = problem.path(&b, [0.2, 2.0]).unwrap();
    assert_eq!(path[0].x, together.x[0]);
    let (a32, b32): (Vec<f32>, Vec<f32>) = (a.iter().map(|&v| v as f32).collect(), b.iter().map(|&v| v as f32).collect());
    let single = Problem::new(&DenseView::column_major(&a32, 30, 6).unwrap()).misfit(Misfit::huber(0.3)).solve(&b32, 0.2).unwrap();
    single.x.iter().zip(&together.x[0]).for_each(|(s, d)| assert!((f64::from(*s) - d).abs() < 1e-3, "{s} {d}"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (a, b) = sample(20, 6);
    let view = DenseView::column_major(&a, 20, 6).unwrap();
    let robust = || Problem::new(&view).misfit(Misfit::huber(0.3));
    let refused = |result: wellposed::Result<()>, text: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    for misfit in [
        Misfit::huber(0.0),
        Misfit::huber(f64::NAN),
        Misfit::student_t(0.0, 1.0),
        Misfit::student_t(3.0, -1.0),
        Misfit::power(0.0),
        Misfit::power(2.5),
    ] {
        assert!(matches!(Problem::new(&view).misfit(misfit).solve(&b, 0.1), Err(Error::Parameter { .. })), "{misfit:?}");
    }
    assert!(matches!(Problem::new(&view).penalty(Penalty::identity().power(3.0)).solve(&b, 0.1), Err(Error::Parameter { .. })));
    refused(robust().factorize().map(|_| ()), "Problem::solve");
    refused(robust().inference(&b, 0.1).map(|_| ()), "drop the misfit");
    refused(robust().penalty(Penalty::identity().l1()).solve(&b, 0.1).map(|_| ()), "power(1.0)");
    refused(robust().penalties([Penalty::identity(), Penalty::first_difference()]).solve(&b, Gcv).map(|_| ()), "sum");
    let two: Vec<f64> = b.iter().chain(&b).copied().collect();
    let two = DenseView::column_major(&two, 20, 2).unwrap();
    refused(robust().solve(&two, Gcv.shared()).map(|_| ()), "drop .shared()");
    // more than half of the rows fit exactly: there is no scale
    let exact: Vec<f64> = (0..20).map(|i| if i < 15 { 0.0 } else { 1.0 }).collect();
    let ones = DenseView::column_major(&a[..20], 20, 1).unwrap();
    let zero = Problem::new(&ones).misfit(Misfit::huber(1.0).scaled_by_mad()).solve(&[0.0; 20], 1.0);
    refused(zero.map(|_| ()), "give δ or the scale");
    assert!(Problem::new(&ones).misfit(Misfit::huber(1.0)).solve(&exact, 1.0).is_ok());
    let plan = robust().plan(Choice::from(0.1)).unwrap().to_string();
    assert!(plan.contains("reweighted"), "{plan}");
}
