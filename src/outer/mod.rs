//! Problems that are a sequence of ridge problems, or have a descent of their own. They are real and in `f64`: whoever brings a
//! problem of another scalar type here converts it.
//!
//! [`multi_penalty`] chooses a λ for each of several penalties; [`irls`] reweights ridge problems for robust misfits and
//! penalties, [`subspace`] does so in a growing space with products alone.

pub(crate) mod irls;
pub(crate) mod multi_penalty;
pub(crate) mod subspace;
