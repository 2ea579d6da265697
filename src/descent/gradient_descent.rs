//! Gradient descent: plain, heavy ball, Nesterov.
//!
//! With d the gradient (coupled decay included), v the velocity, β the momentum, η the step:
//!
//! ```text
//! plain        x ← x − ηd
//! heavy ball   v ← βv + d,   x ← x − ηv                (Polyak 1964)
//! Nesterov     v ← βv + d,   x ← x − η(d + βv)         (Nesterov 1983, as Sutskever et al. 2013 write it)
//! ```
//! On a quadratic, plain descent reduces the error in a direction of curvature h by 1 − ηh a step: κ·log(1/tolerance) steps; with the
//! right β it is √κ. Prefer [`Lsmr`](crate::Lsmr), which needs √κ with no parameter at all, wherever x is the aim and not the path.
//! Cost: two products with A and 4n flops a step; 3 vectors of length n, 1 of length m.
//!
//! Sources: Polyak 1964, doi:10.1016/0041-5553(64)90137-5; Nesterov 1983, Soviet Math. Dokl. 27:372.

use super::update::Rule;
use super::{Limit, Options, common};

/// Gradient descent on all rows, with or without momentum.
///
/// It stops when the gradient (of the loss with its decay) has fallen to `tolerance` (1e-8 unless given) of its size at x = 0. The step
/// size is 1/(the largest curvature) unless given, by power iteration.
///
/// ```
/// use wellposed::{DenseView, descent::{Decay, GradientDescent, Scaling}};
/// let a = [1.0_f64, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let a = DenseView::column_major(&a, 4, 2)?;
/// let b = [1.1, 1.9, 3.2, 3.9];
/// let plain = GradientDescent::new().loss(Scaling::SumSquared).decay(Decay::coupled(0.2)).run(&a, &b)?;
/// let faster = GradientDescent::new().loss(Scaling::SumSquared).decay(Decay::coupled(0.2)).nesterov(0.6).run(&a, &b)?;
/// assert!(faster.steps < plain.steps && (faster.x[1] - plain.x[1]).abs() < 1e-6);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GradientDescent {
    options: Options,
}

impl Default for GradientDescent {
    fn default() -> Self {
        Self::new()
    }
}

impl GradientDescent {
    /// Plain, no decay, step by estimate.
    pub fn new() -> Self {
        let rule = Rule::Momentum { beta: 0.0, nesterov: false };
        Self { options: Options::new("gradient descent", rule, Limit::Converged(1_000_000)) }
    }

    /// Heavy-ball momentum, 0 ≤ β < 1.
    pub fn heavy_ball(mut self, beta: f64) -> Self {
        self.options.rule = Rule::Momentum { beta, nesterov: false };
        self
    }

    /// Nesterov's momentum, 0 ≤ β < 1.
    pub fn nesterov(mut self, beta: f64) -> Self {
        self.options.rule = Rule::Momentum { beta, nesterov: true };
        self
    }

    /// Exactly so many steps: the steps are the regularization, and the filter factors are
    /// [`Descent::filter_factor`](super::Descent::filter_factor).
    pub fn steps(mut self, steps: usize) -> Self {
        self.options.limit = Limit::Steps(steps);
        self
    }

    /// How far the gradient falls, relative to x = 0; 1e-8 unless given.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.options.tolerance = Some(tolerance);
        self
    }

    /// Steps at most; a million unless given.
    pub fn max_steps(mut self, steps: usize) -> Self {
        self.options.limit = Limit::Converged(steps);
        self
    }
}

common!(GradientDescent);
