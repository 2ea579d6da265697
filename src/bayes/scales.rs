//! Noise and prior scale by evidence, both together: maximise p(b | s, τ), times hyper-priors.
//!
//! In the coordinates of the (G)SVD of the whitened A and L the data are independent, βᵢ ~ N(0, s² + γᵢ²τ²), and N(0, s²) in the
//! m − q − r rows that no penalised direction reaches (q unpenalised directions, flat on the values they fit, integrated out: REML;
//! the intercept counts among them). With u = log s, v = log τ, Vᵢ = s² + γᵢ²τ², φᵢ = γᵢ²τ²/Vᵢ, fᵢ = s²/Vᵢ, rᵢ = |βᵢ|²/Vᵢ
//!
//! ```text
//! F  = −log p = ½[Σ(log Vᵢ + rᵢ) + (m − q − r)·2u + δ₀/s² + (m − q)·log 2π]
//! Fᵤ = Σfᵢ(1 − rᵢ) + (m − q − r) − δ₀/s²            Fᵥ = Σφᵢ(1 − rᵢ)
//! Fᵤᵤ = Σ[2fφ(1 − r) + 2f²r] + 2δ₀/s²    Fᵤᵥ = Σ[−2fφ(1 − r) + 2fφr]    Fᵥᵥ = Σ[2fφ(1 − r) + 2φ²r]
//! ```
//! (complex data: F without the ½, log π in place of log 2π). F has several minima in general: it is followed along λ = s²/τ² with
//! s at its best for each λ, and every local minimum of that profile starts a safeguarded Newton iteration in (u, v).
//! Cost: O(r) for each evaluation, some hundreds of them.
//!
//! Sources: MacKay 1992, doi:10.1162/neco.1992.4.3.415; Patterson, Thompson 1971, doi:10.1093/biomet/58.3.545.

use crate::curve::{Curve, Spectrum, filter};
use crate::error::{Error, Result};
use crate::rule::hyper::HyperPrior;
use crate::warning::Warning;

/// What is known of the noise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Noise {
    /// log s, in the units of the spectrum.
    Known(f64),
    /// To be found.
    Unknown(HyperPrior),
}

/// Where the maximum is, in the units of the spectrum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// s.
    pub noise_std: f64,
    /// √λ = s/τ.
    pub damping: f64,
    /// Standard deviations of log s and log τ from the Hessian; `None` where the one was given, or the maximum is at an end.
    pub log_noise_error: Option<f64>,
    pub log_prior_error: Option<f64>,
    pub warnings: Vec<Warning>,
}

/// F with its derivatives in (u, v).
#[derive(Debug, Clone, Copy)]
struct Point {
    value: f64,
    gradient: [f64; 2],
    hessian: [f64; 3],
    /// Σ of the sizes of the terms of the gradient: what it can be told from 0 by.
    size: f64,
}

/// The evidence of one right-hand side.
pub(crate) struct Surface<'s> {
    spectrum: &'s Spectrum,
    noise: Noise,
    scale: HyperPrior,
    /// What takes log s and log τ of the spectrum to those of the caller, in whose units the hyper-priors are.
    offsets: [f64; 2],
    complex: bool,
}

/// Newton steps at most; ten are usual.
const STEPS: usize = 100;
/// A step may change the logarithm of a scale by so much.
const LONGEST: f64 = 2.0;
/// Distance of the profile's starting points in log λ: an eighth of a logistic's width, as in the search of the rules.
const CELL: f64 = 0.5;

impl<'s> Surface<'s> {
    pub fn new(spectrum: &'s Spectrum, noise: Noise, scale: HyperPrior, offsets: [f64; 2], complex: bool) -> Self {
        Self { spectrum, noise, scale, offsets, complex }
    }

    /// m − q: rows that the unpenalised directions leave.
    fn free_rows(&self) -> f64 {
        self.spectrum.rows.saturating_sub(self.spectrum.unpenalised) as f64
    }

    /// Complex data count twice.
    fn twice(&self) -> f64 {
        if self.complex { 2.0 } else { 1.0 }
    }

    /// F without the constant (m − q)·log 2π/2, hyper-priors included.
    fn at(&self, u: f64, v: f64) -> Point {
        let damping = (u - v).exp();
        let inverse = (-2.0 * u).exp();
        let spare = self.spectrum.spare_rows();
        let outside = self.spectrum.outside * inverse;
        let mut value = 0.5 * (spare * 2.0 * u + outside);
        let mut gradient = [spare - outside, 0.0];
        let mut hessian = [2.0 * outside, 0.0, 0.0];
        let mut size = spare + outside;
        for (&gamma, &beta) in self.spectrum.values.iter().zip(&self.spectrum.coefficients) {
            // a direction that the penalty does not see is fitted whatever the scales are
            if gamma.is_infinite() {
                continue;
            }
            let gamma = self.spectrum.effective(gamma, damping);
            let (phi, f) = filter(gamma, damping);
            // log V = 2u − log f
            let log_f = if gamma > damping {
                2.0 * (damping / gamma).ln() - (damping / gamma).powi(2).ln_1p()
            } else {
                -(gamma / damping).powi(2).ln_1p()
            };
            let r = beta * beta * inverse * f;
            let g = 1.0 - r;
            value += 0.5 * (2.0 * u - log_f + r);
            gradient[0] += f * g;
            gradient[1] += phi * g;
            hessian[0] += 2.0 * f * phi * g + 2.0 * f * f * r;
            hessian[1] += 2.0 * f * phi * (r - g);
            hessian[2] += 2.0 * f * phi * g + 2.0 * phi * phi * r;
            size += 1.0 + r;
        }
        let twice = self.twice();
        let mut point =
            Point { value: twice * value, gradient: gradient.map(|g| twice * g), hessian: hessian.map(|h| twice * h), size: twice * size };
        let noise = match self.noise {
            Noise::Known(_) => HyperPrior::flat(),
            Noise::Unknown(prior) => prior,
        };
        for (axis, prior, log) in [(0, noise, u + self.offsets[0]), (1, self.scale, v + self.offsets[1])] {
            let density = prior.at(log);
            point.value -= density.value;
            point.gradient[axis] -= density.slope;
            point.hessian[2 * axis] -= density.bend;
        }
        point
    }

    /// log s at its best for one λ.
    fn profiled(&self, log_damping: f64) -> f64 {
        let prior = match self.noise {
            Noise::Known(u) => return u,
            Noise::Unknown(prior) => prior,
        };
        let free = self.free_rows().max(1.0);
        let mut u = 0.5 * (self.spectrum.quadratic(log_damping.exp()).value.max(f64::MIN_POSITIVE) / free).ln();
        if prior.is_flat() && self.scale.is_flat() {
            return u;
        }
        let along = |u: f64| {
            let p = self.at(u, u - log_damping);
            (p.value, p.gradient[0] + p.gradient[1], p.hessian[0] + 2.0 * p.hessian[1] + p.hessian[2])
        };
        // a rough place is enough: Newton's method in both scales follows
        for _ in 0..20 {
            let (_, slope, bend) = along(u);
            let step = (-slope / bend.abs().max(1e-8 * (1.0 + slope.abs()))).clamp(-LONGEST, LONGEST);
            u += step;
            if !(step.abs() > 1e-3) {
                break;
            }
        }
        u
    }

    /// The maximum of the evidence (times hyper-priors) over both scales, or over τ alone where the noise is known.
    pub fn maximise(&self) -> Result<Found> {
        if matches!(self.noise, Noise::Unknown(prior) if prior.is_flat()) && self.free_rows() == 0.0 {
            return Err(no_noise());
        }
        let (low, high) = self.spectrum.interval();
        let (low, high) = if high > low && low > 0.0 { (low.ln(), high.ln()) } else { (0.0, 0.0) };
        // a hyper-prior may hold τ where the data no longer say anything
        let reach = if self.scale.is_flat() { 0.0 } else { 12.0 };
        let (low, high) = (low - reach, high + reach);
        let cells = (2.0 * (high - low) / CELL).ceil().max(8.0) as usize;
        let mut places: Vec<f64> = (0..=cells).map(|k| low + (high - low) * k as f64 / cells as f64).collect();
        if let Some(mode) = self.scale.mode() {
            places.push(self.profiled(0.5 * (low + high)) - (mode - self.offsets[1]));
        }
        places.sort_by(f64::total_cmp);
        let profile: Vec<(f64, f64, f64)> = places
            .into_iter()
            .map(|t| {
                let u = self.profiled(t);
                (t, u, self.at(u, u - t).value)
            })
            .filter(|sample| sample.2.is_finite())
            .collect();
        let mut best: Option<(Point, [f64; 2])> = None;
        let mut rivals: Vec<(f64, f64)> = Vec::new();
        let mut least_end = (f64::INFINITY, 0.0, 0.0, false);
        for k in 0..profile.len() {
            let (t, u, value) = profile[k];
            let below = |j: Option<&(f64, f64, f64)>| j.is_none_or(|other| value <= other.2);
            if !(below(k.checked_sub(1).and_then(|k| profile.get(k))) && below(profile.get(k + 1))) {
                continue;
            }
            let end = k == 0 || k + 1 == profile.len();
            if end && value < least_end.0 {
                least_end = (value, t, u, k > 0);
            }
            let Some((point, place)) = self.newton([u, u - t]) else { continue };
            // without a hyper-prior nothing beyond the interval is a maximum: the evidence is flat there
            let inside = (place[0] - place[1] - low) * (high - place[0] + place[1]) >= 0.0;
            if !inside {
                continue;
            }
            rivals.push((place[0] - place[1], point.value));
            if best.as_ref().is_none_or(|(least, _)| point.value < least.value) {
                best = Some((point, place));
            }
        }
        let Some((point, [u, v])) = best.filter(|(point, _)| point.value <= least_end.0 + 1e-9 * point.size.max(1.0)) else {
            let (_, t, u, upper) = least_end;
            if least_end.0.is_infinite() {
                return Err(Error::NoLambda {
                    rule: "evidence",
                    low: (2.0 * low).exp(),
                    high: (2.0 * high).exp(),
                    why: "the evidence is not a number anywhere; rescale A or b, or give λ".into(),
                });
            }
            let warnings = vec![Warning::EdgeOfInterval { lambda: (2.0 * t).exp(), upper }];
            let noise_error = match self.noise {
                Noise::Known(_) => None,
                Noise::Unknown(_) => Some((1.0 / (self.twice() * 2.0 * self.free_rows().max(1.0))).sqrt()),
            };
            return Ok(Found { noise_std: u.exp(), damping: t.exp(), log_noise_error: noise_error, log_prior_error: None, warnings });
        };
        let mut warnings: Vec<Warning> = Vec::new();
        for (t, value) in rivals {
            // a twentieth of a logarithm is what the rules call a rival, too
            if (t - (u - v)).abs() > CELL && value - point.value < 0.05 && warnings.is_empty() {
                warnings.push(Warning::RivalMinimum { lambda: (2.0 * t).exp(), ratio: (value - point.value).exp() });
            }
        }
        let (log_noise_error, log_prior_error) = self.errors(&point);
        Ok(Found { noise_std: u.exp(), damping: (u - v).exp(), log_noise_error, log_prior_error, warnings })
    }

    /// Standard deviations of log s and log τ: the inverse of the Hessian, where it is positive definite.
    fn errors(&self, point: &Point) -> (Option<f64>, Option<f64>) {
        let [uu, uv, vv] = point.hessian;
        match self.noise {
            Noise::Known(_) => (None, (vv > 0.0).then(|| vv.recip().sqrt())),
            Noise::Unknown(_) => {
                let determinant = uu * vv - uv * uv;
                if !(determinant > 0.0 && uu > 0.0) {
                    return (None, None);
                }
                (Some((vv / determinant).sqrt()), Some((uu / determinant).sqrt()))
            }
        }
    }

    /// A local minimum of F from a start.
    fn newton(&self, start: [f64; 2]) -> Option<(Point, [f64; 2])> {
        let mut place = start;
        let mut here = self.at(place[0], place[1]);
        for _ in 0..STEPS {
            let [step_u, step_v] = self.step(&here);
            if !(step_u.is_finite() && step_v.is_finite()) {
                return None;
            }
            let noise = 4.0 * f64::EPSILON * here.size;
            if step_u.abs().max(step_v.abs()) <= 1e-15 || here.gradient.iter().all(|g| g.abs() <= 0.25 * noise) {
                return Some((here, place));
            }
            let slope = here.gradient[0] * step_u + here.gradient[1] * step_v;
            let mut length = 1.0;
            let next = loop {
                let to = [place[0] + length * step_u, place[1] + length * step_v];
                let there = self.at(to[0], to[1]);
                if there.value <= here.value + 1e-4 * length * slope + noise {
                    break Some((there, to));
                }
                length *= 0.5;
                if length < 1e-10 {
                    break None;
                }
            };
            match next {
                // below the rounding of F the gradient decides
                Some((there, to)) if slope.abs() > noise || norm(&there, self) < norm(&here, self) => (here, place) = (there, to),
                _ => return Some((here, place)),
            }
        }
        None
    }

    /// −|H|⁻¹∇F, shortened to [`LONGEST`]; along v alone where the noise is known.
    fn step(&self, point: &Point) -> [f64; 2] {
        let [g_u, g_v] = point.gradient;
        let [uu, uv, vv] = point.hessian;
        let floor = 1e-10 * (uu.abs() + vv.abs()) + f64::MIN_POSITIVE;
        let step = match self.noise {
            Noise::Known(_) => [0.0, -g_v / vv.abs().max(floor)],
            Noise::Unknown(_) => {
                // eigenvalues and vectors of the symmetric 2×2 matrix by one rotation
                let angle = 0.5 * (2.0 * uv).atan2(uu - vv);
                let (s, c) = angle.sin_cos();
                let first = (c * c * uu + 2.0 * s * c * uv + s * s * vv).abs().max(floor);
                let second = (s * s * uu - 2.0 * s * c * uv + c * c * vv).abs().max(floor);
                let (p, q) = ((c * g_u + s * g_v) / first, (c * g_v - s * g_u) / second);
                [-(c * p - s * q), -(s * p + c * q)]
            }
        };
        let length = step[0].abs().max(step[1].abs());
        if length > LONGEST { step.map(|x| x * LONGEST / length) } else { step }
    }

    /// s² = bᴴ(I − H)b/(m − q) at a λ that is given, and the standard deviation of log s.
    pub fn noise_at(spectrum: &Spectrum, damping: f64, complex: bool) -> Result<(f64, f64)> {
        let free = spectrum.rows.saturating_sub(spectrum.unpenalised) as f64;
        if free == 0.0 {
            return Err(no_noise());
        }
        let twice = if complex { 2.0 } else { 1.0 };
        Ok(((spectrum.quadratic(damping).value / free).sqrt(), (1.0 / (2.0 * twice * free)).sqrt()))
    }

    /// The errors at the maximum that a rule found.
    pub fn errors_at(&self, noise_std: f64, damping: f64) -> (Option<f64>, Option<f64>) {
        let u = noise_std.ln();
        self.errors(&self.at(u, u - damping.ln()))
    }
}

/// ‖∇F‖ in the directions that are free.
fn norm(point: &Point, surface: &Surface<'_>) -> f64 {
    match surface.noise {
        Noise::Known(_) => point.gradient[1].abs(),
        Noise::Unknown(_) => point.gradient[0].hypot(point.gradient[1]),
    }
}

fn no_noise() -> Error {
    Error::Unsupported {
        what: "an estimate of the noise",
        with: "no more rows than unpenalised directions",
        instead: "give Problem::noise_std, penalise more directions, or use Evidence.noise_prior(..)",
    }
}

/// log p(b | s, λ) of the caller's data: whitening adds `log_scale`, and s is in the caller's units.
///
/// Complex data are proper: E|e|² = s².
pub(crate) fn log_evidence(spectrum: &Spectrum, damping: f64, noise_std: f64, noise_in_units: f64, log_scale: f64, complex: bool) -> f64 {
    let free = spectrum.rows.saturating_sub(spectrum.unpenalised) as f64;
    let ratio = spectrum.quadratic(damping).value / noise_std / noise_std;
    let pi = core::f64::consts::PI;
    let log = -(free * ((if complex { pi } else { 2.0 * pi }).ln() + 2.0 * noise_in_units.ln()) + ratio
        - spectrum.log_determinant(damping).value);
    (if complex { log } else { 0.5 * log }) + if complex { 2.0 * log_scale } else { log_scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn spectrum(seed: u64) -> Spectrum {
        let mut random = Random::new(seed);
        let values: Vec<f64> = (0..12).map(|k| 3.0 * (-0.4 * f64::from(k)).exp()).collect();
        let coefficients = values.iter().map(|v| ((v * v * 0.49 + 0.01).sqrt() * random.normal()).abs()).collect();
        Spectrum { values, coefficients, outside: 0.08, rows: 22, unpenalised: 1, tolerance: 1e-14 }
    }

    /// Gradient and Hessian against differences: a wrong sign in the mixed term would show.
    #[test]
    fn derivatives() {
        for (noise, scale, complex) in [
            (Noise::Unknown(HyperPrior::flat()), HyperPrior::flat(), false),
            (Noise::Unknown(HyperPrior::log_normal(0.1, 0.5)), HyperPrior::gamma_precision(2.0, 1.0), true),
        ] {
            let spectrum = spectrum(3);
            let surface = Surface::new(&spectrum, noise, scale, [0.3, -0.2], complex);
            for (u, v) in [(-2.0, -0.5), (-1.0, 1.0), (0.5, -3.0)] {
                let (h, p) = (1e-5, surface.at(u, v));
                let [up, down] = [surface.at(u + h, v), surface.at(u - h, v)];
                let [over, under] = [surface.at(u, v + h), surface.at(u, v - h)];
                let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-5 * p.size, "{a} is not {b}");
                close((up.value - down.value) / (2.0 * h), p.gradient[0]);
                close((over.value - under.value) / (2.0 * h), p.gradient[1]);
                close((up.gradient[0] - down.gradient[0]) / (2.0 * h), p.hessian[0]);
                close((up.gradient[1] - down.gradient[1]) / (2.0 * h), p.hessian[1]);
                close((over.gradient[0] - under.gradient[0]) / (2.0 * h), p.hessian[1]);
                close((over.gradient[1] - under.gradient[1]) / (2.0 * h), p.hessian[2]);
            }
        }
    }

    /// With flat hyper-priors the maximum over both scales is that of the profile, which the rule searches by itself.
    #[test]
    fn both_scales_agree_with_the_rule() {
        for seed in 0..20 {
            let spectrum = spectrum(seed);
            let flat = HyperPrior::flat();
            let found = Surface::new(&spectrum, Noise::Unknown(flat), flat, [0.0; 2], false).maximise().unwrap();
            let chosen = crate::rule::Rule::from(crate::rule::Evidence).choose(&spectrum, 1.0, 1.0).unwrap();
            assert!((found.damping / chosen.damping - 1.0).abs() < 1e-8, "{seed}: {} is not {}", found.damping, chosen.damping);
            let (noise, _) = Surface::noise_at(&spectrum, found.damping, false).unwrap();
            assert!((found.noise_std / noise - 1.0).abs() < 1e-8);
        }
    }
}
