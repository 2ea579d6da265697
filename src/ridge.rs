//! The one-line calls.

use crate::data::Data;
use crate::error::Result;
use crate::operator::Operator;
use crate::penalty::Penalty;
use crate::problem::Problem;
use crate::rule::Choice;
use crate::solution::Solution;

/// min ‖Ax − b‖² + λ‖x‖², with λ a number or a rule.
///
/// A is an m×n matrix or operator, b a vector of length m or a matrix of m rows (one problem for each column); x comes back
/// in b's family of types. Cost: that of the plan, which `fit.report` prints. λ is scikit-learn's `alpha`; a damping is
/// [`Lambda::from_damping`](crate::Lambda::from_damping).
///
/// # Errors
/// [`Error`](crate::Error) lists them: wrong shapes, NaN or ∞, a negative or NaN λ, a rule that finds no λ.
///
/// ```
/// use nalgebra::{DMatrix, DVector};
/// use wellposed::{Gcv, ridge};
///
/// let a = DMatrix::from_fn(20, 3, |i, j| ((i + 1) as f64).powi(j as i32));
/// let b = DVector::from_fn(20, |i, _| 2.0 + 0.5 * i as f64 + 0.1 * ((i * 7 % 5) as f64));
/// let fixed = ridge(&a, &b, 0.01)?;
/// let chosen = ridge(&a, &b, Gcv)?;
/// println!("{}", chosen.report);
/// assert_eq!(fixed.x.len(), 3);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn ridge<A, B>(a: &A, b: &B, choice: impl Into<Choice>) -> Result<Solution<A::Scalar, B>>
where
    A: Operator,
    B: Data<A::Scalar> + ?Sized,
{
    Problem::new(a).solve(b, choice)
}

/// min ‖Ax − b‖² + ‖Γx‖² for a Tikhonov matrix Γ of any shape and rank (λ = 1).
///
/// # Errors
/// As [`ridge`]; [`Error::Shape`](crate::Error::Shape) when Γ has another number of columns than A.
///
/// ```
/// use nalgebra::{DMatrix, DVector};
/// use wellposed::tikhonov;
///
/// let a = DMatrix::from_fn(6, 4, |i, j| 1.0 / (1.0 + (i + j) as f64));
/// let gamma = DMatrix::from_diagonal(&DVector::from_vec(vec![0.0, 0.1, 0.2, 0.3]));
/// let x = tikhonov(&a, &DVector::from_element(6, 1.0), &gamma)?.x;
/// assert_eq!(x.len(), 4);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn tikhonov<A, B, G>(a: &A, b: &B, gamma: &G) -> Result<Solution<A::Scalar, B>>
where
    A: Operator,
    B: Data<A::Scalar> + ?Sized,
    G: Operator<Scalar = A::Scalar>,
{
    Problem::new(a).penalty(Penalty::gamma(gamma)).solve(b, 1.0)
}
