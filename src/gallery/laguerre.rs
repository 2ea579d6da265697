//! Nodes and weights of Gauss–Laguerre quadrature, ∫₀^∞ exp(−t) f(t) dt ≈ Σ wⱼ f(tⱼ), with wⱼ·exp(tⱼ) in place of wⱼ, which
//! underflows from n ≈ 195.
//!
//! The nodes are the eigenvalues of the symmetric tridiagonal matrix with 2i − 1 on the diagonal and i beside it: bisection by
//! Sturm counts, then Newton's method on L_n, which gives the small ones all their digits. The weights are
//! t/((n + 1)·L_{n+1}(t))², evaluated with exp(−t/2) inside and the exponent kept apart. The recurrence runs on L_k and on
//! d_k = k(L_k − L_{k−1}) = t·L_k′: the usual one, on L_k and L_{k−1}, loses n² units of rounding at small t. 60 Sturm counts
//! of n divisions for each of n nodes.
//!
//! Symbols: L_k Laguerre polynomial of degree k. G. Szegő 1975, Orthogonal Polynomials, §3.4 and (15.3.5); NIST Digital
//! Library of Mathematical Functions, §3.5(v).

/// A node, and its weight times exp(node).
pub(super) struct Node {
    pub(super) at: f64,
    pub(super) scaled_weight: f64,
}

/// The n nodes by increasing size.
pub(super) fn gauss_laguerre(n: usize) -> Vec<Node> {
    let order = n as f64;
    (0..n)
        .map(|index| {
            // all nodes are below 4n + 2 (Szegő, theorem 6.31.2)
            let (mut low, mut high) = (0.0, 4.0 * order + 2.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if nodes_below(n, middle) > index { high = middle } else { low = middle }
            }
            let mut at = 0.5 * (low + high);
            for _ in 0..3 {
                let step = scaled_laguerre(n, at).step;
                // a step within rounding of the bisection, or none
                if !(step.abs() <= 1e-6 * at) {
                    break;
                }
                at -= step;
            }
            let log_weight = at.ln() - 2.0 * ((order + 1.0).ln() + scaled_laguerre(n, at).log_next);
            Node { at, scaled_weight: log_weight.exp() }
        })
        .collect()
}

/// How many eigenvalues of the tridiagonal matrix are below t: the negative pivots of its shifted LDLᵀ.
fn nodes_below(n: usize, t: f64) -> usize {
    let (mut count, mut pivot) = (0, 1.0);
    for i in 0..n {
        let beside = i as f64;
        pivot = (2 * i + 1) as f64 - t - if i == 0 { 0.0 } else { beside * beside / pivot };
        if pivot == 0.0 {
            pivot = f64::MIN_POSITIVE;
        }
        count += usize::from(pivot < 0.0);
    }
    count
}

/// What Newton's method and the weight need.
struct Laguerre {
    /// L_n/L_n′.
    step: f64,
    /// log |exp(−t/2)·L_{n+1}|.
    log_next: f64,
}

fn scaled_laguerre(n: usize, t: f64) -> Laguerre {
    // L_k and d_k, both over exp(exponent)
    let (mut value, mut difference, mut exponent) = (1.0_f64, 0.0, 0.0);
    for k in 0..n {
        difference -= t * value;
        value += difference / (k + 1) as f64;
        if value.abs() > 1e100 {
            (value, difference, exponent) = (value * 1e-100, difference * 1e-100, exponent + 100.0 * core::f64::consts::LN_10);
        }
    }
    let next = value + (difference - t * value) / (n + 1) as f64;
    Laguerre { step: t * value / difference, log_next: next.abs().ln() + exponent - 0.5 * t }
}
