//! λ, and what other packages call it.

use crate::scalar::times_power_of_two;
use core::fmt;

/// The amount of regularization. λ multiplies R exactly as written: ‖Ax − b‖² + λ‖Lx‖².
///
/// Inside it keeps the damping √λ, so that no scale of the data overflows it. A plain number is a λ:
/// `ridge(&a, &b, 0.1)`. Each constructor names a convention of another package (docs/CONVENTIONS.md has the table).
///
/// ```
/// use wellposed::Lambda;
/// assert_eq!(Lambda::from_damping(0.1).value(), 0.1 * 0.1);
/// assert_eq!(Lambda::new(1e-4).to_string(), "1.0000e-4 (damping 1.0000e-2)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Lambda {
    damping: f64,
    value: f64,
}

impl Lambda {
    /// λ = 0: plain least squares.
    pub const ZERO: Lambda = Lambda { damping: 0.0, value: 0.0 };

    /// λ itself: scikit-learn's `Ridge(alpha)`, MASS's `lambda` on the columns as they are given.
    pub fn new(lambda: f64) -> Self {
        Self { damping: lambda.sqrt(), value: lambda }
    }

    /// The damping d of Hansen's Regularization Tools, LSQR and LSMR: λ = d².
    pub fn from_damping(damping: f64) -> Self {
        // a negative damping must not become a valid λ by squaring
        Self { damping, value: if damping < 0.0 { f64::NAN } else { damping * damping } }
    }

    /// `l` of an objective that divides the residual sum of squares by 2·(number of samples, or sum of weights):
    /// scikit-learn's `ElasticNet(alpha, l1_ratio=0)`, statsmodels' `fit_regularized`. λ = l·Σw.
    pub fn per_sample(l: f64, sum_of_weights: f64) -> Self {
        Self::new(l * sum_of_weights)
    }

    /// `alpha` of scikit-learn's `Lasso` (RSS/2n + α‖x‖₁; with sample weights n is their sum), and glmnet's `lambda` with `alpha = 1`
    /// for a response that is not standardized: λ = 2nα, for [`Penalty::l1`](crate::Penalty::l1).
    ///
    /// ```
    /// assert_eq!(wellposed::Lambda::lasso(0.1, 50.0).value(), 10.0);
    /// ```
    pub fn lasso(alpha: f64, sum_of_weights: f64) -> Self {
        Self::new(2.0 * alpha * sum_of_weights)
    }

    /// `alpha` and `l1_ratio` of scikit-learn's `ElasticNet`, which minimises RSS/2n + α(s‖x‖₁ + (1 − s)/2·‖x‖²) (with sample weights
    /// n is their sum); glmnet's `lambda` and `alpha` for a response that is not standardized. Returns λ = nα(1 + s) and ρ = 2s/(1 + s), for
    /// [`Penalty::elastic_net`](crate::Penalty::elastic_net).
    ///
    /// ```
    /// let (lambda, rho) = wellposed::Lambda::elastic_net(0.1, 0.5, 50.0);
    /// // λρ multiplies ‖x‖₁ and is 2nαs; λ(1 − ρ) multiplies ‖x‖² and is nα(1 − s)
    /// assert!((lambda.value() * rho - 5.0).abs() < 1e-12);
    /// assert!((lambda.value() * (1.0 - rho) - 2.5).abs() < 1e-12);
    /// ```
    pub fn elastic_net(alpha: f64, l1_ratio: f64, sum_of_weights: f64) -> (Self, f64) {
        (Self::new(sum_of_weights * alpha * (1.0 + l1_ratio)), 2.0 * l1_ratio / (1.0 + l1_ratio))
    }

    /// `lambda` of glmnet with `alpha = 0`: λ = n·l / sd(y), with glmnet's 1/n standard deviation of the response, for
    /// columns scaled as glmnet scales them (1/n standard deviation when `standardize = TRUE`).
    pub fn glmnet(l: f64, samples: usize, response_standard_deviation: f64) -> Self {
        Self::new(l * samples as f64 / response_standard_deviation)
    }

    /// `lambda` of MASS's `lm.ridge`, for columns that are centred and divided by their 1/n standard deviation: λ = l.
    /// For the raw columns, multiply each penalty weight by the column's standard deviation: `Penalty::diagonal(sd)`.
    pub fn mass(l: f64) -> Self {
        Self::new(l)
    }

    /// Hoerl and Kennard's k in correlation form (unit-norm columns), for columns divided by their 1/n standard deviation: λ = k·n.
    pub fn correlation(k: f64, samples: usize) -> Self {
        Self::new(k * samples as f64)
    }

    /// Noise variance s² over prior variance τ²: λ = s²/τ², the maximum a posteriori estimate with x ~ N(x₀, τ²(LᴴL)⁻¹).
    pub fn noise_to_signal(noise_variance: f64, prior_variance: f64) -> Self {
        Self::new(noise_variance / prior_variance)
    }

    /// `weight_decay` of an optimizer that adds decay·x to the gradient of the given loss.
    ///
    /// ```
    /// use wellposed::{Lambda, lambda::Loss};
    /// // PyTorch: MSELoss() over 100 samples and SGD(weight_decay=0.01)
    /// assert_eq!(Lambda::weight_decay(0.01, Loss::MeanSquared { samples: 100 }).value(), 0.5);
    /// ```
    pub fn weight_decay(decay: f64, loss: Loss) -> Self {
        Self::new(match loss {
            Loss::MeanSquared { samples } => decay * samples as f64 / 2.0,
            Loss::HalfMeanSquared { samples } => decay * samples as f64,
            Loss::SumSquared => decay / 2.0,
            Loss::HalfSumSquared => decay,
        })
    }

    /// λ. It is ∞ where the square of the damping overflows; the damping itself is always exact.
    pub fn value(self) -> f64 {
        self.value
    }

    /// √λ.
    pub fn damping(self) -> f64 {
        self.damping
    }

    /// Neither negative nor NaN, and with a finite damping.
    pub(crate) fn is_valid(self) -> bool {
        self.damping >= 0.0 && self.damping.is_finite()
    }

    /// The same λ after A was multiplied by 2^`exponent`.
    pub(crate) fn scaled(self, exponent: i32) -> Self {
        if exponent == 0 {
            return self;
        }
        let damping = times_power_of_two(self.damping, exponent);
        Self { damping, value: damping * damping }
    }
}

/// The loss whose gradient an optimizer decays, for [`Lambda::weight_decay`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Mean of squared residuals (`torch.nn.MSELoss()`).
    MeanSquared {
        /// Number of residuals in the mean.
        samples: usize,
    },
    /// Half the mean of squared residuals (scikit-learn's `SGDRegressor`).
    HalfMeanSquared {
        /// Number of residuals in the mean.
        samples: usize,
    },
    /// Sum of squared residuals.
    SumSquared,
    /// Half the sum of squared residuals.
    HalfSumSquared,
}

impl From<f64> for Lambda {
    fn from(lambda: f64) -> Self {
        Self::new(lambda)
    }
}

impl fmt::Display for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4e} (damping {:.4e})", self.value, self.damping)
    }
}

/// `count` values of λ from one end of the range to the other, equally spaced in log λ, ends included.
///
/// Nothing for `count` = 0, the lower end alone for `count` = 1. Ends that are not positive and finite give NaN, which
/// every call that takes a λ refuses.
///
/// ```
/// let grid: Vec<f64> = wellposed::log_grid(1e-2..=1e2, 5).collect();
/// assert!((grid[2] - 1.0).abs() < 1e-15 && grid.len() == 5);
/// ```
pub fn log_grid(range: core::ops::RangeInclusive<f64>, count: usize) -> impl ExactSizeIterator<Item = f64> + Clone {
    let (low, high) = (*range.start(), *range.end());
    let (start, end) = (low.ln(), high.ln());
    (0..count).map(move |k| match k {
        _ if !(low > 0.0 && high > 0.0 && low.is_finite() && high.is_finite()) => f64::NAN,
        0 => low,
        _ if k + 1 == count => high,
        _ => (start + (end - start) * k as f64 / (count - 1) as f64).exp(),
    })
}
