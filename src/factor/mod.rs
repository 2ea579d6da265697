//! Decompose once, then solve for many λ and many right-hand sides.

pub mod gsvd;
pub mod jacobi;
pub mod robust_svd;
