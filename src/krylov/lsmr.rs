//! LSMR: the x of the Krylov space with the smallest gradient, from Golub and Kahan's bidiagonalization.
//!
//! Solves       minimise ‖Aᴴ(b − Ax) − d²LᴴLx‖ over the span of v₁ … v_k: MINRES on the normal equations, without forming
//!              them. The limit is the minimiser of ‖Ax − b‖² + d²‖Lx‖².
//! Equals       in the limit LSQR and CGLS; on the way ‖Âᴴr̂‖ falls monotonically, as ‖r̂‖ does (Fong & Saunders, section 7),
//!              so that a tolerance on ‖Âᴴr̂‖ is met in no more steps than by any of them, rounding aside.
//! Siblings     LSQR where ‖r̂‖ should fall fastest, for variances, and when x after few steps is the regularized solution
//!              with the smaller residual.
//! Cost         beside the process: 8n flops and 3 vectors of n (x, h, h̄).
//!
//! Symbols      here                      Fong & Saunders, algorithm LSMR
//!              alpha_bar, rho, rho_bar   ᾱ, ρ, ρ̄: what the rotations of B_k, and of R_kᴴ, leave on the diagonal
//!              zeta, zeta_bar            ζ, ζ̄; |ζ̄_{k+1}| = ‖Âᴴr̂_k‖
//!              Residual                  section 3.2: the QR factorization of R̄ᴴ follows ‖r̂_k‖ as a number
//!
//! Reference    Fong & Saunders 2011, doi:10.1137/10079687X.

use super::bidiagonal::Recurrence;
use super::{NULL_DIRECTION, Progress};
use crate::linalg::{self, Threads, norm};
use crate::method::Lsmr as Options;
use crate::scalar::{Real, Scalar};

/// The recurrences of one column and one damping.
pub(crate) struct Lsmr<T: Scalar> {
    x: Vec<T>,
    h: Vec<T>,
    h_bar: Vec<T>,
    damping: T::Real,
    alpha_bar: T::Real,
    rho: T::Real,
    rho_bar: T::Real,
    cosine_bar: T::Real,
    sine_bar: T::Real,
    zeta: T::Real,
    zeta_bar: T::Real,
    residual: Residual<T::Real>,
    /// ‖h‖ as orthogonality has it.
    h_norm: T::Real,
    largest: T::Real,
    smallest: T::Real,
    condition: T::Real,
    /// ‖x‖ after the last step.
    solution_norm: T::Real,
    threads: Threads,
}

/// ‖r̂‖ as a number.
struct Residual<R> {
    beta_dotted: R,
    beta_double_dotted: R,
    rho_dotted: R,
    tau_tilde: R,
    theta_tilde: R,
    /// √(Σβ̌²): what the rotations with the damping leave behind.
    left: R,
    norm: R,
}

/// c, s, r with [c s; s −c][a; b] = [r; 0].
fn rotation<R: Real>(a: R, b: R) -> (R, R, R) {
    let r = norm(&[a, b]);
    if r == R::ZERO { (R::ONE, R::ZERO, R::ZERO) } else { (a / r, b / r, r) }
}

impl<T: Scalar> Recurrence<T> for Lsmr<T> {
    fn name() -> &'static str {
        Options::NAME
    }

    fn new(unknowns: usize, _: bool, threads: Threads) -> Self {
        let (zero, one) = (T::Real::ZERO, T::Real::ONE);
        Self {
            x: vec![T::ZERO; unknowns],
            h: vec![T::ZERO; unknowns],
            h_bar: vec![T::ZERO; unknowns],
            damping: zero,
            alpha_bar: zero,
            rho: one,
            rho_bar: one,
            cosine_bar: one,
            sine_bar: zero,
            zeta: zero,
            zeta_bar: zero,
            residual: Residual::new(zero),
            h_norm: one,
            largest: zero,
            smallest: T::Real::MAX,
            condition: one,
            solution_norm: zero,
            threads,
        }
    }

    fn restart(&mut self, damping: T::Real, beta: T::Real, alpha: T::Real, direction: &[T], scale: T::Real) {
        let (zero, one) = (T::Real::ZERO, T::Real::ONE);
        self.damping = damping;
        (self.alpha_bar, self.rho, self.rho_bar, self.cosine_bar, self.sine_bar) = (alpha, one, one, one, zero);
        (self.zeta, self.zeta_bar) = (zero, alpha * beta);
        self.residual = Residual::new(beta);
        self.h_norm = one;
        for (h, &v) in self.h.iter_mut().zip(direction) {
            *h = v.scale(scale);
        }
        self.h_bar.fill(T::ZERO);
    }

    fn advance(&mut self, beta: T::Real, alpha: T::Real, direction: &[T], scale: T::Real, operator_norm: T::Real) -> Progress {
        let (cosine_hat, sine_hat, alpha_hat) = rotation(self.alpha_bar, self.damping);
        let rho_before = self.rho;
        let (cosine, sine, rho) = rotation(alpha_hat, beta);
        if rho <= T::Real::from_f64(NULL_DIRECTION) * T::Real::EPSILON * operator_norm * self.h_norm {
            return Progress::NoDirection;
        }
        self.rho = rho;
        let theta = sine * alpha;
        self.alpha_bar = cosine * alpha;

        let (rho_bar_before, zeta_before) = (self.rho_bar, self.zeta);
        let theta_bar = self.sine_bar * rho;
        let diagonal = self.cosine_bar * rho;
        (self.cosine_bar, self.sine_bar, self.rho_bar) = rotation(diagonal, theta);
        self.zeta = self.cosine_bar * self.zeta_bar;
        self.zeta_bar = -(self.sine_bar * self.zeta_bar);

        let back_bar = theta_bar / rho_bar_before * (rho / rho_before);
        let (length, back) = (self.zeta / rho / self.rho_bar, theta / rho);
        self.h_norm = norm(&[T::Real::ONE, back * self.h_norm]);
        // one pass: h̄ ← h − back_bar·h̄, x ← x + length·h̄ and its squares, h ← v − back·h
        let squares = linalg::sweep([&mut self.x, &mut self.h, &mut self.h_bar], [direction], self.threads, &|[x, h, h_bar], [v]| {
            for (((x, h), h_bar), &v) in x.iter_mut().zip(h).zip(h_bar).zip(v) {
                *h_bar = *h - h_bar.scale(back_bar);
                *x += h_bar.scale(length);
                *h = v.scale(scale) - h.scale(back);
            }
            linalg::squares(x)
        });
        self.solution_norm = linalg::norm_of(squares, &self.x);
        self.residual.advance((cosine_hat, sine_hat), (cosine, sine), theta_bar, self.rho_bar, zeta_before, self.zeta);

        // the diagonal of R̄_k, its last entry before the rotation that is still to come
        let (largest, smallest) = (self.largest.larger(diagonal), if diagonal < self.smallest { diagonal } else { self.smallest });
        if smallest > T::Real::ZERO {
            self.condition = self.condition.larger(largest / smallest);
        }
        self.largest = self.largest.larger(self.rho_bar);
        self.smallest = if self.rho_bar < self.smallest { self.rho_bar } else { self.smallest };
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
        self.residual.norm
    }

    fn normal_norm(&self) -> T::Real {
        self.zeta_bar.modulus()
    }

    fn condition(&self) -> T::Real {
        self.condition
    }

    fn freeze(&mut self) {}

    fn into_answer(self) -> (Vec<T>, Option<Vec<T::Real>>) {
        (self.x, None)
    }
}

impl<R: Real> Residual<R> {
    fn new(beta: R) -> Self {
        let zero = R::ZERO;
        Self { beta_dotted: zero, beta_double_dotted: beta, rho_dotted: R::ONE, tau_tilde: zero, theta_tilde: zero, left: zero, norm: beta }
    }

    fn advance(&mut self, hat: (R, R), plain: (R, R), theta_bar: R, rho_bar: R, zeta_before: R, zeta: R) {
        let acute = hat.0 * self.beta_double_dotted;
        let check = -(hat.1 * self.beta_double_dotted);
        let beta_hat = plain.0 * acute;
        self.beta_double_dotted = -(plain.1 * acute);

        let theta_before = self.theta_tilde;
        let (cosine, sine, rho_tilde) = rotation(self.rho_dotted, theta_bar);
        self.theta_tilde = sine * rho_bar;
        self.rho_dotted = cosine * rho_bar;
        self.beta_dotted = cosine * beta_hat - sine * self.beta_dotted;

        self.tau_tilde = (zeta_before - theta_before * self.tau_tilde) / rho_tilde;
        let tau = (zeta - self.theta_tilde * self.tau_tilde) / self.rho_dotted;
        self.left = norm(&[self.left, check]);
        self.norm = norm(&[self.left, self.beta_dotted - tau, self.beta_double_dotted]);
    }
}
