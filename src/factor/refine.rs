//! Refinement of solutions from a Gram matrix: what squaring the condition number took is given back.
//!
//! Corrected semi-normal equations, Björck 1987 (doi:10.1016/0024-3795(87)90101-7): with x from (AᴴA + λLᴴL)x = Aᴴb and the
//! residual of the least-squares problem, r = b − Ax, g = Aᴴr − λLᴴLx, the correction dx = (AᴴA + λLᴴL)⁻¹g contracts the
//! error by κ(AᴴA + λLᴴL)·ε. Used by [`cholesky`](super::cholesky) and [`tridiagonal`](super::tridiagonal).

use crate::extended;
use crate::linalg::{self, Mat, MatRef, Op, Threads};
use crate::refusal::{Handed, Refusal};
use crate::scalar::{Real, Scalar};
use crate::transform::data_matrix::DataMatrix;

/// Steps at most; one is usual, and each costs one pass over A.
const STEPS: usize = 4;

/// Solutions with the norms of their residuals.
pub(crate) struct Refined<T> {
    /// n×k.
    pub x: Mat<T>,
    /// ‖b − Ax‖ for each column.
    pub residual_norms: Vec<f64>,
}

/// Whether a correction of this relative size was the last that matters: the next would be about its square.
fn enough<T: Scalar>(relative: f64) -> bool {
    relative * relative <= 0.25 * T::Real::EPSILON.to_f64()
}

/// Refuses corrections that do not shrink: the factor is then worse than its estimated condition number said.
fn check_progress<T: Scalar>(relative: f64, last: f64) -> Handed<()> {
    if !(relative <= 0.1) || (relative > 0.5 * last && relative > 1e3 * T::Real::EPSILON.to_f64()) {
        return Err(Refusal::IllConditioned(1.0 / T::Real::EPSILON.to_f64()));
    }
    Ok(())
}

fn add<T: Scalar>(x: &mut Mat<T>, correction: &Mat<T>) {
    for j in 0..x.ncols() {
        linalg::add_scaled(x.col_as_slice_mut(j), T::ONE, correction.col_as_slice(j));
    }
}

/// Refines x. `subtract_penalty(x, g)` writes g ← g − λLᴴLx, `solve(c)` writes c ← (AᴴA + λLᴴL)⁻¹c.
pub(super) fn primal<T: Scalar>(
    a: &DataMatrix<'_, T>,
    b: MatRef<'_, T>,
    mut x: Mat<T>,
    subtract_penalty: &dyn Fn(&Mat<T>, &mut Mat<T>),
    solve: &dyn Fn(&mut Mat<T>) -> Handed<()>,
    threads: Threads,
) -> Handed<Refined<T>> {
    let (m, n) = a.shape();
    let k = b.ncols();
    let (mut residual, mut gradient) = (linalg::zeros(m, k), linalg::zeros(n, k));
    let mut norms = vec![None; k];
    let mut last = f64::INFINITY;
    for _ in 0..STEPS {
        a.residual_sweep(x.as_ref(), b, residual.as_mut(), gradient.as_mut(), threads);
        let adjoint_residual = gradient.clone();
        subtract_penalty(&x, &mut gradient);
        let mut correction = gradient.clone();
        solve(&mut correction)?;
        let relative = linalg::relative_size(&correction, &x);
        check_progress::<T>(relative, last)?;
        add(&mut x, &correction);
        norms = corrected_norms(&residual, &adjoint_residual, &gradient, &correction);
        if enough::<T>(relative) {
            break;
        }
        last = relative;
    }
    if norms.iter().any(Option::is_none) {
        a.residual_sweep(x.as_ref(), b, residual.as_mut(), gradient.as_mut(), threads);
        norms = linalg::column_norms(residual.as_ref()).into_iter().map(Some).collect();
    }
    Ok(Refined { x, residual_norms: norms.into_iter().flatten().collect() })
}

/// Refines x with residuals in twice the working precision: r = b̂ − Sx for the stacked S = [A; √λL], b̂ = [b; 0], kept as an
/// unevaluated sum of two vectors, g = Sᴴr. x then reaches full accuracy while κ(SᴴS)·ε < 1.
pub(super) fn stacked<T: Scalar>(
    stacked: MatRef<'_, T>,
    b: MatRef<'_, T>,
    mut x: Mat<T>,
    solve: &dyn Fn(&mut Mat<T>) -> Handed<()>,
) -> Handed<Refined<T>> {
    let (m, k) = b.shape();
    let zeros = vec![T::ZERO; stacked.nrows()];
    let mut data = zeros.clone();
    let mut residual_norms = Vec::with_capacity(k);
    for j in 0..k {
        for (i, value) in data[..m].iter_mut().enumerate() {
            *value = b[(i, j)];
        }
        let mut column = Mat::from_fn(x.nrows(), 1, |i, _| x[(i, j)]);
        let mut last = f64::INFINITY;
        loop {
            let high = extended::residual(stacked, column.col_as_slice(0), &zeros, &data);
            let low = extended::residual(stacked, column.col_as_slice(0), &high, &data);
            let (coarse, fine) = (extended::negative_adjoint_product(stacked, &high), extended::negative_adjoint_product(stacked, &low));
            let mut correction = Mat::from_fn(x.nrows(), 1, |i, _| -coarse[i] - fine[i]);
            solve(&mut correction)?;
            let relative = linalg::relative_size(&correction, &column);
            if last == f64::INFINITY {
                check_progress::<T>(relative, last)?;
            }
            if !(relative <= 0.5 * last) {
                residual_norms.push(linalg::norm(&high[..m]).to_f64());
                break;
            }
            add(&mut column, &correction);
            last = relative;
            if relative <= 0.25 * T::Real::EPSILON.to_f64() {
                residual_norms.push(linalg::norm(&high[..m]).to_f64());
                break;
            }
        }
        x.col_as_slice_mut(j).copy_from_slice(column.col_as_slice(0));
    }
    Ok(Refined { x, residual_norms })
}

/// Refines y of (AAᴴ + λI)y = b, one λ for each column, and returns x = Aᴴy, whose residual is λy. `size` is ‖A‖ in the
/// Frobenius norm.
pub(super) fn dual<T: Scalar>(
    a: MatRef<'_, T>,
    size: f64,
    b: MatRef<'_, T>,
    mut y: Mat<T>,
    lambdas: &[f64],
    solve: &dyn Fn(&mut Mat<T>) -> Handed<()>,
    threads: Threads,
) -> Handed<Refined<T>> {
    let (m, n) = a.shape();
    let k = b.ncols();
    let (mut x, mut residual) = (linalg::zeros(n, k), linalg::zeros(m, k));
    let mut last = f64::INFINITY;
    for _ in 0..STEPS {
        linalg::multiply_block(a, Op::Adjoint, y.as_ref(), &mut x, threads);
        linalg::multiply_block(a, Op::None, x.as_ref(), &mut residual, threads);
        for (j, &lambda) in lambdas.iter().enumerate() {
            let lambda = T::Real::from_f64(lambda);
            for i in 0..m {
                residual[(i, j)] = b[(i, j)] - residual[(i, j)] - y[(i, j)].scale(lambda);
            }
        }
        solve(&mut residual)?;
        let relative = linalg::relative_size(&residual, &y);
        check_progress::<T>(relative, last)?;
        add(&mut y, &residual);
        if enough::<T>(relative) {
            break;
        }
        last = relative;
    }
    linalg::multiply_block(a, Op::Adjoint, y.as_ref(), &mut x, threads);
    if cancels(&x, &y, size) && lambdas.iter().all(|&lambda| lambda > 0.0) {
        correct_in_x(a, b, &mut x, lambdas, solve, threads)?;
    }
    let residual_norms = linalg::column_norms(y.as_ref()).iter().zip(lambdas).map(|(norm, lambda)| norm * lambda).collect();
    Ok(Refined { x, residual_norms })
}

/// Whether x = Aᴴy is so much smaller than its terms that the rounding of y is more than that of x. y holds what A does
/// not explain of b, divided by λ: for a small λ it is large in directions that hardly reach x.
fn cancels<T: Scalar>(x: &Mat<T>, y: &Mat<T>, size: f64) -> bool {
    // ‖A‖ is at least the Frobenius norm over √m
    let least = size / (8.0 * (y.nrows().max(1) as f64).sqrt());
    linalg::column_norms(x.as_ref()).iter().zip(&linalg::column_norms(y.as_ref())).any(|(x, y)| least * y > *x)
}

/// One correction of x itself: x ← x + M⁻¹g with g = Aᴴ(b − Ax) − λx and M⁻¹g = (g − AᴴK⁻¹Ag)/λ.
fn correct_in_x<T: Scalar>(
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    x: &mut Mat<T>,
    lambdas: &[f64],
    solve: &dyn Fn(&mut Mat<T>) -> Handed<()>,
    threads: Threads,
) -> Handed<()> {
    let ((m, n), k) = (a.shape(), b.ncols());
    let (mut residual, mut gradient, mut image, mut back) =
        (linalg::zeros(m, k), linalg::zeros(n, k), linalg::zeros(m, k), linalg::zeros(n, k));
    T::residual_sweep(a, x.as_ref(), b, residual.as_mut(), gradient.as_mut(), threads);
    let real = |lambda: f64| T::from_real(T::Real::from_f64(lambda));
    for (j, &lambda) in lambdas.iter().enumerate() {
        linalg::add_scaled(gradient.col_as_slice_mut(j), -real(lambda), x.col_as_slice(j));
    }
    linalg::multiply_block(a, Op::None, gradient.as_ref(), &mut image, threads);
    solve(&mut image)?;
    linalg::multiply_block(a, Op::Adjoint, image.as_ref(), &mut back, threads);
    for (j, &lambda) in lambdas.iter().enumerate() {
        for i in 0..n {
            x[(i, j)] += (gradient[(i, j)] - back[(i, j)]) / real(lambda);
        }
    }
    Ok(())
}

/// ‖r − A·dx‖² = ‖r‖² − 2Re⟨Aᴴr, dx⟩ + ‖A·dx‖², with ‖A·dx‖² ≤ Re⟨g, dx⟩ of second order: no further pass over A.
/// `None` where the correction is not small against r, so that the difference would cancel.
fn corrected_norms<T: Scalar>(residual: &Mat<T>, adjoint_residual: &Mat<T>, gradient: &Mat<T>, correction: &Mat<T>) -> Vec<Option<f64>> {
    let inner = |a: &Mat<T>, j: usize| linalg::dot(a.col_as_slice(j), correction.col_as_slice(j)).real().to_f64();
    let corrected = |(j, norm): (usize, f64)| {
        let squared = norm * norm;
        let change = inner(gradient, j) - 2.0 * inner(adjoint_residual, j);
        (change.abs() <= 1e-6 * squared || change == 0.0).then(|| (squared + change).sqrt())
    };
    linalg::column_norms(residual.as_ref()).into_iter().enumerate().map(corrected).collect()
}
