//! Operators side by side and along a diagonal (on top of each other: [`stack`](super::stack)), and the choice of some
//! of many values: what a detector with missing pixels, or one that samples coarsely, sees.

use super::algebra::add;
use super::{Basis, Operator};
use crate::error::{Error, Result, Size};
use crate::scalar::Scalar;
use core::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

fn not_empty<O>(blocks: &[O]) -> Result<()> {
    if blocks.is_empty() {
        return Err(Error::Shape {
            what: "the list of blocks",
            found: Size::Length(0),
            expected: Size::Length(1),
            hint: "give at least one operator",
        });
    }
    Ok(())
}

/// [A₁ A₂ …], the blocks side by side: m×(n₁ + n₂ + …). A product costs one with each block, and keeps a vector of length m
/// in the operator.
///
/// Operators of different types go in as `Box<dyn Operator<Scalar = _>>`.
///
/// # Errors
/// [`Error::Shape`] when there is no block, or when the blocks have different numbers of rows.
///
/// ```
/// use wellposed::operator::{Operator, beside, diagonal};
///
/// let a = beside(vec![diagonal(vec![1.0, 2.0]), diagonal(vec![10.0, 20.0])])?;
/// let mut y = [0.0; 2];
/// a.apply(&[1.0, 1.0, 1.0, 1.0], &mut y);
/// assert_eq!(y, [11.0, 22.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn beside<O: Operator>(blocks: Vec<O>) -> Result<Beside<O>> {
    not_empty(&blocks)?;
    let rows = blocks[0].shape().0;
    if let Some((m, n)) = blocks.iter().map(Operator::shape).find(|shape| shape.0 != rows) {
        return Err(Error::Shape {
            what: "a block beside others",
            found: Size::Shape(m, n),
            expected: Size::Shape(rows, n),
            hint: "every block must have as many rows as the first",
        });
    }
    Ok(Beside { blocks, scratch: Mutex::new(Vec::new()) })
}

/// What [`beside`] returns.
pub struct Beside<O: Operator> {
    blocks: Vec<O>,
    /// A term of the product: kept, so that products allocate nothing after the first.
    scratch: Mutex<Vec<O::Scalar>>,
}

impl<O: Operator + Clone> Clone for Beside<O> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), scratch: Mutex::new(Vec::new()) }
    }
}

impl<O: Operator + core::fmt::Debug> core::fmt::Debug for Beside<O> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Beside").field("blocks", &self.blocks).finish()
    }
}

impl<O: Operator> Operator for Beside<O> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) {
        (self.blocks[0].shape().0, self.blocks.iter().map(|block| block.shape().1).sum())
    }
    fn apply(&self, x: &[O::Scalar], y: &mut [O::Scalar]) {
        let (part, mut rest) = x.split_at(self.blocks[0].shape().1);
        self.blocks[0].apply(part, y);
        // another product at the same time has a vector of its own
        let mut term = core::mem::take(&mut *self.scratch.lock().unwrap_or_else(PoisonError::into_inner));
        term.resize(y.len(), O::Scalar::ZERO);
        for block in &self.blocks[1..] {
            let (part, others) = rest.split_at(block.shape().1);
            block.apply(part, &mut term);
            add(y, &term);
            rest = others;
        }
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = term;
    }
    fn apply_adjoint(&self, y: &[O::Scalar], mut x: &mut [O::Scalar]) {
        for block in &self.blocks {
            let (part, rest) = x.split_at_mut(block.shape().1);
            block.apply_adjoint(y, part);
            x = rest;
        }
    }
}

/// diag(A₁, A₂, …), the blocks along the diagonal: (m₁ + m₂ + …)×(n₁ + n₂ + …). A product costs one with each block.
///
/// # Errors
/// [`Error::Shape`] when there is no block.
///
/// ```
/// use wellposed::operator::{Boundary, Operator, block_diagonal, first_difference};
///
/// // two lines that know nothing of each other
/// let d = block_diagonal(vec![first_difference(2, Boundary::Free), first_difference(3, Boundary::Free)])?;
/// let mut y = [0.0; 3];
/// d.apply(&[1.0, 4.0, 1.0, 2.0, 4.0], &mut y);
/// assert_eq!(y, [3.0, 1.0, 2.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn block_diagonal<O: Operator>(blocks: Vec<O>) -> Result<BlockDiagonal<O>> {
    not_empty(&blocks)?;
    Ok(BlockDiagonal { blocks })
}

/// What [`block_diagonal`] returns.
#[derive(Debug, Clone)]
pub struct BlockDiagonal<O> {
    blocks: Vec<O>,
}

impl<O: Operator> Operator for BlockDiagonal<O> {
    type Scalar = O::Scalar;
    fn shape(&self) -> (usize, usize) {
        self.blocks.iter().map(Operator::shape).fold((0, 0), |sum, shape| (sum.0 + shape.0, sum.1 + shape.1))
    }
    fn apply(&self, mut x: &[O::Scalar], mut y: &mut [O::Scalar]) {
        for block in &self.blocks {
            let (m, n) = block.shape();
            let ((from, x_rest), (to, y_rest)) = (x.split_at(n), y.split_at_mut(m));
            block.apply(from, to);
            (x, y) = (x_rest, y_rest);
        }
    }
    fn apply_adjoint(&self, mut y: &[O::Scalar], mut x: &mut [O::Scalar]) {
        for block in &self.blocks {
            let (m, n) = block.shape();
            let ((from, y_rest), (to, x_rest)) = (y.split_at(m), x.split_at_mut(n));
            block.apply_adjoint(from, to);
            (x, y) = (x_rest, y_rest);
        }
    }
    /// One sweep over each block.
    fn apply_fused(&self, mut x: &[O::Scalar], alpha: O::Scalar, mut u: &[O::Scalar], mut w: &mut [O::Scalar], mut z: &mut [O::Scalar]) {
        for block in &self.blocks {
            let (m, n) = block.shape();
            let ((x_part, x_rest), (u_part, u_rest)) = (x.split_at(n), u.split_at(m));
            let ((w_part, w_rest), (z_part, z_rest)) = (w.split_at_mut(m), z.split_at_mut(n));
            block.apply_fused(x_part, alpha, u_part, w_part, z_part);
            (x, u, w, z) = (x_rest, u_rest, w_rest, z_rest);
        }
    }
}

/// The values at these places, in this order: `places.len()`×n, with one 1 in each row. A place may be chosen again.
///
/// # Errors
/// [`Error::Parameter`] for a place that is not below n.
///
/// ```
/// use wellposed::operator::{Operator, select};
///
/// let mut y = [0.0; 2];
/// select(4, vec![3, 0])?.apply(&[1.0, 2.0, 3.0, 4.0], &mut y);
/// assert_eq!(y, [4.0, 1.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn select<T: Scalar>(n: usize, places: Vec<usize>) -> Result<Select<T>> {
    if let Some(&place) = places.iter().find(|&&place| place >= n) {
        return Err(Error::Parameter { name: "a place of select", value: place as f64, must_be: "below the number of values n" });
    }
    Ok(Select { n, places, scalar: PhantomData })
}

/// The values that are seen, in order: as many rows as `seen` has `true`. For an image with missing pixels,
/// `product(mask(&seen), blur)`.
///
/// ```
/// use wellposed::operator::{Operator, mask};
///
/// let mut y = [0.0; 2];
/// mask(&[true, false, true]).apply(&[1.0, 2.0, 3.0], &mut y);
/// assert_eq!(y, [1.0, 3.0]);
/// ```
pub fn mask<T: Scalar>(seen: &[bool]) -> Select<T> {
    let places = seen.iter().enumerate().filter(|(_, seen)| **seen).map(|(place, _)| place).collect();
    Select { n: seen.len(), places, scalar: PhantomData }
}

/// Every `step_down`-th row and `step_across`-th column of an image of `rows`×`columns` pixels, stored column after column,
/// from the first on. (A line has one column.)
///
/// # Errors
/// [`Error::Parameter`] for a step of 0, [`Error::Shape`] for more pixels than can be counted.
///
/// ```
/// use wellposed::operator::{Operator, sampling};
///
/// let coarse = sampling(4, 3, 2, 2)?;
/// assert_eq!(coarse.shape(), (4, 12));
/// let mut y = [0.0; 4];
/// coarse.apply(&std::array::from_fn::<f64, 12, _>(|t| t as f64), &mut y);
/// assert_eq!(y, [0.0, 2.0, 8.0, 10.0]);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn sampling<T: Scalar>(rows: usize, columns: usize, step_down: usize, step_across: usize) -> Result<Select<T>> {
    if step_down == 0 || step_across == 0 {
        return Err(Error::Parameter { name: "a step of sampling", value: 0.0, must_be: "at least 1" });
    }
    let Some(n) = rows.checked_mul(columns) else {
        return Err(Error::Shape {
            what: "the image of a sampling",
            found: Size::Shape(rows, columns),
            expected: Size::Length(usize::MAX),
            hint: "rows times columns must be a number of pixels that a vector can have",
        });
    };
    let places = (0..columns).step_by(step_across).flat_map(|j| (0..rows).step_by(step_down).map(move |i| i + j * rows)).collect();
    Ok(Select { n, places, scalar: PhantomData })
}

/// What [`select`], [`mask`] and [`sampling`] return.
#[derive(Debug, Clone)]
pub struct Select<T> {
    n: usize,
    places: Vec<usize>,
    scalar: PhantomData<fn() -> T>,
}

impl<T: Scalar> Operator for Select<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.places.len(), self.n)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        for (y, &place) in y.iter_mut().zip(&self.places) {
            *y = x[place];
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        x.fill(T::ZERO);
        for (&y, &place) in y.iter().zip(&self.places) {
            x[place] += y;
        }
    }
    /// Where every value is seen once, in order, it is the identity.
    fn diagonal_in(&self, _: &Basis) -> Option<Vec<f64>> {
        (self.places.len() == self.n && self.places.iter().enumerate().all(|(i, &place)| i == place)).then(|| vec![1.0; self.n])
    }
}
