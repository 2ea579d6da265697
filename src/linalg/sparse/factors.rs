//! faer's sparse Cholesky and QR factorizations under our names.
//!
//! A factor comes in *supernodes*: consecutive columns with the same pattern below their triangle, stored as one dense
//! block. The analysis (ordering by approximate minimum degree, pattern of the factor) is done once and serves every λ.
//! Everything runs on one thread: with two, faer's factorization of a 500×500 grid took nearly twice as long (1.02 s
//! against 0.57 s, two Zen 3 cores, November 2026).

use super::{Lower, Rows};
use crate::linalg::{Mat, MatMut, MatRef};
use crate::scalar::Scalar;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::perm::PermRef;
use faer::sparse::linalg::SupernodalThreshold;
use faer::sparse::linalg::cholesky::supernodal::{SupernodalLltRef, SymbolicSupernodalCholesky};
use faer::sparse::linalg::cholesky::{self, CholeskySymbolicParams, SymbolicCholesky, SymbolicCholeskyRaw, SymmetricOrdering};
use faer::sparse::linalg::qr;
use faer::sparse::linalg::qr::supernodal::SymbolicSupernodalQr;
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::traits::ComplexField;
use faer::{Conj, Par, Side};

/// The order of elimination and the pattern of the factor.
#[derive(Debug)]
pub struct Analysis {
    symbolic: SymbolicCholesky<usize>,
    /// The supernode of each column.
    node: Vec<usize>,
}

/// Consecutive columns of a factor with a common pattern.
#[derive(Debug, Clone, Copy)]
pub struct Supernode<'a> {
    pub start: usize,
    pub end: usize,
    /// The rows below the columns' own, ascending.
    pub pattern: &'a [usize],
}

impl Analysis {
    /// For matrices of this pattern; `None` when memory does not suffice.
    pub fn new<T: Scalar>(lower: &Lower<T>) -> Option<Self> {
        let params = CholeskySymbolicParams {
            // always in supernodes; zero would leave diagonal matrices out, whose operation count is zero
            supernodal_flop_ratio_threshold: SupernodalThreshold(-1.0),
            ..Default::default()
        };
        let symbolic = cholesky::factorize_symbolic_cholesky(symbolic(lower), Side::Lower, SymmetricOrdering::Amd, params).ok()?;
        let mut analysis = Self { symbolic, node: Vec::new() };
        analysis.node = node_of_columns(analysis.supernodal());
        Some(analysis)
    }

    fn supernodal(&self) -> &SymbolicSupernodalCholesky<usize> {
        match self.symbolic.raw() {
            SymbolicCholeskyRaw::Supernodal(symbolic) => symbolic,
            SymbolicCholeskyRaw::Simplicial(_) => unreachable!("the threshold is negative: every factor comes in supernodes"),
        }
    }

    /// New index → old, and old → new.
    fn permutation(&self) -> (&[usize], &[usize]) {
        self.symbolic.perm().map_or((&[], &[]), |perm| perm.arrays())
    }

    /// Entries of the factor, zeros inside the supernodes among them.
    pub fn entries(&self) -> usize {
        self.symbolic.len_val()
    }

    /// Multiplications and additions of one factorization.
    pub fn flops(&self) -> f64 {
        let of = |node: Supernode<'_>| -> f64 {
            let (w, r) = ((node.end - node.start) as f64, node.pattern.len() as f64);
            w * w * w / 3.0 + w * w * r + w * r * r
        };
        let nodes = self.nodes();
        (0..nodes.count()).map(|s| of(nodes.supernode(s))).sum()
    }

    /// The supernodes of the factor.
    pub fn nodes(&self) -> Nodes<'_> {
        Nodes { symbolic: self.supernodal(), node: &self.node, new: self.permutation().1 }
    }
}

/// The supernodes of a factor, in the order of elimination.
#[derive(Clone, Copy)]
pub struct Nodes<'a> {
    symbolic: &'a SymbolicSupernodalCholesky<usize>,
    node: &'a [usize],
    new: &'a [usize],
}

/// The supernode of each column.
fn node_of_columns(symbolic: &SymbolicSupernodalCholesky<usize>) -> Vec<usize> {
    let mut node = vec![0; symbolic.ncols()];
    for s in 0..symbolic.n_supernodes() {
        node[symbolic.supernode_begin()[s]..symbolic.supernode_end()[s]].fill(s);
    }
    node
}

impl<'a> Nodes<'a> {
    /// How many.
    pub fn count(self) -> usize {
        self.symbolic.n_supernodes()
    }

    /// Where each column of the matrix comes in the order of elimination.
    pub fn order(self) -> &'a [usize] {
        self.new
    }

    /// The supernode of a column.
    pub fn node_of(self, column: usize) -> usize {
        self.node[column]
    }

    pub fn supernode(self, s: usize) -> Supernode<'a> {
        let symbolic = self.symbolic;
        let pattern = &symbolic.row_idx()[symbolic.col_ptr_for_row_idx()[s]..][..symbolic.nnz_per_super()[s]];
        Supernode { start: symbolic.supernode_begin()[s], end: symbolic.supernode_end()[s], pattern }
    }

    /// The numbers of supernode s among the values of a factor, column after column: its own rows, then the pattern.
    pub fn numbers<T>(self, values: &[T], s: usize) -> &[T] {
        let places = self.symbolic.col_ptr_for_val();
        &values[places[s]..places[s + 1]]
    }

    /// The block of supernode s among the values of a factor (or of anything on its pattern): its own rows, then the pattern.
    pub fn block<T>(self, values: &[T], s: usize) -> MatRef<'_, T> {
        let Supernode { start, end, pattern } = self.supernode(s);
        let places = self.symbolic.col_ptr_for_val();
        MatRef::from_column_major_slice(&values[places[s]..places[s + 1]], end - start + pattern.len(), end - start)
    }

    /// The same, to be written.
    pub fn block_mut<T>(self, values: &mut [T], s: usize) -> MatMut<'_, T> {
        let Supernode { start, end, pattern } = self.supernode(s);
        let places = self.symbolic.col_ptr_for_val();
        MatMut::from_column_major_slice_mut(&mut values[places[s]..places[s + 1]], end - start + pattern.len(), end - start)
    }
}

fn symbolic<T: Scalar>(lower: &Lower<T>) -> SymbolicSparseColMatRef<'_, usize> {
    SymbolicSparseColMatRef::new_checked(lower.order(), lower.order(), &lower.starts, None, &lower.indices)
}

/// Memory for a kernel, or `None`.
fn memory(requirement: StackReq) -> Option<MemBuffer> {
    MemBuffer::try_new(requirement).ok()
}

/// The values of the factor of M; `None` when M is not positive definite in working precision (or memory does not suffice).
pub(in crate::linalg) fn factorize<T: Scalar + ComplexField>(analysis: &Analysis, lower: &Lower<T>) -> Option<Vec<T>> {
    let mut values = vec![<T as Scalar>::ZERO; analysis.entries()];
    let mut memory = memory(analysis.symbolic.factorize_numeric_llt_scratch::<T>(Par::Seq, Default::default()))?;
    analysis
        .symbolic
        .factorize_numeric_llt(
            &mut values,
            SparseColMatRef::new(symbolic(lower), &lower.values),
            Side::Lower,
            Default::default(),
            Par::Seq,
            MemStack::new(&mut memory),
            Default::default(),
        )
        .ok()?;
    Some(values)
}

/// B ← M⁻¹B with the values of the factor; `None` when memory does not suffice.
pub(in crate::linalg) fn solve_factored<T: Scalar + ComplexField>(analysis: &Analysis, values: &[T], b: MatMut<'_, T>) -> Option<()> {
    let factor = SupernodalLltRef::new(analysis.supernodal(), values);
    solve_in_order(&factor, analysis.permutation(), b)
}

fn solve_in_order<T: Scalar + ComplexField>(
    factor: &SupernodalLltRef<'_, usize, T>,
    (forward, _): (&[usize], &[usize]),
    mut b: MatMut<'_, T>,
) -> Option<()> {
    let mut x = Mat::from_fn(b.nrows(), b.ncols(), |i, j| b[(forward[i], j)]);
    let mut memory = memory(factor.symbolic().solve_in_place_scratch::<T>(x.ncols(), Par::Seq))?;
    factor.solve_in_place_with_conj(Conj::No, x.as_mut(), Par::Seq, MemStack::new(&mut memory));
    for j in 0..x.ncols() {
        for (i, &old) in forward.iter().enumerate() {
            b[(old, j)] = x[(i, j)];
        }
    }
    Some(())
}

/// Solves with a QR factorization of S.
pub trait Orthogonal<T> {
    /// The x that minimises ‖Sx − y‖; y may be overwritten.
    fn least_squares(&self, y: &mut [T]) -> Option<Vec<T>>;
    /// x ← (SᴴS)⁻¹x.
    fn normal(&self, x: &mut [T]) -> Option<()>;
    /// Rᴴ in supernodes.
    fn triangle(&self) -> (Nodes<'_>, &[T]);
}

struct Householder<'a, T> {
    analysis: &'a Analysis,
    pattern: &'a QrAnalysis,
    factor: qr::supernodal::SupernodalQrRef<'a, usize, T>,
}

impl<T: Scalar + ComplexField> Orthogonal<T> for Householder<'_, T> {
    fn least_squares(&self, y: &mut [T]) -> Option<Vec<T>> {
        let m = y.len();
        let requirement = StackReq::and(self.factor.symbolic().solve_in_place_scratch::<T>(1, Par::Seq), StackReq::new_aligned::<T>(m, 64));
        let mut memory = memory(requirement)?;
        let column = MatMut::from_column_major_slice_mut(y, m, 1);
        self.factor.solve_in_place_with_conj(Conj::No, column, Par::Seq, MemStack::new(&mut memory));
        let (_, inverse) = self.analysis.permutation();
        Some(inverse.iter().map(|&new| y[new]).collect())
    }
    fn normal(&self, x: &mut [T]) -> Option<()> {
        let factor = SupernodalLltRef::new(self.factor.symbolic().R_adjoint(), self.factor.R_val());
        let n = x.len();
        solve_in_order(&factor, self.analysis.permutation(), MatMut::from_column_major_slice_mut(x, n, 1))
    }
    fn triangle(&self) -> (Nodes<'_>, &[T]) {
        (
            Nodes { symbolic: self.pattern.symbolic.R_adjoint(), node: &self.pattern.node, new: self.analysis.permutation().1 },
            self.factor.R_val(),
        )
    }
}

/// The pattern of a QR factorization of S, with the columns in the order of an [`Analysis`] of SᴴS.
pub struct QrAnalysis {
    symbolic: SymbolicSupernodalQr<usize>,
    /// The supernode of each column.
    node: Vec<usize>,
}

impl QrAnalysis {
    /// For S of this pattern, m ≥ n; `transposed` is Sᵀ by rows. `None` when memory does not suffice.
    pub fn new<T: Scalar>(analysis: &Analysis, s: &Rows<T>, transposed: &Rows<T>) -> Option<Self> {
        let (m, n) = (s.rows(), s.columns);
        let by_columns = SymbolicSparseColMatRef::new_checked(m, n, &transposed.starts, None, &transposed.indices);
        let by_rows = SymbolicSparseColMatRef::new_checked(n, m, &s.starts, None, &s.indices);
        let (forward, inverse) = analysis.permutation();
        let order = PermRef::new_checked(forward, inverse, n);
        let requirement = StackReq::any_of(&[
            qr::col_etree_scratch::<usize>(m, n),
            qr::postorder_scratch::<usize>(n),
            qr::column_counts_aat_scratch::<usize>(n, m),
            qr::supernodal::factorize_supernodal_symbolic_qr_scratch::<usize>(m, n),
        ]);
        // the bound of the last leaves out the arrays of length m that it borrows
        let mut memory = memory(StackReq::and(requirement, StackReq::new::<usize>(6 * n + 2 * m)))?;
        let stack = MemStack::new(&mut memory);
        let (mut tree, mut post) = (vec![0usize; n], vec![0usize; n]);
        let tree = qr::col_etree(by_columns, Some(order), &mut tree, stack);
        qr::postorder(&mut post, tree, stack);
        let (mut counts, mut first) = (vec![0usize; n], vec![0usize; m]);
        qr::column_counts_ata(&mut counts, &mut first, by_rows, Some(order), tree, &post, stack);
        let symbolic =
            qr::supernodal::factorize_supernodal_symbolic_qr(by_columns, Some(order), first, tree, &counts, stack, Default::default())
                .ok()?;
        let node = node_of_columns(symbolic.R_adjoint());
        Some(Self { symbolic, node })
    }

    /// The supernodes of Rᴴ.
    pub fn nodes<'a>(&'a self, analysis: &'a Analysis) -> Nodes<'a> {
        Nodes { symbolic: self.symbolic.R_adjoint(), node: &self.node, new: analysis.permutation().1 }
    }

    /// Entries of R and of the reflectors.
    pub fn entries(&self) -> usize {
        self.symbolic.R_adjoint().len_val() + self.symbolic.householder().len_householder_val()
    }
}

/// Factorizes S = QR and hands the solver to `work`; `None` when memory does not suffice.
pub(in crate::linalg) fn with_qr<T: Scalar + ComplexField>(
    analysis: &Analysis,
    pattern: &QrAnalysis,
    s: &Rows<T>,
    work: &mut dyn FnMut(&dyn Orthogonal<T>),
) -> Option<()> {
    let symbolic = &pattern.symbolic;
    let (m, n) = (s.rows(), s.columns);
    let (forward, inverse) = analysis.permutation();
    let householder = symbolic.householder();
    let blocks = householder.len_householder_row_idx() + householder.n_supernodes();
    let (mut rows, mut sizes, mut heights, mut widths) =
        (vec![0; householder.len_householder_row_idx()], vec![0; blocks], vec![0; blocks], vec![0; blocks]);
    let zero = <T as Scalar>::ZERO;
    let (mut r, mut reflectors, mut tau) =
        (vec![zero; symbolic.R_adjoint().len_val()], vec![zero; householder.len_householder_val()], vec![zero; householder.len_tau_val()]);
    let mut memory = memory(qr::supernodal::factorize_supernodal_numeric_qr_scratch::<usize, T>(symbolic, Par::Seq, Default::default()))?;
    // the rows of S are the columns of Sᵀ
    let transposed = SparseColMatRef::new(SymbolicSparseColMatRef::new_checked(n, m, &s.starts, None, &s.indices), &s.values);
    let factor = qr::supernodal::factorize_supernodal_numeric_qr(
        &mut rows,
        &mut sizes,
        &mut heights,
        &mut widths,
        &mut r,
        &mut reflectors,
        &mut tau,
        transposed,
        Some(PermRef::new_checked(forward, inverse, n)),
        symbolic,
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    );
    work(&Householder { analysis, pattern, factor });
    Some(())
}
