use super::super::solution::solve_by_subtrees;
use super::super::{Analysis, Lower, Rows};
use super::*;
use crate::linalg::{self, supernodal};
use crate::random::Random;
use crate::scalar::c64;

/// AᴴA + I for random rows A at these places.
fn positive<T: Scalar>(n: usize, rows: &[Vec<usize>], seed: u64) -> Lower<T> {
    let values: Vec<T> = Random::new(seed).scalars(rows.iter().map(Vec::len).sum());
    let rows = Rows::<T>::new(rows.len() + n, n, &|visit| {
        let mut next = values.iter();
        for (i, row) in rows.iter().enumerate() {
            row.iter().zip(next.by_ref()).for_each(|(&j, &value)| visit(i, j, value));
        }
        (0..n).for_each(|j| visit(rows.len() + j, j, T::ONE));
    });
    rows.gram(&rows.transposed())
}

/// Pairs of neighbours on a grid of these sides.
fn grid(sides: &[usize]) -> (usize, Vec<Vec<usize>>) {
    let n = sides.iter().product();
    let mut pairs = Vec::new();
    let mut stride = 1;
    for &side in sides {
        pairs.extend((0..n).filter(|j| (j / stride) % side + 1 < side).map(|j| vec![j, j + stride]));
        stride *= side;
    }
    (n, pairs)
}

/// ‖M − CCᴴ‖ entry by entry, in units of the diagonal of M, and that nothing stands above the diagonals of the blocks.
fn assert_is_factor<T: Scalar>(lower: &Lower<T>, name: &str) {
    let n = lower.order();
    let analysis = Analysis::new(lower, Threads(2)).expect("memory");
    let values = factorize(&analysis, &lower.values, Threads(2)).expect("positive definite");
    let nodes = analysis.nodes();
    let mut c = linalg::zeros::<T>(n, n);
    for s in 0..nodes.count() {
        let Supernode { start, end, pattern } = nodes.supernode(s);
        let block = nodes.block(&values, s);
        for j in start..end {
            (start..j).for_each(|i| assert_eq!(block[(i - start, j - start)], T::ZERO, "{name}: above the diagonal"));
            (j..end).for_each(|i| c[(i, j)] = block[(i - start, j - start)]);
            pattern.iter().enumerate().for_each(|(k, &i)| c[(i, j)] = block[(end - start + k, j - start)]);
        }
    }
    let mut product = linalg::zeros::<T>(n, n);
    T::product(product.as_mut(), Accum::Replace, T::ONE, c.as_ref(), Op::None, c.as_ref(), Op::Adjoint, Threads::ONE);
    let mut expected = linalg::zeros::<T>(n, n);
    for j in 0..n {
        for place in lower.starts[j]..lower.starts[j + 1] {
            let (i, value) = (lower.indices[place], lower.values[place]);
            expected[(nodes.order()[i], nodes.order()[j])] = value;
            expected[(nodes.order()[j], nodes.order()[i])] = value.conj();
        }
    }
    let largest = (0..n).map(|j| expected[(j, j)].real().to_f64()).fold(0.0, f64::max);
    let tolerance: f64 = 50.0 * T::Real::EPSILON.to_f64() * largest;
    for j in 0..n {
        for i in 0..n {
            let difference = (product[(i, j)] - expected[(i, j)]).modulus().to_f64();
            assert!(difference <= tolerance, "{name}: entry ({i}, {j}) is off by {difference:e}");
        }
    }
}

fn patterns() -> Vec<(&'static str, usize, Vec<Vec<usize>>)> {
    let mut random = Random::new(7);
    let mut some = |n: usize| (random.uniform() * n as f64) as usize % n;
    let scattered = (0..260).map(|_| (0..3).map(|_| some(150)).collect::<Vec<_>>()).map(|mut row| {
        row.sort_unstable();
        row.dedup();
        row
    });
    let scattered = scattered.collect();
    let (n, square) = grid(&[17, 13]);
    let (cube_size, cube) = grid(&[6, 5, 7]);
    let mut arrow: Vec<Vec<usize>> = (0..119).map(|j| vec![j, 119]).collect();
    arrow.push((0..40).collect());
    vec![
        ("no entries off the diagonal", 30, vec![]),
        ("a chain", 200, (0..199).map(|j| vec![j, j + 1]).collect()),
        ("a band", 90, (0..82).map(|j| (j..j + 9).collect()).collect()),
        ("an arrow and a dense block", 120, arrow),
        ("a square", n, square),
        ("a cube", cube_size, cube),
        ("scattered", 150, scattered),
        ("a full matrix, wider than a panel", 70, vec![(0..70).collect(); 3]),
        ("pieces", 60, (0..60).filter(|j| j % 7 != 6 && j + 1 < 60).map(|j| vec![j, j + 1]).collect()),
        ("one", 1, vec![vec![0]]),
        ("none", 0, vec![]),
    ]
}

#[test]
fn factors() {
    for (name, n, rows) in patterns() {
        assert_is_factor::<f64>(&positive(n, &rows, 1), name);
        assert_is_factor::<c64>(&positive(n, &rows, 2), name);
        assert_is_factor::<f32>(&positive(n, &rows, 3), name);
    }
}

/// A grid that is cut and has subtrees for several threads: the same bits for any number of them, and the solution.
#[test]
fn threads_do_not_change_a_bit() {
    let (n, pairs) = grid(&[150, 130]);
    let lower = positive::<f64>(n, &pairs, 4);
    let analysis = Analysis::new(&lower, Threads::ONE).expect("memory");
    assert!(analysis.flops() > PARALLEL_FROM && analysis.tree.apart().len() > 4);
    let one = factorize(&analysis, &lower.values, Threads::ONE).expect("positive definite");
    for threads in [2, 3, 16] {
        let other = Analysis::new(&lower, Threads(threads)).expect("memory");
        assert_eq!(other.order, analysis.order, "{threads} threads");
        assert!(factorize(&other, &lower.values, Threads(threads)) == Some(one.clone()), "{threads} threads");
    }
    let b: Vec<f64> = Random::new(5).scalars(n);
    let (mut x, mut plain) = (b.clone(), b.clone());
    solve_by_subtrees(&analysis, &one, &mut x, Threads::ONE);
    for threads in [2, 3, 16] {
        let mut other = b.clone();
        solve_by_subtrees(&analysis, &one, &mut other, Threads(threads));
        assert!(other == x, "{threads} threads");
    }
    supernodal::solve(analysis.nodes(), &one, &mut plain);
    plain.iter_mut().zip(&x).for_each(|(plain, x)| *plain -= x);
    assert!(linalg::norm(&plain) <= 1e-13 * linalg::norm(&x), "{:e}", linalg::norm(&plain));
    let mut residual = b;
    for j in 0..n {
        for place in lower.starts[j]..lower.starts[j + 1] {
            let (i, value) = (lower.indices[place], lower.values[place]);
            residual[i] -= value * x[j];
            if i != j {
                residual[j] -= value * x[i];
            }
        }
    }
    assert!(linalg::norm(&residual) <= 1e-12 * linalg::norm(&x), "{:e}", linalg::norm(&residual));
}

/// In a small matrix, and in one whose pivot fails inside a subtree of its own or above all of them.
#[test]
fn indefinite_matrices_have_no_factor() {
    let (n, pairs) = grid(&[150, 130]);
    let large = positive::<f64>(n, &pairs, 4);
    let small = positive::<f64>(40, &(0..39).map(|j| vec![j, j + 1]).collect::<Vec<_>>(), 6);
    for lower in [small, large] {
        let analysis = Analysis::new(&lower, Threads(2)).expect("memory");
        let last = analysis.order[lower.order() - 1];
        for column in [0, lower.order() / 2, last] {
            for wrong in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
                let mut lower = lower.clone();
                lower.values[lower.starts[column]] = wrong;
                assert!(factorize(&analysis, &lower.values, Threads(2)).is_none(), "{wrong} in column {column} of {}", lower.order());
            }
        }
    }
}
