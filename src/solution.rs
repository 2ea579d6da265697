//! The answer and what there is to say about it.

use crate::data::Data;
use crate::lambda::Lambda;
use crate::plan::Plan;
use crate::scalar::Scalar;
use crate::step::Stop;
use crate::warning::Warning;
use core::fmt;

/// The minimiser x with what was found on the way. For a matrix b of many right-hand sides every field marked *each* is a
/// `Vec` with one value for each column of b.
pub struct Solution<T: Scalar, B: Data<T> + ?Sized> {
    /// n: the unknowns, in the caller's family of types.
    pub x: B::Output,
    /// The unpenalised constant (each); 0 when no intercept was asked for.
    pub intercept: B::Each<T>,
    /// λ (each). With [`Problem::penalties`](crate::Problem::penalties) and a rule it is 1, and `lambdas` has what the penalties
    /// were multiplied by.
    pub lambda: B::Each<f64>,
    /// The λ of each penalty (each): λ alone unless there are several and a rule chose them.
    pub lambdas: B::Each<Vec<f64>>,
    /// ‖W^½(b − Ax − intercept)‖, in whitened units (each).
    pub residual_norm: B::Each<f64>,
    /// √R(x − x₀), without λ (each): ‖L(x − x₀)‖ where R is its square.
    pub penalty_norm: B::Each<f64>,
    /// Effective degrees of freedom, the trace of the hat matrix, intercept and unpenalised directions included (each);
    /// `None` from an iterative method, and where λ was a number and a large sparse factor (over two million entries) would have
    /// to be inverted on its pattern for it; a rule has it computed.
    pub dof: B::Each<Option<f64>>,
    /// Numerical rank of the stacked matrix [A; √λL] without the intercept; `None` from an iterative method.
    pub rank: Option<usize>,
    /// Everything else, and a table when printed.
    pub report: Report,
}

/// One right-hand side's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Fit {
    /// λ with its damping.
    pub lambda: Lambda,
    /// ‖W^½(b − Ax − intercept)‖.
    pub residual_norm: f64,
    /// ‖L(x − x₀)‖.
    pub penalty_norm: f64,
    /// Effective degrees of freedom.
    pub dof: Option<f64>,
}

/// What a rule saw: the criterion as it was evaluated, and its local minima.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Criterion {
    /// Name of the rule.
    pub rule: &'static str,
    /// The criterion at the λ chosen.
    pub value: f64,
    /// (λ, criterion) at every λ tried, by increasing λ.
    pub evaluated: Vec<(f64, f64)>,
    /// (λ, criterion) at every local minimum inside the interval searched, by increasing λ.
    pub minima: Vec<(f64, f64)>,
    /// Where λ may be as far as the random probes tell: what it would be with others of their kind, at about 95 % (Student's t
    /// on the jackknife), and between the lower and the upper quadrature. `None` where nothing is estimated. It says
    /// nothing of the noise in b, which usually moves λ more.
    pub interval: Option<(f64, f64)>,
    /// The probes behind that interval.
    pub probes: Option<ProbesUsed>,
}

/// What reweighting did, for one right-hand side.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reweighted {
    /// Σφ(uᵢ) + λ·R(x − x₀), not smoothed.
    pub objective: f64,
    /// The same with its powers smoothed by ε: what x minimises.
    pub smoothed_objective: f64,
    /// The smoothed objective after each step at the last ε; it falls unless λ or a scale is chosen at each step.
    pub history: Vec<f64>,
    /// ε of the misfit in (u² + ε²)^{p/2} − εᵖ; 0 where it needs none.
    pub misfit_smoothing: f64,
    /// ε of each term of the penalty.
    pub penalty_smoothing: Vec<f64>,
    /// The noise's standard deviation, where it was estimated.
    pub scale: Option<f64>,
    /// φ'(u)/2u of each row at the last step: 1 is a row that counts in full, near 0 one that is an outlier. Empty for the square.
    pub weights: Vec<f64>,
    /// Ridge problems solved (steps, for a space that grows).
    pub steps: usize,
    /// ‖last change of (x, c)‖/‖(x, c)‖.
    pub change: f64,
    /// Whether the objective is convex, so that the minimum is global.
    pub convex: bool,
}

/// The λ of several penalties, for one right-hand side.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PenaltiesUsed {
    /// λⱼ of each penalty, in their order.
    pub lambdas: Vec<Lambda>,
    /// What each penalty is.
    pub penalties: Vec<String>,
    /// ‖Lⱼ(x − x₀)‖ of each, without λⱼ.
    pub penalty_norms: Vec<f64>,
    /// The largest |∂ log criterion/∂ log λⱼ| over the λⱼ that are at no end of their range.
    pub slope: f64,
    /// Every local minimum found: λⱼ and the criterion, the best first.
    pub minima: Vec<(Vec<f64>, f64)>,
    /// Evaluations of the criterion.
    pub evaluations: usize,
}

/// What was spent on an estimated criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbesUsed {
    /// The seed of their generator.
    pub seed: u64,
    /// Random probes.
    pub count: usize,
    /// Singular directions whose part of the traces is exact.
    pub deflated: usize,
    /// Products with A and Aᴴ, for b and for all probes, until λ was chosen.
    pub products: usize,
}

/// The random part of a preconditioner: by this seed the steps come out the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SketchUsed {
    /// The seed of its generator.
    pub seed: u64,
    /// Eigenvalues of AᴴA that Nyström's method kept, or rows of the sketch.
    pub size: usize,
}

/// The iterates beside a known truth.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// ‖xₖ − truth‖/‖truth‖ after each step.
    pub errors: Vec<f64>,
    /// The step with the least of them; the first is 1.
    pub best_step: usize,
    /// The least of them.
    pub best_error: f64,
}

impl Comparison {
    /// `None` where no step was made.
    pub(crate) fn new(errors: Vec<f64>) -> Option<Self> {
        let (best, &best_error) = errors.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
        Some(Self { best_step: best + 1, best_error, errors })
    }
}

/// The certificate of an answer that keeps to bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Constrained {
    /// How far the first-order (Karush, Kuhn, Tucker) conditions are from holding, without units: the largest component of the
    /// projected gradient −āⱼᵀr, each divided by ‖āⱼ‖ and by ‖b̄‖ or ‖r‖, whichever is larger. āⱼ is column j of \[A; √λL\], r the
    /// residual of that stack; a component held by a bound counts only where it would rather leave it inwards. With an ℓ1 norm, what that norm
    /// answers for (up to ±λ/2 at 0) is taken off first.
    pub kkt_residual: f64,
    /// Components that lie at their lower bound (at both, where the two are equal).
    pub at_lower: usize,
    /// Components that lie at their upper bound only.
    pub at_upper: usize,
    /// ‖Cx − d‖; 0 without equations.
    pub equality_residual: f64,
}

/// Plan, λ, norms, rank, stop, warnings: printed as one small table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// What was planned.
    pub plan: Plan,
    /// The method that solved the problem.
    pub method: &'static str,
    /// The numbers of each right-hand side.
    pub fits: Vec<Fit>,
    /// Numerical rank of the stacked matrix [A; √λL].
    pub rank: Option<usize>,
    /// Estimated condition number of the matrix that was factored, [A; √λL] or Ā, or of the one that an iteration multiplied by, as far
    /// as its steps saw it.
    pub condition: Option<f64>,
    /// Steps of an iterative method, summed over the right-hand sides.
    pub steps: Option<usize>,
    /// Why an iterative method stopped (the last right-hand side).
    pub stop: Option<Stop>,
    /// What a random preconditioner drew: seed and size.
    pub sketch: Option<SketchUsed>,
    /// The objective at x exceeds its minimum by at most this, in the units of residual_norm² (the largest over the right-hand
    /// sides); for penalties that are no square of a norm.
    pub duality_gap: Option<f64>,
    /// The iterates beside the truth that a hybrid method was given.
    pub comparison: Option<Comparison>,
    /// The certificate of each right-hand side's answer where x is bounded; empty otherwise.
    pub constrained: Vec<Constrained>,
    /// What a rule saw, one for each λ chosen.
    pub criteria: Vec<Criterion>,
    /// What reweighting did, for each right-hand side of a problem with a misfit or a penalty that asks for it; empty otherwise.
    pub reweighted: Vec<Reweighted>,
    /// The λ of several penalties that a rule chose, for each right-hand side; empty otherwise.
    pub penalties: Vec<PenaltiesUsed>,
    /// The diagonal of (AᴴA + λLᴴL)⁻¹ as far as an iteration has seen it, entry by entry a lower bound, for each right-hand side;
    /// empty unless it was asked for ([`Lsqr::variances`](crate::Lsqr::variances)).
    pub variances: Vec<Vec<f64>>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

impl Report {
    /// What was planned and found; the rest is added by what an engine knows beyond that.
    pub(crate) fn new(plan: Plan, fits: Vec<Fit>) -> Self {
        Self {
            method: plan.method,
            plan,
            fits,
            rank: None,
            condition: None,
            steps: None,
            stop: None,
            sketch: None,
            duality_gap: None,
            comparison: None,
            constrained: Vec::new(),
            criteria: Vec::new(),
            reweighted: Vec::new(),
            penalties: Vec::new(),
            variances: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// The answer before it takes the caller's type.
pub struct Outcome<T> {
    pub(crate) x: Vec<T>,
    pub(crate) unknowns: usize,
    pub(crate) intercepts: Vec<T>,
    pub(crate) report: Report,
}

impl<T: Scalar> Outcome<T> {
    /// The answer in the caller's type.
    /// Further right-hand sides of the same problem: their answers, fits and criteria after these, each warning once. Rank, condition and
    /// steps stay those of the first.
    pub(crate) fn append(&mut self, other: Self) {
        self.x.extend(other.x);
        self.intercepts.extend(other.intercepts);
        let (all, report) = (&mut self.report, other.report);
        all.fits.extend(report.fits);
        all.criteria.extend(report.criteria);
        all.penalties.extend(report.penalties);
        all.reweighted.extend(report.reweighted);
        for warning in report.warnings {
            if !all.warnings.contains(&warning) {
                all.warnings.push(warning);
            }
        }
    }

    pub(crate) fn into_solution<B: Data<T> + ?Sized>(self) -> Solution<T, B> {
        let each = |value: fn(&Fit) -> f64| B::each(self.report.fits.iter().map(value).collect());
        Solution {
            intercept: B::each(self.intercepts),
            lambda: each(|fit| fit.lambda.value()),
            lambdas: B::each(match self.report.penalties.is_empty() {
                true => self.report.fits.iter().map(|fit| vec![fit.lambda.value()]).collect(),
                false => self.report.penalties.iter().map(|used| used.lambdas.iter().map(|lambda| lambda.value()).collect()).collect(),
            }),
            residual_norm: each(|fit| fit.residual_norm),
            penalty_norm: each(|fit| fit.penalty_norm),
            dof: B::each(self.report.fits.iter().map(|fit| fit.dof).collect()),
            rank: self.report.rank,
            x: B::output(self.unknowns, self.report.fits.len(), self.x),
            report: self.report,
        }
    }
}

impl<T: Scalar, B: Data<T> + ?Sized> Clone for Solution<T, B>
where
    B::Output: Clone,
    B::Each<T>: Clone,
    B::Each<f64>: Clone,
    B::Each<Vec<f64>>: Clone,
    B::Each<Option<f64>>: Clone,
{
    fn clone(&self) -> Self {
        Self {
            x: self.x.clone(),
            intercept: self.intercept.clone(),
            lambda: self.lambda.clone(),
            lambdas: self.lambdas.clone(),
            residual_norm: self.residual_norm.clone(),
            penalty_norm: self.penalty_norm.clone(),
            dof: self.dof.clone(),
            rank: self.rank,
            report: self.report.clone(),
        }
    }
}

impl<T: Scalar, B: Data<T> + ?Sized> fmt::Debug for Solution<T, B>
where
    B::Output: fmt::Debug,
    B::Each<T>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solution").field("x", &self.x).field("intercept", &self.intercept).field("report", &self.report).finish()
    }
}

impl<T: Scalar, B: Data<T> + ?Sized> fmt::Display for Solution<T, B>
where
    B::Output: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "x = {:?}", self.x)?;
        write!(f, "{}", self.report)
    }
}

/// Right-hand sides whose rows are printed; further ones are counted.
const ROWS_SHOWN: usize = 8;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plan)?;
        if self.method != self.plan.method {
            writeln!(f, "solved by  {}", self.method)?;
        }
        let number = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
        match self.fits.as_slice() {
            [fit] => {
                writeln!(f, "λ          {}", fit.lambda)?;
                writeln!(f, "‖Ax − b‖   {:.6e}", fit.residual_norm)?;
                // what is certified by a gap is no square of a norm
                let penalty = if self.duality_gap.is_some() { "√R(x−x₀)   " } else { "‖L(x−x₀)‖  " };
                writeln!(f, "{penalty}{:.6e}", fit.penalty_norm)?;
                writeln!(f, "dof        {}", number(fit.dof))?;
            }
            fits => {
                writeln!(f, "{:>6} {:>12} {:>12} {:>14} {:>14} {:>10}", "column", "λ", "damping", "‖Ax − b‖", "‖L(x−x₀)‖", "dof")?;
                for (column, fit) in fits.iter().enumerate().take(ROWS_SHOWN) {
                    writeln!(
                        f,
                        "{column:>6} {:>12.4e} {:>12.4e} {:>14.6e} {:>14.6e} {:>10}",
                        fit.lambda.value(),
                        fit.lambda.damping(),
                        fit.residual_norm,
                        fit.penalty_norm,
                        number(fit.dof)
                    )?;
                }
                if fits.len() > ROWS_SHOWN {
                    writeln!(f, "       … and {} more", fits.len() - ROWS_SHOWN)?;
                }
            }
        }
        for one in self.reweighted.iter().take(ROWS_SHOWN) {
            write!(f, "objective  {:.6e} after {} reweighted steps", one.objective, one.steps)?;
            let smoothing = one.penalty_smoothing.iter().copied().fold(one.misfit_smoothing, f64::max);
            if smoothing > 0.0 {
                write!(f, " ({:.6e} smoothed by ε = {smoothing:.1e})", one.smoothed_objective)?;
            }
            if let Some(scale) = one.scale {
                write!(f, ", scale {scale:.4e}")?;
            }
            writeln!(f)?;
            let small = one.weights.iter().filter(|&&weight| weight < 0.5).count();
            if !one.weights.is_empty() {
                writeln!(f, "           {small} of {} rows count less than half", one.weights.len())?;
            }
        }
        for used in self.penalties.iter().take(ROWS_SHOWN) {
            for ((lambda, penalty), norm) in used.lambdas.iter().zip(&used.penalties).zip(&used.penalty_norms) {
                writeln!(f, "penalty    λ {:.4e}, ‖L(x−x₀)‖ {norm:.4e}: {penalty}", lambda.value())?;
            }
            if used.minima.len() > 1 {
                writeln!(f, "           {} local minima, the best taken; slope {:.1e}", used.minima.len(), used.slope)?;
            }
        }
        if let Some(rank) = self.rank {
            writeln!(f, "rank       {rank} of {}", self.plan.columns)?;
        }
        if let Some(condition) = self.condition {
            match self.steps {
                Some(_) => writeln!(f, "condition  about {condition:.1e}, as far as the steps of {} saw it", self.method)?,
                None => writeln!(f, "condition  about {condition:.1e}, of what {} factored", self.method)?,
            }
        }
        if let (Some(steps), Some(stop)) = (self.steps, self.stop) {
            writeln!(f, "steps      {steps}: {stop}")?;
        }
        if let Some(SketchUsed { seed, size }) = self.sketch {
            writeln!(f, "sketch     of {size} (seed {seed}), for the preconditioner")?;
        }
        if let Some(gap) = self.duality_gap {
            writeln!(f, "gap        {gap:.1e} at most above the least ‖Ax − b‖² + λR")?;
        }
        for Constrained { kkt_residual, at_lower, at_upper, .. } in self.constrained.iter().take(ROWS_SHOWN) {
            writeln!(f, "bounds     {at_lower} at the lower, {at_upper} at the upper; KKT residual {kkt_residual:.1e}")?;
        }
        if let [criterion] = self.criteria.as_slice() {
            write!(f, "criterion  {} {:.6e}", criterion.rule, criterion.value)?;
            if criterion.minima.len() > 1 {
                let places: Vec<String> = criterion.minima.iter().map(|(lambda, _)| format!("{lambda:.3e}")).collect();
                write!(f, ", local minima at λ = {}", places.join(", "))?;
            }
            writeln!(f)?;
            if let (Some((low, high)), Some(probes)) = (criterion.interval, criterion.probes) {
                let ProbesUsed { seed, count, deflated, products } = probes;
                writeln!(
                    f,
                    "λ between  {low:.4e} and {high:.4e}: {count} probes (seed {seed}), {deflated} directions exact, {products} products"
                )?;
            }
        }
        if let Some(Comparison { errors, best_step, best_error }) = &self.comparison
            && let Some(last) = errors.last()
        {
            writeln!(f, "error      {last:.4e} relative to the truth; least {best_error:.4e} at step {best_step}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "note       {warning}")?;
        }
        Ok(())
    }
}
