//! Penalty, method and preconditioner from Python: looked at when they are set, turned into the library's values when the scalar
//! type of the problem is known.

use crate::array::reals;
use crate::callback::Failure;
use crate::choice::unknown;
use crate::errors::{raise, type_error, value_error};
use crate::matrix::{Matrix, Source};
use crate::scalar::{Element, Kind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use wellposed::method::ProjectedGcv;
use wellposed::operator::{Boundary, Grid};
use wellposed::preconditioner::{Nystrom, Sketch};
use wellposed::{
    Admm, Cgls, CoordinateDescent, HybridLsmr, HybridLsqr, Lsmr, Lsqr, Method, Operator, Penalty, Preconditioner, Probes, c64,
};

/// R, with matrices as Python has them.
pub enum PenaltyOf {
    Identity,
    Diagonal(Py<PyAny>),
    Difference {
        second: bool,
        boundary: Boundary,
    },
    Difference2d {
        second: bool,
        rows: usize,
        columns: usize,
        boundary: Boundary,
    },
    Gradient {
        grid: Grid,
        boundary: Boundary,
    },
    Laplacian {
        grid: Grid,
        boundary: Boundary,
    },
    Matrix(Source),
    Sum(Vec<(f64, PenaltyOf)>),
    /// Another norm of Lz.
    Shaped(Box<PenaltyOf>, Shape),
}

/// How Lz is measured, if not by its square.
#[derive(Clone)]
pub enum Shape {
    L1,
    ElasticNet(f64),
    Groups(Vec<usize>),
    Isotropic,
}

impl Shape {
    fn of<'a, T: Element>(&self, penalty: Penalty<'a, T>) -> Penalty<'a, T> {
        match self {
            Self::L1 => penalty.l1(),
            Self::ElasticNet(rho) => penalty.elastic_net(*rho),
            Self::Groups(labels) => penalty.group_lasso(labels),
            Self::Isotropic => penalty.isotropic(),
        }
    }
}

impl PenaltyOf {
    /// `None`, a name, a `wellposed.Penalty`, or a matrix or operator L.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if object.is_none() {
            return Ok(Self::Identity);
        }
        if let Ok(name) = object.cast::<PyString>() {
            return match name.to_str()? {
                "identity" => Ok(Self::Identity),
                "first_difference" => Ok(Self::Difference { second: false, boundary: Boundary::Free }),
                "second_difference" => Ok(Self::Difference { second: true, boundary: Boundary::Free }),
                other => Err(unknown(
                    py,
                    "the penalty",
                    other,
                    "\"identity\", \"first_difference\", \"second_difference\", a wellposed.Penalty, or a matrix L",
                )),
            };
        }
        let Ok(specification) = object.getattr("_specification") else {
            return Ok(Self::Matrix(Source::new(object, "L")?));
        };
        let (name, options): (String, Bound<'_, PyDict>) = specification.extract()?;
        let item = |key: &str| options.get_item(key)?.ok_or_else(|| type_error(format!("the penalty has no {key}")));
        let boundary_of = || boundary(&item("boundary")?);
        Ok(match name.as_str() {
            "identity" => Self::Identity,
            "diagonal" => Self::Diagonal(item("weights")?.unbind()),
            "difference" => Self::Difference { second: item("order")?.extract::<usize>()? == 2, boundary: boundary_of()? },
            "difference_2d" => Self::Difference2d {
                second: item("order")?.extract::<usize>()? == 2,
                rows: item("rows")?.extract()?,
                columns: item("columns")?.extract()?,
                boundary: boundary_of()?,
            },
            "gradient" => Self::Gradient { grid: grid(&item("shape")?, &item("spacing")?)?, boundary: boundary_of()? },
            "laplacian" => Self::Laplacian { grid: grid(&item("shape")?, &item("spacing")?)?, boundary: boundary_of()? },
            "matrix" => Self::Matrix(Source::new(&item("l")?, "L")?),
            "sum" => {
                let mut terms = Vec::new();
                for term in item("terms")?.cast::<PyList>()? {
                    let (weight, penalty): (f64, Bound<'_, PyAny>) = term.extract()?;
                    terms.push((weight, Self::new(&penalty)?));
                }
                Self::Sum(terms)
            }
            "l1" | "elastic_net" | "group_lasso" | "isotropic" => {
                let shape = match name.as_str() {
                    "l1" => Shape::L1,
                    "elastic_net" => Shape::ElasticNet(item("rho")?.extract()?),
                    "group_lasso" => Shape::Groups(labels(&item("labels")?)?),
                    _ => Shape::Isotropic,
                };
                Self::Shaped(Box::new(Self::new(&item("of")?)?), shape)
            }
            other => return Err(unknown(py, "the penalty", other, "one of the constructors of wellposed.Penalty")),
        })
    }

    /// The scalar type it asks for beside that of A and b.
    pub fn kind(&self) -> Kind {
        let least = Kind { double: false, complex: false };
        match self {
            Self::Matrix(source) => source.kind,
            Self::Sum(terms) => terms.iter().fold(least, |kind, (_, term)| kind.with(term.kind())),
            Self::Shaped(inner, _) => inner.kind(),
            _ => least,
        }
    }

    /// With its numbers in the type T.
    pub fn hold<'f, T: Element>(&self, py: Python<'_>, failure: &'f Failure) -> PyResult<HeldPenalty<'f, T>> {
        Ok(match self {
            Self::Identity => HeldPenalty::Value(Penalty::identity()),
            Self::Diagonal(weights) => {
                HeldPenalty::Value(Penalty::diagonal(&reals::<T>(weights.bind(py), "the vector of penalty weights")?.to_vec()))
            }
            Self::Difference { second: false, boundary } => HeldPenalty::Value(Penalty::first_difference_with(*boundary)),
            Self::Difference { second: true, boundary } => HeldPenalty::Value(Penalty::second_difference_with(*boundary)),
            Self::Difference2d { second: false, rows, columns, boundary } => {
                HeldPenalty::Value(Penalty::first_difference_2d(*rows, *columns, *boundary))
            }
            Self::Difference2d { second: true, rows, columns, boundary } => {
                HeldPenalty::Value(Penalty::second_difference_2d(*rows, *columns, *boundary))
            }
            Self::Gradient { grid, boundary } => HeldPenalty::Value(Penalty::gradient(grid, *boundary)),
            Self::Laplacian { grid, boundary } => HeldPenalty::Value(Penalty::laplacian(grid, *boundary)),
            Self::Matrix(source) => HeldPenalty::Matrix(source.hold(py, "L", failure)?),
            Self::Shaped(inner, shape) => HeldPenalty::Shaped(Box::new(inner.hold(py, failure)?), shape.clone()),
            Self::Sum(terms) => {
                HeldPenalty::Sum(terms.iter().map(|(weight, term)| Ok((*weight, term.hold(py, failure)?))).collect::<PyResult<_>>()?)
            }
        })
    }
}

/// A penalty whose memory is kept alive.
pub enum HeldPenalty<'f, T: Element> {
    Value(Penalty<'static, T>),
    Matrix(Matrix<'f, T>),
    Sum(Vec<(f64, HeldPenalty<'f, T>)>),
    Shaped(Box<HeldPenalty<'f, T>>, Shape),
}

impl<T: Element> HeldPenalty<'_, T> {
    /// The operators in it, in the order in which [`penalty`](Self::penalty) takes them.
    pub fn operators<'a>(&'a self, into: &mut Vec<Box<dyn Operator<Scalar = T> + 'a>>) -> wellposed::Result<()> {
        match self {
            Self::Value(_) => {}
            Self::Matrix(matrix) => into.push(matrix.operator()?),
            Self::Shaped(inner, _) => inner.operators(into)?,
            Self::Sum(terms) => {
                for (_, term) in terms {
                    term.operators(into)?;
                }
            }
        }
        Ok(())
    }

    /// The library's penalty, which borrows the operators.
    pub fn penalty<'a>(&'a self, operators: &mut core::slice::Iter<'a, Box<dyn Operator<Scalar = T> + 'a>>) -> Penalty<'a, T> {
        match self {
            Self::Value(penalty) => penalty.clone(),
            Self::Shaped(inner, shape) => shape.of(inner.penalty(operators)),
            // `operators` has pushed one for each matrix
            Self::Matrix(_) => operators.next().map_or_else(Penalty::identity, |l| Penalty::matrix(l)),
            Self::Sum(terms) => Penalty::sum(terms.iter().map(|(weight, term)| (*weight, term.penalty(operators))).collect::<Vec<_>>()),
        }
    }
}

fn boundary(object: &Bound<'_, PyAny>) -> PyResult<Boundary> {
    Ok(match object.extract::<String>()?.as_str() {
        "free" => Boundary::Free,
        "zero" => Boundary::Zero,
        "periodic" => Boundary::Periodic,
        "reflective" => Boundary::Reflective,
        other => return Err(unknown(object.py(), "the boundary", other, "\"free\", \"zero\", \"periodic\" or \"reflective\"")),
    })
}

fn grid(shape: &Bound<'_, PyAny>, spacing: &Bound<'_, PyAny>) -> PyResult<Grid> {
    let py = shape.py();
    let grid = Grid::new(&shape.extract::<Vec<usize>>()?).map_err(|error| raise(py, &error))?;
    if spacing.is_none() {
        return Ok(grid);
    }
    grid.spacing(&spacing.extract::<Vec<f64>>()?).map_err(|error| raise(py, &error))
}

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
            "probes" => Probes::new().into(),
            "coordinate_descent" => CoordinateDescent::new().into(),
            "admm" => Admm::new().into(),
            other => {
                return Err(unknown(
                    py,
                    "the method",
                    other,
                    "\"auto\", \"cholesky\", \"qr\", \"svd\", \"gsvd\", \"bidiagonal\", \"tridiagonal\", \"transform\", \"cgls\", \"lsqr\", \
                     \"lsmr\", \"hybrid_lsqr\", \"hybrid_lsmr\", \"probes\", \"coordinate_descent\" or \"admm\"; options are given with classes such as wellposed.Lsmr",
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
        "probes" => {
            let mut options = Probes::new();
            if let Some(seed) = given.get("seed")? {
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
        self.object(name)?.map(|value| value.extract::<V>()).transpose()
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
                if let Some(seed) = given.get("seed")? {
                    nystrom = nystrom.seed(seed);
                }
                Self::Nystrom(nystrom)
            } else {
                Self::Sketch(match given.get("seed")? {
                    Some(seed) => Sketch::new().seed(seed),
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

/// The refusal of a wrong type of one of a problem's settings.
pub fn labels(object: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    object.extract::<Vec<usize>>().map_err(|_| {
        value_error(
            object.py(),
            "groups must be one integer label ≥ 0 for each row: numpy.unique(labels, return_inverse=True)[1] makes them",
        )
    })
}
