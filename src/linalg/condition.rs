//! Condition estimates from a few solves.

use super::{MatMut, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};

/// Estimate of ‖R‖₁‖R⁻¹‖₁ for an upper triangular R: Hager's method as refined by Higham 1988 (doi:10.1145/50063.214386),
/// a lower bound that is rarely below a third of the truth. ∞ when a diagonal entry is zero.
pub fn condition_upper<T: Scalar>(r: MatRef<'_, T>) -> f64 {
    let n = r.nrows();
    if (0..n).any(|k| r[(k, k)] == T::ZERO) {
        return f64::INFINITY;
    }
    let one_norm = (0..n).map(|j| (0..=j).map(|i| r[(i, j)].modulus().to_f64()).sum::<f64>()).fold(0.0, f64::max);
    let solve = |op: Op, x: &mut [T]| {
        let column = MatMut::from_column_major_slice_mut(x, n, 1);
        T::solve_upper(r, op, column, Threads::ONE);
    };
    one_norm * inverse_one_norm(n, &|x: &mut [T]| solve(Op::None, x), &|x: &mut [T]| solve(Op::Adjoint, x))
}

/// Estimate of ‖M⁻¹‖₁ from solves with M and Mᴴ (Hager, Higham).
pub fn inverse_one_norm<T: Scalar>(n: usize, solve: &dyn Fn(&mut [T]), solve_adjoint: &dyn Fn(&mut [T])) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let sum = |x: &[T]| x.iter().map(|v| v.modulus().to_f64()).sum::<f64>();
    let mut x = vec![T::from_real(T::Real::from_f64(1.0 / n as f64)); n];
    let mut estimate = 0.0;
    let mut previous = usize::MAX;
    for _ in 0..5 {
        solve(&mut x);
        let now = sum(&x);
        if !now.is_finite() {
            return f64::INFINITY;
        }
        if now <= estimate {
            break;
        }
        estimate = now;
        for value in x.iter_mut() {
            let modulus = value.modulus();
            *value = if modulus == T::Real::ZERO { T::ONE } else { value.scale(T::Real::ONE / modulus) };
        }
        solve_adjoint(&mut x);
        let largest = (0..n).max_by(|&i, &j| x[i].modulus().to_f64().total_cmp(&x[j].modulus().to_f64())).unwrap_or(0);
        if largest == previous {
            break;
        }
        previous = largest;
        x.fill(T::ZERO);
        x[largest] = T::ONE;
    }
    // Higham's second vector catches the cases in which the first is misled
    let mut x: Vec<T> = (0..n)
        .map(|i| {
            let size = 1.0 + i as f64 / (n.max(2) - 1) as f64;
            T::from_real(T::Real::from_f64(if i % 2 == 0 { size } else { -size }))
        })
        .collect();
    solve(&mut x);
    let alternative = 2.0 * sum(&x) / (3.0 * n as f64);
    if alternative.is_finite() { estimate.max(alternative) } else { f64::INFINITY }
}
