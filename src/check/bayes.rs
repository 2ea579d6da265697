//! Posteriors, other priors and relevance: what they are refused for.

use super::{check, check_one_penalty, check_quadratic};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::penalty::Resolved;
use crate::rule::{Kind, Scales};
use crate::scalar::Scalar;

/// Everything that a posterior is refused for, but b.
pub(crate) fn check_posterior<T: Scalar>(description: &Description<'_, T>, scales: Scales) -> Result<()> {
    check_quadratic(description, "a Gaussian posterior", "use Problem::map for another prior, or the mean alone by Problem::solve")?;
    check_one_penalty(description, "a posterior")?;
    scales.check()?;
    check(description, Some(scales.choice))?;
    if matches!(scales.choice.kind, Kind::Number(lambda) if lambda.damping() == 0.0) {
        return Err(no_prior());
    }
    check_direct(description, "an exact posterior")
}

pub(crate) fn no_prior() -> Error {
    Error::Parameter {
        name: "λ of a posterior",
        value: 0.0,
        must_be: "positive: at λ = 0 there is no prior; Problem::solve gives the least-squares solution",
    }
}

fn check_direct<T: Scalar>(description: &Description<'_, T>, with: &'static str) -> Result<()> {
    match description.method.multiplies() {
        false => Ok(()),
        true => Err(Error::Unsupported { what: description.method.name(), with, instead: "leave the method to Auto" }),
    }
}

/// The same of a low-rank one; what the solve for its mean refuses comes with that.
pub(crate) fn check_low_rank<T: Scalar>(description: &Description<'_, T>, rank: usize) -> Result<()> {
    check_quadratic(description, "a Gaussian posterior", "use the mean alone by Problem::solve")?;
    if !description.penalty.is_identity() {
        return Err(Error::Unsupported {
            what: "a low-rank posterior",
            with: "a penalty other than the identity",
            instead: "use Problem::posterior, which takes any",
        });
    }
    if rank == 0 {
        return Err(Error::Parameter { name: "the rank of a low-rank posterior", value: 0.0, must_be: "at least 1" });
    }
    Ok(())
}

/// Samples by perturbed problems, for a posterior of so many unknowns: the weights of a diagonal penalty.
pub(crate) fn check_samples<T: Scalar>(description: &Description<'_, T>, columns: usize, unknowns: usize) -> Result<Option<Vec<T::Real>>> {
    check_quadratic(description, "posterior samples", "use the mean alone by Problem::solve")?;
    check_one_penalty(description, "a posterior")?;
    check(description, None)?;
    let (_, n) = description.operator.shape();
    if columns != 1 || unknowns != n {
        return Err(Error::Shape {
            what: "b, or the posterior,",
            found: Size::Shape(unknowns, columns),
            expected: Size::Shape(n, 1),
            hint: "samples are drawn for one right-hand side, with the posterior of the same problem",
        });
    }
    match description.penalty.resolve(n)? {
        Resolved::Identity => Ok(None),
        Resolved::Diagonal(w) if w.iter().all(|w| *w > T::Real::ZERO) => Ok(Some(w)),
        _ => Err(Error::Unsupported {
            what: "samples by perturbed problems",
            with: "a penalty other than the identity or a diagonal one without zeros",
            instead: "use Problem::posterior(..) and Posterior::sample",
        }),
    }
}

/// Everything that a log prior is refused for, but b.
pub(crate) fn check_log_prior<T: Scalar>(description: &Description<'_, T>, start: Option<&[f64]>) -> Result<()> {
    let refuse = |with, instead| Err(Error::Unsupported { what: "a log prior", with, instead });
    check_quadratic(description, "a log prior", "take those away: the prior says all of it")?;
    check(description, None)?;
    check_real::<T>("a log prior")?;
    if !description.penalty.is_identity() {
        return refuse("a penalty, which is another prior", "leave the penalty out, and add −‖Lz‖²/2τ² to the log prior");
    }
    if description.noise_std.is_none() {
        return refuse("noise of an unknown level", "give Problem::noise_std; Problem::posterior(&b, Evidence) estimates one");
    }
    check_direct(description, "a log prior")?;
    let (_, n) = description.operator.shape();
    let Some(start) = start else { return Ok(()) };
    if start.len() != n {
        return Err(Error::Shape {
            what: "the start",
            found: Size::Length(start.len()),
            expected: Size::Length(n),
            hint: "one value for each column of A",
        });
    }
    match start.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NonFinite { what: "the start", index: Size::Entry(index) }),
        None => Ok(()),
    }
}

fn check_real<T: Scalar>(what: &'static str) -> Result<()> {
    match T::IS_COMPLEX {
        false => Ok(()),
        true => {
            Err(Error::Unsupported { what, with: "complex unknowns", instead: "write real and imaginary parts as unknowns of their own" })
        }
    }
}

/// Everything that relevance determination is refused for, but b.
pub(crate) fn check_relevance<T: Scalar>(description: &Description<'_, T>) -> Result<()> {
    const WHAT: &str = "relevance determination";
    check_quadratic(description, WHAT, "take those away")?;
    check(description, None)?;
    check_real::<T>(WHAT)?;
    if !description.penalty.is_identity() {
        return Err(Error::Unsupported {
            what: WHAT,
            with: "a penalty: every coefficient has a prior variance of its own",
            instead: "leave the penalty out, or use Problem::posterior with it",
        });
    }
    check_direct(description, WHAT)
}
