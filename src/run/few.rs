//! The fast path for few unknowns and no options: see [`small`](crate::factor::small).

use super::{criteria, planned};
use crate::description::Description;
use crate::factor::small;
use crate::lambda::Lambda;
use crate::linalg::{self, MatRef};
use crate::operator::Entries;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report};

/// Few unknowns and nothing but A and λ.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    let (m, n) = description.operator.shape();
    description.is_plain() && n >= 1 && n <= small::LARGEST && m >= n && m * n <= small::ENTRIES
}

/// The fast path. `None` leaves the problem, and every complaint about it, to the ordinary one.
pub(super) fn solve<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Option<Outcome<T>> {
    if !applies(description) || b.ncols() == 0 || description.threads == Some(0) {
        return None;
    }
    let Entries::Dense(a) = description.operator.entries() else { return None };
    let a = a.matrix();
    if a.shape() != description.operator.shape() || b.nrows() != a.nrows() {
        return None;
    }
    let small = small::Small::new(a)?;
    let (mut answers, mut lambdas, mut chosen) = (Vec::with_capacity(b.ncols()), Vec::with_capacity(b.ncols()), Vec::new());
    let condition;
    match choice.kind {
        Kind::Number(lambda) => {
            if !(lambda.value() > 0.0 && lambda.is_valid() && lambda.value().is_finite()) {
                return None;
            }
            (answers, condition) = small.solve(lambda.value(), b).ok()?;
            lambdas.resize(b.ncols(), lambda);
        }
        Kind::Rule(rule) => {
            if rule.needs_leverages() || rule.check().is_err() || (choice.shared && b.ncols() > 1) {
                return None;
            }
            let eigen = small.eigen().ok()?;
            condition = eigen.condition();
            for j in 0..b.ncols() {
                let mut copy = Vec::new();
                let b = small::column(b, j, &mut copy);
                let norm = linalg::norm(b).to_f64();
                let one = rule.choose(&eigen.spectrum(b), norm, 1.0).ok()?;
                if !eigen.trusted(one.damping) {
                    return None;
                }
                answers.push(eigen.solve(b, one.damping));
                lambdas.push(Lambda::from_damping(one.damping));
                chosen.push(one);
            }
        }
    }
    if answers.iter().any(|answer| !(answer.residual_norm.is_finite() && answer.penalty_norm.is_finite())) {
        return None;
    }
    let (_, plan) = planned(description, Some(choice)).ok()?;
    let mut warnings = Vec::new();
    let criteria = criteria(chosen, choice, |damping| Lambda::from_damping(damping), 1.0, &mut warnings);
    let fits = answers
        .iter()
        .zip(lambdas)
        .map(|(answer, lambda)| Fit {
            lambda,
            residual_norm: answer.residual_norm,
            penalty_norm: answer.penalty_norm,
            dof: Some(answer.dof),
        })
        .collect();
    let (intercepts, unknowns) = (vec![T::ZERO; b.ncols()], plan.columns);
    let x = match answers.len() {
        1 => answers.swap_remove(0).x,
        _ => answers.into_iter().flat_map(|answer| answer.x).collect(),
    };
    let report = Report {
        method: plan.method,
        fits,
        rank: Some(unknowns),
        condition: Some(condition),
        steps: None,
        stop: None,
        criteria,
        warnings,
        plan,
    };
    Some(Outcome { x, unknowns, intercepts, report })
}
