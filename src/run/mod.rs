//! Plan → solution: the only module that knows every engine and the chooser.
//!
//! [`Engines`] holds one concrete entry point for each scalar type, so that whole solves are generated once, in this
//! library, and a user's program links to them. [`dense`] runs the engines on entries, [`few`] is the fast path for few
//! unknowns, [`products`] needs only products with A, [`kept`] is the factorization that outlives A.

mod dense;
mod diagnose;
mod few;
mod kept;
mod products;

pub use kept::Kept;

use crate::check::{check, check_data};
use crate::choose::{Engine, Facts, Need, Route, choose};
use crate::comparison::RuleComparison;
use crate::curve::Spectrum;
use crate::description::Description;
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result, Size};
use crate::factor::decomposed;
use crate::lambda::Lambda;
use crate::linalg::MatRef;
use crate::operator::{DenseView, Entries};
use crate::plan::{Plan, Storage};
use crate::refusal::Refusal;
use crate::rule::{Choice, Chosen, Kind, Rule, Truncation};
use crate::scalar::{Scalar, c32, c64};
use crate::solution::{Criterion, Fit, Outcome};
use crate::step::Observer;
use crate::warning::Warning;

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
    fn plan(description: &Description<'_, Self>, choice: Option<Choice>) -> Result<Plan>
    where
        Self: Scalar;
}

macro_rules! engines {
    ($($type:ty)*) => {$(
        impl Engines for $type {
            fn solve(description: &Description<'_, Self>, b: DenseView<'_, Self>, choice: Choice, observer: Option<&mut Observer<'_>>) -> Result<Outcome<Self>> {
                solve(description, b.matrix(), choice, observer)
            }
            fn factorize(description: &Description<'_, Self>) -> Result<Kept<Self>> {
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
            fn plan(description: &Description<'_, Self>, choice: Option<Choice>) -> Result<Plan> {
                check(description, choice)?;
                Ok(planned(description, choice)?.1)
            }
        }
    )*};
}
engines!(f32 f64 c32 c64);

/// The route and the plan that prints it; no choice of λ asks for a factorization.
fn planned<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<(Route, Plan)> {
    let (rows, columns) = description.operator.shape();
    let entries = matches!(description.operator.entries(), Entries::Dense(_));
    let need = match choice.map(|c| c.kind) {
        None => Need::Factorization,
        Some(Kind::Number(lambda)) if lambda.damping() == 0.0 => Need::Zero,
        Some(Kind::Number(_)) => Need::Number,
        Some(Kind::Rule(rule)) if rule.needs_leverages() => Need::Leverages,
        Some(Kind::Rule(rule)) if rule.needs_every_value() => Need::Values,
        Some(Kind::Rule(_)) => Need::Rule,
    };
    let few = few::applies(description);
    let route = choose(&description.method, &Facts { rows, columns, entries, few, need })?;
    let first = route.engines[0];
    let mut transforms = Vec::new();
    if description.weights.is_some() || description.noise_std.is_some() {
        transforms.push("whiten the rows");
    }
    if description.prior_mean.is_some() {
        transforms.push("shift by the prior mean");
    }
    if description.intercept {
        transforms.push("reflect the constant out");
    }
    if !description.penalty.is_identity() && need != Need::Zero && matches!(first, Engine::Svd | Engine::Bidiagonal | Engine::Tridiagonal) {
        transforms.push("standard form");
    }
    let plan = Plan {
        rows,
        columns,
        scalar: T::NAME,
        storage: if entries { Storage::Dense } else { Storage::MatrixFree },
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
    let refused = match few::solve(description, b, choice) {
        Ok(outcome) => return Ok(outcome),
        Err(refusal) => refusal,
    };
    let checked = check(description, Some(choice))?;
    check_data(description, b)?;
    let (route, plan) = planned(description, Some(choice))?;
    if route.engines == [Engine::Cgls] {
        return products::solve(description, b, choice, plan, observer);
    }
    dense::solve(description, b, choice, &route, plan, checked.largest, refused)
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
        out.push(Criterion { rule: rule.name(), value: value(one.value), evaluated: pairs(one.evaluated), minima: pairs(one.minima) });
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
            Engine::Small | Engine::Cholesky | Engine::Qr | Engine::Cgls => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Method;
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
