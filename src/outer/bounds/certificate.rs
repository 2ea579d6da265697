//! What is said of an answer between bounds, computed from A, L and b afresh: norms, the first-order conditions, rank, degrees of freedom.

use super::{Answer, Bounded, Data, Factor};
use crate::linalg::{self, Kernels, Mat, Op};
use crate::outer::limits::Place;
use crate::transform::standard_form::PenaltyRows;

impl Bounded {
    /// z within its bounds, with all that is said of it computed from A, L and b.
    pub(super) fn answer(&self, data: &Data, damping: f64, z: Vec<f64>, places: Vec<Place>, factor: Factor, by_gram: bool) -> Answer {
        self.answer_with(data, damping, z, places, factor, by_gram, None)
    }

    /// The same with what the equations add to the gradient, Cᵀμ.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn answer_with(
        &self,
        data: &Data,
        damping: f64,
        mut z: Vec<f64>,
        places: Vec<Place>,
        factor: Factor,
        by_gram: bool,
        forces: Option<&[f64]>,
    ) -> Answer {
        for (j, z) in z.iter_mut().enumerate() {
            *z = if places[j] == Place::Free { self.limits.clamp(j, *z) } else { self.limits.value(j, places[j]) };
        }
        let (mut gradient, residual_norm, penalty_norm) = self.gradient(data, damping, &z);
        if let Some(forces) = forces {
            linalg::add_scaled(&mut gradient, 1.0, forces);
        }
        let size = data.norm.max(residual_norm.hypot(damping * penalty_norm));
        let mut norms = self.column_norms(damping);
        if forces.is_some() {
            // a column that only the equations see has a force of its own, and rounding of the size of the others
            let largest = norms.iter().copied().fold(0.0, f64::max);
            norms.iter_mut().for_each(|norm| *norm = norm.max(f64::EPSILON.sqrt() * largest));
        }
        let wrong = |j: usize| match self.limits.projected(j, z[j], gradient[j]).abs() {
            0.0 => 0.0,
            projected => projected / norms[j] / size,
        };
        let kkt = (0..z.len()).map(wrong).fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
        Answer { z, places, residual_norm, penalty_norm, kkt, by_gram, factor }
    }

    /// The numerical rank of [A; dL; C] and its tolerance, by QR with pivoting where it is not plain.
    pub fn rank(&self, answer: &Answer, damping: f64) -> (usize, f64) {
        let n = self.a.ncols();
        let (m, below) = (self.a.nrows(), if damping == 0.0 { 0 } else { self.penalty_count() });
        let equations = self.equations.as_ref().map_or(0, |(c, _)| c.nrows());
        let rows = m + below + equations;
        let tolerance = f64::EPSILON * rows.max(n) as f64;
        let weighted = damping > 0.0 && !matches!(self.penalty, PenaltyRows::Dense(_)) && (0..n).all(|j| self.penalty_entry(j, j) != 0.0);
        // free columns are independent, each of them
        if weighted || answer.factor.free.len() == n || rows.min(n) == 0 {
            return (if rows.min(n) == 0 { 0 } else { n }, tolerance);
        }
        let entry = |i: usize, j: usize| match &self.equations {
            _ if i < m => self.a[(i, j)],
            Some((c, _)) if i >= m + below => c[(i - m - below, j)],
            _ => damping * self.penalty_entry(i - m, j),
        };
        let mut stack = Mat::from_fn(rows, n, entry);
        for j in 0..n {
            let column = stack.col_as_slice_mut(j);
            let norm = linalg::norm(column);
            if norm > 0.0 {
                column.iter_mut().for_each(|v| *v /= norm);
            }
        }
        let (reflectors, _) = f64::qr_pivoted(stack, self.threads);
        let pivot = |k: usize| reflectors.basis[(k, k)].abs();
        ((0..rows.min(n)).take_while(|&k| pivot(k) > tolerance * pivot(0)).count(), tolerance)
    }

    pub(super) fn penalty_count(&self) -> usize {
        match &self.penalty {
            PenaltyRows::Identity | PenaltyRows::Diagonal(_) => self.a.ncols(),
            PenaltyRows::Dense(l) => l.nrows(),
        }
    }

    pub(super) fn penalty_entry(&self, i: usize, j: usize) -> f64 {
        match &self.penalty {
            PenaltyRows::Identity => f64::from(u8::from(i == j)),
            PenaltyRows::Diagonal(w) if i == j => w[i],
            PenaltyRows::Diagonal(_) => 0.0,
            PenaltyRows::Dense(l) => l[(i, j)],
        }
    }

    /// Norms of the columns of [A; dL].
    pub(super) fn column_norms(&self, damping: f64) -> Vec<f64> {
        let below = match &self.penalty {
            PenaltyRows::Identity => vec![1.0; self.a.ncols()],
            PenaltyRows::Diagonal(w) => w.clone(),
            PenaltyRows::Dense(l) => linalg::column_norms(l.as_ref()),
        };
        linalg::column_norms(self.a.as_ref()).into_iter().zip(below).map(|(a, l)| a.hypot(damping * l)).collect()
    }

    /// −Aᵀ(b − Az) + d²LᵀLz with ‖b − Az‖ and ‖Lz‖.
    pub(super) fn gradient(&self, data: &Data, damping: f64, z: &[f64]) -> (Vec<f64>, f64, f64) {
        let (m, n) = self.a.shape();
        let mut residual = vec![0.0; m];
        f64::multiply(self.a.as_ref(), z, &mut residual, self.threads);
        residual.iter_mut().zip(&data.b).for_each(|(r, &b)| *r = b - *r);
        let mut gradient = vec![0.0; n];
        f64::multiply_adjoint(self.a.as_ref(), &residual, &mut gradient, self.threads);
        let lambda = damping * damping;
        let penalty_norm = match &self.penalty {
            PenaltyRows::Identity => {
                gradient.iter_mut().zip(z).for_each(|(g, &z)| *g = lambda * z - *g);
                linalg::norm(z)
            }
            PenaltyRows::Diagonal(w) => {
                gradient.iter_mut().zip(z.iter().zip(w)).for_each(|(g, (&z, &w))| *g = lambda * w * w * z - *g);
                linalg::norm(&z.iter().zip(w).map(|(z, w)| z * w).collect::<Vec<f64>>())
            }
            PenaltyRows::Dense(l) => {
                let (mut image, mut back) = (vec![0.0; l.nrows()], vec![0.0; n]);
                f64::multiply(l.as_ref(), z, &mut image, self.threads);
                f64::multiply_adjoint(l.as_ref(), &image, &mut back, self.threads);
                gradient.iter_mut().zip(&back).for_each(|(g, &back)| *g = lambda * back - *g);
                linalg::norm(&image)
            }
        };
        (gradient, linalg::norm(&residual), penalty_norm)
    }

    /// tr H of the free components: |F| − d²‖L_F R⁻¹‖².
    pub fn dof(&self, answer: &Answer, damping: f64) -> f64 {
        let Factor { lower, free, scale } = &answer.factor;
        if let Some((c, _)) = &self.equations {
            return self.dof_on_equations(c, free, damping);
        }
        let f = free.len();
        if damping == 0.0 || f == 0 {
            return f as f64;
        }
        let lost: f64 = match &self.penalty {
            PenaltyRows::Dense(l) => {
                let mut columns = Mat::from_fn(f, l.nrows(), |i, p| damping * l[(p, free[i])] / scale[free[i]]);
                f64::solve_lower(lower.as_ref(), Op::None, columns.as_mut(), self.threads);
                (0..columns.ncols()).map(|p| columns.col_as_slice(p).iter().map(|v| v * v).sum::<f64>()).sum()
            }
            _ => {
                let mut inverse = linalg::zeros(f, f);
                f64::invert_lower(lower.as_ref(), inverse.as_mut(), self.threads);
                let column = |i: usize| {
                    let weight = damping * self.penalty_entry(free[i], free[i]) / scale[free[i]];
                    inverse.col_as_slice(i)[i..].iter().map(|v| v * v).sum::<f64>() * weight * weight
                };
                (0..f).map(column).sum()
            }
        };
        (f as f64 - lost).max(0.0)
    }
}
