use super::kernels::Work;
use super::*;
use crate::factor::jacobi::jacobi_svd;
use crate::linalg::{Accum, Op};
use crate::random::Random;
use crate::scalar::Real;
use crate::scalar::c64;

/// ‖RᴴR − MᴴM‖ over ‖M‖², M = [1 A B] with its rows scaled.
fn defect<T: Scalar>(r: &Mat<T>, m: &Mat<T>) -> f64 {
    let w = m.ncols();
    let gram = |m: &Mat<T>| {
        let mut g = linalg::zeros::<T>(w, w);
        T::product(g.as_mut(), Accum::Replace, T::ONE, m.as_ref(), Op::Adjoint, m.as_ref(), Op::None, Threads::ONE);
        g
    };
    let (found, expected) = (gram(r), gram(m));
    let size = linalg::column_norms(m.as_ref());
    let mut worst = 0.0f64;
    for i in 0..w {
        for j in 0..w {
            let difference = (found[(i, j)] - expected[(i, j)]).modulus().to_f64();
            worst = worst.max(difference / (size[i] * size[j]).max(f64::MIN_POSITIVE));
        }
    }
    worst
}

fn whole<T: Scalar>(block: &Block<'_, T>) -> Mat<T> {
    let mut all = linalg::zeros(block.rows(), block.width());
    block.copy(0, &[], all.as_mut());
    all
}

fn same_gram<T: Scalar>(rows: usize, n: usize, offset: f64, threads: usize) {
    let mut random = Random::new(11);
    let a = Mat::from_fn(rows, n, |_, j| {
        T::from_real(T::Real::from_f64(offset * (1.0 + j as f64))) + random.scalars::<T>(1)[0].scale(T::Real::from_f64(0.1 + j as f64))
    });
    let b = Mat::from_fn(rows, 1, |_, _| random.scalars::<T>(1)[0]);
    let scale: Vec<T::Real> = (0..rows).map(|i| T::Real::from_f64(1.0 + (i % 5) as f64)).collect();
    for scale in [None, Some(scale.as_slice())] {
        let block = Block { a: a.as_ref(), b: b.as_ref(), scale, factor: T::Real::ONE };
        let mut rows = Accumulated::new(n + 2, Threads(threads));
        assert!(rows.push(&block));
        let found = defect(&rows.triangle(), &whole(&block));
        assert!(found < 200.0 * T::Real::EPSILON.to_f64(), "{found:e}");
    }
}

#[test]
fn the_triangle_has_the_gram_matrix_of_the_rows() {
    for threads in [1, 3] {
        same_gram::<f64>(40_000, 7, 3.0, threads);
        same_gram::<f64>(3, 7, 3.0, threads);
        same_gram::<c64>(20_000, 12, 0.0, threads);
        same_gram::<f32>(9_000, 5, 1.0, threads);
    }
}

/// The Gram kernel is used where it keeps the digits, and only there: σ_min of the whole is right to ε·σ_max in both cases.
#[test]
fn the_gram_kernel_knows_its_limit() {
    let mut random = Random::new(5);
    let (rows, n) = (8000, 6);
    for (distance, expected) in [(1.0, true), (1e-3, false), (1e-10f64, false)] {
        let common: Vec<f64> = random.scalars(rows);
        let mut own: Vec<f64> = random.scalars(rows * n);
        for j in 0..n {
            for i in 0..rows {
                own[i + j * rows] = 30.0 + distance * own[i + j * rows] + if j < 2 && distance < 1.0 { common[i] } else { 0.0 };
            }
        }
        let b: Vec<f64> = random.scalars(rows);
        let (a, b) = (MatRef::from_column_major_slice(&own, rows, n), MatRef::from_column_major_slice(&b, rows, 1));
        let block = Block { a, b, scale: None, factor: 1.0 };
        let mut work = Work::new(1000, n + 2);
        assert_eq!(work.by_gram(&block, 0, rows).is_some(), expected, "{distance}");
        // by rotations of the columns: an SVD that begins with a QR factorization may drop what is left of a dependent one
        let values = |m: &Mat<f64>| jacobi_svd(m.as_ref(), Threads::ONE).unwrap().s;
        let mut accumulated = Accumulated::new(n + 2, Threads::ONE);
        assert!(accumulated.push(&block));
        let (found, exact) = (values(&accumulated.triangle()), values(&whole(&block)));
        for (value, reference) in found.iter().zip(&exact) {
            assert!((value - reference).abs() <= 60.0 * f64::EPSILON * exact[0], "{distance}: {value} is not {reference}");
        }
    }
}

/// Squares that overflow or vanish, columns of zeros and of constants.
#[test]
fn columns_beyond_the_range_of_squares() {
    for size in [1e200, 1e-200, 0.0f64] {
        let mut random = Random::new(3);
        let a = Mat::from_fn(3000, 2, |_, j| if j == 0 { size * random.normal() } else { 2.0 });
        let b = Mat::from_fn(3000, 1, |_, _| random.normal());
        let mut rows = Accumulated::new(4, Threads::ONE);
        assert!(rows.push(&Block { a: a.as_ref(), b: b.as_ref(), scale: None, factor: 1.0 }));
        let triangle = rows.triangle();
        let norms = linalg::column_norms(triangle.as_ref());
        let expected = [linalg::column_norms(a.as_ref())[0], linalg::column_norms(a.as_ref())[1], linalg::column_norms(b.as_ref())[0]];
        for (found, expected) in norms[1..].iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-13 * expected, "{found} {expected}");
        }
    }
}

/// Rows whose columns depend on each other but for `distance`.
fn dependent(rows: usize, n: usize, distance: f64, random: &mut Random) -> (Mat<f64>, Mat<f64>) {
    let (common, own): (Vec<f64>, Vec<f64>) = (random.scalars(rows), random.scalars(rows * n));
    let a = Mat::from_fn(rows, n, |i, j| common[i] * (1.0 + j as f64) + own[i + j * rows] * distance);
    (a, Mat::from_fn(rows, 1, |i, _| own[i]))
}

/// A stream of dependent columns, on one thread and on several, in blocks that are reduced at once and blocks that wait: the triangle has the
/// Gram matrix of the rows, column by column, and the small singular values are those of one factorization.
#[test]
fn streams_of_dependent_columns_keep_their_digits() {
    let mut random = Random::new(41);
    let (rows, n) = (30_000, 5);
    let (mut a, b) = dependent(rows, n, 1e-7, &mut random);
    // from here on the columns depend on each other in another way, and one is constant
    for i in 20_000..rows {
        a[(i, 2)] = 1.0;
        a[(i, 4)] = a[(i, 3)];
    }
    let all = Block { a: a.as_ref(), b: b.as_ref(), scale: None, factor: 1.0 };
    let values = |m: &Mat<f64>| {
        let mut s = vec![0.0; n + 2];
        <f64 as linalg::Kernels>::svd(m.as_ref(), &mut s, None, None, false, Threads::ONE).unwrap();
        s
    };
    let expected = values(&factored(&mut whole(&all)));
    for (size, threads) in [(30_000, 1), (7000, 2), (300, 1), (1111, 3)] {
        let mut stream = Accumulated::new(n + 2, Threads(threads));
        for start in (0..rows).step_by(size) {
            let count = size.min(rows - start);
            let part = Block { a: a.as_ref().subrows(start, count), b: b.as_ref().subrows(start, count), scale: None, factor: 1.0 };
            assert!(stream.push(&part));
        }
        let triangle = stream.triangle();
        let defect = defect(&triangle, &whole(&all));
        assert!(defect < 200.0 * f64::EPSILON, "{size}: {defect:e}");
        for (found, expected) in values(&triangle).iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= 1e-14 * expected + 60.0 * f64::EPSILON * values(&triangle)[0],
                "{size}: {found} {expected}"
            );
        }
    }
}
