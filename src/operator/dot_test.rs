//! Is the adjoint right?

use super::Operator;
use crate::error::{Error, Result};
use crate::linalg;
use crate::scalar::{Real, Scalar};

/// Checks ⟨y, Ax⟩ = ⟨Aᴴy, x⟩ on random vectors (fixed seed): the test that an operator and its adjoint belong together.
///
/// The sizes of Ax and Aᴴy are the scale of rounding: an operator that is a small difference of large ones, such as
/// `sum(a, scaled(-1.0, nearly_a))`, can fail by the rounding of those.
///
/// # Errors
/// [`Error::Parameter`] when the two numbers differ by more than rounding explains, with their relative difference;
/// [`Error::NonFinite`] when a product is NaN or infinite.
///
/// ```
/// use wellposed::operator::{dot_test, from_fn};
///
/// let wrong = from_fn(2, 2,
///     |x: &[f64], y: &mut [f64]| { y[0] = x[0] + x[1]; y[1] = x[1] },
///     |y: &[f64], x: &mut [f64]| { x[0] = y[0] + y[1]; x[1] = y[1] },   // that is A again, not Aᴴ
/// );
/// assert!(dot_test(&wrong).is_err());
/// ```
pub fn dot_test<O: Operator + ?Sized>(operator: &O) -> Result<()> {
    type R<O> = <<O as Operator>::Scalar as Scalar>::Real;
    let (m, n) = operator.shape();
    let mut random = crate::random::Random::new(0x5eed);
    for _ in 0..3 {
        let x: Vec<O::Scalar> = random.scalars(n);
        let y: Vec<O::Scalar> = random.scalars(m);
        // NaN where a product forgets to write
        let nan = O::Scalar::from_real(R::<O>::from_f64(f64::NAN));
        let (mut ax, mut ay) = (vec![nan; m], vec![nan; n]);
        operator.apply(&x, &mut ax);
        operator.apply_adjoint(&y, &mut ay);
        for (what, vector) in [("the product A·x", &ax), ("the product Aᴴ·y", &ay)] {
            if let Some(index) = vector.iter().position(|v| !v.finite()) {
                return Err(Error::NonFinite { what, index: crate::error::Size::Entry(index) });
            }
        }
        let difference = (linalg::dot(&y, &ax) - linalg::dot(&ay, &x)).modulus().to_f64();
        let scale = linalg::norm(&y).to_f64() * linalg::norm(&ax).to_f64() + linalg::norm(&ay).to_f64() * linalg::norm(&x).to_f64();
        let tolerance = 4.0 * R::<O>::EPSILON.to_f64() * ((m + n) as f64 + 100.0);
        // written so that an overflow of the two numbers is not taken for agreement
        if !(difference <= tolerance * scale) {
            return Err(Error::Parameter {
                name: "the relative difference of ⟨y, Ax⟩ and ⟨Aᴴy, x⟩",
                value: difference / scale,
                must_be: "at rounding level: apply_adjoint is not the adjoint of apply; check the transpose, the conjugation and every factor",
            });
        }
    }
    Ok(())
}
