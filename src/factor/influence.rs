//! What the solution at one λ owes to each row of the data, and how far noise moves it.
//!
//! min ‖Āz − b̄‖² + d²‖Lz‖² with m̄×n Ā. One QR factorization of the stacked matrix, of the shorter kind:
//!
//! ```text
//! tall    [Ā; dL] = [Q₁; Q₂]·T         H = Q₁Q₁ᴴ            R = T⁻¹Q₁ᴴ           M⁻¹ = T⁻¹T⁻ᴴ
//! wide    [L⁻ᴴĀᴴ; d·I] = [P₁; P₂]·T    H = I − P₂P₂ᴴ        R = L⁻¹P₁T⁻ᴴ         M⁻¹ = L⁻¹(I − P₁P₁ᴴ)L⁻ᴴ/d²
//! ```
//! H takes b̄ to the fitted values, R takes b̄ to z, M = ĀᴴĀ + d²LᴴL. No Gram matrix is formed. Neither form subtracts where it is
//! used: 1 − h comes from P₂ where there are more unknowns than rows, and h from Q₁ otherwise. With G the unit
//! noise in b̄ has the covariance RRᴴ in z; aᴴRRᴴa is formed as ‖Rᴴa‖², since the entries of RRᴴ cancel where columns are
//! nearly dependent.
//!
//! When to prefer a sibling: for solutions, any other engine; this one makes m×n numbers for one λ. Cost: tall 2(m + p)n² flops and
//! two m×n matrices; wide (L diagonal, positive, d > 0) 2(n + m)m².
//! Reference: Hastie and Tibshirani, *Generalized Additive Models*, 1990, §3.5 (H, and the degrees of freedom).

use crate::linalg::{self, Mat, MatRef, Op, Threads, product, sum_of_squares, thin_qr, triangle_of};
use crate::scalar::{Real, Scalar};
use crate::transform::constant::Constant;
use crate::transform::standard_form::PenaltyRows;

/// The numbers of one λ, in the units of Ā.
pub(crate) struct Influence<T: Scalar> {
    /// R, with the rows of the caller (the constant's direction is left out): n×m.
    pub map: Mat<T>,
    /// Of every row of the caller, the constant included.
    pub rows: Vec<RowOfHat>,
    /// tr H and tr HHᴴ, the constant included.
    pub trace: f64,
    pub trace_squared: f64,
    spread: Spread<T>,
    hat: Hat<T>,
    damping: f64,
    threads: Threads,
}

/// One row of H.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowOfHat {
    /// hᵢᵢ and 1 − hᵢᵢ.
    pub leverage: f64,
    pub complement: f64,
    /// (H²)ᵢᵢ and (H³)ᵢᵢ.
    pub square: f64,
    pub cube: f64,
    /// ((I − H)²)ᵢᵢ: the variance of this row's residual, noise of variance 1 given.
    pub residual_variance: f64,
}

/// How noise spreads into z.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Spread<T: Scalar> {
    /// T and the triangle of Q₁.
    Tall { triangle: Mat<T>, seen: Mat<T> },
    /// P₁, T, 1/w of L = diag(w), and d.
    Wide { basis: Mat<T>, triangle: Mat<T>, inverse: Vec<T::Real>, damping: T::Real },
}

/// H without the constant, with the rows of the caller.
enum Hat<T> {
    /// QQᴴ.
    Fitted(Mat<T>),
    /// The projection off the constant − GGᴴ.
    Left(Mat<T>),
}

/// L⁻¹ as the diagonal that it is, where it is one and the wide form serves.
fn inverse_diagonal<T: Scalar>(penalty: &PenaltyRows<T>, n: usize) -> Option<Vec<T::Real>> {
    match penalty {
        PenaltyRows::Identity => Some(vec![T::Real::ONE; n]),
        PenaltyRows::Diagonal(w) => {
            w.iter().map(|&w| T::Real::ONE / w).map(|inverse| inverse.finite().then_some(inverse)).collect::<Option<Vec<_>>>()
        }
        PenaltyRows::Dense(_) => None,
    }
}

impl<T: Scalar> Influence<T> {
    /// For m̄×n Ā without the constant; [Ā; dL] must have full column rank.
    pub fn new(a: MatRef<'_, T>, penalty: &PenaltyRows<T>, damping: f64, constant: Option<&Constant<T>>, threads: Threads) -> Self {
        let (m, n) = a.shape();
        if n > m
            && damping > 0.0
            && let Some(inverse) = inverse_diagonal(penalty, n)
        {
            return Self::wide(a, inverse, damping, constant, threads);
        }
        Self::tall(a, penalty, damping, constant, threads)
    }

    fn tall(a: MatRef<'_, T>, penalty: &PenaltyRows<T>, damping: f64, constant: Option<&Constant<T>>, threads: Threads) -> Self {
        let (m, n) = a.shape();
        let (basis, triangle) = thin_qr(stacked(a, penalty, T::Real::from_f64(damping)), threads);
        let q = linalg::copy(basis.as_ref().subrows(0, m));
        let seen = triangle_of(linalg::copy(q.as_ref()), threads);
        let gram = product(seen.as_ref(), Op::Adjoint, seen.as_ref(), Op::None, threads);
        let full = expanded(&q, constant);
        let weighted = product(full.as_ref(), Op::None, gram.as_ref(), Op::None, threads);
        let rows = (0..full.nrows())
            .map(|i| {
                let offset = constant_leverage(constant, i);
                let leverage = inner(&full, &full, i) + offset;
                let (square, cube) = (inner(&full, &weighted, i) + offset, inner(&weighted, &weighted, i) + offset);
                let complement = 1.0 - leverage;
                RowOfHat {
                    leverage,
                    complement,
                    square,
                    cube,
                    residual_variance: (1.0 - 2.0 * leverage + square).max(complement * complement),
                }
            })
            .collect();
        let one = f64::from(u8::from(constant.is_some()));
        let trace = one + (0..n).map(|j| gram[(j, j)].real().to_f64()).sum::<f64>();
        let trace_squared = one + sum_of_squares(gram.as_ref());
        let mut map = linalg::adjoint(full.as_ref());
        T::solve_upper(triangle.as_ref(), Op::None, map.as_mut(), threads);
        Self { map, rows, trace, trace_squared, spread: Spread::Tall { triangle, seen }, hat: Hat::Fitted(full), damping, threads }
    }

    fn wide(a: MatRef<'_, T>, inverse: Vec<T::Real>, damping: f64, constant: Option<&Constant<T>>, threads: Threads) -> Self {
        let (m, n) = a.shape();
        let d = T::Real::from_f64(damping);
        let tower = Mat::from_fn(n + m, m, |i, j| match i.checked_sub(n) {
            None => a[(j, i)].conj().scale(inverse[i]),
            Some(k) if k == j => T::from_real(d),
            Some(_) => T::ZERO,
        });
        let (p, triangle) = thin_qr(tower, threads);
        let basis = linalg::copy(p.as_ref().subrows(0, n));
        let below = linalg::copy(p.as_ref().subrows(n, m));
        let gram = product(below.as_ref(), Op::Adjoint, below.as_ref(), Op::None, threads);
        let left = expanded(&below, constant);
        let weighted = product(left.as_ref(), Op::None, gram.as_ref(), Op::None, threads);
        let rows = (0..left.nrows())
            .map(|i| {
                let complement = inner(&left, &left, i);
                let (second, third) = (inner(&left, &weighted, i), inner(&weighted, &weighted, i));
                RowOfHat {
                    leverage: 1.0 - complement,
                    complement,
                    square: 1.0 - 2.0 * complement + second,
                    cube: 1.0 - 3.0 * complement + 3.0 * second - third,
                    residual_variance: second,
                }
            })
            .collect();
        // H = P₁'P₁'ᴴ of the other factorization has the eigenvalues of P₁ᴴP₁
        let seen = product(basis.as_ref(), Op::Adjoint, basis.as_ref(), Op::None, threads);
        let one = f64::from(u8::from(constant.is_some()));
        let trace = one + (0..m).map(|j| seen[(j, j)].real().to_f64()).sum::<f64>();
        let trace_squared = one + sum_of_squares(seen.as_ref());
        // R = L⁻¹P₁T⁻ᴴ: its adjoint by one triangular solve
        let mut transposed = Mat::from_fn(m, n, |i, j| basis[(j, i)].conj().scale(inverse[j]));
        T::solve_upper(triangle.as_ref(), Op::None, transposed.as_mut(), threads);
        let map = linalg::adjoint(expanded(&transposed, constant).as_ref());
        Self {
            map,
            rows,
            trace,
            trace_squared,
            spread: Spread::Wide { basis, triangle, inverse, damping: d },
            hat: Hat::Left(left),
            damping,
            threads,
        }
    }

    /// H·r for an r without a constant part, with the rows of the caller.
    pub fn smooth(&self, r: &[T]) -> Vec<T> {
        let apply = |basis: &Mat<T>| {
            let mut inside = vec![T::ZERO; basis.ncols()];
            let mut out = vec![T::ZERO; basis.nrows()];
            T::multiply_adjoint(basis.as_ref(), r, &mut inside, self.threads);
            T::multiply(basis.as_ref(), &inside, &mut out, self.threads);
            out
        };
        match &self.hat {
            Hat::Fitted(q) => apply(q),
            Hat::Left(g) => r.iter().zip(apply(g)).map(|(&r, left)| r - left).collect(),
        }
    }

    /// d²M⁻¹LᴴLz: what the penalty takes from z.
    pub fn shrinkage(&self, penalty: &PenaltyRows<T>, z: &[T]) -> Vec<T> {
        let d = T::Real::from_f64(self.damping);
        match &self.spread {
            Spread::Wide { basis, inverse, .. } => {
                // L⁻¹(I − P₁P₁ᴴ)Lz
                let y: Vec<T> = z.iter().zip(inverse).map(|(&z, &v)| z.scale(T::Real::ONE / v)).collect();
                let mut inside = vec![T::ZERO; basis.ncols()];
                let mut seen = vec![T::ZERO; basis.nrows()];
                T::multiply_adjoint(basis.as_ref(), &y, &mut inside, self.threads);
                T::multiply(basis.as_ref(), &inside, &mut seen, self.threads);
                y.iter().zip(&seen).zip(inverse).map(|((&y, &seen), &v)| (y - seen).scale(v)).collect()
            }
            Spread::Tall { triangle, .. } => {
                let mut gradient = Mat::from_fn(z.len(), 1, |j, _| match penalty {
                    PenaltyRows::Identity => z[j],
                    PenaltyRows::Diagonal(w) => z[j].scale(w[j] * w[j]),
                    PenaltyRows::Dense(_) => T::ZERO,
                });
                if let PenaltyRows::Dense(l) = penalty {
                    let mut image = vec![T::ZERO; l.nrows()];
                    T::multiply(l.as_ref(), z, &mut image, self.threads);
                    T::multiply_adjoint(l.as_ref(), &image, gradient.col_as_slice_mut(0), self.threads);
                }
                T::solve_upper(triangle.as_ref(), Op::Adjoint, gradient.as_mut(), self.threads);
                T::solve_upper(triangle.as_ref(), Op::None, gradient.as_mut(), self.threads);
                gradient.col_as_slice(0).iter().map(|&v| v.scale(d).scale(d)).collect()
            }
        }
    }

    pub fn spread(&self) -> &Spread<T> {
        &self.spread
    }
}

impl<T: Scalar> Spread<T> {
    /// aᴴRRᴴa and aᴴM⁻¹a: the variances of aᴴz that unit noise makes, and that the posterior has.
    pub fn variances(&self, a: &[T]) -> (f64, f64) {
        match self {
            Spread::Tall { triangle, seen } => {
                let mut y = Mat::from_fn(a.len(), 1, |i, _| a[i]);
                T::solve_upper(triangle.as_ref(), Op::Adjoint, y.as_mut(), Threads::ONE);
                let mut image = vec![T::ZERO; seen.nrows()];
                T::multiply(seen.as_ref(), y.col_as_slice(0), &mut image, Threads::ONE);
                let (sampling, posterior) = (linalg::norm(&image).to_f64(), linalg::norm(y.col_as_slice(0)).to_f64());
                (sampling * sampling, posterior * posterior)
            }
            Spread::Wide { basis, triangle, inverse, damping } => {
                let y: Vec<T> = a.iter().zip(inverse).map(|(&a, &v)| a.scale(v)).collect();
                let mut inside = linalg::zeros(basis.ncols(), 1);
                T::multiply_adjoint(basis.as_ref(), &y, inside.col_as_slice_mut(0), Threads::ONE);
                // yᴴ(y − P₁P₁ᴴy)
                let mut seen = vec![T::ZERO; basis.nrows()];
                T::multiply(basis.as_ref(), inside.col_as_slice(0), &mut seen, Threads::ONE);
                let unseen: f64 = y.iter().zip(&seen).map(|(&y, &seen)| (y.conj() * (y - seen)).real().to_f64()).sum();
                let d = damping.to_f64();
                T::solve_upper(triangle.as_ref(), Op::None, inside.as_mut(), Threads::ONE);
                let sampling = linalg::norm(inside.col_as_slice(0)).to_f64();
                (sampling * sampling, unseen.max(0.0) / d / d)
            }
        }
    }
}

/// [Ā; dL].
fn stacked<T: Scalar>(a: MatRef<'_, T>, penalty: &PenaltyRows<T>, d: T::Real) -> Mat<T> {
    let (m, n) = a.shape();
    let below = match penalty {
        _ if d == T::Real::ZERO => 0,
        PenaltyRows::Dense(l) => l.nrows(),
        _ => n,
    };
    // a factorization without pivots wants at least as many rows as columns
    Mat::from_fn((m + below).max(n), n, |i, j| match i.checked_sub(m) {
        None => a[(i, j)],
        Some(k) if k >= below => T::ZERO,
        Some(k) => match penalty {
            PenaltyRows::Identity if k == j => T::from_real(d),
            PenaltyRows::Diagonal(w) if k == j => T::from_real(w[j] * d),
            PenaltyRows::Dense(l) => l[(k, j)].scale(d),
            _ => T::ZERO,
        },
    })
}

fn expanded<T: Scalar>(q: &Mat<T>, constant: Option<&Constant<T>>) -> Mat<T> {
    constant.map_or_else(|| linalg::copy(q.as_ref()), |constant| constant.expand(q.as_ref()))
}

fn constant_leverage<T: Scalar>(constant: Option<&Constant<T>>, i: usize) -> f64 {
    constant.map_or(0.0, |constant| constant.direction_at(i).to_f64().powi(2))
}

fn inner<T: Scalar>(a: &Mat<T>, b: &Mat<T>, i: usize) -> f64 {
    (0..a.ncols()).map(|j| (a[(i, j)].conj() * b[(i, j)]).real().to_f64()).sum()
}
