//! Image deblurring: b is a picture x behind a lens out of focus, a moving camera or turbulent air; what lies beyond the edges is
//! named.
//!
//! A is the [`convolution`] with one of the kernels of [`kernel`](crate::operator::kernel): two fast Fourier transforms a product.
//! With periodic boundaries, and with reflective ones where the kernel equals its mirror images (the Gaussian and defocus), a
//! fast transform diagonalises A. Next to [`blur`](super::blur) (a narrow Gaussian, zeros beyond the edges, a picture that
//! Regularization Tools made) these are the blurs of IR Tools, on the phantom of [`shepp_logan`](super::shepp_logan).

use super::shepp_logan::shepp_logan;
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem};
use crate::error::Error;
use crate::operator::{Boundary, convolution, defocus_kernel, gaussian_kernel, motion_kernel};

/// What a point of light becomes, with sum 1; lengths in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PointSpread {
    /// A Gaussian of this standard deviation: [`gaussian_kernel`].
    Gaussian(f64),
    /// A straight stroke: [`motion_kernel`].
    Motion {
        /// Its length.
        length: f64,
        /// Its angle in radians, 0 along a row, anticlockwise.
        angle: f64,
    },
    /// A disc of this radius: [`defocus_kernel`].
    Defocus(f64),
}

/// The phantom of `size`×`size` pixels behind a point spread function; b = Ax is consistent, for every boundary. With
/// [`Boundary::Free`] only the pixels whose whole surroundings are given are data: fewer than unknowns.
///
/// A Gaussian is severely ill-posed, stroke and disc are mildly so.
///
/// [`Facts::penalty`] leaves the edges free. For a periodic picture take `Penalty::first_difference_2d` with
/// [`Boundary::Periodic`] instead: then the same transform diagonalises it, and every rule is exact.
///
/// # Errors
/// [`Error::Parameter`] for a size below 4, or below that of the kernel where the boundary is free; and for lengths that the
/// kernels refuse. [`Error::Shape`] for a picture too large for memory.
///
/// ```
/// use wellposed::gallery::{PointSpread, deblurring, noise};
/// use wellposed::{Boundary, Gcv, Problem};
///
/// let picture = deblurring(48, PointSpread::Defocus(2.5), Boundary::Reflective)?;
/// let noisy = noise::gaussian(&picture.b, 0.01, 1)?;
/// let fit = Problem::new(&picture.a).penalty(picture.facts.penalty()).solve(&noisy.b, Gcv)?;
/// assert_eq!(fit.report.method, "fast transform");
/// assert!(picture.relative_error(&fit.x)? < 0.6 * picture.relative_error(&noisy.b)?);
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn deblurring(size: usize, spread: PointSpread, boundary: Boundary) -> Result<TestProblem> {
    let (kernel, models, ill_posedness, names) = match spread {
        PointSpread::Gaussian(sigma) => (
            gaussian_kernel(sigma, sigma)?,
            "a picture through turbulent air",
            IllPosedness::Severe,
            ["deblur-gaussian-free", "deblur-gaussian-zero", "deblur-gaussian-periodic", "deblur-gaussian-reflective"],
        ),
        PointSpread::Motion { length, angle } => (
            motion_kernel(length, angle)?,
            "a picture from a camera that moved",
            IllPosedness::Mild,
            ["deblur-motion-free", "deblur-motion-zero", "deblur-motion-periodic", "deblur-motion-reflective"],
        ),
        PointSpread::Defocus(radius) => (
            defocus_kernel(radius)?,
            "a picture out of focus",
            IllPosedness::Mild,
            ["deblur-defocus-free", "deblur-defocus-zero", "deblur-defocus-periodic", "deblur-defocus-reflective"],
        ),
    };
    let [free, zero, periodic, reflective] = names;
    let name = match boundary {
        Boundary::Free => free,
        Boundary::Zero => zero,
        Boundary::Periodic => periodic,
        Boundary::Reflective => reflective,
    };
    let x = shepp_logan(size)?;
    let (rows, columns) = match boundary {
        Boundary::Free => ((size + 1).saturating_sub(kernel.shape().0), (size + 1).saturating_sub(kernel.shape().1)),
        _ => (size, size),
    };
    if rows == 0 || columns == 0 {
        return Err(Error::Parameter {
            name: "the side of the image",
            value: size as f64,
            must_be: "at least that of the kernel where the boundary is free: no pixel has its whole surroundings in the image",
        });
    }
    let facts = Facts {
        models,
        ill_posedness,
        // the phantom is flat but for its edges
        derivative: 1,
        boundary,
        consistent: true,
        unknowns: Layout::Grid { rows: size, columns: size },
        data: Layout::Grid { rows, columns },
        reference: "S. Gazzola, P. C. Hansen, J. G. Nagy, Numer. Algorithms 81 (2019) 773",
    };
    let a = Forward::from_operator(convolution(size, size, &kernel, boundary)?);
    Ok(TestProblem::consistent(name, a, x, facts))
}
