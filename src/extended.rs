//! Sums of products in twice the working precision, for the residuals of iterative refinement.
//!
//! Dekker 1971 (doi:10.1007/BF01397083) for the exact product, Knuth's two-sum for the exact sum; Ogita, Rump, Oishi 2005
//! (doi:10.1137/030601818) for the accumulation. Entries must be far from overflow: the callers equilibrate.

use crate::linalg::MatRef;
use crate::linalg::sparse::Rows;
use crate::scalar::{Real, Scalar};

/// An unevaluated sum hi + lo.
#[derive(Debug, Clone, Copy)]
struct Sum<R> {
    high: R,
    low: R,
}

#[inline(always)]
fn two_sum<R: Real>(a: R, b: R) -> (R, R) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

#[inline(always)]
fn split<R: Real>(a: R) -> (R, R) {
    // 2^⌈p/2⌉ + 1
    let splitter = if R::EPSILON.to_f64() > 1e-10 { 4097.0 } else { 134_217_729.0 };
    let c = a * R::from_f64(splitter);
    let high = c - (c - a);
    (high, a - high)
}

#[inline(always)]
fn two_product<R: Real>(a: R, b: R) -> (R, R) {
    let p = a * b;
    let ((ah, al), (bh, bl)) = (split(a), split(b));
    (p, al * bl - (((p - ah * bh) - al * bh) - ah * bl))
}

impl<R: Real> Sum<R> {
    #[inline(always)]
    fn add(&mut self, value: R) {
        let (s, e) = two_sum(self.high, value);
        self.high = s;
        self.low += e;
    }
    #[inline(always)]
    fn add_product(&mut self, a: R, b: R) {
        let (p, e) = two_product(a, b);
        let (s, d) = two_sum(self.high, p);
        self.high = s;
        self.low += d + e;
    }
    #[inline(always)]
    fn value(self) -> R {
        self.high + self.low
    }
}

/// Real and imaginary part of a sum of products.
#[derive(Clone, Copy)]
struct ComplexSum<T: Scalar> {
    real: Sum<T::Real>,
    imaginary: Sum<T::Real>,
}

impl<T: Scalar> ComplexSum<T> {
    fn new(value: T) -> Self {
        let part = |high| Sum { high, low: T::Real::ZERO };
        Self { real: part(value.real()), imaginary: part(value.imaginary()) }
    }
    #[inline(always)]
    fn subtract(&mut self, value: T) {
        self.real.add(-value.real());
        if T::IS_COMPLEX {
            self.imaginary.add(-value.imaginary());
        }
    }
    #[inline(always)]
    fn subtract_product(&mut self, a: T, b: T) {
        self.real.add_product(-a.real(), b.real());
        if T::IS_COMPLEX {
            self.real.add_product(a.imaginary(), b.imaginary());
            self.imaginary.add_product(-a.real(), b.imaginary());
            self.imaginary.add_product(-a.imaginary(), b.real());
        }
    }
    fn value(self) -> T {
        T::from_parts(self.real.value(), self.imaginary.value())
    }
}

/// b − r − Ax, rounded once.
pub(crate) fn residual<T: Scalar>(a: MatRef<'_, T>, x: &[T], r: &[T], b: &[T]) -> Vec<T> {
    let mut sums: Vec<ComplexSum<T>> = b.iter().map(|&b| ComplexSum::new(b)).collect();
    for (sum, &r) in sums.iter_mut().zip(r) {
        sum.subtract(r);
    }
    for (j, &x) in x.iter().enumerate() {
        for (i, sum) in sums.iter_mut().enumerate() {
            sum.subtract_product(a[(i, j)], x);
        }
    }
    sums.into_iter().map(ComplexSum::value).collect()
}

/// −Aᴴr, rounded once.
pub(crate) fn negative_adjoint_product<T: Scalar>(a: MatRef<'_, T>, r: &[T]) -> Vec<T> {
    let column = |j: usize| {
        let mut sum = ComplexSum::new(T::ZERO);
        for (i, &r) in r.iter().enumerate() {
            sum.subtract_product(a[(i, j)].conj(), r);
        }
        sum.value()
    };
    (0..a.ncols()).map(column).collect()
}

/// b − r − Ax for a sparse A, rounded once.
pub(crate) fn sparse_residual<T: Scalar>(a: &Rows<T>, x: &[T], r: &[T], b: &[T]) -> Vec<T> {
    let row = |i: usize| {
        let mut sum = ComplexSum::new(b[i]);
        sum.subtract(r[i]);
        let (columns, values) = a.row(i);
        columns.iter().zip(values).for_each(|(&j, &a)| sum.subtract_product(a, x[j]));
        sum.value()
    };
    (0..a.rows()).map(row).collect()
}

/// −Aᴴr for a sparse A, given Aᵀ, rounded once.
pub(crate) fn sparse_negative_adjoint_product<T: Scalar>(transposed: &Rows<T>, r: &[T]) -> Vec<T> {
    let column = |j: usize| {
        let mut sum = ComplexSum::new(T::ZERO);
        let (rows, values) = transposed.row(j);
        rows.iter().zip(values).for_each(|(&i, &a)| sum.subtract_product(a.conj(), r[i]));
        sum.value()
    };
    (0..transposed.rows()).map(column).collect()
}
