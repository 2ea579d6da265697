//! sprs's `CsMat` and `CsMatView`, by rows or by columns, as operators.
//!
//! The starts and the indices have one type here, which is how sprs stores them unless told otherwise.

use super::{Sparse, sparse_operator};
use crate::operator::sparse::Index;
use crate::operator::{Entries, Operator, SparseView};
use crate::scalar::Scalar;
use core::ops::Deref;
use sprs::{CsMatBase, SpIndex};

impl<T, I, P, J, D> Sparse<T> for CsMatBase<T, I, P, J, D, I>
where
    T: Scalar,
    I: Index + SpIndex,
    P: Deref<Target = [I]>,
    J: Deref<Target = [I]>,
    D: Deref<Target = [T]>,
{
    fn sparse(&self) -> SparseView<'_, T> {
        // a view of some rows keeps the starts of the whole matrix, but only its own indices and values
        let starts = self.indptr().into_raw_storage();
        let base = starts.first().map_or(0, |start| start.at());
        SparseView::of_container((self.rows(), self.cols()), self.is_csr(), (starts, base), None, self.indices(), self.data())
    }
}

sparse_operator!([I: Index + SpIndex, P: Deref<Target = [I]>, J: Deref<Target = [I]>, D: Deref<Target = [T]>] CsMatBase<T, I, P, J, D, I>);
