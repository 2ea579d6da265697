//! Eigenvalues of a real symmetric tridiagonal matrix T = QΛQᵀ with the coefficients QᵀC of given vectors, without Q.
//!
//! Implicit QL or QR sweeps with Wilkinson's shift (towards the end where the matrix is graded to), deflation by
//! eᵢ² ≤ ε²|dᵢdᵢ₊₁|. About 1.5n² rotations, each applied to one pair of rows of C: O(n²·(1 + k)). Backward stable:
//! errors of the order of ε‖T‖. The matrix is scaled to norm 1 first, so that neither large nor small entries overflow.
//!
//! A. Dubrulle, R. S. Martin, J. H. Wilkinson, "The implicit QL algorithm", Numer. Math. 12 (1968) 377–383,
//! doi:10.1007/BF02165404; deflation as in LAPACK's `steqr`: E. Anderson et al., LAPACK Users' Guide, SIAM 1999,
//! doi:10.1137/1.9780898719604.

use super::NoConvergence;

/// Sweeps allowed per eigenvalue, on average.
const SWEEPS: usize = 40;

/// Overwrites `diagonal` with the eigenvalues in ascending order, `vectors` (n rows of k entries) with the rows of QᵀC
/// in that order, and `off` (n − 1 entries) with zeros. After an error the contents are of no use.
pub(crate) fn eigen_with_vectors(diagonal: &mut [f64], off: &mut [f64], vectors: &mut [f64], k: usize) -> Result<(), NoConvergence> {
    let n = diagonal.len();
    assert_eq!(off.len(), n.saturating_sub(1));
    assert_eq!(vectors.len(), n * k);
    let mut largest = 0.0f64;
    for &value in diagonal.iter().chain(off.iter()) {
        if !value.is_finite() {
            return Err(NoConvergence);
        }
        largest = largest.max(value.abs());
    }
    if largest > 0.0 {
        // the power of two below; in two factors, since its reciprocal may not be representable
        let exponent = largest.log2().floor() as i32;
        let (first, second) = (2f64.powi(-(exponent / 2)), 2f64.powi(-(exponent - exponent / 2)));
        diagonal.iter_mut().chain(off.iter_mut()).for_each(|value| *value = *value * first * second);
        let mut budget = SWEEPS * n;
        let mut start = 0;
        while start < n {
            let mut end = start;
            while end + 1 < n && !negligible(off[end], diagonal[end], diagonal[end + 1]) {
                end += 1;
            }
            if end + 1 < n {
                off[end] = 0.0;
            }
            block(&mut diagonal[start..=end], &mut off[start..end], &mut vectors[start * k..(end + 1) * k], k, &mut budget)?;
            start = end + 1;
        }
        diagonal.iter_mut().for_each(|value| *value = *value / first / second);
    }
    sort_rows(diagonal, vectors, k, |a, b| a.total_cmp(b));
    Ok(())
}

/// Sorts `values` by `order`, and the rows of `vectors` with them.
pub(crate) fn sort_rows(values: &mut [f64], vectors: &mut [f64], k: usize, order: impl Fn(&f64, &f64) -> core::cmp::Ordering) {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| order(&values[a], &values[b]));
    let sorted: Vec<f64> = places.iter().map(|&place| values[place]).collect();
    values.copy_from_slice(&sorted);
    let rows: Vec<f64> = places.iter().flat_map(|&place| vectors[place * k..(place + 1) * k].iter().copied()).collect();
    vectors.copy_from_slice(&rows);
}

#[inline(always)]
fn negligible(off: f64, above: f64, below: f64) -> bool {
    const EPSILON: f64 = f64::EPSILON / 2.0;
    off * off <= (EPSILON * EPSILON * above.abs()) * below.abs() + f64::MIN_POSITIVE
}

/// One unreduced block. QL chases from the bottom to the top and finds the eigenvalues at the top first; where the
/// small entries are at the bottom, the block is read from its other end.
fn block(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize, budget: &mut usize) -> Result<(), NoConvergence> {
    let n = d.len();
    if n == 1 {
        return Ok(());
    }
    if d[n - 1].abs() < d[0].abs() { sweeps::<true>(d, e, rows, k, budget) } else { sweeps::<false>(d, e, rows, k, budget) }
}

fn sweeps<const FLIPPED: bool>(d: &mut [f64], e: &mut [f64], rows: &mut [f64], k: usize, budget: &mut usize) -> Result<(), NoConvergence> {
    let n = d.len();
    let at = |i: usize| if FLIPPED { n - 1 - i } else { i };
    let between = |i: usize| if FLIPPED { n - 2 - i } else { i };
    let mut top = 0;
    while top + 1 < n {
        let mut bottom = top;
        while bottom + 1 < n && !negligible(e[between(bottom)], d[at(bottom)], d[at(bottom + 1)]) {
            bottom += 1;
        }
        if bottom + 1 < n {
            e[between(bottom)] = 0.0;
        }
        if bottom == top {
            top += 1;
            continue;
        }
        if *budget == 0 {
            return Err(NoConvergence);
        }
        *budget -= 1;
        let first = e[between(top)];
        let ratio = (d[at(top + 1)] - d[at(top)]) / (2.0 * first);
        let mut g = d[at(bottom)] - d[at(top)] + first / (ratio + ratio.hypot(1.0).copysign(ratio));
        let (mut c, mut s, mut p) = (1.0, 1.0, 0.0);
        for i in (top..bottom).rev() {
            let entry = e[between(i)];
            let (f, b) = (s * entry, c * entry);
            let r;
            (c, s, r) = rotation(g, f);
            if i + 1 < bottom {
                e[between(i + 1)] = r;
            }
            g = d[at(i + 1)] - p;
            let change = (d[at(i)] - g) * s + 2.0 * c * b;
            p = s * change;
            d[at(i + 1)] = g + p;
            g = c * change - b;
            rotate_rows(rows, k, at(i), at(i + 1), c, -s);
        }
        d[at(top)] -= p;
        e[between(top)] = g;
    }
    Ok(())
}

/// (c, s, r) with c·f + s·g = r, c·g = s·f, c² + s² = 1, without overflow or underflow that matters.
#[inline(always)]
pub(crate) fn rotation(f: f64, g: f64) -> (f64, f64, f64) {
    let sum = f * f + g * g;
    if sum > 1e-280 && sum < 1e290 {
        let r = sum.sqrt().copysign(f);
        return (f / r, g / r, r);
    }
    rotation_at_the_edge(f, g)
}

#[cold]
fn rotation_at_the_edge(f: f64, g: f64) -> (f64, f64, f64) {
    if g == 0.0 {
        return (1.0, 0.0, f);
    }
    if f == 0.0 {
        return (0.0, 1.0, g);
    }
    let largest = f.abs().max(g.abs());
    let (f, g) = (f / largest, g / largest);
    let r = (f * f + g * g).sqrt().copysign(f);
    (f / r, g / r, r * largest)
}

/// Rows i and j ← c·rowᵢ + s·rowⱼ and c·rowⱼ − s·rowᵢ.
#[inline(always)]
pub(crate) fn rotate_rows(rows: &mut [f64], k: usize, i: usize, j: usize, c: f64, s: f64) {
    for column in 0..k {
        let (x, y) = (rows[i * k + column], rows[j * k + column]);
        rows[i * k + column] = c * x + s * y;
        rows[j * k + column] = c * y - s * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{Kernels, Mat, Threads};
    use crate::random::Random;

    /// How many eigenvalues are below x (Sturm).
    fn below(diagonal: &[f64], off: &[f64], x: f64) -> usize {
        let (mut count, mut pivot) = (0, 1.0f64);
        for (i, &d) in diagonal.iter().enumerate() {
            let e = if i > 0 { off[i - 1] } else { 0.0 };
            pivot = d - x - e * (e / pivot);
            if pivot.abs() < 1e-300 {
                pivot = -1e-300;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    }

    /// Eigenvalues by Sturm counts, |QᵀC| against the dense solver.
    fn check(diagonal: &[f64], off: &[f64], k: usize) {
        let n = diagonal.len();
        let c = Random::new(3).scalars::<f64>(n * k);
        let (mut d, mut e, mut rows) = (diagonal.to_vec(), off.to_vec(), c.clone());
        assert_eq!(eigen_with_vectors(&mut d, &mut e, &mut rows, k), Ok(()), "{diagonal:?} {off:?} {d:?} {e:?}");
        assert!(d.is_sorted());
        let largest = diagonal.iter().chain(off).fold(0.0f64, |a, b| a.max(b.abs()));
        let unit = if largest > 0.0 { largest } else { 1.0 };
        let scaled = |x: &[f64]| x.iter().map(|x| x / unit).collect::<Vec<_>>();
        let (diagonal, off, d) = (scaled(diagonal), scaled(off), scaled(&d));
        let dense = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
            0 => diagonal[i],
            1 => off[i.min(j)],
            _ => 0.0,
        });
        let (mut values, mut basis) = (vec![0.0; n], Mat::from_fn(n, n, |_, _| 0.0));
        let dense_converged = f64::self_adjoint_eigen(dense.as_ref(), &mut values, basis.as_mut(), Threads::ONE).is_ok();
        let size = d.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let bound = f64::EPSILON * 4.0 * (n as f64 + 4.0) * size;
        for i in 0..n {
            let (low, high) = (below(&diagonal, &off, d[i] - bound), below(&diagonal, &off, d[i] + bound));
            assert!(size == 0.0 || (low <= i && i < high), "n={n} eigenvalue {i}: {} has {low} to {high} below, dense {}", d[i], values[i]);
            // the dense solver gives up, or gives a wrong value, on some strongly graded matrices
            let gap = [i.wrapping_sub(1), i + 1].into_iter().filter(|&j| j < n).map(|j| (d[j] - d[i]).abs()).fold(size, f64::min);
            if gap <= 1e3 * bound || !dense_converged || (values[i] - d[i]).abs() > bound {
                continue;
            }
            for column in 0..k {
                let expected: f64 = (0..n).map(|row| basis[(row, i)] * c[row * k + column]).sum();
                let error = (expected.abs() - rows[i * k + column].abs()).abs();
                assert!(error <= 4.0 * bound / gap * (n as f64).sqrt() * 4.0, "n={n} coefficient {i}: error {error}, gap {gap}");
            }
        }
        // orthogonal: lengths are kept
        for column in 0..k {
            let length = |rows: &[f64]| rows.iter().skip(column).step_by(k).map(|x| x * x).sum::<f64>();
            assert!((length(&rows) - length(&c)).abs() <= 1e-13 * (n as f64 + 1.0) * length(&c));
        }
    }

    #[test]
    fn against_the_dense_solver() {
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
            for scale in [1e150, 1e-150, 1e307, 1e-300] {
                check(&d.iter().map(|x| x * scale).collect::<Vec<_>>(), &e.iter().map(|x| x * scale).collect::<Vec<_>>(), 1);
            }
            // zeros on and off the diagonal
            check(&vec![0.0; n], e, 1);
            check(d, &vec![0.0; e.len()], 1);
            check(&vec![0.0; n], &vec![0.0; e.len()], 1);
            check(d, &e.iter().enumerate().map(|(i, &x)| if i % 3 == 1 { 0.0 } else { x }).collect::<Vec<_>>(), 1);
            // Wilkinson's matrix: pairs of eigenvalues that agree to all digits
            check(&(0..n).map(|i| (i as f64 - n as f64 / 2.0).abs()).collect::<Vec<_>>(), &vec![1.0; e.len()], 1);
            check(&vec![2.0; n], &vec![-1.0; e.len()], 1);
        }
    }

    #[test]
    fn entries_from_one_end_of_the_range_to_the_other() {
        let n = 31;
        let d: Vec<f64> = (0..n).map(|i| 10f64.powi(10 * (i - 15))).collect();
        let e: Vec<f64> = (0..n - 1).map(|i| 10f64.powi(10 * (i - 15))).collect();
        check(&d, &e, 1);
        check(&d.iter().rev().copied().collect::<Vec<_>>(), &e.iter().rev().copied().collect::<Vec<_>>(), 1);
        check(&[1e-320, 1e-310, 0.0], &[5e-324, 1e-315], 1);
    }

    #[test]
    fn refuses_what_is_not_finite() {
        assert_eq!(eigen_with_vectors(&mut [1.0, f64::NAN], &mut [1.0], &mut [], 0), Err(NoConvergence));
        assert_eq!(eigen_with_vectors(&mut [1.0, 1.0], &mut [f64::INFINITY], &mut [], 0), Err(NoConvergence));
    }
}
