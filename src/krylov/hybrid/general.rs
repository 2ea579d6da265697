//! Projection for any L, and for a bounded number of vectors: a space that grows by its own gradient.
//!
//! Solves       minimise ‖Ax − b‖² + d²‖Lx‖² over x ∈ span V; d given, or chosen in each space by a rule. AV = Q_A R_A and
//!              LV = Q_L R_L are updated by a column a step, and the small problem min ‖R_A y − Q_Aᴴb‖² + d²‖R_L y‖² is a dense one of
//!              the same kind: the caller solves it, with the dense engines and whatever null space L has there.
//! Equals       for L = I and all vectors kept, LSQR's spaces: there the gradient is the next vector of Golub and Kahan.
//! Expansion    by s = Aᴴ(b − Ax) − d²LᴴLx, which is orthogonal to V where x is the minimiser in V, and is 0 at the minimiser: with
//!              d fixed the objective falls in each step, and the limit is Tikhonov's solution for any L. (Projecting L on
//!              the space of b alone has no such limit before the whole space is there.)
//! Compression  with so many vectors, V becomes x and the dominant right singular directions of R_A; x stays in the space, so that
//!              the objective does not rise.
//! Rules        the small problem has the degrees of freedom of its space alone. GCV as the space has it falls with every step (a blur of 800
//!              points with first differences: λ = 3e-6 after 120 steps, 25 in truth; of 64² pixels: 5e-9 after 150, 2e-3 in truth). So a rule
//!              that counts them sees those of probes ([`counted`]), unless the space becomes the whole one or the projected
//!              GCV was asked for by name; with a bounded basis, which leaves ρ for other λ behind, it is refused. Rules that look
//!              at norms alone are at home here.
//! Siblings     `hybrid` for L = I: less work a step, and `standard_form` for L with entries.
//! Cost         a step: one product each with A, Aᴴ, L, Lᴴ, 4k(m + n + p) flops for the orthogonality, and a dense decomposition
//!              of the (k+1)×k problem, O(k³). k(m + n + p) numbers.
//!
//! References   Lampe, Reichel & Voss 2012, Linear Algebra Appl. 436:2845, doi:10.1016/j.laa.2011.07.019 · Kilmer, Hansen & Español
//!              2007 (projecting L), doi:10.1137/060661570 · Jiang, Chung & de Sturler 2021 (compression), doi:10.1137/20M1349515.

use super::basis::{Columns, Space, divide, finite};
use super::counted::{self, Counted};
use super::{Aim, Finish, Found, Minimise, WINDOW, Watch, choose_unbracketed, counts_dof, relative_error};
use crate::curve::Spectrum;
use crate::error::{Error, Result};
use crate::krylov::{Fault, RECURSION_FLOOR, ROUNDING_AT_STANDSTILL, State};
use crate::linalg::{Mat, Threads, add_scaled, column_norms, norm, zeros};
use crate::method::hybrid::Options;
use crate::operator::Operator;
use crate::rule::Chosen;
use crate::scalar::{Real, Scalar};
use crate::step::{Step, Stop};
use core::ops::ControlFlow;

/// What is left of a vector below this many ε of its length is rounding.
const DEPENDENT: f64 = 64.0;
/// Unknowns up to which a space grows to the whole one for a rule that counts degrees of freedom: in step k the small problem is solved
/// densely, O(k³). A choice.
const WHOLE_UP_TO: usize = 256;
/// Where probes count for a rule, the space of b grows by the gradients at dampings this many times above and below the one of the moment, in turn:
/// half and double its λ. At one λ alone the space would know ρ there and not its slope, which needs the derivative of x: on 48² pixels of motion
/// blur (in a model) λ came to rest 6 % above that of GCV, with two within 1 %. From both sides ρ is interpolated with its slope. The observer
/// then sees the normal residual of the neighbour.
const BESIDE: f64 = core::f64::consts::SQRT_2;
/// The part of a full basis that a compression keeps, beside x.
const KEPT: usize = 4;

/// The small problem: min ‖ay − data‖² + outside² + d²‖ly‖².
pub(crate) struct Projected<T> {
    pub a: Mat<T>,
    pub l: Mat<T>,
    pub data: Vec<T>,
    /// The norm of the part of b that no y reaches.
    pub outside: f64,
    /// Whether the space is the whole one.
    pub exhausted: bool,
}

/// What the dense engines make of it.
pub(crate) struct Answer<T> {
    pub y: Vec<T>,
    pub damping: f64,
    pub chosen: Option<Chosen>,
    pub spectrum: Spectrum,
}

/// At which damping.
pub(crate) enum Ask<'s> {
    At(f64),
    /// What this makes of the spectrum. It may be asked twice, where a decomposition fails.
    Choose(&'s mut dyn FnMut(&Spectrum) -> Result<Chosen>),
}

/// Solves the small problem.
pub(crate) type SolveSmall<'s, T> = dyn FnMut(&Projected<T>, Ask<'_>) -> Result<Answer<T>> + 's;

/// V with AV and LV.
pub(super) struct Spaces<'a, T: Scalar> {
    a: &'a dyn Operator<Scalar = T>,
    l: &'a dyn Operator<Scalar = T>,
    v: Columns<T>,
    range: Image<T>,
    penalty: Image<T>,
    /// Q_Aᴴb, and what is left of b.
    data: Vec<T>,
    rest: Vec<T>,
}

/// The orthonormal factor of an image of V, with the columns of its triangle.
struct Image<T> {
    basis: Columns<T>,
    triangle: Vec<Vec<T>>,
}

impl<T: Scalar> Image<T> {
    fn new(length: usize) -> Self {
        Self { basis: Columns::new(length), triangle: Vec::new() }
    }

    /// Takes a column in; whether it brought a new direction.
    fn absorb(&mut self, column: &mut [T], space: &Space<'_, T>) -> bool {
        let before = space.norm(column);
        let mut coefficients = vec![T::ZERO; self.basis.count()];
        let after = self.basis.project_out(column, space, Some(&mut coefficients));
        let new = after > T::Real::from_f64(DEPENDENT) * T::Real::EPSILON * before;
        if new {
            divide(column, after);
            self.basis.push(column);
            coefficients.push(T::from_real(after));
        }
        self.triangle.push(coefficients);
        new
    }

    /// The triangle, rectangular where columns were dependent.
    fn matrix(&self) -> Mat<T> {
        let entry = |i: usize, j: usize| self.triangle[j].get(i).copied().unwrap_or(T::ZERO);
        Mat::from_fn(self.basis.count(), self.triangle.len(), entry)
    }

    /// R·y.
    fn coefficients(&self, y: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; self.basis.count()];
        for (column, &factor) in self.triangle.iter().zip(y) {
            add_scaled(&mut out[..column.len()], factor, column);
        }
        out
    }
}

/// x ← Σ yⱼqⱼ, added.
fn add_combination<T: Scalar>(basis: &Columns<T>, y: &[T], x: &mut [T]) {
    for (j, &factor) in y.iter().enumerate().take(basis.count()) {
        add_scaled(x, factor, basis.column(j));
    }
}

impl<'a, T: Scalar> Spaces<'a, T> {
    pub fn new(a: &'a dyn Operator<Scalar = T>, l: &'a dyn Operator<Scalar = T>, b: &[T]) -> Self {
        let (m, n) = a.shape();
        let (range, penalty) = (Image::new(m), Image::new(l.shape().0));
        Self { a, l, v: Columns::new(n), range, penalty, data: Vec::new(), rest: b.to_vec() }
    }

    /// Directions.
    pub fn dimension(&self) -> usize {
        self.v.count()
    }

    /// Takes in what a vector has of new directions; whether it has any. The vector becomes that direction.
    pub fn take(&mut self, s: &mut [T]) -> core::result::Result<bool, Fault> {
        let size = norm(s);
        let left = self.v.project_out(s, &Space::Domain, None);
        if left <= T::Real::from_f64(DEPENDENT) * T::Real::EPSILON * size || self.v.count() == s.len() {
            return Ok(false);
        }
        divide(s, left);
        self.expand(s)?;
        Ok(true)
    }

    /// Takes a unit vector orthogonal to V in, with its images.
    fn absorb(&mut self, v: &[T], av: &mut [T], lv: &mut [T]) {
        self.v.push(v);
        if self.range.absorb(av, &Space::Range(self.a)) {
            let along = self.a.range_dot(av, &self.rest);
            self.data.push(along);
            add_scaled(&mut self.rest, -along, av);
        }
        self.penalty.absorb(lv, &Space::Range(self.l));
    }

    /// The same with products.
    fn expand(&mut self, v: &[T]) -> core::result::Result<(), Fault> {
        let mut av = vec![T::ZERO; self.a.shape().0];
        let mut lv = vec![T::ZERO; self.l.shape().0];
        self.a.apply(v, &mut av);
        finite(self.a.range_norm(&av), "the product A·v")?;
        self.l.apply(v, &mut lv);
        finite(self.l.range_norm(&lv), "the product L·v")?;
        self.absorb(v, &mut av, &mut lv);
        Ok(())
    }

    pub fn projected(&self, exhausted: bool) -> Projected<T> {
        let outside = self.a.range_norm(&self.rest).to_f64();
        Projected { a: self.range.matrix(), l: self.penalty.matrix(), data: self.data.clone(), outside, exhausted }
    }

    /// s = Aᴴ(b − AVy) − d²LᴴLVy into `s`, and the norms of the residual and of LVy.
    pub fn gradient(&self, y: &[T], damping: f64, s: &mut [T]) -> core::result::Result<(f64, f64), Fault> {
        let mut residual = self.rest.clone();
        let mut left = self.range.coefficients(y);
        left.iter_mut().zip(&self.data).for_each(|(c, &f)| *c = f - *c);
        add_combination(&self.range.basis, &left, &mut residual);
        let mut image = vec![T::ZERO; self.l.shape().0];
        add_combination(&self.penalty.basis, &self.penalty.coefficients(y), &mut image);
        self.subtract_penalty(&residual, &image, damping, s)
    }

    /// ‖b − AVy‖ and ‖LVy‖, without a product.
    fn norms(&self, y: &[T]) -> (f64, f64) {
        let mut left = self.range.coefficients(y);
        left.iter_mut().zip(&self.data).for_each(|(c, &f)| *c = f - *c);
        let rest = self.a.range_norm(&self.rest);
        (norm(&[norm(&left), rest]).to_f64(), norm(&self.penalty.coefficients(y)).to_f64())
    }

    /// s ← Aᴴr − d²Lᴴ(Lx).
    fn subtract_penalty(&self, residual: &[T], image: &[T], damping: f64, s: &mut [T]) -> core::result::Result<(f64, f64), Fault> {
        self.a.apply_adjoint(residual, s);
        let mut back = vec![T::ZERO; s.len()];
        self.l.apply_adjoint(image, &mut back);
        let d = T::Real::from_f64(damping);
        s.iter_mut().zip(&back).for_each(|(s, &z)| *s -= z.scale(d).scale(d));
        finite(norm(s), "the product Aᴴ·r or Lᴴ·w")?;
        Ok((self.a.range_norm(residual).to_f64(), self.l.range_norm(image).to_f64()))
    }

    /// V becomes x and the dominant directions.
    fn compress(&mut self, y: &[T], b: &[T]) {
        let k = self.v.count();
        let triangle = self.range.matrix();
        let r = triangle.nrows().min(k);
        let (mut s, mut directions) = (vec![T::ZERO; r], zeros::<T>(k, r));
        let found = T::svd(triangle.as_ref(), &mut s, None, Some(directions.as_mut()), false, Threads::ONE).is_ok();
        // Y: y itself, then what the directions add; without them x alone is a restart, slower but as right
        let mut kept = Columns::new(k);
        let candidates = (0..r.min(k / KEPT)).filter(|_| found).map(|j| (0..k).map(|i| directions[(i, j)]).collect::<Vec<T>>());
        for mut column in core::iter::once(y.to_vec()).chain(candidates) {
            let before = norm(&column);
            let after = kept.project_out(&mut column, &Space::Domain, None);
            if after > T::Real::from_f64(0.01) * before {
                divide(&mut column, after);
                kept.push(&column);
            }
        }
        let mut new = Spaces::new(self.a, self.l, b);
        for j in 0..kept.count() {
            let y = kept.column(j);
            let mut v = vec![T::ZERO; self.a.shape().1];
            add_combination(&self.v, y, &mut v);
            let mut av = vec![T::ZERO; self.a.shape().0];
            add_combination(&self.range.basis, &self.range.coefficients(y), &mut av);
            let mut lv = vec![T::ZERO; self.l.shape().0];
            add_combination(&self.penalty.basis, &self.penalty.coefficients(y), &mut lv);
            new.absorb(&v, &mut av, &mut lv);
        }
        *self = new;
    }
}

/// Solves on a growing space, at the λ that `small` chooses or at the one given. `hidden` is the norm of what cancels inside the
/// products with A; `project` takes out of a vector of data what a change of variables has taken out of A.
pub(crate) fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    hidden: f64,
    l: &dyn Operator<Scalar = T>,
    b: &[T],
    project: &dyn Fn(&mut [T]),
    aim: Aim<'_>,
    options: &Options,
    small: &mut SolveSmall<'_, T>,
    watch: &mut Watch<'_, '_, T>,
) -> Result<Found<T>> {
    let n = a.shape().1;
    // a rule that counts degrees of freedom waits for a space that is the whole one, or for probes
    let (mut whole, mut counted) = (false, None);
    if let Aim::Rule(ruled) = aim
        && counts_dof(ruled.rule, options.projected_gcv())
    {
        whole = options.basis_limit().is_none() && n <= options.limit().min(WHOLE_UP_TO);
        if !whole && (options.basis_limit().is_some() || !counted::serves(ruled.rule)) {
            return Err(Error::Unsupported {
                what: ruled.rule.name(),
                with: "a penalty without a sparse factor (or max_basis), where the spectrum outside the space cannot be counted",
                instead: "use Gcv without max_basis, Discrepancy or λ as a number, give the entries of A, or take the λ of the projected \
                          problem with HybridLsqr::gcv(ProjectedGcv::Weighted)",
            });
        }
        if !whole {
            counted = Some(Counted::new(a, l, ruled, options.settle_fraction(), project));
        }
    }
    let mut weights = Vec::new();
    let epsilon = T::Real::EPSILON.to_f64();
    let finish = Finish {
        minimise: Minimise::Objective,
        tolerance: options.tolerance().or(match aim {
            Aim::Damping(_) if !options.exact_steps() => Some(10.0 * epsilon),
            _ => None,
        }),
        limit: options.limit(),
        exact: options.exact_steps(),
        partial: options.accepts_partial(),
    };
    let mut spaces = Spaces::new(a, l, b);
    let mut s = vec![T::ZERO; n];
    a.apply_adjoint(b, &mut s);
    let first = norm(&s);
    finite(first, "the product Aᴴ·b").map_err(|fault| fault.at(0))?;
    let reference = first.to_f64();
    let mut x = vec![T::ZERO; n];
    let mut fixed = match aim {
        Aim::Damping(damping) => Some(damping),
        Aim::Rule(_) => None,
    };
    if reference == 0.0 {
        let Some(damping) = fixed else {
            let Aim::Rule(ruled) = aim else { return Err(crate::rule::no_interval("the rule")) };
            return Err(crate::rule::no_interval(ruled.rule.name()));
        };
        let residual_norm = a.range_norm(b).to_f64();
        return Ok(Found { x, damping, chosen: None, steps: 0, stop: Stop::Zero, residual_norm, normal_residual: 0.0 });
    }
    let (mut damping, mut chosen) = (fixed.unwrap_or(0.0), None);
    let mut no_lambda: Option<Error> = None;
    let mut y: Vec<T> = Vec::new();
    let mut before: Vec<T> = Vec::new();
    let mut settling = super::Settling::new(options.settle_fraction());
    let (mut steps, mut exhausted, mut stalled, mut largest) = (0, false, 0, hidden);
    let mut largest_penalty = 0.0f64;
    let mut least = f64::INFINITY;
    let stop = loop {
        if steps >= finish.limit {
            break if finish.exact { Stop::Steps } else { Stop::StepLimit };
        }
        if watch.ended {
            break Stop::Observer;
        }
        if spaces.v.count() < n && options.basis_limit().is_some_and(|most| spaces.v.count() >= most) {
            let length = norm(&y);
            spaces.compress(&y, b);
            // in the new space x is the first direction
            before = vec![T::from_real(length)];
        }
        match spaces.take(&mut s).map_err(|fault| fault.at(steps + 1))? {
            true => steps += 1,
            false => exhausted = true,
        }
        let problem = spaces.projected(exhausted || spaces.v.count() == n);
        largest = largest.max(longest_column(&problem.a));
        largest_penalty = largest_penalty.max(longest_column(&problem.l));
        if let (Some(counted), None) = (&mut counted, fixed) {
            counted.grow(damping, spaces.dimension(), small)?;
        }
        let complete = spaces.dimension() == n;
        let mut choose = |spectrum: &Spectrum| match (aim, &mut counted) {
            (Aim::Damping(_), _) => Err(crate::rule::no_interval("no rule")),
            (Aim::Rule(_), Some(counted)) if !complete => counted.choose(spectrum),
            (Aim::Rule(ruled), None) if !problem.exhausted => choose_unbracketed(spectrum, &ruled, options.projected_gcv(), &mut weights),
            (Aim::Rule(ruled), _) => ruled.rule.choose(spectrum, ruled.data_norm, ruled.unit),
        };
        match small(&problem, fixed.map_or(Ask::Choose(&mut choose), Ask::At)) {
            Ok(answer) => {
                (y, damping, no_lambda) = (answer.y, answer.damping, None);
                if fixed.is_none() {
                    chosen = answer.chosen;
                    match (&counted, &chosen) {
                        (Some(counted), Some(chosen)) if !counted.knows(chosen) => settling.forget(),
                        _ => settling.step(damping, change(&y, &before)),
                    }
                }
            }
            Err(error @ Error::NoLambda { .. }) if fixed.is_none() => {
                // no λ in this space yet: it grows by the gradient of the least-squares problem
                (y, damping, chosen) = (small(&problem, Ask::At(0.0))?.y, 0.0, None);
                no_lambda = Some(error);
                settling.forget();
            }
            Err(error) => return Err(error),
        }
        before.clone_from(&y);
        let (residual_norm, penalty_norm) = match (&counted, fixed) {
            (Some(_), None) if damping > 0.0 => {
                let beside = damping * if steps.is_multiple_of(2) { BESIDE } else { BESIDE.recip() };
                let y_beside = small(&problem, Ask::At(beside))?.y;
                spaces.gradient(&y_beside, beside, &mut s).map_err(|fault| fault.at(steps))?;
                spaces.norms(&y)
            }
            _ => spaces.gradient(&y, damping, &mut s).map_err(|fault| fault.at(steps))?,
        };
        let state = State {
            residual_norm,
            stacked_norm: residual_norm.hypot(damping * penalty_norm),
            normal_norm: norm(&s).to_f64(),
            reference,
            solution_norm: norm(&y).to_f64(),
            operator_norm: largest.hypot(damping * largest_penalty),
            condition: 1.0,
            guessed: false,
        };
        if let Some(truth) = watch.truth {
            x.fill(T::ZERO);
            add_combination(&spaces.v, &y, &mut x);
            watch.errors.push(relative_error(&x, truth));
        }
        if let Some(observe) = watch.observer.as_mut() {
            let step = Step { index: steps, residual_norm, normal_residual: state.normal_residual(), solution_norm: state.solution_norm };
            watch.ended = observe(&step) == ControlFlow::Break(());
        }
        if exhausted {
            break Stop::Exhausted;
        }
        if finish.exact {
            continue;
        }
        if let (Some(counted), true) = (&mut counted, fixed.is_none() && settling.settled())
            && !counted.accepts(project)?
        {
            settling.forget();
        }
        if fixed.is_none() && settling.settled() && !whole {
            if finish.tolerance.is_none() {
                break Stop::Settled;
            }
            fixed = Some(damping);
        }
        if let (Some(_), Some(tolerance)) = (fixed, finish.tolerance) {
            if state.normal_residual() <= tolerance {
                break Stop::Tolerance;
            }
            stalled = if state.normal_norm < 0.5 * least { 0 } else { stalled + 1 };
            least = least.min(state.normal_norm);
            let units = state.units(epsilon);
            // the residual comes from orthonormal bases and goes on falling below the rounding of one computed from x
            if units <= RECURSION_FLOOR || (units <= ROUNDING_AT_STANDSTILL && stalled >= WINDOW) {
                break Stop::Rounding;
            }
        }
    };
    if let Some(error) = no_lambda {
        return Err(error);
    }
    // x, and its residuals by fresh products
    x.fill(T::ZERO);
    add_combination(&spaces.v, &y, &mut x);
    let mut residual = vec![T::ZERO; a.shape().0];
    a.apply(&x, &mut residual);
    residual.iter_mut().zip(b).for_each(|(r, &b)| *r = b - *r);
    let mut image = vec![T::ZERO; l.shape().0];
    l.apply(&x, &mut image);
    let (residual_norm, _) = spaces.subtract_penalty(&residual, &image, damping, &mut s).map_err(|fault| fault.at(steps))?;
    let normal_residual = norm(&s).to_f64() / reference;
    if stop == Stop::StepLimit && !finish.partial {
        return Err(finish.not_converged(stop, steps, normal_residual));
    }
    // a space that takes no further direction, and a gradient that is not zero: the products are not each other's adjoints
    let allowed = 1e3 * epsilon.sqrt().max(finish.tolerance.unwrap_or(0.0));
    if matches!(stop, Stop::Exhausted | Stop::Tolerance | Stop::Rounding) && !(normal_residual <= allowed) {
        return Err(Fault::NotAdjoint(normal_residual).at(steps));
    }
    Ok(Found { x, damping, chosen, steps, stop, residual_norm, normal_residual })
}

/// A lower bound of the norm.
fn longest_column<T: Scalar>(a: &Mat<T>) -> f64 {
    column_norms(a.as_ref()).into_iter().fold(0.0, f64::max)
}

/// ‖(y − before)‖/‖y‖, the shorter one continued by zeros.
fn change<T: Scalar>(y: &[T], before: &[T]) -> f64 {
    let difference: Vec<T> = y.iter().enumerate().map(|(k, &y)| y - before.get(k).copied().unwrap_or(T::ZERO)).collect();
    let length = norm(y).to_f64();
    if length == 0.0 { 0.0 } else { norm(&difference).to_f64() / length }
}
