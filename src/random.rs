//! A small seeded generator (SplitMix64), for dot tests and test problems: the API takes seeds, never generator types.

use crate::scalar::{Real, Scalar};

/// SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195): 64 bits of state, the same numbers everywhere.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator started by `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next_bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (core::f64::consts::TAU * self.uniform()).cos()
    }

    /// Laplace distribution of mean 0 and variance 1, by inversion of its distribution function.
    pub fn laplace(&mut self) -> f64 {
        // the middle of one of 2⁵² cells of (0, 1): exact, and never an end
        let u = ((self.next_bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        let tail = -(2.0 * u.min(1.0 - u)).ln() * core::f64::consts::FRAC_1_SQRT_2;
        if u < 0.5 { -tail } else { tail }
    }

    /// A Poisson variable of this mean (finite, at least 0), as a whole number.
    ///
    /// Below a mean of 10, the product of uniforms until it falls below exp(−mean) (Knuth 1969, The Art of Computer Programming,
    /// vol. 2); above, transformed rejection, PTRS (Hörmann 1993, Insurance: Mathematics and Economics 12:39,
    /// doi:10.1016/0167-6687(93)90997-4), whose rejections stay below one in ten.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if mean < 10.0 {
            let limit = (-mean).exp();
            let (mut count, mut product) = (0.0, 1.0 - self.uniform());
            while product > limit {
                product *= 1.0 - self.uniform();
                count += 1.0;
            }
            return count;
        }
        // the names are those of the paper
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = 1.0 - self.uniform();
            let u_s = 0.5 - u.abs();
            let k = ((2.0 * a / u_s + b) * u + mean + 0.43).floor();
            if u_s >= 0.07 && v <= v_r {
                return k;
            }
            if k < 0.0 || (u_s < 0.013 && v > u_s) {
                continue;
            }
            if (v * inverse_alpha / (a / (u_s * u_s) + b)).ln() <= log_poisson(k, mean) {
                return k;
            }
        }
    }

    /// `count` scalars with standard normal parts.
    pub fn scalars<T: Scalar>(&mut self, count: usize) -> Vec<T> {
        (0..count)
            .map(|_| T::from_parts(T::Real::from_f64(self.normal()), T::Real::from_f64(if T::IS_COMPLEX { self.normal() } else { 0.0 })))
            .collect()
    }
}

/// log(exp(−mean)·meanᵏ/k!) for a whole number k ≥ 0, without the cancellation of its large terms.
///
/// Loader's form (2000, Fast and accurate computation of binomial probabilities): −k·δ(mean/k − 1) − (remainder of Stirling's
/// formula) − ½·log(2πk), with δ(r) = r − log(1 + r).
fn log_poisson(k: f64, mean: f64) -> f64 {
    if k < 0.5 {
        return -mean;
    }
    let r = (mean - k) / k;
    let deviance = if r.abs() < 1e-3 {
        // r − log(1 + r) = r²/2 − r³/3 + …: the first terms left out are below 1e-18
        r * r * (0.5 - r * (1.0 / 3.0 - r * (0.25 - r * (0.2 - r / 6.0))))
    } else {
        r - r.ln_1p()
    };
    -k * deviance - stirling_remainder(k) - 0.5 * (core::f64::consts::TAU * k).ln()
}

/// log(k!) − (k + ½)·log k + k − ½·log(2π) for a whole number k ≥ 1.
fn stirling_remainder(k: f64) -> f64 {
    if k < 10.0 {
        let log_factorial: f64 = (2..=k as u32).map(|i| f64::from(i).ln()).sum();
        return log_factorial - (k + 0.5) * k.ln() + k - 0.5 * core::f64::consts::TAU.ln();
    }
    // the first term left out is below 1/(1188·10⁹)
    let square = 1.0 / (k * k);
    (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / k
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of the generator and of the normal variables is used in committed results: they must not change.
    #[test]
    fn old_streams_are_what_they_were() {
        let mut random = Random::new(0x5eed);
        let bits: Vec<u64> = (0..3).map(|_| random.next_bits()).collect();
        assert_eq!(bits, [0x09f1_fd9d_03f0_a9b4, 0x5532_7416_1bbf_8475, 0x5d5b_ca46_96b3_43b3]);
        assert!((Random::new(7).normal() - 0.988_474_332_318_735_3).abs() < 1e-15);
    }

    /// log P(k) against log k! summed term by term, on both branches of both functions.
    #[test]
    fn poisson_probabilities() {
        for mean in [10.0_f64, 10.5, 37.25, 400.0] {
            let mut log_factorial = 0.0;
            for k in 0..800_u32 {
                if k > 0 {
                    log_factorial += f64::from(k).ln();
                }
                let k = f64::from(k);
                let direct = -mean + k * mean.ln() - log_factorial;
                assert!((log_poisson(k, mean) - direct).abs() <= 1e-12 * (1.0 + direct.abs()), "{mean} {k}");
            }
        }
    }
}
