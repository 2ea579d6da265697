//! What there is to look at beside a solution: Picard coefficients, filter factors, leverages, resolution, the whiteness of
//! the residual.

use crate::lambda::Lambda;
use crate::solution::Criterion;
use crate::warning::Warning;
use core::fmt;

/// Everything to judge a λ by, for one right-hand side. Made by [`Factorization::diagnostics`](crate::Factorization::diagnostics).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// λ, given or chosen.
    pub lambda: Lambda,
    /// Effective degrees of freedom: the sum of `leverages`.
    pub dof: f64,
    /// ‖W^½(b − Ax − intercept)‖.
    pub residual_norm: f64,
    /// ‖L(x − x₀)‖.
    pub penalty_norm: f64,
    /// The discrete Picard condition.
    pub picard: Picard,
    /// φᵢ = σᵢ²/(σᵢ² + λ), in the order of `picard.values`.
    pub filters: Vec<f64>,
    /// hᵢᵢ of each row, intercept and unpenalised directions included; `None` where the factorization has no left singular vectors.
    pub leverages: Option<Vec<f64>>,
    /// Diagonal of the resolution matrix (AᴴA + λLᴴL)⁻¹AᴴA: 1 where an unknown is determined by the data, 0 where by the
    /// penalty. `None` where L is neither the
    /// identity nor diagonal, or the factorization has no right singular vectors.
    pub resolution: Option<Vec<f64>>,
    /// How white the residual is, read row by row; `None` with fewer than four rows, or without left singular vectors.
    pub whiteness: Option<Whiteness>,
    /// σ₁/σ_r over the numerical rank, of A in standard form.
    pub condition: f64,
    /// √((σ₁² + λ)/(σ_r² + λ)) over all penalised directions: the condition of the problem that is solved.
    pub regularized_condition: f64,
    /// What the rule saw that chose λ.
    pub criterion: Option<Criterion>,
    /// What is doubtful about λ.
    pub warnings: Vec<Warning>,
}

/// |uᵢᴴb| against σᵢ: on average they should fall faster than the singular values until they reach the noise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Picard {
    /// σᵢ, descending: (generalized) singular values of the penalised directions.
    pub values: Vec<f64>,
    /// |uᵢᴴb|.
    pub coefficients: Vec<f64>,
    /// |uᵢᴴb|/σᵢ: the coefficients of the unregularized solution.
    pub solution: Vec<f64>,
    /// The standard deviation of the noise, where |uᵢᴴb| levels off; `None` where it is neither known nor to be estimated.
    pub noise_floor: Option<f64>,
    /// How the noise was estimated; `None` where it was known.
    pub estimator: Option<&'static str>,
    /// ε·σ₁: singular values below it are rounding.
    pub rounding_floor: f64,
    /// How many coefficients, from the first on, are above the noise by a factor of 2 before two in a row are not: about as
    /// many degrees of freedom as the data hold.
    pub above_noise: usize,
}

/// The normalized cumulative periodogram of a residual.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Whiteness {
    /// cᵢ for the frequencies 1..=⌊m/2⌋, rising to 1; a straight line for white noise.
    pub cumulative: Vec<f64>,
    /// The largest departure from the line (Kolmogorov–Smirnov).
    pub distance: f64,
    /// 1.36/√⌊m/2⌋: white noise stays below it in 95 of 100 cases.
    pub limit: f64,
}

impl Whiteness {
    /// Whether the departure is one that white noise has in 95 of 100 cases.
    pub fn is_white(&self) -> bool {
        self.distance <= self.limit
    }
}

impl Picard {
    pub(crate) fn new(values: Vec<f64>, coefficients: Vec<f64>, noise: Option<(f64, Option<&'static str>)>, epsilon: f64) -> Self {
        let solution = values.iter().zip(&coefficients).map(|(value, beta)| beta / value).collect();
        let floor = noise.map(|(std, _)| std);
        let below = |k: usize| coefficients.get(k).is_none_or(|&beta| floor.is_some_and(|floor| beta <= 2.0 * floor));
        let above_noise = (0..coefficients.len()).find(|&k| below(k) && below(k + 1)).unwrap_or(coefficients.len());
        let largest = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        Self {
            solution,
            noise_floor: floor,
            estimator: noise.and_then(|(_, estimator)| estimator),
            rounding_floor: epsilon * largest,
            above_noise,
            values,
            coefficients,
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "λ          {}", self.lambda)?;
        writeln!(
            f,
            "dof        {:.4}; {} of {} coefficients stand out of the noise",
            self.dof,
            self.picard.above_noise,
            self.picard.values.len()
        )?;
        writeln!(f, "‖Ax − b‖   {:.6e}", self.residual_norm)?;
        writeln!(f, "‖L(x−x₀)‖  {:.6e}", self.penalty_norm)?;
        writeln!(f, "condition  {:.1e}, with λ {:.1e}", self.condition, self.regularized_condition)?;
        if let Some(floor) = self.picard.noise_floor {
            match self.picard.estimator {
                Some(estimator) => writeln!(f, "noise      standard deviation {floor:.3e}, estimated from {estimator}")?,
                None => writeln!(f, "noise      standard deviation {floor:.3e}, as given")?,
            }
        }
        if let Some(whiteness) = &self.whiteness {
            let verdict = if whiteness.is_white() { "white" } else { "not white" };
            writeln!(f, "residual   {verdict}: departs by {:.3} from white noise, {:.3} is usual", whiteness.distance, whiteness.limit)?;
        }
        if let Some(leverages) = &self.leverages {
            let (row, largest) = leverages.iter().enumerate().fold((0, 0.0), |best, (i, &h)| if h > best.1 { (i, h) } else { best });
            writeln!(f, "leverage   at most {largest:.3}, in row {row}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "note       {warning}")?;
        }
        Ok(())
    }
}
