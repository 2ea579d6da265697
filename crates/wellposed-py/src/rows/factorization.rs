//! `RowsFactorization`: one decomposition of rows that were pushed, for many multipliers and rules.

use super::{Of, Settings, answer, asked};
use crate::array::reals;
use crate::choice;
use crate::comparison::RuleComparison;
use crate::errors::{in_python, raise, type_error};
use crate::factorization::{Spectrum, curve_dict, each};
use crate::problem::choice_or_gcv;
use crate::scalar::{of_each_type, on};
use crate::solution::Solution;
use crate::watch::detached;
use pyo3::prelude::*;
use wellposed::DenseView;
use wellposed::rule::Rule;

/// One decomposition of rows that were pushed, with their right-hand sides.
///
/// Made by ``Rows.factorize``; rows that are pushed later are not in it.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> rows = wp.Rows(4)
/// >>> rows.push(np.vander(np.linspace(0, 1, 60), 4), np.cos(np.arange(60.0)))
/// >>> factor = rows.factorize(intercept=True)
/// >>> len(factor.curve(wp.log_grid(1e-3, 1.0, 5))["gcv"])
/// 5
#[pyclass(frozen, module = "wellposed")]
pub struct RowsFactorization {
    kept: Kept,
    unknowns: usize,
    vector: bool,
}

type Factor<T> = wellposed::rows::RowsFactorization<T, DenseView<'static, T>>;

of_each_type! {
    /// A factorization of one of the four types.
    Kept of Factor by KeepRows
}

/// Decomposes rows.
pub fn factorize<T: KeepRows>(rows: &Of<T>, py: Python<'_>, vector: bool, settings: &Settings<'_, '_>) -> PyResult<RowsFactorization> {
    let factor = asked(rows, py, settings, |problem| problem.factorize())?;
    Ok(RowsFactorization { kept: T::keep(factor), unknowns: rows.columns(), vector })
}

#[pymethods]
impl RowsFactorization {
    /// What was decomposed, and how.
    #[getter]
    fn plan(&self) -> String {
        on!(Kept, &self.kept, factor => in_python(&factor.plan().to_string()))
    }

    /// Solves; ``choice`` is a number, a ``Lambda``, or a rule that needs no leverages (default "gcv").
    #[pyo3(signature = (choice=None))]
    fn solve(&self, py: Python<'_>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<Solution> {
        let choice = choice_or_gcv(choice)?;
        on!(Kept, &self.kept, factor => {
            let fit = detached(py, || factor.solve(choice)).map_err(|error| raise(py, &error))?;
            answer(fit, self.unknowns).into_python(py, self.vector, None)
        })
    }

    /// One solution for each multiplier.
    fn path(&self, py: Python<'_>, lambdas: &Bound<'_, PyAny>) -> PyResult<Vec<Solution>> {
        let one = |lambda: PyResult<Bound<'_, PyAny>>| {
            py.check_signals()?;
            self.solve(py, Some(&lambda?))
        };
        lambdas.try_iter()?.map(one).collect()
    }

    /// Norms, degrees of freedom and the GCV function at each multiplier, as a dict of arrays (a list of them for a matrix b).
    fn curve<'py>(&self, py: Python<'py>, lambdas: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let lambdas = reals::<f64>(lambdas, "lambdas")?.to_vec();
        let curves = on!(Kept, &self.kept, factor => detached(py, || factor.curve(lambdas))).map_err(|error| raise(py, &error))?;
        each(py, curves.into_iter().map(|points| curve_dict(py, points)).collect::<PyResult<Vec<_>>>()?, self.vector)
    }

    /// Singular values and coefficients of each right-hand side.
    fn spectrum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let spectra = on!(Kept, &self.kept, factor => detached(py, || factor.spectrum())).map_err(|error| raise(py, &error))?;
        each(py, spectra.into_iter().map(Spectrum).collect(), self.vector)
    }

    /// What every rule says that needs no leverages, as in ``Factorization.compare_rules``.
    #[pyo3(signature = (rules=None))]
    fn compare_rules<'py>(&self, py: Python<'py>, rules: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let rules = match rules {
            None => None,
            Some(rules) => Some(rules.try_iter()?.map(|item| choice::rule(&item?)).collect::<PyResult<Vec<Rule>>>()?),
        };
        let found = on!(Kept, &self.kept, factor => detached(py, || match rules {
            None => factor.compare_rules(),
            Some(rules) => factor.compare_among(rules),
        }));
        let found = found.map_err(|error| raise(py, &error))?;
        each(py, found.into_iter().map(RuleComparison).collect(), self.vector)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(type_error("a factorization is not pickled: pickle the Rows, which keep O(n^2) numbers, and factorize them again"))
    }

    fn __repr__(&self) -> String {
        on!(Kept, &self.kept, factor => {
            let plan = factor.plan();
            format!("<wellposed.RowsFactorization {}×{} {}, {}>", plan.rows, plan.columns, plan.scalar, plan.method)
        })
    }
}
