//! The fast path for few unknowns and no options: see [`small`](crate::factor::small).

use super::{criteria, planned};
use crate::description::Description;
use crate::factor::decomposed::choose_on;
use crate::factor::small;
use crate::lambda::Lambda;
use crate::linalg::{self, MatRef};
use crate::operator::Entries;
use crate::refusal::{Handed, Refusal};
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report};

/// Few unknowns and nothing but A and λ.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    let (m, n) = description.operator.shape();
    description.is_plain() && (1..=small::LARGEST).contains(&n) && m >= n && m * n <= small::ENTRIES
}

/// The fast path. A refusal leaves the problem, and every complaint about it, to the ordinary one.
pub(super) fn solve<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Handed<Outcome<T>> {
    let Entries::Dense(a) = description.operator.entries() else { return Err(Refusal::NotCovered) };
    let (a, k) = (a.matrix(), b.ncols());
    if !applies(description) || a.shape() != description.operator.shape() || b.nrows() != a.nrows() || k == 0 {
        return Err(Refusal::NotCovered);
    }
    let small = small::Small::new(a).ok_or(Refusal::OutOfRange)?;
    let (answers, dampings, chosen, condition) = match choice.kind {
        Kind::Number(lambda) if lambda.value() > 0.0 && lambda.is_valid() && lambda.value().is_finite() => {
            let (answers, condition) = small.solve(lambda.value(), b)?;
            (answers, Vec::new(), Vec::new(), condition)
        }
        Kind::Rule(rule) if !rule.needs_leverages() && !rule.needs_every_value() && rule.check().is_ok() => {
            let eigen = small.eigen()?;
            let mut copy = Vec::new();
            let mut spectra = Vec::with_capacity(k);
            let mut norms = Vec::with_capacity(k);
            for j in 0..k {
                let column = linalg::column(b, j, &mut copy);
                norms.push(linalg::norm(column).to_f64());
                spectra.push(eigen.spectrum(column));
            }
            // what a rule cannot do here it cannot do elsewhere: the ordinary path words the complaint
            let (dampings, chosen) = choose_on(&rule, &spectra, choice.shared, &norms, 1.0).map_err(|_| Refusal::NotCovered)?;
            if !dampings.iter().all(|&damping| eigen.trusted(damping)) {
                return Err(Refusal::IllConditioned(eigen.condition() * eigen.condition()));
            }
            let answers = (0..k).map(|j| eigen.solve(linalg::column(b, j, &mut copy), dampings[j])).collect();
            (answers, dampings, chosen, eigen.condition())
        }
        _ => return Err(Refusal::NotCovered),
    };
    if !answers.iter().all(|answer: &small::Answer<T>| answer.residual_norm.is_finite() && answer.penalty_norm.is_finite()) {
        return Err(Refusal::OutOfRange);
    }
    let (_, plan) = planned(description, Some(choice)).map_err(|_| Refusal::NotCovered)?;
    let mut warnings = Vec::new();
    let criteria = criteria(chosen, choice, Lambda::from_damping, 1.0, 1.0, &mut warnings);
    let fits = (answers.iter().enumerate())
        .map(|(j, answer)| Fit {
            lambda: match choice.kind {
                Kind::Number(lambda) => lambda,
                Kind::Rule(_) => Lambda::from_damping(dampings[j]),
            },
            residual_norm: answer.residual_norm,
            penalty_norm: answer.penalty_norm,
            dof: Some(answer.dof),
        })
        .collect();
    let (intercepts, unknowns) = (vec![T::ZERO; b.ncols()], plan.columns);
    let x = answers.into_iter().flat_map(|answer| answer.x).collect();
    let report = Report { rank: Some(unknowns), condition: Some(condition), criteria, warnings, ..Report::new(plan, fits) };
    Ok(Outcome { x, unknowns, intercepts, report })
}
