//! Matrices and vectors of other crates, by pointer, shape and strides: never copied on the way in. Only the files here
//! name a container crate; each implements [`Operator`](crate::Operator) and [`Data`](crate::Data) for its types.

#![deny(unsafe_op_in_unsafe_fn)]

mod faer;
#[cfg(feature = "nalgebra")]
mod nalgebra;
#[cfg(feature = "nalgebra-sparse")]
mod nalgebra_sparse;
#[cfg(feature = "sprs")]
mod sprs;

use crate::operator::{DenseView, SparseView};

/// A container whose entries lie in memory at two strides.
trait Dense<T> {
    /// Its entries, in place.
    fn dense(&self) -> DenseView<'_, T>;
}

/// The operator of a [`Dense`] container is that of its view.
macro_rules! dense_operator {
    ([$($generic:tt)*] $type:ty) => {
        impl<T: Scalar, $($generic)*> Operator for $type {
            type Scalar = T;
            fn shape(&self) -> (usize, usize) {
                self.dense().shape()
            }
            fn apply(&self, x: &[T], y: &mut [T]) {
                self.dense().apply(x, y)
            }
            fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
                self.dense().apply_adjoint(y, x)
            }
            fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
                self.dense().apply_block(k, x, y)
            }
            fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
                self.dense().apply_adjoint_block(k, y, x)
            }
            fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
                self.dense().apply_fused(x, alpha, u, w, z)
            }
            fn entries(&self) -> Entries<'_, T> {
                Entries::Dense(self.dense())
            }
        }
    };
}
use dense_operator;

/// A container in compressed rows or columns.
trait Sparse<T> {
    /// Its arrays, in place.
    fn sparse(&self) -> SparseView<'_, T>;
}

/// The operator of a [`Sparse`] container is that of its view.
macro_rules! sparse_operator {
    ([$($generic:tt)*] $type:ty) => {
        impl<T: Scalar, $($generic)*> Operator for $type {
            type Scalar = T;
            fn shape(&self) -> (usize, usize) {
                self.sparse().shape()
            }
            fn apply(&self, x: &[T], y: &mut [T]) {
                self.sparse().apply(x, y)
            }
            fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
                self.sparse().apply_adjoint(y, x)
            }
            fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
                self.sparse().apply_block(k, x, y)
            }
            fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
                self.sparse().apply_adjoint_block(k, y, x)
            }
            fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
                self.sparse().apply_fused(x, alpha, u, w, z)
            }
            fn entries(&self) -> Entries<'_, T> {
                Entries::Sparse(self.sparse())
            }
            fn range_norm(&self, y: &[T]) -> T::Real {
                self.sparse().range_norm(y)
            }
        }
    };
}
use sparse_operator;
