//! The mode under any log prior, and relevance determination: on the whitened rows in double precision.

use super::{STORED_UP_TO, WRITTEN_OUT_UP_TO, counted, entries, posterior, reduced};
use crate::bayes::map::{self, MapEstimate};
use crate::bayes::map_by_products;
use crate::bayes::relevance::{self, Relevance};
use crate::check::{check_data, check_log_prior, check_relevance};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::linalg::{Kernels, Mat, MatRef};
use crate::log_prior::LogPrior;
use crate::operator::Entries;
use crate::rule::{Gcv, Rule};
use crate::run::in_double::{InDouble, single};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::{Reduced, ReducedData};

/// The rows of a real problem in double precision and the caller's units: whitened, shifted by x₀, the constant reflected out.
struct RealRows {
    a: Mat<f64>,
    /// One column for each right-hand side.
    b: Mat<f64>,
    /// What whitening adds to a log density.
    log_scale: f64,
}

fn real_rows<T: Scalar>(reduced: &Reduced<'_, T>, data: &ReducedData<T>) -> Result<RealRows> {
    let (_, e) = reduced.direction_exponents();
    let a = reduced.matrix.view();
    let wide = |value: T, exponent: i32| times_power_of_two(value.real().to_f64(), -exponent);
    let rows = RealRows {
        a: Mat::from_fn(a.nrows(), a.ncols(), |i, j| wide(a[(i, j)], e)),
        b: Mat::from_fn(data.b.nrows(), data.b.ncols(), |i, j| wide(data.b[(i, j)], data.exponent)),
        log_scale: counted(reduced.log_row_scale(), reduced.rows, usize::from(reduced.constant.is_some())),
    };
    match f64::largest_entry(rows.a.as_ref(), reduced.threads).is_some() && f64::largest_entry(rows.b.as_ref(), reduced.threads).is_some() {
        true => Ok(rows),
        false => Err(Error::NonFinite {
            what: "the whitened problem, which overflows: rescale A, b or the noise levels;",
            index: crate::error::Size::Entry(0),
        }),
    }
}

/// x of the caller and its constant from z = x − x₀ in the caller's units.
fn back<T: Scalar>(reduced: &Reduced<'_, T>, data: &ReducedData<T>, z: &[f64], column: usize) -> Result<(Vec<f64>, f64)> {
    let (_, e) = reduced.direction_exponents();
    let columns = data.b.ncols();
    let here = |i: usize, j: usize| {
        if j == column { T::from_real(T::Real::from_f64(times_power_of_two(z[i], data.exponent - e))) } else { T::ZERO }
    };
    let all = Mat::from_fn(z.len(), columns, here);
    let (x, constants) = reduced.answers(all.as_ref(), data)?;
    let x = x[column * z.len()..(column + 1) * z.len()].iter().map(|x| x.real().to_f64()).collect();
    Ok((x, constants[column].real().to_f64()))
}

/// The mode under any log prior, for each right-hand side.
pub(in crate::run) fn map<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    prior: &dyn LogPrior,
    start: Option<&[f64]>,
) -> Result<Vec<MapEstimate>> {
    check_log_prior(description, start)?;
    check_data(description, b)?;
    if needs_products(description) {
        return by_products(description, b, prior, start);
    }
    let (_, n) = description.operator.shape();
    let x0 = |i: usize| description.prior_mean.as_ref().map_or(0.0, |mean| mean[i].real().to_f64());
    let starts: Vec<Vec<f64>> = match start {
        Some(start) => {
            vec![start.iter().enumerate().map(|(i, x)| x - x0(i)).collect(); b.ncols()]
        }
        None => {
            let ridge = posterior(description, b, Rule::from(crate::rule::Evidence).into())?;
            ridge.iter().map(|p| p.mean.iter().enumerate().map(|(i, x)| x.real().to_f64() - x0(i)).collect()).collect()
        }
    };
    let a = entries(description, "an A with entries, or fewer unknowns", "a log prior")?;
    let reduced = reduced(description, &a)?;
    let data = reduced.data(b)?;
    let rows = real_rows(&reduced, &data)?;
    let log_2pi = core::f64::consts::TAU.ln();
    let one = |(j, start): (usize, &Vec<f64>)| -> Result<MapEstimate> {
        let mode = map::mode(rows.a.as_ref(), rows.b.col_as_slice(j), prior, start, reduced.threads)?;
        let (x, intercept) = back(&reduced, &data, &mode.z, j)?;
        let free = rows.a.nrows() as f64;
        let log_likelihood = -0.5 * (free * log_2pi + mode.residual_norm * mode.residual_norm) + rows.log_scale;
        let log_posterior = log_likelihood + mode.log_prior;
        let (log_evidence, std) = match mode.laplace {
            Some((half_log_det, std)) => (Some(log_posterior + 0.5 * n as f64 * log_2pi - half_log_det), Some(std)),
            None => (None, None),
        };
        Ok(MapEstimate {
            x,
            intercept,
            log_likelihood,
            log_prior: mode.log_prior,
            log_evidence,
            std,
            residual_norm: mode.residual_norm,
            gradient: mode.gradient,
            steps: mode.steps,
            smoothing: prior.smoothing(),
        })
    };
    starts.iter().enumerate().map(one).collect()
}

/// Whether A has no dense entries and is too large to be written out, or for an n×n matrix.
fn needs_products<T: Scalar>(description: &Description<'_, T>) -> bool {
    let (m, n) = description.operator.shape();
    let too_large = m.max(n).saturating_mul(n) > STORED_UP_TO;
    match description.operator.entries() {
        Entries::Dense(_) => false,
        Entries::Sparse(_) => too_large,
        Entries::None => too_large || m.min(n) > WRITTEN_OUT_UP_TO,
    }
}

/// The same by products with A alone: no n×n matrix, and therefore no evidence.
fn by_products<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    prior: &dyn LogPrior,
    start: Option<&[f64]>,
) -> Result<Vec<MapEstimate>> {
    let n = description.operator.shape().1;
    let x0 = |i: usize| description.prior_mean.as_ref().map_or(0.0, |mean| mean[i].real().to_f64());
    let problem = ByProducts::new(description)?;
    let a = InDouble::new(&problem);
    let ridge = match start {
        Some(_) => None,
        // where to begin, and no more: the rule and its warnings do not bear on the answer
        None => Some(crate::run::solve(description, b, Gcv.into(), None)?),
    };
    let rows = description.operator.shape().0;
    let log_scale: f64 = problem.row_scale().into_iter().flatten().map(|d| d.to_f64().ln()).sum();
    let flat = usize::from(description.intercept);
    let (log_scale, free) = (counted(log_scale, rows, flat), rows.saturating_sub(flat) as f64);
    let one = |j: usize| -> Result<MapEstimate> {
        let given: Vec<T> = (0..rows).map(|i| b[(i, j)]).collect();
        let data: Vec<f64> = problem.data(&given).iter().map(|v| v.real().to_f64()).collect();
        let x: Vec<T> = match (&ridge, start) {
            (Some(ridge), _) => ridge.x[j * n..(j + 1) * n].to_vec(),
            (None, start) => start.unwrap_or_default().iter().map(|&v| single(v)).collect(),
        };
        let begin: Vec<f64> = problem.departure(&x).iter().map(|v| v.real().to_f64()).collect();
        let mode = map_by_products::mode(&a, &data, prior, &begin, 1e3 * T::Real::EPSILON.to_f64())?;
        let z: Vec<T> = mode.z.iter().map(|&z| single(z)).collect();
        let intercept = problem.constant(&given, &z).real().to_f64();
        let log_likelihood = -0.5 * (free * core::f64::consts::TAU.ln() + mode.residual_norm * mode.residual_norm) + log_scale;
        Ok(MapEstimate {
            x: mode.z.iter().enumerate().map(|(i, z)| z + x0(i)).collect(),
            intercept,
            log_likelihood,
            log_prior: mode.log_prior,
            log_evidence: None,
            std: None,
            residual_norm: mode.residual_norm,
            gradient: mode.gradient,
            steps: mode.steps,
            smoothing: prior.smoothing(),
        })
    };
    (0..b.ncols()).map(one).collect()
}

/// Relevance determination, for each right-hand side.
pub(in crate::run) fn relevance<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>) -> Result<Vec<Relevance>> {
    check_relevance(description)?;
    check_data(description, b)?;
    let (_, n) = description.operator.shape();
    let a = entries(description, "an A with entries, or fewer unknowns", "relevance determination")?;
    let reduced = reduced(description, &a)?;
    let data = reduced.data(b)?;
    let rows = real_rows(&reduced, &data)?;
    let known = description.noise_std.is_some();
    let row = super::single(description);
    let one = |j: usize| -> Result<Relevance> {
        let found = relevance::determine(rows.a.as_ref(), rows.b.col_as_slice(j), known.then_some(1.0), reduced.threads)?;
        let (mean, intercept) = back(&reduced, &data, &found.mean, j)?;
        Ok(Relevance {
            mean,
            std: found.std,
            intercept,
            prior_std: found.prior_std,
            pruned: (0..n).filter(|j| !found.kept.contains(j)).collect(),
            kept: found.kept,
            noise_std: found.noise_std * row,
            log_evidence: found.log_evidence + rows.log_scale,
            dof: found.dof + if reduced.constant.is_some() { 1.0 } else { 0.0 },
            steps: found.steps,
        })
    };
    (0..b.ncols()).map(one).collect()
}
