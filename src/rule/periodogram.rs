//! How white a residual is: the normalized cumulative periodogram, in one dimension by a Fourier transform, in two by a
//! cosine transform.
//!
//! p_k = |DFT(r)_k|², q = ⌊m/2⌋, c_i = Σ_{k=1..i} p_k / Σ_{k=1..q} p_k. For white noise c is a straight line but for
//! fluctuations; the largest
//! departure from it has the Kolmogorov–Smirnov limit 1.36/√q at 5 %. The mean (k = 0) is left out. Hansen, Kilmer, Kjeldsen
//! 2006, BIT 46:41 (doi:10.1007/s10543-006-0042-7); Rust, O'Leary 2008, Inverse Problems 24:034005
//! (doi:10.1088/0266-5611/24/3/034005).
//! Complex data have two different halves of the spectrum: p_k is the mean of both.
//!
//! The transform is a power-of-two FFT with Bluestein's chirp for other lengths (Bluestein 1970,
//! doi:10.1109/TAU.1970.1162132), O(m log m): small
//! enough to have here, so that a rule needs no optional dependency.

use crate::scalar::c64;
use core::f64::consts::TAU;

/// Squared moduli of the frequencies 1..=⌊m/2⌋ of a series.
pub(crate) fn powers(r: &[c64]) -> Vec<f64> {
    Frequencies::line(r.len()).powers(&[r]).pop().unwrap_or_default()
}

/// What turns residuals of one shape into the powers of their frequencies: roots of unity and orders are made once.
pub(crate) enum Frequencies {
    /// A series: the frequencies 1..=⌊m/2⌋ of a Fourier transform.
    Line(Dft),
    /// A field of rows×columns stored column after column: cosine coefficients by growing distance from the mean, which is left out.
    Field {
        along_rows: Cosine,
        along_columns: Cosine,
        /// The frequencies in their order.
        order: Vec<usize>,
    },
}

impl Frequencies {
    /// Of series of m numbers.
    pub fn line(m: usize) -> Self {
        Self::Line(Dft::new(m))
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
        Self::Field { along_rows: Cosine::new(columns), along_columns: Cosine::new(rows), order }
    }

    /// The powers of each of these residuals.
    pub fn powers(&self, residuals: &[&[c64]]) -> Vec<Vec<f64>> {
        match self {
            Self::Line(dft) => {
                let real = residuals.iter().all(|r| r.iter().all(|z| z.im == 0.0));
                if real {
                    residuals.chunks(2).flat_map(|pair| of_pair(dft, pair)).collect()
                } else {
                    residuals.iter().map(|r| of_one(dft, r)).collect()
                }
            }
            Self::Field { along_rows, along_columns, order } => {
                residuals.iter().map(|r| of_field(r, along_rows, along_columns, order)).collect()
            }
        }
    }
}

fn of_one(dft: &Dft, r: &[c64]) -> Vec<f64> {
    let (m, transform) = (r.len(), dft.transform(r));
    (1..=m / 2).map(|k| 0.5 * (square(transform[k]) + square(transform[m - k]))).collect()
}

/// Two real series in one transform, as real and imaginary part: X_k = (Z_k + Z̄_{m−k})/2, Y_k = (Z_k − Z̄_{m−k})/2i.
fn of_pair(dft: &Dft, pair: &[&[c64]]) -> Vec<Vec<f64>> {
    let &[first, second] = pair else { return pair.iter().map(|r| of_one(dft, r)).collect() };
    let together: Vec<c64> = first.iter().zip(second).map(|(x, y)| c64::new(x.re, y.re)).collect();
    let (m, transform) = (together.len(), dft.transform(&together));
    let power = |sign: f64| (1..=m / 2).map(|k| 0.25 * square(transform[k] + transform[m - k].conj() * sign)).collect();
    vec![power(1.0), power(-1.0)]
}

fn of_field(r: &[c64], along_rows: &Cosine, along_columns: &Cosine, order: &[usize]) -> Vec<f64> {
    let (rows, columns) = (along_columns.dft.length, along_rows.dft.length);
    let mut field = r.to_vec();
    for column in field.chunks_mut(rows) {
        let transformed = along_columns.transform(column);
        column.copy_from_slice(&transformed);
    }
    let mut row = vec![c64::new(0.0, 0.0); columns];
    for i in 0..rows {
        for j in 0..columns {
            row[j] = field[i + j * rows];
        }
        for (j, value) in along_rows.transform(&row).into_iter().enumerate() {
            field[i + j * rows] = value;
        }
    }
    order.iter().map(|&k| square(field[k])).collect()
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

fn square(z: c64) -> f64 {
    z.re * z.re + z.im * z.im
}

/// e^{−2πi·k/n}.
fn root_of_unity(k: u128, n: u128) -> c64 {
    let angle = TAU * ((k % n) as f64 / n as f64);
    c64::new(angle.cos(), -angle.sin())
}

/// Σ_j r_j e^{−2πi·jk/m} for one m.
pub(crate) struct Dft {
    length: usize,
    roots: Vec<c64>,
    /// Of Bluestein's convolution, where m is no power of two: the chirp, and the transform of what it is convolved with.
    chirp: Option<(Vec<c64>, Vec<c64>)>,
}

impl Dft {
    fn new(m: usize) -> Self {
        if m <= 1 || m.is_power_of_two() {
            return Self { length: m, roots: roots(m), chirp: None };
        }
        // jk = (j² + k² − (k − j)²)/2 turns the sum into a convolution with a chirp
        let chirp: Vec<c64> = (0..m as u128).map(|k| root_of_unity(k * k, 2 * m as u128)).collect();
        let length = (2 * m - 1).next_power_of_two();
        let roots = roots(length);
        let mut kernel = vec![c64::new(0.0, 0.0); length];
        for k in 0..m {
            kernel[k] = chirp[k].conj();
            if k > 0 {
                kernel[length - k] = chirp[k].conj();
            }
        }
        fft(&mut kernel, &roots);
        Self { length: m, roots, chirp: Some((chirp, kernel)) }
    }

    fn transform(&self, r: &[c64]) -> Vec<c64> {
        let Some((chirp, kernel)) = &self.chirp else {
            let mut out = r.to_vec();
            fft(&mut out, &self.roots);
            return out;
        };
        let mut signal = vec![c64::new(0.0, 0.0); kernel.len()];
        for ((signal, r), chirp) in signal.iter_mut().zip(r).zip(chirp) {
            *signal = r * chirp;
        }
        fft(&mut signal, &self.roots);
        // the inverse transform is the conjugate of the transform of the conjugate
        for (s, k) in signal.iter_mut().zip(kernel) {
            *s = (*s * *k).conj();
        }
        fft(&mut signal, &self.roots);
        let scale = 1.0 / kernel.len() as f64;
        signal.iter().zip(chirp).map(|(s, chirp)| s.conj() * scale * chirp).collect()
    }
}

/// e^{−πi·k/h} for k < h at h + k, for h = 1, 2, 4, … below n: what each pass of a transform of length n reads, in order.
fn roots(n: usize) -> Vec<c64> {
    let mut roots = vec![c64::new(1.0, 0.0); n.max(1)];
    let mut half = 1;
    while half < n {
        for k in 0..half {
            roots[half + k] = root_of_unity(k as u128, 2 * half as u128);
        }
        half *= 2;
    }
    roots
}

/// In place, for a power of two.
fn fft(x: &mut [c64], roots: &[c64]) {
    let n = x.len();
    let bits = n.trailing_zeros();
    if n <= 1 {
        return;
    }
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            x.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        let roots = &roots[half..2 * half];
        for block in x.chunks_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), root) in low.iter_mut().zip(high).zip(roots) {
                let turned = *b * root;
                (*a, *b) = (*a + turned, *a - turned);
            }
        }
        half *= 2;
    }
}

/// The orthonormal cosine transform (type II) of one length: c_k Σ_j x_j cos(π(2j + 1)k/2n), from a Fourier transform of the even
/// and the reversed odd entries.
pub(crate) struct Cosine {
    dft: Dft,
    /// c_k e^{−πik/2n}.
    turns: Vec<c64>,
}

impl Cosine {
    fn new(n: usize) -> Self {
        let scale = |k: usize| (if k == 0 { 1.0 } else { 2.0 } / n as f64).sqrt();
        Self { dft: Dft::new(n), turns: (0..n).map(|k| root_of_unity(k as u128, 4 * n as u128) * scale(k)).collect() }
    }

    fn transform(&self, x: &[c64]) -> Vec<c64> {
        let n = x.len();
        // real and imaginary parts are transformed apart: the trick below needs real data
        let part = |value: fn(&c64) -> f64| -> Vec<f64> {
            let index = |j: usize| if 2 * j < n { 2 * j } else { 2 * (n - 1 - j) + 1 };
            let arranged: Vec<c64> = (0..n).map(|j| c64::new(value(&x[index(j)]), 0.0)).collect();
            self.dft.transform(&arranged).iter().zip(&self.turns).map(|(z, turn)| (z * turn).re).collect()
        };
        let real = part(|z| z.re);
        if x.iter().all(|z| z.im == 0.0) {
            return real.into_iter().map(|re| c64::new(re, 0.0)).collect();
        }
        real.into_iter().zip(part(|z| z.im)).map(|(re, im)| c64::new(re, im)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Both transforms by their definitions.
    #[test]
    fn transforms_are_their_definitions() {
        for m in [1, 2, 3, 4, 5, 7, 8, 12, 31, 64, 97, 100] {
            let r: Vec<c64> = Random::new(m as u64).scalars(m);
            let size: f64 = r.iter().map(|&z| square(z)).sum::<f64>().sqrt() * (m as f64).sqrt();
            for (k, found) in Dft::new(m).transform(&r).iter().enumerate() {
                let mut sum = c64::new(0.0, 0.0);
                for (j, &z) in r.iter().enumerate() {
                    sum += z * root_of_unity((j * k) as u128, m as u128);
                }
                assert!(square(*found - sum).sqrt() <= 1e-14 * size, "{m} {k}: {found} is not {sum}");
            }
            for (k, found) in Cosine::new(m).transform(&r).iter().enumerate() {
                let scale = (if k == 0 { 1.0 } else { 2.0 } / m as f64).sqrt();
                let mut sum = c64::new(0.0, 0.0);
                for (j, &z) in r.iter().enumerate() {
                    sum += z * (scale * (core::f64::consts::PI * (2 * j + 1) as f64 * k as f64 / (2 * m) as f64).cos());
                }
                assert!(square(*found - sum).sqrt() <= 1e-14 * size, "{m} {k}: {found} is not {sum}");
            }
        }
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
        let total: f64 = r.iter().map(|&z| square(z)).sum();
        let powers_2d = |r: &[c64]| Frequencies::field(rows, columns).powers(&[r]).remove(0);
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

    /// Real series share transforms, complex ones do not: the same powers as each alone.
    #[test]
    fn series_together_are_series_alone() {
        for m in [4, 7, 12, 64] {
            let series: Vec<Vec<c64>> =
                (0..5).map(|k| Random::new(k).scalars::<f64>(m).into_iter().map(|x| c64::new(x, 0.0)).collect()).collect();
            let mut series: Vec<&[c64]> = series.iter().map(Vec::as_slice).collect();
            let complex: Vec<c64> = Random::new(9).scalars(m);
            for last in [series[0], &complex] {
                series.push(last);
                for (r, together) in series.iter().zip(Frequencies::line(m).powers(&series)) {
                    for (p, q) in powers(r).iter().zip(&together) {
                        assert!((p - q).abs() <= 1e-13 * m as f64, "{m}: {p} {q}");
                    }
                }
            }
        }
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
