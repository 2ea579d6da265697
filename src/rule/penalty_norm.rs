//! The ball ‖L(x − x₀)‖ ≤ α: the least λ whose answer lies in it.
//!
//! ```text
//! min ‖Ax − b‖²   subject to   ‖L(x − x₀)‖ ≤ α
//! ```
//! has the solution of the penalised problem with λ its multiplier (Gander 1981, doi:10.1007/BF01396437; Hansen 1998 §2.2): λ = 0
//! where the unregularized answer of least ‖L(x − x₀)‖ lies in the ball, and otherwise the one root of the secular equation
//! ‖Lx(λ)‖ = α, by Newton's method on log ‖Lx‖ against log λ with bisection as its safeguard. Each step costs O(r) on a spectrum.
//!
//! Prefer [`NormFraction`](super::NormFraction) where the unregularized norm, and not α, is the yardstick.

use super::target::falling_root;
use super::{Chosen, needs_spectrum};
use crate::curve::{Curve, damped_coefficient};
use crate::error::{Error, Result};

/// λ such that ‖L(x − x₀)‖ ≤ α: the answer of min ‖Ax − b‖² over that ball. [`at_most`](PenaltyNorm::at_most) takes α.
///
/// Where even λ = 0 lies in the ball, λ is 0 (and x, where A leaves it open, the one with the least ‖L(x − x₀)‖). It looks at every
/// singular value, so that it needs the entries of A, or a fast transform; with bounds on x it needs neither.
///
/// ```
/// use wellposed::{DenseView, PenaltyNorm, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let a = DenseView::column_major(&a, 4, 2)?;
/// let fit = ridge(&a, &[1.1, 1.9, 3.2, 3.9], PenaltyNorm::at_most(0.5))?;
/// assert!((fit.penalty_norm - 0.5).abs() < 1e-12);
/// assert_eq!(ridge(&a, &[1.1, 1.9, 3.2, 3.9], PenaltyNorm::at_most(50.0))?.lambda, 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PenaltyNorm {
    bound: f64,
}

impl PenaltyNorm {
    /// ‖L(x − x₀)‖ ≤ `bound`, in the units of x (times L).
    pub fn at_most(bound: f64) -> Self {
        Self { bound }
    }

    pub(crate) fn bound(self) -> f64 {
        self.bound
    }

    /// The ball that is left where a part of this norm, perpendicular to what λ moves, is given.
    pub(crate) fn without(self, part: f64) -> Result<Self> {
        let square = (self.bound - part) * (self.bound + part);
        if square > 0.0 {
            return Ok(Self { bound: square.sqrt() });
        }
        let why = format!("the equations keep ‖L(x − x₀)‖ at {part:.3e} or above; raise the bound");
        Err(Error::NoLambda { rule: "penalty norm", low: 0.0, high: f64::INFINITY, why })
    }

    /// The same where one unit of ‖L(x − x₀)‖ is so many of the curve's.
    pub(super) fn in_units(self, unit: f64) -> Self {
        Self { bound: self.bound * unit }
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.bound > 0.0 && self.bound.is_finite() {
            return Ok(());
        }
        let must_be = "positive and finite; for a norm of 0 give the prior mean as the answer, without a bound use λ = 0";
        Err(Error::Parameter { name: "the bound on the penalty norm", value: self.bound, must_be })
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let spectrum = needs_spectrum(curve, "penalty norm")?;
        let squares = spectrum.values.iter().zip(&spectrum.coefficients);
        let full =
            squares.map(|(&value, &beta)| (damped_coefficient(spectrum.effective(value, 0.0), 0.0) * beta).powi(2)).sum::<f64>().sqrt();
        if full <= self.bound {
            return Ok(Chosen { damping: 0.0, value: full, evaluated: vec![(0.0, full)], ..Chosen::default() });
        }
        falling_root(curve, "penalty norm", self.bound, &|damping| {
            let penalty = curve.at(damping).penalty;
            let norm = penalty.value.sqrt();
            (norm, 0.5 * norm * penalty.slope / penalty.value)
        })
    }
}
