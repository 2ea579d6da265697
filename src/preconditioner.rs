//! Preconditioners of the iterative methods: what makes them need fewer steps, and never changes the answer. Values only.
//!
//! The iteration runs in y = Rx, on [A; √λL]R⁻¹, whose condition number is what a preconditioner is to make small. x itself is what
//! is updated, and what is verified: the tolerance bounds the gradient of the problem as it was given, and a start guess, norms and
//! steps mean what they mean without a preconditioner. The condition number in the report is that of [A; √λL]R⁻¹.

use crate::data::{self, Data};
use crate::error::{Error, Result, Size};
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};

/// R⁻¹, by name or by products.
///
/// ```
/// use wellposed::{DenseView, Preconditioner, Problem, method::Lsmr};
///
/// // columns of very different size
/// let a = [1.0, 1.0, 1.0, 1.0, 0.0, 1e-4, 2e-4, 3e-4];
/// let a = DenseView::column_major(&a, 4, 2)?;
/// let b = [1.0, 2.0, 2.0, 4.0_f64];
/// let plain = Problem::new(&a).method(Lsmr::new()).solve(&b, 1e-12)?;
/// let scaled = Problem::new(&a).method(Lsmr::new()).precondition(Preconditioner::columns()).solve(&b, 1e-12)?;
/// assert!((plain.x[0] - scaled.x[0]).abs() < 1e-9);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Clone)]
pub struct Preconditioner<'a, T: Scalar> {
    pub(crate) kind: Kind<'a, T>,
}

#[derive(Clone)]
pub(crate) enum Kind<'a, T: Scalar> {
    Columns,
    Scales(Vec<T::Real>),
    Inverse(&'a dyn Operator<Scalar = T>),
    Nystrom(Nystrom),
    Sketch(Sketch),
}

impl<'a, T: Scalar> Preconditioner<'a, T> {
    /// R = diag(√(‖aⱼ‖² + λ)), aⱼ the columns of A (after weights); ‖aⱼ‖ alone for an L other than the identity. Needs the entries of
    /// A. For unknowns in different units; one pass over A.
    pub fn columns() -> Self {
        Self { kind: Kind::Columns }
    }

    /// R = diag(s) with n positive numbers s: [`columns`](Self::columns) where A only multiplies and the sizes of its columns are
    /// known.
    pub fn scales<S: Data<T::Real> + ?Sized>(scales: &S) -> Self {
        Self { kind: Kind::Scales(data::column(scales)) }
    }

    /// R⁻¹ as an n×n operator: `apply` is y ↦ R⁻¹y, `apply_adjoint` y ↦ R⁻ᴴy. It must be invertible; nothing else is asked of it.
    pub fn inverse<R: Operator<Scalar = T>>(inverse: &'a R) -> Self {
        Self { kind: Kind::Inverse(inverse) }
    }

    /// One line for plans.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Columns => "precondition by the norms of the columns",
            Kind::Scales(_) => "precondition by scales of the columns",
            Kind::Inverse(_) => "precondition by an operator",
            Kind::Nystrom(_) => "precondition by a Nyström approximation",
            Kind::Sketch(_) => "precondition by a sketch",
        }
    }

    /// The seed, where it is drawn at random.
    pub(crate) fn seed(&self) -> Option<u64> {
        match &self.kind {
            Kind::Nystrom(options) => Some(options.seed),
            Kind::Sketch(options) => Some(options.seed),
            Kind::Columns | Kind::Scales(_) | Kind::Inverse(_) => None,
        }
    }

    /// Whether it is one of AᴴA + λI.
    pub(crate) fn needs_identity(&self) -> bool {
        matches!(self.kind, Kind::Nystrom(_) | Kind::Sketch(_))
    }

    /// Whether it fits n unknowns.
    pub(crate) fn check(&self, n: usize) -> Result<()> {
        match &self.kind {
            Kind::Scales(scales) if scales.len() != n => Err(Error::Shape {
                what: "the vector of column scales",
                found: Size::Length(scales.len()),
                expected: Size::Length(n),
                hint: "one scale for each column of A",
            }),
            Kind::Scales(scales) => match scales.iter().find(|s| !(**s > T::Real::ZERO && s.finite())) {
                None => Ok(()),
                Some(bad) => Err(Error::Parameter {
                    name: "a column scale of the preconditioner",
                    value: bad.to_f64(),
                    must_be: "positive and finite: a preconditioner is invertible",
                }),
            },
            Kind::Inverse(inverse) if inverse.shape() != (n, n) => Err(Error::Shape {
                what: "the preconditioner R⁻¹",
                found: Size::Shape(inverse.shape().0, inverse.shape().1),
                expected: Size::Shape(n, n),
                hint: "it needs one row and one column for each unknown",
            }),
            Kind::Nystrom(Nystrom { rank: Some(0), .. }) => Err(Error::Parameter {
                name: "the rank of the Nyström preconditioner",
                value: 0.0,
                must_be: "at least 1; leave it out to adapt it",
            }),
            _ => Ok(()),
        }
    }
}

impl<T: Scalar> core::fmt::Debug for Preconditioner<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Preconditioner({})", self.describe())
    }
}

/// The Nyström preconditioner: the dominant eigenvalues of AᴴA, found from a random sketch, are taken to the level of the smallest
/// one found. For λ > 0, L = I and singular values that fall fast: steps then depend on √((smallest found + λ)/λ) in place of κ.
/// It needs products only: 2·rank of them before the first step, n·rank numbers and 4n·rank more flops a step. One sketch serves
/// all λ of a path.
///
/// Frangella, Tropp & Udell 2023, SIAM J. Matrix Anal. Appl. 44:718, arXiv:2110.02820.
///
/// ```
/// use wellposed::preconditioner::Nystrom;
/// let adapted = Nystrom::new();
/// let fixed = Nystrom::new().rank(40).seed(7);
/// assert_ne!(adapted, fixed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nystrom {
    pub(crate) rank: Option<usize>,
    pub(crate) seed: u64,
}

impl Nystrom {
    /// A rank that is doubled until the smallest eigenvalue found is at most 10 λ (the smallest λ of a path), or n/4 is reached;
    /// seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// This rank (at most n), whatever it reaches.
    pub fn rank(mut self, rank: usize) -> Self {
        self.rank = Some(rank);
        self
    }

    /// The seed of the random sketch. The steps depend on it a little, the answer does not.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl<T: Scalar> From<Nystrom> for Preconditioner<'_, T> {
    fn from(nystrom: Nystrom) -> Self {
        Self { kind: Kind::Nystrom(nystrom) }
    }
}

/// Sketch and precondition, for a tall dense A: R is the triangle of a QR factorization of [SA; √λI], S a random sparse matrix with
/// 4n rows. The steps then depend on neither κ nor λ: some tens for all digits. 8mn flops for the sketch and 8n³ for the triangle,
/// once, and n² a step. L = I; m should be many times n. One sketch serves all λ of a path.
///
/// The iteration is restarted from x with a residual computed afresh until its tolerance is verified, which is what makes such a
/// method as accurate as QR: Epperly, Meier & Nakatsukasa 2024, arXiv:2406.03468; the sketch is that of Clarkson & Woodruff 2017
/// (J. ACM 63:54), with several entries a column; the method of Avron, Maymounkov & Toledo 2010, doi:10.1137/090767911.
///
/// ```
/// use wellposed::preconditioner::Sketch;
/// assert_ne!(Sketch::new(), Sketch::new().seed(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sketch {
    pub(crate) seed: u64,
}

impl Sketch {
    /// Seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The seed of the random sketch. The steps depend on it a little, the answer does not.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl<T: Scalar> From<Sketch> for Preconditioner<'_, T> {
    fn from(sketch: Sketch) -> Self {
        Self { kind: Kind::Sketch(sketch) }
    }
}
