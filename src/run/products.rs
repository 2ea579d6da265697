//! An A that only multiplies: the iterative methods. Several right-hand sides go together, as a block, and several λ for one
//! right-hand side share one Krylov space, where the method has that.

use super::column::Column;
use super::in_standard_form::{InStandardForm, root_for};
use crate::check::check_rank_by_products;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::krylov::precondition::{self, Prepared, Rows};
use crate::krylov::standard_form::Root;
use crate::krylov::{self, Kind, System};
use crate::lambda::Lambda;
use crate::linalg::{MatRef, Threads};
use crate::method::Iterative;
use crate::operator::{Entries, Operator};
use crate::plan::{FACTOR, FACTOR_IF, Plan, STACKED};
use crate::rule::{Choice, Kind as ChoiceKind};
use crate::scalar::{Real, Scalar, times_power_of_two};
use crate::solution::{Fit, Outcome, Report, SketchUsed};
use crate::step::{Observer, Step};
use crate::transform::by_products::ByProducts;
use crate::transform::reduced::finite;
use crate::warning::Warning;
use core::cell::Cell;

pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    kind: Kind,
    choice: Choice,
    plan: Plan,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let lambda = number(choice, plan.method)?;
    let run = Run::new(description, kind, plan, lambda.damping(), 1)?;
    let columns: Vec<Column<T>> = (0..b.ncols()).map(|j| Column::new(&run.problem, b, j)).collect();
    // an observer sees one right-hand side after another; a guess and an unusual scale are a matter of one, too
    let together = columns.len() > 1
        && observer.is_none()
        && run.guess.is_none()
        && run.root.is_none()
        && columns.iter().all(|column| column.balance == 0);
    let answers = if together { run.block(&columns, lambda)? } else { run.one_by_one(&columns, lambda, observer)? };
    let parts = columns.iter().zip(answers).map(|(column, answer)| (column, lambda, answer)).collect();
    run.outcome(parts)
}

/// One right-hand side, many λ.
pub(super) fn path<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    kind: Kind,
    lambdas: &[(Lambda, Plan)],
) -> Result<Vec<Outcome<T>>> {
    let Some((_, plan)) = lambdas.first() else { return Ok(Vec::new()) };
    let smallest = lambdas.iter().map(|(lambda, _)| lambda.damping()).fold(f64::INFINITY, f64::min);
    let mut run = Run::new(description, kind, plan.clone(), smallest, lambdas.len())?;
    // a guess serves one λ
    run.guess = None;
    let columns: Vec<Column<T>> = (0..b.ncols()).map(|j| Column::new(&run.problem, b, j)).collect();
    let mut answers: Vec<Vec<_>> = Vec::with_capacity(columns.len());
    for column in &columns {
        answers.push(run.path(column, lambdas)?);
    }
    let mut outcomes = Vec::with_capacity(lambdas.len());
    for (lambda, plan) in lambdas.iter().rev() {
        run.plan = with_factor(plan.clone(), run.root.is_some());
        let parts =
            columns.iter().zip(&mut answers).filter_map(|(column, all)| all.pop().map(|answer| (column, *lambda, answer))).collect();
        outcomes.push(run.outcome(parts)?);
    }
    outcomes.reverse();
    Ok(outcomes)
}

/// λ as a number.
pub(super) fn number(choice: Choice, method: &'static str) -> Result<Lambda> {
    let ChoiceKind::Number(lambda) = choice.kind else {
        return Err(Error::Unsupported { what: "a rule", with: method, instead: "give λ as a number, or the entries of A" });
    };
    Ok(lambda)
}

/// The plan of one λ does not know how many there are.
fn with_factor(mut plan: Plan, tried: bool) -> Plan {
    if tried && !plan.transforms.contains(&FACTOR_IF) {
        plan.transforms.push(FACTOR_IF);
    }
    plan
}

/// The problem by its products, ready for any right-hand side and λ.
struct Run<'a, T: Scalar> {
    problem: ByProducts<'a, T>,
    kind: Kind,
    options: Iterative,
    plan: Plan,
    guess: Option<Vec<T>>,
    hidden: T::Real,
    preconditioner: Option<Prepared<'a, T>>,
    /// The seed of the preconditioner.
    seed: Option<u64>,
    /// L's root, where the standard form serves.
    root: Option<Root<T>>,
    /// Whether all right-hand sides have been solved there.
    stands: Cell<bool>,
    threads: Threads,
}

impl<'a, T: Scalar> Run<'a, T> {
    /// `damping` is the smallest of the `lambdas` that are to come.
    fn new(description: &Description<'a, T>, kind: Kind, plan: Plan, damping: f64, lambdas: usize) -> Result<Self> {
        check_rank_by_products(description, plan.method)?;
        let options = description.method.iterative().cloned().unwrap_or_default();
        let problem = ByProducts::new(description)?;
        let guess = options.start_guess::<T>(plan.columns)?.map(|guess| problem.departure(&guess));
        let hidden = problem.hidden_norm();
        let threads = description.threads();
        let preconditioner = match &description.preconditioner {
            None => None,
            Some(preconditioner) => {
                let rows = match description.operator.entries() {
                    Entries::Dense(a) => Some(Rows { entries: a.matrix(), scale: problem.row_scale(), constant: problem.projected_out() }),
                    _ => None,
                };
                Some(precondition::prepare(preconditioner, &problem, rows.as_ref(), damping, threads)?)
            }
        };
        let seed = description.preconditioner.as_ref().and_then(|preconditioner| preconditioner.seed());
        let root = root_for(description, kind, &options, lambdas)?;
        let plan = with_factor(plan, root.is_some());
        let stands = Cell::new(root.is_some());
        Ok(Self { problem, kind, options, plan, guess, hidden, preconditioner, seed, root, stands, threads })
    }

    /// The system at λ for right-hand sides with the scales of this one.
    fn system<'s>(&'s self, a: &'s dyn Operator<Scalar = T>, lambda: Lambda, scales: &Column<T>, data: &'s [T]) -> Result<System<'s, T>> {
        let system = System::new(a, self.problem.penalty(), scales.damping(lambda), data)?;
        Ok(System { hidden: scales.hidden(self.hidden), threads: self.threads, ..system })
    }

    /// The problem in standard form, where that serves and A sees what L leaves free.
    fn in_standard_form<'s>(&'s self, system: System<'s, T>) -> Option<InStandardForm<'s, T>> {
        let form = InStandardForm::new(system, self.root.as_ref()?);
        self.stands.set(self.stands.get() && form.is_some());
        form
    }

    /// R⁻¹ at λ.
    fn right(&self, lambda: Lambda) -> Option<Box<dyn Operator<Scalar = T> + '_>> {
        self.preconditioner.as_ref().map(|prepared| prepared.inverse(lambda.damping(), self.threads))
    }

    /// All columns at once: none of them needs a balance.
    fn block(&self, columns: &[Column<T>], lambda: Lambda) -> Result<Vec<krylov::Outcome<T>>> {
        let data: Vec<T> = columns.iter().flat_map(|column| column.data.iter().copied()).collect();
        let right = self.right(lambda);
        let system = System { columns: columns.len(), right: right.as_deref(), ..self.system(&self.problem, lambda, &columns[0], &data)? };
        krylov::block(self.kind, &system, &self.options)
    }

    fn one_by_one(
        &self,
        columns: &[Column<T>],
        lambda: Lambda,
        mut observer: Option<&mut Observer<'_>>,
    ) -> Result<Vec<krylov::Outcome<T>>> {
        let one = |column: &Column<T>| {
            let mut watch = observer.as_deref_mut().map(|observe| move |step: &Step| observe(&column.step(step)));
            let mut guess = self.guess.clone();
            if let Some(guess) = &mut guess {
                column.inward(guess);
            }
            let right = self.right(lambda);
            column.balanced(&self.problem, |a| {
                let system = System { right: right.as_deref(), ..self.system(a, lambda, column, &column.data)? };
                if let Some(form) = self.in_standard_form(system) {
                    let watch = watch.as_mut().map(|watch| watch as &mut Observer<'_>);
                    return form.steps(self.kind, column.damping(lambda), &self.options, watch);
                }
                krylov::solve(self.kind, &system, guess.as_deref(), &self.options, watch.as_mut().map(|watch| watch as &mut Observer<'_>))
            })
        };
        columns.iter().map(one).collect()
    }

    fn path(&self, column: &Column<T>, lambdas: &[(Lambda, Plan)]) -> Result<Vec<krylov::Outcome<T>>> {
        if self.preconditioner.is_some() {
            let one = |(lambda, _): &(Lambda, Plan)| self.one_by_one(core::slice::from_ref(column), *lambda, None);
            let answers: Vec<Vec<_>> = lambdas.iter().map(one).collect::<Result<_>>()?;
            return Ok(answers.into_iter().flatten().collect());
        }
        let dampings: Vec<f64> = lambdas.iter().map(|(lambda, _)| column.damping(*lambda)).collect();
        column.balanced(&self.problem, |a| {
            let system = self.system(a, Lambda::ZERO, column, &column.data)?;
            if let Some(form) = self.in_standard_form(system) {
                return form.path(self.kind, &dampings, &self.options);
            }
            krylov::path(self.kind, &system, &dampings, &self.options)
        })
    }

    /// The answer in the caller's units.
    fn outcome(&self, parts: Vec<(&Column<T>, Lambda, krylov::Outcome<T>)>) -> Result<Outcome<T>> {
        let n = self.plan.columns;
        let k = parts.len();
        let (mut x, mut intercepts, mut fits) = (Vec::with_capacity(n * k), Vec::with_capacity(k), Vec::with_capacity(k));
        let (mut steps, mut stop, mut condition) = (0, None, None);
        let (mut warnings, mut variances) = (Vec::new(), Vec::new());
        for (column, lambda, mut part) in parts {
            let penalty_norm = column.outward(&self.problem, &mut part.x, part.steps)?;
            steps += part.steps;
            if !part.stop.converged() && self.options.accepts_partial() {
                let tolerance = self.options.tolerance_for(T::Real::EPSILON.to_f64());
                warnings.push(Warning::Partial { reached: part.normal_residual, tolerance });
            }
            stop = Some(part.stop);
            condition = part.condition.into_iter().chain(condition).reduce(f64::max);
            if let Some(mut values) = part.variances.take() {
                values.iter_mut().for_each(|v| *v = times_power_of_two(*v, 2 * column.balance));
                variances.push(values);
            }
            fits.push(Fit { lambda, residual_norm: column.norm(part.residual_norm), penalty_norm, dof: None });
            intercepts.push(column.constant(&self.problem, &part.x));
            x.extend(self.problem.answer(&part.x));
        }
        finite(&x, &intercepts, n)?;
        let size = self.preconditioner.as_ref().and_then(Prepared::drawn);
        let sketch = self.seed.zip(size).map(|(seed, size)| SketchUsed { seed, size });
        let mut plan = self.plan.clone();
        plan.settle_factor(if self.stands.get() { FACTOR } else { STACKED });
        let report = Report { condition, steps: Some(steps), stop, sketch, variances, warnings, ..Report::new(plan, fits) };
        Ok(Outcome { x, unknowns: n, intercepts, report })
    }
}
