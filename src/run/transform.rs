//! A that a fast transform diagonalises together with L: every λ and any rule from one transform of b.

use super::{criteria, finite_norms, refusal_error, singular};
use crate::choose::Engine;
use crate::curve::{Curve, Spectrum};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::factor::decomposed::choose_on;
use crate::factor::transform::TransformCore;
use crate::factor::{Core, Projection};
use crate::lambda::Lambda;
use crate::linalg::{self, Mat, MatRef};
use crate::method::Method;
use crate::operator::Basis;
use crate::penalty::Resolved;
use crate::plan::Plan;
use crate::rule::{Choice, Chosen, Gcv, Kind, Rule};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::solution::{Fit, Outcome, Report};
use crate::transform::reduced::finite;
use crate::transform::whiten::{balancing_exponent, row_scale};

/// The diagonalised problem: it owns all it needs, and serves one solve or many.
pub(super) struct Transformed<T: Scalar> {
    core: TransformCore<T>,
    /// The one number that D = W^½/noise_std is.
    scale: T::Real,
    /// x₀ and Ax₀.
    prior: Option<(Vec<T>, Vec<T>)>,
    rows: usize,
    unknowns: usize,
    require_full_rank: bool,
    general_penalty: bool,
    equal_leverages: bool,
}

/// Right-hand sides in the coordinates of the transform, in units in which no square overflows.
struct Prepared<T> {
    projection: Projection<T>,
    /// The units are 2ᶠ times the caller's.
    exponent: i32,
    /// ‖Db‖ of each column, in those units.
    norms: Vec<f64>,
}

/// The one factor of all rows, where weights and noise give them all the same.
fn common_scale<T: Scalar>(description: &Description<'_, T>) -> Option<T::Real> {
    let scale = row_scale(description.operator.shape().0, description.weights.as_deref(), description.noise_std.as_deref());
    let Some(scale) = scale else { return Some(T::Real::ONE) };
    let first = *scale.first()?;
    scale.iter().all(|&d| d == first).then_some(first)
}

/// lₖ, or nothing for the identity, where L is diagonal in the basis.
fn penalty_in<T: Scalar>(description: &Description<'_, T>, basis: &Basis) -> Option<Option<Vec<f64>>> {
    let n = description.operator.shape().1;
    match description.penalty.resolve(n).ok()? {
        Resolved::Identity => Some(None),
        Resolved::Diagonal(weights) => {
            let first = *weights.first()?;
            // the multiple of the identity is diagonal everywhere; its length in a basis that leaves some out is not n
            (weights.iter().all(|&w| w == first) && *basis != Basis::Factors).then(|| Some(vec![first.to_f64(); n]))
        }
        // the basis of a Kronecker product may be shorter than n
        Resolved::Operator(_) if *basis == Basis::Factors => None,
        Resolved::Operator(l) => Some(Some(l.diagonal_in(basis).filter(|values| values.len() == n)?)),
    }
}

/// The basis in which the whole problem is diagonal, if there is one.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> Option<Basis> {
    let (m, n) = description.operator.shape();
    if !description.quadratic() || description.intercept || m == 0 || n == 0 {
        return None;
    }
    let basis = description.operator.diagonalization()?.basis();
    common_scale(description)?;
    penalty_in(description, &basis)?;
    Some(basis)
}

/// Whether leave-one-out is generalized cross-validation here: in the Fourier basis every row has the same leverage, and each
/// row is its own group.
pub(super) fn equal_leverages<T: Scalar>(description: &Description<'_, T>, basis: Option<&Basis>) -> bool {
    matches!(basis, Some(Basis::Fourier { .. }))
        && description.groups.is_none()
        && description.preconditioner.is_none()
        && matches!(description.method, Method::Auto | Method::Transform)
}

impl<T: Scalar> Transformed<T> {
    /// The problem that [`applies`] accepts.
    pub fn new(description: &Description<'_, T>) -> Result<Self> {
        let operator = description.operator;
        let (rows, unknowns) = operator.shape();
        let missing = || Error::Unsupported {
            what: "the fast transform",
            with: "a problem that no known transform diagonalises",
            instead: "use Method::Auto or Method::Cgls",
        };
        let diagonalization = operator.diagonalization().ok_or_else(missing)?;
        let scale = common_scale(description).ok_or_else(missing)?;
        let penalty = penalty_in(description, &diagonalization.basis()).ok_or_else(missing)?;
        let equal_leverages = equal_leverages(description, Some(&diagonalization.basis()));
        for factor in diagonalization.factors().into_iter().flatten() {
            let view = factor.matrix();
            let bad = |j: usize| (0..view.nrows()).find(|&i| !view[(i, j)].finite()).map(|i| Size::Position(i, j));
            if let Some(index) = (0..view.ncols()).find_map(bad) {
                return Err(Error::NonFinite { what: "a factor of the Kronecker product A", index });
            }
        }
        let prior = match &description.prior_mean {
            None => None,
            Some(mean) => {
                let mut image = vec![T::ZERO; rows];
                operator.apply(mean, &mut image);
                if let Some(index) = image.iter().position(|v| !v.finite()) {
                    return Err(Error::NonFinite { what: "the product of A with the prior mean", index: Size::Entry(index) });
                }
                Some((mean.clone(), image))
            }
        };
        let core = TransformCore::new(diagonalization, (rows, unknowns), penalty, scale.to_f64(), description.threads())
            .map_err(|refusal| refusal_error(Engine::Transform, refusal, unknowns))?;
        let (require_full_rank, general_penalty) = (description.require_full_rank, !description.penalty.is_identity());
        Ok(Self { core, scale, prior, rows, unknowns, require_full_rank, general_penalty, equal_leverages })
    }

    /// Whether a rule finds here what it looks at.
    pub fn serves(&self, rule: &Rule) -> bool {
        !rule.needs_leverages() || (self.equal_leverages && matches!(rule, Rule::Loo(_)))
    }

    /// λ on the spectra. With h the same for all rows, Σ|r/(1 − h)|² = m²‖r‖²/tr(I − H)², which is m times the GCV function.
    fn choose(&self, prepared: &Prepared<T>, rule: &Rule, shared: bool, unit: f64) -> Result<(Vec<f64>, Vec<Chosen>)> {
        let on = |rule: &Rule| choose_on(rule, &prepared.projection.spectra, shared, &prepared.norms, unit);
        if !matches!(rule, Rule::Loo(_)) {
            return on(rule);
        }
        let (dampings, mut chosen) = on(&Gcv.into())?;
        let rows = self.rows as f64;
        for chosen in &mut chosen {
            chosen.value *= rows;
            chosen.minima.iter_mut().chain(&mut chosen.evaluated).for_each(|(_, value)| *value *= rows);
        }
        Ok((dampings, chosen))
    }

    fn prepare(&self, b: MatRef<'_, T>) -> Result<Prepared<T>> {
        let k = b.ncols();
        let largest = |values: &[T]| linalg::largest_modulus(values);
        let columns: Vec<Vec<T>> = (0..k).map(|j| (0..b.nrows()).map(|i| b[(i, j)].scale(self.scale)).collect()).collect();
        let image: Option<Vec<T>> = self.prior.as_ref().map(|(_, image)| image.iter().map(|&v| v.scale(self.scale)).collect());
        let all = columns.iter().chain(image.as_ref()).map(|values| largest(values)).fold(T::Real::ZERO, |a, b| a.larger(b));
        if !all.finite() {
            return Err(Error::Parameter {
                name: "the largest entry of b (or Ax₀) times √weight/noise_std",
                value: f64::INFINITY,
                must_be: "in the range of the scalar type; rescale the weights, the noise levels or the data",
            });
        }
        let exponent = balancing_exponent(all);
        let balanced = |value: T| times_power_of_two(value, exponent);
        let mut data = Mat::from_fn(self.rows, k, |i, j| balanced(columns[j][i]));
        let norms = linalg::column_norms(data.as_ref());
        if let Some(image) = image {
            data = Mat::from_fn(self.rows, k, |i, j| data[(i, j)] - balanced(image[i]));
        }
        let projection = self.core.project(data).map_err(|refusal| refusal_error(Engine::Transform, refusal, self.unknowns))?;
        Ok(Prepared { projection, exponent, norms })
    }

    /// The answer for one or many right-hand sides.
    pub fn solve(&self, b: MatRef<'_, T>, choice: Choice, plan: Plan) -> Result<Outcome<T>> {
        let prepared = self.prepare(b)?;
        let k = b.ncols();
        let unit = times_power_of_two(1.0, prepared.exponent);
        let in_units = |norm: f64| times_power_of_two(norm, -prepared.exponent);
        let (dampings, chosen) = match choice.kind {
            Kind::Number(lambda) => (vec![lambda.damping(); k], Vec::new()),
            Kind::Rule(rule) => self.choose(&prepared, &rule.in_penalty_units(unit), choice.shared, unit)?,
        };
        let answer = self.core.solve(&prepared.projection, &dampings);
        let z = answer.map_err(|refusal| refusal_error(Engine::Transform, refusal, self.unknowns))?.z;
        let mut warnings = Vec::new();
        let (seen, tolerance) = self.core.rank();
        // at λ = 0 the penalty determines nothing: only the directions that A sees count
        let rank = if dampings.contains(&0.0) { seen } else { self.unknowns - self.core.shared_null_space() };
        if rank < self.unknowns {
            let penalised = self.general_penalty && dampings.iter().all(|&d| d > 0.0);
            warnings.push(singular(self.require_full_rank, penalised, rank, self.unknowns, tolerance)?);
        }
        let mut x = Vec::with_capacity(self.unknowns * k);
        for j in 0..k {
            for (i, &value) in z.col_as_slice(j).iter().enumerate() {
                let departure = times_power_of_two(value, -prepared.exponent);
                x.push(self.prior.as_ref().map_or(departure, |(mean, _)| mean[i] + departure));
            }
        }
        let intercepts = vec![T::ZERO; k];
        finite(&x, &intercepts, self.unknowns)?;
        let fits: Vec<Fit> = (0..k)
            .map(|j| {
                let spectrum = &prepared.projection.spectra[j];
                Fit {
                    lambda: match choice.kind {
                        Kind::Number(lambda) => lambda,
                        Kind::Rule(_) => Lambda::from_damping(dampings[j]),
                    },
                    residual_norm: in_units(spectrum.at(dampings[j]).residual.value.sqrt()),
                    penalty_norm: in_units(self.core.penalty_norm(&prepared.projection, j, dampings[j])),
                    dof: Some(spectrum.dof(dampings[j])),
                }
            })
            .collect();
        finite_norms(&fits)?;
        let criteria = criteria(chosen, choice, Lambda::from_damping, unit, in_units(1.0), &mut warnings);
        let report = Report {
            method: Engine::Transform.name(),
            rank: Some(rank),
            condition: Some(self.core.condition()),
            criteria,
            warnings,
            ..Report::new(Plan { choice: Some(choice), ..plan }, fits)
        };
        Ok(Outcome { x, unknowns: self.unknowns, intercepts, report })
    }

    /// Singular values and coefficients in the caller's units, with `outside` as a norm.
    pub fn spectra(&self, b: MatRef<'_, T>) -> Result<Vec<Spectrum>> {
        let Prepared { mut projection, exponent, .. } = self.prepare(b)?;
        for spectrum in &mut projection.spectra {
            spectrum.coefficients.iter_mut().for_each(|value| *value = times_power_of_two(*value, -exponent));
            spectrum.outside = times_power_of_two(spectrum.outside.sqrt(), -exponent);
        }
        Ok(projection.spectra)
    }

    /// Residual norm, penalty norm, degrees of freedom and GCV function at each λ.
    pub fn curves(&self, b: MatRef<'_, T>, lambdas: &[f64]) -> Result<Vec<Vec<[f64; 4]>>> {
        let Prepared { projection, exponent, .. } = self.prepare(b)?;
        let in_units = |norm: f64| times_power_of_two(norm, -exponent);
        let point = |spectrum: &Spectrum, lambda: f64| {
            let damping = Lambda::new(lambda).damping();
            let point = spectrum.at(damping);
            let residual_norm = in_units(point.residual.value.sqrt());
            let root = residual_norm / point.trace.value;
            let gcv = spectrum.rows as f64 * root * root;
            [residual_norm, in_units(point.penalty.value.sqrt()), spectrum.dof(damping), gcv]
        };
        Ok(projection.spectra.iter().map(|spectrum| lambdas.iter().map(|&lambda| point(spectrum, lambda)).collect()).collect())
    }
}
