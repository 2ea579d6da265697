//! The property-test kit: problems of every kind for [proptest](https://docs.rs/proptest), and a certificate that says
//! how well an answer solves its problem. Feature `proptest`.
//!
//! [`Instances`] draws an [`Instance`]: a matrix of any shape with a prescribed singular spectrum, data, and everything a
//! [`Problem`] can hold; a failure shrinks towards few rows, few columns and no options. [`certify`] recomputes from x
//! alone what a [`Solution`](crate::Solution) claims.
//!
//! ```
//! use proptest::prelude::*;
//! use wellposed::strategies::{Instances, certify};
//!
//! proptest! {
//!     # #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..Default::default() })]
//!     // #[test]
//!     fn every_fit_solves_its_problem(case in Instances::<f64>::new().rows(1..20).columns(1..12).weights().intercept()) {
//!         let problem = case.problem();
//!         let fit = problem.solve(&case.b, case.lambda)?;
//!         certify(&problem, &case.b, &fit).holds().map_err(TestCaseError::fail)?;
//!     }
//! }
//! # every_fit_solves_its_problem();
//! ```
//!
//! A dependent puts `wellposed = { version = "0.1", features = ["proptest"] }` and `proptest` in its dev-dependencies.

mod certificate;
mod matrix;

pub use certificate::{Certificate, Law, Values, certify};
pub use matrix::Matrix;

use crate::penalty::Penalty;
use crate::problem::Problem;
use crate::random::Random;
use crate::scalar::{Real, Scalar};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use proptest::collection::SizeRange;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::strategy::NewTree;
use proptest::test_runner::TestRunner;

/// The kinds of penalty that [`Instances::penalties`] draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PenaltyKind {
    /// L = I.
    Identity,
    /// L = diag(w), some weights 0.
    Diagonal,
    /// First differences, free ends.
    FirstDifference,
    /// Second differences, free ends.
    SecondDifference,
    /// A matrix L of any shape and rank.
    Matrix,
    /// A weighted sum of two of the others.
    Sum,
}

impl PenaltyKind {
    /// Every kind.
    pub const ALL: [PenaltyKind; 6] = [
        PenaltyKind::Identity,
        PenaltyKind::Diagonal,
        PenaltyKind::FirstDifference,
        PenaltyKind::SecondDifference,
        PenaltyKind::Matrix,
        PenaltyKind::Sum,
    ];
}

/// A penalty that owns its L.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnedPenalty<T: Scalar> {
    /// L = I.
    Identity,
    /// L = diag(w).
    Diagonal(Vec<T::Real>),
    /// First differences, free ends.
    FirstDifference,
    /// Second differences, free ends.
    SecondDifference,
    /// Any L.
    Matrix(Matrix<T>),
    /// Weighted terms.
    Sum(Vec<(f64, OwnedPenalty<T>)>),
}

impl<T: Scalar> OwnedPenalty<T> {
    /// The penalty of a [`Problem`].
    pub fn penalty(&self) -> Penalty<'_, T> {
        match self {
            OwnedPenalty::Identity => Penalty::identity(),
            OwnedPenalty::Diagonal(weights) => Penalty::diagonal(weights),
            OwnedPenalty::FirstDifference => Penalty::first_difference(),
            OwnedPenalty::SecondDifference => Penalty::second_difference(),
            OwnedPenalty::Matrix(l) => Penalty::matrix(l),
            OwnedPenalty::Sum(terms) => Penalty::sum(terms.iter().map(|(weight, term)| (*weight, term.penalty()))),
        }
    }
}

/// One problem with its data: what [`Instances`] draws. Everything is owned and public, to be changed at will.
#[derive(Clone, PartialEq)]
pub struct Instance<T: Scalar> {
    /// A.
    pub a: Matrix<T>,
    /// b, one column for each right-hand side: A·`truth` + intercept + noise.
    pub b: Matrix<T>,
    /// λ.
    pub lambda: f64,
    /// R.
    pub penalty: OwnedPenalty<T>,
    /// The diagonal of W.
    pub weights: Option<Vec<T::Real>>,
    /// Standard deviation of the noise of each row.
    pub noise_std: Option<Vec<T::Real>>,
    /// x₀.
    pub prior_mean: Option<Vec<T>>,
    /// Whether a constant is fitted.
    pub intercept: bool,
    /// The x from which b was made.
    pub truth: Matrix<T>,
}

impl<T: Scalar> Instance<T> {
    /// The problem, for `.solve(&instance.b, instance.lambda)`; further setters can follow.
    pub fn problem(&self) -> Problem<'_, T> {
        self.problem_of(&self.a)
    }

    /// The same problem with another A of as many rows and columns.
    pub fn problem_of<'a>(&'a self, a: &'a Matrix<T>) -> Problem<'a, T> {
        let mut problem = Problem::new(a).penalty(self.penalty.penalty());
        if let Some(weights) = &self.weights {
            problem = problem.weights(weights);
        }
        if let Some(noise_std) = &self.noise_std {
            problem = problem.noise_std(noise_std);
        }
        if let Some(prior_mean) = &self.prior_mean {
            problem = problem.prior_mean(prior_mean);
        }
        if self.intercept { problem.intercept() } else { problem }
    }
}

impl<T: Scalar> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Instance");
        out.field("a", &self.a).field("b", &self.b).field("lambda", &self.lambda).field("penalty", &self.penalty);
        if let Some(weights) = &self.weights {
            out.field("weights", weights);
        }
        if let Some(noise_std) = &self.noise_std {
            out.field("noise_std", noise_std);
        }
        if let Some(prior_mean) = &self.prior_mean {
            out.field("prior_mean", prior_mean);
        }
        if self.intercept {
            out.field("intercept", &true);
        }
        out.finish_non_exhaustive()
    }
}

/// A strategy for [`Instance`]s; each setter widens or narrows what is drawn.
///
/// A setter without an argument says that an instance *may* have the feature: half of them then do.
///
/// ```
/// use proptest::{strategy::{Strategy, ValueTree}, test_runner::TestRunner};
/// use wellposed::strategies::{Instances, PenaltyKind};
///
/// let instances = Instances::<f64>::new().rows(5..=5).columns(3..=3).condition(10.0..1e6).penalties([PenaltyKind::SecondDifference]);
/// let case = instances.new_tree(&mut TestRunner::deterministic()).unwrap().current();
/// assert_eq!((case.a.rows(), case.a.columns(), case.b.columns()), (5, 3, 1));
/// ```
#[derive(Debug, Clone)]
#[must_use = "a strategy does nothing until proptest draws from it"]
pub struct Instances<T> {
    rows: SizeRange,
    columns: SizeRange,
    right_hand_sides: SizeRange,
    scale: Range<f64>,
    condition: Range<f64>,
    lambda: Range<f64>,
    noise: Range<f64>,
    decades: f64,
    deficient: bool,
    weights: bool,
    noise_std: bool,
    prior_mean: bool,
    intercept: bool,
    penalties: Vec<PenaltyKind>,
    scalar: PhantomData<fn() -> T>,
}

impl<T: Scalar> Default for Instances<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> Instances<T> {
    /// Plain ridge problems: 1 to 20 rows, 1 to 12 columns, one right-hand side, singular values from 1 down to 1e-3 at
    /// most, λ from 1e-6 to 10, noise up to a tenth of the data, no option.
    pub fn new() -> Self {
        Self {
            rows: (1..=20).into(),
            columns: (1..=12).into(),
            right_hand_sides: 1.into(),
            scale: 1.0..1.0,
            condition: 1.0..1e3,
            lambda: 1e-6..10.0,
            noise: 0.0..0.1,
            decades: 0.0,
            deficient: false,
            weights: false,
            noise_std: false,
            prior_mean: false,
            intercept: false,
            penalties: vec![PenaltyKind::Identity],
            scalar: PhantomData,
        }
    }

    /// Problems of every kind: up to three right-hand sides, loss of rank, weights, noise_std, prior mean, intercept and
    /// every penalty.
    pub fn of_every_kind() -> Self {
        Self::new().right_hand_sides(1..=3).deficient().weights().noise_std().prior_mean().intercept().penalties(PenaltyKind::ALL)
    }

    /// m.
    pub fn rows(self, rows: impl Into<SizeRange>) -> Self {
        Self { rows: rows.into(), ..self }
    }

    /// n.
    pub fn columns(self, columns: impl Into<SizeRange>) -> Self {
        Self { columns: columns.into(), ..self }
    }

    /// Columns of b.
    pub fn right_hand_sides(self, count: impl Into<SizeRange>) -> Self {
        Self { right_hand_sides: count.into(), ..self }
    }

    /// The largest singular value of A, drawn log-uniformly.
    pub fn scale(self, scale: Range<f64>) -> Self {
        Self { scale, ..self }
    }

    /// Largest over smallest nonzero singular value of A, drawn log-uniformly; those between are log-uniform.
    pub fn condition(self, condition: Range<f64>) -> Self {
        Self { condition, ..self }
    }

    /// λ, drawn log-uniformly.
    pub fn lambda(self, lambda: Range<f64>) -> Self {
        Self { lambda, ..self }
    }

    /// ‖noise‖/‖b‖.
    pub fn noise(self, noise: Range<f64>) -> Self {
        Self { noise, ..self }
    }

    /// Rows and columns of A may be scaled by powers of two over up to so many decades.
    pub fn graded(self, decades: f64) -> Self {
        Self { decades, ..self }
    }

    /// A may have less than full rank: few singular values, a zero column, or a duplicate one.
    pub fn deficient(self) -> Self {
        Self { deficient: true, ..self }
    }

    /// There may be weights.
    pub fn weights(self) -> Self {
        Self { weights: true, ..self }
    }

    /// There may be a noise level for each row.
    pub fn noise_std(self) -> Self {
        Self { noise_std: true, ..self }
    }

    /// There may be a prior mean.
    pub fn prior_mean(self) -> Self {
        Self { prior_mean: true, ..self }
    }

    /// There may be an intercept.
    pub fn intercept(self) -> Self {
        Self { intercept: true, ..self }
    }

    /// The penalty is one of these (the identity if there are none).
    pub fn penalties(self, kinds: impl IntoIterator<Item = PenaltyKind>) -> Self {
        Self { penalties: kinds.into_iter().collect(), ..self }
    }

    fn strategy(&self) -> BoxedStrategy<Instance<T>> {
        let size = |range: &SizeRange| range.start()..=range.end_incl();
        let may = |allowed: bool| if allowed { any::<bool>().boxed() } else { Just(false).boxed() };
        let kinds = if self.penalties.is_empty() { vec![PenaltyKind::Identity] } else { self.penalties.clone() };
        let shape = (size(&self.rows), size(&self.columns), size(&self.right_hand_sides));
        let sizes =
            (log_uniform(&self.scale), log_uniform(&self.condition), log_uniform(&self.lambda), uniform(&self.noise), Just(self.decades));
        let options = (
            may(self.deficient),
            may(self.weights),
            may(self.noise_std),
            may(self.prior_mean),
            may(self.intercept),
            may(self.decades > 0.0),
        );
        (shape, sizes, options, proptest::sample::select(kinds), any::<u64>().no_shrink())
            .prop_map(|(shape, sizes, options, kind, seed)| draw(shape, sizes, options, kind, &mut Random::new(seed)))
            .boxed()
    }
}

impl<T: Scalar> Strategy for Instances<T> {
    type Tree = <BoxedStrategy<Instance<T>> as Strategy>::Tree;
    type Value = Instance<T>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        self.strategy().new_tree(runner)
    }
}

/// Uniform in the range; its start if that is all there is.
fn uniform(range: &Range<f64>) -> BoxedStrategy<f64> {
    if range.start < range.end { range.clone().boxed() } else { Just(range.start).boxed() }
}

fn log_uniform(range: &Range<f64>) -> BoxedStrategy<f64> {
    if range.start < range.end && range.start > 0.0 {
        let (low, high) = (range.start, range.end);
        (low.ln()..high.ln()).prop_map(move |t| t.exp().clamp(low, high)).boxed()
    } else {
        Just(range.start).boxed()
    }
}

type Shape = (usize, usize, usize);
type Sizes = (f64, f64, f64, f64, f64);
type Options = (bool, bool, bool, bool, bool, bool);

fn draw<T: Scalar>(
    (m, n, k): Shape,
    (scale, condition, lambda, noise, decades): Sizes,
    (deficient, weights, noise_std, prior_mean, intercept, graded): Options,
    kind: PenaltyKind,
    random: &mut Random,
) -> Instance<T> {
    let full = m.min(n);
    let rank = if deficient { full - (random.uniform() * full as f64) as usize } else { full };
    let mut a: Matrix<T> = Matrix::with_spectrum(m, n, &spectrum(rank, scale, condition, random), random);
    if deficient && n > 0 {
        let (from, to) = ((random.uniform() * n as f64) as usize, (random.uniform() * n as f64) as usize);
        match random.next_bits() % 3 {
            0 => (0..m).for_each(|i| a[(i, to)] = T::ZERO),
            1 => (0..m).for_each(|i| a[(i, to)] = a[(i, from)]),
            _ => {}
        }
    }
    if graded {
        let mut grades = |count: usize| -> Vec<T::Real> {
            let bits = decades * core::f64::consts::LOG2_10;
            (0..count).map(|_| T::Real::from_f64((bits * (random.uniform() - 0.5)).round().exp2())).collect()
        };
        let (rows, columns) = (grades(m), grades(n));
        a = Matrix::from_fn(m, n, |i, j| a[(i, j)].scale(rows[i]).scale(columns[j]));
    }
    let positive = |count: usize, random: &mut Random| -> Vec<T::Real> {
        (0..count).map(|_| T::Real::from_f64((0.7 * random.normal()).exp())).collect()
    };
    let truth: Matrix<T> = Matrix::from_entries(n, k, random.scalars(n * k));
    let mut b = a.times(&truth);
    if intercept {
        for j in 0..k {
            let constant = random.scalars::<T>(1)[0];
            (0..m).for_each(|i| b[(i, j)] += constant);
        }
    }
    let size = b.norm();
    let direction: Matrix<T> = Matrix::from_entries(m, k, random.scalars(m * k));
    let factor = if size > 0.0 { noise * size / direction.norm().max(f64::MIN_POSITIVE) } else { 1.0 };
    b = Matrix::from_fn(m, k, |i, j| b[(i, j)] + direction[(i, j)].scale(T::Real::from_f64(factor)));
    Instance {
        a,
        b,
        lambda,
        penalty: draw_penalty(kind, n, random),
        weights: weights.then(|| positive(m, random)),
        noise_std: noise_std.then(|| positive(m, random)),
        prior_mean: prior_mean.then(|| random.scalars(n)),
        intercept: intercept && m > 0,
        truth,
    }
}

/// `rank` values from `scale` down to `scale`/`condition`, both ends taken.
fn spectrum(rank: usize, scale: f64, condition: f64, random: &mut Random) -> Vec<f64> {
    (0..rank)
        .map(|i| match i {
            0 => scale,
            _ if i + 1 == rank => scale / condition,
            _ => scale / condition.powf(random.uniform()),
        })
        .collect()
}

fn draw_penalty<T: Scalar>(kind: PenaltyKind, n: usize, random: &mut Random) -> OwnedPenalty<T> {
    match kind {
        PenaltyKind::Identity => OwnedPenalty::Identity,
        PenaltyKind::Diagonal => {
            let weight = |random: &mut Random| if random.uniform() < 0.25 { 0.0 } else { random.normal().exp() };
            OwnedPenalty::Diagonal((0..n).map(|_| T::Real::from_f64(weight(random))).collect())
        }
        PenaltyKind::FirstDifference => OwnedPenalty::FirstDifference,
        PenaltyKind::SecondDifference => OwnedPenalty::SecondDifference,
        PenaltyKind::Matrix => {
            let p = 1 + (random.uniform() * (n + 2) as f64) as usize;
            let full = p.min(n);
            let rank = if random.uniform() < 0.3 { full - (random.uniform() * full as f64) as usize } else { full };
            let values = spectrum(rank, 2.0, 50.0, random);
            OwnedPenalty::Matrix(Matrix::with_spectrum(p, n, &values, random))
        }
        PenaltyKind::Sum => {
            let simple = |random: &mut Random| PenaltyKind::ALL[(random.next_bits() % 5) as usize];
            let terms = [simple(random), simple(random)];
            OwnedPenalty::Sum(terms.into_iter().map(|kind| (0.1 + random.uniform(), draw_penalty(kind, n, random))).collect())
        }
    }
}
