//! Parallel-beam tomography: the phantom of [`shepp_logan`](super::shepp_logan) from line integrals at equally spaced angles.
//!
//! A is [`parallel_beam`], never stored: each product walks the lines afresh. [`tomo`](super::tomo) has random rays instead,
//! and entries.

use super::image::check_side;
use super::shepp_logan::shepp_logan;
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem};
use crate::error::Error;
use crate::operator::Boundary;
use crate::operator::parallel_beam;

/// An image of `size`×`size` pixels of side 1 seen from `views` angles kπ/views, each by ⌈√2·size⌉ parallel lines, one pixel
/// apart: every pixel is seen from everywhere. b is the sinogram, view after view.
///
/// # Errors
/// [`Error::Parameter`] for a size below 4, or a number of views that is 0 or above 10⁶; [`Error::Shape`] for an image or sinogram too large for memory.
///
/// ```
/// use wellposed::gallery::parallel_tomography;
/// use wellposed::operator::{Operator, dot_test};
/// let scan = parallel_tomography(24, 30)?;
/// assert_eq!(scan.a.shape(), (34 * 30, 24 * 24));
/// dot_test(&scan.a)?;
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn parallel_tomography(size: usize, views: usize) -> Result<TestProblem> {
    check_side(size)?;
    if !(1..=1_000_000).contains(&views) {
        return Err(Error::Parameter { name: "the number of views", value: views as f64, must_be: "at least 1, and at most 1e6" });
    }
    let x = shepp_logan(size)?;
    let angles: Vec<f64> = (0..views).map(|k| core::f64::consts::PI * k as f64 / views as f64).collect();
    let detectors = (core::f64::consts::SQRT_2 * size as f64).ceil() as usize;
    let a = Forward::from_operator(parallel_beam(size, &angles, detectors, 1.0)?);
    let facts = Facts {
        models: "a section through a head from its X-ray projections",
        ill_posedness: IllPosedness::Mild,
        // the phantom is flat but for its edges
        derivative: 1,
        // air around the head
        boundary: Boundary::Zero,
        consistent: true,
        unknowns: Layout::Grid { rows: size, columns: size },
        data: Layout::Grid { rows: detectors, columns: views },
        reference: "S. Gazzola, P. C. Hansen, J. G. Nagy, Numer. Algorithms 81 (2019) 773",
    };
    Ok(TestProblem::consistent("parallel-tomography", a, x, facts))
}
