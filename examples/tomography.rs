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
use wellposed::operator::{dot_test, parallel_beam};
use wellposed::{Boundary, Operator, Penalty};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let size: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let folder = arguments.next().map_or_else(|| PathBuf::from("target/tomography"), PathBuf::from);
    let truth = phantom(size);
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

/// The phantom of Shepp and Logan (1974) with the contrasts of Toft (1996), which can be seen: grey value, half axes, centre,
/// and angle in degrees of ten ellipses.
fn phantom(size: usize) -> Picture {
    const ELLIPSES: [[f64; 6]; 10] = [
        [1.0, 0.69, 0.92, 0.0, 0.0, 0.0],
        [-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0],
        [-0.2, 0.11, 0.31, 0.22, 0.0, -18.0],
        [-0.2, 0.16, 0.41, -0.22, 0.0, 18.0],
        [0.1, 0.21, 0.25, 0.0, 0.35, 0.0],
        [0.1, 0.046, 0.046, 0.0, 0.1, 0.0],
        [0.1, 0.046, 0.046, 0.0, -0.1, 0.0],
        [0.1, 0.046, 0.023, -0.08, -0.605, 0.0],
        [0.1, 0.023, 0.023, 0.0, -0.606, 0.0],
        [0.1, 0.023, 0.046, 0.06, -0.605, 0.0],
    ];
    let value = |t: usize| {
        let at = |k: usize| (k as f64 + 0.5) / size as f64 * 2.0 - 1.0;
        let (x, y) = (at(t / size), -at(t % size));
        let inside = |&[_, a, b, x0, y0, angle]: &&[f64; 6]| {
            let (sine, cosine) = angle.to_radians().sin_cos();
            let (dx, dy) = (x - x0, y - y0);
            ((dx * cosine + dy * sine) / a).powi(2) + ((dy * cosine - dx * sine) / b).powi(2) <= 1.0
        };
        ELLIPSES.iter().filter(inside).map(|ellipse| ellipse[0]).sum::<f64>().max(0.0)
    };
    Picture { rows: size, columns: size, values: (0..size * size).map(value).collect() }
}
