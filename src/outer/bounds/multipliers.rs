//! Equations Cz = e beside the bounds: the rows w·C stand above [A; dL], and their right-hand side is corrected by what they
//! still lack. See [`equality`], whose header has the sources. Cost: a few solves of the active set a λ, each from the set of the last.

use super::{Answer, Bounded, Data, Failure};
use crate::linalg::{self, Accum, Kernels, Mat, Op, Threads};
use crate::outer::equality;
use crate::outer::limits::{Place, power_of_two};

/// How much heavier than the columns of [A; dL] the rows of C are: the defect falls by about its square a round, and as many
/// digits as it has are lost. A guess between the two.
const WEIGHT: f64 = 1e3;
/// Rounds of multipliers: three or four are usual.
const MULTIPLIER_ROUNDS: usize = 60;
impl Bounded {
    /// Cz = e within the bounds, by multipliers.
    pub(super) fn by_multipliers(
        &self,
        data: &Data,
        damping: f64,
        (places, z): (Vec<Place>, Option<Vec<f64>>),
        c: &Mat<f64>,
        e: &[f64],
    ) -> Result<Answer, Failure> {
        let q = e.len();
        let defect = |z: &[f64]| {
            let mut defect = vec![0.0; q];
            f64::multiply(c.as_ref(), z, &mut defect, Threads::ONE);
            defect.iter_mut().zip(e).for_each(|(cz, &e)| *cz = e - *cz);
            defect
        };
        let in_box = |mut z: Vec<f64>| {
            z.iter_mut().enumerate().for_each(|(j, z)| *z = self.limits.clamp(j, *z));
            z
        };
        let sizes = |z: &[f64]| linalg::norm(z) + linalg::norm(e);
        let holds = |z: &[f64], gap: f64| equality::holds(gap, q, linalg::norm(z), linalg::norm(e), f64::EPSILON);
        let (nearest, ..) = self.on_stack(c, e, &self.limits.start(), None)?;
        let nearest = in_box(nearest);
        let gap = linalg::norm(&defect(&nearest));
        if !holds(&nearest, gap) {
            return Err(Failure::Infeasible(gap));
        }
        let (below, below_data) = self.stack(data, damping);
        let weight = WEIGHT * power_of_two(linalg::column_norms(below.as_ref()).into_iter().fold(0.0, f64::max));
        let stack = Mat::from_fn(q + below.nrows(), below.ncols(), |i, j| if i < q { weight * c[(i, j)] } else { below[(i - q, j)] });
        let mut rest: Vec<f64> = e.iter().map(|e| weight * e).chain(below_data).collect();
        let (mut places, mut z) = (places, Some(z.unwrap_or(nearest)));
        let mut last = f64::INFINITY;
        for _ in 0..MULTIPLIER_ROUNDS {
            let (next, set, factor) = self.on_stack(&stack, &rest, &places, z.as_deref())?;
            let lack = defect(&next);
            let gap = linalg::norm(&lack);
            // as far as rounding lets it fall
            if gap <= 1e-14 * sizes(&next) || (gap > 0.5 * last && holds(&next, gap)) {
                // −μ = w²(e' − Cz), e' the corrected right-hand side
                let mut image = vec![0.0; q];
                f64::multiply(c.as_ref(), &next, &mut image, Threads::ONE);
                let forces: Vec<f64> = image.iter().zip(&rest).map(|(cz, e)| weight * (weight * cz - e)).collect();
                let mut along = vec![0.0; next.len()];
                f64::multiply_adjoint(c.as_ref(), &forces, &mut along, Threads::ONE);
                return Ok(self.answer_with(data, damping, next, set, factor, false, Some(&along)));
            }
            last = gap;
            rest[..q].iter_mut().zip(&lack).for_each(|(rest, lack)| *rest += weight * lack);
            (places, z) = (set, Some(next));
        }
        Err(Failure::NotConverged { steps: MULTIPLIER_ROUNDS, reached: last })
    }

    /// ‖Cz − e‖.
    pub fn defect(&self, z: &[f64]) -> f64 {
        let Some((c, e)) = &self.equations else { return 0.0 };
        let mut image = vec![0.0; e.len()];
        f64::multiply(c.as_ref(), z, &mut image, Threads::ONE);
        linalg::norm(&image.iter().zip(e).map(|(cz, e)| cz - e).collect::<Vec<f64>>())
    }

    /// Degrees of freedom in the null space of the free columns of C: dim N − d²‖L_F N R⁻¹‖² with QR = [A_F; dL_F]N.
    pub(super) fn dof_on_equations(&self, c: &Mat<f64>, free: &[usize], damping: f64) -> f64 {
        let columns = Mat::from_fn(c.nrows(), free.len(), |i, k| c[(i, free[k])]);
        // d = 0 has a solution always
        let Ok(eliminated) = equality::eliminate(&columns, &vec![0.0; c.nrows()], self.threads) else { return f64::NAN };
        let dimension = eliminated.basis.ncols();
        if damping == 0.0 || dimension == 0 {
            return dimension as f64;
        }
        let (m, below) = (self.a.nrows(), self.penalty_count());
        let rows = |count: usize, entry: &dyn Fn(usize, usize) -> f64| {
            let stack = Mat::from_fn(count, free.len(), |i, k| entry(i, free[k]));
            let mut product = linalg::zeros(count, dimension);
            let basis = eliminated.basis.as_ref();
            f64::product(product.as_mut(), Accum::Replace, 1.0, stack.as_ref(), Op::None, basis, Op::None, self.threads);
            product
        };
        let (a, l) = (rows(m, &|i, j| self.a[(i, j)]), rows(below, &|i, j| damping * self.penalty_entry(i, j)));
        let reflectors = f64::qr(Mat::from_fn(m + below, dimension, |i, j| if i < m { a[(i, j)] } else { l[(i - m, j)] }), self.threads);
        if m + below < dimension {
            return dimension as f64;
        }
        let mut back = linalg::adjoint(l.as_ref());
        let triangle = reflectors.basis.as_ref().submatrix(0, 0, dimension, dimension);
        f64::solve_upper(triangle, Op::Adjoint, back.as_mut(), self.threads);
        let lost: f64 = linalg::column_norms(back.as_ref()).iter().map(|v| v * v).sum();
        (dimension as f64 - lost).max(0.0)
    }
}
