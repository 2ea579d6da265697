//! Operators made of operators: αA, A + B, A·B, blocks on top of each other, and diag(d). Aᴴ and Aᵀ are next door, in
//! [`adjoint`](mod@super::adjoint).
//!
//! Each takes its parts by value; a reference and a `Box<dyn Operator>` are operators too, so that
//! `sum(&a, &b)` borrows. Products and block products are passed on to the parts. Where a part's result has to be kept
//! aside (sum, product, stack), the product allocates that one vector: an operator can then
//! be shared between threads, and a vector is small beside the product that fills it.
//!
//! Entries are shown where a view can show them without a copy: a factor of 1, a stack of one block. Otherwise the operator offers only products, even when its parts have entries.

use super::{Basis, Diagonalization, Entries, Operator};
use crate::error::{Error, Result, Size};
use crate::linalg;
use crate::scalar::{Real, Scalar};
use std::sync::Mutex;

/// Norms and dot products of the range are those of the part that owns it.
macro_rules! range_of {
    ($part:ident) => {
        fn global_rows(&self) -> usize {
            self.$part.global_rows()
        }
        fn range_norm(&self, y: &[Self::Scalar]) -> <Self::Scalar as Scalar>::Real {
            self.$part.range_norm(y)
        }
        fn range_dot(&self, u: &[Self::Scalar], v: &[Self::Scalar]) -> Self::Scalar {
            self.$part.range_dot(u, v)
        }
    };
}

/// αA, of the shape of A. A product costs one product with A and m (adjoint: n) multiplications.
///
/// ```
/// use wellposed::operator::{Operator, diagonal, scaled};
///
/// let a = scaled(10.0, diagonal(vec![1.0, 2.0]));
/// let mut y = [0.0; 2];
/// a.apply(&[1.0, 1.0], &mut y);
/// assert_eq!(y, [10.0, 20.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn scaled<O: Operator>(factor: O::Scalar, operator: O) -> Scaled<O, O::Scalar> {
    Scaled { factor, operator }
}

/// What [`scaled`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Scaled<O, T> {
    factor: T,
    operator: O,
}

fn scale<T: Scalar>(values: &mut [T], factor: T) {
    for value in values {
        *value = factor * *value;
    }
}

impl<O: Operator> Operator for Scaled<O, O::Scalar> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) {
        self.operator.shape()
    }
    fn apply(&self, x: &[O::Scalar], y: &mut [O::Scalar]) {
        self.operator.apply(x, y);
        scale(y, self.factor);
    }
    fn apply_adjoint(&self, y: &[O::Scalar], x: &mut [O::Scalar]) {
        self.operator.apply_adjoint(y, x);
        scale(x, self.factor.conj());
    }
    fn apply_block(&self, k: usize, x: &[O::Scalar], y: &mut [O::Scalar]) {
        self.operator.apply_block(k, x, y);
        scale(y, self.factor);
    }
    fn apply_adjoint_block(&self, k: usize, y: &[O::Scalar], x: &mut [O::Scalar]) {
        self.operator.apply_adjoint_block(k, y, x);
        scale(x, self.factor.conj());
    }
    /// αA in one sweep of A: w/α = Ax − (β/α)u, and z = |α|²·Aᴴ(w/α). For an α far from 1 the product is made in two steps: it is there to
    /// bring an A far from 1 back, whose own AᴴA would leave the range.
    fn apply_fused(&self, x: &[O::Scalar], beta: O::Scalar, u: &[O::Scalar], w: &mut [O::Scalar], z: &mut [O::Scalar]) {
        let (size, one) = (self.factor.modulus().to_f64(), <O::Scalar as Scalar>::Real::ONE);
        let limit = <O::Scalar as Scalar>::Real::MAX.to_f64().powf(1.0 / 16.0);
        if !(size * limit >= 1.0 && size <= limit) {
            self.apply(x, w);
            linalg::add_scaled(w, -beta, u);
            return self.apply_adjoint(w, z);
        }
        let square = self.factor.modulus_squared();
        self.operator.apply_fused(x, (beta * self.factor.conj()).scale(one / square), u, w, z);
        scale(w, self.factor);
        z.iter_mut().for_each(|z| *z = z.scale(square));
    }
    fn entries(&self) -> Entries<'_, O::Scalar> {
        if self.factor == O::Scalar::ONE { self.operator.entries() } else { Entries::None }
    }
    fn diagonalization(&self) -> Option<Diagonalization<'_, O::Scalar>> {
        Some(self.operator.diagonalization()?.scaled(self.factor))
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        let factor = self.factor.modulus().to_f64();
        Some(self.operator.diagonal_in(basis)?.into_iter().map(|value| factor * value).collect())
    }
    range_of!(operator);
}

/// A + B, both m×n. A product costs one with each and a vector of length m (adjoint: n) that it allocates. A step of an iteration makes
/// the two products one after the other: no row of w = Ax + Bx is complete before both operators have made their product.
///
/// # Errors
/// [`Error::Shape`] when the shapes differ.
///
/// ```
/// use wellposed::operator::{Operator, diagonal, sum};
///
/// let a = sum(diagonal(vec![1.0, 2.0]), diagonal(vec![10.0, 10.0]))?;
/// let mut y = [0.0; 2];
/// a.apply(&[1.0, 1.0], &mut y);
/// assert_eq!(y, [11.0, 12.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn sum<A: Operator, B: Operator<Scalar = A::Scalar>>(a: A, b: B) -> Result<Sum<A, B>> {
    let ((m, n), (rows, columns)) = (a.shape(), b.shape());
    if (rows, columns) != (m, n) {
        return Err(Error::Shape {
            what: "the second operator of the sum",
            found: Size::Shape(rows, columns),
            expected: Size::Shape(m, n),
            hint: "both operators must have the same shape",
        });
    }
    Ok(Sum { a, b })
}

/// What [`sum`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Sum<A, B> {
    a: A,
    b: B,
}

pub(super) fn add<T: Scalar>(to: &mut [T], values: &[T]) {
    for (to, &value) in to.iter_mut().zip(values) {
        *to += value;
    }
}

impl<A: Operator, B: Operator<Scalar = A::Scalar>> Operator for Sum<A, B> {
    type Scalar = A::Scalar;
    fn shape(&self) -> (usize, usize) {
        self.a.shape()
    }
    fn apply(&self, x: &[A::Scalar], y: &mut [A::Scalar]) {
        let mut second = vec![A::Scalar::ZERO; y.len()];
        self.a.apply(x, y);
        self.b.apply(x, &mut second);
        add(y, &second);
    }
    fn apply_adjoint(&self, y: &[A::Scalar], x: &mut [A::Scalar]) {
        let mut second = vec![A::Scalar::ZERO; x.len()];
        self.a.apply_adjoint(y, x);
        self.b.apply_adjoint(y, &mut second);
        add(x, &second);
    }
    fn apply_block(&self, k: usize, x: &[A::Scalar], y: &mut [A::Scalar]) {
        let mut second = vec![A::Scalar::ZERO; y.len()];
        self.a.apply_block(k, x, y);
        self.b.apply_block(k, x, &mut second);
        add(y, &second);
    }
    fn apply_adjoint_block(&self, k: usize, y: &[A::Scalar], x: &mut [A::Scalar]) {
        let mut second = vec![A::Scalar::ZERO; x.len()];
        self.a.apply_adjoint_block(k, y, x);
        self.b.apply_adjoint_block(k, y, &mut second);
        add(x, &second);
    }
    range_of!(a);
}

/// A·B: m×n for A m×p and B p×n. A product costs one with each and a vector of length p that it allocates.
///
/// # Errors
/// [`Error::Shape`] when B has not as many rows as A has columns.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, diagonal, first_difference, product};
///
/// let weighted = product(diagonal(vec![1.0, 10.0]), first_difference(3, Boundary::Free))?;
/// let mut y = [0.0; 2];
/// weighted.apply(&[1.0, 2.0, 4.0], &mut y);
/// assert_eq!(y, [1.0, 20.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn product<A: Operator, B: Operator<Scalar = A::Scalar>>(a: A, b: B) -> Result<Product<A, B>> {
    let ((_, inner), (rows, columns)) = (a.shape(), b.shape());
    if rows != inner {
        return Err(Error::Shape {
            what: "the right operator of the product",
            found: Size::Shape(rows, columns),
            expected: Size::Shape(inner, columns),
            hint: "it must have as many rows as the left operator has columns",
        });
    }
    Ok(Product { a, b })
}

/// What [`product`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Product<A, B> {
    a: A,
    b: B,
}

impl<A: Operator, B: Operator<Scalar = A::Scalar>> Operator for Product<A, B> {
    type Scalar = A::Scalar;
    fn shape(&self) -> (usize, usize) {
        (self.a.shape().0, self.b.shape().1)
    }
    fn apply(&self, x: &[A::Scalar], y: &mut [A::Scalar]) {
        let mut inner = vec![A::Scalar::ZERO; self.b.shape().0];
        self.b.apply(x, &mut inner);
        self.a.apply(&inner, y);
    }
    fn apply_adjoint(&self, y: &[A::Scalar], x: &mut [A::Scalar]) {
        let mut inner = vec![A::Scalar::ZERO; self.b.shape().0];
        self.a.apply_adjoint(y, &mut inner);
        self.b.apply_adjoint(&inner, x);
    }
    fn apply_block(&self, k: usize, x: &[A::Scalar], y: &mut [A::Scalar]) {
        let mut inner = vec![A::Scalar::ZERO; self.b.shape().0 * k];
        self.b.apply_block(k, x, &mut inner);
        self.a.apply_block(k, &inner, y);
    }
    fn apply_adjoint_block(&self, k: usize, y: &[A::Scalar], x: &mut [A::Scalar]) {
        let mut inner = vec![A::Scalar::ZERO; self.b.shape().0 * k];
        self.a.apply_adjoint_block(k, y, &mut inner);
        self.b.apply_adjoint_block(k, &inner, x);
    }
    range_of!(a);
}

/// [A₁; A₂; …], the blocks on top of each other: (m₁ + m₂ + …)×n. A product costs one with each block; the adjoint
/// allocates a vector of length n, and block products one block of the size of a part's result.
///
/// Operators of different types go in as `Box<dyn Operator<Scalar = _>>`.
///
/// # Errors
/// [`Error::Shape`] when there is no block, or when the blocks have different numbers of columns.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, diagonal, first_difference, stack};
///
/// let blocks: Vec<Box<dyn Operator<Scalar = f64>>> =
///     vec![Box::new(diagonal(vec![1.0; 3])), Box::new(first_difference(3, Boundary::Free))];
/// let a = stack(blocks)?;
/// let mut y = [0.0; 5];
/// a.apply(&[1.0, 2.0, 4.0], &mut y);
/// assert_eq!(y, [1.0, 2.0, 4.0, 1.0, 2.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn stack<O: Operator>(blocks: Vec<O>) -> Result<Stack<O>> {
    let Some(first) = blocks.first() else {
        return Err(Error::Shape {
            what: "the list of blocks",
            found: Size::Length(0),
            expected: Size::Length(1),
            hint: "stack at least one operator",
        });
    };
    let columns = first.shape().1;
    if let Some((m, n)) = blocks.iter().map(Operator::shape).find(|shape| shape.1 != columns) {
        return Err(Error::Shape {
            what: "a block of the stack",
            found: Size::Shape(m, n),
            expected: Size::Shape(m, columns),
            hint: "every block must have as many columns as the first",
        });
    }
    Ok(Stack { blocks, scratch: Mutex::new(Vec::new()) })
}

/// Gets the first row of a block, the block, and where its term of Aᴴy goes.
type Term<'f, O> = &'f mut dyn FnMut(usize, &O, &mut [<O as Operator>::Scalar]);

/// What [`stack`] returns.
pub struct Stack<O: Operator> {
    /// At least one.
    blocks: Vec<O>,
    /// A term of the adjoint product: kept, so that products allocate nothing after the first.
    scratch: Mutex<Vec<O::Scalar>>,
}

impl<O: Operator + Clone> Clone for Stack<O> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), scratch: Mutex::new(Vec::new()) }
    }
}

impl<O: Operator + core::fmt::Debug> core::fmt::Debug for Stack<O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stack").field("blocks", &self.blocks).finish()
    }
}

impl<O: Operator> Stack<O> {
    /// Each block with the index of its first row.
    fn parts(&self) -> impl Iterator<Item = (usize, &O)> {
        self.blocks.iter().scan(0, |next, block| {
            let start = *next;
            *next += block.shape().0;
            Some((start, block))
        })
    }

    /// x ← x + the terms of all blocks but the first.
    fn add_terms(&self, x: &mut [O::Scalar], term: Term<'_, O>) {
        if self.blocks.len() == 1 {
            return;
        }
        // another product at the same time has a vector of its own
        let (mut kept, mut own) = (self.scratch.try_lock(), Vec::new());
        let scratch = kept.as_deref_mut().unwrap_or(&mut own);
        scratch.resize(x.len(), O::Scalar::ZERO);
        for (start, block) in self.parts().skip(1) {
            term(start, block, scratch);
            add(x, scratch);
        }
    }
}

impl<O: Operator> Operator for Stack<O> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) {
        (self.blocks.iter().map(|block| block.shape().0).sum(), self.blocks[0].shape().1)
    }
    fn apply(&self, x: &[O::Scalar], y: &mut [O::Scalar]) {
        for (start, block) in self.parts() {
            block.apply(x, &mut y[start..start + block.shape().0]);
        }
    }
    fn apply_adjoint(&self, y: &[O::Scalar], x: &mut [O::Scalar]) {
        let first = &self.blocks[0];
        first.apply_adjoint(&y[..first.shape().0], x);
        self.add_terms(x, &mut |start, block, term| block.apply_adjoint(&y[start..start + block.shape().0], term));
    }
    /// One sweep over each block.
    fn apply_fused(&self, x: &[O::Scalar], alpha: O::Scalar, u: &[O::Scalar], w: &mut [O::Scalar], z: &mut [O::Scalar]) {
        let first = self.blocks[0].shape().0;
        self.blocks[0].apply_fused(x, alpha, &u[..first], &mut w[..first], z);
        self.add_terms(z, &mut |start, block, term| {
            let rows = start..start + block.shape().0;
            block.apply_fused(x, alpha, &u[rows.clone()], &mut w[rows], term);
        });
    }
    fn apply_block(&self, k: usize, x: &[O::Scalar], y: &mut [O::Scalar]) {
        let m = self.shape().0;
        let mut part = Vec::new();
        for (start, block) in self.parts() {
            let rows = block.shape().0;
            part.resize(rows * k, O::Scalar::ZERO);
            block.apply_block(k, x, &mut part);
            for j in 0..k {
                y[j * m + start..][..rows].copy_from_slice(&part[j * rows..][..rows]);
            }
        }
    }
    fn apply_adjoint_block(&self, k: usize, y: &[O::Scalar], x: &mut [O::Scalar]) {
        let m = self.shape().0;
        let (mut part, mut term) = (Vec::new(), vec![O::Scalar::ZERO; x.len()]);
        x.fill(O::Scalar::ZERO);
        for (start, block) in self.parts() {
            part.clear();
            for j in 0..k {
                part.extend_from_slice(&y[j * m + start..][..block.shape().0]);
            }
            block.apply_adjoint_block(k, &part, &mut term);
            add(x, &term);
        }
    }
    fn entries(&self) -> Entries<'_, O::Scalar> {
        if let [only] = &self.blocks[..] { only.entries() } else { Entries::None }
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        let mut values = self.blocks[0].diagonal_in(basis)?;
        for block in &self.blocks[1..] {
            let more = block.diagonal_in(basis)?;
            values.iter_mut().zip(&more).for_each(|(value, more)| *value = value.hypot(*more));
        }
        Some(values)
    }
    fn global_rows(&self) -> usize {
        self.blocks.iter().map(Operator::global_rows).sum()
    }
    fn range_norm(&self, y: &[O::Scalar]) -> <O::Scalar as Scalar>::Real {
        let zero = <O::Scalar as Scalar>::Real::ZERO;
        self.parts().fold(zero, |norm, (start, block)| linalg::norm(&[norm, block.range_norm(&y[start..start + block.shape().0])]))
    }
    fn range_dot(&self, u: &[O::Scalar], v: &[O::Scalar]) -> O::Scalar {
        self.parts().fold(O::Scalar::ZERO, |sum, (start, block)| {
            let rows = start..start + block.shape().0;
            sum + block.range_dot(&u[rows.clone()], &v[rows])
        })
    }
}

/// diag(d): n×n, entry i of the product is dᵢxᵢ. n multiplications.
///
/// ```
/// use wellposed::operator::{Operator, diagonal};
///
/// let mut y = [0.0; 2];
/// diagonal(vec![2.0, 3.0]).apply(&[1.0, 10.0], &mut y);
/// assert_eq!(y, [2.0, 30.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn diagonal<T: Scalar>(d: Vec<T>) -> Diagonal<T> {
    Diagonal { d }
}

/// What [`diagonal`] returns.
#[derive(Debug, Clone)]
pub struct Diagonal<T> {
    d: Vec<T>,
}

impl<T: Scalar> Operator for Diagonal<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.d.len(), self.d.len())
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        for ((y, &x), &d) in y.iter_mut().zip(x).zip(&self.d) {
            *y = d * x;
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        for ((x, &y), &d) in x.iter_mut().zip(y).zip(&self.d) {
            *x = d.conj() * y;
        }
    }
    /// A multiple of the identity is diagonal in every basis.
    fn diagonal_in(&self, _: &Basis) -> Option<Vec<f64>> {
        let first = *self.d.first()?;
        self.d.iter().all(|&d| d == first).then(|| vec![first.modulus().to_f64(); self.d.len()])
    }
}
