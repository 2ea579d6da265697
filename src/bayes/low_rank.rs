//! The posterior covariance from products with A alone: prior minus what a subspace of the data explains, with a bound on the rest.
//!
//! For any m×k U with orthonormal columns, W = ĀᴴU = VΘZᴴ (SVD), and M = ĀᴴĀ + λI,
//!
//! ```text
//! M⁻¹ ≤ (I − VΦVᴴ)/λ,  φᵢ = θᵢ²/(θᵢ² + λ)          with equality where U spans the range of Ā
//! ‖(I − VΦVᴴ)/λ − M⁻¹‖ ≤ c²/(λ(c² + λ)),            c = ‖(I − UUᴴ)Ā‖
//! ```
//! so that no variance is too small. (The difference is N^½G(λ + GᴴG)⁻¹GᴴN^½/λ with N = I − VΦVᴴ ≤ I, G = N^½Āᴴ(I − UUᴴ): a Schur
//! complement.) U comes from Golub and Kahan's process, reorthogonalized, started with ĀĀᴴb so
//! that it stays in the range of Ā; where that ends, a random vector of the range goes on.
//! c is bounded by B(BᴴB)² of random vectors, B = (I − UUᴴ)Ā: ‖B‖⁵ ≤ 10√(2/π)·max‖B(BᴴB)²ω‖ but with probability 10⁻ʳ for r vectors.
//!
//! Prefer the exact form where A has entries. Cost: 2k + 2 + 5r products, 2k²(m + n) flops, k(m + n) numbers.
//!
//! Sources: Golub, Kahan 1965, doi:10.1137/0702016; Halko, Martinsson, Tropp 2011, doi:10.1137/090771806 (Lemma 4.1);
//! Flath et al. 2011, doi:10.1137/090780717 (low-rank posteriors of inverse problems).

use crate::error::{Error, Result, Size};
use crate::linalg::{self, Mat, Threads};
use crate::operator::Operator;
use crate::random::Random;
use crate::scalar::{Real, Scalar};

/// V, θ and the bound on c.
pub(crate) struct Subspace<T> {
    pub basis: Mat<T>,
    pub values: Vec<f64>,
    pub rest: f64,
}

/// Random vectors behind the bound: it fails once in 10⁶.
const PROBES: usize = 6;
/// The seed of random directions.
const SEED: u64 = 0x6c6f_7772;
/// What is left of a vector after orthogonalization, relative to it, when it was in the span of the others.
const EXHAUSTED: f64 = 1e3;

/// Takes the components along the columns out of y, twice.
fn orthogonalize<T: Scalar>(columns: &[Vec<T>], y: &mut [T]) {
    for _ in 0..2 {
        for column in columns {
            let component = linalg::dot(column, y);
            linalg::add_scaled(y, -component, column);
        }
    }
}

fn normalize<T: Scalar>(y: &mut [T], norm: T::Real) {
    y.iter_mut().for_each(|value| *value = value.scale(T::Real::ONE / norm));
}

/// k steps, fewer where the range of A is smaller.
pub(crate) fn subspace<T: Scalar>(a: &dyn Operator<Scalar = T>, b: &[T], rank: usize, threads: Threads) -> Result<Subspace<T>> {
    let (m, n) = a.shape();
    let mut random = Random::new(SEED);
    let mut u: Vec<Vec<T>> = Vec::new();
    let mut w: Vec<Vec<T>> = Vec::new();
    // what is not in the range of A would take the place of a direction that is
    let into_range = |data: &[T]| {
        let (mut image, mut back) = (vec![T::ZERO; n], vec![T::ZERO; m]);
        a.apply_adjoint(data, &mut image);
        a.apply(&image, &mut back);
        back
    };
    let mut next = into_range(b);
    let eps = T::Real::EPSILON.to_f64();
    while u.len() < rank.min(m).min(n) {
        let before = linalg::norm(&next).to_f64();
        orthogonalize(&u, &mut next);
        let mut norm = linalg::norm(&next);
        if !(norm.to_f64() > EXHAUSTED * eps * before) {
            next = into_range(&random.scalars::<T>(m));
            let before = linalg::norm(&next).to_f64();
            orthogonalize(&u, &mut next);
            norm = linalg::norm(&next);
            if !(norm.to_f64() > EXHAUSTED * eps * before) {
                // nothing is left that could be told from rounding
                break;
            }
        }
        normalize(&mut next, norm);
        let mut image = vec![T::ZERO; n];
        a.apply_adjoint(&next, &mut image);
        let mut back = vec![T::ZERO; m];
        a.apply(&image, &mut back);
        if image.iter().chain(&back).any(|value| !value.finite()) {
            return Err(Error::NonFinite { what: "a product with A", index: Size::Step(u.len() + 1) });
        }
        u.push(core::mem::replace(&mut next, back));
        w.push(image);
    }
    let rest = bound(a, &u, &mut random)?;
    let k = w.len();
    if k == 0 {
        return Ok(Subspace { basis: linalg::zeros(n, 0), values: Vec::new(), rest });
    }
    let (mut values, mut basis, mut turned) = (vec![T::ZERO; k], linalg::zeros(n, k), linalg::zeros(k, k));
    let w = Mat::from_fn(n, k, |i, j| w[j][i]);
    for by_rotations in [false, true] {
        if T::svd(w.as_ref(), &mut values, Some(basis.as_mut()), Some(turned.as_mut()), by_rotations, threads).is_ok() {
            let values = values.iter().map(|v| v.real().to_f64()).collect();
            return Ok(Subspace { basis, values, rest });
        }
    }
    Err(Error::NotConverged {
        method: "the SVD of a low-rank posterior",
        steps: 0,
        reached: f64::INFINITY,
        tolerance: f64::EPSILON,
        instead: "change the rank by one, or rescale A",
    })
}

/// An upper bound of ‖(I − UUᴴ)A‖ but with probability 10⁻⁶.
fn bound<T: Scalar>(a: &dyn Operator<Scalar = T>, u: &[Vec<T>], random: &mut Random) -> Result<f64> {
    let (m, n) = a.shape();
    let mut largest = 0.0f64;
    let mut y = vec![T::ZERO; m];
    for _ in 0..PROBES {
        let mut x: Vec<T> = random.scalars(n);
        if T::IS_COMPLEX {
            let half = T::Real::from_f64(core::f64::consts::FRAC_1_SQRT_2);
            x.iter_mut().for_each(|v| *v = v.scale(half));
        }
        // the fifth root of ‖B(BᴴB)²ω‖, one factor after the other
        let mut log = 0.0;
        for product in 0..3 {
            a.apply(&x, &mut y);
            orthogonalize(u, &mut y);
            let norm = linalg::norm(&y);
            if !norm.finite() {
                return Err(Error::NonFinite { what: "a product with A", index: Size::Step(u.len() + product + 1) });
            }
            if norm == T::Real::ZERO {
                log = f64::NEG_INFINITY;
                break;
            }
            log += norm.to_f64().ln();
            if product == 2 {
                break;
            }
            normalize(&mut y, norm);
            a.apply_adjoint(&y, &mut x);
            let norm = linalg::norm(&x);
            if norm == T::Real::ZERO {
                log = f64::NEG_INFINITY;
                break;
            }
            log += norm.to_f64().ln();
            normalize(&mut x, norm);
        }
        largest = largest.max((log / 5.0).exp());
    }
    Ok((10.0 * (2.0 / core::f64::consts::PI).sqrt()).powf(0.2) * largest)
}
