//! What the rules cost beside the factorization that they share: every rule on one 1000×1000 SVD, each alone, and the ratio
//! of all to the factorization.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wellposed::{DenseView, Problem};

/// Singular values that fall over six decades, and noise of one part in a thousand.
fn problem(n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut state = 42u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let scale: Vec<f64> = (0..n).map(|j| 10f64.powf(-6.0 * j as f64 / n as f64)).collect();
    let a: Vec<f64> = (0..n * n).map(|t| scale[t / n] * next()).collect();
    let x: Vec<f64> = (0..n).map(|_| next()).collect();
    let b: Vec<f64> = (0..n).map(|i| (0..n).map(|j| a[i + j * n] * x[j]).sum::<f64>()).collect();
    let noise = 1e-3 * b.iter().map(|b| b * b).sum::<f64>().sqrt();
    let b = b.iter().map(|b| b + noise * next()).collect();
    (a, b)
}

fn median(count: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[count / 2]
}

fn rules(c: &mut Criterion) {
    let n = 1000;
    let (a, b) = problem(n);
    let a = DenseView::column_major(&a, n, n).expect("the lengths fit");
    let problem = Problem::new(&a);
    let factor = problem.factorize().expect("an SVD");
    let comparison = factor.compare_rules(&b).expect("finite data");
    println!("{comparison}");
    let factorize = median(3, || drop(black_box(problem.factorize())));
    let compare = median(5, || drop(black_box(factor.compare_rules(&b))));
    let ratio = 100.0 * compare.as_secs_f64() / factorize.as_secs_f64();
    println!("factorization {factorize:.1?}, all rules {compare:.1?}: {ratio:.1} %");
    let mut group = c.benchmark_group("one rule on a 1000×1000 SVD");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
    for row in &comparison.rows {
        group.bench_function(row.name, |bench| bench.iter(|| factor.compare_among(black_box(&b), [row.rule])));
    }
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
