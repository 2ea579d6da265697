//! Parallel-beam tomography of the Shepp–Logan phantom from 90 views with 1 % of noise. Run it with
//!
//! ```text
//! cargo run --release --example tomography [size] [folder]
//! ```
//!
//! The phantom has size×size pixels (default 128); the picture (default in target/tomography) shows sinogram, phantom, and the
//! reconstructions with an identity and with a gradient penalty, λ by the discrepancy principle. The operator is never
//! stored: every product walks the lines afresh.

#[path = "support/pictures.rs"]
mod pictures;

use pictures::{Picture, add_noise, by_discrepancy, write};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;
use wellposed::gallery::shepp_logan;
use wellposed::operator::{dot_test, parallel_beam};
use wellposed::{Boundary, Operator, Penalty};

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
    println!("{size}×{size} pixels, {views} views, {detectors} detectors, 1 % noise, λ by the discrepancy principle");
    println!("{:12} {:>11} {:>15} {:>9} {:>7} {:>6} {:>9}", "penalty", "λ", "relative error", "PSNR/dB", "solves", "steps", "time/s");
    let mut pictures = vec![sinogram.stretched(), truth.clone()];
    for (name, penalty) in [("identity", Penalty::identity()), ("gradient", Penalty::first_difference_2d(size, size, Boundary::Zero))] {
        let start = Instant::now();
        let found = by_discrepancy(&scanner, &penalty, &sinogram.values, noise)?;
        let picture = Picture { values: found.x, ..truth };
        println!(
            "{name:12} {:>11.3e} {:>15.4} {:>9.2} {:>7} {:>6} {:>9.2}",
            found.lambda,
            picture.relative_error(&truth),
            picture.psnr(&truth),
            found.solves,
            found.steps,
            start.elapsed().as_secs_f64()
        );
        pictures.push(picture);
    }
    write(&folder.join("phantom.png"), &pictures.iter().collect::<Vec<_>>())
}
