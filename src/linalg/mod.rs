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

pub(crate) mod bidiagonal_qr;
pub mod compressed;
mod condition;
mod filters;
mod kernels;
mod narrow;
mod orthogonal;
pub mod panel;
mod parts;
pub mod sparse;
pub mod supernodal;
mod sweeps;
pub(crate) mod tridiagonal_ql;
mod vectors;

pub use condition::{condition_upper, inverse_one_norm};
pub use filters::{FilterSums, filter_sums, squared_distance};
pub use orthogonal::{product, sum_of_squares, thin_qr, thin_qr_pivoted, triangle_of};
pub use parts::{in_parts, transpose};
pub use sweeps::{add_parts, in_parallel, take_turns};
pub use vectors::{
    add_scaled, add_scaled_by, adjoint, column, column_norms, copy, dot, exchange, largest_modulus, multiply_block, norm, norm_by, norm_of,
    relative_size, squares, sweep, zeros,
};

use crate::scalar::{Scalar, c32, c64};
use compressed::Pattern;
use faer::Par;
pub use faer::prelude::ReborrowMut;
use sparse::{Analysis, Orthogonal, QrAnalysis, Rows};

pub use faer::{Accum, ColMut, Mat, MatMut, MatRef};

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

/// A matrix of any scalar type as one of `f64`, in place, where that is what it is.
#[doc(hidden)]
pub trait Doubles: Sized {
    fn doubles(_: MatRef<'_, Self>) -> Option<MatRef<'_, f64>> {
        None
    }
    fn doubles_of(_: &[Self]) -> Option<&[f64]> {
        None
    }
}

impl Doubles for f64 {
    fn doubles(a: MatRef<'_, f64>) -> Option<MatRef<'_, f64>> {
        Some(a)
    }
    fn doubles_of(values: &[f64]) -> Option<&[f64]> {
        Some(values)
    }
}
impl Doubles for f32 {}
impl Doubles for c32 {}
impl Doubles for c64 {}

/// The dense kernels, one concrete entry point for each scalar type.
#[doc(hidden)]
pub trait Kernels: Sized + Doubles {
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
    /// The same of columns of one length that need not lie in one matrix; for few and long ones.
    fn gram_of_columns(c: MatMut<'_, Self>, accumulate: Accum, columns: &[&[Self]]);
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
    /// w ← Ax − αu and z ← Aᴴw, A read once where it is tall.
    fn fused(a: MatRef<'_, Self>, x: &[Self], alpha: Self, u: &[Self], w: &mut [Self], z: &mut [Self], threads: Threads);
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
    /// G ← G + |U|²F, squared moduli entry by entry, and R ← R + UW, U read once.
    fn leverage_sweep(
        u: MatRef<'_, Self>,
        f: MatRef<'_, <Self as Scalar>::Real>,
        gaps: MatMut<'_, <Self as Scalar>::Real>,
        w: MatRef<'_, Self>,
        residuals: MatMut<'_, Self>,
        threads: Threads,
    ) where
        Self: Scalar;
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
    /// Memory of the calling thread, kept between calls; it may hold anything.
    fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [Self]) -> R) -> R;
    /// y ← Ax by stored rows; with the conjugated entries where asked for.
    fn gather(p: Pattern<'_>, values: &[Self], conjugate: bool, x: &[Self], y: &mut [Self], threads: Threads);
    /// x ← Aᵀy by stored rows; with the conjugated entries where asked for.
    fn scatter(p: Pattern<'_>, values: &[Self], conjugate: bool, y: &[Self], x: &mut [Self], threads: Threads);
    /// w ← Ax − αu and z ← Aᴴw by stored rows.
    fn gather_scatter(
        p: Pattern<'_>,
        values: &[Self],
        x: &[Self],
        alpha: Self,
        u: &[Self],
        w: &mut [Self],
        z: &mut [Self],
        threads: Threads,
    );
    /// [`gather`](Self::gather) for k columns, those of X of length `width`.
    fn gather_block(p: Pattern<'_>, values: &[Self], conjugate: bool, k: usize, width: usize, x: &[Self], y: &mut [Self], threads: Threads);
    /// [`scatter`](Self::scatter) for k columns, those of X of length `width`.
    fn scatter_block(
        p: Pattern<'_>,
        values: &[Self],
        conjugate: bool,
        k: usize,
        width: usize,
        y: &[Self],
        x: &mut [Self],
        threads: Threads,
    );
    /// Hands a sparse QR factorization of S to `work`; `None` when memory does not suffice.
    fn with_sparse_qr(analysis: &Analysis, pattern: &QrAnalysis, s: &Rows<Self>, work: &mut dyn FnMut(&dyn Orthogonal<Self>))
    -> Option<()>;
}

macro_rules! kernels {
    ($($type:ident)*) => {$(
        impl Kernels for $type {
            fn product(c: MatMut<'_, Self>, accumulate: Accum, alpha: Self, a: MatRef<'_, Self>, op_a: Op, b: MatRef<'_, Self>, op_b: Op, threads: Threads) {
                kernels::product(c, accumulate, alpha, a, op_a, b, op_b, threads)
            }
            fn gram(c: MatMut<'_, Self>, accumulate: Accum, a: MatRef<'_, Self>, op: Op, threads: Threads) {
                kernels::gram(c, accumulate, a, op, threads)
            }
            fn gram_of_columns(c: MatMut<'_, Self>, accumulate: Accum, columns: &[&[Self]]) {
                narrow::of_columns(c, accumulate, columns)
            }
            fn cholesky(c: MatMut<'_, Self>, threads: Threads) -> Result<(), usize> {
                kernels::cholesky(c, threads)
            }
            fn solve_lower(l: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads) {
                kernels::solve_lower(l, op, b, threads)
            }
            fn solve_upper(r: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads) {
                kernels::solve_upper(r, op, b, threads)
            }
            fn invert_lower(l: MatRef<'_, Self>, out: MatMut<'_, Self>, threads: Threads) {
                kernels::invert_lower(l, out, threads)
            }
            fn qr(a: Mat<Self>, threads: Threads) -> Reflectors<Self> {
                kernels::qr(a, threads)
            }
            fn qr_pivoted(a: Mat<Self>, threads: Threads) -> (Reflectors<Self>, Vec<usize>) {
                kernels::qr_pivoted(a, threads)
            }
            fn apply_reflectors(basis: MatRef<'_, Self>, coefficients: MatRef<'_, Self>, op: Op, b: MatMut<'_, Self>, threads: Threads) {
                kernels::apply_reflectors(basis, coefficients, op, b, threads)
            }
            fn svd(a: MatRef<'_, Self>, s: &mut [Self], u: Option<MatMut<'_, Self>>, v: Option<MatMut<'_, Self>>, by_rotations: bool, threads: Threads) -> Result<(), NoConvergence> {
                kernels::svd(a, s, u, v, by_rotations, threads)
            }
            fn self_adjoint_eigen(a: MatRef<'_, Self>, s: &mut [Self], u: MatMut<'_, Self>, threads: Threads) -> Result<(), NoConvergence> {
                kernels::self_adjoint_eigen(a, s, u, threads)
            }
            fn bidiagonalize(a: MatMut<'_, Self>, threads: Threads) -> (Mat<Self>, Mat<Self>) {
                kernels::bidiagonalize(a, threads)
            }
            fn multiply(a: MatRef<'_, Self>, x: &[Self], y: &mut [Self], threads: Threads) {
                sweeps::multiply(a, x, y, threads)
            }
            fn multiply_adjoint(a: MatRef<'_, Self>, y: &[Self], x: &mut [Self], threads: Threads) {
                sweeps::multiply_adjoint(a, y, x, threads)
            }
            fn fused(a: MatRef<'_, Self>, x: &[Self], alpha: Self, u: &[Self], w: &mut [Self], z: &mut [Self], threads: Threads) {
                sweeps::fused(a, x, alpha, u, w, z, threads)
            }
            fn normal_equations(a: MatRef<'_, Self>, b: MatRef<'_, Self>, gram: MatMut<'_, Self>, data: MatMut<'_, Self>, threads: Threads) {
                sweeps::normal_equations(a, b, gram, data, threads)
            }
            fn residual_sweep(a: MatRef<'_, Self>, x: MatRef<'_, Self>, b: MatRef<'_, Self>, residual: MatMut<'_, Self>, gradient: MatMut<'_, Self>, threads: Threads) {
                sweeps::residual_sweep(a, x, b, residual, gradient, threads)
            }
            fn leverage_sweep(u: MatRef<'_, Self>, f: MatRef<'_, <Self as Scalar>::Real>, gaps: MatMut<'_, <Self as Scalar>::Real>, w: MatRef<'_, Self>, residuals: MatMut<'_, Self>, threads: Threads) {
                sweeps::leverage_sweep(u, f, gaps, w, residuals, threads)
            }
            fn largest_entry(a: MatRef<'_, Self>, threads: Threads) -> Option<<Self as Scalar>::Real> {
                sweeps::largest_entry(a, threads)
            }
            fn tridiagonalize(a: MatMut<'_, Self>, threads: Threads) -> Mat<Self> {
                kernels::tridiagonalize(a, threads)
            }
            fn self_adjoint_product(c: MatMut<'_, Self>, a: MatRef<'_, Self>, b: MatRef<'_, Self>, threads: Threads) {
                kernels::self_adjoint_product(c, a, b, threads)
            }
            fn subtract_lower(c: MatMut<'_, Self>, l: MatRef<'_, Self>, r: MatRef<'_, Self>, threads: Threads) {
                kernels::subtract_lower(c, l, r, threads)
            }
            fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [Self]) -> R) -> R {
                thread_local! {
                    static SCRATCH: core::cell::RefCell<Vec<$type>> = const { core::cell::RefCell::new(Vec::new()) };
                }
                // taken out while in use: a product inside a product (by work stealing) finds an empty one
                let mut scratch = SCRATCH.take();
                if scratch.len() < length {
                    scratch.resize(length, <$type as Scalar>::ZERO);
                }
                let result = work(&mut scratch[..length]);
                SCRATCH.replace(scratch);
                result
            }
            fn gather(p: Pattern<'_>, values: &[Self], conjugate: bool, x: &[Self], y: &mut [Self], threads: Threads) {
                compressed::gather_all(p, values, conjugate, x, y, threads)
            }
            fn scatter(p: Pattern<'_>, values: &[Self], conjugate: bool, y: &[Self], x: &mut [Self], threads: Threads) {
                compressed::scatter_all(p, values, conjugate, y, x, threads)
            }
            fn gather_scatter(p: Pattern<'_>, values: &[Self], x: &[Self], alpha: Self, u: &[Self], w: &mut [Self], z: &mut [Self], threads: Threads) {
                compressed::fused_all(p, values, x, alpha, u, w, z, threads)
            }
            fn gather_block(p: Pattern<'_>, values: &[Self], conjugate: bool, k: usize, width: usize, x: &[Self], y: &mut [Self], threads: Threads) {
                compressed::gather_block(p, values, conjugate, k, width, x, y, threads)
            }
            fn scatter_block(p: Pattern<'_>, values: &[Self], conjugate: bool, k: usize, width: usize, y: &[Self], x: &mut [Self], threads: Threads) {
                compressed::scatter_block(p, values, conjugate, k, width, y, x, threads)
            }
            fn with_sparse_qr(analysis: &Analysis, pattern: &QrAnalysis, s: &Rows<Self>, work: &mut dyn FnMut(&dyn Orthogonal<Self>)) -> Option<()> {
                sparse::with_qr(analysis, pattern, s, work)
            }
        }
    )*};
}
kernels!(f32 f64 c32 c64);

/// Runs `loops` compiled for the vector instructions of this processor. What it calls must be `#[inline(always)]` to gain.
pub fn vectorized<R>(loops: impl FnOnce() -> R) -> R {
    faer::traits::pulp::Arch::new().dispatch(loops)
}
