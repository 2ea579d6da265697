//! The command as its users see it: what it prints, what it writes, how it ends.

use serde_json::Value;
use snapbox::cmd::Command;
use snapbox::str;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};
use wellposed_cli::files::{Array, Contents, Formatted, Numbers, Output, ReadOptions, Shape, Source};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// A folder with small problems. `A.npy` is diag(1, 2) and `b.npy` (2, 5): with λ = 1, x = (1, 2) exactly.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    fs::copy(format!("{DATA}/prostate.tsv"), folder.path().join("prostate.tsv")).unwrap();
    fs::copy(format!("{DATA}/longley.csv"), folder.path().join("longley.csv")).unwrap();
    write(&folder, "A.npy", &Array::matrix(2, 2, Numbers::Real(vec![1.0, 0.0, 0.0, 2.0])).unwrap());
    write(&folder, "b.npy", &Array::vector(Numbers::Real(vec![2.0, 5.0])));
    folder
}

fn write(folder: &TempDir, name: &str, array: &Array) {
    let formatted = Formatted { array, labels: None, name: "x", beside: &[], grid: None };
    Output::for_array(&folder.path().join(name), true).unwrap().write_array(formatted).unwrap();
}

fn read(folder: &TempDir, name: &str) -> Array {
    let source = Source::parse(folder.path().join(name).to_str().unwrap());
    let Contents::Dense(array) = source.read(ReadOptions::default()).unwrap() else { panic!("{name} is sparse") };
    array
}

fn real(folder: &TempDir, name: &str) -> Vec<f64> {
    let Numbers::Real(numbers) = read(folder, name).numbers else { panic!("{name} is complex") };
    numbers
}

fn wellposed(folder: &TempDir) -> Command {
    Command::new(snapbox::cmd::cargo_bin!("wellposed")).current_dir(folder.path())
}

/// One line, split at blanks.
fn run(folder: &TempDir, line: &str) -> snapbox::cmd::OutputAssert {
    wellposed(folder).args(line.split_whitespace()).assert()
}

/// What a successful command prints as JSON.
fn json(folder: &TempDir, line: &str) -> Value {
    let output = run(folder, line).success().get_output().stdout.clone();
    serde_json::from_slice(&output).unwrap()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} {expected}");
    }
}

#[test]
fn a_table_with_its_response_inside_is_no_matrix() {
    let folder = folder();
    run(&folder, "solve prostate.tsv prostate.tsv:lpsa").code(2).stderr_eq(str![[r#"
wellposed: b is the column lpsa of the table prostate.tsv, all of which is A; use --response lpsa instead of prostate.tsv:lpsa

"#]]);
}

#[test]
fn solve_a_table() {
    let folder = folder();
    run(&folder, "solve prostate.tsv --response lpsa --intercept --threads 1")
        .success()
        .stdout_eq(str![[r#"
A          97×9 f64 dense
penalty    identity
lambda     chosen by GCV
first      reflect the constant out
method     SVD: many λ on a small problem
λ          2.4585e0 (damping 1.5680e0)
‖Ax − b‖   6.589546e0
‖L(x−x₀)‖  9.886055e-1
dof        9.2907
rank       9 of 9
condition  about 9.8e1, of what SVD factored
criterion  GCV 5.475088e-1

(intercept)      0.54119799
lcavol           0.56107747
lweight          0.53596932
age            -0.019305051
lbph             0.10001979
svi              0.59970277
lcp            -0.065948527
gleason         0.029531422
pgg45          0.0047093962
train          0.0025030362

"#]])
        .stderr_eq(str![[r#"
note: the column without a name is taken for row labels and left out

"#]]);
    run(&folder, "solve longley.csv --response TOTEMP --features GNP,YEAR --intercept --lambda loo --threads 1")
        .success()
        .stdout_eq(str![[r#"
A          16×2 f64 dense
penalty    identity
lambda     chosen by leave-one-out
first      reflect the constant out
method     SVD: the rule needs the leverages of the rows
λ          1.1563e0 (damping 1.0753e0)
‖Ax − b‖   2.233827e3
‖L(x−x₀)‖  4.353801e2
dof        2.7350
rank       2 of 2
condition  about 2.1e5, of what SVD factored
criterion  leave-one-out 6.855316e6, local minima at λ = 1.156e0, 1.649e9

(intercept)       894746.99
GNP             0.055508147
YEAR             -435.38010

"#]])
        .stderr_eq(str![]);
}

#[test]
fn solve_arrays() {
    let folder = folder();
    run(&folder, "solve A.npy b.npy --lambda 1 --threads 1").success().stdout_eq(str![[r#"
A          2×2 f64 dense
penalty    identity
lambda     1.0000e0 (damping 1.0000e0)
method     small Gram matrix: few unknowns
if refused Cholesky, then QR, then SVD
λ          1.0000e0 (damping 1.0000e0)
‖Ax − b‖   1.414214e0
‖L(x−x₀)‖  2.236068e0
dof        1.3000
rank       2 of 2
condition  about 1.6e0, of what small Gram matrix factored

x[1]            1.0000000
x[2]            2.0000000

"#]]);
    run(&folder, "solve A.npy b.npy --damping 1 --out x.npz --quiet").success().stdout_eq("").stderr_eq("");
    assert_close(&real(&folder, "x.npz:x"), &[1.0, 2.0]);
    assert_close(&real(&folder, "x.npz:lambda"), &[1.0]);
    assert_eq!(read(&folder, "x.npz:x").shape, Shape::Vector);
}

#[test]
fn every_part_of_the_problem_counts() {
    let folder = folder();
    let x = |options: &str| {
        run(&folder, &format!("solve A.npy b.npy --lambda 1 --force --quiet --out x.npy {options}")).success().stderr_eq("");
        real(&folder, "x.npy")
    };
    write(&folder, "weights.npy", &Array::vector(Numbers::Real(vec![3.0, 0.25])));
    // wᵢaᵢbᵢ/(wᵢaᵢ² + 1) where A is diagonal
    assert_close(&x("--weights weights.npy"), &[1.5, 1.25]);
    assert_close(&x("--noise-std 2"), &[0.4, 1.25]);
    fs::write(folder.path().join("std.csv"), "s,t\n1,0.5\n1,2\n").unwrap();
    assert_close(&x("--noise-std std.csv:t"), &[1.6, 1.25]);
    fs::write(folder.path().join("mean.txt"), "1\n-1\n").unwrap();
    assert_close(&x("--prior-mean mean.txt"), &[1.5, 1.8]);
    fs::write(folder.path().join("w.txt"), "# a row serves as a column\n0 2\n").unwrap();
    assert_close(&x("--penalty diagonal:w.txt"), &[2.0, 1.25]);
    fs::write(folder.path().join("L.mtx"), "%%MatrixMarket matrix coordinate real general\n1 2 1\n1 2 2.0\n").unwrap();
    assert_close(&x("--penalty L.mtx"), &[2.0, 1.25]);
    // [1 + 1, −1; −1, 4 + 1] x = [2, 10]
    assert_close(&x("--penalty first"), &[20.0 / 9.0, 22.0 / 9.0]);
    for method in ["cgls", "lsqr", "lsmr", "hybrid-lsqr", "cholesky", "qr", "svd", "gsvd", "bidiagonal", "tridiagonal"] {
        assert_close(&x(&format!("--method {method}")), &[1.0, 2.0]);
    }
    // the noise norm that leaves the residual of λ = 1: (1, 1)
    run(&folder, "solve A.npy b.npy --lambda discrepancy --noise-norm 1.4142135623730951 --out d.npy --quiet").success();
    for (found, expected) in real(&folder, "d.npy").iter().zip([1.0, 2.0]) {
        assert!((found - expected).abs() < 1e-7, "{found} {expected}");
    }
}

#[test]
fn several_right_hand_sides_and_complex_numbers() {
    let folder = folder();
    write(&folder, "B.npy", &Array::matrix(2, 2, Numbers::Real(vec![2.0, 5.0, 4.0, 10.0])).unwrap());
    run(&folder, "solve A.npy B.npy --lambda 1 --out X.csv --threads 1").success().stdout_eq(str![[r#"
A          2×2 f64 dense
penalty    identity
lambda     1.0000e0 (damping 1.0000e0)
method     small Gram matrix: few unknowns
if refused Cholesky, then QR, then SVD
column            λ      damping       ‖Ax − b‖      ‖L(x−x₀)‖        dof
     0     1.0000e0     1.0000e0     1.414214e0     2.236068e0     1.3000
     1     1.0000e0     1.0000e0     2.828427e0     4.472136e0     1.3000
rank       2 of 2
condition  about 1.6e0, of what small Gram matrix factored

x[1]            1.0000000       2.0000000
x[2]            2.0000000       4.0000000

"#]]);
    assert_eq!(fs::read_to_string(folder.path().join("X.csv")).unwrap(), "x1,x2\n1.0,2.0\n2.0,4.0\n");
    let c = |re, im| wellposed::c64::new(re, im);
    write(&folder, "C.mtx", &Array::matrix(1, 1, Numbers::Complex(vec![c(0.0, 1.0)])).unwrap());
    fs::write(folder.path().join("one.txt"), "2\n").unwrap();
    // conj(i)·2/(|i|² + 1)
    let answer = json(&folder, "solve C.mtx one.txt --lambda 1 --json");
    assert_eq!(answer["x"], serde_json::json!([[[0.0, -1.0]]]));
    assert_eq!(answer["plan"]["scalar"], "c64");
    run(&folder, "solve C.mtx one.txt --lambda 1 --out x.csv").code(1).stderr_eq(str![[r#"
wellposed: x.csv: a table of text has no complex numbers; use .npy, .npz or .mtx

"#]]);
}

#[test]
fn json_has_every_digit() {
    let folder = folder();
    let answer = json(&folder, "solve prostate.tsv --response lpsa --exclude train,age --intercept --json --report r.json --out x.npy");
    let report: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(answer, report);
    assert_eq!(answer["status"], "ok");
    assert_eq!(answer["names"].as_array().unwrap().len(), 7);
    let x: Vec<f64> = answer["x"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(x, real(&folder, "x.npy"));
    let fit = &answer["fits"][0];
    let (lambda, damping) = (fit["lambda"].as_f64().unwrap(), fit["damping"].as_f64().unwrap());
    assert!((damping * damping / lambda - 1.0).abs() < 1e-14);
    // λ given as the number that was printed gives the same x
    let again = json(&folder, &format!("solve prostate.tsv --response lpsa --exclude train,age --intercept --json --lambda {lambda:e}"));
    for (x, again) in x.iter().zip(again["x"][0].as_array().unwrap()) {
        assert!((x - again.as_f64().unwrap()).abs() < 1e-9 * x.abs().max(1.0), "{x} {again}");
    }
    assert!(!answer["criteria"][0]["evaluated"].as_array().unwrap().is_empty());
    let mut keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    // the README documents these
    let readme = include_str!("../README.md");
    for key in keys {
        assert!(readme.contains(&format!("`{key}`")), "README.md does not have {key}");
    }
    // a table with names has the intercept as a row of its own
    run(&folder, "solve prostate.tsv --response lpsa --exclude train,age --intercept --quiet --out x.tsv").success();
    let table = fs::read_to_string(folder.path().join("x.tsv")).unwrap();
    assert!(table.starts_with("name\tx\n(intercept)\t") && table.lines().count() == 9, "{table}");
}

#[test]
fn choose_compares_rules() {
    let folder = folder();
    run(&folder, "choose prostate.tsv --response lpsa --exclude train --intercept --noise-norm 6.5 --threads 1")
        .success()
        .stdout_eq(str![[r#"
rule                             λ     damping       dof     ‖Ax − b‖    ‖L(x−x₀)‖  flags
GCV                       1.8960e0    1.3770e0     8.527    6.57991e0    1.01778e0
robust GCV                6.3452e0    2.5190e0     7.787    6.67213e0   8.45235e-1
strong robust GCV         2.0396e2    1.4282e1     4.263    8.36723e0   2.48821e-1
modified GCV              3.1055e0    1.7623e0     8.286    6.60193e0   9.58380e-1
leave-one-out             1.6688e0    1.2918e0     8.577    6.57639e0    1.03047e0
evidence                  4.1912e0    2.0472e0     8.099    6.62454e0   9.14382e-1
AICc                      2.2259e0    1.4919e0     8.457    6.58543e0    1.00029e0
BIC                       5.4526e0    2.3351e0     7.908    6.65224e0   8.71462e-1
predictive risk           1.8957e0    1.3769e0     8.527    6.57990e0    1.01779e0
discrepancy            — discrepancy finds no λ in [1.114e-16, ∞]: the residual norm is never below 6.562e0, above the 6.500e0 asked for: the noise is larger than stated or the model does not fit; raise the noise norm, or use Gcv
monotone error         — monotone error finds no λ in [1.114e-16, ∞]: the residual norm is never below 6.562e0, above the 6.500e0 asked for: the noise is larger than stated or the model does not fit; raise the noise norm, or use Gcv
balancing                 8.4999e2    2.9155e1     3.288    9.48849e0   9.02961e-2
L-curve                   2.0379e4    1.4275e2     2.007    1.02475e1   1.44402e-2
L-curve (pruning)         2.5463e4    1.5957e2     1.931    1.02760e1   1.35226e-2
L-curve (triangle)     — L-curve (triangle) finds no λ in [8.026e0, 7.693e4]: the L-curve has no corner there; use Gcv, QuasiOptimality or a noise level
quasi-optimality          4.5573e4    2.1348e2     1.735    1.03764e1   1.10673e-2
Regińska                  7.6932e4    2.7737e2     1.566    1.05073e1   8.74121e-3  upper end
NCP                       8.0255e0    2.8329e0     7.584    6.70935e0   8.02986e-1  lower end
Hoerl–Kennard–Baldwin     2.2427e0    1.4976e0     8.454    6.58572e0   9.99426e-1
Lawless–Wang              3.5588e2    1.8865e1     3.822    8.85357e0   1.74497e-1
noise: standard deviation 6.9950e-1, estimated from the part of b that no x reaches, δ₀/(m − q − r)
The rules disagree: λ from 1.7e0 to 4.6e4, 4.4 decades, 1.7 to 8.6 degrees of freedom; 8 of 15 are near 5.5e0. Look at the solutions, or give the noise level. 2 more ran to the end of their intervals.

"#]])
        .stderr_eq(str![[r#"
note: the column without a name is taken for row labels and left out

"#]]);
    let answer = json(&folder, "choose prostate.tsv --response lpsa --exclude train --intercept --json");
    let solved = json(&folder, "solve prostate.tsv --response lpsa --exclude train --intercept --json --lambda loo");
    let row = |name: &str| answer["rules"].as_array().unwrap().iter().find(|row| row["rule"] == name).unwrap().clone();
    let (compared, alone) = (row("leave-one-out")["lambda"].as_f64().unwrap(), solved["fits"][0]["lambda"].as_f64().unwrap());
    assert!((compared / alone - 1.0).abs() < 1e-6, "{compared} {alone}");
    write(&folder, "B.npy", &Array::matrix(2, 2, Numbers::Real(vec![2.0, 5.0, 4.0, 10.0])).unwrap());
    run(&folder, "choose A.npy B.npy").code(1).stderr_eq(str![[r#"
wellposed: b has 2 columns; rules are compared for one right-hand side

"#]]);
}

#[test]
fn plan_computes_nothing() {
    let folder = folder();
    run(&folder, "plan prostate.tsv --response lpsa --intercept --lambda loo --threads 1 --quiet").success().stdout_eq("");
    run(&folder, "plan prostate.tsv --response lpsa --intercept --lambda loo --threads 1").success().stdout_eq(str![[r#"
A          97×9 f64 dense
penalty    identity
lambda     chosen by leave-one-out
first      reflect the constant out
method     SVD: the rule needs the leverages of the rows

"#]]);
    // b is not needed
    assert_eq!(json(&folder, "plan A.npy --method qr --lambda 0.1 --json")["plan"]["method"], "QR");
}

#[test]
fn demo_ends_near_the_truth() {
    let folder = folder();
    run(&folder, "demo").success().stdout_eq(str![[r#"
baart                       kernel exp(s cos t), x a sine
blur                        an image behind a Gaussian point spread function, standard deviation 0.7 pixels
deriv2-linear               second derivative, x = t
deriv2-exponential          second derivative, x = exp(t)
deriv2-tent                 second derivative, x a tent
foxgood                     kernel √(s² + t²), x = t
gravity-sines               mass at depth 1/4, two sines
gravity-linear              mass at depth 1/4, piecewise linear
gravity-constant            mass at depth 1/4, piecewise constant
heat                        inverse heat equation, κ = 1
heat-5                      inverse heat equation, κ = 5: hardly ill-conditioned
inverse-laplace-decay       inverse Laplace transform, x = exp(−t/2)
inverse-laplace-rise        inverse Laplace transform, x = 1 − exp(−t/2)
inverse-laplace-peak        inverse Laplace transform, x = t² exp(−t/2)
inverse-laplace-step        inverse Laplace transform, x a step at 2
parallax                    stellar parallaxes: 26 real data, x unknown
phillips                    a cosine bump seen through one like it
shaw                        brightness behind a slit
spikes                      a step and five spikes behind a diffusing kernel
tomo                        an image from line integrals along as many random rays as it has pixels
ursell                      an equation without a square-integrable solution
wing                        a box behind a smooth kernel
diffusion                   a temperature on a plate from what is left of it at time 0.01
nmr                         joint distribution of two relaxation times: 2-D Laplace transform
inverse-interpolation       values on a grid from those at scattered points
deblur-gaussian-zero        a picture through a Gaussian, standard deviation 2 pixels; darkness beyond the edges
deblur-gaussian-periodic    a picture through a Gaussian, standard deviation 2 pixels; the other side beyond the edges
deblur-gaussian-reflective  a picture through a Gaussian, standard deviation 2 pixels; the mirror image beyond the edges
deblur-motion-zero          a picture behind a stroke of 9 pixels at 30°; darkness beyond the edges
deblur-motion-periodic      a picture behind a stroke of 9 pixels at 30°; the other side beyond the edges
deblur-motion-reflective    a picture behind a stroke of 9 pixels at 30°; the mirror image beyond the edges
deblur-defocus-zero         a picture behind a disc of radius 3 pixels; darkness beyond the edges
deblur-defocus-periodic     a picture behind a disc of radius 3 pixels; the other side beyond the edges
deblur-defocus-reflective   a picture behind a disc of radius 3 pixels; the mirror image beyond the edges
parallel-tomography         a head from projections at 60 angles

"#]]);
    run(&folder, "demo shaw --size 32 --noise 0.01 --lambda discrepancy --report r.json --out x.npy").success().stdout_eq(str![[r#"
shaw: brightness behind a slit; 32 data, 32 unknowns, noise 1.0e-2 of the data, seed 1
A          32×32 f64 dense
penalty    first difference (free)
lambda     chosen by discrepancy
first      standard form
method     SVD: many λ on a small problem
λ          2.4214e-1 (damping 4.9208e-1)
‖Ax − b‖   1.318736e-1
‖L(x−x₀)‖  2.538397e-1
dof        4.0011
rank       32 of 32
condition  about 1.1e14, of what SVD factored
criterion  discrepancy 1.318736e-1

relative error of x
  this λ           5.373e-1   at λ = 2.42e-1
  the best λ       2.727e-1   at λ = 8.21e-4, which only the known answer tells
  no penalty       2.614e10   least squares

                                                     ·····
                                                          ··
                                                   ··
                                                            oooooooooooo
                                                 ··  ooooooo··
                                                 oooo
                                              ●●●
                     ·········              oo                ···
            ooooo●●●●ooooooooo●●●··  ooooooo··
oooooooooooo  ···                oo●●··   ··                     ··
            ··                         ···
       ·····                                                       ··
   ····                                                              ··
···                                                                    ·
· the truth    o this solution    ● both; from 0.088 to 2.014

"#]]);
    assert_eq!(real(&folder, "x.npy").len(), 32);
    run(&folder, "demo deriv2-linear --penalty second --json --report r.json").code(1).stderr_eq(str![[r#"
wellposed: r.json: exists already; --force overwrites it

"#]]);
    assert_eq!(json(&folder, "demo deriv2-linear --penalty second --json")["status"], "ok");
    // λ is chosen by what the demo knows, and it says why
    let says = |line: &str, words: &str| {
        let shown = String::from_utf8(run(&folder, line).success().get_output().stdout.clone()).unwrap();
        assert!(shown.contains(words), "{shown}");
    };
    says("demo shaw --size 32", "\nλ is chosen by discrepancy, since the norm of the noise is known here: ");
    says("demo deriv2-linear --penalty second", "\nλ is chosen by strong robust GCV, since discrepancy finds no λ");
    says("demo phillips --noise 0 --size 32", "\nλ is chosen by strong robust GCV, since there is no noise");
}

/// Every rule by its name gives the λ that the library's comparison gives it.
#[test]
fn every_rule_has_a_name() {
    let folder = folder();
    let table = "prostate.tsv --response lpsa --exclude train --intercept --json";
    let compared = json(&folder, &format!("choose {table}"));
    let rows = compared["rules"].as_array().unwrap();
    for (word, name) in [
        ("gcv", "GCV"),
        ("robust-gcv", "robust GCV"),
        ("strong-robust-gcv:0.95", "strong robust GCV"),
        ("modified-gcv", "modified GCV"),
        ("evidence", "evidence"),
        ("aicc", "AICc"),
        ("bic", "BIC"),
        ("upre", "predictive risk"),
        ("quasi-optimality", "quasi-optimality"),
        ("reginska", "Regińska"),
        ("ncp", "NCP"),
        ("hkb", "Hoerl–Kennard–Baldwin"),
        ("lawless-wang", "Lawless–Wang"),
        ("balancing", "balancing"),
        ("l-curve", "L-curve"),
    ] {
        let row = rows.iter().find(|row| row["rule"] == name).unwrap_or_else(|| panic!("{name}"));
        let line = format!("solve {table} --lambda {word}");
        match row["lambda"].as_f64() {
            Some(lambda) => {
                let alone = json(&folder, &line)["fits"][0]["lambda"].as_f64().unwrap();
                assert!((alone / lambda - 1.0).abs() < 1e-6, "{word}: {alone} {lambda}");
            }
            None => drop(run(&folder, &line).failure()),
        }
    }
    let dof = json(&folder, &format!("solve {table} --lambda dof:5"))["fits"][0]["dof"].as_f64().unwrap();
    assert!((dof - 5.0).abs() < 1e-8, "{dof}");
}

#[test]
fn pages_are_written() {
    let folder = folder();
    let page = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    run(&folder, "demo shaw --size 32 --html demo.html --quiet").success().stdout_eq("").stderr_eq("");
    let demo = page("demo.html");
    assert!(demo.starts_with("<!DOCTYPE html>") && demo.contains("<h1>shaw:") && demo.trim_end().ends_with("</html>"));
    assert!(["src=\"http", "href=\"http", "url(http"].iter().all(|fetch| !demo.contains(fetch)), "the page fetches something");
    // conjugate gradients have no singular vectors: the page is made from a decomposition
    run(&folder, "solve prostate.tsv --response lpsa --intercept --lambda 2 --method cgls --html solve.html --quiet").success();
    assert!(page("solve.html").contains("<h1>column lpsa of prostate.tsv from prostate.tsv"));
    let refused = |line: &str, code: i32, why: &str| {
        let said = run(&folder, line).code(code).get_output().stderr.clone();
        assert!(String::from_utf8(said).unwrap().contains(why), "{line}");
    };
    refused("demo shaw --html demo.html", 1, "exists already; --force overwrites it");
    refused("demo shaw --html a.html --report a.html", 2, "--report and --html name the same file");
    refused("solve A.npy b.npy --lambda 0 --html zero.html", 2, "λ = 0 is none");
    write(&folder, "B.npy", &Array::matrix(2, 2, Numbers::Real(vec![2.0, 5.0, 4.0, 10.0])).unwrap());
    refused("solve A.npy B.npy --lambda 1 --html two.html", 1, "b has 2 columns");
    assert!(!folder.path().join("zero.html").exists() && !folder.path().join("two.html").exists());
}

/// x between bounds, from the range and from a file; what does not go with it.
#[test]
fn bounds_are_kept() {
    let folder = folder();
    // A = diag(1, 2), b = (2, 5), λ = 1: x = (1, 2) without bounds
    for (bounds, expected) in [(":1.5", [1.0, 1.5]), ("1.25:", [1.25, 2.0]), ("-1:0.5", [0.5, 0.5]), ("0:9", [1.0, 2.0])] {
        let answer = json(&folder, &format!("solve A.npy b.npy --lambda 1 --bounds {bounds} --json"));
        let x: Vec<f64> = answer["x"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_close(&x, &expected);
        assert!(answer["bounds"][0]["kkt_residual"].as_f64().unwrap() < 1e-10);
    }
    write(&folder, "bounds.npy", &Array::matrix(2, 2, Numbers::Real(vec![0.0, -1e300, 0.5, 1e300])).unwrap());
    run(&folder, "solve A.npy b.npy --lambda 1 --bounds bounds.npy --quiet --out x.npy").success();
    assert_close(&real(&folder, "x.npy"), &[0.5, 2.0]);
    for (line, words) in [
        ("solve A.npy b.npy --bounds 2:1", "lower bound first"),
        ("solve A.npy b.npy --bounds b.npy", "needed: the lower and the upper bound"),
        ("solve A.npy b.npy --bounds 0: --html page.html", "leave one of the two out"),
        ("solve A.npy b.npy --bounds 0: --lambda l-curve", "use Gcv"),
        ("choose A.npy b.npy --bounds 0:", "leave --bounds out"),
    ] {
        let output = run(&folder, line).failure();
        let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(text.contains(words), "{line}: {text}");
    }
}

#[test]
fn completions_and_manual_are_generated() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = run(&folder, &format!("completions {shell}")).success().get_output().stdout.clone();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("wellposed") && text.contains("noise-norm") && text.contains("robust") | text.contains("cholesky"),
            "{shell}"
        );
    }
    let page = |line: &str| String::from_utf8(run(&folder, line).success().get_output().stdout.clone()).unwrap();
    let main = page("man");
    assert!(main.contains(".TH wellposed 1") && main.contains("130"), "{main}");
    let solve = page("man solve");
    assert!(solve.contains(".TH wellposed-solve 1") && solve.contains("prior\\-mean"), "{solve}");
    run(&folder, "man sovle").code(2).stderr_eq(str![[r#"
wellposed: there is no subcommand sovle: there are solve, choose, plan, demo, completions, man

"#]]);
}

#[test]
fn help_says_what_there_is() {
    let folder = folder();
    run(&folder, "--help").success().stdout_eq(str![[r#"
Solves min ‖Ax − b‖² + λ‖Lx‖² for matrices in files, and chooses λ.

λ multiplies the squared penalty exactly as written: it is scikit-learn's alpha. The damping √λ of
LSQR and Regularization Tools is --damping.

Files: .npy, .npz (file.npz:A names an array), .mtx and .mtx.gz, .csv, .tsv and .txt (file.csv:y
names a column), .png (an image as b is one column, its pixels column after column). All computing
is in double precision.

Usage: wellposed <COMMAND>

Commands:
  solve        Solve for x, with λ given or chosen by a rule
  choose       Compare what each rule would choose for λ
  plan         Say what `solve` would do, and why, without computing anything
  demo         Solve a test problem whose answer is known, and show how far off it is
  completions  Print completions for a shell: `wellposed completions bash >
               ~/.local/share/bash-completion/completions/wellposed`
  man          Print the manual page: `wellposed man | man -l -`
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Exit status:
  0    solved, or printed what was asked for
  1    a file or the data in it were refused, or a result could not be written
  2    the command line was not understood
  3    no answer: a rule found no λ, or an iteration did not converge
  130  interrupted by Ctrl-C; --report and --out then hold what there was

"#]]);
    run(&folder, "--version").success().stdout_eq(concat!("wellposed ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = String::from_utf8(run(&folder, "solve --help").success().get_output().stdout.clone()).unwrap();
    for word in ["--penalty", "--damping", "--noise-std", "--weights", "--prior-mean", "--report", "--force", "Exit status", "robust-gcv"] {
        assert!(help.contains(word), "{word}");
    }
}

/// Files and data: status 1, with file, line, row and column. Words: 2. No answer: 3.
#[test]
fn errors_say_where_and_how_to_go_on() {
    let folder = folder();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("short.txt", "1\n2\n3\n");
    put("gap.csv", "x,y,z\n1,2,3\n4,,6\n7,8,abc\n");
    put("zero.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n0 1 1.5\n");
    put("words.csv", "a,b\nred,1\nblue,2\n");
    let mut all = String::new();
    for (line, code) in [
        ("solve absent.npy b.npy", 1),
        ("solve A.npy short.txt", 1),
        ("solve A.npy", 2),
        ("solve gap.csv --response y", 1),
        ("solve gap.csv --response x", 1),
        ("solve gap.csv --response w", 1),
        ("solve gap.csv b.npy", 1),
        ("solve words.csv --response a", 1),
        ("solve zero.mtx b.npy", 1),
        ("solve A.dat b.npy", 1),
        ("solve A.npy b.npy --weights short.txt", 1),
        ("solve A.npy b.npy --penalty short.txt", 1),
        ("solve A.npy b.npy --grid 3x4", 1),
        ("solve A.npy b.npy --lambda -1", 1),
        ("solve A.npy b.npy --out b.npy", 1),
        ("solve A.npy b.npy --out x.png", 1),
        ("solve A.npy b.npy --out x.npy --report x.npy", 2),
        ("solve A.npy b.npy --lambda discrepancy", 2),
        ("solve A.npy b.npy --noise-norm 1", 2),
        ("solve A.npy b.npy --steps 3", 2),
        ("solve A.npy b.npy --boundary zero", 2),
        ("solve A.npy b.npy --lambda discrepancy --noise-norm 1e9", 3),
        ("solve A.npy b.npy --lambda 1e-9 --method cgls --max-steps 1", 3),
        ("demo shew", 2),
        ("plan A.npy b.npy --response y", 2),
        ("solve A.npy b.npy --lambda gvc", 2),
        ("frobnicate", 2),
    ] {
        let output = run(&folder, line).code(code).stdout_eq("").get_output().stderr.clone();
        all += &format!("$ wellposed {line}\n{}\n", String::from_utf8(output).unwrap());
    }
    snapbox::assert_data_eq!(
        all,
        str![[r#"
$ wellposed solve absent.npy b.npy
wellposed: absent.npy: there is no such file

$ wellposed solve A.npy short.txt
wellposed: short.txt has 3 rows, but A (A.npy) has 2: each row of A needs one value

$ wellposed solve A.npy
wellposed: name b after A; or --response, the column of the table A that is b

$ wellposed solve gap.csv --response y
wellposed: gap.csv, line 4, column 3 (z): 'abc' is not a number

$ wellposed solve gap.csv --response x
wellposed: gap.csv, line 3, column 2 (y): the cell is empty; impute it, or remove the row

$ wellposed solve gap.csv --response w
wellposed: gap.csv: has no column 'w': it has x, y, z

$ wellposed solve gap.csv b.npy
wellposed: gap.csv, line 3, column 2 (y): the cell is empty; impute it, or remove the row

$ wellposed solve words.csv --response a
wellposed: words.csv, line 2, column 1 (a): 'red' is not a number

$ wellposed solve zero.mtx b.npy
wellposed: zero.mtx, line 3: row 0 does not exist: Matrix Market counts from 1

$ wellposed solve A.dat b.npy
wellposed: A.dat: the end of the name tells no format; known are .npy, .npz, .mtx, .csv, .tsv, .txt, .png, and .mtx, .csv, .tsv, .txt with .gz

$ wellposed solve A.npy b.npy --weights short.txt
wellposed: short.txt is 3×1, but 2×1 is needed: one value for each row of A

$ wellposed solve A.npy b.npy --penalty short.txt
wellposed: L (short.txt) has 1 columns, but A (A.npy) has 2

$ wellposed solve A.npy b.npy --grid 3x4
wellposed: --grid 3x4 does not have the 2 pixels that A (A.npy) has columns

$ wellposed solve A.npy b.npy --lambda -1
wellposed: λ is -1, but it must be finite and ≥ 0; for an infinite penalty use a prior mean or remove the columns

$ wellposed solve A.npy b.npy --out b.npy
wellposed: b.npy: exists already; --force overwrites it

$ wellposed solve A.npy b.npy --out x.png
wellposed: x.png: needs the shape of the image: --grid ROWSxCOLUMNS

$ wellposed solve A.npy b.npy --out x.npy --report x.npy
wellposed: --out and --report name the same file

$ wellposed solve A.npy b.npy --lambda discrepancy
wellposed: --lambda discrepancy needs the noise: --noise-norm, --relative-noise or --noise-std

$ wellposed solve A.npy b.npy --noise-norm 1
wellposed: --noise-norm and --relative-noise are for --lambda discrepancy; add it, or leave them out

$ wellposed solve A.npy b.npy --steps 3
wellposed: --tolerance, --max-steps, --steps and --accept-partial belong to --method cgls, lsqr, lsmr and hybrid-lsqr; add one

$ wellposed solve A.npy b.npy --boundary zero
wellposed: --boundary belongs to differences: add --penalty first or --penalty second

$ wellposed solve A.npy b.npy --lambda discrepancy --noise-norm 1e9
wellposed: discrepancy finds no λ in [1.388e-17, ∞]: the residual norm is never above 5.385e0, below the 1.000e9 asked for: even λ = ∞ (x₀ and what the penalty leaves free) fits to within that noise; lower it

$ wellposed solve A.npy b.npy --lambda 1e-9 --method cgls --max-steps 1
wellposed: CGLS stopped after 1 steps at 1.5e-1, before its tolerance 2.2e-15: allow more with --max-steps, ask for less with --tolerance, take what there is with --accept-partial, or use a larger λ; if the numbers look wrong, check the operator with operator::dot_test

$ wellposed demo shew
wellposed: there is no demo shew: there are baart, blur, deriv2-linear, deriv2-exponential, deriv2-tent, foxgood, gravity-sines, gravity-linear, gravity-constant, heat, heat-5, inverse-laplace-decay, inverse-laplace-rise, inverse-laplace-peak, inverse-laplace-step, parallax, phillips, shaw, spikes, tomo, ursell, wing, diffusion, nmr, inverse-interpolation, deblur-gaussian-zero, deblur-gaussian-periodic, deblur-gaussian-reflective, deblur-motion-zero, deblur-motion-periodic, deblur-motion-reflective, deblur-defocus-zero, deblur-defocus-periodic, deblur-defocus-reflective, parallel-tomography

$ wellposed plan A.npy b.npy --response y
error: the argument '[b]' cannot be used with '--response <COLUMN>'

Usage: wellposed plan <A> <b>

For more information, try '--help'.

$ wellposed solve A.npy b.npy --lambda gvc
error: invalid value 'gvc' for '--lambda <NUMBER|RULE>': give a number or a rule: gcv, robust-gcv[:GAMMA], strong-robust-gcv[:GAMMA], modified-gcv[:FACTOR], loo, kfold[:FOLDS], evidence, aicc, bic, upre, discrepancy, monotone-error, balancing, l-curve, l-curve-pruning, l-curve-triangle, quasi-optimality, reginska[:MU], ncp, hkb, lawless-wang, dof:NUMBER, norm-fraction:FRACTION

For more information, try '--help'.

$ wellposed frobnicate
error: unrecognized subcommand 'frobnicate'

Usage: wellposed <COMMAND>

For more information, try '--help'.


"#]]
    );
    assert!(!folder.path().join("x.npy").exists() && !folder.path().join("x.png").exists());
}

#[test]
fn failures_are_reported_as_json_too() {
    let folder = folder();
    let output =
        run(&folder, "solve A.npy b.npy --lambda discrepancy --noise-norm 1e9 --json --report r.json").code(3).get_output().stdout.clone();
    let printed: Value = serde_json::from_slice(&output).unwrap();
    let written: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(printed, written);
    assert_eq!(printed["status"], "failed");
    assert_eq!(printed["exit_status"], 3);
    assert!(printed["error"].as_str().unwrap().contains("discrepancy finds no λ"));
}

#[test]
fn files_are_overwritten_only_by_force() {
    let folder = folder();
    fs::write(folder.path().join("x.npy"), "precious").unwrap();
    run(&folder, "solve A.npy b.npy --lambda 1 --out x.npy").code(1).stdout_eq("").stderr_eq(str![[r#"
wellposed: x.npy: exists already; --force overwrites it

"#]]);
    assert_eq!(fs::read(folder.path().join("x.npy")).unwrap(), b"precious");
    run(&folder, "solve A.npy b.npy --lambda 1 --out x.npy --force --quiet").success();
    assert_close(&real(&folder, "x.npy"), &[1.0, 2.0]);
}

#[test]
fn images_go_in_and_out() {
    let folder = folder();
    let n = 12;
    // pixels column after column, so that an image that is not symmetric shows a transposition
    let pixels: Vec<f64> = (0..n).map(|k| f64::from(k as u16 * 4369) / 65535.0).collect();
    write(&folder, "b.png", &Array::matrix(3, 4, Numbers::Real(pixels.clone())).unwrap());
    let identity = (0..n * n).map(|k| f64::from(u8::from(k % (n + 1) == 0))).collect();
    write(&folder, "I.npy", &Array::matrix(n, n, Numbers::Real(identity)).unwrap());
    run(&folder, "solve I.npy b.png --lambda 0 --out x.png --quiet").success().stderr_eq("");
    let image = read(&folder, "x.png");
    assert_eq!((image.rows, image.columns, image.shape), (3, 4, Shape::Image));
    for (k, pixel) in pixels.iter().enumerate() {
        assert!((image.get(k % 3, k / 3).unwrap().re - pixel).abs() < 1e-4);
    }
    // differences along both axes of the grid that b has
    let plan = json(&folder, "plan I.npy b.png --penalty first --lambda 0.1 --json");
    assert_eq!(plan["plan"]["penalty"], "first difference on a 3×4 grid (free)");
    run(&folder, "solve A.npy b.npy --lambda 1e-9 --out y.png --grid 1x2").success().stderr_eq(str![[r#"
note: 2 of 2 pixels are below 0 or above 1; y.png shows them black or white

"#]]);
}

/// Bidiagonal n×n, 1 on the diagonal and −1 below.
fn large_sparse(folder: &TempDir, n: usize) {
    let mut text = format!("%%MatrixMarket matrix coordinate real general\n{n} {n} {}\n", 2 * n - 1);
    for i in 1..=n {
        text += &format!("{i} {i} 1\n");
        if i > 1 {
            text += &format!("{i} {} -1\n", i - 1);
        }
    }
    fs::write(folder.path().join("D.mtx"), text).unwrap();
    write(folder, "ones.npy", &Array::vector(Numbers::Real(vec![1.0; n])));
}

#[test]
fn sparse_matrices_stay_sparse() {
    let folder = folder();
    large_sparse(&folder, 5000);
    let plan = json(&folder, "plan D.mtx --lambda 1 --json");
    assert_eq!((&plan["plan"]["storage"], &plan["plan"]["stored"]), (&"sparse".into(), &9999.into()));
    run(&folder, "solve D.mtx ones.npy --lambda 1 --out x.npy --quiet").success();
    let x = real(&folder, "x.npy");
    // (DᵀD + I)x = Dᵀb, row by row; Dᵀ1 = (0, …, 0, 1)
    for i in 0..x.len() {
        let last = i + 1 == x.len();
        let below = if last { 0.0 } else { x[i] - x[i + 1] };
        let above = if i > 0 { x[i] - x[i - 1] } else { x[i] };
        let normal = above + below + x[i] - f64::from(u8::from(last));
        assert!(normal.abs() < 1e-12, "{i}: {normal}");
    }
    // entries in the same place add up, and every method takes the same matrix
    fs::write(folder.path().join("S.mtx"), "%%MatrixMarket matrix coordinate real general\n2 2 3\n1 1 1\n2 2 0.5\n2 2 1.5\n").unwrap();
    for method in ["cgls", "lsmr", "cholesky", "qr", "svd", "auto"] {
        run(&folder, &format!("solve S.mtx b.npy --lambda 0 --method {method} --quiet --force --out s.npy")).success();
        assert_close(&real(&folder, "s.npy"), &[2.0, 2.5]);
    }
    // a sparse L, with a sparse and with a dense A
    fs::write(folder.path().join("I.mtx"), "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n2 2 1\n").unwrap();
    for a in ["S.mtx", "A.npy"] {
        let x = |penalty: &str| json(&folder, &format!("solve {a} b.npy --lambda 1 --penalty {penalty} --json"))["x"].clone();
        assert_eq!(x("I.mtx"), x("identity"));
    }
}

/// Rules on a sparse matrix, by the sparse factorization and by the hybrid iteration, choose as on the same matrix written out.
#[test]
fn rules_choose_on_sparse_matrices() {
    let folder = folder();
    let n = 300;
    large_sparse(&folder, n);
    // D of a wave, and half as much noise
    let noisy = (0..n).map(|i| (2.5 * i as f64).cos() - (2.5 * i as f64 - 2.5).cos() + 0.5 * ((i * i * 7919) as f64).sin()).collect();
    write(&folder, "noisy.npy", &Array::vector(Numbers::Real(noisy)));
    let lambda = |method: &str| {
        let answer = json(&folder, &format!("solve D.mtx noisy.npy --lambda gcv --method {method} --json"));
        assert!(answer["warnings"].as_array().unwrap().is_empty(), "{answer}");
        (answer["fits"][0]["lambda"].as_f64().unwrap(), answer["method"].as_str().unwrap().to_owned())
    };
    let (dense, sparse, hybrid) = (lambda("svd"), lambda("auto"), lambda("hybrid-lsqr"));
    assert_eq!([&dense.1, &sparse.1, &hybrid.1], ["SVD", "sparse Cholesky", "hybrid LSQR"]);
    assert!((sparse.0 / dense.0 - 1.0).abs() < 1e-4, "{dense:?} {sparse:?}");
    // degrees of freedom that the space of b does not have count as well
    assert!((hybrid.0 / dense.0 - 1.0).abs() < 0.01, "{dense:?} {hybrid:?}");
}

/// What a matrix is too large for is refused, with a way out; and with that way out it works.
#[test]
fn what_is_too_large_to_be_decomposed_says_so() {
    let folder = folder();
    large_sparse(&folder, 6000);
    let refused = run(&folder, "choose D.mtx ones.npy").code(1);
    let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(said.contains("wellposed solve") && said.contains("--lambda"), "{said}");
}

/// The README shows what the command prints.
#[test]
fn the_readme_is_true() {
    let folder = folder();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::copy(format!("{DATA}/prostate.tsv"), folder.path().join("data/prostate.tsv")).unwrap();
    let mut count = 0;
    for block in include_str!("../README.md").split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let (line, printed) = block.split_once('\n').unwrap();
        run(&folder, line.strip_prefix("$ wellposed ").unwrap()).success().stdout_eq(printed.to_owned());
        count += 1;
    }
    assert_eq!(count, 2);
}

/// Whoever reads the output may stop reading.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(snapbox::cmd::cargo_bin!("wellposed"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

/// Starts the command, sends it Ctrl-C when it says that it computes, and returns its status and what it said.
#[cfg(unix)]
fn interrupt(folder: &Path, line: &str) -> (Option<i32>, String) {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let mut child = Command::new(snapbox::cmd::cargo_bin!("wellposed"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !said.ends_with("wellposed: computing\n") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "ended before it computed: {said}");
    }
    // into the computation; a slow machine only makes it the same test nearer to the start
    std::thread::sleep(std::time::Duration::from_millis(300));
    // to the child started above, which has not been waited for, so that its id is still its own
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[cfg(unix)]
#[test]
fn an_interrupted_iteration_leaves_what_it_has() {
    let folder = folder();
    // its condition is about n, so that conjugate gradients make about n steps
    large_sparse(&folder, 60_000);
    let (code, said) = interrupt(folder.path(), "solve D.mtx ones.npy --method cgls --lambda 1e-12 --out x.npy --report r.json --verbose");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted after"), "{said}");
    let report: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(report["status"], "interrupted");
    assert_eq!(report["converged"], false);
    let steps = report["steps"].as_u64().unwrap();
    assert!((1..60_000).contains(&steps), "{steps}");
    assert_eq!(real(&folder, "x.npy").len(), 60_000);
}

#[cfg(unix)]
#[test]
fn an_interrupted_decomposition_leaves_its_plan() {
    let folder = folder();
    let n = 1500;
    let entries = (0..n * n).map(|k| ((k % 8191 * 37) as f64).sin()).collect();
    write(&folder, "A.npy", &Array::matrix(n, n, Numbers::Real(entries)).unwrap());
    write(&folder, "b.npy", &Array::vector(Numbers::Real(vec![1.0; n])));
    let (code, said) = interrupt(folder.path(), "solve A.npy b.npy --method svd --threads 1 --out x.npy --report r.json --verbose");
    assert_eq!(code, Some(130), "{said}");
    let report: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(report["status"], "interrupted");
    assert_eq!(report["plan"]["method"], "SVD");
    assert!(!folder.path().join("x.npy").exists());
    // the files of the problem, and nothing half-written
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}
