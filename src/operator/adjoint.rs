//! Aᴴ and Aᵀ as operators. For a real A they are the same; both show the entries of a stored A, seen the other way round,
//! unless those would have to be conjugated.

use super::{DenseView, Entries, Operator};
use crate::scalar::Scalar;

/// Aᴴ, the conjugate transpose: n×m for A m×n. It swaps the two products of A and costs nothing.
///
/// For a real A it is the [`transpose`], and shows the entries of A; for a complex A it offers only products.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, adjoint, first_difference};
///
/// let mut x = [0.0; 3];
/// adjoint(first_difference(3, Boundary::Free)).apply(&[1.0, 10.0], &mut x);
/// assert_eq!(x, [-1.0, -9.0, 10.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn adjoint<O: Operator>(operator: O) -> Adjoint<O> {
    Adjoint { operator }
}

/// What [`adjoint`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Adjoint<O> {
    operator: O,
}

/// The entries seen with rows and columns exchanged.
fn exchanged<T>(entries: Entries<'_, T>) -> Entries<'_, T> {
    match entries {
        Entries::Dense(view) => Entries::Dense(DenseView::from_matrix(view.matrix().transpose())),
        Entries::Sparse(view) => Entries::Sparse(view.exchanged()),
        Entries::None => Entries::None,
    }
}

impl<O: Operator> Operator for Adjoint<O> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) {
        let (m, n) = self.operator.shape();
        (n, m)
    }
    fn apply(&self, x: &[O::Scalar], y: &mut [O::Scalar]) {
        self.operator.apply_adjoint(x, y)
    }
    fn apply_adjoint(&self, y: &[O::Scalar], x: &mut [O::Scalar]) {
        self.operator.apply(y, x)
    }
    fn apply_block(&self, k: usize, x: &[O::Scalar], y: &mut [O::Scalar]) {
        self.operator.apply_adjoint_block(k, x, y)
    }
    fn apply_adjoint_block(&self, k: usize, y: &[O::Scalar], x: &mut [O::Scalar]) {
        self.operator.apply_block(k, y, x)
    }
    fn entries(&self) -> Entries<'_, O::Scalar> {
        if O::Scalar::IS_COMPLEX { Entries::None } else { exchanged(self.operator.entries()) }
    }
}

/// Aᵀ, without conjugation: n×m for A m×n. A product is one product of A; for a complex A, where
/// Aᵀx is the conjugate of Aᴴx̄, it also allocates a vector of the length of its input.
///
/// ```
/// use wellposed::operator::{Operator, diagonal, transpose};
/// use wellposed::c64;
///
/// let mut y = [c64::new(0.0, 0.0)];
/// transpose(diagonal(vec![c64::new(0.0, 1.0)])).apply(&[c64::new(2.0, 0.0)], &mut y);
/// assert_eq!(y, [c64::new(0.0, 2.0)]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn transpose<O: Operator>(operator: O) -> Transpose<O> {
    Transpose { operator }
}

/// What [`transpose`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Transpose<O> {
    operator: O,
}

/// `multiply` between two conjugations; for real scalars just `multiply`.
fn conjugated<T: Scalar>(input: &[T], output: &mut [T], multiply: impl FnOnce(&[T], &mut [T])) {
    if !T::IS_COMPLEX {
        return multiply(input, output);
    }
    let input: Vec<T> = input.iter().map(|value| value.conj()).collect();
    multiply(&input, output);
    for value in output {
        *value = value.conj();
    }
}

impl<O: Operator> Operator for Transpose<O> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) {
        let (m, n) = self.operator.shape();
        (n, m)
    }
    fn apply(&self, x: &[O::Scalar], y: &mut [O::Scalar]) {
        conjugated(x, y, |x, y| self.operator.apply_adjoint(x, y))
    }
    fn apply_adjoint(&self, y: &[O::Scalar], x: &mut [O::Scalar]) {
        conjugated(y, x, |y, x| self.operator.apply(y, x))
    }
    fn apply_block(&self, k: usize, x: &[O::Scalar], y: &mut [O::Scalar]) {
        conjugated(x, y, |x, y| self.operator.apply_adjoint_block(k, x, y))
    }
    fn apply_adjoint_block(&self, k: usize, y: &[O::Scalar], x: &mut [O::Scalar]) {
        conjugated(y, x, |y, x| self.operator.apply_block(k, y, x))
    }
    fn entries(&self) -> Entries<'_, O::Scalar> {
        exchanged(self.operator.entries())
    }
}
