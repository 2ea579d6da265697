//! Weights, noise level and the scale of the data: Ā = 2ᵉDA and b̄ = 2ᶠD(b − Ax₀) with D = W^½/noise_std.
//!
//! The powers of two are exact, so that a problem given in other units has the same digits in its answer, and squares
//! inside the engines neither overflow nor vanish. With z the solution of the scaled problem at damping 2ᵉd,
//! x = x₀ + 2ᵉ⁻ᶠz.

use super::Matrix;
use crate::linalg::{Mat, MatRef};
use crate::scalar::times_power_of_two;
use crate::scalar::{Real, Scalar};

/// How the rows were scaled and what the exponents are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whitening<R> {
    /// D, where it is not the identity.
    pub row_scale: Option<Vec<R>>,
    /// e.
    pub exponent: i32,
}

/// Exponents up to this size are left alone: squares of such numbers, and sums of them, stay in range.
fn safe_exponent<R: Real>() -> i32 {
    // f32 has exponents to ±126, f64 to ±1022
    if R::EPSILON.to_f64() > 1e-10 { 24 } else { 200 }
}

/// The power of two that takes numbers as large as `largest` to about 1, or 0 when they are in a safe range already.
pub(crate) fn balancing_exponent<R: Real>(largest: R) -> i32 {
    let largest = largest.to_f64();
    if largest == 0.0 || !largest.is_finite() {
        return 0;
    }
    let exponent = largest.log2().floor() as i32;
    if exponent.abs() <= safe_exponent::<R>() { 0 } else { -exponent }
}

/// D from weights (≥ 0 checked before) and noise standard deviations.
pub(crate) fn row_scale<R: Real>(rows: usize, weights: Option<&[R]>, noise_std: Option<&[R]>) -> Option<Vec<R>> {
    if weights.is_none() && noise_std.is_none() {
        return None;
    }
    let weight = |i: usize| weights.map_or(R::ONE, |w| w[i].sqrt());
    let deviation = |i: usize| noise_std.map_or(R::ONE, |s| if s.len() == 1 { s[0] } else { s[i] });
    Some((0..rows).map(|i| weight(i) / deviation(i)).collect())
}

impl<R: Real> Whitening<R> {
    /// Whitens A, whose largest entry (after D) is `largest`.
    pub fn matrix<'a, T: Scalar<Real = R>>(row_scale: Option<Vec<R>>, a: MatRef<'a, T>, exponent: i32) -> (Self, Matrix<'a, T>) {
        let whitening = Self { row_scale, exponent };
        if whitening.row_scale.is_none() && exponent == 0 {
            return (whitening, Matrix::Borrowed(a));
        }
        let scaled = Mat::from_fn(a.nrows(), a.ncols(), |i, j| whitening.entry(a[(i, j)], i, exponent));
        (whitening, Matrix::Owned(scaled))
    }

    /// 2^exponent·D·value for an entry of row i.
    pub fn entry<T: Scalar<Real = R>>(&self, value: T, i: usize, exponent: i32) -> T {
        let scale = self.row_scale.as_ref().map_or(R::ONE, |d| d[i]);
        let part = |x: R| {
            if exponent == 0 {
                return x * scale;
            }
            // either factor first could leave the range where the product does not: the powers of two are added before
            let power = scale.to_f64().log2().floor() as i32;
            times_power_of_two(x, exponent + power) * times_power_of_two(scale, -power)
        };
        T::from_parts(part(value.real()), part(value.imaginary()))
    }
}
