//! The window: triangles that come and leave.

use super::stacked;
use crate::linalg::{self, Mat};
use crate::scalar::{Real, Scalar};
use std::collections::VecDeque;

/// A queue of triangles whose merge is always at hand: what leaves is forgotten, not subtracted.
///
/// The older half is a stack of merges from its newest to each older member; the newer half is a list with the merge of all
/// of it. Leaving takes the top of the stack; when it is empty the newer half is turned over. Each triangle is merged at most
/// three times in all: O(w³) for each block that comes, whatever the length of the window.
///
/// With a factor below 1 a block that came t blocks before the newest is multiplied by its t-th power. Every merge has its own newest
/// block at 1, so that a block which comes multiplies the two merges only, and none of their members.
///
/// Source: Tangwongsan, Hirzel, Schneider 2021, In-order sliding-window aggregation in worst-case constant time, arXiv:2009.13768 (§2, on the
/// queue of two stacks that it improves upon).
#[derive(Clone)]
pub(crate) struct TwoStacks<T: Scalar> {
    width: usize,
    /// The last is the merge of all older blocks; each one before it lacks the oldest of the next.
    older: Vec<Mat<T>>,
    /// The newer blocks, oldest first.
    newer: VecDeque<Mat<T>>,
    /// Their merge.
    merged: Mat<T>,
    /// What a block is multiplied by for each one that is newer.
    factor: f64,
}

impl<T: Scalar> TwoStacks<T> {
    pub fn new(width: usize) -> Self {
        Self { width, older: Vec::new(), newer: VecDeque::new(), merged: linalg::zeros(0, width), factor: 1.0 }
    }

    /// What a block is multiplied by for each one that is newer. To be said before the first comes.
    pub fn set_factor(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// Blocks inside.
    pub fn len(&self) -> usize {
        self.older.len() + self.newer.len()
    }

    pub fn push(&mut self, triangle: Mat<T>) {
        let aged = self.aged(&self.merged, 1);
        self.merged = stacked(&[aged.as_ref(), triangle.as_ref()], self.width);
        self.newer.push_back(triangle);
    }

    /// The oldest leaves.
    pub fn pop(&mut self) {
        if self.older.is_empty() {
            let (mut merged, mut age) = (linalg::zeros(0, self.width), 0);
            while let Some(newest) = self.newer.pop_back() {
                merged = stacked(&[merged.as_ref(), self.aged(&newest, age).as_ref()], self.width);
                self.older.push(linalg::copy(merged.as_ref()));
                age += 1;
            }
            self.merged = linalg::zeros(0, self.width);
        }
        self.older.pop();
    }

    /// R of all blocks inside.
    pub fn triangle(&self) -> Mat<T> {
        match self.older.last() {
            Some(older) => stacked(&[self.aged(older, self.newer.len()).as_ref(), self.merged.as_ref()], self.width),
            None => linalg::copy(self.merged.as_ref()),
        }
    }

    /// A triangle that is so many blocks old.
    fn aged(&self, triangle: &Mat<T>, age: usize) -> Mat<T> {
        match self.factor {
            1.0 => linalg::copy(triangle.as_ref()),
            factor => {
                let factor = T::Real::from_f64(factor.powi(age.min(i32::MAX as usize) as i32));
                Mat::from_fn(triangle.nrows(), triangle.ncols(), |i, j| triangle[(i, j)].scale(factor))
            }
        }
    }
}
