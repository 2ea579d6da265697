//! 30×5 through the facade: what surrounds the arithmetic. Feeds the limits of `factor/small.rs`.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use wellposed::{DenseView, Gcv, Method, Problem, nalgebra, ridge};

fn small(c: &mut Criterion) {
    for (m, n) in [(30usize, 5usize), (100, 10), (200, 16), (200, 17)] {
        let entries: Vec<f64> = (0..m * n).map(|k| ((k * 7919 % 1013) as f64) / 1013.0 - 0.5).collect();
        let b: Vec<f64> = (0..m).map(|k| ((k * 104_729 % 997) as f64) / 997.0 - 0.5).collect();
        let a = DenseView::column_major(&entries, m, n).expect("the lengths fit");
        let matrix = nalgebra::DMatrix::from_column_slice(m, n, &entries);
        let vector = nalgebra::DVector::from_column_slice(&b);
        let mut group = c.benchmark_group(format!("{m}x{n}"));
        group.bench_function("fixed, slices", |bench| bench.iter(|| ridge(&a, black_box(&b), 0.1)));
        group.bench_function("fixed, nalgebra", |bench| bench.iter(|| ridge(&matrix, black_box(&vector), 0.1)));
        group.bench_function("fixed, Method::Qr", |bench| bench.iter(|| Problem::new(&a).method(Method::Qr).solve(black_box(&b), 0.1)));
        group.bench_function("gcv", |bench| bench.iter(|| ridge(&a, black_box(&b), Gcv)));
        group.bench_function("gcv, Method::Svd", |bench| bench.iter(|| Problem::new(&a).method(Method::Svd).solve(black_box(&b), Gcv)));
        group.finish();
    }
}

criterion_group!(benches, small);
criterion_main!(benches);
