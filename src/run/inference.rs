//! Standard errors and diagnostics of rows: the solution by whatever engine solves it, then one QR factorization at its λ.

use super::{several, solve};
use crate::check::{check, check_data, check_inference};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::factor::influence::Influence;
use crate::inference::{Coefficient, Geometry, Heteroscedastic, Inference, RowInfluence};
use crate::lambda::Lambda;
use crate::linalg::{self, MatRef};
use crate::operator::{DenseView, Entries};
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::transform::Matrix;
use crate::transform::reduced::Reduced;
use std::sync::Arc;

/// Entries, zeros included, up to which a sparse A is stored densely: 200 MB in `f64`. A choice.
const DENSE_COPY_UP_TO: usize = 25_000_000;
/// 1 − hᵢᵢ up to this many roundings is 0: the row fits itself.
const SELF_FITTED: f64 = 64.0;

/// One for each right-hand side.
pub(super) fn inference<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Result<Vec<Inference>> {
    check_inference(description)?;
    let checked = check(description, Some(choice))?;
    check_data(description, b)?;
    let (m, n) = description.operator.shape();
    let entries = stored_entries(description, "inference", "Lsqr::variances()")?;
    let a = entries.view();
    let view = DenseView::from_matrix(a);
    if several::applies(description, Some(choice)) {
        if b.ncols() != 1 {
            return Err(Error::Unsupported {
                what: "inference",
                with: "a rule for several penalties and more than one right-hand side",
                instead: "call it for each right-hand side",
            });
        }
        let chosen = several::choose(description, b, choice, checked.largest)?;
        let weighted = several::weighted(description, &chosen[0].used.lambdas);
        let mut out = inference(&weighted, b, Lambda::new(1.0).into())?;
        out.iter_mut().for_each(|one| one.rule = rule_name(choice));
        return Ok(out);
    }
    // standard errors of a minimiser that is not unique would be those of one choice among many
    let unique = Description { operator: &view, require_full_rank: true, ..description.clone() };
    let outcome = solve(&unique, b, choice, None)?;
    let reduced = Reduced::new(&unique, a, checked.largest)?;
    let mut known: Option<(f64, Arc<Shared<T>>)> = None;
    let mut out = Vec::with_capacity(b.ncols());
    for (j, fit) in outcome.report.fits.iter().enumerate() {
        let damping = reduced.damping(fit.lambda);
        let shared = match known.take() {
            Some((at, shared)) if at == damping => shared,
            _ => Arc::new(Shared::new(&reduced, a, damping)?),
        };
        known = Some((damping, shared.clone()));
        let x = &outcome.x[j * n..(j + 1) * n];
        let target: Vec<T> = (0..m).map(|i| b[(i, j)]).collect();
        let one = OneFit { description: &unique, reduced: &reduced, a, x, intercept: outcome.intercepts[j], b: &target };
        out.push(one.inference(&shared, fit.lambda, choice)?);
    }
    Ok(out)
}

fn rule_name(choice: Choice) -> Option<&'static str> {
    match choice.kind {
        Kind::Rule(rule) => Some(rule.name()),
        Kind::Number(_) => None,
    }
}

/// The entries of A, a sparse one stored densely.
pub(super) fn stored_entries<'a, T: Scalar>(
    description: &Description<'a, T>,
    what: &'static str,
    instead: &'static str,
) -> Result<Matrix<'a, T>> {
    let (m, n) = description.operator.shape();
    match description.operator.entries() {
        Entries::Dense(a) => Ok(Matrix::Borrowed(a.matrix())),
        Entries::Sparse(a) if m.saturating_mul(n) <= DENSE_COPY_UP_TO => Ok(Matrix::Owned(a.to_dense())),
        Entries::Sparse(_) => Err(Error::Unsupported {
            what,
            with: "a sparse A of more than 25 million places, zeros included, which it would have to store densely",
            instead,
        }),
        Entries::None => Err(Error::NeedsEntries { method: what, what: "A", instead }),
    }
}

/// What all right-hand sides at one λ share.
struct Shared<T: Scalar> {
    influence: Influence<T>,
    /// The variances of each coefficient that unit noise makes and that the posterior has, in the caller's units.
    variances: Vec<(f64, f64)>,
    /// ‖aⱼ − mean‖ of each column, whitened.
    column_norms: Vec<f64>,
    means: Option<Vec<f64>>,
    mean_variance: f64,
    /// The variances of the intercept.
    intercept: Option<(f64, f64)>,
    exponent: i32,
}

impl<T: Scalar> Shared<T> {
    fn new(reduced: &Reduced<'_, T>, a: MatRef<'_, T>, damping: f64) -> Result<Self> {
        let n = a.ncols();
        let constant = reduced.constant.as_ref();
        let influence = Influence::new(reduced.matrix.view(), &reduced.penalty, damping, constant, reduced.threads);
        let (exponent, _) = reduced.exponents();
        let scaled =
            |(sampling, posterior): (f64, f64)| (times_power_of_two(sampling, 2 * exponent), times_power_of_two(posterior, 2 * exponent));
        let mut unit = vec![T::ZERO; n];
        let variances: Vec<(f64, f64)> = (0..n)
            .map(|j| {
                unit[j] = T::ONE;
                let found = scaled(influence.spread().variances(&unit));
                unit[j] = T::ZERO;
                found
            })
            .collect();
        if let Some(column) = variances.iter().position(|(s, p)| !(s.is_finite() && p.is_finite())) {
            return Err(Error::NonFinite { what: "a standard error, which overflows: rescale A; coefficient", index: Size::Entry(column) });
        }
        let column_norms = linalg::column_norms(reduced.matrix.view()).iter().map(|&v| times_power_of_two(v, -exponent)).collect();
        let means = constant.map(|constant| constant.means());
        let intercept_parts = means.as_ref().map(|means| scaled(influence.spread().variances(means))).map(|(s, p)| {
            // the means are in the units of Ā: 2ᵉ times the caller's
            (times_power_of_two(s, -2 * exponent), times_power_of_two(p, -2 * exponent))
        });
        let mean_variance = constant.map_or(0.0, |constant| 1.0 / constant.norm().to_f64().powi(2));
        Ok(Self {
            variances,
            column_norms,
            means: means.map(|means| means.iter().map(|v| times_power_of_two(v.real().to_f64(), -exponent)).collect()),
            mean_variance,
            intercept: intercept_parts.map(|(s, p)| (s + mean_variance, p + mean_variance)),
            influence,
            exponent,
        })
    }
}

/// One right-hand side.
struct OneFit<'f, 'a, T: Scalar> {
    description: &'f Description<'a, T>,
    reduced: &'f Reduced<'f, T>,
    a: MatRef<'f, T>,
    x: &'f [T],
    intercept: T,
    b: &'f [T],
}

impl<T: Scalar> OneFit<'_, '_, T> {
    fn inference(&self, shared: &Arc<Shared<T>>, lambda: Lambda, choice: Choice) -> Result<Inference> {
        let (m, n) = self.a.shape();
        let influence = &shared.influence;
        let scale = |i: usize| self.reduced.row_scale().map_or(1.0, |d| d[i].to_f64());
        let mut fitted = vec![T::ZERO; m];
        T::multiply(self.a, self.x, &mut fitted, self.reduced.threads);
        let fitted: Vec<f64> = fitted.iter().map(|&v| (v + self.intercept).real().to_f64()).collect();
        let residual: Vec<f64> = self.b.iter().zip(&fitted).map(|(b, f)| b.real().to_f64() - f).collect();
        let whitened: Vec<f64> = residual.iter().enumerate().map(|(i, r)| r * scale(i)).collect();
        let squares: f64 = whitened.iter().map(|r| r * r).sum();
        let residual_dof = m as f64 - 2.0 * influence.trace + influence.trace_squared;
        // rounding of m rows
        let positive = residual_dof > 1e-9 * m as f64;
        let noise_std_estimate = positive.then(|| (squares / residual_dof).sqrt());
        let noise_known = self.description.noise_std.is_some();
        let noise_std = match (noise_known, noise_std_estimate) {
            (true, _) => 1.0,
            (false, Some(estimate)) => estimate,
            (false, None) => {
                return Err(Error::Parameter {
                    name: "the residual's degrees of freedom, m − tr(2H − HHᵀ),",
                    value: residual_dof,
                    must_be: "positive, or nothing is left to estimate the noise from: give Problem::noise_std, a larger λ or more rows",
                });
            }
        };
        if !(squares.is_finite() && noise_std.is_finite()) {
            return Err(Error::NonFinite { what: "the residual norm, which overflows: rescale b; right-hand side", index: Size::Entry(0) });
        }
        let rounding = SELF_FITTED * T::Real::EPSILON.to_f64();
        let coefficients = self.coefficients(shared, &whitened, residual_dof, noise_std, rounding);
        let rows = self.rows(shared, &fitted, &residual, &whitened, squares, residual_dof, noise_std, noise_known, rounding);
        // ‖D(b − mean)‖², and without an intercept ‖Db‖²
        let total_weight: f64 = (0..m).map(|i| scale(i) * scale(i)).sum();
        let centre = match self.description.intercept {
            true => self.b.iter().enumerate().map(|(i, b)| scale(i) * scale(i) * b.real().to_f64()).sum::<f64>() / total_weight,
            false => 0.0,
        };
        let total: f64 = self.b.iter().enumerate().map(|(i, b)| (scale(i) * (b.real().to_f64() - centre)).powi(2)).sum();
        let largest = self.b.iter().map(|b| b.real().to_f64().abs()).fold(0.0, f64::max);
        let varies = total > (largest * rounding).powi(2) * total_weight;
        let left_out: Option<f64> = rows.iter().enumerate().map(|(i, row)| row.left_out_error.map(|e| (e * scale(i)).powi(2))).sum();
        let total_dof = m as f64 - f64::from(u8::from(self.description.intercept));
        let share = |part: f64| (varies && part.is_finite()).then(|| 1.0 - part / total);
        let (coefficients, intercept) = coefficients;
        debug_assert_eq!(coefficients.len(), n);
        let for_rows = shared.clone();
        let exponent = shared.exponent;
        let variances = move |row: &[f64]| {
            let row: Vec<T> = row.iter().map(|&v| T::from_real(T::Real::from_f64(v))).collect();
            let (sampling, posterior) = for_rows.influence.spread().variances(&row);
            (times_power_of_two(sampling, 2 * exponent), times_power_of_two(posterior, 2 * exponent))
        };
        Ok(Inference {
            lambda,
            rule: rule_name(choice),
            coefficients,
            intercept,
            rows,
            dof: influence.trace,
            residual_dof,
            noise_std,
            noise_std_estimate,
            noise_known,
            r_squared: share(squares),
            r_squared_adjusted: noise_std_estimate.and_then(|s| share(s * s * total_dof)),
            r_squared_predicted: left_out.and_then(share),
            geometry: Geometry { variances: Arc::new(variances), means: shared.means.clone(), mean_variance: shared.mean_variance },
            names: None,
        })
    }

    fn coefficients(
        &self,
        shared: &Shared<T>,
        whitened: &[f64],
        residual_dof: f64,
        noise_std: f64,
        rounding: f64,
    ) -> (Vec<Coefficient>, Option<Coefficient>) {
        let (m, n) = self.a.shape();
        let influence = &shared.influence;
        let z: Vec<T> = match &self.description.prior_mean {
            Some(mean) => self.x.iter().zip(mean).map(|(&x, &mean)| x - mean).collect(),
            None => self.x.to_vec(),
        };
        let taken: Vec<f64> = influence.shrinkage(&self.reduced.penalty, &z).iter().map(|v| v.real().to_f64()).collect();
        let complements: Vec<f64> = influence.rows.iter().map(|row| row.complement).collect();
        let sound = complements.iter().all(|&c| c > rounding);
        // R with the caller's units; the whitened rows are its domain
        let map = |j: usize, i: usize| times_power_of_two(influence.map[(j, i)].real().to_f64(), shared.exponent);
        let errors = |response: &dyn Fn(usize) -> f64| {
            let sum = |power: i32| (0..m).map(|i| (response(i) * whitened[i]).powi(2) / complements[i].powi(power)).sum::<f64>().sqrt();
            let hc0 = sum(0);
            Heteroscedastic {
                hc0,
                hc1: (residual_dof > 0.0).then(|| hc0 * (m as f64 / residual_dof).sqrt()),
                hc2: sound.then(|| sum(1)),
                hc3: sound.then(|| sum(2)),
            }
        };
        let coefficients = (0..n)
            .map(|j| {
                let (sampling, posterior) = shared.variances[j];
                let norm = shared.column_norms[j];
                Coefficient {
                    estimate: self.x[j].real().to_f64(),
                    standard_error: noise_std * sampling.sqrt(),
                    posterior_std: noise_std * posterior.sqrt(),
                    bias: -taken[j],
                    variance_inflation: (norm > 0.0).then_some(sampling * norm * norm),
                    heteroscedastic: errors(&|i| map(j, i)),
                }
            })
            .collect();
        let intercept = shared.intercept.zip(shared.means.as_ref()).map(|((sampling, posterior), means)| {
            let weight = |i: usize| self.reduced.row_scale().map_or(1.0, |d| d[i].to_f64());
            Coefficient {
                estimate: self.intercept.real().to_f64(),
                standard_error: noise_std * sampling.sqrt(),
                posterior_std: noise_std * posterior.sqrt(),
                bias: means.iter().zip(&taken).map(|(mean, taken)| mean * taken).sum(),
                variance_inflation: None,
                heteroscedastic: errors(&|i| weight(i) * shared.mean_variance - (0..n).map(|j| means[j] * map(j, i)).sum::<f64>()),
            }
        });
        (coefficients, intercept)
    }

    fn rows(
        &self,
        shared: &Shared<T>,
        fitted: &[f64],
        residual: &[f64],
        whitened: &[f64],
        squares: f64,
        residual_dof: f64,
        noise_std: f64,
        noise_known: bool,
        rounding: f64,
    ) -> Vec<RowInfluence> {
        let influence = &shared.influence;
        let converted: Vec<T> = whitened.iter().map(|&r| T::from_real(T::Real::from_f64(r))).collect();
        let smoothed = influence.smooth(&converted);
        (influence.rows.iter().enumerate())
            .map(|(i, row)| {
                let mut out = RowInfluence {
                    fitted: fitted[i],
                    residual: residual[i],
                    leverage: row.leverage,
                    studentized: None,
                    studentized_externally: None,
                    left_out_error: None,
                    cooks_distance: None,
                };
                if row.complement <= rounding {
                    return out;
                }
                let error = whitened[i] / row.complement;
                let deviation = row.residual_variance.sqrt();
                out.left_out_error = Some(residual[i] / row.complement);
                let finite = |value: f64| value.is_finite().then_some(value);
                out.studentized = finite(whitened[i] / (noise_std * deviation));
                out.cooks_distance = finite(error * error * row.square / (influence.trace * noise_std * noise_std));
                let without = match noise_known {
                    true => Some(noise_std),
                    false => {
                        // the fit without row i moves the other fitted values by −H·ᵢ·error
                        let left = squares + 2.0 * error * smoothed[i].real().to_f64() + error * error * (row.square - 1.0);
                        let (h, c) = (row.leverage, row.complement);
                        let across = row.square - h * h;
                        let trace = influence.trace - h + across / c;
                        let trace_squared = influence.trace_squared - 2.0 * row.square
                            + h * h
                            + 2.0 * (row.cube - 2.0 * h * row.square + h * h * h) / c
                            + (across / c).powi(2);
                        let dof = (self.a.nrows() - 1) as f64 - 2.0 * trace + trace_squared;
                        // what is left after the largest part is taken away must be more than its rounding
                        let sound = dof > 1e-9 * residual_dof && left > rounding * squares;
                        sound.then(|| (left / dof).sqrt())
                    }
                };
                out.studentized_externally = without.and_then(|s| finite(whitened[i] / (s * deviation)));
                out
            })
            .collect()
    }
}
