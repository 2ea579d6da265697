//! Errors of the library as Python's exceptions, in Python's words.
//!
//! | error | exception (all are `wellposed.Error`, a `ValueError`) |
//! |---|---|
//! | a shape, NaN, an index, a parameter, a combination, a rule without λ | `wellposed.Error` |
//! | no convergence | `wellposed.NotConvergedError`, also a `RuntimeError` |
//! | no unique answer, or too few digits | `wellposed.SingularError`, also a `numpy.linalg.LinAlgError` |

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use wellposed::Error;

/// What was asked of the library, as an exception.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::NotConverged { .. } => "NotConvergedError",
        Error::RankDeficient { .. } | Error::CommonNullSpace { .. } | Error::IllConditioned { .. } => "SingularError",
        _ => "Error",
    };
    raise_as(py, class, in_python(&error.to_string()))
}

/// A `wellposed.Error` with this text.
pub fn value_error(py: Python<'_>, text: impl Into<String>) -> PyErr {
    raise_as(py, "Error", text.into())
}

/// A `TypeError` with this text.
pub fn type_error(text: impl Into<String>) -> PyErr {
    PyTypeError::new_err(text.into())
}

fn raise_as(py: Python<'_>, class: &'static str, text: String) -> PyErr {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("wellposed._errors").map(Bound::unbind));
    let class = module.and_then(|module| module.bind(py).getattr(class)).and_then(|class| Ok(class.cast_into::<PyType>()?));
    match class {
        Ok(class) => PyErr::from_type(class, text),
        // without its Python layer the module still refuses
        Err(_) => PyValueError::new_err(text),
    }
}

/// What Rust's hints say otherwise than Python's.
const PHRASES: [(&str, &str); 2] = [("or a range such as 0.0.. for all", "or a single one for all"), ("(&", "(")];

/// The names of Rust's interface as Python spells them: `Method::Svd` is `method="svd"`, other paths have a dot.
pub fn in_python(text: &str) -> String {
    let text = PHRASES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut words = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(place) = rest.find("::") {
        let start = rest[..place].rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let end = rest[place + 2..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(rest.len(), |at| place + 2 + at);
        let (owner, name) = (&rest[start..place], &rest[place + 2..end]);
        words.push_str(&rest[..start]);
        match owner {
            "Method" => words.push_str(&format!("method(\"{}\")", name.to_lowercase())),
            // modules of the library are the package itself
            "operator" | "method" | "preconditioner" => words.push_str(&format!("wellposed.{name}")),
            _ => words.push_str(&format!("{owner}.{name}")),
        }
        rest = &rest[end..];
    }
    words + rest
}
