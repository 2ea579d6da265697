//! SVD: the reference engine.
//!
//! Ā = UΣVᴴ; x(λ) = Σ vᵢ·σᵢβᵢ/(σᵢ² + λ), β = Uᴴb. Every rule in closed form, the pseudo-inverse for singular cases, the
//! leverages for leave-one-out. Backward stable: each σ is right to ε·σ₁, so that σ ≤ max(m, n)·ε·σ₁ counts as zero when
//! the damping is smaller still.
//!
//! Prefer [`cholesky`](super::cholesky) or [`qr`](super::qr) for one λ, [`tridiagonal`](super::tridiagonal) or
//! [`bidiagonal`](super::bidiagonal) for many λ without U and V. Cost: 6mn² + 16n³ flops (m ≥ n), mn + n² numbers.
//! Source: Golub, Van Loan 2013 §8.6, §6.1.4; Hansen 1998, doi:10.1137/1.9780898719697.

use super::robust_svd::{Svd, robust_svd};
use super::{Answer, Core, Handed, Projection, Refusal, rank_of, rank_tolerance};
use crate::curve::{Spectrum, damped_coefficient};
use crate::linalg::{self, Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};

pub(crate) struct SvdCore<T: Scalar> {
    svd: Svd<T>,
    values: Vec<f64>,
    tolerance: f64,
    threads: Threads,
}

impl<T: Scalar> SvdCore<T> {
    pub fn new(a: MatRef<'_, T>, threads: Threads) -> Handed<Self> {
        let svd = robust_svd(a, threads).map_err(|_| Refusal::NoConvergence)?;
        let values = svd.s.iter().map(|s| s.to_f64()).collect();
        Ok(Self { svd, values, tolerance: rank_tolerance::<T>(a.nrows(), a.ncols()), threads })
    }
}

impl<T: Scalar> Core<T> for SvdCore<T> {
    fn project(&self, mut b: Mat<T>) -> Handed<Projection<T>> {
        let (r, k) = (self.values.len(), b.ncols());
        let mut coefficients = linalg::zeros(r, k);
        T::product(coefficients.as_mut(), Accum::Replace, T::ONE, self.svd.u.as_ref(), Op::Adjoint, b.as_ref(), Op::None, self.threads);
        let rows = b.nrows();
        // the part of b outside the range, formed as a vector: ‖b‖² − ‖β‖² would cancel
        if rows > r {
            T::product(b.as_mut(), Accum::Add, -T::ONE, self.svd.u.as_ref(), Op::None, coefficients.as_ref(), Op::None, self.threads);
        } else {
            b = linalg::zeros(rows, k);
        }
        let outside = linalg::column_norms(b.as_ref());
        let largest = self.values.first().copied().unwrap_or(0.0);
        let spectra = (0..k)
            .map(|j| Spectrum {
                values: self.values.clone(),
                coefficients: (0..r).map(|i| coefficients[(i, j)].modulus().to_f64()).collect(),
                outside: outside[j] * outside[j],
                rows,
                unpenalised: 0,
                tolerance: self.tolerance * largest,
            })
            .collect();
        Ok(Projection { coefficients, spectra, data: b })
    }

    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Answer<T>> {
        let weighted = Mat::from_fn(self.values.len(), dampings.len(), |i, j| {
            let value = projection.spectra[j].effective(self.values[i], dampings[j]);
            projection.coefficients[(i, j)].scale(T::Real::from_f64(damped_coefficient(value, dampings[j])))
        });
        let mut x = linalg::zeros(self.svd.v.nrows(), dampings.len());
        T::product(x.as_mut(), Accum::Replace, T::ONE, self.svd.v.as_ref(), Op::None, weighted.as_ref(), Op::None, self.threads);
        Ok(x.into())
    }

    fn filtered(&self, projection: &Projection<T>, factor: &dyn Fn(usize, usize) -> f64) -> Option<Mat<T>> {
        let weighted = Mat::from_fn(self.values.len(), projection.spectra.len(), |i, j| match factor(j, i) {
            0.0 => T::ZERO,
            phi => projection.coefficients[(i, j)].scale(T::Real::from_f64(phi / self.values[i])),
        });
        let mut x = linalg::zeros(self.svd.v.nrows(), projection.spectra.len());
        T::product(x.as_mut(), Accum::Replace, T::ONE, self.svd.v.as_ref(), Op::None, weighted.as_ref(), Op::None, self.threads);
        Some(x)
    }

    fn resolution(&self, factors: &[f64]) -> Option<Vec<f64>> {
        let mut diagonal = vec![0.0; self.svd.v.nrows()];
        for (k, phi) in factors.iter().enumerate() {
            for (sum, v) in diagonal.iter_mut().zip(self.svd.v.col_as_slice(k)) {
                *sum += v.modulus_squared().to_f64() * phi;
            }
        }
        Some(diagonal)
    }

    fn basis(&self) -> Option<MatRef<'_, T>> {
        Some(self.svd.u.as_ref())
    }

    #[cfg(feature = "plot")]
    fn directions(&self) -> Option<super::Directions<T>> {
        Some(super::Directions {
            penalised: linalg::copy(self.svd.v.as_ref()),
            places: (0..self.values.len()).collect(),
            free: linalg::zeros(self.svd.v.nrows(), 0),
            free_places: Vec::new(),
            unseen: super::Unseen::Complement,
        })
    }

    fn least_damping(&self) -> f64 {
        self.tolerance * self.values.first().copied().unwrap_or(0.0)
    }

    fn rank(&self) -> (usize, f64) {
        (rank_of(&self.values, self.tolerance).0, self.tolerance)
    }

    fn condition(&self) -> f64 {
        rank_of(&self.values, self.tolerance).1
    }
}
