//! Tridiagonalization of AᴴA (or AAᴴ when A is wide): many λ, the fastest way, for moderately conditioned A.
//!
//! G = ĀᴴĀ = QTQᴴ, T real tridiagonal. For each λ (T + λI)y = QᴴĀᴴb takes O(n); the eigenvalues σ² of T with the
//! coefficients that the rules need take O(n²) by QL rotations applied to the right-hand side alone.
//!
//! G holds σ² to ε·σ₁² only. What is lost is bought back where it can be: the coefficients and the part of b outside the
//! range come from the residual of a base solution x₀ (β = σ·vᴴx₀ + vᴴĀᴴr₀/σ; no ‖b‖² − ‖β‖²), solutions are refined with
//! r = b − Ax, and [`trusted`](Core::trusted) says for which λ the values are good enough; the rest is handed back.
//!
//! Prefer [`bidiagonal`](super::bidiagonal) when A is ill-conditioned. Cost: mn² + (4/3)n³ flops (m ≥ n), n² numbers.
//! Source: Golub, Van Loan 2013 §8.3; Björck 1987 (doi:10.1016/0024-3795(87)90101-7) for the refinement.

use super::tridiagonal_ql::eigen_with_vectors;
use super::{Core, Handed, Projection, Refusal, rank_of};
use crate::curve::Spectrum;
use crate::linalg::{self, Accum, Mat, Op, Threads};
use crate::scalar::{Real, Scalar};
use crate::transform::Matrix;

/// Singular values are told apart from rounding while σ_min² is this many ε·σ₁²: filter factors are then right to 1e-3,
/// enough to exclude a further minimum at smaller λ. Measured: benches/many_lambda.rs.
const RESOLVED: f64 = 1e3;
/// λ is trusted from this many ε·σ₁² on: filter factors there are right to 1e-7. Measured: benches/many_lambda.rs.
const TRUSTED: f64 = 1e7;
/// Refinement steps at most.
const REFINEMENTS: usize = 4;

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

pub(crate) struct TridiagonalCore<'a, T: Scalar> {
    matrix: Matrix<'a, T>,
    dual: bool,
    /// Reflectors of Q below the subdiagonal, and their block factors.
    basis: Mat<T>,
    coefficients: Mat<T>,
    /// The unit diagonal that makes T real.
    phases: Vec<T>,
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
    /// σ, descending.
    values: Vec<f64>,
    threads: Threads,
}

impl<'a, T: Scalar> TridiagonalCore<'a, T> {
    pub fn new(matrix: Matrix<'a, T>, threads: Threads) -> Handed<Self> {
        let (m, n) = matrix.view().shape();
        let dual = m < n;
        let size = m.min(n);
        let mut basis = linalg::zeros(size, size);
        if dual {
            T::gram(basis.as_mut(), Accum::Replace, matrix.view(), Op::None, threads);
        } else {
            let nothing = linalg::zeros(m, 0);
            T::normal_equations(matrix.view(), nothing.as_ref(), basis.as_mut(), linalg::zeros(n, 0).as_mut(), threads);
        }
        let coefficients = T::tridiagonalize(basis.as_mut(), threads);
        let mut phases = Vec::with_capacity(size);
        let (mut diagonal, mut off_diagonal) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let mut phase = T::ONE;
        for i in 0..size {
            phases.push(phase);
            diagonal.push(basis[(i, i)].real().to_f64());
            if i + 1 < size {
                let next = basis[(i + 1, i)] * phase;
                let modulus = next.modulus();
                off_diagonal.push(modulus.to_f64());
                phase = if modulus == T::Real::ZERO { T::ONE } else { next.scale(T::Real::ONE / modulus) };
            }
        }
        let mut core = Self { matrix, dual, basis, coefficients, phases, diagonal, off_diagonal, values: Vec::new(), threads };
        let squares = core.eigenvalues(&mut [], 0)?;
        core.values = squares.iter().rev().map(|&square| square.max(0.0).sqrt()).collect();
        Ok(core)
    }

    /// Eigenvalues ascending, the rows of `vectors` (k real columns) rotated along.
    fn eigenvalues(&self, vectors: &mut [f64], k: usize) -> Handed<Vec<f64>> {
        let (mut diagonal, mut off_diagonal) = (self.diagonal.clone(), self.off_diagonal.clone());
        eigen_with_vectors(&mut diagonal, &mut off_diagonal, vectors, k).map_err(|_| Refusal::NoConvergence)?;
        Ok(diagonal)
    }

    /// c ← Qᴴc or Qc, in the basis in which T is real.
    fn rotate(&self, op: Op, c: &mut Mat<T>) {
        let size = self.diagonal.len();
        let scale = |c: &mut Mat<T>, adjoint: bool| {
            for j in 0..c.ncols() {
                for i in 0..size {
                    let phase = if adjoint { self.phases[i].conj() } else { self.phases[i] };
                    c[(i, j)] *= phase;
                }
            }
        };
        if op == Op::None {
            scale(c, false);
        }
        if size > 1 {
            let reflectors = self.basis.as_ref().submatrix(1, 0, size - 1, size - 1);
            T::apply_reflectors(reflectors, self.coefficients.as_ref(), op, c.as_mut().subrows_mut(1, size - 1), self.threads);
        }
        if op == Op::Adjoint {
            scale(c, true);
        }
    }

    /// Each column of c ← (T + λI)⁻¹c by LDLᵀ.
    fn solve_tridiagonal(&self, lambdas: &[f64], c: &mut Mat<T>) {
        let size = self.diagonal.len();
        let real = T::Real::from_f64;
        let mut pivots = vec![0.0; size];
        for (j, &lambda) in lambdas.iter().enumerate() {
            for i in 0..size {
                pivots[i] = self.diagonal[i] + lambda;
                if i > 0 {
                    let factor = self.off_diagonal[i - 1] / pivots[i - 1];
                    pivots[i] -= factor * self.off_diagonal[i - 1];
                    let above = c[(i - 1, j)];
                    c[(i, j)] -= above.scale(real(factor));
                }
            }
            for i in (0..size).rev() {
                let below = if i + 1 < size { c[(i + 1, j)].scale(real(self.off_diagonal[i])) } else { T::ZERO };
                c[(i, j)] = (c[(i, j)] - below).scale(real(1.0 / pivots[i]));
            }
        }
    }

    /// The rows of the columns of `parts` as real numbers, for [`eigenvalues`](Self::eigenvalues).
    fn real_rows(parts: &[&Mat<T>]) -> (Vec<f64>, usize) {
        let rows = parts.first().map_or(0, |p| p.nrows());
        let width: usize = parts.iter().map(|p| p.ncols()).sum::<usize>() * if T::IS_COMPLEX { 2 } else { 1 };
        let mut out = Vec::with_capacity(rows * width);
        for i in 0..rows {
            for part in parts {
                for j in 0..part.ncols() {
                    out.push(part[(i, j)].real().to_f64());
                    if T::IS_COMPLEX {
                        out.push(part[(i, j)].imaginary().to_f64());
                    }
                }
            }
        }
        (out, width)
    }

    fn residual(&self, x: &Mat<T>, b: &Mat<T>) -> (Mat<T>, Mat<T>) {
        let (m, n) = self.matrix.view().shape();
        let (mut residual, mut gradient) = (linalg::zeros(m, b.ncols()), linalg::zeros(n, b.ncols()));
        T::residual_sweep(self.matrix.view(), x.as_ref(), b.as_ref(), residual.as_mut(), gradient.as_mut(), self.threads);
        (residual, gradient)
    }
}

impl<T: Scalar> Core<T> for TridiagonalCore<'_, T> {
    fn project(&self, b: Mat<T>) -> Handed<Projection<T>> {
        let (m, n) = self.matrix.view().shape();
        let (size, k) = (self.diagonal.len(), b.ncols());
        let parts = if T::IS_COMPLEX { 2 } else { 1 };
        let largest = self.values.first().copied().unwrap_or(0.0);
        let rounding = size as f64 * T::Real::EPSILON.to_f64() * largest * largest;
        let descending = |squares: &[f64]| squares.iter().rev().map(|&s| if s <= rounding { 0.0 } else { s.sqrt() }).collect::<Vec<f64>>();
        let spectrum = |values: Vec<f64>, coefficients: Vec<f64>, outside: f64| Spectrum {
            values,
            coefficients,
            outside,
            rows: m,
            unpenalised: 0,
            tolerance: least_damping::<T>(largest),
        };
        if self.dual {
            let mut rotated = linalg::copy(b.as_ref());
            self.rotate(Op::Adjoint, &mut rotated);
            let (mut rows, width) = Self::real_rows(&[&rotated]);
            let values = descending(&self.eigenvalues(&mut rows, width)?);
            let coefficient = |i: usize, j: usize| {
                let start = (size - 1 - i) * width + j * parts;
                linalg::norm(&rows[start..start + parts])
            };
            let spectra = (0..k).map(|j| spectrum(values.clone(), (0..size).map(|i| coefficient(i, j)).collect(), 0.0)).collect();
            return Ok(Projection { coefficients: rotated, spectra, data: Some(b) });
        }
        let mut rotated = linalg::zeros(n, k);
        linalg::multiply_block(self.matrix.view(), Op::Adjoint, b.as_ref(), &mut rotated, self.threads);
        self.rotate(Op::Adjoint, &mut rotated);
        // a base solution at a λ that keeps T + λI well away from singular
        let mut base = rotated.clone();
        self.solve_tridiagonal(&vec![16.0 * rounding.max(f64::MIN_POSITIVE); k], &mut base);
        let mut x = base.clone();
        self.rotate(Op::None, &mut x);
        let (residual, mut gradient) = self.residual(&x, &b);
        self.rotate(Op::Adjoint, &mut gradient);
        let (mut rows, width) = Self::real_rows(&[&base, &gradient]);
        let values = descending(&self.eigenvalues(&mut rows, width)?);
        let norms = linalg::column_norms(residual.as_ref());
        let spectra = (0..k)
            .map(|j| {
                let mut outside = norms[j] * norms[j];
                let mut coefficients = vec![0.0; size];
                for (i, &value) in values.iter().enumerate() {
                    if value == 0.0 {
                        continue;
                    }
                    let row = &rows[(size - 1 - i) * width..(size - i) * width];
                    let mut square = 0.0;
                    for part in 0..parts {
                        let left = row[(k + j) * parts + part] / value;
                        let coefficient = value * row[j * parts + part] + left;
                        outside -= left * left;
                        square += coefficient * coefficient;
                    }
                    coefficients[i] = square.sqrt();
                }
                spectrum(values.clone(), coefficients, if m > n { outside.max(0.0) } else { 0.0 })
            })
            .collect();
        Ok(Projection { coefficients: rotated, spectra, data: Some(b) })
    }

    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Mat<T>> {
        let (m, n) = self.matrix.view().shape();
        let k = dampings.len();
        let lambdas: Vec<f64> = dampings.iter().map(|d| d * d).collect();
        let largest = self.values.first().copied().unwrap_or(0.0);
        let smallest = self.values.last().copied().unwrap_or(0.0);
        let condition = |lambda: f64| (largest * largest + lambda) / (smallest * smallest + lambda);
        if lambdas.iter().any(|&l| !(condition(l) * T::Real::EPSILON.to_f64() * 1e4 <= 1.0)) {
            return Err(Refusal::IllConditioned(lambdas.iter().map(|&l| condition(l)).fold(0.0, f64::max)));
        }
        let mut y = projection.coefficients.clone();
        self.solve_tridiagonal(&lambdas, &mut y);
        self.rotate(Op::None, &mut y);
        let Some(b) = &projection.data else { return Ok(y) };
        let mut x = linalg::zeros(n, k);
        for _ in 0..REFINEMENTS {
            let mut correction = if self.dual {
                // Ky = b with x = Aᴴy
                linalg::multiply_block(self.matrix.view(), Op::Adjoint, y.as_ref(), &mut x, self.threads);
                let mut image = linalg::zeros(m, k);
                linalg::multiply_block(self.matrix.view(), Op::None, x.as_ref(), &mut image, self.threads);
                Mat::from_fn(m, k, |i, j| b[(i, j)] - image[(i, j)])
            } else {
                self.residual(&y, b).1
            };
            for (j, &lambda) in lambdas.iter().enumerate() {
                for i in 0..y.nrows() {
                    correction[(i, j)] -= y[(i, j)].scale(T::Real::from_f64(lambda));
                }
            }
            self.rotate(Op::Adjoint, &mut correction);
            self.solve_tridiagonal(&lambdas, &mut correction);
            self.rotate(Op::None, &mut correction);
            let mut relative = 0.0f64;
            let (sizes, norms) = (linalg::column_norms(correction.as_ref()), linalg::column_norms(y.as_ref()));
            for (size, norm) in sizes.iter().zip(&norms) {
                relative = relative.max(if *size == 0.0 { 0.0 } else { size / norm.max(f64::MIN_POSITIVE) });
            }
            for j in 0..k {
                for i in 0..y.nrows() {
                    y[(i, j)] += correction[(i, j)];
                }
            }
            if relative * relative <= 0.25 * T::Real::EPSILON.to_f64() {
                break;
            }
        }
        if !self.dual {
            return Ok(y);
        }
        linalg::multiply_block(self.matrix.view(), Op::Adjoint, y.as_ref(), &mut x, self.threads);
        Ok(x)
    }

    fn trusted(&self, damping: f64) -> bool {
        is_trusted::<T>(&self.values, damping)
    }

    fn rank(&self) -> (usize, f64) {
        let tolerance = (self.values.len() as f64 * T::Real::EPSILON.to_f64()).sqrt();
        (rank_of(&self.values, tolerance).0, tolerance)
    }

    fn condition(&self) -> f64 {
        rank_of(&self.values, 0.0).1
    }
}
