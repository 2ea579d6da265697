//! What every rule says about one right-hand side, side by side, and how far they agree.

use crate::error::Result;
use crate::lambda::Lambda;
use crate::rule::Rule;
use crate::solution::Criterion;
use crate::warning::Warning;
use core::fmt;

/// The rules for one right-hand side, printed as a table. Made by
/// [`Factorization::compare_rules`](crate::Factorization::compare_rules).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RuleComparison {
    /// One row for each rule.
    pub rows: Vec<RuleRow>,
    /// The noise level that the rules used which need one, where it was estimated.
    pub noise: Option<NoiseEstimate>,
    /// How far the rules agree, in words.
    pub verdict: String,
}

/// A standard deviation of the noise, and how it was estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct NoiseEstimate {
    /// Of each row, in whitened units.
    pub noise_std: f64,
    /// From what.
    pub estimator: &'static str,
}

/// One rule's row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RuleRow {
    /// The rule.
    pub rule: Rule,
    /// Its name.
    pub name: &'static str,
    /// What it chose; the error says why it does not apply.
    pub choice: Result<RuleChoice>,
}

/// What a rule chose.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RuleChoice {
    /// λ.
    pub lambda: Lambda,
    /// Effective degrees of freedom there.
    pub dof: f64,
    /// ‖W^½(b − Ax − intercept)‖.
    pub residual_norm: f64,
    /// ‖L(x − x₀)‖.
    pub penalty_norm: f64,
    /// The criterion as it was evaluated, with its local minima.
    pub criterion: Criterion,
    /// What is doubtful about the choice.
    pub warnings: Vec<Warning>,
}

impl RuleChoice {
    /// λ is an end of the interval searched.
    pub fn at_edge(&self) -> bool {
        self.warnings.iter().any(|w| matches!(w, Warning::EdgeOfInterval { .. }))
    }

    /// The criterion hardly changes over two decades of λ or more.
    pub fn is_flat(&self) -> bool {
        self.warnings.iter().any(|w| matches!(w, Warning::FlatMinimum { .. }))
    }

    /// How many other local minima are almost as good.
    pub fn rivals(&self) -> usize {
        self.warnings.iter().filter(|w| matches!(w, Warning::RivalMinimum { .. })).count()
    }

    /// The doubts in a few words: empty, or such as "lower end, 2 rivals".
    pub fn flags(&self) -> String {
        let mut flags = Vec::new();
        for warning in &self.warnings {
            match warning {
                Warning::EdgeOfInterval { upper, .. } => flags.push(if *upper { "upper end".to_owned() } else { "lower end".to_owned() }),
                Warning::FlatMinimum { .. } => flags.push("flat".to_owned()),
                _ => {}
            }
        }
        match self.rivals() {
            0 => {}
            1 => flags.push("1 rival".to_owned()),
            count => flags.push(format!("{count} rivals")),
        }
        flags.join(", ")
    }
}

/// λ within this factor of the median, either way, count as agreeing: half a decade.
const AGREE: f64 = 3.2;

impl RuleComparison {
    pub(crate) fn new(rows: Vec<RuleRow>) -> Self {
        let estimate = |row: &RuleRow| {
            row.choice.as_ref().ok()?.warnings.iter().find_map(|w| match *w {
                Warning::NoiseEstimated { noise_std, estimator } => Some(NoiseEstimate { noise_std, estimator }),
                _ => None,
            })
        };
        let noise = rows.iter().find_map(estimate);
        let verdict = verdict(&rows);
        Self { rows, noise, verdict }
    }

    /// The row of a rule by its name.
    pub fn row(&self, name: &str) -> Option<&RuleRow> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// How far the rules agree that found a λ inside their intervals.
fn verdict(rows: &[RuleRow]) -> String {
    let found: Vec<&RuleChoice> = rows.iter().filter_map(|row| row.choice.as_ref().ok()).collect();
    let mut inside: Vec<&RuleChoice> = found.iter().copied().filter(|choice| !choice.at_edge()).collect();
    inside.sort_by(|a, b| a.lambda.damping().total_cmp(&b.lambda.damping()));
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
        return match found.len() {
            0 => "No rule applies to these data.".into(),
            count => format!(
                "None of the {count} rules finds a λ inside its interval: the data do not determine λ, or the model explains nothing."
            ),
        };
    };
    if inside.len() == 1 {
        return format!("Only one rule finds a λ inside its interval: {:.2e}.", first.lambda.value());
    }
    let median = inside[inside.len() / 2].lambda;
    let near = |choice: &&&RuleChoice| {
        let ratio = choice.lambda.damping() / median.damping();
        ratio * ratio <= AGREE && ratio * ratio >= 1.0 / AGREE
    };
    let agreeing: Vec<&&RuleChoice> = inside.iter().filter(near).collect();
    let dof = |choices: &mut dyn Iterator<Item = f64>| {
        let (low, high) = choices.fold((f64::INFINITY, 0.0f64), |(low, high), dof| (low.min(dof), high.max(dof)));
        if high - low < 0.05 { format!("{low:.1} degrees of freedom") } else { format!("{low:.1} to {high:.1} degrees of freedom") }
    };
    let edges = match found.len() - inside.len() {
        0 => String::new(),
        1 => " One more ran to the end of its interval.".into(),
        count => format!(" {count} more ran to the end of their intervals."),
    };
    let range = format!("{:.1e} to {:.1e}", first.lambda.value(), last.lambda.value());
    let (count, of) = (agreeing.len(), inside.len());
    if count == of {
        let dof = dof(&mut inside.iter().map(|choice| choice.dof));
        format!("All {of} rules agree: λ from {range}, {dof}.{edges}")
    } else if 3 * count >= 2 * of {
        let dof = dof(&mut agreeing.iter().map(|choice| choice.dof));
        format!(
            "{count} of {of} rules agree on λ to within a factor of 3 of {:.1e} ({dof}); the others range over {range}.{edges}",
            median.value()
        )
    } else {
        let decades = 2.0 * (last.lambda.damping() / first.lambda.damping()).log10();
        let dof = dof(&mut inside.iter().map(|choice| choice.dof));
        format!(
            "The rules disagree: λ from {range}, {decades:.1} decades, {dof}; {count} of {of} {} near {:.1e}. Look at the solutions, or give the noise level.{edges}",
            if count == 1 { "is" } else { "are" },
            median.value()
        )
    }
}

/// The width of the column of names.
const NAME: usize = 22;

impl fmt::Display for RuleComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<NAME$} {:>11} {:>11} {:>9} {:>12} {:>12}  flags", "rule", "λ", "damping", "dof", "‖Ax − b‖", "‖L(x−x₀)‖")?;
        for row in &self.rows {
            match &row.choice {
                Ok(choice) => {
                    let line = format!(
                        "{:<NAME$} {:>11.4e} {:>11.4e} {:>9.3} {:>12.5e} {:>12.5e}  {}",
                        row.name,
                        choice.lambda.value(),
                        choice.lambda.damping(),
                        choice.dof,
                        choice.residual_norm,
                        choice.penalty_norm,
                        choice.flags()
                    );
                    writeln!(f, "{}", line.trim_end())?;
                }
                Err(error) => writeln!(f, "{:<NAME$} — {error}", row.name)?,
            }
        }
        if let Some(noise) = &self.noise {
            writeln!(f, "noise: standard deviation {:.4e}, estimated from {}", noise.noise_std, noise.estimator)?;
        }
        write!(f, "{}", self.verdict)
    }
}
