//! GCV with weighted degrees of freedom: minimise m·‖Ax − b‖² / tr(I − c·H)².
//!
//! c > 1, *modified* GCV: 1.2 to 1.4 keep GCV from the far too small λ that it chooses now and then (Cummins, Filloon,
//! Nychka 2001, J.
//! Am. Stat. Assoc. 96:233; Kim, Gu 2004, J. R. Stat. Soc. B 66:337, doi:10.1046/j.1369-7412.2003.05316.x). c < 1, *weighted* GCV:
//! Chung, Nagy, O'Leary 2008, Electron. Trans. Numer. Anal. 28:149, for projected problems, where GCV chooses too large a λ.
//! tr(I − cH) = (1 − c)m + c·tr(I − H) must be positive: λ below which it is not are no candidates.

use super::gcv::{Gcv, log_gcv};
use super::search::minimise;
use super::{Chosen, no_interval};
use crate::curve::{Curve, Jet, Point};
use crate::error::{Error, Result};

/// What [`Gcv::modified`] and [`Gcv::weighted`] make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedGcv {
    weight: f64,
}

impl Gcv {
    /// Modified GCV: degrees of freedom count `factor` ≥ 1 times; 1.4 is usual. Safer than GCV where the rows are few or
    /// correlated.
    ///
    /// Source: Kim, Gu 2004, doi:10.1046/j.1369-7412.2003.05316.x.
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, ridge};
    /// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
    /// let a = DenseView::column_major(&a, 5, 2)?;
    /// let b = [1.3, 1.6, 3.4, 3.7, 5.3];
    /// assert!(ridge(&a, &b, Gcv.modified(1.4))?.lambda >= ridge(&a, &b, Gcv)?.lambda);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn modified(self, factor: f64) -> WeightedGcv {
        WeightedGcv { weight: factor }
    }

    /// Weighted GCV: degrees of freedom count `weight` times, 0 < weight ≤ 1 (1 is GCV).
    ///
    /// Source: Chung, Nagy, O'Leary 2008, Electron. Trans. Numer. Anal. 28:149.
    pub fn weighted(self, weight: f64) -> WeightedGcv {
        WeightedGcv { weight }
    }
}

impl WeightedGcv {
    pub(crate) fn name(self) -> &'static str {
        if self.weight > 1.0 { "modified GCV" } else { "weighted GCV" }
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.weight > 0.0 && self.weight <= 10.0 {
            return Ok(());
        }
        Err(Error::Parameter {
            name: "the weight of the degrees of freedom in GCV",
            value: self.weight,
            must_be: "in (0, 10]; 1 is GCV, 1.4 is usual",
        })
    }

    /// The curve's point with tr(I − cH) for its trace; `None` where that is not positive.
    pub(crate) fn weighted(self, point: Point, rows: usize) -> Option<Point> {
        let c = self.weight;
        let trace =
            Jet { value: (1.0 - c) * rows as f64 + c * point.trace.value, slope: c * point.trace.slope, bend: c * point.trace.bend };
        // the rounding of the difference must not pass for freedom
        (trace.value > 1e-12 * rows as f64).then_some(Point { trace, ..point })
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let objective = |damping: f64| Some(log_gcv(&self.weighted(curve.at(damping), curve.rows())?, curve.rows()));
        minimise(curve, &objective).ok_or_else(|| no_interval(self.name()))
    }
}
