//! One decomposition with its change of variables: standard form, core, and the curves that the rules see.

#[cfg(feature = "plot")]
pub(crate) mod modes;

use super::bidiagonal::BidiagonalCore;
use super::gsvd_core::GsvdCore;
use super::svd::SvdCore;
use super::tridiagonal::TridiagonalCore;
use super::{Answer, Core, Handed, Projection, Refusal};
use crate::curve::{Curve, Leverages, Spectrum, complement, filter, shared};
use crate::error::{Error, Result};
use crate::linalg::{self, Mat, MatRef, Threads};
use crate::rule::{Chosen, Rule, needs_rows, needs_unmerged_rows, truncation};
use crate::scalar::{Real, Scalar};
use crate::transform::constant::Constant;
use crate::transform::data_matrix::DataMatrix;
use crate::transform::reduced::Frame;
use crate::transform::standard_form::{PenaltyRows, StandardData, StandardForm};
use core::cell::RefCell;
use core::ops::Range;

/// Which decomposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Svd,
    Gsvd,
    Bidiagonal,
    Tridiagonal,
}

pub(crate) struct Decomposed<'a, T: Scalar> {
    standard: StandardForm<T>,
    core: Box<dyn Core<T> + 'a>,
    /// Rank of [A; L] where L is not the identity and was not brought to it.
    stacked: Option<(usize, f64)>,
    /// n.
    unknowns: usize,
    threads: Threads,
}

/// Right-hand sides in the coordinates of the decomposition.
pub(crate) struct Prepared<T> {
    data: StandardData<T>,
    projection: Projection<T>,
}

impl<'a, T: Scalar> Decomposed<'a, T> {
    pub fn new(kind: Kind, matrix: impl Into<DataMatrix<'a, T>>, penalty: &PenaltyRows<T>, threads: Threads) -> Handed<Self> {
        let matrix = matrix.into();
        let unknowns = matrix.shape().1;
        if let (Kind::Tridiagonal, PenaltyRows::Identity) = (kind, penalty) {
            // the only one that can do with rows that are made when they are read
            if !matrix.is_finite(threads) {
                return Err(Refusal::PenaltyOutOfRange);
            }
            let standard = StandardForm::identity(unknowns);
            return Ok(Self { standard, core: Box::new(TridiagonalCore::new(matrix, threads)), stacked: None, unknowns, threads });
        }
        let matrix = matrix.into_stored();
        if kind == Kind::Gsvd {
            let l = match penalty {
                PenaltyRows::Identity => Mat::from_fn(unknowns, unknowns, |i, j| if i == j { T::ONE } else { T::ZERO }),
                PenaltyRows::Diagonal(w) => Mat::from_fn(unknowns, unknowns, |i, j| if i == j { T::from_real(w[i]) } else { T::ZERO }),
                PenaltyRows::Dense(l) => l.clone(),
            };
            let core = GsvdCore::new(matrix.view(), l.as_ref(), threads)?;
            let (standard, _) = StandardForm::new(matrix, &PenaltyRows::Identity, threads)?;
            return Ok(Self { standard, stacked: Some(core.stacked_rank()), core: Box::new(core), unknowns, threads });
        }
        let (standard, reduced) = StandardForm::new(matrix, penalty, threads)?;
        // the iterations behind the decompositions may not end on NaN
        if T::largest_entry(reduced.view(), threads).is_none() {
            return Err(Refusal::PenaltyOutOfRange);
        }
        let core: Box<dyn Core<T> + 'a> = match kind {
            Kind::Svd | Kind::Gsvd => Box::new(SvdCore::new(reduced.view(), threads)?),
            Kind::Bidiagonal => Box::new(BidiagonalCore::new(reduced.view(), threads)?),
            Kind::Tridiagonal => Box::new(TridiagonalCore::new(reduced.into(), threads)),
        };
        Ok(Self { standard, core, stacked: None, unknowns, threads })
    }

    /// Takes right-hand sides (m̄×k) in; the spectra count the rows and directions of the whole problem.
    pub fn prepare(&self, b: Mat<T>, frame: &Frame<'_, T>) -> Handed<Prepared<T>> {
        let data = self.standard.data(b, self.threads);
        let mut projection = self.core.project(linalg::copy(data.rest.as_ref()))?;
        for spectrum in &mut projection.spectra {
            spectrum.rows = frame.rows;
            spectrum.unpenalised += self.standard.unpenalised() + usize::from(frame.constant.is_some());
        }
        Ok(Prepared { data, projection })
    }

    pub fn solve(&self, prepared: &Prepared<T>, dampings: &[f64]) -> Handed<Answer<T>> {
        let Answer { z, residual_norms } = self.core.solve(&prepared.projection, dampings)?;
        Ok(Answer { z: self.standard.solution(z, &prepared.data, self.threads), residual_norms })
    }

    /// The dampings that a rule chooses, and what it saw: one for each right-hand side, or one for all.
    pub fn choose(
        &self,
        prepared: &Prepared<T>,
        frame: &Frame<'_, T>,
        rule: &Rule,
        together: bool,
        norms: &[f64],
        unit: f64,
    ) -> Result<(Vec<f64>, Vec<Chosen>)> {
        let spectra = &prepared.projection.spectra;
        self.suits(rule)?;
        if !rule.needs_leverages() {
            return choose_on(rule, spectra, together, norms, unit);
        }
        let rows = self.rows(prepared, frame, rule.name())?;
        choose_each(spectra, together, norms, &|spectrum, columns, norm| rule.choose(&rows.curve(spectrum, columns), norm, unit))
    }

    /// Solutions with any filter factors, φ(right-hand side, position in its spectrum).
    pub fn filtered(&self, prepared: &Prepared<T>, factor: &dyn Fn(usize, usize) -> f64) -> Result<Mat<T>> {
        let z = self.core.filtered(&prepared.projection, factor).ok_or(Error::Unsupported {
            what: "a truncated or damped SVD",
            with: "a factorization without singular vectors",
            instead: "use Method::Svd, Method::Gsvd or Method::Auto",
        })?;
        Ok(self.standard.solution(z, &prepared.data, self.threads))
    }

    /// Numbers of values kept that a rule chooses, and what it saw: one for each right-hand side.
    pub fn truncate(
        &self,
        prepared: &Prepared<T>,
        frame: &Frame<'_, T>,
        rule: &Rule,
        norms: &[f64],
        unit: f64,
    ) -> Result<Vec<(usize, Chosen)>> {
        let spectra = &prepared.projection.spectra;
        let rows = if rule.needs_leverages() { Some(self.rows(prepared, frame, rule.name())?) } else { None };
        (spectra.iter().zip(norms).enumerate())
            .map(|(j, (spectrum, &norm))| match &rows {
                Some(rows) => truncation::choose(rule, &rows.curve(spectrum.clone(), j..j + 1), norm, unit),
                None => truncation::choose(rule, spectrum, norm, unit),
            })
            .collect()
    }

    /// The diagonal of the resolution matrix, for an L that does not mix unknowns.
    pub fn resolution(&self, values: &[f64], damping: f64) -> Option<Vec<f64>> {
        let factors: Vec<f64> = values.iter().map(|&value| filter(value, damping).0).collect();
        self.standard.resolution(&self.core.resolution(&factors)?)
    }

    /// Refuses a rule that looks at every singular value where they come from a Gram matrix.
    pub fn suits(&self, rule: &Rule) -> Result<()> {
        // an engine with all digits is trusted at λ = 0
        if rule.needs_every_value() && !self.core.trusted(0.0) {
            return Err(Error::Unsupported {
                what: rule.name(),
                with: "singular values from a Gram matrix, which lose half their digits,",
                instead: "use Method::Bidiagonal, Method::Svd or Method::Auto",
            });
        }
        Ok(())
    }

    /// Whether the decomposition is accurate enough for these dampings.
    pub fn trusted(&self, dampings: &[f64]) -> Handed<()> {
        if dampings.iter().all(|&d| self.core.trusted(d)) {
            return Ok(());
        }
        let condition = self.core.condition();
        Err(Refusal::IllConditioned(condition * condition))
    }

    /// Whether the values are told apart from rounding at all: without that no curve can be trusted at any damping.
    pub fn resolved(&self) -> Handed<()> {
        self.trusted(&[f64::MAX])
    }

    /// Effective degrees of freedom.
    pub fn dof(&self, prepared: &Prepared<T>, column: usize, damping: f64) -> f64 {
        prepared.projection.spectra[column].dof(damping)
    }

    /// ‖Āz − b̄‖ at a damping.
    pub fn residual_norm(&self, prepared: &Prepared<T>, column: usize, damping: f64) -> f64 {
        prepared.projection.spectra[column].at(damping).residual.value.sqrt()
    }

    /// The spectrum of one right-hand side.
    pub fn spectrum<'p>(&self, prepared: &'p Prepared<T>, column: usize) -> &'p Spectrum {
        &prepared.projection.spectra[column]
    }

    /// Unpenalised directions, the constant among them.
    pub fn unpenalised(&self, prepared: &Prepared<T>) -> usize {
        prepared.projection.spectra.first().map_or(0, |spectrum| spectrum.unpenalised)
    }

    pub fn spectra(prepared: Prepared<T>) -> Vec<Spectrum> {
        prepared.projection.spectra
    }

    /// Numerical rank of [Ā; d̄L̄] and the relative tolerance that decided it.
    pub fn rank(&self, dampings: &[f64]) -> (usize, f64) {
        let (rank, tolerance) = self.core.rank();
        if let Some((stacked, tolerance)) = self.stacked {
            // at λ = 0 the penalty determines nothing: only the directions that A sees count
            return (if dampings.contains(&0.0) { rank } else { stacked }, tolerance);
        }
        let least = dampings.iter().copied().fold(f64::INFINITY, f64::min);
        // below the tolerance of the rank the engines leave the small singular values out
        if least > 0.0 && least >= self.core.least_damping() {
            return (self.unknowns, tolerance);
        }
        (rank + self.standard.unpenalised(), tolerance)
    }

    pub fn condition(&self) -> f64 {
        self.core.condition()
    }

    /// The rows of U and the leverages of the unpenalised directions, in the rows of the caller.
    pub fn rows<'r>(&'r self, prepared: &Prepared<T>, frame: &Frame<'r, T>, rule: &'static str) -> Result<Rows<'r, T>> {
        if frame.merged {
            return Err(needs_unmerged_rows(rule));
        }
        let Some(stored) = self.core.basis() else { return Err(needs_rows(rule)) };
        let all = 0..stored.ncols();
        let expand = |u: MatRef<'_, T>| {
            let u = self.standard.expand(linalg::copy(u), self.threads);
            match frame.constant {
                Some(constant) => constant.expand(u.as_ref()),
                None => u,
            }
        };
        let outside = expand(prepared.projection.data.as_ref());
        let kept = self.core.penalised();
        let (penalised, loose): (Vec<usize>, Vec<usize>) = all.partition(|i| kept.is_none_or(|kept| kept.contains(i)));
        // U itself where it is in the caller's rows already: it is the largest thing there is
        let basis = match frame.constant {
            None if !self.standard.is_reduced() && loose.is_empty() => Basis::Stored(stored),
            _ => Basis::Expanded(expand(stored)),
        };
        // what the unpenalised directions fit: the constant, the null space of L, the unpenalised columns of a GSVD
        let null =
            self.standard.null_basis(frame.rows - usize::from(frame.constant.is_some()), self.threads).map(|null| match frame.constant {
                Some(constant) => constant.expand(null.as_ref()),
                None => null,
            });
        let constant = frame.constant.map(Constant::direction);
        let nulls = null.as_ref().map_or(0, Mat::ncols);
        let ones = usize::from(constant.is_some());
        let free = Mat::from_fn(frame.rows, ones + nulls + loose.len(), |i, j| match (&constant, &null) {
            (Some(q), _) if j == 0 => q[i],
            (_, Some(null)) if j < ones + nulls => null[(i, j - ones)],
            _ => basis.view()[(i, loose[j - ones - nulls])],
        });
        let leverage = |i: usize| (0..free.ncols()).map(|j| free[(i, j)].modulus_squared().to_f64()).sum();
        let unpenalised: Vec<f64> = (0..frame.rows).map(leverage).collect();
        let basis = match basis {
            Basis::Expanded(all) if !loose.is_empty() => {
                Basis::Expanded(Mat::from_fn(all.nrows(), penalised.len(), |i, j| all[(i, penalised[j])]))
            }
            basis => basis,
        };
        let complement = complement(basis.view(), &unpenalised, free.ncols());
        let columns = (0..outside.ncols())
            .map(|j| {
                let coefficients = penalised.iter().map(|&i| prepared.projection.coefficients[(i, j)]).collect();
                (coefficients, (0..outside.nrows()).map(|i| outside[(i, j)]).collect())
            })
            .collect();
        Ok(Rows { basis, free, complement, columns, groups: frame.groups, threads: self.threads })
    }
}

/// The dampings that a rule chooses on spectra alone, where one unit of the caller's data is `unit` here.
pub(crate) fn choose_on(rule: &Rule, spectra: &[Spectrum], together: bool, norms: &[f64], unit: f64) -> Result<(Vec<f64>, Vec<Chosen>)> {
    choose_each(spectra, together, norms, &|spectrum, _, norm| rule.choose(&spectrum, norm, unit))
}

/// One choice for each right-hand side, or one for all on the root mean square of their spectra.
fn choose_each(
    spectra: &[Spectrum],
    together: bool,
    norms: &[f64],
    choose: &dyn Fn(Spectrum, Range<usize>, f64) -> Result<Chosen>,
) -> Result<(Vec<f64>, Vec<Chosen>)> {
    let k = spectra.len();
    if together && k > 1 {
        let chosen = choose(shared(spectra), 0..k, linalg::norm(norms) / (k as f64).sqrt())?;
        return Ok((vec![chosen.damping; k], vec![chosen]));
    }
    let chosen: Vec<Chosen> = (0..k).map(|j| choose(spectra[j].clone(), j..j + 1, norms[j])).collect::<Result<_>>()?;
    Ok((chosen.iter().map(|c| c.damping).collect(), chosen))
}

/// What the rules need that look at rows.
pub(crate) struct Rows<'r, T: Scalar> {
    basis: Basis<'r, T>,
    free: Mat<T>,
    complement: Vec<f64>,
    columns: Vec<(Vec<T>, Vec<T>)>,
    groups: Option<&'r [usize]>,
    threads: Threads,
}

/// U, in the rows of the caller.
enum Basis<'r, T: Scalar> {
    Stored(MatRef<'r, T>),
    Expanded(Mat<T>),
}

impl<T: Scalar> Basis<'_, T> {
    fn view(&self) -> MatRef<'_, T> {
        match self {
            Basis::Stored(view) => *view,
            Basis::Expanded(matrix) => matrix.as_ref(),
        }
    }
}

impl<T: Scalar> Rows<'_, T> {
    pub fn curve(&self, spectrum: Spectrum, columns: Range<usize>) -> Leverages<'_, T> {
        Leverages {
            spectrum,
            basis: self.basis.view(),
            free: self.free.as_ref(),
            complement: &self.complement,
            columns: &self.columns[columns],
            groups: self.groups,
            threads: self.threads,
            residuals: RefCell::default(),
        }
    }
}
