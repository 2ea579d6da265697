//! Robust misfits and penalties: the weighted ridge problems of [`irls`](crate::outer::irls), each solved as any other problem is.

use super::{planned, solve};
use crate::check::{check, check_data, check_reweighted};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::lambda::Lambda;
use crate::linalg::{self, MatRef};
use crate::method::Method;
use crate::misfit::Profile;
use crate::operator::{Entries, Operator, SparseView, algebra};
use crate::outer::irls::{Objective, Settled, Step, Weights, reweight};
use crate::outer::subspace;
use crate::penalty::{Penalty, Resolved, Shape};
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report, Reweighted};
use crate::transform::by_products::ByProducts;
use crate::transform::whiten::row_scale;
use crate::warning::Warning;

/// The last relative change of (x, c), where each step is solved directly. The error left is larger by q/(1 − q).
const TOLERANCE: f64 = 1e-9;
/// The same where each step is an iteration, whose own tolerance is not far below.
const TOLERANCE_OF_PRODUCTS: f64 = 1e-6;
/// The relative gradient where one space serves all steps.
const GRADIENT: f64 = 1e-5;
/// Single precision has no more than this.
const ROUNDINGS: f64 = 100.0;
/// Ridge problems. The slowest of tests/robust.rs, least absolute deviations of 30 rows, takes 2000 in a model of this loop.
const STEPS: usize = 10_000;

/// A misfit, or a penalty that is measured by reweighting.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    description.misfit.is_some() || description.penalty.is_reweighted()
}

/// The same problem with squares in all places.
fn squares<'a, T: Scalar>(description: &Description<'a, T>, terms: &[(f64, Penalty<'a, T>, Shape)]) -> Description<'a, T> {
    let penalty = match terms {
        [(weight, term, _)] if *weight == 1.0 => term.clone(),
        _ => Penalty::sum(terms.iter().map(|(weight, term, _)| (*weight, term.clone()))),
    };
    Description { penalty, misfit: None, several: Vec::new(), ..description.clone() }
}

fn profile(shape: &Shape) -> Option<Profile> {
    match shape {
        Shape::Profile(profile) => Some(*profile),
        _ => None,
    }
}

/// λ, where one space serves all steps: products with A alone, λ given, and no intercept that the weights of a misfit would move.
fn grows<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Option<Lambda> {
    let plain = matches!(description.operator.entries(), Entries::None)
        && description.method == Method::Auto
        && description.preconditioner.is_none()
        && !description.require_full_rank
        && !(description.intercept && description.misfit.is_some());
    match choice.kind {
        Kind::Number(lambda) if plain && lambda.damping() > 0.0 => Some(lambda),
        _ => None,
    }
}

pub(super) fn plan<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<Plan> {
    check_reweighted(description, choice)?;
    let terms = description.penalty.flat();
    let (_, mut plan) = planned(&squares(description, &terms), Some(choice))?;
    plan.penalty = description.penalty.describe();
    if grows(description, choice).is_some() {
        plan.method = "majorization in a growing space";
        plan.why = "only products with A are offered; the space serves every weighting";
        plan.fallbacks.clear();
    }
    plan.transforms.push("rows reweighted until x settles");
    Ok(plan)
}

pub(super) fn solve_reweighted<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
    check(description, Some(choice))?;
    check_data(description, b)?;
    let plan = plan(description, choice)?;
    let terms = description.penalty.flat();
    let mut total: Option<Outcome<T>> = None;
    for j in 0..b.ncols() {
        let one = linalg::copy(b.subcols(j, 1));
        let outcome = match grows(description, choice) {
            Some(lambda) => in_growing_space(description, &terms, one.as_ref(), lambda, &plan)?,
            None => one_column(description, &terms, one.as_ref(), choice)?,
        };
        match &mut total {
            None => total = Some(outcome),
            Some(total) => {
                let (all, report) = (&mut total.report, &outcome.report);
                all.rank = all.rank.min(report.rank);
                all.condition = all.condition.into_iter().chain(report.condition).reduce(f64::max);
                all.steps = all.steps.zip(report.steps).map(|(a, b)| a + b);
                total.append(outcome);
            }
        }
    }
    match total {
        Some(mut total) => {
            total.report.plan = plan;
            Ok(total)
        }
        None => solve(&squares(description, &terms), b, choice, None),
    }
}

/// One term with what it takes to weight its rows.
struct Weighable<'t, 'a, T: Scalar> {
    weight: f64,
    penalty: &'t Penalty<'a, T>,
    resolved: Resolved<'a, T>,
    profile: Option<Profile>,
    /// Rows of L in compressed form, where they are known.
    rows: Option<Rows<T>>,
}

struct Rows<T> {
    count: usize,
    starts: Vec<usize>,
    columns: Vec<usize>,
    values: Vec<T>,
}

impl<'t, 'a, T: Scalar> Weighable<'t, 'a, T> {
    fn new(n: usize, (weight, penalty, shape): &'t (f64, Penalty<'a, T>, Shape)) -> Result<Self> {
        let resolved = penalty.resolve(n)?;
        let profile = profile(shape);
        let rows = match (&resolved, profile) {
            (Resolved::Operator(_), Some(_)) => Rows::new(penalty, n)?,
            _ => None,
        };
        Ok(Self { weight: *weight, penalty, resolved, profile, rows })
    }

    /// |Lz|.
    fn components(&self, z: &[T]) -> Vec<f64> {
        match &self.resolved {
            Resolved::Identity => z.iter().map(|z| z.modulus().to_f64()).collect(),
            Resolved::Diagonal(w) => z.iter().zip(w).map(|(z, &w)| z.scale(w).modulus().to_f64()).collect(),
            Resolved::Operator(l) => {
                let mut image = vec![T::ZERO; l.shape().0];
                l.apply(z, &mut image);
                image.iter().map(|v| v.modulus().to_f64()).collect()
            }
        }
    }
}

impl<T: Scalar> Rows<T> {
    /// `None` where L only multiplies and has too many columns to be written out.
    fn new(penalty: &Penalty<'_, T>, n: usize) -> Result<Option<Self>> {
        let mut entries: Vec<(usize, usize, T)> = Vec::new();
        let count = match penalty.for_each(n, &mut |i, j, value| entries.push((i, j, value))) {
            Ok(count) => count,
            Err(Error::NeedsEntries { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        entries.sort_by_key(|&(i, j, _)| (i, j));
        let mut starts = vec![0; count + 1];
        entries.iter().for_each(|&(i, _, _)| starts[i + 1] += 1);
        (0..count).for_each(|i| starts[i + 1] += starts[i]);
        let columns = entries.iter().map(|&(_, j, _)| j).collect();
        let values = entries.into_iter().map(|(_, _, value)| value).collect();
        Ok(Some(Self { count, starts, columns, values }))
    }

    fn scaled(&self, factors: &[T::Real]) -> Vec<T> {
        (0..self.count).flat_map(|i| self.values[self.starts[i]..self.starts[i + 1]].iter().map(move |v| v.scale(factors[i]))).collect()
    }
}

/// A row weight as a number of the scalar type, neither 0 nor ∞.
fn in_range<R: Real>(weight: f64) -> R {
    let (low, high) = (R::MIN_POSITIVE.to_f64(), R::MAX.to_f64());
    R::from_f64(weight.clamp(low / R::EPSILON.to_f64(), high * R::EPSILON.to_f64()))
}

fn one_column<T: Scalar>(
    description: &Description<'_, T>,
    terms: &[(f64, Penalty<'_, T>, Shape)],
    b: MatRef<'_, T>,
    choice: Choice,
) -> Result<Outcome<T>> {
    let (m, n) = description.operator.shape();
    let terms: Vec<Weighable<'_, '_, T>> = terms.iter().map(|term| Weighable::new(n, term)).collect::<Result<_>>()?;
    let scale = row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
    let objective =
        Objective { misfit: description.misfit.as_ref(), terms: terms.iter().map(|term| (term.weight, term.profile)).collect() };
    let direct = !matches!(description.operator.entries(), Entries::None) && !description.method.multiplies();
    let tolerance = (if direct { TOLERANCE } else { TOLERANCE_OF_PRODUCTS }).max(ROUNDINGS * T::Real::EPSILON.to_f64());
    let mut before: Option<(Vec<T>, T)> = None;
    let mut inner_steps = 0;
    let mut step = |weights: &Weights| -> Result<Step<Outcome<T>>> {
        let outcome = weighted(description, &terms, weights, b, choice)?;
        inner_steps += outcome.report.steps.unwrap_or(0);
        let (x, c) = (&outcome.x, outcome.intercepts[0]);
        let mut image = vec![T::ZERO; m];
        description.operator.apply(x, &mut image);
        let residuals = (0..m)
            .map(|i| {
                let residual = b[(i, 0)] - image[i] - c;
                scale.as_ref().map_or(residual, |scale| residual.scale(scale[i])).modulus().to_f64()
            })
            .collect();
        let z: Vec<T> = match &description.prior_mean {
            Some(mean) => x.iter().zip(mean).map(|(&x, &mean)| x - mean).collect(),
            None => x.clone(),
        };
        let norm = |x: &[T], c: T| linalg::norm(x).to_f64().hypot(c.modulus().to_f64());
        let change = match &before {
            None => f64::INFINITY,
            Some((last, constant)) => {
                let moved: Vec<T> = x.iter().zip(last).map(|(&x, &last)| x - last).collect();
                let (moved, size) = (norm(&moved, c - *constant), norm(x, c));
                if moved == 0.0 { 0.0 } else { moved / size }
            }
        };
        before = Some((x.clone(), c));
        Ok(Step {
            residuals,
            components: terms.iter().map(|term| term.components(&z)).collect(),
            lambda: outcome.report.fits[0].lambda.value(),
            change,
            solution: outcome,
        })
    };
    let settled = reweight(&objective, tolerance, STEPS, &mut step)?;
    let residual_norm = {
        let (x, c) = (&settled.solution.x, settled.solution.intercepts[0]);
        let mut image = vec![T::ZERO; m];
        description.operator.apply(x, &mut image);
        let residual: Vec<T> = (0..m)
            .map(|i| {
                let residual = b[(i, 0)] - image[i] - c;
                scale.as_ref().map_or(residual, |scale| residual.scale(scale[i]))
            })
            .collect();
        linalg::norm(&residual).to_f64()
    };
    let steps = (inner_steps > 0).then_some(inner_steps);
    Ok(finish(settled, residual_norm, objective.is_convex(), steps))
}

/// Majorization in a growing space, by products alone.
fn in_growing_space<T: Scalar>(
    description: &Description<'_, T>,
    terms: &[(f64, Penalty<'_, T>, Shape)],
    b: MatRef<'_, T>,
    lambda: Lambda,
    plan: &Plan,
) -> Result<Outcome<T>> {
    let (m, n) = description.operator.shape();
    let inner = squares(description, terms);
    let problem = ByProducts::new(&inner)?;
    let given: Vec<T> = (0..m).map(|i| b[(i, 0)]).collect();
    let data = problem.data(&given);
    let mut weights = Vec::with_capacity(terms.len());
    let mut operators: Vec<Option<Box<dyn Operator<Scalar = T> + '_>>> = Vec::with_capacity(terms.len());
    for (weight, term, shape) in terms {
        weights.push((*weight, profile(shape)));
        operators.push(match term.resolve(n)? {
            Resolved::Identity => None,
            Resolved::Diagonal(w) => Some(Box::new(algebra::diagonal(w.into_iter().map(T::from_real).collect()))),
            Resolved::Operator(l) => Some(l),
        });
    }
    let objective = Objective { misfit: description.misfit.as_ref(), terms: weights };
    let space = subspace::Problem {
        a: &problem,
        terms: operators.iter().map(Option::as_deref).collect(),
        data: &data,
        lambda: lambda.value(),
        threads: description.threads(),
    };
    let tolerance = GRADIENT.max(ROUNDINGS * T::Real::EPSILON.to_f64());
    let settled = subspace::solve(&space, &objective, tolerance, STEPS)?;
    let mut image = vec![T::ZERO; m];
    problem.apply(&settled.solution, &mut image);
    let residual: Vec<T> = data.iter().zip(&image).map(|(&b, &f)| b - f).collect();
    let residual_norm = linalg::norm(&residual).to_f64();
    let fit = Fit { lambda, residual_norm, penalty_norm: settled.penalty.max(0.0).sqrt(), dof: None };
    let (x, constant) = (problem.answer(&settled.solution), problem.constant(&given, &settled.solution));
    crate::transform::reduced::finite(&x, &[constant], n)?;
    let report = Report::new(plan.clone(), vec![fit]);
    let outcome = Outcome { x, unknowns: n, intercepts: vec![constant], report };
    Ok(finish(settled.with(outcome), residual_norm, objective.is_convex(), None))
}

/// The ridge problem with these weights.
fn weighted<T: Scalar>(
    description: &Description<'_, T>,
    terms: &[Weighable<'_, '_, T>],
    weights: &Weights,
    b: MatRef<'_, T>,
    choice: Choice,
) -> Result<Outcome<T>> {
    let n = description.operator.shape().1;
    let given = |i: usize| description.weights.as_ref().map_or(1.0, |w| w[i].to_f64());
    let rows = match &weights.rows {
        Some(rows) => Some(rows.iter().enumerate().map(|(i, &w)| in_range(w * given(i))).collect()),
        None => description.weights.clone(),
    };
    let roots: Vec<Option<Vec<T::Real>>> =
        weights.terms.iter().map(|term| term.as_ref().map(|w| w.iter().map(|&w| in_range::<T::Real>(w.sqrt())).collect())).collect();
    let values: Vec<Vec<T>> = terms
        .iter()
        .zip(&roots)
        .map(|(term, roots)| term.rows.as_ref().zip(roots.as_ref()).map_or_else(Vec::new, |(l, roots)| l.scaled(roots)))
        .collect();
    let views: Vec<Option<SparseView<'_, T>>> = terms
        .iter()
        .zip(&values)
        .map(|(term, values)| match &term.rows {
            Some(l) if values.len() == l.values.len() => SparseView::csr(l.count, n, &l.starts, &l.columns, values).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    let products: Vec<Option<Box<dyn Operator<Scalar = T> + '_>>> = terms
        .iter()
        .zip(&roots)
        .map(|(term, roots)| match (&term.resolved, roots, &term.rows) {
            (Resolved::Operator(l), Some(roots), None) => {
                let diagonal = algebra::diagonal(roots.iter().map(|&root| T::from_real(root)).collect());
                Ok(Some(Box::new(algebra::product(diagonal, &**l)?) as Box<dyn Operator<Scalar = T> + '_>))
            }
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    let mut parts: Vec<(f64, Penalty<'_, T>)> = Vec::with_capacity(terms.len());
    for (k, term) in terms.iter().enumerate() {
        let penalty = match (&roots[k], &term.resolved) {
            (None, _) => term.penalty.clone(),
            (Some(roots), Resolved::Identity) => Penalty::diagonal(roots),
            (Some(roots), Resolved::Diagonal(w)) => Penalty::diagonal(&roots.iter().zip(w).map(|(&root, &w)| root * w).collect::<Vec<_>>()),
            (Some(_), Resolved::Operator(_)) => match (&views[k], &products[k]) {
                (Some(view), _) => Penalty::matrix(view),
                (None, Some(product)) => Penalty::matrix(product),
                (None, None) => term.penalty.clone(),
            },
        };
        parts.push((term.weight, penalty));
    }
    let penalty = match parts.as_slice() {
        [(weight, penalty)] if *weight == 1.0 => penalty.clone(),
        _ => Penalty::sum(parts),
    };
    let inner = Description { penalty, weights: rows, misfit: None, several: Vec::new(), ..description.clone() };
    solve(&inner, b, choice, None)
}

fn finish<T: Scalar>(settled: Settled<Outcome<T>>, residual_norm: f64, convex: bool, steps: Option<usize>) -> Outcome<T> {
    let mut outcome = settled.solution;
    let report = &mut outcome.report;
    report.fits[0].residual_norm = residual_norm;
    report.fits[0].penalty_norm = settled.penalty.max(0.0).sqrt();
    report.steps = report.steps.and(steps);
    if !convex {
        report.warnings.push(Warning::LocalMinimum);
    }
    report.reweighted = vec![Reweighted {
        objective: settled.objective,
        smoothed_objective: settled.smoothed,
        history: settled.history,
        misfit_smoothing: settled.smoothing.0,
        penalty_smoothing: settled.smoothing.1,
        scale: settled.scale,
        weights: settled.weights.rows.unwrap_or_default(),
        steps: settled.steps,
        change: settled.change,
        convex,
    }];
    outcome
}
