//! GCV, leave-one-out and evidence at one θ, with gradient and Hessian in it: sums over the orthonormal blocks Q₀, Q₁, … that the header of
//! [`multi_penalty`](super) defines.

use super::{RowsOf, Several, Value, dot};
use crate::linalg;
use crate::linalg::{Kernels, Mat, Op, Threads, product, sum_of_squares};

/// Everything at one θ.
pub(super) struct Point<'p> {
    pub(super) several: &'p Several,
    pub(super) q0: &'p Mat<f64>,
    pub(super) q: &'p [Mat<f64>],
    pub(super) y: Vec<f64>,
    pub(super) s: Vec<f64>,
}

impl Point<'_> {
    fn threads(&self) -> Threads {
        self.several.threads
    }

    /// Eⱼv.
    fn seen_by(&self, j: usize, v: &[f64]) -> Vec<f64> {
        let mut inside = vec![0.0; self.q[j].nrows()];
        f64::multiply(self.q[j].as_ref(), v, &mut inside, self.threads());
        let mut out = vec![0.0; v.len()];
        f64::multiply_adjoint(self.q[j].as_ref(), &inside, &mut out, self.threads());
        out
    }

    /// ρ = ‖r‖² with gradient and Hessian.
    fn residual(&self, derivatives: bool) -> (f64, Vec<f64>, Vec<f64>) {
        let rho = self.several.outside + dot(&self.s, &self.s);
        let count = self.q.len();
        if !derivatives {
            return (rho, Vec::new(), Vec::new());
        }
        let mut w = vec![0.0; self.y.len()];
        f64::multiply_adjoint(self.q0.as_ref(), &self.s, &mut w, self.threads());
        let a: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &self.y)).collect();
        let b: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &w)).collect();
        let image: Vec<Vec<f64>> = a
            .iter()
            .map(|a| {
                let mut image = vec![0.0; self.s.len()];
                f64::multiply(self.q0.as_ref(), a, &mut image, self.threads());
                image
            })
            .collect();
        let gradient: Vec<f64> = a.iter().map(|a| 2.0 * dot(&w, a)).collect();
        let mut hessian = symmetric(count, |j, k| 2.0 * dot(&image[j], &image[k]) - 2.0 * (dot(&b[j], &a[k]) + dot(&b[k], &a[j])));
        (0..count).for_each(|j| hessian[j * count + j] += gradient[j]);
        (rho, gradient, hessian)
    }

    pub(super) fn gcv(&self, derivatives: bool) -> Option<Value> {
        let count = self.q.len();
        let m = self.several.m as f64;
        let (rho, rho1, rho2) = self.residual(derivatives);
        let trace = m - f64::from(u8::from(self.several.constant)) - sum_of_squares(self.q0.as_ref());
        if !(trace > 1e-12 * m && rho > 0.0) {
            return None;
        }
        let log = m.ln() + rho.ln() - 2.0 * trace.ln();
        if !derivatives {
            return Some(Value { log, gradient: Vec::new(), hessian: Vec::new() });
        }
        let across: Vec<Mat<f64>> =
            self.q.iter().map(|q| product(self.q0.as_ref(), Op::None, q.as_ref(), Op::Adjoint, self.threads())).collect();
        let moved: Vec<Mat<f64>> =
            across.iter().zip(self.q).map(|(c, q)| product(c.as_ref(), Op::None, q.as_ref(), Op::None, self.threads())).collect();
        // of tr(I − H)
        let t1: Vec<f64> = across.iter().map(|c| sum_of_squares(c.as_ref())).collect();
        let mut t2 = symmetric(count, |j, k| -2.0 * inner(&moved[j], &moved[k]));
        (0..count).for_each(|j| t2[j * count + j] += t1[j]);
        let gradient = (0..count).map(|j| rho1[j] / rho - 2.0 * t1[j] / trace).collect();
        let hessian = symmetric(count, |j, k| {
            let at = j * count + k;
            rho2[at] / rho - rho1[j] * rho1[k] / (rho * rho) - 2.0 * t2[at] / trace + 2.0 * t1[j] * t1[k] / (trace * trace)
        });
        Some(Value { log, gradient, hessian })
    }

    pub(super) fn evidence(&self, theta: &[f64], log_determinant: f64, derivatives: bool) -> Option<Value> {
        let several = self.several;
        let count = self.q.len();
        let free = several.m as f64 - several.unseen as f64 - f64::from(u8::from(several.constant));
        if free <= 0.0 {
            return None;
        }
        let penalties: f64 = self
            .q
            .iter()
            .map(|q| {
                let mut image = vec![0.0; q.nrows()];
                f64::multiply(q.as_ref(), &self.y, &mut image, self.threads());
                dot(&image, &image)
            })
            .sum();
        let p = several.outside + dot(&self.s, &self.s) + penalties;
        let (prior, prior_determinant) = several.blocks(None, &several.seen, theta)?;
        if !(p > 0.0) {
            return None;
        }
        let log = p.ln() + (log_determinant - prior_determinant - several.log_free) / free;
        if !derivatives {
            return Some(Value { log, gradient: Vec::new(), hessian: Vec::new() });
        }
        let a: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &self.y)).collect();
        let p1: Vec<f64> = a.iter().map(|a| dot(&self.y, a)).collect();
        let mut p2 = symmetric(count, |j, k| -2.0 * dot(&a[j], &a[k]));
        (0..count).for_each(|j| p2[j * count + j] += p1[j]);
        let (d1, d2) = determinant(self.q, self.threads());
        let (e1, e2) = determinant(&prior, self.threads());
        let gradient = (0..count).map(|j| p1[j] / p + (d1[j] - e1[j]) / free).collect();
        let hessian = symmetric(count, |j, k| {
            let at = j * count + k;
            p2[at] / p - p1[j] * p1[k] / (p * p) + (d2[at] - e2[at]) / free
        });
        Some(Value { log, gradient, hessian })
    }

    /// With e = r/(1 − h): (1 − h)eⱼ = rⱼ + e·hⱼ and (1 − h)eⱼₖ = rⱼₖ + eₖhⱼ + eⱼhₖ + e·hⱼₖ.
    pub(super) fn leave_one_out(&self, rows: &RowsOf, derivatives: bool) -> Option<Value> {
        let count = self.q.len();
        let m = rows.basis.nrows();
        let threads = self.threads();
        let full = product(rows.basis.as_ref(), Op::None, self.q0.as_ref(), Op::None, threads);
        let in_rows = |v: &[f64]| {
            let mut out = vec![0.0; m];
            f64::multiply(full.as_ref(), v, &mut out, threads);
            out
        };
        let mut r = vec![0.0; m];
        f64::multiply(rows.basis.as_ref(), &self.s, &mut r, threads);
        r.iter_mut().zip(&rows.outside).for_each(|(r, outside)| *r += outside);
        let gap: Vec<f64> = (0..m).map(|i| 1.0 - rows.constant[i] - row_dot(&full, &full, i)).collect();
        if gap.iter().any(|&g| g <= 64.0 * f64::EPSILON) {
            return None;
        }
        let e: Vec<f64> = r.iter().zip(&gap).map(|(r, g)| r / g).collect();
        let total = dot(&e, &e);
        let log = total.ln();
        if !derivatives {
            return Some(Value { log, gradient: Vec::new(), hessian: Vec::new() });
        }
        let a: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &self.y)).collect();
        let r1: Vec<Vec<f64>> = a.iter().map(|a| in_rows(a)).collect();
        let moved: Vec<Mat<f64>> = self
            .q
            .iter()
            .map(|q| {
                let across = product(full.as_ref(), Op::None, q.as_ref(), Op::Adjoint, threads);
                product(across.as_ref(), Op::None, q.as_ref(), Op::None, threads)
            })
            .collect();
        let h1: Vec<Vec<f64>> = moved.iter().map(|moved| (0..m).map(|i| -row_dot(&full, moved, i)).collect()).collect();
        let e1: Vec<Vec<f64>> = (0..count).map(|j| (0..m).map(|i| (r1[j][i] + e[i] * h1[j][i]) / gap[i]).collect()).collect();
        let total1: Vec<f64> = e1.iter().map(|e1| 2.0 * dot(&e, e1)).collect();
        let mut total2 = vec![0.0; count * count];
        for j in 0..count {
            for k in 0..=j {
                let mut inside = self.seen_by(j, &a[k]);
                inside.iter_mut().zip(self.seen_by(k, &a[j])).for_each(|(v, other)| *v += other);
                let bend = in_rows(&inside);
                let mut sum = 0.0;
                for i in 0..m {
                    let diagonal = if j == k { 1.0 } else { 0.0 };
                    let r2 = diagonal * r1[j][i] - bend[i];
                    let h2 = 2.0 * row_dot(&moved[j], &moved[k], i) + diagonal * h1[j][i];
                    let e2 = (r2 + e1[k][i] * h1[j][i] + e1[j][i] * h1[k][i] + e[i] * h2) / gap[i];
                    sum += 2.0 * (e1[j][i] * e1[k][i] + e[i] * e2);
                }
                total2[j * count + k] = sum;
                total2[k * count + j] = sum;
            }
        }
        let gradient = total1.iter().map(|t| t / total).collect();
        let hessian = symmetric(count, |j, k| total2[j * count + k] / total - total1[j] * total1[k] / (total * total));
        Some(Value { log, gradient, hessian })
    }
}

/// Gradient and Hessian of log |Σ…| from its blocks: tr Eⱼ and δⱼₖ tr Eⱼ − tr EⱼEₖ.
fn determinant(q: &[Mat<f64>], threads: Threads) -> (Vec<f64>, Vec<f64>) {
    let count = q.len();
    let gradient: Vec<f64> = q.iter().map(|q| sum_of_squares(q.as_ref())).collect();
    let mut hessian =
        symmetric(count, |j, k| -sum_of_squares(product(q[j].as_ref(), Op::None, q[k].as_ref(), Op::Adjoint, threads).as_ref()));
    (0..count).for_each(|j| hessian[j * count + j] += gradient[j]);
    (gradient, hessian)
}

fn symmetric(count: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut out = vec![0.0; count * count];
    for j in 0..count {
        for k in 0..=j {
            let value = entry(j, k);
            out[j * count + k] = value;
            out[k * count + j] = value;
        }
    }
    out
}

fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| linalg::dot(a.col_as_slice(j), b.col_as_slice(j))).sum()
}

fn row_dot(a: &Mat<f64>, b: &Mat<f64>, i: usize) -> f64 {
    (0..a.ncols()).map(|j| a[(i, j)] * b[(i, j)]).sum()
}
