//! What a step does with a gradient: momentum, or Adam's two means; decay inside or beside them.

use super::{Decay, real};
use crate::error::{Error, Result};
use crate::scalar::{Real, Scalar};

/// Which update.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    Momentum { beta: f64, nesterov: bool },
    Adam { beta1: f64, beta2: f64, epsilon: f64 },
}

impl Rule {
    pub fn check(&self) -> Result<()> {
        let rates: &[f64] = match self {
            Rule::Momentum { beta, .. } => &[*beta],
            Rule::Adam { beta1, beta2, epsilon } => {
                if !(*epsilon > 0.0 && epsilon.is_finite()) {
                    return Err(Error::Parameter {
                        name: "Adam's ε",
                        value: *epsilon,
                        must_be: "positive: a gradient of 0 would divide by 0",
                    });
                }
                &[*beta1, *beta2]
            }
        };
        match rates.iter().find(|beta| !(**beta >= 0.0 && **beta < 1.0)) {
            Some(&value) => Err(Error::Parameter { name: "a momentum or decay rate β", value, must_be: "at least 0 and less than 1" }),
            None => Ok(()),
        }
    }
}

/// The state of a method between steps.
pub(super) struct Update<'o, T: Scalar> {
    rule: &'o Rule,
    decay: &'o Decay,
    /// Velocity, or the mean of the gradients.
    first: Vec<T>,
    /// The mean of their squares.
    second: Vec<T::Real>,
    steps: i32,
}

impl<'o, T: Scalar> Update<'o, T> {
    pub fn new(rule: &'o Rule, decay: &'o Decay, unknowns: usize) -> Self {
        let second = if matches!(rule, Rule::Adam { .. }) { unknowns } else { 0 };
        Self { rule, decay, first: vec![T::ZERO; unknowns], second: vec![T::Real::ZERO; second], steps: 0 }
    }

    /// One step of size η from the gradient of the loss at x.
    pub fn step(&mut self, x: &mut [T], gradient: &[T], eta: f64) {
        self.steps = self.steps.saturating_add(1);
        let weight = |j: usize| real::<T>(self.decay.weight * self.decay.factor(j));
        let coupled = self.decay.weight > 0.0 && !self.decay.decoupled;
        let decoupled = self.decay.weight > 0.0 && self.decay.decoupled;
        let step = real::<T>(eta);
        match *self.rule {
            Rule::Momentum { beta, nesterov } => {
                let beta = real::<T>(beta);
                for (j, (x, v)) in x.iter_mut().zip(&mut self.first).enumerate() {
                    let d = if coupled { gradient[j] + x.scale(weight(j)) } else { gradient[j] };
                    *v = v.scale(beta) + d;
                    let direction = if nesterov { d + v.scale(beta) } else { *v };
                    let shrunk = if decoupled { x.scale(T::Real::ONE - step * weight(j)) } else { *x };
                    *x = shrunk - direction.scale(step);
                }
            }
            Rule::Adam { beta1, beta2, epsilon } => {
                let unbias = |beta: f64| real::<T>(1.0 / (1.0 - beta.powi(self.steps)));
                let (first, second) = (unbias(beta1), unbias(beta2));
                let (keep1, add1, keep2, add2) = (real::<T>(beta1), real::<T>(1.0 - beta1), real::<T>(beta2), real::<T>(1.0 - beta2));
                let epsilon = real::<T>(epsilon);
                for (j, (x, (m, v))) in x.iter_mut().zip(self.first.iter_mut().zip(&mut self.second)).enumerate() {
                    let d = if coupled { gradient[j] + x.scale(weight(j)) } else { gradient[j] };
                    *m = m.scale(keep1) + d.scale(add1);
                    *v = *v * keep2 + d.modulus_squared() * add2;
                    let size = (*v * second).sqrt() + epsilon;
                    let shrunk = if decoupled { x.scale(T::Real::ONE - step * weight(j)) } else { *x };
                    *x = shrunk - m.scale(step * first / size);
                }
            }
        }
    }
}
