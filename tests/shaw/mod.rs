//! Shaw's problem (Shaw 1972) for the tests of figures: A row by row, x and b with noise of this size relative to ‖b‖.

use std::f64::consts::{FRAC_PI_2, PI};

pub fn shaw(n: usize, noise: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let angle = |i: usize| (i as f64 + 0.5) / n as f64 * PI - FRAC_PI_2;
    let kernel = |s: f64, t: f64| {
        let u = PI * (s.sin() + t.sin());
        let sinc = if u == 0.0 { 1.0 } else { u.sin() / u };
        ((s.cos() + t.cos()) * sinc).powi(2) * PI / n as f64
    };
    let a: Vec<f64> = (0..n * n).map(|k| kernel(angle(k / n), angle(k % n))).collect();
    let x: Vec<f64> = (0..n).map(angle).map(|t| 2.0 * (-6.0 * (t - 0.8).powi(2)).exp() + (-2.0 * (t + 0.5).powi(2)).exp()).collect();
    let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
    let exact: Vec<f64> = a.chunks(n).map(|row| dot(row, &x)).collect();
    // errors from a seed: sums of twelve uniform numbers are normal enough here
    let mut state = 7u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let errors: Vec<f64> = (0..n).map(|_| (0..12).map(|_| uniform()).sum()).collect();
    let size = noise * (dot(&exact, &exact) / dot(&errors, &errors)).sqrt();
    let b = exact.iter().zip(&errors).map(|(b, e)| b + size * e).collect();
    (a, x, b)
}
