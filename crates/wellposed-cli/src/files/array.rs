//! What a file holds: a dense array in the order in which the file has it, or the stored entries of a sparse matrix.

use super::{Place, Problem};
use wellposed::c64;

/// Real or complex numbers, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Real.
    Real(Vec<f64>),
    /// Complex.
    Complex(Vec<c64>),
}

/// Which index runs fastest in [`Array::numbers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Rows lie one after another.
    RowMajor,
    /// Columns lie one after another.
    ColumnMajor,
}

/// What an array is meant as, where the file says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One column, from a one-dimensional array.
    Vector,
    /// Rows and columns.
    Matrix,
    /// Pixels, black 0 to white 1. As a right-hand side it is one column, the pixels column after column.
    Image,
}

/// A dense array of one or two dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Rows.
    pub rows: usize,
    /// Columns; 1 for a vector.
    pub columns: usize,
    /// Order of the numbers.
    pub order: Order,
    /// rows × columns numbers.
    pub numbers: Numbers,
    /// What it is.
    pub shape: Shape,
    /// Names of the columns, from a table with a header.
    pub names: Option<Vec<String>>,
}

/// The stored entries of a sparse matrix: entry k is `numbers[k]` in row `row_indices[k]`, column `column_indices[k]`,
/// counted from 0. Entries in the same place add up.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinates {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Row of each entry.
    pub row_indices: Vec<usize>,
    /// Column of each entry.
    pub column_indices: Vec<usize>,
    /// The entries.
    pub numbers: Numbers,
}

/// The contents of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Contents {
    /// All entries.
    Dense(Array),
    /// Those that are not zero.
    Sparse(Coordinates),
}

impl Numbers {
    /// No numbers yet.
    pub fn new(complex: bool) -> Self {
        if complex { Self::Complex(Vec::new()) } else { Self::Real(Vec::new()) }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Real(numbers) => numbers.len(),
            Self::Complex(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they are complex.
    pub fn is_complex(&self) -> bool {
        matches!(self, Self::Complex(_))
    }

    /// Adds one; the imaginary part is used where the numbers are complex.
    pub fn push(&mut self, value: c64) {
        match self {
            Self::Real(numbers) => numbers.push(value.re),
            Self::Complex(numbers) => numbers.push(value),
        }
    }

    /// The number at this place, if there is one.
    pub fn get(&self, index: usize) -> Option<c64> {
        match self {
            Self::Real(numbers) => numbers.get(index).map(|&v| c64::new(v, 0.0)),
            Self::Complex(numbers) => numbers.get(index).copied(),
        }
    }

    /// Room for so many more. What a header promises is not to be passed here before the data have been seen.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Problem> {
        match self {
            Self::Real(numbers) => numbers.try_reserve(more),
            Self::Complex(numbers) => numbers.try_reserve(more),
        }
        .map_err(|_| Problem::new(Place::Whole, "does not fit into memory"))
    }

    /// The first entry that is NaN or infinite.
    fn first_not_finite(&self) -> Option<usize> {
        match self {
            Self::Real(numbers) => numbers.iter().position(|v| !v.is_finite()),
            Self::Complex(numbers) => numbers.iter().position(|v| !(v.re.is_finite() && v.im.is_finite())),
        }
    }
}

impl Array {
    /// A vector.
    pub fn vector(numbers: Numbers) -> Self {
        Self { rows: numbers.len(), columns: 1, order: Order::ColumnMajor, numbers, shape: Shape::Vector, names: None }
    }

    /// A matrix whose columns lie one after another.
    ///
    /// # Errors
    /// When there are not rows × columns numbers.
    pub fn matrix(rows: usize, columns: usize, numbers: Numbers) -> Result<Self, Problem> {
        if rows.checked_mul(columns) != Some(numbers.len()) {
            return Err(Problem::new(Place::Whole, format!("{} numbers are not a {rows}×{columns} matrix", numbers.len())));
        }
        Ok(Self { rows, columns, order: Order::ColumnMajor, numbers, shape: Shape::Matrix, names: None })
    }

    /// Where the entry of this row and column, counted from 0, is in the numbers.
    pub fn index(&self, row: usize, column: usize) -> usize {
        match self.order {
            Order::RowMajor => row * self.columns + column,
            Order::ColumnMajor => column * self.rows + row,
        }
    }

    /// The entry of this row and column, counted from 0, if there is one.
    pub fn get(&self, row: usize, column: usize) -> Option<c64> {
        if row < self.rows && column < self.columns { self.numbers.get(self.index(row, column)) } else { None }
    }

    /// Refuses NaN and infinite entries, by row and column counted from 1.
    pub(super) fn check_finite(&self) -> Result<(), Problem> {
        let Some(index) = self.numbers.first_not_finite() else { return Ok(()) };
        let (row, column) = match self.order {
            Order::RowMajor => (index / self.columns, index % self.columns),
            Order::ColumnMajor => (index % self.rows, index / self.rows),
        };
        let place = if self.shape == Shape::Vector { Place::Entry(row + 1) } else { Place::Position { row: row + 1, column: column + 1 } };
        Err(Problem::new(place, "the value is NaN or infinite; remove or impute it"))
    }
}

impl Coordinates {
    /// All entries, zeros included.
    ///
    /// # Errors
    /// When they do not fit into memory.
    pub fn to_dense(&self) -> Result<Array, Problem> {
        let too_large = || Problem::new(Place::Whole, format!("a dense {}×{} matrix does not fit into memory", self.rows, self.columns));
        let count = self.rows.checked_mul(self.columns).ok_or_else(too_large)?;
        let mut numbers = Numbers::new(self.numbers.is_complex());
        numbers.reserve(count).map_err(|_| too_large())?;
        match &mut numbers {
            Numbers::Real(numbers) => numbers.resize(count, 0.0),
            Numbers::Complex(numbers) => numbers.resize(count, c64::new(0.0, 0.0)),
        }
        let places = self.row_indices.iter().zip(&self.column_indices).map(|(&i, &j)| j * self.rows + i);
        match (&mut numbers, &self.numbers) {
            (Numbers::Real(dense), Numbers::Real(stored)) => places.zip(stored).for_each(|(place, v)| dense[place] += v),
            (Numbers::Complex(dense), Numbers::Complex(stored)) => places.zip(stored).for_each(|(place, v)| dense[place] += v),
            // made of the same kind above
            _ => return Err(too_large()),
        }
        Array::matrix(self.rows, self.columns, numbers)
    }
}

/// A whole number as a double, exactly.
pub(super) fn exact(value: i128) -> Option<f64> {
    // every integer up to 2^53 is a double; beyond, only multiples of powers of two
    let double = value as f64;
    (double as i128 == value).then_some(double)
}
