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

mod criteria;
mod search;

use crate::linalg::{self, Kernels, Mat, Op, Threads, product, thin_qr, thin_qr_pivoted, triangle_of};
use criteria::Point;

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

/// How far θ goes beyond the singular values, as factors of λ: filter factors are then 1 within 10⁻¹⁰, and 0 within 10⁻⁶. Where no rows
/// are to spare, residual and tr(I − H) vanish together with λ and lose as many digits: not so far.
const BELOW: f64 = 1e10;
const BELOW_WITHOUT_SPARE_ROWS: f64 = 1e6;
const ABOVE: f64 = 1e6;

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
