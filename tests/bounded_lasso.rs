//! ℓ1 and the elastic net between bounds: scikit-learn's and cvxopt's answers (testdata/bounded_lasso.py), every pattern of small problems,
//! the first-order conditions computed here from x alone, and laws.

mod common;

use common::{close, eliminate, lasso_data, norm};
use serde::Deserialize;
use wellposed::method::{Admm, CoordinateDescent};
use wellposed::{Aicc, Bounds, Cgls, DenseView, Discrepancy, Error, KFold, Method, Operator, Penalty, Problem, Solution, SparseView, c64};

type Fit = Solution<f64, [f64]>;

#[derive(Deserialize)]
struct Case {
    rows: usize,
    columns: usize,
    mean: f64,
    intercept: bool,
    weighted: bool,
    lam: f64,
    rho: f64,
    kind: String,
    x: Vec<f64>,
    constant: f64,
}
/// The ends of the oracle's boxes.
fn ends(kind: &str, n: usize) -> (Vec<f64>, Vec<f64>) {
    if kind == "positive" {
        return (vec![0.0; n], vec![f64::INFINITY; n]);
    }
    let mut low: Vec<f64> = (0..n).map(|j| [-0.3, f64::NEG_INFINITY, 0.1, -1.0, -1.0][j % 5]).collect();
    let mut high: Vec<f64> = (0..n).map(|j| [1.5, 1.5, 1.5, f64::INFINITY, 0.2, 1.5, 1.5][j % 7]).collect();
    (low[3], high[3]) = (0.25, 0.25);
    (low, high)
}

/// Σwᵢ(b − Ax − c)ᵢ² + λ(ρ‖x‖₁ + (1 − ρ)‖x‖²), the parts of its gradient without |x|, and the sum of residuals.
struct Seen {
    objective: f64,
    slope: Vec<f64>,
    residuals: f64,
}

fn seen(a: &[f64], b: &[f64], weights: &[f64], (lambda, rho): (f64, f64), x: &[f64], constant: f64) -> Seen {
    let m = b.len();
    let r: Vec<f64> = (0..m).map(|i| b[i] - constant - x.iter().enumerate().map(|(j, x)| a[j * m + i] * x).sum::<f64>()).collect();
    let slope = |j: usize| 2.0 * (0..m).map(|i| a[j * m + i] * weights[i] * r[i]).sum::<f64>() - 2.0 * lambda * (1.0 - rho) * x[j];
    let penalty = rho * x.iter().map(|x| x.abs()).sum::<f64>() + (1.0 - rho) * x.iter().map(|x| x * x).sum::<f64>();
    Seen {
        objective: r.iter().zip(weights).map(|(r, w)| w * r * r).sum::<f64>() + lambda * penalty,
        slope: (0..x.len()).map(slope).collect(),
        residuals: r.iter().zip(weights).map(|(r, w)| w * r).sum(),
    }
}

/// How far −slope is from the subdifferential of λρ|x| widened by the normal cone of the box.
fn violation(slope: f64, bound: f64, x: f64, (low, high): (f64, f64)) -> f64 {
    let least = if x <= low {
        f64::NEG_INFINITY
    } else if x > 0.0 {
        bound
    } else {
        -bound
    };
    let most = if x >= high {
        f64::INFINITY
    } else if x < 0.0 {
        -bound
    } else {
        bound
    };
    (least - slope).max(slope - most).max(0.0)
}

#[test]
fn second_programs_and_the_first_order_conditions() -> Result<(), Error> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/bounded_lasso.json")).expect("the file of the oracle");
    assert_eq!(cases.len(), 72);
    for case in &cases {
        let (m, n) = (case.rows, case.columns);
        let (a, b) = lasso_data(m, n, case.mean);
        let starts: Vec<u32> = (0..=n).map(|j| (j * m) as u32).collect();
        let indices: Vec<u32> = (0..n * m).map(|k| (k % m) as u32).collect();
        agrees(case, &a, &b, &DenseView::column_major(&a, m, n)?)?;
        agrees(case, &a, &b, &SparseView::csc(m, n, &starts, &indices, &a)?)?;
    }
    Ok(())
}

fn agrees(case: &Case, a: &[f64], b: &[f64], operator: &impl Operator<Scalar = f64>) -> Result<(), Error> {
    let (m, n) = (case.rows, case.columns);
    let what = format!("{} {m}×{n}, λ = {}, ρ = {}", case.kind, case.lam, case.rho);
    let weights: Vec<f64> = (0..m).map(|i| if case.weighted { 1.0 + (i % 3) as f64 } else { 1.0 }).collect();
    let (low, high) = ends(&case.kind, n);
    let mut problem = Problem::new(operator).penalty(Penalty::identity().elastic_net(case.rho)).bounds(Bounds::each(&low, &high));
    if case.weighted {
        problem = problem.weights(&weights);
    }
    if case.intercept {
        problem = problem.intercept();
    }
    let fit: Fit = problem.solve(b, case.lam)?;
    assert_eq!(fit.report.method, "coordinate descent");
    close(&fit.x, &case.x, 1e-8, &what);
    assert!((fit.intercept - case.constant).abs() <= 1e-8 * (1.0 + case.constant.abs()), "{what}");
    let gap = fit.report.duality_gap.expect("a gap");
    assert!((0.0..=3e-12 * norm(b).powi(2)).contains(&gap), "{what}: gap {gap:e}");
    let seen = seen(a, b, &weights, (case.lam, case.rho), &fit.x, fit.intercept);
    let scale = case.lam * case.rho + norm(b);
    for j in 0..n {
        let off = violation(seen.slope[j], case.lam * case.rho, fit.x[j], (low[j], high[j]));
        assert!(off <= 1e-9 * scale, "{what}: {off:e} at component {j}");
        assert!(low[j] <= fit.x[j] && fit.x[j] <= high[j]);
    }
    assert!(!case.intercept || seen.residuals.abs() <= 1e-9 * norm(b));
    let constrained = &fit.report.constrained[0];
    assert!(constrained.kkt_residual <= 1e-10, "{what}: {constrained:?}");
    let at = |side: &[f64], other: &[f64]| (0..n).filter(|&j| fit.x[j] == side[j] && fit.x[j] != other[j]).count();
    assert_eq!(constrained.at_upper, at(&high, &low), "{what}");
    assert_eq!(constrained.at_lower, (0..n).filter(|&j| fit.x[j] == low[j]).count(), "{what}");
    let objective = fit.residual_norm.powi(2) + case.lam * fit.penalty_norm.powi(2);
    assert!((objective - seen.objective).abs() <= 1e-11 * objective, "{what}");
    Ok(())
}

/// Numbers in [−1, 1).
fn stream(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Least objective over all 5ⁿ patterns: each component at an end, at zero, or free with one of two signs.
fn by_patterns(a: &[f64], b: &[f64], (lambda, rho): (f64, f64), l1: &[f64], low: &[f64], high: &[f64]) -> f64 {
    let (m, n) = (b.len(), low.len());
    let gram = |i: usize, j: usize| (0..m).map(|k| a[i * m + k] * a[j * m + k]).sum::<f64>();
    let value = |x: &[f64]| {
        let r = (0..m).map(|i| b[i] - (0..n).map(|j| a[j * m + i] * x[j]).sum::<f64>()).map(|r| r * r).sum::<f64>();
        r + lambda * (0..n).map(|j| rho * l1[j] * x[j].abs() + (1.0 - rho) * l1[j] * l1[j] * x[j] * x[j]).sum::<f64>()
    };
    let mut least = f64::INFINITY;
    for pattern in 0..5usize.pow(n as u32) {
        let digit = |j: usize| pattern / 5usize.pow(j as u32) % 5;
        let mut x: Vec<f64> = (0..n).map(|j| [low[j], high[j], 0.0, 0.0, 0.0][digit(j)]).collect();
        if x.iter().any(|x| x.is_infinite()) {
            continue;
        }
        let free: Vec<usize> = (0..n).filter(|&j| digit(j) > 2).collect();
        let square = |j: usize| lambda * (1.0 - rho) * l1[j] * l1[j];
        let rows = free.iter().map(|&i| free.iter().map(|&j| gram(i, j) + if i == j { square(j) } else { 0.0 }).collect()).collect();
        let rest = |&j: &usize| {
            let along: f64 = (0..m).map(|i| a[j * m + i] * (b[i] - (0..n).map(|k| a[k * m + i] * x[k]).sum::<f64>())).sum();
            along - 0.5 * lambda * rho * l1[j] * if digit(j) == 3 { 1.0 } else { -1.0 }
        };
        let Some(solved) = eliminate(rows, free.iter().map(rest).collect()) else { continue };
        free.iter().zip(solved).for_each(|(&j, v)| x[j] = v);
        if (0..n).all(|j| x[j] >= low[j] && x[j] <= high[j]) {
            least = least.min(value(&x));
        }
    }
    least
}

/// No pattern of ends, zeros and signs has a smaller objective; the gap reported bounds what is left.
#[test]
fn every_pattern() -> Result<(), Error> {
    let mut unpenalised = 0;
    for seed in 0..60 {
        let mut next = stream(seed);
        let (m, n) = (3 + seed as usize % 4, 4);
        let a: Vec<f64> = (0..m * n).map(|_| next()).collect();
        let b: Vec<f64> = (0..m).map(|_| 3.0 * next()).collect();
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for j in 0..n {
            let (p, q) = (next(), next());
            let (l, h) = (p.min(q), p.max(q));
            let (l, h) = match (seed as usize + j) % 5 {
                0 => (l, f64::INFINITY),
                1 => (0.0, h.abs()),
                2 => (f64::NEG_INFINITY, h),
                _ => (l, h),
            };
            low.push(l);
            high.push(h);
        }
        // one weight of 0 where both ends are there
        let mut l1 = vec![1.0, 2.0, 0.5, 1.0];
        if low[3].is_finite() && high[3].is_finite() && m > 3 {
            (l1[3], unpenalised) = (0.0, unpenalised + 1);
        }
        let (lambda, rho) = ([0.05, 0.5, 2.0][seed as usize % 3], [1.0, 0.7, 0.01][seed as usize / 3 % 3]);
        let view = DenseView::column_major(&a, m, n)?;
        let penalty = Penalty::diagonal(&l1).elastic_net(rho);
        let fit: Fit = Problem::new(&view).penalty(penalty).bounds(Bounds::each(&low, &high)).solve(&b[..], lambda)?;
        let least = by_patterns(&a, &b, (lambda, rho), &l1, &low, &high);
        let found = fit.residual_norm.powi(2) + lambda * fit.penalty_norm.powi(2);
        assert!((found - least).abs() <= 1e-10 * least.max(1e-3), "seed {seed}: {found} is not {least}");
        assert!(found - least <= fit.report.duality_gap.unwrap() + 1e-13 * least.max(1.0), "seed {seed}: beyond the gap");
    }
    assert!(unpenalised > 5, "{unpenalised}");
    Ok(())
}

/// At λ_max every component is as near to 0 as its bounds permit, just below it one is not; x ≥ 0 asks for the positive part only.
#[test]
fn the_least_lambda_of_zero() -> Result<(), Error> {
    let (m, n) = (30, 8);
    let (a, b) = lasso_data(m, n, 0.0);
    let view = DenseView::column_major(&a, m, n)?;
    let along: Vec<f64> = (0..n).map(|j| 2.0 * (0..m).map(|i| a[j * m + i] * b[i]).sum::<f64>()).collect();
    let lasso = Problem::new(&view).penalty(Penalty::identity().l1());
    let positive = lasso.clone().bounds(0.0..).lambda_max(&b[..])?;
    let largest = along.iter().copied().fold(0.0, f64::max);
    assert!((positive - largest).abs() <= 1e-13 * largest);
    let negative = lasso.clone().bounds(..=0.0).lambda_max(&b[..])?;
    let most_negative = along.iter().map(|v| -v).fold(0.0, f64::max);
    assert!((negative - most_negative).abs() <= 1e-13 * most_negative && (negative - positive).abs() > 1e-3 * positive);
    let mut low = vec![-1.0; n];
    let mut high = vec![2.0; n];
    (low[1], high[1], low[2], high[2], low[4], high[4]) = (0.5, 1.0, -0.5, -0.25, 0.1, 0.1);
    for rho in [1.0, 0.4] {
        let boxed = Problem::new(&view).penalty(Penalty::identity().elastic_net(rho)).bounds(Bounds::each(&low, &high));
        let largest = boxed.lambda_max(&b[..])?;
        let nearest: Vec<f64> = (0..n).map(|j| 0.0f64.max(low[j]).min(high[j])).collect();
        let above: Fit = boxed.solve(&b[..], largest * (1.0 + 1e-9))?;
        assert_eq!(&above.x[..], &nearest[..], "ρ = {rho}");
        let below: Fit = boxed.solve(&b[..], largest * 0.99)?;
        assert_ne!(&below.x[..], &nearest[..], "ρ = {rho}");
    }
    Ok(())
}

/// Bounds that hold nothing change nothing; without ℓ1 (ρ → 0) it is the engine for quadratic penalties that has to agree, and without λ too.
#[test]
fn the_neighbours() -> Result<(), Error> {
    let (m, n) = (30, 8);
    let (a, b) = lasso_data(m, n, 0.0);
    let view = DenseView::column_major(&a, m, n)?;
    let net = |rho: f64| Problem::new(&view).penalty(Penalty::identity().elastic_net(rho)).intercept();
    let free: Fit = net(0.7).solve(&b[..], 3.0)?;
    let wide: Fit = net(0.7).bounds(-100.0..=100.0).solve(&b[..], 3.0)?;
    close(&wide.x, &free.x, 1e-12, "wide");
    assert_eq!(wide.dof, free.dof);
    assert_eq!((wide.report.constrained[0].at_lower, wide.report.constrained[0].at_upper), (0, 0));
    let bounds = || Bounds::from(-0.5..=1.0);
    let almost: Fit = net(1e-10).bounds(bounds()).solve(&b[..], 3.0)?;
    let ridge: Fit = Problem::new(&view).intercept().bounds(bounds()).solve(&b[..], 3.0)?;
    assert_eq!(almost.report.method, "coordinate descent");
    assert_ne!(ridge.report.method, "coordinate descent");
    close(&almost.x, &ridge.x, 1e-8, "ρ → 0");
    let zero: Fit = net(1.0).bounds(bounds()).solve(&b[..], 0.0)?;
    let least_squares: Fit = Problem::new(&view).intercept().bounds(bounds()).solve(&b[..], 0.0)?;
    close(&zero.x, &least_squares.x, 1e-12, "λ = 0");
    Ok(())
}

/// Prior mean and bounds are in the caller's units, a path is its fits, and single precision keeps to the bounds of its own.
#[test]
fn shifts_paths_and_scalars() -> Result<(), Error> {
    let (m, n) = (25, 60);
    let (a, b) = lasso_data(m, n, 0.0);
    let view = DenseView::column_major(&a, m, n)?;
    let lasso = || Problem::new(&view).penalty(Penalty::identity().l1());
    // x = x₀ + z with z ≥ 0 is x ≥ x₀
    let mean: Vec<f64> = (0..n).map(|j| 0.1 * ((j % 7) as f64 - 3.0)).collect();
    let shifted: Vec<f64> = (0..m).map(|i| b[i] - (0..n).map(|j| a[j * m + i] * mean[j]).sum::<f64>()).collect();
    let direct: Fit = lasso().prior_mean(&mean).bounds(Bounds::each(&mean, &vec![f64::INFINITY; n])).solve(&b[..], 4.0)?;
    let moved: Fit = lasso().bounds(0.0..).solve(&shifted[..], 4.0)?;
    let back: Vec<f64> = moved.x.iter().zip(&mean).map(|(z, x0)| z + x0).collect();
    close(&direct.x, &back, 1e-10, "prior mean");
    assert!(direct.x.iter().zip(&mean).filter(|(x, x0)| x == x0).count() > 20, "at the bound to the last bit");
    let lambdas = [0.5, 20.0, 3.0];
    let path = lasso().bounds(0.0..=1.0).path(&b[..], lambdas)?;
    for (fit, lambda) in path.iter().zip(lambdas) {
        let single: Fit = lasso().bounds(0.0..=1.0).solve(&b[..], lambda)?;
        close(&fit.x, &single.x, 1e-9, "path");
        assert!(fit.report.constrained[0].kkt_residual < 1e-10);
    }
    let single = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let (a32, b32) = (single(&a), single(&b));
    let view32 = DenseView::column_major(&a32, m, n)?;
    let fit = Problem::new(&view32).penalty(Penalty::identity().l1()).bounds(-0.1f32..=0.3).solve(&b32, 3.0)?;
    let double: Fit = lasso().bounds(f64::from(-0.1f32)..=f64::from(0.3f32)).solve(&b[..], 3.0)?;
    for (x, y) in fit.x.iter().zip(double.x.iter()) {
        assert!((f64::from(*x) - y).abs() < 1e-5 && (-0.1..=0.3).contains(x), "{x} {y}");
    }
    assert!(fit.x.contains(&0.3) && fit.x.contains(&-0.1));
    Ok(())
}

/// λ is chosen for the bounded problem: K-fold errors are those of bounded refits, and the discrepancy is met by a bounded fit.
#[test]
fn rules_see_the_bounded_problem() -> Result<(), Error> {
    let (m, n) = (40, 12);
    let (a, b) = lasso_data(m, n, 2.0);
    let view = DenseView::column_major(&a, m, n)?;
    let problem = || Problem::new(&view).penalty(Penalty::identity().l1()).bounds(0.0..).intercept();
    let fit: Fit = problem().solve(&b[..], KFold::new(4))?;
    let criterion = &fit.report.criteria[0];
    let (lambda, error) = criterion.evaluated[30];
    // the same error from refits by hand, on the same folds: those of consecutive rows would not do
    let folds = KFold::new(4);
    let by_hand = |assign: &dyn Fn(usize) -> usize| -> Result<f64, Error> {
        let mut sum = 0.0;
        for fold in 0..4 {
            let kept: Vec<usize> = (0..m).filter(|&i| assign(i) != fold).collect();
            let part: Vec<f64> = (0..n).flat_map(|j| kept.iter().map(move |&i| (i, j))).map(|(i, j)| a[j * m + i]).collect();
            let rest: Vec<f64> = kept.iter().map(|&i| b[i]).collect();
            let part = DenseView::column_major(&part, kept.len(), n)?;
            let refit: Fit = Problem::new(&part).penalty(Penalty::identity().l1()).bounds(0.0..).intercept().solve(&rest[..], lambda)?;
            let off = |i: usize| b[i] - refit.intercept - (0..n).map(|j| a[j * m + i] * refit.x[j]).sum::<f64>();
            sum += (0..m).filter(|&i| assign(i) == fold).map(|i| off(i).powi(2)).sum::<f64>();
        }
        Ok(sum)
    };
    let labels: Vec<usize> = (0..m).map(|i| i % 4).collect();
    let grouped: Fit = problem().groups(&labels).solve(&b[..], folds)?;
    let (grouped_lambda, grouped_error) = grouped.report.criteria[0].evaluated[30];
    assert_eq!(grouped_lambda, lambda);
    assert!(error > 0.0);
    let expected = by_hand(&|i| i % 4)?;
    assert!((grouped_error - expected).abs() <= 1e-4 * expected, "{grouped_error} is not {expected}");
    let information: Fit = problem().solve(&b[..], Aicc)?;
    let inside = information.x.iter().filter(|x| **x > 0.0).count();
    assert_eq!(information.dof, Some(inside as f64 + 1.0));
    let bounded: Fit = problem().solve(&b[..], 1.0)?;
    let target = 1.3 * bounded.residual_norm;
    let met: Fit = problem().solve(&b[..], Discrepancy::noise_norm(target).safety(1.0))?;
    assert!((met.residual_norm - target).abs() <= 1e-7 * target && met.x.iter().all(|x| *x >= 0.0));
    Ok(())
}

/// Columns read where they lie, copied from other indices, out of order, with a place stored twice, by rows: one answer.
#[test]
fn every_storage_of_columns() -> Result<(), Error> {
    let (m, n) = (25, 60);
    let (mut a, b) = lasso_data(m, n, 0.0);
    (0..m * n).filter(|k| k % 3 == 1).for_each(|k| a[k] = 0.0);
    let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 4) as f64).collect();
    let (mut starts, mut places, mut values) = (vec![0u32], Vec::new(), Vec::new());
    for j in 0..n {
        let stored: Vec<usize> = (0..m).filter(|i| a[j * m + i] != 0.0).collect();
        places.extend(stored.iter().map(|&i| i as u32));
        values.extend(stored.iter().map(|i| a[j * m + i]));
        starts.push(places.len() as u32);
    }
    let wide: (Vec<usize>, Vec<usize>) = (starts.iter().map(|&v| v as usize).collect(), places.iter().map(|&v| v as usize).collect());
    let signed: (Vec<i32>, Vec<i32>) = (starts.iter().map(|&v| v as i32).collect(), places.iter().map(|&v| v as i32).collect());
    let mut backwards = (places.clone(), values.clone());
    let (mut doubled_starts, mut doubled) = (vec![0u32], (Vec::new(), Vec::new()));
    for j in 0..n {
        let range = starts[j] as usize..starts[j + 1] as usize;
        backwards.0[range.clone()].reverse();
        backwards.1[range.clone()].reverse();
        for k in range {
            doubled.0.extend([places[k]; 2]);
            doubled.1.extend([0.25 * values[k], 0.75 * values[k]]);
        }
        doubled_starts.push(doubled.0.len() as u32);
    }
    let transposed: Vec<f64> = (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| a[j * m + i]).collect();
    let by_rows: (Vec<u32>, Vec<u32>) = ((0..=m).map(|i| (i * n) as u32).collect(), (0..m * n).map(|k| (k % n) as u32).collect());
    let views = [
        SparseView::csc(m, n, &starts, &places, &values)?,
        SparseView::csc(m, n, &wide.0, &wide.1, &values)?,
        SparseView::csc(m, n, &signed.0, &signed.1, &values)?,
        SparseView::csc(m, n, &starts, &backwards.0, &backwards.1)?,
        SparseView::csc(m, n, &doubled_starts, &doubled.0, &doubled.1)?,
        SparseView::csr(m, n, &by_rows.0, &by_rows.1, &transposed)?,
    ];
    let dense = DenseView::column_major(&a, m, n)?;
    for (intercept, weighted, lambda) in [(false, false, 2.0), (true, false, 2.0), (true, true, 5.0), (false, true, 5.0)] {
        let fit = |problem: Problem<'_, f64>| -> Result<Fit, Error> {
            let mut problem = problem.penalty(Penalty::identity().l1()).bounds(-0.5..=2.0);
            if intercept {
                problem = problem.intercept();
            }
            if weighted {
                problem = problem.weights(&weights);
            }
            problem.solve(&b[..], lambda)
        };
        let expected = fit(Problem::new(&dense))?;
        for (k, view) in views.iter().enumerate() {
            let found = fit(Problem::new(view))?;
            close(&found.x, &expected.x, 1e-9, &format!("storage {k}, intercept {intercept}, weights {weighted}"));
        }
    }
    Ok(())
}

#[test]
fn refusals_name_the_way_out() -> Result<(), Error> {
    let (m, n) = (30, 8);
    let (a, b) = lasso_data(m, n, 0.0);
    let view = DenseView::column_major(&a, m, n)?;
    let refused = |problem: Problem<'_, f64>, words: &[&str]| {
        let error = problem.solve(&b[..], 1.0).map(|fit: Fit| fit.x).expect_err("a refusal");
        let text = error.to_string();
        words.iter().for_each(|word| assert!(text.contains(word), "{text}"));
        let plan = problem.plan(1.0).expect_err("the plan refuses it, too");
        assert_eq!(plan.to_string(), text);
    };
    let l1 = || Problem::new(&view).penalty(Penalty::identity().l1()).bounds(0.0..);
    refused(Problem::new(&view).penalty(Penalty::identity().group_lasso(&[0, 0, 1, 1, 2, 2, 3, 3])).bounds(0.0..), &["group", "l1()"]);
    refused(l1().method(CoordinateDescent::new()).method(Cgls::new()), &["CGLS", "Auto"]);
    refused(l1().method(Method::Qr), &["QR", "CoordinateDescent"]);
    refused(l1().method(Admm::new()), &["bounds", "l1()"]);
    refused(Problem::new(&view).penalty(Penalty::first_difference().l1()).bounds(0.0..), &["bounds", "l1()"]);
    let mut weights = vec![1.0; n];
    weights[2] = 0.0;
    refused(Problem::new(&view).penalty(Penalty::diagonal(&weights).l1()).bounds(0.0..), &["penalty weight 0", "both sides"]);
    refused(Problem::new(&view).penalty(Penalty::identity().power(1.0)).bounds(0.0..), &["reweighting", "l1()"]);
    let ones = vec![1.0; n];
    let sum = DenseView::column_major(&ones, 1, n)?;
    refused(l1().equality(&sum, &[1.0]), &["equality", "drop"]);
    let complex: Vec<c64> = a.iter().map(|&v| c64::new(v, 0.0)).collect();
    let complex_b: Vec<c64> = b.iter().map(|&v| c64::new(v, 0.0)).collect();
    let complex = DenseView::column_major(&complex, m, n)?;
    let error = Problem::new(&complex).penalty(Penalty::identity().l1()).bounds(0.0..).solve(&complex_b, 1.0).map(drop).unwrap_err();
    assert!(error.to_string().contains("no order"), "{error}");
    // ends upside down, and fixed components
    let mut low = vec![0.0; n];
    low[5] = 2.0;
    let error = l1().bounds(Bounds::each(&low, &vec![1.0; n])).solve(&b[..], 1.0).map(|fit: Fit| fit.x).unwrap_err();
    assert!(matches!(error, Error::Bounds { index: 5, .. }), "{error}");
    let fixed: Fit = l1().bounds(Bounds::each(&ones, &ones)).solve(&b[..], 1.0)?;
    assert_eq!(&fixed.x[..], &ones[..]);

    Ok(())
}
