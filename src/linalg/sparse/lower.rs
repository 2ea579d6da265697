//! The lower triangle of a self-adjoint sparse matrix.

use crate::scalar::{Real, Scalar};

/// Sweeps of [`Lower::dominance_bound`] at most: each costs a pass over M. A guess.
const DOMINANCE_SWEEPS: usize = 3;

/// The lower triangle of a self-adjoint matrix by columns, rows sorted, the diagonal stored.
#[derive(Debug, Clone)]
pub struct Lower<T> {
    pub starts: Vec<usize>,
    pub indices: Vec<usize>,
    pub values: Vec<T>,
}

impl<T: Scalar> Lower<T> {
    pub fn order(&self) -> usize {
        self.starts.len() - 1
    }

    /// ‖M‖₁ of the whole matrix of this pattern with these values.
    pub fn one_norm(&self, values: &[T]) -> f64 {
        let mut sums = vec![0.0; self.order()];
        for j in 0..self.order() {
            for place in self.starts[j]..self.starts[j + 1] {
                let (i, size) = (self.indices[place], values[place].modulus().to_f64());
                sums[j] += size;
                if i != j {
                    sums[i] += size;
                }
            }
        }
        sums.into_iter().fold(0.0, f64::max)
    }

    /// A bound of κ₂(H), H = D^-½MD^-½ with D = diag(M), of the matrix M of this pattern with these values: what the rounding errors of a Cholesky factorization are amplified by, in whatever
    /// units the unknowns are (Demmel 1989; Higham 2002, §10.1). It is ∞ where the diagonal dominates in no units, as far as was seen.
    ///
    /// H = I + N is self-adjoint, so that its eigenvalues lie within ρ(N) ≤ ρ(|N|) of 1, and for every v > 0
    ///
    /// ```text
    /// ρ(|N|) ≤ θ = maxᵢ (|N|v)ᵢ/vᵢ,     κ₂(H) ≤ (1 + θ)/(1 − θ)     (Horn & Johnson 2013, §8.1)
    /// ```
    /// v = 1 is the theorem of Gershgorin for H, and v = D^½ is dominance in the rows of M as it stands. Each further sweep, v ← v + |N|v,
    /// lowers θ towards ρ(|N|); ρ(|N|) < 1 is what makes M dominant for *some* diagonal scaling (an H-matrix). `enough` ends the sweeps.
    pub fn dominance_bound(&self, values: &[T], enough: f64) -> f64 {
        let n = self.order();
        let mut inverse_roots = vec![0.0; n];
        for (j, root) in inverse_roots.iter_mut().enumerate() {
            let diagonal = values[self.starts[j]].real().to_f64();
            if !(diagonal > 0.0 && diagonal.is_finite()) {
                return f64::INFINITY;
            }
            *root = 1.0 / diagonal.sqrt();
        }
        let (mut v, mut image) = (vec![1.0f64; n], vec![0.0f64; n]);
        let mut bound = f64::INFINITY;
        for sweep in 0..DOMINANCE_SWEEPS {
            if sweep > 0 {
                // positive, and at most n·2^sweeps: nothing to normalise
                v.iter_mut().zip(&image).for_each(|(v, image)| *v += image);
                image.fill(0.0);
            }
            for j in 0..n {
                let mut sum = 0.0;
                for place in self.starts[j] + 1..self.starts[j + 1] {
                    let i = self.indices[place];
                    let size = values[place].modulus().to_f64() * inverse_roots[i] * inverse_roots[j];
                    image[i] += size * v[j];
                    sum += size * v[i];
                }
                image[j] += sum;
            }
            // the largest; a NaN stays, and is no bound
            let theta = image
                .iter()
                .zip(&v)
                .map(|(image, v)| image / v)
                .fold(0.0, |most: f64, ratio| if most.is_nan() || ratio <= most { most } else { ratio });
            if theta < 1.0 {
                bound = bound.min((1.0 + theta) / (1.0 - theta));
            }
            if bound <= enough {
                break;
            }
        }
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{Kernels, Mat, Threads};
    use crate::random::Random;

    /// The lower triangle of a symmetric matrix.
    fn lower(m: &Mat<f64>) -> Lower<f64> {
        let mut lower = Lower { starts: vec![0], indices: Vec::new(), values: Vec::new() };
        for j in 0..m.ncols() {
            for i in j..m.nrows() {
                if i == j || m[(i, j)] != 0.0 {
                    lower.indices.push(i);
                    lower.values.push(m[(i, j)]);
                }
            }
            lower.starts.push(lower.indices.len());
        }
        lower
    }

    fn bound_of(m: &Mat<f64>) -> f64 {
        let lower = lower(m);
        lower.dominance_bound(&lower.values, 1.0)
    }

    /// κ₂ of the matrix with its diagonal scaled to 1, from its singular values.
    fn condition(m: &Mat<f64>) -> f64 {
        let n = m.ncols();
        let h = Mat::from_fn(n, n, |i, j| m[(i, j)] / m[(i, i)].sqrt() / m[(j, j)].sqrt());
        let mut s = vec![0.0; n];
        f64::svd(h.as_ref(), &mut s, None, None, false, Threads::ONE).unwrap();
        s[0] / s[n - 1]
    }

    /// A sparse symmetric matrix, its off-diagonal entries of either sign and at most `size`, in units from 1e-6 to 1e6.
    fn matrix(n: usize, size: f64, random: &mut Random) -> Mat<f64> {
        let units: Vec<f64> = (0..n).map(|_| 10f64.powf(12.0 * random.uniform() - 6.0)).collect();
        let mut m = Mat::from_fn(n, n, |_, _| 0.0);
        for j in 0..n {
            m[(j, j)] = units[j] * units[j];
            for _ in 0..2 {
                let i = (random.uniform() * n as f64) as usize % n;
                if i != j {
                    let value = size * (2.0 * random.uniform() - 1.0) * units[i] * units[j];
                    (m[(i, j)], m[(j, i)]) = (value, value);
                }
            }
        }
        m
    }

    #[test]
    fn the_bound_of_dominance_holds_in_any_units() {
        let mut random = Random::new(17);
        let mut finite = 0;
        for k in 0..200 {
            let m = matrix(3 + k % 20, 0.05 + 0.002 * k as f64, &mut random);
            let bound = bound_of(&m);
            if bound.is_finite() {
                finite += 1;
                assert!(condition(&m) <= bound * (1.0 + 1e-12), "matrix {k}: {} is not below {bound}", condition(&m));
            }
            // other powers of two as units change no bit
            let scaled = Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] * 4f64.powi((i % 5) as i32 + (j % 5) as i32));
            assert_eq!(bound_of(&scaled), bound, "matrix {k}");
        }
        assert!(finite > 100, "only {finite} of 200 bounds say anything");
    }

    /// On the matrix of a grid, whose off-diagonal entries have one sign, the bound is nearly the truth; no bound is given where M is
    /// singular or indefinite, or has an entry that is no number.
    #[test]
    fn the_bound_of_dominance_is_sharp_on_a_path_and_silent_without_dominance() {
        let path = |diagonal: f64| Mat::from_fn(60, 60, |i, j| [diagonal, -1.0, 0.0][i.abs_diff(j).min(2)]);
        for diagonal in [2.5, 4.0] {
            let m = path(diagonal);
            let (bound, truth) = (bound_of(&m), condition(&m));
            assert!(truth <= bound && bound <= 1.01 * truth, "{truth} {bound}");
        }
        assert_eq!(bound_of(&path(1.5)), f64::INFINITY);
        assert_eq!(bound_of(&path(0.0)), f64::INFINITY);
        let mut m = path(4.0);
        m[(8, 7)] = f64::NAN;
        assert_eq!(bound_of(&m), f64::INFINITY);
    }

    /// Rows that are not dominated in the units of a diagonal of ones: a star, ρ(|N|) = 0.45·√3 < 1 with a row that sums up to 1.35.
    #[test]
    fn sweeps_find_the_units_in_which_the_diagonal_dominates() {
        let star = Mat::from_fn(4, 4, |i, j| if i == j { 1.0 } else { 0.45 * f64::from(u8::from(i == 0 || j == 0)) });
        let (bound, truth) = (bound_of(&star), condition(&star));
        assert!(bound.is_finite() && truth <= bound, "{truth} {bound}");
    }
}
