//! b goes in, x comes back in the caller's own type; one column or many.

use crate::operator::DenseView;
use crate::scalar::Scalar;

/// Right-hand sides: a vector b, or a matrix whose columns are right-hand sides of the same A.
///
/// Implemented for slices, arrays and `Vec` (answer: `Vec`), for [`DenseView`] (answer: one `Vec` a column), for
/// faer's `Mat`, `MatRef`, `Col`, `ColRef` and nalgebra's vectors, matrices and views (answers in the same family).
pub trait Data<T: Scalar> {
    /// The type of the answer x: a vector for a vector b, a matrix with the same number of columns for a matrix b.
    type Output;
    /// One value for each right-hand side: `V` for a vector b, `Vec<V>` for a matrix b.
    type Each<V>;
    /// The entries, in place.
    fn view(&self) -> DenseView<'_, T>;
    /// The answer from its column-major entries.
    fn output(rows: usize, columns: usize, entries: Vec<T>) -> Self::Output;
    /// One value for each right-hand side; for a vector b, `values` has one element.
    fn each<V>(values: Vec<V>) -> Self::Each<V>;
}

/// The only element: what `each` is for every vector type.
pub(crate) fn only<V>(values: Vec<V>) -> V {
    values.into_iter().next().expect("a vector is one right-hand side")
}

macro_rules! slices {
    ($([$($generic:tt)*] $type:ty),*) => {$(
        impl<T: Scalar, $($generic)*> Data<T> for $type {
            type Output = Vec<T>;
            type Each<V> = V;
            fn view(&self) -> DenseView<'_, T> {
                DenseView::column(self)
            }
            fn output(_: usize, _: usize, entries: Vec<T>) -> Vec<T> {
                entries
            }
            fn each<V>(values: Vec<V>) -> V {
                only(values)
            }
        }
    )*};
}
slices!([] [T], [] Vec<T>, [const N: usize] [T; N]);

impl<T: Scalar> Data<T> for DenseView<'_, T> {
    type Output = Vec<Vec<T>>;
    type Each<V> = Vec<V>;
    fn view(&self) -> DenseView<'_, T> {
        *self
    }
    fn output(rows: usize, columns: usize, entries: Vec<T>) -> Vec<Vec<T>> {
        (0..columns).map(|j| entries[j * rows..(j + 1) * rows].to_vec()).collect()
    }
    fn each<V>(values: Vec<V>) -> Vec<V> {
        values
    }
}

impl<T: Scalar, D: Data<T> + ?Sized> Data<T> for &D {
    type Output = D::Output;
    type Each<V> = D::Each<V>;
    fn view(&self) -> DenseView<'_, T> {
        (**self).view()
    }
    fn output(rows: usize, columns: usize, entries: Vec<T>) -> D::Output {
        D::output(rows, columns, entries)
    }
    fn each<V>(values: Vec<V>) -> D::Each<V> {
        D::each(values)
    }
}

/// The entries of a vector (or of all columns, one after another), copied.
pub(crate) fn column<T: Scalar, D: Data<T> + ?Sized>(data: &D) -> Vec<T> {
    let matrix = data.view().matrix();
    (0..matrix.ncols()).flat_map(|j| (0..matrix.nrows()).map(move |i| matrix[(i, j)])).collect()
}
