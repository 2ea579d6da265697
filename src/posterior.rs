//! `Posterior`: what is known of x after the data, as a Gaussian distribution.

use crate::bayes::gaussian::{Form, Gaussian};
pub use crate::bayes::map::MapEstimate;
pub use crate::bayes::relevance::Relevance;
use crate::error::{Error, Result, Size};
use crate::linalg::Mat;
use crate::operator::Operator;
use crate::quantile;
use crate::scalar::{Real, Scalar};
use crate::warning::Warning;
use core::fmt;

/// x ~ N(mean, s²(AᴴWA + λLᴴL)⁻¹) after the data, with noise s and prior scale τ taken as known at their estimates (empirical Bayes):
/// the spreads do not contain the uncertainty of s and τ themselves, which [`log_noise_std_error`](Self::log_noise_std_error) and
/// [`log_prior_std_error`](Self::log_prior_std_error) give.
///
/// Complex x are proper: the covariance is E[(x − mean)(x − mean)ᴴ], and a standard deviation that of the modulus.
///
/// ```
/// use wellposed::{DenseView, Evidence, Problem};
/// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
/// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
/// let posterior = Problem::new(&DenseView::column_major(&a, 12, 8)?).intercept().posterior(&b, Evidence)?;
/// let (std, covariance) = (posterior.std(), posterior.covariance());
/// assert!((std[3] * std[3] / covariance[(3, 3)] - 1.0).abs() < 1e-12);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Posterior<T: Scalar> {
    /// n: the posterior mean (and mode), the ridge solution at `lambda`.
    pub mean: Vec<T>,
    /// The mean of the unpenalised constant; 0 when no intercept was asked for.
    pub intercept: T,
    /// λ = s²/τ².
    pub lambda: f64,
    /// s: the standard deviation of the noise of a row of weight 1. Given a vector of noise levels, it is the factor by which they
    /// are multiplied (1 unless a hyper-prior let it be estimated).
    pub noise_std: f64,
    /// τ: x − x₀ ~ N(0, τ²(LᴴL)⁻¹) before the data.
    pub prior_std: f64,
    /// The standard deviation of log `noise_std`, from the Hessian of the evidence; `None` where the noise was given. At a λ that
    /// was given or came from another rule than evidence, that λ is held.
    pub log_noise_std_error: Option<f64>,
    /// The same of log `prior_std`; `None` where both scales were given, or the data do not bound τ.
    pub log_prior_std_error: Option<f64>,
    /// log p(b | s, τ), in the units of b. Unpenalised directions (the intercept among them) are flat on the values that they fit (in
    /// units of the rows' mean scale), so that models with the same ones can be compared.
    pub log_evidence: f64,
    /// Effective degrees of freedom.
    pub dof: f64,
    /// What the caller should know: how the noise was estimated, a λ at an end of its interval, …
    pub warnings: Vec<Warning>,
    inner: Gaussian<T>,
}

/// Fitted values at new rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prediction<T> {
    /// rx + intercept of each row r.
    pub mean: Vec<T>,
    /// The standard deviation of that fitted value: what is not known of x (and of the intercept).
    pub std: Vec<f64>,
    /// The standard deviation of a new observation in that row with weight 1: noise included. Where the rows of the problem had
    /// noise levels of their own, `noise_std` is the factor on them, and this is for a level of 1.
    pub observation_std: Vec<f64>,
}

/// Draws from a posterior.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Samples<T> {
    /// n×count, one draw in each column.
    pub x: Mat<T>,
    /// The constant that goes with each; 0 when no intercept was asked for.
    pub intercepts: Vec<T>,
}

impl<T: Scalar> Posterior<T> {
    pub(crate) fn new(inner: Gaussian<T>) -> Self {
        Self {
            mean: inner.mean.clone(),
            intercept: inner.intercept,
            lambda: inner.lambda,
            noise_std: inner.row_noise_std,
            prior_std: inner.prior_std,
            log_noise_std_error: inner.log_noise_error,
            log_prior_std_error: inner.log_prior_error,
            log_evidence: inner.log_evidence,
            dof: inner.dof,
            warnings: inner.warnings.clone(),
            inner,
        }
    }

    pub(crate) fn inner(&self) -> &Gaussian<T> {
        &self.inner
    }

    /// The posterior standard deviation of each unknown (n). Cost: n²/2 flops, 2nk for the low-rank form of rank k.
    pub fn std(&self) -> Vec<f64> {
        self.inner.std()
    }

    /// The standard deviation of the intercept; 0 without one.
    pub fn intercept_std(&self) -> f64 {
        self.inner.predict(Mat::from_fn(self.mean.len(), 1, |_, _| T::ZERO)).1[0]
    }

    /// The posterior covariance, n×n. Cost: n³ flops; [`covariance_times`](Self::covariance_times) forms no matrix.
    pub fn covariance(&self) -> Mat<T> {
        self.inner.covariance()
    }

    /// The posterior covariance times a vector of length n.
    ///
    /// # Errors
    /// [`Error::Shape`].
    ///
    /// ```
    /// # use wellposed::{DenseView, Problem};
    /// # let posterior = Problem::new(&DenseView::column_major(&[2.0, 0.0, 0.0, 1.0], 2, 2)?).noise_std(&[1.0]).posterior(&[1.0, 1.0], 1.0)?;
    /// let column = posterior.covariance_times(&[1.0, 0.0])?; // its first column
    /// assert!((column[0] - 0.2_f64).abs() < 1e-15);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn covariance_times(&self, v: &[T]) -> Result<Vec<T>> {
        if v.len() != self.mean.len() {
            return Err(Error::Shape {
                what: "the vector that the covariance multiplies",
                found: Size::Length(v.len()),
                expected: Size::Length(self.mean.len()),
                hint: "one value for each unknown",
            });
        }
        Ok(self.inner.times_vector(v))
    }

    /// Draws from the posterior; the same seed gives the same draws. Cost: 2n² flops each, 4nk for the low-rank form.
    ///
    /// ```
    /// # use wellposed::{DenseView, Problem};
    /// # let posterior = Problem::new(&DenseView::column_major(&[2.0, 0.0, 0.0, 1.0], 2, 2)?).noise_std(&[1.0]).posterior(&[1.0, 1.0], 1.0)?;
    /// let draws = posterior.sample(100, 7).x;
    /// assert_eq!(draws.shape(), (2, 100));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn sample(&self, count: usize, seed: u64) -> Samples<T> {
        let (x, intercepts) = self.inner.sample(count, seed);
        Samples { x, intercepts }
    }

    /// (low, high) for each unknown: the central interval that holds it with this probability, each by itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that is not between 0 and 1, [`Error::Unsupported`] for complex x, which have no order.
    pub fn band(&self, level: f64) -> Result<Vec<(f64, f64)>> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::Parameter { name: "the level of a band", value: level, must_be: "between 0 and 1, as 0.95" });
        }
        if T::IS_COMPLEX {
            return Err(Error::Unsupported {
                what: "a band",
                with: "complex unknowns, which have no order",
                instead: "use std(), the standard deviation of the modulus of x − mean",
            });
        }
        let width = quantile::normal(0.5 + 0.5 * level);
        let around = |(mean, std): (&T, f64)| (mean.real().to_f64() - width * std, mean.real().to_f64() + width * std);
        Ok(self.mean.iter().zip(self.std()).map(around).collect())
    }

    /// Fitted values of new rows, with and without the noise of a new observation. Cost: a product with the adjoint and 2n² flops
    /// for each row.
    ///
    /// # Errors
    /// [`Error::Shape`] when the rows have not n entries; [`Error::NonFinite`].
    ///
    /// ```
    /// use wellposed::{DenseView, Evidence, Problem};
    /// let t: Vec<f64> = (0..12).map(f64::from).collect();
    /// let b: Vec<f64> = t.iter().map(|t| 1.0 + 2.0 * t + 0.1 * (t * t).sin()).collect();
    /// let posterior = Problem::new(&DenseView::column_major(&t, 12, 1)?).intercept().posterior(&b, Evidence)?;
    /// let at = posterior.predict(&DenseView::column_major(&[5.5, 100.0], 2, 1)?)?;
    /// assert!((at.mean[0] - 12.0).abs() < 0.1);
    /// assert!(at.std[0] < at.std[1] && at.std[0] < at.observation_std[0]);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn predict<A: Operator<Scalar = T>>(&self, rows: &A) -> Result<Prediction<T>> {
        let (count, n) = rows.shape();
        if n != self.mean.len() {
            return Err(Error::Shape {
                what: "the matrix of new rows",
                found: Size::Shape(count, n),
                expected: Size::Shape(count, self.mean.len()),
                hint: "one column for each unknown, as in A",
            });
        }
        let mut columns = Mat::from_fn(n, count, |_, _| T::ZERO);
        let mut unit = vec![T::ZERO; count];
        for i in 0..count {
            unit[i] = T::ONE;
            rows.apply_adjoint(&unit, columns.col_as_slice_mut(i));
            unit[i] = T::ZERO;
            if let Some(j) = columns.col_as_slice(i).iter().position(|value| !value.finite()) {
                return Err(Error::NonFinite { what: "the matrix of new rows", index: Size::Position(i, j) });
            }
        }
        let (mean, std) = self.inner.predict(columns);
        let observation_std = std.iter().map(|std| std.hypot(self.noise_std)).collect();
        Ok(Prediction { mean, std, observation_std })
    }

    /// For the low-rank form, how much too large any variance may be (in units of x², an upper bound on ‖C_k − C‖); `None` for the exact
    /// one.
    pub fn covariance_error(&self) -> Option<f64> {
        match self.inner.form {
            Form::Exact { .. } => None,
            Form::LowRank { error, .. } => Some(error),
        }
    }
}

impl<T: Scalar> fmt::Debug for Posterior<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Posterior({} unknowns {}, λ {:.4e}, s {:.4e})", self.mean.len(), T::NAME, self.lambda, self.noise_std)
    }
}

/// Unknowns that are printed.
const SHOWN: usize = 12;

impl<T: Scalar> fmt::Display for Posterior<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = |error: Option<f64>| error.map_or_else(String::new, |e| format!("  (give or take a factor of {:.3})", e.exp()));
        writeln!(f, "noise std  {:.6e}{}", self.noise_std, error(self.log_noise_std_error))?;
        writeln!(f, "prior std  {:.6e}{}", self.prior_std, error(self.log_prior_std_error))?;
        writeln!(f, "λ          {:.6e}", self.lambda)?;
        writeln!(f, "dof        {:.4}", self.dof)?;
        writeln!(f, "log evid.  {:.4}", self.log_evidence)?;
        if self.intercept != T::ZERO {
            writeln!(f, "intercept  {:>14.6} ± {:.6}", self.intercept, self.intercept_std())?;
        }
        for (i, (mean, std)) in self.mean.iter().zip(self.std()).enumerate().take(SHOWN) {
            writeln!(f, "x[{i}]{:1$}{mean:>14.6} ± {std:.6}", "", 7 - format!("{i}").len())?;
        }
        if self.mean.len() > SHOWN {
            writeln!(f, "… and {} more", self.mean.len() - SHOWN)?;
        }
        for warning in &self.warnings {
            writeln!(f, "note       {warning}")?;
        }
        Ok(())
    }
}
