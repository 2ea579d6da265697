//! Operators that a unitary transform diagonalises, and what a penalty looks like in the same basis.
//!
//! A = U·diag(σ)·Vᴴ where the products with Uᴴ and V are fast is all that a decomposition can give: with LᴴL diagonal in V
//! too, filter factors, GCV and every other rule are exact at the cost of a transform, and so is x.

use super::DenseView;
use crate::scalar::Scalar;
use core::fmt;

/// The basis V, by name: two operators that name the same basis order its columns alike. An image of `rows`×`columns`
/// pixels is stored column after column; a line has one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Basis {
    /// Discrete Fourier transform: frequency (k, l) at k + l·rows. For real scalars the cosine and sine of a pair of
    /// conjugate frequencies take the places of the two; both have the same |frequency|.
    Fourier {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// Cosine transform (DCT-II): frequency (k, l) at k + l·rows.
    Cosine {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// The right singular vectors of a Kronecker product, by the SVDs of its factors.
    Factors,
    /// A basis of your own, by its name.
    Own(&'static str),
}

impl Basis {
    /// What a plan says of it.
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Basis::Fourier { .. } => "the Fourier transform diagonalises A and L",
            Basis::Cosine { .. } => "the cosine transform diagonalises A and L",
            Basis::Factors => "the SVDs of its factors diagonalise A",
            Basis::Own(_) => "the operator's own transform diagonalises A and L",
        }
    }
}

/// A = U·diag(σ)·Vᴴ, square, with U and V unitary and their products fast.
///
/// ```
/// use wellposed::operator::{Basis, Diagonalization, Operator, Unitary};
/// use wellposed::{Gcv, Problem};
///
/// /// Turns the values round and scales them: A = J·diag(σ).
/// struct Mirror(Vec<f64>);
/// impl Unitary<f64> for Mirror {
///     fn values(&self) -> &[f64] {
///         &self.0
///     }
///     fn left_adjoint(&self, b: &[f64], coefficients: &mut [f64]) {
///         coefficients.iter_mut().zip(b.iter().rev()).for_each(|(c, b)| *c = *b);
///     }
///     fn right(&self, coefficients: &[f64], x: &mut [f64]) {
///         x.copy_from_slice(coefficients);
///     }
/// }
/// impl Operator for Mirror {
///     type Scalar = f64;
///     fn shape(&self) -> (usize, usize) {
///         (self.0.len(), self.0.len())
///     }
///     fn apply(&self, x: &[f64], y: &mut [f64]) {
///         y.iter_mut().rev().zip(x.iter().zip(&self.0)).for_each(|(y, (x, s))| *y = s * x);
///     }
///     fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
///         x.iter_mut().zip(y.iter().rev().zip(&self.0)).for_each(|(x, (y, s))| *x = s * y);
///     }
///     fn diagonalization(&self) -> Option<Diagonalization<'_, f64>> {
///         Some(Diagonalization::new(Basis::Own("mirror"), || Box::new(Mirror(self.0.clone()))))
///     }
/// }
///
/// let a = Mirror((1..=20).map(|k| 1.0 / f64::from(k)).collect());
/// let fit = Problem::new(&a).solve(&[1.0; 20], Gcv)?;
/// assert_eq!(fit.report.method, "fast transform");
/// # Ok::<(), wellposed::Error>(())
/// ```
pub trait Unitary<T: Scalar>: Send + Sync {
    /// σ ≥ 0, one for each column of V, in the order of the basis (which need not be by size).
    fn values(&self) -> &[f64];
    /// c ← Uᴴb.
    fn left_adjoint(&self, b: &[T], coefficients: &mut [T]);
    /// x ← Vc.
    fn right(&self, coefficients: &[T], x: &mut [T]);
}

/// What [`Operator::diagonalization`](super::Operator::diagonalization) offers: the basis by name, at no cost, and a way to compute the rest.
pub struct Diagonalization<'a, T: Scalar> {
    pub(crate) basis: Basis,
    pub(crate) form: Form<'a, T>,
}

/// The parts of U·diag(σ)·Vᴴ.
pub(crate) enum Form<'a, T: Scalar> {
    /// Made on demand.
    Unitary(Box<dyn FnOnce() -> Box<dyn Unitary<T>> + 'a>),
    /// A⊗B, whose factors have SVDs.
    Kronecker(DenseView<'a, T>, DenseView<'a, T>),
    /// The same, times a number.
    Scaled(T, Box<Diagonalization<'a, T>>),
}

impl<'a, T: Scalar> Diagonalization<'a, T> {
    /// A basis, and what computes values and transforms when they are wanted.
    pub fn new(basis: Basis, parts: impl FnOnce() -> Box<dyn Unitary<T>> + 'a) -> Self {
        Self { basis, form: Form::Unitary(Box::new(parts)) }
    }

    /// The basis V.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// A⊗B from its factors.
    pub(crate) fn kronecker(a: DenseView<'a, T>, b: DenseView<'a, T>) -> Self {
        Self { basis: Basis::Factors, form: Form::Kronecker(a, b) }
    }

    /// The factors of a Kronecker product.
    pub(crate) fn factors(&self) -> Option<[DenseView<'a, T>; 2]> {
        match &self.form {
            Form::Kronecker(a, b) => Some([*a, *b]),
            Form::Scaled(_, inner) => inner.factors(),
            Form::Unitary(_) => None,
        }
    }

    pub(crate) fn scaled(self, factor: T) -> Self {
        Self { basis: self.basis, form: Form::Scaled(factor, Box::new(self)) }
    }
}

impl<T: Scalar> fmt::Debug for Diagonalization<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Diagonalization({:?})", self.basis)
    }
}

/// 4 sin²(πk/n), or 4 sin²(πk/2n) in the cosine basis: the eigenvalues of DᴴD along an axis of n values.
pub(crate) fn squared_frequencies(n: usize, cosine: bool) -> Vec<f64> {
    let period = if cosine { 2.0 * n as f64 } else { n as f64 };
    (0..n).map(|k| 4.0 * (core::f64::consts::PI * k as f64 / period).sin().powi(2)).collect()
}

/// √(Σ over the axes) of functions of the frequencies along them.
pub(crate) fn over_plane(down: &[f64], across: &[f64]) -> Vec<f64> {
    across.iter().flat_map(|a| down.iter().map(move |d| (a + d).sqrt())).collect()
}
