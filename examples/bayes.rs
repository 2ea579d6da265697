//! Ridge as Bayes: a Gaussian prior is a penalty, its posterior has a spread, and other priors are other answers.
//!
//! ```text
//! cargo run --release --example bayes
//! ```
use wellposed::operator::{Boundary, Grid};
use wellposed::{Covariance, DenseView, Evidence, Gcv, HyperPrior, LogPrior, Penalty, Posterior, Prior, Problem, Result, gallery};

fn main() -> Result<()> {
    prostate()?;
    shaw()
}

const NAMES: [&str; 8] = ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"];

/// Eight clinical measures of 67 patients.
fn prostate() -> Result<()> {
    heading("1. Prostate cancer data: one λ, three names");
    let rows: Vec<Vec<f64>> = include_str!("../data/prostate.tsv")
        .lines()
        .skip(1)
        .map(|line| line.split('\t').filter_map(|field| field.trim().parse().ok()).collect())
        .filter(|row: &Vec<f64>| row.last() == Some(&1.0))
        .collect();
    let m = rows.len();
    let columns = (1..=8).map(|j| {
        let mean = rows.iter().map(|row| row[j]).sum::<f64>() / m as f64;
        let sd = (rows.iter().map(|row| (row[j] - mean).powi(2)).sum::<f64>() / m as f64).sqrt();
        rows.iter().map(|row| (row[j] - mean) / sd).collect::<Vec<f64>>()
    });
    let a: Vec<f64> = columns.flatten().collect();
    let b: Vec<f64> = rows.iter().map(|row| row[9]).collect();
    let a = DenseView::column_major(&a, m, 8)?;
    let problem = Problem::new(&a).intercept();

    let posterior = problem.posterior(&b, Evidence)?;
    let (s, tau) = (posterior.noise_std, posterior.prior_std);
    println!("evidence finds the noise s = {s:.4} and the size of coefficients τ = {tau:.4}: λ = s²/τ² = {:.4}", posterior.lambda);
    println!(
        "  (each give or take a factor of {:.2} and {:.2})",
        error(posterior.log_noise_std_error),
        error(posterior.log_prior_std_error)
    );
    println!("GCV, which knows nothing of a prior, takes λ = {:.4}", problem.solve(&b, Gcv)?.lambda);

    let ridge = problem.solve(&b, s * s / (tau * tau))?;
    let map = problem.clone().noise_std(&[s]).map(&b, &Prior::gaussian(tau))?;
    let mean = &posterior.mean;
    println!("largest difference of ridge at that λ from the posterior mean {:.1e},", difference(&ridge.x, mean));
    println!("  and of the mode under the log prior −x²/2τ² {:.1e}", difference(&map.x, mean));
    println!(
        "log evidence {:.6} in closed form, {:.6} by Laplace's approximation: exact for a Gaussian prior\n",
        posterior.log_evidence,
        map.log_evidence.unwrap_or(f64::NAN)
    );

    let band = posterior.band(0.95)?;
    let relevance = problem.relevance(&b)?;
    let noisy = problem.clone().noise_std(&[s]);
    let others = [Prior::laplace(tau / 2f64.sqrt()), Prior::student_t(3.0, tau / 3f64.sqrt()), Prior::horseshoe(0.3 * tau)];
    let maps = others.iter().map(|prior| noisy.map(&b, prior)).collect::<Result<Vec<_>>>()?;
    println!("{:8} {:>9} {:>20} {:>10} {:>10} {:>10} {:>10}", "", "ridge", "95 % band", "relevance", "Laplace", "Student t", "horseshoe");
    for j in 0..8 {
        let (low, high) = band[j];
        print!("{:8} {:>9.4} {:>20} {:>10.4}", NAMES[j], mean[j], format!("{low:.4} … {high:.4}"), relevance.mean[j]);
        maps.iter().for_each(|map| print!(" {:>10.4}", map.x[j]));
        println!();
    }
    let pruned: Vec<&str> = relevance.pruned.iter().map(|&j| NAMES[j]).collect();
    println!("relevance determination prunes {}", pruned.join(", "));

    let careful =
        problem.posterior(&b, Evidence.noise_prior(HyperPrior::log_normal(1.0, 0.1)).scale_prior(HyperPrior::half_normal(0.1)))?;
    println!("told that s is about 1 and τ at most about 0.1, evidence takes s = {:.4}, τ = {:.4}", careful.noise_std, careful.prior_std);
    Ok(())
}

/// A log prior of one's own: positive values whose logarithms are a random walk with steps of this standard deviation.
struct Positive(f64);

impl Positive {
    /// ∂/∂log zⱼ of the log density.
    fn pull(&self, z: &[f64]) -> Vec<f64> {
        let steps: Vec<f64> = z.windows(2).map(|pair| (pair[1] / pair[0]).ln() / (self.0 * self.0)).collect();
        let step = |j: Option<usize>| j.and_then(|j| steps.get(j)).copied().unwrap_or(0.0);
        (0..z.len()).map(|j| step(Some(j)) - step(j.checked_sub(1))).collect()
    }
}

impl LogPrior for Positive {
    fn value(&self, z: &[f64]) -> f64 {
        if z.iter().any(|&z| !(z > 0.0)) {
            // the line search stays out
            return f64::NEG_INFINITY;
        }
        -0.5 * z.windows(2).map(|pair| ((pair[1] / pair[0]).ln() / self.0).powi(2)).sum::<f64>()
    }
    fn gradient(&self, z: &[f64], gradient: &mut [f64]) {
        gradient.iter_mut().zip(self.pull(z)).zip(z).for_each(|((g, pull), z)| *g = pull / z);
    }
    fn curvature(&self, z: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
        for (j, pull) in self.pull(z).into_iter().enumerate() {
            visit(j, j, pull / (z[j] * z[j]));
        }
        // each step couples two neighbours
        let weight = 1.0 / (self.0 * self.0);
        for j in 1..z.len() {
            visit(j - 1, j - 1, weight / (z[j - 1] * z[j - 1]));
            visit(j, j, weight / (z[j] * z[j]));
            visit(j, j - 1, -weight / (z[j] * z[j - 1]));
        }
    }
}

/// Light through a slit: 40 unknowns, some eight of which the data see.
fn shaw() -> Result<()> {
    heading("2. Shaw's inverse problem: which prior do the data prefer?");
    let n = 40;
    let shaw = gallery::shaw(n)?;
    let noisy = gallery::noise::gaussian(&shaw.b, 1e-2, 3)?;
    let truth = shaw.x.clone().unwrap_or_default();
    let grid = Grid::new(&[n])?;
    let problem = Problem::new(&shaw.a);
    let priors = [
        ("independent values", Penalty::identity()),
        ("random walk (first difference)", Penalty::first_difference()),
        ("Matérn 1/2, 6 points", Penalty::kernel(&grid, &Covariance::exponential(6.0), Boundary::Free)?),
        ("Matérn 5/2, 6 points", Penalty::kernel(&grid, &Covariance::matern(2.5, 6.0), Boundary::Free)?),
        ("squared exponential, 6 points", Penalty::kernel(&grid, &Covariance::squared_exponential(6.0), Boundary::Free)?),
    ];
    println!("{:32} {:>11} {:>9} {:>9} {:>7} {:>9} {:>9}", "prior", "log evid.", "s", "τ", "dof", "error", "in band");
    let mut best: Option<(f64, Posterior<f64>)> = None;
    for (name, penalty) in priors {
        let posterior = problem.clone().penalty(penalty).posterior(&noisy.b, Evidence)?;
        let inside = posterior.band(0.95)?.iter().zip(&truth).filter(|((low, high), x)| low <= *x && *x <= high).count();
        println!(
            "{name:32} {:>11.3} {:>9.5} {:>9.4} {:>7.2} {:>9.4} {:>6}/{n}",
            posterior.log_evidence,
            posterior.noise_std,
            posterior.prior_std,
            posterior.dof,
            shaw.relative_error(&posterior.mean)?,
            inside
        );
        // the random walk leaves the mean free: its evidence is one of other data, and is not compared
        if !name.starts_with("random") && best.as_ref().is_none_or(|(evidence, _)| posterior.log_evidence > *evidence) {
            best = Some((posterior.log_evidence, posterior));
        }
    }
    println!("true noise std {:.5}\n", noisy.noise_std[0]);
    let Some((_, posterior)) = best else { return Ok(()) };
    let positive = problem.noise_std(&[posterior.noise_std]).map_from(&noisy.b, &Positive(0.5), &vec![0.5; n])?;
    println!("{:>5} {:>9} {:>9} {:>22} {:>9} {:>12}", "place", "truth", "mean", "95 % band", "draw", "positive");
    let (band, draw) = (posterior.band(0.95)?, posterior.sample(1, 5).x);
    for j in (0..n).step_by(3) {
        let interval = format!("{:.3} … {:.3}", band[j].0, band[j].1);
        println!("{j:>5} {:>9.4} {:>9.4} {interval:>22} {:>9.4} {:>12.4}", truth[j], posterior.mean[j], draw[(j, 0)], positive.x[j]);
    }
    println!(
        "the last column is the mode under a log prior written in this file: error {:.4}, {} steps, all values above {:.4}",
        shaw.relative_error(&positive.x)?,
        positive.steps,
        positive.x.iter().copied().fold(f64::INFINITY, f64::min)
    );
    Ok(())
}

fn error(log_error: Option<f64>) -> f64 {
    log_error.unwrap_or(f64::NAN).exp()
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
