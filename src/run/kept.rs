//! A factorization that outlives the caller's A, and answers any right-hand side, λ and rule.

use super::dense::given_or;
use super::{criteria, finite_norms, planned, refusal_error, singular};
use crate::check::{check, check_choice, check_right_hand_sides};
use crate::choose::Engine;
use crate::curve::{Curve, Spectrum};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::factor::decomposed::{self, Decomposed};
use crate::lambda::Lambda;
use crate::linalg::MatRef;
use crate::method::Method;
use crate::operator::Entries;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::rule::{Choice, Kind};
use crate::scalar::Scalar;
use crate::solution::{Fit, Outcome, Report};
use crate::transform::reduced::{Reduced, ReducedData};
use crate::warning::Warning;

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

pub(super) fn factorize<T: Scalar>(description: &Description<'_, T>) -> Result<Kept<T>> {
    let checked = check(description, None)?;
    let (route, plan) = planned(description, None)?;
    let Entries::Dense(a) = description.operator.entries() else {
        return Err(Error::NeedsEntries { method: plan.method, what: "A", instead: "Problem::solve with λ as a number" });
    };
    let reduced = Reduced::new(description, a.matrix(), checked.largest)?;
    let mut engine = route.engines[0];
    let mut warnings = Vec::new();
    let kind = |engine: Engine| route.spectrum.unwrap_or(engine).decomposition().unwrap_or(decomposed::Kind::Svd);
    let decompose =
        |engine: Engine| Decomposed::new(kind(engine), reduced.matrix.reborrow().into_owned(), &reduced.penalty, reduced.threads);
    let decomposed = match decompose(engine) {
        Err(refusal @ (Refusal::SharedNullSpace | Refusal::PenaltyOutOfRange)) if description.method == Method::Auto => {
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
    pub(super) fn solve(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
        self.check(b, choice)?;
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        let k = b.ncols();
        let (dampings, chosen) = match choice.kind {
            Kind::Number(lambda) => (vec![self.reduced.damping(lambda); k], Vec::new()),
            Kind::Rule(rule) => {
                let answer = self.decomposed.choose(&prepared, &frame, &rule, choice.shared, &data.norms, data.unit());
                if matches!(answer, Err(Error::NoLambda { .. })) {
                    self.decomposed.resolved().map_err(refused)?;
                }
                let (dampings, chosen) = answer?;
                self.decomposed.trusted(&dampings).map_err(refused)?;
                self.reduced.representable(rule.name(), &dampings)?;
                (dampings, chosen)
            }
        };
        let z = self.decomposed.solve(&prepared, &dampings).map_err(refused)?.z;
        let (rank, tolerance) = self.decomposed.rank(&dampings);
        let mut warnings = self.warnings.clone();
        if rank < self.plan.columns {
            let penalised = self.general_penalty && dampings.iter().all(|&d| d > 0.0);
            warnings.push(singular(self.require_full_rank, penalised, rank, self.plan.columns, tolerance)?);
        }
        let (x, intercepts) = self.reduced.answers(z.as_ref(), &data)?;
        let penalty_norms = self.reduced.penalty_norms(z.as_ref(), &data);
        let fits: Vec<Fit> = (0..k)
            .map(|j| Fit {
                lambda: given_or(choice, &self.reduced, dampings[j]),
                residual_norm: data.in_units(self.decomposed.residual_norm(&prepared, j, dampings[j])),
                penalty_norm: penalty_norms[j],
                dof: Some(self.decomposed.dof(&prepared, j, dampings[j])),
            })
            .collect();
        finite_norms(&fits)?;
        let criteria = criteria(chosen, choice, |damping| self.reduced.lambda(damping), data.unit(), &mut warnings);
        let report = Report {
            plan: Plan { choice: Some(choice), ..self.plan.clone() },
            method: self.engine.name(),
            fits,
            rank: Some(rank),
            condition: Some(self.decomposed.condition()),
            steps: None,
            stop: None,
            comparison: None,
            criteria,
            warnings,
        };
        Ok(Outcome { x, unknowns: self.plan.columns, intercepts, report })
    }

    /// Singular values and coefficients in the caller's units, with `outside` as a norm, whose square could overflow there.
    pub(super) fn spectra(&self, b: MatRef<'_, T>) -> Result<Vec<Spectrum>> {
        let (data, mut spectra) = self.reduced_spectra(b)?;
        for spectrum in &mut spectra {
            spectrum.values.iter_mut().for_each(|v| *v = self.reduced.singular_value(*v));
            spectrum.coefficients.iter_mut().for_each(|v| *v = data.in_units(*v));
            spectrum.outside = data.in_units(spectrum.outside.sqrt());
            spectrum.tolerance = self.reduced.singular_value(spectrum.tolerance);
        }
        Ok(spectra)
    }

    /// Residual norm, penalty norm, degrees of freedom and GCV function at each λ: computed in the units of the reduced
    /// problem, where no square overflows.
    pub(super) fn curves(&self, b: MatRef<'_, T>, lambdas: &[f64]) -> Result<Vec<Vec<[f64; 4]>>> {
        let (data, spectra) = self.reduced_spectra(b)?;
        let point = |spectrum: &Spectrum, lambda: f64| {
            let damping = self.reduced.damping(Lambda::new(lambda));
            let point = spectrum.at(damping);
            let residual_norm = data.in_units(point.residual.value.sqrt());
            let penalty_norm = self.reduced.penalty_norm(point.penalty.value.sqrt(), &data);
            let root = residual_norm / point.trace.value;
            [residual_norm, penalty_norm, spectrum.dof(damping), spectrum.rows as f64 * root * root]
        };
        Ok(spectra.iter().map(|spectrum| lambdas.iter().map(|&lambda| point(spectrum, lambda)).collect()).collect())
    }

    fn reduced_spectra(&self, b: MatRef<'_, T>) -> Result<(ReducedData<T>, Vec<Spectrum>)> {
        self.check(b, Choice::from(0.0))?;
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let prepared = self.decomposed.prepare(data.b.clone(), &self.reduced.frame()).map_err(refused)?;
        // curves have no λ at which to ask `trusted`: a spectrum with rounding in it is refused as a whole
        self.decomposed.resolved().map_err(refused)?;
        Ok((data, Decomposed::spectra(prepared)))
    }

    fn check(&self, b: MatRef<'_, T>, choice: Choice) -> Result<()> {
        check_choice(Some(choice))?;
        check_right_hand_sides(b, self.plan.rows, self.reduced.threads)
    }
}
