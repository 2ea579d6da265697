//! NumPy's `.npz`: a zip file of `.npy` arrays, each with a name (`file.npz:A`).

use super::{Array, Place, Problem, npy};
use std::io::{Read, Seek, Write};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Names that a message lists.
const NAMES_SHOWN: usize = 12;

/// Reads the array of this name; without a name, the only one there is.
///
/// # Errors
/// A damaged archive, a name that is not there, no name where there are several, and what [`npy::read`] refuses.
pub fn read(reader: impl Read + Seek, name: Option<&str>) -> Result<Array, Problem> {
    let mut archive = ZipArchive::new(reader).map_err(damaged)?;
    let mut names = Vec::new();
    for name in archive.file_names() {
        if let Some(name) = name.map_err(damaged)?.strip_suffix(".npy") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let listed = || {
        let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
        format!("it has {}{more}", names[..names.len().min(NAMES_SHOWN)].join(", "))
    };
    let chosen = match (name, &names[..]) {
        (_, []) => return Err(Problem::new(Place::Whole, "holds no arrays")),
        (None, [only]) => only.clone(),
        (None, _) => return Err(Problem::new(Place::Whole, format!("holds several arrays; name one, as in file.npz:A: {}", listed()))),
        (Some(name), _) if names.iter().any(|n| n == name) => name.to_owned(),
        (Some(name), _) => return Err(Problem::new(Place::Whole, format!("holds no array '{name}': {}", listed()))),
    };
    let member = archive.by_name(&format!("{chosen}.npy")).map_err(damaged)?;
    // it reads to the end, where the checksum is compared
    npy::read(member).map_err(|problem| Problem { text: format!("array '{chosen}' {}", problem.text), ..problem })
}

fn damaged(error: ZipError) -> Problem {
    match error {
        ZipError::Io(error) => error.into(),
        other => Problem::new(Place::Whole, format!("is not a readable .npz file: {other}")),
    }
}

/// Writes arrays under their names, compressed. The same arrays give the same bytes: no time is recorded.
///
/// # Errors
/// What writing gives.
pub fn write(arrays: &[(&str, &Array)], writer: impl Write + Seek) -> std::io::Result<()> {
    let mut archive = ZipWriter::new(writer);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .large_file(true);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        let mut buffer = std::io::BufWriter::new(&mut archive);
        npy::write(array, &mut buffer)?;
        buffer.flush()?;
    }
    archive.finish()?.flush()
}
