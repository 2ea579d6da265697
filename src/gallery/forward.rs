//! A of a test problem: entries, dense or sparse, or whatever multiplies fastest.

use crate::operator::{Basis, DenseView, Diagonalization, Entries, Operator, SparseView};
use std::fmt;
use std::sync::Arc;

/// A that owns what it needs: dense or sparse entries, or an operator with structure. Cheap to clone.
///
/// ```
/// use wellposed::gallery::{blur, shaw, tomo};
/// use wellposed::operator::{Entries, Operator};
///
/// let shaw = shaw(32)?;
/// assert_eq!(shaw.a.view().and_then(|view| view.get(0, 31)), shaw.a.view().and_then(|view| view.get(31, 0)));
/// let blur = blur(16, 3, 0.7)?;
/// assert!(blur.a.view().is_none()); // multiplies without entries
/// assert!(blur.a.to_dense().view().is_some());
/// assert!(matches!(tomo(12, 1.0, 1)?.a.entries(), Entries::Sparse(_))); // rays: a sparse factorization is possible
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

    /// The entries, where all of them are stored ([`entries`](Operator::entries) has sparse ones too).
    pub fn view(&self) -> Option<DenseView<'_, f64>> {
        match self.operator.entries() {
            Entries::Dense(view) => Some(view),
            _ => None,
        }
    }

    /// The same A with all its entries stored, by n products with unit vectors unless they are stored already, densely or sparsely.
    pub fn to_dense(&self) -> Self {
        if self.view().is_some() {
            return self.clone();
        }
        let (rows, columns) = self.shape();
        let mut entries = vec![0.0; rows * columns];
        if let Entries::Sparse(view) = self.entries() {
            view.for_each(|i, j, value| entries[i + j * rows] += value);
            return Self::from_operator(Dense { rows, columns, entries });
        }
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
    fn diagonalization(&self) -> Option<Diagonalization<'_, f64>> {
        self.operator.diagonalization()
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        self.operator.diagonal_in(basis)
    }
    fn global_rows(&self) -> usize {
        self.operator.global_rows()
    }
    fn range_norm(&self, y: &[f64]) -> f64 {
        self.operator.range_norm(y)
    }
    fn range_dot(&self, u: &[f64], v: &[f64]) -> f64 {
        self.operator.range_dot(u, v)
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = self.shape();
        let shows = match self.entries() {
            Entries::Dense(_) => "entries",
            Entries::Sparse(_) => "sparse entries",
            Entries::None => "products",
        };
        write!(f, "Forward({rows}×{columns}, {shows})")
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

/// A sparse matrix in compressed rows.
pub(super) struct SparseRows {
    columns: usize,
    starts: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<f64>,
}

impl SparseRows {
    /// No rows yet.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns, starts: vec![0], indices: Vec::new(), values: Vec::new() }
    }

    /// One more row: columns below the number of columns, in any order, with their values.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = (usize, f64)>) {
        for (column, value) in row {
            debug_assert!(column < self.columns);
            self.indices.push(column);
            self.values.push(value);
        }
        self.starts.push(self.indices.len());
    }

    /// What [`push`](Self::push) has kept valid need not be checked again for every product.
    fn view(&self) -> SparseView<'_, f64> {
        SparseView::of_container(self.shape(), true, (&self.starts, 0), None, &self.indices, &self.values)
    }
}

impl Operator for SparseRows {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (self.starts.len() - 1, self.columns)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        self.view().apply(x, y)
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        self.view().apply_adjoint(y, x)
    }
    fn apply_block(&self, k: usize, x: &[f64], y: &mut [f64]) {
        self.view().apply_block(k, x, y)
    }
    fn apply_adjoint_block(&self, k: usize, y: &[f64], x: &mut [f64]) {
        self.view().apply_adjoint_block(k, y, x)
    }
    fn apply_fused(&self, x: &[f64], alpha: f64, u: &[f64], w: &mut [f64], z: &mut [f64]) {
        self.view().apply_fused(x, alpha, u, w, z)
    }
    fn entries(&self) -> Entries<'_, f64> {
        Entries::Sparse(self.view())
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
