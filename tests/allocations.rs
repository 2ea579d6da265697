//! What is allocated: nothing by a step of an iterative method, no copy of a dense A for one λ, and only the options by a `Problem`.
//!
//! Counts are per thread, and the problems run on one thread, so that tests beside each other (and a thread pool) do not
//! disturb them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use wellposed::method::{Cgls, Lsmr, Lsqr, Method};
use wellposed::operator::from_fn;
use wellposed::{DenseView, Gcv, HybridLsmr, HybridLsqr, Operator, Penalty, Problem, Real, Result, Scalar, Stop, c64};

/// The system's allocator with a count beside it.
struct Counting;

thread_local! {
    // constant initializers without destructors: reading them never allocates
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn taken(size: usize) {
    COUNT.set(COUNT.get() + 1);
    TOTAL.set(TOTAL.get() + size);
    LIVE.set(LIVE.get() + size as isize);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

fn given_back(size: usize) {
    LIVE.set(LIVE.get() - size as isize);
}

// SAFETY: a global allocator can only be written as an unsafe impl, and there is no other way to see allocations inside a
// call. Every request goes to `System` unchanged and its answer is returned unchanged; the counters are plain cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller's promise for `alloc` is that of `System.alloc`
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as above
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: the pointer came from `System` with this layout
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // both blocks may be live at once
        taken(size);
        given_back(layout.size());
        // SAFETY: the pointer came from `System` with this layout
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a call allocated.
#[derive(Debug, Clone, Copy)]
struct Use {
    count: usize,
    total: usize,
    /// The most that was live at once, beyond what was live before.
    peak: usize,
}

fn measured<V>(call: impl FnOnce() -> V) -> (V, Use) {
    let (count, total, live) = (COUNT.get(), TOTAL.get(), LIVE.get());
    PEAK.set(live);
    let value = call();
    (value, Use { count: COUNT.get() - count, total: TOTAL.get() - total, peak: (PEAK.get() - live) as usize })
}

const REAL: usize = size_of::<f64>();

#[test]
fn the_counter_counts() {
    let (kept, used) = measured(|| {
        drop(vec![0u8; 1000]);
        vec![1u8; 300]
    });
    assert_eq!((used.count, used.total, used.peak, kept.len()), (2, 1300, 1000, 300));
    assert_eq!(measured(|| 1 + 1).1.count, 0);
}

/// The iterative methods, making so many steps.
fn iterative(steps: usize) -> [Method; 3] {
    [Cgls::new().steps(steps).into(), Lsqr::new().steps(steps).into(), Lsmr::new().steps(steps).into()]
}

/// Allocations between the observer's calls for steps 1 and `steps`, summed over the methods.
fn allocations_between_steps<T: Scalar>(problem: &Problem<'_, T>, b: &[T], steps: usize) -> usize {
    iterative(steps).into_iter().map(|method| allocations_by(&problem.clone().method(method), b, steps)).sum()
}

fn allocations_by<T: Scalar>(problem: &Problem<'_, T>, b: &[T], steps: usize) -> usize {
    let (mut first, mut last, mut seen) = (0, 0, 0);
    let fit = problem
        .clone()
        .threads(1)
        .solve_with(b, 1e-3, |step| {
            seen = step.index;
            if step.index == 1 {
                first = COUNT.get();
            }
            last = COUNT.get();
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((seen, fit.report.stop), (steps, Some(Stop::Steps)), "the iteration ended before it could be watched");
    last - first
}

/// A smoothing of n values, with n distinct singular values, so that no method ends early.
fn smoothing<T: Scalar>(n: usize) -> impl Operator<Scalar = T> {
    let apply = move |x: &[T], y: &mut [T]| {
        for i in 0..n {
            let weight = T::Real::from_f64(1.0 + (i % 7) as f64);
            let left = if i == 0 { T::ZERO } else { x[i - 1] };
            let right = if i + 1 == n { T::ZERO } else { x[i + 1] };
            y[i] = x[i].scale(weight) + left + right;
        }
    };
    let adjoint = move |y: &[T], x: &mut [T]| {
        for i in 0..n {
            let weight = T::Real::from_f64(1.0 + (i % 7) as f64);
            let left = if i == 0 { T::ZERO } else { y[i - 1] };
            let right = if i + 1 == n { T::ZERO } else { y[i + 1] };
            x[i] = y[i].scale(weight) + left + right;
        }
    };
    from_fn(n, n, apply, adjoint)
}

fn a_step_allocates_nothing<T: Scalar>() {
    let n = 120;
    let a = smoothing::<T>(n);
    let real = T::Real::from_f64;
    let b: Vec<T> = (0..n).map(|i| T::from_parts(real(1.0 + (i * 7 % 11) as f64), real((i % 3) as f64))).collect();
    let weights: Vec<T::Real> = (0..n).map(|i| real(1.0 + (i % 4) as f64)).collect();
    let mean: Vec<T> = vec![T::ONE; n];
    let scales = DenseView::column(&weights);
    let dense: Vec<T> = (0..n * 3).map(|k| T::from_real(real((k % 5) as f64))).collect();
    let dense = DenseView::column_major(&dense, 3, n).unwrap();
    let sum = || Penalty::sum([(1.0, Penalty::identity()), (0.5, Penalty::second_difference())]);
    let cases: Vec<(&str, Problem<'_, T>)> = vec![
        ("plain", Problem::new(&a)),
        ("weights", Problem::new(&a).weights(&weights)),
        ("noise_std", Problem::new(&a).noise_std(&[real(0.5)])),
        ("intercept", Problem::new(&a).intercept()),
        ("weights and intercept", Problem::new(&a).weights(&weights).intercept()),
        ("prior mean", Problem::new(&a).prior_mean(&mean)),
        ("diagonal", Problem::new(&a).penalty(Penalty::diagonal(&scales))),
        ("first difference", Problem::new(&a).penalty(Penalty::first_difference())),
        ("second difference on a grid", Problem::new(&a).penalty(Penalty::second_difference_2d(10, 12, wellposed::Boundary::Periodic))),
        ("dense L", Problem::new(&a).penalty(Penalty::matrix(&dense))),
        ("sum of penalties", Problem::new(&a).penalty(sum())),
        ("everything", Problem::new(&a).weights(&weights).intercept().prior_mean(&mean).penalty(Penalty::first_difference())),
    ];
    for (name, problem) in &cases {
        assert_eq!(allocations_between_steps(problem, &b, 8), 0, "{} {name}", T::NAME);
    }
}

#[test]
fn a_step_of_any_method_allocates_nothing() {
    a_step_allocates_nothing::<f64>();
    a_step_allocates_nothing::<f32>();
    a_step_allocates_nothing::<c64>();
}

/// The stored vectors come in blocks of 16; between two blocks a step at a given λ allocates nothing.
#[test]
fn a_hybrid_step_allocates_only_its_block() {
    let n = 400;
    let a = smoothing::<f64>(n);
    let b: Vec<f64> = (0..n).map(|i| 1.0 + (i * 7 % 11) as f64).collect();
    let methods: [Method; 2] = [HybridLsqr::new().steps(40).into(), HybridLsmr::new().steps(40).into()];
    for method in methods {
        let mut counts = Vec::with_capacity(64);
        let observe = |_: &wellposed::Step| counts.push(COUNT.get());
        Problem::new(&a).threads(1).method(method.clone()).solve_with(&b, 1e-3, observe).unwrap();
        assert_eq!(counts.len(), 40, "{method}");
        // vectors 17 and 33 of each basis open a block: step 16 has stored 17 of them
        let new: Vec<usize> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let expected: Vec<usize> = (2..=40).map(|step| if step % 16 == 0 { 2 } else { 0 }).collect();
        assert_eq!(new, expected, "{method}");
    }
}

/// The same where A is a dense matrix and the products are kernels.
#[test]
fn a_step_on_a_dense_matrix_allocates_nothing() {
    let (m, n) = (60, 40);
    let entries: Vec<f64> =
        (0..m * n).map(|k| 1.0 / (1.0 + (k % m) as f64 + (k / m) as f64) + f64::from(u8::from(k % m == k / m))).collect();
    let b: Vec<f64> = (0..m).map(|i| (i * 7 % 11) as f64).collect();
    for a in [DenseView::column_major(&entries, m, n).unwrap(), DenseView::row_major(&entries, m, n).unwrap()] {
        assert_eq!(allocations_between_steps(&Problem::new(&a), &b, 8), 0);
    }
    // tall, so that a step is one sweep
    let (m, n) = (4000, 30);
    let entries = dense(m, n);
    let b: Vec<f64> = (0..m).map(|i| (i * 7 % 11) as f64).collect();
    for a in [DenseView::column_major(&entries, m, n).unwrap(), DenseView::row_major(&entries, m, n).unwrap()] {
        assert_eq!(allocations_between_steps(&Problem::new(&a), &b, 8), 0);
    }
}

/// A well-conditioned dense matrix.
fn dense(m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|k| ((k * 7919 + (k / m) * 104_729) % 1009) as f64 / 504.0 - 1.0).collect()
}

/// Numbers of size min(m, n)² that one λ may take beside A: the Gram matrix, its triangle's inverse, and room for one more.
const SQUARES: usize = 4;
/// Vectors of length m + n: copies of b, residual, gradient, solution, corrections.
const VECTORS: usize = 16;
/// Blocks of the sweeps and the report, whatever the size of the problem.
const FIXED: usize = 1 << 20;

#[test]
fn one_lambda_does_not_copy_a_dense_matrix() {
    for (m, n) in [(20_000, 40), (40, 20_000), (6_000, 150), (150, 6_000)] {
        let entries = dense(m, n);
        let b: Vec<f64> = (0..m).map(|i| (i * 7 % 11) as f64).collect();
        let square = m.min(n) * m.min(n);
        let limit = (SQUARES * square + VECTORS * (m + n)) * REAL + FIXED;
        assert!(limit < m * n * REAL, "{m}×{n} is too small to show a copy");
        for (name, a) in [("columns", DenseView::column_major(&entries, m, n)), ("rows", DenseView::row_major(&entries, m, n))] {
            let a = a.unwrap();
            let solve = || Problem::new(&a).threads(1).solve(&b, 10.0).unwrap();
            // the first call of a thread takes the kernels' packing buffer, which the thread then keeps
            solve();
            let (fit, used) = measured(solve);
            assert_eq!(fit.report.method, "Cholesky", "{}", fit.report);
            assert!(
                used.peak <= limit,
                "{m}×{n} by {name}: {} bytes live at once, at most {limit} allowed; A has {}",
                used.peak,
                m * n * REAL
            );
        }
    }
}

/// Iterating needs vectors alone.
#[test]
fn iterating_takes_vectors_only() {
    let (m, n) = (3000, 300);
    let entries = dense(m, n);
    let a = DenseView::column_major(&entries, m, n).unwrap();
    let b: Vec<f64> = (0..m).map(|i| (i * 7 % 11) as f64).collect();
    // b three times (as given, whitened, its column), then what the header of each method says; x once more, and what a block of
    // the balance needs
    for (method, of_m, of_n) in
        [(Method::from(Cgls::new()), 3 + 2, 3 + 3), (Lsqr::new().into(), 3 + 2, 4 + 3), (Lsmr::new().into(), 3 + 2, 5 + 3)]
    {
        let (_, used) = measured(|| Problem::new(&a).threads(1).method(method.clone()).solve(&b, 10.0).unwrap());
        // the verified residual needs a second part of length n where x ≠ 0
        let limit = (of_m * m + (of_n + 2) * n) * REAL + (1 << 14);
        assert!(used.peak <= limit, "{method}: {} bytes, at most {limit} allowed", used.peak);
    }
}

/// A factorization answers from what it kept: nothing of the size of A.
#[test]
fn another_lambda_from_a_factorization_takes_vectors_only() -> Result<()> {
    let (m, n) = (2000, 100);
    let entries = dense(m, n);
    let a = DenseView::column_major(&entries, m, n)?;
    let b: Vec<f64> = (0..m).map(|i| (i * 7 % 11) as f64).collect();
    let factor = Problem::new(&a).threads(1).method(Method::Svd).factorize()?;
    let limit = VECTORS * (m + n) * REAL + (1 << 17);
    assert!(limit < m * n * REAL / 2);
    for choice in [wellposed::Choice::from(0.1), Gcv.into()] {
        let (fit, used) = measured(|| factor.solve(&b, choice));
        fit?;
        assert!(used.peak <= limit, "{choice}: {} bytes, at most {limit} allowed", used.peak);
    }
    Ok(())
}

/// A problem is its options: A and L are borrowed, vectors of weights are the only thing copied.
#[test]
fn a_problem_allocates_its_options() {
    let (m, n) = (500, 400);
    let entries = dense(m, n);
    let a = DenseView::column_major(&entries, m, n).unwrap();
    let (weights, mean) = (vec![1.0; m], vec![0.0; n]);
    let plain = measured(|| Problem::new(&a).intercept().require_full_rank().threads(1).method(Method::Qr)).1;
    assert_eq!(plain.count, 0, "{plain:?}");
    let penalty = measured(|| Problem::new(&a).penalty(Penalty::second_difference()).method(Cgls::new().tolerance(1e-6))).1;
    assert_eq!(penalty.count, 0, "{penalty:?}");
    let matrix = measured(|| Problem::new(&a).penalty(Penalty::matrix(&a))).1;
    assert_eq!(matrix.count, 0, "{matrix:?}");
    let vectors = measured(|| Problem::new(&a).weights(&weights).noise_std(&weights).prior_mean(&mean)).1;
    assert!(vectors.peak <= 2 * (2 * m + n) * REAL, "{vectors:?}");
    // a plan computes nothing
    let (plan, used) = measured(|| Problem::new(&a).threads(1).plan(Gcv));
    plan.unwrap();
    assert!(used.peak < 4096, "{used:?}");
}

/// Products of operators with structure take what they kept: the first of each direction may allocate, no other does.
#[test]
fn products_of_structured_operators_allocate_nothing() -> Result<()> {
    use wellposed::operator::{Grid, beside, kronecker, parallel_beam, stack};
    let entries = dense(5, 6);
    let view = DenseView::column_major(&entries, 5, 6)?;
    let grid = Grid::new(&[6, 5])?;
    #[allow(unused_mut)]
    let mut operators: Vec<(&str, Box<dyn Operator<Scalar = f64> + '_>)> = vec![
        ("Kronecker product", Box::new(kronecker(view, view)?)),
        ("tomography", Box::new(parallel_beam(6, &[0.0, 0.4, 1.0, 2.0], 9, 1.0)?)),
        ("gradient", Box::new(grid.gradient(wellposed::Boundary::Free))),
        ("Laplacian", Box::new(grid.laplacian(wellposed::Boundary::Reflective)?)),
        ("beside", Box::new(beside(vec![view, view])?)),
        ("stack", Box::new(stack(vec![view, view])?)),
    ];
    for boundary in [wellposed::Boundary::Zero, wellposed::Boundary::Reflective, wellposed::Boundary::Periodic] {
        use wellposed::operator::{convolution, gaussian_kernel};
        operators.push(("convolution", Box::new(convolution(31, 17, &gaussian_kernel(1.5, 0.7)?, boundary)?)));
    }
    for (name, a) in &operators {
        let (m, n) = a.shape();
        let (mut x, mut y) = (vec![1.0; n], vec![0.0; m]);
        for _ in 0..2 {
            a.apply(&x, &mut y);
            a.apply_adjoint(&y, &mut x);
        }
        let (_, used) = measured(|| {
            for _ in 0..3 {
                a.apply(&x, &mut y);
                a.apply_adjoint(&y, &mut x);
            }
        });
        // the kernels of a dense product may take a buffer each time; here they have no more than a few columns
        assert_eq!(used.count, 0, "{name}");
    }
    Ok(())
}

/// Products with a sparse A allocate nothing: the sums of several threads live in memory that the calling thread keeps.
#[test]
fn sparse_products_allocate_nothing() -> Result<()> {
    let (m, n) = (3000, 400);
    let starts: Vec<u32> = (0..=m as u32).map(|i| 3 * i).collect();
    let indices: Vec<u32> = (0..3 * m as u32).map(|k| (k * 7 + k / 11) % n as u32).collect();
    let values: Vec<f64> = (0..3 * m).map(|k| (k % 5) as f64 - 2.0).collect();
    let a = wellposed::SparseView::csr(m, n, &starts, &indices, &values)?.threads(1);
    let transposed = wellposed::SparseView::csc(n, m, &starts, &indices, &values)?.threads(1);
    let (x, u) = (vec![1.0; n], vec![0.5; m]);
    let (mut w, mut z) = (vec![0.0; m], vec![0.0; n]);
    // the first product makes the memory
    a.apply_fused(&x, 0.5, &u, &mut w, &mut z);
    let ((), used) = measured(|| {
        a.apply(&x, &mut w);
        a.apply_adjoint(&u, &mut z);
        a.apply_fused(&x, 0.5, &u, &mut w, &mut z);
        transposed.apply(&u, &mut z);
        transposed.apply_adjoint(&x, &mut w);
        a.apply_block(1, &x, &mut w);
    });
    assert_eq!(used.count, 0);
    assert_eq!(allocations_between_steps(&Problem::new(&a), &u, 20), 0);
    Ok(())
}
