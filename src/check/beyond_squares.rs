//! Several penalties, penalties and misfits that are no squares: which rules and methods go with them.

use crate::description::Description;
use crate::error::{Error, Result};
use crate::method::{FlexibleLsqr, Method, ProjectedGcv};
use crate::penalty::{Resolved, Shape};
use crate::rule::{Choice, Kind, Rule};
use crate::scalar::Scalar;

/// A penalty that makes components exactly zero at a finite λ.
pub(crate) fn check_not_quadratic<T: Scalar>(description: &Description<'_, T>) -> Result<()> {
    match description.penalty.is_squared() || description.penalty.is_reweighted() || description.misfit.is_some() {
        false => Ok(()),
        true => Err(Error::Unsupported {
            what: "lambda_max",
            with: "a penalty under which no coefficient is exactly 0, or a misfit",
            instead: "use l1(), elastic_net(..), group_lasso(..) or isotropic(), or log_grid for a range of λ",
        }),
    }
}

/// A λ for each of several penalties: the rule that chooses them.
pub(crate) fn check_several<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<Rule> {
    let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
    let Kind::Rule(rule) = choice.kind else {
        return refuse("several penalties", "λ as a number in this place", "use Problem::solve");
    };
    if T::IS_COMPLEX {
        return refuse(
            "several penalties with a rule",
            "complex data",
            "stack real and imaginary parts into a real problem, or use Penalty::sum",
        );
    }
    if choice.shared {
        return refuse("several penalties", "one choice for all right-hand sides", "drop .shared()");
    }
    if !description.quadratic() || description.several.iter().any(|penalty| !penalty.is_squared()) {
        return refuse(
            "several penalties with a rule",
            "a misfit, bounds or equality constraints, or a penalty that is no square of a norm",
            "use Penalty::sum with weights, and a rule for one λ",
        );
    }
    match rule {
        Rule::Gcv(_) | Rule::Evidence(_) => Ok(rule),
        Rule::Loo(_) if description.groups.is_some() => {
            refuse("leave-one-out for several penalties", "groups of rows", "use Gcv or Evidence, or Penalty::sum")
        }
        Rule::Loo(_) => Ok(rule),
        _ => refuse(rule.name(), "several penalties", "use Gcv, Loo or Evidence, or Penalty::sum with the ratios of their λ"),
    }
}

/// A factorization and a posterior have one λ.
pub(crate) fn check_one_penalty<T: Scalar>(description: &Description<'_, T>, what: &'static str) -> Result<()> {
    match description.several.is_empty() {
        true => Ok(()),
        false => Err(Error::Unsupported {
            what,
            with: "penalties that have a λ each",
            instead: "solve for the λⱼ first, and give their sum: Problem::penalty(Penalty::sum([(λ₁, first), …])) at λ = 1",
        }),
    }
}

/// A misfit, or a penalty that is measured by reweighting.
pub(crate) fn check_reweighted<T: Scalar>(description: &Description<'_, T>, choice: Choice) -> Result<()> {
    if choice.shared {
        return Err(Error::Unsupported {
            what: "one choice of λ for all right-hand sides",
            with: "reweighting, which weights the rows for each of them",
            instead: "drop .shared(), or give λ as a number",
        });
    }
    // sums and their weights are checked there
    description.penalty.resolve(description.operator.shape().1)?;
    description.penalty.flat().iter().try_for_each(|(_, _, shape)| match shape {
        Shape::Squared => Ok(()),
        Shape::Profile(profile) => profile.check(),
        _ => Err(Error::Unsupported {
            what: "a robust misfit, or a penalty by reweighting,",
            with: "l1(), elastic_net(..), group_lasso(..) or isotropic()",
            instead: "use power(1.0) or huber(..) in their place",
        }),
    })
}

/// The methods for a penalty that is no square; `separable` where it separates into coefficients or groups of them.
pub(crate) fn check_engine<T: Scalar>(description: &Description<'_, T>, separable: bool) -> Result<()> {
    let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
    let with = "a penalty that is no square of a norm";
    if !description.several.is_empty() {
        return refuse("several λ", with, "use Penalty::sum with the ratios of their λ");
    }
    match description.method {
        Method::Auto | Method::Admm(_) => {}
        Method::CoordinateDescent(_) if separable => {}
        Method::CoordinateDescent(_) => {
            return refuse(
                "coordinate descent",
                "a penalty that does not separate into coefficients or groups of them",
                "use Method::Auto or Admm::new()",
            );
        }
        ref other => {
            let instead = "leave the method to Method::Auto, or use CoordinateDescent::new() or Admm::new()";
            return refuse(other.name(), with, instead);
        }
    }
    match description.preconditioner {
        None => Ok(()),
        Some(_) => refuse("a preconditioner", with, "drop one of the two: these methods make no Krylov steps"),
    }
}

/// The rules that look at refits, for a penalty that is no square: a fit has then no spectrum and no leverages.
pub(crate) fn check_refits(choice: Choice) -> Result<()> {
    let Kind::Rule(rule) = choice.kind else { return Ok(()) };
    let refuse = |instead| Err(Error::Unsupported { what: rule.name(), with: "a penalty that is no square of a norm", instead });
    if choice.shared {
        return refuse("choose λ for each right-hand side, or give one λ as a number");
    }
    match rule {
        Rule::KFold(_) | Rule::Aicc(_) | Rule::Bic(_) => Ok(()),
        Rule::OneStandardError(rule) if rule.folds().is_some() => Ok(()),
        Rule::OneStandardError(_) => refuse("use KFold::new(10).one_standard_error(): leaving out every row would be as many refits"),
        Rule::Discrepancy(rule) if rule.by_residual() => Ok(()),
        Rule::Discrepancy(_) => refuse("use Discrepancy::noise_norm, relative_noise or whitened, which need no spectrum"),
        _ => refuse(
            "use KFold::new(10), Aicc, Bic, Discrepancy or λ as a number: there is no linear fit whose spectrum a rule could look at",
        ),
    }
}

/// What flexible LSQR does not serve: everything but penalties of coefficients that are no squares, by products.
pub(crate) fn check_flexible<T: Scalar>(
    description: &Description<'_, T>,
    options: &FlexibleLsqr,
    choice: Choice,
    right_hand_sides: usize,
) -> Result<()> {
    let refuse = |what, with| move |instead| Err(Error::Unsupported { what, with, instead });
    let here = |what| refuse(what, FlexibleLsqr::NAME);
    super::check_rank_by_products(description, FlexibleLsqr::NAME)?;
    if description.misfit.is_some() {
        return here("a misfit")("leave the method to Method::Auto, or drop the misfit");
    }
    if description.bounds.is_some() || description.equality.is_some() {
        return here("bounds or equality constraints")("use CoordinateDescent::new() with the entries of A, or drop them");
    }
    if !description.several.is_empty() {
        return here("several λ")("use Penalty::sum with the ratios of their λ");
    }
    if description.penalty.is_squared() {
        return here("a penalty that is the square of a norm")(
            "use HybridLsqr::new(), or l1(), elastic_net(..) or power(p) of the penalty",
        );
    }
    for term in description.penalty.terms(description.operator.shape().1)? {
        if matches!(term.l, Resolved::Operator(_)) {
            return here("a penalty of Lx with an L that is not diagonal")(
                "use power(1.0) of it with Method::Auto, which needs products alone, or Admm::new() with entries",
            );
        }
        if matches!(term.shape, Shape::Groups(_) | Shape::Isotropic) {
            return here("group_lasso(..) or isotropic()")("use l1(), or CoordinateDescent::new() with the entries of A");
        }
    }
    if options.0.truth::<T>(description.operator.shape().1)?.is_some() && right_hand_sides > 1 {
        return refuse("compare_with", "several right-hand sides")("solve for one of them");
    }
    match choice.kind {
        Kind::Number(lambda) if lambda.damping() == 0.0 => here("λ = 0, which leaves no penalty,")("use Lsqr::new(), or a λ > 0"),
        Kind::Number(lambda) if !lambda.value().is_finite() => {
            Err(Error::Parameter { name: "λ", value: lambda.value(), must_be: "finite: a penalty of this kind has no square root of it" })
        }
        Kind::Number(_) => Ok(()),
        Kind::Rule(_) if choice.shared && right_hand_sides > 1 => {
            here("one λ for all right-hand sides")("let each have its own λ, or give λ as a number")
        }
        Kind::Rule(Rule::Discrepancy(rule)) if rule.by_residual() => Ok(()),
        Kind::Rule(Rule::Gcv(_) | Rule::RobustGcv(_)) if options.0.projected_gcv() != ProjectedGcv::Automatic => Ok(()),
        Kind::Rule(rule) => refuse(rule.name(), "flexible LSQR, whose space has its own degrees of freedom alone,")(
            "use Discrepancy with a noise norm, Gcv with FlexibleLsqr::gcv(ProjectedGcv::Weighted), or λ as a number",
        ),
    }
}
