//! What a factorization says beside solutions: diagnostics at a λ, and the best λ where x is known.

use super::kept::OnEntries;
use super::{criteria, refusal_error};
use crate::curve::{Curve, Spectrum, filter};
use crate::diagnostics::{Diagnostics, Picard, Whiteness};
use crate::error::{Error, Result, Size};
use crate::linalg::{self, MatRef};
use crate::rule::periodogram::{cumulative, departures, powers};
use crate::rule::search::{Ends, minimise_costly_values};
use crate::rule::{Choice, Kind, no_interval, noise};
use crate::scalar::{Real, Scalar, c64};
use crate::solution::{Criterion, Outcome};
use crate::warning::Warning;

/// √⌊m/2⌋ times the largest departure that white noise has in 95 of 100 cases (Kolmogorov–Smirnov).
const USUAL: f64 = 1.36;

impl<T: Scalar> OnEntries<T> {
    pub(super) fn diagnose(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Vec<Diagnostics>> {
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        self.decomposed.resolved().map_err(refused)?;
        let k = b.ncols();
        let (dampings, mut chosen) = match choice.kind {
            Kind::Number(lambda) => (vec![self.reduced.damping(lambda); k], Vec::new()),
            Kind::Rule(rule) => {
                let rule = rule.in_penalty_units(1.0 / self.reduced.penalty_norm(1.0, &data));
                let (dampings, chosen) = self.decomposed.choose(&prepared, &frame, &rule, choice.shared, &data.norms, data.unit())?;
                self.reduced.representable(rule.name(), &dampings)?;
                (dampings, chosen)
            }
        };
        self.decomposed.trusted(&dampings).map_err(refused)?;
        if chosen.len() == 1 && k > 1 {
            // one choice for all
            chosen = vec![chosen[0].clone(); k];
        }
        let rows = self.decomposed.rows(&prepared, &frame, "diagnostics").ok();
        let mut chosen = chosen.into_iter();
        let one = |j: usize| {
            let (spectrum, damping) = (self.decomposed.spectrum(&prepared, j), dampings[j]);
            let point = spectrum.at(damping);
            let lambda = |damping| self.reduced.lambda(damping);
            let mut warnings = Vec::new();
            let seen = chosen.next().into_iter().collect();
            let criterion = criteria(seen, choice, lambda, data.unit(), self.reduced.penalty_norm(1.0, &data), &mut warnings).pop();
            let curve = rows.as_ref().map(|rows| rows.curve(spectrum.clone(), j..j + 1));
            let effective: Vec<f64> = spectrum.values.iter().map(|&value| spectrum.effective(value, damping)).collect();
            let (condition, regularized_condition) = (self.decomposed.condition(), regularized(spectrum, damping));
            Diagnostics {
                lambda: super::dense::given_or(choice, || self.reduced.lambda(damping)),
                dof: spectrum.dof(damping),
                residual_norm: data.in_units(point.residual.value.sqrt()),
                penalty_norm: self.reduced.penalty_norm(point.penalty.value.sqrt(), &data),
                picard: Picard::new(
                    spectrum.values.iter().map(|&value| self.reduced.singular_value(value)).collect(),
                    spectrum.coefficients.iter().map(|&beta| data.in_units(beta)).collect(),
                    self.noise(spectrum, data.unit()),
                    T::Real::EPSILON.to_f64(),
                ),
                filters: effective.iter().map(|&value| filter(value, damping).0).collect(),
                leverages: curve.as_ref().map(|curve| curve.leverages(damping)),
                resolution: self.decomposed.resolution(&effective, damping),
                whiteness: curve.as_ref().and_then(|curve| whiteness(curve.residuals(&[damping])?.first()?.first()?)),
                condition,
                regularized_condition,
                criterion,
                warnings,
            }
        };
        Ok((0..k).map(one).collect())
    }

    /// The λ of least error ‖x(λ) − x_true‖, for each right-hand side.
    pub(super) fn oracle(&self, b: MatRef<'_, T>, x_true: MatRef<'_, T>) -> Result<Outcome<T>> {
        if x_true.shape() != (self.plan.columns, b.ncols()) {
            return Err(Error::Shape {
                what: "the true x",
                found: Size::Shape(x_true.nrows(), x_true.ncols()),
                expected: Size::Shape(self.plan.columns, b.ncols()),
                hint: "one column for each column of b",
            });
        }
        let mut whole: Option<Outcome<T>> = None;
        for j in 0..b.ncols() {
            let column = b.subcols(j, 1);
            let data = self.reduced.data(column)?;
            let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
            let prepared = self.decomposed.prepare(data.b.clone(), &self.reduced.frame()).map_err(refused)?;
            self.decomposed.resolved().map_err(refused)?;
            let error = |damping: f64| -> Option<f64> {
                let z = self.decomposed.solve(&prepared, &[damping]).ok()?.z;
                let (x, _) = self.reduced.answers(z.as_ref(), &data).ok()?;
                let difference: Vec<T> = x.iter().enumerate().map(|(i, &x)| x - x_true[(i, j)]).collect();
                // an exact hit has no logarithm
                Some(linalg::norm(&difference).to_f64().max(f64::MIN_POSITIVE))
            };
            let interval = self.decomposed.spectrum(&prepared, 0).interval();
            let chosen = minimise_costly_values(interval, Ends::Compete, &error).ok_or_else(|| no_interval("oracle"))?;
            let lambda = |damping: f64| self.reduced.lambda(damping);
            let mut outcome = self.solve(column, Choice::from(lambda(chosen.damping)))?;
            let pairs = |list: Vec<(f64, f64)>| list.into_iter().map(|(damping, v)| (lambda(damping).value(), v)).collect();
            outcome.report.criteria.push(Criterion {
                rule: "oracle",
                value: chosen.value,
                evaluated: pairs(chosen.evaluated),
                minima: pairs(chosen.minima),
                interval: None,
                probes: None,
            });
            let warning = |warning: Warning| warning.with_lambda(|value| lambda(value.sqrt()).value());
            outcome.report.warnings.extend(chosen.warnings.into_iter().map(warning));
            match &mut whole {
                None => whole = Some(outcome),
                Some(whole) => whole.append(outcome),
            }
        }
        whole.map_or_else(|| self.solve(b, Choice::from(0.0)), Ok)
    }

    /// The level of the noise in the caller's whitened units, and how it was estimated.
    fn noise(&self, spectrum: &Spectrum, unit: f64) -> Option<(f64, Option<&'static str>)> {
        if self.noise_known {
            return Some((1.0, None));
        }
        noise::estimate(spectrum).filter(|level| level.std.is_finite()).map(|level| (level.std / unit, level.estimator))
    }
}

/// √((σ₁² + λ)/(σ_r² + λ)).
fn regularized(spectrum: &Spectrum, damping: f64) -> f64 {
    let largest = spectrum.largest();
    let smallest = spectrum.values.iter().copied().fold(f64::INFINITY, f64::min);
    match smallest.hypot(damping) {
        0.0 => f64::INFINITY,
        least if least.is_finite() => largest.hypot(damping) / least,
        _ => 1.0,
    }
}

fn whiteness(residual: &[c64]) -> Option<Whiteness> {
    if residual.len() < 4 {
        return None;
    }
    let cumulative = cumulative(&powers(residual))?;
    let (_, distance) = departures(&cumulative);
    Some(Whiteness { limit: USUAL / (cumulative.len() as f64).sqrt(), cumulative, distance })
}
