//! What `wellposed.operator` asks for, as recipes.

use super::{Many, Operator, Part, Recipe, Two};
use crate::array::{Held, answer, array, kind_of, reals, vector};
use crate::callback::Failure;
use crate::choice::unknown;
use crate::errors::{raise, value_error};
use crate::matrix::Source;
use crate::options::Count;
use crate::penalty::{boundary, grid};
use crate::scalar::{Element, Kind, dispatch};
use crate::watch::detached;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wellposed::c64;
use wellposed::operator::{self, Kernel};

/// One of the operators of the library, or a combination: ``wellposed.operator`` says what the arguments are.
#[pyfunction]
#[pyo3(name = "_make_operator")]
pub fn make_operator(name: &str, arguments: &Bound<'_, PyTuple>) -> PyResult<Operator> {
    let py = arguments.py();
    let item = |place: usize| arguments.get_item(place);
    let count = |place: usize| item(place)?.extract::<Count>().map(|count| count.0);
    let pair = |place: usize| item(place)?.extract::<(Count, Count)>().map(|(rows, columns)| (rows.0, columns.0));
    let boundary_at = |place: usize| boundary(&item(place)?);
    let double = Kind { double: true, complex: false };
    let made = |name, recipe| Operator::of(py, name, recipe, double);
    match name {
        "convolution" => {
            let (rows, columns) = pair(0)?;
            let (kernel, kind) = kernel(&item(1)?, &item(3)?)?;
            let boundary = boundary_at(2)?;
            Operator::of(py, "convolution", Recipe::Convolution { rows, columns, kernel, boundary }, kind)
        }
        "first_difference" => made("first_difference", Recipe::Difference { second: false, n: count(0)?, boundary: boundary_at(1)? }),
        "second_difference" => made("second_difference", Recipe::Difference { second: true, n: count(0)?, boundary: boundary_at(1)? }),
        "first_difference_2d" | "second_difference_2d" => {
            let ((rows, columns), boundary, second) = (pair(0)?, boundary_at(1)?, name == "second_difference_2d");
            let name = if second { "second_difference_2d" } else { "first_difference_2d" };
            made(name, Recipe::Difference2d { second, rows, columns, boundary })
        }
        "gradient" => made("gradient", Recipe::Gradient(grid(&item(0)?, &item(1)?)?, boundary_at(2)?)),
        "laplacian" => made("laplacian", Recipe::Laplacian(grid(&item(0)?, &item(1)?)?, boundary_at(2)?)),
        "mask" | "select" => {
            // whole numbers of at least 0: `wellposed.operator` has seen to it
            let places = item(1)?.extract::<PyReadonlyArray1<'_, i64>>()?;
            let places = places.as_array().iter().map(|&place| place as usize).collect();
            made(if name == "mask" { "mask" } else { "select" }, Recipe::Select { n: count(0)?, places })
        }
        "sampling" => made("sampling", Recipe::Sampling { shape: pair(0)?, steps: pair(1)? }),
        "diagonal" => {
            let given = array(&item(0)?, "the diagonal")?;
            let kind = kind_of(&given, "the diagonal")?;
            let values = vector(Held::<c64>::new(&given, "the diagonal")?, py, "the diagonal")?.to_vec();
            if let Some(place) = values.iter().position(|value| !(value.re.is_finite() && value.im.is_finite())) {
                return Err(value_error(py, format!("the diagonal is not finite at {place}: replace NaN and infinite values")));
            }
            Operator::of(py, "diagonal", Recipe::Diagonal(values), kind)
        }
        "parallel_beam" => {
            let angles = reals::<f64>(&item(1)?, "the vector of angles")?.to_vec();
            made("parallel_beam", Recipe::ParallelBeam { n: count(0)?, angles, detectors: count(2)?, spacing: item(3)?.extract()? })
        }
        "kronecker" => Operator::two(py, "kronecker", Two::Kronecker, &Part::new(&item(0)?)?, &Part::new(&item(1)?)?),
        "stack" => Operator::many(py, "stack", Many::Stack, &item(0)?),
        "beside" => Operator::many(py, "beside", Many::Beside, &item(0)?),
        "block_diagonal" => Operator::many(py, "block_diagonal", Many::BlockDiagonal, &item(0)?),
        other => Err(unknown(py, "the operator", other, "one of the functions of wellposed.operator")),
    }
}

/// The kernel of a convolution, with the scalar type that it asks for.
fn kernel(object: &Bound<'_, PyAny>, centre: &Bound<'_, PyAny>) -> PyResult<(Kernel<c64>, Kind)> {
    let py = object.py();
    let given = array(object, "the kernel")?;
    let kind = kind_of(&given, "the kernel")?;
    let held = Held::<c64>::new(&given, "the kernel")?;
    let (rows, columns) = held.shape();
    let kernel = Kernel::new(&held.to_vec(), rows, columns).map_err(|error| raise(py, &error))?;
    if centre.is_none() {
        return Ok((kernel, kind));
    }
    let (row, column) = centre.extract::<(Count, Count)>()?;
    Ok((kernel.centre(row.0, column.0).map_err(|error| raise(py, &error))?, kind))
}

/// The kernel of a blur: ``wellposed.operator`` says which.
#[pyfunction]
#[pyo3(name = "_make_kernel")]
pub fn make_kernel<'py>(py: Python<'py>, name: &str, first: f64, second: f64) -> PyResult<Bound<'py, PyAny>> {
    let kernel = match name {
        "gaussian" => operator::gaussian_kernel::<f64>(first, second),
        "motion" => operator::motion_kernel(first, second),
        _ => operator::defocus_kernel(first),
    };
    let kernel = kernel.map_err(|error| raise(py, &error))?;
    answer(py, kernel.entries().to_vec(), kernel.shape(), false)
}

/// Refuses an operator whose products are not adjoint to each other.
#[pyfunction]
#[pyo3(name = "_test_adjoint")]
pub fn test_adjoint(operator: &Bound<'_, PyAny>) -> PyResult<()> {
    let source = Source::new(operator, "the operator")?;
    dispatch!(source.kind, tested(operator.py(), &source))
}

fn tested<T: Element>(py: Python<'_>, source: &Source) -> PyResult<()> {
    let failure = Failure::default();
    let held = source.hold::<T>(py, "the operator", &failure)?;
    let outcome = detached(py, || operator::dot_test(&*held.operator()?));
    failure.take().map_or_else(|| outcome.map_err(|error| raise(py, &error)), Err)
}
