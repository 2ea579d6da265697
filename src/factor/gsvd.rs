//! The generalized singular value decomposition: A·X = U·diag(c), L·X = V·diag(s), for any shapes and ranks.
//!
//! The problem: min ‖Ax − b‖² + λ‖Lx‖² for many λ with L ≠ I. With β = Uᴴb its minimiser, of minimum norm where A and L
//! vanish together, is
//!
//! ```text
//! x(λ) = Σ xᵢ·βᵢ·cᵢ/(cᵢ² + λsᵢ²)       over the pairs with cᵢ > 0
//! ```
//!
//! What it equals: for L = I the SVD, γᵢ = cᵢ/sᵢ being the singular values of A; for invertible L the SVD of A·L⁻¹; for
//! other L the transformation to standard form (Eldén 1982, doi:10.1007/BF01934412) of problems that have one.
//!
//! Prefer a sibling: the SVD when L = I, the band solvers when A is banded too, a QR of [A; √λL] when one λ is given.
//!
//! # Conventions
//!
//! k = rank of [A; L]. Both identities hold for A and L **as given**, every column of X being normalised so that
//! cᵢ² + sᵢ² = 1. Pairs are in descending order of γᵢ = cᵢ/sᵢ: first sᵢ = 0 (null space of L, not penalized), last cᵢ = 0
//! (null space of A). Values at roundoff level are exactly 0, and the partner is exactly 1: see [`ZERO_BELOW`].
//! X is n×k with columns that span the row space of [A; L], which is what makes x(λ) the solution of minimum norm. V is
//! not kept: no formula in λ needs it (‖Lx‖² = Σ sᵢ²|ξᵢ|² for x = Xξ).
//!
//! # How, and why so
//!
//! 1. A and L are scaled by powers of two to largest entries near 1. The CS decomposition finds c and s with absolute
//!    errors near ε; without the balance, a block that is small as a whole would lose as many digits as
//!    it is smaller. The exponents go back into c, s and X at the end (range: γ must be a finite f64, or the smaller partner is 0).
//! 2. Columns of the stacked matrix are scaled by powers of two to norms near 1 **for the decision of the rank**, which thus
//!    does not depend on the units of the unknowns. (A column of pure noise next to large ones then counts as data.)
//!    Column scaling D does not touch c and s: (AD, LD) has the factor D⁻¹X, and X itself when D is put back. What it would
//!    change is the choice among the solutions when the rank is below n, so there D is put back *before* the row space is
//!    orthogonalized: minimum norm is with respect to the x of the caller.
//! 3. [A; L]·D = Q₀R₀ without pivoting, R₀P = Q₁R with it; k is the first i with |rᵢᵢ| ≤ tolerance·|r₁₁|.
//!    Full rank: [A; L] = Q·R·PᵀD⁻¹ (Q = Q₀Q₁). Rank below n: H = D⁻¹P·Rᴴ is n×k, rows sorted by size, HΠ = WS by QR with
//!    column pivoting (so that graded rows keep their digits); X = W·S⁻ᴴΠᵀY lies in the row space and satisfies RX = Y.
//! 4. CS decomposition of Q = [Q_A; Q_L] by Van Loan's method: Q_L = V·diag(s)·Yᴴ gives the small s to absolute accuracy ε.
//!    Columns of Q_A·Y with s ≤ 1/√2 have norms c ≥ 1/√2 and are orthogonal to ε, so QR of Q_A·Y in this order is
//!    [diag(c₁) ε; 0 R₂₂]; the SVD of R₂₂ gives the small c to the same accuracy, and rotates the rest of Y, which is
//!    harmless for V because s ≥ 1/√2 there. No iteration besides the SVD, which has its own safeguards
//!    ([`crate::factor::robust_svd`]); the Jacobi–Kogbetliantz sweeps of LAPACK's xTGSJA, which may not converge, are avoided.
//!
//! Errors: the decomposition is exact for data perturbed by order nε‖A‖, nε‖L‖ (column by column). Where A and L are
//! both small on a direction (condition κ of [A; L] after scaling), c and s there carry errors of order κε, and a
//! null vector of L comes out with s up to κε; hence the factor ‖x̂ᵢ‖ in what counts as zero.
//!
//! Cost: flops about 2(m+p)n² for the first QR, 4n³/3 for the pivoted one, 2(m+p)nk for Q, 6pk² + 16k³ for the SVD of Q_L,
//! 4mk² for U, less for the rest. Memory: three (m+p)×n, a few n×n.
//!
//! Symbols (Van Loan 1985, Björck 1996): C = diag(c), S = diag(s), X⁻¹ = YᴴQᴴ[A; L]; here A·X = UC, in Hansen's books the same.
//!
//! References: Van Loan 1976, doi:10.1137/0713009; Paige, Saunders 1981, doi:10.1137/0718026; Stewart 1982,
//! doi:10.1007/BF01396447; Van Loan 1985, doi:10.1007/BF01389653; Bai, Demmel 1993, doi:10.1137/0914085 (LAPACK's route).

use crate::error::Result;
use crate::factor::robust_svd::{completed, exponent, exponent_of, identity, product, robust_svd, scaled};
use crate::linalg::{Mat, MatRef, Op, Threads, largest_modulus, norm, zeros};
use crate::scalar::{Real, Scalar, times_power_of_two};

/// c or s (of the balanced pair) below this many ε·√(m+p+n)·max(1, ‖x̂ᵢ‖) is 0 (and its partner 1), x̂ᵢ being xᵢ in the
/// equilibrated unknowns: a change of A or L in the last digits moves c and s by ε‖x̂ᵢ‖. Never above √ε.
/// Measured on exact null spaces of differences of order 1 to 3, n = 3 to 500: see the tests.
const ZERO_BELOW: f64 = 8.0;

/// A·X = U·diag(c), L·X = V·diag(s).
#[derive(Debug, Clone)]
pub(crate) struct Gsvd<T: Scalar> {
    /// m×k_a, orthonormal columns, one for each of the k_a pairs with c > 0 (they are the first k_a).
    pub u: Mat<T>,
    /// k values in [0, 1], descending.
    pub c: Vec<f64>,
    /// k values in [0, 1], ascending; c² + s² = 1.
    pub s: Vec<f64>,
    /// n×k, spans the row space of [A; L].
    pub x: Mat<T>,
    /// k, the rank of [A; L]; below n exactly when A and L share a null space.
    pub rank: usize,
    /// The relative tolerance at which the rank was decided, (max(m+p, n))·ε.
    pub tolerance: f64,
}

/// c/(c² + d²s²), the coefficient of xᵢβᵢ at the damping d = √λ, without intermediate overflow or underflow.
pub(crate) fn coefficient(c: f64, s: f64, damping: f64) -> f64 {
    if c == 0.0 {
        return 0.0;
    }
    let h = c.hypot(damping * s);
    c / h / h
}

impl<T: Scalar> Gsvd<T> {
    /// Decomposes the pair of an m×n and a p×n matrix with finite entries.
    ///
    /// # Errors
    /// [`crate::Error::NotConverged`] when every route to an SVD failed, for which no matrix is known.
    pub(crate) fn new(a: MatRef<'_, T>, l: MatRef<'_, T>, threads: Threads) -> Result<Self> {
        let (m, n, p) = (a.nrows(), a.ncols(), l.nrows());
        let epsilon = T::Real::EPSILON.to_f64();
        let tolerance = (m + p).max(n) as f64 * epsilon;
        let (e_a, e_l) = match (exponent(a), exponent(l)) {
            (Some(a), Some(l)) => (a, l),
            (Some(e), None) | (None, Some(e)) => (e, e),
            (None, None) => return Ok(Self { u: zeros(m, 0), c: vec![], s: vec![], x: zeros(n, 0), rank: 0, tolerance }),
        };
        let stacked = Stacked::new(a, e_a, l, e_l, tolerance, threads);
        let k = stacked.rank;
        let q = stacked.q(threads);
        let zero_below = ZERO_BELOW * ((m + p + n) as f64).sqrt() * epsilon;
        let Cs { u, mut c, mut s, y } = Cs::new(q.as_ref().subrows(0, m), q.as_ref().subrows(m, p), threads)?;
        let (mut x, mut shift) = stacked.solve(&y, threads);

        // x̂ᵢ: column i in the unknowns of the equilibrated stack, whose columns have norms near 1
        let zero_below = |i: usize| {
            let equilibrated: Vec<T> = (0..n).map(|j| times_power_of_two(x[(j, i)], shift[j] + stacked.scale[j])).collect();
            (zero_below * norm(&equilibrated).to_f64().larger(1.0)).min(epsilon.sqrt())
        };
        for i in 0..k {
            let (h, zero_below) = (c[i].hypot(s[i]), zero_below(i));
            (c[i], s[i]) = match (c[i] / h, s[i] / h) {
                (c, _) if c <= zero_below => (0.0, 1.0),
                (_, s) if s <= zero_below => (1.0, 0.0),
                pair => pair,
            };
        }
        // the values set to zero, and equal ones on both sides of 1/√2, may be out of order
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|&i, &j| c[j].total_cmp(&c[i]).then(s[i].total_cmp(&s[j])));

        // back to A and L as given: (2^e_a·c, 2^e_l·s) = 2^e·h·(c', s'), and xᵢ takes the factor 1/(2^e·h)
        let e = e_a.max(e_l);
        for i in 0..k {
            let (c_i, s_i) = (times_power_of_two(c[i], e_a - e), times_power_of_two(s[i], e_l - e));
            let h = c_i.hypot(s_i);
            (c[i], s[i]) = (c_i / h, s_i / h);
            for value in x.col_as_slice_mut(i) {
                *value = value.scale(T::Real::from_f64(1.0 / h));
            }
        }
        shift.iter_mut().for_each(|shift| *shift -= e);
        let used = c.iter().filter(|c| **c > 0.0).count();
        Ok(Self {
            u: Mat::from_fn(m, used, |i, j| u[(i, order[j])]),
            x: Mat::from_fn(n, k, |i, j| times_power_of_two(x[(i, order[j])], shift[i])),
            c: order.iter().map(|&i| c[i]).collect(),
            s: order.iter().map(|&i| s[i]).collect(),
            rank: k,
            tolerance,
        })
    }
}

/// [2^−e_a·A; 2^−e_l·L]·D = Q·R·Pᵀ.
struct Stacked<T: Scalar> {
    rows: usize,
    rank: usize,
    /// D = diag(2^−scale).
    scale: Vec<i32>,
    /// Q₀, when there are more rows than columns.
    first: Option<crate::linalg::Reflectors<T>>,
    /// Q₁ and R.
    second: crate::linalg::Reflectors<T>,
    permutation: Vec<usize>,
}

impl<T: Scalar> Stacked<T> {
    fn new(a: MatRef<'_, T>, e_a: i32, l: MatRef<'_, T>, e_l: i32, tolerance: f64, threads: Threads) -> Self {
        let (m, n, p) = (a.nrows(), a.ncols(), l.nrows());
        let (a, l) = (scaled(a, -e_a), scaled(l, -e_l));
        let mut z = Mat::from_fn(m + p, n, |i, j| if i < m { a[(i, j)] } else { l[(i - m, j)] });
        let scale: Vec<i32> = (0..n).map(|j| exponent_of(norm(z.col_as_slice(j)).to_f64()).unwrap_or(0)).collect();
        for (j, &scale) in scale.iter().enumerate() {
            for value in z.col_as_slice_mut(j) {
                *value = times_power_of_two(*value, -scale);
            }
        }
        let (first, square) = if m + p > n {
            let first = T::qr(z, threads);
            let r = Mat::from_fn(n, n, |i, j| if i <= j { first.basis[(i, j)] } else { T::ZERO });
            (Some(first), r)
        } else {
            (None, z)
        };
        let (second, permutation) = T::qr_pivoted(square, threads);
        let diagonal: Vec<f64> = (0..second.basis.nrows().min(n)).map(|i| second.basis[(i, i)].modulus().to_f64()).collect();
        let largest = diagonal.first().copied().unwrap_or(0.0);
        let rank = diagonal.iter().take_while(|r| **r > tolerance * largest).count();
        Self { rows: m + p, rank, scale, first, second, permutation }
    }

    /// The first k columns of Q.
    fn q(&self, threads: Threads) -> Mat<T> {
        let apply = |reflectors: &crate::linalg::Reflectors<T>, q: &mut Mat<T>| {
            let basis = reflectors.basis.as_ref().subcols(0, reflectors.coefficients.ncols());
            T::apply_reflectors(basis, reflectors.coefficients.as_ref(), Op::None, q.as_mut(), threads);
        };
        let mut q = identity(self.second.basis.nrows(), self.rank);
        apply(&self.second, &mut q);
        if let Some(first) = &self.first {
            let top = q;
            q = Mat::from_fn(self.rows, self.rank, |i, j| if i < top.nrows() { top[(i, j)] } else { T::ZERO });
            apply(first, &mut q);
        }
        q
    }

    /// The X of minimum norm with [2^−e_a·A; 2^−e_l·L]·X = Q·Y, as (X̂, shift) with row i of X = 2^shift[i] times row i of X̂.
    fn solve(&self, y: &Mat<T>, threads: Threads) -> (Mat<T>, Vec<i32>) {
        let (n, k) = (self.scale.len(), self.rank);
        let r = |i: usize, j: usize| if i <= j { self.second.basis[(i, j)] } else { T::ZERO };
        let mut x = zeros(n, k);
        if k == n {
            let mut solution = y.clone();
            T::solve_upper(self.second.basis.as_ref().subrows(0, k), Op::None, solution.as_mut(), threads);
            for j in 0..k {
                for i in 0..k {
                    x[(self.permutation[i], j)] = solution[(i, j)];
                }
            }
            return (x, self.scale.iter().map(|scale| -scale).collect());
        }
        // rows of H relative to the largest column of the stacked matrix: what underflows here is below its roundoff
        let top = (0..n).map(|j| self.scale[j]).max().unwrap_or(0);
        let row = |i: usize| -> Vec<T> {
            let j = self.permutation[i];
            (0..k).map(|t| times_power_of_two(r(t, i).conj(), self.scale[j] - top)).collect()
        };
        let mut h: Vec<(usize, Vec<T>)> = (0..n).map(|i| (self.permutation[i], row(i))).collect();
        h.sort_by(|a, b| largest_modulus(&b.1).partial_cmp(&largest_modulus(&a.1)).unwrap_or(core::cmp::Ordering::Equal));
        let (w, permutation) = T::qr_pivoted(Mat::from_fn(n, k, |i, j| h[i].1[j]), threads);
        let mut rest = Mat::from_fn(k, k, |i, j| y[(permutation[i], j)]);
        T::solve_upper(w.basis.as_ref().subrows(0, k), Op::Adjoint, rest.as_mut(), threads);
        let mut solution = Mat::from_fn(n, k, |i, j| if i < k { rest[(i, j)] } else { T::ZERO });
        T::apply_reflectors(w.basis.as_ref(), w.coefficients.as_ref(), Op::None, solution.as_mut(), threads);
        for j in 0..k {
            for i in 0..n {
                x[(h[i].0, j)] = solution[(i, j)];
            }
        }
        (x, vec![-top; n])
    }
}

/// Q_A = U·diag(c)·Yᴴ, Q_L = V·diag(s)·Yᴴ for a Q = [Q_A; Q_L] with orthonormal columns; Y unitary, c descending up to roundoff.
struct Cs<T: Scalar> {
    /// m×min(m, k).
    u: Mat<T>,
    c: Vec<f64>,
    s: Vec<f64>,
    y: Mat<T>,
}

impl<T: Scalar> Cs<T> {
    fn new(q_a: MatRef<'_, T>, q_l: MatRef<'_, T>, threads: Threads) -> Result<Self> {
        let (m, k) = q_a.shape();
        let r = m.min(k);
        let svd = robust_svd(q_l, threads)?;
        let full = completed(&svd.v, threads);
        // ascending in s; the columns that complete Y are the null space of Q_L
        let y = Mat::from_fn(k, k, |i, j| full[(i, k - 1 - j)]);
        let mut s: Vec<f64> = (0..k).map(|j| svd.s.get(k - 1 - j).map_or(0.0, |s| s.to_f64())).collect();

        // as c ≥ 1/√2 in the first part, it cannot have more than m columns, except by roundoff in a degenerate Q
        let split = s.iter().take_while(|s| **s <= core::f64::consts::FRAC_1_SQRT_2).count().min(r);
        let qr = T::qr(product(q_a, Op::None, y.as_ref(), Op::None, threads), threads);
        let mut basis = identity(m, r);
        T::apply_reflectors(qr.basis.as_ref().subcols(0, r), qr.coefficients.as_ref(), Op::None, basis.as_mut(), threads);
        let mut u = zeros(m, r);
        let mut c = vec![0.0; k];
        for j in 0..split {
            let diagonal = qr.basis[(j, j)];
            let size = diagonal.modulus();
            let phase = if size > T::Real::ZERO { T::from_parts(diagonal.real() / size, diagonal.imaginary() / size) } else { T::ONE };
            c[j] = size.to_f64();
            for i in 0..m {
                u[(i, j)] = basis[(i, j)] * phase;
            }
        }

        let rest = Mat::from_fn(r - split, k - split, |i, j| if i <= j { qr.basis[(split + i, split + j)] } else { T::ZERO });
        let svd = robust_svd(rest.as_ref(), threads)?;
        let turn = completed(&svd.v, threads);
        let turned = product(basis.as_ref().subcols(split, r - split), Op::None, svd.u.as_ref(), Op::None, threads);
        for j in 0..r - split {
            for i in 0..m {
                u[(i, split + j)] = turned[(i, j)];
            }
        }
        let turned = product(y.as_ref().subcols(split, k - split), Op::None, turn.as_ref(), Op::None, threads);
        let y = Mat::from_fn(k, k, |i, j| if j < split { y[(i, j)] } else { turned[(i, j - split)] });
        for j in split..k {
            c[j] = svd.s.get(j - split).map_or(0.0, |c| c.to_f64().min(1.0));
            s[j] = ((1.0 - c[j]) * (1.0 + c[j])).sqrt();
        }
        Ok(Self { u, c, s, y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Kernels;
    use crate::linalg::adjoint;
    use crate::random::Random;
    use crate::scalar::{c32, c64};

    fn random<T: Scalar>(m: usize, n: usize, seed: u64) -> Mat<T> {
        let entries: Vec<T> = Random::new(seed).scalars(m * n);
        Mat::from_fn(m, n, |i, j| entries[i + j * m])
    }

    /// Differences of the given order, (n − order)×n.
    fn difference<T: Scalar>(n: usize, order: usize) -> Mat<T> {
        let mut row = vec![1.0];
        for _ in 0..order {
            let mut next = vec![0.0; row.len() + 1];
            for (i, value) in row.iter().enumerate() {
                next[i] -= value;
                next[i + 1] += value;
            }
            row = next;
        }
        let number = |value: f64| T::from_real(T::Real::from_f64(value));
        Mat::from_fn(n.saturating_sub(order), n, |i, j| if j >= i { row.get(j - i).map_or(T::ZERO, |v| number(*v)) } else { T::ZERO })
    }

    fn times<T: Scalar>(a: &Mat<T>, b: &Mat<T>) -> Mat<T> {
        product(a.as_ref(), Op::None, b.as_ref(), Op::None, Threads::ONE)
    }

    /// Frobenius norm.
    fn size<T: Scalar>(a: &Mat<T>) -> f64 {
        let all: Vec<T> = (0..a.ncols()).flat_map(|j| a.col_as_slice(j).to_vec()).collect();
        norm(&all).to_f64()
    }

    fn distance<T: Scalar>(a: &Mat<T>, b: &Mat<T>) -> f64 {
        assert_eq!(a.shape(), b.shape());
        size(&Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] - b[(i, j)]))
    }

    /// The minimum-norm minimiser from an SVD of [A; √λ·L] and nothing else.
    fn reference<T: Scalar>(a: &Mat<T>, l: &Mat<T>, b: &Mat<T>, lambda: f64) -> Mat<T> {
        let (m, n, p) = (a.nrows(), a.ncols(), l.nrows());
        let root = T::Real::from_f64(lambda.sqrt());
        let z = Mat::from_fn(m + p, n, |i, j| if i < m { a[(i, j)] } else { l[(i - m, j)].scale(root) });
        let svd = robust_svd(z.as_ref(), Threads::ONE).unwrap();
        let cut = svd.s.first().map_or(0.0, |s| s.to_f64()) * T::Real::EPSILON.to_f64() * 8.0 * (m + p + n) as f64;
        let rhs = Mat::from_fn(m + p, 1, |i, _| if i < m { b[(i, 0)] } else { T::ZERO });
        let beta = product(svd.u.as_ref(), Op::Adjoint, rhs.as_ref(), Op::None, Threads::ONE);
        let xi = Mat::from_fn(
            svd.s.len(),
            1,
            |i, _| {
                if svd.s[i].to_f64() > cut { beta[(i, 0)].scale(T::Real::ONE / svd.s[i]) } else { T::ZERO }
            },
        );
        times(&svd.v, &xi)
    }

    fn solution<T: Scalar>(gsvd: &Gsvd<T>, b: &Mat<T>, lambda: f64) -> Mat<T> {
        let beta = product(gsvd.u.as_ref(), Op::Adjoint, b.as_ref(), Op::None, Threads::ONE);
        let xi = Mat::from_fn(gsvd.rank, 1, |i, _| {
            if i < gsvd.u.ncols() {
                beta[(i, 0)].scale(T::Real::from_f64(coefficient(gsvd.c[i], gsvd.s[i], lambda.sqrt())))
            } else {
                T::ZERO
            }
        });
        times(&gsvd.x, &xi)
    }

    /// The largest defect of the identities, in units of ε·(m+p+n).
    fn defect<T: Scalar>(a: &Mat<T>, l: &Mat<T>, gsvd: &Gsvd<T>) -> f64 {
        let (m, n, p) = (a.nrows(), a.ncols(), l.nrows());
        let (k, used) = (gsvd.rank, gsvd.u.ncols());
        assert_eq!((gsvd.c.len(), gsvd.s.len(), gsvd.x.shape(), gsvd.u.nrows()), (k, k, (n, k), m));
        assert_eq!(used, gsvd.c.iter().filter(|c| **c > 0.0).count());
        assert!(gsvd.c.windows(2).all(|c| c[0] >= c[1]) && gsvd.s.windows(2).all(|s| s[0] <= s[1]), "{:?}", (&gsvd.c, &gsvd.s));
        let unit = T::Real::EPSILON.to_f64() * (m + n + p).max(1) as f64;
        let mut worst = gsvd.c.iter().zip(&gsvd.s).map(|(c, s)| (c * c + s * s - 1.0).abs() / unit).fold(0.0, f64::larger);
        let gram = |u: &Mat<T>| product(u.as_ref(), Op::Adjoint, u.as_ref(), Op::None, Threads::ONE);
        worst = worst.larger(distance(&gram(&gsvd.u), &identity(used, used)) / unit);
        let (ax, lx) = (times(a, &gsvd.x), times(l, &gsvd.x));
        let number = |value: f64| T::from_real(T::Real::from_f64(value));
        // column by column, against the size of the column of X; ⟨Lxᵢ, Lxⱼ⟩ with an error of ‖L‖‖x‖·ε in either factor
        for j in 0..k {
            let length = norm(gsvd.x.col_as_slice(j)).to_f64();
            let uc: Vec<T> = (0..m).map(|i| ax[(i, j)] - if j < used { gsvd.u[(i, j)] * number(gsvd.c[j]) } else { T::ZERO }).collect();
            if m > 0 {
                worst = worst.larger(norm(&uc).to_f64() / (unit * length * size(a)).max(f64::MIN_POSITIVE));
            }
            let length_l = norm(lx.col_as_slice(j)).to_f64();
            worst = worst.larger((length_l - gsvd.s[j]).abs() / (unit * length * size(l)).max(f64::MIN_POSITIVE));
            for i in 0..j {
                let other = norm(gsvd.x.col_as_slice(i)).to_f64();
                let inner = crate::linalg::dot(lx.col_as_slice(i), lx.col_as_slice(j)).modulus().to_f64();
                let small = unit * size(l);
                worst = worst
                    .larger(inner / (small * (length * gsvd.s[i] + other * gsvd.s[j] + small * length * other)).max(f64::MIN_POSITIVE));
            }
        }
        worst
    }

    /// Decomposes, checks the identities, compares solutions; returns the decomposition.
    fn check<T: Scalar>(name: &str, a: &Mat<T>, l: &Mat<T>, rank: usize, zero_s: Option<usize>) -> Gsvd<T> {
        let gsvd = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
        assert_eq!(gsvd.rank, rank, "{name}");
        if let Some(expected) = zero_s {
            assert_eq!(gsvd.s.iter().filter(|s| **s == 0.0).count(), expected, "{name}: {:?}", gsvd.s);
        }
        let worst = defect(a, l, &gsvd);
        let b: Mat<T> = random(a.nrows(), 1, 99);
        let ratio = if size(a) > 0.0 && size(l) > 0.0 { (size(a) / size(l)).powi(2) } else { 1.0 };
        let mut error = 0.0_f64;
        for lambda in [1e-3, 1.0, 1e4] {
            let (x, y) = (solution(&gsvd, &b, lambda * ratio), reference(a, l, &b, lambda * ratio));
            error = error.larger(distance(&x, &y) / size(&y).max(f64::MIN_POSITIVE));
        }
        println!("{name:>40} {}: identities {worst:.2} n·ε, solutions {:.1} ε", T::NAME, error / T::Real::EPSILON.to_f64());
        assert!(worst < 4.0, "{name}: {worst}");
        // in single precision the reference itself loses up to 0.04 for small λ on a common null space; see the last test
        let condition = if T::Real::EPSILON.to_f64() > 1e-10 { 1e-1 } else { 1e-9 };
        assert!(size(a) == 0.0 || error < condition, "{name}: {error}");
        gsvd
    }

    /// A product of two random factors with small integer parts: its rank is exact in every precision.
    fn of_rank<T: Scalar>(m: usize, n: usize, rank: usize, seed: u64) -> Mat<T> {
        let integers = |a: Mat<T>| {
            let round = |x: T::Real| T::Real::from_f64((2.0 * x.to_f64()).round());
            Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::from_parts(round(a[(i, j)].real()), round(a[(i, j)].imaginary())))
        };
        times(&integers(random(m, rank, seed)), &integers(random(rank, n, seed + 1)))
    }

    fn all_shapes<T: Scalar>() {
        let r = random::<T>;
        check::<T>("tall, tall", &r(20, 9, 1), &r(14, 9, 2), 9, Some(0));
        check::<T>("square, square", &r(9, 9, 3), &r(9, 9, 4), 9, Some(0));
        check::<T>("wide, square", &r(5, 9, 5), &r(9, 9, 6), 9, Some(0));
        check::<T>("tall, wide", &r(12, 9, 7), &r(4, 9, 8), 9, Some(5));
        check::<T>("wide, wide, together full", &r(6, 9, 9), &r(5, 9, 10), 9, Some(4));
        check::<T>("wide, wide, common null space", &r(3, 9, 11), &r(4, 9, 12), 7, Some(3));
        check::<T>("wide, no rows of L", &r(3, 9, 13), &r(0, 9, 14), 3, Some(3));
        check::<T>("no rows of A", &r(0, 4, 15), &r(6, 4, 16), 4, Some(0));
        check::<T>("one row each", &r(1, 5, 17), &r(1, 5, 18), 2, Some(1));
        check::<T>("one column", &r(7, 1, 19), &r(3, 1, 20), 1, Some(0));
        check::<T>("one entry", &r(1, 1, 21), &r(1, 1, 22), 1, Some(0));
        check::<T>("no columns", &r(4, 0, 23), &r(3, 0, 24), 0, Some(0));
        check::<T>("nothing", &r(0, 0, 25), &r(0, 0, 26), 0, Some(0));
        check::<T>("rank-deficient A", &of_rank(12, 8, 3, 27), &r(8, 8, 28), 8, Some(0));
        check::<T>("rank-deficient L", &r(12, 8, 29), &of_rank(10, 8, 5, 30), 8, Some(3));
        check::<T>("rank-deficient both", &of_rank(12, 8, 4, 31), &of_rank(9, 8, 6, 33), 8, Some(2));
        check::<T>("rank-deficient stack", &of_rank(12, 8, 2, 35), &of_rank(9, 8, 3, 37), 5, Some(2));
        check::<T>("A = 0", &zeros(5, 6), &r(6, 6, 39), 6, Some(0));
        check::<T>("L = 0", &r(8, 6, 40), &zeros(4, 6), 6, Some(6));
        check::<T>("both 0", &zeros(5, 6), &zeros(4, 6), 0, Some(0));
        check::<T>("A = L", &r(9, 6, 41), &r(9, 6, 41), 6, Some(0));
        check::<T>("L = I", &r(9, 6, 42), &identity(6, 6), 6, Some(0));
        check::<T>("A = L = I", &identity(6, 6), &identity(6, 6), 6, Some(0));
        for order in 1..=3 {
            check::<T>("differences", &r(15, 12, 43), &difference(12, order), 12, Some(order));
            check::<T>("differences, one row of A", &r(1, 12, 44), &difference(12, order), 12 - order + 1, Some(1));
            check::<T>(
                "differences, sampling",
                &Mat::from_fn(4, 12, |i, j| if j == 3 * i { T::ONE } else { T::ZERO }),
                &difference(12, order),
                12,
                Some(order),
            );
        }
        let zero_column = |mut a: Mat<T>| {
            a.col_as_slice_mut(2).fill(T::ZERO);
            a
        };
        let gsvd = check::<T>("a column of zeros", &zero_column(r(9, 6, 45)), &zero_column(r(4, 6, 46)), 5, Some(1));
        assert!((0..5).all(|j| gsvd.x[(2, j)] == T::ZERO || gsvd.x[(2, j)].modulus().to_f64() < 1e-6));
        let big = check::<T>("larger", &r(90, 60, 47), &difference(60, 2), 60, Some(2));
        assert_eq!(big.s[0], 0.0);
    }

    #[test]
    fn all_shapes_f64() {
        all_shapes::<f64>();
    }

    #[test]
    fn all_shapes_c64() {
        all_shapes::<c64>();
    }

    #[test]
    fn all_shapes_f32_and_c32() {
        all_shapes::<f32>();
        all_shapes::<c32>();
    }

    #[test]
    fn exact_null_spaces_are_exact_and_the_next_value_is_kept() {
        for n in [3, 10, 100, 500] {
            for order in 1..=3 {
                if n <= order {
                    continue;
                }
                let blur = Mat::from_fn(n, n, |i, j| (-((i as f64 - j as f64) / 3.0).powi(2)).exp());
                let gsvd = Gsvd::new(blur.as_ref(), difference::<f64>(n, order).as_ref(), Threads::ONE).unwrap();
                assert_eq!(gsvd.s.iter().filter(|s| **s == 0.0).count(), order, "n = {n}, order {order}: {:?}", &gsvd.s[..order.min(n)]);
                assert!(gsvd.c[..order].iter().all(|c| *c == 1.0));
                // the first penalized direction is about (π/n)^order; it must not be taken for zero
                assert!(n == 3 || gsvd.s[order] > 1e-9);
            }
        }
    }

    #[test]
    fn prescribed_pairs_come_back_at_both_ends() {
        // A = U·C·M, L = V·S·M with known c, s from 1e-12 to 1
        let n = 10;
        let orthogonal = |rows: usize, seed: u64| {
            let qr = f64::qr(random::<f64>(rows, n, seed), Threads::ONE);
            let mut q = identity(rows, n);
            f64::apply_reflectors(qr.basis.as_ref(), qr.coefficients.as_ref(), Op::None, q.as_mut(), Threads::ONE);
            q
        };
        let pairs: Vec<(f64, f64)> = (0..n)
            .map(|i| {
                let angle = if i < 5 { 10.0_f64.powi(-12 + 3 * i as i32) } else { 10.0_f64.powi(-3 * (i as i32 - 5)) };
                if i < 5 { ((1.0 - angle * angle).sqrt(), angle) } else { (angle.min(0.8), (1.0 - angle.min(0.8).powi(2)).sqrt()) }
            })
            .collect();
        let m = random::<f64>(n, n, 5);
        let a = times(&orthogonal(14, 1), &Mat::from_fn(n, n, |i, j| pairs[i].0 * m[(i, j)]));
        let l = times(&orthogonal(11, 2), &Mat::from_fn(n, n, |i, j| pairs[i].1 * m[(i, j)]));
        let gsvd = check("prescribed", &a, &l, n, Some(0));
        let mut expected = pairs;
        expected.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.total_cmp(&y.1)));
        for (i, (c, s)) in expected.iter().enumerate() {
            assert!((gsvd.c[i] - c).abs() < 1e-13 && (gsvd.s[i] - s).abs() < 1e-13, "{i}: {c} {s} and {} {}", gsvd.c[i], gsvd.s[i]);
        }
    }

    #[test]
    fn scales_of_a_and_l_do_not_matter() {
        let (a, l) = (random::<f64>(9, 6, 1), random::<f64>(4, 6, 2));
        let base = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
        for (alpha, beta) in [(1e-16, 1.0), (1e150, 1.0), (1.0, 1e-150), (1e-100, 1e100), (1e280, 1e280), (1e-280, 1e-280)] {
            let scale = |a: &Mat<f64>, by: f64| Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * by);
            let gsvd = Gsvd::new(scale(&a, alpha).as_ref(), scale(&l, beta).as_ref(), Threads::ONE).unwrap();
            for i in 0..6 {
                let (gamma, expected) = (gsvd.c[i] / gsvd.s[i], base.c[i] / base.s[i] * (alpha / beta));
                assert!(gamma == expected || (gamma / expected - 1.0).abs() < 1e-12, "{alpha} {beta} {i}: {gamma} {expected}");
                assert!(gsvd.x.col_as_slice(i).iter().all(|x| x.is_finite()));
                let ax = times(&scale(&a, alpha), &gsvd.x);
                assert!((norm(ax.col_as_slice(i)) / gsvd.c[i] - 1.0).abs() < 1e-12);
            }
        }
        let (a, l) = (random::<f32>(9, 6, 1), random::<f32>(4, 6, 2));
        let a = Mat::from_fn(9, 6, |i, j| a[(i, j)] * 1e30);
        let l = Mat::from_fn(4, 6, |i, j| l[(i, j)] * 1e-30);
        let gsvd = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
        assert!(gsvd.s[2..].iter().all(|s| *s > 1e-62 && *s < 1e-57), "{:?}", gsvd.s);
    }

    #[test]
    fn graded_columns() {
        for (low, high) in [(-8, 8), (-30, 30), (-100, 100)] {
            let grade = |j: usize| 10.0_f64.powi(low + (high - low) * j as i32 / 7);
            let (a, l) = (random::<f64>(12, 8, 1), random::<f64>(6, 8, 2));
            let base = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
            let graded = |a: &Mat<f64>| Mat::from_fn(a.nrows(), 8, |i, j| a[(i, j)] * grade((3 * j) % 8));
            let (a, l) = (graded(&a), graded(&l));
            let gsvd = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
            assert_eq!(gsvd.rank, 8);
            assert_eq!(gsvd.s.iter().filter(|s| **s == 0.0).count(), 2);
            for i in 0..8 {
                assert!((gsvd.c[i] - base.c[i]).abs() < 1e-13 && (gsvd.s[i] - base.s[i]).abs() < 1e-13);
            }
            for i in 2..8 {
                // X of the graded pair is D⁻¹X of the plain one, up to the sign of a column
                let sign = (gsvd.x[(0, i)] * base.x[(0, i)]).signum();
                for j in 0..8 {
                    let (x, expected) = (gsvd.x[(j, i)] * grade((3 * j) % 8) * sign, base.x[(j, i)]);
                    assert!((x - expected).abs() < 1e-11, "{x} {expected}");
                }
            }
        }
    }

    #[test]
    fn graded_columns_and_a_common_null_space() {
        // the last column repeats another one: x must be of minimum norm, that is, equal in both places
        let grade = |j: usize| 10.0_f64.powi(-8 + 4 * (j as i32 % 5));
        let (a, l) = (random::<f64>(12, 6, 1), random::<f64>(3, 6, 2));
        let graded = |a: &Mat<f64>| Mat::from_fn(a.nrows(), 6, |i, j| a[(i, j % 5)] * grade(j % 5));
        let (a, l) = (graded(&a), graded(&l));
        let gsvd = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
        assert_eq!(gsvd.rank, 5);
        let b = random::<f64>(12, 1, 3);
        let x = solution(&gsvd, &b, 0.1);
        assert!((x[(0, 0)] - x[(5, 0)]).abs() < 1e-12 * x[(0, 0)].abs(), "{} {}", x[(0, 0)], x[(5, 0)]);
        let square = Mat::from_fn(5, 5, |i, j| {
            let sum = |a: &Mat<f64>| (0..a.nrows()).map(|t| a[(t, i)] / grade(i) * a[(t, j)] / grade(j)).sum::<f64>();
            sum(&a) + 0.1 * sum(&l)
        });
        let right = Mat::from_fn(5, 1, |i, _| (0..12).map(|t| a[(t, i)] / grade(i) * b[(t, 0)]).sum::<f64>());
        let fitted = Mat::from_fn(5, 1, |i, _| x[(i, 0)] * grade(i) * if i == 0 { 2.0 } else { 1.0 });
        assert!(distance(&times(&square, &fitted), &right) < 1e-11 * size(&right));
    }

    #[test]
    fn ill_posed_blur_agrees_with_the_standard_form() {
        // L invertible: γ are the singular values of A·L⁻¹
        let n = 40;
        let a = Mat::from_fn(n, n, |i, j| 1.0 / (1.0 + (i + j) as f64));
        let l = Mat::from_fn(n, n, |i, j| {
            if i == j {
                2.0
            } else if i + 1 == j {
                -1.0
            } else {
                0.0
            }
        });
        let gsvd = check("Hilbert", &a, &l, n, Some(0));
        let mut standard = adjoint(a.as_ref());
        let lower = adjoint(l.as_ref());
        f64::solve_lower(lower.as_ref(), Op::None, standard.as_mut(), Threads::ONE);
        let svd = robust_svd(standard.as_ref(), Threads::ONE).unwrap();
        for (i, s) in svd.s.iter().enumerate() {
            assert!((gsvd.c[i] / gsvd.s[i] - s).abs() < 1e-13, "{i}: {} {s}", gsvd.c[i] / gsvd.s[i]);
        }
    }

    #[test]
    fn a_small_component_has_a_finite_coefficient() {
        assert_eq!(coefficient(1e-200, 1.0, 0.0), 1e200);
        assert_eq!(coefficient(0.0, 1.0, 0.0), 0.0);
        assert_eq!(coefficient(0.6, 0.8, 0.0), 0.6 / 0.6 / 0.6);
        assert!((coefficient(0.6, 0.8, 2.0) - 0.6 / (0.36 + 4.0 * 0.64)).abs() < 1e-15);
    }

    /// A common null space in single precision, measured against double precision of the same numbers.
    #[test]
    fn single_precision_loses_no_more_than_its_digits() {
        let (a, l) = (of_rank::<f32>(12, 8, 2, 35), of_rank::<f32>(9, 8, 3, 37));
        let double = |a: &Mat<f32>| Mat::from_fn(a.nrows(), a.ncols(), |i, j| f64::from(a[(i, j)]));
        let b = random::<f32>(12, 1, 99);
        let gsvd = Gsvd::new(a.as_ref(), l.as_ref(), Threads::ONE).unwrap();
        let exact = Gsvd::new(double(&a).as_ref(), double(&l).as_ref(), Threads::ONE).unwrap();
        assert_eq!((gsvd.rank, exact.rank), (5, 5));
        for lambda in [0.0, 1e-3, 1.0, 1e4] {
            let x = solution(&exact, &double(&b), lambda);
            let error = distance(&double(&solution(&gsvd, &b, lambda)), &x) / size(&x);
            let other = distance(&double(&reference(&a, &l, &b, lambda)), &x) / size(&x);
            println!("λ = {lambda:e}: {error:.1e}, by an SVD for each λ {other:.1e}");
            assert!(error < 1e-4, "λ = {lambda:e}: {error:e}");
        }
    }
}
