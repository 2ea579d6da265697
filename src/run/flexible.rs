//! Flexible LSQR: penalties of coefficients that are no squares, on an A that only multiplies, one right-hand side after another.

use super::dense::given_or;
use super::hybrid::projected;
use super::{criteria, finite_norms};
use crate::check::{check, check_data, check_flexible};
use crate::curve::Spectrum;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::krylov::hybrid::general::{Ask, Projected};
use crate::krylov::hybrid::{self, Ruled, Watch};
use crate::lambda::Lambda;
use crate::linalg::MatRef;
use crate::method::{FlexibleLsqr, Method};
use crate::misfit::Profile;
use crate::operator::{Entries, Operator};
use crate::outer::flexible::{self, Aim, Problem};
use crate::outer::irls::Objective;
use crate::penalty::{Penalty, Resolved, Shape};
use crate::plan::{Plan, Storage};
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};
use crate::solution::{Comparison, Fit, Outcome, Report, Reweighted};
use crate::step::{Observer, Stop};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::finite;
use crate::warning::Warning;
use core::ops::ControlFlow;

/// Asked for by name, which alone leads here.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    matches!(description.method, Method::FlexibleLsqr(_))
}

fn options<'d, T: Scalar>(description: &'d Description<'_, T>) -> Result<&'d FlexibleLsqr> {
    match &description.method {
        Method::FlexibleLsqr(options) => Ok(options),
        other => Err(Error::Unsupported { what: other.name(), with: "flexible LSQR", instead: "use FlexibleLsqr::new()" }),
    }
}

/// The plan; nothing is computed.
pub(super) fn plan<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<Plan> {
    check_flexible(description, options(description)?, choice, 1)?;
    let (rows, columns) = description.operator.shape();
    let mut transforms = description.transforms("project the constant out");
    transforms.push("coefficients reweighted at every step");
    Ok(Plan {
        rows,
        columns,
        scalar: T::NAME,
        storage: match description.operator.entries() {
            Entries::None => Storage::MatrixFree,
            Entries::Dense(_) => Storage::Dense,
            Entries::Sparse(a) => Storage::Sparse(a.stored()),
        },
        penalty: description.penalty.describe(),
        choice: Some(choice),
        method: FlexibleLsqr::NAME,
        spectrum: None,
        why: "asked for",
        fallbacks: Vec::new(),
        transforms,
        threads: description.threads().0,
    })
}

/// R as ℓ1 and ℓp norms, squares and robust functions of scaled coefficients.
type Terms = (Vec<(f64, Option<Profile>)>, Vec<Option<Vec<f64>>>);

fn terms<T: Scalar>(description: &Description<'_, T>) -> Result<Terms> {
    let (mut measures, mut scales) = (Vec::new(), Vec::new());
    for term in description.penalty.terms(description.operator.shape().1)? {
        let scale = match &term.l {
            Resolved::Diagonal(w) => Some(w.iter().map(|w| w.to_f64()).collect::<Vec<f64>>()),
            _ => None,
        };
        let l1 = Some(Profile::Power { p: 1.0 });
        let parts = match term.shape {
            Shape::L1 => vec![(1.0, l1)],
            Shape::ElasticNet(rho) => vec![(rho, l1), (1.0 - rho, None)],
            Shape::Profile(profile) => vec![(1.0, Some(profile))],
            _ => vec![(1.0, None)],
        };
        for (part, profile) in parts {
            // what has no weight is not there
            if term.weight * part > 0.0 {
                measures.push((term.weight * part, profile));
                scales.push(scale.clone());
            }
        }
    }
    Ok((measures, scales))
}

pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    check(description, Some(choice))?;
    check_data(description, b)?;
    let options = options(description)?;
    let (n, k) = (description.operator.shape().1, b.ncols());
    check_flexible(description, options, choice, k)?;
    let plan = plan(description, choice)?;
    let threads = description.threads();
    let view = match description.operator.entries() {
        Entries::Dense(a) => Some(a.with_threads(threads)),
        _ => None,
    };
    let (measures, scales) = terms(description)?;
    let operator: &dyn Operator<Scalar = T> = view.as_ref().map_or(description.operator, |view| view);
    let problem = ByProducts::new(&Description { operator, penalty: Penalty::identity(), ..description.clone() })?;
    let truth = options.0.truth::<T>(n)?.map(|truth| problem.departure(&truth));
    let objective = Objective { misfit: None, terms: measures };
    let watched = observer.is_some();
    let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * k), Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut steps, mut stop, mut comparison, mut gap) = (0, None, None, None);
    let (mut seen, mut warnings, mut reweighted) = (Vec::new(), Vec::new(), Vec::with_capacity(k));
    for j in 0..k {
        let given: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
        let data = problem.data(&given);
        let space = Problem { a: &problem, hidden: problem.hidden_norm().to_f64(), data: &data, scales: scales.clone(), threads };
        let mut observe = |step: &crate::step::Step| match observer.as_deref_mut() {
            Some(observe) => observe(step),
            None => ControlFlow::Continue(()),
        };
        let mut watch =
            Watch { observer: watched.then_some(&mut observe), truth: truth.as_deref(), back: None, errors: Vec::new(), ended: false };
        let mut weights = Vec::new();
        let found = match &choice.kind {
            Kind::Number(lambda) => flexible::solve(&space, &objective, Aim::Lambda(lambda.value()), options, &mut watch)?,
            Kind::Rule(rule) => {
                let ruled = Ruled {
                    rule,
                    rows: given.len(),
                    unpenalised: usize::from(description.intercept),
                    data_norm: problem.whitened_norm(&given),
                    unit: 1.0,
                };
                let mut choose = |small: &Projected<T>, damping: Option<f64>| {
                    let mut by_rule = |spectrum: &Spectrum| match small.exhausted {
                        true => ruled.rule.choose(spectrum, ruled.data_norm, ruled.unit),
                        false => hybrid::choose_unbracketed(spectrum, &ruled, options.0.projected_gcv(), &mut weights),
                    };
                    projected(small, Some((ruled.rows, ruled.unpenalised)), damping.map_or(Ask::Choose(&mut by_rule), Ask::At))
                };
                flexible::solve(&space, &objective, Aim::Rule(&mut choose), options, &mut watch)?
            }
        };
        comparison = Comparison::new(core::mem::take(&mut watch.errors));
        if !found.stop.converged() && found.stop != Stop::Steps && options.0.accepts_partial() {
            warnings.push(Warning::Partial { reached: found.reached, tolerance: found.tolerance });
        }
        let settled = found.settled;
        steps += settled.steps;
        stop = Some(found.stop);
        gap = gap.into_iter().chain(found.gap).reduce(f64::max);
        let lambda = given_or(choice, || Lambda::new(found.lambda));
        seen.extend(criteria(found.chosen.into_iter().collect(), choice, Lambda::from_damping, 1.0, 1.0, &mut warnings));
        fits.push(Fit { lambda, residual_norm: found.residual_norm, penalty_norm: settled.penalty.max(0.0).sqrt(), dof: None });
        intercepts.push(problem.constant(&given, &settled.solution));
        x.extend(problem.answer(&settled.solution));
        reweighted.push(Reweighted {
            objective: settled.objective,
            smoothed_objective: settled.smoothed,
            history: settled.history,
            misfit_smoothing: 0.0,
            penalty_smoothing: settled.smoothing.1,
            scale: None,
            weights: Vec::new(),
            steps: settled.steps,
            change: settled.change,
            convex: objective.is_convex(),
        });
    }
    if !objective.is_convex() {
        warnings.push(Warning::LocalMinimum);
    }
    finite(&x, &intercepts, n)?;
    finite_norms(&fits)?;
    let report =
        Report { steps: Some(steps), stop, comparison, criteria: seen, warnings, reweighted, duality_gap: gap, ..Report::new(plan, fits) };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}
