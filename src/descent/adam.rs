//! Adam and AdamW.
//!
//! With d the gradient (coupled decay included), for each unknown:
//!
//! ```text
//! m ← β₁m + (1 − β₁)d      v ← β₂v + (1 − β₂)|d|²      x ← x − η·m̂/(√v̂ + ε)     m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ)
//! ```
//! and, with decoupled decay (AdamW), x ← x − η·w·Dx beside it. A step has about the size η in each unknown, however small the
//! gradient. So coupled decay is divided by the size of the gradient, too, and its fixed point d = 0 is the ridge solution; decoupled
//! decay is not, and balances g/(|g| + ε) = −w·Dx: hardly any shrinkage where w·|x| < 1, and never |x| > 1/w. It is the constraint
//! ‖x‖_∞ ≤ 1/w more than a ridge penalty (Xie, Li 2024, arXiv:2404.04454).
//! At a constant step the iterates do not settle, but swing with an amplitude of about η; [`decreasing`](Adam::decreasing) steps settle.
//! Cost: two products with A (or a block) and 12n flops a step; 4 vectors of length n.
//!
//! Sources: Kingma, Ba 2015, arXiv:1412.6980; Loshchilov, Hutter 2019, arXiv:1711.05101.

use super::update::Rule;
use super::{Limit, Options, blocks, common};

/// Adam; with [`Decay::decoupled`](super::Decay::decoupled) it is AdamW.
///
/// η is 1e-3 unless given, β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
///
/// ```
/// use wellposed::{DenseView, descent::{Adam, Decay}};
/// let a = [1.0_f64, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let a = DenseView::column_major(&a, 4, 2)?;
/// let b = [1.1, 1.9, 3.2, 3.9];
/// let adam = Adam::new().step(0.05).decreasing(100).epochs(4000);
/// let coupled = adam.clone().decay(Decay::coupled(0.1)).run(&a, &b)?;
/// let decoupled = adam.decay(Decay::decoupled(0.1)).run(&a, &b)?;
/// assert!(coupled.effective.unwrap().misfit < 1e-2); // a ridge solution
/// assert!(decoupled.decay_lambda.is_none());
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    options: Options,
}

impl Default for Adam {
    fn default() -> Self {
        Self::new()
    }
}

impl Adam {
    /// The usual constants, all rows in each step, 100 epochs, no decay.
    pub fn new() -> Self {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Self { options: Options { step: Some(1e-3), ..Options::new("Adam", rule, Limit::Epochs(100)) } }
    }

    /// The decay rates of the two means, 0 ≤ β < 1.
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        if let Rule::Adam { beta1, beta2, .. } = &mut self.options.rule {
            (*beta1, *beta2) = (first, second);
        }
        self
    }

    /// ε > 0, which is added to the root of the second mean.
    pub fn epsilon(mut self, value: f64) -> Self {
        if let Rule::Adam { epsilon, .. } = &mut self.options.rule {
            *epsilon = value;
        }
        self
    }

    /// Stops when the gradient has fallen to this fraction of its size at x = 0; an error if it does not within the epochs. For coupled decay, and
    /// all rows in each step.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.options.tolerance = Some(tolerance);
        self
    }
}

common!(Adam);
blocks!(Adam);
