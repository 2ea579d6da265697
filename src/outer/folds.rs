//! K-fold cross-validation by refits: for penalties with which a fit is not linear in b, so that leaving rows out has no closed form.
//!
//! λ multiplies a sum over the rows and stays what it is for the rows that remain, as for the quadratic penalties (glmnet and scikit-learn keep λ/n
//! instead). The error of a fold is the sum of squares in whitened units. Cost: K paths of fits.

use super::path::{Fits, Found, GRID, grid, held_out};
use crate::error::{Error, Result};

/// The sums of squared held-out errors of one fold, one for each λ of a falling grid.
pub(crate) type FoldErrors<'f> = dyn FnMut(usize, &[f64]) -> Result<Vec<f64>> + 'f;

/// λ of least error over the folds, of so many rows each, or the largest within one standard error of it. `fits` are those on all rows; they say
/// where the path begins.
pub(crate) fn choose(
    fits: &dyn Fits,
    (rows, columns): (usize, usize),
    sizes: &[usize],
    one_standard_error: bool,
    rule: &'static str,
    errors_of: &mut FoldErrors<'_>,
) -> Result<Found> {
    if sizes.len() < 2 {
        let why = "there are fewer than two rows (or groups) to leave out; use Aicc or λ as a number".into();
        return Err(Error::NoLambda { rule, low: 0.0, high: f64::INFINITY, why });
    }
    let grid = grid(fits.lambda_max()?, rows, columns, rule)?;
    let mut errors = vec![Vec::new(); GRID];
    for fold in 0..sizes.len() {
        for (errors, error) in errors.iter_mut().zip(errors_of(fold, &grid)?) {
            errors.push(error);
        }
    }
    held_out(&grid, &errors, sizes, one_standard_error, rule)
}
