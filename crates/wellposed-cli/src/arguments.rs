//! The command line: what can be said, and what each word means. Nothing is read or computed here.

use crate::files::delimited::Header;
use crate::rules::{self, LambdaChoice};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// At the end of every `--help` and of the man page.
const EXIT_STATUS: &str = "\
Exit status:
  0    solved, or printed what was asked for
  1    a file or the data in it were refused, or a result could not be written
  2    the command line was not understood
  3    no answer: a rule found no λ, or an iteration did not converge
  130  interrupted by Ctrl-C; --report and --out then hold what there was";

/// Solves min ‖Ax − b‖² + λ‖Lx‖² for matrices in files, and chooses λ.
///
/// λ multiplies the squared penalty exactly as written: it is scikit-learn's alpha. The damping √λ of LSQR and Regularization
/// Tools is --damping.
///
/// Files: .npy, .npz (file.npz:A names an array), .mtx and .mtx.gz, .csv, .tsv and .txt (file.csv:y names a column), .png
/// (an image as b is one column, its pixels column after column). All computing is in double precision.
#[derive(Debug, Parser)]
#[command(name = "wellposed", version, after_help = EXIT_STATUS, max_term_width = 110, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Solve for x, with λ given or chosen by a rule.
    ///
    /// `wellposed solve A.npy b.npy` or, for a table, `wellposed solve data.csv --response y --intercept`. Without --lambda,
    /// generalized cross-validation chooses.
    #[command(after_help = EXIT_STATUS)]
    Solve(Box<Solve>),
    /// Compare what each rule would choose for λ.
    #[command(after_help = EXIT_STATUS)]
    Choose(Box<Choose>),
    /// Say what `solve` would do, and why, without computing anything.
    #[command(after_help = EXIT_STATUS)]
    Plan(Box<Plan>),
    /// Solve a test problem whose answer is known, and show how far off it is.
    #[command(after_help = EXIT_STATUS)]
    Demo(Box<Demo>),
    /// Print completions for a shell: `wellposed completions bash > ~/.local/share/bash-completion/completions/wellposed`.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `wellposed man | man -l -`.
    Man {
        /// The page of this subcommand.
        command: Option<String>,
    },
}

/// A, b and what is made of them.
#[derive(Debug, Args)]
pub struct Data {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub input: Input,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub model: Model,
}

/// How a problem is to be solved.
#[derive(Debug, Args)]
pub struct Task {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data: Data,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub amount: Amount,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub noise: Noise,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub method: MethodOptions,
}

/// `wellposed solve`.
#[derive(Debug, Args)]
pub struct Solve {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub task: Task,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub results: Results,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// `wellposed choose`.
#[derive(Debug, Args)]
pub struct Choose {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data: Data,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub noise: Noise,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// `wellposed plan`.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub task: Task,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// `wellposed demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The problem; left out, they are listed
    pub name: Option<String>,
    /// Unknowns; of a two-dimensional problem, the side of the grid [default: what shows the problem in little time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub size: Option<u16>,
    /// ‖noise‖ / ‖b‖, of white noise
    #[arg(long, default_value_t = 1e-3, value_name = "FRACTION", value_parser = nonnegative)]
    pub noise: f64,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// λ, or the rule that chooses it, as of solve [default: discrepancy, which is told the noise; where that cannot serve, a rule
    /// that needs none, with the reason]
    #[arg(long, value_name = "NUMBER|RULE")]
    pub lambda: Option<LambdaChoice>,
    /// L
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub penalty: DemoPenalty,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub results: Results,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// Penalties of test problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DemoPenalty {
    /// What suits the problem
    #[default]
    Usual,
    /// The norm of x itself
    Identity,
    /// First differences
    First,
    /// Second differences
    Second,
}

/// A and b.
#[derive(Debug, Args)]
pub struct Input {
    /// A: a matrix in a file; or a table of which one column is b (--response)
    #[arg(value_name = "A")]
    pub a: String,
    /// b: a vector, or a matrix whose columns are right-hand sides
    #[arg(value_name = "b", conflicts_with = "response")]
    pub b: Option<String>,
    /// The column of the table A that is b; its other columns of numbers are those of A
    #[arg(long, value_name = "COLUMN", help_heading = "Tables")]
    pub response: Option<String>,
    /// Only these columns of the table, in this order
    #[arg(
        long,
        value_name = "COLUMN,..",
        value_delimiter = ',',
        requires = "response",
        conflicts_with = "exclude",
        help_heading = "Tables"
    )]
    pub features: Vec<String>,
    /// All columns of numbers but these
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',', requires = "response", help_heading = "Tables")]
    pub exclude: Vec<String>,
    /// Whether the first line of a table has the names of its columns
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", help_heading = "Tables")]
    pub header: Header,
}

/// Everything that the problem has besides A, b and λ.
#[derive(Debug, Args)]
#[command(next_help_heading = "Problem")]
pub struct Model {
    /// L: identity, first, second (differences; along both axes with --grid), diagonal:FILE (its diagonal), or FILE (a matrix)
    #[arg(long, default_value = "identity", value_name = "NAME|FILE")]
    pub penalty: PenaltyChoice,
    /// What differences meet at the ends
    #[arg(long, value_enum, default_value_t)]
    pub boundary: BoundaryChoice,
    /// x is an image of so many pixels, column after column, as in 480x640
    #[arg(long, value_name = "ROWSxCOLUMNS")]
    pub grid: Option<Grid>,
    /// Weight of each row: 2 counts as the row given twice
    #[arg(long, value_name = "FILE")]
    pub weights: Option<String>,
    /// Standard deviation of the noise: one number, or one for each row
    #[arg(long, value_name = "NUMBER|FILE")]
    pub noise_std: Option<String>,
    /// x₀: the penalty measures x − x₀
    #[arg(long, value_name = "FILE")]
    pub prior_mean: Option<String>,
    /// Fit an unpenalised constant beside x
    #[arg(long)]
    pub intercept: bool,
    /// Keep x between bounds: 0: (nonnegative), 0:1, :5, or a FILE of two columns, lower and upper (1e300 for none)
    #[arg(long, value_name = "LOW:HIGH|FILE", allow_hyphen_values = true)]
    pub bounds: Option<BoundsChoice>,
    /// Refuse a minimiser that is not unique, instead of the one of minimum norm
    #[arg(long)]
    pub require_full_rank: bool,
    /// Threads of the kernels; all cores unless given
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// λ or the rule that finds it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Amount of regularization")]
pub struct Amount {
    #[arg(long, value_name = "NUMBER|RULE", allow_negative_numbers = true,
        help = format!("λ, or the rule that chooses it: {} [default: gcv]", rules::list()))]
    #[allow(missing_docs)]
    pub lambda: Option<LambdaChoice>,
    /// √λ: the damping of LSQR, LSMR and Regularization Tools
    #[arg(long, value_name = "NUMBER", conflicts_with = "lambda", allow_negative_numbers = true)]
    pub damping: Option<f64>,
    /// One λ for all right-hand sides, where there are several
    #[arg(long)]
    pub shared: bool,
}

impl Amount {
    /// λ, where it is a number.
    pub fn number(&self) -> Option<f64> {
        match (self.lambda, self.damping) {
            (Some(choice), _) => choice.number(),
            (None, damping) => damping.map(|damping| damping * damping),
        }
    }
}

/// What the discrepancy principle must know; --noise-std serves as well.
#[derive(Debug, Args)]
#[command(next_help_heading = "Noise level, for --lambda discrepancy and monotone-error")]
pub struct Noise {
    /// ‖noise‖, the norm of the whole vector (in whitened units with --weights or --noise-std)
    #[arg(long, value_name = "NUMBER", conflicts_with = "relative_noise")]
    pub noise_norm: Option<f64>,
    /// ‖noise‖ / ‖b‖: 0.01 for 1 %
    #[arg(long, value_name = "FRACTION")]
    pub relative_noise: Option<f64>,
    /// The residual is to be this factor times the noise
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub safety: f64,
}

/// How.
#[derive(Debug, Args)]
#[command(next_help_heading = "Method")]
pub struct MethodOptions {
    /// How to solve
    #[arg(long, value_enum, default_value_t)]
    pub method: MethodChoice,
    /// Of an iteration: relative size of the gradient at which it stops
    #[arg(long, value_name = "NUMBER")]
    pub tolerance: Option<f64>,
    /// Of an iteration: steps after which it gives up
    #[arg(long, value_name = "N")]
    pub max_steps: Option<usize>,
    /// Of an iteration: exactly so many steps, as the regularization
    #[arg(long, value_name = "N", conflicts_with_all = ["tolerance", "max_steps"])]
    pub steps: Option<usize>,
    /// Of an iteration: take what --max-steps has reached instead of failing
    #[arg(long)]
    pub accept_partial: bool,
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct Results {
    /// Write x: .npy, .npz (x, intercept, lambda), .mtx, .csv, .tsv, .txt, .png, also .mtx.gz, .csv.gz, ...
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the report, x included, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write a page for the browser: figures, rules and a slider on λ, in one file that needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Overwrite files that exist
    #[arg(long)]
    pub force: bool,
}

/// What is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Printing")]
pub struct Talk {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Print errors only (and JSON, where asked for)
    #[arg(long, short)]
    pub quiet: bool,
    /// Say on stderr what is being done
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// L.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PenaltyChoice {
    /// I.
    Identity,
    /// First differences.
    First,
    /// Second differences.
    Second,
    /// Its diagonal is in this file.
    Diagonal(String),
    /// It is in this file.
    Matrix(String),
}

impl FromStr for PenaltyChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "identity" => Self::Identity,
            "first" => Self::First,
            "second" => Self::Second,
            other => match other.strip_prefix("diagonal:") {
                Some(file) => Self::Diagonal(file.to_owned()),
                // a file has an ending; a misspelt name has not
                None if other.contains('.') => Self::Matrix(other.to_owned()),
                None => return Err("give identity, first, second, diagonal:FILE or the FILE of a matrix".into()),
            },
        })
    }
}

/// lo ≤ x ≤ hi.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundsChoice {
    /// The same for all of x; infinite where there is none.
    Range(f64, f64),
    /// They are in this file.
    Each(String),
}

impl FromStr for BoundsChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str, open: f64| if text.trim().is_empty() { Some(open) } else { text.trim().parse().ok() };
        let sides = text.split_once(':').map(|(low, high)| (side(low, f64::NEG_INFINITY), side(high, f64::INFINITY)));
        match sides {
            Some((Some(low), Some(high))) if low <= high => Ok(Self::Range(low, high)),
            Some((Some(_), Some(_))) => Err("give the lower bound first, and numbers: LOW:HIGH".into()),
            // file.npz:name, or a file
            _ if text.contains('.') => Ok(Self::Each(text.to_owned())),
            _ => Err("give LOW:HIGH with either left out for none, as in 0: or 0:1 or :5, or a FILE of two columns".into()),
        }
    }
}

/// Rows and columns of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

impl FromStr for Grid {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once(['x', '×']).map(|(rows, columns)| (rows.parse(), columns.parse()));
        match sides {
            Some((Ok(rows), Ok(columns))) => Ok(Self { rows, columns }),
            _ => Err("give rows and columns, as in 480x640".into()),
        }
    }
}

/// The ends of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BoundaryChoice {
    /// Nothing: the ends are free
    #[default]
    Free,
    /// Zeros just outside both ends
    Zero,
    /// The other end
    Periodic,
}

/// The methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MethodChoice {
    /// The cheapest that keeps the digits
    #[default]
    Auto,
    /// Gram matrix, refined; one λ
    Cholesky,
    /// One λ, with every digit that the condition leaves
    Qr,
    /// Every λ and every rule
    Svd,
    /// A and L together
    Gsvd,
    /// Many λ, all digits
    Bidiagonal,
    /// Many λ, cheapest
    Tridiagonal,
    /// Conjugate gradients: only products with A
    Cgls,
    /// The same steps by bidiagonalization, with an estimate of the condition
    Lsqr,
    /// The same process, with a gradient that falls in every step
    Lsmr,
    /// LSQR that chooses λ on the way: rules, with only products
    HybridLsqr,
}

fn nonnegative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..f64::INFINITY).contains(&value) => Ok(value),
        _ => Err("give a number that is 0 or more".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn words_mean_what_they_say() {
        assert_eq!("L.mtx".parse(), Ok(PenaltyChoice::Matrix("L.mtx".into())));
        assert_eq!("diagonal:w.csv:w".parse(), Ok(PenaltyChoice::Diagonal("w.csv:w".into())));
        assert!("frist".parse::<PenaltyChoice>().is_err());
        assert_eq!("3x4".parse(), Ok(Grid { rows: 3, columns: 4 }));
        assert!("3x".parse::<Grid>().is_err() && "12".parse::<Grid>().is_err());
    }
}
