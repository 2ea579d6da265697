//! An answer on its way out: watched while it is computed, then printed and written.

use crate::arguments::Results;
use crate::failure::Failure;
use crate::files::{Array, Formatted, Numbers, Order, Output, Shape};
use crate::json;
use crate::number::Number;
use crate::print::{Printer, significant};
use crate::watch::{self, Goal, Phase, Watch};
use serde_json::Value;
use std::fmt::Write;
use std::ops::ControlFlow;
use wellposed::{Plan, Report, Step, Stop};

/// Coefficients that are printed; of more, only the file is of use.
const COEFFICIENTS_SHOWN: usize = 60;
/// Right-hand sides whose coefficients fit beside each other.
const COLUMNS_SHOWN: usize = 4;

/// Where the results of one command go.
#[derive(Debug)]
pub struct Destinations {
    command: &'static str,
    out: Option<Output>,
    report: Option<Output>,
    html: Option<Output>,
    /// The terminal.
    pub printer: Printer,
}

/// What was computed.
#[derive(Debug)]
pub struct Answer<T> {
    /// One vector for each right-hand side.
    pub x: Vec<Vec<T>>,
    /// The constants, where they were asked for.
    pub intercept: Option<Vec<T>>,
    /// λ of each right-hand side.
    pub lambda: Vec<f64>,
    /// The rest.
    pub report: Report,
    /// Whether b was a vector, so that x is one.
    pub is_vector: bool,
    /// Names of the unknowns.
    pub names: Option<Vec<String>>,
    /// Rows and columns of x as an image.
    pub grid: Option<(usize, usize)>,
    /// Whether x is to be printed, where it is short enough.
    pub listed: bool,
}

impl Destinations {
    /// Refuses files that may not be written, before anything is computed.
    ///
    /// # Errors
    /// Such a file.
    pub fn new(command: &'static str, results: &Results, printer: Printer) -> Result<Self, Failure> {
        for (first, second, words) in [
            (&results.out, &results.report, "--out and --report"),
            (&results.out, &results.html, "--out and --html"),
            (&results.report, &results.html, "--report and --html"),
        ] {
            if first.is_some() && first == second {
                return Err(Failure::Usage(format!("{words} name the same file")));
            }
        }
        Ok(Self {
            command,
            out: results.out.as_deref().map(|path| Output::for_array(path, results.force)).transpose()?,
            report: results.report.as_deref().map(|path| Output::new(path, results.force)).transpose()?,
            html: results.html.as_deref().map(|path| Output::new(path, results.force)).transpose()?,
            printer,
        })
    }

    /// Refuses an answer that `--out` cannot hold, before it is computed.
    ///
    /// # Errors
    /// As [`Output::check`].
    pub fn check(&self, is_vector: bool, complex: bool, grid: Option<(usize, usize)>) -> Result<(), Failure> {
        let shape = if is_vector { Shape::Vector } else { Shape::Matrix };
        Ok(self.out.as_ref().map_or(Ok(()), |file| file.check(shape, complex, grid))?)
    }

    /// Refuses a page that could not be made of the answer, before that is computed.
    ///
    /// # Errors
    /// Several right-hand sides; no regularization at all.
    pub fn check_page(&self, right_hand_sides: usize, lambda: Option<f64>) -> Result<(), Failure> {
        match (&self.html, right_hand_sides, lambda) {
            (Some(_), count, _) if count != 1 => {
                Err(Failure::Data(format!("b has {count} columns; --html shows one right-hand side: leave it out, or name one column")))
            }
            (Some(_), _, Some(0.0)) => Err(Failure::Usage(
                "--html compares amounts of regularization, and λ = 0 is none: leave it out, or use a rule such as gcv".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Makes the page and writes it, where it is wanted: when the answer is out already, so that Ctrl-C loses nothing but the page.
    ///
    /// # Errors
    /// Those of making it, and what cannot be written.
    pub fn page(&self, make: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
        let Some(file) = &self.html else { return Ok(()) };
        watch::enter(Phase::Idle);
        self.printer.progress("drawing the page");
        let page = make()?;
        watch::enter(Phase::Writing);
        Ok(file.write_text(&page)?)
    }

    /// Does the work; why there is no answer goes into the report, too.
    ///
    /// # Errors
    /// Those of the work.
    pub fn record(&self, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let result = work();
        if let Err(failure @ (Failure::File(_) | Failure::Data(_) | Failure::Library(_))) = &result {
            watch::enter(Phase::Writing);
            let document = json::failed(self.command, &failure.to_string(), failure.exit_code());
            // the failure itself is what counts; what goes wrong here is said beside it
            if let Some(Err(error)) = self.report.as_ref().map(|report| report.write_text(&format!("{document:#}\n"))) {
                self.printer.note(&error.to_string());
            }
            self.printer.value(&document)?;
        }
        result
    }

    /// Runs a solve with progress, and with Ctrl-C caught.
    ///
    /// # Errors
    /// Those of the solve.
    pub fn watch<S>(
        &self,
        plan: &Plan,
        goal: Goal,
        solve: impl FnOnce(&mut dyn FnMut(&Step) -> ControlFlow<()>) -> wellposed::Result<S>,
    ) -> Result<S, Failure> {
        let document = json::interrupted(self.command, plan);
        let (report, printer) = (self.report.clone(), self.printer);
        watch::enter(Phase::Computing(Box::new(move || {
            let written = report.map_or(Ok(()), |report| report.write_text(&format!("{document:#}\n")));
            // the process ends after this, with the status that says so
            let _ = printer.value(&document);
            crate::print::complain("wellposed", "interrupted before there was an answer");
            if let Err(error) = written {
                crate::print::complain("wellposed", &error.to_string());
            }
        })));
        self.printer.progress(&plan.to_string());
        self.printer.progress("computing");
        let mut watch = Watch::new(goal, self.printer.quiet);
        let solution = solve(&mut |step| watch.step(step));
        watch::enter(Phase::Writing);
        watch.finish();
        Ok(solution?)
    }

    /// Writes and prints.
    ///
    /// # Errors
    /// What cannot be written; an answer that Ctrl-C cut short, after it was.
    pub fn deliver<T: Number>(&self, answer: &Answer<T>) -> Result<(), Failure> {
        watch::enter(Phase::Writing);
        let interrupted = answer.report.stop == Some(Stop::Observer);
        let status = if interrupted { "interrupted" } else { "ok" };
        let Answer { x, intercept, report, names, .. } = answer;
        let document: Value = json::solution(self.command, status, report, x, intercept.as_deref(), names.as_deref()).into();
        if let Some(file) = &self.report {
            file.write_text(&format!("{document:#}\n"))?;
        }
        if let Some(file) = &self.out {
            answer.write(file, &self.printer)?;
        }
        self.printer.value(&document)?;
        self.printer.text(&answer.text(self.out.as_ref()))?;
        if interrupted {
            let steps = report.steps.unwrap_or_default();
            return Err(Failure::Interrupted(format!("interrupted after {steps} steps: x is what had been reached by then")));
        }
        Ok(())
    }
}

impl<T: Number> Answer<T> {
    fn unknowns(&self) -> usize {
        self.report.plan.columns
    }

    /// x as an array, and the names of its rows: with names, the intercept comes first.
    fn array(&self, with_intercept: bool) -> (Array, Option<Vec<String>>) {
        let intercept = self.intercept.as_ref().filter(|_| with_intercept);
        let mut numbers = Vec::new();
        for (k, x) in self.x.iter().enumerate() {
            numbers.extend(intercept.and_then(|values| values.get(k)));
            numbers.extend_from_slice(x);
        }
        let labels =
            self.names.as_ref().map(|names| intercept.map(|_| "(intercept)".to_owned()).into_iter().chain(names.iter().cloned()).collect());
        let columns = self.x.len();
        let header = if columns == 1 { vec!["x".to_owned()] } else { (1..=columns).map(|k| format!("x{k}")).collect() };
        let array = Array {
            rows: self.unknowns() + usize::from(intercept.is_some()),
            columns,
            order: Order::ColumnMajor,
            numbers: T::into_numbers(numbers),
            shape: if self.is_vector { Shape::Vector } else { Shape::Matrix },
            names: Some(header),
        };
        (array, labels)
    }

    fn write(&self, file: &Output, printer: &Printer) -> Result<(), Failure> {
        // a table with names has a row for the intercept; elsewhere it would shift x
        let (array, labels) = self.array(self.names.is_some() && file.is_table());
        let lambda = Array::vector(Numbers::Real(self.lambda.clone()));
        let intercept = self.intercept.as_ref().map(|values| Array::vector(T::into_numbers(values.clone())));
        let beside: Vec<(&str, &Array)> =
            std::iter::once(("lambda", &lambda)).chain(intercept.iter().map(|values| ("intercept", values))).collect();
        let clipped =
            file.write_array(Formatted { array: &array, labels: labels.as_deref(), name: "x", beside: &beside, grid: self.grid })?;
        if clipped > 0 {
            let (of, path) = (array.numbers.len(), file.path().display());
            printer.note(&format!("{clipped} of {of} pixels are below 0 or above 1; {path} shows them black or white"));
        }
        Ok(())
    }

    fn text(&self, out: Option<&Output>) -> String {
        let mut text = self.report.to_string();
        if !self.listed {
            return text;
        }
        let (array, labels) = self.array(true);
        let place = out.map_or_else(|| "--out FILE writes them".to_owned(), |file| format!("they are in {}", file.path().display()));
        if array.rows > COEFFICIENTS_SHOWN || array.columns > COLUMNS_SHOWN {
            let _ = write!(text, "x          {}×{} numbers: {place}", self.unknowns(), array.columns);
            return text;
        }
        text.push('\n');
        let label = |row: usize| match (&labels, &self.intercept) {
            (Some(labels), _) => labels.get(row).cloned().unwrap_or_default(),
            (None, Some(_)) if row == 0 => "(intercept)".to_owned(),
            (None, intercept) => format!("x[{}]", row + 1 - usize::from(intercept.is_some())),
        };
        let width = (0..array.rows).map(|row| label(row).chars().count()).max().unwrap_or_default().max(9);
        for row in 0..array.rows {
            let _ = write!(text, "{:<width$}", label(row));
            for column in 0..array.columns {
                let value = array.get(row, column).unwrap_or_default();
                let number = match array.numbers {
                    Numbers::Real(_) => significant(value.re),
                    Numbers::Complex(_) => {
                        let sign = if value.im.is_sign_negative() { '-' } else { '+' };
                        format!("{} {sign} {}i", significant(value.re), significant(value.im.abs()))
                    }
                };
                let _ = write!(text, "  {number:>14}");
            }
            text.push('\n');
        }
        text
    }
}
