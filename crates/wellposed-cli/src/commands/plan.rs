//! `wellposed plan`: what `solve` would do, with nothing computed.

use crate::arguments::Plan;
use crate::failure::Failure;
use crate::input::{self, Files, Parts};
use crate::json;
use crate::number::Number;
use crate::print::Printer;
use wellposed::c64;

pub fn run(options: &Plan) -> Result<(), Failure> {
    let files = Files::read(&options.input, &options.model)?;
    if files.is_complex() { plan::<c64>(files, options) } else { plan::<f64>(files, options) }
}

fn plan<T: Number>(files: Files, options: &Plan) -> Result<(), Failure> {
    let printer = Printer::new(&options.talk);
    files.notes.iter().for_each(|note| printer.note(note));
    let choice = input::choice(&options.amount, &options.noise, &options.model)?;
    let method = input::method(&options.method)?;
    let (parts, _) = Parts::<T>::new(files, input::only_products(&method))?;
    let views = parts.views()?;
    let plan = parts.problem(&views, &options.model, method)?.plan(choice)?;
    let mut document = json::document("plan", "ok");
    document.insert("plan".into(), json::plan(&plan));
    printer.value(&document.into())?;
    Ok(printer.text(&plan.to_string())?)
}
