//! Few unknowns: the Gram matrix on the stack, no threads, a handful of allocations for the answer itself.
//!
//! For n ≤ [`LARGEST`] the work of a solve is below a microsecond, and what surrounds it counts. One λ: M = AᴴA + λI by
//! Cholesky with its exact condition number and one step of refinement, as in [`cholesky`](super::cholesky). A rule: the
//! eigenvalues of AᴴA by Jacobi rotations, the coefficients from the residual of a base solution, as in
//! [`tridiagonal`](super::tridiagonal). Whatever is not plain, or too ill-conditioned for a Gram matrix, is left to the
//! others. Cost: mn² + n³ flops. Source: Golub, Van Loan 2013 §8.5 (Jacobi).

use super::cholesky::{EXTEND_FROM, LARGEST_CONDITION};
use super::tridiagonal::is_trusted;
use super::{Handed, Refusal};
use crate::curve::{Spectrum, filter};
use crate::linalg::{self, Mat, MatRef};
use crate::scalar::{Real, Scalar};

/// Unknowns at most.
pub(crate) const LARGEST: usize = 16;
/// Entries of A at most: beyond, threads and cache blocking should win. A guess; benches/small.rs times sizes on this side of it.
pub(crate) const ENTRIES: usize = 16_384;
/// Jacobi sweeps at most; six to eight are usual.
const SWEEPS: usize = 30;

type Square<T> = [[T; LARGEST]; LARGEST];
type Column<T> = [T; LARGEST];

/// κ(M) up to which one step of refinement in working precision keeps the digits of QR.
fn largest_condition<T: Scalar>() -> f64 {
    EXTEND_FROM.min(LARGEST_CONDITION / T::Real::EPSILON.to_f64())
}

/// One right-hand side's answer.
pub(crate) struct Answer<T> {
    pub x: Vec<T>,
    pub residual_norm: f64,
    pub penalty_norm: f64,
    pub dof: f64,
}

/// A with contiguous columns, and its Gram matrix.
pub(crate) struct Small<'a, T> {
    columns: Columns<'a, T>,
    n: usize,
    gram: Square<T>,
}

/// Columns of the caller's matrix where they are contiguous, a copy otherwise.
enum Columns<'a, T> {
    Borrowed(MatRef<'a, T>),
    Copied(Mat<T>),
}

impl<T: Scalar> Columns<'_, T> {
    fn column(&self, j: usize) -> &[T] {
        match self {
            Columns::Borrowed(a) => a.col(j).try_as_col_major().map_or(&[], |column| column.as_slice()),
            Columns::Copied(a) => a.col_as_slice(j),
        }
    }
}

impl<'a, T: Scalar> Small<'a, T> {
    /// The Gram matrix, unless an entry is not finite or a square leaves the safe range.
    pub fn new(a: MatRef<'a, T>) -> Option<Self> {
        let (m, n) = a.shape();
        let contiguous = (0..n).all(|j| a.col(j).try_as_col_major().is_some());
        let columns = if contiguous { Columns::Borrowed(a) } else { Columns::Copied(linalg::copy(a)) };
        let mut gram = [[T::ZERO; LARGEST]; LARGEST];
        let (low, high) = (T::Real::MIN_POSITIVE.to_f64().sqrt(), T::Real::MAX.to_f64().sqrt());
        for j in 0..n {
            let right = columns.column(j);
            for i in 0..=j {
                let entry = linalg::dot(columns.column(i), right);
                gram[i][j] = entry;
                gram[j][i] = entry.conj();
            }
            let diagonal = gram[j][j].real().to_f64();
            // a column of zeros is a rank-deficient problem: left to the others
            if !(diagonal > low && diagonal < high) {
                return None;
            }
        }
        let _ = m;
        Some(Self { columns, n, gram })
    }

    /// Aᴴy.
    fn adjoint_product(&self, y: &[T]) -> Column<T> {
        let mut out = [T::ZERO; LARGEST];
        for (j, out) in out[..self.n].iter_mut().enumerate() {
            *out = linalg::dot(self.columns.column(j), y);
        }
        out
    }

    /// b − Ax.
    fn residual(&self, b: &[T], x: &Column<T>, out: &mut Vec<T>) {
        out.clear();
        out.extend_from_slice(b);
        for (j, &x) in x[..self.n].iter().enumerate() {
            linalg::add_scaled(out, -x, self.columns.column(j));
        }
    }

    /// One λ for every column of b.
    pub fn solve(&self, lambda: f64, b: MatRef<'_, T>) -> Handed<(Vec<Answer<T>>, f64)> {
        let n = self.n;
        let real_lambda = T::Real::from_f64(lambda);
        let mut normal = self.gram;
        for (j, row) in normal[..n].iter_mut().enumerate() {
            row[j] += T::from_real(real_lambda);
        }
        let norm = one_norm(&normal, n);
        let inverse = inverse(&mut normal, n).ok_or(Refusal::IllConditioned(1.0 / T::Real::EPSILON.to_f64()))?;
        let condition = (norm * one_norm(&inverse, n)).max(1.0);
        if !(condition <= largest_condition::<T>()) {
            return Err(Refusal::IllConditioned(condition));
        }
        let trace: f64 = (0..n).map(|j| inverse[j][j].real().to_f64()).sum();
        let dof = n as f64 - lambda * trace;
        let apply = |c: &Column<T>| multiply(&inverse, c, n);
        let (mut data, mut residual) = (Vec::new(), Vec::with_capacity(b.nrows()));
        let answers =
            (0..b.ncols()).map(|j| self.refined(linalg::column(b, j, &mut data), real_lambda, dof, &mut residual, &apply)).collect();
        Ok((answers, condition.sqrt()))
    }

    /// x = M⁻¹Aᴴb with one step of refinement.
    fn refined(&self, b: &[T], lambda: T::Real, dof: f64, residual: &mut Vec<T>, inverse: &dyn Fn(&Column<T>) -> Column<T>) -> Answer<T> {
        let n = self.n;
        let mut x = inverse(&self.adjoint_product(b));
        self.residual(b, &x, residual);
        let mut gradient = self.adjoint_product(residual);
        for (g, &x) in gradient[..n].iter_mut().zip(&x) {
            *g -= x.scale(lambda);
        }
        let correction = inverse(&gradient);
        for (x, &dx) in x[..n].iter_mut().zip(&correction) {
            *x += dx;
        }
        self.residual(b, &x, residual);
        Answer { residual_norm: linalg::norm(residual).to_f64(), penalty_norm: linalg::norm(&x[..n]).to_f64(), dof, x: x[..n].to_vec() }
    }

    /// Eigenvalues and eigenvectors of the Gram matrix.
    pub fn eigen(&self) -> Handed<SmallEigen<'_, 'a, T>> {
        let (squares, vectors) = jacobi(self.gram, self.n).ok_or(Refusal::NoConvergence)?;
        let mut order: [usize; LARGEST] = core::array::from_fn(|k| k);
        order[..self.n].sort_by(|&i, &j| squares[j].total_cmp(&squares[i]));
        let values = order[..self.n].iter().map(|&i| squares[i].max(0.0).sqrt()).collect();
        Ok(SmallEigen { small: self, squares, vectors, order, values })
    }
}

/// AᴴA = V·diag(θ)·Vᴴ.
pub(crate) struct SmallEigen<'s, 'a, T> {
    small: &'s Small<'a, T>,
    squares: Column<f64>,
    /// Eigenvectors as rows.
    vectors: Square<T>,
    /// Places by descending eigenvalue.
    order: [usize; LARGEST],
    values: Vec<f64>,
}

impl<T: Scalar> SmallEigen<'_, '_, T> {
    /// Whether the values are good enough for this damping.
    pub fn trusted(&self, damping: f64) -> bool {
        let (largest, smallest) = (self.values[0], self.values[self.values.len() - 1]);
        let condition = (largest * largest + damping * damping) / (smallest * smallest + damping * damping);
        is_trusted::<T>(&self.values, damping) && condition <= largest_condition::<T>()
    }

    /// σ₁/σₙ.
    pub fn condition(&self) -> f64 {
        self.values[0] / self.values[self.values.len() - 1]
    }

    /// What a rule sees of one right-hand side.
    pub fn spectrum(&self, b: &[T]) -> Spectrum {
        let (n, m) = (self.small.n, b.len());
        let epsilon = T::Real::EPSILON.to_f64();
        let largest = self.values[0];
        let base = 16.0 * n as f64 * epsilon * largest * largest;
        let coordinates = self.rotate(&self.small.adjoint_product(b));
        let x = self.combine(&coordinates, base);
        let mut residual = Vec::with_capacity(m);
        self.small.residual(b, &x, &mut residual);
        let gradient = self.rotate(&self.small.adjoint_product(&residual));
        let norm = linalg::norm(&residual).to_f64();
        let mut outside = norm * norm;
        let mut coefficients = Vec::with_capacity(n);
        for (k, &value) in self.values.iter().enumerate() {
            let i = self.order[k];
            if value == 0.0 {
                coefficients.push(0.0);
                continue;
            }
            let real = T::Real::from_f64;
            let left = gradient[i].scale(real(1.0 / value));
            let kept = coordinates[i].scale(real(value / (self.squares[i] + base)));
            outside -= left.modulus_squared().to_f64();
            coefficients.push((kept + left).modulus().to_f64());
        }
        let outside = if m > n { outside.max(0.0) } else { 0.0 };
        Spectrum {
            values: self.values.clone(),
            coefficients,
            outside,
            rows: m,
            unpenalised: 0,
            tolerance: super::tridiagonal::least_damping::<T>(largest),
        }
    }

    /// The answer at a damping.
    pub fn solve(&self, b: &[T], damping: f64) -> Answer<T> {
        let lambda = damping * damping;
        let dof = self.values.iter().map(|&value| filter(value, damping).0).sum();
        let inverse = |c: &Column<T>| self.combine(&self.rotate(c), lambda);
        self.small.refined(b, T::Real::from_f64(lambda), dof, &mut Vec::with_capacity(b.len()), &inverse)
    }

    /// Vᴴc.
    fn rotate(&self, c: &Column<T>) -> Column<T> {
        let n = self.small.n;
        let mut out = [T::ZERO; LARGEST];
        for (out, vector) in out[..n].iter_mut().zip(&self.vectors) {
            *out = linalg::dot(&vector[..n], &c[..n]);
        }
        out
    }

    /// V(θ + λ)⁻¹y.
    fn combine(&self, y: &Column<T>, lambda: f64) -> Column<T> {
        let n = self.small.n;
        let mut out = [T::ZERO; LARGEST];
        for k in 0..n {
            let weight = y[k].scale(T::Real::from_f64(1.0 / (self.squares[k] + lambda)));
            linalg::add_scaled(&mut out[..n], weight, &self.vectors[k][..n]);
        }
        out
    }
}

fn one_norm<T: Scalar>(a: &Square<T>, n: usize) -> f64 {
    // self-adjoint: row sums are column sums
    a[..n].iter().map(|row| row[..n].iter().map(|v| v.modulus().to_f64()).sum::<f64>()).fold(0.0, f64::max)
}

fn multiply<T: Scalar>(a: &Square<T>, x: &Column<T>, n: usize) -> Column<T> {
    let mut out = [T::ZERO; LARGEST];
    for (out, row) in out[..n].iter_mut().zip(a) {
        *out = row[..n].iter().zip(&x[..n]).fold(T::ZERO, |sum, (&a, &x)| sum + a * x);
    }
    out
}

/// M⁻¹ of a positive definite M by Cholesky, which overwrites M's lower triangle; `None` when a pivot is not positive.
fn inverse<T: Scalar>(m: &mut Square<T>, n: usize) -> Option<Square<T>> {
    for j in 0..n {
        for k in 0..j {
            let factor = m[j][k].conj();
            for i in j..n {
                let product = m[i][k] * factor;
                m[i][j] -= product;
            }
        }
        let pivot = m[j][j].real();
        if !(pivot > T::Real::ZERO && pivot.finite()) {
            return None;
        }
        let scale = T::Real::ONE / pivot.sqrt();
        for row in m[j..n].iter_mut() {
            row[j] = row[j].scale(scale);
        }
    }
    // R⁻¹ by forward substitution, then M⁻¹ = R⁻ᴴR⁻¹
    let mut half = [[T::ZERO; LARGEST]; LARGEST];
    for j in 0..n {
        half[j][j] = T::ONE / m[j][j];
        for i in j + 1..n {
            let sum = (j..i).fold(T::ZERO, |sum, k| sum + m[i][k] * half[k][j]);
            half[i][j] = -sum / m[i][i];
        }
    }
    let mut out = [[T::ZERO; LARGEST]; LARGEST];
    for i in 0..n {
        for j in 0..=i {
            let sum = (i..n).fold(T::ZERO, |sum, k| sum + half[k][i].conj() * half[k][j]);
            out[i][j] = sum;
            out[j][i] = sum.conj();
        }
    }
    Some(out)
}

/// Eigenvalues and eigenvectors (as rows) of a self-adjoint matrix by cyclic Jacobi rotations.
fn jacobi<T: Scalar>(mut a: Square<T>, n: usize) -> Option<(Column<f64>, Square<T>)> {
    let real = T::Real::from_f64;
    let mut vectors = [[T::ZERO; LARGEST]; LARGEST];
    for (k, row) in vectors[..n].iter_mut().enumerate() {
        row[k] = T::ONE;
    }
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let off = a[p][q].modulus().to_f64();
                let (app, aqq) = (a[p][p].real().to_f64(), a[q][q].real().to_f64());
                if off <= 0.5 * T::Real::EPSILON.to_f64() * (app.abs() * aqq.abs()).sqrt() {
                    continue;
                }
                rotated = true;
                let phase = a[p][q].scale(real(1.0 / off));
                let tau = (aqq - app) / (2.0 * off);
                let t = 1.0f64.copysign(tau) / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let (cosine, sine) = (real(c), real(t * c));
                // A ← JᴴAJ with J = [c, s·phase; −s·phase̅, c] in the plane (p, q)
                for k in 0..n {
                    let (x, y) = (a[k][p], a[k][q]);
                    a[k][p] = x.scale(cosine) - (y * phase.conj()).scale(sine);
                    a[k][q] = (x * phase).scale(sine) + y.scale(cosine);
                }
                for k in 0..n {
                    let (x, y) = (a[p][k], a[q][k]);
                    a[p][k] = x.scale(cosine) - (y * phase).scale(sine);
                    a[q][k] = (x * phase.conj()).scale(sine) + y.scale(cosine);
                    let (x, y) = (vectors[p][k], vectors[q][k]);
                    vectors[p][k] = x.scale(cosine) - (y * phase.conj()).scale(sine);
                    vectors[q][k] = (x * phase).scale(sine) + y.scale(cosine);
                }
                a[p][q] = T::ZERO;
                a[q][p] = T::ZERO;
                a[p][p] = T::from_real(real(app - t * off));
                a[q][q] = T::from_real(real(aqq + t * off));
            }
        }
        if !rotated {
            let squares = core::array::from_fn(|k| if k < n { a[k][k].real().to_f64() } else { 0.0 });
            return Some((squares, vectors));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::scalar::c64;

    fn check<T: Scalar>(m: usize, n: usize) {
        let mut random = Random::new(7);
        let entries: Vec<T> = random.scalars(m * n);
        let b: Vec<T> = random.scalars(m);
        let a = MatRef::from_column_major_slice(&entries, m, n);
        let small = Small::new(a).unwrap();
        let eigen = small.eigen().unwrap_or_else(|_| panic!("Jacobi converges"));
        let direct = small.solve(0.3, MatRef::from_column_major_slice(&b, m, 1)).unwrap_or_else(|_| panic!("well-conditioned")).0.remove(0);
        let spectral = eigen.solve(&b, 0.3f64.sqrt());
        for (x, y) in direct.x.iter().zip(&spectral.x) {
            assert!((*x - *y).modulus().to_f64() < 100.0 * T::Real::EPSILON.to_f64(), "{x} {y}");
        }
        assert!((direct.dof - spectral.dof).abs() < 1e3 * T::Real::EPSILON.to_f64());
        let mut values: Vec<T> = vec![T::ZERO; n.min(m)];
        T::svd(a, &mut values, None, None, false, crate::linalg::Threads::ONE).unwrap();
        for (value, reference) in eigen.values.iter().zip(&values) {
            assert!((value - reference.real().to_f64()).abs() < 1e3 * T::Real::EPSILON.to_f64() * eigen.values[0]);
        }
    }

    #[test]
    fn eigenvalues_and_inverse_agree_on_every_scalar() {
        for (m, n) in [(1, 1), (3, 2), (30, 5), (40, 16), (6, 6)] {
            check::<f64>(m, n);
            check::<c64>(m, n);
            check::<f32>(m, n);
        }
    }
}
