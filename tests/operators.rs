//! Operators made of operators, and differences: their matrices, their adjoints, their refusals.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use wellposed::operator::{Boundary, Differences, Entries, Operator};
use wellposed::operator::{adjoint, diagonal, dot_test, from_fn, product, scaled, stack, sum, transpose};
use wellposed::operator::{first_difference, first_difference_2d, second_difference, second_difference_2d};
use wellposed::{DenseView, Error, Real, Result, Scalar, c32, c64};

const BOUNDARIES: [Boundary; 3] = [Boundary::Free, Boundary::Zero, Boundary::Periodic];

fn number<T: Scalar>(real: i32, imaginary: i32) -> T {
    T::from_parts(T::Real::from_f64(real.into()), T::Real::from_f64(imaginary.into()))
}

fn garbage<T: Scalar>(length: usize) -> Vec<T> {
    vec![T::from_real(T::Real::from_f64(f64::NAN)); length]
}

/// The matrix of an operator, by rows.
fn matrix<T: Scalar, O: Operator<Scalar = T>>(a: &O) -> Vec<Vec<T>> {
    let (m, n) = a.shape();
    let mut rows = vec![vec![T::ZERO; n]; m];
    for j in 0..n {
        let (mut unit, mut column) = (vec![T::ZERO; n], garbage(m));
        unit[j] = T::ONE;
        a.apply(&unit, &mut column);
        (0..m).for_each(|i| rows[i][j] = column[i]);
    }
    rows
}

/// Equal to rounding, relative to the largest.
fn close<T: Scalar>(found: &[T], expected: &[T], what: &str) {
    let size = |v: T| v.modulus().to_f64();
    let largest = expected.iter().map(|&v| size(v)).fold(0.0, f64::max);
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = size(found - expected);
        assert!(difference <= 16.0 * T::Real::EPSILON.to_f64() * largest, "{what} at {i}: {found:?} is not {expected:?}");
    }
}

fn reals(rows: &[&[i32]]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.iter().map(|&value| value.into()).collect()).collect()
}

/// The adjoint belongs to the operator, and block products are single products.
fn check<T: Scalar, O: Operator<Scalar = T>>(a: &O) {
    dot_test(a).unwrap();
    check_exactly(a);
}

/// The matrix of Aᴴ is that of A, conjugated and transposed, and block products are single products; of integers: exactly.
fn check_exactly<T: Scalar, O: Operator<Scalar = T>>(a: &O) {
    let (forward, back) = (matrix(a), matrix(&adjoint(a)));
    assert_eq!(back, build(a.shape().1, a.shape().0, |i, j| forward[j][i].conj()), "Aᴴ");
    let ((m, n), k) = (a.shape(), 3);
    let input = |length: usize| (0..length).map(|t| number::<T>((t * 7 % 11) as i32 - 5, (t * 5 % 7) as i32 - 3)).collect::<Vec<_>>();
    let (x, y) = (input(n * k), input(m * k));
    let (mut ax, mut ay) = (garbage::<T>(m * k), garbage::<T>(n * k));
    a.apply_block(k, &x, &mut ax);
    a.apply_adjoint_block(k, &y, &mut ay);
    for j in 0..k {
        let (mut one, mut back) = (garbage::<T>(m), garbage::<T>(n));
        a.apply(&x[j * n..(j + 1) * n], &mut one);
        a.apply_adjoint(&y[j * m..(j + 1) * m], &mut back);
        assert_eq!(one, ax[j * m..(j + 1) * m], "column {j} of a block product");
        assert_eq!(back, ay[j * n..(j + 1) * n], "column {j} of an adjoint block product");
    }
    // one sweep gives what the two products give, but for rounding
    let (alpha, u) = (number::<T>(2, 0), &y[..m]);
    let (mut w, mut z) = (garbage::<T>(m), garbage::<T>(n));
    a.apply_fused(&x[..n], alpha, u, &mut w, &mut z);
    let expected: Vec<T> = ax[..m].iter().zip(u).map(|(&ax, &u)| ax - alpha * u).collect();
    let mut back = garbage::<T>(n);
    a.apply_adjoint(&expected, &mut back);
    close(&w, &expected, "w of the fused product");
    close(&z, &back, "z of the fused product");
    a.apply_block(0, &[], &mut []);
    a.apply_adjoint_block(0, &[], &mut []);
}

/// Row i of a difference, written out from its definition: (offset from the first value it sees) → coefficients.
fn by_definition(degree: usize, n: usize, boundary: Boundary) -> Vec<Vec<f64>> {
    let stencil: &[f64] = if degree == 1 { &[-1.0, 1.0] } else { &[1.0, -2.0, 1.0] };
    let n_ = n as isize;
    let starts: Vec<isize> = match (boundary, degree) {
        (Boundary::Free, _) => (0..=n_ - stencil.len() as isize).collect(),
        (Boundary::Zero, 1) => (-1..n_).collect(),
        (Boundary::Periodic, 1) => (0..n_).collect(),
        _ => (-1..n_ - 1).collect(),
    };
    let row = |start: isize| {
        let mut row = vec![0.0; n];
        for (tap, coefficient) in stencil.iter().enumerate() {
            let at = start + tap as isize;
            let at = if boundary == Boundary::Periodic { at.rem_euclid(n_) } else { at };
            if (0..n_).contains(&at) {
                row[at as usize] += coefficient;
            }
        }
        row
    };
    starts.into_iter().map(row).collect()
}

fn line<T: Scalar>(degree: usize, n: usize, boundary: Boundary) -> Differences<T> {
    if degree == 1 { first_difference(n, boundary) } else { second_difference(n, boundary) }
}

#[test]
fn small_differences_are_these_matrices() {
    assert_eq!(matrix(&first_difference::<f64>(3, Boundary::Free)), reals(&[&[-1, 1, 0], &[0, -1, 1]]));
    assert_eq!(matrix(&first_difference::<f64>(2, Boundary::Zero)), reals(&[&[1, 0], &[-1, 1], &[0, -1]]));
    assert_eq!(matrix(&first_difference::<f64>(3, Boundary::Periodic)), reals(&[&[-1, 1, 0], &[0, -1, 1], &[1, 0, -1]]));
    assert_eq!(matrix(&second_difference::<f64>(4, Boundary::Free)), reals(&[&[1, -2, 1, 0], &[0, 1, -2, 1]]));
    assert_eq!(matrix(&second_difference::<f64>(3, Boundary::Zero)), reals(&[&[-2, 1, 0], &[1, -2, 1], &[0, 1, -2]]));
    assert_eq!(matrix(&second_difference::<f64>(3, Boundary::Periodic)), reals(&[&[-2, 1, 1], &[1, -2, 1], &[1, 1, -2]]));
    assert_eq!(matrix(&second_difference::<f64>(2, Boundary::Periodic)), reals(&[&[-2, 2], &[2, -2]]));
    assert_eq!(matrix(&second_difference::<f64>(1, Boundary::Zero)), reals(&[&[-2]]));
    assert_eq!(matrix(&first_difference::<f64>(1, Boundary::Periodic)), reals(&[&[0]]));
    assert_eq!(second_difference::<f64>(1, Boundary::Free).shape(), (0, 1));
    assert_eq!(first_difference::<f64>(0, Boundary::Zero).shape(), (1, 0));
}

#[test]
fn lines_of_all_lengths_follow_the_definition() {
    for boundary in BOUNDARIES {
        for degree in [1, 2] {
            for n in 0..=6 {
                assert_eq!(matrix(&line::<f64>(degree, n, boundary)), by_definition(degree, n, boundary), "{degree} {n} {boundary}");
                check(&line::<f32>(degree, n, boundary));
                check(&line::<f64>(degree, n, boundary));
                check(&line::<c32>(degree, n, boundary));
                check(&line::<c64>(degree, n, boundary));
            }
        }
    }
}

#[test]
fn grids_are_lines_in_both_directions() {
    for boundary in BOUNDARIES {
        for (degree, rows, columns) in [1, 2].into_iter().flat_map(|d| (0..=4).flat_map(move |r| (0..=4).map(move |c| (d, r, c)))) {
            let grid = |degree| if degree == 1 { first_difference_2d::<f64> } else { second_difference_2d::<f64> };
            let grid = grid(degree)(rows, columns, boundary);
            check(&grid);
            let complex = if degree == 1 { first_difference_2d::<c64> } else { second_difference_2d::<c64> };
            check(&complex(rows, columns, boundary));

            let (down, across) = (by_definition(degree, rows, boundary), by_definition(degree, columns, boundary));
            let mut expected = Vec::new();
            for column in 0..columns {
                for coefficients in &down {
                    let mut row = vec![0.0; rows * columns];
                    row[column * rows..(column + 1) * rows].copy_from_slice(coefficients);
                    expected.push(row);
                }
            }
            for coefficients in &across {
                for pixel in 0..rows {
                    let mut row = vec![0.0; rows * columns];
                    (0..columns).for_each(|column| row[column * rows + pixel] = coefficients[column]);
                    expected.push(row);
                }
            }
            assert_eq!(matrix(&grid), expected, "{degree}: {rows}×{columns} {boundary}");
        }
    }
}

#[test]
fn boundaries_have_names() {
    assert_eq!(BOUNDARIES.map(|boundary| boundary.to_string()), ["free", "zero", "periodic"]);
    assert_eq!(format!("{:>5}", Boundary::Zero), " zero");
}

#[test]
fn diagonals() {
    check(&diagonal::<f64>(vec![]));
    check(&diagonal(vec![2.0_f32, -3.0]));
    check(&diagonal(vec![c64::new(1.0, 2.0), c64::new(0.0, -1.0)]));
    assert_eq!(matrix(&diagonal(vec![2.0, -3.0])), [[2.0, 0.0], [0.0, -3.0]]);
}

/// An m×n matrix of small integers, as the rows and as column-major entries.
#[derive(Debug, Clone)]
struct Small<T> {
    m: usize,
    n: usize,
    entries: Vec<T>,
}

impl<T: Scalar> Small<T> {
    fn view(&self) -> DenseView<'_, T> {
        DenseView::column_major(&self.entries, self.m, self.n).unwrap()
    }
    fn at(&self, i: usize, j: usize) -> T {
        self.entries[j * self.m + i]
    }
    fn rows(&self) -> Vec<Vec<T>> {
        build(self.m, self.n, |i, j| self.at(i, j))
    }
}

fn build<T>(m: usize, n: usize, entry: impl Fn(usize, usize) -> T) -> Vec<Vec<T>> {
    (0..m).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

fn small<T: Scalar>(m: usize, n: usize) -> impl Strategy<Value = Small<T>> {
    prop::collection::vec((-4..=4, -4..=4), m * n).prop_map(move |parts| Small {
        m,
        n,
        entries: parts.into_iter().map(|(re, im)| number(re, im)).collect(),
    })
}

/// A and B of one shape m×n, C n×p, and a factor.
fn parts<T: Scalar>() -> impl Strategy<Value = (Small<T>, Small<T>, Small<T>, T)> {
    (0..5_usize, 0..5_usize, 0..5_usize, -3..=3, -3..=3)
        .prop_flat_map(|(m, n, p, re, im)| (small(m, n), small(m, n), small(n, p), Just(number(re, im))))
}

fn algebra_is_that_of_matrices<T: Scalar>(a: &Small<T>, b: &Small<T>, c: &Small<T>, factor: T, dot_tests: bool) -> Result<()> {
    let (m, n, p) = (a.m, a.n, c.n);
    macro_rules! equal {
        ($operator:expr, $expected:expr) => {{
            let operator = $operator;
            assert_eq!(matrix(&operator), $expected);
            check_exactly(&operator);
            // random integers can cancel, and leave the dot test nothing but rounding to compare
            if dot_tests {
                dot_test(&operator)?;
            }
        }};
    }
    let only_products = |a: &Small<T>| {
        let (forward, back) = (a.clone(), a.clone());
        from_fn(
            a.m,
            a.n,
            move |x: &[T], y: &mut [T]| forward.view().apply(x, y),
            move |y: &[T], x: &mut [T]| back.view().apply_adjoint(y, x),
        )
    };
    let b_view = b.view();
    equal!(scaled(factor, a.view()), build(m, n, |i, j| factor * a.at(i, j)));
    equal!(sum(a.view(), b.view())?, build(m, n, |i, j| a.at(i, j) + b.at(i, j)));
    equal!(sum(only_products(a), &b_view)?, build(m, n, |i, j| a.at(i, j) + b.at(i, j)));
    let ac = build(m, p, |i, j| (0..n).fold(T::ZERO, |sum, l| sum + a.at(i, l) * c.at(l, j)));
    equal!(product(a.view(), c.view())?, ac);
    equal!(product(only_products(a), only_products(c))?, ac);
    equal!(adjoint(a.view()), build(n, m, |i, j| a.at(j, i).conj()));
    equal!(transpose(a.view()), build(n, m, |i, j| a.at(j, i)));
    equal!(adjoint(adjoint(transpose(transpose(only_products(a))))), a.rows());
    let blocks: Vec<Box<dyn Operator<Scalar = T> + '_>> =
        vec![Box::new(a.view()), Box::new(line(1, n, Boundary::Zero)), Box::new(only_products(b))];
    let difference = matrix(&line::<T>(1, n, Boundary::Zero));
    equal!(stack(blocks)?, [a.rows(), difference, b.rows()].concat());
    equal!(stack(vec![a.view()])?, a.rows());
    equal!(product(adjoint(a.view()), diagonal(vec![factor; m]))?, build(n, m, |i, j| a.at(j, i).conj() * factor));
    equal!(
        scaled(factor, sum(product(a.view(), adjoint(b.view()))?, product(b.view(), adjoint(a.view()))?)?),
        build(m, m, |i, j| {
            factor * (0..n).fold(T::ZERO, |sum, l| sum + a.at(i, l) * b.at(j, l).conj() + b.at(i, l) * a.at(j, l).conj())
        })
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, rng_seed: RngSeed::Fixed(19_631_970), ..ProptestConfig::default() })]

    #[test]
    fn real_algebra_is_that_of_matrices((a, b, c, factor) in parts::<f64>()) {
        algebra_is_that_of_matrices(&a, &b, &c, factor, false).unwrap();
    }

    #[test]
    fn complex_algebra_is_that_of_matrices((a, b, c, factor) in parts::<c64>()) {
        algebra_is_that_of_matrices(&a, &b, &c, factor, false).unwrap();
    }

    #[test]
    fn single_precision_algebra_is_that_of_matrices((a, b, c, factor) in parts::<c32>()) {
        algebra_is_that_of_matrices(&a, &b, &c, factor, false).unwrap();
    }
}

fn algebra_passes_dot_tests<T: Scalar>() -> Result<()> {
    let of_shape = |m: usize, n: usize, seed: usize| {
        let integer = |t: usize| ((t * t + seed * t) % 7) as i32 - 3;
        Small { m, n, entries: (0..m * n).map(|t| number::<T>(integer(t), integer(t + 5))).collect() }
    };
    for (m, n, p) in [(4, 3, 5), (3, 4, 2), (1, 3, 1), (3, 0, 2), (0, 3, 2)] {
        algebra_is_that_of_matrices(&of_shape(m, n, 1), &of_shape(m, n, 2), &of_shape(n, p, 3), number(2, -1), true)?;
    }
    Ok(())
}

#[test]
fn algebra_passes_dot_tests_in_all_scalars() -> Result<()> {
    algebra_passes_dot_tests::<f32>()?;
    algebra_passes_dot_tests::<f64>()?;
    algebra_passes_dot_tests::<c32>()?;
    algebra_passes_dot_tests::<c64>()
}

#[test]
fn entries_are_shown_where_no_copy_is_needed() -> Result<()> {
    let shown = |entries: Entries<'_, f64>| match entries {
        Entries::Dense(view) => Some((view.shape(), view.get(0, 1))),
        _ => None,
    };
    let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let a = DenseView::row_major(&numbers, 2, 3)?;
    assert_eq!(shown(scaled(1.0, a).entries()), Some(((2, 3), Some(2.0))));
    assert_eq!(shown(stack(vec![a])?.entries()), Some(((2, 3), Some(2.0))));
    assert_eq!(shown(transpose(a).entries()), Some(((3, 2), Some(4.0))));
    assert_eq!(shown(adjoint(a).entries()), Some(((3, 2), Some(4.0))));
    for hidden in [scaled(2.0, a).entries(), stack(vec![a, a])?.entries(), sum(a, a)?.entries(), product(a, adjoint(a))?.entries()] {
        assert!(shown(hidden).is_none());
    }
    let numbers = [c64::new(0.0, 1.0), c64::new(2.0, 3.0)];
    let a = DenseView::row_major(&numbers, 1, 2)?;
    assert!(matches!(adjoint(a).entries(), Entries::None), "the entries of Aᴴ would be conjugates, which no view has");
    let transposed = transpose(a);
    let Entries::Dense(view) = transposed.entries() else { panic!("Aᵀ needs no conjugates") };
    assert_eq!(view.get(1, 0), Some(numbers[1]));
    Ok(())
}

/// A part of a row-distributed operator: one row here, ten in all; its range has its own norm and dot product.
struct Distributed;
impl Operator for Distributed {
    type Scalar = f64;
    fn shape(&self) -> (usize, usize) {
        (1, 1)
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        y[0] = x[0]
    }
    fn apply_adjoint(&self, y: &[f64], x: &mut [f64]) {
        x[0] = y[0]
    }
    fn global_rows(&self) -> usize {
        10
    }
    fn range_norm(&self, y: &[f64]) -> f64 {
        3.0 * y[0].abs()
    }
    fn range_dot(&self, u: &[f64], v: &[f64]) -> f64 {
        9.0 * u[0] * v[0]
    }
}

#[test]
fn the_range_of_distributed_parts_is_kept() -> Result<()> {
    let one: [Box<dyn Operator<Scalar = f64>>; 3] = [
        Box::new(scaled(2.0, Distributed)),
        Box::new(sum(Distributed, Distributed)?),
        Box::new(product(Distributed, diagonal(vec![1.0]))?),
    ];
    for a in one {
        assert_eq!((a.global_rows(), a.range_norm(&[2.0]), a.range_dot(&[2.0], &[5.0])), (10, 6.0, 90.0));
    }
    let two = stack(vec![Distributed, Distributed])?;
    assert_eq!((two.global_rows(), two.range_norm(&[1.0, -4.0 / 3.0]), two.range_dot(&[1.0, 2.0], &[3.0, 4.0])), (20, 5.0, 99.0));
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let text = |error: Error| {
        assert!(matches!(error, Error::Shape { .. }));
        error.to_string()
    };
    let d = |n: usize| first_difference::<f64>(n, Boundary::Free);
    assert_eq!(
        text(sum(d(3), d(4)).unwrap_err()),
        "the second operator of the sum is 3×4, but 2×3 is needed: both operators must have the same shape"
    );
    assert_eq!(
        text(product(d(3), d(3)).unwrap_err()),
        "the right operator of the product is 2×3, but 3×3 is needed: it must have as many rows as the left operator has columns"
    );
    assert_eq!(
        text(stack(vec![d(3), d(3), d(5)]).unwrap_err()),
        "a block of the stack is 4×5, but 4×3 is needed: every block must have as many columns as the first"
    );
    assert!(text(stack(Vec::<Differences<f64>>::new()).unwrap_err()).ends_with("stack at least one operator"));
}

#[test]
fn dot_test_finds_wrong_adjoints() {
    let wrong = |error: Result<()>| matches!(error, Err(Error::Parameter { .. }));
    let i = c64::new(0.0, 1.0);
    // the conjugate is missing
    assert!(wrong(dot_test(&from_fn(1, 1, |x: &[c64], y: &mut [c64]| y[0] = i * x[0], |y: &[c64], x: &mut [c64]| x[0] = i * y[0]))));
    // off by one
    let shift = |x: &[f64], y: &mut [f64]| (0..9).for_each(|t| y[t] = x[(t + 1) % 9]);
    assert!(wrong(dot_test(&from_fn(9, 9, shift, |y: &[f64], x: &mut [f64]| (0..9).for_each(|t| x[(t + 2) % 9] = y[t])))));
    assert!(dot_test(&from_fn(9, 9, shift, |y: &[f64], x: &mut [f64]| (0..9).for_each(|t| x[(t + 1) % 9] = y[t]))).is_ok());
    // a factor, even a small one, in both precisions
    let double = |factor: f64| {
        from_fn(
            4,
            4,
            |x: &[f64], y: &mut [f64]| y.copy_from_slice(x),
            move |y: &[f64], x: &mut [f64]| (0..4).for_each(|t| x[t] = factor * y[t]),
        )
    };
    assert!(wrong(dot_test(&double(2.0))) && wrong(dot_test(&double(1.0 + 1e-9))) && dot_test(&double(1.0)).is_ok());
    let single = |factor: f32| {
        from_fn(
            4,
            4,
            |x: &[f32], y: &mut [f32]| y.copy_from_slice(x),
            move |y: &[f32], x: &mut [f32]| (0..4).for_each(|t| x[t] = factor * y[t]),
        )
    };
    assert!(wrong(dot_test(&single(1.01))) && dot_test(&single(1.0)).is_ok());
    // the sign of one entry
    assert!(wrong(dot_test(&from_fn(
        1,
        2,
        |x: &[f64], y: &mut [f64]| y[0] = x[0] + x[1],
        |y: &[f64], x: &mut [f64]| x.copy_from_slice(&[y[0], -y[0]])
    ))));
    // an operator built of a wrong one is wrong
    assert!(wrong(dot_test(&sum(double(2.0), diagonal(vec![1.0; 4])).unwrap())));
}

#[test]
fn dot_test_finds_products_that_are_not_finite() {
    let not_finite = |error: Result<()>| matches!(error, Err(Error::NonFinite { .. }));
    assert!(not_finite(dot_test(&diagonal(vec![1.0, f64::NAN]))));
    assert!(not_finite(dot_test(&diagonal(vec![f32::INFINITY, 1.0]))));
    assert!(not_finite(dot_test(&diagonal(vec![c64::new(0.0, f64::NAN)]))));
    // an adjoint that forgets to write, and one that adds instead of writing
    let forgets = from_fn(2, 2, |x: &[f64], y: &mut [f64]| y.copy_from_slice(x), |y: &[f64], x: &mut [f64]| x[0] = y[0]);
    assert!(not_finite(dot_test(&forgets)));
    let adds = from_fn(1, 1, |x: &[f64], y: &mut [f64]| y[0] = x[0], |y: &[f64], x: &mut [f64]| x[0] += y[0]);
    assert!(not_finite(dot_test(&adds)));
}

/// A factor that brings an A far from 1 back to it: AᴴA itself would leave the range, and the fused product must not make it.
#[test]
fn the_fused_product_of_a_scaled_operator_stays_in_range() -> Result<()> {
    for power in [-200, 200] {
        let entries: Vec<f64> = (1..=12).map(|k| f64::from(k) * 10f64.powi(-power)).collect();
        let a = scaled(10f64.powi(power), DenseView::column_major(&entries, 4, 3)?);
        let plain: Vec<f64> = (1..=12).map(f64::from).collect();
        let plain = DenseView::column_major(&plain, 4, 3)?;
        let (x, u) = ([1.0, -2.0, 3.0], [1.0, 0.0, -1.0, 2.0]);
        let (mut w, mut z, mut expected_w, mut expected_z) = ([0.0; 4], [0.0; 3], [0.0; 4], [0.0; 3]);
        a.apply_fused(&x, 0.5, &u, &mut w, &mut z);
        plain.apply_fused(&x, 0.5, &u, &mut expected_w, &mut expected_z);
        close(&w, &expected_w, "w");
        close(&z, &expected_z, "z");
    }
    Ok(())
}
