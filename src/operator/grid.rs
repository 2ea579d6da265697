//! Gradient and Laplacian on grids of one, two or three dimensions, with a spacing for each axis. Never stored.
//!
//! The values of a grid are stored with the first index running fastest: column after column, then slice after slice.
//! A product costs one to three additions an entry and axis, and allocates nothing.

use super::diagonal::squared_frequencies;
use super::difference::Axis;
use super::{Basis, Boundary, Operator};
use crate::error::{Error, Result, Size};
use crate::scalar::{Real, Scalar};
use core::fmt;
use core::marker::PhantomData;

/// A regular grid of one, two or three dimensions, the first index running fastest.
///
/// ```
/// use wellposed::operator::{Boundary, Grid, Operator};
///
/// // 3×2 points, twice as far apart along the second index
/// let grid = Grid::new(&[3, 2])?.spacing(&[1.0, 2.0])?;
/// let gradient = grid.gradient(Boundary::Free);
/// let mut y = [0.0; 7];
/// gradient.apply(&[1.0, 2.0, 4.0, 5.0, 6.0, 8.0], &mut y);
/// assert_eq!(y, [1.0, 2.0, 1.0, 2.0,   // along the first index
///                2.0, 2.0, 2.0]);      // along the second: differences of 4, over 2
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    sizes: Vec<usize>,
    spacing: Vec<f64>,
}

impl Grid {
    /// A grid with so many points along each axis, at distances of 1.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not one to three axes, or more points than can be counted.
    pub fn new(sizes: &[usize]) -> Result<Self> {
        let points = sizes.iter().try_fold(1usize, |points, &size| points.checked_mul(size));
        if sizes.is_empty() || sizes.len() > 3 || points.is_none() {
            return Err(Error::Shape {
                what: "the list of the grid's sizes",
                found: Size::Length(sizes.len()),
                expected: Size::Length(sizes.len().clamp(1, 3)),
                hint: "a grid has one, two or three axes, and as many points as a vector can have",
            });
        }
        Ok(Self { sizes: sizes.to_vec(), spacing: vec![1.0; sizes.len()] })
    }

    /// The distance of the points along each axis: differences are divided by it (second differences by its square).
    ///
    /// # Errors
    /// [`Error::Shape`] when their number is not that of the axes, [`Error::Parameter`] for one that is not positive and finite.
    pub fn spacing(self, spacing: &[f64]) -> Result<Self> {
        if spacing.len() != self.sizes.len() {
            return Err(Error::Shape {
                what: "the list of spacings",
                found: Size::Length(spacing.len()),
                expected: Size::Length(self.sizes.len()),
                hint: "one spacing for each axis of the grid",
            });
        }
        if let Some(&value) = spacing.iter().find(|&&h| !(h > 0.0 && h.is_finite() && (1.0 / h / h).is_finite() && 1.0 / h / h > 0.0)) {
            return Err(Error::Parameter { name: "a spacing of the grid", value, must_be: "positive, with a square in the range of f64" });
        }
        Ok(Self { spacing: spacing.to_vec(), ..self })
    }

    /// Points along each axis.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The spacing of each axis.
    pub(crate) fn distances(&self) -> &[f64] {
        &self.spacing
    }

    /// Where point k stands, 0 along axes that are not there.
    pub(crate) fn place(&self, mut k: usize) -> [f64; 3] {
        let mut place = [0.0; 3];
        for ((place, &size), &spacing) in place.iter_mut().zip(&self.sizes).zip(&self.spacing) {
            *place = (k % size) as f64 * spacing;
            k /= size;
        }
        place
    }

    /// Points in all.
    pub fn points(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Differences of a degree along each axis, each with the factor 1/hᵈᵉᵍʳᵉᵉ.
    fn axes(&self, degree: usize, boundary: Boundary) -> Vec<(Axis, f64)> {
        // a grid without points has no differences, however long its other sides are
        let empty = self.points() == 0;
        (0..self.sizes.len())
            .map(|axis| {
                let inner = self.sizes[..axis].iter().product();
                let outer = self.sizes[axis + 1..].iter().product();
                let sizes = if empty { (0, 0, 0) } else { (outer, self.sizes[axis], inner) };
                (Axis::new(degree, boundary, sizes.0, sizes.1, sizes.2), self.spacing[axis].powi(-(degree as i32)))
            })
            .collect()
    }

    /// The gradient: first differences along the first axis, then along the second, then along the third, each divided by
    /// the spacing. Rows: those of [`first_difference`](super::first_difference) along each line of the grid.
    pub fn gradient<T: Scalar>(&self, boundary: Boundary) -> Gradient<T> {
        Gradient { axes: self.axes(1, boundary), points: self.points(), scalar: PhantomData }
    }

    /// The Laplacian: at each point the sum over the axes of second differences, divided by the square of the spacing.
    /// Square and self-adjoint.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for [`Boundary::Free`], where points at the edges have no second difference along one axis.
    ///
    /// ```
    /// use wellposed::operator::{Boundary, Grid, Operator};
    ///
    /// let laplacian = Grid::new(&[3, 3])?.laplacian(Boundary::Zero)?;
    /// let mut y = [0.0; 9];
    /// laplacian.apply(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], &mut y);
    /// assert_eq!(y, [0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0]);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn laplacian<T: Scalar>(&self, boundary: Boundary) -> Result<Laplacian<T>> {
        if boundary == Boundary::Free {
            return Err(Error::Unsupported {
                what: "the Laplacian",
                with: "a free boundary, at which it is not defined",
                instead: "use Boundary::Reflective (no flux through the edges), or second_difference_2d, whose axes are separate",
            });
        }
        Ok(Laplacian { axes: self.axes(2, boundary), points: self.points(), scalar: PhantomData })
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        write!(f, "{}", sizes.join("×"))?;
        if self.spacing.iter().any(|&h| h != 1.0) {
            let spacing: Vec<String> = self.spacing.iter().map(f64::to_string).collect();
            write!(f, ", spacing {}", spacing.join("×"))?;
        }
        Ok(())
    }
}

/// What [`Grid::gradient`] returns.
#[derive(Debug, Clone)]
pub struct Gradient<T> {
    axes: Vec<(Axis, f64)>,
    points: usize,
    scalar: PhantomData<fn() -> T>,
}

impl<T: Scalar> Gradient<T> {
    /// Each entry as (row, column, value).
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(usize, usize, T)) {
        let mut first_row = 0;
        for (axis, factor) in &self.axes {
            axis.for_each(&mut |row, column, value| visit(first_row + row, column, T::from_real(T::Real::from_f64(factor * value))));
            first_row += axis.outputs();
        }
    }
}

impl<T: Scalar> Operator for Gradient<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.axes.iter().fold(0, |rows: usize, (axis, _)| rows.saturating_add(axis.outputs())), self.points)
    }
    fn apply(&self, x: &[T], mut y: &mut [T]) {
        for (axis, factor) in &self.axes {
            let (along, rest) = y.split_at_mut(axis.outputs());
            axis.apply(x, along);
            if *factor != 1.0 {
                let factor = T::Real::from_f64(*factor);
                along.iter_mut().for_each(|value| *value = value.scale(factor));
            }
            y = rest;
        }
    }
    fn apply_adjoint(&self, mut y: &[T], x: &mut [T]) {
        x.fill(T::ZERO);
        for (axis, factor) in &self.axes {
            let (along, rest) = y.split_at(axis.outputs());
            axis.add_adjoint(*factor, along, x);
            y = rest;
        }
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        let sums = sums_of_frequencies(&self.axes, 2, basis)?;
        Some(sums.into_iter().map(f64::sqrt).collect())
    }
}

/// What [`Grid::laplacian`] returns.
#[derive(Debug, Clone)]
pub struct Laplacian<T> {
    axes: Vec<(Axis, f64)>,
    points: usize,
    scalar: PhantomData<fn() -> T>,
}

impl<T: Scalar> Laplacian<T> {
    /// Each entry as (row, column, value), each place once. Takes room for all of them.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(usize, usize, T)) {
        let mut entries: Vec<(usize, usize, f64)> = Vec::new();
        for (axis, factor) in &self.axes {
            axis.for_each(&mut |row, column, value| entries.push((row, column, factor * value)));
        }
        entries.sort_unstable_by_key(|&(row, column, _)| (row, column));
        for same in entries.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let sum = same.iter().map(|&(_, _, value)| value).sum();
            visit(same[0].0, same[0].1, T::from_real(T::Real::from_f64(sum)));
        }
    }
}

impl<T: Scalar> Operator for Laplacian<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.points, self.points)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        // second differences at these boundaries are self-adjoint
        y.fill(T::ZERO);
        for (axis, factor) in &self.axes {
            axis.add_adjoint(*factor, x, y);
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.apply(y, x);
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        sums_of_frequencies(&self.axes, 1, basis)
    }
}

/// Σ over the axes of factorᵖ·4 sin²(…), where the basis and the boundary go together.
fn sums_of_frequencies(axes: &[(Axis, f64)], power: i32, basis: &Basis) -> Option<Vec<f64>> {
    let (cosine, shape) = match *basis {
        Basis::Fourier { rows, columns } => (false, (rows, columns)),
        Basis::Cosine { rows, columns } => (true, (rows, columns)),
        _ => return None,
    };
    let along = |(axis, factor): &(Axis, f64)| -> Option<Vec<f64>> {
        let fits = match (axis.boundary, axis.degree) {
            (Boundary::Periodic, _) => !cosine,
            (Boundary::Reflective, _) | (Boundary::Free, 1) => cosine,
            _ => false,
        };
        let factor = factor.powi(power);
        fits.then(|| squared_frequencies(axis.n, cosine).into_iter().map(|square| factor * square).collect())
    };
    let (down, across) = match axes {
        [line] if shape == (line.0.n, 1) || shape == (1, line.0.n) => (along(line)?, vec![0.0]),
        [first, second] if shape == (first.0.n, second.0.n) => (along(first)?, along(second)?),
        _ => return None,
    };
    Some(across.iter().flat_map(|a| down.iter().map(move |d| a + d)).collect())
}
