//! Matrices of the Matrix Market from data/matrices, as compressed columns.

use std::io::Read;
use std::path::Path;
use wellposed::SparseView;

type Failure = Box<dyn std::error::Error>;

/// Compressed columns.
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    starts: Vec<u32>,
    indices: Vec<u32>,
    pub values: Vec<f64>,
}

impl Matrix {
    pub fn view(&self) -> wellposed::Result<SparseView<'_, f64>> {
        SparseView::csc(self.rows, self.columns, &self.starts, &self.indices, &self.values)
    }

    /// The two kinds of Matrix Market files that lie in data/matrices: real general, coordinate or array.
    pub fn read(name: &str) -> Result<Self, Failure> {
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
