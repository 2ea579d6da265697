//! The phantom of Shepp and Logan: what tomography and deblurring are shown on.

use super::Result;
use super::image::check_side;
use crate::error::{Error, Size};

/// Grey value, half axes, centre, and angle in degrees of ten ellipses in the square [−1, 1]², with the contrasts that Toft's
/// thesis (1996) gave them so that they can be seen.
const ELLIPSES: [[f64; 6]; 10] = [
    [1.0, 0.69, 0.92, 0.0, 0.0, 0.0],
    [-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0],
    [-0.2, 0.11, 0.31, 0.22, 0.0, -18.0],
    [-0.2, 0.16, 0.41, -0.22, 0.0, 18.0],
    [0.1, 0.21, 0.25, 0.0, 0.35, 0.0],
    [0.1, 0.046, 0.046, 0.0, 0.1, 0.0],
    [0.1, 0.046, 0.046, 0.0, -0.1, 0.0],
    [0.1, 0.046, 0.023, -0.08, -0.605, 0.0],
    [0.1, 0.023, 0.023, 0.0, -0.606, 0.0],
    [0.1, 0.023, 0.046, 0.06, -0.605, 0.0],
];

/// The phantom of Shepp and Logan (1974, IEEE Trans. Nucl. Sci. 21:21) with Toft's contrasts, a head in section: `size`×`size`
/// grey values between 0 and 1, stored column after column, row 0 on top. Each pixel has the value at its middle.
///
/// # Errors
/// [`Error::Parameter`] for a size below 4; [`Error::Shape`] for one whose square is no length of a vector.
///
/// ```
/// let head = wellposed::gallery::shepp_logan(64)?;
/// assert_eq!(head.len(), 64 * 64);
/// assert_eq!((head[0], head[32 + 64 * 32]), (0.0, 0.2)); // outside, and in the middle
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn shepp_logan(size: usize) -> Result<Vec<f64>> {
    check_side(size)?;
    let pixels = size.checked_mul(size).filter(|&pixels| pixels <= isize::MAX as usize / size_of::<f64>());
    let pixels = pixels.ok_or(Error::Shape {
        what: "the phantom",
        found: Size::Shape(size, size),
        expected: Size::Shape(1 << 20, 1 << 20),
        hint: "it must have as many pixels as a vector can have values",
    })?;
    let ellipses = ELLIPSES.map(|[grey, a, b, x, y, angle]| (grey, [a, b], [x, y], angle.to_radians().sin_cos()));
    let value = |t: usize| {
        let at = |k: usize| (k as f64 + 0.5) / size as f64 * 2.0 - 1.0;
        let (x, y) = (at(t / size), -at(t % size));
        let inside = |[a, b]: [f64; 2], [x0, y0]: [f64; 2], (sine, cosine): (f64, f64)| {
            let (dx, dy) = (x - x0, y - y0);
            ((dx * cosine + dy * sine) / a).powi(2) + ((dy * cosine - dx * sine) / b).powi(2) <= 1.0
        };
        let grey: f64 = ellipses.iter().filter(|(_, axes, centre, turn)| inside(*axes, *centre, *turn)).map(|ellipse| ellipse.0).sum();
        // tenths, and never below black: sums such as 1 − 0.8 − 0.2 leave rounding errors
        (10.0 * grey).round() / 10.0
    };
    Ok((0..pixels).map(value).collect())
}
