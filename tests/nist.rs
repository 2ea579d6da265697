//! NIST StRD linear regression: correct digits of every coefficient through the public API at λ = 0, and of the ridge
//! solutions of the same matrices.
//!
//! Digits are −log₁₀|c − c*|/|c*| (−log₁₀|c| where c* = 0), at most 15, least over the coefficients. Two references: NIST's
//! problem in exact arithmetic, whose coefficients the certified values round, and the problem whose data were rounded
//! to binary64 first, which is the one that a program is given. They differ for Filip (2.5e-8), whose decimals are not binary
//! fractions.
//!
//! The constant is the first column of X, as in the file of exact solutions: a column of ones, not `intercept()`.

mod common;

use common::Dense;
use nalgebra::{DMatrix, DVector};
use serde_json::Value;
use wellposed::{Error, Method, Problem, Result, Solution};

struct Set {
    name: String,
    x: Dense<f64>,
    y: Vec<f64>,
    certified: Vec<Decimal>,
    exact: Vec<Decimal>,
    binary64: Vec<Decimal>,
    /// Columns of norm 1 and, for each λ, the exact solution with them.
    unit: Dense<f64>,
    ridge: Vec<(f64, Vec<Decimal>)>,
}

/// A decimal number as high + low binary64 parts: 25 digits survive.
#[derive(Clone, Copy)]
struct Decimal {
    high: f64,
    low: f64,
}

impl Decimal {
    /// The nearest binary64 number, and what it misses by, from the digits themselves.
    fn parse(text: &str) -> Self {
        let high: f64 = text.parse().unwrap_or_else(|_| panic!("{text}"));
        // 40 digits of the binary64 number against the digits of the text: both as integers times 10^-scale
        let (digits, scale) = digits_of(text);
        let (shown, shown_scale) = digits_of(&format!("{high:.60e}"));
        let common = 36 - (digits.1 as i64 - scale).max(shown.1 as i64 - shown_scale);
        let low = match (rescale(digits.0, scale, common), rescale(shown.0, shown_scale, common)) {
            (Some(t), Some(h)) => (t - h) as f64 * 10f64.powi(-common as i32),
            _ => 0.0,
        };
        Self { high, low: if high < 0.0 || text.starts_with('-') { -low } else { low } }
    }
}

/// The significant digits of |number| as an integer (first 37) with their count, and the power of ten that divides it.
fn digits_of(text: &str) -> ((i128, usize), i64) {
    let text = text.trim_start_matches(['-', '+']);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i64>().unwrap()),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: String = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let kept: String = significant.chars().take(37).collect();
    let dropped = significant.len() - kept.len();
    let scale = fraction.len() as i64 - exponent - dropped as i64;
    ((kept.parse().unwrap_or(0), kept.len()), scale)
}

/// integer·10^−scale as an integer·10^−to.
fn rescale(integer: i128, scale: i64, to: i64) -> Option<i128> {
    if to >= scale {
        integer.checked_mul(10i128.checked_pow(u32::try_from(to - scale).ok()?)?)
    } else {
        let by = u32::try_from(scale - to).ok()?;
        Some(if by > 38 { 0 } else { integer / 10i128.checked_pow(by).unwrap_or(i128::MAX) })
    }
}

/// A number or a string of the file, as it is written there.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn decimals(value: &Value) -> Vec<Decimal> {
    value.as_array().unwrap().iter().map(|v| Decimal::parse(&written(v))).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| written(v).parse().unwrap()).collect()
}

/// A hexadecimal binary64 number as C prints it.
fn hexadecimal(text: &str) -> f64 {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.strip_prefix("0x").unwrap().split_once('p').unwrap();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let integer = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap();
    // at most 53 bits: the conversion and the power of two are exact
    let value = integer as f64 * 2f64.powi(exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32);
    if negative { -value } else { value }
}

fn sets() -> Vec<Set> {
    let file: Value = serde_json::from_str(&common::text("nist/nist_strd_linear.json")).unwrap();
    file.as_object()
        .unwrap()
        .iter()
        .map(|(name, set)| {
            let y = floats(&set["y"]);
            let p = set["p"].as_u64().unwrap() as usize;
            let x = match &set["X"] {
                // powers by repeated multiplication are exact or the file's own rounding: x^j of binary64, rounded once
                Value::Null => {
                    let x = floats(&set["x"]);
                    Dense::from_fn(y.len(), p, |i, j| power(x[i], j as u32))
                }
                rows => {
                    let rows: Vec<Vec<f64>> = rows.as_array().unwrap().iter().map(floats).collect();
                    Dense::from_fn(y.len(), p, |i, j| rows[i][j])
                }
            };
            let unit: Vec<Vec<f64>> = set["ridge_unitcol"]["X_hex"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row.as_array().unwrap().iter().map(|v| hexadecimal(v.as_str().unwrap())).collect())
                .collect();
            let ridge = set["ridge_unitcol"]["alpha"].as_object().unwrap();
            Set {
                name: name.clone(),
                unit: Dense::from_fn(y.len(), p, |i, j| unit[i][j]),
                x,
                y,
                certified: decimals(&set["nist_beta"]),
                exact: decimals(&set["exact_beta"]),
                binary64: decimals(&set["binary64_beta"]),
                ridge: ridge.iter().map(|(lambda, beta)| (lambda.parse().unwrap(), decimals(beta))).collect(),
            }
        })
        .collect()
}

/// xʲ rounded once: the product is carried in twice the precision.
fn power(x: f64, j: u32) -> f64 {
    let (mut high, mut low) = (1.0f64, 0.0f64);
    for _ in 0..j {
        let product = high * x;
        let error = high.mul_add(x, -product) + low * x;
        high = product + error;
        low = error - (high - product);
    }
    high
}

/// Correct digits, least over the coefficients.
fn digits(x: &[f64], reference: &[Decimal]) -> f64 {
    assert_eq!(x.len(), reference.len());
    let one = |(&x, r): (&f64, &Decimal)| {
        let error = ((x - r.high) - r.low).abs();
        let relative = if r.high == 0.0 { error } else { error / r.high.abs() };
        if relative == 0.0 { 15.0 } else { (-relative.log10()).min(15.0) }
    };
    let least = x.iter().zip(reference).map(one).fold(15.0, f64::min);
    assert!(least.is_finite(), "{x:?}");
    least
}

fn solve(a: &Dense<f64>, y: &[f64], method: Method, lambda: f64) -> Result<Solution<f64, [f64]>> {
    Problem::new(a).method(method).solve(y, lambda)
}

#[test]
fn decimals_and_hexadecimals_are_read_exactly() {
    let tenth = Decimal::parse("0.1");
    assert!(tenth.high == 0.1 && (tenth.low + 5.551115123125783e-18).abs() < 1e-32, "{:e}", tenth.low);
    let minus = Decimal::parse("-1467.489614229795882287849");
    assert!((minus.low - (-1_467.489_614_229_796_f64 - minus.high)).abs() < 2e-13 && minus.low != 0.0);
    assert_eq!(Decimal::parse("1").low, 0.0);
    assert_eq!(Decimal::parse("1.000000000000000000000000").low, 0.0);
    assert!((Decimal::parse("1.000000000000000000001").low - 1e-21).abs() < 1e-30);
    assert!((Decimal::parse("4.260004099576598028793646e-3").low).abs() < 1e-18);
    assert_eq!(hexadecimal("-0x1.8p-1"), -0.75);
    assert_eq!(hexadecimal("0x0.0p+0"), 0.0);
    assert_eq!(power(-3.0, 5), -243.0);
}

#[test]
fn certified_values_to_the_digits_promised() {
    // against NIST's certified values, and against the exact solution of the binary64 problem
    let promised = |name: &str| match name {
        "norris" | "pontius" | "wampler1" | "wampler2" | "wampler3" => (13.0, 0.0),
        "noint1" | "noint2" | "longley" => (14.0, 0.0),
        "filip" => (7.5, 10.5),
        "wampler4" => (11.0, 0.0),
        "wampler5" => (9.5, 0.0),
        other => panic!("{other}"),
    };
    let mut short = Vec::new();
    let sets = sets();
    assert_eq!(sets.len(), 11);
    println!("{:10} {:>10} {:>8} {:>10}   at λ = 0, Method::Auto", "set", "certified", "exact", "binary64");
    for set in &sets {
        let fit = solve(&set.x, &set.y, Method::Auto, 0.0).unwrap();
        let found = [&set.certified, &set.exact, &set.binary64].map(|reference| digits(&fit.x, reference));
        println!("{:10} {:10.1} {:8.1} {:10.1}   {}", set.name, found[0], found[1], found[2], fit.report.method);
        let (certified, binary64) = promised(&set.name);
        if found[0] < certified || found[2] < binary64 {
            short.push(format!("{}: {found:.2?}, promised {certified} and {binary64}", set.name));
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

/// What may be lost against a QR factorization.
const HALF_A_DIGIT: f64 = 0.5;

/// x from the Householder QR factorization of [A; √λI] in working precision, without refinement: nalgebra's.
fn plain_stacked_qr(a: &Dense<f64>, y: &[f64], lambda: f64) -> Vec<f64> {
    let (m, n) = (a.rows, a.columns);
    let damping = |i: usize, j: usize| if i == j { lambda.sqrt() } else { 0.0 };
    let stacked = DMatrix::from_fn(m + n, n, |i, j| if i < m { a.at(i, j) } else { damping(i - m, j) });
    let mut data = DVector::from_fn(m + n, |i, _| if i < m { y[i] } else { 0.0 });
    let qr = stacked.qr();
    qr.q_tr_mul(&mut data);
    let x = qr.unpack_r().solve_upper_triangular(&data.rows(0, n).into_owned()).expect("√λ on the diagonal: nonsingular");
    x.as_slice().to_vec()
}

/// Digits of a method on the columns of norm 1; `None` where it refuses, which only Cholesky may.
fn ridge_digits(set: &Set, method: Method, lambda: f64, reference: &[Decimal]) -> Option<f64> {
    match (solve(&set.unit, &set.y, method.clone(), lambda), method) {
        (Ok(fit), _) => Some(digits(&fit.x, reference)),
        (Err(Error::IllConditioned { condition, .. }), Method::Cholesky) => {
            // refused for a reason that is true: for unit columns κ(AᴴA + λI) ≤ (n + λ)/λ, and the estimate in the 1-norm is
            // at most n times the condition number in the 2-norm
            let n = set.unit.columns as f64;
            let bound = n * (n + lambda) / lambda;
            assert!(condition.is_infinite() || (1e10..=bound).contains(&condition), "{}, λ = {lambda:e}: {condition:.1e}", set.name);
            None
        }
        (Err(other), method) => panic!("{}, λ = {lambda:e}, {method}: {other}", set.name),
    }
}

/// All sets and λ: the digits of Auto and Cholesky against those that a QR factorization reaches.
fn never_half_a_digit_below(name: &str, reach: impl Fn(&Set, f64, &[Decimal]) -> f64) {
    let mut short = Vec::new();
    println!("{:10} {:>8} {:>9} {:>6} {:>8}   least digits of the ridge solution", "set", "λ", name, "Auto", "Cholesky");
    for set in sets() {
        assert_eq!(set.ridge.len(), 8);
        for (lambda, reference) in &set.ridge {
            let qr = reach(&set, *lambda, reference);
            let auto = ridge_digits(&set, Method::Auto, *lambda, reference);
            let cholesky = ridge_digits(&set, Method::Cholesky, *lambda, reference);
            let shown = |digits: Option<f64>| digits.map_or("refused".into(), |d| format!("{d:.1}"));
            println!("{:10} {lambda:8.0e} {qr:9.1} {:>6} {:>8}", set.name, shown(auto), shown(cholesky));
            for (method, digits) in [("Auto", auto), ("Cholesky", cholesky)] {
                if digits.is_some_and(|d| d < qr - HALF_A_DIGIT) {
                    short.push(format!("{}, λ = {lambda:e}: {method} {:.2}, {name} {qr:.2}", set.name, digits.unwrap()));
                }
            }
        }
    }
    assert!(short.is_empty(), "{} of 176 are more than half a digit short: {short:#?}", short.len());
}

/// Against the QR factorization of [A; √λI] as anyone would write it.
#[test]
fn ridge_never_half_a_digit_below_plain_stacked_qr() {
    never_half_a_digit_below("plain QR", |set, lambda, reference| digits(&plain_stacked_qr(&set.unit, &set.y, lambda), reference));
}
