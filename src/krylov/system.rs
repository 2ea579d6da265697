//! What a method is given and what it returns, the same for all of them.

use super::lsmr::Lsmr;
use super::lsqr::Lsqr;
use super::{Until, bidiagonal, cgls};
use crate::error::{Error, Result, Size};
use crate::linalg::Threads;
use crate::method::Iterative;
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};
use crate::step::{Observer, Stop};

/// Which method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Cgls,
    Lsqr,
    Lsmr,
}

/// A norm of x.
pub(crate) type Length<'a, T> = &'a dyn Fn(&[T]) -> <T as Scalar>::Real;

/// min ‖Ax − b‖² + d²‖Lx‖², by products.
pub(crate) struct System<'a, T: Scalar> {
    pub a: &'a dyn Operator<Scalar = T>,
    /// L = I for `None`.
    pub l: Option<&'a dyn Operator<Scalar = T>>,
    /// √λ.
    pub d: T::Real,
    /// The right-hand sides, one after another.
    pub b: &'a [T],
    pub columns: usize,
    /// The norm of what cancels inside the products with A: they round by ε of that, however small what is left of them, and an
    /// iteration that did not know would go on in the noise.
    pub hidden: T::Real,
    /// Whether the minimiser is unique for d > 0 with this L, as it is with the identity: a start guess is used there alone.
    pub unique: bool,
    /// The length of x that an observer is shown, where the unknowns of the iteration are not x.
    pub length: Option<Length<'a, T>>,
    /// R⁻¹, a preconditioner from the right.
    pub right: Option<&'a dyn Operator<Scalar = T>>,
    /// For the vectors of an iteration; products are the operators' own affair.
    pub threads: Threads,
}

impl<T: Scalar> Clone for System<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Scalar> Copy for System<'_, T> {}

/// What a solve returns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome<T> {
    /// The minimiser, or what was reached.
    pub x: Vec<T>,
    /// Why it stopped.
    pub stop: Stop,
    /// Steps made.
    pub steps: usize,
    /// ‖Ax − b‖, computed from x.
    pub residual_norm: f64,
    /// ‖Aᴴ(b − Ax) − d²LᴴLx‖ / ‖Aᴴb‖, computed from x; 0 when Aᴴb = 0.
    pub normal_residual: f64,
    /// A lower bound of the condition number of [A; dL]R⁻¹.
    pub condition: Option<f64>,
    /// The diagonal of (AᴴA + d²LᴴL)⁻¹ as far as the Krylov space has it.
    pub variances: Option<Vec<f64>>,
    /// What became of the start guess.
    pub start: Start,
}

/// What became of the start guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// There was none.
    Zero,
    /// It was used.
    Guess,
    /// It was not used: without a penalty on every direction, part of it could have stayed in x.
    SetAside,
}

impl<'a, T: Scalar> System<'a, T> {
    /// One right-hand side or several, one after another; shapes and values are checked.
    pub fn new(a: &'a dyn Operator<Scalar = T>, l: Option<&'a dyn Operator<Scalar = T>>, damping: f64, b: &'a [T]) -> Result<Self> {
        let (m, n) = a.shape();
        let columns = b.len().checked_div(m).unwrap_or(1);
        if b.len() != m * columns || columns == 0 {
            return Err(Error::Shape {
                what: "b",
                found: Size::Length(b.len()),
                expected: Size::Length(m),
                hint: "it needs one value for each row of A",
            });
        }
        if let Some(l) = l
            && l.shape().1 != n
        {
            let (rows, columns) = l.shape();
            return Err(Error::Shape {
                what: "the penalty operator",
                found: Size::Shape(rows, columns),
                expected: Size::Shape(rows, n),
                hint: "it needs one column for each unknown",
            });
        }
        if let Some(index) = b.iter().position(|v| !v.finite()) {
            return Err(Error::NonFinite { what: "b", index: Size::Entry(index) });
        }
        let d = checked_damping::<T>(damping)?;
        let (hidden, threads) = (T::Real::ZERO, Threads::ONE);
        Ok(Self { a, l, d, b, columns, hidden, unique: l.is_none(), length: None, right: None, threads })
    }

    /// Whether the damping is a shift of the Krylov space of A, which a recurrence adds.
    pub fn damping_in_recurrence(&self) -> bool {
        self.d == T::Real::ZERO || (self.l.is_none() && self.right.is_none())
    }

    /// Whether there is nothing to compute.
    fn is_empty(&self) -> bool {
        // no rows here may still be rows elsewhere
        self.a.global_rows() == 0 || self.a.shape().1 == 0
    }

    /// ‖Aᴴb‖ must be a normal number, or 0.
    pub(super) fn check_reference(&self, reference: T::Real, method: &'static str) -> Result<()> {
        if reference > T::Real::ZERO && reference < T::Real::MIN_POSITIVE {
            return Err(Error::Unsupported {
                what: method,
                with: "an A so small that its products are denormal numbers",
                instead: "multiply A and the damping by a power of two, and the answer by the same",
            });
        }
        Ok(())
    }

    /// What becomes of a guess: its check, and its use.
    fn guess<'g>(&self, start: Option<&'g [T]>) -> Result<(Start, Option<&'g [T]>)> {
        let Some(guess) = start else { return Ok((Start::Zero, None)) };
        let n = self.a.shape().1;
        if guess.len() != n {
            return Err(Error::Shape {
                what: "the start guess",
                found: Size::Length(guess.len()),
                expected: Size::Length(n),
                hint: "it needs one value for each unknown",
            });
        }
        if let Some(index) = guess.iter().position(|v| !v.finite()) {
            return Err(Error::NonFinite { what: "the start guess", index: Size::Entry(index) });
        }
        let unique = self.d > T::Real::ZERO && self.unique;
        Ok(if unique { (Start::Guess, Some(guess)) } else { (Start::SetAside, None) })
    }

    /// x = 0, where nothing is to be computed.
    fn nothing(&self, column: usize, start: Start) -> Outcome<T> {
        let (m, n) = self.a.shape();
        let b = &self.b[column * m..(column + 1) * m];
        let residual_norm = if m == 0 { 0.0 } else { self.a.range_norm(b).to_f64() };
        Outcome {
            x: vec![T::ZERO; n],
            stop: Stop::Zero,
            steps: 0,
            residual_norm,
            normal_residual: 0.0,
            condition: None,
            variances: None,
            start,
        }
    }
}

/// The damping in the type of the problem.
fn checked_damping<T: Scalar>(damping: f64) -> Result<T::Real> {
    let d = T::Real::from_f64(damping);
    if !(d >= T::Real::ZERO && d.finite()) {
        return Err(Error::Parameter {
            name: "the damping √λ",
            value: damping,
            must_be: "finite and at least 0 in the scalar type of the problem",
        });
    }
    Ok(d)
}

fn until<T: Scalar>(options: &Iterative, unknowns: usize) -> Until {
    let condition_limit = options.condition_limit();
    match options.exact_steps() {
        Some(steps) => Until::Steps { steps, condition_limit },
        None => Until::Converged {
            tolerance: options.tolerance_for(T::Real::EPSILON.to_f64()),
            max_steps: options.max_steps_for(unknowns),
            accept_partial: options.accepts_partial(),
            condition_limit,
        },
    }
}

/// One right-hand side. The guess is an argument (and not read from the options) because the caller may have changed variables.
pub(crate) fn solve<T: Scalar>(
    kind: Kind,
    system: &System<'_, T>,
    start: Option<&[T]>,
    options: &Iterative,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let (start, guess) = system.guess(start)?;
    if system.is_empty() {
        return Ok(system.nothing(0, start));
    }
    let until = until::<T>(options, system.a.shape().1);
    match kind {
        Kind::Cgls => cgls::solve(system, guess, until, start, observer),
        Kind::Lsqr => bidiagonal::solve::<T, Lsqr<T>>(system, guess, until, options, start, observer),
        Kind::Lsmr => bidiagonal::solve::<T, Lsmr<T>>(system, guess, until, options, start, observer),
    }
}

/// Many right-hand sides from x = 0: one block product a step, for the methods on Golub and Kahan's process. CGLS takes them one
/// after another.
pub(crate) fn block<T: Scalar>(kind: Kind, system: &System<'_, T>, options: &Iterative) -> Result<Vec<Outcome<T>>> {
    if system.is_empty() {
        return Ok((0..system.columns).map(|column| system.nothing(column, Start::Zero)).collect());
    }
    let until = until::<T>(options, system.a.shape().1);
    match kind {
        Kind::Cgls => {
            let m = system.a.shape().0;
            let one = |column: usize| System { b: &system.b[column * m..(column + 1) * m], columns: 1, ..*system };
            (0..system.columns).map(|column| cgls::solve(&one(column), None, until, Start::Zero, None)).collect()
        }
        Kind::Lsqr => bidiagonal::block::<T, Lsqr<T>>(system, until, options),
        Kind::Lsmr => bidiagonal::block::<T, Lsmr<T>>(system, until, options),
    }
}

/// Many dampings for one right-hand side: from one Krylov space where the damping is a shift of it (L = I, no preconditioner) and
/// the method stands on Golub and Kahan's process; one after another elsewhere.
pub(crate) fn path<T: Scalar>(kind: Kind, system: &System<'_, T>, dampings: &[f64], options: &Iterative) -> Result<Vec<Outcome<T>>> {
    let dampings: Vec<T::Real> = dampings.iter().map(|&d| checked_damping::<T>(d)).collect::<Result<_>>()?;
    if system.is_empty() {
        return Ok(dampings.iter().map(|_| system.nothing(0, Start::Zero)).collect());
    }
    let until = until::<T>(options, system.a.shape().1);
    let shifts = system.l.is_none() && system.right.is_none();
    match kind {
        Kind::Lsqr if shifts => bidiagonal::path::<T, Lsqr<T>>(system, &dampings, until, options),
        Kind::Lsmr if shifts => bidiagonal::path::<T, Lsmr<T>>(system, &dampings, until, options),
        _ => dampings.iter().map(|&d| solve(kind, &System { d, ..*system }, None, options, None)).collect(),
    }
}
