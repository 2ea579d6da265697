//! The defects that were found in peers, each as the smallest test that would catch it here; the number in a test's name
//! is its number in the list (docs/DESIGN.md).
//!
//! Not here yet, because what they are about is not: 4 (bounds), 5 (the L-curve rule), 6 (projected GCV of a hybrid
//! method), 7 (posterior variances), 16 (a sliding window), and the standard errors of 14. 18 is about standardising,
//! which the library leaves to the caller: what applies is that constant and zero columns give clear, finite answers.

use wellposed::strategies::certify;
use wellposed::{
    Cgls, Choice, DenseView, Discrepancy, Error, Gcv, Lambda, Loo, Lsmr, Lsqr, Method, Penalty, Problem, Result, Warning, log_grid,
    operator, ridge,
};

/// Every method, with its defaults.
fn methods() -> [Method; 10] {
    [
        Method::Auto,
        Method::Cholesky,
        Method::Qr,
        Method::Svd,
        Method::Gsvd,
        Method::Bidiagonal,
        Method::Tridiagonal,
        Method::Cgls(Cgls::new()),
        Method::Lsqr(Lsqr::new()),
        Method::Lsmr(Lsmr::new()),
    ]
}

fn is_iterative(method: &Method) -> bool {
    matches!(method, Method::Cgls(_) | Method::Lsqr(_) | Method::Lsmr(_))
}

fn assert_close(x: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(x.len(), expected.len(), "{what}");
    for (x, e) in x.iter().zip(expected) {
        assert!((x - e).abs() <= tolerance * (1.0 + e.abs()), "{what}: {x} is not {e}");
    }
}

/// A = [2 0; 0 1; 0 0], so that xⱼ = σⱼbⱼ/(σⱼ² + λ) by hand.
const DIAGONAL: [f64; 6] = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0];

/// An overdetermined 12×4 problem without structure, and its data.
fn general() -> (Vec<f64>, Vec<f64>) {
    let a = (0..48).map(|k| ((k * k + 3 * k) as f64 * 0.37).sin()).collect();
    let b = (0..12).map(|i| (i as f64 * 0.9).cos() + 0.3 * (i as f64 * 5.1).sin()).collect();
    (a, b)
}

/// λ in one method and λ² in another: every method gives x = (2·5/(4 + λ), 3/(1 + λ)) for the same λ.
#[test]
fn defect_01_one_lambda_in_every_method() -> Result<()> {
    let a = DenseView::column_major(&DIAGONAL, 3, 2)?;
    let b = [5.0, 3.0, 1.0];
    for lambda in [0.25f64, 2.0, 9.0] {
        let expected = [10.0 / (4.0 + lambda), 3.0 / (1.0 + lambda)];
        for method in methods() {
            let problem = Problem::new(&a).method(method.clone());
            assert_close(&problem.solve(&b, lambda)?.x, &expected, 1e-14, method.name());
            assert_close(&problem.solve(&b, Lambda::from_damping(lambda.sqrt()))?.x, &expected, 1e-14, method.name());
            // a penalty weight multiplies L, so its square multiplies λ
            let weighted = problem.clone().penalty(Penalty::diagonal(&[3.0, 3.0]));
            assert_close(&weighted.solve(&b, lambda / 9.0)?.x, &expected, 1e-14, method.name());
            let summed = problem.penalty(Penalty::sum([(0.25, Penalty::identity()), (0.75, Penalty::identity())]));
            assert_close(&summed.solve(&b, lambda)?.x, &expected, 1e-14, method.name());
        }
    }
    Ok(())
}

/// A warm start that changes the objective.
#[test]
fn defect_02_a_start_is_no_prior_mean() -> Result<()> {
    let (a, b) = general();
    let a = DenseView::column_major(&a, 12, 4)?;
    let guess = [100.0, -50.0, 3.0, 1e4];
    for lambda in [1e-3, 10.0] {
        for penalty in [Penalty::identity(), Penalty::first_difference()] {
            let problem = Problem::new(&a).penalty(penalty);
            let zero = problem.clone().method(Cgls::new()).solve(&b, lambda)?.x;
            for method in [Method::from(Cgls::new().start(&guess)), Lsqr::new().start(&guess).into(), Lsmr::new().start(&guess).into()] {
                let started = problem.clone().method(method).solve(&b, lambda)?.x;
                assert_close(&started, &zero, 1e-10, "start");
            }
            let shifted = problem.prior_mean(&guess).solve(&b, lambda)?.x;
            assert!((shifted[3] - zero[3]).abs() > 1e-2, "a prior mean is part of the objective");
        }
    }
    Ok(())
}

/// L with fewer rows than columns that truncates or shifts x: the second difference against its normal equations.
#[test]
fn defect_03_second_difference_reaches_every_entry() -> Result<()> {
    let n = 6;
    let (a, b) = general();
    let a: Vec<f64> = a.iter().chain(&a[5..29]).copied().collect();
    let view = DenseView::column_major(&a, 12, n)?;
    let lambda = 0.7;
    for method in methods() {
        let x = Problem::new(&view).penalty(Penalty::second_difference()).method(method.clone()).solve(&b, lambda)?.x;
        assert_eq!(x.len(), n);
        let residual: Vec<f64> = (0..12).map(|i| (0..n).map(|j| a[j * 12 + i] * x[j]).sum::<f64>() - b[i]).collect();
        let bent: Vec<f64> = (0..n - 2).map(|i| x[i] - 2.0 * x[i + 1] + x[i + 2]).collect();
        for j in 0..n {
            let at = |i: usize| if i < n - 2 { bent[i] } else { 0.0 };
            let before = |k: usize| if j >= k { at(j - k) } else { 0.0 };
            let pull = before(0) - 2.0 * before(1) + before(2);
            let gradient = (0..12).map(|i| a[j * 12 + i] * residual[i]).sum::<f64>() + lambda * pull;
            assert!(gradient.abs() < 1e-12, "{method}: entry {j} of the normal equations is {gradient:e}");
        }
    }
    Ok(())
}

/// An optimum on the edge of the search that is reported as an optimum.
#[test]
fn defect_08_an_edge_is_a_warning() -> Result<()> {
    // data that A explains to the last digit: no regularization is best; data orthogonal to A: as much as there is
    let a = DenseView::column_major(&DIAGONAL, 3, 2)?;
    let edge = |b: &[f64; 3], choice: Choice| -> Result<Option<bool>> {
        let fit = ridge(&a, b, choice)?;
        Ok(fit.report.warnings.iter().find_map(|w| match w {
            Warning::EdgeOfInterval { upper, lambda } => {
                assert!((lambda / fit.lambda - 1.0).abs() < 1e-12, "the edge is the λ that was chosen");
                Some(*upper)
            }
            _ => None,
        }))
    };
    assert_eq!(edge(&[2.0, 1.0, 1e-13], Gcv.into())?, Some(false));
    assert_eq!(edge(&[0.05, 0.05, 4.0], Gcv.into())?, Some(true));
    assert_eq!(edge(&[5.0, 0.4, 0.5], Gcv.into())?, None, "an optimum inside is no edge");
    // no λ can leave more than ‖b‖, nor less than what A cannot reach
    for impossible in [0.4, 6.0] {
        match ridge(&a, &[5.0, 0.4, 0.5], Discrepancy::noise_norm(impossible)) {
            Err(Error::NoLambda { .. }) => {}
            other => panic!("{impossible}: {other:?}"),
        }
    }
    Ok(())
}

/// Division by λ after a reduced SVD: leave-one-out is stable as λ → 0.
#[test]
fn defect_09_leave_one_out_is_stable_for_tiny_lambda() -> Result<()> {
    // an explicit refit without each row at λ = 0 is the limit; the criterion is seen at every λ that was tried
    let (a, b) = general();
    let view = DenseView::column_major(&a, 12, 4)?;
    let mut limit = 0.0;
    for out in 0..12 {
        let keep = |v: &[f64]| -> Vec<f64> { v.iter().enumerate().filter(|(i, _)| i % 12 != out).map(|(_, v)| *v).collect() };
        let (less_a, less_b) = (keep(&a), keep(&b));
        let x = ridge(&DenseView::column_major(&less_a, 11, 4)?, &less_b, 0.0)?.x;
        limit += ((0..4).map(|j| a[j * 12 + out] * x[j]).sum::<f64>() - b[out]).powi(2);
    }
    let fit = ridge(&view, &b, Loo)?;
    let evaluated = &fit.report.criteria[0].evaluated;
    let tiny: Vec<_> = evaluated.iter().filter(|(lambda, _)| *lambda < 1e-10).collect();
    assert!(tiny.len() > 3, "{evaluated:?}");
    for (lambda, value) in tiny {
        assert!((value / limit - 1.0).abs() < 1e-9, "λ = {lambda:e}: {value} is not {limit}");
    }
    for lambda in log_grid(1e-16..=1e-10, 13) {
        let fit = ridge(&view, &b, lambda)?;
        let exact = ridge(&view, &b, 0.0)?;
        assert_close(&fit.x, &exact.x, 1e-9, "x");
        assert!((fit.residual_norm / exact.residual_norm - 1.0).abs() < 1e-12);
    }
    Ok(())
}

/// tr(H²) as an element-wise square. H is symmetric, so that the two differ only where H is not formed: by hand for
/// diagonal A, where φ = (4/(4 + λ), 1/(1 + λ)).
#[test]
fn defect_10_robust_gcv_uses_the_trace_of_the_square() -> Result<()> {
    let a = DenseView::column_major(&DIAGONAL, 3, 2)?;
    let b = [5.0, 0.4, 0.5];
    for gamma in [0.1, 0.5, 0.9] {
        let fit = ridge(&a, &b, Gcv.robust(gamma))?;
        for &(lambda, value) in fit.report.criteria[0].evaluated.iter().filter(|(lambda, _)| (1e-4..1e4).contains(lambda)) {
            let phi = [4.0 / (4.0 + lambda), 1.0 / (1.0 + lambda)];
            let rho = ((1.0 - phi[0]) * b[0]).powi(2) + ((1.0 - phi[1]) * b[1]).powi(2) + b[2] * b[2];
            let gcv = 3.0 * rho / (3.0 - phi[0] - phi[1]).powi(2);
            let expected = (gamma + (1.0 - gamma) * (phi[0] * phi[0] + phi[1] * phi[1]) / 3.0) * gcv;
            assert!((value / expected - 1.0).abs() < 1e-12, "λ = {lambda:e}: {value} is not {expected}");
        }
    }
    Ok(())
}

/// An iterative method that ignores its limit, or never says that it did not converge.
#[test]
fn defect_11_the_step_limit_is_kept_and_missing_the_tolerance_is_an_error() -> Result<()> {
    for (m, n) in [(30usize, 20usize), (20, 30)] {
        let a: Vec<f64> = (0..m * n).map(|k| 1.0 / (1.0 + (k % m) as f64 + (k / m) as f64)).collect();
        let a = DenseView::column_major(&a, m, n)?;
        let b: Vec<f64> = (0..m).map(|i| (i as f64).cos()).collect();
        let mut steps = 0;
        for method in [Method::from(Lsqr::new().max_steps(3)), Lsmr::new().max_steps(3).into()] {
            let missed = Problem::new(&a).method(method).solve(&b, 1e-8);
            assert!(matches!(missed, Err(Error::NotConverged { steps: 3, .. })), "{m}×{n}: {missed:?}");
        }
        let options = Cgls::new().tolerance(1e-14).max_steps(3);
        let missed = Problem::new(&a).method(options.clone()).solve_with(&b, 1e-8, |_| steps += 1);
        assert!(matches!(missed, Err(Error::NotConverged { steps: 3, .. })), "{m}×{n}: {missed:?}");
        assert_eq!(steps, 3, "{m}×{n}");
        let partial = Problem::new(&a).method(options.accept_partial()).solve(&b, 1e-8)?;
        assert_eq!(partial.report.steps, Some(3));
        assert!(partial.report.warnings.iter().any(|w| matches!(w, Warning::Partial { .. })));
        assert!(!partial.report.stop.is_some_and(|stop| stop.converged()));
    }
    Ok(())
}

/// An absolute cutoff of singular values: scaling A by 1e-16 or 1e150 scales x and changes nothing else.
#[test]
fn defect_12_no_cutoff_is_absolute() -> Result<()> {
    let (mut a, b) = general();
    // the last column is the sum of the others: rank 3
    for i in 0..12 {
        a[36 + i] = a[i] + a[12 + i] + a[24 + i];
    }
    let reference = ridge(&DenseView::column_major(&a, 12, 4)?, &b, 0.0)?;
    assert_eq!(reference.rank, Some(3));
    for scale in [1e-16, 1e150, 1e-150, 1e-300] {
        let scaled: Vec<f64> = a.iter().map(|v| v * scale).collect();
        let view = DenseView::column_major(&scaled, 12, 4)?;
        for method in [Method::Auto, Method::Svd, Method::Gsvd] {
            let fit = Problem::new(&view).method(method.clone()).solve(&b, 0.0)?;
            let x: Vec<f64> = fit.x.iter().map(|x| x * scale).collect();
            assert_close(&x, &reference.x, 1e-12, &format!("{method} at {scale:e}"));
            assert_eq!(fit.rank, Some(3), "{method} at {scale:e}");
            assert!((fit.residual_norm / reference.residual_norm - 1.0).abs() < 1e-13, "{method} at {scale:e}");
        }
        let direct = methods().into_iter().filter(|method| !is_iterative(method));
        damped_at_scale(&a, &b, scale, direct)?;
    }
    Ok(())
}

/// The same by products alone.
#[test]
fn defect_12_no_cutoff_is_absolute_by_products() -> Result<()> {
    let (a, b) = general();
    for scale in [1e-16, 1e16, 1e150, 1e-150, 1e-300] {
        damped_at_scale(&a, &b, scale, methods().into_iter().filter(is_iterative))?;
    }
    Ok(())
}

/// x(sA, s√λ)·s = x(A, √λ) for every s.
fn damped_at_scale(a: &[f64], b: &[f64], scale: f64, methods: impl IntoIterator<Item = Method>) -> Result<()> {
    let scaled: Vec<f64> = a.iter().map(|v| v * scale).collect();
    let unscaled = ridge(&DenseView::column_major(a, 12, 4)?, b, 0.25)?.x;
    let view = DenseView::column_major(&scaled, 12, 4)?;
    for method in methods {
        let damped = Problem::new(&view).method(method.clone()).solve(b, Lambda::from_damping(0.5 * scale))?;
        let x: Vec<f64> = damped.x.iter().map(|x| x * scale).collect();
        assert_close(&x, &unscaled, 1e-12, &format!("{method} at {scale:e}"));
    }
    Ok(())
}

/// A penalised intercept, or columns that are never centred.
#[test]
fn defect_13_the_intercept_is_free() -> Result<()> {
    let (a, b) = general();
    let view = DenseView::column_major(&a, 12, 4)?;
    let mean = b.iter().sum::<f64>() / 12.0;
    for method in methods() {
        let problem = Problem::new(&view).intercept().method(method.clone());
        let heavy = problem.solve(&b, 1e16)?;
        assert!((heavy.intercept - mean).abs() < 1e-13, "{method}: {} is not the mean {mean}", heavy.intercept);
        assert_close(&heavy.x, &[0.0; 4], 1e-13, method.name());
        let shifted: Vec<f64> = b.iter().map(|b| b + 1000.0).collect();
        for lambda in [0.01, 10.0] {
            let (one, other) = (problem.solve(&b, lambda)?, problem.solve(&shifted, lambda)?);
            assert!((other.intercept - one.intercept - 1000.0).abs() < 1e-10, "{method}");
            assert_close(&other.x, &one.x, 1e-11, method.name());
        }
        // columns that differ by constants from the centred ones: only the intercept knows
        let moved: Vec<f64> = a.iter().enumerate().map(|(k, v)| v + (k / 12) as f64).collect();
        let view = DenseView::column_major(&moved, 12, 4)?;
        let other = Problem::new(&view).intercept().method(method.clone()).solve(&b, 0.1)?;
        assert_close(&other.x, &problem.solve(&b, 0.1)?.x, 1e-12, method.name());
    }
    Ok(())
}

/// Degrees of freedom that depend on units or ignore λ.
#[test]
fn defect_14_dof_has_no_units_and_depends_on_lambda() -> Result<()> {
    let diagonal = DenseView::column_major(&DIAGONAL, 3, 2)?;
    let by_hand = |lambda: f64| 4.0 / (4.0 + lambda) + 1.0 / (1.0 + lambda);
    for lambda in [0.0, 0.1, 3.0, 1e4] {
        for method in methods().into_iter().filter(|method| !is_iterative(method)) {
            let Ok(fit) = Problem::new(&diagonal).method(method.clone()).solve(&[5.0, 3.0, 1.0], lambda) else {
                assert_eq!(lambda, 0.0, "{method} refuses");
                continue;
            };
            let dof = fit.dof.unwrap_or(f64::NAN);
            assert!((dof - by_hand(lambda)).abs() < 1e-13, "{method} at λ = {lambda}: dof {dof}");
        }
    }
    let (a, b) = general();
    for unit in [1e-6, 1e6] {
        let scaled: Vec<f64> = a.iter().map(|v| v * unit).collect();
        for penalty in [Penalty::identity(), Penalty::first_difference()] {
            let one = Problem::new(&DenseView::column_major(&a, 12, 4)?).penalty(penalty.clone()).intercept().solve(&b, 0.3)?;
            let view = DenseView::column_major(&scaled, 12, 4)?;
            let other = Problem::new(&view).penalty(penalty).intercept().solve(&b, 0.3 * unit * unit)?;
            assert!((one.dof.unwrap_or(f64::NAN) - other.dof.unwrap_or(f64::NAN)).abs() < 1e-12);
        }
    }
    Ok(())
}

/// Weights that drop or rescale the penalty.
#[test]
fn defect_15_integer_weights_are_repeated_rows() -> Result<()> {
    let (a, b) = general();
    let counts: Vec<usize> = (0..12).map(|i| 1 + i % 3).collect();
    let rows: Vec<usize> = (0..12).flat_map(|i| std::iter::repeat_n(i, counts[i])).collect();
    let weights: Vec<f64> = counts.iter().map(|&c| c as f64).collect();
    let long: Vec<f64> = (0..4).flat_map(|j| rows.iter().map(|&i| a[j * 12 + i]).collect::<Vec<_>>()).collect();
    let long_b: Vec<f64> = rows.iter().map(|&i| b[i]).collect();
    let (view, long) = (DenseView::column_major(&a, 12, 4)?, DenseView::column_major(&long, rows.len(), 4)?);
    for method in methods() {
        for lambda in [1e-2, 5.0] {
            let weighted = Problem::new(&view).weights(&weights).intercept().method(method.clone()).solve(&b, lambda)?;
            let repeated = Problem::new(&long).intercept().method(method.clone()).solve(&long_b, lambda)?;
            assert_close(&weighted.x, &repeated.x, 1e-12, method.name());
            assert!((weighted.penalty_norm - repeated.penalty_norm).abs() < 1e-12, "{method}");
            assert!((weighted.residual_norm - repeated.residual_norm).abs() < 1e-12, "{method}");
        }
    }
    // GCV counts rows, weighted or not, so that its λ is another one; the shared part is the curve
    Ok(())
}

/// One bad column that aborts the batch, or a panic: the error names the place, and the others can be solved.
#[test]
fn defect_17_a_bad_right_hand_side_is_named() -> Result<()> {
    let (a, b) = general();
    let a = DenseView::column_major(&a, 12, 4)?;
    let mut columns = [b.clone(), b.clone(), b.clone()].concat();
    columns[12 + 5] = f64::NAN;
    let error = ridge(&a, &DenseView::column_major(&columns, 12, 3)?, 0.1).map(|fit| fit.x).unwrap_err().to_string();
    assert!(error.contains("row 5, column 1"), "{error}");
    let factor = Problem::new(&a).factorize()?;
    let fits: Vec<_> = columns.chunks(12).map(|b| factor.solve(b, 0.1)).collect();
    assert!(fits[0].is_ok() && fits[1].is_err() && fits[2].is_ok());
    Ok(())
}

/// Constant and all-zero columns: clear, finite answers from every method, with and without an intercept.
#[test]
fn defect_18_constant_and_zero_columns_give_finite_answers() -> Result<()> {
    let (mut a, b) = general();
    a[12..24].fill(7.0);
    a[24..36].fill(0.0);
    let view = DenseView::column_major(&a, 12, 4)?;
    for problem in [Problem::new(&view), Problem::new(&view).intercept()] {
        for method in methods() {
            let fit = problem.clone().method(method.clone()).solve(&b, 0.1)?;
            assert!(fit.x.iter().all(|x| x.is_finite()), "{method}: {:?}", fit.x);
            assert_eq!(fit.x[2], 0.0, "{method}: nothing speaks for a zero column");
            certify(&problem, &b, &fit).holds_to(1e-12).unwrap_or_else(|why| panic!("{method}: {why}"));
        }
        for choice in [Choice::from(0.0), Gcv.into(), Loo.into()] {
            let fit = problem.solve(&b, choice)?;
            assert!(fit.x.iter().all(|x| x.is_finite()) && fit.lambda.is_finite(), "{choice}: {:?}", fit.x);
            assert_eq!(fit.x[2], 0.0, "{choice}");
        }
    }
    // with an intercept the constant column is one more zero column: it gets nothing
    let fit = Problem::new(&view).intercept().solve(&b, 0.1)?;
    assert!(fit.x[1].abs() < 1e-14, "{:?}", fit.x);
    // products alone give the same
    let matrix_free = operator::scaled(1.0, view);
    let fit = Problem::new(&matrix_free).intercept().solve(&b, 0.1)?;
    assert!(fit.x[1].abs() < 1e-13 && fit.x[2] == 0.0, "{:?}", fit.x);
    Ok(())
}
