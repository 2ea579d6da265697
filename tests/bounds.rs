//! Bounds and equations: against answers of 50 digits and of SciPy, against every active set of small problems, by the first-order
//! conditions that these tests compute themselves, and by laws.

mod common;

use common::eliminate;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use serde::Deserialize;
use wellposed::{
    Aicc, Bic, Bounds, Cgls, Choice, DenseView, Discrepancy, Error, Gcv, KFold, LCurve, Loo, Lsmr, Method, Operator, Penalty, PenaltyNorm,
    Problem, Solution, c64, log_grid, operator,
};

// ---- testdata -----------------------------------------------------------------------------------------------------------

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    rows: usize,
    columns: usize,
    lambda: f64,
    penalty: String,
    a: Vec<f64>,
    b: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    l: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
    noise_std: Option<Vec<f64>>,
    prior_mean: Option<Vec<f64>>,
    c: Option<Vec<f64>>,
    d: Option<Vec<f64>>,
    intercept: Option<f64>,
    x: Vec<f64>,
    x_scipy: Option<Vec<f64>>,
}

fn cases() -> Vec<Case> {
    #[derive(Deserialize)]
    struct File {
        case: Vec<Case>,
    }
    let text = include_str!("../testdata/bounded.toml");
    toml::from_str::<File>(text).unwrap().case
}

/// The case solved by a method; A by products alone where asked for.
fn solve_case(case: &Case, method: Option<Method>, products: bool) -> Result<Solution<f64, [f64]>, Error> {
    let a = DenseView::row_major(&case.a, case.rows, case.columns).unwrap();
    let hidden = operator::from_fn(
        case.rows,
        case.columns,
        |x: &[f64], y: &mut [f64]| a.apply(x, y),
        |y: &[f64], x: &mut [f64]| a.apply_adjoint(y, x),
    );
    let l = case.l.as_ref().map(|l| DenseView::row_major(l, l.len() / case.columns, case.columns).unwrap());
    let c = case.c.as_ref().map(|c| DenseView::row_major(c, c.len() / case.columns, case.columns).unwrap());
    let mut problem = if products { Problem::new(&hidden) } else { Problem::new(&a) };
    problem = problem.penalty(match (case.penalty.as_str(), &l) {
        ("matrix", Some(l)) => Penalty::matrix(l),
        ("first difference", _) => Penalty::first_difference(),
        ("second difference", _) => Penalty::second_difference(),
        _ => Penalty::identity(),
    });
    if case.low.iter().chain(&case.high).any(|v| v.is_finite()) {
        problem = problem.bounds(Bounds::each(&case.low, &case.high));
    }
    if let Some(weights) = &case.weights {
        problem = problem.weights(weights);
    }
    if let Some(noise) = &case.noise_std {
        problem = problem.noise_std(noise);
    }
    if let Some(mean) = &case.prior_mean {
        problem = problem.prior_mean(mean);
    }
    if let (Some(c), Some(d)) = (&c, &case.d) {
        problem = problem.equality(c, d);
    }
    if case.intercept.is_some() {
        problem = problem.intercept();
    }
    if let Some(method) = method {
        problem = problem.method(method);
    }
    problem.solve(&case.b[..], case.lambda)
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let scale = expected.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    for (j, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "{what}: component {j} is {f}, not {e}");
    }
}

/// Every way gives the answer of 50 digits, and SciPy's.
#[test]
fn answers_of_fifty_digits() {
    let cases = cases();
    assert_eq!(cases.len(), 14);
    for case in &cases {
        // Hilbert's matrix: condition 1e6 of [A; √λI]
        let tolerance = if case.name.starts_with("hilbert") { 1e-8 } else { 1e-11 };
        let mut methods = vec![None, Some(Method::Qr)];
        if !case.name.starts_with("hilbert") && case.c.is_none() {
            methods.push(Some(Method::Cholesky));
        }
        for method in methods {
            let what = format!("{}, {method:?}", case.name);
            let fit = solve_case(case, method, false).unwrap_or_else(|e| panic!("{what}: {e}"));
            close(&fit.x, &case.x, tolerance, &what);
            if let Some(scipy) = &case.x_scipy {
                close(&fit.x, scipy, 1e-8, &what);
            }
            if let Some(intercept) = case.intercept {
                close(&[fit.intercept], &[intercept], tolerance, &what);
            }
            if let Some(constrained) = fit.report.constrained.first() {
                assert!(constrained.kkt_residual <= 1e-10, "{what}: {constrained:?}");
                assert!(constrained.equality_residual <= 1e-12, "{what}: {constrained:?}");
                let at = |side: &[f64], other: &[f64]| (0..case.columns).filter(|&j| fit.x[j] == side[j] && fit.x[j] != other[j]).count();
                assert_eq!(constrained.at_upper, at(&case.high, &case.low), "{what}");
                assert!(fit.x.iter().zip(case.low.iter().zip(&case.high)).all(|(x, (l, h))| l <= x && x <= h), "{what}");
            }
        }
    }
}

/// Products alone, and products on entries, by the projected method.
#[test]
fn answers_of_fifty_digits_by_products() {
    for case in cases().iter().filter(|case| case.c.is_none() && case.lambda > 1e-3) {
        for products in [true, false] {
            let fit = solve_case(case, Some(Cgls::new().into()), products).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            assert_eq!(fit.report.method, "projected conjugate gradients");
            close(&fit.x, &case.x, 1e-8, &case.name);
            if let Some(intercept) = case.intercept {
                close(&[fit.intercept], &[intercept], 1e-9, &case.name);
            }
            assert!(fit.report.constrained[0].kkt_residual <= 1e-11 && fit.report.stop.unwrap().converged());
        }
    }
}

#[test]
fn single_precision() {
    for case in cases().iter().filter(|case| case.c.is_none() && case.l.is_none() && case.weights.is_none() && case.lambda > 1e-3) {
        let single = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let entries = single(&case.a);
        let a = DenseView::row_major(&entries, case.rows, case.columns).unwrap();
        let (low, high) = (single(&case.low), single(&case.high));
        let penalty = if case.penalty == "identity" { Penalty::identity() } else { Penalty::second_difference() };
        for method in [Method::Auto, Cgls::new().into()] {
            let problem = Problem::new(&a).penalty(penalty.clone()).bounds(Bounds::each(&low, &high)).method(method);
            let fit = problem.solve(&single(&case.b), case.lambda).unwrap();
            let x: Vec<f64> = fit.x.iter().map(|&v| f64::from(v)).collect();
            close(&x, &case.x, 2e-5, &case.name);
            assert!(fit.x.iter().zip(low.iter().zip(&high)).all(|(x, (l, h))| l <= x && x <= h));
        }
    }
}

// ---- random problems ----------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
struct Drawn {
    m: usize,
    n: usize,
    a: Vec<f64>,
    b: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    lambda: f64,
    /// 0: identity, 1: first difference, 2: second difference
    penalty: usize,
}

impl Drawn {
    fn a(&self) -> DenseView<'_, f64> {
        DenseView::column_major(&self.a, self.m, self.n).unwrap()
    }

    fn penalty(&self) -> Penalty<'static, f64> {
        [Penalty::identity(), Penalty::first_difference(), Penalty::second_difference()][self.penalty].clone()
    }

    /// [A; √λL], row after row.
    fn stack(&self) -> Vec<Vec<f64>> {
        let n = self.n;
        let mut rows: Vec<Vec<f64>> = (0..self.m).map(|i| (0..n).map(|j| self.a[j * self.m + i]).collect()).collect();
        let root = self.lambda.sqrt();
        let stencil: &[f64] = [&[1.0][..], &[-1.0, 1.0], &[1.0, -2.0, 1.0]][self.penalty];
        for i in 0..(n + 1).saturating_sub(stencil.len()) {
            let mut row = vec![0.0; n];
            stencil.iter().enumerate().for_each(|(k, s)| row[i + k] = root * s);
            rows.push(row);
        }
        rows
    }

    fn residual(&self, x: &[f64]) -> Vec<f64> {
        let data = |i: usize| self.b.get(i).copied().unwrap_or(0.0);
        self.stack().iter().enumerate().map(|(i, row)| data(i) - row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>()).collect()
    }

    fn objective(&self, x: &[f64]) -> f64 {
        self.residual(x).iter().map(|r| r * r).sum()
    }

    /// The largest violation of the first-order conditions, over the norms of column and residual.
    fn kkt(&self, x: &[f64]) -> f64 {
        let (stack, r) = (self.stack(), self.residual(x));
        let size = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let scale = size(&self.b).max(size(&r));
        let mut worst = 0.0f64;
        for j in 0..self.n {
            let column: Vec<f64> = stack.iter().map(|row| row[j]).collect();
            let gradient = -column.iter().zip(&r).map(|(a, r)| a * r).sum::<f64>();
            let wrong = match (x[j] == self.low[j], x[j] == self.high[j]) {
                (true, true) => 0.0,
                (true, false) => (-gradient).max(0.0),
                (false, true) => gradient.max(0.0),
                (false, false) => gradient.abs(),
            };
            if wrong > 0.0 {
                worst = worst.max(wrong / size(&column) / scale);
            }
        }
        worst
    }

    fn problem<'a>(&'a self, a: &'a DenseView<'a, f64>) -> Problem<'a, f64> {
        Problem::new(a).penalty(self.penalty()).bounds(Bounds::each(&self.low, &self.high))
    }
}

/// Tall and wide, of any rank, with columns of many sizes, bounds of every kind.
fn drawn(largest: usize) -> impl Strategy<Value = Drawn> {
    (1..=largest, 1..=largest, 0..=largest, 0..3usize, 0..4usize, any::<u64>()).prop_map(|(m, n, rank, penalty, grade, seed)| {
        let mut random = operator_random(seed);
        let rank = rank.min(m).min(n);
        let left: Vec<f64> = (0..m * rank).map(|_| random()).collect();
        let right: Vec<f64> = (0..n * rank).map(|_| random()).collect();
        let scale: Vec<f64> = (0..n).map(|_| 10f64.powf(grade as f64 * random())).collect();
        let entry = |i: usize, j: usize| scale[j] * (0..rank).map(|k| left[k * m + i] * right[k * n + j]).sum::<f64>();
        let a = (0..m * n).map(|k| entry(k % m, k / m)).collect();
        let b = (0..m).map(|_| random()).collect();
        let (mut low, mut high) = (vec![0.0; n], vec![0.0; n]);
        for j in 0..n {
            let (u, v) = (random() / scale[j], random() / scale[j]);
            (low[j], high[j]) = match (seed as usize + j) % 6 {
                0 => (f64::NEG_INFINITY, f64::INFINITY),
                1 => (0.0, f64::INFINITY),
                2 => (f64::NEG_INFINITY, u),
                3 => (u, u),
                _ => (u.min(v), u.max(v)),
            };
        }
        let lambda = if seed % 5 == 0 { 0.0 } else { 10f64.powf(3.0 * random() - 2.0) };
        Drawn { m, n, a, b, low, high, lambda, penalty }
    })
}

/// Numbers in (−1, 1).
fn operator_random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn for_all(cases: u32, largest: usize, law: impl Fn(Drawn) -> Result<(), TestCaseError>) {
    let mut config = ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1_995_129);
    }
    if let Err(failure) = TestRunner::new(config).run(&drawn(largest), law) {
        panic!("{failure}");
    }
}

/// The conditions that make x the minimiser, computed here, on problems of every shape and rank.
#[test]
fn first_order_conditions() {
    for_all(400, 24, |drawn| {
        let a = drawn.a();
        for method in [Method::Auto, Method::Qr] {
            let fit = drawn.problem(&a).method(method.clone()).solve(&drawn.b, drawn.lambda)?;
            prop_assert!(fit.x.iter().zip(drawn.low.iter().zip(&drawn.high)).all(|(x, (l, h))| l <= x && x <= h));
            if drawn.low.iter().chain(&drawn.high).any(|v| v.is_finite()) {
                let (own, reported) = (drawn.kkt(&fit.x), fit.report.constrained[0].kkt_residual);
                prop_assert!(own <= 1e-10 && reported <= 1e-10, "{method}: {own:.1e}, reported {reported:.1e}");
                let objective = fit.residual_norm * fit.residual_norm + drawn.lambda * fit.penalty_norm * fit.penalty_norm;
                prop_assert!((objective - drawn.objective(&fit.x)).abs() <= 1e-12 * (1.0 + objective), "the norms are not those of x");
            }
        }
        Ok(())
    });
}

/// No set of active bounds does better: all 3ⁿ of them.
#[test]
fn every_active_set() {
    for_all(150, 5, |drawn| {
        let a = drawn.a();
        let fit = drawn.problem(&a).solve(&drawn.b, drawn.lambda)?;
        let found = drawn.objective(&fit.x);
        let stack = drawn.stack();
        let mut best = f64::INFINITY;
        for code in 0..3usize.pow(drawn.n as u32) {
            let place = |j: usize| code / 3usize.pow(j as u32) % 3;
            let mut x: Vec<f64> = (0..drawn.n).map(|j| [0.0, drawn.low[j], drawn.high[j]][place(j)]).collect();
            if x.iter().any(|v| !v.is_finite()) {
                continue;
            }
            let free: Vec<usize> = (0..drawn.n).filter(|&j| place(j) == 0).collect();
            let r = drawn.residual(&x);
            let dot = |i: usize, j: usize| stack.iter().map(|row| row[i] * row[j]).sum::<f64>();
            let matrix: Vec<Vec<f64>> = free.iter().map(|&i| free.iter().map(|&j| dot(i, j)).collect()).collect();
            let rhs: Vec<f64> = free.iter().map(|&i| stack.iter().zip(&r).map(|(row, r)| row[i] * r).sum()).collect();
            let Some(solution) = eliminate(matrix, rhs) else { continue };
            free.iter().zip(solution).for_each(|(&j, v)| x[j] = v);
            if (0..drawn.n).all(|j| drawn.low[j] <= x[j] && x[j] <= drawn.high[j]) {
                best = best.min(drawn.objective(&x));
            }
        }
        prop_assert!(found <= best + 1e-9 * (1.0 + best), "{found} although {best} is possible");
        Ok(())
    });
}

/// By products: the same objective as the active set, which need not share its x where that is not unique.
#[test]
fn products_alone_reach_the_same_objective() {
    for_all(60, 14, |mut drawn| {
        prop_assume!(drawn.a.iter().all(|v| v.abs() < 10.0));
        drawn.lambda = drawn.lambda.max(1e-2);
        let a = drawn.a();
        let fit = drawn.problem(&a).method(Cgls::new().max_steps(20_000)).solve(&drawn.b, drawn.lambda)?;
        let reference = drawn.problem(&a).solve(&drawn.b, drawn.lambda)?;
        let (found, expected) = (drawn.objective(&fit.x), drawn.objective(&reference.x));
        prop_assert!(found <= expected * (1.0 + 1e-9) + 1e-12, "{found} although {expected} is possible");
        Ok(())
    });
}

// ---- laws ---------------------------------------------------------------------------------------------------------------

fn example() -> Drawn {
    let mut random = operator_random(11);
    let (m, n) = (30, 12);
    let a: Vec<f64> = (0..m * n).map(|k| (-0.15 * ((k % m) as f64 / 2.5 - (k / m) as f64).powi(2)).exp()).collect();
    let b = (0..m).map(|i| if (8..16).contains(&i) { 1.0 } else { 0.0 } + 0.05 * random()).collect();
    Drawn { m, n, a, b, low: vec![0.0; n], high: vec![f64::INFINITY; n], lambda: 1e-3, penalty: 0 }
}

/// Bounds that nothing meets change nothing, infinite or not; infinite ones keep every method and rule.
#[test]
fn bounds_that_do_not_hold() {
    let drawn = example();
    let a = drawn.a();
    let free = Problem::new(&a).solve(&drawn.b, 1e-3).unwrap();
    for bounds in [Bounds::from(..), Bounds::from(-1e6..=1e6), Bounds::each(&[f64::NEG_INFINITY; 12], &[1e6; 12])] {
        let fit = Problem::new(&a).bounds(bounds).solve(&drawn.b, 1e-3).unwrap();
        close(&fit.x, &free.x, 1e-12, "bounds far away");
        assert!((fit.dof.unwrap() - free.dof.unwrap()).abs() < 1e-10);
        close(&[fit.residual_norm, fit.penalty_norm], &[free.residual_norm, free.penalty_norm], 1e-12, "norms");
    }
    let (loo, bounded) = (Problem::new(&a).solve(&drawn.b, Loo).unwrap(), Problem::new(&a).bounds(..).solve(&drawn.b, Loo).unwrap());
    assert_eq!(loo.x, bounded.x);
}

/// A component between equal bounds is a column moved to the right-hand side.
#[test]
fn a_fixed_component() {
    let drawn = example();
    let a = drawn.a();
    let (mut low, mut high) = (vec![0.0; 12], vec![f64::INFINITY; 12]);
    (low[4], high[4]) = (0.7, 0.7);
    let fit = Problem::new(&a).bounds(Bounds::each(&low, &high)).solve(&drawn.b, 0.1).unwrap();
    assert_eq!(fit.x[4], 0.7);
    let kept: Vec<usize> = (0..12).filter(|&j| j != 4).collect();
    let entries: Vec<f64> = kept.iter().flat_map(|&j| drawn.a[j * 30..(j + 1) * 30].to_vec()).collect();
    let b: Vec<f64> = (0..30).map(|i| drawn.b[i] - 0.7 * drawn.a[4 * 30 + i]).collect();
    let other = Problem::new(&DenseView::column_major(&entries, 30, 11).unwrap()).bounds(0.0..).solve(&b, 0.1).unwrap();
    close(&kept.iter().map(|&j| fit.x[j]).collect::<Vec<f64>>(), &other.x, 1e-12, "the other components");
}

/// Units: A and b times c with c²λ change nothing; b and the bounds times c are x times c. Also far outside the range of squares.
#[test]
fn units() {
    let drawn = example();
    let a = drawn.a();
    let high = 0.15;
    let reference = Problem::new(&a).bounds(0.0..=high).solve(&drawn.b, 0.01).unwrap();
    assert!(reference.report.constrained[0].at_upper > 0 && reference.report.constrained[0].at_lower > 0);
    for c in [2f64.powi(20), 2f64.powi(-300), 2f64.powi(400)] {
        let scaled: Vec<f64> = drawn.a.iter().map(|v| c * v).collect();
        let b: Vec<f64> = drawn.b.iter().map(|v| c * v).collect();
        let scaled = DenseView::column_major(&scaled, 30, 12).unwrap();
        let fit = Problem::new(&scaled).bounds(0.0..=high).solve(&b, wellposed::Lambda::from_damping(0.1 * c)).unwrap();
        close(&fit.x, &reference.x, 1e-12, "A and b in other units");
        let fit = Problem::new(&a).bounds(0.0..=high * c).solve(&b, 0.01).unwrap();
        close(&fit.x.iter().map(|x| x / c).collect::<Vec<f64>>(), &reference.x, 1e-12, "x in other units");
    }
}

/// λ after λ from the set of the last is what each λ gives by itself; several right-hand sides are each by itself.
#[test]
fn path_and_many_right_hand_sides() {
    let drawn = example();
    let a = drawn.a();
    let problem = Problem::new(&a).penalty(Penalty::first_difference()).bounds(0.0..=0.9);
    let lambdas: Vec<f64> = log_grid(1e-8..=1e2, 11).collect();
    let path = problem.path(&drawn.b, lambdas.clone()).unwrap();
    let mut last = 0.0;
    for (fit, &lambda) in path.iter().zip(&lambdas) {
        let alone = problem.solve(&drawn.b, lambda).unwrap();
        close(&fit.x, &alone.x, 1e-8, "path");
        assert_eq!(fit.lambda, lambda);
        assert!(fit.residual_norm >= last, "the residual rises with λ");
        last = fit.residual_norm;
    }
    let other: Vec<f64> = drawn.b.iter().rev().copied().collect();
    let both: Vec<f64> = drawn.b.iter().chain(&other).copied().collect();
    for choice in [Choice::from(0.01), Gcv.into()] {
        let fits = problem.solve(&DenseView::column_major(&both, 30, 2).unwrap(), choice).unwrap();
        for (j, b) in [&drawn.b, &other].into_iter().enumerate() {
            let alone = problem.solve(b, choice).unwrap();
            close(&fits.x[j], &alone.x, 1e-12, "one of two right-hand sides");
            assert_eq!(fits.lambda[j], alone.lambda);
        }
    }
}

// ---- λ ------------------------------------------------------------------------------------------------------------------

/// dof is the trace of ∂(Ax)/∂b, here by differences of answers.
#[test]
fn degrees_of_freedom() {
    let drawn = example();
    let a = drawn.a();
    let c = [1.0; 12];
    let c = DenseView::column_major(&c, 1, 12).unwrap();
    let base = Problem::new(&a).bounds(0.0..=0.2);
    for problem in [
        base.clone(),
        base.clone().penalty(Penalty::second_difference()),
        base.clone().intercept(),
        base.clone().method(Method::Qr),
        base.clone().equality(&c, &[0.7]),
        base.clone().equality(&c, &[0.7]).penalty(Penalty::first_difference()),
    ] {
        let fit = problem.solve(&drawn.b, 0.01).unwrap();
        let fitted = |fit: &Solution<f64, Vec<f64>>, i: usize| fit.intercept + (0..12).map(|j| drawn.a[j * 30 + i] * fit.x[j]).sum::<f64>();
        let mut trace = 0.0;
        for i in 0..30 {
            let mut b = drawn.b.clone();
            b[i] += 1e-6;
            trace += (fitted(&problem.solve(&b, 0.01).unwrap(), i) - fitted(&fit, i)) / 1e-6;
        }
        assert!((trace - fit.dof.unwrap()).abs() < 1e-6, "{problem:?}: {} is not {trace}", fit.dof.unwrap());
    }
}

/// The λ of a criterion is not beaten by λ on a fine grid, whose criterion is computed here from norms and dof.
#[test]
fn criteria_of_the_bounded_problem() {
    let drawn = example();
    let a = drawn.a();
    let problem = Problem::new(&a).bounds(0.0..);
    let m = 30.0f64;
    let gcv = |r: f64, dof: f64| m * r * r / (m - dof).powi(2);
    let aicc = |r: f64, dof: f64| r * r / m * (2.0 * (dof + 1.0) / (m - dof - 2.0)).exp();
    let bic = |r: f64, dof: f64| r * r / m * (m.ln() * dof / m).exp();
    let unbounded = Problem::new(&a).solve(&drawn.b, Gcv).unwrap();
    type Criterion<'c> = &'c dyn Fn(f64, f64) -> f64;
    let rules: [(Choice, Criterion<'_>); 3] = [(Gcv.into(), &gcv), (Aicc.into(), &aicc), (Bic.into(), &bic)];
    for (choice, criterion) in rules {
        let fit = problem.solve(&drawn.b, choice).unwrap();
        let found = criterion(fit.residual_norm, fit.dof.unwrap());
        assert!((fit.report.criteria[0].value / found - 1.0).abs() < 1e-9, "{choice}: the criterion reported is another");
        let grid = problem.path(&drawn.b, log_grid(1e-8..=1e3, 45)).unwrap();
        let least = grid.iter().map(|fit| criterion(fit.residual_norm, fit.dof.unwrap())).fold(f64::INFINITY, f64::min);
        assert!(found <= least * 1.02, "{choice}: {found} although {least} is possible");
        assert!(fit.lambda != unbounded.lambda);
        assert!(fit.report.criteria[0].evaluated.len() > 20);
    }
}

/// K-fold errors are those of bounded refits made by hand, with weights, noise levels and an intercept; where no bound holds they are those
/// of the closed form.
#[test]
fn folds_are_refitted_between_the_bounds() {
    let drawn = example();
    let a = drawn.a();
    let (m, n) = a.shape();
    let b: Vec<f64> = (0..m).map(|i| (0.7 * i as f64).sin() + 0.4).collect();
    let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 3) as f64).collect();
    let noise: Vec<f64> = (0..m).map(|i| 0.5 + (i % 2) as f64).collect();
    let labels: Vec<usize> = (0..m).map(|i| i % 3).collect();
    let (low, high) = (vec![0.0; n], vec![0.4; n]);
    let bounds = || Bounds::each(&low, &high);
    let problem = Problem::new(&a).weights(&weights).noise_std(&noise).intercept().groups(&labels);
    let fit = problem.clone().bounds(bounds()).solve(&b, KFold::new(3)).unwrap();
    assert!(fit.x.iter().any(|x| *x == 0.0 || *x == 0.4), "no bound holds: {:?}", fit.x);
    let evaluated = &fit.report.criteria[0].evaluated;
    for &(lambda, error) in evaluated.iter().step_by(7) {
        let mut sum = 0.0;
        for fold in 0..3 {
            let kept: Vec<usize> = (0..m).filter(|&i| labels[i] != fold).collect();
            let of = |v: &[f64]| kept.iter().map(|&i| v[i]).collect::<Vec<f64>>();
            let mut entry = vec![0.0; m];
            let mut part = Vec::new();
            for j in 0..n {
                let unit: Vec<f64> = (0..n).map(|k| f64::from(u8::from(k == j))).collect();
                a.apply(&unit, &mut entry);
                part.extend(of(&entry));
            }
            let part = DenseView::column_major(&part, kept.len(), n).unwrap();
            let refit = Problem::new(&part).weights(&of(&weights)).noise_std(&of(&noise)).intercept().bounds(bounds());
            let refit = refit.solve(&of(&b), lambda).unwrap();
            a.apply(&refit.x, &mut entry);
            let off = |i: usize| (b[i] - refit.intercept - entry[i]) / noise[i];
            sum += (0..m).filter(|&i| labels[i] == fold).map(|i| weights[i] * off(i).powi(2)).sum::<f64>();
        }
        assert!((error - sum).abs() <= 1e-8 * sum, "λ = {lambda}: {error} is not {sum}");
    }
    assert!(evaluated.iter().all(|(_, error)| *error >= fit.report.criteria[0].value));
    let wide = problem.clone().bounds(-1e3..=1e3).solve(&b, KFold::new(3)).unwrap();
    let closed = problem.clone().solve(&b, KFold::new(3)).unwrap();
    let (found, expected) = (wide.report.criteria[0].value, closed.report.criteria[0].value);
    assert!((found - expected).abs() <= 1e-6 * expected && found >= expected * (1.0 - 1e-9), "{found} is not {expected}");
    // one group cannot be left out
    let one = problem.groups(&vec![7; m]).bounds(bounds()).solve(&b, KFold::new(3)).unwrap_err();
    assert!(matches!(one, Error::NoLambda { .. }) && one.to_string().contains("leave out"), "{one}");
}

#[test]
fn norms_asked_for() {
    let drawn = example();
    let a = drawn.a();
    for method in [Method::Auto, Cgls::new().tolerance(1e-13).into()] {
        let problem = Problem::new(&a).bounds(0.0..=0.9).method(method);
        let at = problem.solve(&drawn.b, 0.5).unwrap();
        let by_residual = problem.solve(&drawn.b, Discrepancy::noise_norm(at.residual_norm)).unwrap();
        assert!((by_residual.lambda / 0.5 - 1.0).abs() < 1e-6 && (by_residual.residual_norm / at.residual_norm - 1.0).abs() < 1e-8);
        let by_penalty = problem.solve(&drawn.b, PenaltyNorm::at_most(at.penalty_norm)).unwrap();
        assert!((by_penalty.lambda / 0.5 - 1.0).abs() < 1e-6, "{}", by_penalty.lambda);
        assert_eq!(problem.solve(&drawn.b, PenaltyNorm::at_most(1e3)).unwrap().lambda, 0.0);
        let text = problem.solve(&drawn.b, Discrepancy::noise_norm(1e-9)).unwrap_err().to_string();
        assert!(text.contains("never below") && text.contains("raise the noise norm"), "{text}");
        let loose = Discrepancy::noise_norm(1e3);
        let text = problem.solve(&drawn.b, loose).unwrap_err().to_string();
        assert!(text.contains("never above") && text.contains("at_most"), "{text}");
        let fit = problem.solve(&drawn.b, loose.at_most()).unwrap();
        assert!(fit.penalty_norm < 1e-6 && fit.report.warnings.iter().any(|w| w.to_string().contains("upper end")));
    }
}

/// The balls without bounds: the secular equation, against the λ that has these norms.
#[test]
fn balls_without_bounds() {
    let drawn = example();
    let a = drawn.a();
    for penalty in [Penalty::identity(), Penalty::second_difference(), Penalty::diagonal(&[2.0; 12])] {
        for method in [Method::Auto, Method::Svd, Method::Bidiagonal] {
            let problem = Problem::new(&a).penalty(penalty.clone()).intercept().method(method);
            let at = problem.solve(&drawn.b, 0.02).unwrap();
            let fit = problem.solve(&drawn.b, PenaltyNorm::at_most(at.penalty_norm)).unwrap();
            assert!((fit.lambda / 0.02 - 1.0).abs() < 1e-9 && (fit.penalty_norm / at.penalty_norm - 1.0).abs() < 1e-12, "{}", fit.lambda);
        }
        let problem = Problem::new(&a).penalty(penalty.clone());
        let kept = problem.factorize().unwrap();
        let unregularized = problem.solve(&drawn.b, 0.0).unwrap();
        let inside = PenaltyNorm::at_most(2.0 * unregularized.penalty_norm);
        for fit in [problem.solve(&drawn.b, inside).unwrap(), kept.solve(&drawn.b, inside).unwrap()] {
            assert_eq!(fit.lambda, 0.0);
            close(&fit.x, &unregularized.x, 1e-7, "inside the ball");
        }
        // a straight line or a constant fits to within this noise: λ as large as there is
        let fit = problem.solve(&drawn.b, Discrepancy::noise_norm(1e3).at_most()).unwrap();
        assert!(fit.penalty_norm < 1e-2 * unregularized.penalty_norm && fit.residual_norm < 1e3);
    }
    // far from 1 in size: the norm asked for is in the caller's units
    let tiny: Vec<f64> = drawn.a.iter().map(|v| v * 1e-200).collect();
    let fit = Problem::new(&DenseView::column_major(&tiny, 30, 12).unwrap()).solve(&drawn.b, PenaltyNorm::at_most(1e200)).unwrap();
    assert!((fit.penalty_norm / 1e200 - 1.0).abs() < 1e-10, "{}", fit.penalty_norm);
}

// ---- equations ----------------------------------------------------------------------------------------------------------

/// Every rule and method on the problem that is left: here the last component is what the sum leaves.
#[test]
fn an_equation_eliminated_by_hand() {
    let drawn = example();
    let a = drawn.a();
    let ones = [1.0; 12];
    let sum = DenseView::column_major(&ones, 1, 12).unwrap();
    // x₁₂ = s − Σ others: A(others) + a₁₂(s − Σ), penalty ‖D(others) + e(s − Σ)‖ by the matrix [I; −1ᵀ] and prior s/12, for the sum s
    let entries: Vec<f64> =
        (0..11).flat_map(|j| (0..30).map(move |i| (i, j))).map(|(i, j)| drawn.a[j * 30 + i] - drawn.a[11 * 30 + i]).collect();
    let by_hand = DenseView::column_major(&entries, 30, 11).unwrap();
    let l: Vec<f64> = (0..11)
        .flat_map(|j| {
            (0..12).map(move |i| {
                if i == j {
                    1.0
                } else if i == 11 {
                    -1.0
                } else {
                    0.0
                }
            })
        })
        .collect();
    let l = DenseView::column_major(&l, 12, 11).unwrap();
    let b: Vec<f64> = (0..30).map(|i| drawn.b[i] - 0.75 * drawn.a[11 * 30 + i]).collect();
    let prior = [0.75 / 12.0; 11];
    let problem = Problem::new(&a).equality(&sum, &[0.75]);
    let reference = Problem::new(&by_hand).penalty(Penalty::matrix(&l)).prior_mean(&prior);
    for choice in [Choice::from(0.02), Gcv.into(), Loo.into(), Discrepancy::noise_norm(1.2).into(), wellposed::Evidence.into()] {
        let (fit, expected) = (problem.solve(&drawn.b, choice).unwrap(), reference.solve(&b, choice).unwrap());
        assert!((fit.lambda / expected.lambda - 1.0).abs() < 1e-6, "{choice}: {} is not {}", fit.lambda, expected.lambda);
        close(&fit.x[..11], &expected.x, 1e-7, "others");
        assert!((fit.x.iter().sum::<f64>() - 0.75).abs() < 1e-13);
        let own = fit.x.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((fit.penalty_norm / own - 1.0).abs() < 1e-12, "the penalty norm is ‖x‖");
        assert_eq!(fit.rank, Some(12));
    }
    // relative to the b that was given, and not to what elimination leaves of it
    let norm = drawn.b.iter().map(|b| b * b).sum::<f64>().sqrt();
    let (relative, absolute) = (Discrepancy::relative_noise(1.2 / norm), Discrepancy::noise_norm(1.2));
    let lambda = |rule: Discrepancy| problem.solve(&drawn.b, rule).unwrap().lambda;
    assert!((lambda(relative) / lambda(absolute) - 1.0).abs() < 1e-9);
    // products alone, and the ball
    let hidden = operator::from_fn(30, 12, |x: &[f64], y: &mut [f64]| a.apply(x, y), |y: &[f64], x: &mut [f64]| a.apply_adjoint(y, x));
    let by_products = Problem::new(&hidden).equality(&sum, &[0.75]).method(Lsmr::new()).solve(&drawn.b, 0.02).unwrap();
    let direct = problem.solve(&drawn.b, 0.02).unwrap();
    close(&by_products.x, &direct.x, 1e-9, "by products");
    let ball = problem.solve(&drawn.b, PenaltyNorm::at_most(direct.penalty_norm)).unwrap();
    assert!((ball.lambda / 0.02 - 1.0).abs() < 1e-6);
    assert_eq!(problem.path(&drawn.b, [0.02, 0.2]).unwrap()[0].x, direct.x);
}

#[test]
fn complex_equations() {
    let z = |re: f64, im: f64| c64::new(re, im);
    let a = [z(1.0, 1.0), z(0.5, 0.0), z(0.0, -1.0), z(2.0, 0.0), z(1.0, 0.3), z(0.1, 1.0), z(0.4, 0.0), z(0.0, 2.0), z(1.0, -1.0)];
    let a = DenseView::column_major(&a, 3, 3).unwrap();
    let c = [z(1.0, 0.0), z(0.0, 1.0), z(2.0, -1.0)];
    let c = DenseView::column_major(&c, 1, 3).unwrap();
    let d = z(0.5, -0.25);
    let b = [z(1.0, 0.0), z(0.0, 1.0), z(-1.0, 0.5)];
    let fit = Problem::new(&a).equality(&c, &[d]).solve(&b, 0.1).unwrap();
    let cx = fit.x[0] + fit.x[1] * z(0.0, 1.0) + fit.x[2] * z(2.0, -1.0);
    assert!((cx - d).norm() < 1e-14);
    // Aᴴ(Ax − b) + λx is a multiple of Cᴴ
    let r: Vec<c64> = (0..3).map(|i| (0..3).map(|j| a.get(i, j).unwrap() * fit.x[j]).sum::<c64>() - b[i]).collect();
    let g: Vec<c64> = (0..3).map(|j| (0..3).map(|i| a.get(i, j).unwrap().conj() * r[i]).sum::<c64>() + fit.x[j] * 0.1).collect();
    let mu = g[0];
    assert!((g[1] - mu * z(0.0, -1.0)).norm() < 1e-14 && (g[2] - mu * z(2.0, 1.0)).norm() < 1e-14, "{g:?}");
}

// ---- bad input ----------------------------------------------------------------------------------------------------------

#[test]
fn refusals() {
    let entries: Vec<f64> = (0..60).map(|k| (k as f64 * 0.7).sin()).collect();
    let a = DenseView::column_major(&entries, 10, 6).unwrap();
    let b = vec![1.0; 10];
    let says = |result: Result<Solution<f64, Vec<f64>>, Error>, words: &[&str]| {
        let text = result.err().unwrap_or_else(|| panic!("nothing was refused: {words:?}")).to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let problem = || Problem::new(&a);
    says(problem().bounds(1.0..=0.0).solve(&b, 0.1), &["component 0", "bounded by 1 and 0"]);
    says(problem().bounds(f64::NAN..).solve(&b, 0.1), &["NaN", "must be a number"]);
    says(problem().bounds(f64::INFINITY..).solve(&b, 0.1), &["must be a number"]);
    says(problem().bounds(Bounds::each(&[0.0; 5], &[1.0; 6])).solve(&b, 0.1), &["lower bounds", "length 5", "length 6"]);
    says(problem().bounds(0.0..).solve(&b, LCurve), &["L-curve", "bounds", "use Gcv"]);
    says(problem().bounds(0.0..).solve(&b, Discrepancy::estimated()), &["bounds", "use Gcv"]);
    says(problem().bounds(0.0..).solve(&b, Gcv.shared()), &["one λ", "bounds"]);
    says(problem().bounds(0.0..).method(Method::Svd).solve(&b, 0.1), &["SVD", "bounds", "Method::Auto"]);
    says(problem().bounds(0.0..).method(Cgls::new().steps(5)).solve(&b, 0.1), &["Cgls::steps", "bounds"]);
    says(problem().bounds(0.0..).method(Cgls::new()).solve(&b, Gcv), &["GCV", "Discrepancy"]);
    says(problem().bounds(0.0..).method(Cgls::new().max_steps(1)).solve(&b, 1e-9), &["after 1 steps", "raise λ"]);
    says(problem().bounds(0.0..).precondition(wellposed::preconditioner::Sketch::new()).solve(&b, 0.1), &["preconditioner", "bounds"]);
    assert!(problem().bounds(0.0..).factorize().unwrap_err().to_string().contains("factorization"));
    let same: Vec<f64> = (0..20).map(|k| (k % 10) as f64).collect();
    let same = DenseView::column_major(&same, 10, 2).unwrap();
    says(Problem::new(&same).bounds(0.0..).method(Method::Cholesky).solve(&b, 0.0), &["condition", "Method::Qr"]);
    says(Problem::new(&same).bounds(0.0..).require_full_rank().solve(&b, 0.0), &["rank 1 of 2"]);
    let open = Problem::new(&same).bounds(0.0..).solve(&b, 0.0).unwrap();
    assert!(open.report.warnings.iter().any(|w| w.to_string().contains("need not be unique")), "{}", open.report);

    let c = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let c = DenseView::column_major(&c, 2, 6).unwrap();
    says(problem().equality(&c, &[1.0, 3.0]).solve(&b, 0.1), &["no x satisfies", "drop the equations"]);
    assert!(problem().equality(&c, &[1.0, 2.0]).solve(&b, 0.1).is_ok());
    says(problem().equality(&c, &[1.0]).solve(&b, 0.1), &["d of the equality", "length 1", "length 2"]);
    says(problem().equality(&c, &[1.0, f64::NAN]).solve(&b, 0.1), &["NaN"]);
    says(problem().equality(&same, &[1.0; 10]).solve(&b, 0.1), &["C must have as many columns"]);
    says(problem().equality(&c, &[-1.0, -2.0]).bounds(0.0..).solve(&b, 0.1), &["no x satisfies Cx = d within the bounds", "widen"]);
    says(problem().equality(&c, &[1.0, 2.0]).solve(&b, LCurve), &["L-curve", "prior mean that satisfies"]);
    says(problem().equality(&c, &[1.0, 2.0]).solve(&b, PenaltyNorm::at_most(1e-3)), &["raise the bound"]);
    says(problem().solve(&b, PenaltyNorm::at_most(0.0)), &["the bound on the penalty norm", "positive"]);

    let z = [c64::new(1.0, 1.0); 4];
    let complex = DenseView::column_major(&z, 2, 2).unwrap();
    let text = Problem::new(&complex).bounds(0.0..).solve(&[c64::new(1.0, 0.0); 2], 0.1).unwrap_err().to_string();
    assert!(text.contains("no order"), "{text}");
}

/// Nothing to do is done.
#[test]
fn shapes_at_the_edge() {
    let empty: [f64; 0] = [];
    let fit = Problem::new(&DenseView::column_major(&empty, 0, 3).unwrap()).bounds(1.0..=2.0).solve(&empty, 0.1).unwrap();
    assert_eq!(fit.x, vec![1.0; 3]);
    let fit = Problem::new(&DenseView::column_major(&empty, 2, 0).unwrap()).bounds(0.0..).solve(&[1.0, 2.0], 0.1).unwrap();
    assert!(fit.x.is_empty());
    let fit = Problem::new(&DenseView::column_major(&[2.0], 1, 1).unwrap()).bounds(..=0.5).solve(&[4.0], 0.0).unwrap();
    assert_eq!(fit.x, [0.5]);
    let zeros = [0.0; 6];
    let zeros = DenseView::column_major(&zeros, 3, 2).unwrap();
    for method in [Method::Auto, Cgls::new().into()] {
        let fit = Problem::new(&zeros).bounds(-1.0..=1.0).method(method).solve(&[1.0; 3], 0.0).unwrap();
        assert!(fit.x.iter().all(|x| (-1.0..=1.0).contains(x)));
    }
}

/// The plan says what the report then says was done.
#[test]
fn plans_and_reports() {
    let drawn = example();
    let a = drawn.a();
    let problem = drawn.problem(&a);
    let plan = problem.plan(Gcv).unwrap();
    assert!(plan.to_string().contains("principal pivoting") && plan.to_string().contains("if refused active set"), "{plan}");
    let report = problem.solve(&drawn.b, Gcv).unwrap().report;
    assert_eq!(report.method, plan.method);
    assert!(report.to_string().contains("at the lower") && report.to_string().contains("KKT residual"), "{report}");
    let plan = Problem::new(&a).bounds(0.0..).method(Cgls::new()).plan(0.1).unwrap();
    assert_eq!(plan.method, "projected conjugate gradients");
    let sum = [1.0; 12];
    let sum = DenseView::column_major(&sum, 1, 12).unwrap();
    assert!(Problem::new(&a).equality(&sum, &[1.0]).plan(0.1).unwrap().to_string().contains("eliminate the equations"));
    assert!(problem.plan(LCurve).is_err());
}
