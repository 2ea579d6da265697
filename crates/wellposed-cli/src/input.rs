//! From the command line to the problem: reads the files, checks that they fit together, and says which does not.

use crate::arguments::{BoundaryChoice, BoundsChoice, Data, Input, MethodChoice, MethodOptions, Model, PenaltyChoice, Task};
use crate::failure::Failure;
use crate::files::{Array, Contents, FileError, Numbers, Order, Place, Problem, ReadOptions, Shape, Source};
use crate::number::Number;
use crate::rules::{LambdaChoice, Level};
use crate::sparse::Rows;
use wellposed::{Boundary, Bounds, Cgls, Choice, DenseView, Gcv, HybridLsqr, Lambda, Lsmr, Lsqr, Method, Operator, Penalty};

/// A file of sparse entries where a vector or a dense matrix is needed (weights, b) is written out up to so many places, zeros
/// included: 128 MB of doubles.
const WRITTEN_OUT: usize = 16_000_000;

/// What the files hold.
#[derive(Debug)]
pub struct Files {
    /// A.
    pub a: Contents,
    /// b, one column for each right-hand side; `None` if the command line names none.
    pub b: Option<Array>,
    /// Where A is from, for messages.
    pub a_name: String,
    /// Where b is from.
    pub b_name: String,
    /// Names of the unknowns.
    pub names: Option<Vec<String>>,
    /// Rows and columns of x, where it is an image.
    pub grid: Option<(usize, usize)>,
    /// L as a matrix.
    pub penalty_matrix: Option<Contents>,
    /// The diagonal of L.
    pub penalty_diagonal: Option<Vec<f64>>,
    /// One for each row.
    pub weights: Option<Vec<f64>>,
    /// One, or one for each row.
    pub noise_std: Option<Vec<f64>>,
    /// x₀.
    pub prior_mean: Option<Array>,
    /// Lower and upper bounds of x, one for each column of A.
    pub bounds: Option<(Vec<f64>, Vec<f64>)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Files {
    /// Reads all files that the command line names.
    ///
    /// # Errors
    /// A file that is refused, and files that do not fit together.
    pub fn read(Data { input, model }: &Data) -> Result<Self, Failure> {
        let options = ReadOptions { header: input.header };
        let a_source = Source::parse(&input.a);
        let mut notes = Vec::new();
        let (a, mut b, names, b_name) = match (&input.response, &input.b) {
            (Some(response), _) => {
                let (a, b) = read_table(&a_source, response, input, options, &mut notes)?;
                let names = a.names.clone();
                (Contents::Dense(a), Some(b), names, format!("column {response} of {a_source}"))
            }
            (None, b) => {
                let a = a_source.read(options)?;
                let names = if let Contents::Dense(array) = &a { array.names.clone() } else { None };
                if let (Some(b), Some(names)) = (b, &names) {
                    refuse_response_in(&a_source, &Source::parse(b), names)?;
                }
                let b = b.as_deref().map(|b| read_dense(b, options)).transpose()?;
                (a, b, names, input.b.clone().unwrap_or_default())
            }
        };
        let (rows, columns) = shape(&a);
        let mut grid = model.grid.map(|grid| (grid.rows, grid.columns));
        if let Some(array) = &mut b {
            if array.shape == Shape::Image {
                // x on the same pixels, unless told otherwise
                grid = grid.or((array.rows.checked_mul(array.columns) == Some(columns)).then_some((array.rows, array.columns)));
                *array = stacked(array)?;
            }
            if array.rows != rows {
                return Err(Failure::Data(format!(
                    "{b_name} has {} rows, but A ({a_source}) has {rows}: each row of A needs one value{}",
                    array.rows,
                    if array.columns == rows { "; b seems to be transposed" } else { "" }
                )));
            }
        }
        if let Some((height, width)) = grid
            && height.checked_mul(width) != Some(columns)
        {
            return Err(Failure::Data(format!(
                "--grid {height}x{width} does not have the {columns} pixels that A ({a_source}) has columns"
            )));
        }
        let (penalty_matrix, penalty_diagonal) = match &model.penalty {
            PenaltyChoice::Matrix(file) => {
                let l = Source::parse(file).read(options)?;
                if shape(&l).1 != columns {
                    return Err(Failure::Data(format!("L ({file}) has {} columns, but A ({a_source}) has {columns}", shape(&l).1)));
                }
                (Some(l), None)
            }
            PenaltyChoice::Diagonal(file) => (None, Some(read_vector(file, options, &[columns], "column of A")?)),
            PenaltyChoice::Identity | PenaltyChoice::First | PenaltyChoice::Second => (None, None),
        };
        let weights = model.weights.as_deref().map(|file| read_vector(file, options, &[rows], "row of A")).transpose()?;
        let noise_std = match model.noise_std.as_deref().map(|text| (text, text.parse())) {
            None => None,
            Some((_, Ok(number))) => Some(vec![number]),
            Some((file, Err(_))) => Some(read_vector(file, options, &[rows, 1], "row of A")?),
        };
        let prior_mean = model.prior_mean.as_deref().map(|file| read_dense(file, options)).transpose()?;
        let prior_mean =
            prior_mean.map(|mean| column(mean, model.prior_mean.as_deref().unwrap_or_default(), &[columns], "column of A")).transpose()?;
        let bounds = match &model.bounds {
            None => None,
            Some(BoundsChoice::Range(low, high)) => Some((vec![*low; columns], vec![*high; columns])),
            Some(BoundsChoice::Each(file)) => Some(read_bounds(file, options, columns)?),
        };
        let a_name = a_source.to_string();
        Ok(Self { a, b, a_name, b_name, names, grid, penalty_matrix, penalty_diagonal, weights, noise_std, prior_mean, bounds, notes })
    }

    /// Whether any number is complex, so that the problem is.
    pub fn is_complex(&self) -> bool {
        let complex = |contents: &Contents| match contents {
            Contents::Dense(array) => array.numbers.is_complex(),
            Contents::Sparse(matrix) => matrix.numbers.is_complex(),
        };
        let array = |array: &Option<Array>| array.as_ref().is_some_and(|array| array.numbers.is_complex());
        complex(&self.a) || self.penalty_matrix.as_ref().is_some_and(complex) || array(&self.b) || array(&self.prior_mean)
    }
}

/// Rows and columns.
pub fn shape(contents: &Contents) -> (usize, usize) {
    match contents {
        Contents::Dense(array) => (array.rows, array.columns),
        Contents::Sparse(matrix) => (matrix.rows, matrix.columns),
    }
}

/// A table with b among its columns fits b exactly.
fn refuse_response_in(a: &Source, b: &Source, names: &[String]) -> Result<(), Failure> {
    match &b.member {
        Some(column) if a.member.is_none() && a.path == b.path && names.contains(column) => Err(Failure::Usage(format!(
            "b is the column {column} of the table {}, all of which is A; use --response {column} instead of {b}",
            a.path.display()
        ))),
        _ => Ok(()),
    }
}

/// The response column, and the others of the table.
fn read_table(
    source: &Source,
    response: &str,
    input: &Input,
    options: ReadOptions,
    notes: &mut Vec<String>,
) -> Result<(Array, Array), Failure> {
    let table = source.read_table(options)?;
    let in_file = |problem: Problem| problem.in_file(source.path.display());
    let b = table.column(response).map_err(in_file)?;
    let columns = if input.features.is_empty() {
        let excluded = input.exclude.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>().map_err(in_file)?;
        let (mut kept, mut text) = (Vec::new(), Vec::new());
        for (index, column) in table.columns.iter().enumerate() {
            match column {
                _ if index == b || excluded.contains(&index) => {}
                column if column.name.is_empty() => notes.push("the column without a name is taken for row labels and left out".into()),
                column if column.is_text() => text.push(column.name.as_str()),
                _ => kept.push(index),
            }
        }
        if !text.is_empty() {
            notes.push(format!("columns of text are left out: {}", text.join(", ")));
        }
        kept
    } else {
        input.features.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>().map_err(in_file)?
    };
    if columns.contains(&b) {
        return Err(Failure::Usage(format!("column {response} is both the response and a feature")));
    }
    let a = table.matrix(&columns).map_err(in_file)?;
    let b = table.matrix(&[b]).map_err(in_file)?;
    Ok((a, Array { shape: Shape::Vector, ..b }))
}

/// A file that is not a sparse matrix of its own kind: sparse contents are written out.
fn read_dense(text: &str, options: ReadOptions) -> Result<Array, Failure> {
    let source = Source::parse(text);
    Ok(match source.read(options)? {
        Contents::Dense(array) => array,
        Contents::Sparse(matrix) if matrix.rows.saturating_mul(matrix.columns) <= WRITTEN_OUT => {
            matrix.to_dense().map_err(|problem| problem.in_file(source))?
        }
        Contents::Sparse(matrix) => {
            return Err(Problem::new(
                Place::Whole,
                format!("is a sparse {}×{} matrix where a vector is needed", matrix.rows, matrix.columns),
            )
            .in_file(source)
            .into());
        }
    })
}

/// A real vector of one of these lengths.
fn read_vector(text: &str, options: ReadOptions, lengths: &[usize], of: &str) -> Result<Vec<f64>, Failure> {
    let array = column(read_dense(text, options)?, text, lengths, of)?;
    f64::from_numbers(array.numbers).map_err(|problem| problem.in_file(text).into())
}

/// Two columns of real numbers.
fn read_bounds(text: &str, options: ReadOptions, columns: usize) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let array = read_dense(text, options)?;
    if (array.rows, array.columns) != (columns, 2) {
        return Err(Failure::Data(format!(
            "{text} is {}×{}, but {columns}×2 is needed: the lower and the upper bound for each column of A",
            array.rows, array.columns
        )));
    }
    let side = |j: usize| {
        let mut numbers = Numbers::new(array.numbers.is_complex());
        (0..columns).for_each(|i| numbers.push(array.get(i, j).unwrap_or_default()));
        f64::from_numbers(numbers).map_err(|problem| problem.in_file(text))
    };
    Ok((side(0)?, side(1)?))
}

/// An image, a row or a column as a vector of one of these lengths.
fn column(array: Array, text: &str, lengths: &[usize], of: &str) -> Result<Array, Failure> {
    let array = if array.shape == Shape::Image { stacked(&array)? } else { array };
    if (array.rows == 1 || array.columns == 1) && lengths.contains(&array.numbers.len()) {
        return Ok(Array::vector(array.numbers));
    }
    let (rows, columns) = (array.rows, array.columns);
    Err(Failure::Data(format!("{text} is {rows}×{columns}, but {}×1 is needed: one value for each {of}", lengths[0])))
}

/// The pixels of an image, column after column.
fn stacked(image: &Array) -> Result<Array, Failure> {
    let mut numbers = Numbers::new(image.numbers.is_complex());
    for j in 0..image.columns {
        for i in 0..image.rows {
            numbers.push(image.get(i, j).unwrap_or_default());
        }
    }
    Ok(Array::vector(numbers))
}

/// A dense matrix in the scalar type of the problem.
#[derive(Debug)]
pub struct Dense<T> {
    rows: usize,
    columns: usize,
    order: Order,
    entries: Vec<T>,
    /// Whether it is a vector, so that x, as its answer, is one, too.
    pub is_vector: bool,
}

impl<T: Number> Dense<T> {
    fn new(array: Array) -> Result<Self, Problem> {
        let Array { rows, columns, order, numbers, shape, .. } = array;
        Ok(Self { rows, columns, order, entries: T::from_numbers(numbers)?, is_vector: shape == Shape::Vector })
    }

    /// As the library takes it.
    ///
    /// # Errors
    /// None for one that was made of an array.
    pub fn view(&self) -> wellposed::Result<DenseView<'_, T>> {
        match self.order {
            Order::RowMajor => DenseView::row_major(&self.entries, self.rows, self.columns),
            Order::ColumnMajor => DenseView::column_major(&self.entries, self.rows, self.columns),
        }
    }
}

/// A matrix in the scalar type of the problem; what is sparse stays sparse.
#[derive(Debug)]
pub enum Matrix<T> {
    /// All entries.
    Dense(Dense<T>),
    /// Those that are not zero.
    Sparse(Rows<T>),
}

impl<T: Number> Matrix<T> {
    fn new(contents: Contents, name: &str) -> Result<Self, FileError> {
        let converted = match contents {
            Contents::Dense(array) => Dense::new(array).map(Self::Dense),
            Contents::Sparse(matrix) => Rows::new(matrix).map(Self::Sparse),
        };
        converted.map_err(|problem| problem.in_file(name))
    }

    /// As the library takes it.
    ///
    /// # Errors
    /// None for one that was made of the contents of a file.
    pub fn view(&self) -> wellposed::Result<BoxedOperator<'_, T>> {
        Ok(match self {
            Self::Dense(matrix) => Box::new(matrix.view()?),
            Self::Sparse(rows) => Box::new(rows.view()?),
        })
    }
}

/// A dense or sparse matrix as the library takes it.
pub type BoxedOperator<'a, T> = Box<dyn Operator<Scalar = T> + 'a>;

/// All of the problem but b, in its scalar type.
#[derive(Debug)]
pub struct Parts<T> {
    /// A.
    pub a: Matrix<T>,
    penalty_matrix: Option<Matrix<T>>,
    penalty_diagonal: Option<Vec<f64>>,
    weights: Option<Vec<f64>>,
    noise_std: Option<Vec<f64>>,
    prior_mean: Option<Vec<T>>,
    bounds: Option<(Vec<f64>, Vec<f64>)>,
    grid: Option<(usize, usize)>,
}

impl<T: Number> Parts<T> {
    /// Takes what the files hold, and gives back b.
    ///
    /// # Errors
    /// Numbers that do not convert.
    pub fn new(files: Files) -> Result<(Self, Option<Dense<T>>), Failure> {
        let Files { a, b, a_name, b_name, grid, penalty_matrix, penalty_diagonal, weights, noise_std, prior_mean, bounds, .. } = files;
        let parts = Self {
            a: Matrix::new(a, &a_name)?,
            penalty_matrix: penalty_matrix.map(|l| Matrix::new(l, "the penalty")).transpose()?,
            penalty_diagonal,
            weights,
            noise_std,
            prior_mean: prior_mean
                .map(|mean| T::from_numbers(mean.numbers))
                .transpose()
                .map_err(|problem| problem.in_file("the prior mean"))?,
            bounds,
            grid,
        };
        let b = b.map(|b| Dense::new(b).map_err(|problem| problem.in_file(&b_name))).transpose()?;
        Ok((parts, b))
    }

    /// What the problem borrows.
    ///
    /// # Errors
    /// As [`Matrix::view`].
    pub fn views(&self) -> Result<Views<'_, T>, Failure> {
        let penalty_matrix = self.penalty_matrix.as_ref().map(Matrix::view).transpose()?;
        Ok(Views { a: self.a.view()?, penalty_matrix })
    }

    /// The problem.
    ///
    /// # Errors
    /// Words that do not go together.
    pub fn problem<'a>(&'a self, views: &'a Views<'a, T>, model: &Model, method: Method) -> Result<wellposed::Problem<'a, T>, Failure> {
        let boundary = match model.boundary {
            BoundaryChoice::Free => Boundary::Free,
            BoundaryChoice::Zero => Boundary::Zero,
            BoundaryChoice::Periodic => Boundary::Periodic,
        };
        let differences = matches!(model.penalty, PenaltyChoice::First | PenaltyChoice::Second);
        if boundary != Boundary::Free && !differences {
            return Err(Failure::Usage("--boundary belongs to differences: add --penalty first or --penalty second".into()));
        }
        let penalty = match (&model.penalty, self.grid, &views.penalty_matrix) {
            (PenaltyChoice::First, None, _) => Penalty::first_difference_with(boundary),
            (PenaltyChoice::Second, None, _) => Penalty::second_difference_with(boundary),
            (PenaltyChoice::First, Some((rows, columns)), _) => Penalty::first_difference_2d(rows, columns, boundary),
            (PenaltyChoice::Second, Some((rows, columns)), _) => Penalty::second_difference_2d(rows, columns, boundary),
            (PenaltyChoice::Diagonal(_), ..) => Penalty::diagonal(self.penalty_diagonal.as_deref().unwrap_or_default()),
            (PenaltyChoice::Matrix(_), _, Some(l)) => Penalty::matrix(l),
            (PenaltyChoice::Matrix(_), _, None) | (PenaltyChoice::Identity, ..) => Penalty::identity(),
        };
        let mut problem = wellposed::Problem::new(&views.a).penalty(penalty).method(method);
        if let Some(weights) = &self.weights {
            problem = problem.weights(weights);
        }
        if let Some(noise_std) = &self.noise_std {
            problem = problem.noise_std(noise_std);
        }
        if let Some(mean) = &self.prior_mean {
            problem = problem.prior_mean(mean);
        }
        if model.intercept {
            problem = problem.intercept();
        }
        if let Some((low, high)) = &self.bounds {
            problem = problem.bounds(Bounds::each(low, high));
        }
        if model.require_full_rank {
            problem = problem.require_full_rank();
        }
        if let Some(threads) = model.threads {
            problem = problem.threads(threads);
        }
        Ok(problem)
    }
}

/// A and L as the library takes them.
pub struct Views<'a, T> {
    a: BoxedOperator<'a, T>,
    penalty_matrix: Option<BoxedOperator<'a, T>>,
}

impl<T: Number> Views<'_, T> {
    /// Of A.
    pub fn shape(&self) -> (usize, usize) {
        self.a.shape()
    }
}

/// λ or the rule, from its words.
///
/// # Errors
/// A noise level that nothing reads, or a rule that needs one.
pub fn choice(Task { data, amount, noise, .. }: &Task) -> Result<Choice, Failure> {
    let named = noise.noise_norm.is_some() || noise.relative_noise.is_some();
    let choice = match (amount.lambda, amount.damping) {
        (Some(lambda), _) => lambda.choice(Level::new(noise, &data.model), noise.safety)?,
        (None, Some(damping)) => Lambda::from_damping(damping).into(),
        (None, None) => Gcv.into(),
    };
    if named && !amount.lambda.is_some_and(LambdaChoice::takes_noise_norm) {
        return Err(Failure::Usage("--noise-norm and --relative-noise are for --lambda discrepancy; add it, or leave them out".into()));
    }
    Ok(if amount.shared { choice.shared() } else { choice })
}

/// The method, from its words.
///
/// # Errors
/// Options of an iteration for a method that is none.
pub fn method(options: &MethodOptions) -> Result<Method, Failure> {
    let iterative = options.tolerance.is_some() || options.max_steps.is_some() || options.steps.is_some() || options.accept_partial;
    let iterations = [MethodChoice::Cgls, MethodChoice::Lsqr, MethodChoice::Lsmr, MethodChoice::HybridLsqr];
    if iterative && !iterations.contains(&options.method) {
        return Err(Failure::Usage(
            "--tolerance, --max-steps, --steps and --accept-partial belong to --method cgls, lsqr, lsmr and hybrid-lsqr; add one".into(),
        ));
    }
    // the iterations have the same setters and no trait in common
    macro_rules! iteration {
        ($type:ident) => {{
            let mut iteration = $type::new();
            if let Some(tolerance) = options.tolerance {
                iteration = iteration.tolerance(tolerance);
            }
            if let Some(steps) = options.max_steps {
                iteration = iteration.max_steps(steps);
            }
            if let Some(steps) = options.steps {
                iteration = iteration.steps(steps);
            }
            if options.accept_partial {
                iteration = iteration.accept_partial();
            }
            iteration.into()
        }};
    }
    Ok(match options.method {
        MethodChoice::Auto => Method::Auto,
        MethodChoice::Cholesky => Method::Cholesky,
        MethodChoice::Qr => Method::Qr,
        MethodChoice::Svd => Method::Svd,
        MethodChoice::Gsvd => Method::Gsvd,
        MethodChoice::Bidiagonal => Method::Bidiagonal,
        MethodChoice::Tridiagonal => Method::Tridiagonal,
        MethodChoice::Cgls => iteration!(Cgls),
        MethodChoice::Lsqr => iteration!(Lsqr),
        MethodChoice::Lsmr => iteration!(Lsmr),
        MethodChoice::HybridLsqr => iteration!(HybridLsqr),
    })
}
