//! `Factorization`: what is left when the expensive step is done; and what can be asked of it.

use crate::array::{Columns, Held, array, kind_of, numbers, reals};
use crate::choice;
use crate::comparison::{Diagnostics, RuleComparison};
use crate::errors::{in_python, raise, type_error};
use crate::problem::choice_or_gcv;
use crate::scalar::{Element, Kind, of_each_type, on};
use crate::solution::{Answer, Solution, python_layer};
use crate::watch::detached;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use wellposed::Factorization as LibraryFactorization;
use wellposed::plot;
use wellposed::rule::{Rule, Truncation};

/// One decomposition of A (and L) for any number of right-hand sides, multipliers and rules.
///
/// Made by ``Problem.factorize``; it owns all that it needs, so that A may be changed or dropped.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> A = np.vander(np.linspace(0, 1, 20), 6)
/// >>> factor = wp.Problem(A).factorize()
/// >>> fits = factor.path(np.cos(np.linspace(0, 3, 20)), wp.log_grid(1e-8, 1.0, 5))
/// >>> len(fits)
/// 5
#[pyclass(frozen, module = "wellposed")]
pub struct Factorization {
    kept: Kept,
    kind: Kind,
    unknowns: usize,
    #[pyo3(get)]
    names: Option<Py<PyAny>>,
}

of_each_type! {
    /// A factorization of one of the four types.
    Kept of LibraryFactorization by Keep
}

/// Right-hand sides in the type of the factorization, which is named for the compiler by `factor`.
fn data<T: Element>(_: &wellposed::Factorization<T>, object: &Bound<'_, PyAny>, what: &str) -> PyResult<Held<T>> {
    let array: Bound<'_, PyUntypedArray> = array(object, what)?;
    if kind_of(&array, what)?.complex && !T::IS_COMPLEX {
        return Err(type_error(format!("{what} is complex, and what was factorized is real: factorize with A.astype(complex)")));
    }
    Held::new(&array, what)
}

/// The only value of a vector's list, or the list.
pub fn each<'py, V: IntoPyObject<'py>>(py: Python<'py>, values: Vec<V>, vector: bool) -> PyResult<Bound<'py, PyAny>> {
    let list = PyList::new(py, values)?;
    if vector && list.len() == 1 { list.get_item(0) } else { Ok(list.into_any()) }
}

impl Factorization {
    /// Wraps what was kept.
    pub fn new(kept: Kept, kind: Kind, unknowns: usize, names: Option<Py<PyAny>>) -> Self {
        Self { kept, kind, unknowns, names }
    }

    fn answer<T: Element>(
        &self,
        py: Python<'_>,
        factor: &wellposed::Factorization<T>,
        b: &Bound<'_, PyAny>,
        work: impl FnOnce(&Columns<'_, T>) -> wellposed::Result<Answer<T>>,
    ) -> PyResult<Solution> {
        let b = data(factor, b, "b")?;
        let answer = detached(py, || work(&Columns(b.view()))).map_err(|error| raise(py, &error))?;
        answer.into_python(py, b.vector, self.names.as_ref())
    }
}

/// `work` on right-hand sides of the factorization's type; its values one for each, or the only one.
fn of_each<'py, T: Element, V, P: IntoPyObject<'py>>(
    py: Python<'py>,
    factor: &wellposed::Factorization<T>,
    b: &Bound<'py, PyAny>,
    work: impl FnOnce(&Columns<'_, T>) -> wellposed::Result<Vec<V>>,
    convert: impl Fn(V) -> PyResult<P>,
) -> PyResult<Bound<'py, PyAny>> {
    let b = data(factor, b, "b")?;
    let values = detached(py, || work(&Columns(b.view()))).map_err(|error| raise(py, &error))?;
    each(py, values.into_iter().map(convert).collect::<PyResult<Vec<P>>>()?, b.vector)
}

/// Points of a curve as a dict of arrays.
pub fn curve_dict(py: Python<'_>, points: Vec<wellposed::CurvePoint>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    let column = |name, value: fn(&wellposed::CurvePoint) -> f64| dict.set_item(name, numbers(py, points.iter().map(value).collect()));
    column("lam", |point| point.lambda)?;
    column("residual_norm", |point| point.residual_norm)?;
    column("penalty_norm", |point| point.penalty_norm)?;
    column("dof", |point| point.dof)?;
    column("gcv", |point| point.gcv)?;
    Ok(dict)
}

#[pymethods]
impl Factorization {
    /// What was decomposed, and how.
    #[getter]
    fn plan(&self) -> String {
        on!(Kept, &self.kept, factor => in_python(&factor.plan().to_string()))
    }

    /// (m, n).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        on!(Kept, &self.kept, factor => (factor.plan().rows, self.unknowns))
    }

    /// The dtype that it computes in, which right-hand sides are converted to.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.kind.dtype(py).into_any()
    }

    /// Solves for one or many right-hand sides; ``choice`` is a number, a ``Lambda``, or a rule (default "gcv").
    #[pyo3(signature = (b, choice=None))]
    fn solve(&self, py: Python<'_>, b: &Bound<'_, PyAny>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<Solution> {
        let choice = choice_or_gcv(choice)?;
        let n = self.unknowns;
        on!(Kept, &self.kept, factor => self.answer(py, factor, b, |b| Ok(Answer::new(factor.solve(b, choice)?, n))))
    }

    /// One solution for each multiplier.
    fn path(&self, py: Python<'_>, b: &Bound<'_, PyAny>, lambdas: &Bound<'_, PyAny>) -> PyResult<Vec<Solution>> {
        let one = |lambda: PyResult<Bound<'_, PyAny>>| {
            py.check_signals()?;
            self.solve(py, b, Some(&lambda?))
        };
        lambdas.try_iter()?.map(one).collect()
    }

    /// Truncated SVD: ``how_many`` is the number of singular values kept, or a rule that chooses it.
    fn truncated(&self, py: Python<'_>, b: &Bound<'_, PyAny>, how_many: &Bound<'_, PyAny>) -> PyResult<Solution> {
        let truncation = match how_many.extract::<usize>() {
            Ok(count) => Truncation::from(count),
            Err(_) => choice::rule(how_many)?.into(),
        };
        let n = self.unknowns;
        on!(Kept, &self.kept, factor => self.answer(py, factor, b, |b| Ok(Answer::new(factor.truncated(b, truncation)?, n))))
    }

    /// Damped SVD: filter factors ``s / (s + damping)``.
    #[pyo3(signature = (b, choice=None))]
    fn damped_svd(&self, py: Python<'_>, b: &Bound<'_, PyAny>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<Solution> {
        let choice = choice_or_gcv(choice)?;
        let n = self.unknowns;
        on!(Kept, &self.kept, factor => self.answer(py, factor, b, |b| Ok(Answer::new(factor.damped_svd(b, choice)?, n))))
    }

    /// The multiplier with the least error, where the true x is known: what rules are measured against.
    fn oracle(&self, py: Python<'_>, b: &Bound<'_, PyAny>, x_true: &Bound<'_, PyAny>) -> PyResult<Solution> {
        let n = self.unknowns;
        on!(Kept, &self.kept, factor => {
            let truth = data(factor, x_true, "x_true")?;
            self.answer(py, factor, b, |b| Ok(Answer::new(factor.oracle(b, &Columns(truth.view()))?, n)))
        })
    }

    /// Singular values and coefficients of each right-hand side.
    fn spectrum<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        on!(Kept, &self.kept, factor => of_each(py, factor, b, |b| factor.spectrum(b), |s| Ok(Spectrum(s))))
    }

    /// Norms, degrees of freedom and the GCV function at each multiplier, as a dict of arrays (a list of them for a matrix b).
    fn curve<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>, lambdas: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let lambdas = reals::<f64>(lambdas, "lambdas")?.to_vec();
        on!(Kept, &self.kept, factor => of_each(py, factor, b, |b| factor.curve(b, lambdas), |points| curve_dict(py, points)))
    }

    /// What every rule says of each right-hand side, as a table with a verdict on how far they agree.
    ///
    /// Parameters
    /// ----------
    /// b : array_like, shape (m,) or (m, k)
    /// rules : iterable of rules or names, optional
    ///     All that need no number of yours, unless given.
    ///
    /// Returns
    /// -------
    /// RuleComparison, or a list of them for a matrix b
    #[pyo3(signature = (b, rules=None))]
    fn compare_rules<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>, rules: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let rules = match rules {
            None => None,
            Some(rules) => Some(rules.try_iter()?.map(|item| choice::rule(&item?)).collect::<PyResult<Vec<Rule>>>()?),
        };
        on!(Kept, &self.kept, factor => of_each(
            py,
            factor,
            b,
            |b| match rules {
                None => factor.compare_rules(b),
                Some(rules) => factor.compare_among(b, rules),
            },
            |comparison| Ok(RuleComparison(comparison)),
        ))
    }

    /// Everything to judge a multiplier by: Picard coefficients, filter factors, leverages, resolution, whiteness.
    #[pyo3(signature = (b, choice=None))]
    fn diagnostics<'py>(&self, py: Python<'py>, b: &Bound<'py, PyAny>, choice: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let choice = choice_or_gcv(choice)?;
        on!(Kept, &self.kept, factor => of_each(py, factor, b, |b| factor.diagnostics(b, choice), |d| Ok(Diagnostics(d))))
    }

    /// A figure as SVG text (a list of them for a matrix b).
    ///
    /// Parameters
    /// ----------
    /// name : {"l_curve", "picard", "solution", "residual", "periodogram", "coefficient_path"}
    /// b : array_like, shape (m,) or (m, k)
    /// choice : float, Lambda, str or rule, default "gcv"
    ///     For the figures of one multiplier: solution, residual and periodogram.
    #[pyo3(signature = (name, b, choice=None))]
    fn figure<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        b: &Bound<'py, PyAny>,
        choice: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let choice = choice_or_gcv(choice)?;
        let known = ["l_curve", "picard", "solution", "residual", "periodogram", "coefficient_path"];
        if !known.contains(&name) {
            return Err(choice::unknown(py, "the figure", name, &format!("one of {}", known.join(", "))));
        }
        on!(Kept, &self.kept, factor => of_each(
            py,
            factor,
            b,
            |b| match name {
                "l_curve" => plot::l_curve(factor, b),
                "picard" => plot::picard(factor, b),
                "solution" => plot::solution(factor, b, choice),
                "residual" => plot::residual(factor, b, choice),
                "periodogram" => plot::periodogram(factor, b, choice),
                _ => plot::coefficient_path(factor, b),
            },
            |figure| Ok(figure.to_svg()),
        ))
    }

    /// One self-contained HTML page with all figures, the rules' answers and a slider on the multiplier (a list of them for a
    /// matrix b).
    #[pyo3(signature = (b, choice=None, *, title=None))]
    fn html_report<'py>(
        &self,
        py: Python<'py>,
        b: &Bound<'py, PyAny>,
        choice: Option<&Bound<'py, PyAny>>,
        title: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let choice = choice_or_gcv(choice)?;
        on!(Kept, &self.kept, factor => of_each(
            py,
            factor,
            b,
            |b| {
                plot::Report::new(factor, b, &factor.solve(b, choice)?)
            },
            |report| Ok(match title {
                Some(title) => report.title(title).to_html(),
                None => report.to_html(),
            }),
        ))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(type_error(
            "a factorization is not pickled: pickle the Problem, and factorize it again; wellposed.Rows keeps O(n^2) numbers and is",
        ))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_layer(slf.py(), "factorization_html")?.call1((slf,))
    }

    fn __repr__(&self) -> String {
        on!(Kept, &self.kept, factor => {
            let plan = factor.plan();
            format!("<wellposed.Factorization {}×{} {}, {}>", plan.rows, plan.columns, plan.scalar, plan.method)
        })
    }
}

/// Singular values and coefficients of one right-hand side: the numbers of a Picard plot.
///
/// Attributes
/// ----------
/// values : ndarray
///     (Generalized) singular values of the penalised directions, falling.
/// coefficients : ndarray
///     Moduli of the coefficients of b along the left singular vectors.
/// outside : float
///     Norm of the part of b that no x reaches.
/// floor : float
///     Values up to this one are rounding.
/// unpenalised : int
///     Unpenalised directions, the intercept among them.
#[pyclass(frozen, module = "wellposed")]
pub struct Spectrum(pub wellposed::Spectrum);

#[pymethods]
impl Spectrum {
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.values.clone())
    }

    #[getter]
    fn coefficients<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.coefficients.clone())
    }

    #[getter]
    fn outside(&self) -> f64 {
        self.0.outside
    }

    #[getter]
    fn floor(&self) -> f64 {
        self.0.floor
    }

    #[getter]
    fn unpenalised(&self) -> usize {
        self.0.unpenalised
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.Spectrum of {} values, {} unpenalised>", self.0.values.len(), self.0.unpenalised)
    }
}
