//! What x must keep to: bounds on its components, linear equations. Values only.

use crate::data::Data;
use crate::error::{Error, Result, Size};
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};
use core::ops::{RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// lo ≤ x ≤ hi, component by component; both ends are included, and an end may be infinite.
///
/// Ranges convert into it: `0.0..` (nonnegative), `..=5.0`, `0.0..=1.0`. [`each`](Bounds::each) gives every component its own.
///
/// ```
/// use wellposed::{Bounds, DenseView, Problem};
/// let a = [2.0, 1.0, 1.0, 3.0];
/// let a = DenseView::column_major(&a, 2, 2)?;
/// let free = Problem::new(&a).solve(&[1.0, -2.0], 0.1)?;
/// let fit = Problem::new(&a).bounds(0.0..).solve(&[1.0, -2.0], 0.1)?;
/// assert!(free.x[1] < 0.0 && fit.x[1] == 0.0);
/// let own = Bounds::each(&[0.0, f64::NEG_INFINITY], &[f64::INFINITY, -0.5]);
/// assert_eq!(Problem::new(&a).bounds(own).solve(&[1.0, 2.0], 0.1)?.x[1], -0.5);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds<R> {
    low: Side<R>,
    high: Side<R>,
}

#[derive(Debug, Clone, PartialEq)]
enum Side<R> {
    Absent,
    Same(R),
    Each(Vec<R>),
}

impl<R: Real> Bounds<R> {
    /// low\[j\] ≤ x\[j\] ≤ high\[j\], one value of each for every column of A; −∞ and ∞ leave a side open.
    pub fn each<L, H>(low: &L, high: &H) -> Self
    where
        L: Data<R> + ?Sized,
        H: Data<R> + ?Sized,
    {
        Self { low: Side::Each(crate::data::column(low)), high: Side::Each(crate::data::column(high)) }
    }

    /// The two ends for n unknowns.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong number of them, [`Error::Bounds`] for NaN, for low > high, and for ends that leave no finite value.
    pub(crate) fn resolve(&self, n: usize) -> Result<(Vec<R>, Vec<R>)> {
        let side = |side: &Side<R>, open: f64, what: &'static str| match side {
            Side::Absent => Ok(vec![R::from_f64(open); n]),
            Side::Same(value) => Ok(vec![*value; n]),
            Side::Each(values) if values.len() == n => Ok(values.clone()),
            Side::Each(values) => Err(Error::Shape {
                what,
                found: Size::Length(values.len()),
                expected: Size::Length(n),
                hint: "one bound for each column of A, or a range such as 0.0.. for all",
            }),
        };
        let low = side(&self.low, f64::NEG_INFINITY, "the vector of lower bounds")?;
        let high = side(&self.high, f64::INFINITY, "the vector of upper bounds")?;
        for (j, (&low, &high)) in low.iter().zip(&high).enumerate() {
            let (low, high) = (low.to_f64(), high.to_f64());
            // NaN is not ≤ anything
            if !(low <= high && low < f64::INFINITY && high > f64::NEG_INFINITY) {
                return Err(Error::Bounds { index: j, low, high });
            }
        }
        Ok((low, high))
    }

    /// In a few words, for plans.
    pub(crate) fn describe(&self) -> String {
        match (&self.low, &self.high) {
            (Side::Absent, Side::Absent) => "none".into(),
            (Side::Same(low), Side::Absent) => format!("x ≥ {low}"),
            (Side::Absent, Side::Same(high)) => format!("x ≤ {high}"),
            (Side::Same(low), Side::Same(high)) => format!("{low} ≤ x ≤ {high}"),
            _ => "for each component".into(),
        }
    }
}

impl<R: Real> From<RangeFrom<R>> for Bounds<R> {
    fn from(range: RangeFrom<R>) -> Self {
        Self { low: Side::Same(range.start), high: Side::Absent }
    }
}
impl<R: Real> From<RangeToInclusive<R>> for Bounds<R> {
    fn from(range: RangeToInclusive<R>) -> Self {
        Self { low: Side::Absent, high: Side::Same(range.end) }
    }
}
/// The end counts as included: an open set has no nearest point.
impl<R: Real> From<RangeTo<R>> for Bounds<R> {
    fn from(range: RangeTo<R>) -> Self {
        Self { low: Side::Absent, high: Side::Same(range.end) }
    }
}
impl<R: Real> From<RangeInclusive<R>> for Bounds<R> {
    fn from(range: RangeInclusive<R>) -> Self {
        Self { low: Side::Same(*range.start()), high: Side::Same(*range.end()) }
    }
}
impl<R: Real> From<RangeFull> for Bounds<R> {
    fn from(_: RangeFull) -> Self {
        Self { low: Side::Absent, high: Side::Absent }
    }
}

/// Cx = d.
#[derive(Clone)]
pub(crate) struct Equality<'a, T: Scalar> {
    pub(crate) matrix: &'a dyn Operator<Scalar = T>,
    pub(crate) values: Vec<T>,
}

impl<T: Scalar> Equality<'_, T> {
    /// Shapes and finite values; the entries of C are looked at where it is used.
    pub(crate) fn check(&self, n: usize) -> Result<()> {
        let (rows, columns) = self.matrix.shape();
        if columns != n {
            return Err(Error::Shape {
                what: "the matrix C of the equality constraints",
                found: Size::Shape(rows, columns),
                expected: Size::Shape(rows, n),
                hint: "C must have as many columns as A",
            });
        }
        if self.values.len() != rows {
            return Err(Error::Shape {
                what: "the vector d of the equality constraints",
                found: Size::Length(self.values.len()),
                expected: Size::Length(rows),
                hint: "one value for each row of C",
            });
        }
        match self.values.iter().position(|v| !v.finite()) {
            None => Ok(()),
            Some(index) => Err(Error::NonFinite { what: "the vector d of the equality constraints", index: Size::Entry(index) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_each() {
        let resolved = |bounds: Bounds<f64>| bounds.resolve(2).unwrap();
        assert_eq!(resolved((0.0..).into()), (vec![0.0; 2], vec![f64::INFINITY; 2]));
        assert_eq!(resolved((..=5.0).into()), (vec![f64::NEG_INFINITY; 2], vec![5.0; 2]));
        assert_eq!(resolved((..5.0).into()), (vec![f64::NEG_INFINITY; 2], vec![5.0; 2]));
        assert_eq!(resolved((-1.0..=1.0).into()), (vec![-1.0; 2], vec![1.0; 2]));
        assert_eq!(resolved((..).into()), (vec![f64::NEG_INFINITY; 2], vec![f64::INFINITY; 2]));
        assert_eq!(resolved(Bounds::each(&[0.0, 1.0], &[1.0, 1.0])), (vec![0.0, 1.0], vec![1.0, 1.0]));
        let bad = |low: f64, high: f64| Bounds::each(&[0.0, low], &[0.0, high]).resolve(2).unwrap_err().to_string();
        for (low, high) in [(1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::NAN), (f64::INFINITY, f64::INFINITY)] {
            assert!(bad(low, high).contains("component 1"), "{}", bad(low, high));
        }
        assert!(matches!(Bounds::each(&[0.0], &[1.0, 1.0]).resolve(2), Err(Error::Shape { .. })));
    }
}
