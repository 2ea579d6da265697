//! A sparse A: factored as it is, multiplied as it is, or, where it is small, stored densely for the dense engines.

use super::dense::{Returned, Solved};
use super::interruptible::Interruptible;
use super::{products, refusal_error};
use crate::choose::{Engine, Route};
use crate::description::Description;
use crate::error::Result;
use crate::factor::cholesky::Direct;
use crate::factor::residual_level;
use crate::factor::sampled::{Sample, Sampled};
use crate::factor::sparse::{System, Trace};
use crate::linalg::sparse::Rows;
use crate::linalg::{self, MatRef};
use crate::operator::SparseView;
use crate::plan::Plan;
use crate::refusal::{Handed, Refusal};
use crate::rule::{Choice, Chosen, Kind, Rule};
use crate::scalar::{Real, Scalar};
use crate::solution::Outcome;
use crate::step::Observer;
use crate::transform::reduced::finite;
use crate::transform::sparse::{SparseData, SparseReduced};
use crate::warning::Warning;

/// The reduction, its data and the system: what all sparse engines share.
type Built<T> = (SparseReduced<T>, SparseData<T>, System<T>);

/// Solves on the entries of a sparse A; `largest` is the largest entry of DA.
pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    a: SparseView<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    route: &Route,
    plan: Plan,
    largest: f64,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let mut warnings = Vec::new();
    let mut refused: Option<(Engine, Refusal)> = None;
    let mut built: Option<Built<T>> = None;
    for &engine in route.engines {
        if engine.iterative().is_some() && description.require_full_rank && refused.is_some() {
            // the iteration cannot tell the rank, which is what was asked for
            break;
        }
        if let Some((from, refusal)) = refused.take() {
            warnings.push(Warning::MethodChanged { from: from.name(), to: engine.name(), why: refusal.why() });
        }
        if let Some(kind) = engine.iterative() {
            let view = Interruptible { view: a.threads(description.threads().0), whole: description.operator };
            let here = Description { operator: &view, ..description.clone() };
            let mut outcome = products::solve(&here, b, kind, choice, plan, observer)?;
            outcome.report.method = engine.name();
            outcome.report.warnings.splice(0..0, warnings);
            return Ok(outcome);
        }
        if built.is_none() {
            let (reduced, rows, penalty) = SparseReduced::new(description, &a, largest)?;
            let data = reduced.data(b)?;
            match System::new(rows, penalty, description.threads()) {
                Ok(system) => built = Some((reduced, data, system)),
                Err(refusal) => {
                    refused = Some((engine, refusal));
                    continue;
                }
            }
        }
        let Some((reduced, data, system)) = &built else { continue };
        match attempt(engine, route, system, reduced, data, choice)? {
            Ok(solved) => {
                if solved.engine != engine {
                    let why = Refusal::IllConditioned(solved.condition).why();
                    warnings.push(Warning::MethodChanged { from: engine.name(), to: solved.engine.name(), why });
                }
                return finish(solved, reduced, data, system.l(), choice, plan, warnings);
            }
            Err(refusal) => refused = Some((engine, refusal)),
        }
    }
    let (engine, refusal) = refused.unwrap_or((Engine::SparseQr, Refusal::NotCovered));
    Err(refusal_error(engine, refusal, plan.columns))
}

fn attempt<T: Scalar>(
    engine: Engine,
    route: &Route,
    system: &System<T>,
    reduced: &SparseReduced<T>,
    data: &SparseData<T>,
    choice: Choice,
) -> Result<Handed<Solved<T>>> {
    let k = data.b.ncols();
    let run = |damping: f64, b: MatRef<'_, T>, trace: Trace| match engine {
        Engine::SparseCholesky => system.cholesky(damping, b, trace),
        _ => system.qr(damping, b, trace),
    };
    let (dampings, chosen) = match choice.kind {
        Kind::Number(lambda) => (vec![reduced.damping(lambda); k], Vec::new()),
        Kind::Rule(rule) => {
            // below what Cholesky can bear, QR goes on where it may
            let both = route.engines.contains(&Engine::SparseQr);
            let sample = |b: MatRef<'_, T>, t: f64, trace: Trace| -> Handed<Sample> {
                let damping = (0.5 * t).exp();
                let direct = match run(damping, b, trace) {
                    Err(Refusal::IllConditioned(_) | Refusal::OutOfRange) if engine == Engine::SparseCholesky && both => {
                        system.qr(damping, b, trace)?
                    }
                    other => other?,
                };
                Ok(averaged(&direct, reduced, system.l()))
            };
            let together = choice.shared && k > 1;
            let blocks: Vec<(usize, usize)> = if together { vec![(0, k)] } else { (0..k).map(|j| (j, 1)).collect() };
            let mut chosen: Vec<Chosen> = Vec::with_capacity(blocks.len());
            let mut dampings = Vec::with_capacity(k);
            for (first, count) in blocks {
                let b = data.b.as_ref().subcols(first, count);
                let (rows, unit) = (reduced.shape.0, data.unit());
                let norm = linalg::norm(&data.norms[first..first + count]) / (count as f64).sqrt();
                let found = match rule {
                    Rule::Discrepancy(rule) if rule.by_residual() => {
                        let target = unit * rule.residual_norm(rows, norm / unit);
                        let norm = |t: f64| Ok(sample(b, t, Trace::Unwanted)?.residual.sqrt());
                        residual_level::choose(rule, target, unit, system.middle(), &norm)
                    }
                    _ => {
                        let source = |t: f64| sample(b, t, Trace::Wanted);
                        Sampled::new(system.middle(), rows, T::Real::EPSILON.to_f64(), &source)
                            .and_then(|mut curve| curve.choose(&rule, norm, unit, &source))
                    }
                };
                let one = match found {
                    Ok(one) => one?,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                dampings.extend(core::iter::repeat_n(one.damping, count));
                chosen.push(one);
            }
            (dampings, chosen)
        }
    };
    let mut z = linalg::zeros(reduced.shape.1 + usize::from(reduced.constant), k);
    let (mut dofs, mut norms, mut condition) = (Vec::with_capacity(k), Vec::with_capacity(k), 1.0f64);
    let mut used = engine;
    let mut column = 0;
    while column < k {
        let count = dampings[column..].iter().take_while(|&&d| d == dampings[column]).count();
        let (damping, b) = (dampings[column], data.b.as_ref().subcols(column, count));
        let trace = if chosen.is_empty() { Trace::IfCheap } else { Trace::Wanted };
        let mut direct = run(damping, b, trace);
        if let (Err(Refusal::IllConditioned(_) | Refusal::OutOfRange), false) = (&direct, chosen.is_empty())
            && engine == Engine::SparseCholesky
            && route.engines.contains(&Engine::SparseQr)
        {
            // λ is chosen already: only the solution is left to the next engine
            used = Engine::SparseQr;
            direct = system.qr(damping, b, trace);
        }
        let direct = match direct {
            Ok(direct) => direct,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for j in 0..count {
            z.col_as_slice_mut(column + j).copy_from_slice(direct.x.col_as_slice(j));
            dofs.push(direct.dof);
        }
        norms.extend(direct.residual_norms);
        condition = condition.max(direct.condition);
        column += count;
    }
    let rank = reduced.shape.1;
    Ok(Ok(Solved { engine: used, z, dampings, dofs, residual_norms: Some(norms), rank, tolerance: 0.0, condition, chosen }))
}

/// The mean squares over the right-hand sides, which is what a rule sees of several at once.
fn averaged<T: Scalar>(direct: &Direct<T>, reduced: &SparseReduced<T>, penalty: &Rows<T>) -> Sample {
    let count = direct.residual_norms.len().max(1) as f64;
    let penalties = (0..direct.x.ncols()).map(|j| {
        let mut image = vec![T::ZERO; penalty.rows()];
        penalty.add_product(T::Real::ONE, direct.x.col_as_slice(j), &mut image);
        let norm = linalg::norm(&image).to_f64();
        norm * norm
    });
    Sample {
        residual: direct.residual_norms.iter().map(|n| n * n).sum::<f64>() / count,
        penalty: penalties.sum::<f64>() / count,
        trace: direct.dof.map_or(f64::NAN, |dof| reduced.shape.0 as f64 - dof),
    }
}

fn finish<T: Scalar>(
    mut solved: Solved<T>,
    reduced: &SparseReduced<T>,
    data: &SparseData<T>,
    penalty: &Rows<T>,
    choice: Choice,
    plan: Plan,
    warnings: Vec<Warning>,
) -> Result<Outcome<T>> {
    let (x, intercepts) = reduced.answers(solved.z.as_ref(), data);
    finite(&x, &intercepts, reduced.shape.1)?;
    let penalty_norms = reduced.penalty_norms(penalty, solved.z.as_ref(), data);
    let norms = solved.residual_norms.take().unwrap_or_default();
    let returned = Returned {
        x,
        unknowns: reduced.shape.1,
        intercepts,
        residual_norms: norms.into_iter().map(|norm| data.in_units(norm)).collect(),
        penalty_norms,
    };
    let units = (data.unit(), reduced.penalty_norm(1.0, data));
    solved.outcome(returned, choice, plan, |damping| reduced.lambda(damping), units, warnings)
}
