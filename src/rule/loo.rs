//! Exact leave-one-out cross-validation: minimise Σ |rᵢ/(1 − hᵢᵢ)|², the sum of squared prediction errors of each row by
//! the fit without it (Allen 1974, Technometrics 16:125, doi:10.1080/00401706.1974.10489157). No refit is made, and it is
//! not GCV, which replaces each leverage by the mean.

use super::kfold::{by_folds, fold_errors, units};
use super::search::{Ends, minimise_together, places};
use super::{Chosen, no_interval};
use crate::curve::Curve;
use crate::error::{Error, Result};

/// Exact leave-one-out cross-validation (PRESS): Σ |rᵢ/(1 − hᵢᵢ)|² in whitened units, intercept and weights included.
///
/// Rows that belong together ([`Problem::groups`](crate::Problem::groups)) are left out together.
///
/// Cost: the left singular vectors, and O(mn) for each λ. Source: Allen 1974, doi:10.1080/00401706.1974.10489157.
///
/// ```
/// use wellposed::{DenseView, Loo, Problem};
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
/// let fit = Problem::new(&DenseView::column_major(&a, 5, 2)?).intercept().solve(&[1.1, 1.9, 3.2, 3.9, 5.3], Loo)?;
/// assert!(fit.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loo;

impl Loo {
    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        if let Some(groups) = curve.groups() {
            let folds = units(curve.rows(), Some(groups));
            return by_folds(curve, &fold_errors(curve, &folds, "leave-one-out")?, "leave-one-out");
        }
        let Some(places) = places(curve) else { return Err(no_interval("leave-one-out")) };
        let (low, high) = curve.interval();
        if high > 0.0 && curve.left_out(&[high]).iter().any(Option::is_none) {
            return Err(Error::NoLambda {
                rule: "leave-one-out",
                low: low * low,
                high: high * high,
                why: "a row determines its own fitted value whatever λ is (leverage 1), so that leaving it out has no prediction; use Gcv, or penalise every coefficient that only this row informs".into(),
            });
        }
        minimise_together(places, Ends::Compete, &|dampings| curve.left_out(dampings)).ok_or_else(|| no_interval("leave-one-out"))
    }
}
