#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
//! Ridge and Tikhonov regularization that chooses λ by itself.

pub(crate) mod check;
pub(crate) mod choose;
pub(crate) mod curve;
pub mod data;
pub(crate) mod description;
pub mod error;
pub(crate) mod extended;
pub(crate) mod factor;
pub mod factorization;
mod interop;
pub(crate) mod krylov;
pub mod lambda;
pub(crate) mod linalg;
pub mod method;
pub mod operator;
pub mod penalty;
pub mod plan;
pub mod problem;
pub(crate) mod random;
pub(crate) mod refusal;
mod ridge;
pub mod rule;
pub(crate) mod run;
pub mod scalar;
pub mod solution;
pub mod step;
#[cfg(feature = "proptest")]
pub mod strategies;
pub(crate) mod transform;
pub mod warning;

pub use data::Data;
pub use error::{Error, Result};
pub use factorization::{CurvePoint, Factorization, Spectrum};
pub use lambda::{Lambda, log_grid};
pub use method::{Cgls, Method};
pub use operator::{Boundary, DenseView, Entries, Operator};
pub use penalty::Penalty;
pub use plan::Plan;
pub use problem::Problem;
pub use ridge::{ridge, tikhonov};
pub use rule::{Choice, Discrepancy, Gcv, Given, Loo, Rule};
pub use scalar::{Real, Scalar, c32, c64};
pub use solution::{Report, Solution};
pub use step::{Step, Stop};
pub use warning::Warning;

pub use faer;
#[cfg(feature = "nalgebra")]
pub use nalgebra;
