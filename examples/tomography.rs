//! Parallel-beam tomography of the Shepp–Logan phantom from 90 views with 1 % of noise. Run it with
//!
//! ```text
//! cargo run --release --example tomography [size] [folder]
//! ```
//!
//! The phantom has size×size pixels (default 128); the picture (default in target/tomography) shows sinogram, phantom, and the
//! reconstructions with an identity and with a gradient penalty, λ chosen by hybrid LSQR on the way: by GCV, which knows nothing of
//! the noise, and by the discrepancy principle. The operator is never stored: every product walks the lines afresh.

#[path = "support/pictures.rs"]
mod pictures;

use pictures::{Picture, add_noise, write};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;
use wellposed::gallery::shepp_logan;
use wellposed::operator::{dot_test, parallel_beam};
use wellposed::{Boundary, Choice, Discrepancy, Gcv, HybridLsqr, Operator, Penalty, Problem};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let size: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let folder = arguments.next().map_or_else(|| PathBuf::from("target/tomography"), PathBuf::from);
    let truth = Picture { rows: size, columns: size, values: shepp_logan(size)? };
    let (views, detectors) = (90, (1.45 * size as f64).ceil() as usize);
    let angles: Vec<f64> = (0..views).map(|k| std::f64::consts::PI * k as f64 / views as f64).collect();
    let scanner = parallel_beam(size, &angles, detectors, 1.0)?;
    dot_test(&scanner)?;

    let mut sinogram = Picture { rows: detectors, columns: views, values: vec![0.0; detectors * views] };
    scanner.apply(&truth.values, &mut sinogram.values);
    let noise = add_noise(&mut sinogram.values, 0.01);
    println!("{size}×{size} pixels, {views} views, {detectors} detectors, 1 % noise");
    println!("{:24} {:>11} {:>15} {:>9} {:>6} {:>9}", "penalty, rule", "λ", "relative error", "PSNR/dB", "steps", "time/s");
    let mut pictures = vec![sinogram.stretched(), truth.clone()];
    let gradient = Penalty::first_difference_2d(size, size, Boundary::Zero);
    let discrepancy = Choice::from(Discrepancy::noise_norm(noise));
    let ways = [
        ("identity, GCV", Penalty::identity(), Choice::from(Gcv)),
        ("identity, discrepancy", Penalty::identity(), discrepancy),
        ("gradient, discrepancy", gradient, discrepancy),
    ];
    for (name, penalty, choice) in ways {
        let start = Instant::now();
        let fit = Problem::new(&scanner).penalty(penalty).method(HybridLsqr::new()).solve(&sinogram.values, choice)?;
        let picture = Picture { values: fit.x, ..truth };
        println!(
            "{name:24} {:>11.3e} {:>15.4} {:>9.2} {:>6} {:>9.2}",
            fit.lambda,
            picture.relative_error(&truth),
            picture.psnr(&truth),
            fit.report.steps.unwrap_or(0),
            start.elapsed().as_secs_f64()
        );
        pictures.push(picture);
    }
    write(&folder.join("phantom.png"), &pictures.iter().collect::<Vec<_>>())
}
