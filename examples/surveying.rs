//! Sparse least squares: the four surveying problems of the Harwell–Boeing collection (Paige, Saunders 1982,
//! doi:10.1145/355984.355989), each with the right-hand side that belongs to it.
//!
//! well1033 and well1850 are well conditioned, illc1033 and illc1850 are not. Each is solved by the sparse factorization, by
//! conjugate gradients and by the singular value decomposition of the dense copy: the answers agree to the digits that the
//! condition leaves. Then GCV chooses λ, on the sparse factors and on the singular values.
//!
//! ```text
//! cargo run --release --example surveying
//! ```

#[path = "support/matrix_market.rs"]
mod matrix_market;

use matrix_market::Matrix;
use wellposed::{Cgls, Gcv, Method, Problem, Solution, Warning};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!(
        "{:<9} {:>9} {:>7} {:>9} | {:>9} {:>7} {:>9} | {:>10} {:>10} {:>7}",
        "", "shape", "entries", "condition", "direct", "steps", "iterative", "λ sparse", "λ dense", "dof"
    );
    for name in ["well1033", "illc1033", "well1850", "illc1850"] {
        let a = Matrix::read(&format!("{name}.mtx.gz"))?;
        let b = Matrix::read(&format!("{name}_rhs1.mtx.gz"))?.values;
        let view = a.view()?;
        let problem = Problem::new(&view);
        let lambda = 1e-6;
        let exact = problem.clone().method(Method::Svd).solve(&b, lambda)?;
        let direct = problem.clone().method(Method::Qr).solve(&b, lambda)?;
        // to the last digit it would take some ten thousand steps on the ill-conditioned ones
        let iterative = problem.clone().method(Cgls::new().tolerance(1e-10).max_steps(20_000)).solve(&b, lambda)?;
        let chosen = problem.solve(&b, Gcv)?;
        let by_svd = problem.clone().method(Method::Svd).solve(&b, Gcv)?;
        println!(
            "{name:<9} {:>9} {:>7} {:>9.1e} | {:>9.1e} {:>7} {:>9.1e} | {:>10} {:>10} {:>7.2}",
            format!("{}×{}", a.rows, a.columns),
            a.values.len(),
            exact.report.condition.unwrap_or(f64::NAN),
            difference(&direct.x, &exact.x),
            iterative.report.steps.unwrap_or(0),
            difference(&iterative.x, &exact.x),
            found(&chosen),
            found(&by_svd),
            chosen.dof.unwrap_or(f64::NAN),
        );
    }
    println!("\ndirect, iterative: ‖x − x_svd‖/‖x_svd‖ at λ = 1e-6. least: GCV favours as little regularization as there is");
    Ok(())
}

/// λ, or that the criterion falls all the way to where λ ceases to matter: these data favour none.
fn found(fit: &Solution<f64, Vec<f64>>) -> String {
    match fit.report.warnings.iter().any(|w| matches!(w, Warning::EdgeOfInterval { upper: false, .. })) {
        true => "least".into(),
        false => format!("{:.4e}", fit.lambda),
    }
}

/// ‖x − y‖/‖y‖.
fn difference(x: &[f64], y: &[f64]) -> f64 {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut x.iter().zip(y).map(|(x, y)| x - y)) / norm(&mut y.iter().copied())
}
