//! `Posterior`: what is known of x after the data; the most probable x under any log prior.

use crate::array::{Held, answer, array, kind_of, numbers};
use crate::callback::Failure;
use crate::errors::{in_python, raise, type_error, value_error};
use crate::matrix::Source;
use crate::options::{Count, Seed};
use crate::scalar::{Element, Kind, of_each_type, on};
use crate::solution::{number, result};
use crate::watch::detached;
use core::any::Any;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArray};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wellposed::faer::Mat;
use wellposed::{LogPrior, MapEstimate, Posterior as LibraryPosterior, Prior, Relevance};

/// x ~ N(mean, covariance) after the data, with noise and prior scale taken as known at their estimates: a table when printed.
///
/// Made by ``Problem.posterior``. The spreads do not contain the uncertainty of the two scales, which ``log_noise_std_error`` and
/// ``log_prior_std_error`` give. Complex x are proper: a standard deviation is that of the modulus.
///
/// Attributes
/// ----------
/// mean : ndarray, shape (n,)
///     The ridge solution at ``lam``.
/// std : ndarray, shape (n,)
///     Posterior standard deviations.
/// intercept, intercept_std : float
///     The unpenalised constant; 0 unless asked for.
/// lam : float
///     Noise variance over prior variance.
/// noise_std, prior_std : float
///     Standard deviation of the noise of a row of weight 1 (a factor on them where rows have noise levels of their own), and of
///     x before the data, in units of the penalty.
/// log_noise_std_error, log_prior_std_error : float or None
///     Standard deviations of the logarithms of the two; None where they were given.
/// log_evidence : float
///     log p(b), in the units of b.
/// dof : float
///     Effective degrees of freedom.
/// covariance_error : float or None
///     For a low-rank posterior, how much too large any variance may be.
/// warnings : list of str
///     How the noise was estimated, a multiplier at an end of its interval, ...
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> t = np.arange(12.0)
/// >>> b = 1.0 + 2.0 * t + 0.1 * np.sin(t * t)
/// >>> posterior = wp.Problem(t[:, None]).intercept().posterior(b, "evidence")
/// >>> low, high = posterior.band(0.95)[0]
/// >>> bool(low < 2.0 < high)
/// True
/// >>> at = posterior.predict([[5.5], [100.0]])
/// >>> bool(at.std[0] < at.std[1])
/// True
#[pyclass(frozen, module = "wellposed")]
pub struct Posterior {
    kept: Kept,
    kind: Kind,
}

of_each_type! {
    /// A posterior of one of the four types.
    Kept of LibraryPosterior by KeepPosterior
}

impl Posterior {
    /// Wraps a posterior of the library.
    pub fn new<T: KeepPosterior>(posterior: wellposed::Posterior<T>) -> Self {
        Self { kept: T::keep(posterior), kind: T::KIND }
    }

    /// As the library has it, where it is of this type.
    pub fn of<T: KeepPosterior>(&self) -> PyResult<&wellposed::Posterior<T>> {
        on!(Kept, &self.kept, posterior => (posterior as &dyn Any).downcast_ref())
            .ok_or_else(|| type_error("the posterior has another dtype than this problem and b: make both with the same, by astype"))
    }

    fn held<T: Element>(&self, object: &Bound<'_, PyAny>, what: &str) -> PyResult<Held<T>> {
        let array: Bound<'_, PyUntypedArray> = array(object, what)?;
        if kind_of(&array, what)?.complex && !T::IS_COMPLEX {
            return Err(type_error(format!("{what} is complex and the posterior is real: give its real part")));
        }
        Held::new(&array, what)
    }

    fn times<'py, T: Element>(
        &self,
        py: Python<'py>,
        posterior: &wellposed::Posterior<T>,
        v: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let v = self.held::<T>(v, "v")?;
        let (view, rows) = (v.view(), posterior.mean.len());
        let mut product = Vec::with_capacity(rows * view.ncols());
        for j in 0..view.ncols() {
            let column: Vec<T> = (0..view.nrows()).map(|i| view[(i, j)]).collect();
            product.extend(posterior.covariance_times(&column).map_err(|error| raise(py, &error))?);
        }
        answer(py, product, (rows, view.ncols()), v.vector)
    }

    fn prediction<'py, T: Element>(
        &self,
        py: Python<'py>,
        posterior: &wellposed::Posterior<T>,
        rows: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rows = Source::new(rows, "the matrix of new rows")?;
        if rows.kind.complex && !T::IS_COMPLEX {
            return Err(type_error("the matrix of new rows is complex and the posterior is real: give its real part"));
        }
        let failure = Failure::default();
        let rows = rows.hold::<T>(py, "the matrix of new rows", &failure)?;
        let prediction = detached(py, || posterior.predict(&rows.operator()?));
        if let Some(error) = failure.take() {
            return Err(error);
        }
        let prediction = prediction.map_err(|error| raise(py, &error))?;
        let fields = PyDict::new(py);
        fields.set_item("mean", PyArray1::from_vec(py, prediction.mean))?;
        fields.set_item("std", numbers(py, prediction.std))?;
        fields.set_item("observation_std", numbers(py, prediction.observation_std))?;
        result(py, "Prediction", &fields)
    }
}

/// A matrix of the library as an array.
fn matrix<T: Element>(py: Python<'_>, matrix: Mat<T>) -> PyResult<Bound<'_, PyAny>> {
    let entries = (0..matrix.ncols()).flat_map(|j| matrix.col_as_slice(j).iter().copied()).collect();
    answer(py, entries, matrix.shape(), false)
}

/// Draws: x with one in each column, and their constants.
pub fn draws<T: Element>(py: Python<'_>, samples: wellposed::Samples<T>) -> PyResult<Bound<'_, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("x", matrix(py, samples.x)?)?;
    fields.set_item("intercepts", PyArray1::from_vec(py, samples.intercepts))?;
    result(py, "Samples", &fields)
}

#[pymethods]
impl Posterior {
    #[getter]
    fn mean<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        on!(Kept, &self.kept, posterior => PyArray1::from_slice(py, &posterior.mean).into_any())
    }

    #[getter]
    fn std<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, on!(Kept, &self.kept, posterior => detached(py, || posterior.std())))
    }

    #[getter]
    fn intercept(&self, py: Python<'_>) -> Py<PyAny> {
        on!(Kept, &self.kept, posterior => number(py, posterior.intercept))
    }

    #[getter]
    fn intercept_std(&self) -> f64 {
        on!(Kept, &self.kept, posterior => posterior.intercept_std())
    }

    #[getter]
    fn lam(&self) -> f64 {
        on!(Kept, &self.kept, posterior => posterior.lambda)
    }

    #[getter]
    fn noise_std(&self) -> f64 {
        on!(Kept, &self.kept, posterior => posterior.noise_std)
    }

    #[getter]
    fn prior_std(&self) -> f64 {
        on!(Kept, &self.kept, posterior => posterior.prior_std)
    }

    #[getter]
    fn log_noise_std_error(&self) -> Option<f64> {
        on!(Kept, &self.kept, posterior => posterior.log_noise_std_error)
    }

    #[getter]
    fn log_prior_std_error(&self) -> Option<f64> {
        on!(Kept, &self.kept, posterior => posterior.log_prior_std_error)
    }

    #[getter]
    fn log_evidence(&self) -> f64 {
        on!(Kept, &self.kept, posterior => posterior.log_evidence)
    }

    #[getter]
    fn dof(&self) -> f64 {
        on!(Kept, &self.kept, posterior => posterior.dof)
    }

    #[getter]
    fn covariance_error(&self) -> Option<f64> {
        on!(Kept, &self.kept, posterior => posterior.covariance_error())
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        on!(Kept, &self.kept, posterior => posterior.warnings.iter().map(|warning| in_python(&warning.to_string())).collect())
    }

    /// The posterior covariance, shape (n, n), at the cost of n^3 operations.
    fn covariance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        on!(Kept, &self.kept, posterior => matrix(py, detached(py, || posterior.covariance())))
    }

    /// The posterior covariance times a vector (n,) or the columns of a matrix (n, k), without forming it.
    fn covariance_times<'py>(&self, py: Python<'py>, v: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        on!(Kept, &self.kept, posterior => self.times(py, posterior, v))
    }

    /// ``count`` draws: ``Samples`` with ``x`` of shape (n, count) and ``intercepts``. The same seed gives the same draws.
    #[pyo3(signature = (count, seed=Seed(0)), text_signature = "($self, count, seed=0)")]
    fn sample<'py>(&self, py: Python<'py>, count: Count, seed: Seed) -> PyResult<Bound<'py, PyAny>> {
        on!(Kept, &self.kept, posterior => draws(py, detached(py, || posterior.sample(count.0, seed.0))))
    }

    /// Low and high end for each unknown, shape (n, 2): the central interval that holds it with this probability, each by itself.
    #[pyo3(signature = (level=0.95))]
    fn band<'py>(&self, py: Python<'py>, level: f64) -> PyResult<Bound<'py, PyAny>> {
        let band = on!(Kept, &self.kept, posterior => detached(py, || posterior.band(level))).map_err(|error| raise(py, &error))?;
        let flat: Vec<f64> = band.iter().flat_map(|&(low, high)| [low, high]).collect();
        Ok(PyArray1::from_vec(py, flat).reshape([band.len(), 2])?.into_any())
    }

    /// Fitted values at new rows of A, shape (k, n): a ``Prediction`` with ``mean``, ``std`` (what is not known of x) and
    /// ``observation_std`` (the noise of a new observation included).
    fn predict<'py>(&self, py: Python<'py>, rows: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        on!(Kept, &self.kept, posterior => self.prediction(py, posterior, rows))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a posterior is not pickled: keep mean and covariance(), or pickle the Problem and b, and make it again"))
    }

    fn __str__(&self) -> String {
        on!(Kept, &self.kept, posterior => in_python(posterior.to_string().trim_end()))
    }

    fn __repr__(&self) -> String {
        let unknowns = on!(Kept, &self.kept, posterior => posterior.mean.len());
        let scalar = if self.kind.complex { "complex unknowns" } else { "unknowns" };
        format!("<wellposed.Posterior of {unknowns} {scalar}, λ = {:.4e}, noise {:.4e}>", self.lam(), self.noise_std())
    }
}

/// A built-in prior, or a Python object with `value`, `gradient` and `curvature`.
pub enum PriorOf<'f> {
    BuiltIn(Prior),
    Own(OwnPrior<'f>),
}

impl<'f> PriorOf<'f> {
    /// `wellposed.Prior`, or an object of the user.
    pub fn new(object: &Bound<'_, PyAny>, failure: &'f Failure) -> PyResult<Self> {
        if let Ok((name, numbers, smoothing)) =
            object.getattr("_specification").and_then(|s| s.extract::<(String, Vec<f64>, Option<f64>)>())
        {
            let prior = match (name.as_str(), numbers.as_slice()) {
                ("gaussian", &[std]) => Prior::gaussian(std),
                ("laplace", &[scale]) => Prior::laplace(scale),
                ("student_t", &[dof, scale]) => Prior::student_t(dof, scale),
                ("horseshoe", &[scale]) => Prior::horseshoe(scale),
                _ => return Err(type_error("the prior must be made by one of the constructors of wellposed.Prior")),
            };
            return Ok(Self::BuiltIn(smoothing.map_or(prior, |epsilon| prior.smoothed(epsilon))));
        }
        for method in ["value", "gradient", "curvature"] {
            if !object.hasattr(method)? {
                return Err(type_error(format!(
                    "the prior has no {method}: it must be a wellposed.Prior, or an object with value(z), gradient(z) and curvature(z)"
                )));
            }
        }
        Ok(Self::Own(OwnPrior { object: object.clone().unbind(), failure }))
    }

    /// As the library takes it.
    pub fn log_prior(&self) -> &dyn LogPrior {
        match self {
            Self::BuiltIn(prior) => prior,
            Self::Own(prior) => prior,
        }
    }
}

/// The user's own log density. What it raises is kept, and every number is NaN from then on, which ends the search.
pub struct OwnPrior<'f> {
    object: Py<PyAny>,
    failure: &'f Failure,
}

impl OwnPrior<'_> {
    fn call<R>(&self, method: &str, z: &[f64], read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<R>) -> Option<R> {
        if self.failure.occurred() {
            return None;
        }
        // a copy: the object may keep what it was given
        let outcome = Python::attach(|py| read(&self.object.bind(py).call_method1(method, (PyArray1::from_slice(py, z),))?));
        outcome.map_err(|error| self.failure.keep(error)).ok()
    }
}

/// The real entries of what a method of a prior returned, with the shape that is needed.
fn returned(value: &Bound<'_, PyAny>, what: &str, shapes: &[(usize, usize)]) -> PyResult<Held<f64>> {
    let py = value.py();
    let array = array(value, what)?;
    if kind_of(&array, what)?.complex {
        return Err(type_error(format!("{what} returned complex values, but real ones are needed")));
    }
    let held = Held::<f64>::new(&array, what)?;
    if shapes.contains(&held.shape()) {
        return Ok(held);
    }
    let ((rows, columns), n) = (held.shape(), shapes[0].0);
    Err(value_error(
        py,
        format!("{what} returned {rows}×{columns} values, but it must return one for each of the {n} unknowns (curvature: or {n}×{n})"),
    ))
}

impl LogPrior for OwnPrior<'_> {
    fn value(&self, z: &[f64]) -> f64 {
        self.call("value", z, |value| value.extract::<f64>()).unwrap_or(f64::NAN)
    }

    fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
        let found = self.call("gradient", z, |value| Ok(returned(value, "gradient", &[(z.len(), 1)])?.to_vec()));
        match found {
            Some(found) => gradient.copy_from_slice(&found),
            None => gradient.fill(f64::NAN),
        }
    }

    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
        let n = z.len();
        let Some(found) = self.call("curvature", z, |value| returned(value, "curvature", &[(n, 1), (n, n)])) else {
            return (0..n).for_each(|j| visit(j, j, f64::NAN));
        };
        let entries = found.view();
        for j in 0..entries.ncols() {
            for i in j..n {
                // one column is the diagonal
                visit(i, if entries.ncols() == 1 { i } else { j }, entries[(i, j)]);
            }
        }
    }

    fn smoothing(&self) -> f64 {
        0.0
    }
}

/// A mode, as `wellposed.results.MapEstimate`.
pub fn map_estimate(py: Python<'_>, found: MapEstimate) -> PyResult<Bound<'_, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("x", numbers(py, found.x))?;
    fields.set_item("intercept", found.intercept)?;
    fields.set_item("log_likelihood", found.log_likelihood)?;
    fields.set_item("log_prior", found.log_prior)?;
    fields.set_item("log_evidence", found.log_evidence)?;
    fields.set_item("std", found.std.map(|std| numbers(py, std)))?;
    fields.set_item("residual_norm", found.residual_norm)?;
    fields.set_item("gradient", found.gradient)?;
    fields.set_item("steps", found.steps)?;
    fields.set_item("smoothing", found.smoothing)?;
    result(py, "MapEstimate", &fields)
}

/// Coefficients with variances of their own, as `wellposed.results.Relevance`.
pub fn relevance(py: Python<'_>, found: Relevance) -> PyResult<Bound<'_, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("mean", numbers(py, found.mean))?;
    fields.set_item("std", numbers(py, found.std))?;
    fields.set_item("intercept", found.intercept)?;
    fields.set_item("prior_std", numbers(py, found.prior_std))?;
    fields.set_item("kept", found.kept)?;
    fields.set_item("pruned", found.pruned)?;
    fields.set_item("noise_std", found.noise_std)?;
    fields.set_item("log_evidence", found.log_evidence)?;
    fields.set_item("dof", found.dof)?;
    fields.set_item("steps", found.steps)?;
    result(py, "Relevance", &fields)
}
