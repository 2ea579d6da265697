//! Why the command ends without an answer, and the exit status that says so.

use crate::files::FileError;

/// What ended the command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file, or what is in it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Files that do not fit together.
    #[error("{0}")]
    Data(String),
    /// Words that do not go together.
    #[error("{0}")]
    Usage(String),
    /// What the library refused or could not do.
    #[error("{}", in_options(&.0.to_string()))]
    Library(#[from] wellposed::Error),
    /// Ctrl-C, with a text that says what is left.
    #[error("{0}")]
    Interrupted(String),
    /// Printing failed.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// The library's texts end in calls that help; here they are options.
const OPTIONS: &[(&str, &str)] = &[
    ("max_steps(..)", "--max-steps"),
    ("tolerance(..)", "--tolerance"),
    ("accept_partial()", "--accept-partial"),
    ("require_full_rank()", "--require-full-rank"),
    ("Method::Auto", "--method auto"),
    ("Method::Cholesky", "--method cholesky"),
    ("Method::Qr", "--method qr"),
    ("Method::Svd", "--method svd"),
    ("Method::Gsvd", "--method gsvd"),
    ("Method::Cgls", "--method cgls"),
    // the command has no word for it
    (", or take that fit with .at_most()", ""),
    ("Problem::solve with", "wellposed solve with"),
];

fn in_options(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (call, option)| text.replace(call, option))
}

impl Failure {
    /// The exit status; `--help` has the list.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Library(wellposed::Error::NoLambda { .. } | wellposed::Error::NotConverged { .. }) => 3,
            Failure::Interrupted(_) => 130,
            // whoever reads our output has enough: not a failure of this command
            Failure::Print(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Failure::File(_) | Failure::Data(_) | Failure::Library(_) | Failure::Print(_) => 1,
        }
    }
}
