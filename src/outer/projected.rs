//! Ridge between bounds with products alone: conjugate gradients on the free components, projections to change them.
//!
//! ```text
//! min ½‖Az − b‖² + ½d²‖Lz‖²   subject to   lo ≤ z ≤ hi         g = −Aᵀ(b − Az) + d²LᵀLz
//! ```
//! MPRGP (Dostál, Schöberl 2005, doi:10.1023/B:COAP.0000049888.80264.25; Dostál 2009, Optimal Quadratic Programming Algorithms, ch. 5): as long as the gradient of
//! the free components (φ) outweighs what the held ones would gain (β), conjugate gradients on the free ones; a step that would
//! leave the box stops at its first bound and is followed by a projected gradient step of fixed length, 1.9/‖H‖, which may hold many
//! components at once; when β outweighs φ, a step along −β frees them. It converges at the rate of conjugate gradients on
//! H = AᵀA + d²LᵀL however many components are held, and the fixed length needs ‖H‖ only roughly: a projected step that does not
//! lower the objective is repeated at half the length.
//!
//! Prefer [`bounds`](super::bounds) where A has entries and n² numbers fit: it needs no steps. Cost: a product with A and one with Aᵀ
//! a step (twice that where the free components change), 8 vectors of length n and 3 of length m.

use super::limits::{Limits, Place};
use crate::linalg;
use crate::operator::Operator;
use crate::random::Random;
use crate::step::{Observer, Step, Stop};
use core::ops::ControlFlow;

/// Products with H in the estimate of its norm.
const POWER_STEPS: usize = 12;
/// What a few power steps may lack of the norm.
const MARGIN: f64 = 1.1;
/// Steps without a new least KKT residual after which rounding is taken to rule. A guess.
const PATIENCE: usize = 400;

/// A, L and the bounds.
pub(crate) struct System<'s> {
    pub a: &'s dyn Operator<Scalar = f64>,
    pub penalty: Option<&'s dyn Operator<Scalar = f64>>,
    pub damping: f64,
    pub limits: &'s Limits,
}

/// When to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub tolerance: f64,
    pub max_steps: usize,
    /// What the products lose: a KKT residual of this size can stand still without blame.
    pub rounding: f64,
}

/// The last z.
pub(crate) struct Answer {
    pub z: Vec<f64>,
    pub places: Vec<Place>,
    pub residual_norm: f64,
    pub penalty_norm: f64,
    /// The largest component of the projected gradient over √‖H‖ and the size of the residual.
    pub kkt: f64,
    pub steps: usize,
    pub stop: Stop,
}

/// z with its residual and gradient.
struct State {
    z: Vec<f64>,
    residual: Vec<f64>,
    gradient: Vec<f64>,
    /// Lz.
    image: Vec<f64>,
}

impl System<'_> {
    /// Hp into `out`; Ap stays in `data`.
    fn normal_product(&self, p: &[f64], data: &mut [f64], image: &mut [f64], out: &mut [f64], back: &mut [f64]) {
        self.a.apply(p, data);
        self.a.apply_adjoint(data, out);
        let lambda = self.damping * self.damping;
        if lambda == 0.0 {
            return;
        }
        match self.penalty {
            None => linalg::add_scaled(out, lambda, p),
            Some(l) => {
                l.apply(p, image);
                l.apply_adjoint(image, back);
                linalg::add_scaled(out, lambda, back);
            }
        }
    }

    /// A number not far above ‖H‖.
    pub fn norm(&self) -> f64 {
        let (m, n) = self.a.shape();
        let rows = self.penalty.map_or(0, |l| l.shape().0);
        let mut random = Random::new(7);
        let mut p: Vec<f64> = random.scalars(n);
        let (mut data, mut image, mut out, mut back) = (vec![0.0; m], vec![0.0; rows], vec![0.0; n], vec![0.0; n]);
        let mut norm = 0.0;
        for _ in 0..POWER_STEPS {
            let size = linalg::norm(&p);
            if !(size > 0.0 && size.is_finite()) {
                break;
            }
            p.iter_mut().for_each(|p| *p /= size);
            self.normal_product(&p, &mut data, &mut image, &mut out, &mut back);
            norm = linalg::norm(&out);
            p.copy_from_slice(&out);
        }
        MARGIN * norm
    }

    /// Residual and gradient of z, afresh.
    fn state(&self, b: &[f64], z: Vec<f64>) -> State {
        let n = z.len();
        let mut residual = vec![0.0; b.len()];
        self.a.apply(&z, &mut residual);
        residual.iter_mut().zip(b).for_each(|(r, &b)| *r = b - *r);
        let mut gradient = vec![0.0; n];
        self.a.apply_adjoint(&residual, &mut gradient);
        gradient.iter_mut().for_each(|g| *g = -*g);
        let lambda = self.damping * self.damping;
        let image = match self.penalty {
            None => {
                linalg::add_scaled(&mut gradient, lambda, &z);
                Vec::new()
            }
            Some(l) => {
                let (mut image, mut back) = (vec![0.0; l.shape().0], vec![0.0; n]);
                l.apply(&z, &mut image);
                l.apply_adjoint(&image, &mut back);
                linalg::add_scaled(&mut gradient, lambda, &back);
                image
            }
        };
        State { z, residual, gradient, image }
    }
}

impl State {
    fn penalty_norm(&self, system: &System<'_>) -> f64 {
        if system.penalty.is_some() { linalg::norm(&self.image) } else { linalg::norm(&self.z) }
    }

    /// ‖b − Az‖² + d²‖Lz‖², as a norm.
    fn size(&self, system: &System<'_>) -> f64 {
        linalg::norm(&self.residual).hypot(system.damping * self.penalty_norm(system))
    }

    /// Whether component j is free: strictly inside.
    fn inside(&self, limits: &Limits, j: usize) -> bool {
        self.z[j] > limits.low[j] && self.z[j] < limits.high[j]
    }
}

/// Solves from z = `start`, or from the point of the box nearest to 0. `norm` is [`System::norm`].
pub(crate) fn solve(
    system: &System<'_>,
    b: &[f64],
    norm: f64,
    start: Option<&[f64]>,
    ends: Ends,
    mut observer: Option<&mut Observer<'_>>,
) -> Answer {
    let limits = system.limits;
    let (m, n) = system.a.shape();
    let z = (0..n).map(|j| limits.clamp(j, start.map_or(0.0, |z| z[j]))).collect();
    let mut state = system.state(b, z);
    let rows = system.penalty.map_or(0, |l| l.shape().0);
    let (mut data, mut image, mut product, mut back) = (vec![0.0; m], vec![0.0; rows], vec![0.0; n], vec![0.0; n]);
    let data_norm = linalg::norm(b);
    let root = norm.sqrt();
    let mut length = 1.9 / norm;
    let kkt = |state: &State| {
        let size = data_norm.max(state.size(system));
        let projected = (0..n).map(|j| limits.projected(j, state.z[j], state.gradient[j]).abs());
        let largest = projected.fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
        if largest == 0.0 { 0.0 } else { largest / root / size }
    };
    let free_gradient =
        |state: &State| -> Vec<f64> { (0..n).map(|j| if state.inside(limits, j) { state.gradient[j] } else { 0.0 }).collect() };
    let mut direction = free_gradient(&state);
    let (mut steps, mut least, mut since) = (0, f64::INFINITY, 0);
    // whether the gradient is that of z, and not that of recursions
    let mut fresh = true;
    let stop = loop {
        let reached = kkt(&state);
        if !reached.is_finite() {
            break Stop::Stalled;
        }
        if reached <= ends.tolerance {
            if fresh {
                break Stop::Tolerance;
            }
            state = system.state(b, state.z);
            direction = free_gradient(&state);
            fresh = true;
            continue;
        }
        if reached < 0.99 * least {
            (least, since) = (reached, 0);
        } else {
            since += 1;
        }
        if since > PATIENCE {
            break if reached <= ends.rounding { Stop::Rounding } else { Stop::Stalled };
        }
        if steps == ends.max_steps {
            break Stop::StepLimit;
        }
        steps += 1;
        // φ, β, and φ as far as a step of the fixed length can follow it
        let (mut held, mut reduced) = (0.0, 0.0);
        for j in 0..n {
            let (z, g) = (state.z[j], state.gradient[j]);
            if state.inside(limits, j) {
                let room = if g > 0.0 { (z - limits.low[j]) / length } else { (z - limits.high[j]) / length };
                reduced += if g > 0.0 { room.min(g) * g } else { room.max(g) * g };
            } else {
                held += limits.projected(j, z, g).powi(2);
            }
        }
        fresh = false;
        if held <= reduced {
            system.normal_product(&direction, &mut data, &mut image, &mut product, &mut back);
            let curvature = linalg::dot(&direction, &product);
            let slope = linalg::dot(&state.gradient, &direction);
            if !(slope > 0.0) {
                // the directions have lost their way in rounding
                state = system.state(b, state.z);
                direction = free_gradient(&state);
                fresh = true;
                continue;
            }
            let wanted = if curvature > 0.0 { slope / curvature } else { f64::INFINITY };
            let room = room(limits, &state.z, &direction);
            let step = wanted.min(room);
            if !step.is_finite() {
                // flat and unbounded: only where A and L share a null space, and then the gradient there is rounding
                break Stop::Rounding;
            }
            for j in 0..n {
                state.z[j] = limits.clamp(j, state.z[j] - step * direction[j]);
            }
            linalg::add_scaled(&mut state.residual, step, &data);
            linalg::add_scaled(&mut state.gradient, -step, &product);
            if system.penalty.is_some() {
                linalg::add_scaled(&mut state.image, -step, &image);
            }
            if wanted <= room {
                let phi = free_gradient(&state);
                let along = linalg::dot(&phi, &product) / curvature;
                for (p, phi) in direction.iter_mut().zip(&phi) {
                    *p = phi - along * *p;
                }
            } else {
                state = expanded(system, b, state, &mut length);
                direction = free_gradient(&state);
                fresh = true;
            }
        } else {
            let beta: Vec<f64> =
                (0..n).map(|j| if state.inside(limits, j) { 0.0 } else { limits.projected(j, state.z[j], state.gradient[j]) }).collect();
            system.normal_product(&beta, &mut data, &mut image, &mut product, &mut back);
            let curvature = linalg::dot(&beta, &product);
            let wanted = if curvature > 0.0 { linalg::dot(&state.gradient, &beta) / curvature } else { f64::INFINITY };
            let step = wanted.min(room(limits, &state.z, &beta));
            if !step.is_finite() {
                break Stop::Rounding;
            }
            let z = (0..n).map(|j| limits.clamp(j, state.z[j] - step * beta[j])).collect();
            state = system.state(b, z);
            direction = free_gradient(&state);
            fresh = true;
        }
        if let Some(observe) = observer.as_deref_mut() {
            let step = Step {
                index: steps,
                residual_norm: linalg::norm(&state.residual),
                normal_residual: kkt(&state),
                solution_norm: linalg::norm(&state.z),
            };
            if observe(&step) == ControlFlow::Break(()) {
                break Stop::Observer;
            }
        }
    };
    let state = system.state(b, state.z);
    let place = |j: usize| match (state.z[j] <= limits.low[j], state.z[j] >= limits.high[j]) {
        (true, _) => Place::Low,
        (false, true) => Place::High,
        (false, false) => Place::Free,
    };
    Answer {
        places: (0..n).map(place).collect(),
        residual_norm: linalg::norm(&state.residual),
        penalty_norm: state.penalty_norm(system),
        kkt: kkt(&state),
        z: state.z,
        steps,
        stop,
    }
}

/// The largest step along −p that stays in the box.
fn room(limits: &Limits, z: &[f64], p: &[f64]) -> f64 {
    let one = |j: usize| match p[j] {
        p if p > 0.0 => (z[j] - limits.low[j]) / p,
        p if p < 0.0 => (z[j] - limits.high[j]) / p,
        _ => f64::INFINITY,
    };
    (0..z.len()).map(one).fold(f64::INFINITY, f64::min).max(0.0)
}

/// A projected gradient step of the free components, at a length that lowers the objective.
fn expanded(system: &System<'_>, b: &[f64], state: State, length: &mut f64) -> State {
    let limits = system.limits;
    let before = state.size(system);
    // z meets a bound here: its components there are no longer free
    let current = system.state(b, state.z.clone());
    for _ in 0..60 {
        let z: Vec<f64> = (0..current.z.len())
            .map(|j| {
                let z = current.z[j];
                if current.inside(limits, j) { limits.clamp(j, z - *length * current.gradient[j]) } else { z }
            })
            .collect();
        let next = system.state(b, z);
        if next.size(system) <= before * (1.0 + 1e-14) {
            return next;
        }
        *length *= 0.5;
    }
    current
}
