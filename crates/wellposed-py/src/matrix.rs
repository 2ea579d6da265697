//! A (or L) as Python has it, and as an operator of one scalar type.

use crate::array::{Held, adjacent, array, kind_of};
use crate::callback::{Failure, Products, ProductsOn};
use crate::errors::value_error;
use crate::operator::HeldOperator;
use crate::scalar::{Element, Kind};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyAnyMethods;
use wellposed::faer::MatRef;
use wellposed::{Operator, SparseView};

/// What was given, looked at but not converted.
pub struct Source {
    content: Content,
    /// (rows, columns).
    pub shape: (usize, usize),
    /// The scalar type that it asks for.
    pub kind: Kind,
    /// Names of the columns, of a frame.
    pub names: Option<Py<PyAny>>,
}

enum Content {
    Dense(Py<PyUntypedArray>),
    Sparse {
        by_rows: bool,
        starts: Py<PyUntypedArray>,
        indices: Py<PyUntypedArray>,
        values: Py<PyUntypedArray>,
    },
    Products(Py<PyAny>),
    /// An operator of the library.
    Native(Py<crate::operator::Operator>),
}

/// What `wellposed._inputs.matrix` returns of anything that is no plain array.
#[derive(FromPyObject)]
enum Normalized<'py> {
    Dense(Bound<'py, PyUntypedArray>, Bound<'py, PyAny>),
    Sparse(bool, (usize, usize), Bound<'py, PyUntypedArray>, Bound<'py, PyUntypedArray>, Bound<'py, PyUntypedArray>),
    Products(Bound<'py, PyAny>, (usize, usize), Bound<'py, PyUntypedArray>),
}

impl Source {
    /// An array, frame, sparse matrix, or object with products; `what` names it in errors.
    pub fn new(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        static NDARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static MATRIX: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = object.py();
        if object.get_type().is(NDARRAY.import(py, "numpy", "ndarray")?) {
            return Self::dense(object.cast::<PyUntypedArray>()?, what, None);
        }
        if let Ok(operator) = object.cast::<crate::operator::Operator>() {
            let (shape, kind) = (operator.get().shape, operator.get().kind);
            return Ok(Self { content: Content::Native(operator.clone().unbind()), shape, kind, names: None });
        }
        match MATRIX.import(py, "wellposed._inputs", "matrix")?.call1((object, what))?.extract()? {
            Normalized::Dense(array, names) => Self::dense(&array, what, (!names.is_none()).then(|| names.unbind())),
            Normalized::Sparse(by_rows, shape, starts, indices, values) => Ok(Self {
                kind: kind_of(&values, what)?,
                content: Content::Sparse { by_rows, starts: starts.unbind(), indices: indices.unbind(), values: values.unbind() },
                shape,
                names: None,
            }),
            Normalized::Products(object, shape, sample) => {
                Ok(Self { kind: kind_of(&sample, what)?, content: Content::Products(object.unbind()), shape, names: None })
            }
        }
    }

    fn dense(array: &Bound<'_, PyUntypedArray>, what: &str, names: Option<Py<PyAny>>) -> PyResult<Self> {
        match *array.shape() {
            [rows, columns] => {
                Ok(Self { kind: kind_of(array, what)?, content: Content::Dense(array.clone().unbind()), shape: (rows, columns), names })
            }
            ref shape => {
                // the dtype of ragged lists is what is wrong with them
                kind_of(array, what)?;
                Err(value_error(
                    array.py(),
                    format!("{what} has {} dimensions, but 2 are needed: a single column is {what}.reshape(-1, 1)", shape.len()),
                ))
            }
        }
    }

    /// Ready for computing in the type T.
    pub fn hold<'f, T: Element>(&self, py: Python<'_>, what: &str, failure: &'f Failure) -> PyResult<Matrix<'f, T>> {
        Ok(match &self.content {
            Content::Dense(array) => Matrix::Dense(Held::new(array.bind(py), what)?),
            Content::Sparse { by_rows, starts, indices, values } => Matrix::Sparse(HeldSparse::new(
                *by_rows,
                self.shape,
                Starts::new(starts.bind(py), indices.bind(py), what)?,
                Held::new(values.bind(py), what)?,
            )),
            Content::Native(operator) => Matrix::Native(Box::new(operator.get().hold(py, what, failure)?)),
            Content::Products(object) => Matrix::Products(ProductsOn::new(Products::new(object.bind(py), self.shape, failure)?)),
        })
    }
}

/// A matrix or operator whose memory is kept alive.
pub enum Matrix<'f, T> {
    /// All entries.
    Dense(Held<T>),
    /// Compressed rows or columns.
    Sparse(HeldSparse<T>),
    /// Products only.
    Products(ProductsOn<'f, T>),
    /// Of the library, or made of what the others are.
    Native(Box<HeldOperator<'f, T>>),
}

impl<T: Element> Matrix<'_, T> {
    /// As the library sees it.
    ///
    /// # Errors
    /// Index arrays that are none.
    pub fn operator(&self) -> wellposed::Result<Box<dyn Operator<Scalar = T> + '_>> {
        Ok(match self {
            Matrix::Dense(held) => {
                let view: MatRef<'_, T> = held.view();
                Box::new(view)
            }
            Matrix::Sparse(held) => Box::new(held.view()?),
            Matrix::Products(products) => Box::new(products),
            Matrix::Native(held) => held.operator()?,
        })
    }
}

/// SciPy's arrays of a csr or csc matrix.
pub struct HeldSparse<T> {
    by_rows: bool,
    shape: (usize, usize),
    starts: Starts,
    values: Held<T>,
}

/// Index arrays, of one type.
enum Starts {
    Short(Held32, Held32),
    Long(Held64, Held64),
}

/// Adjacent integers in NumPy's memory, kept alive.
struct Integers<I> {
    _array: Py<PyUntypedArray>,
    pointer: *const I,
    length: usize,
}
type Held32 = Integers<i32>;
type Held64 = Integers<i64>;

// SAFETY: the pointer is read only, and the array that owns the memory is kept.
unsafe impl<I: Sync> Send for Integers<I> {}
// SAFETY: as above.
unsafe impl<I: Sync> Sync for Integers<I> {}

impl<I: numpy::Element> Integers<I> {
    fn new(array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        let array = adjacent(array, &numpy::dtype::<I>(array.py()))?;
        // SAFETY: an array object is valid as long as the reference is.
        let pointer = unsafe { (*array.as_array_ptr()).fields.data }.cast::<I>().cast_const();
        Ok(Self { length: array.len(), pointer, _array: array.unbind() })
    }

    fn slice(&self) -> &[I] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: `length` adjacent, aligned integers that the array owns; see `Held::view` for writers.
        unsafe { core::slice::from_raw_parts(self.pointer, self.length) }
    }
}

impl Starts {
    fn new(starts: &Bound<'_, PyUntypedArray>, indices: &Bound<'_, PyUntypedArray>, what: &str) -> PyResult<Self> {
        let integers =
            |array: &Bound<'_, PyUntypedArray>| array.dtype().getattr("kind")?.extract::<char>().map(|kind| matches!(kind, 'i' | 'u'));
        if !(integers(starts)? && integers(indices)?) {
            return Err(crate::errors::type_error(format!(
                "the index arrays of {what} are not integers: build it with scipy.sparse.csr_array"
            )));
        }
        let short = |array: &Bound<'_, PyUntypedArray>| array.dtype().is_equiv_to(&numpy::dtype::<i32>(array.py()));
        Ok(match short(starts) && short(indices) {
            true => Starts::Short(Integers::new(starts)?, Integers::new(indices)?),
            false => Starts::Long(Integers::new(starts)?, Integers::new(indices)?),
        })
    }
}

impl<T: Element> HeldSparse<T> {
    fn new(by_rows: bool, shape: (usize, usize), starts: Starts, values: Held<T>) -> Self {
        Self { by_rows, shape, starts, values }
    }

    fn view(&self) -> wellposed::Result<SparseView<'_, T>> {
        let (m, n) = self.shape;
        // SciPy's values lie without gaps: `_inputs.matrix` has seen to it
        let values = self.values.slice().unwrap_or_default();
        match (&self.starts, self.by_rows) {
            (Starts::Short(starts, indices), true) => SparseView::csr(m, n, starts.slice(), indices.slice(), values),
            (Starts::Short(starts, indices), false) => SparseView::csc(m, n, starts.slice(), indices.slice(), values),
            (Starts::Long(starts, indices), true) => SparseView::csr(m, n, starts.slice(), indices.slice(), values),
            (Starts::Long(starts, indices), false) => SparseView::csc(m, n, starts.slice(), indices.slice(), values),
        }
    }
}

/// b: an array with its type.
pub fn right_hand_side<'py>(object: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyUntypedArray>, Kind)> {
    let array = array(object, "b")?;
    let kind = kind_of(&array, "b")?;
    Ok((array, kind))
}
