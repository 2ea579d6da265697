//! `Problem`: everything except b and λ, collected by setters that never fail, checked once when it is solved.

use crate::data::{self, Data};
use crate::description::Description;
use crate::error::Result;
use crate::factorization::Factorization;
use crate::method::Method;
use crate::operator::Operator;
use crate::penalty::Penalty;
use crate::plan::Plan;
use crate::rule::Choice;
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
