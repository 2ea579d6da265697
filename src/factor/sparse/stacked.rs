//! The least-squares problem of [A; √λL] with a QR factorization at hand: rank, condition, solutions refined in twice the precision.

use super::{Handed, REFINEMENTS, Refusal};
use crate::extended;
use crate::linalg::sparse::{Orthogonal, Rows};
use crate::linalg::{self, Mat, MatRef};
use crate::scalar::{Real, Scalar};

/// A stacked problem with its columns scaled.
pub(super) struct Stacked<'a, T> {
    pub rows: &'a Rows<T>,
    pub transposed: &'a Rows<T>,
    /// The first of the rows are those of A.
    pub data_rows: usize,
    pub tolerance: f64,
}

impl<T: Scalar> Stacked<'_, T> {
    /// Solutions, norms of their residuals, condition.
    pub fn solve(&self, solver: &dyn Orthogonal<T>, b: MatRef<'_, T>) -> Handed<(Mat<T>, Vec<f64>, f64)> {
        let n = self.rows.columns;
        let (least, largest) = diagonal(solver);
        let deficient = || Refusal::RankDeficient { rank: below(solver, self.tolerance * largest), tolerance: self.tolerance };
        if n > 0 && !(least > self.tolerance * 1e-3 * largest) {
            return Err(deficient());
        }
        let normal = |x: &mut [T]| {
            if solver.normal(x).is_none() {
                x.fill(T::from_real(T::Real::MAX));
            }
        };
        // ‖SᴴS‖₁ ≤ ‖S‖∞‖S‖₁
        let most =
            |rows: &Rows<T>| (0..rows.rows()).map(|i| rows.row(i).1.iter().map(|v| v.modulus().to_f64()).sum::<f64>()).fold(0.0, f64::max);
        let condition = (most(self.rows) * most(self.transposed) * linalg::inverse_one_norm(n, &normal, &normal)).sqrt().max(1.0);
        if !(condition * self.tolerance < 1.0) {
            return Err(deficient());
        }
        let mut x = linalg::zeros(n, b.ncols());
        let mut norms = Vec::with_capacity(b.ncols());
        for j in 0..b.ncols() {
            let data: Vec<T> = (0..self.rows.rows()).map(|i| if i < self.data_rows { b[(i, j)] } else { T::ZERO }).collect();
            let (solution, residual) = self.refined(solver, &data).ok_or(Refusal::OutOfRange)?;
            x.col_as_slice_mut(j).copy_from_slice(&solution);
            norms.push(linalg::norm(&residual[..self.data_rows]).to_f64());
        }
        Ok((x, norms, condition))
    }

    /// x and r = b − Sx, refined until the corrections are rounding or stop shrinking.
    fn refined(&self, solver: &dyn Orthogonal<T>, b: &[T]) -> Option<(Vec<T>, Vec<T>)> {
        let n = self.rows.columns;
        let (mut x, mut r) = (vec![T::ZERO; n], vec![T::ZERO; b.len()]);
        let (mut f, mut g) = (b.to_vec(), vec![T::ZERO; n]);
        let mut last = f64::INFINITY;
        for _ in 0..REFINEMENTS {
            let mut dx = solver.least_squares(&mut f.clone())?;
            solver.normal(&mut g)?;
            linalg::add_scaled(&mut dx, -T::ONE, &g);
            let size = linalg::norm(&dx).to_f64();
            // corrections that do not halve are rounding noise (or κ·ε ≥ 1): keep what is there
            if !(size <= 0.5 * last) {
                break;
            }
            last = if size == 0.0 && last.is_infinite() { last } else { size };
            linalg::add_scaled(&mut x, T::ONE, &dx);
            self.rows.add_product(-T::Real::ONE, &dx, &mut f);
            linalg::add_scaled(&mut r, T::ONE, &f);
            if size > 0.0 && size <= 0.25 * T::Real::EPSILON.to_f64() * linalg::norm(&x).to_f64() {
                break;
            }
            f = extended::sparse_residual(self.rows, &x, &r, b);
            g = extended::sparse_negative_adjoint_product(self.transposed, &r);
        }
        Some((x, r))
    }
}

/// The moduli on the diagonal of R, visited one after another.
fn each_pivot<T: Scalar>(solver: &dyn Orthogonal<T>, visit: &mut dyn FnMut(f64)) {
    let (nodes, values) = solver.triangle();
    for s in 0..nodes.count() {
        let block = nodes.block(values, s);
        (0..block.ncols()).for_each(|k| visit(block[(k, k)].modulus().to_f64()));
    }
}

/// The smallest and the largest pivot; NaN counts as 0.
fn diagonal<T: Scalar>(solver: &dyn Orthogonal<T>) -> (f64, f64) {
    let mut range = (f64::INFINITY, 0.0f64);
    each_pivot(solver, &mut |size| {
        range = (
            if size >= range.0 {
                range.0
            } else if size.is_nan() {
                0.0
            } else {
                size
            },
            range.1.max(size),
        )
    });
    range
}

/// How many pivots are above the limit; at least one is not, of which this is asked.
fn below<T: Scalar>(solver: &dyn Orthogonal<T>, limit: f64) -> usize {
    let (mut above, mut all) = (0, 0usize);
    each_pivot(solver, &mut |size| {
        above += usize::from(size > limit);
        all += 1;
    });
    above.min(all.saturating_sub(1))
}
