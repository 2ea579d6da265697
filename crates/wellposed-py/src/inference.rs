//! `Inference`: how far x can be trusted.

use crate::array::numbers;
use crate::errors::{in_python, raise, type_error};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wellposed::inference::{Coefficient, Intervals, RowInfluence};

/// Standard errors, intervals, leverages and influence for one right-hand side, at a fixed multiplier: a table when printed.
///
/// Attributes
/// ----------
/// lam : float
///     The multiplier, given or chosen.
/// x, standard_error, posterior_std, bias : ndarray, shape (n,)
///     Coefficients; how they move with the noise; noise and bias together; the estimated bias.
/// variance_inflation : ndarray, shape (n,)
///     NaN for a column that does not vary.
/// hc0, hc1, hc2, hc3 : ndarray, shape (n,)
///     Standard errors under noise of unequal variance; NaN where they do not exist.
/// intercept, intercept_standard_error : float or None
///     The unpenalised constant.
/// fitted, residual, leverage, studentized, left_out_error, cooks_distance : ndarray, shape (m,)
///     The rows; NaN for what a row that fits itself does not have.
/// dof, residual_dof, noise_std : float
///     Trace of the hat matrix, what the residual has left to estimate the noise from, and the noise.
/// r_squared, r_squared_adjusted, r_squared_predicted : float or None
///     Shares of the variance of b; None where b does not vary.
#[pyclass(frozen, module = "wellposed")]
pub struct Inference(pub wellposed::Inference);

fn coefficients<'py>(py: Python<'py>, this: &Inference, value: impl Fn(&Coefficient) -> Option<f64>) -> Bound<'py, PyAny> {
    numbers(py, this.0.coefficients.iter().map(|c| value(c).unwrap_or(f64::NAN)).collect())
}

fn rows<'py>(py: Python<'py>, this: &Inference, value: impl Fn(&RowInfluence) -> Option<f64>) -> Bound<'py, PyAny> {
    numbers(py, this.0.rows.iter().map(|row| value(row).unwrap_or(f64::NAN)).collect())
}

fn bounds(py: Python<'_>, intervals: wellposed::Result<Intervals>) -> PyResult<Bound<'_, PyAny>> {
    let intervals = intervals.map_err(|error| raise(py, &error))?;
    let flat: Vec<f64> = intervals.coefficients.iter().flat_map(|&(low, high)| [low, high]).collect();
    Ok(PyArray1::from_vec(py, flat).reshape([intervals.coefficients.len(), 2])?.into_any())
}

macro_rules! arrays {
    ($(($name:ident, $of:ident, $value:expr)),* $(,)?) => {
        #[pymethods]
        impl Inference {
            $(
                #[getter]
                fn $name<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
                    $of(py, self, $value)
                }
            )*

            #[getter]
            fn lam(&self) -> f64 {
                self.0.lambda.value()
            }

            #[getter]
            fn intercept(&self) -> Option<f64> {
                self.0.intercept.map(|intercept| intercept.estimate)
            }

            #[getter]
            fn intercept_standard_error(&self) -> Option<f64> {
                self.0.intercept.map(|intercept| intercept.standard_error)
            }

            #[getter]
            fn dof(&self) -> f64 {
                self.0.dof
            }

            #[getter]
            fn residual_dof(&self) -> f64 {
                self.0.residual_dof
            }

            #[getter]
            fn noise_std(&self) -> f64 {
                self.0.noise_std
            }

            #[getter]
            fn r_squared(&self) -> Option<f64> {
                self.0.r_squared
            }

            #[getter]
            fn r_squared_adjusted(&self) -> Option<f64> {
                self.0.r_squared_adjusted
            }

            #[getter]
            fn r_squared_predicted(&self) -> Option<f64> {
                self.0.r_squared_predicted
            }

            /// x plus and minus t standard errors, shape (n, 2): they cover the mean of x over repeated noise, bias and all.
            #[pyo3(signature = (level=0.95))]
            fn confidence<'py>(&self, py: Python<'py>, level: f64) -> PyResult<Bound<'py, PyAny>> {
                bounds(py, self.0.confidence(level))
            }

            /// x plus and minus t posterior standard deviations, shape (n, 2): under the prior that the multiplier stands for.
            #[pyo3(signature = (level=0.95))]
            fn credible<'py>(&self, py: Python<'py>, level: f64) -> PyResult<Bound<'py, PyAny>> {
                bounds(py, self.0.credible(level))
            }

            /// Student's t of each coefficient against 0 (the intercept's last) and its two-sided p-values: two arrays. For lam = 0,
            /// where x is unbiased; an ``Error`` otherwise.
            fn t_tests<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
                let tests = self.0.t_tests().map_err(|error| raise(py, &error))?;
                let statistics = tests.iter().map(|test| test.statistic).collect();
                Ok((numbers(py, statistics), numbers(py, tests.iter().map(|test| test.p_value).collect())))
            }

            /// What is to be expected at a new row of A: a dict with value, standard_error, posterior_std, credible and interval.
            /// ``noise_std`` is that of the new datum, the estimated one unless given.
            #[pyo3(signature = (row, level=0.95, *, noise_std=None))]
            fn prediction<'py>(
                &self,
                py: Python<'py>,
                row: Vec<f64>,
                level: f64,
                noise_std: Option<f64>,
            ) -> PyResult<Bound<'py, PyDict>> {
                let noise_std = noise_std.unwrap_or(self.0.noise_std);
                let prediction = self.0.prediction_with(&row, noise_std, level).map_err(|error| raise(py, &error))?;
                let dict = PyDict::new(py);
                dict.set_item("value", prediction.value)?;
                dict.set_item("standard_error", prediction.standard_error)?;
                dict.set_item("posterior_std", prediction.posterior_std)?;
                dict.set_item("credible", prediction.credible)?;
                dict.set_item("interval", prediction.interval)?;
                Ok(dict)
            }

            fn __reduce__(&self) -> PyResult<()> {
                Err(type_error("an inference is not pickled: keep its arrays, or pickle the Problem and b, and make it again"))
            }

            fn __str__(&self) -> String {
                in_python(self.0.to_string().trim_end())
            }

            fn __repr__(&self) -> String {
                format!("<wellposed.Inference of {} coefficients>", self.0.coefficients.len())
            }
        }
    };
}

arrays!(
    (x, coefficients, |c| Some(c.estimate)),
    (standard_error, coefficients, |c| Some(c.standard_error)),
    (posterior_std, coefficients, |c| Some(c.posterior_std)),
    (bias, coefficients, |c| Some(c.bias)),
    (variance_inflation, coefficients, |c| c.variance_inflation),
    (hc0, coefficients, |c| Some(c.heteroscedastic.hc0)),
    (hc1, coefficients, |c| c.heteroscedastic.hc1),
    (hc2, coefficients, |c| c.heteroscedastic.hc2),
    (hc3, coefficients, |c| c.heteroscedastic.hc3),
    (fitted, rows, |row| Some(row.fitted)),
    (residual, rows, |row| Some(row.residual)),
    (leverage, rows, |row| Some(row.leverage)),
    (studentized, rows, |row| row.studentized),
    (left_out_error, rows, |row| row.left_out_error),
    (cooks_distance, rows, |row| row.cooks_distance),
);
