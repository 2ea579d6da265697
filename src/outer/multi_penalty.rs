//! A λ for each of several penalties: min ‖Ax − b‖² + Σ λⱼ‖Lⱼx‖², all λⱼ by GCV, leave-one-out or evidence.
//!
//! With θⱼ = log λⱼ and the QR factorization of the stack, its rows ordered by size and its columns pivoted,
//!
//! ```text
//! [R; √λ₁L₁; …; √λ_JL_J]·P = [Q₀; Q₁; …; Q_J]·T          A = U·R, c = Uᵀb
//! H = UQ₀Q₀ᵀUᵀ       Eⱼ = QⱼᵀQⱼ       y = Q₀ᵀc       s = c − Q₀y
//! ∂H/∂θⱼ = −UQ₀EⱼQ₀ᵀUᵀ         ∂²H/∂θⱼ∂θₖ = UQ₀(EⱼEₖ + EₖEⱼ)Q₀ᵀUᵀ + δⱼₖ∂H/∂θⱼ
//! ```
//! so that every criterion, its gradient and its Hessian are sums over orthonormal blocks: no Gram matrix is formed, nothing is
//! divided by λ, and the largest λⱼ does not drown the rows of the others.
//!
//! The criteria are those of one penalty ([`rule`](crate::rule)): GCV m‖r‖²/tr(I − H)², leave-one-out Σ(rᵢ/(1 − hᵢᵢ))², and the
//! evidence P/det⁺(I − H)^{1/(m−q)} with P = bᵀ(I − H)b and det⁺(I − H) = |Σλⱼ LⱼᵀLⱼ|₊·|ZᵀAᵀAZ|/|AᵀA + ΣλⱼLⱼᵀLⱼ|, Z the directions that no
//! penalty sees. Their logarithm is minimised over a box by Newton's method with the eigenvalues of the Hessian made
//! positive and a line search, from several starts: the best points of a scan along the common multiple, along each
//! coordinate, and at random (fixed seed). A λⱼ at an end of its interval is held there while the gradient points outwards.
//!
//! When to prefer a sibling: one penalty, or fixed ratios (`Penalty::sum`), have every rule and one decomposition for all λ. Cost: a QR
//! factorization of A, then for each evaluation one of the (n + Σpⱼ)×n stack and J products of n×n matrices, m×n for leave-one-out:
//! 4(n + Σpⱼ)n² + 4Jn³ flops, some hundred times; pⱼ ≤ n, as each Lⱼ is reduced to a triangle first.
//!
//! References: Wood 2004 (doi:10.1198/016214504000000980) and 2011 (doi:10.1111/j.1467-9868.2010.00749.x), gradient, Hessian and
//! the determinants; Burn 2020 (arXiv:2011.10218), leave-one-out.

use crate::linalg::{self, Kernels, Mat, Op, Threads, product, sum_of_squares, thin_qr, thin_qr_pivoted, triangle_of};
use crate::random::Random;

/// The criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Gcv,
    LeaveOneOut,
    Evidence,
}

/// Why there are no λⱼ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// A and all Lⱼ share a null space of this dimension.
    CommonNullSpace(usize),
    /// A kernel did not converge.
    Kernel,
    /// The criterion is defined nowhere on the scan (nothing is left of the residual, or a row fits itself).
    Undefined,
    /// No start converged: steps and the least largest |∂/∂θ| reached.
    NotConverged(usize, f64),
}

/// The problem after whitening and without the constant.
pub(crate) struct Several {
    /// R, at most n×n.
    r: Mat<f64>,
    /// c = Uᵀb.
    c: Vec<f64>,
    /// ‖b‖² outside the range of U.
    outside: f64,
    /// For leave-one-out: U and the residual outside it in the caller's rows, and the constant's leverages.
    rows: Option<RowsOf>,
    /// m of the caller.
    m: usize,
    constant: bool,
    /// Lⱼ/‖Lⱼ‖ with at most n rows.
    terms: Vec<Mat<f64>>,
    /// The same on an orthonormal basis of what any of them sees.
    seen: Vec<Mat<f64>>,
    /// Dimension of what none of them sees.
    unseen: usize,
    /// log |ZᵀAᵀAZ|.
    log_free: f64,
    /// θⱼ between which λⱼ makes a difference.
    pub range: Vec<(f64, f64)>,
    threads: Threads,
}

/// What leave-one-out needs.
pub(crate) struct RowsOf {
    pub basis: Mat<f64>,
    pub outside: Vec<f64>,
    pub constant: Vec<f64>,
}

/// The logarithm of a criterion with its derivatives in θ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub log: f64,
    pub gradient: Vec<f64>,
    /// Row after row.
    pub hessian: Vec<f64>,
}

/// A local minimum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Minimum {
    pub theta: Vec<f64>,
    pub log: f64,
    /// The largest |∂/∂θⱼ| over the coordinates that no end holds.
    pub slope: f64,
    /// Which coordinates are at an end, and whether it is the upper one.
    pub edge: Vec<Option<bool>>,
}

/// What a search found: minima, the best first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub minima: Vec<Minimum>,
    pub evaluations: usize,
}

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
/// How far θ goes beyond the singular values, as factors of λ: filter factors are then 1 within 10⁻¹⁰, and 0 within 10⁻⁶. Where no rows
/// are to spare, residual and tr(I − H) vanish together with λ and lose as many digits: not so far.
const BELOW: f64 = 1e10;
const BELOW_WITHOUT_SPARE_ROWS: f64 = 1e6;
const ABOVE: f64 = 1e6;
/// Starts of Newton's method.
const STARTS: usize = 6;

/// Takes vectors of the rows that are left back to all rows.
pub(crate) type Expand<'e> = &'e dyn Fn(&Mat<f64>) -> Mat<f64>;

impl Several {
    /// `a` is m̄×n (whitened, without the constant), `expand` takes vectors of the m̄ rows back to all rows; `terms` are the Lⱼ, none of them 0,
    /// already divided by their norms.
    pub fn new(
        a: Mat<f64>,
        b: &[f64],
        terms: Vec<Mat<f64>>,
        m: usize,
        constant: Option<Vec<f64>>,
        expand: Option<Expand<'_>>,
        threads: Threads,
    ) -> Result<Self, Failure> {
        let (height, n) = a.shape();
        let largest = values(&a, threads)?;
        if !largest.first().is_some_and(|&v| v > 0.0) {
            return Err(Failure::Undefined);
        }
        let (basis, r) = if height > n { thin_qr(a, threads) } else { (identity(height), a) };
        let mut c = vec![0.0; basis.ncols()];
        f64::multiply_adjoint(basis.as_ref(), b, &mut c, threads);
        let mut left = vec![0.0; height];
        f64::multiply(basis.as_ref(), &c, &mut left, threads);
        left.iter_mut().zip(b).for_each(|(left, b)| *left = b - *left);
        let outside = if height > n { left.iter().map(|v| v * v).sum() } else { 0.0 };
        let has_constant = constant.is_some();
        let rows = expand.map(|expand| RowsOf {
            basis: expand(&basis),
            outside: if height > n { expand(&Mat::from_fn(height, 1, |i, _| left[i])).col_as_slice(0).to_vec() } else { vec![0.0; m] },
            constant: constant.unwrap_or_else(|| vec![0.0; m]),
        });
        let terms: Vec<Mat<f64>> = terms.into_iter().map(|l| triangle_of(l, threads)).collect();
        // what all of them see together, and A's part of the rest
        let all = stack(&terms.iter().map(|l| (l, 1.0)).collect::<Vec<_>>(), n);
        let (sees, basis_of_all) = right_singular(&all, threads)?;
        let tolerance = all.nrows().max(n) as f64 * f64::EPSILON * sees.first().copied().unwrap_or(0.0);
        let rank = sees.iter().filter(|&&v| v > tolerance).count();
        let range_of = linalg::copy(basis_of_all.as_ref().subcols(0, rank));
        let null = linalg::copy(basis_of_all.as_ref().subcols(rank, n - rank));
        let seen = terms.iter().map(|l| product(l.as_ref(), Op::None, range_of.as_ref(), Op::None, threads)).collect();
        let free = product(r.as_ref(), Op::None, null.as_ref(), Op::None, threads);
        let free_values = values(&free, threads)?;
        let a_norm = largest.first().copied().unwrap_or(0.0);
        let lost = (n - rank) - free_values.iter().filter(|&&v| v > height.max(n) as f64 * f64::EPSILON * a_norm).count();
        if lost > 0 {
            return Err(Failure::CommonNullSpace(lost));
        }
        let log_free = 2.0 * free_values.iter().map(|v| v.ln()).sum::<f64>();
        // below the smallest value of A that is not rounding, and above the largest by the smallest that Lⱼ has
        let a_least = largest.iter().copied().filter(|&v| v > height.max(n) as f64 * f64::EPSILON * a_norm).fold(a_norm, f64::min);
        let below = if height > n { BELOW } else { BELOW_WITHOUT_SPARE_ROWS };
        let mut range = Vec::with_capacity(terms.len());
        for l in &terms {
            let of_l = values(l, threads)?;
            let most = of_l.first().copied().unwrap_or(1.0);
            let least = of_l.iter().copied().filter(|&v| v > l.nrows().max(n) as f64 * f64::EPSILON * most).fold(most, f64::min);
            range.push((2.0 * (a_least / most).ln() - below.ln(), 2.0 * (a_norm / least).ln() + ABOVE.ln()));
        }
        Ok(Self { r, c, outside, rows, m, constant: has_constant, terms, seen, unseen: n - rank, log_free, range, threads })
    }

    fn unknowns(&self) -> usize {
        self.r.ncols()
    }

    /// The blocks of Q and log |M|, at θ; `None` where the stack is singular in working precision.
    fn blocks(&self, top: Option<&Mat<f64>>, terms: &[Mat<f64>], theta: &[f64]) -> Option<(Vec<Mat<f64>>, f64)> {
        let n = terms.first().map_or(0, Mat::ncols);
        let mut parts: Vec<(&Mat<f64>, f64)> = top.into_iter().map(|top| (top, 1.0)).collect();
        parts.extend(terms.iter().zip(theta).map(|(l, &theta)| (l, (0.5 * theta).exp())));
        // large rows first: a factorization by reflections then keeps the digits of the small ones (Powell and Reid 1969; Cox and
        // Higham 1998)
        let size = |k: usize| parts[k].1 * largest(parts[k].0);
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        let sorted: Vec<(&Mat<f64>, f64)> = order.iter().map(|&k| parts[k]).collect();
        let (q, triangle) = thin_qr_pivoted(stack(&sorted, n), self.threads);
        let log_determinant = 2.0 * (0..n).map(|i| triangle[(i, i)].abs().ln()).sum::<f64>();
        if !log_determinant.is_finite() {
            return None;
        }
        let mut first = 0;
        let mut blocks = vec![Mat::new(); parts.len()];
        for &k in &order {
            let rows = parts[k].0.nrows();
            blocks[k] = linalg::copy(q.as_ref().subrows(first, rows));
            first += rows;
        }
        Some((blocks, log_determinant))
    }

    /// The logarithm of the criterion, with its derivatives where they are asked for.
    pub fn evaluate(&self, by: By, theta: &[f64], derivatives: bool) -> Option<Value> {
        let (blocks, log_determinant) = self.blocks(Some(&self.r), &self.terms, theta)?;
        let (q0, q) = blocks.split_first()?;
        let mut y = vec![0.0; self.unknowns()];
        f64::multiply_adjoint(q0.as_ref(), &self.c, &mut y, self.threads);
        let mut s = vec![0.0; self.c.len()];
        f64::multiply(q0.as_ref(), &y, &mut s, self.threads);
        s.iter_mut().zip(&self.c).for_each(|(s, c)| *s = c - *s);
        let point = Point { several: self, q0, q, y, s };
        let value = match by {
            By::Gcv => point.gcv(derivatives),
            By::LeaveOneOut => point.leave_one_out(self.rows.as_ref()?, derivatives),
            By::Evidence => point.evidence(theta, log_determinant, derivatives),
        }?;
        let finite = value.log.is_finite() && value.gradient.iter().chain(&value.hessian).all(|v| v.is_finite());
        finite.then_some(value)
    }

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

/// Everything at one θ.
struct Point<'p> {
    several: &'p Several,
    q0: &'p Mat<f64>,
    q: &'p [Mat<f64>],
    y: Vec<f64>,
    s: Vec<f64>,
}

impl Point<'_> {
    fn threads(&self) -> Threads {
        self.several.threads
    }

    /// Eⱼv.
    fn seen_by(&self, j: usize, v: &[f64]) -> Vec<f64> {
        let mut inside = vec![0.0; self.q[j].nrows()];
        f64::multiply(self.q[j].as_ref(), v, &mut inside, self.threads());
        let mut out = vec![0.0; v.len()];
        f64::multiply_adjoint(self.q[j].as_ref(), &inside, &mut out, self.threads());
        out
    }

    /// ρ = ‖r‖² with gradient and Hessian.
    fn residual(&self, derivatives: bool) -> (f64, Vec<f64>, Vec<f64>) {
        let rho = self.several.outside + dot(&self.s, &self.s);
        let count = self.q.len();
        if !derivatives {
            return (rho, Vec::new(), Vec::new());
        }
        let mut w = vec![0.0; self.y.len()];
        f64::multiply_adjoint(self.q0.as_ref(), &self.s, &mut w, self.threads());
        let a: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &self.y)).collect();
        let b: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &w)).collect();
        let image: Vec<Vec<f64>> = a
            .iter()
            .map(|a| {
                let mut image = vec![0.0; self.s.len()];
                f64::multiply(self.q0.as_ref(), a, &mut image, self.threads());
                image
            })
            .collect();
        let gradient: Vec<f64> = a.iter().map(|a| 2.0 * dot(&w, a)).collect();
        let mut hessian = symmetric(count, |j, k| 2.0 * dot(&image[j], &image[k]) - 2.0 * (dot(&b[j], &a[k]) + dot(&b[k], &a[j])));
        (0..count).for_each(|j| hessian[j * count + j] += gradient[j]);
        (rho, gradient, hessian)
    }

    fn gcv(&self, derivatives: bool) -> Option<Value> {
        let count = self.q.len();
        let m = self.several.m as f64;
        let (rho, rho1, rho2) = self.residual(derivatives);
        let trace = m - f64::from(u8::from(self.several.constant)) - sum_of_squares(self.q0.as_ref());
        if !(trace > 1e-12 * m && rho > 0.0) {
            return None;
        }
        let log = m.ln() + rho.ln() - 2.0 * trace.ln();
        if !derivatives {
            return Some(Value { log, gradient: Vec::new(), hessian: Vec::new() });
        }
        let across: Vec<Mat<f64>> =
            self.q.iter().map(|q| product(self.q0.as_ref(), Op::None, q.as_ref(), Op::Adjoint, self.threads())).collect();
        let moved: Vec<Mat<f64>> =
            across.iter().zip(self.q).map(|(c, q)| product(c.as_ref(), Op::None, q.as_ref(), Op::None, self.threads())).collect();
        // of tr(I − H)
        let t1: Vec<f64> = across.iter().map(|c| sum_of_squares(c.as_ref())).collect();
        let mut t2 = symmetric(count, |j, k| -2.0 * inner(&moved[j], &moved[k]));
        (0..count).for_each(|j| t2[j * count + j] += t1[j]);
        let gradient = (0..count).map(|j| rho1[j] / rho - 2.0 * t1[j] / trace).collect();
        let hessian = symmetric(count, |j, k| {
            let at = j * count + k;
            rho2[at] / rho - rho1[j] * rho1[k] / (rho * rho) - 2.0 * t2[at] / trace + 2.0 * t1[j] * t1[k] / (trace * trace)
        });
        Some(Value { log, gradient, hessian })
    }

    fn evidence(&self, theta: &[f64], log_determinant: f64, derivatives: bool) -> Option<Value> {
        let several = self.several;
        let count = self.q.len();
        let free = several.m as f64 - several.unseen as f64 - f64::from(u8::from(several.constant));
        if free <= 0.0 {
            return None;
        }
        let penalties: f64 = self
            .q
            .iter()
            .map(|q| {
                let mut image = vec![0.0; q.nrows()];
                f64::multiply(q.as_ref(), &self.y, &mut image, self.threads());
                dot(&image, &image)
            })
            .sum();
        let p = several.outside + dot(&self.s, &self.s) + penalties;
        let (prior, prior_determinant) = several.blocks(None, &several.seen, theta)?;
        if !(p > 0.0) {
            return None;
        }
        let log = p.ln() + (log_determinant - prior_determinant - several.log_free) / free;
        if !derivatives {
            return Some(Value { log, gradient: Vec::new(), hessian: Vec::new() });
        }
        let a: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &self.y)).collect();
        let p1: Vec<f64> = a.iter().map(|a| dot(&self.y, a)).collect();
        let mut p2 = symmetric(count, |j, k| -2.0 * dot(&a[j], &a[k]));
        (0..count).for_each(|j| p2[j * count + j] += p1[j]);
        let (d1, d2) = determinant(self.q, self.threads());
        let (e1, e2) = determinant(&prior, self.threads());
        let gradient = (0..count).map(|j| p1[j] / p + (d1[j] - e1[j]) / free).collect();
        let hessian = symmetric(count, |j, k| {
            let at = j * count + k;
            p2[at] / p - p1[j] * p1[k] / (p * p) + (d2[at] - e2[at]) / free
        });
        Some(Value { log, gradient, hessian })
    }

    /// With e = r/(1 − h): (1 − h)eⱼ = rⱼ + e·hⱼ and (1 − h)eⱼₖ = rⱼₖ + eₖhⱼ + eⱼhₖ + e·hⱼₖ.
    fn leave_one_out(&self, rows: &RowsOf, derivatives: bool) -> Option<Value> {
        let count = self.q.len();
        let m = rows.basis.nrows();
        let threads = self.threads();
        let full = product(rows.basis.as_ref(), Op::None, self.q0.as_ref(), Op::None, threads);
        let in_rows = |v: &[f64]| {
            let mut out = vec![0.0; m];
            f64::multiply(full.as_ref(), v, &mut out, threads);
            out
        };
        let mut r = vec![0.0; m];
        f64::multiply(rows.basis.as_ref(), &self.s, &mut r, threads);
        r.iter_mut().zip(&rows.outside).for_each(|(r, outside)| *r += outside);
        let gap: Vec<f64> = (0..m).map(|i| 1.0 - rows.constant[i] - row_dot(&full, &full, i)).collect();
        if gap.iter().any(|&g| g <= 64.0 * f64::EPSILON) {
            return None;
        }
        let e: Vec<f64> = r.iter().zip(&gap).map(|(r, g)| r / g).collect();
        let total = dot(&e, &e);
        let log = total.ln();
        if !derivatives {
            return Some(Value { log, gradient: Vec::new(), hessian: Vec::new() });
        }
        let a: Vec<Vec<f64>> = (0..count).map(|j| self.seen_by(j, &self.y)).collect();
        let r1: Vec<Vec<f64>> = a.iter().map(|a| in_rows(a)).collect();
        let moved: Vec<Mat<f64>> = self
            .q
            .iter()
            .map(|q| {
                let across = product(full.as_ref(), Op::None, q.as_ref(), Op::Adjoint, threads);
                product(across.as_ref(), Op::None, q.as_ref(), Op::None, threads)
            })
            .collect();
        let h1: Vec<Vec<f64>> = moved.iter().map(|moved| (0..m).map(|i| -row_dot(&full, moved, i)).collect()).collect();
        let e1: Vec<Vec<f64>> = (0..count).map(|j| (0..m).map(|i| (r1[j][i] + e[i] * h1[j][i]) / gap[i]).collect()).collect();
        let total1: Vec<f64> = e1.iter().map(|e1| 2.0 * dot(&e, e1)).collect();
        let mut total2 = vec![0.0; count * count];
        for j in 0..count {
            for k in 0..=j {
                let mut inside = self.seen_by(j, &a[k]);
                inside.iter_mut().zip(self.seen_by(k, &a[j])).for_each(|(v, other)| *v += other);
                let bend = in_rows(&inside);
                let mut sum = 0.0;
                for i in 0..m {
                    let diagonal = if j == k { 1.0 } else { 0.0 };
                    let r2 = diagonal * r1[j][i] - bend[i];
                    let h2 = 2.0 * row_dot(&moved[j], &moved[k], i) + diagonal * h1[j][i];
                    let e2 = (r2 + e1[k][i] * h1[j][i] + e1[j][i] * h1[k][i] + e[i] * h2) / gap[i];
                    sum += 2.0 * (e1[j][i] * e1[k][i] + e[i] * e2);
                }
                total2[j * count + k] = sum;
                total2[k * count + j] = sum;
            }
        }
        let gradient = total1.iter().map(|t| t / total).collect();
        let hessian = symmetric(count, |j, k| total2[j * count + k] / total - total1[j] * total1[k] / (total * total));
        Some(Value { log, gradient, hessian })
    }
}

/// Gradient and Hessian of log |Σ…| from its blocks: tr Eⱼ and δⱼₖ tr Eⱼ − tr EⱼEₖ.
fn determinant(q: &[Mat<f64>], threads: Threads) -> (Vec<f64>, Vec<f64>) {
    let count = q.len();
    let gradient: Vec<f64> = q.iter().map(|q| sum_of_squares(q.as_ref())).collect();
    let mut hessian =
        symmetric(count, |j, k| -sum_of_squares(product(q[j].as_ref(), Op::None, q[k].as_ref(), Op::Adjoint, threads).as_ref()));
    (0..count).for_each(|j| hessian[j * count + j] += gradient[j]);
    (gradient, hessian)
}

fn symmetric(count: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut out = vec![0.0; count * count];
    for j in 0..count {
        for k in 0..=j {
            let value = entry(j, k);
            out[j * count + k] = value;
            out[k * count + j] = value;
        }
    }
    out
}

/// The parts one above the other, each times its factor, with zeros below where they have fewer rows than columns.
fn stack(parts: &[(&Mat<f64>, f64)], n: usize) -> Mat<f64> {
    let rows: usize = parts.iter().map(|(part, _)| part.nrows()).sum();
    let mut out = linalg::zeros(rows.max(n), n);
    let mut first = 0;
    for (part, factor) in parts {
        for j in 0..n {
            for i in 0..part.nrows() {
                out[(first + i, j)] = factor * part[(i, j)];
            }
        }
        first += part.nrows();
    }
    out
}

/// Singular values, descending.
fn values(a: &Mat<f64>, threads: Threads) -> Result<Vec<f64>, Failure> {
    let mut s = vec![0.0; a.nrows().min(a.ncols())];
    if !s.is_empty() {
        f64::svd(a.as_ref(), &mut s, None, None, false, threads).map_err(|_| Failure::Kernel)?;
    }
    Ok(s)
}

/// Singular values and all right singular vectors of a matrix with at least as many rows as columns.
fn right_singular(a: &Mat<f64>, threads: Threads) -> Result<(Vec<f64>, Mat<f64>), Failure> {
    let n = a.ncols();
    let (mut s, mut v) = (vec![0.0; n], linalg::zeros(n, n));
    if n > 0 {
        f64::svd(a.as_ref(), &mut s, None, Some(v.as_mut()), false, threads).map_err(|_| Failure::Kernel)?;
    }
    Ok((s, v))
}

fn identity(n: usize) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { 0.0 })
}

fn largest(a: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| linalg::largest_modulus(a.col_as_slice(j))).fold(0.0, f64::max)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    linalg::dot(a, b)
}

fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| linalg::dot(a.col_as_slice(j), b.col_as_slice(j))).sum()
}

fn row_dot(a: &Mat<f64>, b: &Mat<f64>, i: usize) -> f64 {
    (0..a.ncols()).map(|j| a[(i, j)] * b[(i, j)]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three penalties on 8 unknowns (`m` rows), with a constant and rows for leave-one-out.
    fn sample(m: usize) -> Several {
        let n = 8;
        let a = Mat::from_fn(m, n, |i, j| ((3 * i + 7 * j * j + i * j) as f64 * 0.31).sin());
        let b: Vec<f64> = (0..m).map(|i| ((i * i) as f64 * 0.17).cos() + 0.1 * i as f64).collect();
        let first = Mat::from_fn(n - 1, n, |i, j| {
            if i == j {
                -1.0
            } else if i + 1 == j {
                1.0
            } else {
                0.0
            }
        });
        let second = Mat::from_fn(n - 2, n, |i, j| {
            if i == j || i + 2 == j {
                1.0
            } else if i + 1 == j {
                -2.0
            } else {
                0.0
            }
        });
        let half = Mat::from_fn(4, n, |i, j| if i + 2 == j { 1.0 } else { 0.0 });
        let expand = |q: &Mat<f64>| q.clone();
        Several::new(a, &b, vec![first, second, half], m, Some(vec![0.01; m]), Some(&expand), Threads::ONE).unwrap()
    }

    #[test]
    fn derivatives_are_those_of_the_values() {
        for m in [20, 6] {
            let several = sample(m);
            for by in [By::Gcv, By::LeaveOneOut, By::Evidence] {
                for theta in [[0.3, -1.0, 0.7], [-3.0, 2.0, -1.0], [5.0, -2.0, 1.0]] {
                    let here = several.evaluate(by, &theta, true).unwrap();
                    let step = 1e-4;
                    for j in 0..3 {
                        let moved = |by_how_much: f64| {
                            let mut moved = theta;
                            moved[j] += by_how_much;
                            several.evaluate(by, &moved, true).unwrap()
                        };
                        let (up, down) = (moved(step), moved(-step));
                        let slope = (up.log - down.log) / (2.0 * step);
                        assert!((slope - here.gradient[j]).abs() < 1e-7, "{by:?} {m} {theta:?} {j}: {slope} {}", here.gradient[j]);
                        for k in 0..3 {
                            let bend = (up.gradient[k] - down.gradient[k]) / (2.0 * step);
                            let hessian = here.hessian[j * 3 + k];
                            assert!((bend - hessian).abs() < 1e-7, "{by:?} {m} {theta:?} {j} {k}: {bend} {hessian}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_shared_null_space_is_found() {
        let a = Mat::from_fn(9, 3, |i, j| if j == 2 { 0.0 } else { ((i + 2 * j * i) as f64).sin() });
        let l = Mat::from_fn(2, 3, |i, j| if i == j { 1.0 } else { 0.0 });
        let failure = Several::new(a, &[1.0; 9], vec![l.clone(), l], 9, None, None, Threads::ONE).err();
        assert_eq!(failure, Some(Failure::CommonNullSpace(1)));
    }
}
