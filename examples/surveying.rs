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

use std::io::Read;
use std::path::Path;
use wellposed::{Cgls, Gcv, Method, Problem, Solution, SparseView, Warning};

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

/// Compressed columns.
struct Matrix {
    rows: usize,
    columns: usize,
    starts: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl Matrix {
    fn view(&self) -> wellposed::Result<SparseView<'_, f64>> {
        SparseView::csc(self.rows, self.columns, &self.starts, &self.indices, &self.values)
    }

    /// The two kinds of Matrix Market files that lie in data/matrices: real general, coordinate or array.
    fn read(name: &str) -> Result<Self, Failure> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/matrices").join(name);
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
        let stored = match text.lines().next() {
            Some("%%MatrixMarket matrix coordinate real general") => true,
            Some("%%MatrixMarket matrix array real general") => false,
            other => return Err(format!("{name} begins with {other:?}").into()),
        };
        let mut numbers = text.lines().filter(|line| !line.starts_with('%')).flat_map(str::split_whitespace);
        let mut next = || numbers.next().ok_or_else(|| Failure::from(format!("{name} ends too early")));
        let (rows, columns) = (next()?.parse()?, next()?.parse()?);
        let count: usize = if stored { next()?.parse()? } else { rows * columns };
        let mut entries: Vec<(u32, u32, f64)> = Vec::with_capacity(count);
        for k in 0..count {
            let (i, j) = match stored {
                true => (next()?.parse::<u32>()? - 1, next()?.parse::<u32>()? - 1),
                false => ((k % rows) as u32, (k / rows) as u32),
            };
            entries.push((j, i, next()?.parse()?));
        }
        entries.sort_by_key(|&(j, i, _)| (j, i));
        let starts = (0..=columns as u32).map(|j| entries.partition_point(|e| e.0 < j) as u32).collect();
        let (indices, values) = entries.iter().map(|&(_, i, v)| (i, v)).unzip();
        Ok(Self { rows, columns, starts, indices, values })
    }
}
