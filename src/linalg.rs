//! The dense kernels, under our names. This file is the only place where the engines meet faer.
//!
//! faer's factorizations are generic and heavy: each crate that names one for a new type spends 25 to 95 seconds
//! generating it. [`Kernels`] therefore holds one concrete entry point for each kernel and scalar type; all of
//! them are generated here, once. A kernel takes the number of threads from its caller ([`Threads`]) and never
//! reads a process-wide setting. Sizes below which a second thread costs more than it brings are constants of
//! this file.
//!
//! Conventions: matrices are faer views with any strides; triangular factors live in the lower (Cholesky) or upper
//! (QR) triangle and the other triangle is never read; `adjoint` means conjugate transpose.

use crate::scalar::{Real, Scalar, c32, c64};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::triangular::BlockStructure;
use faer::traits::ComplexField;
use faer::{Conj, Par};

pub use faer::prelude::ReborrowMut;
pub use faer::{Accum, Mat, MatMut, MatRef};

/// How many threads a kernel may use (at least one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(pub usize);

impl Threads {
    /// One thread.
    pub const ONE: Threads = Threads(1);

    /// All threads of the current rayon pool, or one without the `rayon` feature.
    pub fn available() -> Self {
        #[cfg(feature = "rayon")]
        return Threads(rayon::current_num_threads());
        #[cfg(not(feature = "rayon"))]
        Threads(1)
    }

    /// One thread when the work is below `least` floating-point operations.
    pub fn for_work(self, flops: f64, least: f64) -> Self {
        if flops < least { Threads::ONE } else { self }
    }

    fn par(self) -> Par {
        #[cfg(feature = "rayon")]
        if self.0 > 1 {
            return Par::rayon(self.0);
        }
        Par::Seq
    }
}

/// The kernel's iteration did not converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoConvergence;

/// Householder reflectors of a QR factorization: essential parts below the diagonal of `basis`, block factors in `coefficients`.
#[derive(Debug, Clone)]
pub struct Reflectors<T> {
    /// m×n: R in the upper triangle, essential parts below.
    pub basis: Mat<T>,
    /// block size × min(m, n).
    pub coefficients: Mat<T>,
}

/// Which factor of a product is conjugate-transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// As it stands.
    None,
    /// Conjugate transpose.
    Adjoint,
}

/// Below this many flops a product runs on one thread. Measured: benches/dense_fixed_lambda.rs.
const PRODUCT_THREADS_FROM: f64 = 2e6;
/// Below this order a Cholesky factorization runs on one thread. Measured: benches/dense_fixed_lambda.rs.
const CHOLESKY_THREADS_FROM: usize = 512;
/// Below this order a QR factorization runs on one thread. Measured: benches/dense_fixed_lambda.rs.
const QR_THREADS_FROM: usize = 1000;

/// The dense kernels, one concrete entry point for each scalar type.
#[doc(hidden)]
pub trait Kernels: Sized {
    /// C ← alpha·op(A)·op(B), or added to C.
    fn product(
        c: MatMut<'_, Self>,
        accumulate: Accum,
        alpha: Self,
        a: MatRef<'_, Self>,
        op_a: Op,
        b: MatRef<'_, Self>,
        op_b: Op,
        threads: Threads,
    );
    /// Lower triangle of C ← op(A)·op(A)ᴴ: AᴴA for `Op::Adjoint`, AAᴴ for `Op::None`.
    fn gram(c: MatMut<'_, Self>, accumulate: Accum, a: MatRef<'_, Self>, op: Op, threads: Threads);
    /// C = LLᴴ in the lower triangle; `Err(k)` when pivot k is not positive.
    fn cholesky(c: MatMut<'_, Self>, threads: Threads) -> Result<(), usize>;
    /// B ← L⁻¹B or L⁻ᴴB, L lower triangular.
    fn solve_lower(l: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads);
    /// B ← R⁻¹B or R⁻ᴴB, R upper triangular.
    fn solve_upper(r: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads);
    /// L⁻¹ of a lower triangular matrix, into the lower triangle of `out` (the rest of `out` is not written).
    fn invert_lower(l: MatRef<'_, Self>, out: MatMut<'_, Self>, threads: Threads);
    /// A = QR by Householder reflections, consuming A.
    fn qr(a: Mat<Self>, threads: Threads) -> Reflectors<Self>;
    /// A·P = QR with column pivoting; the permutation `p` satisfies (AP)ⱼ = A_{p[j]}.
    fn qr_pivoted(a: Mat<Self>, threads: Threads) -> (Reflectors<Self>, Vec<usize>);
    /// B ← QB or QᴴB.
    fn apply_reflectors(basis: MatRef<'_, Self>, coefficients: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads);
    /// A = U·diag(s)·Vᴴ, thin, s descending. U and V are computed where given.
    fn svd(
        a: MatRef<'_, Self>,
        s: &mut [Self],
        u: Option<MatMut<'_, Self>>,
        v: Option<MatMut<'_, Self>>,
        by_rotations: bool,
        threads: Threads,
    ) -> Result<(), NoConvergence>;
    /// The eigenvalues (ascending) and eigenvectors of a self-adjoint matrix given by its lower triangle.
    fn self_adjoint_eigen(a: MatRef<'_, Self>, s: &mut [Self], u: MatMut<'_, Self>, threads: Threads) -> Result<(), NoConvergence>;
    /// A = U·B·Vᴴ with B upper bidiagonal, m ≥ n; B on the diagonal and superdiagonal of A, reflectors in the rest.
    /// Returns the block factors of the left and of the right reflectors.
    fn bidiagonalize(a: MatMut<'_, Self>, threads: Threads) -> (Mat<Self>, Mat<Self>);
    /// y ← Ax.
    fn multiply(a: MatRef<'_, Self>, x: &[Self], y: &mut [Self], threads: Threads);
    /// x ← Aᴴy.
    fn multiply_adjoint(a: MatRef<'_, Self>, y: &[Self], x: &mut [Self], threads: Threads);
    /// Lower triangle of G ← AᴴA and C ← AᴴB, A read once where it is tall.
    fn normal_equations(a: MatRef<'_, Self>, b: MatRef<'_, Self>, gram: MatMut<'_, Self>, data: MatMut<'_, Self>, threads: Threads);
    /// R ← B − AX and G ← AᴴR, A read once where it is tall.
    fn residual_sweep(
        a: MatRef<'_, Self>,
        x: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        residual: MatMut<'_, Self>,
        gradient: MatMut<'_, Self>,
        threads: Threads,
    );
    /// The largest |real| or |imaginary| part, or `None` where an entry is NaN or infinite.
    fn largest_entry(a: MatRef<'_, Self>, threads: Threads) -> Option<<Self as Scalar>::Real>
    where
        Self: Scalar;
    /// A = Q·T·Qᴴ for self-adjoint A (lower triangle); T on the diagonal and subdiagonal, reflectors below. Returns the block factors.
    fn tridiagonalize(a: MatMut<'_, Self>, threads: Threads) -> Mat<Self>;
    /// C ← AB with A self-adjoint, given by its lower triangle.
    fn self_adjoint_product(c: MatMut<'_, Self>, a: MatRef<'_, Self>, b: MatRef<'_, Self>, threads: Threads);
    /// Lower triangle of C ← C − LRᴴ, where LRᴴ is known to be self-adjoint.
    fn subtract_lower(c: MatMut<'_, Self>, l: MatRef<'_, Self>, r: MatRef<'_, Self>, threads: Threads);
}

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

fn product<T: ComplexField>(
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

fn gram<T: ComplexField>(c: MatMut<'_, T>, accumulate: Accum, a: MatRef<'_, T>, op: Op, threads: Threads) {
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

fn cholesky<T: ComplexField>(c: MatMut<'_, T>, threads: Threads) -> Result<(), usize> {
    use faer::linalg::cholesky::llt::factor;
    let n = c.nrows();
    let par = if n < CHOLESKY_THREADS_FROM { Par::Seq } else { threads.par() };
    let mut memory = MemBuffer::new(factor::cholesky_in_place_scratch::<T>(n, par, Default::default()));
    match factor::cholesky_in_place(c, Default::default(), par, MemStack::new(&mut memory), Default::default()) {
        Ok(_) => Ok(()),
        Err(faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index }) => Err(index),
    }
}

fn solve_lower<T: ComplexField>(l: MatRef<'_, T>, op: Op, b: MatMut<'_, T>, threads: Threads) {
    use faer::linalg::triangular_solve as solve;
    let par = threads.for_work(l.nrows() as f64 * l.nrows() as f64 * b.ncols() as f64, PRODUCT_THREADS_FROM).par();
    match op {
        Op::None => solve::solve_lower_triangular_in_place_with_conj(l, Conj::No, b, par),
        Op::Adjoint => solve::solve_upper_triangular_in_place_with_conj(l.transpose(), Conj::Yes, b, par),
    }
}

fn solve_upper<T: ComplexField>(r: MatRef<'_, T>, op: Op, b: MatMut<'_, T>, threads: Threads) {
    use faer::linalg::triangular_solve as solve;
    let par = threads.for_work(r.nrows() as f64 * r.nrows() as f64 * b.ncols() as f64, PRODUCT_THREADS_FROM).par();
    match op {
        Op::None => solve::solve_upper_triangular_in_place_with_conj(r, Conj::No, b, par),
        Op::Adjoint => solve::solve_lower_triangular_in_place_with_conj(r.transpose(), Conj::Yes, b, par),
    }
}

fn invert_lower<T: ComplexField>(l: MatRef<'_, T>, out: MatMut<'_, T>, threads: Threads) {
    let n = l.nrows();
    let par = threads.for_work(n as f64 * n as f64 * n as f64 / 3.0, PRODUCT_THREADS_FROM).par();
    faer::linalg::triangular_inverse::invert_lower_triangular(out, l, par);
}

fn qr<T: ComplexField>(mut a: Mat<T>, threads: Threads) -> Reflectors<T> {
    use faer::linalg::qr::no_pivoting::factor;
    let (m, n) = a.shape();
    let size = m.min(n);
    let par = if size < QR_THREADS_FROM { Par::Seq } else { threads.par() };
    let block = factor::recommended_block_size::<T>(m, n).max(1);
    let mut coefficients = Mat::zeros(block, size);
    if size > 0 {
        let mut memory = MemBuffer::new(factor::qr_in_place_scratch::<T>(m, n, block, par, Default::default()));
        factor::qr_in_place(a.as_mut(), coefficients.as_mut(), par, MemStack::new(&mut memory), Default::default());
    }
    Reflectors { basis: a, coefficients }
}

fn qr_pivoted<T: ComplexField>(mut a: Mat<T>, threads: Threads) -> (Reflectors<T>, Vec<usize>) {
    use faer::linalg::qr::col_pivoting::factor;
    let (m, n) = a.shape();
    let size = m.min(n);
    let par = if size < QR_THREADS_FROM { Par::Seq } else { threads.par() };
    let block = faer::linalg::qr::no_pivoting::factor::recommended_block_size::<T>(m, n).max(1);
    let mut coefficients = Mat::zeros(block, size);
    let mut forward: Vec<usize> = (0..n).collect();
    let mut inverse: Vec<usize> = (0..n).collect();
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

fn apply_reflectors<T: ComplexField>(basis: MatRef<'_, T>, coefficients: MatRef<'_, T>, op: Op, b: MatMut<'_, T>, threads: Threads) {
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

fn svd<T: ComplexField>(
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

fn self_adjoint_eigen<T: ComplexField>(a: MatRef<'_, T>, s: &mut [T], u: MatMut<'_, T>, threads: Threads) -> Result<(), NoConvergence> {
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

fn bidiagonalize<T: ComplexField>(a: MatMut<'_, T>, threads: Threads) -> (Mat<T>, Mat<T>) {
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

fn tridiagonalize<T: ComplexField>(a: MatMut<'_, T>, threads: Threads) -> Mat<T> {
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

/// Below this order the two-sided updates of a self-adjoint matrix run on one thread. Measured: the ignored test of src/factor/band.rs.
const SELF_ADJOINT_THREADS_FROM: usize = 384;

fn self_adjoint_product<T: Scalar + ComplexField>(c: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>, threads: Threads) {
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

fn subtract_lower<T: Scalar + ComplexField>(c: MatMut<'_, T>, l: MatRef<'_, T>, r: MatRef<'_, T>, threads: Threads) {
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

/// Runs `loops` compiled for the vector instructions of this processor. What it calls must be `#[inline(always)]` to gain.
pub fn vectorized<R>(loops: impl FnOnce() -> R) -> R {
    faer::traits::pulp::Arch::new().dispatch(loops)
}

/// Below this many entries a matrix-vector product runs on one thread. Measured: benches/dense_fixed_lambda.rs.
const MULTIPLY_THREADS_FROM: usize = 500_000;

fn multiply<T: Scalar + ComplexField>(a: MatRef<'_, T>, x: &[T], y: &mut [T], threads: Threads) {
    let (m, n) = a.shape();
    let x = MatRef::from_column_major_slice(x, n, 1);
    let one_block = |a: MatRef<'_, T>, y: &mut [T]| {
        let y = MatMut::from_column_major_slice_mut(y, a.nrows(), 1);
        product(y, Accum::Replace, T::ONE, a, Op::None, x, Op::None, Threads::ONE);
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && m * n >= MULTIPLY_THREADS_FROM {
        let rows = m.div_ceil(threads.0);
        rayon::scope(|scope| {
            for (block, y) in y.chunks_mut(rows).enumerate() {
                let a = a.subrows(block * rows, y.len());
                scope.spawn(move |_| one_block(a, y));
            }
        });
        return;
    }
    let _ = (threads, MULTIPLY_THREADS_FROM, m);
    one_block(a, y);
}

fn multiply_adjoint<T: Scalar + ComplexField>(a: MatRef<'_, T>, y: &[T], x: &mut [T], threads: Threads) {
    let (m, n) = a.shape();
    let one_block = |a: MatRef<'_, T>, y: &[T], x: &mut [T]| {
        let x = MatMut::from_column_major_slice_mut(x, a.ncols(), 1);
        let y = MatRef::from_column_major_slice(y, a.nrows(), 1);
        product(x, Accum::Replace, T::ONE, a, Op::Adjoint, y, Op::None, Threads::ONE);
    };
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && m * n >= MULTIPLY_THREADS_FROM {
        // the columns are split: each thread owns its part of x, whatever the order of the threads
        let columns = n.div_ceil(threads.0);
        rayon::scope(|scope| {
            for (block, x) in x.chunks_mut(columns).enumerate() {
                let a = a.subcols(block * columns, x.len());
                scope.spawn(move |_| one_block(a, y, x));
            }
        });
        return;
    }
    let _ = (threads, m, n);
    one_block(a, y, x);
}

/// The largest part, and a sum that is NaN when an entry is not finite, in lanes that vectorize.
fn largest_of_slice<T: Scalar>(values: &[T]) -> (T::Real, T::Real) {
    const LANES: usize = 8;
    let zero = T::Real::ZERO;
    let (mut largest, mut poison) = ([zero; LANES], [zero; LANES]);
    let mut visit = |lane: usize, part: T::Real| {
        let size = part.modulus();
        if size > largest[lane] {
            largest[lane] = size;
        }
        // 0 for every finite number, NaN otherwise
        poison[lane] += part * zero;
    };
    let chunks = values.chunks_exact(LANES);
    for (lane, &value) in chunks.remainder().iter().enumerate() {
        visit(lane, value.real());
        visit(lane, value.imaginary());
    }
    for chunk in chunks {
        for lane in 0..LANES {
            visit(lane, chunk[lane].real());
            if T::IS_COMPLEX {
                visit(lane, chunk[lane].imaginary());
            }
        }
    }
    let maximum = largest.into_iter().fold(zero, |a, b| if b > a { b } else { a });
    (maximum, poison.into_iter().fold(zero, |a, b| a + b))
}

fn largest_entry<T: Scalar>(a: MatRef<'_, T>, threads: Threads) -> Option<T::Real> {
    // the long dimension contiguous, where there is one
    let a = if a.col_stride().unsigned_abs() == 1 && a.row_stride().unsigned_abs() != 1 { a.transpose() } else { a };
    let (m, n) = a.shape();
    let columns = |range: core::ops::Range<usize>| {
        let mut total = (T::Real::ZERO, T::Real::ZERO);
        for j in range {
            let column = a.col(j);
            let (largest, poison) = match column.try_as_col_major() {
                Some(column) => largest_of_slice(column.as_slice()),
                None => {
                    let copy: Vec<T> = (0..m).map(|i| a[(i, j)]).collect();
                    largest_of_slice(&copy)
                }
            };
            total = (if largest > total.0 { largest } else { total.0 }, total.1 + poison);
        }
        total
    };
    let parts = if m * n < SWEEP_THREADS_FROM { 1 } else { threads.0.max(1) };
    let width = n.div_ceil(parts).max(1);
    let mut results = vec![(T::Real::ZERO, T::Real::ZERO); n.div_ceil(width)];
    let columns = &columns;
    in_parallel(
        results.iter_mut().enumerate().map(|(part, result)| move || *result = columns(part * width..((part + 1) * width).min(n))).collect(),
    );
    let largest = results.iter().fold(T::Real::ZERO, |largest, &(l, _)| if l > largest { l } else { largest });
    results.iter().all(|&(_, poison)| poison == T::Real::ZERO).then_some(largest)
}

/// A matrix this many times taller than wide is swept in row blocks, split over the threads.
const TALL: usize = 4;
/// Entries of a row block: 128 KiB of f64 stay in the second-level cache while the block is used twice.
/// Measured: benches/dense_fixed_lambda.rs.
const BLOCK_ENTRIES: usize = 16_384;
/// Below this many entries a sweep runs on one thread. Measured: benches/dense_fixed_lambda.rs.
const SWEEP_THREADS_FROM: usize = 100_000;

/// How a tall m×n matrix is cut: rows of a block, and rows of each thread's part (at least a block each).
fn cut(m: usize, n: usize, threads: Threads) -> (usize, usize) {
    let block = (BLOCK_ENTRIES / n.max(1)).clamp(32, 4096);
    let parts = if m * n < SWEEP_THREADS_FROM { 1 } else { threads.0.max(1) };
    (block, m.div_ceil(parts).max(block))
}

/// Runs the jobs, on threads where there are several.
fn in_parallel<F: FnOnce() + Send>(jobs: Vec<F>) {
    #[cfg(feature = "rayon")]
    if jobs.len() > 1 {
        rayon::scope(|scope| jobs.into_iter().for_each(|job| scope.spawn(move |_| job())));
        return;
    }
    jobs.into_iter().for_each(|job| job());
}

/// Adds the parts' lower triangles or rectangles, in the order of the parts: the same bits for the same number of threads.
fn add_parts<T: Scalar>(mut out: MatMut<'_, T>, parts: &[Mat<T>]) {
    for j in 0..out.ncols() {
        for i in 0..out.nrows() {
            out[(i, j)] = parts.iter().fold(T::ZERO, |sum, part| sum + part[(i, j)]);
        }
    }
}

fn normal_equations<T: Scalar + ComplexField>(
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    mut normal: MatMut<'_, T>,
    mut data: MatMut<'_, T>,
    threads: Threads,
) {
    let (m, n) = a.shape();
    if m < TALL * n {
        gram(normal, Accum::Replace, a, Op::Adjoint, threads);
        product(data, Accum::Replace, T::ONE, a, Op::Adjoint, b, Op::None, threads);
        return;
    }
    let (block, rows) = cut(m, n, threads);
    let starts: Vec<usize> = (0..m).step_by(rows).collect();
    let mut parts: Vec<(Mat<T>, Mat<T>)> = starts.iter().map(|_| (zeros(n, n), zeros(n, b.ncols()))).collect();
    let one_part = |start: usize, normal: &mut Mat<T>, data: &mut Mat<T>| {
        let end = (start + rows).min(m);
        let mut row = start;
        while row < end {
            let count = block.min(end - row);
            let (a, b) = (a.subrows(row, count), b.subrows(row, count));
            gram(normal.as_mut(), Accum::Add, a, Op::Adjoint, Threads::ONE);
            product(data.as_mut(), Accum::Add, T::ONE, a, Op::Adjoint, b, Op::None, Threads::ONE);
            row += count;
        }
    };
    let one_part = &one_part;
    in_parallel(starts.iter().zip(&mut parts).map(|(&start, (normal, data))| move || one_part(start, normal, data)).collect());
    let (normals, datas): (Vec<Mat<T>>, Vec<Mat<T>>) = parts.into_iter().unzip();
    add_parts(normal.as_mut(), &normals);
    add_parts(data.as_mut(), &datas);
}

fn residual_sweep<T: Scalar + ComplexField>(
    a: MatRef<'_, T>,
    x: MatRef<'_, T>,
    b: MatRef<'_, T>,
    mut residual: MatMut<'_, T>,
    mut gradient: MatMut<'_, T>,
    threads: Threads,
) {
    let (m, n) = a.shape();
    if m < TALL * n {
        residual.copy_from(b);
        product(residual.as_mut(), Accum::Add, -T::ONE, a, Op::None, x, Op::None, threads);
        product(gradient, Accum::Replace, T::ONE, a, Op::Adjoint, residual.as_ref(), Op::None, threads);
        return;
    }
    let (block, rows) = cut(m, n, threads);
    let starts: Vec<usize> = (0..m).step_by(rows).collect();
    let mut parts: Vec<Mat<T>> = starts.iter().map(|_| zeros(n, b.ncols())).collect();
    let mut slices: Vec<MatMut<'_, T>> = Vec::with_capacity(starts.len());
    let mut rest = residual;
    for &start in &starts {
        let (head, tail) = rest.split_at_row_mut(rows.min(m - start));
        slices.push(head);
        rest = tail;
    }
    let one_part = |start: usize, mut residual: MatMut<'_, T>, gradient: &mut Mat<T>| {
        let count = residual.nrows();
        let mut row = 0;
        while row < count {
            let size = block.min(count - row);
            let a = a.subrows(start + row, size);
            let mut r = residual.as_mut().subrows_mut(row, size);
            r.copy_from(b.subrows(start + row, size));
            product(r.as_mut(), Accum::Add, -T::ONE, a, Op::None, x, Op::None, Threads::ONE);
            product(gradient.as_mut(), Accum::Add, T::ONE, a, Op::Adjoint, r.as_ref(), Op::None, Threads::ONE);
            row += size;
        }
    };
    let one_part = &one_part;
    in_parallel(starts.iter().zip(slices).zip(&mut parts).map(|((&start, r), part)| move || one_part(start, r, part)).collect());
    add_parts(gradient.as_mut(), &parts);
}

macro_rules! kernels {
    ($($type:ident)*) => {$(
        impl Kernels for $type {
            fn product(c: MatMut<'_, Self>, accumulate: Accum, alpha: Self, a: MatRef<'_, Self>, op_a: Op, b: MatRef<'_, Self>, op_b: Op, threads: Threads) {
                product(c, accumulate, alpha, a, op_a, b, op_b, threads)
            }
            fn gram(c: MatMut<'_, Self>, accumulate: Accum, a: MatRef<'_, Self>, op: Op, threads: Threads) {
                gram(c, accumulate, a, op, threads)
            }
            fn cholesky(c: MatMut<'_, Self>, threads: Threads) -> Result<(), usize> {
                cholesky(c, threads)
            }
            fn solve_lower(l: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads) {
                solve_lower(l, op, b, threads)
            }
            fn solve_upper(r: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads) {
                solve_upper(r, op, b, threads)
            }
            fn invert_lower(l: MatRef<'_, Self>, out: MatMut<'_, Self>, threads: Threads) {
                invert_lower(l, out, threads)
            }
            fn qr(a: Mat<Self>, threads: Threads) -> Reflectors<Self> {
                qr(a, threads)
            }
            fn qr_pivoted(a: Mat<Self>, threads: Threads) -> (Reflectors<Self>, Vec<usize>) {
                qr_pivoted(a, threads)
            }
            fn apply_reflectors(basis: MatRef<'_, Self>, coefficients: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads) {
                apply_reflectors(basis, coefficients, op, b, threads)
            }
            fn svd(a: MatRef<'_, Self>, s: &mut [Self], u: Option<MatMut<'_, Self>>, v: Option<MatMut<'_, Self>>, by_rotations: bool, threads: Threads) -> Result<(), NoConvergence> {
                svd(a, s, u, v, by_rotations, threads)
            }
            fn self_adjoint_eigen(a: MatRef<'_, Self>, s: &mut [Self], u: MatMut<'_, Self>, threads: Threads) -> Result<(), NoConvergence> {
                self_adjoint_eigen(a, s, u, threads)
            }
            fn bidiagonalize(a: MatMut<'_, Self>, threads: Threads) -> (Mat<Self>, Mat<Self>) {
                bidiagonalize(a, threads)
            }
            fn multiply(a: MatRef<'_, Self>, x: &[Self], y: &mut [Self], threads: Threads) {
                multiply(a, x, y, threads)
            }
            fn multiply_adjoint(a: MatRef<'_, Self>, y: &[Self], x: &mut [Self], threads: Threads) {
                multiply_adjoint(a, y, x, threads)
            }
            fn normal_equations(a: MatRef<'_, Self>, b: MatRef<'_, Self>, gram: MatMut<'_, Self>, data: MatMut<'_, Self>, threads: Threads) {
                normal_equations(a, b, gram, data, threads)
            }
            fn residual_sweep(a: MatRef<'_, Self>, x: MatRef<'_, Self>, b: MatRef<'_, Self>, residual: MatMut<'_, Self>, gradient: MatMut<'_, Self>, threads: Threads) {
                residual_sweep(a, x, b, residual, gradient, threads)
            }
            fn largest_entry(a: MatRef<'_, Self>, threads: Threads) -> Option<<Self as Scalar>::Real> {
                largest_entry(a, threads)
            }
            fn tridiagonalize(a: MatMut<'_, Self>, threads: Threads) -> Mat<Self> {
                tridiagonalize(a, threads)
            }
            fn self_adjoint_product(c: MatMut<'_, Self>, a: MatRef<'_, Self>, b: MatRef<'_, Self>, threads: Threads) {
                self_adjoint_product(c, a, b, threads)
            }
            fn subtract_lower(c: MatMut<'_, Self>, l: MatRef<'_, Self>, r: MatRef<'_, Self>, threads: Threads) {
                subtract_lower(c, l, r, threads)
            }
        }
    )*};
}
kernels!(f32 f64 c32 c64);

/// Euclidean norm without overflow or underflow.
pub fn norm<T: Scalar>(x: &[T]) -> T::Real {
    let mut sum = T::Real::ZERO;
    for &value in x {
        sum += value.modulus_squared();
    }
    // inside this window no square can have overflowed and none that matters was lost
    let safe = T::Real::MIN_POSITIVE / (T::Real::EPSILON * T::Real::EPSILON);
    if sum > safe && sum <= T::Real::MAX {
        return sum.sqrt();
    }
    let largest = largest_modulus(x);
    if largest == T::Real::ZERO || !largest.finite() {
        return largest;
    }
    let mut sum = T::Real::ZERO;
    for &value in x {
        let part = T::from_parts(value.real() / largest, value.imaginary() / largest);
        sum += part.modulus_squared();
    }
    largest * sum.sqrt()
}

/// The largest |real| or |imaginary| part; NaN when there is one.
pub fn largest_modulus<T: Scalar>(x: &[T]) -> T::Real {
    let mut largest = T::Real::ZERO;
    for &value in x {
        largest = value.real().modulus().larger(largest);
        if T::IS_COMPLEX {
            largest = value.imaginary().modulus().larger(largest);
        }
    }
    largest
}

/// ⟨x, y⟩ = Σ x̄ᵢyᵢ.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut sum = [T::ZERO; 4];
    let (mut xs, mut ys) = (x.chunks_exact(4), y.chunks_exact(4));
    for (x, y) in xs.by_ref().zip(ys.by_ref()) {
        for k in 0..4 {
            sum[k] += x[k].conj() * y[k];
        }
    }
    let mut total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (&x, &y) in xs.remainder().iter().zip(ys.remainder()) {
        total += x.conj() * y;
    }
    total
}

/// y ← y + alpha·x.
pub fn add_scaled<T: Scalar>(y: &mut [T], alpha: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

/// A matrix of zeros.
pub fn zeros<T: Scalar>(rows: usize, columns: usize) -> Mat<T> {
    Mat::from_fn(rows, columns, |_, _| T::ZERO)
}

/// A copy.
pub fn copy<T: Scalar>(a: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)])
}

/// A copy of Aᴴ.
pub fn adjoint<T: Scalar>(a: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.ncols(), a.nrows(), |i, j| a[(j, i)].conj())
}

/// The columns of a matrix, one after another.
pub fn flatten<T: Scalar>(a: MatRef<'_, T>) -> Vec<T> {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)])).collect()
}

/// Euclidean norms of the columns, as `f64`, without overflow.
pub fn column_norms<T: Scalar>(a: MatRef<'_, T>) -> Vec<f64> {
    let mut column = vec![T::ZERO; a.nrows()];
    (0..a.ncols())
        .map(|j| {
            for (i, entry) in column.iter_mut().enumerate() {
                *entry = a[(i, j)];
            }
            norm(&column).to_f64()
        })
        .collect()
}

/// Estimate of ‖R‖₁‖R⁻¹‖₁ for an upper triangular R: Hager's method as refined by Higham 1988 (doi:10.1145/50063.214386),
/// a lower bound that is rarely below a third of the truth. ∞ when a diagonal entry is zero.
pub fn condition_upper<T: Scalar>(r: MatRef<'_, T>) -> f64 {
    let n = r.nrows();
    if (0..n).any(|k| r[(k, k)] == T::ZERO) {
        return f64::INFINITY;
    }
    let one_norm = (0..n).map(|j| (0..=j).map(|i| r[(i, j)].modulus().to_f64()).sum::<f64>()).fold(0.0, f64::max);
    let solve = |op: Op, x: &mut [T]| {
        let column = MatMut::from_column_major_slice_mut(x, n, 1);
        T::solve_upper(r, op, column, Threads::ONE);
    };
    one_norm * inverse_one_norm(n, &|x: &mut [T]| solve(Op::None, x), &|x: &mut [T]| solve(Op::Adjoint, x))
}

/// Estimate of ‖M⁻¹‖₁ from solves with M and Mᴴ (Hager, Higham).
pub fn inverse_one_norm<T: Scalar>(n: usize, solve: &dyn Fn(&mut [T]), solve_adjoint: &dyn Fn(&mut [T])) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let sum = |x: &[T]| x.iter().map(|v| v.modulus().to_f64()).sum::<f64>();
    let mut x = vec![T::from_real(T::Real::from_f64(1.0 / n as f64)); n];
    let mut estimate = 0.0;
    let mut previous = usize::MAX;
    for _ in 0..5 {
        solve(&mut x);
        let now = sum(&x);
        if !now.is_finite() {
            return f64::INFINITY;
        }
        if now <= estimate {
            break;
        }
        estimate = now;
        for value in x.iter_mut() {
            let modulus = value.modulus();
            *value = if modulus == T::Real::ZERO { T::ONE } else { value.scale(T::Real::ONE / modulus) };
        }
        solve_adjoint(&mut x);
        let largest = (0..n).max_by(|&i, &j| x[i].modulus().to_f64().total_cmp(&x[j].modulus().to_f64())).unwrap_or(0);
        if largest == previous {
            break;
        }
        previous = largest;
        x.fill(T::ZERO);
        x[largest] = T::ONE;
    }
    // Higham's second vector catches the cases in which the first is misled
    let mut x: Vec<T> = (0..n)
        .map(|i| {
            let size = 1.0 + i as f64 / (n.max(2) - 1) as f64;
            T::from_real(T::Real::from_f64(if i % 2 == 0 { size } else { -size }))
        })
        .collect();
    solve(&mut x);
    let alternative = 2.0 * sum(&x) / (3.0 * n as f64);
    if alternative.is_finite() { estimate.max(alternative) } else { f64::INFINITY }
}

/// Y ← op(A)X, by the threaded matrix-vector product for one column.
pub fn multiply_block<T: Scalar>(a: MatRef<'_, T>, op: Op, x: MatRef<'_, T>, y: &mut Mat<T>, threads: Threads) {
    if x.ncols() == 1 {
        let x = flatten(x);
        let y = y.col_as_slice_mut(0);
        return match op {
            Op::None => T::multiply(a, &x, y, threads),
            Op::Adjoint => T::multiply_adjoint(a, &x, y, threads),
        };
    }
    T::product(y.as_mut(), Accum::Replace, T::ONE, a, op, x, Op::None, threads);
}

/// The largest ‖dxⱼ‖/‖xⱼ‖ over the columns.
pub fn relative_size<T: Scalar>(correction: &Mat<T>, x: &Mat<T>) -> f64 {
    let (d, x) = (column_norms(correction.as_ref()), column_norms(x.as_ref()));
    d.iter()
        .zip(&x)
        .map(|(&d, &x)| if d == 0.0 { 0.0 } else { d / x.max(f64::MIN_POSITIVE) })
        .fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a })
}
