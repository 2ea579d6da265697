//! What it is worth to know that x is nonnegative: spectra and concentrations, light and density have no negative amounts.
//!
//! ```text
//! cargo run --release --example nonnegative
//! ```
//! Three problems of the gallery with 1 % of white noise, each solved without and with `.bounds(0.0..)`: the λ that a rule chooses
//! for each of the two problems, and how far the answers are from the truth.

use wellposed::gallery::{self, noise};
use wellposed::{Choice, Discrepancy, Gcv, Problem, Result};

fn main() -> Result<()> {
    println!("1 % of white noise; error is ‖x − truth‖/‖truth‖\n");
    println!("{:<22} {:<12} {:>11} {:>8}   {:>11} {:>8} {:>10} {:>9}", "", "", "λ free", "error", "λ bounded", "error", "at bound", "KKT");
    for name in ["spikes", "heat", "shaw"] {
        let problem = gallery::find(name).map_or_else(|| gallery::spikes(64, 5), |entry| entry.build(64))?;
        let data = noise::gaussian(&problem.b, 0.01, 1)?;
        let rules: [(&str, Choice); 2] = [("GCV", Gcv.into()), ("discrepancy", Discrepancy::noise_norm(data.noise_norm).into())];
        for (rule, choice) in rules {
            let free = Problem::new(&problem.a).solve(&data.b, choice)?;
            let bounded = Problem::new(&problem.a).bounds(0.0..).solve(&data.b, choice)?;
            assert!(bounded.x.iter().all(|&x| x >= 0.0));
            let certificate = bounded.report.constrained[0];
            println!(
                "{:<22} {rule:<12} {:>11.3e} {:>8.3}   {:>11.3e} {:>8.3} {:>10} {:>9.0e}",
                problem.facts.models.split([',', ':']).next().unwrap_or(name),
                free.lambda,
                problem.relative_error(&free.x)?,
                bounded.lambda,
                problem.relative_error(&bounded.x)?,
                format!("{}/{}", certificate.at_lower, bounded.x.len()),
                certificate.kkt_residual,
            );
        }
    }
    println!("\nThe report of the last:\n");
    let problem = gallery::shaw(64)?;
    let data = noise::gaussian(&problem.b, 0.01, 1)?;
    println!("{}", Problem::new(&problem.a).bounds(0.0..).solve(&data.b, Gcv)?.report);
    Ok(())
}
