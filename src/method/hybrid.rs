//! Options of the methods that solve on a Krylov space and choose λ there, and of the random probes. Values only.

use super::Method;
use crate::error::{Error, Result, Size};
use crate::scalar::{Real, Scalar, c64};

/// Which degrees of freedom GCV sees on a Krylov space of k dimensions, where Φ = Σφᵢ counts its own.
///
/// The residual is that of the whole problem in all of them. Other rules than [`Gcv`](crate::Gcv) and its robust form see the
/// same curve in all. Once the space is the whole one, all are the rule itself. The first alone asks what is outside the space.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum ProjectedGcv {
    /// [`TrueRows`](Self::TrueRows) where it has a minimum well inside the λ that the space knows, [`Weighted`](Self::Weighted)
    /// elsewhere. On problems with one dimension the first appears early, at the λ of GCV itself; where many singular values are
    /// nearly equal, as for images, the space counts too few degrees of freedom for it, and the second serves to begin with.
    ///
    /// When λ has settled, the degrees of freedom outside the space are bounded by two probes. Where they count, the space grows on
    /// until it is the whole one, if the step limit allows that, and else four or more random probes beside it count them: λ is then that of
    /// GCV to about ten percent at worst, without the interval that [`Probes`](crate::Probes) states. The same holds for the other rules that count
    /// degrees of freedom. With a penalty that couples the unknowns in more than one dimension, or only multiplies, and more unknowns than steps,
    /// two or four probes count from the start, in spaces of their own: a step then stores m + n + p numbers for b and for each of
    /// them until its trace has settled, p the rows of the penalty.
    #[default]
    Automatic,
    /// The m rows of the data and (m − Φ)² in the denominator. It is GCV itself once the space has all directions that λ lets
    /// through. Before that it counts too few degrees of freedom for small λ; while the space grows, a minimum inside the
    /// interval is therefore preferred to its lower end.
    ///
    /// Source: Renaut, Vatankhah, Ardestani 2017, SIAM J. Sci. Comput. 39:B221.
    TrueRows,
    /// Weighted GCV: the k + 1 rows of the projected problem and (k + 1 − ωΦ)² in the denominator, where ω is the mean over
    /// the steps of the weight that would make the smallest singular value the minimiser, at most 1.
    ///
    /// Source: Chung, Nagy, O'Leary 2008, Electron. Trans. Numer. Anal. 28:149.
    Weighted,
}

/// What the two hybrid methods share.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Options {
    pub(super) gcv: ProjectedGcv,
    pub(super) tolerance: Option<f64>,
    pub(super) settle: Option<f64>,
    pub(super) max_steps: Option<usize>,
    pub(super) steps: Option<usize>,
    pub(super) max_basis: Option<usize>,
    pub(super) partial: bool,
    // c64 holds the numbers of all four scalar types exactly, so that a method need not be generic
    pub(super) truth: Option<Vec<c64>>,
}

/// x counts as settled when five steps together change it by less than this fraction.
const SETTLE: f64 = 2e-3;
/// Steps allowed unless more are asked for: each costs two stored vectors.
const MAX_STEPS: usize = 500;
/// The smallest basis that can be compressed: the iterate, the newest direction, and something to keep.
const LEAST_BASIS: usize = 8;

/// Setters of options that methods share, each under the words that the method has for it.
macro_rules! setters {
    ($type:ident: $($(#[$doc:meta])* $setter:ident;)*) => {
        impl $type {
            /// All defaults.
            pub fn new() -> Self {
                Self::default()
            }

            $(setters!(@$setter $(#[$doc])*);)*
        }

        impl From<$type> for Method {
            fn from(options: $type) -> Self {
                Method::$type(options)
            }
        }
    };
    (@gcv $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn gcv(mut self, gcv: ProjectedGcv) -> Self {
            self.0.gcv = gcv;
            self
        }
    };
    (@tolerance $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn tolerance(mut self, tolerance: f64) -> Self {
            self.0.tolerance = Some(tolerance);
            self
        }
    };
    (@settle $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn settle(mut self, fraction: f64) -> Self {
            self.0.settle = Some(fraction);
            self
        }
    };
    (@max_steps $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn max_steps(mut self, steps: usize) -> Self {
            self.0.max_steps = Some(steps);
            self
        }
    };
    (@steps $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn steps(mut self, steps: usize) -> Self {
            self.0.steps = Some(steps);
            self
        }
    };
    (@max_basis $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn max_basis(mut self, vectors: usize) -> Self {
            self.0.max_basis = Some(vectors);
            self
        }
    };
    (@accept_partial $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn accept_partial(mut self) -> Self {
            self.0.partial = true;
            self
        }
    };
    (@compare_with $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn compare_with<T: Scalar>(mut self, truth: &[T]) -> Self {
            self.0.truth = Some(truth.iter().map(|v| c64 { re: v.real().to_f64(), im: v.imaginary().to_f64() }).collect());
            self
        }
    };
    (@check $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub fn check(&self) -> Result<()> {
            self.0.check()
        }
    };
}
pub(super) use setters;

macro_rules! hybrid {
    ($(#[$doc:meta])* $type:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $type(pub(crate) Options);

        impl $type {
            /// The name that plans, reports and errors print.
            pub(crate) const NAME: &'static str = $name;
        }

        setters! { $type:
            /// Which degrees of freedom GCV sees; [`ProjectedGcv::Automatic`] unless given.
            gcv;

            /// Goes on until ‖Aᴴ(b − Ax) − λLᴴLx‖ ≤ `tolerance`·‖Aᴴb‖, verified with a residual computed afresh from x. In
            /// [0, 1); 0 goes on to rounding level.
            ///
            /// With λ as a number the default is 10 ε, as for [`Cgls`](crate::Cgls). With a rule there is none: the iteration
            /// ends when λ and x have settled. Given together with a rule, the iteration goes on at the λ that has settled.
            tolerance;

            /// λ has settled when the last five steps together have changed x by no more than this fraction, and λ by no more
            /// than ten times that. In (0, 1); 0.002 unless given.
            settle;

            /// At most `steps` steps; what has not settled by then (or not reached the tolerance) is
            /// [`Error::NotConverged`]. Default 500. A step costs m + n stored numbers.
            max_steps;

            /// Exactly `steps` steps, never an error; fewer only when the space is exhausted. λ is chosen on the last
            /// space. Not combined with a tolerance, `settle` or a step limit.
            steps;

            /// Stores at most `vectors` directions (at least 8). When they are used up, the space is compressed to the
            /// iterate and its dominant right singular directions (a quarter of them), and grows again. The answer at a
            /// given λ is the same; it takes more steps, many more where [A; √λL] is ill-conditioned and the basis small.
            /// With a rule and the identity penalty λ has to settle within the first basis.
            ///
            /// Memory: `vectors`·(m + 2n) numbers (m + n + p for a penalty of p rows) instead of steps·(m + n).
            max_basis;

            /// Returns what has been reached at the step limit instead of an error; `stop` in the report says so.
            accept_partial;

            /// Records ‖xₖ − `truth`‖/‖`truth`‖ of every step, and which was best, in
            /// [`Report::comparison`](crate::Report::comparison): for test problems. It changes nothing else. Costs 2nk flops
            /// in step k.
            compare_with;

            /// Whether the options are valid and go together.
            ///
            /// # Errors
            /// [`Error::Parameter`] for a tolerance outside [0, 1), a fraction outside (0, 1), no steps, or a basis of fewer
            /// than 8 vectors; [`Error::NonFinite`] for a value of the truth; [`Error::Unsupported`] for `steps` with
            /// another way to end.
            check;
        }
    };
}

hybrid!(
    /// Options of [`Method::HybridLsqr`]: Golub and Kahan's process, regularized on its own small problem.
    ///
    /// For operators that only multiply: λ is chosen by the ordinary rules on the projected problem as the space grows, and
    /// the iteration ends when it has settled. With λ as a number it is LSQR with full reorthogonalization.
    ///
    /// ```
    /// use wellposed::{Gcv, HybridLsqr, Problem, operator::from_fn};
    /// let n = 40;
    /// let blur = |x: &[f64], y: &mut [f64]| {
    ///     for i in 0..n {
    ///         y[i] = (0..n).map(|j| (-0.1 * (i as f64 - j as f64).powi(2)).exp() * x[j]).sum();
    ///     }
    /// };
    /// let a = from_fn(n, n, blur, blur);
    /// let b: Vec<f64> = (0..n).map(|i| (i as f64 / 6.0).sin() + 0.01 * ((i * i) as f64).cos()).collect();
    /// let fit = Problem::new(&a).method(HybridLsqr::new()).solve(&b, Gcv)?;
    /// println!("{}", fit.report);
    /// assert!(fit.lambda > 0.0 && fit.report.steps.is_some_and(|steps| steps < 40));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    HybridLsqr,
    "hybrid LSQR"
);

hybrid!(
    /// Options of [`Method::HybridLsmr`]: the spaces and the λ of [`HybridLsqr`]; in each space the x whose normal residual
    /// ‖Aᴴ(b − Ax) − λx‖ is least, instead of the objective.
    ///
    /// The normal residual then falls in every step, so that x is nearer to the minimiser at λ when the iteration is cut
    /// short by the quantity that a tolerance bounds. Both have the same limit. For the identity penalty.
    ///
    /// ```
    /// use wellposed::{HybridLsmr, Problem, operator::from_fn, ridge};
    /// let diagonal = |x: &[f64], y: &mut [f64]| (0..30).for_each(|i| y[i] = x[i] / (1.0 + i as f64));
    /// let a = from_fn(30, 30, diagonal, diagonal);
    /// let fit = Problem::new(&a).method(HybridLsmr::new()).solve(&[1.0; 30], 1e-2)?;
    /// let other = ridge(&a, &[1.0; 30], 1e-2)?;
    /// assert!(fit.x.iter().zip(&other.x).all(|(x, y)| (x - y).abs() < 1e-9));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    HybridLsmr,
    "hybrid LSMR"
);

impl Options {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |name, value, must_be| Err(Error::Parameter { name, value, must_be });
        if let Some(value) = self.tolerance
            && !(0.0..1.0).contains(&value)
        {
            return refuse("the tolerance of a hybrid method", value, "at least 0 and less than 1; leave it out for the default");
        }
        if let Some(value) = self.settle
            && !(value > 0.0 && value < 1.0)
        {
            return refuse("the fraction at which λ has settled", value, "above 0 and below 1; leave it out for 0.002");
        }
        if self.max_steps == Some(0) || self.steps == Some(0) {
            return refuse("the steps of a hybrid method", 0.0, "at least 1: no step leaves x = 0");
        }
        if let Some(vectors) = self.max_basis
            && vectors < LEAST_BASIS
        {
            return refuse("max_basis of a hybrid method", vectors as f64, "at least 8; leave it out to store every direction");
        }
        if self.steps.is_some() && (self.tolerance.is_some() || self.settle.is_some() || self.max_steps.is_some()) {
            return Err(Error::Unsupported {
                what: "steps(..), which makes exactly that many steps,",
                with: "another way to end",
                instead: "keep one of them; max_steps(..).accept_partial() is whichever comes first",
            });
        }
        match self.truth.as_ref().and_then(|truth| truth.iter().position(|v| !v.finite())) {
            Some(index) => Err(Error::NonFinite { what: "the truth that the iterates are compared with", index: Size::Entry(index) }),
            None => Ok(()),
        }
    }

    pub(crate) fn projected_gcv(&self) -> ProjectedGcv {
        self.gcv
    }

    /// The tolerance where one was given.
    pub(crate) fn tolerance(&self) -> Option<f64> {
        self.tolerance
    }

    pub(crate) fn settle_fraction(&self) -> f64 {
        self.settle.unwrap_or(SETTLE)
    }

    pub(crate) fn limit(&self) -> usize {
        self.steps.or(self.max_steps).unwrap_or(MAX_STEPS)
    }

    pub(crate) fn exact_steps(&self) -> bool {
        self.steps.is_some()
    }

    pub(crate) fn basis_limit(&self) -> Option<usize> {
        self.max_basis
    }

    /// The same, to choose λ alone and within so many steps.
    pub(crate) fn until_settled(&self, steps: usize) -> Self {
        Self { max_steps: Some(self.limit().min(steps)), tolerance: None, ..self.clone() }
    }

    /// The same, ending when λ has settled.
    pub(crate) fn without_tolerance(&self) -> Self {
        Self { tolerance: None, ..self.clone() }
    }

    pub(crate) fn accepts_partial(&self) -> bool {
        self.partial
    }

    /// The truth in the scalar type of the problem.
    pub(crate) fn truth<T: Scalar>(&self, unknowns: usize) -> Result<Option<Vec<T>>> {
        let Some(truth) = &self.truth else { return Ok(None) };
        if truth.len() != unknowns {
            return Err(Error::Shape {
                what: "the truth that the iterates are compared with",
                found: Size::Length(truth.len()),
                expected: Size::Length(unknowns),
                hint: "it needs one value for each unknown",
            });
        }
        Ok(Some(truth.iter().map(|v| T::from_parts(T::Real::from_f64(v.re), T::Real::from_f64(v.im))).collect()))
    }
}

/// Options of [`Method::Probes`]: λ by a rule for an operator that only multiplies, with an interval for it.
///
/// Traces are estimated by random probes, all λ from one Golub–Kahan process for each probe. Probes are added until the λ
/// that the rule chooses is known to within the accuracy asked for. The same seed gives the same probes, and the same
/// probes serve every λ.
///
/// ```
/// use wellposed::{Gcv, Probes, Problem, operator::from_fn};
/// let n = 400;
/// let apply = |x: &[f64], y: &mut [f64]| (0..n).for_each(|i| y[i] = x[i] / (1.0 + 0.1 * i as f64));
/// let a = from_fn(n, n, apply, apply);
/// let b: Vec<f64> = (0..n).map(|i| (1.0 + 0.1 * i as f64).powi(-2) + 0.01 * ((i * i) as f64).cos()).collect();
/// let fit = Problem::new(&a).method(Probes::new().seed(7)).solve(&b, Gcv)?;
/// let (low, high) = fit.report.criteria[0].interval.unwrap();
/// assert!(low <= fit.lambda && fit.lambda <= high);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probes {
    seed: Option<u64>,
    count: Option<usize>,
    accuracy: Option<f64>,
    max_steps: Option<usize>,
}

impl Probes {
    /// The name that plans, reports and errors print.
    pub(crate) const NAME: &'static str = "LSMR with random probes";

    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the generator of the probes; 1 unless given. The report says which.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// At most `count` probes (at least 4, from which a spread can be told); 12 unless given.
    pub fn max_probes(mut self, count: usize) -> Self {
        self.count = Some(count);
        self
    }

    /// Adds probes until the interval of λ reaches no further than this fraction to either side. In (0, 1]; 0.05 unless given.
    /// What it is not reached with is a [warning](crate::Warning::UncertainLambda), not an error.
    pub fn accuracy(mut self, fraction: f64) -> Self {
        self.accuracy = Some(fraction);
        self
    }

    /// At most `steps` steps of each process; 1000 unless given.
    pub fn max_steps(mut self, steps: usize) -> Self {
        self.max_steps = Some(steps);
        self
    }

    /// Whether the options are valid.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than 4 probes, an accuracy outside (0, 1], or no steps.
    pub fn check(&self) -> Result<()> {
        let refuse = |name, value, must_be| Err(Error::Parameter { name, value, must_be });
        match (self.count, self.accuracy, self.max_steps) {
            (Some(count), _, _) if count < LEAST_PROBES => {
                refuse("max_probes", count as f64, "at least 4: fewer have no spread to tell the error by")
            }
            (_, Some(value), _) if !(value > 0.0 && value <= 1.0) => {
                refuse("the accuracy of λ by probes", value, "above 0 and at most 1; leave it out for 0.05")
            }
            (_, _, Some(0)) => refuse("max_steps of the probes", 0.0, "at least 1; leave it out for the default"),
            _ => Ok(()),
        }
    }

    pub(crate) fn seed_or_default(&self) -> u64 {
        self.seed.unwrap_or(1)
    }

    pub(crate) fn most(&self) -> usize {
        self.count.unwrap_or(12)
    }

    pub(crate) fn accuracy_or_default(&self) -> f64 {
        self.accuracy.unwrap_or(0.05)
    }

    pub(crate) fn limit(&self) -> usize {
        self.max_steps.unwrap_or(1000)
    }
}

/// Probes to begin with.
pub(crate) const LEAST_PROBES: usize = 4;

impl From<Probes> for Method {
    fn from(options: Probes) -> Self {
        Method::Probes(options)
    }
}
