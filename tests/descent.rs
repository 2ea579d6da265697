//! Weight decay: where the descents end, which λ that is, and where it is none.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::ops::ControlFlow;
use wellposed::descent::{Adam, Decay, Descent, GradientDescent, Scaling, Sgd};
use wellposed::{
    DenseView, Error, Lambda, Method, Operator, Penalty, Problem, Scalar, Stop, c64, operator, ridge, ridge_batch, solve_batch,
};

const SCALINGS: [Scaling; 4] = [Scaling::SumSquared, Scaling::HalfSumSquared, Scaling::MeanSquared, Scaling::HalfMeanSquared];

/// Uniform numbers in [−1, 1).
fn uniform(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    let size = y.iter().map(|v| v * v).sum::<f64>().sqrt();
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt() / size
}

/// The ridge solution of a decay, for this scaling of the loss, from the normal equations written out and solved by elimination: nothing of
/// this library.
fn by_normal_equations(a: &[f64], b: &[f64], n: usize, lambda: f64, factors: &[f64]) -> Vec<f64> {
    let m = b.len();
    let mut system = vec![vec![0.0; n + 1]; n];
    for i in 0..n {
        for j in 0..n {
            system[i][j] = (0..m).map(|k| a[k + i * m] * a[k + j * m]).sum::<f64>() + if i == j { lambda * factors[i] } else { 0.0 };
        }
        system[i][n] = (0..m).map(|k| a[k + i * m] * b[k]).sum();
    }
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| system[i][k].abs().total_cmp(&system[j][k].abs())).unwrap();
        system.swap(k, pivot);
        for i in k + 1..n {
            let factor = system[i][k] / system[k][k];
            for j in k..=n {
                system[i][j] -= factor * system[k][j];
            }
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        x[i] = (system[i][n] - (i + 1..n).map(|j| system[i][j] * x[j]).sum::<f64>()) / system[i][i];
    }
    x
}

/// The conversion as the documentation writes it.
fn documented(scaling: Scaling, decay: f64, m: usize) -> f64 {
    match scaling {
        Scaling::SumSquared => decay / 2.0,
        Scaling::HalfSumSquared => decay,
        Scaling::MeanSquared => decay * m as f64 / 2.0,
        Scaling::HalfMeanSquared => decay * m as f64,
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(48))]

    /// Coupled decay ends at the ridge solution with λ by the documented conversion, for each scaling and each kind of momentum; so does
    /// decoupled decay with a constant step, with 1 − β times the decay.
    #[test]
    fn coupled_decay_is_ridge(
        seed in any::<u64>(),
        m in 6usize..25,
        n in 1usize..5,
        scaling in 0usize..4,
        momentum in 0usize..3,
        decoupled in any::<bool>(),
        strength in -1.5f64..0.5,
        groups in any::<bool>(),
    ) {
        let (a, b) = (uniform(seed, m * n), uniform(!seed, m));
        let view = DenseView::column_major(&a, m, n).unwrap();
        let scaling = SCALINGS[scaling];
        // a decay that is felt: a fraction of the curvature
        let lambda = 10f64.powf(strength) * m as f64 / 3.0;
        let beta = [0.0, 0.5, 0.7][momentum];
        let decay = lambda / documented(scaling, 1.0, m) / if decoupled { 1.0 - beta } else { 1.0 };
        let factors: Vec<f64> = (0..n).map(|j| if groups { 0.5 + j as f64 } else { 1.0 }).collect();
        let how = if decoupled { Decay::decoupled(decay) } else { Decay::coupled(decay) };
        let how = if groups { how.factors(&factors) } else { how };
        let method = GradientDescent::new().loss(scaling).decay(how).tolerance(1e-11);
        let method = match momentum {
            0 => method,
            1 => method.heavy_ball(beta),
            _ => method.nesterov(beta),
        };
        let run = method.run(&view, &b).unwrap();
        let expected = by_normal_equations(&a, &b, n, lambda, &factors);
        prop_assert!(distance(&run.x, &expected) < 1e-9, "{} {:?} {:?}", distance(&run.x, &expected), run, expected);
        prop_assert!((run.decay_lambda.unwrap() - lambda).abs() < 1e-12 * lambda);
        let effective = run.effective.unwrap();
        prop_assert!((effective.lambda - lambda).abs() < 1e-8 * lambda && effective.misfit < 1e-7, "{effective:?} {lambda}");
        prop_assert_eq!(run.stop, Stop::Tolerance);
        // and the ridge call says the same
        let fit = Problem::new(&view).penalty(Penalty::diagonal(&factors.iter().map(|f| f.sqrt()).collect::<Vec<_>>()))
            .solve(&b, Lambda::weight_decay(if decoupled { decay * (1.0 - beta) } else { decay }, scaling.loss(m))).unwrap();
        prop_assert!(distance(&fit.x, &expected) < 1e-11);
    }

    /// Early-stopped gradient descent has the filter factors 1 − (1 − ησ²)ᵏ on the singular vectors, and with decay the closed form.
    #[test]
    fn early_stopping_is_a_filter(seed in any::<u64>(), n in 1usize..6, steps in 1usize..60, decay in 0.0f64..0.5, scaling in 0usize..4) {
        // A = Q·diag(σ)·Pᵀ from two rotations by products of reflections, so that σ, u and v are known without a decomposition
        let m = n + 3;
        let values: Vec<f64> = (0..n).map(|i| 0.9f64.powi(3 * i as i32)).collect();
        let (left, right) = (reflection(seed, m), reflection(seed ^ 1, n));
        let a: Vec<f64> = (0..m * n).map(|k| (0..n).map(|i| left[k % m][i] * values[i] * right[k / m][i]).sum()).collect();
        let view = DenseView::column_major(&a, m, n).unwrap();
        let b = uniform(seed ^ 2, m);
        let scaling = SCALINGS[scaling];
        let c = 1.0 / documented(scaling, 1.0, m);
        let eta = 0.8 / (c + decay);
        let run = GradientDescent::new().loss(scaling).decay(Decay::coupled(decay)).step(eta).steps(steps).run(&view, &b).unwrap();
        prop_assert_eq!((run.steps, run.stop), (steps, Stop::Steps));
        for i in 0..n {
            let beta: f64 = (0..m).map(|k| left[k][i] * b[k]).sum();
            let coefficient: f64 = (0..n).map(|j| right[j][i] * run.x[j]).sum();
            let square = c * values[i] * values[i];
            let phi = square / (square + decay) * (1.0 - (1.0 - eta * (square + decay)).powi(steps as i32));
            if decay == 0.0 {
                prop_assert!((phi - (1.0 - (1.0 - eta * square).powi(steps as i32))).abs() < 1e-14);
            }
            prop_assert!((coefficient - phi * beta / values[i]).abs() < 1e-12 * (1.0 + beta.abs() / values[i]));
            prop_assert!((run.filter_factor(values[i]).unwrap() - phi).abs() < 1e-12);
        }
    }
}

/// The columns of a random orthogonal matrix: I − 2vvᵀ/‖v‖².
fn reflection(seed: u64, n: usize) -> Vec<Vec<f64>> {
    let v = uniform(seed, n);
    let square: f64 = v.iter().map(|v| v * v).sum();
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square).collect()).collect()
}

/// 40×3 with b in parts outside its range.
fn data() -> (Vec<f64>, Vec<f64>) {
    let a = uniform(1, 120);
    let b = (0..40).map(|i| 3.0 * a[i] - 2.0 * a[40 + i] + 0.5 * a[80 + i]).zip(uniform(2, 40)).map(|(b, e)| b + 0.3 * e).collect();
    (a, b)
}

/// Adam: coupled decay ends at the ridge solution, decoupled does not, and by how much is measured. Its end solves g/(|g| + ε) = −w·x.
#[test]
fn decoupled_decay_differs_for_adam() {
    let (a, b) = data();
    let view = DenseView::column_major(&a, 40, 3).unwrap();
    let adam = || Adam::new().step(0.05).decreasing(300).epochs(60_000);
    let mut differences = Vec::new();
    for decay in [0.05, 0.2, 1.0] {
        let lambda = Lambda::weight_decay(decay, Scaling::MeanSquared.loss(40));
        let expected = ridge(&view, &b, lambda).unwrap().x;
        let least_squares = ridge(&view, &b, 0.0).unwrap().x;
        let coupled = adam().decay(Decay::coupled(decay)).run(&view, &b).unwrap();
        assert!(distance(&coupled.x, &expected) < 1e-6, "{:e}", distance(&coupled.x, &expected));
        let effective = coupled.effective.unwrap();
        assert!((effective.lambda / lambda.value() - 1.0).abs() < 1e-5 && effective.misfit < 1e-5, "{effective:?}");

        let decoupled = adam().decay(Decay::decoupled(decay)).run(&view, &b).unwrap();
        assert_eq!(decoupled.decay_lambda, None);
        let difference = distance(&decoupled.x, &expected);
        // the same decay, through gradient descent, is the ridge solution: it is Adam that makes the difference
        let sgd = GradientDescent::new().decay(Decay::decoupled(decay)).run(&view, &b).unwrap();
        assert!(distance(&sgd.x, &expected) < 1e-6);
        assert!(difference > 0.02, "{difference}");
        differences.push(difference);
        if decay < 0.3 {
            // w·|x| < 1 everywhere: next to no shrinkage
            assert!(decoupled.x.iter().all(|x| decay * x.abs() < 1.0));
            assert!(distance(&decoupled.x, &least_squares) < 1e-4, "{:?} {least_squares:?}", decoupled.x);
        } else {
            // where least squares would have w·|x| > 1, x ends at the bound 1/w
            assert!(decoupled.x.iter().all(|x| decay * x.abs() < 1.0 + 1e-4), "{:?}", decoupled.x);
            assert!((decoupled.x[0].abs() - 1.0 / decay).abs() < 1e-2, "{:?}", decoupled.x);
            assert!(decoupled.effective.unwrap().misfit > 0.05);
        }
    }
    // measured on these data, relative to the norm of x; it is no small effect
    for (found, measured) in differences.iter().zip([0.0919, 0.3652, 0.1967]) {
        assert!((found - measured).abs() < 1e-3, "{differences:?}");
    }
}

/// With a constant step, SGD over blocks settles in a cycle whose distance from the ridge solution is proportional to the step, for coupled
/// and decoupled decay alike; with falling steps it converges.
#[test]
fn sgd_over_blocks() {
    let (a, b) = data();
    let view = DenseView::column_major(&a, 40, 3).unwrap();
    for scaling in SCALINGS {
        let decay = 0.3 / documented(scaling, 1.0, 40) * 4.0;
        let lambda = documented(scaling, decay, 40);
        let expected = ridge(&view, &b, lambda).unwrap().x;
        let unit = 1.0 / documented(scaling, 1.0, 40).recip() / 40.0;
        let error = |how: Decay, step: f64| {
            let run = Sgd::new().loss(scaling).batch(7).decay(how).step(step * unit).epochs(3000).run(&view, &b).unwrap();
            assert_eq!(run.steps, 6 * 3000);
            assert!((run.decay_lambda.unwrap() - lambda).abs() < 1e-12);
            distance(&run.x, &expected)
        };
        for how in [Decay::coupled(decay), Decay::decoupled(decay)] {
            let (large, small) = (error(how.clone(), 0.02), error(how, 0.01));
            assert!(large > 1e-5 && (large / small - 2.0).abs() < 0.3, "{scaling:?} {large} {small}");
        }
        let falling = Sgd::new().loss(scaling).batch(7).shuffled(3).decay(Decay::coupled(decay)).step(0.1 * unit).decreasing(200);
        let run = falling.epochs(20_000).run(&view, &b).unwrap();
        assert!(distance(&run.x, &expected) < 2e-3, "{}", distance(&run.x, &expected));
        // the estimated step is small enough for any block
        let run = Sgd::new().loss(scaling).batch(7).decay(Decay::coupled(decay)).momentum(0.5).epochs(300).run(&view, &b).unwrap();
        assert!(distance(&run.x, &expected) < 0.2, "{}", distance(&run.x, &expected));
    }
    // one block is gradient descent
    let all = Sgd::new().batch(100).step(0.1).epochs(50).run(&view, &b).unwrap();
    let descent = GradientDescent::new().step(0.1).steps(50).run(&view, &b).unwrap();
    assert_eq!(all.x, descent.x);
}

/// A stream of blocks of equal size is the same as blocks in their order; nothing of it is kept.
#[test]
fn a_stream() {
    let (a, b) = data();
    let rows: Vec<f64> = (0..40).flat_map(|i| [a[i], a[40 + i], a[80 + i]]).collect();
    let view = DenseView::row_major(&rows, 40, 3).unwrap();
    let epochs = || (0..25).flat_map(|_| rows.chunks(24).zip(b.chunks(8)).map(|(a, b)| (DenseView::row_major(a, 8, 3).unwrap(), b)));
    for (stream, blocks) in [
        (Sgd::new().step(0.2).nesterov(0.5), Sgd::new().step(0.2).nesterov(0.5).batch(8).epochs(25)),
        (Sgd::new().step(0.2).decreasing(10), Sgd::new().step(0.2).decreasing(10).batch(8).epochs(25)),
    ] {
        let decay = Decay::coupled(0.1).factors(&[1.0, 0.0, 2.0]);
        let (stream, blocks) = (stream.decay(decay.clone()), blocks.decay(decay));
        let (found, expected) = (stream.stream(3, epochs()).unwrap(), blocks.run(&view, &b).unwrap());
        assert!(distance(&found.x, &expected.x) < 1e-13, "{found:?} {expected:?}");
        assert_eq!((found.steps, found.stop, found.effective, found.residual_norm), (125, Stop::Exhausted, None, None));
    }
    let adam = Adam::new().step(0.01);
    let mut seen = 0;
    let found = adam
        .stream_with(3, epochs(), |step| {
            seen = step.index;
            if step.index == 60 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((seen, found.steps, found.stop), (60, 60, Stop::Observer));
    assert!(distance(&found.x, &adam.batch(8).epochs(12).run(&view, &b).unwrap().x) < 1e-13);
}

/// Held-out rows end the run at their least error, which is better than going on.
#[test]
fn held_out_rows_stop_a_run() {
    // more unknowns than rows tell: fitting on is overfitting
    let (m, n) = (30, 25);
    let a = uniform(5, 2 * m * n);
    let truth: Vec<f64> = (0..n).map(|j| if j < 3 { 1.0 } else { 0.0 }).collect();
    let noise = uniform(6, 2 * m);
    let b: Vec<f64> = (0..2 * m).map(|i| (0..n).map(|j| a[i * n + j] * truth[j]).sum::<f64>() + 1.5 * noise[i]).collect();
    let (train, test) = (DenseView::row_major(&a[..m * n], m, n).unwrap(), DenseView::row_major(&a[m * n..], m, n).unwrap());
    let method = GradientDescent::new().loss(Scaling::HalfSumSquared);
    let run = method.run_held_out(&train, &b[..m], &test, &b[m..], 10).unwrap();
    assert_eq!(run.stop, Stop::Settled);
    let least = run.held_out.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(run.held_out[run.best_step - 1], least);
    assert_eq!(run.steps, run.best_step + 10);
    let error = |x: &[f64]| {
        let mut fitted = vec![0.0; m];
        test.apply(x, &mut fitted);
        fitted.iter().zip(&b[m..]).map(|(f, b)| (f - b) * (f - b)).sum::<f64>().sqrt()
    };
    assert!((error(&run.x) - least).abs() < 1e-12);
    let on = method.steps(run.best_step * 50).run(&train, &b[..m]).unwrap();
    assert!(error(&on.x) > 1.2 * least, "{} {least}", error(&on.x));
    // the filter factors are those of the best step
    let phi = run.filter_factor(1.0).unwrap();
    assert!((phi - (1.0 - (1.0 - run.step).powi(run.best_step as i32))).abs() < 1e-14);
}

/// Complex problems, f32, operators that only multiply, an intercept by a group without decay.
#[test]
fn scalars_and_operators() {
    let (m, n) = (12, 3);
    let parts = uniform(9, 2 * m * n + 2 * m);
    let a: Vec<c64> = parts[..2 * m * n].chunks(2).map(|p| c64::new(p[0], p[1])).collect();
    let b: Vec<c64> = parts[2 * m * n..].chunks(2).map(|p| c64::new(p[0], p[1])).collect();
    let view = DenseView::column_major(&a, m, n).unwrap();
    let run = GradientDescent::new().loss(Scaling::SumSquared).decay(Decay::coupled(1.4)).tolerance(1e-11).run(&view, &b).unwrap();
    let fit = ridge(&view, &b, 0.7).unwrap();
    assert!(run.x.iter().zip(&fit.x).all(|(x, y)| (*x - *y).modulus() < 1e-9));
    assert!((run.effective.unwrap().lambda - 0.7).abs() < 1e-8);
    let adam = Adam::new().loss(Scaling::SumSquared).decay(Decay::coupled(1.4)).step(0.05).decreasing(300).epochs(100_000).tolerance(1e-6);
    assert!(adam.run(&view, &b).unwrap().x.iter().zip(&fit.x).all(|(x, y)| (*x - *y).modulus() < 1e-5));

    let single: Vec<f32> = a.iter().map(|v| v.re as f32).collect();
    let data: Vec<f32> = b.iter().map(|v| v.re as f32).collect();
    let view = DenseView::column_major(&single, m, n).unwrap();
    let products =
        operator::from_fn(m, n, |x: &[f32], y: &mut [f32]| view.apply(x, y), |y: &[f32], x: &mut [f32]| view.apply_adjoint(y, x));
    let run =
        GradientDescent::new().loss(Scaling::HalfMeanSquared).decay(Decay::coupled(0.1)).tolerance(1e-5).run(&products, &data).unwrap();
    let fit = ridge(&view, &data, 1.2).unwrap();
    assert!(run.x.iter().zip(&fit.x).all(|(x, y)| (x - y).abs() < 1e-4));

    let with_ones: Vec<f32> = single.iter().copied().chain([1.0; 12]).collect();
    let augmented = DenseView::column_major(&with_ones, m, n + 1).unwrap();
    let decay = Decay::coupled(0.1).factors(&[1.0, 1.0, 1.0, 0.0]);
    let run = GradientDescent::new().loss(Scaling::HalfMeanSquared).decay(decay).tolerance(1e-5).run(&augmented, &data).unwrap();
    let fit = Problem::new(&view).intercept().solve(&data, 1.2).unwrap();
    assert!((run.x[3] - fit.intercept).abs() < 1e-3 && (run.x[0] - fit.x[0]).abs() < 1e-3, "{run:?} {fit:?}");
}

#[test]
fn what_is_refused() {
    let (a, b) = data();
    let view = DenseView::column_major(&a, 40, 3).unwrap();
    let products =
        operator::from_fn(40, 3, |x: &[f64], y: &mut [f64]| view.apply(x, y), |y: &[f64], x: &mut [f64]| view.apply_adjoint(y, x));
    let refused = |result: wellposed::Result<Descent<f64>>, word: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        error
    };
    let descent = GradientDescent::new;
    refused(descent().run(&view, &b[1..]), "one right-hand side");
    refused(descent().run(&view, &vec![f64::NAN; 40]), "b has");
    refused(descent().step(0.0).run(&view, &b), "step size");
    refused(descent().step(f64::NAN).run(&view, &b), "step size");
    refused(descent().heavy_ball(1.0).run(&view, &b), "β");
    refused(descent().decay(Decay::coupled(-1.0)).run(&view, &b), "weight decay");
    refused(descent().decay(Decay::coupled(1.0).factors(&[1.0])).run(&view, &b), "one factor for each column");
    refused(descent().decay(Decay::coupled(1.0).factors(&[1.0, -1.0, 1.0])).run(&view, &b), "decay factor");
    refused(descent().tolerance(1.0).run(&view, &b), "tolerance");
    refused(descent().steps(0).run(&view, &b), "at least 1");
    let error = refused(descent().max_steps(3).run(&view, &b), "allow more steps");
    assert!(matches!(error, Error::NotConverged { steps: 3, .. }));
    let error = refused(descent().step(1e3).run(&view, &b), "smaller step");
    assert!(matches!(error, Error::NotConverged { .. }));
    refused(Sgd::new().run(&products, &b), "stream(..)");
    refused(Sgd::new().batch(0).run(&view, &b), "at least 1");
    refused(Adam::new().epsilon(0.0).run(&view, &b), "ε");
    refused(Adam::new().betas(0.9, 1.0).run(&view, &b), "β");
    refused(Adam::new().decay(Decay::decoupled(0.1)).tolerance(1e-3).run(&view, &b), "decoupled decay");
    refused(Adam::new().batch(8).tolerance(1e-3).run(&view, &b), "blocks of rows");
    refused(Adam::new().tolerance(1e-9).epochs(3).run(&view, &b), "allow more steps");
    let blocks = || [(view, b.clone())].into_iter();
    refused(Sgd::new().stream(3, blocks()), "step(..)");
    refused(Sgd::new().step(0.1).loss(Scaling::SumSquared).stream(3, blocks()), "MeanSquared");
    refused(Sgd::new().step(0.1).stream(2, blocks()), "every block");
    refused(descent().run_held_out(&view, &b, &view, &b, 0), "patience");
    refused(descent().run_held_out(&view, &b, &DenseView::column(&b), &b, 3), "one column for each unknown");
    // Aᴴb = 0: x = 0 is the answer
    let run = descent().run(&view, &[0.0; 40]).unwrap();
    assert_eq!((run.x, run.stop), (vec![0.0; 3], Stop::Zero));
}

/// A status for each problem, in their order; each is what the single call gives.
#[test]
fn batches() {
    let count = 500;
    let (m, n) = (12, 3);
    let (mut a, b) = (uniform(3, count * m * n), uniform(4, count * m));
    a[7 * m * n + 5] = f64::NAN;
    let problems: Vec<_> = a.chunks(m * n).zip(b.chunks(m)).map(|(a, b)| (DenseView::column_major(a, m, n).unwrap(), b)).collect();
    for choice in [wellposed::Choice::from(0.3), wellposed::Gcv.into(), wellposed::Loo.into()] {
        let fits = ridge_batch(&problems, choice);
        assert_eq!(fits.len(), count);
        for (k, (fit, (a, b))) in fits.iter().zip(&problems).enumerate() {
            match fit {
                Ok(fit) => {
                    let alone = ridge(a, b, choice).unwrap();
                    assert!(k != 7 && distance(&fit.x, &alone.x) < 1e-12 && fit.report.plan.threads == 1);
                }
                Err(error) => assert!(k == 7 && matches!(error, Error::NonFinite { .. }), "{k}: {error}"),
            }
        }
    }
    // problems of different shapes and kinds, one of them impossible
    let long = uniform(8, 60);
    let mixed = vec![
        (DenseView::column_major(&long, 20, 3).unwrap(), long[..20].to_vec()),
        (DenseView::column_major(&long, 30, 2).unwrap(), long[..20].to_vec()),
        (DenseView::column_major(&long, 3, 20).unwrap(), long[..3].to_vec()),
    ];
    let fits = solve_batch(&mixed, 0.1, |k, problem| if k == 0 { problem.intercept() } else { problem.method(Method::Svd) });
    let alone = Problem::new(&mixed[0].0).intercept().solve(&mixed[0].1, 0.1).unwrap();
    assert!((fits[0].as_ref().unwrap().intercept - alone.intercept).abs() < 1e-14);
    assert!(matches!(fits[1], Err(Error::Shape { .. })));
    assert_eq!(fits[2].as_ref().unwrap().report.method, "SVD");
    assert!(ridge_batch(&mixed[..0], 0.1).is_empty());
}
