//! Facts → plan: what is chosen, and that the plan says so. Plans are asserted, never numbers.

use wellposed::method::{Cgls, Method};
use wellposed::operator::{Boundary, from_fn};
use wellposed::plan::Storage;
use wellposed::{
    Choice, DenseView, Discrepancy, Error, Gcv, Given, HybridLsmr, Lambda, Loo, Operator, Penalty, Plan, Probes, Problem, Result, Warning,
    c32, ridge,
};

/// A plan does not look at the entries (beyond that they are finite), so any will do.
fn ones(m: usize, n: usize) -> Vec<f64> {
    vec![1.0; m * n]
}

/// The text of a plan is these lines.
fn assert_plan(plan: &Plan, lines: &[&str]) {
    assert_eq!(plan.to_string(), lines.join("\n"));
}

type Setup = for<'a> fn(Problem<'a, f64>) -> Problem<'a, f64>;

struct Row {
    shape: (usize, usize),
    setup: Setup,
    choice: Choice,
    plan: &'static [&'static str],
}

const ONE_LAMBDA: &str = "method     Cholesky: one λ; the Gram matrix is the cheapest, refinement gives its digits back";
const MANY_LAMBDAS: &str = "method     tridiagonalization: many λ; no singular vectors are needed";
const GIVEN: &str = "lambda     1.0000e-2 (damping 1.0000e-1)";
const ZERO: &str = "lambda     0.0000e0 (damping 0.0000e0)";

#[test]
fn the_table_of_choices() {
    let number = || Choice::from(0.01);
    let rows = [
        // Auto, one λ
        Row {
            shape: (500, 30),
            setup: |p| p,
            choice: number(),
            plan: &["A          500×30 f64 dense", "penalty    identity", GIVEN, ONE_LAMBDA, "if refused QR, then SVD"],
        },
        Row {
            shape: (60, 300),
            setup: |p| p,
            choice: Given(0.01).into(),
            plan: &["A          60×300 f64 dense", "penalty    identity", GIVEN, ONE_LAMBDA, "if refused QR, then SVD"],
        },
        Row {
            shape: (100, 100),
            setup: |p| p,
            choice: Lambda::from_damping(0.1).into(),
            plan: &["A          100×100 f64 dense", "penalty    identity", GIVEN, ONE_LAMBDA, "if refused QR, then SVD"],
        },
        // Auto, λ = 0
        Row {
            shape: (500, 30),
            setup: |p| p,
            choice: 0.0.into(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    identity",
                ZERO,
                "method     QR: λ = 0, every digit of A counts",
                "if refused SVD",
            ],
        },
        Row {
            shape: (30, 500),
            setup: |p| p,
            choice: Lambda::ZERO.into(),
            plan: &[
                "A          30×500 f64 dense",
                "penalty    identity",
                ZERO,
                "method     SVD: more unknowns than data and λ = 0, the minimum-norm solution",
            ],
        },
        // Auto, a rule
        Row {
            shape: (500, 30),
            setup: |p| p,
            choice: Gcv.into(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    identity",
                "lambda     chosen by GCV",
                "method     SVD: many λ on a small problem",
            ],
        },
        Row {
            shape: (500, 100),
            setup: |p| p,
            choice: Gcv.shared(),
            plan: &[
                "A          500×100 f64 dense",
                "penalty    identity",
                "lambda     chosen by GCV, one for all right-hand sides",
                MANY_LAMBDAS,
                "if refused bidiagonalization, then SVD",
            ],
        },
        Row {
            shape: (100, 500),
            setup: |p| p,
            choice: Discrepancy::relative_noise(0.01).into(),
            plan: &[
                "A          100×500 f64 dense",
                "penalty    identity",
                "lambda     chosen by discrepancy",
                MANY_LAMBDAS,
                "if refused bidiagonalization, then SVD",
            ],
        },
        Row {
            shape: (100, 60),
            setup: |p| p,
            choice: Gcv.robust(0.3).into(),
            plan: &[
                "A          100×60 f64 dense",
                "penalty    identity",
                "lambda     chosen by robust GCV",
                MANY_LAMBDAS,
                "if refused bidiagonalization, then SVD",
            ],
        },
        Row {
            shape: (500, 100),
            setup: |p| p,
            choice: Loo.into(),
            plan: &[
                "A          500×100 f64 dense",
                "penalty    identity",
                "lambda     chosen by leave-one-out",
                "method     SVD: the rule needs the leverages of the rows",
            ],
        },
        // transformations, in the order in which they are done
        Row {
            shape: (500, 100),
            setup: |p| p.penalty(Penalty::second_difference()).weights(&[1.0; 500]).prior_mean(&[0.5; 100]).intercept(),
            choice: Gcv.into(),
            plan: &[
                "A          500×100 f64 dense",
                "penalty    second difference (free)",
                "lambda     chosen by GCV",
                "first      whiten the rows, shift by the prior mean, reflect the constant out, standard form",
                MANY_LAMBDAS,
                "if refused bidiagonalization, then SVD",
            ],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.noise_std(&[0.1]).penalty(Penalty::first_difference_with(Boundary::Periodic)),
            choice: number(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    first difference (periodic)",
                GIVEN,
                "first      whiten the rows",
                ONE_LAMBDA,
                "if refused QR, then SVD",
            ],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.penalty(Penalty::second_difference_2d(5, 6, Boundary::Zero)).method(Method::Svd),
            choice: number(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    second difference on a 5×6 grid (zero)",
                GIVEN,
                "first      standard form",
                "method     SVD: asked for",
            ],
        },
        // at λ = 0 the penalty plays no part
        Row {
            shape: (500, 30),
            setup: |p| p.penalty(Penalty::diagonal(&[2.0; 30])).method(Method::Svd),
            choice: 0.0.into(),
            plan: &["A          500×30 f64 dense", "penalty    diagonal", ZERO, "method     SVD: asked for"],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.penalty(Penalty::sum([(1.0, Penalty::identity()), (0.5, Penalty::second_difference())])),
            choice: number(),
            plan: &["A          500×30 f64 dense", "penalty    sum of 2 terms", GIVEN, ONE_LAMBDA, "if refused QR, then SVD"],
        },
        // a method by name never falls back; the direct ones take the spectrum of their kind
        Row {
            shape: (500, 30),
            setup: |p| p.method(Method::Cholesky),
            choice: number(),
            plan: &["A          500×30 f64 dense", "penalty    identity", GIVEN, "method     Cholesky: asked for"],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.method(Method::Cholesky),
            choice: Gcv.into(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    identity",
                "lambda     chosen by GCV",
                "method     Cholesky, λ chosen on the spectrum from tridiagonalization: asked for",
            ],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.method(Method::Qr),
            choice: Gcv.into(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    identity",
                "lambda     chosen by GCV",
                "method     QR, λ chosen on the spectrum from bidiagonalization: asked for",
            ],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.method(Method::Bidiagonal),
            choice: number(),
            plan: &["A          500×30 f64 dense", "penalty    identity", GIVEN, "method     bidiagonalization: asked for"],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.method(Method::Tridiagonal).penalty(Penalty::first_difference()),
            choice: Gcv.into(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    first difference (free)",
                "lambda     chosen by GCV",
                "first      standard form",
                "method     tridiagonalization: asked for",
            ],
        },
        // the GSVD takes L as it is
        Row {
            shape: (500, 30),
            setup: |p| p.method(Method::Gsvd).penalty(Penalty::first_difference()),
            choice: Gcv.into(),
            plan: &[
                "A          500×30 f64 dense",
                "penalty    first difference (free)",
                "lambda     chosen by GCV",
                "method     GSVD: asked for",
            ],
        },
        Row {
            shape: (500, 30),
            setup: |p| p.method(Cgls::new().tolerance(1e-8)),
            choice: number(),
            plan: &["A          500×30 f64 dense", "penalty    identity", GIVEN, "method     CGLS: asked for"],
        },
    ];
    for Row { shape: (m, n), setup, choice, plan } in rows {
        let entries = ones(m, n);
        let a = DenseView::column_major(&entries, m, n).unwrap();
        let problem = setup(Problem::new(&a));
        assert_plan(&problem.plan(choice).unwrap_or_else(|error| panic!("{plan:?}: {error}")), plan);
    }
}

/// Where the answer is small enough for one SVD, and where it no longer is: the shorter side decides.
#[test]
fn a_rule_on_a_small_problem_gets_an_svd() -> Result<()> {
    let method = |m: usize, n: usize| -> Result<&'static str> {
        let entries = ones(m, n);
        Ok(Problem::new(&DenseView::column_major(&entries, m, n)?).plan(Gcv)?.method)
    };
    assert_eq!(method(400, 48)?, "SVD");
    assert_eq!(method(48, 400)?, "SVD");
    // what would be copied for it is large
    assert_eq!(method(30_000, 20)?, "tridiagonalization");
    assert_eq!(method(400, 64)?, "tridiagonalization");
    assert_eq!(method(64, 400)?, "tridiagonalization");
    Ok(())
}

#[test]
fn matrix_free() -> Result<()> {
    let a = from_fn(40, 20, |_: &[c32], y: &mut [c32]| y.fill(c32::new(0.0, 0.0)), |_: &[c32], x: &mut [c32]| x.fill(c32::new(0.0, 0.0)));
    let plan = Problem::new(&a).penalty(Penalty::first_difference_2d(4, 5, Boundary::Free)).intercept().plan(0.01)?;
    assert_plan(
        &plan,
        &[
            "A          40×20 c32 matrix-free",
            "penalty    first difference on a 4×5 grid (free)",
            GIVEN,
            "first      reflect the constant out",
            "method     LSMR: only products with A are offered",
        ],
    );
    assert_eq!(plan.storage, Storage::MatrixFree);
    // λ = 0 is no other route
    assert_eq!(Problem::new(&a).plan(0.0)?.method, "LSMR");
    Ok(())
}

/// A rule on products alone: written out while small, then probes, or a projected penalty.
#[test]
fn matrix_free_rules() -> Result<()> {
    let products = |m: usize, n: usize| from_fn(m, n, |_: &[f64], y: &mut [f64]| y.fill(0.0), |_: &[f64], x: &mut [f64]| x.fill(0.0));
    let small = products(3000, 256);
    assert_plan(
        &Problem::new(&small).plan(Gcv)?,
        &[
            "A          3000×256 f64 matrix-free",
            "penalty    identity",
            "lambda     chosen by GCV",
            "first      write A out by products with unit vectors",
            "method     tridiagonalization: many λ; no singular vectors are needed",
            "if refused bidiagonalization, then SVD",
        ],
    );
    let large = products(3000, 257);
    assert_plan(
        &Problem::new(&large).plan(Gcv)?,
        &[
            "A          3000×257 f64 matrix-free",
            "penalty    identity",
            "lambda     chosen by GCV",
            "method     LSMR with random probes: only products with A are offered; its traces are estimated",
        ],
    );
    // too many entries for the memory that this is worth
    assert_eq!(Problem::new(&products(1 << 20, 17)).plan(Gcv)?.method, "LSMR with random probes");
    let smooth = Problem::new(&large).penalty(Penalty::second_difference()).plan(Gcv)?;
    assert_eq!(
        (smooth.method, smooth.why),
        ("hybrid LSQR", "only products with A are offered; the penalty becomes the identity by its factor, or is projected")
    );
    assert!(matches!(Problem::new(&large).plan(Loo), Err(Error::Unsupported { .. })));
    assert!(matches!(Problem::new(&large).method(Probes::new()).plan(0.1), Err(Error::Unsupported { .. })));
    assert_eq!(Problem::new(&large).method(HybridLsmr::new()).plan(0.1)?.method, "hybrid LSMR");
    Ok(())
}

/// A penalty that only multiplies does not keep a dense A from being factored.
#[test]
fn a_penalty_operator() -> Result<()> {
    let entries = ones(50, 20);
    let a = DenseView::row_major(&entries, 50, 20)?;
    let l = from_fn(7, 20, |_: &[f64], y: &mut [f64]| y.fill(0.0), |_: &[f64], x: &mut [f64]| x.fill(0.0));
    assert!(matches!(l.entries(), wellposed::Entries::None));
    assert_plan(
        &Problem::new(&a).penalty(Penalty::matrix(&l)).plan(0.01)?,
        &["A          50×20 f64 dense", "penalty    7×20 matrix", GIVEN, ONE_LAMBDA, "if refused QR, then SVD"],
    );
    Ok(())
}

#[test]
fn a_factorization_keeps_its_plan() -> Result<()> {
    let entries: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 10) as f64 + (k / 10) as f64)).collect();
    let a = DenseView::column_major(&entries, 10, 6)?;
    let head = ["A          10×6 f64 dense", "penalty    identity", "lambda     any, from one factorization"];
    let with = |last: &'static str| [&head[..], &[last]].concat();
    let factorization = |method: Method| Problem::new(&a).method(method).factorize();
    assert_plan(factorization(Method::Auto)?.plan(), &with("method     SVD: kept for any λ and any rule"));
    assert_plan(factorization(Method::Svd)?.plan(), &with("method     SVD: asked for"));
    assert_plan(factorization(Method::Bidiagonal)?.plan(), &with("method     bidiagonalization: asked for"));
    let fit = factorization(Method::Auto)?.solve(&[1.0; 10], Gcv)?;
    assert_plan(
        &fit.report.plan,
        &["A          10×6 f64 dense", "penalty    identity", "lambda     chosen by GCV", "method     SVD: kept for any λ and any rule"],
    );
    Ok(())
}

/// The fields say the same as the text, for programs that read plans.
#[test]
fn the_fields_of_a_plan() -> Result<()> {
    let entries = ones(500, 100);
    let plan = Problem::new(&DenseView::column_major(&entries, 500, 100)?).intercept().threads(1).plan(Gcv)?;
    assert_eq!((plan.rows, plan.columns, plan.scalar, plan.threads), (500, 100, "f64", 1));
    assert_eq!((plan.method, plan.spectrum), ("tridiagonalization", None));
    assert_eq!(plan.fallbacks, ["bidiagonalization", "SVD"]);
    assert_eq!(plan.transforms, ["reflect the constant out"]);
    assert_eq!(plan.choice, Some(Gcv.into()));
    Ok(())
}

/// What was planned is what is done, or the report says what was done instead.
#[test]
fn the_report_says_which_method_took_over() -> Result<()> {
    // two equal columns and hardly any λ: Cholesky gives back, QR or the SVD answers
    let m = 80;
    let entries: Vec<f64> =
        (0..m * 60).map(|k| if k / m == 59 { ((k % m) * 7 % 13) as f64 } else { ((k % m + 3 * (k / m)) * 7 % 13) as f64 }).collect();
    let a = DenseView::column_major(&entries, m, 60)?;
    let fit = ridge(&a, &vec![1.0; m], 1e-20)?;
    assert_eq!(fit.report.plan.method, "Cholesky");
    assert!(fit.report.plan.fallbacks.contains(&fit.report.method), "{}", fit.report);
    assert!(fit.report.warnings.iter().any(|w| matches!(w, Warning::MethodChanged { from: "Cholesky", .. })), "{}", fit.report);
    let text = fit.report.to_string();
    assert!(text.contains(&format!("solved by  {}", fit.report.method)), "{text}");
    assert!(text.contains("handed over to"), "{text}");
    Ok(())
}

fn has_lines(text: &str, starts: &[&str]) {
    for start in starts {
        assert!(text.lines().any(|line| line.starts_with(start)), "no line starts with {start:?} in:\n{text}");
    }
}

#[test]
fn the_report_of_one_right_hand_side() -> Result<()> {
    let entries: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 10) as f64 + (k / 10) as f64)).collect();
    let a = DenseView::column_major(&entries, 10, 6)?;
    let b: Vec<f64> = (0..10).map(|i| 1.0 + (i * 7 % 5) as f64 * 0.1).collect();
    let fit = Problem::new(&a).penalty(Penalty::second_difference()).intercept().solve(&b, Gcv)?;
    let text = fit.report.to_string();
    has_lines(&text, &["A          10×6 f64 dense", "penalty    second difference (free)", "lambda     chosen by GCV", "method     "]);
    has_lines(
        &text,
        &["λ          ", "‖Ax − b‖   ", "‖L(x−x₀)‖  ", "dof        ", "rank       6 of 6", "condition  about ", "criterion  GCV "],
    );
    // λ as a multiplier and as a damping
    assert!(text.contains(&format!("λ          {:.4e} (damping {:.4e})", fit.lambda, fit.lambda.sqrt())), "{text}");
    assert!(text.contains(&format!("‖Ax − b‖   {:.6e}", fit.residual_norm)), "{text}");
    // the solution prints its x and then the report
    assert!(fit.to_string().starts_with("x = [") && fit.to_string().ends_with(&text));

    let fit = Problem::new(&a).method(Cgls::new()).solve(&b, 0.01)?;
    has_lines(&fit.report.to_string(), &["method     CGLS: asked for", "dof        —", "steps      "]);
    assert!(!fit.report.to_string().contains("rank"), "an iteration does not know the rank");

    let fit = ridge(&a, &vec![1.0; 10], 0.0)?;
    has_lines(&fit.report.to_string(), &[ZERO, "rank       "]);
    Ok(())
}

#[test]
fn a_singular_problem_is_noted() -> Result<()> {
    let entries = ones(50, 20);
    let fit = ridge(&DenseView::column_major(&entries, 50, 20)?, &[1.0; 50], 0.0)?;
    has_lines(&fit.report.to_string(), &["rank       1 of 20", "note       rank 1 of 20 (relative tolerance "]);
    assert!(fit.report.to_string().contains("minimum-norm"));
    Ok(())
}

#[test]
fn the_report_of_many_right_hand_sides() -> Result<()> {
    let entries: Vec<f64> = (0..60).map(|k| 1.0 / (1.0 + (k % 10) as f64 + (k / 10) as f64)).collect();
    let a = DenseView::column_major(&entries, 10, 6)?;
    for columns in [2, 8, 11] {
        let b: Vec<f64> = (0..10 * columns).map(|i| 1.0 + (i * 7 % 5) as f64 * 0.1 + (i * 3 % 11) as f64 * 0.01).collect();
        let b = DenseView::column_major(&b, 10, columns)?;
        let fit = ridge(&a, &b, 0.01)?;
        let text = fit.report.to_string();
        has_lines(
            &text,
            &[
                "A          10×6 f64 dense",
                "column            λ      damping",
                "     0    1.0000e-2    1.0000e-1",
                "     1 ",
                "rank       6 of 6",
            ],
        );
        let table = text.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit())).count();
        assert_eq!(table, columns.min(8), "{text}");
        assert_eq!(text.contains("… and 3 more"), columns == 11, "{text}");
        assert_eq!((fit.lambda.len(), fit.x.len(), fit.report.fits.len()), (columns, columns, columns));
    }
    Ok(())
}
