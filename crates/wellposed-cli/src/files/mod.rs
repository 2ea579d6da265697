//! Files in and out, one format in each module. Readers trust no size that a header states: room is made as data arrive.
//! Every refusal names the file and, where there is one, the line, row or column, counted from 1.

pub mod array;
pub mod delimited;
pub mod image;
pub mod mtx;
pub mod npy;
pub mod npz;
pub mod output;
pub mod source;

pub use array::{Array, Contents, Coordinates, Numbers, Order, Shape};
pub use output::{Formatted, Output};
pub use source::{ReadOptions, Source};

use std::fmt;

/// Where in a file something is wrong. Lines, rows, columns and entries count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A line of text.
    Line(u64),
    /// A column of a line; its name where the table has a header.
    Cell {
        /// Line in the file.
        line: u64,
        /// Column.
        column: usize,
        /// Name of the column.
        name: Option<String>,
    },
    /// An entry of a vector.
    Entry(usize),
    /// An entry of a matrix.
    Position {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
    },
}

/// What is wrong, and where, in a file that is not yet named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub text: String,
}

/// What is wrong with a file, and where: the text that the user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}: {}", .problem.place, .problem.text)]
pub struct FileError {
    /// The file, as the user named it.
    pub path: String,
    /// The rest.
    pub problem: Problem,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: Place, text: impl Into<String>) -> Self {
        Self { place, text: text.into() }
    }

    /// The same, of this file.
    pub fn in_file(self, path: impl fmt::Display) -> FileError {
        FileError { path: path.to_string(), problem: self }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        let text = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::UnexpectedEof => "the file ends too early".to_owned(),
            _ => error.to_string(),
        };
        Self::new(Place::Whole, text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Line(line) => write!(f, ", line {line}"),
            Place::Cell { line, column, name: Some(name) } => write!(f, ", line {line}, column {column} ({name})"),
            Place::Cell { line, column, name: None } => write!(f, ", line {line}, column {column}"),
            Place::Entry(entry) => write!(f, ", entry {entry}"),
            Place::Position { row, column } => write!(f, ", row {row}, column {column}"),
        }
    }
}

/// What the user typed, shortened to what a message can hold, without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 40;
    let clean: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() { format!("'{clean}…'") } else { format!("'{clean}'") }
}
