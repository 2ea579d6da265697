//! λ by random probes on an A that only multiplies, then LSMR at that λ.

use super::column::Column;
use super::hybrid::penalty_root;
use super::{criteria, finite_norms};
use crate::check::check_rank_by_products;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::krylov::hybrid::{Back, Finish, Minimise, Ruled, Watch};
use crate::krylov::standard_form::{Root, StandardForm};
use crate::krylov::{self, System, probes};
use crate::linalg::MatRef;
use crate::method::{Lsmr, Method, Probes};
use crate::operator::Operator;
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};
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
    check_rank_by_products(description, plan.method)?;
    let (n, k) = (plan.columns, b.ncols());
    let root = penalty_root(description, n)?;
    let no_form = (
        "random probes",
        "a penalty that has no sparse factor, or a null space of more than eight dimensions or unseen by A",
        "use HybridLsqr, which projects the penalty, or Method::Auto",
    );
    if !description.penalty.is_identity() && root.is_none() {
        return refuse(no_form.0, no_form.1, no_form.2);
    }
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
        let column = Column::new(&problem, b, j);
        let ruled = column.ruled(&problem, &rule, description.intercept);
        let hidden = column.hidden(problem.hidden_norm());
        let mut observe = |step: &Step| match observer.as_deref_mut() {
            Some(observe) => observe(&column.step(step)),
            None => ControlFlow::Continue(()),
        };
        let (located, mut z, found_steps, why, residual_norm) = column.balanced(&problem, |whole| -> Result<_> {
            let form = match &root {
                None => None,
                Some(root) => match StandardForm::new(whole, root, hidden.to_f64(), &column.data) {
                    Some(form) => Some(form),
                    None => return Err(Error::Unsupported { what: no_form.0, with: no_form.1, instead: no_form.2 }),
                },
            };
            let mut data = column.data.clone();
            let project = |z: &mut [T]| {
                problem.project(z);
                if let Some(form) = &form {
                    form.project(z);
                }
            };
            project(&mut data);
            let nullity = root.as_ref().map_or(0, Root::nullity);
            let ruled = Ruled { unpenalised: ruled.unpenalised + nullity, ..ruled };
            let (a, cancels): (&dyn Operator<Scalar = T>, f64) = match &form {
                Some(form) => (form, form.hidden),
                None => (whole, hidden.to_f64()),
            };
            let back = |z: &[T]| form.as_ref().map_or_else(|| z.to_vec(), |form| form.answer(z, &column.data));
            let (located, mut space) = probes::locate(a, cancels, &data, &ruled, &options, &project)?;
            let damping = located.chosen.damping;
            // full orthogonality, and the space is there already
            let limit = plan.rows.min(n).min(space.room());
            let tolerance = Some(10.0 * T::Real::EPSILON.to_f64());
            let finish = Finish { minimise: Minimise::Objective, tolerance, limit, exact: false, partial: true };
            let outward: Option<Back<'_, T>> = form.as_ref().map(|_| &back as _);
            let mut watch = Watch { observer: Some(&mut observe), truth: None, back: outward, errors: Vec::new(), ended: false };
            let found = match space.complete() {
                true => Some(finish.at(&mut space, &data, damping, Stop::Settled, &mut watch)?),
                false => None,
            };
            if let Some(found) = found.as_ref().filter(|found| found.stop.converged() || found.stop == Stop::Observer) {
                return Ok((located, back(&found.x), found.steps, found.stop, found.residual_norm));
            }
            let start = found.map(|found| back(&found.x));
            let system = System { hidden, threads: description.threads(), ..System::new(whole, problem.penalty(), damping, &column.data)? };
            let found = krylov::solve(krylov::Kind::Lsmr, &system, start.as_deref(), Lsmr::new().common(), Some(&mut observe))?;
            Ok((located, found.x, found.steps, found.stop, found.residual_norm))
        })?;
        let penalty_norm = column.outward(&problem, &mut z, found_steps)?;
        steps += found_steps;
        stop = Some(why);
        let damping = located.chosen.damping;
        let lambda_of = |damping: f64| column.lambda(damping);
        let widen = |sign: f64| lambda_of(damping * (0.5 * sign * located.half_width).exp()).value();
        // at the lower end of what the spaces know, nothing is known below
        let interval = (if located.open_below { 0.0 } else { widen(-1.0) }, widen(1.0));
        if located.open_below || located.half_width > options.accuracy_or_default() {
            warnings.push(Warning::UncertainLambda { low: interval.0, high: interval.1, probes: located.count });
        }
        let used =
            ProbesUsed { seed: options.seed_or_default(), count: located.count, deflated: located.deflated, products: located.products };
        for mut criterion in criteria(vec![located.chosen], choice, lambda_of, column.unit(), column.penalty_unit(), &mut warnings) {
            criterion.interval = Some(interval);
            criterion.probes = Some(used);
            seen.push(criterion);
        }
        fits.push(Fit { lambda: lambda_of(damping), residual_norm: column.norm(residual_norm), penalty_norm, dof: located.dof });
        intercepts.push(column.constant(&problem, &z));
        x.extend(problem.answer(&z));
    }
    finite(&x, &intercepts, n)?;
    finite_norms(&fits)?;
    let report = Report { steps: Some(steps), stop, criteria: seen, warnings, ..Report::new(plan, fits) };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}
