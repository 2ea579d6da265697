//! What does a step of an iterative method cost on a sparse A, and a solve by a sparse factorization?
//!
//! 10⁶×10⁵ with ten entries in each row: the two products, the fused step, and the time to read the arrays once as the limit.
//! A 500×500 grid with a gradient penalty: λ as a number.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wellposed::operator::Boundary;
use wellposed::{Method, Operator, Penalty, Problem, SparseView};

const ROWS: usize = 1_000_000;
const COLUMNS: usize = 100_000;
const PER_ROW: usize = 10;

/// A generator whose numbers any program can repeat (compare.py does).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn products(c: &mut Criterion) {
    let mut state = 1;
    let starts: Vec<u32> = (0..=ROWS).map(|i| (i * PER_ROW) as u32).collect();
    let indices: Vec<u32> = (0..ROWS * PER_ROW).map(|_| (random(&mut state) as usize % COLUMNS) as u32).collect();
    let values: Vec<f64> = (0..ROWS * PER_ROW).map(|_| random(&mut state) as f64 / 2f64.powi(31) - 0.5).collect();
    let Ok(a) = SparseView::csr(ROWS, COLUMNS, &starts, &indices, &values) else { return };
    let (x, u) = (vec![1.0; COLUMNS], vec![1.0; ROWS]);
    let (mut w, mut z) = (vec![0.0; ROWS], vec![0.0; COLUMNS]);
    let mut group = c.benchmark_group("sparse 1e6x1e5, 10 a row");
    group.sample_size(20).throughput(Throughput::Bytes((ROWS * PER_ROW * 12 + ROWS * 4) as u64));
    group.bench_function("read the arrays once", |bencher| {
        bencher.iter(|| {
            let mut sums = [0.0; 8];
            for (values, indices) in values.chunks_exact(8).zip(indices.chunks_exact(8)) {
                for k in 0..8 {
                    sums[k] += values[k] + f64::from(indices[k]);
                }
            }
            black_box(sums)
        })
    });
    for threads in [1, 2] {
        let a = a.threads(threads);
        group.bench_function(format!("Ax, {threads} threads"), |bencher| bencher.iter(|| a.apply(&x, black_box(&mut w))));
        group.bench_function(format!("A\u{1D34}y, {threads} threads"), |bencher| bencher.iter(|| a.apply_adjoint(&u, black_box(&mut z))));
        group.bench_function(format!("fused, {threads} threads"), |bencher| {
            bencher.iter(|| a.apply_fused(&x, 0.5, &u, black_box(&mut w), black_box(&mut z)))
        });
    }
    group.finish();
}

fn grid(c: &mut Criterion) {
    let side = 500;
    let n = side * side;
    let starts: Vec<u32> = (0..=n as u32).collect();
    let indices: Vec<u32> = (0..n as u32).collect();
    let values: Vec<f64> = (0..n).map(|i| 1.0 + (i % 7) as f64 * 0.1).collect();
    let Ok(a) = SparseView::csr(n, n, &starts, &indices, &values) else { return };
    let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.01).sin()).collect();
    let problem = Problem::new(&a).method(Method::Cholesky).penalty(Penalty::first_difference_2d(side, side, Boundary::Free));
    let mut group = c.benchmark_group("grid 500x500, gradient penalty");
    group.sample_size(10);
    group.bench_function("sparse Cholesky, one \u{3bb}", |bencher| {
        bencher.iter(|| problem.solve(&b, 0.5).map(|fit| black_box(fit.x.len())))
    });
    group.finish();
}

criterion_group!(benches, products, grid);
criterion_main!(benches);
