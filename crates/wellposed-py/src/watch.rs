//! Work without the interpreter's lock, and how Ctrl-C ends it.
//!
//! An iteration is asked after each step ([`Watch`]); a product with A looks for Ctrl-C by itself ([`Interruptible`]), which ends the
//! iterations that nobody observes (a path of many λ, a low-rank posterior). A decomposition of entries makes no products, and is
//! interrupted when it is done.

use crate::callback::{Failure, nan};
use crate::scalar::Element;
use crate::solution::Step;
use core::cell::Cell;
use core::ops::ControlFlow;
use pyo3::prelude::*;
use std::time::{Duration, Instant};
use wellposed::operator::{Basis, Diagonalization};
use wellposed::{Entries, Operator};

/// How often a running iteration looks whether Ctrl-C was pressed.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// When Ctrl-C was last looked for.
pub struct Signals<'a> {
    failure: &'a Failure,
    looked: Cell<Instant>,
}

impl<'a> Signals<'a> {
    /// Keeps what is raised in `failure`.
    pub fn new(failure: &'a Failure) -> Self {
        Self { failure, looked: Cell::new(Instant::now()) }
    }

    /// Whether to go on: something was raised already, or Ctrl-C was pressed.
    pub fn go_on(&self) -> bool {
        if self.failure.occurred() {
            return false;
        }
        if self.looked.get().elapsed() < SIGNALS_EVERY {
            return true;
        }
        self.looked.set(Instant::now());
        Python::attach(|py| py.check_signals()).map_err(|error| self.failure.keep(error)).is_ok()
    }
}

/// What is looked at after each step: Ctrl-C, and the user's observer.
pub struct Watch<'a> {
    observer: Option<&'a Py<PyAny>>,
    signals: Signals<'a>,
}

impl<'a> Watch<'a> {
    /// Of a solve whose exceptions go to `failure`.
    pub fn new(observer: Option<&'a Py<PyAny>>, failure: &'a Failure) -> Self {
        Self { observer, signals: Signals::new(failure) }
    }

    /// A step.
    pub fn see(&mut self, step: &wellposed::Step) -> ControlFlow<()> {
        if !self.signals.go_on() {
            return ControlFlow::Break(());
        }
        let Some(observer) = self.observer else { return ControlFlow::Continue(()) };
        let stop = Python::attach(|py| {
            // an observer takes time of its own
            py.check_signals()?;
            observer.call1(py, (Step::from(step),))?.is_truthy(py)
        });
        match stop {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                self.signals.failure.keep(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Does `work` without the interpreter's lock, on this thread.
pub fn detached<R>(py: Python<'_>, work: impl FnOnce() -> R) -> R {
    struct Here<V>(V);
    // SAFETY: `detach` asks for Send because nothing tied to the lock may enter the closure; it runs the closure on this thread.
    // What enters here are references to held arrays, `Py` pointers and values of the library, and no `Bound` or `Python`.
    unsafe impl<V> Send for Here<V> {}
    impl<R, F: FnOnce() -> R> Here<F> {
        fn call(self) -> Here<R> {
            Here((self.0)())
        }
    }
    let work = Here(work);
    py.detach(|| work.call()).0
}

/// An operator whose products are NaN, which ends every iteration, once Ctrl-C was pressed.
pub struct Interruptible<'a, O> {
    operator: O,
    signals: Signals<'a>,
}

impl<'a, O> Interruptible<'a, O> {
    /// Of a call whose exceptions go to `failure`.
    pub fn new(operator: O, failure: &'a Failure) -> Self {
        Self { operator, signals: Signals::new(failure) }
    }
}

impl<T: Element, O: Operator<Scalar = T>> Interruptible<'_, O> {
    fn product(&self, output: &mut [T], product: impl FnOnce(&O, &mut [T])) {
        match self.signals.go_on() {
            true => product(&self.operator, output),
            false => output.fill(nan()),
        }
    }
}

impl<T: Element, O: Operator<Scalar = T>> Operator for Interruptible<'_, O> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        self.operator.shape()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.product(y, |operator, y| operator.apply(x, y));
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.product(x, |operator, x| operator.apply_adjoint(y, x));
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        self.product(y, |operator, y| operator.apply_block(k, x, y));
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        self.product(x, |operator, x| operator.apply_adjoint_block(k, y, x));
    }
    fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
        match self.signals.go_on() {
            true => self.operator.apply_fused(x, alpha, u, w, z),
            false => {
                w.fill(nan());
                z.fill(nan());
            }
        }
    }
    fn entries(&self) -> Entries<'_, T> {
        self.operator.entries()
    }
    fn interrupted(&self) -> bool {
        !self.signals.go_on()
    }
    fn diagonalization(&self) -> Option<Diagonalization<'_, T>> {
        self.operator.diagonalization()
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        self.operator.diagonal_in(basis)
    }
}
