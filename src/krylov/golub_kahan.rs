//! Golub and Kahan's process: the bidiagonalization of Â by its products, on which LSQR and LSMR stand.
//!
//! Process      β₁u₁ = b̂, α₁v₁ = Âᴴu₁; then βu' = Âv − αu, α'v' = Âᴴu' − βv. After k steps ÂV = U_{k+1}B_k, B_k lower
//!              bidiagonal, U and V orthonormal in exact arithmetic.
//! One sweep    w = A·(μv) − (αμ/ν)(νu) and Aᴴw come from one call of [`Operator::apply_fused`]: u and v are carried as
//!              multiples of unit vectors, their lengths ν and μ beside them, and no vector is divided by its norm in a pass of
//!              its own. The power of two nearest to the last α keeps μ near 1. ‖v‖ is summed while v is made.
//! Â            A, where damping is left to the recurrence: with L = I and a start from x = 0 the damped problem has the
//!              Krylov space of the undamped one. Otherwise [A; dL], its second part beside the first: for a general L, and when
//!              the process starts afresh from an x ≠ 0, where b̂ = [b − Ax; −dLx].
//! From the     with R⁻¹ (an operator) it is the process of ÂR⁻¹; p = R⁻¹v is then what the recurrences get, so that x needs no
//! right        change of variables afterwards.
//! Columns      several right-hand sides go through block products, each with its own α, β.
//! Cost         a step: one product each with A, Aᴴ (L, Lᴴ, R⁻¹, R⁻ᴴ) and 4m + 5n flops a column. Vectors a column: 2 of m, 2 of
//!              n (for L with p rows 2 of p and 1 of n; for R⁻¹ 2 of n). A step allocates nothing, but for what
//!              reorthogonalization keeps.
//! Reference    Golub & Kahan 1965, doi:10.1137/0702016 · Paige & Saunders 1982, doi:10.1145/355984.355989 · orthogonality of V alone
//!              keeps U semi-orthogonal: Simon & Zha 2000, SIAM J. Sci. Comput. 21:2257.

use super::{Fault, System, finite};
use crate::linalg::{add_scaled, dot, exchange, norm};
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};

/// What is left of a vector after orthogonalization, relative to it, when it was in the span of the others.
const EXHAUSTED: f64 = 64.0;

/// The process for `columns` right-hand sides.
pub(crate) struct Process<'a, T: Scalar> {
    system: System<'a, T>,
    columns: usize,
    u: Vec<T>,
    w: Vec<T>,
    v: Vec<T>,
    z: Vec<T>,
    part: Option<Part<'a, T>>,
    right: Option<Right<'a, T>>,
    scalars: Vec<Scalars<T::Real>>,
    /// Unit vectors v of each column, one after another, where they are kept.
    kept: Option<Vec<Vec<T>>>,
    first_step: bool,
}

/// The second part of Â = [A; dL]: L = I for `None`.
struct Part<'a, T: Scalar> {
    l: Option<&'a dyn Operator<Scalar = T>>,
    rows: usize,
    u: Vec<T>,
    w: Vec<T>,
    /// Lᴴw, for a given L.
    z: Vec<T>,
}

struct Right<'a, T: Scalar> {
    inverse: &'a dyn Operator<Scalar = T>,
    p: Vec<T>,
    z: Vec<T>,
}

/// One column's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalars<R> {
    /// α and β of the last step; at the start α₁ and β₁.
    pub alpha: R,
    pub beta: R,
    /// ν and μ: the lengths of what is carried for u and v.
    u_length: R,
    v_length: R,
    /// A lower bound of ‖ÂR⁻¹‖ (or what cancels in its products where that is more).
    pub process_norm: R,
    /// The same of ‖Â‖.
    pub operator_norm: R,
    /// ‖Âᴴr̂‖ where the process started.
    pub gradient_norm: R,
    /// The same relative to ‖R⁻ᴴÂᴴr̂‖: from the process's units to the problem's.
    pub unit: R,
}

impl<R: Real> Scalars<R> {
    /// By which the direction that is handed out is a multiple of that of a unit v.
    pub fn scale(&self) -> R {
        if self.v_length > R::ZERO { R::ONE / self.v_length } else { R::ZERO }
    }
}

/// What the start of a process knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun<R> {
    /// ‖b − Ax‖.
    pub residual_norm: R,
    /// d‖Lx‖.
    pub penalty_norm: R,
    /// What the recurrence has to add: d, or 0 where Â has it.
    pub damping: R,
}

impl<'a, T: Scalar> Process<'a, T> {
    /// Allocates everything; b holds the right-hand sides one after another. Nothing is computed.
    pub fn new(system: &System<'a, T>, reorthogonalize: bool) -> Self {
        let ((m, n), columns) = (system.a.shape(), system.columns);
        let vector = |length: usize| vec![T::ZERO; length * columns];
        let zero = T::Real::ZERO;
        let scalars = Scalars {
            alpha: zero,
            beta: zero,
            u_length: zero,
            v_length: zero,
            process_norm: system.hidden,
            operator_norm: system.hidden,
            gradient_norm: zero,
            unit: T::Real::ONE,
        };
        let mut new = Self {
            system: *system,
            columns,
            u: vector(m),
            w: vector(m),
            v: vector(n),
            z: vector(n),
            part: None,
            right: system.right.map(|inverse| Right { inverse, p: vector(n), z: vector(n) }),
            scalars: vec![scalars; columns],
            kept: reorthogonalize.then(|| vec![Vec::new(); columns]),
            first_step: true,
        };
        if !system.damping_in_recurrence() {
            new.add_part();
        }
        new
    }

    fn add_part(&mut self) {
        let n = self.system.a.shape().1;
        if self.part.is_some() || self.system.d == T::Real::ZERO {
            return;
        }
        let rows = self.system.l.map_or(n, |l| l.shape().0);
        let vector = |length: usize| vec![T::ZERO; length * self.columns];
        let z = if self.system.l.is_some() { vector(n) } else { Vec::new() };
        self.part = Some(Part { l: self.system.l, rows, u: vector(rows), w: vector(rows), z });
    }

    pub fn scalars(&self, column: usize) -> &Scalars<T::Real> {
        &self.scalars[column]
    }

    /// v, or p = R⁻¹v, times its length: [`Scalars::scale`] undoes that.
    pub fn direction(&self, column: usize) -> &[T] {
        let n = self.system.a.shape().1;
        let all = self.right.as_ref().map_or(&self.v, |right| &right.p);
        &all[column * n..(column + 1) * n]
    }

    /// Starts at x = 0: r̂ = [b; 0].
    pub fn begin(&mut self) -> Result<Begun<T::Real>, Fault> {
        self.u.copy_from_slice(self.system.b);
        if let Some(part) = &mut self.part {
            part.u.fill(T::ZERO);
        }
        self.gradient()?;
        let (residual_norm, damping) = (self.scalars[0].beta, if self.part.is_some() { T::Real::ZERO } else { self.system.d });
        Ok(Begun { residual_norm, penalty_norm: T::Real::ZERO, damping })
    }

    /// Starts at x ≠ 0, for one column: r̂ = [b − Ax; −dLx]. The adjoint products are seen here, before x is believed.
    pub fn begin_at(&mut self, x: &[T]) -> Result<Begun<T::Real>, Fault> {
        self.add_part();
        let (a, d) = (self.system.a, self.system.d);
        a.apply(x, &mut self.w);
        for ((u, &b), &w) in self.u.iter_mut().zip(self.system.b).zip(&self.w) {
            *u = b - w;
        }
        let (residual_norm, x_norm) = (a.range_norm(&self.u), norm(x));
        let mut product = a.range_dot(&self.w, &self.u);
        let mut scale = a.range_norm(&self.w) * residual_norm;
        let mut penalty_norm = T::Real::ZERO;
        if let Some(part) = &mut self.part {
            match part.l {
                Some(l) => l.apply(x, &mut part.u),
                None => part.u.copy_from_slice(x),
            }
            part.u.iter_mut().for_each(|u| *u = -u.scale(d));
            penalty_norm = part.norm(&part.u);
            product -= T::from_real(penalty_norm * penalty_norm);
            scale += penalty_norm * penalty_norm;
        }
        self.gradient()?;
        let gradient = self.scalars[0].gradient_norm;
        // before R⁻ᴴ: the gradient itself
        let seen = dot(x, self.right.as_ref().map_or(&self.z, |right| &right.z));
        adjoint_at((product - seen).modulus(), scale + x_norm * gradient, self.scalars[0].operator_norm * x_norm * residual_norm)?;
        Ok(Begun { residual_norm, penalty_norm, damping: T::Real::ZERO })
    }

    /// From u: β₁, α₁, v₁. Leaves Âᴴr̂ in `z`, or in that of `right` where there is one.
    fn gradient(&mut self) -> Result<(), Fault> {
        let (a, n, d) = (self.system.a, self.system.a.shape().1, self.system.d);
        multiply_adjoint(a, self.columns, &self.u, &mut self.z);
        if let Some(part) = &mut self.part {
            part.add_adjoint(self.columns, d, n, &mut self.z, false);
        }
        if let Some(kept) = &mut self.kept {
            kept.iter_mut().for_each(Vec::clear);
        }
        for j in 0..self.columns {
            let length = self.u_norm(j, false);
            let gradient = norm(&self.z[j * n..(j + 1) * n]);
            finite(gradient, "the product Aᴴ·r")?;
            let scalars = &mut self.scalars[j];
            (scalars.beta, scalars.u_length, scalars.gradient_norm, scalars.v_length) = (length, length, gradient, gradient);
            if length > T::Real::ZERO {
                scalars.operator_norm = scalars.operator_norm.larger(gradient / length);
            }
        }
        match &mut self.right {
            // the gradient stays where begin_at looks for it
            Some(right) => {
                multiply_adjoint(right.inverse, self.columns, &self.z, &mut self.v);
                right.z.copy_from_slice(&self.z);
            }
            None => self.v.copy_from_slice(&self.z),
        }
        for j in 0..self.columns {
            let v = &mut self.v[j * n..(j + 1) * n];
            let length = if self.right.is_some() { norm(v) } else { self.scalars[j].v_length };
            finite(length, "the product with the adjoint of the preconditioner")?;
            let scalars = &mut self.scalars[j];
            if length == T::Real::ZERO {
                (scalars.alpha, scalars.v_length, scalars.unit) = (length, length, T::Real::ONE);
                continue;
            }
            let inverse = T::Real::ONE / length;
            v.iter_mut().for_each(|v| {
                *v = if inverse.finite() { v.scale(inverse) } else { T::from_parts(v.real() / length, v.imaginary() / length) }
            });
            (scalars.alpha, scalars.v_length, scalars.unit) = (length / scalars.u_length, T::Real::ONE, scalars.gradient_norm / length);
            if let Some(kept) = &mut self.kept {
                kept[j].extend_from_slice(v);
            }
        }
        self.first_step = true;
        self.turn()
    }

    /// p ← R⁻¹v.
    fn turn(&mut self) -> Result<(), Fault> {
        let Some(right) = &mut self.right else { return Ok(()) };
        multiply(right.inverse, self.columns, &self.v, &mut right.p);
        Ok(())
    }

    /// ‖(u₁, u₂)‖, or that of w.
    fn u_norm(&self, column: usize, w: bool) -> T::Real {
        let m = self.system.a.shape().0;
        let upper = if w { &self.w } else { &self.u };
        let upper = self.system.a.range_norm(&upper[column * m..(column + 1) * m]);
        let Some(part) = &self.part else { return upper };
        let lower = if w { &part.w } else { &part.u };
        norm(&[upper, part.norm(&lower[column * part.rows..(column + 1) * part.rows])])
    }

    /// One step: the next β, u, α, v of every column.
    pub fn step(&mut self) -> Result<(), Fault> {
        let (a, (m, n), d, k) = (self.system.a, self.system.a.shape(), self.system.d, self.columns);
        let input = self.right.as_ref().map_or(&self.v, |right| &right.p);
        let share = |scalars: &Scalars<T::Real>| {
            if scalars.u_length > T::Real::ZERO { scalars.alpha * scalars.v_length / scalars.u_length } else { T::Real::ZERO }
        };
        if k == 1 {
            a.apply_fused(input, T::from_real(share(&self.scalars[0])), &self.u, &mut self.w, &mut self.z);
        } else {
            a.apply_block(k, input, &mut self.w);
            for (j, scalars) in self.scalars.iter().enumerate() {
                add_scaled(&mut self.w[j * m..(j + 1) * m], T::from_real(-share(scalars)), &self.u[j * m..(j + 1) * m]);
            }
            a.apply_adjoint_block(k, &self.w, &mut self.z);
        }
        if let Some(part) = &mut self.part {
            part.apply(k, d, n, input);
            for (j, scalars) in self.scalars.iter().enumerate() {
                let (from, to) = (j * part.rows, (j + 1) * part.rows);
                add_scaled(&mut part.w[from..to], T::from_real(-share(scalars)), &part.u[from..to]);
            }
            part.add_adjoint(k, d, n, &mut self.z, true);
        }
        if let Some(right) = &mut self.right {
            multiply_adjoint(right.inverse, k, &self.z, &mut right.z);
            core::mem::swap(&mut self.z, &mut right.z);
        }
        for j in 0..k {
            self.normalise(j)?;
        }
        core::mem::swap(&mut self.u, &mut self.w);
        if let Some(part) = &mut self.part {
            core::mem::swap(&mut part.u, &mut part.w);
        }
        self.first_step = false;
        self.turn()
    }

    /// β and α of the step, v ← the next one.
    fn normalise(&mut self, j: usize) -> Result<(), Fault> {
        let n = self.system.a.shape().1;
        let length = self.u_norm(j, true);
        finite(length, "the product A·v")?;
        let Scalars { alpha, v_length, .. } = self.scalars[j];
        let beta = if v_length > T::Real::ZERO { length / v_length } else { T::Real::ZERO };
        let column = norm(&[alpha, beta]);
        if self.first_step {
            self.compare_adjoint(j, column)?;
        }
        let p_length = if self.right.is_some() { norm(self.direction(j)) } else { v_length };
        let scalars = &mut self.scalars[j];
        scalars.process_norm = scalars.process_norm.larger(column);
        if p_length > T::Real::ZERO {
            scalars.operator_norm = scalars.operator_norm.larger(column * (v_length / p_length));
        }
        (scalars.beta, scalars.u_length) = (beta, length);
        let v = &mut self.v[j * n..(j + 1) * n];
        if !(length >= T::Real::MIN_POSITIVE) {
            // Âv = αu exactly: the process has ended
            (scalars.alpha, scalars.v_length, scalars.beta) = (T::Real::ZERO, T::Real::ZERO, T::Real::ZERO);
            v.fill(T::ZERO);
            return Ok(());
        }
        let power = T::Real::from_f64(2f64.powi(-exponent(alpha)));
        let (gain, loss) = (power / length, T::from_real(power * (beta / v_length)));
        let mut length = exchange(v, gain, &self.z[j * n..(j + 1) * n], loss, self.system.threads);
        finite(length, "the product Aᴴ·u")?;
        if let Some(kept) = &mut self.kept {
            let before = length;
            length = orthogonalize(v, &kept[j]);
            if length <= T::Real::from_f64(EXHAUSTED) * T::Real::EPSILON * before {
                v.fill(T::ZERO);
                length = T::Real::ZERO;
            } else {
                let inverse = T::Real::ONE / length;
                kept[j].extend(v.iter().map(|v| v.scale(inverse)));
            }
        }
        let scalars = &mut self.scalars[j];
        (scalars.alpha, scalars.v_length) = (length / power, length);
        Ok(())
    }

    /// ⟨u, Âv⟩ = α, so that w = Âv − αu is orthogonal to u: what a wrong adjoint satisfies by chance alone.
    fn compare_adjoint(&self, j: usize, column: T::Real) -> Result<(), Fault> {
        let (m, scalars) = (self.system.a.shape().0, &self.scalars[j]);
        if !(scalars.u_length > T::Real::ZERO && scalars.v_length > T::Real::ZERO) {
            return Ok(());
        }
        let mut product = self.system.a.range_dot(&self.u[j * m..(j + 1) * m], &self.w[j * m..(j + 1) * m]);
        if let Some(part) = &self.part {
            product += part.dot(&part.u[j * part.rows..(j + 1) * part.rows], &part.w[j * part.rows..(j + 1) * part.rows]);
        }
        let difference = product.modulus() / scalars.u_length / scalars.v_length;
        adjoint_at(difference, column + scalars.alpha, scalars.process_norm)
    }

    /// Takes a column out: the last one comes in its place.
    pub fn remove(&mut self, column: usize) {
        let ((m, n), last) = (self.system.a.shape(), self.columns - 1);
        let take = |all: &mut Vec<T>, length: usize| {
            if length > 0 {
                all.copy_within(last * length..(last + 1) * length, column * length);
            }
            all.truncate(last * length);
        };
        take(&mut self.u, m);
        take(&mut self.w, m);
        take(&mut self.v, n);
        take(&mut self.z, n);
        if let Some(part) = &mut self.part {
            take(&mut part.u, part.rows);
            take(&mut part.w, part.rows);
            if part.l.is_some() {
                take(&mut part.z, n);
            }
        }
        if let Some(right) = &mut self.right {
            take(&mut right.p, n);
            take(&mut right.z, n);
        }
        if let Some(kept) = &mut self.kept {
            kept.swap_remove(column);
        }
        self.scalars.swap_remove(column);
        self.columns = last;
    }
}

impl<T: Scalar> Part<'_, T> {
    fn norm(&self, y: &[T]) -> T::Real {
        self.l.map_or_else(|| norm(y), |l| l.range_norm(y))
    }

    fn dot(&self, x: &[T], y: &[T]) -> T {
        self.l.map_or_else(|| dot(x, y), |l| l.range_dot(x, y))
    }

    /// w ← dLp.
    fn apply(&mut self, k: usize, d: T::Real, n: usize, p: &[T]) {
        match self.l {
            Some(l) => multiply(l, k, p, &mut self.w),
            None => self.w.copy_from_slice(&p[..n * k]),
        }
        self.w.iter_mut().for_each(|w| *w = w.scale(d));
    }

    /// z ← z + dLᴴw, or of u.
    fn add_adjoint(&mut self, k: usize, d: T::Real, n: usize, z: &mut [T], of_w: bool) {
        let y = if of_w { &self.w } else { &self.u };
        match self.l {
            Some(l) => {
                multiply_adjoint(l, k, y, &mut self.z);
                add_scaled(z, T::from_real(d), &self.z);
            }
            None => add_scaled(&mut z[..n * k], T::from_real(d), y),
        }
    }
}

/// y ← Ax; for one column the product that allocates nothing.
fn multiply<T: Scalar>(a: &dyn Operator<Scalar = T>, k: usize, x: &[T], y: &mut [T]) {
    if k == 1 { a.apply(x, y) } else { a.apply_block(k, x, y) }
}

/// x ← Aᴴy likewise.
fn multiply_adjoint<T: Scalar>(a: &dyn Operator<Scalar = T>, k: usize, y: &[T], x: &mut [T]) {
    if k == 1 { a.apply_adjoint(y, x) } else { a.apply_adjoint_block(k, y, x) }
}

/// v ← v − QQᴴv, twice; the norm of what is left.
fn orthogonalize<T: Scalar>(v: &mut [T], basis: &[T]) -> T::Real {
    for _ in 0..2 {
        for q in basis.chunks_exact(v.len().max(1)) {
            let along = dot(q, v);
            add_scaled(v, -along, q);
        }
    }
    norm(v)
}

/// The error where two sides of an adjoint identity differ: far above rounding, far below any slip in a transpose, a
/// conjugation or a factor.
fn adjoint_at<R: Real>(difference: R, scale: R, noise: R) -> Result<(), Fault> {
    let rounding = R::from_f64(EXHAUSTED) * R::EPSILON * noise;
    if difference > R::EPSILON.sqrt() * scale + rounding { Err(Fault::NotAdjoint((difference / scale).to_f64())) } else { Ok(()) }
}

/// The exponent of the power of two below a positive number; 0 for others.
fn exponent<R: Real>(value: R) -> i32 {
    let value = value.to_f64();
    if value > 0.0 && value.is_finite() { value.log2().floor() as i32 } else { 0 }
}
