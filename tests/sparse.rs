//! A sparse A: its products against sums written out, its engines against the SVD of the same matrix stored densely.

use wellposed::method::{Cgls, Method};
use wellposed::operator::{Boundary, Entries, dot_test, sparse::Index};
use wellposed::{
    Choice, DenseView, Discrepancy, Error, Gcv, Lambda, Loo, Operator, Penalty, Problem, Real, Result, Scalar, Solution, SparseView, c32,
    c64,
};

/// A small generator, so that every run sees the same matrices.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }
    fn scalar<T: Scalar>(&mut self) -> T {
        T::from_parts(T::Real::from_f64(self.unit()), T::Real::from_f64(self.unit()))
    }
}

/// Compressed rows that own their arrays, and the same matrix by columns and densely (column-major).
struct Matrix<T, I> {
    m: usize,
    n: usize,
    starts: Vec<I>,
    indices: Vec<I>,
    values: Vec<T>,
}

impl<T: Scalar, I: Index + TryFrom<usize>> Matrix<T, I> {
    fn from_rows(n: usize, rows: &[Vec<(usize, T)>]) -> Self {
        let index = |i: usize| I::try_from(i).ok().unwrap();
        let mut starts = vec![index(0)];
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        for row in rows {
            for &(j, v) in row {
                indices.push(index(j));
                values.push(v);
            }
            starts.push(index(indices.len()));
        }
        Self { m: rows.len(), n, starts, indices, values }
    }

    fn by_rows(&self) -> SparseView<'_, T> {
        SparseView::csr(self.m, self.n, &self.starts, &self.indices, &self.values).unwrap()
    }

    /// The arrays of the rows, read as the columns of the transpose.
    fn transpose_by_columns(&self) -> SparseView<'_, T> {
        SparseView::csc(self.n, self.m, &self.starts, &self.indices, &self.values).unwrap()
    }

    fn dense(&self) -> Vec<T> {
        let mut dense = vec![T::ZERO; self.m * self.n];
        self.by_rows().for_each(|i, j, v| dense[j * self.m + i] += v);
        dense
    }
}

/// `per_row` entries in each row at random places, unsorted, some twice; every seventh row empty.
fn random_rows<T: Scalar>(m: usize, n: usize, per_row: usize, seed: u64) -> Vec<Vec<(usize, T)>> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ seed);
    (0..m)
        .map(|i| {
            let mut row: Vec<(usize, T)> = (0..if i % 7 == 3 { 0 } else { per_row })
                .map(|_| (((random.unit() + 0.5) * n as f64) as usize % n, random.scalar()))
                .collect();
            if let Some(&(j, _)) = row.first() {
                row.push((j, random.scalar()));
            }
            row
        })
        .collect()
}

fn close<T: Scalar>(found: &[T], expected: &[T], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |v: &mut dyn Iterator<Item = T>| v.map(|x| x.modulus().to_f64().powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(&a, &b)| a - b));
    let size = norm(&mut expected.iter().copied());
    assert!(difference <= tolerance * size, "{what}: relative difference {:.2e}", difference / size);
}

/// Every product of the view against the dense sums.
fn check_products<T: Scalar>(a: &SparseView<'_, T>, dense: &[T]) {
    let (m, n) = a.shape();
    let tolerance = 1e3 * T::Real::EPSILON.to_f64();
    let mut random = Random(77);
    for k in [1, 2, 3, 4, 5, 9] {
        let x: Vec<T> = (0..n * k).map(|_| random.scalar()).collect();
        let y: Vec<T> = (0..m * k).map(|_| random.scalar()).collect();
        let ax: Vec<T> = (0..m * k).map(|t| (0..n).fold(T::ZERO, |s, j| s + dense[j * m + t % m] * x[t / m * n + j])).collect();
        let ahy: Vec<T> = (0..n * k).map(|t| (0..m).fold(T::ZERO, |s, i| s + dense[t % n * m + i].conj() * y[t / n * m + i])).collect();
        let nan = T::from_real(T::Real::from_f64(f64::NAN));
        let (mut out, mut back) = (vec![nan; m * k], vec![nan; n * k]);
        a.apply_block(k, &x, &mut out);
        a.apply_adjoint_block(k, &y, &mut back);
        close(&out, &ax, tolerance, "A·X");
        close(&back, &ahy, tolerance, "Aᴴ·Y");
        if k == 1 {
            let (mut out, mut back) = (vec![nan; m], vec![nan; n]);
            a.apply(&x, &mut out);
            a.apply_adjoint(&y, &mut back);
            close(&out, &ax, tolerance, "A·x");
            close(&back, &ahy, tolerance, "Aᴴ·y");
            let alpha: T = random.scalar();
            let w: Vec<T> = ax.iter().zip(&y).map(|(&a, &u)| a - alpha * u).collect();
            let z: Vec<T> = (0..n).map(|j| (0..m).fold(T::ZERO, |s, i| s + dense[j * m + i].conj() * w[i])).collect();
            let (mut found_w, mut found_z) = (vec![nan; m], vec![nan; n]);
            a.apply_fused(&x, alpha, &y, &mut found_w, &mut found_z);
            close(&found_w, &w, tolerance, "the fused Ax − αu");
            close(&found_z, &z, tolerance, "the fused Aᴴw");
        }
    }
    assert!(matches!(a.entries(), Entries::Sparse(view) if view.stored() == a.stored()));
}

fn products_in<T: Scalar, I: Index + TryFrom<usize>>() {
    for (m, n, per_row) in [(1, 1, 1), (40, 13, 3), (13, 40, 5), (300, 7, 4)] {
        let a = Matrix::<T, I>::from_rows(n, &random_rows(m, n, per_row, (m * n) as u64));
        let dense = a.dense();
        check_products(&a.by_rows(), &dense);
        let transposed: Vec<T> = (0..m * n).map(|t| dense[t / n + t % n * m]).collect();
        check_products(&a.transpose_by_columns(), &transposed);
    }
}

#[test]
fn products_by_rows_and_by_columns_for_every_scalar_and_index() {
    products_in::<f64, u32>();
    products_in::<f64, usize>();
    products_in::<f64, i32>();
    products_in::<f64, i64>();
    products_in::<f32, u32>();
    products_in::<c32, i32>();
    products_in::<c64, usize>();
}

/// Large enough for several threads: rows are split, sums are private; the same bits each time.
#[test]
fn products_on_several_threads() -> Result<()> {
    let (m, n) = (40_000, 3_000);
    let a = Matrix::<f64, u32>::from_rows(n, &random_rows(m, n, 10, 5));
    dot_test(&a.by_rows().threads(3))?;
    let mut random = Random(3);
    let x: Vec<f64> = (0..n).map(|_| random.unit()).collect();
    let u: Vec<f64> = (0..m).map(|_| random.unit()).collect();
    let run = |threads: usize, transposed: bool| {
        let (mut w, mut z) = (vec![0.0; m], vec![0.0; n]);
        match transposed {
            false => a.by_rows().threads(threads).apply_fused(&x, 0.3, &u, &mut w, &mut z),
            true => {
                let b = a.transpose_by_columns().threads(threads);
                b.apply_adjoint(&x, &mut w);
                b.apply(&u, &mut z);
            }
        }
        (w, z)
    };
    for transposed in [false, true] {
        let one = run(1, transposed);
        for threads in [2, 3, 8] {
            let several = run(threads, transposed);
            assert_eq!(one.0, several.0, "a row is summed in one order");
            close(&several.1, &one.1, 1e-13, "private sums");
            assert_eq!(several, run(threads, transposed), "the same bits for the same number of threads");
        }
    }
    Ok(())
}

#[test]
fn arrays_that_do_not_fit_are_refused_by_name_and_place() {
    let text = |result: Result<SparseView<'_, f64>>| result.unwrap_err().to_string();
    let v = [1.0, 2.0, 3.0];
    for (found, words) in [
        (text(SparseView::csr(2, 3, &[0u32, 3], &[0, 1, 2], &v)), ["row_starts", "3 "]),
        (text(SparseView::csr(2, 3, &[0u32, 1, 3], &[0, 1], &v)), ["indices", "one index"]),
        (text(SparseView::csr(2, 3, &[0u32, 2, 1], &[0, 1, 2], &v)), ["row_starts[2] is 1", "at least 2"]),
        (text(SparseView::csr(2, 3, &[0u32, 2, 4], &[0, 1, 2], &v)), ["row_starts[2] is 4", "at most 3"]),
        (text(SparseView::csr(2, 3, &[0u32, 2, 3], &[0, 3, 2], &v)), ["column_indices[1] is 3", "less than 3"]),
        (text(SparseView::csr(2, 3, &[0i32, 2, 3], &[0, -1, 2], &v)), ["column_indices[1] is -1", "less than 3"]),
        (text(SparseView::csc(2, 3, &[0i64, 1, 2, 3], &[0, 1, 2], &v)), ["row_indices[2] is 2", "less than 2"]),
        (text(SparseView::csc(2, 3, &[0usize, 1, 3], &[0, 1, 1], &v)), ["column_starts", "each column"]),
    ] {
        for word in words {
            assert!(found.contains(word), "{found}");
        }
    }
    let bad = SparseView::csr(2, 2, &[0u32, 1, 2], &[1, 0], &[1.0, f64::NAN]).unwrap();
    assert!(matches!(
        Problem::new(&bad).solve(&[1.0, 2.0], 0.1),
        Err(Error::NonFinite { what: "A", index: wellposed::error::Size::Position(1, 0) })
    ));
}

/// A sparse problem with everything that a dense one has, and its answer from the SVD of the dense copy.
fn against_the_svd<T: Scalar>(
    m: usize,
    n: usize,
    lambda: f64,
    method: Method,
    tolerance: f64,
    set: &dyn for<'a> Fn(Problem<'a, T>) -> Problem<'a, T>,
) {
    let mut rows = random_rows::<T>(m, n, 3, (m + 31 * n) as u64);
    for (i, row) in rows.iter_mut().enumerate() {
        row.push((i % n, T::from_real(T::Real::from_f64(2.0))));
    }
    let a = Matrix::<T, u32>::from_rows(n, &rows);
    let mut random = Random(11);
    let b: Vec<T> = (0..m).map(|_| random.scalar()).collect();
    let dense = a.dense();
    let dense = DenseView::column_major(&dense, m, n).unwrap();
    let expected = set(Problem::new(&dense)).method(Method::Svd).solve(&b, lambda).unwrap();
    for view in [a.by_rows(), a.by_rows()] {
        let found = set(Problem::new(&view)).method(method.clone()).solve(&b, lambda).unwrap_or_else(|e| panic!("{method} {m}×{n}: {e}"));
        same(&found, &expected, tolerance, &format!("{method}, {m}×{n}, λ = {lambda}"));
    }
}

fn same<T: Scalar>(found: &Solution<T, Vec<T>>, expected: &Solution<T, Vec<T>>, tolerance: f64, what: &str) {
    close(&found.x, &expected.x, tolerance, what);
    let intercept = (found.intercept - expected.intercept).modulus().to_f64();
    assert!(intercept <= tolerance * (1.0 + expected.intercept.modulus().to_f64()), "{what}: intercept");
    let near =
        |a: f64, b: f64, what2: &str| assert!((a - b).abs() <= 10.0 * tolerance * b.abs().max(1e-3), "{what}: {what2} {a} is not {b}");
    near(found.residual_norm, expected.residual_norm, "residual norm");
    near(found.penalty_norm, expected.penalty_norm, "penalty norm");
    if let Some(dof) = found.dof {
        near(dof, expected.dof.unwrap(), "dof");
    }
}

#[test]
fn sparse_cholesky_and_qr_are_the_svd() {
    let weights: Vec<f64> = (0..60).map(|i| 0.5 + (i % 5) as f64).collect();
    for method in [Method::Cholesky, Method::Qr] {
        for lambda in [1e-2, 3.0] {
            for (m, n) in [(60, 25), (60, 60), (60, 80)] {
                let mean: Vec<f64> = (0..n).map(|j| (j as f64 * 0.1).sin()).collect();
                let sizes: Vec<f64> = (0..n).map(|j| 0.5 + (j % 3) as f64).collect();
                let run =
                    |set: &dyn for<'a> Fn(Problem<'a, f64>) -> Problem<'a, f64>| against_the_svd(m, n, lambda, method.clone(), 1e-11, set);
                run(&|p| p);
                run(&|p| p.intercept());
                run(&|p| p.weights(&weights).prior_mean(&mean));
                run(&|p| p.weights(&weights).intercept().prior_mean(&mean).noise_std(&[0.1][..]));
                run(&|p| p.penalty(Penalty::diagonal(&sizes)).intercept());
                run(&|p| p.penalty(Penalty::first_difference()));
                run(&|p| p.penalty(Penalty::second_difference_with(Boundary::Zero)));
                run(&|p| p.penalty(Penalty::sum([(1.0, Penalty::identity()), (0.3, Penalty::first_difference())])));
            }
            against_the_svd::<f64>(60, 20, lambda, method.clone(), 1e-11, &|p| {
                p.penalty(Penalty::first_difference_2d(4, 5, Boundary::Free))
            });
        }
        against_the_svd::<c64>(60, 25, 0.1, method.clone(), 1e-11, &|p| p.intercept());
        against_the_svd::<c64>(60, 25, 0.1, method.clone(), 1e-11, &|p| p.penalty(Penalty::first_difference()));
        against_the_svd::<f32>(60, 25, 0.1, method.clone(), 1e-4, &|p| p.intercept());
        against_the_svd::<c32>(60, 25, 0.1, method.clone(), 1e-4, &|p| p);
    }
    for (m, n) in [(60, 25), (60, 40)] {
        against_the_svd::<f64>(m, n, 0.0, Method::Qr, 1e-10, &|p| p);
        against_the_svd::<f64>(m, n, 0.0, Method::Qr, 1e-10, &|p| p.intercept());
    }
}

/// A grid of side×side unknowns, each seen by one row, and second differences as the rest: the pattern of image problems.
fn grid(side: usize) -> Matrix<f64, u32> {
    let mut random = Random(4);
    let n = side * side;
    let rows: Vec<Vec<(usize, f64)>> = (0..n)
        .map(|i| {
            let mut row = vec![(i, 1.0 + 0.2 * random.unit())];
            if i % side > 0 {
                row.push((i - 1, 0.4));
            }
            row
        })
        .collect();
    Matrix::from_rows(n, &rows)
}

/// A blur of a side×side image by (½, 1, ½)/2 down and across: it nearly loses what alternates from pixel to pixel.
fn blur(side: usize) -> Matrix<f64, u32> {
    let weight = |a: usize, b: usize| {
        if a == b {
            0.5
        } else if a.abs_diff(b) == 1 {
            0.25
        } else {
            0.0
        }
    };
    let rows: Vec<Vec<(usize, f64)>> = (0..side * side)
        .map(|i| {
            (0..side * side).map(|j| (j, weight(i % side, j % side) * weight(i / side, j / side))).filter(|entry| entry.1 != 0.0).collect()
        })
        .collect();
    Matrix::from_rows(side * side, &rows)
}

/// A rule sees the same curve, sampled, as it sees of a singular value decomposition: the same λ.
#[test]
fn rules_on_sampled_curves_choose_the_lambda_of_the_svd() -> Result<()> {
    let side = 12;
    let a = blur(side);
    let (m, n) = (a.m, a.n);
    let mut random = Random(8);
    let truth: Vec<f64> = (0..n).map(|i| ((i % side) as f64 * 0.5).sin() + (i / side) as f64 * 0.2).collect();
    let mut b = vec![0.0; m];
    a.by_rows().apply(&truth, &mut b);
    b.iter_mut().for_each(|b| *b += 0.1 * random.unit());
    let dense = a.dense();
    let dense = DenseView::column_major(&dense, m, n)?;
    let sparse = a.by_rows();
    let noise = 0.1 * (m as f64 / 12.0).sqrt();
    let choices: [Choice; 3] = [Gcv.into(), Gcv.robust(0.5).into(), Discrepancy::noise_norm(noise).into()];
    let gradient = || Penalty::first_difference_2d(side, side, Boundary::Free);
    for choice in choices {
        for set in [&(|p: Problem<'static, f64>| p) as &dyn Fn(Problem<'static, f64>) -> Problem<'static, f64>, &|p| p.intercept(), &|p| {
            p.penalty(gradient())
        }] {
            // the setters do not look at A, whose lifetime the closures cannot name
            let expected = {
                let dense: &'static DenseView<'static, f64> = Box::leak(Box::new(DenseView::column_major(Vec::leak(a.dense()), m, n)?));
                set(Problem::new(dense)).method(Method::Svd).solve(&b, choice)
            };
            let view: &'static SparseView<'static, f64> = {
                let copy: &'static Matrix<f64, u32> = Box::leak(Box::new(blur(side)));
                Box::leak(Box::new(copy.by_rows()))
            };
            let found = set(Problem::new(view)).solve(&b, choice);
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    let difference = (found.lambda / expected.lambda).ln().abs();
                    assert!(difference <= 1e-6, "{choice}: λ = {:e} is not {:e}", found.lambda, expected.lambda);
                    same(&found, &expected, 1e-6, &format!("{choice}"));
                    assert_eq!(found.report.method, "sparse Cholesky");
                }
                (Err(found), Err(expected)) => assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&expected), "{choice}"),
                (found, expected) => panic!("{choice}: {:?} against {:?}", found.map(|f| f.lambda), expected.map(|f| f.lambda)),
            }
        }
    }
    // several right-hand sides: one λ each, or one for all
    let second: Vec<f64> = b.iter().map(|b| 0.5 * b + 0.05 * random.unit()).collect();
    let both: Vec<f64> = b.iter().chain(&second).copied().collect();
    let both = DenseView::column_major(&both, m, 2)?;
    for choice in [Choice::from(Gcv), Gcv.into()].into_iter().chain([Choice::from(Gcv).shared()]) {
        let (found, expected) =
            (Problem::new(&sparse).solve(&both, choice)?, Problem::new(&dense).method(Method::Svd).solve(&both, choice)?);
        for (found, expected) in found.lambda.iter().zip(&expected.lambda) {
            assert!((found / expected).ln().abs() <= 1e-6, "{choice}: {found:e} is not {expected:e}");
        }
    }
    Ok(())
}

/// A dense row, which would make AᴴA full, is split off; a dense column is eliminated last. Both keep the answer and a plan
/// that is sparse.
#[test]
fn a_dense_row_or_column_changes_no_answer() -> Result<()> {
    let side = 30;
    let n = side * side;
    let plain = grid(side);
    let rows = |extra_row: bool, extra_column: bool| {
        let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n];
        plain.by_rows().for_each(|i, j, v| rows[i].push((j, v)));
        if extra_row {
            rows.push((0..n).map(|j| (j, 0.01 * (1 + j % 7) as f64)).collect());
        }
        if extra_column {
            rows.iter_mut().for_each(|row| row.push((n, 0.3)));
        }
        rows
    };
    for (row, column) in [(true, false), (false, true), (true, true)] {
        let a = Matrix::<f64, u32>::from_rows(n + usize::from(column), &rows(row, column));
        let b: Vec<f64> = (0..a.m).map(|i| (i as f64 * 0.01).cos()).collect();
        let view = a.by_rows();
        let direct = Problem::new(&view).method(Method::Cholesky).solve(&b, 0.5)?;
        let iterative = Problem::new(&view).method(Cgls::new()).solve(&b, 0.5)?;
        close(&direct.x, &iterative.x, 1e-11, "Cholesky against LSMR");
        let exact = Problem::new(&view).method(Method::Qr).solve(&b, 0.5)?;
        close(&direct.x, &exact.x, 1e-12, "Cholesky against QR");
        let (found, expected) = (direct.dof.unwrap(), exact.dof.unwrap());
        assert!((found - expected).abs() <= 1e-9 * expected, "dof {found} is not {expected}");
    }
    Ok(())
}

/// At λ = 0 a matrix without full rank is no failure: the minimum-norm answer comes from LSMR, and the report says why.
#[test]
fn without_full_rank_the_problem_goes_on_to_lsmr() -> Result<()> {
    let side = 20;
    let a = grid(side);
    let n = a.n;
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n];
    // the last column is the sum of two others
    a.by_rows().for_each(|i, j, v| {
        if j < n - 1 {
            rows[i].push((j, v))
        }
    });
    for row in rows.iter_mut() {
        let sum: f64 = row.iter().filter(|e| e.0 < 2).map(|e| e.1).sum();
        if sum != 0.0 {
            row.push((n - 1, sum));
        }
    }
    let a = Matrix::<f64, u32>::from_rows(n, &rows);
    let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.02).sin()).collect();
    let view = a.by_rows();
    let fit = Problem::new(&view).solve(&b, 0.0)?;
    assert_eq!(fit.report.method, "LSMR");
    assert!(fit.report.to_string().contains("sparse QR handed over to LSMR"), "{}", fit.report);
    let dense = a.dense();
    let expected = Problem::new(&DenseView::column_major(&dense, n, n)?).method(Method::Svd).solve(&b, 0.0)?;
    close(&fit.x, &expected.x, 1e-6, "the minimum-norm answer");
    assert!(matches!(Problem::new(&view).method(Method::Qr).solve(&b, 0.0), Err(Error::RankDeficient { .. })));
    Ok(())
}

/// What a sparse A cannot do, and the way out in the text; what is small is stored densely and can do everything.
#[test]
fn what_is_refused_says_what_to_do_and_small_problems_do_everything() -> Result<()> {
    let small = grid(6);
    let b: Vec<f64> = (0..small.m).map(|i| (i as f64).sin()).collect();
    let view = small.by_rows();
    let fit = Problem::new(&view).solve(&b, Loo)?;
    assert!(fit.report.to_string().contains("store A densely"), "{}", fit.report);
    let factor = Problem::new(&view).factorize()?;
    close(&factor.solve(&b, 0.1)?.x, &Problem::new(&view).method(Method::Cholesky).solve(&b, 0.1)?.x, 1e-11, "kept");
    let large = grid(80);
    let b: Vec<f64> = (0..large.m).map(|i| (i as f64).sin()).collect();
    let view = large.by_rows();
    for error in [
        Problem::new(&view).solve(&b, Loo).err(),
        Problem::new(&view).factorize().err(),
        Problem::new(&view).method(Method::Svd).solve(&b, 0.1).err(),
        Problem::new(&view).method(Cgls::new()).solve(&b, Gcv).err(),
    ] {
        let text = error.expect("not offered").to_string();
        assert!(text.contains("use ") || text.contains("give "), "{text}");
    }
    let plan = Problem::new(&view).intercept().plan(Lambda::new(0.1))?.to_string();
    for line in
        ["6400×6400 f64 sparse (12720 entries)", "the constant as one more unknown", "sparse Cholesky: one λ", "sparse QR, then LSMR"]
    {
        assert!(plan.contains(line), "{plan}");
    }
    Ok(())
}

/// A pattern that cannot have full rank: two columns that meet one row alone, and an empty one.
#[test]
fn structural_deficiency_is_a_rank_and_no_panic() {
    let a = Matrix::<f64, u32>::from_rows(
        130,
        &(0..130)
            .map(|i| match i {
                0 => vec![(0, 1.0), (1, 2.0)],
                1 | 2 => vec![],
                _ => vec![(i, 1.0), (3, 0.5)],
            })
            .collect::<Vec<_>>(),
    );
    let b: Vec<f64> = (0..130).map(|i| 1.0 + f64::from(i % 4)).collect();
    let view = a.by_rows();
    match Problem::new(&view).method(Method::Qr).solve(&b, 0.0) {
        Err(Error::RankDeficient { rank, unknowns, .. }) => assert_eq!((rank, unknowns), (128, 130)),
        other => panic!("{:?}", other.map(|fit| fit.report)),
    }
    assert!(matches!(Problem::new(&view).require_full_rank().solve(&b, 0.0), Err(Error::RankDeficient { .. })));
    let fit = Problem::new(&view).solve(&b, 0.0).unwrap();
    // the shared row is divided between its columns so that the norm is least
    assert!((fit.x[0] - 0.2).abs() < 1e-10 && (fit.x[1] - 0.4).abs() < 1e-10 && fit.x[2] == 0.0, "{:?}", &fit.x[..3]);
}

/// As many data as unknowns: towards λ = 0 the criteria are flat, and what is left of them is rounding. One minimum is found, not those of
/// the rounding. The discrepancy principle, which needs neither traces nor a curve, tries few λ.
#[test]
fn rounding_has_no_minima() -> Result<()> {
    let side = 70;
    let n = side * side;
    let mut random = Random(7);
    let a = Matrix::<f64, u32>::from_rows(n, &(0..n).map(|i| vec![(i, 1.0 + (i % 7) as f64 * 0.1)]).collect::<Vec<_>>());
    let smooth = |i: usize| (0.05 * (i % side) as f64).sin() * (0.07 * (i / side) as f64).cos();
    let noise: Vec<f64> = (0..n).map(|_| 0.2 * random.unit()).collect();
    let b: Vec<f64> = (0..n).map(|i| a.values[i] * smooth(i) + noise[i]).collect();
    let view = a.by_rows();
    let problem = Problem::new(&view).method(Method::Cholesky).penalty(Penalty::first_difference_2d(side, side, Boundary::Free));
    let fit = problem.solve(&b, Gcv)?;
    let criterion = &fit.report.criteria[0];
    assert_eq!(criterion.minima.len(), 1, "{:?}", criterion.minima);
    assert!(fit.report.warnings.is_empty(), "{:?}", fit.report.warnings);
    let error = (0..n).map(|i| (fit.x[i] - smooth(i)).powi(2)).sum::<f64>().sqrt();
    let before = (0..n).map(|i| (b[i] / a.values[i] - smooth(i)).powi(2)).sum::<f64>().sqrt();
    assert!(error < 0.5 * before, "{error} of {before}");
    let norm = noise.iter().map(|v| v * v).sum::<f64>().sqrt();
    let fit = problem.solve(&b, Discrepancy::noise_norm(norm))?;
    assert!((fit.residual_norm / norm - 1.0).abs() < 1e-9, "{} is not {norm}", fit.residual_norm);
    let tried = fit.report.criteria[0].evaluated.len();
    assert!(tried <= 20, "{tried} values of λ");
    Ok(())
}
