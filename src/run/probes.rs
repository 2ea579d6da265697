//! λ by random probes on an A that only multiplies, then LSMR at that λ.

use super::products::{balance, exponent_of, scale};
use super::{criteria, finite_norms};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::krylov::hybrid::{Finish, Minimise, Ruled, Watch};
use crate::krylov::{self, System, probes};
use crate::lambda::Lambda;
use crate::linalg::MatRef;
use crate::method::{Lsmr, Method, Probes};
use crate::operator::{Operator, algebra};
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::solution::{Fit, Outcome, ProbesUsed, Report};
use crate::step::{Observer, Step, Stop};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::finite;
use crate::warning::Warning;
use core::ops::ControlFlow;

pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    plan: Plan,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
    let Kind::Rule(rule) = choice.kind else {
        return refuse("random probes", "λ as a number", "use Method::Lsmr");
    };
    if !description.penalty.is_identity() {
        return refuse("random probes", "a penalty other than the identity", "use HybridLsqr, which projects the penalty, or Method::Auto");
    }
    if description.require_full_rank {
        return refuse("require_full_rank()", plan.method, "products alone do not show the rank: give the entries of A, or drop it");
    }
    let (n, k) = (plan.columns, b.ncols());
    if choice.shared && k > 1 {
        return refuse("one λ for all right-hand sides", plan.method, "let each have its own λ, or give the entries of A");
    }
    let options = match &description.method {
        Method::Probes(options) => options.clone(),
        _ => Probes::new(),
    };
    let problem = ByProducts::new(description)?;
    let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * k), Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut steps, mut stop) = (0, None);
    let (mut seen, mut warnings) = (Vec::with_capacity(k), Vec::new());
    for j in 0..k {
        let column: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
        // b and A to about 1, x back, exactly
        let mut data = problem.data(&column);
        let exponent = exponent_of(&data);
        scale(&mut data, -exponent);
        let balance = balance(&problem, &data);
        let balanced = algebra::scaled(T::from_real(times_power_of_two(T::Real::ONE, balance)), &problem);
        let operator: &dyn Operator<Scalar = T> = if balance == 0 { &problem } else { &balanced };
        let hidden = times_power_of_two(problem.hidden_norm(), balance);
        let unit = times_power_of_two(1.0, -exponent);
        let ruled = Ruled {
            rule: &rule,
            rows: plan.rows,
            unpenalised: usize::from(description.intercept),
            data_norm: problem.whitened_norm(&column) * unit,
            unit,
        };
        let located = probes::locate(operator, hidden.to_f64(), &data, &ruled, &options, &|z| problem.project(z))?;
        let damping = located.chosen.damping;
        let mut observe = |step: &Step| match observer.as_deref_mut() {
            Some(observe) => observe(&Step {
                residual_norm: times_power_of_two(step.residual_norm, exponent),
                solution_norm: times_power_of_two(step.solution_norm, exponent + balance),
                ..*step
            }),
            None => ControlFlow::Continue(()),
        };
        let mut space = located.space;
        // full orthogonality, and the space is there already
        let limit = plan.rows.min(n).min(space.room());
        let tolerance = Some(10.0 * T::Real::EPSILON.to_f64());
        let finish = Finish { minimise: Minimise::Objective, tolerance, limit, exact: false, partial: true };
        let mut watch = Watch { observer: Some(&mut observe), truth: None, errors: Vec::new(), ended: false };
        let found = match space.complete() {
            true => Some(finish.at(&mut space, &data, damping, Stop::Settled, &mut watch)?),
            false => None,
        };
        let done = found.as_ref().is_some_and(|found| found.stop.converged() || found.stop == Stop::Observer);
        let (mut z, found_steps, why, residual_norm) = match found {
            Some(found) if done => (found.x, found.steps, found.stop, found.residual_norm),
            found => {
                let start = found.map(|found| found.x);
                let system = System { hidden, ..System::new(operator, None, damping, &data)? };
                let found = krylov::solve(krylov::Kind::Lsmr, &system, start.as_deref(), Lsmr::new().common(), Some(&mut observe))?;
                (found.x, found.steps, found.stop, found.residual_norm)
            }
        };
        scale(&mut z, balance);
        let penalty_norm = times_power_of_two(problem.penalty_norm(&z), exponent);
        scale(&mut z, exponent);
        steps += found_steps;
        stop = Some(why);
        let lambda_of = |damping: f64| Lambda::from_damping(damping).scaled(-balance);
        let lambda = lambda_of(damping);
        let widen = |sign: f64| lambda_of(damping * (0.5 * sign * located.half_width).exp()).value();
        // at the lower end of what the spaces know, nothing is known below
        let interval = (if located.open_below { 0.0 } else { widen(-1.0) }, widen(1.0));
        if located.open_below || located.half_width > options.accuracy_or_default() {
            warnings.push(Warning::UncertainLambda { low: interval.0, high: interval.1, probes: located.count });
        }
        let used =
            ProbesUsed { seed: options.seed_or_default(), count: located.count, deflated: located.deflated, products: located.products };
        for mut criterion in
            criteria(vec![located.chosen], choice, lambda_of, unit, times_power_of_two(1.0, exponent + balance), &mut warnings)
        {
            criterion.interval = Some(interval);
            criterion.probes = Some(used);
            seen.push(criterion);
        }
        fits.push(Fit { lambda, residual_norm: times_power_of_two(residual_norm, exponent), penalty_norm, dof: located.dof });
        intercepts.push(problem.constant(&column, &z));
        x.extend(problem.answer(&z));
    }
    finite(&x, &intercepts, n)?;
    finite_norms(&fits)?;
    let report = Report { steps: Some(steps), stop, criteria: seen, warnings, ..Report::new(plan, fits) };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}
