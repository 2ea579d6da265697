//! Plan → solution: the only file that knows every engine and the chooser.
//!
//! [`Engines`] holds one concrete entry point for each scalar type, so that whole solves are generated once, in this
//! library, and a user's program links to them.

use crate::check::{check, check_data};
use crate::choose::{Engine, Facts, Need, Route, choose};
use crate::curve::Spectrum;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::factor::cholesky::Direct;
use crate::factor::decomposed::{self, Decomposed};
use crate::factor::{cholesky, qr, small};
use crate::krylov::cgls;
use crate::lambda::Lambda;
use crate::linalg::{self, Mat, MatRef, Op};
use crate::method::{Cgls, Method};
use crate::operator::{DenseView, Entries};
use crate::plan::{Plan, Storage};
use crate::refusal::{Handed, Refusal};
use crate::rule::{Choice, Chosen, Kind};
use crate::scalar::{Real, Scalar, c32, c64};
use crate::solution::{Criterion, Fit, Outcome, Report};
use crate::step::Observer;
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::{Reduced, ReducedData};
use crate::transform::standard_form::PenaltyRows;
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
                factorize(description)
            }
            fn solve_kept(kept: &Kept<Self>, b: DenseView<'_, Self>, choice: Choice) -> Result<Outcome<Self>> {
                kept.solve(b.matrix(), choice)
            }
            fn spectra(kept: &Kept<Self>, b: DenseView<'_, Self>) -> Result<Vec<Spectrum>> {
                kept.spectra(b.matrix())
            }
            fn plan(description: &Description<'_, Self>, choice: Option<Choice>) -> Result<Plan> {
                check(description, choice)?;
                Ok(planned(description, choice)?.1)
            }
        }
    )*};
}
engines!(f32 f64 c32 c64);

/// The inner result hands the problem to the next engine; the outer one is the caller's error.
type Attempt<T> = Result<Handed<T>>;

/// `?` for refusals: hands the problem back.
macro_rules! or_refuse {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}

// ---- planning ---------------------------------------------------------------------------------------------------------

/// The route and the plan that prints it; no choice of λ asks for a factorization.
fn planned<T: Scalar>(description: &Description<'_, T>, choice: Option<Choice>) -> Result<(Route, Plan)> {
    let (rows, columns) = description.operator.shape();
    let entries = matches!(description.operator.entries(), Entries::Dense(_));
    let need = match choice.map(|c| c.kind) {
        None => Need::Factorization,
        Some(Kind::Number(lambda)) if lambda.damping() == 0.0 => Need::Zero,
        Some(Kind::Number(_)) => Need::Number,
        Some(Kind::Rule(rule)) if rule.needs_leverages() => Need::Leverages,
        Some(Kind::Rule(_)) => Need::Rule,
    };
    let few = is_small(description);
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

// ---- one solve --------------------------------------------------------------------------------------------------------

fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    if let Some(outcome) = solve_small(description, b, choice) {
        return Ok(outcome);
    }
    let checked = check(description, Some(choice))?;
    check_data(description, b)?;
    let (route, plan) = planned(description, Some(choice))?;
    if route.engines == [Engine::Cgls] {
        return solve_by_products(description, b, choice, plan, observer);
    }
    let Entries::Dense(a) = description.operator.entries() else {
        return Err(Error::NeedsEntries { method: plan.method, what: "A", instead: "Method::Cgls" });
    };
    let reduced = Reduced::new(description, a.matrix(), checked.largest)?;
    let data = reduced.data(b);
    let mut warnings = Vec::new();
    let mut refused = None;
    for &engine in route.engines {
        if engine == Engine::Small {
            // tried above, before anything else
            refused = Some((engine, Refusal::IllConditioned(f64::INFINITY)));
            continue;
        }
        if let Some((from, refusal)) = refused.take() {
            let (from, refusal): (Engine, Refusal) = (from, refusal);
            warnings.push(Warning::MethodChanged { from: from.name(), to: engine.name(), why: refusal.why() });
        }
        match attempt(engine, &route, description, &reduced, &data, choice)? {
            Ok(solved) => return finish(solved, description, &reduced, &data, choice, plan, warnings),
            Err(refusal) => refused = Some((engine, refusal)),
        }
    }
    let (engine, refusal) = refused.unwrap_or((Engine::Svd, Refusal::NoConvergence));
    Err(refusal_error(engine, refusal, plan.columns))
}

/// Few unknowns and nothing but A and λ.
fn is_small<T: Scalar>(description: &Description<'_, T>) -> bool {
    let (m, n) = description.operator.shape();
    description.is_plain() && n >= 1 && n <= small::LARGEST && m >= n && m * n <= small::ENTRIES
}

/// The fast path. `None` leaves the problem, and every complaint about it, to the ordinary one.
fn solve_small<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>, choice: Choice) -> Option<Outcome<T>> {
    if !is_small(description) || b.ncols() == 0 {
        return None;
    }
    let Entries::Dense(a) = description.operator.entries() else { return None };
    let a = a.matrix();
    if a.shape() != description.operator.shape() || b.nrows() != a.nrows() {
        return None;
    }
    let small = small::Small::new(a)?;
    let (mut answers, mut lambdas, mut chosen) = (Vec::with_capacity(b.ncols()), Vec::with_capacity(b.ncols()), Vec::new());
    let condition;
    match choice.kind {
        Kind::Number(lambda) => {
            if !(lambda.value() > 0.0 && lambda.is_valid() && lambda.value().is_finite()) {
                return None;
            }
            (answers, condition) = small.solve(lambda.value(), b).ok()?;
            lambdas.resize(b.ncols(), lambda);
        }
        Kind::Rule(rule) => {
            if rule.needs_leverages() || rule.check().is_err() || (choice.shared && b.ncols() > 1) {
                return None;
            }
            let eigen = small.eigen().ok()?;
            condition = eigen.condition();
            for j in 0..b.ncols() {
                let mut copy = Vec::new();
                let b = small::column(b, j, &mut copy);
                let norm = linalg::norm(b).to_f64();
                let one = rule.choose(&eigen.spectrum(b), norm, 1.0).ok()?;
                if !eigen.trusted(one.damping) {
                    return None;
                }
                answers.push(eigen.solve(b, one.damping));
                lambdas.push(Lambda::from_damping(one.damping));
                chosen.push(one);
            }
        }
    }
    if answers.iter().any(|answer| !(answer.residual_norm.is_finite() && answer.penalty_norm.is_finite())) {
        return None;
    }
    let (_, plan) = planned(description, Some(choice)).ok()?;
    let mut warnings = Vec::new();
    let criteria = criteria(chosen, choice, |damping| Lambda::from_damping(damping), 1.0, &mut warnings);
    let fits = answers
        .iter()
        .zip(lambdas)
        .map(|(answer, lambda)| Fit {
            lambda,
            residual_norm: answer.residual_norm,
            penalty_norm: answer.penalty_norm,
            dof: Some(answer.dof),
        })
        .collect();
    let (intercepts, unknowns) = (vec![T::ZERO; b.ncols()], plan.columns);
    let x = match answers.len() {
        1 => answers.swap_remove(0).x,
        _ => answers.into_iter().flat_map(|answer| answer.x).collect(),
    };
    let report = Report {
        method: plan.method,
        fits,
        rank: Some(unknowns),
        condition: Some(condition),
        steps: None,
        stop: None,
        criteria,
        warnings,
        plan,
    };
    Some(Outcome { x, unknowns, intercepts, report })
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
        Refusal::NoConvergence => Error::NotConverged {
            method: engine.name(),
            steps: 0,
            reached: f64::INFINITY,
            tolerance: f64::EPSILON,
            instead: "use Method::Qr or Method::Cholesky with λ as a number",
        },
        Refusal::OutOfRange => Error::Unsupported {
            what: engine.name(),
            with: "a λ whose square leaves the range of the scalar type",
            instead: "use Method::Qr, Method::Svd or Method::Auto",
        },
    }
}

/// What an engine found: solutions of the reduced problem, one column for each right-hand side.
struct Solved<T> {
    engine: Engine,
    z: Mat<T>,
    /// Dampings in the units of the reduced problem.
    dampings: Vec<f64>,
    /// Degrees of freedom of the reduced problem.
    dofs: Vec<f64>,
    residual_norms: Option<Vec<f64>>,
    rank: usize,
    tolerance: f64,
    condition: f64,
    chosen: Vec<Chosen>,
}

fn attempt<T: Scalar>(
    engine: Engine,
    route: &Route,
    description: &Description<'_, T>,
    reduced: &Reduced<'_, T>,
    data: &ReducedData<T>,
    choice: Choice,
) -> Attempt<Solved<T>> {
    match engine {
        Engine::Cholesky | Engine::Qr => {
            let (dampings, chosen) = match choice.kind {
                Kind::Number(lambda) => (vec![reduced.damping(lambda); data.b.ncols()], Vec::new()),
                Kind::Rule(_) => {
                    let source = route.spectrum.and_then(Engine::decomposition).unwrap_or(decomposed::Kind::Svd);
                    let spectral = or_refuse!(decompose_and_solve(engine, source, description, reduced, data, choice, false)?);
                    (spectral.dampings, spectral.chosen)
                }
            };
            Ok(direct(engine, reduced, data, dampings, chosen))
        }
        _ => {
            let kind = engine.decomposition().unwrap_or(decomposed::Kind::Svd);
            match decompose_and_solve(engine, kind, description, reduced, data, choice, true)? {
                Err(Refusal::SharedNullSpace) if description.method == Method::Auto => {
                    decompose_and_solve(Engine::Gsvd, decomposed::Kind::Gsvd, description, reduced, data, choice, true)
                }
                other => Ok(other),
            }
        }
    }
}

/// A spectral engine: decompose, choose λ where a rule asks for it, solve where the caller wants more than λ.
fn decompose_and_solve<T: Scalar>(
    engine: Engine,
    kind: decomposed::Kind,
    description: &Description<'_, T>,
    reduced: &Reduced<'_, T>,
    data: &ReducedData<T>,
    choice: Choice,
    wants_solution: bool,
) -> Attempt<Solved<T>> {
    let _ = description;
    // λ = 0: the minimiser of minimum norm is the pseudo-inverse of A, whatever L is
    let zero = matches!(choice.kind, Kind::Number(lambda) if lambda.damping() == 0.0);
    let penalty = if zero { &PenaltyRows::Identity } else { &reduced.penalty };
    let decomposed = or_refuse!(Decomposed::new(kind, reduced.matrix.reborrow(), penalty, reduced.threads));
    let frame = reduced.frame();
    let prepared = or_refuse!(decomposed.prepare(data.b.clone(), &frame));
    let k = data.b.ncols();
    let (dampings, chosen) = match choice.kind {
        Kind::Number(lambda) => (vec![reduced.damping(lambda); k], Vec::new()),
        Kind::Rule(rule) => {
            let (dampings, chosen) = decomposed.choose(&prepared, &frame, &rule, choice.shared, &data.norms, data.unit())?;
            or_refuse!(decomposed.trusted(&dampings));
            (dampings, chosen)
        }
    };
    let z = if wants_solution { or_refuse!(decomposed.solve(&prepared, &dampings)) } else { linalg::zeros(0, 0) };
    let offset = if reduced.constant.is_some() { 1.0 } else { 0.0 };
    let dofs = (0..k).map(|j| decomposed.dof(&prepared, j, dampings[j]) - offset).collect();
    let (rank, tolerance) = decomposed.rank(&dampings);
    Ok(Ok(Solved { engine, z, dampings, dofs, residual_norms: None, rank, tolerance, condition: decomposed.condition(), chosen }))
}

/// Cholesky or QR: one factorization for each run of equal dampings.
fn direct<T: Scalar>(
    engine: Engine,
    reduced: &Reduced<'_, T>,
    data: &ReducedData<T>,
    dampings: Vec<f64>,
    chosen: Vec<Chosen>,
) -> Handed<Solved<T>> {
    let run = |damping: f64, b: MatRef<'_, T>| match engine {
        Engine::Cholesky => cholesky::solve(reduced.matrix.view(), &reduced.penalty, damping, b, reduced.threads),
        _ => qr::solve(reduced.matrix.view(), &reduced.penalty, damping, b, reduced.threads),
    };
    let k = dampings.len();
    let mut z = linalg::zeros(reduced.unknowns, k);
    let (mut dofs, mut norms) = (Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut rank, mut condition) = (reduced.unknowns, 1.0f64);
    let mut column = 0;
    while column < k {
        let count = dampings[column..].iter().take_while(|&&d| d == dampings[column]).count();
        let Direct { x, residual_norms, dof, rank: r, condition: c } = run(dampings[column], data.b.as_ref().subcols(column, count))?;
        for j in 0..count {
            for i in 0..x.nrows() {
                z[(i, column + j)] = x[(i, j)];
            }
            dofs.push(dof);
        }
        norms.extend(residual_norms);
        rank = rank.min(r);
        condition = condition.max(c);
        column += count;
    }
    Ok(Solved { engine, z, dampings, dofs, residual_norms: Some(norms), rank, tolerance: 0.0, condition, chosen })
}

/// Back to the caller's units, with the norms computed from x.
fn finish<T: Scalar>(
    solved: Solved<T>,
    description: &Description<'_, T>,
    reduced: &Reduced<'_, T>,
    data: &ReducedData<T>,
    choice: Choice,
    plan: Plan,
    mut warnings: Vec<Warning>,
) -> Result<Outcome<T>> {
    let k = solved.dampings.len();
    let residual_norms = solved.residual_norms.unwrap_or_else(|| {
        let mut residual = linalg::zeros(data.b.nrows(), k);
        linalg::multiply_block(reduced.matrix.view(), Op::None, solved.z.as_ref(), &mut residual, reduced.threads);
        for j in 0..k {
            for i in 0..residual.nrows() {
                residual[(i, j)] = data.b[(i, j)] - residual[(i, j)];
            }
        }
        linalg::column_norms(residual.as_ref())
    });
    if solved.rank < plan.columns {
        let penalised = !description.penalty.is_identity() && solved.dampings.iter().all(|&d| d > 0.0);
        warnings.push(singular(description.require_full_rank, penalised, solved.rank, plan.columns, solved.tolerance)?);
    }
    let penalty_norms = reduced.penalty_norms(solved.z.as_ref());
    let (x, intercepts) = reduced.answers(solved.z.as_ref(), data)?;
    let offset = if reduced.constant.is_some() { 1.0 } else { 0.0 };
    let fits = (0..k)
        .map(|j| Fit {
            lambda: given_or(choice, reduced, solved.dampings[j]),
            residual_norm: data.in_units(residual_norms[j]),
            penalty_norm: reduced.penalty_norm(penalty_norms[j], data),
            dof: Some(solved.dofs[j] + offset),
        })
        .collect();
    let criteria = criteria(solved.chosen, choice, |damping| reduced.lambda(damping), data.unit(), &mut warnings);
    let report = Report {
        method: solved.engine.name(),
        fits,
        rank: Some(solved.rank),
        condition: Some(solved.condition),
        steps: None,
        stop: None,
        criteria,
        warnings,
        plan,
    };
    Ok(Outcome { x, unknowns: reduced.unknowns, intercepts, report })
}

/// The warning of a singular problem, or the error where full rank was required.
fn singular(required: bool, penalised: bool, rank: usize, unknowns: usize, tolerance: f64) -> Result<Warning> {
    match (required, penalised) {
        (false, _) => Ok(Warning::MinimumNorm { rank, unknowns, tolerance }),
        (true, true) => Err(Error::CommonNullSpace { dimension: unknowns - rank }),
        (true, false) => Err(Error::RankDeficient { rank, unknowns, tolerance }),
    }
}

/// λ as the caller gave it, or as a rule found it.
fn given_or<T: Scalar>(choice: Choice, reduced: &Reduced<'_, T>, damping: f64) -> Lambda {
    match choice.kind {
        Kind::Number(lambda) => lambda,
        Kind::Rule(_) => reduced.lambda(damping),
    }
}

/// What the rules saw, in the caller's units; their warnings join the others.
fn criteria(
    chosen: Vec<Chosen>,
    choice: Choice,
    lambda_of: impl Fn(f64) -> Lambda,
    unit: f64,
    warnings: &mut Vec<Warning>,
) -> Vec<Criterion> {
    let Kind::Rule(rule) = choice.kind else { return Vec::new() };
    let degree = rule.degree_in_data();
    let value = |v: f64| if degree == 2 { v / unit / unit } else { v / unit };
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

// ---- by products alone ------------------------------------------------------------------------------------------------

fn solve_by_products<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    plan: Plan,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let Kind::Number(lambda) = choice.kind else {
        return Err(Error::Unsupported { what: "a rule", with: "CGLS", instead: "give λ as a number, or the entries of A" });
    };
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

// ---- a factorization to keep ------------------------------------------------------------------------------------------

/// A decomposition that outlives the caller's A.
pub struct Kept<T: Scalar> {
    reduced: Reduced<'static, T>,
    decomposed: Decomposed<'static, T>,
    engine: Engine,
    require_full_rank: bool,
    general_penalty: bool,
    pub(crate) plan: Plan,
    warnings: Vec<Warning>,
}

fn factorize<T: Scalar>(description: &Description<'_, T>) -> Result<Kept<T>> {
    let checked = check(description, None)?;
    let (route, plan) = planned(description, None)?;
    let Entries::Dense(a) = description.operator.entries() else {
        return Err(Error::NeedsEntries { method: plan.method, what: "A", instead: "Problem::solve with Method::Cgls" });
    };
    let reduced = Reduced::new(description, a.matrix(), checked.largest)?;
    let mut engine = route.engines[0];
    let mut warnings = Vec::new();
    let kind = |engine: Engine| route.spectrum.unwrap_or(engine).decomposition().unwrap_or(decomposed::Kind::Svd);
    let decompose =
        |engine: Engine| Decomposed::new(kind(engine), reduced.matrix.reborrow().into_owned(), &reduced.penalty, reduced.threads);
    let decomposed = match decompose(engine) {
        Err(refusal @ Refusal::SharedNullSpace) if description.method == Method::Auto => {
            warnings.push(Warning::MethodChanged { from: engine.name(), to: Engine::Gsvd.name(), why: refusal.why() });
            engine = Engine::Gsvd;
            decompose(engine)
        }
        other => other,
    };
    let decomposed = decomposed.map_err(|refusal| refusal_error(engine, refusal, plan.columns))?;
    Ok(Kept {
        reduced: reduced.without_matrix(),
        decomposed,
        engine,
        require_full_rank: description.require_full_rank,
        general_penalty: !description.penalty.is_identity(),
        plan,
        warnings,
    })
}

impl<T: Scalar> Kept<T> {
    fn solve(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
        self.check(b, choice)?;
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b);
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        let k = b.ncols();
        let (dampings, chosen) = match choice.kind {
            Kind::Number(lambda) => (vec![self.reduced.damping(lambda); k], Vec::new()),
            Kind::Rule(rule) => {
                let (dampings, chosen) = self.decomposed.choose(&prepared, &frame, &rule, choice.shared, &data.norms, data.unit())?;
                self.decomposed.trusted(&dampings).map_err(refused)?;
                (dampings, chosen)
            }
        };
        let z = self.decomposed.solve(&prepared, &dampings).map_err(refused)?;
        let (rank, tolerance) = self.decomposed.rank(&dampings);
        let mut warnings = self.warnings.clone();
        if rank < self.plan.columns {
            let penalised = self.general_penalty && dampings.iter().all(|&d| d > 0.0);
            warnings.push(singular(self.require_full_rank, penalised, rank, self.plan.columns, tolerance)?);
        }
        let (x, intercepts) = self.reduced.answers(z.as_ref(), &data)?;
        let penalty_norms = self.reduced.penalty_norms(z.as_ref());
        let fits = (0..k)
            .map(|j| Fit {
                lambda: given_or(choice, &self.reduced, dampings[j]),
                residual_norm: data.in_units(self.decomposed.residual_norm(&prepared, j, dampings[j])),
                penalty_norm: self.reduced.penalty_norm(penalty_norms[j], &data),
                dof: Some(self.decomposed.dof(&prepared, j, dampings[j])),
            })
            .collect();
        let criteria = criteria(chosen, choice, |damping| self.reduced.lambda(damping), data.unit(), &mut warnings);
        let report = Report {
            plan: Plan { choice: Some(choice), ..self.plan.clone() },
            method: self.engine.name(),
            fits,
            rank: Some(rank),
            condition: Some(self.decomposed.condition()),
            steps: None,
            stop: None,
            criteria,
            warnings,
        };
        Ok(Outcome { x, unknowns: self.plan.columns, intercepts, report })
    }

    /// Singular values and coefficients in the caller's units.
    fn spectra(&self, b: MatRef<'_, T>) -> Result<Vec<Spectrum>> {
        self.check(b, Choice::from(0.0))?;
        let data = self.reduced.data(b);
        let prepared = self
            .decomposed
            .prepare(data.b.clone(), &self.reduced.frame())
            .map_err(|refusal| refusal_error(self.engine, refusal, self.plan.columns))?;
        let mut spectra = Decomposed::spectra(prepared);
        for spectrum in &mut spectra {
            spectrum.values.iter_mut().for_each(|v| *v = self.reduced.singular_value(*v));
            spectrum.coefficients.iter_mut().for_each(|v| *v = data.in_units(*v));
            spectrum.outside = data.in_units(data.in_units(spectrum.outside));
            spectrum.tolerance = self.reduced.singular_value(spectrum.tolerance);
        }
        Ok(spectra)
    }

    fn check(&self, b: MatRef<'_, T>, choice: Choice) -> Result<()> {
        crate::check::check_choice(Some(choice))?;
        crate::check::check_right_hand_sides(b, self.plan.rows, self.reduced.threads)
    }
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
