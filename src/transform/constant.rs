//! An unpenalised constant (intercept), removed by one Householder reflection.
//!
//! With D the row scale, q = D·1/‖D·1‖ and H = I − vvᵀ/(1 + q₁), v = q + e₁, the reflection takes D·1 to −‖D·1‖e₁.
//! The first row of the reflected problem alone contains the constant; the others are the problem without it. This is
//! weighted centring, written so that m − 1 rows of full information remain and leverages can be taken back.
//! Cost: one copy of A and 2mn flops.

use super::Matrix;
use crate::linalg::{self, Mat, MatRef};
use crate::scalar::{Real, Scalar};

/// The reflection and what its first row says of the constant.
#[derive(Debug, Clone)]
pub(crate) struct Constant<T: Scalar> {
    /// v = q + e₁.
    reflector: Vec<T::Real>,
    /// 1 + q₁.
    denominator: T::Real,
    /// ‖D·1‖.
    norm: T::Real,
    /// First row of HĀ.
    first_row: Vec<T>,
}

/// Columns that are taken out of A together: a matrix by rows is then read line by line of the cache, and not once for each column.
const COLUMNS_AT_ONCE: usize = 8;

impl<T: Scalar> Constant<T> {
    /// The reflection of `ones` (not empty, its first entry not negative), before anything has been reflected.
    pub(super) fn of(ones: &[T::Real]) -> Self {
        let norm = linalg::norm(ones);
        let mut reflector: Vec<T::Real> = ones.iter().map(|&d| d / norm).collect();
        let denominator = T::Real::ONE + reflector[0];
        reflector[0] = denominator;
        Self { reflector, denominator, norm, first_row: Vec::new() }
    }

    /// What the reflection leaves of a constant column, relative to it: the rounding of a sum of so many terms.
    pub(super) fn rounding(rows: usize) -> f64 {
        4.0 * (rows as f64).sqrt() * T::Real::EPSILON.to_f64()
    }

    /// v.
    pub(super) fn reflector(&self) -> &[T::Real] {
        &self.reflector
    }

    /// 1 + q₁.
    pub(super) fn denominator(&self) -> T::Real {
        self.denominator
    }

    /// The first row of HĀ, where it was made elsewhere.
    pub(super) fn set_first_row(&mut self, row: Vec<T>) {
        self.first_row = row;
    }

    /// Removes the constant, whose image in the rows is `ones` (all 1 unless given; its first entry is not negative), from Ā (at least one
    /// row). `counted` rows have gone into those of Ā.
    pub fn remove(a: MatRef<'_, T>, ones: Option<&[T::Real]>, counted: usize) -> (Self, Matrix<'static, T>) {
        let (m, n) = a.shape();
        let mut constant = match ones {
            Some(ones) => Self::of(ones),
            None => Self::of(&vec![T::Real::ONE; m]),
        };
        let mut rest = Mat::from_fn(m - 1, n, |_, _| T::ZERO);
        let mut panel = vec![T::ZERO; m * COLUMNS_AT_ONCE.min(n)];
        let rounding = T::Real::from_f64(Self::rounding(counted.max(m)));
        for start in (0..n).step_by(COLUMNS_AT_ONCE) {
            let count = COLUMNS_AT_ONCE.min(n - start);
            for i in 0..m {
                for p in 0..count {
                    panel[p * m + i] = a[(i, start + p)];
                }
            }
            for (p, column) in panel.chunks_exact_mut(m).take(count).enumerate() {
                let size = linalg::norm(column);
                constant.reflect(column);
                constant.first_row.push(column[0]);
                // a column must not count by its rounding errors, which a scaling of the columns would make as large as data
                if !(linalg::norm(&column[1..]) <= rounding * size) {
                    rest.col_as_slice_mut(start + p).copy_from_slice(&column[1..]);
                }
            }
        }
        (constant, Matrix::Owned(rest))
    }

    /// y ← Hy.
    pub fn reflect(&self, y: &mut [T]) {
        let sum = y.iter().zip(&self.reflector).fold(T::ZERO, |sum, (&y, &v)| sum + y.scale(v));
        let factor = sum.scale(T::Real::ONE / self.denominator);
        for (y, &v) in y.iter_mut().zip(&self.reflector) {
            *y -= factor.scale(v);
        }
    }

    /// The rows without the constant of every column of b, and each column's first entry.
    pub fn data(&self, b: MatRef<'_, T>) -> (Mat<T>, Vec<T>) {
        let (m, k) = b.shape();
        let mut rest = Mat::from_fn(m - 1, k, |_, _| T::ZERO);
        let mut first = Vec::with_capacity(k);
        let mut column = vec![T::ZERO; m];
        for j in 0..k {
            for (i, entry) in column.iter_mut().enumerate() {
                *entry = b[(i, j)];
            }
            self.reflect(&mut column);
            first.push(column[0]);
            for (i, &entry) in column[1..].iter().enumerate() {
                rest[(i, j)] = entry;
            }
        }
        (rest, first)
    }

    /// The constant that belongs to the solution z, given the first entry of the reflected data.
    pub fn value(&self, z: &[T], first: T) -> T {
        let fitted = self.first_row.iter().zip(z).fold(T::ZERO, |sum, (&a, &z)| sum + a * z);
        (fitted - first).scale(T::Real::ONE / self.norm)
    }

    /// What the constant is made of: (h, 1/‖D·1‖) with c = (what the data say) + hx, h minus the weighted means of the columns of Ā.
    pub fn dependence(&self) -> (Vec<T>, f64) {
        let inverse = T::Real::ONE / self.norm;
        (self.first_row.iter().map(|a| a.scale(inverse)).collect(), inverse.to_f64())
    }

    /// A basis in the reduced rows, taken back to all m rows: H[0; U].
    pub fn expand(&self, u: MatRef<'_, T>) -> Mat<T> {
        let (m, r) = (u.nrows() + 1, u.ncols());
        let mut full = Mat::from_fn(m, r, |i, j| if i == 0 { T::ZERO } else { u[(i - 1, j)] });
        let mut column = vec![T::ZERO; m];
        for j in 0..r {
            for (i, entry) in column.iter_mut().enumerate() {
                *entry = full[(i, j)];
            }
            self.reflect(&mut column);
            for (i, &entry) in column.iter().enumerate() {
                full[(i, j)] = entry;
            }
        }
        full
    }

    /// q: the direction of the constant in the whitened rows, of norm 1.
    pub fn direction(&self) -> Vec<T> {
        (0..self.reflector.len()).map(|i| T::from_real(self.direction_at(i))).collect()
    }

    /// qᵢ.
    pub fn direction_at(&self, i: usize) -> T::Real {
        if i == 0 { self.denominator - T::Real::ONE } else { self.reflector[i] }
    }

    /// ‖D·1‖.
    pub fn norm(&self) -> T::Real {
        self.norm
    }

    /// The weighted mean of each column of Ā, in the units of Ā.
    pub fn means(&self) -> Vec<T> {
        self.first_row.iter().map(|&value| -value.scale(T::Real::ONE / self.norm)).collect()
    }
}
