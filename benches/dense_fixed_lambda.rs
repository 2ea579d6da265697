//! One λ, dense A: which engine, from which size on two threads, what refinement costs. Feeds the thresholds of
//! `linalg.rs` and the route of `choose.rs`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use wellposed::{DenseView, Method, Problem};

fn entries(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("one lambda");
    group.sample_size(10);
    for (m, n) in [(30, 5), (300, 30), (100_000, 100), (10_000, 1_000), (2_000, 2_000), (1_000, 10_000)] {
        let (a, b) = (entries(m * n, 1), entries(m, 2));
        let a = DenseView::column_major(&a, m, n).expect("the lengths fit");
        for method in [Method::Auto, Method::Cholesky, Method::Qr] {
            if method == Method::Qr && m * n > 2_000_000 {
                continue;
            }
            for threads in [1, 2] {
                let problem = Problem::new(&a).method(method.clone()).threads(threads);
                let name = BenchmarkId::new(format!("{method}, {threads} threads"), format!("{m}x{n}"));
                group.bench_function(name, |bench| bench.iter(|| problem.solve(black_box(&b), 1.0).expect("well-conditioned")));
            }
        }
    }
    group.finish();
}

criterion_group!(benches, shapes);
criterion_main!(benches);
