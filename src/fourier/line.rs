//! Transforms of lines: n values ↔ their frequencies, of which a real line needs only the first n/2 + 1.

use crate::scalar::Scalar;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};
use std::sync::Arc;

/// Transforms of one length, of any number of lines one after another.
pub trait Line<T: Scalar>: Send + Sync {
    /// n.
    fn values(&self) -> usize;
    /// Frequencies kept: n, or n/2 + 1 for real values, whose others are conjugates of these.
    fn bins(&self) -> usize;
    /// Length of the scratch that both directions need.
    fn scratch(&self) -> usize;
    /// Frequencies of each line; `lines` is overwritten.
    fn forward(&self, lines: &mut [T], bins: &mut [T::Complex], scratch: &mut [T::Complex]);
    /// n times the values of each line; `bins` is overwritten.
    fn inverse(&self, bins: &mut [T::Complex], lines: &mut [T], scratch: &mut [T::Complex]);
}

struct RealLine<R> {
    forward: Arc<dyn RealToComplex<R>>,
    inverse: Arc<dyn ComplexToReal<R>>,
}

struct ComplexLine<R> {
    forward: Arc<dyn Fft<R>>,
    inverse: Arc<dyn Fft<R>>,
}

pub(super) fn real_line<R>(n: usize) -> Arc<dyn Line<R>>
where
    R: FftNum + Scalar<Complex = Complex<R>>,
{
    let mut planner = RealFftPlanner::<R>::new();
    Arc::new(RealLine { forward: planner.plan_fft_forward(n), inverse: planner.plan_fft_inverse(n) })
}

pub(super) fn complex_line<R>(n: usize) -> Arc<dyn Line<Complex<R>>>
where
    R: FftNum,
    Complex<R>: Scalar<Complex = Complex<R>>,
{
    let mut planner = FftPlanner::<R>::new();
    Arc::new(ComplexLine { forward: planner.plan_fft_forward(n), inverse: planner.plan_fft_inverse(n) })
}

impl<R> Line<R> for RealLine<R>
where
    R: FftNum + Scalar<Complex = Complex<R>>,
{
    fn values(&self) -> usize {
        self.forward.len()
    }
    fn bins(&self) -> usize {
        self.forward.len() / 2 + 1
    }
    fn scratch(&self) -> usize {
        self.forward.get_scratch_len().max(self.inverse.get_scratch_len())
    }
    fn forward(&self, lines: &mut [R], bins: &mut [Complex<R>], scratch: &mut [Complex<R>]) {
        let (n, kept) = (self.values(), self.bins());
        for (line, bins) in lines.chunks_exact_mut(n).zip(bins.chunks_exact_mut(kept)) {
            // it refuses wrong lengths alone, and the chunks have the right ones
            let done = self.forward.process_with_scratch(line, bins, &mut scratch[..self.forward.get_scratch_len()]);
            debug_assert!(done.is_ok());
        }
    }
    fn inverse(&self, bins: &mut [Complex<R>], lines: &mut [R], scratch: &mut [Complex<R>]) {
        let (n, kept) = (self.values(), self.bins());
        for (line, bins) in lines.chunks_exact_mut(n).zip(bins.chunks_exact_mut(kept)) {
            // the frequencies that are their own conjugates are real but for rounding
            bins[0].im = R::ZERO;
            if n % 2 == 0 {
                bins[kept - 1].im = R::ZERO;
            }
            let done = self.inverse.process_with_scratch(bins, line, &mut scratch[..self.inverse.get_scratch_len()]);
            debug_assert!(done.is_ok());
        }
    }
}

impl<R> Line<Complex<R>> for ComplexLine<R>
where
    R: FftNum,
    Complex<R>: Scalar<Complex = Complex<R>>,
{
    fn values(&self) -> usize {
        self.forward.len()
    }
    fn bins(&self) -> usize {
        self.forward.len()
    }
    fn scratch(&self) -> usize {
        self.forward.get_outofplace_scratch_len().max(self.inverse.get_outofplace_scratch_len())
    }
    fn forward(&self, lines: &mut [Complex<R>], bins: &mut [Complex<R>], scratch: &mut [Complex<R>]) {
        self.forward.process_outofplace_with_scratch(lines, bins, scratch);
    }
    fn inverse(&self, bins: &mut [Complex<R>], lines: &mut [Complex<R>], scratch: &mut [Complex<R>]) {
        self.inverse.process_outofplace_with_scratch(bins, lines, scratch);
    }
}

/// The least even length ≥ n with no prime factor above 5 (or 1): what the transforms are fast for. `None` where it overflows.
pub fn smooth_length(n: usize) -> Option<usize> {
    if n <= 1 {
        return Some(1);
    }
    let mut length = n.checked_add(n % 2)?;
    loop {
        let mut rest = length;
        for prime in [2, 3, 5] {
            while rest % prime == 0 {
                rest /= prime;
            }
        }
        if rest == 1 {
            return Some(length);
        }
        length = length.checked_add(2)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_lengths() {
        let found: Vec<usize> = [0, 1, 2, 3, 7, 13, 127, 517, 1031].into_iter().filter_map(smooth_length).collect();
        assert_eq!(found, [1, 1, 2, 4, 8, 16, 128, 540, 1080]);
        assert_eq!(smooth_length(usize::MAX), None);
    }
}
