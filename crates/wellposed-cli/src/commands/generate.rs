//! `wellposed completions` and `wellposed man`: made from the command line's own description.

use crate::arguments::Arguments;
use crate::failure::Failure;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::Write;

pub fn completions(shell: Shell) -> Result<(), Failure> {
    // into memory first: the generator panics where writing fails, as it does when a pager closes the pipe
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "wellposed", &mut text);
    print(&text)
}

pub fn man(subcommand: Option<&str>) -> Result<(), Failure> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    if let Some(name) = subcommand {
        command = match command.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
                return Err(Failure::Usage(format!("there is no subcommand {name}: there are {}", names.join(", "))));
            }
        };
    }
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    print(&text)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}
