//! Rows as bytes: the same on every machine, versioned, and checked when they are read.
//!
//! Little-endian throughout:
//!
//! | bytes | |
//! |---|---|
//! | 16 | `wellposed rows` and two zeros |
//! | 4 | version, 1 |
//! | 4 | scalar type: 1 f32, 2 f64, 3 c32, 4 c64 |
//! | 8, 8 | columns of A, columns of b |
//! | 8, 8 | rows pushed; rows by their forgetting factors, as f64 |
//! | 8 | forgetting factor, as f64; 1 for none |
//! | 8 | rows of the triangle, t ≤ w = 1 + n + k |
//! | … | its upper trapezoid, column after column; real and imaginary parts in turn |
//! | 8 | FNV-1a (64 bits) of all bytes before |

use super::{RightHandSides, Rows};
use crate::error::{Error, Result};
use crate::factor::rows::Accumulated;
use crate::linalg::{self, Threads};
use crate::scalar::{Real, Scalar};
use core::marker::PhantomData;

const MAGIC: &[u8; 16] = b"wellposed rows\0\0";
const VERSION: u32 = 1;
/// Columns of [1 A b] at most: the triangle of more would not fit into any memory.
const MOST_COLUMNS: usize = 1 << 22;
/// Bytes before the triangle.
const HEADER: usize = 16 + 4 + 4 + 6 * 8;

impl<T: Scalar, B: RightHandSides<T>> Rows<T, B> {
    /// All that is known of the rows, as bytes: to store them, or to send them to where they are merged. About 4(n + 2)² bytes of a real f64
    /// problem, whatever the number of rows.
    ///
    /// ```
    /// use wellposed::{DenseView, Rows};
    /// let mut rows = Rows::new(1);
    /// rows.push(&DenseView::column(&[1.0, 2.0]), &[1.0, 2.1])?;
    /// let stored = rows.to_bytes();
    /// let mut rows: Rows<f64> = Rows::from_bytes(&stored)?;
    /// rows.push(&DenseView::column(&[3.0]), &[2.9])?;
    /// assert_eq!(rows.count(), 3);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let triangle = self.settled_triangle();
        let mut bytes = Vec::with_capacity(HEADER + entries(triangle.nrows(), triangle.ncols()) * size::<T>() + 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&code::<T>().to_le_bytes());
        for number in [self.columns, self.right_hand_sides, self.count] {
            bytes.extend_from_slice(&(number as u64).to_le_bytes());
        }
        for number in [self.effective, self.forgetting] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(triangle.nrows() as u64).to_le_bytes());
        for j in 0..triangle.ncols() {
            for i in 0..triangle.nrows().min(j + 1) {
                let entry = triangle[(i, j)];
                put(entry.real(), &mut bytes);
                if T::IS_COMPLEX {
                    put(entry.imaginary(), &mut bytes);
                }
            }
        }
        let sum = fingerprint(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The rows that [`to_bytes`](Self::to_bytes) stored.
    ///
    /// # Errors
    /// [`Error::Unreadable`]: no such bytes, of a later version, of another scalar type or number of right-hand sides, cut off, or altered
    /// on the way.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take::<16>() != Some(*MAGIC) {
            return Err(unreadable("they do not begin as Rows::to_bytes begins them"));
        }
        let short = || unreadable("they are cut off: fetch all of them");
        let version = u32::from_le_bytes(reader.take().ok_or_else(short)?);
        if version != VERSION {
            return Err(unreadable(format!(
                "their version is {version}, and this library reads version {VERSION}: use the one that wrote them"
            )));
        }
        // before anything is believed
        let (body, sum) = bytes.split_at(bytes.len().saturating_sub(8));
        if bytes.len() < HEADER + 8 || fingerprint(body).to_le_bytes() != *sum {
            return Err(unreadable("they are cut off or altered (their checksum is another one): fetch them again"));
        }
        let found = u32::from_le_bytes(reader.take().ok_or_else(short)?);
        if found != code::<T>() {
            let name = ["f32", "f64", "c32", "c64"].get((found as usize).wrapping_sub(1)).copied().unwrap_or("an unknown type");
            return Err(unreadable(format!("their scalar type is {name}, not {}: read them as Rows of that type", T::NAME)));
        }
        let mut number = || reader.take().map(u64::from_le_bytes).ok_or_else(short);
        let mut count = || number().and_then(|n| usize::try_from(n).map_err(|_| unreadable("a size in them does not fit this machine")));
        let (columns, right_hand_sides, rows) = (count()?, count()?, count()?);
        let (effective, forgetting) = (f64::from_bits(number()?), f64::from_bits(number()?));
        let height = usize::try_from(number()?).map_err(|_| unreadable("a size in them does not fit this machine"))?;
        let inconsistent = || unreadable("what they say of themselves is inconsistent: write them with Rows::to_bytes");
        if B::ONE && right_hand_sides != 1 {
            return Err(unreadable(format!("they have {right_hand_sides} right-hand sides: read them as Rows<T, DenseView<'static, T>>")));
        }
        let width = columns.checked_add(right_hand_sides).and_then(|w| w.checked_add(1)).ok_or_else(inconsistent)?;
        // what is allocated is no more than what was given
        let (length, entry) = (bytes.len() - HEADER - 8, size::<T>());
        if width > MOST_COLUMNS || height != width.min(rows) || length % entry != 0 || entries(height, width) != length / entry {
            return Err(inconsistent());
        }
        let effective_fits = effective >= 0.0 && effective <= rows as f64 * (1.0 + 1e-9);
        if !(effective_fits && (0.0..=1.0).contains(&forgetting) && forgetting > 0.0) {
            return Err(inconsistent());
        }
        let mut triangle = linalg::zeros::<T>(height, width);
        for j in 0..width {
            for i in 0..height.min(j + 1) {
                let real = get::<T>(&mut reader).ok_or_else(short)?;
                let imaginary = if T::IS_COMPLEX { get::<T>(&mut reader).ok_or_else(short)? } else { T::Real::ZERO };
                let entry = T::from_parts(real, imaginary);
                if !entry.finite() {
                    return Err(inconsistent());
                }
                triangle[(i, j)] = entry;
            }
        }
        Ok(Self {
            accumulated: Accumulated::from_triangle(triangle, Threads::available()),
            columns,
            right_hand_sides,
            count: rows,
            effective,
            forgetting,
            inflation: 1.0,
            family: PhantomData,
        })
    }
}

fn unreadable(why: impl Into<String>) -> Error {
    Error::Unreadable { what: "stored rows", why: why.into() }
}

/// Entries of an upper trapezoid.
fn entries(height: usize, width: usize) -> usize {
    // height ≤ width, and the width is bounded
    height.saturating_mul(width).saturating_sub(height.saturating_mul(height.saturating_sub(1)) / 2)
}

fn code<T: Scalar>() -> u32 {
    match (T::IS_COMPLEX, is_double::<T>()) {
        (false, false) => 1,
        (false, true) => 2,
        (true, false) => 3,
        (true, true) => 4,
    }
}

fn is_double<T: Scalar>() -> bool {
    T::Real::EPSILON.to_f64() < 1e-10
}

/// Bytes of an entry.
fn size<T: Scalar>() -> usize {
    (if is_double::<T>() { 8 } else { 4 }) * (if T::IS_COMPLEX { 2 } else { 1 })
}

fn put<R: Real>(value: R, bytes: &mut Vec<u8>) {
    match is_double::<R>() {
        true => bytes.extend_from_slice(&value.to_f64().to_le_bytes()),
        // exact: it was an f32
        false => bytes.extend_from_slice(&(value.to_f64() as f32).to_le_bytes()),
    }
}

fn get<T: Scalar>(reader: &mut Reader<'_>) -> Option<T::Real> {
    Some(T::Real::from_f64(match is_double::<T>() {
        true => f64::from_le_bytes(reader.take()?),
        false => f64::from(f32::from_le_bytes(reader.take()?)),
    }))
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): against accidents, not against malice.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let part = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*part)
    }
}
