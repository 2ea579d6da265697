//! Penalties from Python: looked at when they are set, turned into the library's values when the scalar type of the problem is known.

use crate::array::reals;
use crate::callback::Failure;
use crate::choice::unknown;
use crate::errors::{raise, type_error};
use crate::matrix::{Matrix, Source};
use crate::options::{Count, labels};
use crate::scalar::{Element, Kind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use wellposed::operator::{Boundary, Grid};
use wellposed::{Covariance, Operator, Penalty};

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
    /// zᴴC⁻¹z.
    Covariance(Source),
    /// zᴴPz.
    Precision(Source),
    /// A covariance that is a function of distance.
    Kernel {
        grid: Grid,
        covariance: Covariance,
        boundary: Boundary,
    },
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
    Huber(f64),
    Power(f64),
    StudentT(f64, f64),
}

impl Shape {
    fn of<'a, T: Element>(&self, penalty: Penalty<'a, T>) -> Penalty<'a, T> {
        match self {
            Self::L1 => penalty.l1(),
            Self::ElasticNet(rho) => penalty.elastic_net(*rho),
            Self::Groups(labels) => penalty.group_lasso(labels),
            Self::Isotropic => penalty.isotropic(),
            Self::Huber(delta) => penalty.huber(*delta),
            Self::Power(p) => penalty.power(*p),
            Self::StudentT(freedom, scale) => penalty.student_t(*freedom, *scale),
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
                rows: item("rows")?.extract::<Count>()?.0,
                columns: item("columns")?.extract::<Count>()?.0,
                boundary: boundary_of()?,
            },
            "gradient" => Self::Gradient { grid: grid(&item("shape")?, &item("spacing")?)?, boundary: boundary_of()? },
            "laplacian" => Self::Laplacian { grid: grid(&item("shape")?, &item("spacing")?)?, boundary: boundary_of()? },
            "matrix" => Self::Matrix(Source::new(&item("l")?, "L")?),
            "covariance" => Self::Covariance(Source::new(&item("matrix")?, "the covariance")?),
            "precision" => Self::Precision(Source::new(&item("matrix")?, "the precision")?),
            "kernel" => Self::Kernel {
                grid: grid(&item("shape")?, &item("spacing")?)?,
                covariance: covariance(&item("covariance")?)?,
                boundary: boundary_of()?,
            },
            "sum" => {
                let mut terms = Vec::new();
                for term in item("terms")?.cast::<PyList>()? {
                    let (weight, penalty): (f64, Bound<'_, PyAny>) = term.extract()?;
                    terms.push((weight, Self::new(&penalty)?));
                }
                Self::Sum(terms)
            }
            "l1" | "elastic_net" | "group_lasso" | "isotropic" | "huber" | "power" | "student_t" => {
                let shape = match name.as_str() {
                    "l1" => Shape::L1,
                    "elastic_net" => Shape::ElasticNet(item("rho")?.extract()?),
                    "group_lasso" => Shape::Groups(labels(&item("labels")?)?),
                    "huber" => Shape::Huber(item("delta")?.extract()?),
                    "power" => Shape::Power(item("p")?.extract()?),
                    "student_t" => Shape::StudentT(item("freedom")?.extract()?, item("scale")?.extract()?),
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
            Self::Matrix(source) | Self::Covariance(source) | Self::Precision(source) => source.kind,
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
            Self::Covariance(source) => HeldPenalty::Covariance(source.hold(py, "the covariance", failure)?),
            Self::Precision(source) => HeldPenalty::Precision(source.hold(py, "the precision", failure)?),
            Self::Kernel { grid, covariance, boundary } => HeldPenalty::Kernel(grid.clone(), *covariance, *boundary),
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
    Covariance(Matrix<'f, T>),
    Precision(Matrix<'f, T>),
    Kernel(Grid, Covariance, Boundary),
    Sum(Vec<(f64, HeldPenalty<'f, T>)>),
    Shaped(Box<HeldPenalty<'f, T>>, Shape),
}

impl<T: Element> HeldPenalty<'_, T> {
    /// The operators in it, in the order in which [`penalty`](Self::penalty) takes them.
    pub fn operators<'a>(&'a self, into: &mut Vec<Box<dyn Operator<Scalar = T> + 'a>>) -> wellposed::Result<()> {
        match self {
            Self::Value(_) | Self::Covariance(_) | Self::Precision(_) | Self::Kernel(..) => {}
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
    ///
    /// # Errors
    /// A covariance or precision that is none.
    pub fn penalty<'a>(
        &'a self,
        operators: &mut core::slice::Iter<'a, Box<dyn Operator<Scalar = T> + 'a>>,
    ) -> wellposed::Result<Penalty<'a, T>> {
        Ok(match self {
            Self::Value(penalty) => penalty.clone(),
            Self::Shaped(inner, shape) => shape.of(inner.penalty(operators)?),
            // `operators` has pushed one for each matrix
            Self::Matrix(_) => operators.next().map_or_else(Penalty::identity, |l| Penalty::matrix(l)),
            Self::Covariance(matrix) => Penalty::covariance(&matrix.operator()?)?,
            Self::Precision(matrix) => Penalty::precision(&matrix.operator()?)?,
            Self::Kernel(grid, covariance, boundary) => Penalty::kernel(grid, covariance, *boundary)?,
            Self::Sum(terms) => {
                let terms = terms.iter().map(|(weight, term)| Ok((*weight, term.penalty(operators)?)));
                Penalty::sum(terms.collect::<wellposed::Result<Vec<_>>>()?)
            }
        })
    }
}

/// `wellposed.Covariance`.
fn covariance(object: &Bound<'_, PyAny>) -> PyResult<Covariance> {
    let given = object.getattr("_specification").and_then(|s| s.extract::<(String, Bound<'_, PyTuple>)>());
    let Ok((name, numbers)) = given else {
        return Err(type_error(format!(
            "the covariance is {}, but it must be one such as wellposed.Covariance.matern(1.5, 4.0)",
            object.repr()?
        )));
    };
    let number = |place: usize| numbers.get_item(place)?.extract::<f64>();
    Ok(match name.as_str() {
        "matern" => Covariance::matern(number(0)?, number(1)?).nugget(number(2)?),
        _ => {
            let covariance = Covariance::squared_exponential(number(0)?);
            // its own nugget unless another one is given
            if numbers.get_item(1)?.is_none() { covariance } else { covariance.nugget(number(1)?) }
        }
    })
}

/// `wellposed.penalties.Boundary`.
pub fn boundary(object: &Bound<'_, PyAny>) -> PyResult<Boundary> {
    Ok(match object.extract::<String>()?.as_str() {
        "free" => Boundary::Free,
        "zero" => Boundary::Zero,
        "periodic" => Boundary::Periodic,
        "reflective" => Boundary::Reflective,
        other => return Err(unknown(object.py(), "the boundary", other, "\"free\", \"zero\", \"periodic\" or \"reflective\"")),
    })
}

/// A grid of these sizes; `None` for distances of 1.
pub fn grid(shape: &Bound<'_, PyAny>, spacing: &Bound<'_, PyAny>) -> PyResult<Grid> {
    let py = shape.py();
    let sizes: Vec<usize> = shape.extract::<Vec<Count>>()?.into_iter().map(|size| size.0).collect();
    let grid = Grid::new(&sizes).map_err(|error| raise(py, &error))?;
    if spacing.is_none() {
        return Ok(grid);
    }
    grid.spacing(&spacing.extract::<Vec<f64>>()?).map_err(|error| raise(py, &error))
}
