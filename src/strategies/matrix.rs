//! A small dense matrix that owns its entries and prints them readably.

use crate::data::Data;
use crate::linalg::MatRef;
use crate::operator::{DenseView, Entries, Operator};
use crate::random::Random;
use crate::scalar::{Real, Scalar};
use core::fmt;
use core::ops::{Index, IndexMut};

/// A dense matrix, column-major: A, L, b and x of an [`Instance`](super::Instance).
///
/// As data it is many right-hand sides, also with one column; [`column`](Self::column) is one.
#[derive(Clone, PartialEq)]
pub struct Matrix<T> {
    rows: usize,
    columns: usize,
    entries: Vec<T>,
}

impl<T: Scalar> Matrix<T> {
    /// The matrix whose entry in row i and column j is `entry(i, j)`.
    pub fn from_fn(rows: usize, columns: usize, mut entry: impl FnMut(usize, usize) -> T) -> Self {
        let mut entries = Vec::with_capacity(rows * columns);
        for j in 0..columns {
            entries.extend((0..rows).map(|i| entry(i, j)));
        }
        Self { rows, columns, entries }
    }

    pub(super) fn from_entries(rows: usize, columns: usize, entries: Vec<T>) -> Self {
        debug_assert_eq!(entries.len(), rows * columns);
        Self { rows, columns, entries }
    }

    /// UΣVᴴ with random orthonormal U, V: singular values `values`, and zeros after them.
    pub(super) fn with_spectrum(rows: usize, columns: usize, values: &[f64], random: &mut Random) -> Self {
        let u = Self::orthonormal_by(rows, values.len(), random);
        let v = Self::orthonormal_by(columns, values.len(), random);
        Self::from_fn(rows, columns, |i, j| {
            let mut sum = T::ZERO;
            for (k, &value) in values.iter().enumerate() {
                sum += (u[(i, k)] * v[(j, k)].conj()).scale(T::Real::from_f64(value));
            }
            sum
        })
    }

    /// m×r with orthonormal columns, uniformly distributed (Stewart 1980, doi:10.1137/0717034): reflections along normal
    /// vectors, each shorter than the one before, of the unit vectors.
    pub fn orthonormal(rows: usize, columns: usize, seed: u64) -> Self {
        Self::orthonormal_by(rows, columns.min(rows), &mut Random::new(seed))
    }

    fn orthonormal_by(rows: usize, columns: usize, random: &mut Random) -> Self {
        let mut q = Self::from_fn(rows, columns, |i, j| if i == j { T::ONE } else { T::ZERO });
        for k in (0..columns).rev() {
            let v: Vec<T> = random.scalars(rows - k);
            let square: f64 = v.iter().map(|v| v.modulus_squared().to_f64()).sum();
            for j in k..columns {
                let mut product = T::ZERO;
                for (i, v) in v.iter().enumerate() {
                    product += v.conj() * q[(k + i, j)];
                }
                let factor = product.scale(T::Real::from_f64(-2.0 / square));
                for (i, v) in v.iter().enumerate() {
                    q[(k + i, j)] += *v * factor;
                }
            }
        }
        q
    }

    /// m.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// n.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The entries, column after column.
    pub fn entries(&self) -> &[T] {
        &self.entries
    }

    /// Column j: one right-hand side.
    ///
    /// # Panics
    /// When there is no column j, as indexing does.
    pub fn column(&self, j: usize) -> &[T] {
        &self.entries[j * self.rows..(j + 1) * self.rows]
    }

    /// The product with another matrix.
    pub fn times(&self, other: &Self) -> Self {
        Self::from_fn(self.rows, other.columns, |i, j| {
            let mut sum = T::ZERO;
            for k in 0..self.columns.min(other.rows) {
                sum += self[(i, k)] * other[(k, j)];
            }
            sum
        })
    }

    /// Frobenius norm.
    pub fn norm(&self) -> f64 {
        self.entries.iter().fold(0.0, |norm: f64, v| norm.hypot(v.modulus().to_f64()))
    }

    fn view(&self) -> DenseView<'_, T> {
        DenseView::from_matrix(MatRef::from_column_major_slice(&self.entries, self.rows, self.columns))
    }
}

impl<T> Index<(usize, usize)> for Matrix<T> {
    type Output = T;
    fn index(&self, (i, j): (usize, usize)) -> &T {
        &self.entries[j * self.rows..(j + 1) * self.rows][i]
    }
}

impl<T> IndexMut<(usize, usize)> for Matrix<T> {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut T {
        &mut self.entries[j * self.rows..(j + 1) * self.rows][i]
    }
}

impl<T: Scalar> Operator for Matrix<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.view().apply(x, y)
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.view().apply_adjoint(y, x)
    }
    fn entries(&self) -> Entries<'_, T> {
        Entries::Dense(self.view())
    }
}

impl<T: Scalar> Data<T> for Matrix<T> {
    type Output = Matrix<T>;
    type Each<V> = Vec<V>;
    fn view(&self) -> DenseView<'_, T> {
        self.view()
    }
    fn output(rows: usize, columns: usize, entries: Vec<T>) -> Matrix<T> {
        Matrix::from_entries(rows, columns, entries)
    }
    fn each<V>(values: Vec<V>) -> Vec<V> {
        values
    }
}

/// Shape and rows, as Rust would take them: `3×2 [[1.0, 2.0], [0.5, 0.0], [0.0, 1.0]]`.
impl<T: Scalar> fmt::Debug for Matrix<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{} [", self.rows, self.columns)?;
        for i in 0..self.rows {
            f.write_str(if i == 0 { "[" } else { ", [" })?;
            for j in 0..self.columns {
                if j > 0 {
                    f.write_str(", ")?;
                }
                // not the alternate form, which would put every number on a line of its own
                write!(f, "{:?}", self[(i, j)])?;
            }
            f.write_str("]")?;
        }
        f.write_str("]")
    }
}
