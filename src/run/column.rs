//! One right-hand side of an A that only multiplies, with A and b scaled by powers of two to about 1: exactly, and so that no square
//! of theirs leaves the range.

use crate::error::{Error, Result, Size};
use crate::krylov::hybrid::Ruled;
use crate::lambda::Lambda;
use crate::linalg::{self, MatRef};
use crate::operator::{Operator, algebra};
use crate::rule::Rule;
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::step::Step;
use crate::transform::by_products::ByProducts;
use crate::transform::whiten::balancing_exponent;

/// A right-hand side, scaled.
pub(super) struct Column<T> {
    /// As the caller gave it.
    given: Vec<T>,
    /// Whitened, about 1 in size.
    pub data: Vec<T>,
    /// b was multiplied by 2^−exponent: the products of a small A with a small b would vanish.
    exponent: i32,
    /// A is multiplied by 2^balance, where its products are far from 1.
    pub balance: i32,
}

impl<T: Scalar> Column<T> {
    /// Column j of b.
    pub fn new(problem: &ByProducts<'_, T>, b: MatRef<'_, T>, j: usize) -> Self {
        let given: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
        let mut data = problem.data(&given);
        let exponent = exponent_of(&data);
        scale(&mut data, -exponent);
        let balance = balance(problem, &data);
        Self { given, data, exponent, balance }
    }

    /// Work with A·2^balance.
    pub fn balanced<R>(&self, problem: &ByProducts<'_, T>, work: impl FnOnce(&dyn Operator<Scalar = T>) -> R) -> R {
        if self.balance == 0 {
            return work(problem);
        }
        work(&algebra::scaled(T::from_real(times_power_of_two(T::Real::ONE, self.balance)), problem))
    }

    /// [`ByProducts::hidden_norm`] of A·2^balance.
    pub fn hidden(&self, hidden: T::Real) -> T::Real {
        times_power_of_two(hidden, self.balance)
    }

    /// One unit of the caller's data in those of the iteration.
    pub fn unit(&self) -> f64 {
        times_power_of_two(1.0, -self.exponent)
    }

    /// One unit of ‖Lz‖ of the iteration in the caller's.
    pub fn penalty_unit(&self) -> f64 {
        times_power_of_two(1.0, self.exponent + self.balance)
    }

    /// The damping of the iteration.
    pub fn damping(&self, lambda: Lambda) -> f64 {
        lambda.scaled(self.balance).damping()
    }

    /// The caller's λ.
    pub fn lambda(&self, damping: f64) -> Lambda {
        Lambda::from_damping(damping).scaled(-self.balance)
    }

    /// A rule, and what it must know beside the curve.
    pub fn ruled<'r>(&self, problem: &ByProducts<'_, T>, rule: &'r Rule, intercept: bool) -> Ruled<'r> {
        Ruled {
            rule,
            rows: self.given.len(),
            unpenalised: usize::from(intercept),
            data_norm: problem.whitened_norm(&self.given) * self.unit(),
            unit: self.unit(),
        }
    }

    /// A step as the caller's observer sees it.
    pub fn step(&self, step: &Step) -> Step {
        Step {
            residual_norm: self.norm(step.residual_norm),
            solution_norm: times_power_of_two(step.solution_norm, self.exponent + self.balance),
            ..*step
        }
    }

    /// A residual norm in the caller's units.
    pub fn norm(&self, norm: f64) -> f64 {
        times_power_of_two(norm, self.exponent)
    }

    /// A departure from the prior mean in the units of the iteration.
    pub fn inward(&self, z: &mut [T]) {
        scale(z, -self.exponent);
        scale(z, -self.balance);
    }

    /// The iteration's z in the caller's units, and ‖Lz‖; `steps` were made.
    pub fn outward(&self, problem: &ByProducts<'_, T>, z: &mut [T], steps: usize) -> Result<f64> {
        scale(z, self.balance);
        let penalty_norm = self.norm(problem.penalty_norm(z));
        scale(z, self.exponent);
        if penalty_norm.is_nan() {
            return Err(Error::NonFinite { what: "the product L·x", index: Size::Step(steps) });
        }
        Ok(penalty_norm)
    }

    /// The constant beside z.
    pub fn constant(&self, problem: &ByProducts<'_, T>, z: &[T]) -> T {
        problem.constant(&self.given, z)
    }
}

/// The power of two that takes A to about 1 where its size, seen in Aᴴb, is far from that; 0 otherwise.
fn balance<T: Scalar>(problem: &ByProducts<'_, T>, b: &[T]) -> i32 {
    let mut image = vec![T::ZERO; problem.shape().1];
    problem.apply_adjoint(b, &mut image);
    let largest = linalg::largest_modulus(&image);
    if largest.finite() { balancing_exponent(largest) } else { 0 }
}

/// The power of two of the largest entry.
fn exponent_of<T: Scalar>(values: &[T]) -> i32 {
    let largest = linalg::largest_modulus(values).to_f64();
    if largest > 0.0 && largest.is_finite() { largest.log2().floor() as i32 } else { 0 }
}

fn scale<T: Scalar>(values: &mut [T], exponent: i32) {
    for value in values {
        *value = times_power_of_two(*value, exponent);
    }
}
