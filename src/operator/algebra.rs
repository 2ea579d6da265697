//! Operators made of operators.
use super::Operator;
use crate::error::Result;
use crate::scalar::Scalar;

pub fn diagonal<T: Scalar>(_d: Vec<T>) -> Diagonal<T> { todo!() }
pub struct Diagonal<T>(Vec<T>);
impl<T: Scalar> Operator for Diagonal<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) { todo!() }
    fn apply(&self, _x: &[T], _y: &mut [T]) { todo!() }
    fn apply_adjoint(&self, _y: &[T], _x: &mut [T]) { todo!() }
}
pub struct Scaled<O>(O);
pub fn scaled<O: Operator>(_f: O::Scalar, o: O) -> Scaled<O> { Scaled(o) }
impl<O: Operator> Operator for Scaled<O> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) { todo!() }
    fn apply(&self, _x: &[O::Scalar], _y: &mut [O::Scalar]) { todo!() }
    fn apply_adjoint(&self, _y: &[O::Scalar], _x: &mut [O::Scalar]) { todo!() }
}
pub fn stack<O: Operator>(_b: Vec<O>) -> Result<Scaled<O>> { todo!() }
