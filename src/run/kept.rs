//! A factorization that outlives the caller's A, and answers any right-hand side, λ and rule.

use super::dense::given_or;
#[cfg(feature = "plot")]
use super::modes::Modes;
use super::transform::Transformed;
use super::{criteria, finite_norms, planned, refusal_error, singular};
use crate::check::{check, check_choice, check_quadratic, check_right_hand_sides};
use crate::choose::Engine;
use crate::comparison::{RuleChoice, RuleComparison, RuleRow};
use crate::curve::{Curve, Damped, Remembered, Spectrum};
use crate::description::Description;
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result, Size};
use crate::factor::decomposed::{self, Decomposed};
use crate::lambda::Lambda;
use crate::linalg::{Mat, MatRef, Threads};
use crate::method::Method;
use crate::operator::Entries;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::rule::truncation::{Truncation, TruncationKind, Truncations};
use crate::rule::{Choice, Chosen, Kind, Rule, needs_rows, needs_unmerged_rows};
use crate::scalar::Scalar;
use crate::solution::{Fit, Outcome, Report};
use crate::transform::reduced::{Reduced, ReducedData};
use crate::warning::Warning;

/// A decomposition that outlives the caller's A.
pub struct Kept<T: Scalar> {
    form: Form<T>,
    pub(crate) plan: Plan,
    /// Rows of a right-hand side.
    rows: usize,
    threads: Threads,
}

/// What is kept.
enum Form<T: Scalar> {
    Entries(Box<OnEntries<T>>),
    Transform(Box<Transformed<T>>),
}

/// A decomposition of the entries of A.
pub(super) struct OnEntries<T: Scalar> {
    pub(super) reduced: Reduced<'static, T>,
    pub(super) decomposed: Decomposed<'static, T>,
    pub(super) engine: Engine,
    require_full_rank: bool,
    general_penalty: bool,
    /// Whether `noise_std` was divided out.
    pub(super) noise_known: bool,
    pub(super) plan: Plan,
    warnings: Vec<Warning>,
}

pub(super) fn factorize<T: Scalar>(description: &Description<'_, T>) -> Result<Kept<T>> {
    let checked = check(description, None)?;
    check_quadratic(
        description,
        "a factorization",
        "use Problem::solve or Problem::path with the method left to Auto, or leave out l1(), elastic_net(..), group_lasso(..) and isotropic()",
    )?;
    let (route, plan) = planned(description, None)?;
    let threads = description.threads();
    let rows = description.operator.shape().0;
    if route.engines == [Engine::Transform] {
        return Ok(Kept { form: Form::Transform(Box::new(Transformed::new(description)?)), plan, rows, threads });
    }
    let copy;
    let a = match description.operator.entries() {
        Entries::Dense(a) => a.matrix(),
        Entries::Sparse(a) => {
            copy = a.to_dense();
            copy.as_ref()
        }
        Entries::None => {
            return Err(Error::NeedsEntries { method: plan.method, what: "A", instead: "Problem::solve with λ as a number" });
        }
    };
    let reduced = Reduced::new(description, a, checked.largest)?;
    let mut engine = route.engines[0];
    let mut warnings = Vec::new();
    let kind = |engine: Engine| route.spectrum.unwrap_or(engine).decomposition().unwrap_or(decomposed::Kind::Svd);
    let decompose = |engine: Engine| {
        Decomposed::new(kind(engine), reduced.matrix.reborrow().into_stored().into_owned(), &reduced.penalty, reduced.threads)
    };
    let decomposed = match decompose(engine) {
        Err(refusal @ (Refusal::SharedNullSpace | Refusal::PenaltyOutOfRange)) if description.method == Method::Auto => {
            warnings.push(Warning::MethodChanged { from: engine.name(), to: Engine::Gsvd.name(), why: refusal.why() });
            engine = Engine::Gsvd;
            decompose(engine)
        }
        other => other,
    };
    let decomposed = decomposed.map_err(|refusal| refusal_error(engine, refusal, plan.columns))?;
    let kept = OnEntries {
        reduced: reduced.without_matrix(),
        decomposed,
        engine,
        require_full_rank: description.require_full_rank,
        general_penalty: !description.penalty.is_identity(),
        noise_known: description.noise_std.is_some(),
        plan: plan.clone(),
        warnings,
    };
    Ok(Kept { form: Form::Entries(Box::new(kept)), plan, rows, threads })
}

impl<T: Scalar> Kept<T> {
    pub(super) fn solve(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
        check_choice(Some(choice))?;
        check_right_hand_sides(b, self.rows, self.threads)?;
        match (&self.form, choice.kind) {
            (Form::Entries(kept), _) => kept.solve(b, choice),
            (Form::Transform(transformed), Kind::Rule(rule)) if !transformed.serves(&rule) => Err(Error::Unsupported {
                what: rule.name(),
                with: "a fast transform, which does not form the leverages",
                instead: "use Gcv, or give the entries of A with Method::Svd",
            }),
            (Form::Transform(kept), _) => kept.solve(b, choice, self.plan.clone()),
        }
    }

    /// Singular values and coefficients in the caller's units, with `outside` as a norm, whose square could overflow there.
    pub(super) fn spectra(&self, b: MatRef<'_, T>) -> Result<Vec<Spectrum>> {
        check_right_hand_sides(b, self.rows, self.threads)?;
        match &self.form {
            Form::Entries(kept) => kept.spectra(b),
            Form::Transform(kept) => kept.spectra(b),
        }
    }

    /// x and the residual as sums over the directions of the decomposition.
    #[cfg(feature = "plot")]
    pub(super) fn modes(&self, b: MatRef<'_, T>) -> Result<Vec<Modes>> {
        self.on_entries(b, "a figure of x or of the residual")?.modes(b)
    }

    /// Truncated solutions; λ stands for the number of values kept: every σᵢ ≥ √λ.
    pub(super) fn truncate(&self, b: MatRef<'_, T>, truncation: Truncation) -> Result<Outcome<T>> {
        truncation.check()?;
        self.on_entries(b, "a truncated SVD")?.truncate(b, truncation)
    }

    /// Solutions with the filter factors σ/(σ + √λ).
    pub(super) fn damped(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
        check_choice(Some(choice))?;
        self.on_entries(b, "a damped SVD")?.damped(b, choice)
    }

    /// What there is to judge a λ by.
    pub(super) fn diagnose(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Vec<Diagnostics>> {
        check_choice(Some(choice))?;
        self.on_entries(b, "diagnostics")?.diagnose(b, choice)
    }

    /// The λ of least error ‖x(λ) − x_true‖, for each right-hand side.
    pub(super) fn oracle(&self, b: MatRef<'_, T>, x_true: MatRef<'_, T>) -> Result<Outcome<T>> {
        self.on_entries(b, "the λ of least error")?.oracle(b, x_true)
    }

    /// What each rule says of each right-hand side; `None` asks all that apply without options.
    pub(super) fn compare(&self, b: MatRef<'_, T>, rules: Option<&[Rule]>) -> Result<Vec<RuleComparison>> {
        rules.into_iter().flatten().try_for_each(|&rule| check_choice(Some(rule.into())))?;
        self.on_entries(b, "a comparison of rules")?.compare(b, rules)
    }

    /// The decomposition of entries, where `what` needs one; b is checked.
    fn on_entries(&self, b: MatRef<'_, T>, what: &'static str) -> Result<&OnEntries<T>> {
        check_right_hand_sides(b, self.rows, self.threads)?;
        match &self.form {
            Form::Entries(kept) => Ok(kept),
            Form::Transform(_) => Err(Error::Unsupported {
                what,
                with: "a fast transform, which forms no singular vectors",
                instead: "give the entries of A with Method::Svd",
            }),
        }
    }

    /// Residual norm, penalty norm, degrees of freedom and GCV function at each λ.
    pub(super) fn curves(&self, b: MatRef<'_, T>, lambdas: &[f64]) -> Result<Vec<Vec<[f64; 4]>>> {
        check_right_hand_sides(b, self.rows, self.threads)?;
        match &self.form {
            Form::Entries(kept) => kept.curves(b, lambdas),
            Form::Transform(kept) => kept.curves(b, lambdas),
        }
    }
}

impl<T: Scalar> OnEntries<T> {
    pub(super) fn solve(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        let k = b.ncols();
        let (dampings, chosen) = match choice.kind {
            Kind::Number(lambda) => (vec![self.reduced.damping(lambda); k], Vec::new()),
            Kind::Rule(rule) => {
                let rule = rule.in_penalty_units(1.0 / self.reduced.penalty_norm(1.0, &data));
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
                lambda: given_or(choice, || self.reduced.lambda(dampings[j])),
                residual_norm: data.in_units(self.decomposed.residual_norm(&prepared, j, dampings[j])),
                penalty_norm: penalty_norms[j],
                dof: Some(self.decomposed.dof(&prepared, j, dampings[j])),
            })
            .collect();
        finite_norms(&fits)?;
        let criteria = criteria(
            chosen,
            choice,
            |damping| self.reduced.lambda(damping),
            data.unit(),
            self.reduced.penalty_norm(1.0, &data),
            &mut warnings,
        );
        let report = Report {
            method: self.engine.name(),
            rank: Some(rank),
            condition: Some(self.decomposed.condition()),
            criteria,
            warnings,
            ..Report::new(Plan { choice: Some(choice), ..self.plan.clone() }, fits)
        };
        Ok(Outcome { x, unknowns: self.plan.columns, intercepts, report })
    }

    fn spectra(&self, b: MatRef<'_, T>) -> Result<Vec<Spectrum>> {
        let (data, mut spectra) = self.reduced_spectra(b)?;
        for spectrum in &mut spectra {
            spectrum.values.iter_mut().for_each(|v| *v = self.reduced.singular_value(*v));
            spectrum.coefficients.iter_mut().for_each(|v| *v = data.in_units(*v));
            spectrum.outside = data.in_units(spectrum.outside.sqrt());
            spectrum.tolerance = self.reduced.singular_value(spectrum.tolerance);
        }
        Ok(spectra)
    }

    /// Computed in the units of the reduced problem, where no square overflows.
    fn curves(&self, b: MatRef<'_, T>, lambdas: &[f64]) -> Result<Vec<Vec<[f64; 4]>>> {
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
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let prepared = self.decomposed.prepare(data.b.clone(), &self.reduced.frame()).map_err(refused)?;
        // curves have no λ at which to ask `trusted`: a spectrum with rounding in it is refused as a whole
        self.decomposed.resolved().map_err(refused)?;
        Ok((data, Decomposed::spectra(prepared)))
    }

    /// Truncated solutions; λ stands for the number of values kept: every σᵢ ≥ √λ.
    pub(super) fn truncate(&self, b: MatRef<'_, T>, truncation: Truncation) -> Result<Outcome<T>> {
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        let steps: Vec<Truncations<'_>> = (0..b.ncols()).map(|j| Truncations::new(self.decomposed.spectrum(&prepared, j))).collect();
        let (counts, chosen): (Vec<usize>, Vec<Chosen>) = match truncation.kind {
            TruncationKind::Count(count) => {
                if let Some(most) = steps.iter().map(Truncations::most).find(|&most| count > most) {
                    return Err(Error::Shape {
                        what: "the number of singular values to keep",
                        found: Size::Length(count),
                        expected: Size::Length(most),
                        hint: "at most the numerical rank; larger ones would amplify rounding",
                    });
                }
                (vec![count; b.ncols()], Vec::new())
            }
            TruncationKind::Rule(rule) => self.decomposed.truncate(&prepared, &frame, &rule, &data.norms, data.unit())?.into_iter().unzip(),
        };
        let kept: Vec<Vec<bool>> = steps
            .iter()
            .zip(&counts)
            .enumerate()
            .map(|(j, (steps, &count))| {
                let mut kept = vec![false; self.decomposed.spectrum(&prepared, j).values.len()];
                steps.order[..count].iter().for_each(|&i| kept[i] = true);
                kept
            })
            .collect();
        let z = self.decomposed.filtered(&prepared, &|j, i| if kept[j][i] { 1.0 } else { 0.0 })?;
        let norms: Vec<(f64, f64, f64)> = steps
            .iter()
            .zip(&counts)
            .map(|(steps, &k)| {
                let point = steps.at(k);
                (steps.damping(k), point.residual.value.sqrt(), self.plan.rows as f64 - point.trace.value)
            })
            .collect();
        let choice = match truncation.kind {
            TruncationKind::Rule(rule) => Choice::from(rule),
            TruncationKind::Count(_) => Choice::from(0.0),
        };
        let rank = counts.iter().min().copied().unwrap_or(0) + self.decomposed.unpenalised(&prepared)
            - usize::from(self.reduced.constant.is_some());
        self.filtered_outcome(z, &data, norms, chosen, choice, "truncated SVD", Some(rank))
    }

    /// Solutions with the filter factors σ/(σ + √λ).
    pub(super) fn damped(&self, b: MatRef<'_, T>, choice: Choice) -> Result<Outcome<T>> {
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        let curves: Vec<Damped<'_>> = (0..b.ncols()).map(|j| Damped(self.decomposed.spectrum(&prepared, j))).collect();
        let (dampings, chosen): (Vec<f64>, Vec<Chosen>) = match choice.kind {
            Kind::Number(lambda) => (vec![self.reduced.damping(lambda); b.ncols()], Vec::new()),
            Kind::Rule(_) if choice.shared && b.ncols() > 1 => {
                return Err(Error::Unsupported {
                    what: "one λ for all right-hand sides",
                    with: "a damped SVD",
                    instead: "choose λ on one of them and pass the number",
                });
            }
            Kind::Rule(rule) => {
                let rule = rule.in_penalty_units(1.0 / self.reduced.penalty_norm(1.0, &data));
                let one = |(curve, &norm): (&Damped<'_>, &f64)| rule.choose(curve, norm, data.unit()).map(|c| (c.damping, c));
                curves.iter().zip(&data.norms).map(one).collect::<Result<Vec<_>>>()?.into_iter().unzip()
            }
        };
        self.reduced.representable("damped SVD", &dampings)?;
        let z = self.decomposed.filtered(&prepared, &|j, i| curves[j].factors(i, dampings[j]).0)?;
        let norms = curves
            .iter()
            .zip(&dampings)
            .map(|(curve, &damping)| {
                let point = curve.at(damping);
                (damping, point.residual.value.sqrt(), self.plan.rows as f64 - point.trace.value)
            })
            .collect();
        self.filtered_outcome(z, &data, norms, chosen, choice, "damped SVD", None)
    }

    /// The outcome of a solution whose filter is not Tikhonov's; `norms` are damping, residual norm and degrees of freedom.
    fn filtered_outcome(
        &self,
        z: Mat<T>,
        data: &ReducedData<T>,
        norms: Vec<(f64, f64, f64)>,
        chosen: Vec<Chosen>,
        choice: Choice,
        method: &'static str,
        rank: Option<usize>,
    ) -> Result<Outcome<T>> {
        let (x, intercepts) = self.reduced.answers(z.as_ref(), data)?;
        let penalty_norms = self.reduced.penalty_norms(z.as_ref(), data);
        let fits: Vec<Fit> = norms
            .iter()
            .zip(&penalty_norms)
            .map(|(&(damping, residual_norm, dof), &penalty_norm)| Fit {
                lambda: self.reduced.lambda(damping),
                residual_norm: data.in_units(residual_norm),
                penalty_norm,
                dof: Some(dof),
            })
            .collect();
        finite_norms(&fits)?;
        let mut warnings = self.warnings.clone();
        let lambda = |damping| self.reduced.lambda(damping);
        let criteria = criteria(chosen, choice, lambda, data.unit(), self.reduced.penalty_norm(1.0, data), &mut warnings);
        let report = Report {
            method,
            rank,
            condition: Some(self.decomposed.condition()),
            criteria,
            warnings,
            ..Report::new(Plan { choice: matches!(choice.kind, Kind::Rule(_)).then_some(choice), ..self.plan.clone() }, fits)
        };
        Ok(Outcome { x, unknowns: self.plan.columns, intercepts, report })
    }

    /// What each rule says of each right-hand side; `None` asks all that apply without options.
    pub(super) fn compare(&self, b: MatRef<'_, T>, rules: Option<&[Rule]>) -> Result<Vec<RuleComparison>> {
        let usual = Rule::usual(self.noise_known);
        let rules = rules.unwrap_or(&usual);
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        self.decomposed.resolved().map_err(refused)?;
        let rows = if rules.iter().any(Rule::needs_leverages) { Some(self.decomposed.rows(&prepared, &frame, "")) } else { None };
        let one = |rule: Rule, j: usize, curve: &dyn Curve| -> Result<RuleChoice> {
            let spectrum = self.decomposed.spectrum(&prepared, j);
            if rule.needs_leverages() && !matches!(rows, Some(Ok(_))) {
                return Err(if frame.merged { needs_unmerged_rows(rule.name()) } else { needs_rows(rule.name()) });
            }
            self.decomposed.suits(&rule)?;
            let chosen = rule.in_penalty_units(1.0 / self.reduced.penalty_norm(1.0, &data)).choose(curve, data.norms[j], data.unit())?;
            let damping = chosen.damping;
            self.decomposed.trusted(&[damping]).map_err(refused)?;
            self.reduced.representable(rule.name(), &[damping])?;
            let point = curve.at(damping);
            let mut warnings = Vec::new();
            let lambda = |damping| self.reduced.lambda(damping);
            let criterion =
                criteria(vec![chosen], rule.into(), lambda, data.unit(), self.reduced.penalty_norm(1.0, &data), &mut warnings).pop();
            Ok(RuleChoice {
                lambda: lambda(damping),
                dof: spectrum.dof(damping),
                residual_norm: data.in_units(point.residual.value.sqrt()),
                penalty_norm: self.reduced.penalty_norm(point.penalty.value.sqrt(), &data),
                criterion: criterion.ok_or_else(|| needs_rows(rule.name()))?,
                warnings,
            })
        };
        let each = |j: usize| {
            let spectrum = self.decomposed.spectrum(&prepared, j);
            let leverages = match &rows {
                Some(Ok(rows)) => Some(rows.curve(spectrum.clone(), j..j + 1)),
                _ => None,
            };
            // the rules ask for the same λ
            let curve = Remembered::new(leverages.as_ref().map_or(spectrum as &dyn Curve, |leverages| leverages));
            let row = |&rule: &Rule| RuleRow { rule, name: rule.name(), choice: one(rule, j, &curve) };
            RuleComparison::new(rules.iter().map(row).collect())
        };
        Ok((0..b.ncols()).map(each).collect())
    }
}
