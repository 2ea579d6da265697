//! Facts → plan. Pure: no number of A is looked at. The table below is the `match` in [`choose`].
//!
//! | asked | A | λ | engine | if it refuses |
//! |---|---|---|---|---|
//! | a method by name | any | any | that method | an error that names the way out |
//! | Auto | diagonalised together with L by a fast transform | any but a rule that needs leverages | that transform | |
//! | Auto | only products | a number | LSMR | |
//! | Auto | only products, min(m, n) ≤ 256 and mn ≤ 2²⁴ | a rule | A is written out by products with unit vectors, then as below | |
//! | Auto | only products, L = I | a rule without leverages | random probes, then LSMR | |
//! | Auto | only products | a rule without leverages | hybrid LSQR, in standard form by L's factor or with L projected | |
//! | Auto | few unknowns (n ≤ 16, m ≥ n), no options | a number > 0, a rule without leverages | Gram matrix on the stack | as below |
//! | Auto | m < n | 0 | SVD (minimum norm) | |
//! | Auto | m ≥ n | 0 | QR with refinement | SVD (minimum norm) |
//! | Auto | entries | a number > 0 | Cholesky with refinement | QR, then SVD |
//! | Auto | entries | a rule that needs leverages or every singular value, or a factorization to keep | SVD | |
//! | Auto | small | a rule | SVD | |
//! | Auto | entries | a rule | tridiagonalization of the Gram matrix | bidiagonalization, then SVD |
//!
//! | a dense method by name, or Auto | sparse, small | any | as for a dense A: its entries are stored densely | |
//! | Auto | sparse | 0 | sparse QR | LSMR (minimum norm) |
//! | Auto | sparse, AᴴA cheap | a number > 0 | sparse Cholesky with refinement | sparse QR, then LSMR |
//! | Auto | sparse | a number | LSMR | |
//! | Auto | sparse | a rule | sparse Cholesky at each λ tried | sparse QR |
//!
//! Why LSMR where there are only products: the tolerance bounds ‖Aᴴ(b − Ax) − λLᴴLx‖, and LSMR is the method that makes this
//! smallest in the space that k steps reach, so that no other meets the tolerance earlier (rounding aside); its step is one sweep
//! over A where the operator offers that ([`apply_fused`](crate::Operator::apply_fused)), which CGLS cannot use; and right-hand sides
//! go through it as a block, many λ from one space.
//!
//! Where A and L share a null space every spectral engine is replaced by the GSVD. A rule with a method that has no spectrum
//! (Cholesky, QR) looks at the spectrum from the decomposition of the same kind (tridiagonal, bidiagonal).

use crate::error::{Error, Result};
use crate::krylov::Kind;
use crate::method::{self, Method};
use crate::operator::Basis;

/// Up to this min(m, n) a rule gets an SVD at once: the cheaper decompositions save nothing that is felt.
/// Reasoned, not measured yet; benches/many_lambda.rs is where to settle it.
const SVD_UP_TO: usize = 48;
/// And up to so many entries of A: the SVD copies A, and a Gram matrix does not. A choice, with the size from which rows are made
/// when they are read.
const SVD_ENTRIES: usize = 1 << 19;

/// Up to this many entries, zeros included, a sparse A is stored densely for `Auto`: every rule and the minimum-norm answer
/// are then there. A guess.
const DENSE_UP_TO: usize = 10_000;
/// Up to this many entries, zeros included, a sparse A is stored densely where a dense method or leave-one-out was asked
/// for by name: 200 MB in `f64`. A choice.
const DENSE_COPY_UP_TO: usize = 25_000_000;
/// Multiplications in AᴴA up to which a factorization is tried before LSMR. A guess: it takes about a second.
const GRAM_WORK_UP_TO: f64 = 1e8;

/// Whether a sparse m×n matrix is to be stored densely.
pub(crate) fn stored_densely(method: &Method, need: Need, rows: usize, columns: usize) -> bool {
    let size = rows.saturating_mul(columns);
    match method {
        _ if method.multiplies() => false,
        _ if size == 0 => true,
        Method::Cholesky | Method::Qr => matches!(need, Need::Factorization | Need::Leverages) && size <= DENSE_COPY_UP_TO,
        Method::Auto if matches!(need, Need::Factorization | Need::Leverages) => size <= DENSE_COPY_UP_TO,
        Method::Auto => size <= DENSE_UP_TO,
        _ => size <= DENSE_COPY_UP_TO,
    }
}

/// For a rule, an A that only multiplies is written out by products with unit vectors where these are so few: what a plain
/// iterative solve takes when it goes slowly. Reasoned, not measured.
const WRITTEN_OUT_UP_TO: usize = 256;
/// And where the entries take no more than this many numbers (128 MiB in `f64`).
const WRITTEN_OUT_ENTRIES: usize = 1 << 24;

/// Whether an m×n operator without entries is written out for a rule.
pub(crate) fn written_out(method: &Method, rows: usize, columns: usize, need: Need) -> bool {
    *method == Method::Auto
        && matches!(need, Need::Rule | Need::Leverages | Need::Values)
        && rows.min(columns) <= WRITTEN_OUT_UP_TO
        && rows.saturating_mul(columns) <= WRITTEN_OUT_ENTRIES
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Facts {
    pub rows: usize,
    pub columns: usize,
    /// Whether A shows its entries.
    pub entries: bool,
    /// Whether the penalty is the identity.
    pub identity: bool,
    /// Few unknowns and no option: [`small`](crate::factor::small) applies.
    pub few: bool,
    /// A transform that diagonalises A and L.
    pub basis: Option<Basis>,
    pub need: Need,
    /// A sparse A that is not to be stored densely.
    pub sparse: Option<Sparse>,
}

/// What is known of a sparse A before it is analysed. (The analysis itself is the first step of the engine, which hands the
/// problem back where the factor would fill in too much.)
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sparse {
    /// Multiplications in AᴴA, dense rows left out.
    pub gram_work: f64,
}

/// What is wanted of λ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// λ = 0.
    Zero,
    /// One λ > 0.
    Number,
    /// A rule on the curve.
    Rule,
    /// A rule that needs the rows of U.
    Leverages,
    /// A rule that looks at all singular values, however small.
    Values,
    /// A factorization to keep.
    Factorization,
}

/// The engines, without options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Small,
    Cholesky,
    Qr,
    Svd,
    Gsvd,
    Bidiagonal,
    Tridiagonal,
    Transform,
    SparseCholesky,
    SparseQr,
    Cgls,
    Lsqr,
    Lsmr,
    HybridLsqr,
    HybridLsmr,
    Probes,
}

/// Which engines, in which order, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub engines: &'static [Engine],
    /// Where the rule's spectrum comes from, when the engine itself has none.
    pub spectrum: Option<Engine>,
    pub why: &'static str,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Engine::Small => "small Gram matrix",
            Engine::Cholesky => Method::Cholesky.name(),
            Engine::Qr => Method::Qr.name(),
            Engine::Svd => Method::Svd.name(),
            Engine::Gsvd => Method::Gsvd.name(),
            Engine::Bidiagonal => Method::Bidiagonal.name(),
            Engine::Tridiagonal => Method::Tridiagonal.name(),
            Engine::Transform => Method::Transform.name(),
            Engine::SparseCholesky => "sparse Cholesky",
            Engine::SparseQr => "sparse QR",
            Engine::Cgls => method::Cgls::NAME,
            Engine::Lsqr => method::Lsqr::NAME,
            Engine::Lsmr => method::Lsmr::NAME,
            Engine::HybridLsqr => method::HybridLsqr::NAME,
            Engine::HybridLsmr => method::HybridLsmr::NAME,
            Engine::Probes => method::Probes::NAME,
        }
    }

    /// The iterative method behind an engine.
    pub fn iterative(self) -> Option<Kind> {
        match self {
            Engine::Cgls => Some(Kind::Cgls),
            Engine::Lsqr => Some(Kind::Lsqr),
            Engine::Lsmr => Some(Kind::Lsmr),
            _ => None,
        }
    }
}

/// The route for a method and the facts.
pub(crate) fn choose(method: &Method, facts: &Facts) -> Result<Route> {
    use Engine::*;
    use Need::*;
    let route = |engines, why| Route { engines, spectrum: None, why };
    let small = facts.rows.min(facts.columns) <= SVD_UP_TO && facts.rows.saturating_mul(facts.columns) <= SVD_ENTRIES;
    let needs_spectrum = matches!(facts.need, Rule | Leverages | Values | Factorization);
    if facts.need != Leverages
        && let (Method::Auto | Method::Transform, Some(basis)) = (method, facts.basis)
    {
        return Ok(route(&[Transform], basis.why()));
    }
    if let Method::Transform = method {
        return Err(Error::Unsupported {
            what: "the fast transform",
            with: "this problem: no transform is known that diagonalises A and L (or the rule needs leverages, or rows have different weights, or there is an intercept)",
            instead: "use Method::Auto or Method::Lsmr",
        });
    }
    if let Method::CoordinateDescent(_) | Method::Admm(_) | Method::FlexibleLsqr(_) = method {
        return Err(Error::Unsupported {
            what: method.name(),
            with: "a penalty that is the square of a norm (or a factorization)",
            instead: "use Method::Auto, or l1(), elastic_net(..), group_lasso(..) or isotropic() of the penalty",
        });
    }
    let iterative = method.iterative().is_some();
    if !(facts.entries || method.multiplies() || *method == Method::Auto) {
        return Err(Error::NeedsEntries {
            method: method.name(),
            what: "A",
            instead: "Method::Lsmr, Method::Lsqr or Method::Cgls, or give the matrix itself",
        });
    }
    if method.multiplies() && !iterative {
        return choose_projected(method, facts.need);
    }
    if let Some(sparse) = facts.sparse {
        return choose_sparse(method, facts.need, sparse);
    }
    Ok(match (method, facts.need) {
        (Method::Cgls(_), Zero | Number) => route(&[Cgls], "asked for"),
        (Method::Lsqr(_), Zero | Number) => route(&[Lsqr], "asked for"),
        (Method::Lsmr(_), Zero | Number) => route(&[Lsmr], "asked for"),
        (Method::Auto, Zero | Number) if !facts.entries => route(&[Lsmr], "only products with A are offered"),
        (Method::Auto, Rule) if !facts.entries && facts.identity => {
            route(&[Probes], "only products with A are offered; its traces are estimated")
        }
        (Method::Auto, Rule) if !facts.entries => {
            route(&[HybridLsqr], "only products with A are offered; the penalty becomes the identity by its factor, or is projected")
        }
        (_, _) if !facts.entries || iterative => {
            return Err(Error::Unsupported {
                what: "a rule with a method for one λ, a rule that needs leverages or every singular value, or a factorization,",
                with: "a method that only multiplies by A",
                instead: "give λ as a number, use HybridLsqr or Probes with another rule, or give the entries of A",
            });
        }
        (Method::Auto, Number) if facts.few => route(&[Small, Cholesky, Qr, Svd], "few unknowns"),
        (Method::Auto, Rule) if facts.few => route(&[Small, Svd], "few unknowns"),
        (Method::Auto, Zero) if facts.rows < facts.columns => route(&[Svd], "more unknowns than data and λ = 0, the minimum-norm solution"),
        (Method::Auto, Zero) => route(&[Qr, Svd], "λ = 0, every digit of A counts"),
        (Method::Auto, Number) => route(&[Cholesky, Qr, Svd], "one λ; the Gram matrix is the cheapest, refinement gives its digits back"),
        (Method::Auto, Leverages) => route(&[Svd], "the rule needs the leverages of the rows"),
        (Method::Auto, Values) => route(&[Svd], "the rule looks at every singular value"),
        (Method::Auto, Factorization) => route(&[Svd], "kept for any λ and any rule"),
        (Method::Auto, Rule) if small => route(&[Svd], "many λ on a small problem"),
        (Method::Auto, Rule) => route(&[Tridiagonal, Bidiagonal, Svd], "many λ; no singular vectors are needed"),
        (Method::Cholesky, _) => Route { engines: &[Cholesky], spectrum: needs_spectrum.then_some(Tridiagonal), why: "asked for" },
        (Method::Qr, _) => Route { engines: &[Qr], spectrum: needs_spectrum.then_some(Bidiagonal), why: "asked for" },
        (Method::Svd, _) => route(&[Svd], "asked for"),
        (Method::Gsvd, _) => route(&[Gsvd], "asked for"),
        (Method::Bidiagonal, _) => route(&[Bidiagonal], "asked for"),
        (Method::Tridiagonal, _) => route(&[Tridiagonal], "asked for"),
        (
            Method::Cgls(_)
            | Method::Lsqr(_)
            | Method::Lsmr(_)
            | Method::Transform
            | Method::HybridLsqr(_)
            | Method::HybridLsmr(_)
            | Method::FlexibleLsqr(_)
            | Method::Probes(_)
            | Method::CoordinateDescent(_)
            | Method::Admm(_),
            _,
        ) => unreachable_combination()?,
    })
}

/// The methods that project the problem, or probe it.
fn choose_projected(method: &Method, need: Need) -> Result<Route> {
    use Need::*;
    let route = |engines| Ok(Route { engines, spectrum: None, why: "asked for" });
    let refuse = |what, with, instead| Err(Error::Unsupported { what, with, instead });
    match (method, need) {
        (Method::HybridLsqr(_), Zero | Number | Rule) => route(&[Engine::HybridLsqr]),
        (Method::HybridLsmr(_), Zero | Number | Rule) => route(&[Engine::HybridLsmr]),
        (Method::Probes(_), Rule) => route(&[Engine::Probes]),
        (Method::Probes(_), Zero | Number) => {
            refuse("random probes, which serve a rule,", "λ as a number", "use Method::Lsmr or Method::Auto")
        }
        _ => refuse(
            "a rule that needs leverages or every singular value, or a factorization,",
            "a method that only multiplies by A",
            "use another rule, or give the entries of A with another method",
        ),
    }
}

/// The same for a sparse A that is not stored densely.
fn choose_sparse(method: &Method, need: Need, sparse: Sparse) -> Result<Route> {
    use Engine::*;
    use Need::*;
    let route = |engines, why| Route { engines, spectrum: None, why };
    Ok(match (method, need) {
        (Method::Cgls(_), Zero | Number) => route(&[Cgls], "asked for"),
        (Method::Lsqr(_), Zero | Number) => route(&[Lsqr], "asked for"),
        (Method::Lsmr(_), Zero | Number) => route(&[Lsmr], "asked for"),
        (Method::Cgls(_) | Method::Lsqr(_) | Method::Lsmr(_), _) => {
            return Err(Error::Unsupported {
                what: "a rule that chooses λ, or a factorization,",
                with: "a method that only multiplies by A",
                instead: "give λ as a number, or use Method::Auto",
            });
        }
        (Method::Auto | Method::Cholesky | Method::Qr, Leverages | Values | Factorization) => {
            return Err(Error::Unsupported {
                what: "a rule that needs leverages or every singular value, or factorize(),",
                with: "a sparse A of this size",
                instead: "use Gcv or Discrepancy with solve, which analyses A once for all the λ that it tries",
            });
        }
        (Method::Auto, Zero) => route(&[SparseQr, Lsmr], "λ = 0, every digit of A counts"),
        (Method::Auto, Number) if sparse.gram_work <= GRAM_WORK_UP_TO => {
            route(&[SparseCholesky, SparseQr, Lsmr], "one λ; a factor that keeps most of the zeros, refined")
        }
        (Method::Auto, Number) => route(&[Lsmr], "AᴴA would fill in"),
        (Method::Auto, Rule) => route(&[SparseCholesky, SparseQr], "one analysis for all λ, degrees of freedom from the factor"),
        (Method::Cholesky, _) => route(&[SparseCholesky], "asked for"),
        (Method::Qr, _) => route(&[SparseQr], "asked for"),
        (Method::HybridLsqr(_) | Method::HybridLsmr(_) | Method::Probes(_), _) => return choose_projected(method, need),
        (Method::CoordinateDescent(_) | Method::Admm(_) | Method::FlexibleLsqr(_), _) => return unreachable_combination(),
        (Method::Svd | Method::Gsvd | Method::Bidiagonal | Method::Tridiagonal | Method::Transform, _) => {
            return Err(Error::Unsupported {
                what: method.name(),
                with: "a sparse A of more than 25 million places, zeros included, which it would have to store densely",
                instead: "use Method::Cholesky, Method::Qr or Method::Auto, or a dense copy of A",
            });
        }
    })
}

/// Every combination is listed above; this keeps the function total without a panic.
fn unreachable_combination() -> Result<Route> {
    Err(Error::Unsupported { what: "this method", with: "this choice of λ", instead: "use Method::Auto" })
}
