//! Every format against files that other programs wrote (data/make_fixtures.py), and against itself.

use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;
use wellposed::c64;
use wellposed_cli::files::{
    Array, Contents, FileError, Formatted, Numbers, Order, Output, Place, ReadOptions, Shape, Source, mtx, npy, npz,
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn read(path: &Path) -> Result<Contents, FileError> {
    Source::parse(path.to_str().unwrap()).read(ReadOptions::default())
}

/// A fixture, written out where it is sparse.
fn fixture(name: &str) -> Array {
    match read(&data(name)).unwrap() {
        Contents::Dense(array) => array,
        Contents::Sparse(matrix) => matrix.to_dense().unwrap(),
    }
}

/// M[i, j] of the fixtures.
fn m(i: usize, j: usize) -> f64 {
    (i + 1) as f64 + (j + 1) as f64 / 8.0
}

#[track_caller]
fn assert_entries(name: &str, expected: impl Fn(usize, usize) -> c64) {
    let array = fixture(name);
    assert_eq!((array.rows, array.columns), (3, 4), "{name}");
    for i in 0..3 {
        for j in 0..4 {
            assert_eq!(array.get(i, j), Some(expected(i, j)), "{name} at {i}, {j}");
        }
    }
    assert_eq!(array.get(3, 0), None);
}

#[test]
fn every_array_that_numpy_writes() {
    let real = |v: f64| c64::new(v, 0.0);
    for kind in ["f4", "f8"] {
        for bytes in ["little", "big"] {
            for order in ["c", "fortran"] {
                assert_entries(&format!("{kind}_{bytes}_{order}.npy"), |i, j| real(m(i, j)));
            }
        }
    }
    let both = |kind: &str, expected: &dyn Fn(usize, usize) -> c64| {
        assert_entries(&format!("{kind}_little_c.npy"), expected);
        assert_entries(&format!("{kind}_big_fortran.npy"), expected);
    };
    for kind in ["c8", "c16"] {
        both(kind, &|i, j| c64::new(m(i, j), i as f64 + j as f64 / 4.0));
        assert!(fixture(&format!("{kind}_little_c.npy")).numbers.is_complex());
    }
    for kind in ["i1", "i2", "i4", "i8"] {
        both(kind, &|i, j| real(m(i, j).floor() * if (i + j) % 2 == 0 { 1.0 } else { -1.0 }));
    }
    for kind in ["u1", "u2", "u4", "u8"] {
        both(kind, &|i, j| real(m(i, j).floor()));
    }
    assert_entries("bool.npy", |i, j| real(f64::from(u8::from(m(i, j) > 2.0))));
    assert_entries("version2.npy", |i, j| real(m(i, j)));
    assert_entries("version3.npy", |i, j| real(m(i, j)));
    assert_entries("savetxt.txt", |i, j| real(m(i, j)));
    let vector = fixture("vector.npy");
    assert_eq!((vector.shape, vector.numbers), (Shape::Vector, Numbers::Real(vec![1.5, -2.25, 4.0])));
}

#[test]
fn arrays_of_an_archive_go_by_name() {
    for archive in ["stored.npz", "compressed.npz"] {
        assert_entries(&format!("{archive}:A"), |i, j| c64::new(m(i, j), 0.0));
        assert_eq!(fixture(&format!("{archive}:b")).numbers, Numbers::Real(vec![1.5, -2.25, 4.0]));
        let several = read(&data(archive)).unwrap_err().to_string();
        assert!(several.contains("A, b") && several.contains("file.npz:A"), "{several}");
        let absent = read(&data(&format!("{archive}:x"))).unwrap_err().to_string();
        assert!(absent.contains("no array 'x'") && absent.contains("A, b"), "{absent}");
    }
    assert_entries("single.npz", |i, j| c64::new(m(i, j), i as f64 + j as f64 / 4.0));
}

#[test]
fn every_matrix_that_scipy_writes() {
    assert_entries("array_real.mtx", |i, j| c64::new(m(i, j), 0.0));
    assert_entries("coordinate_real.mtx", |i, j| c64::new(m(i, j), 0.0));
    assert_entries("array_complex.mtx", |i, j| c64::new(m(i, j), i as f64 + j as f64 / 4.0));
    assert_entries("array_integer.mtx", |i, j| c64::new(m(i, j).floor() * if (i + j) % 2 == 0 { 1.0 } else { -1.0 }, 0.0));
    for symmetry in ["symmetric", "skew", "hermitian"] {
        let whole = fixture(&format!("symmetric.npz:{symmetry}"));
        for format in ["array", "coordinate"] {
            let stored = fixture(&format!("{format}_{symmetry}.mtx"));
            for k in 0..9 {
                assert_eq!(stored.get(k / 3, k % 3), whole.get(k / 3, k % 3), "{format} {symmetry} {k}");
            }
        }
    }
}

/// What `text` is read as, its entries row after row.
fn matrix(text: &str) -> Result<Vec<f64>, (Place, String)> {
    let contents = mtx::read(text.as_bytes()).map_err(|problem| (problem.place, problem.text))?;
    let array = match contents {
        Contents::Dense(array) => array,
        Contents::Sparse(matrix) => matrix.to_dense().unwrap(),
    };
    Ok((0..array.rows * array.columns).map(|k| array.get(k / array.columns, k % array.columns).unwrap().re).collect())
}

#[test]
fn matrix_market_by_hand() {
    let banner = "%%matrixmarket MATRIX Coordinate";
    assert_eq!(matrix(&format!("{banner} pattern symmetric\n% note\n\n 2 2 2\n1 1\n 2\t1 \n")).unwrap(), [1.0, 1.0, 1.0, 0.0]);
    // assembled matrices repeat entries, and mean their sum
    assert_eq!(matrix(&format!("{banner} integer general\r\n1 2 3\r\n1 1 4\r\n1 1 -1\r\n1 2 7\r\n")).unwrap(), [3.0, 7.0]);
    assert_eq!(matrix("%%MatrixMarket matrix array real skew-symmetric\n1 1\n").unwrap(), [0.0]);
    assert!(matrix("%%MatrixMarket matrix array real general\n0 5\n").unwrap().is_empty());
    for (text, line, word) in [
        ("real general\n2 2 1\n1 3 1.0\n", 3, "column 3 is outside"),
        ("real general\n2 2 2\n1 2 1.0\n", 3, "ends after 1 of the 2"),
        ("real general\n2 2 1\n1 2 1.0\n1 1 1\n", 4, "more than the 1"),
        ("real general\n2 2 1\n1 2 1e400\n", 3, "too large"),
        ("real general\n2 2 1\n1 2 nan\n", 3, "NaN"),
        ("real general\n2 2 1\n1 2 1,5\n", 3, "not a number"),
        ("real general\n-2 2 1\n1 2 1.5\n", 2, "rows, columns and the number"),
        ("integer general\n1 1 1\n1 1 9007199254740993\n", 3, "no exact double"),
        ("integer general\n1 1 1\n1 1 1.5\n", 3, "not a whole number"),
        ("real symmetric\n2 2 1\n1 2 1.0\n", 3, "lower triangle"),
        ("real symmetric\n2 3 1\n1 2 1.0\n", 2, "not square"),
        ("real skew-symmetric\n2 2 1\n1 1 1.0\n", 3, "no diagonal"),
        ("complex hermitian\n2 2 1\n1 1 1.0 2.0\n", 3, "is real"),
        ("real hermitian\n2 2 1\n1 1 1.0\n", 1, "complex field"),
        ("real general\n4000000000 4000000000 1\n1 1 1.0\n", 2, "damaged size line"),
    ] {
        let (place, found) = matrix(&format!("{banner} {text}")).unwrap_err();
        assert_eq!(place, Place::Line(line), "{text}: {found}");
        assert!(found.contains(word), "{text}: {found}");
    }
    // sizes that no memory holds are refused by what is missing, not by running out of it
    for sizes in ["1000000000 1000000000", "99999999999 3"] {
        let (_, found) = matrix(&format!("%%MatrixMarket matrix array real general\n{sizes}\n1\n")).unwrap_err();
        assert!(found.contains("ends after 1"), "{found}");
    }
}

#[test]
fn malformed_matrices_are_refused_by_file_and_line() {
    let mut count = 0;
    for entry in fs::read_dir(data("badmtx")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = read(&path).unwrap_err().to_string();
        assert!(text.contains(&format!("{name}, line ")), "{text}");
        if name.starts_with("zero_based") {
            assert!(text.contains("row 0 does not exist: Matrix Market counts from 1"), "{text}");
        }
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn images_are_pixels_from_black_to_white() {
    for name in ["grey8.png", "grey16.png"] {
        let image = fixture(name);
        assert_eq!((image.rows, image.columns, image.shape), (2, 3, Shape::Image));
        let Numbers::Real(pixels) = image.numbers else { panic!("{name}") };
        for (k, pixel) in pixels.iter().enumerate() {
            assert!((pixel - k as f64 / 5.0).abs() < 1e-15, "{name} {k}: {pixel}");
        }
    }
    let Numbers::Real(luma) = fixture("rgb8.png").numbers else { panic!() };
    for (pixel, expected) in luma.iter().zip([0.299, 0.587, 0.114, 0.2, 0.0, 1.0]) {
        assert!((pixel - expected).abs() < 1e-15, "{luma:?}");
    }
    assert!(read(&data("rgba_clear.png")).unwrap_err().to_string().contains("transparent"));
}

#[test]
fn values_that_are_not_finite_are_refused_by_row_and_column() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("A.npy");
    let numbers = Numbers::Real(vec![1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0]);
    let array = Array { order: Order::RowMajor, ..Array::matrix(2, 3, numbers).unwrap() };
    npy::write(&array, fs::File::create(&path).unwrap()).unwrap();
    let text = read(&path).unwrap_err().to_string();
    assert!(text.contains("A.npy, row 2, column 1: the value is NaN"), "{text}");
}

#[test]
fn nothing_is_overwritten_or_left_half_written() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let x = Array::vector(Numbers::Real(vec![1.0]));
    let formatted = Formatted { array: &x, labels: None, name: "x", beside: &[], grid: None };
    let output = Output::for_array(&path, false).unwrap();
    // another program was faster
    fs::write(&path, "precious").unwrap();
    assert!(output.write_array(formatted).unwrap_err().to_string().contains("--force"));
    assert!(Output::for_array(&path, false).unwrap_err().to_string().contains("x.npy: exists already; --force"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let forced = Output::for_array(&path, true).unwrap();
    let failed = forced.write(|writer| -> std::io::Result<()> {
        std::io::Write::write_all(writer, b"half")?;
        Err(std::io::Error::other("disk full"))
    });
    assert!(failed.unwrap_err().to_string().contains("disk full"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    forced.write_array(formatted).unwrap();
    assert_eq!(read(&path).unwrap(), Contents::Dense(x));
    assert!(Output::new(&folder.path().join("absent/x.npy"), true).unwrap_err().to_string().contains("folder does not exist"));
    assert!(Output::for_array(&folder.path().join("x.dat"), true).unwrap_err().to_string().contains(".npy, .npz"));
}

#[cfg(unix)]
#[test]
fn a_new_file_is_as_readable_as_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let (ours, plain) = (folder.path().join("ours.json"), folder.path().join("plain.json"));
    Output::new(&ours, false).unwrap().write_text("{}").unwrap();
    fs::write(&plain, "{}").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

/// Any finite double, from the whole range of exponents.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>().prop_filter("finite", |v| v.is_finite()), (-9i32..9).prop_map(f64::from)]
}

fn array() -> impl Strategy<Value = Array> {
    (1usize..6, 1usize..5, any::<bool>(), any::<bool>()).prop_flat_map(|(rows, columns, complex, row_major)| {
        prop::collection::vec((number(), number()), rows * columns).prop_map(move |values| {
            let mut numbers = Numbers::new(complex);
            values.iter().for_each(|&(re, im)| numbers.push(c64::new(re, im)));
            let order = if row_major { Order::RowMajor } else { Order::ColumnMajor };
            Array { order, ..Array::matrix(rows, columns, numbers).unwrap() }
        })
    })
}

fn same_bits(left: &Array, right: &Array) -> bool {
    let bits = |array: &Array, i, j| array.get(i, j).map(|v| (v.re.to_bits(), v.im.to_bits()));
    (left.rows, left.columns) == (right.rows, right.columns)
        && (0..left.rows).all(|i| (0..left.columns).all(|j| bits(left, i, j) == bits(right, i, j)))
}

proptest! {
    /// What is written is what is read, to the last bit, in every format that holds numbers.
    #[test]
    fn formats_give_back_what_they_are_given(array in array()) {
        let folder = tempdir().unwrap();
        for name in ["a.npy", "a.npz", "a.mtx", "a.mtx.gz", "a.csv", "a.tsv.gz", "a.txt"] {
            let table = !name.contains(".np") && !name.contains(".mtx");
            let path = folder.path().join(name);
            let formatted = Formatted { array: &array, labels: None, name: "A", beside: &[], grid: None };
            let written = Output::for_array(&path, false).unwrap().write_array(formatted);
            if table && array.numbers.is_complex() {
                prop_assert!(written.unwrap_err().to_string().contains(".npy"));
                continue;
            }
            written.unwrap();
            let Contents::Dense(back) = read(&path).unwrap() else { return Err(TestCaseError::fail("sparse")) };
            prop_assert!(same_bits(&array, &back), "{name}: {array:?} {back:?}");
        }
    }

    #[test]
    fn images_keep_sixteen_bits(pixels in prop::collection::vec(0u16..=u16::MAX, 12)) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("image.png");
        let values: Vec<f64> = pixels.iter().map(|&v| f64::from(v) / 65535.0).collect();
        let image = Array::matrix(3, 4, Numbers::Real(values)).unwrap();
        let formatted = Formatted { array: &image, labels: None, name: "x", beside: &[], grid: None };
        prop_assert_eq!(Output::for_array(&path, false).unwrap().write_array(formatted).unwrap(), 0);
        let Contents::Dense(back) = read(&path).unwrap() else { return Err(TestCaseError::fail("sparse")) };
        prop_assert!(same_bits(&image, &back));
    }
}

/// A valid file of each format, for mutation.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        ("npy", "f8_little_c.npy"),
        ("npy", "c8_big_fortran.npy"),
        ("npy", "version3.npy"),
        ("npz", "compressed.npz"),
        ("npz", "stored.npz"),
        ("mtx", "coordinate_hermitian.mtx"),
        ("mtx", "array_symmetric.mtx"),
        ("png", "rgb8.png"),
        ("png", "grey16.png"),
        ("txt", "savetxt.txt"),
    ];
    let mut seeds: Vec<_> = names.into_iter().map(|(kind, name)| (kind, fs::read(data(name)).unwrap())).collect();
    seeds.push(("csv", b"\"a, b\",y,\n1,2.5,x\n# note\n-3e-2,NA,\"y\n\"\n".to_vec()));
    seeds
}

/// Reads from memory as the command reads from a file. What comes back has as many numbers as it says.
fn feed(kind: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    use wellposed_cli::files::{delimited, image};
    let array = match kind {
        "npy" => npy::read(bytes).ok(),
        "npz" => npz::read(std::io::Cursor::new(bytes), Some("A")).ok(),
        "png" => image::read(std::io::Cursor::new(bytes)).ok(),
        "mtx" => match mtx::read(bytes) {
            Ok(Contents::Dense(array)) => Some(array),
            Ok(Contents::Sparse(matrix)) => {
                prop_assert_eq!(matrix.row_indices.len(), matrix.numbers.len());
                prop_assert!(matrix.row_indices.iter().all(|&i| i < matrix.rows));
                prop_assert!(matrix.column_indices.iter().all(|&j| j < matrix.columns));
                None
            }
            Err(_) => None,
        },
        _ => delimited::read(bytes, kind == "tsv", delimited::Header::Auto).and_then(|table| table.to_matrix()).ok(),
    };
    if let Some(array) = array {
        prop_assert_eq!(array.rows.checked_mul(array.columns), Some(array.numbers.len()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Damaged files: bytes changed, cut off, put in, or repeated. Nothing may panic or ask for absurd memory.
    #[test]
    fn damaged_files_are_refused_not_fatal(
        which in 0usize..11,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..5), 1..6),
    ) {
        let (kind, mut bytes) = seeds().swap_remove(which);
        for (place, value, what) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match what {
                0 => bytes[at] = value,
                1 => bytes[at] ^= 1 << (value % 8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, b"0123456789 ,\n%-e"[usize::from(value % 16)]),
                _ => {
                    let end = (at + usize::from(value)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        feed(kind, &bytes)?;
    }

    #[test]
    fn arbitrary_bytes_are_refused_not_fatal(
        kind in prop::sample::select(vec!["npy", "npz", "mtx", "png", "csv", "tsv"]),
        magic in any::<bool>(),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut bytes = match kind {
            _ if !magic => Vec::new(),
            "npy" => b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }".to_vec(),
            "npz" => b"PK\x03\x04".to_vec(),
            "mtx" => b"%%MatrixMarket matrix coordinate real general\n".to_vec(),
            "png" => b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
            _ => b"x,y\n1,2\n".to_vec(),
        };
        bytes.extend(rest);
        feed(kind, &bytes)?;
    }

    /// Text of the right alphabet gets deeper into the parsers than bytes do.
    #[test]
    fn arbitrary_text_is_refused_not_fatal(
        banner in prop::sample::select(vec!["coordinate real general", "coordinate complex hermitian", "array integer symmetric", "array real skew-symmetric"]),
        text in "[0-9 .e+\n-]{0,80}",
        header in "[{}'a-z_:<>|0-9,() \\[\\]TF]{0,60}",
    ) {
        feed("mtx", format!("%%MatrixMarket matrix {banner}\n{text}").as_bytes())?;
        feed("csv", text.as_bytes())?;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([0; 40]);
        feed("npy", &bytes)?;
    }
}
