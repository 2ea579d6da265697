//! The problem after whitening, shift and removal of the constant, and the way back.

use super::Matrix;
use super::constant::Constant;
use super::data_matrix::{DataMatrix, is_made};
use super::standard_form::PenaltyRows;
use super::whiten::{Whitening, balancing_exponent, row_scale};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::lambda::Lambda;
use crate::linalg::{self, Mat, MatRef, Threads};
use crate::operator::dense::materialize;
use crate::penalty::Resolved;
use crate::scalar::times_power_of_two;
use crate::scalar::{Real, Scalar};

/// min ‖Āz − b̄‖² + d̄²‖L̄z‖² with Ā = (H·2ᵉDA) without its first row when there is an intercept, L̄ = 2ˡL, d̄ = 2ᵉ⁻ˡd.
pub(crate) struct Reduced<'a, T: Scalar> {
    pub matrix: DataMatrix<'a, T>,
    pub penalty: PenaltyRows<T>,
    pub constant: Option<Constant<T>>,
    pub threads: Threads,
    /// Labels of the caller's rows.
    pub groups: Option<Vec<usize>>,
    /// m of the caller.
    pub rows: usize,
    /// Whether the rows of the matrix are not the caller's, but what they were merged into.
    merged: bool,
    /// n.
    pub unknowns: usize,
    whitening: Whitening<T::Real>,
    /// x₀ and Ax₀.
    prior: Option<(Vec<T>, Vec<T>)>,
    penalty_exponent: i32,
}

/// Right-hand sides of the reduced problem.
pub(crate) struct ReducedData<T> {
    /// b̄, m̄×k.
    pub b: Mat<T>,
    /// f: the units of b̄ are 2ᶠ times the caller's.
    pub exponent: i32,
    /// ‖Db‖ for each column in those units, before shift and removal of the constant.
    pub norms: Vec<f64>,
    /// The rows that hold the constant.
    first: Vec<T>,
}

impl<'a, T: Scalar> Reduced<'a, T> {
    /// `largest` is the largest entry of DA.
    pub fn new(description: &Description<'_, T>, a: MatRef<'a, T>, largest: f64) -> Result<Self> {
        let (rows, unknowns) = a.shape();
        let counted = description.merged.as_ref().map_or(rows, |merged| merged.rows);
        let threads = description.threads();
        let scale = row_scale(rows, description.weights.as_deref(), description.noise_std.as_deref());
        let exponent = balancing_exponent(T::Real::from_f64(largest));
        // a tall A that is only scaled and centred is read in blocks of rows, and not copied
        let made = is_made(rows, unknowns) && exponent == 0 && description.merged.is_none() && (description.intercept || scale.is_some());
        let prior = match &description.prior_mean {
            None => None,
            Some(mean) => {
                let mut image = vec![T::ZERO; rows];
                T::multiply(a, mean, &mut image, threads);
                if let Some(index) = image.iter().position(|v| !v.finite()) {
                    return Err(Error::NonFinite { what: "the product of A with the prior mean", index: Size::Entry(index) });
                }
                Some((mean.clone(), image))
            }
        };
        let (whitening, constant, matrix) = if made {
            let (constant, matrix) = DataMatrix::made(a, scale.clone(), description.intercept, threads);
            (Whitening { row_scale: scale, exponent }, constant, matrix)
        } else {
            let (whitening, matrix) = Whitening::matrix(scale, a, exponent);
            match description.intercept {
                false => (whitening, None, matrix.into()),
                true => {
                    let ones = match &description.merged {
                        Some(merged) => Some(whitened_constant(&merged.constant, whitening.row_scale.as_deref())),
                        None => whitening.row_scale.clone(),
                    };
                    let (removed, rest) = Constant::remove(matrix.view(), ones.as_deref(), counted);
                    (whitening, Some(removed), rest.into())
                }
            }
        };
        let (penalty, penalty_exponent) = resolve(description, unknowns)?;
        Ok(Self {
            matrix,
            penalty,
            constant,
            threads,
            groups: description.groups.clone(),
            rows: counted,
            merged: description.merged.is_some(),
            unknowns,
            whitening,
            prior,
            penalty_exponent,
        })
    }

    /// The same without the matrix, for what outlives the caller's A.
    pub fn without_matrix(self) -> Reduced<'static, T> {
        let Self { matrix: _, penalty, constant, threads, groups, rows, merged, unknowns, whitening, prior, penalty_exponent } = self;
        let matrix = Matrix::Owned(linalg::zeros(0, unknowns)).into();
        Reduced { matrix, penalty, constant, threads, groups, rows, merged, unknowns, whitening, prior, penalty_exponent }
    }

    /// The rows that were split off.
    pub fn frame(&self) -> Frame<'_, T> {
        Frame { rows: self.rows, merged: self.merged, constant: self.constant.as_ref(), groups: self.groups.as_deref() }
    }

    /// The damping of the reduced problem.
    pub fn damping(&self, lambda: Lambda) -> f64 {
        lambda.scaled(self.whitening.exponent - self.penalty_exponent).damping()
    }

    /// λ of the caller from a damping of the reduced problem.
    pub fn lambda(&self, damping: f64) -> Lambda {
        Lambda::from_damping(damping).scaled(self.penalty_exponent - self.whitening.exponent)
    }

    /// An error where a damping that a rule chose is beyond the range of numbers in the caller's units.
    pub fn representable(&self, rule: &'static str, dampings: &[f64]) -> Result<()> {
        if dampings.iter().all(|&damping| self.lambda(damping).damping().is_finite()) {
            return Ok(());
        }
        let why = "the λ that it chooses overflows in the units of A; multiply A by a small power of two, and x by the same".into();
        Err(Error::NoLambda { rule, low: 0.0, high: f64::INFINITY, why })
    }

    /// A singular value of the reduced problem in the caller's units.
    pub fn singular_value(&self, value: f64) -> f64 {
        times_power_of_two(value, self.penalty_exponent - self.whitening.exponent)
    }

    /// The power of two by which Ā is larger than DA, and by which L̄ is larger than L.
    pub fn exponents(&self) -> (i32, i32) {
        (self.whitening.exponent, self.penalty_exponent)
    }

    /// D, where it is not the identity.
    pub fn row_scale(&self) -> Option<&[T::Real]> {
        self.whitening.row_scale.as_deref()
    }

    /// The powers of two that take directions of the reduced problem to those that go with the caller's singular values and
    /// coefficients: of a penalised direction, and of one that the penalty does not see.
    pub fn direction_exponents(&self) -> (i32, i32) {
        (self.penalty_exponent, self.whitening.exponent)
    }

    /// Σ log Dᵢ: what whitening adds to the logarithm of a density of b.
    pub fn log_row_scale(&self) -> f64 {
        let mut logs = self.whitening.row_scale.iter().flatten().map(|d| d.to_f64().ln());
        match self.merged {
            // one noise level, of all rows that were merged
            true => self.rows as f64 * logs.next().unwrap_or(0.0),
            false => logs.sum(),
        }
    }

    /// x₀ of component j.
    pub fn prior_value(&self, j: usize) -> f64 {
        self.prior.as_ref().map_or(0.0, |(mean, _)| mean[j].real().to_f64())
    }

    /// A value of component j of x as one of z, which measures the departure from x₀ in units of its own (real scalar types).
    pub fn departure(&self, j: usize, value: f64, data: &ReducedData<T>) -> f64 {
        self.in_departure_units(value - self.prior_value(j), data)
    }

    /// A length in the caller's x in the units of z.
    pub fn in_departure_units(&self, length: f64, data: &ReducedData<T>) -> f64 {
        times_power_of_two(length, data.exponent - self.whitening.exponent)
    }

    /// The way back.
    pub fn out_of_departure_units(&self, length: f64, data: &ReducedData<T>) -> f64 {
        times_power_of_two(length, self.whitening.exponent - data.exponent)
    }

    pub fn data(&self, b: MatRef<'_, T>) -> Result<ReducedData<T>> {
        let (m, k) = b.shape();
        let image = |i: usize| self.prior.as_ref().map_or(T::ZERO, |(_, image)| image[i]);
        let scaled = |value: T, i: usize, exponent: i32| self.whitening.entry(value, i, exponent);
        let largest = T::largest_entry(Mat::from_fn(m, k, |i, j| scaled(b[(i, j)], i, 0)).as_ref(), self.threads);
        let largest_image = T::largest_entry(Mat::from_fn(m, 1, |i, _| scaled(image(i), i, 0)).as_ref(), self.threads);
        let (Some(largest), Some(largest_image)) = (largest, largest_image) else {
            return Err(Error::Parameter {
                name: "the largest entry of b (or Ax₀) times √weight/noise_std",
                value: f64::INFINITY,
                must_be: "in the range of the scalar type; rescale the weights, the noise levels or the data",
            });
        };
        let exponent = balancing_exponent(largest.larger(largest_image));
        let whitened = Mat::from_fn(m, k, |i, j| scaled(b[(i, j)], i, exponent));
        let norms = linalg::column_norms(whitened.as_ref());
        let whitened = match &self.prior {
            Some(_) => Mat::from_fn(m, k, |i, j| whitened[(i, j)] - scaled(image(i), i, exponent)),
            None => whitened,
        };
        let (b, first) = match &self.constant {
            Some(constant) => constant.data(whitened.as_ref()),
            None => (whitened, Vec::new()),
        };
        Ok(ReducedData { b, exponent, norms, first })
    }

    /// ‖L(x − x₀)‖ of each column of z, in the caller's units.
    pub fn penalty_norms(&self, z: MatRef<'_, T>, data: &ReducedData<T>) -> Vec<f64> {
        // a z at the end of the range is x in the middle of it: its norm must not overflow on the way
        let exponents: Vec<i32> = (0..z.ncols()).map(|j| balancing_exponent(linalg::largest_modulus(&column(z, j)))).collect();
        let balanced: Mat<T>;
        let z = if exponents.iter().all(|&e| e == 0) {
            z
        } else {
            balanced = Mat::from_fn(z.nrows(), z.ncols(), |i, j| times_power_of_two(z[(i, j)], exponents[j]));
            balanced.as_ref()
        };
        let norms = match &self.penalty {
            PenaltyRows::Identity => linalg::column_norms(z),
            PenaltyRows::Diagonal(w) => linalg::column_norms(Mat::from_fn(z.nrows(), z.ncols(), |i, j| z[(i, j)].scale(w[i])).as_ref()),
            PenaltyRows::Dense(l) => {
                let mut image = linalg::zeros(l.nrows(), z.ncols());
                linalg::multiply_block(l.as_ref(), linalg::Op::None, z, &mut image, self.threads);
                linalg::column_norms(image.as_ref())
            }
        };
        let unit = self.whitening.exponent - data.exponent - self.penalty_exponent;
        norms.into_iter().zip(exponents).map(|(norm, e)| times_power_of_two(norm, unit - e)).collect()
    }

    /// A penalty norm of the reduced problem in the caller's units.
    pub fn penalty_norm(&self, norm: f64, data: &ReducedData<T>) -> f64 {
        times_power_of_two(norm, self.whitening.exponent - data.exponent - self.penalty_exponent)
    }

    /// x (column-major) and the constants from the solutions z of the reduced problem.
    pub fn answers(&self, z: MatRef<'_, T>, data: &ReducedData<T>) -> Result<(Vec<T>, Vec<T>)> {
        let k = z.ncols();
        let mut x = Vec::with_capacity(self.unknowns * k);
        let mut intercepts = Vec::with_capacity(k);
        for j in 0..k {
            let column = column(z, j);
            intercepts.push(match &self.constant {
                Some(constant) => times_power_of_two(constant.value(&column, data.first[j]), -data.exponent),
                None => T::ZERO,
            });
            for (i, &value) in column.iter().enumerate() {
                let departure = times_power_of_two(value, self.whitening.exponent - data.exponent);
                x.push(self.prior.as_ref().map_or(departure, |(mean, _)| mean[i] + departure));
            }
        }
        finite(&x, &intercepts, self.unknowns)?;
        Ok((x, intercepts))
    }
}

impl<T> ReducedData<T> {
    /// A norm in the units of b̄ in those of the caller's whitened data.
    pub fn in_units(&self, norm: f64) -> f64 {
        times_power_of_two(norm, -self.exponent)
    }

    /// How many units of b̄ one unit of the caller's whitened data is.
    pub fn unit(&self) -> f64 {
        times_power_of_two(1.0, self.exponent)
    }
}

/// The image of the constant, scaled as the rows are.
fn whitened_constant<R: Real>(constant: &[R], row_scale: Option<&[R]>) -> Vec<R> {
    let scale = |i: usize| row_scale.map_or(R::ONE, |scale| scale[i]);
    constant.iter().enumerate().map(|(i, &value)| value * scale(i)).collect()
}

fn column<T: Scalar>(z: MatRef<'_, T>, j: usize) -> Vec<T> {
    (0..z.nrows()).map(|i| z[(i, j)]).collect()
}

/// The answers are numbers of the scalar type.
pub(crate) fn finite<T: Scalar>(x: &[T], intercepts: &[T], unknowns: usize) -> Result<()> {
    match x.iter().chain(intercepts).position(|v| !v.finite()) {
        None => Ok(()),
        Some(index) => {
            let index = if index < x.len() { Size::Position(index % unknowns, index / unknowns) } else { Size::Entry(index - x.len()) };
            Err(Error::NonFinite { what: "the answer, which overflows the scalar type: rescale A or b; x", index })
        }
    }
}

/// The rows that are split off before a decomposition.
pub(crate) struct Frame<'a, T: Scalar> {
    /// m of the caller.
    pub rows: usize,
    /// Whether the rows of the matrix are not the caller's, so that nothing can be said row by row.
    pub merged: bool,
    pub constant: Option<&'a Constant<T>>,
    /// Which rows belong together.
    pub groups: Option<&'a [usize]>,
}

/// L with its entries, scaled by a power of two where its size asks for it.
fn resolve<T: Scalar>(description: &Description<'_, T>, unknowns: usize) -> Result<(PenaltyRows<T>, i32)> {
    let nonfinite = |index| Error::NonFinite { what: "the penalty matrix L", index };
    Ok(match description.penalty.resolve(unknowns)? {
        Resolved::Identity => (PenaltyRows::Identity, 0),
        Resolved::Diagonal(weights) => {
            let exponent = balancing_exponent(linalg::largest_modulus(&weights));
            (PenaltyRows::Diagonal(weights.into_iter().map(|w| times_power_of_two(w, exponent)).collect()), exponent)
        }
        Resolved::Operator(l) => {
            let shape = l.shape();
            let l = materialize(&*l);
            if l.shape() != shape {
                return Err(Error::Shape {
                    what: "the view that entries() of the penalty operator returns",
                    found: Size::Shape(l.nrows(), l.ncols()),
                    expected: Size::Shape(shape.0, shape.1),
                    hint: "entries() and shape() of the operator must agree",
                });
            }
            let mut largest = T::Real::ZERO;
            for j in 0..l.ncols() {
                let column = l.col_as_slice(j);
                if let Some(i) = column.iter().position(|v| !v.finite()) {
                    return Err(nonfinite(Size::Position(i, j)));
                }
                largest = largest.larger(linalg::largest_modulus(column));
            }
            let exponent = balancing_exponent(largest);
            let l = if exponent == 0 { l } else { Mat::from_fn(l.nrows(), l.ncols(), |i, j| times_power_of_two(l[(i, j)], exponent)) };
            (PenaltyRows::Dense(l), exponent)
        }
    })
}
