//! The four scalar types and the arithmetic that the engines need of them.
//!
//! [`Scalar`] is sealed: `f32`, `f64`, [`c32`] and [`c64`]. Everything expensive behind it (factorizations,
//! products, whole solves) is compiled once for each of the four inside this library, so that a program which
//! uses the library does not generate that code again.

use core::fmt::{Debug, Display};
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// Complex numbers with `f32` parts (`num_complex::Complex<f32>`, the type that nalgebra and faer use).
pub use faer::c32;
/// Complex numbers with `f64` parts (`num_complex::Complex<f64>`, the type that nalgebra and faer use).
pub use faer::c64;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for super::c32 {}
    impl Sealed for super::c64 {}
}

/// `f32`, `f64`, [`c32`] or [`c64`].
pub trait Scalar:
    sealed::Sealed
    + crate::linalg::Kernels
    + crate::fourier::Fourier
    + crate::run::Engines
    + Copy
    + Send
    + Sync
    + 'static
    + Debug
    + Display
    + Default
    + PartialEq
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// The type of its modulus.
    type Real: Real;
    /// The complex type of the same precision.
    type Complex: Scalar<Real = Self::Real, Complex = Self::Complex>;
    /// Whether it has an imaginary part.
    const IS_COMPLEX: bool;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The name as Rust writes it, for reports.
    const NAME: &'static str;
    /// The real number `value` as a scalar of this type.
    fn from_real(value: Self::Real) -> Self;
    /// The scalar with these parts; the imaginary part is dropped by real types.
    fn from_parts(real: Self::Real, imaginary: Self::Real) -> Self;
    /// Real part.
    fn real(self) -> Self::Real;
    /// Imaginary part, 0 for real types.
    fn imaginary(self) -> Self::Real;
    /// Complex conjugate.
    fn conj(self) -> Self;
    /// Modulus, without intermediate overflow.
    fn modulus(self) -> Self::Real;
    /// Squared modulus (may overflow).
    fn modulus_squared(self) -> Self::Real;
    /// The product with a real number.
    fn scale(self, factor: Self::Real) -> Self;
    /// Neither NaN nor ∞ in any part.
    fn finite(self) -> bool;
}

/// `f32` or `f64`.
pub trait Real: Scalar<Real = Self> + PartialOrd {
    /// Unit roundoff times two: the distance from 1 to the next number.
    const EPSILON: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// The largest finite number.
    const MAX: Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// As `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// The larger of two numbers; NaN wins.
    fn larger(self, other: Self) -> Self {
        match self.partial_cmp(&other) {
            Some(core::cmp::Ordering::Greater) => self,
            Some(_) => other,
            // one of them is NaN, and so is their sum
            None => self + other,
        }
    }
}

/// value·2^exponent, exact unless the result itself overflows or is denormal.
pub(crate) fn times_power_of_two<T: Scalar>(value: T, exponent: i32) -> T {
    if exponent == 0 {
        return value;
    }
    // three steps reach every exponent without an intermediate overflow
    let step = exponent / 3;
    let power = |e: i32| T::Real::from_f64(2f64.powi(e));
    value.scale(power(step)).scale(power(step)).scale(power(exponent - 2 * step))
}

macro_rules! real {
    ($type:ident, $complex:ident) => {
        impl Scalar for $type {
            type Real = $type;
            type Complex = $complex;
            const IS_COMPLEX: bool = false;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAME: &'static str = stringify!($type);
            #[inline(always)]
            fn from_real(value: Self) -> Self {
                value
            }
            #[inline(always)]
            fn from_parts(real: Self, _: Self) -> Self {
                real
            }
            #[inline(always)]
            fn real(self) -> Self {
                self
            }
            #[inline(always)]
            fn imaginary(self) -> Self {
                0.0
            }
            #[inline(always)]
            fn conj(self) -> Self {
                self
            }
            #[inline(always)]
            fn modulus(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn modulus_squared(self) -> Self {
                self * self
            }
            #[inline(always)]
            fn scale(self, factor: Self) -> Self {
                self * factor
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
        }
        impl Real for $type {
            const EPSILON: Self = $type::EPSILON;
            const MIN_POSITIVE: Self = $type::MIN_POSITIVE;
            const MAX: Self = $type::MAX;
            #[inline(always)]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }
        }
    };
}
real!(f32, c32);
real!(f64, c64);

macro_rules! complex {
    ($type:ident, $real:ident) => {
        impl Scalar for $type {
            type Real = $real;
            type Complex = $type;
            const IS_COMPLEX: bool = true;
            const ZERO: Self = $type { re: 0.0, im: 0.0 };
            const ONE: Self = $type { re: 1.0, im: 0.0 };
            const NAME: &'static str = stringify!($type);
            #[inline(always)]
            fn from_real(value: $real) -> Self {
                $type { re: value, im: 0.0 }
            }
            #[inline(always)]
            fn from_parts(real: $real, imaginary: $real) -> Self {
                $type { re: real, im: imaginary }
            }
            #[inline(always)]
            fn real(self) -> $real {
                self.re
            }
            #[inline(always)]
            fn imaginary(self) -> $real {
                self.im
            }
            #[inline(always)]
            fn conj(self) -> Self {
                $type { re: self.re, im: -self.im }
            }
            #[inline(always)]
            fn modulus(self) -> $real {
                self.re.hypot(self.im)
            }
            #[inline(always)]
            fn modulus_squared(self) -> $real {
                self.re * self.re + self.im * self.im
            }
            #[inline(always)]
            fn scale(self, factor: $real) -> Self {
                $type { re: self.re * factor, im: self.im * factor }
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.re.is_finite() && self.im.is_finite()
            }
        }
    };
}
complex!(c32, f32);
complex!(c64, f64);
