//! The cases of `testdata/*.toml` (schema: testdata/README.md) as problems of any scalar type, in any container.
#![allow(dead_code)]

use serde::Deserialize;
use wellposed::operator::Entries;
use wellposed::{DenseView, Operator, Penalty, Problem, Real, Scalar};

/// What a case and a rule case have in common: the problem without λ.
#[derive(Debug, Deserialize)]
pub struct Given {
    pub name: String,
    pub scalar: String,
    pub rows: usize,
    pub columns: usize,
    pub a: Vec<f64>,
    pub a_imag: Option<Vec<f64>>,
    pub b: Vec<f64>,
    pub b_imag: Option<Vec<f64>>,
    pub weights: Option<Vec<f64>>,
    pub noise_std: Option<Vec<f64>>,
    pub prior_mean: Option<Vec<f64>>,
    pub prior_mean_imag: Option<Vec<f64>>,
    #[serde(default)]
    pub intercept: bool,
    pub penalty: PenaltySpec,
}

#[derive(Debug, Deserialize)]
pub struct PenaltySpec {
    pub kind: String,
    pub rows: Option<usize>,
    pub l: Option<Vec<f64>>,
    pub l_imag: Option<Vec<f64>>,
    pub weights: Option<Vec<f64>>,
    pub terms: Option<Vec<Term>>,
}

#[derive(Debug, Deserialize)]
pub struct Term {
    pub weight: f64,
    #[serde(flatten)]
    pub penalty: PenaltySpec,
}

/// A problem at one λ, and its answer.
#[derive(Debug, Deserialize)]
pub struct Case {
    #[serde(flatten)]
    pub given: Given,
    pub lambda: f64,
    pub x: Vec<f64>,
    pub x_imag: Option<Vec<f64>>,
    pub intercept_value: Option<f64>,
    pub intercept_value_imag: Option<f64>,
    pub x_norm: f64,
    pub residual_norm: f64,
    pub penalty_norm: f64,
    pub dof: f64,
    pub rank: usize,
    pub minimum_norm: bool,
    pub condition: f64,
    pub stacked_norm: f64,
}

/// A problem whose λ a rule has to find.
#[derive(Debug, Deserialize)]
pub struct RuleCase {
    #[serde(flatten)]
    pub given: Given,
    pub sigma1_squared: f64,
    pub unpenalised: usize,
    pub gcv_minima: Vec<f64>,
    pub gcv_values: Vec<f64>,
    pub robust_gamma: f64,
    pub robust_gcv_minima: Vec<f64>,
    pub robust_gcv_values: Vec<f64>,
    pub loo_minima: Vec<f64>,
    pub loo_values: Vec<f64>,
    pub reml_minima: Vec<f64>,
    pub modified_factor: f64,
    pub modified_gcv_minima: Vec<f64>,
    pub modified_gcv_values: Vec<f64>,
    pub strong_gamma: f64,
    pub strong_robust_gcv_minima: Vec<f64>,
    pub strong_robust_gcv_values: Vec<f64>,
    pub aicc_minima: Vec<f64>,
    pub aicc_values: Vec<f64>,
    pub bic_minima: Vec<f64>,
    pub bic_values: Vec<f64>,
    pub risk_minima: Vec<f64>,
    pub risk_values: Vec<f64>,
    pub inside_low: f64,
    pub quasi_optimality_minima: Vec<f64>,
    pub quasi_optimality_values: Vec<f64>,
    pub reginska_minima: Vec<f64>,
    pub reginska_values: Vec<f64>,
    pub curvature_minima: Vec<f64>,
    pub curvature_values: Vec<f64>,
    pub monotone_error_lambda: Option<f64>,
    pub hkb_lambda: Option<f64>,
    pub lawless_wang_lambda: Option<f64>,
    pub half_dof: f64,
    pub half_dof_lambda: f64,
    pub half_norm_lambda: Option<f64>,
    pub noise_norm: f64,
    pub safety: f64,
    pub discrepancy_lambda: Option<f64>,
    pub curve_lambda: Vec<f64>,
    pub curve_residual_norm: Vec<f64>,
    pub curve_penalty_norm: Vec<f64>,
    pub curve_dof: Vec<f64>,
    pub curve_gcv: Vec<f64>,
    pub curve_loo: Vec<f64>,
    pub curve_log_gcv_derivative: Vec<f64>,
}

/// A number printed elsewhere, recomputed.
#[derive(Debug, Deserialize)]
pub struct Published {
    pub name: String,
    pub value: String,
    pub printed: String,
    pub agrees: bool,
    pub definition: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
    #[serde(default)]
    rule_case: Vec<RuleCase>,
    #[serde(default)]
    published: Vec<Published>,
}

/// The text of a file in testdata.
pub fn text(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn file(name: &str) -> File {
    toml::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const CASE_FILES: [&str; 10] = [
    "tall.toml",
    "wide.toml",
    "square.toml",
    "deficient.toml",
    "graded.toml",
    "complex.toml",
    "weighted.toml",
    "prior.toml",
    "intercept.toml",
    "general_l.toml",
];

pub fn cases() -> Vec<Case> {
    CASE_FILES.iter().flat_map(|name| file(name).case).collect()
}

pub fn rule_cases() -> Vec<RuleCase> {
    file("rules.toml").rule_case
}

pub fn published() -> Vec<Published> {
    file("published.toml").published
}

/// A column-major matrix that owns its entries and shows them.
#[derive(Debug, Clone)]
pub struct Dense<T> {
    pub rows: usize,
    pub columns: usize,
    pub entries: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    pub fn from_fn(rows: usize, columns: usize, entry: impl Fn(usize, usize) -> T) -> Self {
        let entries = (0..rows * columns).map(|t| entry(t % rows, t / rows)).collect();
        Self { rows, columns, entries }
    }

    pub fn view(&self) -> DenseView<'_, T> {
        DenseView::column_major(&self.entries, self.rows, self.columns).unwrap()
    }

    pub fn at(&self, i: usize, j: usize) -> T {
        self.entries[j * self.rows + i]
    }

    /// The same entries, one row after another.
    pub fn row_major(&self) -> Vec<T> {
        (0..self.rows).flat_map(|i| (0..self.columns).map(move |j| self.at(i, j))).collect()
    }

    /// y = Ax, by the definition.
    pub fn times(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; self.rows];
        for j in 0..self.columns {
            for (i, y) in y.iter_mut().enumerate() {
                *y += self.at(i, j) * x[j];
            }
        }
        y
    }

    /// x = Aᴴy, by the definition.
    pub fn adjoint_times(&self, y: &[T]) -> Vec<T> {
        (0..self.columns).map(|j| (0..self.rows).fold(T::ZERO, |sum, i| sum + self.at(i, j).conj() * y[i])).collect()
    }
}

impl<T: Scalar> Operator for Dense<T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        self.view().apply(x, y)
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T]) {
        self.view().apply_adjoint(y, x)
    }
    fn entries(&self) -> Entries<'_, T> {
        Entries::Dense(self.view())
    }
}

/// A case's problem in a scalar type: everything that [`Problem`] borrows.
pub struct Data<T: Scalar> {
    pub a: Dense<T>,
    pub b: Vec<T>,
    pub weights: Option<Vec<T::Real>>,
    pub noise_std: Option<Vec<T::Real>>,
    pub prior_mean: Option<Vec<T>>,
    pub intercept: bool,
    pub penalty: OwnedPenalty<T>,
}

pub enum OwnedPenalty<T: Scalar> {
    Identity,
    Diagonal(Vec<T::Real>),
    FirstDifference,
    SecondDifference,
    Matrix(Dense<T>),
    Gamma(Dense<T>),
    Sum(Vec<(f64, OwnedPenalty<T>)>),
}

fn real<T: Scalar>(value: f64) -> T::Real {
    T::Real::from_f64(value)
}

/// Scalars from their real parts and, where given, their imaginary parts.
pub fn scalars<T: Scalar>(re: &[f64], im: Option<&[f64]>) -> Vec<T> {
    re.iter().enumerate().map(|(i, &v)| T::from_parts(real::<T>(v), real::<T>(im.map_or(0.0, |im| im[i])))).collect()
}

fn from_rows<T: Scalar>(rows: usize, columns: usize, re: &[f64], im: Option<&[f64]>) -> Dense<T> {
    assert_eq!(re.len(), rows * columns);
    let entries: Vec<T> = scalars(re, im);
    Dense::from_fn(rows, columns, |i, j| entries[i * columns + j])
}

impl PenaltySpec {
    fn owned<T: Scalar>(&self, columns: usize) -> OwnedPenalty<T> {
        let matrix = || from_rows(self.rows.unwrap(), columns, self.l.as_ref().unwrap(), self.l_imag.as_deref());
        match self.kind.as_str() {
            "identity" => OwnedPenalty::Identity,
            "diagonal" => OwnedPenalty::Diagonal(self.weights.as_ref().unwrap().iter().map(|&w| real::<T>(w)).collect()),
            "first_difference" => OwnedPenalty::FirstDifference,
            "second_difference" => OwnedPenalty::SecondDifference,
            "matrix" => OwnedPenalty::Matrix(matrix()),
            "gamma" => OwnedPenalty::Gamma(matrix()),
            "sum" => {
                OwnedPenalty::Sum(self.terms.as_ref().unwrap().iter().map(|term| (term.weight, term.penalty.owned(columns))).collect())
            }
            other => panic!("penalty {other}"),
        }
    }
}

impl<T: Scalar> OwnedPenalty<T> {
    fn borrow(&self) -> Penalty<'_, T> {
        match self {
            OwnedPenalty::Identity => Penalty::identity(),
            OwnedPenalty::Diagonal(w) => Penalty::diagonal(w),
            OwnedPenalty::FirstDifference => Penalty::first_difference(),
            OwnedPenalty::SecondDifference => Penalty::second_difference(),
            OwnedPenalty::Matrix(l) => Penalty::matrix(l),
            OwnedPenalty::Gamma(l) => Penalty::gamma(l),
            OwnedPenalty::Sum(terms) => Penalty::sum(terms.iter().map(|(weight, term)| (*weight, term.borrow()))),
        }
    }

    pub fn is_identity(&self) -> bool {
        matches!(self, OwnedPenalty::Identity)
    }

    /// The rows of L, written down from its definition and not by the library.
    pub fn rows(&self, n: usize) -> Vec<Vec<T>> {
        let number = |v: f64| T::from_real(real::<T>(v));
        let band = |offsets: &[f64]| -> Vec<Vec<T>> {
            (0..(n + 1).saturating_sub(offsets.len()))
                .map(|i| {
                    let mut row = vec![T::ZERO; n];
                    offsets.iter().enumerate().for_each(|(k, &v)| row[i + k] = number(v));
                    row
                })
                .collect()
        };
        let diagonal = |w: &dyn Fn(usize) -> T| -> Vec<Vec<T>> {
            (0..n)
                .map(|i| {
                    let mut row = vec![T::ZERO; n];
                    row[i] = w(i);
                    row
                })
                .collect()
        };
        match self {
            OwnedPenalty::Identity => diagonal(&|_| T::ONE),
            OwnedPenalty::Diagonal(w) => diagonal(&|i| T::from_real(w[i])),
            OwnedPenalty::FirstDifference => band(&[-1.0, 1.0]),
            OwnedPenalty::SecondDifference => band(&[1.0, -2.0, 1.0]),
            OwnedPenalty::Matrix(l) | OwnedPenalty::Gamma(l) => (0..l.rows).map(|i| (0..n).map(|j| l.at(i, j)).collect()).collect(),
            OwnedPenalty::Sum(terms) => terms
                .iter()
                .flat_map(|(weight, term)| {
                    let factor = real::<T>(weight.sqrt());
                    term.rows(n).into_iter().map(move |row| row.into_iter().map(|v| v.scale(factor)).collect())
                })
                .collect(),
        }
    }
}

impl Given {
    pub fn is_complex(&self) -> bool {
        self.scalar == "c64"
    }

    /// The problem in a scalar type; real data in a complex type have zero imaginary parts.
    pub fn data<T: Scalar>(&self) -> Data<T> {
        assert!(T::IS_COMPLEX || !self.is_complex(), "{}", self.name);
        let reals = |v: &Option<Vec<f64>>| v.as_ref().map(|v| v.iter().map(|&w| real::<T>(w)).collect());
        Data {
            a: from_rows(self.rows, self.columns, &self.a, self.a_imag.as_deref()),
            b: scalars(&self.b, self.b_imag.as_deref()),
            weights: reals(&self.weights),
            noise_std: reals(&self.noise_std),
            prior_mean: self.prior_mean.as_ref().map(|mean| scalars(mean, self.prior_mean_imag.as_deref())),
            intercept: self.intercept,
            penalty: self.penalty.owned(self.columns),
        }
    }

    /// Every number of the data, for range checks.
    pub fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        let lists = [Some(&self.a), self.a_imag.as_ref(), Some(&self.b), self.b_imag.as_ref(), self.prior_mean.as_ref()];
        lists.into_iter().flatten().flatten().copied()
    }
}

impl<T: Scalar> Data<T> {
    /// The problem with A in any container, borrowing the rest from here.
    pub fn problem<'a, A: Operator<Scalar = T>>(&'a self, a: &'a A) -> Problem<'a, T> {
        let mut problem = Problem::new(a).penalty(self.penalty.borrow());
        if let Some(weights) = &self.weights {
            problem = problem.weights(weights);
        }
        if let Some(noise_std) = &self.noise_std {
            problem = problem.noise_std(noise_std);
        }
        if let Some(mean) = &self.prior_mean {
            problem = problem.prior_mean(mean);
        }
        if self.intercept { problem.intercept() } else { problem }
    }

    /// The row scaling W^½, in the working precision.
    pub fn row_scale(&self) -> Vec<T::Real> {
        (0..self.a.rows)
            .map(|i| {
                let weight = self.weights.as_ref().map_or(T::Real::ONE, |w| w[i].sqrt());
                self.noise_std.as_ref().map_or(weight, |s| weight / s[if s.len() == 1 { 0 } else { i }])
            })
            .collect()
    }
}

pub fn norm<T: Scalar>(v: &[T]) -> f64 {
    v.iter().map(|v| v.modulus().to_f64()).fold(0.0, f64::hypot)
}

/// ‖u − v‖.
pub fn distance<T: Scalar>(u: &[T], v: &[T]) -> f64 {
    assert_eq!(u.len(), v.len());
    u.iter().zip(v).map(|(&u, &v)| (u - v).modulus().to_f64()).fold(0.0, f64::hypot)
}

pub fn epsilon<T: Scalar>() -> f64 {
    T::Real::EPSILON.to_f64()
}

/// The data of testdata/lasso_oracle.py, column by column.
pub fn lasso_data(m: usize, n: usize, mean: f64) -> (Vec<f64>, Vec<f64>) {
    let entry = |i: usize, j: usize| {
        let (x, y) = (i as f64, j as f64);
        mean * (j % 3) as f64 + (1.0 + 1.7 * x * (y + 1.0) + 0.3 * y * y).sin() + 0.3 * (0.9 * x + y).cos()
    };
    let a: Vec<f64> = (0..n).flat_map(|j| (0..m).map(move |i| entry(i, j))).collect();
    let x = |j: usize| if j.is_multiple_of(4) { (if j.is_multiple_of(2) { 1.0 } else { -1.0 }) * (3.0 - 0.2 * j as f64) } else { 0.0 };
    let noise = |i: usize| 0.3 * (12.9 * (i * i) as f64 + 1.0).sin();
    let b = (0..m).map(|i| (0..n).map(|j| a[j * m + i] * x(j)).sum::<f64>() + noise(i)).collect();
    (a, b)
}

/// Equal components, relative to the norm of what they should be.
#[track_caller]
pub fn close(x: &[f64], y: &[f64], tolerance: f64, what: &str) {
    let scale = norm(y).max(1e-300);
    assert_eq!(x.len(), y.len());
    for (k, (x, y)) in x.iter().zip(y).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{what}: component {k} is {x}, not {y}");
    }
}

/// Gaussian elimination with pivoting; None where a pivot vanishes.
pub fn eliminate(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    let largest = a.iter().flatten().fold(0.0f64, |s, v| s.max(v.abs()));
    for k in 0..n {
        let p = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        if a[p][k].abs() <= 1e-12 * largest {
            return None;
        }
        a.swap(k, p);
        b.swap(k, p);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            for j in k..n {
                a[i][j] -= factor * a[k][j];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        for j in k + 1..n {
            b[k] -= a[k][j] * b[j];
        }
        b[k] /= a[k][k];
    }
    Some(b)
}
