//! Convolution by fast Fourier transforms, in one dimension or two, with what lies beyond the edges named.
//!
//! yᵢ = Σₜ kₜ xᵢ₋ₜ, t counted from the centre of the kernel. With a transform of P points a product is y = R·C·E·x: E spreads
//! x over the P points (zeros, or mirror images in the margins that the kernel sees), C is the circular convolution, and R
//! keeps the values of y. The adjoint is Eᴴ·Cᴴ·Rᴴ with the conjugate factors, and Eᴴ adds the margins back to what they
//! are images of; so it is the exact adjoint for every kernel, symmetric or not.
//!
//! Cost: two transforms of P₀×P₁ points, P the next length with small prime factors (exactly n when periodic): 5·P₀P₁·log₂(P₀P₁)
//! flops for real scalars, and 3·P₀P₁ real numbers of memory kept in the operator. Columns and rows are split over the
//! threads of the current pool where the image is large enough, with the same bits for any number of threads.
//!
//! Source: Hansen, Nagy, O'Leary 2006, doi:10.1137/1.9780898718874 (boundaries, and which transform diagonalises which).

use super::diagonal::{Basis, Diagonalization, Unitary};
use super::kernel::Kernel;
use super::{Boundary, Operator};
use crate::error::{Error, Result, Size};
use crate::fourier::{Cosine, Plane, Window, Workspace, smooth_length};
use crate::linalg::Threads;
use crate::scalar::{Real, Scalar};
use std::sync::{Arc, Mutex, PoisonError};

/// Convolution of an image of `rows`×`columns` pixels, stored column after column, with a kernel.
///
/// | boundary | beyond the edges | rows of A |
/// |---|---|---|
/// | [`Zero`](Boundary::Zero) | zeros | n |
/// | [`Periodic`](Boundary::Periodic) | the other side | n |
/// | [`Reflective`](Boundary::Reflective) | the mirror image, the edge between two equal pixels | n |
/// | [`Free`](Boundary::Free) | nothing: only pixels whose whole surroundings are given | n + 1 − kernel, each axis |
///
/// A periodic convolution, and a reflective one whose kernel equals its mirror images, are diagonalised by a fast transform:
/// [`Problem`](crate::Problem) then finds λ by any rule, and x, at the cost of a few products.
///
/// # Errors
/// [`Error::Shape`] for an image without pixels, or too large for the machine's addresses; [`Error::Parameter`] when the
/// transform of the kernel overflows.
///
/// ```
/// use wellposed::operator::{Boundary, Kernel, Operator, convolution};
///
/// let blur = convolution(3, 1, &Kernel::line(&[0.25, 0.5, 0.25])?, Boundary::Reflective)?;
/// let mut y = [0.0; 3];
/// blur.apply(&[1.0, 0.0, 4.0], &mut y);
/// assert!([0.75, 1.25, 3.0].iter().zip(&y).all(|(a, b): (&f64, _)| (a - b).abs() < 1e-14));
/// # Ok::<(), wellposed::Error>(())
/// ```
///
/// Deblurring with λ by generalized cross-validation:
///
/// ```
/// use wellposed::operator::{Boundary, Operator, convolution, gaussian_kernel};
/// use wellposed::{Gcv, Penalty, Problem};
///
/// let blur = convolution(32, 24, &gaussian_kernel(1.5, 1.5)?, Boundary::Reflective)?;
/// let image: Vec<f64> = (0..32 * 24).map(|t| f64::from(u8::from((8..24).contains(&(t % 32))))).collect();
/// let mut blurred = vec![0.0; 32 * 24];
/// blur.apply(&image, &mut blurred);
/// for (t, pixel) in blurred.iter_mut().enumerate() {
///     *pixel += 0.01 * ((t * t) as f64).sin();
/// }
/// let penalty = Penalty::first_difference_2d(32, 24, Boundary::Free);
/// let fit = Problem::new(&blur).penalty(penalty).solve(&blurred, Gcv)?;
/// println!("{}", fit.report); // method: the cosine transform diagonalises A and L
/// # assert_eq!(fit.report.method, "fast transform");
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn convolution<T: Scalar>(rows: usize, columns: usize, kernel: &Kernel<T>, boundary: Boundary) -> Result<Convolution<T>> {
    let too_large = Error::Shape {
        what: "the image of a convolution",
        found: Size::Shape(rows, columns),
        expected: Size::Shape(rows.clamp(1, 1 << 20), columns.clamp(1, 1 << 20)),
        hint: "it needs a pixel, and its transform must fit into memory",
    };
    let ((kernel_rows, kernel_columns), (row, column)) = (kernel.shape(), kernel.centre_at());
    let axes = (Axis::new(rows, kernel_rows, row, boundary), Axis::new(columns, kernel_columns, column, boundary));
    let (Some(down), Some(across)) = axes else { return Err(too_large) };
    let points = down.length.checked_mul(across.length).filter(|&points| rows > 0 && columns > 0 && points < isize::MAX as usize / 64);
    let Some(points) = points else { return Err(too_large) };
    let plane = Plane::new(down.length, across.length);
    let mut placed = vec![T::ZERO; points];
    for (i, j, value) in kernel.taps() {
        if let (Some(i), Some(j)) = (down.place(i), across.place(j)) {
            placed[i + j * down.length] += value;
        }
    }
    let (height, width) = plane.bins();
    let mut factors = vec![T::Complex::ZERO; height * width];
    let mut workspace = Workspace::new(&plane, Threads::available().0);
    plane.forward(&placed, &mut factors, &mut workspace);
    let scale = T::Real::from_f64(1.0 / points as f64);
    factors.iter_mut().for_each(|factor| *factor = factor.scale(scale));
    if factors.iter().any(|factor| !factor.finite()) {
        return Err(Error::Parameter {
            name: "the sum of the kernel's entries",
            value: f64::INFINITY,
            must_be: "in the range of the scalar type; rescale the kernel",
        });
    }
    Ok(Convolution {
        plane,
        inside: [down.inside, across.inside],
        outside: [Window::plain(down.outside), Window::plain(across.outside)],
        factors: factors.into(),
        kernel: kernel.clone(),
        boundary,
        workspaces: Mutex::new(vec![workspace]),
    })
}

/// What [`convolution`] returns.
pub struct Convolution<T: Scalar> {
    plane: Plane<T>,
    /// E: how x lies on the axes of the transform.
    inside: [Window; 2],
    /// Rᴴ: how y does.
    outside: [Window; 2],
    /// The transform of the kernel, over P₀P₁.
    factors: Arc<[T::Complex]>,
    kernel: Kernel<T>,
    boundary: Boundary,
    /// Buffers of products that are not running: one product after another takes the same, and allocates nothing.
    workspaces: Mutex<Vec<Workspace<T>>>,
}

/// One axis: values, results, points of the transform, and where the taps of the kernel stand on them.
struct Axis {
    inside: Window,
    outside: usize,
    length: usize,
    /// Taps at this distance or farther see nothing but zeros.
    limit: usize,
    /// Position 0 of the result is this value of x.
    first: usize,
}

impl Axis {
    /// `None` where a length overflows.
    fn new(n: usize, kernel: usize, centre: usize, boundary: Boundary) -> Option<Self> {
        // a tap t sees x at i − t: the kernel reaches `before` values to the left and `after` to the right
        let (before, after) = (kernel - 1 - centre, centre);
        let plain =
            |outside: usize, length: usize, first: usize| Self { inside: Window::plain(n), outside, length, limit: usize::MAX, first };
        let farthest = n.saturating_sub(1);
        Some(match boundary {
            Boundary::Periodic => plain(n, n.max(1), 0),
            Boundary::Free => plain((n + 1).saturating_sub(kernel), smooth_length(n.max(kernel))?, before),
            Boundary::Zero => {
                let length = smooth_length(n.checked_add(before.min(farthest).max(after.min(farthest)))?)?;
                Self { limit: n, ..plain(n, length, 0) }
            }
            Boundary::Reflective => {
                let whole = n.checked_mul(2)?.max(1);
                let length = smooth_length(n.checked_add(before)?.checked_add(after)?)?.min(whole);
                // all of the mirror image where the kernel sees so much, which then repeats with period 2n
                let (after, before) = if length == whole { (n, 0) } else { (after, before) };
                let right = (n..n + after).map(|position| (position, 2 * n - 1 - position));
                let left = (1..=before).map(|distance| (length - distance, distance - 1));
                Self { inside: Window { values: n, copies: right.chain(left).collect() }, ..plain(n, length, 0) }
            }
        })
    }

    /// Where on the axis of the transform the tap at this distance from the centre stands.
    fn place(&self, distance: isize) -> Option<usize> {
        if distance.unsigned_abs() >= self.limit {
            return None;
        }
        let position = distance - self.first as isize;
        usize::try_from(position.rem_euclid(self.length as isize)).ok()
    }
}

impl<T: Scalar> Convolution<T> {
    /// The kernel.
    pub fn kernel(&self) -> &Kernel<T> {
        &self.kernel
    }

    /// What lies beyond the edges.
    pub fn boundary(&self) -> Boundary {
        self.boundary
    }

    fn filter(&self, x: &[T], from: &[Window; 2], conjugate: bool, to: &[Window; 2], y: &mut [T]) {
        let threads = Threads::available().0;
        let take = || self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let workspace = take().filter(|workspace| workspace.serves(&self.plane, threads));
        let mut workspace = workspace.unwrap_or_else(|| Workspace::new(&self.plane, threads));
        self.plane.filter(x, from, &self.factors, conjugate, to, y, &mut workspace);
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }

    /// The transform that diagonalises it, if there is one.
    fn basis(&self) -> Option<Basis> {
        let [Window { values: rows, .. }, Window { values: columns, .. }] = self.inside;
        match self.boundary {
            Boundary::Periodic => Some(Basis::Fourier { rows, columns }),
            Boundary::Reflective if self.kernel.is_symmetric() => Some(Basis::Cosine { rows, columns }),
            _ => None,
        }
    }
}

impl<T: Scalar> Operator for Convolution<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        let size = |windows: &[Window; 2]| windows[0].values * windows[1].values;
        (size(&self.outside), size(&self.inside))
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.filter(x, &self.inside, false, &self.outside, y);
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.filter(y, &self.outside, true, &self.inside, x);
    }
    fn diagonalization(&self) -> Option<Diagonalization<'_, T>> {
        let basis = self.basis()?;
        Some(Diagonalization::new(basis, move || match basis {
            Basis::Cosine { rows, columns } => Box::new(CosineBasis::new(rows, columns, &self.kernel)),
            _ => Box::new(FourierBasis::new(self)),
        }))
    }
    fn diagonal_in(&self, basis: &Basis) -> Option<Vec<f64>> {
        if self.basis()? != *basis {
            return None;
        }
        Some(match *basis {
            Basis::Cosine { rows, columns } => {
                cosine_values(rows, columns, &self.kernel).iter().map(|value| value.modulus().to_f64()).collect()
            }
            _ => FourierBasis::new(self).values,
        })
    }
}

impl<T: Scalar> Clone for Convolution<T> {
    fn clone(&self) -> Self {
        Self {
            plane: self.plane.clone(),
            inside: self.inside.clone(),
            outside: self.outside.clone(),
            factors: self.factors.clone(),
            kernel: self.kernel.clone(),
            boundary: self.boundary,
            workspaces: Mutex::new(Vec::new()),
        }
    }
}

impl<T: Scalar> core::fmt::Debug for Convolution<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (kernel, [rows, columns]) = (self.kernel.shape(), &self.inside);
        write!(f, "Convolution({}×{} pixels, {}×{} kernel, {})", rows.values, columns.values, kernel.0, kernel.1, self.boundary)
    }
}

/// A = V·diag(a)·Vᴴ with V the Fourier basis; U = V·diag(a/|a|).
///
/// The coefficients of a real image are the real and imaginary parts (times √2) of one of each pair of conjugate
/// frequencies, which keeps norms: the part that belongs to frequency (k, l) stands at k + l·rows, and the other one where its
/// conjugate frequency would.
struct FourierBasis<T: Scalar> {
    plane: Plane<T>,
    rows: usize,
    columns: usize,
    /// |a|.
    values: Vec<f64>,
    /// a/|a| (1 for 0), as the transform orders its frequencies.
    phases: Vec<T::Complex>,
    workspaces: Mutex<Vec<Workspace<T>>>,
}

/// Where a frequency's two numbers go.
enum Slot {
    /// Both parts, at one place: complex scalars.
    Whole(usize),
    /// A real number: the frequency is its own conjugate.
    Real(usize),
    /// Real and imaginary part, times √2.
    Pair(usize, usize),
    /// The conjugate of one that has its place already.
    Conjugate,
}

impl<T: Scalar> FourierBasis<T> {
    fn new(convolution: &Convolution<T>) -> Self {
        let [rows, columns] = [convolution.inside[0].values, convolution.inside[1].values];
        let points = (rows * columns) as f64;
        let mut phases = Vec::with_capacity(convolution.factors.len());
        let mut values = vec![0.0; rows * columns];
        for (t, &factor) in convolution.factors.iter().enumerate() {
            let slot = Self::slot(rows, columns, t);
            // what is its own conjugate is real but for rounding
            let factor = if matches!(slot, Slot::Real(_)) { T::Complex::from_real(factor.real()) } else { factor };
            let size = factor.modulus();
            let value = size.to_f64() * points;
            match slot {
                Slot::Whole(place) | Slot::Real(place) => values[place] = value,
                Slot::Pair(first, second) => (values[first], values[second]) = (value, value),
                Slot::Conjugate => {}
            }
            // a division by a size that is no normal number would leave a phase that is none
            let plain = size < T::Real::MIN_POSITIVE;
            phases.push(if plain { T::Complex::ONE } else { T::Complex::from_parts(factor.real() / size, factor.imaginary() / size) });
        }
        Self { plane: convolution.plane.clone(), rows, columns, values, phases, workspaces: Mutex::new(Vec::new()) }
    }

    /// The place of the frequency that stands at t in the transform.
    fn slot(rows: usize, columns: usize, t: usize) -> Slot {
        let (k, l) = (t / columns, t % columns);
        if T::IS_COMPLEX {
            return Slot::Whole(k + l * rows);
        }
        let (conjugate_row, conjugate_column) = ((rows - k) % rows, (columns - l) % columns);
        let (here, there) = (k + l * rows, conjugate_row + conjugate_column * rows);
        match here.cmp(&there) {
            core::cmp::Ordering::Equal => Slot::Real(here),
            // of two conjugates that are both kept the first in the order of places stands for both
            core::cmp::Ordering::Greater if conjugate_row == k => Slot::Conjugate,
            _ => Slot::Pair(here, there),
        }
    }

    fn with_workspace<R>(&self, work: impl FnOnce(&mut Workspace<T>, &mut [T::Complex]) -> R) -> R {
        let kept = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = kept.unwrap_or_else(|| Workspace::new(&self.plane, Threads::available().0));
        let mut bins = vec![T::Complex::ZERO; self.phases.len()];
        let result = work(&mut workspace, &mut bins);
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        result
    }

    /// 1/√(P₀P₁): makes the transform unitary.
    fn unit(&self) -> T::Real {
        T::Real::from_f64(1.0 / ((self.rows * self.columns) as f64).sqrt())
    }
}

impl<T: Scalar> Unitary<T> for FourierBasis<T> {
    fn values(&self) -> &[f64] {
        &self.values
    }

    fn left_adjoint(&self, b: &[T], coefficients: &mut [T]) {
        self.with_workspace(|workspace, bins| {
            self.plane.forward(b, bins, workspace);
            let (unit, root) = (self.unit(), T::Real::from_f64(2.0).sqrt());
            for (t, (&bin, &phase)) in bins.iter().zip(&self.phases).enumerate() {
                let value = (bin * phase.conj()).scale(unit);
                match Self::slot(self.rows, self.columns, t) {
                    Slot::Whole(place) => coefficients[place] = T::from_parts(value.real(), value.imaginary()),
                    Slot::Real(place) => coefficients[place] = T::from_real(value.real()),
                    Slot::Pair(first, second) => {
                        coefficients[first] = T::from_real(value.real() * root);
                        coefficients[second] = T::from_real(value.imaginary() * root);
                    }
                    Slot::Conjugate => {}
                }
            }
        });
    }

    fn right(&self, coefficients: &[T], x: &mut [T]) {
        self.with_workspace(|workspace, bins| {
            let (unit, half) = (self.unit(), T::Real::from_f64(0.5).sqrt());
            for (t, bin) in bins.iter_mut().enumerate() {
                let pair = |first: usize, second: usize, sign: T::Real| {
                    T::Complex::from_parts(coefficients[first].real() * half, sign * coefficients[second].real() * half)
                };
                let value = match Self::slot(self.rows, self.columns, t) {
                    Slot::Whole(place) => T::Complex::from_parts(coefficients[place].real(), coefficients[place].imaginary()),
                    Slot::Real(place) => T::Complex::from_parts(coefficients[place].real(), T::Real::ZERO),
                    Slot::Pair(first, second) => pair(first, second, T::Real::ONE),
                    Slot::Conjugate => {
                        let (k, l) = (t / self.columns, t % self.columns);
                        let there = (self.rows - k) % self.rows + (self.columns - l) % self.columns * self.rows;
                        pair(there, k + l * self.rows, -T::Real::ONE)
                    }
                };
                *bin = value.scale(unit);
            }
            self.plane.inverse(bins, x, workspace);
        });
    }
}

/// A = V·diag(a)·Vᵀ with V the cosine basis; U = V·diag(a/|a|). Coefficient (k, l) stands at k + l·rows.
struct CosineBasis<T: Scalar> {
    transform: Cosine<T>,
    values: Vec<f64>,
    phases: Vec<T>,
}

impl<T: Scalar> CosineBasis<T> {
    fn new(rows: usize, columns: usize, kernel: &Kernel<T>) -> Self {
        let (mut values, mut phases) = (Vec::with_capacity(rows * columns), Vec::with_capacity(rows * columns));
        for value in cosine_values(rows, columns, kernel) {
            let size = value.modulus();
            values.push(size.to_f64());
            let plain = size < T::Real::MIN_POSITIVE;
            phases.push(if plain { T::ONE } else { T::from_parts(value.real() / size, value.imaginary() / size) });
        }
        Self { transform: Cosine::new(rows, columns, Threads::available().0), values, phases }
    }
}

impl<T: Scalar> Unitary<T> for CosineBasis<T> {
    fn values(&self) -> &[f64] {
        &self.values
    }
    fn left_adjoint(&self, b: &[T], coefficients: &mut [T]) {
        coefficients.copy_from_slice(b);
        self.transform.forward(coefficients);
        coefficients.iter_mut().zip(&self.phases).for_each(|(value, phase)| *value *= phase.conj());
    }
    fn right(&self, coefficients: &[T], x: &mut [T]) {
        x.copy_from_slice(coefficients);
        self.transform.inverse(x);
    }
}

/// Σₜ kₜ cos(πkt₀/rows) cos(πlt₁/columns) for a kernel that equals its mirror images: one axis after the other.
fn cosine_values<T: Scalar>(rows: usize, columns: usize, kernel: &Kernel<T>) -> Vec<T> {
    let table =
        |n: usize| -> Vec<T::Real> { (0..2 * n).map(|t| T::Real::from_f64((core::f64::consts::PI * t as f64 / n as f64).cos())).collect() };
    let (down, across) = (table(rows), table(columns));
    let ((kernel_rows, kernel_columns), centre) = (kernel.shape(), kernel.centre_at());
    // the mirror half is the same: cos is even
    let reach = |centre: usize, count: usize| centre.max(count - 1 - centre);
    let (reach_down, reach_across) = (reach(centre.0, kernel_rows), reach(centre.1, kernel_columns));
    let twice = |t: usize| T::Real::from_f64(if t == 0 { 1.0 } else { 2.0 });
    let mut values = vec![T::ZERO; rows * columns];
    let mut column = vec![T::ZERO; rows];
    for j in 0..=reach_across {
        for (k, sum) in column.iter_mut().enumerate() {
            *sum =
                (0..=reach_down).fold(T::ZERO, |sum, i| sum + kernel.at(i as isize, j as isize).scale(twice(i) * down[k * i % (2 * rows)]));
        }
        for (l, values) in values.chunks_exact_mut(rows).enumerate() {
            let factor = twice(j) * across[l * j % (2 * columns)];
            values.iter_mut().zip(&column).for_each(|(value, &sum)| *value += sum.scale(factor));
        }
    }
    values
}
