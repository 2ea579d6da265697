//! Decompose once: what is left of A when the expensive step is done.
//!
//! Two kinds of engine live here. A [`Core`] keeps a decomposition of Ā and answers every λ from it (SVD, GSVD,
//! bidiagonal, tridiagonal, fast transforms); [`cholesky`] and [`qr`] factor the matrix of one λ. An engine that cannot keep its digits
//! returns a [`Refusal`], and the problem goes to the next one in the plan.

pub(crate) mod band;
pub(crate) mod bidiagonal;
pub(crate) mod cholesky;
pub(crate) mod decomposed;
pub(crate) mod gsvd;
pub(crate) mod gsvd_core;
pub(crate) mod influence;
pub(crate) mod jacobi;
pub(crate) mod qr;
pub(crate) mod reduction;
pub(crate) mod refine;
pub(crate) mod residual_level;
pub(crate) mod robust_svd;
pub(crate) mod rows;
pub(crate) mod sampled;
mod selected;
pub(crate) mod small;
pub(crate) mod sparse;
pub(crate) mod svd;
pub(crate) mod transform;
pub(crate) mod tridiagonal;

use crate::curve::Spectrum;
use crate::linalg::{Mat, MatRef};
use crate::refusal::{Handed, Refusal};
use crate::scalar::Scalar;

/// Right-hand sides in the coordinates of a decomposition.
pub(crate) struct Projection<T> {
    /// What the solution is made of: r×k.
    pub coefficients: Mat<T>,
    /// One spectrum for each right-hand side (rows and unpenalised directions counted in Ā alone).
    pub spectra: Vec<Spectrum>,
    /// m̄×k: the part outside the range of Ā, or the right-hand sides themselves where the engine refines with them.
    pub data: Mat<T>,
}

/// Solutions of the problem in standard form, n̄×k.
pub(crate) struct Answer<T> {
    pub z: Mat<T>,
    /// ‖b̄ − Āz‖ for each column, where the engine has it.
    pub residual_norms: Option<Vec<f64>>,
}

impl<T> From<Mat<T>> for Answer<T> {
    fn from(z: Mat<T>) -> Self {
        Self { z, residual_norms: None }
    }
}

/// The answer as a sum: z(d) = Σ yᵢ·βᵢσᵢ/(σᵢ² + d²) + Σ fⱼ·βⱼ.
#[cfg(feature = "plot")]
pub(crate) struct Directions<T> {
    /// yᵢ, n̄×r, in the order of the finite values.
    pub penalised: Mat<T>,
    /// Rows of the coefficients (and columns of U) that belong to them.
    pub places: Vec<usize>,
    /// fⱼ: what no λ moves.
    pub free: Mat<T>,
    /// Rows of the coefficients that belong to them.
    pub free_places: Vec<usize>,
    /// The directions that A does not see.
    pub unseen: Unseen<T>,
}

/// Directions that only the penalty sees, scaled to a penalty norm of 1.
#[cfg(feature = "plot")]
pub(crate) enum Unseen<T> {
    /// What the orthonormal columns of `penalised` leave of all z.
    Complement,
    /// These columns.
    Columns(Mat<T>),
}

/// A decomposition of Ā that answers every λ.
pub(crate) trait Core<T: Scalar>: Send + Sync {
    /// Takes right-hand sides (m̄×k) into the coordinates of the decomposition.
    fn project(&self, b: Mat<T>) -> Handed<Projection<T>>;
    /// Solutions (n̄×k), one damping for each right-hand side.
    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Answer<T>>;
    /// Solutions with any filter factors, φ(right-hand side, position in its spectrum), where singular vectors are there.
    fn filtered(&self, _projection: &Projection<T>, _factor: &dyn Fn(usize, usize) -> f64) -> Option<Mat<T>> {
        None
    }
    /// The diagonal of VΦVᴴ, Φ given, where V was computed.
    fn resolution(&self, _factors: &[f64]) -> Option<Vec<f64>> {
        None
    }
    /// U, where it was computed.
    fn basis(&self) -> Option<MatRef<'_, T>> {
        None
    }
    /// What the answer is made of, where singular vectors were computed.
    #[cfg(feature = "plot")]
    fn directions(&self) -> Option<Directions<T>> {
        None
    }
    /// Which columns of U are penalised, where not all are.
    fn penalised(&self) -> Option<&[usize]> {
        None
    }
    /// Whether the values are accurate enough for this damping.
    fn trusted(&self, _: f64) -> bool {
        true
    }
    /// Below this damping singular values at rounding level are left out.
    fn least_damping(&self) -> f64 {
        0.0
    }
    /// Numerical rank of Ā and the relative tolerance that decided it.
    fn rank(&self) -> (usize, f64);
    /// σ₁/σ_r over the numerical rank.
    fn condition(&self) -> f64;
}

/// Rank and condition of a descending list of singular values.
pub(crate) fn rank_of(values: &[f64], tolerance: f64) -> (usize, f64) {
    let largest = values.first().copied().unwrap_or(0.0);
    let rank = values.iter().take_while(|&&v| v > tolerance * largest).count();
    // the ratio itself may leave the range
    let condition = if rank == 0 { 1.0 } else { (largest / values[rank - 1]).min(f64::MAX) };
    (rank, condition)
}

/// max(m, n)·ε: the relative tolerance below which a singular value is rounding.
pub(crate) fn rank_tolerance<T: Scalar>(rows: usize, columns: usize) -> f64 {
    use crate::scalar::Real;
    rows.max(columns).max(1) as f64 * T::Real::EPSILON.to_f64()
}
