//! Matrix Market `.mtx`: coordinate and array × real, integer, complex and pattern × general, symmetric, skew-symmetric and
//! Hermitian. Written as a general array, real or complex, every number with the digits that restore it.
//!
//! Boisvert, Pozo, Remington 1996, NIST Interagency Report 5935, "The Matrix Market exchange formats: initial design".
//! Read strictly, one entry a line: symmetric files store the lower triangle, skew-symmetric ones without the diagonal, and
//! rows and columns count from 1. Entries given twice add up, as assembled matrices mean it. Pattern entries are 1.

use super::array::exact;
use super::{Array, Contents, Coordinates, Numbers, Place, Problem, Shape, excerpt};
use std::io::{BufRead, Read, Write};
use wellposed::c64;

/// The format's own limit is 1024 characters.
const LONGEST_LINE: u64 = 1 << 16;
/// A matrix this empty is taken for a damaged size line: rows or columns for each stored entry, and how many are let pass
/// in any case. A guess, far beyond the sparsest matrices of the public collections.
const EMPTY_LINES_PER_ENTRY: usize = 1000;
const EMPTY_LINES_ALLOWED: usize = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Real,
    Integer,
    Complex,
    Pattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symmetry {
    General,
    Symmetric,
    Skew,
    Hermitian,
}

/// Reads a matrix; the coordinate format gives a sparse one.
///
/// # Errors
/// Whatever is not in the format, with its line.
pub fn read(reader: impl BufRead) -> Result<Contents, Problem> {
    let mut lines = Lines { reader, line: String::new(), number: 0 };
    if !lines.advance()? {
        return Err(Problem::new(Place::Whole, "is empty"));
    }
    let (coordinate, field, symmetry) = banner(&lines.line).map_err(|text| lines.problem(text))?;
    if !lines.advance_to_data()? {
        return Err(lines.problem("ends before the line with rows and columns"));
    }
    if coordinate {
        read_coordinates(lines, field, symmetry).map(Contents::Sparse)
    } else {
        read_array(lines, field, symmetry).map(Contents::Dense)
    }
}

fn banner(line: &str) -> Result<(bool, Field, Symmetry), String> {
    let words: Vec<String> = line.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
    let [magic, object, format, field, symmetry] = &words[..] else {
        return Err(format!("must be '%%MatrixMarket matrix FORMAT FIELD SYMMETRY', but it is {}", excerpt(line)));
    };
    if magic != "%%matrixmarket" {
        return Err(format!("must begin with %%MatrixMarket, but it begins with {}", excerpt(magic)));
    }
    if object != "matrix" {
        return Err(format!("the object must be 'matrix', but it is {}", excerpt(object)));
    }
    let coordinate = match format.as_str() {
        "coordinate" => true,
        "array" => false,
        other => return Err(format!("the format must be 'coordinate' or 'array', but it is {}", excerpt(other))),
    };
    let field = match field.as_str() {
        "real" | "double" => Field::Real,
        "integer" => Field::Integer,
        "complex" => Field::Complex,
        "pattern" => Field::Pattern,
        other => return Err(format!("the field must be real, integer, complex or pattern, but it is {}", excerpt(other))),
    };
    let symmetry = match symmetry.as_str() {
        "general" => Symmetry::General,
        "symmetric" => Symmetry::Symmetric,
        "skew-symmetric" => Symmetry::Skew,
        "hermitian" => Symmetry::Hermitian,
        other => return Err(format!("the symmetry must be general, symmetric, skew-symmetric or hermitian, but it is {}", excerpt(other))),
    };
    if field == Field::Pattern && !coordinate {
        return Err("an array cannot be a pattern: its values are missing".into());
    }
    if field == Field::Pattern && matches!(symmetry, Symmetry::Skew | Symmetry::Hermitian) {
        return Err("a pattern is general or symmetric".into());
    }
    if symmetry == Symmetry::Hermitian && field != Field::Complex {
        return Err("a hermitian matrix has a complex field; a real one is symmetric".into());
    }
    Ok((coordinate, field, symmetry))
}

fn read_coordinates<R: BufRead>(mut lines: Lines<R>, field: Field, symmetry: Symmetry) -> Result<Coordinates, Problem> {
    let [rows, columns, count] = lines.sizes("rows, columns and the number of entries")?;
    lines.check_square(symmetry, rows, columns)?;
    let sizes_line = lines.number;
    let mut matrix =
        Coordinates { rows, columns, row_indices: Vec::new(), column_indices: Vec::new(), numbers: Numbers::new(field == Field::Complex) };
    for seen in 0..count {
        if !lines.advance_to_data()? {
            return Err(lines.problem(format!("ends after {seen} of the {count} entries that line {sizes_line} promises")));
        }
        let mut words = lines.line.split_ascii_whitespace();
        let row = lines.index(words.next(), "row", rows)?;
        let column = lines.index(words.next(), "column", columns)?;
        let value = lines.value(&mut words, field)?;
        lines.check_no_more(words)?;
        lines.check_triangle(symmetry, row, column, value)?;
        let mut push = |row, column, value| -> Result<(), Problem> {
            let full = |_| Problem::new(Place::Whole, "does not fit into memory");
            matrix.row_indices.try_reserve(1).map_err(full)?;
            matrix.column_indices.try_reserve(1).map_err(full)?;
            matrix.numbers.reserve(1)?;
            matrix.row_indices.push(row);
            matrix.column_indices.push(column);
            matrix.numbers.push(value);
            Ok(())
        };
        push(row, column, value)?;
        if row != column
            && let Some(mirrored) = mirrored(symmetry, value)
        {
            push(column, row, mirrored)?;
        }
    }
    if lines.advance_to_data()? {
        return Err(lines.problem(format!("there are more than the {count} entries that line {sizes_line} promises")));
    }
    let largest = rows.max(columns);
    if largest > EMPTY_LINES_ALLOWED && largest / EMPTY_LINES_PER_ENTRY > matrix.numbers.len() {
        return Err(Problem::new(
            Place::Line(sizes_line),
            format!(
                "{rows}×{columns} with only {} entries is taken for a damaged size line; leave out empty rows and columns",
                matrix.numbers.len()
            ),
        ));
    }
    Ok(matrix)
}

fn read_array<R: BufRead>(mut lines: Lines<R>, field: Field, symmetry: Symmetry) -> Result<Array, Problem> {
    let [rows, columns] = lines.sizes("rows and columns")?;
    lines.check_square(symmetry, rows, columns)?;
    let sizes_line = lines.number;
    let all = rows.checked_mul(columns).filter(|all| all.checked_mul(16).is_some());
    let all = all.ok_or_else(|| lines.problem(format!("claims {rows}×{columns} entries, more than an address space holds")))?;
    // the row where the stored part of column j begins
    let first = |j: usize| match symmetry {
        Symmetry::General => 0,
        Symmetry::Symmetric | Symmetry::Hermitian => j,
        Symmetry::Skew => j + 1,
    };
    let mut stored = Numbers::new(field == Field::Complex);
    let stored_count = match symmetry {
        Symmetry::General => all,
        Symmetry::Symmetric | Symmetry::Hermitian => (all + rows) / 2,
        Symmetry::Skew => (all - rows) / 2,
    };
    if stored_count > 0 {
        for j in 0..columns {
            for i in first(j)..rows {
                if !lines.advance_to_data()? {
                    return Err(
                        lines.problem(format!("ends after {} of the {stored_count} entries that line {sizes_line} promises", stored.len()))
                    );
                }
                let mut words = lines.line.split_ascii_whitespace();
                let value = lines.value(&mut words, field)?;
                lines.check_no_more(words)?;
                lines.check_triangle(symmetry, i, j, value)?;
                stored.reserve(1)?;
                stored.push(value);
            }
        }
    }
    if lines.advance_to_data()? {
        return Err(lines.problem(format!("there are more than the {stored_count} entries that line {sizes_line} promises")));
    }
    if symmetry == Symmetry::General {
        return Array::matrix(rows, columns, stored);
    }
    // what arrived is half of what follows, so that this size is no longer a mere promise
    let mut numbers = Numbers::new(field == Field::Complex);
    numbers.reserve(all)?;
    let mut starts = Vec::with_capacity(columns);
    let mut start = 0;
    for j in 0..columns {
        starts.push(start);
        start += rows - first(j);
    }
    for j in 0..columns {
        for i in 0..rows {
            let at = |i: usize, j: usize| stored.get(starts[j] + i - first(j)).unwrap_or_default();
            numbers.push(if i >= first(j) {
                at(i, j)
            } else if i == j {
                c64::default()
            } else {
                mirrored(symmetry, at(j, i)).unwrap_or_default()
            });
        }
    }
    Array::matrix(rows, columns, numbers)
}

/// The entry across the diagonal, where the symmetry implies one.
fn mirrored(symmetry: Symmetry, value: c64) -> Option<c64> {
    match symmetry {
        Symmetry::General => None,
        Symmetry::Symmetric => Some(value),
        Symmetry::Skew => Some(-value),
        Symmetry::Hermitian => Some(value.conj()),
    }
}

/// Lines of bounded length, numbered.
struct Lines<R> {
    reader: R,
    line: String,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn problem(&self, text: impl Into<String>) -> Problem {
        Problem::new(Place::Line(self.number), text)
    }

    /// The next line, whatever it is; `false` at the end of the file, where the number stays that of the last line.
    fn advance(&mut self) -> Result<bool, Problem> {
        let mut bytes = Vec::new();
        if self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        if bytes.len() as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n') {
            return Err(self.problem(format!("is longer than {LONGEST_LINE} bytes: this is not a Matrix Market file")));
        }
        // comments may be in any encoding; numbers are ASCII
        self.line = String::from_utf8_lossy(&bytes).into_owned();
        Ok(true)
    }

    /// The next line that is neither empty nor a comment.
    fn advance_to_data(&mut self) -> Result<bool, Problem> {
        while self.advance()? {
            let line = self.line.trim_ascii();
            if !line.is_empty() && !line.starts_with('%') {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn sizes<const N: usize>(&self, what: &str) -> Result<[usize; N], Problem> {
        let words: Vec<&str> = self.line.split_ascii_whitespace().collect();
        let numbers: Option<Vec<usize>> = words.iter().map(|word| word.parse().ok()).collect();
        numbers
            .and_then(|numbers| numbers.try_into().ok())
            .ok_or_else(|| self.problem(format!("must have {what}, but it is {}", excerpt(self.line.trim_ascii()))))
    }

    fn check_square(&self, symmetry: Symmetry, rows: usize, columns: usize) -> Result<(), Problem> {
        if symmetry == Symmetry::General || rows == columns {
            return Ok(());
        }
        Err(self.problem(format!("a {rows}×{columns} matrix cannot have this symmetry: it is not square")))
    }

    /// A row or column from its text, counted from 0.
    fn index(&self, word: Option<&str>, what: &str, size: usize) -> Result<usize, Problem> {
        let word = word.ok_or_else(|| self.problem(format!("has no {what}")))?;
        let index: usize = word.parse().map_err(|_| self.problem(format!("{what} {} is not a whole number", excerpt(word))))?;
        match index {
            0 => Err(self.problem(format!("{what} 0 does not exist: Matrix Market counts from 1"))),
            index if index > size => Err(self.problem(format!("{what} {index} is outside: there are {size}"))),
            index => Ok(index - 1),
        }
    }

    fn value<'w>(&self, words: &mut impl Iterator<Item = &'w str>, field: Field) -> Result<c64, Problem> {
        let mut real = || -> Result<f64, Problem> {
            let word = words.next().ok_or_else(|| self.problem("has fewer numbers than its field needs"))?;
            let value: f64 = word.parse().map_err(|_| self.problem(format!("{} is not a number", excerpt(word))))?;
            if value.is_finite() {
                Ok(value)
            } else {
                Err(self.problem(format!("{} is NaN, infinite or too large for a double", excerpt(word))))
            }
        };
        Ok(match field {
            Field::Pattern => c64::new(1.0, 0.0),
            Field::Real => c64::new(real()?, 0.0),
            Field::Complex => c64::new(real()?, real()?),
            Field::Integer => {
                let word = words.next().ok_or_else(|| self.problem("has fewer numbers than its field needs"))?;
                let integer: i128 = word.parse().map_err(|_| self.problem(format!("{} is not a whole number", excerpt(word))))?;
                let value = exact(integer)
                    .ok_or_else(|| self.problem(format!("{word} has no exact double; change the field to real to accept rounding")))?;
                c64::new(value, 0.0)
            }
        })
    }

    fn check_no_more<'w>(&self, mut words: impl Iterator<Item = &'w str>) -> Result<(), Problem> {
        words.next().map_or(Ok(()), |word| Err(self.problem(format!("has {} after what its field needs", excerpt(word)))))
    }

    /// Row and column counted from 0.
    fn check_triangle(&self, symmetry: Symmetry, row: usize, column: usize, value: c64) -> Result<(), Problem> {
        match symmetry {
            Symmetry::General => Ok(()),
            _ if row < column => {
                Err(self.problem(format!("row {} is above column {}: a symmetric file stores the lower triangle", row + 1, column + 1)))
            }
            Symmetry::Skew if row == column => Err(self.problem("a skew-symmetric file stores no diagonal")),
            Symmetry::Hermitian if row == column && value.im != 0.0 => Err(self.problem("the diagonal of a hermitian matrix is real")),
            _ => Ok(()),
        }
    }
}

/// Writes a general array, column after column.
///
/// # Errors
/// What writing gives.
pub fn write(array: &Array, mut writer: impl Write) -> std::io::Result<()> {
    let field = if array.numbers.is_complex() { "complex" } else { "real" };
    writeln!(writer, "%%MatrixMarket matrix array {field} general")?;
    if array.shape == Shape::Image {
        writeln!(writer, "% pixels, black 0 to white 1")?;
    }
    writeln!(writer, "{} {}", array.rows, array.columns)?;
    for column in 0..array.columns {
        for row in 0..array.rows {
            let index = array.index(row, column);
            match &array.numbers {
                Numbers::Real(numbers) => writeln!(writer, "{:e}", numbers[index])?,
                Numbers::Complex(numbers) => writeln!(writer, "{:e} {:e}", numbers[index].re, numbers[index].im)?,
            }
        }
    }
    Ok(())
}
