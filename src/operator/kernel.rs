//! Kernels of convolutions: what one point becomes. Gaussian blur, motion blur, defocus, or any array.

use crate::error::{Error, Result, Size};
use crate::scalar::{Real, Scalar};

/// The kernel of a [`convolution`](fn@super::convolution): an array with a named centre, stored column after column like the
/// images it acts on. A line is a kernel of one column.
///
/// ```
/// use wellposed::operator::Kernel;
///
/// // a point leaves half of itself where it is, and a quarter in each of the next two places
/// let trail = Kernel::line(&[0.5, 0.25, 0.25])?.centre(0, 0)?;
/// assert_eq!(trail.shape(), (3, 1));
/// assert_eq!(trail.centre_at(), (0, 0));
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel<T> {
    entries: Vec<T>,
    rows: usize,
    columns: usize,
    centre: (usize, usize),
}

impl<T: Scalar> Kernel<T> {
    /// A kernel of `rows`×`columns` entries, column after column, its centre at (rows/2, columns/2), rounded down.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no entry or their number is not rows·columns; [`Error::NonFinite`].
    pub fn new(entries: &[T], rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(entries.len()) || entries.is_empty() {
            return Err(Error::Shape {
                what: "the array of kernel entries",
                found: Size::Length(entries.len()),
                expected: Size::Shape(rows.max(1), columns.max(1)),
                hint: "a kernel has rows times columns entries, at least one",
            });
        }
        if let Some(index) = entries.iter().position(|value| !value.finite()) {
            return Err(Error::NonFinite { what: "the kernel", index: Size::Position(index % rows, index / rows) });
        }
        Ok(Self { entries: entries.to_vec(), rows, columns, centre: (rows / 2, columns / 2) })
    }

    /// A kernel along a line: one column.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn line(entries: &[T]) -> Result<Self> {
        Self::new(entries, entries.len(), 1)
    }

    /// The product of a line down and a line across: entry (i, j) is downᵢ·acrossⱼ.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn product(down: &[T], across: &[T]) -> Result<Self> {
        let entries: Vec<T> = across.iter().flat_map(|&a| down.iter().map(move |&d| d * a)).collect();
        Self::new(&entries, down.len(), across.len())
    }

    /// The entry that stays where the point is.
    ///
    /// # Errors
    /// [`Error::Parameter`] when it is not an entry of the kernel.
    pub fn centre(self, row: usize, column: usize) -> Result<Self> {
        for (name, value, count) in
            [("the row of the kernel's centre", row, self.rows), ("the column of the kernel's centre", column, self.columns)]
        {
            if value >= count {
                return Err(Error::Parameter {
                    name,
                    value: value as f64,
                    must_be: "an index inside the kernel; pad the kernel with zeros",
                });
            }
        }
        Ok(Self { centre: (row, column), ..self })
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Row and column of the centre.
    pub fn centre_at(&self) -> (usize, usize) {
        self.centre
    }

    /// The entries, column after column.
    pub fn entries(&self) -> &[T] {
        &self.entries
    }

    /// The entry at this distance from the centre; 0 outside.
    pub(crate) fn at(&self, down: isize, across: isize) -> T {
        let place = |centre: usize, offset: isize, count: usize| centre.checked_add_signed(offset).filter(|&index| index < count);
        match (place(self.centre.0, down, self.rows), place(self.centre.1, across, self.columns)) {
            (Some(i), Some(j)) => self.entries[i + j * self.rows],
            _ => T::ZERO,
        }
    }

    /// The entries with their distances from the centre.
    pub(crate) fn taps(&self) -> impl Iterator<Item = (isize, isize, T)> + '_ {
        let (row, column) = (self.centre.0 as isize, self.centre.1 as isize);
        self.entries.iter().enumerate().map(move |(t, &value)| ((t % self.rows) as isize - row, (t / self.rows) as isize - column, value))
    }

    /// Whether it equals its mirror images in both axes.
    pub(crate) fn is_symmetric(&self) -> bool {
        self.taps().all(|(down, across, value)| value == self.at(-down, across) && value == self.at(down, -across))
    }
}

/// exp(−t²/2σ²), |t| ≤ 4σ, with sum 1.
fn gaussian_values(sigma: f64) -> Result<Vec<f64>> {
    if !(0.0..=1e6).contains(&sigma) {
        return Err(Error::Parameter {
            name: "the standard deviation of a Gaussian kernel",
            value: sigma,
            must_be: "in [0, 1e6], in pixels",
        });
    }
    let radius = (4.0 * sigma).ceil() as i64;
    let value = |t: i64| if t == 0 { 1.0 } else { (-0.5 * (t as f64 / sigma).powi(2)).exp() };
    let values: Vec<f64> = (-radius..=radius).map(value).collect();
    let sum: f64 = values.iter().sum();
    Ok(values.into_iter().map(|value| value / sum).collect())
}

fn scalars<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&value| T::from_real(T::Real::from_f64(value))).collect()
}

/// Gaussian blur with the standard deviations `down` and `across`, in pixels: samples of the density to 4 standard
/// deviations, with sum 1. 0 leaves that axis as it is.
///
/// # Errors
/// [`Error::Parameter`] for a standard deviation that is negative, NaN or above 10⁶.
///
/// ```
/// use wellposed::operator::gaussian_kernel;
///
/// let kernel = gaussian_kernel::<f64>(2.0, 0.0)?;
/// assert_eq!(kernel.shape(), (17, 1));
/// assert!((kernel.entries().iter().sum::<f64>() - 1.0).abs() < 1e-15);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn gaussian_kernel<T: Scalar>(down: f64, across: f64) -> Result<Kernel<T>> {
    Kernel::product(&scalars(&gaussian_values(down)?), &scalars(&gaussian_values(across)?))
}

/// Motion blur: a straight path of `length` pixels, centred, at `angle` radians, 0 along a row and anticlockwise as the
/// image is seen (row 0 on top). Each pixel gets the length of the path inside it; the sum is 1.
///
/// # Errors
/// [`Error::Parameter`] for a length that is not in (0, 10⁴] or an angle that is not finite.
///
/// ```
/// use wellposed::operator::motion_kernel;
///
/// let kernel = motion_kernel::<f64>(3.0, 0.0)?;
/// assert_eq!(kernel.shape(), (1, 3));
/// assert!(kernel.entries().iter().all(|value| (value - 1.0 / 3.0).abs() < 1e-15));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn motion_kernel<T: Scalar>(length: f64, angle: f64) -> Result<Kernel<T>> {
    if !(length > 0.0 && length <= 1e4) {
        return Err(Error::Parameter { name: "the length of a motion kernel", value: length, must_be: "in (0, 10000], in pixels" });
    }
    if !angle.is_finite() {
        return Err(Error::Parameter { name: "the angle of a motion kernel", value: angle, must_be: "finite, in radians" });
    }
    // rows count downwards
    let clean = |v: f64| if v.abs() < 1e-15 { 0.0 } else { v };
    let (down, across) = (clean(-angle.sin()), clean(angle.cos()));
    // pixels are [k − ½, k + ½]: the path is cut where it crosses their edges
    let half = 0.5 * length;
    let mut cuts = vec![-half, half];
    for direction in [down, across] {
        let reach = (half * direction.abs() + 0.5).floor() as i64;
        if direction != 0.0 {
            cuts.extend((-reach..=reach + 1).map(|k| (k as f64 - 0.5) / direction).filter(|cut| cut.abs() < half));
        }
    }
    cuts.sort_by(f64::total_cmp);
    // an end on the edge of a pixel, but for rounding, does not reach into the next
    let radius = |direction: f64| (half * direction.abs() - 0.5 - 1e-9).max(0.0).ceil() as usize;
    let (r0, r1) = (radius(down), radius(across));
    let (rows, columns) = (2 * r0 + 1, 2 * r1 + 1);
    let mut values = vec![0.0; rows * columns];
    for piece in cuts.windows(2) {
        let middle = 0.5 * (piece[0] + piece[1]);
        let place = |direction: f64, radius: usize| ((middle * direction).round() + radius as f64).clamp(0.0, 2.0 * radius as f64) as usize;
        values[place(down, r0) + place(across, r1) * rows] += (piece[1] - piece[0]) / length;
    }
    Kernel::new(&scalars(&values), rows, columns)
}

/// Defocus: a disc of this radius in pixels. Each pixel gets the part of it that the disc covers (counted on 16×16 points of
/// the pixel); the sum is 1.
///
/// # Errors
/// [`Error::Parameter`] for a radius that is not in (0, 10³].
///
/// ```
/// use wellposed::operator::defocus_kernel;
///
/// let kernel = defocus_kernel::<f64>(3.0)?;
/// assert_eq!(kernel.shape(), (7, 7));
/// assert_eq!(kernel.entries()[0], 0.0); // a corner is outside
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn defocus_kernel<T: Scalar>(radius: f64) -> Result<Kernel<T>> {
    if !(radius > 0.0 && radius <= 1e3) {
        return Err(Error::Parameter { name: "the radius of a defocus kernel", value: radius, must_be: "in (0, 1000], in pixels" });
    }
    const POINTS: usize = 16;
    let reach = (radius - 0.5).max(0.0).ceil() as usize;
    let size = 2 * reach + 1;
    let offset = |t: usize| (t as f64 + 0.5) / POINTS as f64 - 0.5;
    let covered = |i: usize, j: usize| {
        let distance = |index: usize, t: usize| index as f64 - reach as f64 + offset(t);
        let inside = |(s, t): (usize, usize)| distance(i, s).hypot(distance(j, t)) <= radius;
        (0..POINTS).flat_map(|s| (0..POINTS).map(move |t| (s, t))).filter(|&point| inside(point)).count() as f64
    };
    let mut values: Vec<f64> = (0..size * size).map(|t| covered(t % size, t / size)).collect();
    let sum: f64 = values.iter().sum();
    if sum == 0.0 {
        // smaller than the distance of the points: a single one
        values[0] = 1.0;
    }
    let sum = if sum == 0.0 { 1.0 } else { sum };
    values.iter_mut().for_each(|value| *value /= sum);
    Kernel::new(&scalars(&values), size, size)
}
