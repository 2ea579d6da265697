//! The caller's problem as a real one in `f64`: rows scaled, the prior mean taken out, what is free projected out, complex unknowns as
//! pairs (zⱼ = z₂ⱼ + iz₂ⱼ₊₁, rows Re then Im).

use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::linalg::{self, MatRef};
use crate::operator::dense::materialize;
use crate::operator::{Entries, SparseView};
use crate::outer::design::{Columns, Design, SparseColumns};
use crate::outer::limits::Limits;
use crate::scalar::{Real, Scalar};
use crate::transform::Matrix;
use crate::transform::whiten::{balancing_exponent, row_scale};

/// Columns up to which the entries of an operator that only multiplies are computed, one product for each.
const PRODUCTS_UP_TO: usize = 2000;

/// The entries of A, wherever they come from; outlives the [`RealProblem`] that reads them.
pub(super) enum Source<'a, T: Scalar> {
    Dense(Matrix<'a, T>),
    Sparse(SparseView<'a, T>),
}

/// The problem of some of the rows.
pub(super) struct RealProblem<'a, T: Scalar> {
    pub design: Design<'a>,
    /// The caller's coefficients behind the columns of the design, and those that are projected out.
    penalised: Vec<usize>,
    free: Vec<usize>,
    intercept: bool,
    unknowns: usize,
    /// The caller's rows.
    rows: Vec<usize>,
    scale: Option<Vec<f64>>,
    /// x₀ and Ax₀.
    prior: Option<(Vec<T>, Vec<T>)>,
    bounds: Option<Box<Bounded<T>>>,
}

/// Bounds as the caller has them, and on the departures from x₀ behind the columns of the design.
struct Bounded<T: Scalar> {
    low: Vec<T::Real>,
    high: Vec<T::Real>,
    limits: Limits,
}

/// Real numbers behind one unknown.
pub(super) const fn parts<T: Scalar>() -> usize {
    if T::IS_COMPLEX { 2 } else { 1 }
}

impl<'a, T: Scalar> Source<'a, T> {
    pub fn new(description: &Description<'a, T>) -> Result<Self> {
        let operator = description.operator;
        Ok(match operator.entries() {
            Entries::Dense(a) => Source::Dense(Matrix::Borrowed(a.matrix())),
            Entries::Sparse(a) => Source::Sparse(a),
            Entries::None if operator.shape().1 <= PRODUCTS_UP_TO => {
                let entries = materialize(operator);
                for j in 0..entries.ncols() {
                    if let Some(i) = entries.col_as_slice(j).iter().position(|v| !v.finite()) {
                        return Err(Error::NonFinite { what: "a product with A", index: Size::Position(i, j) });
                    }
                }
                Source::Dense(Matrix::Owned(entries))
            }
            Entries::None => {
                return Err(Error::NeedsEntries {
                    method: "a penalty that is no square of a norm",
                    what: "A (of more than 2000 columns)",
                    instead: "FlexibleLsqr::new() for l1() and elastic_net(..) of the coefficients, power(1.0) of any Lx, or a DenseView or SparseView of A",
                });
            }
        })
    }
}

impl<'a, T: Scalar> RealProblem<'a, T> {
    /// The rows listed (all unless given) and all columns but the `free` ones, which are projected out.
    pub fn new(description: &Description<'_, T>, source: &'a Source<'_, T>, rows: Option<&[usize]>, free: &[usize]) -> Result<Self> {
        let (m, unknowns) = description.operator.shape();
        let threads = description.threads();
        let prior = match &description.prior_mean {
            None => None,
            Some(mean) => {
                let mut image = vec![T::ZERO; m];
                description.operator.apply(mean, &mut image);
                if let Some(index) = image.iter().position(|v| !v.finite()) {
                    return Err(Error::NonFinite { what: "the product of A with the prior mean", index: Size::Entry(index) });
                }
                Some((mean.clone(), image))
            }
        };
        let scale: Option<Vec<f64>> = row_scale(m, description.weights.as_deref(), description.noise_std.as_deref())
            .map(|scale| scale.into_iter().map(|d| d.to_f64()).collect());
        let mut is_free = vec![false; unknowns];
        free.iter().for_each(|&j| is_free[j] = true);
        let penalised: Vec<usize> = (0..unknowns).filter(|&j| !is_free[j]).collect();
        let chosen: Vec<usize> = rows.map_or_else(|| (0..m).collect(), <[usize]>::to_vec);
        let d = |i: usize| scale.as_ref().map_or(1.0, |d| d[i]);
        let (count, p) = (chosen.len(), parts::<T>());
        let (real_rows, columns) = (count * p, penalised.len() * p);
        // the entry of the real matrix: [Re −Im; Im Re] for a complex one
        let part = |value: T, below: bool, right: bool, i: usize| {
            let part = match (below, right) {
                (false, false) | (true, true) => value.real().to_f64(),
                (false, true) => -value.imaginary().to_f64(),
                (true, false) => value.imaginary().to_f64(),
            };
            part * d(i)
        };
        let column_of = |a: &dyn Fn(usize, usize) -> T, j: usize, right: bool, out: &mut [f64]| {
            for (k, &i) in chosen.iter().enumerate() {
                let value = a(i, j);
                out[k] = part(value, false, right, i);
                if T::IS_COMPLEX {
                    out[count + k] = part(value, true, right, i);
                }
            }
        };
        let constants = if description.intercept { p } else { 0 };
        let mut unpenalised = linalg::zeros::<f64>(real_rows, constants + free.len() * p);
        for c in 0..constants {
            let column = unpenalised.col_as_slice_mut(c);
            chosen.iter().enumerate().for_each(|(k, &i)| column[c * count + k] = d(i));
        }
        let entries = match source {
            Source::Dense(matrix) => {
                let a: MatRef<'a, T> = matrix.view();
                for (k, &j) in free.iter().enumerate() {
                    for right in 0..p {
                        column_of(&|i, j| a[(i, j)], j, right == 1, unpenalised.col_as_slice_mut(constants + k * p + right));
                    }
                }
                let whole = free.is_empty() && rows.is_none() && scale.is_none();
                match T::doubles(a) {
                    Some(a) if whole && (a.row_stride() == 1 || a.nrows() <= 1) => Columns::Dense(Matrix::Borrowed(a)),
                    _ => {
                        let mut real = linalg::zeros::<f64>(real_rows, columns);
                        for (k, &j) in penalised.iter().enumerate() {
                            for right in 0..p {
                                column_of(&|i, j| a[(i, j)], j, right == 1, real.col_as_slice_mut(k * p + right));
                            }
                        }
                        Columns::Dense(Matrix::Owned(real))
                    }
                }
            }
            Source::Sparse(a) => {
                let mut place = vec![usize::MAX; m];
                chosen.iter().enumerate().for_each(|(k, &i)| place[i] = k);
                let mut column = vec![usize::MAX; unknowns];
                penalised.iter().enumerate().for_each(|(k, &j)| column[j] = k);
                let mut free_column = vec![usize::MAX; unknowns];
                free.iter().enumerate().for_each(|(k, &j)| free_column[j] = k);
                let each = |see: &mut dyn FnMut(usize, usize, f64), column: &[usize]| {
                    a.for_each(|i, j, value| {
                        if place[i] == usize::MAX || column[j] == usize::MAX {
                            return;
                        }
                        for right in 0..p {
                            for below in 0..p {
                                see(below * count + place[i], column[j] * p + right, part(value, below == 1, right == 1, i));
                            }
                        }
                    });
                };
                if !free.is_empty() {
                    each(&mut |i, j, value| unpenalised[(i, constants + j)] += value, &free_column);
                }
                // the usual case needs none of those tables, which are looked up for each entry
                let whole = free.is_empty() && rows.is_none() && !T::IS_COMPLEX;
                let in_place = match a.narrow_columns() {
                    Some((starts, rows, values)) if whole => T::doubles_of(values).and_then(|values| {
                        let values = match &scale {
                            None => values.into(),
                            Some(d) => values.iter().zip(&*rows).map(|(value, &i)| value * d[i as usize]).collect(),
                        };
                        SparseColumns::of_arrays(starts, rows, values)
                    }),
                    _ => None,
                };
                let visit = |see: &mut dyn FnMut(usize, usize, f64)| match &scale {
                    None if whole => a.for_each(|i, j, value| see(i, j, value.real().to_f64())),
                    Some(d) if whole => a.for_each(|i, j, value| see(i, j, value.real().to_f64() * d[i])),
                    _ => each(see, &column),
                };
                match in_place.or_else(|| SparseColumns::new(real_rows, columns, &visit)) {
                    Some(columns) => Columns::Sparse(columns),
                    None => {
                        return Err(Error::Unsupported {
                            what: "coordinate descent",
                            with: "a sparse A of more than 2³² rows or entries",
                            instead: "use a quadratic penalty",
                        });
                    }
                }
            }
        };
        let design = Design::new(real_rows, columns, entries, unpenalised, threads).map_err(|error| match error {
            Error::RankDeficient { rank, unknowns, .. } if unknowns > rank => Error::Unsupported {
                what: "unpenalised coefficients (or an intercept) that depend on each other",
                with: "a penalty that is no square of a norm",
                instead: "give them a small penalty weight, or drop a column that the others determine",
            },
            other => other,
        })?;
        let largest = design.squares.iter().fold(0.0, |a: f64, &b| if b > a || b.is_nan() { b } else { a }).sqrt();
        in_range("the largest norm of a column of A", largest)?;
        let bounds = match &description.bounds {
            None => None,
            Some(bounds) => {
                let (low, high) = bounds.resolve(unknowns)?;
                let departure = |j: usize, end: T::Real| end.to_f64() - prior.as_ref().map_or(0.0, |(mean, _)| mean[j].real().to_f64());
                let side = |side: &[T::Real]| penalised.iter().map(|&j| departure(j, side[j])).collect();
                let limits = Limits { low: side(&low), high: side(&high) };
                Some(Box::new(Bounded { low, high, limits }))
            }
        };
        let free = free.to_vec();
        Ok(Self { design, penalised, free, intercept: description.intercept, unknowns, rows: chosen, scale, prior, bounds })
    }

    /// The bounds on the coefficients of the columns of the design.
    pub fn limits(&self) -> Option<&Limits> {
        self.bounds.as_ref().map(|bounds| &bounds.limits)
    }

    /// How many components of x lie at their lower and at their upper bound; one that is fixed counts as at its lower.
    pub fn at_bounds(&self, x: &[T]) -> Option<(usize, usize)> {
        let bounds = self.bounds.as_ref()?;
        let lower = (0..x.len()).filter(|&j| x[j].real() <= bounds.low[j]).count();
        let upper = (0..x.len()).filter(|&j| x[j].real() >= bounds.high[j] && x[j].real() > bounds.low[j]).count();
        Some((lower, upper))
    }

    /// D(b − Ax₀) as real numbers, nothing projected out, and ‖Db‖.
    pub fn data(&self, b: &[T]) -> Result<(Vec<f64>, f64)> {
        let d = |i: usize| self.scale.as_ref().map_or(1.0, |d| d[i]);
        let real = |shift: bool| {
            let value = |i: usize| match &self.prior {
                Some((_, image)) if shift => b[i] - image[i],
                _ => b[i],
            };
            let mut out: Vec<f64> = self.rows.iter().map(|&i| value(i).real().to_f64() * d(i)).collect();
            if T::IS_COMPLEX {
                out.extend(self.rows.iter().map(|&i| value(i).imaginary().to_f64() * d(i)));
            }
            out
        };
        let norm = linalg::norm(&real(false));
        let data = real(true);
        in_range("the norm of b", linalg::norm(&data).max(norm))?;
        Ok((data, norm))
    }

    /// x and the intercept from the coefficients of the columns; `data` is what [`data`](Self::data) gave.
    pub fn answer(&self, z: &[f64], data: &[f64]) -> (Vec<T>, T) {
        let p = parts::<T>();
        let free = self.design.free_coefficients(data, z);
        let constants = if self.intercept { p } else { 0 };
        let scalar = |values: &[f64], k: usize| {
            let part = |k: usize| T::Real::from_f64(values[k]);
            T::from_parts(part(k * p), if T::IS_COMPLEX { part(k * p + 1) } else { T::Real::ZERO })
        };
        let mut x: Vec<T> = match &self.prior {
            Some((mean, _)) => mean.clone(),
            None => vec![T::ZERO; self.unknowns],
        };
        for (k, &j) in self.penalised.iter().enumerate() {
            x[j] += scalar(z, k);
        }
        if let Some(bounds) = &self.bounds {
            for (k, &j) in self.penalised.iter().enumerate() {
                // to the last bit, whatever x₀ + z rounds to
                let (low, high) = (bounds.low[j], bounds.high[j]);
                let value = x[j].real();
                if z[k] <= bounds.limits.low[k] || value < low {
                    x[j] = T::from_real(low);
                } else if z[k] >= bounds.limits.high[k] || value > high {
                    x[j] = T::from_real(high);
                }
            }
        }
        for (k, &j) in self.free.iter().enumerate() {
            x[j] += scalar(&free[constants..], k);
        }
        (x, if self.intercept { scalar(&free, 0) } else { T::ZERO })
    }
}

/// Squares of these numbers neither overflow nor vanish.
fn in_range(name: &'static str, value: f64) -> Result<()> {
    if value == 0.0 || (value.is_finite() && balancing_exponent(value) == 0) {
        return Ok(());
    }
    let must_be = "between 1e-60 and 1e60 with a penalty that is no square of a norm; multiply A, b or the weights by a power of two";
    Err(Error::Parameter { name, value, must_be })
}
