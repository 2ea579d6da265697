//! faer's sparse QR factorization under our names, with the columns in the order of an [`Analysis`].
//!
//! It runs on one thread, as faer's sparse Cholesky factorization did, which took nearly twice as long with two (500×500 grid,
//! 1.02 s against 0.57 s, two Zen 3 cores, November 2026).

use super::analysis::Supernodes;
use super::{Analysis, Nodes, Rows};
use crate::linalg::{MatMut, supernodal};
use crate::scalar::Scalar;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::perm::PermRef;
use faer::sparse::linalg::qr;
use faer::sparse::linalg::qr::supernodal::SymbolicSupernodalQr;
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::traits::ComplexField;
use faer::{Conj, Par};

/// Memory for a kernel, or `None`.
fn memory(requirement: StackReq) -> Option<MemBuffer> {
    MemBuffer::try_new(requirement).ok()
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
        Some(self.analysis.new.iter().map(|&new| y[new]).collect())
    }
    fn normal(&self, x: &mut [T]) -> Option<()> {
        supernodal::solve(self.triangle().0, self.factor.R_val(), x);
        Some(())
    }
    fn triangle(&self) -> (Nodes<'_>, &[T]) {
        (self.pattern.nodes(self.analysis), self.factor.R_val())
    }
}

/// The pattern of a QR factorization of S, with the columns in the order of an [`Analysis`] of SᴴS.
pub struct QrAnalysis {
    symbolic: SymbolicSupernodalQr<usize>,
    supernodes: Supernodes,
}

impl QrAnalysis {
    /// For S of this pattern, m ≥ n; `transposed` is Sᵀ by rows. `None` when memory does not suffice.
    pub fn new<T: Scalar>(analysis: &Analysis, s: &Rows<T>, transposed: &Rows<T>) -> Option<Self> {
        let (m, n) = (s.rows(), s.columns);
        let by_columns = SymbolicSparseColMatRef::new_checked(m, n, &transposed.starts, None, &transposed.indices);
        let by_rows = SymbolicSparseColMatRef::new_checked(n, m, &s.starts, None, &s.indices);
        let (forward, inverse) = (&analysis.order, &analysis.new);
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
        let upper = symbolic.R_adjoint();
        let pattern = |s: usize| {
            let from = upper.col_ptr_for_row_idx()[s];
            (from, from + upper.nnz_per_super()[s])
        };
        let count = upper.n_supernodes();
        let begins = upper.supernode_begin()[..count].iter().copied().chain([n]).collect();
        let supernodes = Supernodes::of(begins, (0..count).map(pattern).collect(), upper.row_idx().to_vec());
        Some(Self { symbolic, supernodes })
    }

    /// The supernodes of Rᴴ.
    pub fn nodes<'a>(&'a self, analysis: &'a Analysis) -> Nodes<'a> {
        Nodes { supernodes: &self.supernodes, new: &analysis.new }
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
    let (forward, inverse) = (&analysis.order, &analysis.new);
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
