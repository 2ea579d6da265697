//! Any L becomes the identity: min ‖Ax − b‖² + λ‖Lx‖² = min ‖Āz − b̄‖² + λ‖z‖² (+ an exact fit of the directions that L
//! does not see).
//!
//! Eldén 1977 (doi:10.1007/BF01932285), Hansen 1998 §2.3. Lᴴ = Q(S; 0)ᴴ with Q = (Q₁ Q₂) orthogonal and S r×r, so that
//! ‖Lx‖ = ‖Sq‖ with q = Q₁ᴴx, and Q₂ spans null(L), of dimension q. AQ₂ = H(T; 0) is triangularized; then
//!
//! ```text
//! Ā = (HᴴAQ₁S⁻¹) rows q+1..m      b̄ = (Hᴴb) rows q+1..m
//! x = Q₁S⁻¹z + Q₂T⁻¹((Hᴴb)₁..q − (HᴴAQ₁S⁻¹)₁..q z)
//! ```
//! For L = diag(w) Q is a permutation and S = diag(w), so that nothing is factored but the unpenalised columns.
//! If T is singular, A and L share a null space: the problem is handed back (GSVD finds the minimum-norm answer).
//! Cost: a QR factorization of Lᴴ and its application to A (4mnr flops); O(mn) for a diagonal without zeros.

use super::Matrix;
use crate::linalg::{self, Accum, Mat, MatRef, Op, Reflectors, Threads};
use crate::refusal::{Handed, Refusal};
use crate::scalar::{Real, Scalar};

/// A penalty, resolved and with its entries.
#[derive(Clone)]
pub(crate) enum PenaltyRows<T: Scalar> {
    /// L = I.
    Identity,
    /// L = diag(w).
    Diagonal(Vec<T::Real>),
    /// Any L.
    Dense(Mat<T>),
}

/// The map between z and x.
pub(crate) struct StandardForm<T: Scalar> {
    unknowns: usize,
    basis: Basis<T>,
    null: Option<Null<T>>,
}

/// How (q₁, q₂) becomes x, and S.
enum Basis<T: Scalar> {
    Identity,
    /// Penalised columns with their weights, and the free columns.
    Diagonal {
        weights: Vec<T::Real>,
        penalised: Vec<usize>,
        free: Vec<usize>,
    },
    /// Q as reflectors; S upper or lower triangular.
    General {
        reflectors: Reflectors<T>,
        triangle: Mat<T>,
        lower: bool,
    },
}

/// The unpenalised directions after elimination.
struct Null<T: Scalar> {
    /// H, with T in its upper triangle.
    reflectors: Reflectors<T>,
    /// (HᴴAQ₁S⁻¹)₁..q.
    top: Mat<T>,
}

/// The data in standard form, with the part that the unpenalised directions fit.
pub(crate) struct StandardData<T> {
    pub rest: Mat<T>,
    pub top: Mat<T>,
}

impl<T: Scalar> StandardForm<T> {
    /// That of L = I.
    pub fn identity(unknowns: usize) -> Self {
        Self { unknowns, basis: Basis::Identity, null: None }
    }

    /// Transforms A, which is left alone when L = I.
    pub fn new<'a>(a: Matrix<'a, T>, penalty: &PenaltyRows<T>, threads: Threads) -> Handed<(Self, Matrix<'a, T>)> {
        let view = a.view();
        let (m, n) = view.shape();
        let (basis, range, null) = match penalty {
            PenaltyRows::Identity => {
                return Ok((Self::identity(n), a));
            }
            PenaltyRows::Diagonal(weights) => {
                let (penalised, free): (Vec<usize>, Vec<usize>) = (0..n).partition(|&j| weights[j] > T::Real::ZERO);
                let range = Mat::from_fn(m, penalised.len(), |i, j| view[(i, penalised[j])].scale(T::Real::ONE / weights[penalised[j]]));
                let null = Mat::from_fn(m, free.len(), |i, j| view[(i, free[j])]);
                (Basis::Diagonal { weights: weights.clone(), penalised, free }, range, null)
            }
            PenaltyRows::Dense(l) => {
                let (reflectors, triangle, lower) = range_of_adjoint(l.as_ref(), threads);
                let r = triangle.nrows();
                // AQ = (QᴴAᴴ)ᴴ
                let mut rotated = linalg::adjoint(view);
                T::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::Adjoint, rotated.as_mut(), threads);
                let null = linalg::adjoint(rotated.as_ref().subrows(r, n - r));
                let mut range = linalg::copy(rotated.as_ref().subrows(0, r));
                // (AQ₁S⁻¹)ᴴ = S⁻ᴴ(AQ₁)ᴴ
                if lower {
                    T::solve_lower(triangle.as_ref(), Op::Adjoint, range.as_mut(), threads);
                } else {
                    T::solve_upper(triangle.as_ref(), Op::Adjoint, range.as_mut(), threads);
                }
                (Basis::General { reflectors, triangle, lower }, linalg::adjoint(range.as_ref()), null)
            }
        };
        let q = null.ncols();
        if q == 0 {
            return Ok((Self { unknowns: n, basis, null: None }, Matrix::Owned(range)));
        }
        if q > m {
            return Err(Refusal::SharedNullSpace);
        }
        let scale = null_scale(view, null.as_ref());
        let reflectors = T::qr(null, threads);
        let condition = linalg::condition_upper(reflectors.basis.as_ref().submatrix(0, 0, q, q)) * scale;
        if condition * T::Real::EPSILON.to_f64() * (m.max(n) as f64) > 0.1 {
            return Err(Refusal::SharedNullSpace);
        }
        let mut range = range;
        T::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::Adjoint, range.as_mut(), threads);
        let top = linalg::copy(range.as_ref().subrows(0, q));
        let rest = linalg::copy(range.as_ref().subrows(q, m - q));
        Ok((Self { unknowns: n, basis, null: Some(Null { reflectors, top }) }, Matrix::Owned(rest)))
    }

    /// q: unpenalised directions.
    pub fn unpenalised(&self) -> usize {
        self.null.as_ref().map_or(0, |null| null.top.nrows())
    }

    /// b̄ and the part of b that the unpenalised directions fit.
    pub fn data(&self, mut b: Mat<T>, threads: Threads) -> StandardData<T> {
        let Some(null) = &self.null else {
            return StandardData { top: linalg::zeros(0, b.ncols()), rest: b };
        };
        T::apply_reflectors(null.reflectors.basis.as_ref(), null.reflectors.coefficients.as_ref(), Op::Adjoint, b.as_mut(), threads);
        let q = null.top.nrows();
        StandardData { top: linalg::copy(b.as_ref().subrows(0, q)), rest: linalg::copy(b.as_ref().subrows(q, b.nrows() - q)) }
    }

    /// x from z.
    pub fn solution(&self, mut z: Mat<T>, data: &StandardData<T>, threads: Threads) -> Mat<T> {
        let k = z.ncols();
        let y = self.null.as_ref().map(|null| {
            let q = null.top.nrows();
            let mut y = linalg::copy(data.top.as_ref());
            T::product(y.as_mut(), Accum::Add, -T::ONE, null.top.as_ref(), Op::None, z.as_ref(), Op::None, threads);
            T::solve_upper(null.reflectors.basis.as_ref().submatrix(0, 0, q, q), Op::None, y.as_mut(), threads);
            y
        });
        match &self.basis {
            Basis::Identity => z,
            Basis::Diagonal { weights, penalised, free } => {
                let mut x = linalg::zeros(self.unknowns, k);
                for column in 0..k {
                    for (row, &j) in penalised.iter().enumerate() {
                        x[(j, column)] = z[(row, column)].scale(T::Real::ONE / weights[j]);
                    }
                    for (row, &j) in free.iter().enumerate() {
                        x[(j, column)] = y.as_ref().map_or(T::ZERO, |y| y[(row, column)]);
                    }
                }
                x
            }
            Basis::General { reflectors, triangle, lower } => {
                if *lower {
                    T::solve_lower(triangle.as_ref(), Op::None, z.as_mut(), threads);
                } else {
                    T::solve_upper(triangle.as_ref(), Op::None, z.as_mut(), threads);
                }
                let r = z.nrows();
                let mut x =
                    Mat::from_fn(self.unknowns, k, |i, j| if i < r { z[(i, j)] } else { y.as_ref().map_or(T::ZERO, |y| y[(i - r, j)]) });
                T::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::None, x.as_mut(), threads);
                x
            }
        }
    }

    /// The diagonal of a resolution matrix in z as one in x: S is diagonal where L is, and cancels; a free unknown is all data.
    pub fn resolution(&self, diagonal: &[f64]) -> Option<Vec<f64>> {
        match &self.basis {
            Basis::Identity => Some(diagonal.to_vec()),
            Basis::Diagonal { penalised, .. } => {
                let mut all = vec![1.0; self.unknowns];
                penalised.iter().zip(diagonal).for_each(|(&j, &value)| all[j] = value);
                Some(all)
            }
            Basis::General { .. } => None,
        }
    }

    /// Whether rows were taken away with the unpenalised directions.
    pub fn is_reduced(&self) -> bool {
        self.null.is_some()
    }

    /// A basis in the reduced rows, taken back to all rows: H(0; U).
    pub fn expand(&self, u: Mat<T>, threads: Threads) -> Mat<T> {
        let Some(null) = &self.null else { return u };
        let q = null.top.nrows();
        let mut full = Mat::from_fn(u.nrows() + q, u.ncols(), |i, j| if i < q { T::ZERO } else { u[(i - q, j)] });
        T::apply_reflectors(null.reflectors.basis.as_ref(), null.reflectors.coefficients.as_ref(), Op::None, full.as_mut(), threads);
        full
    }

    /// An orthonormal basis of what the unpenalised directions fit, in all rows: H(I; 0).
    pub fn null_basis(&self, rows: usize, threads: Threads) -> Option<Mat<T>> {
        let null = self.null.as_ref()?;
        let q = null.top.nrows();
        let mut full = Mat::from_fn(rows, q, |i, j| if i == j { T::ONE } else { T::ZERO });
        T::apply_reflectors(null.reflectors.basis.as_ref(), null.reflectors.coefficients.as_ref(), Op::None, full.as_mut(), threads);
        Some(full)
    }
}

/// How much smaller than A its part on the null space is: ‖AQ₂‖ ≪ ‖A‖ is a shared null space, whatever the condition of AQ₂.
fn null_scale<T: Scalar>(a: MatRef<'_, T>, null: MatRef<'_, T>) -> f64 {
    let largest = |m: MatRef<'_, T>| linalg::column_norms(m).into_iter().fold(0.0, f64::max);
    let (all, part) = (largest(a), largest(null));
    if part == 0.0 { f64::INFINITY } else { (all / part).max(1.0) }
}

/// Lᴴ = Q(S; 0)ᴴ: reflectors of Q and the r×r triangle S, lower when it is Rᴴ of a QR factorization of Lᴴ.
fn range_of_adjoint<T: Scalar>(l: MatRef<'_, T>, threads: Threads) -> (Reflectors<T>, Mat<T>, bool) {
    let (p, n) = l.shape();
    let eps = T::Real::EPSILON.to_f64() * p.max(n) as f64;
    if p <= n && p > 0 {
        // full row rank, the usual case: no pivoting, S = Rᴴ
        let reflectors = T::qr(linalg::adjoint(l), threads);
        let r = reflectors.basis.as_ref().submatrix(0, 0, p, p);
        if linalg::condition_upper(r) * eps < 0.1 {
            let triangle = Mat::from_fn(p, p, |i, j| if j <= i { r[(j, i)].conj() } else { T::ZERO });
            return (reflectors, triangle, true);
        }
    }
    // the permutation reorders the rows of L, which changes no norm
    let (reflectors, _) = T::qr_pivoted(linalg::adjoint(l), threads);
    let size = n.min(p);
    let pivot = |k: usize| reflectors.basis[(k, k)].modulus().to_f64();
    let rank = (0..size).take_while(|&k| pivot(k) > eps * pivot(0)).count();
    // L = P(R₁ᴴ 0)Qᴴ with R₁ r×p: ‖Lx‖ = ‖R₁ᴴq‖, and R₁ᴴ (p×r, full column rank) = orthogonal × S
    let tall = Mat::from_fn(p, rank, |i, j| if j <= i { reflectors.basis[(j, i)].conj() } else { T::ZERO });
    let triangle = T::qr(tall, threads).basis;
    let triangle = Mat::from_fn(rank, rank, |i, j| if i <= j { triangle[(i, j)] } else { T::ZERO });
    (reflectors, triangle, false)
}
