//! Noise by seed: the same seed gives the same noise everywhere.
//!
//! | | each entry | ‖noise‖ |
//! |---|---|---|
//! | [`gaussian`] | normal, independent | level·‖b‖ exactly, as is usual in the literature on ill-posed problems |
//! | [`correlated`] | normal, correlation cᵏ between entries k apart (AR(1)) | level·‖b‖ exactly |
//! | [`laplace`] | Laplace (two-sided exponential): heavy tails, independent | level·‖b‖ exactly |
//! | [`poisson`] | counts of a detector, independent | as it comes |
//!
//! "Exactly" is to rounding, by scaling the whole vector; for an exact noise norm the entries pay with a dependence of order
//! 1/m.

use super::check_positive;
use crate::error::{Error, Result, Size};
use crate::linalg;
use crate::random::Random;

/// Data with noise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Noisy {
    /// The data to give to a solver: exact values plus noise.
    pub b: Vec<f64>,
    /// The noise itself.
    pub noise: Vec<f64>,
    /// ‖noise‖, for [`Discrepancy::noise_norm`](crate::Discrepancy::noise_norm).
    pub noise_norm: f64,
    /// The standard deviation of each entry.
    pub noise_std: Vec<f64>,
}

impl Noisy {
    /// The noise scaled to level·‖b‖ and added.
    fn scaled(b: &[f64], level: f64, seed: u64, mut draw: impl FnMut(&mut Random, &mut [f64])) -> Result<Self> {
        if !(0.0..f64::INFINITY).contains(&level) {
            return Err(Error::Parameter { name: "the noise level", value: level, must_be: "finite and at least 0, as a part of ‖b‖" });
        }
        check_finite(b)?;
        let mut random = Random::new(seed);
        let mut noise = vec![0.0; b.len()];
        let mut norm = 0.0;
        // all zeros has probability 0, and no direction: draw again
        while norm == 0.0 && !noise.is_empty() {
            draw(&mut random, &mut noise);
            norm = linalg::norm(&noise);
        }
        let noise_norm = level * linalg::norm(b);
        for value in &mut noise {
            *value *= noise_norm / norm;
        }
        let noise_std = vec![noise_norm / (b.len() as f64).sqrt(); b.len()];
        Self { b: b.iter().zip(&noise).map(|(b, noise)| b + noise).collect(), noise, noise_norm, noise_std }.checked()
    }

    /// Data near the end of the range may have gone beyond it.
    fn checked(self) -> Result<Self> {
        match self.b.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(Error::NonFinite { what: "the data with noise", index: Size::Entry(index) }),
            None => Ok(self),
        }
    }
}

fn check_finite(b: &[f64]) -> Result<()> {
    match b.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NonFinite { what: "b", index: Size::Entry(index) }),
        None => Ok(()),
    }
}

/// White noise: independent normal entries, scaled to ‖noise‖ = `level`·‖b‖.
///
/// # Errors
/// [`Error::Parameter`] for a level that is negative, NaN or infinite; [`Error::NonFinite`] for such values in b, or in the result.
///
/// ```
/// use wellposed::gallery::noise;
/// let noisy = noise::gaussian(&[3.0, 4.0], 0.1, 1)?;
/// assert!((noisy.noise_norm - 0.5).abs() < 1e-15);
/// assert_eq!(noisy, noise::gaussian(&[3.0, 4.0], 0.1, 1)?);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn gaussian(b: &[f64], level: f64, seed: u64) -> Result<Noisy> {
    Noisy::scaled(b, level, seed, |random, noise| noise.fill_with(|| random.normal()))
}

/// Correlated noise: a stationary autoregressive sequence of order 1, eᵢ = c·eᵢ₋₁ + √(1 − c²)·(normal), so that entries k apart
/// have the correlation cᵏ; scaled to ‖noise‖ = `level`·‖b‖. c = 0 is [`gaussian`].
///
/// # Errors
/// As [`gaussian`], and [`Error::Parameter`] unless −1 < `correlation` < 1.
///
/// ```
/// use wellposed::gallery::noise;
/// let noisy = noise::correlated(&[1.0; 1000], 0.1, 0.9, 1)?;
/// let neighbours: f64 = noisy.noise.windows(2).map(|pair| pair[0] * pair[1]).sum();
/// assert!(neighbours > 0.8 * noisy.noise_norm.powi(2));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn correlated(b: &[f64], level: f64, correlation: f64, seed: u64) -> Result<Noisy> {
    if !(correlation.abs() < 1.0) {
        return Err(Error::Parameter {
            name: "the correlation of neighbours",
            value: correlation,
            must_be: "between −1 and 1, and neither",
        });
    }
    Noisy::scaled(b, level, seed, |random, noise| {
        let mut last = random.normal();
        let fresh = ((1.0 - correlation) * (1.0 + correlation)).sqrt();
        for (i, value) in noise.iter_mut().enumerate() {
            if i > 0 {
                last = correlation * last + fresh * random.normal();
            }
            *value = last;
        }
    })
}

/// Noise with heavy tails: independent entries of the Laplace distribution, whose density falls like exp(−|e|·√2/std); scaled to
/// ‖noise‖ = `level`·‖b‖.
///
/// # Errors
/// As [`gaussian`].
///
/// ```
/// use wellposed::gallery::noise;
/// let noisy = noise::laplace(&[1.0; 100], 0.1, 1)?;
/// assert!((noisy.noise_norm - 1.0).abs() < 1e-14);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn laplace(b: &[f64], level: f64, seed: u64) -> Result<Noisy> {
    Noisy::scaled(b, level, seed, |random, noise| noise.fill_with(|| random.laplace()))
}

/// Photon counts: entry i is a Poisson variable of mean c·bᵢ over c, where c makes `counts` the mean at the largest bᵢ. The
/// relative noise of an entry is 1/√(its counts): fewer counts are noisier.
///
/// [`noise_std`](Noisy::noise_std) is √(bᵢ/c), and 0 where bᵢ is 0: give such rows the deviation of a count or so before
/// using it as [`Problem::noise_std`](crate::Problem::noise_std).
///
/// # Errors
/// [`Error::Parameter`] for a negative bᵢ, or unless `counts` is positive and at most 1e15; [`Error::NonFinite`].
///
/// ```
/// use wellposed::gallery::noise;
/// let counted = noise::poisson(&[0.0, 5.0, 10.0], 100.0, 1)?;
/// assert_eq!(counted.b[0], 0.0);
/// assert_eq!((counted.b[1] * 10.0).round(), counted.b[1] * 10.0); // whole counts
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn poisson(b: &[f64], counts: f64, seed: u64) -> Result<Noisy> {
    check_finite(b)?;
    check_positive("the counts at the largest value", counts)?;
    if counts > 1e15 {
        // whole numbers up to there are exact
        return Err(Error::Parameter { name: "the counts at the largest value", value: counts, must_be: "at most 1e15" });
    }
    if let Some(&value) = b.iter().find(|&&value| value < 0.0) {
        return Err(Error::Parameter {
            name: "a mean of Poisson counts",
            value,
            must_be: "at least 0: shift the data, or take another noise",
        });
    }
    let largest = linalg::largest_modulus(b);
    let mut random = Random::new(seed);
    let mut counted = |value: f64| if largest > 0.0 { random.poisson(value / largest * counts) / counts * largest } else { 0.0 };
    let data: Vec<f64> = b.iter().map(|&value| counted(value)).collect();
    let noise: Vec<f64> = data.iter().zip(b).map(|(data, b)| data - b).collect();
    let noise_std = b.iter().map(|&value| if largest > 0.0 { (value / largest / counts).sqrt() * largest } else { 0.0 }).collect();
    Noisy { noise_norm: linalg::norm(&noise), b: data, noise, noise_std }.checked()
}
