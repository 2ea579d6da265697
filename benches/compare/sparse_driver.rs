//! The library's side of `sparse.py`: reads a problem written by the script, runs one job, prints seconds and a checksum.
//!
//! ```text
//! compare_sparse sparse:METHOD|blur:METHOD FOLDER DAMPING SHORT LONG
//! compare_sparse grid FOLDER LAMBDA SIDE
//! ```
//! METHOD is `lsqr` or `lsmr`; the files hold little-endian numbers.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wellposed::operator::{Kernel, convolution};
use wellposed::{Boundary, Lambda, Lsmr, Lsqr, Method, Operator, Penalty, Problem, SparseView};

fn numbers<const WIDTH: usize, T>(path: &Path, number: impl Fn([u8; WIDTH]) -> T) -> std::io::Result<Vec<T>> {
    Ok(std::fs::read(path)?.as_chunks().0.iter().map(|&bytes| number(bytes)).collect())
}

fn reals(folder: &Path, name: &str) -> std::io::Result<Vec<f64>> {
    numbers(&folder.join(name), f64::from_le_bytes)
}

/// Seconds for `SHORT` and for `LONG` steps, and ‖x‖ after the latter.
fn steps<A: Operator<Scalar = f64>>(a: &A, b: &[f64], method: &str, arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let [damping, short, long] = arguments else { return Err("DAMPING SHORT LONG".into()) };
    let lambda = Lambda::from_damping(damping.parse()?);
    let run = |count: usize| -> Result<(f64, f64), Box<dyn Error>> {
        let method: Method = if method == "lsqr" { Lsqr::new().steps(count).into() } else { Lsmr::new().steps(count).into() };
        let start = Instant::now();
        let fit = Problem::new(a).method(method).solve(b, lambda)?;
        Ok((start.elapsed().as_secs_f64(), fit.x.iter().map(|x| x * x).sum::<f64>().sqrt()))
    };
    run(1)?;
    let (short, long) = (run(short.parse()?)?, run(long.parse()?)?);
    Ok(format!("\"short\": {:e}, \"long\": {:e}, \"norm\": {:e}", short.0, long.0, long.1))
}

/// GB/s at which the arrays are read, all threads together, and at which a fused product goes through them.
fn bandwidth(a: &SparseView<'_, f64>, values: &[f64], bytes: f64) -> String {
    let (m, n) = a.shape();
    let best = |work: &mut dyn FnMut()| {
        let mut once = || {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        (0..7).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let sum = |part: &[f64]| {
        let mut sums = [0.0; 8];
        part.as_chunks::<8>().0.iter().for_each(|chunk| (0..8).for_each(|k| sums[k] += chunk[k]));
        black_box(sums);
    };
    let threads: usize = std::env::var("RAYON_NUM_THREADS").ok().and_then(|t| t.parse().ok()).unwrap_or(1);
    let read = best(&mut || {
        std::thread::scope(|scope| values.chunks(values.len().div_ceil(threads)).for_each(|part| drop(scope.spawn(move || sum(part)))))
    });
    let (x, u, mut w, mut z) = (vec![1.0; n], vec![1.0; m], vec![0.0; m], vec![0.0; n]);
    let fused = best(&mut || a.apply_fused(&x, 0.5, &u, &mut w, &mut z));
    format!(", \"bandwidth\": {{\"read\": {}, \"fused\": {}}}", 1e-9 * 8.0 * values.len() as f64 / read, 1e-9 * bytes / fused)
}

fn run(job: &str, folder: &Path, arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let b = reals(folder, "b.bin")?;
    match job.split_once(':') {
        Some(("sparse", method)) => {
            const PER_ROW: usize = 10;
            let values = reals(folder, "values.bin")?;
            let indices = numbers(&folder.join("indices.bin"), u32::from_le_bytes)?;
            let starts: Vec<u32> = (0..=b.len()).map(|i| (i * PER_ROW) as u32).collect();
            let a = SparseView::csr(b.len(), b.len() / PER_ROW, &starts, &indices, &values)?;
            let bytes = 12.0 * values.len() as f64 + 20.0 * b.len() as f64;
            Ok(steps(&a, &b, method, arguments)? + &bandwidth(&a, &values, bytes))
        }
        Some(("blur", method)) => {
            let kernel = reals(folder, "kernel.bin")?;
            let (size, width) = (b.len().isqrt(), kernel.len().isqrt());
            let blur = convolution(size, size, &Kernel::new(&kernel, width, width)?, Boundary::Periodic)?;
            steps(&blur, &b, method, arguments)
        }
        _ => {
            let [lambda, side] = arguments else { return Err("LAMBDA SIDE".into()) };
            let (lambda, side): (f64, usize) = (lambda.parse()?, side.parse()?);
            let values = reals(folder, "values.bin")?;
            let starts: Vec<u32> = (0..=b.len() as u32).collect();
            let a = SparseView::csr(b.len(), b.len(), &starts, &starts[..b.len()], &values)?;
            let problem = Problem::new(&a).penalty(Penalty::first_difference_2d(side, side, Boundary::Free));
            // once before, as the rounds of the peer have the ones before them
            problem.solve(&b, lambda)?;
            let start = Instant::now();
            let fit = problem.solve(&b, lambda)?;
            let seconds = start.elapsed().as_secs_f64();
            let norm = fit.x.iter().map(|x| x * x).sum::<f64>().sqrt();
            Ok(format!("\"seconds\": {seconds:e}, \"norm\": {norm:e}, \"method\": {:?}", fit.report.method))
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [job, folder, rest @ ..] = arguments.as_slice() else {
        return Err("usage: compare_sparse JOB FOLDER ...".into());
    };
    println!("{{{}}}", run(job, &PathBuf::from(folder), rest)?);
    Ok(())
}
