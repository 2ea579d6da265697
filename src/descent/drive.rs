//! The one loop of the descents: gradient, step, observer, held-out rows, and when to stop.

use super::source::{Blocks, Full, Source, Stream};
use super::update::Update;
use super::{Descent, EffectiveLambda, Limit, Options, real, right_hand_side, step_size};
use crate::data::Data;
use crate::error::{Error, Result, Size};
use crate::linalg;
use crate::operator::{Entries, Operator};
use crate::scalar::{Real, Scalar};
use crate::step::{Observer, Step, Stop};
use core::ops::ControlFlow;

/// The gradient has grown by this factor: the iteration diverges.
const DIVERGENCE: f64 = 1e8;
/// Where the tolerance of gradient descent is not given.
const TOLERANCE: f64 = 1e-8;

/// Rows that judge, and how long a run goes on without a better verdict.
pub(super) struct HeldOut<'h, T: Scalar> {
    a: &'h dyn Operator<Scalar = T>,
    b: Vec<T>,
    residual: Vec<T>,
    patience: usize,
}

impl<'h, T: Scalar> HeldOut<'h, T> {
    pub fn new<D: Data<T> + ?Sized>(a: &'h impl Operator<Scalar = T>, b: &D, patience: usize, columns: usize) -> Result<Self> {
        check_columns(a, columns)?;
        if patience == 0 {
            return Err(Error::Parameter { name: "the patience with held-out rows", value: 0.0, must_be: "at least 1 step" });
        }
        let rows = a.shape().0;
        Ok(Self { a, b: right_hand_side(b, rows)?, residual: vec![T::ZERO; rows], patience })
    }

    /// ‖Ax − b‖.
    fn error(&mut self, x: &[T]) -> f64 {
        self.a.apply(x, &mut self.residual);
        self.residual.iter_mut().zip(&self.b).for_each(|(r, &b)| *r -= b);
        linalg::norm(&self.residual).to_f64()
    }
}

/// Columns of a block.
pub(super) fn check_columns<T: Scalar>(a: &impl Operator<Scalar = T>, columns: usize) -> Result<()> {
    let (rows, found) = a.shape();
    if found == columns {
        return Ok(());
    }
    Err(Error::Shape {
        what: "a block of A",
        found: Size::Shape(rows, found),
        expected: Size::Shape(rows, columns),
        hint: "every block needs one column for each unknown",
    })
}

/// On rows that stay: A by products, or blocks of its entries.
pub(super) fn on_rows<A, D>(
    options: &Options,
    a: &A,
    b: &D,
    held_out: Option<HeldOut<'_, A::Scalar>>,
    observer: &mut Observer<'_>,
) -> Result<Descent<A::Scalar>>
where
    A: Operator + ?Sized,
    D: Data<A::Scalar> + ?Sized,
{
    let (m, n) = a.shape();
    options.check(n)?;
    if m == 0 || n == 0 {
        return Err(Error::Shape {
            what: "A",
            found: Size::Shape(m, n),
            expected: Size::Shape(m.max(1), n.max(1)),
            hint: "a descent needs rows and columns",
        });
    }
    let b = right_hand_side(b, m)?;
    let factor = options.scaling.factor(m);
    let curvature_of_decay = options.decay.weight * options.decay.largest_factor();
    let mut full = Full { a, b: &b, factor, residual: vec![A::Scalar::ZERO; m] };
    let batch = options.batch.filter(|&batch| batch < m);
    let mut run = match batch {
        None => {
            let step = match options.step {
                Some(step) => step,
                None => estimate(step_size::SAFETY * factor * step_size::squared_norm(a)?, curvature_of_decay),
            };
            drive(options, step, n, 1, &mut full, held_out, observer)?
        }
        Some(rows) => {
            let Entries::Dense(view) = a.entries() else {
                return Err(Error::NeedsEntries {
                    method: "a descent over blocks of rows",
                    what: "A (dense ones)",
                    instead: "stream(..) with an operator for each block, or a batch of all rows",
                });
            };
            if options.tolerance.is_some() {
                return Err(no_tolerance("steps that look at blocks of rows"));
            }
            let mut blocks = Blocks::new(view.matrix(), &b, factor, rows, options.seed);
            let step = options.step.unwrap_or_else(|| estimate(blocks.curvature(), curvature_of_decay));
            let count = blocks.count();
            drive(options, step, n, count, &mut blocks, held_out, observer)?
        }
    };
    // what x stands for, on all rows
    let mut gradient = vec![A::Scalar::ZERO; n];
    if let Some(norm) = full.gradient(&run.x, &mut gradient)? {
        run.residual_norm = Some(norm);
        run.effective = Some(effective_lambda(options, &run.x, &gradient, factor));
    }
    run.decay_lambda = options.decay_lambda(m);
    let plain = matches!(options.rule, super::update::Rule::Momentum { beta: 0.0, .. });
    run.plain = (plain && batch.is_none() && options.half_time.is_none() && options.decay.factors.is_none())
        .then_some((factor, options.decay.weight));
    Ok(run)
}

/// On rows that pass by.
pub(super) fn on_stream<T, A, D, I>(options: &Options, columns: usize, blocks: I, observer: &mut Observer<'_>) -> Result<Descent<T>>
where
    T: Scalar,
    A: Operator<Scalar = T>,
    D: Data<T>,
    I: Iterator<Item = (A, D)>,
{
    options.check(columns)?;
    if options.tolerance.is_some() {
        return Err(no_tolerance("rows that pass by once"));
    }
    if !options.scaling.is_mean() {
        return Err(Error::Unsupported {
            what: "a loss that is a sum over all rows",
            with: "a stream, which does not know how many there are",
            instead: "use Scaling::MeanSquared or Scaling::HalfMeanSquared, and the decay for them",
        });
    }
    let Some(step) = options.step else {
        return Err(Error::Unsupported {
            what: "an estimated step size",
            with: "a stream, whose rows are seen once",
            instead: "give one with step(..): at most 1 over the largest ‖block‖² divided by its number of rows, times 2 for MeanSquared",
        });
    };
    let unlimited = Options { limit: Limit::Steps(usize::MAX), ..options.clone() };
    drive(&unlimited, step, columns, 1, &mut Stream { blocks, scaling: options.scaling, columns }, None, observer)
}

/// Where the gradient of a step says nothing about the end.
fn no_tolerance(with: &'static str) -> Error {
    Error::Unsupported { what: "the tolerance of a descent", with, instead: "end it by epochs(..), by held-out rows or by an observer" }
}

/// 1 over the largest curvature; 1 where there is none.
fn estimate(curvature: f64, decay: f64) -> f64 {
    let total = curvature + decay;
    if total > 0.0 && (1.0 / total).is_finite() { 1.0 / total } else { 1.0 }
}

/// The loop.
fn drive<T: Scalar>(
    options: &Options,
    first_step: f64,
    unknowns: usize,
    steps_of_epoch: usize,
    source: &mut dyn Source<T>,
    mut held_out: Option<HeldOut<'_, T>>,
    observer: &mut Observer<'_>,
) -> Result<Descent<T>> {
    let balanced = options.balanced_decay();
    let (most, tolerance) = match options.limit {
        Limit::Converged(steps) => (steps, options.tolerance.or(Some(TOLERANCE))),
        Limit::Steps(steps) => (steps, options.tolerance),
        Limit::Epochs(epochs) => (epochs.saturating_mul(steps_of_epoch), options.tolerance),
    };
    if tolerance.is_some() && balanced.is_none() {
        return Err(no_tolerance("Adam with decoupled decay, whose gradient does not vanish"));
    }
    let mut update = Update::new(&options.rule, &options.decay, unknowns);
    let mut x = vec![T::ZERO; unknowns];
    let mut gradient = vec![T::ZERO; unknowns];
    let (mut steps, mut reference) = (0, 0.0);
    let mut best: Option<(f64, Vec<T>, usize)> = None;
    let (mut errors, mut waited) = (Vec::new(), 0);
    let stop = loop {
        let Some(residual_norm) = source.gradient(&x, &mut gradient)? else { break Stop::Exhausted };
        let normal = stationarity(&x, &gradient, balanced.unwrap_or(0.0), options);
        if steps == 0 {
            reference = normal;
        }
        let relative = if reference == 0.0 { normal } else { normal / reference };
        if !(relative <= DIVERGENCE) {
            return Err(Error::NotConverged {
                method: options.name,
                steps,
                reached: relative,
                tolerance: tolerance.unwrap_or(1.0),
                instead: "the iterates grow: give a smaller step(..), or leave it out for an estimate",
            });
        }
        if steps > 0 {
            // the step that led here, seen where it led
            let step = Step { index: steps, residual_norm, normal_residual: relative, solution_norm: linalg::norm(&x).to_f64() };
            if let ControlFlow::Break(()) = observer(&step) {
                break Stop::Observer;
            }
        }
        if let Some(tolerance) = tolerance
            && relative <= if reference == 0.0 { 0.0 } else { tolerance }
        {
            break if reference == 0.0 { Stop::Zero } else { Stop::Tolerance };
        }
        if steps == most {
            break if tolerance.is_some() { Stop::StepLimit } else { Stop::Steps };
        }
        update.step(&mut x, &gradient, options.step_at(first_step, steps));
        steps += 1;
        if x.iter().any(|value| !value.finite()) {
            return Err(Error::NonFinite { what: "the iterate x: give a smaller step(..);", index: Size::Step(steps) });
        }
        if let Some(held_out) = &mut held_out
            && source.epoch_ends()
        {
            let error = held_out.error(&x);
            errors.push(error);
            if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                best = Some((error, x.clone(), steps));
                waited = 0;
            } else {
                waited += 1;
                if waited == held_out.patience {
                    break Stop::Settled;
                }
            }
        }
    };
    if stop == Stop::StepLimit && held_out.is_none() {
        return Err(Error::NotConverged {
            method: options.name,
            steps,
            reached: stationarity(&x, &gradient, balanced.unwrap_or(0.0), options) / reference,
            tolerance: tolerance.unwrap_or(TOLERANCE),
            instead: "allow more steps, ask for less with tolerance(..), use momentum, or let Lsmr or ridge(..) solve the problem",
        });
    }
    let (x, best_step) = match best {
        Some((_, x, step)) => (x, step),
        None => (x, steps),
    };
    Ok(Descent {
        x,
        steps,
        stop,
        step: first_step,
        residual_norm: None,
        decay_lambda: None,
        effective: None,
        held_out: errors,
        best_step,
        plain: None,
    })
}

/// ‖∇loss + w·Dx‖.
fn stationarity<T: Scalar>(x: &[T], gradient: &[T], weight: f64, options: &Options) -> f64 {
    let all: Vec<T> =
        x.iter().zip(gradient).enumerate().map(|(j, (x, &g))| g + x.scale(real::<T>(weight * options.decay.factor(j)))).collect();
    linalg::norm(&all).to_f64()
}

/// The λ for which x comes closest to a ridge solution; `gradient` = c·Aᴴ(Ax − b).
fn effective_lambda<T: Scalar>(options: &Options, x: &[T], gradient: &[T], factor: f64) -> EffectiveLambda {
    let decayed: Vec<T> = x.iter().enumerate().map(|(j, x)| x.scale(real::<T>(options.decay.factor(j)))).collect();
    let (size, slope) = (linalg::norm(&decayed).to_f64(), linalg::norm(gradient).to_f64());
    if slope == 0.0 {
        return EffectiveLambda { lambda: 0.0, misfit: 0.0 };
    }
    if size == 0.0 {
        return EffectiveLambda { lambda: f64::INFINITY, misfit: 0.0 };
    }
    let weight = -linalg::dot(&decayed, gradient).real().to_f64() / (size * size);
    let rest: Vec<T> = decayed.iter().zip(gradient).map(|(x, &g)| g + x.scale(real::<T>(weight))).collect();
    EffectiveLambda { lambda: weight / factor, misfit: linalg::norm(&rest).to_f64() / slope }
}
