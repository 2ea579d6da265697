//! Gradient descent, stochastic gradient descent and Adam with weight decay: what optimizers do to a least-squares loss, and which λ that is.
//!
//! ```text
//! loss(x) = ‖Ax − b‖² · {1, ½, 1/m, 1/2m}        ∇loss = c·Aᴴ(Ax − b),   c = 2, 1, 2/m, 1/m
//! coupled decay     g = ∇loss + w·Dx                  (L2 in the gradient: the loss plus w/2·‖D^½x‖²)
//! decoupled decay   x ← x − η·step(∇loss) − η·w·Dx    (SGDW, AdamW)
//! ```
//! D = diag of the decay factors, I unless given. A coupled run of any method converges to the ridge solution with λ = w/c, that is
//! [`Lambda::weight_decay`]. A decoupled one converges to the same for plain gradient descent, to λ = (1 − β)·w/c with momentum β
//! (decay is not multiplied by 1/(1 − β), as the gradient is), and to something that is no ridge solution for Adam, whose steps do not
//! grow with the gradient. A run that is stopped early has filter factors of its own. So every run reports the λ for which its x
//! comes closest to a ridge solution, and how close ([`EffectiveLambda`]).
//!
//! These are here because people train this way, and to see what it amounts to. To *solve* a ridge problem,
//! [`ridge`](crate::ridge) or [`Lsmr`](crate::Lsmr) take fewer operations by orders of magnitude.
//!
//! ```
//! use wellposed::descent::{Adam, Decay, GradientDescent, Scaling};
//! use wellposed::{DenseView, Lambda, lambda::Loss, ridge};
//!
//! let a = [1.0_f64, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
//! let a = DenseView::column_major(&a, 4, 2)?;
//! let b = [1.1, 1.9, 3.2, 3.9];
//!
//! let run = GradientDescent::new().loss(Scaling::MeanSquared).decay(Decay::coupled(0.1)).run(&a, &b)?;
//! let lambda = Lambda::weight_decay(0.1, Loss::MeanSquared { samples: 4 });
//! let fit = ridge(&a, &b, lambda)?;
//! assert!((run.x[0] - fit.x[0]).abs() < 1e-6 && (run.effective.unwrap().lambda - 0.2).abs() < 1e-6);
//!
//! let adamw = Adam::new().step(0.05).decreasing(200).decay(Decay::decoupled(0.1)).epochs(3000).run(&a, &b)?;
//! assert!((adamw.x[0] - fit.x[0]).abs() > 1e-3); // another answer
//! # Ok::<(), wellposed::Error>(())
//! ```
//!
//! b is one right-hand side; weights, noise levels and an intercept are the caller's to put into A and b (a column of ones with the decay
//! factor 0 is an intercept). Complex problems are taken as they are. The start is x = 0.

mod adam;
mod drive;
mod gradient_descent;
mod sgd;
mod source;
mod step_size;
mod update;

pub use adam::Adam;
pub use gradient_descent::GradientDescent;
pub use sgd::Sgd;

use crate::data::{self, Data};
use crate::error::{Error, Result, Size};
use crate::lambda::{Lambda, Loss};
use crate::scalar::{Real, Scalar};
use crate::step::Stop;
use update::Rule;

/// How the loss counts the squared residuals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scaling {
    /// ‖Ax − b‖².
    SumSquared,
    /// ½‖Ax − b‖².
    HalfSumSquared,
    /// ‖Ax − b‖²/m (`torch.nn.MSELoss()`).
    #[default]
    MeanSquared,
    /// ‖Ax − b‖²/2m (scikit-learn's `SGDRegressor`).
    HalfMeanSquared,
}

impl Scaling {
    /// The loss over so many rows, for [`Lambda::weight_decay`].
    pub fn loss(self, rows: usize) -> Loss {
        match self {
            Scaling::SumSquared => Loss::SumSquared,
            Scaling::HalfSumSquared => Loss::HalfSumSquared,
            Scaling::MeanSquared => Loss::MeanSquared { samples: rows },
            Scaling::HalfMeanSquared => Loss::HalfMeanSquared { samples: rows },
        }
    }

    /// c in ∇loss = c·Aᴴ(Ax − b), for so many rows.
    fn factor(self, rows: usize) -> f64 {
        match self {
            Scaling::SumSquared => 2.0,
            Scaling::HalfSumSquared => 1.0,
            Scaling::MeanSquared => 2.0 / rows.max(1) as f64,
            Scaling::HalfMeanSquared => 1.0 / rows.max(1) as f64,
        }
    }

    fn is_mean(self) -> bool {
        matches!(self, Scaling::MeanSquared | Scaling::HalfMeanSquared)
    }
}

/// Weight decay: how much, on which unknowns, and whether it goes through the gradient.
///
/// ```
/// use wellposed::descent::Decay;
/// let usual = Decay::coupled(1e-2); // L2 in the gradient: torch.optim.SGD, Adam
/// let adamw = Decay::decoupled(1e-2).factors(&[1.0, 1.0, 0.0]); // AdamW; the last unknown is an intercept
/// # let _ = (usual, adamw);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decay {
    weight: f64,
    decoupled: bool,
    factors: Option<Vec<f64>>,
}

impl Decay {
    /// No decay.
    pub fn none() -> Self {
        Self::default()
    }

    /// w·x is added to the gradient, before momentum or Adam's scaling see it.
    pub fn coupled(weight: f64) -> Self {
        Self { weight, decoupled: false, factors: None }
    }

    /// η·w·x is subtracted from x beside the step (Loshchilov, Hutter 2019, arXiv:1711.05101).
    pub fn decoupled(weight: f64) -> Self {
        Self { weight, decoupled: true, factors: None }
    }

    /// A factor ≥ 0 for each unknown, by which its decay is multiplied: parameter groups. 0 exempts an unknown.
    pub fn factors(mut self, factors: &[f64]) -> Self {
        self.factors = Some(factors.to_vec());
        self
    }

    fn factor(&self, j: usize) -> f64 {
        self.factors.as_ref().map_or(1.0, |factors| factors[j])
    }

    fn largest_factor(&self) -> f64 {
        self.factors.as_ref().map_or(1.0, |factors| factors.iter().copied().fold(0.0, f64::max))
    }

    fn check(&self, unknowns: usize) -> Result<()> {
        if !(self.weight >= 0.0 && self.weight.is_finite()) {
            return Err(Error::Parameter { name: "the weight decay", value: self.weight, must_be: "finite and at least 0" });
        }
        let Some(factors) = &self.factors else { return Ok(()) };
        if factors.len() != unknowns {
            return Err(Error::Shape {
                what: "the vector of decay factors",
                found: Size::Length(factors.len()),
                expected: Size::Length(unknowns),
                hint: "one factor for each column of A",
            });
        }
        match factors.iter().find(|f| !(**f >= 0.0 && f.is_finite())) {
            Some(&value) => {
                Err(Error::Parameter { name: "a decay factor", value, must_be: "finite and at least 0; 0 exempts the unknown" })
            }
            None => Ok(()),
        }
    }
}

/// The λ for which x comes closest to a ridge solution.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EffectiveLambda {
    /// The λ that minimises ‖Aᴴ(b − Ax) − λDx‖, D the decay factors; ∞ where x = 0.
    pub lambda: f64,
    /// That minimum over ‖Aᴴ(b − Ax)‖: 0 where x is the ridge solution of this λ, near 1 where no λ makes it one. (With hardly any decay both
    /// norms are rounding errors, and so is their ratio.)
    pub misfit: f64,
}

/// What a descent came to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Descent<T> {
    /// x after the last step, or the best one on held-out rows.
    pub x: Vec<T>,
    /// Steps made.
    pub steps: usize,
    /// Why it stopped.
    pub stop: Stop,
    /// η of the first step.
    pub step: f64,
    /// ‖Ax − b‖ over all rows; `None` for a stream, which has gone.
    pub residual_norm: Option<f64>,
    /// The λ that the decay stands for: where a run of this method ends that goes on for long enough. `None` for Adam with decoupled decay,
    /// which ends elsewhere, and for a stream.
    pub decay_lambda: Option<f64>,
    /// The λ that x itself stands for; `None` for a stream.
    pub effective: Option<EffectiveLambda>,
    /// ‖Ax − b‖ on the held-out rows after each step; empty without them.
    pub held_out: Vec<f64>,
    /// The step whose x this is.
    pub best_step: usize,
    /// c and w of plain gradient descent at a constant step.
    plain: Option<(f64, f64)>,
}

impl<T> Descent<T> {
    /// The filter factor of a direction with singular value σ: x = Σ φ(σᵢ)·(uᵢᴴb/σᵢ)·vᵢ after k steps, φ(σ) = cσ²/(cσ² + w)·(1 − (1 − η(cσ² + w))ᵏ).
    /// Without decay and with ½‖Ax − b‖² it is 1 − (1 − ησ²)ᵏ. `None` unless the run was gradient descent without momentum at a constant step,
    /// with one decay for all unknowns.
    ///
    /// Source: Landweber 1951, Am. J. Math. 73:615; Engl, Hanke, Neubauer 1996, Regularization of Inverse Problems, §6.1.
    ///
    /// ```
    /// use wellposed::{DenseView, descent::{GradientDescent, Scaling}};
    /// let a = [3.0_f64, 0.0, 0.0, 1.0];
    /// let a = DenseView::column_major(&a, 2, 2)?;
    /// let run = GradientDescent::new().loss(Scaling::HalfSumSquared).step(0.1).steps(5).run(&a, &[3.0, 1.0])?;
    /// assert!((run.x[1] - run.filter_factor(1.0).unwrap()).abs() < 1e-15); // the least-squares solution is (1, 1)
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn filter_factor(&self, value: f64) -> Option<f64> {
        let (c, w) = self.plain?;
        let curvature = c * value * value;
        let shrink = 1.0 - self.step * (curvature + w);
        let progress = 1.0 - shrink.powi(i32::try_from(self.best_step).unwrap_or(i32::MAX));
        Some(if curvature == 0.0 { 0.0 } else { curvature / (curvature + w) * progress })
    }
}

/// What the three methods have in common.
#[derive(Debug, Clone, PartialEq)]
struct Options {
    name: &'static str,
    scaling: Scaling,
    decay: Decay,
    step: Option<f64>,
    half_time: Option<usize>,
    rule: Rule,
    tolerance: Option<f64>,
    limit: Limit,
    batch: Option<usize>,
    seed: Option<u64>,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// Until the tolerance, in so many steps at most.
    Converged(usize),
    /// So many steps.
    Steps(usize),
    /// So many times through all rows.
    Epochs(usize),
}

impl Options {
    fn new(name: &'static str, rule: Rule, limit: Limit) -> Self {
        Self {
            name,
            scaling: Scaling::default(),
            decay: Decay::none(),
            step: None,
            half_time: None,
            rule,
            tolerance: None,
            limit,
            batch: None,
            seed: None,
        }
    }

    fn check(&self, unknowns: usize) -> Result<()> {
        self.decay.check(unknowns)?;
        self.rule.check()?;
        if let Some(value) = self.step.filter(|step| !(*step > 0.0 && step.is_finite())) {
            return Err(Error::Parameter { name: "the step size", value, must_be: "positive and finite; leave it out for an estimate" });
        }
        if self.half_time == Some(0)
            || self.batch == Some(0)
            || matches!(self.limit, Limit::Converged(0) | Limit::Steps(0) | Limit::Epochs(0))
        {
            return Err(Error::Parameter { name: "a number of steps, epochs or rows", value: 0.0, must_be: "at least 1" });
        }
        match self.tolerance.filter(|tolerance| !(*tolerance > 0.0 && *tolerance < 1.0)) {
            Some(value) => Err(Error::Parameter { name: "the tolerance of a descent", value, must_be: "greater than 0 and less than 1" }),
            None => Ok(()),
        }
    }

    /// w·(1 − β) where decay does not go through the momentum: the fixed point is ∇loss = −(this)·Dx. `None` where it is not of this form.
    fn balanced_decay(&self) -> Option<f64> {
        match (&self.rule, self.decay.decoupled && self.decay.weight > 0.0) {
            (_, false) => Some(self.decay.weight),
            (Rule::Momentum { beta, .. }, true) => Some((1.0 - beta) * self.decay.weight),
            (Rule::Adam { .. }, true) => None,
        }
    }

    /// λ of the fixed point.
    fn decay_lambda(&self, rows: usize) -> Option<f64> {
        self.balanced_decay().map(|weight| Lambda::weight_decay(weight, self.scaling.loss(rows)).value())
    }

    /// η of a step counted from 0.
    fn step_at(&self, first: f64, index: usize) -> f64 {
        self.half_time.map_or(first, |half| first / (1.0 + index as f64 / half as f64))
    }
}

/// One right-hand side, copied.
fn right_hand_side<T: Scalar, D: Data<T> + ?Sized>(b: &D, rows: usize) -> Result<Vec<T>> {
    let shape = b.view().shape();
    if shape != (rows, 1) {
        return Err(Error::Shape {
            what: "b",
            found: Size::Shape(shape.0, shape.1),
            expected: Size::Shape(rows, 1),
            hint: "one right-hand side with as many rows as A; descend for one column after another",
        });
    }
    let b = data::column(b);
    match b.iter().position(|v| !v.finite()) {
        Some(index) => Err(Error::NonFinite { what: "b", index: Size::Entry(index) }),
        None => Ok(b),
    }
}

fn real<T: Scalar>(value: f64) -> T::Real {
    T::Real::from_f64(value)
}

/// Setters of every method.
macro_rules! common {
    ($type:ident) => {
        impl $type {
            /// How the loss counts the squared residuals; their mean unless given.
            pub fn loss(mut self, scaling: super::Scaling) -> Self {
                self.options.scaling = scaling;
                self
            }

            /// Weight decay; none unless given.
            pub fn decay(mut self, decay: super::Decay) -> Self {
                self.options.decay = decay;
                self
            }

            /// The step size η.
            pub fn step(mut self, step: f64) -> Self {
                self.options.step = Some(step);
                self
            }

            /// Step sizes that fall as η/(1 + t/h), t the number of steps made: half of the first after h steps. Constant unless given.
            pub fn decreasing(mut self, half_time: usize) -> Self {
                self.options.half_time = Some(half_time);
                self
            }

            /// Runs on all rows.
            ///
            /// # Errors
            /// Wrong lengths, NaN, an option out of its range; [`Error::NotConverged`](crate::Error::NotConverged) when the tolerance is not reached
            /// in the steps permitted, or the iterates grow without bound.
            pub fn run<A, D>(&self, a: &A, b: &D) -> crate::error::Result<super::Descent<A::Scalar>>
            where
                A: crate::operator::Operator + ?Sized,
                D: crate::data::Data<A::Scalar> + ?Sized,
            {
                self.run_with(a, b, |_| core::ops::ControlFlow::Continue(()))
            }

            /// [`run`](Self::run) with an observer that sees each step, and ends the run with `ControlFlow::Break(())`. Its `normal_residual` is the norm of the gradient of
            /// the loss with its decay, over that of the loss at x = 0; of a block of rows where steps look at blocks.
            ///
            /// # Errors
            /// As [`run`](Self::run).
            pub fn run_with<A, D>(
                &self,
                a: &A,
                b: &D,
                mut observer: impl FnMut(&crate::step::Step) -> core::ops::ControlFlow<()>,
            ) -> crate::error::Result<super::Descent<A::Scalar>>
            where
                A: crate::operator::Operator + ?Sized,
                D: crate::data::Data<A::Scalar> + ?Sized,
            {
                super::drive::on_rows(&self.options, a, b, None, &mut observer)
            }

            /// [`run`](Self::run) until the residual norm on held-out rows has not fallen for `patience` steps (epochs, where steps look at blocks); x is
            /// the best one seen. Early stopping is the regularization: the tolerance ends the run, too, and a step limit is no error.
            ///
            /// # Errors
            /// As [`run`](Self::run), for both pairs.
            pub fn run_held_out<A, D, H, E>(
                &self,
                a: &A,
                b: &D,
                held_out_a: &H,
                held_out_b: &E,
                patience: usize,
            ) -> crate::error::Result<super::Descent<A::Scalar>>
            where
                A: crate::operator::Operator + ?Sized,
                D: crate::data::Data<A::Scalar> + ?Sized,
                H: crate::operator::Operator<Scalar = A::Scalar>,
                E: crate::data::Data<A::Scalar> + ?Sized,
            {
                let held_out = super::drive::HeldOut::new(held_out_a, held_out_b, patience, a.shape().1)?;
                super::drive::on_rows(&self.options, a, b, Some(held_out), &mut |_| core::ops::ControlFlow::Continue(()))
            }
        }
    };
}
use common;

/// Setters of the methods that look at blocks of rows.
macro_rules! blocks {
    ($type:ident) => {
        impl $type {
            /// Steps look at blocks of so many rows of A, which must have dense entries, and count them for all. The last block may be smaller, and counts less.
            pub fn batch(mut self, rows: usize) -> Self {
                self.options.batch = Some(rows);
                self
            }

            /// The order of the blocks is drawn anew for each epoch, from this seed; they come in their own order unless given.
            pub fn shuffled(mut self, seed: u64) -> Self {
                self.options.seed = Some(seed);
                self
            }

            /// How often the run goes through all rows; 100 times unless given.
            pub fn epochs(mut self, epochs: usize) -> Self {
                self.options.limit = super::Limit::Epochs(epochs);
                self
            }

            /// One step for each block (A, b) of an iterator, whose rows are seen once and not kept. The loss of a block is the mean over its rows.
            ///
            /// # Errors
            /// As [`run`](Self::run); a loss that is a sum, whose size a stream does not know; no step size, where one would be estimated.
            ///
            /// ```
            /// use wellposed::{DenseView, descent::Sgd};
            /// let blocks: Vec<_> = (0..400).map(|k| [1.0, (k % 7) as f64]).map(|a| (a, a.map(|a| 2.0 * a))).collect();
            /// let run = Sgd::new().step(0.02).stream(1, blocks.iter().map(|(a, b)| (DenseView::column(a), b)))?;
            /// assert!((run.x[0] - 2.0_f64).abs() < 1e-6);
            /// # Ok::<(), wellposed::Error>(())
            /// ```
            pub fn stream<A, D, I>(&self, columns: usize, blocks: I) -> crate::error::Result<super::Descent<A::Scalar>>
            where
                A: crate::operator::Operator,
                D: crate::data::Data<A::Scalar>,
                I: IntoIterator<Item = (A, D)>,
            {
                self.stream_with(columns, blocks, |_| core::ops::ControlFlow::Continue(()))
            }

            /// [`stream`](Self::stream) with an observer.
            ///
            /// # Errors
            /// As [`stream`](Self::stream).
            pub fn stream_with<A, D, I>(
                &self,
                columns: usize,
                blocks: I,
                mut observer: impl FnMut(&crate::step::Step) -> core::ops::ControlFlow<()>,
            ) -> crate::error::Result<super::Descent<A::Scalar>>
            where
                A: crate::operator::Operator,
                D: crate::data::Data<A::Scalar>,
                I: IntoIterator<Item = (A, D)>,
            {
                super::drive::on_stream(&self.options, columns, blocks.into_iter(), &mut observer)
            }
        }
    };
}
use blocks;
