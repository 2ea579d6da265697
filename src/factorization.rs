//! `Factorization`: what is left when the expensive step is done.

use crate::comparison::RuleComparison;
use crate::curve::Spectrum as Values;
use crate::data::Data;
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::operator::DenseView;
use crate::plan::Plan;
use crate::rule::{Choice, Rule, Truncation};
use crate::run::Kept;
use crate::scalar::Scalar;
use crate::solution::Solution;

/// A decomposition of A (and L) that answers any λ, any rule and any right-hand side without decomposing again. It owns
/// all it needs, and can be shared between threads.
///
/// ```
/// use wellposed::{DenseView, Gcv, Problem, log_grid};
///
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let factor = Problem::new(&DenseView::column_major(&a, 4, 2)?).factorize()?;
/// for fit in factor.path(&[1.1, 1.9, 3.2, 3.9], log_grid(1e-6..=1e2, 5)) {
///     let fit = fit?;
///     println!("{:9.1e} {:.4} {:?}", fit.lambda, fit.residual_norm, fit.x);
/// }
/// let best = factor.solve(&[1.1, 1.9, 3.2, 3.9], Gcv)?;
/// # Ok::<(), wellposed::Error>(())
/// ```
pub struct Factorization<T: Scalar> {
    kept: Kept<T>,
}

/// Singular values and coefficients of one right-hand side: the numbers of a Picard plot.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spectrum {
    /// σᵢ, descending: the (generalized) singular values of the penalised directions.
    pub values: Vec<f64>,
    /// |uᵢᴴb|.
    pub coefficients: Vec<f64>,
    /// Norm of the part of b that no x reaches.
    pub outside: f64,
    /// Values up to this one are rounding.
    pub floor: f64,
    /// Unpenalised directions, the intercept among them.
    pub unpenalised: usize,
}

/// Norms and degrees of freedom at one λ.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CurvePoint {
    /// λ.
    pub lambda: f64,
    /// ‖Ax − b‖.
    pub residual_norm: f64,
    /// ‖L(x − x₀)‖.
    pub penalty_norm: f64,
    /// Effective degrees of freedom.
    pub dof: f64,
    /// m·‖Ax − b‖²/(m − dof)².
    pub gcv: f64,
}

impl<T: Scalar> Factorization<T> {
    pub(crate) fn new(kept: Kept<T>) -> Self {
        Self { kept }
    }

    /// Solves for one or many right-hand sides.
    ///
    /// At λ = 0 with L ≠ I and an A of deficient rank the answer is the limit λ → 0, the least-squares solution of least
    /// ‖L(x − x₀)‖; [`Problem::solve`](crate::Problem::solve) gives the one of least ‖x − x₀‖.
    ///
    /// # Errors
    /// A wrong length, NaN, an invalid λ, or a rule that finds none.
    pub fn solve<B: Data<T> + ?Sized>(&self, b: &B, choice: impl Into<Choice>) -> Result<Solution<T, B>> {
        Ok(T::solve_kept(&self.kept, b.view(), choice.into())?.into_solution())
    }

    /// One solution for each λ, lazily.
    pub fn path<'s, B: Data<T> + ?Sized, I>(&'s self, b: &'s B, lambdas: I) -> impl Iterator<Item = Result<Solution<T, B>>> + 's
    where
        I: IntoIterator<Item: Into<Choice>>,
        I::IntoIter: 's,
    {
        lambdas.into_iter().map(move |lambda| self.solve(b, lambda))
    }

    /// Singular values and coefficients of each right-hand side.
    ///
    /// # Errors
    /// A wrong length or NaN.
    pub fn spectrum<B: Data<T> + ?Sized>(&self, b: &B) -> Result<B::Each<Spectrum>> {
        Ok(B::each(T::spectra(&self.kept, b.view())?.into_iter().map(spectrum_of).collect()))
    }

    /// Norms, degrees of freedom and the GCV function at each λ, for each right-hand side, without a solution.
    ///
    /// # Errors
    /// A wrong length, NaN, or a λ that is negative or NaN.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem, log_grid};
    /// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
    /// let factor = Problem::new(&DenseView::column_major(&a, 4, 2)?).factorize()?;
    /// let curve = factor.curve(&[1.1, 1.9, 3.2, 3.9], log_grid(1e-3..=1e3, 7))?;
    /// assert!(curve[0].residual_norm < curve[6].residual_norm && curve[0].dof > curve[6].dof);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn curve<B: Data<T> + ?Sized>(&self, b: &B, lambdas: impl IntoIterator<Item = f64>) -> Result<B::Each<Vec<CurvePoint>>> {
        let lambdas: Vec<f64> = lambdas.into_iter().collect();
        Ok(B::each(curve_points(&self.kept, b.view(), &lambdas)?))
    }

    /// x and the residual of each right-hand side as sums over the directions of the decomposition.
    #[cfg(feature = "plot")]
    pub(crate) fn modes<B: Data<T> + ?Sized>(&self, b: &B) -> Result<Vec<crate::run::Modes>> {
        T::modes(&self.kept, b.view())
    }

    /// Truncated SVD (any L: truncated GSVD): only the k largest (generalized) singular values are kept, beside the
    /// unpenalised directions. k is a number, or a
    /// rule chooses it; without a rule for truncations it is an error.
    ///
    /// `lambda` stands for k: every σᵢ ≥ √λ is kept. dof is k and the number of unpenalised directions.
    ///
    /// Source: Hansen 1990, doi:10.1137/0911028.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); k above the numerical rank; a factorization without singular vectors.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Problem};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
    /// let factor = Problem::new(&DenseView::column_major(&a, 12, 8)?).factorize()?;
    /// let three = factor.truncated(&b, 3)?;
    /// assert_eq!(three.dof, Some(3.0));
    /// let chosen = factor.truncated(&b, Gcv)?;
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn truncated<B: Data<T> + ?Sized>(&self, b: &B, truncation: impl Into<Truncation>) -> Result<Solution<T, B>> {
        Ok(T::truncate(&self.kept, b.view(), truncation.into())?.into_solution())
    }

    /// Damped SVD: filter factors σ/(σ + √λ) instead of Tikhonov's σ²/(σ² + λ). λ is a number, or one of the rules that
    /// look at residual norm and degrees of
    /// freedom chooses it (GCV and its kin, AICc, BIC, predictive risk, discrepancy).
    ///
    /// Source: Ekstrom, Rhoads 1974, J. Comput. Phys. 14:319.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); a rule that needs Tikhonov's filter; a factorization without singular vectors.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Problem};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
    /// let fit = Problem::new(&DenseView::column_major(&a, 12, 8)?).factorize()?.damped_svd(&b, Gcv)?;
    /// assert!(fit.lambda > 0.0);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn damped_svd<B: Data<T> + ?Sized>(&self, b: &B, choice: impl Into<Choice>) -> Result<Solution<T, B>> {
        Ok(T::damped(&self.kept, b.view(), choice.into())?.into_solution())
    }

    /// What there is to judge a λ by: Picard coefficients with their floors, filter factors, leverages, resolution,
    /// condition numbers, the whiteness of the
    /// residual and, with a rule, its criterion as it was evaluated.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Problem};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
    /// let diagnostics = Problem::new(&DenseView::column_major(&a, 12, 8)?).factorize()?.diagnostics(&b, Gcv)?;
    /// println!("{diagnostics}");
    /// assert!((diagnostics.leverages.unwrap().iter().sum::<f64>() - diagnostics.dof).abs() < 1e-9);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn diagnostics<B: Data<T> + ?Sized>(&self, b: &B, choice: impl Into<Choice>) -> Result<B::Each<Diagnostics>> {
        Ok(B::each(T::diagnose(&self.kept, b.view(), choice.into())?))
    }

    /// The λ with the least error ‖x(λ) − x_true‖, where x is known: what every rule of a study is measured against. The
    /// report's criterion is the
    /// error. Cost: about 80 solutions.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); a true x of another shape than x.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Problem};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| (0..8).map(|j| a[i + 12 * j]).sum::<f64>() + 0.01 * ((i * i) as f64).sin()).collect();
    /// let factor = Problem::new(&DenseView::column_major(&a, 12, 8)?).factorize()?;
    /// let best = factor.oracle(&b, &vec![1.0; 8])?;
    /// println!("λ = {:.2e} has the least error, {:.2e}", best.lambda, best.report.criteria[0].value);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn oracle<B: Data<T> + ?Sized, X: Data<T> + ?Sized>(&self, b: &B, x_true: &X) -> Result<Solution<T, B>> {
        Ok(T::oracle(&self.kept, b.view(), x_true.view())?.into_solution())
    }

    /// What every rule says of each right-hand side, as a table with a verdict on how far they agree.
    ///
    /// Rules that need a noise level take 1 where the problem has [`noise_std`](crate::Problem::noise_std), and estimate it
    /// otherwise. Rules with
    /// a choice of their own (K-fold, one standard error, a number of degrees of freedom) are left to
    /// [`compare_among`](Self::compare_among). A rule that does not apply has its error in its row.
    ///
    /// # Errors
    /// A wrong length or NaN.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
    /// let comparison = Problem::new(&DenseView::column_major(&a, 12, 8)?).factorize()?.compare_rules(&b)?;
    /// println!("{comparison}");
    /// for row in &comparison.rows {
    ///     if let Ok(choice) = &row.choice {
    ///         println!("{} {}", row.name, choice.lambda);
    ///     }
    /// }
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn compare_rules<B: Data<T> + ?Sized>(&self, b: &B) -> Result<B::Each<RuleComparison>> {
        Ok(B::each(T::compare(&self.kept, b.view(), None)?))
    }

    /// [`compare_rules`](Self::compare_rules) among rules of your choice.
    ///
    /// # Errors
    /// A wrong length, NaN, or a parameter of a rule out of its range.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, KFold, Problem, Rule};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
    /// let factor = Problem::new(&DenseView::column_major(&a, 12, 8)?).factorize()?;
    /// println!("{}", factor.compare_among(&b, [Rule::from(Gcv), KFold::new(4).into()])?);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn compare_among<B: Data<T> + ?Sized>(
        &self,
        b: &B,
        rules: impl IntoIterator<Item = impl Into<Rule>>,
    ) -> Result<B::Each<RuleComparison>> {
        let rules: Vec<Rule> = rules.into_iter().map(Into::into).collect();
        Ok(B::each(T::compare(&self.kept, b.view(), Some(&rules))?))
    }

    /// What was decomposed, and how.
    pub fn plan(&self) -> &Plan {
        &self.kept.plan
    }
}

/// What a user sees of the values that the rules see.
pub(crate) fn spectrum_of(s: Values) -> Spectrum {
    Spectrum { floor: s.tolerance, outside: s.outside, unpenalised: s.unpenalised, values: s.values, coefficients: s.coefficients }
}

/// Norms, degrees of freedom and the GCV function at each λ, for each right-hand side.
pub(crate) fn curve_points<T: Scalar>(kept: &Kept<T>, b: DenseView<'_, T>, lambdas: &[f64]) -> Result<Vec<Vec<CurvePoint>>> {
    for &lambda in lambdas {
        crate::check::check_choice(Some(lambda.into()))?;
    }
    let point =
        |(&lambda, [residual_norm, penalty_norm, dof, gcv]): (&f64, [f64; 4])| CurvePoint { lambda, residual_norm, penalty_norm, dof, gcv };
    let curves = T::curves(kept, b, lambdas)?;
    Ok(curves.into_iter().map(|curve| lambdas.iter().zip(curve).map(point).collect()).collect())
}

impl<T: Scalar> core::fmt::Debug for Factorization<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Factorization({}×{} {}, {})", self.kept.plan.rows, self.kept.plan.columns, T::NAME, self.kept.plan.method)
    }
}
