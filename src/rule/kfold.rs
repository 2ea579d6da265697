//! K-fold cross-validation, exact and without refits: minimise Σ_S ‖(I − H_SS)⁻¹r_S‖² over the folds S.
//!
//! The errors of predicting the rows S by the fit without them are (I − H_SS)⁻¹r_S at the same λ (which multiplies a sum
//! over the rows, so that
//! it is not divided among them), intercept and unpenalised directions included in H. Exact because nothing else is
//! estimated: Liland, Skogholt, Indahl 2024, IEEE Access 12:17349 (arXiv:2211.15128). Leave-one-out is the case of single rows.
//! No derivatives: λ to about 1e-8. Cost for each λ: m·r·|S| + Σ|S|³/3 flops; about 60 λ, on cells of two in log λ.

use super::search::{Ends, minimise_coarsely};
use super::{Chosen, needs_rows, no_interval};
use crate::curve::{Curve, FoldErrors};
use crate::error::{Error, Result};
use crate::random::Random;

/// K-fold cross-validation: the sum of squared errors of predicting each fold by the fit without it, exact and without refits.
///
/// Rows go to folds at random (a fixed seed: the same folds every time), or in blocks with [`blocks`](KFold::blocks). Rows
/// that belong together
/// ([`Problem::groups`](crate::Problem::groups)) stay together. Errors are in whitened units: a row counts by its weight.
///
/// Source: Liland, Skogholt, Indahl 2024, arXiv:2211.15128.
///
/// ```
/// use wellposed::{DenseView, KFold, Problem};
/// let a: Vec<f64> = (0..40).map(|k| ((k * k) as f64).sin()).collect();
/// let b: Vec<f64> = (0..20).map(|i| (i as f64).cos()).collect();
/// let a = DenseView::column_major(&a, 20, 2)?;
/// let fit = Problem::new(&a).intercept().solve(&b, KFold::new(5))?;
/// let patients: Vec<usize> = (0..20).map(|i| i / 4).collect();
/// let grouped = Problem::new(&a).groups(&patients).solve(&b, KFold::new(5))?;
/// assert!(fit.lambda > 0.0 && grouped.lambda > 0.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KFold {
    folds: usize,
    order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Random(u64),
    Blocks,
}

impl KFold {
    /// So many folds; 5 or 10 are usual.
    pub fn new(folds: usize) -> Self {
        Self { folds, order: Order::Random(0) }
    }

    /// Folds are blocks of consecutive rows (or groups): for rows in the order of time, whose neighbours resemble each other.
    pub fn blocks(self) -> Self {
        Self { order: Order::Blocks, ..self }
    }

    /// Another assignment at random.
    pub fn seed(self, seed: u64) -> Self {
        Self { order: Order::Random(seed), ..self }
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.folds >= 2 {
            return Ok(());
        }
        Err(Error::Parameter { name: "the number of folds", value: self.folds as f64, must_be: "at least 2; 5 or 10 are usual" })
    }

    /// The rows of each fold; folds without rows are left out.
    pub(crate) fn assign(self, rows: usize, groups: Option<&[usize]>) -> Vec<Vec<usize>> {
        let units = units(rows, groups);
        let mut folds = vec![Vec::new(); self.folds.min(units.len()).max(1)];
        let count = folds.len();
        match self.order {
            // a unit goes to the block that its middle row is in
            Order::Blocks => {
                let mut before = 0;
                for unit in units {
                    let fold = ((2 * before + unit.len()) as u128 * count as u128 / (2 * rows.max(1)) as u128) as usize;
                    before += unit.len();
                    folds[fold.min(count - 1)].extend(unit);
                }
            }
            // in random order, large units first, each to the smallest fold
            Order::Random(seed) => {
                let mut random = Random::new(seed);
                let mut keyed: Vec<(u64, Vec<usize>)> = units.into_iter().map(|unit| (random.next_bits(), unit)).collect();
                keyed.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(&b.0)));
                for (_, unit) in keyed {
                    if let Some(smallest) = folds.iter_mut().min_by_key(|fold| fold.len()) {
                        smallest.extend(unit);
                    }
                }
            }
        }
        folds.retain(|fold| !fold.is_empty());
        folds.iter_mut().for_each(|fold| fold.sort_unstable());
        folds
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        let folds = self.assign(curve.rows(), curve.groups());
        let errors = fold_errors(curve, &folds, "K-fold")?;
        by_folds(curve, &errors, "K-fold")
    }
}

/// Rows that stay together, in the order of their first rows.
pub(crate) fn units(rows: usize, groups: Option<&[usize]>) -> Vec<Vec<usize>> {
    let Some(groups) = groups else { return (0..rows).map(|i| vec![i]).collect() };
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut of_label = std::collections::HashMap::new();
    for (row, label) in groups.iter().enumerate().take(rows) {
        let unit = *of_label.entry(*label).or_insert_with(|| {
            units.push(Vec::new());
            units.len() - 1
        });
        units[unit].push(row);
    }
    units
}

/// The errors of folds, where the curve knows its rows.
pub(crate) fn fold_errors<'s>(curve: &'s dyn Curve, folds: &'s [Vec<usize>], rule: &'static str) -> Result<FoldErrors<'s>> {
    if folds.len() < 2 {
        let why = "there are fewer than two rows (or groups) to leave out; use Gcv or Evidence".into();
        return Err(Error::NoLambda { rule, low: 0.0, high: f64::INFINITY, why });
    }
    curve.folds(folds).ok_or_else(|| needs_rows(rule))
}

/// The λ of least total error.
pub(crate) fn by_folds(curve: &dyn Curve, errors: &FoldErrors<'_>, rule: &'static str) -> Result<Chosen> {
    let (low, high) = curve.interval();
    if high > 0.0 && errors(high).is_none() {
        return Err(Error::NoLambda {
            rule,
            low: low * low,
            high: high * high,
            why: "a fold determines its own fitted values whatever λ is, so that leaving it out has no prediction; use Gcv, other folds, or penalise every coefficient that only this fold informs".into(),
        });
    }
    let total = |damping: f64| errors(damping).map(|errors| errors.iter().sum());
    minimise_coarsely((low, high), Ends::Compete, &total).ok_or_else(|| no_interval(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row in one fold, sizes even, groups whole; blocks are consecutive.
    #[test]
    fn folds_partition_the_rows() {
        for (rows, k) in [(10, 3), (7, 7), (3, 5), (100, 10), (2, 2)] {
            for rule in [KFold::new(k), KFold::new(k).blocks(), KFold::new(k).seed(9)] {
                let folds = rule.assign(rows, None);
                let mut all: Vec<usize> = folds.concat();
                all.sort_unstable();
                assert_eq!(all, (0..rows).collect::<Vec<_>>());
                assert_eq!(folds.len(), k.min(rows));
                let (least, most) = (folds.iter().map(Vec::len).min().unwrap(), folds.iter().map(Vec::len).max().unwrap());
                assert!(most - least <= 1, "{folds:?}");
            }
            for pair in KFold::new(k).blocks().assign(rows, None).windows(2) {
                assert!(pair[0].last() < pair[1].first());
            }
        }
        let groups: Vec<usize> = (0..30).map(|i| (i * 7) % 11).collect();
        for rule in [KFold::new(4), KFold::new(4).blocks()] {
            let folds = rule.assign(30, Some(&groups));
            for label in 0..11 {
                let holders = folds.iter().filter(|fold| fold.iter().any(|&i| groups[i] == label)).count();
                assert_eq!(holders, 1, "{rule:?}");
            }
            assert_eq!(folds.iter().map(Vec::len).sum::<usize>(), 30);
        }
        assert_ne!(KFold::new(3).assign(30, None), KFold::new(3).seed(1).assign(30, None));
        assert_eq!(KFold::new(3).assign(0, None), Vec::<Vec<usize>>::new());
    }
}
