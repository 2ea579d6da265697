//! The Bayesian reading of the problem: x ~ N(x₀, τ²(LᴴL)⁻¹), b = Ax + c + e with e ~ N(0, s²W⁻¹), λ = s²/τ².
//!
//! [`scales`] finds s and τ by evidence, [`gaussian`] is the posterior once they are known. [`map`] takes any log prior,
//! [`map_by_products`] does so with products alone ([`energy`]: what both minimise), [`relevance`] gives every coefficient a variance
//! of its own, [`low_rank`] needs only products with A. None of them factors A: what they need of it they are handed.

mod energy;
pub(crate) mod gaussian;
pub(crate) mod low_rank;
pub(crate) mod map;
pub(crate) mod map_by_products;
pub(crate) mod relevance;
pub(crate) mod scales;
