//! `Problem`: everything except b and λ, collected by setters that never fail, checked once when it is solved.

use crate::constraint::{Bounds, Equality};
use crate::data::{self, Data};
use crate::description::Description;
use crate::error::Result;
use crate::factorization::Factorization;
use crate::inference::Inference;
use crate::lambda::Lambda;
use crate::log_prior::LogPrior;
use crate::method::Method;
use crate::misfit::Misfit;
use crate::operator::Operator;
use crate::penalty::Penalty;
use crate::plan::Plan;
use crate::posterior::{MapEstimate, Posterior, Relevance, Samples};
use crate::preconditioner::Preconditioner;
use crate::rule::{Choice, Scales};
use crate::scalar::Scalar;
use crate::solution::Solution;
use crate::step::Step;
use core::ops::ControlFlow;

/// min (Ax − b)ᴴW(Ax − b) + λ‖L(x − x₀)‖², without b and λ.
///
/// ```
/// use wellposed::{DenseView, Gcv, Penalty, Problem};
///
/// let a: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 10) as f64 + (k / 10) as f64)).collect();
/// let a = DenseView::column_major(&a, 10, 6)?;
/// let b: Vec<f64> = (0..10).map(|i| 1.0 + (i % 3) as f64 * 0.01).collect();
///
/// let fit = Problem::new(&a).penalty(Penalty::second_difference()).intercept().solve(&b, Gcv)?;
/// println!("{}", fit.report);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a problem does nothing until it is solved"]
pub struct Problem<'a, T: Scalar> {
    description: Description<'a, T>,
}

impl<'a, T: Scalar> Problem<'a, T> {
    /// The ridge problem of A: L = I, W = I, x₀ = 0, no intercept, automatic method.
    pub fn new<A: Operator<Scalar = T>>(a: &'a A) -> Self {
        Self { description: Description::new(a) }
    }

    #[cfg(feature = "proptest")]
    pub(crate) fn description(&self) -> &Description<'a, T> {
        &self.description
    }

    /// R(z) = ‖Lz‖².
    pub fn penalty(mut self, penalty: Penalty<'a, T>) -> Self {
        self.description.penalty = penalty;
        self.description.several.clear();
        self
    }

    /// Σ λⱼ‖Lⱼ(x − x₀)‖²: several penalties, to each of which [`Gcv`](crate::Gcv), [`Loo`](crate::Loo) or
    /// [`Evidence`](crate::Evidence) gives a λ of its own; [`Solution::lambdas`] has them, and `lambda` is then 1. A number λ multiplies them all.
    ///
    /// For A with entries in real types. All λⱼ are found together, by Newton's method on log λⱼ with exact derivatives from several starts;
    /// every local minimum is in [`Report::penalties`](crate::Report::penalties), and a λⱼ at an end of its range is warned of. The
    /// criteria often have more than one minimum, and penalties that are alike cannot be told apart by any rule.
    /// Cost: some hundred QR factorizations of (n + Σpⱼ)×n matrices, pⱼ ≤ n the rows of Lⱼ.
    ///
    /// [`Penalty::bands`] makes one ridge penalty for each group of columns (banded ridge). For fixed ratios of the λⱼ
    /// [`Penalty::sum`] has every rule and method.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Penalty, Problem};
    /// let a: Vec<f64> = (0..180).map(|k| (-0.05 * ((k % 30) as f64 - 5.0 * (k / 30) as f64).powi(2)).exp()).collect();
    /// let b: Vec<f64> = (0..30).map(|i| (i as f64 * 0.2).sin() + 0.05 * ((i * i) as f64).cos()).collect();
    /// let a = DenseView::column_major(&a, 30, 6)?;
    /// let fit = Problem::new(&a).penalties([Penalty::identity(), Penalty::second_difference()]).solve(&b, Gcv)?;
    /// println!("{}", fit.report);
    /// assert_eq!(fit.lambdas.len(), 2);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    ///
    /// # Errors
    /// When solved: [`Error::Unsupported`](crate::Error::Unsupported) for other rules, complex data, `.shared()`, penalties that are no squares;
    /// [`NeedsEntries`](crate::Error::NeedsEntries) for an A of products; [`CommonNullSpace`](crate::Error::CommonNullSpace);
    /// [`NotConverged`](crate::Error::NotConverged).
    pub fn penalties(mut self, penalties: impl IntoIterator<Item = Penalty<'a, T>>) -> Self {
        let mut several: Vec<Penalty<'a, T>> = penalties.into_iter().collect();
        if several.len() == 1 {
            return self.penalty(several.remove(0));
        }
        self.description.penalty = Penalty::sum(several.iter().map(|penalty| (1.0, penalty.clone())));
        self.description.several = several;
        self
    }

    /// Measures the residual by [`Misfit::huber`], [`Misfit::student_t`] or [`Misfit::power`] instead of its square, so that outliers
    /// in b do not carry the fit away: min Σφ(uᵢ) + λR(x − x₀), u = W^½(b − Ax − c).
    ///
    /// Solved by a sequence of weighted ridge problems, for every A, method and rule; a rule chooses λ anew at each of them, for the weights
    /// of that step. [`Report::reweighted`](crate::Report::reweighted) has the objective, the weights and the smoothing. `residual_norm` stays ‖u‖, and
    /// dof is that of the last weighted problem.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Misfit, Problem};
    /// let a: Vec<f64> = (0..40).map(|k| if k < 20 { 1.0 } else { k as f64 - 30.0 }).collect();
    /// let b: Vec<f64> = (0..20).map(|i| 2.0 + 0.5 * (i as f64 - 10.0) + if i == 3 { 100.0 } else { 0.1 * ((i * i) as f64).cos() }).collect();
    /// let a = DenseView::column_major(&a, 20, 2)?;
    /// let fit = Problem::new(&a).misfit(Misfit::huber(1.345).scaled_by_mad()).solve(&b, 1e-3)?;
    /// assert!((fit.x[1] - 0.5).abs() < 0.02);
    /// assert!(fit.report.reweighted[0].weights[3] < 0.01); // the outlier
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    ///
    /// # Errors
    /// When solved: [`Error::NotConverged`](crate::Error::NotConverged), with a rule also where λ does not settle;
    /// [`Error::Unsupported`](crate::Error::Unsupported) beside [`l1`](Penalty::l1) and its like.
    pub fn misfit(mut self, misfit: Misfit) -> Self {
        self.description.misfit = Some(misfit);
        self
    }

    /// W = diag(w), one positive weight for each row: a weight of 2 counts as the row given twice.
    pub fn weights<W: Data<T::Real> + ?Sized>(mut self, weights: &W) -> Self {
        self.description.weights = Some(data::column(weights));
        self
    }

    /// The standard deviation of the noise of each row (or a single one for all): rows are divided by it, residual norms
    /// and [`Discrepancy`](crate::Discrepancy) are then in whitened units. With [`weights`](Self::weights), both apply.
    pub fn noise_std<S: Data<T::Real> + ?Sized>(mut self, noise_std: &S) -> Self {
        self.description.noise_std = Some(data::column(noise_std));
        self
    }

    /// x₀: the penalty measures the departure from it. It is part of the objective, not a starting guess.
    pub fn prior_mean<X: Data<T> + ?Sized>(mut self, prior_mean: &X) -> Self {
        self.description.prior_mean = Some(data::column(prior_mean));
        self
    }

    /// An unpenalised constant is fitted beside x: `fit.intercept`.
    pub fn intercept(mut self) -> Self {
        self.description.intercept = true;
        self
    }

    /// lo ≤ x ≤ hi: `0.0..`, `..=5.0`, `0.0..=1.0`, or [`Bounds::each`]. The intercept stays unbounded.
    ///
    /// λ as a number, or by [`Gcv`](crate::Gcv), [`Aicc`](crate::Aicc), [`Bic`](crate::Bic) with the degrees of freedom of the
    /// components that no bound holds, [`KFold`](crate::KFold) with refits, [`Discrepancy`](crate::Discrepancy) and
    /// [`PenaltyNorm`](crate::PenaltyNorm): chosen for the bounded problem. With [`l1`](Penalty::l1) or [`elastic_net`](Penalty::elastic_net)
    /// of the coefficients (the nonnegative lasso) coordinate descent keeps to the bounds, with a duality gap. Dense, `f32` and `f64`: principal pivoting on AᵀA + λLᵀL, handed to an active set kept by rotations of
    /// \[A; √λL\] where that matrix is ill-conditioned or singular; large, sparse or matrix-free A: a projected Krylov method
    /// ([`Method::Cgls`] asks for it by name). x lies within the bounds exactly, and the report has its certificate
    /// ([`Constrained`](crate::Constrained)). There is no factorization to keep, since x is not linear in b.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Problem};
    /// let a: Vec<f64> = (0..200).map(|k| (-0.1 * ((k % 20) as f64 - 2.0 * (k / 20) as f64).powi(2)).exp()).collect();
    /// let a = DenseView::column_major(&a, 20, 10)?;
    /// let b: Vec<f64> = (0..20).map(|i| if (6..12).contains(&i) { 1.0 } else { 0.01 * (-1.0_f64).powi(i) }).collect();
    /// let fit = Problem::new(&a).bounds(0.0..).solve(&b, Gcv)?;
    /// assert!(fit.x.iter().all(|&x| x >= 0.0));
    /// assert!(fit.report.constrained[0].kkt_residual < 1e-10);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn bounds(mut self, bounds: impl Into<Bounds<T::Real>>) -> Self {
        self.description.bounds = Some(bounds.into());
        self
    }

    /// Cx = d, for a q×n matrix or operator C of any rank and d of length q; a second call replaces the first.
    ///
    /// Without bounds the equations are eliminated (x = x_p + Ny with CN = 0, by a QR factorization of Cᴴ: 2nq² flops and n(n − q)
    /// numbers), and every method and rule of the unconstrained problem serves. With bounds: see [`bounds`](Self::bounds).
    ///
    /// # Errors
    /// When solved: [`Error::Infeasible`](crate::Error::Infeasible) where no x (within the bounds) satisfies them. Equations that
    /// repeat one another are fine.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem};
    /// let a = DenseView::column_major(&[2.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// let sum = DenseView::column_major(&[1.0, 1.0], 1, 2)?;
    /// let fit = Problem::new(&a).equality(&sum, &[1.0]).solve(&[1.0, 1.0], 0.1)?;
    /// assert!((fit.x[0] + fit.x[1] - 1.0_f64).abs() < 1e-14);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn equality<C, D>(mut self, c: &'a C, d: &D) -> Self
    where
        C: Operator<Scalar = T>,
        D: Data<T> + ?Sized,
    {
        self.description.equality = Some(Equality { matrix: c, values: data::column(d) });
        self
    }

    /// A label for each row: rows with the same label (a patient, a batch, a stretch of time) are left out together by
    /// [`KFold`](crate::KFold) and [`Loo`](crate::Loo). It changes nothing else.
    pub fn groups(mut self, labels: &[usize]) -> Self {
        self.description.groups = Some(labels.to_vec());
        self
    }

    /// The method, by name or with its options.
    pub fn method(mut self, method: impl Into<Method>) -> Self {
        self.description.method = method.into();
        self
    }

    /// A preconditioner of the iterative method: it changes the number of steps, and not the answer. Under
    /// [`Method::Auto`] the method is then LSMR. Where the minimiser is not unique (λ = 0, or an L that does not see every direction),
    /// the iteration finds the one with the smallest ‖R(x − x₀)‖.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem, preconditioner::Sketch};
    /// let a: Vec<f64> = (0..600).map(|k| 1.0 / (1.0 + (k % 200) as f64 / 50.0 + (k / 200) as f64)).collect();
    /// let fit = Problem::new(&DenseView::column_major(&a, 200, 3)?).precondition(Sketch::new()).solve(&[1.0; 200], 1e-6)?;
    /// assert_eq!(fit.report.method, "LSMR");
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn precondition(mut self, preconditioner: impl Into<Preconditioner<'a, T>>) -> Self {
        self.description.preconditioner = Some(preconditioner.into());
        self
    }

    /// A minimiser that is not unique is an error instead of the minimum-norm solution with a warning.
    pub fn require_full_rank(mut self) -> Self {
        self.description.require_full_rank = true;
        self
    }

    /// How many threads the kernels may use; all of the current rayon pool unless given. Results have the same bits for
    /// the same number of threads.
    pub fn threads(mut self, threads: usize) -> Self {
        self.description.threads = Some(threads);
        self
    }

    /// What will be done for this choice of λ, and why: nothing is factored.
    ///
    /// # Errors
    /// Whatever [`solve`](Self::solve) would refuse before it computes.
    pub fn plan(&self, choice: impl Into<Choice>) -> Result<Plan> {
        T::plan(&self.description, Some(choice.into()))
    }

    /// Solves for one or many right-hand sides, with λ given or chosen by a rule.
    ///
    /// # Errors
    /// [`Error`](crate::Error) lists them; a problem without a unique minimiser is not one of them unless
    /// [`require_full_rank`](Self::require_full_rank) was called.
    pub fn solve<B: Data<T> + ?Sized>(&self, b: &B, choice: impl Into<Choice>) -> Result<Solution<T, B>> {
        Ok(T::solve(&self.description, b.view(), choice.into(), None)?.into_solution())
    }

    /// [`solve`](Self::solve) with an observer that sees each step of an iterative method, and may return
    /// `ControlFlow::Break(())` to end it. Direct methods make no steps.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    ///
    /// ```
    /// use wellposed::{DenseView, Problem, method::Cgls};
    /// let a = [2.0, 1.0, 1.0, 3.0];
    /// let a = DenseView::column_major(&a, 2, 2)?;
    /// let fit = Problem::new(&a).method(Cgls::new()).solve_with(&[1.0, 2.0], 1e-3, |step| println!("{:4} {:.2e}", step.index, step.normal_residual))?;
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn solve_with<B, F, V>(&self, b: &B, choice: impl Into<Choice>, mut observer: F) -> Result<Solution<T, B>>
    where
        B: Data<T> + ?Sized,
        F: FnMut(&Step) -> V,
        V: Verdict,
    {
        let mut observe = |step: &Step| observer(step).control();
        Ok(T::solve(&self.description, b.view(), choice.into(), Some(&mut observe))?.into_solution())
    }

    /// One solution for each λ, in their order, at less than the cost of one solve after another: from one decomposition where A
    /// has entries ([`factorize`](Self::factorize)), and where A only multiplies, or an iterative method is asked for by name,
    /// from one sequence of products.
    ///
    /// With the identity penalty the Krylov space of Golub and Kahan's process does not depend on λ: [`Lsmr`](crate::Lsmr) and
    /// [`Lsqr`](crate::Lsqr) then make the products of the slowest λ for all of them, with 4 (3) vectors of length n and 8n (5n)
    /// flops a step for each. With another penalty, with a preconditioner, and with [`Cgls`](crate::Cgls) each λ is solved by itself.
    /// A start guess is not used.
    ///
    /// # Errors
    /// As [`solve`](Self::solve), for the first λ that fails.
    ///
    /// ```
    /// use wellposed::{Problem, log_grid, operator};
    /// let blur = operator::from_fn(
    ///     3, 3,
    ///     |x: &[f64], y: &mut [f64]| (0..3).for_each(|i| y[i] = x[i] + 0.5 * x[(i + 1) % 3]),
    ///     |y: &[f64], x: &mut [f64]| (0..3).for_each(|i| x[i] = y[i] + 0.5 * y[(i + 2) % 3]),
    /// );
    /// let fits = Problem::new(&blur).path(&[1.0, 2.0, 3.0], log_grid(1e-3..=1e1, 5))?;
    /// assert!(fits[0].residual_norm < fits[4].residual_norm);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn path<B, I>(&self, b: &B, lambdas: I) -> Result<Vec<Solution<T, B>>>
    where
        B: Data<T> + ?Sized,
        I: IntoIterator<Item: Into<Lambda>>,
    {
        let lambdas: Vec<Lambda> = lambdas.into_iter().map(Into::into).collect();
        Ok(T::path(&self.description, b.view(), &lambdas)?.into_iter().map(|outcome| outcome.into_solution()).collect())
    }

    /// The least λ at which every component that is penalised by an ℓ1 norm is 0: where a path begins
    /// (`log_grid(1e-3 * largest..=largest, 50)`). For penalties made by [`l1`](Penalty::l1) and its like; with an L that is not
    /// diagonal it is an upper bound of it, the least where L has full row rank.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); [`Error::Unsupported`](crate::Error::Unsupported) for a penalty that is a square.
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem};
    /// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
    /// let lasso = DenseView::column_major(&a, 4, 2)?;
    /// let lasso = Problem::new(&lasso).penalty(Penalty::identity().l1());
    /// let b = [1.1, 1.9, 3.2, 3.9];
    /// let largest = lasso.lambda_max(&b)?;
    /// assert!(lasso.solve(&b, largest)?.x.iter().all(|&x| x == 0.0));
    /// assert!(lasso.solve(&b, 0.99 * largest)?.x.iter().any(|&x| x != 0.0));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn lambda_max<B: Data<T> + ?Sized>(&self, b: &B) -> Result<B::Each<f64>> {
        Ok(B::each(T::lambda_max(&self.description, b.view())?))
    }

    /// Solves, and says how far x can be trusted: standard errors, confidence, credible and prediction intervals, leverages,
    /// Cook's distances. λ is held fixed at what is given or chosen.
    ///
    /// The noise is estimated from the residual unless [`noise_std`](Self::noise_std) was given. Cost: beside the solution one QR
    /// factorization of [A; √λL] for each λ, and two matrices as large as A.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); [`Error::RankDeficient`](crate::Error::RankDeficient) or
    /// [`CommonNullSpace`](crate::Error::CommonNullSpace) where x is not unique,
    /// [`NeedsEntries`](crate::Error::NeedsEntries) where A only multiplies,
    /// [`Unsupported`](crate::Error::Unsupported) for complex data, [`Parameter`](crate::Error::Parameter) where the residual has
    /// no degrees of freedom left to estimate the noise from.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Problem};
    /// let a: Vec<f64> = (0..60).map(|k| ((k * k) as f64 * 0.7).sin()).collect();
    /// let b: Vec<f64> = (0..20).map(|i| 3.0 + a[i] - 2.0 * a[i + 20] + 0.1 * ((i * i) as f64).cos()).collect();
    /// let inference = Problem::new(&DenseView::column_major(&a, 20, 3)?).intercept().inference(&b, Gcv)?;
    /// println!("{inference}");
    /// let (low, high) = inference.credible(0.95)?.coefficients[1];
    /// assert!(low < -2.0 && -2.0 < high);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn inference<B: Data<T> + ?Sized>(&self, b: &B, choice: impl Into<Choice>) -> Result<B::Each<Inference>> {
        Ok(B::each(T::infer(&self.description, b.view(), choice.into())?))
    }

    /// The posterior of x under b = Ax + c + e, e ~ N(0, s²W⁻¹), x ~ N(x₀, τ²(LᴴL)⁻¹), with λ = s²/τ² given, chosen by a rule, or
    /// found by [`Evidence`](crate::Evidence) together with the noise: its mean is the answer of [`solve`](Self::solve) at that λ.
    /// One for each right-hand side.
    ///
    /// The noise level is the caller's where [`noise_std`](Self::noise_std) was given ([`Evidence`](crate::Evidence) then finds τ
    /// alone), and is estimated otherwise: s² = bᴴ(I − H)b/(m − q), its most probable value at that λ (q unpenalised directions, the
    /// intercept among them). Exact, from the entries of A; an A that only multiplies is written out for up to 2000 rows or
    /// columns, and [`posterior_low_rank`](Self::posterior_low_rank) is for larger ones.
    ///
    /// Cost: an SVD for λ and s, 2(m + n)n² + n³ flops for the covariance, n² numbers kept.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); λ = 0, which leaves no prior; a direction that neither A nor L sees; noise that has to be
    /// estimated and cannot be.
    ///
    /// ```
    /// use wellposed::{DenseView, Evidence, Problem};
    /// let a: Vec<f64> = (0..96).map(|k| 1.0 / (1.0 + (k % 12) as f64 + (k / 12) as f64)).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 1.0 + 0.01 * ((i * i) as f64).sin()).collect();
    /// let a = DenseView::column_major(&a, 12, 8)?;
    /// let posterior = Problem::new(&a).posterior(&b, Evidence)?;
    /// println!("{posterior}");
    /// let band = posterior.band(0.95)?;
    /// assert!(band.iter().zip(&posterior.mean).all(|(&(low, high), mean)| low < *mean && *mean < high));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn posterior<B: Data<T> + ?Sized>(&self, b: &B, scales: impl Into<Scales>) -> Result<B::Each<Posterior<T>>> {
        Ok(B::each(T::posterior(&self.description, b.view(), scales.into())?.into_iter().map(Posterior::new).collect()))
    }

    /// [`posterior`](Self::posterior) from products with A alone, for one of any size: the covariance as τ²(I − VΦVᴴ), V of this rank. Every
    /// variance is at least the true one, and at most [`covariance_error`](Posterior::covariance_error) above it (a bound that fails
    /// once in 10⁶). λ is a number or any rule that [`solve`](Self::solve) takes for this A; L = I.
    ///
    /// dof is that of the subspace (a lower bound), and the log evidence lacks the directions outside of it (an upper bound).
    /// [`sample`](Posterior::sample) draws from the low-rank form; [`samples`](Self::samples) draws exactly.
    ///
    /// Cost: a solve, 2k + 32 products, 2k²(m + n) flops, k(m + n) numbers.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); a penalty other than the identity; λ = 0.
    ///
    /// ```
    /// use wellposed::{Problem, operator};
    /// let smooth = operator::from_fn(
    ///     50, 50,
    ///     |x: &[f64], y: &mut [f64]| (0..50).for_each(|i| y[i] = x[i] + 0.9 * x[(i + 1) % 50]),
    ///     |y: &[f64], x: &mut [f64]| (0..50).for_each(|i| x[i] = y[i] + 0.9 * y[(i + 49) % 50]),
    /// );
    /// let b: Vec<f64> = (0..50).map(|i| (i as f64 / 8.0).sin()).collect();
    /// let posterior = Problem::new(&smooth).noise_std(&[0.1]).posterior_low_rank(&b, 0.5, 20)?;
    /// println!("variances are right to {:e}", posterior.covariance_error().unwrap());
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn posterior_low_rank<B: Data<T> + ?Sized>(&self, b: &B, choice: impl Into<Choice>, rank: usize) -> Result<B::Each<Posterior<T>>> {
        let all = T::posterior_low_rank(&self.description, b.view(), choice.into(), rank)?;
        Ok(B::each(all.into_iter().map(Posterior::new).collect()))
    }

    /// Draws from the posterior, each by solving a perturbed problem (data plus noise, prior mean plus a draw from the prior) with whatever
    /// method this problem has: exact for any A, however large. λ, s and τ are those of a posterior of this problem. L = I or diagonal.
    ///
    /// Source: Papandreou, Yuille 2010, Gaussian sampling by local perturbations, NIPS.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); another penalty; more than one right-hand side.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem};
    /// let a = DenseView::column_major(&[2.0, 0.0, 1.0, 1.0], 2, 2)?;
    /// let problem = Problem::new(&a).noise_std(&[0.5]);
    /// let posterior = problem.posterior(&[1.0, 1.0], 1.0)?;
    /// let draws = problem.samples(&[1.0, 1.0], &posterior, 10, 7)?;
    /// assert_eq!(draws.x.shape(), (2, 10));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn samples<B: Data<T> + ?Sized>(&self, b: &B, posterior: &Posterior<T>, count: usize, seed: u64) -> Result<Samples<T>> {
        let (x, intercepts) = T::samples(&self.description, b.view(), posterior.inner(), count, seed)?;
        Ok(Samples { x, intercepts })
    }

    /// Relevance determination (ARD, sparse Bayesian learning): every coefficient has a prior variance of its own, evidence finds all
    /// of them together with the noise (unless [`noise_std`](Self::noise_std) was given), and the columns whose variance goes to 0 are
    /// pruned. One answer for each right-hand side; real problems with entries. The maximum found is a local one.
    ///
    /// Cost: mn² flops once, nk² a step with k columns kept.
    ///
    /// # Errors
    /// Columns that fit the data exactly, where noise is to be estimated; [`Error::NotConverged`](crate::Error::NotConverged); a
    /// penalty; what [`posterior`](Self::posterior) refuses.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem};
    /// let a: Vec<f64> = (0..400).map(|k| ((k * k) as f64).sin()).collect();
    /// let b: Vec<f64> = (0..40).map(|i| 3.0 * a[i] - a[i + 80] + 0.05 * (7.0 * i as f64).cos()).collect();
    /// let found = Problem::new(&DenseView::column_major(&a, 40, 10)?).relevance(&b)?;
    /// assert!(found.kept.contains(&0) && found.kept.contains(&2) && !found.pruned.is_empty());
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn relevance<B: Data<T> + ?Sized>(&self, b: &B) -> Result<B::Each<Relevance>> {
        Ok(B::each(T::relevance(&self.description, b.view())?))
    }

    /// The most probable x under any [`LogPrior`] of x − x₀ (in place of a penalty): a built-in [`Prior`](crate::Prior), or your own
    /// density. The noise must be known: [`noise_std`](Self::noise_std). One answer for each right-hand side; real problems.
    ///
    /// The search starts from the ridge solution with λ by evidence, and goes downhill from there by reweighted ridge problems with a
    /// line search: with a prior that is not log-concave (Student's t, horseshoe) the mode found is *a* mode;
    /// [`map_from`](Self::map_from) starts elsewhere.
    ///
    /// Cost: mn² flops once, n³/3 and two products for each step; 5 to 30 steps are usual. A sparse A where mn or
    /// n² exceeds 33 million, or one that only multiplies with more than 2000 rows and columns, is left to products: Newton's equations are solved by conjugate gradients, the start is the ridge
    /// solution with λ by GCV, and there is neither evidence nor `std`.
    ///
    /// # Errors
    /// [`Error::LogPrior`](crate::Error::LogPrior) when gradient or curvature are not those of the value;
    /// [`Error::NotConverged`](crate::Error::NotConverged); what [`posterior`](Self::posterior) refuses.
    ///
    /// ```
    /// use wellposed::{DenseView, Prior, Problem};
    /// let a: Vec<f64> = (0..60).map(|k| ((k * k) as f64).sin()).collect();
    /// let b: Vec<f64> = (0..12).map(|i| 3.0 * a[i] + 0.1 * (i as f64).cos()).collect();
    /// let a = DenseView::column_major(&a, 12, 5)?;
    /// let fit = Problem::new(&a).noise_std(&[0.1]).map(&b, &Prior::laplace(0.2))?;
    /// assert!(fit.x[0] > 2.5 && fit.x[1].abs() < 0.5);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn map<B: Data<T> + ?Sized>(&self, b: &B, prior: &dyn LogPrior) -> Result<B::Each<MapEstimate>> {
        Ok(B::each(T::map(&self.description, b.view(), prior, None)?))
    }

    /// [`map`](Self::map) from a start of your own: where there are several modes, the one that is downhill from there.
    ///
    /// # Errors
    /// As [`map`](Self::map); a start where the density is 0.
    pub fn map_from<B: Data<T> + ?Sized>(&self, b: &B, prior: &dyn LogPrior, start: &[f64]) -> Result<B::Each<MapEstimate>> {
        Ok(B::each(T::map(&self.description, b.view(), prior, Some(start))?))
    }

    /// Decomposes A once, for any number of right-hand sides, λ and rules. The result owns all it needs.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); [`Error::NeedsEntries`](crate::Error::NeedsEntries) when A only multiplies.
    pub fn factorize(&self) -> Result<Factorization<T>> {
        Ok(Factorization::new(T::factorize(&self.description)?))
    }
}

impl<T: Scalar> core::fmt::Debug for Problem<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (rows, columns) = self.description.operator.shape();
        write!(
            f,
            "Problem({rows}×{columns} {}, penalty {}, method {})",
            T::NAME,
            self.description.penalty.describe(),
            self.description.method
        )
    }
}

/// What an observer may return: nothing, or a `ControlFlow<()>` whose `Break` ends the iteration.
pub trait Verdict {
    #[doc(hidden)]
    fn control(self) -> ControlFlow<()>;
}

impl Verdict for () {
    fn control(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Verdict for ControlFlow<()> {
    fn control(self) -> ControlFlow<()> {
        self
    }
}
