#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
//! Ridge and Tikhonov regularization that chooses λ by itself.
//!
//! ```text
//! minimise   (Ax − b)ᴴ W (Ax − b)  +  λ · R(x − x₀)        R(z) = ‖z‖²  |  ‖Lz‖²  |  Σ ωⱼ‖Lⱼz‖²  |  ‖Lz‖₁
//! ```
//!
//! **λ multiplies R exactly as written.** With W = I and R(z) = ‖Lz‖² this is min ‖Ax − b‖² + ‖Γx‖² with Γ = √λ·L. The
//! damping √λ of other packages is [`Lambda::from_damping`]; [`Lambda`] has a constructor for each convention.
//!
//! ```
//! use nalgebra::{DMatrix, DVector};
//! use wellposed::{Gcv, Penalty, Problem, log_grid, ridge};
//!
//! let a = DMatrix::from_fn(30, 12, |i, j| (-0.3 * (i as f64 / 2.5 - j as f64).powi(2)).exp());
//! let b = DVector::from_fn(30, |i, _| (i as f64 / 6.0).sin() + 0.01 * ((i * i) as f64).cos());
//!
//! let x = ridge(&a, &b, 0.01)?.x; // a number
//! let fit = ridge(&a, &b, Gcv)?; // or a rule
//! println!("{}", fit.report); // what was done and why, λ, norms, degrees of freedom, rank, warnings
//!
//! let problem = Problem::new(&a).penalty(Penalty::second_difference()).intercept();
//! let smooth = problem.solve(&b, Gcv)?;
//! assert_eq!(smooth.x.len(), 12);
//!
//! let factor = problem.factorize()?; // one decomposition for every λ, rule and right-hand side
//! for fit in factor.path(&b, log_grid(1e-6..=1e2, 5)) {
//!     println!("{:?}", fit?.x.norm());
//! }
//! # let _ = x;
//! # Ok::<(), wellposed::Error>(())
//! ```
//!
//! # Nouns
//!
//! | | |
//! |---|---|
//! | [`Operator`] | A: anything that multiplies by A and Aᴴ. Matrices of faer and nalgebra, dense and sparse, a [`DenseView`] or [`SparseView`] of slices, [`operator::from_fn`], your own type |
//! | [`Data`] | b goes in, x comes back in the same family of types; a vector, or a matrix of many right-hand sides |
//! | [`Problem`] | A, W, R, x₀, intercept, method: everything except b and λ |
//! | [`Penalty`] | R: identity, diagonal, differences, any matrix or operator L, a covariance, sums; as a square, an ℓ1 norm, by groups, … |
//! | [`Lambda`], [`Rule`] | λ as a number, or the rule that finds it: [`Gcv`], [`Loo`], [`Discrepancy`]. [`Choice`] is either |
//! | [`Method`] | how: [`Method::Auto`] unless asked for by name |
//! | [`Plan`] | what will be done and why, before it is done |
//! | [`Posterior`] | x with its uncertainty |
//! | [`Factorization`] | what is left when the expensive step is done |
//! | [`Solution`], [`Report`] | x, and what there is to say about it; [`Warning`]s are values |
//! | [`Error`] | one type; every text ends in the way out. No call panics on any input |
//!
//! # Calls
//!
//! | to do | call |
//! |---|---|
//! | ‖Ax − b‖² + λ‖x‖² | [`ridge`]`(&a, &b, λ)` |
//! | ‖Ax − b‖² + ‖Γx‖² | [`tikhonov`]`(&a, &b, &gamma)` |
//! | λ from the data | `ridge(&a, &b, Gcv)`, [`Loo`], [`KFold`], [`Evidence`], [`LCurve`], … ([`rule`]) |
//! | which λ, and can it be believed | [`Factorization::compare_rules`], [`diagnostics`](Factorization::diagnostics) |
//! | standard errors, intervals, leverages | [`Problem::inference`] |
//! | outliers in b, ℓp penalties | [`Problem::misfit`], [`Penalty::huber`], [`Penalty::power`] |
//! | several penalties, each with its λ | [`Problem::penalties`], [`Penalty::bands`] |
//! | λ from the noise | [`Discrepancy::noise_norm`], [`relative_noise`](Discrepancy::relative_noise), [`whitened`](Discrepancy::whitened) |
//! | penalty, weights, noise, prior mean, intercept | [`Problem::penalty`], [`weights`](Problem::weights), [`noise_std`](Problem::noise_std), [`prior_mean`](Problem::prior_mean), [`intercept`](Problem::intercept) |
//! | x ≥ 0, lo ≤ x ≤ hi, Cx = d | [`Problem::bounds`], [`equality`](Problem::equality) |
//! | ℓ1, elastic net, groups, total variation | [`Penalty::l1`], [`elastic_net`](Penalty::elastic_net), [`group_lasso`](Penalty::group_lasso), [`isotropic`](Penalty::isotropic) |
//! | many right-hand sides | b is a matrix: one λ each; [`Gcv::shared`] for one λ |
//! | only products with A | [`operator::from_fn`], [`operator::dot_test`], [`Lsmr`], [`Lsqr`], [`Cgls`], [`HybridLsqr`], [`Probes`], [`Problem::solve_with`] |
//! | many λ at once | [`Problem::path`] |
//! | rows that come in blocks, from several machines, or in a window | [`Rows`], [`rows::Window`] |
//! | thousands of small problems | [`ridge_batch`], [`solve_batch`] |
//! | weight decay, early stopping | [`descent`] |
//! | fewer steps | [`Problem::precondition`] |
//! | images, grids, scanners | [`operator::convolution`](fn@operator::convolution), [`operator::kronecker`](fn@operator::kronecker), [`operator::Grid`], [`operator::parallel_beam`] |
//! | decompose once | [`Problem::factorize`], then [`solve`](Factorization::solve), [`path`](Factorization::path), [`curve`](Factorization::curve), [`spectrum`](Factorization::spectrum), [`truncated`](Factorization::truncated) |
//! | how sure is x | [`Problem::posterior`], [`posterior_low_rank`](Problem::posterior_low_rank), [`samples`](Problem::samples) |
//! | another prior | [`Penalty::covariance`], [`Penalty::kernel`], [`Problem::map`] with a [`Prior`] or your own [`LogPrior`], [`Problem::relevance`] |
//! | ask before paying | [`Problem::plan`] |
//! | try it on a problem with a known answer | [`gallery`], and [`gallery::noise`] by seed |
//!
//! # Where to read on
//!
//! In the repository: `docs/CHOOSING.md` (which call, method and rule, and what is refused), `docs/CONVENTIONS.md` (what
//! every number means, and the λ of other packages), `docs/THEORY.md` (the mathematics, with references),
//! `docs/ARCHITECTURE.md` and `docs/DESIGN.md` (how the library is built, and why). `examples/tour.rs` is the main job on
//! real data: `cargo run --release --example tour`.
//!
//! Features: `nalgebra` and `rayon` (default), `nalgebra-sparse` and `sprs` (their matrices as operators), `plot` (figures and
//! a report that shows them; `png` for pictures), `proptest` (strategies and a certificate for property tests).

pub mod batch;
pub(crate) mod bayes;
pub(crate) mod check;
pub(crate) mod choose;
pub mod comparison;
pub mod constraint;
pub(crate) mod covariance;
pub(crate) mod curve;
pub mod data;
pub mod descent;
pub(crate) mod description;
pub mod diagnostics;
pub mod error;
pub(crate) mod extended;
pub(crate) mod factor;
pub mod factorization;
pub(crate) mod fourier;
pub mod gallery;
pub mod inference;
mod interop;
pub(crate) mod krylov;
pub mod lambda;
pub(crate) mod linalg;
pub mod log_prior;
pub mod method;
pub mod misfit;
pub mod operator;
pub(crate) mod outer;
pub mod penalty;
pub mod plan;
#[cfg(feature = "plot")]
pub mod plot;
pub mod posterior;
pub mod preconditioner;
pub mod problem;
pub(crate) mod quantile;
pub(crate) mod random;
pub(crate) mod refusal;
mod ridge;
pub mod rows;
pub mod rule;
pub(crate) mod run;
pub mod scalar;
pub mod solution;
pub mod step;
#[cfg(feature = "proptest")]
pub mod strategies;
pub(crate) mod transform;
pub mod warning;

pub use batch::{ridge_batch, solve_batch};
pub use comparison::{RuleChoice, RuleComparison, RuleRow};
pub use constraint::Bounds;
pub use covariance::Covariance;
pub use data::Data;
pub use diagnostics::{Diagnostics, Picard, Whiteness};
pub use error::{Error, Result};
pub use factorization::{CurvePoint, Factorization, Spectrum};
pub use inference::Inference;
pub use lambda::{Lambda, log_grid};
pub use log_prior::{LogPrior, Prior};
pub use method::{Admm, Cgls, CoordinateDescent, FlexibleLsqr, HybridLsmr, HybridLsqr, Lsmr, Lsqr, Method, Probes, ProjectedGcv};
pub use misfit::Misfit;
pub use operator::{Boundary, DenseView, Entries, Operator, SparseView};
pub use penalty::Penalty;
pub use plan::{Plan, Storage};
pub use posterior::{MapEstimate, Posterior, Prediction, Relevance, Samples};
pub use preconditioner::Preconditioner;
pub use problem::Problem;
pub use ridge::{ridge, tikhonov};
pub use rows::Rows;
pub use rule::{
    Aicc, Balancing, Bic, Choice, Discrepancy, EffectiveDof, Evidence, Gcv, Given, Gml, HierarchicalEvidence, HoerlKennardBaldwin,
    HyperPrior, KFold, KnownNoiseEvidence, LCurve, LawlessWang, Loo, Ncp, NormFraction, PenaltyNorm, QuasiOptimality, Reginska, Rule, Upre,
};
pub use scalar::{Real, Scalar, c32, c64};
pub use solution::{Comparison, Constrained, PenaltiesUsed, ProbesUsed, Report, Reweighted, SketchUsed, Solution};
pub use step::{Step, Stop};
pub use warning::Warning;

pub use faer;
#[cfg(feature = "nalgebra")]
pub use nalgebra;
#[cfg(feature = "nalgebra-sparse")]
pub use nalgebra_sparse;
#[cfg(feature = "sprs")]
pub use sprs;

/// The README's examples are compiled and run with the documentation tests.
#[cfg(all(doctest, feature = "nalgebra"))]
#[doc = include_str!("../README.md")]
struct Readme;
