//! By products alone: the projected method, in double precision whatever the scalar type of the products is.

use super::{counted, keep, resolved};
use crate::check::check_rank_by_products;
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::lambda::Lambda;
use crate::linalg::MatRef;
use crate::operator::Operator;
use crate::outer::constrained_lambda::{self, Sample, Scales};
use crate::outer::limits::Limits;
use crate::outer::projected::{self, Ends};
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::run::in_double::{InDouble, single};
use crate::run::{criteria, finite_norms};
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report};
use crate::step::{Observer, Stop};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::finite;
use crate::warning::Warning;

/// Products alone.
pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    plan: Plan,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    check_rank_by_products(description, plan.method)?;
    let n = plan.columns;
    let problem = ByProducts::new(description)?;
    let options = description.method.iterative().cloned().unwrap_or_default();
    let (low, high) = resolved(description)?;
    let side = |side: &[T::Real]| -> Vec<f64> {
        let values = side.iter().enumerate();
        values.map(|(j, v)| v.to_f64() - description.prior_mean.as_ref().map_or(0.0, |mean| mean[j].real().to_f64())).collect()
    };
    let limits = Limits { low: side(&low), high: side(&high) };
    let a = InDouble::new(&problem);
    let l = problem.penalty().map(InDouble::new);
    let penalty = l.as_ref().map(|l| l as &dyn Operator<Scalar = f64>);
    let system = |damping: f64| projected::System { a: &a, penalty, damping, limits: &limits };
    let a_norm = system(0.0).norm();
    let l_norm = l.as_ref().map_or(1.0, |l| projected::System { a: l, penalty: None, damping: 0.0, limits: &limits }.norm());
    if !(a_norm.is_finite() && l_norm.is_finite()) {
        return Err(Error::NonFinite { what: "the norm of A or L", index: Size::Step(0) });
    }
    let epsilon = T::Real::EPSILON.to_f64();
    let ends = Ends {
        tolerance: options.tolerance_for(epsilon.max(1e-13)),
        max_steps: options.max_steps_for(n.max(1000)),
        rounding: 1e4 * epsilon,
    };
    let guess: Option<Vec<f64>> =
        options.start_guess::<T>(n)?.map(|guess| problem.departure(&guess).iter().map(|v| v.real().to_f64()).collect());
    let run = |damping: f64, data: &[f64], start: Option<&[f64]>, observer: Option<&mut Observer<'_>>| -> Result<projected::Answer> {
        let norm = a_norm + damping * damping * l_norm;
        if norm == 0.0 {
            // neither A nor L sees anything: every x is a minimiser
            let still = projected::solve(&system(damping), data, 1.0, start, Ends { max_steps: 0, tolerance: 1.0, ..ends }, observer);
            return Ok(still);
        }
        let answer = projected::solve(&system(damping), data, norm, start, ends, observer);
        if answer.stop.converged() || answer.stop == Stop::Observer || options.accepts_partial() {
            return Ok(answer);
        }
        Err(Error::NotConverged {
            method: "projected conjugate gradients",
            steps: answer.steps,
            reached: answer.kkt,
            tolerance: ends.tolerance,
            instead: "raise λ, max_steps or tolerance of Method::Cgls, or accept this answer with accept_partial(); with the entries of a small A, Method::Qr",
        })
    };
    let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * b.ncols()), Vec::new(), Vec::new());
    let (mut constrained, mut warnings, mut chosen_all) = (Vec::new(), Vec::new(), Vec::new());
    let (mut steps, mut stop) = (0, None);
    for j in 0..b.ncols() {
        let given: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
        let data: Vec<f64> = problem.data(&given).iter().map(|v| v.real().to_f64()).collect();
        let mut last: Option<Vec<f64>> = guess.clone();
        let (lambda, damping) = match choice.kind {
            Kind::Number(lambda) => (lambda, lambda.damping()),
            Kind::Rule(rule) => {
                let scales = Scales {
                    rows: plan.rows,
                    middle: (a_norm / l_norm).sqrt(),
                    data_norm: problem.whitened_norm(&given),
                    unit: 1.0,
                    penalty_unit: 1.0,
                };
                let mut sample = |damping: f64| {
                    let answer = run(damping, &data, last.as_deref(), None)?;
                    steps += answer.steps;
                    let sample = Sample { residual_norm: answer.residual_norm, penalty_norm: answer.penalty_norm, dof: f64::NAN };
                    last = Some(answer.z);
                    Ok(sample)
                };
                let chosen = constrained_lambda::choose(&rule, &scales, &mut sample)?;
                let damping = chosen.damping;
                chosen_all.push(chosen);
                (Lambda::from_damping(damping), damping)
            }
        };
        let answer = run(damping, &data, last.as_deref(), observer.as_deref_mut())?;
        steps += answer.steps;
        if !answer.stop.converged() && options.accepts_partial() {
            warnings.push(Warning::Partial { reached: answer.kkt, tolerance: ends.tolerance });
        }
        stop = Some(answer.stop);
        let z: Vec<T> = answer.z.iter().map(|&z| single(z)).collect();
        intercepts.push(problem.constant(&given, &z));
        let mut column = problem.answer(&z);
        keep(&mut column, &answer.places, &low, &high);
        x.extend(column);
        fits.push(Fit { lambda, residual_norm: answer.residual_norm, penalty_norm: answer.penalty_norm, dof: None });
        constrained.push(counted(&answer.places, answer.kkt, 0.0));
    }
    finite(&x, &intercepts, n)?;
    finite_norms(&fits)?;
    let criteria = criteria(chosen_all, choice, Lambda::from_damping, 1.0, 1.0, &mut warnings);
    let report = Report { constrained, steps: Some(steps), stop, criteria, warnings, ..Report::new(plan, fits) };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}
