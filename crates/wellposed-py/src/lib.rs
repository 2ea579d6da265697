//! `wellposed._core`: the library under the Python package `wellposed`.
//!
//! Python's objects become views and operators here, and answers become Python's objects; everything is computed by the public
//! interface of the library, without the interpreter's lock. What needs no speed is in Python, in `python/wellposed`.
//!
//! | module | what crosses the boundary there |
//! |---|---|
//! | `scalar`, `array` | dtypes, arrays with any strides |
//! | `matrix`, `callback` | A: dense, sparse, or an object with products, whose exceptions are kept |
//! | `operator` | the library's operators, and combinations |
//! | `choice`, `penalty`, `options` | numbers and rules; penalties; methods, preconditioners, misfits |
//! | `problem`, `factorization`, `rows`, `batch` | the calls |
//! | `watch` | work without the interpreter's lock, Ctrl-C |
//! | `solution`, `report`, `comparison`, `inference`, `posterior` | answers |
//! | `scipy` | LSQR and LSMR as SciPy stops them |
//! | `errors` | exceptions and their texts |

#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

mod array;
mod batch;
mod callback;
mod choice;
mod comparison;
mod errors;
mod factorization;
mod inference;
mod matrix;
mod operator;
mod options;
mod penalty;
mod posterior;
mod problem;
mod report;
mod rows;
mod scalar;
mod scipy;
mod solution;
mod watch;

use pyo3::prelude::*;

/// ``count`` numbers from ``low`` to ``high``, equally spaced in the logarithm.
///
/// Examples
/// --------
/// >>> import wellposed as wp
/// >>> wp.log_grid(1e-2, 1.0, 3)
/// array([0.01, 0.1 , 1.  ])
#[pyfunction]
fn log_grid(py: Python<'_>, low: f64, high: f64, count: options::Count) -> Bound<'_, PyAny> {
    array::numbers(py, wellposed::log_grid(low..=high, count.0).collect())
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<problem::Problem>()?;
    module.add_class::<factorization::Factorization>()?;
    module.add_class::<factorization::Spectrum>()?;
    module.add_class::<solution::Solution>()?;
    module.add_class::<report::Report>()?;
    module.add_class::<report::Criterion>()?;
    module.add_class::<solution::Step>()?;
    module.add_class::<comparison::RuleComparison>()?;
    module.add_class::<comparison::RuleRow>()?;
    module.add_class::<comparison::Diagnostics>()?;
    module.add_class::<choice::Lambda>()?;
    module.add_class::<inference::Inference>()?;
    module.add_class::<posterior::Posterior>()?;
    module.add_class::<rows::Rows>()?;
    module.add_class::<rows::RowsFactorization>()?;
    module.add_class::<rows::Window>()?;
    module.add_class::<operator::Operator>()?;
    module.add_function(wrap_pyfunction!(problem::ridge, module)?)?;
    module.add_function(wrap_pyfunction!(problem::tikhonov, module)?)?;
    module.add_function(wrap_pyfunction!(batch::ridge_batch, module)?)?;
    module.add_function(wrap_pyfunction!(operator::make_operator, module)?)?;
    module.add_function(wrap_pyfunction!(operator::make_kernel, module)?)?;
    module.add_function(wrap_pyfunction!(operator::test_adjoint, module)?)?;
    module.add_function(wrap_pyfunction!(log_grid, module)?)?;
    module.add_function(wrap_pyfunction!(scipy::iterate, module)?)?;
    Ok(())
}
