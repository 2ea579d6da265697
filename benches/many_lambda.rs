//! λ chosen by GCV: which decomposition wins at which size, and what leave-one-out and a path cost. Feeds `choose.rs`,
//! the trust limits of `factor/tridiagonal.rs` and the cell width of `rule/search.rs`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use wellposed::{DenseView, Gcv, Loo, Method, Problem, log_grid};

fn problem(m: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut state = 42u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let a: Vec<f64> = (0..m * n).map(|_| next()).collect();
    let x: Vec<f64> = (0..n).map(|_| next()).collect();
    let noise = (n as f64).sqrt();
    let b = (0..m).map(|i| (0..n).map(|j| a[i + j * m] * x[j]).sum::<f64>() + noise * next()).collect();
    (a, b)
}

fn gcv(c: &mut Criterion) {
    let mut group = c.benchmark_group("gcv");
    group.sample_size(10);
    for (m, n) in [(30, 5), (100, 24), (100, 48), (200, 100), (1_000, 300), (100_000, 100), (10_000, 1_000), (1_000, 1_000)] {
        let (a, b) = problem(m, n);
        let a = DenseView::column_major(&a, m, n).expect("the lengths fit");
        for method in [Method::Auto, Method::Tridiagonal, Method::Bidiagonal, Method::Svd] {
            if method != Method::Auto && method != Method::Tridiagonal && m * n > 2_000_000 {
                continue;
            }
            let problem = Problem::new(&a).method(method.clone());
            let name = BenchmarkId::new(method.name(), format!("{m}x{n}"));
            group.bench_function(name, |bench| bench.iter(|| problem.solve(black_box(&b), Gcv).expect("GCV has a minimum")));
        }
    }
    group.finish();
}

fn reuse(c: &mut Criterion) {
    let (a, b) = problem(1_000, 300);
    let a = DenseView::column_major(&a, 1_000, 300).expect("the lengths fit");
    let factor = Problem::new(&a).factorize().expect("an SVD");
    let mut group = c.benchmark_group("after one factorization, 1000x300");
    group.bench_function("gcv", |bench| bench.iter(|| factor.solve(black_box(&b), Gcv)));
    group.bench_function("leave-one-out", |bench| bench.iter(|| factor.solve(black_box(&b), Loo)));
    group.bench_function("path of 100", |bench| bench.iter(|| factor.path(black_box(&b), log_grid(1e-6..=1e2, 100)).count()));
    group.finish();
}

criterion_group!(benches, gcv, reuse);
criterion_main!(benches);
