//! A λ for each of several penalties: the reduced problem for [`multi_penalty`](crate::outer::multi_penalty), and then one ordinary
//! solve with the weighted sum.

use super::{inference::stored_entries, planned, solve};
use crate::check::{check, check_data, check_several};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::lambda::Lambda;
use crate::linalg::{self, Mat, MatRef};
use crate::operator::DenseView;
use crate::operator::dense::materialize;
use crate::outer::multi_penalty::{By, Expand, Failure, Found, Several};
use crate::penalty::{Penalty, Resolved};
use crate::plan::Plan;
use crate::rule::{Choice, Kind, Rule};
use crate::scalar::{Real, Scalar};
use crate::solution::{Criterion, Outcome, PenaltiesUsed};
use crate::transform::constant::Constant;
use crate::transform::reduced::Reduced;
use crate::warning::Warning;
use core::num::FpCategory;

/// A rule is to choose a λ for each of several penalties.
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> bool {
    !description.several.is_empty() && matches!(choice.map(|c| c.kind), Some(Kind::Rule(_)))
}

/// The criterion; what does not go with it is refused before.
fn criterion<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<(Rule, By)> {
    let rule = check_several(description, choice)?;
    let by = match rule {
        Rule::Evidence(_) => By::Evidence,
        Rule::Loo(_) => By::LeaveOneOut,
        _ => By::Gcv,
    };
    Ok((rule, by))
}

/// The weighted sum as one penalty, to be solved with λ = 1.
pub(super) fn weighted<'a, T: Scalar>(description: &Description<'a, T>, lambdas: &[Lambda]) -> Description<'a, T> {
    let terms = lambdas.iter().zip(&description.several).map(|(lambda, penalty)| (lambda.value(), penalty.clone()));
    Description { penalty: Penalty::sum(terms), several: Vec::new(), ..description.clone() }
}

pub(super) fn plan<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<Plan> {
    criterion(description, choice)?;
    stored_entries(description, "several penalties with a rule", "Penalty::sum")?;
    let one = Description { several: Vec::new(), ..description.clone() };
    let (_, mut plan) = planned(&one, Some(Lambda::new(1.0).into()))?;
    plan.choice = Some(choice);
    plan.transforms.push("a λ for each penalty by Newton's method");
    Ok(plan)
}

pub(super) fn solve_several<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
    let checked = check(description, Some(choice))?;
    check_data(description, b)?;
    let plan = plan(description, choice)?;
    let mut total: Option<Outcome<T>> = None;
    for found in choose(description, b, choice, checked.largest)? {
        let one = linalg::copy(b.subcols(found.column, 1));
        let mut outcome = solve(&weighted(description, &found.used.lambdas), one.as_ref(), Lambda::new(1.0).into(), None)?;
        let mut used = found.used;
        used.penalty_norms = norms(description, &outcome.x)?;
        outcome.report.penalties = vec![used];
        outcome.report.criteria = vec![found.criterion];
        outcome.report.warnings.extend(found.warnings);
        match &mut total {
            None => {
                outcome.report.plan = Plan { threads: outcome.report.plan.threads, ..plan.clone() };
                total = Some(outcome);
            }
            Some(total) => {
                let (all, report) = (&mut total.report, &outcome.report);
                all.rank = all.rank.min(report.rank);
                all.condition = all.condition.into_iter().chain(report.condition).reduce(f64::max);
                total.append(outcome);
            }
        }
    }
    match total {
        Some(total) => Ok(total),
        // no right-hand side: an answer without columns
        None => solve(&Description { several: Vec::new(), ..description.clone() }, b, Lambda::new(1.0).into(), None),
    }
}

/// ‖Lⱼ(x − x₀)‖.
fn norms<T: Scalar>(description: &Description<'_, T>, x: &[T]) -> Result<Vec<f64>> {
    let z: Vec<T> = match &description.prior_mean {
        Some(mean) => x.iter().zip(mean).map(|(&x, &mean)| x - mean).collect(),
        None => x.to_vec(),
    };
    let norm = |penalty: &Penalty<'_, T>| {
        Ok(match penalty.resolve(z.len())? {
            Resolved::Identity => linalg::norm(&z).to_f64(),
            Resolved::Diagonal(w) => linalg::norm(&z.iter().zip(&w).map(|(z, &w)| z.scale(w)).collect::<Vec<_>>()).to_f64(),
            Resolved::Operator(l) => {
                let mut image = vec![T::ZERO; l.shape().0];
                l.apply(&z, &mut image);
                linalg::norm(&image).to_f64()
            }
        })
    };
    description.several.iter().map(norm).collect()
}

/// λⱼ for one right-hand side.
pub(super) struct Chosen {
    column: usize,
    pub used: PenaltiesUsed,
    criterion: Criterion,
    warnings: Vec<Warning>,
}

/// λⱼ for each right-hand side; `largest` is the largest entry of DA.
pub(super) fn choose<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice, largest: f64) -> Result<Vec<Chosen>> {
    let (rule, by) = criterion(description, choice)?;
    let (m, n) = description.operator.shape();
    let entries = stored_entries(description, "several penalties with a rule", "Penalty::sum")?;
    let view = DenseView::from_matrix(entries.view());
    // the penalties are resolved here, one by one
    let plain = Description { operator: &view, penalty: Penalty::identity(), several: Vec::new(), ..description.clone() };
    let reduced = Reduced::new(&plain, entries.view(), largest)?;
    let (exponent, _) = reduced.exponents();
    let data = reduced.data(b)?;
    let wide = |a: MatRef<'_, T>| Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].real().to_f64());
    let mut terms = Vec::with_capacity(description.several.len());
    let mut sizes = Vec::with_capacity(description.several.len());
    for penalty in &description.several {
        let (l, size) = entries_of(penalty, n)?;
        terms.push(l);
        sizes.push(size);
    }
    let constant = reduced.constant.as_ref();
    let leverages = constant.map(|constant| (0..m).map(|i| constant.direction_at(i).to_f64().powi(2)).collect::<Vec<f64>>());
    let expand = |q: &Mat<f64>| constant.map_or_else(|| q.clone(), |constant| expanded(constant, q));
    let mut out = Vec::with_capacity(b.ncols());
    for column in 0..b.ncols() {
        let target: Vec<f64> = (0..data.b.nrows()).map(|i| data.b[(i, column)].real().to_f64()).collect();
        let expand: Option<Expand<'_>> = if by == By::LeaveOneOut { Some(&expand) } else { None };
        let several = Several::new(wide(reduced.matrix.view()), &target, terms.clone(), m, leverages.clone(), expand, reduced.threads)
            .map_err(|failure| error(failure, rule))?;
        let found = several.minimise(by).map_err(|failure| error(failure, rule))?;
        // θ belongs to Ā and to L of norm 1
        let lambda = |theta: f64, size: f64| Lambda::from_damping((0.5 * theta).exp() / size).scaled(-exponent);
        let lambdas = |theta: &[f64]| theta.iter().zip(&sizes).map(|(&theta, &size)| lambda(theta, size)).collect::<Vec<Lambda>>();
        let unit = data.unit();
        out.push(chosen(column, &found, &lambdas, &|log| log.exp() / unit / unit, description, rule)?);
    }
    Ok(out)
}

fn chosen<T: Scalar>(
    column: usize,
    found: &Found,
    lambdas: &dyn Fn(&[f64]) -> Vec<Lambda>,
    value: &dyn Fn(f64) -> f64,
    description: &Description<'_, T>,
    rule: Rule,
) -> Result<Chosen> {
    let best = &found.minima[0];
    let at = lambdas(&best.theta);
    if let Some(bad) = at.iter().find(|lambda| lambda.value().classify() != FpCategory::Normal) {
        return Err(Error::NoLambda {
            rule: rule.name(),
            low: bad.value(),
            high: bad.value(),
            why: "the λ that it chooses leaves the range of numbers in the units of A; rescale A or the penalties".into(),
        });
    }
    let warnings = best
        .edge
        .iter()
        .enumerate()
        .filter_map(|(penalty, edge)| edge.map(|upper| Warning::PenaltyAtEdge { penalty, lambda: at[penalty].value(), upper }));
    let numbers = |theta: &[f64]| lambdas(theta).iter().map(|lambda| lambda.value()).collect::<Vec<f64>>();
    Ok(Chosen {
        column,
        warnings: warnings.collect(),
        criterion: Criterion {
            rule: rule.name(),
            value: value(best.log),
            evaluated: Vec::new(),
            minima: Vec::new(),
            interval: None,
            probes: None,
        },
        used: PenaltiesUsed {
            lambdas: at,
            penalties: description.several.iter().map(|penalty| penalty.describe().into_owned()).collect(),
            penalty_norms: Vec::new(),
            slope: best.slope,
            minima: found.minima.iter().map(|minimum| (numbers(&minimum.theta), value(minimum.log))).collect(),
            evaluations: found.evaluations,
        },
    })
}

/// L divided by its norm (of the largest entry's order), without rows of zeros, and that norm.
fn entries_of<T: Scalar>(penalty: &Penalty<'_, T>, n: usize) -> Result<(Mat<f64>, f64)> {
    let l = match penalty.resolve(n)? {
        Resolved::Identity => Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { 0.0 }),
        Resolved::Diagonal(w) => Mat::from_fn(n, n, |i, j| if i == j { w[i].to_f64() } else { 0.0 }),
        Resolved::Operator(l) => {
            let l = materialize(&*l);
            Mat::from_fn(l.nrows(), l.ncols(), |i, j| l[(i, j)].real().to_f64())
        }
    };
    let kept: Vec<usize> = (0..l.nrows()).filter(|&i| (0..n).any(|j| l[(i, j)] != 0.0)).collect();
    let largest = (0..n).map(|j| linalg::largest_modulus(l.col_as_slice(j))).fold(0.0, f64::max);
    if !largest.is_finite() {
        return Err(Error::NonFinite { what: "the penalty matrix L", index: crate::error::Size::Entry(0) });
    }
    if largest == 0.0 {
        return Err(Error::Parameter {
            name: "the norm of one of several penalties",
            value: 0.0,
            must_be: "positive, or no λ of it makes a difference: leave it out",
        });
    }
    let scaled = Mat::from_fn(kept.len(), n, |i, j| l[(kept[i], j)] / largest);
    let norm = linalg::sum_of_squares(scaled.as_ref()).sqrt();
    Ok((Mat::from_fn(kept.len(), n, |i, j| scaled[(i, j)] / norm), norm * largest))
}

/// H[0; Q]: the reflection that removed the constant, in double precision.
fn expanded<T: Scalar>(constant: &Constant<T>, q: &Mat<f64>) -> Mat<f64> {
    let direction: Vec<f64> = (0..=q.nrows()).map(|i| constant.direction_at(i).to_f64()).collect();
    let factors: Vec<f64> =
        (0..q.ncols()).map(|j| (0..q.nrows()).map(|i| direction[i + 1] * q[(i, j)]).sum::<f64>() / (1.0 + direction[0])).collect();
    Mat::from_fn(q.nrows() + 1, q.ncols(), |i, j| match i.checked_sub(1) {
        None => -factors[j] * (1.0 + direction[0]),
        Some(k) => q[(k, j)] - factors[j] * direction[i],
    })
}

fn error(failure: Failure, rule: Rule) -> Error {
    match failure {
        Failure::CommonNullSpace(dimension) => Error::CommonNullSpace { dimension },
        Failure::Kernel => Error::NotConverged {
            method: "the singular values of a penalty",
            steps: 0,
            reached: f64::INFINITY,
            tolerance: f64::EPSILON,
            instead: "use Penalty::sum with the ratios of their λ",
        },
        Failure::Undefined => Error::NoLambda {
            rule: rule.name(),
            low: 0.0,
            high: f64::INFINITY,
            why: "the criterion is defined for no λ: A is zero, b is fitted exactly, or a row determines its own fitted value".into(),
        },
        Failure::NotConverged(steps, reached) => Error::NotConverged {
            method: "Newton's method for the λ of several penalties",
            steps,
            reached,
            tolerance: 1e-10,
            instead: "leave out a penalty that is like another, or use Penalty::sum with the ratios of their λ",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Evidence, Gcv, Loo};

    #[test]
    fn one_penalty_has_the_lambda_of_the_rules_for_one() {
        let (m, n) = (30, 7);
        let a: Vec<f64> = (0..m * n).map(|k| ((k * k + k) as f64 * 0.23).sin()).collect();
        let b: Vec<f64> = (0..m).map(|i| a[i] + 0.5 * a[i + m] + 0.7 * ((i * i) as f64 * 1.1).cos()).collect();
        let view = DenseView::column_major(&a, m, n).unwrap();
        let right = DenseView::column(&b);
        let weights: Vec<f64> = (0..m).map(|i| 0.5 + (i % 4) as f64).collect();
        for penalty in [Penalty::identity(), Penalty::second_difference()] {
            for choice in [Choice::from(Gcv), Evidence.into(), Loo.into()] {
                for intercept in [false, true] {
                    let single =
                        Description { penalty: penalty.clone(), intercept, weights: Some(weights.clone()), ..Description::new(&view) };
                    let expected = solve(&single, right.matrix(), choice, None).unwrap();
                    let several = Description { several: vec![penalty.clone()], ..single };
                    let largest = check(&several, None).unwrap().largest;
                    let found = choose(&several, right.matrix(), choice, largest).unwrap();
                    let (lambda, reference) = (found[0].used.lambdas[0].value(), expected.report.fits[0].lambda.value());
                    assert!((lambda - reference).abs() <= 1e-8 * reference, "{choice} {intercept}: {lambda:e} {reference:e}");
                    let (value, known) = (found[0].criterion.value, expected.report.criteria[0].value);
                    assert!((value - known).abs() <= 1e-9 * known, "{choice} {intercept}: {value:e} {known:e}");
                }
            }
        }
    }
}
