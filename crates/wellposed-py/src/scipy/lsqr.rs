//! LSQR with SciPy's tests for stopping.
//!
//! Problem      min ‖Ax − b‖² + d²‖x − x₀‖²
//! Equals       conjugate gradients on the normal equations, in exact arithmetic
//! Sibling      `lsmr` for a monotone ‖Aᴴr‖; `wellposed.Lsqr` for a verified tolerance
//! Cost         a step: one product with A, one with Aᴴ, 3m + 5n multiplications (n more for variances); 2 vectors of m, 4 of n
//! Symbols      α, β, u, v Golub and Kahan's process; ρ̄, φ̄ as in the paper; d the damping
//! Reference    Paige & Saunders 1982, doi:10.1145/355984.355989 and doi:10.1145/355993.356000.

use super::{Outcome, Process, Stopping, Watcher, add, norm, rotation};
use wellposed::{Operator, Real, Scalar};

pub fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    b: &[T],
    start: Option<Vec<T>>,
    stopping: &Stopping,
    variances: bool,
    watch: &mut Watcher<'_>,
) -> Outcome<T> {
    let n = a.shape().1;
    let damp = stopping.damp;
    let damp_squared = damp * damp;
    let b_norm = norm(b);
    let mut process = Process::start(a, b, start.as_deref());
    let mut x = start.unwrap_or_else(|| vec![T::ZERO; n]);
    let mut w = process.v.clone();
    let mut variance = vec![0.0; n];

    let (mut a_norm, mut a_condition, mut dd_norm, mut psi_sum) = (0.0f64, 0.0, 0.0, 0.0);
    let (mut x_norm, mut xx_norm, mut z, mut cs2, mut sn2) = (0.0, 0.0, 0.0, -1.0, 0.0);
    let (mut rho_bar, mut phi_bar) = (process.alpha, process.beta);
    let (mut r1_norm, mut r2_norm) = (process.beta, process.beta);
    let mut ar_norm = process.alpha * process.beta;
    let (mut istop, mut step) = (0, 0);

    while ar_norm != 0.0 && step < stopping.limit && process.is_finite() {
        step += 1;
        let alpha = process.alpha;
        process.step();
        if process.beta > 0.0 {
            a_norm = (a_norm * a_norm + alpha * alpha + process.beta * process.beta + damp_squared).sqrt();
        }

        // a rotation eliminates the damping, which changes the diagonal of the lower bidiagonal matrix
        let (rho_bar_1, psi) = if damp > 0.0 {
            let root = rho_bar.hypot(damp);
            let psi = damp / root * phi_bar;
            phi_bar *= rho_bar / root;
            (root, psi)
        } else {
            (rho_bar, 0.0)
        };
        // and another one its subdiagonal
        let (cs, sn, rho) = rotation(rho_bar_1, process.beta);
        let theta = sn * process.alpha;
        rho_bar = -cs * process.alpha;
        let phi = cs * phi_bar;
        phi_bar *= sn;
        let tau = sn * phi;

        add(&mut x, phi / rho, &w);
        for (variance, w) in variance.iter_mut().zip(&w) {
            let square = (w.modulus().to_f64() / rho).powi(2);
            dd_norm += square;
            if variances {
                *variance += square;
            }
        }
        let factor = T::Real::from_f64(-theta / rho);
        w.iter_mut().zip(&process.v).for_each(|(w, &v)| *w = v + w.scale(factor));

        // a rotation from the right removes the superdiagonal: ‖x‖
        let delta = sn2 * rho;
        let gamma_bar = -cs2 * rho;
        let right = phi - delta * z;
        let z_bar = right / gamma_bar;
        x_norm = (xx_norm + z_bar * z_bar).sqrt();
        let gamma = gamma_bar.hypot(theta);
        cs2 = gamma_bar / gamma;
        sn2 = theta / gamma;
        z = right / gamma;
        xx_norm += z * z;

        a_condition = a_norm * dd_norm.sqrt();
        psi_sum += psi * psi;
        r2_norm = (phi_bar * phi_bar + psi_sum).sqrt();
        ar_norm = process.alpha * tau.abs();
        // ‖b − Ax‖ by a difference: negative where rounding has made it so, as SciPy says it
        r1_norm = if damp > 0.0 {
            let square = r2_norm * r2_norm - damp_squared * xx_norm;
            square.abs().sqrt().copysign(square)
        } else {
            r2_norm
        };

        let test1 = r2_norm / b_norm;
        let test2 = ar_norm / (a_norm * r2_norm + f64::EPSILON);
        let test3 = 1.0 / (a_condition + f64::EPSILON);
        let relative = a_norm * x_norm / b_norm;
        istop = stopping.verdict(step, (test1, test2, test3), test1 / (1.0 + relative), stopping.btol + stopping.atol * relative);
        let first = x.first().map_or(0.0, |x| x.real().to_f64());
        if !watch((step, first, r1_norm, r2_norm, test1, test2, a_norm, a_condition)) || istop != 0 {
            break;
        }
    }
    Outcome {
        broken: !process.is_finite() || x.iter().any(|x| !x.finite()),
        x,
        istop,
        steps: step,
        norms: vec![r1_norm, r2_norm, a_norm, a_condition, ar_norm, x_norm],
        variances: Some(variance),
    }
}
