//! Fast transforms, under our names: lines, planes, and cosine transforms. This folder alone names the FFT crates.
//!
//! [`Fourier`] holds one concrete entry point for each scalar type, as [`Kernels`](crate::linalg::Kernels) does for the
//! dense kernels. A plan is made once, by whoever keeps it (an operator, a decomposition): there is no process-wide cache.
//!
//! Conventions: forward transforms have the kernel exp(−2πi·jk/n) and no factor; an inverse undoes a forward one up to the
//! factor n. Arrays of two dimensions are stored column after column; their transforms row after row, so that neither pass
//! over the data is strided on both sides.
//!
//! Source: Frigo, Johnson 2005, doi:10.1109/JPROC.2004.840301 (the art); the crates are rustfft and realfft.

mod cosine;
mod line;
mod plane;

pub use cosine::Cosine;
pub use line::{Line, smooth_length};
pub use plane::{Plane, Window, Workspace};

use crate::scalar::{c32, c64};

/// Transforms of lines, one concrete entry point for each scalar type.
#[doc(hidden)]
pub trait Fourier: Sized {
    /// The plan for lines of n ≥ 1 values.
    fn line(n: usize) -> std::sync::Arc<dyn Line<Self>>
    where
        Self: crate::scalar::Scalar;
}

macro_rules! fourier {
    ($($type:ty => $plan:ident),*) => {$(
        impl Fourier for $type {
            fn line(n: usize) -> std::sync::Arc<dyn Line<Self>> {
                line::$plan(n)
            }
        }
    )*};
}
fourier!(f32 => real_line, f64 => real_line, c32 => complex_line, c64 => complex_line);
