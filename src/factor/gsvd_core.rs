//! The GSVD as an engine: x(λ) = Σ xᵢ·cᵢβᵢ/(cᵢ² + λsᵢ²), pairs with s = 0 unpenalised, pairs with c = 0 unseen.

use super::gsvd::{Gsvd, coefficient};
use super::{Answer, Core, Handed, Projection, Refusal, rank_of};
use crate::curve::Spectrum;
use crate::linalg::{self, Accum, Mat, MatRef, Op, Threads};
use crate::scalar::{Real, Scalar};

pub(crate) struct GsvdCore<T: Scalar> {
    gsvd: Gsvd<T>,
    /// Which pairs are penalised and seen: their places, by descending γ = c/s.
    penalised: Vec<usize>,
    values: Vec<f64>,
    threads: Threads,
}

impl<T: Scalar> GsvdCore<T> {
    pub fn new(a: MatRef<'_, T>, l: MatRef<'_, T>, threads: Threads) -> Handed<Self> {
        let gsvd = Gsvd::new(a, l, threads).map_err(|_| Refusal::NoConvergence)?;
        let penalised: Vec<usize> = (0..gsvd.u.ncols()).filter(|&i| gsvd.s[i] > 0.0).collect();
        let values = penalised.iter().map(|&i| gsvd.c[i] / gsvd.s[i]).collect();
        Ok(Self { gsvd, penalised, values, threads })
    }

    /// Rank of [A; L]: below n, A and L share a null space.
    pub fn stacked_rank(&self) -> (usize, f64) {
        (self.gsvd.rank, self.gsvd.tolerance)
    }
}

impl<T: Scalar> Core<T> for GsvdCore<T> {
    fn project(&self, mut b: Mat<T>) -> Handed<Projection<T>> {
        let (r, k, rows) = (self.gsvd.u.ncols(), b.ncols(), b.nrows());
        let mut coefficients = linalg::zeros(r, k);
        T::product(coefficients.as_mut(), Accum::Replace, T::ONE, self.gsvd.u.as_ref(), Op::Adjoint, b.as_ref(), Op::None, self.threads);
        if rows > r {
            T::product(b.as_mut(), Accum::Add, -T::ONE, self.gsvd.u.as_ref(), Op::None, coefficients.as_ref(), Op::None, self.threads);
        } else {
            b = linalg::zeros(rows, k);
        }
        let outside = linalg::column_norms(b.as_ref());
        let spectra = (0..k)
            .map(|j| Spectrum {
                values: self.values.clone(),
                coefficients: self.penalised.iter().map(|&i| coefficients[(i, j)].modulus().to_f64()).collect(),
                outside: outside[j] * outside[j],
                rows,
                unpenalised: r - self.penalised.len(),
                tolerance: 0.0,
            })
            .collect();
        Ok(Projection { coefficients, spectra, data: b })
    }

    fn solve(&self, projection: &Projection<T>, dampings: &[f64]) -> Handed<Answer<T>> {
        let r = self.gsvd.u.ncols();
        let weighted = Mat::from_fn(r, dampings.len(), |i, j| {
            let weight = coefficient(self.gsvd.c[i], self.gsvd.s[i], dampings[j]);
            projection.coefficients[(i, j)].scale(T::Real::from_f64(weight))
        });
        let mut x = linalg::zeros(self.gsvd.x.nrows(), dampings.len());
        T::product(
            x.as_mut(),
            Accum::Replace,
            T::ONE,
            self.gsvd.x.as_ref().subcols(0, r),
            Op::None,
            weighted.as_ref(),
            Op::None,
            self.threads,
        );
        Ok(x.into())
    }

    fn filtered(&self, projection: &Projection<T>, factor: &dyn Fn(usize, usize) -> f64) -> Option<Mat<T>> {
        let r = self.gsvd.u.ncols();
        // the position of a direction in the spectrum; unpenalised ones are kept whole
        let mut place = vec![None; r];
        self.penalised.iter().enumerate().for_each(|(position, &i)| place[i] = Some(position));
        let weighted = Mat::from_fn(r, projection.spectra.len(), |i, j| match place[i].map_or(1.0, |position| factor(j, position)) {
            0.0 => T::ZERO,
            phi => projection.coefficients[(i, j)].scale(T::Real::from_f64(phi / self.gsvd.c[i])),
        });
        let mut x = linalg::zeros(self.gsvd.x.nrows(), projection.spectra.len());
        let basis = self.gsvd.x.as_ref().subcols(0, r);
        T::product(x.as_mut(), Accum::Replace, T::ONE, basis, Op::None, weighted.as_ref(), Op::None, self.threads);
        Some(x)
    }

    fn basis(&self) -> Option<MatRef<'_, T>> {
        Some(self.gsvd.u.as_ref())
    }

    #[cfg(feature = "plot")]
    fn directions(&self) -> Option<super::Directions<T>> {
        let Gsvd { u, c, s, x, .. } = &self.gsvd;
        // γ = c/s beyond the range is a direction that the penalty does not see
        let (places, free_places): (Vec<usize>, Vec<usize>) = (0..u.ncols()).partition(|&i| (c[i] / s[i]).is_finite());
        let unseen: Vec<usize> = (u.ncols()..x.ncols()).collect();
        let columns = |places: &[usize], divisor: &[f64]| {
            Mat::from_fn(x.nrows(), places.len(), |i, j| x[(i, places[j])].scale(T::Real::from_f64(1.0 / divisor[places[j]])))
        };
        Some(super::Directions {
            penalised: columns(&places, s),
            free: columns(&free_places, c),
            unseen: super::Unseen::Columns(columns(&unseen, s)),
            places,
            free_places,
        })
    }

    fn penalised(&self) -> Option<&[usize]> {
        Some(&self.penalised)
    }

    fn rank(&self) -> (usize, f64) {
        (self.gsvd.u.ncols(), self.gsvd.tolerance)
    }

    fn condition(&self) -> f64 {
        // γ = c/s is infinite where s underflows
        let finite: Vec<f64> = self.values.iter().copied().filter(|value| value.is_finite()).collect();
        rank_of(&finite, 0.0).1
    }
}
