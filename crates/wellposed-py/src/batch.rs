//! `ridge_batch`: many small problems in one call.

use crate::array::{Columns, Held, kind_of};
use crate::errors::{raise, value_error};
use crate::matrix::right_hand_side;
use crate::problem::choice_or_gcv;
use crate::scalar::{Element, Kind, dispatch};
use crate::solution::Answer;
use crate::watch::detached;
use numpy::PyUntypedArray;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use wellposed::Choice;

type Array<'py> = Bound<'py, PyUntypedArray>;

/// ``ridge`` for many problems at once, on all threads: the regressions of groups, patients, pixels.
///
/// Parameters
/// ----------
/// A : iterable of array_like of shape (m, n), or array of shape (k, m, n)
///     Dense; the shapes may differ from problem to problem.
/// b : iterable of array_like of shape (m,), or array of shape (k, m)
/// choice : float, Lambda, str or rule, default "gcv"
///     Each problem has a multiplier of its own.
///
/// Returns
/// -------
/// list
///     A ``Solution`` for each problem, in their order; of one that fails, the ``Error``, which stops no other.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> A = np.random.default_rng(0).standard_normal((3, 8, 2))
/// >>> b = A @ [1.0, -1.0]
/// >>> b[1, 0] = np.nan
/// >>> [type(fit).__name__ for fit in wp.ridge_batch(A, b, 0.1)]
/// ['Solution', 'Error', 'Solution']
#[pyfunction]
#[pyo3(signature = (A, b, choice=None))]
#[allow(non_snake_case)]
pub fn ridge_batch<'py>(
    py: Python<'py>,
    A: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    choice: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let choice = choice_or_gcv(choice)?;
    let mut kind = Kind { double: false, complex: false };
    let mut problems: Vec<(Array<'py>, Array<'py>)> = Vec::new();
    let mut matrices = A.try_iter()?;
    for data in b.try_iter()? {
        let Some(matrix) = matrices.next() else {
            return Err(value_error(py, format!("b has more problems than the {} of A: give one for each", problems.len())));
        };
        let matrix = crate::array::array(&matrix?, "A")?;
        let (data, of_data) = right_hand_side(&data?)?;
        kind = kind.with(kind_of(&matrix, "A")?).with(of_data);
        problems.push((matrix, data));
    }
    if matrices.next().is_some() {
        return Err(value_error(py, format!("A has more problems than the {} of b: give one for each", problems.len())));
    }
    dispatch!(kind, batch_for(py, &problems, choice))
}

fn batch_for<'py, T: Element>(py: Python<'py>, problems: &[(Array<'py>, Array<'py>)], choice: Choice) -> PyResult<Bound<'py, PyList>> {
    let held = problems.iter().map(|(a, b)| Ok((Held::<T>::new(a, "A")?, Held::<T>::new(b, "b")?))).collect::<PyResult<Vec<_>>>()?;
    if let Some((a, _)) = held.iter().find(|(a, _)| a.vector) {
        let rows = a.shape().0;
        return Err(value_error(
            py,
            format!("a matrix of A is a vector of {rows} values, but 2 dimensions are needed: a single column is A.reshape(-1, 1)"),
        ));
    }
    let fits = detached(py, || {
        let pairs: Vec<_> = held.iter().map(|(a, b)| (a.view(), Columns(b.view()))).collect();
        let fits = wellposed::ridge_batch(&pairs, choice);
        fits.into_iter().zip(&pairs).map(|(fit, (a, _))| fit.map(|fit| Answer::new(fit, a.ncols()))).collect::<Vec<_>>()
    });
    let list = PyList::empty(py);
    for (fit, (_, b)) in fits.into_iter().zip(&held) {
        list.append(match fit {
            Ok(answer) => answer.into_python(py, b.vector, None)?.into_bound_py_any(py)?,
            Err(error) => raise(py, &error).into_value(py).into_bound_py_any(py)?,
        })?;
    }
    Ok(list)
}
