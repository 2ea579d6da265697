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

use super::{Driver, Fault, Iteration, Length, NULL_DIRECTION, Outcome, Progress, Start, State, System, Until, finite};
use crate::error::Result;
use crate::linalg::{Threads, add_scaled, add_scaled_by, dot, norm};
use crate::method::Cgls as Options;
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};
use crate::step::Observer;

/// One right-hand side.
pub(super) fn solve<T: Scalar>(
    system: &System<'_, T>,
    guess: Option<&[T]>,
    until: Until,
    start: Start,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let mut iteration = Cgls::init(system, guess).map_err(|fault| fault.at(0))?;
    system.check_reference(iteration.reference, Options::NAME)?;
    let (stop, steps) = Driver::new(iteration.epsilon(), until).run(&mut iteration, observer)?;
    let state = iteration.state();
    Ok(Outcome {
        stop,
        steps,
        residual_norm: state.residual_norm,
        normal_residual: state.normal_residual(),
        condition: None,
        variances: None,
        start,
        x: iteration.x,
    })
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
    right: Option<Right<'a, T>>,
    guessed: bool,
    threads: Threads,
    length: Option<Length<'a, T>>,
}

/// What a preconditioner R⁻¹ needs beside: t = R⁻¹R⁻ᴴs takes the place of s in the direction.
struct Right<'a, T: Scalar> {
    inverse: &'a dyn Operator<Scalar = T>,
    y: Vec<T>,
    t: Vec<T>,
    /// ‖R⁻ᴴs‖, which takes the place of gamma.
    gradient_norm: T::Real,
}

/// What a given L needs beside.
struct PenaltyPart<'a, T: Scalar> {
    l: &'a dyn Operator<Scalar = T>,
    w: Vec<T>,
    u: Vec<T>,
    z: Vec<T>,
}

impl<'a, T: Scalar> Cgls<'a, T> {
    fn init(system: &System<'a, T>, guess: Option<&[T]>) -> core::result::Result<Self, Fault> {
        let System { a, l, d, b, hidden, right, threads, length, .. } = *system;
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
            operator_norm: hidden,
            reference: zero,
            right: right.map(|inverse| Right { inverse, y: vector(n), t: vector(n), gradient_norm: zero }),
            guessed: guess.is_some(),
            threads,
            length,
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
        finite(self.gamma, what)?;
        if let Some(right) = &mut self.right {
            right.inverse.apply_adjoint(&self.s, &mut right.y);
            right.inverse.apply(&right.y, &mut right.t);
            right.gradient_norm = norm(&right.y);
            finite(right.gradient_norm, "the product with the adjoint of the preconditioner")?;
        }
        Ok(())
    }

    /// gamma in the units of the recursion.
    fn gradient_norm(&self) -> T::Real {
        self.right.as_ref().map_or(self.gamma, |right| right.gradient_norm)
    }

    /// p ← s/gamma + (gamma/previous gamma)·p.
    fn direction(&mut self) {
        let gamma = self.gradient_norm();
        let inverse = T::Real::ONE / gamma;
        let s = self.right.as_ref().map_or(&self.s, |right| &right.t);
        let unit = |s: T| if inverse.finite() { s.scale(inverse) } else { T::from_parts(s.real() / gamma, s.imaginary() / gamma) };
        match self.previous_gamma {
            None => {
                self.direction_norm = T::Real::ONE;
                for (p, &s) in self.p.iter_mut().zip(s) {
                    *p = unit(s);
                }
            }
            Some(previous) => {
                let ratio = gamma / previous;
                self.direction_norm = norm(&[T::Real::ONE, ratio * self.direction_norm]);
                for (p, &s) in self.p.iter_mut().zip(s) {
                    *p = unit(s) + p.scale(ratio);
                }
            }
        }
        if self.right.is_some() {
            // orthogonality is that of R·p
            self.direction_norm = norm(&self.p);
        }
    }

    /// ⟨Âv, r̂⟩ = ⟨v, Âᴴr̂⟩ for q = Av, u = Lv: what a wrong adjoint satisfies by chance alone.
    fn compare_adjoint(&self, v: &[T], norm_v: T::Real) -> core::result::Result<(), Fault> {
        let mut product = self.a.range_dot(&self.q, &self.r);
        let mut scale = self.a.range_norm(&self.q) * self.residual_norm + norm_v * self.gamma;
        match &self.penalty {
            Some(part) => {
                product += part.l.range_dot(&part.u, &part.w).scale(self.d);
                scale += self.d * part.l.range_norm(&part.u) * self.penalty_norm;
            }
            None => {
                // d into both factors: x itself may be of a size whose square overflows
                let d = self.d;
                product -= v.iter().zip(&self.x).fold(T::ZERO, |sum, (&v, &x)| sum + v.conj().scale(d) * x.scale(d));
                scale += self.d * norm_v * self.penalty_norm;
            }
        }
        let difference = (product - dot(v, &self.s)).modulus() / scale;
        // far above rounding, far below any slip in a transpose, a conjugation or a factor
        if difference > T::Real::EPSILON.sqrt() { Err(Fault::NotAdjoint(difference.to_f64())) } else { Ok(()) }
    }
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
            self.compare_adjoint(&self.p, self.direction_norm)?;
        }
        self.operator_norm = self.operator_norm.larger(delta / self.direction_norm);
        if delta <= T::Real::from_f64(NULL_DIRECTION) * T::Real::EPSILON * self.operator_norm * self.direction_norm {
            return Ok(Progress::NoDirection);
        }
        let length = self.gradient_norm() / delta / delta;
        add_scaled_by(&mut self.x, T::from_real(length), &self.p, self.threads);
        add_scaled_by(&mut self.r, T::from_real(-length), &self.q, self.threads);
        if let Some(part) = &mut self.penalty {
            add_scaled(&mut part.w, T::from_real(-(length * d)), &part.u);
        }
        self.previous_gamma = Some(self.gradient_norm());
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
        self.gradient()?;
        // at x = 0 the first step could not see the penalty's adjoint; here both are seen, before x is believed
        self.compare_adjoint(&self.x, self.solution_norm)
    }

    fn observe(&mut self) -> State {
        let state = self.state();
        match self.length {
            Some(length) => State { solution_norm: length(&self.x).to_f64(), ..state },
            None => state,
        }
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
            condition: 1.0,
            guessed: self.guessed,
        }
    }
}

#[cfg(test)]
mod tests;
