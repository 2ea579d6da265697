//! R: what the penalty measures. A closed list behind constructors.

use crate::covariance::{self, Covariance, SharedRoot};
use crate::data::Data;
use crate::error::{Error, Result, Size};
use crate::operator::dense::materialize;
use crate::operator::difference::{Boundary, Differences};
use crate::operator::{Entries, Grid, Operator, algebra};
use crate::scalar::{Real, Scalar};
use std::borrow::Cow;

mod shape;

pub(crate) use shape::{Shape, Term, TermEntries};

/// R(z) = ‖Lz‖², with L by name, by matrix or by operator, or a sum of such terms. λ multiplies it; it never contains λ.
/// [`l1`](Self::l1), [`elastic_net`](Self::elastic_net), [`group_lasso`](Self::group_lasso) and [`isotropic`](Self::isotropic)
/// measure Lz by another norm.
///
/// Matrices and operators are borrowed, never copied.
///
/// ```
/// use wellposed::{DenseView, Penalty, Problem};
///
/// let a = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.25, 1.0];
/// let a = DenseView::column_major(&a, 3, 3)?;
/// let smooth = Problem::new(&a).penalty(Penalty::second_difference()).solve(&[1.0, 2.0, 3.0], 0.1)?;
/// let free_last = Problem::new(&a).penalty(Penalty::diagonal(&[1.0, 1.0, 0.0])).solve(&[1.0, 2.0, 3.0], 0.1)?;
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Clone)]
pub struct Penalty<'a, T: Scalar> {
    kind: Kind<'a, T>,
    shape: Shape,
}

#[derive(Clone)]
enum Kind<'a, T: Scalar> {
    Identity,
    Diagonal(Vec<T::Real>),
    Difference {
        order: Order,
        boundary: Boundary,
    },
    Difference2d {
        order: Order,
        rows: usize,
        columns: usize,
        boundary: Boundary,
    },
    Gradient {
        grid: Grid,
        boundary: Boundary,
    },
    Laplacian {
        grid: Grid,
        boundary: Boundary,
    },
    Matrix(&'a dyn Operator<Scalar = T>),
    Sum(Vec<(f64, Penalty<'a, T>)>),
    /// A covariance, a precision or a function of distance, factored.
    Root(&'static str, SharedRoot<T>),
}

/// Columns up to which the entries of an operator that only multiplies are computed, one product for each.
const PRODUCTS_UP_TO: usize = 2000;

/// First or second difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    First,
    Second,
}

/// L, resolved for n unknowns.
pub(crate) enum Resolved<'a, T: Scalar> {
    /// L = I.
    Identity,
    /// L = diag(w), w ≥ 0; a zero frees the coefficient.
    Diagonal(Vec<T::Real>),
    /// Any L.
    Operator(Box<dyn Operator<Scalar = T> + 'a>),
}

impl<'a, T: Scalar> Penalty<'a, T> {
    fn squared(kind: Kind<'a, T>) -> Self {
        Self { kind, shape: Shape::Squared }
    }

    /// ‖z‖²: ridge.
    pub fn identity() -> Self {
        Self::squared(Kind::Identity)
    }

    /// Σ (wⱼzⱼ)², L = diag(w). A weight 0 leaves the coefficient unpenalised.
    pub fn diagonal<W: Data<T::Real> + ?Sized>(weights: &W) -> Self {
        Self::squared(Kind::Diagonal(crate::data::column(weights)))
    }

    /// Σ (zⱼ₊₁ − zⱼ)², free ends: (n−1)×n. Constants are unpenalised.
    pub fn first_difference() -> Self {
        Self::first_difference_with(Boundary::Free)
    }

    /// First difference with a named boundary.
    pub fn first_difference_with(boundary: Boundary) -> Self {
        Self::squared(Kind::Difference { order: Order::First, boundary })
    }

    /// Σ (zⱼ₋₁ − 2zⱼ + zⱼ₊₁)², free ends: (n−2)×n. Straight lines are unpenalised.
    pub fn second_difference() -> Self {
        Self::second_difference_with(Boundary::Free)
    }

    /// Second difference with a named boundary.
    pub fn second_difference_with(boundary: Boundary) -> Self {
        Self::squared(Kind::Difference { order: Order::Second, boundary })
    }

    /// Squared gradient of an image of `rows`×`columns` pixels stored column after column.
    pub fn first_difference_2d(rows: usize, columns: usize, boundary: Boundary) -> Self {
        Self::squared(Kind::Difference2d { order: Order::First, rows, columns, boundary })
    }

    /// Squared second differences along both axes of an image of `rows`×`columns` pixels stored column after column.
    pub fn second_difference_2d(rows: usize, columns: usize, boundary: Boundary) -> Self {
        Self::squared(Kind::Difference2d { order: Order::Second, rows, columns, boundary })
    }

    /// Squared gradient on a grid of one to three dimensions, with its spacing. Constants are unpenalised, unless the boundary is
    /// zero.
    ///
    /// ```
    /// use wellposed::operator::{Boundary, Grid};
    /// use wellposed::{DenseView, Penalty, Problem};
    ///
    /// let a = DenseView::column_major(&[1.0; 12], 1, 12)?;
    /// let grid = Grid::new(&[3, 2, 2])?.spacing(&[1.0, 1.0, 5.0])?;
    /// let fit = Problem::new(&a).penalty(Penalty::gradient(&grid, Boundary::Free)).solve(&[24.0], 0.1)?;
    /// assert!(fit.x.iter().all(|x| (x - 2.0_f64).abs() < 1e-9));
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn gradient(grid: &Grid, boundary: Boundary) -> Self {
        Self::squared(Kind::Gradient { grid: grid.clone(), boundary })
    }

    /// Squared Laplacian on a grid of one to three dimensions, with its spacing; not for [`Boundary::Free`].
    pub fn laplacian(grid: &Grid, boundary: Boundary) -> Self {
        Self::squared(Kind::Laplacian { grid: grid.clone(), boundary })
    }

    /// ‖Lz‖² for a p×n matrix or operator L of any shape and rank.
    pub fn matrix<L: Operator<Scalar = T>>(l: &'a L) -> Self {
        Self::squared(Kind::Matrix(l))
    }

    /// ‖Γz‖² for the Tikhonov matrix Γ = √λ·L: the same as [`matrix`](Self::matrix), to be used with λ = 1.
    pub fn gamma<L: Operator<Scalar = T>>(gamma: &'a L) -> Self {
        Self::matrix(gamma)
    }

    /// zᴴC⁻¹z: x ~ N(x₀, τ²C) before the data, C Hermitian positive definite.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NonFinite`], and [`Error::Parameter`] with the smallest eigenvalue when C is not positive definite
    /// to working precision. Cost: n³ flops.
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem};
    /// let c = [2.0, 1.0, 1.0, 2.0];
    /// let prior = Penalty::covariance(&DenseView::column_major(&c, 2, 2)?)?;
    /// let a = DenseView::column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// let fit = Problem::new(&a).penalty(prior).solve(&[1.0, 0.0], 1.0)?; // C(C + I)⁻¹b
    /// assert!((fit.x[0] - 0.625_f64).abs() < 1e-14 && (fit.x[1] - 0.125).abs() < 1e-14);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn covariance<C: Operator<Scalar = T>>(c: &C) -> Result<Self> {
        Ok(Self::squared(Kind::Root("inverse of a covariance", covariance::of_covariance(c)?)))
    }

    /// zᴴPz: x ~ N(x₀, τ²P⁻¹) before the data, P Hermitian positive semi-definite; directions that a singular P does not see are
    /// unpenalised.
    ///
    /// # Errors
    /// As [`covariance`](Self::covariance), for an eigenvalue that is negative beyond rounding. Cost: n³ flops.
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem};
    /// let p = [1.0, -1.0, -1.0, 1.0]; // (z₁ − z₂)²
    /// let prior = Penalty::precision(&DenseView::column_major(&p, 2, 2)?)?;
    /// let a = DenseView::column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// let fit = Problem::new(&a).penalty(prior).solve(&[1.0, 0.0], 1e9)?;
    /// assert!((fit.x[0] - 0.5_f64).abs() < 1e-8 && (fit.x[1] - 0.5).abs() < 1e-8);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn precision<P: Operator<Scalar = T>>(p: &P) -> Result<Self> {
        Ok(Self::squared(Kind::Root("precision", covariance::of_precision(p)?)))
    }

    /// zᵀC⁻¹z with C a function of the distance between the points of a grid: a Gaussian process. With [`Boundary::Free`] from the
    /// Cholesky factor of the n×n matrix (n ≤ 10 000); with [`Boundary::Periodic`], in one or two dimensions, by fast Fourier
    /// transforms without a matrix.
    ///
    /// # Errors
    /// As [`covariance`](Self::covariance); parameters out of range; another boundary.
    ///
    /// ```
    /// use wellposed::operator::{Boundary, Grid};
    /// use wellposed::{Covariance, Penalty};
    /// let grid = Grid::new(&[256, 256])?;
    /// let prior: Penalty<'_, f64> = Penalty::kernel(&grid, &Covariance::matern(1.5, 4.0), Boundary::Periodic)?;
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn kernel(grid: &Grid, covariance: &Covariance, boundary: Boundary) -> Result<Self> {
        Ok(Self::squared(Kind::Root("inverse of a covariance on a grid", covariance::of_kernel(grid, covariance, boundary)?)))
    }

    /// Σ ωⱼRⱼ with given weights ωⱼ ≥ 0.
    pub fn sum<I: IntoIterator<Item = (f64, Self)>>(terms: I) -> Self {
        Self::squared(Kind::Sum(terms.into_iter().collect()))
    }

    /// One ridge penalty Σ zⱼ² for each group of columns, in the order of their labels: for
    /// [`Problem::penalties`](crate::Problem::penalties), which gives each a λ of its own (banded ridge).
    ///
    /// ```
    /// use wellposed::{DenseView, Gcv, Penalty, Problem};
    /// // two columns of one kind, three of another
    /// let bands = Penalty::bands(&[0, 0, 1, 1, 1]);
    /// let a: Vec<f64> = (0..100).map(|k| ((k * k) as f64 * 0.3).sin()).collect();
    /// let b: Vec<f64> = (0..20).map(|i| a[i] - a[i + 20] + 0.3 * (i as f64).cos()).collect();
    /// let fit = Problem::new(&DenseView::column_major(&a, 20, 5)?).penalties(bands).solve(&b, Gcv)?;
    /// assert!(fit.lambdas[0] < fit.lambdas[1]);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    ///
    /// Source: Nunez-Elizalde, Huth and Gallant 2019, doi:10.1016/j.neuroimage.2019.04.012.
    pub fn bands(labels: &[usize]) -> Vec<Self> {
        let mut distinct = labels.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let indicator = |band: &usize| labels.iter().map(|label| if label == band { T::Real::ONE } else { T::Real::ZERO }).collect();
        distinct.iter().map(|band| Self::squared(Kind::Diagonal(indicator(band)))).collect()
    }

    /// One line for plans and reports.
    pub(crate) fn describe(&self) -> Cow<'static, str> {
        let shape = &self.shape;
        let l = match &self.kind {
            Kind::Identity if self.is_squared() => return Cow::Borrowed("identity"),
            Kind::Diagonal(_) if self.is_squared() => return Cow::Borrowed("diagonal"),
            Kind::Identity => "identity".to_owned(),
            Kind::Diagonal(_) => "diagonal".to_owned(),
            Kind::Difference { order, boundary } => format!("{} ({boundary})", order.name()),
            Kind::Difference2d { order, rows, columns, boundary } => format!("{} on a {rows}×{columns} grid ({boundary})", order.name()),
            Kind::Gradient { grid, boundary } => format!("gradient on a grid of {grid} points ({boundary})"),
            Kind::Laplacian { grid, boundary } => format!("Laplacian on a grid of {grid} points ({boundary})"),
            Kind::Matrix(l) => format!("{}×{} matrix", l.shape().0, l.shape().1),
            Kind::Sum(terms) if self.is_squared() => format!("sum of {} terms", terms.len()),
            Kind::Sum(terms) => {
                let terms: Vec<String> = terms.iter().map(|(weight, term)| format!("{weight}·({})", term.describe())).collect();
                terms.join(" + ")
            }
            Kind::Root(name, _) => (*name).into(),
        };
        Cow::Owned(format!("{l}{shape}"))
    }

    /// R(z) = ‖z‖².
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self.kind, Kind::Identity) && self.is_squared()
    }

    /// The entries of L for n unknowns, not all the zeros between them, and the number of its rows.
    ///
    /// # Errors
    /// Those of [`resolve`](Self::resolve), and [`Error::NeedsEntries`] for an operator that only multiplies and has more
    /// than [`PRODUCTS_UP_TO`] columns.
    pub(crate) fn for_each(&self, n: usize, visit: &mut dyn FnMut(usize, usize, T)) -> Result<usize> {
        match &self.kind {
            Kind::Difference { order, boundary } => {
                let differences = Differences::<T>::along_line(order.degree(), n, *boundary);
                differences.for_each(visit);
                return Ok(differences.shape().0);
            }
            Kind::Difference2d { order, rows, columns, boundary } if n > 0 => {
                self.resolve(n)?;
                let differences = Differences::<T>::on_grid(order.degree(), *rows, *columns, *boundary);
                differences.for_each(visit);
                return Ok(differences.shape().0);
            }
            Kind::Gradient { grid, boundary } if n > 0 => {
                let gradient = of_size(grid, n)?.gradient::<T>(*boundary);
                gradient.for_each(visit);
                return Ok(gradient.shape().0);
            }
            Kind::Laplacian { grid, boundary } if n > 0 => {
                of_size(grid, n)?.laplacian::<T>(*boundary)?.for_each(visit);
                return Ok(n);
            }
            Kind::Sum(terms) => {
                self.resolve(n)?;
                let mut first_row = 0;
                for (weight, penalty) in terms {
                    let root = T::Real::from_f64(weight.sqrt());
                    first_row += penalty.for_each(n, &mut |i, j, value| visit(first_row + i, j, value.scale(root)))?;
                }
                return Ok(first_row);
            }
            _ => {}
        }
        match self.resolve(n)? {
            Resolved::Identity => (0..n).for_each(|j| visit(j, j, T::ONE)),
            Resolved::Diagonal(weights) => weights.iter().enumerate().for_each(|(j, &w)| visit(j, j, T::from_real(w))),
            Resolved::Operator(l) => {
                match l.entries() {
                    Entries::Sparse(view) => view.for_each(visit),
                    Entries::None if n > PRODUCTS_UP_TO => {
                        return Err(Error::NeedsEntries {
                            method: "a sparse factorization",
                            what: "the penalty",
                            instead: "a SparseView as the penalty matrix, or Method::Cgls",
                        });
                    }
                    Entries::Dense(_) | Entries::None => {
                        let entries = materialize(&*l);
                        for j in 0..entries.ncols() {
                            for (i, &value) in entries.col_as_slice(j).iter().enumerate() {
                                // NaN is not 0 and is seen
                                if value != T::ZERO {
                                    visit(i, j, value);
                                }
                            }
                        }
                    }
                }
                return Ok(l.shape().0);
            }
        }
        Ok(n)
    }

    /// L for n unknowns. For a sum, the stack of √ω·L: what the sum of squares is the square of, and of use for that alone
    /// ([`terms`](Self::terms) has the rest).
    pub(crate) fn resolve(&self, n: usize) -> Result<Resolved<'a, T>> {
        Ok(match &self.kind {
            Kind::Identity => Resolved::Identity,
            Kind::Diagonal(weights) => {
                if weights.len() != n {
                    return Err(Error::Shape {
                        what: "the vector of penalty weights",
                        found: Size::Length(weights.len()),
                        expected: Size::Length(n),
                        hint: "one weight for each column of A",
                    });
                }
                if let Some(&bad) = weights.iter().find(|w| !(**w >= T::Real::ZERO && w.finite())) {
                    return Err(Error::Parameter {
                        name: "a penalty weight",
                        value: bad.to_f64(),
                        must_be: "finite and ≥ 0 (0 leaves the coefficient unpenalised)",
                    });
                }
                Resolved::Diagonal(weights.clone())
            }
            Kind::Difference { order, boundary } => {
                Resolved::Operator(Box::new(Differences::<T>::along_line(order.degree(), n, *boundary)))
            }
            Kind::Difference2d { order, rows, columns, boundary } => {
                if rows.checked_mul(*columns) != Some(n) {
                    return Err(Error::Shape {
                        what: "the grid of the penalty",
                        found: Size::Shape(*rows, *columns),
                        expected: Size::Length(n),
                        hint: "rows times columns must be the number of unknowns",
                    });
                }
                // a grid without points may be given any length on its other side
                Resolved::Operator(Box::new(match n {
                    0 => Differences::<T>::on_grid(order.degree(), 0, 0, *boundary),
                    _ => Differences::<T>::on_grid(order.degree(), *rows, *columns, *boundary),
                }))
            }
            Kind::Gradient { grid, boundary } => Resolved::Operator(Box::new(of_size(grid, n)?.gradient::<T>(*boundary))),
            Kind::Laplacian { grid, boundary } => Resolved::Operator(Box::new(of_size(grid, n)?.laplacian::<T>(*boundary)?)),
            Kind::Matrix(l) => {
                if l.shape().1 != n {
                    return Err(Error::Shape {
                        what: "the penalty matrix L",
                        found: Size::Shape(l.shape().0, l.shape().1),
                        expected: Size::Shape(l.shape().0, n),
                        hint: "L must have as many columns as A",
                    });
                }
                Resolved::Operator(Box::new(*l))
            }
            Kind::Root(name, l) => {
                if l.shape().1 != n {
                    return Err(Error::Shape {
                        what: name,
                        found: Size::Shape(l.shape().0, l.shape().1),
                        expected: Size::Shape(l.shape().0, n),
                        hint: "the covariance must be of as many unknowns as A has columns",
                    });
                }
                Resolved::Operator(Box::new(l.clone()))
            }
            Kind::Sum(terms) => {
                let mut blocks: Vec<Box<dyn Operator<Scalar = T> + 'a>> = Vec::with_capacity(terms.len());
                for (weight, penalty) in terms {
                    if !(*weight >= 0.0 && weight.is_finite()) {
                        return Err(Error::Parameter { name: "the weight of a penalty term", value: *weight, must_be: "finite and ≥ 0" });
                    }
                    let l: Box<dyn Operator<Scalar = T> + 'a> = match penalty.resolve(n)? {
                        Resolved::Identity => Box::new(algebra::diagonal(vec![T::ONE; n])),
                        Resolved::Diagonal(w) => Box::new(algebra::diagonal(w.into_iter().map(T::from_real).collect::<Vec<_>>())),
                        Resolved::Operator(l) => l,
                    };
                    blocks.push(Box::new(algebra::scaled(T::from_real(T::Real::from_f64(weight.sqrt())), l)));
                }
                if blocks.is_empty() {
                    return Err(Error::Parameter { name: "the number of penalty terms", value: 0.0, must_be: "at least 1" });
                }
                Resolved::Operator(Box::new(algebra::stack(blocks)?))
            }
        })
    }
}

/// The grid, if it has n points.
fn of_size(grid: &Grid, n: usize) -> Result<&Grid> {
    if grid.points() == n {
        return Ok(grid);
    }
    Err(Error::Shape {
        what: "the grid of the penalty",
        found: Size::Length(grid.points()),
        expected: Size::Length(n),
        hint: "the points of the grid must be the unknowns",
    })
}

impl<T: Scalar> core::fmt::Debug for Penalty<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Penalty({})", self.describe())
    }
}

impl Order {
    fn degree(self) -> usize {
        match self {
            Order::First => 1,
            Order::Second => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Order::First => "first difference",
            Order::Second => "second difference",
        }
    }
}
