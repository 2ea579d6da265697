//! The same change of variables for an A that only multiplies: Ā = PDA with P = I − qqᵀ, q = D·1/‖D·1‖, as an operator.

use super::whiten::row_scale;
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::linalg;
use crate::operator::{Operator, algebra};
use crate::penalty::Resolved;
use crate::scalar::{Real, Scalar};
use core::cell::RefCell;

/// PDA, with L and the prior mean beside it.
pub(crate) struct ByProducts<'a, T: Scalar> {
    operator: &'a dyn Operator<Scalar = T>,
    penalty: Option<Box<dyn Operator<Scalar = T> + 'a>>,
    row_scale: Option<Vec<T::Real>>,
    /// q and ‖D·1‖.
    constant: Option<(Vec<T::Real>, T::Real)>,
    /// x₀ and Ax₀.
    prior: Option<(Vec<T>, Vec<T>)>,
    /// Scaled data of a product with Āᴴ: kept, so that a step allocates nothing.
    scratch: RefCell<Vec<T>>,
}

impl<'a, T: Scalar> ByProducts<'a, T> {
    pub fn new(description: &Description<'a, T>) -> Result<Self> {
        let operator = description.operator;
        let (m, n) = operator.shape();
        let row_scale = row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
        let constant = description.intercept.then(|| {
            let ones = row_scale.clone().unwrap_or_else(|| vec![T::Real::ONE; m]);
            let norm = linalg::norm(&ones);
            (ones.into_iter().map(|d| d / norm).collect(), norm)
        });
        let prior = match &description.prior_mean {
            None => None,
            Some(mean) => {
                let mut image = vec![T::ZERO; m];
                operator.apply(mean, &mut image);
                if let Some(index) = image.iter().position(|v| !v.finite()) {
                    return Err(Error::NonFinite { what: "the product of A with the prior mean", index: Size::Entry(index) });
                }
                Some((mean.clone(), image))
            }
        };
        let penalty: Option<Box<dyn Operator<Scalar = T> + 'a>> = match description.penalty.resolve(n)? {
            Resolved::Identity => None,
            Resolved::Diagonal(weights) => Some(Box::new(algebra::diagonal(weights.into_iter().map(T::from_real).collect()))),
            Resolved::Operator(l) => Some(l),
        };
        let scratch = RefCell::new(if row_scale.is_some() || constant.is_some() { vec![T::ZERO; m] } else { Vec::new() });
        Ok(Self { operator, penalty, row_scale, constant, prior, scratch })
    }

    pub fn penalty(&self) -> Option<&dyn Operator<Scalar = T>> {
        self.penalty.as_deref()
    }

    /// z from x.
    pub fn departure(&self, x: &[T]) -> Vec<T> {
        x.iter().enumerate().map(|(i, &x)| self.prior.as_ref().map_or(x, |(mean, _)| x - mean[i])).collect()
    }

    /// x from z.
    pub fn answer(&self, z: &[T]) -> Vec<T> {
        z.iter().enumerate().map(|(i, &z)| self.prior.as_ref().map_or(z, |(mean, _)| mean[i] + z)).collect()
    }

    /// PD(b − Ax₀).
    pub fn data(&self, b: &[T]) -> Vec<T> {
        let mut data = self.whitened(b);
        self.project(&mut data);
        data
    }

    /// ‖Db‖, as a noise level relative to the data means it.
    pub fn whitened_norm(&self, b: &[T]) -> f64 {
        let mut data = b.to_vec();
        self.scale(&mut data);
        self.operator.range_norm(&data).to_f64()
    }

    /// The constant: qᵀ(D(b − Ax₀) − DAz)/‖D·1‖.
    pub fn constant(&self, b: &[T], z: &[T]) -> T {
        let Some((q, norm)) = &self.constant else { return T::ZERO };
        let mut image = vec![T::ZERO; b.len()];
        self.operator.apply(z, &mut image);
        self.scale(&mut image);
        let whitened = self.whitened(b);
        let sum = q.iter().zip(whitened.iter().zip(&image)).fold(T::ZERO, |sum, (&q, (&b, &az))| sum + (b - az).scale(q));
        sum.scale(T::Real::ONE / *norm)
    }

    /// ‖(DA)ᴴq‖: what the projection takes out of DA, and what the products round by even so.
    pub fn hidden_norm(&self) -> T::Real {
        self.projected_out().map_or(T::Real::ZERO, |(_, along)| linalg::norm(&along))
    }

    /// q and qᵀDA: the direction that the projection takes out, and what it takes out of DA.
    pub fn projected_out(&self) -> Option<(&[T::Real], Vec<T>)> {
        let (q, _) = self.constant.as_ref()?;
        let mut along: Vec<T> = q.iter().map(|&q| T::from_real(q)).collect();
        self.scale(&mut along);
        let mut image = vec![T::ZERO; self.operator.shape().1];
        self.operator.apply_adjoint(&along, &mut image);
        image.iter_mut().for_each(|value| *value = value.conj());
        Some((q, image))
    }

    /// What the constant is made of: (h, 1/‖D·1‖) with c = (what the data say) + hx.
    pub fn dependence(&self) -> Option<(Vec<T>, f64)> {
        let (_, along) = self.projected_out()?;
        let (_, norm) = self.constant.as_ref()?;
        let inverse = T::Real::ONE / *norm;
        Some((along.into_iter().map(|a| -a.scale(inverse)).collect(), inverse.to_f64()))
    }

    /// D, where it is not the identity.
    pub fn row_scale(&self) -> Option<&[T::Real]> {
        self.row_scale.as_deref()
    }

    /// ‖Lz‖.
    pub fn penalty_norm(&self, z: &[T]) -> f64 {
        let Some(l) = &self.penalty else { return linalg::norm(z).to_f64() };
        let mut image = vec![T::ZERO; l.shape().0];
        l.apply(z, &mut image);
        linalg::norm(&image).to_f64()
    }

    fn whitened(&self, b: &[T]) -> Vec<T> {
        let mut data: Vec<T> = b.iter().enumerate().map(|(i, &b)| self.prior.as_ref().map_or(b, |(_, image)| b - image[i])).collect();
        self.scale(&mut data);
        data
    }

    fn scale(&self, y: &mut [T]) {
        if let Some(scale) = &self.row_scale {
            y.iter_mut().zip(scale).for_each(|(y, &d)| *y = y.scale(d));
        }
    }

    /// y ← Py: what the constant leaves.
    pub fn project(&self, y: &mut [T]) {
        if let Some((q, _)) = &self.constant {
            let along = q.iter().zip(&*y).fold(T::ZERO, |sum, (&q, &y)| sum + y.scale(q));
            y.iter_mut().zip(q).for_each(|(y, &q)| *y -= along.scale(q));
        }
    }
}

impl<T: Scalar> Operator for ByProducts<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        self.operator.shape()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.operator.apply(x, y);
        self.scale(y);
        self.project(y);
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        if self.row_scale.is_none() && self.constant.is_none() {
            return self.operator.apply_adjoint(y, x);
        }
        let mut scaled = self.scratch.borrow_mut();
        // a block may have left more room than one column takes
        let scaled = &mut scaled[..y.len()];
        scaled.copy_from_slice(y);
        self.project(scaled);
        self.scale(scaled);
        self.operator.apply_adjoint(scaled, x);
    }
    fn apply_block(&self, k: usize, x: &[T], y: &mut [T]) {
        self.operator.apply_block(k, x, y);
        for column in y.chunks_exact_mut(self.operator.shape().0.max(1)) {
            self.scale(column);
            self.project(column);
        }
    }
    fn apply_adjoint_block(&self, k: usize, y: &[T], x: &mut [T]) {
        if self.row_scale.is_none() && self.constant.is_none() {
            return self.operator.apply_adjoint_block(k, y, x);
        }
        let mut scaled = self.scratch.borrow_mut();
        if scaled.len() < y.len() {
            scaled.resize(y.len(), T::ZERO);
        }
        let scaled = &mut scaled[..y.len()];
        scaled.copy_from_slice(y);
        for column in scaled.chunks_exact_mut(self.operator.shape().0.max(1)) {
            self.project(column);
            self.scale(column);
        }
        self.operator.apply_adjoint_block(k, scaled, x);
    }
    fn apply_fused(&self, x: &[T], alpha: T, u: &[T], w: &mut [T], z: &mut [T]) {
        if self.row_scale.is_none() && self.constant.is_none() {
            return self.operator.apply_fused(x, alpha, u, w, z);
        }
        // D comes between the two products, twice: no single sweep of A alone has that
        self.apply(x, w);
        linalg::add_scaled(w, -alpha, u);
        self.apply_adjoint(w, z);
    }
    fn global_rows(&self) -> usize {
        self.operator.global_rows()
    }
    fn range_norm(&self, y: &[T]) -> T::Real {
        self.operator.range_norm(y)
    }
    fn range_dot(&self, u: &[T], v: &[T]) -> T {
        self.operator.range_dot(u, v)
    }
}
