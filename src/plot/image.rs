//! Values as a picture: colours, PNG without compression, base64. Written out here because it is sixty lines.

/// Rows × columns of values, row by row from the top, with the values of the darkest and the brightest colour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
    pub low: f64,
    pub high: f64,
}

/// Nine colours of viridis (Smith, van der Walt, Firing 2015, CC0), linear between them: brightness grows with the value, for every
/// kind of colour vision and on paper.
pub(crate) const COLOURS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// What has no value.
const MISSING: [u8; 3] = [128, 128, 128];

impl Picture {
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Self {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low < high {
            (low, high)
        } else if low == high {
            (low - 0.5, low + 0.5)
        } else {
            (0.0, 1.0)
        };
        Self { rows, columns, values, low, high }
    }

    /// The scale of colours, dark to bright.
    pub fn colours(&self) -> Self {
        Self::new(1, 32, (0..32).map(f64::from).collect())
    }

    fn colour(&self, value: f64) -> [u8; 3] {
        if !value.is_finite() {
            return MISSING;
        }
        let place = ((value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)).clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
        let k = (place as usize).min(COLOURS.len() - 2);
        let part = place - k as f64;
        core::array::from_fn(|c| (f64::from(COLOURS[k][c]) * (1.0 - part) + f64::from(COLOURS[k + 1][c]) * part).round() as u8)
    }

    /// A PNG with one dot for each value.
    pub fn data_uri(&self) -> String {
        let mut raw = Vec::with_capacity(self.rows * (3 * self.columns + 1));
        for i in 0..self.rows {
            // no filter
            raw.push(0);
            for j in 0..self.columns {
                raw.extend(self.colour(self.values.get(i * self.columns + j).copied().unwrap_or(f64::NAN)));
            }
        }
        // a zlib stream of stored blocks
        let mut data = vec![0x78, 0x01];
        let blocks = raw.chunks(0xffff).count();
        for (k, block) in raw.chunks(0xffff).enumerate() {
            data.push(u8::from(k + 1 == blocks));
            data.extend((block.len() as u16).to_le_bytes());
            data.extend((!(block.len() as u16)).to_le_bytes());
            data.extend(block);
        }
        data.extend(adler(&raw).to_be_bytes());
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut header = Vec::from((self.columns as u32).to_be_bytes());
        header.extend((self.rows as u32).to_be_bytes());
        // eight bits, RGB, no interlacing
        header.extend([8, 2, 0, 0, 0]);
        for (name, content) in [(b"IHDR", &header), (b"IDAT", &data), (b"IEND", &Vec::new())] {
            png.extend((content.len() as u32).to_be_bytes());
            let start = png.len();
            png.extend(name);
            png.extend(content);
            let sum = crc(&png[start..]);
            png.extend(sum.to_be_bytes());
        }
        format!("data:image/png;base64,{}", base64(&png))
    }
}

/// RFC 1950.
fn adler(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}

/// The PNG specification, annex D.
fn crc(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
        }
    }
    !sum
}

/// RFC 4648.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for k in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * k) & 63) as usize];
            out.push(if k > group.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

/// Little-endian numbers in base64.
pub(crate) fn numbers64(values: &[f64]) -> String {
    base64(&values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// The same in single precision.
pub(crate) fn numbers32(values: &[f64]) -> String {
    base64(&values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn checksums_are_those_of_the_specifications() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn colours_run_from_dark_to_bright() {
        let picture = Picture::new(1, 3, vec![-2.0, 0.0, 2.0]);
        assert_eq!(picture.colour(-2.0), COLOURS[0]);
        assert_eq!(picture.colour(0.0), COLOURS[4]);
        assert_eq!(picture.colour(1e300), COLOURS[8]);
        assert_eq!(picture.colour(f64::NAN), MISSING);
        // a constant picture, and an empty one, have colours too
        assert_eq!(Picture::new(1, 1, vec![7.0]).colour(7.0), COLOURS[4]);
        assert!(Picture::new(0, 0, vec![]).low < 1.0);
    }
}
