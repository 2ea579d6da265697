//! A: the open end of the library. Anything that can multiply by A and by Aᴴ is an [`Operator`].
//!
//! Matrices of faer and nalgebra, dense and sparse, [`DenseView`]s and [`SparseView`]s of slices implement it and show their entries, so that a
//! factorization is possible; [`from_fn`] makes an operator of two closures; [`algebra`] combines operators, and
//! [`adjoint`](mod@adjoint) turns them round;
//! [`difference`] and [`grid`] have the penalty operators, [`blocks`] puts operators side by side and chooses rows,
//! [`kronecker`](mod@kronecker), [`convolution`](mod@convolution) and [`tomography`] have structure of their own.
//! [`dot_test`] finds a wrong adjoint.

pub mod adjoint;
pub mod algebra;
pub mod blocks;
pub mod convolution;
pub mod dense;
pub mod diagonal;
pub mod difference;
mod dot_test;
mod from_fn;
pub mod grid;
pub mod kernel;
pub mod kronecker;
pub mod sparse;
pub mod tomography;

pub use adjoint::{adjoint, transpose};
pub use algebra::{diagonal, product, scaled, stack, sum};
pub use blocks::{beside, block_diagonal, mask, sampling, select};
pub use convolution::{Convolution, convolution};
pub use dense::DenseView;
pub use diagonal::{Basis, Diagonalization, Unitary};
pub use difference::{Boundary, Differences, first_difference, first_difference_2d, second_difference, second_difference_2d};
pub use dot_test::dot_test;
pub use from_fn::{FromFn, from_fn};
pub use grid::Grid;
pub use kernel::{Kernel, defocus_kernel, gaussian_kernel, motion_kernel};
pub use kronecker::kronecker;
pub use sparse::SparseView;
pub use tomography::{ParallelBeam, parallel_beam};

use crate::linalg;
use crate::scalar::Scalar;

/// A: a linear map from n unknowns to m data. Two products are enough; the rest has defaults, and what you override
/// must stay equal in value.
///
/// # Example
///
/// A running sum, never stored:
///
/// ```
/// use wellposed::{Gcv, Problem, operator::{self, Operator}};
///
/// struct RunningSum(usize);
/// impl Operator for RunningSum {
///     type Scalar = f64;
///     fn shape(&self) -> (usize, usize) {
///         (self.0, self.0)
///     }
///     fn apply(&self, x: &[f64], y: &mut [f64]) {
///         let mut sum = 0.0;
///         for (y, x) in y.iter_mut().zip(x) {
///             sum += x;
///             *y = sum;
///         }
///     }
///     fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
///         let mut sum = 0.0;
///         for (x, y) in x.iter_mut().zip(y).rev() {
///             sum += y;
///             *x = sum;
///         }
///     }
/// }
///
/// operator::dot_test(&RunningSum(40))?;
/// let fit = Problem::new(&RunningSum(40)).solve(&[1.0; 40], 0.5)?;
/// assert_eq!(fit.x.len(), 40);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub trait Operator {
    /// `f32`, `f64`, `c32` or `c64`.
    type Scalar: Scalar;

    /// (m, n): rows and columns.
    fn shape(&self) -> (usize, usize);

    /// y ← Ax, `x` of length n, `y` of length m; `y` may hold anything before.
    fn apply(&self, x: &[Self::Scalar], y: &mut [Self::Scalar]);

    /// x ← Aᴴy, `y` of length m, `x` of length n; `x` may hold anything before.
    fn apply_adjoint(&self, y: &[Self::Scalar], x: &mut [Self::Scalar]);

    /// Y ← AX for column-major blocks of k columns. The default loops over the columns.
    fn apply_block(&self, k: usize, x: &[Self::Scalar], y: &mut [Self::Scalar]) {
        let (m, n) = self.shape();
        for column in 0..k {
            self.apply(&x[column * n..(column + 1) * n], &mut y[column * m..(column + 1) * m]);
        }
    }

    /// X ← AᴴY for column-major blocks of k columns. The default loops over the columns.
    fn apply_adjoint_block(&self, k: usize, y: &[Self::Scalar], x: &mut [Self::Scalar]) {
        let (m, n) = self.shape();
        for column in 0..k {
            self.apply_adjoint(&y[column * m..(column + 1) * m], &mut x[column * n..(column + 1) * n]);
        }
    }

    /// w ← Ax − αu, then z ← Aᴴw: a step of Golub and Kahan's process. `x` and `z` have length n, `u` and `w` length m.
    ///
    /// The default makes the two products one after the other. Override it where one sweep over A does both: such a step reads A
    /// once instead of twice. Sparse rows and tall dense matrices do, and [`scaled`], [`stack`] and [`block_diagonal`] pass it on.
    fn apply_fused(&self, x: &[Self::Scalar], alpha: Self::Scalar, u: &[Self::Scalar], w: &mut [Self::Scalar], z: &mut [Self::Scalar]) {
        self.apply(x, w);
        linalg::add_scaled(w, -alpha, u);
        self.apply_adjoint(w, z);
    }

    /// The stored entries, if there are any: how the planner learns that a factorization is possible.
    fn entries(&self) -> Entries<'_, Self::Scalar> {
        Entries::None
    }

    /// A = U·diag(σ)·Vᴴ by fast transforms, if there is such a thing: how the planner learns that every λ, any rule and x
    /// cost no more than a few transforms.
    fn diagonalization(&self) -> Option<Diagonalization<'_, Self::Scalar>> {
        None
    }

    /// For an L: the square roots of the diagonal of VᴴLᴴLV where that matrix is diagonal for this basis V.
    fn diagonal_in(&self, _: &Basis) -> Option<Vec<f64>> {
        None
    }

    /// Whether the work is to end (a button was pressed, Ctrl-C, a deadline): looked at before each product that is made with what
    /// [`entries`](Self::entries) shows in place of [`apply`](Self::apply). An iteration then ends with
    /// [`Error::NonFinite`](crate::Error::NonFinite), as it does when a product of yours is NaN.
    fn interrupted(&self) -> bool {
        false
    }

    /// Number of rows over all processes (for row-distributed operators).
    fn global_rows(&self) -> usize {
        self.shape().0
    }

    /// ‖y‖ in the range of A (for row-distributed operators).
    fn range_norm(&self, y: &[Self::Scalar]) -> <Self::Scalar as Scalar>::Real {
        linalg::norm(y)
    }

    /// ⟨u, v⟩ = Σ ūᵢvᵢ in the range of A (for row-distributed operators).
    fn range_dot(&self, u: &[Self::Scalar], v: &[Self::Scalar]) -> Self::Scalar {
        linalg::dot(u, v)
    }
}

/// What an operator shows of its entries.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Entries<'a, T> {
    /// Only products.
    None,
    /// All entries, dense.
    Dense(DenseView<'a, T>),
    /// The entries that are not zero, by rows or by columns.
    Sparse(SparseView<'a, T>),
}

/// References and boxes of operators are operators: every method is passed on, so that no override is lost.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<O: Operator + ?Sized> Operator for $pointer {
            type Scalar = O::Scalar;
            fn shape(&self) -> (usize, usize) {
                (**self).shape()
            }
            fn apply(&self, x: &[Self::Scalar], y: &mut [Self::Scalar]) {
                (**self).apply(x, y)
            }
            fn apply_adjoint(&self, y: &[Self::Scalar], x: &mut [Self::Scalar]) {
                (**self).apply_adjoint(y, x)
            }
            fn apply_block(&self, k: usize, x: &[Self::Scalar], y: &mut [Self::Scalar]) {
                (**self).apply_block(k, x, y)
            }
            fn apply_adjoint_block(&self, k: usize, y: &[Self::Scalar], x: &mut [Self::Scalar]) {
                (**self).apply_adjoint_block(k, y, x)
            }
            fn apply_fused(&self, x: &[Self::Scalar], alpha: Self::Scalar, u: &[Self::Scalar], w: &mut [Self::Scalar], z: &mut [Self::Scalar]) {
                (**self).apply_fused(x, alpha, u, w, z)
            }
            fn entries(&self) -> Entries<'_, Self::Scalar> {
                (**self).entries()
            }
            fn diagonalization(&self) -> Option<Diagonalization<'_, Self::Scalar>> {
                (**self).diagonalization()
            }
            fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
                (**self).diagonal_in(basis)
            }
            fn interrupted(&self) -> bool {
                (**self).interrupted()
            }
            fn global_rows(&self) -> usize {
                (**self).global_rows()
            }
            fn range_norm(&self, y: &[Self::Scalar]) -> <Self::Scalar as Scalar>::Real {
                (**self).range_norm(y)
            }
            fn range_dot(&self, u: &[Self::Scalar], v: &[Self::Scalar]) -> Self::Scalar {
                (**self).range_dot(u, v)
            }
        }
    )*};
}
forward!(&O, Box<O>);
