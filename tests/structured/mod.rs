//! Matrices of operators, and numbers to fill them.

use wellposed::{Operator, Real, Scalar};

pub fn number<T: Scalar>(real: f64, imaginary: f64) -> T {
    T::from_parts(T::Real::from_f64(real), T::Real::from_f64(imaginary))
}

/// NaN where a product forgets to write.
pub fn garbage<T: Scalar>(length: usize) -> Vec<T> {
    vec![number(f64::NAN, f64::NAN); length]
}

/// Numbers in (−1, 1) by a linear congruence.
pub fn random<T: Scalar>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| number(next(), next())).collect()
}

/// The matrix of an operator, column after column.
pub fn dense<T: Scalar>(a: &(impl Operator<Scalar = T> + ?Sized)) -> Vec<T> {
    let (m, n) = a.shape();
    let mut entries = Vec::with_capacity(m * n);
    for j in 0..n {
        let (mut unit, mut column) = (vec![T::ZERO; n], garbage(m));
        unit[j] = T::ONE;
        a.apply(&unit, &mut column);
        entries.extend(column);
    }
    entries
}

/// The matrix of an operator, by rows.
pub fn matrix<T: Scalar>(a: &(impl Operator<Scalar = T> + ?Sized)) -> Vec<Vec<T>> {
    let ((m, n), entries) = (a.shape(), dense(a));
    (0..m).map(|i| (0..n).map(|j| entries[j * m + i]).collect()).collect()
}
