//! Options of flexible LSQR. Values only.

use super::Method;
use super::hybrid::{Options, ProjectedGcv, setters};
use crate::error::Result;
use crate::scalar::{Real, Scalar, c64};

/// The duality gap that is asked for unless another is given, relative to the data; for complex unknowns, which have no signs to go on with, what
/// reweighting reaches under a blur (outer::flexible), and so where a rule chooses λ. Without a gap, the gradient that is asked for.
const TOLERANCE: f64 = 1e-6;
const WITHOUT_SUPPORT: f64 = 1e-4;
/// Steps allowed unless more are asked for. Those on the support are several hundred where reweighting has come to a standstill (675 for 14
/// spikes on 32² pixels), and store nothing.
const MAX_STEPS: usize = 2000;
/// Single precision has no more than this many ε.
const ROUNDINGS: f64 = 100.0;
/// Directions that are kept unless others are asked for: the weights of a step are brought into the space at 2nk² flops, which
/// beyond some tens of columns costs more than products do. A choice.
const BASIS: usize = 80;

/// Options of [`Method::FlexibleLsqr`]: ℓ1, elastic-net and ℓp penalties of the coefficients where A only multiplies.
///
/// Each step weights the coefficients by the x of the step before, which makes ‖x‖₁ a square for that moment, and solves
/// the weighted problem on a space that the weights precondition. For [`l1`](crate::Penalty::l1),
/// [`elastic_net`](crate::Penalty::elastic_net), and sums with squares, the limit is the exact minimiser, and
/// [`Report::duality_gap`](crate::Report::duality_gap) bounds how far above the minimum the objective at x is. For
/// [`power`](crate::Penalty::power) with p < 1 it is a local minimum. L is the identity or diagonal; A may have entries or not.
/// Coefficients that the exact minimiser has at zero come out small, or zero where the last steps are on the support alone:
/// [`CoordinateDescent`](crate::CoordinateDescent) makes them zero always, for an A with entries.
///
/// λ is a number; a [`Discrepancy`](crate::Discrepancy) with a noise norm; or, with [`gcv`](Self::gcv), weighted GCV of the projected problem.
///
/// ```
/// use wellposed::{FlexibleLsqr, Penalty, Problem, operator::from_fn};
/// let n = 40;
/// let blur = |x: &[f64], y: &mut [f64]| {
///     for i in 0..n {
///         y[i] = (0..n).map(|j| (-0.5 * (i as f64 - j as f64).powi(2)).exp() * x[j]).sum();
///     }
/// };
/// let a = from_fn(n, n, blur, blur);
/// let mut b = vec![0.0; n];
/// blur(&(0..n).map(|i| f64::from(u8::from(i == 12))).collect::<Vec<f64>>(), &mut b);
/// let fit = Problem::new(&a).penalty(Penalty::identity().l1()).method(FlexibleLsqr::new().tolerance(1e-5)).solve(&b, 1e-3)?;
/// assert!((fit.x[12] - 1.0).abs() < 1e-2 && fit.x[20].abs() < 1e-3);
/// assert!(fit.report.duality_gap.is_some_and(|gap| gap < 1e-4));
/// # Ok::<(), wellposed::Error>(())
/// ```
///
/// Source: Chung, Gazzola 2019, doi:10.1137/18M1194456; what differs is said in docs/THEORY.md.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FlexibleLsqr(pub(crate) Options);

setters! { FlexibleLsqr:
    /// Goes on until the duality gap is at most this part of ‖b‖² (whitened, less the constant); where there is none (powers but
    /// 1, robust functions, a coefficient of weight 0), until the gradient of the smoothed objective is at most this part of ‖Aᴴb‖.
    /// In [0, 1); 1e-6 unless given, 1e-4 for complex unknowns, under a rule or without a gap, and 1e-5 in single precision. Where reweighting slows down, as under a blur, real
    /// problems with λ as a number go on over the coefficients that are not zero, with their signs, to gaps of 1e-10 and less; what others come to a
    /// standstill before is an error that says so.
    tolerance;

    /// Which degrees of freedom [`Gcv`](crate::Gcv) sees on the small problem. The space has its own alone, and under changing
    /// weights nothing counts the others: GCV is therefore refused unless [`ProjectedGcv::Weighted`] (or `TrueRows`) says that it is
    /// meant so. It may not settle: as the space takes in more of the noise its λ goes on falling (by 1 % and more in five steps after 200
    /// on blurred spikes, where x no longer changes much). Then [`steps`](Self::steps) or [`accept_partial`](Self::accept_partial).
    gcv;

    /// With a rule: λ has settled when the last five steps together have changed x by no more than this fraction, and λ by no
    /// more than ten times that. In (0, 1); 0.002 unless given.
    settle;

    /// At most `steps` steps; what has not reached the tolerance (or has not settled) by then is
    /// [`Error::NotConverged`](crate::Error::NotConverged). Default 2000. Steps on the support count, and store nothing.
    max_steps;

    /// Exactly `steps` steps, never an error. Not combined with a tolerance, `settle` or a step limit.
    steps;

    /// Stores at most `vectors` directions (at least 8); 80 unless given. When they are used up, the newer half is kept, and of
    /// the older what the last iterates are made of. The limit is the same; fewer take more steps.
    ///
    /// Memory: `vectors`·(m + 2n) numbers, twice that for a moment, and n·`vectors` for the weighted basis.
    max_basis;

    /// Returns what has been reached at the step limit instead of an error; `stop` in the report says so, and the gap how far.
    accept_partial;

    /// Records ‖xₖ − `truth`‖/‖`truth`‖ of every step in [`Report::comparison`](crate::Report::comparison): for test problems.
    compare_with;

    /// Whether the options are valid and go together.
    ///
    /// # Errors
    /// Those of [`HybridLsqr::check`](crate::HybridLsqr::check).
    check;
}

impl FlexibleLsqr {
    /// The name that plans, reports and errors print.
    pub(crate) const NAME: &'static str = "flexible LSQR";

    /// What the gap may be; whether it `closes`, for real unknowns, on the support.
    pub(crate) fn tolerance_for<T: Scalar>(&self, closes: bool) -> f64 {
        let reached = if T::IS_COMPLEX || !closes { WITHOUT_SUPPORT } else { TOLERANCE };
        self.0.tolerance.unwrap_or(reached.max(ROUNDINGS * T::Real::EPSILON.to_f64()))
    }

    /// Steps at most.
    pub(crate) fn limit(&self) -> usize {
        self.0.steps.or(self.0.max_steps).unwrap_or(MAX_STEPS)
    }

    /// Directions kept.
    pub(crate) fn basis(&self) -> usize {
        self.0.max_basis.unwrap_or(BASIS)
    }
}
