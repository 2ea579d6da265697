//! LSQR and LSMR as SciPy has them: the same arguments, the same tests for stopping, the same numbers returned.
//!
//! The methods of the library stop by one verified tolerance and report one set of norms. SciPy's callers pass `atol`, `btol` and
//! `conlim`, and read `istop`, estimates of norms and the condition number that the recurrences give along the way. So these are
//! the published recurrences with the published tests, on the library's operators: products with sparse and dense A are those of the
//! engines.

mod lsmr;
mod lsqr;

use crate::array::{Held, answer, array, kind_of, numbers};
use crate::callback::Failure;
use crate::errors::{raise, value_error};
use crate::matrix::{Source, right_hand_side};
use crate::options::Count;
use crate::scalar::{Element, Kind};
use crate::watch::{Signals, detached};
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wellposed::{Operator, Real, Scalar, c64};

/// The arguments that both share.
pub struct Stopping {
    pub damp: f64,
    pub atol: f64,
    pub btol: f64,
    /// 1/conlim, or 0.
    pub ctol: f64,
    pub limit: usize,
}

impl Stopping {
    /// `istop` of this step: 0 to go on. `t1` is the compatibility test, scaled.
    fn verdict(&self, step: usize, (test1, test2, test3): (f64, f64, f64), t1: f64, rtol: f64) -> usize {
        let mut istop = 0;
        if step >= self.limit {
            istop = 7;
        }
        // tolerances of 0 act as rounding level
        if 1.0 + test3 <= 1.0 {
            istop = 6;
        }
        if 1.0 + test2 <= 1.0 {
            istop = 5;
        }
        if 1.0 + t1 <= 1.0 {
            istop = 4;
        }
        if test3 <= self.ctol {
            istop = 3;
        }
        if test2 <= self.atol {
            istop = 2;
        }
        if test1 <= rtol {
            istop = 1;
        }
        istop
    }
}

/// One line of what `show=True` prints: step, x[0], two norms, the first two tests, norm and condition of the damped matrix.
pub type Line = (usize, f64, f64, f64, f64, f64, f64, f64);

/// Sees each step; `false` ends the iteration.
pub type Watcher<'w> = dyn FnMut(Line) -> bool + 'w;

/// c, s, r of the rotation that takes (a, b) to (r, 0), without overflow. Source: Choi 2006, thesis, Stanford.
fn rotation(a: f64, b: f64) -> (f64, f64, f64) {
    let sign = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
    if b == 0.0 {
        (sign(a), 0.0, a.abs())
    } else if a == 0.0 {
        (0.0, sign(b), b.abs())
    } else if b.abs() > a.abs() {
        let tau = a / b;
        let s = sign(b) / (1.0 + tau * tau).sqrt();
        (s * tau, s, b / s)
    } else {
        let tau = b / a;
        let c = sign(a) / (1.0 + tau * tau).sqrt();
        (c, c * tau, a / c)
    }
}

/// ‖v‖, by powers of two where squares would overflow or vanish.
fn norm<T: Scalar>(v: &[T]) -> f64 {
    let sum: f64 = v.iter().map(|v| v.modulus_squared().to_f64()).sum();
    if sum.is_normal() && sum < 1e300 {
        return sum.sqrt();
    }
    let largest = v.iter().map(|v| v.modulus().to_f64()).fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * v.iter().map(|v| (v.modulus().to_f64() / largest).powi(2)).sum::<f64>().sqrt()
}

/// v ← v·factor.
fn scale<T: Scalar>(v: &mut [T], factor: f64) {
    let factor = T::Real::from_f64(factor);
    v.iter_mut().for_each(|v| *v = v.scale(factor));
}

/// y ← y + factor·x.
fn add<T: Scalar>(y: &mut [T], factor: f64, x: &[T]) {
    let factor = T::Real::from_f64(factor);
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += x.scale(factor));
}

/// u and v of Golub and Kahan's process, with their norms.
struct Process<'a, T: Scalar> {
    a: &'a dyn Operator<Scalar = T>,
    u: Vec<T>,
    v: Vec<T>,
    alpha: f64,
    beta: f64,
    scratch_m: Vec<T>,
    scratch_n: Vec<T>,
}

impl<'a, T: Scalar> Process<'a, T> {
    /// βu = b − Ax, αv = Aᴴu.
    fn start(a: &'a dyn Operator<Scalar = T>, b: &[T], x: Option<&[T]>) -> Self {
        let (m, n) = a.shape();
        let mut this =
            Self { a, u: b.to_vec(), v: vec![T::ZERO; n], alpha: 0.0, beta: 0.0, scratch_m: vec![T::ZERO; m], scratch_n: vec![T::ZERO; n] };
        if let Some(x) = x {
            a.apply(x, &mut this.scratch_m);
            add(&mut this.u, -1.0, &this.scratch_m);
        }
        this.beta = norm(&this.u);
        if this.beta > 0.0 {
            scale(&mut this.u, 1.0 / this.beta);
            a.apply_adjoint(&this.u, &mut this.v);
            this.alpha = norm(&this.v);
        }
        if this.alpha > 0.0 {
            scale(&mut this.v, 1.0 / this.alpha);
        }
        this
    }

    /// βu ← Av − αu, αv ← Aᴴu − βv. Where β vanishes, v and α stay.
    fn step(&mut self) {
        self.a.apply(&self.v, &mut self.scratch_m);
        scale(&mut self.u, -self.alpha);
        add(&mut self.u, 1.0, &self.scratch_m);
        self.beta = norm(&self.u);
        if self.beta > 0.0 {
            scale(&mut self.u, 1.0 / self.beta);
            self.a.apply_adjoint(&self.u, &mut self.scratch_n);
            scale(&mut self.v, -self.beta);
            add(&mut self.v, 1.0, &self.scratch_n);
            self.alpha = norm(&self.v);
            if self.alpha > 0.0 {
                scale(&mut self.v, 1.0 / self.alpha);
            }
        }
    }

    fn is_finite(&self) -> bool {
        self.alpha.is_finite() && self.beta.is_finite()
    }
}

/// What both return: x, `istop`, steps, and norms in the order of SciPy's tuple.
pub struct Outcome<T> {
    x: Vec<T>,
    istop: usize,
    steps: usize,
    norms: Vec<f64>,
    variances: Option<Vec<f64>>,
    /// A product was NaN or infinite.
    broken: bool,
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    Lsqr { variances: bool },
    Lsmr,
}

fn run<'py, T: Element>(
    py: Python<'py>,
    source: &Source,
    b: &Bound<'py, PyUntypedArray>,
    x0: Option<&Bound<'py, PyUntypedArray>>,
    stopping: &Stopping,
    which: Which,
    show: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let failure = Failure::default();
    let matrix = source.hold::<T>(py, "A", &failure)?;
    let b = Held::<T>::new(b, "b")?.to_vec();
    let start = x0.map(|x0| Held::<T>::new(x0, "x0")).transpose()?.map(|x0| x0.to_vec());
    let (m, n) = source.shape;
    for (what, length, needed) in [("b", b.len(), m), ("x0", start.as_ref().map_or(n, Vec::len), n)] {
        if length != needed {
            return Err(value_error(py, format!("{what} is of length {length}, but of length {needed} is needed: A is {m}×{n}")));
        }
    }
    for (what, values) in [("b", Some(&b)), ("x0", start.as_ref())] {
        if let Some(place) = values.and_then(|values| values.iter().position(|v| !v.finite())) {
            return Err(value_error(
                py,
                format!("{what} has a value that is NaN or infinite at entry {place}: remove or impute it before the call"),
            ));
        }
    }
    let show = show.map(|show| show.clone().unbind());
    let outcome = detached(py, || {
        let a = matrix.operator()?;
        let signals = Signals::new(&failure);
        let mut watch = |line: Line| {
            let Some(show) = &show else { return signals.go_on() };
            let seen = Python::attach(|py| {
                py.check_signals()?;
                show.call1(py, line).map(drop)
            });
            signals.go_on() && seen.map_err(|error| failure.keep(error)).is_ok()
        };
        Ok(match which {
            Which::Lsqr { variances } => lsqr::solve(&a, &b, start, stopping, variances, &mut watch),
            Which::Lsmr => lsmr::solve(&a, &b, start, stopping, &mut watch),
        })
    });
    if let Some(error) = failure.take() {
        return Err(error);
    }
    let outcome: Outcome<T> = outcome.map_err(|error: wellposed::Error| raise(py, &error))?;
    if outcome.broken {
        let step = outcome.steps;
        return Err(value_error(py, format!("a product with A is NaN or infinite at step {step}: check A for values that are not finite")));
    }
    let mut parts = vec![
        answer(py, outcome.x, (n, 1), true)?,
        outcome.istop.into_pyobject(py)?.into_any(),
        outcome.steps.into_pyobject(py)?.into_any(),
    ];
    for norm in outcome.norms {
        parts.push(norm.into_pyobject(py)?.into_any());
    }
    if let Some(variances) = outcome.variances {
        parts.push(numbers(py, variances));
    }
    PyTuple::new(py, parts)
}

/// SciPy computes in double precision whatever comes in.
fn kind(source: &Source, b: Kind, x0: Option<Kind>) -> Kind {
    let double = Kind { double: true, complex: false };
    let kind = source.kind.with(b).with(double);
    x0.map_or(kind, |x0| kind.with(x0))
}

/// The iterations of ``wellposed.linalg``: ``method`` is "lsqr", "lsqr_with_variances" or "lsmr".
#[pyfunction]
#[pyo3(signature = (method, A, b, damp, atol, btol, conlim, limit, x0, show))]
#[allow(non_snake_case)]
#[pyo3(name = "_iterate")]
pub fn iterate<'py>(
    method: &str,
    A: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    damp: f64,
    atol: f64,
    btol: f64,
    conlim: f64,
    limit: Option<Count>,
    x0: Option<&Bound<'py, PyAny>>,
    show: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let py = A.py();
    for (name, value) in [("damp", damp), ("atol", atol), ("btol", btol), ("conlim", conlim)] {
        if !(value >= 0.0) {
            return Err(value_error(py, format!("{name} is {value}, but it must be at least 0")));
        }
    }
    let source = Source::new(A, "A")?;
    let (b, kind_of_b) = right_hand_side(b)?;
    let x0 = x0.map(|x0| array(x0, "x0")).transpose()?;
    let kind_of_x0 = x0.as_ref().map(|x0| kind_of(x0, "x0")).transpose()?;
    let (m, n) = source.shape;
    let (which, usual) = match method {
        "lsmr" => (Which::Lsmr, m.min(n)),
        _ => (Which::Lsqr { variances: method == "lsqr_with_variances" }, 2 * n),
    };
    let ctol = if conlim > 0.0 { 1.0 / conlim } else { 0.0 };
    let stopping = Stopping { damp, atol, btol, ctol, limit: limit.map_or(usual, |limit| limit.0) };
    match kind(&source, kind_of_b, kind_of_x0).complex {
        false => run::<f64>(py, &source, &b, x0.as_ref(), &stopping, which, show),
        true => run::<c64>(py, &source, &b, x0.as_ref(), &stopping, which, show),
    }
}
