//! x and the residual of a kept factorization as sums over its directions, in the caller's units.

use super::kept::OnEntries;
use super::refusal_error;
use crate::error::{Error, Result};
use crate::linalg::MatRef;
use crate::scalar::{Real, Scalar, times_power_of_two};

/// One right-hand side:
///
/// ```text
/// x(λ) = limit + Σ solutionᵢ·|βᵢ|σᵢ/(σᵢ² + λ)          r(λ) = residual − Σ dataᵢ·|βᵢ|φᵢ,    φᵢ = σᵢ²/(σᵢ² + λ)
/// diag (AᴴWA + λLᴴL)⁻¹ = Σ |solutionᵢ|²/(σᵢ² + λ) + free + unseen/λ
/// ```
/// The phase of βᵢ is in the vectors. Of complex vectors these are the real parts; the variances do not apply then.
#[derive(Debug, Clone, PartialEq)]
pub struct Modes {
    /// σᵢ, descending.
    pub(crate) values: Vec<f64>,
    /// |βᵢ|.
    pub(crate) coefficients: Vec<f64>,
    /// n numbers for each σᵢ, one after another.
    pub(crate) solution: Vec<f64>,
    /// m numbers for each σᵢ, one after another.
    pub(crate) data: Vec<f64>,
    /// n: x as λ → ∞.
    pub(crate) limit: Vec<f64>,
    /// m: the whitened residual as λ → ∞.
    pub(crate) residual: Vec<f64>,
    /// n.
    pub(crate) free: Vec<f64>,
    /// n, where they were formed.
    pub(crate) unseen: Option<Vec<f64>>,
}

impl<T: Scalar> OnEntries<T> {
    /// One [`Modes`] for each right-hand side.
    pub(super) fn modes(&self, b: MatRef<'_, T>) -> Result<Vec<Modes>> {
        let data = self.reduced.data(b)?;
        let frame = self.reduced.frame();
        let refused = |refusal| refusal_error(self.engine, refusal, self.plan.columns);
        let prepared = self.decomposed.prepare(data.b.clone(), &frame).map_err(refused)?;
        let modes = self.decomposed.modes(&prepared, &frame).ok_or(Error::Unsupported {
            what: "a figure of x or of the residual",
            with: "a factorization without singular vectors",
            instead: "factorize with Method::Svd, Method::Gsvd or Method::Auto",
        })?;
        let (limits, _) = self.reduced.answers(modes.limit.as_ref(), &data)?;
        let (exponent, free_exponent) = self.reduced.direction_exponents();
        let n = self.plan.columns;
        let real = |value: T| value.real().to_f64();
        // variances carry the square of the directions' unit
        let variance = |values: &[f64], e: i32| values.iter().map(|&v| times_power_of_two(times_power_of_two(v, e), e)).collect();
        let one = |j: usize| {
            let phases: Vec<T> = (0..modes.values.len())
                .map(|i| {
                    let beta = modes.coefficients[(i, j)];
                    let modulus = beta.modulus();
                    if modulus == T::Real::ZERO { T::ONE } else { beta.scale(T::Real::ONE / modulus) }
                })
                .collect();
            let turned = |columns: MatRef<'_, T>, exponent: i32| {
                let entry = |i: usize, k: usize| times_power_of_two(real(columns[(i, k)] * phases[k]), exponent);
                (0..columns.ncols()).flat_map(|k| (0..columns.nrows()).map(move |i| (i, k))).map(|(i, k)| entry(i, k)).collect::<Vec<f64>>()
            };
            Modes {
                values: modes.values.iter().map(|&v| self.reduced.singular_value(v)).collect(),
                coefficients: (0..modes.values.len()).map(|i| data.in_units(modes.coefficients[(i, j)].modulus().to_f64())).collect(),
                solution: turned(modes.solution.as_ref(), exponent),
                data: turned(modes.data.as_ref(), 0),
                limit: limits[j * n..(j + 1) * n].iter().map(|&v| real(v)).collect(),
                residual: (0..modes.residual.nrows()).map(|i| data.in_units(real(modes.residual[(i, j)]))).collect(),
                free: variance(&modes.free, free_exponent),
                unseen: modes.unseen.as_deref().map(|unseen| variance(unseen, exponent)),
            }
        };
        Ok((0..b.ncols()).map(one).collect())
    }
}
