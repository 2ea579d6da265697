//! LSMR with SciPy's tests for stopping.
//!
//! Problem      min ‖Ax − b‖² + d²‖x‖², for the change from x₀ where a start is given
//! Equals       MINRES on the normal equations, in exact arithmetic: ‖Aᴴr − d²x‖ falls monotonically
//! Sibling      `lsqr`, whose residual falls faster and gradient unevenly; `wellposed.Lsmr` for a verified tolerance
//! Cost         a step: one product with A, one with Aᴴ, 3m + 6n multiplications; 2 vectors of m, 5 of n
//! Symbols      α, β, u, v Golub and Kahan's process; ρ, ρ̄, ζ̄, h, h̄ as in the paper; d the damping
//! Reference    Fong & Saunders 2011, doi:10.1137/10079687X.

use super::{Outcome, Process, Stopping, Watcher, add, norm, rotation, scale};
use wellposed::{Operator, Real, Scalar};

pub fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    b: &[T],
    start: Option<Vec<T>>,
    stopping: &Stopping,
    watch: &mut Watcher<'_>,
) -> Outcome<T> {
    let n = a.shape().1;
    let b_norm = norm(b);
    let mut process = Process::start(a, b, start.as_deref());
    let mut x = start.unwrap_or_else(|| vec![T::ZERO; n]);
    let mut h = process.v.clone();
    let mut h_bar = vec![T::ZERO; n];

    let (mut zeta_bar, mut alpha_bar) = (process.alpha * process.beta, process.alpha);
    let (mut rho, mut rho_bar, mut c_bar, mut s_bar) = (1.0, 1.0, 1.0, 0.0);
    // ‖r‖
    let (mut beta_dd, mut beta_d, mut rho_d_old, mut tau_tilde_old) = (process.beta, 0.0, 1.0, 0.0);
    let (mut theta_tilde, mut zeta, mut d) = (0.0, 0.0, 0.0);
    // ‖A‖ and the condition number of the damped matrix
    let mut a_norm_squared = process.alpha * process.alpha;
    let (mut largest, mut smallest) = (0.0f64, f64::INFINITY);
    let (mut a_norm, mut a_condition, mut x_norm) = (process.alpha, 1.0, 0.0);
    let mut r_norm = process.beta;
    let mut ar_norm = process.alpha * process.beta;
    let (mut istop, mut step) = (0, 0);

    if b_norm == 0.0 && ar_norm != 0.0 {
        // the answer is zero, whatever the start
        x.fill(T::ZERO);
        return Outcome { x, istop, steps: 0, norms: vec![r_norm, ar_norm, a_norm, a_condition, x_norm], variances: None, broken: false };
    }
    while ar_norm != 0.0 && step < stopping.limit && process.is_finite() {
        step += 1;
        process.step();
        let (alpha, beta) = (process.alpha, process.beta);

        let (c_hat, s_hat, alpha_hat) = rotation(alpha_bar, stopping.damp);
        let rho_old = rho;
        let (c, s, new_rho) = rotation(alpha_hat, beta);
        rho = new_rho;
        let theta_new = s * alpha;
        alpha_bar = c * alpha;

        let (rho_bar_old, zeta_old) = (rho_bar, zeta);
        let theta_bar = s_bar * rho;
        let rho_temp = c_bar * rho;
        (c_bar, s_bar, rho_bar) = rotation(rho_temp, theta_new);
        zeta = c_bar * zeta_bar;
        zeta_bar *= -s_bar;

        scale(&mut h_bar, -(theta_bar * rho / (rho_old * rho_bar_old)));
        add(&mut h_bar, 1.0, &h);
        add(&mut x, zeta / (rho * rho_bar), &h_bar);
        scale(&mut h, -(theta_new / rho));
        add(&mut h, 1.0, &process.v);

        let beta_acute = c_hat * beta_dd;
        let beta_check = -s_hat * beta_dd;
        let beta_hat = c * beta_acute;
        beta_dd = -s * beta_acute;
        let theta_tilde_old = theta_tilde;
        let (c_tilde_old, s_tilde_old, rho_tilde_old) = rotation(rho_d_old, theta_bar);
        theta_tilde = s_tilde_old * rho_bar;
        rho_d_old = c_tilde_old * rho_bar;
        beta_d = -s_tilde_old * beta_d + c_tilde_old * beta_hat;
        tau_tilde_old = (zeta_old - theta_tilde_old * tau_tilde_old) / rho_tilde_old;
        let tau_d = (zeta - theta_tilde * tau_tilde_old) / rho_d_old;
        d += beta_check * beta_check;
        r_norm = (d + (beta_d - tau_d).powi(2) + beta_dd * beta_dd).sqrt();

        a_norm_squared += beta * beta;
        a_norm = a_norm_squared.sqrt();
        a_norm_squared += alpha * alpha;
        largest = largest.max(rho_bar_old);
        if step > 1 {
            smallest = smallest.min(rho_bar_old);
        }
        a_condition = largest.max(rho_temp) / smallest.min(rho_temp);

        ar_norm = zeta_bar.abs();
        x_norm = norm(&x);
        let test1 = r_norm / b_norm;
        let test2 = if a_norm * r_norm != 0.0 { ar_norm / (a_norm * r_norm) } else { f64::INFINITY };
        let relative = a_norm * x_norm / b_norm;
        let tests = (test1, test2, 1.0 / a_condition);
        istop = stopping.verdict(step, tests, test1 / (1.0 + relative), stopping.btol + stopping.atol * relative);
        let first = x.first().map_or(0.0, |x| x.real().to_f64());
        if !watch((step, first, r_norm, ar_norm, test1, test2, a_norm, a_condition)) || istop != 0 {
            break;
        }
    }
    Outcome {
        broken: !process.is_finite() || x.iter().any(|x| !x.finite()),
        x,
        istop,
        steps: step,
        norms: vec![r_norm, ar_norm, a_norm, a_condition, x_norm],
        variances: None,
    }
}
