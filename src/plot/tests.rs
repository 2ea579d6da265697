//! The sums behind the figures against the solver and against dense inverses.

use super::view::{Deviation, Fields};
use super::{only, view};
use crate::factorization::Factorization;
use crate::method::Method;
use crate::operator::DenseView;
use crate::penalty::Penalty;
use crate::problem::Problem;
use crate::random::Random;
use crate::scalar::{Scalar, c64};

struct Case {
    name: &'static str,
    rows: usize,
    columns: usize,
    method: Method,
    /// Rows of L as differences of this order; 0 is the identity.
    order: usize,
    intercept: bool,
    weights: bool,
    prior: bool,
    scale: f64,
}

fn cases() -> Vec<Case> {
    let plain = || Case {
        name: "tall",
        rows: 12,
        columns: 5,
        method: Method::Auto,
        order: 0,
        intercept: false,
        weights: false,
        prior: false,
        scale: 1.0,
    };
    vec![
        plain(),
        Case { name: "wide", rows: 5, columns: 9, ..plain() },
        Case { name: "square", rows: 8, columns: 8, ..plain() },
        Case { name: "second difference", order: 2, columns: 8, ..plain() },
        Case { name: "wide, first difference", order: 1, rows: 6, columns: 9, ..plain() },
        Case { name: "GSVD", order: 2, columns: 8, method: Method::Gsvd, ..plain() },
        Case { name: "wide GSVD", order: 1, rows: 6, columns: 9, method: Method::Gsvd, ..plain() },
        Case { name: "everything", order: 1, columns: 6, intercept: true, weights: true, prior: true, ..plain() },
        Case {
            name: "everything by GSVD",
            order: 2,
            columns: 6,
            intercept: true,
            weights: true,
            prior: true,
            method: Method::Gsvd,
            ..plain()
        },
        Case { name: "large numbers", order: 1, columns: 6, scale: 1e60, intercept: true, ..plain() },
        Case { name: "small numbers", scale: 1e-60, prior: true, ..plain() },
    ]
}

fn differences(order: usize, n: usize) -> Vec<Vec<f64>> {
    let stencil: &[f64] = match order {
        0 => &[1.0],
        1 => &[-1.0, 1.0],
        _ => &[1.0, -2.0, 1.0],
    };
    let row = |i: usize| (0..n).map(|j| if j >= i { stencil.get(j - i).copied().unwrap_or(0.0) } else { 0.0 }).collect();
    (0..n + 1 - stencil.len()).map(row).collect()
}

/// The inverse by Gauss and Jordan with row interchanges.
fn inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    let mut inverse: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, pivot);
        inverse.swap(k, pivot);
        let scale = 1.0 / a[k][k];
        a[k].iter_mut().chain(inverse[k].iter_mut()).for_each(|v| *v *= scale);
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i][k];
            for j in 0..n {
                a[i][j] -= factor * a[k][j];
                inverse[i][j] -= factor * inverse[k][j];
            }
        }
    }
    inverse
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "{what}, entry {i}: {f}, not {e}");
    }
}

#[test]
fn modes_give_the_solution_its_residual_and_its_variance() {
    for (seed, case) in cases().into_iter().enumerate() {
        let (m, n) = (case.rows, case.columns);
        let mut random = Random::new(seed as u64 + 1);
        let a: Vec<f64> = random.scalars::<f64>(m * n).into_iter().map(|v| v * case.scale).collect();
        let b: Vec<f64> = random.scalars(m);
        let view_of_a = DenseView::column_major(&a, m, n).unwrap();
        let weights: Vec<f64> = (0..m).map(|i| if case.weights { 0.5 + i as f64 / 4.0 } else { 1.0 }).collect();
        let mean: Vec<f64> = (0..n).map(|j| if case.prior { (j as f64 - 2.0) / case.scale } else { 0.0 }).collect();
        let mut problem = Problem::new(&view_of_a).method(case.method.clone()).weights(&weights).prior_mean(&mean);
        problem = match case.order {
            0 => problem,
            1 => problem.penalty(Penalty::first_difference()),
            _ => problem.penalty(Penalty::second_difference()),
        };
        if case.intercept {
            problem = problem.intercept();
        }
        let factor: Factorization<f64> = problem.factorize().unwrap();
        let modes = only(factor.modes(&b).unwrap());
        let view = view(&factor, &b).unwrap();
        let fields = Fields { modes: &modes, view: &view };
        assert_eq!(fields.kind(), Deviation::Posterior);
        let l = differences(case.order, n);
        for relative in [1e-8, 1e-3, 1.0, 1e5] {
            let lambda = relative * case.scale * case.scale;
            let what = format!("{} at λ = {relative}", case.name);
            let fit = factor.solve(&b, lambda).unwrap();
            close(&fields.solution(lambda), &fit.x, 1e-9, &what);
            let residual: Vec<f64> = (0..m)
                .map(|i| {
                    let image: f64 = (0..n).map(|j| a[j * m + i] * fit.x[j]).sum();
                    (b[i] - image - fit.intercept) * weights[i].sqrt()
                })
                .collect();
            let scale = b.iter().fold(0.0f64, |s, v| s.max(v.abs()));
            for (found, expected) in fields.residual(lambda).iter().zip(&residual) {
                assert!((found - expected).abs() < 1e-8 * scale * weights[m - 1].sqrt().max(1.0), "{what}: {found}, not {expected}");
            }
            let at = view.at(lambda);
            assert!((at.residual_norm - fit.residual_norm).abs() <= 1e-8 * at.residual_norm.max(1e-8), "{what}");
            assert!((at.penalty_norm - fit.penalty_norm).abs() <= 1e-8 * at.penalty_norm, "{what}");
            assert!((at.dof - fit.dof.unwrap()).abs() <= 1e-9 * at.dof, "{what}");
            // diag (AᵀWA + λLᵀL)⁻¹ with A centred where there is an intercept, in units of A
            let total: f64 = weights.iter().sum();
            let centre = |j: usize| {
                let mean = (0..m).map(|i| weights[i] * a[j * m + i] / case.scale).sum::<f64>() / total;
                move |v: f64| v / case.scale - if case.intercept { mean } else { 0.0 }
            };
            let gram = |i: usize, j: usize| {
                let (ci, cj) = (centre(i), centre(j));
                let data: f64 = (0..m).map(|k| weights[k] * ci(a[i * m + k]) * cj(a[j * m + k])).sum();
                data + relative * l.iter().map(|row| row[i] * row[j]).sum::<f64>()
            };
            let inverse = inverse((0..n).map(|i| (0..n).map(|j| gram(i, j)).collect()).collect());
            let expected: Vec<f64> = (0..n).map(|i| inverse[i][i].sqrt() / case.scale).collect();
            // a wide problem with next to no λ is known to a few digits only, by the dense inverse
            let tolerance = if m < n && relative < 1e-6 { 1e-5 } else { 1e-7 };
            close(&fields.deviation(lambda, 1.0), &expected, tolerance, &what);
        }
    }
}

/// A singular value that is rounding is not inverted, whatever λ is.
#[test]
fn rounding_is_left_out_as_the_engine_leaves_it_out() {
    let mut random = Random::new(9);
    let mut a: Vec<f64> = random.scalars(9 * 4);
    for i in 0..9 {
        a[27 + i] = a[i] - a[9 + i];
    }
    let b: Vec<f64> = random.scalars(9);
    let factor = Problem::new(&DenseView::column_major(&a, 9, 4).unwrap()).factorize().unwrap();
    let modes = only(factor.modes(&b).unwrap());
    let view = view(&factor, &b).unwrap();
    let fit = factor.solve(&b, 1e-60).unwrap();
    close(&Fields { modes: &modes, view: &view }.solution(1e-60), &fit.x, 1e-12, "rank 3 of 4");
}

/// Real parts of a complex problem.
#[test]
fn complex_modes_are_the_real_parts() {
    let mut random = Random::new(5);
    let a: Vec<c64> = random.scalars(7 * 4);
    let b: Vec<c64> = random.scalars(7);
    let factor = Problem::new(&DenseView::column_major(&a, 7, 4).unwrap()).factorize().unwrap();
    let modes = only(factor.modes(&b).unwrap());
    let view = view(&factor, &b).unwrap();
    let fit = factor.solve(&b, 0.2).unwrap();
    let expected: Vec<f64> = fit.x.iter().map(|v| v.real()).collect();
    close(&Fields { modes: &modes, view: &view }.solution(0.2), &expected, 1e-12, "complex");
}

#[test]
fn without_vectors_there_is_a_way_out() {
    let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
    let a = DenseView::column_major(&a, 4, 2).unwrap();
    let factor = Problem::new(&a).method(Method::Bidiagonal).factorize().unwrap();
    let b = [1.0, 2.0, 3.0, 4.5];
    let error = super::solution(&factor, &b, 0.1).unwrap_err().to_string();
    assert!(error.contains("Method::Svd"), "{error}");
    // the curve needs no vectors
    assert!(super::l_curve(&factor, &b).is_ok());
}
