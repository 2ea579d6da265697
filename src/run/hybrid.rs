//! Hybrid LSQR and LSMR on an A that only multiplies, one right-hand side after another.

use super::criteria;
use super::products::{balance, exponent_of, scale};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::krylov::hybrid::{self, Aim, Found, Minimise, Ruled};
use crate::lambda::Lambda;
use crate::linalg::MatRef;
use crate::method::hybrid::Options;
use crate::method::{HybridLsqr, Method};
use crate::operator::algebra;
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::solution::{Comparison, Fit, Outcome, Report};
use crate::step::{Observer, Step};
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
    let default = HybridLsqr::new();
    let (options, minimise): (&Options, _) = match &description.method {
        Method::HybridLsqr(options) => (&options.0, Minimise::Objective),
        Method::HybridLsmr(options) => (&options.0, Minimise::NormalResidual),
        _ => (&default.0, Minimise::Objective),
    };
    let (n, k) = (plan.columns, b.ncols());
    refuse(description, choice, options, minimise, plan.method, k)?;
    let truth = options.truth::<T>(n)?;
    let problem = ByProducts::new(description)?;
    let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * k), Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut steps, mut stop, mut comparison) = (0, None, None);
    let (mut seen, mut warnings) = (Vec::new(), Vec::new());
    for j in 0..k {
        let column: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
        // b and A to about 1, x back, exactly
        let mut data = problem.data(&column);
        let exponent = exponent_of(&data);
        scale(&mut data, -exponent);
        let balance = balance(&problem, &data);
        let balanced = algebra::scaled(T::from_real(times_power_of_two(T::Real::ONE, balance)), &problem);
        let operator: &dyn crate::operator::Operator<Scalar = T> = if balance == 0 { &problem } else { &balanced };
        let hidden = times_power_of_two(problem.hidden_norm(), balance).to_f64();
        let truth = truth.as_ref().map(|truth| {
            let mut departure = problem.departure(truth);
            scale(&mut departure, -exponent - balance);
            departure
        });
        let unit = times_power_of_two(1.0, -exponent);
        let aim = match &choice.kind {
            Kind::Number(lambda) => Aim::Damping(lambda.scaled(balance).damping()),
            Kind::Rule(rule) => Aim::Rule(Ruled {
                rule,
                rows: plan.rows,
                unpenalised: usize::from(description.intercept),
                data_norm: problem.whitened_norm(&column) * unit,
                unit,
            }),
        };
        let mut watch = |step: &Step| match observer.as_deref_mut() {
            Some(observe) => observe(&Step {
                residual_norm: times_power_of_two(step.residual_norm, exponent),
                solution_norm: times_power_of_two(step.solution_norm, exponent + balance),
                ..*step
            }),
            None => ControlFlow::Continue(()),
        };
        let found = hybrid::solve(operator, hidden, &data, aim, minimise, options, truth.as_deref(), Some(&mut watch))?;
        let Found { x: mut z, damping, chosen, stop: why, residual_norm, normal_residual, errors, .. } = found;
        scale(&mut z, balance);
        let penalty_norm = times_power_of_two(problem.penalty_norm(&z), exponent);
        scale(&mut z, exponent);
        if penalty_norm.is_nan() {
            return Err(Error::NonFinite { what: "the product L·x", index: Size::Step(found.steps) });
        }
        steps += found.steps;
        if !why.converged() && options.accepts_partial() {
            warnings
                .push(Warning::Partial { reached: normal_residual, tolerance: options.tolerance().unwrap_or(options.settle_fraction()) });
        }
        stop = Some(why);
        comparison = Comparison::new(errors);
        let lambda_of = |damping: f64| Lambda::from_damping(damping).scaled(-balance);
        let lambda = match choice.kind {
            Kind::Number(lambda) => lambda,
            Kind::Rule(_) => lambda_of(damping),
        };
        seen.extend(criteria(chosen.into_iter().collect(), choice, lambda_of, unit, &mut warnings));
        fits.push(Fit { lambda, residual_norm: times_power_of_two(residual_norm, exponent), penalty_norm, dof: None });
        intercepts.push(problem.constant(&column, &z));
        x.extend(problem.answer(&z));
    }
    finite(&x, &intercepts, n)?;
    super::finite_norms(&fits)?;
    let report = Report {
        method: plan.method,
        fits,
        rank: None,
        condition: None,
        steps: Some(steps),
        stop,
        comparison,
        criteria: seen,
        warnings,
        plan,
    };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}

/// What cannot be combined.
fn refuse<T: Scalar>(
    description: &Description<'_, T>,
    choice: Choice,
    options: &Options,
    minimise: Minimise,
    method: &'static str,
    columns: usize,
) -> Result<()> {
    let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
    if description.require_full_rank {
        return refuse("require_full_rank()", method, "products alone do not show the rank: give the entries of A, or drop it");
    }
    if choice.shared && columns > 1 && matches!(choice.kind, Kind::Rule(_)) {
        return refuse(
            "one λ for all right-hand sides",
            method,
            "each has its own space: let each have its own λ, or give the entries of A",
        );
    }
    if options.truth::<T>(description.operator.shape().1)?.is_some() && columns > 1 {
        return refuse("compare_with", "several right-hand sides", "solve for one of them");
    }
    let general = !description.penalty.is_identity() || options.basis_limit().is_some();
    if general && minimise == Minimise::NormalResidual {
        return refuse("hybrid LSMR", "a penalty other than the identity, or a bounded basis", "use HybridLsqr");
    }
    Ok(())
}
