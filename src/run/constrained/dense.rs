//! On the entries of A: the bounded problem in double precision, one right-hand side after another.

use super::{Route, counted, entries_of, folds, keep, needs_dof, plan, resolved};
use crate::check::check;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::lambda::Lambda;
use crate::linalg::{Mat, MatRef};
use crate::operator::dense::materialize;
use crate::operator::{DenseView, Entries};
use crate::outer::bounds::{self, Bounded, Failure, Start, Way};
use crate::outer::constrained_lambda::{self, Sample, Scales};
use crate::outer::equality;
use crate::outer::limits::Limits;
use crate::plan::Plan;
use crate::rule::{Choice, Chosen, Kind, Rule};
use crate::run::{criteria, finite_norms, singular};
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report};
use crate::transform::reduced::{Reduced, ReducedData};
use crate::transform::standard_form::PenaltyRows;
use crate::warning::Warning;

/// Works on the entries of A, computed where A does not show them.
pub(super) fn on_entries<T: Scalar, R>(
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
pub(super) struct Dense<'d, 'a, T: Scalar> {
    pub(super) description: &'d Description<'a, T>,
    pub(super) reduced: Reduced<'d, T>,
}

/// What was found for one right-hand side.
pub(super) struct Found {
    answer: bounds::Answer,
    /// In the units of the reduced problem.
    damping: f64,
    lambda: Lambda,
    chosen: Option<Chosen>,
}

impl<T: Scalar> Dense<'_, '_, T> {
    pub(super) fn solve(&self, b: MatRef<'_, T>, choice: Choice, way: Way, plan: Plan) -> Result<Outcome<T>> {
        let data = self.reduced.data(b)?;
        let bounded = self.bounded(&data)?;
        let found = match choice.kind {
            Kind::Rule(Rule::KFold(rule)) => folds::choose(self, b, rule, way)?,
            _ => (0..b.ncols()).map(|j| self.one(&bounded, &data, j, choice, way, None)).collect::<Result<Vec<Found>>>()?,
        };
        self.outcome(&bounded, &data, found, choice, way, plan)
    }

    pub(super) fn path(&self, b: MatRef<'_, T>, lambdas: &[Lambda], way: Way) -> Result<Vec<Outcome<T>>> {
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
    pub(super) fn bounded(&self, data: &ReducedData<T>) -> Result<Bounded> {
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

    /// The caller's A.
    pub(super) fn entries(&self) -> Mat<T> {
        materialize(self.description.operator)
    }

    pub(super) fn failed(&self, failure: Failure, data: &ReducedData<T>) -> Error {
        failed(failure, |gap| self.reduced.out_of_departure_units(gap, data))
    }

    /// The fit at a λ that a rule chose.
    pub(super) fn at_chosen(
        &self,
        bounded: &Bounded,
        data: &ReducedData<T>,
        j: usize,
        chosen: Chosen,
        way: Way,
        rule: &'static str,
    ) -> Result<Found> {
        self.reduced.representable(rule, &[chosen.damping])?;
        let column = bounded.data((0..data.b.nrows()).map(|i| data.b[(i, j)].real().to_f64()).collect());
        let answer = bounded.solve(&column, chosen.damping, way, None).map_err(|failure| self.failed(failure, data))?;
        Ok(Found { answer, damping: chosen.damping, lambda: self.reduced.lambda(chosen.damping), chosen: Some(chosen) })
    }

    fn constant(&self) -> f64 {
        if self.reduced.constant.is_some() { 1.0 } else { 0.0 }
    }

    fn one(&self, bounded: &Bounded, data: &ReducedData<T>, j: usize, choice: Choice, way: Way, start: Option<&Start>) -> Result<Found> {
        let column = bounded.data((0..data.b.nrows()).map(|i| data.b[(i, j)].real().to_f64()).collect());
        let failed = |failure| self.failed(failure, data);
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
                    singular(true, one.damping > 0.0, rank, n, tolerance)?;
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
            let defect = self.reduced.out_of_departure_units(bounded.defect(&answer.z), data);
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
