//! λ by a rule for an A that only multiplies, with an interval: traces by random probes, all λ from one space for each.
//!
//! Solves       the rule's own problem (GCV: minimise m‖r‖²/tr(I − H)²) with ρ = ‖r‖² from the Krylov space of b and
//!              tr H = tr A(AᴴA + d²)⁻¹Aᴴ ≈ mean of zᴴHz over probes z of random signs.
//! Equals       the rule on the singular values, as the probes become many and the spaces large; the interval says how far off.
//! Siblings     `hybrid` (degrees of freedom of b's own space, too few, no probes); writing A out where min(m, n) is small.
//! Cost         steps of b's space and of s spaces, two products each; no vectors but four for each probe, and the kept part
//!              of b's space. Nothing is solved for any λ.
//!
//! How it goes:
//!
//! 1. b's space grows until the rule on the projected problem has settled: a pilot.
//! 2. Its converged singular vectors (up to [`CONVERGED`]) are taken out of the probes: their part of the traces is exact,
//!    and so has no variance (Gambhir, Stathopoulos & Orginos 2017).
//! 3. Each probe's process gives zᴴHz for every λ by Gauss and by Gauss–Radau quadrature, which bracket it; b's does the same
//!    for ρ. The rule is asked on the lower and on the upper curves, and the spaces that make the difference grow until
//!    that is a quarter of the accuracy asked for.
//! 4. The rule is asked once more without each probe in turn: the jackknife's error of log λ. Probes are added until Student's
//!    interval, widened by step 3, is as narrow as asked: what counts is that the *minimum* is located, not the trace.
//!
//! The same probes serve every λ, so that the criterion is a smooth function. A probe's weights are scaled to the dimension
//! that it stands for, so that the limits λ → 0 and λ → ∞ are exact. The processes of the probes keep no vectors: quadrature
//! does not suffer from lost orthogonality, only from delay (Strakoš & Tichý 2002).
//!
//! Symbols      here           there
//!              nodes          singular values θ and weights w: zᴴg(AAᴴ)z ≈ Σ w·g(θ²)
//!              t              log λ
//!
//! References   Girard 1989, Numer. Math. 56:1, doi:10.1007/BF01395775 · Hutchinson 1989, doi:10.1080/03610918908812806 · Golub &
//!              von Matt 1997, doi:10.1080/10618600.1997.10474725 · Gambhir, Stathopoulos & Orginos 2017 (deflation),
//!              doi:10.1137/16M1066361 · Ubaru, Chen & Saad 2017 (log det), doi:10.1137/16M1104974 · Strakoš & Tichý 2002, Electron. Trans. Numer. Anal. 13:56 · Efron & Stein 1981 (jackknife),
//!              doi:10.1214/aos/1176345462.

use super::hybrid::basis::{Columns, Process, Space};
use super::hybrid::projection::{End, Nodes, Small, known_from};
use super::hybrid::{Ruled, Settling, at_lower_end, choose, relative_change};
use crate::curve::{Curve, Jet, Point, Spectrum, damped_coefficient, filter};
use crate::error::{Error, Result};
use crate::linalg::{Kernels, Mat, Threads, zeros};
use crate::method::ProjectedGcv;
use crate::method::hybrid::{LEAST_PROBES, Probes};
use crate::operator::Operator;
use crate::random::Random;
use crate::rule::{Chosen, Rule};
use crate::scalar::{Real, Scalar};

/// A singular pair of b's space with a residual below this fraction of σ₁ is taken out of the probes; its part of the trace
/// is then wrong by the square of that.
const CONVERGED: f64 = 1e-6;
/// Numbers that b's space may keep: 256 MiB in `f64`. Beyond it the process goes on without its vectors.
const KEPT_NUMBERS: usize = 1 << 25;
/// The pilot has settled at this change over five steps: its λ is only where the search for the right one begins.
const PILOT: f64 = 0.05;
/// Steps of b's space after the pilot has settled, beside half of those before. On phillips at n = 300 the pilot alone (some 24
/// steps) leaves so much to the probes that twelve of them are asked for; a guess that four should do.
const MORE: usize = 8;
/// Quadrature may move λ by this part of the accuracy asked for.
const QUADRATURE: f64 = 0.25;

/// λ and how sure it is.
pub(crate) struct Located {
    pub chosen: Chosen,
    /// Half the width of the interval in log λ.
    pub half_width: f64,
    /// Whether λ is the least that the spaces know: it may be any smaller one.
    pub open_below: bool,
    /// tr H there, the constant included, where the rule asked for traces.
    pub dof: Option<f64>,
    pub count: usize,
    pub deflated: usize,
    pub products: usize,
}

/// Finds λ, and returns b's space with it: where the solve goes on. `project` takes out of a probe what the change of variables has taken out of A.
pub(crate) fn locate<'a, T: Scalar>(
    a: &'a dyn Operator<Scalar = T>,
    hidden: f64,
    b: &[T],
    ruled: &Ruled<'_>,
    options: &Probes,
    project: &dyn Fn(&mut [T]),
) -> Result<(Located, Process<'a, T>)> {
    let m = a.shape().0;
    let mut data = pilot(a, hidden, b, ruled, options)?;
    let dimension = ruled.rows.saturating_sub(ruled.unpenalised);
    // a rule that looks at norms alone needs no trace
    let wants_trace = !matches!(ruled.rule, Rule::Discrepancy(_));
    let (values, left) = if wants_trace { converged(&data, a)? } else { (Vec::new(), Columns::new(m)) };
    let free = dimension.saturating_sub(values.len());
    let mut random = Random::new(options.seed_or_default());
    let mut probes: Vec<Process<'_, T>> = Vec::new();
    let mut wanted = if wants_trace && free > 0 { LEAST_PROBES } else { 0 };
    let mut probe_steps = (data.steps() / 4).max(4);
    let accuracy = options.accuracy_or_default();
    // twice the steps of exact arithmetic: without orthogonality a process takes more of them
    let limit = options.limit().min(2 * m.min(a.shape().1));
    let mut products = 0;
    loop {
        while probes.len() < wanted {
            let mut z: Vec<T> = random_signs(&mut random, m);
            project(&mut z);
            left.project_out(&mut z, &Space::Range(a), None);
            probes.push(Process::start(a, hidden, &z, 0).map_err(|fault| fault.at(0))?);
        }
        for probe in &mut probes {
            while probe.steps() < probe_steps && !probe.exhausted {
                probe.step().map_err(|fault| fault.at(probe.steps() + 1))?;
            }
        }
        let curves = Curves::new(&data, &probes, &values, free, ruled, T::Real::EPSILON.to_f64())?;
        let log_lambda = |rho: End, trace: End| curves.ask(ruled, rho, trace, None).map(|chosen| 2.0 * chosen.damping.ln());
        let reference = curves.ask(ruled, End::Radau, End::Radau, None)?;
        let at_end = at_lower_end(&reference);
        let reference = 2.0 * reference.damping.ln();
        let by_data = (log_lambda(End::Gauss, End::Radau)? - reference).abs();
        let by_probes = if probes.is_empty() { 0.0 } else { (log_lambda(End::Radau, End::Gauss)? - reference).abs() };
        let mut grown = false;
        let allowed = QUADRATURE * accuracy;
        if (by_data > allowed || at_end) && !data.exhausted && data.steps() < limit {
            let target = (data.steps() + data.steps() / 2 + 4).min(limit);
            while data.steps() < target && !data.exhausted {
                data.step().map_err(|fault| fault.at(data.steps() + 1))?;
            }
            grown = true;
        }
        if (by_probes > allowed || at_end) && probe_steps < limit && probes.iter().any(|probe| !probe.exhausted) {
            probe_steps = (probe_steps + probe_steps / 2 + 4).min(limit);
            grown = true;
        }
        if grown {
            continue;
        }
        let spread = spread(&curves, ruled, probes.len())?;
        let half_width = spread + by_data + by_probes;
        // more probes do not bring a minimum inside
        if spread > accuracy - by_data - by_probes && probes.len() < options.most() && !probes.is_empty() && !at_end {
            // the spread falls as 1/√s
            let ratio = (spread / (accuracy - by_data - by_probes).max(0.5 * accuracy)).powi(2);
            let count = probes.len();
            wanted = ((count as f64 * ratio).ceil() as usize).clamp(count + 2, 2 * count).min(options.most());
            continue;
        }
        let chosen = curves.ask(ruled, End::Radau, End::Radau, None)?;
        let trace = curves.curve(End::Radau, End::Radau, None).at(chosen.damping).trace.value;
        let dof = wants_trace.then_some(ruled.rows as f64 - trace);
        products += 2 * (data.steps() + probes.iter().map(Process::steps).sum::<usize>()) + 1 + probes.len();
        let located = Located { chosen, half_width, open_below: at_end, dof, count: probes.len(), deflated: values.len(), products };
        return Ok((located, data));
    }
}

/// A probe.
pub(crate) fn random_signs<T: Scalar>(random: &mut Random, count: usize) -> Vec<T> {
    (0..count).map(|_| if random.next_bits() >> 63 == 0 { T::ONE } else { -T::ONE }).collect()
}

/// b's space until the rule on the projected problem has settled, or the space is exhausted.
fn pilot<'a, T: Scalar>(
    a: &'a dyn Operator<Scalar = T>,
    hidden: f64,
    b: &[T],
    ruled: &Ruled<'_>,
    options: &Probes,
) -> Result<Process<'a, T>> {
    let (m, n) = a.shape();
    let keep = (KEPT_NUMBERS / (m + n).max(1)).min(options.limit());
    let mut process = Process::start(a, hidden, b, keep).map_err(|fault| fault.at(0))?;
    let mut settling = Settling::new(PILOT);
    let (mut weights, mut small, mut before) = (Vec::new(), Small::default(), Vec::new());
    let mut last = None;
    while !process.exhausted && process.steps() < options.limit() && !settling.settled() {
        process.step().map_err(|fault| fault.at(process.steps() + 1))?;
        match choose(&process, ruled, ProjectedGcv::Automatic, &mut weights) {
            Ok(choice) => {
                let damping = choice.chosen.damping;
                process.numbers.solve(damping, &mut small);
                match choice.well_inside {
                    true => settling.step(damping, relative_change(&small.y, &before)),
                    false => settling.forget(),
                }
                before.clone_from(&small.y);
                last = None;
            }
            Err(error @ Error::NoLambda { .. }) => {
                settling.forget();
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    // half as many steps again: they make more singular vectors converge, each of which takes variance out of every probe
    let target = (process.steps() + process.steps() / 2 + MORE).min(options.limit());
    while last.is_none() && !process.exhausted && process.steps() < target {
        process.step().map_err(|fault| fault.at(process.steps() + 1))?;
    }
    match last {
        _ if process.steps() == 0 => Err(crate::rule::no_interval(ruled.rule.name())),
        Some(error) if matches!(ruled.rule, Rule::Discrepancy(_)) => Err(error),
        _ => Ok(process),
    }
}

/// The converged singular values of b's space, and their left vectors.
fn converged<T: Scalar>(process: &Process<'_, T>, a: &dyn Operator<Scalar = T>) -> Result<(Vec<f64>, Columns<T>)> {
    let mut left = Columns::new(a.shape().0);
    let k = process.steps();
    let mut values = Vec::new();
    if k == 0 || !process.complete() || process.left.count() < k + usize::from(!process.exhausted) {
        return Ok((values, left));
    }
    let numbers = &process.numbers;
    // rows that exist: the last one is not there when βₖ₊₁ = 0
    let rows = process.left.count().min(k + 1);
    let small = Mat::from_fn(rows, k, |i, j| match i.wrapping_sub(j) {
        0 => numbers.alpha[j],
        1 => numbers.beta[i],
        _ => 0.0,
    });
    let mut s = vec![0.0; rows.min(k)];
    let mut u = zeros::<f64>(rows, rows.min(k));
    let by_rotations =
        |rotations, s: &mut [f64], u: &mut Mat<f64>| f64::svd(small.as_ref(), s, Some(u.as_mut()), None, rotations, Threads::ONE);
    if by_rotations(false, &mut s, &mut u).is_err() && by_rotations(true, &mut s, &mut u).is_err() {
        // deflation saves probes, and is not needed for the answer
        return Ok((values, left));
    }
    let Some(&largest) = s.first() else { return Ok((values, left)) };
    let next = numbers.alpha.last().copied().unwrap_or(0.0);
    let mut vector = vec![T::ZERO; a.shape().0];
    for (j, &value) in s.iter().enumerate() {
        let residual = if rows > k { next * u[(k, j)].abs() } else { 0.0 };
        if residual <= CONVERGED * largest && value > CONVERGED * largest {
            let column: Vec<f64> = (0..rows).map(|i| u[(i, j)]).collect();
            process.left.combine(&column, &mut vector);
            left.push(&vector);
            values.push(value);
        }
    }
    Ok((values, left))
}

/// The nodes of b and of every probe, by both rules.
pub(crate) struct Curves {
    data: [Spectrum; 2],
    /// For each probe: (θ, w) by both rules; the weights of one probe sum to the dimension that it stands for.
    probes: Vec<[Vec<(f64, f64)>; 2]>,
    deflated: Vec<f64>,
    rows: usize,
    unpenalised: usize,
    /// Below this damping the spaces do not know the curve.
    low: f64,
}

impl Curves {
    pub fn new<T: Scalar>(
        data: &Process<'_, T>,
        probes: &[Process<'_, T>],
        deflated: &[f64],
        free: usize,
        ruled: &Ruled<'_>,
        epsilon: f64,
    ) -> Result<Self> {
        let nodes = |process: &Process<'_, T>, end: End| {
            process.numbers.nodes(end).map_err(|_| Error::NotConverged {
                method: "the nodes of the quadrature",
                steps: process.steps(),
                reached: f64::INFINITY,
                tolerance: f64::EPSILON,
                instead: "give λ as a number, or use another seed",
            })
        };
        let both = |process: &Process<'_, T>| Ok([nodes(process, End::Gauss)?, nodes(process, End::Radau)?]);
        let [gauss, radau]: [Nodes; 2] = both(data)?;
        let largest = radau.values.first().copied().unwrap_or(0.0);
        let tolerance = epsilon * largest * (radau.values.len() as f64).sqrt();
        let spectrum = |nodes: Nodes| nodes.spectrum(ruled.rows, ruled.unpenalised, tolerance);
        let weighted = |nodes: Nodes| {
            let mut pairs: Vec<(f64, f64)> = nodes.values.into_iter().zip(nodes.coefficients.into_iter().map(|c| c * c)).collect();
            pairs.push((0.0, nodes.outside));
            let total: f64 = pairs.iter().map(|&(_, weight)| weight).sum();
            if total > 0.0 {
                pairs.iter_mut().for_each(|(_, weight)| *weight *= free as f64 / total);
            }
            pairs
        };
        let probes = probes.iter().map(|probe| both(probe).map(|pair: [Nodes; 2]| pair.map(weighted))).collect::<Result<Vec<_>>>()?;
        let mut curves = Self {
            data: [spectrum(gauss), spectrum(radau)],
            probes,
            deflated: deflated.to_vec(),
            rows: ruled.rows,
            unpenalised: ruled.unpenalised,
            low: 0.0,
        };
        curves.low = known_from(&curves.curve(End::Gauss, End::Gauss, None), &curves.curve(End::Radau, End::Radau, None), true);
        Ok(curves)
    }

    /// With ρ and the traces by these rules, and without one of the probes.
    fn curve(&self, rho: End, trace: End, without: Option<usize>) -> Estimated {
        let place = |end: End| usize::from(end == End::Radau);
        let used = self.probes.len() - usize::from(without.is_some_and(|j| j < self.probes.len()));
        let mut directions: Vec<(f64, f64)> = self.deflated.iter().map(|&value| (value, 1.0)).collect();
        for (_, probe) in self.probes.iter().enumerate().filter(|&(j, _)| Some(j) != without) {
            directions.extend(probe[place(trace)].iter().map(|&(value, weight)| (value, weight / used as f64)));
        }
        Estimated { data: self.data[place(rho)].clone(), directions, rows: self.rows, unpenalised: self.unpenalised, low: self.low }
    }

    /// λ by the rule on that curve.
    pub fn ask(&self, ruled: &Ruled<'_>, rho: End, trace: End, without: Option<usize>) -> Result<Chosen> {
        ruled.rule.choose(&self.curve(rho, trace, without), ruled.data_norm, ruled.unit)
    }
}

/// The curve that the probes estimate.
pub(crate) struct Estimated {
    /// ρ and η.
    data: Spectrum,
    /// Singular values with how many directions each stands for.
    directions: Vec<(f64, f64)>,
    rows: usize,
    unpenalised: usize,
    low: f64,
}

impl Estimated {
    /// ρ and η of a space, and what probes say of the traces: singular values with how many directions each stands for.
    pub fn new(data: Spectrum, directions: Vec<(f64, f64)>, rows: usize, unpenalised: usize) -> Self {
        Self { data, directions, rows, unpenalised, low: 0.0 }
    }

    /// Where ρ and η come from.
    pub fn data(&self) -> &Spectrum {
        &self.data
    }
}

impl Curve for Estimated {
    fn at(&self, damping: f64) -> Point {
        let Point { residual, penalty, .. } = self.data.at(damping);
        let (mut trace, mut squared) = (Jet::default(), Jet::default());
        let mut counted = self.unpenalised as f64;
        for &(value, weight) in &self.directions {
            let (phi, f) = filter(self.data.effective(value, damping), damping);
            counted += weight;
            trace.value += weight * f;
            trace.slope += weight * f * phi;
            trace.bend += weight * f * phi * (phi - f);
            squared.value += weight * phi * phi;
            squared.slope -= 2.0 * weight * phi * phi * f;
            squared.bend -= 2.0 * weight * phi * phi * f * (phi - 2.0 * f);
        }
        trace.value += (self.rows as f64 - counted).max(0.0);
        squared.value += self.unpenalised as f64;
        Point { residual, penalty, trace, trace_squared: squared }
    }

    fn interval(&self) -> (f64, f64) {
        let (low, high) = self.data.interval();
        (low.max(self.low), high)
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn unpenalised(&self) -> Option<usize> {
        Some(self.unpenalised)
    }

    fn largest(&self) -> Option<f64> {
        Some(self.data.largest())
    }

    fn seen(&self) -> Option<f64> {
        Some(self.directions.iter().filter(|(value, _)| *value > self.data.tolerance).map(|(_, weight)| weight).sum())
    }

    fn dof(&self, damping: f64) -> Option<f64> {
        let kept = |&(value, weight): &(f64, f64)| weight * filter(self.data.effective(value, damping), damping).0;
        Some(self.unpenalised as f64 + self.directions.iter().map(kept).sum::<f64>())
    }

    fn quadratic(&self, damping: f64) -> Option<Jet> {
        Some(self.data.quadratic(damping))
    }

    fn log_determinant(&self, damping: f64) -> Option<Jet> {
        let mut sum = Jet::default();
        for &(value, weight) in &self.directions {
            let value = self.data.effective(value, damping);
            let (phi, f) = filter(value, damping);
            // log f = −log(1 + σ²/λ)
            let ratio = value / damping;
            sum.value -= weight * if ratio <= 1e15 { (ratio * ratio).ln_1p() } else { 2.0 * ratio.ln() };
            sum.slope += weight * phi;
            sum.bend -= weight * phi * f;
        }
        Some(sum)
    }

    fn variance(&self, damping: f64) -> Option<Jet> {
        let mut sum = Jet::default();
        for &(value, weight) in &self.directions {
            let value = self.data.effective(value, damping);
            let (phi, f) = filter(value, damping);
            let square = weight * damped_coefficient(value, damping).powi(2);
            sum.value += square;
            sum.slope -= 2.0 * f * square;
            sum.bend -= 2.0 * f * (phi - 2.0 * f) * square;
        }
        Some(sum)
    }
}

/// Half of Student's 95 % interval of log λ, from the choices without each probe in turn.
pub(crate) fn spread(curves: &Curves, ruled: &Ruled<'_>, count: usize) -> Result<f64> {
    if count < 2 {
        return Ok(0.0);
    }
    let places = (0..count)
        .map(|j| curves.ask(ruled, End::Radau, End::Radau, Some(j)).map(|chosen| 2.0 * chosen.damping.ln()))
        .collect::<Result<Vec<f64>>>()?;
    Ok(student_half_width(&places))
}

/// The same from those choices.
pub(crate) fn student_half_width(places: &[f64]) -> f64 {
    let count = places.len() as f64;
    let mean = places.iter().sum::<f64>() / count;
    let squares: f64 = places.iter().map(|t| (t - mean) * (t - mean)).sum();
    student(count - 1.0) * ((count - 1.0) / count * squares).sqrt()
}

/// The 97.5 % point of Student's distribution, by the expansion of Cornish and Fisher (1 % low at 3 degrees of freedom, 24 % at 1).
fn student(degrees: f64) -> f64 {
    let z = 1.959_963_984_540_054f64;
    let powers = |terms: &[(f64, i32)]| terms.iter().map(|&(factor, power)| factor * z.powi(power)).sum::<f64>();
    z + powers(&[(1.0, 3), (1.0, 1)]) / (4.0 * degrees)
        + powers(&[(5.0, 5), (16.0, 3), (3.0, 1)]) / (96.0 * degrees * degrees)
        + powers(&[(3.0, 7), (19.0, 5), (17.0, 3), (-15.0, 1)]) / (384.0 * degrees.powi(3))
}
