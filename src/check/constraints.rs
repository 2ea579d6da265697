//! Bounds and equations: what does not go with them.

use crate::description::Description;
use crate::error::{Error, Result};
use crate::method::Method;
use crate::scalar::Scalar;

/// Bounds and equations, and what does not go with them.
pub(super) fn check_constraints<T: Scalar>(description: &Description<'_, T>) -> Result<()> {
    let n = description.operator.shape().1;
    let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
    if description.bounds.is_some() || description.equality.is_some() {
        // bounds beside ℓ1 norms of coefficients are solved for; which norms, the engine says
        if !description.penalty.is_squared() && (description.equality.is_some() || description.penalty.is_reweighted()) {
            return refuse(
                "equality constraints (or bounds, where the penalty is by reweighting)",
                "a penalty that is no square of a norm",
                "drop one of the two, or use a quadratic penalty; bounds go with l1() and elastic_net(..)",
            );
        }
        if description.misfit.is_some() {
            return refuse("bounds or equality constraints", "a misfit other than the sum of squares", "drop one of the two");
        }
        if !description.several.is_empty() {
            return refuse("bounds or equality constraints", "several penalties", "use Penalty::sum with the ratios of their λ");
        }
    }
    if let Some(equality) = &description.equality {
        equality.check(n)?;
        let options = description.method.iterative();
        if description.preconditioner.is_some() {
            return refuse(
                "a preconditioner",
                "equality constraints",
                "leave it out: the equations are eliminated, and what is left has other columns",
            );
        }
        if options.is_some_and(|options| options.wants_variances()) {
            return refuse("Lsqr::variances", "equality constraints", "drop one of the two");
        }
        if let Some(options) = options
            && options.start_guess::<T>(n)?.is_some()
        {
            return refuse("a start guess", "equality constraints", "leave it out: it changes no answer");
        }
    }
    let Some(bounds) = &description.bounds else { return Ok(()) };
    if T::IS_COMPLEX {
        return refuse(
            "bounds",
            "complex unknowns, which have no order",
            "bound their parts: the problem of [Re; Im] is real and twice as large",
        );
    }
    bounds.resolve(n)?;
    if description.preconditioner.is_some() {
        return refuse("a preconditioner", "bounds", "leave it out: bounds on x are no bounds on R⁻¹x");
    }
    match &description.method {
        // which methods serve is said by check_engine
        _ if !description.penalty.is_squared() => Ok(()),
        Method::Auto | Method::Cholesky | Method::Qr => Ok(()),
        Method::Cgls(options) if options.common().exact_steps().is_some() => {
            refuse("Cgls::steps", "bounds", "use max_steps(..) with accept_partial()")
        }
        Method::Cgls(_) => Ok(()),
        other => refuse(
            other.name(),
            "bounds",
            "use Method::Auto, Method::Cholesky (principal pivoting on the Gram matrix), Method::Qr (an active set) or Method::Cgls (projected, by products)",
        ),
    }
}
