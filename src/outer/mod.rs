//! Problems that are a sequence of ridge problems, or have a descent of their own. They are real and in `f64`: whoever brings a
//! problem of another scalar type here converts it, and complex unknowns come as pairs.
//!
//! [`design`] is A after weights, with the directions that nothing penalises projected out; [`coordinate_descent`] is for
//! penalties that separate into coordinates or groups of them, [`admm`] for ‖Lz‖₁ and its like with any L, and [`path`] is
//! what both have in common: λ by rules that look at refits along a path. [`multi_penalty`] chooses a λ for each of several penalties;
//! [`irls`] reweights ridge problems for robust misfits and penalties, [`subspace`] does so in a growing space with products alone, and
//! [`flexible`] for penalties of coefficients in one that the weights precondition, with a duality gap for ℓ1, which [`support`] closes.
//!
//! [`bounds`] and [`active_set`] keep x between bounds with a dense A, [`projected`] with products alone, [`equality`] keeps it to
//! linear equations, and [`constrained_lambda`] chooses λ for such problems; [`limits`] is what they share.

pub(crate) mod active_set;
pub(crate) mod admm;
pub(crate) mod bounds;
pub(crate) mod constrained_lambda;
pub(crate) mod coordinate_descent;
pub(crate) mod design;
pub(crate) mod equality;
pub(crate) mod flexible;
pub(crate) mod folds;
pub(crate) mod irls;
pub(crate) mod limits;
pub(crate) mod multi_penalty;
pub(crate) mod path;
pub(crate) mod projected;
pub(crate) mod subspace;
pub(crate) mod support;
