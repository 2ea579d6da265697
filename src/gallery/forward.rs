//! A of a test problem: entries, or whatever multiplies fastest.

use crate::operator::{DenseView, Entries, Operator};
use std::fmt;
use std::sync::Arc;

/// A that owns what it needs: dense entries, or an operator with structure. Cheap to clone.
///
/// ```
/// use wellposed::gallery::{blur, shaw};
/// use wellposed::operator::Operator;
///
/// let shaw = shaw(32)?;
/// assert_eq!(shaw.a.view().and_then(|view| view.get(0, 31)), shaw.a.view().and_then(|view| view.get(31, 0)));
/// let blur = blur(16, 3, 0.7)?;
/// assert!(blur.a.view().is_none()); // multiplies without entries
/// assert!(blur.a.to_dense().view().is_some());
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Clone)]
pub struct Forward {
    operator: Arc<dyn Operator<Scalar = f64> + Send + Sync>,
}

impl Forward {
    /// The m×n matrix with these entries.
    pub(super) fn from_fn(rows: usize, columns: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Self {
        let mut entries = Vec::with_capacity(rows * columns);
        for j in 0..columns {
            entries.extend((0..rows).map(|i| entry(i, j)));
        }
        Self::from_operator(Dense { rows, columns, entries })
    }

    pub(super) fn from_operator(operator: impl Operator<Scalar = f64> + Send + Sync + 'static) -> Self {
        Self { operator: Arc::new(operator) }
    }

    /// The entries, where they are stored.
    pub fn view(&self) -> Option<DenseView<'_, f64>> {
        match self.operator.entries() {
            Entries::Dense(view) => Some(view),
            _ => None,
        }
    }

    /// The same A with its entries stored, by n products with unit vectors unless they are stored already.
    pub fn to_dense(&self) -> Self {
        if self.view().is_some() {
            return self.clone();
        }
        let (rows, columns) = self.shape();
        let mut entries = vec![0.0; rows * columns];
        let mut unit = vec![0.0; columns];
        for (j, column) in entries.chunks_exact_mut(rows.max(1)).enumerate() {
            unit[j] = 1.0;
            self.apply(&unit, column);
            unit[j] = 0.0;
        }
        Self::from_operator(Dense { rows, columns, entries })
    }
}

impl Operator for Forward {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        self.operator.shape()
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        self.operator.apply(x, y)
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        self.operator.apply_adjoint(y, x)
    }
    fn apply_block(&self, k: usize, x: &[f64], y: &mut [f64]) {
        self.operator.apply_block(k, x, y)
    }
    fn apply_adjoint_block(&self, k: usize, y: &[f64], x: &mut [f64]) {
        self.operator.apply_adjoint_block(k, y, x)
    }
    fn apply_fused(&self, x: &[f64], alpha: f64, u: &[f64], w: &mut [f64], z: &mut [f64]) {
        self.operator.apply_fused(x, alpha, u, w, z)
    }
    fn entries(&self) -> Entries<'_, f64> {
        self.operator.entries()
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = self.shape();
        write!(f, "Forward({rows}×{columns}, {})", if self.view().is_some() { "entries" } else { "products" })
    }
}

/// Stored entries, column after column.
pub(super) struct Dense {
    rows: usize,
    columns: usize,
    entries: Vec<f64>,
}

impl Dense {
    /// The product with the view of the entries; there is one, as the length was made to fit.
    fn with_view(&self, product: impl FnOnce(&DenseView<'_, f64>)) {
        if let Ok(view) = DenseView::column_major(&self.entries, self.rows, self.columns) {
            product(&view);
        }
    }
}

impl Operator for Dense {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        self.with_view(|view| view.apply(x, y))
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        self.with_view(|view| view.apply_adjoint(y, x))
    }
    fn apply_block(&self, k: usize, x: &[f64], y: &mut [f64]) {
        self.with_view(|view| view.apply_block(k, x, y))
    }
    fn apply_adjoint_block(&self, k: usize, y: &[f64], x: &mut [f64]) {
        self.with_view(|view| view.apply_adjoint_block(k, y, x))
    }
    fn entries(&self) -> Entries<'_, f64> {
        DenseView::column_major(&self.entries, self.rows, self.columns).map_or(Entries::None, Entries::Dense)
    }
}

/// A sparse matrix, row after row: pairs of column and value.
pub(super) struct SparseRows {
    columns: usize,
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl SparseRows {
    /// No rows yet.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns, starts: vec![0], entries: Vec::new() }
    }

    /// One more row; columns below the number of columns, in any order.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = (usize, f64)>) {
        self.entries.extend(row);
        self.starts.push(self.entries.len());
    }

    fn rows(&self) -> impl Iterator<Item = &[(usize, f64)]> {
        self.starts.windows(2).map(|ends| &self.entries[ends[0]..ends[1]])
    }
}

impl Operator for SparseRows {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (self.starts.len() - 1, self.columns)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        for (row, y) in self.rows().zip(y) {
            *y = row.iter().map(|&(j, value)| value * x[j]).sum();
        }
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        x.fill(0.0);
        for (row, &y) in self.rows().zip(y) {
            for &(j, value) in row {
                x[j] += value * y;
            }
        }
    }
    /// Each row is read once: its part of Aᴴw follows its entry of w.
    fn apply_fused(&self, x: &[f64], alpha: f64, u: &[f64], w: &mut [f64], z: &mut [f64]) {
        z.fill(0.0);
        for ((row, &u), w) in self.rows().zip(u).zip(w) {
            *w = row.iter().map(|&(j, value)| value * x[j]).sum::<f64>() - alpha * u;
            for &(j, value) in row {
                z[j] += value * *w;
            }
        }
    }
}

/// Y = A₁XA₂ᵀ for matrices X and Y stored column after column: the two operators, one after the other.
pub(super) struct Separable<P, Q> {
    pub(super) along: P,
    pub(super) across: Q,
}

impl<P: Operator<Scalar = f64>, Q: Operator<Scalar = f64>> Operator for Separable<P, Q> {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        let ((m1, n1), (m2, n2)) = (self.along.shape(), self.across.shape());
        (m1 * m2, n1 * n2)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let ((m1, _), (m2, n2)) = (self.along.shape(), self.across.shape());
        let mut half = vec![0.0; m1 * n2];
        self.along.apply_block(n2, x, &mut half);
        let mut turned = vec![0.0; m1 * m2];
        self.across.apply_block(m1, &transposed(&half, m1, n2), &mut turned);
        y.copy_from_slice(&transposed(&turned, m2, m1));
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        let ((_, n1), (m2, n2)) = (self.along.shape(), self.across.shape());
        let mut half = vec![0.0; n1 * m2];
        self.along.apply_adjoint_block(m2, y, &mut half);
        let mut turned = vec![0.0; n1 * n2];
        self.across.apply_adjoint_block(n1, &transposed(&half, n1, m2), &mut turned);
        x.copy_from_slice(&transposed(&turned, n2, n1));
    }
}

/// The transpose of a matrix stored column after column.
fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|k| matrix[k / columns + (k % columns) * rows]).collect()
}
