//! All figures, the rules' answers and a slider on λ, in one HTML file.
//!
//! The file holds σᵢ, |uᵢᴴb| and the vectors that make x and the residual of them; a script of a few kilobytes forms the sums of
//! [`view`](super::view) again for the λ of the slider. Nothing is fetched: the page forbids it to itself.

use super::figure::{Figure, escaped};
use super::figures::{self, Known};
use super::image::{numbers32, numbers64};
use super::scale::number;
use super::view::{Deviation, Fields, KOLMOGOROV, PERIODOGRAM_UP_TO, View};
use super::{columns, view};
use crate::curve::damped_coefficient;
use crate::data::Data;
use crate::error::{Error, Result, Size};
use crate::factorization::Factorization;
use crate::rule::Kind;
use crate::run::Modes;
use crate::scalar::Scalar;
use crate::solution::{self, Criterion, Solution};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/report.css");
const SCRIPT: &str = include_str!("report/report.js");

/// Vectors of up to so many numbers in all are written in double precision (1.6 MB of text) …
const DOUBLE_UP_TO: usize = 150_000;
/// … and of up to so many in single precision (11 MB); beyond, the page shows x at one λ and says so.
const SINGLE_UP_TO: usize = 2_100_000;
/// A direction whose part in x stays below this fraction of the largest part, for every λ of the slider, is left out of a page in
/// single precision.
const NEGLIGIBLE: f64 = 1e-9;
/// Rows of a table of numbers.
const TABLE_ROWS: usize = 200;
/// A report on one right-hand side: every figure, a table of rules, and a slider on λ that recomputes x in the browser.
///
/// [`to_html`](Self::to_html) gives one file that needs no network; [`figures`](Self::figures) gives the figures at the λ of the fit.
/// The page can be used by keyboard, adapts to dark screens and paper, and describes every figure in words.
///
/// ```
/// use wellposed::{DenseView, Gcv, Problem, plot::Report};
/// let a = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 1.0, 0.5];
/// let b = [1.1, 1.9, 3.2, 3.9];
/// let factor = Problem::new(&DenseView::column_major(&a, 4, 2)?).factorize()?;
/// let fit = factor.solve(&b, Gcv)?;
/// let html = Report::new(&factor, &b, &fit)?.title("Four rows").to_html();
/// assert!(html.contains("<h1>Four rows</h1>"));
/// # Ok::<(), wellposed::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a report is shown by to_html, save or figures"]
pub struct Report {
    title: String,
    view: View,
    modes: Modes,
    lambda: f64,
    range: (f64, f64),
    rules: Vec<RuleRow>,
    /// How far the rules agree, in words.
    verdict: String,
    criteria: Vec<Criterion>,
    fit: solution::Fit,
    chosen_by: String,
    details: String,
    complex: bool,
    truth: Option<Vec<f64>>,
    shape: Option<(usize, usize)>,
}

/// What a rule says.
#[derive(Debug, Clone)]
struct RuleRow {
    name: String,
    answer: std::result::Result<solution::Fit, String>,
    notes: Vec<String>,
}

impl Report {
    /// The report on each right-hand side: one for a vector b, a `Vec` for a matrix. `fit` is the answer of the same problem, from
    /// the factorization or from [`Problem::solve`](crate::Problem::solve); its λ is where the report starts.
    ///
    /// Cost: the singular vectors times the change of variables, what [`compare_rules`](Factorization::compare_rules) takes.
    ///
    /// # Errors
    /// A wrong length or NaN; a factorization without singular vectors; nothing that λ changes, or λ = 0, at which a report has
    /// nothing to compare; a fit of another number of right-hand sides.
    #[allow(clippy::new_ret_no_self)] // one report for each right-hand side, in the shape that b has
    pub fn new<T: Scalar, B: Data<T> + ?Sized>(factor: &Factorization<T>, b: &B, fit: &Solution<T, B>) -> Result<B::Each<Self>> {
        let columns = columns(b);
        let fits = &fit.report.fits;
        if fits.len() != columns.len() {
            return Err(Error::Shape {
                what: "the fit",
                found: Size::Length(fits.len()),
                expected: Size::Length(columns.len()),
                hint: "a report needs the fit of the same right-hand sides",
            });
        }
        let modes = factor.modes(b)?;
        let reports = columns.iter().zip(modes).enumerate().map(|(j, (b, modes))| Self::of(factor, b, modes, &fit.report, j));
        Ok(B::each(reports.collect::<Result<_>>()?))
    }

    fn of<T: Scalar>(factor: &Factorization<T>, b: &[T], modes: Modes, report: &solution::Report, column: usize) -> Result<Self> {
        let view = view(factor, b)?;
        let fit = report.fits[column];
        let lambda = fit.lambda.value();
        if !(lambda > 0.0 && lambda.is_finite()) {
            return Err(Error::Parameter {
                name: "λ of a report",
                value: lambda,
                must_be: "positive and finite; solve with a rule such as Gcv, or with a number above 0",
            });
        }
        let Compared { mut rules, mut criteria, mut inside, verdict } = compare(factor, b)?;
        let mut chosen_by = "given as a number".to_owned();
        if let Some(choice) = report.plan.choice {
            if let Kind::Rule(rule) = choice.kind {
                chosen_by = format!("chosen by {}{}", rule.name(), if choice.shared { ", one for all right-hand sides" } else { "" });
                let known = rules.iter().any(|row| row.answer.as_ref().is_ok_and(|fit| same(fit.lambda.value(), lambda)));
                if !known {
                    let notes = report.warnings.iter().map(ToString::to_string).collect();
                    rules.push(RuleRow { name: format!("{} (the fit)", rule.name()), answer: Ok(fit), notes });
                    criteria.extend(report.criteria.get(column.min(report.criteria.len().saturating_sub(1))).cloned());
                }
            } else {
                rules.push(RuleRow { name: "given".into(), answer: Ok(fit), notes: Vec::new() });
            }
        }
        inside.push(lambda);
        let range = view.range(&inside);
        Ok(Self {
            title: "A regularized solution".into(),
            view,
            modes,
            lambda,
            range,
            rules,
            verdict,
            criteria,
            fit,
            chosen_by,
            details: report.to_string(),
            complex: T::IS_COMPLEX,
            truth: None,
            shape: None,
        })
    }

    /// The heading of the page.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The true x (n, real parts), where it is known: it is drawn beside the solution.
    ///
    /// # Errors
    /// [`Error::Shape`] when its length is not n.
    pub fn truth(mut self, truth: &[f64]) -> Result<Self> {
        let unknowns = self.modes.limit.len();
        if truth.len() != unknowns {
            return Err(Error::Shape {
                what: "the true x",
                found: Size::Length(truth.len()),
                expected: Size::Length(unknowns),
                hint: "it needs an entry for each unknown",
            });
        }
        self.truth = Some(truth.to_vec());
        Ok(self)
    }

    /// x is a picture of so many rows and columns, its entries column after column, as the differences on a grid have them.
    ///
    /// # Errors
    /// [`Error::Shape`] when rows·columns is not n.
    pub fn picture(mut self, rows: usize, columns: usize) -> Result<Self> {
        let unknowns = self.modes.limit.len();
        if rows.checked_mul(columns) != Some(unknowns) {
            return Err(Error::Shape {
                what: "the picture",
                found: Size::Shape(rows, columns),
                expected: Size::Length(unknowns),
                hint: "rows times columns must be the number of unknowns",
            });
        }
        self.shape = Some((rows, columns));
        Ok(self)
    }

    /// Every figure at the λ of the fit, in the order of the page.
    pub fn figures(&self) -> Vec<Figure> {
        let (view, lambda) = (&self.view, Some(self.lambda));
        let fields = Fields { modes: &self.modes, view };
        let known = Known { truth: self.truth.as_deref(), shape: self.shape, complex: self.complex };
        let residual = fields.residual(self.lambda);
        let mut figures = vec![
            figures::solution(&fields, self.lambda, &known),
            figures::l_curve(view, self.range, lambda),
            figures::criteria(&self.criteria.iter().collect::<Vec<_>>(), Some(self.range), lambda),
            figures::picard(view, lambda),
            figures::residual(&residual, self.complex),
        ];
        if residual.len() <= PERIODOGRAM_UP_TO {
            figures.push(figures::periodogram(&residual));
        }
        figures.push(figures::coefficient_path(&fields, self.range, lambda, self.complex));
        figures
    }

    /// The page: one HTML file with its styles, figures, numbers and script.
    pub fn to_html(&self) -> String {
        let mut figures = String::new();
        for figure in self.figures() {
            let (id, title) = (figure.name(), escaped(figure.title()));
            let _ = write!(
                figures,
                "<section class=\"card\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{title}</h2>\n<div class=\"plot\">{}</div>\n<p class=\"words\">{}</p>\n\
                 <details><summary>Numbers: {title}</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Numbers: {title}\">{}</div></details>\n</section>\n",
                figure.svg(false),
                escaped(figure.description()),
                figure.table(TABLE_ROWS),
            );
        }
        let data = self.data();
        let live = match data.live {
            true => "",
            false => "<p>x and the residual are drawn at the λ of the fit only: their directions would make this page too large.</p>",
        };
        let replacements = [
            ("{{title}}", escaped(&self.title)),
            ("{{style}}", STYLE.to_owned()),
            ("{{summary}}", self.summary()),
            ("{{rules}}", self.rules_table()),
            ("{{agreement}}", escaped(&self.verdict)),
            ("{{figures}}", figures),
            ("{{live}}", live.to_owned()),
            ("{{details}}", escaped(self.details.trim_end())),
            ("{{version}}", env!("CARGO_PKG_VERSION").to_owned()),
            ("{{data}}", data.text),
            ("{{script}}", SCRIPT.to_owned()),
        ];
        // one pass over the page: what is put in is not searched again
        let mut html = String::new();
        let mut rest = PAGE;
        while let Some(start) = rest.find("{{") {
            html.push_str(&rest[..start]);
            rest = &rest[start..];
            match replacements.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, text)) => {
                    html.push_str(text);
                    rest = &rest[name.len()..];
                }
                None => {
                    html.push_str("{{");
                    rest = &rest[2..];
                }
            }
        }
        html.push_str(rest);
        html
    }

    /// Writes the page to a file; an existing file is replaced.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.to_html())
    }

    fn summary(&self) -> String {
        let at = self.view.at(self.lambda);
        let mut text = format!(
            "<p>{} rows, {} unknowns. At <strong>λ = {}</strong> (damping √λ = {}), {}, the fit has {} degrees of freedom, the residual norm is {} and the \
             penalty norm {}.",
            self.view.sums.rows,
            self.modes.limit.len(),
            number(self.lambda),
            number(self.lambda.sqrt()),
            escaped(&self.chosen_by),
            number(self.fit.dof.unwrap_or(at.dof)),
            number(self.fit.residual_norm),
            number(self.fit.penalty_norm),
        );
        if let Some(noise) = self.view.noise(&at) {
            let _ = write!(text, " By that the noise of a row has a standard deviation of about {}.", number(noise));
        }
        if self.complex {
            text.push_str(" The problem is complex: x and the residual are shown by their real parts.");
        }
        text.push_str("</p>");
        text
    }

    fn rules_table(&self) -> String {
        let mut out = String::from(
            "<table><thead><tr><th scope=\"col\">rule</th><th scope=\"col\">λ</th><th scope=\"col\">degrees of freedom</th>\
             <th scope=\"col\">residual norm</th><th scope=\"col\">penalty norm</th><th scope=\"col\">notes</th></tr></thead><tbody>",
        );
        for row in &self.rules {
            let _ = write!(out, "\n<tr><th scope=\"row\">{}</th>", escaped(&row.name));
            match &row.answer {
                Ok(fit) => {
                    let lambda = fit.lambda.value();
                    // outside the range of the slider the page lacks what x would need
                    let _ = if (self.range.0..=self.range.1).contains(&lambda) {
                        write!(
                            out,
                            "<td><button type=\"button\" class=\"go\" data-lambda=\"{lambda:e}\" aria-label=\"Show λ = {0}, of {1}\">{0}</button></td>",
                            number(lambda),
                            escaped(&row.name)
                        )
                    } else {
                        write!(out, "<td>{}</td>", number(lambda))
                    };
                    let _ = write!(
                        out,
                        "<td>{}</td><td>{}</td><td>{}</td>",
                        number(fit.dof.unwrap_or(f64::NAN)),
                        number(fit.residual_norm),
                        number(fit.penalty_norm)
                    );
                    let _ = write!(out, "<td>{}</td></tr>", escaped(&row.notes.join("; ")));
                }
                Err(why) => {
                    let _ = write!(out, "<td colspan=\"4\">none</td><td>{}</td></tr>", escaped(why));
                }
            }
        }
        out.push_str("</tbody></table>");
        out
    }

    /// What the script computes with, as JSON.
    fn data(&self) -> PageData {
        let view = &self.view;
        let (low, high) = self.range;
        let numeric = |value: f64| if value.is_finite() { format!("{value:e}") } else { "null".to_owned() };
        let gcv = self.criteria.iter().find(|c| c.rule == "GCV");
        let least = gcv.map_or(f64::NAN, |c| c.evaluated.iter().map(|p| p.1).fold(f64::INFINITY, f64::min));
        let mut text = String::from("{");
        for (name, value) in [
            ("lambda", self.lambda),
            ("low", low),
            ("high", high),
            ("rows", view.sums.rows as f64),
            ("unpenalised", view.sums.unpenalised as f64),
            ("outside", view.sums.outside.sqrt()),
            ("floor", view.sums.tolerance),
            ("unitValue", view.unit_value),
            ("unitData", view.unit_data),
            ("leastGcv", least),
            ("kolmogorov", KOLMOGOROV),
        ] {
            let _ = write!(text, "\"{name}\":{},", numeric(value));
        }
        let _ =
            write!(text, "\"values\":\"{}\",\"coefficients\":\"{}\",", numbers64(&view.sums.values), numbers64(&view.sums.coefficients));
        let picture = match (&self.shape, self.figures_picture()) {
            (Some((rows, columns)), Some((low, high))) => {
                format!("{{\"rows\":{rows},\"columns\":{columns},\"low\":{},\"high\":{}}}", numeric(low), numeric(high))
            }
            _ => "null".into(),
        };
        let _ = write!(text, "\"picture\":{picture},\"modes\":");
        let modes = self.embedded();
        text.push_str(modes.as_deref().unwrap_or("null"));
        text.push('}');
        PageData { live: modes.is_some(), text }
    }

    /// Darkest and brightest value of the picture.
    fn figures_picture(&self) -> Option<(f64, f64)> {
        let (rows, columns) = self.shape?;
        let fields = Fields { modes: &self.modes, view: &self.view };
        let picture = figures::picture_of(&fields.solution(self.lambda), rows, columns);
        Some((picture.low, picture.high))
    }

    /// The directions of x and of the residual, where they fit.
    fn embedded(&self) -> Option<String> {
        let modes = &self.modes;
        let (n, m, r) = (modes.limit.len(), modes.residual.len(), modes.values.len());
        let double = r.saturating_mul(n + m) <= DOUBLE_UP_TO;
        let kept: Vec<usize> = if double { (0..r).collect() } else { self.noticeable() };
        if kept.len().saturating_mul(n + m) > SINGLE_UP_TO {
            return None;
        }
        let fields = Fields { modes, view: &self.view };
        let posterior = fields.kind() == Deviation::Posterior;
        // what is left out of the sum over directions has σ² ≪ λ, and counts as unseen
        let mut unseen = modes.unseen.clone().unwrap_or_default();
        if posterior {
            for k in (0..r).filter(|k| !kept.contains(k)) {
                for (u, y) in unseen.iter_mut().zip(&modes.solution[k * n..(k + 1) * n]) {
                    *u += y * y;
                }
            }
        }
        // columns of largest entry 1: single precision has no room for the units of the problem
        let (mut solution, mut scales, mut data) = (Vec::with_capacity(kept.len() * n), Vec::new(), Vec::with_capacity(kept.len() * m));
        for &k in &kept {
            let column = &modes.solution[k * n..(k + 1) * n];
            let scale = column.iter().fold(0.0f64, |s, v| s.max(v.abs()));
            let scale = if scale > 0.0 { scale } else { 1.0 };
            solution.extend(column.iter().map(|v| v / scale));
            scales.push(scale);
            data.extend_from_slice(&modes.data[k * m..(k + 1) * m]);
        }
        let pick = |from: &[f64]| kept.iter().map(|&k| from[k]).collect::<Vec<f64>>();
        let vectors = |values: &[f64]| if double { numbers64(values) } else { numbers32(values) };
        let mut text = format!(
            "{{\"n\":{n},\"m\":{m},\"bits\":{},\"posterior\":{posterior},\"real\":{},",
            if double { 64 } else { 32 },
            !self.complex
        );
        for (name, value) in [
            ("values", numbers64(&pick(&modes.values))),
            ("coefficients", numbers64(&pick(&modes.coefficients))),
            ("scales", numbers64(&scales)),
            ("limit", numbers64(&modes.limit)),
            ("residual", numbers64(&modes.residual)),
            ("free", numbers64(&modes.free)),
            ("unseen", numbers64(&unseen)),
            ("solution", vectors(&solution)),
        ] {
            let _ = write!(text, "\"{name}\":\"{value}\",");
        }
        let _ = write!(text, "\"data\":\"{}\"}}", vectors(&data));
        Some(text)
    }

    /// The directions that x or the residual show at some λ of the slider.
    fn noticeable(&self) -> Vec<usize> {
        let modes = &self.modes;
        let n = modes.limit.len();
        let sizes: Vec<f64> =
            (0..modes.values.len()).map(|k| modes.solution[k * n..(k + 1) * n].iter().fold(0.0f64, |s, v| s.max(v.abs()))).collect();
        let mut kept = vec![false; sizes.len()];
        for lambda in self.view.grid(self.range) {
            let damping = lambda.sqrt();
            let part = |k: usize| damped_coefficient(modes.values[k], damping) * modes.coefficients[k] * sizes[k];
            let largest = (0..kept.len()).map(part).fold(0.0, f64::max);
            for (k, kept) in kept.iter_mut().enumerate() {
                // φ in the residual, and σ² beside λ in the band
                *kept |= part(k) > NEGLIGIBLE * largest || crate::curve::filter(modes.values[k], damping).0 > NEGLIGIBLE;
            }
        }
        (0..kept.len()).filter(|&k| kept[k]).collect()
    }
}

/// The JSON, and whether x can be recomputed from it.
struct PageData {
    text: String,
    live: bool,
}

/// What every rule says of one right-hand side.
struct Compared {
    rules: Vec<RuleRow>,
    /// The curves that are drawn.
    criteria: Vec<Criterion>,
    /// λ that were not found at an end of the interval: what the figures show.
    inside: Vec<f64>,
    verdict: String,
}

/// The rules whose criteria are drawn: the others have values of another kind, or are close to one of these.
const DRAWN: [&str; 3] = ["GCV", "leave-one-out", "evidence"];

fn compare<T: Scalar>(factor: &Factorization<T>, b: &[T]) -> Result<Compared> {
    let comparison = factor.compare_rules(b)?;
    let chosen = comparison.rows.iter().filter(|row| DRAWN.contains(&row.name)).filter_map(|row| row.choice.as_ref().ok());
    let criteria = chosen.map(|choice| choice.criterion.clone()).collect();
    let chosen = comparison.rows.iter().filter_map(|row| row.choice.as_ref().ok());
    let inside = chosen.filter(|choice| !choice.at_edge()).map(|choice| choice.lambda.value()).collect();
    let row = |row: crate::comparison::RuleRow| match row.choice {
        Ok(choice) => RuleRow {
            name: row.name.into(),
            answer: Ok(solution::Fit {
                lambda: choice.lambda,
                residual_norm: choice.residual_norm,
                penalty_norm: choice.penalty_norm,
                dof: Some(choice.dof),
            }),
            notes: choice.warnings.iter().map(ToString::to_string).collect(),
        },
        Err(error) => RuleRow { name: row.name.into(), answer: Err(error.to_string()), notes: Vec::new() },
    };
    Ok(Compared { rules: comparison.rows.into_iter().map(row).collect(), criteria, inside, verdict: comparison.verdict })
}

/// Equal to what people read.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}
