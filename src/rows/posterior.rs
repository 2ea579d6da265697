//! The posterior of merged rows: all that it needs of them is the triangle.
//!
//! AᴴWA, AᴴWb and bᴴWb are those of R, and so are mean, covariance and the evidence but for a constant; the number of rows, the
//! only other thing that the noise level depends on, is counted beside it.

use super::{RightHandSides, RowsProblem};
use crate::error::Result;
use crate::posterior::Posterior;
use crate::rule::Scales;
use crate::scalar::Scalar;

impl<T: Scalar, B: RightHandSides<T>> RowsProblem<'_, T, B> {
    /// The posterior of x, as [`Problem::posterior`](crate::Problem::posterior) has it of all rows: mean, standard deviations, covariance,
    /// samples, and predictions at new rows; λ and the noise given, or by [`Evidence`](crate::Evidence). One for each right-hand side.
    ///
    /// Weights that came with the rows are noise levels: row i has `noise_std`/√wᵢ. `log_evidence` is that of the rows in units of those
    /// levels: it lacks (m − q)/m·½Σ log wᵢ, which is the same for every model of the same rows and q. With forgetting, the rows count as
    /// the rules count them ([`Rows::effective_rows`](crate::Rows::effective_rows)).
    ///
    /// Cost: an SVD and a QR factorization of the (n + 2)×n triangle, whatever the number of rows.
    ///
    /// # Errors
    /// As [`Problem::posterior`](crate::Problem::posterior).
    ///
    /// ```
    /// use wellposed::{DenseView, Evidence, Rows};
    /// let mut rows = Rows::new(2);
    /// for block in 0..50 {
    ///     let a: Vec<f64> = (0..40).map(|k| ((block * 40 + k) as f64 * 0.7).sin()).collect();
    ///     let b: Vec<f64> = (0..20).map(|i| 1.0 + a[2 * i] - 2.0 * a[2 * i + 1] + 0.1 * ((block * 20 + i * i) as f64).cos()).collect();
    ///     rows.push(&DenseView::row_major(&a, 20, 2)?, &b)?;
    /// }
    /// let posterior = rows.problem().intercept().posterior(Evidence)?;
    /// println!("{posterior}");
    /// let at = posterior.predict(&DenseView::row_major(&[0.5, -0.5], 1, 2)?)?;
    /// assert!((at.mean[0] - 2.5).abs() < 5.0 * at.std[0] && at.observation_std[0] > 0.05);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn posterior(&self, scales: impl Into<Scales>) -> Result<B::Each<Posterior<T>>> {
        let scales = scales.into();
        Ok(B::each(self.with(|description, b| T::posterior(description, b, scales))?.into_iter().map(Posterior::new).collect()))
    }
}
