//! Every container: the products it gives as an `Operator`, what it shows and returns as `Data`. Entries are small
//! integers, so that all comparisons are exact.

use wellposed::operator::Entries;
use wellposed::{Data, DenseView, Operator, Real, Scalar, c32, c64, faer};

/// Entry (i, j) of every matrix here, with an imaginary part where the scalar has one.
fn entry<T: Scalar>(i: usize, j: usize) -> T {
    let integer = |seed: usize| T::Real::from_f64((seed % 11) as f64 - 5.0);
    T::from_parts(integer(7 * i + 3 * j + i * j), integer(5 * i + 2 * j + 1))
}

fn vector<T: Scalar>(length: usize) -> Vec<T> {
    (0..length).map(|i| entry(i + 3, 2 * i)).collect()
}

/// Column-major m×n entries.
fn column_major<T: Scalar>(m: usize, n: usize) -> Vec<T> {
    (0..m * n).map(|t| entry(t % m, t / m)).collect()
}

fn row_major<T: Scalar>(m: usize, n: usize) -> Vec<T> {
    (0..m * n).map(|t| entry(t / n, t % n)).collect()
}

/// A has these entries, shows them, and multiplies by them.
fn check_operator<T: Scalar, O: Operator<Scalar = T> + ?Sized>(a: &O, m: usize, n: usize, expected: impl Fn(usize, usize) -> T) {
    assert_eq!(a.shape(), (m, n));
    let Entries::Dense(view) = a.entries() else { panic!("a dense container shows its entries") };
    check_view(view, m, n, &expected);
    let k = 3;
    let (x, y) = (vector::<T>(n * k), vector::<T>(m * k));
    let garbage = T::from_real(T::Real::from_f64(f64::NAN));
    let sum = |terms: &mut dyn Iterator<Item = T>| terms.fold(T::ZERO, |sum, term| sum + term);
    let ax: Vec<T> = (0..m * k).map(|t| sum(&mut (0..n).map(|j| expected(t % m, j) * x[t / m * n + j]))).collect();
    let ay: Vec<T> = (0..n * k).map(|t| sum(&mut (0..m).map(|i| expected(i, t % n).conj() * y[t / n * m + i]))).collect();

    let (mut out, mut back) = (vec![garbage; m], vec![garbage; n]);
    a.apply(&x[..n], &mut out);
    a.apply_adjoint(&y[..m], &mut back);
    assert_eq!(out, ax[..m], "A·x");
    assert_eq!(back, ay[..n], "Aᴴ·y");
    let (mut out, mut back) = (vec![garbage; m * k], vec![garbage; n * k]);
    a.apply_block(k, &x, &mut out);
    a.apply_adjoint_block(k, &y, &mut back);
    assert_eq!(out, ax, "A·X");
    assert_eq!(back, ay, "Aᴴ·Y");
}

fn check_view<T: Scalar>(view: DenseView<'_, T>, m: usize, n: usize, expected: impl Fn(usize, usize) -> T) {
    assert_eq!(view.shape(), (m, n));
    for i in 0..m {
        for j in 0..n {
            assert_eq!(view.get(i, j), Some(expected(i, j)), "entry {i}, {j}");
        }
    }
    assert_eq!(view.get(m, 0), None);
    assert_eq!(view.get(0, n), None);
}

/// One right-hand side: shows this column, gives single values, and answers in its own family.
fn check_vector<T: Scalar, D>(b: &D, m: usize, expected: impl Fn(usize) -> T) -> D::Output
where
    D: Data<T, Each<u8> = u8> + ?Sized,
{
    check_view(b.view(), m, 1, |i, _| expected(i));
    assert_eq!(D::each(vec![7_u8]), 7);
    D::output(2, 1, vec![entry(0, 0), entry(1, 0)])
}

/// Many right-hand sides.
fn check_matrix<T: Scalar, D>(b: &D, m: usize, n: usize, expected: impl Fn(usize, usize) -> T) -> D::Output
where
    D: Data<T, Each<u8> = Vec<u8>> + ?Sized,
{
    check_view(b.view(), m, n, expected);
    assert_eq!(D::each(vec![7_u8, 8]), [7, 8]);
    D::output(2, 3, column_major(2, 3))
}

macro_rules! for_each_scalar {
    ($cases:ident: $($name:ident)*) => {$(
        #[test]
        fn $name() {
            $cases::$name::<f32>();
            $cases::$name::<f64>();
            $cases::$name::<c32>();
            $cases::$name::<c64>();
        }
    )*};
}
for_each_scalar!(cases: slices views pointers faer_matrices faer_columns empty);
#[cfg(feature = "nalgebra")]
for_each_scalar!(nalgebra_cases: dynamic fixed steps vectors);

mod cases {
    use super::*;
    use faer::{Col, ColRef, Mat, MatRef};

    pub fn slices<T: Scalar>() {
        let expected = [entry::<T>(0, 0), entry(1, 0)];
        let b = vector::<T>(3);
        let array = [b[0], b[1], b[2]];
        let answer: Vec<T> = check_vector(&b, 3, |i| b[i]);
        assert_eq!(answer, expected);
        let answer: Vec<T> = check_vector(&b[..], 3, |i| b[i]);
        assert_eq!(answer, expected);
        let answer: Vec<T> = check_vector(&array, 3, |i| b[i]);
        assert_eq!(answer, expected);
        let answer: Vec<T> = check_vector(&&b[1..], 2, |i| b[i + 1]);
        assert_eq!(answer, expected);
    }

    pub fn views<T: Scalar>() {
        for (m, n) in [(1, 1), (4, 3), (3, 5), (40, 7)] {
            let (columns, rows) = (column_major::<T>(m, n), row_major::<T>(m, n));
            check_operator(&DenseView::column_major(&columns, m, n).unwrap(), m, n, entry);
            check_operator(&DenseView::row_major(&rows, m, n).unwrap(), m, n, entry);
            let answer: Vec<Vec<T>> = check_matrix(&DenseView::row_major(&rows, m, n).unwrap(), m, n, entry);
            assert_eq!(answer, [[entry(0, 0), entry(1, 0)], [entry(0, 1), entry(1, 1)], [entry(0, 2), entry(1, 2)]]);
            check_operator(&DenseView::column(&columns), m * n, 1, |i, _| columns[i]);
        }
        for wrong in [5, 7] {
            let entries = vec![T::ZERO; wrong];
            assert!(matches!(DenseView::column_major(&entries, 2, 3), Err(wellposed::Error::Shape { .. })));
            assert!(matches!(DenseView::row_major(&entries, 3, 2), Err(wellposed::Error::Shape { .. })));
        }
        assert!(DenseView::column_major(&[T::ONE], usize::MAX, 2).is_err());
    }

    pub fn pointers<T: Scalar>() {
        let numbers = column_major::<T>(4, 3);
        let view = DenseView::column_major(&numbers, 4, 3).unwrap();
        let matrix = Mat::from_fn(4, 3, entry::<T>);
        let operators: [&dyn Operator<Scalar = T>; 3] = [&view, &matrix, &&matrix];
        for a in operators {
            check_operator(a, 4, 3, entry);
            check_operator(&a, 4, 3, entry);
        }
        let boxed: Box<dyn Operator<Scalar = T> + '_> = Box::new(matrix.as_ref());
        check_operator(&boxed, 4, 3, entry);
    }

    pub fn faer_matrices<T: Scalar>() {
        let (m, n) = (5, 4);
        let a = Mat::from_fn(m, n, entry::<T>);
        check_operator(&a, m, n, entry);
        check_operator(&a.as_ref(), m, n, entry);
        check_operator(&a.transpose(), n, m, |i, j| entry(j, i));
        check_operator(&a.as_ref().reverse_rows(), m, n, |i, j| entry(m - 1 - i, j));
        check_operator(&a.as_ref().reverse_cols(), m, n, |i, j| entry(i, n - 1 - j));
        check_operator(&a.as_ref().reverse_rows_and_cols().transpose(), n, m, |i, j| entry(m - 1 - j, n - 1 - i));
        check_operator(&a.as_ref().submatrix(1, 2, 3, 2), 3, 2, |i, j| entry(i + 1, j + 2));
        check_operator(&a.as_ref().try_as_col_major().unwrap(), m, n, entry);
        let numbers = row_major::<T>(m, n);
        check_operator(&MatRef::from_row_major_slice(&numbers, m, n), m, n, entry);
        // every second row and every second column of a 5×4 matrix stored by rows
        let sparse = MatRef::from_row_major_slice_with_stride(&numbers, 3, n, 2 * n);
        check_operator(&sparse, 3, n, |i, j| entry(2 * i, j));

        let expected = Mat::from_fn(2, 3, entry::<T>);
        let answer: Mat<T> = check_matrix(&a, m, n, entry);
        assert_eq!(answer, expected);
        let answer: Mat<T> = check_matrix(&a.as_ref(), m, n, entry);
        assert_eq!(answer, expected);
        let answer: Mat<T> = check_matrix(&a.as_ref().reverse_rows().transpose(), n, m, |i, j| entry(m - 1 - j, i));
        assert_eq!(answer, expected);
        // a matrix that happens to have one column is still a matrix
        let answer: Mat<T> = check_matrix(&a.as_ref().subcols(2, 1), m, 1, |i, _| entry(i, 2));
        assert_eq!(answer, expected);
    }

    pub fn faer_columns<T: Scalar>() {
        let expected = Col::from_fn(2, |i| entry::<T>(i, 0));
        let b = Col::from_fn(5, |i| entry::<T>(i, 1));
        check_operator(&b, 5, 1, |i, _| entry(i, 1));
        let answer: Col<T> = check_vector(&b, 5, |i| entry(i, 1));
        assert_eq!(answer, expected);
        let answer: Col<T> = check_vector(&b.as_ref(), 5, |i| entry(i, 1));
        assert_eq!(answer, expected);
        check_vector(&b.as_ref().reverse_rows(), 5, |i| entry(4 - i, 1));
        check_vector(&b.as_ref().subrows(1, 3), 3, |i| entry(i + 1, 1));
        let a = Mat::from_fn(5, 4, entry::<T>);
        let row: ColRef<'_, T> = a.row(2).transpose();
        check_vector(&row, 4, |j| entry(2, j));
        check_operator(&row, 4, 1, |j, _| entry(2, j));
        check_operator(&row.reverse_rows(), 4, 1, |j, _| entry(2, 3 - j));
        check_vector(&a.col(3), 5, |i| entry(i, 3));
    }

    pub fn empty<T: Scalar>() {
        for (m, n) in [(0, 0), (3, 0), (0, 3)] {
            check_operator(&Mat::<T>::from_fn(m, n, entry), m, n, entry);
            check_operator(&DenseView::column_major(&[], m, n).unwrap(), m, n, entry::<T>);
            #[cfg(feature = "nalgebra")]
            check_operator(&wellposed::nalgebra::DMatrix::<T>::from_fn(m, n, entry), m, n, entry);
        }
        check_vector::<T, _>(&[][..], 0, |_| T::ONE);
        check_vector(&Col::<T>::from_fn(0, |_| T::ONE), 0, |_| T::ONE);
    }
}

#[cfg(feature = "nalgebra")]
mod nalgebra_cases {
    use super::*;
    use wellposed::nalgebra::{Const, DMatrix, DVector, Dyn, MatrixXx2, OMatrix, OVector, RowDVector, SMatrix, SVector};

    pub fn dynamic<T: Scalar>() {
        let a = DMatrix::from_fn(5, 4, entry::<T>);
        check_operator(&a, 5, 4, entry);
        check_operator(&&a, 5, 4, entry);
        check_operator(&MatrixXx2::from_fn(5, entry::<T>), 5, 2, entry);
        check_operator(&OMatrix::<T, Const<3>, Dyn>::from_fn(6, entry), 3, 6, entry);
        let answer: DMatrix<T> = check_matrix(&a, 5, 4, entry);
        assert_eq!(answer, DMatrix::from_fn(2, 3, entry));
        let answer: DMatrix<T> = check_matrix(&MatrixXx2::from_fn(5, entry::<T>), 5, 2, entry);
        assert_eq!(answer, DMatrix::from_fn(2, 3, entry));
        // one column that the type does not know of
        check_matrix(&DMatrix::from_fn(5, 1, entry::<T>), 5, 1, entry);
        check_matrix(&RowDVector::from_fn(4, |_, j| entry::<T>(0, j)), 1, 4, entry);
    }

    pub fn fixed<T: Scalar>() {
        let a = SMatrix::<T, 3, 2>::from_fn(entry);
        check_operator(&a, 3, 2, entry);
        let answer: DMatrix<T> = check_matrix(&a, 3, 2, entry);
        assert_eq!(answer, DMatrix::from_fn(2, 3, entry));
        check_operator(&SMatrix::<T, 1, 127>::from_fn(entry), 1, 127, entry);
        check_matrix(&SMatrix::<T, 1, 127>::from_fn(entry), 1, 127, entry);
        check_operator(&SMatrix::<T, 1, 200>::from_fn(entry), 1, 200, entry);
    }

    pub fn steps<T: Scalar>() {
        let a = DMatrix::from_fn(7, 6, entry::<T>);
        check_operator(&a.view((1, 2), (4, 3)), 4, 3, |i, j| entry(i + 1, j + 2));
        check_operator(&a.view_with_steps((1, 0), (3, 2), (1, 2)), 3, 2, |i, j| entry(1 + 2 * i, 3 * j));
        check_operator(&a.rows_with_step(0, 3, 2), 3, 6, |i, j| entry(3 * i, j));
        check_operator(&a.columns_with_step(1, 2, 2), 7, 2, |i, j| entry(i, 1 + 3 * j));
        check_operator(&a.row(2), 1, 6, |_, j| entry(2, j));
        let fixed = a.fixed_view::<2, 3>(1, 1);
        check_operator(&fixed, 2, 3, |i, j| entry(i + 1, j + 1));
        let answer: DMatrix<T> = check_matrix(&fixed, 2, 3, |i, j| entry(i + 1, j + 1));
        assert_eq!(answer, DMatrix::from_fn(2, 3, entry));
        check_matrix(&a.columns(2, 1), 7, 1, |i, _| entry(i, 2));
        check_matrix(&a.view_with_steps((1, 0), (3, 2), (1, 2)), 3, 2, |i, j| entry(1 + 2 * i, 3 * j));
    }

    pub fn vectors<T: Scalar>() {
        let expected = DVector::from_fn(2, |i, _| entry::<T>(i, 0));
        let b = DVector::from_fn(5, |i, _| entry::<T>(i, 1));
        check_operator(&b, 5, 1, |i, _| entry(i, 1));
        let answer: DVector<T> = check_vector(&b, 5, |i| entry(i, 1));
        assert_eq!(answer, expected);
        let answer: DVector<T> = check_vector(&SVector::<T, 4>::from_fn(entry), 4, |i| entry(i, 0));
        assert_eq!(answer, expected);
        let answer: DVector<T> = check_vector(&b.rows_with_step(0, 2, 1), 2, |i| entry(2 * i, 1));
        assert_eq!(answer, expected);
        let a = DMatrix::from_fn(5, 4, entry::<T>);
        check_vector(&a.column(2), 5, |i| entry(i, 2));
        check_vector(&OVector::<T, Dyn>::from_fn(3, |i, _| entry(i, 0)), 3, |i| entry(i, 0));
    }
}

/// A sparse container: the products and the entries that are not zero, repeated places added up.
fn check_sparse<T: Scalar, O: Operator<Scalar = T> + ?Sized>(a: &O, m: usize, n: usize, expected: impl Fn(usize, usize) -> T) {
    assert_eq!(a.shape(), (m, n));
    let Entries::Sparse(view) = a.entries() else { panic!("a sparse container shows its entries") };
    assert_eq!(view.shape(), (m, n));
    let mut seen = vec![T::ZERO; m * n];
    view.for_each(|i, j, value| seen[j * m + i] += value);
    let all: Vec<T> = (0..m * n).map(|t| expected(t % m, t / m)).collect();
    assert_eq!(seen, all, "entries");
    let k = 3;
    let (x, y) = (vector::<T>(n * k), vector::<T>(m * k));
    let garbage = T::from_real(T::Real::from_f64(f64::NAN));
    let sum = |terms: &mut dyn Iterator<Item = T>| terms.fold(T::ZERO, |sum, term| sum + term);
    let ax: Vec<T> = (0..m * k).map(|t| sum(&mut (0..n).map(|j| expected(t % m, j) * x[t / m * n + j]))).collect();
    let ay: Vec<T> = (0..n * k).map(|t| sum(&mut (0..m).map(|i| expected(i, t % n).conj() * y[t / n * m + i]))).collect();
    let (mut out, mut back) = (vec![garbage; m], vec![garbage; n]);
    a.apply(&x[..n], &mut out);
    a.apply_adjoint(&y[..m], &mut back);
    assert_eq!((&out[..], &back[..]), (&ax[..m], &ay[..n]), "A·x and Aᴴ·y");
    let (mut out, mut back) = (vec![garbage; m * k], vec![garbage; n * k]);
    a.apply_block(k, &x, &mut out);
    a.apply_adjoint_block(k, &y, &mut back);
    assert_eq!((out, back), (ax, ay), "A·X and Aᴴ·Y");
    let (mut w, mut z) = (vec![garbage; m], vec![garbage; n]);
    a.apply_fused(&x[..n], T::ONE, &y[..m], &mut w, &mut z);
    let expected_w: Vec<T> = (0..m).map(|i| sum(&mut (0..n).map(|j| expected(i, j) * x[j])) - y[i]).collect();
    let expected_z: Vec<T> = (0..n).map(|j| sum(&mut (0..m).map(|i| expected(i, j).conj() * expected_w[i]))).collect();
    assert_eq!((w, z), (expected_w, expected_z), "Ax − u and its adjoint product");
}

/// Entry (i, j) of the sparse matrices here: every third place, and an empty row and column.
fn thin<T: Scalar>(i: usize, j: usize) -> T {
    if (i + 2 * j).is_multiple_of(3) && i != 1 && j != 2 { entry(i, j) } else { T::ZERO }
}

/// Compressed rows of [`thin`], or of its transpose.
fn compressed<T: Scalar>(m: usize, n: usize, transposed: bool) -> (Vec<usize>, Vec<usize>, Vec<T>) {
    let (mut starts, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    let (outer, inner) = if transposed { (n, m) } else { (m, n) };
    for i in 0..outer {
        for j in 0..inner {
            let value: T = if transposed { thin(j, i) } else { thin(i, j) };
            if value != T::ZERO {
                indices.push(j);
                values.push(value);
            }
        }
        starts.push(indices.len());
    }
    (starts, indices, values)
}

for_each_scalar!(sparse_cases: sparse_views faer_sparse);
#[cfg(feature = "nalgebra-sparse")]
for_each_scalar!(sparse_cases: nalgebra_sparse);
#[cfg(feature = "sprs")]
for_each_scalar!(sparse_cases: sprs);

mod sparse_cases {
    use super::*;
    use faer::sparse::{SparseColMat, SparseRowMat, SymbolicSparseColMat, SymbolicSparseRowMat};
    use wellposed::operator::{adjoint, transpose};

    const SHAPES: [(usize, usize); 4] = [(7, 5), (5, 8), (1, 1), (3, 0)];

    pub fn sparse_views<T: Scalar>() {
        for (m, n) in SHAPES {
            let (starts, indices, values) = compressed::<T>(m, n, false);
            let rows = wellposed::SparseView::csr(m, n, &starts, &indices, &values).unwrap();
            check_sparse(&rows, m, n, thin);
            check_sparse(&&rows, m, n, thin);
            check_sparse(&transpose(rows), n, m, |i, j| thin(j, i));
            if !T::IS_COMPLEX {
                check_sparse(&adjoint(rows), n, m, |i, j| thin(j, i));
            }
            let (starts, indices, values) = compressed::<T>(m, n, true);
            check_sparse(&wellposed::SparseView::csc(m, n, &starts, &indices, &values).unwrap(), m, n, thin);
        }
    }

    pub fn faer_sparse<T: Scalar>() {
        let small = |list: &[usize]| list.iter().map(|&i| i as u32).collect::<Vec<u32>>();
        for (m, n) in SHAPES {
            let (starts, indices, values) = compressed::<T>(m, n, true);
            let symbolic = SymbolicSparseColMat::<u32>::new_checked(m, n, small(&starts), None, small(&indices));
            let a = SparseColMat::new(symbolic, values);
            check_sparse(&a, m, n, thin);
            check_sparse(&a.as_ref(), m, n, thin);
            check_sparse(&a.as_ref().transpose(), n, m, |i, j| thin(j, i));
            let (starts, indices, values) = compressed::<T>(m, n, false);
            let symbolic = SymbolicSparseRowMat::<usize>::new_checked(m, n, starts, None, indices);
            let a = SparseRowMat::new(symbolic, values);
            check_sparse(&a, m, n, thin);
            check_sparse(&a.as_ref(), m, n, thin);
        }
        // not compressed: room for four in each column, of which fewer are used
        let (m, n) = (7, 5);
        let (starts, indices, values) = compressed::<T>(m, n, true);
        let lengths: Vec<usize> = starts.windows(2).map(|w| w[1] - w[0]).collect();
        let (mut room, mut spread) = (vec![0; 4 * n], vec![T::from_real(T::Real::from_f64(99.0)); 4 * n]);
        for j in 0..n {
            for k in 0..lengths[j] {
                (room[4 * j + k], spread[4 * j + k]) = (indices[starts[j] + k], values[starts[j] + k]);
            }
        }
        let symbolic = SymbolicSparseColMat::<usize>::new_checked(m, n, (0..=n).map(|j| 4 * j).collect(), Some(lengths), room);
        check_sparse(&SparseColMat::new(symbolic, spread), m, n, thin);
    }

    #[cfg(feature = "nalgebra-sparse")]
    pub fn nalgebra_sparse<T: Scalar>() {
        use wellposed::nalgebra_sparse::{CscMatrix, CsrMatrix};
        for (m, n) in SHAPES {
            let (starts, indices, values) = compressed::<T>(m, n, false);
            check_sparse(&CsrMatrix::try_from_csr_data(m, n, starts, indices, values).unwrap(), m, n, thin);
            let (starts, indices, values) = compressed::<T>(m, n, true);
            check_sparse(&CscMatrix::try_from_csc_data(m, n, starts, indices, values).unwrap(), m, n, thin);
        }
    }

    #[cfg(feature = "sprs")]
    pub fn sprs<T: Scalar>() {
        use wellposed::sprs::CsMatI;
        for (m, n) in SHAPES {
            let (starts, indices, values) = compressed::<T>(m, n, false);
            let rows = CsMatI::<T, usize>::new((m, n), starts, indices, values);
            check_sparse(&rows, m, n, thin);
            check_sparse(&rows.view(), m, n, thin);
            check_sparse(&rows.transpose_view(), n, m, |i, j| thin(j, i));
            if m > 3 {
                // some rows of it keep the starts of the whole
                check_sparse(&rows.slice_outer(2..4), 2, n, |i, j| thin(i + 2, j));
            }
            let (starts, indices, values) = compressed::<T>(m, n, true);
            let small = |list: &[usize]| list.iter().map(|&i| i as i32).collect::<Vec<i32>>();
            check_sparse(&CsMatI::<T, i32>::new_csc((m, n), small(&starts), small(&indices), values), m, n, thin);
        }
    }
}
