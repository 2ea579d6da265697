//! Fast transforms: A = U·diag(a)·Vᴴ and LᴴL = V·diag(l²)·Vᴴ with the same V, whose products cost O(n log n).
//!
//! x(λ) = Σ vₖ·aₖβₖ/(aₖ² + λlₖ²), β = Uᴴb: what the GSVD gives, without a decomposition. Periodic convolution in the Fourier
//! basis, reflective convolution with a symmetric kernel in that of the cosine transform, both with identity, gradient or
//! Laplacian penalties of the same boundary; A⊗B with the identity by the SVDs of the factors (a = products of their
//! singular values).
//!
//! For the curves γ = a/l are the generalized singular values. Directions with l = 0 are unpenalised where a > 0; where a = 0
//! too, A and L share them, and x is the one without them. Values are right to a few ε·a₁, so that those up to
//! [`rounding`]·a₁ count as zero, and l likewise.
//!
//! Prefer any sibling where no transform is known. Cost: two transforms for each right-hand side and solution (for A⊗B
//! products with the factors' singular vectors), O(n) for each λ; 5n real numbers and one sort.
//! Source: Hansen, Nagy, O'Leary 2006, doi:10.1137/1.9780898718874; Van Loan 2000, doi:10.1016/S0377-0427(00)00393-9.

use super::robust_svd::{Svd, robust_svd};
use super::{Answer, Core, Handed, Projection, Refusal, rank_of, rank_tolerance};
use crate::curve::{Spectrum, damped_coefficient};
use crate::linalg::{self, Accum, Mat, MatRef, Op, Threads};
use crate::operator::diagonal::{Diagonalization, Form, Unitary};
use crate::scalar::{Real, Scalar};

pub(crate) struct TransformCore<T: Scalar> {
    parts: Parts<T>,
    /// a/|a| of a factor that multiplies A.
    phase: T,
    shape: (usize, usize),
    /// aₖ and lₖ, with what is rounding set to 0.
    values: Vec<f64>,
    penalty: Option<Vec<f64>>,
    /// Penalised directions that U sees, by descending γ.
    penalised: Vec<usize>,
    /// γ, descending.
    ratios: Vec<f64>,
    /// Directions with a > 0 and l = 0.
    free: usize,
    /// Directions with a = 0 and l = 0.
    lost: Vec<usize>,
    /// Directions with a > 0.
    rank: usize,
    tolerance: f64,
    /// a₁ over the smallest a above rounding.
    condition: f64,
    threads: Threads,
}

enum Parts<T: Scalar> {
    Unitary(Box<dyn Unitary<T>>),
    /// The SVDs of A and B: U = U_A⊗U_B, V = V_A⊗V_B.
    Kronecker(Box<Factors<T>>),
}

struct Factors<T: Scalar> {
    a: Svd<T>,
    b: Svd<T>,
}

/// Relative size of values that are rounding: transforms of n points round like sums of log n terms.
fn rounding<T: Scalar>(n: usize) -> f64 {
    16.0 * T::Real::EPSILON.to_f64() * (n.max(2) as f64).log2()
}

impl<T: Scalar> TransformCore<T> {
    /// `scale` multiplies A; `penalty` is lₖ, or `None` for the identity.
    pub fn new(
        diagonalization: Diagonalization<'_, T>,
        (rows, columns): (usize, usize),
        penalty: Option<Vec<f64>>,
        scale: f64,
        threads: Threads,
    ) -> Handed<Self> {
        let (mut scale, mut phase, mut form) = (scale, T::ONE, diagonalization.form);
        while let Form::Scaled(factor, inner) = form {
            let size = factor.modulus();
            if size != T::Real::ZERO {
                phase *= T::from_parts(factor.real() / size, factor.imaginary() / size);
            }
            scale *= size.to_f64();
            form = inner.form;
        }
        let (parts, mut values, tolerance) = match form {
            Form::Unitary(make) => {
                let parts = make();
                let values = parts.values().to_vec();
                (Parts::Unitary(parts), values, rounding::<T>(columns))
            }
            Form::Kronecker(a, b) => {
                let svd = |view: MatRef<'_, T>| robust_svd(view, threads).map_err(|_| Refusal::NoConvergence);
                let tolerance = rank_tolerance::<T>(a.shape().0.max(b.shape().0), a.shape().1.max(b.shape().1));
                let (a, b) = (svd(a.matrix())?, svd(b.matrix())?);
                let values = a.s.iter().flat_map(|&s| b.s.iter().map(move |t| s.to_f64() * t.to_f64())).collect();
                (Parts::Kronecker(Box::new(Factors { a, b })), values, tolerance)
            }
            Form::Scaled(..) => return Err(Refusal::NotCovered),
        };
        values.iter_mut().for_each(|value| *value *= scale);
        let square = matches!(parts, Parts::Unitary(_));
        if (square && (values.len() != columns || rows != columns)) || penalty.as_ref().is_some_and(|l| l.len() != values.len()) {
            return Err(Refusal::NotCovered);
        }
        let mut penalty = penalty;
        for list in [Some(&mut values), penalty.as_mut()].into_iter().flatten() {
            let largest =
                list.iter().copied().fold(0.0, |largest: f64, value| if value > largest || value.is_nan() { value } else { largest });
            if !largest.is_finite() {
                return Err(Refusal::OutOfRange);
            }
            list.iter_mut().filter(|value| **value <= tolerance * largest).for_each(|value| *value = 0.0);
        }
        let of_penalty = |k: usize| penalty.as_ref().map_or(1.0, |l| l[k]);
        let mut order: Vec<(f64, usize)> = Vec::with_capacity(values.len());
        let (mut free, mut lost) = (0, Vec::new());
        for (k, &value) in values.iter().enumerate() {
            match of_penalty(k) {
                0.0 if value == 0.0 => lost.push(k),
                0.0 => free += 1,
                l => order.push((value / l, k)),
            }
        }
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        if order.first().is_some_and(|(ratio, _)| !ratio.is_finite()) {
            return Err(Refusal::OutOfRange);
        }
        let mut kept: Vec<f64> = values.iter().copied().filter(|&value| value > 0.0).collect();
        kept.sort_by(|a, b| b.total_cmp(a));
        let (rank, condition) = rank_of(&kept, 0.0);
        let (ratios, penalised) = order.into_iter().unzip();
        Ok(Self {
            parts,
            phase,
            shape: (rows, columns),
            values,
            penalty,
            penalised,
            ratios,
            free,
            lost,
            rank,
            tolerance,
            condition,
            threads,
        })
    }

    /// Directions that neither A nor L sees.
    pub fn shared_null_space(&self) -> usize {
        self.lost.len()
    }

    /// ‖Lz‖ of a solution, from its coefficients: each is at most as large as the solution.
    pub fn penalty_norm(&self, projection: &Projection<T>, column: usize, damping: f64) -> f64 {
        let terms: Vec<f64> = (0..self.values.len())
            .map(|k| {
                let l = self.penalty.as_ref().map_or(1.0, |l| l[k]);
                l * self.weight(k, damping) * projection.coefficients[(k, column)].modulus().to_f64()
            })
            .collect();
        linalg::norm(&terms)
    }

    /// What takes βₖ to the coefficient of the solution: a/(a² + d²l²).
    fn weight(&self, k: usize, damping: f64) -> f64 {
        let value = self.values[k];
        if value == 0.0 {
            return 0.0;
        }
        damped_coefficient(value, damping * self.penalty.as_ref().map_or(1.0, |l| l[k]))
    }

    /// Uᴴb for each column.
    fn left_adjoint(&self, b: &Mat<T>) -> Mat<T> {
        let mut coefficients = linalg::zeros(self.values.len(), b.ncols());
        for j in 0..b.ncols() {
            let column = coefficients.col_as_slice_mut(j);
            match &self.parts {
                Parts::Unitary(parts) => parts.left_adjoint(b.col_as_slice(j), column),
                Parts::Kronecker(factors) => {
                    two_sided(factors.b.u.as_ref(), Op::Adjoint, b.col_as_slice(j), factors.a.u.as_ref(), true, column, self.threads);
                }
            }
            column.iter_mut().for_each(|value| *value *= self.phase.conj());
        }
        coefficients
    }
}

/// vec Y ← B·X·Aᵀ, or Bᴴ·X·Ā for the adjoint (`op` is that of B).
fn two_sided<T: Scalar>(b: MatRef<'_, T>, op: Op, x: &[T], a: MatRef<'_, T>, adjoint: bool, y: &mut [T], threads: Threads) {
    let size = |m: MatRef<'_, T>| if adjoint { (m.ncols(), m.nrows()) } else { m.shape() };
    let ((m_a, n_a), (m_b, n_b)) = (size(a), size(b));
    if y.is_empty() {
        return;
    }
    let x = MatRef::from_column_major_slice(x, n_b, n_a);
    let mut between = linalg::zeros(m_b, n_a);
    T::product(between.as_mut(), Accum::Replace, T::ONE, b, op, x, Op::None, threads);
    // the kernels conjugate, but do not transpose alone: the conjugate of W·Aᵀ is W̄·Aᴴ, and that of W·Ā is W̄·A
    let conjugated = Mat::from_fn(m_b, n_a, |i, j| between[(i, j)].conj());
    let mut out = linalg::zeros(m_b, m_a);
    let op_a = if adjoint { Op::None } else { Op::Adjoint };
    T::product(out.as_mut(), Accum::Replace, T::ONE, conjugated.as_ref(), Op::None, a, op_a, threads);
    for j in 0..m_a {
        for i in 0..m_b {
            y[j * m_b + i] = out[(i, j)].conj();
        }
    }
}

impl<T: Scalar> Core<T> for TransformCore<T> {
    fn project(&self, b: Mat<T>) -> Handed<Projection<T>> {
        let (rows, k) = (self.shape.0, b.ncols());
        let coefficients = self.left_adjoint(&b);
        let outside: Vec<f64> = match &self.parts {
            Parts::Kronecker(factors) if self.values.len() < rows => (0..k)
                .map(|j| {
                    // as a vector: ‖b‖² − ‖β‖² would cancel
                    let mut inside = vec![T::ZERO; rows];
                    let column: Vec<T> = coefficients.col_as_slice(j).iter().map(|&value| value * self.phase).collect();
                    two_sided(factors.b.u.as_ref(), Op::None, &column, factors.a.u.as_ref(), false, &mut inside, self.threads);
                    inside.iter_mut().zip(b.col_as_slice(j)).for_each(|(value, &b)| *value = b - *value);
                    linalg::norm(&inside).to_f64()
                })
                .collect(),
            _ => vec![0.0; k],
        };
        let size = |i: usize, j: usize| coefficients[(i, j)].modulus().to_f64();
        let spectra = (0..k)
            .map(|j| {
                let lost: Vec<f64> = self.lost.iter().map(|&i| size(i, j)).collect();
                let beyond = linalg::norm(&[outside[j], linalg::norm(&lost)]);
                Spectrum {
                    values: self.ratios.clone(),
                    coefficients: self.penalised.iter().map(|&i| size(i, j)).collect(),
                    outside: beyond * beyond,
                    rows,
                    unpenalised: self.free,
                    tolerance: 0.0,
                }
            })
            .collect();
        Ok(Projection { coefficients, spectra, data: linalg::zeros(0, k) })
    }

    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Answer<T>> {
        let (count, columns) = (self.values.len(), self.shape.1);
        let mut x = linalg::zeros(columns, dampings.len());
        let mut weighted = vec![T::ZERO; count];
        for (j, &damping) in dampings.iter().enumerate() {
            for (k, value) in weighted.iter_mut().enumerate() {
                *value = projection.coefficients[(k, j)].scale(T::Real::from_f64(self.weight(k, damping)));
            }
            match &self.parts {
                Parts::Unitary(parts) => parts.right(&weighted, x.col_as_slice_mut(j)),
                Parts::Kronecker(factors) => {
                    two_sided(factors.b.v.as_ref(), Op::None, &weighted, factors.a.v.as_ref(), false, x.col_as_slice_mut(j), self.threads);
                }
            }
        }
        Ok(x.into())
    }

    fn rank(&self) -> (usize, f64) {
        (self.rank, self.tolerance)
    }

    fn condition(&self) -> f64 {
        self.condition
    }
}
