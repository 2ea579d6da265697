//! Golub and Kahan's process with its vectors kept: AVₖ = Uₖ₊₁Bₖ, AᴴUₖ₊₁ = VₖBₖᴴ + αₖ₊₁vₖ₊₁eᴴₖ₊₁.
//!
//! The vectors that are kept are kept orthogonal: each new one is orthogonalised against all of them, twice where the
//! first time took away much of it. In exact arithmetic that changes nothing; in floating point the process otherwise
//! finds converged singular values again and again, and a rule would count them as degrees of freedom. Both U and V are
//! kept: with V alone (Simon, Zha 2000) U loses its orthogonality where Bₖ is ill-conditioned, which is what it is here.
//! Beyond the number of vectors that may be kept the recurrences go on alone, as quadrature permits.
//!
//! A step allocates only when a block of [`BLOCK`] vectors is full.
//!
//! Cost         step k: one product each with A and Aᴴ (one sweep, where the operator has that) and 4k(m + n) flops.
//! References   Golub & Kahan 1965, doi:10.1137/0702016 · Daniel, Gragg, Kaufman & Stewart 1976 (when to repeat),
//!              doi:10.1090/S0025-5718-1976-0431641-8 · Simon & Zha 2000, doi:10.1137/S1064827597327309.

use super::projection::Bidiagonal;
use crate::krylov::Fault;
use crate::linalg::{add_scaled, dot, norm};
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};

/// Vectors that are made room for at once. A guess between many allocations and much unused memory.
const BLOCK: usize = 16;
/// A vector that keeps less than this fraction of its length is orthogonalised again.
const REPEAT: f64 = 0.7;
/// What is left of a product below this many ε of the largest coefficient is rounding: the space is exhausted.
const EXHAUSTED: f64 = 16.0;

/// Orthonormal vectors of one length, in blocks, so that growing never copies them.
pub(crate) struct Columns<T> {
    length: usize,
    count: usize,
    blocks: Vec<Vec<T>>,
}

impl<T: Scalar> Columns<T> {
    /// None yet, of this length.
    pub fn new(length: usize) -> Self {
        Self { length, count: 0, blocks: Vec::new() }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn push(&mut self, vector: &[T]) {
        if self.count.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK * self.length));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.extend_from_slice(vector);
            self.count += 1;
        }
    }

    /// Column j, or an empty slice where there is none.
    pub fn column(&self, j: usize) -> &[T] {
        let start = (j % BLOCK) * self.length;
        self.blocks.get(j / BLOCK).and_then(|block| block.get(start..start + self.length)).unwrap_or(&[])
    }

    /// y ← (I − QQᴴ)y. Returns ‖y‖ afterwards; the coefficients Qᴴy are added to `coefficients` where there is room for them.
    pub fn project_out(&self, y: &mut [T], space: &Space<'_, T>, mut coefficients: Option<&mut [T]>) -> T::Real {
        let mut before = space.norm(y);
        for _ in 0..2 {
            for j in 0..self.count {
                let column = self.column(j);
                let along = space.dot(column, y);
                add_scaled(y, -along, column);
                if let Some(coefficient) = coefficients.as_deref_mut().and_then(|list| list.get_mut(j)) {
                    *coefficient += along;
                }
            }
            let after = space.norm(y);
            if !(after < T::Real::from_f64(REPEAT) * before) {
                return after;
            }
            before = after;
        }
        before
    }

    /// x ← Σ yⱼqⱼ over the first columns.
    pub fn combine(&self, y: &[f64], x: &mut [T]) {
        x.fill(T::ZERO);
        for (j, &factor) in y.iter().enumerate().take(self.count) {
            add_scaled(x, T::from_real(T::Real::from_f64(factor)), self.column(j));
        }
    }
}

/// Where a vector lives: the inner product of the range of A may be that of rows on several processes.
pub(crate) enum Space<'a, T: Scalar> {
    Range(&'a dyn Operator<Scalar = T>),
    Domain,
}

impl<T: Scalar> Space<'_, T> {
    pub fn norm(&self, v: &[T]) -> T::Real {
        match self {
            Space::Range(a) => a.range_norm(v),
            Space::Domain => norm(v),
        }
    }

    pub fn dot(&self, u: &[T], v: &[T]) -> T {
        match self {
            Space::Range(a) => a.range_dot(u, v),
            Space::Domain => dot(u, v),
        }
    }
}

/// The process from one vector.
pub(crate) struct Process<'a, T: Scalar> {
    a: &'a dyn Operator<Scalar = T>,
    /// How many steps' vectors are kept.
    keep: usize,
    /// Rounding of the products, where something cancels inside them.
    hidden: f64,
    pub left: Columns<T>,
    pub right: Columns<T>,
    pub numbers: Bidiagonal,
    /// No further direction: the projected problem is the whole one.
    pub exhausted: bool,
    u: Vec<T>,
    v: Vec<T>,
    w: Vec<T>,
    z: Vec<T>,
}

impl<'a, T: Scalar> Process<'a, T> {
    /// Starts from `b` (in the range of A); up to `keep` steps keep their vectors.
    pub fn start(a: &'a dyn Operator<Scalar = T>, hidden: f64, b: &[T], keep: usize) -> Result<Self, Fault> {
        let (m, n) = a.shape();
        let mut new = Self {
            a,
            keep,
            hidden,
            left: Columns::new(m),
            right: Columns::new(n),
            numbers: Bidiagonal::default(),
            exhausted: false,
            u: b.to_vec(),
            v: vec![T::ZERO; n],
            w: vec![T::ZERO; m],
            z: vec![T::ZERO; n],
        };
        let beta = a.range_norm(&new.u);
        finite(beta, "the data of the process")?;
        let mut alpha = T::Real::ZERO;
        if beta > T::Real::ZERO {
            divide(&mut new.u, beta);
            a.apply_adjoint(&new.u, &mut new.v);
            alpha = norm(&new.v);
            finite(alpha, "the product Aᴴ·u")?;
        }
        // of a projected A nothing but the rounding of what cancels may be left
        if alpha.to_f64() <= EXHAUSTED * T::Real::EPSILON.to_f64() * hidden {
            alpha = T::Real::ZERO;
        }
        if alpha > T::Real::ZERO {
            divide(&mut new.v, alpha);
        }
        new.exhausted = alpha == T::Real::ZERO;
        new.numbers.beta.push(beta.to_f64());
        new.numbers.alpha.push(alpha.to_f64());
        new.store();
        Ok(new)
    }

    pub fn shape(&self) -> (usize, usize) {
        self.a.shape()
    }

    pub fn operator(&self) -> &'a dyn Operator<Scalar = T> {
        self.a
    }

    /// The norm of what cancels inside the products with A.
    pub fn hidden(&self) -> f64 {
        self.hidden
    }

    /// Steps made.
    pub fn steps(&self) -> usize {
        self.numbers.steps()
    }

    /// Whether every direction so far is kept.
    pub fn complete(&self) -> bool {
        self.right.count() >= self.steps()
    }

    /// How many steps may keep their vectors.
    pub fn room(&self) -> usize {
        self.keep
    }

    /// Room for the numbers of so many steps, so that a step allocates nothing but blocks of vectors.
    pub fn reserve(&mut self, steps: usize) {
        self.numbers.reserve(steps);
        for columns in [&mut self.left.blocks, &mut self.right.blocks] {
            columns.reserve(steps / BLOCK + 2);
        }
    }

    fn store(&mut self) {
        if self.right.count() <= self.keep && self.left.count() == self.steps() {
            self.left.push(&self.u);
            if !self.exhausted {
                self.right.push(&self.v);
            }
        }
    }

    /// One step: w = Avₖ − αₖuₖ, βₖ₊₁uₖ₊₁ = w, αₖ₊₁vₖ₊₁ = Aᴴuₖ₊₁ − βₖ₊₁vₖ.
    pub fn step(&mut self) -> Result<(), Fault> {
        if self.exhausted {
            return Ok(());
        }
        let k = self.steps();
        let alpha = self.numbers.alpha.last().copied().unwrap_or(0.0);
        let real = |value: f64| T::from_real(T::Real::from_f64(value));
        self.a.apply_fused(&self.v, real(alpha), &self.u, &mut self.w, &mut self.z);
        let raw = self.a.range_norm(&self.w);
        finite(raw, "the product A·v")?;
        let floor = EXHAUSTED * T::Real::EPSILON.to_f64() * self.numbers.largest().max(self.hidden);
        // ⟨u, Av⟩ = α while the adjoint is one: w has nothing of u, but for rounding where the space is nearly exhausted
        if k < 2 {
            let (difference, scale) = (self.a.range_dot(&self.u, &self.w).modulus().to_f64(), norm(&[alpha, raw.to_f64()]));
            if difference > T::Real::EPSILON.to_f64().sqrt() * scale + floor {
                return Err(Fault::NotAdjoint(difference / scale));
            }
        }
        let kept = self.left.count() > k;
        let beta = if kept { self.left.project_out(&mut self.w, &Space::Range(self.a), None) } else { raw };
        if beta.to_f64() <= floor {
            self.numbers.beta.push(0.0);
            self.numbers.alpha.push(0.0);
            self.exhausted = true;
            return Ok(());
        }
        divide(&mut self.w, beta);
        core::mem::swap(&mut self.u, &mut self.w);
        // z is Aᴴ of w as it was before the orthogonalisation took rounding errors out: the same will be taken out of it
        let (beta_real, back) = (beta, real(beta.to_f64()));
        divide(&mut self.z, beta_real);
        add_scaled(&mut self.z, -back, &self.v);
        let kept = self.right.count() > k;
        let alpha = if kept { self.right.project_out(&mut self.z, &Space::Domain, None) } else { norm(&self.z) };
        finite(alpha, "the product Aᴴ·u")?;
        self.numbers.beta.push(beta.to_f64());
        if alpha.to_f64() <= floor {
            self.numbers.alpha.push(0.0);
            self.exhausted = true;
        } else {
            divide(&mut self.z, alpha);
            core::mem::swap(&mut self.v, &mut self.z);
            self.numbers.alpha.push(alpha.to_f64());
        }
        self.store();
        Ok(())
    }
}

/// v ← v/length, also where 1/length overflows.
pub(crate) fn divide<T: Scalar>(v: &mut [T], length: T::Real) {
    let inverse = T::Real::ONE / length;
    for v in v {
        *v = if inverse.finite() { v.scale(inverse) } else { T::from_parts(v.real() / length, v.imaginary() / length) };
    }
}

pub(crate) fn finite<R: Real>(value: R, what: &'static str) -> Result<(), Fault> {
    if value.finite() { Ok(()) } else { Err(Fault::NonFinite(what)) }
}
