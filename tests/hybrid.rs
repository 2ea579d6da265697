//! Hybrid LSQR and LSMR, and λ by random probes, on operators that only multiply: against the dense engines on the same A.

mod common;

use common::{Dense, distance, norm};
use core::cell::Cell;
use wellposed::operator::from_fn;
use wellposed::{
    Cgls, Choice, Discrepancy, EffectiveDof, Error, Evidence, FlexibleLsqr, Gcv, HybridLsmr, HybridLsqr, Loo, Method, Operator, Penalty,
    Probes, Problem, ProjectedGcv, Real, Scalar, Stop, Upre, Warning, c64, faer,
};

/// A with its data and the x behind them.
struct Test {
    name: &'static str,
    a: Dense<f64>,
    b: Vec<f64>,
    x: Vec<f64>,
}

/// Numbers of mean 0 and variance 1, the same everywhere (a sum of four uniform ones).
fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count).map(|_| ((0..4).map(|_| uniform()).sum::<f64>() - 2.0) * 3f64.sqrt()).collect()
}

/// b = Ax with noise of a relative size.
fn with_noise(name: &'static str, a: Dense<f64>, x: Vec<f64>, relative: f64) -> Test {
    let mut b = a.times(&x);
    let noise = noise(b.len(), 5);
    let factor = relative * norm(&b) / norm(&noise);
    b.iter_mut().zip(&noise).for_each(|(b, e)| *b += factor * e);
    Test { name, a, b, x }
}

/// Shaw's one-dimensional image restoration (Shaw 1972), by the midpoint rule.
fn shaw(n: usize) -> Test {
    let h = std::f64::consts::PI / n as f64;
    let angle = |i: usize| -std::f64::consts::FRAC_PI_2 + (i as f64 + 0.5) * h;
    let a = Dense::from_fn(n, n, |i, j| {
        let (s, t) = (angle(i), angle(j));
        let u = std::f64::consts::PI * (s.sin() + t.sin());
        let sinc = if u == 0.0 { 1.0 } else { u.sin() / u };
        h * ((s.cos() + t.cos()) * sinc).powi(2)
    });
    let x = (0..n).map(|i| 2.0 * (-6.0 * (angle(i) - 0.8).powi(2)).exp() + (-2.0 * (angle(i) + 0.5).powi(2)).exp()).collect();
    with_noise("shaw", a, x, 1e-2)
}

/// Phillips's equation of the first kind (Phillips 1962) on [−6, 6], by the midpoint rule.
fn phillips(n: usize) -> Test {
    let h = 12.0 / n as f64;
    let bump = |t: f64| if t.abs() < 3.0 { 1.0 + (std::f64::consts::PI * t / 3.0).cos() } else { 0.0 };
    let place = |i: usize| -6.0 + (i as f64 + 0.5) * h;
    let a = Dense::from_fn(n, n, |i, j| h * bump(place(i) - place(j)));
    with_noise("phillips", a, (0..n).map(|i| bump(place(i))).collect(), 1e-2)
}

/// The inverse heat equation (Carasso 1982), a Volterra kernel, by the midpoint rule.
fn heat(n: usize) -> Test {
    let h = 1.0 / n as f64;
    let kernel = |t: f64| t.powf(-1.5) / (2.0 * std::f64::consts::PI.sqrt()) * (-0.25 / t).exp();
    let a = Dense::from_fn(n, n, |i, j| if i >= j { h * kernel((i - j) as f64 * h + 0.5 * h) } else { 0.0 });
    let x = (0..n)
        .map(|i| {
            let t = i as f64 * 20.0 / n as f64;
            if t < 2.0 {
                0.75 * t * t / 4.0
            } else if t < 3.0 {
                0.75 + (t - 2.0) * (3.0 - t)
            } else {
                0.75 * (-2.0 * (t - 3.0)).exp()
            }
        })
        .collect();
    with_noise("heat", a, x, 1e-2)
}

/// Products with A alone, counted.
fn products<'a>(a: &'a Dense<f64>, count: &'a Cell<usize>) -> impl Operator<Scalar = f64> + 'a {
    from_fn(
        a.rows,
        a.columns,
        move |x: &[f64], y: &mut [f64]| {
            count.set(count.get() + 1);
            a.apply(x, y)
        },
        move |y: &[f64], x: &mut [f64]| {
            count.set(count.get() + 1);
            a.apply_adjoint(y, x)
        },
    )
}

// ---- λ as a number ----------------------------------------------------------------------------------------------------

/// LSQR, LSMR, and the compressed and the general space give the answer of a factorization.
fn a_number<T: Scalar>(m: usize, n: usize, tolerance: f64) {
    let real = T::Real::from_f64;
    let numbers = noise(2 * (m * n + 2 * m + n), 11);
    let scalar = |k: usize| T::from_parts(real(numbers[2 * k]), real(numbers[2 * k + 1]));
    let a = Dense::from_fn(m, n, |i, j| scalar(j * m + i));
    let b: Vec<T> = (0..m).map(|i| scalar(m * n + i)).collect();
    let mean: Vec<T> = (0..n).map(|j| scalar(m * n + m + j)).collect();
    let weights: Vec<T::Real> = (0..m).map(|i| real(0.5 + (i % 3) as f64)).collect();
    let free = from_fn(m, n, |x: &[T], y: &mut [T]| a.apply(x, y), |y: &[T], x: &mut [T]| a.apply_adjoint(y, x));
    let smooth = || Penalty::second_difference();
    let methods: [(Method, bool, bool); 4] = [
        (HybridLsqr::new().into(), false, false),
        (HybridLsmr::new().into(), false, false),
        (HybridLsqr::new().max_basis(12).max_steps(10_000).into(), false, true),
        (HybridLsqr::new().into(), true, false),
    ];
    for (method, general, bounded) in methods {
        if (general || bounded) && T::Real::EPSILON.to_f64() > 1e-10 {
            // the gradient that f32 can reach leaves no digits of x to compare where κ² of [A; √λL] is 1e4 and more
            continue;
        }
        for lambda in [0.1, 10.0] {
            let dress = |problem: Problem<'_, T>| -> Vec<T> {
                let problem = if general { problem.penalty(smooth()) } else { problem };
                let fit = problem.solve(&b, lambda).unwrap_or_else(|error| panic!("{method} {m}×{n} λ {lambda}: {error}"));
                fit.x
            };
            let variants: [(Problem<'_, T>, Problem<'_, T>); 2] = [
                (Problem::new(&free), Problem::new(&a)),
                (
                    Problem::new(&free).weights(&weights).prior_mean(&mean).intercept(),
                    Problem::new(&a).weights(&weights).prior_mean(&mean).intercept(),
                ),
            ];
            for (k, (hybrid, dense)) in variants.into_iter().enumerate() {
                let found = dress(hybrid.method(method.clone()));
                let expected = dress(dense.method(Method::Qr));
                let error = distance(&found, &expected) / norm(&expected);
                // restarts end at the rounding level of a residual, not of the recursion
                let tolerance = if bounded { 10.0 * tolerance } else { tolerance };
                assert!(error < tolerance, "{method} {m}×{n} {} λ {lambda} variant {k} general {general}: {error:.1e}", T::NAME);
            }
        }
    }
}

#[test]
fn a_number_has_the_answer_of_a_factorization() {
    for (m, n) in [(60, 25), (25, 60), (40, 40)] {
        a_number::<f64>(m, n, 1e-10);
        a_number::<c64>(m, n, 1e-10);
        a_number::<f32>(m, n, 2e-3);
    }
}

// ---- λ by a rule on the projected problem -----------------------------------------------------------------------------

/// The residual that the projection leaves out counts: in the whole space projected GCV is GCV, and so is the rest.
#[test]
fn in_the_whole_space_the_rules_are_those_of_the_svd() {
    let test = phillips(40);
    let rules: [Choice; 3] = [Gcv.into(), Gcv.robust(0.3).into(), Discrepancy::relative_noise(0.011).into()];
    for rule in rules {
        let count = Cell::new(0);
        let a = products(&test.a, &count);
        let expected = Problem::new(&test.a).method(Method::Svd).solve(&test.b, rule).unwrap();
        let fit = Problem::new(&a).method(HybridLsqr::new().steps(40)).solve(&test.b, rule).unwrap();
        assert!((fit.lambda / expected.lambda - 1.0).abs() < 1e-6, "{rule}: {:e} is not {:e}", fit.lambda, expected.lambda);
        assert!(distance(&fit.x, &expected.x) < 1e-6 * norm(&expected.x), "{rule}");
        let smooth = || Penalty::first_difference();
        let expected = Problem::new(&test.a).penalty(smooth()).method(Method::Svd).solve(&test.b, rule).unwrap();
        let fit = Problem::new(&a).penalty(smooth()).method(HybridLsqr::new().steps(40)).solve(&test.b, rule).unwrap();
        assert!((fit.lambda / expected.lambda - 1.0).abs() < 1e-6, "L, {rule}: {:e} is not {:e}", fit.lambda, expected.lambda);
    }
}

/// With the rule, before the space is the whole one: the error is that of the best λ, nearly, and stays.
#[test]
fn a_settled_lambda_stays() {
    for test in [shaw(200), phillips(200), heat(200)] {
        let count = Cell::new(0);
        let a = products(&test.a, &count);
        let exact = Problem::new(&test.a).method(Method::Svd).solve(&test.b, Gcv).unwrap();
        let solve = |options: HybridLsqr| Problem::new(&a).method(options).solve(&test.b, Gcv).unwrap();
        let fit = solve(HybridLsqr::new().compare_with(&test.x));
        let error = |x: &[f64]| distance(x, &test.x) / norm(&test.x);
        let Test { name, .. } = test;
        assert_eq!(fit.report.stop, Some(Stop::Settled), "{name}");
        assert!((fit.lambda / exact.lambda).ln().abs() < 0.1, "{name}: {:e}, exactly {:e}", fit.lambda, exact.lambda);
        assert!(error(&fit.x) < 1.05 * error(&exact.x), "{name}: {} and {}", error(&fit.x), error(&exact.x));
        let steps = fit.report.steps.unwrap();
        let later = solve(HybridLsqr::new().steps(steps + 100));
        assert!((error(&later.x) / error(&fit.x) - 1.0).abs() < 0.01, "{name}: {} then {}", error(&fit.x), error(&later.x));
        // the history is that of the iterates
        let comparison = fit.report.comparison.as_ref().unwrap();
        assert_eq!(comparison.errors.len(), steps);
        assert!((comparison.errors[steps - 1] - error(&fit.x)).abs() < 1e-12);
        assert_eq!(comparison.best_error, comparison.errors[comparison.best_step - 1]);
        assert!(comparison.errors.iter().all(|e| *e >= comparison.best_error));
    }
}

/// The discrepancy needs a space that reaches it; then the residual is the noise.
#[test]
fn discrepancy_waits_for_its_space() {
    let test = phillips(300);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    let fit = Problem::new(&a).method(HybridLsqr::new()).solve(&test.b, Discrepancy::relative_noise(0.0101)).unwrap();
    assert!((fit.residual_norm / (0.0101 * norm(&test.b)) - 1.0).abs() < 1e-6, "{}", fit.report);
    let never = Problem::new(&a).method(HybridLsqr::new()).solve(&test.b, Discrepancy::noise_norm(1e9)).unwrap_err();
    assert!(matches!(never, Error::NoLambda { .. }), "{never}");
}

/// After settling, a tolerance goes on to the minimiser at that λ; a bounded basis ends at the same place.
#[test]
fn a_tolerance_after_settling_and_a_bounded_basis() {
    let test = phillips(200);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    for options in [HybridLsqr::new().tolerance(1e-7), HybridLsqr::new().tolerance(1e-7).max_basis(40).max_steps(2000)] {
        let fit = Problem::new(&a).method(options.clone()).solve(&test.b, Gcv).unwrap();
        let expected = Problem::new(&test.a).method(Method::Svd).solve(&test.b, fit.lambda).unwrap();
        let error = distance(&fit.x, &expected.x) / norm(&expected.x);
        // ‖x − x_λ‖ ≤ ‖normal residual‖/λ
        let bound = 1e-7 * norm(&test.a.adjoint_times(&test.b)) / fit.lambda / norm(&expected.x);
        assert!(error <= bound + 1e-9, "{options:?}: {error:e}, at most {bound:e}");
    }
}

// ---- degrees of freedom outside the space -----------------------------------------------------------------------------

/// The first difference of n points, well conditioned: every direction counts, and a space grown from b has too few of them. The data
/// are differences of a wave with half as much noise.
fn difference(n: usize) -> Test {
    let a = Dense::from_fn(n, n, |i, j| {
        if i == j {
            1.0
        } else if i == j + 1 {
            -1.0
        } else {
            0.0
        }
    });
    let wave = |i: f64| (2.5 * i).cos();
    let x: Vec<f64> = (0..n).map(|i| wave(i as f64)).collect();
    let b = (0..n).map(|i| i as f64).map(|i| wave(i) - wave(i - 1.0) + 0.5 * (i * i * 7919.0).sin()).collect();
    Test { name: "difference", a, b, x }
}

/// Small: the space grows to the whole one, and λ is that of GCV. Larger: probes count, λ is near it, and the step limit is kept.
#[test]
fn degrees_of_freedom_outside_the_space_count() {
    let rules = |dof: f64| -> [Choice; 6] {
        [
            Gcv.into(),
            Upre::noise_std(0.35).into(),
            Evidence.into(),
            Evidence::noise_std(0.35).into(),
            Gcv.strong_robust(0.9).into(),
            EffectiveDof(dof).into(),
        ]
    };
    let exact = |test: &Test, rule: Choice| Problem::new(&test.a).method(Method::Svd).solve(&test.b, rule).unwrap();
    let test = difference(120);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    for rule in rules(50.0) {
        let fit = Problem::new(&a).method(HybridLsqr::new()).solve(&test.b, rule).unwrap();
        let expected = exact(&test, rule);
        assert!((fit.lambda / expected.lambda - 1.0).abs() < 0.01, "{rule}: {:e} is not {:e}", fit.lambda, expected.lambda);
    }
    let test = difference(400);
    let a = products(&test.a, &count);
    for rule in rules(150.0) {
        let fit = Problem::new(&a).method(HybridLsqr::new().max_steps(200)).solve(&test.b, rule).unwrap();
        let expected = exact(&test, rule);
        assert_eq!(fit.report.stop, Some(Stop::Settled), "{rule}");
        assert!((fit.lambda / expected.lambda).ln().abs() < 0.15, "{rule}: {:e} is not {:e}", fit.lambda, expected.lambda);
        // ‖dx/d log λ‖ ≤ ‖x‖
        let allowed = 0.01 + (fit.lambda / expected.lambda).ln().abs();
        assert!(distance(&fit.x, &expected.x) < allowed * norm(&expected.x), "{rule}");
    }
    // asked for by name, the projected problem is what it is
    let classic = Problem::new(&a).method(HybridLsqr::new().gcv(ProjectedGcv::Weighted)).solve(&test.b, Gcv).unwrap();
    assert_eq!(classic.report.stop, Some(Stop::Settled));
}

// ---- a penalty in standard form ---------------------------------------------------------------------------------------

/// λ by GCV with L: that of the dense standard form, before the space is the whole one, and what goes with it: null spaces of one and
/// two dimensions and of none, more rows than columns, an intercept, weights and a prior mean.
#[test]
fn a_penalty_with_entries_has_the_lambda_of_the_dense_engines() {
    let sum = || Penalty::sum([(1.0, Penalty::second_difference()), (1e-3, Penalty::identity())]);
    type Named = (&'static str, fn() -> Penalty<'static, f64>);
    let penalties: [Named; 3] = [("first", || Penalty::first_difference()), ("second", || Penalty::second_difference()), ("sum", sum)];
    for test in [phillips(200), heat(200)] {
        for (name, penalty) in penalties {
            let weights: Vec<f64> = (0..200).map(|i| 1.0 + (i % 4) as f64).collect();
            let mean: Vec<f64> = (0..200).map(|i| 0.1 * (i as f64 / 30.0).cos()).collect();
            for dressed in [false, true] {
                let count = Cell::new(0);
                let a = products(&test.a, &count);
                fn dress<'a>(problem: Problem<'a, f64>, dressed: bool, weights: &[f64], mean: &[f64]) -> Problem<'a, f64> {
                    if dressed { problem.weights(weights).prior_mean(mean).intercept() } else { problem }
                }
                let exact = dress(Problem::new(&test.a).penalty(penalty()), dressed, &weights, &mean).method(Method::Svd);
                let exact = exact.solve(&test.b, Gcv).unwrap();
                let hybrid = dress(Problem::new(&a).penalty(penalty()), dressed, &weights, &mean);
                let fit = hybrid.clone().method(HybridLsqr::new()).solve(&test.b, Gcv).unwrap();
                let who = format!(
                    "{} {name} {dressed}: λ {:e} for {:e}, {} steps",
                    test.name,
                    fit.lambda,
                    exact.lambda,
                    fit.report.steps.unwrap()
                );
                assert!((fit.lambda / exact.lambda).ln().abs() < 0.1, "{who}");
                assert!(distance(&fit.x, &exact.x) < 0.02 * norm(&exact.x), "{who}: {}", distance(&fit.x, &exact.x) / norm(&exact.x));
                assert!((fit.penalty_norm / exact.penalty_norm).ln().abs() < 0.05, "{who}: {} {}", fit.penalty_norm, exact.penalty_norm);
                assert!((fit.intercept - exact.intercept).abs() <= 0.02 * exact.intercept.abs() + 1e-3, "{who}");
                // a tolerance is that of the problem as it was
                if test.name == "phillips" && name == "first" && !dressed {
                    let tight = hybrid.method(HybridLsqr::new().tolerance(1e-8).max_steps(20_000)).solve(&test.b, Gcv).unwrap();
                    let fitted = test.a.times(&tight.x);
                    let residual: Vec<f64> = test.b.iter().zip(&fitted).map(|(b, f)| b - f).collect();
                    let mut gradient = test.a.adjoint_times(&residual);
                    for i in 0..199 {
                        let difference = tight.lambda * (tight.x[i + 1] - tight.x[i]);
                        gradient[i] += difference;
                        gradient[i + 1] -= difference;
                    }
                    assert!(norm(&gradient) < 1.1e-8 * norm(&test.a.adjoint_times(&test.b)), "{who}: {:e}", norm(&gradient));
                }
            }
        }
    }
}

/// The gradient and the Laplacian of an image, blurred by periodic motion: in the whole space the λ of the fast transform. (In a part of
/// it λ waits: where L smooths, the damped standard form is worse conditioned than [A; √λL].)
#[test]
fn penalties_of_an_image_have_the_lambda_of_the_transform() {
    use wellposed::operator::{Grid, convolution, motion_kernel};
    use wellposed::{Boundary, gallery};
    let n = 16;
    let x = picture(n);
    let blur = convolution(n, n, &motion_kernel(4.0, 0.5).unwrap(), Boundary::Periodic).unwrap();
    let mut b = vec![0.0; n * n];
    blur.apply(&x, &mut b);
    let b = gallery::noise::gaussian(&b, 0.01, 1).unwrap().b;
    let grid = Grid::new(&[n, n]).unwrap();
    let penalties = [
        Penalty::first_difference_2d(n, n, Boundary::Periodic),
        Penalty::gradient(&grid, Boundary::Periodic),
        Penalty::laplacian(&grid, Boundary::Periodic),
    ];
    for penalty in penalties {
        let exact = Problem::new(&blur).penalty(penalty.clone()).solve(&b, Gcv).unwrap();
        assert_eq!(exact.report.method, "fast transform");
        let fit = Problem::new(&blur).penalty(penalty.clone()).method(HybridLsqr::new()).solve(&b, Gcv).unwrap();
        let error = |fit: &[f64]| distance(fit, &x) / norm(&x);
        assert!((fit.lambda / exact.lambda).ln().abs() < 0.02, "{penalty:?}: {:e} is not {:e}", fit.lambda, exact.lambda);
        assert!((error(&fit.x) / error(&exact.x) - 1.0).abs() < 0.01, "{penalty:?}: {} and {}", error(&fit.x), error(&exact.x));
    }
}

/// The gradient of images too large for the space to be the whole one: the λ of the fast transform, which is exact, as near as probes know it (one
/// alone has it to 12 % here, four to 6 %, the sixteen that a small `settle` leads to 3 %), and its x within a percent or two, for blurs of
/// two kinds and two boundaries, and for a gradient that only multiplies.
#[test]
fn the_gradient_of_an_image_has_the_lambda_of_the_transform() {
    use wellposed::operator::{convolution, first_difference_2d, gaussian_kernel, motion_kernel};
    use wellposed::{Boundary, gallery};
    for (name, n, boundary) in [("motion", 48, Boundary::Periodic), ("Gaussian", 48, Boundary::Reflective)] {
        let x = picture(n);
        let kernel = if name == "motion" { motion_kernel(9.0, 0.5) } else { gaussian_kernel(1.5, 1.5) };
        let blur = convolution(n, n, &kernel.unwrap(), boundary).unwrap();
        let mut b = vec![0.0; n * n];
        blur.apply(&x, &mut b);
        let b = gallery::noise::gaussian(&b, 0.01, 1).unwrap().b;
        let by_name = Penalty::first_difference_2d(n, n, boundary);
        let gradient = first_difference_2d::<f64>(n, n, boundary);
        let count = Cell::new(0);
        let by_products = from_fn(
            gradient.shape().0,
            n * n,
            |x: &[f64], y: &mut [f64]| {
                count.set(count.get() + 1);
                gradient.apply(x, y)
            },
            |y: &[f64], x: &mut [f64]| gradient.apply_adjoint(y, x),
        );
        let exact = Problem::new(&blur).penalty(by_name.clone()).solve(&b, Gcv).unwrap();
        assert_eq!(exact.report.method, "fast transform");
        let error = |fit: &[f64]| distance(fit, &x) / norm(&x);
        for (penalty, settle, within) in [(by_name.clone(), 2e-3, 0.1), (by_name, 2e-4, 0.06), (Penalty::matrix(&by_products), 2e-3, 0.1)] {
            let fit = Problem::new(&blur).penalty(penalty).method(HybridLsqr::new().settle(settle)).solve(&b, Gcv).unwrap();
            let steps = fit.report.steps.unwrap();
            let who = format!(
                "{name}, {settle}: λ {:e} for {:e}, {steps} steps, errors {} {}",
                fit.lambda,
                exact.lambda,
                error(&fit.x),
                error(&exact.x)
            );
            assert!((fit.lambda / exact.lambda).ln().abs() < within, "{who}");
            assert!((error(&fit.x) / error(&exact.x) - 1.0).abs() < within / 5.0, "{who}");
            assert!(steps < 250, "{who}");
        }
        assert!(count.get() > 0);
    }
}

/// What the observer and a known truth see is x, not the variables of the standard form.
#[test]
fn a_standard_form_is_not_seen() {
    let test = phillips(200);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    let mut norms = Vec::new();
    let method = HybridLsqr::new().compare_with(&test.x);
    let fit = Problem::new(&a).penalty(Penalty::second_difference()).method(method).solve_with(&test.b, Gcv, |step| {
        norms.push((step.residual_norm, step.solution_norm));
        std::ops::ControlFlow::Continue(())
    });
    let fit = fit.unwrap();
    let comparison = fit.report.comparison.as_ref().unwrap();
    assert_eq!((norms.len(), comparison.errors.len()), (fit.report.steps.unwrap(), norms.len()));
    let last = norms[norms.len() - 1];
    assert!((last.0 / fit.residual_norm - 1.0).abs() < 1e-6, "{last:?} {}", fit.residual_norm);
    assert!((last.1 / norm(&fit.x) - 1.0).abs() < 1e-9, "{last:?}");
    assert!((comparison.errors.last().unwrap() - distance(&fit.x, &test.x) / norm(&test.x)).abs() < 1e-9);
}

/// A penalty that only multiplies, and too large to be written out, is projected, for rules that look at norms; one with a null space
/// that A does not see is no error, where the space can be the whole one.
#[test]
fn penalties_without_a_standard_form() {
    let n = 2100;
    let k: Vec<f64> = (0..21).map(|i| (-0.5 * ((i as f64 - 10.0) / 3.0f64).powi(2)).exp()).collect();
    let total: f64 = k.iter().sum();
    let blur = |x: &[f64], y: &mut [f64]| {
        for i in 0..n {
            y[i] = (0..21).filter(|t| i + t >= 10 && i + t - 10 < n).map(|t| k[t] * x[i + t - 10]).sum::<f64>() / total;
        }
    };
    let a = from_fn(n, n, blur, blur);
    let x: Vec<f64> = (0..n).map(|i| (i as f64 / 150.0).sin() + 2.0).collect();
    let mut b = vec![0.0; n];
    blur(&x, &mut b);
    let e = noise(n, 3);
    let factor = 0.01 * norm(&b) / norm(&e);
    b.iter_mut().zip(&e).for_each(|(b, e)| *b += factor * e);
    let smooth = Penalty::first_difference();
    let with_entries = Problem::new(&a).penalty(smooth).method(HybridLsqr::new()).solve(&b, Gcv).unwrap();
    let l = from_fn(
        n - 1,
        n,
        |x: &[f64], y: &mut [f64]| (0..n - 1).for_each(|i| y[i] = x[i + 1] - x[i]),
        |y: &[f64], x: &mut [f64]| {
            x.fill(0.0);
            (0..n - 1).for_each(|i| {
                x[i + 1] += y[i];
                x[i] -= y[i];
            })
        },
    );
    let error = |fit: &[f64]| distance(fit, &x) / norm(&x);
    assert!(error(&with_entries.x) < 0.01, "{}", error(&with_entries.x));
    let problem = Problem::new(&a).penalty(Penalty::matrix(&l)).method(HybridLsqr::new());
    let norms = problem.solve(&b, Discrepancy::relative_noise(0.01)).unwrap();
    assert!(error(&norms.x) < 2.0 * error(&with_entries.x), "{} and {}", error(&norms.x), error(&with_entries.x));
    // degrees of freedom by probes: the λ of the standard form, as far as probes know it
    let counted = problem.clone().solve(&b, Gcv).unwrap();
    assert!((counted.lambda / with_entries.lambda).ln().abs() < 0.2, "{:e} and {:e}", counted.lambda, with_entries.lambda);
    assert!((error(&counted.x) / error(&with_entries.x) - 1.0).abs() < 0.05, "{} and {}", error(&counted.x), error(&with_entries.x));
    // what no probe can count is refused, with a way out, and not an answer that is wrong by orders of magnitude
    let bounded = problem.clone().method(HybridLsqr::new().max_basis(40)).solve(&b, Gcv).unwrap_err();
    assert!(matches!(bounded, Error::Unsupported { .. }) && bounded.to_string().contains("without max_basis"), "{bounded}");
    let evidence = problem.clone().solve(&b, wellposed::Evidence).unwrap_err();
    assert!(matches!(evidence, Error::Unsupported { .. }) && evidence.to_string().contains("entries of A"), "{evidence}");
    let by_name = HybridLsqr::new().gcv(ProjectedGcv::Weighted).max_steps(40).accept_partial();
    assert!(problem.method(by_name).solve(&b, Gcv).is_ok());
    let short = 60;
    let blind = from_fn(
        short - 1,
        short,
        |x: &[f64], y: &mut [f64]| (0..short - 1).for_each(|i| y[i] = x[i + 1] - x[i]),
        |y: &[f64], x: &mut [f64]| {
            (0..short).for_each(|i| x[i] = if i > 0 { y[i - 1] } else { 0.0 } - if i + 1 < short { y[i] } else { 0.0 })
        },
    );
    let fit = Problem::new(&blind).penalty(Penalty::first_difference()).method(HybridLsqr::new()).solve(&b[..short - 1], Gcv).unwrap();
    assert!(fit.x.iter().all(|x| x.is_finite()));
}

// ---- λ by probes ------------------------------------------------------------------------------------------------------

/// Within 5 % of the exact λ or inside the interval that is reported, for every seed, at no more than ten plain solves.
#[test]
fn probes_find_the_lambda_of_gcv() {
    for test in [shaw(64), phillips(64), heat(64), shaw(300), phillips(300), heat(300)] {
        let exact = Problem::new(&test.a).method(Method::Svd).solve(&test.b, Gcv).unwrap();
        let count = Cell::new(0);
        let a = products(&test.a, &count);
        // what one λ costs on the same operator: CGLS, which Auto takes (on heat at n = 64 it ends at its step limit)
        Problem::new(&a).method(Cgls::new().accept_partial()).solve(&test.b, exact.lambda).unwrap();
        let plain = count.get();
        for seed in 1..=3 {
            count.set(0);
            let fit = Problem::new(&a).method(Probes::new().seed(seed)).solve(&test.b, Gcv).unwrap();
            let criterion = &fit.report.criteria[0];
            let (low, high) = criterion.interval.unwrap();
            let used = criterion.probes.unwrap();
            let Test { name, .. } = test;
            assert!(low <= fit.lambda && fit.lambda <= high);
            assert!(
                (low <= exact.lambda && exact.lambda <= high) || (fit.lambda / exact.lambda - 1.0).abs() < 0.05,
                "{name}: λ {:e} in [{low:e}, {high:e}], exactly {:e}",
                fit.lambda,
                exact.lambda
            );
            assert_eq!(used.seed, seed);
            assert!(used.products <= count.get());
            assert!(count.get() <= 10 * plain, "{name}: {} products, a plain solve {plain}, {used:?}", count.get());
            // and the solution is the one at that λ
            let there = Problem::new(&test.a).method(Method::Svd).solve(&test.b, fit.lambda).unwrap();
            assert!(distance(&fit.x, &there.x) < 1e-8 * norm(&there.x), "{name}");
            // zᴴHz has the variance 2‖H‖² ≤ 2·dof at most
            let (dof, expected) = (fit.dof.unwrap(), there.dof.unwrap());
            let deviation = (2.0 * expected / used.count.max(1) as f64).sqrt();
            assert!((dof - expected).abs() < 3.0 * deviation, "{name}: {dof}, exactly {expected}");
        }
    }
}

/// The rules that look at more than two traces (log det(I − H) for the evidence, tr RRᴴ for strong robust GCV, tr H alone for a number of
/// degrees of freedom) by the same probes: the λ of all singular values, in the interval or within 5 %.
#[test]
fn probes_serve_rules_that_look_at_the_spectrum() {
    for test in [phillips(300), difference(400)] {
        let count = Cell::new(0);
        let a = products(&test.a, &count);
        let noise = 0.01 * norm(&test.b) / (test.b.len() as f64).sqrt();
        let rules: [Choice; 4] =
            [Evidence.into(), Evidence::noise_std(noise).into(), Gcv.strong_robust(0.9).into(), EffectiveDof(12.0).into()];
        for rule in rules {
            let exact = Problem::new(&test.a).method(Method::Svd).solve(&test.b, rule).unwrap();
            let fit = Problem::new(&a).method(Probes::new().seed(3)).solve(&test.b, rule).unwrap();
            let (low, high) = fit.report.criteria[0].interval.unwrap();
            assert!(
                (low <= exact.lambda && exact.lambda <= high) || (fit.lambda / exact.lambda - 1.0).abs() < 0.05,
                "{} {rule}: {:e} in [{low:e}, {high:e}], exactly {:e}",
                test.name,
                fit.lambda,
                exact.lambda
            );
        }
    }
}

/// With a penalty in standard form: the interval has the λ of the dense engines, and x is the minimiser at the λ that was found.
#[test]
fn probes_with_a_penalty() {
    for test in [phillips(300), heat(300)] {
        for penalty in [Penalty::first_difference, Penalty::second_difference] {
            let exact = Problem::new(&test.a).penalty(penalty()).intercept().method(Method::Svd).solve(&test.b, Gcv).unwrap();
            let count = Cell::new(0);
            let a = products(&test.a, &count);
            let fit = Problem::new(&a).penalty(penalty()).intercept().method(Probes::new()).solve(&test.b, Gcv).unwrap();
            let (low, high) = fit.report.criteria[0].interval.unwrap();
            assert!(
                (low <= exact.lambda && exact.lambda <= high) || (fit.lambda / exact.lambda - 1.0).abs() < 0.05,
                "{} {:?}: λ {:e} in [{low:e}, {high:e}], exactly {:e}",
                test.name,
                penalty(),
                fit.lambda,
                exact.lambda
            );
            let there = Problem::new(&test.a).penalty(penalty()).intercept().method(Method::Qr).solve(&test.b, fit.lambda).unwrap();
            assert!(distance(&fit.x, &there.x) < 1e-6 * norm(&there.x), "{}: {:e}", test.name, distance(&fit.x, &there.x) / norm(&there.x));
            assert!((fit.dof.unwrap() - there.dof.unwrap()).abs() < 0.2 * there.dof.unwrap(), "{} {:?}", test.name, fit.dof);
        }
    }
}

/// The same seed, the same bits; an intercept, weights and a prior mean on the way.
#[test]
fn probes_are_deterministic_and_see_the_whole_problem() {
    let test = phillips(300);
    let mut b = test.b.clone();
    b.iter_mut().for_each(|b| *b += 7.0);
    let weights: Vec<f64> = (0..300).map(|i| 1.0 + (i % 4) as f64).collect();
    let mean = vec![0.1; 300];
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    fn dress<'a>(problem: Problem<'a, f64>, weights: &[f64], mean: &[f64]) -> Problem<'a, f64> {
        problem.weights(weights).prior_mean(mean).intercept()
    }
    let exact = dress(Problem::new(&test.a), &weights, &mean).method(Method::Svd).solve(&b, Gcv).unwrap();
    let solve = || dress(Problem::new(&a), &weights, &mean).solve(&b, Gcv).unwrap();
    let fit = solve();
    assert_eq!(fit.report.method, "LSMR with random probes");
    let (low, high) = fit.report.criteria[0].interval.unwrap();
    assert!(
        (low <= exact.lambda && exact.lambda <= high) || (fit.lambda / exact.lambda - 1.0).abs() < 0.05,
        "λ {:e} in [{low:e}, {high:e}], exactly {:e}",
        fit.lambda,
        exact.lambda
    );
    assert!((fit.intercept - exact.intercept).abs() < 0.05 * exact.intercept.abs());
    assert_eq!(solve().x, fit.x);
    assert!(fit.report.to_string().contains("probes (seed 1)"), "{}", fit.report);
}

/// What a wrong minimum count of probes, an unknown accuracy, and too few probes do.
#[test]
fn probes_say_when_they_are_too_few() {
    let test = heat(300);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    let fit = Problem::new(&a).method(Probes::new().max_probes(4).accuracy(1e-6)).solve(&test.b, Gcv).unwrap();
    let uncertain = |w: &Warning| matches!(w, Warning::UncertainLambda { probes: 4, .. });
    assert!(fit.report.warnings.iter().any(uncertain), "{}", fit.report);
    for (options, word) in [
        (Probes::new().max_probes(3), "at least 4"),
        (Probes::new().accuracy(0.0), "accuracy"),
        (Probes::new().accuracy(f64::NAN), "accuracy"),
        (Probes::new().max_steps(0), "max_steps"),
    ] {
        let error = Problem::new(&a).method(options).solve(&test.b, Gcv).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mut free = vec![1.0; 300];
    free[..9].fill(0.0);
    let nine = Problem::new(&a).penalty(Penalty::diagonal(&free)).method(Probes::new()).solve(&test.b, Gcv);
    assert!(nine.unwrap_err().to_string().contains("HybridLsqr"));
}

/// Small: written out, and so exact and with every rule.
#[test]
fn a_small_operator_is_written_out() {
    for (m, n) in [(60, 30), (30, 60)] {
        let numbers = noise(2 * m * n, 3);
        let a = Dense::from_fn(m, n, |i, j| c64::new(numbers[j * m + i], numbers[m * n + j * m + i]));
        let b: Vec<c64> = noise(m, 4).into_iter().map(|v| c64::new(v, 1.0)).collect();
        let free = from_fn(m, n, |x: &[c64], y: &mut [c64]| a.apply(x, y), |y: &[c64], x: &mut [c64]| a.apply_adjoint(y, x));
        let rules: [Choice; 2] = [Gcv.into(), Loo.into()];
        for rule in rules {
            let (fit, expected) = (Problem::new(&free).solve(&b, rule).unwrap(), Problem::new(&a).solve(&b, rule).unwrap());
            assert!((fit.lambda / expected.lambda - 1.0).abs() < 1e-9, "{rule}");
            assert_eq!(fit.rank, expected.rank);
        }
    }
}

// ---- a blur: unknowns in the thousands --------------------------------------------------------------------------------

/// A 2-d Gaussian blur of an image n×n, separable, with zeros outside: products alone. The dense matrix of one direction.
fn line_blur(n: usize, width: f64) -> Vec<f64> {
    let weight = |d: f64| (-0.5 * (d / width).powi(2)).exp() / (width * (2.0 * std::f64::consts::PI).sqrt());
    (0..n * n).map(|k| weight((k % n) as f64 - (k / n) as f64)).collect()
}

/// Y = KXKᵀ by two passes over the image.
fn separable(k: &[f64], n: usize, x: &[f64], y: &mut [f64]) {
    let mut half = vec![0.0; n * n];
    for column in 0..n {
        for inner in 0..n {
            let weight = x[column * n + inner];
            for i in 0..n {
                half[column * n + i] += k[inner * n + i] * weight;
            }
        }
    }
    y.fill(0.0);
    for column in 0..n {
        for inner in 0..n {
            let weight = k[inner * n + column];
            for i in 0..n {
                y[column * n + i] += half[inner * n + i] * weight;
            }
        }
    }
}

/// A picture with edges and slopes.
fn picture(n: usize) -> Vec<f64> {
    (0..n * n)
        .map(|t| {
            let (i, j) = ((t % n) as f64 / n as f64 - 0.5, (t / n) as f64 / n as f64 - 0.5);
            let disc = if (i + 0.1).hypot(j - 0.1) < 0.2 { 0.7 } else { 0.0 };
            let bar = if i > 0.15 && i < 0.3 && j.abs() < 0.35 { 1.0 } else { 0.0 };
            disc + bar + 0.3 * (1.0 + i + j)
        })
        .collect()
}

/// GCV of the separable blur, exactly: the singular values are the products of those of one direction.
fn exact_gcv(k: &[f64], n: usize, b: &[f64]) -> f64 {
    let eigen = faer::Mat::from_fn(n, n, |i, j| k[j * n + i]);
    let svd = eigen.svd().unwrap();
    let (u, s) = (svd.U(), svd.S().column_vector());
    let b = faer::Mat::from_fn(n, n, |i, j| b[j * n + i]);
    let rotated = u.transpose() * &b * u;
    let gcv = |lambda: f64| {
        let (mut rho, mut trace) = (0.0, 0.0);
        for i in 0..n {
            for j in 0..n {
                let sigma = s[i] * s[j];
                let f = lambda / (sigma * sigma + lambda);
                rho += (f * rotated[(i, j)]).powi(2);
                trace += f;
            }
        }
        rho / (trace * trace)
    };
    // golden section on log λ after a scan
    let grid: Vec<f64> = (0..200).map(|k| 10f64.powf(-8.0 + 0.05 * k as f64)).collect();
    let best = (0..200).min_by(|&a, &b| gcv(grid[a]).total_cmp(&gcv(grid[b]))).unwrap();
    let (mut low, mut high) = (grid[best.max(1) - 1].ln(), grid[(best + 1).min(199)].ln());
    for _ in 0..80 {
        let (a, b) = (low + 0.382 * (high - low), low + 0.618 * (high - low));
        if gcv(a.exp()) < gcv(b.exp()) { high = b } else { low = a }
    }
    low.exp()
}

#[test]
fn a_blurred_picture() {
    let n = 64;
    let k = line_blur(n, 1.5);
    let truth = picture(n);
    let mut b = vec![0.0; n * n];
    separable(&k, n, &truth, &mut b);
    let e = noise(n * n, 3);
    let factor = 0.01 * norm(&b) / norm(&e);
    b.iter_mut().zip(&e).for_each(|(b, e)| *b += factor * e);
    let count = Cell::new(0);
    let product = |x: &[f64], y: &mut [f64]| {
        count.set(count.get() + 1);
        separable(&k, n, x, y)
    };
    let a = from_fn(n * n, n * n, product, product);
    let error = |x: &[f64]| distance(x, &truth) / norm(&truth);
    let exact = exact_gcv(&k, n, &b);
    let plain = Problem::new(&a).solve(&b, exact).unwrap();
    let plain_products = count.replace(0);
    // probes
    let fit = Problem::new(&a).solve(&b, Gcv).unwrap();
    let (low, high) = fit.report.criteria[0].interval.unwrap();
    assert!(
        (low <= exact && exact <= high) || (fit.lambda / exact - 1.0).abs() < 0.05,
        "λ {:e} in [{low:e}, {high:e}], exactly {exact:e}",
        fit.lambda
    );
    assert!(count.get() <= 10 * plain_products, "{} products, a plain solve {plain_products}", count.get());
    // hybrid: the error of the exact λ, and no semiconvergence
    let hybrid = Problem::new(&a).method(HybridLsqr::new()).solve(&b, Gcv).unwrap();
    assert!(error(&hybrid.x) < 1.05 * error(&plain.x), "{} and {}", error(&hybrid.x), error(&plain.x));
    let steps = hybrid.report.steps.unwrap();
    let later = Problem::new(&a).method(HybridLsqr::new().steps(steps + 100)).solve(&b, Gcv).unwrap();
    assert!((error(&later.x) / error(&hybrid.x) - 1.0).abs() < 0.01, "{} then {}", error(&hybrid.x), error(&later.x));
}

// ---- penalties of coefficients that are no squares --------------------------------------------------------------------

/// Flexible LSQR ends where coordinate descent does on the same A written out: under weights, a prior mean, an intercept, weighted
/// coefficients and sums, in every scalar type.
fn flexible_agrees<T: Scalar>(tolerance: f64) {
    let (m, n, lambda) = (40, 25, 12.0);
    let real = T::Real::from_f64;
    let numbers = noise(2 * (m * n + m + n), 21);
    let scalar = |k: usize| T::from_parts(real(numbers[2 * k]), real(numbers[2 * k + 1]));
    let a = Dense::from_fn(m, n, |i, j| scalar(j * m + i));
    let b: Vec<T> = (0..m).map(|i| scalar(m * n + i) + a.at(i, 3).scale(real(3.0)) - a.at(i, 7).scale(real(2.0))).collect();
    let mean: Vec<T> = (0..n).map(|j| scalar(m * n + m + j).scale(real(0.1))).collect();
    let weights: Vec<T::Real> = (0..m).map(|i| real(0.5 + (i % 3) as f64)).collect();
    let sizes: Vec<T::Real> = (0..n).map(|j| real(0.5 + (j % 4) as f64)).collect();
    let free = from_fn(m, n, |x: &[T], y: &mut [T]| a.apply(x, y), |y: &[T], x: &mut [T]| a.apply_adjoint(y, x));
    let sum = || Penalty::sum([(1.0, Penalty::identity().l1()), (0.3, Penalty::diagonal(&sizes))]);
    // power(1.0) is the same R as l1()
    let penalties: [(Penalty<'_, T>, Penalty<'_, T>); 4] = [
        (Penalty::identity().power(1.0), Penalty::identity().l1()),
        (Penalty::identity().elastic_net(0.7), Penalty::identity().elastic_net(0.7)),
        (Penalty::diagonal(&sizes).l1(), Penalty::diagonal(&sizes).l1()),
        (sum(), sum()),
    ];
    let data = b.iter().zip(&weights).map(|(b, w)| b.modulus_squared().to_f64() * w.to_f64()).sum::<f64>();
    for (k, (penalty, same)) in penalties.into_iter().enumerate() {
        let exact = Problem::new(&a).penalty(same).weights(&weights).prior_mean(&mean).intercept().solve(&b, lambda).unwrap();
        let method = FlexibleLsqr::new().tolerance(tolerance).max_steps(2000);
        let problem = Problem::new(&free).penalty(penalty).weights(&weights).prior_mean(&mean).intercept().method(method);
        let fit = problem.solve(&b, lambda).unwrap();
        assert_eq!(fit.report.stop, Some(Stop::Tolerance), "{k}");
        let gap = fit.report.duality_gap.unwrap();
        assert!(gap <= 2.0 * tolerance * data, "{k}: gap {gap:e}");
        let objective = |residual: f64, penalty: f64| residual.powi(2) + lambda * penalty.powi(2);
        let (here, least) = (objective(fit.residual_norm, fit.penalty_norm), objective(exact.residual_norm, exact.penalty_norm));
        let rounding = 100.0 * T::Real::EPSILON.to_f64() * data;
        assert!(here >= least - rounding && here - least <= gap + rounding, "{k}: {here} and {least}, gap {gap:e}");
        let there = distance(&fit.x, &exact.x) / norm(&exact.x);
        assert!(there <= 30.0 * tolerance.sqrt(), "{k}: {there:e}");
        let stated = fit.report.reweighted[0].objective;
        assert!((stated - here).abs() <= 1e-4 * here, "{k}: {stated} is not {here}");
        if k == 0 {
            let path = problem.path(&b, [lambda, 2.0 * lambda]).unwrap();
            assert_eq!(path[0].x, fit.x);
            assert!(path[1].penalty_norm < fit.penalty_norm);
        }
    }
}

#[test]
fn flexible_lsqr_ends_at_the_minimiser() {
    flexible_agrees::<f64>(1e-9);
    flexible_agrees::<c64>(1e-8);
    flexible_agrees::<f32>(1e-5);
}

/// Spikes, blurred, 1 % noise, of which products alone are known: ℓ1 finds what no λ with ‖x‖² does; the discrepancy has its residual; a
/// power below 1 goes further still; weighted GCV of the small problem is of the same kind as on squares.
#[test]
fn blurred_spikes() {
    let n = 32;
    let k = line_blur(n, 1.5);
    let mut truth = vec![0.0; n * n];
    (0..14).for_each(|s| truth[(37 + 73 * s) % (n * n)] = 1.0 + 0.2 * s as f64);
    let mut b = vec![0.0; n * n];
    separable(&k, n, &truth, &mut b);
    let e = noise(n * n, 3);
    let factor = 0.01 * norm(&b) / norm(&e);
    b.iter_mut().zip(&e).for_each(|(b, e)| *b += factor * e);
    let product = |x: &[f64], y: &mut [f64]| separable(&k, n, x, y);
    let a = from_fn(n * n, n * n, product, product);
    let error = |x: &[f64]| distance(x, &truth) / norm(&truth);
    let squares = wellposed::log_grid(1e-6..=1e-1, 16).map(|lambda| error(&Problem::new(&a).solve(&b, lambda).unwrap().x));
    let best = squares.fold(f64::INFINITY, f64::min);
    let lasso = || Problem::new(&a).penalty(Penalty::identity().l1());
    let lambda = 2e-3;
    let data = norm(&b).powi(2);
    let fit = lasso().method(FlexibleLsqr::new()).solve(&b, lambda).unwrap();
    assert!(error(&fit.x) < 0.5 * best, "{} and {best}", error(&fit.x));
    assert!(fit.report.duality_gap.unwrap() <= 1.1e-6 * data, "{:?}", fit.report.duality_gap);
    assert_eq!(fit.report.stop, Some(Stop::Tolerance));
    // reweighting comes to a standstill between 1e-4 and 1e-5; the support with its signs goes to the last digits, and coordinate descent on the
    // columns written out has the same
    let tight = lasso().method(FlexibleLsqr::new().tolerance(1e-11)).solve(&b, lambda).unwrap();
    assert!(tight.report.duality_gap.unwrap() <= 1.1e-11 * data, "{:?}", tight.report.duality_gap);
    let columns = Dense::from_fn(n * n, n * n, |i, j| {
        let at = |i: usize, j: usize| k[j * n + i];
        at(i % n, j % n) * at(i / n, j / n)
    });
    let exact = Problem::new(&columns).penalty(Penalty::identity().l1()).solve(&b, lambda).unwrap();
    let far = distance(&tight.x, &exact.x) / norm(&exact.x);
    assert!(far < 1e-4, "{far:e} from coordinate descent");
    let support = |x: &[f64]| x.iter().filter(|x| **x != 0.0).count();
    assert_eq!(support(&tight.x), support(&exact.x));
    // the discrepancy
    let delta = factor * norm(&e);
    let found = lasso().method(FlexibleLsqr::new().max_steps(1500)).solve(&b, Discrepancy::noise_norm(delta)).unwrap();
    assert_eq!(found.report.stop, Some(Stop::Settled));
    assert!((found.residual_norm / delta - 1.0).abs() < 1e-2);
    assert!(error(&found.x) < 0.6 * best);
    let again = lasso().method(FlexibleLsqr::new()).solve(&b, found.lambda).unwrap();
    assert!(distance(&again.x, &found.x) < 0.05 * norm(&found.x));
    // weighted GCV, asked for by name
    let weighted = FlexibleLsqr::new().gcv(ProjectedGcv::Weighted).max_steps(200).accept_partial();
    let weighted = lasso().method(weighted).solve(&b, Gcv).unwrap();
    assert!(error(&weighted.x) < 0.6 * best);
    // p = 1/2: a local minimum, that of the growing space that reweights without the weights as a preconditioner or a better one
    let half = || Problem::new(&a).penalty(Penalty::identity().power(0.5));
    let other = half().solve(&b, lambda).unwrap();
    let fit = half().method(FlexibleLsqr::new()).solve(&b, lambda).unwrap();
    let (here, there) = (fit.report.reweighted[0].objective, other.report.reweighted[0].objective);
    assert!(here <= 1.02 * there, "{here} and {there}");
    assert!(fit.report.warnings.contains(&Warning::LocalMinimum));
}

/// steps(k), the observer, a truth, what is not reached, and every refusal with its way out.
#[test]
fn flexible_lsqr_keeps_to_its_options() {
    let test = phillips(300);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    let lasso = |method: FlexibleLsqr| Problem::new(&a).penalty(Penalty::identity().l1()).method(method);
    let new = FlexibleLsqr::new;
    let fit = lasso(new().steps(12).compare_with(&test.x)).solve(&test.b, 1e-2).unwrap();
    assert_eq!((fit.report.steps, fit.report.stop), (Some(12), Some(Stop::Steps)));
    // two products a step, one for Aᴴb, two for the residuals in the end
    assert_eq!(count.replace(0), 2 * 12 + 1 + 2);
    let errors = fit.report.comparison.unwrap().errors;
    assert_eq!(errors.len(), 12);
    assert!((errors[11] - distance(&fit.x, &test.x) / norm(&test.x)).abs() < 1e-9);
    let mut seen = 0;
    let watched = lasso(new()).solve_with(&test.b, 1e-2, |step| {
        seen = step.index;
        if seen == 5 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    assert_eq!((watched.unwrap().report.stop, seen), (Some(Stop::Observer), 5));
    let text = |result: Result<wellposed::Solution<f64, Vec<f64>>, Error>| result.unwrap_err().to_string();
    assert!(text(lasso(new().max_steps(4)).solve(&test.b, 1e-2)).contains("max_steps"));
    let partial = lasso(new().max_steps(4).accept_partial()).solve(&test.b, 1e-2).unwrap();
    assert!(partial.report.warnings.iter().any(|w| matches!(w, Warning::Partial { .. })));
    assert!(partial.report.duality_gap.unwrap() > 0.0);
    let zero = lasso(new()).solve(&vec![0.0; 300], 1e-2).unwrap();
    assert!(zero.x.iter().all(|x| *x == 0.0) && zero.report.stop == Some(Stop::Zero) && zero.report.duality_gap == Some(0.0));
    for (error, word) in [
        (text(lasso(new()).solve(&test.b, 0.0)), "Lsqr::new()"),
        (text(lasso(new()).solve(&test.b, Gcv)), "ProjectedGcv::Weighted"),
        (text(lasso(new()).solve(&test.b, Evidence)), "Discrepancy"),
        (text(lasso(new()).bounds(0.0..).solve(&test.b, 1e-2)), "CoordinateDescent::new()"),
        (text(lasso(new()).misfit(wellposed::Misfit::huber(1.0)).solve(&test.b, 1e-2)), "misfit"),
        (text(lasso(new()).require_full_rank().solve(&test.b, 1e-2)), "require_full_rank"),
        (text(Problem::new(&a).method(new()).solve(&test.b, 1e-2)), "HybridLsqr::new()"),
        (text(Problem::new(&a).penalty(Penalty::first_difference().l1()).method(new()).solve(&test.b, 1e-2)), "power(1.0)"),
        (text(Problem::new(&a).penalty(Penalty::identity().group_lasso(&[0; 300])).method(new()).solve(&test.b, 1e-2)), "l1()"),
        (text(lasso(new().max_basis(7)).solve(&test.b, 1e-2)), "at least 8"),
    ] {
        assert!(error.contains(word), "{error}");
    }
    assert!(lasso(new()).factorize().is_err() && Problem::new(&a).method(new()).factorize().is_err());
    assert_eq!(lasso(new()).plan(1e-2).unwrap().method, "flexible LSQR");
}

// ---- what goes wrong --------------------------------------------------------------------------------------------------

#[test]
fn products_that_are_wrong() {
    let test = phillips(300);
    let a = &test.a;
    let methods: [Method; 4] =
        [HybridLsqr::new().into(), HybridLsmr::new().into(), HybridLsqr::new().max_basis(20).into(), Probes::new().into()];
    for method in methods {
        // NaN from the fourth product on
        let count = Cell::new(0);
        let bad = |v: &mut [f64]| {
            count.set(count.get() + 1);
            if count.get() >= 9 {
                v[7] = f64::NAN;
            }
        };
        let broken = from_fn(
            300,
            300,
            |x: &[f64], y: &mut [f64]| {
                a.apply(x, y);
                bad(y)
            },
            |y: &[f64], x: &mut [f64]| {
                a.apply_adjoint(y, x);
                bad(x)
            },
        );
        let error = Problem::new(&broken).method(method.clone()).solve(&test.b, Gcv).unwrap_err();
        assert!(matches!(error, Error::NonFinite { index: wellposed::error::Size::Step(step), .. } if step > 0), "{method}: {error}");
        assert!(error.to_string().contains("dot_test"), "{error}");
        // a transpose that is none
        let wrong = from_fn(
            300,
            300,
            |x: &[f64], y: &mut [f64]| a.apply(x, y),
            |y: &[f64], x: &mut [f64]| {
                a.apply_adjoint(y, x);
                x.rotate_left(5);
            },
        );
        let error = Problem::new(&wrong).method(method.clone()).solve(&test.b, Gcv).unwrap_err();
        assert!(error.to_string().contains("dot_test"), "{method}: {error}");
    }
}

#[test]
fn options_that_are_refused() {
    let test = phillips(300);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    for (options, word) in [
        (HybridLsqr::new().tolerance(1.0), "tolerance"),
        (HybridLsqr::new().settle(0.0), "settled"),
        (HybridLsqr::new().settle(f64::NAN), "settled"),
        (HybridLsqr::new().max_steps(0), "steps"),
        (HybridLsqr::new().steps(0), "steps"),
        (HybridLsqr::new().max_basis(7), "at least 8"),
        (HybridLsqr::new().steps(5).tolerance(1e-3), "another way to end"),
        (HybridLsqr::new().compare_with(&[1.0, f64::NAN]), "entry 1"),
        (HybridLsqr::new().compare_with(&[1.0; 3]), "of length 300"),
        (HybridLsqr::new().max_steps(2), "max_steps"),
    ] {
        let error = Problem::new(&a).method(options).solve(&test.b, Gcv).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let refused = |result: Result<wellposed::Solution<f64, Vec<f64>>, Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    };
    refused(Problem::new(&a).method(HybridLsqr::new()).solve(&test.b, Loo));
    refused(Problem::new(&a).method(HybridLsqr::new()).require_full_rank().solve(&test.b, Gcv));
    refused(Problem::new(&a).method(HybridLsmr::new()).penalty(Penalty::first_difference()).solve(&test.b, Gcv));
    refused(Problem::new(&a).method(HybridLsmr::new().max_basis(10)).solve(&test.b, 0.1));
    // zero data, zero operator
    assert!(Problem::new(&a).method(HybridLsqr::new()).solve(&vec![0.0; 300], 0.1).unwrap().x.iter().all(|x| *x == 0.0));
    let error = Problem::new(&a).method(HybridLsqr::new()).solve(&vec![0.0; 300], Gcv).unwrap_err();
    assert!(matches!(error, Error::NoLambda { .. }), "{error}");
    let partial = Problem::new(&a).method(HybridLsqr::new().max_steps(6).accept_partial()).solve(&test.b, Gcv).unwrap();
    assert_eq!(partial.report.stop, Some(Stop::StepLimit));
    assert!(partial.report.warnings.iter().any(|w| matches!(w, Warning::Partial { .. })));
}

/// The observer sees every step, and may end it.
#[test]
fn the_observer() {
    let test = phillips(300);
    let count = Cell::new(0);
    let a = products(&test.a, &count);
    for method in [Method::from(HybridLsqr::new()), HybridLsqr::new().max_basis(30).into()] {
        let mut norms = Vec::new();
        let fit = Problem::new(&a)
            .method(method)
            .solve_with(&test.b, Gcv, |step| {
                assert_eq!(step.index, norms.len() + 1);
                norms.push(step.residual_norm);
                if step.index == 9 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!((norms.len(), fit.report.stop), (9, Some(Stop::Observer)));
        assert!((norms[8] / fit.residual_norm - 1.0).abs() < 1e-9);
    }
}
