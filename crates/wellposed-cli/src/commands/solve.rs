//! `wellposed solve`.

use crate::answer::{Answer, Destinations};
use crate::arguments::Solve;
use crate::failure::Failure;
use crate::input::{self, Files, Parts};
use crate::number::Number;
use crate::print::Printer;
use crate::watch::Goal;
use wellposed::plot;
use wellposed::{Method, c64};

pub fn run(options: &Solve) -> Result<(), Failure> {
    let destinations = Destinations::new("solve", &options.results, Printer::new(&options.talk))?;
    destinations.record(|| {
        let files = Files::read(&options.task.data)?;
        if files.is_complex() { solve::<c64>(files, options, &destinations) } else { solve::<f64>(files, options, &destinations) }
    })
}

fn solve<T: Number>(mut files: Files, options: &Solve, destinations: &Destinations) -> Result<(), Failure> {
    if options.task.data.model.bounds.is_some() && options.results.html.is_some() {
        return Err(Failure::Usage(
            "--html shows how x and the rules move with λ where x is linear in b, which it is not between --bounds: leave one of the two out".into(),
        ));
    }
    files.notes.iter().for_each(|note| destinations.printer.note(note));
    let task = &options.task;
    let choice = input::choice(task)?;
    let method = input::method(&task.method)?;
    let (names, grid) = (files.names.take(), files.grid);
    let title = format!("{} from {}", files.b_name, files.a_name);
    let (parts, b) = Parts::<T>::new(files)?;
    let b = b.ok_or_else(|| Failure::Usage("name b after A; or --response, the column of the table A that is b".into()))?;
    destinations.check(b.is_vector, T::IS_COMPLEX, grid)?;
    let goal = match (task.method.steps, task.method.tolerance) {
        (Some(steps), _) => Goal::Steps(steps),
        (None, tolerance) => Goal::Tolerance(tolerance.unwrap_or(f64::EPSILON)),
    };
    let views = parts.views()?;
    let problem = parts.problem(&views, &task.data.model, method.clone())?;
    let view = b.view()?;
    destinations.check_page(view.shape().1, task.amount.number())?;
    let plan = problem.plan(choice)?;
    let solution = destinations.watch(&plan, goal, |observe| problem.solve_with(&view, choice, observe))?;
    let answer = Answer {
        x: solution.x.clone(),
        intercept: task.data.model.intercept.then(|| solution.intercept.clone()),
        lambda: solution.lambda.clone(),
        report: solution.report.clone(),
        is_vector: b.is_vector,
        names,
        grid,
        listed: true,
    };
    destinations.deliver(&answer)?;
    destinations.page(|| {
        // the figures need singular vectors, which not every method has
        let method = if matches!(method, Method::Svd | Method::Gsvd) { method } else { Method::Auto };
        let factor = parts.problem(&views, &task.data.model, method)?.factorize()?;
        let mut page = only(plot::Report::new(&factor, &view, &solution)?)?.title(title);
        if let Some((rows, columns)) = grid {
            page = page.picture(rows, columns)?;
        }
        Ok(page.to_html())
    })
}

/// What there is for the only right-hand side.
fn only<V>(each: Vec<V>) -> Result<V, Failure> {
    each.into_iter().next().ok_or_else(|| Failure::Data("b has no columns".into()))
}
