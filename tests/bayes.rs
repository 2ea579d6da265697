//! Posteriors against direct dense formulas in 50 digits (testdata/bayes.toml, written by bayes_oracle.py), and their laws.

use serde::Deserialize;
use wellposed::operator::{self, Boundary, Grid, Kernel, Operator};
use wellposed::{
    Covariance, DenseView, Error, Evidence, Gcv, HyperPrior, LogPrior, Method, Penalty, Posterior, Prior, Problem, Rows, SparseView,
    Warning, c64,
};

#[derive(Deserialize)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    rows: usize,
    columns: usize,
    a: Vec<f64>,
    b: Vec<f64>,
    intercept: bool,
    weights: Option<Vec<f64>>,
    noise_std: f64,
    noise_levels: Option<Vec<f64>>,
    prior_mean: Option<Vec<f64>>,
    noise_prior: Option<Hyper>,
    scale_prior: Option<Hyper>,
    l: Option<Vec<f64>>,
    lambda: f64,
    prior_std: f64,
    log_evidence: f64,
    mean: Vec<f64>,
    covariance: Vec<f64>,
    log_noise_std_error: Option<f64>,
    log_prior_std_error: f64,
    intercept_value: Option<f64>,
    intercept_std: Option<f64>,
    predicted_std: f64,
}

#[derive(Deserialize)]
struct Hyper {
    kind: String,
    first: f64,
    second: f64,
}

impl Hyper {
    fn prior(&self) -> HyperPrior {
        match self.kind.as_str() {
            "log_normal" => HyperPrior::log_normal(self.first, self.second),
            "gamma_precision" => HyperPrior::gamma_precision(self.first, self.second),
            "gamma_std" => HyperPrior::gamma_std(self.first, self.second),
            "half_cauchy" => HyperPrior::half_cauchy(self.first),
            other => panic!("{other}"),
        }
    }
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1e-300), "{what}: {found:e} is not {expected:e}");
}

/// λ, s and τ at the maximum of the evidence to 1e-8, their errors, the evidence, the mean and the covariance.
#[test]
fn equals_fifty_digits() {
    let file: File = toml::from_str(include_str!("../testdata/bayes.toml")).unwrap();
    assert_eq!(file.case.len(), 9);
    for case in file.case {
        let (name, n) = (&case.name, case.columns);
        let a = DenseView::row_major(&case.a, case.rows, n).unwrap();
        let l = case.l.as_ref().map(|l| DenseView::row_major(l, l.len() / n, n).unwrap());
        let mut problem = Problem::new(&a);
        if let Some(l) = &l {
            problem = problem.penalty(Penalty::matrix(l));
        }
        if case.intercept {
            problem = problem.intercept();
        }
        if let Some(weights) = &case.weights {
            problem = problem.weights(weights);
        }
        if let Some(levels) = &case.noise_levels {
            problem = problem.noise_std(levels);
        }
        if let Some(mean) = &case.prior_mean {
            problem = problem.prior_mean(mean);
        }
        let posterior = match (&case.noise_prior, &case.scale_prior) {
            (None, None) => problem.posterior(&case.b, Evidence),
            (Some(noise), None) => problem.posterior(&case.b, Evidence.noise_prior(noise.prior())),
            (None, Some(scale)) => problem.posterior(&case.b, Evidence.scale_prior(scale.prior())),
            (Some(noise), Some(scale)) => problem.posterior(&case.b, Evidence.noise_prior(noise.prior()).scale_prior(scale.prior())),
        }
        .unwrap();
        close(posterior.lambda, case.lambda, 1e-8, &format!("{name}: λ"));
        close(posterior.prior_std, case.prior_std, 1e-8, &format!("{name}: τ"));
        close(posterior.noise_std, case.noise_std, 1e-8, &format!("{name}: s"));
        assert!((posterior.log_evidence - case.log_evidence).abs() < 1e-9 * (1.0 + case.log_evidence.abs()), "{name}: log evidence");
        assert_eq!(posterior.log_noise_std_error.is_some(), case.log_noise_std_error.is_some(), "{name}");
        if let (Some(found), Some(expected)) = (posterior.log_noise_std_error, case.log_noise_std_error) {
            close(found, expected, 1e-6, &format!("{name}: error of log s"));
        }
        close(posterior.log_prior_std_error.unwrap(), case.log_prior_std_error, 1e-6, &format!("{name}: error of log τ"));
        let size = case.mean.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for (found, expected) in posterior.mean.iter().zip(&case.mean) {
            assert!((found - expected).abs() < 1e-8 * size, "{name}: mean {found} is not {expected}");
        }
        if let (Some(value), Some(std)) = (case.intercept_value, case.intercept_std) {
            close(posterior.intercept, value, 1e-9, &format!("{name}: intercept"));
            close(posterior.intercept_std(), std, 1e-8, &format!("{name}: std of the intercept"));
        }
        // λ is right to 1e-8 only where evidence determines it so well: the covariance itself is held to 1e-10 below
        let c = posterior.covariance();
        let largest = case.covariance.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for i in 0..n {
            for j in 0..n {
                assert!((c[(i, j)] - case.covariance[i * n + j]).abs() < 1e-8 * largest, "{name}: covariance {i}, {j}");
            }
        }
        let new: Vec<f64> = (0..n).map(|j| if j % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let at = posterior.predict(&DenseView::row_major(&new, 1, n).unwrap()).unwrap();
        close(at.std[0], case.predicted_std, 1e-8, &format!("{name}: std of a prediction"));
        close(at.observation_std[0], case.predicted_std.hypot(posterior.noise_std), 1e-8, &format!("{name}: std of an observation"));
        // at the λ of the oracle, the covariance equals the dense inverse to 1e-10
        let scaled: Vec<f64> = {
            let held = problem.posterior(&case.b, case.lambda).unwrap();
            let ratio = (posterior.noise_std / held.noise_std).powi(2);
            (0..n * n).map(|k| held.covariance()[(k / n, k % n)] * ratio).collect()
        };
        let factor =
            scaled.iter().zip(&case.covariance).map(|(a, b)| a * b).sum::<f64>() / case.covariance.iter().map(|b| b * b).sum::<f64>();
        for (found, expected) in scaled.iter().zip(&case.covariance) {
            assert!((found - expected * factor).abs() < 1e-10 * largest, "{name}: covariance at λ: {found} is not {expected}");
        }
        assert!((factor - 1.0).abs() < 1e-8, "{name}: {factor}");
    }
}

/// A generator of its own: splitmix64 and Box and Muller.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
    fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

fn product(a: &[f64], m: usize, x: &[f64]) -> Vec<f64> {
    (0..m).map(|i| x.iter().enumerate().map(|(j, x)| a[i + m * j] * x).sum()).collect()
}

/// 1000 data sets drawn from the prior: 95 % bands hold the true x in 93 to 97 % of all cases, with both scales found by
/// evidence, and with both given. Half or twice a variance would give 83 or 99 %.
#[test]
fn bands_cover() {
    let (m, n, tau, s) = (60, 12, 0.7, 0.4);
    let mut random = Random(11);
    let a = random.normals(m * n);
    let view = DenseView::column_major(&a, m, n).unwrap();
    let known = Problem::new(&view).noise_std(&[s]);
    let plain = Problem::new(&view).intercept();
    let (mut held, mut found, mut observed) = (0, 0, 0);
    for _ in 0..1000 {
        let x: Vec<f64> = random.normals(n).into_iter().map(|z| tau * z).collect();
        let b: Vec<f64> = product(&a, m, &x).into_iter().map(|y| y + s * random.normal()).collect();
        // λ of the whitened problem is 1/τ²
        let given = known.posterior(&b, 1.0 / (tau * tau)).unwrap();
        let evidence = plain.posterior(&b, Evidence).unwrap();
        let inside = |p: &Posterior<f64>| p.band(0.95).unwrap().iter().zip(&x).filter(|((low, high), x)| low <= *x && *x <= high).count();
        held += inside(&given);
        found += inside(&evidence);
        let row = random.normals(n);
        let at = evidence.predict(&DenseView::row_major(&row, 1, n).unwrap()).unwrap();
        let next = row.iter().zip(&x).map(|(r, x)| r * x).sum::<f64>() + s * random.normal();
        observed += usize::from((next - at.mean[0]).abs() <= 1.959964 * at.observation_std[0]);
    }
    let rate = |count: usize, of: usize| count as f64 / of as f64;
    for (what, rate) in [("given", rate(held, 1000 * n)), ("evidence", rate(found, 1000 * n)), ("observation", rate(observed, 1000))] {
        assert!((0.93..=0.97).contains(&rate), "{what}: {rate}");
    }
}

/// The mean is the ridge solution, the covariance is Hermitian positive definite, its products, diagonal and samples are those of
/// the matrix; complex, f32, weights, prior mean, any L.
#[test]
fn laws() {
    let mut random = Random(5);
    for (m, n) in [(20, 6), (7, 9), (1, 3), (12, 1)] {
        let (a, b, x0) = (random.normals(m * n), random.normals(m), random.normals(n));
        let weights: Vec<f64> = (0..m).map(|i| 0.5 + i as f64 / 3.0).collect();
        let view = DenseView::column_major(&a, m, n).unwrap();
        for penalty in [Penalty::identity(), Penalty::diagonal(&(1..=n).map(|j| j as f64).collect::<Vec<_>>())] {
            let problem = Problem::new(&view).weights(&weights).prior_mean(&x0).penalty(penalty).noise_std(&[0.3]);
            let posterior = problem.posterior(&b, 2.0).unwrap();
            let fit = problem.solve(&b, 2.0).unwrap();
            for (mean, x) in posterior.mean.iter().zip(&fit.x) {
                assert!((mean - x).abs() < 1e-12 * (1.0 + x.abs()));
            }
            assert!((posterior.dof - fit.dof.unwrap()).abs() < 1e-10);
            let (c, std) = (posterior.covariance(), posterior.std());
            for j in 0..n {
                let unit: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i == j))).collect();
                let column = posterior.covariance_times(&unit).unwrap();
                assert!((std[j] * std[j] - c[(j, j)]).abs() < 1e-13 * c[(j, j)] && c[(j, j)] > 0.0);
                (0..n).for_each(|i| assert!((column[i] - c[(i, j)]).abs() < 1e-13 && c[(i, j)] == c[(j, i)]));
            }
            // samples: mean and covariance to the error of 20000 draws
            let draws = posterior.sample(20000, 3).x;
            for i in 0..n {
                for j in 0..n {
                    let sum: f64 = (0..20000).map(|k| (draws[(i, k)] - posterior.mean[i]) * (draws[(j, k)] - posterior.mean[j])).sum();
                    assert!((sum / 20000.0 - c[(i, j)]).abs() < 0.05 * std[i] * std[j], "{m}×{n}: {i}, {j}");
                }
            }
        }
    }
}

/// Complex data with twice the unknowns as real data: the same variances of the moduli, and the same evidence.
#[test]
fn complex_is_the_real_problem_of_twice_the_size() {
    let mut random = Random(8);
    let (m, n) = (9, 4);
    let a: Vec<c64> = (0..m * n).map(|_| c64::new(random.normal(), random.normal())).collect();
    let b: Vec<c64> = (0..m).map(|_| c64::new(random.normal(), random.normal())).collect();
    let complex = Problem::new(&DenseView::column_major(&a, m, n).unwrap()).posterior(&b, Evidence).unwrap();
    // [Re −Im; Im Re], and real and imaginary parts of half the variance each
    let real: Vec<f64> = (0..2 * n)
        .flat_map(|j| (0..2 * m).map(move |i| (i, j)))
        .map(|(i, j)| {
            let value = a[i % m + m * (j % n)];
            match (i < m, j < n) {
                (true, true) | (false, false) => value.re,
                (true, false) => -value.im,
                (false, true) => value.im,
            }
        })
        .collect();
    let data: Vec<f64> = b.iter().map(|b| b.re).chain(b.iter().map(|b| b.im)).collect();
    let twice = Problem::new(&DenseView::column_major(&real, 2 * m, 2 * n).unwrap()).posterior(&data, Evidence).unwrap();
    close(complex.lambda, twice.lambda, 1e-7, "λ");
    close(complex.noise_std, twice.noise_std * 2f64.sqrt(), 1e-8, "s");
    close(complex.log_evidence, twice.log_evidence, 1e-10, "log evidence");
    close(complex.log_prior_std_error.unwrap(), twice.log_prior_std_error.unwrap(), 1e-6, "error of log τ");
    let (std, parts) = (complex.std(), twice.std());
    for j in 0..n {
        close(std[j], parts[j].hypot(parts[n + j]), 1e-8, "std");
        close(complex.mean[j].re, twice.mean[j], 1e-7, "real part");
    }
    let draws = complex.sample(40000, 1).x;
    for j in 0..n {
        let sum: f64 = (0..40000).map(|k| (draws[(j, k)] - complex.mean[j]).norm_sqr()).sum();
        close(sum / 40000.0, std[j] * std[j], 0.03, "variance of the samples");
    }
    assert!(matches!(complex.band(0.95), Err(Error::Unsupported { .. })));
}

/// Other units of b, A and L change the scales by those units and nothing else, however large.
#[test]
fn units() {
    let mut random = Random(21);
    let (m, n) = (18, 5);
    let (a, b) = (random.normals(m * n), random.normals(m));
    let reference = Problem::new(&DenseView::column_major(&a, m, n).unwrap()).intercept().posterior(&b, Evidence).unwrap();
    for (of_a, of_b) in [(1e3, 1e-4), (1e120, 1e-130), (1e-150, 1e90)] {
        let scaled: Vec<f64> = a.iter().map(|x| x * of_a).collect();
        let data: Vec<f64> = b.iter().map(|x| x * of_b).collect();
        let posterior = Problem::new(&DenseView::column_major(&scaled, m, n).unwrap()).intercept().posterior(&data, Evidence).unwrap();
        close(posterior.noise_std, reference.noise_std * of_b, 1e-7, "s");
        close(posterior.prior_std, reference.prior_std * of_b / of_a, 1e-7, "τ");
        close(posterior.log_evidence, reference.log_evidence - (m - 1) as f64 * f64::ln(of_b), 1e-9, "log evidence");
        close(posterior.std()[2], reference.std()[2] * of_b / of_a, 1e-7, "std");
        close(posterior.intercept_std(), reference.intercept_std() * of_b, 1e-7, "std of the intercept");
    }
}

/// The evidence of a noise level is the same whether it was found or given, with an intercept and without; so is that of a log prior, of
/// relevance determination and of the low-rank form.
#[test]
fn evidence_counts_a_noise_level_once() {
    let mut random = Random(62);
    let (m, n) = (18, 4);
    let (a, b) = (random.normals(m * n), random.normals(m));
    let view = DenseView::column_major(&a, m, n).unwrap();
    let weights: Vec<f64> = (0..m).map(|i| 0.5 + (i % 3) as f64).collect();
    for plain in [Problem::new(&view).weights(&weights), Problem::new(&view).weights(&weights).intercept()] {
        let found = plain.posterior(&b, Evidence).unwrap();
        let (s, tau) = (found.noise_std, found.prior_std);
        let told = plain.clone().noise_std(&[s]);
        let given = told.posterior(&b, 1.0 / (tau * tau)).unwrap();
        close(given.log_evidence, found.log_evidence, 1e-10, "log evidence");
        let map = told.map(&b, &Prior::gaussian(tau)).unwrap();
        close(map.log_evidence.unwrap(), found.log_evidence, 1e-10, "by Laplace's approximation");
        let low_rank = told.posterior_low_rank(&b, 1.0 / (tau * tau), m).unwrap();
        close(low_rank.log_evidence, found.log_evidence, 1e-9, "by products");
        let relevance = plain.relevance(&b).unwrap();
        let again = plain.clone().noise_std(&[relevance.noise_std]).relevance(&b).unwrap();
        close(again.log_evidence, relevance.log_evidence, 1e-8, "of relevance determination");
    }
}

/// A noise level is the same said by the problem or by the rule; λ is that of the rule.
#[test]
fn known_noise() {
    let mut random = Random(44);
    let (m, n, s) = (20, 6, 0.3);
    let (a, x) = (random.normals(m * n), random.normals(n));
    let b: Vec<f64> = product(&a, m, &x).into_iter().map(|y| y + s * random.normal()).collect();
    let view = DenseView::column_major(&a, m, n).unwrap();
    let by_problem = Problem::new(&view).noise_std(&[s]).posterior(&b, Evidence).unwrap();
    let by_rule = Problem::new(&view).posterior(&b, Evidence::noise_std(s)).unwrap();
    let whitened = Problem::new(&view).noise_std(&[s]).posterior(&b, Evidence::whitened()).unwrap();
    let solved = Problem::new(&view).solve(&b, Evidence::noise_std(s)).unwrap();
    close(by_rule.lambda, solved.lambda, 1e-8, "λ");
    for other in [&by_rule, &whitened] {
        close(by_problem.noise_std, s, 1e-14, "s");
        close(other.noise_std, s, 1e-14, "s");
        close(other.prior_std, by_problem.prior_std, 1e-8, "τ");
        close(other.log_evidence, by_problem.log_evidence, 1e-10, "log evidence");
        close(other.log_prior_std_error.unwrap(), by_problem.log_prior_std_error.unwrap(), 1e-7, "error of log τ");
        assert!(other.log_noise_std_error.is_none() && other.std().iter().zip(by_problem.std()).all(|(p, q)| (p / q - 1.0).abs() < 1e-8));
    }
}

/// What cannot be, says so.
#[test]
fn refusals() {
    let a = [1.0, 2.0, 3.0, 4.0, 1.0, 1.0];
    let view = DenseView::column_major(&a, 3, 2).unwrap();
    let problem = Problem::new(&view);
    let b = [1.0, 2.0, 2.5];
    let text = |result: Result<Posterior<f64>, Error>| result.unwrap_err().to_string();
    assert!(text(problem.posterior(&b, 0.0)).contains("no prior"));
    assert!(text(problem.posterior(&[0.0; 3], 1.0)).contains("noise_std"));
    assert!(text(problem.posterior(&b, Evidence.noise_prior(HyperPrior::log_normal(-1.0, 1.0)))).contains("median"));
    assert!(text(problem.clone().method(wellposed::Cgls::new()).posterior(&b, 1.0)).contains("Auto"));
    let posterior = problem.posterior(&b, 1.0).unwrap();
    assert!(posterior.warnings.iter().any(|w| matches!(w, Warning::NoiseEstimated { .. })));
    assert!(matches!(posterior.band(1.0), Err(Error::Parameter { .. })));
    assert!(matches!(posterior.covariance_times(&[1.0]), Err(Error::Shape { .. })));
    assert!(matches!(posterior.predict(&DenseView::column_major(&[1.0], 1, 1).unwrap()), Err(Error::Shape { .. })));
    let several = problem.clone().penalties([Penalty::identity(), Penalty::first_difference()]);
    assert!(text(several.posterior(&b, Evidence)).contains("a λ each"));
    assert!(text(problem.clone().penalty(Penalty::identity().l1()).posterior(&b, 1.0)).contains("Problem::map"));
    // a direction that neither A nor L sees has no posterior
    let zero = Penalty::diagonal(&[1.0, 0.0]);
    let unseen = [1.0, 2.0, 3.0, 0.0, 0.0, 0.0];
    let view = DenseView::column_major(&unseen, 3, 2).unwrap();
    assert!(matches!(Problem::new(&view).penalty(zero).posterior(&b, 1.0), Err(Error::RankDeficient { .. })));
}

/// G of C = GGᵀ (row after row), and its log determinant: the tests' own.
fn cholesky(c: &[Vec<f64>]) -> (Vec<Vec<f64>>, f64) {
    let n = c.len();
    let mut g = vec![vec![0.0; n]; n];
    for j in 0..n {
        for i in j..n {
            let sum = c[i][j] - (0..j).map(|k| g[i][k] * g[j][k]).sum::<f64>();
            g[i][j] = if i == j { sum.sqrt() } else { sum / g[j][j] };
        }
    }
    let log = (0..n).map(|j| 2.0 * g[j][j].ln()).sum();
    (g, log)
}

/// C⁻¹v.
fn solve(g: &[Vec<f64>], v: &[f64]) -> Vec<f64> {
    let n = v.len();
    let mut y = v.to_vec();
    for i in 0..n {
        y[i] = (y[i] - (0..i).map(|k| g[i][k] * y[k]).sum::<f64>()) / g[i][i];
    }
    for i in (0..n).rev() {
        y[i] = (y[i] - (i + 1..n).map(|k| g[k][i] * y[k]).sum::<f64>()) / g[i][i];
    }
    y
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// x = CAᵀ(ACAᵀ + λI)⁻¹b, the other form of the same answer, with every rule's machinery behind the first.
#[test]
fn kernels_are_gaussian_processes() {
    let (m, n, lambda) = (6, 9, 0.3);
    let mut random = Random(31);
    let (a, b) = (random.normals(m * n), random.normals(m));
    let view = DenseView::column_major(&a, m, n).unwrap();
    let grid = Grid::new(&[3, 3]).unwrap().spacing(&[0.5, 0.7]).unwrap();
    for kernel in [Covariance::exponential(0.9), Covariance::matern(2.5, 0.6).nugget(1e-3), Covariance::squared_exponential(0.5)] {
        let c = kernel.matrix::<f64>(&grid).unwrap();
        let times_c = |v: &[f64]| -> Vec<f64> { (0..n).map(|i| (0..n).map(|j| c[(i, j)] * v[j]).sum()).collect() };
        let row = |i: usize| -> Vec<f64> { (0..n).map(|j| a[i + m * j]).collect() };
        let data: Vec<Vec<f64>> =
            (0..m).map(|i| (0..m).map(|k| dot(&row(i), &times_c(&row(k))) + if i == k { lambda } else { 0.0 }).collect()).collect();
        let weights = solve(&cholesky(&data).0, &b);
        let back: Vec<f64> = (0..n).map(|j| (0..m).map(|i| a[i + m * j] * weights[i]).sum()).collect();
        let expected = times_c(&back);
        let penalty = Penalty::kernel(&grid, &kernel, Boundary::Free).unwrap();
        let fit = Problem::new(&view).penalty(penalty.clone()).solve(&b, lambda).unwrap();
        assert!(fit.x.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-9), "{kernel:?}");
        let same = Problem::new(&view).penalty(Penalty::covariance(&c).unwrap()).solve(&b, lambda).unwrap();
        assert!(same.x.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-9));
        assert!(Problem::new(&view).penalty(penalty).solve(&b, Evidence).unwrap().lambda > 0.0);
    }
}

/// On a periodic grid the Fourier transform diagonalises blur and prior: the same answer as the engine on entries, to rounding.
#[test]
fn periodic_kernels_go_through_the_transform() {
    let grid = Grid::new(&[12, 10]).unwrap();
    let blur = operator::convolution(12, 10, &Kernel::product(&[0.25, 0.5, 0.25], &[0.3, 0.4, 0.3]).unwrap(), Boundary::Periodic).unwrap();
    let prior = Penalty::kernel(&grid, &Covariance::matern(1.5, 2.0), Boundary::Periodic).unwrap();
    let b = Random(4).normals(120);
    let fast = Problem::new(&blur).penalty(prior.clone()).solve(&b, Gcv).unwrap();
    assert_eq!(fast.report.method, "fast transform");
    let mut entries = vec![0.0; 120 * 120];
    for j in 0..120 {
        let unit: Vec<f64> = (0..120).map(|i| f64::from(u8::from(i == j))).collect();
        blur.apply(&unit, &mut entries[j * 120..(j + 1) * 120]);
    }
    let dense = DenseView::column_major(&entries, 120, 120).unwrap();
    let slow = Problem::new(&dense).penalty(prior).method(Method::Svd).solve(&b, fast.lambda).unwrap();
    assert!(fast.x.iter().zip(&slow.x).all(|(x, y)| (x - y).abs() < 1e-9));
    close(fast.dof.unwrap(), slow.dof.unwrap(), 1e-8, "dof");
}

/// A Gaussian log prior: one ridge problem, and Laplace's approximation is exact.
#[test]
fn gaussian_map_is_ridge() {
    let mut random = Random(77);
    let (m, n, s, tau) = (14, 5, 0.3, 0.8);
    let (a, b, x0) = (random.normals(m * n), random.normals(m), random.normals(n));
    let view = DenseView::column_major(&a, m, n).unwrap();
    let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 4) as f64).collect();
    for problem in [Problem::new(&view).noise_std(&[s]), Problem::new(&view).noise_std(&[s]).intercept().weights(&weights).prior_mean(&x0)]
    {
        let map = problem.map(&b, &Prior::gaussian(tau)).unwrap();
        let posterior = problem.posterior(&b, 1.0 / (tau * tau)).unwrap();
        assert!(map.x.iter().zip(&posterior.mean).all(|(p, q)| (p - q).abs() < 1e-11));
        close(map.intercept, posterior.intercept, 1e-10, "intercept");
        close(map.log_evidence.unwrap(), posterior.log_evidence, 1e-11, "log evidence");
        assert!(map.std.unwrap().iter().zip(posterior.std()).all(|(p, q)| (p / q - 1.0).abs() < 1e-10));
        assert!(map.steps <= 2, "{}", map.steps);
    }
}

/// Laplace's approximation against quadrature in one dimension and two, where the posterior is nearly Gaussian: without the
/// −½ log det, or with its sign wrong, it would be off by 5 to 10.
#[test]
fn laplace_evidence_against_quadrature() {
    let mut random = Random(13);
    let (m, s) = (40, 0.2);
    for n in [1, 2] {
        let a = random.normals(m * n);
        let x = [0.7, -1.2];
        let b: Vec<f64> = product(&a, m, &x[..n]).into_iter().map(|y| y + s * random.normal()).collect();
        let view = DenseView::column_major(&a, m, n).unwrap();
        for prior in [Prior::student_t(3.0, 0.5), Prior::cauchy(0.4), Prior::laplace(0.5), Prior::horseshoe(0.6)] {
            let map = Problem::new(&view).noise_std(&[s]).map(&b, &prior).unwrap();
            let log_p = |x: &[f64]| {
                let r = product(&a, m, x);
                let square: f64 = r.iter().zip(&b).map(|(r, b)| ((r - b) / s).powi(2)).sum();
                -0.5 * square - m as f64 * (s.ln() + 0.5 * std::f64::consts::TAU.ln()) + prior.value(x)
            };
            let (std, peak) = (map.std.clone().unwrap(), log_p(&map.x));
            close(peak, map.log_likelihood + map.log_prior, 1e-12, "log posterior");
            let h = 0.05;
            let axis: Vec<f64> = (-160..=160).map(|k| h * f64::from(k)).collect();
            let mut sum = 0.0;
            for &u in &axis {
                if n == 1 {
                    sum += (log_p(&[map.x[0] + u * std[0]]) - peak).exp() * h * std[0];
                } else {
                    sum += axis
                        .iter()
                        .map(|&v| (log_p(&[map.x[0] + u * std[0], map.x[1] + v * std[1]]) - peak).exp() * h * h * std[0] * std[1])
                        .sum::<f64>();
                }
            }
            let expected = peak + sum.ln();
            assert!((map.log_evidence.unwrap() - expected).abs() < 5e-3, "{prior:?}: {:?} is not {expected}", map.log_evidence);
        }
    }
}

/// A Laplace prior gives the lasso: |aⱼᵀr| ≤ s²/β, with equality where xⱼ is not 0.
#[test]
fn laplace_map_is_the_lasso() {
    let mut random = Random(99);
    let (m, n, s, beta) = (30, 12, 0.5, 0.05);
    let a = random.normals(m * n);
    let truth: Vec<f64> = (0..n).map(|j| if j % 4 == 0 { 1.5 } else { 0.0 }).collect();
    let b: Vec<f64> = product(&a, m, &truth).into_iter().map(|y| y + s * random.normal()).collect();
    let map = Problem::new(&DenseView::column_major(&a, m, n).unwrap()).noise_std(&[s]).map(&b, &Prior::laplace(beta)).unwrap();
    let residual: Vec<f64> = product(&a, m, &map.x).iter().zip(&b).map(|(y, b)| b - y).collect();
    let mut zeros = 0;
    for j in 0..n {
        let pull = dot(&a[j * m..(j + 1) * m], &residual) * beta / (s * s);
        if map.x[j].abs() < 1e-4 {
            zeros += 1;
            assert!(pull.abs() < 1.0 + 1e-9, "{j}: {pull}");
        } else {
            assert!((pull - map.x[j].signum()).abs() < 1e-6, "{j}: {pull} at {}", map.x[j]);
        }
    }
    assert!((3..12).contains(&zeros), "{zeros} zeros: {:?}", map.x);
    // a corner is no place for a Gaussian
    assert!(map.log_evidence.is_none() && map.std.is_none() && map.smoothing > 0.0);
}

/// The posterior's covariance goes to the prior's as λ grows; ridge's sampling covariance s²M⁻¹AᵀAM⁻¹ goes to 0 beside it, and is smaller by
/// λs²M⁻² at every λ.
#[test]
fn posterior_and_sampling_covariance() {
    let mut random = Random(17);
    let (m, n, s) = (20, 4, 0.3);
    let (a, b) = (random.normals(m * n), random.normals(m));
    let view = DenseView::column_major(&a, m, n).unwrap();
    let gram = |i: usize, j: usize| dot(&a[i * m..(i + 1) * m], &a[j * m..(j + 1) * m]);
    for lambda in [0.1, 10.0, 1e8] {
        let posterior = Problem::new(&view).noise_std(&[s]).posterior(&b, lambda / (s * s)).unwrap();
        let c = posterior.covariance();
        // C = s²M⁻¹: the sampling covariance is C·AᵀA·C/s²
        for i in 0..n {
            let column = |j: usize| (0..n).map(|k| gram(j, k) * c[(k, i)]).sum::<f64>();
            let sampling: f64 = (0..n).map(|j| c[(i, j)] * column(j)).sum::<f64>() / (s * s);
            let gap: f64 = (0..n).map(|j| c[(i, j)] * c[(j, i)]).sum::<f64>() * lambda / (s * s);
            assert!((sampling + gap - c[(i, i)]).abs() <= 1e-10 * c[(i, i)], "λ = {lambda}: {sampling} + {gap} is not {}", c[(i, i)]);
            if lambda > 1e6 {
                assert!((c[(i, i)] / posterior.prior_std.powi(2) - 1.0).abs() < 1e-5 && sampling < 1e-5 * c[(i, i)]);
            }
        }
    }
}

/// Under a Laplace prior the mode is 0 where the data pull by less than the corner holds, and the mean, by quadrature, is not.
#[test]
fn the_mean_under_a_laplace_prior_is_not_sparse() {
    let (a, b, s, beta) = (1.0, 0.4, 1.0, 0.5);
    let prior = Prior::laplace(beta);
    let fit = Problem::new(&DenseView::column(&[a])).noise_std(&[s]).map(&[b], &prior).unwrap();
    assert!(fit.x[0].abs() < 10.0 * prior.smoothing(), "{}", fit.x[0]);
    let density = |x: f64| (-0.5 * ((b - a * x) / s).powi(2) + prior.value(&[x])).exp();
    let sum = |f: &dyn Fn(f64) -> f64| (-40000..=40000).map(|k| f(f64::from(k) * 2.5e-4)).sum::<f64>();
    let mean = sum(&|x| x * density(x)) / sum(&density);
    assert!(mean > 0.05 && mean < b, "{mean}");
}

/// Heavy tails: no small move from the mode found makes it more probable, and large coefficients are hardly shrunk.
#[test]
fn heavy_tails() {
    let mut random = Random(3);
    let (m, n, s) = (25, 8, 0.1);
    let a = random.normals(m * n);
    let truth = [5.0, 0.0, 0.0, -3.0, 0.0, 0.0, 0.0, 0.0];
    let b: Vec<f64> = product(&a, m, &truth).into_iter().map(|y| y + s * random.normal()).collect();
    let view = DenseView::column_major(&a, m, n).unwrap();
    for prior in [Prior::student_t(2.0, 0.05), Prior::cauchy(0.02), Prior::horseshoe(0.05)] {
        let map = Problem::new(&view).noise_std(&[s]).map(&b, &prior).unwrap();
        let energy = |x: &[f64]| {
            let r = product(&a, m, x);
            0.5 * r.iter().zip(&b).map(|(r, b)| ((r - b) / s).powi(2)).sum::<f64>() - prior.value(x)
        };
        let here = energy(&map.x);
        for j in 0..n {
            for move_by in [1e-4, -1e-4, 1e-3, -1e-3] {
                let mut x = map.x.clone();
                x[j] += move_by;
                assert!(energy(&x) >= here - 1e-9, "{prior:?}: {j}");
            }
        }
        assert!(map.gradient < 1e-6, "{prior:?}: {}", map.gradient);
        assert!((map.x[0] - 5.0).abs() < 0.1 && (map.x[3] + 3.0).abs() < 0.1, "{prior:?}: {:?}", map.x);
    }
}

/// A prior of the user's own that couples its unknowns: x ~ N(0, P⁻¹) written as a log density is the penalty of that precision.
struct Coupled(Vec<Vec<f64>>);

impl LogPrior for Coupled {
    fn value(&self, z: &[f64]) -> f64 {
        -0.5 * self.0.iter().zip(z).map(|(row, z_i)| z_i * dot(row, z)).sum::<f64>()
    }
    fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
        gradient.iter_mut().zip(&self.0).for_each(|(g, row)| *g = -dot(row, z));
    }
    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
        (0..z.len()).for_each(|i| (0..=i).for_each(|j| visit(i, j, self.0[i][j])));
    }
}

#[test]
fn a_prior_of_your_own() {
    let mut random = Random(55);
    let (m, n) = (7, 4);
    let (a, b) = (random.normals(m * n), random.normals(m));
    let view = DenseView::column_major(&a, m, n).unwrap();
    // 2 on the diagonal, −0.9 beside it: no majoriser is needed, and the curvature is not diagonal
    let p: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| [2.0, -0.9, 0.0, 0.0][usize::abs_diff(i, j)]).collect()).collect();
    let flat: Vec<f64> = p.concat();
    let problem = Problem::new(&view).noise_std(&[0.4]);
    let map = problem.map(&b, &Coupled(p.clone())).unwrap();
    let penalty = Penalty::precision(&DenseView::row_major(&flat, n, n).unwrap()).unwrap();
    let ridge = problem.penalty(penalty).posterior(&b, 1.0).unwrap();
    assert!(map.x.iter().zip(&ridge.mean).all(|(p, q)| (p - q).abs() < 1e-11));
    assert!(map.std.unwrap().iter().zip(ridge.std()).all(|(p, q)| (p / q - 1.0).abs() < 1e-10));
    // its density lacks the constant ½ log det P − n/2·log 2π
    let constant = 0.5 * cholesky(&p).1 - 0.5 * n as f64 * std::f64::consts::TAU.ln();
    close(map.log_evidence.unwrap() + constant, ridge.log_evidence, 1e-11, "log evidence");
}

/// A density with gradient or curvature of another is refused, and says which.
#[test]
fn wrong_derivatives() {
    struct Wrong(f64, f64);
    impl LogPrior for Wrong {
        fn value(&self, z: &[f64]) -> f64 {
            -z.iter().map(|z| z.powi(4) + z * z).sum::<f64>()
        }
        fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
            gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -self.0 * (4.0 * z.powi(3) + 2.0 * z));
        }
        fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
            (0..z.len()).for_each(|j| visit(j, j, self.0 * self.1 * (12.0 * z[j] * z[j] + 2.0)));
        }
    }
    let a = [1.0, 0.5, 2.0, 0.3, -1.0, 0.7];
    let view = DenseView::column_major(&a, 3, 2).unwrap();
    let problem = Problem::new(&view).noise_std(&[1.0]);
    let b = [1.0, 2.0, 3.0];
    assert!(problem.map(&b, &Wrong(1.0, 1.0)).is_ok());
    let what = |prior: &Wrong| match problem.map(&b, prior) {
        Err(Error::LogPrior { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what(&Wrong(1.02, 1.0)), "gradient");
    assert_eq!(what(&Wrong(-1.0, 1.0)), "gradient");
    assert_eq!(what(&Wrong(1.0, 1.02)), "curvature");
    // and what is not offered
    let flat = Prior::cauchy(1.0);
    assert!(matches!(Problem::new(&view).map(&b, &flat), Err(Error::Unsupported { .. })));
    let smooth = problem.clone().penalty(Penalty::first_difference());
    assert!(matches!(smooth.map(&b, &flat), Err(Error::Unsupported { .. })));
    assert!(matches!(problem.map_from(&b, &flat, &[1.0]), Err(Error::Shape { .. })));
}

/// At the answer of relevance determination every α is at its own maximum (with C formed as a matrix), the noise is at its fixed
/// point, and the evidence is that of the formula; pruned columns would gain nothing.
#[test]
fn relevance_is_stationary() {
    let mut random = Random(17);
    let (m, n, s) = (40, 15, 0.3);
    let a = random.normals(m * n);
    let truth: Vec<f64> = (0..n).map(|j| if j % 5 == 1 { 2.0 } else { 0.0 }).collect();
    let b: Vec<f64> = product(&a, m, &truth).into_iter().map(|y| y + s * random.normal()).collect();
    let view = DenseView::column_major(&a, m, n).unwrap();
    let column = |j: usize| &a[j * m..(j + 1) * m];
    for problem in [Problem::new(&view), Problem::new(&view).noise_std(&[s])] {
        let found = problem.relevance(&b).unwrap();
        assert!([1, 6, 11].iter().all(|j| found.kept.contains(j)) && found.pruned.len() >= 6, "{:?}", found.kept);
        assert_eq!(found.kept.len() + found.pruned.len(), n);
        let c_without = |skip: Option<usize>| -> Vec<Vec<f64>> {
            let entry = |i: usize, k: usize| {
                let prior: f64 = found
                    .kept
                    .iter()
                    .filter(|&&j| Some(j) != skip)
                    .map(|&j| found.prior_std[j].powi(2) * column(j)[i] * column(j)[k])
                    .sum();
                prior + if i == k { found.noise_std.powi(2) } else { 0.0 }
            };
            (0..m).map(|i| (0..m).map(|k| entry(i, k)).collect()).collect()
        };
        for j in 0..n {
            let (g, _) = cholesky(&c_without(Some(j)));
            let inverse = solve(&g, column(j));
            let (s_j, q_j) = (dot(column(j), &inverse), dot(&b, &inverse));
            match found.kept.contains(&j) {
                true => close(found.prior_std[j].powi(-2), s_j * s_j / (q_j * q_j - s_j), 1e-5, "α"),
                false => assert!(q_j * q_j <= s_j * (1.0 + 1e-9), "{j} was pruned"),
            }
        }
        let (g, log_det) = cholesky(&c_without(None));
        let expected = -0.5 * (m as f64 * std::f64::consts::TAU.ln() + log_det + dot(&b, &solve(&g, &b)));
        close(found.log_evidence, expected, 1e-11, "log evidence");
        // the mean is the ridge solution with those variances
        let inverse = solve(&g, &b);
        for j in 0..n {
            assert!((found.mean[j] - found.prior_std[j].powi(2) * dot(column(j), &inverse)).abs() < 1e-9);
        }
    }
    // the noise at its fixed point: more or less of it is less probable
    let found = Problem::new(&view).relevance(&b).unwrap();
    assert!((0.2..0.4).contains(&found.noise_std), "{}", found.noise_std);
    let shifted: Vec<f64> = b.iter().map(|b| b + 100.0).collect();
    let moved = Problem::new(&view).intercept().relevance(&shifted).unwrap();
    let centred = Problem::new(&view).intercept().relevance(&b).unwrap();
    close(moved.intercept - centred.intercept, 100.0, 1e-8, "intercept");
    assert_eq!(moved.kept, centred.kept);
    assert!(matches!(Problem::new(&view).relevance(&vec![0.0; m]), Err(Error::Unsupported { .. })));
}

/// Products alone: variances never too small, too large by no more than the bound, exact at full rank; samples by perturbed problems
/// have the covariance of the matrix.
#[test]
fn low_rank_posteriors() {
    let (m, n, s) = (30, 40, 0.2);
    let mut random = Random(6);
    // singular values that fall by a factor of two
    let (left, right) = (random.normals(m * 12), random.normals(n * 12));
    let a: Vec<f64> =
        (0..m * n).map(|k| (0..12).map(|r| left[k % m + m * r] * right[k / m + n * r] * 0.5f64.powi(r as i32)).sum()).collect();
    let b = random.normals(m);
    let dense = DenseView::column_major(&a, m, n).unwrap();
    let products =
        operator::from_fn(m, n, |x: &[f64], y: &mut [f64]| dense.apply(x, y), |y: &[f64], x: &mut [f64]| dense.apply_adjoint(y, x));
    for intercept in [false, true] {
        let (mut exact, mut matrix_free) = (Problem::new(&dense).noise_std(&[s]), Problem::new(&products).noise_std(&[s]));
        if intercept {
            (exact, matrix_free) = (exact.intercept(), matrix_free.intercept());
        }
        let reference = exact.posterior(&b, 0.7).unwrap();
        let std = reference.std();
        let mut last = f64::INFINITY;
        for rank in [2, 6, 9, 30] {
            let found = matrix_free.posterior_low_rank(&b, 0.7, rank).unwrap();
            let error = found.covariance_error().unwrap();
            assert!(error < last + 1e-12, "{rank}: {error}");
            last = error;
            for (j, wide) in found.std().into_iter().enumerate() {
                let excess = wide * wide - std[j] * std[j];
                assert!(excess > -1e-9 && excess <= error + 1e-9, "rank {rank}: variance {j} is {excess} too large, bound {error}");
            }
            assert!(found.mean.iter().zip(&reference.mean).all(|(p, q)| (p - q).abs() < 1e-6));
            if rank == 30 {
                assert!(error < 1e-12);
                close(found.log_evidence, reference.log_evidence, 1e-8, "log evidence");
                close(found.dof, reference.dof, 1e-8, "dof");
                close(found.intercept_std() + 1.0, reference.intercept_std() + 1.0, 1e-9, "std of the intercept");
                let draws = found.sample(4000, 2).x;
                let of = |j: usize| (0..4000).map(|k| (draws[(j, k)] - found.mean[j]).powi(2)).sum::<f64>() / 4000.0;
                (0..n).for_each(|j| close(of(j), std[j] * std[j], 0.15, "variance of low-rank draws"));
            }
        }
        let draws = exact.samples(&b, &reference, 4000, 9).unwrap();
        let c = reference.covariance();
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (0..4000).map(|k| (draws.x[(i, k)] - reference.mean[i]) * (draws.x[(j, k)] - reference.mean[j])).sum();
                assert!((sum / 4000.0 - c[(i, j)]).abs() < 0.1 * std[i] * std[j], "{i}, {j}");
            }
        }
        if intercept {
            let mean = draws.intercepts.iter().sum::<f64>() / 4000.0;
            let spread = (draws.intercepts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 4000.0).sqrt();
            close(spread, reference.intercept_std(), 0.06, "spread of the intercept");
        }
        // the same seed, the same perturbations: iterative and direct solves agree
        let (few, same) = (matrix_free.samples(&b, &reference, 3, 9).unwrap(), exact.samples(&b, &reference, 3, 9).unwrap());
        assert!((0..3 * n).all(|k| (few.x[(k % n, k / n)] - same.x[(k % n, k / n)]).abs() < 1e-5));
    }
    assert!(matches!(Problem::new(&products).posterior_low_rank(&b, 0.7, 0), Err(Error::Parameter { .. })));
    let smooth = Problem::new(&products).penalty(Penalty::first_difference()).noise_std(&[s]);
    assert!(matches!(smooth.posterior_low_rank(&b, 0.7, 5), Err(Error::Unsupported { .. })));
    // noise estimated from the solution alone equals that of the exact form
    let exact = Problem::new(&dense).posterior(&b, 0.7).unwrap();
    let found = Problem::new(&products).posterior_low_rank(&b, 0.7, 30).unwrap();
    close(found.noise_std, exact.noise_std, 1e-8, "s");
}

/// Rows that were merged have the posterior of all rows: mean, covariance, evidence, predictions; with intercept, weights, x₀ and any L.
#[test]
fn merged_rows_have_the_posterior_of_all() {
    let mut random = Random(21);
    let (m, n) = (90, 5);
    let (a, noise, x0) = (random.normals(m * n), random.normals(m), random.normals(n));
    let new = random.normals(3 * n);
    let b: Vec<f64> = (0..m).map(|i| 2.0 + (0..n).map(|j| a[i * n + j] * (j as f64 - 1.5)).sum::<f64>() + 0.4 * noise[i]).collect();
    let weights: Vec<f64> = (0..m).map(|i| 0.5 + (i % 7) as f64 / 3.0).collect();
    let view = DenseView::row_major(&a, m, n).unwrap();
    let at = DenseView::row_major(&new, 3, n).unwrap();
    for case in 0..24 {
        let (intercept, weighted, difference, known) = (case % 2 == 1, case / 2 % 2 == 1, case / 4 % 2 == 1, case / 8);
        let mut rows = Rows::new(n);
        for (start, end) in [(0, 1), (1, 40), (40, 88), (88, m)] {
            let block = DenseView::row_major(&a[start * n..end * n], end - start, n).unwrap();
            match weighted {
                true => rows.push_weighted(&block, &b[start..end], &weights[start..end]).unwrap(),
                false => rows.push(&block, &b[start..end]).unwrap(),
            }
        }
        let penalty = || if difference { Penalty::first_difference() } else { Penalty::identity() };
        let mut all = Problem::new(&view).penalty(penalty()).prior_mean(&x0);
        let mut merged = rows.problem().penalty(penalty()).prior_mean(&x0);
        if weighted {
            all = all.weights(&weights);
        }
        if intercept {
            (all, merged) = (all.intercept(), merged.intercept());
        }
        if known == 1 {
            (all, merged) = (all.noise_std(&[0.4]), merged.noise_std(0.4));
        }
        let (expected, found) = match known {
            2 => (all.posterior(&b, 3.0).unwrap(), merged.posterior(3.0).unwrap()),
            _ => (all.posterior(&b, Evidence).unwrap(), merged.posterior(Evidence).unwrap()),
        };
        let what = format!("case {case}");
        // λ by evidence is the root of a derivative: found to about its square root of rounding
        let tolerance = if known == 2 { 1e-12 } else { 1e-10 };
        let scale = expected.mean.iter().fold(0.0f64, |s, v| s.max(v.abs()));
        for j in 0..n {
            assert!((found.mean[j] - expected.mean[j]).abs() <= tolerance * scale, "{what}: {} {}", found.mean[j], expected.mean[j]);
        }
        let (c, d) = (found.covariance(), expected.covariance());
        for i in 0..n {
            for j in 0..n {
                assert!((c[(i, j)] - d[(i, j)]).abs() <= tolerance * (d[(i, i)] * d[(j, j)]).sqrt(), "{what}: covariance {i}, {j}");
            }
        }
        for (f, e) in [
            (found.lambda, expected.lambda),
            (found.noise_std, expected.noise_std),
            (found.prior_std, expected.prior_std),
            (found.dof, expected.dof),
        ] {
            close(f, e, tolerance, &what);
        }
        assert!((found.intercept - expected.intercept).abs() <= tolerance * (1.0 + expected.intercept.abs()), "{what}");
        if intercept {
            close(found.intercept_std(), expected.intercept_std(), tolerance, &what);
        }
        for (f, e) in [(found.log_noise_std_error, expected.log_noise_std_error), (found.log_prior_std_error, expected.log_prior_std_error)]
        {
            assert_eq!(f.is_some(), e.is_some(), "{what}");
            close(f.unwrap_or(1.0), e.unwrap_or(1.0), 1e-8, &what);
        }
        // weights are noise levels that the merged rows do not know: their share is documented
        let unpenalised = usize::from(intercept) + usize::from(difference);
        let share = if weighted { 0.5 * weights.iter().map(|w| w.ln()).sum::<f64>() } else { 0.0 } * (m - unpenalised) as f64 / m as f64;
        close(found.log_evidence + share, expected.log_evidence, 1e-10, &what);
        let (f, e) = (found.predict(&at).unwrap(), expected.predict(&at).unwrap());
        for i in 0..3 {
            assert!((f.mean[i] - e.mean[i]).abs() <= tolerance * 10.0 * scale, "{what}");
            close(f.std[i], e.std[i], tolerance, &what);
            close(f.observation_std[i], e.observation_std[i], tolerance, &what);
        }
    }
    let rows = Rows::<f64>::new(2);
    assert!(rows.problem().posterior(Evidence).is_err(), "no rows, no noise");
}

/// An A too large for n×n matrices: the mode of each coefficient alone, as A is diagonal, by bisection of its own stationarity.
#[test]
fn modes_by_products() {
    let n = 6000;
    let diagonal: Vec<f64> = (0..n).map(|j| 0.5 + (j % 7) as f64 / 3.0).collect();
    let b: Vec<f64> = (0..n).map(|j| 3.0 * (0.37 * j as f64).sin()).collect();
    let (starts, places): (Vec<u32>, Vec<u32>) = ((0..=n as u32).collect(), (0..n as u32).collect());
    let sparse = SparseView::csr(n, n, &starts, &places, &diagonal).unwrap();
    let products = operator::from_fn(n, n, |x: &[f64], y: &mut [f64]| sparse.apply(x, y), |y: &[f64], x: &mut [f64]| sparse.apply(y, x));
    let noise = 0.5;
    // (log p)′ of Laplace's density rounded at ε, and of a Gaussian
    let (beta, tau) = (0.8, 1.3);
    let epsilon = Prior::laplace(beta).smoothing();
    let laplace = move |z: f64| -z / (z * z + epsilon * epsilon).sqrt() / beta;
    let gaussian = move |z: f64| -z / (tau * tau);
    type Slope<'s> = &'s dyn Fn(f64) -> f64;
    let cases: [(Prior, Slope<'_>); 2] = [(Prior::laplace(beta), &laplace), (Prior::gaussian(tau), &gaussian)];
    for (prior, slope) in cases {
        let fits = [
            Problem::new(&sparse).noise_std(&[noise]).map(&b, &prior).unwrap(),
            Problem::new(&products).noise_std(&[noise]).map_from(&b, &prior, &vec![0.1; n]).unwrap(),
        ];
        for fit in fits {
            assert!(fit.log_evidence.is_none() && fit.std.is_none() && fit.gradient <= 1e-9, "{:e}", fit.gradient);
            for j in 0..n {
                let force = |z: f64| diagonal[j] * (b[j] - diagonal[j] * z) / (noise * noise) + slope(z);
                let (mut low, mut high) = (-10.0, 10.0);
                for _ in 0..80 {
                    let middle = 0.5 * (low + high);
                    if force(middle) > 0.0 { low = middle } else { high = middle }
                }
                assert!((fit.x[j] - low).abs() <= 1e-7, "{j}: {} is not {low}", fit.x[j]);
            }
        }
    }
    // what is written out and what is not agree on the likelihood, intercept and all
    let shifted: Vec<f64> = b.iter().map(|b| b + 5.0).collect();
    let fit = Problem::new(&sparse).noise_std(&[noise]).intercept().map(&shifted, &Prior::gaussian(0.3)).unwrap();
    let ridge = Problem::new(&sparse).noise_std(&[noise]).intercept().solve(&shifted, 1.0 / 0.09).unwrap();
    assert!((fit.intercept - ridge.intercept).abs() <= 1e-7, "{} is not {}", fit.intercept, ridge.intercept);
    for (x, y) in fit.x.iter().zip(&ridge.x) {
        assert!((x - y).abs() <= 1e-7);
    }
    let m = n as f64 - 1.0;
    let log_scale = -m * noise.ln();
    let expected = -0.5 * (m * core::f64::consts::TAU.ln() + ridge.residual_norm.powi(2)) + log_scale;
    close(fit.log_likelihood, expected, 1e-9, "the likelihood");
}
