//! The command `wellposed`: everything is in the library beside this file.

use clap::Parser;
use std::process::ExitCode;
use wellposed_cli::{arguments::Arguments, commands, print, watch};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    watch::install();
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            if code != 0 {
                print::complain("wellposed", &failure.to_string());
            }
            code.into()
        }
    }
}
