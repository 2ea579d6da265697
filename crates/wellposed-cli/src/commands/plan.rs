//! `wellposed plan`: what `solve` would do, with nothing computed.

use crate::arguments::Plan;
use crate::failure::Failure;
use crate::input::{self, Files, Parts};
use crate::json;
use crate::number::Number;
use crate::print::Printer;
use wellposed::c64;

pub fn run(options: &Plan) -> Result<(), Failure> {
    let files = Files::read(&options.task.data)?;
    if files.is_complex() { plan::<c64>(files, options) } else { plan::<f64>(files, options) }
}

fn plan<T: Number>(files: Files, options: &Plan) -> Result<(), Failure> {
    let printer = Printer::new(&options.talk);
    files.notes.iter().for_each(|note| printer.note(note));
    let task = &options.task;
    let choice = input::choice(task)?;
    let method = input::method(&task.method)?;
    let (parts, _) = Parts::<T>::new(files)?;
    let views = parts.views()?;
    let plan = parts.problem(&views, &task.data.model, method)?.plan(choice)?;
    let mut document = json::document("plan", "ok");
    document.insert("plan".into(), json::plan(&plan));
    printer.value(&document.into())?;
    Ok(printer.text(&plan.to_string())?)
}
