//! Stochastic gradient descent over blocks of rows.
//!
//! A step looks at one block, whose gradient stands for that of all rows: c·(m/m_b)·A_bᴴ(A_bx − b_b) where blocks of m_b rows have equal
//! size, so that the mean over the blocks is the gradient itself for sums and means alike. At a constant step the iterates settle in a
//! cycle around the minimiser of size O(η), 0 only where all blocks agree; with [`decreasing`](Sgd::decreasing) steps they converge.
//! Prefer [`Rows`](crate::Rows) for data that pass by once: it is exact, and λ can wait.
//! Cost: two products with a block and 4n flops a step; 3 vectors of length n.
//!
//! Sources: Robbins, Monro 1951, doi:10.1214/aoms/1177729586; Loshchilov, Hutter 2019, arXiv:1711.05101 (SGDW).

use super::update::Rule;
use super::{Limit, Options, blocks, common};

/// Stochastic gradient descent: each step looks at some rows.
///
/// The step size is 1/(the largest ‖block‖_F² in the loss, and the decay) unless given: small enough for any block.
///
/// ```
/// use wellposed::{DenseView, descent::{Decay, Sgd}, ridge};
/// let a: Vec<f64> = (0..200).map(|k| ((k * 37) % 101) as f64 / 101.0 - 0.5).collect();
/// let b: Vec<f64> = (0..100).map(|i| a[2 * i] - 2.0 * a[2 * i + 1] + 0.1 * ((i * i) as f64).sin()).collect();
/// let a = DenseView::row_major(&a, 100, 2)?;
/// let run = Sgd::new().batch(10).shuffled(1).step(1.0).decreasing(300).decay(Decay::coupled(0.02)).epochs(2000).run(&a, &b)?;
/// let fit = ridge(&a, &b, run.decay_lambda.unwrap())?;
/// assert!((run.x[0] - fit.x[0]).abs() < 2e-3);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd {
    options: Options,
}

impl Default for Sgd {
    fn default() -> Self {
        Self::new()
    }
}

impl Sgd {
    /// Blocks of 32 rows in their order, 100 epochs, no momentum, no decay.
    pub fn new() -> Self {
        let rule = Rule::Momentum { beta: 0.0, nesterov: false };
        Self { options: Options { batch: Some(32), ..Options::new("SGD", rule, Limit::Epochs(100)) } }
    }

    /// Heavy-ball momentum, 0 ≤ β < 1.
    pub fn momentum(mut self, beta: f64) -> Self {
        self.options.rule = Rule::Momentum { beta, nesterov: false };
        self
    }

    /// Nesterov's momentum, 0 ≤ β < 1.
    pub fn nesterov(mut self, beta: f64) -> Self {
        self.options.rule = Rule::Momentum { beta, nesterov: true };
        self
    }
}

common!(Sgd);
blocks!(Sgd);
