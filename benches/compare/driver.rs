//! The library's side of `compare.py`: reads a problem written by the script, runs one job, prints seconds and a checksum.
//!
//! ```text
//! compare_driver JOB A.bin b.bin ROWS COLUMNS REPEATS
//! ```
//! JOB is `fixed:LAMBDA`, `nonnegative:LAMBDA`, `box:LAMBDA` (0 ≤ x ≤ 1/2) or `gcv`; the files hold little-endian f64, A column by column.

use std::process::ExitCode;
use std::time::Instant;
use wellposed::{Bounds, Choice, DenseView, Gcv, Problem, Result};

fn read(path: &str) -> std::io::Result<Vec<f64>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap_or_default())).collect())
}

fn run(job: &str, a: &[f64], b: &[f64], rows: usize, columns: usize, repeats: usize) -> Result<()> {
    let a = DenseView::column_major(a, rows, columns)?;
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
