//! faer's factorizations and products, each with the number of threads its caller allows.

use super::{Accum, Mat, MatMut, MatRef, NoConvergence, Op, ReborrowMut, Reflectors, Threads, narrow};
use crate::scalar::Scalar;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::triangular::BlockStructure;
use faer::traits::ComplexField;
use faer::traits::pulp::bytemuck::Pod;
use faer::{Conj, Par};

/// Below this many flops a product runs on one thread: at 128³ two threads are as fast, at 256³ 1.6 times as fast.
/// Measured: the ignored test below, November 2026, two cores with AVX-512.
const PRODUCT_THREADS_FROM: f64 = 4e6;
/// Below this order a Cholesky factorization runs on one thread: 0.9 of the speed with two at 512, 1.1 at 1000, 1.4 at 2000.
/// Measured: as above.
const CHOLESKY_THREADS_FROM: usize = 1000;
/// Below this order a QR factorization runs on one thread: with two it has 0.2 of the speed at 256, 0.97 at 1000, 0.84 at 2000.
/// Measured: as above, up to 2000.
const QR_THREADS_FROM: usize = 3000;

fn conj(op: Op) -> Conj {
    match op {
        Op::None => Conj::No,
        Op::Adjoint => Conj::Yes,
    }
}

fn oriented<T>(a: MatRef<'_, T>, op: Op) -> MatRef<'_, T> {
    match op {
        Op::None => a,
        Op::Adjoint => a.transpose(),
    }
}

pub(super) fn product<T: ComplexField>(
    c: MatMut<'_, T>,
    accumulate: Accum,
    alpha: T,
    a: MatRef<'_, T>,
    op_a: Op,
    b: MatRef<'_, T>,
    op_b: Op,
    threads: Threads,
) {
    let (lhs, rhs) = (oriented(a, op_a), oriented(b, op_b));
    let flops = 2.0 * c.nrows() as f64 * c.ncols() as f64 * lhs.ncols() as f64;
    let par = threads.for_work(flops, PRODUCT_THREADS_FROM).par();
    faer::linalg::matmul::matmul_with_conj(c, accumulate, lhs, conj(op_a), rhs, conj(op_b), alpha, par);
}

pub(super) fn gram<T: Scalar + ComplexField + Pod>(c: MatMut<'_, T>, accumulate: Accum, a: MatRef<'_, T>, op: Op, threads: Threads) {
    if op == Op::Adjoint && narrow::applies(a) {
        return narrow::gram(c, accumulate, a, threads);
    }
    let n = c.nrows();
    let lhs = oriented(a, op);
    let flops = n as f64 * n as f64 * lhs.ncols() as f64;
    let par = threads.for_work(flops, PRODUCT_THREADS_FROM).par();
    let (conj_lhs, conj_rhs) = match op {
        Op::None => (Conj::No, Conj::Yes),
        Op::Adjoint => (Conj::Yes, Conj::No),
    };
    faer::linalg::matmul::triangular::matmul_with_conj(
        c,
        BlockStructure::TriangularLower,
        accumulate,
        lhs,
        BlockStructure::Rectangular,
        conj_lhs,
        lhs.transpose(),
        BlockStructure::Rectangular,
        conj_rhs,
        faer::traits::math_utils::one::<T>(),
        par,
    );
}

pub(super) fn cholesky<T: ComplexField>(c: MatMut<'_, T>, threads: Threads) -> Result<(), usize> {
    let par = if c.nrows() < CHOLESKY_THREADS_FROM { Par::Seq } else { threads.par() };
    cholesky_with(c, par)
}

fn cholesky_with<T: ComplexField>(c: MatMut<'_, T>, par: Par) -> Result<(), usize> {
    use faer::linalg::cholesky::llt::factor;
    let n = c.nrows();
    let mut memory = MemBuffer::new(factor::cholesky_in_place_scratch::<T>(n, par, Default::default()));
    match factor::cholesky_in_place(c, Default::default(), par, MemStack::new(&mut memory), Default::default()) {
        Ok(_) => Ok(()),
        Err(faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index }) => Err(index),
    }
}

pub(super) fn solve_lower<T: ComplexField>(l: MatRef<'_, T>, op: Op, b: MatMut<'_, T>, threads: Threads) {
    use faer::linalg::triangular_solve as solve;
    let par = threads.for_work(l.nrows() as f64 * l.nrows() as f64 * b.ncols() as f64, PRODUCT_THREADS_FROM).par();
    match op {
        Op::None => solve::solve_lower_triangular_in_place_with_conj(l, Conj::No, b, par),
        Op::Adjoint => solve::solve_upper_triangular_in_place_with_conj(l.transpose(), Conj::Yes, b, par),
    }
}

pub(super) fn solve_upper<T: ComplexField>(r: MatRef<'_, T>, op: Op, b: MatMut<'_, T>, threads: Threads) {
    use faer::linalg::triangular_solve as solve;
    let par = threads.for_work(r.nrows() as f64 * r.nrows() as f64 * b.ncols() as f64, PRODUCT_THREADS_FROM).par();
    match op {
        Op::None => solve::solve_upper_triangular_in_place_with_conj(r, Conj::No, b, par),
        Op::Adjoint => solve::solve_lower_triangular_in_place_with_conj(r.transpose(), Conj::Yes, b, par),
    }
}

pub(super) fn invert_lower<T: ComplexField>(l: MatRef<'_, T>, out: MatMut<'_, T>, threads: Threads) {
    let n = l.nrows();
    let par = threads.for_work(n as f64 * n as f64 * n as f64 / 3.0, PRODUCT_THREADS_FROM).par();
    faer::linalg::triangular_inverse::invert_lower_triangular(out, l, par);
}

pub(super) fn qr<T: ComplexField>(a: Mat<T>, threads: Threads) -> Reflectors<T> {
    let par = if a.nrows().min(a.ncols()) < QR_THREADS_FROM { Par::Seq } else { threads.par() };
    qr_with(a, par)
}

fn qr_with<T: ComplexField>(mut a: Mat<T>, par: Par) -> Reflectors<T> {
    use faer::linalg::qr::no_pivoting::factor;
    let (m, n) = a.shape();
    let size = m.min(n);
    let block = factor::recommended_block_size::<T>(m, n).max(1);
    let mut coefficients = Mat::zeros(block, size);
    if size > 0 {
        let mut memory = MemBuffer::new(factor::qr_in_place_scratch::<T>(m, n, block, par, Default::default()));
        factor::qr_in_place(a.as_mut(), coefficients.as_mut(), par, MemStack::new(&mut memory), Default::default());
    }
    Reflectors { basis: a, coefficients }
}

pub(super) fn qr_pivoted<T: ComplexField>(mut a: Mat<T>, threads: Threads) -> (Reflectors<T>, Vec<usize>) {
    use faer::linalg::qr::col_pivoting::factor;
    let (m, n) = a.shape();
    let size = m.min(n);
    let par = if size < QR_THREADS_FROM { Par::Seq } else { threads.par() };
    let block = faer::linalg::qr::no_pivoting::factor::recommended_block_size::<T>(m, n).max(1);
    let mut coefficients = Mat::zeros(block, size);
    let mut forward: Vec<usize> = (0..n).collect();
    let mut inverse: Vec<usize> = (0..n).collect();
    if (0..n).all(|j| a.col_as_slice(j).iter().all(|value| *value == faer::traits::math_utils::zero::<T>())) {
        // faer divides by the largest column norm; without pivoting it has no such step
        return (qr(a, threads), forward);
    }
    if size > 0 {
        let mut memory = MemBuffer::new(factor::qr_in_place_scratch::<usize, T>(m, n, block, par, Default::default()));
        factor::qr_in_place(
            a.as_mut(),
            coefficients.as_mut(),
            &mut forward,
            &mut inverse,
            par,
            MemStack::new(&mut memory),
            Default::default(),
        );
    }
    (Reflectors { basis: a, coefficients }, forward)
}

pub(super) fn apply_reflectors<T: ComplexField>(
    basis: MatRef<'_, T>,
    coefficients: MatRef<'_, T>,
    op: Op,
    b: MatMut<'_, T>,
    threads: Threads,
) {
    use faer::linalg::householder as h;
    if coefficients.ncols() == 0 || b.ncols() == 0 {
        return;
    }
    let (m, block, k) = (basis.nrows(), coefficients.nrows(), b.ncols());
    let par = threads.for_work(4.0 * m as f64 * coefficients.ncols() as f64 * k as f64, PRODUCT_THREADS_FROM).par();
    let mut memory = MemBuffer::new(h::apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(m, block, k));
    let stack = MemStack::new(&mut memory);
    match op {
        Op::None => h::apply_block_householder_sequence_on_the_left_in_place_with_conj(basis, coefficients, Conj::No, b, par, stack),
        // the k-th reflector's adjoint is its transpose with a conjugated basis
        Op::Adjoint => {
            h::apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj(basis, coefficients, Conj::Yes, b, par, stack)
        }
    }
}

pub(super) fn svd<T: ComplexField>(
    a: MatRef<'_, T>,
    s: &mut [T],
    u: Option<MatMut<'_, T>>,
    v: Option<MatMut<'_, T>>,
    by_rotations: bool,
    threads: Threads,
) -> Result<(), NoConvergence> {
    use faer::linalg::svd;
    let (m, n) = a.shape();
    if m == 0 || n == 0 {
        return Ok(());
    }
    let par = if m.min(n) < 256 { Par::Seq } else { threads.par() };
    let mut params = <svd::SvdParams as faer::Auto<T>>::auto();
    if by_rotations {
        params.recursion_threshold = usize::MAX;
    }
    let wanted = |given: bool| if given { svd::ComputeSvdVectors::Thin } else { svd::ComputeSvdVectors::No };
    let mut memory = MemBuffer::new(svd::svd_scratch::<T>(m, n, wanted(u.is_some()), wanted(v.is_some()), par, params.into()));
    let s = faer::ColMut::from_slice_mut(s).as_diagonal_mut();
    svd::svd(a, s, u, v, par, MemStack::new(&mut memory), params.into()).map_err(|_| NoConvergence)
}

pub(super) fn self_adjoint_eigen<T: ComplexField>(
    a: MatRef<'_, T>,
    s: &mut [T],
    u: MatMut<'_, T>,
    threads: Threads,
) -> Result<(), NoConvergence> {
    use faer::linalg::evd;
    let n = a.nrows();
    if n == 0 {
        return Ok(());
    }
    let par = if n < 256 { Par::Seq } else { threads.par() };
    let mut memory = MemBuffer::new(evd::self_adjoint_evd_scratch::<T>(n, evd::ComputeEigenvectors::Yes, par, Default::default()));
    let s = faer::ColMut::from_slice_mut(s).as_diagonal_mut();
    evd::self_adjoint_evd(a, s, Some(u), par, MemStack::new(&mut memory), Default::default()).map_err(|_| NoConvergence)
}

pub(super) fn bidiagonalize<T: ComplexField>(a: MatMut<'_, T>, threads: Threads) -> (Mat<T>, Mat<T>) {
    use faer::linalg::svd::bidiag;
    let (m, n) = a.shape();
    let block = faer::linalg::qr::no_pivoting::factor::recommended_block_size::<T>(m, n).max(1);
    let (mut left, mut right) = (Mat::zeros(block, n), Mat::zeros(block, n.saturating_sub(1)));
    if n > 0 {
        let par = threads.par();
        let mut memory = MemBuffer::new(bidiag::bidiag_in_place_scratch::<T>(m, n, par, Default::default()));
        bidiag::bidiag_in_place(a, left.as_mut(), right.as_mut(), par, MemStack::new(&mut memory), Default::default());
    }
    (left, right)
}

pub(super) fn tridiagonalize<T: ComplexField>(a: MatMut<'_, T>, threads: Threads) -> Mat<T> {
    use faer::linalg::evd::tridiag;
    let n = a.nrows();
    let block = faer::linalg::qr::no_pivoting::factor::recommended_block_size::<T>(n, n).max(1);
    let mut coefficients = Mat::zeros(block, n.saturating_sub(1));
    if n > 1 {
        let par = threads.par();
        let mut memory = MemBuffer::new(tridiag::tridiag_in_place_scratch::<T>(n, par, Default::default()));
        tridiag::tridiag_in_place(a, coefficients.as_mut(), par, MemStack::new(&mut memory), Default::default());
    }
    coefficients
}

/// Below this order the two-sided updates of a self-adjoint matrix run on one thread. Not measured alone: part of the ignored test of src/factor/band.rs.
const SELF_ADJOINT_THREADS_FROM: usize = 384;

pub(super) fn self_adjoint_product<T: Scalar + ComplexField>(c: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>, threads: Threads) {
    let n = a.nrows();
    // rows `start..start + c.nrows()` of the product: what lies left of, on and below the diagonal block
    let one_block = |mut c: MatMut<'_, T>, start: usize| {
        let end = start + c.nrows();
        let rows = c.nrows();
        let diagonal = a.submatrix(start, start, rows, rows);
        let own = b.subrows(start, rows);
        let triangular = |c: MatMut<'_, T>, accumulate: Accum, lhs: MatRef<'_, T>, structure: BlockStructure, conj: Conj| {
            let full = BlockStructure::Rectangular;
            let matmul = faer::linalg::matmul::triangular::matmul_with_conj;
            matmul(c, full, accumulate, lhs, structure, conj, own, full, Conj::No, T::ONE, Par::Seq);
        };
        triangular(c.rb_mut(), Accum::Replace, diagonal, BlockStructure::TriangularLower, Conj::No);
        triangular(c.rb_mut(), Accum::Add, diagonal.transpose(), BlockStructure::StrictTriangularUpper, Conj::Yes);
        if start > 0 {
            product(
                c.rb_mut(),
                Accum::Add,
                T::ONE,
                a.submatrix(start, 0, rows, start),
                Op::None,
                b.subrows(0, start),
                Op::None,
                Threads::ONE,
            );
        }
        if end < n {
            product(
                c,
                Accum::Add,
                T::ONE,
                a.submatrix(end, start, n - end, rows),
                Op::Adjoint,
                b.subrows(end, n - end),
                Op::None,
                Threads::ONE,
            );
        }
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && n >= SELF_ADJOINT_THREADS_FROM {
        let rows = n.div_ceil(threads.0);
        let mut rest = c;
        rayon::scope(|scope| {
            let mut start = 0;
            while start < n {
                let (block, below) = rest.split_at_row_mut(rows.min(n - start));
                rest = below;
                let one_block = &one_block;
                scope.spawn(move |_| one_block(block, start));
                start += rows;
            }
        });
        return;
    }
    let _ = (threads, SELF_ADJOINT_THREADS_FROM);
    one_block(c, 0);
}

pub(super) fn subtract_lower<T: Scalar + ComplexField>(c: MatMut<'_, T>, l: MatRef<'_, T>, r: MatRef<'_, T>, threads: Threads) {
    let n = c.nrows();
    // columns `start..end` of the lower triangle
    let one_block = |c: MatMut<'_, T>, start: usize| {
        let columns = c.ncols();
        let (diagonal, below) = c.split_at_row_mut(start).1.split_at_row_mut(columns);
        let r = r.subrows(start, columns);
        faer::linalg::matmul::triangular::matmul_with_conj(
            diagonal,
            BlockStructure::TriangularLower,
            Accum::Add,
            l.subrows(start, columns),
            BlockStructure::Rectangular,
            Conj::No,
            r.transpose(),
            BlockStructure::Rectangular,
            Conj::Yes,
            -T::ONE,
            Par::Seq,
        );
        let end = start + columns;
        if end < n {
            product(below, Accum::Add, -T::ONE, l.subrows(end, n - end), Op::None, r, Op::Adjoint, Threads::ONE);
        }
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && n >= SELF_ADJOINT_THREADS_FROM {
        // column blocks of equal area: the k-th of t begins where 1 − √(1 − k/t) of the columns are behind
        let mut rest = c;
        rayon::scope(|scope| {
            let mut start = 0;
            for k in 1..=threads.0 {
                let share = 1.0 - (1.0 - k as f64 / threads.0 as f64).sqrt();
                let end = if k == threads.0 { n } else { ((n as f64 * share) as usize).clamp(start, n) };
                let (block, right) = rest.split_at_col_mut(end - start);
                rest = right;
                let one_block = &one_block;
                scope.spawn(move |_| one_block(block, start));
                start = end;
            }
        });
        return;
    }
    let _ = (threads, n);
    one_block(c, 0);
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::{cholesky_with, product, qr_with};
    use crate::random::Random;
    use std::time::Instant;

    /// What the thread limits above are set by: `cargo test --release --lib kernels -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement; run it in release mode"]
    fn timing() {
        let best = |call: &dyn Fn()| {
            let time = || {
                let start = Instant::now();
                call();
                start.elapsed().as_secs_f64() * 1e3
            };
            (0..7).map(|_| time()).fold(f64::INFINITY, f64::min)
        };
        println!("{:>6} {:>22} {:>22} {:>22}   ms with one and two threads", "n", "Cholesky", "QR", "product n×n×n");
        for n in [128, 256, 512, 1000, 1500, 2000] {
            let mut random = Random::new(n as u64);
            let entries: Vec<f64> = random.scalars(n * n);
            let a = MatRef::from_column_major_slice(&entries, n, n).to_owned();
            let spd = Mat::from_fn(n, n, |i, j| a[(i, j)] + a[(j, i)] + if i == j { 20.0 * n as f64 } else { 0.0 });
            let pair = |call: &dyn Fn(Threads)| format!("{:10.2} {:10.2}", best(&|| call(Threads(1))), best(&|| call(Threads(2))));
            let cholesky = pair(&|threads| cholesky_with(spd.clone().as_mut(), threads.par()).unwrap());
            let qr = pair(&|threads| drop(qr_with(a.clone(), threads.par())));
            let product = pair(&|threads| {
                let mut c = Mat::<f64>::zeros(n, n);
                product(c.as_mut(), Accum::Replace, 1.0, a.as_ref(), Op::None, a.as_ref(), Op::None, threads);
            });
            println!("{n:>6} {cholesky:>22} {qr:>22} {product:>22}");
        }
    }

    /// Q·R·Pᵀ = A with finite factors, for exactly deficient matrices too.
    #[test]
    fn pivoted_qr_of_deficient_matrices_is_finite() {
        type Entry = fn(usize, usize) -> f64;
        let cases: [(usize, usize, Entry); 6] = [
            (4, 3, |_, _| 0.0),
            (3, 5, |_, _| 0.0),
            (6, 4, |_, _| 1.0),
            (5, 5, |i, j| if i == j && i < 2 { 1.0 } else { 0.0 }),
            (40, 30, |i, j| ((i % 3) * (j % 2)) as f64),
            (30, 40, |i, j| ((i % 3) + (j % 2)) as f64),
        ];
        for (m, n, entry) in cases {
            let a = Mat::from_fn(m, n, entry);
            let (reflectors, permutation) = f64::qr_pivoted(a.clone(), Threads::ONE);
            let size = m.min(n);
            let mut product = Mat::from_fn(m, n, |i, j| if i <= j && i < size { reflectors.basis[(i, j)] } else { 0.0 });
            f64::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::None, product.as_mut(), Threads::ONE);
            for j in 0..n {
                for i in 0..m {
                    let expected = a[(i, permutation[j])];
                    assert!((product[(i, j)] - expected).abs() < 1e-12, "{m}×{n} at ({i}, {j}): {} is not {expected}", product[(i, j)]);
                }
            }
        }
    }
}
