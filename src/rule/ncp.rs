//! NCP: the λ at which the residual looks most like white noise, ‖c(λ) − line‖ least, c the normalized cumulative periodogram.
//!
//! Hansen, Kilmer, Kjeldsen 2006, BIT 46:41 (doi:10.1007/s10543-006-0042-7); Rust, O'Leary 2008
//! (doi:10.1088/0266-5611/24/3/034005). What is left
//! of a smooth signal has low frequencies, what is taken of the noise leaves them out: c bends up for too large a λ, down
//! for too small a one.
//! It needs the residual itself, in an order of the rows that means something: time, or the grid of an image. For fields
//! the frequencies of
//! a cosine transform are sorted by their distance from the mean. No derivatives: λ to about 1e-9. Cost: O(mr) for each λ, about 50 of
//! them and 12 for each local minimum, as matrix products, and transforms in O(m log m).

use super::periodogram::{Frequencies, cumulative, departures};
use super::search::{Ends, minimise_together, places_inside};
use super::{Chosen, needs_rows, no_interval};
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::scalar::c64;

/// The λ at which the residual, read row by row, looks most like white noise: for signals sampled in time or along a line.
///
/// Source: Hansen, Kilmer, Kjeldsen 2006, doi:10.1007/s10543-006-0042-7.
///
/// ```
/// use wellposed::{DenseView, Ncp, ridge};
/// let a: Vec<f64> = (0..400).map(|k| (-0.1 * ((k % 20) as f64 - (k / 20) as f64).powi(2)).exp()).collect();
/// let b: Vec<f64> = (0..20).map(|i| (i as f64 / 6.0).sin() + 0.01 * ((i * i) as f64).cos()).collect();
/// let a = DenseView::column_major(&a, 20, 20)?;
/// assert!(ridge(&a, &b, Ncp)?.lambda > 0.0);
/// assert!(ridge(&a, &b, Ncp.grid(4, 5))?.lambda > 0.0); // the rows are pixels of a 4×5 image, column after column
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ncp;

/// What [`Ncp::grid`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NcpGrid {
    rows: usize,
    columns: usize,
}

impl Ncp {
    /// The rows of b are an image of `rows`×`columns`, stored column after column.
    pub fn grid(self, rows: usize, columns: usize) -> NcpGrid {
        NcpGrid { rows, columns }
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        whitest(curve, &self.frequencies(curve.rows()))
    }

    /// Of the residuals of so many rows.
    pub(crate) fn frequencies(self, rows: usize) -> Frequencies {
        Frequencies::line(rows)
    }
}

impl NcpGrid {
    /// rows·columns, or 0 where that is beyond all numbers of rows.
    fn pixels(self) -> usize {
        self.rows.checked_mul(self.columns).unwrap_or(0)
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.pixels() >= 2 {
            return Ok(());
        }
        Err(Error::Parameter {
            name: "rows·columns of the grid of Ncp",
            value: self.pixels() as f64,
            must_be: "m, the rows of A, and at least 2",
        })
    }

    pub(crate) fn fits(self, rows: usize) -> Result<()> {
        if self.pixels() == rows {
            return Ok(());
        }
        Err(Error::Parameter {
            name: "rows·columns of the grid of Ncp",
            value: self.pixels() as f64,
            must_be: "m, the rows of A; use Ncp for data along a line",
        })
    }

    pub(crate) fn choose(self, curve: &dyn Curve) -> Result<Chosen> {
        self.fits(curve.rows())?;
        whitest(curve, &self.frequencies())
    }

    pub(crate) fn frequencies(self) -> Frequencies {
        Frequencies::field(self.rows, self.columns)
    }
}

/// ‖c − line‖ of the residuals at each λ; the powers of several right-hand sides are added.
pub(crate) fn distances(residuals: &[Vec<Vec<c64>>], frequencies: &Frequencies) -> Vec<Option<f64>> {
    let distance = |residuals: &Vec<Vec<c64>>| {
        let sum = residuals.iter().map(|r| frequencies.powers(r)).reduce(|mut sum, one| {
            sum.iter_mut().zip(one).for_each(|(sum, p)| *sum += p);
            sum
        })?;
        Some(departures(&cumulative(&sum)?).0)
    };
    residuals.iter().map(distance).collect()
}

fn whitest(curve: &dyn Curve, frequencies: &Frequencies) -> Result<Chosen> {
    if curve.rows() < 4 {
        return Err(Error::NoLambda {
            rule: "NCP",
            low: 0.0,
            high: f64::INFINITY,
            why: "fewer than 4 rows have no spectrum to speak of; use Gcv".into(),
        });
    }
    let Some(places) = places_inside(curve) else { return Err(no_interval("NCP")) };
    if curve.residuals(&[]).is_none() {
        return Err(needs_rows("NCP"));
    }
    let values = |dampings: &[f64]| match curve.residuals(dampings) {
        Some(residuals) => distances(&residuals, frequencies),
        None => vec![None; dampings.len()],
    };
    minimise_together(places, Ends::LastResort, &values).ok_or_else(|| no_interval("NCP"))
}
