//! Preconditioners as operators R⁻¹, made once for a problem and then for each λ.
//!
//! Nyström      AᴴA ≈ U·diag(v)·Uᴴ from Y = AᴴAΩ, Ω random n×ℓ: with a shift ν at rounding level, Yν = Y + νΩ, ΩᴴYν = CCᴴ,
//!              YνC⁻ᴴ = UΣWᴴ, v = Σ² − ν. Then R⁻¹ = I + U·diag(√((v_ℓ + λ)/(vᵢ + λ)) − 1)·Uᴴ, which is self-adjoint: AᴴA + λI has
//!              its ℓ largest eigenvalues taken to v_ℓ + λ. (Frangella, Tropp & Udell 2023, arXiv:2110.02820, algorithms 1 and E.2.)
//! Sketch       SA with S sparse and random, 4n×m, eight entries ±1/√8 in each column: ‖SAx‖ is ‖Ax‖ to a moderate factor for
//!              every x at once, so that R of [SA; dI] = QR makes [A; dI]R⁻¹ well-conditioned whatever A is.
//! Cost         Nyström: ℓ products with A and Aᴴ, 8nℓ² flops; 4nℓ a product with R⁻¹. Sketch: 16mn + 10n³; n².
//! References   beside those: Avron, Maymounkov & Toledo 2010, doi:10.1137/090767911 (Blendenpik) · Clarkson & Woodruff 2017, J. ACM 63:54.

use crate::error::{Error, Result};
use crate::linalg::{self, Accum, Mat, MatMut, MatRef, Op, Threads};
use crate::operator::{Operator, algebra};
use crate::preconditioner::{Kind, Nystrom, Preconditioner, Sketch};
use crate::random::Random;
use crate::scalar::{Real, Scalar};
use core::cell::RefCell;

/// The first rank that is tried when the rank is adapted.
const FIRST_RANK: usize = 16;
/// The rank suffices when the smallest eigenvalue found is at most this many λ (Frangella, Tropp & Udell, section 5.4, who take 10
/// to 100).
const SETTLED: f64 = 10.0;
/// Columns of Ω that are multiplied at once: bounds the memory in the range of A.
const BLOCK: usize = 8;
/// Rows of the sketch for each unknown: [A; dI]R⁻¹ then has a condition number of about 3.
const SKETCH_ROWS: usize = 4;
/// Entries in each column of S.
const SKETCH_ENTRIES: usize = 8;

/// The entries of PDA, P = I − qqᵀ.
pub(crate) struct Rows<'a, T: Scalar> {
    pub entries: MatRef<'a, T>,
    /// D.
    pub scale: Option<&'a [T::Real]>,
    /// q and qᵀDA.
    pub constant: Option<(&'a [T::Real], Vec<T>)>,
}

/// A preconditioner for any λ.
pub(crate) enum Prepared<'a, T: Scalar> {
    /// The norms of the columns, to which the damping is added.
    Columns(Vec<T::Real>),
    Scales(Vec<T::Real>),
    Inverse(&'a dyn Operator<Scalar = T>),
    Nystrom {
        vectors: Mat<T>,
        /// Of AᴴA, descending.
        values: Vec<T::Real>,
    },
    Sketch(Mat<T>),
}

/// Everything that does not depend on λ; `damping` is the smallest one that is to come.
pub(crate) fn prepare<'a, T: Scalar>(
    preconditioner: &Preconditioner<'a, T>,
    a: &dyn Operator<Scalar = T>,
    rows: Option<&Rows<'_, T>>,
    damping: f64,
    threads: Threads,
) -> Result<Prepared<'a, T>> {
    let needs = |what, instead| Error::NeedsEntries { method: what, what: "A", instead };
    Ok(match &preconditioner.kind {
        Kind::Columns => {
            let rows =
                rows.ok_or_else(|| needs("a preconditioner by the norms of the columns", "Preconditioner::scales or Nystrom::new()"))?;
            Prepared::Columns(rows.column_norms())
        }
        Kind::Scales(scales) => Prepared::Scales(scales.clone()),
        Kind::Inverse(inverse) => Prepared::Inverse(*inverse),
        Kind::Nystrom(options) => nystrom(a, options, damping, threads)?,
        Kind::Sketch(options) => {
            let rows = rows.ok_or_else(|| needs("a preconditioner by a sketch", "Nystrom::new(), which needs products only"))?;
            Prepared::Sketch(rows.sketch(options))
        }
    })
}

impl<T: Scalar> Prepared<'_, T> {
    /// How large what was drawn at random is: the rank that is kept, or the rows of the sketch.
    pub fn drawn(&self) -> Option<usize> {
        match self {
            Prepared::Nystrom { vectors, .. } => Some(vectors.ncols()),
            Prepared::Sketch(sketched) => Some(sketched.nrows()),
            Prepared::Columns(_) | Prepared::Scales(_) | Prepared::Inverse(_) => None,
        }
    }

    /// R⁻¹ at a damping.
    pub fn inverse(&self, damping: f64, threads: Threads) -> Box<dyn Operator<Scalar = T> + '_> {
        let (one, zero) = (T::Real::ONE, T::Real::ZERO);
        let d = T::Real::from_f64(damping);
        let reciprocal = |s: T::Real| T::from_real(if s > zero && (one / s).finite() { one / s } else { one });
        match self {
            Prepared::Columns(norms) => {
                Box::new(algebra::diagonal(norms.iter().map(|&norm| reciprocal(linalg::norm(&[norm, d]))).collect::<Vec<T>>()))
            }
            Prepared::Scales(scales) => Box::new(algebra::diagonal(scales.iter().map(|&s| reciprocal(s)).collect::<Vec<T>>())),
            Prepared::Inverse(inverse) => Box::new(*inverse),
            Prepared::Nystrom { vectors, values } => {
                let lambda = d * d;
                let last = values.last().copied().unwrap_or(zero) + lambda;
                let factor = |v: T::Real| if v + lambda > zero { (last / (v + lambda)).sqrt() - one } else { zero };
                let (n, rank) = vectors.shape();
                Box::new(LowRank {
                    vectors: vectors.as_ref(),
                    factors: values.iter().map(|&v| factor(v)).collect(),
                    scratch: RefCell::new((vec![T::ZERO; rank], vec![T::ZERO; n])),
                    threads,
                })
            }
            Prepared::Sketch(sketched) => {
                let (s, n) = sketched.shape();
                // at rounding level R is invertible whatever A is
                let floor = linalg::norm(&linalg::column_norms(sketched.as_ref())) * T::Real::EPSILON.to_f64();
                let d = T::from_real(T::Real::from_f64(damping.max(floor).max(T::Real::MIN_POSITIVE.to_f64())));
                let stacked = Mat::from_fn(s + n, n, |i, j| {
                    if i < s {
                        sketched[(i, j)]
                    } else if i - s == j {
                        d
                    } else {
                        T::ZERO
                    }
                });
                Box::new(Triangle { triangle: T::qr(stacked, threads).basis, threads })
            }
        }
    }
}

impl<T: Scalar> Rows<'_, T> {
    fn entry(&self, i: usize, j: usize) -> T {
        self.scale.map_or(self.entries[(i, j)], |scale| self.entries[(i, j)].scale(scale[i]))
    }

    fn column_norms(&self) -> Vec<T::Real> {
        let (m, n) = self.entries.shape();
        let mut column = vec![T::ZERO; m];
        let norm = |j: usize| {
            let along = self.constant.as_ref().map(|(q, along)| (*q, along[j]));
            for (i, value) in column.iter_mut().enumerate() {
                *value = self.entry(i, j);
                if let Some((q, along)) = along {
                    *value -= along.scale(q[i]);
                }
            }
            linalg::norm(&column)
        };
        (0..n).map(norm).collect()
    }

    /// SPDA.
    fn sketch(&self, options: &Sketch) -> Mat<T> {
        let (m, n) = self.entries.shape();
        let rows = (SKETCH_ROWS * n).max(1);
        let mut random = Random::new(options.seed);
        let size = T::Real::from_f64(1.0 / (SKETCH_ENTRIES as f64).sqrt());
        // a row of A goes to eight rows of the sketch; twice to the same one is allowed, and harmless
        let places: Vec<(usize, T::Real)> = (0..m * SKETCH_ENTRIES)
            .map(|_| {
                let bits = random.next_bits();
                ((bits >> 1) as usize % rows, if bits & 1 == 0 { size } else { -size })
            })
            .collect();
        let mut sketched = linalg::zeros(rows, n);
        for j in 0..n {
            let column = sketched.col_as_slice_mut(j);
            for (i, places) in places.chunks_exact(SKETCH_ENTRIES).enumerate() {
                let mut value = self.entry(i, j);
                if let Some((q, along)) = &self.constant {
                    value -= along[j].scale(q[i]);
                }
                for &(place, sign) in places {
                    column[place] += value.scale(sign);
                }
            }
        }
        sketched
    }
}

/// I + U·diag(f)·Uᴴ, self-adjoint.
struct LowRank<'a, T: Scalar> {
    vectors: MatRef<'a, T>,
    factors: Vec<T::Real>,
    /// Kept, so that a product allocates nothing.
    scratch: RefCell<(Vec<T>, Vec<T>)>,
    threads: Threads,
}

impl<T: Scalar> Operator for LowRank<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.vectors.nrows(), self.vectors.nrows())
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        let (along, change) = &mut *self.scratch.borrow_mut();
        T::multiply_adjoint(self.vectors, x, along, self.threads);
        along.iter_mut().zip(&self.factors).for_each(|(value, &factor)| *value = value.scale(factor));
        T::multiply(self.vectors, along, change, self.threads);
        for ((y, &x), &change) in y.iter_mut().zip(x).zip(&*change) {
            *y = x + change;
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.apply(y, x);
    }
}

/// R⁻¹ of a triangle R.
struct Triangle<T> {
    triangle: Mat<T>,
    threads: Threads,
}

impl<T: Scalar> Triangle<T> {
    fn solve(&self, op: Op, from: &[T], to: &mut [T]) {
        to.copy_from_slice(from);
        let n = self.triangle.ncols();
        let right = MatMut::from_column_major_slice_mut(to, n, 1);
        T::solve_upper(self.triangle.as_ref().subrows(0, n), op, right, self.threads);
    }
}

impl<T: Scalar> Operator for Triangle<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.triangle.ncols(), self.triangle.ncols())
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.solve(Op::None, x, y);
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.solve(Op::Adjoint, y, x);
    }
}

fn nystrom<'a, T: Scalar>(a: &dyn Operator<Scalar = T>, options: &Nystrom, damping: f64, threads: Threads) -> Result<Prepared<'a, T>> {
    let (m, n) = a.shape();
    let limit = options.rank.unwrap_or((n / 4).max(1)).min(n);
    let mut rank = options.rank.unwrap_or(FIRST_RANK).min(limit);
    let mut random = Random::new(options.seed);
    let (mut omega, mut images): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    let mut image = vec![T::ZERO; m * BLOCK];
    loop {
        while images.len() < n * rank {
            let k = (rank - images.len() / n.max(1)).min(BLOCK);
            let from = images.len();
            omega.extend(random.scalars::<T>(n * k));
            images.resize(from + n * k, T::ZERO);
            a.apply_block(k, &omega[from..], &mut image[..m * k]);
            a.apply_adjoint_block(k, &image[..m * k], &mut images[from..]);
        }
        let (vectors, values) = approximation(&omega, &images, n, rank, threads)?;
        let found = values.last().map_or(0.0, |v| v.to_f64());
        if rank >= limit || found <= SETTLED * damping * damping {
            return Ok(Prepared::Nystrom { vectors, values });
        }
        rank = (2 * rank).min(limit);
    }
}

/// U and v from Ω and Y.
fn approximation<T: Scalar>(omega: &[T], images: &[T], n: usize, rank: usize, threads: Threads) -> Result<(Mat<T>, Vec<T::Real>)> {
    let omega = MatRef::from_column_major_slice(omega, n, rank);
    let norm = linalg::norm(images);
    if !norm.finite() {
        return Err(Error::Unsupported {
            what: "the Nyström preconditioner",
            with: "products Aᴴ(Ax) that leave the range of the scalar type",
            instead: "check the operator with operator::dot_test, or rescale A",
        });
    }
    let mut shift = norm * T::Real::EPSILON;
    for _ in 0..6 {
        let shifted = Mat::from_fn(n, rank, |i, j| images[j * n + i] + omega[(i, j)].scale(shift));
        let mut core = linalg::zeros::<T>(rank, rank);
        T::product(core.as_mut(), Accum::Replace, T::ONE, omega, Op::Adjoint, shifted.as_ref(), Op::None, threads);
        if T::cholesky(core.as_mut(), threads).is_ok() {
            let mut factor = linalg::adjoint(shifted.as_ref());
            T::solve_lower(core.as_ref(), Op::None, factor.as_mut(), threads);
            let factor = linalg::adjoint(factor.as_ref());
            let mut values = vec![T::ZERO; rank];
            let mut vectors = linalg::zeros::<T>(n, rank);
            if T::svd(factor.as_ref(), &mut values, Some(vectors.as_mut()), None, false, threads).is_ok() {
                let squared = |s: &T| {
                    let v = s.real() * s.real() - shift;
                    if v > T::Real::ZERO { v } else { T::Real::ZERO }
                };
                return Ok((vectors, values.iter().map(squared).collect()));
            }
        }
        shift = shift * T::Real::from_f64(100.0) + T::Real::MIN_POSITIVE;
    }
    Err(Error::Unsupported {
        what: "the Nyström preconditioner",
        with: "an A whose sketch cannot be factored",
        instead: "use a smaller rank, or another preconditioner",
    })
}
