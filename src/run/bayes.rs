//! Posteriors: λ and noise by evidence (or as given), then the root of the covariance.

use super::refusal_error;
use crate::bayes::gaussian::{Constant, Form, Gaussian, scale};
use crate::bayes::low_rank;
use crate::bayes::map::{self, MapEstimate};
use crate::bayes::relevance::{self, Relevance};
use crate::bayes::scales::{Noise, Surface, log_evidence};
use crate::check::{check_data, check_log_prior, check_low_rank, check_posterior, check_relevance, check_samples, no_prior};
use crate::choose::Engine;
use crate::curve::{Spectrum, filter};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::factor::decomposed::{self, Decomposed};
use crate::factor::qr;
use crate::lambda::Lambda;
use crate::linalg::{Kernels, Mat, MatRef};
use crate::log_prior::LogPrior;
use crate::operator::Entries;
use crate::operator::dense::materialize;
use crate::random::Random;
use crate::refusal::Refusal;
use crate::rule::hyper::{HyperPrior, Scales};
use crate::rule::noise::Noise as RuleNoise;
use crate::rule::{Choice, Kind, Rule};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::{Reduced, ReducedData};
use crate::warning::Warning;

/// min(m, n) up to which an operator without entries is written out. A choice: as many products take seconds.
const WRITTEN_OUT_UP_TO: usize = 2000;
/// Entries up to which a sparse or unwritten A is stored densely: 256 MiB in `f64`. A choice.
const STORED_UP_TO: usize = 1 << 25;

/// A dense A: borrowed, or written out where that is possible.
pub(super) enum Entered<'a, T> {
    Borrowed(MatRef<'a, T>),
    Owned(Mat<T>),
}

impl<T> Entered<'_, T> {
    pub(super) fn view(&self) -> MatRef<'_, T> {
        match self {
            Entered::Borrowed(view) => *view,
            Entered::Owned(matrix) => matrix.as_ref(),
        }
    }
}

/// The entries of A for `what`, which needs all of them.
pub(super) fn entries<'d, T: Scalar>(
    description: &'d Description<'_, T>,
    instead: &'static str,
    what: &'static str,
) -> Result<Entered<'d, T>> {
    let (m, n) = description.operator.shape();
    match description.operator.entries() {
        Entries::Dense(view) => Ok(Entered::Borrowed(view.matrix())),
        Entries::None if m.min(n) > WRITTEN_OUT_UP_TO => Err(Error::NeedsEntries { method: what, what: "A", instead }),
        _ if m.saturating_mul(n) > STORED_UP_TO => Err(Error::Unsupported {
            what,
            with: "an A of more than 33 million places that is not stored densely",
            instead: "use Problem::posterior_low_rank, or a dense copy of A",
        }),
        _ => {
            let a = materialize(description.operator);
            if T::largest_entry(a.as_ref(), description.threads()).is_none() {
                return Err(Error::NonFinite { what: "A", index: crate::check::first_nonfinite(a.as_ref()) });
            }
            Ok(Entered::Owned(a))
        }
    }
}

/// The problem after whitening, shift and removal of the constant, on the entries of A.
pub(super) fn reduced<'a, T: Scalar>(description: &Description<'_, T>, a: &'a Entered<'_, T>) -> Result<Reduced<'a, T>> {
    let scale = crate::transform::whiten::row_scale(a.view().nrows(), description.weights.as_deref(), description.noise_std.as_deref());
    let largest = T::largest_entry(a.view(), description.threads()).map_or(0.0, |largest| largest.to_f64());
    let largest = crate::check::whitened_largest(scale.as_deref(), a.view(), largest);
    Reduced::new(description, a.view(), largest)
}

pub(super) fn posterior<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, scales: Scales) -> Result<Vec<Gaussian<T>>> {
    check_posterior(description, scales)?;
    check_data(description, b)?;
    let a = entries(description, "Problem::posterior_low_rank", "an exact posterior")?;
    let reduced = reduced(description, &a)?;
    let data = reduced.data(b)?;
    let decompose = |kind| Decomposed::new(kind, reduced.matrix.stored(), &reduced.penalty, reduced.threads);
    let (engine, decomposed) = match decompose(decomposed::Kind::Svd) {
        Err(Refusal::SharedNullSpace | Refusal::PenaltyOutOfRange) => (Engine::Gsvd, decompose(decomposed::Kind::Gsvd)),
        other => (Engine::Svd, other),
    };
    let (_, n) = description.operator.shape();
    let refused = |refusal| refusal_error(engine, refusal, n);
    let decomposed = decomposed.map_err(refused)?;
    let prepared = decomposed.prepare(data.b.clone(), &reduced.frame()).map_err(refused)?;
    let units = Units::new(description, scales.choice, &reduced, &data);
    let found: Vec<Scaled> = match (scales.choice.kind, &scales.hierarchical) {
        (Kind::Number(lambda), _) => {
            let one = |j| units.at_damping(decomposed.spectrum(&prepared, j), reduced.damping(lambda), Vec::new());
            (0..b.ncols()).map(one).collect::<Result<_>>()?
        }
        (Kind::Rule(Rule::Evidence(_) | Rule::KnownNoiseEvidence(_)), hierarchical)
            if !scales.choice.shared && (units.known.is_some() || hierarchical.is_some()) =>
        {
            let noise = match (hierarchical.and_then(|h| h.noise), units.known) {
                (Some(prior), _) => Noise::Unknown(prior),
                (None, Some(std)) => Noise::Known(units.here(std).ln()),
                (None, None) => Noise::Unknown(HyperPrior::flat()),
            };
            let prior = hierarchical.map_or(HyperPrior::flat(), |h| h.scale);
            let one = |j| units.maximised(decomposed.spectrum(&prepared, j), noise, prior, &|damping| reduced.lambda(damping).value());
            (0..b.ncols()).map(one).collect::<Result<_>>()?
        }
        (Kind::Rule(rule), _) => {
            let choose = decomposed.choose(&prepared, &reduced.frame(), &rule, scales.choice.shared, &data.norms, data.unit());
            let (dampings, chosen) = choose?;
            reduced.representable(rule.name(), &dampings)?;
            let warnings = |j: usize| {
                let of = chosen.get(j).or(chosen.first()).map_or(&[][..], |chosen| &chosen.warnings);
                of.iter().map(|w| w.clone().with_lambda(|lambda| reduced.lambda(lambda.sqrt()).value())).collect()
            };
            let by_evidence = matches!(rule, Rule::Evidence(_)) && !scales.choice.shared;
            let one = |j: usize| {
                let spectrum = decomposed.spectrum(&prepared, j);
                let mut scaled = units.at_damping(spectrum, dampings[j], warnings(j))?;
                if by_evidence && !scaled.warnings.iter().any(|w| matches!(w, Warning::EdgeOfInterval { .. })) {
                    let flat = HyperPrior::flat();
                    let surface = Surface::new(spectrum, Noise::Unknown(flat), flat, [0.0; 2], T::IS_COMPLEX);
                    scaled.errors = surface.errors_at(scaled.noise_std, scaled.damping);
                }
                Ok(scaled)
            };
            (0..b.ncols()).map(one).collect::<Result<_>>()?
        }
    };
    let dampings: Vec<f64> = found.iter().map(|found| found.damping).collect();
    let z = decomposed.solve(&prepared, &dampings).map_err(refused)?.z;
    let (x, intercepts) = reduced.answers(z.as_ref(), &data)?;
    let (_, e) = reduced.direction_exponents();
    let mut out: Vec<Gaussian<T>> = Vec::with_capacity(found.len());
    for (j, found) in found.into_iter().enumerate() {
        let root = qr::inverse_root(reduced.matrix.view(), &reduced.penalty, found.damping, reduced.threads);
        let mut root = root.map_err(|refusal| refusal_error(Engine::Qr, refusal, n))?;
        let noise_std = units.noise(found.noise_std);
        // x = x₀ + 2ᵉ⁻ᶠz, s = 2⁻ᶠs̄
        scale(root.as_mut(), times_power_of_two(noise_std, e));
        if T::largest_entry(root.as_ref(), reduced.threads).is_none() {
            return Err(Error::NonFinite {
                what: "the covariance, which overflows the scalar type: rescale A or b; column",
                index: crate::error::Size::Entry(j),
            });
        }
        let lambda = match scales.choice.kind {
            Kind::Number(lambda) => lambda,
            Kind::Rule(_) => reduced.lambda(found.damping),
        };
        let spectrum = decomposed.spectrum(&prepared, j);
        out.push(Gaussian {
            mean: x[j * n..(j + 1) * n].to_vec(),
            intercept: intercepts[j],
            form: Form::Exact { root },
            constant: reduced.constant.as_ref().map(|constant| {
                let (slope, inverse) = constant.dependence();
                Constant { slope: slope.into_iter().map(|h| times_power_of_two(h, -e)).collect(), std: noise_std * inverse }
            }),
            lambda: lambda.value(),
            noise_std,
            row_noise_std: noise_std * units.row,
            prior_std: noise_std / lambda.damping(),
            log_noise_error: found.errors.0,
            log_prior_error: found.errors.1,
            log_evidence: log_evidence(
                spectrum,
                found.damping,
                found.noise_std,
                noise_std,
                counted(reduced.log_row_scale(), spectrum.rows, spectrum.unpenalised),
                T::IS_COMPLEX,
            ),
            dof: spectrum.dof(found.damping),
            warnings: found.warnings,
            threads: reduced.threads,
        });
    }
    Ok(out)
}

fn exact_fit() -> Error {
    Error::Unsupported {
        what: "an estimate of the noise",
        with: "data that are fitted exactly, b = 0 or b = Ax₀",
        instead: "give Problem::noise_std",
    }
}

/// How the noise is estimated at a λ that is given, or that a rule chose.
const ESTIMATOR: &str = "the evidence at this λ, √(bᴴ(I − H)b/(m − q))";

/// The `noise_std` of all rows, where it is one number.
fn single<T: Scalar>(description: &Description<'_, T>) -> f64 {
    match description.noise_std.as_deref() {
        Some([single]) => single.to_f64(),
        _ => 1.0,
    }
}

/// What whitening adds to a log density of the m − q contrasts that q flat directions leave: their share of Σ log Dᵢ, so that a noise level
/// counts alike whether it stands in D or in s.
fn counted(log_row_scale: f64, rows: usize, flat: usize) -> f64 {
    log_row_scale * (rows.saturating_sub(flat) as f64 / rows.max(1) as f64)
}

/// The standard deviation of the whitened noise: what the rule says, or 1 where `noise_std` was divided out.
fn known_noise<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Option<f64> {
    match choice.kind {
        Kind::Rule(Rule::KnownNoiseEvidence(rule)) => match rule.noise {
            RuleNoise::Std(std) => Some(std),
            RuleNoise::Whitened => Some(1.0),
            RuleNoise::Estimated => None,
        },
        _ => description.noise_std.is_some().then_some(1.0),
    }
}

/// What a right-hand side's scales are, in the units of the spectrum.
struct Scaled {
    damping: f64,
    noise_std: f64,
    errors: (Option<f64>, Option<f64>),
    warnings: Vec<Warning>,
}

/// How the scales of the spectrum stand to those of the caller.
struct Units {
    /// The standard deviation of the whitened noise, where it was given.
    known: Option<f64>,
    /// f: a unit of the caller's whitened data is 2ᶠ here.
    data: i32,
    /// What takes a damping here to one of the caller, as a power of two.
    damping: i32,
    complex: bool,
    /// The `noise_std` of all rows, where it is one.
    row: f64,
}

impl Units {
    fn new<T: Scalar>(description: &Description<'_, T>, choice: Choice, reduced: &Reduced<'_, T>, data: &ReducedData<T>) -> Self {
        let (penalty, whitening) = reduced.direction_exponents();
        Self {
            known: known_noise(description, choice),
            data: data.exponent,
            damping: penalty - whitening,
            complex: T::IS_COMPLEX,
            row: single(description),
        }
    }

    /// s of the spectrum.
    fn here(&self, noise_std: f64) -> f64 {
        times_power_of_two(noise_std, self.data)
    }

    /// s of the caller's whitened rows.
    fn noise(&self, here: f64) -> f64 {
        times_power_of_two(here, -self.data)
    }

    fn at_damping(&self, spectrum: &Spectrum, damping: f64, mut warnings: Vec<Warning>) -> Result<Scaled> {
        if let Some(noise_std) = self.known {
            return Ok(Scaled { damping, noise_std: self.here(noise_std), errors: (None, None), warnings });
        }
        let (noise_std, error) = Surface::noise_at(spectrum, damping, self.complex)?;
        if !(noise_std > 0.0) {
            return Err(exact_fit());
        }
        warnings.push(Warning::NoiseEstimated { noise_std: self.noise(noise_std), estimator: ESTIMATOR });
        Ok(Scaled { damping, noise_std, errors: (Some(error), Some(error)), warnings })
    }

    fn maximised(&self, spectrum: &Spectrum, noise: Noise, scale: HyperPrior, lambda: &dyn Fn(f64) -> f64) -> Result<Scaled> {
        let log2 = core::f64::consts::LN_2;
        // log s and log τ = log s − log damping of the caller
        let of_noise = -f64::from(self.data) * log2;
        let offsets = [of_noise, of_noise - f64::from(self.damping) * log2];
        let found = Surface::new(spectrum, noise, scale, offsets, self.complex).maximise()?;
        let warnings = found.warnings.into_iter().map(|w| w.with_lambda(|here| lambda(here.sqrt()))).collect();
        Ok(Scaled { damping: found.damping, noise_std: found.noise_std, errors: (found.log_noise_error, found.log_prior_error), warnings })
    }
}

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
pub(super) fn map<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    prior: &dyn LogPrior,
    start: Option<&[f64]>,
) -> Result<Vec<MapEstimate>> {
    check_log_prior(description, start)?;
    check_data(description, b)?;
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

/// Relevance determination, for each right-hand side.
pub(super) fn relevance<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>) -> Result<Vec<Relevance>> {
    check_relevance(description)?;
    check_data(description, b)?;
    let (_, n) = description.operator.shape();
    let a = entries(description, "an A with entries, or fewer unknowns", "relevance determination")?;
    let reduced = reduced(description, &a)?;
    let data = reduced.data(b)?;
    let rows = real_rows(&reduced, &data)?;
    let known = description.noise_std.is_some();
    let row = single(description);
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

/// The low-rank posterior of each right-hand side, from products with A alone.
pub(super) fn low_rank<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    rank: usize,
) -> Result<Vec<Gaussian<T>>> {
    check_low_rank(description, rank)?;
    let (m, n) = description.operator.shape();
    let outcome = super::solve(description, b, choice, None)?;
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
pub(super) fn samples<T: Scalar>(
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
    let outcome = super::solve(description, perturbed.as_ref(), Lambda::new(scales.lambda).into(), None)?;
    let x = Mat::from_fn(n, count, |j, k| outcome.x[j + k * n] + shifts[(j, k)]);
    Ok((x, outcome.intercepts))
}
