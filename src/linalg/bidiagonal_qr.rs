//! Singular values of a real upper bidiagonal matrix B = UΣVᵀ with the coefficients UᵀC of given vectors, without U and V.
//!
//! Implicit-shift QR of Golub and Kahan; where the shift would cost relative accuracy, the zero-shift sweep of Demmel
//! and Kahan, which gives every singular value, however small, to a relative error of O(n·ε). Sweeps run towards the end
//! where the block is graded to. About 2n² pairs of rotations, of which only the left ones are applied: O(n²·(1 + k)).
//!
//! The singular values are made ≥ 0 by negating rows of Vᵀ, which is not formed: U, and so UᵀC, is not touched by it.
//!
//! J. Demmel, W. Kahan, "Accurate singular values of bidiagonal matrices", SIAM J. Sci. Stat. Comput. 11 (1990)
//! 873–912, doi:10.1137/0911052; G. Golub, W. Kahan, SIAM J. Numer. Anal. B 2 (1965) 205–224, doi:10.1137/0702016.

use super::NoConvergence;
use super::tridiagonal_ql::{rotate_rows, rotation, sort_rows};

/// Sweeps over the whole matrix allowed per singular value.
const SWEEPS: usize = 12;
const EPSILON: f64 = f64::EPSILON / 2.0;
/// Relative accuracy asked of the deflation.
const TOLERANCE: f64 = 90.0 * EPSILON;

/// Overwrites `diagonal` with the singular values in descending order, `left` (n rows of k entries) with the rows of
/// UᵀC in that order, and `superdiagonal` (n − 1 entries) with zeros. After an error the contents are of no use.
pub(crate) fn singular_with_vectors(
    diagonal: &mut [f64],
    superdiagonal: &mut [f64],
    left: &mut [f64],
    k: usize,
) -> Result<(), NoConvergence> {
    let n = diagonal.len();
    assert_eq!(superdiagonal.len(), n.saturating_sub(1));
    assert_eq!(left.len(), n * k);
    let mut largest = 0.0f64;
    for &value in diagonal.iter().chain(superdiagonal.iter()) {
        if !value.is_finite() {
            return Err(NoConvergence);
        }
        largest = largest.max(value.abs());
    }
    // away from both ends of the range nothing overflows, and all small entries are kept
    let scale = if largest > 1e300 {
        1.0 / 1024.0
    } else if largest > 0.0 && largest < 1e-200 {
        1e200f64.log2().floor().exp2()
    } else {
        1.0
    };
    if scale != 1.0 {
        diagonal.iter_mut().chain(superdiagonal.iter_mut()).for_each(|value| *value *= scale);
    }
    iterate(diagonal, superdiagonal, left, k)?;
    diagonal.iter_mut().for_each(|value| *value = value.abs() / scale);
    sort_rows(diagonal, left, k, |a, b| b.total_cmp(a));
    Ok(())
}

/// What is known of a block before its sweep.
enum Test {
    Deflated,
    /// A lower bound of the smallest singular value, to within a factor √n.
    Smallest(f64),
}

fn iterate(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize) -> Result<(), NoConvergence> {
    let n = d.len();
    if n < 2 {
        return Ok(());
    }
    let threshold = threshold(d, e);
    let mut budget = (SWEEPS * n) as f64 * n as f64;
    let mut bottom = n - 1;
    let mut before: Option<(usize, usize)> = None;
    let mut downwards = true;
    while bottom > 0 {
        if e[bottom - 1].abs() <= threshold {
            e[bottom - 1] = 0.0;
            bottom -= 1;
            continue;
        }
        if budget < 0.0 {
            return Err(NoConvergence);
        }
        // the unreduced block top..=bottom
        let mut top = bottom;
        let mut largest = 0.0f64;
        while top > 0 && e[top - 1].abs() > threshold {
            largest = largest.max(d[top].abs()).max(e[top - 1].abs());
            top -= 1;
        }
        largest = largest.max(d[top].abs());
        if top > 0 {
            e[top - 1] = 0.0;
        }
        d[top..=bottom].iter_mut().filter(|value| value.abs() <= threshold).for_each(|value| *value = 0.0);
        if before.is_none_or(|(old_top, old_bottom)| top > old_bottom || bottom < old_top) {
            downwards = d[top].abs() >= d[bottom].abs();
        }
        before = Some((top, bottom));
        let smallest = match if downwards { test_downwards(d, e, top, bottom) } else { test_upwards(d, e, top, bottom) } {
            Test::Deflated => {
                budget -= 1.0;
                continue;
            }
            Test::Smallest(value) => value,
        };
        let mut shift = 0.0;
        if n as f64 * TOLERANCE * (smallest / largest) > EPSILON.max(0.01 * TOLERANCE) {
            let (far, near) = if downwards {
                (d[top].abs(), smaller_singular_value(d[bottom - 1], e[bottom - 1], d[bottom]))
            } else {
                (d[bottom].abs(), smaller_singular_value(d[top], e[top], d[top + 1]))
            };
            if far > 0.0 && (near / far).powi(2) >= EPSILON {
                shift = near;
            }
        }
        budget -= (bottom - top) as f64;
        match (shift == 0.0, downwards) {
            (true, true) => zero_shift_downwards(d, e, rows, k, top, bottom),
            (true, false) => zero_shift_upwards(d, e, rows, k, top, bottom),
            (false, true) => shifted_downwards(d, e, rows, k, top, bottom, shift),
            (false, false) => shifted_upwards(d, e, rows, k, top, bottom, shift),
        }
    }
    Ok(())
}

/// What counts as 0: below it no entry changes a singular value by more than the tolerance, relative to that value.
fn threshold(d: &[f64], e: &[f64]) -> f64 {
    let n = d.len();
    let mut mu = d[0].abs();
    let mut smallest = mu;
    for i in 1..n {
        if smallest == 0.0 {
            break;
        }
        mu = d[i].abs() * (mu / (mu + e[i - 1].abs()));
        smallest = smallest.min(mu);
    }
    (TOLERANCE * (smallest / (n as f64).sqrt())).max((SWEEPS * n) as f64 * n as f64 * f64::MIN_POSITIVE)
}

fn test_downwards(d: &mut [f64], e: &mut [f64], top: usize, bottom: usize) -> Test {
    if e[bottom - 1].abs() <= TOLERANCE * d[bottom].abs() {
        e[bottom - 1] = 0.0;
        return Test::Deflated;
    }
    let mut mu = d[top].abs();
    let mut smallest = mu;
    for i in top..bottom {
        if e[i].abs() <= TOLERANCE * mu {
            e[i] = 0.0;
            return Test::Deflated;
        }
        mu = d[i + 1].abs() * (mu / (mu + e[i].abs()));
        smallest = smallest.min(mu);
    }
    Test::Smallest(smallest)
}

fn test_upwards(d: &mut [f64], e: &mut [f64], top: usize, bottom: usize) -> Test {
    if e[top].abs() <= TOLERANCE * d[top].abs() {
        e[top] = 0.0;
        return Test::Deflated;
    }
    let mut mu = d[bottom].abs();
    let mut smallest = mu;
    for i in (top..bottom).rev() {
        if e[i].abs() <= TOLERANCE * mu {
            e[i] = 0.0;
            return Test::Deflated;
        }
        mu = d[i].abs() * (mu / (mu + e[i].abs()));
        smallest = smallest.min(mu);
    }
    Test::Smallest(smallest)
}

/// The smaller singular value of [f g; 0 h].
fn smaller_singular_value(f: f64, g: f64, h: f64) -> f64 {
    let (f, g, h) = (f.abs(), g.abs(), h.abs());
    let (small, large) = (f.min(h), f.max(h));
    if small == 0.0 {
        return 0.0;
    }
    let (sum, difference) = (1.0 + small / large, (large - small) / large);
    if g < large {
        let ratio = (g / large).powi(2);
        return small * (2.0 / ((sum * sum + ratio).sqrt() + (difference * difference + ratio).sqrt()));
    }
    let ratio = large / g;
    if ratio == 0.0 {
        return (small * large) / g;
    }
    let c = 1.0 / ((1.0 + (sum * ratio).powi(2)).sqrt() + (1.0 + (difference * ratio).powi(2)).sqrt());
    2.0 * ((small * c) * ratio)
}

fn zero_shift_downwards(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize, top: usize, bottom: usize) {
    let (mut c, mut old_c, mut old_s) = (1.0, 1.0, 0.0);
    for i in top..bottom {
        let (s, mut r);
        (c, s, r) = rotation(d[i] * c, e[i]);
        if i > top {
            e[i - 1] = old_s * r;
        }
        (old_c, old_s, r) = rotation(old_c * r, d[i + 1] * s);
        d[i] = r;
        rotate_rows(rows, k, i, i + 1, old_c, old_s);
    }
    let last = d[bottom] * c;
    d[bottom] = last * old_c;
    e[bottom - 1] = last * old_s;
}

fn zero_shift_upwards(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize, top: usize, bottom: usize) {
    let (mut c, mut old_c, mut old_s) = (1.0, 1.0, 0.0);
    for i in (top + 1..=bottom).rev() {
        let (s, mut r);
        (c, s, r) = rotation(d[i] * c, e[i - 1]);
        if i < bottom {
            e[i] = old_s * r;
        }
        rotate_rows(rows, k, i, i - 1, c, s);
        (old_c, old_s, r) = rotation(old_c * r, d[i - 1] * s);
        d[i] = r;
    }
    let last = d[top] * c;
    d[top] = last * old_c;
    e[top] = last * old_s;
}

fn shifted_downwards(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize, top: usize, bottom: usize, shift: f64) {
    let mut f = (d[top].abs() - shift) * (1f64.copysign(d[top]) + shift / d[top]);
    let mut g = e[top];
    for i in top..bottom {
        let (c, s, r) = rotation(f, g);
        if i > top {
            e[i - 1] = r;
        }
        f = c * d[i] + s * e[i];
        e[i] = c * e[i] - s * d[i];
        g = s * d[i + 1];
        d[i + 1] *= c;
        let (c, s, r) = rotation(f, g);
        d[i] = r;
        f = c * e[i] + s * d[i + 1];
        d[i + 1] = c * d[i + 1] - s * e[i];
        if i + 1 < bottom {
            g = s * e[i + 1];
            e[i + 1] *= c;
        }
        rotate_rows(rows, k, i, i + 1, c, s);
    }
    e[bottom - 1] = f;
}

fn shifted_upwards(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize, top: usize, bottom: usize, shift: f64) {
    let mut f = (d[bottom].abs() - shift) * (1f64.copysign(d[bottom]) + shift / d[bottom]);
    let mut g = e[bottom - 1];
    for i in (top + 1..=bottom).rev() {
        let (c, s, r) = rotation(f, g);
        rotate_rows(rows, k, i, i - 1, c, s);
        if i < bottom {
            e[i] = r;
        }
        f = c * d[i] + s * e[i - 1];
        e[i - 1] = c * e[i - 1] - s * d[i];
        g = s * d[i - 1];
        d[i - 1] *= c;
        let (c, s, r) = rotation(f, g);
        d[i] = r;
        f = c * e[i - 1] + s * d[i - 1];
        d[i - 1] = c * d[i - 1] - s * e[i - 1];
        if i > top + 1 {
            g = s * e[i - 2];
            e[i - 2] *= c;
        }
    }
    e[top] = f;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{Kernels, Mat, Threads};
    use crate::random::Random;

    /// Singular values and |UᵀC| against the dense decomposition.
    fn check(diagonal: &[f64], above: &[f64], k: usize) -> Vec<f64> {
        let n = diagonal.len();
        let c = Random::new(3).scalars::<f64>(n * k);
        let (mut d, mut e, mut rows) = (diagonal.to_vec(), above.to_vec(), c.clone());
        singular_with_vectors(&mut d, &mut e, &mut rows, k).unwrap();
        assert!(d.is_sorted_by(|a, b| a >= b) && d.iter().all(|&value| value >= 0.0 && value.is_sign_positive()));
        let largest = diagonal.iter().chain(above).fold(0.0f64, |a, b| a.max(b.abs()));
        let unit = if largest > 0.0 { largest } else { 1.0 };
        let dense = Mat::from_fn(n, n, |i, j| match j.wrapping_sub(i) {
            0 => diagonal[i] / unit,
            1 => above[i] / unit,
            _ => 0.0,
        });
        let (mut values, mut u) = (vec![0.0; n], Mat::from_fn(n, n, |_, _| 0.0));
        let mut v = u.clone();
        f64::svd(dense.as_ref(), &mut values, Some(u.as_mut()), Some(v.as_mut()), true, Threads::ONE).unwrap();
        let size = values.first().copied().unwrap_or(0.0);
        let bound = f64::EPSILON * 8.0 * (n as f64 + 4.0) * size;
        for i in 0..n {
            assert!((d[i] / unit - values[i]).abs() <= bound, "n={n} value {i}: {} {}", d[i] / unit, values[i]);
            let gap = [i.wrapping_sub(1), i + 1].into_iter().filter(|&j| j < n).map(|j| (values[j] - values[i]).abs()).fold(size, f64::min);
            // the vectors of a singular value near 0 are those of a cluster with its mirror image
            let gap = gap.min(values[i]);
            if gap <= 1e3 * bound {
                continue;
            }
            for column in 0..k {
                let expected: f64 = (0..n).map(|row| u[(row, i)] * c[row * k + column]).sum();
                let error = (expected.abs() - rows[i * k + column].abs()).abs();
                assert!(error <= 4.0 * bound / gap * (n as f64).sqrt() * 4.0, "n={n} coefficient {i}: error {error}, gap {gap}");
            }
        }
        for column in 0..k {
            let length = |rows: &[f64]| rows.iter().skip(column).step_by(k).map(|x| x * x).sum::<f64>();
            assert!((length(&rows) - length(&c)).abs() <= 1e-13 * (n as f64 + 1.0) * length(&c));
        }
        d
    }

    #[test]
    fn against_the_dense_decomposition() {
        for n in [0, 1, 2, 3, 4, 5, 10, 33, 300] {
            let entries = Random::new(n as u64).scalars::<f64>(2 * n + 1);
            let (d, e) = (&entries[..n], &entries[n..(2 * n).saturating_sub(1).max(n)]);
            for k in [0, 1, 3] {
                check(d, e, k);
            }
            let graded = |x: &[f64], q: f64| x.iter().enumerate().map(|(i, x)| x * q.powi(i as i32)).collect::<Vec<_>>();
            for q in [0.5, 0.1, 1.2] {
                check(&graded(d, q), &graded(e, q), 1);
                let (mut down, mut down_e) = (graded(d, q), graded(e, q));
                down.reverse();
                down_e.reverse();
                check(&down, &down_e, 2);
            }
            for scale in [1e150, 1e-150, 1e307, 1e-290] {
                check(&d.iter().map(|x| x * scale).collect::<Vec<_>>(), &e.iter().map(|x| x * scale).collect::<Vec<_>>(), 1);
            }
            // zeros on and above the diagonal
            check(&vec![0.0; n], e, 1);
            check(d, &vec![0.0; e.len()], 1);
            check(&vec![0.0; n], &vec![0.0; e.len()], 1);
            let with_zeros =
                |x: &[f64], at: usize| x.iter().enumerate().map(|(i, &x)| if i % 4 == at { 0.0 } else { x }).collect::<Vec<_>>();
            for at in 0..4 {
                check(&with_zeros(d, at), e, 1);
                check(&with_zeros(d, at), &with_zeros(e, 3 - at), 1);
            }
            let mut last_zero = d.to_vec();
            last_zero.iter_mut().skip(n.max(1) - 1).for_each(|last| *last = 0.0);
            check(&last_zero, e, 1);
            check(&vec![1.0; n], &vec![1.0; e.len()], 1);
        }
    }

    /// Every singular value to a relative accuracy, over 300 orders of magnitude. With rows (dᵢ, dᵢ) that fall fast, σᵢ is
    /// the part of row i that is orthogonal to the rows before: dᵢ·√((i + 2)/(i + 1)), and d·√(1/n) for the last.
    #[test]
    fn small_values_keep_their_digits() {
        let n = 31;
        for reversed in [false, true] {
            let power = |i: i32| 10f64.powi(10 * if reversed { i - 15 } else { 15 - i });
            let d: Vec<f64> = (0..n).map(power).collect();
            let e: Vec<f64> = (0..n - 1).map(|i| if reversed { power(i + 1) } else { power(i) }).collect();
            let found = check(&d, &e, 1);
            let logs: f64 = found.iter().map(|x| x.ln()).sum::<f64>() - d.iter().map(|x| x.ln()).sum::<f64>();
            assert!(logs.abs() < 1e-11, "{logs}");
            let mut rows = d.clone();
            rows.sort_by(|a, b| b.total_cmp(a));
            for (i, (found, row)) in found.iter().zip(&rows).enumerate() {
                let i = i as f64;
                let expected = if i + 1.0 < n as f64 { ((i + 2.0) / (i + 1.0)).sqrt() } else { (1.0 / n as f64).sqrt() };
                assert!((found / row / expected - 1.0).abs() < 1e-14, "{i}: {found} {row}");
            }
        }
    }

    #[test]
    fn refuses_what_is_not_finite() {
        assert_eq!(singular_with_vectors(&mut [1.0, f64::NAN], &mut [1.0], &mut [], 0), Err(NoConvergence));
        assert_eq!(singular_with_vectors(&mut [1.0, 1.0], &mut [f64::INFINITY], &mut [], 0), Err(NoConvergence));
    }
}
