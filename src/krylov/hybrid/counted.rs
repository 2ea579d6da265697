//! Degrees of freedom where A and L have no Krylov space in common: tr H(λ) by probes, each in a space of its own that serves every λ.
//!
//! Solves       for a probe z of random signs zᴴH(λ)z, H(λ) = A(AᴴA + λLᴴL)⁻¹Aᴴ, in a space that grows from Aᴴz by the gradient of
//!              ‖Ax − z‖² + λ‖Lx‖² at the λ of the moment, as the space of b does in [`general`](super::general).
//! Equals       zᴴ(I − H)z = min ‖Ax − z‖² + λ‖Lx‖², so that the space has it too large, by the *square* of the error of x in the norm of the
//!              problem: half the steps that x takes. The small problem in the space has it for all λ at once, as generalized singular
//!              values γ with weights w: zᴴHz ≈ Σ w·γ²/(γ² + λ). tr H² and the slope in log λ are derivatives of that.
//! Slope        the space of a probe has the value and the slope in log λ of its trace at the λ that it grows at. That of b would have the value of ρ
//!              alone, and grows at two (`BESIDE` in `general`).
//! Which λ      the curve is that of the problem where the spaces are large enough for it, which for smaller λ they are later. It is believed
//!              where it has changed little over the last [`WINDOW`] steps, as that of a Golub–Kahan space is where two quadratures agree.
//! Siblings     [`beyond`](super::beyond) on the standard form A·L_A^†: one process for all λ and no vectors for a probe, but where L smooths in
//!              two dimensions or three it is far worse conditioned. In a model of exact arithmetic, with the exact trace given, λ by GCV with the
//!              gradient of an image was within a percent after 123 steps for 48² pixels of motion blur, 246 for 128² of Gaussian blur:
//!              low frequencies of A·L_A^† are larger than the damping by the size of the image, and there are thousands
//!              of them. Spaces that grow by the gradient of [A; √λL] had it within 3 % after 80 and 60, whatever the size.
//! Cost         a step of a probe: that of a step of `general`. A probe rests when its trace has settled, and looks again every
//!              [`WINDOW`] steps. k(m + n + p) numbers for each.
//!
//! References   Girard 1989, Numer. Math. 56:1, doi:10.1007/BF01395775 (probes) · Lampe, Reichel & Voss 2012,
//!              doi:10.1016/j.laa.2011.07.019 (the spaces).

use super::general::{Ask, Projected, SolveSmall, Spaces};
use super::projection::{From, known_from};
use super::{Ruled, WINDOW, at_lower_end, inside};
use crate::curve::Spectrum;
use crate::error::Result;
use crate::krylov::probes::{Estimated, random_signs, student_half_width};
use crate::operator::Operator;
use crate::random::Random;
use crate::rule::{Chosen, Rule};
use crate::scalar::{Real, Scalar};
use std::collections::VecDeque;

/// Probes to begin with and at most: doubled while Student's interval of log λ, by the jackknife, reaches further to either side than [`SPREAD`] times
/// the fraction at which λ counts as settled: 10 % at its default. Two have the trace of an image of [`LARGE`] rows to a fraction of a percent;
/// with 48² pixels of motion blur each has λ to 12 % (standard deviation over 16 of them, in a model).
const PROBES: usize = 4;
const PROBES_OF_LARGE: usize = 2;
const LARGE: usize = 1 << 16;
const MOST_PROBES: usize = 16;
const SPREAD: f64 = 50.0;
/// Where the generator of the probes starts.
const SEED: u64 = 1;

/// Whether these spaces can count what the rule asks for. log det(I − H) is not among it: a space has the directions that L leaves free
/// as penalised ones with a very large γ, and each would count with its logarithm.
pub(crate) fn serves(rule: &Rule) -> bool {
    !matches!(rule, Rule::Evidence(_) | Rule::KnownNoiseEvidence(_))
}

/// The probes, and what they and b's space have said of the curve.
pub(super) struct Counted<'a, T: Scalar> {
    a: &'a dyn Operator<Scalar = T>,
    l: &'a dyn Operator<Scalar = T>,
    ruled: Ruled<'a>,
    /// A probe's trace has settled when a step changes it by less than this part of its slope in log λ.
    fraction: f64,
    random: Random,
    probes: Vec<Probe<'a, T>>,
    curves: VecDeque<Estimated>,
    low: f64,
}

struct Probe<'a, T: Scalar> {
    spaces: Spaces<'a, T>,
    /// The next direction.
    gradient: Vec<T>,
    /// (γ, w): the weights sum to the dimension that the probe stands for.
    directions: Vec<(f64, f64)>,
    size: f64,
    exhausted: bool,
    /// Steps of b's space before which it rests.
    rests_until: usize,
}

impl<'a, T: Scalar> Counted<'a, T> {
    /// `project` takes out of a probe what the change of variables has taken out of A.
    pub fn new(
        a: &'a dyn Operator<Scalar = T>,
        l: &'a dyn Operator<Scalar = T>,
        ruled: Ruled<'a>,
        fraction: f64,
        project: &dyn Fn(&mut [T]),
    ) -> Self {
        let (random, probes, curves) = (Random::new(SEED), Vec::new(), VecDeque::with_capacity(WINDOW + 1));
        let mut new = Self { a, l, ruled, fraction, random, probes, curves, low: 0.0 };
        new.add(if ruled.rows >= LARGE { PROBES_OF_LARGE } else { PROBES }, project);
        new
    }

    fn add(&mut self, count: usize, project: &dyn Fn(&mut [T])) {
        let (m, n) = self.a.shape();
        for _ in 0..count {
            let mut z: Vec<T> = random_signs(&mut self.random, m);
            project(&mut z);
            let size = self.a.range_norm(&z).to_f64().powi(2);
            let mut gradient = vec![T::ZERO; n];
            self.a.apply_adjoint(&z, &mut gradient);
            let spaces = Spaces::new(self.a, self.l, &z);
            self.probes.push(Probe { spaces, gradient, directions: Vec::new(), size, exhausted: size == 0.0, rests_until: 0 });
        }
    }

    fn dimension(&self) -> f64 {
        self.ruled.rows.saturating_sub(self.ruled.unpenalised) as f64
    }

    /// The probes' spaces grow at this damping until they rest, or have as many dimensions as that of b.
    pub fn grow(&mut self, damping: f64, steps: usize, small: &mut SolveSmall<'_, T>) -> Result<()> {
        let (dimension, fraction) = (self.dimension(), self.fraction);
        for probe in &mut self.probes {
            while !probe.exhausted && probe.spaces.dimension() < steps && probe.rests_until <= steps {
                let before = probe.trace(damping);
                probe.step(damping, dimension, small)?;
                let (after, moving) = (probe.trace(damping), probe.moving(damping));
                if (after - before).abs() <= fraction * moving {
                    probe.rests_until = steps + WINDOW;
                }
            }
        }
        Ok(())
    }

    fn curve(&self, data: &Spectrum, without: Option<usize>) -> Estimated {
        let used = (0..self.probes.len()).filter(|&j| Some(j) != without);
        let count = used.clone().count() as f64;
        let directions = used.flat_map(|j| self.probes[j].directions.iter().map(|&(value, weight)| (value, weight / count))).collect();
        Estimated::new(data.clone(), directions, self.ruled.rows, self.ruled.unpenalised)
    }

    fn ask(&self, curve: &Estimated) -> Result<Chosen> {
        self.ruled.rule.choose(&From { curve, low: self.low }, self.ruled.data_norm, self.ruled.unit).map(inside)
    }

    /// λ on the curve of b's space and of the probes.
    pub fn choose(&mut self, data: &Spectrum) -> Result<Chosen> {
        let curve = self.curve(data, None);
        if self.curves.len() >= WINDOW
            && let Some(earlier) = self.curves.pop_front()
        {
            self.low = known_from(&earlier, &curve, true);
        }
        let chosen = self.ask(&curve);
        self.curves.push_back(curve);
        chosen
    }

    /// Whether λ is inside what the spaces know.
    pub fn knows(&self, chosen: &Chosen) -> bool {
        self.low > 0.0 && !at_lower_end(chosen)
    }

    /// Whether a λ that has settled would be the same for other probes. If not, there are more of them from now on.
    pub fn accepts(&mut self, project: &dyn Fn(&mut [T])) -> Result<bool> {
        let count = self.probes.len();
        let Some(last) = self.curves.back().filter(|_| count < MOST_PROBES) else { return Ok(true) };
        let data = last.data().clone();
        let place = |without: usize| self.ask(&self.curve(&data, Some(without))).map(|chosen| 2.0 * chosen.damping.ln());
        let places = (0..count).map(place).collect::<Result<Vec<f64>>>()?;
        let enough = student_half_width(&places) <= SPREAD * self.fraction;
        if !enough {
            self.add(count, project);
            // other probes make another curve
            self.curves.clear();
        }
        Ok(enough)
    }
}

impl<T: Scalar> Probe<'_, T> {
    /// Σwφ.
    fn trace(&self, damping: f64) -> f64 {
        self.directions.iter().map(|&(value, weight)| weight * crate::curve::filter(value, damping).0).sum()
    }

    /// What that changes with log λ.
    fn moving(&self, damping: f64) -> f64 {
        let slope = |&(value, weight): &(f64, f64)| {
            let (phi, f) = crate::curve::filter(value, damping);
            weight * phi * f
        };
        self.directions.iter().map(slope).sum()
    }

    fn step(&mut self, damping: f64, dimension: f64, small: &mut SolveSmall<'_, T>) -> Result<()> {
        let steps = self.spaces.dimension();
        if !self.spaces.take(&mut self.gradient).map_err(|fault| fault.at(steps + 1))? {
            self.exhausted = true;
            return Ok(());
        }
        let problem: Projected<T> = self.spaces.projected(false);
        let answer = small(&problem, Ask::At(damping))?;
        let spectrum = &answer.spectrum;
        let mut left = self.size - spectrum.outside;
        self.directions.clear();
        let scale = dimension / self.size;
        for (&value, &coefficient) in spectrum.values.iter().zip(&spectrum.coefficients) {
            self.directions.push((value, scale * coefficient * coefficient));
            left -= coefficient * coefficient;
        }
        // what the small problem leaves unpenalised
        if spectrum.unpenalised > 0 && left > 0.0 {
            self.directions.push((f64::INFINITY, scale * left));
        }
        self.spaces.gradient(&answer.y, damping, &mut self.gradient).map_err(|fault| fault.at(steps + 1))?;
        Ok(())
    }
}
