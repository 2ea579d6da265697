//! Penalties that are no square of a norm: ℓ1, elastic net, groups, and sums with them.
//!
//! Where R separates into coefficients or groups, coordinate descent finds the minimiser; for any other L, alternating directions. Rules
//! look at refits along a path ([`path`](crate::outer::path)).

mod form;
mod real;

use super::{finite_norms, robust};
use crate::check::{check, check_choice, check_data, check_engine, check_refits};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::lambda::Lambda;
use crate::linalg::{self, MatRef};
use crate::method::{Certified, Method};
use crate::operator::Entries;
use crate::outer::folds;
use crate::outer::path::{self, Fits, Found, Settings};
use crate::penalty::Penalty;
use crate::plan::{Plan, Storage};
use crate::rule::{Choice, KFold, Kind, Rule};
use crate::scalar::{Real, Scalar};
use crate::solution::{Constrained, Criterion, Fit, Outcome, Report};
use crate::step::Stop;
use crate::transform::reduced::finite;
use crate::transform::whiten::row_scale;
use crate::warning::Warning;
use form::Form;
use real::{RealProblem, Source};

/// Passes of a descent unless another limit is given.
const MAX_PASSES: usize = 100_000;
/// Steps of alternating directions unless another limit is given.
const MAX_STEPS: usize = 20_000;

/// Whether the problem is one of these.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    !description.penalty.is_squared() && !robust::applies(description)
}

/// The options of the method, after the refusals.
fn settings<T: Scalar>(description: &Description<'_, T>, separable: bool) -> Result<Settings> {
    check_engine(description, separable)?;
    let (options, limit): (Certified, usize) = match (&description.method, separable) {
        (Method::CoordinateDescent(options), _) => (options.0, MAX_PASSES),
        (Method::Admm(options), _) => (options.0, MAX_STEPS),
        (_, true) => (Certified::default(), MAX_PASSES),
        (_, false) => (Certified::default(), MAX_STEPS),
    };
    Ok(Settings { tolerance: options.tolerance(), max_steps: options.max_steps(limit), accept_partial: options.accepts_partial() })
}

/// The plan; nothing is computed.
pub(super) fn plan<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<Plan> {
    let (rows, columns) = description.operator.shape();
    let separable = Form::of(description)?.is_separated();
    settings(description, separable)?;
    if choice.is_some_and(|choice| matches!(choice.kind, Kind::Number(lambda) if lambda.damping() == 0.0)) {
        return super::plan(&unpenalised(description), choice);
    }
    let Some(choice) = choice else {
        return Err(Error::Unsupported {
            what: "a factorization",
            with: "a penalty that is no square of a norm",
            instead: "use Problem::solve, or Problem::path for many λ",
        });
    };
    check_refits(choice)?;
    let storage = match description.operator.entries() {
        Entries::None => Storage::MatrixFree,
        Entries::Dense(_) => Storage::Dense,
        Entries::Sparse(a) => Storage::Sparse(a.stored()),
    };
    let mut transforms = Vec::new();
    if storage == Storage::MatrixFree {
        transforms.push("write A out by products with unit vectors");
    }
    transforms.extend(description.transforms("project the constant out"));
    let penalty = match &description.bounds {
        None => description.penalty.describe(),
        Some(bounds) => format!("{}; bounds {}", description.penalty.describe(), bounds.describe()).into(),
    };
    Ok(Plan {
        rows,
        columns,
        scalar: T::NAME,
        storage,
        penalty,
        choice: Some(choice),
        method: if separable { "coordinate descent" } else { "ADMM" },
        spectrum: None,
        why: if separable { "the penalty separates; exact, on a working set, with a duality gap" } else { "any L; one factorization" },
        fallbacks: Vec::new(),
        transforms,
        threads: description.threads().0,
    })
}

/// λ = 0: no penalty is left.
fn unpenalised<'a, T: Scalar>(description: &Description<'a, T>) -> Description<'a, T> {
    let method = match description.method {
        Method::CoordinateDescent(_) | Method::Admm(_) => Method::Auto,
        ref other => other.clone(),
    };
    Description { penalty: Penalty::identity(), method, ..description.clone() }
}

pub(super) fn solve<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
    if matches!(choice.kind, Kind::Number(lambda) if lambda.damping() == 0.0) {
        check_parameters(description)?;
        return super::solve(&unpenalised(description), b, choice, None);
    }
    let mut outcomes = many(description, b, Some(choice), &[])?;
    outcomes.pop().ok_or(Error::Unsupported { what: "no λ", with: "a solve", instead: "give λ" })
}

pub(super) fn path<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, lambdas: &[Lambda]) -> Result<Vec<Outcome<T>>> {
    for &lambda in lambdas {
        check_choice(Some(lambda.into()))?;
    }
    // from the largest λ down, each from where the one before ended; then back into the caller's order
    let mut order: Vec<usize> = (0..lambdas.len()).filter(|&k| lambdas[k].damping() > 0.0).collect();
    order.sort_by(|&a, &b| lambdas[b].damping().total_cmp(&lambdas[a].damping()));
    let sorted: Vec<Lambda> = order.iter().map(|&k| lambdas[k]).collect();
    let mut outcomes: Vec<Option<Outcome<T>>> = lambdas.iter().map(|_| None).collect();
    for (k, outcome) in order.into_iter().zip(many(description, b, None, &sorted)?) {
        outcomes[k] = Some(outcome);
    }
    let zero = |outcome: Option<Outcome<T>>| outcome.map_or_else(|| solve(description, b, 0.0.into()), Ok);
    outcomes.into_iter().map(zero).collect()
}

/// The parameters of R, also where λ = 0 leaves it without effect.
fn check_parameters<T: Scalar>(description: &Description<'_, T>) -> Result<()> {
    settings(description, Form::of(description)?.is_separated()).map(drop)
}

/// λ from which on every penalised component is zero, for each right-hand side.
pub(super) fn lambda_max<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>) -> Result<Vec<f64>> {
    check(description, None)?;
    check_data(description, b)?;
    let form = Form::of(description)?;
    let settings = settings(description, form.is_separated())?;
    if form.has_squares() {
        return Err(Error::Unsupported {
            what: "lambda_max",
            with: "components that are penalised by their square alone, which no λ makes 0",
            instead: "use a sum without squared terms, or log_grid for a range of λ",
        });
    }
    let source = Source::new(description)?;
    form.with(description, &source, None, settings, &mut |problem, start| {
        let mut copied = Vec::new();
        (0..b.ncols())
            .map(|k| {
                let (mut data, _) = problem.data(linalg::column(b, k, &mut copied))?;
                problem.design.project(&mut data);
                start(data).lambda_max()
            })
            .collect()
    })
}

/// One outcome for the choice, or one for each of the λ, which fall.
fn many<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Option<Choice>,
    lambdas: &[Lambda],
) -> Result<Vec<Outcome<T>>> {
    check(description, choice)?;
    check_data(description, b)?;
    let n = description.operator.shape().1;
    let plans: Vec<Plan> = match choice {
        Some(choice) => vec![plan(description, Some(choice))?],
        None => {
            let Some(&first) = lambdas.first() else { return Ok(Vec::new()) };
            let common = plan(description, Some(first.into()))?;
            lambdas.iter().map(|&lambda| Plan { choice: Some(lambda.into()), ..common.clone() }).collect()
        }
    };
    let form = Form::of(description)?;
    let settings = settings(description, form.is_separated())?;
    let source = Source::new(description)?;
    let mut collected: Vec<Collected<T>> = plans.into_iter().map(Collected::new).collect();
    form.with(description, &source, None, settings, &mut |problem, start| {
        let mut copied = Vec::new();
        for k in 0..b.ncols() {
            let column = linalg::column(b, k, &mut copied);
            let (data, norm) = problem.data(column)?;
            let mut projected = data.clone();
            problem.design.project(&mut projected);
            let mut fits = start(projected.clone());
            match choice.map(|choice| choice.kind) {
                Some(Kind::Rule(rule)) => {
                    let refits = Refits { description, form: &form, source: &source, settings, b: column };
                    let found = chosen(&refits, &rule, &mut *fits, norm)?;
                    // afresh: an answer must not depend on the path that found its λ
                    let lambda = Lambda::new(found.lambda);
                    collected[0].add(problem, &mut *start(projected), lambda, &data)?;
                    collected[0].criterion(&rule, found);
                }
                Some(Kind::Number(lambda)) => collected[0].add(problem, &mut *fits, lambda, &data)?,
                None => {
                    for (&lambda, collected) in lambdas.iter().zip(&mut collected) {
                        collected.add(problem, &mut *fits, lambda, &data)?;
                    }
                }
            }
        }
        Ok(())
    })?;
    collected.into_iter().map(|collected| collected.outcome(n)).collect()
}

/// What refits on some of the rows need.
struct Refits<'r, 'd, T: Scalar> {
    description: &'r Description<'d, T>,
    form: &'r Form,
    source: &'r Source<'d, T>,
    settings: Settings,
    b: &'r [T],
}

impl<T: Scalar> Refits<'_, '_, T> {
    /// λ by K-fold cross-validation.
    fn choose(&self, fits: &dyn Fits, rule: KFold, one_standard_error: bool, name: &'static str) -> Result<Found> {
        let description = self.description;
        let (m, n) = description.operator.shape();
        let folds = rule.assign(m, description.groups.as_deref());
        let sizes: Vec<usize> = folds.iter().map(Vec::len).collect();
        let scale = row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
        folds::choose(fits, (m, n), &sizes, one_standard_error, name, &mut |fold, grid| {
            let mut left_out = vec![false; m];
            folds[fold].iter().for_each(|&i| left_out[i] = true);
            let kept: Vec<usize> = (0..m).filter(|&i| !left_out[i]).collect();
            let (mut x, mut intercepts) = (Vec::with_capacity(n * grid.len()), Vec::with_capacity(grid.len()));
            self.form.with(description, self.source, Some(&kept), self.settings, &mut |problem, start| {
                let (data, _) = problem.data(self.b)?;
                let mut projected = data.clone();
                problem.design.project(&mut projected);
                let mut fits = start(projected);
                for &lambda in grid {
                    fits.fit(lambda, false)?;
                    let (coefficients, intercept) = problem.answer(fits.coefficients(), &data);
                    x.extend(coefficients);
                    intercepts.push(intercept);
                }
                Ok(())
            })?;
            let mut fitted = vec![T::ZERO; m * grid.len()];
            description.operator.apply_block(grid.len(), &x, &mut fitted);
            let error = |k: usize, i: usize| {
                let off = self.b[i] - fitted[k * m + i] - intercepts[k];
                let off = off.modulus().to_f64() * scale.as_ref().map_or(1.0, |d| d[i].to_f64());
                off * off
            };
            Ok((0..grid.len()).map(|k| folds[fold].iter().map(|&i| error(k, i)).sum()).collect())
        })
    }
}

/// λ by a rule.
fn chosen<T: Scalar>(refits: &Refits<'_, '_, T>, rule: &Rule, fits: &mut dyn Fits, norm: f64) -> Result<Found> {
    let (m, n) = refits.description.operator.shape();
    match *rule {
        Rule::KFold(folds) => refits.choose(fits, folds, false, rule.name()),
        Rule::OneStandardError(one) if one.folds().is_some() => {
            refits.choose(fits, one.folds().unwrap_or(KFold::new(10)), true, rule.name())
        }
        Rule::Aicc(_) => path::information(fits, (m, n), rule.name(), |dof, m| match m - dof - 2.0 {
            rest if rest > 1e-9 * m => 2.0 * (dof + 1.0) / rest,
            _ => f64::INFINITY,
        }),
        Rule::Bic(_) => path::information(fits, (m, n), rule.name(), |dof, m| m.ln() * dof / m),
        Rule::Discrepancy(rule) => path::discrepancy(fits, rule.residual_norm(m, norm)),
        _ => Err(Error::Unsupported {
            what: rule.name(),
            with: "a penalty that is no square of a norm",
            instead: "use KFold::new(10), Aicc, Bic, Discrepancy or λ as a number",
        }),
    }
}

/// The answers to all right-hand sides at one λ each.
struct Collected<T> {
    plan: Plan,
    x: Vec<T>,
    intercepts: Vec<T>,
    fits: Vec<Fit>,
    gap: f64,
    passes: usize,
    rounding: bool,
    criteria: Vec<Criterion>,
    constrained: Vec<Constrained>,
    warnings: Vec<Warning>,
}

impl<T: Scalar> Collected<T> {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            x: Vec::new(),
            intercepts: Vec::new(),
            fits: Vec::new(),
            gap: 0.0,
            passes: 0,
            rounding: false,
            criteria: Vec::new(),
            constrained: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn add(&mut self, problem: &RealProblem<'_, T>, fits: &mut dyn Fits, lambda: Lambda, data: &[f64]) -> Result<()> {
        if !lambda.value().is_finite() {
            return Err(Error::Parameter {
                name: "λ",
                value: lambda.value(),
                must_be: "finite: a penalty of this kind has no square root of it",
            });
        }
        let reached = fits.fit(lambda.value(), true)?;
        let (x, intercept) = problem.answer(fits.coefficients(), data);
        if let (Some((at_lower, at_upper)), Some(kkt_residual)) = (problem.at_bounds(&x), fits.kkt_residual()) {
            self.constrained.push(Constrained { kkt_residual, at_lower, at_upper, equality_residual: 0.0 });
        }
        self.x.extend(x);
        self.intercepts.push(intercept);
        self.fits.push(Fit { lambda, residual_norm: fits.residual_norm(), penalty_norm: fits.penalty().sqrt(), dof: fits.dof() });
        self.gap = self.gap.max(2.0 * reached.gap);
        self.passes += reached.passes;
        self.rounding |= reached.verdict == path::Verdict::Rounding;
        if let Some((reached, tolerance)) = fits.partial() {
            self.warnings.push(Warning::Partial { reached, tolerance });
        }
        Ok(())
    }

    fn criterion(&mut self, rule: &Rule, found: Found) {
        for warning in found.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        self.criteria.push(Criterion {
            rule: rule.name(),
            value: found.value,
            evaluated: found.evaluated,
            minima: Vec::new(),
            interval: None,
            probes: None,
        });
    }

    fn outcome(self, unknowns: usize) -> Result<Outcome<T>> {
        finite(&self.x, &self.intercepts, unknowns)?;
        finite_norms(&self.fits)?;
        let partial = self.warnings.iter().any(|warning| matches!(warning, Warning::Partial { .. }));
        let stop = match (partial, self.rounding) {
            (true, _) => Stop::StepLimit,
            (false, true) => Stop::Rounding,
            (false, false) => Stop::Tolerance,
        };
        let report = Report {
            steps: Some(self.passes),
            stop: Some(stop),
            duality_gap: Some(self.gap),
            criteria: self.criteria,
            constrained: self.constrained,
            warnings: self.warnings,
            ..Report::new(self.plan, self.fits)
        };
        Ok(Outcome { x: self.x, unknowns, intercepts: self.intercepts, report })
    }
}
