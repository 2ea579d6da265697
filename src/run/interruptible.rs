//! Products with the entries that an operator shows, on as many threads as were asked for, which end when the operator says so.

use crate::operator::{Entries, Operator};
use crate::scalar::{Real, Scalar};

/// The entries of A, made into an operator, and A itself, which is asked before each product.
pub(super) struct Interruptible<'a, T: Scalar, V> {
    pub view: V,
    pub whole: &'a dyn Operator<Scalar = T>,
}

impl<T: Scalar, V: Operator<Scalar = T>> Interruptible<'_, T, V> {
    /// A product, or NaN, which ends every iteration.
    fn product(&self, output: &mut [T], product: impl FnOnce(&V, &mut [T])) {
        match self.whole.interrupted() {
            false => product(&self.view, output),
            true => output.fill(T::from_real(T::Real::from_f64(f64::NAN))),
        }
    }
}

impl<T: Scalar, V: Operator<Scalar = T>> Operator for Interruptible<'_, T, V> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        self.view.shape()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.product(y, |view, y| view.apply(x, y));
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.product(x, |view, x| view.apply_adjoint(y, x));
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        self.product(y, |view, y| view.apply_block(k, x, y));
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        self.product(x, |view, x| view.apply_adjoint_block(k, y, x));
    }
    fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
        // w = NaN ends the step, whatever z is
        self.product(w, |view, w| view.apply_fused(x, alpha, u, w, z));
    }
    fn entries(&self) -> Entries<'_, T> {
        self.view.entries()
    }
    fn interrupted(&self) -> bool {
        self.whole.interrupted()
    }
}
