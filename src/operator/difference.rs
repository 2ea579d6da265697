//! First and second differences along a line or on a grid: the L of smoothness penalties. Never stored.
//!
//! | | free | zero | periodic | reflective |
//! |---|---|---|---|---|
//! | first, row | [−1, 1] | [−1, 1] | [−1, 1] | [−1, 1] |
//! | first, shape | (n−1)×n | (n+1)×n | n×n | (n−1)×n |
//! | second, row | [1, −2, 1] | [1, −2, 1] | [1, −2, 1] | [1, −2, 1], at the ends [−1, 1] |
//! | second, shape | (n−2)×n | n×n | n×n | n×n |
//! | null space | constants (second: straight lines) | 0 | constants | constants |
//!
//! Periodic differences are diagonal in the Fourier basis; reflective ones, and free first differences, in that of the
//! cosine transform.
//!
//! A line that is too short for a single row of a free difference has an operator of 0 rows. On a periodic line of one
//! point each neighbour is the point itself, so that its difference is 0.
//!
//! A product costs one or two additions an entry, and allocates nothing.

use super::diagonal::{over_plane, squared_frequencies};
use super::{Basis, Operator};
use crate::scalar::{Real, Scalar};
use core::fmt;
use core::marker::PhantomData;

/// What a difference sees beyond the ends of the line (beyond the edges of the grid).
///
/// ```
/// use wellposed::operator::{Boundary, Operator, first_difference};
///
/// let shape = |boundary| first_difference::<f64>(5, boundary).shape();
/// assert_eq!(shape(Boundary::Free), (4, 5));
/// assert_eq!(shape(Boundary::Zero), (6, 5));
/// assert_eq!(shape(Boundary::Periodic), (5, 5));
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// Nothing: only differences between given values count, and the ends are free.
    Free,
    /// Zeros: the values are held to 0 just outside both ends.
    Zero,
    /// The other end: the last value is the left neighbour of the first.
    Periodic,
    /// The mirror image, the end between two equal values: first differences across the ends are 0 and have no row.
    Reflective,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Boundary::Free => "free",
            Boundary::Zero => "zero",
            Boundary::Periodic => "periodic",
            Boundary::Reflective => "reflective",
        })
    }
}

/// D₁ along a line of n values: row i is xᵢ₊₁ − xᵢ. (n−1)×n with free ends, (n+1)×n with zeros outside, n×n periodic.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, first_difference};
///
/// let x = [1.0, 4.0, 9.0];
/// let mut y = [0.0; 2];
/// first_difference(3, Boundary::Free).apply(&x, &mut y);
/// assert_eq!(y, [3.0, 5.0]);
///
/// let mut y = [0.0; 4];
/// first_difference(3, Boundary::Zero).apply(&x, &mut y);
/// assert_eq!(y, [1.0, 3.0, 5.0, -9.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn first_difference<T: Scalar>(n: usize, boundary: Boundary) -> Differences<T> {
    Differences::along_line(1, n, boundary)
}

/// D₂ along a line of n values: rows xᵢ₋₁ − 2xᵢ + xᵢ₊₁. (n−2)×n with free ends, n×n with zeros outside or periodic.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, second_difference};
///
/// let x = [1.0, 4.0, 9.0];
/// let mut y = [0.0; 1];
/// second_difference(3, Boundary::Free).apply(&x, &mut y);
/// assert_eq!(y, [2.0]);
///
/// let mut y = [0.0; 3];
/// second_difference(3, Boundary::Zero).apply(&x, &mut y);
/// assert_eq!(y, [2.0, 2.0, -14.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn second_difference<T: Scalar>(n: usize, boundary: Boundary) -> Differences<T> {
    Differences::along_line(2, n, boundary)
}

/// The gradient of an image of `rows`×`columns` pixels stored column after column: first the differences down each
/// column, then those from each column to the next.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, first_difference_2d};
///
/// let image = [1.0, 2.0,    // first column
///              5.0, 9.0];
/// let mut y = [0.0; 4];
/// first_difference_2d(2, 2, Boundary::Free).apply(&image, &mut y);
/// assert_eq!(y, [1.0, 4.0,    // down each column
///                4.0, 7.0]);  // from column to column
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn first_difference_2d<T: Scalar>(rows: usize, columns: usize, boundary: Boundary) -> Differences<T> {
    Differences::on_grid(1, rows, columns, boundary)
}

/// The second differences of an image of `rows`×`columns` pixels stored column after column: first those down each
/// column, then those along each row.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, second_difference_2d};
///
/// let image = [1.0, 4.0, 9.0];    // one column of three pixels
/// let mut y = [0.0; 1];
/// second_difference_2d(3, 1, Boundary::Free).apply(&image, &mut y);
/// assert_eq!(y, [2.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn second_difference_2d<T: Scalar>(rows: usize, columns: usize, boundary: Boundary) -> Differences<T> {
    Differences::on_grid(2, rows, columns, boundary)
}

/// What [`first_difference`], [`second_difference`] and their `_2d` forms return.
#[derive(Debug, Clone, Copy)]
pub struct Differences<T> {
    /// The line, or the columns of the grid.
    first: Axis,
    /// The rows of the grid.
    second: Option<Axis>,
    scalar: PhantomData<fn() -> T>,
}

impl<T: Scalar> Differences<T> {
    /// Differences of degree 1 or 2 along a line of n values.
    pub(crate) fn along_line(degree: usize, n: usize, boundary: Boundary) -> Self {
        Self { first: Axis::new(degree, boundary, 1, n, 1), second: None, scalar: PhantomData }
    }

    /// Differences of degree 1 or 2 along both axes of a grid stored column after column.
    pub(crate) fn on_grid(degree: usize, rows: usize, columns: usize, boundary: Boundary) -> Self {
        Self {
            first: Axis::new(degree, boundary, columns, rows, 1),
            second: Some(Axis::new(degree, boundary, 1, columns, rows)),
            scalar: PhantomData,
        }
    }
}

impl<T: Scalar> Differences<T> {
    /// How many differences there are along one line of the first axis.
    pub(crate) fn rows_of_line(&self) -> usize {
        self.first.rows()
    }

    /// Each entry as (row, column, value); those at one place count as their sum.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(usize, usize, T)) {
        let mut first_row = 0;
        for axis in [Some(self.first), self.second].into_iter().flatten() {
            axis.for_each(&mut |row, column, value| visit(first_row + row, column, T::from_real(T::Real::from_f64(value))));
            first_row += axis.outputs();
        }
    }
}

impl<T: Scalar> Operator for Differences<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        let Axis { outer, n, inner, .. } = self.first;
        (self.first.outputs().saturating_add(self.second.map_or(0, |axis| axis.outputs())), outer.saturating_mul(n).saturating_mul(inner))
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        let (along, across) = y.split_at_mut(self.first.outputs());
        self.first.apply(x, along);
        if let Some(axis) = self.second {
            axis.apply(x, across);
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        let (along, across) = y.split_at(self.first.outputs());
        x.fill(T::ZERO);
        self.first.add_adjoint(1.0, along, x);
        if let Some(axis) = self.second {
            axis.add_adjoint(1.0, across, x);
        }
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        let second = self.second.map_or(1, |axis| axis.n);
        let (cosine, shape) = match *basis {
            Basis::Fourier { rows, columns } => (false, (rows, columns)),
            Basis::Cosine { rows, columns } => (true, (rows, columns)),
            _ => return None,
        };
        // a line may lie along either side of a basis of one row or one column
        let turned = self.second.is_none() && shape == (1, self.first.n);
        let squares = |axis: &Axis| -> Option<Vec<f64>> {
            let squares = squared_frequencies(axis.n, cosine);
            match (axis.boundary, axis.degree) {
                (Boundary::Periodic, 1) if !cosine => Some(squares),
                (Boundary::Free | Boundary::Reflective, 1) if cosine => Some(squares),
                (Boundary::Periodic, 2) if !cosine => Some(squares.into_iter().map(|square| square * square).collect()),
                (Boundary::Reflective, 2) if cosine => Some(squares.into_iter().map(|square| square * square).collect()),
                _ => None,
            }
        };
        if shape != (self.first.n, second) && !turned {
            return None;
        }
        let across = self.second.as_ref().map_or_else(|| Some(vec![0.0]), squares)?;
        Some(over_plane(&squares(&self.first)?, &across))
    }
}

/// Differences along the middle index of an array of `inner`×n×`outer` values, the first index running fastest.
///
/// Seen this way, the inner rows of both axes are the same loop over contiguous memory: the neighbour of entry t is
/// entry t + `inner`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) degree: usize,
    pub(super) boundary: Boundary,
    outer: usize,
    pub(super) n: usize,
    inner: usize,
}

impl Axis {
    pub(super) fn new(degree: usize, boundary: Boundary, outer: usize, n: usize, inner: usize) -> Self {
        assert!(degree == 1 || degree == 2, "first and second differences only");
        Self { degree, boundary, outer, n, inner }
    }

    /// Differences along one line.
    fn rows(&self) -> usize {
        match (self.boundary, self.degree) {
            (Boundary::Free, degree) => self.n.saturating_sub(degree),
            (Boundary::Reflective, 1) => self.n.saturating_sub(1),
            (Boundary::Zero, 1) => self.n.saturating_add(1),
            (Boundary::Zero | Boundary::Periodic | Boundary::Reflective, _) => self.n,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outer.saturating_mul(self.rows()).saturating_mul(self.inner)
    }

    /// How far the first value that row 0 sees lies before the line.
    fn lead(&self) -> usize {
        match (self.boundary, self.degree) {
            (Boundary::Zero, _) | (Boundary::Periodic | Boundary::Reflective, 2) => 1,
            _ => 0,
        }
    }

    /// How many rows see only the line itself; they follow the first `lead` rows.
    fn core(&self) -> usize {
        self.n.saturating_sub(self.degree)
    }

    fn coefficients(&self) -> &'static [f64] {
        if self.degree == 1 { &[-1.0, 1.0] } else { &[1.0, -2.0, 1.0] }
    }

    /// The rows that see beyond an end, as (row, value, coefficient).
    fn edges(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let (lead, n) = (self.lead(), self.n);
        let rows = (0..lead.min(self.rows())).chain(lead + self.core()..self.rows());
        rows.flat_map(move |row| {
            self.coefficients().iter().enumerate().filter_map(move |(tap, &coefficient)| {
                let position = (row + tap) as isize - lead as isize;
                let value = match self.boundary {
                    Boundary::Periodic => usize::try_from(position.rem_euclid(n as isize)).ok(),
                    // a line has n ≥ 1 values where it has edges, and no row reaches beyond the first image
                    Boundary::Reflective => {
                        usize::try_from(if position < 0 { -1 - position } else { position.min(2 * n as isize - 1 - position) }).ok()
                    }
                    Boundary::Free | Boundary::Zero => usize::try_from(position).ok().filter(|&value| value < n),
                };
                value.map(|value| (row, value, coefficient))
            })
        })
    }

    /// Each entry as (row, column, coefficient), row after row but for those at the edges.
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(usize, usize, f64)) {
        let (length, width, inner) = (self.n * self.inner, self.rows() * self.inner, self.inner);
        let (lead, core) = (self.lead() * inner, self.core() * inner);
        for line in 0..self.outer {
            for row in 0..core {
                for (tap, &coefficient) in self.coefficients().iter().enumerate() {
                    visit(line * width + lead + row, line * length + row + tap * inner, coefficient);
                }
            }
        }
        for (row, value, coefficient) in self.edges() {
            for line in 0..self.outer {
                for t in 0..inner {
                    visit(line * width + row * inner + t, line * length + value * inner + t, coefficient);
                }
            }
        }
    }

    pub(super) fn apply<T: Scalar>(&self, x: &[T], y: &mut [T]) {
        let (length, width, inner) = (self.n * self.inner, self.rows() * self.inner, self.inner);
        let (start, core) = (self.lead() * inner, self.core() * inner);
        for line in 0..self.outer {
            let (x, y) = (&x[line * length..][..length], &mut y[line * width..][..width]);
            if core > 0 {
                let y = &mut y[start..start + core];
                if self.degree == 1 {
                    for ((y, &a), &b) in y.iter_mut().zip(x).zip(&x[inner..]) {
                        *y = b - a;
                    }
                } else {
                    for (((y, &a), &b), &c) in y.iter_mut().zip(x).zip(&x[inner..]).zip(&x[2 * inner..]) {
                        *y = (a - b) + (c - b);
                    }
                }
            }
            y[..start.min(width)].fill(T::ZERO);
            y[(start + core).min(width)..].fill(T::ZERO);
            for (row, value, coefficient) in self.edges() {
                add_scaled(&mut y[row * inner..][..inner], coefficient, &x[value * inner..][..inner]);
            }
        }
    }

    /// x ← x + factor·Dᴴy.
    pub(super) fn add_adjoint<T: Scalar>(&self, factor: f64, y: &[T], x: &mut [T]) {
        let (length, width, inner) = (self.n * self.inner, self.rows() * self.inner, self.inner);
        let (start, core) = (self.lead() * inner, self.core() * inner);
        for line in 0..self.outer {
            let (x, y) = (&mut x[line * length..][..length], &y[line * width..][..width]);
            if core > 0 {
                for (tap, &coefficient) in self.coefficients().iter().enumerate() {
                    add_scaled(&mut x[tap * inner..][..core], factor * coefficient, &y[start..start + core]);
                }
            }
            for (row, value, coefficient) in self.edges() {
                add_scaled(&mut x[value * inner..][..inner], factor * coefficient, &y[row * inner..][..inner]);
            }
        }
    }
}

/// y ← y + coefficient·x.
fn add_scaled<T: Scalar>(y: &mut [T], coefficient: f64, x: &[T]) {
    let coefficient = T::Real::from_f64(coefficient);
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x.scale(coefficient);
    }
}
