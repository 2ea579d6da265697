//! The four scalar types on both sides of the boundary, and which of them a problem has.

use numpy::{PyArrayDescr, PyArrayDescrMethods};
use pyo3::prelude::*;
use wellposed::{Scalar, c32, c64};

/// A scalar type of the library that is a dtype of NumPy.
pub trait Element: Scalar<Real: numpy::Element> + numpy::Element {
    /// The same at run time.
    const KIND: Kind;
}

impl Element for f32 {
    const KIND: Kind = Kind { double: false, complex: false };
}
impl Element for f64 {
    const KIND: Kind = Kind { double: true, complex: false };
}
impl Element for c32 {
    const KIND: Kind = Kind { double: false, complex: true };
}
impl Element for c64 {
    const KIND: Kind = Kind { double: true, complex: true };
}

/// Which of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// 64 bits a real part, not 32.
    pub double: bool,
    /// With an imaginary part.
    pub complex: bool,
}

impl Kind {
    /// The least that holds both, as `numpy.result_type` has it.
    pub fn with(self, other: Kind) -> Kind {
        Kind { double: self.double || other.double, complex: self.complex || other.complex }
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match (self.double, self.complex) {
            (false, false) => "float32",
            (true, false) => "float64",
            (false, true) => "complex64",
            (true, true) => "complex128",
        }
    }

    /// NumPy's dtype.
    pub fn dtype(self, py: Python<'_>) -> Bound<'_, PyArrayDescr> {
        match (self.double, self.complex) {
            (false, false) => numpy::dtype::<f32>(py),
            (true, false) => numpy::dtype::<f64>(py),
            (false, true) => numpy::dtype::<c32>(py),
            (true, true) => numpy::dtype::<c64>(py),
        }
    }

    /// The scalar type that values of this dtype are computed in: `None` for what is no number of at most 64 (128) bits.
    /// Integers and booleans count as float64, float16 as float32.
    pub fn of(dtype: &Bound<'_, PyArrayDescr>) -> Option<Kind> {
        let kind = |double, complex| Some(Kind { double, complex });
        match (dtype.kind(), dtype.itemsize()) {
            (b'f', 2 | 4) => kind(false, false),
            (b'f', 8) | (b'b' | b'i' | b'u', _) => kind(true, false),
            (b'c', 8) => kind(false, true),
            (b'c', 16) => kind(true, true),
            _ => None,
        }
    }
}

/// Calls a function that is generic in the scalar with the type of a [`Kind`].
macro_rules! dispatch {
    ($kind:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let kind: $crate::scalar::Kind = $kind;
        match (kind.double, kind.complex) {
            (false, false) => $function::<f32>($($argument),*),
            (true, false) => $function::<f64>($($argument),*),
            (false, true) => $function::<wellposed::c32>($($argument),*),
            (true, true) => $function::<wellposed::c64>($($argument),*),
        }
    }};
}
pub(crate) use dispatch;

/// An enum with a variant for each scalar type of a generic type, and a trait of the types that puts a value into it.
macro_rules! of_each_type {
    ($(#[$documentation:meta])* $enum:ident of $generic:ident by $trait:ident) => {
        $(#[$documentation])*
        pub enum $enum {
            Single($generic<f32>),
            Double($generic<f64>),
            ComplexSingle($generic<wellposed::c32>),
            ComplexDouble($generic<wellposed::c64>),
        }

        /// A scalar type whose values can be kept.
        pub trait $trait: $crate::scalar::Element {
            /// The value without its type.
            fn keep(value: $generic<Self>) -> $enum;
        }

        $crate::scalar::of_each_type!(impl $enum, $generic, $trait; f32 => Single, f64 => Double, wellposed::c32 => ComplexSingle, wellposed::c64 => ComplexDouble);
    };
    (impl $enum:ident, $generic:ident, $trait:ident; $($type:ty => $variant:ident),*) => {$(
        impl $trait for $type {
            fn keep(value: $generic<Self>) -> $enum {
                $enum::$variant(value)
            }
        }
    )*};
}
pub(crate) use of_each_type;

/// An expression on the value in such an enum, whatever its type.
macro_rules! on {
    ($enum:ident, $kept:expr, $value:ident => $body:expr) => {
        match $kept {
            $enum::Single($value) => $body,
            $enum::Double($value) => $body,
            $enum::ComplexSingle($value) => $body,
            $enum::ComplexDouble($value) => $body,
        }
    };
}
pub(crate) use on;
