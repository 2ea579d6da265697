//! The options of the methods for penalties that are no square of a norm.

use crate::error::{Error, Result};
use crate::method::Method;

/// What both methods hold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Certified {
    tolerance: Option<f64>,
    max_steps: Option<usize>,
    partial: bool,
}

/// The gap that is asked for unless another is given, relative to the data.
const TOLERANCE: f64 = 1e-12;

impl Certified {
    fn check(&self, tolerance: &'static str, max_steps: &'static str) -> Result<()> {
        if let Some(value) = self.tolerance
            && !(0.0..1.0).contains(&value)
        {
            let must_be = "at least 0 and less than 1; leave it out for the default of 1e-12";
            return Err(Error::Parameter { name: tolerance, value, must_be });
        }
        match self.max_steps {
            Some(0) => Err(Error::Parameter { name: max_steps, value: 0.0, must_be: "at least 1; leave it out for the default" }),
            _ => Ok(()),
        }
    }

    pub(crate) fn tolerance(&self) -> f64 {
        self.tolerance.unwrap_or(TOLERANCE)
    }

    pub(crate) fn max_steps(&self, default: usize) -> usize {
        self.max_steps.unwrap_or(default)
    }

    pub(crate) fn accepts_partial(&self) -> bool {
        self.partial
    }
}

macro_rules! options {
    ($(#[$doc:meta])* $type:ident, $name:literal, $default:literal, $steps:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct $type(pub(crate) Certified);

        impl $type {
            pub(crate) const NAME: &'static str = $name;

            /// The default options.
            pub fn new() -> Self {
                Self::default()
            }

            /// Stop when the duality gap is at most this part of ‖b‖² (whitened, less what is unpenalised explains): the objective is
            /// then above its minimum by no more. 1e-12 unless given; as small as rounding permits counts as reached.
            pub fn tolerance(mut self, tolerance: f64) -> Self {
                self.0.tolerance = Some(tolerance);
                self
            }

            #[doc = concat!("At most so many ", $steps, "; ", $default, " unless given.")]
            pub fn max_steps(mut self, steps: usize) -> Self {
                self.0.max_steps = Some(steps);
                self
            }

            /// What has not converged is returned with a warning instead of an error.
            pub fn accept_partial(mut self) -> Self {
                self.0.partial = true;
                self
            }

            /// Whether the options are in their ranges.
            ///
            /// # Errors
            /// [`Error::Parameter`] for a tolerance outside \[0, 1) or a limit of 0 steps.
            pub fn check(&self) -> Result<()> {
                self.0.check(concat!("the tolerance of ", $name), concat!("the step limit of ", $name))
            }
        }

        impl From<$type> for Method {
            fn from(options: $type) -> Self {
                Method::$type(options)
            }
        }
    };
}

options!(
    /// Coordinate descent, for penalties that separate into coefficients or groups of them: the lasso, the elastic net, the group lasso.
    ///
    /// What [`Method::Auto`] takes for them; its options are here.
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem, method::CoordinateDescent};
    /// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
    /// let a = DenseView::column_major(&a, 4, 2)?;
    /// let fit = Problem::new(&a).penalty(Penalty::identity().l1()).method(CoordinateDescent::new().tolerance(1e-8)).solve(&[1.0, 2.0, 3.0, 4.0], 0.5)?;
    /// assert!(fit.report.duality_gap.is_some_and(|gap| gap <= 1e-8 * 30.0));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    CoordinateDescent,
    "coordinate descent",
    "100 000",
    "passes over coefficients"
);

options!(
    /// The alternating direction method of multipliers, for ‖Lz‖₁ and its like with any L: total variation, trend filtering, sums of terms.
    ///
    /// What [`Method::Auto`] takes for them; its options are here.
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem, method::Admm};
    /// let a = [1.0_f64, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    /// let a = DenseView::column_major(&a, 3, 3)?;
    /// let steps = Problem::new(&a).penalty(Penalty::first_difference().l1()).method(Admm::new().max_steps(5000));
    /// let fit = steps.solve(&[1.0, 1.2, 5.0], 1.0)?;
    /// // two levels, moved towards each other: [1.35, 1.35, 4.5]
    /// assert!((fit.x[0] - 1.35).abs() < 1e-6 && (fit.x[2] - 4.5).abs() < 1e-6);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    Admm,
    "ADMM",
    "20 000",
    "steps"
);
