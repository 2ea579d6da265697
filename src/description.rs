//! Everything of a problem except b and λ: plain values, no algorithm.

use crate::constraint::{Bounds, Equality};
use crate::linalg::Threads;
use crate::method::Method;
use crate::misfit::Misfit;
use crate::operator::Operator;
use crate::penalty::Penalty;
use crate::preconditioner::Preconditioner;
use crate::scalar::Scalar;

/// What a [`Problem`](crate::Problem) collects.
#[derive(Clone)]
pub struct Description<'a, T: Scalar> {
    pub(crate) operator: &'a dyn Operator<Scalar = T>,
    pub(crate) penalty: Penalty<'a, T>,
    /// Penalties that a rule gives a λ each; `penalty` is their sum. Empty where one λ is all.
    pub(crate) several: Vec<Penalty<'a, T>>,
    /// How residuals are measured; `None` is the square.
    pub(crate) misfit: Option<Misfit>,
    pub(crate) weights: Option<Vec<T::Real>>,
    pub(crate) noise_std: Option<Vec<T::Real>>,
    pub(crate) prior_mean: Option<Vec<T>>,
    pub(crate) intercept: bool,
    pub(crate) bounds: Option<Bounds<T::Real>>,
    pub(crate) equality: Option<Equality<'a, T>>,
    /// Rows with the same label are left out together.
    pub(crate) groups: Option<Vec<usize>>,
    pub(crate) method: Method,
    pub(crate) preconditioner: Option<Preconditioner<'a, T>>,
    pub(crate) require_full_rank: bool,
    pub(crate) threads: Option<usize>,
    /// A and b stand for rows that were merged as they came.
    pub(crate) merged: Option<MergedRows<T::Real>>,
}

/// What the triangle of rows that were merged does not say by its shape.
#[derive(Clone)]
pub(crate) struct MergedRows<R> {
    /// m as the rules count it.
    pub rows: usize,
    /// What became of the column of ones.
    pub constant: Vec<R>,
}

impl<'a, T: Scalar> Description<'a, T> {
    pub(crate) fn new(operator: &'a dyn Operator<Scalar = T>) -> Self {
        Self {
            operator,
            penalty: Penalty::identity(),
            several: Vec::new(),
            misfit: None,
            weights: None,
            noise_std: None,
            prior_mean: None,
            intercept: false,
            bounds: None,
            equality: None,
            groups: None,
            method: Method::Auto,
            preconditioner: None,
            require_full_rank: false,
            threads: None,
            merged: None,
        }
    }

    /// The changes of variables that a plan names before those of its engine; `constant` is what becomes of the intercept.
    pub(crate) fn transforms(&self, constant: &'static str) -> Vec<&'static str> {
        let whitened = self.weights.is_some() || self.noise_std.is_some();
        let named = [(whitened, "whiten the rows"), (self.prior_mean.is_some(), "shift by the prior mean"), (self.intercept, constant)];
        named.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect()
    }

    pub(crate) fn threads(&self) -> Threads {
        self.threads.map_or_else(Threads::available, Threads)
    }

    /// A quadratic data term and R(z) = ‖Lz‖², nothing bounded or constrained: what the linear engines solve.
    pub(crate) fn quadratic(&self) -> bool {
        self.penalty.is_squared() && self.misfit.is_none() && self.bounds.is_none() && self.equality.is_none()
    }

    /// ‖Ax − b‖² + λ‖x‖² and nothing else: no transformation, no option.
    pub(crate) fn is_plain(&self) -> bool {
        self.quadratic()
            && self.penalty.is_identity()
            && self.weights.is_none()
            && self.noise_std.is_none()
            && self.prior_mean.is_none()
            && !self.intercept
            && self.method == Method::Auto
            && self.preconditioner.is_none()
            && self.merged.is_none()
            && self.threads != Some(0)
    }
}
