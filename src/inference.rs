//! What can be said of x beside its value: standard errors, intervals, diagnostics of the rows.
//!
//! With H the map from b to the fitted values, R the map from b to (x, intercept), M = AᴴWA + λLᴴL and σ the standard
//! deviation of the noise of a row (all whitened; λ held fixed):
//!
//! ```text
//! dof                 tr H
//! residual dof ν      m − tr(2H − HHᵀ)             E‖b − Ax‖² = νσ² where the bias of the fit is negligible
//! σ̂²                  ‖b − Ax‖²/ν
//! standard errors     σ·√diag(RRᵀ)                 the sandwich σ²M⁻¹AᵀWAM⁻¹: how x moves with the noise
//! posterior errors    σ·√diag(M⁻¹)                 x given b, under the prior that λ stands for: noise and bias together
//! heteroscedastic     √diag(R·diag(ωᵢrᵢ²)·Rᵀ)      HC0 ω = 1, HC1 m/ν, HC2 1/(1 − hᵢᵢ), HC3 1/(1 − hᵢᵢ)²
//! bias                −λM⁻¹LᵀL(x − x₀)             with x in the place of the truth; too small, as x itself is shrunk
//! variance inflation  diag(RRᵀ)·‖aⱼ − mean‖²       Marquardt's where λ acts on scaled columns
//! ```
//!
//! References: Hastie and Tibshirani 1990, *Generalized Additive Models*, §3.5, §3.8; Wahba 1983, J. R. Stat. Soc. B 45:133, and
//! Nychka 1988, J. Am. Stat. Assoc. 83:1134, on what credible intervals cover; MacKinnon and White 1985
//! (doi:10.1016/0304-4076(85)90158-7); Marquardt 1970, Technometrics 12:591; Cook 1977, Technometrics 19:15; Walker and Birch 1988,
//! Technometrics 30:221, on rows in ridge regression.

use crate::error::{Error, Result, Size};
use crate::lambda::Lambda;
use crate::quantile::{two_sided, two_sided_p};
use core::fmt;

/// Standard errors, intervals and diagnostics of one fit. Made by [`Problem::inference`](crate::Problem::inference).
///
/// All numbers hold λ fixed. Where a rule chose it from the same data, the intervals are too short by what that choice adds; the
/// printed table says so.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inference {
    /// λ, given or chosen; 1 where a rule gave several penalties a λ each.
    pub lambda: Lambda,
    /// The rule that chose λ.
    pub rule: Option<&'static str>,
    /// One for each column of A.
    pub coefficients: Vec<Coefficient>,
    /// The unpenalised constant, where there is one.
    pub intercept: Option<Coefficient>,
    /// One for each row of A.
    pub rows: Vec<RowInfluence>,
    /// tr H.
    pub dof: f64,
    /// ν = m − tr(2H − HHᵀ): what the residual has left to estimate the noise from. Student's t has so many degrees of freedom
    /// where the noise is estimated.
    pub residual_dof: f64,
    /// σ, the standard deviation of a row's noise in whitened units: 1 where [`noise_std`](crate::Problem::noise_std) was given, or
    /// else the estimate.
    pub noise_std: f64,
    /// σ̂ = ‖W^½(b − Ax − c)‖/√ν; `None` where ν is not positive. With `noise_std` given it should be about 1.
    pub noise_std_estimate: Option<f64>,
    /// Whether σ was given.
    pub noise_known: bool,
    /// 1 − ‖r‖²/‖b − mean‖², weighted; without an intercept the mean is not taken off. `None` where b does not vary.
    pub r_squared: Option<f64>,
    /// The same with ‖r‖²/ν and ‖b − mean‖²/(m − 1).
    pub r_squared_adjusted: Option<f64>,
    /// The same with the errors of predicting each row without it.
    pub r_squared_predicted: Option<f64>,
    pub(crate) geometry: Geometry,
    pub(crate) names: Option<Vec<String>>,
}

/// One coefficient.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Coefficient {
    /// x.
    pub estimate: f64,
    /// How x moves with the noise (sandwich). It does not contain the bias.
    pub standard_error: f64,
    /// The posterior's standard deviation: noise and bias together, on average over the prior. Equal to `standard_error` at λ = 0.
    pub posterior_std: f64,
    /// Estimated bias of x.
    pub bias: f64,
    /// Variance inflation factor; `None` for the intercept, and for a column that does not vary.
    pub variance_inflation: Option<f64>,
    /// Standard errors that let every row have noise of its own.
    pub heteroscedastic: Heteroscedastic,
}

/// Standard errors under noise of unequal variance (MacKinnon and White 1985). They do not use σ.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Heteroscedastic {
    /// Squared residuals as they are.
    pub hc0: f64,
    /// Times m/ν; `None` where ν is not positive.
    pub hc1: Option<f64>,
    /// Divided by 1 − hᵢᵢ; `None` where a row fits itself (hᵢᵢ = 1).
    pub hc2: Option<f64>,
    /// Divided by (1 − hᵢᵢ)²: close to the jackknife, the usual choice below some hundred rows. `None` as above.
    pub hc3: Option<f64>,
}

/// One row of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RowInfluence {
    /// Ax + c, in the units of b.
    pub fitted: f64,
    /// b − Ax − c, in the units of b.
    pub residual: f64,
    /// hᵢᵢ: how far the fitted value follows this row's own datum.
    pub leverage: f64,
    /// The whitened residual divided by its standard deviation σ·√((I − H)²)ᵢᵢ. At λ = 0 that is σ√(1 − hᵢᵢ). `None` here and below
    /// where hᵢᵢ = 1: the row then fits itself, whatever its datum.
    pub studentized: Option<f64>,
    /// The same with σ estimated without this row (given `noise_std`, with the given one): Student's t with one degree of
    /// freedom less than ν at λ = 0, and about so at λ > 0.
    pub studentized_externally: Option<f64>,
    /// b minus its prediction by a fit without this row, at the same λ, in the units of b.
    pub left_out_error: Option<f64>,
    /// Cook's distance: ‖fitted − fitted without this row‖²/(dof·σ²), whitened.
    pub cooks_distance: Option<f64>,
}

/// One interval for each coefficient.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Intervals {
    /// (lower, upper) for each column of A.
    pub coefficients: Vec<(f64, f64)>,
    /// The same for the intercept.
    pub intercept: Option<(f64, f64)>,
}

/// What the fit says of a new row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// a·x + c.
    pub value: f64,
    /// How the value moves with the noise of the data.
    pub standard_error: f64,
    /// The posterior's standard deviation of the value.
    pub posterior_std: f64,
    /// Where the mean of b at this row is, by the posterior.
    pub credible: (f64, f64),
    /// Where a new datum at this row will be: the posterior and the noise of the datum.
    pub interval: (f64, f64),
}

/// A test of one coefficient against 0 at λ = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Test {
    /// x/standard error.
    pub statistic: f64,
    /// Two-sided p-value by Student's t with ν degrees of freedom (the normal distribution where the noise is known).
    pub p_value: f64,
}

/// A row of A (less the means) ↦ the variances that unit noise makes and that the posterior has.
pub(crate) type Variances = std::sync::Arc<dyn Fn(&[f64]) -> (f64, f64) + Send + Sync>;

/// The variances of linear functions of x, in the caller's units.
#[derive(Clone)]
pub(crate) struct Geometry {
    pub(crate) variances: Variances,
    /// The weighted mean of each column where there is an intercept.
    pub(crate) means: Option<Vec<f64>>,
    /// 1/(sum of weights): the variance of the mean.
    pub(crate) mean_variance: f64,
}

impl fmt::Debug for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Geometry").field("means", &self.means).field("mean_variance", &self.mean_variance).finish_non_exhaustive()
    }
}

impl Geometry {
    /// The variances of a·x + c.
    fn of_row(&self, row: &[f64]) -> (f64, f64) {
        match &self.means {
            None => (self.variances)(row),
            Some(means) => {
                let centred: Vec<f64> = row.iter().zip(means).map(|(a, mean)| a - mean).collect();
                let (sampling, posterior) = (self.variances)(&centred);
                (sampling + self.mean_variance, posterior + self.mean_variance)
            }
        }
    }
}

impl Inference {
    /// Names for the columns of A in the printed table; missing ones are numbered.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// x ± t·standard error. They cover the mean of x over repeated noise; at λ > 0 that is not the true x but what is left of it after
    /// shrinkage ([`Coefficient::bias`]). [`credible`](Self::credible) contains the bias.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that is not between 0 and 1.
    pub fn confidence(&self, level: f64) -> Result<Intervals> {
        self.intervals(level, |coefficient| coefficient.standard_error)
    }

    /// x ± t·posterior standard deviation: intervals under the prior that λ stands for. Over the coefficients together they
    /// cover the truth about as often as they say (Nychka 1988); a single coefficient far from x₀ is covered less often.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that is not between 0 and 1.
    pub fn credible(&self, level: f64) -> Result<Intervals> {
        self.intervals(level, |coefficient| coefficient.posterior_std)
    }

    /// What is to be expected at a new row of A, of weight 1 (and noise_std σ).
    ///
    /// # Errors
    /// [`Error::Shape`] for a row of another length, [`Error::NonFinite`], and [`Error::Parameter`] for a level that is not between
    /// 0 and 1.
    pub fn prediction(&self, row: &[f64], level: f64) -> Result<Prediction> {
        self.prediction_with(row, self.noise_std, level)
    }

    /// The same for a datum whose noise has this standard deviation, in the units of b.
    ///
    /// # Errors
    /// As [`prediction`](Self::prediction), and [`Error::Parameter`] for a negative standard deviation.
    pub fn prediction_with(&self, row: &[f64], noise_std: f64, level: f64) -> Result<Prediction> {
        let n = self.coefficients.len();
        if row.len() != n {
            return Err(Error::Shape {
                what: "the new row",
                found: Size::Length(row.len()),
                expected: Size::Length(n),
                hint: "one value for each column of A",
            });
        }
        if let Some(index) = row.iter().position(|v| !v.is_finite()) {
            return Err(Error::NonFinite { what: "the new row", index: Size::Entry(index) });
        }
        if !(noise_std >= 0.0 && noise_std.is_finite()) {
            return Err(Error::Parameter { name: "the noise_std of the new datum", value: noise_std, must_be: "finite and ≥ 0" });
        }
        let t = self.quantile(level)?;
        let value =
            row.iter().zip(&self.coefficients).map(|(a, c)| a * c.estimate).sum::<f64>() + self.intercept.map_or(0.0, |c| c.estimate);
        let (sampling, posterior) = self.geometry.of_row(row);
        let posterior_std = self.noise_std * posterior.sqrt();
        let around = |half: f64| (value - t * half, value + t * half);
        Ok(Prediction {
            value,
            standard_error: self.noise_std * sampling.sqrt(),
            posterior_std,
            credible: around(posterior_std),
            interval: around(posterior_std.hypot(noise_std)),
        })
    }

    /// Tests of each coefficient against 0 (the intercept's last, where there is one), for λ = 0.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for λ > 0: x is then biased towards x₀, and x/standard error does not follow Student's t under the hypothesis.
    pub fn t_tests(&self) -> Result<Vec<Test>> {
        if self.lambda.damping() != 0.0 {
            return Err(Error::Unsupported {
                what: "a t-test",
                with: "λ > 0, where x is biased and its t statistic does not follow Student's t",
                instead: "use credible(..), or confidence(..) with the bias beside it, or λ = 0",
            });
        }
        let freedom = self.freedom();
        let test = |c: &Coefficient| {
            let statistic = c.estimate / c.standard_error;
            two_sided_p(statistic, freedom).filter(|p| !p.is_nan()).map(|p_value| Test { statistic, p_value }).ok_or(Error::Unsupported {
                what: "a t-test",
                with: "a fit without residuals, whose standard errors are 0",
                instead: "more rows, or noise_std where the noise is known",
            })
        };
        self.coefficients.iter().chain(&self.intercept).map(test).collect()
    }

    fn freedom(&self) -> f64 {
        if self.noise_known { f64::INFINITY } else { self.residual_dof }
    }

    fn quantile(&self, level: f64) -> Result<f64> {
        two_sided(level, self.freedom()).ok_or(Error::Parameter {
            name: "the level of an interval",
            value: level,
            must_be: "between 0 and 1, such as 0.95",
        })
    }

    fn intervals(&self, level: f64, std: impl Fn(&Coefficient) -> f64) -> Result<Intervals> {
        let t = self.quantile(level)?;
        let around = |c: &Coefficient| (c.estimate - t * std(c), c.estimate + t * std(c));
        Ok(Intervals { coefficients: self.coefficients.iter().map(around).collect(), intercept: self.intercept.as_ref().map(around) })
    }
}

/// Coefficients whose rows are printed; further ones are counted.
const SHOWN: usize = 40;

impl fmt::Display for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.map_or_else(String::new, |rule| format!(", chosen by {rule}"));
        writeln!(f, "λ {}{rule}", self.lambda)?;
        writeln!(f, "rows {}, dof {:.4}, residual dof {:.4}", self.rows.len(), self.dof, self.residual_dof)?;
        match (self.noise_known, self.noise_std_estimate) {
            (true, Some(estimate)) => writeln!(f, "noise given; the residuals say {estimate:.4} times as much")?,
            (true, None) => writeln!(f, "noise given")?,
            (false, _) => writeln!(f, "noise {:.6}, estimated", self.noise_std)?,
        }
        let number = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
        writeln!(
            f,
            "R² {}, adjusted {}, of rows left out {}",
            number(self.r_squared),
            number(self.r_squared_adjusted),
            number(self.r_squared_predicted)
        )?;
        let name = |j: usize| self.names.as_ref().and_then(|names| names.get(j).cloned()).unwrap_or_else(|| format!("x{}", j + 1));
        let shown = self.coefficients.len().min(SHOWN);
        let width = (0..shown).map(|j| name(j).chars().count()).max().unwrap_or(0).max("intercept".len());
        let unbiased = self.lambda.damping() == 0.0;
        let tests = if unbiased { self.t_tests().ok() } else { None };
        let credible = self.credible(0.95).map_err(|_| fmt::Error)?;
        let last = if tests.is_some() { "p" } else { "bias" };
        writeln!(
            f,
            "{:width$} {:>12} {:>11} {:>11}  {:^25} {:>8} {:>10}",
            "", "estimate", "std error", "posterior", "95 % interval", "VIF", last
        )?;
        let mut line = |name: &str, c: &Coefficient, (low, high): (f64, f64), test: Option<&Test>| {
            let vif = c.variance_inflation.map_or_else(|| "—".to_owned(), |v| format!("{v:.3}"));
            let last = test.map_or_else(|| format!("{:.3e}", c.bias), |test| format!("{:.2e}", test.p_value));
            writeln!(
                f,
                "{name:width$} {:>12.5e} {:>11.4e} {:>11.4e}  [{low:>11.4e}, {high:>11.4e}] {vif:>8} {last:>10}",
                c.estimate, c.standard_error, c.posterior_std
            )
        };
        for j in 0..shown {
            let test = tests.as_ref().and_then(|tests| tests.get(j));
            line(&name(j), &self.coefficients[j], credible.coefficients[j], test)?;
        }
        if let (Some(intercept), Some(interval)) = (&self.intercept, credible.intercept) {
            line("intercept", intercept, interval, tests.as_ref().and_then(|tests| tests.last()))?;
        }
        if self.coefficients.len() > shown {
            writeln!(f, "… and {} more coefficients", self.coefficients.len() - shown)?;
        }
        if !unbiased {
            writeln!(f, "note       the intervals are the posterior's. x is biased towards the prior mean at λ > 0: no p-values")?;
        }
        if self.rule.is_some() {
            writeln!(f, "note       λ was chosen from the same data, and is taken as given here: the intervals are somewhat too short")?;
        }
        let alone: Vec<String> =
            self.rows.iter().enumerate().filter(|(_, row)| row.studentized.is_none()).take(8).map(|(i, _)| i.to_string()).collect();
        if !alone.is_empty() {
            writeln!(f, "note       rows {} have leverage 1: they fit themselves, whatever their data", alone.join(", "))?;
        }
        Ok(())
    }
}
