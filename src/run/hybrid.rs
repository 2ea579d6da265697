//! Hybrid LSQR and LSMR on an A that only multiplies, one right-hand side after another.

use super::column::Column;
use super::criteria;
use super::dense::given_or;
use crate::check::check_rank_by_products;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::factor::decomposed::{self, Decomposed};
use crate::krylov::hybrid::general::{self, Answer, Ask, Projected};
use crate::krylov::hybrid::{self, Aim, Found, Minimise, Ruled, Watch};
use crate::krylov::standard_form::{Root, StandardForm};
use crate::krylov::{self, System};
use crate::linalg::sparse::Rows;
use crate::linalg::{Mat, MatRef, Threads};
use crate::method::hybrid::Options;
use crate::method::{HybridLsqr, Lsmr, Method};
use crate::operator::{Operator, algebra};
use crate::plan::{FACTOR, PROJECTED, Plan};
use crate::refusal::Handed;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::solution::{Comparison, Fit, Outcome, Report};
use crate::step::{Observer, Step};
use crate::transform::Matrix;
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::{Frame, finite};
use crate::transform::sparse::penalty_rows;
use crate::transform::standard_form::PenaltyRows;
use crate::warning::Warning;
use core::cell::Cell;
use core::ops::ControlFlow;

pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    mut plan: Plan,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let default = HybridLsqr::new();
    let (options, minimise) = options_of(description, &default);
    let (n, k) = (plan.columns, b.ncols());
    refuse(description, choice, options, minimise, plan.method, k)?;
    let truth = options.truth::<T>(n)?;
    let problem = ByProducts::new(description)?;
    // a rule that counts degrees of freedom needs the curve of the problem: L becomes the identity where its entries permit. For the
    // others the space that grows by the gradient is the better one: with a smoothing L it needs fewer steps
    let root = match tries_factor(description, Some(choice)) {
        // a space that may become the whole one has the exact λ in the end, and log det(I − H) is known in no other
        true if plan.rows.min(n) <= options.limit() || !matches!(choice.kind, Kind::Rule(rule) if hybrid::counted_by_probes(&rule)) => {
            penalty_root(description, n)?
        }
        true => penalty_root_of_a_line(description, n)?,
        false => None,
    };
    let stands = Cell::new(root.is_some());
    let watched = observer.is_some();
    let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * k), Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut steps, mut stop, mut comparison) = (0, None, None);
    let (mut seen, mut warnings) = (Vec::new(), Vec::new());
    for j in 0..k {
        let column = Column::new(&problem, b, j);
        let hidden = column.hidden(problem.hidden_norm()).to_f64();
        let truth = truth.as_ref().map(|truth| {
            let mut departure = problem.departure(truth);
            column.inward(&mut departure);
            departure
        });
        let aim = match &choice.kind {
            Kind::Number(lambda) => Aim::Damping(column.damping(*lambda)),
            Kind::Rule(rule) => Aim::Rule(column.ruled(&problem, rule, description.intercept)),
        };
        let mut observe = |step: &Step| match observer.as_deref_mut() {
            Some(observe) => observe(&column.step(step)),
            None => ControlFlow::Continue(()),
        };
        let mut watch =
            Watch { observer: watched.then_some(&mut observe), truth: truth.as_deref(), back: None, errors: Vec::new(), ended: false };
        let found = column.balanced(&problem, |a| -> Result<Found<T>> {
            let project = |z: &mut [T]| problem.project(z);
            let whole = |aim: Aim<'_>, l: &dyn Operator<Scalar = T>, watch: &mut Watch<'_, '_, T>| {
                let rows = match aim {
                    Aim::Rule(ruled) => Some((ruled.rows, ruled.unpenalised)),
                    Aim::Damping(_) => None,
                };
                let mut small = |problem: &Projected<T>, ask: Ask<'_>| projected(problem, rows, ask);
                general::solve(a, hidden, l, &column.data, &project, aim, options, &mut small, watch)
            };
            if let (Some(root), Aim::Rule(ruled), Some(l)) = (&root, aim, problem.penalty())
                && let Some(form) = StandardForm::new(a, root, hidden, &column.data)
            {
                let ruled = Ruled { unpenalised: ruled.unpenalised + root.nullity(), ..ruled };
                let in_full = Full { a, l, hidden: column.hidden(problem.hidden_norm()), data: &column.data };
                return in_standard_form(&form, &in_full, ruled, &project, options, &mut watch);
            }
            stands.set(false);
            match (problem.penalty(), options.basis_limit(), aim) {
                (Some(l), _, _) => whole(aim, l, &mut watch),
                (None, None, _) => hybrid::solve(a, hidden, &project, &column.data, aim, minimise, options, &mut watch),
                (None, Some(_), Aim::Damping(_)) => whole(aim, &algebra::diagonal(vec![T::ONE; n]), &mut watch),
                (None, Some(most), Aim::Rule(_)) if !options.exact_steps() => {
                    // λ in the first basis, then on from there where a tolerance asks for it
                    let until = options.until_settled(most);
                    let first = hybrid::solve(a, hidden, &project, &column.data, aim, minimise, &until, &mut watch)?;
                    if options.tolerance().is_none() || !first.stop.converged() {
                        return Ok(first);
                    }
                    let found = whole(Aim::Damping(first.damping), &algebra::diagonal(vec![T::ONE; n]), &mut watch)?;
                    Ok(Found { chosen: first.chosen, steps: first.steps + found.steps, ..found })
                }
                (None, Some(_), Aim::Rule(_)) => whole(aim, &algebra::diagonal(vec![T::ONE; n]), &mut watch),
            }
        })?;
        comparison = Comparison::new(core::mem::take(&mut watch.errors));
        let Found { x: mut z, damping, chosen, stop: why, residual_norm, normal_residual, .. } = found;
        let penalty_norm = column.outward(&problem, &mut z, found.steps)?;
        steps += found.steps;
        if !why.converged() && options.accepts_partial() {
            warnings
                .push(Warning::Partial { reached: normal_residual, tolerance: options.tolerance().unwrap_or(options.settle_fraction()) });
        }
        stop = Some(why);
        let lambda = given_or(choice, || column.lambda(damping));
        seen.extend(criteria(
            chosen.into_iter().collect(),
            choice,
            |damping| column.lambda(damping),
            column.unit(),
            column.penalty_unit(),
            &mut warnings,
        ));
        fits.push(Fit { lambda, residual_norm: column.norm(residual_norm), penalty_norm, dof: None });
        intercepts.push(column.constant(&problem, &z));
        x.extend(problem.answer(&z));
    }
    finite(&x, &intercepts, n)?;
    super::finite_norms(&fits)?;
    plan.settle_factor(if stands.get() { FACTOR } else { PROJECTED });
    let report = Report { steps: Some(steps), stop, comparison, criteria: seen, warnings, ..Report::new(plan, fits) };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}

fn options_of<'d, T: Scalar>(description: &'d Description<'_, T>, default: &'d HybridLsqr) -> (&'d Options, Minimise) {
    match &description.method {
        Method::HybridLsqr(options) => (&options.0, Minimise::Objective),
        Method::HybridLsmr(options) => (&options.0, Minimise::NormalResidual),
        _ => (&default.0, Minimise::Objective),
    }
}

/// Whether the penalty is to become the identity by its factor, if it has one.
pub(super) fn tries_factor<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> bool {
    let default = HybridLsqr::new();
    let (options, minimise) = options_of(description, &default);
    match (choice.map(|choice| choice.kind), options.basis_limit()) {
        (Some(Kind::Rule(rule)), None) => {
            !description.penalty.is_identity() && minimise == Minimise::Objective && hybrid::counts_dof(&rule, options.projected_gcv())
        }
        _ => false,
    }
}

/// L's root, where L has entries that permit one.
pub(super) fn penalty_root<T: Scalar>(description: &Description<'_, T>, n: usize) -> Result<Option<Root<T>>> {
    Ok(rows_of_penalty(description, n)?.as_ref().and_then(Root::new))
}

/// Columns over which a row of L may reach on a line. Differences reach one or two; those across an image as far as it has rows. Between them
/// a choice.
const REACH: usize = 8;
/// Rows that may reach further, as the ends of a periodic line do: this part of all, and some.
const FURTHER: usize = 100;

/// L's root, where L couples its unknowns along a line. In two dimensions thousands of low frequencies of A·L_A^† stand above the damping, and
/// the space needs them one by one (`krylov/hybrid/counted.rs` has figures).
fn penalty_root_of_a_line<T: Scalar>(description: &Description<'_, T>, n: usize) -> Result<Option<Root<T>>> {
    let along_a_line = |l: &Rows<T>| {
        let reach = |columns: &[usize]| columns.iter().max().zip(columns.iter().min()).map_or(0, |(last, first)| last - first);
        (0..l.rows()).filter(|&i| reach(l.row(i).0) > REACH).count() <= l.rows() / FURTHER + REACH
    };
    Ok(rows_of_penalty(description, n)?.filter(along_a_line).as_ref().and_then(Root::new))
}

/// L by rows, where it has them.
fn rows_of_penalty<T: Scalar>(description: &Description<'_, T>, n: usize) -> Result<Option<Rows<T>>> {
    if description.penalty.is_identity() {
        return Ok(None);
    }
    match penalty_rows(description, n, n) {
        Ok((mut rows, exponent)) => {
            rows.values.iter_mut().for_each(|value| *value = times_power_of_two(*value, -exponent));
            Ok(Some(rows))
        }
        Err(Error::NeedsEntries { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The problem before its change to standard form.
struct Full<'f, T: Scalar> {
    a: &'f dyn Operator<Scalar = T>,
    l: &'f dyn Operator<Scalar = T>,
    hidden: T::Real,
    data: &'f [T],
}

/// λ and x on the problem in standard form. A tolerance is that of the problem as it was, and is met there.
fn in_standard_form<T: Scalar>(
    form: &StandardForm<'_, T>,
    full: &Full<'_, T>,
    ruled: Ruled<'_>,
    project: &dyn Fn(&mut [T]),
    options: &Options,
    watch: &mut Watch<'_, '_, T>,
) -> Result<Found<T>> {
    let mut data = full.data.to_vec();
    form.project(&mut data);
    let project = |z: &mut [T]| {
        project(z);
        form.project(z);
    };
    let back = |z: &[T]| form.answer(z, full.data);
    let mut inner =
        Watch { observer: watch.observer.as_deref_mut(), truth: watch.truth, back: Some(&back), errors: Vec::new(), ended: false };
    let settled = options.without_tolerance();
    let found = hybrid::solve(form, form.hidden, &project, &data, Aim::Rule(ruled), Minimise::Objective, &settled, &mut inner)?;
    watch.errors = core::mem::take(&mut inner.errors);
    let ended = inner.ended;
    let x = back(&found.x);
    let found = Found { x, damping: found.damping, chosen: found.chosen, ..found };
    let (Some(tolerance), true, false) = (options.tolerance(), found.stop.converged(), ended) else { return Ok(found) };
    // A sees all that L leaves free, so that the minimiser is unique
    let system = System { hidden: full.hidden, unique: true, ..System::new(full.a, Some(full.l), found.damping, full.data)? };
    let lsmr = Lsmr::new().tolerance(tolerance).max_steps(options.limit());
    let lsmr = if options.accepts_partial() { lsmr.accept_partial() } else { lsmr };
    let observer = watch.observer.as_mut().map(|observe| &mut **observe as &mut Observer<'_>);
    let end = krylov::solve(krylov::Kind::Lsmr, &system, Some(&found.x), lsmr.common(), observer)?;
    Ok(Found {
        x: end.x,
        steps: found.steps + end.steps,
        stop: end.stop,
        residual_norm: end.residual_norm,
        normal_residual: end.normal_residual,
        ..found
    })
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
    check_rank_by_products(description, method)?;
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

/// The projected problem by the dense engines. `rows` are those of the whole problem, with the directions taken out of it, where a rule
/// has to know.
pub(super) fn projected<T: Scalar>(problem: &Projected<T>, rows: Option<(usize, usize)>, mut ask: Ask<'_>) -> Result<Answer<T>> {
    let failed = |_| Error::NotConverged {
        method: "the decomposition of the projected problem",
        steps: problem.a.ncols(),
        reached: f64::INFINITY,
        tolerance: f64::EPSILON,
        instead: "use Method::Cgls with λ as a number",
    };
    // the standard form first; where L and A share directions in this space, both together
    match attempt(problem, rows, &mut ask, decomposed::Kind::Svd) {
        Ok(answer) => answer,
        Err(_) => attempt(problem, rows, &mut ask, decomposed::Kind::Gsvd).map_err(failed)?,
    }
}

fn attempt<T: Scalar>(
    problem: &Projected<T>,
    whole: Option<(usize, usize)>,
    ask: &mut Ask<'_>,
    kind: decomposed::Kind,
) -> Handed<Result<Answer<T>>> {
    let (rows, k) = problem.a.shape();
    // one more row for the part of b that no y reaches
    let a = Mat::from_fn(rows + 1, k, |i, j| if i < rows { problem.a[(i, j)] } else { T::ZERO });
    let outside = T::from_real(T::Real::from_f64(problem.outside));
    let b = Mat::from_fn(rows + 1, 1, |i, _| problem.data.get(i).copied().unwrap_or(outside));
    let penalty = match ask {
        Ask::At(0.0) => PenaltyRows::Identity,
        _ => PenaltyRows::Dense(problem.l.clone()),
    };
    let decomposed = Decomposed::new(kind, Matrix::Owned(a), &penalty, Threads::ONE)?;
    let (whole, unpenalised) = whole.unwrap_or((rows + 1, 0));
    let frame = Frame { rows: whole, merged: false, constant: None, groups: None };
    let prepared = decomposed.prepare(b.clone(), &frame)?;
    let mut spectrum = Decomposed::spectra(decomposed.prepare(b, &frame)?).pop().unwrap_or_default();
    spectrum.unpenalised += unpenalised;
    let (damping, chosen) = match ask {
        Ask::At(damping) => (*damping, None),
        Ask::Choose(choose) => match choose(&spectrum) {
            Ok(chosen) => (chosen.damping, Some(chosen)),
            Err(error) => return Ok(Err(error)),
        },
    };
    let z = decomposed.solve(&prepared, &[damping])?.z;
    Ok(Ok(Answer { y: (0..k).map(|i| z[(i, 0)]).collect(), damping, chosen, spectrum }))
}
