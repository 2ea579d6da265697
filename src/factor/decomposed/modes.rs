//! The answer as a sum over the directions of the decomposition, for figures and reports.
//!
//! ```text
//! x(d) = x(∞) + Σ yᵢ·βᵢσᵢ/(σᵢ² + d²)        r(d) = r(∞) − Σ uᵢ·βᵢφᵢ        φᵢ = σᵢ²/(σᵢ² + d²)
//! (AᴴA + d²LᴴL)⁻¹ = Σ yᵢyᵢᴴ/(σᵢ² + d²) + Σ free + Σ unseen/d²
//! ```
//! yᵢ = L_A†vᵢ with the A-weighted pseudo-inverse of L (Eldén 1982, BIT 22:487), which is xᵢ/sᵢ of the GSVD; *free*
//! are the directions that L does not see, *unseen* those that A does not see. Cost: one multiplication of n×r numbers by
//! the change of variables; n×n for `unseen` of a wide problem.

use super::{Decomposed, Prepared};
use crate::factor::{Directions, Unseen};
use crate::linalg::{self, Mat, MatRef};
use crate::scalar::{Real, Scalar};
use crate::transform::reduced::Frame;
use crate::transform::standard_form::StandardData;

/// Beyond this many unknowns the variance of the directions that A does not see is not formed: it takes n² numbers.
/// A guess of what memory may be spent on a band in a figure.
const UNSEEN_UP_TO: usize = 2000;

/// In the units of the reduced problem.
pub(crate) struct Modes<T> {
    /// σᵢ, one for each column of `solution` and `data`.
    pub values: Vec<f64>,
    /// βᵢ, r×k.
    pub coefficients: Mat<T>,
    /// n×r: yᵢ.
    pub solution: Mat<T>,
    /// m×r: uᵢ.
    pub data: Mat<T>,
    /// n×k: x(∞).
    pub limit: Mat<T>,
    /// m×k: r(∞).
    pub residual: Mat<T>,
    /// n: the diagonal of what the free directions add to the inverse.
    pub free: Vec<f64>,
    /// n: the diagonal of what the unseen directions add, times d²; `None` where it was not formed.
    pub unseen: Option<Vec<f64>>,
}

impl<T: Scalar> Decomposed<'_, T> {
    /// `None` where the decomposition has no singular vectors.
    pub fn modes(&self, prepared: &Prepared<T>, frame: &Frame<'_, T>) -> Option<Modes<T>> {
        let Directions { penalised: y, places, free, free_places, unseen } = self.core.directions()?;
        let basis = self.core.basis()?;
        let values =
            prepared.projection.spectra.first().map_or_else(Vec::new, |s| s.values.iter().copied().filter(|v| v.is_finite()).collect());
        let take = |from: &[usize]| {
            Mat::from_fn(from.len(), prepared.projection.coefficients.ncols(), |i, j| prepared.projection.coefficients[(from[i], j)])
        };
        let coefficients = take(&places);
        // z(∞): what the free directions of the decomposition itself fit
        let mut limit = linalg::zeros(y.nrows(), coefficients.ncols());
        if !free_places.is_empty() {
            linalg::multiply_block(free.as_ref(), linalg::Op::None, take(&free_places).as_ref(), &mut limit, self.threads);
        }
        let limit = self.standard.solution(limit, &prepared.data, self.threads);

        let top = self.standard.unpenalised();
        let without_data = |z: Mat<T>| {
            let data = StandardData { rest: linalg::zeros(0, z.ncols()), top: linalg::zeros(top, z.ncols()) };
            self.standard.solution(z, &data, self.threads)
        };
        let size = y.nrows();
        let mut variance = vec![0.0; self.unknowns];
        add_squares(&mut variance, without_data(free).as_ref());
        if top > 0 {
            let unit =
                StandardData { rest: linalg::zeros(0, top), top: Mat::from_fn(top, top, |i, j| if i == j { T::ONE } else { T::ZERO }) };
            add_squares(&mut variance, self.standard.solution(linalg::zeros(size, top), &unit, self.threads).as_ref());
        }
        let rank = y.ncols();
        let solution = without_data(y);
        let unseen = match unseen {
            Unseen::Columns(columns) => {
                let mut unseen = vec![0.0; self.unknowns];
                add_squares(&mut unseen, without_data(columns).as_ref());
                Some(unseen)
            }
            Unseen::Complement if rank == size => Some(vec![0.0; self.unknowns]),
            Unseen::Complement if size > UNSEEN_UP_TO => None,
            Unseen::Complement => {
                let mut all = vec![0.0; self.unknowns];
                add_squares(&mut all, without_data(Mat::from_fn(size, size, |i, j| if i == j { T::ONE } else { T::ZERO })).as_ref());
                let mut seen = vec![0.0; self.unknowns];
                add_squares(&mut seen, solution.as_ref());
                Some(all.iter().zip(seen).map(|(all, seen)| (all - seen).max(0.0)).collect())
            }
        };

        let expand = |u: MatRef<'_, T>| {
            let u = self.standard.expand(linalg::copy(u), self.threads);
            match frame.constant {
                Some(constant) => constant.expand(u.as_ref()),
                None => u,
            }
        };
        let full = expand(basis);
        let data = Mat::from_fn(full.nrows(), places.len(), |i, j| full[(i, places[j])]);
        let mut residual = expand(prepared.projection.data.as_ref());
        T::product(
            residual.as_mut(),
            linalg::Accum::Add,
            T::ONE,
            data.as_ref(),
            linalg::Op::None,
            coefficients.as_ref(),
            linalg::Op::None,
            self.threads,
        );
        Some(Modes { values, coefficients, solution, data, limit, residual, free: variance, unseen })
    }
}

/// sums[i] += Σⱼ|columns[i, j]|².
fn add_squares<T: Scalar>(sums: &mut [f64], columns: MatRef<'_, T>) {
    for j in 0..columns.ncols() {
        for (i, sum) in sums.iter_mut().enumerate() {
            let size = columns[(i, j)].modulus().to_f64();
            *sum += size * size;
        }
    }
}
