//! Who may import whom: the arrows of the layering, checked by reading the sources.
//!
//! A module imports strictly lower rows. Inside a row only the arrows listed in [`WITHIN`] are allowed. Comments, strings,
//! `#[cfg(test)]` modules and files named tests.rs are not read: a test may use whatever it likes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Row of every module at the top of the crate (a folder is one module).
const ROWS: &[(&str, u8)] = &[
    // on top of the public interface
    ("lib", 8),
    ("strategies", 8),
    ("plot", 8),
    // facade
    ("ridge", 7),
    ("problem", 7),
    ("factorization", 7),
    ("rows", 7),
    ("batch", 7),
    ("posterior", 7),
    // the only file that sees engines and the chooser
    ("run", 6),
    // what is decided before anything is computed
    ("choose", 5),
    // posteriors and priors; what they need of A they are handed
    ("bayes", 5),
    ("check", 5),
    // problems that are a sequence of ridge problems, or have a descent of their own
    ("outer", 5),
    // engines
    ("factor", 4),
    ("krylov", 4),
    ("descent", 4),
    // plan holds the choice of λ, which may be a rule
    ("transform", 3),
    ("curve", 3),
    ("rule", 3),
    ("plan", 3),
    ("solution", 3),
    ("comparison", 3),
    ("diagnostics", 3),
    ("inference", 3),
    // descriptions: values, no algorithms
    ("operator", 2),
    ("data", 2),
    ("penalty", 2),
    ("constraint", 2),
    ("covariance", 2),
    ("log_prior", 2),
    ("method", 2),
    ("misfit", 2),
    ("preconditioner", 2),
    ("lambda", 2),
    ("description", 2),
    // ground
    ("scalar", 1),
    ("linalg", 1),
    ("fourier", 1),
    ("extended", 1),
    ("random", 1),
    ("quantile", 1),
    ("error", 1),
    ("refusal", 1),
    ("step", 1),
    ("warning", 1),
];

/// Arrows inside a row.
const WITHIN: &[(&str, &str)] = &[
    ("ridge", "problem"),
    ("problem", "factorization"),
    ("rows", "factorization"),
    ("rows", "posterior"),
    ("batch", "problem"),
    ("problem", "posterior"),
    ("rule", "curve"),
    ("plan", "rule"),
    ("solution", "plan"),
    ("comparison", "rule"),
    ("comparison", "solution"),
    ("diagnostics", "solution"),
    ("data", "operator"),
    ("penalty", "operator"),
    ("penalty", "data"),
    ("penalty", "misfit"),
    ("description", "misfit"),
    ("penalty", "covariance"),
    ("covariance", "operator"),
    ("description", "operator"),
    ("description", "penalty"),
    ("constraint", "operator"),
    ("constraint", "data"),
    ("description", "constraint"),
    ("description", "method"),
    ("description", "preconditioner"),
    ("preconditioner", "operator"),
    ("preconditioner", "data"),
    ("linalg", "scalar"),
    ("fourier", "scalar"),
    ("fourier", "linalg"),
    ("extended", "linalg"),
    ("extended", "scalar"),
    ("random", "scalar"),
    // `Scalar: Kernels`: each kernel is generated once for each scalar type
    ("scalar", "linalg"),
    // `Scalar: Fourier`, the same
    ("scalar", "fourier"),
];

/// The one arrow that points up: `Scalar: Engines`, so that whole solves are generated once, in the library, and not in
/// every program that uses it.
const UPWARD: &[(&str, &str)] = &[("scalar", "run")];

/// Modules beside the rows: nothing imports them.
const BESIDE: &[&str] = &["interop", "gallery"];
/// Row of the modules that those beside may import.
const BESIDE_UP_TO: u8 = 2;

/// Files that may name a container crate.
const FAER: &[&str] = &[
    "lib.rs",
    "scalar.rs",
    "linalg/mod.rs",
    "linalg/filters.rs",
    "linalg/kernels.rs",
    "linalg/narrow.rs",
    "linalg/sweeps.rs",
    "linalg/sparse/ordering.rs",
    "linalg/sparse/qr.rs",
    "interop/faer.rs",
];
const NALGEBRA: &[&str] = &["lib.rs", "interop/nalgebra.rs"];
const NALGEBRA_SPARSE: &[&str] = &["lib.rs", "interop/nalgebra_sparse.rs"];
const SPRS: &[&str] = &["lib.rs", "interop/sprs.rs"];
/// The file that may name the FFT crates.
const FFT: &[&str] = &["fourier/line.rs"];

fn row(module: &str) -> Option<u8> {
    ROWS.iter().find(|(name, _)| *name == module).map(|&(_, row)| row)
}

/// Everything that one file does against the rules; `file` is its path below src/.
fn violations(file: &str, source: &str) -> Vec<String> {
    let code = code_of(source);
    let module = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    let mut found = Vec::new();
    let mut report = |offset: usize, why: String| {
        let line = code[..offset].matches('\n').count();
        let text = source.lines().nth(line).unwrap_or("").trim();
        found.push(format!("src/{file}:{}: {why}\n    {text}", line + 1));
    };
    if !BESIDE.contains(&module) && row(module).is_none() {
        report(0, format!("the module {module} has no row: give it one in tests/layers.rs"));
    }
    for (offset, target) in imports(&code) {
        if target == module || module == "lib" {
            continue;
        }
        if BESIDE.contains(&target.as_str()) {
            report(offset, format!("nothing imports {target}"));
            continue;
        }
        let Some(to) = row(&target) else {
            // an item that lib.rs re-exports: say where it lives instead
            report(offset, format!("crate::{target} is no module with a row: name the module that defines it"));
            continue;
        };
        if BESIDE.contains(&module) {
            if to > BESIDE_UP_TO {
                report(offset, format!("{module} imports {target} (row {to}), above row {BESIDE_UP_TO}"));
            }
            continue;
        }
        let from = row(module).unwrap_or(u8::MAX);
        let pair = |&(a, b): &(&str, &str)| a == module && b == target;
        let allowed = to < from || (to == from && WITHIN.iter().any(pair)) || UPWARD.iter().any(pair);
        if !allowed {
            report(offset, format!("{module} (row {from}) imports {target} (row {to})"));
        }
    }
    // the two ways around `crate::` paths
    let depth = file.matches('/').count();
    for (offset, _) in code.match_indices("super::super::") {
        report(offset, "write a path that leaves the module with crate::".into());
    }
    for offset in words(&code, "super") {
        if depth == 0 && code[offset..].starts_with("super::") && !inside_inline_module(&code[..offset]) {
            report(offset, "write a path to another module with crate::".into());
        }
    }
    let named =
        [("faer", FAER), ("nalgebra", NALGEBRA), ("nalgebra_sparse", NALGEBRA_SPARSE), ("sprs", SPRS), ("rustfft", FFT), ("realfft", FFT)];
    for (name, files) in named {
        for offset in words(&code, name) {
            let before = code[..offset].trim_end();
            // a file or a feature may be called so
            if before.ends_with("mod") || before.ends_with("crate::") || before.ends_with("super::") {
                continue;
            }
            if !files.contains(&file) && !files.contains(&module) {
                report(offset, format!("only {} may name {name}", files.join(", ")));
            }
        }
    }
    for offset in words(&code, "unsafe") {
        if module != "interop" {
            report(offset, "no unsafe code outside interop".into());
        }
    }
    found
}

/// Whether the text ends inside a `mod name { .. }`, whose `super` is the file itself.
fn inside_inline_module(before: &str) -> bool {
    let mut open = Vec::new();
    for (k, c) in before.char_indices() {
        match c {
            '{' => open.push(before[..k].split_whitespace().rev().nth(1) == Some("mod")),
            '}' => drop(open.pop()),
            _ => {}
        }
    }
    open.contains(&true)
}

/// The top-level modules that `crate::` paths name, with their places.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for offset in words(code, "crate") {
        let Some(rest) = code[offset + "crate".len()..].strip_prefix("::") else { continue };
        if !rest.starts_with('{') {
            found.push((offset, identifier(rest)));
            continue;
        }
        // a group: the first name of each of its members
        let (mut depth, mut expecting) = (0, true);
        let mut k = 0;
        while k < rest.len() {
            let c = rest[k..].chars().next().unwrap_or(' ');
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expecting = true,
                _ if depth == 1 && expecting && (c.is_alphabetic() || c == '_') => {
                    found.push((offset, identifier(&rest[k..])));
                    expecting = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            k += c.len_utf8();
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Places of a whole word.
fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(offset, _)| offset)
        .filter(move |&offset| !code[..offset].ends_with(part) && !code[offset + word.len()..].starts_with(part))
}

/// The source with comments, literals and test modules blanked, line by line where it was.
fn code_of(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut k = 0;
    let blank = |from: usize, to: usize, code: &mut String| {
        code.extend(characters[from..to.min(characters.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    let at = |k: usize| characters.get(k).copied().unwrap_or('\0');
    while k < characters.len() {
        let start = k;
        match (at(k), at(k + 1)) {
            ('/', '/') => {
                while k < characters.len() && at(k) != '\n' {
                    k += 1;
                }
                blank(start, k, &mut code);
            }
            ('/', '*') => {
                let mut depth = 0;
                while k < characters.len() {
                    match (at(k), at(k + 1)) {
                        ('/', '*') => (depth, k) = (depth + 1, k + 2),
                        ('*', '/') => (depth, k) = (depth - 1, k + 2),
                        _ => k += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
                blank(start, k, &mut code);
            }
            ('"', _) => {
                k += 1;
                while k < characters.len() && at(k) != '"' {
                    k += if at(k) == '\\' { 2 } else { 1 };
                }
                k += 1;
                blank(start, k, &mut code);
            }
            ('r', '"') | ('r', '#') if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                let mut hashes = 0;
                while at(k + 1 + hashes) == '#' {
                    hashes += 1;
                }
                if at(k + 1 + hashes) != '"' {
                    // a raw identifier
                    code.push(at(k));
                    k += 1;
                    continue;
                }
                k += 2 + hashes;
                while k < characters.len() && !(at(k) == '"' && (0..hashes).all(|h| at(k + 1 + h) == '#')) {
                    k += 1;
                }
                k += 1 + hashes;
                blank(start, k, &mut code);
            }
            // a character, not a lifetime
            ('\'', c) if c == '\\' || at(k + 2) == '\'' => {
                k += if c == '\\' { 3 } else { 2 };
                while k < characters.len() && at(k) != '\'' {
                    k += 1;
                }
                k += 1;
                blank(start, k, &mut code);
            }
            (c, _) => {
                code.push(c);
                k += 1;
            }
        }
    }
    without_tests(code)
}

/// Blanks the item after each `#[cfg(test)]`.
fn without_tests(mut code: String) -> String {
    const MARK: &str = "#[cfg(test)]";
    while let Some(start) = code.find(MARK) {
        let mut depth = 0usize;
        let mut end = code.len();
        for (k, c) in code[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                end = start + k + 1;
                break;
            }
        }
        let blanked: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blanked);
    }
    code
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src/ is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|name| name != "tests.rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let name = |path: &Path| {
        let below = path.strip_prefix(&root).expect("below src/");
        below.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
    };
    files.iter().map(|path| (name(path), fs::read_to_string(path).expect("a source is UTF-8 text"))).collect()
}

#[test]
fn every_import_points_down() {
    let mut all = String::new();
    let sources = sources();
    assert!(sources.len() > 30, "the sources were not found");
    for (file, source) in &sources {
        for violation in violations(file, source) {
            let _ = writeln!(all, "{violation}");
        }
    }
    assert!(all.is_empty(), "against the layering:\n{all}");
}

#[test]
fn the_table_names_no_module_that_is_gone() {
    let modules: Vec<String> =
        sources().iter().map(|(file, _)| file.split('/').next().unwrap_or(file).trim_end_matches(".rs").to_owned()).collect();
    // the property-test kit comes and goes with its feature's file
    let gone: Vec<_> =
        ROWS.iter().map(|(name, _)| *name).filter(|name| *name != "strategies" && !modules.iter().any(|m| m == name)).collect();
    assert!(gone.is_empty(), "no file for {gone:?}");
}

#[test]
fn interop_files_name_one_crate_each() {
    for (file, source) in sources().iter().filter(|(file, _)| file.starts_with("interop/") && !file.ends_with("/mod.rs")) {
        let own = file.trim_start_matches("interop/").trim_end_matches(".rs");
        let code = code_of(source);
        assert!(words(&code, own).next().is_some(), "{file} does not name {own}");
        for other in ["faer", "nalgebra", "ndarray"].into_iter().filter(|other| *other != own) {
            assert!(words(&code, other).next().is_none(), "{file} names {other} beside {own}");
        }
    }
}

/// The reader itself: each rule, broken on purpose.
#[test]
fn a_broken_rule_is_seen() {
    let cases: &[(&str, &str, &str)] = &[
        ("factor/svd.rs", "use crate::krylov::cgls;", "imports krylov"),
        ("krylov/cgls.rs", "fn f() { crate::factor::svd::g() }", "imports factor"),
        ("rule/gcv.rs", "use crate::transform::Matrix;", "imports transform"),
        ("rule/gcv.rs", "use crate::{error::Error, factor::{Core, Handed}, curve::Curve};", "imports factor"),
        ("curve.rs", "use crate::rule::Rule;", "imports rule"),
        ("error.rs", "use crate::run::Engines;", "imports run"),
        ("problem.rs", "use crate::interop::Dense;", "nothing imports interop"),
        ("interop/faer.rs", "use crate::rule::Rule;", "interop imports rule"),
        ("factor/svd.rs", "use crate::gallery::shaw;", "nothing imports gallery"),
        ("gallery/shaw.rs", "use crate::problem::Problem;", "gallery imports problem"),
        ("factor/qr.rs", "use faer::Mat;", "may name faer"),
        ("operator/convolution.rs", "use rustfft::FftPlanner;", "may name rustfft"),
        ("data.rs", "fn f(_: nalgebra::DVector<f64>) {}", "may name nalgebra"),
        ("linalg/kernels.rs", "fn f() { unsafe { g() } }", "no unsafe"),
        ("error.rs", "use super::run::Engines;", "with crate::"),
        ("error.rs", "fn f() { super::run::g() }", "with crate::"),
        ("factor/qr.rs", "use super::super::krylov::cgls;", "with crate::"),
        ("novelty.rs", "", "has no row"),
        ("ridge.rs", "use crate::Problem;", "no module with a row"),
        ("plan.rs", "const S: char = '\"'; use crate::run::Kept; const T: char = '\"';", "imports run"),
        ("plan.rs", "fn f<'a>(_: &'a str) { crate::run::g() }", "imports run"),
    ];
    for (file, source, expected) in cases {
        let found = violations(file, source);
        assert!(found.iter().any(|line| line.contains(expected)), "{file}: {source}: {found:?}");
    }
    let innocent: &[(&str, &str)] = &[
        ("factor/svd.rs", "/// [`cgls`](crate::krylov::cgls)\nuse crate::linalg::Mat; // crate::run\n/* crate::run /* */ crate::run */"),
        ("rule/gcv.rs", "use crate::curve::Curve;\n#[cfg(test)]\nmod tests { use crate::factor::svd; fn f() { { } } }"),
        ("scalar.rs", "trait Scalar: crate::run::Engines {}\nmod sealed { impl Sealed for super::c32 {} }"),
        ("error.rs", "const TEXT: &str = \"crate::run, faer::Mat, \\\" unsafe\";"),
        ("interop/mod.rs", "mod faer;\n#[cfg(feature = \"nalgebra\")]\nmod nalgebra;"),
    ];
    for (file, source) in innocent {
        assert_eq!(violations(file, source), Vec::<String>::new());
    }
}
