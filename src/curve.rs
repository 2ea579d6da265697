//! λ ↦ residual norm, penalty norm, degrees of freedom: all that a parameter-choice rule may see.
//!
//! Symbols, as in Hansen (1998, doi:10.1137/1.9780898719697): σᵢ (generalized) singular values, βᵢ = uᵢᴴb, d = √λ the
//! damping, φᵢ = σᵢ²/(σᵢ² + d²) the filter factors, fᵢ = 1 − φᵢ, t = log λ. With m rows and q unpenalised directions
//!
//! ```text
//! ρ = ‖Ax − b‖² = Σ fᵢ²|βᵢ|² + δ₀      η = ‖Lx‖² = Σ (φᵢ|βᵢ|/σᵢ)²
//! tr(I − H) = (m − q − r) + Σ fᵢ       dof = q + Σ φᵢ        tr H² = q + Σ φᵢ²
//! ```
//! and every derivative in t is a sum of the same kind (dfᵢ/dt = fᵢφᵢ): O(r) for each λ, nothing is divided by λ, and no
//! difference of nearly equal numbers is formed.

use crate::linalg::{self, MatRef};
use crate::scalar::{Real, Scalar};

/// A value with its first and second derivative in t = log λ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Jet {
    pub value: f64,
    pub slope: f64,
    pub bend: f64,
}

/// Everything a rule may look at, at one λ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Point {
    /// ρ, the squared residual norm.
    pub residual: Jet,
    /// η, the squared penalty norm (its bend is not needed and stays 0).
    pub penalty: Jet,
    /// tr(I − H).
    pub trace: Jet,
    /// tr H².
    pub trace_squared: Jet,
}

/// λ ↦ [`Point`], with λ given by its damping √λ.
pub(crate) trait Curve {
    fn at(&self, damping: f64) -> Point;
    /// The dampings between which λ makes any difference.
    fn interval(&self) -> (f64, f64);
    /// m.
    fn rows(&self) -> usize;
    /// Σ |rᵢ/(1 − hᵢᵢ)|² where the leverages are known.
    fn leave_one_out(&self, damping: f64) -> Option<Jet>;
}

/// φ = σ²/(σ² + d²) and f = 1 − φ, each to full relative accuracy.
#[inline]
pub(crate) fn filter(value: f64, damping: f64) -> (f64, f64) {
    if value == 0.0 {
        return (0.0, 1.0);
    }
    let ratio = damping / value;
    let square = ratio * ratio;
    if square == f64::INFINITY {
        let inverse = value / damping;
        return (inverse * inverse, 1.0);
    }
    let phi = 1.0 / (1.0 + square);
    (phi, square * phi)
}

/// φβ/σ = βσ/(σ² + d²), without intermediate overflow: the coefficient of the solution on its singular vector.
#[inline]
pub(crate) fn damped_coefficient(value: f64, damping: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value >= damping {
        let ratio = damping / value;
        1.0 / (value * (1.0 + ratio * ratio))
    } else {
        let ratio = value / damping;
        ratio / (damping * (1.0 + ratio * ratio))
    }
}

/// Singular values and coefficients of one right-hand side (or the root mean square over several).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spectrum {
    /// σᵢ, the penalised directions.
    pub(crate) values: Vec<f64>,
    /// |βᵢ|.
    pub(crate) coefficients: Vec<f64>,
    /// δ₀: the squared norm of the part of b that no x reaches.
    pub(crate) outside: f64,
    /// m.
    pub(crate) rows: usize,
    /// q: unpenalised directions, the intercept among them.
    pub(crate) unpenalised: usize,
    /// Values up to this one are rounding: they count as 0 for a damping below it, and no rule looks below it.
    pub(crate) tolerance: f64,
}

impl Spectrum {
    /// The value that is inverted at this damping: 0 for what is rounding and would be amplified.
    pub fn effective(&self, value: f64, damping: f64) -> f64 {
        if value <= self.tolerance && damping < self.tolerance { 0.0 } else { value }
    }

    /// q + Σφᵢ.
    pub fn dof(&self, damping: f64) -> f64 {
        let kept: f64 = self.values.iter().map(|&value| filter(self.effective(value, damping), damping).0).sum();
        self.unpenalised as f64 + kept
    }

    /// m − q − r: rows beyond every direction of A.
    fn spare_rows(&self) -> f64 {
        self.rows.saturating_sub(self.unpenalised + self.values.len()) as f64
    }
}

impl Curve for Spectrum {
    fn at(&self, damping: f64) -> Point {
        let mut point = Point::default();
        let Point { residual, penalty, trace, trace_squared } = &mut point;
        for (&value, &coefficient) in self.values.iter().zip(&self.coefficients) {
            let value = self.effective(value, damping);
            let (phi, f) = filter(value, damping);
            let left = f * coefficient;
            let left = left * left;
            residual.value += left;
            residual.slope += 2.0 * left * phi;
            residual.bend += 2.0 * left * phi * (2.0 - 3.0 * f);
            let kept = if value == 0.0 { 0.0 } else { phi / value * coefficient };
            let kept = kept * kept;
            penalty.value += kept;
            penalty.slope -= 2.0 * kept * f;
            trace.value += f;
            trace.slope += f * phi;
            trace.bend += f * phi * (phi - f);
            trace_squared.value += phi * phi;
            trace_squared.slope -= 2.0 * phi * phi * f;
            trace_squared.bend -= 2.0 * phi * phi * f * (phi - 2.0 * f);
        }
        residual.value += self.outside;
        trace.value += self.spare_rows();
        trace_squared.value += self.unpenalised as f64;
        point
    }

    fn interval(&self) -> (f64, f64) {
        // an infinite (generalized) value is a direction that the penalty does not see: no λ moves it
        let largest = self.values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        if largest == 0.0 {
            return (0.0, 0.0);
        }
        let smallest = self.values.iter().copied().filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
        // below √ε·σ_min every filter factor is 1 to rounding; below 16 ε·σ_max the values themselves are rounding
        let low = (16.0 * f64::EPSILON * largest).max(f64::EPSILON.sqrt() * smallest / 4.0).max(self.tolerance);
        (low.max(f64::MIN_POSITIVE), (100.0 * largest).max(low).min(f64::MAX))
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn leave_one_out(&self, _: f64) -> Option<Jet> {
        None
    }
}

/// A spectrum together with the rows of U, which leave-one-out needs.
pub(crate) struct Leverages<'a, T: Scalar> {
    pub spectrum: Spectrum,
    /// m×r, orthonormal columns, in the rows of the whitened data.
    pub basis: MatRef<'a, T>,
    /// 1 − (leverage of the unpenalised directions) − Σₖ|Uᵢₖ|², never negative.
    pub complement: &'a [f64],
    /// For each right-hand side: its coefficients β and its part outside the range (m).
    pub columns: &'a [(Vec<T>, Vec<T>)],
}

/// 1 − q-leverages − Σ|Uᵢₖ|², with what is rounding set to 0.
/// `directions` counts the unpenalised ones.
pub(crate) fn complement<T: Scalar>(basis: MatRef<'_, T>, unpenalised: &[f64], directions: usize) -> Vec<f64> {
    let full = basis.nrows() <= basis.ncols() + directions;
    (0..basis.nrows())
        .map(|i| {
            if full {
                return 0.0;
            }
            let used: f64 = (0..basis.ncols()).map(|k| basis[(i, k)].modulus_squared().to_f64()).sum();
            let rest = 1.0 - unpenalised.get(i).copied().unwrap_or(0.0) - used;
            if rest < 64.0 * T::Real::EPSILON.to_f64() { 0.0 } else { rest }
        })
        .collect()
}

impl<T: Scalar> Curve for Leverages<'_, T> {
    fn at(&self, damping: f64) -> Point {
        self.spectrum.at(damping)
    }
    fn interval(&self) -> (f64, f64) {
        self.spectrum.interval()
    }
    fn rows(&self) -> usize {
        self.spectrum.rows
    }

    /// With u = r/(1 − h): (1 − h)u' = r' + h'u and (1 − h)u'' = r'' + 2h'u' + h''u. Both r and 1 − h are sums with the
    /// factors fᵢ, so that their ratio keeps its digits as λ → 0.
    fn leave_one_out(&self, damping: f64) -> Option<Jet> {
        let (m, r) = (self.basis.nrows(), self.basis.ncols());
        let factors: Vec<(f64, f64)> =
            self.spectrum.values.iter().map(|&value| filter(self.spectrum.effective(value, damping), damping)).collect();
        // per row: 1 − h and its two derivatives, then three residual sums for each right-hand side
        let mut gap = vec![[0.0; 3]; m];
        for (gap, &rest) in gap.iter_mut().zip(self.complement) {
            gap[0] = rest;
        }
        for k in 0..r {
            let (phi, f) = factors[k];
            for (i, gap) in gap.iter_mut().enumerate() {
                let weight = self.basis[(i, k)].modulus_squared().to_f64();
                gap[0] += weight * f;
                gap[1] += weight * f * phi;
                gap[2] += weight * f * phi * (phi - f);
            }
        }
        let mut total = Jet::default();
        for (coefficients, outside) in self.columns {
            let mut residual: Vec<[T; 3]> = outside.iter().map(|&r| [r, T::ZERO, T::ZERO]).collect();
            for k in 0..r {
                let (phi, f) = factors[k];
                let beta = [f, f * phi, f * phi * (phi - f)].map(|w| coefficients[k].scale(T::Real::from_f64(w)));
                for (i, residual) in residual.iter_mut().enumerate() {
                    let u = self.basis[(i, k)];
                    for (sum, &beta) in residual.iter_mut().zip(&beta) {
                        *sum += u * beta;
                    }
                }
            }
            for (residual, gap) in residual.iter().zip(&gap) {
                let divide = |x: T, g: f64| x.scale(T::Real::from_f64(1.0 / g));
                if gap[0] <= 0.0 {
                    // the row decides its own fitted value whatever λ is: leave-one-out is not defined for it
                    return None;
                }
                // h' = −(1 − h)'
                let u = divide(residual[0], gap[0]);
                let u1 = divide(residual[1] - u.scale(T::Real::from_f64(gap[1])), gap[0]);
                let u2 = divide(residual[2] - u1.scale(T::Real::from_f64(2.0 * gap[1])) - u.scale(T::Real::from_f64(gap[2])), gap[0]);
                total.value += u.modulus_squared().to_f64();
                total.slope += 2.0 * (u.conj() * u1).real().to_f64();
                total.bend += 2.0 * (u1.modulus_squared().to_f64() + (u.conj() * u2).real().to_f64());
            }
        }
        let columns = self.columns.len().max(1) as f64;
        Some(Jet { value: total.value / columns, slope: total.slope / columns, bend: total.bend / columns })
    }
}

/// The root mean square over several right-hand sides: what a rule sees when one λ serves them all.
pub(crate) fn shared(spectra: &[Spectrum]) -> Spectrum {
    let Some(first) = spectra.first() else {
        return Spectrum::default();
    };
    let count = spectra.len() as f64;
    let root_mean_square = |k: usize| {
        let column: Vec<f64> = spectra.iter().map(|s| s.coefficients[k]).collect();
        linalg::norm(&column) / count.sqrt()
    };
    Spectrum {
        coefficients: (0..first.values.len()).map(root_mean_square).collect(),
        outside: spectra.iter().map(|s| s.outside).sum::<f64>() / count,
        ..first.clone()
    }
}
