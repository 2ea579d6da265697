//! The calls of a `Problem`, generic in the scalar type, and the one-line calls.

use super::settings::Settings;
use crate::array::{Columns, Held, reals};
use crate::callback::Failure;
use crate::choice;
use crate::errors::in_python;
use crate::factorization::{Factorization, Keep, each};
use crate::inference::Inference;
use crate::matrix::Source;
use crate::penalty::PenaltyOf;
use crate::posterior::{KeepPosterior, Posterior, PriorOf, draws, map_estimate, relevance};
use crate::scalar::{Element, dispatch};
use crate::solution::{Answer, Solution};
use crate::watch::Watch;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use std::sync::Arc;
use wellposed::Choice;

type Array<'a, 'py> = &'a Bound<'py, PyUntypedArray>;

fn names(settings: &Settings, py: Python<'_>) -> Option<Py<PyAny>> {
    settings.matrix.names.as_ref().map(|names| names.clone_ref(py))
}

pub fn solve_for<T: Element>(
    settings: &Settings,
    py: Python<'_>,
    b: Array<'_, '_>,
    choice: Choice,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Solution> {
    let b = Held::<T>::new(b, "b")?;
    let failure = Failure::default();
    let unknowns = settings.matrix.shape.1;
    let observer = observer.map(|observer| observer.clone().unbind());
    let answer = settings.with::<T, _>(py, &failure, |problem| {
        let mut watch = Watch::new(observer.as_ref(), &failure);
        let solution = problem.solve_with(&Columns(b.view()), choice, |step| watch.see(step))?;
        Ok(Answer::new(solution, unknowns))
    })?;
    answer.into_python(py, b.vector, settings.matrix.names.as_ref())
}

pub fn path_for<T: Element>(
    settings: &Settings,
    py: Python<'_>,
    b: Array<'_, '_>,
    lambdas: Vec<wellposed::Lambda>,
) -> PyResult<Vec<Solution>> {
    let b = Held::<T>::new(b, "b")?;
    let unknowns = settings.matrix.shape.1;
    let answers = settings.with::<T, _>(py, &Failure::default(), |problem| {
        let solutions = problem.path(&Columns(b.view()), lambdas)?;
        Ok(solutions.into_iter().map(|solution| Answer::new(solution, unknowns)).collect::<Vec<_>>())
    })?;
    answers.into_iter().map(|answer| answer.into_python(py, b.vector, settings.matrix.names.as_ref())).collect()
}

pub fn inference_for<'py, T: Element>(
    settings: &Settings,
    py: Python<'py>,
    b: Array<'_, 'py>,
    choice: Choice,
) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let names = match &settings.matrix.names {
        Some(names) => Some(names.bind(py).try_iter()?.map(|name| Ok(name?.str()?.to_string())).collect::<PyResult<Vec<String>>>()?),
        None => None,
    };
    let found = settings.with::<T, _>(py, &Failure::default(), |problem| problem.inference(&Columns(b.view()), choice))?;
    let found = found.into_iter().map(|inference| match &names {
        Some(names) => Inference(inference.names(names.clone())),
        None => Inference(inference),
    });
    each(py, found.collect(), b.vector)
}

pub fn posterior_for<'py, T: KeepPosterior>(
    settings: &Settings,
    py: Python<'py>,
    b: Array<'_, 'py>,
    choice: Option<&Bound<'py, PyAny>>,
    rank: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let failure = Failure::default();
    let found = match rank {
        None => {
            let scales = choice::scales(choice)?;
            settings.with::<T, _>(py, &failure, |problem| problem.posterior(&Columns(b.view()), scales))?
        }
        Some(rank) => {
            let choice = choice_or_gcv(choice)?;
            settings.with::<T, _>(py, &failure, |problem| problem.posterior_low_rank(&Columns(b.view()), choice, rank))?
        }
    };
    each(py, found.into_iter().map(Posterior::new::<T>).collect(), b.vector)
}

pub fn samples_for<'py, T: KeepPosterior>(
    settings: &Settings,
    py: Python<'py>,
    b: Array<'_, 'py>,
    posterior: &Posterior,
    count: usize,
    seed: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let posterior = posterior.of::<T>()?;
    let found = settings.with::<T, _>(py, &Failure::default(), |problem| problem.samples(&Columns(b.view()), posterior, count, seed))?;
    draws(py, found)
}

pub fn relevance_for<'py, T: Element>(settings: &Settings, py: Python<'py>, b: Array<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let found = settings.with::<T, _>(py, &Failure::default(), |problem| problem.relevance(&Columns(b.view())))?;
    each(py, found.into_iter().map(|one| relevance(py, one)).collect::<PyResult<Vec<_>>>()?, b.vector)
}

pub fn map_for<'py, T: Element>(
    settings: &Settings,
    py: Python<'py>,
    b: Array<'_, 'py>,
    prior: &Bound<'py, PyAny>,
    start: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let failure = Failure::default();
    let prior = PriorOf::new(prior, &failure)?;
    let start = start.map(|start| Ok::<_, PyErr>(reals::<f64>(start, "the start")?.to_vec())).transpose()?;
    let found = settings.with::<T, _>(py, &failure, |problem| match &start {
        None => problem.map(&Columns(b.view()), prior.log_prior()),
        Some(start) => problem.map_from(&Columns(b.view()), prior.log_prior(), start),
    })?;
    each(py, found.into_iter().map(|one| map_estimate(py, one)).collect::<PyResult<Vec<_>>>()?, b.vector)
}

pub fn lambda_max_for<'py, T: Element>(settings: &Settings, py: Python<'py>, b: Array<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let b = Held::<T>::new(b, "b")?;
    let largest = settings.with::<T, _>(py, &Failure::default(), |problem| problem.lambda_max(&Columns(b.view())))?;
    match (b.vector, largest.first()) {
        (true, Some(&only)) => Ok(pyo3::types::PyFloat::new(py, only).into_any()),
        _ => Ok(crate::array::numbers(py, largest)),
    }
}

pub fn plan_for<T: Element>(settings: &Settings, py: Python<'_>, choice: Choice) -> PyResult<String> {
    settings.with::<T, _>(py, &Failure::default(), |problem| Ok(in_python(&problem.plan(choice)?.to_string())))
}

pub fn factorize_for<T: Element + Keep>(settings: &Settings, py: Python<'_>) -> PyResult<Factorization> {
    let factor = settings.with::<T, _>(py, &Failure::default(), |problem| problem.factorize())?;
    Ok(Factorization::new(T::keep(factor), T::KIND, settings.matrix.shape.1, names(settings, py)))
}

/// Solves in the type that holds everything.
pub fn solve(
    py: Python<'_>,
    settings: &Settings,
    b: &Bound<'_, PyAny>,
    choice: Option<&Bound<'_, PyAny>>,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Solution> {
    let choice = choice_or_gcv(choice)?;
    let (b, kind) = settings.with_data(b)?;
    dispatch!(kind, solve_for(settings, py, &b, choice, observer))
}

/// The choice given, or generalized cross-validation.
pub fn choice_or_gcv(object: Option<&Bound<'_, PyAny>>) -> PyResult<Choice> {
    object.map_or_else(|| Ok(wellposed::Gcv.into()), choice::choice)
}

/// Minimises ``||A x - b||^2 + lam ||x||^2``.
///
/// Parameters
/// ----------
/// A : array_like, sparse matrix, DataFrame or operator, shape (m, n)
///     As in ``Problem``.
/// b : array_like, shape (m,) or (m, k)
///     One right-hand side, or one in each column.
/// choice : float, Lambda, str or rule, default "gcv"
///     ``lam`` itself (scikit-learn's ``alpha``), or the rule that chooses it.
///
/// Returns
/// -------
/// Solution
///     ``x``, ``lam``, ``residual_norm``, ``penalty_norm``, ``dof``, ``rank``, ``report``.
///
/// Raises
/// ------
/// Error
///     A ``ValueError``: wrong shapes, NaN, a negative ``lam``, or a rule that finds none.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> A = np.array([[3.0, 1.0], [1.0, 2.0], [0.0, 1.0]])
/// >>> fit = wp.ridge(A, [1.0, 2.0, 0.5], 0.1)
/// >>> np.allclose(A.T @ (A @ fit.x - [1.0, 2.0, 0.5]) + 0.1 * fit.x, 0)
/// True
/// >>> wp.ridge(A, [1.0, 2.0, 0.5], wp.Lambda.from_damping(0.1)).lam
/// 0.010000000000000002
#[pyfunction]
#[pyo3(signature = (A, b, choice=None))]
#[allow(non_snake_case)]
pub fn ridge(py: Python<'_>, A: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, choice: Option<&Bound<'_, PyAny>>) -> PyResult<Solution> {
    solve(py, &Settings::new(A)?, b, choice, None)
}

/// Minimises ``||A x - b||^2 + ||Gamma x||^2`` for a Tikhonov matrix of any shape and rank.
///
/// Parameters
/// ----------
/// A : array_like, sparse matrix, DataFrame or operator, shape (m, n)
///     As in ``Problem``.
/// b : array_like, shape (m,) or (m, k)
///     One right-hand side, or one in each column.
/// Gamma : array_like, sparse matrix or operator, shape (p, n)
///     The Tikhonov matrix, sqrt(lam) L.
///
/// Returns
/// -------
/// Solution
///     With ``lam`` 1.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> wp.tikhonov(np.eye(2), [1.0, 2.0], np.diag([1.0, 0.0])).x
/// array([0.5, 2. ])
#[pyfunction]
#[pyo3(signature = (A, b, Gamma))]
#[allow(non_snake_case)]
pub fn tikhonov(py: Python<'_>, A: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, Gamma: &Bound<'_, PyAny>) -> PyResult<Solution> {
    let mut settings = Settings::new(A)?;
    settings.penalty = Arc::new(PenaltyOf::Matrix(Source::new(Gamma, "Gamma")?));
    let (b, kind) = settings.with_data(b)?;
    dispatch!(kind, solve_for(&settings, py, &b, 1.0.into(), None))
}
