//! The one place where a problem is refused: shapes, finite values, parameters, combinations.
//!
//! Here what every call checks; beside it what is refused between bounds, with penalties that are no squares or several, and to Bayes.

mod bayes;
mod beyond_squares;
mod constraints;

pub(crate) use bayes::{check_log_prior, check_low_rank, check_posterior, check_relevance, check_samples, no_prior};
pub(crate) use beyond_squares::{
    check_engine, check_flexible, check_not_quadratic, check_one_penalty, check_refits, check_reweighted, check_several,
};

use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::linalg::{MatRef, Threads};
use crate::method::Method;
use crate::operator::Entries;
use crate::rule::{Choice, Kind};
use crate::scalar::{Real, Scalar};

/// What the pass over the entries found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Checked {
    /// The largest entry of DA in modulus of its parts (0 without entries).
    pub largest: f64,
}

/// Checks everything except b.
pub(crate) fn check<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<Checked> {
    let (m, n) = description.operator.shape();
    vector("the vector of weights", description.weights.as_deref(), &[m], "one weight for each row of A")?;
    vector(
        "the vector noise_std",
        description.noise_std.as_deref(),
        &[m, 1],
        "one standard deviation for each row of A, or a single one for all",
    )?;
    let scale = crate::transform::whiten::row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
    if let Some(bad) = scale.iter().flatten().find(|d| !(**d > T::Real::ZERO && d.finite())) {
        return Err(Error::Parameter {
            name: "√weight/noise_std of a row",
            value: bad.to_f64(),
            must_be: "positive and finite in the scalar type; rescale the weights or the noise levels",
        });
    }
    if description.intercept && scale.as_deref().is_some_and(|scale| !crate::linalg::norm(scale).finite()) {
        return Err(Error::Parameter {
            name: "the norm of all √weight/noise_std",
            value: f64::INFINITY,
            must_be: "in the range of the scalar type, with an intercept; rescale the weights or the noise levels",
        });
    }
    if let Some(mean) = &description.prior_mean {
        if mean.len() != n {
            return Err(Error::Shape {
                what: "the prior mean",
                found: Size::Length(mean.len()),
                expected: Size::Length(n),
                hint: "one value for each column of A",
            });
        }
        if let Some(index) = mean.iter().position(|v| !v.finite()) {
            return Err(Error::NonFinite { what: "the prior mean", index: Size::Entry(index) });
        }
    }
    if let Some(found) = description.groups.as_ref().map(Vec::len).filter(|&found| found != m) {
        return Err(Error::Shape {
            what: "the vector of groups",
            found: Size::Length(found),
            expected: Size::Length(m),
            hint: "one label for each row of A",
        });
    }
    if let Some(0) = description.threads {
        return Err(Error::Parameter { name: "threads", value: 0.0, must_be: "at least 1" });
    }
    if description.intercept && m == 0 {
        return Err(Error::Shape {
            what: "A",
            found: Size::Shape(m, n),
            expected: Size::Shape(1, n),
            hint: "an intercept needs at least one row",
        });
    }
    if let Some(misfit) = &description.misfit {
        misfit.check()?;
    }
    description.method.check()?;
    if description.intercept && description.method.iterative().is_some_and(|options| options.wants_variances()) {
        return Err(Error::Unsupported {
            what: "Lsqr::variances",
            with: "an intercept, whose uncertainty they would leave out",
            instead: "add a column of ones to A with penalty weight 0, or drop one of the two",
        });
    }
    if let Some(preconditioner) = &description.preconditioner {
        preconditioner.check(n)?;
        let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
        if description.method != Method::Auto && description.method.iterative().is_none() {
            return refuse(
                "a preconditioner",
                "a method that makes no steps",
                "use Lsmr::new(), Lsqr::new() or Cgls::new(), or leave the method to Auto",
            );
        }
        if preconditioner.needs_identity() && !description.penalty.is_identity() {
            return refuse(
                "a Nyström or sketched preconditioner",
                "a penalty other than the identity",
                "use Preconditioner::columns() or Preconditioner::inverse(..)",
            );
        }
    }
    check_merged(description, choice)?;
    constraints::check_constraints(description)?;
    check_choice(choice)?;
    // resolving the penalty checks its shape and weights
    description.penalty.resolve(n)?;
    let fits = |shape: (usize, usize)| match shape == (m, n) {
        true => Ok(()),
        false => Err(Error::Shape {
            what: "the view that entries() returns",
            found: Size::Shape(shape.0, shape.1),
            expected: Size::Shape(m, n),
            hint: "entries() and shape() of the operator must agree",
        }),
    };
    let largest = match description.operator.entries() {
        Entries::None => return Ok(Checked { largest: 0.0 }),
        Entries::Dense(a) => {
            let a = a.matrix();
            fits(a.shape())?;
            let largest = T::largest_entry(a, description.threads())
                .ok_or_else(|| Error::NonFinite { what: "A", index: first_nonfinite(a) })?
                .to_f64();
            whitened_largest(scale.as_deref(), a, largest)
        }
        Entries::Sparse(a) => {
            fits(a.shape())?;
            a.largest(scale.as_deref()).map_err(|(i, j)| Error::NonFinite { what: "A", index: Size::Position(i, j) })?
        }
    };
    if largest > T::Real::MAX.to_f64() {
        return Err(Error::Parameter {
            name: "the largest entry of A times √weight/noise_std",
            value: largest,
            must_be: "in the range of the scalar type; rescale the weights, the noise levels or A",
        });
    }
    Ok(Checked { largest })
}

/// What asks for more than the triangle of rows that were merged. Called before any route is taken: not every one reads the count of rows and the
/// image of the constant that stand beside the triangle.
pub(crate) fn check_merged<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<()> {
    if description.merged.is_none() {
        return Ok(());
    }
    if !description.quadratic() {
        return Err(Error::Unsupported {
            what: "a penalty or constraint that is no square of a norm",
            with: "rows that were merged as they came",
            instead: "keep the rows and solve a Problem, or use a quadratic penalty",
        });
    }
    if description.method.multiplies() {
        return Err(Error::Unsupported {
            what: description.method.name(),
            with: "rows that were merged as they came",
            instead: "leave the method to Auto, or use a direct one: the triangle that is left is small",
        });
    }
    match choice.map(|choice| choice.kind) {
        Some(Kind::Rule(rule)) if rule.needs_leverages() => Err(crate::rule::needs_unmerged_rows(rule.name())),
        _ => Ok(()),
    }
}

/// What standard errors are refused for, but what a solution is refused for.
pub(crate) fn check_inference<T: Scalar>(description: &Description<'_, T>) -> Result<()> {
    if T::IS_COMPLEX {
        return Err(Error::Unsupported {
            what: "inference",
            with: "complex data, whose noise has three numbers instead of one",
            instead: "stack real and imaginary parts into a real problem",
        });
    }
    check_quadratic(description, "inference", "drop the misfit or the penalty that is no square, or give their weights to a plain problem")
}

/// The rank was asked for, and the method has products alone.
pub(crate) fn check_rank_by_products<T: Scalar>(description: &Description<'_, T>, method: &'static str) -> Result<()> {
    match description.require_full_rank {
        false => Ok(()),
        true => Err(Error::Unsupported {
            what: "require_full_rank()",
            with: method,
            instead: "products alone do not show the rank: give the entries of A, or drop it",
        }),
    }
}

/// Refuses what the engines for plain quadratic problems would silently leave out.
pub(crate) fn check_quadratic<T: Scalar>(description: &Description<'_, T>, what: &'static str, instead: &'static str) -> Result<()> {
    if description.bounds.is_some() || description.equality.is_some() {
        return Err(Error::Unsupported {
            what,
            with: "bounds or equality constraints",
            instead: "use Problem::solve or Problem::path with them",
        });
    }
    match description.quadratic() {
        true => Ok(()),
        false => Err(Error::Unsupported { what, with: "a penalty that is no square of a norm, or a misfit", instead }),
    }
}

/// Checks λ or the rule.
pub(crate) fn check_choice(choice: Option<Choice>) -> Result<()> {
    match choice.map(|c| c.kind) {
        Some(Kind::Number(lambda)) if !lambda.is_valid() => {
            let value = if lambda.value().is_nan() { lambda.damping() } else { lambda.value() };
            return Err(Error::Parameter {
                name: "λ",
                value,
                must_be: "finite and ≥ 0; for an infinite penalty use a prior mean or remove the columns",
            });
        }
        Some(Kind::Rule(rule)) => rule.check()?,
        _ => {}
    }
    Ok(())
}

/// Checks the right-hand sides.
pub(crate) fn check_data<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>) -> Result<()> {
    check_right_hand_sides(b, description.operator.shape().0, description.threads())
}

/// Checks right-hand sides of m rows.
pub(crate) fn check_right_hand_sides<T: Scalar>(b: MatRef<'_, T>, m: usize, threads: Threads) -> Result<()> {
    if b.nrows() != m {
        return Err(Error::Shape {
            what: "b",
            found: Size::Shape(b.nrows(), b.ncols()),
            expected: Size::Shape(m, b.ncols()),
            hint: "b must have as many rows as A",
        });
    }
    if T::largest_entry(b, threads).is_none() {
        return Err(Error::NonFinite { what: "b", index: first_nonfinite(b) });
    }
    Ok(())
}

/// A vector of positive finite numbers of one of the permitted lengths.
fn vector<R: Real>(what: &'static str, values: Option<&[R]>, lengths: &[usize], hint: &'static str) -> Result<()> {
    let Some(values) = values else { return Ok(()) };
    if !lengths.contains(&values.len()) {
        return Err(Error::Shape { what, found: Size::Length(values.len()), expected: Size::Length(lengths[0]), hint });
    }
    match values.iter().find(|v| !(**v > R::ZERO && v.finite())) {
        None => Ok(()),
        Some(bad) => Err(Error::Parameter {
            name: what,
            value: bad.to_f64(),
            must_be: "positive and finite in every entry; leave a row out instead of giving it weight 0",
        }),
    }
}

pub(crate) fn first_nonfinite<T: Scalar>(a: MatRef<'_, T>) -> Size {
    for j in 0..a.ncols() {
        for i in 0..a.nrows() {
            if !a[(i, j)].finite() {
                return Size::Position(i, j);
            }
        }
    }
    Size::Position(0, 0)
}

/// The largest entry of DA; an upper bound within a factor of the spread of D serves as well as the exact one.
pub(crate) fn whitened_largest<T: Scalar>(scale: Option<&[T::Real]>, a: MatRef<'_, T>, largest: f64) -> f64 {
    let Some(scale) = scale else { return largest };
    let row = |i: usize| {
        (0..a.ncols()).map(|j| a[(i, j)].real().modulus().to_f64().max(a[(i, j)].imaginary().modulus().to_f64())).fold(0.0, f64::max)
    };
    (0..a.nrows()).map(|i| scale[i].to_f64() * row(i)).fold(0.0, f64::max)
}
