//! An A that only multiplies: conjugate gradients, one right-hand side after another.

use crate::description::Description;
use crate::error::{Error, Result};
use crate::krylov::cgls;
use crate::linalg::MatRef;
use crate::method::{Cgls, Method};
use crate::plan::Plan;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};
use crate::solution::{Fit, Outcome, Report};
use crate::step::Observer;
use crate::transform::by_products::ByProducts;
use crate::warning::Warning;

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
        let data = problem.data(&column);
        let outcome =
            cgls::solve(&problem, problem.penalty(), lambda.damping(), &data, guess.as_deref(), &options, observer.as_deref_mut())?;
        steps += outcome.steps;
        if !outcome.stop.converged() && options.accepts_partial() {
            warnings
                .push(Warning::Partial { reached: outcome.normal_residual, tolerance: options.tolerance_for(T::Real::EPSILON.to_f64()) });
        }
        stop = Some(outcome.stop);
        fits.push(Fit { lambda, residual_norm: outcome.residual_norm, penalty_norm: problem.penalty_norm(&outcome.x), dof: None });
        intercepts.push(problem.constant(&column, &outcome.x));
        x.extend(problem.answer(&outcome.x));
    }
    let report =
        Report { method: plan.method, fits, rank: None, condition: None, steps: Some(steps), stop, criteria: Vec::new(), warnings, plan };
    Ok(Outcome { x, unknowns: n, intercepts, report })
}
