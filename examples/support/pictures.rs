//! What the imaging examples share: grey pictures in files, noise, errors.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

/// An image of grey values, 0 black to 1 white, stored column after column.
#[derive(Clone)]
pub struct Picture {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Picture {
    /// An 8-bit grey PNG.
    #[allow(dead_code)]
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path)?)).read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
        let info = reader.next_frame(&mut bytes)?;
        if (info.color_type, info.bit_depth) != (png::ColorType::Grayscale, png::BitDepth::Eight) {
            return Err("an 8-bit grey picture is needed".into());
        }
        let (rows, columns) = (info.height as usize, info.width as usize);
        let values = (0..rows * columns).map(|t| f64::from(bytes[t / rows + t % rows * columns]) / 255.0).collect();
        Ok(Self { rows, columns, values })
    }

    /// The same picture with `size`×`size` pixels, by linear interpolation.
    #[allow(dead_code)]
    pub fn resized(&self, size: usize) -> Self {
        let place = |t: usize, n: usize| ((t as f64 + 0.5) * n as f64 / size as f64 - 0.5).clamp(0.0, (n - 1) as f64);
        let at = |i: usize, j: usize| self.values[i.min(self.rows - 1) + j.min(self.columns - 1) * self.rows];
        let value = |t: usize| {
            let (y, x) = (place(t % size, self.rows), place(t / size, self.columns));
            let (i, j, dy, dx) = (y as usize, x as usize, y.fract(), x.fract());
            (1.0 - dx) * ((1.0 - dy) * at(i, j) + dy * at(i + 1, j)) + dx * ((1.0 - dy) * at(i, j + 1) + dy * at(i + 1, j + 1))
        };
        Self { rows: size, columns: size, values: (0..size * size).map(value).collect() }
    }

    /// ‖self − truth‖/‖truth‖.
    pub fn relative_error(&self, truth: &Self) -> f64 {
        let difference: Vec<f64> = self.values.iter().zip(&truth.values).map(|(x, y)| x - y).collect();
        norm(&difference) / norm(&truth.values)
    }

    /// Peak signal-to-noise ratio in dB, for a peak of 1.
    pub fn psnr(&self, truth: &Self) -> f64 {
        let mean: f64 = self.values.iter().zip(&truth.values).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / self.values.len() as f64;
        -10.0 * mean.log10()
    }

    /// The same picture with its least value black and its largest white.
    #[allow(dead_code)]
    pub fn stretched(&self) -> Self {
        let (low, high) = self.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        let values = self.values.iter().map(|v| (v - low) / (high - low).max(f64::MIN_POSITIVE)).collect();
        Self { values, ..*self }
    }
}

/// Writes pictures side by side, 8 white pixels between them.
pub fn write(path: &Path, pictures: &[&Picture]) -> Result<(), Box<dyn Error>> {
    const GAP: usize = 8;
    let height = pictures.iter().map(|p| p.rows).max().unwrap_or(0);
    let width = pictures.iter().map(|p| p.columns + GAP).sum::<usize>().saturating_sub(GAP);
    let mut bytes = vec![255u8; height * width];
    let mut left = 0;
    for picture in pictures {
        for j in 0..picture.columns {
            for i in 0..picture.rows {
                bytes[i * width + left + j] = (picture.values[i + j * picture.rows].clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        left += picture.columns + GAP;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&bytes)?;
    println!("written: {}", path.display());
    Ok(())
}

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Adds white noise of `fraction` of the norm of b, always the same, and returns its norm.
pub fn add_noise(b: &mut [f64], fraction: f64) -> f64 {
    let mut state = 1u64;
    let mut uniform = || {
        // SplitMix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let noise: Vec<f64> =
        (0..b.len()).map(|_| (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()).collect();
    let size = fraction * norm(b);
    let factor = size / norm(&noise);
    b.iter_mut().zip(&noise).for_each(|(b, e)| *b += factor * e);
    size
}
