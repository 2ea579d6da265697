//! Transforms of two-dimensional arrays in two passes: down the columns, then along the rows, a block of rows at a time in
//! cache. A convolution does the second pass there and back without leaving the cache.
//!
//! Each pass writes its own part of its result and gathers what it reads, so that threads share nothing that is written:
//! the bits are the same for every number of threads.

use super::Fourier;
use super::line::Line;
use crate::linalg::in_parts;
use crate::scalar::Scalar;
use std::sync::Arc;

/// Rows (or columns) that are gathered together: eight complex numbers of double precision fill two cache lines.
const TOGETHER: usize = 8;
/// Below this many frequencies one thread does it all. A guess: not measured.
const THREADS_FROM: usize = 1 << 15;

/// How an axis of values lies on a longer (or equal) axis of the transform.
#[derive(Debug, Clone)]
pub struct Window {
    /// Values; the axis begins with them.
    pub values: usize,
    /// Further positions that repeat a value: (position, value). All others are 0.
    pub copies: Vec<(usize, usize)>,
}

impl Window {
    /// Nothing but the values.
    pub fn plain(values: usize) -> Self {
        Self { values, copies: Vec::new() }
    }

    /// axis ← the values, their copies, and zeros.
    fn spread<T: Scalar>(&self, axis: &mut [T]) {
        axis[self.values..].fill(T::ZERO);
        for &(position, value) in &self.copies {
            axis[position] = axis[value];
        }
    }

    /// The adjoint of [`spread`](Self::spread): what the copies hold is added to their values.
    fn fold<T: Scalar>(&self, axis: &mut [T]) {
        for &(position, value) in &self.copies {
            let copy = axis[position];
            axis[value] += copy;
        }
    }
}

/// Plans for arrays of P₀×P₁ values.
pub struct Plane<T: Scalar> {
    down: Arc<dyn Line<T>>,
    across: Arc<dyn Line<T::Complex>>,
}

impl<T: Scalar> Clone for Plane<T> {
    fn clone(&self) -> Self {
        Self { down: self.down.clone(), across: self.across.clone() }
    }
}

/// What a transform writes on the way: kept by the caller, so that no product allocates.
pub struct Workspace<T: Scalar> {
    /// The columns' frequencies, column after column.
    columns: Vec<T::Complex>,
    /// The same, row after row.
    rows: Vec<T::Complex>,
    /// One for each thread.
    scratches: Vec<Scratch<T>>,
}

struct Scratch<T: Scalar> {
    values: Vec<T>,
    bins: Vec<T::Complex>,
    lines: Vec<T::Complex>,
    spectra: Vec<T::Complex>,
    line: Vec<T::Complex>,
}

impl<T: Scalar> Plane<T> {
    /// Plans for P₀ rows and P₁ columns, at least one of each.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { down: T::line(rows), across: T::Complex::line(columns) }
    }

    /// (H, P₁): frequencies kept down the columns, and along the rows.
    pub fn bins(&self) -> (usize, usize) {
        (self.down.bins(), self.across.bins())
    }

    /// Frequencies of a P₀×P₁ array, row after row: frequency (h, k) at h·P₁ + k.
    pub fn forward(&self, x: &[T], bins: &mut [T::Complex], workspace: &mut Workspace<T>) {
        let (height, width) = self.bins();
        let Workspace { columns, scratches, .. } = workspace;
        self.columns_forward(x, &Window::plain(self.down.values()), width, columns, scratches);
        let columns = &columns[..];
        in_parts(bins, width, scratches, |first, bins, scratch| {
            for (block, bins) in bins.chunks_mut(TOGETHER * width).enumerate() {
                let count = bins.len() / width;
                let lines = &mut scratch.lines[..count * width];
                gather(columns, height, first + block * TOGETHER, lines, width, width);
                self.across.forward(lines, bins, &mut scratch.line);
            }
        });
    }

    /// P₀P₁ times the array of these frequencies, which are overwritten.
    pub fn inverse(&self, bins: &mut [T::Complex], x: &mut [T], workspace: &mut Workspace<T>) {
        let (_, width) = self.bins();
        let Workspace { rows, scratches, .. } = workspace;
        for (bins, row) in bins.chunks_exact_mut(width).zip(rows.chunks_exact_mut(width)) {
            self.across.inverse(bins, row, &mut scratches[0].line);
        }
        self.columns_inverse(rows, width, &Window::plain(self.down.values()), x, scratches);
    }

    /// Spreads x over the plane by the windows `from`, multiplies its frequencies by `factors` (or their conjugates), and
    /// reads y by the windows `to`, whose copies are added to their values. P₀P₁ times that, unless `factors` has the factor.
    pub fn filter(
        &self,
        x: &[T],
        from: &[Window; 2],
        factors: &[T::Complex],
        conjugate: bool,
        to: &[Window; 2],
        y: &mut [T],
        workspace: &mut Workspace<T>,
    ) {
        let (height, width) = self.bins();
        let Workspace { columns, rows, scratches } = workspace;
        self.columns_forward(x, &from[0], from[1].values, columns, scratches);
        let columns = &columns[..];
        let kept = to[1].values;
        if kept == 0 {
            return;
        }
        in_parts(&mut rows[..height * kept], kept, scratches, |first, rows, scratch| {
            for (block, rows) in rows.chunks_mut(TOGETHER * kept).enumerate() {
                let (start, count) = (first + block * TOGETHER, rows.len() / kept);
                let (lines, spectra) = (&mut scratch.lines[..count * width], &mut scratch.spectra[..count * width]);
                gather(columns, height, start, lines, width, from[1].values);
                lines.chunks_exact_mut(width).for_each(|line| from[1].spread(line));
                self.across.forward(lines, spectra, &mut scratch.line);
                let factors = &factors[start * width..][..count * width];
                if conjugate {
                    spectra.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor.conj());
                } else {
                    spectra.iter_mut().zip(factors).for_each(|(value, factor)| *value *= *factor);
                }
                self.across.inverse(spectra, lines, &mut scratch.line);
                for (line, row) in lines.chunks_exact_mut(width).zip(rows.chunks_exact_mut(kept)) {
                    to[1].fold(line);
                    row.copy_from_slice(&line[..kept]);
                }
            }
        });
        self.columns_inverse(rows, kept, &to[0], y, scratches);
    }

    /// The columns of x, spread and transformed.
    fn columns_forward(&self, x: &[T], window: &Window, count: usize, columns: &mut [T::Complex], scratches: &mut [Scratch<T>]) {
        let height = self.down.bins();
        in_parts(&mut columns[..count * height], height, scratches, |first, columns, scratch| {
            for (j, column) in columns.chunks_exact_mut(height).enumerate() {
                let line = &mut scratch.values[..self.down.values()];
                line[..window.values].copy_from_slice(&x[(first + j) * window.values..][..window.values]);
                window.spread(line);
                self.down.forward(line, column, &mut scratch.line);
            }
        });
    }

    /// `count` columns from the frequencies that the rows hold.
    fn columns_inverse(&self, rows: &[T::Complex], count: usize, window: &Window, y: &mut [T], scratches: &mut [Scratch<T>]) {
        let (height, length) = (self.down.bins(), window.values);
        if length == 0 {
            return;
        }
        in_parts(&mut y[..count * length], length, scratches, |first, y, scratch| {
            for (block, y) in y.chunks_mut(TOGETHER * length).enumerate() {
                let together = y.len() / length;
                let bins = &mut scratch.bins[..together * height];
                gather(rows, count, first + block * TOGETHER, bins, height, height);
                for (bins, y) in bins.chunks_exact_mut(height).zip(y.chunks_exact_mut(length)) {
                    let line = &mut scratch.values[..self.down.values()];
                    self.down.inverse(bins, line, &mut scratch.line);
                    window.fold(line);
                    y.copy_from_slice(&line[..length]);
                }
            }
        });
    }
}

/// lines[b·stride + j] ← from[j·across + start + b] for j < `count`: some of the columns of a row-major array, as lines.
#[inline]
fn gather<C: Copy>(from: &[C], across: usize, start: usize, lines: &mut [C], stride: usize, count: usize) {
    let together = lines.len() / stride;
    for j in 0..count {
        let from = &from[j * across + start..][..together];
        for (b, &value) in from.iter().enumerate() {
            lines[b * stride + j] = value;
        }
    }
}

impl<T: Scalar> Workspace<T> {
    /// The buffers that `plane` needs, for so many threads where the plane is worth them.
    pub fn new(plane: &Plane<T>, threads: usize) -> Self {
        let (height, width) = plane.bins();
        let threads = Self::threads(plane, threads);
        let zeros = |length: usize| vec![T::Complex::ZERO; length];
        let scratch = || Scratch {
            values: vec![T::ZERO; plane.down.values()],
            bins: zeros(TOGETHER * height),
            lines: zeros(TOGETHER * width),
            spectra: zeros(TOGETHER * width),
            line: zeros(plane.down.scratch().max(plane.across.scratch())),
        };
        Self { columns: zeros(height * width), rows: zeros(height * width), scratches: (0..threads).map(|_| scratch()).collect() }
    }

    /// How many of the available threads this plane is worth.
    fn threads(plane: &Plane<T>, available: usize) -> usize {
        let (height, width) = plane.bins();
        if height.saturating_mul(width) < THREADS_FROM { 1 } else { available.max(1) }
    }

    /// Whether the workspace was made for so many threads.
    pub fn serves(&self, plane: &Plane<T>, threads: usize) -> bool {
        self.scratches.len() == Self::threads(plane, threads)
    }
}
