//! lo ≤ z ≤ hi, and where each component is: what the methods for bounded problems have in common.

/// Where a component of a bounded vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At its lower bound.
    Low,
    /// At its upper bound.
    High,
    /// Solved for.
    Free,
    /// Inside its bounds and yet held, at 0: until its gradient asks for more, or as its column depends on those that are solved for.
    Held,
}

/// lo ≤ z ≤ hi.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

impl Limits {
    /// Where each component starts.
    pub fn start(&self) -> Vec<Place> {
        (0..self.low.len()).map(|j| self.nearest(j)).collect()
    }

    /// Where the value nearest to 0 is.
    pub fn nearest(&self, j: usize) -> Place {
        if self.low[j] >= 0.0 {
            Place::Low
        } else if self.high[j] <= 0.0 {
            Place::High
        } else {
            Place::Held
        }
    }

    /// The value of a component that is not solved for.
    pub fn value(&self, j: usize, place: Place) -> f64 {
        match place {
            Place::Low => self.low[j],
            Place::High => self.high[j],
            Place::Free | Place::Held => 0.0,
        }
    }

    pub fn clamp(&self, j: usize, z: f64) -> f64 {
        z.max(self.low[j]).min(self.high[j])
    }

    pub fn is_fixed(&self, j: usize) -> bool {
        self.low[j] == self.high[j]
    }

    /// In units in which component j is `scale[j]` times as large.
    pub fn scaled(&self, scale: &[f64]) -> Self {
        let by = |side: &[f64]| side.iter().zip(scale).map(|(&v, &s)| v * s).collect();
        Self { low: by(&self.low), high: by(&self.high) }
    }

    /// The part of gradient component j that no bound answers for: 0 where moving against it would leave the box.
    pub fn projected(&self, j: usize, z: f64, gradient: f64) -> f64 {
        match (z <= self.low[j], z >= self.high[j]) {
            (true, true) => 0.0,
            (true, false) => gradient.min(0.0),
            (false, true) => gradient.max(0.0),
            (false, false) => gradient,
        }
    }
}

/// 2^⌊log₂ v⌋, and 1 for 0: a scale that leaves every digit.
pub(crate) fn power_of_two(v: f64) -> f64 {
    if v > 0.0 && v.is_finite() { 2f64.powi(v.log2().floor() as i32) } else { 1.0 }
}
