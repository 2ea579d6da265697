//! Products of any real scalar type for the engines that work in double precision.

use crate::operator::Operator;
use crate::scalar::{Real, Scalar};
use core::cell::RefCell;

/// An operator of any real scalar type, in double precision.
pub(super) struct InDouble<'o, T: Scalar> {
    operator: &'o dyn Operator<Scalar = T>,
    scratch: RefCell<(Vec<T>, Vec<T>)>,
}

impl<'o, T: Scalar> InDouble<'o, T> {
    pub fn new(operator: &'o dyn Operator<Scalar = T>) -> Self {
        let (m, n) = operator.shape();
        Self { operator, scratch: RefCell::new((vec![T::ZERO; m], vec![T::ZERO; n])) }
    }
}

impl<T: Scalar> Operator for InDouble<'_, T> {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        self.operator.shape()
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let (image, input) = &mut *self.scratch.borrow_mut();
        input.iter_mut().zip(x).for_each(|(to, &x)| *to = single(x));
        self.operator.apply(input, image);
        y.iter_mut().zip(image).for_each(|(y, v)| *y = v.real().to_f64());
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        let (input, image) = &mut *self.scratch.borrow_mut();
        input.iter_mut().zip(y).for_each(|(to, &y)| *to = single(y));
        self.operator.apply_adjoint(input, image);
        x.iter_mut().zip(image).for_each(|(x, v)| *x = v.real().to_f64());
    }
}

/// A real number in the scalar type of the products.
pub(super) fn single<T: Scalar>(value: f64) -> T {
    T::from_real(T::Real::from_f64(value))
}
