//! Sparse A: Cholesky of AᴴA + λLᴴL and QR of [A; √λL], analysed once, factored for each λ.
//!
//! What the dense engines do ([`cholesky`](super::cholesky), [`qr`](super::qr)), with factors that keep most of the zeros:
//!
//! - *Cholesky*: M = AᴴA + λLᴴL in an order of little fill, which depends on the pattern alone and serves every λ; solutions refined with the residual of the least-squares problem; refused beyond the same
//!   condition number as the dense engine.
//! - *QR* of [A; √λL] with the columns in the same order: for what Cholesky refuses and for λ = 0. Refined as an augmented
//!   system (Björck 1967, doi:10.1007/BF01939321): with the residuals f = b − r − Sx and g = −Sᴴr of r + Sx = b, Sᴴr = 0, the
//!   corrections are dx = argmin ‖S·dx − f‖ − (SᴴS)⁻¹g and dr = f − S·dx. It does not reveal the rank: a matrix whose
//!   triangle is singular to working precision is handed back.
//! - *Degrees of freedom* exactly, from the inverse on the pattern of the factor: [`selected`](super::selected).
//!
//! An unpenalised constant is one more column of A that L does not see. A dense column costs one full row of M, which the
//! ordering puts last. A dense *row* of A would make all of M full: such rows are left out of M and brought back by the
//! formula of Sherman, Morrison and Woodbury, k solves for k of them.
//!
//! The rounding errors of a Cholesky factor are those of the matrix with its diagonal scaled to 1, whatever the units of the unknowns
//! (Demmel 1989, LAPACK Working Note 14): the condition number is a bound for that matrix where its diagonal dominates, and elsewhere an
//! estimate after scaling by powers of two, which changes no digit of the factor.
//!
//! Prefer [`krylov`](crate::krylov) where the factor fills in. Cost: for a square grid of n points about
//! 3 n log₂ n numbers and 13 n^1.5 flops ([`linalg::sparse`](crate::linalg::sparse) has the ordering and the factorization).

mod stacked;

use super::cholesky::{Direct, EXTEND_ENTRIES, EXTEND_FROM, EXTEND_PER_CONDITION, LARGEST_CONDITION};
use super::{Handed, Refusal, rank_tolerance, selected};
use crate::extended;
use crate::linalg::sparse::{self, Analysis, Lower, Nodes, QrAnalysis, Rows};
use crate::linalg::{self, Mat, MatRef, Op, Threads};
use crate::scalar::times_power_of_two;
use crate::scalar::{Real, Scalar};
use stacked::Stacked;

/// Numbers in a factor at most (2 GB in `f64`). A choice, not a measurement.
const MOST_ENTRIES: f64 = 2.5e8;
/// Flops of a factorization at most: about a minute on one thread.
const MOST_FLOPS: f64 = 1e12;
/// Multiplications in AᴴA at most, counted before it is formed.
pub(crate) const MOST_GRAM_WORK: f64 = 2e8;
/// A row of A is dense from this many times √n entries on, if it has more than [`DENSE_ROW_LEAST`]. The 10 is that of the
/// minimum degree ordering for the rows of M.
const DENSE_ROW: f64 = 10.0;
/// See [`DENSE_ROW`].
const DENSE_ROW_LEAST: usize = 16;
/// With more dense rows than this the matrix is not sparse, and they stay where they are.
const MOST_DENSE_ROWS: usize = 100;
/// Refinement steps at most.
const REFINEMENTS: usize = 8;
/// Up to this κ(M) a solution by Cholesky is as good as it gets, and is not refined.
const WELL_CONDITIONED: f64 = 10.0;
/// Entries of the factor up to which the degrees of freedom come unasked: the inverse on its pattern costs several times the factor
/// (0.56 s for the 12.5 M entries of a 500×500 grid, benches/compare/sparse.py).
const TRACE_ENTRIES: usize = 2_000_000;

/// Whether the degrees of freedom are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// A rule needs them.
    Wanted,
    /// They are for the report.
    IfCheap,
    /// Nobody looks at them.
    Unwanted,
}

/// The problem at every λ: AᴴA and LᴴL on one pattern, and its analysis.
pub(crate) struct System<T: Scalar> {
    a: Rows<T>,
    l: Rows<T>,
    /// The dense rows of A.
    dense: Rows<T>,
    /// AᴴA without the dense rows, on the united pattern.
    gram: Lower<T>,
    /// LᴴL on the same pattern.
    penalty: Vec<T>,
    analysis: Analysis,
    threads: Threads,
}

/// What one λ leaves: for the solutions and for the trace.
struct Factor<T> {
    exponents: Vec<i32>,
    values: Vec<T>,
    condition: f64,
    /// W = M⁻¹Aᴴ and the Cholesky factor of I + AW for the dense rows A; empty without any.
    dense: Mat<T>,
    capacitance: Mat<T>,
}

impl<T: Scalar> System<T> {
    /// A (m×n) and L (p×n) by rows.
    pub fn new(a: Rows<T>, l: Rows<T>, threads: Threads) -> Handed<Self> {
        let n = a.columns;
        let from = DENSE_ROW_LEAST.max((DENSE_ROW * (n as f64).sqrt()) as usize);
        let (mut heavy, mut light): (Vec<usize>, Vec<usize>) = (0..a.rows()).partition(|&i| a.row(i).0.len() > from);
        if heavy.len() > MOST_DENSE_ROWS.min(n / 4) {
            light = (0..a.rows()).collect();
            heavy.clear();
        }
        let selected;
        let kept = match heavy.is_empty() {
            true => &a,
            false => {
                selected = a.select(&light);
                &selected
            }
        };
        let work = kept.gram_work() + l.gram_work();
        if work > MOST_GRAM_WORK {
            return Err(Refusal::TooMuchFill { entries: work, flops: work });
        }
        let (gram, penalty) = kept.grams(&l, threads);
        let analysis = Analysis::new(&gram, threads).ok_or(Refusal::TooMuchFill { entries: f64::INFINITY, flops: f64::INFINITY })?;
        let (entries, flops) = (analysis.entries() as f64, analysis.flops());
        if entries > MOST_ENTRIES || flops > MOST_FLOPS {
            return Err(Refusal::TooMuchFill { entries, flops });
        }
        let dense = a.select(&heavy);
        Ok(Self { a, l, dense, gram, penalty, analysis, threads })
    }

    /// L, p×n.
    pub fn l(&self) -> &Rows<T> {
        &self.l
    }

    /// Entries of the factor.
    #[cfg(test)]
    pub fn fill(&self) -> usize {
        self.analysis.entries()
    }

    /// The values of M = AᴴA + λLᴴL without the dense rows, its columns scaled, and the powers of two.
    fn normal(&self, lambda: T::Real) -> (Vec<T>, Vec<i32>) {
        let Lower { starts, indices, values } = &self.gram;
        let mut values: Vec<T> = values.iter().zip(&self.penalty).map(|(&g, &p)| g + p.scale(lambda)).collect();
        let n = self.gram.order();
        let exponent = |j: usize| {
            let size = values[starts[j]].real().to_f64();
            // half of the exponent, which is exact without a logarithm; of numbers below the normal ones about that
            if size > 0.0 { -((size.to_bits() >> 52) as i32 - 1023).div_euclid(2) } else { 0 }
        };
        let exponents: Vec<i32> = (0..n).map(exponent).collect();
        for j in 0..n {
            for place in starts[j]..starts[j + 1] {
                values[place] = times_power_of_two(values[place], exponents[j] + exponents[indices[place]]);
            }
        }
        (values, exponents)
    }

    fn factorize(&self, lambda: T::Real) -> Handed<Factor<T>> {
        let hopeless = Refusal::IllConditioned(1.0 / T::Real::EPSILON.to_f64());
        let (normal, exponents) = self.normal(lambda);
        let n = self.gram.order();
        let values = sparse::factorize(&self.analysis, &normal, self.threads).ok_or(hopeless)?;
        let k = self.dense.rows();
        let mut factor = Factor { exponents, values, condition: 1.0, dense: linalg::zeros(n, k), capacitance: linalg::zeros(k, k) };
        let solve = |x: &mut [T]| sparse::solve(&self.analysis, &factor.values, x, self.threads);
        // a bound that costs a pass over M, where the diagonal dominates, saves the solves of the estimate: below EXTEND_FROM nothing but
        // the report would know the difference
        let bound = self.gram.dominance_bound(&normal, WELL_CONDITIONED);
        factor.condition = match bound <= EXTEND_FROM {
            true => bound.max(1.0),
            false => (self.gram.one_norm(&normal) * linalg::inverse_one_norm(n, &solve, &solve)).max(1.0),
        };
        if !(factor.condition * T::Real::EPSILON.to_f64() <= LARGEST_CONDITION) {
            return Err(Refusal::IllConditioned(factor.condition));
        }
        if k > 0 {
            // in the scaled unknowns
            for i in 0..k {
                let (columns, entries) = self.dense.row(i);
                for (&j, &a) in columns.iter().zip(entries) {
                    factor.dense[(j, i)] = times_power_of_two(a.conj(), factor.exponents[j]);
                }
            }
            let rows = factor.dense.clone();
            (0..k).for_each(|i| sparse::solve(&self.analysis, &factor.values, factor.dense.col_as_slice_mut(i), self.threads));
            let mut capacitance = Mat::from_fn(k, k, |i, j| if i == j { T::ONE } else { T::ZERO });
            add_adjoint_product(&mut capacitance, rows.as_ref(), factor.dense.as_ref(), self.threads);
            T::cholesky(capacitance.as_mut(), Threads::ONE).map_err(|_| hopeless)?;
            factor.capacitance = capacitance;
        }
        Ok(factor)
    }

    /// C ← (AᴴA + λLᴴL)⁻¹C.
    fn solve_normal(&self, factor: &Factor<T>, c: &mut Mat<T>) -> Handed<()> {
        scale_rows(c, &factor.exponents);
        let rows = factor.dense.ncols();
        let before = (rows > 0).then(|| c.clone());
        (0..c.ncols()).for_each(|j| sparse::solve(&self.analysis, &factor.values, c.col_as_slice_mut(j), self.threads));
        if let Some(before) = before {
            // M⁻¹c − W(I + AW)⁻¹Wᴴc
            let mut small = linalg::zeros(rows, c.ncols());
            add_adjoint_product(&mut small, factor.dense.as_ref(), before.as_ref(), self.threads);
            T::solve_lower(factor.capacitance.as_ref(), Op::None, small.as_mut(), Threads::ONE);
            T::solve_lower(factor.capacitance.as_ref(), Op::Adjoint, small.as_mut(), Threads::ONE);
            T::product(c.as_mut(), linalg::Accum::Add, -T::ONE, factor.dense.as_ref(), Op::None, small.as_ref(), Op::None, self.threads);
        }
        scale_rows(c, &factor.exponents);
        Ok(())
    }

    /// tr(M⁻¹AᴴA) = n − λ·tr(M⁻¹LᴴL): the smaller of the two sums keeps its digits.
    fn dof(&self, nodes: Nodes<'_>, values: &[T], exponents: &[i32], damping: f64) -> f64 {
        let inverse = selected::inverse(nodes, values, self.threads);
        let trace = |values: &[T]| selected::trace(nodes, &inverse, &self.gram, &self.scaled(values, exponents));
        let n = self.a.columns as f64;
        let penalised = damping * (damping * trace(&self.penalty));
        match self.dense.rows() == 0 && penalised > 0.5 * n {
            true => trace(&self.gram.values),
            false => n - penalised,
        }
    }

    /// What the dense rows add to the degrees of freedom: λ·tr(W(I + AW)⁻¹WᴴP) = λ‖LWR⁻ᴴ‖²_F with I + AW = RRᴴ, P = LᴴL.
    fn dof_of_dense_rows(&self, factor: &Factor<T>, lambda: f64) -> f64 {
        let mut columns = linalg::adjoint(factor.dense.as_ref());
        T::solve_lower(factor.capacitance.as_ref(), Op::None, columns.as_mut(), Threads::ONE);
        let mut columns = linalg::adjoint(columns.as_ref());
        scale_rows(&mut columns, &factor.exponents);
        let mut image = vec![T::ZERO; self.l.rows()];
        let mut sum = 0.0;
        for i in 0..columns.ncols() {
            image.fill(T::ZERO);
            self.l.add_product(T::Real::ONE, columns.col_as_slice(i), &mut image);
            sum += image.iter().map(|v| v.modulus_squared().to_f64()).sum::<f64>();
        }
        lambda * sum
    }

    /// Values on the united pattern, rows and columns scaled.
    fn scaled(&self, values: &[T], exponents: &[i32]) -> Vec<T> {
        let Lower { starts, indices, .. } = &self.gram;
        let mut scaled = values.to_vec();
        for j in 0..self.gram.order() {
            for place in starts[j]..starts[j + 1] {
                scaled[place] = times_power_of_two(scaled[place], exponents[j] + exponents[indices[place]]);
            }
        }
        scaled
    }

    /// log λ where AᴴA and λLᴴL are of one size.
    pub fn middle(&self) -> f64 {
        let squares = |rows: &Rows<T>| rows.values.iter().map(|v| v.modulus_squared().to_f64()).sum::<f64>();
        let (a, l) = (squares(&self.a), squares(&self.l));
        if a > 0.0 && l > 0.0 { (a / l).ln() } else { 0.0 }
    }

    /// Whether the degrees of freedom are computed.
    fn traces(&self, trace: Trace) -> bool {
        trace == Trace::Wanted || (trace == Trace::IfCheap && self.analysis.entries() <= TRACE_ENTRIES)
    }

    /// By Cholesky.
    pub fn cholesky(&self, damping: f64, b: MatRef<'_, T>, trace: Trace) -> Handed<Direct<T>> {
        let lambda = damping * damping;
        let in_range = |x: f64| x == 0.0 || (x > 1e6 * T::Real::MIN_POSITIVE.to_f64() && x < 1e-6 * T::Real::MAX.to_f64());
        if !in_range(lambda) || (damping > 0.0 && lambda == 0.0) {
            return Err(Refusal::OutOfRange);
        }
        let real = T::Real::from_f64(lambda);
        let n = self.a.columns;
        let factor = self.factorize(real)?;
        let stored = (self.a.indices.len() + self.l.indices.len()) as f64;
        let extend = factor.condition > EXTEND_FROM && stored <= EXTEND_ENTRIES.min(EXTEND_PER_CONDITION * factor.condition);
        let mut x = linalg::zeros(n, b.ncols());
        let mut residual_norms = Vec::with_capacity(b.ncols());
        for j in 0..b.ncols() {
            let data: Vec<T> = (0..b.nrows()).map(|i| b[(i, j)]).collect();
            let solve = |c: &mut [T]| {
                let mut column = Mat::from_fn(n, 1, |i, _| c[i]);
                self.solve_normal(&factor, &mut column)?;
                c.copy_from_slice(column.col_as_slice(0));
                Ok(())
            };
            let (solution, norm) = match extend {
                true => self.refined_extended(real, &data, &solve)?,
                false => self.refined(real, &data, factor.condition, &solve)?,
            };
            x.col_as_slice_mut(j).copy_from_slice(&solution);
            residual_norms.push(norm);
        }
        let dof = match lambda == 0.0 {
            true => Some(n as f64),
            false => self.traces(trace).then(|| {
                let nodes = self.analysis.nodes();
                self.dof(nodes, &factor.values, &factor.exponents, damping) + self.dof_of_dense_rows(&factor, lambda)
            }),
        };
        Ok(Direct { x, residual_norms, dof, rank: n, condition: factor.condition.sqrt() })
    }

    /// Solution by the normal equations, corrected in working precision.
    fn refined(&self, lambda: T::Real, b: &[T], condition: f64, solve: &dyn Fn(&mut [T]) -> Handed<()>) -> Handed<(Vec<T>, f64)> {
        let mut x = vec![T::ZERO; self.a.columns];
        let (mut image, mut gradient) = (vec![T::ZERO; self.l.rows()], x.clone());
        let mut residual = b.to_vec();
        let mut last = f64::INFINITY;
        for step in 0..REFINEMENTS {
            gradient.fill(T::ZERO);
            self.a.add_adjoint_product(T::Real::ONE, &residual, &mut gradient);
            if step > 0 {
                image.fill(T::ZERO);
                self.l.add_product(T::Real::ONE, &x, &mut image);
                self.l.add_adjoint_product(-lambda, &image, &mut gradient);
            }
            solve(&mut gradient)?;
            let relative = relative(&gradient, &x);
            if step > 0 {
                progress::<T>(relative, last)?;
            }
            linalg::add_scaled(&mut x, T::ONE, &gradient);
            residual.copy_from_slice(b);
            self.a.add_product(-T::Real::ONE, &x, &mut residual);
            if condition <= WELL_CONDITIONED || (step > 0 && relative * relative <= 0.25 * T::Real::EPSILON.to_f64()) {
                break;
            }
            last = relative;
        }
        let norm = linalg::norm(&residual).to_f64();
        Ok((x, norm))
    }

    /// The same with residuals in twice the working precision.
    fn refined_extended(&self, lambda: T::Real, b: &[T], solve: &dyn Fn(&mut [T]) -> Handed<()>) -> Handed<(Vec<T>, f64)> {
        let stacked = self.stacked(lambda.sqrt());
        let transposed = stacked.transposed();
        let mut data = b.to_vec();
        data.resize(stacked.rows(), T::ZERO);
        let zeros = vec![T::ZERO; stacked.rows()];
        let mut x = vec![T::ZERO; self.a.columns];
        let mut last = f64::INFINITY;
        loop {
            let high = extended::sparse_residual(&stacked, &x, &zeros, &data);
            let low = extended::sparse_residual(&stacked, &x, &high, &data);
            let coarse = extended::sparse_negative_adjoint_product(&transposed, &high);
            let fine = extended::sparse_negative_adjoint_product(&transposed, &low);
            let mut correction: Vec<T> = coarse.iter().zip(&fine).map(|(&c, &f)| -c - f).collect();
            solve(&mut correction)?;
            let relative = relative(&correction, &x);
            if last.is_finite() && last > 0.5 {
                // the first correction of the solution itself
                progress::<T>(relative, f64::INFINITY)?;
            }
            if !(relative <= 0.5 * last) {
                return Ok((x, linalg::norm(&high[..b.len()]).to_f64()));
            }
            linalg::add_scaled(&mut x, T::ONE, &correction);
            last = relative;
            if relative <= 0.25 * T::Real::EPSILON.to_f64() {
                return Ok((x, linalg::norm(&high[..b.len()]).to_f64()));
            }
        }
    }

    /// [A; √λL].
    fn stacked(&self, damping: T::Real) -> Rows<T> {
        let mut stacked = self.a.clone();
        if damping > T::Real::ZERO {
            for i in 0..self.l.rows() {
                stacked.push(self.l.row(i), damping);
            }
        }
        stacked
    }

    /// By QR of the stacked matrix.
    pub fn qr(&self, damping: f64, b: MatRef<'_, T>, trace: Trace) -> Handed<Direct<T>> {
        let d = T::Real::from_f64(damping);
        if !d.finite() || (damping > 0.0 && d == T::Real::ZERO) {
            return Err(Refusal::OutOfRange);
        }
        let n = self.a.columns;
        let too_much = |entries: f64| Refusal::TooMuchFill { entries, flops: f64::NAN };
        let mut stacked = self.stacked(d);
        let tolerance = rank_tolerance::<T>(stacked.rows(), n);
        if stacked.rows() < n {
            return Err(Refusal::RankDeficient { rank: stacked.rows(), tolerance });
        }
        let exponents = equilibrate(&mut stacked);
        let transposed = stacked.transposed();
        // without this much the reflectors run out of rows
        let rank = stacked.structural_rank(&transposed);
        if rank < n {
            return Err(Refusal::RankDeficient { rank, tolerance });
        }
        // with the dense rows, or without the penalty, the pattern of SᴴS is another one
        let own: Analysis;
        let analysis = match damping > 0.0 && self.dense.rows() == 0 {
            true => &self.analysis,
            false => {
                if stacked.gram_work() > MOST_GRAM_WORK {
                    return Err(too_much(stacked.gram_work()));
                }
                own = Analysis::new(&stacked.gram_by(&transposed, self.threads), self.threads).ok_or(too_much(f64::INFINITY))?;
                &own
            }
        };
        let pattern = QrAnalysis::new(analysis, &stacked, &transposed).ok_or(too_much(f64::INFINITY))?;
        if pattern.entries() as f64 > MOST_ENTRIES {
            return Err(too_much(pattern.entries() as f64));
        }
        let mut answer = Err(Refusal::OutOfRange);
        let problem = Stacked { rows: &stacked, transposed: &transposed, data_rows: self.a.rows(), tolerance };
        T::with_sparse_qr(analysis, &pattern, &stacked, &mut |solver| {
            answer = problem.solve(solver, b).map(|(x, norms, condition)| {
                let (nodes, values) = solver.triangle();
                let dof = match damping == 0.0 {
                    true => Some(n as f64),
                    false => self.traces(trace).then(|| self.dof(nodes, values, &exponents, damping)),
                };
                (x, norms, condition, dof)
            });
        })
        .ok_or(too_much(f64::INFINITY))?;
        let (mut x, residual_norms, condition, dof) = answer?;
        scale_rows(&mut x, &exponents);
        Ok(Direct { x, residual_norms, dof, rank: n, condition })
    }
}

/// ‖dx‖/‖x‖, 1 where x is 0 and dx is not.
fn relative<T: Scalar>(correction: &[T], x: &[T]) -> f64 {
    let (d, x) = (linalg::norm(correction).to_f64(), linalg::norm(x).to_f64());
    match (d == 0.0, x == 0.0) {
        (true, _) => 0.0,
        (false, true) => 1.0,
        (false, false) => d / x,
    }
}

/// Refuses corrections that do not shrink: the factor is then worse than its estimated condition number said.
fn progress<T: Scalar>(relative: f64, last: f64) -> Handed<()> {
    if !(relative <= 0.1) || (relative > 0.5 * last && relative > 1e3 * T::Real::EPSILON.to_f64()) {
        return Err(Refusal::IllConditioned(1.0 / T::Real::EPSILON.to_f64()));
    }
    Ok(())
}

/// Row i times 2^eᵢ.
fn scale_rows<T: Scalar>(x: &mut Mat<T>, exponents: &[i32]) {
    for j in 0..x.ncols() {
        for (value, &exponent) in x.col_as_slice_mut(j).iter_mut().zip(exponents) {
            *value = times_power_of_two(*value, exponent);
        }
    }
}

/// Scales each column by a power of two to about 1, and returns the powers.
fn equilibrate<T: Scalar>(rows: &mut Rows<T>) -> Vec<i32> {
    let mut largest = vec![0.0f64; rows.columns];
    for (&j, &value) in rows.indices.iter().zip(&rows.values) {
        largest[j] = largest[j].max(value.real().modulus().larger(value.imaginary().modulus()).to_f64());
    }
    let exponents: Vec<i32> = largest.iter().map(|&l| if l > 0.0 { -(l.log2().floor() as i32) } else { 0 }).collect();
    for (&j, value) in rows.indices.iter().zip(&mut rows.values) {
        *value = times_power_of_two(*value, exponents[j]);
    }
    exponents
}

/// C ← C + AᴴB.
fn add_adjoint_product<T: Scalar>(c: &mut Mat<T>, a: MatRef<'_, T>, b: MatRef<'_, T>, threads: Threads) {
    T::product(c.as_mut(), linalg::Accum::Add, T::ONE, a, Op::Adjoint, b, Op::None, threads);
}

#[cfg(test)]
mod tests;
