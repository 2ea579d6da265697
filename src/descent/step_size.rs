//! The largest curvature: ‖A‖² by power iteration, and a bound of it for blocks.

use crate::error::{Error, Result, Size};
use crate::linalg::{self, MatRef};
use crate::operator::Operator;
use crate::random::Random;
use crate::scalar::{Real, Scalar};

/// Steps of the power iteration at most.
const STEPS: usize = 200;
/// It ends when a step changes the estimate by less than this.
const CHANGE: f64 = 1e-3;
/// The estimate comes from below; a step of 1/(this times it) converges even if it is a few per cent too low.
pub(super) const SAFETY: f64 = 1.05;

/// ‖A‖² from below, by power iteration on AᴴA from a random start.
pub(super) fn squared_norm<T: Scalar>(a: &(impl Operator<Scalar = T> + ?Sized)) -> Result<f64> {
    let (m, n) = a.shape();
    let mut v: Vec<T> = Random::new(1).scalars(n);
    let mut image = vec![T::ZERO; m];
    let mut estimate = 0.0;
    for index in 0..STEPS {
        let size = linalg::norm(&v);
        if size == T::Real::ZERO {
            return Ok(0.0);
        }
        v.iter_mut().for_each(|value| *value = value.scale(T::Real::ONE / size));
        a.apply(&v, &mut image);
        let norm = linalg::norm(&image).to_f64();
        let now = norm * norm;
        if !now.is_finite() {
            return Err(Error::NonFinite { what: "the product of A with a vector", index: Size::Step(index) });
        }
        let settled = now - estimate <= CHANGE * now;
        estimate = now.max(estimate);
        if settled && index > 0 {
            break;
        }
        a.apply_adjoint(&image, &mut v);
    }
    Ok(estimate)
}

/// ‖A‖_F².
pub(super) fn squared_frobenius<T: Scalar>(a: MatRef<'_, T>) -> f64 {
    linalg::column_norms(a).iter().map(|norm| norm * norm).sum()
}
