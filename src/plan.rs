//! What will be done and why, before it is done.

use crate::rule::Choice;
use core::fmt;
use std::borrow::Cow;

/// The plan of a solve: a value that prints itself; no number has been computed for it.
///
/// ```
/// use wellposed::{DenseView, Gcv, Problem};
/// let a = vec![1.0; 500 * 30];
/// let plan = Problem::new(&DenseView::column_major(&a, 500, 30)?).plan(Gcv)?;
/// println!("{plan}");
/// assert_eq!(plan.rows, 500);
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// m.
    pub rows: usize,
    /// n.
    pub columns: usize,
    /// Name of the scalar type.
    pub scalar: &'static str,
    /// Where the entries of A are.
    pub storage: Storage,
    /// The penalty in words.
    pub penalty: Cow<'static, str>,
    /// λ or the rule that chooses it; `None` when a factorization is to be kept.
    pub choice: Option<Choice>,
    /// Name of the method that solves at the λ in force.
    pub method: &'static str,
    /// Name of the decomposition whose spectrum the rule sees, where that is another one.
    pub spectrum: Option<&'static str>,
    /// Why this method.
    pub why: &'static str,
    /// Which methods take over, in order, when this one gives the problem back.
    pub fallbacks: Vec<&'static str>,
    /// What is done to the data first, in order: weights, prior mean, intercept, standard form.
    pub transforms: Vec<&'static str>,
    /// Threads the kernels may use.
    pub threads: usize,
}

impl Plan {
    /// Whether a sparse A is stored densely first.
    pub(crate) fn stores_densely(&self) -> bool {
        self.transforms.first() == Some(&STORE_DENSELY)
    }

    /// Says what has become of the penalty, where the plan could not.
    pub(crate) fn settle_factor(&mut self, done: &'static str) {
        self.transforms.iter_mut().filter(|transform| **transform == FACTOR_IF).for_each(|transform| *transform = done);
    }
}

/// The transformation of a small sparse A.
pub(crate) const STORE_DENSELY: &str = "store A densely";

/// What becomes of a penalty beside products with A, before and after it is known whether it has a factor.
pub(crate) const FACTOR_IF: &str = "standard form where the penalty has a sparse factor";
pub(crate) const FACTOR: &str = "standard form by the sparse factor of the penalty";
pub(crate) const STACKED: &str = "the penalty as rows below A";
pub(crate) const PROJECTED: &str = "the penalty projected on the space";

/// Where the entries of A are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// All entries in memory.
    Dense,
    /// The entries that are not zero; this many are stored.
    Sparse(usize),
    /// Only products with A and Aᴴ.
    MatrixFree,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let storage = match self.storage {
            Storage::Dense => Cow::Borrowed("dense"),
            Storage::Sparse(entries) => Cow::Owned(format!("sparse ({entries} entries)")),
            Storage::MatrixFree => Cow::Borrowed("matrix-free"),
        };
        writeln!(f, "A          {}×{} {} {storage}", self.rows, self.columns, self.scalar)?;
        writeln!(f, "penalty    {}", self.penalty)?;
        match self.choice {
            Some(choice) => writeln!(f, "lambda     {choice}")?,
            None => writeln!(f, "lambda     any, from one factorization")?,
        }
        if !self.transforms.is_empty() {
            writeln!(f, "first      {}", self.transforms.join(", "))?;
        }
        write!(f, "method     {}", self.method)?;
        if let Some(spectrum) = self.spectrum {
            write!(f, ", λ chosen on the spectrum from {spectrum}")?;
        }
        write!(f, ": {}", self.why)?;
        if !self.fallbacks.is_empty() {
            write!(f, "\nif refused {}", self.fallbacks.join(", then "))?;
        }
        Ok(())
    }
}
