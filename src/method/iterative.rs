//! The options of the iterative methods: one vocabulary, held in one struct, with the same words on each method.

use crate::error::{Error, Result, Size};
use crate::method::Method;
use crate::scalar::{Real, Scalar, c64};

/// What the options of all iterative methods hold. Which of them a method has setters for is decided below.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Iterative {
    tolerance: Option<f64>,
    max_steps: Option<usize>,
    steps: Option<usize>,
    partial: bool,
    // c64 holds the numbers of all four scalar types exactly, so that a method need not be generic
    start: Option<Vec<c64>>,
    reorthogonalize: bool,
    condition_limit: Option<f64>,
    variances: bool,
}

/// The texts of the errors, which name the method.
struct Words {
    tolerance: &'static str,
    max_steps: &'static str,
    steps: &'static str,
    condition_limit: &'static str,
    exact: &'static str,
    with_tolerance: &'static str,
    with_max_steps: &'static str,
    with_start: &'static str,
}

impl Iterative {
    fn check(&self, words: &Words) -> Result<()> {
        if let Some(value) = self.tolerance
            && !(0.0..1.0).contains(&value)
        {
            return Err(Error::Parameter {
                name: words.tolerance,
                value,
                must_be: "at least 0 and less than 1; leave it out for the default",
            });
        }
        if self.max_steps == Some(0) {
            return Err(Error::Parameter { name: words.max_steps, value: 0.0, must_be: "at least 1; leave it out for the default" });
        }
        if self.steps == Some(0) {
            return Err(Error::Parameter { name: words.steps, value: 0.0, must_be: "at least 1: no step leaves x = 0" });
        }
        if let Some(value) = self.condition_limit
            && !(value > 1.0)
        {
            return Err(Error::Parameter {
                name: words.condition_limit,
                value,
                must_be: "greater than 1: no matrix has a smaller condition number; leave it out for no limit",
            });
        }
        if self.steps.is_some() {
            let refuse = |what, instead| Err(Error::Unsupported { what, with: words.exact, instead });
            if self.tolerance.is_some() {
                return refuse(words.with_tolerance, "for whichever comes first, use tolerance(..).max_steps(..).accept_partial()");
            }
            if self.max_steps.is_some() {
                return refuse(words.with_max_steps, "keep one of the two");
            }
            if self.start.is_some() {
                return refuse(
                    words.with_start,
                    "after a fixed number of steps the answer would depend on the guess; for a prior mean use Problem::prior_mean",
                );
            }
        }
        match self.start.as_ref().and_then(|start| start.iter().position(|v| !v.finite())) {
            Some(index) => Err(Error::NonFinite { what: "the start guess", index: Size::Entry(index) }),
            None => Ok(()),
        }
    }

    /// The tolerance for scalars with this distance from 1 to the next number.
    pub(crate) fn tolerance_for(&self, epsilon: f64) -> f64 {
        self.tolerance.unwrap_or(10.0 * epsilon)
    }

    pub(crate) fn max_steps_for(&self, unknowns: usize) -> usize {
        self.max_steps.unwrap_or(unknowns.saturating_mul(10).saturating_add(100))
    }

    pub(crate) fn exact_steps(&self) -> Option<usize> {
        self.steps
    }

    pub(crate) fn accepts_partial(&self) -> bool {
        self.partial
    }

    /// The same, returning what is reached instead of an error.
    pub(crate) fn accepting_partial(&self) -> Self {
        Self { partial: true, ..self.clone() }
    }

    pub(crate) fn reorthogonalizes(&self) -> bool {
        self.reorthogonalize
    }

    /// ∞ for none.
    pub(crate) fn condition_limit(&self) -> f64 {
        self.condition_limit.unwrap_or(f64::INFINITY)
    }

    pub(crate) fn wants_variances(&self) -> bool {
        self.variances
    }

    /// The start guess in the scalar type of the problem.
    pub(crate) fn start_guess<T: Scalar>(&self, unknowns: usize) -> Result<Option<Vec<T>>> {
        let Some(start) = &self.start else { return Ok(None) };
        if start.len() != unknowns {
            return Err(Error::Shape {
                what: "the start guess",
                found: Size::Length(start.len()),
                expected: Size::Length(unknowns),
                hint: "it needs one value for each unknown",
            });
        }
        if !T::IS_COMPLEX && start.iter().any(|v| v.im != 0.0) {
            return Err(Error::Unsupported {
                what: "a complex start guess",
                with: "a real problem",
                instead: "give the real part as the guess",
            });
        }
        let guess: Vec<T> = start.iter().map(|v| T::from_parts(T::Real::from_f64(v.re), T::Real::from_f64(v.im))).collect();
        match guess.iter().position(|v| !v.finite()) {
            Some(index) => Err(Error::NonFinite { what: "the start guess", index: Size::Entry(index) }),
            None => Ok(Some(guess)),
        }
    }
}

/// A method's options with the setters that every iterative method has.
macro_rules! options {
    ($(#[$doc:meta])* $type:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $type {
            common: Iterative,
        }

        impl $type {
            /// The name that plans, reports and errors print.
            pub(crate) const NAME: &'static str = $name;

            /// All defaults.
            pub fn new() -> Self {
                Self::default()
            }

            /// Stops when ‖Aᴴ(b − Ax) − λLᴴLx‖ ≤ `tolerance`·‖Aᴴb‖: the gradient of the objective, relative to its size at x = 0.
            /// It is verified with a residual computed afresh from x. In [0, 1); 0 goes on to rounding level.
            ///
            /// The relative error of x may be up to κ² times larger, κ being the condition number of [A; √λL]. The default is
            /// therefore 10 ε (2.2e-15 for `f64`, 1.2e-6 for `f32`): that costs a fifth more steps than 1e-12 and keeps ten
            /// digits of x up to κ of some hundreds for certain, in practice much further. Where rounding errors keep the
            /// verified value above the tolerance, the iteration ends as [`Stop::Rounding`](crate::step::Stop::Rounding).
            pub fn tolerance(mut self, tolerance: f64) -> Self {
                self.common.tolerance = Some(tolerance);
                self
            }

            /// At most `steps` steps; when the tolerance is not reached by then, the answer is [`Error::NotConverged`]. Default:
            /// 10·n + 100, n the number of unknowns.
            pub fn max_steps(mut self, steps: usize) -> Self {
                self.common.max_steps = Some(steps);
                self
            }

            /// Exactly `steps` steps from zero: early stopping as regularization, never an error. Fewer only when the minimiser
            /// itself is reached before. Takes the place of a tolerance, so it is not combined with one, nor with a start guess.
            ///
            /// With a penalty that has a sparse factor (differences, gradients, a sparse matrix) the steps are those of the problem in
            /// standard form: after k of them x is smooth as L measures it, also for λ = 0, and what L leaves free is fitted from
            /// the first on. With another L they are those on [A; √λL], which know L by λ alone. The plan says which.
            pub fn steps(mut self, steps: usize) -> Self {
                self.common.steps = Some(steps);
                self
            }

            /// Returns what has been reached at the step limit instead of an error; `stop` in the report says so.
            pub fn accept_partial(mut self) -> Self {
                self.common.partial = true;
                self
            }

            /// Starts from a guess of x instead of from zero. It saves steps and never changes the answer: it is no prior mean.
            ///
            /// It is used where the minimiser is unique whatever A is: λ > 0 and the identity penalty. Elsewhere (λ = 0, or another
            /// L) products alone cannot show that the minimiser is unique, and what the guess holds in a common null space of
            /// A and L would stay in x; the guess is then set aside and the iteration starts from zero. For a least-squares
            /// problem that you know to have full rank, solve for the change: b − A·guess in place of b, and add the guess.
            pub fn start<T: Scalar>(mut self, guess: &[T]) -> Self {
                self.common.start = Some(guess.iter().map(|v| c64::new(v.real().to_f64(), v.imaginary().to_f64())).collect());
                self
            }

            /// Whether the options are valid and go together.
            ///
            /// # Errors
            /// [`Error::Parameter`] for a tolerance outside [0, 1) or a step count of 0, [`Error::Unsupported`] for
            /// [`steps`](Self::steps) together with a tolerance, a step limit or a start guess, [`Error::NonFinite`] for a start
            /// guess with NaN or ∞.
            pub fn check(&self) -> Result<()> {
                self.common.check(&Words {
                    tolerance: concat!("the tolerance of ", $name),
                    max_steps: concat!("max_steps of ", $name),
                    steps: concat!("steps of ", $name),
                    condition_limit: concat!("the condition limit of ", $name),
                    exact: concat!(stringify!($type), "::steps, which makes exactly that many steps"),
                    with_tolerance: concat!(stringify!($type), "::tolerance"),
                    with_max_steps: concat!(stringify!($type), "::max_steps"),
                    with_start: concat!(stringify!($type), "::start"),
                })
            }

            pub(crate) fn common(&self) -> &Iterative {
                &self.common
            }
        }

        impl From<$type> for Method {
            fn from(options: $type) -> Self {
                Method::$type(options)
            }
        }
    };
}

options! {
    /// Options of conjugate gradients for least squares, [`Method::Cgls`].
    ///
    /// Left alone, it runs until the normal residual is at rounding level, and it is an error if that takes too many steps.
    ///
    /// ```
    /// use wellposed::method::Cgls;
    ///
    /// let to_six_digits = Cgls::new().tolerance(1e-6).max_steps(500);
    /// let regularized_by_stopping = Cgls::new().steps(25);
    /// to_six_digits.check()?;
    /// regularized_by_stopping.check()?;
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    Cgls, "CGLS"
}

options! {
    /// Options of LSQR, [`Method::Lsqr`]: those of [`Cgls`], and what the bidiagonalization has to offer beside.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem, method::Lsqr};
    ///
    /// let a = [2.0, 1.0, 0.0, 1.0, 3.0, 1.0];
    /// let a = DenseView::column_major(&a, 3, 2)?;
    /// let fit = Problem::new(&a).method(Lsqr::new().tolerance(1e-12)).solve(&[1.0, 2.0, 0.0], 0.1)?;
    /// // a lower bound of the condition number of [A; √λI]
    /// assert!(fit.report.condition.is_some_and(|condition| condition >= 1.0));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    Lsqr, "LSQR"
}

options! {
    /// Options of LSMR, [`Method::Lsmr`]: those of [`Cgls`], and what the bidiagonalization has to offer beside.
    ///
    /// ```
    /// use wellposed::{DenseView, Problem, method::Lsmr};
    ///
    /// let a = [2.0, 1.0, 0.0, 1.0, 3.0, 1.0];
    /// let a = DenseView::column_major(&a, 3, 2)?;
    /// let fit = Problem::new(&a).method(Lsmr::new().max_steps(50)).solve(&[1.0, 2.0, 0.0], 0.1)?;
    /// assert!(fit.report.stop.is_some_and(|stop| stop.converged()));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    Lsmr, "LSMR"
}

/// What only the methods on Golub and Kahan's process offer.
macro_rules! bidiagonalization_options {
    ($($type:ident)*) => {$(
        impl $type {
            /// Keeps every vector v of the process and makes each new one orthogonal to them. Rounding errors make them lose
            /// orthogonality otherwise, which costs steps on ill-conditioned problems, and never digits. k steps then take k·n
            /// numbers of memory, and 4kn more flops in the k-th.
            pub fn reorthogonalize(mut self) -> Self {
                self.common.reorthogonalize = true;
                self
            }

            /// Stops as soon as the condition number of [A; √λL] is seen to exceed `limit` (> 1): regularization by stopping
            /// before directions that A hardly sees enter x. Never an error; `stop` in the report says
            /// [`Stop::Condition`](crate::step::Stop::Condition). What is compared is the estimate that the report has as
            /// `condition`, a lower bound.
            pub fn condition_limit(mut self, limit: f64) -> Self {
                self.common.condition_limit = Some(limit);
                self
            }
        }
    )*};
}
bidiagonalization_options!(Lsqr Lsmr);

impl Lsqr {
    /// Reports variances: the diagonal of (AᴴA + λLᴴL)⁻¹, as far as the Krylov space has it, in
    /// [`Report::variances`](crate::Report). Each value is a lower bound that grows with the steps, and is exact once the space holds
    /// every direction: after n steps with [`reorthogonalize`](Self::reorthogonalize). An iteration that reaches the minimiser
    /// earlier has not seen the directions that b does not determine, and they are missing from its variances. 2n flops a step
    /// and a vector.
    ///
    /// Times the variance of the noise (1 after `noise_std`) they are the posterior variances of x; without a penalty, the
    /// variances of the least-squares estimate. Not with an intercept, whose uncertainty they would leave out.
    pub fn variances(mut self) -> Self {
        self.common.variances = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::c32;

    #[test]
    fn invalid_options_are_errors_that_name_the_option() {
        for (options, word) in [
            (Cgls::new().tolerance(-1.0), "tolerance"),
            (Cgls::new().tolerance(f64::NAN), "tolerance"),
            (Cgls::new().tolerance(1.0), "tolerance"),
            (Cgls::new().max_steps(0), "max_steps"),
            (Cgls::new().steps(0), "steps"),
            (Cgls::new().steps(3).tolerance(1e-3), "tolerance"),
            (Cgls::new().steps(3).max_steps(9), "max_steps"),
            (Cgls::new().steps(3).start(&[1.0]), "start"),
            (Cgls::new().start(&[1.0, f64::INFINITY]), "entry 1"),
        ] {
            let text = Method::from(options).check().unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        }
        assert_eq!(Cgls::new().tolerance(0.0).max_steps(7).accept_partial().check(), Ok(()));
        assert_eq!(Method::Svd.check(), Ok(()));
    }

    #[test]
    fn a_start_guess_survives_the_way_through_the_options() {
        let guess = [c32::new(0.1, -3.0), c32::new(1e-30, 7.0)];
        assert_eq!(Cgls::new().start(&guess).common().start_guess::<c32>(2).unwrap().unwrap(), guess);
        assert_eq!(Cgls::new().start(&[0.1f32, 2.0]).common().start_guess::<f32>(2).unwrap().unwrap(), [0.1f32, 2.0]);
        assert!(Cgls::new().start(&guess).common().start_guess::<f32>(2).is_err());
        assert!(Cgls::new().start(&[1e300]).common().start_guess::<f32>(1).is_err());
        assert!(Cgls::new().start(&[1.0]).common().start_guess::<f64>(2).is_err());
    }

    /// The macro must not have mixed up two of the names.
    #[test]
    fn each_method_names_itself_in_its_errors() {
        for (error, words) in [
            (Lsqr::new().tolerance(2.0).check(), ["tolerance of LSQR", "less than 1"]),
            (Lsmr::new().steps(0).check(), ["steps of LSMR", "at least 1"]),
            (Lsmr::new().steps(3).start(&[1.0]).check(), ["Lsmr::start", "Lsmr::steps"]),
            (Lsqr::new().condition_limit(0.5).check(), ["condition limit of LSQR", "greater than 1"]),
            (Lsmr::new().condition_limit(f64::NAN).check(), ["condition limit of LSMR", "greater than 1"]),
        ] {
            let text = error.unwrap_err().to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        assert_eq!(Lsqr::new().condition_limit(1e8).reorthogonalize().check(), Ok(()));
    }
}
