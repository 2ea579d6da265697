//! x between bounds, and x on linear equations: which way, the change of variables, and back. [`dense`] runs the engines on entries,
//! [`by_products`] the one that needs none, [`eliminated`] solves on the null space of the equations, [`folds`] refits without some of
//! the rows.

mod by_products;
mod dense;
mod eliminated;
mod folds;

use crate::check::{check, check_data};
use crate::constraint::Equality;
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::lambda::Lambda;
use crate::linalg::{Mat, MatRef};
use crate::method::Method;
use crate::operator::Entries;
use crate::operator::dense::materialize;
use crate::outer::bounds::Way;
use crate::outer::constrained_lambda;
use crate::outer::limits::Place;
use crate::plan::{Plan, Storage};
use crate::rule::{Choice, Kind, Rule};
use crate::scalar::{Real, Scalar};
use crate::solution::{Constrained, Outcome};
use crate::step::Observer;
use std::borrow::Cow;

/// Unknowns up to which AᵀA is formed: two n×n matrices of 128 MB.
const GRAM_UP_TO: usize = 4000;
/// Unknowns up to which a sparse A, or one that only multiplies, is written out for it. Above, a projected Krylov method needs no
/// more than products; below, its steps cost more. A guess.
const WRITTEN_OUT_UP_TO: usize = 1000;
/// Entries up to which that is done, and up to which a null space is stored: 200 MB in double precision.
const ENTRIES_UP_TO: usize = 25_000_000;

/// Whether x is constrained, and R a square: bounds beside ℓ1 are a matter of [`l1`](super::l1).
pub(super) fn applies<T: Scalar>(description: &Description<'_, T>) -> bool {
    (description.bounds.is_some() || description.equality.is_some()) && !super::l1::applies(description)
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
        Entries::None => written && (n <= WRITTEN_OUT_UP_TO / 4 || needs_entries(choice)),
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
                Route::Projected => {
                    "bounds on an A that is large or only multiplies, where neither degrees of freedom nor refits are to be had"
                }
                _ => "bounds on x, with which x is not linear in b",
            },
            instead: match route {
                Route::Projected => "use Discrepancy or PenaltyNorm, or give λ as a number",
                _ => "use Gcv, Aicc, Bic, KFold, Discrepancy with a noise level or PenaltyNorm, or give λ as a number",
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

/// Degrees of freedom, or fits to some of the rows.
fn needs_entries(choice: Choice) -> bool {
    needs_dof(choice) || matches!(choice.kind, Kind::Rule(Rule::KFold(_)))
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
            Some(equality) => eliminated::solve(description, equality, b, choice, observer),
        },
        Route::Dense(way) => {
            let plan = plan(description, Some(choice))?;
            dense::on_entries(description, checked.largest, |dense| dense.solve(b, choice, way, plan))
        }
        Route::Projected => by_products::solve(description, b, choice, plan(description, Some(choice))?, observer),
    }
}

/// One solution for each λ: with bounds each starts from the set of the last.
pub(super) fn path<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, lambdas: &[Lambda]) -> Result<Vec<Outcome<T>>> {
    let Some(&first) = lambdas.first() else { return Ok(Vec::new()) };
    let checked = check(description, Some(first.into()))?;
    check_data(description, b)?;
    match route(description, first.into())? {
        Route::Dense(way) => dense::on_entries(description, checked.largest, |dense| dense.path(b, lambdas, way)),
        _ => lambdas.iter().map(|&lambda| solve(description, b, lambda.into(), None)).collect(),
    }
}

/// A lower and an upper bound for each component.
type Sides<R> = (Vec<R>, Vec<R>);

/// The bounds, or none.
fn resolved<T: Scalar>(description: &Description<'_, T>) -> Result<Sides<T::Real>> {
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
