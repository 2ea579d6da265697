//! The change of variables of a sparse problem: weights, prior mean and scale as in [`reduced`](super::reduced), and the
//! constant as one more unknown.
//!
//! ```text
//! Â = [2ᵉDA  2ᵍD1]      b̄ = 2ᶠD(b − Ax₀)      L̂ = [2ˡL  0]      x = x₀ + 2ᵉ⁻ᶠz,  c = 2ᵍ⁻ᶠĉ
//! ```
//! Centring the columns would fill A in. The bordered problem has the same solution, and the constant costs one column.

use super::whiten::{Whitening, balancing_exponent, row_scale};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::lambda::Lambda;
use crate::linalg::sparse::Rows;
use crate::linalg::{self, Mat, MatRef};
use crate::operator::{Operator, SparseView};
use crate::scalar::times_power_of_two;
use crate::scalar::{Real, Scalar};
use core::cell::Cell;

/// Where the powers of two and the rest are kept that lead back.
pub(crate) struct SparseReduced<T: Scalar> {
    /// m and n of the caller.
    pub shape: (usize, usize),
    /// Whether the last unknown is the constant.
    pub constant: bool,
    whitening: Whitening<T::Real>,
    penalty_exponent: i32,
    constant_exponent: i32,
    /// x₀ and Ax₀.
    prior: Option<(Vec<T>, Vec<T>)>,
}

/// Right-hand sides of the reduced problem.
pub(crate) struct SparseData<T> {
    /// b̄, m×k.
    pub b: Mat<T>,
    /// f.
    exponent: i32,
    /// ‖Db‖ for each column in those units, before the shift.
    pub norms: Vec<f64>,
}

impl<T: Scalar> SparseReduced<T> {
    /// The reduction with Â and L̂; `largest` is the largest entry of DA.
    pub fn new(description: &Description<'_, T>, a: &SparseView<'_, T>, largest: f64) -> Result<(Self, Rows<T>, Rows<T>)> {
        let (m, n) = a.shape();
        let scale = row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
        let whitening = Whitening { exponent: balancing_exponent(T::Real::from_f64(largest)), row_scale: scale };
        let constant_exponent = match &whitening.row_scale {
            Some(scale) if description.intercept => balancing_exponent(linalg::largest_modulus(scale)),
            _ => 0,
        };
        let columns = n + usize::from(description.intercept);
        let rows = Rows::new(m, columns, &|visit| {
            a.for_each(|i, j, value| visit(i, j, whitening.entry(value, i, whitening.exponent)));
            if description.intercept {
                (0..m).for_each(|i| visit(i, n, whitening.entry(T::ONE, i, constant_exponent)));
            }
        });
        let prior = match &description.prior_mean {
            None => None,
            Some(mean) => {
                let mut image = vec![T::ZERO; m];
                a.apply(mean, &mut image);
                if let Some(index) = image.iter().position(|v| !v.finite()) {
                    return Err(Error::NonFinite { what: "the product of A with the prior mean", index: Size::Entry(index) });
                }
                Some((mean.clone(), image))
            }
        };
        let (penalty, penalty_exponent) = penalty_rows(description, n, columns)?;
        let reduced = Self { shape: (m, n), constant: description.intercept, whitening, penalty_exponent, constant_exponent, prior };
        Ok((reduced, rows, penalty))
    }

    /// The damping of the reduced problem.
    pub fn damping(&self, lambda: Lambda) -> f64 {
        lambda.scaled(self.whitening.exponent - self.penalty_exponent).damping()
    }

    /// λ of the caller from a damping of the reduced problem.
    pub fn lambda(&self, damping: f64) -> Lambda {
        Lambda::from_damping(damping).scaled(self.penalty_exponent - self.whitening.exponent)
    }

    pub fn data(&self, b: MatRef<'_, T>) -> Result<SparseData<T>> {
        let (m, k) = b.shape();
        let image = |i: usize| self.prior.as_ref().map_or(T::ZERO, |(_, image)| image[i]);
        let scaled = |value: T, i: usize, exponent: i32| self.whitening.entry(value, i, exponent);
        let largest = (0..k).flat_map(|j| (0..m).map(move |i| (i, j))).fold(T::Real::ZERO, |largest, (i, j)| {
            largest.larger(linalg::largest_modulus(&[scaled(b[(i, j)], i, 0), scaled(image(i), i, 0)]))
        });
        if !largest.finite() {
            return Err(Error::Parameter {
                name: "the largest entry of b (or Ax₀) times √weight/noise_std",
                value: f64::INFINITY,
                must_be: "in the range of the scalar type; rescale the weights, the noise levels or the data",
            });
        }
        let exponent = balancing_exponent(largest);
        let mut whitened = Mat::from_fn(m, k, |i, j| scaled(b[(i, j)], i, exponent));
        let norms = linalg::column_norms(whitened.as_ref());
        if self.prior.is_some() {
            for j in 0..k {
                for i in 0..m {
                    whitened[(i, j)] -= scaled(image(i), i, exponent);
                }
            }
        }
        Ok(SparseData { b: whitened, exponent, norms })
    }

    /// ‖L(x − x₀)‖ of each solution, in the caller's units.
    pub fn penalty_norms(&self, penalty: &Rows<T>, z: MatRef<'_, T>, data: &SparseData<T>) -> Vec<f64> {
        let norm = |j: usize| {
            let mut column: Vec<T> = (0..z.nrows()).map(|i| z[(i, j)]).collect();
            let balance = balancing_exponent(linalg::largest_modulus(&column));
            column.iter_mut().for_each(|value| *value = times_power_of_two(*value, balance));
            let mut image = vec![T::ZERO; penalty.rows()];
            penalty.add_product(T::Real::ONE, &column, &mut image);
            self.penalty_norm(times_power_of_two(linalg::norm(&image).to_f64(), -balance), data)
        };
        (0..z.ncols()).map(norm).collect()
    }

    /// A penalty norm of the reduced problem in the caller's units.
    pub fn penalty_norm(&self, norm: f64, data: &SparseData<T>) -> f64 {
        times_power_of_two(norm, self.whitening.exponent - data.exponent - self.penalty_exponent)
    }

    /// x (column-major) and the constants.
    pub fn answers(&self, z: MatRef<'_, T>, data: &SparseData<T>) -> (Vec<T>, Vec<T>) {
        let n = self.shape.1;
        let mut x = Vec::with_capacity(n * z.ncols());
        let mut constants = Vec::with_capacity(z.ncols());
        for j in 0..z.ncols() {
            for i in 0..n {
                let departure = times_power_of_two(z[(i, j)], self.whitening.exponent - data.exponent);
                x.push(self.prior.as_ref().map_or(departure, |(mean, _)| mean[i] + departure));
            }
            constants.push(match self.constant {
                true => times_power_of_two(z[(n, j)], self.constant_exponent - data.exponent),
                false => T::ZERO,
            });
        }
        (x, constants)
    }
}

impl<T> SparseData<T> {
    /// A norm in the units of b̄ in those of the caller's whitened data.
    pub fn in_units(&self, norm: f64) -> f64 {
        times_power_of_two(norm, -self.exponent)
    }

    /// How many units of b̄ one unit of the caller's whitened data is.
    pub fn unit(&self) -> f64 {
        times_power_of_two(1.0, self.exponent)
    }
}

/// L̂ by rows, balanced, and its power of two.
pub(crate) fn penalty_rows<T: Scalar>(description: &Description<'_, T>, n: usize, columns: usize) -> Result<(Rows<T>, i32)> {
    let (largest, bad, failed) = (Cell::new(T::Real::ZERO), Cell::new(None), Cell::new(None));
    let mut l = Rows::counted(columns, &|entry| {
        let mut rows = 0;
        let counted = description.penalty.for_each(n, &mut |i, j, value: T| {
            largest.set(largest.get().larger(linalg::largest_modulus(&[value])));
            if !value.finite() && bad.get().is_none() {
                bad.set(Some(Size::Position(i, j)));
            }
            rows = rows.max(i + 1);
            if value != T::ZERO {
                entry(i, j, value);
            }
        });
        counted.unwrap_or_else(|error| {
            failed.set(Some(error));
            rows
        })
    });
    if let Some(error) = failed.into_inner() {
        return Err(error);
    }
    if let Some(index) = bad.get() {
        return Err(Error::NonFinite { what: "the penalty matrix L", index });
    }
    let exponent = balancing_exponent(largest.get());
    l.values.iter_mut().for_each(|value| *value = times_power_of_two(*value, exponent));
    Ok((l, exponent))
}
