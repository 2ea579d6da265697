//! Householder's QR of tall panels, whatever their columns are: a column that depends on those before it keeps what rounding
//! leaves of it.
//!
//! faer's factorization drops a column of which less than 16·m·ε is left, which is right for a rank and wrong for a triangle that
//! is merged with others: among all rows the column may be independent, and 16·m·ε is a thousand times what m rows lose otherwise.
//!
//! Cost: 2mn² flops, of which products of matrices do all but those inside [`LEAF`] columns; one thread.
//! E. Elmroth, F. Gustavson, "Applying recursion to serial and parallel QR factorization leads to better performance", IBM J. Res.
//! Dev. 44 (2000) 605–624, doi:10.1147/rd.444.0605.

use super::{Accum, MatMut, MatRef, Op, ReborrowMut, Threads, norm, vectorized, zeros};
use crate::scalar::{Real, Scalar};

/// Widest panel that is factored column by column.
const LEAF: usize = 8;
/// X ← (I − VSVᴴ)X or its adjoint.
pub fn reflect<T: Scalar>(v: MatRef<'_, T>, s: MatRef<'_, T>, op: Op, x: MatMut<'_, T>, threads: Threads) {
    let mut inner = zeros(v.ncols(), x.ncols());
    let mut factor = zeros(v.ncols(), x.ncols());
    T::product(inner.as_mut(), Accum::Replace, T::ONE, v, Op::Adjoint, x.as_ref(), Op::None, threads);
    T::product(factor.as_mut(), Accum::Replace, T::ONE, s, op, inner.as_ref(), Op::None, Threads::ONE);
    T::product(x, Accum::Add, -T::ONE, v, Op::None, factor.as_ref(), Op::None, threads);
}

/// A = QR, m ≥ n, Q = I − VSVᴴ: V replaces A, with its unit diagonal and the zeros above; R and S into upper triangles.
/// `upper` and `s` hold zeros before.
pub fn panel_qr<T: Scalar>(mut a: MatMut<'_, T>, mut upper: MatMut<'_, T>, mut s: MatMut<'_, T>) {
    let width = a.ncols();
    if width <= LEAF {
        return vectorized(
            #[inline(always)]
            || panel_leaf(a, upper, s),
        );
    }
    let half = width / 2;
    let other = width - half;
    let rows = a.nrows();
    let (mut left, mut right) = a.rb_mut().split_at_col_mut(half);
    panel_qr(left.rb_mut(), upper.rb_mut().submatrix_mut(0, 0, half, half), s.rb_mut().submatrix_mut(0, 0, half, half));
    reflect(left.as_ref(), s.as_ref().submatrix(0, 0, half, half), Op::Adjoint, right.rb_mut(), Threads::ONE);
    for j in 0..other {
        let top = &mut column_mut(right.rb_mut(), j)[..half];
        for (i, value) in top.iter_mut().enumerate() {
            upper[(i, half + j)] = core::mem::replace(value, T::ZERO);
        }
    }
    let right_below = right.rb_mut().subrows_mut(half, rows - half);
    panel_qr(right_below, upper.submatrix_mut(half, half, other, other), s.rb_mut().submatrix_mut(half, half, other, other));
    // S₁₂ = −S₁(V₁ᴴV₂)S₂
    let below = left.as_ref().subrows(half, rows - half);
    let mut overlap = zeros(half, other);
    let mut partial = zeros(half, other);
    T::product(
        overlap.as_mut(),
        Accum::Replace,
        T::ONE,
        below,
        Op::Adjoint,
        right.as_ref().subrows(half, rows - half),
        Op::None,
        Threads::ONE,
    );
    T::product(
        partial.as_mut(),
        Accum::Replace,
        -T::ONE,
        s.as_ref().submatrix(0, 0, half, half),
        Op::None,
        overlap.as_ref(),
        Op::None,
        Threads::ONE,
    );
    let (_, mut corner, _, last) = s.split_at_mut(half, half);
    T::product(corner.rb_mut(), Accum::Replace, T::ONE, partial.as_ref(), Op::None, last.as_ref(), Op::None, Threads::ONE);
}

#[inline(always)]
fn panel_leaf<T: Scalar>(mut a: MatMut<'_, T>, mut upper: MatMut<'_, T>, mut s: MatMut<'_, T>) {
    for j in 0..a.ncols() {
        let (mut before, mut after) = a.rb_mut().split_at_col_mut(j);
        let (first, mut after) = after.rb_mut().split_at_col_mut(1);
        let whole = column_mut(first, 0);
        for (i, value) in whole[..j].iter_mut().enumerate() {
            upper[(i, j)] = core::mem::replace(value, T::ZERO);
        }
        let (beta, tau) = make_reflector(&mut whole[j..]);
        upper[(j, j)] = beta;
        let v = &whole[j..];
        if tau != T::Real::ZERO {
            for c in 0..after.ncols() {
                let x = &mut column_mut(after.rb_mut(), c)[j..];
                let factor = inner(v, x).scale(-tau);
                add_multiple(x, factor, v);
            }
        }
        // column j of S: −τ·S·(V₁ᴴv)
        let mut overlap = [T::ZERO; LEAF];
        for (c, overlap) in overlap[..j].iter_mut().enumerate() {
            *overlap = inner(&column_mut(before.rb_mut(), c)[j..], v);
        }
        for i in 0..j {
            let mut sum = T::ZERO;
            for c in i..j {
                sum += s[(i, c)] * overlap[c];
            }
            s[(i, j)] = sum.scale(-tau);
        }
        s[(j, j)] = T::from_real(tau);
    }
}

/// (I − τvvᴴ)x = βe₁ with v₀ = 1 and real τ; v replaces x. Norms below the safe range count as 0.
#[inline(always)]
pub fn make_reflector<T: Scalar>(x: &mut [T]) -> (T, T::Real) {
    let alpha = x[0];
    x[0] = T::ONE;
    let negligible = T::Real::MIN_POSITIVE / T::Real::EPSILON;
    let below = {
        let sum = inner(&x[1..], &x[1..]).real();
        if sum > negligible / T::Real::EPSILON && sum < T::Real::MAX { sum.sqrt() } else { norm(&x[1..]) }
    };
    // the negation lets NaN through
    if below <= negligible {
        x[1..].fill(T::ZERO);
        return (alpha, T::Real::ZERO);
    }
    let head = alpha.modulus();
    let ratio = if head > below { below / head } else { head / below };
    let length = head.larger(below) * (T::Real::ONE + ratio * ratio).sqrt();
    let phase = if head > T::Real::ZERO { T::from_parts(alpha.real() / head, alpha.imaginary() / head) } else { T::ONE };
    // v = x/(α − β), α − β = phase·(|α| + length)
    let reach = head + length;
    let factor = phase.conj().scale(T::Real::ONE / reach);
    x[1..].iter_mut().for_each(|value| *value *= factor);
    (-phase.scale(length), reach / length)
}

/// Σ x̄ᵢyᵢ.
#[inline(always)]
pub fn inner<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::ZERO; 8];
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ys, y_rest) = y.as_chunks::<8>();
    for (x, y) in xs.iter().zip(ys) {
        for k in 0..8 {
            sums[k] += x[k].conj() * y[k];
        }
    }
    for (k, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[k] += x.conj() * y;
    }
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

/// y ← y + factor·x.
#[inline(always)]
pub fn add_multiple<T: Scalar>(y: &mut [T], factor: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// A column of a matrix that is column-major.
pub fn column_mut<T: Scalar>(a: MatMut<'_, T>, j: usize) -> &mut [T] {
    a.col_mut(j).try_as_col_major_mut().expect("columns are contiguous").as_slice_mut()
}
