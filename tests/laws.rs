//! Identities that hold for every input, each one line of mathematics, on problems drawn by the property-test kit.
//!
//! Tolerances are derived, not chosen: an answer whose backward error is within the 30·ε·max(m, n) of LAPACK's tests lies
//! within `30·error_bounds` of the exact minimiser (condition × ε × size, see `wellposed::strategies::Certificate`); two
//! answers may be the sum of both apart. What is exact in floating point is compared bit by bit.
//!
//! Draws repeat from run to run. `PROPTEST_CASES=10000 PROPTEST_RNG_SEED=7 cargo test --test laws` draws more, and others.

use proptest::prelude::*;
use proptest::strategy::Strategy;
use proptest::test_runner::{RngSeed, TestCaseResult, TestRunner};
use wellposed::strategies::{Certificate, Instance, Instances, Matrix, OwnedPenalty, PenaltyKind, certify};
use wellposed::{
    Cgls, Choice, DenseView, Discrepancy, Error, Gcv, Lambda, Loo, Lsmr, Lsqr, Method, Operator, Penalty, Problem, Real, Scalar, Solution,
    c32, c64, log_grid,
};

/// How far a backward stable answer may be from the minimiser, in units of ε·max(m, n)·condition·size: LAPACK's 30.
const STABLE: f64 = 30.0;

// ---- helpers ----------------------------------------------------------------------------------------------------------

/// Draws `cases` problems (or PROPTEST_CASES) and checks a law on each.
fn for_all<S: Strategy>(cases: u32, strategy: S, law: impl Fn(S::Value) -> TestCaseResult) {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(19_631_970);
    }
    if let Err(failure) = TestRunner::new(config).run(&strategy, law) {
        panic!("{failure}");
    }
}

type Fit<T> = Solution<T, Matrix<T>>;

/// The fit with its certificate.
fn fit<T: Scalar>(case: &Instance<T>, problem: &Problem<'_, T>, choice: impl Into<Choice>) -> Result<(Fit<T>, Certificate), TestCaseError> {
    let fit = problem.solve(&case.b, choice)?;
    let certificate = certify(problem, &case.b, &fit);
    Ok((fit, certificate))
}

fn distance<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).fold(0.0, |norm: f64, (&x, &y)| norm.hypot((x - y).modulus().to_f64()))
}

fn norm<T: Scalar>(x: &[T]) -> f64 {
    distance(x, &vec![T::ZERO; x.len()])
}

fn within(distance: f64, bound: f64, what: &str) -> TestCaseResult {
    prop_assert!(distance <= bound, "{what}: {distance:.3e} apart, {bound:.3e} permitted");
    Ok(())
}

/// Two answers to the same problem, column by column.
fn same_x<T: Scalar>((one, bound): (&Fit<T>, &Certificate), (other, other_bound): (&Fit<T>, &Certificate), what: &str) -> TestCaseResult {
    for j in 0..one.x.columns() {
        let permitted = STABLE * (bound.error_bounds[j] + other_bound.error_bounds[j]);
        within(distance(one.x.column(j), other.x.column(j)), permitted, what)?;
    }
    Ok(())
}

fn bits<T: Scalar>(values: &[T]) -> Vec<(u64, u64)> {
    values.iter().map(|v| (v.real().to_f64().to_bits(), v.imaginary().to_f64().to_bits())).collect()
}

fn real<T: Scalar>(value: f64) -> T {
    T::from_real(T::Real::from_f64(value))
}

fn scaled<T: Scalar>(a: &Matrix<T>, factor: f64) -> Matrix<T> {
    Matrix::from_fn(a.rows(), a.columns(), |i, j| a[(i, j)].scale(T::Real::from_f64(factor)))
}

/// The rows `keep`, in that order, of everything that has one value a row.
fn rows_of<T: Scalar>(case: &Instance<T>, keep: &[usize]) -> Instance<T> {
    let pick = |a: &Matrix<T>| Matrix::from_fn(keep.len(), a.columns(), |i, j| a[(keep[i], j)]);
    let list = |v: &Option<Vec<T::Real>>| v.as_ref().map(|v| keep.iter().map(|&i| v[i]).collect());
    Instance { a: pick(&case.a), b: pick(&case.b), weights: list(&case.weights), noise_std: list(&case.noise_std), ..case.clone() }
}

fn permutation(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7);
    order
}

/// How far two stated dof may be apart: the law of the certificate, twice.
fn dof_slack<T: Scalar>(case: &Instance<T>, bound: &Certificate) -> f64 {
    2.0 * (bound.tolerance() * bound.condition * bound.condition).min(1.0) * case.a.columns() as f64
}

/// D, the square root of W.
fn row_scale<T: Scalar>(case: &Instance<T>, i: usize) -> f64 {
    let weight = case.weights.as_ref().map_or(1.0, |w| w[i].to_f64());
    weight.sqrt() / case.noise_std.as_ref().map_or(1.0, |s| s[i].to_f64())
}

/// L, written out from its definition.
fn dense_penalty<T: Scalar>(penalty: &OwnedPenalty<T>, n: usize) -> Matrix<T> {
    match penalty {
        OwnedPenalty::Identity => Matrix::from_fn(n, n, |i, j| real(f64::from(u8::from(i == j)))),
        OwnedPenalty::Diagonal(w) => Matrix::from_fn(n, n, |i, j| if i == j { T::from_real(w[i]) } else { T::ZERO }),
        OwnedPenalty::FirstDifference => Matrix::from_fn(n.saturating_sub(1), n, |i, j| {
            real(if j == i {
                -1.0
            } else if j == i + 1 {
                1.0
            } else {
                0.0
            })
        }),
        OwnedPenalty::SecondDifference => Matrix::from_fn(n.saturating_sub(2), n, |i, j| {
            real(if j == i + 1 {
                -2.0
            } else if j == i || j == i + 2 {
                1.0
            } else {
                0.0
            })
        }),
        OwnedPenalty::Matrix(l) => l.clone(),
        OwnedPenalty::Sum(terms) => {
            let blocks: Vec<Matrix<T>> = terms.iter().map(|(weight, term)| scaled(&dense_penalty(term, n), weight.sqrt())).collect();
            let row = |mut i: usize, j: usize| {
                for block in &blocks {
                    if i < block.rows() {
                        return block[(i, j)];
                    }
                    i -= block.rows();
                }
                T::ZERO
            };
            Matrix::from_fn(blocks.iter().map(|b| b.rows()).sum(), n, row)
        }
    }
}

/// The hat matrix of the whitened problem, H = X(XᴴX + λLᴴL)⁻¹Xᴴ with X = D[A, 1], by Gauss-Jordan elimination with
/// pivoting: the formula as it is written, with none of the library's code. `None` where a pivot is rounding.
fn hat_matrix(case: &Instance<f64>, lambda: f64) -> Option<Matrix<f64>> {
    let (m, n) = (case.a.rows(), case.a.columns());
    let q = n + usize::from(case.intercept);
    let x = Matrix::from_fn(m, q, |i, j| row_scale(case, i) * if j < n { case.a[(i, j)] } else { 1.0 });
    let l = dense_penalty(&case.penalty, n);
    let gram = |a: &Matrix<f64>, i: usize, j: usize| (0..a.rows()).map(|k| a[(k, i)] * a[(k, j)]).sum::<f64>();
    let mut work = Matrix::from_fn(q, q + m, |i, j| match j {
        _ if j >= q => x[(j - q, i)],
        _ if i < n && j < n => gram(&x, i, j) + lambda * gram(&l, i, j),
        _ => gram(&x, i, j),
    });
    let size = (0..q).map(|j| work[(j, j)]).fold(0.0, f64::max);
    for p in 0..q {
        let best = (p..q).max_by(|&i, &j| work[(i, p)].abs().total_cmp(&work[(j, p)].abs()))?;
        if work[(best, p)].abs() <= 1e-9 * size {
            return None;
        }
        for j in 0..q + m {
            let swap = work[(p, j)];
            work[(p, j)] = work[(best, j)];
            work[(best, j)] = swap;
        }
        for i in (0..q).filter(|&i| i != p) {
            let factor = work[(i, p)] / work[(p, p)];
            for j in 0..q + m {
                work[(i, j)] -= factor * work[(p, j)];
            }
        }
    }
    let solved = Matrix::from_fn(q, m, |i, j| work[(i, q + j)] / work[(i, i)]);
    Some(x.times(&solved))
}

/// Whitened residuals of the dense formula: (I − H)D(b − Ax₀).
fn dense_residuals(case: &Instance<f64>, hat: &Matrix<f64>) -> Vec<f64> {
    let (m, n) = (case.a.rows(), case.a.columns());
    let prior = |j: usize| case.prior_mean.as_ref().map_or(0.0, |x| x[j]);
    let d: Vec<f64> =
        (0..m).map(|i| row_scale(case, i) * (case.b[(i, 0)] - (0..n).map(|j| case.a[(i, j)] * prior(j)).sum::<f64>())).collect();
    (0..m).map(|i| d[i] - (0..m).map(|j| hat[(i, j)] * d[j]).sum::<f64>()).collect()
}

/// Problems with more data than unknowns and benign condition, of every kind, for the dense formulas.
fn benign() -> Instances<f64> {
    Instances::of_every_kind().rows(9..=14).columns(2..=6).right_hand_sides(1).condition(1.0..30.0).lambda(1e-3..10.0).noise(0.01..0.3)
}

// ---- the minimiser ----------------------------------------------------------------------------------------------------

/// AᴴW(Ax + c − b) + λLᴴL(x − x₀) = 0, and with it every norm, dof and minimum norm of the report.
fn certificates_hold<T: Scalar>(cases: u32, instances: Instances<T>) {
    for_all(cases, instances, |case| {
        let problem = case.problem();
        for lambda in [case.lambda, 0.0] {
            let (fit, certificate) = fit(&case, &problem, lambda)?;
            let by = fit.report.method;
            certificate.holds().map_err(|why| TestCaseError::fail(format!("{by} at λ = {lambda:e}: {why}\n{certificate}")))?;
        }
        Ok(())
    });
}

#[test]
fn certificates_hold_in_f64() {
    certificates_hold(400, Instances::<f64>::of_every_kind());
}

#[test]
fn certificates_hold_in_c64() {
    certificates_hold(200, Instances::<c64>::of_every_kind());
}

#[test]
fn certificates_hold_in_f32() {
    certificates_hold(200, Instances::<f32>::of_every_kind().condition(1.0..30.0).lambda(1e-3..10.0));
}

#[test]
fn certificates_hold_in_c32() {
    certificates_hold(200, Instances::<c32>::of_every_kind().condition(1.0..30.0).lambda(1e-3..10.0));
}

/// The same for ill-conditioned and graded A.
#[test]
fn certificates_hold_for_ill_conditioned_problems() {
    let instances = Instances::<f64>::new().weights().intercept().prior_mean().penalties([PenaltyKind::Identity, PenaltyKind::Diagonal]);
    certificates_hold(200, instances.clone().condition(1e6..1e12).lambda(1e-14..1.0));
    certificates_hold(200, instances.graded(6.0));
}

/// The minimiser with λ chosen by a rule satisfies the normal equations at that λ.
#[test]
fn certificates_hold_where_a_rule_chose() {
    for_all(200, benign(), |case| {
        let problem = case.problem();
        match fit(&case, &problem, Gcv) {
            Ok((_, certificate)) => certificate.holds().map_err(TestCaseError::fail),
            // λ changes nothing: the one refusal that is right
            Err(TestCaseError::Fail(why)) if why.message().contains("λ changes nothing") => Ok(()),
            Err(why) => Err(why),
        }
    });
}

/// Every method finds the minimiser: x does not depend on how it is computed.
#[test]
fn all_methods_agree() {
    let methods = [
        Method::Cholesky,
        Method::Qr,
        Method::Svd,
        Method::Gsvd,
        Method::Bidiagonal,
        Method::Tridiagonal,
        Cgls::new().into(),
        Lsqr::new().into(),
        Lsmr::new().into(),
    ];
    for_all(250, Instances::<f64>::of_every_kind().condition(1.0..100.0).lambda(1e-3..10.0), |case| {
        let problem = case.problem();
        let (automatic, certificate) = fit(&case, &problem, case.lambda)?;
        let benign = certificate.rank == case.a.columns() && certificate.condition < 1e4;
        for method in &methods {
            let named = problem.clone().method(method.clone());
            match named.solve(&case.b, case.lambda) {
                Ok(one) => {
                    let own = certify(&named, &case.b, &one);
                    if !matches!(method, Method::Cgls(_) | Method::Lsqr(_) | Method::Lsmr(_)) {
                        own.holds().map_err(|why| TestCaseError::fail(format!("{method}: {why}\n{own}")))?;
                    }
                    same_x((&one, &own), (&automatic, &certificate), method.name())?;
                }
                // a singular or ill-conditioned problem may be refused, with the way out; a benign one never
                Err(Error::IllConditioned { .. } | Error::RankDeficient { .. } | Error::Unsupported { .. }) if !benign => {}
                Err(why) => return Err(TestCaseError::fail(format!("{method}: {why}"))),
            }
        }
        Ok(())
    });
}

/// Every method finds the same x for complex data.
#[test]
fn all_methods_agree_on_complex_data() {
    for_all(100, Instances::<c64>::of_every_kind().rows(8..=16).columns(1..=7).condition(1.0..50.0).lambda(1e-2..10.0), |case| {
        let problem = case.problem();
        let (automatic, certificate) = fit(&case, &problem, case.lambda)?;
        prop_assume!(certificate.rank == case.a.columns() && certificate.condition < 1e4);
        for method in [
            Method::Cholesky,
            Method::Qr,
            Method::Svd,
            Method::Gsvd,
            Method::Bidiagonal,
            Method::Tridiagonal,
            Cgls::new().into(),
            Lsqr::new().into(),
            Lsmr::new().into(),
        ] {
            let (one, own) = fit(&case, &problem.clone().method(method.clone()), case.lambda)?;
            same_x((&one, &own), (&automatic, &certificate), method.name())?;
        }
        Ok(())
    });
}

/// x from a start vector = x from zero.
#[test]
fn a_start_vector_never_changes_the_answer() {
    for_all(150, Instances::<f64>::of_every_kind().condition(1.0..100.0).lambda(1e-3..10.0), |case| {
        let problem = case.problem().method(Cgls::new());
        let (from_zero, bound) = fit(&case, &problem, case.lambda)?;
        let guess: Vec<f64> = (0..case.a.columns()).map(|j| 100.0 * (j as f64 + 1.0).sin()).collect();
        for method in [Method::from(Cgls::new().start(&guess)), Lsqr::new().start(&guess).into(), Lsmr::new().start(&guess).into()] {
            let (guessed, other) = fit(&case, &case.problem().method(method), case.lambda)?;
            // the start leaves rounding errors of its own size behind
            for j in 0..case.b.columns() {
                let extra = f64::EPSILON * other.condition * norm(&guess) * case.a.rows().max(case.a.columns()) as f64;
                let permitted = STABLE * (bound.error_bounds[j] + other.error_bounds[j] + extra);
                within(distance(guessed.x.column(j), from_zero.x.column(j)), permitted, "start")?;
            }
        }
        Ok(())
    });
}

// ---- symmetries -------------------------------------------------------------------------------------------------------

/// solve(B)ⱼ = solve(Bⱼ).
#[test]
fn right_hand_sides_are_solved_separately() {
    for_all(150, Instances::<f64>::of_every_kind().right_hand_sides(2..=4), |case| {
        let problem = case.problem();
        let (all, bound) = fit(&case, &problem, case.lambda)?;
        for j in 0..case.b.columns() {
            let one = problem.solve(case.b.column(j), case.lambda)?;
            within(distance(&one.x, all.x.column(j)), 2.0 * STABLE * bound.error_bounds[j], "column")?;
        }
        Ok(())
    });
}

/// Rules choose for each column what they choose for it alone.
#[test]
fn rules_choose_for_each_right_hand_side_separately() {
    for_all(60, benign().right_hand_sides(2..=3), |case| {
        let problem = case.problem();
        let Ok(all) = problem.solve(&case.b, Gcv) else { return Ok(()) };
        for j in 0..case.b.columns() {
            let one = problem.solve(case.b.column(j), Gcv)?;
            // λ is determined to the square root of the precision of the criterion, unless it is an end of the interval
            prop_assert!((one.lambda / all.lambda[j] - 1.0).abs() < 1e-5, "{} {}", one.lambda, all.lambda[j]);
        }
        Ok(())
    });
}

/// x(αb + βb′) − x₀ = α(x(b) − x₀) + β(x(b′) − x₀) at fixed λ, without a prior mean.
#[test]
fn linear_in_b() {
    let instances = Instances::<f64>::of_every_kind().right_hand_sides(2);
    for_all(150, (instances, -3.0..3.0f64, -3.0..3.0f64), |(mut case, alpha, beta)| {
        case.prior_mean = None;
        let m = case.a.rows();
        let b = case.b.clone();
        case.b = Matrix::from_fn(m, 3, |i, j| if j < 2 { b[(i, j)] } else { alpha * b[(i, 0)] + beta * b[(i, 1)] });
        let (fit, bound) = fit(&case, &case.problem(), case.lambda)?;
        let combined: Vec<f64> = (0..case.a.columns()).map(|i| alpha * fit.x[(i, 0)] + beta * fit.x[(i, 1)]).collect();
        let permitted = alpha.abs() * bound.error_bounds[0] + beta.abs() * bound.error_bounds[1] + bound.error_bounds[2];
        within(distance(&combined, fit.x.column(2)), 2.0 * STABLE * permitted, "combination")
    });
}

/// x(QA, Qb) = x(A, b) for orthonormal Q.
fn rotations_change_nothing<T: Scalar>() {
    let instances = Instances::<T>::new().right_hand_sides(1..=2).prior_mean().deficient().penalties(PenaltyKind::ALL);
    for_all(120, (instances, any::<u64>().no_shrink()), |(case, seed)| {
        let q = Matrix::orthonormal(case.a.rows(), case.a.rows(), seed);
        let turned = Instance { a: q.times(&case.a), b: q.times(&case.b), ..case.clone() };
        let (one, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (other, other_bound) = fit(&turned, &turned.problem(), case.lambda)?;
        same_x((&one, &bound), (&other, &other_bound), "rotated")
    });
}

#[test]
fn rotations_change_nothing_in_f64() {
    rotations_change_nothing::<f64>();
}

#[test]
fn rotations_change_nothing_in_c64() {
    rotations_change_nothing::<c64>();
}

/// x(cA, cb, c²λ) = x(A, b, λ), and dof and rank with it.
#[test]
fn scaling_changes_nothing() {
    for_all(150, (Instances::<f64>::of_every_kind(), -30.0..30.0f64), |(case, power)| {
        let c: f64 = 10f64.powf(power);
        let other = Instance { a: scaled(&case.a, c), b: scaled(&case.b, c), ..case.clone() };
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (y, other_bound) = fit(&other, &other.problem(), case.lambda * c * c)?;
        same_x((&x, &bound), (&y, &other_bound), "scaled")?;
        prop_assert_eq!(x.rank, y.rank);
        for (x, y) in x.dof.iter().zip(&y.dof) {
            let (x, y) = (x.unwrap_or(f64::NAN), y.unwrap_or(f64::NAN));
            within((x - y).abs(), dof_slack(&case, &bound), "dof")?;
        }
        Ok(())
    });
}

/// The same bits for a power of two, with each method. `Auto` has another engine for entries whose squares leave the range
/// of the scalar type: it keeps the bits as far as it keeps the engine. GSVD decomposes (A, L), and L is not scaled.
fn powers_of_two_change_no_bit<T: Scalar>(cases: u32, instances: Instances<T>, largest: i32) {
    let methods = [Method::Auto, Method::Cholesky, Method::Qr, Method::Svd, Method::Bidiagonal, Method::Tridiagonal];
    for_all(cases, (instances, -largest..=largest), |(mut case, power)| {
        // the constant's own column does not scale with A
        case.intercept = false;
        let damping = case.lambda.sqrt();
        for method in &methods {
            let power = if *method == Method::Auto { power / 3 } else { power };
            let c = 2f64.powi(power);
            let other = Instance { a: scaled(&case.a, c), b: scaled(&case.b, c), ..case.clone() };
            let x = case.problem().method(method.clone()).solve(&case.b, Lambda::from_damping(damping));
            let y = other.problem().method(method.clone()).solve(&other.b, Lambda::from_damping(damping * c));
            let (x, y) = match (x, y) {
                // Auto ends there where A and L share a null space
                (Ok(x), Ok(_)) if x.report.method == Method::Gsvd.name() => continue,
                (Ok(x), Ok(y)) => (x, y),
                // a refusal, too, is the same
                (x, y) => {
                    prop_assert_eq!(x.err(), y.err(), "{}, 2^{}", method, power);
                    continue;
                }
            };
            // the complex bidiagonalizations and what follows them keep the value, not the last bit: why is not known
            if T::IS_COMPLEX && matches!(method, Method::Svd | Method::Bidiagonal | Method::Tridiagonal) {
                let (problem, scaled) = (case.problem().method(method.clone()), other.problem().method(method.clone()));
                same_x((&x, &certify(&problem, &case.b, &x)), (&y, &certify(&scaled, &other.b, &y)), method.name())?;
                continue;
            }
            prop_assert_eq!(bits(x.x.entries()), bits(y.x.entries()), "{}, 2^{}: {:?} {:?}", method, power, x.x, y.x);
            prop_assert_eq!(&x.dof, &y.dof, "{}, 2^{}", method, power);
            // norms are sums of squares, scaled where these would leave the range of the type
            let rounding = 8.0 * T::Real::EPSILON.to_f64();
            for (j, (x_fit, y_fit)) in x.report.fits.iter().zip(&y.report.fits).enumerate() {
                let what = format!("{method}, 2^{power}, column {j}");
                within((x_fit.residual_norm * c - y_fit.residual_norm).abs(), rounding * y_fit.residual_norm, &what)?;
                within((x_fit.penalty_norm - y_fit.penalty_norm).abs(), rounding * y_fit.penalty_norm, &what)?;
            }
        }
        Ok(())
    });
}

#[test]
fn powers_of_two_change_no_bit_in_f64() {
    powers_of_two_change_no_bit(200, Instances::<f64>::of_every_kind(), 300);
}

#[test]
fn powers_of_two_change_no_bit_in_c64() {
    powers_of_two_change_no_bit(60, Instances::<c64>::of_every_kind(), 300);
}

#[test]
fn powers_of_two_change_no_bit_in_f32() {
    powers_of_two_change_no_bit(60, Instances::<f32>::of_every_kind().condition(1.0..30.0).lambda(1e-3..10.0), 30);
}

/// Integer weights = repeated rows.
#[test]
fn integer_weights_are_repeated_rows() {
    for_all(150, (Instances::<f64>::of_every_kind(), any::<u64>().no_shrink()), |(mut case, seed)| {
        let m = case.a.rows();
        let counts: Vec<usize> = (0..m).map(|i| 1 + (seed.rotate_left(3 * i as u32) % 4) as usize).collect();
        let repeated: Vec<usize> = (0..m).flat_map(|i| std::iter::repeat_n(i, counts[i])).collect();
        case.weights = None;
        let long = rows_of(&case, &repeated);
        case.weights = Some(counts.iter().map(|&c| c as f64).collect());
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (y, other) = fit(&long, &long.problem(), case.lambda)?;
        same_x((&x, &bound), (&y, &other), "repeated")?;
        for j in 0..x.intercept.len() {
            let scale = norm(x.x.column(j)) + norm(case.b.column(j));
            within((x.residual_norm[j] - y.residual_norm[j]).abs(), other.tolerance() * 10.0 * scale, "residual norm")?;
            within((x.dof[j].unwrap_or(f64::NAN) - y.dof[j].unwrap_or(f64::NAN)).abs(), dof_slack(&case, &other), "dof")?;
        }
        Ok(())
    });
}

/// Weights do not touch the penalty: x(cW, cλ) = x(W, λ), and noise_std s is the weight 1/s².
#[test]
fn weights_multiply_the_misfit_alone() {
    for_all(150, (Instances::<f64>::of_every_kind(), 0.01..100.0f64), |(case, c)| {
        let m = case.a.rows();
        let w: Vec<f64> = (0..m).map(|i| row_scale(&case, i).powi(2)).collect();
        let plain = Instance { weights: Some(w.clone()), noise_std: None, ..case.clone() };
        let heavier = Instance { weights: Some(w.iter().map(|w| c * w).collect()), noise_std: None, ..case.clone() };
        let whitened = Instance { weights: None, noise_std: Some(w.iter().map(|w| 1.0 / w.sqrt()).collect()), ..case.clone() };
        let (x, bound) = fit(&plain, &plain.problem(), case.lambda)?;
        let (y, other) = fit(&heavier, &heavier.problem(), c * case.lambda)?;
        let (z, third) = fit(&whitened, &whitened.problem(), case.lambda)?;
        same_x((&x, &bound), (&y, &other), "cW, cλ")?;
        same_x((&x, &bound), (&z, &third), "noise_std")
    });
}

/// Rows in another order: the same x. Columns in another order: x in that order.
#[test]
fn permutations_permute() {
    let kinds = [PenaltyKind::Identity, PenaltyKind::Diagonal, PenaltyKind::Matrix];
    let instances = Instances::<f64>::of_every_kind().penalties(kinds);
    for_all(150, (instances, any::<u64>().no_shrink()), |(case, seed)| {
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let shuffled = rows_of(&case, &permutation(case.a.rows(), seed));
        let (y, other) = fit(&shuffled, &shuffled.problem(), case.lambda)?;
        same_x((&x, &bound), (&y, &other), "rows")?;

        let order = permutation(case.a.columns(), seed);
        let columns = |a: &Matrix<f64>| Matrix::from_fn(a.rows(), a.columns(), |i, j| a[(i, order[j])]);
        let penalty = match &case.penalty {
            OwnedPenalty::Diagonal(w) => OwnedPenalty::Diagonal(order.iter().map(|&j| w[j]).collect()),
            OwnedPenalty::Matrix(l) => OwnedPenalty::Matrix(columns(l)),
            other => other.clone(),
        };
        let prior_mean = case.prior_mean.as_ref().map(|mean| order.iter().map(|&j| mean[j]).collect());
        let turned = Instance { a: columns(&case.a), penalty, prior_mean, ..case.clone() };
        let (mut y, other) = fit(&turned, &turned.problem(), case.lambda)?;
        let found = y.x.clone();
        for k in 0..found.columns() {
            order.iter().enumerate().for_each(|(j, &to)| y.x[(to, k)] = found[(j, k)]);
        }
        same_x((&x, &bound), (&y, &other), "columns")
    });
}

// ---- λ ----------------------------------------------------------------------------------------------------------------

/// ‖Ax − b‖ rises and ‖L(x − x₀)‖ falls with λ, and dof falls between 0 and min(m, n + 1).
#[test]
fn norms_and_dof_are_monotone_in_lambda() {
    for_all(120, Instances::<f64>::of_every_kind().right_hand_sides(1), |case| {
        let problem = case.problem();
        let (m, n) = (case.a.rows(), case.a.columns());
        let mut last: Option<(f64, f64, f64)> = None;
        for lambda in log_grid(1e-5..=1e5, 11) {
            let (fit, bound) = fit(&case, &problem, lambda)?;
            let (residual, penalty, dof) = (fit.residual_norm[0], fit.penalty_norm[0], fit.dof[0].unwrap_or(f64::NAN));
            let l = dense_penalty(&case.penalty, n).norm();
            let prior = case.prior_mean.as_ref().map_or(0.0, |x| norm(x));
            let d = (0..m).map(|i| row_scale(&case, i)).fold(0.0, f64::max);
            let size = d * (case.a.norm() * (norm(fit.x.column(0)) + prior) + norm(case.b.column(0)));
            let slack = bound.tolerance() * size;
            let dof_slack = dof_slack(&case, &bound);
            prop_assert!(dof >= -dof_slack && dof <= m.min(n + usize::from(case.intercept)) as f64 + dof_slack, "dof {dof}");
            if let Some((less, more, freer)) = last {
                prop_assert!(residual >= less - slack, "‖r‖ falls from {less:e} to {residual:e} at λ = {lambda:e}");
                prop_assert!(
                    penalty <= more + STABLE * l * bound.error_bounds[0],
                    "‖Lz‖ rises from {more:e} to {penalty:e} at λ = {lambda:e}"
                );
                prop_assert!(dof <= freer + dof_slack, "dof rises from {freer} to {dof} at λ = {lambda:e}");
            }
            last = Some((residual, penalty, dof));
        }
        Ok(())
    });
}

/// λ → ∞: x − x₀ lands in null(L), for λ‖L(x − x₀)‖² ≤ (b − Ax₀)ᴴW(b − Ax₀), the objective at x₀.
#[test]
fn a_huge_lambda_leaves_the_null_space_of_the_penalty() {
    for_all(150, Instances::<f64>::of_every_kind().right_hand_sides(1), |case| {
        let (m, n) = (case.a.rows(), case.a.columns());
        let lambda = 1e20;
        let fit = case.problem().solve(&case.b, lambda)?;
        let prior = case.prior_mean.clone().unwrap_or_else(|| vec![0.0; n]);
        let shifted = (0..m).map(|i| row_scale(&case, i) * (case.b[(i, 0)] - (0..n).map(|j| case.a[(i, j)] * prior[j]).sum::<f64>()));
        let objective = norm(&shifted.collect::<Vec<_>>());
        let l = dense_penalty(&case.penalty, n);
        let z: Vec<f64> = (0..n).map(|j| fit.x[(j, 0)] - prior[j]).collect();
        let image = (0..l.rows()).map(|i| (0..n).map(|j| l[(i, j)] * z[j]).sum::<f64>()).collect::<Vec<_>>();
        let rounding = STABLE * f64::EPSILON * m.max(n) as f64 * l.norm() * (norm(fit.x.column(0)) + norm(&prior));
        within(norm(&image), objective / lambda.sqrt() + rounding, "‖L(x − x₀)‖")
    });
}

/// λ = 0 and L = I: the minimum-norm solution is orthogonal to what A does not see, and it is the limit of λ → 0.
#[test]
fn zero_lambda_is_the_limit() {
    for_all(150, Instances::<f64>::of_every_kind().penalties([PenaltyKind::Identity]).condition(1.0..20.0), |case| {
        let problem = case.problem();
        let (zero, bound) = fit(&case, &problem, 0.0)?;
        // ‖x(λ) − x(0)‖ ≤ λ‖x(0) − x₀‖/σ², σ the smallest nonzero singular value (σ = ‖C‖/condition)
        let tiny = fit_at_relative(&case, &problem, &bound)?;
        for j in 0..zero.x.columns() {
            let (lambda, near, near_bound, share) = (&tiny.0, &tiny.1, &tiny.2, tiny.3);
            let size = norm(zero.x.column(j)) + case.prior_mean.as_ref().map_or(0.0, |x| norm(x));
            let rounding = STABLE * (bound.error_bounds[j] + near_bound.error_bounds[j]);
            within(distance(zero.x.column(j), near.x.column(j)), 2.0 * share * size + rounding, &format!("λ = {lambda:e}"))?;
        }
        Ok(())
    });
}

/// The fit at λ = 1e-6 of the square of the smallest singular value, which is at least the spread allows.
fn fit_at_relative(
    case: &Instance<f64>,
    problem: &Problem<'_, f64>,
    zero: &Certificate,
) -> Result<(f64, Fit<f64>, Certificate, f64), TestCaseError> {
    // ‖DA‖ ≥ the largest column of DA; the condition counts from ‖DA‖, so this σ is a lower bound of the true one times √n
    let (m, n) = (case.a.rows(), case.a.columns());
    let largest = (0..n).map(|j| norm(&(0..m).map(|i| row_scale(case, i) * case.a[(i, j)]).collect::<Vec<_>>())).fold(0.0, f64::max);
    let smallest = largest / zero.condition;
    let lambda = if smallest > 0.0 { 1e-6 * smallest * smallest } else { 1e-6 };
    let (fit, certificate) = fit(case, problem, lambda)?;
    Ok((lambda, fit, certificate, 1e-6))
}

/// x does not depend on whether λ or its damping is given.
#[test]
fn a_damping_is_the_root_of_lambda() {
    for_all(60, Instances::<f64>::of_every_kind(), |case| {
        let problem = case.problem();
        let damping = case.lambda.sqrt();
        let x = problem.solve(&case.b, Lambda::from_damping(damping))?;
        let y = problem.solve(&case.b, Lambda::new(damping * damping))?;
        for j in 0..x.x.columns() {
            let bound = certify(&problem, &case.b, &x).error_bounds[j];
            within(distance(x.x.column(j), y.x.column(j)), 2.0 * STABLE * bound, "damping")?;
        }
        Ok(())
    });
}

// ---- intercept --------------------------------------------------------------------------------------------------------

/// Shifting b by c shifts the intercept by c and leaves x.
#[test]
fn the_intercept_takes_up_a_shift() {
    for_all(150, (Instances::<f64>::of_every_kind(), -100.0..100.0f64), |(mut case, shift)| {
        case.intercept = true;
        let moved = Instance { b: Matrix::from_fn(case.b.rows(), case.b.columns(), |i, j| case.b[(i, j)] + shift), ..case.clone() };
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (y, other) = fit(&moved, &moved.problem(), case.lambda)?;
        same_x((&x, &bound), (&y, &other), "shifted")?;
        for j in 0..case.b.columns() {
            // c = mean(b − Ax): an error in x comes through the mean row of A
            let permitted = STABLE * (bound.error_bounds[j] + other.error_bounds[j]) * case.a.norm()
                + bound.tolerance() * (shift.abs() + norm(moved.b.column(j)) + case.a.norm() * norm(y.x.column(j)));
            within((y.intercept[j] - x.intercept[j] - shift).abs(), permitted, "intercept")?;
        }
        Ok(())
    });
}

/// λ → ∞: the intercept is the weighted mean of b − Ax₀, with L = I.
#[test]
fn a_huge_lambda_leaves_the_weighted_mean() {
    let instances = Instances::<f64>::new().weights().noise_std().prior_mean().deficient();
    for_all(150, instances, |mut case| {
        case.intercept = true;
        let (m, n) = (case.a.rows(), case.a.columns());
        let fit = case.problem().solve(&case.b, 1e24)?;
        let prior = case.prior_mean.clone().unwrap_or_else(|| vec![0.0; n]);
        let weight = |i: usize| row_scale(&case, i).powi(2);
        let shifted = |i: usize| case.b[(i, 0)] - (0..n).map(|j| case.a[(i, j)] * prior[j]).sum::<f64>();
        let mean = (0..m).map(|i| weight(i) * shifted(i)).sum::<f64>() / (0..m).map(weight).sum::<f64>();
        let size = norm(case.b.column(0)) + case.a.norm() * norm(&prior);
        within((fit.intercept[0] - mean).abs(), STABLE * f64::EPSILON * m.max(n) as f64 * size, "mean")?;
        within(distance(fit.x.column(0), &prior), STABLE * f64::EPSILON * m.max(n) as f64 * (norm(&prior) + size), "x₀")
    });
}

/// An intercept is an unpenalised column of ones.
#[test]
fn an_intercept_is_a_free_column_of_ones() {
    for_all(150, Instances::<f64>::of_every_kind().penalties([PenaltyKind::Identity]).lambda(1e-3..10.0), |mut case| {
        case.intercept = true;
        let (m, n) = (case.a.rows(), case.a.columns());
        let wider = Instance {
            a: Matrix::from_fn(m, n + 1, |i, j| if j < n { case.a[(i, j)] } else { 1.0 }),
            penalty: OwnedPenalty::Diagonal((0..=n).map(|j| f64::from(u8::from(j < n))).collect()),
            prior_mean: case.prior_mean.as_ref().map(|mean| mean.iter().copied().chain([0.0]).collect()),
            intercept: false,
            ..case.clone()
        };
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (y, other) = fit(&wider, &wider.problem(), case.lambda)?;
        for k in 0..case.b.columns() {
            let together: Vec<f64> = x.x.column(k).iter().copied().chain([x.intercept[k]]).collect();
            let permitted = STABLE * ((1.0 + case.a.norm()) * bound.error_bounds[k] + other.error_bounds[k]);
            within(distance(&together, y.x.column(k)), permitted, "column of ones")?;
            let dof = |fit: &Fit<f64>| fit.dof[k].unwrap_or(f64::NAN);
            within((dof(&x) - dof(&y)).abs(), dof_slack(&wider, &other), "dof")?;
        }
        Ok(())
    });
}

// ---- types ------------------------------------------------------------------------------------------------------------

/// x in f32 = x in f64 of the same data, to the accuracy of f32.
#[test]
fn f32_agrees_with_f64() {
    fn wide(a: &Matrix<f32>) -> Matrix<f64> {
        Matrix::from_fn(a.rows(), a.columns(), |i, j| f64::from(a[(i, j)]))
    }
    fn penalty(p: &OwnedPenalty<f32>) -> OwnedPenalty<f64> {
        match p {
            OwnedPenalty::Identity => OwnedPenalty::Identity,
            OwnedPenalty::Diagonal(w) => OwnedPenalty::Diagonal(list(w)),
            OwnedPenalty::FirstDifference => OwnedPenalty::FirstDifference,
            OwnedPenalty::SecondDifference => OwnedPenalty::SecondDifference,
            OwnedPenalty::Matrix(l) => OwnedPenalty::Matrix(wide(l)),
            OwnedPenalty::Sum(terms) => OwnedPenalty::Sum(terms.iter().map(|(w, p)| (*w, penalty(p))).collect()),
        }
    }
    fn list(v: &[f32]) -> Vec<f64> {
        v.iter().copied().map(f64::from).collect()
    }
    for_all(200, Instances::<f32>::of_every_kind().condition(1.0..30.0).lambda(1e-2..10.0), |case| {
        let exact = Instance {
            a: wide(&case.a),
            b: wide(&case.b),
            lambda: case.lambda,
            penalty: penalty(&case.penalty),
            weights: case.weights.as_deref().map(list),
            noise_std: case.noise_std.as_deref().map(list),
            prior_mean: case.prior_mean.as_deref().map(list),
            intercept: case.intercept,
            truth: wide(&case.truth),
        };
        let (narrow, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (fit, _) = fit(&exact, &exact.problem(), case.lambda)?;
        // what is rounding in f32 is a small singular value in f64: the two ranks are those of different problems
        prop_assume!(narrow.rank == fit.rank);
        for j in 0..case.b.columns() {
            within(distance(wide(&narrow.x).column(j), fit.x.column(j)), STABLE * bound.error_bounds[j], "f32")?;
        }
        Ok(())
    });
}

/// Complex data with zero imaginary part: the real answer.
#[test]
fn complex_agrees_with_real() {
    fn complex(a: &Matrix<f64>) -> Matrix<c64> {
        Matrix::from_fn(a.rows(), a.columns(), |i, j| c64::new(a[(i, j)], 0.0))
    }
    fn penalty(p: &OwnedPenalty<f64>) -> OwnedPenalty<c64> {
        match p {
            OwnedPenalty::Identity => OwnedPenalty::Identity,
            OwnedPenalty::Diagonal(w) => OwnedPenalty::Diagonal(w.clone()),
            OwnedPenalty::FirstDifference => OwnedPenalty::FirstDifference,
            OwnedPenalty::SecondDifference => OwnedPenalty::SecondDifference,
            OwnedPenalty::Matrix(l) => OwnedPenalty::Matrix(complex(l)),
            OwnedPenalty::Sum(terms) => OwnedPenalty::Sum(terms.iter().map(|(w, p)| (*w, penalty(p))).collect()),
        }
    }
    for_all(200, Instances::<f64>::of_every_kind(), |case| {
        let other = Instance {
            a: complex(&case.a),
            b: complex(&case.b),
            lambda: case.lambda,
            penalty: penalty(&case.penalty),
            weights: case.weights.clone(),
            noise_std: case.noise_std.clone(),
            prior_mean: case.prior_mean.as_ref().map(|mean| mean.iter().map(|&v| c64::new(v, 0.0)).collect()),
            intercept: case.intercept,
            truth: complex(&case.truth),
        };
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (z, other_bound) = fit(&other, &other.problem(), case.lambda)?;
        for j in 0..case.b.columns() {
            prop_assert!(z.x.column(j).iter().all(|z| z.im == 0.0), "imaginary part of {:?}", z.x);
            let permitted = STABLE * (bound.error_bounds[j] + other_bound.error_bounds[j]);
            within(distance(complex(&x.x).column(j), z.x.column(j)), permitted, "complex")?;
            within((x.residual_norm[j] - z.residual_norm[j]).abs(), permitted * (1.0 + case.a.norm()) * 100.0, "residual norm")?;
        }
        Ok(())
    });
}

/// Contiguous nalgebra, faer and slice inputs: the same bits. Other strides: the same problem.
#[test]
fn containers_change_no_bit() {
    for_all(
        100,
        Instances::<f64>::of_every_kind().penalties([PenaltyKind::Identity, PenaltyKind::SecondDifference]).right_hand_sides(1),
        |case| {
            let (m, n) = (case.a.rows(), case.a.columns());
            let (a, b) = (case.a.entries(), case.b.column(0));
            fn with<'a, A: Operator<Scalar = f64>>(case: &'a Instance<f64>, a: &'a A) -> Problem<'a, f64> {
                let problem = Problem::new(a).penalty(case.penalty.penalty());
                let problem = if case.intercept { problem.intercept() } else { problem };
                match &case.weights {
                    Some(weights) => problem.weights(weights),
                    None => problem,
                }
            }
            let row_major: Vec<f64> = (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|at| case.a[at]).collect();
            let dmatrix = wellposed::nalgebra::DMatrix::from_column_slice(m, n, a);
            let dvector = wellposed::nalgebra::DVector::from_column_slice(b);
            let mat = wellposed::faer::Mat::from_fn(m, n, |i, j| case.a[(i, j)]);
            let col = wellposed::faer::Col::from_fn(m, |i| b[i]);
            let bordered =
                wellposed::nalgebra::DMatrix::from_fn(m + 2, n + 1, |i, j| if i < m && j < n { case.a[(i, j)] } else { f64::NAN });
            let view = bordered.view((0, 0), (m, n));
            let slice = DenseView::column_major(a, m, n)?;
            let rows = DenseView::row_major(&row_major, m, n)?;
            let choices = [Choice::from(case.lambda), Gcv.into()];
            for choice in choices {
                let reference = with(&case, &slice).solve(b, choice);
                let Ok(reference) = reference else {
                    prop_assert!(with(&case, &mat).solve(&col, choice).is_err());
                    continue;
                };
                let x = bits(&reference.x);
                prop_assert_eq!(&bits(with(&case, &dmatrix).solve(&dvector, choice)?.x.as_slice()), &x, "nalgebra");
                let faer = with(&case, &mat).solve(&col, choice)?;
                prop_assert_eq!(&bits(&(0..n).map(|j| faer.x[j]).collect::<Vec<_>>()), &x, "faer");
                prop_assert_eq!(&bits(with(&case, &case.a).solve(&b.to_vec(), choice)?.x.as_slice()), &x, "the kit's own matrix");
                prop_assert_eq!(faer.lambda.to_bits(), reference.lambda.to_bits());
            }
            let problem = with(&case, &slice);
            let bound = STABLE * 2.0 * certify(&problem, b, &problem.solve(b, case.lambda)?).error_bounds[0];
            let reference = problem.solve(b, case.lambda)?.x;
            within(distance(&with(&case, &rows).solve(b, case.lambda)?.x, &reference), bound, "row-major")?;
            within(
                distance(with(&case, &view).solve(&dvector, case.lambda)?.x.as_slice(), &reference),
                bound,
                "view with a leading dimension",
            )
        },
    );
}

/// Nothing in the caller's data changes.
#[test]
fn the_callers_data_are_left_alone() {
    for_all(60, Instances::<f64>::of_every_kind().graded(4.0), |case| {
        let before = case.clone();
        for choice in [Choice::from(case.lambda), Choice::from(0.0), Gcv.into(), Loo.into()] {
            for method in [Method::Auto, Method::Qr, Method::Gsvd, Method::Bidiagonal] {
                // refusals, too, must leave everything as it was
                let _ = case.problem().method(method).solve(&case.b, choice);
            }
        }
        let _ = case.problem().method(Cgls::new()).solve(&case.b, case.lambda);
        prop_assert_eq!(bits(case.a.entries()), bits(before.a.entries()));
        prop_assert_eq!(bits(case.b.entries()), bits(before.b.entries()));
        prop_assert_eq!(case, before);
        Ok(())
    });
}

// ---- factorizations and curves ----------------------------------------------------------------------------------------

/// Factorization::solve = Problem::solve, for numbers and rules; curve points = the norms of solves.
#[test]
fn a_factorization_is_the_problem() {
    for_all(120, Instances::<f64>::of_every_kind(), |case| {
        let problem = case.problem();
        let factor = problem.factorize()?;
        let lambdas: Vec<f64> = log_grid(1e-4..=1e2, 4).collect();
        let curves = factor.curve(&case.b, lambdas.iter().copied())?;
        for (at, &lambda) in lambdas.iter().enumerate() {
            let (one, bound) = fit(&case, &problem, lambda)?;
            let kept = factor.solve(&case.b, lambda)?;
            let own = certify(&problem, &case.b, &kept);
            own.holds().map_err(TestCaseError::fail)?;
            same_x((&one, &bound), (&kept, &own), "factorization")?;
            for (j, curve) in curves.iter().enumerate() {
                let size = (0..case.a.rows()).map(|i| row_scale(&case, i)).fold(0.0, f64::max)
                    * (case.a.norm() * (norm(one.x.column(j)) + case.prior_mean.as_ref().map_or(0.0, |x| norm(x)))
                        + norm(case.b.column(j)));
                let conditioned = bound.tolerance() * bound.condition;
                within((curve[at].residual_norm - one.residual_norm[j]).abs(), conditioned * size, "residual norm of the curve")?;
                let l = dense_penalty(&case.penalty, case.a.columns()).norm();
                let penalty = 2.0 * STABLE * l * bound.error_bounds[j];
                within((curve[at].penalty_norm - one.penalty_norm[j]).abs(), penalty, "penalty norm of the curve")?;
                let dof = (curve[at].dof - one.dof[j].unwrap_or(f64::NAN)).abs();
                within(dof, dof_slack(&case, &bound), "dof of the curve")?;
            }
        }
        match (problem.solve(&case.b, Gcv), factor.solve(&case.b, Gcv)) {
            (Ok(one), Ok(kept)) => {
                for (x, y) in one.report.criteria.iter().zip(&kept.report.criteria) {
                    // equal minima may be told apart by rounding: the criterion, not its place, is the law
                    within((x.value / y.value - 1.0).abs(), 1e-6, "criterion at the λ chosen")?;
                }
            }
            (Err(_), Err(_)) => {}
            (one, kept) => return Err(TestCaseError::fail(format!("only one refuses: {:?} {:?}", one.err(), kept.err()))),
        }
        Ok(())
    });
}

/// Factorization::solve at λ = 0 is Problem::solve where the minimiser is unique or L = I; otherwise it is the limit λ → 0,
/// the least-squares solution of least ‖L(x − x₀)‖.
#[test]
fn a_factorization_at_zero_is_the_limit() {
    for_all(120, Instances::<f64>::of_every_kind(), |case| {
        let problem = case.problem();
        let (one, bound) = fit(&case, &problem, 0.0)?;
        let kept = problem.factorize()?.solve(&case.b, 0.0)?;
        let unique = kept.rank == Some(case.a.columns());
        if unique || matches!(case.penalty, OwnedPenalty::Identity) {
            let own = certify(&problem, &case.b, &kept);
            own.holds().map_err(|why| TestCaseError::fail(format!("{why}\n{own}")))?;
            return same_x((&one, &bound), (&kept, &own), "factorization");
        }
        // near the tolerance of the rank the two may count differently, and are then answers to different questions
        prop_assume!(kept.rank == one.rank);
        for (limit, shortest) in kept.report.fits.iter().zip(&one.report.fits) {
            prop_assert!(
                limit.penalty_norm <= shortest.penalty_norm * (1.0 + 1e-6) + 1e-9,
                "{} > {}",
                limit.penalty_norm,
                shortest.penalty_norm
            );
        }
        Ok(())
    });
}

// ---- rules ------------------------------------------------------------------------------------------------------------

/// The criterion of a report against a dense formula, at the λ chosen and at others that were tried.
fn against_the_dense_formula(case: &Instance<f64>, choice: impl Into<Choice>, formula: impl Fn(f64) -> Option<f64>) -> TestCaseResult {
    let fit = match case.problem().solve(&case.b, choice) {
        Ok(fit) => fit,
        // no λ, or no prediction without some row: nothing to compare
        Err(Error::NoLambda { .. }) => return Ok(()),
        Err(why) => return Err(why.into()),
    };
    let criterion = &fit.report.criteria[0];
    let mut compared = 0;
    let tried = criterion.evaluated.iter().step_by(7).chain(&criterion.minima);
    for &(lambda, value) in tried.chain([&(fit.lambda[0], criterion.value)]) {
        // the formula inverts XᴴX + λLᴴL, and forms λ itself: it is only as good as the square of the condition
        if !(1e-4..1e6).contains(&lambda) {
            continue;
        }
        if let Some(expected) = formula(lambda) {
            compared += 1;
            within((value / expected - 1.0).abs(), 1e-8, &format!("criterion at λ = {lambda:e}, dense formula {expected:e}"))?;
        }
    }
    prop_assume!(compared > 0);
    Ok(())
}

/// G(λ) = m‖(I − H)b‖²/tr(I − H)², and [γ + (1 − γ)tr(H²)/m]·G.
#[test]
fn gcv_is_its_dense_formula() {
    for_all(150, (benign(), 0.05..1.0f64), |(case, gamma)| {
        let m = case.a.rows();
        let parts = |lambda: f64| {
            let hat = hat_matrix(&case, lambda)?;
            let trace: f64 = (0..m).map(|i| 1.0 - hat[(i, i)]).sum();
            // tr(H²), not the sum of squared entries (equal only because H is symmetric)
            let squared: f64 = (0..m).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| hat[(i, j)] * hat[(j, i)]).sum();
            let r = norm(&dense_residuals(&case, &hat));
            (trace > 0.1 && r > 1e-3).then(|| (m as f64 * r * r / (trace * trace), squared / m as f64))
        };
        against_the_dense_formula(&case, Gcv, |lambda| parts(lambda).map(|(g, _)| g))?;
        against_the_dense_formula(&case, Gcv.robust(gamma), |lambda| parts(lambda).map(|(g, h)| (gamma + (1.0 - gamma) * h) * g))?;
        // and the same number from the curve of a factorization
        let curve = case.problem().factorize()?.curve(&case.b, [0.01, 1.0])?;
        for point in &curve[0] {
            if let Some((g, _)) = parts(point.lambda) {
                within((point.gcv / g - 1.0).abs(), 1e-8, "GCV of the curve")?;
            }
        }
        Ok(())
    });
}

/// Σ|rᵢ/(1 − hᵢᵢ)|² = Σ|Dᵢ(bᵢ − aᵢᵀx₍ᵢ₎ − c₍ᵢ₎)|², x₍ᵢ₎ the refit without row i.
#[test]
fn leave_one_out_is_refits() {
    for_all(80, benign(), |case| {
        let m = case.a.rows();
        let refits = |lambda: f64| {
            let mut sum = 0.0;
            for i in 0..m {
                let keep: Vec<usize> = (0..m).filter(|&k| k != i).collect();
                let less = rows_of(&case, &keep);
                let (fit, bound) = fit(&less, &less.problem(), lambda).ok()?;
                // a refit that is not unique has no prediction
                if bound.rank < case.a.columns() || bound.condition > 1e4 {
                    return None;
                }
                let predicted: f64 = (0..case.a.columns()).map(|j| case.a[(i, j)] * fit.x[(j, 0)]).sum::<f64>() + fit.intercept[0];
                sum += (row_scale(&case, i) * (case.b[(i, 0)] - predicted)).powi(2);
            }
            Some(sum)
        };
        against_the_dense_formula(&case, Loo, refits)
    });
}

/// The rule's λ is no worse than any λ of a dense grid.
#[test]
fn the_chosen_lambda_is_the_best() {
    for_all(80, benign().right_hand_sides(1), |case| {
        let problem = case.problem();
        let Ok(best) = problem.solve(&case.b, Gcv) else { return Ok(()) };
        let value = best.report.criteria[0].value;
        let low = best.report.criteria[0].evaluated.first().map_or(1e-8, |p| p.0);
        let high = best.report.criteria[0].evaluated.last().map_or(1e8, |p| p.0);
        for point in &problem.factorize()?.curve(&case.b, log_grid(low..=high, 400))?[0] {
            prop_assert!(point.gcv >= value * (1.0 - 1e-9), "GCV {:e} at λ = {:e}, chosen {value:e}", point.gcv, point.lambda);
        }
        Ok(())
    });
}

/// The discrepancy principle reaches its residual norm, in whitened units.
#[test]
fn discrepancy_is_reached() {
    for_all(150, (benign(), 0.02..0.98f64), |(case, share)| {
        let problem = case.problem();
        let ends = problem.factorize()?.curve(&case.b, [1e-10, 1e10])?;
        let (least, most) = (ends[0][0].residual_norm, ends[0][1].residual_norm);
        // λ must matter: r is a difference of numbers of the size of b
        prop_assume!(most - least > 1e-3 * most);
        let target = least + share * (most - least);
        let fit = problem.solve(&case.b, Discrepancy::noise_norm(target / 1.1).safety(1.1))?;
        within((fit.residual_norm[0] / target - 1.0).abs(), 1e-9, "residual norm")?;
        let size = norm(&(0..case.a.rows()).map(|i| row_scale(&case, i) * case.b[(i, 0)]).collect::<Vec<_>>());
        if target < 0.9 * size && case.prior_mean.is_none() {
            let relative = problem.solve(&case.b, Discrepancy::relative_noise(target / size))?;
            within((relative.residual_norm[0] / target - 1.0).abs(), 1e-9, "relative")?;
        }
        Ok(())
    });
}

/// dof = tr H, the intercept and the unpenalised directions included.
#[test]
fn dof_is_the_trace_of_the_hat_matrix() {
    for_all(150, benign(), |case| {
        let Some(hat) = hat_matrix(&case, case.lambda) else { return Ok(()) };
        let trace: f64 = (0..case.a.rows()).map(|i| hat[(i, i)]).sum();
        let fit = case.problem().solve(&case.b, case.lambda)?;
        within((fit.dof[0].unwrap_or(f64::NAN) - trace).abs(), 1e-8, "dof")
    });
}

/// ‖Σ ωⱼLⱼ‖ as a sum = the stacked matrix; Γ with λ = 1 = L = Γ/√λ with λ.
#[test]
fn penalties_are_what_they_say() {
    for_all(120, Instances::<f64>::of_every_kind(), |case| {
        let l = dense_penalty(&case.penalty, case.a.columns());
        let written = Instance { penalty: OwnedPenalty::Matrix(l.clone()), ..case.clone() };
        let gamma = Instance { penalty: OwnedPenalty::Matrix(scaled(&l, case.lambda.sqrt())), ..case.clone() };
        let (x, bound) = fit(&case, &case.problem(), case.lambda)?;
        let (y, other) = fit(&written, &written.problem(), case.lambda)?;
        let (z, third) = fit(&gamma, &gamma.problem(), 1.0)?;
        same_x((&x, &bound), (&y, &other), "matrix")?;
        same_x((&x, &bound), (&z, &third), "Γ")?;
        let doubled = case.problem().penalty(Penalty::sum([(0.5, case.penalty.penalty()), (0.5, case.penalty.penalty())]));
        let (w, fourth) = fit(&case, &doubled, case.lambda)?;
        same_x((&x, &bound), (&w, &fourth), "½R + ½R")
    });
}
