//! R taken apart: ℓ1 norms and squares of coefficients or groups of them, or norms of the rows of an L.

use super::real::{RealProblem, Source, parts};
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::method::Method;
use crate::outer::admm::{Directions, General, Parts};
use crate::outer::coordinate_descent::{Descents, Separable};
use crate::outer::path::{Fits, Settings};
use crate::penalty::{Resolved, Shape, Term, TermEntries};
use crate::scalar::{Real, Scalar};

/// R as ℓ1 norms of blocks of coefficients and squares of coefficients, where that is what it is.
pub(super) struct Separated {
    /// Groups of the caller's coefficients; single ones, all that are not free, unless given.
    blocks: Option<Vec<Vec<usize>>>,
    /// For each block.
    l1: Vec<f64>,
    /// For each coefficient.
    l2: Vec<f64>,
    /// Nothing penalises these.
    free: Vec<usize>,
}

/// Which of the two engines, with what it needs of R.
pub(super) enum Form {
    Separated(Separated),
    General(Parts),
}

/// Makes the fits of one right-hand side b̄.
pub(super) type Start<'x> = dyn Fn(Vec<f64>) -> Box<dyn Fits + 'x> + 'x;
/// What is done with the problem of some of the rows.
pub(super) type Work<'w, T, R> = dyn for<'x> FnMut(&'x RealProblem<'_, T>, &'x Start<'x>) -> Result<R> + 'w;

impl Form {
    /// For the method asked for.
    pub fn of<T: Scalar>(description: &Description<'_, T>) -> Result<Self> {
        let (penalty, n) = (&description.penalty, description.operator.shape().1);
        let terms = penalty.terms(n)?;
        match separated(&terms, n).filter(|_| !matches!(description.method, Method::Admm(_))) {
            Some(separated) => Ok(Form::Separated(separated.between(description)?)),
            None if description.bounds.is_some() => Err(Error::Unsupported {
                what: "bounds",
                with: "an ℓ1 norm of Lx with an L that is not diagonal (or with Admm)",
                instead: "use l1() or elastic_net(..) on the coefficients themselves, or the square of Lx",
            }),
            None => Ok(Form::General(general(&terms, penalty.entries_of_terms(n)?)?)),
        }
    }

    /// Whether a component is penalised by its square alone.
    pub fn has_squares(&self) -> bool {
        match self {
            Form::Separated(separated) => separated.l1.contains(&0.0),
            Form::General(parts) => parts.l1.contains(&0.0),
        }
    }

    pub fn is_separated(&self) -> bool {
        matches!(self, Form::Separated(_))
    }

    /// Hands the problem of these rows (all unless given) to `work`, with what starts fits of it.
    pub fn with<T: Scalar, R>(
        &self,
        description: &Description<'_, T>,
        source: &Source<'_, T>,
        rows: Option<&[usize]>,
        settings: Settings,
        work: &mut Work<'_, T, R>,
    ) -> Result<R> {
        match self {
            Form::Separated(separated) => {
                let problem = RealProblem::new(description, source, rows, &separated.free)?;
                let separable = separated.on(&problem);
                work(&problem, &|b| Box::new(Descents::new(&separable, b, settings)))
            }
            Form::General(parts) => {
                let problem = RealProblem::new(description, source, rows, &[])?;
                let general = General::new(&problem.design, parts.clone())?;
                work(&problem, &|b| Box::new(Directions::new(&general, b, settings)))
            }
        }
    }
}

/// The rows of all L below each other in real numbers, with their groups and weights.
fn general<T: Scalar>(terms: &[Term<'_, T>], entries: Vec<TermEntries<T>>) -> Result<Parts> {
    let p = parts::<T>();
    let mut out = Parts { rows: 0, entries: Vec::new(), blocks: Vec::new(), l1: Vec::new(), l2: Vec::new() };
    for (term, (rows, entries)) in terms.iter().zip(entries) {
        // what has no weight is not there
        if term.weight == 0.0 {
            continue;
        }
        let first = out.rows;
        for (i, j, value) in entries {
            let (real, imaginary) = (value.real().to_f64(), value.imaginary().to_f64());
            if !(real.is_finite() && imaginary.is_finite()) {
                return Err(Error::NonFinite { what: "the penalty matrix L", index: Size::Position(i, j) });
            }
            if T::IS_COMPLEX {
                let (i, j) = (first + 2 * i, 2 * j);
                out.entries.extend([(i, j, real), (i, j + 1, -imaginary), (i + 1, j, imaginary), (i + 1, j + 1, real)]);
            } else {
                out.entries.push((first + i, j, real));
            }
        }
        let (l1, l2) = match term.shape {
            Shape::Squared => (0.0, 1.0),
            Shape::ElasticNet(rho) => (rho, 1.0 - rho),
            Shape::L1 | Shape::Groups(_) | Shape::Isotropic => (1.0, 0.0),
            Shape::Profile(_) => {
                return Err(Error::Unsupported {
                    what: "a penalty by reweighting",
                    with: "l1(), elastic_net(..), group_lasso(..) or isotropic()",
                    instead: "use power(1.0) or huber(..) in their place",
                });
            }
        };
        let single: Vec<Vec<usize>>;
        let groups = if term.groups.is_empty() {
            single = (0..rows).map(|i| vec![i]).collect();
            &single
        } else {
            &term.groups
        };
        for group in groups {
            let size = if matches!(term.shape, Shape::Groups(_)) { (group.len() as f64).sqrt() } else { 1.0 };
            out.blocks.push(group.iter().flat_map(|&i| (0..p).map(move |part| first + i * p + part)).collect());
            out.l1.push(term.weight * l1 * size);
        }
        out.rows += rows * p;
        out.l2.resize(out.rows, term.weight * l2);
    }
    Ok(out)
}

fn separated<T: Scalar>(terms: &[Term<'_, T>], n: usize) -> Option<Separated> {
    let (mut single, mut l2) = (vec![0.0; n], vec![0.0; n]);
    let mut grouped: Option<(Vec<Vec<usize>>, Vec<f64>)> = None;
    let mut any_single = false;
    for term in terms {
        let weights: Vec<f64> = match &term.l {
            Resolved::Identity => vec![1.0; n],
            Resolved::Diagonal(w) => w.iter().map(|w| w.to_f64()).collect(),
            Resolved::Operator(_) => return None,
        };
        let rho = match term.shape {
            Shape::Squared => 0.0,
            Shape::L1 => 1.0,
            Shape::ElasticNet(rho) => rho,
            Shape::Groups(_) => {
                if grouped.is_some() {
                    return None;
                }
                let mut l1 = Vec::with_capacity(term.groups.len());
                for group in &term.groups {
                    let first = weights[group[0]];
                    if group.iter().any(|&j| weights[j] != first) {
                        return None;
                    }
                    l1.push(term.weight * (group.len() as f64).sqrt() * first);
                }
                grouped = Some((term.groups.clone(), l1));
                continue;
            }
            Shape::Isotropic | Shape::Profile(_) => return None,
        };
        any_single |= rho > 0.0;
        for (j, w) in weights.iter().enumerate() {
            single[j] += term.weight * rho * w;
            l2[j] += term.weight * (1.0 - rho) * w * w;
        }
    }
    let Some((groups, weights)) = grouped else {
        let free: Vec<usize> = (0..n).filter(|&j| single[j] == 0.0 && l2[j] == 0.0).collect();
        let l1 = (0..n).filter(|&j| single[j] != 0.0 || l2[j] != 0.0).map(|j| single[j]).collect();
        return Some(Separated { blocks: None, l1, l2, free });
    };
    if any_single {
        return None;
    }
    let (mut blocks, mut l1, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for (group, weight) in groups.into_iter().zip(weights) {
        if weight > 0.0 {
            blocks.push(group);
            l1.push(weight);
            continue;
        }
        // no group without a weight: its coefficients stand alone
        for j in group {
            if l2[j] == 0.0 {
                free.push(j);
            } else {
                blocks.push(vec![j]);
                l1.push(0.0);
            }
        }
    }
    free.sort_unstable();
    Some(Separated { blocks: Some(blocks), l1, l2, free })
}

impl Separated {
    /// With the bounds of the problem: what nothing penalises can be projected out only where it is not bounded.
    fn between<T: Scalar>(mut self, description: &Description<'_, T>) -> Result<Self> {
        let Some(bounds) = &description.bounds else { return Ok(self) };
        if self.blocks.is_some() {
            return Err(Error::Unsupported {
                what: "bounds",
                with: "group_lasso(..), whose groups leave zero as a whole",
                instead: "use l1() or elastic_net(..) with the bounds, or drop the bounds",
            });
        }
        let n = self.l2.len();
        let (low, high) = bounds.resolve(n)?;
        let mut weights = core::mem::take(&mut self.l1).into_iter();
        let mut is_free = vec![false; n];
        self.free.iter().for_each(|&j| is_free[j] = true);
        self.free.clear();
        for j in 0..n {
            let (bounded_below, bounded_above) = (low[j].finite(), high[j].finite());
            match (is_free[j], bounded_below || bounded_above) {
                (false, _) => self.l1.extend(weights.next()),
                (true, false) => self.free.push(j),
                (true, true) if bounded_below && bounded_above => self.l1.push(0.0),
                (true, true) => {
                    return Err(Error::Unsupported {
                        what: "a coefficient of penalty weight 0 that is bounded on one side only",
                        with: "a penalty that is no square of a norm",
                        instead: "bound it on both sides or on none, or give it a small weight",
                    });
                }
            }
        }
        Ok(self)
    }

    /// The problem on a design whose columns are the coefficients that are not free, each in its real parts.
    fn on<'d, 'a, T: Scalar>(&self, problem: &'d RealProblem<'a, T>) -> Separable<'d, 'a> {
        let p = parts::<T>();
        let mut column = vec![usize::MAX; self.l2.len()];
        let mut is_free = vec![false; self.l2.len()];
        self.free.iter().for_each(|&j| is_free[j] = true);
        (0..self.l2.len()).filter(|&j| !is_free[j]).enumerate().for_each(|(k, j)| column[j] = k);
        let l2: Vec<f64> = (0..self.l2.len()).filter(|&j| !is_free[j]).flat_map(|j| core::iter::repeat_n(self.l2[j], p)).collect();
        let single: Vec<Vec<usize>>;
        let groups = match &self.blocks {
            Some(groups) => groups,
            None if p == 1 => {
                let separable = Separable::new(&problem.design, None, self.l1.clone(), l2);
                return match problem.limits() {
                    Some(limits) => separable.within(limits.clone()),
                    None => separable,
                };
            }
            None => {
                single = (0..self.l2.len()).filter(|&j| !is_free[j]).map(|j| vec![j]).collect();
                &single
            }
        };
        // a complex coefficient without an ℓ1 norm of its own is two real ones
        let mut blocks = Vec::with_capacity(groups.len());
        let mut l1 = Vec::with_capacity(groups.len());
        for (block, &weight) in groups.iter().zip(&self.l1) {
            let members = block.iter().flat_map(|&j| (0..p).map(move |part| (j, part))).map(|(j, part)| column[j] * p + part);
            if weight > 0.0 {
                blocks.push(members.collect());
                l1.push(weight);
            } else {
                blocks.extend(members.map(|k| vec![k]));
                l1.resize(blocks.len(), 0.0);
            }
        }
        Separable::new(&problem.design, Some(blocks), l1, l2).of_parts(p)
    }
}
