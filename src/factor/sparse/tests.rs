use super::*;
use crate::linalg::Kernels;
use crate::random::Random;

/// More entries of A.
type Extra<'f> = &'f dyn Fn(&mut dyn FnMut(usize, usize, f64));

/// A grid of side×side unknowns, each row seeing two neighbours, as A; the identity as L.
fn grid(side: usize, extra: Extra<'_>) -> (Rows<f64>, Rows<f64>) {
    let n = side * side;
    let a = Rows::new(n + 2, n + 1, &|visit| {
        for i in 0..n {
            visit(i, i, 1.0 + (i % 5) as f64 * 0.1);
            visit(i, (i + side) % n, 0.5);
        }
        visit(n, n, 1.0);
        extra(visit);
    });
    let l = Rows::new(n + 1, n + 1, &|visit| (0..=n).for_each(|j| visit(j, j, 1.0)));
    (a, l)
}

/// Counted, not timed: neither a dense row nor a dense column of A fills the factor in.
#[test]
fn a_dense_row_or_column_does_not_fill_the_factor_in() {
    let side = 40;
    let n = side * side;
    let fill = |extra: Extra<'_>| {
        let (a, l) = grid(side, extra);
        System::new(a, l, Threads::ONE).unwrap().fill()
    };
    let plain = fill(&|_| {});
    let row = fill(&|visit| (0..n).for_each(|j| visit(n + 1, j, 0.1)));
    let column = fill(&|visit| (0..n).for_each(|i| visit(i, n, 0.1)));
    let both = fill(&|visit| {
        (0..n).for_each(|i| visit(i, n, 0.1));
        (0..n).for_each(|j| visit(n + 1, j, 0.1));
    });
    assert!(plain < n * n / 10, "{plain} of {}", n * n);
    assert_eq!(row, plain);
    // a full last row of the factor, and what the supernodes round up to
    for fill in [column, both] {
        assert!(fill < plain + 4 * n, "{fill} against {plain}");
    }
}

/// tr(M⁻¹P) against the dense inverse, with dense rows and without, by both factorizations.
#[test]
fn the_trace_is_that_of_the_dense_inverse() {
    let mut random = Random::new(9);
    for (side, dense_row) in [(3, false), (9, false), (9, true)] {
        let n = side * side;
        let (a, _) = grid(side, &|visit| {
            if dense_row {
                (0..n).for_each(|j| visit(n + 1, j, 0.2 + (j % 3) as f64));
            }
        });
        let weights: Vec<f64> = random.scalars(n + 1);
        let l = Rows::new(n + 1, n + 1, &|visit| {
            for j in 0..=n {
                visit(j, j, 1.0 + weights[j]);
                if j > 0 {
                    visit(j, j - 1, -0.5);
                }
            }
        });
        let lambda = 0.3f64;
        let dense = |rows: &Rows<f64>| {
            Mat::from_fn(rows.rows(), n + 1, |i, j| {
                let (columns, values) = rows.row(i);
                columns.iter().position(|&c| c == j).map_or(0.0, |k| values[k])
            })
        };
        let (da, dl) = (dense(&a), dense(&l));
        let p = dl.transpose() * &dl;
        let mut m = da.transpose() * &da;
        m += scaled(&p, lambda);
        // M⁻¹P by the dense Cholesky factor
        let mut lower = m.clone();
        f64::cholesky(lower.as_mut(), Threads::ONE).unwrap();
        let mut solved = p.clone();
        f64::solve_lower(lower.as_ref(), Op::None, solved.as_mut(), Threads::ONE);
        f64::solve_lower(lower.as_ref(), Op::Adjoint, solved.as_mut(), Threads::ONE);
        let expected = (n + 1) as f64 - lambda * (0..=n).map(|j| solved[(j, j)]).sum::<f64>();
        let system = System::new(a.clone(), l.clone(), Threads::ONE).unwrap();
        let b: Vec<f64> = random.scalars(a.rows());
        let b = MatRef::from_column_major_slice(&b, a.rows(), 1);
        for found in [system.cholesky(lambda.sqrt(), b, Trace::Wanted).unwrap(), system.qr(lambda.sqrt(), b, Trace::Wanted).unwrap()] {
            let dof = found.dof.unwrap();
            assert!((dof - expected).abs() <= 1e-11 * expected, "{side}: {dof} is not {expected}");
        }
    }
}

/// A grid with a gradient penalty, its diagonal on both sides of a power of four: one bound instead of an estimate, and no refinement; the
/// answer is that of QR all the same.
#[test]
fn a_dominant_diagonal_is_seen_before_the_scaling() {
    let side = 30;
    let n = side * side;
    let a = Rows::new(n, n, &|visit| (0..n).for_each(|i| visit(i, i, 1.0 + (i % 7) as f64 * 0.1)));
    let l = Rows::new(2 * side * (side - 1), n, &|visit| {
        let mut row = 0;
        for i in 0..n {
            for (inside, next) in [(i % side + 1 < side, i + 1), (i + side < n, i + side)] {
                if inside {
                    visit(row, i, -1.0);
                    visit(row, next, 1.0);
                    row += 1;
                }
            }
        }
    });
    let b: Vec<f64> = Random::new(4).scalars(n);
    let b = MatRef::from_column_major_slice(&b, n, 1);
    let system = System::new(a, l, Threads::ONE).unwrap();
    let (normal, _) = system.normal(0.5);
    assert!(system.gram.dominance_bound(&normal, WELL_CONDITIONED) <= WELL_CONDITIONED);
    let (by_cholesky, by_qr) =
        (system.cholesky(0.5f64.sqrt(), b, Trace::Wanted).unwrap(), system.qr(0.5f64.sqrt(), b, Trace::Wanted).unwrap());
    assert!(by_cholesky.condition <= WELL_CONDITIONED.sqrt(), "{}", by_cholesky.condition);
    let difference = |i: usize| (by_cholesky.x[(i, 0)] - by_qr.x[(i, 0)]).abs();
    let worst = (0..n).map(difference).fold(0.0, f64::max);
    assert!(worst <= 4e-15 * linalg::column_norms(by_qr.x.as_ref())[0], "{worst:e}");
}

fn scaled(a: &Mat<f64>, factor: f64) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| factor * a[(i, j)])
}

/// With threads that take subtrees in turns the degrees of freedom are those of one thread.
#[test]
fn the_trace_on_several_threads() {
    let (a, l) = grid(40, &|_| {});
    let b: Vec<f64> = Random::new(5).scalars(a.rows());
    let b = MatRef::from_column_major_slice(&b, b.len(), 1);
    let dof =
        |threads: usize| System::new(a.clone(), l.clone(), Threads(threads)).unwrap().cholesky(0.7, b, Trace::Wanted).unwrap().dof.unwrap();
    let one = dof(1);
    for threads in [2, 5] {
        let several = dof(threads);
        assert!((several - one).abs() <= 1e-13 * one, "{threads}: {several} is not {one}");
    }
}
