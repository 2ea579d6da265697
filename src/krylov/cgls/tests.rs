use super::*;
use crate::error::{Error, Size};
use crate::krylov::{Kind, solve as solve_by};
use crate::linalg::{Mat, Op};
use crate::operator::{DenseView, from_fn};
use crate::random::Random;
use crate::scalar::{c32, c64};
use crate::step::Stop;
use core::cell::Cell;
use core::ops::ControlFlow;

/// Solves min ‖Ax − b‖² + damping²‖Lx‖² with L = I for `None`.
fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    l: Option<&dyn Operator<Scalar = T>>,
    damping: f64,
    b: &[T],
    start: Option<&[T]>,
    options: &Options,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    options.check()?;
    solve_by(Kind::Cgls, &System::new(a, l, damping, b)?, start, options.common(), observer)
}

/// An m×n matrix with standard normal entries, its columns scaled from 1 down to 1/spread.
fn matrix<T: Scalar>(m: usize, n: usize, spread: f64, seed: u64) -> Vec<T> {
    let mut entries: Vec<T> = Random::new(seed).scalars(m * n);
    for (k, value) in entries.iter_mut().enumerate() {
        *value = value.scale(T::Real::from_f64(spread.powf(-((k / m) as f64) / (n.max(2) - 1) as f64)));
    }
    entries
}

fn vector<T: Scalar>(n: usize, seed: u64) -> Vec<T> {
    Random::new(seed).scalars(n)
}

fn view<T: Scalar>(entries: &[T], m: usize, n: usize) -> DenseView<'_, T> {
    DenseView::column_major(entries, m, n).unwrap()
}

/// By QR of [A; dL]; L = I for `None`.
fn direct<T: Scalar>(a: DenseView<'_, T>, l: Option<DenseView<'_, T>>, d: f64, b: &[T]) -> Vec<T> {
    let (m, n) = a.shape();
    let rows = l.map_or(n, |l| l.shape().0);
    let d = T::Real::from_f64(d);
    let identity = |i, j| if i == j { T::ONE } else { T::ZERO };
    let entry = |i: usize, j| match l {
        _ if i < m => a.get(i, j).unwrap(),
        Some(l) => l.get(i - m, j).unwrap().scale(d),
        None => identity(i - m, j).scale(d),
    };
    let mut stacked = Mat::from_fn(m + rows, n, |_, _| T::ZERO);
    for j in 0..n {
        for i in 0..m + rows {
            stacked[(i, j)] = entry(i, j);
        }
    }
    let mut right = Mat::from_fn(m + rows, 1, |_, _| T::ZERO);
    for (i, &b) in b.iter().enumerate() {
        right[(i, 0)] = b;
    }
    let qr = T::qr(stacked, Threads::ONE);
    T::apply_reflectors(qr.basis.as_ref(), qr.coefficients.as_ref(), Op::Adjoint, right.as_mut(), Threads::ONE);
    T::solve_upper(qr.basis.as_ref().subrows(0, n), Op::None, right.as_mut().subrows_mut(0, n), Threads::ONE);
    (0..n).map(|i| right[(i, 0)]).collect()
}

fn difference<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    let part: Vec<T> = x.iter().zip(y).map(|(&x, &y)| x - y).collect();
    (norm(&part) / norm(y)).to_f64()
}

fn plain<T: Scalar>(a: DenseView<'_, T>, d: f64, b: &[T], options: Options) -> Result<Outcome<T>> {
    solve(&a, None, d, b, None, &options, None)
}

fn agrees_with_qr<T: Scalar>(digits: f64) {
    // (rows, unknowns, spread, damping); the wide ones need the penalty to be unique
    for (seed, (m, n, spread, d)) in
        [(30, 12, 1e3, 0.0), (30, 12, 1e3, 0.1), (12, 30, 10.0, 0.3), (20, 20, 1e2, 1e-2), (5, 1, 1.0, 2.0)].into_iter().enumerate()
    {
        let (a, b) = (matrix::<T>(m, n, spread, seed as u64), vector::<T>(m, 99));
        let outcome = plain(view(&a, m, n), d, &b, Options::new()).unwrap();
        assert!(outcome.stop.converged());
        let error = difference(&outcome.x, &direct(view(&a, m, n), None, d, &b));
        assert!(error <= digits, "{} {m}×{n} d = {d}: {error:.1e} after {} steps, {}", T::NAME, outcome.steps, outcome.stop);

        let rows = n + 2;
        let l = matrix::<T>(rows, n, 3.0, 7);
        let l = view(&l, rows, n);
        let d = d.max(0.1);
        let outcome = solve(&view(&a, m, n), Some(&l), d, &b, None, &Options::new(), None).unwrap();
        let error = difference(&outcome.x, &direct(view(&a, m, n), Some(l), d, &b));
        assert!(error <= digits, "{} {m}×{n} d = {d} with L: {error:.1e} after {} steps, {}", T::NAME, outcome.steps, outcome.stop);
    }
}

#[test]
fn the_answer_is_that_of_qr_in_all_scalar_types() {
    agrees_with_qr::<f64>(1e-11);
    agrees_with_qr::<c64>(1e-11);
    agrees_with_qr::<f32>(2e-3);
    agrees_with_qr::<c32>(2e-3);
}

#[test]
fn with_a_large_residual_and_condition_1e5_ten_digits_remain() {
    // an orthogonal residual of 1e3 and κ = 1e5: κ²ε‖r‖ is what a direct method has too
    let (m, n) = (60, 10);
    let (a, truth, noise) = (matrix::<f64>(m, n, 1e5, 1), vector::<f64>(n, 2), vector::<f64>(m, 3));
    let mut b = vec![0.0; m];
    view(&a, m, n).apply(&truth, &mut b);
    let compatible = plain(view(&a, m, n), 0.0, &b, Options::new()).unwrap();
    assert!(difference(&compatible.x, &truth) < 1e-10, "{:.1e} {compatible:?}", difference(&compatible.x, &truth));
    let b: Vec<f64> = b.iter().zip(&noise).map(|(b, e)| b + 1e-3 * e).collect();
    let outcome = plain(view(&a, m, n), 0.0, &b, Options::new()).unwrap();
    let error = difference(&outcome.x, &direct(view(&a, m, n), None, 0.0, &b));
    assert!(error < 1e-9, "{error:.1e} {outcome:?}");
}

#[test]
fn a_matrix_free_operator_takes_the_same_steps() {
    let n = 40;
    let running_sum = from_fn(
        n,
        n,
        |x: &[f64], y: &mut [f64]| {
            let mut sum = 0.0;
            for (y, x) in y.iter_mut().zip(x) {
                sum += x;
                *y = sum;
            }
        },
        |y: &[f64], x: &mut [f64]| {
            let mut sum = 0.0;
            for (x, y) in x.iter_mut().zip(y).rev() {
                sum += y;
                *x = sum;
            }
        },
    );
    let entries: Vec<f64> = (0..n * n).map(|k| if k % n >= k / n { 1.0 } else { 0.0 }).collect();
    let b = vector::<f64>(n, 4);
    let outcome = solve(&running_sum, None, 0.5, &b, None, &Options::new(), None).unwrap();
    assert!(difference(&outcome.x, &direct(view(&entries, n, n), None, 0.5, &b)) < 1e-12);
}

#[test]
fn no_scale_of_the_data_changes_the_answer() {
    let (m, n) = (20, 8);
    let (a, b) = (matrix::<f64>(m, n, 10.0, 1), vector::<f64>(m, 2));
    let expected = plain(view(&a, m, n), 0.25, &b, Options::new()).unwrap();
    for scale in [2f64.powi(498), 2f64.powi(-450)] {
        let scaled = |v: &[f64]| v.iter().map(|v| v * scale).collect::<Vec<_>>();
        let (a, b) = (scaled(&a), scaled(&b));
        let outcome = plain(view(&a, m, n), 0.25 * scale, &b, Options::new()).unwrap();
        assert!(difference(&outcome.x, &expected.x) < 1e-13, "{outcome:?}");
        let only_a = plain(view(&a, m, n), 0.25 * scale, &vector::<f64>(m, 2), Options::new()).unwrap();
        assert!(difference(&scaled(&only_a.x), &expected.x) < 1e-13, "{only_a:?}");
    }
}

#[test]
fn a_singular_problem_gets_its_minimum_norm_answer() {
    // two equal columns: only the sum of the two unknowns enters
    let a = [1.0, 2.0, 1.0, 2.0];
    let outcome = plain(view(&a, 2, 2), 0.0, &[1.0, 1.0], Options::new()).unwrap();
    assert!(difference(&outcome.x, &[0.3, 0.3]) < 1e-14, "{outcome:?}");
    // wide: x = Aᴴ(AAᴴ)⁻¹b
    let (m, n) = (6, 15);
    let (a, b) = (matrix::<f64>(m, n, 1.0, 5), vector::<f64>(m, 6));
    let outcome = plain(view(&a, m, n), 0.0, &b, Options::new()).unwrap();
    let limit = direct(view(&a, m, n), None, 1e-7, &b);
    assert!(difference(&outcome.x, &limit) < 1e-8 && outcome.residual_norm < 1e-12, "{outcome:?}");
    // tall of rank 3, incompatible, many columns alike
    let (m, n) = (40, 12);
    let base = matrix::<f64>(m, 3, 1.0, 8);
    let a: Vec<f64> = (0..n).flat_map(|j| base[(j % 3) * m..(j % 3 + 1) * m].to_vec()).collect();
    let b = vector::<f64>(m, 9);
    let outcome = plain(view(&a, m, n), 0.0, &b, Options::new()).unwrap();
    let small: Vec<f64> = direct(view(&base, m, 3), None, 0.0, &b).iter().map(|v| v / 4.0).collect();
    let expected: Vec<f64> = (0..n).map(|j| small[j % 3]).collect();
    assert!(difference(&outcome.x, &expected) < 1e-13, "{outcome:?}");
}

#[test]
fn empty_and_zero_problems_are_answered_with_zero() {
    for (m, n) in [(0, 3), (3, 0), (0, 0), (4, 3)] {
        let (a, b) = (vec![0.0; m * n], vec![1.0; m]);
        for d in [0.0, 0.5] {
            let outcome = plain(view(&a, m, n), d, &b, Options::new()).unwrap();
            assert_eq!((outcome.stop, outcome.x, outcome.steps), (Stop::Zero, vec![0.0; n], 0));
            assert!((outcome.residual_norm - (m as f64).sqrt()).abs() < 1e-15);
        }
    }
    let a = matrix::<f64>(4, 3, 1.0, 1);
    let outcome = solve(&view(&a, 4, 3), None, 0.5, &[0.0; 4], Some(&[1.0; 3]), &Options::new(), None).unwrap();
    assert_eq!((outcome.stop, outcome.x), (Stop::Zero, vec![0.0; 3]));
}

#[test]
fn a_step_limit_is_an_error_unless_a_partial_answer_is_accepted() {
    for (m, n) in [(40, 20), (20, 40)] {
        let (a, b) = (matrix::<f64>(m, n, 1e3, 1), vector::<f64>(m, 2));
        let options = Options::new().max_steps(5);
        let error = plain(view(&a, m, n), 1e-3, &b, options.clone()).unwrap_err();
        let Error::NotConverged { method: "CGLS", steps: 5, reached, .. } = error else { panic!("{error}") };
        assert!(reached > 1e-10);
        let partial = plain(view(&a, m, n), 1e-3, &b, options.accept_partial()).unwrap();
        assert_eq!((partial.steps, partial.stop), (5, Stop::StepLimit));
        assert_eq!(partial.normal_residual, reached);
        let steps = plain(view(&a, m, n), 1e-3, &b, Options::new().steps(5)).unwrap();
        assert_eq!((steps.steps, steps.stop, &steps.x), (5, Stop::Steps, &partial.x));
    }
}

#[test]
fn a_tolerance_is_kept_and_verified() {
    let (m, n) = (50, 30);
    let (a, b) = (matrix::<f64>(m, n, 100.0, 1), vector::<f64>(m, 2));
    let (rough, fine) =
        (plain(view(&a, m, n), 0.1, &b, Options::new().tolerance(1e-3)).unwrap(), plain(view(&a, m, n), 0.1, &b, Options::new()).unwrap());
    assert_eq!(rough.stop, Stop::Tolerance);
    assert!(rough.normal_residual <= 1e-3 && rough.steps < fine.steps, "{rough:?} {fine:?}");
    // the quantity is the one documented
    let mut residual = vec![0.0; m];
    view(&a, m, n).apply(&rough.x, &mut residual);
    residual.iter_mut().zip(&b).for_each(|(r, b)| *r = b - *r);
    let (mut normal, mut right) = (vec![0.0; n], vec![0.0; n]);
    view(&a, m, n).apply_adjoint(&residual, &mut normal);
    view(&a, m, n).apply_adjoint(&b, &mut right);
    normal.iter_mut().zip(&rough.x).for_each(|(s, x)| *s -= 0.01 * x);
    assert!((norm(&normal) / norm(&right) - rough.normal_residual).abs() < 1e-12);
    assert!((norm(&residual) - rough.residual_norm).abs() < 1e-12);
    // an unattainable tolerance ends at rounding level
    let rounding = plain(view(&a, m, n), 0.1, &b, Options::new().tolerance(0.0)).unwrap();
    assert_eq!(rounding.stop, Stop::Rounding);
    assert!(rounding.steps < 100);
}

#[test]
fn steps_beyond_the_minimiser_do_not_leave_it() {
    let (m, n) = (30, 5);
    let (a, b) = (matrix::<f64>(m, n, 10.0, 1), vector::<f64>(m, 2));
    for d in [0.0, 0.1] {
        let outcome = plain(view(&a, m, n), d, &b, Options::new().steps(500)).unwrap();
        assert!(difference(&outcome.x, &direct(view(&a, m, n), None, d, &b)) < 1e-13, "{outcome:?}");
    }
}

#[test]
fn the_observer_sees_every_step_and_can_end_it() {
    let (m, n) = (30, 20);
    let (a, b) = (matrix::<f64>(m, n, 100.0, 1), vector::<f64>(m, 2));
    let mut seen = Vec::new();
    let mut observe = |step: &crate::step::Step| {
        seen.push(*step);
        if step.index == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let outcome = solve(&view(&a, m, n), None, 0.1, &b, None, &Options::new(), Some(&mut observe)).unwrap();
    assert_eq!((outcome.stop, outcome.steps), (Stop::Observer, 7));
    assert_eq!(seen.iter().map(|step| step.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(seen.windows(2).all(|pair| pair[1].solution_norm >= pair[0].solution_norm && pair[1].residual_norm <= pair[0].residual_norm));
    let last = seen.last().unwrap();
    assert!((last.residual_norm - outcome.residual_norm).abs() < 1e-13 && (last.normal_residual - outcome.normal_residual).abs() < 1e-13);
}

#[test]
fn a_start_guess_changes_the_steps_and_not_the_answer() {
    fn check<T: Scalar>(digits: f64) {
        let (m, n) = (30, 20);
        let (a, b) = (matrix::<T>(m, n, 10.0, 1), vector::<T>(m, 2));
        let cold = plain(view(&a, m, n), 0.1, &b, Options::new()).unwrap();
        let warm = |guess: &[T]| solve(&view(&a, m, n), None, 0.1, &b, Some(guess), &Options::new(), None).unwrap();
        for size in [1e-3, 1.0, 1e5] {
            let guess: Vec<T> = vector::<T>(n, 3).iter().map(|v| v.scale(T::Real::from_f64(size))).collect();
            let outcome = warm(&guess);
            assert_eq!(outcome.start, Start::Guess);
            assert!(outcome.stop.converged());
            let error = difference(&outcome.x, &cold.x);
            assert!(error < digits, "{} {size:e}: {error:.1e}, {} steps, {}", T::NAME, outcome.steps, outcome.stop);
        }
        let again = warm(&cold.x);
        assert!(difference(&again.x, &cold.x) < digits && again.steps < cold.steps, "{} after {}", again.steps, cold.steps);
    }
    check::<f64>(1e-12);
    check::<c64>(1e-12);
    check::<f32>(1e-3);
    check::<c32>(1e-3);
}

#[test]
fn where_part_of_a_guess_could_stay_in_x_it_is_set_aside() {
    let (m, n) = (5, 9);
    let (a, b, guess) = (matrix::<f64>(m, n, 1.0, 1), vector::<f64>(m, 2), vector::<f64>(n, 3));
    let cold = plain(view(&a, m, n), 0.0, &b, Options::new()).unwrap();
    let warm = solve(&view(&a, m, n), None, 0.0, &b, Some(&guess), &Options::new(), None).unwrap();
    assert_eq!((warm.start, warm.x), (Start::SetAside, cold.x));
    let l = matrix::<f64>(2, n, 1.0, 4);
    let l = view(&l, 2, n);
    let cold = solve(&view(&a, m, n), Some(&l), 0.5, &b, None, &Options::new(), None).unwrap();
    let warm = solve(&view(&a, m, n), Some(&l), 0.5, &b, Some(&guess), &Options::new(), None).unwrap();
    assert_eq!((warm.start, warm.x), (Start::SetAside, cold.x));
}

#[test]
fn a_product_that_becomes_nan_is_an_error_that_names_the_step() {
    let (m, n) = (12, 10);
    let a = matrix::<f64>(m, n, 10.0, 1);
    let (a, b) = (view(&a, m, n), vector::<f64>(m, 2));
    for (adjoint, what) in [(false, "A·p"), (true, "Aᴴ·r")] {
        let calls = Cell::new(0);
        let spoil = |this: bool, y: &mut [f64]| {
            if this {
                calls.set(calls.get() + 1);
                if calls.get() == 4 {
                    y[3] = f64::NAN;
                }
            }
        };
        let operator = from_fn(
            m,
            n,
            |x: &[f64], y: &mut [f64]| {
                a.apply(x, y);
                spoil(!adjoint, y)
            },
            |y: &[f64], x: &mut [f64]| {
                a.apply_adjoint(y, x);
                spoil(adjoint, x)
            },
        );
        let error = solve(&operator, None, 0.1, &b, None, &Options::new(), None).unwrap_err();
        // the adjoint is called once before the first step
        let step = if adjoint { 3 } else { 4 };
        assert!(matches!(error, Error::NonFinite { index: Size::Step(found), .. } if found == step), "{error}");
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("dot_test") && text.contains(&format!("step {step}")), "{text}");
    }
}

#[test]
fn a_wrong_adjoint_is_an_error_that_names_dot_test() {
    let n = 12;
    let a = matrix::<f64>(n, n, 3.0, 1);
    let (a, b) = (view(&a, n, n), vector::<f64>(n, 2));
    let not_transposed = from_fn(n, n, |x: &[f64], y: &mut [f64]| a.apply(x, y), |y: &[f64], x: &mut [f64]| a.apply(y, x));
    let wrong_factor = from_fn(
        n,
        n,
        |x: &[f64], y: &mut [f64]| a.apply(x, y),
        |y: &[f64], x: &mut [f64]| {
            a.apply_adjoint(y, x);
            x.iter_mut().for_each(|x| *x *= 1.001)
        },
    );
    let right = from_fn(n, n, |x: &[f64], y: &mut [f64]| a.apply(x, y), |y: &[f64], x: &mut [f64]| a.apply_adjoint(y, x));
    let options = Options::new();
    for d in [0.0, 0.1] {
        for wrong in [&not_transposed as &dyn Operator<Scalar = f64>, &wrong_factor] {
            let text = solve(wrong, None, d, &b, None, &options, None).unwrap_err().to_string();
            assert!(text.contains("dot_test"), "{text}");
            if d > 0.0 {
                // at x = 0 the penalty's products are not seen yet: it must not end in a wrong answer all the same
                let text = solve(&right, Some(wrong), d, &b, None, &options, None).unwrap_err().to_string();
                assert!(text.contains("dot_test"), "penalty: {text}");
            }
        }
    }
}

#[test]
fn wrong_shapes_and_values_are_errors() {
    let a = matrix::<f32>(3, 2, 1.0, 1);
    let a = view(&a, 3, 2);
    let l = [1.0f32; 3];
    let l = view(&l, 1, 3);
    let options = Options::new();
    assert!(matches!(plain(a, 0.1, &[1.0; 2], options.clone()), Err(Error::Shape { what: "b", .. })));
    assert!(matches!(solve(&a, Some(&l), 0.1, &[1.0; 3], None, &options, None), Err(Error::Shape { .. })));
    assert!(matches!(solve(&a, None, 0.1, &[1.0; 3], Some(&[1.0]), &options, None), Err(Error::Shape { .. })));
    assert!(matches!(plain(a, 0.1, &[1.0, f32::NAN, 0.0], options.clone()), Err(Error::NonFinite { index: Size::Entry(1), .. })));
    for damping in [-1.0, f64::NAN, 1e200] {
        assert!(matches!(plain(a, damping, &[1.0; 3], options.clone()), Err(Error::Parameter { .. })));
    }
    assert!(plain(a, 0.1, &[1.0; 3], options.tolerance(-1.0)).is_err());
}
