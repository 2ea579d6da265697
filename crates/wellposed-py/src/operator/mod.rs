//! `wellposed.operator`: the library's operators, and what is made of them and of Python's matrices.
//!
//! An operator is a tree. Leaves of the library are built once in their own scalar type, which also checks them, and again where a
//! problem is computed in another; leaves of Python are looked at like any A. Combinations are built for as long as a call takes:
//! they hold nothing of size.

mod made;

pub use made::{make_kernel, make_operator, test_adjoint};

use crate::array::{Held, answer, array, kind_of};
use crate::callback::Failure;
use crate::errors::{raise, type_error, value_error};
use crate::matrix::{Matrix, Source};
use crate::scalar::{Element, Kind, dispatch};
use crate::watch::detached;
use core::any::Any;
use numpy::{PyArrayDescr, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::Arc;
use wellposed::operator::{self, Boundary, Grid, Kernel};
use wellposed::{Operator as _, Real, c64};

/// An operator of one scalar type that owns what it needs.
type Owned<T> = Arc<dyn wellposed::Operator<Scalar = T> + Send + Sync>;
/// An operator of a call.
type Lent<'a, T> = Box<dyn wellposed::Operator<Scalar = T> + 'a>;

/// A linear map whose products are fast, with the interface of SciPy's ``LinearOperator``.
///
/// ``op @ x``, ``op @ other``, ``op + other``, ``2.0 * op``, ``op.H``; ``wellposed.Problem(op)`` and ``Penalty.matrix(op)`` recognise what
/// fast transforms diagonalise. The functions of ``wellposed.operator`` make them.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import wellposed as wp
/// >>> blur = wp.operator.convolution(5, [0.25, 0.5, 0.25], "zero")
/// >>> np.allclose(blur @ np.array([0.0, 0.0, 4.0, 0.0, 0.0]), [0.0, 1.0, 2.0, 1.0, 0.0])
/// True
/// >>> (2.0 * blur.H).shape
/// (5, 5)
#[pyclass(frozen, module = "wellposed.operator")]
pub struct Operator {
    node: Arc<Node>,
    /// (rows, columns).
    pub shape: (usize, usize),
    /// The scalar type that it asks for.
    pub kind: Kind,
    /// The function of `wellposed.operator` that makes it.
    name: &'static str,
}

/// A tree of operators.
enum Node {
    /// The recipe, and what it gave in its own scalar type: an `Owned`.
    Made(Recipe, Box<dyn Any + Send + Sync>),
    /// A matrix or operator of Python.
    Given(Source),
    Scaled(c64, Arc<Node>),
    Adjoint(Arc<Node>),
    Transpose(Arc<Node>),
    Two(Two, Arc<Node>, Arc<Node>),
    Many(Many, Vec<Arc<Node>>),
}

#[derive(Clone, Copy)]
enum Two {
    Product,
    Sum,
    Kronecker,
}

#[derive(Clone, Copy)]
enum Many {
    Stack,
    Beside,
    BlockDiagonal,
}

/// What makes an operator of the library.
enum Recipe {
    Convolution { rows: usize, columns: usize, kernel: Kernel<c64>, boundary: Boundary },
    Difference { second: bool, n: usize, boundary: Boundary },
    Difference2d { second: bool, rows: usize, columns: usize, boundary: Boundary },
    Gradient(Grid, Boundary),
    Laplacian(Grid, Boundary),
    Select { n: usize, places: Vec<usize> },
    Sampling { shape: (usize, usize), steps: (usize, usize) },
    Diagonal(Vec<c64>),
    ParallelBeam { n: usize, angles: Vec<f64>, detectors: usize, spacing: f64 },
}

/// A number in the type T; a real type has asked for no imaginary part.
fn narrowed<T: Element>(value: c64) -> T {
    T::from_parts(T::Real::from_f64(value.re), T::Real::from_f64(value.im))
}

impl Recipe {
    fn make<T: Element>(&self) -> wellposed::Result<Owned<T>> {
        Ok(match self {
            Self::Convolution { rows, columns, kernel, boundary } => {
                let ((down, across), (row, column)) = (kernel.shape(), kernel.centre_at());
                let entries: Vec<T> = kernel.entries().iter().map(|&value| narrowed(value)).collect();
                let kernel = Kernel::new(&entries, down, across)?.centre(row, column)?;
                Arc::new(operator::convolution(*rows, *columns, &kernel, *boundary)?)
            }
            Self::Difference { second: false, n, boundary } => Arc::new(operator::first_difference::<T>(*n, *boundary)),
            Self::Difference { second: true, n, boundary } => Arc::new(operator::second_difference::<T>(*n, *boundary)),
            Self::Difference2d { second: false, rows, columns, boundary } => {
                Arc::new(operator::first_difference_2d::<T>(*rows, *columns, *boundary))
            }
            Self::Difference2d { second: true, rows, columns, boundary } => {
                Arc::new(operator::second_difference_2d::<T>(*rows, *columns, *boundary))
            }
            Self::Gradient(grid, boundary) => Arc::new(grid.gradient::<T>(*boundary)),
            Self::Laplacian(grid, boundary) => Arc::new(grid.laplacian::<T>(*boundary)?),
            Self::Select { n, places } => Arc::new(operator::select::<T>(*n, places.clone())?),
            Self::Sampling { shape, steps } => Arc::new(operator::sampling::<T>(shape.0, shape.1, steps.0, steps.1)?),
            Self::Diagonal(d) => Arc::new(operator::diagonal(d.iter().map(|&value| narrowed::<T>(value)).collect())),
            Self::ParallelBeam { n, angles, detectors, spacing } => {
                Arc::new(operator::parallel_beam::<T>(*n, angles, *detectors, *spacing)?)
            }
        })
    }
}

/// A tree whose memory is kept alive, in one scalar type.
pub enum HeldOperator<'f, T> {
    Made(Owned<T>),
    Given(Matrix<'f, T>),
    Scaled(T, Box<HeldOperator<'f, T>>),
    Adjoint(Box<HeldOperator<'f, T>>),
    Transpose(Box<HeldOperator<'f, T>>),
    #[expect(private_interfaces, reason = "the tree is built and read here")]
    Two(Two, Box<HeldOperator<'f, T>>, Box<HeldOperator<'f, T>>),
    #[expect(private_interfaces, reason = "the tree is built and read here")]
    Many(Many, Vec<HeldOperator<'f, T>>),
}

impl Node {
    fn hold<'f, T: Element>(&self, py: Python<'_>, what: &str, failure: &'f Failure) -> PyResult<HeldOperator<'f, T>> {
        let boxed = |node: &Node| node.hold(py, what, failure).map(Box::new);
        Ok(match self {
            Self::Made(recipe, made) => HeldOperator::Made(match made.downcast_ref::<Owned<T>>() {
                Some(made) => Arc::clone(made),
                None => recipe.make().map_err(|error| raise(py, &error))?,
            }),
            Self::Given(source) => HeldOperator::Given(source.hold(py, what, failure)?),
            Self::Scaled(factor, node) => HeldOperator::Scaled(narrowed(*factor), boxed(node)?),
            Self::Adjoint(node) => HeldOperator::Adjoint(boxed(node)?),
            Self::Transpose(node) => HeldOperator::Transpose(boxed(node)?),
            Self::Two(how, a, b) => HeldOperator::Two(*how, boxed(a)?, boxed(b)?),
            Self::Many(how, nodes) => {
                HeldOperator::Many(*how, nodes.iter().map(|node| node.hold(py, what, failure)).collect::<PyResult<_>>()?)
            }
        })
    }
}

impl<T: Element> HeldOperator<'_, T> {
    /// As the library sees it.
    ///
    /// # Errors
    /// Index arrays that are none; shapes that do not fit together.
    pub fn operator(&self) -> wellposed::Result<Lent<'_, T>> {
        Ok(match self {
            Self::Made(made) => Box::new(&**made),
            Self::Given(matrix) => matrix.operator()?,
            Self::Scaled(factor, inner) => Box::new(operator::scaled(*factor, inner.operator()?)),
            Self::Adjoint(inner) => Box::new(operator::adjoint(inner.operator()?)),
            Self::Transpose(inner) => Box::new(operator::transpose(inner.operator()?)),
            Self::Two(how, a, b) => {
                let (a, b) = (a.operator()?, b.operator()?);
                match how {
                    Two::Product => Box::new(operator::product(a, b)?),
                    Two::Sum => Box::new(operator::sum(a, b)?),
                    Two::Kronecker => Box::new(operator::kronecker(a, b)?),
                }
            }
            Self::Many(how, all) => {
                let blocks = all.iter().map(Self::operator).collect::<wellposed::Result<Vec<_>>>()?;
                match how {
                    Many::Stack => Box::new(operator::stack(blocks)?),
                    Many::Beside => Box::new(operator::beside(blocks)?),
                    Many::BlockDiagonal => Box::new(operator::block_diagonal(blocks)?),
                }
            }
        })
    }
}

const LEAST: Kind = Kind { double: false, complex: false };

/// The shape of a tree, with its parts checked against each other.
fn shape_of<T: Element>(node: &Node, py: Python<'_>) -> PyResult<(usize, usize)> {
    let failure = Failure::default();
    let held = node.hold::<T>(py, "the operator", &failure)?;
    held.operator().map(|operator| operator.shape()).map_err(|error| raise(py, &error))
}

fn made<T: Element>(recipe: Recipe, py: Python<'_>) -> PyResult<(Node, (usize, usize))> {
    let owned = detached(py, || recipe.make::<T>()).map_err(|error| raise(py, &error))?;
    let shape = owned.shape();
    Ok((Node::Made(recipe, Box::new(owned)), shape))
}

impl Operator {
    fn of(py: Python<'_>, name: &'static str, recipe: Recipe, kind: Kind) -> PyResult<Self> {
        let (node, shape) = dispatch!(kind, made(recipe, py))?;
        Ok(Self { node: Arc::new(node), shape, kind, name })
    }

    /// A combination, whose parts have to fit together.
    fn combined(py: Python<'_>, name: &'static str, node: Node, kind: Kind) -> PyResult<Self> {
        let shape = dispatch!(kind, shape_of(&node, py))?;
        Ok(Self { node: Arc::new(node), shape, kind, name })
    }

    /// Ready for computing in the type T.
    pub fn hold<'f, T: Element>(&self, py: Python<'_>, what: &str, failure: &'f Failure) -> PyResult<HeldOperator<'f, T>> {
        self.node.hold(py, what, failure)
    }

    fn two(py: Python<'_>, name: &'static str, how: Two, a: &Part, b: &Part) -> PyResult<Self> {
        Self::combined(py, name, Node::Two(how, Arc::clone(&a.node), Arc::clone(&b.node)), a.kind.with(b.kind))
    }

    fn many(py: Python<'_>, name: &'static str, how: Many, blocks: &Bound<'_, PyAny>) -> PyResult<Self> {
        let parts = blocks.try_iter()?.map(|block| Part::new(&block?)).collect::<PyResult<Vec<_>>>()?;
        let kind = parts.iter().fold(LEAST, |kind, part| kind.with(part.kind));
        Self::combined(py, name, Node::Many(how, parts.into_iter().map(|part| part.node).collect()), kind)
    }

    /// A product with an array: Ax, or Aᴴx.
    fn times<'py>(&self, x: &Bound<'py, PyAny>, adjoint: bool, matrix: bool) -> PyResult<Bound<'py, PyAny>> {
        let x = array(x, "x")?;
        let kind = self.kind.with(kind_of(&x, "x")?);
        let (from, rows) = if adjoint { (self.shape.0, "rows") } else { (self.shape.1, "columns") };
        if x.ndim() == 0 || x.ndim() > 2 || x.shape()[0] != from || (matrix && x.ndim() != 2) {
            return Err(value_error(
                x.py(),
                format!("x has the shape {:?}, but {from} values are needed, as many as the operator has {rows}", x.shape()),
            ));
        }
        dispatch!(kind, times(self, &x, adjoint))
    }
}

/// A part of a combination.
struct Part {
    node: Arc<Node>,
    kind: Kind,
}

impl Part {
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(operator) = object.cast::<Operator>() {
            return Ok(Self { node: Arc::clone(&operator.get().node), kind: operator.get().kind });
        }
        let source = Source::new(object, "the operator")?;
        Ok(Self { kind: source.kind, node: Arc::new(Node::Given(source)) })
    }

    fn negative(self) -> Self {
        Self { node: Arc::new(Node::Scaled(c64::new(-1.0, 0.0), self.node)), kind: self.kind }
    }
}

fn times<'py, T: Element>(operator: &Operator, x: &Bound<'py, PyUntypedArray>, adjoint: bool) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let failure = Failure::default();
    let held = operator.hold::<T>(py, "the operator", &failure)?;
    let vector = x.ndim() == 1;
    let x = Held::<T>::new(x, "x")?;
    let columns = x.shape().1;
    let rows = if adjoint { operator.shape.1 } else { operator.shape.0 };
    let product = detached(py, || {
        let operator = held.operator()?;
        let (x, mut y) = (x.to_vec(), vec![T::ZERO; rows * columns]);
        match (adjoint, columns) {
            (false, 1) => operator.apply(&x, &mut y),
            (true, 1) => operator.apply_adjoint(&x, &mut y),
            (false, _) => operator.apply_block(columns, &x, &mut y),
            (true, _) => operator.apply_adjoint_block(columns, &x, &mut y),
        }
        Ok(y)
    });
    if let Some(error) = failure.take() {
        return Err(error);
    }
    answer(py, product.map_err(|error| raise(py, &error))?, (rows, columns), vector)
}

/// Whether it is a number, and not an array or operator.
fn number(object: &Bound<'_, PyAny>) -> Option<c64> {
    if object.getattr("shape").is_ok_and(|shape| shape.is_truthy().unwrap_or(true)) {
        return None;
    }
    // Python's complex() takes whatever is a number
    let complex = object.py().get_type::<pyo3::types::PyComplex>().call1((object,)).ok()?;
    let part = |name: &str| complex.getattr(name).and_then(|value| value.extract::<f64>()).ok();
    Some(c64::new(part("real")?, part("imag")?))
}

#[pymethods]
impl Operator {
    /// (rows, columns).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// The scalar type of its products with arrays of no wider type.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.kind.dtype(py)
    }

    /// ``A x`` for a vector, or for a column.
    fn matvec<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.times(x, false, false)
    }

    /// ``A^H x`` for a vector, or for a column.
    fn rmatvec<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.times(x, true, false)
    }

    /// ``A X`` for the columns of a matrix.
    #[pyo3(signature = (X))]
    #[allow(non_snake_case)]
    fn matmat<'py>(&self, X: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.times(X, false, true)
    }

    /// ``A^H X`` for the columns of a matrix.
    #[pyo3(signature = (X))]
    #[allow(non_snake_case)]
    fn rmatmat<'py>(&self, X: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.times(X, true, true)
    }

    /// The conjugate transpose.
    #[getter]
    #[allow(non_snake_case)]
    fn H(&self, py: Python<'_>) -> PyResult<Self> {
        Self::combined(py, "adjoint", Node::Adjoint(Arc::clone(&self.node)), self.kind)
    }

    /// The transpose.
    #[getter]
    #[allow(non_snake_case)]
    fn T(&self, py: Python<'_>) -> PyResult<Self> {
        Self::combined(py, "transpose", Node::Transpose(Arc::clone(&self.node)), self.kind)
    }

    fn __matmul__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if other.cast::<Operator>().is_err() && !other.hasattr("matvec")? {
            return slf.get().times(other, false, false);
        }
        let product = Self::two(py, "product", Two::Product, &Part::new(slf.as_any())?, &Part::new(other)?)?;
        Ok(Bound::new(py, product)?.into_any())
    }

    fn __add__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::two(slf.py(), "sum", Two::Sum, &Part::new(slf.as_any())?, &Part::new(other)?)
    }

    fn __radd__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::two(slf.py(), "sum", Two::Sum, &Part::new(other)?, &Part::new(slf.as_any())?)
    }

    fn __rsub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::two(slf.py(), "sum", Two::Sum, &Part::new(other)?, &Part::new(slf.as_any())?.negative())
    }

    fn __rmatmul__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if other.hasattr("matvec")? {
            let product = Self::two(py, "product", Two::Product, &Part::new(other)?, &Part::new(slf.as_any())?)?;
            return Ok(Bound::new(py, product)?.into_any());
        }
        // (AᵀXᵀ)ᵀ
        slf.get().T(py)?.times(array(other, "x")?.getattr("T")?.as_any(), false, false)?.getattr("T")
    }

    fn __sub__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::two(slf.py(), "sum", Two::Sum, &Part::new(slf.as_any())?, &Part::new(other)?.negative())
    }

    fn __neg__(&self, py: Python<'_>) -> PyResult<Self> {
        Self::combined(py, "scaled", Node::Scaled(c64::new(-1.0, 0.0), Arc::clone(&self.node)), self.kind)
    }

    fn __mul__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match number(other) {
            // SciPy's * is a product, too
            None => Self::__matmul__(slf, other),
            Some(_) => Ok(Bound::new(slf.py(), Self::__rmul__(slf, other)?)?.into_any()),
        }
    }

    fn __rmul__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Some(factor) = number(other) else {
            return Err(type_error(format!("{} times an operator: give a number, or write operator @ x", other.repr()?)));
        };
        if !(factor.re.is_finite() && factor.im.is_finite()) {
            return Err(value_error(slf.py(), format!("the factor of an operator is {}, but it must be finite", other.repr()?)));
        }
        let kind = slf.get().kind.with(Kind { complex: factor.im != 0.0, ..LEAST });
        Self::combined(slf.py(), "scaled", Node::Scaled(factor, Arc::clone(&slf.get().node)), kind)
    }

    /// NumPy's arrays leave products with operators to these.
    #[classattr]
    fn __array_ufunc__() -> Option<Py<PyAny>> {
        None
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(type_error("an operator is not pickled: make it again where it is needed, which costs a fraction of a product or a few"))
    }

    fn __repr__(&self) -> String {
        format!("<wellposed.operator.{} {}×{} {}>", self.name, self.shape.0, self.shape.1, self.kind.name())
    }
}
