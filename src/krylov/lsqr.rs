//! LSQR: the minimiser over the Krylov space, from Golub and Kahan's bidiagonalization, with damping in the recurrence.
//!
//! Solves       minimise ‖Ax − b‖² + d²‖Lx‖² over the span of v₁ … v_k, by a QR factorization of [B_k; dI] that grows by two
//!              rotations a step.
//! Equals       CGLS in exact arithmetic: ‖r̂‖ is as small as k products permit.
//! Siblings     CGLS computes Âᴴr̂ where this carries it as a number, has less vector work, and cannot use a fused product;
//!              LSMR makes ‖Âᴴr̂‖ smallest, which is what a tolerance bounds.
//! Cost         beside the process: 5n flops and 2 vectors of n (x, w); 2n more and a vector for variances.
//!
//! Symbols      here            Paige & Saunders
//!              rho, theta      ρ_k, θ_{k+1}: the row of R; rho_bar, phi_bar are what the next rotation meets
//!              psi             ψ_k: what the rotation with the damping leaves behind of the right-hand side
//!              w               w_k = ρ_k·d_k; D = VR⁻¹, so that ÂD is orthonormal
//!              variances       Σ|d_k|², entry by entry: the diagonal of V(B_kᴴB_k + d²I)⁻¹Vᴴ, a lower bound of that of
//!                              (ÂᴴÂ)⁻¹, and equal to it after n steps
//!
//! References   Paige & Saunders 1982, doi:10.1145/355984.355989 and doi:10.1145/355993.356000 (damping, standard errors).

use super::bidiagonal::Recurrence;
use super::{NULL_DIRECTION, Progress};
use crate::linalg::{self, Threads, norm};
use crate::method::Lsqr as Options;
use crate::scalar::{Real, Scalar};

/// The recurrences of one column and one damping.
pub(crate) struct Lsqr<T: Scalar> {
    x: Vec<T>,
    w: Vec<T>,
    damping: T::Real,
    rho_bar: T::Real,
    phi_bar: T::Real,
    /// √(Σψ²).
    psi: T::Real,
    alpha: T::Real,
    cosine: T::Real,
    /// ‖w‖ as orthogonality has it.
    w_norm: T::Real,
    largest: T::Real,
    smallest: T::Real,
    variances: Option<Vec<T::Real>>,
    /// Variances belong to one run of the process.
    begun: bool,
    /// ‖x‖ after the last step.
    solution_norm: T::Real,
    threads: Threads,
}

impl<T: Scalar> Recurrence<T> for Lsqr<T> {
    fn name() -> &'static str {
        Options::NAME
    }

    fn new(unknowns: usize, variances: bool, threads: Threads) -> Self {
        let zero = T::Real::ZERO;
        Self {
            x: vec![T::ZERO; unknowns],
            w: vec![T::ZERO; unknowns],
            damping: zero,
            rho_bar: zero,
            phi_bar: zero,
            psi: zero,
            alpha: zero,
            cosine: T::Real::ONE,
            w_norm: T::Real::ONE,
            largest: zero,
            smallest: T::Real::MAX,
            variances: variances.then(|| vec![zero; unknowns]),
            begun: false,
            solution_norm: zero,
            threads,
        }
    }

    fn restart(&mut self, damping: T::Real, beta: T::Real, alpha: T::Real, direction: &[T], scale: T::Real) {
        self.damping = damping;
        (self.rho_bar, self.phi_bar, self.psi) = (alpha, beta, T::Real::ZERO);
        (self.alpha, self.cosine, self.w_norm) = (alpha, T::Real::ONE, T::Real::ONE);
        for (w, &v) in self.w.iter_mut().zip(direction) {
            *w = v.scale(scale);
        }
    }

    fn advance(&mut self, beta: T::Real, alpha: T::Real, direction: &[T], scale: T::Real, operator_norm: T::Real) -> Progress {
        let zero = T::Real::ZERO;
        let damped = norm(&[self.rho_bar, self.damping]);
        let rho = norm(&[damped, beta]);
        if rho <= T::Real::from_f64(NULL_DIRECTION) * T::Real::EPSILON * operator_norm * self.w_norm {
            return Progress::NoDirection;
        }
        // without damping too: ρ̄ alternates in sign, and damped does not
        if damped > zero {
            self.psi = norm(&[self.psi, self.damping / damped * self.phi_bar]);
            self.phi_bar = self.rho_bar / damped * self.phi_bar;
        }
        let (cosine, sine) = (damped / rho, beta / rho);
        let (theta, phi) = (sine * alpha, cosine * self.phi_bar);
        (self.rho_bar, self.phi_bar) = (-(cosine * alpha), sine * self.phi_bar);
        (self.alpha, self.cosine) = (alpha, cosine);
        (self.largest, self.smallest) = (self.largest.larger(rho), if rho < self.smallest { rho } else { self.smallest });
        if let Some(variances) = self.variances.as_mut().filter(|_| !self.begun) {
            let inverse = T::Real::ONE / rho;
            for (variance, w) in variances.iter_mut().zip(&self.w) {
                *variance += w.scale(inverse).modulus_squared();
            }
        }
        let (length, back) = (phi / rho, theta / rho);
        self.w_norm = norm(&[T::Real::ONE, back * self.w_norm]);
        // one pass: x ← x + length·w and its squares, w ← v − back·w
        let squares = linalg::sweep([&mut self.x, &mut self.w], [direction], self.threads, &|[x, w], [v]| {
            for ((x, w), &v) in x.iter_mut().zip(w).zip(v) {
                *x += w.scale(length);
                *w = v.scale(scale) - w.scale(back);
            }
            linalg::squares(x)
        });
        self.solution_norm = linalg::norm_of(squares, &self.x);
        Progress::Moved
    }

    fn x(&self) -> &[T] {
        &self.x
    }

    fn solution_norm(&self) -> T::Real {
        self.solution_norm
    }

    fn x_mut(&mut self) -> &mut [T] {
        &mut self.x
    }

    fn residual_norm(&self) -> T::Real {
        norm(&[self.phi_bar, self.psi])
    }

    fn normal_norm(&self) -> T::Real {
        (self.phi_bar * self.alpha * self.cosine).modulus()
    }

    fn condition(&self) -> T::Real {
        if self.largest > T::Real::ZERO { self.largest / self.smallest } else { T::Real::ONE }
    }

    fn freeze(&mut self) {
        self.begun = true;
    }

    fn into_answer(self) -> (Vec<T>, Option<Vec<T::Real>>) {
        (self.x, self.variances)
    }
}
