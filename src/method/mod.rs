//! How a problem is solved: the closed list of methods, and the options of those that have some. Values only.
//!
//! A setter exists only where it has a meaning: a tolerance, a step limit or a start guess belongs to an iterative
//! method. Setters never fail; what they were given is checked when the problem is solved.

mod flexible;
pub(crate) mod hybrid;
mod iterative;
mod sparse;

pub use flexible::FlexibleLsqr;
pub use hybrid::{HybridLsmr, HybridLsqr, Probes, ProjectedGcv};
pub(crate) use iterative::Iterative;
pub use iterative::{Cgls, Lsmr, Lsqr};
pub(crate) use sparse::Certified;
pub use sparse::{Admm, CoordinateDescent};

use crate::error::Result;
use core::fmt;

/// The method that solves min ‖Ax − b‖² + λ‖Lx‖². [`Auto`](Method::Auto) chooses, and its plan says why.
///
/// Costs are in flops for a dense real m×n matrix A with m ≥ n; for m < n exchange m and n where the method says that it
/// also works on AAᴴ. κ is the condition number of [A; √λL].
///
/// ```
/// use wellposed::method::{Cgls, Method};
/// assert_eq!(Method::default(), Method::Auto);
/// let method: Method = Cgls::new().tolerance(1e-8).into();
/// assert_eq!(method.to_string(), "CGLS");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Method {
    /// The cheapest method that keeps the promised digits, chosen from shape, storage, penalty and what is wanted of λ.
    #[default]
    Auto,
    /// Cholesky factorization of AᴴA + λLᴴL (of AAᴴ + λI when A is wide and L = I), corrected by refinement with the
    /// residual of the least-squares problem. The fastest for one λ: about mn² + n³/3, with the digits of
    /// [`Qr`](Method::Qr) or an error: singular and ill-conditioned problems (κ beyond about 1e6) are refused.
    Cholesky,
    /// Householder QR factorization of [A; √λL]. For one λ with all the digits that κ leaves; about 2mn², once for each
    /// λ. Needs full column rank of [A; √λL].
    Qr,
    /// Singular value decomposition, L = I or brought to it. Every λ then costs 2n², every rule is a closed form, and
    /// rank-deficient problems get their minimum-norm answer. About 4mn² + 20n³; all the digits that κ leaves.
    Svd,
    /// Generalized singular value decomposition of A and L together: what [`Svd`](Method::Svd) is for L = I, without
    /// inverting L. For an L that is rank-deficient or ill-conditioned. Several times the cost of an SVD.
    Gsvd,
    /// Householder bidiagonalization A = UBVᴴ, L = I or brought to it. Many λ at O(n) each after about 4mn², less than
    /// half the cost of an SVD, with all the digits that κ leaves. Forms no singular vectors: no leave-one-out, and a
    /// rank-deficient problem at λ = 0 is refused.
    Bidiagonal,
    /// Reduction of AᴴA (or AAᴴ when A is wide) to tridiagonal form, L = I or brought to it. Many λ at O(n) each after about
    /// mn² + 4n³/3: the cheapest path, for moderately conditioned A. Solutions are refined as with
    /// [`Cholesky`](Method::Cholesky); where the squared singular values cannot be told from rounding it refuses.
    Tridiagonal,
    /// A fast transform that diagonalises A and L together: FFT for a periodic convolution, cosine transform for a reflective
    /// one with a symmetric kernel, the SVDs of the factors for a Kronecker product. Every λ and any rule at O(n) each
    /// after one transform; all the digits that κ leaves. Only for problems whose operator and penalty say so.
    Transform,
    /// Conjugate gradients on the normal equations without forming them: only products with A, Aᴴ, L and Lᴴ. For sparse,
    /// structured and matrix-free operators. Two products with A a step; the steps grow with κ. All the digits that κ
    /// leaves when run to rounding level, fewer with a larger tolerance.
    Cgls(Cgls),
    /// The steps of [`Cgls`](Method::Cgls) from Golub and Kahan's bidiagonalization, with the damping inside the recurrence:
    /// one sweep over A a step where the operator offers it ([`apply_fused`](crate::Operator::apply_fused)), an estimate of
    /// the condition number, variances. ‖b − Ax‖² + λ‖x‖² falls as fast as it can.
    Lsqr(Lsqr),
    /// The same process, taking the x for which the gradient Aᴴ(b − Ax) − λx is smallest: the quantity that the tolerance
    /// bounds falls monotonically and no method of this kind needs fewer steps for it. One more vector than
    /// [`Lsqr`](Method::Lsqr).
    Lsmr(Lsmr),
    /// LSQR with full reorthogonalization whose small projected problem is regularized, with λ as a number or by any rule
    /// that needs no leverages. Only products with A and Aᴴ; two a step, and m + n stored numbers. For a penalty other than
    /// the identity, or a bounded basis, the problem is projected on a space that grows by its own gradient.
    HybridLsqr(HybridLsqr),
    /// The same spaces; in each the x of least normal residual.
    HybridLsmr(HybridLsmr),
    /// LSQR on a space that changing weights precondition, for ℓ1, elastic-net and ℓp penalties of the coefficients: products with A
    /// and Aᴴ alone, with a duality gap for ℓ1 and sums of it with squares. What [`CoordinateDescent`](Method::CoordinateDescent) is for an A
    /// with entries.
    FlexibleLsqr(FlexibleLsqr),
    /// λ by a rule from traces that random probes estimate, with an interval for λ; then LSMR at that λ. Only
    /// products with A and Aᴴ; identity penalty.
    Probes(Probes),
    /// Coordinate descent on a working set, with a duality gap: for ℓ1 norms of coefficients and of groups of them. The exact
    /// minimiser; A dense or sparse with its entries.
    CoordinateDescent(CoordinateDescent),
    /// Alternating directions on one factorization, with a duality gap: for ‖Lz‖₁ and its like with any L.
    Admm(Admm),
}

impl Method {
    /// The name that plans, reports and errors print.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Auto => "automatic choice",
            Method::Cholesky => "Cholesky",
            Method::Qr => "QR",
            Method::Svd => "SVD",
            Method::Gsvd => "GSVD",
            Method::Bidiagonal => "bidiagonalization",
            Method::Tridiagonal => "tridiagonalization",
            Method::Transform => "fast transform",
            Method::Cgls(_) => Cgls::NAME,
            Method::Lsqr(_) => Lsqr::NAME,
            Method::Lsmr(_) => Lsmr::NAME,
            Method::HybridLsqr(_) => HybridLsqr::NAME,
            Method::HybridLsmr(_) => HybridLsmr::NAME,
            Method::FlexibleLsqr(_) => FlexibleLsqr::NAME,
            Method::Probes(_) => Probes::NAME,
            Method::CoordinateDescent(_) => CoordinateDescent::NAME,
            Method::Admm(_) => Admm::NAME,
        }
    }

    /// Whether the options of the method are valid and go together.
    ///
    /// # Errors
    /// What the `check` of the option struct returns: see [`Cgls::check`], [`HybridLsqr::check`], [`Probes::check`].
    pub fn check(&self) -> Result<()> {
        match self {
            Method::Cgls(options) => options.check(),
            Method::Lsqr(options) => options.check(),
            Method::Lsmr(options) => options.check(),
            Method::HybridLsqr(options) => options.check(),
            Method::HybridLsmr(options) => options.check(),
            Method::FlexibleLsqr(options) => options.check(),
            Method::Probes(options) => options.check(),
            Method::CoordinateDescent(options) => options.check(),
            Method::Admm(options) => options.check(),
            _ => Ok(()),
        }
    }

    /// The options of an iterative method that is asked for by name.
    pub(crate) fn iterative(&self) -> Option<&Iterative> {
        match self {
            Method::Cgls(options) => Some(options.common()),
            Method::Lsqr(options) => Some(options.common()),
            Method::Lsmr(options) => Some(options.common()),
            _ => None,
        }
    }

    /// Whether the method, asked for by name, only multiplies by A.
    pub(crate) fn multiplies(&self) -> bool {
        self.iterative().is_some()
            || matches!(self, Method::HybridLsqr(_) | Method::HybridLsmr(_) | Method::FlexibleLsqr(_) | Method::Probes(_))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_prints_its_name() {
        assert_eq!(format!("{:>10}|{}", Method::Qr, Method::Cgls(Cgls::new())), "        QR|CGLS");
        assert_eq!(format!("{}|{}", Method::from(Lsqr::new()), Method::from(Lsmr::new())), "LSQR|LSMR");
    }
}
