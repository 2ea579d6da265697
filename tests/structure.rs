//! Operators with structure: each against the matrix that its definition says, and each diagonalised problem against the
//! dense engines on that matrix.

mod structured;

use structured::{dense, garbage, matrix, number, random};
use wellposed::method::Method;
use wellposed::operator::{
    Basis, Boundary, Convolution, Grid, Kernel, adjoint, beside, block_diagonal, convolution, defocus_kernel, diagonal, dot_test,
    first_difference, gaussian_kernel, kronecker, mask, motion_kernel, parallel_beam, sampling, scaled, second_difference, select, stack,
};
use wellposed::{
    Choice, DenseView, Discrepancy, Error, Gcv, Lambda, Loo, Operator, Penalty, Problem, Real, Result, Rule, Scalar, Warning, c32, c64,
    log_grid,
};

const BOUNDARIES: [Boundary; 4] = [Boundary::Free, Boundary::Zero, Boundary::Periodic, Boundary::Reflective];

/// Which value of a line of n stands at this place, by the boundary; `None` for a zero.
fn beyond(place: isize, n: usize, boundary: Boundary) -> Option<usize> {
    let length = n as isize;
    match boundary {
        Boundary::Periodic => Some(place.rem_euclid(length) as usize),
        Boundary::Reflective => {
            let place = place.rem_euclid(2 * length);
            Some(if place < length { place } else { 2 * length - 1 - place } as usize)
        }
        Boundary::Free | Boundary::Zero => (0..length).contains(&place).then_some(place as usize),
    }
}

/// The matrix of a convolution from its definition, by rows.
fn by_definition<T: Scalar>(rows: usize, columns: usize, kernel: &Kernel<T>, boundary: Boundary) -> Vec<Vec<T>> {
    let ((p, q), (c, d)) = (kernel.shape(), kernel.centre_at());
    // where the results begin and end: with free ends only where the kernel sees given values
    let range = |n: usize, size: usize, centre: usize| match boundary {
        Boundary::Free if n < size => 0..0,
        Boundary::Free => size - 1 - centre..n - centre,
        _ => 0..n,
    };
    let mut out = Vec::new();
    for j in range(columns, q, d) {
        for i in range(rows, p, c) {
            let mut row = vec![T::ZERO; rows * columns];
            for l in 0..q {
                for k in 0..p {
                    let at = |result: usize, tap: usize, centre: usize| result as isize - (tap as isize - centre as isize);
                    if let (Some(s), Some(t)) = (beyond(at(i, k, c), rows, boundary), beyond(at(j, l, d), columns, boundary)) {
                        row[s + t * rows] += kernel.entries()[k + l * p];
                    }
                }
            }
            out.push(row);
        }
    }
    out
}

fn near<T: Scalar>(found: &[Vec<T>], expected: &[Vec<T>], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "rows of {what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (j, (f, e)) in found.iter().zip(expected).enumerate() {
            let error = (*f - *e).modulus().to_f64();
            assert!(error <= tolerance, "{what}: entry ({i}, {j}) is {f}, not {e}");
        }
    }
}

fn convolutions_follow_the_definition<T: Scalar>() -> Result<()> {
    let tolerance = 40.0 * T::Real::EPSILON.to_f64();
    for (rows, columns) in [(1, 1), (2, 1), (7, 1), (1, 5), (4, 3), (6, 5)] {
        for (p, q) in [(1, 1), (2, 1), (3, 3), (4, 2), (1, 4), (9, 1), (17, 6)] {
            let entries: Vec<T> = random(p * q, 11 + p as u64);
            for centre in [(p / 2, q / 2), (0, q - 1), (p - 1, 0)] {
                let kernel = Kernel::new(&entries, p, q)?.centre(centre.0, centre.1)?;
                for boundary in BOUNDARIES {
                    let what = format!("{rows}×{columns}, kernel {p}×{q} at {centre:?}, {boundary}, {}", T::NAME);
                    let a = convolution(rows, columns, &kernel, boundary)?;
                    let expected = by_definition(rows, columns, &kernel, boundary);
                    assert_eq!(a.shape(), (expected.len(), rows * columns), "{what}");
                    let size = tolerance * entries.iter().map(|v| v.modulus().to_f64()).sum::<f64>();
                    near(&matrix(&a), &expected, size, &what);
                    let back: Vec<Vec<T>> = (0..rows * columns).map(|j| expected.iter().map(|row| row[j].conj()).collect()).collect();
                    near(&matrix(&adjoint(&a)), &back, size, &what);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn convolutions_of_all_scalars_follow_the_definition() -> Result<()> {
    convolutions_follow_the_definition::<f64>()?;
    convolutions_follow_the_definition::<c64>()?;
    convolutions_follow_the_definition::<f32>()?;
    convolutions_follow_the_definition::<c32>()
}

/// Large enough for several threads and for lengths that are padded; the products agree with a sum over the taps.
#[test]
fn a_large_convolution_is_the_sum_over_its_taps() -> Result<()> {
    let (rows, columns) = (261, 199);
    let kernel = Kernel::<f64>::new(&random(6 * 9, 3), 6, 9)?.centre(1, 7)?;
    let x: Vec<f64> = random(rows * columns, 4);
    for boundary in BOUNDARIES {
        let a = convolution(rows, columns, &kernel, boundary)?;
        dot_test(&a)?;
        let mut y = garbage(a.shape().0);
        a.apply(&x, &mut y);
        let first = if boundary == Boundary::Free { (6 - 1 - 1, 9 - 1 - 7) } else { (0, 0) };
        let height = if boundary == Boundary::Free { rows + 1 - 6 } else { rows };
        for t in (0..y.len()).step_by(97) {
            let (i, j) = ((t % height + first.0) as isize, (t / height + first.1) as isize);
            let mut sum = 0.0;
            for l in 0..9 {
                for k in 0..6 {
                    if let (Some(s), Some(t)) = (beyond(i - k + 1, rows, boundary), beyond(j - l + 7, columns, boundary)) {
                        sum += kernel.entries()[(k + l * 6) as usize] * x[s + t * rows];
                    }
                }
            }
            assert!((y[t] - sum).abs() < 1e-12, "{boundary}, {t}: {} is not {sum}", y[t]);
        }
        // a copy has buffers of its own and the same bits
        let mut again = garbage(a.shape().0);
        a.clone().apply(&x, &mut again);
        assert_eq!(y, again);
    }
    Ok(())
}

#[test]
fn kernels_are_what_their_names_say() -> Result<()> {
    let sum = |kernel: &Kernel<f64>| kernel.entries().iter().sum::<f64>();
    let gaussian = gaussian_kernel::<f64>(2.0, 1.0)?;
    assert_eq!((gaussian.shape(), gaussian.centre_at()), ((17, 9), (8, 4)));
    let at = |i: usize, j: usize| gaussian.entries()[i + j * 17];
    assert!((at(10, 4) / at(8, 4) - (-0.5f64).exp()).abs() < 1e-14 && (at(8, 5) / at(8, 4) - (-0.5f64).exp()).abs() < 1e-14);
    assert!((sum(&gaussian) - 1.0).abs() < 1e-14);
    assert_eq!(gaussian_kernel::<f64>(0.0, 0.0)?.entries(), [1.0]);

    // a path of length 5 at the angle of a 3-4-5 triangle: up and to the right
    let motion = motion_kernel::<f64>(5.0, (3.0f64 / 4.0).atan())?;
    assert!((sum(&motion) - 1.0).abs() < 1e-14);
    let (rows, columns) = motion.shape();
    assert_eq!((rows, columns), (3, 5));
    let (mut i_mean, mut j_mean, mut cross) = (0.0, 0.0, 0.0);
    for (t, &value) in motion.entries().iter().enumerate() {
        let (i, j) = ((t % rows) as f64 - 1.0, (t / rows) as f64 - 2.0);
        (i_mean, j_mean, cross) = (i_mean + i * value, j_mean + j * value, cross + i * j * value);
    }
    assert!(i_mean.abs() < 1e-14 && j_mean.abs() < 1e-14 && cross < 0.0, "centred, rows fall as columns rise: {cross}");
    assert_eq!(motion_kernel::<f64>(1.0, 1.0)?.shape(), (1, 1));
    // along the other axis: the same path, turned
    let up = motion_kernel::<f64>(4.0, core::f64::consts::FRAC_PI_2)?;
    assert_eq!(up.shape(), (5, 1));
    assert!(up.entries().iter().zip([0.125, 0.25, 0.25, 0.25, 0.125]).all(|(a, b)| (a - b).abs() < 1e-14), "{:?}", up.entries());

    let disc = defocus_kernel::<f64>(6.0)?;
    assert_eq!(disc.shape(), (13, 13));
    assert!((sum(&disc) - 1.0).abs() < 1e-13 && (disc.entries()[6 * 13 + 6] * 36.0 * core::f64::consts::PI - 1.0).abs() < 0.01);
    assert_eq!(defocus_kernel::<f64>(0.01)?.entries(), [1.0]);

    let text = |result: Result<Kernel<f64>>| result.unwrap_err().to_string();
    assert!(text(gaussian_kernel(-1.0, 0.0)).contains("in [0, 1e6]") && text(gaussian_kernel(0.0, f64::NAN)).contains("NaN"));
    assert!(text(motion_kernel(0.0, 0.0)).contains("length") && text(motion_kernel(1.0, f64::INFINITY)).contains("angle"));
    assert!(text(defocus_kernel(-2.0)).contains("radius"));
    assert!(text(Kernel::new(&[1.0, 2.0], 3, 1)).contains("3×1") && text(Kernel::line(&[])).contains("at least one"));
    assert!(text(Kernel::new(&[1.0, f64::NAN], 1, 2)).contains("row 0, column 1"));
    assert!(text(Kernel::line(&[1.0, 2.0])?.centre(2, 0)).contains("row of the kernel's centre"));
    assert!(matches!(convolution(0, 3, &Kernel::line(&[1.0])?, Boundary::Zero), Err(Error::Shape { .. })));
    assert!(matches!(convolution(usize::MAX / 2, 3, &Kernel::line(&[1.0])?, Boundary::Zero), Err(Error::Shape { .. })));
    assert!(matches!(convolution(4, 1, &Kernel::line(&[f64::MAX, f64::MAX])?, Boundary::Zero), Err(Error::Parameter { .. })));
    Ok(())
}

/// Kronecker products of the matrices along each axis, summed or stacked: what operators on grids are.
fn along_axis(sizes: &[usize], axis: usize, line: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (inner, outer): (usize, usize) = (sizes[..axis].iter().product(), sizes[axis + 1..].iter().product());
    let n = sizes[axis];
    let mut rows = Vec::new();
    for o in 0..outer {
        for coefficients in line {
            for i in 0..inner {
                let mut row = vec![0.0; inner * n * outer];
                (0..n).for_each(|k| row[i + inner * (k + n * o)] = coefficients[k]);
                rows.push(row);
            }
        }
    }
    rows
}

#[test]
fn grids_are_lines_along_each_axis() -> Result<()> {
    for sizes in [vec![4], vec![3, 4], vec![2, 3, 4], vec![1, 5, 2], vec![3, 1]] {
        let spacing: Vec<f64> = (0..sizes.len()).map(|axis| 0.5 + axis as f64).collect();
        let grid = Grid::new(&sizes)?.spacing(&spacing)?;
        for boundary in BOUNDARIES {
            let scaled_rows = |rows: Vec<Vec<f64>>, factor: f64| -> Vec<Vec<f64>> {
                rows.into_iter().map(|row| row.into_iter().map(|v| v * factor).collect()).collect()
            };
            let mut expected = Vec::new();
            for (axis, &n) in sizes.iter().enumerate() {
                expected.extend(scaled_rows(along_axis(&sizes, axis, &matrix(&first_difference::<f64>(n, boundary))), 1.0 / spacing[axis]));
            }
            let gradient = grid.gradient::<f64>(boundary);
            near(&matrix(&gradient), &expected, 1e-14, &format!("gradient on {grid}, {boundary}"));
            dot_test(&gradient)?;
            dot_test(&grid.gradient::<c32>(boundary))?;
            if boundary == Boundary::Free {
                assert!(matches!(grid.laplacian::<f64>(boundary), Err(Error::Unsupported { .. })));
                continue;
            }
            let n = grid.points();
            let mut expected = vec![vec![0.0; n]; n];
            for (axis, &size) in sizes.iter().enumerate() {
                let line = along_axis(&sizes, axis, &matrix(&second_difference::<f64>(size, boundary)));
                // the rows of an axis come in the order of the points
                for (row, more) in expected.iter_mut().zip(scaled_rows(line, spacing[axis].powi(-2))) {
                    row.iter_mut().zip(more).for_each(|(v, m)| *v += m);
                }
            }
            let laplacian = grid.laplacian::<f64>(boundary)?;
            near(&matrix(&laplacian), &expected, 1e-13, &format!("Laplacian on {grid}, {boundary}"));
            dot_test(&laplacian)?;
        }
    }
    assert!(Grid::new(&[]).is_err() && Grid::new(&[1, 2, 3, 4]).is_err() && Grid::new(&[usize::MAX, 3]).is_err());
    let grid = Grid::new(&[3, 4])?;
    assert!(
        grid.clone().spacing(&[1.0]).is_err()
            && grid.clone().spacing(&[1.0, 0.0]).is_err()
            && grid.clone().spacing(&[1e-300, 1.0]).is_err()
    );
    assert_eq!((grid.to_string(), grid.spacing(&[1.0, 2.5])?.to_string()), ("3×4".into(), "3×4, spacing 1×2.5".into()));
    // a grid without points
    assert_eq!(Grid::new(&[0, 3])?.gradient::<f64>(Boundary::Zero).shape(), (0, 0));
    Ok(())
}

#[test]
fn reflective_differences_repeat_the_ends() {
    let rows = |rows: &[&[f64]]| rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    let second = second_difference::<f64>(3, Boundary::Reflective);
    assert_eq!(matrix(&second), rows(&[&[-1.0, 1.0, 0.0], &[1.0, -2.0, 1.0], &[0.0, 1.0, -1.0]]));
    assert_eq!(matrix(&first_difference::<f64>(3, Boundary::Reflective)), matrix(&first_difference::<f64>(3, Boundary::Free)));
    assert_eq!(matrix(&second_difference::<f64>(1, Boundary::Reflective)), rows(&[&[0.0]]));
    assert_eq!(second_difference::<f64>(0, Boundary::Reflective).shape(), (0, 0));
}

#[test]
fn blocks_are_those_of_matrices() -> Result<()> {
    let parts: Vec<Vec<c64>> = [(2, 3), (2, 1), (2, 2)].iter().map(|&(m, n)| random(m * n, (m + 7 * n) as u64)).collect();
    let views = [(0, 3), (1, 1), (2, 2)].map(|(part, n)| DenseView::column_major(&parts[part], 2, n).unwrap());
    let wide = beside(views.to_vec())?;
    let expected: Vec<Vec<c64>> = (0..2).map(|i| views.iter().flat_map(|view| matrix(view)[i].clone()).collect()).collect();
    near(&matrix(&wide), &expected, 1e-14, "beside");
    dot_test(&wide)?;
    let diagonal_blocks = block_diagonal(views.to_vec())?;
    let zero = number::<c64>(0.0, 0.0);
    let mut expected = vec![vec![zero; 6]; 6];
    for (block, start) in [0, 3, 4].into_iter().enumerate() {
        for (i, row) in matrix(&views[block]).into_iter().enumerate() {
            expected[2 * block + i][start..start + row.len()].copy_from_slice(&row);
        }
    }
    near(&matrix(&diagonal_blocks), &expected, 1e-14, "block_diagonal");
    dot_test(&diagonal_blocks)?;

    let chosen = select::<f64>(4, vec![2, 0, 2])?;
    assert_eq!(matrix(&chosen), [[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    dot_test(&chosen)?;
    dot_test(&mask::<c32>(&[true, false, true]))?;
    let coarse = sampling::<f64>(5, 4, 2, 3)?;
    assert_eq!(coarse.shape(), (6, 20));
    dot_test(&coarse)?;
    assert!(select::<f64>(2, vec![2]).is_err() && sampling::<f64>(2, 2, 0, 1).is_err());
    assert!(beside(vec![diagonal(vec![1.0]), diagonal(vec![1.0; 2])]).is_err());
    assert!(beside(Vec::<DenseView<'_, f64>>::new()).is_err() && block_diagonal(Vec::<DenseView<'_, f64>>::new()).is_err());
    Ok(())
}

fn kronecker_products_are_those_of_matrices<T: Scalar>() -> Result<()> {
    for ((m_a, n_a), (m_b, n_b)) in
        [((2, 3), (4, 2)), ((3, 2), (2, 4)), ((1, 5), (5, 1)), ((5, 1), (1, 5)), ((0, 2), (2, 3)), ((2, 0), (2, 3))]
    {
        let (a, b): (Vec<T>, Vec<T>) = (random(m_a * n_a, 1), random(m_b * n_b, 2));
        let (a, b) = (DenseView::column_major(&a, m_a, n_a)?, DenseView::column_major(&b, m_b, n_b)?);
        let product = kronecker(a, b)?;
        let (rows_a, rows_b) = (matrix(&a), matrix(&b));
        let mut expected = Vec::new();
        for row_a in &rows_a {
            for row_b in &rows_b {
                expected.push(row_a.iter().flat_map(|&x| row_b.iter().map(move |&y| x * y)).collect::<Vec<T>>());
            }
        }
        near(&matrix(&product), &expected, 100.0 * T::Real::EPSILON.to_f64(), "A⊗B");
        dot_test(&product)?;
    }
    Ok(())
}

#[test]
fn kronecker_products_of_all_scalars() -> Result<()> {
    kronecker_products_are_those_of_matrices::<f64>()?;
    kronecker_products_are_those_of_matrices::<c64>()?;
    kronecker_products_are_those_of_matrices::<f32>()?;
    kronecker_products_are_those_of_matrices::<c32>()
}

/// Row sums are the lengths of chords of the square, each row lives on the pixels that it crosses, and a quarter turn of the
/// image is a quarter turn of the scanner.
#[test]
fn tomography_measures_lengths() -> Result<()> {
    let n = 9;
    let angles: Vec<f64> = (0..24).map(|k| 0.131 * f64::from(k) - 1.0).chain([0.0, core::f64::consts::FRAC_PI_2]).collect();
    let (detectors, spacing) = (14, 0.83);
    let scanner = parallel_beam::<f64>(n, &angles, detectors, spacing)?;
    dot_test(&scanner)?;
    let a = matrix(&scanner);
    let half = 0.5 * n as f64;
    for (line, row) in a.iter().enumerate() {
        let (angle, s) = (angles[line / detectors], ((line % detectors) as f64 - 6.5) * spacing);
        // the length inside a box, by clipping
        let inside = |x0: f64, x1: f64, y0: f64, y1: f64| {
            let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
            for (origin, direction, from, to) in [(s * angle.cos(), -angle.sin(), x0, x1), (s * angle.sin(), angle.cos(), y0, y1)] {
                if direction.abs() < 1e-12 {
                    if origin < from || origin >= to {
                        return 0.0;
                    }
                } else {
                    let (p, q) = ((from - origin) / direction, (to - origin) / direction);
                    (low, high) = (low.max(p.min(q)), high.min(p.max(q)));
                }
            }
            (high - low).max(0.0)
        };
        for (pixel, &length) in row.iter().enumerate() {
            let (i, j) = ((pixel % n) as f64, (pixel / n) as f64);
            let expected = inside(j - half, j + 1.0 - half, half - i - 1.0, half - i);
            assert!((length - expected).abs() < 1e-12, "line {line}, pixel ({i}, {j}): {length} is not {expected}");
        }
        assert!((row.iter().sum::<f64>() - inside(-half, half, -half, half)).abs() < 1e-12);
    }
    // large enough for threads: a disc's projections are its chords
    let n = 96;
    let disc: Vec<f64> = (0..n * n).map(|t| f64::from(u8::from(((t % n) as f64 - 47.5).hypot((t / n) as f64 - 47.5) <= 30.0))).collect();
    let scanner = parallel_beam::<f64>(n, &(0..40).map(|k| 0.0785 * f64::from(k)).collect::<Vec<_>>(), 61, 1.0)?;
    dot_test(&scanner)?;
    let mut sinogram = garbage(61 * 40);
    scanner.apply(&disc, &mut sinogram);
    for (line, value) in sinogram.iter().enumerate() {
        let s = (line % 61) as f64 - 30.0;
        let chord = 2.0 * (900.0 - s * s).max(0.0).sqrt();
        assert!((value - chord).abs() < if s.abs() < 27.0 { 2.5 } else { 12.0 }, "{line}: {value}, {chord}");
    }
    assert!(parallel_beam::<f64>(usize::MAX, &[0.0], 1, 1.0).is_err());
    assert!(parallel_beam::<f64>(3, &[f64::NAN], 1, 1.0).is_err() && parallel_beam::<f64>(3, &[0.0], 1, 0.0).is_err());
    dot_test(&parallel_beam::<c64>(3, &[0.3, 2.0], 5, 0.7)?)?;
    dot_test(&parallel_beam::<f32>(3, &[], 5, 0.7)?)?;
    assert_eq!(parallel_beam::<f32>(0, &[0.1], 5, 0.7)?.shape(), (5, 0));
    Ok(())
}

/// One problem on the structured operator and on its matrix: the same numbers.
fn agrees<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    penalty: &Penalty<'_, T>,
    b: &[T],
    choice: Choice,
    tolerance: f64,
    what: &str,
) -> Result<()> {
    let (m, n) = a.shape();
    let entries = dense(a);
    let view = DenseView::column_major(&entries, m, n)?;
    let expected = Problem::new(&view).penalty(penalty.clone()).method(Method::Svd).solve(b, choice);
    let expected = match expected {
        Err(Error::Unsupported { .. }) => Problem::new(&view).penalty(penalty.clone()).method(Method::Gsvd).solve(b, choice)?,
        other => other?,
    };
    let found = Problem::new(&a).penalty(penalty.clone()).solve(b, choice)?;
    assert_eq!(found.report.method, "fast transform", "{what}");
    let close = |name: &str, found: f64, expected: f64, scale: f64| {
        assert!((found - expected).abs() <= tolerance * scale, "{what}, {choice}: {name} is {found:.12e}, not {expected:.12e}");
    };
    let norm = |x: &[T]| x.iter().map(|v| v.modulus().to_f64().powi(2)).sum::<f64>().sqrt();
    close("λ", found.lambda, expected.lambda, expected.lambda);
    let difference: Vec<T> = found.x.iter().zip(&expected.x).map(|(&x, &y)| x - y).collect();
    close("x", norm(&difference), 0.0, norm(&expected.x));
    close("the residual norm", found.residual_norm, expected.residual_norm, norm(b));
    close("the penalty norm", found.penalty_norm, expected.penalty_norm, expected.penalty_norm.max(norm(&expected.x)));
    close("dof", found.dof.unwrap_or(f64::NAN), expected.dof.unwrap_or(f64::NAN), n as f64);
    assert_eq!(found.rank, expected.rank, "{what}, {choice}: rank");
    Ok(())
}

/// Data with a smooth signal and noise of 1 %.
fn data<T: Scalar>(a: &dyn Operator<Scalar = T>, seed: u64) -> (Vec<T>, f64) {
    let (m, n) = a.shape();
    let x: Vec<T> = (0..n).map(|t| number((0.3 * t as f64).sin() + 1.0, (0.2 * t as f64).cos())).collect();
    let mut b = garbage(m);
    a.apply(&x, &mut b);
    let noise: Vec<T> = random(m, seed);
    let size = |v: &[T]| v.iter().map(|v| v.modulus().to_f64().powi(2)).sum::<f64>().sqrt();
    let factor = 0.03 * size(&b).max(0.1) / size(&noise);
    b.iter_mut().zip(&noise).for_each(|(b, e)| *b += e.scale(T::Real::from_f64(factor)));
    (b, factor * size(&noise))
}

fn choices(noise: f64) -> [Choice; 6] {
    let rule = |rule: Rule| Choice::from(rule);
    [
        1e-3.into(),
        0.7.into(),
        Lambda::from_damping(20.0).into(),
        Gcv.into(),
        rule(Gcv.robust(0.3).into()),
        Discrepancy::noise_norm(noise).into(),
    ]
}

fn blurs<T: Scalar>(rows: usize, columns: usize) -> Result<Vec<Convolution<T>>> {
    let skew: Vec<T> = (0..12).map(|t| number(f64::from((t * 7 % 5) as u8) / 12.0, 0.1 * f64::from((t % 3) as u8))).collect();
    let mut blurs = vec![
        convolution(rows, columns, &gaussian_kernel(0.8, 0.6)?, Boundary::Periodic)?,
        convolution(rows, columns, &gaussian_kernel(0.8, 0.6)?, Boundary::Reflective)?,
        convolution(rows, columns, &Kernel::new(&skew, 4, 3)?.centre(1, 2)?, Boundary::Periodic)?,
    ];
    if T::IS_COMPLEX {
        let even: Vec<T> = [0.1, 0.2, 0.1, 0.2, 0.7, 0.2, 0.1, 0.2, 0.1].iter().map(|&v| number(v, -0.5 * v)).collect();
        blurs.push(convolution(rows, columns, &Kernel::new(&even, 3, 3)?, Boundary::Reflective)?);
    }
    Ok(blurs)
}

fn penalties<T: Scalar>(rows: usize, columns: usize, boundary: Boundary) -> Result<Vec<(Penalty<'static, T>, &'static str)>> {
    let grid = Grid::new(&[rows, columns])?.spacing(&[1.0, 0.5])?;
    let mut list = vec![
        (Penalty::identity(), "identity"),
        (Penalty::diagonal(&vec![T::Real::from_f64(3.0); rows * columns]), "multiple of the identity"),
        (Penalty::first_difference_2d(rows, columns, boundary), "first differences"),
        (Penalty::second_difference_2d(rows, columns, boundary), "second differences"),
        (Penalty::gradient(&grid, boundary), "gradient"),
        (Penalty::laplacian(&grid, boundary), "Laplacian"),
        (Penalty::sum([(0.5, Penalty::gradient(&grid, boundary)), (0.01, Penalty::identity())]), "sum"),
    ];
    if columns == 1 {
        list.push((Penalty::first_difference_with(boundary), "first differences of the line"));
        list.push((Penalty::second_difference_with(boundary), "second differences of the line"));
    }
    Ok(list)
}

fn diagonalised_problems_agree<T: Scalar>(tolerance: f64) -> Result<()> {
    for (rows, columns) in [(7, 6), (8, 5), (12, 1), (6, 4)] {
        for (index, a) in blurs::<T>(rows, columns)?.iter().enumerate() {
            let (b, noise) = data(a, 5 + index as u64);
            for (penalty, name) in penalties(rows, columns, a.boundary())? {
                for choice in choices(noise) {
                    agrees(a, &penalty, &b, choice, tolerance, &format!("{a:?}, {name}, {}", T::NAME))?;
                }
                // every row has the same leverage in the Fourier basis, whatever the shape of the grid
                if a.boundary() == Boundary::Periodic {
                    agrees(a, &penalty, &b, Loo.into(), tolerance.max(1e-6), &format!("{a:?}, {name}, {}", T::NAME))?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn real_convolutions_agree_with_the_dense_engines() -> Result<()> {
    diagonalised_problems_agree::<f64>(1e-10)
}

#[test]
fn complex_convolutions_agree_with_the_dense_engines() -> Result<()> {
    diagonalised_problems_agree::<c64>(1e-10)
}

#[test]
fn single_precision_agrees_to_its_digits() -> Result<()> {
    let a = convolution(8, 6, &gaussian_kernel::<f32>(0.8, 0.6)?, Boundary::Reflective)?;
    let (b, _) = data(&a, 3);
    for choice in [0.5.into(), Choice::from(Gcv)] {
        agrees(&a, &Penalty::first_difference_2d(8, 6, Boundary::Free), &b, choice, 2e-3, "f32")?;
    }
    Ok(())
}

/// A difference as a blur: constants are lost. With the identity the answer is unique, with the gradient it is that of least norm.
#[test]
fn shared_null_spaces_are_counted() -> Result<()> {
    let a = convolution(6, 4, &Kernel::new(&[-1.0, 1.0, 0.5, -0.5], 2, 2)?, Boundary::Periodic)?;
    let (b, noise) = data(&a, 9);
    for choice in choices(noise) {
        agrees(&a, &Penalty::identity(), &b, choice, 1e-9, "singular A, identity")?;
    }
    let gradient = Penalty::first_difference_2d(6, 4, Boundary::Periodic);
    for choice in [0.1.into(), Choice::from(Gcv)] {
        agrees(&a, &gradient, &b, choice, 1e-9, "constants are free")?;
        let fit = Problem::new(&a).penalty(gradient.clone()).solve(&b, choice)?;
        assert!(matches!(fit.report.warnings[..], [Warning::MinimumNorm { rank: 23, unknowns: 24, .. }, ..]), "{:?}", fit.report.warnings);
        assert!(fit.x.iter().sum::<f64>().abs() < 1e-12, "least norm: no constant");
    }
    let refused = Problem::new(&a).penalty(gradient.clone()).require_full_rank().solve(&b, 0.1);
    assert!(matches!(refused, Err(Error::CommonNullSpace { dimension: 1 })));
    // λ = 0: the pseudo-inverse, whatever L is
    for penalty in [Penalty::identity(), gradient] {
        agrees(&a, &penalty, &b, 0.0.into(), 1e-9, "λ = 0")?;
    }
    assert!(matches!(Problem::new(&a).require_full_rank().solve(&b, 0.0), Err(Error::RankDeficient { rank: 20, .. })));
    Ok(())
}

fn kronecker_problems_agree<T: Scalar>() -> Result<()> {
    for ((m_a, n_a), (m_b, n_b)) in [((4, 4), (5, 5)), ((6, 3), (5, 4)), ((3, 5), (4, 6)), ((6, 3), (3, 6))] {
        let (entries_a, entries_b): (Vec<T>, Vec<T>) = (random(m_a * n_a, 21), random(m_b * n_b, 22));
        let a = kronecker(DenseView::column_major(&entries_a, m_a, n_a)?, DenseView::column_major(&entries_b, m_b, n_b)?)?;
        let (b, noise) = data(&a, 23);
        // a wide A reaches all of b, so that the discrepancy is defined for it, too
        for choice in choices(noise) {
            agrees(&a, &Penalty::identity(), &b, choice, 1e-9, &format!("({m_a}×{n_a})⊗({m_b}×{n_b}) {}", T::NAME))?;
        }
        agrees(&a, &Penalty::identity(), &b, 0.0.into(), 1e-8, "A⊗B, λ = 0")?;
        agrees(
            &scaled(number(0.0, -2.0), &a),
            &Penalty::identity(),
            &b,
            if T::IS_COMPLEX { 0.3.into() } else { 1.0.into() },
            1e-9,
            "a multiple",
        )?;
    }
    Ok(())
}

#[test]
fn kronecker_products_are_diagonalised_by_their_factors() -> Result<()> {
    kronecker_problems_agree::<f64>()?;
    kronecker_problems_agree::<c64>()
}

#[test]
fn factors_that_are_not_finite_are_refused() -> Result<()> {
    let (good, bad) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, f64::NAN, 4.0]);
    let a = kronecker(DenseView::column_major(&good, 2, 2)?, DenseView::column_major(&bad, 2, 2)?)?;
    let found = Problem::new(&scaled(2.0, a)).solve(&[1.0; 4], Gcv).map(|fit| fit.x);
    assert!(matches!(found, Err(Error::NonFinite { index: wellposed::error::Size::Position(0, 1), .. })), "{found:?}");
    Ok(())
}

#[test]
fn multiples_weights_and_prior_means() -> Result<()> {
    let (rows, columns) = (6, 5);
    let blur = convolution(rows, columns, &gaussian_kernel(0.7, 0.9)?, Boundary::Reflective)?;
    let a = scaled(-3.0, &blur);
    let (b, noise) = data(&a, 31);
    agrees(
        &a,
        &Penalty::laplacian(&Grid::new(&[6, 5])?, Boundary::Reflective),
        &b,
        Discrepancy::noise_norm(noise).into(),
        1e-9,
        "a multiple of a blur",
    )?;
    // a convolution and a stack as penalties
    let high = convolution(rows, columns, &Kernel::line(&[-1.0, 3.0, -1.0])?, Boundary::Reflective)?;
    agrees(&a, &Penalty::matrix(&high), &b, Gcv.into(), 1e-9, "a convolution as the penalty")?;
    let both: Vec<Box<dyn Operator<Scalar = f64>>> = vec![Box::new(high.clone()), Box::new(scaled(0.1, diagonal(vec![1.0; 30])))];
    agrees(&a, &Penalty::matrix(&stack(both)?), &b, Gcv.into(), 1e-9, "a stack as the penalty")?;

    let entries = dense(&blur);
    let view = DenseView::column_major(&entries, 30, 30)?;
    let mean: Vec<f64> = random(30, 33);
    let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let penalty = || Penalty::first_difference_2d(rows, columns, Boundary::Free);
    for choice in [0.2.into(), Gcv.into(), Discrepancy::whitened().into(), Discrepancy::relative_noise(0.03).into()] {
        let choice: Choice = choice;
        let solve = |problem: Problem<'_, f64>| {
            problem.penalty(penalty()).prior_mean(&mean).weights(&vec![4.0; 30]).noise_std(&[0.5]).solve(&b, choice)
        };
        let (found, expected) = (solve(Problem::new(&blur))?, solve(Problem::new(&view).method(Method::Svd))?);
        assert_eq!((found.report.method, expected.report.method), ("fast transform", "SVD"));
        assert!((found.lambda - expected.lambda).abs() < 1e-9 * expected.lambda, "{choice}: {} {}", found.lambda, expected.lambda);
        assert!(found.x.iter().zip(&expected.x).all(|(x, y)| (x - y).abs() < 1e-8), "{choice}");
        let (residual, reference) = (found.residual_norm, expected.residual_norm);
        assert!((residual - reference).abs() < 1e-10 * norm(&b), "{choice}: {residual:e} is not {reference:e}");
        assert!((found.penalty_norm - expected.penalty_norm).abs() < 1e-8 * expected.penalty_norm.max(1.0));
    }
    // the scale of the data changes nothing but the scale of the answer
    let plain = Problem::new(&blur).penalty(penalty()).solve(&b, Gcv)?;
    for factor in [1e-280, 1e250] {
        let large: Vec<f64> = b.iter().map(|b| factor * b).collect();
        let fit = Problem::new(&blur).penalty(penalty()).solve(&large, Gcv)?;
        assert!((fit.lambda / plain.lambda - 1.0).abs() < 1e-9);
        assert!(fit.x.iter().zip(&plain.x).all(|(x, y)| (x / factor - y).abs() < 1e-9));
    }
    Ok(())
}

#[test]
fn a_factorization_is_kept() -> Result<()> {
    let a = convolution(6, 5, &gaussian_kernel(0.7, 0.9)?, Boundary::Periodic)?;
    let penalty = Penalty::first_difference_2d(6, 5, Boundary::Periodic);
    let problem = Problem::new(&a).penalty(penalty.clone());
    let factor = problem.factorize()?;
    let entries = dense(&a);
    let view = DenseView::column_major(&entries, 30, 30)?;
    let reference = Problem::new(&view).penalty(penalty).factorize()?;
    let columns: Vec<f64> = (0..3).flat_map(|seed| data(&a, 40 + seed).0).collect();
    let b = DenseView::column_major(&columns, 30, 3)?;
    for choice in [Choice::from(0.1), Gcv.into(), Gcv.shared()] {
        let (found, expected) = (factor.solve(&b, choice)?, reference.solve(&b, choice)?);
        let direct = problem.solve(&b, choice)?;
        assert_eq!((&found.x, &found.lambda, &found.residual_norm), (&direct.x, &direct.lambda, &direct.residual_norm));
        for j in 0..3 {
            assert!((found.lambda[j] / expected.lambda[j] - 1.0).abs() < 1e-9);
            assert!(found.x[j].iter().zip(&expected.x[j]).all(|(x, y)| (x - y).abs() < 1e-9));
        }
    }
    let (found, expected) = (factor.spectrum(&b)?, reference.spectrum(&b)?);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((found.values.len(), found.unpenalised), (29, 1));
        assert_eq!(expected.unpenalised, 1);
        assert!(found.values.windows(2).all(|pair| pair[0] >= pair[1]), "descending");
        assert!(found.values.iter().zip(&expected.values).all(|(x, y)| (x - y).abs() < 1e-12 * expected.values[0]));
        assert!(found.outside < 1e-12 && expected.outside < 1e-9);
    }
    let grid = || log_grid(1e-4..=1e2, 7);
    for (found, expected) in factor.curve(&b, grid())?.iter().flatten().zip(reference.curve(&b, grid())?.iter().flatten()) {
        for (x, y) in [
            (found.residual_norm, expected.residual_norm),
            (found.penalty_norm, expected.penalty_norm),
            (found.dof, expected.dof),
            (found.gcv, expected.gcv),
        ] {
            assert!((x / y - 1.0).abs() < 1e-8, "{x} {y}");
        }
    }
    let (found, expected) = (factor.solve(&b, Loo)?, reference.solve(&b, Loo)?);
    for j in 0..3 {
        assert!((found.lambda[j] / expected.lambda[j] - 1.0).abs() < 1e-6);
        let (value, other) = (found.report.criteria[j].value, expected.report.criteria[j].value);
        assert!((value / other - 1.0).abs() < 1e-8, "Σ|r/(1 − h)|² is {value}, not {other}");
    }
    assert!(matches!(factor.solve(&b, wellposed::Ncp), Err(Error::Unsupported { .. })));
    assert!(matches!(factor.solve(&columns[..29], 0.1), Err(Error::Shape { .. })));
    Ok(())
}

/// The normal equations, by products alone, at a size that no dense engine is asked for; and the identity of the objective.
#[test]
fn a_large_answer_satisfies_the_normal_equations() -> Result<()> {
    let (rows, columns) = (200, 150);
    let grid = Grid::new(&[rows, columns])?;
    for boundary in [Boundary::Periodic, Boundary::Reflective] {
        let a = convolution(rows, columns, &gaussian_kernel::<f64>(2.0, 1.0)?, boundary)?;
        let (b, noise) = data(&a, 50);
        let fit = Problem::new(&a).penalty(Penalty::laplacian(&grid, boundary)).solve(&b, Discrepancy::noise_norm(noise))?;
        assert!((fit.residual_norm / noise - 1.0).abs() < 1e-9);
        let l = grid.laplacian::<f64>(boundary)?;
        let (mut ax, mut lx, mut left, mut right) = (garbage(b.len()), garbage(b.len()), garbage(b.len()), garbage(b.len()));
        a.apply(&fit.x, &mut ax);
        l.apply(&fit.x, &mut lx);
        let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!((norm(&lx) / fit.penalty_norm - 1.0).abs() < 1e-9);
        ax.iter_mut().zip(&b).for_each(|(y, b)| *y -= b);
        assert!((norm(&ax) / fit.residual_norm - 1.0).abs() < 1e-9);
        a.apply_adjoint(&ax, &mut left);
        l.apply_adjoint(&lx, &mut right);
        let sum: Vec<f64> = left.iter().zip(&right).map(|(x, y)| x + fit.lambda * y).collect();
        assert!(norm(&sum) < 1e-10 * norm(&left), "{}: {} of {}", boundary, norm(&sum), norm(&left));
    }
    Ok(())
}

#[test]
fn plans_say_what_diagonalises() -> Result<()> {
    let kernel = gaussian_kernel::<f64>(0.7, 0.9)?;
    let periodic = convolution(6, 5, &kernel, Boundary::Periodic)?;
    let reflective = convolution(6, 5, &kernel, Boundary::Reflective)?;
    let numbers = random::<f64>(30, 2);
    let view = DenseView::column_major(&numbers, 6, 5)?;
    let product = kronecker(view, view)?;
    let last = |plan: wellposed::Plan| plan.to_string().lines().last().unwrap_or_default().to_owned();
    assert_eq!(
        Problem::new(&periodic).penalty(Penalty::first_difference_2d(6, 5, Boundary::Periodic)).plan(Gcv)?.to_string(),
        "A          30×30 f64 matrix-free\npenalty    first difference on a 6×5 grid (periodic)\nlambda     chosen by GCV\n\
         method     fast transform: the Fourier transform diagonalises A and L"
    );
    assert_eq!(last(Problem::new(&reflective).plan(0.1)?), "method     fast transform: the cosine transform diagonalises A and L");
    assert_eq!(
        last(Problem::new(&product).method(Method::Transform).plan(0.1)?),
        "method     fast transform: the SVDs of its factors diagonalise A"
    );
    // what is not diagonal in the same basis goes to an iteration
    let skew = convolution(6, 5, &Kernel::line(&[0.5, 0.3, 0.2])?, Boundary::Reflective)?;
    let zero = convolution(6, 5, &kernel, Boundary::Zero)?;
    let other = Grid::new(&[5, 6])?;
    let weights: Vec<f64> = (1..=30).map(f64::from).collect();
    for (problem, why) in [
        (Problem::new(&skew), "an asymmetric kernel"),
        (Problem::new(&zero), "zero boundary"),
        (Problem::new(&periodic).penalty(Penalty::first_difference_2d(6, 5, Boundary::Free)), "another boundary"),
        (Problem::new(&reflective).penalty(Penalty::second_difference_2d(6, 5, Boundary::Free)), "free second differences"),
        (Problem::new(&reflective).penalty(Penalty::first_difference()), "differences along the columns as one line"),
        (Problem::new(&reflective).penalty(Penalty::gradient(&other, Boundary::Free)), "another grid"),
        (Problem::new(&reflective).penalty(Penalty::diagonal(&weights)), "different penalty weights"),
        (Problem::new(&reflective).weights(&weights), "different weights"),
        (Problem::new(&reflective).intercept(), "an intercept"),
    ] {
        assert_eq!(problem.plan(0.1)?.method, "LSMR", "{why}");
        let refused = problem.clone().method(Method::Transform).plan(0.1);
        assert!(matches!(refused, Err(Error::Unsupported { what: "the fast transform", .. })), "{why}");
    }
    assert_eq!(Problem::new(&product).penalty(Penalty::first_difference()).plan(0.1)?.method, "LSMR");
    let transform = |a| Problem::new(a).method(Method::Transform);
    assert!(matches!(transform(&reflective).solve(&[1.0; 30], Loo), Err(Error::Unsupported { .. })));
    assert!(matches!(transform(&periodic).groups(&[0; 30]).solve(&[1.0; 30], Loo), Err(Error::Unsupported { .. })));
    assert_eq!(transform(&periodic).plan(Loo)?.method, "fast transform");
    // a line lies along either side
    let line = convolution(1, 9, &Kernel::new(&[0.25, 0.5, 0.25], 1, 3)?, Boundary::Reflective)?;
    assert_eq!(Problem::new(&line).penalty(Penalty::second_difference_with(Boundary::Reflective)).plan(Gcv)?.method, "fast transform");
    assert_eq!(line.diagonalization().map(|d| d.basis()), Some(Basis::Cosine { rows: 1, columns: 9 }));
    // a penalty may be given for a grid without any operator beside it
    let text =
        Problem::new(&reflective).penalty(Penalty::laplacian(&Grid::new(&[6, 5])?, Boundary::Free)).solve(&[1.0; 30], 0.1).unwrap_err();
    assert!(text.to_string().contains("Boundary::Reflective"), "{text}");
    let text = Problem::new(&reflective).penalty(Penalty::gradient(&Grid::new(&[7])?, Boundary::Zero)).solve(&[1.0; 30], 0.1).unwrap_err();
    assert!(text.to_string().contains("of length 7"), "{text}");
    Ok(())
}
