//! What the user names as an input: a file, with the array or column in it where it has several.

use super::delimited::{self, Header, Table};
use super::{Contents, FileError, Place, Problem, image, mtx, npy, npz};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A file and what to take of it: `A.npy`, `data.npz:A`, `A.mtx.gz`, `data.csv:y`, `photo.png`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The array or column, after the colon.
    pub member: Option<String>,
}

/// How to read what a file leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Whether tables have a header.
    pub header: Header,
}

/// The formats, by the end of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One NumPy array.
    Npy,
    /// Several NumPy arrays.
    Npz,
    /// Matrix Market.
    Mtx,
    /// A table of text.
    Table {
        /// Whether tabs delimit whatever the first line looks like.
        tabs: bool,
    },
    /// An image.
    Png,
}

const KNOWN: &str = "known are .npy, .npz, .mtx, .csv, .tsv, .txt, .png, and .mtx, .csv, .tsv, .txt with .gz";

impl Format {
    /// The format and whether it is compressed by gzip.
    ///
    /// # Errors
    /// A name that tells neither.
    pub fn of(path: &Path) -> Result<(Self, bool), Problem> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let (name, gz) = name.strip_suffix(".gz").map_or((name.as_str(), false), |name| (name, true));
        let format = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("npy") if !gz => Self::Npy,
            Some("npz") if !gz => Self::Npz,
            Some("mtx") => Self::Mtx,
            Some("csv" | "txt") => Self::Table { tabs: false },
            Some("tsv") => Self::Table { tabs: true },
            Some("png") if !gz => Self::Png,
            _ => return Err(Problem::new(Place::Whole, format!("the end of the name tells no format; {KNOWN}"))),
        };
        Ok((format, gz))
    }

    fn has_members(self) -> bool {
        matches!(self, Self::Npz | Self::Table { .. })
    }
}

impl Source {
    /// Splits `file.npz:A` at its last colon where the part before it is the name of a file with members.
    pub fn parse(text: &str) -> Self {
        let has_members = |path: &str| Format::of(Path::new(path)).is_ok_and(|(format, _)| format.has_members());
        match text.rsplit_once(':') {
            Some((path, member)) if has_members(path) && !member.is_empty() => Self { path: path.into(), member: Some(member.to_owned()) },
            _ => Self { path: text.into(), member: None },
        }
    }

    /// Reads it, and refuses NaN and infinite entries.
    ///
    /// # Errors
    /// What the format's reader refuses.
    pub fn read(&self, options: ReadOptions) -> Result<Contents, FileError> {
        self.read_contents(options).map_err(|problem| problem.in_file(self.path.display()))
    }

    /// Reads a table, whatever its cells are.
    ///
    /// # Errors
    /// A file of another format, and what the reader refuses.
    pub fn read_table(&self, options: ReadOptions) -> Result<Table, FileError> {
        let read = || match Format::of(&self.path)? {
            (Format::Table { tabs }, gz) => self.table(tabs, gz, options),
            _ => Err(Problem::new(Place::Whole, "is not a table with named columns; .csv, .tsv and .txt are")),
        };
        read().map_err(|problem| problem.in_file(self.path.display()))
    }

    fn table(&self, tabs: bool, gz: bool, options: ReadOptions) -> Result<Table, Problem> {
        delimited::read(self.open(gz)?, tabs, options.header)
    }

    fn open(&self, gz: bool) -> Result<Box<dyn Read>, Problem> {
        let file = File::open(&self.path)?;
        if file.metadata()?.is_dir() {
            return Err(Problem::new(Place::Whole, "is a folder"));
        }
        Ok(if gz { Box::new(MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(file) })
    }

    fn read_contents(&self, options: ReadOptions) -> Result<Contents, Problem> {
        let (format, gz) = Format::of(&self.path)?;
        let array = match format {
            Format::Mtx => return mtx::read(BufReader::new(self.open(gz)?)),
            Format::Npy => npy::read(BufReader::new(self.open(gz)?))?,
            Format::Npz => npz::read(BufReader::new(File::open(&self.path)?), self.member.as_deref())?,
            Format::Png => image::read(BufReader::new(File::open(&self.path)?))?,
            Format::Table { tabs } => {
                let table = self.table(tabs, gz, options)?;
                delimited::as_array(match &self.member {
                    Some(name) => table.matrix(&[table.column(name)?])?,
                    None => table.to_matrix()?,
                })
            }
        };
        array.check_finite()?;
        Ok(Contents::Dense(array))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.member.as_ref().map_or(Ok(()), |member| write!(f, ":{member}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_names_a_member_only_of_a_file_that_has_some() {
        let member = |text| Source::parse(text).member;
        assert_eq!(member("data.npz:A"), Some("A".into()));
        assert_eq!(member(r"C:\data.csv:y z"), Some("y z".into()));
        assert_eq!(member("data.csv.gz:y"), Some("y".into()));
        for plain in [r"C:\data.csv", "a.npy:x", "data.npz", "data.npz:", "x:data.npz"] {
            assert_eq!(member(plain), None, "{plain}");
        }
    }
}
