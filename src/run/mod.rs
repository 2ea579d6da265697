//! Plan → solution: the only module that knows every engine and the chooser.
//!
//! [`Engines`] holds one concrete entry point for each scalar type, so that whole solves are generated once, in this
//! library, and a user's program links to them. [`dense`] runs the engines on entries, [`few`] is the fast path for few
//! unknowns, [`sparse`] the engines on sparse entries, [`products`], [`hybrid`], [`flexible`] and [`probes`] need only products with A,
//! [`written_out`] makes entries of them, [`transform`] needs a fast transform that diagonalises all, [`kept`] is the factorization that
//! outlives A, [`interruptible`] has the entries of an A that may end the work.

mod bayes;
mod column;
mod constrained;
mod dense;
mod diagnose;
mod few;
mod flexible;
mod hybrid;
mod in_double;
mod in_standard_form;
mod inference;
mod interruptible;
mod kept;
mod l1;
#[cfg(feature = "plot")]
mod modes;
mod probes;
mod products;
mod robust;
mod several;
mod sparse;
mod transform;
mod written_out;

pub use kept::Kept;
#[cfg(feature = "plot")]
pub use modes::Modes;

use crate::bayes::gaussian::Gaussian;
use crate::bayes::map::MapEstimate;
use crate::bayes::relevance::Relevance;
use crate::check::{check, check_choice, check_data, check_not_quadratic, check_one_penalty, check_quadratic};
use crate::choose::{self, Engine, Facts, Need, Route, Sparse, stored_densely};
use crate::comparison::RuleComparison;
use crate::curve::Spectrum;
use crate::description::Description;
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result, Size};
use crate::factor::decomposed;
use crate::inference::Inference;
use crate::lambda::Lambda;
use crate::linalg::{Mat, MatRef};
use crate::log_prior::LogPrior;
use crate::method::{Lsmr, Method};
use crate::operator::{DenseView, Entries};
use crate::plan::{FACTOR_IF, PROJECTED, Plan, STORE_DENSELY, Storage};
use crate::refusal::Refusal;
use crate::rule::{Choice, Chosen, Kind, Rule, Scales, Truncation};
use crate::scalar::{Scalar, c32, c64};
use crate::solution::{Criterion, Fit, Outcome};
use crate::step::Observer;
use crate::warning::Warning;
use interruptible::Interruptible;
use std::borrow::Cow;

/// Whole solves, one concrete entry point for each scalar type.
#[doc(hidden)]
pub trait Engines: Sized {
    fn solve(
        description: &Description<'_, Self>,
        b: DenseView<'_, Self>,
        choice: Choice,
        observer: Option<&mut Observer<'_>>,
    ) -> Result<Outcome<Self>>
    where
        Self: Scalar;
    /// One solution for each λ, all from one decomposition or one Krylov space.
    fn path(description: &Description<'_, Self>, b: DenseView<'_, Self>, lambdas: &[Lambda]) -> Result<Vec<Outcome<Self>>>
    where
        Self: Scalar;
    fn factorize(description: &Description<'_, Self>) -> Result<Kept<Self>>
    where
        Self: Scalar;
    fn solve_kept(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Outcome<Self>>
    where
        Self: Scalar;
    fn spectra(kept: &Kept<Self>, b: DenseView<'_, Self>) -> Result<Vec<Spectrum>>
    where
        Self: Scalar;
    /// Residual norm, penalty norm, degrees of freedom and GCV function at each λ, for each right-hand side.
    fn curves(kept: &Kept<Self>, b: DenseView<'_, Self>, lambdas: &[f64]) -> Result<Vec<Vec<[f64; 4]>>>
    where
        Self: Scalar;
    /// x and the residual as sums over the directions of the decomposition, for each right-hand side.
    #[cfg(feature = "plot")]
    fn modes(kept: &Kept<Self>, b: DenseView<'_, Self>) -> Result<Vec<Modes>>
    where
        Self: Scalar;
    /// Solutions of the truncated SVD.
    fn truncate(kept: &Kept<Self>, b: DenseView<'_, Self>, truncation: Truncation) -> Result<Outcome<Self>>
    where
        Self: Scalar;
    /// Solutions of the damped SVD.
    fn damped(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Outcome<Self>>
    where
        Self: Scalar;
    /// The λ of least error, where x is known.
    fn oracle(kept: &Kept<Self>, b: DenseView<'_, Self>, x_true: DenseView<'_, Self>) -> Result<Outcome<Self>>
    where
        Self: Scalar;
    /// What there is to judge a λ by.
    fn diagnose(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Vec<Diagnostics>>
    where
        Self: Scalar;
    /// What each rule says of each right-hand side.
    fn compare(kept: &Kept<Self>, b: DenseView<'_, Self>, rules: Option<&[Rule]>) -> Result<Vec<RuleComparison>>
    where
        Self: Scalar;
    /// Standard errors and diagnostics of each right-hand side's fit.
    fn infer(description: &Description<'_, Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Vec<Inference>>
    where
        Self: Scalar;
    fn plan(description: &Description<'_, Self>, choice: Option<Choice>) -> Result<Plan>
    where
        Self: Scalar;
    /// The least λ that makes every penalised component zero, for each right-hand side.
    fn lambda_max(description: &Description<'_, Self>, b: DenseView<'_, Self>) -> Result<Vec<f64>>
    where
        Self: Scalar;
    /// The posterior of each right-hand side.
    fn posterior(description: &Description<'_, Self>, b: DenseView<'_, Self>, scales: Scales) -> Result<Vec<Gaussian<Self>>>
    where
        Self: Scalar;
    /// The same by products alone.
    fn posterior_low_rank(
        description: &Description<'_, Self>,
        b: DenseView<'_, Self>,
        choice: Choice,
        rank: usize,
    ) -> Result<Vec<Gaussian<Self>>>
    where
        Self: Scalar;
    /// Draws by perturbed problems: x, and the constants.
    fn samples(
        description: &Description<'_, Self>,
        b: DenseView<'_, Self>,
        scales: &Gaussian<Self>,
        count: usize,
        seed: u64,
    ) -> Result<(Mat<Self>, Vec<Self>)>
    where
        Self: Scalar;
    /// Relevance determination of each right-hand side.
    fn relevance(description: &Description<'_, Self>, b: DenseView<'_, Self>) -> Result<Vec<Relevance>>
    where
        Self: Scalar;
    /// The mode under any log prior, for each right-hand side.
    fn map(
        description: &Description<'_, Self>,
        b: DenseView<'_, Self>,
        prior: &dyn LogPrior,
        start: Option<&[f64]>,
    ) -> Result<Vec<MapEstimate>>
    where
        Self: Scalar;
}

macro_rules! engines {
    ($($type:ty)*) => {$(
        impl Engines for $type {
            fn solve(description: &Description<'_, Self>, b: DenseView<'_, Self>, choice: Choice, observer: Option<&mut Observer<'_>>) -> Result<Outcome<Self>> {
                solve(description, b.matrix(), choice, observer)
            }
            fn path(description: &Description<'_, Self>, b: DenseView<'_, Self>, lambdas: &[Lambda]) -> Result<Vec<Outcome<Self>>> {
                path(description, b.matrix(), lambdas)
            }
            fn factorize(description: &Description<'_, Self>) -> Result<Kept<Self>> {
                check_one_penalty(description, "a factorization")?;
                kept::factorize(description)
            }
            fn solve_kept(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Outcome<Self>> {
                kept.solve(b.matrix(), choice)
            }
            fn spectra(kept: &Kept<Self>, b: DenseView<'_, Self>) -> Result<Vec<Spectrum>> {
                kept.spectra(b.matrix())
            }
            fn curves(kept: &Kept<Self>, b: DenseView<'_, Self>, lambdas: &[f64]) -> Result<Vec<Vec<[f64; 4]>>> {
                kept.curves(b.matrix(), lambdas)
            }
            #[cfg(feature = "plot")]
            fn modes(kept: &Kept<Self>, b: DenseView<'_, Self>) -> Result<Vec<Modes>> {
                kept.modes(b.matrix())
            }
            fn truncate(kept: &Kept<Self>, b: DenseView<'_, Self>, truncation: Truncation) -> Result<Outcome<Self>> {
                kept.truncate(b.matrix(), truncation)
            }
            fn damped(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Outcome<Self>> {
                kept.damped(b.matrix(), choice)
            }
            fn oracle(kept: &Kept<Self>, b: DenseView<'_, Self>, x_true: DenseView<'_, Self>) -> Result<Outcome<Self>> {
                kept.oracle(b.matrix(), x_true.matrix())
            }
            fn diagnose(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Vec<Diagnostics>> {
                kept.diagnose(b.matrix(), choice)
            }
            fn compare(kept: &Kept<Self>, b: DenseView<'_, Self>, rules: Option<&[Rule]>) -> Result<Vec<RuleComparison>> {
                kept.compare(b.matrix(), rules)
            }
            fn lambda_max(description: &Description<'_, Self>, b: DenseView<'_, Self>) -> Result<Vec<f64>> {
                check_not_quadratic(description)?;
                l1::lambda_max(description, b.matrix())
            }
            fn infer(description: &Description<'_, Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Vec<Inference>> {
                inference::inference(description, b.matrix(), choice)
            }
            fn plan(description: &Description<'_, Self>, choice: Option<Choice>) -> Result<Plan> {
                plan(description, choice)
            }
            fn posterior(description: &Description<'_, Self>, b: DenseView<'_, Self>, scales: Scales) -> Result<Vec<Gaussian<Self>>> {
                bayes::posterior(description, b.matrix(), scales)
            }
            fn posterior_low_rank(description: &Description<'_, Self>, b: DenseView<'_, Self>, choice: Choice, rank: usize) -> Result<Vec<Gaussian<Self>>> {
                bayes::low_rank(description, b.matrix(), choice, rank)
            }
            fn samples(description: &Description<'_, Self>, b: DenseView<'_, Self>, scales: &Gaussian<Self>, count: usize, seed: u64) -> Result<(Mat<Self>, Vec<Self>)> {
                bayes::samples(description, b.matrix(), scales, count, seed)
            }
            fn relevance(description: &Description<'_, Self>, b: DenseView<'_, Self>) -> Result<Vec<Relevance>> {
                bayes::relevance(description, b.matrix())
            }
            fn map(description: &Description<'_, Self>, b: DenseView<'_, Self>, prior: &dyn LogPrior, start: Option<&[f64]>) -> Result<Vec<MapEstimate>> {
                bayes::map(description, b.matrix(), prior, start)
            }
        }
    )*};
}
engines!(f32 f64 c32 c64);

/// What will be done; no choice of λ asks for a factorization.
fn plan<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<Plan> {
    check(description, choice)?;
    if let Some(choice) = choice.filter(|_| flexible::applies(description)) {
        return flexible::plan(description, choice);
    }
    if let Some(rule) = choice.filter(|_| several::applies(description, choice)) {
        return several::plan(description, rule);
    }
    if constrained::applies(description) {
        return constrained::plan(description, choice);
    }
    if let Some(choice) = choice.filter(|_| robust::applies(description)) {
        return robust::plan(description, choice);
    }
    if l1::applies(description) {
        return l1::plan(description, choice);
    }
    if choice.is_none() {
        check_one_penalty(description, "a factorization")?;
    }
    Ok(planned(description, choice)?.1)
}

/// The route and the plan that prints it; no choice of λ asks for a factorization.
fn planned<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<(Route, Plan)> {
    check_quadratic(
        description,
        "a linear method",
        "use Problem::solve or Problem::path with the method left to Auto, or leave out misfit(..), huber(..), l1() and what else is no square",
    )?;
    let (rows, columns) = description.operator.shape();
    let basis = transform::applies(description);
    let need = match choice.map(|c| c.kind) {
        Some(Kind::Rule(Rule::Loo(_))) if transform::equal_leverages(description, basis.as_ref()) => Need::Rule,
        None => Need::Factorization,
        Some(Kind::Number(lambda)) if lambda.damping() == 0.0 => Need::Zero,
        Some(Kind::Number(_)) => Need::Number,
        Some(Kind::Rule(rule)) if rule.needs_leverages() => Need::Leverages,
        Some(Kind::Rule(rule)) if rule.needs_every_value() => Need::Values,
        Some(Kind::Rule(_)) => Need::Rule,
    };
    let (storage, sparse) = match description.operator.entries() {
        Entries::None => (Storage::MatrixFree, None),
        Entries::Dense(_) => (Storage::Dense, None),
        Entries::Sparse(a) => {
            let dense = stored_densely(&description.method, need, rows, columns);
            (Storage::Sparse(a.stored()), (!dense).then(|| Sparse { gram_work: a.gram_work() }))
        }
    };
    let entries = storage != Storage::MatrixFree;
    let few = storage == Storage::Dense && few::applies(description);
    let mut method = Cow::Borrowed(&description.method);
    if description.preconditioner.is_some() && *method == Method::Auto {
        method = Cow::Owned(Lsmr::new().into());
    }
    let written = !entries && basis.is_none() && choose::written_out(&method, rows, columns, need);
    let identity = description.penalty.is_identity();
    let facts = Facts { rows, columns, entries: entries || written, identity, few, basis, need, sparse };
    let route = choose::choose(&method, &facts)?;
    let first = route.engines[0];
    let mut transforms = Vec::new();
    if written {
        transforms.push("write A out by products with unit vectors");
    }
    if matches!(storage, Storage::Sparse(_)) && sparse.is_none() {
        transforms.push(STORE_DENSELY);
    }
    transforms.extend(description.transforms(if sparse.is_some() {
        "the constant as one more unknown"
    } else {
        "reflect the constant out"
    }));
    if !description.penalty.is_identity() && need != Need::Zero && matches!(first, Engine::Svd | Engine::Bidiagonal | Engine::Tridiagonal) {
        transforms.push("standard form");
    }
    let projects = matches!(first, Engine::HybridLsqr | Engine::HybridLsmr) && !description.penalty.is_identity();
    let by_factor = match (first.iterative(), description.method.iterative()) {
        (Some(kind), Some(options)) => in_standard_form::serves(description, kind, options, 1),
        _ => projects && hybrid::tries_factor(description, choice),
    };
    if by_factor {
        transforms.push(FACTOR_IF);
    } else if projects {
        transforms.push(PROJECTED);
    }
    if let Some(preconditioner) = &description.preconditioner {
        transforms.push(preconditioner.describe());
    }
    let plan = Plan {
        rows: description.merged.as_ref().map_or(rows, |merged| merged.rows),
        columns,
        scalar: T::NAME,
        storage,
        penalty: description.penalty.describe(),
        choice,
        method: first.name(),
        spectrum: route.spectrum.map(Engine::name),
        why: route.why,
        fallbacks: route.engines[1..].iter().map(|engine| engine.name()).collect(),
        transforms,
        threads: if first == Engine::Small { 1 } else { description.threads().0 },
    };
    Ok((route, plan))
}

fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    if flexible::applies(description) {
        return flexible::solve(description, b, choice, observer);
    }
    // first, so that no engine for one λ takes the sum
    if several::applies(description, Some(choice)) {
        return several::solve_several(description, b, choice);
    }
    if constrained::applies(description) {
        return constrained::solve(description, b, choice, observer);
    }
    if robust::applies(description) {
        return robust::solve_reweighted(description, b, choice);
    }
    if l1::applies(description) {
        return l1::solve(description, b, choice);
    }
    let refused = match few::solve(description, b, choice) {
        Ok(outcome) => return Ok(outcome),
        Err(refusal) => refusal,
    };
    let checked = check(description, Some(choice))?;
    check_data(description, b)?;
    let (route, plan) = planned(description, Some(choice))?;
    match route.engines {
        [Engine::Transform] => return transform::Transformed::new(description)?.solve(b, choice, plan),
        [Engine::HybridLsqr | Engine::HybridLsmr] => return hybrid::solve(description, b, choice, plan, observer),
        [Engine::Probes] => return probes::solve(description, b, choice, plan, observer),
        _ => {}
    }
    if let Entries::Sparse(a) = description.operator.entries() {
        if !plan.stores_densely() {
            return sparse::solve(description, a, b, choice, &route, plan, checked.largest, observer);
        }
        let copy = a.to_dense();
        let copy = DenseView::from_matrix(copy.as_ref());
        let dense = Description { operator: &copy, ..description.clone() };
        return dense::solve(&dense, b, choice, &route, plan, checked.largest, refused);
    }
    if let &[engine] = route.engines
        && let Some(kind) = engine.iterative()
    {
        if let Entries::Dense(a) = description.operator.entries() {
            let view = Interruptible { view: a.with_threads(description.threads()), whole: description.operator };
            let threaded = Description { operator: &view, ..description.clone() };
            return products::solve(&threaded, b, kind, choice, plan, observer);
        }
        return products::solve(description, b, kind, choice, plan, observer);
    }
    if plan.storage == Storage::MatrixFree {
        return written_out::solve(description, b, choice, &route, plan);
    }
    dense::solve(description, b, choice, &route, plan, checked.largest, refused)
}

/// One solution for each λ: from one decomposition where A has entries or a transform diagonalises it, from one Krylov space where it only
/// multiplies.
fn path<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, lambdas: &[Lambda]) -> Result<Vec<Outcome<T>>> {
    if flexible::applies(description) {
        return lambdas.iter().map(|&lambda| flexible::solve(description, b, lambda.into(), None)).collect();
    }
    if l1::applies(description) {
        return l1::path(description, b, lambdas);
    }
    for &lambda in lambdas {
        check_choice(Some(lambda.into()))?;
    }
    if constrained::applies(description) {
        return constrained::path(description, b, lambdas);
    }
    check(description, None)?;
    check_data(description, b)?;
    if robust::applies(description) {
        return lambdas.iter().map(|&lambda| robust::solve_reweighted(description, b, lambda.into())).collect();
    }
    let iterative = description.method.multiplies()
        || description.preconditioner.is_some()
        || (matches!(description.operator.entries(), Entries::None) && transform::applies(description).is_none());
    if !iterative {
        let kept = kept::factorize(description)?;
        return lambdas.iter().map(|&lambda| kept.solve(b, lambda.into())).collect();
    }
    let mut planned_for = Vec::with_capacity(lambdas.len());
    let mut kind = None;
    for &lambda in lambdas {
        let (route, plan) = planned(description, Some(lambda.into()))?;
        kind = route.engines.first().and_then(|engine| engine.iterative());
        planned_for.push((lambda, plan));
    }
    match kind {
        Some(kind) => match description.operator.entries() {
            Entries::Dense(a) => {
                let view = Interruptible { view: a.with_threads(description.threads()), whole: description.operator };
                products::path(&Description { operator: &view, ..description.clone() }, b, kind, &planned_for)
            }
            Entries::Sparse(a) => {
                let view = Interruptible { view: a.threads(description.threads().0), whole: description.operator };
                products::path(&Description { operator: &view, ..description.clone() }, b, kind, &planned_for)
            }
            Entries::None => products::path(description, b, kind, &planned_for),
        },
        None => lambdas.iter().map(|&lambda| solve(description, b, lambda.into(), None)).collect(),
    }
}

/// The last engine's refusal, as the caller's error.
fn refusal_error(engine: Engine, refusal: Refusal, unknowns: usize) -> Error {
    match refusal {
        Refusal::IllConditioned(condition) => {
            Error::IllConditioned { method: engine.name(), condition, instead: "use Method::Qr, Method::Svd or Method::Auto" }
        }
        Refusal::RankDeficient { rank, tolerance } => Error::RankDeficient { rank, unknowns, tolerance },
        Refusal::SharedNullSpace => Error::Unsupported {
            what: engine.name(),
            with: "a penalty that shares a null space with A",
            instead: "use Method::Gsvd or Method::Auto, which find the minimum-norm answer",
        },
        Refusal::PenaltyOutOfRange => Error::Unsupported {
            what: engine.name(),
            with: "weights of the penalty by which A cannot be divided in the scalar type",
            instead: "use Method::Gsvd, Method::Qr or Method::Auto, or rescale the columns of A",
        },
        Refusal::NoConvergence => Error::NotConverged {
            method: engine.name(),
            steps: 0,
            reached: f64::INFINITY,
            tolerance: f64::EPSILON,
            instead: "use Method::Qr or Method::Cholesky with λ as a number",
        },
        Refusal::TooMuchFill { .. } => Error::Unsupported {
            what: engine.name(),
            with: "an A whose factor would fill in beyond memory or a minute of work",
            instead: "use Method::Cgls with λ as a number",
        },
        Refusal::OutOfRange | Refusal::NotCovered => Error::Unsupported {
            what: engine.name(),
            with: "a λ whose square leaves the range of the scalar type",
            instead: "use Method::Qr, Method::Svd or Method::Auto",
        },
    }
}

/// Norms that are numbers: they can leave the range where the answer itself does not.
fn finite_norms(fits: &[Fit]) -> Result<()> {
    match fits.iter().position(|fit| !(fit.residual_norm.is_finite() && fit.penalty_norm.is_finite())) {
        None => Ok(()),
        Some(column) => Err(Error::NonFinite {
            what: "a norm of the answer, which overflows: rescale A, L or b; right-hand side",
            index: Size::Entry(column),
        }),
    }
}

/// The warning of a singular problem, or the error where full rank was required.
fn singular(required: bool, penalised: bool, rank: usize, unknowns: usize, tolerance: f64) -> Result<Warning> {
    match (required, penalised) {
        (false, _) => Ok(Warning::MinimumNorm { rank, unknowns, tolerance }),
        (true, true) => Err(Error::CommonNullSpace { dimension: unknowns - rank }),
        (true, false) => Err(Error::RankDeficient { rank, unknowns, tolerance }),
    }
}

/// What the rules saw, in the caller's units; their warnings join the others.
fn criteria(
    chosen: Vec<Chosen>,
    choice: Choice,
    lambda_of: impl Fn(f64) -> Lambda,
    unit: f64,
    penalty_unit: f64,
    warnings: &mut Vec<Warning>,
) -> Vec<Criterion> {
    let Kind::Rule(rule) = choice.kind else { return Vec::new() };
    let penalty = penalty_unit.powf(0.5 * rule.degree_in_penalty());
    // one unit after another: their product may leave the range where the value does not
    let value = |v: f64| (0..rule.degree_in_data()).fold(v, |v, _| v / unit) * penalty * penalty;
    let pairs = |list: Vec<(f64, f64)>| list.into_iter().map(|(damping, v)| (lambda_of(damping).value(), value(v))).collect();
    let mut out = Vec::with_capacity(chosen.len());
    for one in chosen {
        for warning in one.warnings {
            let warning = warning.with_lambda(|lambda| lambda_of(lambda.sqrt()).value());
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        out.push(Criterion {
            rule: rule.name(),
            value: value(one.value),
            evaluated: pairs(one.evaluated),
            minima: pairs(one.minima),
            interval: None,
            probes: None,
        });
    }
    out
}

impl Engine {
    /// The decomposition behind a spectral engine.
    fn decomposition(self) -> Option<decomposed::Kind> {
        match self {
            Engine::Svd => Some(decomposed::Kind::Svd),
            Engine::Gsvd => Some(decomposed::Kind::Gsvd),
            Engine::Bidiagonal => Some(decomposed::Kind::Bidiagonal),
            Engine::Tridiagonal => Some(decomposed::Kind::Tridiagonal),
            Engine::Small | Engine::Cholesky | Engine::Qr | Engine::SparseCholesky | Engine::SparseQr | Engine::Transform => None,
            Engine::Cgls | Engine::Lsqr | Engine::Lsmr | Engine::HybridLsqr | Engine::HybridLsmr | Engine::Probes => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::DenseView;
    use crate::penalty::Penalty;
    use crate::random::Random;
    use crate::rule::{Gcv, Loo};

    /// Every route of `Auto` with each of its engines forbidden in turn: what remains answers the same.
    #[test]
    fn each_engine_forbidden() {
        let mut forbidden = 0;
        for (m, n) in [(12, 5), (60, 20), (20, 60), (70, 60), (60, 70), (9, 9)] {
            let mut random = Random::new((m * 100 + n) as u64);
            let entries: Vec<f64> = random.scalars(m * n);
            let b: Vec<f64> = random.scalars(m);
            let a = DenseView::column_major(&entries, m, n).unwrap();
            let b = DenseView::column(&b);
            for penalty in [Penalty::identity(), Penalty::second_difference()] {
                for choice in [Choice::from(0.0), 0.3.into(), Gcv.into(), Loo.into()] {
                    let description = Description { penalty: penalty.clone(), ..Description::new(&a) };
                    let reference = Description { method: Method::Svd, ..description.clone() };
                    let expected = solve(&reference, b.matrix(), choice, None).unwrap();
                    let (route, plan) = planned(&description, Some(choice)).unwrap();
                    let largest = check(&description, Some(choice)).unwrap().largest;
                    for &without in route.engines {
                        let engines: Vec<Engine> = route.engines.iter().copied().filter(|&engine| engine != without).collect();
                        if engines.iter().all(|&engine| engine == Engine::Small) {
                            continue;
                        }
                        let route = Route { engines: engines.leak(), ..route };
                        let found =
                            dense::solve(&description, b.matrix(), choice, &route, plan.clone(), largest, Refusal::NotCovered).unwrap();
                        assert_ne!(found.report.method, without.name());
                        let scale = crate::linalg::norm(&expected.x);
                        for (x, y) in found.x.iter().zip(&expected.x) {
                            assert!((x - y).abs() <= 1e-7 * scale, "{m}×{n}, {choice}, without {}: {x} is not {y}", without.name());
                        }
                        forbidden += 1;
                    }
                }
            }
        }
        assert!(forbidden > 40, "{forbidden}");
    }
}
