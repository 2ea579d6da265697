//! Rows that come in blocks: push, merge, store, and decide everything else afterwards.
//!
//! [`Rows`] keeps the triangle of all rows so far (src/factor/rows.rs says how), [`Window`] that of the last blocks,
//! [`RowsProblem`] is a [`Problem`](crate::Problem) without its rows, [`RowsFactorization`] its decomposition.

mod bytes;
mod posterior;
mod window;

pub use window::Window;

use crate::check::{check_merged, first_nonfinite};
use crate::comparison::RuleComparison;
use crate::data::{self, Data};
use crate::description::{Description, MergedRows};
use crate::error::{Error, Result, Size};
use crate::factor::rows::{Accumulated, Block, without_rounding};
use crate::factorization::{CurvePoint, Spectrum, curve_points, spectrum_of};
use crate::lambda::Lambda;
use crate::linalg::{self, Mat, MatRef, Threads};
use crate::method::Method;
use crate::operator::{DenseView, Entries, Operator};
use crate::penalty::Penalty;
use crate::plan::Plan;
use crate::rule::{Choice, Rule};
use crate::run::Kept;
use crate::scalar::{Real, Scalar};
use crate::solution::Solution;
use core::marker::PhantomData;

/// One right-hand side, or several: what [`Rows`] hand back. Sealed.
pub trait RightHandSides<T: Scalar>: Data<T> + sealed::Sealed {
    /// Whether it is one.
    #[doc(hidden)]
    const ONE: bool;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for Vec<T> {}
    impl<T> Sealed for crate::operator::DenseView<'_, T> {}
}

impl<T: Scalar> RightHandSides<T> for Vec<T> {
    const ONE: bool = true;
}

impl<T: Scalar> RightHandSides<T> for DenseView<'static, T> {
    const ONE: bool = false;
}

/// Rows of A and b that come in blocks, in any number, and are not kept.
///
/// What is kept is the triangle R of [1 A b] = QR: (n + 2)² numbers and a small buffer. It has the same least-squares problems
/// as all the rows, to the accuracy of a QR factorization of them: no Gram matrix of the whole is formed. λ, the rule that
/// chooses it, penalty, prior mean and intercept are said afterwards ([`problem`](Self::problem)).
///
/// `Rows<T>` has one right-hand side; [`with_right_hand_sides`](Self::with_right_hand_sides) has several.
///
/// Cost: 2m(n + 2)² flops at most (half of it where the columns are far from dependent), split over threads for large blocks.
/// Blocks of a few rows are collected first. Source: Demmel, Grigori, Hoemmen, Langou 2012, doi:10.1137/080731992.
///
/// ```
/// use wellposed::{DenseView, Gcv, Penalty, Problem, Rows};
///
/// let a: Vec<f64> = (0..3000).map(|k| ((k * 7919) % 1013) as f64 / 1013.0).collect();
/// let b: Vec<f64> = (0..1000).map(|i| 2.0 + a[3 * i] - a[3 * i + 2] + 0.01 * ((i * i) as f64).sin()).collect();
///
/// let mut rows = Rows::new(3);
/// for (a, b) in a.chunks(300).zip(b.chunks(100)) {
///     rows.push(&DenseView::row_major(a, 100, 3)?, b)?;
/// }
/// let fit = rows.problem().intercept().solve(Gcv)?;
/// println!("{}", fit.report);
///
/// let all = Problem::new(&DenseView::row_major(&a, 1000, 3)?).intercept().solve(&b, Gcv)?;
/// assert!((fit.x[0] - all.x[0]).abs() < 1e-11 && (fit.intercept - all.intercept).abs() < 1e-11);
///
/// let smooth = rows.problem().penalty(Penalty::first_difference()).solve(0.1)?; // another question to the same rows
/// # let _ = smooth;
/// # Ok::<(), wellposed::Error>(())
/// ```
pub struct Rows<T: Scalar, B = Vec<T>> {
    accumulated: Accumulated<T>,
    columns: usize,
    right_hand_sides: usize,
    /// Rows pushed.
    count: usize,
    /// The same, each counted by its forgetting factor.
    effective: f64,
    forgetting: f64,
    /// √γ^−t: how much larger than they should be the rows since the last [`Self::settle`] are.
    inflation: f64,
    family: PhantomData<fn() -> B>,
}

/// Rows are inflated by at most this before everything earlier is scaled down instead.
const MOST_INFLATED: f64 = 1e3;

impl<T: Scalar> Rows<T> {
    /// No rows yet, of A with this many columns and one right-hand side.
    pub fn new(columns: usize) -> Self {
        Self::empty(columns, 1)
    }
}

impl<T: Scalar> Rows<T, DenseView<'static, T>> {
    /// No rows yet, with b of this many columns: each has its own x and, with a rule, its own λ.
    ///
    /// ```
    /// use wellposed::{DenseView, Rows};
    /// let mut rows = Rows::with_right_hand_sides(1, 2);
    /// rows.push(&DenseView::column(&[1.0, 2.0, 3.0]), &DenseView::column_major(&[1.1, 1.9, 3.0, 2.0, 4.1, 6.0], 3, 2)?)?;
    /// let fit = rows.problem().solve(0.1)?;
    /// assert!(fit.x[1][0] > fit.x[0][0]);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn with_right_hand_sides(columns: usize, count: usize) -> Self {
        Self::empty(columns, count)
    }
}

impl<T: Scalar, B: RightHandSides<T>> Rows<T, B> {
    fn empty(columns: usize, right_hand_sides: usize) -> Self {
        let width = columns.saturating_add(right_hand_sides).saturating_add(1);
        let accumulated = Accumulated::new(width, Threads::available());
        Self { accumulated, columns, right_hand_sides, count: 0, effective: 0.0, forgetting: 1.0, inflation: 1.0, family: PhantomData }
    }

    /// Before each block that is pushed, all earlier rows lose this factor γ of their weight, 0 < γ ≤ 1: a block that came t blocks ago
    /// counts γᵗ. Rules then count as many rows as the weights γᵗ add up to ([`effective_rows`](Self::effective_rows)).
    ///
    /// ```
    /// use wellposed::{DenseView, Rows};
    /// let mut rows = Rows::new(1).forgetting(0.5);
    /// for slope in [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0] {
    ///     rows.push(&DenseView::column(&[1.0, 2.0]), &[slope, 2.0 * slope])?;
    /// }
    /// assert!((rows.problem().solve(0.0)?.x[0] - 2.0_f64).abs() < 0.1);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn forgetting(mut self, factor: f64) -> Self {
        self.forgetting = factor;
        self
    }

    /// How many threads a large block may use; all of the current rayon pool unless given.
    pub fn threads(mut self, threads: usize) -> Self {
        self.accumulated.set_threads(Threads(threads.max(1)));
        self
    }

    /// Adds a block of rows: A (any number of rows × columns, dense or sparse) and b (as many rows).
    ///
    /// # Errors
    /// A wrong shape, NaN or ∞, an A without entries, a forgetting factor out of its range. The rows before are untouched then.
    pub fn push<A, D>(&mut self, a: &A, b: &D) -> Result<()>
    where
        A: Operator<Scalar = T>,
        D: Data<T> + ?Sized,
    {
        self.add(a, b.view().matrix(), None)
    }

    /// Adds a block of rows with a positive weight for each: a weight of 2 counts as the row given twice. For noise of
    /// standard deviation s in a row, its weight is 1/s².
    ///
    /// # Errors
    /// As [`push`](Self::push); a weight that is not positive and finite.
    ///
    /// ```
    /// use wellposed::{DenseView, Rows};
    /// let (mut weighted, mut repeated) = (Rows::new(1), Rows::new(1));
    /// weighted.push_weighted(&DenseView::column(&[1.0, 2.0]), &[1.0, 3.0], &[1.0, 2.0])?;
    /// repeated.push(&DenseView::column(&[1.0, 2.0, 2.0]), &[1.0, 3.0, 3.0])?;
    /// let (x, y): (f64, f64) = (weighted.problem().solve(0.5)?.x[0], repeated.problem().solve(0.5)?.x[0]);
    /// assert!((x - y).abs() < 1e-15);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn push_weighted<A, D, W>(&mut self, a: &A, b: &D, weights: &W) -> Result<()>
    where
        A: Operator<Scalar = T>,
        D: Data<T> + ?Sized,
        W: Data<T::Real> + ?Sized,
    {
        let weights = data::column(weights);
        if weights.len() != a.shape().0 {
            return Err(Error::Shape {
                what: "the vector of weights",
                found: Size::Length(weights.len()),
                expected: Size::Length(a.shape().0),
                hint: "one weight for each row of the block",
            });
        }
        if let Some(bad) = weights.iter().find(|w| !(**w > T::Real::ZERO && w.finite())) {
            return Err(Error::Parameter {
                name: "the weight of a row",
                value: bad.to_f64(),
                must_be: "positive and finite; leave a row out instead of giving it weight 0",
            });
        }
        let scale: Vec<T::Real> = weights.iter().map(|w| w.sqrt()).collect();
        self.add(a, b.view().matrix(), Some(&scale))
    }

    fn add<A: Operator<Scalar = T>>(&mut self, a: &A, b: MatRef<'_, T>, scale: Option<&[T::Real]>) -> Result<()> {
        let copy;
        let a = match a.entries() {
            Entries::Dense(view) => view.matrix(),
            Entries::Sparse(view) => {
                copy = view.to_dense();
                copy.as_ref()
            }
            Entries::None => {
                return Err(Error::NeedsEntries { method: "Rows::push", what: "A", instead: "a Problem with Method::Lsmr" });
            }
        };
        self.check(a, b)?;
        if self.forgetting < 1.0 && self.count > 0 {
            self.inflation /= self.forgetting.sqrt();
            self.effective *= self.forgetting;
            if !(self.inflation <= MOST_INFLATED) {
                self.settle();
            }
        }
        let block = Block { a, b, scale, factor: T::Real::from_f64(self.inflation) };
        if !self.accumulated.push(&block) {
            return Err(nonfinite(a, b));
        }
        self.count += a.nrows();
        self.effective += a.nrows() as f64;
        Ok(())
    }

    fn check(&self, a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<()> {
        if !(self.forgetting > 0.0 && self.forgetting <= 1.0) {
            return Err(Error::Parameter {
                name: "the forgetting factor",
                value: self.forgetting,
                must_be: "greater than 0 and at most 1, which forgets nothing",
            });
        }
        let shape = |what, found: MatRef<'_, T>, rows, columns, hint| match found.shape() == (rows, columns) {
            true => Ok(()),
            false => {
                Err(Error::Shape { what, found: Size::Shape(found.nrows(), found.ncols()), expected: Size::Shape(rows, columns), hint })
            }
        };
        shape("the block of A", a, a.nrows(), self.columns, "as many columns as Rows::new was told")?;
        shape(
            "the block of b",
            b,
            a.nrows(),
            self.right_hand_sides,
            "as many rows as the block of A, and one column for each right-hand side",
        )
    }

    /// Scales everything so far down to the size it should have beside rows that come as they are.
    fn settle(&mut self) {
        if self.inflation != 1.0 {
            self.accumulated.scale(T::Real::from_f64(1.0 / self.inflation));
            self.inflation = 1.0;
        }
    }

    /// Takes the rows of another in, as if they had been pushed here: how blocks of several threads, machines or days come together. With
    /// [`forgetting`](Self::forgetting), the newest rows of both count as equally new.
    ///
    /// # Errors
    /// Other numbers of columns or right-hand sides.
    ///
    /// ```
    /// use wellposed::{DenseView, Rows};
    /// let (mut monday, mut tuesday) = (Rows::new(1), Rows::new(1));
    /// monday.push(&DenseView::column(&[1.0, 2.0]), &[1.0, 2.1])?;
    /// tuesday.push(&DenseView::column(&[3.0]), &[2.9])?;
    /// monday.merge(&tuesday)?;
    /// assert_eq!(monday.count(), 3);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.columns, self.right_hand_sides) != (other.columns, other.right_hand_sides) {
            return Err(Error::Shape {
                what: "the other's [A b]",
                found: Size::Length(other.columns + other.right_hand_sides),
                expected: Size::Length(self.columns + self.right_hand_sides),
                hint: "merge rows of the same columns and right-hand sides",
            });
        }
        self.settle();
        let triangle = other.settled_triangle();
        self.accumulated.merge(&[triangle.as_ref()]);
        self.count += other.count;
        self.effective += other.effective;
        Ok(())
    }

    /// R of all rows.
    fn settled_triangle(&self) -> Mat<T> {
        let triangle = self.accumulated.triangle();
        match self.inflation {
            1.0 => triangle,
            inflation => {
                let factor = T::Real::from_f64(1.0 / inflation);
                Mat::from_fn(triangle.nrows(), triangle.ncols(), |i, j| triangle[(i, j)].scale(factor))
            }
        }
    }

    /// Rows pushed so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Rows as the rules count them: with forgetting, each by what is left of its weight.
    pub fn effective_rows(&self) -> f64 {
        self.effective
    }

    /// Columns of A.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Columns of b.
    pub fn right_hand_sides(&self) -> usize {
        self.right_hand_sides
    }

    /// The problem in the rows so far: penalty, prior mean and intercept are said there, then λ or a rule. It owns what it needs; more rows
    /// may be pushed while it is there.
    pub fn problem(&self) -> RowsProblem<'static, T, B> {
        let count = self.effective.round() as usize;
        RowsProblem {
            triangle: without_rounding(self.settled_triangle(), count),
            columns: self.columns,
            count,
            threads: None,
            penalty: Penalty::identity(),
            noise_std: None,
            prior_mean: None,
            intercept: false,
            method: Method::Auto,
            require_full_rank: false,
            family: PhantomData,
        }
    }

    /// Decomposes the rows so far: `problem().factorize()`.
    ///
    /// # Errors
    /// As [`RowsProblem::factorize`].
    pub fn factorize(&self) -> Result<RowsFactorization<T, B>> {
        self.problem().factorize()
    }
}

/// A block that cannot be taken: an entry is not finite, or a norm leaves the range of the scalar type.
fn nonfinite<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Error {
    for (what, matrix) in [("the block of A", a), ("the block of b", b)] {
        if T::largest_entry(matrix, Threads::ONE).is_none() {
            return Error::NonFinite { what, index: first_nonfinite(matrix) };
        }
    }
    Error::Parameter {
        name: "the norm of a column (with its weights)",
        value: f64::INFINITY,
        must_be: "in the range of the scalar type; rescale the columns or the weights",
    }
}

impl<T: Scalar, B> Clone for Rows<T, B> {
    fn clone(&self) -> Self {
        Self { accumulated: self.accumulated.clone(), ..*self }
    }
}

impl<T: Scalar, B> core::fmt::Debug for Rows<T, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Rows({}×{} {}, {} right-hand sides)", self.count, self.columns, T::NAME, self.right_hand_sides)
    }
}

/// A problem whose rows were merged as they came ([`Rows::problem`]): everything except λ.
///
/// Norms, degrees of freedom and criteria are those of all rows. Rules that look at single rows (leave-one-out, K-fold, NCP) are
/// refused: their leverages and residuals are gone.
#[must_use = "a problem does nothing until it is solved"]
pub struct RowsProblem<'a, T: Scalar, B = Vec<T>> {
    triangle: Mat<T>,
    columns: usize,
    count: usize,
    threads: Option<usize>,
    penalty: Penalty<'a, T>,
    noise_std: Option<T::Real>,
    prior_mean: Option<Vec<T>>,
    intercept: bool,
    method: Method,
    require_full_rank: bool,
    family: PhantomData<fn() -> B>,
}

impl<'a, T: Scalar, B: RightHandSides<T>> RowsProblem<'a, T, B> {
    /// R(z) = ‖Lz‖².
    pub fn penalty<'p>(self, penalty: Penalty<'p, T>) -> RowsProblem<'p, T, B> {
        let Self { triangle, columns, count, threads, penalty: _, noise_std, prior_mean, intercept, method, require_full_rank, family } =
            self;
        RowsProblem { triangle, columns, count, threads, penalty, noise_std, prior_mean, intercept, method, require_full_rank, family }
    }

    /// The standard deviation of the noise, one for all rows; for one of each row, push with weights. Norms are then in whitened units.
    pub fn noise_std(mut self, noise_std: T::Real) -> Self {
        self.noise_std = Some(noise_std);
        self
    }

    /// x₀: the penalty measures the departure from it.
    pub fn prior_mean<X: Data<T> + ?Sized>(mut self, prior_mean: &X) -> Self {
        self.prior_mean = Some(data::column(prior_mean));
        self
    }

    /// An unpenalised constant is fitted beside x.
    pub fn intercept(mut self) -> Self {
        self.intercept = true;
        self
    }

    /// A direct method, by name.
    pub fn method(mut self, method: impl Into<Method>) -> Self {
        self.method = method.into();
        self
    }

    /// A minimiser that is not unique is an error instead of the minimum-norm solution with a warning.
    pub fn require_full_rank(mut self) -> Self {
        self.require_full_rank = true;
        self
    }

    /// How many threads the kernels may use.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The small problem that has all that is left of the rows.
    fn with<R>(&self, work: impl FnOnce(&Description<'_, T>, DenseView<'_, T>) -> Result<R>) -> Result<R> {
        let rows = self.triangle.nrows();
        let a = DenseView::from_matrix(self.triangle.as_ref().subcols(1, self.columns));
        let b = DenseView::from_matrix(self.triangle.as_ref().subcols(1 + self.columns, self.triangle.ncols() - 1 - self.columns));
        let description = Description {
            penalty: self.penalty.clone(),
            noise_std: self.noise_std.map(|s| vec![s]),
            prior_mean: self.prior_mean.clone(),
            intercept: self.intercept,
            method: self.method.clone(),
            require_full_rank: self.require_full_rank,
            threads: self.threads,
            merged: Some(MergedRows {
                rows: self.count.max(usize::from(rows > 0)),
                constant: (0..rows).map(|i| self.triangle[(i, 0)].real()).collect(),
            }),
            ..Description::new(&a)
        };
        check_merged(&description, None)?;
        work(&description, b)
    }

    /// What will be done for this choice of λ, and why.
    ///
    /// # Errors
    /// Whatever [`solve`](Self::solve) would refuse before it computes.
    pub fn plan(&self, choice: impl Into<Choice>) -> Result<Plan> {
        self.with(|description, _| T::plan(description, Some(choice.into())))
    }

    /// Solves with λ given or chosen by a rule. Cost: that of a problem with as many rows as unknowns.
    ///
    /// # Errors
    /// As [`Problem::solve`](crate::Problem::solve); a rule that looks at single rows, a method that only multiplies.
    pub fn solve(&self, choice: impl Into<Choice>) -> Result<Solution<T, B>> {
        Ok(self.with(|description, b| T::solve(description, b, choice.into(), None))?.into_solution())
    }

    /// One solution for each λ.
    ///
    /// # Errors
    /// As [`solve`](Self::solve), for the first λ that fails.
    pub fn path<I>(&self, lambdas: I) -> Result<Vec<Solution<T, B>>>
    where
        I: IntoIterator<Item: Into<Lambda>>,
    {
        let lambdas: Vec<Lambda> = lambdas.into_iter().map(Into::into).collect();
        let outcomes = self.with(|description, b| T::path(description, b, &lambdas))?;
        Ok(outcomes.into_iter().map(|outcome| outcome.into_solution()).collect())
    }

    /// Decomposes once, for any number of λ and rules.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    pub fn factorize(&self) -> Result<RowsFactorization<T, B>> {
        self.with(|description, b| {
            Ok(RowsFactorization { kept: T::factorize(description)?, data: linalg::copy(b.matrix()), family: PhantomData })
        })
    }
}

impl<T: Scalar, B> core::fmt::Debug for RowsProblem<'_, T, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RowsProblem({}×{} {}, penalty {}, method {})", self.count, self.columns, T::NAME, self.penalty.describe(), self.method)
    }
}

/// A decomposition of rows that were merged as they came, with their right-hand sides.
///
/// ```
/// use wellposed::{DenseView, Evidence, Gcv, Rows};
/// let mut rows = Rows::new(2);
/// rows.push(&DenseView::column_major(&[1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5], 4, 2)?, &[1.1, 1.9, 3.2, 3.9])?;
/// let factor = rows.factorize()?;
/// let (gcv, evidence) = (factor.solve(Gcv)?, factor.solve(Evidence)?);
/// println!("{}", factor.compare_rules()?);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub struct RowsFactorization<T: Scalar, B = Vec<T>> {
    kept: Kept<T>,
    data: Mat<T>,
    family: PhantomData<fn() -> B>,
}

impl<T: Scalar, B: RightHandSides<T>> RowsFactorization<T, B> {
    fn view(&self) -> DenseView<'_, T> {
        DenseView::from_matrix(self.data.as_ref())
    }

    /// Solves with λ given or chosen by a rule.
    ///
    /// # Errors
    /// An invalid λ, a rule that looks at single rows, or one that finds no λ.
    pub fn solve(&self, choice: impl Into<Choice>) -> Result<Solution<T, B>> {
        let choice = choice.into();
        Ok(T::solve_kept(&self.kept, self.view(), choice)?.into_solution())
    }

    /// One solution for each λ, lazily.
    pub fn path<'s, I>(&'s self, lambdas: I) -> impl Iterator<Item = Result<Solution<T, B>>> + 's
    where
        I: IntoIterator<Item: Into<Choice>>,
        I::IntoIter: 's,
    {
        lambdas.into_iter().map(move |lambda| self.solve(lambda))
    }

    /// Norms, degrees of freedom and the GCV function at each λ, for each right-hand side, without a solution.
    ///
    /// # Errors
    /// A λ that is negative or NaN.
    pub fn curve(&self, lambdas: impl IntoIterator<Item = f64>) -> Result<B::Each<Vec<CurvePoint>>> {
        let lambdas: Vec<f64> = lambdas.into_iter().collect();
        Ok(B::each(curve_points(&self.kept, self.view(), &lambdas)?))
    }

    /// Singular values and coefficients of each right-hand side.
    ///
    /// # Errors
    /// A method whose values are not told apart from rounding.
    pub fn spectrum(&self) -> Result<B::Each<Spectrum>> {
        Ok(B::each(T::spectra(&self.kept, self.view())?.into_iter().map(spectrum_of).collect()))
    }

    /// What every rule says of each right-hand side; those that look at single rows say that they cannot.
    ///
    /// # Errors
    /// A method whose values are not told apart from rounding.
    pub fn compare_rules(&self) -> Result<B::Each<RuleComparison>> {
        Ok(B::each(T::compare(&self.kept, self.view(), None)?))
    }

    /// [`compare_rules`](Self::compare_rules) among rules of your choice.
    ///
    /// # Errors
    /// A parameter of a rule out of its range.
    pub fn compare_among(&self, rules: impl IntoIterator<Item = impl Into<Rule>>) -> Result<B::Each<RuleComparison>> {
        let rules: Vec<Rule> = rules.into_iter().map(Into::into).collect();
        Ok(B::each(T::compare(&self.kept, self.view(), Some(&rules))?))
    }

    /// What was decomposed, and how.
    pub fn plan(&self) -> &Plan {
        &self.kept.plan
    }
}

impl<T: Scalar, B> core::fmt::Debug for RowsFactorization<T, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let plan = &self.kept.plan;
        write!(f, "RowsFactorization({}×{} {}, {})", plan.rows, plan.columns, T::NAME, plan.method)
    }
}
