//! What is refused, and what the refusal says: every variant of `Error` is reached through public calls, its text holds
//! the way out, and nothing panics or answers NaN whatever it is given.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wellposed::method::{Cgls, Lsmr, Lsqr, Method};
use wellposed::operator::{self, Boundary, dot_test, from_fn};
use wellposed::{
    Choice, Data, DenseView, Discrepancy, Entries, Error, Gcv, Given, Lambda, Loo, Operator, Penalty, Problem, Real, Result, Scalar,
    Solution, Stop, Warning, c32, c64, log_grid, ridge, tikhonov,
};

/// A 6×3 matrix of full rank.
const A: [f64; 18] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 0.0, 1.0, 0.5, 2.0, 1.0, 0.0, 1.0, 0.0, 3.0, 1.0, 2.0];
const B: [f64; 6] = [1.1, 1.9, 3.2, 3.9, 5.3, 5.8];

fn a() -> DenseView<'static, f64> {
    DenseView::column_major(&A, 6, 3).unwrap()
}

/// Only products with A.
fn products() -> impl Operator<Scalar = f64> {
    from_fn(6, 3, |x: &[f64], y: &mut [f64]| a().apply(x, y), |y: &[f64], x: &mut [f64]| a().apply_adjoint(y, x))
}

/// Columns 1, 2 and their sum: rank 2, and no direction of the null space is an axis.
fn deficient() -> Vec<f64> {
    A[..12].iter().copied().chain((0..6).map(|i| A[i] + A[6 + i])).collect()
}

/// The error of a call that must fail; its text holds these words.
#[track_caller]
fn refused<V>(result: Result<V>, words: &[&str]) -> Error {
    let Err(error) = result else { panic!("accepted, where an error with {words:?} is due") };
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    // numbers in the text are numbers of the caller
    assert!(!text.contains("  ") && text.len() > 20, "{text}");
    error
}

macro_rules! variant {
    ($error:expr, $pattern:pat) => {
        let error = $error;
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

// ---- every variant ----------------------------------------------------------------------------------------------------

/// The names in `pub enum Error { .. }`, read from its source: a new variant asks for a line in the table below.
fn variants() -> Vec<String> {
    let source = include_str!("../src/error.rs");
    let body = source.split("pub enum Error {").nth(1).expect("the enum is there").split("\n}").next().unwrap_or("");
    let name =
        |line: &str| line.strip_prefix("    ")?.strip_suffix(" {").filter(|l| l.starts_with(|c: char| c.is_uppercase())).map(str::to_owned);
    body.lines().filter_map(name).collect()
}

/// A log prior whose author forgot a factor.
struct Careless;
impl wellposed::LogPrior for Careless {
    fn value(&self, z: &[f64]) -> f64 {
        -z.iter().map(|z| z * z).sum::<f64>()
    }
    fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
        gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -z);
    }
    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
        (0..z.len()).for_each(|j| visit(j, j, 1.0));
    }
}

#[test]
fn every_variant_is_reachable_and_names_the_way_out() {
    let singular = deficient();
    let singular = DenseView::column_major(&singular, 6, 3).unwrap();
    // constants are in the null space of the rows of this one, and of the first difference
    let constants = [1.0, 0.0, 2.0, -1.0, 1.0, -1.0, 0.0, -1.0, -1.0];
    let constants = DenseView::column_major(&constants, 3, 3).unwrap();
    let nan = [f64::NAN, 0.0, 0.0, 0.0, 0.0, 0.0];
    let zero_row = DenseView::column_major(&[0.0; 3], 1, 3).unwrap();
    let table: Vec<(&str, Error, &[&str])> = vec![
        ("Shape", ridge(&a(), &B[..5], 1.0).map(drop).unwrap_err(), &["b is 5×1", "6×1 is needed", "as many rows as A"]),
        ("NonFinite", ridge(&a(), &nan, 1.0).map(drop).unwrap_err(), &["b has", "row 0, column 0", "remove or impute"]),
        (
            "Index",
            wellposed::SparseView::csr(1, 2, &[0u32, 2], &[0, 2], &[1.0, 2.0]).map(drop).unwrap_err(),
            &["column_indices[1] is 2", "less than 2", "counted from 0"],
        ),
        (
            "Unreadable",
            wellposed::Rows::<f64, Vec<f64>>::from_bytes(&[1, 2, 3]).map(drop).unwrap_err(),
            &["stored rows cannot be read", "Rows::to_bytes"],
        ),
        ("Parameter", ridge(&a(), &B, -1.0).map(drop).unwrap_err(), &["λ is -1", "≥ 0"]),
        (
            "RankDeficient",
            Problem::new(&singular).require_full_rank().solve(&B, 0.0).map(drop).unwrap_err(),
            &["rank 2 of 3", "λ > 0", "require_full_rank", "minimum-norm"],
        ),
        (
            "CommonNullSpace",
            Problem::new(&constants)
                .penalty(Penalty::first_difference())
                .require_full_rank()
                .solve(&[1.0, 2.0, 3.0], 1.0)
                .map(drop)
                .unwrap_err(),
            &["dimension 1", "add a penalty", "require_full_rank"],
        ),
        (
            "NeedsEntries",
            Problem::new(&products()).method(Method::Qr).solve(&B, 1.0).map(drop).unwrap_err(),
            &["QR needs the entries", "Method::Cgls"],
        ),
        (
            "NoLambda",
            ridge(&a(), &B, Discrepancy::noise_norm(100.0)).map(drop).unwrap_err(),
            &["discrepancy finds no λ", "1.000e2", "lower it"],
        ),
        (
            "Unsupported",
            Problem::new(&products()).method(Cgls::new()).solve(&B, Gcv).map(drop).unwrap_err(),
            &["a rule", "cannot be combined", "give λ as a number"],
        ),
        (
            "LogPrior",
            Problem::new(&a()).noise_std(&[1.0]).map(&B, &Careless).map(drop).unwrap_err(),
            &["the gradient of the log prior", "differences of its value", "correct the gradient"],
        ),
        (
            "NotConverged",
            Problem::new(&a()).method(Cgls::new().max_steps(1)).solve(&B, 1e-3).map(drop).unwrap_err(),
            &["CGLS stopped after 1 steps", "max_steps", "accept_partial"],
        ),
        (
            "Bounds",
            Problem::new(&self::a()).bounds(1.0..=-1.0).solve(&B, 1.0).map(drop).unwrap_err(),
            &["component 0", "1 and -1", "leave a side open"],
        ),
        (
            "Infeasible",
            Problem::new(&self::a()).equality(&zero_row, &[1.0]).solve(&B, 1.0).map(drop).unwrap_err(),
            &["no x satisfies", "1.000e0", "drop the equations"],
        ),
        (
            "IllConditioned",
            Problem::new(&singular).method(Method::Cholesky).solve(&B, 0.0).map(drop).unwrap_err(),
            &["Cholesky would lose too many digits", "Method::Qr", "Method::Auto"],
        ),
    ];
    for (name, error, words) in &table {
        assert!(format!("{error:?}").starts_with(name), "{error:?} is no {name}");
        refused(Err::<(), _>(error.clone()), words);
        // errors are ordinary errors
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error.clone());
        assert_eq!(boxed.to_string(), error.to_string());
    }
    let names: Vec<&str> = table.iter().map(|(name, ..)| *name).collect();
    let all = variants();
    assert!(all.len() >= 10, "{all:?}");
    assert_eq!(
        all.iter().map(String::as_str).filter(|name| !names.contains(name)).collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "not in the table"
    );
}

// ---- shapes -----------------------------------------------------------------------------------------------------------

#[test]
fn wrong_shapes() {
    let whole = a();
    let problem = Problem::new(&whole);
    let shape = |result: Result<()>, words: &[&str]| {
        variant!(refused(result, words), Error::Shape { .. });
    };
    shape(DenseView::column_major(&A, 6, 4).map(drop), &["of length 18", "6×4", "rows times columns"]);
    shape(DenseView::row_major(&A, usize::MAX, 3).map(drop), &["of length 18", "rows times columns"]);
    shape(problem.solve(&B[..0], 1.0).map(drop), &["b is 0×1", "as many rows as A"]);
    shape(problem.solve(&[1.0; 7], 1.0).map(drop), &["b is 7×1"]);
    shape(problem.solve(&DenseView::column_major(&A, 3, 6).unwrap(), 1.0).map(drop), &["b is 3×6", "6×6"]);
    shape(problem.clone().weights(&[1.0; 5]).solve(&B, 1.0).map(drop), &["weights", "of length 5", "of length 6", "each row"]);
    shape(problem.clone().weights(&[1.0]).solve(&B, 1.0).map(drop), &["weights", "of length 1"]);
    shape(problem.clone().noise_std(&[1.0; 5]).solve(&B, 1.0).map(drop), &["noise_std", "of length 5", "a single one for all"]);
    shape(problem.clone().noise_std(&[0.0; 0]).solve(&B, 1.0).map(drop), &["noise_std", "of length 0"]);
    shape(problem.clone().prior_mean(&[1.0; 6]).solve(&B, 1.0).map(drop), &["prior mean", "of length 6", "each column"]);
    shape(
        problem.clone().penalty(Penalty::diagonal(&[1.0; 2])).solve(&B, 1.0).map(drop),
        &["penalty weights", "of length 2", "each column"],
    );
    let l = DenseView::column_major(&A[..8], 2, 4).unwrap();
    shape(problem.clone().penalty(Penalty::matrix(&l)).solve(&B, 1.0).map(drop), &["penalty matrix L", "2×4", "as many columns as A"]);
    shape(tikhonov(&a(), &B, &l).map(drop), &["2×4", "2×3"]);
    shape(
        problem.clone().penalty(Penalty::sum([(1.0, Penalty::identity()), (1.0, Penalty::matrix(&l))])).solve(&B, 1.0).map(drop),
        &["2×4"],
    );
    for (rows, columns) in [(2, 2), (0, 3), (usize::MAX, usize::MAX), (4, usize::MAX / 2)] {
        let penalty = Penalty::first_difference_2d(rows, columns, Boundary::Free);
        shape(problem.clone().penalty(penalty).solve(&B, 1.0).map(drop), &["grid of the penalty", "number of unknowns"]);
    }
    shape(problem.clone().method(Cgls::new().start(&[1.0; 2])).solve(&B, 1.0).map(drop), &["start guess", "of length 2", "each unknown"]);
    let empty = DenseView::<f64>::column_major(&[], 0, 3).unwrap();
    shape(Problem::new(&empty).intercept().solve(&[0.0; 0], 1.0).map(drop), &["0×3", "at least one row"]);
    shape(operator::sum(a(), l).map(drop), &["2×4", "6×3"]);
    shape(operator::product(a(), l).map(drop), &["2×4"]);
    shape(operator::stack(vec![a(), l]).map(drop), &["2×4"]);
    shape(operator::stack(Vec::<DenseView<'_, f64>>::new()).map(drop), &["at least one"]);
    let factor = problem.factorize().unwrap();
    shape(factor.solve(&B[..2], 1.0).map(drop), &["b is 2×1"]);
    shape(factor.spectrum(&B[..2]).map(drop), &["b is 2×1"]);
    shape(factor.curve(&B[..2], [1.0]).map(drop), &["b is 2×1"]);
    shape(factor.path(&B[..2], [1.0]).next().unwrap().map(drop), &["b is 2×1"]);
}

/// `entries()` that disagrees with `shape()`: the mistake of an operator's author.
struct Liar;
impl Operator for Liar {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (6, 2)
    }
    fn apply(&self, _: &[f64], y: &mut [f64]) {
        y.fill(0.0);
    }
    fn apply_adjoint(&self, _: &[f64], x: &mut [f64]) {
        x.fill(0.0);
    }
    fn entries(&self) -> Entries<'_, f64> {
        Entries::Dense(a())
    }
}

#[test]
fn entries_that_disagree_with_the_shape() {
    for method in [Method::Auto, Method::Svd, Cgls::new().into()] {
        variant!(refused(Problem::new(&Liar).method(method).solve(&B, 1.0), &["entries()", "6×3", "6×2", "agree"]), Error::Shape { .. });
    }
    variant!(refused(Problem::new(&Liar).factorize(), &["entries()"]), Error::Shape { .. });
    // the same mistake in a penalty
    let square = DenseView::column_major(&A[..12], 6, 2).unwrap();
    for method in [Method::Auto, Method::Qr, Method::Svd, Method::Gsvd, Cgls::new().into()] {
        let result = catch_unwind(AssertUnwindSafe(|| {
            Problem::new(&square).penalty(Penalty::matrix(&Liar)).method(method.clone()).solve(&B, 1.0).map(drop)
        }));
        assert!(result.is_ok(), "{method}: a penalty whose entries() and shape() differ must not panic");
    }
}

// ---- values -----------------------------------------------------------------------------------------------------------

#[test]
fn values_that_are_not_finite() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for place in [0, 7, 17] {
            let mut entries = A;
            entries[place] = bad;
            let a = DenseView::column_major(&entries, 6, 3).unwrap();
            let words = ["A has", &format!("row {}, column {}", place % 6, place / 6), "remove or impute"];
            variant!(refused(ridge(&a, &B, 1.0), &words), Error::NonFinite { what: "A", .. });
            variant!(refused(ridge(&a, &B, Gcv), &words), Error::NonFinite { what: "A", .. });
            variant!(refused(Problem::new(&a).factorize(), &words), Error::NonFinite { what: "A", .. });
            variant!(refused(Problem::new(&a).method(Cgls::new()).solve(&B, 1.0), &words), Error::NonFinite { what: "A", .. });
            variant!(refused(tikhonov(&self::a(), &B, &a), &["L", &format!("row {}", place % 6)]), Error::NonFinite { .. });
            for method in
                [Method::Cholesky, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal, Cgls::new().into()]
            {
                let result = Problem::new(&self::a()).penalty(Penalty::matrix(&a)).method(method).solve(&B, 1.0);
                variant!(refused(result, &["NaN or infinite"]), Error::NonFinite { .. });
            }
        }
        for place in 0..6 {
            let mut b = B;
            b[place] = bad;
            let words = ["b has", &format!("row {place}, column 0")];
            variant!(refused(ridge(&a(), &b, 1.0), &words), Error::NonFinite { what: "b", .. });
            variant!(refused(Problem::new(&products()).solve(&b, 1.0), &words), Error::NonFinite { what: "b", .. });
            let factor = Problem::new(&a()).factorize().unwrap();
            variant!(refused(factor.solve(&b, Gcv), &words), Error::NonFinite { what: "b", .. });
            variant!(refused(factor.spectrum(&b), &words), Error::NonFinite { what: "b", .. });
        }
        let whole = self::a();
        let problem = Problem::new(&whole);
        variant!(refused(problem.clone().prior_mean(&[0.0, bad, 0.0]).solve(&B, 1.0), &["prior mean", "entry 1"]), Error::NonFinite { .. });
        variant!(
            refused(problem.clone().method(Cgls::new().start(&[0.0, 0.0, bad])).solve(&B, 1.0), &["start guess", "entry 2"]),
            Error::NonFinite { .. }
        );
        // the parameters that are vectors
        variant!(
            refused(problem.clone().weights(&[1.0, 1.0, 1.0, bad, 1.0, 1.0]).solve(&B, 1.0), &["weights", "positive and finite"]),
            Error::Parameter { .. }
        );
        variant!(refused(problem.clone().noise_std(&[bad]).solve(&B, 1.0), &["noise_std", "positive and finite"]), Error::Parameter { .. });
        variant!(
            refused(problem.clone().penalty(Penalty::diagonal(&[1.0, bad, 1.0])).solve(&B, 1.0), &["penalty weight", "≥ 0"]),
            Error::Parameter { .. }
        );
        variant!(
            refused(problem.clone().penalty(Penalty::sum([(bad, Penalty::identity())])).solve(&B, 1.0), &["penalty term", "≥ 0"]),
            Error::Parameter { .. }
        );
    }
    // both parts of a complex number count
    let entries: Vec<c64> = A.iter().enumerate().map(|(k, &v)| c64::new(v, if k == 9 { f64::NAN } else { 0.0 })).collect();
    let b: Vec<c64> = B.iter().map(|&v| c64::new(v, 0.0)).collect();
    let a = DenseView::column_major(&entries, 6, 3).unwrap();
    variant!(refused(ridge(&a, &b, 1.0), &["row 3, column 1"]), Error::NonFinite { .. });
}

/// An operator whose products are not finite is found out, and told so.
#[test]
fn products_that_are_not_finite() {
    for bad in [f64::NAN, f64::INFINITY] {
        let forward = from_fn(2, 2, move |_: &[f64], y: &mut [f64]| y.fill(bad), |y: &[f64], x: &mut [f64]| x.copy_from_slice(y));
        variant!(refused(ridge(&forward, &[1.0, 2.0], 0.1), &["step", "dot_test"]), Error::NonFinite { .. });
        let back = from_fn(2, 2, |x: &[f64], y: &mut [f64]| y.copy_from_slice(x), move |_: &[f64], x: &mut [f64]| x.fill(bad));
        variant!(refused(ridge(&back, &[1.0, 2.0], 0.1), &["step", "dot_test"]), Error::NonFinite { .. });
        variant!(refused(Problem::new(&forward).prior_mean(&[1.0, 1.0]).solve(&[1.0, 2.0], 0.1), &["prior mean"]), Error::NonFinite { .. });
        variant!(refused(dot_test(&forward), &["A·x"]), Error::NonFinite { .. });
        // as a penalty of a dense A too
        let dense = [1.0, 2.0, 3.0, 4.0];
        let dense = DenseView::column_major(&dense, 2, 2).unwrap();
        variant!(refused(tikhonov(&dense, &[1.0, 2.0], &forward), &["L"]), Error::NonFinite { .. });
    }
    // an adjoint that is not one is no answer either
    let wrong = from_fn(
        2,
        2,
        |x: &[f64], y: &mut [f64]| y.copy_from_slice(&[x[0] + 5.0 * x[1], x[1]]),
        |y: &[f64], x: &mut [f64]| x.copy_from_slice(&[y[0] + 5.0 * y[1], y[1]]),
    );
    refused(ridge(&wrong, &[1.0, 2.0], 0.1), &["dot_test"]);
    variant!(refused(dot_test(&wrong), &["adjoint"]), Error::Parameter { .. });
}

// ---- parameters -------------------------------------------------------------------------------------------------------

#[test]
fn lambda_out_of_range() {
    let bad: Vec<Choice> = vec![
        (-1.0).into(),
        (-1e-300).into(),
        f64::NAN.into(),
        f64::INFINITY.into(),
        f64::NEG_INFINITY.into(),
        Given(-2.0).into(),
        Lambda::from_damping(-0.5).into(),
        Lambda::from_damping(f64::NAN).into(),
        Lambda::from_damping(f64::INFINITY).into(),
        Lambda::per_sample(-1.0, 3.0).into(),
        Lambda::glmnet(1.0, 10, 0.0).into(),
        Lambda::noise_to_signal(0.0, 0.0).into(),
        Lambda::new(-1.0).into(),
    ];
    let factor = Problem::new(&a()).factorize().unwrap();
    for choice in bad {
        for result in [
            ridge(&a(), &B, choice),
            Problem::new(&a()).method(Cgls::new()).solve(&B, choice),
            Problem::new(&products()).solve(&B, choice),
            factor.solve(&B, choice),
            factor.path(&B, [choice]).next().unwrap(),
        ] {
            variant!(refused(result, &["λ is", "≥ 0"]), Error::Parameter { .. });
        }
        variant!(refused(Problem::new(&a()).plan(choice), &["λ is", "≥ 0"]), Error::Parameter { .. });
    }
    // −0 is 0
    assert_eq!(ridge(&a(), &B, -0.0).unwrap().x, ridge(&a(), &B, 0.0).unwrap().x);
}

#[test]
fn grids_upside_down() {
    let factor = Problem::new(&a()).factorize().unwrap();
    for range in
        [0.0..=1.0, -1.0..=1.0, 1.0..=0.0, 1.0..=-1.0, f64::NAN..=1.0, 1.0..=f64::NAN, 1.0..=f64::INFINITY, f64::NEG_INFINITY..=1.0]
    {
        for count in [1, 2, 5] {
            let text = format!("{range:?}, {count}");
            let grid: Vec<f64> = log_grid(range.clone(), count).collect();
            assert_eq!(grid.len(), count);
            assert!(grid.iter().all(|v| v.is_nan()), "{text}: {grid:?}");
            variant!(refused(factor.curve(&B, grid.clone()), &["λ is NaN"]), Error::Parameter { .. });
            for fit in factor.path(&B, grid) {
                variant!(refused(fit, &["λ is NaN"]), Error::Parameter { .. });
            }
        }
        assert_eq!(log_grid(range, 0).count(), 0);
    }
    // from large to small is a grid, read backwards; so is a single point
    let down: Vec<f64> = log_grid(1e2..=1e-2, 5).collect();
    assert_eq!((down.len(), down[0], down[4]), (5, 1e2, 1e-2));
    assert!(down.windows(2).all(|w| w[0] > w[1]));
    assert!(log_grid(3.0..=3.0, 3).all(|v| (v - 3.0).abs() < 1e-14));
    assert!(factor.curve(&B, log_grid(1.0..=2.0, 0)).unwrap().is_empty());
}

#[test]
fn parameters_out_of_range() {
    let whole = a();
    let problem = Problem::new(&whole);
    for bad in [0.0, -0.0, -1.0] {
        variant!(
            refused(problem.clone().weights(&[1.0, 1.0, bad, 1.0, 1.0, 1.0]).solve(&B, 1.0), &["weights", "leave a row out"]),
            Error::Parameter { .. }
        );
        variant!(refused(problem.clone().noise_std(&[bad]).solve(&B, 1.0), &["noise_std", "positive"]), Error::Parameter { .. });
        variant!(
            refused(problem.clone().noise_std(&[1.0, 1.0, 1.0, 1.0, 1.0, bad]).solve(&B, 1.0), &["noise_std", "positive"]),
            Error::Parameter { .. }
        );
    }
    variant!(
        refused(problem.clone().penalty(Penalty::diagonal(&[1.0, -1.0, 1.0])).solve(&B, 1.0), &["-1", "≥ 0"]),
        Error::Parameter { .. }
    );
    variant!(
        refused(problem.clone().penalty(Penalty::sum([(-1.0, Penalty::identity())])).solve(&B, 1.0), &["-1", "≥ 0"]),
        Error::Parameter { .. }
    );
    variant!(refused(problem.clone().penalty(Penalty::sum([])).solve(&B, 1.0), &["penalty terms", "at least 1"]), Error::Parameter { .. });
    for gamma in [0.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        variant!(refused(problem.solve(&B, Gcv.robust(gamma)), &["γ", "(0, 1]"]), Error::Parameter { .. });
        variant!(refused(problem.plan(Gcv.robust(gamma)), &["γ", "(0, 1]"]), Error::Parameter { .. });
    }
    assert!(problem.solve(&B, Gcv.robust(1.0)).is_ok());
    for level in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        variant!(refused(problem.solve(&B, Discrepancy::noise_norm(level)), &["noise norm", "Gcv or Loo"]), Error::Parameter { .. });
        variant!(
            refused(problem.solve(&B, Discrepancy::relative_noise(level)), &["relative noise", "Gcv or Loo"]),
            Error::Parameter { .. }
        );
        variant!(
            refused(problem.solve(&B, Discrepancy::noise_norm(1.0).safety(level)), &["safety factor", "1 to 1.2"]),
            Error::Parameter { .. }
        );
    }
    variant!(refused(problem.clone().threads(0).solve(&B, 1.0), &["threads", "at least 1"]), Error::Parameter { .. });
    variant!(refused(problem.clone().threads(0).factorize(), &["threads", "at least 1"]), Error::Parameter { .. });
    variant!(refused(problem.clone().threads(0).method(Cgls::new()).solve(&B, 1.0), &["threads"]), Error::Parameter { .. });
    assert!(problem.clone().threads(64).solve(&B, 1.0).is_ok());
}

macro_rules! options_of {
    ($test:ident, $type:ident, $name:literal) => {
        #[test]
        fn $test() {
            let solve = |options: $type| Problem::new(&a()).method(options).solve(&B, 0.1);
            for tolerance in [-1e-3, 1.0, 2.0, f64::NAN, f64::INFINITY] {
                variant!(
                    refused(solve($type::new().tolerance(tolerance)), &[concat!("tolerance of ", $name), "less than 1"]),
                    Error::Parameter { .. }
                );
            }
            variant!(refused(solve($type::new().max_steps(0)), &["max_steps", "at least 1"]), Error::Parameter { .. });
            variant!(refused(solve($type::new().steps(0)), &["steps", "at least 1"]), Error::Parameter { .. });
            variant!(
                refused(
                    solve($type::new().steps(3).tolerance(1e-3)),
                    &[concat!(stringify!($type), "::steps"), "max_steps(..).accept_partial()"]
                ),
                Error::Unsupported { .. }
            );
            variant!(
                refused(solve($type::new().steps(3).max_steps(9)), &[concat!(stringify!($type), "::steps"), "keep one"]),
                Error::Unsupported { .. }
            );
            variant!(
                refused(solve($type::new().steps(3).start(&[1.0; 3])), &[concat!(stringify!($type), "::start"), "prior_mean"]),
                Error::Unsupported { .. }
            );
            variant!(
                refused(solve($type::new().start(&[c64::new(0.0, 1.0); 3])), &["complex start guess", "real part"]),
                Error::Unsupported { .. }
            );
            // options are checked before anything is computed, by a plan too
            variant!(refused(Problem::new(&a()).method($type::new().steps(0)).plan(0.1), &["steps"]), Error::Parameter { .. });
            // what is asked for is done, and what was not reached is an error or marked
            let partial = solve($type::new().max_steps(1).accept_partial()).unwrap();
            assert_eq!((partial.report.steps, partial.report.stop), (Some(1), Some(Stop::StepLimit)));
            assert!(partial.report.warnings.iter().any(|w| matches!(w, Warning::Partial { .. })), "{}", partial.report);
            assert_eq!(solve($type::new().steps(2)).unwrap().report.stop, Some(Stop::Steps));
        }
    };
}
options_of!(options_of_cgls, Cgls, "CGLS");
options_of!(options_of_lsqr, Lsqr, "LSQR");
options_of!(options_of_lsmr, Lsmr, "LSMR");

// ---- singular problems ------------------------------------------------------------------------------------------------

/// A and L share a null space: the minimum-norm answer with a warning, or an error where full rank is required.
#[test]
fn a_null_space_shared_by_a_and_l() {
    // A·(1, 1, 1) = 0, and the first difference of a constant is 0
    let entries = [1.0, 0.0, 2.0, 1.0, -1.0, 1.0, -1.0, 0.0, 0.0, -1.0, -1.0, -1.0];
    let a = DenseView::column_major(&entries, 4, 3).unwrap();
    let b = [1.0, 2.0, 3.0, 4.0];
    let smooth = || Problem::new(&a).penalty(Penalty::first_difference());
    for choice in [Choice::from(0.1), Gcv.into(), Loo.into()] {
        let fit = smooth().solve(&b, choice).unwrap_or_else(|error| panic!("{choice}: {error}"));
        assert!(
            fit.report.warnings.iter().any(|w| matches!(w, Warning::MinimumNorm { rank: 2, unknowns: 3, .. })),
            "{choice}: {}",
            fit.report
        );
        let sum: f64 = fit.x.iter().sum();
        assert!(sum.abs() < 1e-13, "{choice}: minimum norm is orthogonal to the null space: {:?}", fit.x);
        variant!(
            refused(smooth().require_full_rank().solve(&b, choice), &["dimension 1", "drop require_full_rank()"]),
            Error::CommonNullSpace { .. }
        );
    }
    let factor = smooth().factorize().unwrap();
    assert_eq!(factor.solve(&b, 0.1).unwrap().rank, Some(2));
    let factor = smooth().require_full_rank().factorize();
    let required = factor.and_then(|factor| factor.solve(&b, 0.1));
    variant!(refused(required, &["require_full_rank"]), Error::CommonNullSpace { .. });
    // by name: the GSVD answers, the others say what does
    assert_eq!(smooth().method(Method::Gsvd).solve(&b, 0.1).unwrap().rank, Some(2));
    for method in [Method::Svd, Method::Bidiagonal, Method::Tridiagonal] {
        variant!(refused(smooth().method(method).solve(&b, 0.1), &["null space", "Method::Gsvd"]), Error::Unsupported { .. });
    }
    variant!(refused(smooth().method(Method::Qr).solve(&b, 0.1), &["rank 2 of 3"]), Error::RankDeficient { .. });
    refused(smooth().method(Method::Cholesky).solve(&b, 0.1), &["Method::Auto"]);
    // CGLS from zero finds it as well
    let fit = smooth().method(Cgls::new()).solve(&b, 0.1).unwrap();
    assert!(fit.x.iter().sum::<f64>().abs() < 1e-12);
}

/// A method by name never answers a singular problem with what is left of it.
#[test]
fn methods_by_name_on_a_singular_problem() {
    let entries = deficient();
    let a = DenseView::column_major(&entries, 6, 3).unwrap();
    let reference = Problem::new(&a).method(Method::Svd).solve(&B, 0.0).unwrap();
    assert_eq!(reference.rank, Some(2));
    variant!(
        refused(Problem::new(&a).method(Method::Cholesky).solve(&B, 0.0), &["Cholesky", "Method::Auto"]),
        Error::IllConditioned { .. }
    );
    for method in [Method::Qr, Method::Bidiagonal] {
        variant!(refused(Problem::new(&a).method(method).solve(&B, 0.0), &["rank 2 of 3", "minimum-norm"]), Error::RankDeficient { .. });
    }
    variant!(
        refused(Problem::new(&a).method(Method::Tridiagonal).solve(&B, 0.0), &["tridiagonalization", "Method::Auto"]),
        Error::IllConditioned { .. }
    );
    // and the wide case at λ = 0
    let wide = DenseView::row_major(&A[..12], 2, 6).unwrap();
    variant!(refused(Problem::new(&wide).method(Method::Qr).solve(&B[..2], 0.0), &["rank 2 of 6"]), Error::RankDeficient { .. });
    for method in [Method::Auto, Method::Svd, Method::Gsvd, Method::Cholesky, Method::Bidiagonal, Method::Tridiagonal, Cgls::new().into()] {
        // (the dual forms have full rank m: they may answer, and then with the same x)
        let expected = Problem::new(&wide).method(Method::Svd).solve(&B[..2], 0.0).unwrap().x;
        if let Ok(fit) = Problem::new(&wide).method(method.clone()).solve(&B[..2], 0.0) {
            assert!(fit.x.iter().zip(&expected).all(|(x, e)| (x - e).abs() < 1e-12), "{method}: {:?}, not {expected:?}", fit.x);
        }
        // an answer that is not unique is an error where uniqueness was asked for (an iteration cannot know)
        if !matches!(method, Method::Cgls(_)) {
            let required = Problem::new(&wide).method(method.clone()).require_full_rank().solve(&B[..2], 0.0);
            assert!(required.is_err(), "{method} answers an underdetermined problem in spite of require_full_rank()");
        }
    }
    // Auto answers, and says what it did
    let fit = ridge(&a, &B, 0.0).unwrap();
    assert!(fit.x.iter().zip(&reference.x).all(|(x, e)| (x - e).abs() < 1e-13));
    assert!(fit.report.warnings.iter().any(|w| matches!(w, Warning::MinimumNorm { rank: 2, .. })), "{}", fit.report);
    variant!(refused(Problem::new(&a).require_full_rank().solve(&B, 0.0), &["rank 2 of 3"]), Error::RankDeficient { .. });
    // any λ > 0 that can be seen makes it unique
    assert!(Problem::new(&a).require_full_rank().solve(&B, 0.1).is_ok());
}

// ---- what does not go together ----------------------------------------------------------------------------------------

#[test]
fn what_needs_the_entries() {
    let a = products();
    for method in [Method::Cholesky, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal] {
        let name = method.name();
        variant!(refused(Problem::new(&a).method(method.clone()).solve(&B, 1.0), &[name, "Method::Cgls"]), Error::NeedsEntries { .. });
        variant!(refused(Problem::new(&a).method(method.clone()).solve(&B, Gcv), &[name, "Method::Cgls"]), Error::NeedsEntries { .. });
        variant!(refused(Problem::new(&a).method(method.clone()).factorize(), &[name]), Error::NeedsEntries { .. });
        variant!(refused(Problem::new(&a).method(method).plan(1.0), &[name]), Error::NeedsEntries { .. });
    }
    let rules: [Choice; 4] = [Gcv.into(), Loo.into(), Gcv.robust(0.5).into(), Discrepancy::noise_norm(1.0).into()];
    for rule in rules {
        for result in [Problem::new(&a).method(Cgls::new()).solve(&B, rule), Problem::new(&self::a()).method(Cgls::new()).solve(&B, rule)] {
            variant!(refused(result, &["rule", "give λ as a number"]), Error::Unsupported { .. });
        }
        variant!(refused(Problem::new(&a).method(Cgls::new()).plan(rule), &["give λ as a number"]), Error::Unsupported { .. });
    }
    variant!(refused(Problem::new(&a).factorize(), &["factorization", "entries of A"]), Error::Unsupported { .. });
    variant!(refused(Problem::new(&self::a()).method(Cgls::new()).factorize(), &["factorization"]), Error::Unsupported { .. });
}

#[test]
fn leave_one_out_needs_the_leverages() {
    for method in [Method::Cholesky, Method::Qr, Method::Bidiagonal, Method::Tridiagonal] {
        variant!(
            refused(Problem::new(&a()).method(method.clone()).solve(&B, Loo), &["leave-one-out", "Method::Svd"]),
            Error::Unsupported { .. }
        );
        let factor = Problem::new(&a()).method(method).factorize().unwrap();
        variant!(refused(factor.solve(&B, Loo), &["leave-one-out", "Method::Svd"]), Error::Unsupported { .. });
    }
    // a row that alone informs an unpenalised coefficient has leverage 1 at every λ
    let entries = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 1.0];
    let a = DenseView::column_major(&entries, 4, 2).unwrap();
    let result = Problem::new(&a).penalty(Penalty::diagonal(&[1.0, 0.0])).solve(&B[..4], Loo);
    variant!(refused(result, &["leave-one-out finds no λ", "leverage 1", "use Gcv"]), Error::NoLambda { .. });
}

#[test]
fn a_discrepancy_that_no_lambda_has() {
    // noise larger than the data, and smaller than what no x explains
    variant!(refused(ridge(&a(), &B, Discrepancy::noise_norm(1e3)), &["never above", "1.000e3", "lower it"]), Error::NoLambda { .. });
    variant!(
        refused(ridge(&a(), &B, Discrepancy::noise_norm(1e-9)), &["never below", "1.000e-9", "raise the noise norm"]),
        Error::NoLambda { .. }
    );
    variant!(refused(ridge(&a(), &B, Discrepancy::relative_noise(1.1)), &["lower it"]), Error::NoLambda { .. });
    variant!(
        refused(Problem::new(&a()).noise_std(&[1e-9]).solve(&B, Discrepancy::whitened()), &["raise the noise norm"]),
        Error::NoLambda { .. }
    );
    variant!(refused(ridge(&a(), &B, Discrepancy::noise_norm(1.0).safety(1e4)), &["1.000e4"]), Error::NoLambda { .. });
}

// ---- observers --------------------------------------------------------------------------------------------------------

#[test]
fn an_observer_ends_the_iteration() {
    let mut seen = Vec::new();
    let fit = Problem::new(&products())
        .solve_with(&B, 1e-3, |step| {
            seen.push(step.index);
            if step.index == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((seen, fit.report.stop, fit.report.steps), (vec![1, 2], Some(Stop::Observer), Some(2)));
    assert!(!Stop::Observer.converged());
    // direct methods make no steps
    let mut calls = 0;
    Problem::new(&a()).solve_with(&B, 1e-3, |_| calls += 1).unwrap();
    assert_eq!(calls, 0);
}

/// An observer's own panic goes through and leaves the problem usable.
#[test]
fn an_observer_that_panics() {
    let operator = products();
    let problem = Problem::new(&operator).weights(&[1.0; 6]).intercept();
    let result = catch_unwind(AssertUnwindSafe(|| {
        problem.solve_with(&B, 1e-3, |_| -> () {
            std::panic::resume_unwind(Box::new("the observer's own"));
        })
    }));
    assert!(result.is_err());
    assert!(problem.solve(&B, 1e-3).is_ok());
}

// ---- the caller's data ------------------------------------------------------------------------------------------------

#[test]
fn nothing_of_the_callers_changes() {
    let (entries, b, weights, mean, l) = (A.to_vec(), B.to_vec(), vec![2.0; 6], vec![0.5; 3], A[..9].to_vec());
    let before = (entries.clone(), b.clone(), weights.clone(), mean.clone(), l.clone());
    let a = DenseView::column_major(&entries, 6, 3).unwrap();
    let matrix = DenseView::column_major(&l, 3, 3).unwrap();
    for method in
        [Method::Auto, Method::Cholesky, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal, Cgls::new().into()]
    {
        let problem = Problem::new(&a).method(method.clone());
        let full = problem.clone().weights(&weights).noise_std(&weights).prior_mean(&mean).penalty(Penalty::matrix(&matrix)).intercept();
        for choice in [Choice::from(0.0), Choice::from(0.1), Choice::from(-1.0), Gcv.into(), Loo.into()] {
            let first = problem.solve(&b, choice).map(|fit| fit.x);
            let _ = full.solve(&b, choice);
            // and the same call gives the same bits again
            assert_eq!(problem.solve(&b, choice).map(|fit| fit.x), first, "{method}");
        }
        if let Ok(factor) = full.factorize() {
            let _ = (factor.solve(&b, Gcv), factor.spectrum(&b), factor.curve(&b, [0.1, 1.0]));
        }
    }
    assert_eq!((&entries, &b, &weights, &mean, &l), (&before.0, &before.1, &before.2, &before.3, &before.4));
}

/// What the search below has found, kept so that it is tried every time.
#[test]
fn found_by_arbitrary_input() {
    let judged = |result: Result<Solution<f64, [f64; 6]>>| {
        if let Ok(fit) = result {
            judge(fit, |x| x.clone(), 6, 3).unwrap();
        }
    };
    let a = a();
    // generalized singular values without an end: the search for λ must have one
    for weights in [[1e-320, 1.0, 1.0], [1e-320, 1e-310, 0.0], [1e-300, 1e300, 1.0]] {
        for method in [Method::Auto, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal, Method::Qr, Method::Cholesky] {
            let problem = Problem::new(&a).penalty(Penalty::diagonal(&weights)).method(method);
            for choice in [Choice::from(0.1), Gcv.into(), Loo.into(), Discrepancy::noise_norm(1.0).into()] {
                judged(problem.solve(&B, choice));
                judged(problem.factorize().and_then(|factor| factor.solve(&B, choice)));
            }
        }
    }
    // grids without points, of any length on the other side
    let nothing = DenseView::<f64>::column_major(&[], 6, 0).unwrap();
    for (rows, columns) in [(0, usize::MAX), (usize::MAX, 0), (0, 0)] {
        for boundary in [Boundary::Free, Boundary::Zero, Boundary::Periodic] {
            for penalty in [Penalty::first_difference_2d(rows, columns, boundary), Penalty::second_difference_2d(rows, columns, boundary)] {
                assert!(Problem::new(&nothing).penalty(penalty.clone()).solve(&B, 1.0).is_ok());
                assert!(Problem::new(&nothing).penalty(penalty).method(Cgls::new()).solve(&B, 1.0).is_ok());
            }
            let _ = operator::second_difference_2d::<f64>(usize::MAX, 2, boundary).shape();
            let _ = operator::first_difference::<f64>(usize::MAX, boundary).shape();
        }
    }
    // products of the options with the data that leave the scalar type
    let mut large = A;
    large[4] = f64::MAX;
    let large = DenseView::column_major(&large, 6, 3).unwrap();
    let out_of_range = ["range of the scalar type", "rescale"];
    variant!(refused(Problem::new(&large).noise_std(&[1e-10]).solve(&B, 1.0), &out_of_range), Error::Parameter { .. });
    variant!(refused(Problem::new(&a).noise_std(&[1e-10]).solve(&[f64::MAX; 6], 1.0), &out_of_range), Error::Parameter { .. });
    variant!(refused(Problem::new(&large).prior_mean(&[10.0; 3]).solve(&B, 1.0), &["A with the prior mean"]), Error::NonFinite { .. });
    let single: Vec<f32> = A.iter().map(|&v| v as f32).collect();
    let single = DenseView::column_major(&single, 6, 3).unwrap();
    let result = Problem::new(&single).noise_std(&[1e-45f32]).solve(&[1.0f32; 6], 1.0);
    variant!(refused(result, &["√weight/noise_std", "rescale"]), Error::Parameter { .. });
    // an L that is not looked at on the way to x = 0
    let empty = DenseView::<f64>::column_major(&[], 0, 3).unwrap();
    let l = [1.0, f64::NAN, 0.0];
    let l = DenseView::row_major(&l, 1, 3).unwrap();
    variant!(
        refused(Problem::new(&empty).penalty(Penalty::matrix(&l)).method(Cgls::new()).solve(&[0.0; 0], 1.0), &["L"]),
        Error::NonFinite { .. }
    );
}

// ---- anything at all --------------------------------------------------------------------------------------------------

/// A stream of choices: proptest shrinks the bytes, and an exhausted stream chooses the first of everything.
struct Bytes<'b> {
    bytes: &'b [u8],
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((&first, rest)) => {
                self.bytes = rest;
                first
            }
            None => 0,
        }
    }
    fn below(&mut self, count: usize) -> usize {
        self.next() as usize % count
    }
    fn pick<V: Copy>(&mut self, values: &[V]) -> V {
        values[self.below(values.len())]
    }
    /// True for one byte value in four.
    fn rarely(&mut self) -> bool {
        self.next() % 4 == 3
    }
    /// Mostly plain numbers; special ones where `wild`.
    fn number(&mut self, wild: bool) -> f64 {
        const PLAIN: [f64; 8] = [1.0, 0.0, -1.0, 2.0, 0.5, 3.0, -0.25, 7.0];
        const WILD: [f64; 16] = [
            0.0,
            -0.0,
            5e-324,
            1e-310,
            f64::MIN_POSITIVE,
            1e-45,
            1e-38,
            1e-300,
            1e-150,
            1e150,
            1e300,
            3e38,
            f64::MAX,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let byte = self.next();
        match byte % 8 {
            7 if wild => self.pick(&WILD),
            6 => f64::from(byte) / 64.0 - 2.0,
            k => PLAIN[(k as usize + byte as usize / 8) % 8],
        }
    }
    fn scalars<T: Scalar>(&mut self, count: usize, wild: bool) -> Vec<T> {
        (0..count).map(|_| T::from_parts(T::Real::from_f64(self.number(wild)), T::Real::from_f64(self.number(wild)))).collect()
    }
    fn reals<T: Scalar>(&mut self, count: usize, wild: bool) -> Vec<T::Real> {
        (0..count).map(|_| T::Real::from_f64(self.number(wild).abs())).collect()
    }
    fn length(&mut self, right: usize) -> usize {
        if self.rarely() && self.rarely() { self.below(6) } else { right }
    }
    fn method(&mut self, n: usize) -> Method {
        match self.below(9) {
            0 => Method::Auto,
            1 => Method::Cholesky,
            2 => Method::Qr,
            3 => Method::Svd,
            4 => Method::Gsvd,
            5 => Method::Bidiagonal,
            6 => Method::Tridiagonal,
            _ => {
                macro_rules! any_options {
                    ($type:ident) => {{
                        let mut options = $type::new();
                        if self.rarely() {
                            options = options.tolerance(self.number(true));
                        }
                        if self.rarely() {
                            options = options.max_steps(self.pick(&[3, 0, 1, 50]));
                        }
                        if self.rarely() {
                            options = options.steps(self.pick(&[3, 0, 1, 50]));
                        }
                        if self.rarely() {
                            options = options.accept_partial();
                        }
                        if self.rarely() {
                            let length = self.length(n);
                            options = options.start(&self.scalars::<f64>(length, true));
                        }
                        options.into()
                    }};
                }
                match self.below(3) {
                    0 => any_options!(Cgls),
                    1 => any_options!(Lsqr),
                    _ => any_options!(Lsmr),
                }
            }
        }
    }
    fn boundary(&mut self) -> Boundary {
        self.pick(&[Boundary::Free, Boundary::Zero, Boundary::Periodic])
    }
    fn penalty<'a, T: Scalar>(&mut self, n: usize, l: &'a DenseView<'a, T>, depth: usize) -> Penalty<'a, T> {
        match self.below(9) {
            0 => Penalty::identity(),
            1 => {
                let length = self.length(n);
                Penalty::diagonal(&DenseView::column(&self.reals::<T>(length, true)))
            }
            2 => Penalty::first_difference_with(self.boundary()),
            3 => Penalty::second_difference_with(self.boundary()),
            4 => Penalty::first_difference_2d(self.pick(&[n, 1, 2, 0, usize::MAX]), self.pick(&[1, n, 2, 0, 3]), self.boundary()),
            5 => Penalty::second_difference_2d(self.pick(&[1, n, 2, 0, usize::MAX]), self.pick(&[n, 1, 2, 0, 3]), self.boundary()),
            6 | 7 => Penalty::matrix(l),
            _ if depth > 0 => Penalty::identity(),
            _ => {
                let count = self.below(3);
                let terms: Vec<_> = (0..count).map(|_| (self.number(true), self.penalty(n, l, depth + 1))).collect();
                Penalty::sum(terms)
            }
        }
    }
    fn choice(&mut self) -> Choice {
        let choice: Choice = match self.below(9) {
            0 => 0.1.into(),
            1 => 0.0.into(),
            2 => self.number(true).into(),
            3 => Lambda::from_damping(self.number(true)).into(),
            4 => Gcv.into(),
            5 => Loo.into(),
            6 => Gcv.robust(self.number(true)).into(),
            7 => match self.below(3) {
                0 => Discrepancy::noise_norm(self.number(true).abs()).safety(self.number(true).abs()).into(),
                1 => Discrepancy::relative_noise(self.number(true).abs()).into(),
                _ => Discrepancy::whitened().into(),
            },
            _ => Lambda::new(self.number(true).abs()).into(),
        };
        if self.rarely() { choice.shared() } else { choice }
    }
}

/// An answer is made of numbers: x finite, nothing NaN, dof between 0 and what there is.
fn judge<T: Scalar, D: Data<T> + ?Sized>(
    fit: Solution<T, D>,
    flat: impl Fn(&D::Output) -> Vec<T>,
    m: usize,
    n: usize,
) -> core::result::Result<(), String> {
    let text = fit.report.to_string();
    let ensure = |right: bool, what: &str| if right { Ok(()) } else { Err(format!("{what}\n{text}")) };
    let x = flat(&fit.x);
    ensure(x.len() == n * fit.report.fits.len(), "the length of x")?;
    ensure(x.iter().all(|v| v.finite()), &format!("x = {x:?}"))?;
    for one in &fit.report.fits {
        ensure(one.lambda.damping().is_finite() && one.lambda.damping() >= 0.0 && !one.lambda.value().is_nan(), "λ")?;
        ensure(one.residual_norm >= 0.0 && one.penalty_norm >= 0.0, &format!("a norm of {one:?}"))?;
        if let Some(dof) = one.dof {
            // traces of a Gram matrix lose κ²·ε
            let condition = fit.report.condition.unwrap_or(1.0);
            let slack = (1e2 * T::Real::EPSILON.to_f64() * condition * condition).min(0.5);
            // the intercept counts, and may be there beside m − 1 others
            ensure(dof >= -slack && dof <= (m.min(n + 1)) as f64 + slack, &format!("dof {dof} of a {m}×{n} problem"))?;
        }
    }
    ensure(fit.rank.is_none_or(|rank| rank <= n), "rank")?;
    ensure(fit.report.condition.is_none_or(|condition| condition >= 1.0), "condition")?;
    ensure(
        fit.report
            .criteria
            .iter()
            .all(|c| !c.value.is_nan() && c.evaluated.iter().chain(&c.minima).all(|p| !p.0.is_nan() && !p.1.is_nan())),
        "criteria",
    )?;
    ensure(!text.contains("NaN"), "NaN in the report")
}

/// One arbitrary problem through every public call. `Err` is what is wrong with an answer; panics are the caller's to catch.
fn anything<T: Scalar>(bytes: &[u8]) -> core::result::Result<(), String> {
    let mut bytes = Bytes { bytes };
    let wild = bytes.next() % 2 == 1;
    let (m, n) = (bytes.below(6), bytes.below(6));
    let entries: Vec<T> = bytes.scalars(m * n, wild);
    let view = if bytes.rarely() { DenseView::row_major(&entries, m, n) } else { DenseView::column_major(&entries, m, n) };
    let a = view.map_err(|error| format!("a view of the right length: {error}"))?;
    let l_rows = bytes.below(5);
    let l_columns = bytes.length(n);
    let l_entries: Vec<T> = bytes.scalars(l_rows * l_columns, wild);
    let l = DenseView::column_major(&l_entries, l_rows, l_columns).map_err(|error| error.to_string())?;
    let free = from_fn(m, n, |x: &[T], y: &mut [T]| a.apply(x, y), |y: &[T], x: &mut [T]| a.apply_adjoint(y, x));
    let b_length = bytes.length(m);
    let b: Vec<T> = bytes.scalars(b_length, wild);
    let columns = bytes.below(4);
    let many: Vec<T> = bytes.scalars(m * columns, wild);
    let many = DenseView::column_major(&many, m, columns).map_err(|error| error.to_string())?;

    let dense = Problem::new(&a);
    let by_products = Problem::new(&free);
    let mut problems = [dense, by_products];
    let state = bytes.bytes;
    let mut options = String::new();
    for problem in &mut problems {
        // the same options for both
        bytes.bytes = state;
        options.clear();
        let mut p = problem.clone().method(bytes.method(n)).penalty(bytes.penalty(n, &l, 0));
        if bytes.rarely() {
            let length = bytes.length(m);
            let weights = bytes.reals::<T>(length, wild);
            options += &format!(" weights {weights:?}");
            p = p.weights(&DenseView::column(&weights));
        }
        if bytes.rarely() {
            let length = if bytes.rarely() { 1 } else { bytes.length(m) };
            let noise_std = bytes.reals::<T>(length, wild);
            options += &format!(" noise_std {noise_std:?}");
            p = p.noise_std(&DenseView::column(&noise_std));
        }
        if bytes.rarely() {
            let length = bytes.length(n);
            let mean = bytes.scalars::<T>(length, wild);
            options += &format!(" prior_mean {mean:?}");
            p = p.prior_mean(&mean);
        }
        if bytes.rarely() {
            options += " intercept";
            p = p.intercept();
        }
        if bytes.rarely() {
            p = p.require_full_rank();
        }
        if bytes.rarely() {
            p = p.threads(bytes.pick(&[1, 2, 0]));
        }
        *problem = p;
    }
    let choice = bytes.choice();
    let end = bytes.pick(&[usize::MAX, 0, 1, 2]);
    for (storage, problem) in ["dense", "matrix-free"].iter().zip(&problems) {
        let with = |why: String| {
            format!("{storage} {problem:?}{options}, {choice}: {why}\nA = {entries:?}\nL ({l_rows}×{l_columns}) = {l_entries:?}\nb = {b:?}")
        };
        if let Ok(plan) = problem.plan(choice) {
            let _ = plan.to_string();
        }
        if let Ok(fit) = problem.solve(&b, choice) {
            judge(fit, |x| x.clone(), m, n).map_err(with)?;
        }
        let stop = |step: &wellposed::Step| if step.index >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        if let Ok(fit) = problem.solve_with(&many, choice, stop) {
            judge(fit, |x| x.concat(), m, n).map_err(with)?;
        }
        let Ok(factor) = problem.factorize() else { continue };
        let grid: Vec<f64> = log_grid(bytes.number(true)..=bytes.number(true), bytes.below(4)).collect();
        if let Ok(fit) = factor.solve(&many, choice) {
            judge(fit, |x| x.concat(), m, n).map_err(|why| with(format!("factorization: {why}")))?;
        }
        for fit in factor.path(&b, grid.clone()).flatten() {
            judge(fit, |x| x.clone(), m, n).map_err(|why| with(format!("path: {why}")))?;
        }
        if let Ok(spectrum) = factor.spectrum(&b) {
            let numbers = spectrum.values.iter().chain(&spectrum.coefficients).chain([&spectrum.outside, &spectrum.floor]);
            if numbers.clone().any(|v| v.is_nan()) {
                return Err(with(format!("{spectrum:?}")));
            }
        }
        if let Ok(curve) = factor.curve(&b, grid) {
            // m = dof has no GCV: 0/0
            if curve.iter().any(|p| p.residual_norm.is_nan() || p.penalty_norm.is_nan() || p.dof.is_nan()) {
                return Err(with(format!("{curve:?}")));
            }
        }
    }
    if let Ok(fit) = ridge(&a, &b, choice) {
        judge(fit, |x| x.clone(), m, n).map_err(|why| format!("ridge of {m}×{n}, {choice}: {why}\nA = {entries:?}\nb = {b:?}"))?;
    }
    if let Ok(fit) = tikhonov(&a, &b, &l) {
        judge(fit, |x| x.clone(), m, n)
            .map_err(|why| format!("tikhonov of {m}×{n}: {why}\nA = {entries:?}\nL ({l_rows}×{l_columns}) = {l_entries:?}\nb = {b:?}"))?;
    }
    let _ = dot_test(&a);
    let _ = dot_test(&free);
    let _ = operator::stack(vec![a, l]).map(|stack| dot_test(&stack));
    let _ = operator::sum(a, l).map(|sum| dot_test(&sum));
    let _ = operator::product(a, operator::adjoint(l)).map(|product| dot_test(&product));
    Ok(())
}

fn never_panics<T: Scalar>(bytes: &[u8]) -> core::result::Result<(), TestCaseError> {
    match catch_unwind(AssertUnwindSafe(|| anything::<T>(bytes))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(TestCaseError::fail(format!("{}: {why}", T::NAME))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(TestCaseError::fail(format!("{}: a public call panicked: {}", T::NAME, text.unwrap_or("?"))))
        }
    }
}

/// The same inputs in every run, unless `PROPTEST_RNG_SEED` asks for others.
fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(19_631_970);
    }
    config
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn anything_at_all_f64(bytes in proptest::collection::vec(any::<u8>(), 0..240)) {
        never_panics::<f64>(&bytes)?;
    }

    #[test]
    fn anything_at_all_f32(bytes in proptest::collection::vec(any::<u8>(), 0..240)) {
        never_panics::<f32>(&bytes)?;
    }

    #[test]
    fn anything_at_all_c64(bytes in proptest::collection::vec(any::<u8>(), 0..240)) {
        never_panics::<c64>(&bytes)?;
    }

    #[test]
    fn anything_at_all_c32(bytes in proptest::collection::vec(any::<u8>(), 0..240)) {
        never_panics::<c32>(&bytes)?;
    }
}
