#![warn(missing_docs)]
#![forbid(unsafe_code)]
//! What the command `wellposed` is made of: readers and writers of files, and one module for each subcommand. It uses the
//! public interface of the library `wellposed` and nothing else.
//!
//! The command is what is meant to be used; `README.md` describes it. This crate's own interface follows its needs.

pub mod answer;
pub mod arguments;
pub mod commands;
pub mod failure;
pub mod files;
pub mod input;
pub mod json;
pub mod number;
pub mod print;
pub mod rules;
pub mod sparse;
pub mod watch;
