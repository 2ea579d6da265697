//! Where the gradients come from: all rows, blocks of them, or a stream.

use super::Scaling;
use crate::data::Data;
use crate::error::Result;
use crate::linalg::{self, MatRef, Threads};
use crate::operator::Operator;
use crate::random::Random;
use crate::scalar::{Real, Scalar};

/// Gradients of the loss, one for each step.
pub(super) trait Source<T: Scalar> {
    /// ∇loss at x into `gradient`, and ‖Ax − b‖ of the rows looked at; `None` at the end of a stream.
    fn gradient(&mut self, x: &[T], gradient: &mut [T]) -> Result<Option<f64>>;
    /// Whether an epoch ends with the gradient that was given last.
    fn epoch_ends(&self) -> bool {
        true
    }
}

/// r ← Ax − b, g ← c·Aᴴr; returns ‖r‖.
fn evaluate<T: Scalar>(a: &(impl Operator<Scalar = T> + ?Sized), b: &[T], c: f64, x: &[T], residual: &mut [T], gradient: &mut [T]) -> f64 {
    a.apply(x, residual);
    residual.iter_mut().zip(b).for_each(|(r, &b)| *r -= b);
    let norm = linalg::norm(residual).to_f64();
    a.apply_adjoint(residual, gradient);
    let c = T::Real::from_f64(c);
    gradient.iter_mut().for_each(|g| *g = g.scale(c));
    norm
}

/// All rows in each step.
pub(super) struct Full<'a, T: Scalar, A: ?Sized> {
    pub a: &'a A,
    pub b: &'a [T],
    /// c.
    pub factor: f64,
    pub residual: Vec<T>,
}

impl<T: Scalar, A: Operator<Scalar = T> + ?Sized> Source<T> for Full<'_, T, A> {
    fn gradient(&mut self, x: &[T], gradient: &mut [T]) -> Result<Option<f64>> {
        Ok(Some(evaluate(self.a, self.b, self.factor, x, &mut self.residual, gradient)))
    }
}

/// Blocks of consecutive rows of a dense matrix.
pub(super) struct Blocks<'a, T> {
    a: MatRef<'a, T>,
    b: &'a [T],
    /// c·(number of blocks): the mean of the blocks' gradients is the gradient.
    factor: f64,
    rows: usize,
    order: Vec<usize>,
    next: usize,
    random: Option<Random>,
    residual: Vec<T>,
}

impl<'a, T: Scalar> Blocks<'a, T> {
    pub fn new(a: MatRef<'a, T>, b: &'a [T], factor: f64, rows: usize, seed: Option<u64>) -> Self {
        let count = a.nrows().div_ceil(rows);
        let residual = vec![T::ZERO; rows.min(a.nrows())];
        Self { a, b, factor: factor * count as f64, rows, order: (0..count).collect(), next: 0, random: seed.map(Random::new), residual }
    }

    /// Steps of an epoch.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    fn block(&self, index: usize) -> (usize, usize) {
        let start = index * self.rows;
        (start, self.rows.min(self.a.nrows() - start))
    }

    /// The largest curvature of a block's loss, from above.
    pub fn curvature(&self) -> f64 {
        let one = |index: usize| {
            let (start, count) = self.block(index);
            super::step_size::squared_frobenius(self.a.subrows(start, count))
        };
        self.factor * (0..self.count()).map(one).fold(0.0, f64::max)
    }
}

impl<T: Scalar> Source<T> for Blocks<'_, T> {
    fn gradient(&mut self, x: &[T], gradient: &mut [T]) -> Result<Option<f64>> {
        if self.next == self.order.len() {
            self.next = 0;
        }
        if self.next == 0
            && let Some(random) = &mut self.random
        {
            // Fisher and Yates
            for k in (1..self.order.len()).rev() {
                let other = ((k + 1) as f64 * random.uniform()) as usize;
                self.order.swap(k, other.min(k));
            }
        }
        let (start, count) = self.block(self.order[self.next]);
        self.next += 1;
        let a = self.a.subrows(start, count);
        let residual = &mut self.residual[..count];
        T::multiply(a, x, residual, Threads::ONE);
        residual.iter_mut().zip(&self.b[start..]).for_each(|(r, &b)| *r -= b);
        T::multiply_adjoint(a, residual, gradient, Threads::ONE);
        let factor = T::Real::from_f64(self.factor);
        gradient.iter_mut().for_each(|g| *g = g.scale(factor));
        Ok(Some(linalg::norm(residual).to_f64()))
    }

    fn epoch_ends(&self) -> bool {
        self.next == self.order.len()
    }
}

/// Blocks that come once.
pub(super) struct Stream<I> {
    pub blocks: I,
    pub scaling: Scaling,
    pub columns: usize,
}

impl<T: Scalar, A: Operator<Scalar = T>, D: Data<T>, I: Iterator<Item = (A, D)>> Source<T> for Stream<I> {
    fn gradient(&mut self, x: &[T], gradient: &mut [T]) -> Result<Option<f64>> {
        let Some((a, b)) = self.blocks.next() else { return Ok(None) };
        let rows = a.shape().0;
        super::drive::check_columns(&a, self.columns)?;
        let b = super::right_hand_side(&b, rows)?;
        Ok(Some(evaluate(&a, &b, self.scaling.factor(rows), x, &mut vec![T::ZERO; rows], gradient)))
    }
}
