//! How white a residual is: the normalized cumulative periodogram, in one dimension by a Fourier transform, in two by a
//! cosine transform.
//!
//! p_k = |DFT(r)_k|², q = ⌊m/2⌋, c_i = Σ_{k=1..i} p_k / Σ_{k=1..q} p_k. For white noise c is a straight line but for
//! fluctuations; the largest
//! departure from it has the Kolmogorov–Smirnov limit 1.36/√q at 5 %. The mean (k = 0) is left out. Hansen, Kilmer, Kjeldsen
//! 2006, BIT 46:41 (doi:10.1007/s10543-006-0042-7); Rust, O'Leary 2008, Inverse Problems 24:034005
//! (doi:10.1088/0266-5611/24/3/034005).
//! Complex data have two different halves of the spectrum: p_k is the mean of both, and thus the sum of the powers of the real and the
//! imaginary part.

use crate::fourier::{Cosine, Fourier, Line};
use crate::scalar::c64;
use std::sync::Arc;

/// Squared moduli of the frequencies 1..=⌊m/2⌋ of a series.
pub(crate) fn powers(r: &[c64]) -> Vec<f64> {
    Frequencies::line(r.len()).powers(r)
}

/// What turns residuals of one shape into the powers of their frequencies: planned once.
pub(crate) enum Frequencies {
    /// A series: the frequencies 1..=⌊m/2⌋ of a Fourier transform.
    Line(Arc<dyn Line<f64>>),
    /// A field stored column after column: cosine coefficients by growing distance from the mean, which is left out.
    Field {
        cosine: Cosine<f64>,
        /// The frequencies in their order.
        order: Vec<usize>,
    },
}

impl Frequencies {
    /// Of series of m numbers.
    pub fn line(m: usize) -> Self {
        Self::Line(f64::line(m.max(1)))
    }

    /// Of fields.
    pub fn field(rows: usize, columns: usize) -> Self {
        // the fraction of the highest frequency of each direction, by its square times (rows·columns)², exact for sensible sizes
        let distance = |k: usize| {
            let (i, j) = ((k % rows) as u128, (k / rows) as u128);
            (i * columns as u128).pow(2) + (j * rows as u128).pow(2)
        };
        let mut order: Vec<usize> = (1..rows * columns).collect();
        order.sort_by_key(|&k| (distance(k), k));
        Self::Field { cosine: Cosine::new(rows, columns, 1), order }
    }

    /// The powers of this residual.
    pub fn powers(&self, r: &[c64]) -> Vec<f64> {
        let mut powers = self.of_real(r.iter().map(|z| z.re).collect());
        if r.iter().any(|z| z.im != 0.0) {
            let imaginary = self.of_real(r.iter().map(|z| z.im).collect());
            powers.iter_mut().zip(imaginary).for_each(|(sum, p)| *sum += p);
        }
        powers
    }

    fn of_real(&self, mut r: Vec<f64>) -> Vec<f64> {
        match self {
            Self::Line(line) => {
                let mut bins = vec![c64::new(0.0, 0.0); line.bins()];
                line.forward(&mut r, &mut bins, &mut vec![c64::new(0.0, 0.0); line.scratch()]);
                bins[1..].iter().map(|z| z.norm_sqr()).collect()
            }
            Self::Field { cosine, order } => {
                cosine.forward(&mut r);
                order.iter().map(|&k| r[k] * r[k]).collect()
            }
        }
    }
}

/// The normalized cumulative periodogram; `None` when there is no power.
pub(crate) fn cumulative(powers: &[f64]) -> Option<Vec<f64>> {
    let total: f64 = powers.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    let mut sum = 0.0;
    Some(
        powers
            .iter()
            .map(|p| {
                sum += p;
                sum / total
            })
            .collect(),
    )
}

/// ‖c − line‖₂ and max|c − line| for the line of white noise.
pub(crate) fn departures(cumulative: &[f64]) -> (f64, f64) {
    let q = cumulative.len() as f64;
    let mut sum = 0.0;
    let mut largest = 0.0f64;
    for (k, c) in cumulative.iter().enumerate() {
        let departure = c - (k + 1) as f64 / q;
        sum += departure * departure;
        largest = largest.max(departure.abs());
    }
    (sum.sqrt(), largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use core::f64::consts::TAU;

    /// The powers by their definition, of lengths of every kind.
    #[test]
    fn powers_are_their_definition() {
        for m in [1, 2, 3, 4, 5, 7, 8, 12, 31, 64, 97, 100] {
            let r: Vec<c64> = Random::new(m as u64).scalars(m);
            let size: f64 = r.iter().map(|z| z.norm_sqr()).sum::<f64>() * m as f64;
            let power = |k: usize| {
                let wave = |j: usize| c64::cis(-TAU * ((j * k) % m) as f64 / m as f64);
                r.iter().enumerate().map(|(j, z)| z * wave(j)).sum::<c64>().norm_sqr()
            };
            let found = powers(&r);
            assert_eq!(found.len(), m / 2);
            for (k, found) in (1..).zip(found) {
                let expected = 0.5 * (power(k) + power(m - k));
                assert!((found - expected).abs() <= 1e-14 * size, "{m} {k}: {found} is not {expected}");
            }
        }
        assert!(powers(&[]).is_empty());
    }

    /// Parseval in both dimensions, a pure frequency where it belongs, and the order of the frequencies.
    #[test]
    fn powers_are_where_they_belong() {
        let m = 60;
        let wave: Vec<c64> = (0..m).map(|i| c64::new((TAU * 7.0 * i as f64 / m as f64).sin(), 0.0)).collect();
        let c = cumulative(&powers(&wave)).unwrap();
        assert!(c[5] < 1e-20 && (c[6] - 1.0).abs() < 1e-14 && c.len() == 30);
        let (rows, columns) = (6, 9);
        let r: Vec<c64> = Random::new(3).scalars::<f64>(rows * columns).into_iter().map(|x| c64::new(x, 0.0)).collect();
        let mean: f64 = r.iter().map(|z| z.re).sum::<f64>();
        let total: f64 = r.iter().map(|z| z.norm_sqr()).sum();
        let powers_2d = |r: &[c64]| Frequencies::field(rows, columns).powers(r);
        let sum: f64 = powers_2d(&r).iter().sum();
        assert!((sum + mean * mean / (rows * columns) as f64 - total).abs() < 1e-13 * total);
        // a field that varies slowly down its columns only: all power in the first of the sorted frequencies along them
        let slow: Vec<c64> = (0..rows * columns)
            .map(|k| c64::new((core::f64::consts::PI * (2 * (k / rows) + 1) as f64 / (2 * columns) as f64).cos(), 0.0))
            .collect();
        let c = cumulative(&powers_2d(&slow)).unwrap();
        assert!((c[0] - 1.0).abs() < 1e-14);
        assert!(cumulative(&[0.0; 4]).is_none());
    }

    /// White noise stays inside the Kolmogorov–Smirnov band about as often as it should; a trend does not.
    #[test]
    fn white_noise_is_white() {
        let mut outside = 0;
        for seed in 0..200 {
            let r: Vec<c64> = Random::new(seed).scalars::<f64>(129).into_iter().map(|x| c64::new(x, 0.0)).collect();
            let (_, largest) = departures(&cumulative(&powers(&r)).unwrap());
            outside += usize::from(largest > 1.36 / 64f64.sqrt());
        }
        assert!((1..=20).contains(&outside), "{outside} of 200, about 10 expected");
        let trend: Vec<c64> = (0..129).map(|i| c64::new(i as f64, 0.0)).collect();
        assert!(departures(&cumulative(&powers(&trend)).unwrap()).1 > 0.5);
    }
}
