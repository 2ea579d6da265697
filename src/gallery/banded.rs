//! Cholesky factorization of a symmetric positive definite band matrix, for the time steps of [`diffusion`](super::diffusion).
//!
//! C = LLᵀ with L inside the band. n·w² multiplications for a half-bandwidth w, 2·n·w a solve. Golub and Van Loan 2013,
//! Matrix Computations, §4.3.5.

/// The lower triangle of a symmetric band matrix: row i holds its entries in columns i − width … i.
pub(super) struct Band {
    size: usize,
    width: usize,
    entries: Vec<f64>,
}

impl Band {
    /// The zero matrix.
    pub(super) fn zero(size: usize, width: usize) -> Self {
        Self { size, width, entries: vec![0.0; size * (width + 1)] }
    }

    /// Entry (i, j), or (j, i), grows; |i − j| ≤ width.
    pub(super) fn add(&mut self, i: usize, j: usize, value: f64) {
        let (row, column) = (i.max(j), i.min(j));
        let at = self.at(row, column);
        self.entries[at] += value;
    }

    fn at(&self, row: usize, column: usize) -> usize {
        row * (self.width + 1) + column + self.width - row
    }

    /// y ← Cx.
    pub(super) fn apply(&self, x: &[f64], y: &mut [f64]) {
        y.fill(0.0);
        for i in 0..self.size {
            let first = i.saturating_sub(self.width);
            let row = &self.entries[self.at(i, first)..self.at(i, i)];
            let mut sum = self.entries[self.at(i, i)] * x[i];
            for (offset, &value) in row.iter().enumerate() {
                sum += value * x[first + offset];
                y[first + offset] += value * x[i];
            }
            y[i] += sum;
        }
    }

    /// L in place of C. C must be positive definite, which a mass matrix with a stiffness matrix added is.
    pub(super) fn factor(mut self) -> Factor {
        for i in 0..self.size {
            let first = i.saturating_sub(self.width);
            for j in first..=i {
                let start = first.max(j.saturating_sub(self.width));
                let (left, above) = (&self.entries[self.at(i, start)..self.at(i, j)], &self.entries[self.at(j, start)..self.at(j, j)]);
                let product: f64 = left.iter().zip(above).map(|(left, above)| left * above).sum();
                let rest = self.entries[self.at(i, j)] - product;
                let at = self.at(i, j);
                self.entries[at] = if j < i { rest / self.entries[self.at(j, j)] } else { rest.sqrt() };
            }
        }
        Factor { l: self }
    }
}

/// L of C = LLᵀ.
pub(super) struct Factor {
    l: Band,
}

impl Factor {
    /// x ← C⁻¹x.
    pub(super) fn solve(&self, x: &mut [f64]) {
        let l = &self.l;
        for i in 0..l.size {
            let first = i.saturating_sub(l.width);
            let row = &l.entries[l.at(i, first)..l.at(i, i)];
            let sum: f64 = row.iter().zip(&x[first..i]).map(|(l, x)| l * x).sum();
            x[i] = (x[i] - sum) / l.entries[l.at(i, i)];
        }
        for i in (0..l.size).rev() {
            let first = i.saturating_sub(l.width);
            x[i] /= l.entries[l.at(i, i)];
            let (before, rest) = x.split_at_mut(i);
            for (x, l) in before[first..].iter_mut().zip(&l.entries[l.at(i, first)..l.at(i, i)]) {
                *x -= l * rest[0];
            }
        }
    }
}
