//! The library's side of `compare.py`: reads a problem written by the script, runs one job, prints seconds and a checksum.
//!
//! ```text
//! compare_driver JOB A.bin b.bin ROWS COLUMNS REPEATS
//! ```
//! JOB is `fixed:LAMBDA`, `nonnegative:LAMBDA`, `box:LAMBDA` (0 ≤ x ≤ 1/2), `gcv`, `lasso:TOLERANCE:LAMBDA[,LAMBDA…]` (a path), `nonnegative_lasso:…`, or `sparse_` and one of the two; the files hold little-endian f64, A
//! column by column. For the sparse job `A.bin.starts` and `A.bin.rows` beside the values hold u32.

use std::process::ExitCode;
use std::time::Instant;
use wellposed::{Bounds, Choice, CoordinateDescent, DenseView, Gcv, Operator, Penalty, Problem, Result, SparseView};

fn read(path: &str) -> std::io::Result<Vec<f64>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap_or_default())).collect())
}

fn indices(path: &str) -> std::io::Result<Vec<u32>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.chunks_exact(4).map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap_or_default())).collect())
}

/// The lasso at each λ, warm from the largest down; with x ≥ 0 where the job says so.
fn lasso(a: &impl Operator<Scalar = f64>, b: &[f64], job: &str, repeats: usize) -> Result<()> {
    let mut numbers = job.split([':', ',']).skip(1).map(|text| text.parse().unwrap_or(f64::NAN));
    let tolerance = numbers.next().unwrap_or(f64::NAN);
    let lambdas: Vec<f64> = numbers.collect();
    let method = CoordinateDescent::new().tolerance(tolerance);
    let mut problem = Problem::new(a).penalty(Penalty::identity().l1()).method(method);
    if job.contains("nonnegative") {
        problem = problem.bounds(0.0..);
    }
    let mut seconds = Vec::with_capacity(repeats);
    let mut last = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        last = problem.path(b, lambdas.iter().copied())?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let norms: Vec<f64> = last.iter().map(|fit| fit.x.iter().map(|x| x.abs()).sum()).collect();
    let nonzero: Vec<usize> = last.iter().map(|fit| fit.x.iter().filter(|x| **x != 0.0).count()).collect();
    let gaps: Vec<f64> = last.iter().filter_map(|fit| fit.report.duality_gap).collect();
    println!(
        "{{\"seconds\": {seconds:?}, \"norms\": {norms:?}, \"nonzero\": {nonzero:?}, \"gaps\": {gaps:?}, \"method\": \"coordinate descent\"}}"
    );
    Ok(())
}

fn run(job: &str, a: &[f64], b: &[f64], rows: usize, columns: usize, repeats: usize) -> Result<()> {
    let a = DenseView::column_major(a, rows, columns)?;
    if job.starts_with("lasso") || job.starts_with("nonnegative_lasso") {
        return lasso(&a, b, job, repeats);
    }
    let (kind, lambda) = job.split_once(':').unwrap_or((job, ""));
    let choice: Choice = match kind {
        "gcv" => Gcv.into(),
        _ => lambda.parse().unwrap_or(f64::NAN).into(),
    };
    let problem = match kind {
        "nonnegative" => Problem::new(&a).bounds(0.0..),
        "box" => Problem::new(&a).bounds(Bounds::from(0.0..=0.5)),
        _ => Problem::new(&a),
    };
    let mut seconds = Vec::with_capacity(repeats);
    let mut last = (0.0, 0.0, "");
    for _ in 0..repeats {
        let start = Instant::now();
        let fit = problem.solve(b, choice)?;
        seconds.push(start.elapsed().as_secs_f64());
        last = (fit.lambda, fit.x.iter().map(|x| x * x).sum::<f64>().sqrt(), fit.report.method);
    }
    println!("{{\"seconds\": {seconds:?}, \"lambda\": {:e}, \"norm\": {:e}, \"method\": {:?}}}", last.0, last.1, last.2);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [job, a, b, rows, columns, repeats] = arguments.as_slice() else {
        eprintln!("usage: compare_driver JOB A.bin b.bin ROWS COLUMNS REPEATS");
        return ExitCode::from(2);
    };
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    if job.starts_with("sparse_") {
        let files = (indices(&format!("{a}.starts")), indices(&format!("{a}.rows")), read(a), read(b));
        let (Ok(starts), Ok(places), Ok(values), Ok(b)) = files else {
            eprintln!("cannot read the sparse {a}");
            return ExitCode::from(2);
        };
        let view = SparseView::csc(number(rows), number(columns), &starts, &places, &values);
        return match view.and_then(|view| lasso(&view, &b, job, number(repeats))) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    match (read(a), read(b)) {
        (Ok(a), Ok(b)) => match run(job, &a, &b, number(rows), number(columns), number(repeats)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("cannot read {a} or {b}");
            ExitCode::from(2)
        }
    }
}
