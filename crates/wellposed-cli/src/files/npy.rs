//! NumPy's `.npy`: versions 1 to 3, `f4 f8 c8 c16`, all integers and `bool`, both byte orders, C and Fortran order, up to
//! two dimensions. Written as version 1.0, little-endian `f8` or `c16`.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. Objects, records, strings and other
//! float sizes are refused with the conversion that helps; integers that a double cannot hold are refused, not rounded.

use super::array::exact;
use super::{Array, Numbers, Order, Place, Problem, Shape, excerpt};
use std::io::{Read, Write};
use wellposed::c64;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Headers of numeric arrays have about a hundred bytes; NumPy itself refuses more than 10 000 unless told otherwise.
const LONGEST_HEADER: usize = 1 << 16;
/// Numbers that are read at once, and by which the room for them grows at first.
const CHUNK: usize = 1 << 13;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    Complex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Type {
    kind: Kind,
    bytes: usize,
    big_endian: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    descr: Type,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// Reads one array and the end of the file after it.
///
/// # Errors
/// Anything that is not such an array, with what to do about it.
pub fn read(mut reader: impl Read) -> Result<Array, Problem> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| whole("is too short for a .npy file"))?;
    if &start[..6] != MAGIC {
        return Err(whole("is not a .npy file: it does not begin with \\x93NUMPY"));
    }
    let length = match start[6] {
        1 => {
            let mut bytes = [0; 2];
            reader.read_exact(&mut bytes)?;
            usize::from(u16::from_le_bytes(bytes))
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            reader.read_exact(&mut bytes)?;
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        }
        version => return Err(whole(format!("has .npy version {version}; versions 1 to 3 are known"))),
    };
    if length > LONGEST_HEADER {
        return Err(whole(format!("has a header of {length} bytes, which no numeric array needs")));
    }
    let mut header = vec![0; length];
    reader.read_exact(&mut header).map_err(|_| whole("ends inside its header"))?;
    let header = Parser { text: &header, at: 0 }.header()?;
    let (rows, columns, shape) = match header.shape[..] {
        [] => (1, 1, Shape::Vector),
        [n] => (n, 1, Shape::Vector),
        [m, n] => (m, n, Shape::Matrix),
        _ => {
            let extents: Vec<String> = header.shape.iter().map(u64::to_string).collect();
            return Err(whole(format!("has shape {}; one or two dimensions are needed: use a.reshape(m, n)", extents.join("×"))));
        }
    };
    let size = |extent: u64| usize::try_from(extent).ok();
    let (Some(rows), Some(columns)) = (size(rows), size(columns)) else { return Err(too_many(rows, columns)) };
    let Some(count) = rows.checked_mul(columns).filter(|count| count.checked_mul(16).is_some()) else {
        return Err(too_many(rows as u64, columns as u64));
    };
    let numbers = read_numbers(&mut reader, header.descr, count)?;
    if reader.read(&mut [0])? != 0 {
        return Err(whole(format!("has more bytes than its {rows}×{columns} array needs")));
    }
    let order = if header.fortran_order || shape == Shape::Vector { Order::ColumnMajor } else { Order::RowMajor };
    Ok(Array { rows, columns, order, numbers, shape, names: None })
}

fn read_numbers(reader: &mut impl Read, kind: Type, count: usize) -> Result<Numbers, Problem> {
    let mut numbers = Numbers::new(kind.kind == Kind::Complex);
    let mut buffer = vec![0; kind.bytes * CHUNK.min(count)];
    while numbers.len() < count {
        let bytes = kind.bytes * CHUNK.min(count - numbers.len());
        let buffer = &mut buffer[..bytes];
        fill(reader, buffer).map_err(|error| match error {
            Some(error) => Problem::from(error),
            None => whole(format!("ends before the {count} numbers that its header promises")),
        })?;
        numbers.reserve(buffer.len() / kind.bytes)?;
        for item in buffer.chunks_exact_mut(kind.bytes) {
            let place = numbers.len() + 1;
            let value = kind.decode(item).ok_or_else(|| {
                Problem::new(Place::Entry(place), "the integer has no exact double; save it as float64 to accept rounding: a.astype('f8')")
            })?;
            numbers.push(value);
        }
    }
    Ok(numbers)
}

/// `None` is the end of the file.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), Option<std::io::Error>> {
    reader.read_exact(buffer).map_err(|error| if error.kind() == std::io::ErrorKind::UnexpectedEof { None } else { Some(error) })
}

fn too_many(rows: u64, columns: u64) -> Problem {
    whole(format!("claims {rows}×{columns} entries, more than an address space holds"))
}

fn whole(text: impl Into<String>) -> Problem {
    Problem::new(Place::Whole, text)
}

impl Type {
    /// `<f8`, `|b1`, `>c16`, ...
    fn parse(descr: &str) -> Result<Self, Problem> {
        let refuse = |way_out: &str| Err(whole(format!("has elements of type {}: {way_out}", excerpt(descr))));
        let big_endian = match descr.as_bytes().first() {
            Some(b'>') => true,
            Some(b'<' | b'|') => false,
            // '=' does not appear in files that NumPy writes, since it would depend on the machine
            _ => return refuse("save it as float64 or complex128: a.astype('f8')"),
        };
        let (kind, bytes) = match &descr[1..] {
            "b1" => (Kind::Bool, 1),
            "i1" => (Kind::Signed, 1),
            "i2" => (Kind::Signed, 2),
            "i4" => (Kind::Signed, 4),
            "i8" => (Kind::Signed, 8),
            "u1" => (Kind::Unsigned, 1),
            "u2" => (Kind::Unsigned, 2),
            "u4" => (Kind::Unsigned, 4),
            "u8" => (Kind::Unsigned, 8),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            "c8" => (Kind::Complex, 8),
            "c16" => (Kind::Complex, 16),
            "O" => return refuse("objects are not numbers; save it with a.astype('f8')"),
            _ => return refuse("save it as float64 or complex128: a.astype('f8')"),
        };
        Ok(Self { kind, bytes, big_endian })
    }

    /// One item; its bytes are put into little-endian order in place. `None` for an integer without an exact double.
    fn decode(self, item: &mut [u8]) -> Option<c64> {
        let part = if self.kind == Kind::Complex { self.bytes / 2 } else { self.bytes };
        if self.big_endian {
            item.chunks_exact_mut(part).for_each(<[u8]>::reverse);
        }
        let float = |bytes: &[u8]| match *bytes {
            [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        };
        // little-endian bytes, the sign extended
        let integer = |bytes: &[u8], signed: bool| {
            let negative = signed && bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut wide = if negative { [0xff; 16] } else { [0; 16] };
            wide[..bytes.len()].copy_from_slice(bytes);
            i128::from_le_bytes(wide)
        };
        let real = |value: f64| Some(c64::new(value, 0.0));
        match self.kind {
            Kind::Bool => real(if item == [0] { 0.0 } else { 1.0 }),
            Kind::Signed => exact(integer(item, true)).and_then(real),
            Kind::Unsigned => exact(integer(item, false)).and_then(real),
            Kind::Float => real(float(item)),
            Kind::Complex => {
                let (re, im) = item.split_at(part);
                Some(c64::new(float(re), float(im)))
            }
        }
    }
}

/// The Python literal in the header: a dictionary of three entries.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn header(mut self) -> Result<Header, Problem> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.take(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            match key.as_str() {
                "descr" => {
                    if self.peek() == Some(b'[') {
                        return Err(whole("holds records (a structured array); save one field of it: a['name']"));
                    }
                    descr = Some(Type::parse(&self.string()?)?);
                }
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                other => return Err(whole(format!("has an unknown key {} in its header", excerpt(other)))),
            }
            if !self.take(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        if self.peek().is_some() {
            return Err(self.broken());
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape }),
            _ => Err(whole("has a header without descr, fortran_order or shape")),
        }
    }

    fn broken(&self) -> Problem {
        whole(format!("has a damaged header: {}", excerpt(String::from_utf8_lossy(self.text).trim_end())))
    }

    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Problem> {
        if self.take(byte) { Ok(()) } else { Err(self.broken()) }
    }

    fn string(&mut self) -> Result<String, Problem> {
        let Some(quote @ (b'\'' | b'"')) = self.peek() else { return Err(self.broken()) };
        let rest = &self.text[self.at + 1..];
        let Some(length) = rest.iter().position(|&b| b == quote) else { return Err(self.broken()) };
        // numeric types and keys are ASCII; anything else only ends up in a message
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 2;
        Ok(text)
    }

    fn word(&mut self, accept: fn(&u8) -> bool) -> Result<&str, Problem> {
        self.peek();
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|b| !accept(b)).unwrap_or(rest.len());
        let word = std::str::from_utf8(&rest[..length]).map_err(|_| self.broken())?;
        self.at += length;
        Ok(word)
    }

    fn boolean(&mut self) -> Result<bool, Problem> {
        match self.word(u8::is_ascii_alphabetic)? {
            "True" => Ok(true),
            "False" => Ok(false),
            _ => Err(self.broken()),
        }
    }

    fn tuple(&mut self) -> Result<Vec<u64>, Problem> {
        let mut extents = Vec::new();
        self.expect(b'(')?;
        while !self.take(b')') {
            let extent = self.word(u8::is_ascii_digit)?.parse();
            extents.push(extent.map_err(|_| self.broken())?);
            // Python 2 wrote long integers with an L
            self.take(b'L');
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(extents)
    }
}

/// Writes version 1.0: little-endian doubles or complex doubles in the order that the array has.
///
/// # Errors
/// What writing gives.
pub fn write(array: &Array, mut writer: impl Write) -> std::io::Result<()> {
    let descr = if array.numbers.is_complex() { "<c16" } else { "<f8" };
    let (fortran, shape) = match array.shape {
        Shape::Vector => (false, format!("({},)", array.rows)),
        Shape::Matrix | Shape::Image => (array.order == Order::ColumnMajor, format!("({}, {})", array.rows, array.columns)),
    };
    let fortran = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    // the data begin at a multiple of 64 bytes, after a newline
    let length = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    header.extend(std::iter::repeat_n(' ', length - 1 - header.len()));
    header.push('\n');
    writer.write_all(MAGIC)?;
    writer.write_all(&[1, 0])?;
    let length = u16::try_from(length).map_err(|_| std::io::Error::other("the header is too long"))?;
    writer.write_all(&length.to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    match &array.numbers {
        Numbers::Real(numbers) => numbers.iter().try_for_each(|v| writer.write_all(&v.to_le_bytes())),
        Numbers::Complex(numbers) => numbers.iter().try_for_each(|v| {
            writer.write_all(&v.re.to_le_bytes())?;
            writer.write_all(&v.im.to_le_bytes())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn whole_numbers_beyond_the_doubles_are_refused_and_the_others_exact() {
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}";
        let data = |values: [i64; 3]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let good = read(&file(header, &data([-1, 1 << 53, i64::MIN]))[..]).unwrap();
        assert_eq!(good.numbers, Numbers::Real(vec![-1.0, 9007199254740992.0, -9223372036854775808.0]));
        let bad = read(&file(header, &data([0, (1 << 53) + 1, 0]))[..]).unwrap_err();
        assert_eq!(bad.place, Place::Entry(2));
        let wide = "{'descr': '>u8', 'fortran_order': False, 'shape': ()}";
        assert!(read(&file(wide, &u64::MAX.to_be_bytes())[..]).is_err());
        assert_eq!(read(&file(wide, &7u64.to_be_bytes())[..]).unwrap().numbers, Numbers::Real(vec![7.0]));
    }

    #[test]
    fn headers_that_lie_are_refused_before_memory_is_taken() {
        for (shape, word) in [
            ("(4000000000, 4000000000)", "address space"),
            ("(99999999999999999999,)", "damaged"),
            ("(1000000000000,)", "promises"),
            ("(2, 3, 4)", "reshape"),
            ("(2,", "damaged"),
            ("(-1,)", "damaged"),
            ("(1,)", "more bytes"),
        ] {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
            let error = read(&file(&header, &[0; 24])[..]).unwrap_err();
            assert!(error.text.contains(word), "{shape}: {}", error.text);
        }
        for (descr, word) in [
            ("'|O'", "objects"),
            ("[('x', '<f8')]", "records"),
            ("'<f2'", "astype"),
            ("'<U3'", "astype"),
            ("''", "astype"),
            ("'é'", "astype"),
        ] {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}");
            let error = read(&file(&header, &[0; 24])[..]).unwrap_err();
            assert!(error.text.contains(word), "{descr}: {}", error.text);
        }
    }
}
