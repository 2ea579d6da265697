//! How R measures Lz: the square of its norm unless said otherwise. A closed list behind setters of [`Penalty`].
//!
//! A shape to be added is a variant of [`Shape`], a setter beside those below, a line in [`Shape::check`] and one in its
//! `Display`; [`Penalty::is_squared`] then keeps every engine for plain quadratic problems away from it.

use super::{Kind, Order, Penalty, Resolved};
use crate::error::{Error, Result, Size};
use crate::misfit::Profile;
use crate::scalar::Scalar;
use core::fmt;

/// R(z) as a function of v = Lz, a vector of p components.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// ‖v‖².
    Squared,
    /// Σ |vᵢ|.
    L1,
    /// ρΣ|vᵢ| + (1 − ρ)‖v‖².
    ElasticNet(f64),
    /// Σ √p_g‖v_g‖ over groups g of p_g components; one label for each component.
    Groups(Vec<usize>),
    /// Σ ‖v_s‖ over the points s of a grid, v_s the differences at that point.
    Isotropic,
    /// Σ ψ(vᵢ): by reweighting.
    Profile(Profile),
}

/// One term ω·R(z) of a sum, its L resolved.
pub(crate) struct Term<'a, T: Scalar> {
    /// ω ≥ 0: it multiplies R as written, whatever the shape.
    pub weight: f64,
    pub l: Resolved<'a, T>,
    pub shape: Shape,
    /// For groups and isotropic differences: the components that belong together.
    pub groups: Vec<Vec<usize>>,
}

/// The number of rows of an L, and its entries as (row, column, value).
pub(crate) type TermEntries<T> = (usize, Vec<(usize, usize, T)>);

impl<'a, T: Scalar> Penalty<'a, T> {
    /// R(z) = ‖Lz‖₁ = Σ |(Lz)ᵢ| instead of ‖Lz‖²: the lasso for L = I, total variation for L = a first difference, trend
    /// filtering for a second difference. Many (Lz)ᵢ are then exactly 0.
    ///
    /// With [`diagonal`](Self::diagonal)`(w)` it is Σ wⱼ|zⱼ|: weights of the coefficients, 0 for one that is free. On a
    /// [`sum`](Self::sum) it applies to each term: Σ ωⱼ‖Lⱼz‖₁, the fused lasso for L₁ = I and L₂ = a first difference.
    ///
    /// With [`Problem::bounds`](crate::Problem::bounds)`(0.0..)` it is the nonnegative lasso (L = I or diagonal, here and for
    /// [`elastic_net`](Self::elastic_net)).
    ///
    /// scikit-learn's `Lasso(alpha)` minimises RSS/2n + α‖x‖₁: λ = 2nα ([`Lambda::lasso`](crate::Lambda::lasso)).
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem};
    ///
    /// // orthonormal columns: each coefficient is Aᵀb moved towards 0 by λ/2
    /// let a = DenseView::column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// let fit = Problem::new(&a).penalty(Penalty::identity().l1()).solve(&[3.0, 0.2], 1.0)?;
    /// assert_eq!(fit.x, [2.5, 0.0]);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn l1(self) -> Self {
        self.shaped(&Shape::L1)
    }

    /// R(z) = ρ‖Lz‖₁ + (1 − ρ)‖Lz‖², 0 ≤ ρ ≤ 1: the elastic net. ρ = 1 is [`l1`](Self::l1), ρ = 0 the ridge.
    ///
    /// λ multiplies R exactly as written. scikit-learn and glmnet minimise RSS/2n + α(s‖x‖₁ + (1 − s)/2·‖x‖²): their α and s
    /// are λ = nα(1 + s) and ρ = 2s/(1 + s) here ([`Lambda::elastic_net`](crate::Lambda::elastic_net) returns both).
    ///
    /// Source: Zou, Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x.
    ///
    /// # Errors
    /// A ρ outside \[0, 1\] is refused when the problem is solved.
    pub fn elastic_net(self, rho: f64) -> Self {
        self.shaped(&Shape::ElasticNet(rho))
    }

    /// R(z) = Σ √p_g‖(Lz)_g‖ over groups of components, p_g the size of group g: whole groups are exactly 0, or none of it.
    ///
    /// `labels` has one label for each component of Lz (for each coefficient, with L = I); equal labels make a group, which need not be
    /// contiguous. Other weights than √p_g: [`diagonal`](Self::diagonal), constant on each group.
    ///
    /// Source: Yuan, Lin 2006, doi:10.1111/j.1467-9868.2005.00532.x.
    ///
    /// # Errors
    /// Labels that are not as many as the components of Lz are refused when the problem is solved.
    pub fn group_lasso(self, labels: &[usize]) -> Self {
        self.shaped(&Shape::Groups(labels.to_vec()))
    }

    /// R(z) = Σ ‖(∇z)_s‖ over the points s of a grid: isotropic total variation, which does not prefer edges along the axes as
    /// [`l1`](Self::l1) does. For [`first_difference_2d`](Self::first_difference_2d) and [`gradient`](Self::gradient), whose forward
    /// differences at one point are taken together.
    ///
    /// # Errors
    /// Other penalties are refused when the problem is solved.
    pub fn isotropic(self) -> Self {
        self.shaped(&Shape::Isotropic)
    }

    /// R(z) = Σ ψ((Lz)ᵢ) with Huber's ψ: the square up to δ, then 2δ|v| − δ²: large components are penalised like ℓ1, small ones
    /// like the square. Convex; solved by reweighted ridge problems.
    ///
    /// ```
    /// use wellposed::{DenseView, Penalty, Problem};
    /// let a = DenseView::column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// let fit = Problem::new(&a).penalty(Penalty::identity().huber(0.5)).solve(&[10.0_f64, 0.2], 1.0)?;
    /// assert!((fit.x[0] - 9.5).abs() < 1e-7 && (fit.x[1] - 0.1).abs() < 1e-7);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    ///
    /// Source: Huber 1964, doi:10.1214/aoms/1177703732.
    pub fn huber(self, delta: f64) -> Self {
        self.shaped(&Shape::Profile(Profile::Huber { delta }))
    }

    /// R(z) = Σ |(Lz)ᵢ|ᵖ, 0 < p ≤ 2, smoothed near 0 as [`Report::reweighted`](crate::Report::reweighted) says. p < 1 keeps edges and
    /// single spikes, and is not convex: a local minimum is found. For p = 1 [`l1`](Self::l1) is exact.
    pub fn power(self, p: f64) -> Self {
        self.shaped(&Shape::Profile(Profile::Power { p }))
    }

    /// R(z) = Σ (ν + 1)s²·log(1 + (Lz)ᵢ²/νs²): minus twice the logarithm of Student's density, times s². Not convex: a local minimum is
    /// found.
    pub fn student_t(self, freedom: f64, scale: f64) -> Self {
        self.shaped(&Shape::Profile(Profile::StudentT { freedom, scale }))
    }

    /// The terms of a sum, sums inside sums multiplied out: weight, ‖Lz‖² and what is measured instead of it.
    pub(crate) fn flat(&self) -> Vec<(f64, Self, Shape)> {
        match &self.kind {
            Kind::Sum(terms) => {
                let inside = |(weight, term): &(f64, Self)| {
                    term.flat().into_iter().map(|(w, term, shape)| (weight * w, term, shape)).collect::<Vec<_>>()
                };
                terms.iter().flat_map(inside).collect()
            }
            kind => vec![(1.0, Self::squared(kind.clone()), self.shape.clone())],
        }
    }

    /// The shape; that of each term of a sum.
    fn shaped(self, shape: &Shape) -> Self {
        match self.kind {
            Kind::Sum(terms) => Self {
                kind: Kind::Sum(terms.into_iter().map(|(weight, term)| (weight, term.shaped(shape))).collect()),
                shape: Shape::Squared,
            },
            kind => Self { kind, shape: shape.clone() },
        }
    }

    /// Whether R(z) = ‖Lz‖² for one L: what the engines for plain quadratic problems solve.
    pub(crate) fn is_squared(&self) -> bool {
        match &self.kind {
            Kind::Sum(terms) => terms.iter().all(|(_, term)| term.is_squared()),
            // the elastic net without its ℓ1 part is the square
            _ => self.shape == Shape::Squared || self.shape == Shape::ElasticNet(0.0),
        }
    }

    /// The entries (row, column, value) of the L of each term, in the order of [`terms`](Self::terms), with its number of rows.
    pub(crate) fn entries_of_terms(&self, n: usize) -> Result<Vec<TermEntries<T>>> {
        if let Kind::Sum(terms) = &self.kind {
            let each = terms.iter().map(|(_, term)| term.entries_of_terms(n)).collect::<Result<Vec<_>>>()?;
            return Ok(each.into_iter().flatten().collect());
        }
        let mut entries = Vec::new();
        let rows = self.for_each(n, &mut |i, j, value| entries.push((i, j, value)))?;
        Ok(vec![(rows, entries)])
    }

    /// Whether a term of it is measured by reweighting.
    pub(crate) fn is_reweighted(&self) -> bool {
        match &self.kind {
            Kind::Sum(terms) => terms.iter().any(|(_, term)| term.is_reweighted()),
            _ => matches!(self.shape, Shape::Profile(_)),
        }
    }

    /// R as a sum of terms for n unknowns, sums inside sums multiplied out; a term of weight 0 stays.
    ///
    /// # Errors
    /// Those of [`resolve`](Self::resolve), and parameters of a shape that are out of range.
    pub(crate) fn terms(&self, n: usize) -> Result<Vec<Term<'a, T>>> {
        let Kind::Sum(terms) = &self.kind else {
            let l = self.resolve(n)?;
            let components = match &l {
                Resolved::Identity | Resolved::Diagonal(_) => n,
                Resolved::Operator(l) => l.shape().0,
            };
            self.shape.check(components)?;
            let groups = match &self.shape {
                Shape::Groups(labels) => groups(labels),
                Shape::Isotropic => groups(&self.points()?),
                _ => Vec::new(),
            };
            return Ok(vec![Term { weight: 1.0, l, shape: self.shape.clone(), groups }]);
        };
        // the weights and the number of terms are checked there
        self.resolve(n)?;
        let mut all = Vec::with_capacity(terms.len());
        for (weight, penalty) in terms {
            all.extend(penalty.terms(n)?.into_iter().map(|term| Term { weight: weight * term.weight, ..term }));
        }
        Ok(all)
    }

    /// For each row of a gradient, the point of the grid whose forward difference it is (with zeros outside: the backward difference).
    fn points(&self) -> Result<Vec<usize>> {
        let (sizes, boundary) = match &self.kind {
            Kind::Difference2d { order: Order::First, rows, columns, boundary } => (vec![*rows, *columns], *boundary),
            Kind::Gradient { grid, boundary } => (grid.sizes().to_vec(), *boundary),
            _ => {
                return Err(Error::Unsupported {
                    what: "isotropic()",
                    with: "a penalty that is no gradient on a grid",
                    instead: "use Penalty::first_difference_2d or Penalty::gradient, or l1() and group_lasso(labels) with labels of your own",
                });
            }
        };
        let mut points = Vec::new();
        if sizes.contains(&0) {
            return Ok(points);
        }
        // one point more along each axis: with zeros outside the last difference belongs to a point beyond the end
        let strides: Vec<usize> = sizes
            .iter()
            .scan(1, |stride, &size| {
                let here = *stride;
                *stride *= size + 1;
                Some(here)
            })
            .collect();
        for axis in 0..sizes.len() {
            let mut extent = sizes.clone();
            extent[axis] = crate::operator::first_difference::<f64>(sizes[axis], boundary).rows_of_line();
            for k in 0..extent.iter().product() {
                let (mut rest, mut point) = (k, 0);
                for (size, stride) in extent.iter().zip(&strides) {
                    point += rest % size * stride;
                    rest /= size;
                }
                points.push(point);
            }
        }
        Ok(points)
    }
}

/// The places of each label, in the order of their first.
fn groups(labels: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_label = std::collections::HashMap::new();
    for (place, label) in labels.iter().enumerate() {
        let group = *of_label.entry(*label).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(place);
    }
    groups
}

impl Shape {
    /// Parameters in their range, labels as many as components.
    pub(crate) fn check(&self, components: usize) -> Result<()> {
        match self {
            Shape::ElasticNet(rho) if !(0.0..=1.0).contains(rho) => Err(Error::Parameter {
                name: "ρ of the elastic net",
                value: *rho,
                must_be: "from 0 (ridge) to 1 (lasso): it shares λ between the two penalties",
            }),
            Shape::Groups(labels) if labels.len() != components => Err(Error::Shape {
                what: "the list of group labels",
                found: Size::Length(labels.len()),
                expected: Size::Length(components),
                hint: "one label for each component of Lz (each coefficient, with L = I)",
            }),
            Shape::Profile(profile) => profile.check(),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Squared => Ok(()),
            Shape::L1 => f.write_str(", ℓ1"),
            Shape::ElasticNet(rho) => write!(f, ", elastic net (ρ = {rho})"),
            Shape::Groups(_) => f.write_str(", group lasso"),
            Shape::Isotropic => f.write_str(", isotropic"),
            Shape::Profile(profile) => write!(f, ", {profile}"),
        }
    }
}
