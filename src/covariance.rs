//! Covariances as penalties: R(z) = zᴴC⁻¹z = ‖Lz‖², with C a matrix, its inverse, or a function of distance on a grid.
//!
//! | given | L | cost |
//! |---|---|---|
//! | C | G⁻¹ with C = GGᴴ (Cholesky) | n³/3 + n³/3 flops once, n² numbers |
//! | P = C⁻¹ | Gᴴ with P = GGᴴ; for a singular P, Λ^½Qᴴ of its eigenvectors | n³/3 flops (9n³ if singular), n² numbers |
//! | a function of distance on a grid | as for C | |
//! | the same on a periodic grid | C^(−½) as a circular convolution: C is diagonal in Fourier space | two transforms a product, n numbers |
//!
//! Matérn: k(r) = σ²·2^(1−ν)/Γ(ν)·sᵛKᵥ(s), s = √(2ν)·r/ℓ; for ν = p + ½ it is e⁻ˢ times a polynomial of degree p, which is what is
//! computed. ν → ∞ is the squared exponential σ²·exp(−r²/2ℓ²). Rasmussen, Williams 2006, Gaussian Processes for Machine Learning, §4.2.

use crate::error::{Error, Result, Size};
use crate::linalg::{self, Mat, Threads};
use crate::operator::dense::materialize;
use crate::operator::{Boundary, DenseView, Entries, Grid, Operator};
use crate::scalar::{Real, Scalar};
use std::sync::Arc;

/// A stationary, isotropic covariance: a function of the distance between two points of a grid.
///
/// ```
/// use wellposed::operator::{Boundary, Grid};
/// use wellposed::{Covariance, DenseView, Evidence, Penalty, Problem};
///
/// // 40 points 0.1 apart, smooth over a length of 0.5; seen through running means
/// let grid = Grid::new(&[40])?.spacing(&[0.1])?;
/// let prior = Penalty::kernel(&grid, &Covariance::matern(1.5, 0.5), Boundary::Free)?;
/// let a: Vec<f64> = (0..20 * 40_usize).map(|k| f64::from(u8::from((2 * (k % 20)).abs_diff(k / 20) < 3))).collect();
/// let a = DenseView::column_major(&a, 20, 40)?;
/// let b: Vec<f64> = (0..20).map(|i| 4.0 * (i as f64 / 5.0).sin() + 0.1 * ((i * i) as f64).cos()).collect();
/// let posterior = Problem::new(&a).penalty(prior).posterior(&b, Evidence)?;
/// assert!(posterior.prior_std > 0.2 && posterior.prior_std < 5.0);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covariance {
    shape: Shape,
    length: f64,
    nugget: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Matern(f64),
    SquaredExponential,
}

/// What a squared exponential has on its diagonal unless told otherwise, relative to the variance: its eigenvalues fall below
/// rounding for any length of more than a few points. A standard deviation of 1e-5 of x is not seen in an answer.
const NUGGET: f64 = 1e-10;
/// Terms of the polynomial of a Matérn covariance.
const MOST_TERMS: f64 = 20.0;
/// Points whose covariance is stored as a matrix: 800 MB in `f64`.
const DENSE_UP_TO: usize = 10_000;

impl Covariance {
    /// Matérn with smoothness ν = 1/2, 3/2, 5/2, … (⌈ν⌉ − 1 derivatives) and this length, of variance 1.
    pub fn matern(nu: f64, length: f64) -> Self {
        Self { shape: Shape::Matern(nu), length, nugget: 0.0 }
    }

    /// exp(−r/ℓ): Matérn with ν = 1/2, continuous and nowhere smooth.
    pub fn exponential(length: f64) -> Self {
        Self::matern(0.5, length)
    }

    /// exp(−r²/2ℓ²): infinitely smooth, of variance 1. It has a nugget of 1e-10, without which no computer could factor it.
    pub fn squared_exponential(length: f64) -> Self {
        Self { shape: Shape::SquaredExponential, length, nugget: NUGGET }
    }

    /// Adds this multiple of the identity (relative to the variance): each point has a small variance of its own.
    pub fn nugget(self, nugget: f64) -> Self {
        Self { nugget, ..self }
    }

    /// The covariance of two points at this distance, the nugget left out.
    ///
    /// ```
    /// use wellposed::Covariance;
    /// let s = 3f64.sqrt() * 0.7;
    /// assert!((Covariance::matern(1.5, 1.0).at(0.7) - (1.0 + s) * (-s).exp()).abs() < 1e-15);
    /// ```
    pub fn at(&self, distance: f64) -> f64 {
        let r = distance / self.length;
        match self.shape {
            Shape::SquaredExponential => (-0.5 * r * r).exp(),
            Shape::Matern(nu) => {
                let (p, s) = (nu - 0.5, (2.0 * nu).sqrt() * r);
                // Σ over i of (p + i)!/(i!(p − i)!)·(2s)^(p − i), from i = p, times p!/(2p)!: the first term is then 1
                let (mut term, mut sum, mut i) = (1.0, 1.0, p);
                while i > 0.5 {
                    // from i to i − 1
                    term *= 2.0 * s * i / ((p + i) * (p - i + 1.0));
                    sum += term;
                    i -= 1.0;
                }
                sum * (-s).exp()
            }
        }
    }

    fn check(&self) -> Result<()> {
        if let Shape::Matern(nu) = self.shape
            && !(nu > 0.0 && nu < MOST_TERMS && (nu - 0.5).fract() == 0.0)
        {
            return Err(Error::Parameter {
                name: "ν of a Matérn covariance",
                value: nu,
                must_be: "1/2, 3/2, 5/2, … (below 20); for other values give the matrix to Penalty::covariance, and for ν → ∞ use squared_exponential",
            });
        }
        if !(self.length > 0.0 && self.length.is_finite()) {
            return Err(Error::Parameter { name: "the length of a covariance", value: self.length, must_be: "positive and finite" });
        }
        if !(self.nugget >= 0.0 && self.nugget.is_finite()) {
            return Err(Error::Parameter { name: "the nugget of a covariance", value: self.nugget, must_be: "finite and ≥ 0" });
        }
        Ok(())
    }

    /// The matrix C of all points of a grid. Cost: n² numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`]; more than 10 000 points.
    pub fn matrix<T: Scalar>(&self, grid: &Grid) -> Result<Mat<T>> {
        self.check()?;
        let n = grid.points();
        if n > DENSE_UP_TO {
            return Err(Error::Unsupported {
                what: "a covariance",
                with: "more than 10 000 points without Boundary::Periodic",
                instead: "make the grid periodic (with a margin), or use a difference penalty",
            });
        }
        let points: Vec<[f64; 3]> = (0..n).map(|k| grid.place(k)).collect();
        Ok(Mat::from_fn(n, n, |i, j| {
            let square: f64 = points[i].iter().zip(&points[j]).map(|(a, b)| (a - b) * (a - b)).sum();
            T::from_real(T::Real::from_f64(self.at(square.sqrt()) + if i == j { self.nugget } else { 0.0 }))
        }))
    }

    /// The first column of C on a periodic grid: k summed over all images of a point, which keeps it positive definite.
    fn periodic(&self, grid: &Grid) -> Result<Vec<f64>> {
        self.check()?;
        let (sizes, spacing) = (grid.sizes(), grid.distances());
        if sizes.len() > 2 {
            return Err(Error::Unsupported {
                what: "a periodic covariance",
                with: "a grid of three dimensions",
                instead: "use Boundary::Free, or a grid of one or two dimensions",
            });
        }
        let period = |axis: usize| sizes.get(axis).map_or(f64::INFINITY, |&n| n as f64 * spacing[axis]);
        if let Some(shortest) = [period(0), period(1)].into_iter().find(|&p| self.length > p) {
            return Err(Error::Parameter {
                name: "the length of a covariance on a periodic grid",
                value: self.length,
                must_be: if shortest.is_finite() { "at most the period: points would be their own neighbours" } else { "finite" },
            });
        }
        // beyond 40 lengths nothing is left in double precision
        let images = |axis: usize| if period(axis).is_finite() { (40.0 * self.length / period(axis)).ceil() as i64 + 1 } else { 0 };
        let (down, across) = (images(0), images(1));
        let offset = |axis: usize, index: usize, image: i64| {
            if period(axis).is_finite() { index as f64 * spacing[axis] + image as f64 * period(axis) } else { 0.0 }
        };
        let rows = sizes[0];
        let mut column: Vec<f64> = (0..grid.points())
            .map(|k| {
                let (i, j) = (k % rows, k / rows);
                let mut sum = 0.0;
                for a in -down..=down {
                    for b in -across..=across {
                        sum += self.at(offset(0, i, a).hypot(offset(1, j, b)));
                    }
                }
                sum
            })
            .collect();
        if let Some(first) = column.first_mut() {
            *first += self.nugget;
        }
        Ok(column)
    }
}

/// L of a covariance or a precision.
pub(crate) enum Root<T: Scalar> {
    Dense(Mat<T>),
    Circular(Box<crate::operator::Convolution<T>>),
}

/// [`Root`], shared by clones of a penalty.
#[derive(Clone)]
pub(crate) struct SharedRoot<T: Scalar>(pub(crate) Arc<Root<T>>);

impl<T: Scalar> Operator for SharedRoot<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        match &*self.0 {
            Root::Dense(l) => l.shape(),
            Root::Circular(l) => l.shape(),
        }
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        match &*self.0 {
            Root::Dense(l) => DenseView::from_matrix(l.as_ref()).apply(x, y),
            Root::Circular(l) => l.apply(x, y),
        }
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        match &*self.0 {
            Root::Dense(l) => DenseView::from_matrix(l.as_ref()).apply_adjoint(y, x),
            Root::Circular(l) => l.apply_adjoint(y, x),
        }
    }
    fn entries(&self) -> Entries<'_, T> {
        match &*self.0 {
            Root::Dense(l) => Entries::Dense(DenseView::from_matrix(l.as_ref())),
            Root::Circular(_) => Entries::None,
        }
    }
    fn diagonal_in(&self, basis: &crate::operator::Basis) -> Option<Vec<f64>> {
        match &*self.0 {
            Root::Dense(_) => None,
            Root::Circular(l) => l.diagonal_in(basis),
        }
    }
}

/// A square, finite, Hermitian matrix; `what` names it in errors.
fn hermitian<T: Scalar>(c: &dyn Operator<Scalar = T>, what: &'static str) -> Result<Mat<T>> {
    let (rows, n) = c.shape();
    if rows != n {
        return Err(Error::Shape { what, found: Size::Shape(rows, n), expected: Size::Shape(n, n), hint: "it must be square" });
    }
    let c = materialize(c);
    if T::largest_entry(c.as_ref(), Threads::ONE).is_none() {
        let place = (0..n * n).find(|&k| !c[(k % n, k / n)].finite()).unwrap_or(0);
        return Err(Error::NonFinite { what, index: Size::Position(place % n, place / n) });
    }
    let size = |i: usize| c[(i, i)].modulus().to_f64();
    for j in 0..n {
        for i in 0..j {
            let gap = (c[(i, j)] - c[(j, i)].conj()).modulus().to_f64();
            if !(gap <= 1e4 * T::Real::EPSILON.to_f64() * (size(i) * size(j)).sqrt().max(c[(i, j)].modulus().to_f64())) {
                return Err(Error::Parameter {
                    name: "the difference between an entry of a covariance or precision and the conjugate of its mirror image",
                    value: gap,
                    must_be: "0: the matrix must equal its conjugate transpose; (C + Cᴴ)/2 does",
                });
            }
        }
    }
    Ok(c)
}

fn eigen<T: Scalar>(c: &Mat<T>) -> Result<(Vec<f64>, Mat<T>)> {
    let n = c.nrows();
    let (mut values, mut vectors) = (vec![T::ZERO; n], linalg::zeros(n, n));
    T::self_adjoint_eigen(c.as_ref(), &mut values, vectors.as_mut(), Threads::available()).map_err(|_| Error::NotConverged {
        method: "the eigenvalues of a covariance",
        steps: 0,
        reached: f64::INFINITY,
        tolerance: f64::EPSILON,
        instead: "rescale it, or add a small multiple of the identity",
    })?;
    Ok((values.iter().map(|v| v.real().to_f64()).collect(), vectors))
}

/// G with C = GGᴴ in the lower triangle; `None` where C is not positive definite to working precision.
fn cholesky<T: Scalar>(c: &Mat<T>) -> Option<Mat<T>> {
    let n = c.nrows();
    let mut g = c.clone();
    T::cholesky(g.as_mut(), Threads::available()).ok()?;
    let g = Mat::from_fn(n, n, |i, j| if i >= j { g[(i, j)] } else { T::ZERO });
    let condition = linalg::condition_upper(linalg::adjoint(g.as_ref()).as_ref());
    (condition * condition * T::Real::EPSILON.to_f64() < 0.1).then_some(g)
}

/// L = G⁻¹.
pub(crate) fn of_covariance<T: Scalar>(c: &dyn Operator<Scalar = T>) -> Result<SharedRoot<T>> {
    let c = hermitian(c, "the covariance matrix")?;
    let n = c.nrows();
    let Some(g) = cholesky(&c) else {
        let least = eigen(&c)?.0.first().copied().unwrap_or(0.0);
        return Err(Error::Parameter {
            name: "the smallest eigenvalue of the covariance",
            value: least,
            must_be: "positive, and not lost in rounding beside the largest; add a small multiple of the identity (a nugget), or give its inverse to Penalty::precision",
        });
    };
    let mut inverse = linalg::zeros(n, n);
    T::invert_lower(g.as_ref(), inverse.as_mut(), Threads::available());
    Ok(SharedRoot(Arc::new(Root::Dense(Mat::from_fn(n, n, |i, j| if i >= j { inverse[(i, j)] } else { T::ZERO })))))
}

/// L = Gᴴ; of a singular P the rows that belong to its positive eigenvalues.
pub(crate) fn of_precision<T: Scalar>(p: &dyn Operator<Scalar = T>) -> Result<SharedRoot<T>> {
    let p = hermitian(p, "the precision matrix")?;
    let n = p.nrows();
    if let Some(g) = cholesky(&p) {
        return Ok(SharedRoot(Arc::new(Root::Dense(linalg::adjoint(g.as_ref())))));
    }
    let (values, vectors) = eigen(&p)?;
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let rounding = n.max(1) as f64 * T::Real::EPSILON.to_f64() * largest;
    if let Some(&least) = values.first().filter(|&&least| least < -rounding) {
        return Err(Error::Parameter {
            name: "the smallest eigenvalue of the precision",
            value: least,
            must_be: "≥ 0: no prior has a negative precision; a precision that is meant to be singular must be so to rounding",
        });
    }
    let kept: Vec<usize> = (0..n).filter(|&k| values[k] > rounding).collect();
    let root = |i: usize, j: usize| vectors[(j, kept[i])].conj().scale(T::Real::from_f64(values[kept[i]].sqrt()));
    Ok(SharedRoot(Arc::new(Root::Dense(Mat::from_fn(kept.len(), n, root)))))
}

/// L of a function of distance.
pub(crate) fn of_kernel<T: Scalar>(grid: &Grid, covariance: &Covariance, boundary: Boundary) -> Result<SharedRoot<T>> {
    match boundary {
        Boundary::Free => {
            let c = covariance.matrix::<T>(grid)?;
            of_covariance(&DenseView::from_matrix(c.as_ref()))
        }
        Boundary::Periodic => circular(grid, covariance),
        _ => Err(Error::Unsupported {
            what: "a covariance on a grid",
            with: "this boundary",
            instead: "use Boundary::Free (the process goes on beyond the edges) or Boundary::Periodic",
        }),
    }
}

/// C^(−½) as a circular convolution.
fn circular<T: Scalar>(grid: &Grid, covariance: &Covariance) -> Result<SharedRoot<T>> {
    use crate::fourier::{Plane, Workspace};
    use crate::operator::{Kernel, convolution};
    let (rows, columns) = (grid.sizes()[0], grid.sizes().get(1).copied().unwrap_or(1));
    let n = rows * columns;
    if n == 0 {
        return Ok(SharedRoot(Arc::new(Root::Dense(linalg::zeros(0, 0)))));
    }
    // in double precision whatever the scalar type: the smallest eigenvalues decide
    let column = covariance.periodic(grid)?;
    let plane = Plane::<f64>::new(rows, columns);
    let mut workspace = Workspace::new(&plane, Threads::available().0);
    let (height, width) = plane.bins();
    let mut bins = vec![<f64 as Scalar>::Complex::ZERO; height * width];
    plane.forward(&column, &mut bins, &mut workspace);
    let (mut least, mut largest) = (f64::INFINITY, 0.0f64);
    for bin in &mut bins {
        let value = bin.real();
        (least, largest) = (least.min(value), largest.max(value));
        *bin = <f64 as Scalar>::Complex::from_real(value.abs().sqrt().recip() / n as f64);
    }
    if !(least > 8.0 * f64::EPSILON * largest) {
        return Err(Error::Parameter {
            name: "the smallest eigenvalue of the covariance",
            value: least,
            must_be: "positive, and not lost in rounding beside the largest; take a shorter length or a nugget (1e-10, say)",
        });
    }
    let mut kernel = vec![0.0; n];
    plane.inverse(&mut bins, &mut kernel, &mut workspace);
    let kernel: Vec<T> = kernel.into_iter().map(|v| T::from_real(T::Real::from_f64(v))).collect();
    let kernel = Kernel::new(&kernel, rows, columns)?.centre(0, 0)?;
    Ok(SharedRoot(Arc::new(Root::Circular(Box::new(convolution(rows, columns, &kernel, Boundary::Periodic)?)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{Kernels, Op};

    fn applied<T: Scalar>(l: &SharedRoot<T>, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; l.shape().0];
        l.apply(x, &mut y);
        y
    }

    /// ν = ½, 3/2, 5/2, 7/2 in the form that textbooks print, and the limit of large ν.
    #[test]
    fn matern() {
        for r in [0.0_f64, 0.3, 1.0, 4.0] {
            let s = |nu: f64| (2.0 * nu).sqrt() * r;
            let printed = [
                (0.5, (-r).exp()),
                (1.5, (1.0 + s(1.5)) * (-s(1.5)).exp()),
                (2.5, (1.0 + s(2.5) + s(2.5).powi(2) / 3.0) * (-s(2.5)).exp()),
                (3.5, (1.0 + s(3.5) + 0.4 * s(3.5).powi(2) + s(3.5).powi(3) / 15.0) * (-s(3.5)).exp()),
            ];
            for (nu, expected) in printed {
                assert!((Covariance::matern(nu, 1.0).at(r) - expected).abs() < 1e-15, "{nu} {r}");
            }
            assert!((Covariance::matern(19.5, 1.0).at(r) - Covariance::squared_exponential(1.0).at(r)).abs() < 0.03);
        }
    }

    /// ‖Lz‖² = zᵀC⁻¹z: C times LᵀLz gives z back, for a matrix, its inverse, and a circular grid.
    #[test]
    fn roots() {
        let grid = Grid::new(&[5, 4]).unwrap().spacing(&[0.5, 1.0]).unwrap();
        let kernel = Covariance::matern(1.5, 0.8);
        let z: Vec<f64> = (0..20).map(|k| ((k * k) as f64).sin()).collect();
        let c = kernel.matrix::<f64>(&grid).unwrap();
        let back = |c: &Mat<f64>, l: &SharedRoot<f64>| {
            let y = applied(l, &z);
            let mut w = vec![0.0; 20];
            l.apply_adjoint(&y, &mut w);
            let mut v = vec![0.0; 20];
            DenseView::from_matrix(c.as_ref()).apply(&w, &mut v);
            v.iter().zip(&z).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()))
        };
        let l = of_covariance(&DenseView::from_matrix(c.as_ref())).unwrap();
        assert!(back(&c, &l) < 1e-12);
        // P = LᵀL of that is the precision: its root has the same norm
        let mut p = linalg::zeros(20, 20);
        let Root::Dense(root) = &*l.0 else { panic!() };
        f64::product(p.as_mut(), linalg::Accum::Replace, 1.0, root.as_ref(), Op::Adjoint, root.as_ref(), Op::None, Threads::ONE);
        assert!(back(&c, &of_precision(&DenseView::from_matrix(p.as_ref())).unwrap()) < 1e-11);
    }

    /// A circulant C built entry by entry from the images, and a long period, where it is the covariance of the line.
    #[test]
    fn circular_grids() {
        let grid = Grid::new(&[6, 5]).unwrap().spacing(&[1.0, 1.5]).unwrap();
        let kernel = Covariance::matern(0.5, 1.3);
        let column = kernel.periodic(&grid).unwrap();
        let c = Mat::from_fn(30, 30, |p, q| {
            let (i, j) = ((p % 6 + 6 - q % 6) % 6, (p / 6 + 5 - q / 6) % 5);
            column[i + 6 * j]
        });
        let l = of_kernel::<f64>(&grid, &kernel, Boundary::Periodic).unwrap();
        let z: Vec<f64> = (0..30).map(|k| ((k * k) as f64).sin()).collect();
        let (y, mut w, mut v) = (applied(&l, &z), vec![0.0; 30], vec![0.0; 30]);
        l.apply_adjoint(&y, &mut w);
        DenseView::from_matrix(c.as_ref()).apply(&w, &mut v);
        assert!(v.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-12));
        let line = Grid::new(&[200]).unwrap();
        let column = Covariance::matern(2.5, 2.0).periodic(&line).unwrap();
        assert!((0..20).all(|k| (column[k] - Covariance::matern(2.5, 2.0).at(k as f64)).abs() < 1e-15));
    }

    #[test]
    fn refusals() {
        let indefinite = [1.0, 2.0, 2.0, 1.0];
        let view = DenseView::column_major(&indefinite, 2, 2).unwrap();
        for text in [of_covariance(&view).err().unwrap().to_string(), of_precision(&view).err().unwrap().to_string()] {
            assert!(text.contains("smallest eigenvalue") && text.contains("is -1"), "{text}");
        }
        let lopsided = [1.0, 0.5, 0.0, 1.0];
        let text = of_covariance(&DenseView::column_major(&lopsided, 2, 2).unwrap()).err().unwrap().to_string();
        assert!(text.contains("mirror image"), "{text}");
        // singular: a covariance is refused, a precision is a prior that leaves a direction free
        let singular = [1.0, -1.0, -1.0, 1.0];
        let view = DenseView::column_major(&singular, 2, 2).unwrap();
        assert!(of_covariance(&view).is_err());
        assert_eq!(of_precision(&view).unwrap().shape(), (1, 2));
        let grid = Grid::new(&[30]).unwrap();
        assert!(of_kernel::<f64>(&grid, &Covariance::squared_exponential(5.0).nugget(0.0), Boundary::Free).is_err());
        assert!(of_kernel::<f64>(&grid, &Covariance::squared_exponential(5.0), Boundary::Free).is_ok());
        for covariance in [Covariance::matern(1.0, 1.0), Covariance::matern(1.5, 0.0), Covariance::matern(0.5, 1.0).nugget(-1.0)] {
            assert!(matches!(covariance.matrix::<f64>(&grid), Err(Error::Parameter { .. })));
        }
        assert!(matches!(of_kernel::<f64>(&grid, &Covariance::exponential(1.0), Boundary::Zero), Err(Error::Unsupported { .. })));
    }
}
