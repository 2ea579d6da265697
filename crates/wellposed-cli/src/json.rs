//! Plans and reports as JSON. The README of this crate has the keys; numbers are written so that reading gives them back.

use crate::number::Number;
use serde_json::{Map, Value, json};
use wellposed::{Plan, Report, Storage};

/// The plan.
pub fn plan(plan: &Plan) -> Value {
    let (storage, stored) = match plan.storage {
        Storage::Dense => ("dense", None),
        Storage::Sparse(entries) => ("sparse", Some(entries)),
        _ => ("matrix-free", None),
    };
    json!({
        "rows": plan.rows,
        "columns": plan.columns,
        "scalar": plan.scalar,
        "storage": storage,
        "stored": stored,
        "penalty": plan.penalty,
        "lambda": plan.choice.map(|choice| choice.to_string()),
        "method": plan.method,
        "spectrum": plan.spectrum,
        "why": plan.why,
        "fallbacks": plan.fallbacks,
        "first": plan.transforms,
        "threads": plan.threads,
    })
}

/// The head of every document.
pub fn document(command: &str, status: &str) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("wellposed".into(), env!("CARGO_PKG_VERSION").into());
    map.insert("command".into(), command.into());
    map.insert("status".into(), status.into());
    map
}

/// What is left of a run that gave no answer.
pub fn failed(command: &str, error: &str, exit_code: u8) -> Value {
    let mut map = document(command, "failed");
    map.insert("error".into(), error.into());
    map.insert("exit_status".into(), exit_code.into());
    map.into()
}

/// What is left of a run that was ended before it had an answer.
pub fn interrupted(command: &str, the_plan: &Plan) -> Value {
    let mut map = document(command, "interrupted");
    map.insert("plan".into(), plan(the_plan));
    map.into()
}

/// A report with its solution; `x` and `intercept` have one element for each right-hand side.
pub fn solution<T: Number>(
    command: &str,
    status: &str,
    report: &Report,
    x: &[Vec<T>],
    intercept: Option<&[T]>,
    names: Option<&[String]>,
) -> Map<String, Value> {
    let mut map = document(command, status);
    let pairs = |points: &[(f64, f64)]| points.iter().map(|&(lambda, value)| json!([lambda, value])).collect::<Value>();
    let fits = report.fits.iter().map(|fit| {
        json!({
            "lambda": fit.lambda.value(),
            "damping": fit.lambda.damping(),
            "residual_norm": fit.residual_norm,
            "penalty_norm": fit.penalty_norm,
            "dof": fit.dof,
        })
    });
    let criteria = report.criteria.iter().map(|criterion| {
        json!({
            "rule": criterion.rule,
            "value": criterion.value,
            "minima": pairs(&criterion.minima),
            "evaluated": pairs(&criterion.evaluated),
        })
    });
    map.insert("plan".into(), plan(&report.plan));
    map.insert("method".into(), report.method.into());
    map.insert("fits".into(), fits.collect());
    map.insert("rank".into(), report.rank.into());
    map.insert("condition".into(), report.condition.into());
    map.insert("steps".into(), report.steps.into());
    map.insert("stop".into(), report.stop.map(|stop| stop.to_string()).into());
    map.insert("converged".into(), report.stop.map(|stop| stop.converged()).into());
    let constrained =
        report.constrained.iter().map(|c| json!({ "kkt_residual": c.kkt_residual, "at_lower": c.at_lower, "at_upper": c.at_upper }));
    map.insert("bounds".into(), constrained.collect());
    map.insert("criteria".into(), criteria.collect());
    map.insert("warnings".into(), report.warnings.iter().map(|warning| Value::from(warning.to_string())).collect());
    map.insert("names".into(), names.into());
    map.insert("intercept".into(), intercept.map(|values| values.iter().map(|&v| v.json()).collect::<Vec<_>>()).into());
    map.insert("x".into(), x.iter().map(|x| x.iter().map(|&v| v.json()).collect::<Value>()).collect());
    map
}
