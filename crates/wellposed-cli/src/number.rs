//! Real or complex: what the rest of the program is generic in, once for each.

use crate::files::{Numbers, Place, Problem};
use serde_json::{Value, json};
use wellposed::{Scalar, c64};

/// `f64` or `c64`.
pub trait Number: Scalar<Real = f64> {
    /// The numbers of a file.
    ///
    /// # Errors
    /// Complex numbers for `f64`.
    fn from_numbers(numbers: Numbers) -> Result<Vec<Self>, Problem>;
    /// Back.
    fn into_numbers(values: Vec<Self>) -> Numbers;
    /// A number, or the pair of real and imaginary part.
    fn json(self) -> Value;
}

impl Number for f64 {
    fn from_numbers(numbers: Numbers) -> Result<Vec<Self>, Problem> {
        match numbers {
            Numbers::Real(numbers) => Ok(numbers),
            Numbers::Complex(_) => Err(Problem::new(Place::Whole, "has complex numbers where real ones are needed")),
        }
    }
    fn into_numbers(values: Vec<Self>) -> Numbers {
        Numbers::Real(values)
    }
    fn json(self) -> Value {
        json!(self)
    }
}

impl Number for c64 {
    fn from_numbers(numbers: Numbers) -> Result<Vec<Self>, Problem> {
        Ok(match numbers {
            Numbers::Complex(numbers) => numbers,
            Numbers::Real(numbers) => numbers.into_iter().map(|v| c64::new(v, 0.0)).collect(),
        })
    }
    fn into_numbers(values: Vec<Self>) -> Numbers {
        Numbers::Complex(values)
    }
    fn json(self) -> Value {
        json!([self.re, self.im])
    }
}
