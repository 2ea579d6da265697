//! Any sparse L becomes the identity, without A's entries: min ‖Ax − b‖² + d²‖Lx‖² = min ‖Āz − b̄‖² + d²‖z‖² by products.
//!
//! Equals       LᴴL = CCᴴ on the unknowns that remain when one for each direction of null(L) = span W is pinned to 0, by sparse
//!              Cholesky, or by sparse QR of L where κ(LᴴL) would cost too many digits. With E putting the pinned zeros back and
//!              AW = QT,
//!
//! ```text
//! Ā = (I − QQᴴ)·A·EC⁻ᴴ      b̄ = (I − QQᴴ)b      x = x′ + WT⁻¹Qᴴ(b − Ax′),  x′ = EC⁻ᴴz
//! ```
//!
//! That is      A·L_A^†, L_A^† the A-weighted pseudoinverse, with ‖Lx‖ = ‖z‖: what (I − QQᴴ) does to the choice of x′ modulo
//!              null(L) is the same for every choice. So the curves that the rules see are those of the whole problem, and a space for
//!              (Ā, b̄) is one for the problem with L. null(L) is found by inverse iteration on LᴴL and corrected by the factor.
//! Siblings     [`hybrid::general`](super::hybrid::general), which needs products with L alone but has no curve but that of its space;
//!              `transform::standard_form` for dense A and L.
//! Cost         once: the factor, for a square grid of n points about 4 n log₂ n numbers, and q + 1 products with A, q the dimension of
//!              null(L). A product: one with A, one solve with a triangle of the factor, 4mq flops.
//!
//! Refused (`None`, and the caller goes another way): L without entries or with too much fill; null spaces of more than
//! [`MOST_NULL`] dimensions, or not told from the rest; A that does not see null(L).
//!
//! References   Eldén 1977, doi:10.1007/BF01932285 · Eldén 1982, doi:10.1007/BF01934412 · Hansen 1998 §2.3.2,
//!              doi:10.1137/1.9780898719697.

use super::hybrid::basis::{Columns, Space, divide};
use crate::linalg::sparse::{self, Analysis, Nodes, QrAnalysis, Rows};
use crate::linalg::{self, Mat, Op, Threads, supernodal};
use crate::operator::Operator;
use crate::random::Random;
use crate::scalar::{Real, Scalar};
use core::cell::RefCell;

/// Dimensions of null(L) at most: constants, planes, and products of lines have up to 4 on two-dimensional grids and 8 on
/// three-dimensional ones.
pub(crate) const MOST_NULL: usize = 8;
/// Numbers in the factor at most (0.8 GB in `f64`), and multiplications. Choices, not measurements.
const MOST_ENTRIES: f64 = 1e8;
const MOST_FLOPS: f64 = 2e11;
/// Multiplications in LᴴL at most.
const MOST_GRAM_WORK: f64 = 2e8;
/// κ₁(LᴴL) up to which its Cholesky factor leaves enough digits, as a multiple of 1/ε: errors of 1e-7 in ‖Lx‖ in `f64`. Beyond it QR.
const CHOLESKY_UP_TO: f64 = 1e-7;
/// Inverse iterations for null(L).
const ITERATIONS: usize = 3;
/// Seed of the vectors that the inverse iteration starts from.
const SEED: u64 = 1;

/// C and null(L): what does not depend on A.
pub(crate) struct Root<T: Scalar> {
    unknowns: usize,
    analysis: Analysis,
    /// The pattern of R where C = Rᴴ is from a QR factorization.
    qr: Option<QrAnalysis>,
    values: Vec<T>,
    /// The unknown at each place of the order of elimination.
    place: Vec<usize>,
    /// W: a basis of null(L), 1 at its own pinned unknown and 0 at the others.
    null: Vec<Vec<T>>,
    /// Room for a supernode's pattern, and for z in the order of elimination: kept, so that a product allocates nothing.
    scratch: RefCell<(Vec<T>, Vec<T>)>,
}

impl<T: Scalar> Root<T> {
    /// For L by rows.
    pub fn new(l: &Rows<T>) -> Option<Self> {
        let n = l.columns;
        if n == 0 || l.gram_work() > MOST_GRAM_WORK {
            return None;
        }
        let gram = l.gram(&l.transposed());
        let norm = gram.one_norm(&gram.values).sqrt();
        if !(norm > 0.0 && norm.is_finite()) {
            return None;
        }
        let (null, pinned) = pinned(null_space(l, norm)?);
        let kept: Vec<usize> = (0..n).filter(|j| !pinned.contains(j)).collect();
        let mut reduced_place = vec![usize::MAX; n];
        kept.iter().enumerate().for_each(|(new, &old)| reduced_place[old] = new);
        let reduced = Rows::new(l.rows(), kept.len(), &|visit| {
            for i in 0..l.rows() {
                let (columns, entries) = l.row(i);
                for (&j, &value) in columns.iter().zip(entries) {
                    if reduced_place[j] != usize::MAX {
                        visit(i, reduced_place[j], value);
                    }
                }
            }
        });
        if kept.is_empty() || reduced.rows() < kept.len() {
            return None;
        }
        let (analysis, qr, values) = factor(&reduced)?;
        let mut root =
            Self { unknowns: n, analysis, qr, values, place: vec![0; kept.len()], null: Vec::new(), scratch: RefCell::default() };
        let order = root.nodes().order().to_vec();
        kept.iter().zip(order).for_each(|(&old, new)| root.place[new] = old);
        let tolerance = 64.0 * T::Real::EPSILON.to_f64() * (n as f64).sqrt() * norm;
        for w in null {
            root.null.push(root.corrected(l, w, tolerance)?);
        }
        Some(root)
    }

    /// n − q.
    pub fn dimension(&self) -> usize {
        self.place.len()
    }

    /// q.
    pub fn nullity(&self) -> usize {
        self.null.len()
    }

    fn nodes(&self) -> Nodes<'_> {
        match &self.qr {
            Some(pattern) => pattern.nodes(&self.analysis),
            None => self.analysis.nodes(),
        }
    }

    /// A null vector with what is left of Lw taken out by two corrections of its unpinned part; `None` where it is none.
    fn corrected(&self, l: &Rows<T>, mut w: Vec<T>, tolerance: f64) -> Option<Vec<T>> {
        let (mut image, mut gradient, mut z) = (vec![T::ZERO; l.rows()], vec![T::ZERO; w.len()], vec![T::ZERO; self.dimension()]);
        for _ in 0..2 {
            image.fill(T::ZERO);
            l.add_product(T::Real::ONE, &w, &mut image);
            gradient.fill(T::ZERO);
            l.add_adjoint_product(-T::Real::ONE, &image, &mut gradient);
            self.reduce(&gradient, &mut z);
            self.expand(&z, &mut gradient);
            linalg::add_scaled(&mut w, T::ONE, &gradient);
        }
        image.fill(T::ZERO);
        l.add_product(T::Real::ONE, &w, &mut image);
        (linalg::norm(&image).to_f64() <= tolerance * linalg::norm(&w).to_f64()).then_some(w)
    }

    /// x ← EC⁻ᴴz.
    fn expand(&self, z: &[T], x: &mut [T]) {
        let (scratch, inner) = &mut *self.scratch.borrow_mut();
        inner.clear();
        inner.extend_from_slice(z);
        supernodal::solve_adjoint(self.nodes(), &self.values, inner, scratch);
        x.fill(T::ZERO);
        self.place.iter().zip(&*inner).for_each(|(&place, &value)| x[place] = value);
    }

    /// z ← C⁻¹Eᴴx.
    fn reduce(&self, x: &[T], z: &mut [T]) {
        let (scratch, _) = &mut *self.scratch.borrow_mut();
        z.iter_mut().zip(&self.place).for_each(|(z, &place)| *z = x[place]);
        supernodal::solve_lower(self.nodes(), &self.values, z, scratch);
    }
}

type Factor<T> = (Analysis, Option<QrAnalysis>, Vec<T>);

/// C with CCᴴ = LᴴL, L of full column rank.
fn factor<T: Scalar>(l: &Rows<T>) -> Option<Factor<T>> {
    let transposed = l.transposed();
    let gram = l.gram(&transposed);
    let n = gram.order();
    let analysis = Analysis::new(&gram, Threads::ONE)?;
    if analysis.entries() as f64 > MOST_ENTRIES || analysis.flops() > MOST_FLOPS {
        return None;
    }
    let epsilon = T::Real::EPSILON.to_f64();
    if let Some(values) = sparse::factorize(&analysis, &gram.values, Threads::ONE) {
        let solve = |x: &mut [T]| supernodal::solve(analysis.nodes(), &values, x);
        let condition = gram.one_norm(&gram.values) * linalg::inverse_one_norm(n, &solve, &solve);
        if condition * epsilon <= CHOLESKY_UP_TO {
            return Some((analysis, None, values));
        }
    }
    let pattern = QrAnalysis::new(&analysis, l, &transposed)?;
    if pattern.entries() as f64 > MOST_ENTRIES {
        return None;
    }
    let mut values = Vec::new();
    T::with_sparse_qr(&analysis, &pattern, l, &mut |factor| values = factor.triangle().1.to_vec())?;
    let (least, largest) = supernodal::diagonal_range(pattern.nodes(&analysis), &values);
    (least > epsilon * (l.rows().max(n) as f64) * largest).then_some((analysis, Some(pattern), values))
}

/// Candidates for a basis of null(L), by inverse iteration on LᴴL with a shift at rounding level.
fn null_space<T: Scalar>(l: &Rows<T>, norm: f64) -> Option<Vec<Vec<T>>> {
    let n = l.columns;
    let epsilon = T::Real::EPSILON.to_f64();
    let mut gram = l.gram(&l.transposed());
    let analysis = Analysis::new(&gram, Threads::ONE)?;
    if analysis.entries() as f64 > MOST_ENTRIES || analysis.flops() > MOST_FLOPS {
        return None;
    }
    let shift = T::from_real(T::Real::from_f64(64.0 * epsilon * norm * norm));
    (0..n).for_each(|j| gram.values[gram.starts[j]] += shift);
    let values = sparse::factorize(&analysis, &gram.values, Threads::ONE)?;
    let count = n.min(MOST_NULL + 1);
    let start: Vec<T> = Random::new(SEED).scalars(n * count);
    let mut w = Mat::from_fn(n, count, |i, j| start[j * n + i]);
    for _ in 0..ITERATIONS {
        (0..count).for_each(|j| supernodal::solve(analysis.nodes(), &values, w.col_as_slice_mut(j)));
        w = linalg::thin_qr(w, Threads::ONE).0;
    }
    // the directions of span W that L sees least
    let mut image = linalg::zeros::<T>(l.rows().max(count), count);
    for j in 0..count {
        l.add_product(T::Real::ONE, w.col_as_slice(j), &mut image.col_as_slice_mut(j)[..l.rows()]);
    }
    let (mut s, mut v) = (vec![T::ZERO; count], linalg::zeros::<T>(count, count));
    T::svd(image.as_ref(), &mut s, None, Some(v.as_mut()), false, Threads::ONE).ok()?;
    // between rounding and the smallest values of differences: what is in doubt is told by the correction
    let free = s.iter().filter(|s| s.real().to_f64() <= epsilon.powf(0.6) * norm).count();
    if free > MOST_NULL {
        return None;
    }
    let directions = Mat::from_fn(count, free, |i, j| v[(i, count - free + j)]);
    let null = linalg::product(w.as_ref(), Op::None, directions.as_ref(), Op::None, Threads::ONE);
    Some((0..free).map(|j| null.col_as_slice(j).to_vec()).collect())
}

/// The same space with each vector 1 at an unknown of its own where the others are 0, and those unknowns.
fn pinned<T: Scalar>(mut null: Vec<Vec<T>>) -> (Vec<Vec<T>>, Vec<usize>) {
    let mut pins = Vec::new();
    for k in 0..null.len() {
        // complete pivoting: the largest entry of the vectors that have no pin yet
        let (mut at, mut largest) = ((k, 0), T::Real::ZERO);
        for (j, column) in null.iter().enumerate().skip(k) {
            for (i, value) in column.iter().enumerate() {
                if value.modulus() > largest {
                    (at, largest) = ((j, i), value.modulus());
                }
            }
        }
        null.swap(k, at.0);
        let pivot = null[k][at.1];
        null[k].iter_mut().for_each(|value| *value /= pivot);
        let own = null[k].clone();
        for (j, column) in null.iter_mut().enumerate() {
            if j != k {
                let factor = column[at.1];
                linalg::add_scaled(column, -factor, &own);
            }
        }
        pins.push(at.1);
    }
    (null, pins)
}

/// Ā: A in standard form.
pub(crate) struct StandardForm<'r, T: Scalar> {
    a: &'r dyn Operator<Scalar = T>,
    root: &'r Root<T>,
    /// Q.
    seen: Columns<T>,
    /// The columns of T.
    triangle: Vec<Vec<T>>,
    /// The norm of what cancels inside the products.
    pub hidden: f64,
    unknowns: RefCell<Vec<T>>,
    data: RefCell<Vec<T>>,
}

impl<'r, T: Scalar> StandardForm<'r, T> {
    /// A with L's root; `hidden` is the norm of what cancels inside the products with A, as seen in `b`. `None` where A does not see
    /// null(L).
    pub fn new(a: &'r dyn Operator<Scalar = T>, root: &'r Root<T>, hidden: f64, b: &[T]) -> Option<Self> {
        let (m, n) = a.shape();
        let (mut seen, mut triangle) = (Columns::new(m), Vec::new());
        for w in &root.null {
            let mut image = vec![T::ZERO; m];
            a.apply(w, &mut image);
            let before = a.range_norm(&image);
            let mut coefficients = vec![T::ZERO; seen.count()];
            let after = seen.project_out(&mut image, &Space::Range(a), Some(&mut coefficients));
            if !(after > T::Real::EPSILON.sqrt() * before) {
                return None;
            }
            divide(&mut image, after);
            coefficients.push(T::from_real(after));
            seen.push(&image);
            triangle.push(coefficients);
        }
        let mut form = Self { a, root, seen, triangle, hidden: 0.0, unknowns: vec![T::ZERO; n].into(), data: vec![T::ZERO; m].into() };
        // what (I − QQᴴ) takes out, and what A's own products hide, in the units of z
        let (mut x, mut z) = (vec![T::ZERO; n], vec![T::ZERO; root.dimension()]);
        for j in 0..form.seen.count() {
            a.apply_adjoint(form.seen.column(j), &mut x);
            root.reduce(&x, &mut z);
            form.hidden = form.hidden.hypot(linalg::norm(&z).to_f64());
        }
        a.apply_adjoint(b, &mut x);
        root.reduce(&x, &mut z);
        let scale = linalg::norm(&z).to_f64() / linalg::norm(&x).to_f64();
        if hidden > 0.0 && scale.is_finite() {
            form.hidden = form.hidden.hypot(hidden * scale);
        }
        Some(form)
    }

    /// b̄.
    pub fn project(&self, y: &mut [T]) {
        self.seen.project_out(y, &Space::Range(self.a), None);
    }

    /// x from z.
    pub fn answer(&self, z: &[T], b: &[T]) -> Vec<T> {
        let mut room = Room::default();
        self.answer_in(z, b, &mut room);
        room.x
    }

    /// The same into `room.x`, which allocates nothing from the second time on.
    pub fn answer_in(&self, z: &[T], b: &[T], room: &mut Room<T>) {
        let Room { x, residual, coefficients: c } = room;
        x.resize(self.root.unknowns, T::ZERO);
        residual.resize(b.len(), T::ZERO);
        self.root.expand(z, x);
        self.a.apply(x, residual);
        residual.iter_mut().zip(b).for_each(|(r, &b)| *r = b - *r);
        let q = self.seen.count();
        c.clear();
        c.extend((0..q).map(|j| self.a.range_dot(self.seen.column(j), residual)));
        for j in (0..q).rev() {
            c[j] /= self.triangle[j][j];
            let (above, value) = (&self.triangle[j][..j], c[j]);
            linalg::add_scaled(&mut c[..j], -value, above);
        }
        for (w, &c) in self.root.null.iter().zip(&*c) {
            linalg::add_scaled(x, c, w);
        }
    }
}

/// x, and what it takes to make it from z.
#[derive(Default)]
pub(crate) struct Room<T> {
    pub x: Vec<T>,
    residual: Vec<T>,
    coefficients: Vec<T>,
}

impl<T: Scalar> Operator for StandardForm<'_, T> {
    type Scalar = T;
    fn shape(&self) -> (usize, usize) {
        (self.a.shape().0, self.root.dimension())
    }
    fn apply(&self, z: &[T], y: &mut [T]) {
        let x = &mut *self.unknowns.borrow_mut();
        self.root.expand(z, x);
        self.a.apply(x, y);
        self.project(y);
    }
    fn apply_adjoint(&self, y: &[T], z: &mut [T]) {
        let x = &mut *self.unknowns.borrow_mut();
        let projected = &mut *self.data.borrow_mut();
        projected.copy_from_slice(y);
        self.project(projected);
        self.a.apply_adjoint(projected, x);
        self.root.reduce(x, z);
    }
    fn global_rows(&self) -> usize {
        self.a.global_rows()
    }
    fn range_norm(&self, y: &[T]) -> T::Real {
        self.a.range_norm(y)
    }
    fn range_dot(&self, u: &[T], v: &[T]) -> T {
        self.a.range_dot(u, v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Boundary, DenseView};
    use crate::penalty::Penalty;
    use crate::scalar::c64;

    fn rows<T: Scalar>(penalty: &Penalty<'_, T>, n: usize) -> Rows<T> {
        let count = penalty.for_each(n, &mut |_, _, _| {}).unwrap();
        Rows::new(count, n, &|visit| {
            penalty.for_each(n, visit).unwrap();
        })
    }

    /// ‖Lx‖ = ‖z‖, Lw = 0 for every w of the basis, and the adjoint is one: by definition, for penalties with null spaces of 0 to 4
    /// dimensions and condition numbers that send some to Cholesky and some to QR.
    fn definitions<T: Scalar>() {
        let penalties: [(Penalty<'_, T>, usize, usize); 7] = [
            (Penalty::first_difference(), 60, 1),
            (Penalty::second_difference(), 2000, 2),
            (Penalty::first_difference_with(Boundary::Zero), 40, 0),
            (Penalty::first_difference_2d(9, 8, Boundary::Free), 72, 1),
            (Penalty::first_difference_2d(9, 8, Boundary::Periodic), 72, 1),
            (Penalty::second_difference_2d(7, 8, Boundary::Free), 56, 4),
            (Penalty::sum([(1.0, Penalty::first_difference()), (0.01, Penalty::identity())]), 30, 0),
        ];
        let mut random = Random::new(3);
        for (penalty, n, nullity) in penalties {
            let l = rows(&penalty, n);
            let root = Root::new(&l).unwrap_or_else(|| panic!("{penalty:?}"));
            assert_eq!((root.nullity(), root.dimension()), (nullity, n - nullity), "{penalty:?}");
            let image = |x: &[T]| {
                let mut y = vec![T::ZERO; l.rows()];
                l.add_product(T::Real::ONE, x, &mut y);
                linalg::norm(&y).to_f64()
            };
            let z: Vec<T> = random.scalars(root.dimension());
            let mut x = vec![T::ZERO; n];
            root.expand(&z, &mut x);
            let length = linalg::norm(&z).to_f64();
            assert!((image(&x) / length - 1.0).abs() < 1e-8, "{penalty:?}: {} and {length}", image(&x));
            for w in &root.null {
                assert!(image(w) < 1e-12 * linalg::norm(w).to_f64(), "{penalty:?}: {:e}", image(w));
            }
            let y: Vec<T> = random.scalars(n);
            let mut back = z.clone();
            root.reduce(&y, &mut back);
            let (there, here) = (linalg::dot(&y, &x), linalg::dot(&back, &z));
            assert!((there - here).modulus().to_f64() < 1e-9 * linalg::norm(&y).to_f64() * linalg::norm(&x).to_f64(), "{penalty:?}");
        }
    }

    #[test]
    fn definitions_hold() {
        definitions::<f64>();
        definitions::<c64>();
    }

    /// A and L that share a direction, a null space that is too large, and no L at all are handed back.
    #[test]
    fn what_is_handed_back() {
        let (n, wide) = (12, 20);
        let root = Root::new(&rows(&Penalty::<f64>::first_difference(), n)).unwrap();
        // differences: blind to constants
        let a: Vec<f64> = (0..n * n)
            .map(|k| {
                if k % n == k / n {
                    1.0
                } else if (k / n + 1) % n == k % n {
                    -1.0
                } else {
                    0.0
                }
            })
            .collect();
        let a = DenseView::column_major(&a, n, n).unwrap();
        let b: Vec<f64> = (0..n).map(|i| i as f64).collect();
        assert!(StandardForm::new(&a, &root, 0.0, &b).is_none());
        let mut free = vec![1.0; wide];
        free[..MOST_NULL + 1].fill(0.0);
        assert!(Root::new(&rows(&Penalty::<f64>::diagonal(&free), wide)).is_none());
        assert!(Root::new(&rows(&Penalty::<f64>::diagonal(&vec![0.0; 4]), 4)).is_none());
    }
}
