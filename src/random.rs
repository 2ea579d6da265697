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

    /// `count` scalars with standard normal parts.
    pub fn scalars<T: Scalar>(&mut self, count: usize) -> Vec<T> {
        (0..count)
            .map(|_| T::from_parts(T::Real::from_f64(self.normal()), T::Real::from_f64(if T::IS_COMPLEX { self.normal() } else { 0.0 })))
            .collect()
    }
}
