//! `Report` and `Criterion`: as the library made them, or as pickle kept them.
//!
//! The library's own values have no public constructors, so that what comes back from pickle is the attributes by name. Both kinds go
//! through the same getters.

use crate::array::numbers;
use crate::errors::in_python;
use crate::solution::{python_layer, result};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use wellposed::solution::{Constrained, PenaltiesUsed, Reweighted};

/// The numbers of each right-hand side.
#[derive(FromPyObject, IntoPyObject)]
#[pyo3(from_item_all)]
pub struct Numbers {
    pub lam: Vec<f64>,
    pub damping: Vec<f64>,
    pub residual_norm: Vec<f64>,
    pub penalty_norm: Vec<f64>,
    pub dof: Vec<Option<f64>>,
    pub lambdas: Vec<Vec<f64>>,
}

/// A value of the library, or its attributes.
enum Content<V> {
    Live(Box<V>),
    Stored(Py<PyDict>),
}

impl<V> Content<V> {
    /// The attribute: `live` of the library's value, or what was stored under this name.
    fn get<'py, R: IntoPyObject<'py>>(
        &self,
        py: Python<'py>,
        name: &str,
        live: impl FnOnce(&V) -> PyResult<R>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Content::Live(value) => live(value)?.into_bound_py_any(py),
            Content::Stored(fields) => fields.bind(py).get_item(name)?.ok_or_else(|| PyKeyError::new_err(name.to_owned())),
        }
    }
}

/// What pickle calls, and with what.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyDict>,));

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
/// constrained : list of wellposed.results.Constrained
///     The certificate of each right-hand side's answer, where x is bounded.
/// reweighted : list of wellposed.results.Reweighted
///     What reweighting did for each right-hand side, where there is a misfit or a penalty that asks for it.
/// penalties : list of wellposed.results.PenaltiesUsed
///     The multipliers of several penalties, for each right-hand side.
/// variances : list of ndarray
///     What LSQR saw of the diagonal of ``inv(A^H A + lam L^H L)``; empty unless asked for.
/// errors : ndarray or None
///     ``||x_k - truth|| / ||truth||`` after each step, where a truth was given.
/// warnings : list of str
///     What the caller should know.
#[pyclass(frozen, module = "wellposed")]
pub struct Report(Content<wellposed::Report>);

impl Report {
    /// Of the library's.
    pub fn new(report: wellposed::Report) -> Self {
        Self(Content::Live(Box::new(report)))
    }

    /// The numbers of each right-hand side.
    pub fn numbers(&self, py: Python<'_>) -> PyResult<Numbers> {
        match &self.0 {
            Content::Live(report) => Ok(numbers_of(report)),
            Content::Stored(_) => self.numbers_by_name(py)?.extract(),
        }
    }
}

fn numbers_of(report: &wellposed::Report) -> Numbers {
    let each = |value: fn(&wellposed::solution::Fit) -> f64| report.fits.iter().map(value).collect::<Vec<_>>();
    let lam = each(|fit| fit.lambda.value());
    let lambdas = match report.penalties.is_empty() {
        true => lam.iter().map(|&lam| vec![lam]).collect(),
        false => report.penalties.iter().map(|used| used.lambdas.iter().map(|lambda| lambda.value()).collect()).collect(),
    };
    Numbers {
        damping: each(|fit| fit.lambda.damping()),
        residual_norm: each(|fit| fit.residual_norm),
        penalty_norm: each(|fit| fit.penalty_norm),
        dof: report.fits.iter().map(|fit| fit.dof).collect(),
        lambdas,
        lam,
    }
}

fn constrained<'py>(py: Python<'py>, one: &Constrained) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("kkt_residual", one.kkt_residual)?;
    fields.set_item("at_lower", one.at_lower)?;
    fields.set_item("at_upper", one.at_upper)?;
    fields.set_item("equality_residual", one.equality_residual)?;
    result(py, "Constrained", &fields)
}

fn reweighted<'py>(py: Python<'py>, one: &Reweighted) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("objective", one.objective)?;
    fields.set_item("smoothed_objective", one.smoothed_objective)?;
    fields.set_item("history", numbers(py, one.history.clone()))?;
    fields.set_item("misfit_smoothing", one.misfit_smoothing)?;
    fields.set_item("penalty_smoothing", one.penalty_smoothing.clone())?;
    fields.set_item("scale", one.scale)?;
    fields.set_item("weights", numbers(py, one.weights.clone()))?;
    fields.set_item("steps", one.steps)?;
    fields.set_item("change", one.change)?;
    fields.set_item("convex", one.convex)?;
    result(py, "Reweighted", &fields)
}

fn penalties<'py>(py: Python<'py>, used: &PenaltiesUsed) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("lambdas", numbers(py, used.lambdas.iter().map(|lambda| lambda.value()).collect()))?;
    fields.set_item("penalties", used.penalties.iter().map(|penalty| in_python(penalty)).collect::<Vec<_>>())?;
    fields.set_item("penalty_norms", numbers(py, used.penalty_norms.clone()))?;
    fields.set_item("slope", used.slope)?;
    let minima = used.minima.iter().map(|(lambdas, value)| (numbers(py, lambdas.clone()), *value));
    fields.set_item("minima", minima.collect::<Vec<_>>())?;
    fields.set_item("evaluations", used.evaluations)?;
    result(py, "PenaltiesUsed", &fields)
}

/// The getters of a class, and the dict of all of them and of `$also` that pickle keeps.
macro_rules! attributes {
    (
        $class:ident, $live:ty;
        get { $($name:ident($py:ident, $value:ident) $body:expr;)* }
        also { $($also:ident($also_py:ident, $also_value:ident) $also_body:expr;)* }
        methods { $($methods:tt)* }
    ) => {
        impl $class {
            $(
                fn $also<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    self.0.get(py, stringify!($also), |$also_value: &$live| {
                        let $also_py = py;
                        Ok($also_body)
                    })
                }
            )*
        }

        #[pymethods]
        impl $class {
            $(
                #[getter]
                pub fn $name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    self.0.get(py, stringify!($name), |$value: &$live| {
                        let $py = py;
                        Ok($body)
                    })
                }
            )*

            fn __copy__(slf: Py<Self>) -> Py<Self> {
                // nothing of it is ever changed
                slf
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
                let (py, this) = (slf.py(), slf.get());
                let fields = PyDict::new(py);
                $(fields.set_item(stringify!($name), this.$name(py)?)?;)*
                $(fields.set_item(stringify!($also), this.$also(py)?)?;)*
                Ok((py.get_type::<$class>().getattr("_restore")?, (fields,)))
            }

            #[staticmethod]
            fn _restore(fields: Py<PyDict>) -> Self {
                Self(Content::Stored(fields))
            }

            $($methods)*
        }
    };
}

attributes! {
    Report, wellposed::Report;
    get {
        plan(_py, report) in_python(&report.plan.to_string());
        method(_py, report) report.method;
        rank(_py, report) report.rank;
        condition(_py, report) report.condition;
        steps(_py, report) report.steps;
        stop(_py, report) report.stop.map(|stop| stop.to_string());
        converged(_py, report) report.stop.map(|stop| stop.converged());
        duality_gap(_py, report) report.duality_gap;
        criteria(py, report) PyList::new(py, report.criteria.iter().map(|criterion| Criterion(Content::Live(Box::new(criterion.clone())))))?;
        constrained(py, report) report.constrained.iter().map(|one| constrained(py, one)).collect::<PyResult<Vec<_>>>()?;
        reweighted(py, report) report.reweighted.iter().map(|one| reweighted(py, one)).collect::<PyResult<Vec<_>>>()?;
        penalties(py, report) report.penalties.iter().map(|one| penalties(py, one)).collect::<PyResult<Vec<_>>>()?;
        variances(py, report) report.variances.iter().map(|values| numbers(py, values.clone())).collect::<Vec<_>>();
        errors(py, report) report.comparison.as_ref().map(|comparison| numbers(py, comparison.errors.clone()));
        warnings(_py, report) report.warnings.iter().map(|warning| in_python(&warning.to_string())).collect::<Vec<_>>();
    }
    also {
        numbers_by_name(_py, report) numbers_of(report);
        text(_py, report) in_python(report.to_string().trim_end());
        shape(_py, report) (report.plan.rows, report.plan.columns);
    }
    methods {
        fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
            python_layer(slf.py(), "report_html")?.call1((slf,))
        }

        pub fn __str__(&self, py: Python<'_>) -> PyResult<String> {
            self.text(py)?.extract()
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let (rows, columns): (usize, usize) = self.shape(py)?.extract()?;
            Ok(format!("<wellposed.Report of {}, {rows}×{columns}>", self.method(py)?))
        }
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
pub struct Criterion(Content<wellposed::solution::Criterion>);

impl Criterion {
    /// Of the library's.
    pub fn new(criterion: wellposed::solution::Criterion) -> Self {
        Self(Content::Live(Box::new(criterion)))
    }
}

attributes! {
    Criterion, wellposed::solution::Criterion;
    get {
        rule(_py, criterion) criterion.rule;
        value(_py, criterion) criterion.value;
        lam(py, criterion) numbers(py, criterion.evaluated.iter().map(|point| point.0).collect());
        values(py, criterion) numbers(py, criterion.evaluated.iter().map(|point| point.1).collect());
        minima(_py, criterion) criterion.minima.clone();
        interval(_py, criterion) criterion.interval;
    }
    also {
        svg(_py, criterion) wellposed::plot::criterion(criterion).to_svg();
    }
    methods {
        /// The figure of the criterion as SVG text.
        fn to_svg<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            self.svg(py)
        }

        fn _repr_svg_<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            self.svg(py)
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let value: f64 = self.value(py)?.extract()?;
            let count = self.values(py)?.len()?;
            Ok(format!("<wellposed.Criterion {} = {value:.6e}, {count} values>", self.rule(py)?))
        }
    }
}
