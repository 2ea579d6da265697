//! Figures, and a report that shows them (feature `plot`).
//!
//! Each function here makes one [`Figure`] from a factorization; [`Figure::to_svg`] and [`Figure::save`] give it away.
//! [`Report`] puts all of them, the rules' answers and a slider on λ into one HTML file that needs nothing else.
//!
//! | figure | what it answers |
//! |---|---|
//! | [`l_curve`] | where does a smaller residual begin to cost much in ‖Lx‖? |
//! | [`criterion`], [`criteria`] | how sharp is the minimum of a rule, and are there others? |
//! | [`picard`] | which coefficients of b are data, and which are noise or rounding? |
//! | [`solution`] | x, and how far it is determined |
//! | [`residual`], [`periodogram`] | is what is left over noise? |
//! | [`coefficient_path`] | what does λ do to each unknown? |
//!
//! ```
//! use wellposed::{DenseView, Gcv, Problem, plot};
//!
//! let a: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 10) as f64 + (k / 10) as f64)).collect();
//! let a = DenseView::column_major(&a, 10, 6)?;
//! let b: Vec<f64> = (0..10).map(|i| 1.0 + (i % 3) as f64 * 0.01).collect();
//!
//! let factor = Problem::new(&a).factorize()?;
//! let fit = factor.solve(&b, Gcv)?;
//! let html = plot::Report::new(&factor, &b, &fit)?.title("Hilbert's matrix").to_html();
//! let svg = plot::picard(&factor, &b)?.to_svg();
//! assert!(html.starts_with("<!DOCTYPE html>") && svg.starts_with("<svg "));
//! # Ok::<(), wellposed::Error>(())
//! ```
//!
//! A matrix b of many right-hand sides gives a figure for each. Of complex problems the real parts of x and of the residual are
//! drawn, without a band; norms, spectra and criteria are those of the whole.

mod figure;
mod figures;
mod image;
#[cfg(feature = "png")]
mod raster;
mod report;
mod scale;
#[cfg(test)]
mod tests;
mod view;

pub use figure::Figure;
pub use report::Report;

use crate::data::{self, Data};
use crate::error::Result;
use crate::factorization::Factorization;
use crate::rule::{Choice, Gcv, Kind};
use crate::scalar::Scalar;
use crate::solution::Criterion;
use figures::Known;
use view::{Fields, View};

/// The columns of b, each as a vector of its own.
fn columns<T: Scalar, B: Data<T> + ?Sized>(b: &B) -> Vec<Vec<T>> {
    let (rows, count) = b.view().shape();
    let all = data::column(b);
    (0..count).map(|j| all[j * rows..(j + 1) * rows].to_vec()).collect()
}

fn view<T: Scalar>(factor: &Factorization<T>, b: &[T]) -> Result<View> {
    View::new(&factor.spectrum(b)?, factor.plan().rows)
}

/// One figure for each right-hand side.
fn each<T: Scalar, B: Data<T> + ?Sized>(b: &B, figure: impl Fn(&[T]) -> Result<Figure>) -> Result<B::Each<Figure>> {
    Ok(B::each(columns(b).iter().map(|b| figure(b)).collect::<Result<_>>()?))
}

/// λ of a number or a rule.
fn lambda_of<T: Scalar>(factor: &Factorization<T>, b: &[T], choice: Choice) -> Result<f64> {
    match choice.kind {
        Kind::Number(lambda) => {
            crate::check::check_choice(Some(choice))?;
            Ok(lambda.value())
        }
        Kind::Rule(_) => Ok(factor.solve(b, choice)?.lambda),
    }
}

/// The L-curve: penalty norm over residual norm, both logarithmic, λ running along it, with its corner.
///
/// The corner is the largest curvature inside the range, by the closed form (Hansen, O'Leary 1993, doi:10.1137/0914086).
/// Cost: O(r) for each of about a thousand λ, r = min(m, n).
///
/// # Errors
/// A wrong length, NaN, a factorization without a spectrum, or nothing that λ changes.
pub fn l_curve<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B) -> Result<B::Each<Figure>> {
    each(b, |b| {
        let view = view(factor, b)?;
        Ok(figures::l_curve(&view, view.range(&[]), None))
    })
}

/// The Picard plot: σᵢ, |uᵢᴴb| and their ratio, with the level of the noise and that of rounding.
///
/// Where the coefficients fall below the noise before the values do, small σᵢ carry nothing about x (Hansen 1990, BIT 30:658). The noise level is ‖r‖/√(m − dof) at the λ of GCV, and left out where GCV finds none.
///
/// # Errors
/// As [`l_curve`].
pub fn picard<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B) -> Result<B::Each<Figure>> {
    each(b, |b| {
        let view = view(factor, b)?;
        let mut figure = figures::picard(&view, factor.solve(b, Gcv).ok().map(|fit| fit.lambda));
        figure.marks.retain(|mark| mark.look().id.is_none());
        Ok(figure)
    })
}

/// A rule's criterion as it was evaluated, with all its minima: `fit.report.criteria` has one for each λ that was chosen.
///
/// ```
/// use wellposed::{DenseView, Gcv, plot, ridge};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let fit = ridge(&DenseView::column_major(&a, 4, 2)?, &[1.1, 1.9, 3.2, 3.9], Gcv)?;
/// for criterion in &fit.report.criteria {
///     assert!(plot::criterion(criterion).to_svg().contains("GCV"));
/// }
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn criterion(criterion: &Criterion) -> Figure {
    criteria([criterion])
}

/// Several criteria in one figure, each divided by its smallest value. A criterion that is a logarithm, with values below zero, is
/// moved and scaled to one decade instead.
pub fn criteria<'c>(criteria: impl IntoIterator<Item = &'c Criterion>) -> Figure {
    figures::criteria(&criteria.into_iter().collect::<Vec<_>>(), None, None)
}

/// x at λ (a number or a rule), with a band of one standard deviation.
///
/// The band is that of the posterior, s²(AᴴWA + λLᴴL)⁻¹ with s² = ‖r‖²/(m − dof), which has the bias of a smooth x in it
/// (Nychka 1988, J. Am. Stat. Assoc. 83:1134). Where n exceeds the singular values by too much for that, it is the
/// standard error of the estimate, and the legend says so.
///
/// # Errors
/// As [`l_curve`]; a rule that finds no λ; a factorization without singular vectors.
pub fn solution<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B, choice: impl Into<Choice>) -> Result<B::Each<Figure>> {
    let choice = choice.into();
    each(b, |b| {
        let view = view(factor, b)?;
        let lambda = lambda_of(factor, b, choice)?;
        let known = Known { truth: None, shape: None, complex: T::IS_COMPLEX };
        Ok(figures::solution(&Fields { modes: &only(factor.modes(b)?), view: &view }, lambda, &known))
    })
}

/// The whitened residual W^½(b − Ax) at λ (a number or a rule), row by row.
///
/// # Errors
/// As [`solution`].
pub fn residual<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B, choice: impl Into<Choice>) -> Result<B::Each<Figure>> {
    residuals(factor, b, choice.into(), |r| figures::residual(r, T::IS_COMPLEX))
}

/// The cumulative periodogram of the residual at λ (a number or a rule), with the band in which that of white noise lies.
///
/// Rows are taken as equally spaced, in their order. Cost: m²/2 operations. Source: Rust, O'Leary 2008,
/// Inverse Problems 24:034005.
///
/// # Errors
/// As [`solution`].
pub fn periodogram<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B, choice: impl Into<Choice>) -> Result<B::Each<Figure>> {
    residuals(factor, b, choice.into(), figures::periodogram)
}

fn residuals<T: Scalar, B: Data<T> + ?Sized>(
    factor: &Factorization<T>,
    b: &B,
    choice: Choice,
    figure: impl Fn(&[f64]) -> Figure,
) -> Result<B::Each<Figure>> {
    each(b, |b| {
        let view = view(factor, b)?;
        let lambda = lambda_of(factor, b, choice)?;
        Ok(figure(&Fields { modes: &only(factor.modes(b)?), view: &view }.residual(lambda)))
    })
}

/// The entries of x over log λ; of many unknowns, some.
///
/// # Errors
/// As [`l_curve`]; a factorization without singular vectors.
pub fn coefficient_path<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B) -> Result<B::Each<Figure>> {
    each(b, |b| {
        let view = view(factor, b)?;
        let lambda = factor.solve(b, Gcv).ok().map(|fit| fit.lambda);
        let range = view.range(lambda.as_slice());
        let mut figure = figures::coefficient_path(&Fields { modes: &only(factor.modes(b)?), view: &view }, range, lambda, T::IS_COMPLEX);
        figure.marks.retain(|mark| mark.look().id.is_none());
        Ok(figure)
    })
}

/// The only element: modes of a vector.
fn only<V>(values: Vec<V>) -> V {
    data::only(values)
}
