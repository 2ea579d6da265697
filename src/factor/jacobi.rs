//! A = U·diag(s)·Vᴴ by one-sided Jacobi rotations, thin, s descending: the last resort of [`crate::factor::robust_svd`].
//!
//! The problem: a decomposition that does not depend on the convergence of an iteration on a bidiagonal matrix. What it
//! equals: the thin SVD, and more accurate than others where columns differ in scale: small singular values of DB, D
//! diagonal, come out with relative errors that B alone decides. Prefer a sibling: always, unless it failed; this one
//! took 3 to 5 times as long at n = 64 to 1024 (one thread, f64 and f32).
//!
//! A·P = QR with column pivoting, then rotations from the right make the columns of G = Rᴴ orthogonal: G·W = X·diag(s),
//! hence A = (QW)·diag(s)·(PX)ᴴ. The columns of Rᴴ are already nearly orthogonal and in descending order, which is what
//! makes few sweeps enough. Each step takes the pair whose turn it is, the larger column first (de Rijk), and works on
//! norms and the cosine of the pair instead of squares, so that nothing overflows, and on scaled copies where squares
//! would underflow. Columns smaller than MIN_POSITIVE/ε² of the largest entry count as zero.
//!
//! Cost: 4n³/3 flops for the pivoted QR, then about 10n³ for each of some 5 to 10 sweeps; three n×n matrices.
//!
//! Symbols: W the accumulated rotations, cosine w = gₚᴴg_q/(‖gₚ‖‖g_q‖), ratio r = ‖g_q‖/‖gₚ‖ ≤ 1, t = tan of the angle.
//!
//! References: de Rijk 1989, doi:10.1137/0910023; Demmel, Veselić 1992, doi:10.1137/0613074; Drmač, Veselić 2008,
//! doi:10.1137/050639193; Hestenes 1958, doi:10.1137/0106005.

use crate::error::{Error, Result};
use crate::factor::robust_svd::{Svd, completed, exponent, identity};
use crate::linalg::{Mat, MatRef, Op, Threads, adjoint, dot, norm, zeros};
use crate::scalar::{Real, Scalar};

/// Sweeps before giving up. Convergence is quadratic at the end, so that this is far beyond what any test matrix needs.
const SWEEPS: usize = 60;

/// The thin SVD by one-sided Jacobi. The entries of `a` are of moderate size (the caller scales by a power of two).
///
/// # Errors
/// [`Error::NotConverged`] after [`SWEEPS`] sweeps, if the columns are then further than √ε from orthogonal.
pub(crate) fn jacobi_svd<T: Scalar>(a: MatRef<'_, T>, threads: Threads) -> Result<Svd<T>> {
    let (m, n) = a.shape();
    if m < n {
        let Svd { u, s, v } = jacobi_svd(adjoint(a).as_ref(), threads)?;
        return Ok(Svd { u: v, s, v: u });
    }
    if exponent(a).is_none() {
        // the pivoted QR divides by the largest norm
        return Ok(Svd { u: identity(m, n), s: vec![T::Real::ZERO; n], v: identity(n, n) });
    }
    let (qr, permutation) = T::qr_pivoted(Mat::from_fn(m, n, |i, j| a[(i, j)]), threads);
    let mut g = Mat::from_fn(n, n, |i, j| if j <= i { qr.basis[(j, i)].conj() } else { T::ZERO });
    let mut w: Mat<T> = identity(n, n);
    let norms = orthogonalize(&mut g, &mut w)?;

    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| norms[j].partial_cmp(&norms[i]).unwrap_or(core::cmp::Ordering::Equal));
    let s: Vec<T::Real> = order.iter().map(|&j| norms[j]).collect();
    let rank = s.iter().take_while(|s| **s > T::Real::ZERO).count();
    // division, not the product with 1/s, which may overflow
    let x = Mat::from_fn(n, rank, |i, j| {
        let value = g[(i, order[j])];
        T::from_parts(value.real() / s[j], value.imaginary() / s[j])
    });
    let x = completed(&x, threads);
    let mut v = zeros(n, n);
    for j in 0..n {
        for i in 0..n {
            v[(permutation[i], j)] = x[(i, j)];
        }
    }
    let mut u = Mat::from_fn(m, n, |i, j| if i < n { w[(i, order[j])] } else { T::ZERO });
    T::apply_reflectors(qr.basis.as_ref(), qr.coefficients.as_ref(), Op::None, u.as_mut(), threads);
    Ok(Svd { u, s, v })
}

/// Rotates the columns of G until they are orthogonal, the columns of W with them; returns the norms of the columns of G.
fn orthogonalize<T: Scalar>(g: &mut Mat<T>, w: &mut Mat<T>) -> Result<Vec<T::Real>> {
    let n = g.ncols();
    let epsilon = T::Real::EPSILON;
    let tolerance = epsilon * T::Real::from_f64(4.0 + (g.nrows() as f64).sqrt());
    // below this, t·gₚ and the products in a norm lose digits to underflow
    let negligible = T::Real::MIN_POSITIVE / (epsilon * epsilon);
    let mut norms: Vec<T::Real> = (0..n).map(|j| column_norm(g, j, negligible)).collect();
    let mut worst = T::Real::ZERO;
    for _ in 0..SWEEPS {
        worst = T::Real::ZERO;
        for p in 0..n {
            // de Rijk: the largest of the remaining columns comes first; without it, tiny columns converge slowly
            let largest = (p..n).fold(p, |best, j| if norms[j] > norms[best] { j } else { best });
            if largest != p {
                swap_columns(g, p, largest);
                swap_columns(w, p, largest);
                norms.swap(p, largest);
            }
            if norms[p] == T::Real::ZERO {
                break;
            }
            for q in p + 1..n {
                if norms[q] == T::Real::ZERO {
                    continue;
                }
                // a rotation may have made q the larger one by a rounding error; t stays valid with r a little above 1
                let cosine = cosine(g.col_as_slice(p), norms[p], g.col_as_slice(q), norms[q]);
                let size = cosine.modulus();
                if size <= tolerance {
                    continue;
                }
                worst = worst.larger(size);
                let phase = T::from_parts(cosine.real() / size, -cosine.imaginary() / size);
                let two = T::Real::ONE + T::Real::ONE;
                let (swap, r) = if norms[q] > norms[p] { (true, norms[p] / norms[q]) } else { (false, norms[q] / norms[p]) };
                let difference = (T::Real::ONE - r) * (T::Real::ONE + r);
                let product = two * size * r;
                // tan of the angle, the smaller root, in a form without overflow for any ratio of the norms
                let root = (difference * difference + product * product).sqrt();
                let t = if product == T::Real::ZERO { size * r } else { product / (difference + root) };
                let t = if swap { -t } else { t };
                let c = T::Real::ONE / (T::Real::ONE + t * t).sqrt();
                rotate(g, p, q, phase, c, c * t);
                rotate(w, p, q, phase, c, c * t);
                norms[p] = column_norm(g, p, negligible);
                norms[q] = column_norm(g, q, negligible);
            }
        }
        if worst == T::Real::ZERO {
            return Ok(norms);
        }
    }
    if worst <= epsilon.sqrt() {
        return Ok(norms);
    }
    Err(Error::NotConverged {
        method: "the one-sided Jacobi SVD",
        steps: SWEEPS,
        reached: worst.to_f64(),
        tolerance: tolerance.to_f64(),
        instead: "use Method::Qr with a given λ, and report this matrix as a defect",
    })
}

/// The norm of column j; a column of negligible norm becomes zero.
fn column_norm<T: Scalar>(g: &mut Mat<T>, j: usize, negligible: T::Real) -> T::Real {
    let size = norm(g.col_as_slice(j));
    if size > negligible {
        return size;
    }
    g.col_as_slice_mut(j).fill(T::ZERO);
    T::Real::ZERO
}

/// gₚᴴg_q/(‖gₚ‖‖g_q‖).
fn cosine<T: Scalar>(x: &[T], norm_x: T::Real, y: &[T], norm_y: T::Real) -> T {
    // terms below MIN_POSITIVE may vanish from the sum as long as they are below ε of the bound ‖x‖‖y‖
    let safe = (T::Real::MIN_POSITIVE.sqrt()) / T::Real::EPSILON;
    let unit = |value: T, size: T::Real| T::from_parts(value.real() / size, value.imaginary() / size);
    if norm_x > safe && norm_y > safe {
        return unit(unit(dot(x, y), norm_x), norm_y);
    }
    let mut sum = T::ZERO;
    for (&x, &y) in x.iter().zip(y) {
        sum += unit(x, norm_x).conj() * unit(y, norm_y);
    }
    sum
}

/// gₚ ← c·gₚ + s·(phase·g_q), g_q ← −s·gₚ + c·(phase·g_q).
fn rotate<T: Scalar>(g: &mut Mat<T>, p: usize, q: usize, phase: T, c: T::Real, s: T::Real) {
    let (mut left, right) = g.as_mut().split_at_col_mut(q);
    for (x, y) in left.as_mut().col_mut(p).iter_mut().zip(right.col_mut(0).iter_mut()) {
        let turned = phase * *y;
        let old = *x;
        *x = old.scale(c) + turned.scale(s);
        *y = turned.scale(c) - old.scale(s);
    }
}

fn swap_columns<T: Scalar>(g: &mut Mat<T>, p: usize, q: usize) {
    for i in 0..g.nrows() {
        let value = g[(i, p)];
        g[(i, p)] = g[(i, q)];
        g[(i, q)] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::robust_svd::product;
    use crate::random::Random;

    #[test]
    fn small_values_of_graded_columns_are_relatively_accurate() {
        // B = UΣVᴴ·D: with B well conditioned, each singular value of BD is known to many digits; here 2×2 blocks decide them
        let grade = [1.0, 1e-40, 1e-80, 1e-120, 1e-160, 1e-200];
        let n = grade.len();
        let a = Mat::from_fn(2 * n, n, |i, j| if i / 2 == j { [3.0, 4.0][i % 2] * grade[j] } else { 0.0 });
        let svd = jacobi_svd(a.as_ref(), Threads::ONE).unwrap();
        for (s, grade) in svd.s.iter().zip(grade) {
            assert!(f64::abs(s / (5.0 * grade) - 1.0) < 1e-14, "{s} {grade}");
        }
        // dense: the product of the values is |det R|, which a QR factorization gives to full relative accuracy
        let entries: Vec<f64> = Random::new(5).scalars(n * n);
        let a = Mat::from_fn(n, n, |i, j| entries[i + n * j] * grade[j]);
        let svd = jacobi_svd(a.as_ref(), Threads::ONE).unwrap();
        use crate::linalg::Kernels;
        let qr = f64::qr(a, Threads::ONE);
        let logarithm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v.abs().ln()).sum::<f64>();
        let (left, right) = (logarithm(&mut svd.s.iter().copied()), logarithm(&mut (0..n).map(|i| qr.basis[(i, i)])));
        assert!((left - right).abs() < 1e-12, "{left} {right}");
    }

    #[test]
    fn columns_are_orthogonal_after_few_sweeps() {
        for n in [2, 11, 50] {
            let entries: Vec<f64> = Random::new(n as u64).scalars(n * n);
            // without the pivoted QR in front, to try the rotations themselves
            let a = Mat::from_fn(n, n, |i, j| entries[i + n * j]);
            let (mut g, mut w) = (a.clone(), identity(n, n));
            let norms = orthogonalize(&mut g, &mut w).unwrap();
            let gram = product(g.as_ref(), Op::Adjoint, g.as_ref(), Op::None, Threads::ONE);
            for i in 0..n {
                assert!((0..i).all(|j| gram[(i, j)].abs() <= 1e-13 * norms[i] * norms[j]));
            }
            let back = product(a.as_ref(), Op::None, w.as_ref(), Op::None, Threads::ONE);
            assert!((0..n).all(|j| (0..n).all(|i| (back[(i, j)] - g[(i, j)]).abs() < 1e-12)));
        }
    }
}
