//! How a problem is solved: the closed list of methods, and the options of those that have some. Values only.
//!
//! A setter exists only where it has a meaning: a tolerance, a step limit or a start guess belongs to an iterative
//! method. Setters never fail; what they were given is checked when the problem is solved.

pub(crate) mod hybrid;

pub use hybrid::{HybridLsmr, HybridLsqr, Probes, ProjectedGcv};

use crate::error::{Error, Result, Size};
use crate::scalar::{Real, Scalar, c64};
use core::fmt;

/// The method that solves min ‖Ax − b‖² + λ‖Lx‖². [`Auto`](Method::Auto) chooses, and its plan says why.
///
/// Costs are in flops for a dense real m×n matrix A with m ≥ n; for m < n exchange m and n where the method says that it
/// also works on AAᴴ. κ is the condition number of [A; √λL].
///
/// ```
/// use wellposed::method::{Cgls, Method};
/// assert_eq!(Method::default(), Method::Auto);
/// let method: Method = Cgls::new().tolerance(1e-8).into();
/// assert_eq!(method.to_string(), "CGLS");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Method {
    /// The cheapest method that keeps the promised digits, chosen from shape, storage, penalty and what is wanted of λ.
    #[default]
    Auto,
    /// Cholesky factorization of AᴴA + λLᴴL (of AAᴴ + λI when A is wide and L = I), corrected by refinement with the
    /// residual of the least-squares problem. The fastest for one λ: about mn² + n³/3, with the digits of
    /// [`Qr`](Method::Qr) or an error: singular and ill-conditioned problems (κ beyond about 1e6) are refused.
    Cholesky,
    /// Householder QR factorization of [A; √λL]. For one λ with all the digits that κ leaves; about 2mn², once for each
    /// λ. Needs full column rank of [A; √λL].
    Qr,
    /// Singular value decomposition, L = I or brought to it. Every λ then costs 2n², every rule is a closed form, and
    /// rank-deficient problems get their minimum-norm answer. About 4mn² + 20n³; all the digits that κ leaves.
    Svd,
    /// Generalized singular value decomposition of A and L together: what [`Svd`](Method::Svd) is for L = I, without
    /// inverting L. For an L that is rank-deficient or ill-conditioned. Several times the cost of an SVD.
    Gsvd,
    /// Householder bidiagonalization A = UBVᴴ, L = I or brought to it. Many λ at O(n) each after about 4mn², less than
    /// half the cost of an SVD, with all the digits that κ leaves. Forms no singular vectors: no leave-one-out, and a
    /// rank-deficient problem at λ = 0 is refused.
    Bidiagonal,
    /// Reduction of AᴴA (or AAᴴ when A is wide) to tridiagonal form, L = I or brought to it. Many λ at O(n) each after about
    /// mn² + 4n³/3: the cheapest path, for moderately conditioned A. Solutions are refined as with
    /// [`Cholesky`](Method::Cholesky); where the squared singular values cannot be told from rounding it refuses.
    Tridiagonal,
    /// Conjugate gradients on the normal equations without forming them: only products with A, Aᴴ, L and Lᴴ. For sparse,
    /// structured and matrix-free operators. Two products with A a step; the steps grow with κ. All the digits that κ
    /// leaves when run to rounding level, fewer with a larger tolerance.
    Cgls(Cgls),
    /// LSQR with full reorthogonalization whose small projected problem is regularized, with λ as a number or by any rule
    /// that needs no leverages. Only products with A and Aᴴ; two a step, and m + n stored numbers. For a penalty other than
    /// the identity, or a bounded basis, the problem is projected on a space that grows by its own gradient.
    HybridLsqr(HybridLsqr),
    /// The same spaces; in each the x of least normal residual.
    HybridLsmr(HybridLsmr),
    /// λ by a rule from traces that random probes estimate, with an interval for λ; then conjugate gradients at that λ. Only
    /// products with A and Aᴴ; identity penalty.
    Probes(Probes),
}

impl Method {
    /// The name that plans, reports and errors print.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Auto => "automatic choice",
            Method::Cholesky => "Cholesky",
            Method::Qr => "QR",
            Method::Svd => "SVD",
            Method::Gsvd => "GSVD",
            Method::Bidiagonal => "bidiagonalization",
            Method::Tridiagonal => "tridiagonalization",
            Method::Cgls(_) => "CGLS",
            Method::HybridLsqr(_) => "hybrid LSQR",
            Method::HybridLsmr(_) => "hybrid LSMR",
            Method::Probes(_) => "CGLS with random probes",
        }
    }

    /// Whether the options of the method are valid and go together.
    ///
    /// # Errors
    /// What the `check` of the option struct returns: see [`Cgls::check`], [`HybridLsqr::check`], [`Probes::check`].
    pub fn check(&self) -> Result<()> {
        match self {
            Method::Cgls(options) => options.check(),
            Method::HybridLsqr(options) => options.check(),
            Method::HybridLsmr(options) => options.check(),
            Method::Probes(options) => options.check(),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Cgls> for Method {
    fn from(options: Cgls) -> Self {
        Method::Cgls(options)
    }
}

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cgls {
    tolerance: Option<f64>,
    max_steps: Option<usize>,
    steps: Option<usize>,
    partial: bool,
    // c64 holds the numbers of all four scalar types exactly, so that a method need not be generic
    start: Option<Vec<c64>>,
}

impl Cgls {
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
        self.tolerance = Some(tolerance);
        self
    }

    /// At most `steps` steps; when the tolerance is not reached by then, the answer is [`Error::NotConverged`]. Default:
    /// 10·n + 100, n the number of unknowns.
    pub fn max_steps(mut self, steps: usize) -> Self {
        self.max_steps = Some(steps);
        self
    }

    /// Exactly `steps` steps from zero: early stopping as regularization, never an error. Fewer only when the minimiser
    /// itself is reached before. Takes the place of a tolerance, so it is not combined with one, nor with a start guess.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Returns what has been reached at the step limit instead of an error; `stop` in the report says so.
    pub fn accept_partial(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Starts from a guess of x instead of from zero. It saves steps and never changes the answer: it is no prior mean.
    ///
    /// It is used where the minimiser is unique whatever A is: λ > 0 and the identity penalty. Elsewhere (λ = 0, or another
    /// L) products alone cannot show that the minimiser is unique, and what the guess holds in a common null space of
    /// A and L would stay in x; the guess is then set aside and the iteration starts from zero. For a least-squares
    /// problem that you know to have full rank, solve for the change: b − A·guess in place of b, and add the guess.
    pub fn start<T: Scalar>(mut self, guess: &[T]) -> Self {
        self.start = Some(guess.iter().map(|v| c64::new(v.real().to_f64(), v.imaginary().to_f64())).collect());
        self
    }

    /// Whether the options are valid and go together.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a tolerance outside [0, 1) or a step count of 0, [`Error::Unsupported`] for
    /// [`steps`](Self::steps) together with a tolerance, a step limit or a start guess, [`Error::NonFinite`] for a start
    /// guess with NaN or ∞.
    pub fn check(&self) -> Result<()> {
        if let Some(value) = self.tolerance
            && !(0.0..1.0).contains(&value)
        {
            return Err(Error::Parameter {
                name: "the tolerance of CGLS",
                value,
                must_be: "at least 0 and less than 1; leave it out for the default",
            });
        }
        if self.max_steps == Some(0) {
            return Err(Error::Parameter { name: "max_steps of CGLS", value: 0.0, must_be: "at least 1; leave it out for the default" });
        }
        if self.steps == Some(0) {
            return Err(Error::Parameter { name: "steps of CGLS", value: 0.0, must_be: "at least 1: no step leaves x = 0" });
        }
        if self.steps.is_some() {
            let with = "Cgls::steps, which makes exactly that many steps";
            let refuse = |what, instead| Err(Error::Unsupported { what, with, instead });
            if self.tolerance.is_some() {
                return refuse("Cgls::tolerance", "for whichever comes first, use tolerance(..).max_steps(..).accept_partial()");
            }
            if self.max_steps.is_some() {
                return refuse("Cgls::max_steps", "keep one of the two");
            }
            if self.start.is_some() {
                return refuse(
                    "Cgls::start",
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
        assert_eq!(Cgls::new().start(&guess).start_guess::<c32>(2).unwrap().unwrap(), guess);
        assert_eq!(Cgls::new().start(&[0.1f32, 2.0]).start_guess::<f32>(2).unwrap().unwrap(), [0.1f32, 2.0]);
        assert!(Cgls::new().start(&guess).start_guess::<f32>(2).is_err());
        assert!(Cgls::new().start(&[1e300]).start_guess::<f32>(1).is_err());
        assert!(Cgls::new().start(&[1.0]).start_guess::<f64>(2).is_err());
    }

    #[test]
    fn every_method_prints_its_name() {
        assert_eq!(format!("{:>10}|{}", Method::Qr, Method::Cgls(Cgls::new())), "        QR|CGLS");
    }
}
