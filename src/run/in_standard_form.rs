//! λ as a number for an A that only multiplies and an L with entries: LSQR, LSMR and CGLS on Ā = A·L_A^† instead of on [A; √λL].
//!
//! - *A number of steps.* Stopping early is then regularization with L: after k steps x is smooth in the sense of L, and what L
//!   leaves free is fitted from the first step on (Hanke & Hansen 1993, Surv. Math. Ind. 3:253). On [A; √λL] the steps would know L by λ
//!   alone, and not at all for λ = 0.
//! - *Many λ.* The damping is a shift of Ā's Krylov space, which serves all of them. Each x is then verified, and where need be
//!   finished, on [A; √λL] from where it is: the tolerance is that of the problem as it was, and what the factor of L has cost in
//!   digits is given back.
//!
//! One λ to a tolerance stays on [A; √λL]: the limit is the same, and its steps need no factor.

use super::hybrid::penalty_root;
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::krylov::standard_form::{Room, Root, StandardForm};
use crate::krylov::{self, Kind, Length, Outcome, System};
use crate::linalg;
use crate::method::Iterative;
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};
use crate::step::Observer;
use core::cell::RefCell;

/// Numbers of λ from which on the standard form serves a path to a tolerance.
const MANY: usize = 2;

/// L's root, where the standard form has something to offer to this many λ: `None` also where L has no root.
pub(super) fn root_for<T: Scalar>(
    description: &Description<'_, T>,
    kind: Kind,
    options: &Iterative,
    lambdas: usize,
) -> Result<Option<Root<T>>> {
    match serves(description, kind, options, lambdas) {
        true => penalty_root(description, description.operator.shape().1),
        false => Ok(None),
    }
}

/// Whether it is tried. A preconditioner is for A itself, and variances are those of x.
pub(super) fn serves<T: Scalar>(description: &Description<'_, T>, kind: Kind, options: &Iterative, lambdas: usize) -> bool {
    let sweep = lambdas >= MANY && kind != Kind::Cgls;
    !description.penalty.is_identity()
        && description.preconditioner.is_none()
        && !options.wants_variances()
        && (options.exact_steps().is_some() || sweep)
}

/// One right-hand side in standard form.
pub(super) struct InStandardForm<'r, T: Scalar> {
    form: StandardForm<'r, T>,
    data: Vec<T>,
    /// The problem before, undamped.
    full: System<'r, T>,
    l: &'r dyn Operator<Scalar = T>,
}

impl<'r, T: Scalar> InStandardForm<'r, T> {
    /// `full` has the L; `None` where A does not see what L leaves free.
    pub fn new(full: System<'r, T>, root: &'r Root<T>) -> Option<Self> {
        let l = full.l?;
        let form = StandardForm::new(full.a, root, full.hidden.to_f64(), full.b)?;
        let mut data = full.b.to_vec();
        form.project(&mut data);
        Some(Self { form, data, full, l })
    }

    fn system<'s>(&'s self, damping: f64, length: Option<Length<'s, T>>) -> Result<System<'s, T>> {
        let hidden = T::Real::from_f64(self.form.hidden);
        Ok(System { hidden, threads: self.full.threads, length, ..System::new(&self.form, None, damping, &self.data)? })
    }

    /// So many steps as the options say.
    pub fn steps(&self, kind: Kind, damping: f64, options: &Iterative, observer: Option<&mut Observer<'_>>) -> Result<Outcome<T>> {
        let room = RefCell::new(Room::default());
        let length = |z: &[T]| {
            let room = &mut *room.borrow_mut();
            self.form.answer_in(z, self.full.b, room);
            linalg::norm(&room.x)
        };
        let found = krylov::solve(kind, &self.system(damping, Some(&length))?, None, options, observer)?;
        self.outward(found, damping)
    }

    /// All dampings from one space; with a tolerance, each x is finished on the problem as it was.
    pub fn path(&self, kind: Kind, dampings: &[f64], options: &Iterative) -> Result<Vec<Outcome<T>>> {
        let exact = options.exact_steps().is_some();
        let first = if exact { options.clone() } else { options.accepting_partial() };
        let all = krylov::path(kind, &self.system(0.0, None)?, dampings, &first)?;
        let finished = |(found, &damping): (Outcome<T>, &f64)| {
            let found = self.outward(found, damping)?;
            if exact {
                return Ok(found);
            }
            // A sees all that L leaves free, so that the minimiser is unique
            let system = System { unique: true, ..System::new(self.full.a, Some(self.l), damping, self.full.b)? };
            let system = System { hidden: self.full.hidden, threads: self.full.threads, ..system };
            let end = krylov::solve(kind, &system, Some(&found.x), options, None)?;
            Ok(Outcome { steps: found.steps + end.steps, ..end })
        };
        all.into_iter().zip(dampings).map(finished).collect()
    }

    /// x from z, with its residuals computed afresh.
    fn outward(&self, found: Outcome<T>, damping: f64) -> Result<Outcome<T>> {
        let System { a, b, .. } = self.full;
        let x = self.form.answer(&found.x, b);
        let mut residual = vec![T::ZERO; b.len()];
        a.apply(&x, &mut residual);
        residual.iter_mut().zip(b).for_each(|(r, &b)| *r = b - *r);
        let (mut normal, mut reference) = (vec![T::ZERO; x.len()], vec![T::ZERO; x.len()]);
        a.apply_adjoint(&residual, &mut normal);
        a.apply_adjoint(b, &mut reference);
        let mut image = vec![T::ZERO; self.l.shape().0];
        self.l.apply(&x, &mut image);
        let mut pulled = vec![T::ZERO; x.len()];
        self.l.apply_adjoint(&image, &mut pulled);
        let d = T::Real::from_f64(damping);
        normal.iter_mut().zip(&pulled).for_each(|(s, &p)| *s -= p.scale(d).scale(d));
        let (residual_norm, normal_norm) = (a.range_norm(&residual).to_f64(), linalg::norm(&normal).to_f64());
        if !(residual_norm.is_finite() && normal_norm.is_finite()) {
            return Err(Error::NonFinite { what: "the residual computed from x", index: Size::Step(found.steps) });
        }
        let reference = linalg::norm(&reference).to_f64();
        let normal_residual = if reference == 0.0 { 0.0 } else { normal_norm / reference };
        Ok(Outcome { x, residual_norm, normal_residual, ..found })
    }
}
