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

/// Lower and upper quadrature may differ by this part of the value where a rule looks at the curve at all.
const KNOWN: f64 = 0.2;
/// Step by which the end of that stretch is looked for.
const FINE: f64 = 1.2;

/// The least damping at which the two quadratures agree on ρ (and on the trace, where that is asked): below it a criterion
/// would be read off one of them. They part for good as the damping falls.
pub(crate) fn known_from(gauss: &dyn Curve, radau: &dyn Curve, trace_too: bool) -> f64 {
    let (low, high) = radau.interval();
    let apart = |a: f64, b: f64| !((a - b).abs() <= KNOWN * a.abs().max(b.abs()));
    let mut known = high;
    while known > low {
        let damping = (known / FINE).max(low);
        let (a, b) = (gauss.at(damping), radau.at(damping));
        if apart(a.residual.value, b.residual.value) || (trace_too && apart(a.trace.value, b.trace.value)) {
            break;
        }
        known = damping;
    }
    // never without extent
    known.min(high / FINE)
}

/// A curve from a damping on.
pub(crate) struct From<'a> {
    pub curve: &'a dyn Curve,
    pub low: f64,
}

impl Curve for From<'_> {
    fn at(&self, damping: f64) -> Point {
        self.curve.at(damping)
    }
    fn interval(&self) -> (f64, f64) {
        let (low, high) = self.curve.interval();
        (low.max(self.low), high)
    }
    fn rows(&self) -> usize {
        self.curve.rows()
    }
    fn inside(&self) -> (f64, f64) {
        let (low, high) = self.curve.inside();
        if self.low < high { (low.max(self.low), high) } else { self.interval() }
    }
    fn spectrum(&self) -> Option<&Spectrum> {
        self.curve.spectrum()
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::krylov::hybrid::basis::Process;
    use crate::operator::DenseView;
    use crate::random::Random;

    /// Shaw's problem at n = 32 as Regularization Tools has it, column after column, and its right-hand side.
    fn shaw(n: usize) -> (Vec<f64>, Vec<f64>) {
        use core::f64::consts::{FRAC_PI_2, PI};
        let h = PI / n as f64;
        let angle = |i: usize| -FRAC_PI_2 + (i as f64 + 0.5) * h;
        let entry = |i: usize, j: usize| {
            let u = PI * (angle(i).sin() + angle(j).sin());
            h * ((angle(i).cos() + angle(j).cos()) * if u.abs() < 1e-14 { 1.0 } else { u.sin() / u }).powi(2)
        };
        let a: Vec<f64> = (0..n * n).map(|k| entry(k % n, k / n)).collect();
        let x: Vec<f64> = (0..n).map(|i| 2.0 * (-6.0 * (angle(i) - 0.8).powi(2)).exp() + (-2.0 * (angle(i) + 0.5).powi(2)).exp()).collect();
        let b = (0..n).map(|i| (0..n).map(|j| a[j * n + i] * x[j]).sum()).collect();
        (a, b)
    }

    fn process<'a>(a: &'a DenseView<'a, f64>, b: &[f64], steps: usize, keep: usize) -> Process<'a, f64> {
        let mut process = Process::start(a, 0.0, b, keep).unwrap();
        for _ in 0..steps {
            process.step().unwrap();
        }
        process
    }

    /// The residual at a damping, from the singular values of A, lies between the two rules at every step, and both close in.
    #[test]
    fn the_rules_bracket_the_residual() {
        let (entries, b) = shaw(32);
        let a = DenseView::column_major(&entries, 32, 32).unwrap();
        let (mut s, mut u) = (vec![0.0; 32], crate::linalg::zeros::<f64>(32, 32));
        let threads = crate::linalg::Threads::ONE;
        <f64 as crate::linalg::Kernels>::svd(a.matrix(), &mut s, Some(u.as_mut()), None, false, threads).unwrap();
        let exact = |damping: f64| -> f64 {
            let coefficient = |i: usize| (0..32).map(|row| u[(row, i)] * b[row]).sum::<f64>();
            (0..32).map(|i| (damping * damping / (s[i] * s[i] + damping * damping) * coefficient(i)).powi(2)).sum()
        };
        for damping in [1.0, 0.1, 0.01] {
            let exact = exact(damping);
            let mut width = f64::INFINITY;
            for steps in 1..10 {
                let numbers = process(&a, &b, steps, 100).numbers;
                let at = |end| numbers.nodes(end).unwrap().spectrum(32, 0, 0.0).at(damping).residual.value;
                let (low, high) = (at(End::Gauss), at(End::Radau));
                assert!(low <= exact * (1.0 + 1e-9) && high >= exact * (1.0 - 1e-9), "{steps}: [{low:e}, {high:e}], exactly {exact:e}");
                assert!(high - low <= width * (1.0 + 1e-9) + 1e-12 * exact, "{steps}: {:e} after {width:e}", high - low);
                width = high - low;
            }
            assert!(width <= 1e-6 * exact, "{damping}: {width:e} of {exact:e}");
        }
    }

    /// Without kept vectors the quadrature has the same limits.
    #[test]
    fn lost_orthogonality_does_not_hurt_the_quadrature() {
        let (entries, b) = shaw(32);
        let a = DenseView::column_major(&entries, 32, 32).unwrap();
        let with = process(&a, &b, 12, 100).numbers.nodes(End::Radau).unwrap().spectrum(32, 0, 0.0);
        let without = process(&a, &b, 40, 0).numbers.nodes(End::Radau).unwrap().spectrum(32, 0, 0.0);
        for damping in [0.3, 0.1, 0.03] {
            let (p, q) = (with.at(damping), without.at(damping));
            assert!((p.residual.value / q.residual.value - 1.0).abs() < 1e-6, "{damping}");
            assert!((p.penalty.value / q.penalty.value - 1.0).abs() < 1e-6, "{damping}");
        }
    }

    /// AV = UB, both bases orthonormal to rounding, also where the singular values fall to rounding level.
    #[test]
    fn the_process_keeps_its_relation() {
        let (entries, b) = shaw(32);
        let a = DenseView::column_major(&entries, 32, 32).unwrap();
        let process = process(&a, &b, 32, 100);
        assert!(process.exhausted && process.complete());
        let (u, v, numbers) = (&process.left, &process.right, &process.numbers);
        for (basis, count) in [(u, u.count()), (v, v.count())] {
            for i in 0..count {
                for j in 0..=i {
                    let product = crate::linalg::dot(basis.column(i), basis.column(j));
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13, "{i}, {j}: {product:e}");
                }
            }
        }
        let mut image = vec![0.0; 32];
        for k in 0..process.steps() {
            crate::operator::Operator::apply(&a, v.column(k), &mut image);
            let next = u.column(k + 1);
            for i in 0..32 {
                let expected = numbers.alpha[k] * u.column(k)[i] + numbers.beta[k + 1] * next.get(i).copied().unwrap_or(0.0);
                assert!((image[i] - expected).abs() < 1e-13, "step {k}: {:e}", image[i] - expected);
            }
        }
    }

    /// The small solutions satisfy what defines them, and the spectrum has the same residual and penalty.
    #[test]
    fn small_solutions_are_minimisers() {
        let (m, n) = (30, 20);
        let entries: Vec<f64> = Random::new(5).scalars(m * n);
        let b: Vec<f64> = Random::new(6).scalars(m);
        let a = DenseView::column_major(&entries, m, n).unwrap();
        for steps in [1, 2, 7, 19] {
            let numbers = process(&a, &b, steps, 100).numbers;
            let spectrum = numbers.nodes(End::Radau).unwrap().spectrum(m, 0, 0.0);
            for damping in [1e-3, 0.5, 30.0] {
                let (mut small, mut normal) = (Small::default(), Small::default());
                numbers.solve(damping, &mut small);
                numbers.solve_normal(damping, &mut normal);
                let objective = |s: &Small| crate::linalg::norm(&s.residual).hypot(damping * crate::linalg::norm(&s.y));
                let point = spectrum.at(damping);
                assert!((crate::linalg::norm(&small.residual) / point.residual.value.sqrt() - 1.0).abs() < 1e-10);
                assert!((crate::linalg::norm(&small.y) / point.penalty.value.sqrt() - 1.0).abs() < 1e-10);
                // each is best at its own
                let slack = 1.0 + 1e-12;
                assert!(objective(&small) <= objective(&normal) * slack, "{steps} {damping}");
                assert!(numbers.normal_norm(damping, &normal) <= numbers.normal_norm(damping, &small) * slack + 1e-13, "{steps} {damping}");
                // and no small change of y improves it
                let mut random = Random::new(9);
                for _ in 0..20 {
                    for (solution, own) in [(&small, true), (&normal, false)] {
                        let mut other = solution.clone();
                        other.y.iter_mut().for_each(|y| *y += 1e-3 * random.normal());
                        numbers.residual(&mut other);
                        let (at, there) = match own {
                            true => (objective(solution), objective(&other)),
                            false => (numbers.normal_norm(damping, solution), numbers.normal_norm(damping, &other)),
                        };
                        assert!(at <= there * slack, "{steps} {damping} {own}");
                    }
                }
            }
        }
    }

    /// ω makes the smallest singular value a stationary point of weighted GCV.
    #[test]
    fn the_weight_is_stationary_at_the_smallest_value() {
        let nodes = Nodes { values: vec![3.0, 1.0, 0.2], coefficients: vec![2.0, 1.0, 0.3], outside: 0.05 };
        let (smallest, weight) = (0.2, nodes.weight());
        assert!(weight > 0.0 && weight <= 1.0, "{weight}");
        let rows = nodes.values.len() + 1;
        let curve = Weighted { spectrum: nodes.spectrum(rows, 0, 0.0), weight };
        let Point { residual, trace, .. } = curve.at(smallest);
        let slope = residual.slope / residual.value - 2.0 * trace.slope / trace.value;
        if weight < 1.0 {
            assert!(slope.abs() < 1e-12, "{slope:e}");
        } else {
            assert!(slope >= 0.0, "{slope:e}");
        }
    }
}
