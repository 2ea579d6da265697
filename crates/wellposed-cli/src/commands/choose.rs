//! `wellposed choose`: what each rule finds, from one decomposition.

use crate::arguments::{Choose, ROBUST_GAMMA};
use crate::failure::Failure;
use crate::input::{self, Files, Parts};
use crate::json;
use crate::number::Number;
use crate::print::Printer;
use serde_json::{Value, json};
use std::fmt::Write;
use wellposed::{Choice, DenseView, Factorization, Gcv, Lambda, Loo, Method, c64};

pub fn run(options: &Choose) -> Result<(), Failure> {
    let files = Files::read(&options.input, &options.model)?;
    if files.is_complex() { choose::<c64>(files, options) } else { choose::<f64>(files, options) }
}

fn choose<T: Number>(files: Files, options: &Choose) -> Result<(), Failure> {
    let printer = Printer::new(&options.talk);
    files.notes.iter().for_each(|note| printer.note(note));
    let (parts, b) = Parts::<T>::new(files, false)?;
    let b = b.ok_or_else(|| Failure::Usage("name b after A; or --response, the column of the table A that is b".into()))?;
    let view = b.view()?;
    if view.shape().1 != 1 {
        return Err(Failure::Data(format!("b has {} columns; rules are compared for one right-hand side", view.shape().1)));
    }
    let views = parts.views()?;
    let problem = parts.problem(&views, &options.model, Method::Auto)?;
    printer.progress("decomposing A");
    let factor = problem.factorize()?;
    let mut rules: Vec<(&str, Choice)> =
        vec![("GCV", Gcv.into()), ("robust GCV", Gcv.robust(ROBUST_GAMMA).into()), ("leave-one-out", Loo.into())];
    rules.extend(input::discrepancy(&options.noise, &options.model).map(|rule| ("discrepancy", rule.into())));
    let comparison = Comparison::new(&factor, view, &rules)?;
    printer.value(&comparison.json())?;
    Ok(printer.text(&comparison.text())?)
}

/// What one rule found.
struct Found {
    rule: &'static str,
    result: Result<Row, wellposed::Error>,
}

struct Row {
    lambda: Lambda,
    residual_norm: f64,
    penalty_norm: f64,
    dof: Option<f64>,
    notes: Vec<String>,
}

/// What all rules found.
struct Comparison {
    decomposition: &'static str,
    found: Vec<Found>,
}

impl Comparison {
    /// Asks each rule.
    ///
    /// # Errors
    /// What all rules refuse; where some find λ, the others' reasons are in the table.
    fn new<T: Number>(factor: &Factorization<T>, b: DenseView<'_, T>, rules: &[(&'static str, Choice)]) -> Result<Self, wellposed::Error> {
        let ask = |choice: Choice| -> Result<Option<Row>, wellposed::Error> {
            let report = factor.solve(&b, choice)?.report;
            let notes = report.warnings.iter().map(ToString::to_string).collect();
            let fit = report.fits.first().copied();
            Ok(fit.map(|fit| Row {
                lambda: fit.lambda,
                residual_norm: fit.residual_norm,
                penalty_norm: fit.penalty_norm,
                dof: fit.dof,
                notes,
            }))
        };
        let mut found = Vec::new();
        for &(rule, choice) in rules {
            match ask(choice) {
                Ok(Some(row)) => found.push(Found { rule, result: Ok(row) }),
                Ok(None) => {}
                Err(error) => found.push(Found { rule, result: Err(error) }),
            }
        }
        if found.iter().all(|found| found.result.is_err())
            && let Some(Found { result: Err(error), .. }) = found.pop()
        {
            return Err(error);
        }
        Ok(Self { decomposition: factor.plan().method, found })
    }

    /// How far the rules agree, in words.
    fn verdict(&self) -> String {
        let lambdas = self.found.iter().filter_map(|found| found.result.as_ref().ok()).map(|row| row.lambda.value());
        let (least, most) = lambdas.fold((f64::INFINITY, 0.0f64), |(least, most), lambda| (least.min(lambda), most.max(lambda)));
        if !(least > 0.0 && most.is_finite()) {
            return "some rule asks for no regularization at all: look at the notes".into();
        }
        let factor = most / least;
        let words = match factor {
            // twofold changes of λ hardly show in x; beyond two decades the data do not settle it
            factor if factor <= 2.0 => "the rules agree",
            factor if factor <= 10.0 => "the rules about agree",
            factor if factor <= 100.0 => "the rules differ; compare x at both ends",
            _ => "the rules disagree: the data alone do not settle λ; a noise level would (--noise-norm)",
        };
        format!("{words}: λ from {least:.2e} to {most:.2e}, a factor of {factor:.1}")
    }

    fn text(&self) -> String {
        let mut text = format!("{:<14} {:>11} {:>11} {:>12} {:>12} {:>9}\n", "rule", "λ", "damping", "‖Ax − b‖", "‖L(x−x₀)‖", "dof");
        for found in &self.found {
            let _ = match &found.result {
                Ok(row) => writeln!(
                    text,
                    "{:<14} {:>11.4e} {:>11.4e} {:>12.5e} {:>12.5e} {:>9}",
                    found.rule,
                    row.lambda.value(),
                    row.lambda.damping(),
                    row.residual_norm,
                    row.penalty_norm,
                    row.dof.map_or_else(|| "—".to_owned(), |dof| format!("{dof:.3}"))
                ),
                Err(error) => writeln!(text, "{:<14} {error}", found.rule),
            };
        }
        for found in &self.found {
            for note in found.result.iter().flat_map(|row| &row.notes) {
                let _ = writeln!(text, "note           {}: {note}", found.rule);
            }
        }
        let _ = write!(text, "verdict        {}", self.verdict());
        text
    }

    fn json(&self) -> Value {
        let mut document = json::document("choose", "ok");
        let rules = self.found.iter().map(|found| match &found.result {
            Ok(row) => json!({
                "rule": found.rule,
                "lambda": row.lambda.value(),
                "damping": row.lambda.damping(),
                "residual_norm": row.residual_norm,
                "penalty_norm": row.penalty_norm,
                "dof": row.dof,
                "warnings": row.notes,
            }),
            Err(error) => json!({ "rule": found.rule, "error": error.to_string() }),
        });
        document.insert("decomposition".into(), self.decomposition.into());
        document.insert("rules".into(), rules.collect());
        document.insert("verdict".into(), self.verdict().into());
        document.into()
    }
}
