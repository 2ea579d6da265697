//! The one place where a problem is refused: shapes, finite values, parameters, combinations.

use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::linalg::{MatRef, Threads};
use crate::method::Method;
use crate::operator::Entries;
use crate::penalty::{Resolved, Shape};
use crate::rule::{Choice, Kind, Rule, Scales};
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
    check_constraints(description)?;
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

/// Bounds and equations, and what does not go with them.
fn check_constraints<T: Scalar>(description: &Description<'_, T>) -> Result<()> {
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
