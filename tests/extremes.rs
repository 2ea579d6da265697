//! Extremes of scale and shape: the right answer or the documented refusal, never NaN, never a hang.
//!
//! Most answers here are known without a second program: a power of two given to A, b and the damping together changes
//! no digit of x, and [`TALL`] has a closed form at every λ. Tolerances are c·ε of the scalar type, c a small multiple of
//! the condition number (at most 3 for [`TALL`]) and the size (3).

use wellposed::method::{Cgls, Lsmr, Lsqr, Method};
use wellposed::operator::from_fn;
use wellposed::{
    Choice, DenseView, Discrepancy, Error, Gcv, Lambda, Loo, Penalty, Problem, Real, Result, Scalar, Warning, c32, c64, log_grid, ridge,
};

/// Rows of a 3×2 matrix with AᵀA = [[2, 1], [1, 2]].
const TALL: [[f64; 2]; 3] = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
const DATA: [f64; 3] = [1.0, 2.0, 3.0];
/// x at λ = 1: [[3, 1], [1, 3]]⁻¹(4, 5).
const ANSWER: [f64; 2] = [0.875, 1.375];

/// x of [`TALL`], [`DATA`] at any damping: 4.5/(3 + d²) ± 0.5/(1 + d²), where d² may overflow.
fn closed_form(damping: f64) -> [f64; 2] {
    let over = |numerator: f64, value: f64| {
        if damping > 1e10 { numerator / damping / damping } else { numerator / (value + damping * damping) }
    };
    [over(4.5, 3.0) - over(0.5, 1.0), over(4.5, 3.0) + over(0.5, 1.0)]
}

/// What every method that needs the entries promises at all scales: A, b and λ are taken to the middle of the exponent range.
const DIRECT: [Method; 7] =
    [Method::Auto, Method::Cholesky, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal];

/// 2ᵉ·value, exact where the result is a number of the type.
fn shift(value: f64, exponent: i32) -> f64 {
    let step = exponent / 3;
    value * 2f64.powi(step) * 2f64.powi(step) * 2f64.powi(exponent - 2 * step)
}

/// Entries (in f64, where every f32 is exact) in the scalar type.
fn scalars<T: Scalar>(values: impl IntoIterator<Item = f64>) -> Vec<T> {
    values.into_iter().map(|v| T::from_real(T::Real::from_f64(v))).collect()
}

fn tall<T: Scalar>(exponent: i32) -> Vec<T> {
    scalars(TALL.iter().flatten().map(|&v| shift(v, exponent)))
}

fn data<T: Scalar>(exponent: i32) -> Vec<T> {
    scalars(DATA.iter().map(|&v| shift(v, exponent)))
}

fn real<T: Scalar>(x: &[T]) -> Vec<f64> {
    assert!(x.iter().all(|v| v.finite()), "not finite: {x:?}");
    x.iter().map(|v| v.real().to_f64()).collect()
}

/// |x − expected| ≤ tolerance·max|expected| + one unit of the smallest denormal.
#[track_caller]
fn close<T: Scalar>(x: &[T], expected: &[f64], tolerance: f64, what: &str) {
    let scale = expected.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    let least = 4.0 * T::Real::MIN_POSITIVE.to_f64() * T::Real::EPSILON.to_f64();
    assert_eq!(x.len(), expected.len(), "{what}");
    for (value, expected) in real(x).iter().zip(expected) {
        assert!(
            (value - expected).abs() <= tolerance * T::Real::EPSILON.to_f64() * scale + least,
            "{what} ({}): {x:?}, not {expected:e}",
            T::NAME
        );
    }
}

/// A, b and the damping by 2^(a, b, d): x by 2^(b − a) when d = a.
fn scaled_together<T: Scalar>(a_exponent: i32, b_exponent: i32) {
    let (entries, b) = (tall::<T>(a_exponent), data::<T>(b_exponent));
    let a = DenseView::row_major(&entries, 3, 2).unwrap();
    let lambda = Lambda::from_damping(shift(1.0, a_exponent));
    let expected = ANSWER.map(|v| shift(v, b_exponent - a_exponent));
    let norm = shift(0.96875f64.sqrt(), b_exponent);
    for method in DIRECT {
        let what = format!("{method}, A·2^{a_exponent}, b·2^{b_exponent}");
        let fit = Problem::new(&a).method(method.clone()).solve(&b, lambda).unwrap_or_else(|error| panic!("{what}: {error}"));
        close(&fit.x, &expected, 32.0, &what);
        // cancellation in b − Ax: at most ‖b‖/‖r‖ = 4
        close(&[fit.residual_norm], &[norm], 128.0 * T::Real::EPSILON.to_f64() / f64::EPSILON, &what);
        let penalty = shift(ANSWER[0].hypot(ANSWER[1]), b_exponent - a_exponent);
        close(&[fit.penalty_norm], &[penalty], 32.0 * T::Real::EPSILON.to_f64() / f64::EPSILON, &what);
        // tr AᵀA(AᵀA + I)⁻¹ = 3/4 + 1/2
        let dof = fit.dof.expect("direct methods know dof");
        assert!((dof - 1.25).abs() < 64.0 * T::Real::EPSILON.to_f64(), "{what}: dof {dof}");
        assert_eq!(fit.rank, Some(2), "{what}");
    }
    // products alone know nothing of the scale: right, or refused
    for (what, result) in [
        ("CGLS", Problem::new(&a).method(Cgls::new()).solve(&b, lambda)),
        ("LSQR", Problem::new(&a).method(Lsqr::new()).solve(&b, lambda)),
        ("LSMR", Problem::new(&a).method(Lsmr::new()).solve(&b, lambda)),
        ("matrix-free", {
            let (forward, back) = (entries.clone(), entries.clone());
            let free = from_fn(
                3,
                2,
                move |x: &[T], y: &mut [T]| (0..3).for_each(|i| y[i] = forward[2 * i] * x[0] + forward[2 * i + 1] * x[1]),
                move |y: &[T], x: &mut [T]| {
                    (0..2).for_each(|j| x[j] = back[j].conj() * y[0] + back[2 + j].conj() * y[1] + back[4 + j].conj() * y[2]);
                },
            );
            Problem::new(&free).solve(&b, lambda)
        }),
    ] {
        match result {
            Ok(fit) => close(&fit.x, &expected, 1024.0, &format!("{what}, A·2^{a_exponent}, b·2^{b_exponent}")),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_b_and_damping_together() {
    for exponent in [1020, -1020, 1000, -1000, 600, -600, 201, -201, 0] {
        scaled_together::<f64>(exponent, exponent);
        scaled_together::<c64>(exponent, exponent);
    }
    for exponent in [124, -124, 100, -100, 25, -25, 0] {
        scaled_together::<f32>(exponent, exponent);
        scaled_together::<c32>(exponent, exponent);
    }
}

#[test]
fn a_and_damping_alone() {
    for exponent in [500, -500, 201, -201] {
        scaled_together::<f64>(exponent, 0);
        scaled_together::<c64>(exponent, 0);
    }
    for exponent in [60, -60, 25, -25] {
        scaled_together::<f32>(exponent, 0);
        scaled_together::<c32>(exponent, 0);
    }
}

#[test]
fn b_alone() {
    for exponent in [1020, -1020, 500, -500] {
        scaled_together::<f64>(0, exponent);
    }
    for exponent in [120, -120, 60, -60] {
        scaled_together::<f32>(0, exponent);
    }
}

/// The smallest numbers there are: A, b and the damping are denormal, x is not.
#[test]
fn denormals() {
    scaled_together::<f64>(-1074, -1074);
    scaled_together::<c64>(-1074, -1074);
    scaled_together::<f32>(-149, -149);
    scaled_together::<c32>(-149, -149);
}

/// A alone by 2^±500 at λ = 1: what is left is least squares, or Aᵀb.
#[test]
fn a_alone() {
    for (exponent, expected) in [(500, [1.0, 2.0]), (-500, [4.0, 5.0])] {
        let entries = tall::<f64>(exponent);
        let a = DenseView::row_major(&entries, 3, 2).unwrap();
        for method in DIRECT {
            let what = format!("{method}, A·2^{exponent}");
            let fit = Problem::new(&a).method(method).solve(&DATA, 1.0).unwrap_or_else(|error| panic!("{what}: {error}"));
            close(&fit.x, &expected.map(|v| shift(v, -500)), 32.0, &what);
        }
    }
    for (exponent, expected) in [(60, [1.0, 2.0]), (-60, [4.0, 5.0])] {
        let entries = tall::<f32>(exponent);
        let a = DenseView::row_major(&entries, 3, 2).unwrap();
        for method in DIRECT {
            let what = format!("{method}, f32 A·2^{exponent}");
            match Problem::new(&a).method(method.clone()).solve(&data::<f32>(0), 1.0) {
                Ok(fit) => close(&fit.x, &expected.map(|v| shift(v, -60)), 32.0, &what),
                // λ/A² = 2⁻¹²⁰ is at the end of the range of f32: what squares A says so
                Err(error) => assert!(method == Method::Cholesky && documented(&error), "{what}: {error}"),
            }
        }
    }
}

/// Which refusals are documented for a λ at the edge of the exponent range.
fn documented(error: &Error) -> bool {
    matches!(error, Error::Unsupported { .. } | Error::IllConditioned { .. } | Error::NonFinite { .. } | Error::Parameter { .. })
}

#[test]
fn dampings_from_1e_320_to_1e300() {
    let entries = tall::<f64>(0);
    let a = DenseView::row_major(&entries, 3, 2).unwrap();
    let dampings = [1e-320, 1e-310, 1e-300, 1e-200, 1e-160, 1e-150, 1e-20, 1e-8, 1.0, 1e8, 1e20, 1e150, 1e154, 1e160, 1e200, 1e300];
    for damping in dampings {
        let lambda = Lambda::from_damping(damping);
        for method in DIRECT {
            let what = format!("{method}, damping {damping:e}");
            match Problem::new(&a).method(method.clone()).solve(&DATA, lambda) {
                Ok(fit) => {
                    close(&fit.x, &closed_form(damping), 64.0, &what);
                    assert_eq!(fit.report.fits[0].lambda.damping(), damping);
                    let dof = 3.0 / (3.0 + damping * damping) + 1.0 / (1.0 + damping * damping);
                    assert!((fit.dof.unwrap() - dof).abs() <= 64.0 * f64::EPSILON, "{what}: dof {:?}, not {dof:e}", fit.dof);
                    assert!(fit.residual_norm.is_finite() && fit.penalty_norm.is_finite(), "{what}");
                }
                Err(error) => assert!(method != Method::Auto && documented(&error), "{what}: {error}"),
            }
        }
        for method in iterative() {
            match Problem::new(&a).method(method.clone()).solve(&DATA, lambda) {
                Ok(fit) => close(&fit.x, &closed_form(damping), 1024.0, &format!("{method}, damping {damping:e}")),
                Err(error) => assert!(documented(&error), "{method}, damping {damping:e}: {error}"),
            }
        }
        // a factorization answers the same range
        let factor = Problem::new(&a).factorize().unwrap();
        let fit = factor.solve(&DATA, lambda).unwrap();
        close(&fit.x, &closed_form(damping), 64.0, &format!("factorization, damping {damping:e}"));
    }
    let entries = tall::<f32>(0);
    let a = DenseView::row_major(&entries, 3, 2).unwrap();
    for damping in [1e-320, 1e-44, 1e-30, 1e-15, 1.0, 1e15, 1e30, 1e38, 1e300] {
        for method in DIRECT {
            let what = format!("{method}, f32, damping {damping:e}");
            match Problem::new(&a).method(method.clone()).solve(&data::<f32>(0), Lambda::from_damping(damping)) {
                Ok(fit) => close(&fit.x, &closed_form(damping), 64.0, &what),
                Err(error) => assert!(method != Method::Auto && documented(&error), "{what}: {error}"),
            }
        }
    }
}

/// Columns 2⁰, 2⁻²⁵⁰, 2⁻⁵⁰⁰ (and about 2²⁵⁰): at λ = 0 each coefficient is that of the ungraded problem times a power of two.
#[test]
fn columns_graded_over_150_decades() {
    let base = [[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]];
    let truth = [1.0, -2.0, 3.0];
    let b: Vec<f64> = base.iter().map(|row| row.iter().zip(truth).map(|(a, x)| a * x).sum()).collect();
    for exponents in [[0, -250, -500], [-500, 0, -250], [250, 0, -250], [-250, 250, 0]] {
        let entries: Vec<f64> = base.iter().flat_map(|row| (0..3).map(|j| shift(row[j], exponents[j]))).collect();
        let a = DenseView::row_major(&entries, 5, 3).unwrap();
        let expected: Vec<f64> = (0..3).map(|j| shift(truth[j], -exponents[j])).collect();
        for method in [Method::Auto, Method::Qr] {
            let fit =
                Problem::new(&a).method(method.clone()).solve(&b, 0.0).unwrap_or_else(|error| panic!("{method}, {exponents:?}: {error}"));
            for (x, expected) in fit.x.iter().zip(&expected) {
                // coefficient by coefficient: κ of the ungraded matrix is below 10
                assert!((x / expected - 1.0).abs() <= 256.0 * f64::EPSILON, "{method}, {exponents:?}: {:?}, not {expected:e}", fit.x);
            }
            assert_eq!(fit.rank, Some(3));
        }
        // a penalty in the units of the columns: the ungraded ridge problem
        let weights: Vec<f64> = exponents.iter().map(|&e| shift(1.0, e)).collect();
        let ungraded: Vec<f64> = base.iter().flatten().copied().collect();
        let reference = Problem::new(&DenseView::row_major(&ungraded, 5, 3).unwrap()).method(Method::Svd).solve(&b, 1.0).unwrap();
        for method in DIRECT {
            let fit = match Problem::new(&a).penalty(Penalty::diagonal(&weights)).method(method.clone()).solve(&b, 1.0) {
                Ok(fit) => fit,
                // what squares A says that it cannot
                Err(error) => {
                    assert!(matches!(method, Method::Cholesky | Method::Tridiagonal | Method::Gsvd), "{method}, {exponents:?}: {error}");
                    assert!(documented(&error) || matches!(error, Error::RankDeficient { .. }), "{method}: {error}");
                    continue;
                }
            };
            if fit.report.warnings.iter().any(|w| matches!(w, Warning::MinimumNorm { .. })) {
                // the rank decision was made on the graded matrix, and says so
                assert_eq!(method, Method::Gsvd, "{exponents:?}: {}", fit.report);
                continue;
            }
            for j in 0..3 {
                let expected = shift(reference.x[j], -exponents[j]);
                assert!(
                    (fit.x[j] / expected - 1.0).abs() <= 256.0 * f64::EPSILON,
                    "{method}, {exponents:?}: {:?}, not {expected:e}",
                    fit.x
                );
            }
        }
        // one λ for columns of such different size is a problem of its own; a number, a warning or an error comes back
        for method in DIRECT {
            for lambda in [0.0, 1e-30, 1.0] {
                match Problem::new(&a).method(method.clone()).solve(&b, lambda) {
                    Ok(fit) => assert!(fit.x.iter().all(|v| v.is_finite()) && !fit.residual_norm.is_nan() && !fit.penalty_norm.is_nan()),
                    Err(error) => assert!(method != Method::Auto, "{exponents:?}, λ = {lambda:e}: {error}"),
                }
            }
        }
    }
}

const RULES: [fn() -> Choice; 5] = [
    || Gcv.into(),
    || Loo.into(),
    || Gcv.robust(0.3).into(),
    || Discrepancy::noise_norm(0.5).into(),
    || Discrepancy::relative_noise(0.1).safety(1.1).into(),
];

/// The methods that need products only.
fn iterative() -> [Method; 3] {
    [Cgls::new().into(), Lsqr::new().into(), Lsmr::new().into()]
}

/// Every method on an empty problem: zeros (or nothing) and ‖b‖, or an error with a text; a rule finds no λ.
#[test]
fn no_rows_or_no_columns() {
    let methods = || DIRECT.into_iter().chain(iterative());
    for (m, n) in [(0, 0), (0, 1), (0, 4), (1, 0), (5, 0)] {
        let a = DenseView::<f64>::column_major(&[], m, n).unwrap();
        let b = vec![2.0; m];
        for lambda in [0.0, 1.0] {
            for method in methods() {
                let what = format!("{method}, {m}×{n}, λ = {lambda}");
                match Problem::new(&a).method(method.clone()).solve(&b, lambda) {
                    Ok(fit) => {
                        assert_eq!(fit.x, vec![0.0; n], "{what}");
                        assert!((fit.residual_norm - 2.0 * (m as f64).sqrt()).abs() < 1e-14, "{what}: {}", fit.residual_norm);
                        assert_eq!(fit.penalty_norm, 0.0, "{what}");
                        assert!(fit.dof.is_none_or(|dof| dof == 0.0), "{what}: {:?}", fit.dof);
                    }
                    // λ = 0 and no data do not determine x
                    Err(error) => assert!(lambda == 0.0 && n > 0 && method != Method::Auto, "{what}: {error}"),
                }
            }
            if m > 0 {
                // an intercept beside no columns at all is the mean
                let fit = Problem::new(&a).intercept().solve(&b, lambda).unwrap();
                assert!((fit.intercept - 2.0).abs() < 1e-14 && fit.residual_norm < 1e-14);
            }
        }
        for rule in RULES {
            for method in DIRECT {
                match Problem::new(&a).method(method.clone()).solve(&b, rule()) {
                    Ok(fit) => assert!(fit.lambda.is_finite() && fit.x == vec![0.0; n], "{method}, {m}×{n}: {}", fit.report),
                    Err(error) => {
                        assert!(!matches!(error, Error::NotConverged { .. }), "{method}, {m}×{n}: {error}");
                        assert!(!error.to_string().contains("NaN"), "{method}, {m}×{n}: {error}");
                    }
                }
            }
        }
        // penalties of their own kind on nothing
        for penalty in [Penalty::first_difference(), Penalty::second_difference(), Penalty::diagonal(&vec![0.0; n])] {
            let fit = Problem::new(&a).penalty(penalty).solve(&b, 1.0).unwrap();
            assert_eq!(fit.x, vec![0.0; n]);
        }
        let factor = Problem::new(&a).factorize().unwrap();
        assert_eq!(factor.solve(&b, 1.0).unwrap().x, vec![0.0; n]);
        assert!(factor.spectrum(&b).unwrap().values.is_empty());
    }
}

/// No right-hand side is no answer, not a crash.
#[test]
fn no_right_hand_sides() -> Result<()> {
    let entries = tall::<f64>(0);
    let a = DenseView::row_major(&entries, 3, 2)?;
    let none = DenseView::<f64>::column_major(&[], 3, 0)?;
    for method in DIRECT.into_iter().chain(iterative()) {
        let fit = Problem::new(&a).method(method).solve(&none, 1.0)?;
        assert!(fit.x.is_empty() && fit.lambda.is_empty());
    }
    for rule in RULES {
        for choice in [rule(), rule().shared()] {
            if let Ok(fit) = ridge(&a, &none, choice) {
                assert!(fit.x.is_empty() && fit.lambda.is_empty());
            }
        }
    }
    Ok(())
}

#[test]
fn one_by_one() {
    for (a, b, lambda) in [(2.0, 3.0, 0.5), (-1.0, 4.0, 0.0), (0.0, 1.0, 2.0), (0.0, 1.0, 0.0), (1e-200, 1.0, 0.0), (3.0, 0.0, 1.0)] {
        let entries = [a];
        let view = DenseView::column_major(&entries, 1, 1).unwrap();
        // a = 0 at λ = 0: the minimum-norm answer is 0
        let expected = if a == 0.0 {
            0.0
        } else if lambda == 0.0 {
            b / a
        } else {
            a * b / (a * a + lambda)
        };
        for method in DIRECT.into_iter().chain(iterative()) {
            let what = format!("{method}, {a}·x = {b}, λ = {lambda}");
            match Problem::new(&view).method(method.clone()).solve(&[b], lambda) {
                Ok(fit) => close(&fit.x, &[expected], 8.0, &what),
                Err(error) => {
                    assert!(a == 0.0 && lambda == 0.0 && method != Method::Auto || iterative().contains(&method), "{what}: {error}");
                }
            }
        }
    }
}

#[test]
fn single_rows_and_columns() {
    // one row a: x = aᵀb/(‖a‖² + λ); one column likewise
    let a = [3.0, 0.0, 4.0, 12.0];
    for lambda in [0.0, 1.0, 31.0] {
        for method in DIRECT.into_iter().chain(iterative()) {
            let row = DenseView::row_major(&a, 1, 4).unwrap();
            match Problem::new(&row).method(method.clone()).solve(&[2.0], lambda) {
                Ok(fit) => close(&fit.x, &a.map(|v| 2.0 * v / (169.0 + lambda)), 32.0, &format!("{method}, one row, λ = {lambda}")),
                Err(error) => assert!(lambda == 0.0 && method == Method::Qr, "{method}, one row, λ = {lambda}: {error}"),
            }
            let column = DenseView::column_major(&a, 4, 1).unwrap();
            let fit = Problem::new(&column).method(method.clone()).solve(&[1.0, 5.0, 2.0, 0.5], lambda).unwrap();
            close(&fit.x, &[17.0 / (169.0 + lambda)], 32.0, &format!("{method}, one column, λ = {lambda}"));
        }
        // constants are unpenalised by a difference of one value, and the fit is exact
        let column = DenseView::column_major(&a, 4, 1).unwrap();
        let fit = Problem::new(&column).penalty(Penalty::first_difference()).solve(&[3.0, 0.0, 4.0, 12.0], lambda).unwrap();
        close(&fit.x, &[1.0], 16.0, "one column, free");
    }
}

/// Zero and duplicate columns: unique with λ > 0, of minimum norm at λ = 0.
#[test]
fn zero_and_duplicate_columns() {
    // columns a, 0, a with ‖a‖² = 9, aᵀb = 9
    let a = [1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0];
    let a = DenseView::column_major(&a, 3, 3).unwrap();
    let b = [1.0, 2.0, 2.0];
    for lambda in [0.0, 1.0, 1e-3] {
        let each = if lambda == 0.0 { 0.5 } else { 9.0 / (18.0 + lambda) };
        for method in DIRECT.into_iter().chain(iterative()) {
            let what = format!("{method}, λ = {lambda}");
            match Problem::new(&a).method(method.clone()).solve(&b, lambda) {
                Ok(fit) => {
                    // κ² = 18/λ multiplies the rounding of what forms AᵀA
                    close(&fit.x, &[each, 0.0, each], 32.0 * (1.0 + if lambda > 0.0 { 18.0 / lambda } else { 1.0 }), &what);
                    if lambda == 0.0 && fit.rank.is_some() {
                        assert_eq!(fit.rank, Some(1), "{what}");
                        assert!(
                            fit.report.warnings.iter().any(|w| matches!(w, Warning::MinimumNorm { rank: 1, unknowns: 3, .. })),
                            "{what}"
                        );
                    }
                }
                Err(error) => assert!(lambda == 0.0 && !matches!(method, Method::Auto | Method::Svd | Method::Gsvd), "{what}: {error}"),
            }
        }
    }
}

#[test]
fn all_zero() {
    let zeros = [0.0; 12];
    let entries: Vec<f64> = (0..12).map(|k| 1.0 / (1.0 + (k % 4) as f64 + (k / 4) as f64)).collect();
    for (m, n) in [(4, 3), (3, 4)] {
        let nothing = DenseView::column_major(&zeros, m, n).unwrap();
        let a = DenseView::column_major(&entries, m, n).unwrap();
        let b = vec![1.0; m];
        for method in DIRECT.into_iter().chain(iterative()) {
            for lambda in [0.0, 1.0] {
                let what = format!("{method}, {m}×{n}, λ = {lambda}");
                match Problem::new(&nothing).method(method.clone()).solve(&b, lambda) {
                    Ok(fit) => assert_eq!(fit.x, vec![0.0; n], "{what}"),
                    Err(error) => assert!(lambda == 0.0 && method != Method::Auto, "{what}, A = 0: {error}"),
                }
                match Problem::new(&a).method(method.clone()).solve(&zeros[..m], lambda) {
                    Ok(fit) => assert!(fit.x.iter().all(|&v| v == 0.0) && fit.residual_norm == 0.0, "{what}, b = 0"),
                    Err(error) => assert!(lambda == 0.0 && m < n && method != Method::Auto, "{what}, b = 0: {error}"),
                }
            }
        }
        for rule in RULES {
            // λ changes nothing when A = 0
            let error = ridge(&nothing, &b, rule()).map(|fit| fit.x).unwrap_err();
            assert!(matches!(error, Error::NoLambda { .. }), "{error}");
            // b = 0 is fitted by every λ: some λ and x = 0, or no λ
            match ridge(&a, &zeros[..m], rule()) {
                Ok(fit) => assert!(fit.x.iter().all(|&v| v == 0.0) && fit.lambda.is_finite(), "{}", fit.report),
                Err(error) => assert!(matches!(error, Error::NoLambda { .. }), "{error}"),
            }
        }
        let fit = Problem::new(&nothing).intercept().solve(&b, 1.0).unwrap();
        assert!((fit.intercept - 1.0).abs() < 1e-14);
    }
}

/// This matrix keeps some libraries busy for ever.
#[test]
fn an_infinite_entry_is_an_error_at_once() {
    let infinity = f64::INFINITY;
    let a = [infinity, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    let a = DenseView::row_major(&a, 3, 3).unwrap();
    for method in DIRECT.into_iter().chain(iterative()) {
        for choice in [Choice::from(0.0), Choice::from(1.0)] {
            let error = Problem::new(&a).method(method.clone()).solve(&[1.0, 2.0, 3.0], choice).map(|fit| fit.x).unwrap_err();
            assert!(matches!(error, Error::NonFinite { what: "A", .. }), "{method}: {error}");
            assert!(error.to_string().contains("row 0, column 0"), "{error}");
        }
    }
    for rule in RULES {
        assert!(matches!(ridge(&a, &[1.0, 2.0, 3.0], rule()), Err(Error::NonFinite { .. })));
    }
    assert!(matches!(Problem::new(&a).factorize(), Err(Error::NonFinite { .. })));
}

/// What overflows in x is an error, and names the way out.
#[test]
fn an_answer_that_overflows() {
    let entries = [2f64.powi(-700)];
    let a = DenseView::column_major(&entries, 1, 1).unwrap();
    let error = ridge(&a, &[2f64.powi(700)], 0.0).map(|fit| fit.x).unwrap_err();
    assert!(matches!(error, Error::NonFinite { .. }) && error.to_string().contains("rescale"), "{error}");
}

/// A smooth 12×6 problem whose λ lies inside the interval for every rule.
fn noisy(m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let a: Vec<f64> = (0..m * n).map(|k| 1.0 / (1.0 + (k % m) as f64 / 3.0 + (k / m) as f64)).collect();
    let noise = |i: usize| ((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0;
    let b = (0..m).map(|i| (0..n).map(|j| a[j * m + i] * (1.0 + j as f64)).sum::<f64>() + 0.05 * noise(i)).collect();
    (a, b)
}

/// λ scales with the square of A, not at all with b, and x with b/A; the digits stay.
#[test]
fn rules_at_all_scales() {
    let (m, n) = (12, 6);
    let (a, b) = noisy(m, n);
    for penalty in [Penalty::identity, Penalty::second_difference] {
        for rule in [0, 1, 2, 3] {
            let choice = |b_exponent: i32| -> Choice {
                match rule {
                    0 => Gcv.into(),
                    1 => Loo.into(),
                    2 => Gcv.robust(0.3).into(),
                    _ => Discrepancy::noise_norm(shift(0.085, b_exponent)).into(),
                }
            };
            let solve = |a_exponent: i32, b_exponent: i32| {
                let a: Vec<f64> = a.iter().map(|&v| shift(v, a_exponent)).collect();
                let b: Vec<f64> = b.iter().map(|&v| shift(v, b_exponent)).collect();
                let fit = Problem::new(&DenseView::column_major(&a, m, n).unwrap()).penalty(penalty()).solve(&b, choice(b_exponent));
                fit.unwrap_or_else(|error| panic!("rule {rule}, A·2^{a_exponent}, b·2^{b_exponent}: {error}"))
            };
            let plain = solve(0, 0);
            for (a_exponent, b_exponent) in [(1020, 1020), (-1020, -1020), (500, 0), (-500, 0), (0, 500), (0, -500), (0, 1000), (300, -300)]
            {
                let what = format!("rule {rule}, A·2^{a_exponent}, b·2^{b_exponent}");
                let fit = solve(a_exponent, b_exponent);
                let damping = fit.report.fits[0].lambda.damping();
                let expected = shift(plain.report.fits[0].lambda.damping(), a_exponent);
                // a minimum is known to √ε or better; Newton on the derivative gives more
                assert!((damping / expected - 1.0).abs() < 1e-8, "{what}: damping {damping:e}, not {expected:e}");
                let x: Vec<f64> = plain.x.iter().map(|&v| shift(v, b_exponent - a_exponent)).collect();
                close(&fit.x, &x, 1e-7 / f64::EPSILON, &what);
                let dof = (fit.dof.unwrap(), plain.dof.unwrap());
                assert!((dof.0 - dof.1).abs() < 1e-7, "{what}: {dof:?}");
                assert!(fit.report.criteria.iter().all(|c| !c.value.is_nan()), "{what}: {:?}", fit.report.criteria);
            }
        }
    }
}

/// A factorization keeps its scale apart: spectrum, curve and path in the caller's units.
#[test]
fn spectrum_and_curve_at_all_scales() -> Result<()> {
    let (m, n) = (12, 6);
    let (a, b) = noisy(m, n);
    let reference = Problem::new(&DenseView::column_major(&a, m, n)?).factorize()?;
    let (plain, points) = (reference.spectrum(&b)?, reference.curve(&b, log_grid(1e-4..=1.0, 5))?);
    for (exponent, b_exponent) in [(400, 0), (-400, 0), (250, 0), (0, 900), (0, -900), (500, 500), (-500, -500), (-250, 250)] {
        let scaled: Vec<f64> = a.iter().map(|&v| shift(v, exponent)).collect();
        let b: Vec<f64> = b.iter().map(|&v| shift(v, b_exponent)).collect();
        let in_b = |values: &[f64]| values.iter().map(|&v| shift(v, b_exponent)).collect::<Vec<f64>>();
        let factor = Problem::new(&DenseView::column_major(&scaled, m, n)?).factorize()?;
        let spectrum = factor.spectrum(&b)?;
        let values: Vec<f64> = plain.values.iter().map(|&v| shift(v, exponent)).collect();
        close(&spectrum.values, &values, 64.0, "values");
        close(&spectrum.coefficients, &in_b(&plain.coefficients), 1e4, "coefficients");
        close(&[spectrum.outside], &in_b(&[plain.outside]), 1e4, "outside");
        let curve = factor.curve(&b, log_grid(1e-4..=1.0, 5).map(|lambda| shift(lambda, 2 * exponent)))?;
        for (point, plain) in curve.iter().zip(&points) {
            close(&[point.residual_norm], &in_b(&[plain.residual_norm]), 1e4, "residual norm");
            close(&[point.penalty_norm], &[shift(plain.penalty_norm, b_exponent - exponent)], 1e4, "penalty norm");
            close(&[point.dof], &[plain.dof], 1e4, "dof");
            if b_exponent.abs() <= 500 {
                close(&[point.gcv], &[shift(plain.gcv, 2 * b_exponent)], 1e5, "gcv");
            }
        }
    }
    Ok(())
}

/// Weights and noise levels at the ends of the range, which leave the whitened problem as it was.
#[test]
fn weights_and_noise_at_the_ends_of_the_range() {
    let entries = tall::<f64>(0);
    let a = DenseView::row_major(&entries, 3, 2).unwrap();
    for exponent in [1000, -1000, 500, -500] {
        // W = 2^2k·I is the damping divided by 2^k
        let weight = [shift(1.0, exponent); 3];
        let fit = Problem::new(&a).weights(&weight).solve(&DATA, Lambda::from_damping(shift(1.0, exponent / 2))).unwrap();
        close(&fit.x, &ANSWER, 32.0, &format!("weights 2^{exponent}"));
        let fit = Problem::new(&a).noise_std(&weight[..1]).solve(&DATA, Lambda::from_damping(shift(1.0, -exponent))).unwrap();
        close(&fit.x, &ANSWER, 32.0, &format!("noise_std 2^{exponent}"));
        // L = 2^k·I likewise
        let fit =
            Problem::new(&a).penalty(Penalty::diagonal(&weight[..2])).solve(&DATA, Lambda::from_damping(shift(1.0, -exponent))).unwrap();
        close(&fit.x, &ANSWER, 32.0, &format!("penalty weights 2^{exponent}"));
    }
}
