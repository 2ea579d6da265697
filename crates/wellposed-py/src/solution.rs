//! Answers: `Solution`, `Report`, `Criterion`, `Step`.

use crate::array::{answer, numbers};
use crate::errors::in_python;
use crate::scalar::Element;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyComplex, PyFloat};
use wellposed::Real;
use wellposed::solution::Fit;

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
///     The multiplier of the penalty, given or chosen, and its square root.
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
            report: Py::new(py, Report(self.report))?,
            names: names.map(|names| names.clone_ref(py)),
            vector,
        })
    }
}

/// A number as Python's float or complex.
fn number<T: Element>(py: Python<'_>, value: T) -> Py<PyAny> {
    let (re, im) = (value.real().to_f64(), value.imaginary().to_f64());
    if T::IS_COMPLEX { PyComplex::from_doubles(py, re, im).into_any().unbind() } else { PyFloat::new(py, re).into_any().unbind() }
}

impl Solution {
    /// One number for a vector b, an array otherwise.
    fn each<'py>(&self, py: Python<'py>, value: impl Fn(&Fit) -> f64) -> Bound<'py, PyAny> {
        let fits = &self.report.get().0.fits;
        match (self.vector, fits.first()) {
            (true, Some(fit)) => PyFloat::new(py, value(fit)).into_any(),
            _ => numbers(py, fits.iter().map(value).collect()),
        }
    }
}

#[pymethods]
impl Solution {
    #[getter]
    fn lam<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.each(py, |fit| fit.lambda.value())
    }

    #[getter]
    fn damping<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.each(py, |fit| fit.lambda.damping())
    }

    #[getter]
    fn residual_norm<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.each(py, |fit| fit.residual_norm)
    }

    #[getter]
    fn penalty_norm<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.each(py, |fit| fit.penalty_norm)
    }

    #[getter]
    fn dof<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.report.get().0.fits.iter().all(|fit| fit.dof.is_some()).then(|| self.each(py, |fit| fit.dof.unwrap_or(f64::NAN)))
    }

    #[getter]
    fn rank(&self) -> Option<usize> {
        self.report.get().0.rank
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
        Ok(format!("Solution(x={x}, lam={}, residual_norm={})", self.lam(py).repr()?, self.residual_norm(py).repr()?))
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("x = {}\n{}", self.x.bind(py).str()?, self.report.get().__str__()))
    }
}

/// A function of `wellposed._show`, where what is drawn and written for people lives.
pub fn python_layer<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE.get_or_try_init(py, || py.import("wellposed._show").map(Bound::unbind))?.bind(py).getattr(name)
}

/// What was planned and what happened: a table when printed.
///
/// Attributes
/// ----------
/// plan : str
///     What was planned, and why.
/// method : str
///     The method that solved the problem.
/// rank : int or None
///     Numerical rank of ``[A; damping L]``.
/// condition : float or None
///     Estimated condition number of what was factored.
/// steps : int or None
///     Steps of an iterative method.
/// stop : str or None
///     Why it stopped.
/// converged : bool or None
///     Whether that is a minimiser.
/// duality_gap : float or None
///     For penalties that are no squares: the objective is above its minimum by at most this.
/// criteria : list of Criterion
///     What a rule saw, for each multiplier chosen.
/// variances : list of ndarray
///     What LSQR saw of the diagonal of ``inv(A^H A + lam L^H L)``; empty unless asked for.
/// errors : ndarray or None
///     ``||x_k - truth|| / ||truth||`` after each step, where a truth was given.
/// warnings : list of str
///     What the caller should know.
#[pyclass(frozen, module = "wellposed")]
pub struct Report(pub wellposed::Report);

#[pymethods]
impl Report {
    #[getter]
    fn plan(&self) -> String {
        in_python(&self.0.plan.to_string())
    }

    #[getter]
    fn method(&self) -> &'static str {
        self.0.method
    }

    #[getter]
    fn rank(&self) -> Option<usize> {
        self.0.rank
    }

    #[getter]
    fn condition(&self) -> Option<f64> {
        self.0.condition
    }

    #[getter]
    fn steps(&self) -> Option<usize> {
        self.0.steps
    }

    #[getter]
    fn stop(&self) -> Option<String> {
        self.0.stop.map(|stop| stop.to_string())
    }

    #[getter]
    fn converged(&self) -> Option<bool> {
        self.0.stop.map(|stop| stop.converged())
    }

    #[getter]
    fn duality_gap(&self) -> Option<f64> {
        self.0.duality_gap
    }

    #[getter]
    fn criteria(&self) -> Vec<Criterion> {
        self.0.criteria.iter().cloned().map(Criterion).collect()
    }

    #[getter]
    fn variances<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        self.0.variances.iter().map(|values| numbers(py, values.clone())).collect()
    }

    #[getter]
    fn errors<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.comparison.as_ref().map(|comparison| numbers(py, comparison.errors.clone()))
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings.iter().map(|warning| in_python(&warning.to_string())).collect()
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_layer(slf.py(), "report_html")?.call1((slf,))
    }

    fn __str__(&self) -> String {
        in_python(self.0.to_string().trim_end())
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.Report of {}, {}×{}>", self.0.method, self.0.plan.rows, self.0.plan.columns)
    }
}

/// A rule's criterion as it was evaluated.
///
/// Attributes
/// ----------
/// rule : str
///     Name of the rule.
/// value : float
///     The criterion at the multiplier chosen.
/// lam, values : ndarray
///     Every multiplier tried, rising, and the criterion there.
/// minima : list of (float, float)
///     Multiplier and criterion at every local minimum inside the interval searched.
/// interval : (float, float) or None
///     Where the multiplier may be as far as random probes tell; None where nothing is estimated.
#[pyclass(frozen, module = "wellposed")]
pub struct Criterion(pub wellposed::solution::Criterion);

#[pymethods]
impl Criterion {
    #[getter]
    fn rule(&self) -> &'static str {
        self.0.rule
    }

    #[getter]
    fn value(&self) -> f64 {
        self.0.value
    }

    #[getter]
    fn lam<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.evaluated.iter().map(|point| point.0).collect())
    }

    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.evaluated.iter().map(|point| point.1).collect())
    }

    #[getter]
    fn minima(&self) -> Vec<(f64, f64)> {
        self.0.minima.clone()
    }

    #[getter]
    fn interval(&self) -> Option<(f64, f64)> {
        self.0.interval
    }

    /// The figure of the criterion as SVG text.
    fn to_svg(&self) -> String {
        wellposed::plot::criterion(&self.0).to_svg()
    }

    fn _repr_svg_(&self) -> String {
        self.to_svg()
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.Criterion {} = {:.6e}, {} values>", self.0.rule, self.0.value, self.0.evaluated.len())
    }
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
