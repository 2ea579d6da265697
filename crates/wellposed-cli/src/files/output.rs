//! Files out: under a temporary name first, so that a file is either whole or not there, and never over one that exists
//! unless that was asked for.

use super::source::Format;
use super::{Array, FileError, Place, Problem, Shape, delimited, image, mtx, npy, npz};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// A file that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    path: PathBuf,
    overwrite: bool,
}

/// An array on its way to a file of any format.
#[derive(Debug, Clone, Copy)]
pub struct Formatted<'a> {
    /// The array.
    pub array: &'a Array,
    /// Names of its rows, which tables have as their first column.
    pub labels: Option<&'a [String]>,
    /// Its name in an `.npz` file.
    pub name: &'a str,
    /// Further arrays of an `.npz` file.
    pub beside: &'a [(&'a str, &'a Array)],
    /// Rows and columns of the pixels, where a vector is written as an image.
    pub grid: Option<(usize, usize)>,
}

impl Output {
    /// Checks that the file may be written: before anything is computed, so that no result is lost in the end.
    ///
    /// # Errors
    /// A file that exists without `overwrite`, or a folder that does not exist.
    pub fn new(path: &Path, overwrite: bool) -> Result<Self, FileError> {
        let refuse = |text: &str| Err(Problem::new(Place::Whole, text).in_file(path.display()));
        if path.is_dir() {
            return refuse("is a folder");
        }
        if path.symlink_metadata().is_ok() && !overwrite {
            return refuse("exists already; --force overwrites it");
        }
        if !folder(path).is_dir() {
            return refuse("its folder does not exist; create it first");
        }
        Ok(Self { path: path.to_owned(), overwrite })
    }

    /// The same for an array, whose format the end of the name tells.
    ///
    /// # Errors
    /// As [`new`](Self::new), and a name that tells no format.
    pub fn for_array(path: &Path, overwrite: bool) -> Result<Self, FileError> {
        Format::of(path).map_err(|problem| problem.in_file(path.display()))?;
        Self::new(path, overwrite)
    }

    /// Refuses an array that the format cannot hold, before it is computed.
    ///
    /// # Errors
    /// Complex numbers in a table or an image, and an image whose rows and columns are not known.
    pub fn check(&self, shape: Shape, complex: bool, grid: Option<(usize, usize)>) -> Result<(), FileError> {
        let in_file = |problem: Problem| problem.in_file(self.path.display());
        let refuse = |text: &str| Err(in_file(Problem::new(Place::Whole, text)));
        match Format::of(&self.path).map_err(in_file)?.0 {
            Format::Table { .. } if complex => refuse("a table of text has no complex numbers; use .npy, .npz or .mtx"),
            Format::Png if complex => refuse("an image has no complex pixels; use .npy, .npz or .mtx"),
            Format::Png if shape == Shape::Vector && grid.is_none() => refuse("needs the shape of the image: --grid ROWSxCOLUMNS"),
            _ => Ok(()),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the end of its name says that it is a table of text.
    pub fn is_table(&self) -> bool {
        matches!(Format::of(&self.path), Ok((Format::Table { .. }, _)))
    }

    /// Writes what `fill` writes, all of it or nothing.
    ///
    /// # Errors
    /// What writing gives; a file that has appeared since [`new`](Self::new).
    pub fn write<V>(&self, fill: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> std::io::Result<V>) -> Result<V, FileError> {
        let attempt = || -> std::io::Result<V> {
            let mut builder = Builder::new();
            builder.prefix(".wellposed-").suffix(".part");
            #[cfg(unix)]
            {
                // what any program gives a new file, less the user's mask; temporary files are otherwise private
                use std::os::unix::fs::PermissionsExt;
                builder.permissions(std::fs::Permissions::from_mode(0o666));
            }
            let mut file = builder.tempfile_in(folder(&self.path))?;
            let mut writer = BufWriter::new(&mut file);
            let value = fill(&mut writer)?;
            writer.flush()?;
            drop(writer);
            file.as_file().sync_all()?;
            let persisted = if self.overwrite { file.persist(&self.path) } else { file.persist_noclobber(&self.path) };
            persisted.map_err(|error| error.error)?;
            Ok(value)
        };
        attempt().map_err(|error| {
            let problem = match error.kind() {
                std::io::ErrorKind::AlreadyExists => Problem::new(Place::Whole, "exists already; --force overwrites it"),
                _ => Problem::new(Place::Whole, format!("cannot be written: {error}")),
            };
            problem.in_file(self.path.display())
        })
    }

    /// Writes text.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_text(&self, text: &str) -> Result<(), FileError> {
        self.write(|writer| writer.write_all(text.as_bytes()))
    }

    /// Writes an array in the format that the name tells, and returns how many pixels of an image were clipped.
    ///
    /// # Errors
    /// As [`write`](Self::write); an array that the format cannot hold.
    pub fn write_array(&self, formatted: Formatted<'_>) -> Result<usize, FileError> {
        let in_file = |problem: Problem| problem.in_file(self.path.display());
        let (format, gz) = Format::of(&self.path).map_err(in_file)?;
        let array = formatted.array;
        self.check(array.shape, array.numbers.is_complex(), formatted.grid)?;
        match format {
            Format::Npy => self.write(|writer| npy::write(array, writer)).map(|()| 0),
            Format::Npz => {
                let arrays: Vec<(&str, &Array)> =
                    std::iter::once((formatted.name, array)).chain(formatted.beside.iter().copied()).collect();
                // zip goes back to fill in sizes
                self.write(|writer| {
                    let mut bytes = std::io::Cursor::new(Vec::new());
                    npz::write(&arrays, &mut bytes)?;
                    writer.write_all(bytes.get_ref())
                })
                .map(|()| 0)
            }
            Format::Mtx => self.write_compressed(gz, |writer| mtx::write(array, writer)).map(|()| 0),
            Format::Table { tabs } => {
                self.write_compressed(gz, |writer| delimited::write(array, formatted.labels, tabs, writer)).map(|()| 0)
            }
            Format::Png => match (array.shape, formatted.grid) {
                (Shape::Vector, Some((rows, columns))) => {
                    let image = Array::matrix(rows, columns, array.numbers.clone()).map_err(in_file)?;
                    self.write(|writer| image::write(&image, writer))
                }
                _ => self.write(|writer| image::write(array, writer)),
            },
        }
    }

    fn write_compressed(&self, gz: bool, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), FileError> {
        self.write(|writer| {
            if !gz {
                return fill(writer);
            }
            let mut encoder = GzEncoder::new(writer, Compression::default());
            fill(&mut encoder)?;
            encoder.finish().map(drop)
        })
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
