//! `wellposed choose`: what each rule would choose, side by side.

use crate::arguments::Choose;
use crate::failure::Failure;
use crate::input::{Files, Matrix, Parts};
use crate::json;
use crate::number::Number;
use crate::print::Printer;
use crate::rules::Level;
use serde_json::{Value, json};
use wellposed::{Error, Method, Rule, RuleComparison, c64};

pub fn run(options: &Choose) -> Result<(), Failure> {
    let files = Files::read(&options.data)?;
    if files.is_complex() { choose::<c64>(files, options) } else { choose::<f64>(files, options) }
}

fn choose<T: Number>(files: Files, options: &Choose) -> Result<(), Failure> {
    if options.data.model.bounds.is_some() {
        return Err(Failure::Usage(
            "choose compares rules of the unbounded problem: leave --bounds out, or use solve with --lambda gcv, aicc, bic or discrepancy"
                .into(),
        ));
    }
    let printer = Printer::new(&options.talk);
    files.notes.iter().for_each(|note| printer.note(note));
    let (parts, b) = Parts::<T>::new(files)?;
    let b = b.ok_or_else(|| Failure::Usage("name b after A; or --response, the column of the table A that is b".into()))?;
    let view = b.view()?;
    if view.shape().1 != 1 {
        return Err(Failure::Data(format!("b has {} columns; rules are compared for one right-hand side", view.shape().1)));
    }
    let views = parts.views()?;
    let problem = parts.problem(&views, &options.data.model, Method::Auto)?;
    printer.progress("decomposing A");
    let factor = problem.factorize().map_err(|error| match error {
        Error::Unsupported { .. } if matches!(parts.a, Matrix::Sparse(_)) => {
            let (rows, columns) = views.shape();
            Failure::Data(format!(
                "rules are compared on a decomposition of A, and this one, {rows}×{columns}, is too large to be written out: ask one rule with wellposed solve --lambda gcv, discrepancy or another"
            ))
        }
        other => other.into(),
    })?;
    let mut comparison = only(factor.compare_rules(&view)?)?;
    let level = Level::new(&options.noise, &options.data.model);
    if level != Level::Unknown {
        // the rows of the comparison estimate the noise; those that take a norm are asked again with the one given
        let discrepancy = level.discrepancy(options.noise.safety)?;
        let given = only(factor.compare_among(&view, [discrepancy, discrepancy.monotone_error()])?)?;
        let rules: Vec<Rule> = comparison.rows.iter().map(|row| given.row(row.name).map_or(row.rule, |given| given.rule)).collect();
        comparison = only(factor.compare_among(&view, rules)?)?;
    }
    if let Some(Err(error)) = comparison.rows.first().map(|row| &row.choice)
        && comparison.rows.iter().all(|row| row.choice.is_err())
    {
        return Err(error.clone().into());
    }
    printer.value(&document(factor.plan().method, &comparison))?;
    Ok(printer.text(&comparison.to_string())?)
}

/// What there is for the only right-hand side.
fn only<V>(each: Vec<V>) -> Result<V, Failure> {
    each.into_iter().next().ok_or_else(|| Failure::Data("b has no columns".into()))
}

fn document(decomposition: &str, comparison: &RuleComparison) -> Value {
    let mut document = json::document("choose", "ok");
    let rules = comparison.rows.iter().map(|row| match &row.choice {
        Ok(choice) => json!({
            "rule": row.name,
            "lambda": choice.lambda.value(),
            "damping": choice.lambda.damping(),
            "dof": choice.dof,
            "residual_norm": choice.residual_norm,
            "penalty_norm": choice.penalty_norm,
            "flags": choice.flags(),
            "warnings": choice.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "error": Value::Null,
        }),
        Err(error) => json!({ "rule": row.name, "error": error.to_string() }),
    });
    document.insert("decomposition".into(), decomposition.into());
    document.insert("rules".into(), rules.collect());
    let noise = comparison.noise.map(|noise| json!({ "noise_std": noise.noise_std, "estimator": noise.estimator }));
    document.insert("noise".into(), noise.into());
    document.insert("verdict".into(), comparison.verdict.as_str().into());
    document.into()
}
