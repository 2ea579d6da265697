//! The engines on the entries of A: each is tried in the order of the route, and may hand the problem back.

use super::{criteria, finite_norms, refusal_error, singular};
use crate::choose::{Engine, Route};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::factor::cholesky::Direct;
use crate::factor::decomposed::{self, Decomposed};
use crate::factor::{Answer, cholesky, qr};
use crate::lambda::Lambda;
use crate::linalg::{self, Mat, MatRef, Op};
use crate::method::Method;
use crate::operator::Entries;
use crate::plan::Plan;
use crate::refusal::{Handed, Refusal};
use crate::rule::{Choice, Chosen, Kind};
use crate::scalar::Scalar;
use crate::solution::{Fit, Outcome, Report};
use crate::transform::reduced::{Reduced, ReducedData};
use crate::transform::standard_form::PenaltyRows;
use crate::warning::Warning;

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

/// What an engine found: solutions of the reduced problem, one column for each right-hand side.
pub(super) struct Solved<T> {
    pub(super) engine: Engine,
    pub(super) z: Mat<T>,
    /// Dampings in the units of the reduced problem.
    pub(super) dampings: Vec<f64>,
    /// Degrees of freedom, the constant included.
    pub(super) dofs: Vec<Option<f64>>,
    pub(super) residual_norms: Option<Vec<f64>>,
    pub(super) rank: usize,
    pub(super) tolerance: f64,
    pub(super) condition: f64,
    pub(super) chosen: Vec<Chosen>,
}

/// The answers in the caller's units.
pub(super) struct Returned<T> {
    pub(super) x: Vec<T>,
    pub(super) unknowns: usize,
    pub(super) intercepts: Vec<T>,
    pub(super) residual_norms: Vec<f64>,
    pub(super) penalty_norms: Vec<f64>,
}

impl<T: Scalar> Solved<T> {
    /// With its report. `lambda` takes a damping to the caller's λ; `units` are one unit of the caller's data and of ‖Lz‖ here.
    pub(super) fn outcome(
        self,
        returned: Returned<T>,
        choice: Choice,
        plan: Plan,
        lambda: impl Fn(f64) -> Lambda,
        (unit, penalty_unit): (f64, f64),
        mut warnings: Vec<Warning>,
    ) -> Result<Outcome<T>> {
        let Returned { x, unknowns, intercepts, residual_norms, penalty_norms } = returned;
        let fits: Vec<Fit> = (0..self.dampings.len())
            .map(|j| Fit {
                lambda: given_or(choice, || lambda(self.dampings[j])),
                residual_norm: residual_norms[j],
                penalty_norm: penalty_norms[j],
                dof: self.dofs[j],
            })
            .collect();
        finite_norms(&fits)?;
        let criteria = criteria(self.chosen, choice, lambda, unit, penalty_unit, &mut warnings);
        let report = Report {
            method: self.engine.name(),
            rank: Some(self.rank),
            condition: Some(self.condition),
            criteria,
            warnings,
            ..Report::new(plan, fits)
        };
        Ok(Outcome { x, unknowns, intercepts, report })
    }
}

/// Solves on the entries of A; `largest` is the largest entry of DA, `small` why the fast path for few unknowns refused.
pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    route: &Route,
    plan: Plan,
    largest: f64,
    small: Refusal,
) -> Result<Outcome<T>> {
    let Entries::Dense(a) = description.operator.entries() else {
        return Err(Error::NeedsEntries { method: plan.method, what: "A", instead: "Method::Cgls" });
    };
    let reduced = Reduced::new(description, a.matrix(), largest)?;
    let data = reduced.data(b)?;
    let mut warnings = Vec::new();
    let mut refused: Option<(Engine, Refusal)> = None;
    for &engine in route.engines {
        if engine == Engine::Small {
            // tried above, before anything else
            refused = Some((engine, small));
            continue;
        }
        if let Some((from, refusal)) = refused.take() {
            warnings.push(Warning::MethodChanged { from: from.name(), to: engine.name(), why: refusal.why() });
        }
        match attempt(engine, route, description, &reduced, &data, choice)? {
            Ok(solved) => return finish(solved, description, &reduced, &data, choice, plan, warnings),
            Err(refusal) => refused = Some((engine, refusal)),
        }
    }
    let (engine, refusal) = refused.unwrap_or((Engine::Svd, Refusal::NoConvergence));
    Err(refusal_error(engine, refusal, plan.columns))
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
                    let spectral = or_refuse!(decompose_and_solve(engine, source, reduced, data, choice, false)?);
                    (spectral.dampings, spectral.chosen)
                }
            };
            Ok(direct(engine, reduced, data, dampings, chosen))
        }
        _ => {
            let kind = engine.decomposition().unwrap_or(decomposed::Kind::Svd);
            match decompose_and_solve(engine, kind, reduced, data, choice, true)? {
                Err(Refusal::SharedNullSpace | Refusal::PenaltyOutOfRange) if description.method == Method::Auto => {
                    decompose_and_solve(Engine::Gsvd, decomposed::Kind::Gsvd, reduced, data, choice, true)
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
    reduced: &Reduced<'_, T>,
    data: &ReducedData<T>,
    choice: Choice,
    wants_solution: bool,
) -> Attempt<Solved<T>> {
    // λ = 0: the minimiser of minimum norm is the pseudo-inverse of A, whatever L is
    let zero = matches!(choice.kind, Kind::Number(lambda) if lambda.damping() == 0.0);
    let penalty = if zero { &PenaltyRows::Identity } else { &reduced.penalty };
    let matrix = match (kind, penalty) {
        (decomposed::Kind::Tridiagonal, PenaltyRows::Identity) => reduced.matrix.reborrow(),
        _ => reduced.matrix.stored().into(),
    };
    let decomposed = or_refuse!(Decomposed::new(kind, matrix, penalty, reduced.threads));
    let frame = reduced.frame();
    let prepared = or_refuse!(decomposed.prepare(data.b.clone(), &frame));
    let k = data.b.ncols();
    let (dampings, chosen) = match choice.kind {
        Kind::Number(lambda) => (vec![reduced.damping(lambda); k], Vec::new()),
        Kind::Rule(rule) => {
            let rule = rule.in_penalty_units(1.0 / reduced.penalty_norm(1.0, data));
            let answer = decomposed.choose(&prepared, &frame, &rule, choice.shared, &data.norms, data.unit());
            if matches!(answer, Err(Error::NoLambda { .. })) {
                // that there is no λ may only be said from a spectrum that is right
                or_refuse!(decomposed.resolved());
            }
            let (dampings, chosen) = answer?;
            or_refuse!(decomposed.trusted(&dampings));
            reduced.representable(rule.name(), &dampings)?;
            (dampings, chosen)
        }
    };
    let Answer { z, residual_norms } = match wants_solution {
        true => or_refuse!(decomposed.solve(&prepared, &dampings)),
        false => linalg::zeros(0, 0).into(),
    };
    let dofs = (0..k).map(|j| Some(decomposed.dof(&prepared, j, dampings[j]))).collect();
    let (rank, tolerance) = decomposed.rank(&dampings);
    Ok(Ok(Solved { engine, z, dampings, dofs, residual_norms, rank, tolerance, condition: decomposed.condition(), chosen }))
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
        Engine::Cholesky => cholesky::solve(&reduced.matrix, &reduced.penalty, damping, b, reduced.threads),
        _ => qr::solve(reduced.matrix.view(), &reduced.penalty, damping, b, reduced.threads),
    };
    let k = dampings.len();
    let mut z = linalg::zeros(reduced.unknowns, k);
    let (mut dofs, mut norms) = (Vec::with_capacity(k), Vec::with_capacity(k));
    let (mut rank, mut condition) = (reduced.unknowns, 1.0f64);
    let constant = if reduced.constant.is_some() { 1.0 } else { 0.0 };
    let mut column = 0;
    while column < k {
        let count = dampings[column..].iter().take_while(|&&d| d == dampings[column]).count();
        let Direct { x, residual_norms, dof, rank: r, condition: c } = run(dampings[column], data.b.as_ref().subcols(column, count))?;
        for j in 0..count {
            for i in 0..x.nrows() {
                z[(i, column + j)] = x[(i, j)];
            }
            dofs.push(dof.map(|dof| dof + constant));
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
    mut solved: Solved<T>,
    description: &Description<'_, T>,
    reduced: &Reduced<'_, T>,
    data: &ReducedData<T>,
    choice: Choice,
    plan: Plan,
    mut warnings: Vec<Warning>,
) -> Result<Outcome<T>> {
    let k = solved.dampings.len();
    let residual_norms = solved.residual_norms.take().unwrap_or_else(|| {
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
    let (x, intercepts) = reduced.answers(solved.z.as_ref(), data)?;
    let penalty_norms = reduced.penalty_norms(solved.z.as_ref(), data);
    let returned = Returned {
        x,
        unknowns: reduced.unknowns,
        intercepts,
        residual_norms: residual_norms.into_iter().map(|norm| data.in_units(norm)).collect(),
        penalty_norms,
    };
    let units = (data.unit(), reduced.penalty_norm(1.0, data));
    solved.outcome(returned, choice, plan, |damping| reduced.lambda(damping), units, warnings)
}

/// λ as the caller gave it, or as a rule found it.
pub(super) fn given_or(choice: Choice, found: impl FnOnce() -> Lambda) -> Lambda {
    match choice.kind {
        Kind::Number(lambda) => lambda,
        Kind::Rule(_) => found(),
    }
}
