//! An operator made of two closures.

use super::Operator;
use crate::scalar::Scalar;
use core::marker::PhantomData;

/// The m×n operator with the two products given as closures: `apply(x, y)` writes y ← Ax and
/// `apply_adjoint(y, x)` writes x ← Aᴴy. Both must be linear and each other's adjoint:
/// [`dot_test`](super::dot_test) checks that.
///
/// ```
/// use wellposed::operator::{dot_test, from_fn};
///
/// let shift = from_fn(3, 3,
///     |x: &[f64], y: &mut [f64]| for i in 0..3 { y[i] = x[(i + 1) % 3] },
///     |y: &[f64], x: &mut [f64]| for i in 0..3 { x[(i + 1) % 3] = y[i] },
/// );
/// dot_test(&shift)?;
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn from_fn<T, F, G>(rows: usize, columns: usize, apply: F, apply_adjoint: G) -> FromFn<T, F, G>
where
    T: Scalar,
    F: Fn(&[T], &mut [T]),
    G: Fn(&[T], &mut [T]),
{
    FromFn { rows, columns, apply, apply_adjoint, scalar: PhantomData }
}

/// What [`from_fn`] returns.
#[derive(Debug, Clone, Copy)]
pub struct FromFn<T, F, G> {
    rows: usize,
    columns: usize,
    apply: F,
    apply_adjoint: G,
    scalar: PhantomData<fn() -> T>,
}

impl<T, F, G> Operator for FromFn<T, F, G>
where
    T: Scalar,
    F: Fn(&[T], &mut [T]),
    G: Fn(&[T], &mut [T]),
{
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        (self.apply)(x, y)
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        (self.apply_adjoint)(y, x)
    }
}
