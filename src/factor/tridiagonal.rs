//! Reduction of AᴴA (or AAᴴ when A is wide): many λ, the fastest way, for moderately conditioned A.
//!
//! G = ĀᴴĀ is reduced once ([`reduction`](super::reduction)); then (G + λI)⁻¹ takes O(n) to O(nb²) for each λ, and the
//! eigenvalues σ² with the coefficients that the rules need take O(n²), rotations being applied to the right-hand side
//! alone: no eigenvector is formed.
//!
//! G holds σ² to ε·σ₁² only. What is lost is bought back where it can be: the coefficients and the part of b outside the
//! range come from the residual of a base solution x₀ (β = σ·vᴴx₀ + vᴴĀᴴr₀/σ; no ‖b‖² − ‖β‖²), solutions are refined with
//! r = b − Ax, and [`is_trusted`] says for which λ the values are good enough; the rest is handed back.
//!
//! Prefer [`bidiagonal`](super::bidiagonal) when A is ill-conditioned. Cost: mn² + (4/3)n³ flops (m ≥ n), n² numbers.
//! Source: Golub, Van Loan 2013 §8.3; Björck 1987 (doi:10.1016/0024-3795(87)90101-7) for the refinement.

use super::reduction::{Eigen, Reduction};
use super::refine;
use super::{Answer, Core, Handed, Projection, Refusal, rank_of};
use crate::curve::Spectrum;
use crate::linalg::{self, Accum, Mat, Op, Threads};
use crate::scalar::{Real, Scalar};
use crate::transform::data_matrix::DataMatrix;
use std::sync::OnceLock;

/// Singular values are told apart from rounding while σ_min² is this many ε·σ₁²: filter factors are then right to 1e-3,
/// enough to exclude a further minimum at smaller λ. From the error of G (ε·σ₁²), not from a measurement.
const RESOLVED: f64 = 1e3;
/// λ is trusted from this many ε·σ₁² on: filter factors there are right to 1e-9 by the error of G.
/// In tests/rules.rs the λ of the discrepancy rule still came out up to 3e-7 off where the residual norm is flat.
const TRUSTED: f64 = 1e9;

pub(crate) struct TridiagonalCore<'a, T: Scalar> {
    matrix: DataMatrix<'a, T>,
    dual: bool,
    /// tr G ≥ σ₁².
    trace: f64,
    reduction: Reduction<T>,
    /// σ, descending: known after the first projection.
    values: OnceLock<Vec<f64>>,
    threads: Threads,
}

/// Whether singular values (descending) from a Gram matrix are good enough for this damping.
pub(super) fn is_trusted<T: Scalar>(values: &[f64], damping: f64) -> bool {
    let largest = values.first().copied().unwrap_or(0.0);
    let smallest = values.last().copied().unwrap_or(0.0);
    let unit = T::Real::EPSILON.to_f64() * largest * largest;
    smallest * smallest >= RESOLVED * unit && damping * damping >= TRUSTED * unit
}

/// The smallest damping at which a rule may look at a spectrum from a Gram matrix.
pub(super) fn least_damping<T: Scalar>(largest: f64) -> f64 {
    (RESOLVED * T::Real::EPSILON.to_f64()).sqrt() * largest
}

impl<'a, T: Scalar> TridiagonalCore<'a, T> {
    pub fn new(matrix: DataMatrix<'a, T>, threads: Threads) -> Self {
        let (m, n) = matrix.shape();
        let dual = m < n;
        let mut gram = linalg::zeros(m.min(n), m.min(n));
        if dual {
            T::gram(gram.as_mut(), Accum::Replace, matrix.view(), Op::None, threads);
        } else {
            let nothing = linalg::zeros(m, 0);
            matrix.normal_equations(nothing.as_ref(), gram.as_mut(), linalg::zeros(n, 0).as_mut(), threads);
        }
        let trace = (0..gram.nrows()).map(|j| gram[(j, j)].real().to_f64()).sum();
        Self { trace, reduction: Reduction::new(gram, threads), matrix, dual, values: OnceLock::new(), threads }
    }

    /// Descending square roots of the eigenvalues; what is rounding is 0.
    fn roots(eigen: &Eigen) -> Vec<f64> {
        let largest = eigen.values.last().copied().unwrap_or(0.0);
        let rounding = eigen.values.len() as f64 * T::Real::EPSILON.to_f64() * largest;
        eigen.values.iter().rev().map(|&square| if square <= rounding { 0.0 } else { square.sqrt() }).collect()
    }

    /// σ, descending; empty when the eigenvalue iteration fails.
    fn values(&self) -> &[f64] {
        self.values.get_or_init(|| self.reduction.eigen(&[]).map(|eigen| Self::roots(&eigen)).unwrap_or_default())
    }

    /// r = b − Ax and Aᴴr.
    fn residual(&self, x: &Mat<T>, b: &Mat<T>) -> (Mat<T>, Mat<T>) {
        let (m, n) = self.matrix.shape();
        let (mut residual, mut gradient) = (linalg::zeros(m, b.ncols()), linalg::zeros(n, b.ncols()));
        self.matrix.residual_sweep(x.as_ref(), b.as_ref(), residual.as_mut(), gradient.as_mut(), self.threads);
        (residual, gradient)
    }

    fn spectrum(&self, values: &[f64], coefficients: Vec<f64>, outside: f64) -> Spectrum {
        let largest = values.first().copied().unwrap_or(0.0);
        Spectrum {
            values: values.to_vec(),
            coefficients,
            outside,
            rows: self.matrix.shape().0,
            unpenalised: 0,
            tolerance: least_damping::<T>(largest),
        }
    }

    /// The spectra of the columns of b from those of AAᴴ.
    fn dual_spectra(&self, b: &Mat<T>) -> Handed<Vec<Spectrum>> {
        let eigen = self.reduction.eigen(&[b])?;
        let values = self.values.get_or_init(|| Self::roots(&eigen));
        let size = values.len();
        let column = |j: usize| (0..size).map(|i| linalg::norm(eigen.coefficient(size - 1 - i, j))).collect();
        Ok((0..b.ncols()).map(|j| self.spectrum(values, column(j), 0.0)).collect())
    }

    /// The spectra of the columns of b from those of AᴴA, by way of a base solution.
    fn primal_spectra(&self, b: &Mat<T>, data: &Mat<T>) -> Handed<Vec<Spectrum>> {
        let (m, n) = self.matrix.shape();
        let k = b.ncols();
        // λ at which G + λI is well away from singular
        let base = (16.0 * n as f64 * T::Real::EPSILON.to_f64() * self.trace).max(T::Real::MIN_POSITIVE.to_f64());
        let mut x = data.clone();
        self.reduction.solve(&vec![base; k], &mut x)?;
        let (residual, gradient) = self.residual(&x, b);
        let eigen = self.reduction.eigen(&[&x, &gradient])?;
        let values = self.values.get_or_init(|| Self::roots(&eigen));
        let norms = linalg::column_norms(residual.as_ref());
        let spectrum = |j: usize| {
            let mut outside = norms[j] * norms[j];
            let mut coefficients = vec![0.0; n];
            for (i, &value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
                let (kept, left) = (eigen.coefficient(n - 1 - i, j), eigen.coefficient(n - 1 - i, k + j));
                let mut square = 0.0;
                for (kept, left) in kept.iter().zip(left) {
                    let left = left / value;
                    outside -= left * left;
                    square += (value * kept + left) * (value * kept + left);
                }
                coefficients[i] = square.sqrt();
            }
            self.spectrum(values, coefficients, if m > n { outside.max(0.0) } else { 0.0 })
        };
        Ok((0..k).map(spectrum).collect())
    }
}

impl<T: Scalar> Core<T> for TridiagonalCore<'_, T> {
    fn project(&self, b: Mat<T>) -> Handed<Projection<T>> {
        if self.dual {
            let spectra = self.dual_spectra(&b)?;
            return Ok(Projection { coefficients: b.clone(), spectra, data: b });
        }
        let mut data = linalg::zeros(self.matrix.shape().1, b.ncols());
        self.matrix.adjoint_product(b.as_ref(), &mut data, self.threads);
        let spectra = self.primal_spectra(&b, &data)?;
        Ok(Projection { coefficients: data, spectra, data: b })
    }

    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Answer<T>> {
        let (Some(&largest), Some(&smallest)) = (self.values().first(), self.values().last()) else {
            // no rows or no columns
            return Ok(linalg::zeros(self.matrix.shape().1, dampings.len()).into());
        };
        let lambdas: Vec<f64> = dampings.iter().map(|d| d * d).collect();
        if !lambdas.iter().all(|&lambda| T::Real::from_f64(lambda).finite()) {
            return Err(Refusal::OutOfRange);
        }
        let condition = |lambda: f64| match smallest * smallest + lambda {
            // 0/0 is no condition number, and a fold over maxima would not see it
            0.0 => f64::INFINITY,
            least => (largest * largest + lambda) / least,
        };
        let worst = lambdas.iter().map(|&l| condition(l)).fold(1.0, f64::max);
        if !(worst * T::Real::EPSILON.to_f64() <= super::cholesky::LARGEST_CONDITION) {
            return Err(Refusal::IllConditioned(worst));
        }
        let mut start = projection.coefficients.clone();
        let solve = |c: &mut Mat<T>| self.reduction.solve(&lambdas, c);
        solve(&mut start)?;
        let b = projection.data.as_ref();
        let refined = if self.dual {
            refine::dual(self.matrix.view(), self.trace.sqrt(), b, start, &lambdas, &solve, self.threads)?
        } else {
            let subtract = |x: &Mat<T>, gradient: &mut Mat<T>| {
                for (j, &lambda) in lambdas.iter().enumerate() {
                    linalg::add_scaled(gradient.col_as_slice_mut(j), T::from_real(T::Real::from_f64(-lambda)), x.col_as_slice(j));
                }
            };
            refine::primal(&self.matrix, b, start, &subtract, &solve, self.threads)?
        };
        Ok(Answer { z: refined.x, residual_norms: Some(refined.residual_norms) })
    }

    fn trusted(&self, damping: f64) -> bool {
        is_trusted::<T>(self.values(), damping)
    }

    fn rank(&self) -> (usize, f64) {
        let tolerance = (self.values().len() as f64 * T::Real::EPSILON.to_f64()).sqrt();
        (rank_of(self.values(), tolerance).0, tolerance)
    }

    fn condition(&self) -> f64 {
        rank_of(self.values(), 0.0).1
    }
}
