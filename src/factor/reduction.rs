//! A self-adjoint G reduced once, so that (G + λI)⁻¹ costs little for any λ and the eigenvalues come without eigenvectors.
//!
//! One stage (G = QTQᴴ, T tridiagonal) below [`TWO_STAGES_FROM`] unknowns; beyond it two stages (G = Q₁BQ₁ᴴ with a narrow
//! band B, all in matrix products; B → T by bulge chasing when the eigenvalues are wanted): see [`band`](super::band).

use super::band::BandReduction;
use super::{Handed, Refusal};
use crate::linalg::tridiagonal_ql::eigen_with_vectors;
use crate::linalg::{Mat, Op, Threads};
use crate::scalar::{Real, Scalar};

/// From this order two stages are faster than one. Measured: the ignored test of `band.rs`, November 2026, two cores beside other work:
/// 0.95–1.2 times as fast at 750, 1.0–1.8 at 1000, 1.4–2.5 at 2000.
const TWO_STAGES_FROM: usize = 900;

pub(crate) struct Reduction<T: Scalar> {
    stages: Stages<T>,
    threads: Threads,
}

enum Stages<T: Scalar> {
    One(OneStage<T>),
    Two(BandReduction<T>),
}

struct OneStage<T> {
    /// Reflectors of Q below the subdiagonal, and their block factors.
    basis: Mat<T>,
    coefficients: Mat<T>,
    /// The unit diagonal that makes T real.
    phases: Vec<T>,
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
}

/// Eigenvalues, ascending, and the coefficients of vectors on the eigenvectors.
pub(crate) struct Eigen {
    pub values: Vec<f64>,
    /// n rows of the real (and imaginary) parts of the coefficients of each vector.
    rows: Vec<f64>,
    /// Real numbers in a row.
    width: usize,
    /// 2 for complex scalars.
    parts: usize,
}

impl Eigen {
    /// The parts of the coefficient of the vector `column` on eigenvector i.
    pub fn coefficient(&self, i: usize, column: usize) -> &[f64] {
        &self.rows[i * self.width + column * self.parts..][..self.parts]
    }
}

impl<T: Scalar> Reduction<T> {
    /// Reduces G, given by its lower triangle.
    pub fn new(gram: Mat<T>, threads: Threads) -> Self {
        let stages = if gram.nrows() >= TWO_STAGES_FROM {
            Stages::Two(BandReduction::new(gram, threads))
        } else {
            Stages::One(OneStage::new(gram, threads))
        };
        Self { stages, threads }
    }

    /// Eigenvalues of G, and the coefficients of the columns of `vectors` on its eigenvectors.
    pub fn eigen(&self, vectors: &[&Mat<T>]) -> Handed<Eigen> {
        let rotated: Vec<Mat<T>> = vectors
            .iter()
            .map(|&matrix| {
                let mut matrix = matrix.clone();
                match &self.stages {
                    Stages::One(stage) => stage.rotate(Op::Adjoint, &mut matrix, self.threads),
                    Stages::Two(band) => band.apply(Op::Adjoint, matrix.as_mut(), self.threads),
                }
                matrix
            })
            .collect();
        let parts = if T::IS_COMPLEX { 2 } else { 1 };
        let (mut diagonal, mut off_diagonal, mut rows, width) = match &self.stages {
            Stages::One(stage) => {
                let mut rows = Vec::new();
                for i in 0..stage.diagonal.len() {
                    for value in rotated.iter().flat_map(|matrix| (0..matrix.ncols()).map(move |j| matrix[(i, j)])) {
                        rows.push(value.real().to_f64());
                        if T::IS_COMPLEX {
                            rows.push(value.imaginary().to_f64());
                        }
                    }
                }
                let width = rows.len() / stage.diagonal.len().max(1);
                (stage.diagonal.clone(), stage.off_diagonal.clone(), rows, width)
            }
            Stages::Two(band) => {
                let columns: usize = rotated.iter().map(Mat::ncols).sum();
                let rows: Vec<T> = (0..band.order())
                    .flat_map(|i| rotated.iter().flat_map(move |matrix| (0..matrix.ncols()).map(move |j| matrix[(i, j)])))
                    .collect();
                let tridiagonal = band.tridiagonal(&rows, columns, self.threads);
                (tridiagonal.diagonal, tridiagonal.off_diagonal, tridiagonal.rotated, tridiagonal.columns)
            }
        };
        eigen_with_vectors(&mut diagonal, &mut off_diagonal, &mut rows, width).map_err(|_| Refusal::NoConvergence)?;
        Ok(Eigen { values: diagonal, rows, width, parts })
    }

    /// Column j of C ← (G + λⱼI)⁻¹cⱼ.
    pub fn solve(&self, lambdas: &[f64], c: &mut Mat<T>) -> Handed<()> {
        match &self.stages {
            Stages::One(stage) => {
                stage.rotate(Op::Adjoint, c, self.threads);
                stage.solve(lambdas, c);
                stage.rotate(Op::None, c, self.threads);
            }
            Stages::Two(band) => {
                band.apply(Op::Adjoint, c.as_mut(), self.threads);
                let mut shifted = None;
                for (j, &lambda) in lambdas.iter().enumerate() {
                    if shifted.as_ref().is_none_or(|(last, _)| *last != lambda) {
                        let factor = band
                            .shifted(T::Real::from_f64(lambda))
                            .map_err(|_| Refusal::IllConditioned(1.0 / T::Real::EPSILON.to_f64()))?;
                        shifted = Some((lambda, factor));
                    }
                    if let Some((_, factor)) = &shifted {
                        factor.solve(c.col_as_slice_mut(j));
                    }
                }
                band.apply(Op::None, c.as_mut(), self.threads);
            }
        }
        Ok(())
    }
}

impl<T: Scalar> OneStage<T> {
    fn new(mut basis: Mat<T>, threads: Threads) -> Self {
        let size = basis.nrows();
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
        Self { basis, coefficients, phases, diagonal, off_diagonal }
    }

    /// C ← QᴴC or QC, in the basis in which T is real.
    fn rotate(&self, op: Op, c: &mut Mat<T>, threads: Threads) {
        let size = self.diagonal.len();
        let scale = |c: &mut Mat<T>| {
            for j in 0..c.ncols() {
                for i in 0..size {
                    c[(i, j)] *= if op == Op::Adjoint { self.phases[i].conj() } else { self.phases[i] };
                }
            }
        };
        if op == Op::None {
            scale(c);
        }
        if size > 1 {
            let reflectors = self.basis.as_ref().submatrix(1, 0, size - 1, size - 1);
            T::apply_reflectors(reflectors, self.coefficients.as_ref(), op, c.as_mut().subrows_mut(1, size - 1), threads);
        }
        if op == Op::Adjoint {
            scale(c);
        }
    }

    /// Each column of c ← (T + λI)⁻¹c by LDLᵀ.
    fn solve(&self, lambdas: &[f64], c: &mut Mat<T>) {
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
}
