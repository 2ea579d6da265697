//! One subcommand in each module.

mod choose;
mod demo;
mod generate;
mod plan;
mod solve;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

/// Does what the command line says.
///
/// # Errors
/// Why there is no answer.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Solve(options) => solve::run(&options),
        Command::Choose(options) => choose::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { command } => generate::man(command.as_deref()),
    }
}
