//! Method, preconditioner, misfit and labels from Python, as the library's values.

use crate::array::reals;
use crate::callback::Failure;
use crate::choice::unknown;
use crate::errors::{type_error, value_error};
use crate::matrix::{Matrix, Source};
use crate::scalar::Element;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use wellposed::method::ProjectedGcv;
use wellposed::preconditioner::{Nystrom, Sketch};
use wellposed::{
    Admm, Cgls, CoordinateDescent, FlexibleLsqr, HybridLsmr, HybridLsqr, Lsmr, Lsqr, Method, Misfit, Preconditioner, Probes, c64,
};

/// A method by name, or with its options.
pub fn method(object: &Bound<'_, PyAny>) -> PyResult<Method> {
    let py = object.py();
    if let Ok(name) = object.cast::<PyString>() {
        return Ok(match name.to_str()? {
            "auto" => Method::Auto,
            "cholesky" => Method::Cholesky,
            "qr" => Method::Qr,
            "svd" => Method::Svd,
            "gsvd" => Method::Gsvd,
            "bidiagonal" => Method::Bidiagonal,
            "tridiagonal" => Method::Tridiagonal,
            "transform" => Method::Transform,
            "cgls" => Cgls::new().into(),
            "lsqr" => Lsqr::new().into(),
            "lsmr" => Lsmr::new().into(),
            "hybrid_lsqr" => HybridLsqr::new().into(),
            "hybrid_lsmr" => HybridLsmr::new().into(),
            "flexible_lsqr" => FlexibleLsqr::new().into(),
            "probes" => Probes::new().into(),
            "coordinate_descent" => CoordinateDescent::new().into(),
            "admm" => Admm::new().into(),
            other => {
                return Err(unknown(
                    py,
                    "the method",
                    other,
                    "\"auto\", \"cholesky\", \"qr\", \"svd\", \"gsvd\", \"bidiagonal\", \"tridiagonal\", \"transform\", \"cgls\", \"lsqr\", \
                     \"lsmr\", \"hybrid_lsqr\", \"hybrid_lsmr\", \"flexible_lsqr\", \"probes\", \"coordinate_descent\" or \"admm\"; options are given with classes such as wellposed.Lsmr",
                ));
            }
        });
    }
    let Ok((name, options)) = object.getattr("_specification").and_then(|s| s.extract::<(String, Bound<'_, PyDict>)>()) else {
        let found = object.repr()?;
        return Err(type_error(format!(
            "the method is {found}, but it must be a name such as \"svd\" or a class such as wellposed.Lsmr()"
        )));
    };
    let given = Given(options);
    macro_rules! stopping {
        ($type:ident) => {{
            let mut options = $type::new();
            if let Some(tolerance) = given.get("tolerance")? {
                options = options.tolerance(tolerance);
            }
            if let Some(steps) = given.get("max_steps")? {
                options = options.max_steps(steps);
            }
            if given.is("accept_partial")? {
                options = options.accept_partial();
            }
            options
        }};
    }
    macro_rules! iterative {
        ($type:ident) => {{
            let mut options = stopping!($type);
            if let Some(steps) = given.get("steps")? {
                options = options.steps(steps);
            }
            if let Some(start) = given.object("start")? {
                options = options.start(&start_guess(&start)?);
            }
            options
        }};
    }
    macro_rules! bidiagonalization {
        ($type:ident) => {{
            let mut options = iterative!($type);
            if given.is("reorthogonalize")? {
                options = options.reorthogonalize();
            }
            if let Some(limit) = given.get("condition_limit")? {
                options = options.condition_limit(limit);
            }
            options
        }};
    }
    macro_rules! hybrid {
        ($type:ident) => {{
            let mut options = stopping!($type);
            if let Some(gcv) = given.get::<String>("gcv")? {
                options = options.gcv(match gcv.as_str() {
                    "automatic" => ProjectedGcv::Automatic,
                    "true_rows" => ProjectedGcv::TrueRows,
                    "weighted" => ProjectedGcv::Weighted,
                    other => return Err(unknown(py, "gcv", other, "\"automatic\", \"true_rows\" or \"weighted\"")),
                });
            }
            if let Some(fraction) = given.get("settle")? {
                options = options.settle(fraction);
            }
            if let Some(steps) = given.get("steps")? {
                options = options.steps(steps);
            }
            if let Some(vectors) = given.get("max_basis")? {
                options = options.max_basis(vectors);
            }
            if let Some(truth) = given.object("compare_with")? {
                options = options.compare_with(&start_guess(&truth)?);
            }
            options.into()
        }};
    }
    Ok(match name.as_str() {
        "cgls" => iterative!(Cgls).into(),
        "lsmr" => bidiagonalization!(Lsmr).into(),
        "lsqr" => {
            let options = bidiagonalization!(Lsqr);
            if given.is("variances")? { options.variances().into() } else { options.into() }
        }
        "coordinate_descent" => stopping!(CoordinateDescent).into(),
        "admm" => stopping!(Admm).into(),
        "hybrid_lsqr" => hybrid!(HybridLsqr),
        "hybrid_lsmr" => hybrid!(HybridLsmr),
        "flexible_lsqr" => hybrid!(FlexibleLsqr),
        "probes" => {
            let mut options = Probes::new();
            if let Some(Seed(seed)) = given.get("seed")? {
                options = options.seed(seed);
            }
            if let Some(count) = given.get("max_probes")? {
                options = options.max_probes(count);
            }
            if let Some(fraction) = given.get("accuracy")? {
                options = options.accuracy(fraction);
            }
            if let Some(steps) = given.get("max_steps")? {
                options = options.max_steps(steps);
            }
            options.into()
        }
        other => return Err(unknown(py, "the method", other, "one of wellposed's classes of methods")),
    })
}

/// Options by name; `None` is what was not given.
struct Given<'py>(Bound<'py, PyDict>);

impl<'py> Given<'py> {
    fn object(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    fn get<V: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(&self, name: &str) -> PyResult<Option<V>> {
        let value = self.object(name)?;
        value.map(|value| value.extract::<V>().map_err(|error| refused_count(&value, name, error))).transpose()
    }

    fn is(&self, name: &str) -> PyResult<bool> {
        Ok(self.get::<bool>(name)?.unwrap_or(false))
    }
}

/// A start guess or a truth, in the type that holds the numbers of all four.
fn start_guess(object: &Bound<'_, PyAny>) -> PyResult<Vec<c64>> {
    let what = "the start guess";
    let array = crate::array::array(object, what)?;
    crate::array::kind_of(&array, what)?;
    Ok(crate::array::Held::<c64>::new(&array, what)?.to_vec())
}

/// A preconditioner as Python has it.
pub enum PreconditionerOf {
    Columns,
    Scales(Py<PyAny>),
    Inverse(Source),
    Nystrom(Nystrom),
    Sketch(Sketch),
}

impl PreconditionerOf {
    /// `"columns"`, a vector of scales, an operator R⁻¹, or `wellposed.Nystrom`, `wellposed.Sketch`.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(name) = object.cast::<PyString>() {
            return match name.to_str()? {
                "columns" => Ok(Self::Columns),
                "nystrom" => Ok(Self::Nystrom(Nystrom::new())),
                "sketch" => Ok(Self::Sketch(Sketch::new())),
                other => Err(unknown(py, "the preconditioner", other, "\"columns\", \"nystrom\", \"sketch\", a vector, or an operator")),
            };
        }
        if let Ok((name, options)) = object.getattr("_specification").and_then(|s| s.extract::<(String, Bound<'_, PyDict>)>()) {
            let given = Given(options);
            return Ok(if name == "nystrom" {
                let mut nystrom = Nystrom::new();
                if let Some(rank) = given.get("rank")? {
                    nystrom = nystrom.rank(rank);
                }
                if let Some(Seed(seed)) = given.get("seed")? {
                    nystrom = nystrom.seed(seed);
                }
                Self::Nystrom(nystrom)
            } else {
                Self::Sketch(match given.get("seed")? {
                    Some(Seed(seed)) => Sketch::new().seed(seed),
                    None => Sketch::new(),
                })
            });
        }
        if object.hasattr("matvec")? || object.getattr("ndim").and_then(|d| d.extract::<usize>()).is_ok_and(|d| d == 2) {
            return Ok(Self::Inverse(Source::new(object, "the inverse of the preconditioner")?));
        }
        Ok(Self::Scales(object.clone().unbind()))
    }

    /// With its numbers in the type T.
    pub fn hold<'f, T: Element>(&self, py: Python<'_>, failure: &'f Failure) -> PyResult<HeldPreconditioner<'f, T>> {
        Ok(match self {
            Self::Columns => HeldPreconditioner::Value(Preconditioner::columns()),
            Self::Scales(scales) => HeldPreconditioner::Value(Preconditioner::scales(
                &reals::<T>(scales.bind(py), "the scales of the preconditioner")?.to_vec(),
            )),
            Self::Nystrom(options) => HeldPreconditioner::Value((*options).into()),
            Self::Sketch(options) => HeldPreconditioner::Value((*options).into()),
            Self::Inverse(source) => HeldPreconditioner::Inverse(source.hold(py, "the inverse of the preconditioner", failure)?),
        })
    }
}

/// A preconditioner whose memory is kept alive.
pub enum HeldPreconditioner<'f, T: Element> {
    Value(Preconditioner<'static, T>),
    Inverse(Matrix<'f, T>),
}

/// `wellposed.Misfit`.
pub fn misfit(object: &Bound<'_, PyAny>) -> PyResult<Misfit> {
    let given = object.getattr("_specification").and_then(|s| s.extract::<(String, Vec<f64>, bool)>());
    let misfit = match given.as_ref().map(|(name, numbers, _)| (name.as_str(), numbers.as_slice())) {
        Ok(("huber", &[delta])) => Misfit::huber(delta),
        Ok(("student_t", &[freedom, scale])) => Misfit::student_t(freedom, scale),
        Ok(("power", &[p])) => Misfit::power(p),
        _ => return Err(type_error(format!("the misfit is {}, but it must be one such as wellposed.Misfit.huber(1.345)", object.repr()?))),
    };
    Ok(if given.is_ok_and(|(.., by_mad)| by_mad) { misfit.scaled_by_mad() } else { misfit })
}

/// A whole number of at least 0.
#[derive(Clone, Copy)]
pub struct Count(pub usize);

impl<'a, 'py> FromPyObject<'a, 'py> for Count {
    type Error = PyErr;
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        object.extract::<usize>().map(Self).map_err(|error| refused_count(&object, "a count", error))
    }
}

/// What random numbers begin with: a whole number of at least 0, of at most 64 bits.
#[derive(Clone, Copy)]
pub struct Seed(pub u64);

impl<'a, 'py> FromPyObject<'a, 'py> for Seed {
    type Error = PyErr;
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        object.extract::<u64>().map(Self).map_err(|error| match (error.is_instance_of::<PyOverflowError>(object.py()), object.repr()) {
            (true, Ok(found)) => {
                value_error(object.py(), format!("the seed is {found}, but it must be a whole number from 0 to 2**64 - 1"))
            }
            _ => type_error(format!("the seed is no whole number ({error}): give one such as 0")),
        })
    }
}

/// Python's own word for a negative count is about its representation.
fn refused_count(value: &Bound<'_, PyAny>, what: &str, error: PyErr) -> PyErr {
    match (error.is_instance_of::<PyOverflowError>(value.py()), value.repr()) {
        (true, Ok(found)) => value_error(value.py(), format!("{what} is {found}, but it must be a whole number of at least 0")),
        _ => error,
    }
}

/// One label for each row.
pub fn labels(object: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    object.extract::<Vec<usize>>().map_err(|_| {
        value_error(
            object.py(),
            "groups must be one integer label ≥ 0 for each row: numpy.unique(labels, return_inverse=True)[1] makes them",
        )
    })
}
