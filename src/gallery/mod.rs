//! Test problems with a known answer: A, b and the x that made b, for examples, tests and studies of rules.
//!
//! | problem | order n | ill-posed | what it models |
//! |---|---|---|---|
//! | [`baart`] | even | severely | a kernel exp(s·cos t) with a sine for x |
//! | [`blur`] | N²×N², N ≥ 4 | mildly | an image seen through a Gaussian point spread function |
//! | [`deriv2`] | three solutions, one of them with even n | moderately | the second derivative of a function |
//! | [`foxgood`] | any | severely | a kernel √(s² + t²), and data that its discretization does not quite reach |
//! | [`gravity`] | three solutions | severely | mass at a depth from the field that it makes at the surface |
//! | [`heat`] | even | moderately (κ = 1) to mildly (κ = 5) | temperature at the hot side from that at the cold side |
//! | [`inverse_laplace`] | four solutions | severely | a function from its Laplace transform |
//! | [`parallax`] | 26×n | severely | the distribution of stellar parallaxes; real data, x unknown |
//! | [`phillips`] | a multiple of 4 | moderately | a smooth bump seen through one like it |
//! | [`shaw`] | even | severely | brightness behind a slit |
//! | [`spikes`] | n ≥ 1 for each spike | severely | a step and spikes behind a diffusing kernel |
//! | [`tomo`] | round(f·N²)×N² | mildly | an image from line integrals along random rays |
//! | [`ursell`] | any | severely | an equation without a square-integrable solution |
//! | [`wing`] | any | severely | a box, whose edges a smooth kernel hides |
//! | [`diffusion`](fn@diffusion) | n² unknowns | severely | a temperature on a plate from what is left of it later |
//! | [`nmr`](fn@nmr) | 4n²×n² | severely | relaxation times in two directions (2-D Laplace) |
//! | [`inverse_interpolation`] | n²×n² | mildly | values on a grid from those at scattered points |
//! | [`deblurring`](fn@deblurring) | n²×n², fewer rows with a free boundary | severely (Gaussian) or mildly | a picture out of focus, from a moving camera, or through turbulent air; boundary zero, periodic, reflective or free |
//! | [`parallel_tomography`](fn@parallel_tomography) | ⌈√2·n⌉·views×n² | mildly | a section through a head from projections at equally spaced angles |
//!
//! The first fourteen are those of Regularization Tools (Hansen 2007, Numer. Algorithms 46:189,
//! doi:10.1007/s11075-007-9136-9), by their published definitions; where that package numbers its examples, the names
//! here say what is meant. The last five are of the kinds of IR Tools (Gazzola, Hansen, Nagy 2019, Numer. Algorithms 81:773,
//! doi:10.1007/s11075-018-0570-7); the last two show the phantom of [`shepp_logan`](fn@shepp_logan). Random rays and points come from a seed: the same problem everywhere, not that of
//! MATLAB's generator.
//!
//! b has no noise: [`noise`] adds some, by seed. `Ax = b` holds to rounding where the definition makes b from x; where it
//! discretizes both sides of the integral equation, ‖Ax − b‖ is a discretization error
//! ([`Facts::consistent`] tells).
//!
//! ```
//! use wellposed::gallery::{noise, shaw};
//! use wellposed::{Gcv, Problem};
//!
//! let shaw = shaw(64)?;
//! let noisy = noise::gaussian(&shaw.b, 1e-3, 7)?;
//! let fit = Problem::new(&shaw.a).solve(&noisy.b, Gcv)?;
//! assert!(shaw.relative_error(&fit.x)? < 0.2);
//! # Ok::<(), wellposed::Error>(())
//! ```

mod baart;
mod banded;
mod deblurring;
mod deriv2;
mod diffusion;
mod forward;
mod foxgood;
mod gravity;
mod heat;
mod image;
mod inverse_interpolation;
mod inverse_laplace;
mod laguerre;
mod nmr;
pub mod noise;
mod parallax;
mod parallel_tomography;
mod phillips;
mod shaw;
mod shepp_logan;
mod spikes;
mod tomo;
mod ursell;
mod wing;

pub use baart::baart;
pub use deblurring::{PointSpread, deblurring};
pub use deriv2::{Deriv2, deriv2};
pub use diffusion::diffusion;
pub use forward::Forward;
pub use foxgood::foxgood;
pub use gravity::{Gravity, gravity};
pub use heat::heat;
pub use image::blur;
pub use inverse_interpolation::inverse_interpolation;
pub use inverse_laplace::{InverseLaplace, inverse_laplace};
pub use nmr::{Nmr, nmr};
pub use parallax::parallax;
pub use parallel_tomography::parallel_tomography;
pub use phillips::phillips;
pub use shaw::shaw;
pub use shepp_logan::shepp_logan;
pub use spikes::spikes;
pub use tomo::tomo;
pub use ursell::ursell;
pub use wing::wing;

use crate::error::{Error, Result, Size};
use crate::linalg;
use crate::operator::{Boundary, Operator};
use crate::penalty::Penalty;

/// A problem whose answer is known: what every function of this module returns.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestProblem {
    /// The name in the [`CATALOGUE`]; parameters that differ from its defaults do not show.
    pub name: &'static str,
    /// A, m×n.
    pub a: Forward,
    /// b without noise, m values.
    pub b: Vec<f64>,
    /// The solution, n values; `None` where nobody knows it, or where there is none.
    pub x: Option<Vec<f64>>,
    /// What there is to know beforehand.
    pub facts: Facts,
}

impl TestProblem {
    /// ‖found − x‖/‖x‖.
    ///
    /// # Errors
    /// [`Error::Shape`] when `found` has another length than x; [`Error::Unsupported`] when the problem has no x.
    pub fn relative_error(&self, found: &[f64]) -> Result<f64> {
        let Some(x) = &self.x else {
            return Err(Error::Unsupported {
                what: "an error",
                with: "a test problem without a known solution",
                instead: "look at `x` first, or take another problem",
            });
        };
        if found.len() != x.len() {
            return Err(Error::Shape {
                what: "the solution to compare",
                found: Size::Length(found.len()),
                expected: Size::Length(x.len()),
                hint: "it must have one value for each unknown",
            });
        }
        let difference: Vec<f64> = found.iter().zip(x).map(|(found, x)| found - x).collect();
        Ok(linalg::norm(&difference) / linalg::norm(x))
    }

    /// The same problem with the entries of A stored, m·n numbers: what a factorization needs where A is an operator.
    #[must_use]
    pub fn dense(mut self) -> Self {
        self.a = self.a.to_dense();
        self
    }

    /// b = Ax from x.
    fn consistent(name: &'static str, a: Forward, x: Vec<f64>, facts: Facts) -> Self {
        let mut b = vec![0.0; a.shape().0];
        a.apply(&x, &mut b);
        Self { name, a, b, x: Some(x), facts }
    }
}

/// What there is to know about a test problem.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// What the equation describes.
    pub models: &'static str,
    /// How fast the singular values decay.
    pub ill_posedness: IllPosedness,
    /// The order of the derivative to penalise: 0, 1 or 2. Of the three, the one with which the best λ gave the least error (median of
    /// ten seeds, 1 % white noise, n = 64). Where x is unknown and for two-dimensional problems: a guess from the nature of the solution.
    pub derivative: u8,
    /// What x meets beyond its ends: zeros, itself, its mirror image, or nothing that is known.
    pub boundary: Boundary,
    /// Whether Ax = b to rounding. Otherwise both sides were discretized, and differ by a discretization error.
    pub consistent: bool,
    /// How the unknowns lie.
    pub unknowns: Layout,
    /// How the data lie.
    pub data: Layout,
    /// Where the problem is from.
    pub reference: &'static str,
}

impl Facts {
    /// The penalty of order [`derivative`](Self::derivative): the identity, or first or second differences along the line or
    /// on the grid of the unknowns, with [`boundary`](Self::boundary) at their ends.
    ///
    /// ```
    /// use wellposed::{Gcv, Problem, gallery};
    /// let problem = gallery::deriv2(32, gallery::Deriv2::Linear)?;
    /// let fit = Problem::new(&problem.a).penalty(problem.facts.penalty()).solve(&problem.b, Gcv)?;
    /// assert!(problem.relative_error(&fit.x)? < 1e-6);
    /// # Ok::<(), wellposed::Error>(())
    /// ```
    pub fn penalty(&self) -> Penalty<'static, f64> {
        match (self.derivative, self.unknowns) {
            (1, Layout::Line(_)) => Penalty::first_difference_with(self.boundary),
            (1, Layout::Grid { rows, columns }) => Penalty::first_difference_2d(rows, columns, self.boundary),
            (2, Layout::Line(_)) => Penalty::second_difference_with(self.boundary),
            (2, Layout::Grid { rows, columns }) => Penalty::second_difference_2d(rows, columns, self.boundary),
            _ => Penalty::identity(),
        }
    }
}

/// How the singular values decay, and with them what noise does to the answer (Hofmann's degree of ill-posedness, as in Hansen
/// 2010, Discrete Inverse Problems, §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IllPosedness {
    /// Like i^(−α) with α ≤ 1, or bounded below.
    Mild,
    /// Like i^(−α) with α > 1.
    Moderate,
    /// Faster than every power of i.
    Severe,
}

/// How the values of a vector lie in space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// So many values along a line.
    Line(usize),
    /// An image, or a grid, stored column after column.
    Grid {
        /// Values in each column.
        rows: usize,
        /// Number of columns.
        columns: usize,
    },
    /// So many values at places in no order.
    Scattered(usize),
}

/// A problem of the catalogue: its name, and how to make it at a size.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Entry {
    /// What to call it: "shaw", "deriv2-tent".
    pub name: &'static str,
    /// One line on what it is.
    pub about: &'static str,
    /// A size that shows what it is about in little time.
    pub usual_size: usize,
    /// Whether the unknowns are an image or a grid. The size is then its side.
    pub two_dimensional: bool,
    make: fn(usize) -> Result<TestProblem>,
}

impl Entry {
    /// The problem at this size: the number of unknowns, or the side of the grid.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a size that the problem does not have (each function of this module says which it has).
    pub fn build(&self, size: usize) -> Result<TestProblem> {
        (self.make)(size)
    }
}

/// The entry of this name.
///
/// ```
/// use wellposed::gallery;
/// let entry = gallery::find("phillips").expect("in the catalogue");
/// assert_eq!(entry.build(32)?.b.len(), 32);
/// assert!(gallery::find("philips").is_none());
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.name == name)
}

/// The seed of the rays and points of the problems in the catalogue.
const SEED: u64 = 2007;

/// Every problem by name, with the parameters that its source takes by default.
pub const CATALOGUE: &[Entry] = &[
    line("baart", "kernel exp(s cos t), x a sine", baart),
    Entry {
        name: "blur",
        about: "an image behind a Gaussian point spread function, standard deviation 0.7 pixels",
        usual_size: 32,
        two_dimensional: true,
        make: |n| blur(n, 3, 0.7),
    },
    line("deriv2-linear", "second derivative, x = t", |n| deriv2(n, Deriv2::Linear)),
    line("deriv2-exponential", "second derivative, x = exp(t)", |n| deriv2(n, Deriv2::Exponential)),
    line("deriv2-tent", "second derivative, x a tent", |n| deriv2(n, Deriv2::Tent)),
    line("foxgood", "kernel √(s² + t²), x = t", foxgood),
    line("gravity-sines", "mass at depth 1/4, two sines", |n| gravity(n, Gravity::Sines, 0.25)),
    line("gravity-linear", "mass at depth 1/4, piecewise linear", |n| gravity(n, Gravity::PiecewiseLinear, 0.25)),
    line("gravity-constant", "mass at depth 1/4, piecewise constant", |n| gravity(n, Gravity::PiecewiseConstant, 0.25)),
    line("heat", "inverse heat equation, κ = 1", |n| heat(n, 1.0)),
    line("heat-5", "inverse heat equation, κ = 5: hardly ill-conditioned", |n| heat(n, 5.0)),
    line("inverse-laplace-decay", "inverse Laplace transform, x = exp(−t/2)", |n| inverse_laplace(n, InverseLaplace::Decay)),
    line("inverse-laplace-rise", "inverse Laplace transform, x = 1 − exp(−t/2)", |n| inverse_laplace(n, InverseLaplace::Rise)),
    line("inverse-laplace-peak", "inverse Laplace transform, x = t² exp(−t/2)", |n| inverse_laplace(n, InverseLaplace::Peak)),
    line("inverse-laplace-step", "inverse Laplace transform, x a step at 2", |n| inverse_laplace(n, InverseLaplace::Step)),
    line("parallax", "stellar parallaxes: 26 real data, x unknown", parallax),
    line("phillips", "a cosine bump seen through one like it", phillips),
    line("shaw", "brightness behind a slit", shaw),
    line("spikes", "a step and five spikes behind a diffusing kernel", |n| spikes(n, 5)),
    Entry {
        name: "tomo",
        about: "an image from line integrals along as many random rays as it has pixels",
        usual_size: 24,
        two_dimensional: true,
        make: |n| tomo(n, 1.0, SEED),
    },
    line("ursell", "an equation without a square-integrable solution", ursell),
    line("wing", "a box behind a smooth kernel", |n| wing(n, 1.0 / 3.0, 2.0 / 3.0)),
    Entry {
        name: "diffusion",
        about: "a temperature on a plate from what is left of it at time 0.01",
        usual_size: 32,
        two_dimensional: true,
        make: |n| diffusion(n, 0.01, 100),
    },
    Entry {
        name: "nmr",
        about: "joint distribution of two relaxation times: 2-D Laplace transform",
        usual_size: 32,
        two_dimensional: true,
        make: |n| nmr(n, Nmr::Carbonate),
    },
    Entry {
        name: "inverse-interpolation",
        about: "values on a grid from those at scattered points",
        usual_size: 32,
        two_dimensional: true,
        make: |n| inverse_interpolation(n, SEED),
    },
    picture("deblur-gaussian-zero", "a picture through a Gaussian, standard deviation 2 pixels; darkness beyond the edges", |n| {
        deblurring(n, PointSpread::Gaussian(2.0), Boundary::Zero)
    }),
    picture(
        "deblur-gaussian-periodic",
        "a picture through a Gaussian, standard deviation 2 pixels; the other side beyond the edges",
        |n| deblurring(n, PointSpread::Gaussian(2.0), Boundary::Periodic),
    ),
    picture(
        "deblur-gaussian-reflective",
        "a picture through a Gaussian, standard deviation 2 pixels; the mirror image beyond the edges",
        |n| deblurring(n, PointSpread::Gaussian(2.0), Boundary::Reflective),
    ),
    picture("deblur-motion-zero", "a picture behind a stroke of 9 pixels at 30°; darkness beyond the edges", |n| {
        deblurring(n, PointSpread::Motion { length: 9.0, angle: core::f64::consts::FRAC_PI_6 }, Boundary::Zero)
    }),
    picture("deblur-motion-periodic", "a picture behind a stroke of 9 pixels at 30°; the other side beyond the edges", |n| {
        deblurring(n, PointSpread::Motion { length: 9.0, angle: core::f64::consts::FRAC_PI_6 }, Boundary::Periodic)
    }),
    picture("deblur-motion-reflective", "a picture behind a stroke of 9 pixels at 30°; the mirror image beyond the edges", |n| {
        deblurring(n, PointSpread::Motion { length: 9.0, angle: core::f64::consts::FRAC_PI_6 }, Boundary::Reflective)
    }),
    picture("deblur-defocus-zero", "a picture behind a disc of radius 3 pixels; darkness beyond the edges", |n| {
        deblurring(n, PointSpread::Defocus(3.0), Boundary::Zero)
    }),
    picture("deblur-defocus-periodic", "a picture behind a disc of radius 3 pixels; the other side beyond the edges", |n| {
        deblurring(n, PointSpread::Defocus(3.0), Boundary::Periodic)
    }),
    picture("deblur-defocus-reflective", "a picture behind a disc of radius 3 pixels; the mirror image beyond the edges", |n| {
        deblurring(n, PointSpread::Defocus(3.0), Boundary::Reflective)
    }),
    picture("parallel-tomography", "a head from projections at 60 angles", |n| parallel_tomography(n, 60)),
];

const fn line(name: &'static str, about: &'static str, make: fn(usize) -> Result<TestProblem>) -> Entry {
    Entry { name, about, usual_size: 64, two_dimensional: false, make }
}

const fn picture(name: &'static str, about: &'static str, make: fn(usize) -> Result<TestProblem>) -> Entry {
    Entry { name, about, usual_size: 32, two_dimensional: true, make }
}

/// `order` if it is a positive multiple of `factor`.
fn check_order(order: usize, factor: usize) -> Result<usize> {
    let must_be = match factor {
        1 => "at least 1",
        2 => "even, and at least 2: this problem is symmetric about the middle of its interval",
        _ => "a multiple of 4, and at least 4: the solution begins and ends at quarters of the interval",
    };
    if order > 0 && order.is_multiple_of(factor) {
        return Ok(order);
    }
    Err(Error::Parameter { name: "the order n of the test problem", value: order as f64, must_be })
}

/// `value` if it is finite and positive.
fn check_positive(name: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value < f64::INFINITY {
        return Ok(value);
    }
    Err(Error::Parameter { name, value, must_be: "finite and above 0" })
}

/// The midpoints of n equal cells of [from, to].
fn midpoints(n: usize, from: f64, to: f64) -> Vec<f64> {
    let h = (to - from) / n as f64;
    (0..n).map(|i| from + (i as f64 + 0.5) * h).collect()
}
