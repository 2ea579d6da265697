//! Numbers printed elsewhere (`testdata/published.toml`), from the public API, to every printed digit that the oracle
//! confirms: within one unit of the last printed digit, which is the oracle's own `agrees`. Places of minima are compared
//! with the recomputed value, since the printed ones hold half the digits (a minimum of a criterion evaluated in binary64).
//!
//! Sources: GSL reference manual, regularized regression (Hilbert); R's MASS `lm.ridge` (Longley, prostate); FORMULAS of this
//! project for the rest. REML is no rule of this library yet and is not computed.

mod common;

use common::{Dense, Published, norm, published, text};
use std::cell::RefCell;
use std::collections::BTreeMap;
use wellposed::{Gcv, Lambda, Loo, Method, Problem, Solution, Warning, log_grid};

/// The entries of the file, each to be used once.
struct Table {
    entries: BTreeMap<String, Published>,
    prefix: &'static str,
    seen: RefCell<Vec<String>>,
}

impl Table {
    fn of(prefix: &'static str) -> Self {
        let entries = published().into_iter().filter(|p| p.name.starts_with(prefix)).map(|p| (p.name.clone(), p)).collect();
        Self { entries, prefix, seen: RefCell::default() }
    }

    fn entry(&self, name: &str) -> &Published {
        let name = format!("{}{name}", self.prefix);
        self.seen.borrow_mut().push(name.clone());
        &self.entries[&name]
    }

    /// Within one unit of the last printed digit.
    fn printed(&self, name: &str, found: f64) {
        let entry = self.entry(name);
        assert!(entry.agrees, "{}: the oracle does not confirm it", entry.name);
        let printed: f64 = entry.printed.parse().unwrap();
        // the last digit of the text is worth 10^(exponent − decimals)
        let (mantissa, exponent) = entry.printed.split_once('e').unwrap_or((&entry.printed, "0"));
        let decimals = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
        let unit = 10f64.powi(exponent.parse::<i32>().unwrap() - decimals);
        // one rounding of the subtraction of 17-digit numbers
        let rounding = 2.0 * f64::EPSILON * printed.abs();
        println!("{:32} {found:.16e}  printed {}", entry.name, entry.printed);
        assert!((found - printed).abs() <= unit + rounding, "{}: {found:e}, printed {}", entry.name, entry.printed);
    }

    /// The recomputed value, to a relative tolerance; what is printed is only near it.
    fn recomputed(&self, name: &str, found: f64, tolerance: f64) {
        let entry = self.entry(name);
        println!("{:32} {found:.16e}  recomputed {}", entry.name, entry.value);
        self.recomputed_value(entry, found, tolerance);
    }

    fn recomputed_value(&self, entry: &Published, found: f64, tolerance: f64) {
        let value: f64 = entry.value.parse().unwrap();
        assert!((found - value).abs() <= tolerance * value.abs(), "{}: {found:e} is not {}", entry.name, entry.value);
    }

    /// Every number of the file was used, except those named.
    fn complete(self, except: &[&str]) {
        let seen = self.seen.into_inner();
        let missing: Vec<&String> =
            self.entries.keys().filter(|name| !seen.contains(name) && !except.iter().any(|e| name.ends_with(e))).collect();
        assert!(missing.is_empty(), "not computed: {missing:?}");
    }
}

#[test]
fn hilbert() {
    let table = Table::of("hilbert_");
    let a = Dense::from_fn(10, 8, |i, j| 1.0 / (i + j + 1) as f64);
    let b: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let factor = Problem::new(&a).factorize().unwrap();
    let values = factor.spectrum(&b).unwrap().values;
    table.printed("condition", values[0] / values[7]);

    // GSL searches dampings up to σ₁, where it ends: GCV has no minimum inside, and falls as far as λ goes
    let at = |damping: f64| factor.solve(&b, Lambda::from_damping(damping)).unwrap();
    let end = at(values[0]);
    table.printed("gcv_damping", end.report.fits[0].lambda.damping());
    table.printed("gcv_residual_norm", end.residual_norm);
    table.printed("gcv_solution_norm", norm(&end.x));
    let chosen = factor.solve(&b, Gcv).unwrap();
    assert!(chosen.report.warnings.iter().any(|w| matches!(w, Warning::EdgeOfInterval { upper: true, .. })), "{}", chosen.report);
    assert!(chosen.report.criteria[0].minima.is_empty());
    let curve = factor.curve(&b, log_grid(values[7].powi(2)..=values[0].powi(2), 200)).unwrap();
    assert!(curve.iter().all(|point| point.gcv >= curve[199].gcv), "the least GCV of the interval is at σ₁");

    let corner = log_grid(values[7]..=values[0], 200).nth(66).unwrap();
    table.printed("corner_damping", corner);
    table.printed("corner_residual_norm", at(corner).residual_norm);
    table.printed("corner_solution_norm", norm(&at(corner).x));

    for method in [Method::Auto, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal] {
        let plain = Problem::new(&a).method(method).solve(&b, 0.0).unwrap();
        table.printed("ls_residual_norm", plain.residual_norm);
        table.printed("ls_solution_norm", norm(&plain.x));
    }
    table.complete(&[]);
}

/// A regression as R's `lm.ridge` prepares it: columns centred and divided by their standard deviation with 1/n.
struct Standardised {
    x: Dense<f64>,
    z: Dense<f64>,
    y: Vec<f64>,
    mean: Vec<f64>,
    sd: Vec<f64>,
}

impl Standardised {
    fn new(x: Dense<f64>, y: Vec<f64>) -> Self {
        let (m, p) = (x.rows, x.columns);
        let n = m as f64;
        let sum: Vec<f64> = (0..p).map(|j| (0..m).map(|i| x.at(i, j)).sum()).collect();
        // n·x − Σx is exact for integers of this size, where x − mean would lose digits of a year or a population
        let centred = Dense::from_fn(m, p, |i, j| n * x.at(i, j) - sum[j]);
        let sd: Vec<f64> = (0..p).map(|j| ((0..m).map(|i| centred.at(i, j).powi(2)).sum::<f64>() / n).sqrt()).collect();
        let z = Dense::from_fn(m, p, |i, j| centred.at(i, j) / sd[j]);
        Self { x, z, y, mean: sum.iter().map(|s| s / n).collect(), sd: sd.iter().map(|s| s / n).collect() }
    }

    fn problem(&self) -> Problem<'_, f64> {
        Problem::new(&self.z).intercept()
    }

    /// Hoerl–Kennard–Baldwin and Lawless–Wang: s² = RSS/(n−p−1), HKB = (p−2)s²/‖β‖², L-W = (p−2)s²n/‖fit‖², from RSS, ‖β‖ and
    /// ‖fit‖ at λ = 0.
    fn hkb_and_lw(&self, rss: f64, beta: f64, fit: f64) -> (f64, f64) {
        let (n, p) = (self.y.len() as f64, self.sd.len() as f64);
        let s2 = rss / (n - p - 1.0);
        ((p - 2.0) * s2 / (beta * beta), (p - 2.0) * s2 * n / (fit * fit))
    }

    /// From the spectrum alone: ‖fit‖ = ‖Uᴴy‖, β = V·(Uᴴy/σ).
    fn hkb_and_lw_from_spectrum(&self) -> (f64, f64) {
        let spectrum = self.problem().factorize().unwrap().spectrum(&self.y).unwrap();
        let beta: Vec<f64> = spectrum.coefficients.iter().zip(&spectrum.values).map(|(c, v)| c / v).collect();
        self.hkb_and_lw(spectrum.outside * spectrum.outside, norm(&beta), norm(&spectrum.coefficients))
    }

    /// From the plain regression on the columns as they are given and a column of ones: numbers without rounding, unlike
    /// the standardised columns.
    fn hkb_and_lw_from_fit(&self) -> (f64, f64) {
        let with_ones = Dense::from_fn(self.x.rows, self.x.columns + 1, |i, j| if j == 0 { 1.0 } else { self.x.at(i, j - 1) });
        let fit = Problem::new(&with_ones).solve(&self.y, 0.0).unwrap();
        let beta: Vec<f64> = fit.x[1..].iter().zip(&self.sd).map(|(x, sd)| x * sd).collect();
        self.hkb_and_lw(fit.residual_norm.powi(2), norm(&beta), norm(&self.z.times(&beta)))
    }

    /// MASS's GCV, RSS/(n − df)² without the intercept in df, on its grid: the least, with its λ.
    fn mass_gcv(&self, grid: impl Iterator<Item = f64>) -> (f64, f64) {
        let n = self.y.len() as f64;
        let curve = self.problem().factorize().unwrap().curve(&self.y, grid).unwrap();
        // df here counts the intercept
        let gcv = |point: &wellposed::CurvePoint| (point.lambda, (point.residual_norm / (n - (point.dof - 1.0))).powi(2));
        curve.iter().map(gcv).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    }

    /// Coefficients of the columns as they were given, the constant first.
    fn raw(&self, fit: &Solution<f64, Vec<f64>>) -> Vec<f64> {
        let slopes: Vec<f64> = fit.x.iter().zip(&self.sd).map(|(x, sd)| x / sd).collect();
        let constant = fit.intercept - slopes.iter().zip(&self.mean).map(|(s, m)| s * m).sum::<f64>();
        [vec![constant], slopes].concat()
    }
}

/// R divides NIST's integers by this: GNP, unemployed, armed forces, population, year, employed.
const LONGLEY_UNITS: [f64; 6] = [1e3, 10.0, 10.0, 1e3, 1.0, 1e3];

/// `GNP.deflator ~ GNP + Unemployed + Armed.Forces + Population + Year + Employed`, in NIST's units, which are integers;
/// standardising makes the same of them.
fn longley() -> Standardised {
    let file: serde_json::Value = serde_json::from_str(&text("nist/nist_strd_linear.json")).unwrap();
    // NIST: y = Employed; columns 1, deflator, GNP, unemployed, armed forces, population, year
    let number = |value: &serde_json::Value| -> f64 { value.to_string().trim_matches('"').parse().unwrap() };
    let set = &file["longley"];
    let column = |j: usize| -> Vec<f64> { set["X"].as_array().unwrap().iter().map(|row| number(&row[j])).collect() };
    let employed: Vec<f64> = set["y"].as_array().unwrap().iter().map(number).collect();
    let columns = [column(2), column(3), column(4), column(5), column(6), employed];
    Standardised::new(Dense::from_fn(16, 6, |i, j| columns[j][i]), column(1))
}

#[test]
fn longley_as_mass_prints_it() {
    let table = Table::of("longley_");
    let data = longley();
    let (hkb, lw) = data.hkb_and_lw_from_fit();
    table.printed("hkb", hkb);
    table.printed("lw", lw);
    // the standardised columns are rounded, and their condition number is 110: 40·κ·ε, in each of ‖β‖² and RSS
    let (hkb, lw) = data.hkb_and_lw_from_spectrum();
    table.recomputed("hkb", hkb, 1e-12);
    table.recomputed("lw", lw, 1e-12);
    let (argmin, value) = data.mass_gcv((0..=1000).map(|k| f64::from(k) / 1e4));
    table.printed("mass_gcv_argmin", argmin);
    table.printed("mass_gcv_value", value);

    for method in [Method::Auto, Method::Cholesky, Method::Qr, Method::Svd, Method::Gsvd, Method::Bidiagonal, Method::Tridiagonal] {
        let fit = data.problem().method(method).solve(&data.y, Lambda::mass(0.1)).unwrap();
        let names = ["intercept", "gnp", "unemployed", "armed_forces", "population", "year", "employed"];
        let units = [1.0].into_iter().chain(LONGLEY_UNITS);
        for ((name, value), unit) in names.iter().zip(data.raw(&fit)).zip(units) {
            table.printed(&format!("coefficient_{name}"), value * unit);
        }
        table.printed("dof", fit.dof.unwrap() - 1.0);
    }

    // Both local minima of each criterion, found and reported, the lower one chosen. What is printed has half the digits (its
    // `relative_excess` in the file is at rounding level), so the recomputed place counts: 1e-6, the accuracy that a root of
    // the derivative has where its terms are right to 1e-13 and the criterion bends by 1e-3 or more for each unit of log λ.
    let gcv = data.problem().solve(&data.y, Gcv).unwrap();
    let loo = data.problem().solve(&data.y, Loo).unwrap();
    for (name, fit) in [("gcv", gcv), ("loo", loo)] {
        let minima = &fit.report.criteria[0].minima;
        assert_eq!(minima.len(), 2, "{}", fit.report);
        table.recomputed(&format!("{name}_minimum"), minima[0].0, 1e-6);
        table.recomputed(&format!("{name}_second_minimum"), minima[1].0, 1e-6);
        assert_eq!(fit.lambda, minima[0].0);
    }
    table.complete(&["reml_minimum"]);
}

#[test]
fn prostate_as_mass_prints_it() {
    let table = Table::of("prostate_");
    let text = text("../data/prostate.tsv");
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').map(str::trim).collect()).collect();
    let train: Vec<Vec<f64>> =
        rows.iter().filter(|row| row[10] == "1").map(|row| row[1..10].iter().map(|field| field.parse().unwrap()).collect()).collect();
    assert_eq!((rows.len(), train.len()), (97, 67));
    let data = Standardised::new(Dense::from_fn(67, 8, |i, j| train[i][j]), train.iter().map(|row| row[8]).collect());
    for (hkb, lw) in [data.hkb_and_lw_from_spectrum(), data.hkb_and_lw_from_fit()] {
        table.printed("hkb", hkb);
        table.printed("lw", lw);
    }
    table.printed("mass_gcv_argmin", data.mass_gcv((0..=100).map(|k| f64::from(k) / 10.0)).0);
    table.complete(&[]);
}
