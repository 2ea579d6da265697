//! Answers: `Solution`, `Step`.

use crate::array::{answer, numbers};
use crate::report::{Numbers, Report};
use crate::scalar::Element;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyComplex, PyDict, PyFloat};
use wellposed::Real;

/// The minimiser with what was found on the way.
///
/// For a vector b the attributes are numbers; for a matrix b of k right-hand sides they are arrays of length k, and ``x``
/// is n by k.
///
/// Attributes
/// ----------
/// x : ndarray, shape (n,) or (n, k)
///     The minimiser.
/// intercept : float or complex, or ndarray
///     The unpenalised constant; 0 unless asked for.
/// lam, damping : float or ndarray
///     The multiplier of the penalty, given or chosen, and its square root. With several penalties and a rule it is 1.
/// lambdas : ndarray, shape (p,) or (k, p)
///     The multiplier of each of p penalties: ``lam`` alone unless there are several.
/// residual_norm : float or ndarray
///     ``||b - A x - intercept||``, in whitened units where weights or noise_std are given.
/// penalty_norm : float or ndarray
///     ``||L (x - prior_mean)||``, without the multiplier.
/// dof : float, None or ndarray
///     Effective degrees of freedom; None from an iterative method.
/// rank : int or None
///     Numerical rank of ``[A; damping L]``.
/// report : Report
///     Everything else; ``print(fit.report)`` shows a table.
/// names : list or None
///     The columns of the frame that A was.
#[pyclass(frozen, module = "wellposed")]
pub struct Solution {
    #[pyo3(get)]
    x: Py<PyAny>,
    #[pyo3(get)]
    intercept: Py<PyAny>,
    #[pyo3(get)]
    report: Py<Report>,
    #[pyo3(get)]
    names: Option<Py<PyAny>>,
    vector: bool,
}

/// Parts of a solution of the library that Python gets.
pub struct Answer<T> {
    pub x: Vec<T>,
    pub unknowns: usize,
    pub intercepts: Vec<T>,
    pub report: wellposed::Report,
}

impl<T: Element> Answer<T> {
    /// From a solution for right-hand sides as columns.
    pub fn new(solution: wellposed::Solution<T, crate::array::Columns<'_, T>>, unknowns: usize) -> Self {
        Self { x: solution.x, unknowns, intercepts: solution.intercept, report: solution.report }
    }

    /// As Python's object.
    pub fn into_python(self, py: Python<'_>, vector: bool, names: Option<&Py<PyAny>>) -> PyResult<Solution> {
        let columns = self.intercepts.len();
        let intercept = match (vector, self.intercepts.first()) {
            (true, Some(&only)) => number(py, only),
            _ => PyArray1::from_vec(py, self.intercepts).into_any().unbind(),
        };
        Ok(Solution {
            x: answer(py, self.x, (self.unknowns, columns), vector)?.unbind(),
            intercept,
            report: Py::new(py, Report::new(self.report))?,
            names: names.map(|names| names.clone_ref(py)),
            vector,
        })
    }
}

/// What pickle keeps of a solution: x, the constant, the report, names, and whether b was a vector.
type Parts = (Py<PyAny>, Py<PyAny>, Py<Report>, Option<Py<PyAny>>, bool);

/// A number as Python's float or complex.
pub fn number<T: Element>(py: Python<'_>, value: T) -> Py<PyAny> {
    let (re, im) = (value.real().to_f64(), value.imaginary().to_f64());
    if T::IS_COMPLEX { PyComplex::from_doubles(py, re, im).into_any().unbind() } else { PyFloat::new(py, re).into_any().unbind() }
}

impl Solution {
    /// One number for a vector b, an array otherwise.
    fn each<'py>(&self, py: Python<'py>, values: Vec<f64>) -> Bound<'py, PyAny> {
        match (self.vector, values.first()) {
            (true, Some(&only)) => PyFloat::new(py, only).into_any(),
            _ => numbers(py, values),
        }
    }

    fn numbers(&self, py: Python<'_>) -> PyResult<Numbers> {
        self.report.get().numbers(py)
    }
}

#[pymethods]
impl Solution {
    #[getter]
    fn lam<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.each(py, self.numbers(py)?.lam))
    }

    #[getter]
    fn lambdas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let all = self.numbers(py)?.lambdas;
        let shape = [all.len(), all.first().map_or(1, Vec::len)];
        let flat = PyArray1::from_vec(py, all.into_iter().flatten().collect());
        if self.vector { Ok(flat.into_any()) } else { Ok(flat.reshape(shape)?.into_any()) }
    }

    #[getter]
    fn damping<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.each(py, self.numbers(py)?.damping))
    }

    #[getter]
    fn residual_norm<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.each(py, self.numbers(py)?.residual_norm))
    }

    #[getter]
    fn penalty_norm<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.each(py, self.numbers(py)?.penalty_norm))
    }

    #[getter]
    fn dof<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let all: Option<Vec<f64>> = self.numbers(py)?.dof.into_iter().collect();
        Ok(all.map(|all| self.each(py, all)))
    }

    #[getter]
    fn rank<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.report.get().rank(py)
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        // nothing of it is ever changed
        slf
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Parts)> {
        let (py, this) = (slf.py(), slf.get());
        let names = this.names.as_ref().map(|names| names.clone_ref(py));
        let parts = (this.x.clone_ref(py), this.intercept.clone_ref(py), this.report.clone_ref(py), names, this.vector);
        Ok((py.get_type::<Solution>().getattr("_restore")?, parts))
    }

    #[staticmethod]
    fn _restore(x: Py<PyAny>, intercept: Py<PyAny>, report: Py<Report>, names: Option<Py<PyAny>>, vector: bool) -> Self {
        Self { x, intercept, report, names, vector }
    }

    /// x as a pandas Series with the names of the columns of A (a DataFrame for many right-hand sides).
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_layer(slf.py(), "to_pandas")?.call1((slf,))
    }

    /// Draws x and, where a rule chose the multiplier, its criterion, with matplotlib.
    ///
    /// Parameters
    /// ----------
    /// axes : sequence of matplotlib.axes.Axes, optional
    ///     Where to draw; a new figure unless given.
    ///
    /// Returns
    /// -------
    /// matplotlib.figure.Figure
    #[pyo3(signature = (axes=None))]
    fn plot<'py>(slf: &Bound<'py, Self>, axes: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        python_layer(slf.py(), "plot_solution")?.call1((slf, axes))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_layer(slf.py(), "solution_html")?.call1((slf,))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let x = self.x.bind(py).repr()?;
        Ok(format!("Solution(x={x}, lam={}, residual_norm={})", self.lam(py)?.repr()?, self.residual_norm(py)?.repr()?))
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("x = {}\n{}", self.x.bind(py).str()?, self.report.get().__str__(py)?))
    }
}

/// A function of `wellposed._show`, where what is drawn and written for people lives.
pub fn python_layer<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE.get_or_try_init(py, || py.import("wellposed._show").map(Bound::unbind))?.bind(py).getattr(name)
}

/// A dataclass of `wellposed.results` with these fields.
pub fn result<'py>(py: Python<'py>, name: &str, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("wellposed.results").map(Bound::unbind))?;
    module.bind(py).getattr(name)?.call((), Some(fields))
}

/// One step of an iterative method, as an observer sees it.
///
/// Attributes
/// ----------
/// index : int
///     Number of the step; the first is 1.
/// residual_norm : float
///     ``||A x - b||``.
/// normal_residual : float
///     ``||A^H (b - A x) - lam L^H L x|| / ||A^H b||``, which the tolerance bounds.
/// solution_norm : float
///     ``||x||``.
#[pyclass(frozen, module = "wellposed", get_all)]
pub struct Step {
    index: usize,
    residual_norm: f64,
    normal_residual: f64,
    solution_norm: f64,
}

impl From<&wellposed::Step> for Step {
    fn from(step: &wellposed::Step) -> Self {
        Self {
            index: step.index,
            residual_norm: step.residual_norm,
            normal_residual: step.normal_residual,
            solution_norm: step.solution_norm,
        }
    }
}

#[pymethods]
impl Step {
    fn __repr__(&self) -> String {
        format!("Step(index={}, residual_norm={:.6e}, normal_residual={:.3e})", self.index, self.residual_norm, self.normal_residual)
    }
}
