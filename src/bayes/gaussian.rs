//! The posterior once noise and λ are known: x ~ N(x̂, s²(AᴴWA + λLᴴL)⁻¹), x̂ the ridge solution.
//!
//! Two forms of the covariance s²M⁻¹, M = AᴴWA + λLᴴL (the intercept projected out of A):
//!
//! ```text
//! exact      M⁻¹ = GGᴴ, G = R⁻¹ of the QR factorization of [W^½A; √λL]: nothing is squared
//! low rank   M⁻¹ = (I − VΦVᴴ)/λ, L = I, V from k steps of Golub and Kahan's process: an upper bound of the true one
//! ```
//! G is formed once (n³/3 flops, n² numbers); then a product with the covariance costs 2n² flops, a sample n², all standard
//! deviations n²/2. In the low-rank form each costs 4nk.
//!
//! With an intercept, c = (what the data say) + hx + e with h minus the weighted means of the columns and e ~ N(0, s²/Σw)
//! independent of x: predictions and samples carry it along.

use crate::linalg::{self, Accum, Mat, MatMut, Op, Threads};
use crate::random::Random;
use crate::scalar::{Real, Scalar};

/// What the covariance is made of; `scale` included: C = GGᴴ, or τ²(I − VΦVᴴ).
#[derive(Debug, Clone)]
pub(crate) enum Form<T: Scalar> {
    Exact { root: Mat<T> },
    LowRank { basis: Mat<T>, factors: Vec<f64>, prior_std: f64, error: f64 },
}

/// h and the standard deviation of e.
#[derive(Debug, Clone)]
pub(crate) struct Constant<T> {
    pub slope: Vec<T>,
    pub std: f64,
}

/// A posterior in the caller's units.
#[derive(Debug, Clone)]
pub struct Gaussian<T: Scalar> {
    pub(crate) mean: Vec<T>,
    pub(crate) intercept: T,
    pub(crate) form: Form<T>,
    pub(crate) constant: Option<Constant<T>>,
    pub(crate) lambda: f64,
    /// s in whitened units.
    pub(crate) noise_std: f64,
    /// The same for a row of weight 1, in the units of b where `noise_std` is a single value.
    pub(crate) row_noise_std: f64,
    pub(crate) prior_std: f64,
    pub(crate) log_noise_error: Option<f64>,
    pub(crate) log_prior_error: Option<f64>,
    pub(crate) log_evidence: f64,
    pub(crate) dof: f64,
    pub(crate) warnings: Vec<crate::warning::Warning>,
    pub(crate) threads: Threads,
}

impl<T: Scalar> Gaussian<T> {
    fn unknowns(&self) -> usize {
        self.mean.len()
    }

    /// Y ← CX for k columns.
    pub fn times(&self, x: &Mat<T>) -> Mat<T> {
        let (n, k) = x.shape();
        match &self.form {
            Form::Exact { root } => {
                let mut inner = linalg::zeros(n, k);
                T::product(inner.as_mut(), Accum::Replace, T::ONE, root.as_ref(), Op::Adjoint, x.as_ref(), Op::None, self.threads);
                let mut y = linalg::zeros(n, k);
                T::product(y.as_mut(), Accum::Replace, T::ONE, root.as_ref(), Op::None, inner.as_ref(), Op::None, self.threads);
                y
            }
            Form::LowRank { basis, factors, prior_std, .. } => {
                let mut inner = linalg::zeros(basis.ncols(), k);
                T::product(inner.as_mut(), Accum::Replace, T::ONE, basis.as_ref(), Op::Adjoint, x.as_ref(), Op::None, self.threads);
                let inner = Mat::from_fn(basis.ncols(), k, |i, j| inner[(i, j)].scale(T::Real::from_f64(factors[i])));
                let mut y = x.clone();
                T::product(y.as_mut(), Accum::Add, -T::ONE, basis.as_ref(), Op::None, inner.as_ref(), Op::None, self.threads);
                let variance = T::Real::from_f64(prior_std * prior_std);
                Mat::from_fn(n, k, |i, j| y[(i, j)].scale(variance))
            }
        }
    }

    /// √ of wᴴCw for each column w.
    pub fn stds_of(&self, w: &Mat<T>) -> Vec<f64> {
        match &self.form {
            Form::Exact { root } => {
                let mut inner = linalg::zeros(w.nrows(), w.ncols());
                T::product(inner.as_mut(), Accum::Replace, T::ONE, root.as_ref(), Op::Adjoint, w.as_ref(), Op::None, self.threads);
                linalg::column_norms(inner.as_ref())
            }
            Form::LowRank { .. } => {
                let image = self.times(w);
                let dot = |j: usize| linalg::dot(w.col_as_slice(j), image.col_as_slice(j)).real().to_f64();
                (0..w.ncols()).map(|j| dot(j).max(0.0).sqrt()).collect()
            }
        }
    }

    /// The square roots of the diagonal of C.
    pub fn std(&self) -> Vec<f64> {
        let n = self.unknowns();
        match &self.form {
            Form::Exact { root } => linalg::column_norms(linalg::adjoint(root.as_ref()).as_ref()),
            Form::LowRank { basis, factors, prior_std, .. } => {
                let seen = |i: usize| -> f64 { (0..basis.ncols()).map(|k| basis[(i, k)].modulus_squared().to_f64() * factors[k]).sum() };
                (0..n).map(|i| prior_std * (1.0 - seen(i)).max(0.0).sqrt()).collect()
            }
        }
    }

    /// All of C.
    pub fn covariance(&self) -> Mat<T> {
        let n = self.unknowns();
        let mut c = linalg::zeros(n, n);
        match &self.form {
            Form::Exact { root } => T::gram(c.as_mut(), Accum::Replace, root.as_ref(), Op::None, self.threads),
            Form::LowRank { .. } => {
                return self.times(&Mat::from_fn(n, n, |i, j| if i == j { T::ONE } else { T::ZERO }));
            }
        }
        Mat::from_fn(n, n, |i, j| if i >= j { c[(i, j)] } else { c[(j, i)].conj() })
    }

    /// Draws from the posterior: n×count, and the constants that go with them.
    pub fn sample(&self, count: usize, seed: u64) -> (Mat<T>, Vec<T>) {
        let n = self.unknowns();
        let mut random = Random::new(seed);
        let half = T::Real::from_f64(if T::IS_COMPLEX { core::f64::consts::FRAC_1_SQRT_2 } else { 1.0 });
        let white: Vec<T> = random.scalars(n * count);
        let white = Mat::from_fn(n, count, |i, j| white[i + j * n].scale(half));
        let mut x = Mat::from_fn(n, count, |i, _| self.mean[i]);
        match &self.form {
            Form::Exact { root } => {
                T::product(x.as_mut(), Accum::Add, T::ONE, root.as_ref(), Op::None, white.as_ref(), Op::None, self.threads)
            }
            Form::LowRank { basis, factors, prior_std, .. } => {
                // (I − VΦVᴴ)^½ = I − V(1 − √(1 − Φ))Vᴴ
                let mut inner = linalg::zeros(basis.ncols(), count);
                T::product(inner.as_mut(), Accum::Replace, T::ONE, basis.as_ref(), Op::Adjoint, white.as_ref(), Op::None, self.threads);
                let shrink = |k: usize| T::Real::from_f64(factors[k] / (1.0 + (1.0 - factors[k]).max(0.0).sqrt()));
                let inner = Mat::from_fn(basis.ncols(), count, |i, j| inner[(i, j)].scale(shrink(i)));
                let mut turned = white;
                T::product(turned.as_mut(), Accum::Add, -T::ONE, basis.as_ref(), Op::None, inner.as_ref(), Op::None, self.threads);
                let std = T::Real::from_f64(*prior_std);
                for j in 0..count {
                    linalg::add_scaled(x.col_as_slice_mut(j), T::from_real(std), turned.col_as_slice(j));
                }
            }
        }
        let constants = (0..count)
            .map(|j| match &self.constant {
                None => T::ZERO,
                Some(constant) => {
                    let shift = (0..n).fold(T::ZERO, |sum, i| sum + constant.slope[i] * (x[(i, j)] - self.mean[i]));
                    let white: Vec<T> = random.scalars(1);
                    self.intercept + shift + white[0].scale(half * T::Real::from_f64(constant.std))
                }
            })
            .collect();
        (x, constants)
    }

    /// Fitted values rᵢx + c of new rows, given as columns rᵢᴴ, and their standard deviations without the noise of a new observation.
    pub fn predict(&self, mut rows: Mat<T>) -> (Vec<T>, Vec<f64>) {
        let dot = |column: &[T]| linalg::dot(column, &self.mean) + self.intercept;
        let means = (0..rows.ncols()).map(|j| dot(rows.col_as_slice(j))).collect();
        let mut extra = 0.0;
        if let Some(constant) = &self.constant {
            extra = constant.std;
            for j in 0..rows.ncols() {
                rows.col_as_slice_mut(j).iter_mut().zip(&constant.slope).for_each(|(value, h)| *value += h.conj());
            }
        }
        (means, self.stds_of(&rows).into_iter().map(|std| std.hypot(extra)).collect())
    }

    /// C·v, one column.
    pub fn times_vector(&self, v: &[T]) -> Vec<T> {
        let column = Mat::from_fn(v.len(), 1, |i, _| v[i]);
        self.times(&column).col_as_slice(0).to_vec()
    }
}

/// Multiplies every entry by a real number, in `f64` range.
pub(crate) fn scale<T: Scalar>(mut matrix: MatMut<'_, T>, factor: f64) {
    let factor = T::Real::from_f64(factor);
    for j in 0..matrix.ncols() {
        for i in 0..matrix.nrows() {
            matrix[(i, j)] = matrix[(i, j)].scale(factor);
        }
    }
}
