//! NumPy's arrays as matrices of the library, in place with any strides; answers as NumPy's arrays.

use crate::errors::{type_error, value_error};
use crate::scalar::{Element, Kind};
use numpy::{PyArray1, PyArrayDescr, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use wellposed::faer::MatRef;
use wellposed::{Data, DenseView, Scalar};

/// An array of whatever was given: an array as it is; lists, frames, DLPack arrays and the like through Python.
pub fn array<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    static NDARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    // subclasses (masked arrays) are looked at in Python
    if object.get_type().is(NDARRAY.import(py, "numpy", "ndarray")?) {
        return Ok(object.clone().cast_into::<PyUntypedArray>()?);
    }
    Ok(ARRAY.import(py, "wellposed._inputs", "array")?.call1((object, what))?.cast_into::<PyUntypedArray>()?)
}

/// The scalar type in which an array is computed with.
pub fn kind_of(array: &Bound<'_, PyUntypedArray>, what: &str) -> PyResult<Kind> {
    let dtype = array.dtype();
    Kind::of(&dtype).ok_or_else(|| {
        type_error(format!(
            "{what} has dtype {dtype}, but float32, float64, complex64, complex128, integers or booleans are needed: convert it with astype(float)"
        ))
    })
}

/// Numbers that NumPy stores and the library computes with.
pub trait Number: Scalar + numpy::Element {}
impl<T: Scalar + numpy::Element> Number for T {}

/// A vector or matrix in NumPy's memory, kept alive.
pub struct Held<T> {
    // never looked at: it owns what the pointer points to
    _array: Py<PyUntypedArray>,
    pointer: *const T,
    shape: (usize, usize),
    strides: (isize, isize),
    /// One dimension, not two.
    pub vector: bool,
}

// SAFETY: the pointer is read only, through `view`, and the array that owns the memory is kept.
unsafe impl<T: Sync> Send for Held<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Held<T> {}

impl<T: Number> Held<T> {
    /// The array itself where its entries are of type T and lie at whole strides, and a converted copy otherwise.
    pub fn new(array: &Bound<'_, PyUntypedArray>, what: &str) -> PyResult<Self> {
        let py = array.py();
        let vector = match array.ndim() {
            1 => true,
            2 => false,
            dimensions => {
                return Err(value_error(
                    py,
                    format!("{what} has {dimensions} dimensions, but 1 or 2 are needed: reshape it, each column is one right-hand side"),
                ));
            }
        };
        let size = size_of::<T>() as isize;
        let usable = array.dtype().is_equiv_to(&numpy::dtype::<T>(py))
            && array.is_aligned()
            // a stride of 0 is a broadcast array, whose entries are not apart
            && array.strides().iter().zip(array.shape()).all(|(&stride, &length)| stride % size == 0 && (stride != 0 || length <= 1));
        let array = if usable { array.clone() } else { converted::<T>(array)? };
        let steps: Vec<isize> = array.strides().iter().map(|stride| stride / size).collect();
        let lengths = array.shape();
        let (shape, strides) = if vector { ((lengths[0], 1), (steps[0], 1)) } else { ((lengths[0], lengths[1]), (steps[0], steps[1])) };
        // SAFETY: an array object is valid as long as the reference is.
        let pointer = unsafe { (*array.as_array_ptr()).fields.data }.cast::<T>().cast_const();
        Ok(Self { _array: array.unbind(), pointer, shape, strides, vector })
    }

    /// The entries, in place.
    pub fn view(&self) -> MatRef<'_, T> {
        if self.shape.0 == 0 || self.shape.1 == 0 {
            return MatRef::from_column_major_slice(&[], self.shape.0, self.shape.1);
        }
        // SAFETY: NumPy's shape and strides describe memory that the array owns, of aligned and initialised entries of type
        // T; the array is kept as long as the borrow of self. Whoever writes into the array while a solve without the
        // interpreter's lock reads it has a data race, as with every function of NumPy that releases the lock.
        unsafe { MatRef::from_raw_parts(self.pointer, self.shape.0, self.shape.1, self.strides.0, self.strides.1) }
    }

    /// The entries as a slice, where they lie one after another.
    pub fn slice(&self) -> Option<&[T]> {
        let length = self.shape.0 * self.shape.1;
        if length == 0 {
            return Some(&[]);
        }
        let dense = self.shape.0 <= 1 || self.strides.0 == 1;
        // SAFETY: as in `view`, for a vector whose entries are adjacent.
        (dense && self.shape.1 == 1).then(|| unsafe { core::slice::from_raw_parts(self.pointer, length) })
    }

    /// The entries of a vector, copied.
    pub fn to_vec(&self) -> Vec<T> {
        let view = self.view();
        (0..view.ncols()).flat_map(|j| (0..view.nrows()).map(move |i| view[(i, j)])).collect()
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }
}

/// A copy in the type T, by rows.
fn converted<'py, T: Number>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyUntypedArray>> {
    adjacent(array, &numpy::dtype::<T>(array.py()))
}

/// The array itself where it has this type and lies aligned and without gaps, and a copy that does otherwise.
pub fn adjacent<'py>(array: &Bound<'py, PyUntypedArray>, dtype: &Bound<'py, PyArrayDescr>) -> PyResult<Bound<'py, PyUntypedArray>> {
    static REQUIRE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let function = REQUIRE.import(array.py(), "numpy", "require")?;
    // C order and aligned
    Ok(function.call1((array, dtype, "CA"))?.cast_into::<PyUntypedArray>()?)
}

/// A vector of real numbers (weights, scales), converted to the type of the problem.
pub fn reals<T: Element>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Held<T::Real>> {
    let array = array(object, what)?;
    if kind_of(&array, what)?.complex {
        return Err(type_error(format!("{what} is complex, but real numbers are needed: give its real part or modulus")));
    }
    if array.ndim() == 0 {
        return Held::new(array.call_method1("reshape", (1,))?.cast::<PyUntypedArray>()?, what);
    }
    vector(Held::new(&array, what)?, array.py(), what)
}

/// Real numbers, and whether a single one was given for all.
pub fn numbers_or_one<T: Element>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<(Vec<T::Real>, bool)> {
    let single = array(object, what)?.ndim() == 0;
    Ok((reals::<T>(object, what)?.to_vec(), single))
}

/// Refuses a matrix where a vector is needed.
pub fn vector<T: Number>(held: Held<T>, py: Python<'_>, what: &str) -> PyResult<Held<T>> {
    match held.vector {
        true => Ok(held),
        false => Err(value_error(py, format!("{what} has 2 dimensions, but 1 is needed: flatten it with ravel()"))),
    }
}

/// Right-hand sides for the library; the answer comes back as its column-major entries.
pub struct Columns<'a, T>(pub MatRef<'a, T>);

impl<T: Element> Data<T> for Columns<'_, T> {
    type Output = Vec<T>;
    type Each<V> = Vec<V>;
    fn view(&self) -> DenseView<'_, T> {
        Data::view(&self.0)
    }
    fn output(_: usize, _: usize, entries: Vec<T>) -> Vec<T> {
        entries
    }
    fn each<V>(values: Vec<V>) -> Vec<V> {
        values
    }
}

/// Column-major entries as an array: of one dimension for a vector, of two otherwise.
pub fn answer<'py, T: Element>(
    py: Python<'py>,
    entries: Vec<T>,
    (rows, columns): (usize, usize),
    vector: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let flat = PyArray1::from_vec(py, entries);
    if vector {
        return Ok(flat.into_any());
    }
    Ok(flat.reshape_with_order([rows, columns], numpy::npyffi::NPY_ORDER::NPY_FORTRANORDER)?.into_any())
}

/// A vector of real numbers as an array.
pub fn numbers<'py>(py: Python<'py>, values: Vec<f64>) -> Bound<'py, PyAny> {
    PyArray1::from_vec(py, values).into_any()
}
