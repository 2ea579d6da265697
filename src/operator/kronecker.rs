//! A⊗B, never formed: (A⊗B)·vec X = vec(B·X·Aᵀ) for X stored column after column.
//!
//! A separable blur of an image, an operator on each axis of a grid. Cost: for factors with entries 2·n_A·(m_B·n_B) +
//! 2·m_B·(m_A·n_A) flops, or the other order where that is less, in two block products; two blocks are kept in the operator.
//!
//! Source: Van Loan 2000, doi:10.1016/S0377-0427(00)00393-9.

use super::{Diagonalization, Entries, Operator};
use crate::error::{Error, Result, Size};
use crate::linalg::transpose;
use crate::scalar::Scalar;
use std::sync::{Mutex, PoisonError};

/// A⊗B: (m_A·m_B)×(n_A·n_B). With A acting along the rows of an image stored column after column, and B down its
/// columns.
///
/// When both show their entries and the penalty is the identity, the SVDs of the two factors give every λ, every rule and x:
/// [`Problem`](crate::Problem) finds that by itself.
///
/// # Errors
/// [`Error::Shape`] when the product has more rows or columns than can be counted.
///
/// ```
/// use wellposed::DenseView;
/// use wellposed::operator::{Operator, kronecker};
///
/// let a = DenseView::row_major(&[1.0, 2.0], 1, 2)?;
/// let b = DenseView::row_major(&[1.0, 0.0, 10.0, 1.0], 2, 2)?;
/// let mut y = [0.0; 2];
/// kronecker(a, b)?.apply(&[1.0, 2.0, 3.0, 4.0], &mut y);   // [B 2B]·x
/// assert_eq!(y, [7.0, 80.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn kronecker<A: Operator, B: Operator<Scalar = A::Scalar>>(a: A, b: B) -> Result<Kronecker<A, B>> {
    let ((m_a, n_a), (m_b, n_b)) = (a.shape(), b.shape());
    if m_a.checked_mul(m_b).is_none() || n_a.checked_mul(n_b).is_none() {
        return Err(Error::Shape {
            what: "the second factor of the Kronecker product",
            found: Size::Shape(m_b, n_b),
            expected: Size::Shape(usize::MAX / m_a.max(1), usize::MAX / n_a.max(1)),
            hint: "the product must have fewer rows and columns than can be counted",
        });
    }
    Ok(Kronecker { a, b, scratch: Mutex::new((Vec::new(), Vec::new())) })
}

/// What [`kronecker`] returns.
pub struct Kronecker<A: Operator, B> {
    a: A,
    b: B,
    /// What lies between the two products, and its transpose.
    scratch: Mutex<Blocks<A::Scalar>>,
}

impl<A: Operator + Clone, B: Clone> Clone for Kronecker<A, B> {
    fn clone(&self) -> Self {
        Self { a: self.a.clone(), b: self.b.clone(), scratch: Mutex::new((Vec::new(), Vec::new())) }
    }
}

impl<A: Operator + core::fmt::Debug, B: core::fmt::Debug> core::fmt::Debug for Kronecker<A, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kronecker").field("a", &self.a).field("b", &self.b).finish()
    }
}

/// Two blocks of columns.
type Blocks<T> = (Vec<T>, Vec<T>);

/// A block product: k columns in, k columns out.
type Block<'p, T> = &'p dyn Fn(usize, &[T], &mut [T]);

impl<A: Operator, B: Operator<Scalar = A::Scalar>> Kronecker<A, B> {
    /// Y = B·X·Aᵀ for products of the shapes given.
    fn multiply(
        &self,
        (m_a, n_a): (usize, usize),
        (m_b, n_b): (usize, usize),
        a: Block<'_, A::Scalar>,
        b: Block<'_, A::Scalar>,
        x: &[A::Scalar],
        y: &mut [A::Scalar],
    ) {
        if y.is_empty() {
            return;
        }
        // another product at the same time has vectors of its own
        let (mut between, mut turned) = core::mem::take(&mut *self.scratch.lock().unwrap_or_else(PoisonError::into_inner));
        let size_of = |m: usize, n: usize| m as f64 * n as f64;
        let b_first = size_of(m_b, n_b) * n_a as f64 + size_of(m_a, n_a) * m_b as f64
            <= size_of(m_a, n_a) * n_b as f64 + size_of(m_b, n_b) * m_a as f64;
        let (size, other) = if b_first { (m_b * n_a, m_b * m_a) } else { (n_b * m_a, n_b * n_a) };
        between.resize(size, A::Scalar::ZERO);
        turned.resize(size.max(other), A::Scalar::ZERO);
        if b_first {
            b(n_a, x, &mut between);
            transpose(&between, m_b, &mut turned[..size]);
            between.resize(other, A::Scalar::ZERO);
            a(m_b, &turned[..size], &mut between);
            transpose(&between, m_a, y);
        } else {
            transpose(x, n_b, &mut turned[..other]);
            a(n_b, &turned[..other], &mut between);
            transpose(&between, m_a, &mut turned[..size]);
            b(m_a, &turned[..size], y);
        }
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = (between, turned);
    }
}

impl<A: Operator, B: Operator<Scalar = A::Scalar>> Operator for Kronecker<A, B> {
    type Scalar = A::Scalar;
    fn shape(&self) -> (usize, usize) {
        let ((m_a, n_a), (m_b, n_b)) = (self.a.shape(), self.b.shape());
        (m_a * m_b, n_a * n_b)
    }
    fn apply(&self, x: &[A::Scalar], y: &mut [A::Scalar]) {
        let a: Block<'_, A::Scalar> = &|k, x, y| self.a.apply_block(k, x, y);
        let b: Block<'_, A::Scalar> = &|k, x, y| self.b.apply_block(k, x, y);
        self.multiply(self.a.shape(), self.b.shape(), a, b, x, y);
    }
    fn apply_adjoint(&self, y: &[A::Scalar], x: &mut [A::Scalar]) {
        let turned = |(m, n): (usize, usize)| (n, m);
        let a: Block<'_, A::Scalar> = &|k, y, x| self.a.apply_adjoint_block(k, y, x);
        let b: Block<'_, A::Scalar> = &|k, y, x| self.b.apply_adjoint_block(k, y, x);
        self.multiply(turned(self.a.shape()), turned(self.b.shape()), a, b, y, x);
    }
    fn diagonalization(&self) -> Option<Diagonalization<'_, A::Scalar>> {
        match (self.a.entries(), self.b.entries()) {
            (Entries::Dense(a), Entries::Dense(b)) if a.shape() == self.a.shape() && b.shape() == self.b.shape() => {
                Some(Diagonalization::kronecker(a, b))
            }
            _ => None,
        }
    }
}
