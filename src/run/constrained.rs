//! x between bounds, and x on linear equations: which way, the change of variables, and back.

use super::{criteria, finite_norms};
use crate::check::{check, check_data};
use crate::constraint::Equality;
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::lambda::Lambda;
use crate::linalg::{self, Accum, Mat, MatRef, Op};
use crate::method::Method;
use crate::operator::dense::materialize;
use crate::operator::{DenseView, Entries, Operator, algebra};
use crate::outer::bounds::{self, Bounded, Failure, Start, Way};
use crate::outer::constrained_lambda::{self, Sample, Scales};
use crate::outer::equality::{self, Eliminated};
use crate::outer::limits::{Limits, Place};
use crate::outer::projected::{self, Ends};
use crate::penalty::{Penalty, Resolved};
use crate::plan::{Plan, Storage};
use crate::rule::{Choice, Chosen, Kind, Rule};
use crate::scalar::{Real, Scalar};
use crate::solution::{Constrained, Fit, Outcome, Report};
use crate::step::{Observer, Stop};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::{Reduced, ReducedData, finite};
use crate::transform::standard_form::PenaltyRows;
use crate::warning::Warning;
use core::cell::RefCell;
use std::borrow::Cow;

/// Unknowns up to which AᵀA is formed: two n×n matrices of 128 MB.
const GRAM_UP_TO: usize = 4000;
/// Unknowns up to which a sparse A, or one that only multiplies, is written out for it. Above, a projected Krylov method needs no
/// more than products; below, its steps cost more. A guess.
const WRITTEN_OUT_UP_TO: usize = 1000;
/// Entries up to which that is done, and up to which a null space is stored: 200 MB in double precision.
const ENTRIES_UP_TO: usize = 25_000_000;

/// Whether x is constrained.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    description.bounds.is_some() || description.equality.is_some()
}

/// What will be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// No bound is finite: the equations are eliminated, if there are any.
    Unbounded,
    /// The Gram matrix or an active set, on entries.
    Dense(Way),
    /// Products alone.
    Projected,
}

/// The one place that decides.
fn route<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<Route> {
    let (m, n) = description.operator.shape();
    let Some(bounds) = &description.bounds else { return Ok(Route::Unbounded) };
    let (low, high) = bounds.resolve(n)?;
    if low.iter().chain(&high).all(|v| !v.finite()) {
        return Ok(Route::Unbounded);
    }
    let small = m.saturating_mul(n) <= ENTRIES_UP_TO;
    let written = n <= WRITTEN_OUT_UP_TO && small;
    let dense = match description.operator.entries() {
        Entries::Dense(_) => n <= GRAM_UP_TO,
        Entries::Sparse(_) => written,
        Entries::None => written && (n <= WRITTEN_OUT_UP_TO / 4 || needs_dof(choice)),
    };
    let route = match description.method {
        Method::Cholesky => Route::Dense(Way::Gram),
        Method::Qr => Route::Dense(Way::ActiveSet),
        Method::Cgls(_) => Route::Projected,
        _ if dense => Route::Dense(Way::Either),
        _ => Route::Projected,
    };
    if let (Route::Dense(_), Entries::None) = (route, description.operator.entries())
        && !small
    {
        return Err(Error::NeedsEntries { method: description.method.name(), what: "A", instead: "Method::Cgls or Method::Auto" });
    }
    if let Kind::Rule(rule) = choice.kind
        && !constrained_lambda::serves(&rule, route != Route::Projected)
    {
        return Err(Error::Unsupported {
            what: rule.name(),
            with: match route {
                Route::Projected => "bounds on an A that is large or only multiplies, where degrees of freedom are not known",
                _ => "bounds on x, with which x is not linear in b",
            },
            instead: match route {
                Route::Projected => "use Discrepancy or PenaltyNorm, or give λ as a number",
                _ => "use Gcv, Aicc, Bic, Discrepancy with a noise level or PenaltyNorm, or give λ as a number",
            },
        });
    }
    if route == Route::Projected && description.equality.is_some() {
        return Err(Error::Unsupported {
            what: "equality constraints together with bounds",
            with: "an A that is large or only multiplies",
            instead: "add the equations to A as rows of a large weight, or give the entries of a smaller A",
        });
    }
    if choice.shared {
        return Err(Error::Unsupported {
            what: "one λ for all right-hand sides",
            with: "bounds on x",
            instead: "choose λ on one of them and pass the number",
        });
    }
    Ok(route)
}

fn needs_dof(choice: Choice) -> bool {
    matches!(choice.kind, Kind::Rule(Rule::Gcv(_) | Rule::Aicc(_) | Rule::Bic(_)))
}

impl Route {
    fn method(self) -> &'static str {
        match self {
            Route::Unbounded => "elimination",
            Route::Dense(Way::Either | Way::Gram) => "principal pivoting",
            Route::Dense(Way::ActiveSet) => "active set",
            Route::Projected => "projected conjugate gradients",
        }
    }
}

/// The plan; with equations alone it is that of the problem without them, as far as it is known before they are factored.
pub(super) fn plan<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<Plan> {
    let choice = choice.ok_or(Error::Unsupported {
        what: "a factorization",
        with: "bounds or equality constraints",
        instead: "use Problem::solve or Problem::path with them",
    })?;
    let (rows, columns) = description.operator.shape();
    let route = route(description, choice)?;
    if route == Route::Unbounded {
        let mut plan = super::planned(&unconstrained(description), Some(choice))?.1;
        if description.equality.is_some() {
            plan.transforms.insert(0, ELIMINATE);
        }
        return Ok(plan);
    }
    let storage = match description.operator.entries() {
        Entries::None => Storage::MatrixFree,
        Entries::Dense(_) => Storage::Dense,
        Entries::Sparse(a) => Storage::Sparse(a.stored()),
    };
    let mut transforms = Vec::new();
    if matches!(route, Route::Dense(_)) && storage != Storage::Dense {
        transforms.push("write A out");
    }
    if description.weights.is_some() || description.noise_std.is_some() {
        transforms.push("whiten the rows");
    }
    if description.prior_mean.is_some() {
        transforms.push("shift by the prior mean");
    }
    if description.intercept {
        transforms.push("take the constant out");
    }
    let bounds = description.bounds.as_ref().map_or_else(String::new, |bounds| bounds.describe());
    let equations = description.equality.as_ref().map_or_else(String::new, |e| format!(", {} equations", e.values.len()));
    Ok(Plan {
        rows,
        columns,
        scalar: T::NAME,
        storage,
        penalty: Cow::Owned(format!("{}; bounds {bounds}{equations}", description.penalty.describe())),
        choice: Some(choice),
        method: route.method(),
        spectrum: None,
        why: match route {
            _ if description.method != Method::Auto => "asked for",
            Route::Projected => "bounds on an A that is large or only multiplies",
            _ => "bounds; many components change at once on the Gram matrix",
        },
        fallbacks: if route == Route::Dense(Way::Either) { vec![Route::Dense(Way::ActiveSet).method()] } else { Vec::new() },
        transforms,
        threads: description.threads().0,
    })
}

const ELIMINATE: &str = "eliminate the equations";

/// The same without constraints.
fn unconstrained<'a, T: Scalar>(description: &Description<'a, T>) -> Description<'a, T> {
    Description { bounds: None, equality: None, ..description.clone() }
}

/// One λ.
pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let checked = check(description, Some(choice))?;
    check_data(description, b)?;
    match route(description, choice)? {
        Route::Unbounded => match &description.equality {
            None => super::solve(&unconstrained(description), b, choice, observer),
            Some(equality) => eliminated(description, equality, b, choice, observer),
        },
        Route::Dense(way) => {
            let plan = plan(description, Some(choice))?;
            on_entries(description, checked.largest, |dense| dense.solve(b, choice, way, plan))
        }
        Route::Projected => by_products(description, b, choice, plan(description, Some(choice))?, observer),
    }
}

/// One solution for each λ: with bounds each starts from the set of the last.
pub(super) fn path<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, lambdas: &[Lambda]) -> Result<Vec<Outcome<T>>> {
    let Some(&first) = lambdas.first() else { return Ok(Vec::new()) };
    let checked = check(description, Some(first.into()))?;
    check_data(description, b)?;
    match route(description, first.into())? {
        Route::Dense(way) => on_entries(description, checked.largest, |dense| dense.path(b, lambdas, way)),
        _ => lambdas.iter().map(|&lambda| solve(description, b, lambda.into(), None)).collect(),
    }
}

/// Works on the entries of A, computed where A does not show them.
fn on_entries<T: Scalar, R>(
    description: &Description<'_, T>,
    largest: f64,
    work: impl FnOnce(&Dense<'_, '_, T>) -> Result<R>,
) -> Result<R> {
    if let Entries::Dense(a) = description.operator.entries() {
        let reduced = Reduced::new(description, a.matrix(), largest)?;
        return work(&Dense { description, reduced });
    }
    let copy = materialize(description.operator);
    let view = DenseView::from_matrix(copy.as_ref());
    let description = Description { operator: &view, ..description.clone() };
    let largest = check(&description, None)?.largest;
    let reduced = Reduced::new(&description, copy.as_ref(), largest)?;
    work(&Dense { description: &description, reduced })
}

/// The problem on entries.
struct Dense<'d, 'a, T: Scalar> {
    description: &'d Description<'a, T>,
    reduced: Reduced<'d, T>,
}

/// What was found for one right-hand side.
struct Found {
    answer: bounds::Answer,
    /// In the units of the reduced problem.
    damping: f64,
    lambda: Lambda,
    chosen: Option<Chosen>,
}

impl<T: Scalar> Dense<'_, '_, T> {
    fn solve(&self, b: MatRef<'_, T>, choice: Choice, way: Way, plan: Plan) -> Result<Outcome<T>> {
        let data = self.reduced.data(b)?;
        let bounded = self.bounded(&data)?;
        let found = (0..b.ncols()).map(|j| self.one(&bounded, &data, j, choice, way, None)).collect::<Result<Vec<Found>>>()?;
        self.outcome(&bounded, &data, found, choice, way, plan)
    }

    fn path(&self, b: MatRef<'_, T>, lambdas: &[Lambda], way: Way) -> Result<Vec<Outcome<T>>> {
        let data = self.reduced.data(b)?;
        let bounded = self.bounded(&data)?;
        let mut last: Vec<Option<Start>> = (0..b.ncols()).map(|_| None).collect();
        let mut outcomes = Vec::with_capacity(lambdas.len());
        for &lambda in lambdas {
            let choice = Choice::from(lambda);
            let found =
                (0..b.ncols()).map(|j| self.one(&bounded, &data, j, choice, way, last[j].as_ref())).collect::<Result<Vec<Found>>>()?;
            last = found.iter().map(|found| Some(found.answer.start())).collect();
            outcomes.push(self.outcome(&bounded, &data, found, choice, way, plan(self.description, Some(choice))?)?);
        }
        Ok(outcomes)
    }

    /// The bounded problem in double precision and in the units of the reduced one.
    fn bounded(&self, data: &ReducedData<T>) -> Result<Bounded> {
        let a = self.reduced.matrix.view();
        let n = a.ncols();
        let double = |v: T| v.real().to_f64();
        let penalty = match &self.reduced.penalty {
            PenaltyRows::Identity => PenaltyRows::Identity,
            PenaltyRows::Diagonal(w) => PenaltyRows::Diagonal(w.iter().map(|w| w.to_f64()).collect()),
            PenaltyRows::Dense(l) => PenaltyRows::Dense(Mat::from_fn(l.nrows(), n, |i, j| double(l[(i, j)]))),
        };
        let (low, high) = resolved(self.description)?;
        let departure = |side: &[T::Real]| side.iter().enumerate().map(|(j, v)| self.reduced.departure(j, v.to_f64(), data)).collect();
        let limits = Limits { low: departure(&low), high: departure(&high) };
        let equations = match &self.description.equality {
            None => None,
            Some(equality) => {
                let c = entries_of(equality)?;
                let (c, d) = equality::normalized(&c, &equality.values);
                let c = Mat::from_fn(c.nrows(), n, |i, j| double(c[(i, j)]));
                // Cz = (d − Cx₀) in the units of z
                let e: Vec<f64> = (0..c.nrows())
                    .map(|i| {
                        let shift: f64 = (0..n).map(|j| c[(i, j)] * self.reduced.prior_value(j)).sum();
                        self.reduced.in_departure_units(double(d[i]) - shift, data)
                    })
                    .collect();
                Some((c, e))
            }
        };
        let a = Mat::from_fn(a.nrows(), n, |i, j| double(a[(i, j)]));
        Ok(Bounded::new(a, penalty, limits, equations, self.reduced.threads))
    }

    fn constant(&self) -> f64 {
        if self.reduced.constant.is_some() { 1.0 } else { 0.0 }
    }

    fn one(&self, bounded: &Bounded, data: &ReducedData<T>, j: usize, choice: Choice, way: Way, start: Option<&Start>) -> Result<Found> {
        let column = bounded.data((0..data.b.nrows()).map(|i| data.b[(i, j)].real().to_f64()).collect());
        let failed = |failure| failed(failure, |gap| self.reduced.from_departure_units(gap, data));
        let (damping, lambda, chosen, start) = match choice.kind {
            Kind::Number(lambda) => (self.reduced.damping(lambda), lambda, None, start.cloned()),
            Kind::Rule(rule) => {
                let (a, l) = bounded.sizes();
                let scales = Scales {
                    rows: self.reduced.rows,
                    middle: a / l,
                    data_norm: data.norms[j],
                    unit: data.unit(),
                    penalty_unit: 1.0 / self.reduced.penalty_norm(1.0, data),
                };
                let dof = needs_dof(choice);
                let mut last: Option<Start> = start.cloned();
                let mut sample = |damping: f64| {
                    let answer = bounded.solve(&column, damping, way, last.as_ref()).map_err(failed)?;
                    let sample = Sample {
                        residual_norm: answer.residual_norm,
                        penalty_norm: answer.penalty_norm,
                        dof: if dof { bounded.dof(&answer, damping) + self.constant() } else { f64::NAN },
                    };
                    last = Some(answer.start());
                    Ok(sample)
                };
                let chosen = constrained_lambda::choose(&rule, &scales, &mut sample)?;
                self.reduced.representable(rule.name(), &[chosen.damping])?;
                (chosen.damping, self.reduced.lambda(chosen.damping), Some(chosen), last)
            }
        };
        let answer = bounded.solve(&column, damping, way, start.as_ref()).map_err(failed)?;
        Ok(Found { answer, damping, lambda, chosen })
    }

    /// In the caller's units, and within the bounds to the last bit.
    fn outcome(
        &self,
        bounded: &Bounded,
        data: &ReducedData<T>,
        found: Vec<Found>,
        choice: Choice,
        way: Way,
        plan: Plan,
    ) -> Result<Outcome<T>> {
        let n = self.reduced.unknowns;
        let z = Mat::from_fn(n, found.len(), |i, j| T::from_real(T::Real::from_f64(found[j].answer.z[i])));
        let (mut x, intercepts) = self.reduced.answers(z.as_ref(), data)?;
        let (low, high) = resolved(self.description)?;
        let mut warnings = Vec::new();
        let (mut fits, mut constrained) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        let mut all_ranks = Some(n);
        let mut method = plan.method;
        for (j, one) in found.iter().enumerate() {
            let answer = &one.answer;
            keep(&mut x[j * n..(j + 1) * n], &answer.places, &low, &high);
            let (rank, tolerance) = bounded.rank(answer, one.damping);
            all_ranks = all_ranks.map(|least: usize| least.min(rank));
            if rank < n {
                let warning = Warning::NotUnique { rank, unknowns: n, tolerance };
                if self.description.require_full_rank {
                    super::singular(true, one.damping > 0.0, rank, n, tolerance)?;
                }
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            if !answer.by_gram && way == Way::Either && self.description.equality.is_none() {
                method = Route::Dense(Way::ActiveSet).method();
            }
            fits.push(Fit {
                lambda: one.lambda,
                residual_norm: data.in_units(answer.residual_norm),
                penalty_norm: self.reduced.penalty_norm(answer.penalty_norm, data),
                dof: Some(bounded.dof(answer, one.damping) + self.constant()),
            });
            let defect = self.reduced.from_departure_units(bounded.defect(&answer.z), data);
            constrained.push(counted(&answer.places, answer.kkt, defect));
        }
        if method != plan.method {
            warnings.push(Warning::MethodChanged { from: plan.method, to: method, why: "the Gram matrix is ill-conditioned or singular" });
        }
        finite_norms(&fits)?;
        let chosen = found.into_iter().filter_map(|one| one.chosen).collect();
        let lambda_of = |damping| self.reduced.lambda(damping);
        let criteria = criteria(chosen, choice, lambda_of, data.unit(), self.reduced.penalty_norm(1.0, data), &mut warnings);
        let report = Report { method, rank: all_ranks, constrained, criteria, warnings, ..Report::new(plan, fits) };
        Ok(Outcome { x, unknowns: n, intercepts, report })
    }
}

/// The bounds, or none.
fn resolved<T: Scalar>(description: &Description<'_, T>) -> Result<(Vec<T::Real>, Vec<T::Real>)> {
    let n = description.operator.shape().1;
    match &description.bounds {
        Some(bounds) => bounds.resolve(n),
        None => Ok((vec![T::Real::from_f64(f64::NEG_INFINITY); n], vec![T::Real::from_f64(f64::INFINITY); n])),
    }
}

/// Components at a bound are that bound, the others lie within theirs.
fn keep<T: Scalar>(x: &mut [T], places: &[Place], low: &[T::Real], high: &[T::Real]) {
    for (j, x) in x.iter_mut().enumerate() {
        let value = x.real();
        *x = T::from_real(match places[j] {
            Place::Low => low[j],
            Place::High => high[j],
            _ if value < low[j] => low[j],
            _ if value > high[j] => high[j],
            _ => value,
        });
    }
}

fn counted(places: &[Place], kkt_residual: f64, equality_residual: f64) -> Constrained {
    let count = |which: Place| places.iter().filter(|place| **place == which).count();
    Constrained { kkt_residual, at_lower: count(Place::Low), at_upper: count(Place::High), equality_residual }
}

fn failed(failure: Failure, in_units: impl Fn(f64) -> f64) -> Error {
    match failure {
        Failure::IllConditioned(condition) => {
            Error::IllConditioned { method: "principal pivoting", condition: condition.sqrt(), instead: "use Method::Qr or Method::Auto" }
        }
        Failure::NotConverged { steps, reached } => Error::NotConverged {
            method: "the active set",
            steps,
            reached,
            tolerance: bounds::PROMISED,
            instead: "rounding rules here: raise λ, rescale the columns of A, or loosen bounds that differ by little",
        },
        Failure::Infeasible(gap) => Error::Infeasible {
            what: "Cx = d within the bounds",
            gap: in_units(gap),
            instead: "widen the bounds, or put the rows of C into A with a large weight to satisfy them as far as possible",
        },
    }
}

/// C with its entries.
fn entries_of<T: Scalar>(equality: &Equality<'_, T>) -> Result<Mat<T>> {
    let c = materialize(equality.matrix);
    for j in 0..c.ncols() {
        if let Some(i) = c.col_as_slice(j).iter().position(|v| !v.finite()) {
            return Err(Error::NonFinite { what: "the matrix C of the equality constraints", index: Size::Position(i, j) });
        }
    }
    Ok(c)
}

/// An operator of any real scalar type, in double precision.
struct InDouble<'o, T: Scalar> {
    operator: &'o dyn Operator<Scalar = T>,
    scratch: RefCell<(Vec<T>, Vec<T>)>,
}

impl<'o, T: Scalar> InDouble<'o, T> {
    fn new(operator: &'o dyn Operator<Scalar = T>) -> Self {
        let (m, n) = operator.shape();
        Self { operator, scratch: RefCell::new((vec![T::ZERO; m], vec![T::ZERO; n])) }
    }
}

impl<T: Scalar> Operator for InDouble<'_, T> {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        self.operator.shape()
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let (image, input) = &mut *self.scratch.borrow_mut();
        input.iter_mut().zip(x).for_each(|(to, &x)| *to = single(x));
        self.operator.apply(input, image);
        y.iter_mut().zip(image).for_each(|(y, v)| *y = v.real().to_f64());
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        let (input, image) = &mut *self.scratch.borrow_mut();
        input.iter_mut().zip(y).for_each(|(to, &y)| *to = single(y));
        self.operator.apply_adjoint(input, image);
        x.iter_mut().zip(image).for_each(|(x, v)| *x = v.real().to_f64());
    }
}

fn single<T: Scalar>(value: f64) -> T {
    T::from_real(T::Real::from_f64(value))
}

/// Products alone.
fn by_products<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    plan: Plan,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    if description.require_full_rank {
        return Err(Error::Unsupported {
            what: "require_full_rank()",
            with: plan.method,
            instead: "products alone do not show the rank: give the entries of A, or drop it",
        });
    }
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

/// Cx = d and no bounds: a problem like any other in the coordinates of the null space of C.
fn eliminated<T: Scalar>(
    description: &Description<'_, T>,
    equality: &Equality<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let (m, n) = description.operator.shape();
    let threads = description.threads();
    let c = entries_of(equality)?;
    let refused = |gap| Error::Infeasible {
        what: "Cx = d (the rows of C at norm 1)",
        gap,
        instead: "drop the equations that contradict others, or put their rows into A with a large weight to satisfy them as far as possible",
    };
    let null = equality::eliminate(&c, &equality.values, threads).map_err(refused)?;
    let free = null.basis.ncols();
    if n.saturating_mul(free) > ENTRIES_UP_TO {
        return Err(Error::Unsupported {
            what: "equality constraints",
            with: "so many unknowns, whose null space of C would have to be stored",
            instead: "put the rows of C into A with a large weight",
        });
    }
    // AN: its entries where they fit, or one product after the other
    let basis = DenseView::from_matrix(null.basis.as_ref());
    let entries = (m.saturating_mul(free) <= ENTRIES_UP_TO).then(|| image(description.operator, &null.basis));
    let view = entries.as_ref().map(|entries| DenseView::from_matrix(entries.as_ref()));
    let product = algebra::product(description.operator, basis)?;
    let operator: &dyn Operator<Scalar = T> = match &view {
        Some(view) => view,
        None => &product,
    };
    let mut offset = vec![T::ZERO; m];
    description.operator.apply(&null.particular, &mut offset);
    let shifted = Mat::from_fn(m, b.ncols(), |i, j| b[(i, j)] - offset[i]);

    let mean = description.prior_mean.clone().unwrap_or_else(|| vec![T::ZERO; n]);
    let (centre, constant, penalty_entries) = centre(description, &null, &mean, choice)?;
    let penalty_view = penalty_entries.as_ref().map(|l| DenseView::from_matrix(l.as_ref()));
    let here = Description {
        operator,
        penalty: penalty_view.as_ref().map_or_else(Penalty::identity, Penalty::matrix),
        prior_mean: Some(centre),
        equality: None,
        bounds: None,
        ..description.clone()
    };
    let norms = whitened_norms(description, b);
    let mut parts = Vec::new();
    // a noise level relative to b, and a ball around x₀, are other numbers without the part that the equations fix
    let each = adapted(choice, &norms, constant)?;
    let together = each.windows(2).all(|pair| pair[0] == pair[1]);
    if together {
        parts.push(super::solve(&here, shifted.as_ref(), each.first().copied().unwrap_or(choice), observer.take())?);
    } else {
        for (j, &choice) in each.iter().enumerate() {
            parts.push(super::solve(&here, shifted.as_ref().subcols(j, 1), choice, observer.as_deref_mut())?);
        }
    }
    let mut parts = parts.into_iter();
    let Some(mut outcome) = parts.next() else {
        return super::solve(&here, shifted.as_ref(), choice, None);
    };
    for part in parts {
        outcome.x.extend(part.x);
        outcome.intercepts.extend(part.intercepts);
        outcome.report.fits.extend(part.report.fits);
        outcome.report.criteria.extend(part.report.criteria);
        for warning in part.report.warnings {
            if !outcome.report.warnings.contains(&warning) {
                outcome.report.warnings.push(warning);
            }
        }
    }
    let columns = outcome.report.fits.len();
    let mut x = Vec::with_capacity(n * columns);
    for j in 0..columns {
        x.extend(null.answer(&outcome.x[j * free..(j + 1) * free], threads));
    }
    finite(&x, &outcome.intercepts, n)?;
    let report = &mut outcome.report;
    report.fits.iter_mut().for_each(|fit| fit.penalty_norm = fit.penalty_norm.hypot(constant));
    report.rank = report.rank.map(|rank| rank + null.rank);
    report.plan.columns = n;
    report.plan.penalty = description.penalty.describe();
    report.plan.choice = Some(choice);
    report.plan.transforms.insert(0, ELIMINATE);
    for warning in &mut report.warnings {
        if let Warning::MinimumNorm { rank, unknowns, .. } = warning {
            (*rank, *unknowns) = (*rank + null.rank, n);
        }
    }
    Ok(Outcome { x, unknowns: n, ..outcome })
}

/// y₀, the constant of ‖L(x − x₀)‖, and LN where L is not the identity.
#[allow(clippy::type_complexity)]
fn centre<T: Scalar>(
    description: &Description<'_, T>,
    null: &Eliminated<T>,
    mean: &[T],
    choice: Choice,
) -> Result<(Vec<T>, f64, Option<Mat<T>>)> {
    let n = mean.len();
    let threads = description.threads();
    let nearest = null.coordinates(mean, threads);
    let mut back = vec![T::ZERO; n];
    T::multiply(null.basis.as_ref(), &nearest, &mut back, threads);
    // x_p + NNᴴ(x₀ − x_p) − x₀
    let gap: Vec<T> = (0..n).map(|i| null.particular[i] + back[i] - mean[i]).collect();
    let l = match description.penalty.resolve(n)? {
        Resolved::Identity => return Ok((nearest, linalg::norm(&gap).to_f64(), None)),
        Resolved::Diagonal(w) => Mat::from_fn(n, null.basis.ncols(), |i, j| null.basis[(i, j)].scale(w[i])),
        Resolved::Operator(l) => image(&*l, &null.basis),
    };
    let entries = match description.penalty.resolve(n)? {
        Resolved::Identity => gap.clone(),
        Resolved::Diagonal(w) => gap.iter().zip(&w).map(|(&g, &w)| g.scale(w)).collect(),
        Resolved::Operator(l) => {
            let mut out = vec![T::ZERO; l.shape().0];
            l.apply(&gap, &mut out);
            out
        }
    };
    if let Kind::Number(lambda) = choice.kind
        && lambda.damping() == 0.0
    {
        // the minimiser nearest to x₀, whatever L is
        return Ok((nearest, linalg::norm(&entries).to_f64(), Some(l)));
    }
    // LN(y − nearest) + L·gap smallest, y near to nearest where that leaves it open
    let view = DenseView::from_matrix(l.as_ref());
    let away: Vec<T> = entries.iter().map(|&v| -v).collect();
    let least = super::solve(&Description::new(&view), DenseView::column(&away).matrix(), Choice::from(0.0), None)?;
    let constant = least.report.fits[0].residual_norm;
    let centre = nearest.iter().zip(&least.x).map(|(&y, &step)| y + step).collect();
    Ok((centre, constant, Some(l)))
}

/// The choice for each right-hand side of the problem without equations.
fn adapted(choice: Choice, norms: &[f64], constant: f64) -> Result<Vec<Choice>> {
    let Kind::Rule(rule) = choice.kind else { return Ok(vec![choice; norms.len()]) };
    if constant > 0.0
        && matches!(rule, Rule::LCurve(_) | Rule::LCurveCorner(_) | Rule::Reginska(_) | Rule::NormFraction(_))
        && constant > 1e-12 * norms.iter().copied().fold(f64::MIN_POSITIVE, f64::max)
    {
        return Err(Error::Unsupported {
            what: rule.name(),
            with: "equations that keep x away from the prior mean, so that ‖L(x − x₀)‖ does not go to 0",
            instead: "use Gcv, Evidence or a noise level, or give a prior mean that satisfies the equations",
        });
    }
    let one = |&norm: &f64| {
        let rule = match rule {
            Rule::Discrepancy(rule) => rule.absolute(norm).into(),
            Rule::PenaltyNorm(rule) => rule.without(constant)?.into(),
            other => other,
        };
        Ok(Choice { kind: Kind::Rule(rule), ..choice })
    };
    let each = norms.iter().map(one).collect::<Result<Vec<Choice>>>()?;
    if choice.shared && each.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::Unsupported {
            what: "one λ for all right-hand sides by a relative noise level",
            with: "equality constraints",
            instead: "give the noise norm as a number",
        });
    }
    Ok(each)
}

/// ‖W^½b‖ of each right-hand side.
fn whitened_norms<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>) -> Vec<f64> {
    let scale = crate::transform::whiten::row_scale(b.nrows(), description.weights.as_deref(), description.noise_std.as_deref());
    let entry = |i: usize, j: usize| scale.as_ref().map_or(b[(i, j)], |scale| b[(i, j)].scale(scale[i]));
    linalg::column_norms(Mat::from_fn(b.nrows(), b.ncols(), entry).as_ref())
}

/// The entries of a product with a dense matrix.
fn image<T: Scalar>(a: &dyn Operator<Scalar = T>, basis: &Mat<T>) -> Mat<T> {
    let mut image = linalg::zeros(a.shape().0, basis.ncols());
    if let Entries::Dense(entries) = a.entries() {
        let threads = linalg::Threads::available();
        T::product(image.as_mut(), Accum::Replace, T::ONE, entries.matrix(), Op::None, basis.as_ref(), Op::None, threads);
        return image;
    }
    for j in 0..basis.ncols() {
        a.apply(basis.col_as_slice(j), image.col_as_slice_mut(j));
    }
    image
}
