//! Inverse interpolation: values x on a regular grid of the unit square which, interpolated bilinearly, give the values b at random
//! points.
//!
//! A row of A holds the four weights of a point in its cell. x and b are values of sin(πξ)·sin(πη/2): ‖Ax − b‖ is the
//! error of the interpolation. Where a node has no point near it, A has a column of zeros. From IR Tools (`PRinvinterp2`, linear).

use super::forward::SparseRows;
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem};
use crate::error::Error;
use crate::operator::Boundary;
use crate::random::Random;
use core::f64::consts::{FRAC_PI_2, PI};

/// Values on an n×n grid from those at n² random points; the seed gives the points. Rank-deficient, as some nodes are seen by no
/// point, and others by few: a penalty on differences fills the gaps.
///
/// # Errors
/// [`Error::Parameter`] for n < 2.
///
/// ```
/// use wellposed::gallery::inverse_interpolation;
/// use wellposed::operator::Operator;
/// let problem = inverse_interpolation(10, 1)?;
/// // the weights of a point add up to 1
/// let mut sums = [0.0; 100];
/// problem.a.apply(&[1.0; 100], &mut sums);
/// assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-14));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn inverse_interpolation(n: usize, seed: u64) -> Result<TestProblem> {
    if n < 2 {
        return Err(Error::Parameter { name: "the number of nodes along a side", value: n as f64, must_be: "at least 2" });
    }
    let function = |x: f64, y: f64| (PI * x).sin() * (FRAC_PI_2 * y).sin();
    let cells = (n - 1) as f64;
    let mut random = Random::new(seed);
    let mut a = SparseRows::new(n * n);
    let mut b = Vec::with_capacity(n * n);
    for _ in 0..n * n {
        let (x, y) = (random.uniform(), random.uniform());
        b.push(function(x, y));
        // cell and place inside; uniform() is below 1
        let (column, row) = ((x * cells).floor().min(cells - 1.0), (y * cells).floor().min(cells - 1.0));
        let (right, down) = (x * cells - column, y * cells - row);
        let node = column as usize * n + row as usize;
        a.push([
            (node, (1.0 - right) * (1.0 - down)),
            (node + 1, (1.0 - right) * down),
            (node + n, right * (1.0 - down)),
            (node + n + 1, right * down),
        ]);
    }
    let x = (0..n * n).map(|k| function((k / n) as f64 / cells, (k % n) as f64 / cells)).collect();
    Ok(TestProblem {
        name: "inverse-interpolation",
        a: Forward::from_operator(a),
        b,
        x: Some(x),
        facts: Facts {
            models: "values on a grid, from those at scattered points",
            ill_posedness: IllPosedness::Mild,
            derivative: 2,
            boundary: Boundary::Free,
            consistent: false,
            unknowns: Layout::Grid { rows: n, columns: n },
            data: Layout::Scattered(n * n),
            reference: "S. Gazzola, P. C. Hansen, J. G. Nagy, Numer. Algorithms 81 (2019) 773",
        },
    })
}
