pub mod data;
pub mod error;
mod interop;
pub mod lambda;
pub(crate) mod linalg;
pub mod operator;
pub mod penalty;
pub(crate) mod random;
pub(crate) mod run;
pub mod scalar;
pub use data::Data;
pub use faer;
#[cfg(feature = "nalgebra")]
pub use nalgebra;
pub use error::{Error, Result};
pub use lambda::{Lambda, log_grid};
pub use operator::{DenseView, Operator};
pub use penalty::Penalty;
pub use scalar::{Real, Scalar, c32, c64};
