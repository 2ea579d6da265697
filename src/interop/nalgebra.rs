//! nalgebra's `Matrix<T, R, C, S>`: `DMatrix`, `SMatrix`, `DVector`, `SVector`, row vectors and views, with any strides.
//!
//! As an operator every one of them works; a vector is an m×1 matrix. As a right-hand side the **type** of the number of
//! columns decides: one column known at compile time (`DVector`, `SVector`, `column(j)`, any view of such) is one
//! right-hand side and its answer a `DVector`; everything else (`DMatrix`, `columns(..)`, `SMatrix` of more columns)
//! is many and its answer a `DMatrix`, also when it happens to have one column.
//!
//! [`Columns`] says so once for each type of column count. Rust has no way to write "`Const<N>` for N ≠ 1", so the
//! constants are listed, up to the 127 for which nalgebra itself lists them.

use super::{Dense, dense_operator};
use crate::data::{Data, only};
use crate::linalg::MatRef;
use crate::operator::{DenseView, Entries, Operator};
use crate::scalar::Scalar;
use nalgebra::{Const, DMatrix, DVector, Dim, Dyn, Matrix, RawStorage};

impl<T: Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C>> Dense<T> for Matrix<T, R, C, S> {
    fn dense(&self) -> DenseView<'_, T> {
        let ((rows, columns), (row_stride, column_stride)) = (self.shape(), self.data.strides());
        // SAFETY: `RawStorage` is an unsafe trait whose implementations promise that entry (i, j) of this shape is
        // initialised at `ptr + i·row_stride + j·column_stride` and stays there while the matrix is borrowed, as it is
        // by the view. The pointer is that of a reference or of a `Vec`, so it is not null even for an empty matrix.
        let matrix =
            unsafe { MatRef::from_raw_parts(self.data.ptr(), rows, columns, row_stride.value() as isize, column_stride.value() as isize) };
        DenseView::from_matrix(matrix)
    }
}

dense_operator!([R: Dim, C: Dim, S: RawStorage<T, R, C>] Matrix<T, R, C, S>);

impl<T: Scalar, R: Dim, C: Columns, S: RawStorage<T, R, C>> Data<T> for Matrix<T, R, C, S> {
    type Output = C::Output<T>;
    type Each<V> = C::Each<V>;
    fn view(&self) -> DenseView<'_, T> {
        self.dense()
    }
    fn output(rows: usize, columns: usize, entries: Vec<T>) -> C::Output<T> {
        C::output(rows, columns, entries)
    }
    fn each<V>(values: Vec<V>) -> C::Each<V> {
        C::each(values)
    }
}

/// The type of a number of columns: one right-hand side, or many.
pub trait Columns: Dim {
    /// The answer: `DVector` or `DMatrix`.
    type Output<T: Scalar>;
    /// `V` or `Vec<V>`.
    type Each<V>;
    /// The answer from its column-major entries.
    fn output<T: Scalar>(rows: usize, columns: usize, entries: Vec<T>) -> Self::Output<T>;
    /// One value for each right-hand side.
    fn each<V>(values: Vec<V>) -> Self::Each<V>;
}

impl Columns for Const<1> {
    type Output<T: Scalar> = DVector<T>;
    type Each<V> = V;
    fn output<T: Scalar>(_: usize, _: usize, entries: Vec<T>) -> DVector<T> {
        DVector::from_vec(entries)
    }
    fn each<V>(values: Vec<V>) -> V {
        only(values)
    }
}

macro_rules! many {
    ($($columns:ty)*) => {$(
        impl Columns for $columns {
            type Output<T: Scalar> = DMatrix<T>;
            type Each<V> = Vec<V>;
            fn output<T: Scalar>(rows: usize, columns: usize, entries: Vec<T>) -> DMatrix<T> {
                DMatrix::from_vec(rows, columns, entries)
            }
            fn each<V>(values: Vec<V>) -> Vec<V> {
                values
            }
        }
    )*};
}
macro_rules! constants {
    ($($columns:literal)*) => { many! { $(Const<$columns>)* } };
}
many! { Dyn Const<0> }
constants! {
    2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33
    34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65
    66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97
    98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127
}
