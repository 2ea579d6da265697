//! The orthonormal cosine transform of a two-dimensional array: yₖ = c·Σⱼ xⱼ cos(πk(2j + 1)/2n) along each axis (DCT-II),
//! with c = √(2/n), or √(1/n) for k = 0; its inverse is its transpose (DCT-III).
//!
//! One complex transform of length n for each line, after a permutation (Makhoul 1980, doi:10.1109/TASSP.1980.1163351).
//! The cosine transform is real and linear, so that two real lines go through it as the parts of one complex line.
//! With vⱼ = x₂ⱼ, v₍ₙ₋₁₋ⱼ₎ = x₂ⱼ₊₁, V = DFT(v) and wₖ = exp(−iπk/2n): 2Σⱼ xⱼ cos(…) = wₖVₖ + w̄ₖVₙ₋ₖ, and back
//! Vₖ = ½w̄ₖ(Yₖ − iYₙ₋ₖ), Yₙ = 0.

use super::Fourier;
use super::line::Line;
use crate::linalg::{in_parts, transpose};
use crate::scalar::{Real, Scalar};
use std::sync::Arc;

/// Below this many values one thread does it all. A guess: not measured.
const THREADS_FROM: usize = 1 << 15;

/// The transform of arrays of `rows`×`columns` values, stored column after column.
pub struct Cosine<T: Scalar> {
    rows: Axis<T>,
    columns: Axis<T>,
    threads: usize,
}

/// The transform of lines of n values.
struct Axis<T: Scalar> {
    line: Arc<dyn Line<T::Complex>>,
    /// wₖ.
    twiddles: Vec<T::Complex>,
    n: usize,
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Inverse,
}

struct Scratch<T: Scalar> {
    values: Vec<T::Complex>,
    bins: Vec<T::Complex>,
    line: Vec<T::Complex>,
}

impl<T: Scalar> Axis<T> {
    fn new(n: usize) -> Self {
        let twiddle = |k: usize| {
            let angle = core::f64::consts::PI * k as f64 / (2.0 * n as f64);
            T::Complex::from_parts(T::Real::from_f64(angle.cos()), T::Real::from_f64(-angle.sin()))
        };
        Self { line: T::Complex::line(n), twiddles: (0..n).map(twiddle).collect(), n }
    }

    /// Where value j of a line stands after the permutation.
    fn place(&self, j: usize) -> usize {
        if j.is_multiple_of(2) { j / 2 } else { self.n - 1 - j / 2 }
    }

    /// c for the sum with the factor 2, by which the definition above differs: c/2.
    fn norm(&self, k: usize) -> T::Real {
        T::Real::from_f64(if k == 0 { 0.5 / (self.n as f64).sqrt() } else { 1.0 / (2.0 * self.n as f64).sqrt() })
    }

    /// One complex line, in place in `scratch.values`.
    fn transform(&self, direction: Direction, scratch: &mut Scratch<T>) {
        let n = self.n;
        let (values, bins) = (&mut scratch.values[..n], &mut scratch.bins[..n]);
        match direction {
            Direction::Forward => {
                for (j, &value) in values.iter().enumerate() {
                    bins[self.place(j)] = value;
                }
                self.line.forward(bins, values, &mut scratch.line);
                bins.copy_from_slice(values);
                for (k, value) in values.iter_mut().enumerate() {
                    let w = self.twiddles[k];
                    *value = (w * bins[k] + w.conj() * bins[(n - k) % n]).scale(self.norm(k));
                }
            }
            Direction::Inverse => {
                let i = T::Complex::from_parts(T::Real::ZERO, T::Real::ONE);
                for k in 0..n {
                    let reflected = if k == 0 { T::Complex::ZERO } else { values[n - k].scale(T::Real::ONE / self.norm(n - k)) };
                    let here = values[k].scale(T::Real::ONE / self.norm(k));
                    // ½ from the formula, 1/n of the inverse transform
                    bins[k] = (self.twiddles[k].conj() * (here - i * reflected)).scale(T::Real::from_f64(0.5 / n as f64));
                }
                self.line.inverse(bins, values, &mut scratch.line);
                bins.copy_from_slice(values);
                for (j, value) in values.iter_mut().enumerate() {
                    *value = bins[self.place(j)];
                }
            }
        }
    }

    /// Every line of `lines`, one after another.
    fn all(&self, direction: Direction, lines: &mut [T], threads: usize) {
        let n = self.n;
        let fresh = |length: usize| vec![T::Complex::ZERO; length];
        let scratch = || Scratch { values: fresh(n), bins: fresh(n), line: fresh(self.line.scratch()) };
        let mut scratches: Vec<Scratch<T>> = (0..threads).map(|_| scratch()).collect();
        in_parts(lines, n, &mut scratches, |_, lines, scratch| {
            let together = if T::IS_COMPLEX { 1 } else { 2 };
            for pair in lines.chunks_mut(together * n) {
                let (first, second) = pair.split_at_mut(n);
                for (j, value) in scratch.values.iter_mut().enumerate() {
                    let imaginary = if T::IS_COMPLEX { first[j].imaginary() } else { second.get(j).map_or(T::Real::ZERO, |v| v.real()) };
                    *value = T::Complex::from_parts(first[j].real(), imaginary);
                }
                self.transform(direction, scratch);
                for (j, value) in scratch.values.iter().enumerate() {
                    first[j] = T::from_parts(value.real(), value.imaginary());
                    if let Some(second) = second.get_mut(j) {
                        *second = T::from_real(value.imaginary());
                    }
                }
            }
        });
    }
}

impl<T: Scalar> Cosine<T> {
    /// Plans for `rows`×`columns` values, at least one of each.
    pub fn new(rows: usize, columns: usize, threads: usize) -> Self {
        let threads = if rows.saturating_mul(columns) < THREADS_FROM { 1 } else { threads.max(1) };
        Self { rows: Axis::new(rows), columns: Axis::new(columns), threads }
    }

    /// The coefficients of x, in place: (k, l) at k + l·rows.
    pub fn forward(&self, x: &mut [T]) {
        self.both(Direction::Forward, x);
    }

    /// The array of these coefficients, in place.
    pub fn inverse(&self, x: &mut [T]) {
        self.both(Direction::Inverse, x);
    }

    fn both(&self, direction: Direction, x: &mut [T]) {
        let (rows, columns) = (self.rows.n, self.columns.n);
        self.rows.all(direction, x, self.threads);
        if columns == 1 {
            return;
        }
        let mut transposed = vec![T::ZERO; x.len()];
        transpose(x, rows, &mut transposed);
        self.columns.all(direction, &mut transposed, self.threads);
        transpose(&transposed, columns, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::scalar::{c32, c64};

    /// Against the definition, and back.
    fn agrees<T: Scalar>(tolerance: f64) {
        for (rows, columns) in [(1, 1), (2, 1), (5, 1), (8, 3), (7, 4), (1, 6)] {
            let x: Vec<T> = Random::new(7).scalars(rows * columns);
            let plan = Cosine::new(rows, columns, 2);
            let mut y = x.clone();
            plan.forward(&mut y);
            let wave = |k: usize, j: usize, n: usize| {
                let norm = if k == 0 { (1.0 / n as f64).sqrt() } else { (2.0 / n as f64).sqrt() };
                norm * (core::f64::consts::PI * (k * (2 * j + 1)) as f64 / (2 * n) as f64).cos()
            };
            for k in 0..rows {
                for l in 0..columns {
                    let mut sum = (0.0, 0.0);
                    for i in 0..rows {
                        for j in 0..columns {
                            let w = wave(k, i, rows) * wave(l, j, columns);
                            let value = x[i + j * rows];
                            sum = (sum.0 + w * value.real().to_f64(), sum.1 + w * value.imaginary().to_f64());
                        }
                    }
                    let found = y[k + l * rows];
                    assert!(
                        (found.real().to_f64() - sum.0).hypot(found.imaginary().to_f64() - sum.1) < tolerance,
                        "{rows}×{columns}: {k}, {l}"
                    );
                }
            }
            plan.inverse(&mut y);
            for (x, y) in x.iter().zip(&y) {
                assert!((*x - *y).modulus().to_f64() < tolerance);
            }
        }
    }

    #[test]
    fn the_cosine_transform_is_its_definition() {
        agrees::<f64>(1e-13);
        agrees::<c64>(1e-13);
        agrees::<f32>(1e-5);
        agrees::<c32>(1e-5);
    }
}
