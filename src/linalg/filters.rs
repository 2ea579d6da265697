//! Sums over a spectrum, in vector registers: what every rule asks for at every λ.
//!
//! With φ = σ²/(σ² + d²), f = 1 − φ and g = φ/σ, each sum comes with its first and second derivative in t = 2 log d, where
//! φ' = −φf. A division takes most of the time; there are three for each value. A loop over numbers that the compiler
//! could reorder would need permission to add in another order, which it does not have: hence the registers by name.

use faer::traits::pulp::{Arch, Scalar, Simd, WithSimd};

/// Sums with two derivatives each.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilterSums {
    /// Σ(fβ)².
    pub residual: [f64; 3],
    /// Σ(gβ)².
    pub penalty: [f64; 3],
    /// Σf.
    pub left: [f64; 3],
    /// Σφ².
    pub kept_squared: [f64; 3],
    /// Σ(gfβ)².
    pub motion: [f64; 3],
    /// Σg².
    pub variance: [f64; 3],
    /// Σf|β|².
    pub quadratic: [f64; 3],
}

/// The sums at a damping d; values up to `cutoff` count as 0.
pub fn filter_sums(values: &[f64], coefficients: &[f64], damping: f64, cutoff: f64) -> FilterSums {
    let sums = Arch::new().dispatch(Sums { values, coefficients, damping, cutoff });
    let jet = |k: usize| [sums[3 * k], sums[3 * k + 1], sums[3 * k + 2]];
    FilterSums {
        residual: jet(0),
        penalty: jet(1),
        left: jet(2),
        kept_squared: jet(3),
        motion: jet(4),
        variance: jet(5),
        quadratic: jet(6),
    }
}

struct Sums<'a> {
    values: &'a [f64],
    coefficients: &'a [f64],
    damping: f64,
    cutoff: f64,
}

const COUNT: usize = 21;

impl WithSimd for Sums<'_> {
    type Output = [f64; COUNT];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; COUNT] {
        let count = self.values.len().min(self.coefficients.len());
        let (values, last_values) = S::as_simd_f64s(&self.values[..count]);
        let (coefficients, last_coefficients) = S::as_simd_f64s(&self.coefficients[..count]);
        let [zero, one, two, minus_two, three, four] = [0.0, 1.0, 2.0, -2.0, 3.0, 4.0].map(|v| simd.splat_f64s(v));
        let (infinity, damping) = (simd.splat_f64s(f64::INFINITY), simd.splat_f64s(self.damping));
        let cutoff = simd.splat_f64s(self.cutoff.max(0.0));
        let mul = |a, b| simd.mul_f64s(a, b);
        let mut sums = [zero; COUNT];
        for (&value, &beta) in values.iter().zip(coefficients) {
            // 0 is what is rounding, and what is 0: φ = 0 and g = 0 there, without 0/0
            let rounding = simd.less_than_or_equal_f64s(value, cutoff);
            let inverse = simd.select_f64s(rounding, infinity, simd.div_f64s(one, value));
            let ratio = simd.select_f64s(rounding, infinity, mul(damping, inverse));
            let square = mul(ratio, ratio);
            let phi = simd.div_f64s(one, simd.add_f64s(one, square));
            let f = simd.select_f64s(simd.equal_f64s(square, infinity), one, mul(square, phi));
            let gain = simd.select_f64s(rounding, zero, mul(phi, inverse));
            let (phi_f, tilt) = (mul(phi, f), simd.sub_f64s(phi, f));
            // φ − 2f, which belongs to φ² and what falls like it
            let fall = simd.sub_f64s(tilt, f);

            let (left, kept) = (mul(f, beta), mul(gain, beta));
            let residual = mul(left, left);
            let residual_slope = mul(two, mul(residual, phi));
            let residual_bend = mul(residual_slope, simd.sub_f64s(two, mul(three, f)));
            let penalty = mul(kept, kept);
            let penalty_slope = mul(minus_two, mul(penalty, f));
            let squared = mul(phi, phi);
            let squared_slope = mul(minus_two, mul(squared, f));
            let motion = mul(penalty, mul(f, f));
            let motion_bend = mul(four, mul(motion, simd.sub_f64s(mul(tilt, tilt), phi_f)));
            let variance = mul(gain, gain);
            let variance_slope = mul(minus_two, mul(variance, f));
            let quadratic = mul(left, beta);
            let quadratic_slope = mul(quadratic, phi);
            let terms = [
                [residual, residual_slope, residual_bend],
                [penalty, penalty_slope, mul(penalty_slope, fall)],
                [f, phi_f, mul(phi_f, tilt)],
                [squared, squared_slope, mul(squared_slope, fall)],
                [motion, mul(two, mul(motion, tilt)), motion_bend],
                [variance, variance_slope, mul(variance_slope, fall)],
                [quadratic, quadratic_slope, mul(quadratic_slope, tilt)],
            ];
            for (sum, &term) in sums.iter_mut().zip(terms.as_flattened()) {
                *sum = simd.add_f64s(*sum, term);
            }
        }
        let mut total = sums.map(|sum| simd.reduce_sum_f64s(sum));
        // one lane has nothing left over
        if !last_values.is_empty() {
            let last = Sums { values: last_values, coefficients: last_coefficients, ..self }.with_simd(Scalar);
            total.iter_mut().zip(last).for_each(|(total, last)| *total += last);
        }
        total
    }
}

/// ‖x − y‖², in vector registers.
pub fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    struct Distance<'a>(&'a [f64], &'a [f64]);
    impl WithSimd for Distance<'_> {
        type Output = f64;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let count = self.0.len().min(self.1.len());
            let (x, last_x) = S::as_simd_f64s(&self.0[..count]);
            let (y, last_y) = S::as_simd_f64s(&self.1[..count]);
            let mut sum = simd.splat_f64s(0.0);
            for (&x, &y) in x.iter().zip(y) {
                let d = simd.sub_f64s(x, y);
                sum = simd.add_f64s(sum, simd.mul_f64s(d, d));
            }
            simd.reduce_sum_f64s(sum) + last_x.iter().zip(last_y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()
        }
    }
    Arch::new().dispatch(Distance(x, y))
}
