//! faer's `Mat`, `MatRef`, `Col` and `ColRef`, with any shape and stride types, transposed, reversed or strided; its sparse
//! matrices by rows and by columns as operators, with `u32` or `usize` indices, compressed or not.
//!
//! A `Mat` or `MatRef` on the right-hand side is many right-hand sides, also when it has one column; a `Col` or
//! `ColRef` is one. The answers are a `Mat` and a `Col`. As an operator, a column is an m×1 matrix.

use super::{Dense, Sparse, dense_operator, sparse_operator};
use crate::data::{Data, only};
use crate::operator::sparse::Index;
use crate::operator::{DenseView, Entries, Operator, SparseView};
use crate::scalar::Scalar;
use faer::sparse::{SparseColMat, SparseColMatRef, SparseRowMat, SparseRowMatRef};
use faer::{Col, ColRef, Mat, MatRef, Shape, Stride};

impl<T: Scalar, R: Shape, C: Shape> Dense<T> for Mat<T, R, C> {
    fn dense(&self) -> DenseView<'_, T> {
        DenseView::from_matrix(self.as_dyn().as_dyn_stride())
    }
}

impl<T: Scalar, R: Shape, C: Shape, RS: Stride, CS: Stride> Dense<T> for MatRef<'_, T, R, C, RS, CS> {
    fn dense(&self) -> DenseView<'_, T> {
        DenseView::from_matrix(self.as_dyn().as_dyn_stride())
    }
}

impl<T: Scalar, R: Shape> Dense<T> for Col<T, R> {
    fn dense(&self) -> DenseView<'_, T> {
        DenseView::from_matrix(self.as_dyn_rows().as_mat().as_dyn_stride())
    }
}

impl<T: Scalar, R: Shape, RS: Stride> Dense<T> for ColRef<'_, T, R, RS> {
    fn dense(&self) -> DenseView<'_, T> {
        DenseView::from_matrix(self.as_dyn_rows().as_mat().as_dyn_stride())
    }
}

dense_operator!([R: Shape, C: Shape] Mat<T, R, C>);
dense_operator!([R: Shape, C: Shape, RS: Stride, CS: Stride] MatRef<'_, T, R, C, RS, CS>);
dense_operator!([R: Shape] Col<T, R>);
dense_operator!([R: Shape, RS: Stride] ColRef<'_, T, R, RS>);

macro_rules! matrices {
    ($([$($generic:tt)*] $type:ty),*) => {$(
        impl<T: Scalar, $($generic)*> Data<T> for $type {
            type Output = Mat<T>;
            type Each<V> = Vec<V>;
            fn view(&self) -> DenseView<'_, T> {
                self.dense()
            }
            fn output(rows: usize, columns: usize, entries: Vec<T>) -> Mat<T> {
                Mat::from_fn(rows, columns, |i, j| entries[j * rows + i])
            }
            fn each<V>(values: Vec<V>) -> Vec<V> {
                values
            }
        }
    )*};
}
matrices!([R: Shape, C: Shape] Mat<T, R, C>, [R: Shape, C: Shape, RS: Stride, CS: Stride] MatRef<'_, T, R, C, RS, CS>);

macro_rules! vectors {
    ($([$($generic:tt)*] $type:ty),*) => {$(
        impl<T: Scalar, $($generic)*> Data<T> for $type {
            type Output = Col<T>;
            type Each<V> = V;
            fn view(&self) -> DenseView<'_, T> {
                self.dense()
            }
            fn output(rows: usize, _: usize, entries: Vec<T>) -> Col<T> {
                Col::from_fn(rows, |i| entries[i])
            }
            fn each<V>(values: Vec<V>) -> V {
                only(values)
            }
        }
    )*};
}
vectors!([R: Shape] Col<T, R>, [R: Shape, RS: Stride] ColRef<'_, T, R, RS>);

// the checked constructors of faer are the promise that the arrays fit; the unchecked ones are unsafe
macro_rules! sparse {
    ($($type:ty, $view:ident, $by_rows:literal, $starts:ident $lengths:ident $indices:ident;)*) => {$(
        impl<T: Scalar, I: Index + faer::Index> Sparse<T> for $type {
            fn sparse(&self) -> SparseView<'_, T> {
                let view: $view<'_, I, T> = self.as_ref();
                let symbolic = view.symbolic();
                let shape = (symbolic.nrows(), symbolic.ncols());
                SparseView::of_container(shape, $by_rows, (symbolic.$starts(), 0), symbolic.$lengths(), symbolic.$indices(), view.val())
            }
        }
        sparse_operator!([I: Index + faer::Index] $type);
    )*};
}
sparse! {
    SparseColMat<I, T>, SparseColMatRef, false, col_ptr col_nnz row_idx;
    SparseColMatRef<'_, I, T>, SparseColMatRef, false, col_ptr col_nnz row_idx;
    SparseRowMat<I, T>, SparseRowMatRef, true, row_ptr row_nnz col_idx;
    SparseRowMatRef<'_, I, T>, SparseRowMatRef, true, row_ptr row_nnz col_idx;
}
