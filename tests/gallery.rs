//! The gallery against other sources: what Regularization Tools itself computes at n = 64, published fingerprints at n = 32,
//! integrals by quadrature at 30 digits and literal translations of the programs that define images (`testdata/gallery.toml`,
//! written by `gallery_oracle.py`); adjoints; refusals; noise by its moments and distribution functions.

use serde::Deserialize;
use wellposed::gallery::{self, CATALOGUE, Deriv2, Forward, Gravity, InverseLaplace, Layout, Nmr, TestProblem, noise};
use wellposed::operator::{Entries, Operator, dot_test};
use wellposed::{DenseView, Discrepancy, Error, Gcv, Method, Problem, Result};

#[derive(Deserialize)]
struct File {
    regtools: Vec<Fingerprint>,
    image: Vec<Fingerprint>,
    entry: Vec<Value>,
}

#[derive(Deserialize)]
struct Fingerprint {
    name: String,
    size: usize,
    rows: usize,
    columns: usize,
    a_norm: f64,
    /// A·(1, 2, …, n)/n
    a_ramp: Vec<f64>,
    /// Aᵀ·(1, 2, …, m)/m
    at_ramp: Vec<f64>,
    b: Vec<f64>,
    x: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Value {
    name: String,
    size: usize,
    i: usize,
    j: usize,
    value: f64,
}

fn file() -> File {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/gallery.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn build(name: &str, size: usize) -> TestProblem {
    gallery::find(name).unwrap_or_else(|| panic!("no {name}")).build(size).unwrap()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |norm: f64, v| norm.hypot(*v))
}

fn ramp(n: usize) -> Vec<f64> {
    (1..=n).map(|i| i as f64 / n as f64).collect()
}

fn apply(a: &Forward, x: &[f64]) -> Vec<f64> {
    let mut y = vec![f64::NAN; a.shape().0];
    a.apply(x, &mut y);
    y
}

fn apply_adjoint(a: &Forward, y: &[f64]) -> Vec<f64> {
    let mut x = vec![f64::NAN; a.shape().1];
    a.apply_adjoint(y, &mut x);
    x
}

/// Column after column.
fn entries(a: &Forward) -> Vec<f64> {
    let dense = a.to_dense();
    let (m, n) = dense.shape();
    let view = dense.view().unwrap();
    (0..n).flat_map(|j| (0..m).map(move |i| view.get(i, j).unwrap())).collect()
}

/// The largest difference, relative to the largest value.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    found.iter().zip(expected).fold(0.0, |a: f64, (f, e)| if (f - e).abs() <= a * largest { a } else { (f - e).abs() / largest })
}

fn compare(given: &Fingerprint, tolerance: f64) {
    let problem = build(&given.name, given.size);
    assert_eq!(problem.name, given.name);
    let near = |what: &str, found: &[f64], expected: &[f64]| {
        let by = difference(found, expected);
        assert!(by <= tolerance, "{} at {}: {what} differs by {by:.1e}", given.name, given.size);
    };
    assert_eq!(problem.a.shape(), (given.rows, given.columns), "{}", given.name);
    near("‖A‖", &[norm(&entries(&problem.a))], &[given.a_norm]);
    near("A·ramp", &apply(&problem.a, &ramp(given.columns)), &given.a_ramp);
    near("Aᵀ·ramp", &apply_adjoint(&problem.a, &ramp(given.rows)), &given.at_ramp);
    near("b", &problem.b, &given.b);
    assert_eq!(problem.x.is_some(), given.x.is_some(), "{}", given.name);
    if let (Some(x), Some(expected)) = (&problem.x, &given.x) {
        near("x", x, expected);
    }
}

#[test]
fn as_regularization_tools_computes_them() {
    let given = file().regtools;
    assert_eq!(given.len(), 17);
    for problem in &given {
        // The closed forms of ursell cancel there and not here: n²·ε a sum. Laguerre: the eigenvectors have lost two digits. The
        // others have rounding of exp and powers, and of deriv2's differences of exponentials.
        let tolerance = match problem.name.as_str() {
            "ursell" => 5e-12,
            name if name.starts_with("inverse") => 1e-12,
            _ => 2e-13,
        };
        compare(problem, tolerance);
    }
}

#[test]
fn as_their_programs_define_them() {
    let given = file().image;
    assert_eq!(given.len(), 5);
    for problem in &given {
        // diffusion: a hundred steps, by a dense inverse there and a band factorization here
        compare(problem, if problem.name == "diffusion" { 1e-12 } else { 1e-14 });
    }
}

#[test]
fn entries_are_the_integrals_that_they_stand_for() {
    let given = file().entry;
    assert!(given.len() > 20);
    for Value { name, size, i, j, value } in given {
        let problem = build(&name, size);
        let found = problem.a.view().unwrap().get(i, j).unwrap();
        // cos, exp and logarithms of a rounded argument; phillips cancels at the end of its band
        let scale = if name == "phillips" { value.abs().max(0.1) } else { value.abs() };
        assert!((found - value).abs() <= 1e-12 * scale, "{name} at {size}, entry ({i}, {j}): {found:e} for {value:e}");
    }
}

/// σ₁, σ₅, σ₁₀, ‖b‖, ‖x‖ at n = 32, as printed for these problems elsewhere.
#[test]
fn fingerprints_at_32() -> Result<()> {
    let printed = [
        ("shaw", [2.99332814759, 0.0589921384959, 6.933108798e-05, 13.1873576295, 5.64673602257]),
        ("deriv2-linear", [0.101239842667, 0.00397245704908, 9.359086786e-04, 0.0459847304335, 0.57727978756]),
        ("heat", [0.358271369276, 0.0633693997623, 0.01909616166, 0.263115629982, 1.37746000668]),
        ("phillips", [5.80015059963, 2.41484529709, 0.1101565097, 15.2733056231, 2.99360058998]),
    ];
    for (name, expected) in printed {
        let problem = build(name, 32);
        let factor = Problem::new(&problem.a).method(Method::Svd).factorize()?;
        let values = factor.spectrum(&problem.b)?.values;
        let found = [values[0], values[4], values[9], norm(&problem.b), norm(problem.x.as_ref().unwrap())];
        for (found, expected) in found.iter().zip(expected) {
            // nine or more digits are printed
            assert!((found - expected).abs() <= 1e-9 * expected, "{name}: {found} for {expected}");
        }
    }
    Ok(())
}

/// The facts that each problem states about itself.
#[test]
fn facts_are_true() -> Result<()> {
    for entry in CATALOGUE {
        let size = if entry.two_dimensional { 9 } else { 64 };
        let problem = entry.build(size)?;
        assert_eq!(problem.name, entry.name);
        let (m, n) = problem.a.shape();
        let count = |layout: Layout| match layout {
            Layout::Line(count) | Layout::Scattered(count) => count,
            Layout::Grid { rows, columns } => rows * columns,
        };
        assert_eq!((count(problem.facts.data), count(problem.facts.unknowns)), (m, n), "{}", entry.name);
        assert_eq!(problem.b.len(), m);
        dot_test(&problem.a)?;
        if let Some(x) = &problem.x {
            let error = difference(&apply(&problem.a, x), &problem.b);
            assert_eq!(error < 1e-13, problem.facts.consistent, "{}: ‖Ax − b‖ is {error:.1e}", entry.name);
            // what is left is a discretization error, not a wrong b
            assert!(error < 0.1, "{}: ‖Ax − b‖ is {error:.1e}", entry.name);
            assert_eq!(problem.relative_error(x)?, 0.0);
        }
        // the penalty that the facts name fits the unknowns
        let fit = Problem::new(&problem.dense().a).penalty(problem_penalty(entry, size)?).solve(&vec![1.0; m], 1.0)?;
        assert_eq!(fit.x.len(), n);
    }
    Ok(())
}

fn problem_penalty(entry: &gallery::Entry, size: usize) -> Result<wellposed::Penalty<'static, f64>> {
    Ok(entry.build(size)?.facts.penalty())
}

/// Discretization errors fall as the mesh is refined: both sides are discretizations of one equation.
#[test]
fn discretizations_converge() -> Result<()> {
    let error = |name: &str, size: usize| {
        let problem = build(name, size);
        let residual: Vec<f64> = apply(&problem.a, problem.x.as_ref().unwrap()).iter().zip(&problem.b).map(|(ax, b)| ax - b).collect();
        norm(&residual) / norm(&problem.b)
    };
    for name in ["baart", "deriv2-exponential", "deriv2-tent", "foxgood", "phillips", "inverse-interpolation"] {
        let (coarse, fine) = (error(name, 16), error(name, 32));
        // second order, and random points
        assert!(fine < 0.4 * coarse && fine > 0.0, "{name}: {coarse:.1e}, {fine:.1e}");
    }
    // exact to rounding at every order
    assert!(error("deriv2-linear", 50) < 1e-14);
    // Gauss–Laguerre quadrature of exp(−(s + ½)t) converges geometrically
    assert!(error("inverse-laplace-decay", 64) < 1e-10 && error("inverse-laplace-decay", 16) > 1e-8);
    Ok(())
}

/// A from its products is A from its entries, and one sweep is two products.
#[test]
fn structure_multiplies_as_entries_do() -> Result<()> {
    let problems = [
        gallery::blur(9, 4, 1.3)?,
        gallery::tomo(7, 1.3, 5)?,
        gallery::diffusion(7, 0.02, 3)?,
        gallery::nmr(6, Nmr::Methane)?,
        gallery::inverse_interpolation(8, 3)?,
        gallery::parallel_tomography(7, 5)?,
    ];
    for problem in problems {
        let dense = problem.a.to_dense();
        let (m, n) = problem.a.shape();
        let sparse = ["tomo", "inverse-interpolation"].contains(&problem.name);
        assert_eq!(matches!(problem.a.entries(), Entries::Sparse(_)), sparse, "{}", problem.name);
        assert!(sparse || matches!(problem.a.entries(), Entries::None), "{}", problem.name);
        assert!(problem.a.view().is_none() && matches!(dense.entries(), Entries::Dense(_)), "{}", problem.name);
        assert_eq!(format!("{:?}", problem.a), format!("Forward({m}×{n}, {})", if sparse { "sparse entries" } else { "products" }));
        let (x, y) = (ramp(n), ramp(m));
        assert!(difference(&apply(&problem.a, &x), &apply(&dense, &x)) < 1e-13, "{}", problem.name);
        assert!(difference(&apply_adjoint(&problem.a, &y), &apply_adjoint(&dense, &y)) < 1e-13, "{}", problem.name);
        let (mut w, mut z) = (vec![f64::NAN; m], vec![f64::NAN; n]);
        problem.a.apply_fused(&x, 0.5, &y, &mut w, &mut z);
        let expected: Vec<f64> = apply(&problem.a, &x).iter().zip(&y).map(|(ax, y)| ax - 0.5 * y).collect();
        assert!(difference(&w, &expected) < 1e-14 && difference(&z, &apply_adjoint(&problem.a, &expected)) < 1e-13, "{}", problem.name);
    }
    Ok(())
}

/// Rays and interpolation weights are sparse entries: a sparse factorization finds the answer that the dense one does.
#[test]
fn sparse_entries_are_factored() -> Result<()> {
    for problem in [gallery::tomo(12, 1.5, 4)?, gallery::inverse_interpolation(12, 3)?] {
        let (m, n) = problem.a.shape();
        let Entries::Sparse(view) = problem.a.entries() else { panic!("{}", problem.name) };
        assert_eq!(view.shape(), (m, n));
        assert!(view.stored() < m * n / 4, "{}: {} of {}", problem.name, view.stored(), m * n);
        // sums of the entries, told apart from products
        let mut sums = vec![0.0; m];
        view.for_each(|i, _, value| sums[i] += value);
        assert!(difference(&apply(&problem.a, &vec![1.0; n]), &sums) < 1e-13, "{}", problem.name);
        let noisy = noise::gaussian(&problem.b, 0.01, 2)?;
        let sparse = Problem::new(&problem.a).penalty(problem.facts.penalty()).solve(&noisy.b, 0.1)?;
        let dense = problem.clone().dense();
        let expected = Problem::new(&dense.a).method(Method::Qr).penalty(problem.facts.penalty()).solve(&noisy.b, 0.1)?;
        assert!(difference(&sparse.x, &expected.x) < 1e-11, "{}", problem.name);
    }
    Ok(())
}

/// The ellipses of the phantom, typed in from the source a second time: a table that both sides shared would prove nothing.
const PHANTOM: [[f64; 6]; 10] = [
    // grey, half axes, centre, degrees (A. K. Jain, Fundamentals of Digital Image Processing, table 10.1, with Toft's greys)
    [1.0, 0.69, 0.92, 0.0, 0.0, 0.0],
    [-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0],
    [-0.2, 0.11, 0.31, 0.22, 0.0, -18.0],
    [-0.2, 0.16, 0.41, -0.22, 0.0, 18.0],
    [0.1, 0.21, 0.25, 0.0, 0.35, 0.0],
    [0.1, 0.046, 0.046, 0.0, 0.1, 0.0],
    [0.1, 0.046, 0.046, 0.0, -0.1, 0.0],
    [0.1, 0.046, 0.023, -0.08, -0.605, 0.0],
    [0.1, 0.023, 0.023, 0.0, -0.606, 0.0],
    [0.1, 0.023, 0.046, 0.06, -0.605, 0.0],
];

/// The mass of the phantom is the area of its ellipses, up to a discretization error that falls; it has the greys that it should have.
#[test]
fn the_phantom_has_its_mass() -> Result<()> {
    let mass: f64 = PHANTOM.iter().map(|[grey, a, b, ..]| grey * std::f64::consts::PI * a * b / 4.0).sum();
    for (size, tolerance) in [(64, 0.02), (512, 1e-3)] {
        let picture = gallery::shepp_logan(size)?;
        let found = picture.iter().sum::<f64>() / (size * size) as f64;
        assert!((found - mass).abs() < tolerance * mass, "{size}: {found} for {mass}");
    }
    let picture = gallery::shepp_logan(256)?;
    let mut greys: Vec<f64> = picture.clone();
    greys.sort_by(f64::total_cmp);
    greys.dedup();
    assert_eq!(greys, [0.0, 0.1, 0.2, 0.3, 0.4, 1.0]);
    // upright: the skull is thickest below (the inner ellipse is shifted down by less than the axes differ), the bright blob is above
    let at = |x: f64, y: f64| picture[(((1.0 - y) * 128.0) as usize).min(255) + 256 * (((x + 1.0) * 128.0) as usize).min(255)];
    assert_eq!((at(0.0, 0.5), at(0.0, -0.5), at(0.22, 0.0), at(-0.22, 0.0), at(0.0, 0.91)), (0.3, 0.2, 0.0, 0.0, 1.0));
    // the larger dark ellipse is the left one
    assert_eq!((at(-0.22 - 0.14, 0.0), at(0.22 + 0.14, 0.0)), (0.0, 0.2));
    assert!(matches!(gallery::shepp_logan(3), Err(Error::Parameter { .. })));
    assert!(matches!(gallery::shepp_logan(usize::MAX), Err(Error::Shape { .. })));
    Ok(())
}

/// The sinogram against the line integrals of the ellipses themselves, known in closed form: 2·g·a·b·√(w² − t²)/w² at distance
/// t from the centre, w the half width across the line.
#[test]
fn projections_are_the_line_integrals_of_the_phantom() -> Result<()> {
    let error = |size: usize| -> Result<f64> {
        let (scan, views) = (gallery::parallel_tomography(size, 40)?, 40);
        let Layout::Grid { rows: detectors, columns } = scan.facts.data else { panic!("a sinogram") };
        assert_eq!(columns, views);
        let mut expected = Vec::new();
        for view in 0..views {
            let theta = std::f64::consts::PI * view as f64 / views as f64;
            for d in 0..detectors {
                // in units of half the image
                let s = (d as f64 - 0.5 * (detectors - 1) as f64) * 2.0 / size as f64;
                let through = |&[grey, a, b, x, y, degrees]: &[f64; 6]| {
                    let turned = theta - degrees.to_radians();
                    let width = (a * turned.cos()).hypot(b * turned.sin());
                    let t = s - x * theta.cos() - y * theta.sin();
                    2.0 * grey * a * b * (width * width - t * t).max(0.0).sqrt() / (width * width)
                };
                expected.push(PHANTOM.iter().map(through).sum::<f64>() * size as f64 / 2.0);
            }
        }
        // every view sees all of the mass, but for the sampling of the lines
        let mass: f64 = scan.x.iter().flatten().sum();
        for view in scan.b.chunks(detectors) {
            assert!((view.iter().sum::<f64>() / mass - 1.0).abs() < 0.03, "{} for {mass}", view.iter().sum::<f64>());
        }
        Ok(norm(&scan.b.iter().zip(&expected).map(|(b, e)| b - e).collect::<Vec<_>>()) / norm(&expected))
    };
    let (coarse, fine) = (error(48)?, error(192)?);
    // edges of ellipses fall within pixels: an error of first order in their size
    assert!(fine < 0.035 && fine < 0.4 * coarse, "{coarse:.1e}, {fine:.1e}");
    Ok(())
}

/// λ by GCV with a gradient penalty, the projections known to 1 %: the head is seen.
#[test]
fn projections_are_inverted() -> Result<()> {
    let scan = gallery::parallel_tomography(32, 45)?;
    let noisy = noise::gaussian(&scan.b, 0.01, 5)?;
    let problem = Problem::new(&scan.a).penalty(scan.facts.penalty());
    for choice in [wellposed::Choice::from(Gcv), Discrepancy::noise_norm(noisy.noise_norm).into()] {
        let error = scan.relative_error(&problem.solve(&noisy.b, choice)?.x)?;
        assert!(error < 0.25, "{choice}: {error:.3}");
    }
    Ok(())
}

mod deblurring {
    use super::*;
    use wellposed::gallery::{PointSpread, deblurring};
    use wellposed::{Boundary, Penalty};

    const SPREADS: [PointSpread; 3] =
        [PointSpread::Gaussian(1.3), PointSpread::Motion { length: 5.0, angle: 0.5 }, PointSpread::Defocus(2.2)];
    const BOUNDARIES: [Boundary; 4] = [Boundary::Zero, Boundary::Periodic, Boundary::Reflective, Boundary::Free];

    /// How far row or column `i` of the picture leads: its mirror image, the other side, or nothing.
    fn beyond(i: i64, size: i64, boundary: Boundary) -> Option<i64> {
        match boundary {
            Boundary::Periodic => Some(i.rem_euclid(size)),
            Boundary::Reflective => {
                let i = i.rem_euclid(2 * size);
                Some(if i < size { i } else { 2 * size - 1 - i })
            }
            _ => (0..size).contains(&i).then_some(i),
        }
    }

    /// A Gaussian blur by its definition, pixel by pixel.
    #[test]
    fn a_gaussian_is_what_it_is_called() -> Result<()> {
        let (size, sigma) = (14i64, 1.3);
        let reach = (4.0f64 * sigma).ceil() as i64;
        let density = |t: i64| (-0.5 * (t as f64 / sigma).powi(2)).exp();
        let total: f64 = (-reach..=reach).map(density).sum();
        for boundary in BOUNDARIES {
            let problem = deblurring(size as usize, PointSpread::Gaussian(sigma), boundary)?;
            let x = problem.x.as_ref().unwrap();
            let inner = if boundary == Boundary::Free { reach } else { 0 };
            let mut expected = Vec::new();
            for j in inner..size - inner {
                for i in inner..size - inner {
                    let mut sum = 0.0;
                    for (s, t) in (-reach..=reach).flat_map(|s| (-reach..=reach).map(move |t| (s, t))) {
                        if let (Some(row), Some(column)) = (beyond(i - s, size, boundary), beyond(j - t, size, boundary)) {
                            sum += density(s) * density(t) * x[(row + size * column) as usize];
                        }
                    }
                    expected.push(sum / (total * total));
                }
            }
            assert!(difference(&problem.b, &expected) < 1e-13, "{boundary}");
        }
        Ok(())
    }

    /// Light is neither made nor lost: what is uniform stays so unless darkness comes in; the periodic picture keeps its sum, and
    /// so does what a picture with mirrors beyond its edges gives and takes, where the spread is its own mirror image.
    #[test]
    fn light_is_kept() -> Result<()> {
        let size = 21;
        for spread in SPREADS {
            for boundary in BOUNDARIES {
                let problem = deblurring(size, spread, boundary)?;
                dot_test(&problem.a)?;
                let (m, n) = problem.a.shape();
                let Layout::Grid { rows, columns } = problem.facts.data else { panic!("a picture") };
                assert_eq!((rows * columns, size * size), (m, n));
                let uniform = apply(&problem.a, &vec![1.0; n]);
                match boundary {
                    Boundary::Zero => {
                        assert!(uniform.iter().all(|v| *v <= 1.0 + 1e-13), "{spread:?}");
                        assert!((uniform[size / 2 * (size + 1)] - 1.0).abs() < 1e-13 && uniform[0] < 0.95, "{spread:?}");
                    }
                    _ => assert!(difference(&uniform, &vec![1.0; m]) < 1e-13, "{spread:?} {boundary}"),
                }
                assert_eq!(m < n, boundary == Boundary::Free);
                let (seen, sent): (f64, f64) = (problem.b.iter().sum(), problem.x.iter().flatten().sum());
                let keeps = match boundary {
                    Boundary::Periodic => true,
                    Boundary::Reflective => !matches!(spread, PointSpread::Motion { .. }),
                    _ => false,
                };
                assert!(!keeps || (seen / sent - 1.0).abs() < 1e-13, "{spread:?} {boundary}: {seen} of {sent}");
                // the blur is one: the picture is not what it was
                assert!(boundary == Boundary::Free || problem.relative_error(&problem.b)? > 0.1, "{spread:?}");
            }
        }
        Ok(())
    }

    /// λ by the noise norm, and by GCV where a fast transform makes it exact: errors that a blurred picture does not have (0.69 to 0.73).
    #[test]
    fn pictures_come_back() -> Result<()> {
        let mut transforms = 0;
        for entry in CATALOGUE.iter().filter(|entry| entry.name.starts_with("deblur-")) {
            let problem = entry.build(32)?;
            assert_eq!(problem.name, entry.name);
            let noisy = noise::gaussian(&problem.b, 0.005, 3)?;
            let beyond = if entry.name.ends_with("periodic") { Boundary::Periodic } else { Boundary::Free };
            let solver = Problem::new(&problem.a).penalty(Penalty::first_difference_2d(32, 32, beyond));
            let fit = solver.solve(&noisy.b, Discrepancy::noise_norm(noisy.noise_norm))?;
            let by_transform = fit.report.method == "fast transform";
            let mut fits = vec![("discrepancy", fit)];
            if by_transform {
                transforms += 1;
                fits.push(("GCV", solver.solve(&noisy.b, Gcv)?));
            }
            let limit = match problem.facts.ill_posedness {
                gallery::IllPosedness::Severe => 0.68,
                _ if entry.name.contains("motion") => 0.25,
                _ => 0.35,
            };
            for (rule, fit) in fits {
                let error = problem.relative_error(&fit.x)?;
                assert!(error < limit, "{}, {rule}: {error:.3}", entry.name);
            }
        }
        // periodic ones, and reflective ones whose spread is its own mirror image
        assert_eq!(transforms, 5);
        Ok(())
    }

    #[test]
    fn bad_spreads_are_refused() {
        for (size, spread, boundary) in [
            (3, PointSpread::Defocus(2.0), Boundary::Zero),
            (32, PointSpread::Gaussian(-1.0), Boundary::Zero),
            (32, PointSpread::Motion { length: 0.0, angle: 0.0 }, Boundary::Zero),
            (32, PointSpread::Motion { length: 3.0, angle: f64::NAN }, Boundary::Zero),
            (32, PointSpread::Defocus(f64::INFINITY), Boundary::Zero),
            // no pixel with all its surroundings
            (8, PointSpread::Defocus(6.0), Boundary::Free),
        ] {
            let error = deblurring(size, spread, boundary).map(|problem| problem.name).unwrap_err();
            assert!(matches!(error, Error::Parameter { .. }), "{error}");
        }
        // and at its limit
        assert_eq!(deblurring(13, PointSpread::Defocus(6.0), Boundary::Free).unwrap().b.len(), 1);
    }
}

/// Chords of a square: no ray is longer than the diagonal, no pixel holds more than its own diagonal, and the mean chord through two
/// uniform points of a square of side 1 is 0.9 or so; the sum over a row is the chord.
#[test]
fn rays_cross_the_square() -> Result<()> {
    let size = 11;
    let problem = gallery::tomo(size, 20.0, 3)?;
    let chords = apply(&problem.a, &vec![1.0; size * size]);
    let diagonal = 2.0f64.sqrt();
    assert!(chords.iter().all(|&chord| chord > 0.0 && chord <= size as f64 * diagonal * (1.0 + 1e-14)));
    assert!(entries(&problem.a).iter().all(|&length| (0.0..=diagonal * (1.0 + 1e-12)).contains(&length)));
    // each ray crosses the square from wall to wall: a chord of the square of side N through its middle region
    let mean = chords.iter().sum::<f64>() / chords.len() as f64 / size as f64;
    assert!((0.9..1.1).contains(&mean), "mean chord {mean}");
    // left-right symmetry of the distribution of rays: both halves see the same length
    let half = size / 2;
    let column = |c: usize| (0..size).map(|r| c * size + r).collect::<Vec<_>>();
    let seen = apply_adjoint(&problem.a, &vec![1.0; chords.len()]);
    let total = |columns: std::ops::Range<usize>| columns.flat_map(column).map(|k| seen[k]).sum::<f64>();
    let (left, right) = (total(0..half), total(size - half..size));
    assert!((left / right - 1.0).abs() < 0.1, "{left} {right}");
    // the same seed, the same rays
    assert_eq!(gallery::tomo(size, 1.0, 9)?.b, gallery::tomo(size, 1.0, 9)?.b);
    assert_ne!(gallery::tomo(size, 1.0, 9)?.b, gallery::tomo(size, 1.0, 10)?.b);
    Ok(())
}

/// Laws of heat flow: a constant stays, total heat is kept, two times T/2 are T (up to the error of the steps: none, the same step),
/// and a cosine decays at its own rate.
#[test]
fn heat_flows() -> Result<()> {
    let (size, time) = (17, 0.02);
    let a = gallery::diffusion(size, time, 200)?.a;
    let ones = vec![1.0; size * size];
    assert!(difference(&apply(&a, &ones), &ones) < 1e-12);
    // total heat is 1ᵀCu, and Aᵀ keeps the mass vector C·1: hats at inner nodes weigh h², at sides h²/2, at corners h²/6 or h²/3
    let mass: Vec<f64> = (0..size * size)
        .map(|k| {
            let ends = [k % size, k / size].map(|i| i == 0 || i + 1 == size);
            match ends {
                [false, false] => 1.0,
                [true, true] if (k % size == 0) == (k / size == 0) => 1.0 / 3.0,
                [true, true] => 1.0 / 6.0,
                _ => 0.5,
            }
        })
        .collect();
    assert!(difference(&apply_adjoint(&a, &mass), &mass) < 1e-12);
    let half = gallery::diffusion(size, time / 2.0, 100)?.a;
    let x = ramp(size * size);
    assert!(difference(&apply(&half, &apply(&half, &x)), &apply(&a, &x)) < 1e-12);
    // u = cos(πξ) decays by exp(−π²T), up to the error of the mesh, which is of second order
    let error = |size: usize| {
        let cosine: Vec<f64> = (0..size * size).map(|k| (std::f64::consts::PI * (k / size) as f64 / (size - 1) as f64).cos()).collect();
        let decay = (-std::f64::consts::PI.powi(2) * time).exp();
        let expected: Vec<f64> = cosine.iter().map(|u| decay * u).collect();
        Ok::<f64, Error>(difference(&apply(&gallery::diffusion(size, time, 100)?.a, &cosine), &expected))
    };
    let (coarse, fine) = (error(9)?, error(17)?);
    assert!(fine < 0.01 && fine < 0.4 * coarse, "{coarse:.1e}, {fine:.1e}");
    Ok(())
}

/// Right-hand sides of the Laplace transforms by the quadrature that A is made of: g(s) = Σ Aᵢⱼ f(tⱼ) for smooth f; and at an order
/// where the weights themselves underflow.
#[test]
fn laplace_transforms() -> Result<()> {
    for (function, tolerance) in
        [(InverseLaplace::Decay, 1e-10), (InverseLaplace::Rise, 1e-10), (InverseLaplace::Peak, 1e-10), (InverseLaplace::Step, 0.05)]
    {
        for n in [64, 400] {
            let problem = gallery::inverse_laplace(n, function)?;
            let by = difference(&apply(&problem.a, problem.x.as_ref().unwrap()), &problem.b);
            // small s lie outside what n nodes resolve at larger n: the error is that of the quadrature
            assert!(by < tolerance || n == 400 && by < 1e-2, "{function:?} {n}: {by:.1e}");
            assert!(entries(&problem.a).iter().all(|entry| entry.is_finite()));
        }
    }
    Ok(())
}

#[test]
fn bad_sizes_and_parameters_are_refused() {
    let refused: Vec<(&str, Result<TestProblem>)> = vec![
        ("even", gallery::baart(7)),
        ("even", gallery::shaw(0)),
        ("even", gallery::heat(5, 1.0)),
        ("above 0", gallery::heat(8, 0.0)),
        ("above 0", gallery::heat(8, f64::NAN)),
        ("multiple of 4", gallery::phillips(10)),
        ("even", gallery::deriv2(9, Deriv2::Tent)),
        ("at least 1", gallery::deriv2(0, Deriv2::Linear)),
        ("at least 1", gallery::foxgood(0)),
        ("at least 1", gallery::ursell(0)),
        ("at least 1", gallery::parallax(0)),
        ("at least 1", gallery::inverse_laplace(0, InverseLaplace::Step)),
        ("at least 2", gallery::gravity(1, Gravity::Sines, 0.25)),
        ("above 0", gallery::gravity(8, Gravity::Sines, f64::INFINITY)),
        ("at least 1", gallery::spikes(8, 0)),
        ("number of spikes", gallery::spikes(3, 5)),
        ("between 0 and 1", gallery::wing(8, -0.1, 0.5)),
        ("above its start", gallery::wing(8, 0.5, 0.5)),
        ("above its start", gallery::wing(8, 0.5, f64::NAN)),
        ("at least 4", gallery::blur(3, 3, 0.7)),
        ("at least 1", gallery::blur(8, 0, 0.7)),
        ("above 0", gallery::blur(8, 3, -1.0)),
        ("at least 4", gallery::tomo(1, 1.0, 0)),
        ("above 0", gallery::tomo(8, f64::NAN, 0)),
        ("at most 1e8", gallery::tomo(8, 1e300, 0)),
        ("at least 2", gallery::diffusion(1, 0.01, 1)),
        ("at least 1", gallery::diffusion(4, 0.01, 0)),
        ("above 0", gallery::diffusion(4, -0.01, 1)),
        ("at least 1", gallery::nmr(0, Nmr::Organic)),
        ("at least 2", gallery::inverse_interpolation(1, 0)),
        ("at least 4", gallery::parallel_tomography(3, 10)),
        ("at least 1", gallery::parallel_tomography(8, 0)),
        ("at most 1e6", gallery::parallel_tomography(8, usize::MAX)),
    ];
    for (k, (text, result)) in refused.into_iter().enumerate() {
        let error = result.map(|problem| problem.name).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }) && error.to_string().contains(text), "{k}: {error}");
    }
    let problem = gallery::ursell(4).unwrap();
    assert!(matches!(problem.relative_error(&[0.0; 4]), Err(Error::Unsupported { .. })));
    assert!(matches!(gallery::shaw(4).unwrap().relative_error(&[0.0; 5]), Err(Error::Shape { .. })));
    // the smallest sizes exist
    for entry in CATALOGUE {
        let smallest = (1..=8).find(|&size| entry.build(size).is_ok());
        let problem = entry.build(smallest.expect("some size up to 8")).unwrap();
        assert!(problem.b.iter().chain(problem.x.iter().flatten()).chain(&entries(&problem.a)).all(|v| v.is_finite()), "{}", entry.name);
    }
}

/// The materials of the relaxation problem: one peak or two where their definition puts them, and as much mass as a density has.
#[test]
fn relaxation_peaks() -> Result<()> {
    let n = 50;
    let exponent = |k: usize| -4.0 + (k as f64 + 0.5) * 0.1;
    let at = |e: f64| ((e + 4.0) / 0.1 - 0.5).round() as usize;
    for (material, peaks) in [
        (Nmr::Carbonate, vec![(-1.5, -1.5)]),
        (Nmr::Methane, vec![(-0.75, -2.25), (-2.25, -0.75)]),
        (Nmr::Organic, vec![(-0.75, -1.0)]),
        // mirrored in T₂: the middle of the grid is −1.5
        (Nmr::Hydroxyl, vec![(-0.75, -2.5)]),
    ] {
        let x = gallery::nmr(n, material)?.x.unwrap();
        for (t1, t2) in &peaks {
            let peak = x[at(*t1) + n * at(*t2)];
            let mut around = [-3i64, 3]
                .iter()
                .flat_map(|d| [x[(at(*t1) as i64 + d) as usize + n * at(*t2)], x[at(*t1) + n * (at(*t2) as i64 + d) as usize]]);
            assert!(around.all(|value| value < peak), "{material:?} at {} {}", exponent(at(*t1)), exponent(at(*t2)));
        }
        let mass: f64 = x.iter().sum::<f64>() * 0.01;
        assert!((mass / peaks.len() as f64 - 1.0).abs() < 0.06, "{material:?}: mass {mass}");
    }
    Ok(())
}

// noise

/// Kolmogorov and Smirnov's distance from a distribution function.
fn distance(mut sample: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let gap = |(k, &v): (usize, &f64)| (distribution(v) - k as f64 / n).abs().max((distribution(v) - (k + 1) as f64 / n).abs());
    sample.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// erfc by its continued fraction or series: Φ(x) = erfc(−x/√2)/2.
fn normal_distribution(x: f64) -> f64 {
    // ∫₀ˣ of the density by its Taylor series: converges everywhere, alternating sums small for |x| < 6
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= -x * x / (2.0 * k as f64);
        sum += term / (2 * k + 1) as f64;
    }
    0.5 + sum / (2.0 * std::f64::consts::PI).sqrt()
}

const SAMPLES: usize = 40_000;

/// The distance that a sample of the right distribution exceeds once in 2·10⁴ seeds: 2.3/√n (2·exp(−2·2.3²) = 5e-5).
fn limit() -> f64 {
    2.3 / (SAMPLES as f64).sqrt()
}

#[test]
fn noise_has_the_distribution_of_its_name() -> Result<()> {
    let b = vec![1.0; SAMPLES];
    // ‖noise‖ = ‖b‖: entries of variance 1
    for seed in [1, 2] {
        let white = noise::gaussian(&b, 1.0, seed)?.noise;
        let gap = distance(white.clone(), normal_distribution);
        assert!(gap < limit(), "gaussian: {gap}");
        let tails = noise::laplace(&b, 1.0, seed)?.noise;
        let laplace = |x: f64| if x < 0.0 { 0.5 * (2f64.sqrt() * x).exp() } else { 1.0 - 0.5 * (-(2f64.sqrt()) * x).exp() };
        let gap = distance(tails.clone(), laplace);
        assert!(gap < limit(), "laplace: {gap}");
        // each would be refused as the other
        assert!(distance(white, laplace) > 2.0 * limit() && distance(tails.clone(), normal_distribution) > 2.0 * limit());
        // fourth moments: 6 for Laplace (its standard error here is 0.25)
        let fourth = tails.iter().map(|e| e.powi(4)).sum::<f64>() / SAMPLES as f64;
        assert!((fourth - 6.0).abs() < 1.2, "{fourth}");
    }
    Ok(())
}

#[test]
fn correlated_noise_has_its_correlations() -> Result<()> {
    let b = vec![1.0; SAMPLES];
    for correlation in [-0.7, 0.0, 0.8] {
        let e = noise::correlated(&b, 1.0, correlation, 4)?.noise;
        for lag in 1..=3usize {
            let found = e.iter().zip(&e[lag..]).map(|(a, b)| a * b).sum::<f64>() / SAMPLES as f64;
            let expected = f64::powi(correlation, lag as i32);
            // Bartlett's standard error is below √((1 + c²)/(1 − c²)/n)
            let tolerance = 4.5 * ((1.0 + correlation.powi(2)) / (1.0 - correlation.powi(2)) / SAMPLES as f64).sqrt();
            assert!((found - expected).abs() < tolerance, "{correlation}, lag {lag}: {found}");
        }
    }
    // no correlation is white noise
    assert_eq!(noise::correlated(&b, 0.1, 0.0, 8)?, noise::gaussian(&b, 0.1, 8)?);
    // the first entry is no exception: its variance over many seeds is that of the others
    let first: f64 = (0..4000).map(|seed| noise::correlated(&[1.0; 40], 1.0, 0.8, seed).unwrap().noise[0].powi(2)).sum::<f64>() / 4000.0;
    // (a little more than 1: the scale of the whole follows the middle more than the ends)
    assert!((first - 1.0).abs() < 0.3, "{first}");
    Ok(())
}

/// Counts of both algorithms (below and above a mean of 10) against the probabilities, by χ² over the values that occur.
#[test]
fn poisson_counts_have_their_probabilities() -> Result<()> {
    for mean in [0.3, 4.0, 9.99, 10.0, 12.5, 47.0, 300.0] {
        let counts = noise::poisson(&vec![1.0; SAMPLES], mean, 11)?.b;
        let mut seen = vec![0.0; (mean + 12.0 * f64::sqrt(mean) + 30.0) as usize];
        for count in counts {
            let count = count * mean;
            assert!((count - count.round()).abs() < 1e-9 * (1.0 + count), "{count} is no whole number");
            seen[count.round() as usize] += 1.0;
        }
        // bins of at least 20 expected counts, the rest in the last
        let (mut probability, mut bin, mut square, mut bins) = ((-mean).exp(), (0.0, 0.0), 0.0, 0);
        let mut last = (0.0, 0.0);
        for (k, &seen) in seen.iter().enumerate() {
            if k > 0 {
                probability *= mean / k as f64;
            }
            bin = (bin.0 + seen, bin.1 + probability * SAMPLES as f64);
            if bin.1 >= 20.0 {
                square += (bin.0 - bin.1).powi(2) / bin.1;
                bins += 1;
                last = bin;
                bin = (0.0, 0.0);
            }
        }
        // the tail joins the last bin
        square += (last.0 + bin.0 - last.1 - bin.1).powi(2) / (last.1 + bin.1) - (last.0 - last.1).powi(2) / last.1;
        let freedom = f64::from(bins - 1);
        assert!(square < freedom + 4.5 * (2.0 * freedom).sqrt() + 5.0, "mean {mean}: χ² {square:.1} on {freedom}");
    }
    // a mean where k! would overflow and differences of its logarithm lose all digits: mean and variance, by normal theory
    let large = noise::poisson(&vec![1.0; SAMPLES], 1e12, 3)?;
    let variance = large.noise.iter().map(|e| e * e).sum::<f64>() / SAMPLES as f64 * 1e12;
    assert!((variance - 1.0).abs() < 4.5 * (2.0 / SAMPLES as f64).sqrt(), "{variance}");
    let standardised = large.noise.iter().map(|e| e * 1e6).collect();
    assert!(distance(standardised, normal_distribution) < limit());
    Ok(())
}

#[test]
fn noise_is_scaled_and_seeded() -> Result<()> {
    let b: Vec<f64> = (0..50).map(|i| (f64::from(i) / 9.0).sin() + 1.0).collect();
    let largest = b.iter().copied().fold(0.0, f64::max);
    type Make = fn(&[f64], u64) -> Result<noise::Noisy>;
    let makers: [Make; 4] = [
        |b, seed| noise::gaussian(b, 0.02, seed),
        |b, seed| noise::correlated(b, 0.02, 0.9, seed),
        |b, seed| noise::laplace(b, 0.02, seed),
        |b, seed| noise::poisson(b, 500.0, seed),
    ];
    for (k, make) in makers.iter().enumerate() {
        let noisy = make(&b, 3)?;
        assert_eq!(noisy, make(&b, 3)?);
        assert_ne!(noisy.noise, make(&b, 4)?.noise);
        assert!((noisy.noise_norm - norm(&noisy.noise)).abs() < 1e-14 * noisy.noise_norm, "{k}");
        for i in 0..b.len() {
            assert!((noisy.b[i] - b[i] - noisy.noise[i]).abs() < 1e-15 * 4.0);
        }
        if k < 3 {
            assert!((noisy.noise_norm - 0.02 * norm(&b)).abs() < 1e-15 * norm(&b));
            assert!((norm(&noisy.noise_std) - noisy.noise_norm).abs() < 1e-14 * noisy.noise_norm);
        } else {
            assert!(noisy.noise_std.iter().zip(&b).all(|(s, b)| (s * s - b * largest / 500.0).abs() < 1e-12));
        }
        // data far out of the ordinary range, and none at all
        let scaled = make(&b.iter().map(|b| b * 1e200).collect::<Vec<_>>(), 3)?;
        assert!(difference(&scaled.noise.iter().map(|e| e * 1e-200).collect::<Vec<_>>(), &noisy.noise) < 1e-10);
        assert!(make(&[], 3)?.b.is_empty());
        assert_eq!(make(&[0.0; 3], 3)?.b, [0.0; 3]);
        assert!(matches!(make(&[1.0, f64::NAN], 3), Err(Error::NonFinite { .. })));
    }
    for result in [
        noise::gaussian(&b, -0.1, 0),
        noise::gaussian(&b, f64::NAN, 0),
        noise::laplace(&b, f64::INFINITY, 0),
        noise::correlated(&b, 0.1, 1.0, 0),
        noise::correlated(&b, 0.1, f64::NAN, 0),
        noise::poisson(&[1.0, -1.0], 10.0, 0),
        noise::poisson(&b, 0.0, 0),
        noise::poisson(&b, 1e16, 0),
    ] {
        assert!(matches!(result, Err(Error::Parameter { .. })), "{result:?}");
    }
    assert!(matches!(noise::gaussian(&[f64::MAX; 2], 5.0, 1), Err(Error::NonFinite { .. })));
    Ok(())
}

/// From the catalogue to a solution, by name, at its usual size: what a command-line demonstration does.
#[test]
fn the_catalogue_solves() -> Result<()> {
    for entry in CATALOGUE.iter().filter(|entry| !entry.two_dimensional) {
        let problem = entry.build(entry.usual_size)?;
        let noisy = noise::gaussian(&problem.b, 1e-3, 1)?;
        let problem_of_b = Problem::new(&problem.a).penalty(problem.facts.penalty());
        // parallax has noise of its own, and discretization errors of wing and phillips are above 1e-3: no noise norm is known
        if ["parallax", "wing", "phillips", "ursell"].contains(&problem.name) {
            assert_eq!(problem_of_b.solve(&noisy.b, Gcv)?.x.len(), 64);
            continue;
        }
        // the straight line of deriv2-linear is free of charge: no λ is needed, and however large, none leaves noise behind
        if problem.name == "deriv2-linear" {
            let fit = problem_of_b.solve(&noisy.b, 1.0)?;
            assert!(problem.relative_error(&fit.x)? < 0.01);
            continue;
        }
        // not GCV, which fails now and then on problems as small as these
        let fit = match problem_of_b.solve(&noisy.b, Discrepancy::noise_norm(noisy.noise_norm)) {
            // only where what the penalty leaves free fits to within the noise alone (deriv2-linear: x is a straight line)
            Err(Error::NoLambda { .. }) => {
                let stiff = problem_of_b.solve(&noisy.b, 1e12)?;
                assert!(stiff.residual_norm <= noisy.noise_norm * (1.0 + 1e-9), "{}", problem.name);
                stiff
            }
            other => other?,
        };
        if problem.x.is_some() && problem.name != "spikes" {
            let error = problem.relative_error(&fit.x)?;
            assert!(error < 0.3, "{}: {error:.2}", problem.name);
        }
    }
    // views of the entries are those of a slice
    let shaw = gallery::shaw(16)?;
    let copy = entries(&shaw.a);
    let again = Problem::new(&DenseView::column_major(&copy, 16, 16)?).solve(&shaw.b, 1e-4)?;
    assert_eq!(again.x, Problem::new(&shaw.a).solve(&shaw.b, 1e-4)?.x);
    Ok(())
}
