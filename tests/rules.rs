//! Rules that choose λ against 50-digit answers (`testdata/rules.toml`): every local minimum of GCV, robust GCV and
//! leave-one-out, the global one chosen or the edge of the interval reported; the discrepancy principle; the curves; the
//! warnings; one λ for many right-hand sides.
//!
//! Tolerances. A place is the root of the slope v' of a logarithm v in t = log λ: an error e in v' moves it by e/v''. The
//! values σᵢ are right to ε·σ₁, so that filter factors at λ are right to ε·σ₁/√λ, and slopes to a small multiple of that (at
//! most 1e-9 in these files, where λ ≥ 3e-14 σ₁²); v'' is 1e-3 or more at the minima listed. That leaves 1e-6. The
//! tridiagonalization has σᵢ² right to ε·σ₁² and is asked for 1e-6 as well: it has to refuse where it cannot keep that.
//!
//! The oracle lists the minima with λ/σ₁² in [1e-18, 1e4]. Some searches begin lower (down to 1e-29): what they find there is not
//! judged, except that it may only be chosen where it is lower than all that is listed.

mod common;

use common::{RuleCase, rule_cases};
use wellposed::rule::Rule;
use wellposed::{DenseView, Discrepancy, Error, Factorization, Gcv, Loo, Method, Problem, Report, Result, Scalar, Warning, c64};

/// Relative accuracy of the place of a minimum.
const PLACE: f64 = 1e-6;
/// Relative accuracy of λ by the discrepancy principle, and 8·ε·σ₁/√λ where that is more (a perturbation of A by ε‖A‖ moves
/// λ by as much).
const DISCREPANCY: f64 = 1e-8;
/// Relative accuracy of a criterion at its minimum: second order in the place, first order in ρ, whose terms have ε·σ₁/√λ each;
/// 1e-6 for the methods that look at the eigenvalues of the Gram matrix, which promise filter factors to 1e-7.
const VALUE: f64 = 1e-8;
const VALUE_FROM_GRAM: f64 = 1e-6;
/// The oracle's range of λ/σ₁² begins here.
const LOWEST_LISTED: f64 = 1e-18;

const METHODS: [Method; 7] =
    [Method::Auto, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal, Method::Cholesky, Method::Qr];

/// What was found for one case, one method and one rule.
struct Found {
    lambda: f64,
    report: Report,
}

fn choose<T: Scalar>(case: &RuleCase, method: &Method, rule: Rule) -> Result<Found> {
    let data = case.given.data::<T>();
    let fit = data.problem(&data.a).method(method.clone()).solve(&data.b, rule)?;
    assert_eq!(fit.lambda, fit.report.fits[0].lambda.value());
    Ok(Found { lambda: fit.lambda, report: fit.report })
}

fn choose_any(case: &RuleCase, method: &Method, rule: Rule) -> Result<Found> {
    if case.given.is_complex() { choose::<c64>(case, method, rule) } else { choose::<f64>(case, method, rule) }
}

fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs()
}

/// An explicit method may decline; this says when, and gives the reason. `lambda` is the least λ that matters to the rule.
fn may_refuse(case: &RuleCase, method: &Method, rule: &Rule, error: &Error, lambda: f64) -> std::result::Result<(), String> {
    let loo = matches!(rule, Rule::Loo(_));
    match (method, error) {
        // no rows of U: leverages cannot be formed
        (Method::Bidiagonal | Method::Tridiagonal | Method::Cholesky | Method::Qr, Error::Unsupported { .. }) if loo => Ok(()),
        // the Gram matrix: λ, or the least σᵢ², below 1e7·ε·σ₁², where its eigenvalues no longer give the filters to 1e-7
        (Method::Tridiagonal | Method::Cholesky, Error::IllConditioned { .. }) => {
            let condition = smallest_ratio(case).min(lambda / case.sigma1_squared);
            (condition <= 1e9 * f64::EPSILON).then_some(()).ok_or(format!("σ²/σ₁² and λ/σ₁² are at least {condition:.1e}"))
        }
        (_, other) => Err(other.to_string()),
    }
}

/// (σ_min/σ₁)² of the penalised directions, values at rounding level counting as they are found.
fn smallest_ratio(case: &RuleCase) -> f64 {
    fn of<T: Scalar>(case: &RuleCase) -> f64 {
        let data = case.given.data::<T>();
        let factor = data.problem(&data.a).factorize().unwrap();
        let values = factor.spectrum(&data.b).unwrap().values;
        values.last().zip(values.first()).map_or(1.0, |(last, first)| (last / first).powi(2))
    }
    if case.given.is_complex() { of::<c64>(case) } else { of::<f64>(case) }
}

/// Every listed minimum found and no other, the lowest one chosen; or an end of the interval, reported and lower.
fn check_minima(who: &str, method: &Method, found: &Found, places: &[f64], values: &[f64], lowest: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    let value_tolerance = if matches!(method, Method::Tridiagonal | Method::Cholesky) { VALUE_FROM_GRAM } else { VALUE };
    let [criterion] = found.report.criteria.as_slice() else { return vec![format!("{who}: no criterion in the report")] };
    let edge = found.report.warnings.iter().find_map(|w| match w {
        Warning::EdgeOfInterval { lambda, upper } => Some((*lambda, *upper)),
        _ => None,
    });
    let (low, high) = (criterion.evaluated[0].0, criterion.evaluated[criterion.evaluated.len() - 1].0);
    for (&place, &value) in places.iter().zip(values) {
        match criterion.minima.iter().find(|(lambda, _)| near(*lambda, place, PLACE)) {
            None => wrong.push(format!("{who}: minimum at {place:e} not among {:?} (searched {low:.1e} to {high:.1e})", criterion.minima)),
            Some((_, v)) if !near(*v, value, value_tolerance) => wrong.push(format!("{who}: value {v:e} at {place:e}, not {value:e}")),
            Some(_) => {}
        }
    }
    for (lambda, _) in &criterion.minima {
        if *lambda >= lowest && !places.iter().any(|&place| near(*lambda, place, PLACE)) {
            wrong.push(format!("{who}: a minimum at {lambda:e} that is none: {places:?}"));
        }
    }
    let best = places.iter().zip(values).min_by(|a, b| a.1.total_cmp(b.1));
    match (best, edge) {
        (Some((_, &value)), None) if found.lambda < lowest && criterion.value >= value => {
            wrong.push(format!("{who}: λ = {:e} chosen over a lower minimum", found.lambda));
        }
        (_, None) if found.lambda < lowest => {}
        (None, None) => wrong.push(format!("{who}: no minimum exists, but no edge is reported")),
        (Some((&place, _)), None) if !near(found.lambda, place, PLACE) => {
            wrong.push(format!("{who}: λ = {:e} chosen, the least minimum is at {place:e}", found.lambda))
        }
        (best, Some((lambda, upper))) => {
            // the end is where λ is, is the end it says, and is no higher than any minimum inside
            if !near(found.lambda, lambda, 1e-12) || !near(lambda, if upper { high } else { low }, 1e-12) {
                wrong.push(format!("{who}: edge {lambda:e} reported, λ = {:e}, searched {low:e} to {high:e}", found.lambda));
            }
            if best.is_some_and(|(_, &value)| criterion.value >= value) {
                wrong.push(format!("{who}: the edge {lambda:e} is chosen over a lower minimum"));
            }
        }
        _ => {}
    }
    wrong
}

/// Rivals and flat stretches from their definitions, on what the report itself holds.
fn check_warnings(who: &str, found: &Found) -> Vec<String> {
    let mut wrong = Vec::new();
    let criterion = &found.report.criteria[0];
    for &(lambda, value) in &criterion.minima {
        let expected = value <= 1.05 * criterion.value && !near(lambda, found.lambda, 1e-9);
        let warned = found.report.warnings.iter().any(|w| match w {
            Warning::RivalMinimum { lambda: l, ratio } => near(*l, lambda, 1e-9) && near(*ratio, value / criterion.value, 1e-9),
            _ => false,
        });
        if expected != warned {
            wrong.push(format!("{who}: rival at {lambda:e}, ratio {:.4}: warned {warned}", value / criterion.value));
        }
    }
    // the samples around λ within 0.1 % of the value there: two decades of them are flat
    let flat = |&&(_, value): &&(f64, f64)| value <= criterion.value * 1e-3f64.exp();
    let below = criterion.evaluated.iter().rev().filter(|p| p.0 <= found.lambda).take_while(flat).last().map_or(found.lambda, |p| p.0);
    let above = criterion.evaluated.iter().filter(|p| p.0 >= found.lambda).take_while(flat).last().map_or(found.lambda, |p| p.0);
    let warned = found.report.warnings.iter().any(|w| matches!(w, Warning::FlatMinimum { .. }));
    let decades = (above / below).log10();
    if (decades - 2.0).abs() > 1e-3 && (decades > 2.0) != warned {
        wrong.push(format!("{who}: flat over {decades:.2} decades, warned {warned}"));
    }
    wrong
}

#[test]
fn every_local_minimum_is_found_and_the_least_is_chosen() {
    let (mut wrong, mut solved, mut refused) = (Vec::new(), 0, 0);
    for case in rule_cases() {
        let rules: [(Rule, &[f64], &[f64]); 3] = [
            (Gcv.into(), &case.gcv_minima, &case.gcv_values),
            (Gcv.robust(case.robust_gamma).into(), &case.robust_gcv_minima, &case.robust_gcv_values),
            (Loo.into(), &case.loo_minima, &case.loo_values),
        ];
        for (rule, places, values) in rules {
            for method in &METHODS {
                let who = format!("{} {} {}", case.given.name, rule.name(), method);
                match choose_any(&case, method, rule) {
                    Ok(found) => {
                        solved += 1;
                        wrong.extend(check_minima(&who, method, &found, places, values, LOWEST_LISTED * case.sigma1_squared));
                        wrong.extend(check_warnings(&who, &found));
                    }
                    Err(error) => {
                        refused += 1;
                        let lambda = places.iter().copied().fold(f64::INFINITY, f64::min);
                        if let Err(why) = may_refuse(&case, method, &rule, &error, lambda) {
                            wrong.push(format!("{who}: refused without a reason: {error}; {why}"));
                        }
                    }
                }
            }
        }
    }
    println!("{solved} solved, {refused} refused");
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(solved > 5 * refused / 2, "{solved} solved, {refused} refused");
}

/// A Gram spectrum is trusted where its filter factors are right to 1e-9; the slope of the residual norm, which is flat where
/// little more can be fitted, magnifies that in λ.
fn discrepancy_tolerance(case: &RuleCase, method: &Method, lambda: f64) -> f64 {
    let least = if matches!(method, Method::Tridiagonal | Method::Cholesky) { 1e-6 } else { DISCREPANCY };
    least.max(8.0 * f64::EPSILON * (case.sigma1_squared / lambda).sqrt())
}

#[test]
fn discrepancy() {
    let mut wrong = Vec::new();
    for case in rule_cases() {
        let rule: Rule = Discrepancy::noise_norm(case.noise_norm).safety(case.safety).into();
        for method in &METHODS {
            let who = format!("{} {}", case.given.name, method);
            match (choose_any(&case, method, rule), case.discrepancy_lambda) {
                (Ok(found), Some(lambda)) if near(found.lambda, lambda, discrepancy_tolerance(&case, method, lambda)) => {
                    let norm = found.report.fits[0].residual_norm;
                    if !near(norm, case.safety * case.noise_norm, discrepancy_tolerance(&case, method, lambda)) {
                        wrong.push(format!("{who}: residual norm {norm:e}"));
                    }
                }
                (Ok(found), expected) => wrong.push(format!("{who}: λ = {:e}, not {expected:?}", found.lambda)),
                (Err(Error::NoLambda { .. }), None) => {}
                (Err(error), lambda) => {
                    if let Err(why) = may_refuse(&case, method, &rule, &error, lambda.unwrap_or(f64::INFINITY)) {
                        wrong.push(format!("{who}: refused without a reason: {error}; {why}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// Residual norm, penalty norm, degrees of freedom and GCV at eight λ.
///
/// Perturbing A by ε‖A‖ moves the filters by ε·σ₁/√λ, hence 64 times that, relative to ‖b‖ for the residual norm, to n for dof. The
/// tridiagonalization has σᵢ² from the Gram matrix, right to ε·σ₁²: ε·σ₁²/λ for the filters, ε·σ₁²/σ_min² for the
/// coefficients, whatever λ is; where that is beyond 1e-2 it has to refuse.
#[test]
fn curves() {
    fn check<T: Scalar>(case: &RuleCase, wrong: &mut Vec<String>) {
        let data = case.given.data::<T>();
        let ratio = smallest_ratio(case);
        for method in [Method::Auto, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal] {
            let name = method.name();
            let factor: Factorization<T> = data.problem(&data.a).method(method.clone()).factorize().unwrap();
            let curve = match factor.curve(&data.b, case.curve_lambda.iter().copied()) {
                Ok(curve) => curve,
                Err(Error::IllConditioned { .. }) if method == Method::Tridiagonal && ratio <= 1e4 * f64::EPSILON => continue,
                Err(error) => {
                    wrong.push(format!("{} {name}: {error}", case.given.name));
                    continue;
                }
            };
            for (k, point) in curve.iter().enumerate() {
                let error = f64::EPSILON * 64.0 * (case.sigma1_squared / point.lambda).sqrt().max(1.0);
                // the eigenvalues of the Gram matrix: ε·σ₁²/λ
                let gram = 64.0 * f64::EPSILON * (case.sigma1_squared / point.lambda).max(1.0 / ratio);
                let error = if method == Method::Tridiagonal { gram } else { error };
                if error > if method == Method::Tridiagonal { 0.1 } else { 1e-6 } {
                    continue;
                }
                let largest = *case.curve_residual_norm.last().unwrap();
                let mut compare = |what: &str, found: f64, expected: f64, tolerance: f64| {
                    if (found - expected).abs() > tolerance {
                        wrong.push(format!(
                            "{} {name} λ = {:e}: {what} {found:e}, not {expected:e} ± {tolerance:.1e}",
                            case.given.name, point.lambda
                        ));
                    }
                };
                let n = case.given.columns as f64;
                compare("residual norm", point.residual_norm, case.curve_residual_norm[k], error * largest);
                compare(
                    "penalty norm",
                    point.penalty_norm,
                    case.curve_penalty_norm[k],
                    error * (case.curve_penalty_norm[k] + largest / point.lambda.sqrt()),
                );
                compare("dof", point.dof, case.curve_dof[k], error * n);
                // m ρ/T²: relative errors of ρ and T twice
                let spare = case.given.rows as f64 - case.curve_dof[k];
                let relative = 2.0 * error * (largest / case.curve_residual_norm[k] + n / spare);
                compare("GCV", point.gcv, case.curve_gcv[k], relative * case.curve_gcv[k]);
            }
        }
    }
    let mut wrong = Vec::new();
    for case in rule_cases() {
        if case.given.is_complex() { check::<c64>(&case, &mut wrong) } else { check::<f64>(&case, &mut wrong) }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// A rule applied by [`Factorization`] chooses what [`Problem`] chooses.
#[test]
fn a_factorization_chooses_the_same() {
    for case in rule_cases().iter().filter(|case| !case.given.is_complex()) {
        let data = case.given.data::<f64>();
        for rule in [Rule::from(Gcv), Loo.into(), Gcv.robust(case.robust_gamma).into()] {
            let once = data.problem(&data.a).method(Method::Svd).solve(&data.b, rule).unwrap();
            let kept = data.problem(&data.a).method(Method::Svd).factorize().unwrap().solve(&data.b, rule).unwrap();
            assert!(near(kept.lambda, once.lambda, 1e-12), "{} {}: {:e} {:e}", case.given.name, rule.name(), kept.lambda, once.lambda);
        }
    }
}

fn pseudo_random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Each typed warning on data made for it.
#[test]
fn warnings_are_typed() {
    let mut random = pseudo_random(3);
    let (m, n) = (12, 3);
    let a: Vec<f64> = (0..m * n).map(|_| random()).collect();
    let a = DenseView::column_major(&a, m, n).unwrap();
    // a signal 1e4 times the noise: the minimum is 1e-9 deep, and GCV is flat from there down to λ = 0
    let signal: Vec<f64> = (0..m).map(|i| (0..n).map(|j| a.get(i, j).unwrap() * 1e4).sum::<f64>() + random()).collect();
    let fit = Problem::new(&a).solve(&signal, Gcv).unwrap();
    let flat = fit.report.warnings.iter().find_map(|w| match w {
        Warning::FlatMinimum { low, high } => Some((*low, *high)),
        _ => None,
    });
    let (low, high) = flat.unwrap_or_else(|| panic!("{}", fit.report));
    assert!(low <= fit.lambda && fit.lambda <= high && high / low >= 99.0, "{low:e} {high:e} {:e}", fit.lambda);
    assert!(fit.report.to_string().contains("flat"));

    // no signal at all: b orthogonal to nothing, GCV falls as far as λ goes
    let hilbert = rule_cases().into_iter().find(|case| case.given.name == "hilbert_10x8").unwrap();
    for rule in [Rule::from(Gcv), Gcv.robust(hilbert.robust_gamma).into(), Loo.into()] {
        let found = choose::<f64>(&hilbert, &Method::Auto, rule).unwrap();
        let edges: Vec<&Warning> =
            found.report.warnings.iter().filter(|w| matches!(w, Warning::EdgeOfInterval { upper: true, .. })).collect();
        assert_eq!(edges.len(), 1, "{}", found.report);
        assert!(found.lambda > hilbert.sigma1_squared);
    }

    // b in the range of A exactly: GCV falls towards λ = 0
    let exact: Vec<f64> = (0..m).map(|i| (0..n).map(|j| a.get(i, j).unwrap()).sum()).collect();
    let fit = Problem::new(&a).solve(&exact, Gcv).unwrap();
    assert!(fit.lambda < 1e-12, "{}", fit.report);

    // Two minima almost equally low: orthogonal columns of two sizes; the signal on the small ones grows until the lower
    // minimum is the deeper one. On the way the two are within 5 %.
    let (m, mut rivals, mut sides) = (12, 0, [0, 0]);
    let small = |j: usize| j >= 3;
    let diagonal: Vec<f64> = (0..6 * m).map(|t| if t % m == t / m { if small(t / m) { 1e-4 } else { 1.0 } } else { 0.0 }).collect();
    let a = DenseView::column_major(&diagonal, m, 6).unwrap();
    for k in 0..200 {
        let strength = 0.2 * 1.02f64.powi(k);
        let b: Vec<f64> = (0..m)
            .map(|i| {
                if i < 3 {
                    2.0
                } else if i < 6 {
                    strength
                } else {
                    1.0
                }
            })
            .collect();
        let fit = Problem::new(&a).solve(&b, Gcv).unwrap();
        let [(low, at_low), (high, at_high)] = fit.report.criteria[0].minima[..] else { continue };
        let ratio = at_low.max(at_high) / at_low.min(at_high);
        let other = if at_low < at_high { high } else { low };
        let expected = ratio <= 1.05 && fit.report.criteria[0].value == at_low.min(at_high);
        let warned = fit.report.warnings.iter().any(|w| matches!(w, Warning::RivalMinimum { lambda, .. } if near(*lambda, other, 1e-9)));
        assert_eq!(warned, expected, "{strength}: {}", fit.report);
        rivals += usize::from(warned);
        sides[usize::from(other == low)] += usize::from(warned);
    }
    assert!(rivals >= 2 && sides[0] + sides[1] == rivals, "{rivals} {sides:?}");
}

/// `shared()`: one λ, the minimum of the sum of the criteria; and the single λ for equal right-hand sides.
#[test]
fn one_lambda_for_many_right_hand_sides() {
    let mut random = pseudo_random(8);
    let (m, n, k) = (30, 10, 4);
    // columns of decreasing size, so that GCV has something to damp
    let a: Vec<f64> = (0..m * n).map(|t| random() * 0.5f64.powi((t / m) as i32)).collect();
    let a = DenseView::column_major(&a, m, n).unwrap();
    let mut b: Vec<f64> = Vec::new();
    for column in 0..k {
        for i in 0..m {
            b.push((0..n).map(|j| a.get(i, j).unwrap() * (1.0 + (column * j) as f64)).sum::<f64>() + 0.5 * random());
        }
    }
    let many = DenseView::column_major(&b, m, k).unwrap();
    let repeated = [&b[..m], &b[..m], &b[..m]].concat();
    let repeated = DenseView::column_major(&repeated, m, 3).unwrap();
    let factor = Problem::new(&a).factorize().unwrap();
    for method in [Method::Auto, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal] {
        let problem = Problem::new(&a).method(method.clone());
        let each = problem.solve(&many, Gcv).unwrap();
        for j in 0..k {
            let alone = problem.solve(&b[j * m..(j + 1) * m], Gcv).unwrap();
            assert!(near(each.lambda[j], alone.lambda, 1e-9), "{method} column {j}: {:e} {:e}", each.lambda[j], alone.lambda);
        }
        assert!(each.lambda.iter().any(|&l| !near(l, each.lambda[0], 1e-3)), "{method}: {:?}", each.lambda);

        let shared = problem.solve(&many, Gcv.shared()).unwrap();
        assert!(shared.lambda.iter().all(|&l| l == shared.lambda[0]), "{method}: {:?}", shared.lambda);
        assert_eq!(shared.report.criteria.len(), 1);
        // the slope of ΣG at λ vanishes: at 1 ± 1e-3 the sum is higher on both sides, by as much
        let total = |lambda: f64| -> f64 { factor.curve(&many, [lambda]).unwrap().iter().map(|curve| curve[0].gcv).sum() };
        let (below, here, above) = (total(shared.lambda[0] * 0.99), total(shared.lambda[0]), total(shared.lambda[0] * 1.01));
        assert!(below > here && above > here, "{method}: {below:e} {here:e} {above:e}");

        let same = problem.solve(&repeated, Gcv.shared()).unwrap();
        let single = problem.solve(&b[..m], Gcv).unwrap();
        assert!(near(same.lambda[2], single.lambda, 1e-9), "{method}: {:e} {:e}", same.lambda[2], single.lambda);
    }
    for rule in [Rule::from(Loo), Gcv.robust(0.3).into(), Discrepancy::relative_noise(0.6).into()] {
        let same = Problem::new(&a).solve(&repeated, rule.shared()).unwrap();
        let single = Problem::new(&a).solve(&b[..m], rule).unwrap();
        assert!(near(same.lambda[1], single.lambda, 1e-9), "{}: {:e} {:e}", rule.name(), same.lambda[1], single.lambda);
    }
}
