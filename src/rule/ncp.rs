//! NCP: the λ at which the residual looks most like white noise, ‖c(λ) − line‖ least, c the normalized cumulative periodogram.
//!
//! Hansen, Kilmer, Kjeldsen 2006, BIT 46:41 (doi:10.1007/s10543-006-0042-7); Rust, O'Leary 2008
//! (doi:10.1088/0266-5611/24/3/034005). What is left
//! of a smooth signal has low frequencies, what is taken of the noise leaves them out: c bends up for too large a λ, down
//! for too small a one.
//! It needs the residual itself, in an order of the rows that means something: time, or the grid of an image. For fields
//! the frequencies of
//! a cosine transform are sorted by their distance from the mean. No derivatives: λ to about 1e-8. Cost: O(mr) for each λ,
//! about 60 of
//! them, and transforms in O(m log m).

use super::periodogram::{cumulative, departures, powers, powers_2d};
use super::search::{Ends, costly_dampings, minimise_costly_values};
use super::{Chosen, needs_rows, no_interval};
use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::scalar::c64;
use std::collections::HashMap;

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
        whitest(curve, &|r| powers(r))
    }

    /// ‖c − line‖ of residuals, the sum over several right-hand sides.
    pub(crate) fn distance(self, residuals: &[Vec<c64>]) -> Option<f64> {
        distance(residuals, &|r| powers(r))
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
        whitest(curve, &|r| powers_2d(r, self.rows, self.columns))
    }

    pub(crate) fn distance(self, residuals: &[Vec<c64>]) -> Option<f64> {
        distance(residuals, &|r| powers_2d(r, self.rows, self.columns))
    }
}

type Powers<'p> = &'p dyn Fn(&[c64]) -> Vec<f64>;

fn distance(residuals: &[Vec<c64>], powers: Powers<'_>) -> Option<f64> {
    let mut sum: Vec<f64> = Vec::new();
    for residual in residuals {
        let one = powers(residual);
        sum.resize(one.len(), 0.0);
        sum.iter_mut().zip(one).for_each(|(sum, p)| *sum += p);
    }
    Some(departures(&cumulative(&sum)?).0)
}

fn whitest(curve: &dyn Curve, powers: Powers<'_>) -> Result<Chosen> {
    if curve.rows() < 4 {
        return Err(Error::NoLambda {
            rule: "NCP",
            low: 0.0,
            high: f64::INFINITY,
            why: "fewer than 4 rows have no spectrum to speak of; use Gcv".into(),
        });
    }
    let (low, high) = curve.inside();
    if high > 0.0 && curve.residuals(high).is_none() {
        return Err(needs_rows("NCP"));
    }
    // the residuals on the grid come together, by a matrix product
    let grid = costly_dampings((low, high));
    let residuals = curve.residuals_at(&grid).ok_or_else(|| needs_rows("NCP"))?;
    let known: HashMap<u64, Option<f64>> = grid.iter().zip(&residuals).map(|(d, r)| (d.to_bits(), distance(r, powers))).collect();
    let value = |damping: f64| known.get(&damping.to_bits()).copied().unwrap_or_else(|| distance(&curve.residuals(damping)?, powers));
    minimise_costly_values((low, high), Ends::LastResort, &value).ok_or_else(|| no_interval("NCP"))
}
