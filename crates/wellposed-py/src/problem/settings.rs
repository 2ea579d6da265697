//! What a `Problem` of Python holds, and how it becomes the library's problem for as long as a call takes.

use crate::array::{Held, array, kind_of, numbers_or_one, reals, vector};
use crate::callback::Failure;
use crate::errors::{raise, type_error};
use crate::matrix::{Source, right_hand_side};
use crate::options::{HeldPreconditioner, PreconditionerOf};
use crate::penalty::PenaltyOf;
use crate::scalar::{Element, Kind};
use crate::watch::{Interruptible, detached};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use std::sync::Arc;
use wellposed::{Bounds, Method, Misfit, Operator, Preconditioner, Real};

/// Everything except b and λ.
#[derive(Clone)]
pub struct Settings {
    pub matrix: Arc<Source>,
    pub penalty: Arc<PenaltyOf>,
    /// Penalties with a λ each; `penalty` is not looked at then.
    pub several: Option<Arc<Vec<PenaltyOf>>>,
    pub misfit: Option<Misfit>,
    pub weights: Option<Arc<Py<PyAny>>>,
    pub noise_std: Option<Arc<Py<PyAny>>>,
    pub prior_mean: Option<Arc<Py<PyUntypedArray>>>,
    prior_kind: Option<Kind>,
    pub intercept: bool,
    /// Lower and upper ends.
    pub bounds: Option<Arc<Ends>>,
    equality: Option<Arc<Equations>>,
    pub groups: Option<Arc<Vec<usize>>>,
    pub method: Method,
    pub preconditioner: Option<Arc<PreconditionerOf>>,
    pub require_full_rank: bool,
    pub threads: Option<usize>,
}

/// What was given for the lower and the upper bounds.
type Ends = (Option<Py<PyAny>>, Option<Py<PyAny>>);

/// Cx = d.
struct Equations {
    matrix: Source,
    values: Py<PyUntypedArray>,
    kind: Kind,
}

impl Settings {
    /// The ridge problem of A.
    pub fn new(matrix: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            matrix: Arc::new(Source::new(matrix, "A")?),
            penalty: Arc::new(PenaltyOf::Identity),
            several: None,
            misfit: None,
            weights: None,
            noise_std: None,
            prior_mean: None,
            prior_kind: None,
            intercept: false,
            bounds: None,
            equality: None,
            groups: None,
            method: Method::Auto,
            preconditioner: None,
            require_full_rank: false,
            threads: None,
        })
    }

    /// x₀.
    pub fn set_prior_mean(&mut self, prior_mean: &Bound<'_, PyAny>) -> PyResult<()> {
        let mean = array(prior_mean, "the prior mean")?;
        self.prior_kind = Some(kind_of(&mean, "the prior mean")?);
        self.prior_mean = Some(Arc::new(mean.unbind()));
        Ok(())
    }

    /// Cx = d.
    pub fn set_equality(&mut self, matrix: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>) -> PyResult<()> {
        let matrix = Source::new(matrix, "C")?;
        let values = array(values, "d")?;
        let kind = matrix.kind.with(kind_of(&values, "d")?);
        self.equality = Some(Arc::new(Equations { matrix, values: values.unbind(), kind }));
        Ok(())
    }

    /// The scalar type that holds everything but b.
    pub fn kind(&self) -> Kind {
        let penalties = self.several.iter().flat_map(|several| several.iter().map(PenaltyOf::kind));
        let others = [Some(self.penalty.kind()), self.prior_kind, self.equality.as_ref().map(|equality| equality.kind)];
        penalties.chain(others.into_iter().flatten()).fold(self.matrix.kind, Kind::with)
    }

    /// b, and the scalar type that holds everything.
    pub fn with_data<'py>(&self, b: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyUntypedArray>, Kind)> {
        let (b, kind) = right_hand_side(b)?;
        Ok((b, self.kind().with(kind)))
    }

    /// Does `work` on the library's problem without the interpreter's lock. What Python raised in between comes out as itself.
    pub fn with<T: Element, R>(
        &self,
        py: Python<'_>,
        failure: &Failure,
        work: impl FnOnce(&wellposed::Problem<'_, T>) -> wellposed::Result<R>,
    ) -> PyResult<R> {
        let matrix = self.matrix.hold::<T>(py, "A", failure)?;
        let penalties = match &self.several {
            None => vec![self.penalty.hold::<T>(py, failure)?],
            Some(several) => several.iter().map(|penalty| penalty.hold::<T>(py, failure)).collect::<PyResult<_>>()?,
        };
        let held = |given: &Option<Arc<Py<PyAny>>>, what| given.as_ref().map(|w| reals::<T>(w.bind(py), what)).transpose();
        let weights = held(&self.weights, "the vector of weights")?;
        let noise_std = held(&self.noise_std, "noise_std")?;
        let prior_mean = match &self.prior_mean {
            None => None,
            Some(mean) => Some(vector(Held::<T>::new(mean.bind(py), "the prior mean")?, py, "the prior mean")?),
        };
        let bounds = self.bounds.as_ref().map(|bounds| self.bounds_in::<T>(py, bounds)).transpose()?;
        let equality = match &self.equality {
            None => None,
            Some(equations) => {
                let values = vector(Held::<T>::new(equations.values.bind(py), "d")?, py, "d")?.to_vec();
                Some((equations.matrix.hold::<T>(py, "C", failure)?, values))
            }
        };
        let preconditioner = self.preconditioner.as_ref().map(|p| p.hold::<T>(py, failure)).transpose()?;
        let outcome = detached(py, || {
            let a = Interruptible::new(matrix.operator()?, failure);
            let mut operators: Vec<Box<dyn Operator<Scalar = T> + '_>> = Vec::new();
            for penalty in &penalties {
                penalty.operators(&mut operators)?;
            }
            let inverse = match &preconditioner {
                Some(HeldPreconditioner::Inverse(matrix)) => Some(matrix.operator()?),
                _ => None,
            };
            let equations = match &equality {
                Some((matrix, values)) => Some((matrix.operator()?, values)),
                None => None,
            };
            let mut problem = wellposed::Problem::new(&a).method(self.method.clone());
            let mut operators = operators.iter();
            if self.several.is_some() {
                let penalties = penalties.iter().map(|penalty| penalty.penalty(&mut operators)).collect::<wellposed::Result<Vec<_>>>()?;
                problem = problem.penalties(penalties);
            } else if !matches!(*self.penalty, PenaltyOf::Identity) {
                problem = problem.penalty(penalties[0].penalty(&mut operators)?);
            }
            if let Some(misfit) = self.misfit {
                problem = problem.misfit(misfit);
            }
            if let Some(weights) = &weights {
                problem = problem.weights(&weights.to_vec());
            }
            if let Some(noise_std) = &noise_std {
                problem = problem.noise_std(&noise_std.to_vec());
            }
            if let Some(prior_mean) = &prior_mean {
                problem = problem.prior_mean(&prior_mean.to_vec());
            }
            if self.intercept {
                problem = problem.intercept();
            }
            if let Some(bounds) = bounds {
                problem = problem.bounds(bounds);
            }
            if let Some((matrix, values)) = &equations {
                problem = problem.equality(matrix, *values);
            }
            if let Some(groups) = &self.groups {
                problem = problem.groups(groups);
            }
            if self.require_full_rank {
                problem = problem.require_full_rank();
            }
            if let Some(threads) = self.threads {
                problem = problem.threads(threads);
            }
            match (&preconditioner, &inverse) {
                (Some(HeldPreconditioner::Value(value)), _) => problem = problem.precondition(value.clone()),
                (_, Some(inverse)) => problem = problem.precondition(Preconditioner::inverse(inverse)),
                _ => {}
            }
            work(&problem)
        });
        if let Some(error) = failure.take() {
            return Err(error);
        }
        outcome.map_err(|error| raise(py, &error))
    }

    /// Numbers stay numbers, so that plans can print them.
    fn bounds_in<T: Element>(&self, py: Python<'_>, (low, high): &Ends) -> PyResult<Bounds<T::Real>> {
        if T::IS_COMPLEX {
            return Err(type_error("bounds on complex x, which has no order: leave them out, or split x into its two parts"));
        }
        let end = |end: &Option<Py<PyAny>>, what| end.as_ref().map(|end| numbers_or_one::<T>(end.bind(py), what)).transpose();
        let (low, high) = (end(low, "the vector of lower bounds")?, end(high, "the vector of upper bounds")?);
        let n = self.matrix.shape.1;
        let open = |value: f64| (vec![T::Real::from_f64(value)], true);
        Ok(match (low, high) {
            (None, None) => (..).into(),
            (Some((low, true)), None) => (low[0]..).into(),
            (None, Some((high, true))) => (..=high[0]).into(),
            (Some((low, true)), Some((high, true))) => (low[0]..=high[0]).into(),
            (low, high) => {
                let spread = |(values, single): (Vec<T::Real>, bool)| if single { vec![values[0]; n] } else { values };
                Bounds::each(&spread(low.unwrap_or(open(f64::NEG_INFINITY))), &spread(high.unwrap_or(open(f64::INFINITY))))
            }
        })
    }
}
