//! CGLS: conjugate gradients for least squares, with damping and any L.
//!
//! Solves       minimise ‖Ax − b‖² + d²‖Lx‖²,   d = √λ ≥ 0;   in one norm ‖Âx − b̂‖, Â = [A; dL], b̂ = [b; 0].
//! Equals       conjugate gradients on (AᴴA + d²LᴴL)x = Aᴴb in exact arithmetic, and LSQR; but the residual, and not AᴴA, is
//!              what it carries, so that the digits lost are those of κ(Â) and not of its square.
//! Singular     from x = 0 all iterates lie in the range of Âᴴ: the limit is the minimiser of smallest norm. A start guess is
//!              used only where the minimiser is unique for every A: d > 0 and L = I.
//! Siblings     a factorization when A has entries and n is some thousands at most; LSQR takes the same steps with more
//!              vector work and knows the condition number; LSMR when the steps are cut short.
//! Cost         a step: one product each with A, Aᴴ (and L, Lᴴ), and 10n + 8m (+ 6p + 2n) flops. Vectors: 3 of n, 2 of m (and
//!              1 of n, 2 of p for a given L with p rows), beside b. A step allocates nothing. Each time the residual is
//!              computed afresh (once or twice a solve) costs one more product of each kind.
//!
//! Symbols      here          Björck, algorithm 7.4.1
//!              x             x_k
//!              r, w          the two parts of the residual b̂ − Âx: b − Ax, −dLx (not stored for L = I)
//!              s, gamma      s_k = Âᴴ(b̂ − Âx), ‖s_k‖ (the paper's γ_k is its square)
//!              p             p_k/‖s_k‖: the direction relative to the gradient, so that no scale of the data overflows Âp
//!              q, u          Ap, Lp
//!              delta         ‖Âp‖; then α_k p_k = (gamma/delta²)·p and β_k = (ratio of the gammas)²
//!
//! References   Hestenes & Stiefel 1952, doi:10.6028/jres.049.044 · Paige & Saunders 1982, doi:10.1145/355984.355989 · Björck,
//!              Numerical Methods for Least Squares Problems, 1996, doi:10.1137/1.9781611971484, section 7.4 · attainable
//!              accuracy: Björck, Elfving & Strakoš 1998, doi:10.1137/S089547989631202X.

use super::{Fault, Iteration, Progress, State, Until, drive};
use crate::error::{Error, Result, Size};
use crate::linalg::{add_scaled, dot, norm};
use crate::method::Cgls as Options;
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};
use crate::step::{Observer, Stop};

/// A direction that Â shrinks by more than this many ε, relative to ‖Â‖, is in the null space as far as can be known.
const NULL_DIRECTION: f64 = 64.0;

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

/// Solves min ‖Ax − b‖² + damping²‖Lx‖² with L = I for `None`. The guess is an argument (and not read from the options)
/// because the caller may have changed variables.
pub(crate) fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    l: Option<&dyn Operator<Scalar = T>>,
    damping: f64,
    b: &[T],
    start: Option<&[T]>,
    options: &Options,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    options.check()?;
    let d = check(a, l, damping, b, start)?;
    let (m, n) = a.shape();
    let unique = d > T::Real::ZERO && l.is_none();
    let (start, guess) = match start {
        None => (Start::Zero, None),
        Some(guess) if unique => (Start::Guess, Some(guess)),
        Some(_) => (Start::SetAside, None),
    };
    // no rows here may still be rows elsewhere
    if a.global_rows() == 0 || n == 0 {
        let residual_norm = if m == 0 { 0.0 } else { a.range_norm(b).to_f64() };
        return Ok(Outcome { x: vec![T::ZERO; n], stop: Stop::Zero, steps: 0, residual_norm, normal_residual: 0.0, start });
    }
    let mut iteration = Cgls::init(a, l, d, b, guess).map_err(|fault| fault.at(0))?;
    let until = match options.exact_steps() {
        Some(steps) => Until::Steps(steps),
        None => Until::Converged {
            tolerance: options.tolerance_for(T::Real::EPSILON.to_f64()),
            max_steps: options.max_steps_for(n),
            accept_partial: options.accepts_partial(),
        },
    };
    let (stop, steps) = drive(&mut iteration, until, observer)?;
    let state = iteration.state();
    Ok(Outcome { stop, steps, residual_norm: state.residual_norm, normal_residual: state.normal_residual(), start, x: iteration.x })
}

/// Shapes and values; returns the damping in the type of the problem.
fn check<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    l: Option<&dyn Operator<Scalar = T>>,
    damping: f64,
    b: &[T],
    start: Option<&[T]>,
) -> Result<T::Real> {
    let (m, n) = a.shape();
    let shape = |what, found, expected, hint| Err(Error::Shape { what, found, expected, hint });
    if b.len() != m {
        return shape("b", Size::Length(b.len()), Size::Length(m), "it needs one value for each row of A");
    }
    if let Some(l) = l
        && l.shape().1 != n
    {
        let (rows, columns) = l.shape();
        return shape("the penalty operator", Size::Shape(rows, columns), Size::Shape(rows, n), "it needs one column for each unknown");
    }
    if let Some(start) = start
        && start.len() != n
    {
        return shape("the start guess", Size::Length(start.len()), Size::Length(n), "it needs one value for each unknown");
    }
    for (what, values) in [("b", b), ("the start guess", start.unwrap_or(&[]))] {
        if let Some(index) = values.iter().position(|v| !v.finite()) {
            return Err(Error::NonFinite { what, index: Size::Entry(index) });
        }
    }
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

/// The iteration: everything it ever allocates.
struct Cgls<'a, T: Scalar> {
    a: &'a dyn Operator<Scalar = T>,
    penalty: Option<PenaltyPart<'a, T>>,
    d: T::Real,
    b: &'a [T],
    x: Vec<T>,
    s: Vec<T>,
    p: Vec<T>,
    r: Vec<T>,
    q: Vec<T>,
    gamma: T::Real,
    /// gamma of the step before; `None` where the next direction is the gradient itself.
    previous_gamma: Option<T::Real>,
    /// ‖p‖ as orthogonality has it: enough for a lower bound of ‖Â‖.
    direction_norm: T::Real,
    residual_norm: T::Real,
    penalty_norm: T::Real,
    solution_norm: T::Real,
    operator_norm: T::Real,
    reference: T::Real,
    guessed: bool,
}

/// What a given L needs beside.
struct PenaltyPart<'a, T: Scalar> {
    l: &'a dyn Operator<Scalar = T>,
    w: Vec<T>,
    u: Vec<T>,
    z: Vec<T>,
}

impl<'a, T: Scalar> Cgls<'a, T> {
    fn init(
        a: &'a dyn Operator<Scalar = T>,
        l: Option<&'a dyn Operator<Scalar = T>>,
        d: T::Real,
        b: &'a [T],
        guess: Option<&[T]>,
    ) -> core::result::Result<Self, Fault> {
        let ((m, n), zero) = (a.shape(), T::Real::ZERO);
        // with d = 0 the penalty is not there at all
        let penalty = l.filter(|_| d > zero).map(|l| {
            let rows = l.shape().0;
            PenaltyPart { l, w: vec![T::ZERO; rows], u: vec![T::ZERO; rows], z: vec![T::ZERO; n] }
        });
        let vector = |length| vec![T::ZERO; length];
        let mut new = Self {
            a,
            penalty,
            d,
            b,
            x: vector(n),
            s: vector(n),
            p: vector(n),
            r: b.to_vec(),
            q: vector(m),
            gamma: zero,
            previous_gamma: None,
            direction_norm: zero,
            residual_norm: zero,
            penalty_norm: zero,
            solution_norm: zero,
            operator_norm: zero,
            reference: zero,
            guessed: guess.is_some(),
        };
        new.gradient()?;
        new.reference = new.gamma;
        if let Some(guess) = guess
            && new.reference > zero
        {
            new.x.copy_from_slice(guess);
            new.replace()?;
        }
        Ok(new)
    }

    /// s ← Aᴴr + dLᴴw, and the norms of where x is now.
    fn gradient(&mut self) -> core::result::Result<(), Fault> {
        self.residual_norm = self.a.range_norm(&self.r);
        self.solution_norm = norm(&self.x);
        self.a.apply_adjoint(&self.r, &mut self.s);
        let d = self.d;
        let what = match &mut self.penalty {
            Some(part) => {
                self.penalty_norm = part.l.range_norm(&part.w);
                part.l.apply_adjoint(&part.w, &mut part.z);
                add_scaled(&mut self.s, T::from_real(d), &part.z);
                "the product Aᴴ·r or Lᴴ·w"
            }
            None => {
                self.penalty_norm = d * self.solution_norm;
                if d > T::Real::ZERO {
                    for (s, x) in self.s.iter_mut().zip(&self.x) {
                        *s -= x.scale(d).scale(d);
                    }
                }
                "the product Aᴴ·r"
            }
        };
        self.gamma = norm(&self.s);
        finite(self.gamma, what)
    }

    /// p ← s/gamma + (gamma/previous gamma)·p.
    fn direction(&mut self) {
        let inverse = T::Real::ONE / self.gamma;
        let gamma = self.gamma;
        let unit = |s: T| if inverse.finite() { s.scale(inverse) } else { T::from_parts(s.real() / gamma, s.imaginary() / gamma) };
        match self.previous_gamma {
            None => {
                self.direction_norm = T::Real::ONE;
                for (p, &s) in self.p.iter_mut().zip(&self.s) {
                    *p = unit(s);
                }
            }
            Some(previous) => {
                let ratio = gamma / previous;
                self.direction_norm = norm(&[T::Real::ONE, ratio * self.direction_norm]);
                for (p, &s) in self.p.iter_mut().zip(&self.s) {
                    *p = unit(s) + p.scale(ratio);
                }
            }
        }
    }

    /// ⟨Âp, r̂⟩ = ⟨p, Âᴴr̂⟩, which is gamma for a direction that is the gradient: all that a wrong adjoint cannot satisfy by chance.
    fn compare_adjoint(&self, range_norm: T::Real, penalty_norm: T::Real) -> core::result::Result<(), Fault> {
        let mut product = self.a.range_dot(&self.q, &self.r);
        match &self.penalty {
            Some(part) => product += part.l.range_dot(&part.u, &part.w).scale(self.d),
            None => product -= dot(&self.p, &self.x).scale(self.d).scale(self.d),
        }
        let scale = range_norm * self.residual_norm + penalty_norm * self.penalty_norm + self.gamma;
        let difference = (product - T::from_real(self.gamma)).modulus() / scale;
        // far above rounding, far below any slip in a transpose, a conjugation or a factor
        if difference > T::Real::EPSILON.sqrt() { Err(Fault::NotAdjoint(difference.to_f64())) } else { Ok(()) }
    }
}

fn finite<R: Real>(value: R, what: &'static str) -> core::result::Result<(), Fault> {
    if value.finite() { Ok(()) } else { Err(Fault::NonFinite(what)) }
}

impl<T: Scalar> Iteration for Cgls<'_, T> {
    fn name(&self) -> &'static str {
        "CGLS"
    }

    fn epsilon(&self) -> f64 {
        T::Real::EPSILON.to_f64()
    }

    fn step(&mut self) -> core::result::Result<Progress, Fault> {
        let d = self.d;
        self.direction();
        self.a.apply(&self.p, &mut self.q);
        let range_norm = self.a.range_norm(&self.q);
        finite(range_norm, "the product A·p")?;
        let penalty_norm = match &mut self.penalty {
            Some(part) => {
                part.l.apply(&self.p, &mut part.u);
                d * part.l.range_norm(&part.u)
            }
            None if d > T::Real::ZERO => d * norm(&self.p),
            None => T::Real::ZERO,
        };
        finite(penalty_norm, "the product L·p")?;
        let delta = norm(&[range_norm, penalty_norm]);
        if self.previous_gamma.is_none() {
            self.compare_adjoint(range_norm, penalty_norm)?;
        }
        self.operator_norm = self.operator_norm.larger(delta / self.direction_norm);
        if delta <= T::Real::from_f64(NULL_DIRECTION) * T::Real::EPSILON * self.operator_norm * self.direction_norm {
            return Ok(Progress::NoDirection);
        }
        let length = self.gamma / delta / delta;
        add_scaled(&mut self.x, T::from_real(length), &self.p);
        add_scaled(&mut self.r, T::from_real(-length), &self.q);
        if let Some(part) = &mut self.penalty {
            add_scaled(&mut part.w, T::from_real(-(length * d)), &part.u);
        }
        self.previous_gamma = Some(self.gamma);
        self.gradient()?;
        Ok(Progress::Moved)
    }

    fn replace(&mut self) -> core::result::Result<(), Fault> {
        self.a.apply(&self.x, &mut self.q);
        for ((r, &b), &q) in self.r.iter_mut().zip(self.b).zip(&self.q) {
            *r = b - q;
        }
        if let Some(part) = &mut self.penalty {
            part.l.apply(&self.x, &mut part.u);
            for (w, &u) in part.w.iter_mut().zip(&part.u) {
                *w = -u.scale(self.d);
            }
        }
        self.previous_gamma = None;
        self.gradient()
    }

    fn state(&self) -> State {
        let stacked = norm(&[self.residual_norm, self.penalty_norm]);
        State {
            residual_norm: self.residual_norm.to_f64(),
            stacked_norm: stacked.to_f64(),
            normal_norm: self.gamma.to_f64(),
            reference: self.reference.to_f64(),
            solution_norm: self.solution_norm.to_f64(),
            operator_norm: self.operator_norm.to_f64(),
            guessed: self.guessed,
        }
    }
}
