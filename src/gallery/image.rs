//! Image deblurring: b is an image x seen through a Gaussian point spread function, cut off at a half-bandwidth; zeros beyond the
//! edges.
//!
//! A = T ⊗ T/(2πσ²) with a banded Toeplitz matrix T: two sparse products, 4N²·(2·band − 1) multiplications in all. From
//! Regularization Tools; the image is also that of [`tomo`](super::tomo).

use super::forward::{Separable, SparseRows};
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_positive};
use crate::error::Error;
use crate::operator::Boundary;

/// An image of `size`×`size` pixels behind a Gaussian of standard deviation `sigma` pixels (0.7 in Regularization Tools), of
/// which pixels less than `band` away count in each direction (3 there). Mildly to moderately ill-posed: wider Gaussians are worse.
///
/// # Errors
/// [`Error::Parameter`] for a size below 4, a band of 0, or a σ that is not positive and finite.
///
/// ```
/// use wellposed::gallery::blur;
/// use wellposed::operator::{Operator, dot_test};
/// let problem = blur(16, 3, 0.7)?;
/// assert_eq!(problem.a.shape(), (256, 256));
/// dot_test(&problem.a)?;
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn blur(size: usize, band: usize, sigma: f64) -> Result<TestProblem> {
    check_side(size)?;
    check_positive("the standard deviation σ of the blur", sigma)?;
    if band == 0 {
        return Err(Error::Parameter { name: "the half-bandwidth of the blur", value: 0.0, must_be: "at least 1" });
    }
    let scale = 1.0 / ((2.0 * core::f64::consts::PI).sqrt() * sigma);
    let blurred_line = || {
        let mut rows = SparseRows::new(size);
        for i in 0..size {
            let near = (i + 1).saturating_sub(band)..i.saturating_add(band).min(size);
            rows.push(near.map(|j| (j, scale * (-(i.abs_diff(j) as f64 / sigma).powi(2) / 2.0).exp())));
        }
        rows
    };
    let facts = Facts {
        models: "an image seen through a Gaussian point spread function",
        ill_posedness: IllPosedness::Mild,
        derivative: 0,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Grid { rows: size, columns: size },
        data: Layout::Grid { rows: size, columns: size },
        reference: "P. C. Hansen, Numer. Algorithms 46 (2007) 189",
    };
    let a = Forward::from_operator(Separable { along: blurred_line(), across: blurred_line() });
    Ok(TestProblem::consistent("blur", a, phantom(size), facts))
}

/// `size`, if the image has room for its shapes.
pub(super) fn check_side(size: usize) -> Result<usize> {
    if size >= 4 {
        return Ok(size);
    }
    Err(Error::Parameter { name: "the side of the image", value: size as f64, must_be: "at least 4" })
}

/// Two ellipses (1, 2), a triangle (3) and a cross (4) on black, column after column; shapes are cut at the edge.
pub(super) fn phantom(size: usize) -> Vec<f64> {
    let part = |of: usize| (size as f64 / of as f64).round() as usize;
    let (half, third, sixth, twelfth) = (part(2), part(3), part(6), part(12));
    let mut image = vec![0.0; size * size];
    let mut paint = |row: usize, column: usize, change: &dyn Fn(f64) -> f64| {
        if row < size && column < size {
            let pixel = &mut image[row + column * size];
            *pixel = change(*pixel);
        }
    };
    // quarter i, j of an ellipse with these half axes, counted from its middle
    let inside = |i: usize, j: usize, limit: f64| {
        let from_middle = |k: usize, axis: usize| if k < axis { axis - k } else { k + 1 - axis } as f64 / axis as f64;
        from_middle(i, sixth).powi(2) + from_middle(j, third).powi(2) < limit
    };
    let left = third.saturating_sub(1);
    for i in 0..2 * sixth {
        for j in 0..2 * third {
            if inside(i, j, 1.0) {
                paint(2 + i, left + j, &|_| 1.0);
            }
        }
    }
    for i in 0..2 * sixth {
        for j in 0..2 * third {
            if inside(i, j, 0.6) {
                paint(sixth + i, left + j, &|_| 2.0);
            }
        }
    }
    for i in 0..third {
        for j in 0..third {
            paint(third + twelfth + i, 1 + j, &|_| if i <= j { 3.0 } else { 0.0 });
        }
    }
    for i in 0..=2 * sixth {
        for j in 0..=2 * sixth {
            paint(half + twelfth + i, half + j, &|_| if i == sixth || j == sixth { 4.0 } else { 0.0 });
        }
    }
    image
}
