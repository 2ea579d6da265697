//! The one-standard-error rule: the largest λ whose cross-validated error is within one standard error of the least.
//!
//! Breiman, Friedman, Olshen, Stone 1984, §3.4.3; Hastie, Tibshirani, Friedman 2009 §7.10. With c_S the mean squared error
//! of each of K folds (rows, for
//! leave-one-out) at the best λ, the standard error of the mean is sd(c_S)/√K. A deliberate bias towards the simpler model:
//! it is no estimate of the best λ.

use super::Chosen;
use super::bracket::rising_root;
use super::kfold::{KFold, by_folds, fold_errors, units};
use super::loo::Loo;
use crate::curve::Curve;
use crate::error::Result;
use crate::warning::Warning;
use core::convert::Infallible;

/// What [`Loo::one_standard_error`] and [`KFold::one_standard_error`] make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneStandardError {
    /// `None` leaves single rows (or groups) out.
    folds: Option<KFold>,
}

impl Loo {
    /// The largest λ whose leave-one-out error is within one standard error of the least: smoother, on purpose.
    ///
    /// ```
    /// use wellposed::{DenseView, Loo, ridge};
    /// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 0.0, 1.0, 0.5, 2.0];
    /// let a = DenseView::column_major(&a, 5, 2)?;
    /// let b = [1.3, 1.6, 3.4, 3.7, 5.3];
    /// assert!(ridge(&a, &b, Loo.one_standard_error())?.lambda >= ridge(&a, &b, Loo)?.lambda);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn one_standard_error(self) -> OneStandardError {
        OneStandardError { folds: None }
    }
}

impl KFold {
    /// The largest λ whose error is within one standard error (over the folds) of the least: smoother, on purpose.
    pub fn one_standard_error(self) -> OneStandardError {
        OneStandardError { folds: Some(self) }
    }
}

impl OneStandardError {
    /// The folds; `None` leaves single rows out.
    pub(crate) fn folds(self) -> Option<KFold> {
        self.folds
    }

    pub(crate) fn name(self) -> &'static str {
        if self.folds.is_some() { "K-fold + 1 s.e." } else { "leave-one-out + 1 s.e." }
    }

    pub(crate) fn check(self) -> Result<()> {
        self.folds.map_or(Ok(()), KFold::check)
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        if self.folds.is_none() && curve.groups().is_none() {
            let best = Loo.choose(curve)?;
            let Some(rows) = curve.left_out_rows(best.damping) else { return Ok(best) };
            let limit = limit(&best, &rows, curve.rows());
            return Ok(largest_below(best, limit, &|damping| {
                curve.left_out(&[damping]).first().copied().flatten().unwrap_or(f64::INFINITY)
            }));
        }
        let folds = match self.folds {
            Some(rule) => rule.assign(curve.rows(), curve.groups()),
            None => units(curve.rows(), curve.groups()),
        };
        let errors = fold_errors(curve, &folds, self.name())?;
        let best = by_folds(curve, &errors, self.name())?;
        let Some(at_best) = errors(best.damping) else { return Ok(best) };
        let means: Vec<f64> = at_best.iter().zip(&folds).map(|(error, fold)| error / fold.len() as f64).collect();
        let limit = limit(&best, &means, curve.rows());
        Ok(largest_below(best, limit, &|damping| errors(damping).map_or(f64::INFINITY, |errors| errors.iter().sum())))
    }
}

/// The least total error and one standard error, that of the mean of `means`, on `rows` rows.
fn limit(best: &Chosen, means: &[f64], rows: usize) -> f64 {
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / (count - 1.0).max(1.0);
    best.value + rows as f64 * (variance / count).sqrt()
}

/// The largest λ at which the total error is within the limit.
fn largest_below(mut chosen: Chosen, limit: f64, total: &dyn Fn(f64) -> f64) -> Chosen {
    let last = chosen.evaluated.iter().rposition(|&(damping, value)| value <= limit && damping >= chosen.damping);
    let (inside, value) = last.map_or((chosen.damping, chosen.value), |k| chosen.evaluated[k]);
    chosen.warnings.clear();
    let Some(&(outside, beyond)) = last.and_then(|k| chosen.evaluated.get(k + 1)) else {
        (chosen.damping, chosen.value) = (inside, value);
        chosen.warnings.push(Warning::EdgeOfInterval { lambda: inside * inside, upper: true });
        return chosen;
    };
    let height = |value: f64| (value / limit).ln();
    let (left, right) = ((inside.ln(), height(value)), (outside.ln(), height(beyond)));
    let mut at = |t: f64| Ok::<f64, Infallible>(height(total(t.exp())));
    let Ok(bracket) = rising_root(left, right, (1e-12, 1e-10), &mut at);
    // at the root to rounding, or else inside of it
    let t = if bracket.best.1.abs() <= 1e-12 { bracket.best.0 } else { bracket.left };
    (chosen.damping, chosen.value) = (t.exp(), total(t.exp()));
    chosen
}
