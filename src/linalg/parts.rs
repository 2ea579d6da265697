//! Arrays as a whole: several threads that fill one, each its own part; transposes.

/// Splits `output`, which consists of units of `unit` values, into one run of units for each scratch, and calls
/// `work(first unit, run, scratch)` for each, on a thread of the current pool where there are several. Allocates nothing.
pub fn in_parts<U: Send, S: Send>(output: &mut [U], unit: usize, scratches: &mut [S], work: impl Fn(usize, &mut [U], &mut S) + Sync) {
    if output.is_empty() || unit == 0 {
        return;
    }
    let each = (output.len() / unit).div_ceil(scratches.len()).max(1);
    #[cfg(feature = "rayon")]
    if scratches.len() > 1 {
        use rayon::prelude::*;
        let parts = output.par_chunks_mut(each * unit).zip(scratches.par_iter_mut()).enumerate();
        parts.for_each(|(part, (output, scratch))| work(part * each, output, scratch));
        return;
    }
    for (part, (output, scratch)) in output.chunks_mut(each * unit).zip(scratches).enumerate() {
        work(part * each, output, scratch);
    }
}

/// to ← the transpose of an array stored in lines of `length` values: tile by tile, so that neither side is read or written in
/// long strides.
pub fn transpose<T: Copy>(from: &[T], length: usize, to: &mut [T]) {
    const TILE: usize = 16;
    let count = from.len().checked_div(length).unwrap_or(0);
    for line in (0..count).step_by(TILE) {
        for start in (0..length).step_by(TILE) {
            for j in line..(line + TILE).min(count) {
                for i in start..(start + TILE).min(length) {
                    to[i * count + j] = from[j * length + i];
                }
            }
        }
    }
}
