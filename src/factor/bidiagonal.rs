//! Bidiagonalization: many λ at O(n) each, with all digits of A.
//!
//! Ā = UBVᴴ by Householder reflections (after a QR factorization when Ā is tall), B real upper bidiagonal. Then
//! min ‖By − c‖² + λ‖y‖², c = Uᴴb, takes O(n) for each λ by the rotations of Eldén 1977 (doi:10.1007/BF01932285), and
//! the singular values with the coefficients |uᵢᴴb| that the rules need take O(n²) by Golub–Kahan rotations applied to c
//! alone: no singular vector is formed.
//!
//! A wide Ā is reduced through Āᴴ; Bᴴ is upper bidiagonal again when its rows and columns are read backwards.
//! Prefer [`tridiagonal`](super::tridiagonal) when κ² leaves enough digits (two to four times faster), [`svd`](super::svd)
//! when U or V are wanted. Cost: 2mn² + (8/3)n³ flops (m ≥ n); mn + n² numbers.
//! Source: Golub, Kahan 1965, doi:10.1137/0702016; Golub, Van Loan 2013 §5.4.

use super::{Answer, Core, Handed, Projection, Refusal, rank_of, rank_tolerance};
use crate::curve::Spectrum;
use crate::linalg::bidiagonal_qr::singular_with_vectors;
use crate::linalg::{self, Mat, MatRef, Op, Reflectors, Threads};
use crate::scalar::{Real, Scalar};

/// A matrix this much taller than wide is reduced to its triangle first. Golub, Van Loan 2013 §5.4.9.
const QR_FIRST: f64 = 1.5;

pub(crate) struct BidiagonalCore<T: Scalar> {
    /// Whether Āᴴ was reduced.
    wide: bool,
    rows: usize,
    columns: usize,
    triangle: Option<Reflectors<T>>,
    left: Reflectors<T>,
    right: Option<Reflectors<T>>,
    left_phases: Vec<T>,
    right_phases: Vec<T>,
    diagonal: Vec<f64>,
    superdiagonal: Vec<f64>,
    values: Vec<f64>,
    tolerance: f64,
    threads: Threads,
}

impl<T: Scalar> BidiagonalCore<T> {
    pub fn new(a: MatRef<'_, T>, threads: Threads) -> Handed<Self> {
        let (rows, columns) = a.shape();
        let wide = rows < columns;
        let mut tall = if wide { linalg::adjoint(a) } else { linalg::copy(a) };
        let size = tall.ncols();
        let mut triangle = None;
        if tall.nrows() as f64 > QR_FIRST * size as f64 {
            let reflectors = T::qr(tall, threads);
            tall = Mat::from_fn(size, size, |i, j| if i <= j { reflectors.basis[(i, j)] } else { T::ZERO });
            triangle = Some(reflectors);
        }
        let (left, right) = T::bidiagonalize(tall.as_mut(), threads);
        // faer keeps the right reflectors in the rows above the diagonal, and applies their conjugates
        let right = (size > 1).then(|| Reflectors {
            basis: Mat::from_fn(size - 1, size - 1, |i, j| if j <= i { tall[(j, i + 1)].conj() } else { T::ZERO }),
            coefficients: Mat::from_fn(right.nrows(), right.ncols(), |i, j| right[(i, j)].conj()),
        });
        let phase = |value: T| {
            let modulus = value.modulus();
            if modulus == T::Real::ZERO { T::ONE } else { value.scale(T::Real::ONE / modulus) }
        };
        // B = P·(real B)·Qᴴ with unit diagonal matrices
        let (mut left_phases, mut right_phases) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let (mut diagonal, mut superdiagonal) = (Vec::with_capacity(size), Vec::with_capacity(size));
        let mut q = T::ONE;
        for i in 0..size {
            let p = phase(tall[(i, i)] * q);
            right_phases.push(q);
            left_phases.push(p);
            diagonal.push(tall[(i, i)].modulus().to_f64());
            if i + 1 < size {
                superdiagonal.push(tall[(i, i + 1)].modulus().to_f64());
                q = phase(tall[(i, i + 1)] * p.conj()).conj();
            }
        }
        let mut core = Self {
            wide,
            rows,
            columns,
            triangle,
            left: Reflectors { basis: tall, coefficients: left },
            right,
            left_phases,
            right_phases,
            diagonal,
            superdiagonal,
            values: Vec::new(),
            tolerance: rank_tolerance::<T>(rows, columns),
            threads,
        };
        if wide {
            core.diagonal.reverse();
            core.superdiagonal.reverse();
        }
        core.values = core.singular(&mut [], 0)?;
        Ok(core)
    }

    /// Singular values, with the rows of `coefficients` (k real columns) rotated along.
    fn singular(&self, coefficients: &mut [f64], k: usize) -> Handed<Vec<f64>> {
        let (mut diagonal, mut superdiagonal) = (self.diagonal.clone(), self.superdiagonal.clone());
        singular_with_vectors(&mut diagonal, &mut superdiagonal, coefficients, k).map_err(|_| Refusal::NoConvergence)?;
        Ok(diagonal)
    }

    /// y ← op(U)y for the tall matrix, the QR factor included.
    fn apply_left(&self, op: Op, y: &mut Mat<T>) {
        let inner = |y: &mut Mat<T>| {
            let rows = self.left.basis.nrows();
            T::apply_reflectors(
                self.left.basis.as_ref(),
                self.left.coefficients.as_ref(),
                op,
                y.as_mut().subrows_mut(0, rows),
                self.threads,
            );
        };
        let outer = |y: &mut Mat<T>| {
            if let Some(q) = &self.triangle {
                T::apply_reflectors(q.basis.as_ref(), q.coefficients.as_ref(), op, y.as_mut(), self.threads);
            }
        };
        match op {
            Op::None => {
                inner(y);
                outer(y);
            }
            Op::Adjoint => {
                outer(y);
                inner(y);
            }
        }
    }

    fn apply_right(&self, op: Op, y: &mut Mat<T>) {
        if let Some(v) = &self.right {
            let rows = v.basis.nrows();
            T::apply_reflectors(v.basis.as_ref(), v.coefficients.as_ref(), op, y.as_mut().subrows_mut(1, rows), self.threads);
        }
    }

    /// The rotations of Eldén: min ‖By − c‖² + d²‖y‖², in place.
    fn rotate(&self, damping: f64, c: &mut [T]) {
        let n = c.len();
        let (mut pivots, mut above) = (vec![0.0; n], vec![0.0; n]);
        // the fill of the penalty rows: one entry and its right-hand side
        let (mut fill, mut fill_data) = (0.0f64, T::ZERO);
        let real = T::Real::from_f64;
        for i in 0..n {
            let penalty = fill.hypot(damping);
            let data = if penalty == 0.0 { T::ZERO } else { fill_data.scale(real(fill / penalty)) };
            let pivot = self.diagonal[i].hypot(penalty);
            let (cosine, sine) = if pivot == 0.0 { (1.0, 0.0) } else { (self.diagonal[i] / pivot, penalty / pivot) };
            let next = self.superdiagonal.get(i).copied().unwrap_or(0.0);
            pivots[i] = pivot;
            above[i] = cosine * next;
            fill = -sine * next;
            fill_data = data.scale(real(cosine)) - c[i].scale(real(sine));
            c[i] = c[i].scale(real(cosine)) + data.scale(real(sine));
        }
        for i in (0..n).rev() {
            let known = if i + 1 < n { c[i + 1].scale(real(above[i])) } else { T::ZERO };
            c[i] = (c[i] - known).scale(real(1.0 / pivots[i]));
        }
    }
}

impl<T: Scalar> Core<T> for BidiagonalCore<T> {
    fn project(&self, mut b: Mat<T>) -> Handed<Projection<T>> {
        let (size, k) = (self.diagonal.len(), b.ncols());
        let mut outside = vec![0.0; k];
        let coefficients = if self.wide {
            self.apply_right(Op::Adjoint, &mut b);
            Mat::from_fn(size, k, |i, j| self.right_phases[size - 1 - i].conj() * b[(size - 1 - i, j)])
        } else {
            self.apply_left(Op::Adjoint, &mut b);
            outside = linalg::column_norms(b.as_ref().subrows(size, self.rows - size));
            Mat::from_fn(size, k, |i, j| self.left_phases[i].conj() * b[(i, j)])
        };
        // real and imaginary parts are rotated by the same real rotations
        let parts = if T::IS_COMPLEX { 2 } else { 1 };
        let mut rotated = vec![0.0; size * k * parts];
        for i in 0..size {
            for j in 0..k {
                rotated[(i * k + j) * parts] = coefficients[(i, j)].real().to_f64();
                if T::IS_COMPLEX {
                    rotated[(i * k + j) * parts + 1] = coefficients[(i, j)].imaginary().to_f64();
                }
            }
        }
        let values = self.singular(&mut rotated, k * parts)?;
        let largest = values.first().copied().unwrap_or(0.0);
        let spectra = (0..k)
            .map(|j| Spectrum {
                values: values.clone(),
                coefficients: (0..size).map(|i| linalg::norm(&rotated[(i * k + j) * parts..(i * k + j + 1) * parts])).collect(),
                outside: outside[j] * outside[j],
                rows: self.rows,
                unpenalised: 0,
                tolerance: self.tolerance * largest,
            })
            .collect();
        Ok(Projection { coefficients, spectra, data: linalg::zeros(0, k) })
    }

    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Answer<T>> {
        let size = self.diagonal.len();
        let (rank, tolerance) = self.rank();
        let least = self.least_damping();
        if rank < size && dampings.iter().any(|&d| d < least || d == 0.0) {
            // without vectors the small singular values cannot be left out
            return Err(Refusal::RankDeficient { rank, tolerance });
        }
        let length = if self.wide { self.columns } else { size };
        let mut x = linalg::zeros(length, dampings.len());
        for (j, &damping) in dampings.iter().enumerate() {
            let mut y: Vec<T> = (0..size).map(|i| projection.coefficients[(i, j)]).collect();
            self.rotate(damping, &mut y);
            for (i, &value) in y.iter().enumerate() {
                if self.wide {
                    let place = size - 1 - i;
                    x[(place, j)] = self.left_phases[place] * value;
                } else {
                    x[(i, j)] = self.right_phases[i] * value;
                }
            }
        }
        if self.wide {
            self.apply_left(Op::None, &mut x);
        } else {
            self.apply_right(Op::None, &mut x);
        }
        Ok(x.into())
    }

    fn least_damping(&self) -> f64 {
        self.tolerance * self.values.first().copied().unwrap_or(0.0)
    }

    fn rank(&self) -> (usize, f64) {
        (rank_of(&self.values, self.tolerance).0, self.tolerance)
    }

    fn condition(&self) -> f64 {
        rank_of(&self.values, self.tolerance).1
    }
}
