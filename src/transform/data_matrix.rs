//! Ā as the engines read it: stored, or made row by row of the caller's A when it is read.
//!
//! Weights and an intercept change every entry of a tall A, but a reflected row is that row less a multiple of one vector:
//!
//! ```text
//! H = I − vvᴴ/(1 + q₁),  w = (vᴴDA)/(1 + q₁):      (HDA)ᵢ = dᵢaᵢ − vᵢw
//! ```
//! so that what needs Ā a block of rows at a time (its Gram matrix, residuals) can have the rows made in a block that stays in the cache. It
//! equals the copy to rounding, with n² numbers and a block for each thread in place of mn. What needs all of Ā at once (an SVD, QR, the
//! rows of U) gets the copy, written once.
//!
//! Without weights no row need be made where the columns are not far from centred: with f the first row of HA, H unitary,
//!
//! ```text
//! (HA)ᴴ(HA) = AᴴA:      ĀᴴĀ = AᴴA − fᴴf,  Āx = A₂x − v(wx),  Āᴴr = A₂ᴴr − wᴴ(vᵀr)
//! ```
//! ([`Centred`]), A₂ the rows of A but the first. The differences lose the digits of ‖aⱼ‖²/‖āⱼ‖² = 1 + |fⱼ|²/‖āⱼ‖², the square of a column before
//! over after centring; beyond [`OFF_CENTRE`] rows are made.
//! Cost: one product with Aᴴ beforehand, 2n flops for each row that is made. Prefer the copy for A of few entries.

use super::Matrix;
use super::constant::Constant;
use crate::linalg::{self, Accum, Mat, MatMut, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};
use std::sync::{Arc, OnceLock};

/// A matrix this many times taller than wide is made in blocks: otherwise the blocks are no smaller than it.
const TALL: usize = 4;
/// Entries below which a copy is written at once: it fits in the cache, and extended precision may ask for it. A choice.
const MADE_FROM: usize = 1 << 19;
/// Entries of a block of rows: it stays in the second-level cache while it is used. As the blocks of stored matrices.
const BLOCK_ENTRIES: usize = 65_536;

/// ‖aⱼ‖²/‖āⱼ‖² up to which a difference takes the constant out: a digit of the Gram matrix at most, before a refinement with residuals that
/// lose half a digit. A column of numbers between 0 and 1 has 4, one of mean 4 and standard deviation 1 has 17. A choice.
const OFF_CENTRE: f64 = 16.0;
/// Runs of rows that are looked at before a Gram matrix is made, and their length: whole lines of the cache in either order.
const SAMPLED: (usize, usize) = (8, 8);

/// Ā.
#[derive(Clone)]
pub(crate) enum DataMatrix<'a, T: Scalar> {
    /// Its entries, the caller's or ours.
    Stored(Matrix<'a, T>),
    /// Rows that are made when they are read.
    Made(Arc<MadeRows<'a, T>>),
}

/// Rows of A, scaled and with the constant reflected out.
pub(crate) struct MadeRows<'a, T: Scalar> {
    a: MatRef<'a, T>,
    /// D.
    scale: Option<Vec<T::Real>>,
    reflection: Option<Reflection<T>>,
    /// Columns that are constant to rounding: they count as zero. Known with the Gram matrix.
    constant_columns: OnceLock<Vec<bool>>,
    /// Whether the columns are close enough to centred for [`Centred`]. Known with the Gram matrix.
    near_centre: OnceLock<bool>,
    /// The copy, where it was asked for.
    written: OnceLock<Mat<T>>,
}

struct Reflection<T: Scalar> {
    /// v.
    reflector: Vec<T::Real>,
    /// w.
    row: Vec<T>,
    /// (HDA)₁, which is left out.
    first_row: Vec<T>,
}

impl<'a, T: Scalar> From<Matrix<'a, T>> for DataMatrix<'a, T> {
    fn from(matrix: Matrix<'a, T>) -> Self {
        Self::Stored(matrix)
    }
}

/// Whether rows of an m×n matrix are made when they are read.
pub(super) fn is_made(m: usize, n: usize) -> bool {
    n > 0 && m >= TALL * n && m * n >= MADE_FROM
}

/// Rows whose products are added up before they join the others: equal terms, as those of a constant column, round all in one
/// direction, so that a plain sum of m of them would be off by m units of rounding.
const SUMMED_AT_ONCE: usize = 256;

/// Aᴴy, with the rounding of a sum of few terms.
fn adjoint_product_by_blocks<T: Scalar>(a: MatRef<'_, T>, y: &[T], threads: Threads) -> Vec<T> {
    let (m, n) = a.shape();
    let each = m.div_ceil(threads.0.max(1)).max(1);
    let mut parts: Vec<Mat<T>> = (0..m.div_ceil(each)).map(|_| linalg::zeros(n, 1)).collect();
    let one = |start: usize, sum: &mut Mat<T>| {
        let (end, mut part) = ((start + each).min(m), vec![T::ZERO; n]);
        for row in (start..end).step_by(SUMMED_AT_ONCE) {
            let count = SUMMED_AT_ONCE.min(end - row);
            T::multiply_adjoint(a.subrows(row, count), &y[row..row + count], &mut part, Threads::ONE);
            linalg::add_scaled(sum.col_as_slice_mut(0), T::ONE, &part);
        }
    };
    let one = &one;
    linalg::in_parallel(parts.iter_mut().enumerate().map(|(place, sum)| move || one(place * each, sum)).collect());
    let mut total = linalg::zeros(n, 1);
    linalg::add_parts(total.as_mut(), &parts);
    linalg::column(total.as_ref(), 0, &mut Vec::new()).to_vec()
}

impl<'a, T: Scalar> DataMatrix<'a, T> {
    /// DA, and (HDA)₂..ₘ where there is a constant to be removed, made when it is read.
    pub fn made(a: MatRef<'a, T>, scale: Option<Vec<T::Real>>, intercept: bool, threads: Threads) -> (Option<Constant<T>>, Self) {
        let (mut constant, mut reflection) = (None, None);
        if intercept {
            let ones = scale.clone().unwrap_or_else(|| vec![T::Real::ONE; a.nrows()]);
            let mut found = Constant::of(&ones);
            let reflector = found.reflector().to_vec();
            let scaled: Vec<T> = reflector.iter().zip(&ones).map(|(&v, &d)| T::from_real(v * d)).collect();
            let mut row = adjoint_product_by_blocks(a, &scaled, threads);
            // (Aᴴy)ᴴ for a real y
            row.iter_mut().for_each(|w| *w = w.conj().scale(T::Real::ONE / found.denominator()));
            let first_row: Vec<T> = row.iter().enumerate().map(|(j, w)| a[(0, j)].scale(ones[0]) - w.scale(reflector[0])).collect();
            found.set_first_row(first_row.clone());
            constant = Some(found);
            reflection = Some(Reflection { reflector, row, first_row });
        }
        let rows =
            MadeRows { a, scale, reflection, constant_columns: OnceLock::new(), near_centre: OnceLock::new(), written: OnceLock::new() };
        (constant, Self::Made(Arc::new(rows)))
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Stored(matrix) => matrix.view().shape(),
            Self::Made(rows) => rows.shape(),
        }
    }

    /// All entries; where they are made, the copy is written the first time.
    pub fn view(&self) -> MatRef<'_, T> {
        match self {
            Self::Stored(matrix) => matrix.view(),
            Self::Made(rows) => rows.written.get_or_init(|| rows.write()).as_ref(),
        }
    }

    /// The same, borrowed again.
    pub fn reborrow(&self) -> DataMatrix<'_, T> {
        match self {
            Self::Stored(matrix) => DataMatrix::Stored(matrix.reborrow()),
            Self::Made(rows) => DataMatrix::Made(Arc::clone(rows)),
        }
    }

    /// With all entries, borrowed.
    pub fn stored(&self) -> Matrix<'_, T> {
        Matrix::Borrowed(self.view())
    }

    /// With all entries.
    pub fn into_stored(self) -> Matrix<'a, T> {
        match self {
            Self::Stored(matrix) => matrix,
            Self::Made(rows) => Matrix::Owned(rows.write()),
        }
    }

    /// Whether all entries are numbers. Made rows are differences of numbers that were checked, in the middle of the range.
    pub fn is_finite(&self, threads: Threads) -> bool {
        match self {
            Self::Stored(matrix) => T::largest_entry(matrix.view(), threads).is_some(),
            Self::Made(_) => true,
        }
    }

    /// Lower triangle of G ← ĀᴴĀ and C ← ĀᴴB.
    pub fn normal_equations(&self, b: MatRef<'_, T>, normal: MatMut<'_, T>, data: MatMut<'_, T>, threads: Threads) {
        match self {
            Self::Stored(matrix) => T::normal_equations(matrix.view(), b, normal, data, threads),
            Self::Made(rows) => rows.normal_equations(b, normal, data, threads),
        }
    }

    /// C ← ĀᴴB.
    pub fn adjoint_product(&self, b: MatRef<'_, T>, data: &mut Mat<T>, threads: Threads) {
        match self {
            Self::Stored(matrix) => linalg::multiply_block(matrix.view(), Op::Adjoint, b, data, threads),
            Self::Made(rows) => {
                let nothing = linalg::zeros(rows.shape().1, b.ncols());
                let mut unread = linalg::zeros(b.nrows(), b.ncols());
                // the residual of x = 0 is b
                rows.residual_sweep(nothing.as_ref(), b, unread.as_mut(), data.as_mut(), threads);
            }
        }
    }

    /// R ← B − ĀX and G ← ĀᴴR.
    pub fn residual_sweep(&self, x: MatRef<'_, T>, b: MatRef<'_, T>, residual: MatMut<'_, T>, gradient: MatMut<'_, T>, threads: Threads) {
        match self {
            Self::Stored(matrix) => T::residual_sweep(matrix.view(), x, b, residual, gradient, threads),
            Self::Made(rows) => rows.residual_sweep(x, b, residual, gradient, threads),
        }
    }
}

/// A block of rows in the making, stored by rows or by columns, as A is.
struct Block<T> {
    entries: Vec<T>,
    by_rows: bool,
}

impl<T> Block<T> {
    fn view(&self, count: usize, n: usize) -> MatRef<'_, T> {
        match self.by_rows {
            true => MatRef::from_row_major_slice(&self.entries, count, n),
            false => MatRef::from_column_major_slice(&self.entries, count, n),
        }
    }
}

impl<T: Scalar> MadeRows<'_, T> {
    fn shape(&self) -> (usize, usize) {
        (self.a.nrows() - usize::from(self.reflection.is_some()), self.a.ncols())
    }

    /// Ā by differences, where it has no weights.
    fn centred(&self) -> Option<Centred<'_, T>> {
        match (&self.reflection, &self.scale) {
            (Some(reflection), None) => Some(Centred { a: self.a, reflection }),
            _ => None,
        }
    }

    /// Rows of a block. With many columns a block that is as tall as wide keeps the Gram matrix from being read too often.
    fn block_rows(&self) -> usize {
        let n = self.a.ncols();
        (BLOCK_ENTRIES / n).clamp(32, 4096).max(n.min(1024))
    }

    /// An empty block.
    fn block(&self) -> Block<T> {
        Block { entries: Vec::new(), by_rows: self.a.row_stride().unsigned_abs() != 1 }
    }

    /// `count` rows of Ā from `start` on.
    fn fill(&self, start: usize, count: usize, block: &mut Block<T>) {
        let n = self.a.ncols();
        let first = start + usize::from(self.reflection.is_some());
        block.entries.resize(n * count, T::ZERO);
        let mut copied = Vec::new();
        if block.by_rows {
            let a = self.a.transpose();
            for (i, line) in block.entries.chunks_exact_mut(n).enumerate() {
                let source = linalg::column(a, first + i, &mut copied);
                let d = self.scale.as_ref().map_or(T::Real::ONE, |scale| scale[first + i]);
                match &self.reflection {
                    None => line.iter_mut().zip(source).for_each(|(entry, a)| *entry = a.scale(d)),
                    Some(Reflection { reflector, row, .. }) => {
                        let v = reflector[first + i];
                        line.iter_mut().zip(source).zip(row).for_each(|((entry, a), w)| *entry = a.scale(d) - w.scale(v));
                    }
                }
            }
            return;
        }
        let a = self.a.subrows(first, count);
        for (j, column) in block.entries.chunks_exact_mut(count).enumerate() {
            column.copy_from_slice(linalg::column(a, j, &mut copied));
            if let Some(scale) = &self.scale {
                column.iter_mut().zip(&scale[first..]).for_each(|(entry, &d)| *entry = entry.scale(d));
            }
            if let Some(Reflection { reflector, row, .. }) = &self.reflection {
                column.iter_mut().zip(&reflector[first..]).for_each(|(entry, &v)| *entry -= row[j].scale(v));
            }
        }
    }

    /// Calls `work(part, first row, rows)` for every block, the parts beside each other on the threads.
    fn each_block<P: Send>(&self, parts: &mut [P], work: impl Fn(&mut P, usize, MatRef<'_, T>) + Sync) {
        let ((m, n), rows) = (self.shape(), self.block_rows());
        let each = m.div_ceil(parts.len()).max(1);
        let work = &work;
        let one = |start: usize, part: &mut P| {
            let mut block = self.block();
            let end = (start + each).min(m);
            let mut row = start;
            while row < end {
                let count = rows.min(end - row);
                linalg::vectorized(|| self.fill(row, count, &mut block));
                work(part, row, block.view(count, n));
                row += count;
            }
        };
        let one = &one;
        linalg::in_parallel(parts.iter_mut().enumerate().map(|(place, part)| move || one(place * each, part)).collect());
    }

    fn normal_equations(&self, b: MatRef<'_, T>, mut normal: MatMut<'_, T>, mut data: MatMut<'_, T>, threads: Threads) {
        let n = self.a.ncols();
        if let Some(centred) = self.centred()
            && self.near_centre.get().copied().unwrap_or_else(|| centred.seems_near())
        {
            centred.normal_equations(b, normal.as_mut(), data.as_mut(), threads);
            if *self.near_centre.get_or_init(|| centred.is_near(normal.as_ref())) {
                return;
            }
        }
        let mut parts: Vec<(Mat<T>, Mat<T>)> = (0..threads.0.max(1)).map(|_| (linalg::zeros(n, n), linalg::zeros(n, b.ncols()))).collect();
        self.each_block(&mut parts, |(normal, data), row, rows| {
            T::gram(normal.as_mut(), Accum::Add, rows, Op::Adjoint, Threads::ONE);
            let b = b.subrows(row, rows.nrows());
            T::product(data.as_mut(), Accum::Add, T::ONE, rows, Op::Adjoint, b, Op::None, Threads::ONE);
        });
        let (normals, datas): (Vec<Mat<T>>, Vec<Mat<T>>) = parts.into_iter().unzip();
        linalg::add_parts(normal.as_mut(), &normals);
        linalg::add_parts(data.as_mut(), &datas);
        let constant = self.constant_columns.get_or_init(|| self.constants(&|j| normal[(j, j)].real().to_f64()));
        for j in (0..n).filter(|&j| constant[j]) {
            (0..j).for_each(|i| normal[(j, i)] = T::ZERO);
            (j..n).for_each(|i| normal[(i, j)] = T::ZERO);
            (0..b.ncols()).for_each(|k| data[(j, k)] = T::ZERO);
        }
    }

    fn residual_sweep(&self, x: MatRef<'_, T>, b: MatRef<'_, T>, residual: MatMut<'_, T>, mut gradient: MatMut<'_, T>, threads: Threads) {
        if let Some(centred) = self.centred().filter(|_| self.near_centre.get() == Some(&true)) {
            return centred.residual_sweep(x, b, residual, gradient, threads);
        }
        let ((m, n), k) = (self.shape(), b.ncols());
        let count = threads.0.max(1);
        let each = m.div_ceil(count).max(1);
        let mut rest = residual;
        let mut parts: Vec<(usize, MatMut<'_, T>, Mat<T>)> = Vec::with_capacity(count);
        for place in 0..count {
            let left = rest.nrows();
            let (head, tail) = rest.split_at_row_mut(each.min(left));
            parts.push((place * each, head, linalg::zeros(n, k)));
            rest = tail;
        }
        self.each_block(&mut parts, |(start, residual, gradient), row, rows| {
            let mut r = residual.as_mut().subrows_mut(row - *start, rows.nrows());
            for j in 0..k {
                (0..rows.nrows()).for_each(|i| r[(i, j)] = b[(row + i, j)]);
            }
            T::product(r.as_mut(), Accum::Add, -T::ONE, rows, Op::None, x, Op::None, Threads::ONE);
            T::product(gradient.as_mut(), Accum::Add, T::ONE, rows, Op::Adjoint, r.as_ref(), Op::None, Threads::ONE);
        });
        let gradients: Vec<Mat<T>> = parts.into_iter().map(|(.., gradient)| gradient).collect();
        linalg::add_parts(gradient.as_mut(), &gradients);
        for (j, _) in self.constant_columns.get().into_iter().flatten().enumerate().filter(|(_, constant)| **constant) {
            (0..k).for_each(|i| gradient[(j, i)] = T::ZERO);
        }
    }

    /// Which columns are constant, given the squares of their norms: they must not count by their rounding errors, which a scaling of
    /// the columns would make as large as data.
    fn constants(&self, square: &dyn Fn(usize) -> f64) -> Vec<bool> {
        let Some(reflection) = &self.reflection else { return vec![false; self.a.ncols()] };
        let rounding = Constant::<T>::rounding(self.a.nrows());
        let constant = |(j, first): (usize, &T)| {
            let (rest, first) = (square(j), first.modulus_squared().to_f64());
            !(rest > rounding * rounding * (rest + first))
        };
        reflection.first_row.iter().enumerate().map(constant).collect()
    }

    /// All of Ā.
    fn write(&self) -> Mat<T> {
        let ((m, n), rows) = (self.shape(), self.block_rows());
        let mut all = linalg::zeros(m, n);
        let (mut block, mut turned) = (self.block(), Vec::new());
        for row in (0..m).step_by(rows) {
            let count = rows.min(m - row);
            self.fill(row, count, &mut block);
            let columns = match block.by_rows {
                true => {
                    turned.resize(n * count, T::ZERO);
                    linalg::transpose(&block.entries, n, &mut turned);
                    &turned
                }
                false => &block.entries,
            };
            for (j, column) in columns.chunks_exact(count).enumerate() {
                all.col_as_slice_mut(j)[row..row + count].copy_from_slice(column);
            }
        }
        let square = |j: usize| all.col_as_slice(j).iter().map(|v| v.modulus_squared().to_f64()).sum();
        let constant = self.constant_columns.get_or_init(|| self.constants(&square));
        for j in (0..n).filter(|&j| constant[j]) {
            all.col_as_slice_mut(j).fill(T::ZERO);
        }
        all
    }
}

/// Ā of an A without weights: what A says, corrected by a matrix of rank one.
struct Centred<'a, T: Scalar> {
    a: MatRef<'a, T>,
    reflection: &'a Reflection<T>,
}

impl<T: Scalar> Centred<'_, T> {
    /// A₂.
    fn rest(&self) -> MatRef<'_, T> {
        self.a.subrows(1, self.a.nrows() - 1)
    }

    /// Lower triangle of G ← A₂ᴴA₂ + a₁ᴴa₁ − fᴴf and C ← A₂ᴴB − wᴴ(vᵀB).
    fn normal_equations(&self, b: MatRef<'_, T>, mut normal: MatMut<'_, T>, mut data: MatMut<'_, T>, threads: Threads) {
        T::normal_equations(self.rest(), b, normal.as_mut(), data.as_mut(), threads);
        let first: Vec<T> = (0..self.a.ncols()).map(|j| self.a[(0, j)]).collect();
        for (j, normal) in normal.col_iter_mut().enumerate() {
            let (a, f) = (first[j], self.reflection.first_row[j]);
            for (i, entry) in normal.iter_mut().enumerate().skip(j) {
                *entry += first[i].conj() * a - self.reflection.first_row[i].conj() * f;
            }
        }
        self.correct(b, data);
    }

    /// C ← C − wᴴ(vᵀB).
    fn correct(&self, b: MatRef<'_, T>, mut c: MatMut<'_, T>) {
        let mut copied = Vec::new();
        for k in 0..b.ncols() {
            let along = linalg::column(b, k, &mut copied).iter().zip(&self.reflection.reflector[1..]);
            let sum = along.fold(T::ZERO, |sum, (&b, &v)| sum + b.scale(v));
            for (j, w) in self.reflection.row.iter().enumerate() {
                c[(j, k)] -= w.conj() * sum;
            }
        }
    }

    /// R ← (B + v(wX)) − A₂X and G ← A₂ᴴR − wᴴ(vᵀR).
    fn residual_sweep(
        &self,
        x: MatRef<'_, T>,
        b: MatRef<'_, T>,
        mut residual: MatMut<'_, T>,
        mut gradient: MatMut<'_, T>,
        threads: Threads,
    ) {
        let mut shifted = linalg::copy(b);
        for k in 0..b.ncols() {
            let image = self.reflection.row.iter().enumerate().fold(T::ZERO, |sum, (j, &w)| sum + w * x[(j, k)]);
            let shift = |(b, &v): (&mut T, &T::Real)| *b += image.scale(v);
            shifted.col_as_slice_mut(k).iter_mut().zip(&self.reflection.reflector[1..]).for_each(shift);
        }
        T::residual_sweep(self.rest(), x, shifted.as_ref(), residual.as_mut(), gradient.as_mut(), threads);
        self.correct(residual.as_ref(), gradient);
    }

    /// Whether ‖aⱼ‖² ≤ [`OFF_CENTRE`]·‖āⱼ‖² in every column, by some of the rows: a Gram matrix is then not made for nothing.
    fn seems_near(&self) -> bool {
        let ((m, n), (runs, length)) = (self.a.shape(), SAMPLED);
        let rows = || (0..runs).flat_map(|run| (0..length).map(move |row| (run * (m / runs) + row).min(m - 1)));
        let count = (runs * length) as f64;
        (0..n).all(|j| {
            let mean = rows().fold(T::ZERO, |sum, i| sum + self.a[(i, j)]).modulus().to_f64() / count;
            let square = rows().map(|i| self.a[(i, j)].modulus_squared().to_f64()).sum::<f64>() / count;
            // a sample of 64 errs by a quarter or so
            square <= 1.5 * OFF_CENTRE * (square - mean * mean)
        })
    }

    /// The same by the Gram matrix of the centred columns.
    fn is_near(&self, normal: MatRef<'_, T>) -> bool {
        let share = |(j, f): (usize, &T)| f.modulus_squared().to_f64() <= (OFF_CENTRE - 1.0) * normal[(j, j)].real().to_f64();
        self.reflection.first_row.iter().enumerate().all(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::scalar::c64;

    /// Everything that is asked of made rows, against the copy that `Constant::remove` writes. The entries lie `centre` from 0.
    fn against_the_copy<T: Scalar>(by_rows: bool, weighted: bool, intercept: bool, threads: usize, centre: f64) {
        let (m, n, k) = (30_000, 18, 2);
        let mut random = Random::new(7);
        let mut entries: Vec<T> = random.scalars(m * n);
        // far from 0, so that a constant that is not taken out would show; column 3 is constant then
        let far = centre > 1.0;
        let place = |i: usize, j: usize| if by_rows { i * n + j } else { j * m + i };
        for i in 0..m {
            for j in 0..n {
                entries[place(i, j)] += T::from_real(T::Real::from_f64(centre));
            }
            if far {
                entries[place(i, 3)] = T::from_real(T::Real::from_f64(0.1));
            }
        }
        let a = match by_rows {
            true => MatRef::from_row_major_slice(&entries, m, n),
            false => MatRef::from_column_major_slice(&entries, m, n),
        };
        let scale: Option<Vec<T::Real>> = weighted.then(|| (0..m).map(|i| T::Real::from_f64(0.5 + (i % 7) as f64)).collect());
        let threads = Threads(threads);
        let (constant, made) = DataMatrix::made(a, scale.clone(), intercept, threads);
        let d = |i: usize| scale.as_ref().map_or(T::Real::ONE, |scale| scale[i]);
        let scaled = Mat::from_fn(m, n, |i, j| a[(i, j)].scale(d(i)));
        let (expected, copy) = match intercept {
            true => {
                let (removed, copy) = Constant::remove(scaled.as_ref(), scale.as_deref(), m);
                (Some(removed), copy)
            }
            false => (None, Matrix::Owned(scaled)),
        };
        let stored = DataMatrix::from(copy);
        assert_eq!(made.shape(), stored.shape());
        let rows = made.shape().0;
        let b = Mat::from_fn(rows, k, |i, j| T::from_real(T::Real::from_f64(((i * (j + 2)) as f64).sin())));
        let x = Mat::from_fn(n, k, |i, j| T::from_real(T::Real::from_f64(((i + 5 * j) as f64).cos())));
        let close = |what: &str, found: MatRef<'_, T>, expected: MatRef<'_, T>, lower: bool| {
            let size = linalg::column_norms(expected).into_iter().fold(0.0, f64::max);
            for j in 0..expected.ncols() {
                for i in if lower { j } else { 0 }..expected.nrows() {
                    let gap = (found[(i, j)] - expected[(i, j)]).modulus().to_f64();
                    assert!(gap <= 1e-11 * size, "{what} ({i}, {j}): {} is not {}", found[(i, j)], expected[(i, j)]);
                }
            }
        };
        let normal = |matrix: &DataMatrix<'_, T>| {
            let (mut normal, mut data) = (linalg::zeros(n, n), linalg::zeros(n, k));
            matrix.normal_equations(b.as_ref(), normal.as_mut(), data.as_mut(), threads);
            (normal, data)
        };
        let (found, wanted) = (normal(&made), normal(&stored));
        close("Gram matrix", found.0.as_ref(), wanted.0.as_ref(), true);
        close("data", found.1.as_ref(), wanted.1.as_ref(), false);
        if intercept && far {
            assert_eq!(found.0[(3, 3)], T::ZERO, "a constant column counts by its rounding");
        }
        let DataMatrix::Made(rows_of_a) = &made else { panic!("the rows are stored") };
        let by_difference = rows_of_a.near_centre.get() == Some(&true);
        assert_eq!(by_difference, intercept && !weighted && !far, "columns {centre} off their centre");
        let sweep = |matrix: &DataMatrix<'_, T>| {
            let (mut residual, mut gradient) = (linalg::zeros(rows, k), linalg::zeros(n, k));
            matrix.residual_sweep(x.as_ref(), b.as_ref(), residual.as_mut(), gradient.as_mut(), threads);
            let mut product = linalg::zeros(n, k);
            matrix.adjoint_product(b.as_ref(), &mut product, threads);
            (residual, gradient, product)
        };
        let (found, wanted) = (sweep(&made), sweep(&stored));
        close("residual", found.0.as_ref(), wanted.0.as_ref(), false);
        close("gradient", found.1.as_ref(), wanted.1.as_ref(), false);
        close("product", found.2.as_ref(), wanted.2.as_ref(), false);
        close("entries", made.view(), stored.view(), false);
        if let (Some(found), Some(expected)) = (constant, expected) {
            let z: Vec<T> = (0..n).map(|j| x[(j, 0)]).collect();
            let gap = (found.value(&z, T::ONE) - expected.value(&z, T::ONE)).modulus().to_f64();
            // of the size of 50·Σ|zⱼ|, by the plain sums of the copy
            assert!(gap < 1e-8, "the constant is off by {gap}");
        }
    }

    #[test]
    fn made_rows_are_the_copy() {
        for by_rows in [false, true] {
            for (weighted, intercept) in [(false, true), (true, true), (true, false)] {
                for centre in [0.5, 50.0] {
                    against_the_copy::<f64>(by_rows, weighted, intercept, 1, centre);
                    against_the_copy::<f64>(by_rows, weighted, intercept, 3, centre);
                    against_the_copy::<c64>(by_rows, weighted, intercept, 2, centre);
                }
            }
        }
    }
}
