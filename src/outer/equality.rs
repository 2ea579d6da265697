//! Cx = d: eliminated, or kept to by multipliers beside bounds.
//!
//! *Elimination* (the null-space method; Golub, Van Loan 2013 §6.2.3, Björck 1996 §5.1.3, doi:10.1137/1.9781611971484). With
//! CᴴP = QR, r the rank that the pivots show and Q = (Q₁ N),
//!
//! ```text
//! x = x_p + Ny,    x_p = Q₁R₁₁⁻ᴴ(Pᴴd)₁..r    CN = 0    NᴴN = I
//! ‖L(x − x₀)‖² = ‖LN(y − y₀)‖² + const        y₀ = (LN)⁺L(x₀ − x_p)
//! ```
//! so that what is left is a problem like any other, with A N, LN and the prior mean y₀. Equations that repeat others (rows beyond
//! the rank) are checked and dropped. The rows of C are scaled to norm 1 first, so that the rank does not depend on their units.
//! Cost: 2nq² flops for q rows, n(n − r) numbers for N, and the products A N and LN.
//!
//! *Beside bounds* elimination would turn them into n general inequalities. There the rows w·C stand above [A; √λL] and their
//! right-hand side is corrected by what they still lack: the method of multipliers (Hestenes 1969, doi:10.1007/BF00927673), or the
//! method of weighting with deferred correction (Van Loan 1985, doi:10.1137/0722051). Each round is a bounded problem, solved from the
//! set of the last; the defect falls by about w² a round. See [`bounds`](super::bounds).

use crate::linalg::{self, Mat, MatMut, Op, Reflectors, Threads};
use crate::scalar::{Real, Scalar};

/// Equations hold if their defect is below this, relative to ‖C‖‖x‖ + ‖d‖, times √q for the roundings of q of them.
const HOLDS: f64 = 1e-10;

/// x = x_p + Ny.
pub(crate) struct Eliminated<T: Scalar> {
    /// x_p: the shortest solution.
    pub particular: Vec<T>,
    /// N, n×(n − r), orthonormal columns.
    pub basis: Mat<T>,
    pub rank: usize,
    /// C with rows of norm 1, and its factorization.
    rows: Mat<T>,
    values: Vec<T>,
    reflectors: Reflectors<T>,
    permutation: Vec<usize>,
}

/// The rows of C at norm 1 and d with them; zero rows stay.
pub(crate) fn normalized<T: Scalar>(c: &Mat<T>, d: &[T]) -> (Mat<T>, Vec<T>) {
    let norms: Vec<T::Real> = (0..c.nrows()).map(|i| linalg::norm(&(0..c.ncols()).map(|j| c[(i, j)]).collect::<Vec<T>>())).collect();
    let by =
        |value: T, norm: T::Real| if norm == T::Real::ZERO { value } else { T::from_parts(value.real() / norm, value.imaginary() / norm) };
    let rows = Mat::from_fn(c.nrows(), c.ncols(), |i, j| by(c[(i, j)], norms[i]));
    (rows, d.iter().zip(&norms).map(|(&d, &norm)| by(d, norm)).collect())
}

/// Whether a defect ‖Cx − d‖ of q equations with rows of norm 1 is nothing but rounding.
pub(crate) fn holds(defect: f64, equations: usize, x_norm: f64, d_norm: f64, epsilon: f64) -> bool {
    let tolerance = HOLDS.max(1e3 * epsilon) * (equations.max(1) as f64).sqrt();
    defect <= tolerance * (x_norm + d_norm)
}

/// Eliminates Cx = d; the error is the least ‖Cx − d‖ (rows of norm 1) that is possible.
pub(crate) fn eliminate<T: Scalar>(c: &Mat<T>, d: &[T], threads: Threads) -> Result<Eliminated<T>, f64> {
    let (q, n) = c.shape();
    let (rows, values) = normalized(c, d);
    let (reflectors, permutation) = if q.min(n) == 0 {
        (Reflectors { basis: linalg::zeros(n, q), coefficients: linalg::zeros(1, 0) }, (0..q).collect())
    } else {
        T::qr_pivoted(linalg::adjoint(rows.as_ref()), threads)
    };
    let pivot = |k: usize| reflectors.basis[(k, k)].modulus().to_f64();
    let tolerance = n.max(q) as f64 * T::Real::EPSILON.to_f64();
    let rank = (0..q.min(n)).take_while(|&k| pivot(k) > tolerance * pivot(0)).count();
    // N = Q(0; I)
    let mut basis = Mat::from_fn(n, n - rank, |i, j| if i == rank + j { T::ONE } else { T::ZERO });
    if q.min(n) > 0 {
        T::apply_reflectors(
            reflectors.basis.as_ref().subcols(0, q.min(n)),
            reflectors.coefficients.as_ref(),
            Op::None,
            basis.as_mut(),
            threads,
        );
    }
    let mut eliminated = Eliminated { particular: vec![T::ZERO; n], basis, rank, rows, values, reflectors, permutation };
    // twice: the second time for what rounding left
    for _ in 0..2 {
        let mut particular = core::mem::take(&mut eliminated.particular);
        eliminated.correct(&mut particular, threads);
        eliminated.particular = particular;
    }
    let defect = linalg::norm(&eliminated.defect(&eliminated.particular)).to_f64();
    let sizes = (linalg::norm(&eliminated.particular).to_f64(), linalg::norm(&eliminated.values).to_f64());
    match holds(defect, q, sizes.0, sizes.1, T::Real::EPSILON.to_f64()) {
        true => Ok(eliminated),
        false => Err(defect),
    }
}

impl<T: Scalar> Eliminated<T> {
    /// d − Cx.
    fn defect(&self, x: &[T]) -> Vec<T> {
        let row = |i: usize| (0..x.len()).fold(self.values[i], |sum, j| sum - self.rows[(i, j)] * x[j]);
        (0..self.values.len()).map(row).collect()
    }

    /// x + C⁺(d − Cx).
    pub fn correct(&self, x: &mut [T], threads: Threads) {
        let r = self.rank;
        if r == 0 {
            return;
        }
        let defect = self.defect(x);
        let mut y: Vec<T> = self.permutation[..r].iter().map(|&p| defect[p]).collect();
        let triangle = self.reflectors.basis.as_ref().submatrix(0, 0, r, r);
        T::solve_upper(triangle, Op::Adjoint, MatMut::from_column_major_slice_mut(&mut y, r, 1), threads);
        let mut step = Mat::from_fn(x.len(), 1, |i, _| if i < r { y[i] } else { T::ZERO });
        let used = self.reflectors.coefficients.ncols();
        T::apply_reflectors(
            self.reflectors.basis.as_ref().subcols(0, used),
            self.reflectors.coefficients.as_ref(),
            Op::None,
            step.as_mut(),
            threads,
        );
        x.iter_mut().enumerate().for_each(|(i, x)| *x += step[(i, 0)]);
    }

    /// x_p + Ny.
    pub fn answer(&self, y: &[T], threads: Threads) -> Vec<T> {
        let mut x = vec![T::ZERO; self.particular.len()];
        T::multiply(self.basis.as_ref(), y, &mut x, threads);
        x.iter_mut().zip(&self.particular).for_each(|(x, &p)| *x += p);
        self.correct(&mut x, threads);
        x
    }

    /// Nᴴ(x − x_p).
    pub fn coordinates(&self, x: &[T], threads: Threads) -> Vec<T> {
        let departure: Vec<T> = x.iter().zip(&self.particular).map(|(&x, &p)| x - p).collect();
        let mut y = vec![T::ZERO; self.basis.ncols()];
        T::multiply_adjoint(self.basis.as_ref(), &departure, &mut y, threads);
        y
    }
}
