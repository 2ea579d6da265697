//! What the rules say beside each other, and what there is to judge a multiplier by.

use crate::array::numbers;
use crate::errors::{in_python, raise};
use crate::report::Criterion;
use crate::solution::python_layer;
use pyo3::prelude::*;

/// What every rule says of one right-hand side: a table with a verdict when printed.
///
/// Attributes
/// ----------
/// rows : list of RuleRow
///     One for each rule.
/// verdict : str
///     How far the rules agree.
/// noise_std : float or None
///     The noise level that the rules used which need one, where it was estimated.
#[pyclass(frozen, module = "wellposed")]
pub struct RuleComparison(pub wellposed::RuleComparison);

#[pymethods]
impl RuleComparison {
    #[getter]
    fn rows(&self) -> Vec<RuleRow> {
        self.0.rows.iter().cloned().map(RuleRow).collect()
    }

    #[getter]
    fn verdict(&self) -> String {
        self.0.verdict.clone()
    }

    #[getter]
    fn noise_std(&self) -> Option<f64> {
        self.0.noise.map(|noise| noise.noise_std)
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<RuleRow> {
        self.0.row(name).cloned().map(RuleRow).ok_or_else(|| {
            let known = self.0.rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
            crate::errors::value_error(py, format!("no rule {name:?} was asked; there are {known}"))
        })
    }

    fn __len__(&self) -> usize {
        self.0.rows.len()
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_layer(slf.py(), "comparison_html")?.call1((slf,))
    }

    fn __str__(&self) -> String {
        in_python(self.0.to_string().trim_end())
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.RuleComparison of {} rules: {}>", self.0.rows.len(), self.0.verdict)
    }
}

/// What one rule chose; its numbers are None where it does not apply.
///
/// Attributes
/// ----------
/// name : str
///     Name of the rule.
/// lam, dof, residual_norm, penalty_norm : float or None
///     The multiplier that it chose, and what there is there.
/// criterion : Criterion or None
///     What it saw.
/// flags : str
///     Doubts in a few words: ``"lower end, 2 rivals"``, or empty.
/// error : Error or None
///     Why it does not apply.
#[pyclass(frozen, module = "wellposed")]
pub struct RuleRow(wellposed::RuleRow);

impl RuleRow {
    fn number(&self, value: impl Fn(&wellposed::RuleChoice) -> f64) -> Option<f64> {
        self.0.choice.as_ref().ok().map(value)
    }
}

#[pymethods]
impl RuleRow {
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    #[getter]
    fn lam(&self) -> Option<f64> {
        self.number(|choice| choice.lambda.value())
    }

    #[getter]
    fn dof(&self) -> Option<f64> {
        self.number(|choice| choice.dof)
    }

    #[getter]
    fn residual_norm(&self) -> Option<f64> {
        self.number(|choice| choice.residual_norm)
    }

    #[getter]
    fn penalty_norm(&self) -> Option<f64> {
        self.number(|choice| choice.penalty_norm)
    }

    #[getter]
    fn criterion(&self) -> Option<Criterion> {
        self.0.choice.as_ref().ok().map(|choice| Criterion::new(choice.criterion.clone()))
    }

    #[getter]
    fn flags(&self) -> String {
        self.0.choice.as_ref().map_or_else(|_| String::new(), wellposed::RuleChoice::flags)
    }

    #[getter]
    fn error(&self, py: Python<'_>) -> Option<PyErr> {
        self.0.choice.as_ref().err().map(|error| raise(py, error))
    }

    fn __repr__(&self) -> String {
        match &self.0.choice {
            Ok(choice) => format!("<wellposed.RuleRow {}: λ = {:.4e}>", self.0.name, choice.lambda.value()),
            Err(error) => format!("<wellposed.RuleRow {}: {}>", self.0.name, in_python(&error.to_string())),
        }
    }
}

/// Everything to judge a multiplier by, for one right-hand side: a table when printed.
///
/// Attributes
/// ----------
/// lam, dof, residual_norm, penalty_norm : float
///     The multiplier, and what there is there.
/// singular_values, coefficients : ndarray
///     The Picard condition: the coefficients of b should fall faster than the singular values until they reach the noise.
/// noise_floor : float or None
///     Where the coefficients level off.
/// rounding_floor : float
///     Singular values below it are rounding.
/// above_noise : int
///     How many coefficients are above the noise.
/// filters : ndarray
///     ``s**2 / (s**2 + lam)``.
/// leverages, resolution : ndarray or None
///     Diagonal of the hat matrix, and of the resolution matrix.
/// cumulative_periodogram : ndarray or None
///     Of the residual; a straight line for white noise.
/// whiteness_distance, whiteness_limit : float or None
///     Its largest departure from the line, and what white noise stays below in 95 of 100 cases.
/// condition, regularized_condition : float
///     Condition numbers of A and of the problem that is solved.
#[pyclass(frozen, module = "wellposed")]
pub struct Diagnostics(pub wellposed::Diagnostics);

#[pymethods]
impl Diagnostics {
    #[getter]
    fn lam(&self) -> f64 {
        self.0.lambda.value()
    }

    #[getter]
    fn dof(&self) -> f64 {
        self.0.dof
    }

    #[getter]
    fn residual_norm(&self) -> f64 {
        self.0.residual_norm
    }

    #[getter]
    fn penalty_norm(&self) -> f64 {
        self.0.penalty_norm
    }

    #[getter]
    fn singular_values<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.picard.values.clone())
    }

    #[getter]
    fn coefficients<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.picard.coefficients.clone())
    }

    #[getter]
    fn noise_floor(&self) -> Option<f64> {
        self.0.picard.noise_floor
    }

    #[getter]
    fn rounding_floor(&self) -> f64 {
        self.0.picard.rounding_floor
    }

    #[getter]
    fn above_noise(&self) -> usize {
        self.0.picard.above_noise
    }

    #[getter]
    fn filters<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        numbers(py, self.0.filters.clone())
    }

    #[getter]
    fn leverages<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.leverages.clone().map(|values| numbers(py, values))
    }

    #[getter]
    fn resolution<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.resolution.clone().map(|values| numbers(py, values))
    }

    #[getter]
    fn cumulative_periodogram<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.whiteness.as_ref().map(|whiteness| numbers(py, whiteness.cumulative.clone()))
    }

    #[getter]
    fn whiteness_distance(&self) -> Option<f64> {
        self.0.whiteness.as_ref().map(|whiteness| whiteness.distance)
    }

    #[getter]
    fn whiteness_limit(&self) -> Option<f64> {
        self.0.whiteness.as_ref().map(|whiteness| whiteness.limit)
    }

    #[getter]
    fn condition(&self) -> f64 {
        self.0.condition
    }

    #[getter]
    fn regularized_condition(&self) -> f64 {
        self.0.regularized_condition
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings.iter().map(|warning| in_python(&warning.to_string())).collect()
    }

    fn __str__(&self) -> String {
        in_python(self.0.to_string().trim_end())
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.Diagnostics at λ = {:.4e}>", self.0.lambda.value())
    }
}
