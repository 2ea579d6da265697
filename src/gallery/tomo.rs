//! Tomography with random rays: b are line integrals of an image along rays through two random points each.
//!
//! A row of A holds the lengths that a ray has in the pixels it crosses, fewer than 2N of N². From Regularization Tools.

use super::forward::SparseRows;
use super::image::{check_side, phantom};
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_positive};
use crate::error::Error;
use crate::operator::Boundary;
use crate::random::Random;

/// An image of `size`×`size` pixels of side 1 from round(`rays_per_pixel`·size²) line integrals along random rays (1 ray a
/// pixel in Regularization Tools). The seed gives the rays.
///
/// # Errors
/// [`Error::Parameter`] for a size below 4, or a number of rays a pixel that is not positive or makes more than 10⁸ rays.
///
/// ```
/// use wellposed::gallery::tomo;
/// use wellposed::operator::Operator;
/// let problem = tomo(12, 1.5, 1)?;
/// assert_eq!(problem.a.shape(), (216, 144));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn tomo(size: usize, rays_per_pixel: f64, seed: u64) -> Result<TestProblem> {
    check_side(size)?;
    check_positive("the number of rays a pixel", rays_per_pixel)?;
    let rays = (rays_per_pixel * (size * size) as f64).round();
    if rays > 1e8 {
        return Err(Error::Parameter { name: "the number of rays", value: rays, must_be: "at most 1e8: take fewer rays a pixel" });
    }
    let mut random = Random::new(seed);
    let side = size as f64;
    let mut a = SparseRows::new(size * size);
    for _ in 0..rays as usize {
        let mut point = || [side * random.uniform(), side * random.uniform()];
        a.push(lengths(point(), point(), size));
    }
    let facts = Facts {
        models: "an image from line integrals along random rays",
        ill_posedness: IllPosedness::Mild,
        derivative: 0,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Grid { rows: size, columns: size },
        data: Layout::Scattered(rays as usize),
        reference: "P. C. Hansen, Numer. Algorithms 46 (2007) 189",
    };
    Ok(TestProblem::consistent("tomo", Forward::from_operator(a), phantom(size), facts))
}

/// The pixels that the line through two points crosses, with the lengths inside them. The first coordinate runs along the rows
/// (from column to column), the second down the columns.
fn lengths(from: [f64; 2], to: [f64; 2], size: usize) -> Vec<(usize, f64)> {
    let side = size as f64;
    let direction = [to[0] - from[0], to[1] - from[1]];
    let norm = direction[0].hypot(direction[1]);
    if norm == 0.0 {
        // no line: a ray that sees nothing
        return Vec::new();
    }
    // the part of the line in the square
    let (mut enter, mut leave) = (f64::NEG_INFINITY, f64::INFINITY);
    for axis in 0..2 {
        let ends = [-from[axis] / direction[axis], (side - from[axis]) / direction[axis]];
        // a line parallel to an axis stays between its walls: both points are inside
        if direction[axis] != 0.0 {
            enter = enter.max(ends[0].min(ends[1]));
            leave = leave.min(ends[0].max(ends[1]));
        }
    }
    let mut crossings = vec![enter, leave];
    for axis in 0..2 {
        let walls = (0..=size).map(|wall| (wall as f64 - from[axis]) / direction[axis]);
        crossings.extend(walls.filter(|&at| at > enter && at < leave));
    }
    crossings.sort_by(f64::total_cmp);
    let pixel = |at: f64, axis: usize| ((from[axis] + at * direction[axis]).max(0.0) as usize).min(size - 1);
    crossings
        .windows(2)
        .filter(|ends| ends[1] > ends[0])
        .map(|ends| {
            let middle = 0.5 * (ends[0] + ends[1]);
            (pixel(middle, 0) * size + pixel(middle, 1), (ends[1] - ends[0]) * norm)
        })
        .collect()
}
