//! Posteriors by products alone: a low-rank covariance, and draws by perturbed problems.

use super::{ESTIMATOR, counted, exact_fit, known_noise, single};
use crate::bayes::gaussian::{Constant, Form, Gaussian};
use crate::bayes::low_rank;
use crate::check::{check_data, check_low_rank, check_samples, no_prior};
use crate::curve::filter;
use crate::description::Description;
use crate::error::Result;
use crate::lambda::Lambda;
use crate::linalg::{Mat, MatRef};
use crate::random::Random;
use crate::rule::Choice;
use crate::scalar::{Real, Scalar};
use crate::transform::by_products::ByProducts;
use crate::warning::Warning;

/// The low-rank posterior of each right-hand side, from products with A alone.
pub(in crate::run) fn low_rank<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    rank: usize,
) -> Result<Vec<Gaussian<T>>> {
    check_low_rank(description, rank)?;
    let (m, n) = description.operator.shape();
    let outcome = crate::run::solve(description, b, choice, None)?;
    let problem = ByProducts::new(description)?;
    let known = known_noise(description, choice);
    let twice = if T::IS_COMPLEX { 2.0 } else { 1.0 };
    let free = m as f64 - if description.intercept { 1.0 } else { 0.0 };
    let constant = problem.dependence();
    let log_scale: f64 = problem.row_scale().into_iter().flatten().map(|d| d.to_f64().ln()).sum();
    let log_scale = counted(log_scale, m, usize::from(description.intercept));
    let one = |j: usize| -> Result<Gaussian<T>> {
        let fit = outcome.report.fits[j];
        if fit.lambda.damping() == 0.0 {
            return Err(no_prior());
        }
        let quadratic = fit.residual_norm.hypot(fit.lambda.damping() * fit.penalty_norm);
        let mut warnings = outcome.report.warnings.clone();
        let noise_std = known.unwrap_or(quadratic / free.max(0.0).sqrt());
        if !(noise_std > 0.0 && noise_std.is_finite()) {
            return Err(exact_fit());
        }
        let mut noise_error = None;
        if known.is_none() {
            warnings.push(Warning::NoiseEstimated { noise_std, estimator: ESTIMATOR });
            noise_error = Some((1.0 / (2.0 * free * twice)).sqrt());
        }
        let column: Vec<T> = (0..m).map(|i| b[(i, j)]).collect();
        let data = problem.data(&column);
        let subspace = low_rank::subspace(&problem, &data, rank, description.threads())?;
        let damping = fit.lambda.damping();
        let factors: Vec<f64> = subspace.values.iter().map(|&value| filter(value, damping).0).collect();
        let log_det: f64 = subspace.values.iter().map(|&value| (value / damping).powi(2).ln_1p()).sum();
        let prior_std = noise_std / damping;
        let ratio = quadratic / noise_std;
        let pi = core::f64::consts::PI;
        let log = -0.5 * twice * (free * ((2.0 * pi / twice).ln() + 2.0 * noise_std.ln()) + ratio * ratio + log_det) + twice * log_scale;
        Ok(Gaussian {
            mean: outcome.x[j * n..(j + 1) * n].to_vec(),
            intercept: outcome.intercepts[j],
            constant: constant.as_ref().map(|(slope, inverse)| Constant { slope: slope.clone(), std: noise_std * inverse }),
            lambda: fit.lambda.value(),
            row_noise_std: noise_std * single(description),
            prior_std,
            log_noise_error: noise_error,
            log_prior_error: noise_error,
            log_evidence: log,
            dof: factors.iter().sum::<f64>() + if description.intercept { 1.0 } else { 0.0 },
            warnings,
            threads: description.threads(),
            noise_std,
            form: Form::LowRank {
                basis: subspace.basis,
                error: prior_std * prior_std * filter(subspace.rest, damping).0,
                factors,
                prior_std,
            },
        })
    };
    (0..b.ncols()).map(one).collect()
}

/// Draws from the posterior by solving perturbed problems: exact for any A.
pub(in crate::run) fn samples<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    scales: &Gaussian<T>,
    count: usize,
    seed: u64,
) -> Result<(Mat<T>, Vec<T>)> {
    let weights = check_samples(description, b.ncols(), scales.mean.len())?;
    check_data(description, b)?;
    let (m, n) = description.operator.shape();
    let row_scale = crate::transform::whiten::row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
    let mut random = Random::new(seed);
    let half = if T::IS_COMPLEX { core::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
    let (noise, prior) = (T::Real::from_f64(scales.noise_std * half), T::Real::from_f64(scales.prior_std * half));
    let mut perturbed = Mat::from_fn(m, count, |i, _| b[(i, 0)]);
    let mut shifts = Mat::from_fn(n, count, |_, _| T::ZERO);
    let mut image = vec![T::ZERO; m];
    for k in 0..count {
        let white: Vec<T> = random.scalars(n);
        for (j, shift) in shifts.col_as_slice_mut(k).iter_mut().enumerate() {
            let draw = white[j].scale(prior);
            *shift = weights.as_ref().map_or(draw, |w| draw.scale(T::Real::ONE / w[j]));
        }
        description.operator.apply(shifts.col_as_slice(k), &mut image);
        let white: Vec<T> = random.scalars(m);
        for (i, value) in perturbed.col_as_slice_mut(k).iter_mut().enumerate() {
            let scale = row_scale.as_ref().map_or(T::Real::ONE, |d| d[i]);
            *value += white[i].scale(noise / scale) - image[i];
        }
    }
    let outcome = crate::run::solve(description, perturbed.as_ref(), Lambda::new(scales.lambda).into(), None)?;
    let x = Mat::from_fn(n, count, |j, k| outcome.x[j + k * n] + shifts[(j, k)]);
    Ok((x, outcome.intercepts))
}
