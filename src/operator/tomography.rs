//! Parallel-beam tomography: integrals of an image along parallel lines, for many angles. Never stored.
//!
//! Row (detector d, angle θ) of A holds the length of the line x·cosθ + y·sinθ = s_d inside each pixel (Siddon 1985,
//! doi:10.1118/1.595715; the lines are walked from pixel to pixel as by Amanatides and Woo 1987). The adjoint walks the same
//! lines and gives each pixel what the line sees of it, so that it is exact.
//!
//! Cost: about 2n pixels for each line, walked afresh for every product; nothing is stored but the angles. For the adjoint
//! each thread of the current pool has an image of its own (kept in the operator), and these are added in a fixed order: the
//! same bits for the same number of threads.

use super::Operator;
use crate::error::{Error, Result, Size};
use crate::linalg::{Threads, in_parts};
use crate::scalar::{Real, Scalar};
use core::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

/// Below this many pixels walked one thread does it all. A guess: not measured.
const THREADS_FROM: usize = 1 << 16;

/// The projections of an image of n×n square pixels of side 1 (stored column after column, row 0 on top, the middle at the
/// origin, x to the right and y upwards) for these angles in radians: θ = 0 sees along vertical lines.
///
/// There are `detectors` lines for each angle, `spacing` apart, the middle one through the origin: s_d =
/// (d − (detectors − 1)/2)·spacing. The sinogram of detectors×angles values is stored angle after angle. A line along
/// the edge between two pixels counts for the right or the lower one.
///
/// # Errors
/// [`Error::Shape`] when the image or the sinogram has more values than can be counted; [`Error::Parameter`] for an angle that
/// is not finite or a spacing that is not positive.
///
/// ```
/// use wellposed::operator::{Operator, dot_test, parallel_beam};
///
/// let scanner = parallel_beam::<f64>(4, &[0.0, 0.5, 1.0], 5, 1.0)?;
/// dot_test(&scanner)?;
/// let mut sinogram = [0.0; 15];
/// scanner.apply(&[1.0; 16], &mut sinogram);
/// assert_eq!(sinogram[..5], [4.0, 4.0, 4.0, 4.0, 0.0]);    // θ = 0; the last line runs along the right edge, outside
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn parallel_beam<T: Scalar>(n: usize, angles: &[f64], detectors: usize, spacing: f64) -> Result<ParallelBeam<T>> {
    for (rows, columns, what) in [(n, n, "the image of a tomograph"), (detectors, angles.len(), "the sinogram of a tomograph")] {
        if rows.checked_mul(columns).is_none_or(|values| values > isize::MAX as usize / 16) {
            return Err(Error::Shape {
                what,
                found: Size::Shape(rows, columns),
                expected: Size::Shape(rows.min(1 << 20), columns.min(1 << 20)),
                hint: "it must have as many values as a vector can have",
            });
        }
    }
    if let Some(&value) = angles.iter().find(|angle| !angle.is_finite()) {
        return Err(Error::Parameter { name: "an angle of a tomograph", value, must_be: "finite, in radians" });
    }
    if !(spacing > 0.0 && spacing.is_finite()) {
        return Err(Error::Parameter { name: "the spacing of the detectors", value: spacing, must_be: "positive and finite, in pixels" });
    }
    let directions = angles.iter().map(|angle| (angle.cos(), angle.sin())).collect();
    Ok(ParallelBeam { n, directions, detectors, spacing, accumulators: Mutex::new(Vec::new()), scalar: PhantomData })
}

/// What [`parallel_beam`] returns.
pub struct ParallelBeam<T> {
    n: usize,
    /// cos θ and sin θ.
    directions: Vec<(f64, f64)>,
    detectors: usize,
    spacing: f64,
    /// Images into which threads add: kept, so that products allocate nothing after the first.
    accumulators: Mutex<Vec<Vec<T>>>,
    scalar: PhantomData<fn() -> T>,
}

impl<T> Clone for ParallelBeam<T> {
    fn clone(&self) -> Self {
        Self { directions: self.directions.clone(), accumulators: Mutex::new(Vec::new()), ..*self }
    }
}

impl<T> core::fmt::Debug for ParallelBeam<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ParallelBeam({0}×{0} pixels, {1} angles, {2} detectors)", self.n, self.directions.len(), self.detectors)
    }
}

impl<T: Scalar> ParallelBeam<T> {
    /// (detectors, angles): the shape of the sinogram.
    pub fn sinogram(&self) -> (usize, usize) {
        (self.detectors, self.directions.len())
    }

    /// Calls `visit(pixel, length)` for each pixel on a line.
    #[inline]
    fn walk(&self, line: usize, mut visit: impl FnMut(usize, f64)) {
        let (cosine, sine) = self.directions[line / self.detectors];
        let s = ((line % self.detectors) as f64 - 0.5 * (self.detectors - 1) as f64) * self.spacing;
        let size = self.n as f64;
        // columns to the right, rows downwards: (u, v) = origin + t·direction, t the length along the line
        let clean = |value: f64| if value.abs() < 1e-14 { 0.0 } else { value };
        let (across, down) = (clean(-sine), clean(-cosine));
        let (u, v) = (0.5 * size + s * cosine, 0.5 * size - s * sine);
        let mut start = f64::NEG_INFINITY;
        let mut end = f64::INFINITY;
        for (origin, direction) in [(u, across), (v, down)] {
            if direction == 0.0 {
                if !(0.0..size).contains(&origin) {
                    return;
                }
                continue;
            }
            let (one, other) = (-origin / direction, (size - origin) / direction);
            start = start.max(one.min(other));
            end = end.min(one.max(other));
        }
        if !(end > start) {
            return;
        }
        let mut u = Crossings::new(u, across, start);
        let mut v = Crossings::new(v, down, start);
        let mut t = start;
        let last = self.n - 1;
        while t < end {
            let next = u.next.min(v.next).min(end);
            if next > t {
                let middle = 0.5 * (t + next);
                let pixel = u.pixel(middle).min(last) * self.n + v.pixel(middle).min(last);
                visit(pixel, next - t);
                t = next;
            }
            u.advance(t);
            v.advance(t);
        }
    }

    fn threads(&self) -> usize {
        let work = self.shape().0.saturating_mul(self.n);
        if work < THREADS_FROM { 1 } else { Threads::available().0.max(1) }
    }
}

/// Where a line crosses the edges of pixels along one axis.
struct Crossings {
    origin: f64,
    direction: f64,
    inverse: f64,
    /// The edge that comes next, and where.
    edge: f64,
    next: f64,
}

impl Crossings {
    fn new(origin: f64, direction: f64, start: f64) -> Self {
        let here = origin + start * direction;
        let (edge, inverse) = if direction > 0.0 { (here.floor(), 1.0 / direction) } else { (here.ceil(), 1.0 / direction) };
        let mut crossings = Self { origin, direction, inverse, edge, next: f64::NEG_INFINITY };
        if direction == 0.0 {
            crossings.next = f64::INFINITY;
        }
        crossings.advance(start);
        crossings
    }

    /// To the first edge beyond t.
    #[inline]
    fn advance(&mut self, t: f64) {
        while self.next <= t {
            self.edge += self.direction.signum();
            // not a sum of steps: no rounding errors gather along the line
            self.next = (self.edge - self.origin) * self.inverse;
        }
    }

    #[inline]
    fn pixel(&self, t: f64) -> usize {
        (self.origin + t * self.direction).max(0.0) as usize
    }
}

impl<T: Scalar> Operator for ParallelBeam<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.detectors * self.directions.len(), self.n * self.n)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        if self.n == 0 {
            return y.fill(T::ZERO);
        }
        // as many units as threads: no scratch is needed
        let mut nothing = [(); MOST_THREADS];
        let threads = self.threads().min(MOST_THREADS);
        in_parts(y, 1, &mut nothing[..threads], |first, y, ()| {
            for (line, y) in y.iter_mut().enumerate() {
                let mut sum = T::ZERO;
                self.walk(first + line, |pixel, length| sum += x[pixel].scale(T::Real::from_f64(length)));
                *y = sum;
            }
        });
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        x.fill(T::ZERO);
        if self.n == 0 {
            return;
        }
        let add_lines = |lines: core::ops::Range<usize>, image: &mut [T]| {
            for line in lines {
                let value = y[line];
                self.walk(line, |pixel, length| image[pixel] += value.scale(T::Real::from_f64(length)));
            }
        };
        let threads = self.threads().min(MOST_THREADS);
        if threads == 1 {
            return add_lines(0..y.len(), x);
        }
        // another product at the same time has images of its own
        let mut images = core::mem::take(&mut *self.accumulators.lock().unwrap_or_else(PoisonError::into_inner));
        images.resize_with(threads, Vec::new);
        let each = y.len().div_ceil(threads);
        let mut nothing = [(); MOST_THREADS];
        in_parts(&mut images, 1, &mut nothing[..threads], |first, images, ()| {
            for (part, image) in images.iter_mut().enumerate() {
                image.clear();
                image.resize(self.n * self.n, T::ZERO);
                let start = ((first + part) * each).min(y.len());
                add_lines(start..(start + each).min(y.len()), image);
            }
        });
        for image in &images {
            x.iter_mut().zip(image).for_each(|(x, &part)| *x += part);
        }
        *self.accumulators.lock().unwrap_or_else(PoisonError::into_inner) = images;
    }
}

/// More threads than these find no work that pays for an image each.
const MOST_THREADS: usize = 64;
