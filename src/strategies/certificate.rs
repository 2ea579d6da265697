//! How well an answer solves its problem, recomputed from x alone.
//!
//! With W = D² (the intercept's column projected out of A where there is one), z = x − x₀ and
//!
//! ```text
//! C = [DA; √λL]     d = [D(b − Ax₀ − c); 0]     ρ = d − Cz     g = Cᴴρ
//! ```
//! x is the minimiser where g = 0. It is the exact minimiser of a problem whose C is ε‖C‖ away, and whose d is
//! ε(‖C‖(‖x‖ + ‖x₀‖) + ‖d‖) away, for about
//!
//! ```text
//! ε² = Σ |vᵢᴴg|² / ((‖C‖‖ρ‖)² + σᵢ²(‖C‖(‖x‖ + ‖x₀‖) + ‖Db‖)²)       C = UΣVᴴ
//! ```
//! Karlson, Waldén 1997 (doi:10.1007/BF02510248), who show that this estimate is within a small factor of the least ε.
//! Everything is computed in f64 with residuals in twice that, on copies scaled by powers of two, with a Jacobi SVD of its
//! own: O((m + p + n)n²) a sweep, for small problems.

use crate::data::{self, Data};
use crate::description::Description;
use crate::extended;
use crate::linalg::Mat;
use crate::operator::dense::materialize;
use crate::penalty::Resolved;
use crate::problem::Problem;
use crate::scalar::{Real, Scalar, c64};
use crate::solution::Solution;
use core::fmt;

/// The tolerance of a law is this times ε·max(m, n): the threshold of LAPACK's own tests.
const RATIO: f64 = 30.0;

/// What [`certify`] found. Every number is relative, and the largest over all right-hand sides.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Certificate {
    /// m.
    pub rows: usize,
    /// n.
    pub columns: usize,
    /// ε of the scalar type.
    pub epsilon: f64,
    /// Rank of C = [DA; √λL]: the one the fit states, or else the one seen here.
    pub rank: usize,
    /// Largest over smallest nonzero singular value of C.
    pub condition: f64,
    /// x, intercept and norms are finite, and of the right shape.
    pub finite: bool,
    /// The normal equations in LAPACK's sense: ‖Cᴴρ‖/(‖C‖‖d‖).
    pub gradient: f64,
    /// The least relative change of A, L and b for which x is the exact answer, estimated.
    pub backward_error: f64,
    /// Σ D²(b − Ax − c) = 0, relative to the terms of the sum; 0 without an intercept.
    pub intercept: f64,
    /// The residual norm stated against that of x.
    pub residual_norm: f64,
    /// The penalty norm stated against that of x.
    pub penalty_norm: f64,
    /// residual_norm² + λ·penalty_norm² = Re⟨d, ρ⟩, which holds at the minimum only, with the norms stated.
    pub objective: f64,
    /// The degrees of freedom stated against tr A(CᴴC)⁺AᴴD², over n; `None` where none are stated. Its tolerance is that
    /// of a Gram matrix, which has half the digits.
    pub dof: Option<f64>,
    /// x − x₀ against the directions that nothing determines, where there are any.
    pub minimum_norm: Option<f64>,
    /// For each right-hand side: ‖x − the exact minimiser‖ is at most this when `backward_error` is at most ε·max(m, n).
    pub error_bounds: Vec<f64>,
}

/// One law: its name, how far the answer is from it, and how far it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// What holds.
    pub name: &'static str,
    /// The relative distance.
    pub value: f64,
    /// The permitted one.
    pub tolerance: f64,
}

/// One value for each right-hand side: a scalar, or a `Vec` of them.
pub trait Values<T> {
    /// The values.
    fn values(&self) -> &[T];
}

impl<T: Scalar> Values<T> for T {
    fn values(&self) -> &[T] {
        core::slice::from_ref(self)
    }
}

impl<T: Scalar> Values<T> for Vec<T> {
    fn values(&self) -> &[T] {
        self
    }
}

/// Recomputes from x alone what the fit claims. b is any vector, or a matrix of faer, of nalgebra or a
/// [`Matrix`](super::Matrix); a fit of an iterative method with a tolerance of its own needs
/// [`holds_to`](Certificate::holds_to). It is for quadratic problems; a fit with another penalty, misfit or bounds is stated as not finite
/// (`report.duality_gap` certifies those with ℓ1 norms).
///
/// ```
/// use wellposed::{DenseView, Problem, strategies::certify};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let a = DenseView::column_major(&a, 4, 2)?;
/// let (problem, b) = (Problem::new(&a), [1.1, 1.9, 3.2, 3.9]);
/// let certificate = certify(&problem, &b, &problem.solve(&b, 0.1)?);
/// println!("{certificate}");
/// assert_eq!(certificate.holds(), Ok(()));
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn certify<T, B>(problem: &Problem<'_, T>, b: &B, fit: &Solution<T, B>) -> Certificate
where
    T: Scalar,
    B: Data<T> + ?Sized,
    B::Output: Data<T>,
    B::Each<T>: Values<T>,
{
    let description = problem.description();
    let (m, n) = description.operator.shape();
    let (b, x, constants) = (data::column(b), data::column(&fit.x), fit.intercept.values());
    let k = fit.report.fits.len();
    let mut certificate = Certificate {
        rows: m,
        columns: n,
        epsilon: T::Real::EPSILON.to_f64(),
        rank: fit.rank.unwrap_or(n),
        condition: 1.0,
        finite: b.len() == m * k
            && x.len() == n * k
            && constants.len() == k
            && x.iter().chain(constants).all(|v| v.finite())
            && fit.report.fits.iter().all(|fit| fit.residual_norm.is_finite() && fit.penalty_norm.is_finite()),
        gradient: 0.0,
        backward_error: 0.0,
        intercept: 0.0,
        residual_norm: 0.0,
        penalty_norm: 0.0,
        objective: 0.0,
        dof: None,
        minimum_norm: None,
        error_bounds: Vec::with_capacity(k),
    };
    // the laws are those of a quadratic problem; others have a duality gap
    let Some(parts) = Parts::new(description).filter(|_| certificate.finite && description.quadratic()) else {
        certificate.finite = false;
        return certificate;
    };
    let mut system: Option<(f64, System)> = None;
    for (j, stated) in fit.report.fits.iter().enumerate() {
        let damping = stated.lambda.damping();
        if system.as_ref().is_none_or(|(known, _)| *known != damping) {
            system = Some((damping, System::new(&parts, damping)));
        }
        let Some((_, system)) = &system else { continue };
        let answer = Answer {
            b: wide(&b[j * m..(j + 1) * m]),
            x: wide(&x[j * n..(j + 1) * n]),
            constant: wide(&constants[j..=j])[0],
            residual_norm: stated.residual_norm,
            penalty_norm: stated.penalty_norm,
            dof: stated.dof,
        };
        system.judge(&parts, &answer, fit.rank, &mut certificate);
    }
    certificate
}

impl Certificate {
    /// 30·ε·max(m, n).
    pub fn tolerance(&self) -> f64 {
        RATIO * self.epsilon * self.rows.max(self.columns).max(1) as f64
    }

    /// Every law, with its distance and the tolerance that goes with this backward error.
    pub fn laws(&self, tolerance: f64) -> Vec<Law> {
        // a backward error of `tolerance` moves singular vectors and filter factors by that times the condition
        let conditioned = (tolerance * self.condition).min(1.0);
        let mut laws = vec![
            Law { name: "normal equations (backward error)", value: self.backward_error, tolerance },
            Law { name: "weighted residuals sum to 0 (intercept)", value: self.intercept, tolerance },
            Law { name: "residual norm is that of x", value: self.residual_norm, tolerance },
            Law { name: "penalty norm is that of x", value: self.penalty_norm, tolerance },
            Law { name: "objective = ⟨b, residual⟩", value: self.objective, tolerance },
        ];
        // from a Gram matrix the trace has half the digits
        let squared = (conditioned * self.condition).min(1.0);
        laws.extend(self.dof.map(|value| Law { name: "dof is the trace of the hat matrix", value, tolerance: squared }));
        laws.extend(self.minimum_norm.map(|value| Law { name: "minimum norm", value, tolerance: conditioned }));
        laws
    }

    /// Whether every law holds to rounding level: a backward error of at most [`tolerance`](Self::tolerance).
    ///
    /// # Errors
    /// The laws that do not hold, with their numbers.
    pub fn holds(&self) -> Result<(), String> {
        self.holds_to(self.tolerance())
    }

    /// Whether every law holds to this backward error.
    ///
    /// # Errors
    /// The laws that do not hold, with their numbers.
    pub fn holds_to(&self, tolerance: f64) -> Result<(), String> {
        if !self.finite {
            return Err("x, the intercept or a norm is not finite, or not of the shape of the problem".into());
        }
        let broken: Vec<String> = self
            .laws(tolerance)
            .iter()
            // NaN breaks a law
            .filter(|law| !(law.value <= law.tolerance))
            .map(|law| format!("{}: {:.2e}, above {:.2e}", law.name, law.value, law.tolerance))
            .collect();
        if broken.is_empty() { Ok(()) } else { Err(format!("{} ({}×{})", broken.join("; "), self.rows, self.columns)) }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}×{}, rank {}, condition {:.1e}", self.rows, self.columns, self.rank, self.condition)?;
        if !self.finite {
            return writeln!(f, "FAILS  not finite, or not of the shape of the problem");
        }
        writeln!(f, "       {:<42} {:.2e}", "gradient relative to ‖C‖‖d‖", self.gradient)?;
        for Law { name, value, tolerance } in self.laws(self.tolerance()) {
            let verdict = if value <= tolerance { "holds" } else { "FAILS" };
            writeln!(f, "{verdict}  {name:<42} {value:.2e} of {tolerance:.2e}")?;
        }
        Ok(())
    }
}

// ---- the computation, once for all scalar types -----------------------------------------------------------------------

fn wide<T: Scalar>(values: &[T]) -> Vec<c64> {
    values.iter().map(|v| c64::new(v.real().to_f64(), v.imaginary().to_f64())).collect()
}

/// The largest exponent among the parts; 0 for zeros.
fn exponent<'a>(values: impl IntoIterator<Item = &'a c64>) -> i32 {
    let largest = values.into_iter().fold(0.0f64, |largest, v| largest.max(v.re.abs()).max(v.im.abs()));
    if largest > 0.0 { largest.log2().floor() as i32 } else { 0 }
}

fn scaled(value: f64, exponent: i32) -> f64 {
    crate::scalar::times_power_of_two(value, exponent)
}

fn all_scaled(values: &[c64], exponent: i32) -> Vec<c64> {
    values.iter().map(|v| c64::new(scaled(v.re, exponent), scaled(v.im, exponent))).collect()
}

fn norm(values: &[c64]) -> f64 {
    values.iter().fold(0.0, |norm: f64, v| norm.hypot(v.re).hypot(v.im))
}

fn dot(x: &[c64], y: &[c64]) -> c64 {
    x.iter().zip(y).fold(c64::new(0.0, 0.0), |sum, (x, y)| sum + x.conj() * y)
}

fn minus(x: &[c64], y: &[c64]) -> Vec<c64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

fn column(a: &Mat<c64>, j: usize) -> &[c64] {
    a.col_as_slice(j)
}

/// The problem without b and λ: 2⁻ᵃDA, 2⁻ᵈD and 2⁻ˡL.
struct Parts {
    a: Mat<c64>,
    a_exponent: i32,
    /// 2⁻ᵈD.
    row: Vec<f64>,
    row_exponent: i32,
    l: Mat<c64>,
    l_exponent: i32,
    /// D·1, of norm 1.
    constant: Option<Vec<c64>>,
    prior: Vec<c64>,
}

/// λ's own part of it: C, its singular values and right singular vectors, in units of 2ᵉ.
struct System {
    /// 2⁻ᵉ[PDA; √λL], P the projection away from D·1.
    c: Mat<c64>,
    exponent: i32,
    /// √λ·2ˡ⁻ᵉ, the factor of the scaled L.
    damping: f64,
    zero: bool,
    values: Vec<f64>,
    vectors: Mat<c64>,
    /// ‖[DA; √λL]‖ with the constant still in it: what rounding is relative to.
    norm: f64,
}

struct Answer {
    b: Vec<c64>,
    x: Vec<c64>,
    constant: c64,
    residual_norm: f64,
    penalty_norm: f64,
    dof: Option<f64>,
}

impl Parts {
    fn new<T: Scalar>(description: &Description<'_, T>) -> Option<Self> {
        let (m, n) = description.operator.shape();
        let a = materialize(description.operator);
        let l = match description.penalty.resolve(n).ok()? {
            Resolved::Identity => Mat::from_fn(n, n, |i, j| if i == j { T::ONE } else { T::ZERO }),
            Resolved::Diagonal(w) => Mat::from_fn(n, n, |i, j| if i == j { T::from_real(w[i]) } else { T::ZERO }),
            Resolved::Operator(l) => materialize(&*l),
        };
        let entry = |list: &Option<Vec<T::Real>>, i: usize| {
            list.as_ref().map_or(Some(1.0), |list| if list.len() == 1 { list.first() } else { list.get(i) }.map(|v| v.to_f64()))
        };
        let mut row = Vec::with_capacity(m);
        for i in 0..m {
            row.push(entry(&description.weights, i)?.sqrt() / entry(&description.noise_std, i)?);
        }
        let row_exponent = exponent(&row.iter().map(|&v| c64::new(v, 0.0)).collect::<Vec<_>>());
        let row: Vec<f64> = row.into_iter().map(|v| scaled(v, -row_exponent)).collect();
        let narrow = |a: &Mat<T>| -> (Mat<c64>, i32) {
            let entries = wide(&(0..a.ncols()).flat_map(|j| a.col_as_slice(j).to_vec()).collect::<Vec<T>>());
            let power = exponent(&entries);
            let entries = all_scaled(&entries, -power);
            (Mat::from_fn(a.nrows(), a.ncols(), |i, j| entries[j * a.nrows() + i]), power)
        };
        let ((a, a_exponent), (l, l_exponent)) = (narrow(&a), narrow(&l));
        let a = Mat::from_fn(m, n, |i, j| a[(i, j)] * row[i]);
        let size = row.iter().fold(0.0f64, |size, v| size.hypot(*v));
        let constant = description.intercept.then(|| row.iter().map(|v| c64::new(v / size, 0.0)).collect());
        let prior = description.prior_mean.as_ref().map_or_else(|| vec![c64::new(0.0, 0.0); n], |mean| wide(mean));
        (prior.len() == n && l.ncols() == n).then_some(Self {
            a,
            a_exponent: a_exponent + row_exponent,
            row,
            row_exponent,
            l,
            l_exponent,
            constant,
            prior,
        })
    }

    /// v − u·uᴴv with u = D1/‖D1‖.
    fn project(&self, v: &[c64]) -> Vec<c64> {
        let Some(u) = &self.constant else { return v.to_vec() };
        let product = dot(u, v);
        v.iter().zip(u).map(|(v, u)| v - u * product).collect()
    }
}

impl System {
    fn new(parts: &Parts, damping: f64) -> Self {
        let (m, n) = parts.a.shape();
        let zero = damping == 0.0;
        let penalty_exponent = parts.l_exponent + exponent(&[c64::new(damping, 0.0)]);
        let exponent = if zero { parts.a_exponent } else { parts.a_exponent.max(penalty_exponent) };
        let damping = scaled(damping, parts.l_exponent - exponent);
        let a_factor = scaled(1.0, parts.a_exponent - exponent);
        let p = if zero { 0 } else { parts.l.nrows() };
        let stacked = |project: bool| {
            let mut c = Mat::from_fn(m + p, n, |_, _| c64::new(0.0, 0.0));
            for j in 0..n {
                let a = column(&parts.a, j);
                let a = if project { parts.project(a) } else { a.to_vec() };
                for (i, v) in a.iter().enumerate() {
                    c[(i, j)] = v * a_factor;
                }
                for i in 0..p {
                    c[(m + i, j)] = parts.l[(i, j)] * damping;
                }
            }
            c
        };
        let c = stacked(true);
        let (values, vectors) = jacobi(c.clone());
        let largest = values.first().copied().unwrap_or(0.0);
        // the projection takes away what the constant explains of A; rounding is relative to all of it
        let whole = if parts.constant.is_some() { jacobi(stacked(false)).0.first().copied().unwrap_or(0.0) } else { largest };
        Self { c, exponent, damping, zero, values, vectors, norm: whole.max(largest) }
    }

    fn judge(&self, parts: &Parts, answer: &Answer, stated_rank: Option<usize>, out: &mut Certificate) {
        let (m, n) = parts.a.shape();
        // units: b in 2ᶠ⁺ᵈ, x in 2ᶠ⁺ᵈ⁻ᵉ, so that DAx is of the size of its terms
        let a_units = parts.a_exponent - parts.row_exponent;
        let f = exponent(&answer.b).max(a_units + exponent(&parts.prior)).max(a_units + exponent(&answer.x));
        let x_units = self.exponent - f - parts.row_exponent;
        let (x, prior) = (all_scaled(&answer.x, x_units), all_scaled(&parts.prior, x_units));
        let z = minus(&x, &prior);
        let weigh = |v: &[c64]| v.iter().zip(&parts.row).map(|(v, d)| v * d).collect::<Vec<_>>();
        let b = weigh(&all_scaled(&answer.b, -f));
        let constant = scaled_c(answer.constant, -f);
        let constants = weigh(&vec![constant; m]);
        let a_factor = scaled(1.0, parts.a_exponent - self.exponent);
        let a = Mat::from_fn(m, n, |i, j| parts.a[(i, j)] * a_factor);
        let r = extended::residual(a.as_ref(), &x, &constants, &b);
        let lz = extended::residual(
            parts.l.as_ref(),
            &z,
            &vec![c64::new(0.0, 0.0); parts.l.nrows()],
            &vec![c64::new(0.0, 0.0); parts.l.nrows()],
        );
        // ρ = [Pr; −√λLz], and the gradient Cᴴρ
        let mut rho = parts.project(&r);
        if !self.zero {
            rho.extend(lz.iter().map(|v| v * self.damping));
        }
        let gradient: Vec<c64> = extended::negative_adjoint_product(self.c.as_ref(), &rho).iter().map(|v| -v).collect();

        let (x_size, data_size) = (norm(&x) + norm(&prior), norm(&b));
        let everything = self.norm * x_size + data_size + norm(&constants);
        let ratio = |value: f64, scale: f64| if value == 0.0 { 0.0 } else { value / scale };
        let worst = |old: &mut f64, new: f64| *old = if new.is_nan() { f64::NAN } else { old.max(new) };
        worst(&mut out.gradient, ratio(norm(&gradient), self.norm * (data_size + self.norm * norm(&prior))));
        let (rho_size, mut square) = (norm(&rho), 0.0);
        for (i, &value) in self.values.iter().enumerate() {
            let part = dot(column(&self.vectors, i), &gradient).norm();
            square += ratio(part, (self.norm * rho_size).hypot(value * everything)).powi(2);
        }
        worst(&mut out.backward_error, square.sqrt());
        if let Some(u) = &parts.constant {
            worst(&mut out.intercept, ratio(dot(u, &r).norm(), everything));
        }
        let stated_residual = scaled(answer.residual_norm, -f - parts.row_exponent);
        worst(&mut out.residual_norm, ratio((norm(&r) - stated_residual).abs(), everything));
        let stated_penalty = scaled(answer.penalty_norm, x_units - parts.l_exponent);
        // the scaled L has entries of size 1: its Frobenius norm is within √n of the 2-norm
        let l_size = (0..n).fold(0.0f64, |size, j| size.hypot(norm(column(&parts.l, j))));
        worst(&mut out.penalty_norm, ratio((norm(&lz) - stated_penalty).abs(), l_size * x_size));

        // ⟨d, ρ⟩ with d = [P(Db − DAx₀); 0]
        let shifted = extended::residual(a.as_ref(), &prior, &vec![c64::new(0.0, 0.0); m], &b);
        let product = dot(&shifted, &rho[..m]).re;
        let damped = if self.zero { 0.0 } else { self.damping * stated_penalty };
        worst(&mut out.objective, ratio((stated_residual * stated_residual + damped * damped - product).abs(), everything * everything));

        let largest = self.values.first().copied().unwrap_or(0.0);
        let floor = out.epsilon * (self.c.nrows().max(n)) as f64 * largest;
        let rank = stated_rank.unwrap_or_else(|| self.values.iter().filter(|&&v| v > floor).count()).min(n);
        out.rank = rank;
        let least = if rank > 0 { self.values[rank - 1] } else { largest };
        out.condition = out.condition.max(ratio(self.norm, least));
        if let Some(dof) = answer.dof {
            // Σ ‖PDAvᵢ‖²/σᵢ²
            let mut trace = if parts.constant.is_some() { 1.0 } else { 0.0 };
            for i in 0..rank {
                let v = column(&self.vectors, i);
                let image: f64 = (0..m).map(|row| (0..n).fold(c64::new(0.0, 0.0), |sum, j| sum + self.c[(row, j)] * v[j]).norm_sqr()).sum();
                // no more than 1, also where the value itself is rounding
                trace += ratio(image, self.values[i] * self.values[i]).min(1.0);
            }
            let distance = (dof - trace).abs() / n.max(1) as f64;
            out.dof = Some(out.dof.unwrap_or(0.0).max(if distance.is_nan() { f64::INFINITY } else { distance }));
        }
        if rank < n {
            let free: f64 = (rank..n).map(|i| dot(column(&self.vectors, i), &z).norm_sqr()).sum::<f64>().sqrt();
            let distance = ratio(free, x_size.max(ratio(data_size, least)));
            out.minimum_norm = Some(out.minimum_norm.unwrap_or(0.0).max(distance));
        }
        let unit = out.epsilon * out.rows.max(n).max(1) as f64;
        // rank 0: x is x₀ itself
        let bound = if rank == 0 { unit * x_size } else { unit / least * (everything + self.norm / least * rho_size) };
        out.error_bounds.push(scaled(bound, -x_units));
    }
}

fn scaled_c(value: c64, exponent: i32) -> c64 {
    c64::new(scaled(value.re, exponent), scaled(value.im, exponent))
}

/// Singular values, descending, and right singular vectors by one-sided Jacobi rotations (Hestenes 1958,
/// doi:10.1137/0106005): the columns of C are rotated until they are orthogonal.
fn jacobi(mut c: Mat<c64>) -> (Vec<f64>, Mat<c64>) {
    let n = c.ncols();
    let mut v = Mat::from_fn(n, n, |i, j| c64::new(f64::from(u8::from(i == j)), 0.0));
    // products below the square of rounding belong to columns that are rounding: turning them would go on for ever
    let whole = (0..n).fold(0.0f64, |size, j| size.hypot(norm(column(&c, j))));
    let negligible = (f64::EPSILON * whole) * (f64::EPSILON * whole);
    for _ in 0..60 {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (alpha, beta) = (norm(column(&c, p)), norm(column(&c, q)));
                let gamma = dot(column(&c, p), column(&c, q));
                let size = gamma.norm();
                if size <= 4.0 * f64::EPSILON * alpha * beta || size <= negligible {
                    continue;
                }
                rotated = true;
                let zeta = (beta - alpha) * (beta + alpha) / (2.0 * size);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / t.hypot(1.0);
                let (sine, phase) = (cosine * t, gamma / size);
                for a in [&mut c, &mut v] {
                    for i in 0..a.nrows() {
                        let (x, y) = (a[(i, p)], a[(i, q)] * phase.conj());
                        a[(i, p)] = x * cosine - y * sine;
                        a[(i, q)] = x * sine + y * cosine;
                    }
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let sizes: Vec<f64> = (0..n).map(|j| norm(column(&c, j))).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| sizes[j].total_cmp(&sizes[i]));
    (order.iter().map(|&j| sizes[j]).collect(), Mat::from_fn(n, n, |i, j| v[(i, order[j])]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::DenseView;

    /// A certificate that nothing can fail is worth nothing.
    #[test]
    fn a_wrong_answer_fails_the_law_it_breaks() {
        let a: Vec<f64> = (0..24).map(|k| ((k * 7 % 11) as f64).sin() + 1.0).collect();
        let a = DenseView::column_major(&a, 8, 3).unwrap();
        let b: Vec<f64> = (0..8).map(|i| (i as f64).cos() + 2.0).collect();
        let problem = Problem::new(&a).intercept();
        let fit = problem.solve(&b, 0.1).unwrap();
        assert_eq!(certify(&problem, &b, &fit).holds(), Ok(()));
        type Change<'c> = &'c dyn Fn(&mut Solution<f64, Vec<f64>>);
        let breaks = |law: &str, change: Change<'_>| {
            let mut wrong = fit.clone();
            change(&mut wrong);
            let text = certify(&problem, &b, &wrong).holds().unwrap_err();
            assert!(text.contains(law), "{law}: {text}");
        };
        breaks("normal equations", &|fit| fit.x[1] *= 1.0 + 1e-9);
        breaks("intercept", &|fit| fit.intercept += 1e-11);
        breaks("residual norm", &|fit| fit.report.fits[0].residual_norm *= 1.0 + 1e-12);
        breaks("penalty norm", &|fit| fit.report.fits[0].penalty_norm *= 1.0 + 1e-11);
        breaks("objective", &|fit| fit.report.fits[0].penalty_norm *= 2.0);
        breaks("dof", &|fit| fit.report.fits[0].dof = Some(2.0));
        breaks("normal equations", &|fit| fit.report.fits[0].lambda = 0.1000001.into());
        breaks("not finite", &|fit| fit.x[0] = f64::NAN);
        breaks("shape", &|fit| fit.x.truncate(2));
    }

    #[test]
    fn more_than_the_minimum_norm_is_noticed() {
        let a = [1.0, 2.0, 1.0, 2.0];
        let a = DenseView::column_major(&a, 2, 2).unwrap();
        let problem = Problem::new(&a);
        let mut fit = problem.solve(&[1.0, 2.0], 0.0).unwrap();
        assert_eq!(certify(&problem, &[1.0, 2.0], &fit).holds(), Ok(()));
        fit.x = vec![1.0, 0.0];
        let text = certify(&problem, &[1.0, 2.0], &fit).holds().unwrap_err();
        assert!(text.contains("minimum norm"), "{text}");
    }

    #[test]
    fn jacobi_finds_prescribed_singular_values() {
        let values = [3.0, 1.0, 1e-4, 1e-9];
        let a = super::super::Matrix::<c64>::with_spectrum(7, 5, &values, &mut crate::random::Random::new(3));
        let (found, v) = jacobi(Mat::from_fn(7, 5, |i, j| a[(i, j)]));
        for (found, expected) in found.iter().zip(values.into_iter().chain([0.0])) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        for i in 0..5 {
            for j in 0..5 {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((dot(column(&v, i), column(&v, j)) - expected).norm() < 1e-14);
            }
        }
    }
}
