//! The minimum over all log λⱼ: a scan for starts, Newton's method in a box from each, and what lies at its ends.

use super::{By, Failure, Found, Minimum, Several, Value};
use crate::linalg::{self, Kernels, Mat, Threads};
use crate::random::Random;

/// Largest |∂ log criterion/∂ log λ| of a minimum. The gradient is a sum of orthonormal blocks with rounding of about m·ε.
const SLOPE: f64 = 1e-10;
/// What rounding can keep the gradient above where the criterion itself does not move any more.
const SLOPE_AT_ROUNDING: f64 = 1e-5;
/// Newton steps from one start.
const STEPS: usize = 200;
/// Longest step of one coordinate, e³ in λ: a criterion is a sum of logistic functions about four wide. A choice.
const LONGEST: f64 = 3.0;
/// Points along the common multiple, along each coordinate, and at random for each penalty. Choices.
const COMMON: usize = 32;
const ALONG: usize = 24;
const AT_RANDOM: usize = 8;
/// Starts of Newton's method.
const STARTS: usize = 6;

impl Several {
    /// Every local minimum that several starts lead to, the best first.
    pub fn minimise(&self, by: By) -> Result<Found, Failure> {
        let count = core::cell::Cell::new(0);
        let value = |theta: &[f64]| {
            count.set(count.get() + 1);
            self.evaluate(by, theta, false).map_or(f64::INFINITY, |value| value.log)
        };
        let mut candidates = self.scan(&value);
        candidates.retain(|(_, log)| log.is_finite());
        candidates.sort_by(|a, b| a.1.total_cmp(&b.1));
        if candidates.is_empty() {
            return Err(Failure::Undefined);
        }
        let apart = |a: &[f64], b: &[f64], by: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > by);
        let mut starts: Vec<Vec<f64>> = Vec::new();
        for (theta, _) in candidates {
            if starts.len() < STARTS && starts.iter().all(|other| apart(other, &theta, 2.0)) {
                starts.push(theta);
            }
        }
        let mut minima: Vec<Minimum> = Vec::new();
        let (mut steps, mut least) = (0, f64::INFINITY);
        for start in starts {
            let (minimum, converged, made) = self.descend(by, start, &count);
            steps += made;
            least = least.min(minimum.slope);
            if converged && minima.iter().all(|other| apart(&other.theta, &minimum.theta, 1e-3)) {
                minima.push(minimum);
            }
        }
        minima.sort_by(|a, b| a.log.total_cmp(&b.log));
        if minima.is_empty() {
            return Err(Failure::NotConverged(steps, least));
        }
        Ok(Found { minima, evaluations: count.get() })
    }

    /// Points of the box with the criterion.
    fn scan(&self, value: &dyn Fn(&[f64]) -> f64) -> Vec<(Vec<f64>, f64)> {
        let count = self.range.len();
        let mut points: Vec<(Vec<f64>, f64)> = Vec::new();
        let add = |theta: Vec<f64>, points: &mut Vec<(Vec<f64>, f64)>| {
            let log = value(&theta);
            points.push((theta, log));
        };
        let at = |(low, high): (f64, f64), part: f64| low + part * (high - low);
        let common = (
            self.range.iter().map(|r| r.0).fold(f64::INFINITY, f64::min),
            self.range.iter().map(|r| r.1).fold(f64::NEG_INFINITY, f64::max),
        );
        for k in 0..COMMON {
            let t = at(common, (k as f64 + 0.5) / COMMON as f64);
            add(self.range.iter().map(|&(low, high)| t.clamp(low, high)).collect(), &mut points);
        }
        if count > 1 {
            let mut random = Random::new(1);
            for _ in 0..AT_RANDOM * count {
                add(self.range.iter().map(|&range| at(range, random.uniform())).collect(), &mut points);
            }
            for j in 0..count {
                let Some(best) = points.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|best| best.0.clone()) else { break };
                for k in 0..=ALONG {
                    let mut theta = best.clone();
                    theta[j] = at(self.range[j], k as f64 / ALONG as f64);
                    add(theta, &mut points);
                }
            }
        }
        points
    }

    /// Newton's method from one start: the point, whether it is a minimum, and the steps made.
    fn descend(&self, by: By, mut theta: Vec<f64>, count: &core::cell::Cell<usize>) -> (Minimum, bool, usize) {
        let count_of = |derivatives: bool, theta: &[f64]| {
            count.set(count.get() + 1);
            self.evaluate(by, theta, derivatives)
        };
        let edge_of = |theta: &[f64], gradient: &[f64]| -> Vec<Option<bool>> {
            (0..theta.len())
                .map(|j| {
                    let (low, high) = self.range[j];
                    if theta[j] <= low && gradient[j] >= 0.0 {
                        Some(false)
                    } else if theta[j] >= high && gradient[j] <= 0.0 {
                        Some(true)
                    } else {
                        None
                    }
                })
                .collect()
        };
        let slope_of = |gradient: &[f64], edge: &[Option<bool>]| {
            gradient.iter().zip(edge).filter(|(_, edge)| edge.is_none()).fold(0.0f64, |a, (g, _)| a.max(g.abs()))
        };
        let nowhere = |theta: Vec<f64>| Minimum { edge: vec![None; theta.len()], theta, log: f64::INFINITY, slope: f64::INFINITY };
        let Some(mut here) = count_of(true, &theta) else { return (nowhere(theta), false, 0) };
        for step in 0..STEPS {
            let edge = edge_of(&theta, &here.gradient);
            let slope = slope_of(&here.gradient, &edge);
            let minimum = |theta: Vec<f64>| Minimum { theta, log: here.log, slope, edge: edge.clone() };
            let free: Vec<usize> = (0..theta.len()).filter(|&j| edge[j].is_none()).collect();
            let Some((direction, least_curvature)) = self.direction(&here, &free) else { return (minimum(theta), false, step) };
            if slope <= SLOPE {
                // a plateau is no minimum: λⱼ that make no difference any more go to the end that they are near
                if least_curvature > 100.0 * SLOPE || free.is_empty() {
                    return (minimum(theta), true, step);
                }
                let ended = self.to_the_ends(by, &theta, &here, &free, count);
                match ended {
                    Some((moved, there)) => {
                        theta = moved;
                        here = there;
                        continue;
                    }
                    None => return (minimum(theta), true, step),
                }
            }
            let expected: f64 = free.iter().map(|&j| here.gradient[j] * direction[j]).sum();
            let mut length = 1.0;
            let mut next = None;
            for _ in 0..50 {
                let moved: Vec<f64> = (0..theta.len())
                    .map(|j| (theta[j] + length * direction[j].clamp(-LONGEST, LONGEST)).clamp(self.range[j].0, self.range[j].1))
                    .collect();
                if moved == theta {
                    break;
                }
                if let Some(there) = count_of(true, &moved)
                    && there.log <= here.log + 1e-4 * length * expected.min(0.0)
                {
                    next = Some((moved, there));
                    break;
                }
                length *= 0.5;
            }
            match next {
                Some((moved, there)) => {
                    theta = moved;
                    here = there;
                }
                // nothing lower along a direction of descent: the criterion's rounding hides what is left
                None => return (minimum(theta), slope <= SLOPE_AT_ROUNDING, step),
            }
        }
        let edge = edge_of(&theta, &here.gradient);
        let slope = slope_of(&here.gradient, &edge);
        (Minimum { theta, log: here.log, slope, edge }, slope <= SLOPE_AT_ROUNDING, STEPS)
    }

    /// Moves the free coordinates without curvature to an end, where the criterion does not rise.
    fn to_the_ends(
        &self,
        by: By,
        theta: &[f64],
        here: &Value,
        free: &[usize],
        count: &core::cell::Cell<usize>,
    ) -> Option<(Vec<f64>, Value)> {
        let n = theta.len();
        for &j in free {
            if here.hessian[j * n + j].abs() > 100.0 * SLOPE {
                continue;
            }
            for end in [self.range[j].0, self.range[j].1] {
                let mut moved = theta.to_vec();
                moved[j] = end;
                count.set(count.get() + 1);
                if moved != theta
                    && let Some(there) = self.evaluate(by, &moved, true)
                    && there.log <= here.log + 1e-10
                {
                    return Some((moved, there));
                }
            }
        }
        None
    }

    /// −(Hessian with positive eigenvalues)⁻¹·gradient on the free coordinates, and its least eigenvalue.
    fn direction(&self, here: &Value, free: &[usize]) -> Option<(Vec<f64>, f64)> {
        let n = here.gradient.len();
        let k = free.len();
        let mut out = vec![0.0; n];
        if k == 0 {
            return Some((out, f64::INFINITY));
        }
        let hessian = Mat::from_fn(k, k, |a, b| here.hessian[free[a] * n + free[b]]);
        let mut values = vec![0.0; k];
        let mut vectors = linalg::zeros(k, k);
        f64::self_adjoint_eigen(hessian.as_ref(), &mut values, vectors.as_mut(), Threads::ONE).ok()?;
        let floor = 1e-8 * values.iter().fold(0.0f64, |a, v| a.max(v.abs())).max(1e-8);
        for (i, &value) in values.iter().enumerate() {
            let along: f64 = free.iter().enumerate().map(|(a, &j)| vectors[(a, i)] * here.gradient[j]).sum();
            for (a, &j) in free.iter().enumerate() {
                out[j] -= along / value.abs().max(floor) * vectors[(a, i)];
            }
        }
        // lengths beyond the longest step only turn the direction when each coordinate is clipped
        let longest = out.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        if longest > LONGEST {
            out.iter_mut().for_each(|v| *v *= LONGEST / longest);
        }
        Some((out, values.iter().copied().fold(f64::INFINITY, f64::min)))
    }
}
