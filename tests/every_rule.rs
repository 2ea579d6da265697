//! Every rule beyond GCV and leave-one-out: against 50-digit answers (`testdata/rules.toml`), against R (`testdata/r`),
//! against refits and
//! definitions; the laws that all rules obey; truncation, comparison, diagnostics.
//!
//! Tolerances: places of minima as in tests/rules.rs (1e-6, from the slope); 1e-5 where a maximum is found without
//! derivatives (√ε·√(1/v'')).

mod common;

use common::{Dense, RuleCase, rule_cases};
use wellposed::rule::{Rule, Truncation};
use wellposed::{
    Aicc, Balancing, Bic, DenseView, Diagnostics, Discrepancy, EffectiveDof, Error, Evidence, Gcv, HoerlKennardBaldwin, KFold, LCurve,
    LawlessWang, Loo, Method, Ncp, NormFraction, Penalty, Problem, QuasiOptimality, Reginska, Scalar, Upre, Warning, c64,
};

fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs()
}

fn solve<T: Scalar>(case: &RuleCase, method: Method, rule: Rule) -> Result<wellposed::Report, Error> {
    let data = case.given.data::<T>();
    Ok(data.problem(&data.a).method(method).solve(&data.b, rule)?.report)
}

fn solve_any(case: &RuleCase, method: Method, rule: Rule) -> Result<wellposed::Report, Error> {
    if case.given.is_complex() { solve::<c64>(case, method, rule) } else { solve::<f64>(case, method, rule) }
}

fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A smooth kernel, a smooth x, white noise.
fn blurred(m: usize, n: usize, noise: f64, seed: u64) -> (Dense<f64>, Vec<f64>) {
    let mut next = random(seed);
    let a = Dense::from_fn(m, n, |i, j| (-12.0 * (i as f64 / (m - 1) as f64 - j as f64 / (n - 1) as f64).powi(2)).exp());
    let x: Vec<f64> = (0..n).map(|j| (5.0 * j as f64 / n as f64).sin() + 0.3).collect();
    let b = a.times(&x).iter().map(|y| y + noise * (next() + next() + next())).collect();
    (a, b)
}

/// Minima of every rule that has a criterion, in two engines: all that are listed are found, no others, and the best is chosen.
#[test]
fn minima_of_every_criterion() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for case in rule_cases() {
        let std = case.noise_norm / (case.given.rows as f64).sqrt();
        // rule, places, values, whether maxima are wanted, the tolerance of a place
        type Expected<'c> = (Rule, &'c [f64], Option<&'c [f64]>, bool, f64);
        let rules: [Expected; 9] = [
            (Evidence.into(), &case.reml_minima, None, false, 1e-6),
            (Gcv.modified(case.modified_factor).into(), &case.modified_gcv_minima, Some(&case.modified_gcv_values), false, 1e-6),
            (
                Gcv.strong_robust(case.strong_gamma).into(),
                &case.strong_robust_gcv_minima,
                Some(&case.strong_robust_gcv_values),
                false,
                1e-6,
            ),
            (Aicc.into(), &case.aicc_minima, Some(&case.aicc_values), false, 1e-6),
            (Bic.into(), &case.bic_minima, Some(&case.bic_values), false, 1e-6),
            (Upre::noise_std(std).into(), &case.risk_minima, Some(&case.risk_values), false, 1e-6),
            (QuasiOptimality.into(), &case.quasi_optimality_minima, Some(&case.quasi_optimality_values), false, 1e-6),
            (Reginska::new(1.0).into(), &case.reginska_minima, Some(&case.reginska_values), false, 1e-6),
            (LCurve.into(), &case.curvature_minima, Some(&case.curvature_values), true, 1e-4),
        ];
        for (rule, places, values, maximum, tolerance) in rules {
            // a perturbation of A by ε‖A‖ moves what happens at λ by ε·σ₁/√λ
            let rounding = |lambda: f64| 8.0 * f64::EPSILON * (case.sigma1_squared / lambda).sqrt();
            let close = |found: f64, place: f64| near(found, place, tolerance.max(rounding(place)));
            let inside = matches!(rule, Rule::QuasiOptimality(_) | Rule::Reginska(_) | Rule::LCurve(_));
            for method in [Method::Svd, Method::Gsvd] {
                let who = format!("{} {} {method}", case.given.name, rule.name());
                let report = match solve_any(&case, method, rule) {
                    Ok(report) => report,
                    Err(Error::NoLambda { .. }) if places.is_empty() || maximum => continue,
                    Err(error) => {
                        wrong.push(format!("{who}: {error}"));
                        continue;
                    }
                };
                let criterion = &report.criteria[0];
                let (low, high) = (criterion.evaluated[0].0, criterion.evaluated[criterion.evaluated.len() - 1].0);
                for (k, &place) in places.iter().enumerate().filter(|(_, place)| **place > low * 1.001 && **place < high * 0.999) {
                    checked += 1;
                    match criterion.minima.iter().find(|(lambda, _)| close(*lambda, place)) {
                        None => wrong.push(format!("{who}: {place:e} not among {:?}", criterion.minima)),
                        Some((_, value)) => {
                            if let Some(expected) = values.map(|values| values[k])
                                && !near(*value, expected, 1e-7f64.max(rounding(place)))
                            {
                                wrong.push(format!("{who}: value {value:e} at {place:e}, not {expected:e}"));
                            }
                        }
                    }
                }
                // an interval that is not that of the oracle is not judged for what else it holds
                let least = if inside { case.inside_low * 1.001 } else { 1e-18 * case.sigma1_squared };
                if !inside || case.inside_low < 0.2 * case.sigma1_squared {
                    for (lambda, _) in criterion.minima.iter().filter(|(lambda, _)| *lambda > least) {
                        if !places.iter().any(|&place| close(*lambda, place)) {
                            wrong.push(format!("{who}: a minimum at {lambda:e} that is none of {places:?}"));
                        }
                    }
                }
                let best = criterion.minima.iter().map(|(_, v)| *v).reduce(if maximum { f64::max } else { f64::min });
                let edge = report.warnings.iter().any(|w| matches!(w, Warning::EdgeOfInterval { .. }));
                match best {
                    Some(best) if !edge && criterion.value != best => {
                        wrong.push(format!("{who}: {:e} chosen, the best is {best:e}", criterion.value))
                    }
                    None if !edge => wrong.push(format!("{who}: neither a minimum nor an edge")),
                    _ => {}
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(checked > 200, "{checked}");
}

/// Rules with one root or a formula, in every engine that answers.
#[test]
fn roots_and_formulas() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for case in rule_cases() {
        let noise = Discrepancy::noise_norm(case.noise_norm).safety(case.safety);
        let rules: [(Rule, Option<f64>); 5] = [
            (noise.monotone_error().into(), case.monotone_error_lambda),
            (HoerlKennardBaldwin.into(), case.hkb_lambda),
            (LawlessWang.into(), case.lawless_wang_lambda),
            (EffectiveDof(case.half_dof).into(), Some(case.half_dof_lambda)),
            (NormFraction(0.5).into(), case.half_norm_lambda),
        ];
        for (rule, expected) in rules {
            for method in [Method::Auto, Method::Svd, Method::Gsvd, Method::Bidiagonal] {
                let who = format!("{} {} {method}", case.given.name, rule.name());
                // sums over all of the spectrum have the digits of its smallest value, and these have values that are rounding
                let deficient = ["rank4", "hilbert", "shaw"].iter().any(|name| case.given.name.starts_with(name));
                match (solve_any(&case, method, rule), expected) {
                    (Ok(report), Some(lambda)) => {
                        checked += 1;
                        let tolerance = 1e-9f64.max(1e3 * f64::EPSILON * (case.sigma1_squared / case.inside_low).sqrt());
                        if !near(report.fits[0].lambda.value(), lambda, tolerance) && !deficient {
                            wrong.push(format!("{who}: {:e}, not {lambda:e}", report.fits[0].lambda.value()));
                        }
                    }
                    (Err(Error::NoLambda { .. }), None) => {}
                    (Err(Error::NoLambda { .. }), _) if deficient => {}
                    (Ok(report), None) => {
                        if !deficient {
                            wrong.push(format!("{who}: {:e}, and there is none", report.fits[0].lambda.value()));
                        }
                    }
                    (Err(error), _) => wrong.push(format!("{who}: {error}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(checked > 150, "{checked}");
}

/// K-fold and grouped leave-one-out errors are those of refits, with weights, intercept, a null space and complex numbers.
#[test]
fn folds_are_refits() {
    fn check<T: Scalar>(m: usize, n: usize, setup: &dyn Fn(Problem<'_, T>) -> Problem<'_, T>, weights: Option<&[f64]>) {
        let mut next = random((m * 31 + n) as u64);
        let mut entry = || T::from_parts(wellposed::Real::from_f64(next()), wellposed::Real::from_f64(next()));
        let entries: Vec<T> = (0..m * n).map(|_| entry()).collect();
        let b: Vec<T> = (0..m).map(|_| entry()).collect();
        let a = Dense { rows: m, columns: n, entries };
        let labels: Vec<usize> = (0..m).map(|i| (i * i) % 5).collect();
        for (rule, groups) in
            [(Rule::from(KFold::new(3).blocks()), None), (Loo.into(), Some(&labels)), (KFold::new(3).into(), Some(&labels))]
        {
            let problem = setup(Problem::new(&a));
            let problem = if let Some(groups) = groups { problem.groups(groups) } else { problem };
            let report = problem.solve(&b, rule).unwrap().report;
            let criterion = &report.criteria[0];
            let blocks: Vec<usize> = (0..m).map(|i| (2 * i + 1) * 3 / (2 * m)).collect();
            for &(lambda, value) in criterion.evaluated.iter().step_by(criterion.evaluated.len() / 6) {
                let folds: &[usize] = match (rule, groups) {
                    (Rule::Loo(_), Some(labels)) => labels,
                    (_, None) => &blocks,
                    // which groups are together is the rule's affair
                    _ => continue,
                };
                let mut total = 0.0;
                for fold in 0..=*folds.iter().max().unwrap() {
                    let rest: Vec<usize> = (0..m).filter(|&i| folds[i] != fold).collect();
                    let part = Dense::from_fn(rest.len(), n, |i, j| a.at(rest[i], j));
                    let data: Vec<T> = rest.iter().map(|&i| b[i]).collect();
                    let kept: Option<Vec<T::Real>> = weights.map(|w| rest.iter().map(|&i| wellposed::Real::from_f64(w[i])).collect());
                    let problem = setup(Problem::new(&part));
                    let problem = if let Some(kept) = &kept { problem.weights(kept) } else { problem };
                    let fit = problem.method(Method::Svd).solve(&data, lambda).unwrap();
                    for i in (0..m).filter(|&i| folds[i] == fold) {
                        let predicted = (0..n).fold(fit.intercept, |sum, j| sum + a.at(i, j) * fit.x[j]);
                        let error = wellposed::Real::to_f64((b[i] - predicted).modulus());
                        total += error * error * weights.map_or(1.0, |w| w[i]);
                    }
                }
                assert!(near(value, total, 1e-8), "{m}×{n} {} λ = {lambda:e}: {value:e}, refits {total:e}", rule.name());
            }
        }
    }
    let weights: Vec<f64> = (0..17).map(|i| 0.5 + (i % 4) as f64).collect();
    check::<f64>(17, 4, &|p| p, None);
    check::<f64>(12, 15, &|p| p, None);
    check::<f64>(17, 4, &|p| p.intercept(), None);
    check::<f64>(17, 6, &|p| p.intercept().penalty(Penalty::second_difference()), None);
    check::<c64>(17, 5, &|p| p.intercept(), None);
    // the weights of the whole problem are set by length: 17 rows for the whole, fewer for a refit
    let with: &dyn Fn(Problem<'_, f64>) -> Problem<'_, f64> = &|p| p.intercept();
    let a = blurred(17, 5, 0.1, 3);
    let report = with(Problem::new(&a.0)).weights(&weights).solve(&a.1, KFold::new(17).blocks()).unwrap().report;
    let loo = with(Problem::new(&a.0)).weights(&weights).solve(&a.1, Loo).unwrap().report;
    // as many folds as rows: leave-one-out
    assert!(near(report.fits[0].lambda.value(), loo.fits[0].lambda.value(), 1e-6), "{report}{loo}");
    assert!(near(report.criteria[0].value, loo.criteria[0].value, 1e-9));
}

/// One standard error: larger λ, and the error there is the least one plus its standard error, by the definition.
#[test]
fn one_standard_error() {
    let (a, b) = blurred(40, 12, 0.2, 5);
    for (rule, best) in
        [(Rule::from(Loo.one_standard_error()), Rule::from(Loo)), (KFold::new(5).one_standard_error().into(), KFold::new(5).into())]
    {
        let problem = Problem::new(&a).intercept();
        let (fit, least) = (problem.solve(&b, rule).unwrap(), problem.solve(&b, best).unwrap());
        assert!(fit.lambda > least.lambda * 1.01, "{} {}", fit.lambda, least.lambda);
        assert!(fit.report.criteria[0].value > least.report.criteria[0].value);
    }
    // leave-one-out errors by their definition, from the diagnostics
    let factor = Problem::new(&a).intercept().factorize().unwrap();
    let errors = |lambda: f64| -> Vec<f64> {
        let fit = factor.solve(&b, lambda).unwrap();
        let h = factor.diagnostics(&b, lambda).unwrap().leverages.unwrap();
        let fitted = a.times(&fit.x);
        (0..40).map(|i| ((b[i] - fitted[i] - fit.intercept) / (1.0 - h[i])).powi(2)).collect()
    };
    let least = errors(factor.solve(&b, Loo).unwrap().lambda);
    let mean = least.iter().sum::<f64>() / 40.0;
    let error = (least.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 39.0 / 40.0).sqrt();
    let chosen = errors(factor.solve(&b, Loo.one_standard_error()).unwrap().lambda);
    assert!(near(chosen.iter().sum::<f64>() / 40.0, mean + error, 1e-6));
}

/// What R finds: mgcv's REML and GCV, and leave-one-out errors by refits.
#[test]
fn the_numbers_of_r() {
    for name in ["case1", "case3"] {
        let table = |suffix: &str| -> Vec<Vec<f64>> {
            let text = common::text(&format!("r/{name}{suffix}.csv"));
            text.lines().skip(1).map(|line| line.split(',').filter_map(|cell| cell.trim().parse().ok()).collect()).collect()
        };
        let rows = table("");
        let a = Dense::from_fn(rows.len(), rows[0].len() - 1, |i, j| rows[i][j + 1]);
        let b: Vec<f64> = rows.iter().map(|row| row[0]).collect();
        let factor = Problem::new(&a).factorize().unwrap();
        for (rule, suffix) in [(Rule::from(Evidence), "_mgcv_REML"), (Gcv.into(), "_mgcv_GCV.Cp")] {
            let expected = &table(suffix)[0];
            let fit = factor.solve(&b, rule).unwrap();
            // mgcv stops at a relative 1e-7 of the score
            assert!(near(fit.lambda, expected[0], 2e-3), "{name}{suffix}: {:e}, {:e}", fit.lambda, expected[0]);
            assert!(near(fit.dof.unwrap(), expected[1], 1e-3), "{name}{suffix}: {:?}, {:e}", fit.dof, expected[1]);
        }
        for row in table("_loo") {
            let fit = factor.solve(&b, row[0]).unwrap();
            let h = factor.diagnostics(&b, row[0]).unwrap().leverages.unwrap();
            let fitted = a.times(&fit.x);
            let total: f64 = (0..b.len()).map(|i| ((b[i] - fitted[i]) / (1.0 - h[i])).powi(2)).sum();
            assert!(near(total / b.len() as f64, row[1], 1e-8), "{name} {:e}: {:e}, {:e}", row[0], total / b.len() as f64, row[1]);
        }
    }
}

/// Every rule that a comparison asks, and those with a parameter.
fn all_rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = vec![
        Gcv.into(),
        Gcv.robust(0.3).into(),
        Gcv.strong_robust(0.95).into(),
        Gcv.modified(1.4).into(),
        Gcv.weighted(0.7).into(),
        Loo.into(),
        Loo.one_standard_error().into(),
        KFold::new(5).into(),
        Evidence.into(),
        Aicc.into(),
        Bic.into(),
        Upre::estimated().into(),
        Discrepancy::estimated().into(),
        Discrepancy::relative_noise(0.05).monotone_error().into(),
        Balancing::estimated().into(),
        LCurve.into(),
        LCurve::pruning().into(),
        LCurve::triangle().into(),
        QuasiOptimality.into(),
        Reginska::new(1.0).into(),
        Ncp.into(),
    ];
    rules.extend([
        Rule::from(Ncp.grid(5, 8)),
        HoerlKennardBaldwin.into(),
        LawlessWang.into(),
        EffectiveDof(4.0).into(),
        NormFraction(0.4).into(),
    ]);
    rules
}

/// b·c leaves λ alone, A·c multiplies it by c², rows may be permuted where their order says nothing, and the data may be
/// rotated where the rule sees
/// norms alone. Nothing of it depends on how large the numbers are.
#[test]
fn laws_of_every_rule() {
    let (a, b) = blurred(40, 8, 0.05, 9);
    let scaled = |c: f64| Dense::from_fn(40, 8, |i, j| c * a.at(i, j));
    let order: Vec<usize> = (0..40).map(|i| (i * 7) % 40).collect();
    let permuted = Dense::from_fn(40, 8, |i, j| a.at(order[i], j));
    let permuted_b: Vec<f64> = order.iter().map(|&i| b[i]).collect();
    // a reflection of the rows
    let v: Vec<f64> = (0..40).map(|i| (i as f64).cos()).collect();
    let size: f64 = v.iter().map(|v| v * v).sum();
    let reflect = |y: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let dot: f64 = (0..40).map(|i| v[i] * y(i)).sum();
        (0..40).map(|i| y(i) - 2.0 * v[i] * dot / size).collect()
    };
    let columns: Vec<Vec<f64>> = (0..8).map(|j| reflect(&|i| a.at(i, j))).collect();
    let rotated = Dense::from_fn(40, 8, |i, j| columns[j][i]);
    let rotated_b = reflect(&|i| b[i]);
    let mut wrong = Vec::new();
    for rule in all_rules() {
        let problem = Problem::new(&a);
        let lambda = match problem.solve(&b, rule) {
            Ok(fit) => fit.lambda,
            Err(error) => {
                wrong.push(format!("{}: {error}", rule.name()));
                continue;
            }
        };
        let mut compare = |what: &str, found: wellposed::Result<f64>, expected: f64| match found {
            Ok(found) if near(found, expected, 1e-5) => {}
            other => wrong.push(format!("{} {what}: {other:?}, not {expected:e}", rule.name())),
        };
        for c in [3.0, 1e-120, 1e120] {
            let b: Vec<f64> = b.iter().map(|b| c * b).collect();
            compare("b·c", problem.solve(&b, rule).map(|fit| fit.lambda), lambda);
        }
        for c in [0.3, 1e-100, 1e100] {
            let a = scaled(c);
            let found = Problem::new(&a).solve(&b, rule).map(|fit| fit.report.fits[0].lambda.damping());
            compare("A·c", found.map(|d| (d / c) * (d / c)), lambda);
        }
        if !matches!(rule, Rule::Ncp(_) | Rule::NcpGrid(_) | Rule::KFold(_)) {
            compare("rows permuted", Problem::new(&permuted).solve(&permuted_b, rule).map(|fit| fit.lambda), lambda);
        }
        if !matches!(rule, Rule::Ncp(_) | Rule::NcpGrid(_) | Rule::KFold(_) | Rule::Loo(_) | Rule::OneStandardError(_)) {
            compare("rows rotated", Problem::new(&rotated).solve(&rotated_b, rule).map(|fit| fit.lambda), lambda);
        }
        // the same in complex numbers, whose phase means nothing
        let phase = c64::new(0.6, 0.8);
        let complex = Dense::from_fn(40, 8, |i, j| c64::new(a.at(i, j), 0.0) * phase);
        let complex_b: Vec<c64> = b.iter().map(|&b| c64::new(b, 0.0)).collect();
        compare("complex", Problem::new(&complex).solve(&complex_b, rule).map(|fit| fit.lambda), lambda);
        // shared by equal columns
        let twice: Vec<f64> = [b.clone(), b.clone()].concat();
        let twice = DenseView::column_major(&twice, 40, 2).unwrap();
        compare("shared", problem.solve(&twice, rule.shared()).map(|fit| fit.lambda[1]), lambda);
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// Wide, square and tiny problems, with everything at once: an answer or a worded refusal, never a panic or a number that is none.
#[test]
fn extremes_of_every_rule() {
    let mut answered = 0;
    for (m, n) in [(40, 60), (40, 40), (40, 8), (1, 1), (2, 1), (3, 3), (4, 2), (1, 5), (5, 0), (0, 2)] {
        let mut next = random((m + 100 * n) as u64);
        let entries: Vec<f64> = (0..m * n).map(|_| next()).collect();
        let b: Vec<f64> = (0..m).map(|_| next()).collect();
        let a = DenseView::column_major(&entries, m, n).unwrap();
        for rule in all_rules() {
            for setup in 0..5 {
                let data: Vec<f64> = if setup == 3 { vec![0.0; m] } else { b.clone() };
                let problem = match setup {
                    1 => Problem::new(&a).intercept(),
                    2 => Problem::new(&a).penalty(Penalty::second_difference()).weights(&vec![2.0; m]),
                    4 => Problem::new(&a).groups(&(0..m).map(|i| i / 3).collect::<Vec<_>>()),
                    _ => Problem::new(&a),
                };
                match problem.solve(&data, rule) {
                    Ok(fit) => {
                        answered += 1;
                        assert!(fit.lambda >= 0.0 && fit.lambda.is_finite(), "{m}×{n} {} setup {setup}: λ = {}", rule.name(), fit.lambda);
                        assert!(fit.x.iter().all(|x| x.is_finite()));
                    }
                    Err(error) => assert!(error.to_string().len() > 20, "{error}"),
                }
            }
        }
    }
    assert!(answered > 300, "{answered}");
}

/// Parameters outside their ranges are refused by name.
#[test]
fn parameters_are_checked() {
    let (a, b) = blurred(20, 5, 0.1, 1);
    let rules: Vec<Rule> = vec![
        Gcv.strong_robust(0.0).into(),
        Gcv.strong_robust(f64::NAN).into(),
        Gcv.modified(0.0).into(),
        Gcv.weighted(f64::INFINITY).into(),
        KFold::new(1).into(),
        KFold::new(0).one_standard_error().into(),
        Upre::noise_std(-1.0).into(),
        Upre::noise_std(f64::NAN).into(),
        Balancing::noise_std(0.0).into(),
        Reginska::new(0.0).into(),
        EffectiveDof(0.0).into(),
        NormFraction(1.0).into(),
        NormFraction(0.0).into(),
        Ncp.grid(0, 4).into(),
        Ncp.grid(3, 4).into(),
    ];
    for rule in rules {
        let error = Problem::new(&a).solve(&b, rule).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{}: {error}", rule.name());
    }
    assert!(matches!(Problem::new(&a).solve(&b, EffectiveDof(9.0)), Err(Error::NoLambda { .. })));
    assert!(matches!(Problem::new(&a).groups(&[1, 2]).solve(&b, Loo), Err(Error::Shape { .. })));
    for rule in [Rule::from(HoerlKennardBaldwin), Balancing::estimated().into()] {
        let error = Problem::new(&a).method(Method::Tridiagonal).solve(&b, rule).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. } | Error::IllConditioned { .. }), "{error}");
    }
    assert!(matches!(Problem::new(&a).method(Method::Bidiagonal).solve(&b, Ncp), Err(Error::Unsupported { .. })));
    // an estimate is said to be one, and is near the truth: the sum of three uniform numbers times 0.1 has the standard
    // deviation 0.1
    let (a, b) = blurred(400, 10, 0.1, 2);
    let fit = Problem::new(&a).solve(&b, Discrepancy::estimated()).unwrap();
    let noise =
        fit.report.warnings.iter().find_map(|w| if let Warning::NoiseEstimated { noise_std, .. } = w { Some(*noise_std) } else { None });
    assert!(near(noise.unwrap(), 0.1, 0.1), "{}", fit.report);
    assert!(near(fit.residual_norm, noise.unwrap() * 20.0, 1e-9));
}

/// Truncated SVD on a diagonal matrix by hand; on any matrix by what it has to be; k by brute force.
#[test]
fn truncation() {
    let values = [4.0, 0.5, 2.0, 1e-3];
    let a = Dense::from_fn(7, 4, |i, j| if i == j { values[j] } else { 0.0 });
    let b = [1.0, 2.0, 3.0, 0.1, 0.2, -0.1, 0.05];
    let factor = Problem::new(&a).factorize().unwrap();
    let fit = factor.truncated(&b, 3).unwrap();
    for (found, expected) in fit.x.iter().zip([0.25f64, 4.0, 1.5, 0.0]) {
        assert!((found - expected).abs() < 1e-14, "{:?}", fit.x);
    }
    assert_eq!(fit.dof, Some(3.0));
    assert!(near(fit.lambda, 0.25, 1e-14) && near(fit.residual_norm, (0.01f64 + 0.04 + 0.01 + 0.0025).sqrt(), 1e-14));
    assert!(factor.truncated(&b, 0).unwrap().x.iter().all(|&x| x == 0.0));
    assert!(matches!(factor.truncated(&b, 5), Err(Error::Shape { .. })));
    assert!(matches!(factor.truncated(&b, Evidence), Err(Error::Unsupported { .. })));

    for (m, n, order) in [(30, 10, 0), (30, 10, 2), (10, 16, 0), (14, 14, 1)] {
        let (a, b) = blurred(m, n, 0.02, 4);
        let penalty = || match order {
            0 => Penalty::identity(),
            1 => Penalty::first_difference(),
            _ => Penalty::second_difference(),
        };
        for intercept in [false, true] {
            let problem = Problem::new(&a).penalty(penalty());
            let problem = if intercept { problem.intercept() } else { problem };
            let factor = problem.factorize().unwrap();
            let spectrum = factor.spectrum(&b).unwrap();
            let most = spectrum.values.iter().filter(|&&v| v > spectrum.floor).count();
            let fits: Vec<_> = (0..=most).map(|k| factor.truncated(&b, k).unwrap()).collect();
            for (k, fit) in fits.iter().enumerate() {
                assert_eq!(fit.dof, Some((spectrum.unpenalised + k) as f64));
                // the residual norm is that of x
                let fitted = a.times(&fit.x);
                let residual = (0..m).map(|i| (b[i] - fitted[i] - fit.intercept).powi(2)).sum::<f64>().sqrt();
                assert!(
                    (residual - fit.residual_norm).abs() < 1e-9 * common::norm(&b),
                    "{m}×{n} k = {k}: {residual} {}",
                    fit.residual_norm
                );
            }
            for pair in fits.windows(2) {
                assert!(
                    pair[1].residual_norm <= pair[0].residual_norm * (1.0 + 1e-12)
                        && pair[1].penalty_norm >= pair[0].penalty_norm * (1.0 - 1e-9)
                );
            }
            // GCV, leave-one-out and the discrepancy by brute force
            let gcv = |k: usize| (fits[k].residual_norm / (m as f64 - fits[k].dof.unwrap())).powi(2);
            let count = |rule: Truncation| factor.truncated(&b, rule).map(|fit| fit.dof.unwrap() as usize - spectrum.unpenalised);
            let best = (0..=most).filter(|&k| m > k + spectrum.unpenalised).min_by(|&i, &j| gcv(i).total_cmp(&gcv(j))).unwrap();
            assert_eq!(count(Gcv.into()).unwrap(), best, "{m}×{n} order {order}");
            let target = fits[most / 2].residual_norm * 1.0001;
            let first = (0..=most).find(|&k| fits[k].residual_norm <= target).unwrap();
            assert_eq!(count(Discrepancy::noise_norm(target).into()).unwrap(), first);
            for rule in all_rules() {
                match factor.truncated(&b, rule) {
                    Ok(fit) => assert!(fit.x.iter().all(|x| x.is_finite())),
                    Err(error) => {
                        assert!(matches!(error, Error::Unsupported { .. } | Error::NoLambda { .. } | Error::Parameter { .. }), "{error}")
                    }
                }
            }
            assert!(factor.truncated(&b, Loo).is_ok() || m <= n, "{m}×{n}");
            assert!(
                factor.truncated(&b, LCurve::pruning()).is_ok()
                    && factor.truncated(&b, QuasiOptimality).is_ok()
                    && factor.truncated(&b, Ncp).is_ok()
            );
        }
    }
    let error = Problem::new(&a).method(Method::Bidiagonal).factorize().unwrap().truncated(&b, 2).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

/// The damped SVD by its filter factors, and its GCV against a scan.
#[test]
fn damped_svd() {
    let values = [4.0, 0.5, 2.0];
    let a = Dense::from_fn(6, 3, |i, j| if i == j { values[j] } else { 0.0 });
    let b = [1.0, 2.0, 3.0, 0.1, 0.2, -0.1];
    let factor = Problem::new(&a).factorize().unwrap();
    let fit = factor.damped_svd(&b, 0.25).unwrap();
    for j in 0..3 {
        assert!(near(fit.x[j], b[j] / (values[j] + 0.5), 1e-14));
    }
    assert!(near(fit.dof.unwrap(), values.iter().map(|v| v / (v + 0.5)).sum(), 1e-14));
    let (a, b) = blurred(30, 10, 0.05, 6);
    let factor = Problem::new(&a).intercept().factorize().unwrap();
    let gcv = |lambda: f64| {
        let fit = factor.damped_svd(&b, lambda).unwrap();
        (fit.residual_norm / (30.0 - fit.dof.unwrap())).powi(2)
    };
    let best = factor.damped_svd(&b, Gcv).unwrap().lambda;
    for lambda in wellposed::log_grid(1e-12..=1e4, 200) {
        assert!(gcv(lambda) >= gcv(best) * (1.0 - 1e-10), "{lambda:e} {best:e}");
    }
    assert!(factor.damped_svd(&b, Discrepancy::noise_norm(0.4)).is_ok());
    assert!(matches!(factor.damped_svd(&b, Evidence), Err(Error::Unsupported { .. })));
    assert!(matches!(factor.damped_svd(&b, LCurve), Err(Error::Unsupported { .. })));
}

/// The table holds what each rule says alone, in the caller's units, and its verdict follows from it.
#[test]
fn comparison() {
    for c in [1.0, 1e150] {
        let (a, b) = blurred(50, 12, 0.05, 8);
        let b: Vec<f64> = b.iter().map(|b| b * c).collect();
        let factor = Problem::new(&a).factorize().unwrap();
        let comparison = factor.compare_rules(&b).unwrap();
        println!("{comparison}");
        assert!(comparison.rows.len() >= 20);
        let mut answered = 0;
        for row in &comparison.rows {
            let Ok(choice) = &row.choice else { continue };
            answered += 1;
            let fit = factor.solve(&b, row.rule).unwrap();
            assert!(near(choice.lambda.value(), fit.lambda, 1e-9), "{}", row.name);
            assert!(
                near(choice.residual_norm, fit.residual_norm, 1e-9) && near(choice.penalty_norm, fit.penalty_norm, 1e-9),
                "{}",
                row.name
            );
            assert!(near(choice.dof, fit.dof.unwrap(), 1e-9));
            assert_eq!(choice.criterion, fit.report.criteria[0]);
            assert!(choice.criterion.evaluated.iter().all(|(lambda, value)| lambda.is_finite() && value.is_finite()), "{}", row.name);
        }
        assert!(answered >= 18, "{comparison}");
        assert!(near(comparison.noise.unwrap().noise_std, 0.05 * c, 0.3));
        let text = comparison.to_string();
        assert!(text.contains("GCV") && text.contains(&comparison.verdict) && text.lines().count() > 21);
        assert!(comparison.row("evidence").is_some());
    }
    // the noise is known: nothing is estimated
    let (a, b) = blurred(50, 12, 0.05, 8);
    let known = Problem::new(&a).noise_std(&[0.05]).factorize().unwrap().compare_rules(&b).unwrap();
    assert!(known.noise.is_none());
    // without singular vectors some rules do not apply, and say so
    let few = Problem::new(&a).method(Method::Bidiagonal).factorize().unwrap().compare_among(&b, [Rule::from(Loo), Gcv.into()]).unwrap();
    assert!(few.rows[0].choice.is_err() && few.rows[1].choice.is_ok() && few.to_string().contains("leave-one-out"));
    assert!(few.verdict.contains("Only one"));
    // a matrix b has a table for each column
    let two = [b.clone(), b.clone()].concat();
    assert_eq!(Problem::new(&a).factorize().unwrap().compare_rules(&DenseView::column_major(&two, 50, 2).unwrap()).unwrap().len(), 2);
}

/// Leverages by perturbing b, resolution by solving for the columns of A, whiteness of noise and of a trend, Picard's
/// numbers by their definition.
#[test]
fn diagnostics() {
    let (a, b) = blurred(30, 8, 0.05, 7);
    let weights: Vec<f64> = (0..8).map(|j| if j == 2 { 0.0 } else { 1.0 + j as f64 }).collect();
    for (penalty, intercept) in [(Penalty::identity(), false), (Penalty::diagonal(&weights), true)] {
        let problem = Problem::new(&a).penalty(penalty);
        let problem = if intercept { problem.intercept() } else { problem };
        let factor = problem.factorize().unwrap();
        let lambda = 1e-3;
        let found: Diagnostics = factor.diagnostics(&b, lambda).unwrap();
        let fit = factor.solve(&b, lambda).unwrap();
        assert!(near(found.dof, fit.dof.unwrap(), 1e-10) && near(found.residual_norm, fit.residual_norm, 1e-9));
        let h = found.leverages.as_ref().unwrap();
        assert!(near(h.iter().sum(), found.dof, 1e-10));
        for i in [0, 3, 29] {
            let mut moved = b.clone();
            moved[i] += 1.0;
            let other = factor.solve(&moved, lambda).unwrap();
            let change: f64 = (0..8).map(|j| a.at(i, j) * (other.x[j] - fit.x[j])).sum::<f64>() + other.intercept - fit.intercept;
            assert!((change - h[i]).abs() < 1e-9, "{change} {}", h[i]);
        }
        let resolution = found.resolution.as_ref().unwrap();
        for j in 0..8 {
            let column: Vec<f64> = (0..30).map(|i| a.at(i, j)).collect();
            let r = factor.solve(&column, lambda).unwrap().x[j];
            assert!((r - resolution[j]).abs() < 1e-9, "{j}: {r} {}", resolution[j]);
        }
        let spectrum = factor.spectrum(&b).unwrap();
        assert_eq!((&found.picard.values, &found.picard.coefficients), (&spectrum.values, &spectrum.coefficients));
        assert!(found.picard.noise_floor.is_some_and(|floor| near(floor, 0.05, 0.5)), "{:?}", found.picard);
        assert!(near(found.picard.rounding_floor, f64::EPSILON * spectrum.values[0], 1e-12));
        for (k, phi) in found.filters.iter().enumerate() {
            assert!(near(*phi, spectrum.values[k].powi(2) / (spectrum.values[k].powi(2) + lambda), 1e-12));
        }
        assert!(found.criterion.is_none() && !found.to_string().is_empty());
        assert!(factor.diagnostics(&b, Gcv).unwrap().criterion.is_some_and(|c| c.evaluated.len() > 20));
    }
    let factor = Problem::new(&a).factorize().unwrap();
    // as λ → ∞ the residual is b: a trend
    assert!(!factor.diagnostics(&b, 1e9).unwrap().whiteness.unwrap().is_white());
    assert!(factor.diagnostics(&b, Ncp).unwrap().whiteness.unwrap().is_white());
    let general = Problem::new(&a).penalty(Penalty::second_difference()).factorize().unwrap().diagnostics(&b, 1e-2).unwrap();
    assert!(general.resolution.is_none() && general.leverages.is_some());
}

/// No λ of a fine scan has a smaller error than the oracle's.
#[test]
fn oracle() {
    let (a, b) = blurred(40, 10, 0.05, 11);
    let x: Vec<f64> = (0..10).map(|j| (0.5 * j as f64).sin() + 0.3).collect();
    for intercept in [false, true] {
        let problem = Problem::new(&a).penalty(Penalty::first_difference());
        let factor = if intercept { problem.intercept() } else { problem }.factorize().unwrap();
        let best = factor.oracle(&b, &x).unwrap();
        let error = |lambda: f64| common::distance(&factor.solve(&b, lambda).unwrap().x, &x);
        assert!(near(best.report.criteria[0].value, error(best.lambda), 1e-9));
        for lambda in wellposed::log_grid(1e-12..=1e6, 400) {
            assert!(error(lambda) >= error(best.lambda) * (1.0 - 1e-6), "{lambda:e} {:e}", best.lambda);
        }
    }
    let factor = Problem::new(&a).factorize().unwrap();
    assert!(matches!(factor.oracle(&b, &x[..3]), Err(Error::Shape { .. })));
    let twice = [b.clone(), b.clone()].concat();
    let both = factor.oracle(
        &DenseView::column_major(&twice, 40, 2).unwrap(),
        &DenseView::column_major(&[x.clone(), x.clone()].concat(), 10, 2).unwrap(),
    );
    assert!(near(both.unwrap().lambda[1], factor.oracle(&b, &x).unwrap().lambda, 1e-6));
}
