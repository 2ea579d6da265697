//! λ by rules that look at fits along a path: information criteria, the discrepancy principle, cross-validation by refits.
//!
//! There is no closed form in λ as there is for ‖Lz‖²: each λ is a fit, warm-started from the one before, from λ_max down. The criteria
//! are piecewise smooth with a kink wherever the support changes, so that they are looked at on a grid and not differentiated.
//!
//! Degrees of freedom are those of the support (Zou, Hastie, Tibshirani 2007; Tibshirani, Taylor 2012 for a general L).
//!
//! Zou, Hastie, Tibshirani 2007, "On the degrees of freedom of the lasso", Annals of Statistics 35:2173,
//! doi:10.1214/009053607000000127. Tibshirani, Taylor 2012, "Degrees of freedom in lasso problems", Annals of Statistics 40:1198,
//! doi:10.1214/12-AOS1003.

use crate::error::{Error, Result};
use crate::rule::bracket::rising_root;
use crate::warning::Warning;

/// λ on the grid of a rule. That of glmnet and scikit-learn.
pub(crate) const GRID: usize = 100;

/// The fits of one right-hand side, each from where the last one ended.
pub(crate) trait Fits {
    /// λ from which on every penalised component is zero.
    fn lambda_max(&self) -> Result<f64>;
    /// Fits at λ; `finish` asks for all digits.
    fn fit(&mut self, lambda: f64, finish: bool) -> Result<Reached>;
    /// The coefficients of the last fit.
    fn coefficients(&self) -> &[f64];
    /// ‖b̄ − Āz‖ of the last fit.
    fn residual_norm(&self) -> f64;
    /// R(z) of the last fit.
    fn penalty(&self) -> f64;
    /// Degrees of freedom of the last fit, where they are known.
    fn dof(&self) -> Option<f64>;
    /// What was not reached, where that was accepted: the gap and the one asked for (of RSS + λR).
    fn partial(&self) -> Option<(f64, f64)>;
    /// Between bounds: how far the last fit is from the first-order conditions, without units.
    fn kkt_residual(&self) -> Option<f64> {
        None
    }
}

/// What was reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    /// P(z) less the minimum is at most this.
    pub gap: f64,
    /// Passes or steps made.
    pub passes: usize,
    pub verdict: Verdict,
}

/// Why the descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Tolerance,
    /// As small as rounding permits.
    Rounding,
    Limit,
    Stalled,
}

/// When a fit ends, and what if it does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The gap of RSS + λR relative to ‖b̄‖².
    pub tolerance: f64,
    pub max_steps: usize,
    pub accept_partial: bool,
}

impl Settings {
    /// An error for a fit that did not converge; where that is accepted, its gap and the one asked for (of RSS + λR).
    pub fn accept(&self, reached: &Reached, gap: f64, method: &'static str) -> Result<Option<(f64, f64)>> {
        let (found, asked) = (2.0 * reached.gap, 2.0 * gap);
        match reached.verdict {
            Verdict::Tolerance | Verdict::Rounding => Ok(None),
            Verdict::Limit | Verdict::Stalled if self.accept_partial => Ok(Some((found, asked))),
            Verdict::Limit | Verdict::Stalled => Err(Error::NotConverged {
                method,
                steps: reached.passes,
                reached: found,
                tolerance: asked,
                instead: "raise max_steps(..) or the tolerance of the method (the numbers are duality gaps), scale the columns, or accept_partial()",
            }),
        }
    }
}

/// What a rule found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub lambda: f64,
    pub value: f64,
    /// (λ, criterion), by increasing λ.
    pub evaluated: Vec<(f64, f64)>,
    pub warnings: Vec<Warning>,
}

/// λ from λ_max down, equally spaced in log λ: to 1e-4·λ_max, or 1e-2·λ_max where there are more unknowns than data (glmnet's choice).
pub(crate) fn grid(largest: f64, rows: usize, columns: usize, rule: &'static str) -> Result<Vec<f64>> {
    if !(largest > 0.0 && largest.is_finite()) {
        return Err(Error::NoLambda {
            rule,
            low: 0.0,
            high: 0.0,
            why: "no penalised direction of A is seen by the data, so that λ changes nothing; give λ as a number".into(),
        });
    }
    let ratio: f64 = if rows > columns { 1e-4 } else { 1e-2 };
    Ok((0..GRID).map(|k| largest * ratio.powf(k as f64 / (GRID - 1) as f64)).collect())
}

/// The least of a criterion over (λ, value), and the warning where it lies at an end.
pub(crate) fn least(mut evaluated: Vec<(f64, f64)>, rule: &'static str) -> Result<Found> {
    evaluated.retain(|(_, value)| value.is_finite());
    evaluated.sort_by(|a, b| a.0.total_cmp(&b.0));
    // the largest λ among equals
    let best = evaluated.iter().enumerate().rev().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(k, _)| k);
    let Some(best) = best else {
        let why = "the criterion is defined at no λ of the path (too few rows for the coefficients in use); use KFold, or give λ".into();
        return Err(Error::NoLambda { rule, low: 0.0, high: f64::INFINITY, why });
    };
    let (lambda, value) = evaluated[best];
    let mut warnings = Vec::new();
    if best == 0 || best + 1 == evaluated.len() {
        warnings.push(Warning::EdgeOfInterval { lambda, upper: best != 0 });
    }
    Ok(Found { lambda, value, evaluated, warnings })
}

/// An information criterion on the grid: exp of log(‖r‖²/m) + penalty(dof), as for the quadratic penalties.
pub(crate) fn information(
    fits: &mut dyn Fits,
    (rows, columns): (usize, usize),
    rule: &'static str,
    penalty: impl Fn(f64, f64) -> f64,
) -> Result<Found> {
    let mut evaluated = Vec::with_capacity(GRID);
    for lambda in grid(fits.lambda_max()?, rows, columns, rule)? {
        fits.fit(lambda, false)?;
        let dof = fits.dof().ok_or(Error::Unsupported {
            what: rule,
            with: "a penalty of groups of Lx, or a fit on columns that depend on each other, whose degrees of freedom are not known",
            instead: "use KFold, Discrepancy or λ as a number",
        })?;
        let m = rows as f64;
        let residual = fits.residual_norm();
        evaluated.push((lambda, residual * residual / m * penalty(dof, m).exp()));
    }
    least(evaluated, rule)
}

/// ‖r‖ = target: it rises with λ.
pub(crate) fn discrepancy(fits: &mut dyn Fits, target: f64) -> Result<Found> {
    let rule = "discrepancy";
    let largest = fits.lambda_max()?;
    let fail = |why: String| Error::NoLambda { rule, low: 0.0, high: largest, why };
    if !(largest > 0.0) {
        return Err(fail("no penalised direction of A is seen by the data; give λ as a number".into()));
    }
    let mut evaluated = Vec::new();
    let mut at = |lambda: f64, evaluated: &mut Vec<(f64, f64)>| -> Result<f64> {
        // a gap leaves its square root open in the residual: all digits
        fits.fit(lambda, true)?;
        let norm = fits.residual_norm();
        evaluated.push((lambda, norm));
        Ok(norm)
    };
    let most = at(largest, &mut evaluated)?;
    if target >= most {
        return Err(fail(format!(
            "the residual norm is never above {most:.3e}, below the {target:.3e} asked for: the noise norm is as large as the data; lower it"
        )));
    }
    // down until the residual is below the target
    let (mut high, mut low) = ((largest, most), (largest, most));
    while low.1 > target {
        high = low;
        let next = low.0 * 0.5;
        if next < largest * 1e-9 {
            return Err(fail(format!(
                "the residual norm is {:.3e} at the least λ tried, above the {target:.3e} asked for: the noise is larger than stated or the model does not fit; raise the noise norm, or use KFold",
                low.1
            )));
        }
        low = (next, at(next, &mut evaluated)?);
    }
    let height = |norm: f64| (norm / target).ln();
    let (left, right) = ((low.0.ln(), height(low.1)), (high.0.ln(), height(high.1)));
    let best = rising_root(left, right, (1e-9, 1e-14), &mut |t| Ok(height(at(t.exp(), &mut evaluated)?)))?.best;
    evaluated.sort_by(|a, b| a.0.total_cmp(&b.0));
    evaluated.dedup_by(|a, b| a.0 == b.0);
    Ok(Found { lambda: best.0.exp(), value: target * best.1.exp(), evaluated, warnings: Vec::new() })
}

/// The λ of least held-out error, or the largest within one standard error of it. `errors` has one row of folds for each λ of the
/// grid, which falls; `sizes` the rows of each fold.
pub(crate) fn held_out(grid: &[f64], errors: &[Vec<f64>], sizes: &[usize], one_standard_error: bool, rule: &'static str) -> Result<Found> {
    let total = |errors: &Vec<f64>| errors.iter().sum::<f64>();
    let mut found = least(grid.iter().copied().zip(errors.iter().map(total)).collect(), rule)?;
    if !one_standard_error {
        return Ok(found);
    }
    let Some(best) = grid.iter().position(|&lambda| lambda == found.lambda) else { return Ok(found) };
    let rows: usize = sizes.iter().sum();
    let means: Vec<f64> = errors[best].iter().zip(sizes).map(|(error, &size)| error / size as f64).collect();
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / (count - 1.0).max(1.0);
    let limit = found.value + rows as f64 * (variance / count).sqrt();
    // from the best upwards as long as every λ stays within the limit
    let mut chosen = best;
    while chosen > 0 && total(&errors[chosen - 1]) <= limit {
        chosen -= 1;
    }
    found.warnings.clear();
    if chosen == 0 {
        found.warnings.push(Warning::EdgeOfInterval { lambda: grid[0], upper: true });
    }
    (found.lambda, found.value) = (grid[chosen], total(&errors[chosen]));
    Ok(found)
}
