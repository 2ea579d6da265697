//! PNG images, 8 or 16 bits, grey or colour: black is 0, white is 1. Colours become grey by their luma (Rec. 601: 0.299 red,
//! 0.587 green, 0.114 blue). Written with 16 bits of grey, which hold every 8-bit value exactly.

use super::{Array, Numbers, Order, Place, Problem, Shape};
use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, Limits, Transformations};
use std::io::{BufRead, Seek, Write};

/// Rows are decoded one at a time, so that this bounds what a header can make us allocate: one row.
const LARGEST_SIDE: u32 = 1 << 16;

/// Reads an image as a matrix of pixels.
///
/// # Errors
/// A damaged file, an interlaced one, or one with transparent pixels.
pub fn read(reader: impl BufRead + Seek) -> Result<Array, Problem> {
    let whole = |text: &str| Problem::new(Place::Whole, text);
    let damaged = |error: DecodingError| match error {
        DecodingError::IoError(error) => error.into(),
        other => Problem::new(Place::Whole, format!("is not a readable PNG image: {other}")),
    };
    let mut decoder = Decoder::new_with_limits(reader, Limits { bytes: 1 << 26 });
    decoder.set_transformations(Transformations::EXPAND);
    let mut image = decoder.read_info().map_err(damaged)?;
    let (width, height, interlaced) = (image.info().width, image.info().height, image.info().interlaced);
    if width > LARGEST_SIDE || height > LARGEST_SIDE {
        return Err(Problem::new(Place::Whole, format!("has {height}×{width} pixels; {LARGEST_SIDE} a side is the limit")));
    }
    if interlaced {
        return Err(whole("is interlaced; save it without interlacing"));
    }
    let (color, depth) = image.output_color_type();
    let (channels, colors) = match color {
        ColorType::Grayscale => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgb => (3, 3),
        ColorType::Rgba => (4, 3),
        ColorType::Indexed => return Err(whole("has a palette that cannot be expanded; save it in grey")),
    };
    let (bytes, white) = match depth {
        BitDepth::Sixteen => (2, 65535.0),
        _ => (1, 255.0),
    };
    let mut numbers = Numbers::new(false);
    while let Some(row) = image.next_row().map_err(damaged)? {
        numbers.reserve(width as usize)?;
        for pixel in row.data().chunks_exact(channels * bytes) {
            let part = |channel: usize| match &pixel[channel * bytes..(channel + 1) * bytes] {
                [high, low] => f64::from(u16::from_be_bytes([*high, *low])),
                other => f64::from(other.first().copied().unwrap_or_default()),
            };
            if channels > colors && part(colors) != white {
                return Err(whole("has transparent pixels, which have no brightness; save it without transparency"));
            }
            let value = if colors == 1 { part(0) } else { 0.299 * part(0) + 0.587 * part(1) + 0.114 * part(2) };
            if let Numbers::Real(numbers) = &mut numbers {
                numbers.push(value / white);
            }
        }
    }
    let (rows, columns) = (height as usize, width as usize);
    if numbers.len() != rows * columns {
        return Err(whole("ends before its last pixel"));
    }
    Ok(Array { order: Order::RowMajor, shape: Shape::Image, ..Array::matrix(rows, columns, numbers)? })
}

/// Writes a matrix of pixels; what is below 0 or above 1 is drawn black or white. Returns how many pixels that were.
///
/// # Errors
/// Complex numbers, no pixels or too many, and what writing gives.
pub fn write(array: &Array, writer: impl Write) -> std::io::Result<usize> {
    fn other<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> std::io::Error {
        std::io::Error::other(error)
    }
    let Numbers::Real(numbers) = &array.numbers else { return Err(other("an image has no complex pixels; use .npy, .npz or .mtx")) };
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|&n| n > 0 && n <= LARGEST_SIDE);
    let (Some(height), Some(width)) = (side(array.rows), side(array.columns)) else {
        return Err(other(format!("an image of {}×{} pixels cannot be written", array.rows, array.columns)));
    };
    let mut clipped = 0;
    let mut pixels = Vec::with_capacity(2 * numbers.len());
    for row in 0..array.rows {
        for column in 0..array.columns {
            let value = numbers[array.index(row, column)];
            // rounding alone is no loss of contrast
            clipped += usize::from(!(-1e-9..=1.0 + 1e-9).contains(&value));
            // the cast saturates, and what it rounds is within 0 ..= 65535
            pixels.extend(((value.clamp(0.0, 1.0) * 65535.0).round() as u16).to_be_bytes());
        }
    }
    let mut encoder = Encoder::new(writer, width, height);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Sixteen);
    let mut encoder = encoder.write_header().map_err(other)?;
    encoder.write_image_data(&pixels).map_err(other)?;
    encoder.finish().map_err(other)?;
    Ok(clipped)
}
