//! What a step of each iterative method costs on a large sparse matrix, and what one sweep over A instead of two saves.
//!
//! 1 000 000 × 100 000 with 10 entries a row (or as many thousands of rows as `ROWS_K` says), as an operator of compressed rows with
//! 32-bit columns. A solve of `STEPS` steps is timed: divide by them; start and verification are two products more.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use wellposed::{Cgls, Lsmr, Lsqr, Method, Operator, Problem};

const STEPS: usize = 10;
const PER_ROW: usize = 10;

/// Compressed rows, all of the same length.
struct Rows {
    m: usize,
    n: usize,
    columns: Vec<u32>,
    values: Vec<f64>,
    /// Whether a step of Golub and Kahan's process is one sweep.
    fused: bool,
}

impl Rows {
    fn new(m: usize, n: usize, fused: bool) -> Self {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let columns = (0..m * PER_ROW).map(|_| (next() % n) as u32).collect();
        let values = (0..m * PER_ROW).map(|_| next() as f64 / f64::from(1 << 30) - 1.0).collect();
        Self { m, n, columns, values, fused }
    }

    fn rows(&self) -> impl Iterator<Item = (&[u32], &[f64])> {
        self.columns.chunks_exact(PER_ROW).zip(self.values.chunks_exact(PER_ROW))
    }
}

fn along(columns: &[u32], values: &[f64], x: &[f64]) -> f64 {
    columns.iter().zip(values).map(|(&j, v)| v * x[j as usize]).sum()
}

fn scatter(columns: &[u32], values: &[f64], w: f64, z: &mut [f64]) {
    columns.iter().zip(values).for_each(|(&j, v)| z[j as usize] += v * w);
}

impl Operator for Rows {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (self.m, self.n)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        y.iter_mut().zip(self.rows()).for_each(|(y, (columns, values))| *y = along(columns, values, x));
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        x.fill(0.0);
        y.iter().zip(self.rows()).for_each(|(&y, (columns, values))| scatter(columns, values, y, x));
    }
    fn apply_fused(&self, x: &[f64], alpha: f64, u: &[f64], w: &mut [f64], z: &mut [f64]) {
        if !self.fused {
            self.apply(x, w);
            w.iter_mut().zip(u).for_each(|(w, u)| *w -= alpha * u);
            return self.apply_adjoint(w, z);
        }
        z.fill(0.0);
        for ((w, &u), (columns, values)) in w.iter_mut().zip(u).zip(self.rows()) {
            *w = along(columns, values, x) - alpha * u;
            scatter(columns, values, *w, z);
        }
    }
}

fn steps(c: &mut Criterion) {
    let m = std::env::var("ROWS_K").ok().and_then(|k| k.parse().ok()).unwrap_or(1000) * 1000;
    let n = (m / 10).max(1);
    let b: Vec<f64> = (0..m).map(|i| ((i * 7919) % 1013) as f64 / 500.0 - 1.0).collect();
    let mut group = c.benchmark_group("krylov steps");
    group.sample_size(10);
    for fused in [false, true] {
        let a = Rows::new(m, n, fused);
        for method in [Method::from(Cgls::new().steps(STEPS)), Lsqr::new().steps(STEPS).into(), Lsmr::new().steps(STEPS).into()] {
            let name = format!("{method} {}", if fused { "one sweep" } else { "two sweeps" });
            let problem = Problem::new(&a).method(method).threads(1);
            group.bench_with_input(BenchmarkId::new(name, m), &m, |bencher, _| {
                bencher.iter(|| problem.solve(black_box(&b), 1e-2));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
