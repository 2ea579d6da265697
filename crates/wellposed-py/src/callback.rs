//! An operator that is a Python object with `shape`, `matvec` and `rmatvec`: SciPy's `LinearOperator`, PyLops' operators, or the
//! user's own class.
//!
//! The engines know no exceptions. What Python raises is kept here, the product is NaN, which ends every iteration, and the caller
//! of the engine raises what was kept.

use crate::array::{Held, array, kind_of, vector};
use crate::errors::value_error;
use crate::scalar::Element;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyAnyMethods;
use std::sync::Mutex;
use wellposed::Operator;

/// The first exception of a solve.
#[derive(Default)]
pub struct Failure(Mutex<Option<PyErr>>);

impl Failure {
    /// Keeps an exception, unless there is one already.
    pub fn keep(&self, error: PyErr) {
        let mut kept = self.lock();
        kept.get_or_insert(error);
    }

    /// Whether there is one.
    pub fn occurred(&self) -> bool {
        self.lock().is_some()
    }

    /// What was raised.
    pub fn take(&self) -> Option<PyErr> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<PyErr>> {
        // a poisoned lock has a valid exception in it
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The products of a Python object.
pub struct Products<'f> {
    object: Py<PyAny>,
    shape: (usize, usize),
    /// `matmat` and `rmatmat` are there.
    blocks: bool,
    failure: &'f Failure,
}

impl<'f> Products<'f> {
    /// The object, whose exceptions go to `failure`.
    pub fn new(object: &Bound<'_, PyAny>, shape: (usize, usize), failure: &'f Failure) -> PyResult<Self> {
        let blocks = object.hasattr("matmat")? && object.hasattr("rmatmat")?;
        Ok(Self { object: object.clone().unbind(), shape, blocks, failure })
    }

    /// `output` ← method(`input`): k columns of `from` and `to` entries.
    fn call<T: Element>(&self, method: &str, k: Option<usize>, input: &[T], output: &mut [T]) {
        if self.failure.occurred() {
            return output.fill(nan());
        }
        let outcome = Python::attach(|py| self.call_attached(py, method, k, input, output));
        if let Err(error) = outcome {
            self.failure.keep(error);
            output.fill(nan());
        }
    }

    fn call_attached<T: Element>(&self, py: Python<'_>, method: &str, k: Option<usize>, input: &[T], output: &mut [T]) -> PyResult<()> {
        // a copy: the object may keep what it was given
        let flat = PyArray1::from_slice(py, input);
        let argument = match k {
            None => flat.into_any(),
            Some(k) => {
                let order = numpy::npyffi::NPY_ORDER::NPY_FORTRANORDER;
                flat.reshape_with_order([input.len() / k.max(1), k], order)?.into_any()
            }
        };
        let result = array(&self.object.bind(py).call_method1(method, (argument,))?, method)?;
        if kind_of(&result, method)?.complex && !T::IS_COMPLEX {
            return Err(crate::errors::type_error(format!(
                "{method} returned complex values for real ones: give the operator dtype complex128, so that the whole problem is complex"
            )));
        }
        let held = Held::<T>::new(&result, method)?;
        let held = match k {
            // a column is taken for the vector that it is
            None if held.shape().1 != 1 => vector(held, py, method)?,
            _ => held,
        };
        let columns = k.unwrap_or(1);
        let rows = output.len() / columns.max(1);
        let view = held.view();
        if view.shape() != (rows, columns) {
            let (found, other) = view.shape();
            return Err(value_error(
                py,
                format!(
                    "{method} returned {found}×{other} values, but {rows}×{columns} are needed: compare it with the operator's shape {:?}",
                    self.shape
                ),
            ));
        }
        for j in 0..columns {
            for i in 0..rows {
                output[j * rows + i] = view[(i, j)];
            }
        }
        Ok(())
    }
}

/// NaN, which ends every iteration.
pub fn nan<T: Element>() -> T {
    T::from_real(<T::Real as wellposed::Real>::from_f64(f64::NAN))
}

/// [`Products`] as an operator on one scalar type.
pub struct ProductsOn<'f, T> {
    products: Products<'f>,
    scalar: core::marker::PhantomData<fn() -> T>,
}

impl<'f, T> ProductsOn<'f, T> {
    /// The operator.
    pub fn new(products: Products<'f>) -> Self {
        Self { products, scalar: core::marker::PhantomData }
    }
}

impl<T: Element> Operator for ProductsOn<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        self.products.shape
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.products.call("matvec", None, x, y);
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.products.call("rmatvec", None, y, x);
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        if self.products.blocks && k > 1 {
            return self.products.call("matmat", Some(k), x, y);
        }
        let (m, n) = self.shape();
        for j in 0..k {
            self.apply(&x[j * n..(j + 1) * n], &mut y[j * m..(j + 1) * m]);
        }
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        if self.products.blocks && k > 1 {
            return self.products.call("rmatmat", Some(k), y, x);
        }
        let (m, n) = self.shape();
        for j in 0..k {
            self.apply_adjoint(&y[j * m..(j + 1) * m], &mut x[j * n..(j + 1) * n]);
        }
    }
}
