//! Facts → plan. Pure: no number of A is looked at. The table below is the `match` in [`choose`].
//!
//! | asked | A | λ | engine | if it refuses |
//! |---|---|---|---|---|
//! | a method by name | any | any | that method | an error that names the way out |
//! | Auto | only products | a number | CGLS | |
//! | Auto | only products, min(m, n) ≤ 256 and mn ≤ 2²⁴ | a rule | A is written out by products with unit vectors, then as below | |
//! | Auto | only products, L = I | a rule without leverages | random probes, then CGLS | |
//! | Auto | only products | a rule without leverages | hybrid LSQR with L projected | |
//! | Auto | few unknowns (n ≤ 16, m ≥ n), no options | a number > 0, a rule without leverages | Gram matrix on the stack | as below |
//! | Auto | m < n | 0 | SVD (minimum norm) | |
//! | Auto | m ≥ n | 0 | QR with refinement | SVD (minimum norm) |
//! | Auto | entries | a number > 0 | Cholesky with refinement | QR, then SVD |
//! | Auto | entries | a rule that needs leverages, or a factorization to keep | SVD | |
//! | Auto | small | a rule | SVD | |
//! | Auto | entries | a rule | tridiagonalization of the Gram matrix | bidiagonalization, then SVD |
//!
//! Where A and L share a null space every spectral engine is replaced by the GSVD. A rule with a method that has no spectrum
//! (Cholesky, QR) looks at the spectrum from the decomposition of the same kind (tridiagonal, bidiagonal).

use crate::error::{Error, Result};
use crate::method::Method;

/// Up to this min(m, n) a rule gets an SVD at once: the cheaper decompositions save nothing that is felt.
/// Reasoned, not measured yet; benches/many_lambda.rs is where to settle it.
const SVD_UP_TO: usize = 48;

/// For a rule, an A that only multiplies is written out by products with unit vectors where these are so few: what a plain
/// iterative solve takes when it goes slowly. Reasoned, not measured.
const WRITTEN_OUT_UP_TO: usize = 256;
/// And where the entries take no more than this many numbers (128 MiB in `f64`).
const WRITTEN_OUT_ENTRIES: usize = 1 << 24;

/// Whether an m×n operator without entries is written out for a rule.
pub(crate) fn written_out(method: &Method, rows: usize, columns: usize, need: Need) -> bool {
    *method == Method::Auto
        && matches!(need, Need::Rule | Need::Leverages)
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
    pub need: Need,
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
    Cgls,
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
            Engine::Cgls => "CGLS",
            Engine::HybridLsqr => "hybrid LSQR",
            Engine::HybridLsmr => "hybrid LSMR",
            Engine::Probes => "CGLS with random probes",
        }
    }
}

/// The route for a method and the facts.
pub(crate) fn choose(method: &Method, facts: &Facts) -> Result<Route> {
    use Engine::*;
    use Need::*;
    let route = |engines, why| Route { engines, spectrum: None, why };
    let small = facts.rows.min(facts.columns) <= SVD_UP_TO;
    let needs_spectrum = matches!(facts.need, Rule | Leverages | Factorization);
    let by_products = matches!(method, Method::Cgls(_) | Method::HybridLsqr(_) | Method::HybridLsmr(_) | Method::Probes(_));
    if !facts.entries && !by_products && *method != Method::Auto {
        return Err(Error::NeedsEntries { method: method.name(), what: "A", instead: "Method::Cgls, or give the matrix itself" });
    }
    Ok(match (method, facts.need) {
        (Method::Cgls(_), Zero | Number) => route(&[Cgls], "asked for"),
        (Method::Auto, Zero | Number) if !facts.entries => route(&[Cgls], "only products with A are offered"),
        (Method::HybridLsqr(_), Zero | Number | Rule) => route(&[HybridLsqr], "asked for"),
        (Method::HybridLsmr(_), Zero | Number | Rule) => route(&[HybridLsmr], "asked for"),
        (Method::Probes(_), Rule) => route(&[Probes], "asked for"),
        (Method::Probes(_), Zero | Number) => {
            return Err(Error::Unsupported {
                what: "random probes, which serve a rule,",
                with: "λ as a number",
                instead: "use Method::Cgls or Method::Auto",
            });
        }
        (Method::Auto, Rule) if !facts.entries && facts.identity => {
            route(&[Probes], "only products with A are offered; its traces are estimated")
        }
        (Method::Auto, Rule) if !facts.entries => route(&[HybridLsqr], "only products with A are offered; the penalty is projected"),
        (Method::HybridLsqr(_) | Method::HybridLsmr(_) | Method::Probes(_), Leverages | Factorization) => {
            return Err(Error::Unsupported {
                what: "leave-one-out, or a factorization,",
                with: "a method that only multiplies by A",
                instead: "use another rule, or give the entries of A with another method",
            });
        }
        (Method::Auto | Method::Cgls(_), _) if !facts.entries || matches!(method, Method::Cgls(_)) => {
            return Err(Error::Unsupported {
                what: "a rule with CGLS, leave-one-out, or a factorization,",
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
        (Method::Auto, Factorization) => route(&[Svd], "kept for any λ and any rule"),
        (Method::Auto, Rule) if small => route(&[Svd], "many λ on a small problem"),
        (Method::Auto, Rule) => route(&[Tridiagonal, Bidiagonal, Svd], "many λ; no singular vectors are needed"),
        (Method::Cholesky, _) => Route { engines: &[Cholesky], spectrum: needs_spectrum.then_some(Tridiagonal), why: "asked for" },
        (Method::Qr, _) => Route { engines: &[Qr], spectrum: needs_spectrum.then_some(Bidiagonal), why: "asked for" },
        (Method::Svd, _) => route(&[Svd], "asked for"),
        (Method::Gsvd, _) => route(&[Gsvd], "asked for"),
        (Method::Bidiagonal, _) => route(&[Bidiagonal], "asked for"),
        (Method::Tridiagonal, _) => route(&[Tridiagonal], "asked for"),
        (Method::Cgls(_), _) => unreachable_combination()?,
    })
}

/// Every combination is listed above; this keeps the function total without a panic.
fn unreachable_combination() -> Result<Route> {
    Err(Error::Unsupported { what: "this method", with: "this choice of λ", instead: "use Method::Auto" })
}
