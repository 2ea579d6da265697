//! Inverse diffusion on a plate: x is u(0) and b is u(T) of ∂u/∂t = ∂²u/∂ξ² + ∂²u/∂η² on the unit square, without flow through its
//! sides.
//!
//! Linear finite elements on n×n nodes, each square cut into two triangles along the same diagonal, and Crank and Nicolson's steps:
//! (C + τK/2)·u⁺ = (C − τK/2)·u with mass matrix C, stiffness matrix K and step τ. Both matrices are symmetric, so that the adjoint
//! multiplies by C − τK/2 after solving, exactly. From IR Tools (`PRdiffusion`).
//!
//! Cost: a band Cholesky factorization of n²·n² multiplications once; a product, 3n³ of them a step.

use super::banded::{Band, Factor};
use super::{Facts, Forward, IllPosedness, Layout, Result, TestProblem, check_positive};
use crate::error::Error;
use crate::operator::Boundary;
use crate::operator::Operator;

/// The temperature on a plate of `size`×`size` nodes from that at a later `time`, in so many `steps` (0.01 and 100 in IR Tools).
/// Severely ill-posed, more so for later times.
///
/// # Errors
/// [`Error::Parameter`] for a size below 2, no steps, or a time that is not positive and finite.
///
/// ```
/// use wellposed::gallery::diffusion;
/// let problem = diffusion(12, 0.01, 10)?;
/// // heat is spread, not lost
/// let hottest = |u: &[f64]| u.iter().copied().fold(0.0, f64::max);
/// assert!(problem.x.is_some_and(|x| hottest(&problem.b) < 0.8 * hottest(&x)));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn diffusion(size: usize, time: f64, steps: usize) -> Result<TestProblem> {
    if size < 2 {
        return Err(Error::Parameter { name: "the number of nodes along a side", value: size as f64, must_be: "at least 2" });
    }
    if steps == 0 {
        return Err(Error::Parameter { name: "the number of time steps", value: 0.0, must_be: "at least 1" });
    }
    check_positive("the time of the data", time)?;
    let bump = |at: [f64; 2], middle: [f64; 2], width: [f64; 2]| {
        (-((at[0] - middle[0]) / width[0]).powi(2) - ((at[1] - middle[1]) / width[1]).powi(2)).exp()
    };
    let x = (0..size * size)
        .map(|node| {
            let at = [node / size, node % size].map(|k| k as f64 / (size - 1) as f64);
            0.7 * bump(at, [0.4, 0.5], [0.12, 0.15]) + bump(at, [0.7, 0.4], [0.1, 0.08])
        })
        .collect();
    let facts = Facts {
        models: "the temperature on a plate, from what is left of it at a later time",
        ill_posedness: IllPosedness::Severe,
        derivative: 1,
        boundary: Boundary::Free,
        consistent: true,
        unknowns: Layout::Grid { rows: size, columns: size },
        data: Layout::Grid { rows: size, columns: size },
        reference: "S. Gazzola, P. C. Hansen, J. G. Nagy, Numer. Algorithms 81 (2019) 773",
    };
    let a = Forward::from_operator(Steps::new(size, time / steps as f64, steps));
    Ok(TestProblem::consistent("diffusion", a, x, facts))
}

/// The time steps.
struct Steps {
    nodes: usize,
    steps: usize,
    /// C − τK/2.
    forward: Band,
    /// C + τK/2.
    backward: Factor,
}

impl Steps {
    fn new(size: usize, step: f64, steps: usize) -> Self {
        let nodes = size * size;
        let (mut forward, mut backward) = (Band::zero(nodes, size + 1), Band::zero(nodes, size + 1));
        let h = 1.0 / (size - 1) as f64;
        let area = h * h / 2.0;
        // the right angle first: its gradient is minus the sum of the others', which are unit vectors over h
        let stiffness = [[1.0, -0.5, -0.5], [-0.5, 0.5, 0.0], [-0.5, 0.0, 0.5]];
        for column in 0..size - 1 {
            for row in 0..size - 1 {
                let corner = row + column * size;
                // both triangles of the square share the diagonal from this corner to the opposite one
                for triangle in [[corner + size, corner, corner + size + 1], [corner + 1, corner, corner + size + 1]] {
                    for p in 0..3 {
                        for q in 0..=p {
                            let mass = area / if p == q { 6.0 } else { 12.0 };
                            let flow = 0.5 * step * stiffness[p][q];
                            forward.add(triangle[p], triangle[q], mass - flow);
                            backward.add(triangle[p], triangle[q], mass + flow);
                        }
                    }
                }
            }
        }
        Self { nodes, steps, forward, backward: backward.factor() }
    }
}

impl Operator for Steps {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (self.nodes, self.nodes)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let mut u = x.to_vec();
        for _ in 0..self.steps {
            self.forward.apply(&u, y);
            self.backward.solve(y);
            u.copy_from_slice(y);
        }
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        let mut u = y.to_vec();
        for _ in 0..self.steps {
            self.backward.solve(&mut u);
            self.forward.apply(&u, x);
            u.copy_from_slice(x);
        }
    }
}
