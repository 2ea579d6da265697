//! The last blocks of rows, and nothing of those that left.

use super::{RightHandSides, Rows, RowsProblem};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::factor::rows::{Accumulated, TwoStacks};
use crate::linalg::Threads;
use crate::operator::{DenseView, Operator};
use crate::scalar::Scalar;
use std::collections::VecDeque;

/// The last `length` blocks of rows: what leaves is forgotten, and never subtracted, so that it leaves no rounding errors behind, however
/// large it was.
///
/// With [`forgetting`](Self::forgetting) what stays counts less with every block that comes.
///
/// Cost: each block is merged about three times, O((n + 2)³) whatever the length; a block of one row costs as much as one of n rows.
/// Memory: one triangle for each block.
///
/// ```
/// use wellposed::{DenseView, rows::Window};
/// let mut window = Window::new(1, 3);
/// for slope in [1e8, 1.0, 1.0, 1.0, 2.0] {
///     window.push(&DenseView::column(&[1.0, 2.0]), &[slope, 2.0 * slope])?;
/// }
/// assert!((window.problem().solve(0.0)?.x[0] - 4.0_f64 / 3.0).abs() < 1e-14); // 1, 1 and 2 are inside
/// # Ok::<(), wellposed::Error>(())
/// ```
pub struct Window<T: Scalar, B = Vec<T>> {
    /// Rows without any: the shape of what is pushed.
    empty: Rows<T, B>,
    length: usize,
    blocks: TwoStacks<T>,
    counts: VecDeque<usize>,
}

impl<T: Scalar> Window<T> {
    /// An empty window of at most `length` blocks, of A with this many columns and one right-hand side.
    pub fn new(columns: usize, length: usize) -> Self {
        Self::around(Rows::new(columns), length)
    }
}

impl<T: Scalar> Window<T, DenseView<'static, T>> {
    /// The same with b of `count` columns.
    pub fn with_right_hand_sides(columns: usize, count: usize, length: usize) -> Self {
        Self::around(Rows::with_right_hand_sides(columns, count), length)
    }
}

impl<T: Scalar, B: RightHandSides<T>> Window<T, B> {
    fn around(empty: Rows<T, B>, length: usize) -> Self {
        let width = 1 + empty.columns + empty.right_hand_sides;
        Self { empty, length, blocks: TwoStacks::new(width), counts: VecDeque::new() }
    }

    /// A block that came t blocks before the newest counts γᵗ, 0 < γ ≤ 1, as long as it is inside: what is old fades before it leaves.
    /// To be said before the first block: what is merged already keeps the factor it was merged with.
    ///
    /// Rules then count as many rows as the weights add up to.
    ///
    /// ```
    /// use wellposed::{DenseView, rows::Window};
    /// let mut window = Window::new(1, 3).forgetting(0.5);
    /// for slope in [1e8, 1.0, 1.0, 2.0] {
    ///     window.push(&DenseView::column(&[1.0, 2.0]), &[slope, 2.0 * slope])?;
    /// }
    /// // slopes 1, 1 and 2 with weights ¼, ½ and 1
    /// assert!((window.problem().solve(0.0)?.x[0] - 11.0_f64 / 7.0).abs() < 1e-14);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn forgetting(mut self, factor: f64) -> Self {
        self.empty.forgetting = factor;
        self.blocks.set_factor(factor.sqrt());
        self
    }

    /// Adds a block; where the window is full, the oldest one leaves.
    ///
    /// # Errors
    /// As [`Rows::push`]; a window of length 0. The window is untouched then.
    pub fn push<A, D>(&mut self, a: &A, b: &D) -> Result<()>
    where
        A: Operator<Scalar = T>,
        D: Data<T> + ?Sized,
    {
        let mut block = self.empty.clone();
        block.push(a, b)?;
        self.add(block)
    }

    /// Adds a block of weighted rows, as [`Rows::push_weighted`].
    ///
    /// # Errors
    /// As [`Rows::push_weighted`]; a window of length 0.
    pub fn push_weighted<A, D, W>(&mut self, a: &A, b: &D, weights: &W) -> Result<()>
    where
        A: Operator<Scalar = T>,
        D: Data<T> + ?Sized,
        W: Data<T::Real> + ?Sized,
    {
        let mut block = self.empty.clone();
        block.push_weighted(a, b, weights)?;
        self.add(block)
    }

    fn add(&mut self, block: Rows<T, B>) -> Result<()> {
        if self.length == 0 {
            return Err(Error::Parameter { name: "the length of a window", value: 0.0, must_be: "at least 1 block" });
        }
        if self.blocks.len() == self.length {
            self.forget_oldest();
        }
        self.blocks.push(block.settled_triangle());
        self.counts.push_back(block.count());
        Ok(())
    }

    /// The oldest block leaves, if there is one.
    pub fn forget_oldest(&mut self) {
        if self.counts.pop_front().is_some() {
            self.blocks.pop();
        }
    }

    /// Blocks inside.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The rows inside, merged: to store, to merge with others, or to ask.
    pub fn rows(&self) -> Rows<T, B> {
        let mut rows = self.empty.clone();
        rows.accumulated = Accumulated::from_triangle(self.blocks.triangle(), Threads::available());
        rows.count = self.counts.iter().sum();
        rows.effective = self.counts.iter().fold(0.0, |older, &count| self.empty.forgetting * older + count as f64);
        rows
    }

    /// The problem in the rows inside.
    pub fn problem(&self) -> RowsProblem<'static, T, B> {
        self.rows().problem()
    }
}

impl<T: Scalar, B> core::fmt::Debug for Window<T, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Window({} of {} blocks, {:?})", self.blocks.len(), self.length, self.empty)
    }
}
