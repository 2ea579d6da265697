//! Posteriors: λ and noise by evidence (or as given), then the root of the covariance.

mod log_prior;
mod low_rank;

pub(super) use log_prior::{map, relevance};
pub(super) use low_rank::{low_rank, samples};

use super::refusal_error;
use crate::bayes::gaussian::{Constant, Form, Gaussian, scale};
use crate::bayes::scales::{Noise, Surface, log_evidence};
use crate::check::{check_data, check_posterior};
use crate::choose::Engine;
use crate::curve::Spectrum;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::factor::decomposed::{self, Decomposed};
use crate::factor::qr;
use crate::linalg::{Mat, MatRef};
use crate::operator::Entries;
use crate::operator::dense::materialize;
use crate::refusal::Refusal;
use crate::rule::hyper::{HyperPrior, Scales};
use crate::rule::noise::Noise as RuleNoise;
use crate::rule::{Choice, Kind, Rule};
use crate::scalar::{Real, Scalar, times_power_of_two};
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
