//! Ā = (I − QQᵀ)DA by columns: what coordinate descent reads.
//!
//! Q is an orthonormal basis of the k columns that nothing penalises, the constant among them: they fit whatever the others
//! leave, so that the others see the data in the orthogonal complement only. A dense A is projected once; a sparse A stays as it
//! is, and the projection is k numbers beside the residual: with s = r + Qt, ⟨āⱼ, r⟩ = ⟨aⱼ, s⟩ − ⟨Qᵀaⱼ, t⟩.
//!
//! Cost beside A: a dense copy where rows are scaled or columns are free, else nothing. A sparse A in `f64` by columns with `u32` indices is
//! read where it lies; one by rows, in another type or with scaled rows is copied by columns (12 bytes an entry). Products cost one pass.

use crate::error::{Error, Result};
use crate::linalg::compressed::Index;
use crate::linalg::sparse::Rows;
use crate::linalg::{self, Kernels, Mat, Op, Threads};
use crate::transform::Matrix;
use std::borrow::Cow;

/// The columns that are penalised, and how to get the others back.
pub(crate) struct Design<'a> {
    pub rows: usize,
    pub columns: usize,
    entries: Columns<'a>,
    free: Option<Free>,
    /// ‖āⱼ‖².
    pub squares: Vec<f64>,
    pub threads: Threads,
}

pub(crate) enum Columns<'a> {
    Dense(Matrix<'a, f64>),
    Sparse(SparseColumns<'a>),
}

/// Compressed columns, no place twice.
pub(crate) struct SparseColumns<'a> {
    starts: Cow<'a, [u32]>,
    indices: Cow<'a, [u32]>,
    values: Cow<'a, [f64]>,
}

/// The free columns F = QR.
struct Free {
    /// m×k.
    q: Mat<f64>,
    /// k×k, upper triangle.
    r: Mat<f64>,
    /// QᵀA, k×n.
    along: Mat<f64>,
}

/// r = s − Qt, in the two parts that a sparse update keeps.
#[derive(Debug, Clone)]
pub(crate) struct Residual {
    pub s: Vec<f64>,
    pub t: Vec<f64>,
}

/// Visits entries as (row, column, value).
pub(crate) type Entries<'e> = &'e dyn Fn(&mut dyn FnMut(usize, usize, f64));

impl<'a> SparseColumns<'a> {
    /// Arrays as they are; `None` where a place may come twice.
    pub fn of_arrays(starts: Cow<'a, [u32]>, indices: Cow<'a, [u32]>, values: Cow<'a, [f64]>) -> Option<Self> {
        let columns = Self { starts, indices, values };
        // sorted, as most are: seen in one pass
        let sorted = |j: usize| columns.column(j).0.is_sorted_by(|a, b| a < b);
        (0..columns.starts.len().saturating_sub(1)).all(sorted).then_some(columns)
    }

    /// From entries in any order, as (row, column, value); those at one place are added. `None` where rows or entries cannot be counted in
    /// 32 bits.
    pub fn new(rows: usize, columns: usize, visit: Entries<'_>) -> Option<Self> {
        u32::try_from(rows).ok()?;
        let mut counts = vec![0usize; columns + 1];
        visit(&mut |_, j, _| counts[j + 1] += 1);
        (0..columns).for_each(|j| counts[j + 1] += counts[j]);
        u32::try_from(counts[columns]).ok()?;
        let starts: Vec<u32> = counts.iter().map(|&count| count as u32).collect();
        let mut next = counts;
        let (mut indices, mut values) = (vec![0u32; next[columns]], vec![0.0; next[columns]]);
        visit(&mut |i, j, value| {
            indices[next[j]] = i as u32;
            values[next[j]] = value;
            next[j] += 1;
        });
        // norms of columns are not sums over entries where two stand at one place
        let mut seen = vec![usize::MAX; rows];
        let of = |j: usize| starts[j] as usize..starts[j + 1] as usize;
        let repeated = (0..columns).any(|j| indices[of(j)].iter().any(|&i| core::mem::replace(&mut seen[i as usize], j) == j));
        if !repeated {
            return Some(Self { starts: starts.into(), indices: indices.into(), values: values.into() });
        }
        let by_columns = Rows::new(columns, rows, &|see| visit(&mut |i, j, value| see(j, i, value)));
        let narrow = |places: &[usize]| places.iter().map(|&place| place as u32).collect();
        Some(Self { starts: narrow(&by_columns.starts), indices: narrow(&by_columns.indices), values: by_columns.values.into() })
    }

    #[inline(always)]
    fn column(&self, j: usize) -> (&[u32], &[f64]) {
        let range = self.starts[j] as usize..self.starts[j + 1] as usize;
        (&self.indices[range.clone()], &self.values[range])
    }
}

/// Σ xᵢyᵢ in eight sums, which the processor's vector instructions take at once.
#[inline(always)]
fn dot(x: &[f64], y: &[f64]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in xs.by_ref().zip(ys.by_ref()) {
        for k in 0..LANES {
            sums[k] += x[k] * y[k];
        }
    }
    let mut rest = 0.0;
    for (x, y) in xs.remainder().iter().zip(ys.remainder()) {
        rest += x * y;
    }
    sums.iter().sum::<f64>() + rest
}

#[inline(always)]
fn add_scaled(y: &mut [f64], alpha: f64, x: &[f64]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

impl<'a> Design<'a> {
    /// `free` holds the columns D·f that nothing penalises.
    ///
    /// # Errors
    /// [`Error::RankDeficient`] where they depend on each other: their coefficients are then not determined.
    pub fn new(rows: usize, columns: usize, entries: Columns<'a>, free: Mat<f64>, threads: Threads) -> Result<Self> {
        let count = free.ncols();
        let mut design = Self { rows, columns, entries, free: None, squares: Vec::new(), threads };
        if count > 0 {
            let (q, r) = orthonormal(free, threads)?;
            let mut along = linalg::zeros(count, columns);
            match &design.entries {
                Columns::Dense(a) => linalg::multiply_block(q.as_ref(), Op::Adjoint, a.view(), &mut along, threads),
                Columns::Sparse(a) => {
                    for j in 0..columns {
                        let (indices, values) = a.column(j);
                        for k in 0..count {
                            let q = q.col_as_slice(k);
                            along[(k, j)] = indices.iter().zip(values).map(|(&i, v)| q[i as usize] * v).sum();
                        }
                    }
                }
            }
            if let Columns::Dense(a) = design.entries {
                let mut owned = match a {
                    Matrix::Owned(owned) => owned,
                    Matrix::Borrowed(view) => linalg::copy(view),
                };
                f64::product(owned.as_mut(), linalg::Accum::Add, -1.0, q.as_ref(), Op::None, along.as_ref(), Op::None, threads);
                design.entries = Columns::Dense(Matrix::Owned(owned));
            }
            design.free = Some(Free { q, r, along });
        }
        design.squares = (0..columns).map(|j| design.square(j)).collect();
        Ok(design)
    }

    /// ‖āⱼ‖².
    fn square(&self, j: usize) -> f64 {
        match &self.entries {
            Columns::Dense(a) => {
                let mut copied = Vec::new();
                let column = linalg::column(a.view(), j, &mut copied);
                dot(column, column)
            }
            Columns::Sparse(a) => {
                let (indices, values) = a.column(j);
                let Some(free) = &self.free else { return dot(values, values) };
                if free.q.ncols() > 1 {
                    // without cancellation: what is left of the column, entry by entry
                    let mut column = vec![0.0; self.rows];
                    indices.iter().zip(values).for_each(|(&i, &v)| column[i as usize] = v);
                    for k in 0..free.q.ncols() {
                        add_scaled(&mut column, -free.along[(k, j)], free.q.col_as_slice(k));
                    }
                    return dot(&column, &column);
                }
                let (q, along) = (free.q.col_as_slice(0), free.along[(0, j)]);
                let mut outside = 1.0;
                let mut sum = 0.0;
                for (&i, &v) in indices.iter().zip(values) {
                    let q = q[i as usize];
                    outside -= q * q;
                    sum += (v - q * along) * (v - q * along);
                }
                sum + along * along * f64::max(outside, 0.0)
            }
        }
    }

    /// k, the columns projected out.
    pub fn free_count(&self) -> usize {
        self.free.as_ref().map_or(0, |free| free.q.ncols())
    }

    /// The numbers t that the projection keeps beside a residual: none where the columns themselves are projected.
    fn kept(&self) -> Option<&Free> {
        match self.entries {
            Columns::Dense(_) => None,
            Columns::Sparse(_) => self.free.as_ref(),
        }
    }

    /// (I − QQᵀ)b.
    pub fn project(&self, b: &mut [f64]) {
        let Some(free) = &self.free else { return };
        // twice: what the first pass leaves along Q is of the size of its rounding
        for _ in 0..2 {
            for k in 0..free.q.ncols() {
                let q = free.q.col_as_slice(k);
                let along = dot(q, b);
                add_scaled(b, -along, q);
            }
        }
    }

    /// The free coefficients R⁻¹Qᵀ(b − Az), for the b and A that were not projected.
    pub fn free_coefficients(&self, b: &[f64], z: &[f64]) -> Vec<f64> {
        let Some(free) = &self.free else { return Vec::new() };
        let count = free.q.ncols();
        let mut rhs = Mat::from_fn(count, 1, |k, _| {
            let fitted: f64 = z.iter().enumerate().filter(|(_, z)| **z != 0.0).map(|(j, z)| free.along[(k, j)] * z).sum();
            dot(free.q.col_as_slice(k), b) - fitted
        });
        f64::solve_upper(free.r.as_ref(), Op::None, rhs.as_mut(), Threads::ONE);
        (0..count).map(|k| rhs[(k, 0)]).collect()
    }

    /// b̄ − Āz, afresh.
    pub fn residual(&self, b: &[f64], z: &[f64]) -> Residual {
        let mut residual = Residual { s: b.to_vec(), t: vec![0.0; self.kept().map_or(0, |free| free.q.ncols())] };
        linalg::vectorized(
            #[inline(always)]
            || {
                for (j, &z) in z.iter().enumerate() {
                    if z != 0.0 {
                        self.subtract(&mut residual, z, j);
                    }
                }
            },
        );
        self.settle(&mut residual);
        residual
    }

    /// s ← r and t ← 0: no digits are then lost between them.
    pub fn settle(&self, residual: &mut Residual) {
        if self.kept().is_some() {
            self.project(&mut residual.s);
            residual.t.fill(0.0);
        }
    }

    /// ⟨āⱼ, r⟩.
    #[inline(always)]
    pub fn along(&self, residual: &Residual, j: usize) -> f64 {
        match &self.entries {
            Columns::Dense(a) => match a.view().col(j).try_as_col_major() {
                Some(column) => dot(column.as_slice(), &residual.s),
                None => (0..self.rows).map(|i| a.view()[(i, j)] * residual.s[i]).sum(),
            },
            Columns::Sparse(a) => {
                let (indices, values) = a.column(j);
                let mut sum = 0.0;
                for (&i, &v) in indices.iter().zip(values) {
                    sum += v * residual.s[i as usize];
                }
                if let Some(free) = &self.free {
                    for (k, t) in residual.t.iter().enumerate() {
                        sum -= t * free.along[(k, j)];
                    }
                }
                sum
            }
        }
    }

    /// r ← r − δāⱼ.
    #[inline(always)]
    pub fn subtract(&self, residual: &mut Residual, delta: f64, j: usize) {
        match &self.entries {
            Columns::Dense(a) => match a.view().col(j).try_as_col_major() {
                Some(column) => add_scaled(&mut residual.s, -delta, column.as_slice()),
                None => (0..self.rows).for_each(|i| residual.s[i] -= delta * a.view()[(i, j)]),
            },
            Columns::Sparse(a) => {
                let (indices, values) = a.column(j);
                for (&i, &v) in indices.iter().zip(values) {
                    residual.s[i as usize] -= delta * v;
                }
                if let Some(free) = &self.free {
                    for (k, t) in residual.t.iter_mut().enumerate() {
                        *t -= delta * free.along[(k, j)];
                    }
                }
            }
        }
    }

    /// Āᵀr for all columns, or for those listed.
    pub fn gradient(&self, residual: &Residual, columns: Option<&[usize]>, out: &mut [f64]) {
        match (&self.entries, columns) {
            (Columns::Dense(a), None) => f64::multiply_adjoint(a.view(), &residual.s, out, self.threads),
            (Columns::Sparse(a), None) => {
                let pattern = u32::pattern(&a.starts, None, &a.indices, 0);
                f64::gather(pattern, &a.values, true, &residual.s, out, self.threads);
                if let Some(free) = &self.free {
                    for (k, &t) in residual.t.iter().enumerate().filter(|(_, t)| **t != 0.0) {
                        (0..self.columns).for_each(|j| out[j] -= t * free.along[(k, j)]);
                    }
                }
            }
            (_, Some(columns)) => linalg::vectorized(
                #[inline(always)]
                || columns.iter().for_each(|&j| out[j] = self.along(residual, j)),
            ),
        }
    }

    /// A sparse Ā by rows, where nothing is projected out of it.
    pub fn sparse_rows(&self) -> Option<Rows<f64>> {
        match (&self.entries, &self.free) {
            (Columns::Sparse(a), None) => {
                let wide = |places: &[u32]| places.iter().map(|&place| place as usize).collect();
                let by_columns = Rows { columns: self.rows, starts: wide(&a.starts), indices: wide(&a.indices), values: a.values.to_vec() };
                // by rows, whose indices come out sorted
                Some(by_columns.transposed())
            }
            _ => None,
        }
    }

    /// Lower triangle of Ā_SᵀĀ_S.
    pub fn gram(&self, columns: &[usize]) -> Mat<f64> {
        let count = columns.len();
        let mut gram = linalg::zeros(count, count);
        match &self.entries {
            Columns::Dense(a) => {
                let a = a.view();
                let part = Mat::from_fn(self.rows, count, |i, j| a[(i, columns[j])]);
                f64::gram(gram.as_mut(), linalg::Accum::Replace, part.as_ref(), Op::Adjoint, self.threads);
            }
            Columns::Sparse(a) => {
                let mut dense = vec![0.0; self.rows];
                for (l, &j) in columns.iter().enumerate() {
                    let (indices, values) = a.column(j);
                    indices.iter().zip(values).for_each(|(&i, &v)| dense[i as usize] = v);
                    for (k, &other) in columns.iter().enumerate().skip(l) {
                        let (indices, values) = a.column(other);
                        gram[(k, l)] = indices.iter().zip(values).map(|(&i, v)| dense[i as usize] * v).sum();
                    }
                    indices.iter().for_each(|&i| dense[i as usize] = 0.0);
                }
                if let Some(free) = &self.free {
                    let along = Mat::from_fn(free.q.ncols(), count, |k, j| free.along[(k, columns[j])]);
                    let mut lost = linalg::zeros(count, count);
                    f64::gram(lost.as_mut(), linalg::Accum::Replace, along.as_ref(), Op::Adjoint, Threads::ONE);
                    for l in 0..count {
                        for k in l..count {
                            gram[(k, l)] -= lost[(k, l)];
                        }
                    }
                }
            }
        }
        gram
    }
}

/// F = QR with its columns in their order.
fn orthonormal(free: Mat<f64>, threads: Threads) -> Result<(Mat<f64>, Mat<f64>)> {
    let (rows, count) = free.shape();
    let norms = linalg::column_norms(free.as_ref());
    let deficient = |rank| Error::RankDeficient { rank, unknowns: count, tolerance: rows.max(count) as f64 * f64::EPSILON };
    if rows < count {
        return Err(deficient(rows));
    }
    let reflectors = f64::qr(free, threads);
    let r = Mat::from_fn(count, count, |i, j| if i <= j { reflectors.basis[(i, j)] } else { 0.0 });
    let tolerance = rows.max(count) as f64 * f64::EPSILON;
    let dependent = (0..count).filter(|&k| !(r[(k, k)].abs() > tolerance * norms[k])).count();
    if dependent > 0 {
        return Err(deficient(count - dependent));
    }
    let mut q = Mat::from_fn(rows, count, |i, j| f64::from(u8::from(i == j)));
    f64::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::None, q.as_mut(), threads);
    Ok((q, r))
}
