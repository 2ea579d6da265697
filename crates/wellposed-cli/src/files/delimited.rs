//! Tables of numbers as text: `.csv`, `.tsv`, `.txt`. Delimiter and header are detected, and can be given.
//!
//! Cells may be quoted; lines that begin with `#` are comments. A column of text, or one without a name in the header (the
//! row numbers that R and pandas write), is a label and no number. A column that is used must have a number in every row: a
//! missing value is refused with its line and column, never filled in.

use super::{Array, Numbers, Order, Place, Problem, Shape, excerpt};
use std::io::{Read, Write};

/// Whether the first line has the names of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Header {
    /// It has, if no cell of it is a number where the next line has numbers.
    #[default]
    Auto,
    /// It has.
    Yes,
    /// It has not.
    No,
}

/// A table whose numbers have been read and whose faults are not yet judged: a faulty column may be one that is not used.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns, left to right.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
    /// Whether the names are those of a header.
    pub has_header: bool,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name; without a header, its number.
    pub name: String,
    values: Vec<f64>,
    numbers: usize,
    fault: Option<Problem>,
    text: bool,
}

impl Column {
    /// Whether no cell is a number, and some cell is text.
    pub fn is_text(&self) -> bool {
        self.numbers == 0 && self.text
    }

    /// The numbers.
    ///
    /// # Errors
    /// The first cell that is not a number.
    pub fn numbers(&self) -> Result<&[f64], Problem> {
        match &self.fault {
            None => Ok(&self.values),
            Some(problem) => Err(problem.clone()),
        }
    }
}

impl Table {
    /// The column of this name, or of this number counted from 1 where there is no header.
    ///
    /// # Errors
    /// A name that is not there, or there more than once.
    pub fn column(&self, name: &str) -> Result<usize, Problem> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| column.name == name).map(|(index, _)| index);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(Problem::new(Place::Whole, format!("has more than one column {}", excerpt(name)))),
            (None, _) => {
                let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).filter(|n| !n.is_empty()).collect();
                let listed = excerpt_list(&names);
                let no_header = if self.has_header { "" } else { " (no header was found; columns are named by their number)" };
                Err(Problem::new(Place::Whole, format!("has no column {}: it has {listed}{no_header}", excerpt(name))))
            }
        }
    }

    /// These columns as a matrix.
    ///
    /// # Errors
    /// A cell of them that is not a number.
    pub fn matrix(&self, columns: &[usize]) -> Result<Array, Problem> {
        let mut numbers = Numbers::new(false);
        numbers.reserve(self.rows.saturating_mul(columns.len()))?;
        let mut names = Vec::with_capacity(columns.len());
        for column in columns.iter().filter_map(|&index| self.columns.get(index)) {
            if let Numbers::Real(numbers) = &mut numbers {
                numbers.extend_from_slice(column.numbers()?);
            }
            names.push(column.name.clone());
        }
        Ok(Array { names: self.has_header.then_some(names), ..Array::matrix(self.rows, columns.len(), numbers)? })
    }

    /// Everything but the columns of labels without a name: the table as one matrix.
    ///
    /// # Errors
    /// A cell that is not a number.
    pub fn to_matrix(&self) -> Result<Array, Problem> {
        let all: Vec<usize> = (0..self.columns.len()).filter(|&index| !self.columns[index].name.is_empty()).collect();
        self.matrix(&all)
    }
}

/// Names that a message lists.
const NAMES_SHOWN: usize = 20;

fn excerpt_list(names: &[&str]) -> String {
    let mut listed: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| excerpt(name).trim_matches('\'').to_owned()).collect();
    if names.len() > NAMES_SHOWN {
        listed.push("…".into());
    }
    listed.join(", ")
}

/// Reads a table.
///
/// # Errors
/// Rows of different lengths, no rows, or a first line that may or may not be a header.
pub fn read(mut reader: impl Read, tabs: bool, header: Header) -> Result<Table, Problem> {
    let mut text = Vec::new();
    reader.read_to_end(&mut text)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(Problem::new(Place::Whole, "is UTF-16 text; save it as UTF-8"));
    }
    let mut rows = Rows::new(text, tabs);
    let first = rows.next()?.ok_or_else(|| Problem::new(Place::Whole, "has no rows"))?;
    let second = rows.next()?;
    let has_header = match header {
        Header::Yes => true,
        Header::No => false,
        Header::Auto => is_header(&first, second.as_ref()),
    };
    let mut names: Vec<String> =
        if has_header { first.cells.clone() } else { (1..=first.cells.len()).map(|number| number.to_string()).collect() };
    // R's write.table names every column but that of the row names
    if has_header && second.as_ref().is_some_and(|second| second.cells.len() == names.len() + 1) {
        names.insert(0, String::new());
    }
    let mut columns: Vec<Column> =
        names.into_iter().map(|name| Column { name, values: Vec::new(), numbers: 0, fault: None, text: false }).collect();
    let mut count = 0;
    let mut pending = [(!has_header).then_some(first), second].into_iter().flatten();
    while let Some(row) = pending.next().map_or_else(|| rows.next(), |row| Ok(Some(row)))? {
        if row.cells.len() != columns.len() {
            return Err(Problem::new(
                Place::Line(row.line),
                format!("has {} cells, but the line before has {}; a delimiter inside a cell needs quotes", row.cells.len(), columns.len()),
            ));
        }
        for (index, (column, cell)) in columns.iter_mut().zip(&row.cells).enumerate() {
            let value = number(cell);
            column.values.push(value.unwrap_or(f64::NAN));
            column.numbers += usize::from(value.is_some());
            column.text |= value.is_none() && !is_missing(cell);
            if value.is_none() && column.fault.is_none() {
                let name = has_header.then(|| column.name.clone()).filter(|name| !name.is_empty());
                column.fault = Some(Problem::new(Place::Cell { line: row.line, column: index + 1, name }, fault(cell)));
            }
        }
        count += 1;
    }
    if count == 0 {
        return Err(Problem::new(Place::Whole, "has a header and no rows"));
    }
    Ok(Table { columns, rows: count, has_header })
}

/// A finite number.
fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

fn is_missing(cell: &str) -> bool {
    matches!(cell.to_ascii_lowercase().as_str(), "" | "na" | "n/a" | "nan" | "null" | "none" | "missing" | "." | "?" | "-")
}

fn fault(cell: &str) -> String {
    if is_missing(cell) {
        let what = if cell.is_empty() { "the cell is empty".to_owned() } else { format!("the value is missing ({})", excerpt(cell)) };
        return format!("{what}; impute it, or remove the row");
    }
    if cell.parse::<f64>().is_ok() {
        return format!("{} is infinite or too large for a double; remove or impute it", excerpt(cell));
    }
    if number(&cell.replace(',', ".")).is_some() {
        return format!("{} has a decimal comma; write a point", excerpt(cell));
    }
    format!("{} is not a number", excerpt(cell))
}

/// No cell of the first line is a number where the second has numbers. A table of one line has a header only if no cell
/// is a number.
fn is_header(first: &Row, second: Option<&Row>) -> bool {
    let text = |cell: &String| number(cell).is_none() && !is_missing(cell);
    if !first.cells.iter().any(text) {
        return false;
    }
    let Some(second) = second else { return first.cells.iter().all(|cell| number(cell).is_none()) };
    // aligned at the right, for headers that have no name for the column of row names
    let mut pairs = first.cells.iter().rev().zip(second.cells.iter().rev());
    !pairs.any(|(above, below)| number(above).is_some() && number(below).is_some())
}

/// A line of cells, trimmed.
struct Row {
    line: u64,
    cells: Vec<String>,
}

/// The lines of a text.
type Lines<'t> = std::slice::Split<'t, u8, fn(&u8) -> bool>;

/// The rows of a text, however they are delimited.
enum Rows<'t> {
    Delimited {
        text: &'t [u8],
        reader: csv::Reader<&'t [u8]>,
        record: csv::ByteRecord,
    },
    /// Any run of blanks delimits, as in what `numpy.savetxt` writes.
    Blanks {
        lines: std::iter::Enumerate<Lines<'t>>,
    },
}

impl<'t> Rows<'t> {
    fn new(text: &'t [u8], tabs: bool) -> Self {
        let delimiter = if tabs { Some(b'\t') } else { detect(text) };
        match delimiter {
            Some(delimiter) => Self::Delimited {
                text,
                reader: csv::ReaderBuilder::new()
                    .delimiter(delimiter)
                    .has_headers(false)
                    .flexible(true)
                    .comment(Some(b'#'))
                    .from_reader(text),
                record: csv::ByteRecord::new(),
            },
            None => Self::Blanks { lines: text.split((|b| *b == b'\n') as fn(&u8) -> bool).enumerate() },
        }
    }

    fn next(&mut self) -> Result<Option<Row>, Problem> {
        match self {
            Self::Delimited { text, reader, record } => {
                let more = reader.read_byte_record(record).map_err(|error| {
                    let place = error.position().map_or(Place::Whole, |position| Place::Line(position.line()));
                    Problem::new(place, error.to_string())
                })?;
                let line = record.position().map_or(0, |position| line_of(text, position));
                let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
                Ok(more.then_some(Row { line, cells }))
            }
            Self::Blanks { lines } => {
                for (index, line) in lines {
                    let line = String::from_utf8_lossy(line);
                    let line = line.trim();
                    if !line.is_empty() && !line.starts_with('#') {
                        let cells = line.split_whitespace().map(|cell| cell.trim_matches('"').to_owned()).collect();
                        return Ok(Some(Row { line: index as u64 + 1, cells }));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// The line of a record: its position is where the last one ended, before empty lines and comments.
fn line_of(text: &[u8], position: &csv::Position) -> u64 {
    let mut rest = text.get(usize::try_from(position.byte()).unwrap_or(usize::MAX)..).unwrap_or_default();
    let mut line = position.line();
    loop {
        let skipped = match rest.first() {
            Some(b'\r' | b'\n') => 1,
            Some(b'#') => rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |end| end + 1),
            _ => return line,
        };
        line += u64::from(rest[skipped - 1] == b'\n');
        rest = &rest[skipped..];
    }
}

/// The delimiter that the first line with data has most of, outside quotes; `None` for blanks. A line without any is a
/// single column, unless it has inner blanks and does not begin with a quote.
fn detect(text: &[u8]) -> Option<u8> {
    let line = text.split(|&b| b == b'\n').find(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for &byte in line {
        quoted ^= byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == *delimiter);
        }
    }
    // the first of equals: max_by_key would take the last
    let (delimiter, count) = counts.into_iter().rev().max_by_key(|&(_, count)| count).unwrap_or((b',', 0));
    let blanks = line.trim_ascii().iter().any(u8::is_ascii_whitespace) && !line.starts_with(b"\"");
    if count == 0 && blanks { None } else { Some(delimiter) }
}

/// Writes a table, with `labels` as its first column where there are some. Complex numbers are refused: the format has none.
///
/// # Errors
/// What writing gives.
pub fn write(array: &Array, labels: Option<&[String]>, tabs: bool, writer: impl Write) -> std::io::Result<()> {
    let Numbers::Real(numbers) = &array.numbers else {
        return Err(std::io::Error::other("a table of text has no complex numbers; use .npy, .npz or .mtx"));
    };
    let mut table = csv::WriterBuilder::new().delimiter(if tabs { b'\t' } else { b',' }).from_writer(writer);
    if let Some(names) = &array.names {
        table.write_record(labels.map(|_| "name").into_iter().chain(names.iter().map(String::as_str)))?;
    }
    for row in 0..array.rows {
        let label = labels.map(|labels| labels.get(row).cloned().unwrap_or_default());
        let cells = (0..array.columns).map(|column| format!("{:?}", numbers[array.index(row, column)]));
        table.write_record(label.into_iter().chain(cells))?;
    }
    table.flush()
}

/// The table as an array: where a single column is left, a vector.
pub(super) fn as_array(mut array: Array) -> Array {
    if array.columns == 1 {
        array.shape = Shape::Vector;
        array.order = Order::ColumnMajor;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        read(text.as_bytes(), false, Header::Auto).unwrap()
    }

    fn names(table: &Table) -> Vec<&str> {
        table.columns.iter().map(|c| c.name.as_str()).collect()
    }

    #[test]
    fn delimiters_and_headers_are_found() {
        for text in [
            "x,y\n1,2\n3,4\n",
            "x;y\n1;2\n3;4",
            "x\ty\r\n1\t2\r\n3\t4\r\n",
            "# note, with, commas\nx y\n1  2\n 3 4\n",
            "\u{feff}x,\"y\"\n\"1\",2\n3,4",
        ] {
            let table = table(text);
            assert_eq!((names(&table), table.rows), (vec!["x", "y"], 2), "{text}");
            assert_eq!(table.columns[1].numbers().unwrap(), [2.0, 4.0], "{text}");
        }
        for text in ["1,2\n3,4", "a,1\nb,2", "1 2\n3 4\n", "NA,2\n3,4"] {
            assert!(!table(text).has_header, "{text}");
        }
        assert_eq!(table("a,b\n\"x, y\",2\n").columns[1].numbers().unwrap(), [2.0]);
    }

    #[test]
    fn row_names_of_other_programs_are_labels() {
        for text in ["\"\",\"x\",\"y\"\n\"1\",5,6\n\"2\",7,8\n", "x y\n1 5 6\n2 7 8\n"] {
            let table = table(text);
            assert_eq!(names(&table), ["", "x", "y"], "{text}");
            assert_eq!(table.to_matrix().unwrap().names.unwrap(), ["x", "y"]);
        }
    }

    #[test]
    fn faults_name_line_and_column_and_only_where_used() {
        let table = table("x,y,z,t\r\n1,2,3,a\n\n# note\r\n4,,1e999,b\n5,NA,\"1,5\",c\n");
        assert_eq!(table.columns[0].numbers().unwrap(), [1.0, 4.0, 5.0]);
        let fault = table.columns[1].numbers().unwrap_err();
        assert_eq!(fault.place, Place::Cell { line: 5, column: 2, name: Some("y".into()) });
        assert!(fault.text.contains("empty"));
        assert!(table.columns[2].numbers().unwrap_err().text.contains("too large"));
        assert!(table.columns[3].is_text() && !table.columns[1].is_text());
        assert!(read("x\n\"1,5\"\n2\n".as_bytes(), false, Header::Yes).unwrap().columns[0].numbers().unwrap_err().text.contains("comma"));
        assert_eq!(read("1,2\n3\n".as_bytes(), false, Header::Auto).unwrap_err().place, Place::Line(2));
    }
}
