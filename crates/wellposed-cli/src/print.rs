//! What goes to the terminal. Results go to stdout, everything else to stderr.

use crate::arguments::Talk;
use serde_json::Value;
use std::io::{self, Write};

/// What may be printed.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// JSON instead of text.
    pub json: bool,
    /// Errors only.
    pub quiet: bool,
    verbose: bool,
}

impl Printer {
    /// As the command line says.
    pub fn new(talk: &Talk) -> Self {
        Self { json: talk.json, quiet: talk.quiet, verbose: talk.verbose }
    }

    /// A result in words, unless JSON is wanted or nothing is.
    ///
    /// # Errors
    /// What writing gives.
    pub fn text(&self, text: &str) -> io::Result<()> {
        if self.json || self.quiet {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end())?;
        out.flush()
    }

    /// A result as JSON, where that is wanted.
    ///
    /// # Errors
    /// What writing gives.
    pub fn value(&self, value: &Value) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{value:#}")?;
        out.flush()
    }

    /// Something to know beside the result.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            complain("note", text);
        }
    }

    /// What is being done.
    pub fn progress(&self, text: &str) {
        if self.verbose {
            for line in text.lines() {
                complain("wellposed", line);
            }
        }
    }
}

/// One line on stderr. If even that cannot be written, nobody is there to be told.
pub fn complain(who: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{who}: {text}");
}

/// Eight significant digits, without an exponent where that is readable.
pub fn significant(value: f64) -> String {
    const DIGITS: i32 = 8;
    let exponent = value.abs().log10().floor();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(-4.0..7.0).contains(&exponent) {
        return format!("{value:.*e}", DIGITS as usize - 1);
    }
    format!("{value:.*}", (DIGITS - 1 - exponent as i32).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_eight_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1.0000000"),
            (-0.00123456789, "-0.0012345679"),
            (1234567.89, "1234567.9"),
            (12345678.9, "1.2345679e7"),
            (1e-9, "1.0000000e-9"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
