//! Rules against certified choices of λ (`testdata/regtools`): seventeen problems, three penalties, five rules, computed by
//! ball arithmetic.

use wellposed::{DenseView, Discrepancy, Factorization, Gcv, LCurve, Lambda, Ncp, Penalty, Problem, QuasiOptimality, Rule};

const N: usize = 64;

struct Row {
    problem: String,
    matrix: usize,
    data: usize,
    order: usize,
    rule: String,
    damping: f64,
    penalty_norm: f64,
    residual_norm: f64,
    dof: f64,
    noise_norm: f64,
}

fn bytes(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/regtools").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn numbers(name: &str) -> Vec<f64> {
    bytes(name).chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect()
}

fn rows() -> Vec<Row> {
    let text = String::from_utf8(bytes("certified.csv")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |k: usize| cells[k].parse::<f64>().unwrap();
        let count = |k: usize| cells[k].parse::<usize>().unwrap();
        Row {
            problem: cells[0].into(),
            matrix: count(1),
            data: count(2),
            order: count(3),
            rule: cells[4].into(),
            damping: number(5),
            penalty_norm: number(6),
            residual_norm: number(7),
            dof: number(8),
            noise_norm: number(9),
        }
    };
    text.lines().skip(1).map(row).collect()
}

fn factorize(matrix: &[f64], order: usize) -> Factorization<f64> {
    let a = DenseView::row_major(matrix, N, N).unwrap();
    let penalty = match order {
        0 => Penalty::identity(),
        1 => Penalty::first_difference(),
        _ => Penalty::second_difference(),
    };
    Problem::new(&a).penalty(penalty).factorize().unwrap()
}

fn near(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs()
}

#[test]
fn certified_choices_and_solutions() {
    let (matrices, data, solutions) = (numbers("matrices.f64"), numbers("data.f64"), numbers("solutions.f64"));
    let rows = rows();
    assert_eq!(solutions.len(), N * rows.len());
    let (mut wrong, mut exact, mut better) = (Vec::new(), 0, 0);
    let mut kept: Option<(usize, usize, Factorization<f64>)> = None;
    for (k, row) in rows.iter().enumerate() {
        if kept.as_ref().is_none_or(|(matrix, order, _)| (*matrix, *order) != (row.matrix, row.order)) {
            kept = Some((row.matrix, row.order, factorize(&matrices[row.matrix * N * N..][..N * N], row.order)));
        }
        let factor = &kept.as_ref().unwrap().2;
        let b = &data[row.data * N..][..N];
        let who = format!("{} L{} {}", row.problem, row.order, row.rule);
        let (rule, tolerance): (Rule, f64) = match row.rule.as_str() {
            "gcv" => (Gcv.into(), 1e-3),
            "l_curve" => (LCurve.into(), 1e-3),
            "quasiopt" => (QuasiOptimality.into(), 1e-3),
            "ncp" => (Ncp.into(), 1e-2),
            "discrep" => (Discrepancy::noise_norm(row.noise_norm).into(), 1e-8),
            other => panic!("{other}"),
        };
        match factor.solve(b, rule) {
            Err(error) => wrong.push(format!("{who}: {error}")),
            Ok(fit) => {
                let damping = fit.report.fits[0].lambda.damping();
                if near(damping, row.damping, tolerance) {
                    exact += 1;
                } else {
                    // another minimum is as good an answer if the certified one is seen and is no better
                    let criterion = &fit.report.criteria[0];
                    let seen = criterion.minima.iter().find(|(lambda, _)| near(lambda.sqrt(), row.damping, tolerance));
                    let gcv = |damping: f64| factor.curve(b, [damping * damping]).unwrap()[0].gcv;
                    let no_worse = match (row.rule.as_str(), seen) {
                        ("gcv", _) => gcv(damping) <= gcv(row.damping) * (1.0 + 1e-8),
                        ("l_curve", Some((_, curvature))) => criterion.value >= curvature * (1.0 - 1e-8),
                        (_, Some((_, value))) => criterion.value <= value * (1.0 + 1e-8),
                        (_, None) => false,
                    };
                    better += usize::from(no_worse);
                    if !no_worse {
                        wrong.push(format!("{who}: damping {damping:e}, certified {:e}, minima {:?}", row.damping, criterion.minima));
                    }
                }
            }
        }
        // the solution and its norms at the certified λ
        let fit = factor.solve(b, Lambda::from_damping(row.damping)).unwrap();
        let x = &solutions[k * N..][..N];
        let error = fit.x.iter().zip(x).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() / x.iter().map(|v| v * v).sum::<f64>().sqrt();
        let limit = if row.order == 0 { 1e-8 } else { 1e-6 };
        if !(error <= limit) {
            wrong.push(format!("{who}: x is {error:.1e} off"));
        }
        for (what, found, expected) in [
            ("residual norm", fit.residual_norm, row.residual_norm),
            ("penalty norm", fit.penalty_norm, row.penalty_norm),
            ("dof", fit.dof.unwrap(), row.dof),
        ] {
            if !near(found, expected, limit) {
                wrong.push(format!("{who}: {what} {found:e}, certified {expected:e}"));
            }
        }
    }
    println!("{exact} as certified, {better} no worse, of {}", rows.len());
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(exact > 200 && better < rows.len() / 10, "{exact} as certified, {better} no worse");
}
