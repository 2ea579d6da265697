//! Bounded least squares by an active set whose triangular factor is updated: every digit that the condition leaves, and no
//! assumption on the rank.
//!
//! ```text
//! min ‖Mz − c‖²   subject to   lo ≤ z ≤ hi         M any k×n matrix, usually [A; √λL]
//! ```
//! The method of Stark and Parker 1995 (Computational Statistics 10:129), which is that of Lawson and Hanson 1974 (ch. 23,
//! doi:10.1137/1.9781611971217) with two bounds: the component whose gradient points most strongly off its bound is freed, the
//! least-squares problem of the free components is solved, and on the way to its solution the first component that meets a bound
//! is held there. The objective falls with every step, so that no set of free components comes back: it ends.
//!
//! M = UW, U orthogonal and never formed: W is M itself, transformed, with the free columns F upper triangular (T) in its first
//! rows, and w = Uᵀc. To free a column is one Householder reflection of the rows below, to hold one a sweep of Givens rotations
//! (Golub, Van Loan 2013 §6.5), both over all columns: O(kn) each. A column is freed only if what is left of it below T is more than
//! rounding: dependent columns stay where they are, and singular problems need no special case.
//!
//! Prefer [`bounds`](super::bounds), which exchanges many components at once on MᵀM, where that matrix is well conditioned.
//! Cost: a QR factorization of M at the start (2kn²), n numbers a row; O(kn) a step, about as many steps as components that the
//! starting set has wrong.

use super::limits::{Limits, Place};
use crate::linalg::{Kernels, Mat, MatRef, Op, Threads};

/// The set, and what was solved for it.
pub(crate) struct Solved {
    pub z: Vec<f64>,
    pub places: Vec<Place>,
    /// Free components in the order of the triangle.
    pub free: Vec<usize>,
    /// Tᵀ, lower triangular, of the free columns.
    pub lower: Mat<f64>,
}

/// Steps beyond which an active set is taken to be lost in rounding: Lawson and Hanson's 3n with room for a bad start.
const STEPS_PER_UNKNOWN: usize = 10;
/// What is left of a column below the triangle is rounding if it is this small beside the column, times ε√k.
const DEPENDENT: f64 = 16.0;

/// Solves from a starting set; `z` is where it was left and may be anything. The error is the number of steps made.
pub(crate) fn solve(
    m: MatRef<'_, f64>,
    c: &[f64],
    limits: &Limits,
    places: &[Place],
    z: Option<&[f64]>,
    threads: Threads,
) -> Result<Solved, usize> {
    let n = m.ncols();
    let mut set = Set::new(m, c, limits, places, threads);
    let start: Vec<f64> = (0..n)
        .map(|j| match set.places[j] {
            Place::Free => limits.clamp(j, z.map_or(0.0, |z| z[j])),
            place => limits.value(j, place),
        })
        .collect();
    set.z = start;
    set.descend();
    let limit = STEPS_PER_UNKNOWN * n + 20;
    let mut steps = 0;
    // components that cannot be freed from where the others are
    let mut rejected = vec![false; n];
    while let Some((j, gradient)) = set.most_wrong(&rejected) {
        let before = set.places[j];
        if !set.free_column(j) {
            rejected[j] = true;
            continue;
        }
        // in exact arithmetic the freed component moves off its bound; where rounding says otherwise it stays
        let target = set.target();
        let step = target[target.len() - 1] - set.z[j];
        if !(step * gradient < 0.0) {
            set.free.pop();
            set.places[j] = before;
            rejected[j] = true;
            continue;
        }
        set.descend();
        rejected.fill(false);
        steps += 1;
        if steps > limit {
            return Err(steps);
        }
    }
    Ok(set.finish())
}

struct Set<'a> {
    /// W, column-major, k rows.
    w: Vec<f64>,
    /// w = Uᵀc.
    data: Vec<f64>,
    rows: usize,
    free: Vec<usize>,
    places: Vec<Place>,
    z: Vec<f64>,
    /// ‖mⱼ‖.
    norms: Vec<f64>,
    limits: &'a Limits,
    /// A number of the size of the residual: what the gradients are measured by.
    size: f64,
    /// ε√k times a small number.
    rounding: f64,
}

impl<'a> Set<'a> {
    /// Triangularizes with the free columns first; those that depend on the ones before them are given back.
    fn new(m: MatRef<'_, f64>, c: &[f64], limits: &'a Limits, places: &[Place], threads: Threads) -> Self {
        let n = m.ncols();
        let is_free = |j: &usize| places[*j] == Place::Free;
        let mut order: Vec<usize> = (0..n).filter(is_free).collect();
        let free_count = order.len();
        order.extend((0..n).filter(|j| !is_free(j)));
        let norms: Vec<f64> = crate::linalg::column_norms(m);
        // below the triangle there is nothing but a part of c that no z reaches
        let rows = m.nrows().min(n);
        let mut w = vec![0.0; rows * n];
        let mut data = Mat::from_fn(m.nrows(), 1, |i, _| c[i]);
        if rows > 0 {
            let reflectors = f64::qr(Mat::from_fn(m.nrows(), n, |i, j| m[(i, order[j])]), threads);
            f64::apply_reflectors(
                reflectors.basis.as_ref().subcols(0, rows),
                reflectors.coefficients.as_ref(),
                Op::Adjoint,
                data.as_mut(),
                threads,
            );
            for (place, &j) in order.iter().enumerate() {
                for i in 0..rows.min(place + 1) {
                    w[j * rows + i] = reflectors.basis[(i, place)];
                }
            }
        }
        let data: Vec<f64> = (0..rows).map(|i| data[(i, 0)]).collect();
        let size = crate::linalg::norm(c);
        let rounding = DEPENDENT * f64::EPSILON * (m.nrows().max(1) as f64).sqrt();
        let places = places.to_vec();
        let mut set = Self { w, data, rows, free: order[..free_count].to_vec(), places, z: vec![0.0; n], norms, limits, size, rounding };
        let mut p = 0;
        while p < set.free.len() {
            let j = set.free[p];
            if p < set.rows && set.w[j * rows + p].abs() > set.rounding * set.norms[j] {
                p += 1;
                continue;
            }
            set.hold(p);
            set.places[j] = limits.nearest(j);
        }
        set
    }

    fn column(&self, j: usize) -> &[f64] {
        &self.w[j * self.rows..(j + 1) * self.rows]
    }

    /// w − W_B z_B for the components that are not free.
    fn remaining(&self) -> Vec<f64> {
        let mut rest = self.data.clone();
        for (j, &place) in self.places.iter().enumerate() {
            let z = self.limits.value(j, place);
            if place != Place::Free && z != 0.0 {
                crate::linalg::add_scaled(&mut rest, -z, self.column(j));
            }
        }
        rest
    }

    /// T⁻¹ of that: the minimiser over the free components, unbounded, in the order of the triangle.
    fn target(&self) -> Vec<f64> {
        let mut rest = self.remaining();
        let f = self.free.len();
        for p in (0..f).rev() {
            let column = self.column(self.free[p]);
            let value = rest[p] / column[p];
            for i in 0..p {
                rest[i] -= value * column[i];
            }
            rest[p] = value;
        }
        rest.truncate(f);
        rest
    }

    /// From a z within the bounds to the minimiser over the free components, holding each that meets its bound on the way.
    fn descend(&mut self) {
        // each round holds at least one component
        loop {
            let target = self.target();
            let mut step = 1.0;
            let mut first = None;
            for (p, (&j, &target)) in self.free.iter().zip(&target).enumerate() {
                let z = self.z[j];
                let bound = if target < self.limits.low[j] {
                    self.limits.low[j]
                } else if target > self.limits.high[j] {
                    self.limits.high[j]
                } else {
                    continue;
                };
                let reach = if z == bound { 0.0 } else { (bound - z) / (target - z) };
                if first.is_none() || reach < step {
                    (step, first) = (reach, Some(p));
                }
            }
            for (&j, &target) in self.free.iter().zip(&target) {
                let moved = self.z[j] + step * (target - self.z[j]);
                self.z[j] = if first.is_none() { target } else { self.limits.clamp(j, moved) };
            }
            let Some(first) = first else { return };
            // all that the same step brings to their bounds go together
            for p in (0..self.free.len()).rev() {
                let (j, towards) = (self.free[p], target[p]);
                let meets_low = towards < self.limits.low[j] && (p == first || self.z[j] <= self.limits.low[j]);
                let meets_high = towards > self.limits.high[j] && (p == first || self.z[j] >= self.limits.high[j]);
                if meets_low || meets_high {
                    self.places[j] = if meets_low { Place::Low } else { Place::High };
                    self.z[j] = self.limits.value(j, self.places[j]);
                    self.hold(p);
                }
            }
        }
    }

    /// The component whose gradient points most strongly off its bound, beyond rounding, and that gradient over ‖mⱼ‖.
    fn most_wrong(&mut self, rejected: &[bool]) -> Option<(usize, f64)> {
        let f = self.free.len();
        let rest = self.remaining();
        self.size = self.size.max(crate::linalg::norm(&rest));
        let mut best = None;
        let mut most = 0.0;
        for j in 0..self.places.len() {
            if rejected[j] || self.places[j] == Place::Free || self.limits.is_fixed(j) || self.norms[j] == 0.0 {
                continue;
            }
            let gradient = -crate::linalg::dot(&self.column(j)[f..], &rest[f..]) / self.norms[j];
            let wrong = match self.places[j] {
                Place::Low => -gradient,
                Place::High => gradient,
                Place::Held => gradient.abs(),
                Place::Free => continue,
            };
            if wrong > self.rounding * self.size && wrong > most {
                (best, most) = (Some((j, gradient)), wrong);
            }
        }
        best
    }

    /// Takes a column into the triangle; false if what is left of it is rounding.
    fn free_column(&mut self, j: usize) -> bool {
        let f = self.free.len();
        if f >= self.rows {
            return false;
        }
        let below = &self.column(j)[f..];
        let norm = crate::linalg::norm(below);
        if !(norm > self.rounding * self.norms[j]) {
            return false;
        }
        // v = x + sign(x₁)‖x‖e₁, scaled to v₁ = 1
        let first = below[0];
        let pivot = if first >= 0.0 { first + norm } else { first - norm };
        let mut v: Vec<f64> = below.iter().map(|&x| x / pivot).collect();
        v[0] = 1.0;
        let factor = 2.0 / crate::linalg::dot(&v, &v);
        let reflect = |y: &mut [f64]| {
            let along = factor * crate::linalg::dot(&v, y);
            crate::linalg::add_scaled(y, -along, &v);
        };
        let rows = self.rows;
        for (k, column) in self.w.chunks_exact_mut(rows.max(1)).enumerate() {
            // columns of the triangle end above
            if self.places[k] != Place::Free {
                reflect(&mut column[f..]);
            }
        }
        reflect(&mut self.data[f..]);
        self.w[j * rows + f + 1..(j + 1) * rows].fill(0.0);
        self.free.push(j);
        self.places[j] = Place::Free;
        true
    }

    /// Takes the p-th column out of the triangle. The caller says where it is held.
    fn hold(&mut self, p: usize) {
        self.free.remove(p);
        let rows = self.rows;
        // column p + 1 (now p) reaches one row below its diagonal, and so do those after it
        for q in p..self.free.len() {
            if q + 1 >= rows {
                break;
            }
            let j = self.free[q];
            let (x, y) = (self.w[j * rows + q], self.w[j * rows + q + 1]);
            if y == 0.0 {
                continue;
            }
            let r = x.hypot(y);
            let (cosine, sine) = (x / r, y / r);
            let rotate = |column: &mut [f64]| {
                let (a, b) = (column[q], column[q + 1]);
                column[q] = cosine * a + sine * b;
                column[q + 1] = cosine * b - sine * a;
            };
            self.w.chunks_exact_mut(rows.max(1)).for_each(rotate);
            rotate(&mut self.data);
            self.w[j * rows + q + 1] = 0.0;
        }
    }

    fn finish(self) -> Solved {
        let f = self.free.len();
        let lower = Mat::from_fn(f, f, |i, j| if j <= i { self.column(self.free[i])[j] } else { 0.0 });
        Solved { lower, z: self.z, places: self.places, free: self.free }
    }
}
