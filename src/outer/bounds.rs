//! Ridge between bounds, dense: many components exchanged at once on the Gram matrix, and a certificate for the answer.
//!
//! ```text
//! min ‖Az − b‖² + d²‖Lz‖²   subject to   lo ≤ z ≤ hi         G = AᵀA + d²LᵀL, h = Aᵀb, y = Gz − h
//! ```
//! *Block principal pivoting* (Júdice, Pires 1994, Computers & Operations Research 21:587; for least squares Kim, Park 2011,
//! doi:10.1137/110821172): given which components are free, solve for them (Cholesky of G_FF) and for the gradient y of the others;
//! exchange *all* that are wrong, a free one outside its bounds or a held one that would rather move inwards. If the number of wrong
//! ones has not fallen for [`BACKUPS`] rounds, only the last of them is exchanged, which is Murty's rule and ends for every
//! positive definite G. A handful of rounds is usual, whatever n is; the set found at one λ starts the next.
//!
//! Forming G squares the condition number. The solution is refined with the residual of the least-squares problem, as in
//! Cholesky's method, and believed only where the condition of G_FF leaves the digits and the first-order conditions, computed from A,
//! hold; otherwise the set is handed to [`active_set`], which works on [A; dL] itself. Equations Cz = e beside the bounds are kept to
//! there, by multipliers ([`equality`](super::equality)). Cost: mn² once, then |F|³/3 and n² a round;
//! 2n² numbers.
//!
//! Prefer [`projected`](super::projected) where A is sparse or only multiplies.

mod certificate;
mod multipliers;

use super::active_set;
use super::limits::{Limits, Place, power_of_two};
use crate::linalg::{self, Accum, Kernels, Mat, MatMut, MatRef, Op, Threads};
use crate::transform::standard_form::PenaltyRows;
use core::cell::OnceCell;

/// Rounds without progress before single exchanges; Kim and Park's number.
const BACKUPS: usize = 3;
/// Rounds after which the active set takes over. Block exchanges take about ten; single ones can take exponentially many. A guess.
const ROUNDS: usize = 100;
/// Condition of the scaled G_FF times ε up to which its refined solutions have the digits of QR: the limit that
/// [`cholesky`](crate::factor::cholesky) keeps to, measured in tests/nist.rs.
const LARGEST_CONDITION: f64 = 1e-4;
/// A component is on the wrong side only if it is so by more than this, relative to the data: less is rounding.
const WRONG: f64 = 1e-12;
/// First-order conditions that hold to this, without units, are taken from the Gram matrix; otherwise the active set is asked.
const CERTIFIED: f64 = 1e-12;
/// No answer is given above this: the promise of the reports.
pub(crate) const PROMISED: f64 = 1e-10;

/// Which of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The Gram matrix, and the active set where that does not do.
    Either,
    /// The Gram matrix or nothing.
    Gram,
    /// The active set.
    ActiveSet,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failure {
    /// The Gram matrix was asked for by name and does not do.
    IllConditioned(f64),
    /// The active set, or the certificate of its answer, after so many steps.
    NotConverged { steps: usize, reached: f64 },
    /// No z within the bounds satisfies the equations: the least ‖Cz − e‖.
    Infeasible(f64),
}

/// A, L and the bounds; what every λ and right-hand side share.
pub(crate) struct Bounded {
    a: Mat<f64>,
    penalty: PenaltyRows<f64>,
    limits: Limits,
    /// Cz = e, rows of norm 1.
    equations: Option<(Mat<f64>, Vec<f64>)>,
    threads: Threads,
    /// AᵀA, both triangles.
    gram: OnceCell<Mat<f64>>,
    /// LᵀL of a general L, both triangles.
    penalty_gram: OnceCell<Mat<f64>>,
    /// R of A = QR, where A is tall, with Q in reflectors.
    triangle: OnceCell<(Mat<f64>, linalg::Reflectors<f64>)>,
}

/// One right-hand side.
pub(crate) struct Data {
    b: Vec<f64>,
    norm: f64,
    /// Aᵀb.
    product: Vec<f64>,
}

/// The bounded minimiser at one λ.
pub(crate) struct Answer {
    pub z: Vec<f64>,
    pub places: Vec<Place>,
    pub residual_norm: f64,
    pub penalty_norm: f64,
    pub kkt: f64,
    pub by_gram: bool,
    factor: Factor,
}

/// Where an answer was, for the next λ.
#[derive(Clone)]
pub(crate) struct Start {
    places: Vec<Place>,
    z: Vec<f64>,
}

impl Answer {
    pub fn start(&self) -> Start {
        Start { places: self.places.clone(), z: self.z.clone() }
    }
}

/// RᵀR = SG_FFS, R = `lower`ᵀ.
struct Factor {
    lower: Mat<f64>,
    free: Vec<usize>,
    /// 1/S.
    scale: Vec<f64>,
}

impl Bounded {
    pub fn new(a: Mat<f64>, penalty: PenaltyRows<f64>, limits: Limits, equations: Option<(Mat<f64>, Vec<f64>)>, threads: Threads) -> Self {
        Self { a, penalty, limits, equations, threads, gram: OnceCell::new(), penalty_gram: OnceCell::new(), triangle: OnceCell::new() }
    }

    pub fn data(&self, b: Vec<f64>) -> Data {
        let mut product = vec![0.0; self.a.ncols()];
        f64::multiply_adjoint(self.a.as_ref(), &b, &mut product, self.threads);
        Data { norm: linalg::norm(&b), b, product }
    }

    /// ‖A‖ and ‖L‖ in Frobenius' norm: the λ at which the two terms are of one size is the square of their ratio.
    pub fn sizes(&self) -> (f64, f64) {
        let size = |columns: Vec<f64>| linalg::norm(&columns);
        let penalty = match &self.penalty {
            PenaltyRows::Identity => (self.a.ncols() as f64).sqrt(),
            PenaltyRows::Diagonal(w) => linalg::norm(w),
            PenaltyRows::Dense(l) => size(linalg::column_norms(l.as_ref())),
        };
        (size(linalg::column_norms(self.a.as_ref())), penalty)
    }

    /// The minimiser at damping d, from where an earlier one was.
    pub fn solve(&self, data: &Data, damping: f64, way: Way, start: Option<&Start>) -> Result<Answer, Failure> {
        let places = start.map_or_else(|| self.limits.start(), |start| start.places.clone());
        let mut guess = (places, start.map(|start| start.z.clone()));
        if way != Way::ActiveSet && self.equations.is_none() {
            match self.by_gram(data, damping, &guess.0) {
                Ok(answer) => return Ok(answer),
                Err((condition, found)) => {
                    if way == Way::Gram {
                        return Err(Failure::IllConditioned(condition));
                    }
                    guess = found.unwrap_or(guess);
                }
            }
        }
        let answer = match &self.equations {
            None => self.by_active_set(data, damping, guess)?,
            Some((c, e)) => self.by_multipliers(data, damping, guess, c, e)?,
        };
        if !(answer.kkt <= PROMISED) {
            return Err(Failure::NotConverged { steps: 0, reached: answer.kkt });
        }
        Ok(answer)
    }

    /// G at this damping, both triangles.
    fn normal(&self, damping: f64) -> Mat<f64> {
        let n = self.a.ncols();
        let full = |of: MatRef<'_, f64>| {
            let mut gram = linalg::zeros(n, n);
            f64::gram(gram.as_mut(), Accum::Replace, of, Op::Adjoint, self.threads);
            for j in 0..n {
                for i in 0..j {
                    gram[(i, j)] = gram[(j, i)];
                }
            }
            gram
        };
        let gram = self.gram.get_or_init(|| full(self.a.as_ref()));
        let lambda = damping * damping;
        let mut normal = gram.clone();
        match &self.penalty {
            PenaltyRows::Identity => (0..n).for_each(|j| normal[(j, j)] += lambda),
            PenaltyRows::Diagonal(w) => (0..n).for_each(|j| normal[(j, j)] += lambda * w[j] * w[j]),
            PenaltyRows::Dense(l) => {
                let penalty = self.penalty_gram.get_or_init(|| full(l.as_ref()));
                for j in 0..n {
                    let added = normal.col_as_slice_mut(j).iter_mut().zip(penalty.col_as_slice(j));
                    added.for_each(|(entry, &p)| *entry += lambda * p);
                }
            }
        }
        normal
    }

    /// Block principal pivoting. The error is the condition that was met, and the set where pivoting had ended.
    #[allow(clippy::type_complexity)]
    fn by_gram(&self, data: &Data, damping: f64, places: &[Place]) -> Result<Answer, (f64, Option<(Vec<Place>, Option<Vec<f64>>)>)> {
        let n = self.a.ncols();
        let hopeless = (1.0 / f64::EPSILON, None);
        let lambda = damping * damping;
        if (damping > 0.0 && lambda < f64::MIN_POSITIVE) || !lambda.is_finite() {
            return Err(hopeless);
        }
        let normal = self.normal(damping);
        let scale: Vec<f64> = (0..n).map(|j| power_of_two(normal[(j, j)].sqrt())).collect();
        // in units in which the diagonal of G is near 1: G ← SGS, h ← Sh, z ← S⁻¹z
        let normal = Mat::from_fn(n, n, |i, j| normal[(i, j)] / scale[i] / scale[j]);
        let product: Vec<f64> = data.product.iter().zip(&scale).map(|(h, s)| h / s).collect();
        let limits = self.limits.scaled(&scale);

        let mut places = places.to_vec();
        // what an active set holds for want of independence is free here, where nothing is dependent
        places.iter_mut().filter(|place| **place == Place::Held).for_each(|place| *place = Place::Free);
        let (mut least, mut backups) = (usize::MAX, BACKUPS);
        let mut rounds = 0;
        let (mut z, factor) = loop {
            let free: Vec<usize> = (0..n).filter(|&j| places[j] == Place::Free).collect();
            let lower = factorized(&normal, &free, self.threads).ok_or(hopeless.clone())?;
            let mut z: Vec<f64> = (0..n).map(|j| limits.value(j, places[j])).collect();
            let mut y = product.clone();
            subtract_product(&normal, &z, &mut y);
            let mut solution: Vec<f64> = free.iter().map(|&j| y[j]).collect();
            solve_factored(&lower, &mut solution);
            free.iter().zip(&solution).for_each(|(&j, &value)| z[j] = value);
            y.copy_from_slice(&product);
            subtract_product(&normal, &z, &mut y);
            y.iter_mut().for_each(|y| *y = -*y);

            // ‖b − Az‖² + d²‖Lz‖² = ‖b‖² + zᵀ(y − h)
            let squares: f64 = data.norm * data.norm + z.iter().zip(y.iter().zip(&product)).map(|(z, (y, h))| z * (y - h)).sum::<f64>();
            let tolerance = WRONG * data.norm.max(squares.max(0.0).sqrt());
            let wrong: Vec<(usize, Place)> = (0..n)
                .filter_map(|j| match places[j] {
                    Place::Free if z[j] < limits.low[j] - tolerance => Some((j, Place::Low)),
                    Place::Free if z[j] > limits.high[j] + tolerance => Some((j, Place::High)),
                    Place::Low if y[j] < -tolerance && !limits.is_fixed(j) => Some((j, Place::Free)),
                    Place::High if y[j] > tolerance && !limits.is_fixed(j) => Some((j, Place::Free)),
                    _ => None,
                })
                .collect();
            if wrong.is_empty() {
                break (z, Factor { lower, free, scale: scale.clone() });
            }
            rounds += 1;
            if rounds > ROUNDS {
                let z = (0..n).map(|j| limits.clamp(j, z[j]) / scale[j]).collect();
                return Err((1.0 / f64::EPSILON, Some((places, Some(z)))));
            }
            let all = if wrong.len() < least {
                (least, backups) = (wrong.len(), BACKUPS);
                true
            } else {
                backups = backups.saturating_sub(1);
                backups > 0
            };
            let exchanged = if all { &wrong[..] } else { &wrong[wrong.len() - 1..] };
            exchanged.iter().for_each(|&(j, place)| places[j] = place);
        };

        let condition = factor.condition(&normal);
        z.iter_mut().zip(&scale).for_each(|(z, s)| *z /= s);
        let handed = |z: Vec<f64>, places: Vec<Place>| Err((condition, Some((places, Some(z)))));
        if !(condition * f64::EPSILON <= LARGEST_CONDITION) {
            return handed(z, places);
        }
        // what forming G lost: two steps of refinement with the residual of the least-squares problem
        for _ in 0..2 {
            let gradient = self.gradient(data, damping, &z).0;
            let mut correction: Vec<f64> = factor.free.iter().map(|&j| -gradient[j] / scale[j]).collect();
            solve_factored(&factor.lower, &mut correction);
            factor.free.iter().zip(&correction).for_each(|(&j, c)| z[j] += c / scale[j]);
        }
        let answer = self.answer(data, damping, z, places, factor, true);
        if answer.kkt <= CERTIFIED { Ok(answer) } else { handed(answer.z, answer.places) }
    }

    fn by_active_set(&self, data: &Data, damping: f64, (places, z): (Vec<Place>, Option<Vec<f64>>)) -> Result<Answer, Failure> {
        let (stack, rest) = self.stack(data, damping);
        let (z, places, factor) = self.on_stack(&stack, &rest, &places, z.as_deref())?;
        Ok(self.answer(data, damping, z, places, factor, false))
    }

    /// [A; dL] and [b; 0]. Many λ and a tall A: its triangle stands for it.
    fn stack(&self, data: &Data, damping: f64) -> (Mat<f64>, Vec<f64>) {
        let (m, n) = self.a.shape();
        let compressed = (m > n).then(|| {
            self.triangle.get_or_init(|| {
                let reflectors = f64::qr(self.a.clone(), self.threads);
                (Mat::from_fn(n, n, |i, j| if i <= j { reflectors.basis[(i, j)] } else { 0.0 }), reflectors)
            })
        });
        let (top, mut rest) = match compressed {
            None => (self.a.as_ref(), data.b.clone()),
            Some((triangle, reflectors)) => {
                let mut b = Mat::from_fn(m, 1, |i, _| data.b[i]);
                f64::apply_reflectors(reflectors.basis.as_ref(), reflectors.coefficients.as_ref(), Op::Adjoint, b.as_mut(), self.threads);
                (triangle.as_ref(), (0..n).map(|i| b[(i, 0)]).collect())
            }
        };
        let rows = top.nrows();
        let below = if damping == 0.0 { 0 } else { self.penalty_count() };
        let stack = Mat::from_fn(rows + below, n, |i, j| if i < rows { top[(i, j)] } else { damping * self.penalty_entry(i - rows, j) });
        rest.resize(rows + below, 0.0);
        (stack, rest)
    }

    /// The active set on any rows, whose columns are scaled here.
    fn on_stack(
        &self,
        stack: &Mat<f64>,
        rest: &[f64],
        places: &[Place],
        z: Option<&[f64]>,
    ) -> Result<(Vec<f64>, Vec<Place>, Factor), Failure> {
        let scale: Vec<f64> = linalg::column_norms(stack.as_ref()).into_iter().map(power_of_two).collect();
        let stack = Mat::from_fn(stack.nrows(), stack.ncols(), |i, j| stack[(i, j)] / scale[j]);
        let limits = self.limits.scaled(&scale);
        let z: Option<Vec<f64>> = z.map(|z| z.iter().zip(&scale).map(|(z, s)| z * s).collect());
        let solved = active_set::solve(stack.as_ref(), rest, &limits, places, z.as_deref(), self.threads)
            .map_err(|steps| Failure::NotConverged { steps, reached: f64::INFINITY })?;
        let z = solved.z.iter().zip(&scale).map(|(z, s)| z / s).collect();
        Ok((z, solved.places, Factor { lower: solved.lower, free: solved.free, scale }))
    }
}

impl Factor {
    /// The 1-norm condition of SG_FFS.
    fn condition(&self, normal: &Mat<f64>) -> f64 {
        let f = self.free.len();
        let sum = |j: usize| self.free.iter().map(|&i| normal[(i, j)].abs()).sum::<f64>();
        let norm = self.free.iter().map(|&j| sum(j)).fold(0.0, f64::max);
        let solve = |x: &mut [f64]| solve_factored(&self.lower, x);
        (norm * linalg::inverse_one_norm(f, &solve, &solve)).max(1.0)
    }
}

/// The Cholesky factor of G_FF.
fn factorized(normal: &Mat<f64>, free: &[usize], threads: Threads) -> Option<Mat<f64>> {
    let f = free.len();
    if f == 0 {
        return Some(linalg::zeros(0, 0));
    }
    let mut lower = Mat::from_fn(f, f, |i, j| if j <= i { normal[(free[i], free[j])] } else { 0.0 });
    f64::cholesky(lower.as_mut(), threads).ok()?;
    Some(lower)
}

fn solve_factored(lower: &Mat<f64>, x: &mut [f64]) {
    let f = x.len();
    if f == 0 {
        return;
    }
    let mut column = MatMut::from_column_major_slice_mut(x, f, 1);
    f64::solve_lower(lower.as_ref(), Op::None, column.as_mut(), Threads::ONE);
    f64::solve_lower(lower.as_ref(), Op::Adjoint, column, Threads::ONE);
}

/// y ← y − Gz.
fn subtract_product(normal: &Mat<f64>, z: &[f64], y: &mut [f64]) {
    for (j, &z) in z.iter().enumerate() {
        if z != 0.0 {
            linalg::add_scaled(y, -z, normal.col_as_slice(j));
        }
    }
}
