//! An A that only multiplies: conjugate gradients, one right-hand side after another.

use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::krylov::cgls;
use crate::linalg::{self, MatRef};
use crate::method::{Cgls, Method};
use crate::operator::{Operator, algebra};
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::scalar::times_power_of_two;
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report};
use crate::step::{Observer, Step};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::finite;
use crate::transform::whiten::balancing_exponent;
use crate::warning::Warning;
use core::ops::ControlFlow;

pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    plan: Plan,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let Kind::Number(lambda) = choice.kind else {
        return Err(Error::Unsupported { what: "a rule", with: "CGLS", instead: "give λ as a number, or the entries of A" });
    };
    if description.require_full_rank {
        return Err(Error::Unsupported {
            what: "require_full_rank()",
            with: "CGLS",
            instead: "products alone do not show the rank: give the entries of A, or drop it",
        });
    }
    let options = match &description.method {
        Method::Cgls(options) => options.clone(),
        _ => Cgls::new(),
    };
    let problem = ByProducts::new(description)?;
    let (n, k) = (plan.columns, b.ncols());
    let guess = options.start_guess::<T>(n)?.map(|guess| problem.departure(&guess));
    let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * k), Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut steps, mut stop) = (0, None);
    let mut warnings = Vec::new();
    for j in 0..k {
        let column: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
        // b is taken to about 1 and x back, exactly: the products of a small A with a small b would vanish
        let mut data = problem.data(&column);
        let exponent = exponent_of(&data);
        scale(&mut data, -exponent);
        let mut guess = guess.clone();
        if let Some(guess) = &mut guess {
            scale(guess, -exponent);
        }
        let in_units = |norm: f64| times_power_of_two(norm, exponent);
        let mut watch = |step: &Step| match observer.as_deref_mut() {
            Some(observe) => {
                observe(&Step { residual_norm: in_units(step.residual_norm), solution_norm: in_units(step.solution_norm), ..*step })
            }
            None => ControlFlow::Continue(()),
        };
        // the same for A, where its products are far from 1: their squares would leave the range
        let balance = balance(&problem, &data);
        let balanced = algebra::scaled(T::from_real(times_power_of_two(T::Real::ONE, balance)), &problem);
        if let Some(guess) = &mut guess {
            scale(guess, -balance);
        }
        let mut outcome = cgls::solve_projected(
            if balance == 0 { &problem } else { &balanced },
            times_power_of_two(problem.hidden_norm(), balance),
            problem.penalty(),
            lambda.scaled(balance).damping(),
            &data,
            guess.as_deref(),
            &options,
            Some(&mut watch),
        )?;
        scale(&mut outcome.x, balance);
        let penalty_norm = in_units(problem.penalty_norm(&outcome.x));
        scale(&mut outcome.x, exponent);
        if penalty_norm.is_nan() {
            return Err(Error::NonFinite { what: "the product L·x", index: Size::Step(outcome.steps) });
        }
        steps += outcome.steps;
        if !outcome.stop.converged() && options.accepts_partial() {
            warnings
                .push(Warning::Partial { reached: outcome.normal_residual, tolerance: options.tolerance_for(T::Real::EPSILON.to_f64()) });
        }
        stop = Some(outcome.stop);
        fits.push(Fit { lambda, residual_norm: in_units(outcome.residual_norm), penalty_norm, dof: None });
        intercepts.push(problem.constant(&column, &outcome.x));
        x.extend(problem.answer(&outcome.x));
    }
    finite(&x, &intercepts, n)?;
    let report = Report {
        method: plan.method,
        fits,
        rank: None,
        condition: None,
        steps: Some(steps),
        stop,
        comparison: None,
        criteria: Vec::new(),
        warnings,
        plan,
    };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}

/// The power of two that takes A to about 1 where its size, seen in Aᴴb, is far from that; 0 otherwise.
pub(super) fn balance<T: Scalar>(problem: &ByProducts<'_, T>, b: &[T]) -> i32 {
    let mut image = vec![T::ZERO; problem.shape().1];
    problem.apply_adjoint(b, &mut image);
    let largest = linalg::largest_modulus(&image);
    if largest.finite() { balancing_exponent(largest) } else { 0 }
}

/// The power of two of the largest entry.
pub(super) fn exponent_of<T: Scalar>(values: &[T]) -> i32 {
    let largest = linalg::largest_modulus(values).to_f64();
    if largest > 0.0 && largest.is_finite() { largest.log2().floor() as i32 } else { 0 }
}

pub(super) fn scale<T: Scalar>(values: &mut [T], exponent: i32) {
    for value in values {
        *value = times_power_of_two(*value, exponent);
    }
}
