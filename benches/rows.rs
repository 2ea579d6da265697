//! What a stream of rows costs, beside reading them: 10⁶×50 (or as many thousands of rows as `ROWS_K` says) in blocks of 10 000 rows,
//! with well-conditioned columns (Gram kernel) and dependent ones (Householder), and 100 000 small problems in one call.
//!
//! The bandwidth is that of a sum over the same memory, on as many threads.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use std::hint::black_box;
use wellposed::{DenseView, Gcv, Rows, ridge_batch};

const COLUMNS: usize = 50;
const BLOCK: usize = 10_000;

/// Uniform numbers in [−½, ½), by SplitMix64.
fn uniform(count: usize) -> Vec<f64> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0; 32];
    for chunk in values.chunks_exact(32) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum()
}

fn stream(c: &mut Criterion) {
    let thousands: usize = std::env::var("ROWS_K").ok().and_then(|v| v.parse().ok()).unwrap_or(1000);
    let rows = 1000 * thousands;
    let blocks = rows / BLOCK;
    let mut a = uniform(rows * COLUMNS);
    let b: Vec<f64> = uniform(rows);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        let mut group = c.benchmark_group(format!("stream {rows}x{COLUMNS}, {threads} threads"));
        group.sample_size(10).throughput(Throughput::Bytes((8 * rows * (COLUMNS + 1)) as u64));
        let part = a.len().div_ceil(threads);
        group.bench_function("read", |bench| bench.iter(|| pool.install(|| black_box(&a).par_chunks(part).map(sum).sum::<f64>())));
        for (name, dependent) in [("well-conditioned", false), ("dependent columns", true)] {
            if dependent {
                // the last column of each block repeats the first but for a little
                for block in a.chunks_mut(BLOCK * COLUMNS) {
                    let (first, last) = block.split_at_mut(BLOCK * (COLUMNS - 1));
                    last.iter_mut().zip(first).for_each(|(last, first)| *last = *first + 1e-6 * *last);
                }
            }
            group.bench_function(name, |bench| {
                bench.iter(|| {
                    let mut rows = Rows::new(COLUMNS).threads(threads);
                    for (a, b) in a.chunks(BLOCK * COLUMNS).zip(b.chunks(BLOCK)).take(blocks) {
                        let a = DenseView::column_major(a, BLOCK, COLUMNS).expect("the lengths fit");
                        pool.install(|| rows.push(&a, b)).expect("the numbers are finite");
                    }
                    rows
                })
            });
            if dependent {
                a = uniform(rows * COLUMNS);
            }
        }
        group.finish();
    }
}

fn batch(c: &mut Criterion) {
    let (count, m, n) = (100_000, 30, 5);
    let (a, b) = (uniform(count * m * n), uniform(count * m));
    let problems: Vec<_> =
        a.chunks(m * n).zip(b.chunks(m)).map(|(a, b)| (DenseView::column_major(a, m, n).expect("the lengths fit"), b)).collect();
    let mut group = c.benchmark_group(format!("{count} problems of {m}x{n}"));
    group.sample_size(10).throughput(Throughput::Elements(count as u64));
    group.bench_function("fixed", |bench| bench.iter(|| ridge_batch(black_box(&problems), 0.1)));
    group.bench_function("gcv", |bench| bench.iter(|| ridge_batch(black_box(&problems), Gcv)));
    group.finish();
}

criterion_group!(benches, stream, batch);
criterion_main!(benches);
