//! Self-adjoint matrices by way of a narrow band: G = Q₁BQ₁ᴴ, shifted solves with B, and B = Q₂TQ₂ᴴ tridiagonal.
//!
//! 1. [`BandReduction::new`]: blocked Householder factorizations of the panels below the band and two-sided block
//!    updates, 4n³/3 flops, all of them in matrix products. The reflectors are kept ((I − VSVᴴ), V explicit).
//! 2. [`BandReduction::shifted`]: Cholesky of B + λI on the band, n·b² flops, and solves of 4n·b flops each.
//! 3. [`BandReduction::tridiagonal`]: column-wise bulge chasing, 6n²b flops in windows of b×2b entries. Several sweeps
//!    follow each other through the band as a wavefront, so that a window is read from the cache; groups of sweeps
//!    far enough apart touch disjoint columns and run on different threads. The transformations are applied to the
//!    given vectors at once and then forgotten: Q₂ is never formed.
//!
//! The backward error of each stage is a small multiple of ε‖G‖.
//!
//! C. Bischof, B. Lang, X. Sun, "A framework for symmetric band reduction", ACM TOMS 26 (2000) 581–601,
//! doi:10.1145/365723.365735; B. Lang, "A parallel algorithm for reducing symmetric banded matrices to tridiagonal
//! form", SIAM J. Sci. Comput. 14 (1993) 1320–1338, doi:10.1137/0914078; panels: [`panel_qr`].

use crate::linalg::panel::{add_multiple, column_mut, inner, make_reflector, panel_qr, reflect};
use crate::linalg::{Accum, Mat, MatMut, MatRef, Op, ReborrowMut, Threads, largest_modulus, vectorized, zeros};
use crate::scalar::{Real, Scalar};

/// A real symmetric tridiagonal matrix and the vectors that were rotated along with it.
#[derive(Debug, Clone)]
pub(crate) struct Tridiagonal {
    /// n entries.
    pub diagonal: Vec<f64>,
    /// n − 1 entries, ≥ 0.
    pub off_diagonal: Vec<f64>,
    /// n rows of `columns` entries: QᴴC. A complex column takes two neighbours, its real and its imaginary part.
    pub rotated: Vec<f64>,
    /// Number of real columns of `rotated`.
    pub columns: usize,
}

/// G = Q₁BQ₁ᴴ with B self-adjoint of half-bandwidth b.
#[derive(Debug, Clone)]
pub(crate) struct BandReduction<T> {
    order: usize,
    bandwidth: usize,
    /// V of the panel of columns k..k+b in these columns, rows k+b and below; the rest is not read.
    reflectors: Mat<T>,
    /// S of the same panel in columns k..k+b: upper triangular, Q = I − VSVᴴ.
    factors: Mat<T>,
    /// Lower triangle of B: entry (i, j) at (i − j) + (b + 1)·j.
    band: Vec<T>,
}

/// B + λI = LLᴴ on the band.
#[derive(Debug, Clone)]
pub(crate) struct ShiftedBand<T> {
    order: usize,
    bandwidth: usize,
    lower: Vec<T>,
}

/// Half-bandwidth for order n. Measured by the ignored test below.
fn bandwidth_for(order: usize) -> usize {
    if order < 1500 { 16 } else { 24 }
}

/// Sweeps in a group: their windows together stay in the second-level cache.
const GROUP: usize = 8;
/// Below this order the sweeps run on one thread. Not settled: in the ignored test below a second thread gained at most 10 % at
/// 2000, and nothing at 1000.
const CHASE_THREADS_FROM: usize = 600;

impl<T: Scalar> BandReduction<T> {
    /// Reduces G, given by its lower triangle, which is consumed.
    pub fn new(gram: Mat<T>, threads: Threads) -> Self {
        let bandwidth = bandwidth_for(gram.nrows());
        Self::with_bandwidth(gram, bandwidth, threads)
    }

    /// Reduces G to half-bandwidth `bandwidth` ≥ 1.
    pub fn with_bandwidth(mut gram: Mat<T>, bandwidth: usize, threads: Threads) -> Self {
        let n = gram.nrows();
        let b = bandwidth.clamp(1, n.max(2) - 1);
        let scale = scale_lower(gram.as_mut());
        let mut factors = zeros::<T>(b, n.saturating_sub(b));
        let mut band = vec![T::ZERO; n * (b + 1)];
        let mut upper = zeros::<T>(b, b);
        let (mut left, mut right) = (zeros::<T>(n, 2 * b), zeros::<T>(n, 2 * b));
        let (mut small, mut core) = (zeros::<T>(b, b), zeros::<T>(b, b));
        let mut k = 0;
        while k + b < n {
            let m = n - k - b;
            let width = b.min(m);
            copy_to_band(gram.as_ref(), &mut band, b, k, b);
            let (panels, rest) = gram.as_mut().split_at_col_mut(k + b);
            let panel = panels.submatrix_mut(k + b, k, m, b);
            let mut s = factors.as_mut().submatrix_mut(0, k, width, width);
            let (mut v, mut beside) = panel.split_at_col_mut(width);
            upper.fill(T::ZERO);
            panel_qr(v.rb_mut(), upper.as_mut().submatrix_mut(0, 0, width, width), s.rb_mut());
            let (v, s) = (v.as_ref(), s.as_ref());
            // the columns of the last panel that have no reflector of their own
            if beside.ncols() > 0 {
                reflect(v, s, Op::Adjoint, beside.rb_mut(), Threads::ONE);
                copy(beside.as_ref(), upper.as_mut().submatrix_mut(0, width, m, b - width));
            }
            for j in 0..b {
                for i in 0..=j.min(m - 1) {
                    band[(k + j) * (b + 1) + b + i - j] = upper[(i, j)];
                }
            }
            // A ← A − VWᴴ − WVᴴ with X = AVS, W = X − V(SᴴVᴴX)/2
            let mut trailing = rest.submatrix_mut(k + b, 0, m, m);
            let (mut left_v, mut left_w) = left.as_mut().submatrix_mut(0, 0, m, 2 * width).split_at_col_mut(width);
            let (mut w, mut right_v) = right.as_mut().submatrix_mut(0, 0, m, 2 * width).split_at_col_mut(width);
            let mut small = small.as_mut().submatrix_mut(0, 0, width, width);
            let mut core = core.as_mut().submatrix_mut(0, 0, width, width);
            copy(v, left_v.rb_mut());
            copy(v, right_v.rb_mut());
            T::self_adjoint_product(left_w.rb_mut(), trailing.as_ref(), v, threads);
            T::product(w.rb_mut(), Accum::Replace, T::ONE, left_w.as_ref(), Op::None, s, Op::None, threads);
            T::product(small.rb_mut(), Accum::Replace, T::ONE, v, Op::Adjoint, w.as_ref(), Op::None, Threads::ONE);
            let half = T::from_real(T::Real::from_f64(-0.5));
            T::product(core.rb_mut(), Accum::Replace, half, s, Op::Adjoint, small.as_ref(), Op::None, Threads::ONE);
            T::product(w.rb_mut(), Accum::Add, T::ONE, v, Op::None, core.as_ref(), Op::None, threads);
            copy(w.as_ref(), left_w);
            T::subtract_lower(
                trailing.rb_mut(),
                left.as_ref().submatrix(0, 0, m, 2 * width),
                right.as_ref().submatrix(0, 0, m, 2 * width),
                threads,
            );
            k += b;
        }
        copy_to_band(gram.as_ref(), &mut band, b, k, n - k);
        if scale != T::Real::ONE {
            band.iter_mut().for_each(|value| *value = value.scale(scale));
        }
        BandReduction { order: n, bandwidth: b, reflectors: gram, factors, band }
    }

    /// n.
    pub fn order(&self) -> usize {
        self.order
    }

    /// X ← Q₁X or Q₁ᴴX.
    pub fn apply(&self, op: Op, mut x: MatMut<'_, T>, threads: Threads) {
        let (n, b) = (self.order, self.bandwidth);
        let mut one_panel = |k: usize| {
            let (m, width) = (n - k - b, b.min(n - k - b));
            let v = self.reflectors.as_ref().submatrix(k + b, k, m, width);
            let s = self.factors.as_ref().submatrix(0, k, width, width);
            reflect(v, s, op, x.rb_mut().subrows_mut(k + b, m), threads);
        };
        let panels = n.saturating_sub(b).div_ceil(b);
        match op {
            Op::None => (0..panels).rev().for_each(|panel| one_panel(panel * b)),
            Op::Adjoint => (0..panels).for_each(|panel| one_panel(panel * b)),
        }
    }

    /// Cholesky of B + λI; `Err(j)` when pivot j is not positive.
    pub fn shifted(&self, lambda: T::Real) -> Result<ShiftedBand<T>, usize> {
        let (n, b) = (self.order, self.bandwidth);
        let ld = b + 1;
        let mut lower = self.band.clone();
        let failed = vectorized(
            #[inline(always)]
            || {
                lower.iter_mut().step_by(ld).for_each(|diagonal| *diagonal += T::from_real(lambda));
                for j in 0..n {
                    let (column, later) = lower[j * ld..].split_at_mut(ld);
                    let pivot = column[0].real();
                    if !(pivot > T::Real::ZERO && pivot.finite()) {
                        return Some(j);
                    }
                    let root = pivot.sqrt();
                    let reach = b.min(n - 1 - j);
                    column[0] = T::from_real(root);
                    let inverse = T::Real::ONE / root;
                    column[1..=reach].iter_mut().for_each(|value| *value = value.scale(inverse));
                    for c in 1..=reach {
                        let factor = -column[c].conj();
                        add_multiple(&mut later[(c - 1) * ld..][..=reach - c], factor, &column[c..=reach]);
                    }
                }
                None
            },
        );
        match failed {
            Some(j) => Err(j),
            None => Ok(ShiftedBand { order: n, bandwidth: b, lower }),
        }
    }

    /// X ← (G + λI)⁻¹X; `Err(j)` when G + λI is not positive definite.
    #[cfg(test)]
    pub fn solve(&self, lambda: T::Real, mut x: MatMut<'_, T>, threads: Threads) -> Result<(), usize> {
        let shifted = self.shifted(lambda)?;
        self.apply(Op::Adjoint, x.rb_mut(), threads);
        let mut column = vec![T::ZERO; self.order];
        for j in 0..x.ncols() {
            (0..self.order).for_each(|i| column[i] = x[(i, j)]);
            shifted.solve(&mut column);
            (0..self.order).for_each(|i| x[(i, j)] = column[i]);
        }
        self.apply(Op::None, x, threads);
        Ok(())
    }

    /// B = Q₂TQ₂ᴴ. `vectors` holds Q₁ᴴC as n rows of `columns` entries; the result's `rotated` is Q₂ᴴQ₁ᴴC.
    pub fn tridiagonal(&self, vectors: &[T], columns: usize, threads: Threads) -> Tridiagonal {
        let (n, b) = (self.order, self.bandwidth);
        assert_eq!(vectors.len(), n * columns);
        let mut vectors = vectors.to_vec();
        let scale = power_of_two(largest_modulus(&self.band));
        let inverse = T::Real::ONE / scale;
        let ld = if b > 1 { 2 * b } else { 2 };
        let mut band = vec![T::ZERO; n * ld];
        for (wide, narrow) in band.chunks_exact_mut(ld).zip(self.band.chunks_exact(b + 1)) {
            wide.iter_mut().zip(narrow).for_each(|(wide, &narrow)| *wide = narrow.scale(inverse));
        }
        if b > 1 && n > 2 {
            chase(&mut band, &mut vectors, Shape { n, b, ld, columns }, threads);
        }
        // a diagonal of phases makes the off-diagonal real and ≥ 0
        let scale = scale.to_f64();
        let real_columns = if T::IS_COMPLEX { 2 * columns } else { columns };
        let mut result = Tridiagonal {
            diagonal: Vec::with_capacity(n),
            off_diagonal: Vec::with_capacity(n.saturating_sub(1)),
            rotated: Vec::with_capacity(n * real_columns),
            columns: real_columns,
        };
        let mut phase = T::ONE;
        for i in 0..n {
            result.diagonal.push(band[i * ld].real().to_f64() * scale);
            for &value in &vectors[i * columns..(i + 1) * columns] {
                let value = phase.conj() * value;
                result.rotated.push(value.real().to_f64());
                if T::IS_COMPLEX {
                    result.rotated.push(value.imaginary().to_f64());
                }
            }
            if i + 1 < n {
                let entry = band[i * ld + 1];
                let modulus = entry.modulus();
                result.off_diagonal.push(modulus.to_f64() * scale);
                if modulus > T::Real::ZERO {
                    let next = phase * T::from_parts(entry.real() / modulus, entry.imaginary() / modulus);
                    phase = next.scale(T::Real::ONE / next.modulus());
                }
            }
        }
        result
    }
}

impl<T: Scalar> ShiftedBand<T> {
    /// y ← (B + λI)⁻¹y.
    pub fn solve(&self, y: &mut [T]) {
        let (n, b) = (self.order, self.bandwidth);
        let ld = b + 1;
        vectorized(
            #[inline(always)]
            || {
                for j in 0..n {
                    let column = &self.lower[j * ld..][..=b.min(n - 1 - j)];
                    let (head, tail) = y[j..].split_at_mut(1);
                    head[0] = head[0].scale(T::Real::ONE / column[0].real());
                    add_multiple(&mut tail[..column.len() - 1], -head[0], &column[1..]);
                }
                for j in (0..n).rev() {
                    let column = &self.lower[j * ld..][..=b.min(n - 1 - j)];
                    let known = inner(&column[1..], &y[j + 1..][..column.len() - 1]);
                    y[j] = (y[j] - known).scale(T::Real::ONE / column[0].real());
                }
            },
        );
    }
}

/// A power of two near `value`, 1 for 0 and for what is not finite.
fn power_of_two<R: Real>(value: R) -> R {
    let exponent = value.larger(R::MIN_POSITIVE).to_f64().log2().floor();
    if value > R::ZERO && value.finite() { R::from_f64(exponent.exp2()) } else { R::ONE }
}

/// Scales the lower triangle where squares of its entries would leave the range of T; returns by what to multiply to undo it.
fn scale_lower<T: Scalar>(mut a: MatMut<'_, T>) -> T::Real {
    let mut largest = T::Real::ZERO;
    for j in 0..a.ncols() {
        let column = &column_mut(a.rb_mut(), j)[j..];
        largest = largest.larger(vectorized(
            #[inline(always)]
            || largest_in(column),
        ));
    }
    let low = (T::Real::MIN_POSITIVE.sqrt() / T::Real::EPSILON).sqrt();
    let safe = largest > low * low.sqrt() && largest < T::Real::ONE / (low * low.sqrt());
    if safe || largest == T::Real::ZERO || !largest.finite() {
        return T::Real::ONE;
    }
    let scale = power_of_two(largest);
    let inverse = T::Real::ONE / scale;
    for j in 0..a.ncols() {
        column_mut(a.rb_mut(), j)[j..].iter_mut().for_each(|value| *value = value.scale(inverse));
    }
    scale
}

#[inline(always)]
fn largest_in<T: Scalar>(x: &[T]) -> T::Real {
    let mut largest = [T::Real::ZERO; 8];
    let (chunks, rest) = x.as_chunks::<8>();
    let of = |value: T| {
        let real = value.real().modulus();
        if T::IS_COMPLEX { real.larger(value.imaginary().modulus()) } else { real }
    };
    for chunk in chunks {
        for k in 0..8 {
            largest[k] = of(chunk[k]).larger(largest[k]);
        }
    }
    let start = largest.into_iter().fold(T::Real::ZERO, |a, b| a.larger(b));
    rest.iter().fold(start, |a, &b| of(b).larger(a))
}

fn copy<T: Scalar>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    for j in 0..from.ncols() {
        column_mut(to.rb_mut(), j).copy_from_slice(column(from, j));
    }
}

fn column<T: Scalar>(a: MatRef<'_, T>, j: usize) -> &[T] {
    a.col(j).try_as_col_major().expect("columns are contiguous").as_slice()
}

/// The lower triangle of the diagonal block of `width` columns at k into the band.
fn copy_to_band<T: Scalar>(a: MatRef<'_, T>, band: &mut [T], b: usize, k: usize, width: usize) {
    for j in k..k + width {
        let length = k + width - j;
        band[j * (b + 1)..][..length].copy_from_slice(&column(a, j)[j..j + length]);
    }
}

/// y ← y + factor·x; returns Σ w̄ᵢyᵢ of the new y.
#[inline(always)]
fn add_and_inner<T: Scalar>(y: &mut [T], factor: T, x: &[T], w: &[T]) -> T {
    let mut sums = [T::ZERO; 8];
    let (ys, y_rest) = y.as_chunks_mut::<8>();
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ws, w_rest) = w.as_chunks::<8>();
    for ((y, x), w) in ys.iter_mut().zip(xs).zip(ws) {
        for k in 0..8 {
            y[k] += factor * x[k];
            sums[k] += w[k].conj() * y[k];
        }
    }
    for (k, ((y, &x), &w)) in y_rest.iter_mut().zip(x_rest).zip(w_rest).enumerate() {
        *y += factor * x;
        sums[k] += w.conj() * *y;
    }
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

/// y ← y + factor·x; returns Σ x̄ᵢwᵢ.
#[inline(always)]
fn add_multiple_and_inner<T: Scalar>(y: &mut [T], factor: T, x: &[T], w: &[T]) -> T {
    let mut sums = [T::ZERO; 8];
    let (ys, y_rest) = y.as_chunks_mut::<8>();
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ws, w_rest) = w.as_chunks::<8>();
    for ((y, x), w) in ys.iter_mut().zip(xs).zip(ws) {
        for k in 0..8 {
            y[k] += factor * x[k];
            sums[k] += x[k].conj() * w[k];
        }
    }
    for (k, ((y, &x), &w)) in y_rest.iter_mut().zip(x_rest).zip(w_rest).enumerate() {
        *y += factor * x;
        sums[k] += x.conj() * w;
    }
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    n: usize,
    b: usize,
    ld: usize,
    columns: usize,
}

/// One sweep on its way: the reflector that its next step applies.
#[derive(Debug, Clone)]
struct Sweep<T> {
    /// First row of the reflector; n when the sweep is over.
    row: usize,
    tau: T,
    v: Vec<T>,
}

/// `GROUP` consecutive sweeps; sweep i makes its step t − i in tick t.
#[derive(Debug, Clone)]
struct Group<T> {
    first: usize,
    tick: usize,
    sweeps: Vec<Sweep<T>>,
}

/// What a group works with besides its sweeps.
struct Scratch<T> {
    y: Vec<T>,
    next: Vec<T>,
    sums: Vec<T>,
}

impl<T: Scalar> Scratch<T> {
    fn new(shape: Shape) -> Self {
        Scratch { y: vec![T::ZERO; shape.b], next: vec![T::ZERO; shape.b], sums: vec![T::ZERO; shape.columns] }
    }
}

impl<T: Scalar> Group<T> {
    fn new(first: usize, shape: Shape) -> Self {
        // the last off-diagonal entry needs no sweep: its phase is removed at the end
        let count = GROUP.min(shape.n - 2 - first);
        let sweeps = (0..count).map(|_| Sweep { row: 0, tau: T::ZERO, v: vec![T::ZERO; shape.b] }).collect();
        Group { first, tick: 0, sweeps }
    }

    fn done(&self, shape: Shape) -> bool {
        self.sweeps.iter().all(|sweep| sweep.row >= shape.n)
    }

    /// The columns that the next `ticks` ticks may touch.
    #[cfg(feature = "rayon")]
    fn window(&self, ticks: usize, shape: Shape) -> core::ops::Range<usize> {
        let Shape { n, b, .. } = shape;
        let low = if self.tick < GROUP { self.first } else { self.first + GROUP + (self.tick - GROUP + 1) * b };
        low.min(n)..(self.first + 1 + (self.tick + ticks) * b).min(n)
    }

    /// Makes `ticks` ticks; `band` and `vectors` begin at column (row) `start`.
    #[inline(always)]
    fn advance(&mut self, ticks: usize, band: &mut [T], vectors: &mut [T], start: usize, shape: Shape) {
        let mut scratch = Scratch::new(shape);
        for tick in self.tick..self.tick + ticks {
            for i in 0..self.sweeps.len().min(tick + 1) {
                let sweep = &mut self.sweeps[i];
                if tick == i {
                    sweep.begin(self.first + i, &mut band[(self.first + i - start) * shape.ld..], shape);
                }
                if sweep.row < shape.n {
                    let offset = sweep.row - start;
                    sweep.step(&mut band[offset * shape.ld..], &mut vectors[offset * shape.columns..], &mut scratch, shape);
                }
            }
        }
        self.tick += ticks;
    }
}

impl<T: Scalar> Sweep<T> {
    /// Eliminates column j below the subdiagonal.
    #[inline(always)]
    fn begin(&mut self, j: usize, column: &mut [T], shape: Shape) {
        let length = shape.b.min(shape.n - 1 - j);
        let x = &mut column[1..=length];
        self.v[..length].copy_from_slice(x);
        let (beta, tau) = make_reflector(&mut self.v[..length]);
        x.fill(T::ZERO);
        x[0] = beta;
        self.tau = T::from_real(tau);
        self.row = j + 1;
    }

    /// Applies H to its rows and columns, and makes the reflector of the next step from the bulge.
    /// `window` begins at the column, `vectors` at the row of `self.row`.
    #[inline(always)]
    fn step(&mut self, window: &mut [T], vectors: &mut [T], scratch: &mut Scratch<T>, shape: Shape) {
        let Shape { n, b, ld, columns } = shape;
        let length = b.min(n - self.row);
        let below = b.min(n - self.row - length);
        let tau = self.tau;
        let v = &self.v[..length];
        if tau != T::ZERO {
            rotate(v, tau, &mut vectors[..length * columns], &mut scratch.sums);
            diagonal_block(v, tau, window, ld, &mut scratch.y[..length]);
        }
        if below == 0 {
            self.row = n;
            return;
        }
        // E ← EH, then its first column is eliminated by the next reflector, which also meets the others
        let z = &mut scratch.y[..below];
        z.fill(T::ZERO);
        let part = |c: usize| &window[c * ld + length - c..][..below];
        let (fours, rest) = v.as_chunks::<4>();
        for (four, v) in fours.iter().enumerate() {
            let c = 4 * four;
            let (e0, e1, e2, e3) = (part(c), part(c + 1), part(c + 2), part(c + 3));
            for ((((z, &e0), &e1), &e2), &e3) in z.iter_mut().zip(e0).zip(e1).zip(e2).zip(e3) {
                *z += (e0 * v[0] + e1 * v[1]) + (e2 * v[2] + e3 * v[3]);
            }
        }
        for (c, &v) in rest.iter().enumerate() {
            add_multiple(z, v, part(4 * fours.len() + c));
        }
        z.iter_mut().for_each(|z| *z = -(tau * *z));
        let next = &mut scratch.next[..below];
        let first = &mut window[length..][..below];
        add_multiple(first, v[0].conj(), z);
        next.copy_from_slice(first);
        let (beta, next_tau) = make_reflector(next);
        let next_tau = T::from_real(next_tau);
        first.fill(T::ZERO);
        first[0] = beta;
        for (c, &v) in v.iter().enumerate().skip(1) {
            let column = &mut window[c * ld + length - c..][..below];
            let factor = -(next_tau * add_and_inner(column, v.conj(), z, next));
            add_multiple(column, factor, next);
        }
        self.v[..below].copy_from_slice(next);
        self.tau = next_tau;
        self.row += length;
    }
}

/// D ← HDH for the self-adjoint block at the top of the window.
#[inline(always)]
fn diagonal_block<T: Scalar>(v: &[T], tau: T, window: &mut [T], ld: usize, y: &mut [T]) {
    let length = v.len();
    y.fill(T::ZERO);
    for c in 0..length {
        let column = &window[c * ld..][..length - c];
        let (head, tail) = y[c..].split_at_mut(1);
        let across = add_multiple_and_inner(tail, v[c], &column[1..], &v[c + 1..]);
        head[0] += T::from_real(column[0].real()) * v[c] + across;
    }
    // w = τy − ½τ²(vᴴy)v, negated
    let half = T::from_real(T::Real::from_f64(0.5));
    let middle = half * tau * tau * inner(v, y);
    for (y, &v) in y.iter_mut().zip(v) {
        *y = middle * v - tau * *y;
    }
    for c in 0..length {
        let column = &mut window[c * ld..][..length - c];
        let (by_w, by_v) = (y[c].conj(), v[c].conj());
        for ((x, &v), &w) in column.iter_mut().zip(&v[c..]).zip(&y[c..]) {
            *x += v * by_w + w * by_v;
        }
    }
}

/// Rows of `vectors` ← H·rows.
#[inline(always)]
fn rotate<T: Scalar>(v: &[T], tau: T, vectors: &mut [T], sums: &mut [T]) {
    match sums.len() {
        0 => {}
        1 => {
            let factor = -(tau * inner(v, vectors));
            add_multiple(vectors, factor, v);
        }
        columns => {
            sums.fill(T::ZERO);
            for (&v, row) in v.iter().zip(vectors.chunks_exact(columns)) {
                add_multiple(sums, v.conj(), row);
            }
            for (&v, row) in v.iter().zip(vectors.chunks_exact_mut(columns)) {
                add_multiple(row, -(tau * v), sums);
            }
        }
    }
}

/// All sweeps over the band.
fn chase<T: Scalar>(band: &mut [T], vectors: &mut [T], shape: Shape, threads: Threads) {
    let firsts = (0..shape.n - 2).step_by(GROUP);
    #[cfg(feature = "rayon")]
    if threads.0 > 1 && shape.n >= CHASE_THREADS_FROM {
        // Rounds of GROUP ticks. A group starts two rounds after the one before it; then their windows are disjoint.
        let mut firsts = firsts.peekable();
        let mut active: Vec<Group<T>> = Vec::new();
        let mut round = 0usize;
        while firsts.peek().is_some() || !active.is_empty() {
            if round.is_multiple_of(2)
                && let Some(first) = firsts.next()
            {
                active.push(Group::new(first, shape));
            }
            rayon::scope(|scope| {
                let (mut band, mut vectors, mut base) = (&mut *band, &mut *vectors, 0);
                // from the youngest group, which works at the lowest columns
                for group in active.iter_mut().rev() {
                    let window = group.window(GROUP, shape);
                    let skip = window.start - base;
                    let (own_band, rest_band) = band[skip * shape.ld..].split_at_mut(window.len() * shape.ld);
                    let (own_vectors, rest_vectors) = vectors[skip * shape.columns..].split_at_mut(window.len() * shape.columns);
                    (band, vectors, base) = (rest_band, rest_vectors, window.end);
                    scope.spawn(move |_| {
                        vectorized(
                            #[inline(always)]
                            || group.advance(GROUP, own_band, own_vectors, window.start, shape),
                        );
                    });
                }
            });
            active.retain(|group| !group.done(shape));
            round += 1;
        }
        return;
    }
    let _ = (threads, CHASE_THREADS_FROM);
    for first in firsts {
        let mut group = Group::new(first, shape);
        vectorized(
            #[inline(always)]
            || {
                while !group.done(shape) {
                    group.advance(GROUP, band, vectors, 0, shape);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::tridiagonal_ql::eigen_with_vectors;
    use crate::linalg::{Kernels, norm};
    use crate::random::Random;
    use crate::scalar::{c32, c64};
    use std::time::Instant;

    /// AᴴA with A of the given rank, columns scaled by `grade`^j.
    fn gram<T: Scalar>(n: usize, rank: usize, grade: f64, scale: f64, seed: u64) -> Mat<T> {
        let entries = Random::new(seed).scalars::<T>(rank * n);
        let a = Mat::from_fn(rank, n, |i, j| entries[j * rank + i].scale(T::Real::from_f64(grade.powi(j as i32) / (n as f64).sqrt())));
        let mut g = zeros::<T>(n, n);
        T::product(
            g.as_mut(),
            Accum::Replace,
            T::from_real(T::Real::from_f64(scale)),
            a.as_ref(),
            Op::Adjoint,
            a.as_ref(),
            Op::None,
            Threads::ONE,
        );
        g
    }

    fn frobenius<T: Scalar>(a: MatRef<'_, T>) -> f64 {
        let all: Vec<T> = (0..a.ncols()).flat_map(|j| column(a, j).iter().copied()).collect();
        norm(&all).to_f64()
    }

    fn check<T: Scalar>(g: &Mat<T>, b: usize, threads: Threads) {
        let n = g.nrows();
        let name = format!("{} n={n} b={b} {threads:?}", T::NAME);
        let bound = T::Real::EPSILON.to_f64() * 10.0 * (n as f64).sqrt().max(4.0);
        let size = frobenius(g.as_ref());
        // NaN above the diagonal: that triangle is not read
        let nan = T::from_real(T::Real::from_f64(f64::NAN));
        let lower = Mat::from_fn(n, n, |i, j| if i >= j { g[(i, j)] } else { nan });
        let reduced = BandReduction::with_bandwidth(lower, b, threads);
        let (order, b) = (reduced.order(), reduced.bandwidth);
        assert_eq!(order, n);
        // Q₁BQ₁ᴴ = G
        let mut full = Mat::from_fn(n, n, |i, j| match (i.max(j) - i.min(j), i >= j) {
            (distance, _) if distance > b => T::ZERO,
            (distance, true) => reduced.band[j * (b + 1) + distance],
            (distance, false) => reduced.band[i * (b + 1) + distance].conj(),
        });
        reduced.apply(Op::None, full.as_mut(), threads);
        let mut full = Mat::from_fn(n, n, |i, j| full[(j, i)].conj());
        reduced.apply(Op::None, full.as_mut(), threads);
        let error = Mat::from_fn(n, n, |i, j| full[(i, j)] - g[(i, j)]);
        assert!(frobenius(error.as_ref()) <= bound * size, "{name}: band {} of {size}", frobenius(error.as_ref()));
        // eigenvalues and coefficients
        let columns = 2;
        let vectors = Random::new(7).scalars::<T>(n * columns);
        let mut rotated = Mat::from_fn(n, columns, |i, j| vectors[i * columns + j]);
        reduced.apply(Op::Adjoint, rotated.as_mut(), threads);
        let flat: Vec<T> = (0..n * columns).map(|at| rotated[(at / columns, at % columns)]).collect();
        let mut tridiagonal = reduced.tridiagonal(&flat, columns, threads);
        let Tridiagonal { diagonal, off_diagonal, rotated, columns: real_columns } = &mut tridiagonal;
        eigen_with_vectors(diagonal, off_diagonal, rotated, *real_columns).unwrap();
        let mut values = vec![T::ZERO; n];
        let mut basis = zeros::<T>(n, n);
        T::self_adjoint_eigen(g.as_ref(), &mut values, basis.as_mut(), Threads::ONE).unwrap();
        for i in 0..n {
            assert!(
                (diagonal[i] - values[i].real().to_f64()).abs() <= bound * size,
                "{name}: eigenvalue {i}: {} {:?}",
                diagonal[i],
                values[i]
            );
        }
        for i in 0..n {
            let value = |i: usize| values[i].real().to_f64();
            let gap = [i.wrapping_sub(1), i + 1].into_iter().filter(|&j| j < n).map(|j| (value(j) - value(i)).abs()).fold(size, f64::min);
            if gap <= 1e3 * bound * size {
                continue;
            }
            for c in 0..columns {
                let expected =
                    (0..n).fold(T::ZERO, |sum, row| sum + basis[(row, i)].conj() * vectors[row * columns + c]).modulus().to_f64();
                let row = &rotated[i * *real_columns..(i + 1) * *real_columns];
                let found = if T::IS_COMPLEX { row[2 * c].hypot(row[2 * c + 1]) } else { row[c].abs() };
                let length = (2.0 * n as f64).sqrt();
                assert!(
                    (found - expected).abs() <= 4.0 * bound * size / gap * length,
                    "{name}: coefficient {i}: {found} {expected}, gap {gap}"
                );
            }
        }
        // x(λ)
        for lambda in [1e-2 * size, size] {
            let lambda = T::Real::from_f64(lambda);
            let right = Mat::from_fn(n, columns, |i, j| vectors[i * columns + j]);
            let mut x = right.clone();
            if n == 0 || size == 0.0 {
                continue;
            }
            reduced.solve(lambda, x.as_mut(), threads).unwrap();
            let mut residual = right.clone();
            T::product(residual.as_mut(), Accum::Add, -T::ONE, g.as_ref(), Op::None, x.as_ref(), Op::None, Threads::ONE);
            let residual = Mat::from_fn(n, columns, |i, j| residual[(i, j)] - x[(i, j)].scale(lambda));
            let error = frobenius(residual.as_ref());
            assert!(error <= bound * 2.0 * size * frobenius(x.as_ref()), "{name}: residual {error}");
        }
    }

    fn check_all<T: Scalar>() {
        for b in [1, 2, 5, 32] {
            for n in [0, 1, 2, 3, b.max(2) - 1, b, b + 1, 2 * b, 2 * b + 3, 47] {
                check(&gram::<T>(n, n, 1.0, 1.0, n as u64), b, Threads::ONE);
                check(&gram::<T>(n, n / 2, 1.0, 1.0, n as u64), b, Threads::ONE);
            }
        }
        for b in [16, 64] {
            check(&gram::<T>(300, 300, 1.0, 1.0, 1), b, Threads::ONE);
            check(&gram::<T>(300, 7, 1.0, 1.0, 1), b, Threads::ONE);
            // columns that decay through all digits
            check(&gram::<T>(300, 300, 0.9, 1.0, 1), b, Threads::ONE);
            check(
                &Mat::from_fn(300, 300, |i, j| if i == j { T::from_real(T::Real::from_f64(i as f64)) } else { T::ZERO }),
                b,
                Threads::ONE,
            );
            check(&zeros::<T>(300, 300), b, Threads::ONE);
        }
        for scale in [1.0 / 1024.0 / 1024.0, T::Real::MAX.to_f64() * 1e-6, T::Real::MIN_POSITIVE.to_f64() * 1e8] {
            check(&gram::<T>(40, 40, 1.0, scale, 1), 8, Threads::ONE);
        }
    }

    #[test]
    fn band_f64() {
        check_all::<f64>();
    }

    #[test]
    fn band_f32() {
        check_all::<f32>();
    }

    #[test]
    fn band_complex() {
        check_all::<c64>();
        check_all::<c32>();
    }

    #[test]
    fn threads_do_not_change_the_problem() {
        for b in [3, 16, 32] {
            check(&gram::<f64>(701, 701, 1.0, 1.0, 3), b, Threads(2));
        }
        check(&gram::<c64>(620, 620, 1.0, 1.0, 3), 16, Threads(3));
    }

    #[test]
    #[ignore = "a measurement; run it in release mode"]
    fn timing() {
        for n in [500, 750, 1000, 2000] {
            let g = gram::<f64>(n, n, 1.0, 1.0, 1);
            let c = Random::new(2).scalars::<f64>(n);
            for threads in [1, 2] {
                let threads = Threads(threads);
                let mut best_one_stage = f64::INFINITY;
                let widths = [16, 24, 32];
                let mut best = [[f64::INFINITY; 4]; 3];
                for _ in 0..6 {
                    let mut a = g.clone();
                    let start = Instant::now();
                    std::hint::black_box(f64::tridiagonalize(a.as_mut(), threads));
                    best_one_stage = best_one_stage.min(start.elapsed().as_secs_f64());
                    for (&b, best) in widths.iter().zip(&mut best) {
                        let a = g.clone();
                        let start = Instant::now();
                        let reduced = BandReduction::with_bandwidth(a, b, threads);
                        let mut rotated = Mat::from_fn(n, 1, |i, _| c[i]);
                        reduced.apply(Op::Adjoint, rotated.as_mut(), threads);
                        let first = start.elapsed().as_secs_f64();
                        let start = Instant::now();
                        let mut t = reduced.tridiagonal(column(rotated.as_ref(), 0), 1, threads);
                        let second = start.elapsed().as_secs_f64();
                        let start = Instant::now();
                        eigen_with_vectors(&mut t.diagonal, &mut t.off_diagonal, &mut t.rotated, 1).unwrap();
                        let third = start.elapsed().as_secs_f64();
                        let start = Instant::now();
                        reduced.solve(0.1, rotated.as_mut(), threads).unwrap();
                        let fourth = start.elapsed().as_secs_f64();
                        for (best, value) in best.iter_mut().zip([first, second, third, fourth]) {
                            *best = best.min(value);
                        }
                    }
                }
                for (b, best) in widths.iter().zip(best) {
                    let [first, second, third, fourth] = best.map(|seconds| seconds * 1e3);
                    let one_stage = best_one_stage * 1e3;
                    let ratio = one_stage / (first + second);
                    println!(
                        "n {n} threads {} b {b:2}: to band {first:7.1} ms, to tridiagonal {second:7.1}, eigenvalues {third:6.1}, x(λ) {fourth:6.1}; one stage {one_stage:7.1}: {ratio:.2}×",
                        threads.0
                    );
                }
            }
        }
    }
}
