//! Difference operators.
use super::Operator;
use crate::scalar::Scalar;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary { Free, Zero, Periodic }
impl core::fmt::Display for Boundary {
    fn fmt(&self, _f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { todo!() }
}
pub struct Differences<T>(core::marker::PhantomData<T>);
impl<T: Scalar> Differences<T> {
    pub fn along_line(_degree: usize, _n: usize, _boundary: Boundary) -> Self { todo!() }
    pub fn on_grid(_degree: usize, _rows: usize, _columns: usize, _boundary: Boundary) -> Self { todo!() }
}
impl<T: Scalar> Operator for Differences<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) { todo!() }
    fn apply(&self, _x: &[T], _y: &mut [T]) { todo!() }
    fn apply_adjoint(&self, _y: &[T], _x: &mut [T]) { todo!() }
}
