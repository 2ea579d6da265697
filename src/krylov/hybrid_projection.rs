//! The small problem that k steps of Golub and Kahan's process leave: min ‖β₁e₁ − Bₖy‖² + d²‖y‖², Bₖ lower bidiagonal.
//!
//! Everything here is O(k) for one d, by the rotations of damped LSQR, or O(k²) once for the singular values of Bₖ with the
//! coefficients of β₁e₁, from which every d costs O(k): no (k+1)×k matrix is ever formed.
//!
//! Quadrature (Golub, von Matt 1997): for uᴴg(AAᴴ)u with the process started from u, the values and squared coefficients
//! of Cₖ (k×k, square) are nodes and weights of the Gauss rule, those of Bₖ ((k+1)×k, with the value 0 for the last
//! coefficient) of the Gauss–Radau rule with a node at 0. For g(t) = 1/(t + d²) and 1/(t + d²)² the first is a lower and the
//! second an upper bound.
//!
//! Symbols      here             Paige & Saunders 1982, algorithm LSQR
//!              alpha, beta      αᵢ, βᵢ; β₁ = ‖b‖
//!              rho_bar, phi_bar ρ̄, φ̄: what the next rotation finds
//!              diagonal, above  ρᵢ, θᵢ₊₁ of the upper bidiagonal R
//!
//! References   Paige & Saunders 1982, doi:10.1145/355984.355989 · Golub & von Matt 1997, J. Comput. Graph. Stat. 6:1,
//!              doi:10.1080/10618600.1997.10474725 · Fong & Saunders 2011 (LSMR), doi:10.1137/10079687X.

use crate::curve::{Curve, Jet, Point, Spectrum};
use crate::linalg::NoConvergence;
use crate::linalg::bidiagonal_qr::singular_with_vectors;

/// The numbers of the process: after k steps, α₁ … αₖ₊₁ and β₁ … βₖ₊₁.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bidiagonal {
    pub alpha: Vec<f64>,
    pub beta: Vec<f64>,
}

/// Which end a quadrature rule has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Cₖ₊₁: every node above 0.
    Gauss,
    /// Bₖ, with a node at 0: the residual of the projected problem itself.
    Radau,
}

/// Singular values with the coefficients of β₁e₁ on the left vectors, and the squared norm of what is outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes {
    pub values: Vec<f64>,
    pub coefficients: Vec<f64>,
    pub outside: f64,
}

/// Room for the solution of the small problem: kept, so that a step allocates nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Small {
    diagonal: Vec<f64>,
    above: Vec<f64>,
    second_diagonal: Vec<f64>,
    second_above: Vec<f64>,
    /// y.
    pub y: Vec<f64>,
    /// β₁e₁ − Bₖy: k + 1.
    pub residual: Vec<f64>,
}

impl Small {
    /// Room for so many steps.
    pub fn reserve(&mut self, steps: usize) {
        let Self { diagonal, above, second_diagonal, second_above, y, residual } = self;
        for vector in [diagonal, above, second_diagonal, second_above, y, residual] {
            vector.reserve((steps + 1).saturating_sub(vector.len()));
        }
    }
}

impl Bidiagonal {
    /// k.
    pub fn steps(&self) -> usize {
        self.alpha.len().saturating_sub(1)
    }

    /// Room for so many steps.
    pub fn reserve(&mut self, steps: usize) {
        self.alpha.reserve((steps + 1).saturating_sub(self.alpha.len()));
        self.beta.reserve((steps + 1).saturating_sub(self.beta.len()));
    }

    /// ‖Aᴴb‖ = α₁β₁.
    pub fn reference(&self) -> f64 {
        self.alpha.first().copied().unwrap_or(0.0) * self.beta.first().copied().unwrap_or(0.0)
    }

    /// ‖(Bₖ, αₖ₊₁)‖ in the largest row: a lower bound of ‖A‖ within √2 of the largest entry seen.
    pub fn largest(&self) -> f64 {
        let betas = self.beta.iter().skip(1);
        self.alpha.iter().chain(betas).fold(0.0, |largest: f64, &value| largest.max(value))
    }

    /// The nodes of a rule.
    pub fn nodes(&self, end: End) -> Result<Nodes, NoConvergence> {
        let k = self.steps();
        let (Some(&first), Some(&norm)) = (self.alpha.first(), self.beta.first()) else { return Ok(Nodes::default()) };
        let (mut rho_bar, mut phi_bar) = (first, norm);
        let (mut diagonal, mut above, mut coefficients) = (Vec::with_capacity(k + 1), Vec::with_capacity(k), Vec::with_capacity(k + 1));
        for i in 0..k {
            let (c, s, rho) = rotation(rho_bar, self.beta[i + 1]);
            diagonal.push(rho);
            coefficients.push(c * phi_bar);
            phi_bar *= s;
            rho_bar = -c * self.alpha[i + 1];
            above.push(s * self.alpha[i + 1]);
        }
        let outside = match end {
            End::Gauss => {
                diagonal.push(rho_bar);
                coefficients.push(phi_bar);
                0.0
            }
            End::Radau => {
                above.pop();
                phi_bar * phi_bar
            }
        };
        singular_with_vectors(&mut diagonal, &mut above, &mut coefficients, 1)?;
        coefficients.iter_mut().for_each(|value| *value = value.abs());
        Ok(Nodes { values: diagonal, coefficients, outside })
    }

    /// y and the residual at a damping.
    pub fn solve(&self, damping: f64, small: &mut Small) {
        self.eliminate(damping, small);
        let Small { diagonal, above, y, .. } = &mut *small;
        substitute_back(diagonal, above, y);
        self.residual(small);
    }

    /// The same for the y of least normal residual ‖Bᴴ(β₁e₁ − By) − d²y‖ (k + 1 entries): damped LSMR.
    ///
    /// With RᴴR = BᴴB + d² and t = Ry it is min ‖α₁β₁e₁ − [Rᴴ; αₖ₊₁βₖ₊₁/ρₖ·eₖᵀ]t‖: lower bidiagonal again.
    pub fn solve_normal(&self, damping: f64, small: &mut Small) {
        self.eliminate(damping, small);
        let k = self.steps();
        let Small { diagonal, above, second_diagonal, second_above, y, .. } = &mut *small;
        if k > 0 {
            let last = if diagonal[k - 1] == 0.0 { 0.0 } else { self.alpha[k] * (self.beta[k] / diagonal[k - 1]) };
            let (mut rho_bar, mut phi_bar) = (diagonal[0], self.reference());
            second_diagonal.clear();
            second_above.clear();
            for i in 0..k {
                let (c, s, rho) = rotation(rho_bar, if i + 1 < k { above[i] } else { last });
                second_diagonal.push(rho);
                y[i] = c * phi_bar;
                phi_bar *= s;
                if i + 1 < k {
                    second_above.push(s * diagonal[i + 1]);
                    rho_bar = -c * diagonal[i + 1];
                }
            }
            substitute_back(second_diagonal, second_above, y);
            substitute_back(diagonal, above, y);
        }
        self.residual(small);
    }

    /// R and y ← Qᴴ(β₁e₁), damped LSQR's two rotations a step.
    fn eliminate(&self, damping: f64, small: &mut Small) {
        let k = self.steps();
        let Small { diagonal, above, y, .. } = small;
        for vector in [&mut *diagonal, &mut *above, &mut *y] {
            vector.clear();
        }
        let (Some(&first), Some(&norm)) = (self.alpha.first(), self.beta.first()) else { return };
        let (mut rho_bar, mut phi_bar) = (first, norm);
        for i in 0..k {
            let (c, _, rho) = rotation(rho_bar, damping);
            let (rho_bar_damped, phi_damped) = (rho, c * phi_bar);
            let (c, s, rho) = rotation(rho_bar_damped, self.beta[i + 1]);
            diagonal.push(rho);
            y.push(c * phi_damped);
            phi_bar = s * phi_damped;
            rho_bar = -c * self.alpha[i + 1];
            above.push(s * self.alpha[i + 1]);
        }
    }

    /// β₁e₁ − By for the y that is there.
    fn residual(&self, small: &mut Small) {
        let k = self.steps();
        let Small { y, residual, .. } = small;
        residual.clear();
        for i in 0..=k {
            let start = if i == 0 { self.beta.first().copied().unwrap_or(0.0) } else { 0.0 };
            let diagonal = if i < k { self.alpha[i] * y[i] } else { 0.0 };
            let below = if i > 0 { self.beta[i] * y[i - 1] } else { 0.0 };
            residual.push(start - diagonal - below);
        }
    }

    /// ‖Bᴴr − d²y‖ with the part along the next direction, αₖ₊₁rₖ₊₁: the normal residual of the whole problem.
    pub fn normal_norm(&self, damping: f64, small: &Small) -> f64 {
        let k = self.steps();
        let mut sum = 0.0f64;
        for i in 0..=k {
            let Some(&alpha) = self.alpha.get(i) else { break };
            let mut value = alpha * small.residual[i];
            if i < k {
                value += self.beta[i + 1] * small.residual[i + 1] - damping * (damping * small.y[i]);
            }
            sum = sum.hypot(value);
        }
        sum
    }
}

/// y ← R⁻¹y, R upper bidiagonal; directions that R does not see stay out of y.
fn substitute_back(diagonal: &[f64], above: &[f64], y: &mut [f64]) {
    for i in (0..diagonal.len()).rev() {
        let next = if i + 1 < diagonal.len() { above[i] * y[i + 1] } else { 0.0 };
        y[i] = if diagonal[i] == 0.0 { 0.0 } else { (y[i] - next) / diagonal[i] };
    }
}

/// (c, s, r) with [c s; s −c]·(f, g) = (r, 0), r ≥ 0.
fn rotation(f: f64, g: f64) -> (f64, f64, f64) {
    let r = f.hypot(g);
    if r == 0.0 { (1.0, 0.0, 0.0) } else { (f / r, g / r, r) }
}

impl Nodes {
    /// The spectrum that the rules see: m rows, of which `unpenalised` directions are taken already, and values up to
    /// `tolerance` that are rounding.
    pub fn spectrum(self, rows: usize, unpenalised: usize, tolerance: f64) -> Spectrum {
        Spectrum { values: self.values, coefficients: self.coefficients, outside: self.outside, rows, unpenalised, tolerance }
    }

    /// The weight ω for which weighted GCV has its minimum at the smallest singular value (Chung, Nagy, O'Leary 2008), at most 1.
    pub fn weight(&self) -> f64 {
        let Some(&smallest) = self.values.last() else { return 1.0 };
        let rows = (self.values.len() + 1) as f64;
        let (mut derivative, mut phi_sum, mut slope_sum, mut residual) = (0.0, 0.0, 0.0, self.outside);
        for (&value, &coefficient) in self.values.iter().zip(&self.coefficients) {
            let (phi, f) = crate::curve::filter(value, smallest);
            let left = f * coefficient;
            residual += left * left;
            derivative += left * left * phi;
            phi_sum += phi;
            slope_sum += phi * f;
        }
        // G' = 0 with the denominator k + 1 − ωΦ, Φ' = −Σφf:   Σf²φβ²·(k + 1 − ωΦ) = ω·Σφf·ρ
        let weight = rows * derivative / (phi_sum * derivative + slope_sum * residual);
        if weight.is_finite() { weight.min(1.0) } else { 1.0 }
    }
}

/// The projected curve as weighted GCV sees it: k + 1 rows, and tr(I − ωH).
pub(crate) struct Weighted {
    /// The projected problem as a problem of k + 1 rows.
    pub spectrum: Spectrum,
    pub weight: f64,
}

impl Curve for Weighted {
    fn at(&self, damping: f64) -> Point {
        let point = self.spectrum.at(damping);
        let Jet { value, slope, bend } = point.trace;
        let rows = self.spectrum.rows as f64;
        let trace = Jet { value: rows * (1.0 - self.weight) + self.weight * value, slope: self.weight * slope, bend: self.weight * bend };
        Point { trace, ..point }
    }
    fn interval(&self) -> (f64, f64) {
        self.spectrum.interval()
    }
    fn rows(&self) -> usize {
        self.spectrum.rows
    }
    fn leave_one_out(&self, _: f64) -> Option<Jet> {
        None
    }
}
