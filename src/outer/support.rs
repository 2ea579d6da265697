//! ℓ1 by products once the support is nearly known: minimise ‖b̄ − Āz‖² + λ·Σ(aⱼ|zⱼ| + cⱼ|zⱼ|²) over the coefficients that are not zero.
//!
//! Solves       on a support S with signs s the objective is a quadratic: (A_SᴴA_S + λC)z_S = A_Sᴴb − ½λa∘s, by conjugate gradients with
//!              products by A alone. Then a line search on the objective itself, whose kinks are the zeros of coefficients on the way: what
//!              crosses zero for good leaves S. At the minimiser on S the coefficients outside whose |2Aᴴr| exceeds λa come in.
//! Equals       the minimiser: the objective falls with every search, and S with its signs does not come back. A real duality gap,
//!              from fresh products, ends it.
//! Why          reweighting (what [`flexible`](super::flexible) does) moves mass between neighbours under a blur ever more slowly. With signs known
//!              that is a linear system, which conjugate gradients solve in tens of steps.
//! For          real scalars: a phase is no sign. And a start with few coefficients off: each that is wrong costs a part of a round.
//! Siblings     [`coordinate_descent`](super::coordinate_descent) where A has entries.
//! Cost         a step of conjugate gradients: one product with A, one with Aᴴ. A round: three products more. Eight vectors.
//!
//! References   Lee, Battle, Raina & Ng 2006, Adv. Neural Inf. Process. Syst. 19 (feature-sign search) · Hestenes & Stiefel 1952.

use crate::krylov::Fault;
use crate::krylov::hybrid::basis::finite;
use crate::linalg::norm;
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};

/// Conjugate gradients end where the gradient on the support is this part of what the round began with, or after this many steps for each
/// coefficient of the support; the line search makes use of what there is. Choices.
const REDUCTION: f64 = 1e-4;
const STEPS_FOR_EACH: usize = 2;
/// Coefficients that come in at once: this part of the support, and at least some.
const GROWTH: f64 = 0.25;
const LEAST_GROWTH: usize = 16;
/// Rounds without a gap that is smaller by a tenth are a standstill.
const STANDSTILL: usize = 10;

/// λaⱼ and λcⱼ.
pub(super) struct Terms {
    pub absolute: Vec<f64>,
    pub square: Vec<f64>,
}

/// z with what is known of it.
pub(super) struct Supported<T> {
    pub x: Vec<T>,
    pub gap: f64,
    pub residual_norm: f64,
    /// Steps of conjugate gradients and of the rounds.
    pub steps: usize,
}

/// The data term and the penalty, z, and what a search needs.
struct State<'p, T: Scalar> {
    a: &'p dyn Operator<Scalar = T>,
    terms: &'p Terms,
    x: Vec<f64>,
    /// b − Ax.
    residual: Vec<T>,
    /// s on the support, 0 elsewhere.
    signs: Vec<f64>,
    full: Vec<T>,
    steps: usize,
}

impl<T: Scalar> State<'_, T> {
    /// Ad for a direction of real coefficients.
    fn image(&mut self, d: &[f64], image: &mut [T]) -> Result<(), Fault> {
        self.full.iter_mut().zip(d).for_each(|(full, &d)| *full = T::from_real(T::Real::from_f64(d)));
        self.a.apply(&self.full, image);
        finite(self.a.range_norm(image), "the product A·d")
    }

    /// Re Aᴴy.
    fn back(&mut self, y: &[T]) -> Result<Vec<f64>, Fault> {
        self.a.apply_adjoint(y, &mut self.full);
        finite(norm(&self.full), "the product Aᴴ·r")?;
        self.steps += 1;
        Ok(self.full.iter().map(|value| value.real().to_f64()).collect())
    }

    /// A step towards the minimiser on the support, with the residual of the equations where conjugate gradients ended: (d, Ad).
    fn direction(&mut self, limit: usize) -> Result<(Vec<f64>, Vec<T>), Fault> {
        let n = self.x.len();
        let on = |signs: &[f64], v: &mut [f64]| v.iter_mut().zip(signs).filter(|(_, s)| **s == 0.0).for_each(|(v, _)| *v = 0.0);
        let residual = self.residual.clone();
        let mut g = self.back(&residual)?;
        for (j, g) in g.iter_mut().enumerate() {
            *g -= 0.5 * self.terms.absolute[j] * self.signs[j] + self.terms.square[j] * self.x[j];
        }
        on(&self.signs, &mut g);
        let size = self.signs.iter().filter(|s| **s != 0.0).count();
        let (mut d, mut image) = (vec![0.0; n], vec![T::ZERO; self.residual.len()]);
        let (mut p, mut ap) = (g.clone(), image.clone());
        let mut rho: f64 = g.iter().map(|g| g * g).sum();
        let target = REDUCTION * REDUCTION * rho;
        for _ in 0..limit.min(STEPS_FOR_EACH * size) {
            if rho <= target {
                break;
            }
            self.image(&p, &mut ap)?;
            let length = self.a.range_norm(&ap).to_f64();
            let curvature = length * length + p.iter().zip(&self.terms.square).map(|(p, c)| c * p * p).sum::<f64>();
            if !(curvature > 0.0) {
                break;
            }
            let alpha = rho / curvature;
            let step = T::from_real(T::Real::from_f64(alpha));
            image.iter_mut().zip(&ap).for_each(|(image, &ap)| *image += step * ap);
            let back = self.back(&ap)?;
            for j in 0..n {
                d[j] += alpha * p[j];
                g[j] -= alpha * (back[j] + self.terms.square[j] * p[j]);
            }
            on(&self.signs, &mut g);
            let next: f64 = g.iter().map(|g| g * g).sum();
            let beta = next / rho;
            rho = next;
            p.iter_mut().zip(&g).for_each(|(p, g)| *p = g + beta * *p);
        }
        Ok((d, image))
    }

    /// x ← x + td with the t of least objective on the line; whether no coefficient changed its sign on the way and t is 1.
    fn search(&mut self, d: &[f64], image: &[T]) -> bool {
        // ½ of the derivative at t: −Re⟨r, Ad⟩ + t‖Ad‖² + Σ(½a·sign(x + td)·d + c(x + td)d)
        let length = self.a.range_norm(image).to_f64();
        let mut slope = -self.a.range_dot(&self.residual, image).real().to_f64();
        let mut curvature = length * length;
        let mut kinks: Vec<(f64, f64)> = Vec::new();
        for (j, &d) in d.iter().enumerate().filter(|(_, d)| **d != 0.0) {
            let (a, c, x) = (self.terms.absolute[j], self.terms.square[j], self.x[j]);
            // a coefficient that is new moves as its sign says
            let sign = if x == 0.0 { d.signum() } else { x.signum() };
            slope += 0.5 * a * sign * d + c * x * d;
            curvature += c * d * d;
            let crossing = -x / d;
            if crossing > 0.0 {
                kinks.push((crossing, a * d.abs()));
            }
        }
        if !(slope < 0.0) || !(curvature > 0.0) {
            return true;
        }
        kinks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut t = -slope / curvature;
        let mut stopped = false;
        for (place, jump) in kinks {
            if t <= place {
                break;
            }
            stopped = true;
            slope += jump;
            // the minimum may be at the kink itself
            t = if slope + curvature * place >= 0.0 { place } else { -slope / curvature };
        }
        for (x, d) in self.x.iter_mut().zip(d) {
            let next = *x + t * d;
            // what stands at zero but for rounding
            *x = if next.abs() <= 8.0 * f64::EPSILON * (x.abs() + (t * d).abs()) { 0.0 } else { next };
        }
        let factor = T::from_real(T::Real::from_f64(-t));
        self.residual.iter_mut().zip(image).for_each(|(r, &image)| *r += factor * image);
        !stopped
    }

    /// The signs of what is not zero; of a coefficient that has just come in and not moved, none.
    fn settle_signs(&mut self) {
        self.signs.iter_mut().zip(&self.x).for_each(|(s, &x)| *s = if x == 0.0 { 0.0 } else { x.signum() });
    }
}

/// The duality gap of residual norm, Aᴴr and x.
pub(super) type GapOf<'a, T> = dyn Fn(f64, &[T], &[T]) -> f64 + 'a;

/// Goes on from x until the gap (of residual norm, Aᴴr and x) is at most `allowed`, or for at most `limit` steps: the x of the smallest gap,
/// if that is below the one it began with.
pub(super) fn solve<T: Scalar>(
    a: &dyn Operator<Scalar = T>,
    data: &[T],
    terms: &Terms,
    start: &[f64],
    gap_of: &GapOf<T>,
    allowed: f64,
    limit: usize,
) -> Result<Option<Supported<T>>, Fault> {
    let n = start.len();
    let mut state = State { a, terms, x: start.to_vec(), residual: data.to_vec(), signs: vec![0.0; n], full: vec![T::ZERO; n], steps: 0 };
    state.settle_signs();
    let mut best: Option<Supported<T>> = None;
    let (mut rounds, mut image) = (0, vec![T::ZERO; data.len()]);
    loop {
        // afresh: what is added up in a search drifts
        let x = state.x.clone();
        state.image(&x, &mut image)?;
        state.residual.iter_mut().zip(data).zip(&image).for_each(|((r, &b), &image)| *r = b - image);
        let residual = state.residual.clone();
        let pulled = state.back(&residual)?;
        let gradient: Vec<T> = state.full.clone();
        let z: Vec<T> = x.iter().map(|&x| T::from_real(T::Real::from_f64(x))).collect();
        let residual_norm = a.range_norm(&residual).to_f64();
        let gap = gap_of(residual_norm, &gradient, &z);
        let before = best.as_ref().map_or(f64::INFINITY, |best| best.gap);
        rounds = if gap < 0.9 * before { 0 } else { rounds + 1 };
        if gap < before {
            best = Some(Supported { x: z, gap, residual_norm, steps: 0 });
        }
        if gap <= allowed || rounds >= STANDSTILL || state.steps >= limit {
            break;
        }
        // what pulls harder than its λa comes in, the hardest first
        let mut outside: Vec<(f64, usize)> = (0..n)
            .filter(|&j| state.signs[j] == 0.0)
            .map(|j| (2.0 * pulled[j].abs() - terms.absolute[j], j))
            .filter(|(excess, _)| *excess > 0.0)
            .collect();
        let size = state.signs.iter().filter(|s| **s != 0.0).count();
        outside.sort_by(|a, b| b.0.total_cmp(&a.0));
        outside.truncate(LEAST_GROWTH.max((GROWTH * size as f64) as usize));
        outside.iter().for_each(|&(_, j)| state.signs[j] = pulled[j].signum());
        if size + outside.len() == 0 {
            break;
        }
        // until the signs hold
        loop {
            let (d, image) = state.direction(limit.saturating_sub(state.steps))?;
            // of what has come in, some moves against its sign when the rest moves too: it comes in another time. One of them moves with
            // its sign, for the direction as a whole descends
            let wrong: Vec<usize> = (0..n).filter(|&j| state.signs[j] * d[j] < 0.0 && state.x[j] == 0.0).collect();
            if !wrong.is_empty() && state.steps < limit {
                wrong.into_iter().for_each(|j| state.signs[j] = 0.0);
                continue;
            }
            let held = state.search(&d, &image);
            state.settle_signs();
            if held || state.steps >= limit {
                break;
            }
        }
    }
    let steps = state.steps;
    Ok(best.map(|best| Supported { steps, ..best }))
}
