//! `wellposed solve`.

use crate::answer::{Answer, Destinations};
use crate::arguments::Solve;
use crate::failure::Failure;
use crate::input::{self, Files, Parts};
use crate::number::Number;
use crate::print::Printer;
use crate::watch::Goal;
use wellposed::c64;

pub fn run(options: &Solve) -> Result<(), Failure> {
    let destinations = Destinations::new("solve", &options.results, Printer::new(&options.talk))?;
    destinations.record(|| {
        let files = Files::read(&options.input, &options.model)?;
        if files.is_complex() { solve::<c64>(files, options, &destinations) } else { solve::<f64>(files, options, &destinations) }
    })
}

fn solve<T: Number>(mut files: Files, options: &Solve, destinations: &Destinations) -> Result<(), Failure> {
    files.notes.iter().for_each(|note| destinations.printer.note(note));
    let choice = input::choice(&options.amount, &options.noise, &options.model)?;
    let method = input::method(&options.method)?;
    let (names, grid) = (files.names.take(), files.grid);
    let (parts, b) = Parts::<T>::new(files, input::only_products(&method))?;
    let b = b.ok_or_else(|| Failure::Usage("name b after A; or --response, the column of the table A that is b".into()))?;
    destinations.check(b.is_vector, T::IS_COMPLEX, grid)?;
    let goal = match (options.method.steps, options.method.tolerance) {
        (Some(steps), _) => Goal::Steps(steps),
        (None, tolerance) => Goal::Tolerance(tolerance.unwrap_or(f64::EPSILON)),
    };
    let views = parts.views()?;
    let problem = parts.problem(&views, &options.model, method)?;
    let view = b.view()?;
    let plan = problem.plan(choice)?;
    let solution = destinations.watch(&plan, goal, |observe| problem.solve_with(&view, choice, observe))?;
    let answer = Answer {
        x: solution.x,
        intercept: options.model.intercept.then_some(solution.intercept),
        lambda: solution.lambda,
        report: solution.report,
        is_vector: b.is_vector,
        names,
        grid,
        listed: true,
    };
    destinations.deliver(&answer)
}
