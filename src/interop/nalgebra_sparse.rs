//! nalgebra-sparse's `CsrMatrix` and `CscMatrix`, as operators.

use super::{Sparse, sparse_operator};
use crate::operator::{Entries, Operator, SparseView};
use crate::scalar::Scalar;
use nalgebra_sparse::{CscMatrix, CsrMatrix};

impl<T: Scalar> Sparse<T> for CsrMatrix<T> {
    fn sparse(&self) -> SparseView<'_, T> {
        SparseView::of_container((self.nrows(), self.ncols()), true, (self.row_offsets(), 0), None, self.col_indices(), self.values())
    }
}

impl<T: Scalar> Sparse<T> for CscMatrix<T> {
    fn sparse(&self) -> SparseView<'_, T> {
        SparseView::of_container((self.nrows(), self.ncols()), false, (self.col_offsets(), 0), None, self.row_indices(), self.values())
    }
}

sparse_operator!([] CsrMatrix<T>);
sparse_operator!([] CscMatrix<T>);
