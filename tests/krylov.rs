//! CGLS, LSQR and LSMR beyond the cases that every method answers (tests/conformance.rs): products counted, blocks, many λ from one
//! space, preconditioners, what the bidiagonalization knows beside x. Steps and products are counted, never timed.

use std::cell::Cell;
use wellposed::operator::from_fn;
use wellposed::preconditioner::{Nystrom, Sketch};
use wellposed::{
    Cgls, DenseView, Entries, Error, Lsmr, Lsqr, Method, Operator, Penalty, Preconditioner, Problem, Real, Result, Scalar, SparseView,
    Stop, c32, c64,
};

/// Uniform numbers in (−1, 1), the same everywhere.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

fn scalars<T: Scalar>(count: usize, seed: u64) -> Vec<T> {
    let parts = numbers(2 * count, seed);
    (0..count).map(|k| T::from_parts(T::Real::from_f64(parts[k]), T::Real::from_f64(parts[count + k]))).collect()
}

/// m×n with singular values falling geometrically from 1 to 1/condition, by Householder reflections from both sides.
fn matrix(m: usize, n: usize, condition: f64, seed: u64) -> Vec<f64> {
    let mut a = vec![0.0; m * n];
    let rank = m.min(n);
    for k in 0..rank {
        a[k * m + k] = condition.powf(-(k as f64) / (rank.max(2) - 1) as f64);
    }
    for round in 0..3 {
        let (u, v) = (numbers(m, seed + 10 * round), numbers(n, seed + 10 * round + 5));
        let (uu, vv): (f64, f64) = (u.iter().map(|x| x * x).sum(), v.iter().map(|x| x * x).sum());
        for j in 0..n {
            let along: f64 = (0..m).map(|i| u[i] * a[j * m + i]).sum::<f64>() * 2.0 / uu;
            (0..m).for_each(|i| a[j * m + i] -= along * u[i]);
        }
        for i in 0..m {
            let along: f64 = (0..n).map(|j| v[j] * a[j * m + i]).sum::<f64>() * 2.0 / vv;
            (0..n).for_each(|j| a[j * m + i] -= along * v[j]);
        }
    }
    a
}

fn distance<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    assert_eq!(x.len(), y.len());
    let square = |v: T| v.modulus().to_f64().powi(2);
    let difference: f64 = x.iter().zip(y).map(|(&x, &y)| square(x - y)).sum();
    difference.sqrt() / y.iter().map(|&y| square(y)).sum::<f64>().sqrt()
}

fn methods() -> [Method; 3] {
    [Cgls::new().into(), Lsqr::new().into(), Lsmr::new().into()]
}

/// A dense matrix that offers only products, and counts them.
struct Counted<'a, T: Scalar> {
    a: DenseView<'a, T>,
    apply: Cell<usize>,
    adjoint: Cell<usize>,
    fused: Cell<usize>,
    blocks: Cell<usize>,
    adjoint_blocks: Cell<usize>,
}

impl<'a, T: Scalar> Counted<'a, T> {
    fn new(a: DenseView<'a, T>) -> Self {
        let zero = || Cell::new(0);
        Self { a, apply: zero(), adjoint: zero(), fused: zero(), blocks: zero(), adjoint_blocks: zero() }
    }
    /// Products with A, in pairs with Aᴴ.
    fn pairs(&self) -> usize {
        self.apply.get() + self.fused.get() + self.blocks.get()
    }
}

fn count(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

impl<T: Scalar> Operator for Counted<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        self.a.shape()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        count(&self.apply);
        self.a.apply(x, y);
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        count(&self.adjoint);
        self.a.apply_adjoint(y, x);
    }
    fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
        count(&self.fused);
        self.a.apply_fused(x, alpha, u, w, z);
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        count(&self.blocks);
        self.a.apply_block(k, x, y);
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        count(&self.adjoint_blocks);
        self.a.apply_adjoint_block(k, y, x);
    }
}

// ---- products --------------------------------------------------------------------------------------------------------

/// A step is one fused product, and nothing else; what remains is the start and the residual that verifies x.
#[test]
fn a_step_on_the_bidiagonalization_is_one_fused_product() -> Result<()> {
    let (m, n) = (60, 30);
    let (entries, b) = (matrix(m, n, 100.0, 1), numbers(m, 2));
    for method in [Method::from(Lsqr::new().steps(12)), Lsmr::new().steps(12).into()] {
        let a = Counted::new(DenseView::column_major(&entries, m, n)?);
        let fit = Problem::new(&a).method(method.clone()).solve(&b, 0.0)?;
        assert_eq!(fit.report.steps, Some(12));
        assert_eq!(a.fused.get(), 12, "{method}");
        // verification, at the step limit, is one product with each; the start, the scale of A and the intercept's absence the rest
        assert!(a.apply.get() <= 1 && a.adjoint.get() + a.adjoint_blocks.get() <= 3, "{method}: {} {}", a.apply.get(), a.adjoint.get());
    }
    Ok(())
}

/// The tolerance bounds the gradient, which LSMR makes smallest: it needs no more steps than the others, and falls monotonically.
#[test]
fn lsmr_meets_a_tolerance_first() -> Result<()> {
    let (m, n) = (120, 60);
    for (seed, condition) in [(1, 1e2), (2, 1e3), (3, 1e4)] {
        let (entries, b) = (matrix(m, n, condition, seed), numbers(m, seed + 100));
        let a = DenseView::column_major(&entries, m, n)?;
        for tolerance in [1e-3, 1e-6, 1e-10] {
            let steps = |method: Method| Ok::<_, Error>(Problem::new(&a).method(method).solve(&b, 1e-4)?.report.steps.unwrap_or(0));
            let lsmr = steps(Lsmr::new().tolerance(tolerance).into())?;
            let lsqr = steps(Lsqr::new().tolerance(tolerance).into())?;
            let cgls = steps(Cgls::new().tolerance(tolerance).into())?;
            assert!(lsmr <= lsqr && lsmr <= cgls, "tolerance {tolerance:e}: LSMR {lsmr}, LSQR {lsqr}, CGLS {cgls}");
        }
        let mut last = f64::INFINITY;
        Problem::new(&a).method(Lsmr::new().tolerance(1e-8)).solve_with(&b, 1e-4, |step| {
            assert!(step.normal_residual <= last * (1.0 + 1e-12), "step {}", step.index);
            last = step.normal_residual;
        })?;
    }
    Ok(())
}

/// What an observer sees are the norms of the x of that step.
#[test]
fn the_norms_of_a_step_are_those_of_its_x() -> Result<()> {
    let (m, n) = (40, 25);
    let (entries, b) = (matrix(m, n, 1e2, 5), numbers(m, 6));
    let a = DenseView::column_major(&entries, m, n)?;
    for penalty in [Penalty::identity(), Penalty::second_difference()] {
        for lambda in [0.0, 0.05] {
            let problem = Problem::new(&a).penalty(penalty.clone());
            for k in [1usize, 4, 9] {
                for method in [Method::from(Cgls::new().steps(k)), Lsqr::new().steps(k).into(), Lsmr::new().steps(k).into()] {
                    let mut seen = None;
                    let fit = problem.clone().method(method.clone()).solve_with(&b, lambda, |step| seen = Some(*step))?;
                    let step = seen.expect("a step is seen");
                    let x_norm = fit.x.iter().map(|x| x * x).sum::<f64>().sqrt();
                    assert_eq!((step.index, fit.report.stop), (k, Some(Stop::Steps)));
                    assert!((step.residual_norm - fit.residual_norm).abs() < 1e-12 * fit.residual_norm, "{method} λ = {lambda}: {step:?}");
                    assert!((step.solution_norm - x_norm).abs() < 1e-12 * x_norm, "{method} λ = {lambda}: {step:?}");
                }
            }
        }
    }
    Ok(())
}

// ---- many right-hand sides, many λ -----------------------------------------------------------------------------------

/// Columns in a block get the answers they get alone, in as many steps, and share their products.
fn a_block_is_its_columns<T: Scalar>(digits: f64) -> Result<()> {
    let (m, n, k) = (50, 20, 5);
    let entries: Vec<T> = scalars(m * n, 7);
    let mut b: Vec<T> = scalars(m * k, 8);
    b[2 * m..3 * m].fill(T::ZERO);
    let view = DenseView::column_major(&entries, m, n)?;
    for penalty in [Penalty::identity(), Penalty::first_difference()] {
        for method in methods() {
            let a = Counted::new(view);
            let problem = Problem::new(&a).penalty(penalty.clone()).method(method.clone());
            let together = problem.solve(&DenseView::column_major(&b, m, k)?, 0.3)?;
            let pairs = a.pairs();
            let (mut most, mut sum) = (0, 0);
            for j in 0..k {
                let alone = problem.solve(&b[j * m..(j + 1) * m], 0.3)?;
                let x = &together.x[j];
                if j == 2 {
                    assert!(x.iter().all(|&x| x == T::ZERO));
                    continue;
                }
                assert!(distance(x, &alone.x) < digits, "{} {method} column {j}: {:.1e}", T::NAME, distance(x, &alone.x));
                assert!((together.residual_norm[j] - alone.residual_norm).abs() < digits * alone.residual_norm);
                let steps = alone.report.steps.unwrap_or(0);
                (most, sum) = (most.max(steps), sum + steps);
            }
            let steps = together.report.steps.unwrap_or(0);
            assert!(steps.abs_diff(sum) <= 2 * k, "{method}: {steps} steps together, {sum} one by one");
            if method != Method::from(Cgls::new()) {
                // a block product a step, and for each column what verifies it
                assert!(pairs <= most + 4 * k, "{} {method}: {pairs} products, at most {most} steps", T::NAME);
            }
        }
    }
    Ok(())
}

#[test]
fn blocks() -> Result<()> {
    a_block_is_its_columns::<f64>(1e-11)?;
    a_block_is_its_columns::<c64>(1e-11)?;
    a_block_is_its_columns::<f32>(2e-3)?;
    a_block_is_its_columns::<c32>(2e-3)
}

/// A path is its solves, and costs little more than the slowest of them.
fn a_path_is_its_solves<T: Scalar>(digits: f64) -> Result<()> {
    let (m, n) = (50, 20);
    let (entries, b): (Vec<T>, Vec<T>) = (scalars(m * n, 17), scalars(m, 18));
    let lambdas = [0.0, 1e-3, 1e-1, 1.0, 30.0, 1e3];
    let view = DenseView::column_major(&entries, m, n)?;
    for penalty in [Penalty::identity(), Penalty::first_difference()] {
        for method in methods() {
            let a = Counted::new(view);
            let problem = Problem::new(&a).penalty(penalty.clone()).method(method.clone());
            let path = problem.path(&b, lambdas)?;
            let pairs = a.pairs();
            assert_eq!(path.len(), lambdas.len());
            let mut most = 0;
            for (fit, &lambda) in path.iter().zip(&lambdas) {
                let alone = problem.solve(&b, lambda)?;
                assert_eq!(fit.lambda, lambda);
                assert!(fit.report.stop.is_some_and(Stop::converged));
                assert!(distance(&fit.x, &alone.x) < digits, "{} {method} λ = {lambda}: {:.1e}", T::NAME, distance(&fit.x, &alone.x));
                most = most.max(alone.report.steps.unwrap_or(0));
            }
            let shares = method != Method::from(Cgls::new()) && format!("{penalty:?}").contains("identity");
            if shares {
                assert!(pairs <= most + 3 * lambdas.len(), "{} {method}: {pairs} products, at most {most} steps", T::NAME);
            }
        }
    }
    // with entries, from one decomposition
    for (fit, &lambda) in Problem::new(&view).path(&b, lambdas)?.iter().zip(&lambdas) {
        assert!(distance(&fit.x, &Problem::new(&view).solve(&b, lambda)?.x) < digits);
    }
    Ok(())
}

#[test]
fn paths() -> Result<()> {
    a_path_is_its_solves::<f64>(1e-11)?;
    a_path_is_its_solves::<c64>(1e-11)?;
    a_path_is_its_solves::<f32>(2e-3)?;
    a_path_is_its_solves::<c32>(2e-3)
}

#[test]
fn a_path_refuses_what_a_solve_refuses() -> Result<()> {
    let entries = numbers(12, 1);
    let a = DenseView::column_major(&entries, 4, 3)?;
    let problem = Problem::new(&a).method(Lsmr::new());
    assert!(matches!(problem.path(&[1.0; 4], [1.0, -1.0]), Err(Error::Parameter { name: "λ", .. })));
    assert!(matches!(problem.path(&[1.0; 3], [1.0]), Err(Error::Shape { what: "b", .. })));
    assert!(problem.path(&[1.0; 4], [0.0; 0])?.is_empty());
    assert!(Problem::new(&a).path(&[1.0; 4], [0.0; 0])?.is_empty());
    Ok(())
}

// ---- standard form -----------------------------------------------------------------------------------------------------

/// x after k steps, of testdata/standard_form_oracle.py.
#[derive(serde::Deserialize)]
struct Early {
    order: usize,
    lambda: f64,
    steps: usize,
    x: Vec<f64>,
}

/// A number of steps with a penalty that has entries is that many steps on the problem in standard form: against the oracle, which makes
/// L_A^† from its definition; by LSQR and CGLS, whose steps are the same, for λ = 0, too; an observer sees the length of x itself.
#[test]
fn early_stopping_regularizes_with_the_penalty() -> Result<()> {
    let cases: Vec<Early> = serde_json::from_str(include_str!("../testdata/standard_form.json")).expect("the file of the oracle");
    let (m, n) = (9, 7);
    let entry = |i: f64, j: f64| 1.0 / (1.0 + (i - j).powi(2) + j / 3.0) + (i * j % 5.0) / 20.0;
    let entries: Vec<f64> = (0..m * n).map(|k| entry((k % m) as f64, (k / m) as f64)).collect();
    let b: Vec<f64> = (0..m).map(|i| [1.0, -1.0][i / 3 % 2] + (i * i % 7) as f64 / 4.0).collect();
    let a = DenseView::column_major(&entries, m, n)?;
    for case in &cases {
        let penalty = if case.order == 1 { Penalty::first_difference() } else { Penalty::second_difference() };
        for method in [Method::from(Lsqr::new().steps(case.steps)), Cgls::new().steps(case.steps).into()] {
            let mut length = 0.0;
            let problem = Problem::new(&a).penalty(penalty.clone()).method(method.clone());
            let fit = problem.solve_with(&b, case.lambda, |step| {
                length = step.solution_norm;
                std::ops::ControlFlow::Continue(())
            })?;
            let what = format!("{method}, order {}, λ = {}, {} steps", case.order, case.lambda, case.steps);
            assert!(distance(&fit.x, &case.x) < 1e-9, "{what}: {:e}", distance(&fit.x, &case.x));
            let size = fit.x.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!((length / size - 1.0).abs() < 1e-10, "{what}: {length} is not {size}");
            assert!(fit.report.plan.transforms.contains(&"standard form by the sparse factor of the penalty"), "{}", fit.report.plan);
            let path = problem.path(&b, [case.lambda, 1.0])?;
            assert!(distance(&path[0].x, &case.x) < 1e-9, "{what}, in a path");
            let both: Vec<f64> = b.iter().chain(&b).copied().collect();
            let block = problem.solve(&wellposed::faer::Mat::from_fn(m, 2, |i, j| both[j * m + i]), case.lambda)?;
            assert!((0..n).all(|i| (block.x[(i, 1)] - case.x[i]).abs() < 1e-8), "{what}, in a block");
        }
    }
    Ok(())
}

/// A penalty without entries has no factor, and one that A does not see beside has no standard form: the penalty is then below A, as the
/// plan says, and the steps are those on [A; √λL].
#[test]
fn without_a_factor_the_penalty_is_below() -> Result<()> {
    let (m, n, lambda) = (25usize, 20usize, 0.1f64);
    let entries = numbers(m * n, 3);
    let b = numbers(m, 4);
    let a = DenseView::column_major(&entries, m, n)?;
    // more free directions than a standard form is made for
    let w: Vec<f64> = (0..n).map(|j| f64::from(u8::from(j >= 12))).collect();
    let problem = Problem::new(&a).penalty(Penalty::diagonal(&w)).method(Lsqr::new().steps(3));
    assert!(problem.plan(lambda)?.transforms.contains(&"standard form where the penalty has a sparse factor"));
    let fit = problem.solve(&b, lambda)?;
    assert!(fit.report.plan.transforms.contains(&"the penalty as rows below A"), "{}", fit.report.plan);
    let rows = m + n;
    let stacked: Vec<f64> = (0..rows * n)
        .map(|k| (k % rows, k / rows))
        .map(|(i, j)| if i < m { entries[j * m + i] } else { f64::from(u8::from(i - m == j)) * lambda.sqrt() * w[j] })
        .collect();
    let data: Vec<f64> = b.iter().copied().chain(vec![0.0; n]).collect();
    let below = Problem::new(&DenseView::column_major(&stacked, rows, n)?).method(Lsqr::new().steps(3)).solve(&data, 0.0)?;
    assert!(distance(&fit.x, &below.x) < 1e-12);
    Ok(())
}

/// Many λ with ‖Lx‖ come from one space, and have the digits of the factorization.
#[test]
fn a_path_with_a_penalty_shares_its_space() -> Result<()> {
    let n = 200;
    let kernel = |d: f64| (-0.5 * (d / 4.0).powi(2)).exp() / 10.0;
    let entries: Vec<f64> = (0..n * n).map(|k| kernel((k % n) as f64 - (k / n) as f64)).collect();
    let view = DenseView::column_major(&entries, n, n)?;
    let b: Vec<f64> = (0..n).map(|i| (i as f64 / 20.0).sin() + 0.01 * ((i * i) as f64).cos()).collect();
    let lambdas: Vec<f64> = (0..8).map(|k| 10f64.powf(-2.0 + 0.5 * f64::from(k))).collect();
    for penalty in [Penalty::first_difference(), Penalty::second_difference()] {
        let exact = Problem::new(&view).penalty(penalty.clone()).method(Method::Svd).path(&b, lambdas.iter().copied())?;
        for method in [Method::from(Lsqr::new().tolerance(1e-12)), Lsmr::new().tolerance(1e-12).into()] {
            let a = Counted::new(view);
            let problem = Problem::new(&a).penalty(penalty.clone()).method(method.clone());
            let path = problem.path(&b, lambdas.iter().copied())?;
            let (shared, mut alone) = (a.pairs(), 0);
            for ((fit, exact), &lambda) in path.iter().zip(&exact).zip(&lambdas) {
                assert!(distance(&fit.x, &exact.x) < 1e-7, "{method} λ = {lambda}: {:e}", distance(&fit.x, &exact.x));
                let one = problem.solve(&b, lambda)?;
                alone += one.report.steps.unwrap_or(0);
            }
            println!("{method} {penalty:?}: {shared} products for the path, {alone} one by one");
            // the sharper L, the more is left to [A; √λL] in the end
            let times = if format!("{penalty:?}").contains("first") { 2 } else { 1 };
            assert!(times * shared < alone, "{method}: {shared} products for the path, {alone} one by one");
        }
    }
    Ok(())
}

// ---- what the bidiagonalization knows --------------------------------------------------------------------------------

/// The condition number in the report is a lower bound, and not far from the truth.
#[test]
fn the_condition_number_is_bounded_from_below() -> Result<()> {
    let (m, n) = (80, 40);
    for condition in [10.0, 1e2, 1e4] {
        let (entries, b) = (matrix(m, n, condition, 3), numbers(m, 4));
        let a = DenseView::column_major(&entries, m, n)?;
        for damping in [0.0, 0.01] {
            let truth = ((1.0f64 + damping * damping) / (condition.powi(-2) + damping * damping)).sqrt();
            for method in [Method::from(Lsqr::new().max_steps(10_000)), Lsmr::new().max_steps(10_000).into()] {
                let fit = Problem::new(&a).method(method.clone()).solve(&b, damping * damping)?;
                let found = fit.report.condition.expect("these methods know it");
                assert!(found <= truth * 1.001 && found >= truth / 30.0, "{method}: {found:.3e}, truth {truth:.3e}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_condition_limit_stops_before_small_singular_values_enter() -> Result<()> {
    let (m, n) = (80, 40);
    let (entries, truth, noise) = (matrix(m, n, 1e8, 3), vec![1.0; n], numbers(m, 4));
    let a = DenseView::column_major(&entries, m, n)?;
    let mut b = vec![0.0; m];
    a.apply(&truth, &mut b);
    b.iter_mut().zip(&noise).for_each(|(b, e)| *b += 1e-3 * e);
    for method in [Method::from(Lsqr::new().condition_limit(100.0)), Lsmr::new().condition_limit(100.0).into()] {
        let fit = Problem::new(&a).method(method.clone()).solve(&b, 0.0)?;
        assert_eq!(fit.report.stop, Some(Stop::Condition), "{method}");
        // early stopping regularizes: x has the size of the truth, which the least-squares solution does not
        let size = fit.x.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(size < 20.0, "{method}: {size}");
        assert!(fit.report.condition.is_some_and(|condition| condition > 100.0));
    }
    // a limit that is never met changes nothing
    let free = Problem::new(&a).method(Lsqr::new()).solve(&b, 0.1)?;
    let limited = Problem::new(&a).method(Lsqr::new().condition_limit(1e12)).solve(&b, 0.1)?;
    assert_eq!(free.x, limited.x);
    Ok(())
}

/// Reorthogonalization gives back the steps that rounding errors cost, and changes no digit that counts.
#[test]
fn reorthogonalization_saves_steps() -> Result<()> {
    let (m, n) = (120, 60);
    let (entries, b) = (matrix(m, n, 1e4, 9), numbers(m, 10));
    let a = DenseView::column_major(&entries, m, n)?;
    let (lsqr, lsmr) = (Lsqr::new().max_steps(10_000), Lsmr::new().max_steps(10_000));
    for (plain, full) in
        [(Method::from(lsqr.clone()), Method::from(lsqr.reorthogonalize())), (lsmr.clone().into(), lsmr.reorthogonalize().into())]
    {
        let loose = Problem::new(&a).method(plain).solve(&b, 1e-9)?;
        let tight = Problem::new(&a).method(full.clone()).solve(&b, 1e-9)?;
        let (many, few) = (loose.report.steps.unwrap_or(0), tight.report.steps.unwrap_or(0));
        assert!(few <= n + 2 && many > few, "{full}: {few} steps, {many} without");
        let reference = Problem::new(&a).method(Method::Svd).solve(&b, 1e-9)?;
        assert!(distance(&tight.x, &reference.x) < 1e-8, "{:.1e}", distance(&tight.x, &reference.x));
    }
    Ok(())
}

/// The diagonal of (AᵀA + λI)⁻¹ by the SVD: with b = 0 and the prior mean e the answer is λ(AᵀA + λI)⁻¹e.
fn inverse_diagonal(a: DenseView<'_, f64>, lambda: f64) -> Result<Vec<f64>> {
    let (m, n) = a.shape();
    let entry = |j: usize| {
        let mut unit = vec![0.0; n];
        unit[j] = 1.0;
        Ok(Problem::new(&a).prior_mean(&unit).method(Method::Svd).solve(&vec![0.0; m], lambda)?.x[j] / lambda)
    };
    (0..n).map(entry).collect()
}

#[test]
fn variances_are_the_diagonal_of_the_inverse() -> Result<()> {
    // the identity: 1/(1 + λ) in the one direction that a step sees
    let eye: Vec<f64> = (0..16).map(|k| f64::from(u8::from(k % 5 == 0))).collect();
    let fit = Problem::new(&DenseView::column_major(&eye, 4, 4)?).method(Lsqr::new().variances()).solve(&[1.0, 0.0, 0.0, 0.0], 3.0)?;
    assert!((fit.report.variances[0][0] - 0.25).abs() < 1e-15 && fit.report.variances[0][1] == 0.0, "{:?}", fit.report.variances);
    // Hilbert's matrix, damped; and a general one
    let n = 4;
    let hilbert: Vec<f64> = (0..n * n).map(|k| 1.0 / (1 + k % n + k / n) as f64).collect();
    let (m, general) = (14, numbers(14 * n, 3));
    for (rows, entries, lambda, b) in [(n, &hilbert, 1e-6, numbers(n, 5)), (m, &general, 0.5, numbers(m, 6))] {
        let a = DenseView::column_major(entries, rows, n)?;
        let exact = inverse_diagonal(a, lambda)?;
        let at = |k: usize| Problem::new(&a).method(Lsqr::new().variances().reorthogonalize().steps(k)).solve(&b, lambda);
        let mut last = vec![0.0; n];
        for k in 1..=n {
            let found = at(k)?.report.variances.remove(0);
            for i in 0..n {
                assert!(found[i] >= last[i] * (1.0 - 1e-9) && found[i] <= exact[i] * (1.0 + 1e-8), "{k} steps: {found:?} of {exact:?}");
            }
            last = found;
        }
        assert!(distance(&last, &exact) < 1e-7, "{last:?} is not {exact:?}");
    }
    let a = DenseView::column_major(&eye, 4, 4)?;
    assert!(matches!(Problem::new(&a).intercept().method(Lsqr::new().variances()).solve(&[1.0; 4], 1.0), Err(Error::Unsupported { .. })));
    assert!(Problem::new(&a).method(Lsqr::new()).solve(&[1.0; 4], 1.0)?.report.variances.is_empty());
    Ok(())
}

// ---- preconditioners -------------------------------------------------------------------------------------------------

/// An invertible R⁻¹ that has nothing to do with the problem.
fn arbitrary_inverse<T: Scalar>(n: usize) -> impl Operator<Scalar = T> {
    let weight = |i: usize| T::Real::from_f64(1.0 + (i * 7 % 5) as f64);
    from_fn(
        n,
        n,
        move |x: &[T], y: &mut [T]| {
            for i in 0..n {
                y[i] = x[i].scale(weight(i)) + if i + 1 < n { x[i + 1] } else { T::ZERO };
            }
        },
        move |y: &[T], x: &mut [T]| {
            for i in 0..n {
                x[i] = y[i].scale(weight(i)) + if i > 0 { y[i - 1] } else { T::ZERO };
            }
        },
    )
}

/// No preconditioner changes the answer, whatever else the problem has, in any scalar type and with any method.
fn preconditioning_keeps_the_answer<T: Scalar>(digits: f64) -> Result<()> {
    let (m, n) = (60, 12);
    let (entries, b, mean): (Vec<T>, Vec<T>, Vec<T>) = (scalars(m * n, 27), scalars(m, 28), scalars(n, 29));
    let real = T::Real::from_f64;
    let a = DenseView::column_major(&entries, m, n)?;
    let weights: Vec<T::Real> = (0..m).map(|i| real(1.0 + (i % 4) as f64)).collect();
    let scales: Vec<T::Real> = (0..n).map(|j| real(0.1 + j as f64)).collect();
    let inverse = arbitrary_inverse::<T>(n);
    let problems = [
        Problem::new(&a),
        Problem::new(&a).weights(&weights).prior_mean(&mean).intercept(),
        Problem::new(&a).penalty(Penalty::second_difference()),
    ];
    let plain: [Preconditioner<'_, T>; 3] = [Preconditioner::columns(), Preconditioner::scales(&scales), Preconditioner::inverse(&inverse)];
    let random: [Preconditioner<'_, T>; 3] = [Nystrom::new().rank(5).into(), Nystrom::new().seed(3).into(), Sketch::new().seed(4).into()];
    for (which, problem) in problems.iter().enumerate() {
        for lambda in [0.0, 0.2] {
            let expected = problem.clone().method(Method::Svd).solve(&b, lambda)?;
            for preconditioner in plain.iter().chain(random.iter().filter(|_| which < 2)) {
                for method in methods() {
                    let fit = problem.clone().method(method.clone()).precondition(preconditioner.clone()).solve(&b, lambda)?;
                    let error = distance(&fit.x, &expected.x);
                    assert!(error < digits, "{} {method}, {preconditioner:?}, problem {which}, λ = {lambda}: {error:.1e}", T::NAME);
                    assert!((fit.residual_norm - expected.residual_norm).abs() < digits * expected.residual_norm);
                    assert!(fit.report.stop.is_some_and(Stop::converged));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn preconditioners_never_change_the_answer() -> Result<()> {
    preconditioning_keeps_the_answer::<f64>(1e-10)?;
    preconditioning_keeps_the_answer::<c64>(1e-10)?;
    preconditioning_keeps_the_answer::<f32>(5e-3)?;
    preconditioning_keeps_the_answer::<c32>(5e-3)
}

/// Columns in different units: scaling takes the steps of the problem in equal units.
#[test]
fn column_scaling_saves_steps() -> Result<()> {
    let (m, n) = (200, 30);
    let mut entries = numbers(m * n, 1);
    for (k, value) in entries.iter_mut().enumerate() {
        *value *= 10f64.powi(((k / m) % 5) as i32 - 2);
    }
    let (a, b) = (DenseView::column_major(&entries, m, n)?, numbers(m, 2));
    for method in [Method::from(Cgls::new().tolerance(1e-8)), Lsqr::new().tolerance(1e-8).into(), Lsmr::new().tolerance(1e-8).into()] {
        let plain = Problem::new(&a).method(method.clone()).solve(&b, 1e-6)?.report.steps.unwrap_or(0);
        let scaled = Problem::new(&a).method(method.clone()).precondition(Preconditioner::columns()).solve(&b, 1e-6)?;
        let steps = scaled.report.steps.unwrap_or(usize::MAX);
        assert!(3 * steps < plain, "{method}: {steps} steps, {plain} without");
    }
    Ok(())
}

/// Singular values that fall fast: the rank adapts to λ, and the steps become few.
#[test]
fn nystrom_saves_steps_and_serves_a_path() -> Result<()> {
    let (m, n) = (300, 200);
    let (entries, b) = (matrix(m, n, 1e12, 1), numbers(m, 2));
    let view = DenseView::column_major(&entries, m, n)?;
    let lambda = 1e-6;
    for method in [Method::from(Cgls::new().tolerance(1e-8)), Lsqr::new().tolerance(1e-8).into(), Lsmr::new().tolerance(1e-8).into()] {
        let plain = Problem::new(&view).method(method.clone()).solve(&b, lambda)?.report.steps.unwrap_or(0);
        let a = Counted::new(view);
        let problem = Problem::new(&a).method(method.clone()).precondition(Nystrom::new());
        let fit = problem.solve(&b, lambda)?;
        let steps = fit.report.steps.unwrap_or(usize::MAX);
        assert!(steps <= 40 && 3 * steps < plain, "{method}: {steps} steps, {plain} without");
        // what was drawn is in the report, and printed
        let drawn = fit.report.sketch.unwrap();
        assert!(drawn.seed == 0 && drawn.size >= 16 && drawn.size < n, "{drawn:?}");
        let seeded = problem.clone().precondition(Nystrom::new().rank(20).seed(7)).solve(&b, lambda)?.report;
        assert_eq!(seeded.sketch.map(|drawn| (drawn.seed, drawn.size)), Some((7, 20)));
        assert!(seeded.to_string().contains("seed 7"), "{seeded}");
        assert_eq!(Problem::new(&a).method(method.clone()).solve(&b, lambda)?.report.sketch, None);
        // the same seed, the same bits; another seed, the same answer
        assert_eq!(problem.solve(&b, lambda)?.x, fit.x);
        let other = problem.clone().precondition(Nystrom::new().seed(99)).solve(&b, lambda)?;
        assert_ne!(other.x, fit.x);
        assert!(distance(&other.x, &fit.x) < 1e-5);
        // one sketch for all λ: the block products are made once
        let before = a.blocks.get();
        let path = problem.path(&b, [1e-6, 1e-4, 1e-2])?;
        let sketch = a.blocks.get() - before;
        assert!(sketch <= 200 / 8, "{sketch} block products");
        for (fit, lambda) in path.iter().zip([1e-6, 1e-4, 1e-2]) {
            let steps = fit.report.steps.unwrap_or(usize::MAX);
            assert!(steps <= 40, "{method} λ = {lambda}: {steps} steps");
        }
    }
    Ok(())
}

/// Tall and ill-conditioned: the steps depend on neither κ nor λ, and the digits are those of QR.
#[test]
fn a_sketch_makes_the_steps_independent_of_the_condition() -> Result<()> {
    let (m, n) = (1500, 30);
    for condition in [1e2, 1e6, 1e10] {
        let (entries, b) = (matrix(m, n, condition, 1), numbers(m, 2));
        let a = DenseView::column_major(&entries, m, n)?;
        for lambda in [0.0, 1e-8] {
            let qr = Problem::new(&a).method(Method::Qr).solve(&b, lambda)?;
            for method in [Method::from(Lsqr::new()), Lsmr::new().into()] {
                let fit = Problem::new(&a).method(method.clone()).precondition(Sketch::new()).solve(&b, lambda)?;
                let steps = fit.report.steps.unwrap_or(usize::MAX);
                assert!(steps <= 120, "{method}, condition {condition:e}, λ = {lambda}: {steps} steps");
                // the objective is what a stable method makes as small as QR does
                let objective = |residual: f64, penalty: f64| residual.hypot(lambda.sqrt() * penalty);
                let (own, best) = (objective(fit.residual_norm, fit.penalty_norm), objective(qr.residual_norm, qr.penalty_norm));
                assert!((own - best).abs() < 1e-9 * best, "{method}, condition {condition:e}, λ = {lambda}: {own} {best}");
            }
        }
    }
    Ok(())
}

#[test]
fn preconditioners_that_do_not_fit_are_refused() -> Result<()> {
    let entries = numbers(12, 1);
    let a = DenseView::column_major(&entries, 4, 3)?;
    let free = from_fn(4, 3, |x: &[f64], y: &mut [f64]| a.apply(x, y), |y: &[f64], x: &mut [f64]| a.apply_adjoint(y, x));
    let b = [1.0; 4];
    let refused = |problem: Problem<'_, f64>, words: &[&str]| {
        let text = problem.solve(&b, 0.1).map(drop).expect_err("must be refused").to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let square = arbitrary_inverse::<f64>(4);
    let problem = || Problem::new(&a);
    refused(problem().method(Method::Svd).precondition(Preconditioner::columns()), &["preconditioner", "Lsmr::new()"]);
    refused(problem().precondition(Preconditioner::scales(&[1.0, 2.0])), &["column scales", "of length 2"]);
    refused(problem().precondition(Preconditioner::scales(&[1.0, 0.0, 1.0])), &["column scale", "positive"]);
    refused(problem().precondition(Preconditioner::inverse(&square)), &["R⁻¹", "4×4", "3×3"]);
    refused(problem().precondition(Nystrom::new().rank(0)), &["rank", "at least 1"]);
    refused(problem().penalty(Penalty::first_difference()).precondition(Nystrom::new()), &["Nyström", "Preconditioner::columns()"]);
    refused(problem().penalty(Penalty::first_difference()).precondition(Sketch::new()), &["sketch", "Preconditioner::columns()"]);
    refused(Problem::new(&free).precondition(Preconditioner::columns()), &["entries", "Preconditioner::scales"]);
    refused(Problem::new(&free).precondition(Sketch::new()), &["entries", "Nystrom::new()"]);
    // a preconditioner that is not what it says is seen as a wrong adjoint, or as NaN
    let broken = from_fn(3, 3, |x: &[f64], y: &mut [f64]| y.copy_from_slice(x), |_: &[f64], x: &mut [f64]| x.fill(f64::NAN));
    refused(problem().precondition(Preconditioner::inverse(&broken)), &["preconditioner", "NaN"]);
    Ok(())
}

// ---- bad operators ---------------------------------------------------------------------------------------------------

#[test]
fn a_wrong_adjoint_and_nan_are_named_with_their_step() -> Result<()> {
    let n = 12;
    let (entries, b) = (numbers(n * n, 1), numbers(n, 2));
    let a = DenseView::column_major(&entries, n, n)?;
    let not_transposed = from_fn(n, n, |x: &[f64], y: &mut [f64]| a.apply(x, y), |y: &[f64], x: &mut [f64]| a.apply(y, x));
    for method in methods() {
        for lambda in [0.0, 0.1] {
            let text = Problem::new(&not_transposed).method(method.clone()).solve(&b, lambda).map(drop).unwrap_err().to_string();
            assert!(text.contains("dot_test"), "{method}: {text}");
            let right = Problem::new(&a).penalty(Penalty::matrix(&not_transposed)).method(method.clone());
            if lambda > 0.0 {
                let text = right.solve(&b, lambda).map(drop).unwrap_err().to_string();
                assert!(text.contains("dot_test"), "{method}, penalty: {text}");
            }
        }
        let calls = Cell::new(0);
        let spoilt = from_fn(
            n,
            n,
            |x: &[f64], y: &mut [f64]| {
                a.apply(x, y);
                calls.set(calls.get() + 1);
                if calls.get() == 4 {
                    y[3] = f64::NAN;
                }
            },
            |y: &[f64], x: &mut [f64]| a.apply_adjoint(y, x),
        );
        let text = Problem::new(&spoilt).method(method.clone()).solve(&b, 0.1).map(drop).unwrap_err().to_string();
        assert!(text.contains("step 4") && text.contains("dot_test"), "{method}: {text}");
    }
    Ok(())
}

/// A that shows its entries and may end the work: products are then made with the entries, and it is asked before each.
#[test]
fn an_operator_that_shows_entries_can_interrupt() {
    struct Stopping<'a> {
        sparse: Option<SparseView<'a, f64>>,
        dense: DenseView<'a, f64>,
        asked: Cell<usize>,
    }
    impl Operator for Stopping<'_> {
        type Scalar = f64;
        fn shape(&self) -> (usize, usize) {
            self.dense.shape()
        }
        fn apply(&self, x: &[f64], y: &mut [f64]) {
            self.dense.apply(x, y);
        }
        fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
            self.dense.apply_adjoint(y, x);
        }
        fn entries(&self) -> Entries<'_, f64> {
            self.sparse.map_or(Entries::Dense(self.dense), Entries::Sparse)
        }
        fn interrupted(&self) -> bool {
            self.asked.set(self.asked.get() + 1);
            self.asked.get() > 7
        }
    }
    // ten distances between the singular values: many steps, were it not interrupted
    let n = 300;
    let values: Vec<f64> = (0..n).map(|i| 10f64.powf(-5.0 * i as f64 / n as f64)).collect();
    let (starts, places): (Vec<usize>, Vec<usize>) = ((0..=n).collect(), (0..n).collect());
    let mut entries = vec![0.0; n * n];
    (0..n).for_each(|i| entries[i * n + i] = values[i]);
    let dense = DenseView::column_major(&entries, n, n).unwrap();
    let sparse = SparseView::csr(n, n, &starts, &places, &values).unwrap();
    let b = vec![1.0; n];
    for sparse in [None, Some(sparse)] {
        let a = Stopping { sparse, dense, asked: Cell::new(0) };
        let problem = Problem::new(&a).method(Lsmr::new());
        let error = problem.solve(&b, 1e-14).unwrap_err();
        assert!(matches!(error, Error::NonFinite { .. }), "{error}");
        assert!(a.asked.get() <= 9, "asked {} times: it went on", a.asked.get());
        a.asked.set(0);
        let error = problem.path(&b, [1e-14, 1e-12]).unwrap_err();
        assert!(matches!(error, Error::NonFinite { .. }), "{error}");
        assert!(a.asked.get() <= 9, "asked {} times: it went on", a.asked.get());
    }
}
