//! The flexible Golub–Kahan process: a space for min ‖Ax − b‖² + λ·Σwⱼ|xⱼ|² whose weights change from step to step.
//!
//! Process      u₁ = b/β; in step k a direction pₖ is orthonormalised against Z to zₖ, Azₖ against U to uₖ₊₁, and Aᴴuₖ₊₁ is kept:
//!              AZₖ = Uₖ₊₁Mₖ with Mₖ upper Hessenberg, and Aᴴb, AᴴAZₖ in the span of AᴴUₖ₊₁.
//! Direction    pₖ = Pₖ·Aᴴ(b − Axₖ) with Pₖ the reciprocals of the weights of that moment, from the coordinates of the residual in
//!              U and the AᴴU that are there: without a product. For weights that stay it is LSQR preconditioned by them, for
//!              weights of 1 Golub and Kahan's process itself, and the preconditioned gradient of the weighted problem, Pₖ·Aᴴr − λx, is
//!              always in the next space: what makes the reweighting converge as in the whole space. The published process takes
//!              Pₖvₖ, vₖ the next column of an orthonormal basis of AᴴU (as IR Tools has it), and its space then lacks the old vectors
//!              under the new weights: in a model of this loop, spikes blurred by a Gaussian of 3 pixels, ℓ1, the duality gap
//!              is 7e-4·‖b‖² after 200 steps at 400 points where it is 3e-6·‖b‖² with the gradient, and 3e-3 against 7e-6 at 1000.
//! Equals       what the weights and the small problem make of it: [`outer::flexible`](crate::outer::flexible) drives it.
//! Siblings     `hybrid` where the weights do not change; `hybrid::general` for a fixed L that is no diagonal.
//! Cost         a step: one product with A, one with Aᴴ, 2k(m + 2n) flops twice for the orthogonality. k(2n + m) numbers, k as many as
//!              are kept: [`Process::compress`].
//!
//! References   Chung & Gazzola 2019, SIAM J. Sci. Comput. 41, doi:10.1137/18M1194456 (the process and ℓp) · Gazzola, Nagy & Sabaté
//!              Landman 2021, SIAM J. Sci. Comput. 43 (the weights of the moment in the small problem, which has the minimiser for its limit).

use super::Fault;
use super::hybrid::basis::{Columns, Space, divide, finite};
use crate::linalg::{self, Mat, Op, Threads, add_scaled, dot, norm};
use crate::operator::Operator;
use crate::scalar::{Real, Scalar};

/// What is left of a vector below this many ε of its length is rounding.
const DEPENDENT: f64 = 64.0;
/// Steps whose products are compared with each other: a wrong adjoint shows in the first.
const COMPARED: usize = 2;
/// A part of an iterate that is smaller than this fraction of it is not worth a direction. Iterates have no more digits themselves.
const PART: f64 = 1e-6;

/// Z, U, M and AᴴU.
pub(crate) struct Process<'a, T: Scalar> {
    a: &'a dyn Operator<Scalar = T>,
    /// Rounding of the products, where something cancels inside them.
    hidden: f64,
    right: Columns<T>,
    left: Columns<T>,
    back: Columns<T>,
    /// The columns of M.
    triangle: Vec<Vec<T>>,
    beta: f64,
}

impl<'a, T: Scalar> Process<'a, T> {
    /// Starts from `b`, in the range of A.
    pub fn start(a: &'a dyn Operator<Scalar = T>, hidden: f64, b: &[T]) -> Result<Self, Fault> {
        let (m, n) = a.shape();
        let beta = a.range_norm(b);
        finite(beta, "the data of the process")?;
        let (right, left, back) = (Columns::new(n), Columns::new(m), Columns::new(n));
        let mut new = Self { a, hidden, right, left, back, triangle: Vec::new(), beta: beta.to_f64() };
        if beta > T::Real::ZERO {
            let mut u = b.to_vec();
            divide(&mut u, beta);
            new.push_left(&u)?;
        }
        Ok(new)
    }

    fn push_left(&mut self, u: &[T]) -> Result<(), Fault> {
        let mut image = vec![T::ZERO; self.a.shape().1];
        self.a.apply_adjoint(u, &mut image);
        finite(norm(&image), "the product Aᴴ·u")?;
        self.left.push(u);
        self.back.push(&image);
        Ok(())
    }

    /// ‖b‖.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// ‖Aᴴb‖; 0 where it is nothing but the rounding of what cancels.
    pub fn reference(&self) -> f64 {
        let length = norm(self.back.column(0)).to_f64();
        if length <= DEPENDENT * T::Real::EPSILON.to_f64() * self.hidden { 0.0 } else { self.beta * length }
    }

    /// k.
    pub fn dimension(&self) -> usize {
        self.right.count()
    }

    /// Takes a direction in; false where nothing is left of it beside Z.
    pub fn expand(&mut self, direction: &mut [T]) -> Result<bool, Fault> {
        let size = norm(direction);
        finite(size, "the direction of the flexible process")?;
        if !(size > T::Real::ZERO) {
            return Ok(false);
        }
        divide(direction, size);
        let left = self.right.project_out(direction, &Space::Domain, None);
        if !(left > T::Real::from_f64(DEPENDENT) * T::Real::EPSILON) {
            return Ok(false);
        }
        divide(direction, left);
        let mut image = vec![T::ZERO; self.a.shape().0];
        self.a.apply(direction, &mut image);
        let size = self.a.range_norm(&image);
        finite(size, "the product A·z")?;
        let mut coefficients = vec![T::ZERO; self.left.count()];
        let rest = self.left.project_out(&mut image, &Space::Range(self.a), Some(&mut coefficients));
        if self.dimension() < COMPARED {
            self.compare_adjoint(direction, &coefficients, size)?;
        }
        let floor = DEPENDENT * T::Real::EPSILON.to_f64() * size.to_f64().max(self.hidden);
        if rest.to_f64() > floor {
            divide(&mut image, rest);
            self.push_left(&image)?;
            coefficients.push(T::from_real(rest));
        }
        self.right.push(direction);
        self.triangle.push(coefficients);
        Ok(true)
    }

    /// ⟨uᵢ, Az⟩ = ⟨Aᴴuᵢ, z⟩.
    fn compare_adjoint(&self, z: &[T], coefficients: &[T], size: T::Real) -> Result<(), Fault> {
        for (i, &there) in coefficients.iter().enumerate() {
            let here = dot(self.back.column(i), z);
            let (difference, scale) = ((there - here).modulus().to_f64(), (size + norm(self.back.column(i))).to_f64());
            let rounding = DEPENDENT * T::Real::EPSILON.to_f64() * self.hidden;
            if difference > T::Real::EPSILON.to_f64().sqrt() * scale + rounding {
                return Err(Fault::NotAdjoint(difference / scale));
            }
        }
        Ok(())
    }

    /// M and βe₁.
    pub fn small(&self) -> (Mat<T>, Vec<T>) {
        let entry = |i: usize, j: usize| self.triangle[j].get(i).copied().unwrap_or(T::ZERO);
        let mut data = vec![T::ZERO; self.left.count()];
        if let Some(first) = data.first_mut() {
            *first = T::from_real(T::Real::from_f64(self.beta));
        }
        (Mat::from_fn(self.left.count(), self.dimension(), entry), data)
    }

    /// The triangle R of diag(w)Z = QR: ‖diag(w)x‖ = ‖Ry‖.
    pub fn weighted(&self, w: &[T::Real], threads: Threads) -> Mat<T> {
        let k = self.dimension();
        let mut tower = linalg::zeros::<T>(w.len().max(k), k);
        for j in 0..k {
            let target = &mut tower.col_as_slice_mut(j)[..w.len()];
            target.iter_mut().zip(self.right.column(j)).zip(w).for_each(|((target, z), &w)| *target = z.scale(w));
        }
        let factored = T::qr(tower, threads);
        Mat::from_fn(k, k, |i, j| if i <= j { factored.basis[(i, j)] } else { T::ZERO })
    }

    /// y of least ‖My − βe₁‖² + d²‖Ry‖².
    pub fn solve(&self, r: &Mat<T>, d: f64) -> Vec<T> {
        let (m, data) = self.small();
        let (rows, k) = (m.nrows(), m.ncols());
        let d = T::Real::from_f64(d);
        let tower = Mat::from_fn(rows + k, k, |i, j| if i < rows { m[(i, j)] } else { r[(i - rows, j)].scale(d) });
        let mut target = Mat::from_fn(rows + k, 1, |i, _| data.get(i).copied().unwrap_or(T::ZERO));
        let factored = T::qr(tower, Threads::ONE);
        T::apply_reflectors(factored.basis.as_ref(), factored.coefficients.as_ref(), Op::Adjoint, target.as_mut(), Threads::ONE);
        let mut y = Mat::from_fn(k, 1, |i, _| target[(i, 0)]);
        let triangle = linalg::copy(factored.basis.as_ref().subrows(0, k));
        T::solve_upper(triangle.as_ref(), Op::None, y.as_mut(), Threads::ONE);
        y.col_as_slice(0).to_vec()
    }

    /// x = Zy.
    pub fn combine(&self, y: &[T], x: &mut [T]) {
        combine(&self.right, y, x);
    }

    /// The coordinates of b − AZy in U.
    pub fn residual(&self, y: &[T]) -> Vec<T> {
        let mut left: Vec<T> = self.small().1;
        for (column, &factor) in self.triangle.iter().zip(y) {
            add_scaled(&mut left[..column.len()], -factor, column);
        }
        left
    }

    /// Aᴴr from the coordinates of r.
    pub fn gradient(&self, residual: &[T], g: &mut [T]) {
        combine(&self.back, residual, g);
    }

    /// Keeps the newer half of Z, and of the older half what the iterates with these coefficients (the newest first) are made of there:
    /// a space that begins again with x alone forgets what makes the next steps long. No products.
    pub fn compress(&mut self, iterates: &[Vec<T>]) {
        let (k, older) = (self.dimension(), self.dimension() / 2);
        let mut kept = Columns::new(k);
        let parts = iterates.iter().map(|y| (0..k).map(|j| if j < older { y.get(j).copied().unwrap_or(T::ZERO) } else { T::ZERO }));
        let newer = (older..k).map(|only| (0..k).map(|j| if j == only { T::ONE } else { T::ZERO }).collect::<Vec<T>>());
        let sizes = iterates.iter().map(|y| norm(y));
        for (mut part, size) in parts.map(Iterator::collect::<Vec<T>>).zip(sizes).chain(newer.map(|unit| (unit, T::Real::ONE))) {
            let left = kept.project_out(&mut part, &Space::Domain, None);
            if left > T::Real::from_f64(PART) * size {
                divide(&mut part, left);
                kept.push(&part);
            }
        }
        // U and AᴴU in the coordinates of the old U, e₁ first
        let rows = self.left.count();
        let mut basis = Columns::new(rows);
        let mut triangle = Vec::with_capacity(kept.count());
        let mut right = Columns::new(self.a.shape().1);
        let mut z = vec![T::ZERO; self.a.shape().1];
        basis.push(&(0..rows).map(|i| if i == 0 { T::ONE } else { T::ZERO }).collect::<Vec<T>>());
        for j in 0..kept.count() {
            let y = kept.column(j);
            let mut image = vec![T::ZERO; rows];
            for (column, &factor) in self.triangle.iter().zip(y) {
                add_scaled(&mut image[..column.len()], factor, column);
            }
            let size = norm(&image);
            let mut coefficients = vec![T::ZERO; basis.count()];
            let left = basis.project_out(&mut image, &Space::Domain, Some(&mut coefficients));
            if left > T::Real::from_f64(DEPENDENT) * T::Real::EPSILON * size {
                divide(&mut image, left);
                basis.push(&image);
                coefficients.push(T::from_real(left));
            }
            triangle.push(coefficients);
            combine(&self.right, y, &mut z);
            right.push(&z);
        }
        let turned = |columns: &Columns<T>, length: usize| {
            let (mut new, mut column) = (Columns::new(length), vec![T::ZERO; length]);
            for j in 0..basis.count() {
                combine(columns, basis.column(j), &mut column);
                new.push(&column);
            }
            new
        };
        let (m, n) = self.a.shape();
        let (left, back) = (turned(&self.left, m), turned(&self.back, n));
        (self.right, self.left, self.back, self.triangle) = (right, left, back, triangle);
    }
}

/// x ← Σ yⱼqⱼ.
fn combine<T: Scalar>(columns: &Columns<T>, y: &[T], x: &mut [T]) {
    x.fill(T::ZERO);
    for (j, &factor) in y.iter().enumerate().take(columns.count()) {
        add_scaled(x, factor, columns.column(j));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::DenseView;
    use crate::random::Random;
    use crate::scalar::c64;

    /// AZ = UM, the AᴴU that are kept, and orthonormal Z and U: under weights that change, and after a compression, which must
    /// leave every part of the iterates in the space. Complex, where a missing conjugate would show.
    #[test]
    fn the_process_keeps_its_relations() {
        let (m, n) = (14, 11);
        let mut random = Random::new(4);
        let entries: Vec<c64> = random.scalars(m * n);
        let b: Vec<c64> = random.scalars(m);
        let a = DenseView::column_major(&entries, m, n).unwrap();
        let mut process = Process::start(&a, 0.0, &b).unwrap();
        let mut y: Vec<c64> = Vec::new();
        for step in 0..8 {
            let mut direction = vec![c64::ZERO; n];
            process.gradient(&process.residual(&y), &mut direction);
            direction.iter_mut().for_each(|v| *v = v.scale(0.1 + random.uniform()));
            assert!(process.expand(&mut direction).unwrap(), "{step}");
            y = process.solve(&process.weighted(&vec![1.0; n], Threads::ONE), 0.3);
        }
        holds(&process, &entries, &b, (m, n));
        let (mut before, mut after) = (vec![c64::ZERO; n], vec![c64::ZERO; n]);
        process.combine(&y, &mut before);
        process.compress(std::slice::from_ref(&y));
        assert_eq!(process.dimension(), 5);
        holds(&process, &entries, &b, (m, n));
        let coefficients: Vec<c64> = (0..process.dimension()).map(|j| dot(process.right.column(j), &before)).collect();
        process.combine(&coefficients, &mut after);
        add_scaled(&mut after, -c64::ONE, &before);
        assert!(norm(&after) < 1e-13 * norm(&before), "the iterate has left the space by {:e}", norm(&after));
    }

    fn holds(process: &Process<'_, c64>, entries: &[c64], b: &[c64], (m, n): (usize, usize)) {
        let entry = |i: usize, j: usize| entries[j * m + i];
        for columns in [&process.right, &process.left] {
            for i in 0..columns.count() {
                for j in 0..=i {
                    let product = dot(columns.column(i), columns.column(j));
                    let expected = if i == j { c64::ONE } else { c64::ZERO };
                    assert!((product - expected).modulus() < 1e-13, "{i} {j}: {product}");
                }
            }
        }
        for (k, column) in process.triangle.iter().enumerate() {
            for i in 0..m {
                let there: c64 = (0..n).map(|j| entry(i, j) * process.right.column(k)[j]).sum();
                let here: c64 = column.iter().enumerate().map(|(l, &c)| c * process.left.column(l)[i]).sum();
                assert!((there - here).modulus() < 1e-12, "AZ, {k}: {there} is not {here}");
            }
        }
        for k in 0..process.left.count() {
            for j in 0..n {
                let there: c64 = (0..m).map(|i| entry(i, j).conj() * process.left.column(k)[i]).sum();
                assert!((there - process.back.column(k)[j]).modulus() < 1e-12, "AᴴU, {k}");
            }
        }
        let along = dot(process.left.column(0), b);
        assert!((along.modulus() - norm(b)).abs() < 1e-13 * norm(b), "u₁ is not b");
    }

    /// Without weights it is Golub and Kahan's process: the spaces, and so the solutions, are those of hybrid LSQR.
    #[test]
    fn without_weights_it_is_the_ordinary_process() {
        use crate::krylov::hybrid::basis::Process as Ordinary;
        use crate::krylov::hybrid::projection::Small;
        let (m, n) = (20, 12);
        let mut random = Random::new(8);
        let entries: Vec<f64> = random.scalars(m * n);
        let b: Vec<f64> = random.scalars(m);
        let a = DenseView::column_major(&entries, m, n).unwrap();
        let (mut flexible, mut ordinary) = (Process::start(&a, 0.0, &b).unwrap(), Ordinary::start(&a, 0.0, &b, 100).unwrap());
        let (mut y, mut small) = (Vec::new(), Small::default());
        for _ in 0..6 {
            let mut direction = vec![0.0; n];
            flexible.gradient(&flexible.residual(&y), &mut direction);
            flexible.expand(&mut direction).unwrap();
            y = flexible.solve(&flexible.weighted(&vec![1.0; n], Threads::ONE), 0.5);
            ordinary.step().unwrap();
            ordinary.numbers.solve(0.5, &mut small);
            let (mut here, mut there) = (vec![0.0; n], vec![0.0; n]);
            flexible.combine(&y, &mut here);
            ordinary.right.combine(&small.y, &mut there);
            add_scaled(&mut here, -1.0, &there);
            assert!(norm(&here) < 1e-12 * norm(&there), "{:e}", norm(&here));
        }
    }

    #[test]
    fn a_wrong_adjoint_is_seen() {
        let (m, n) = (9, 7);
        let entries: Vec<f64> = Random::new(2).scalars(m * n);
        let a = DenseView::column_major(&entries, m, n).unwrap();
        let wrong = crate::operator::from_fn(
            m,
            n,
            |x: &[f64], y: &mut [f64]| a.apply(x, y),
            |y: &[f64], x: &mut [f64]| {
                a.apply_adjoint(y, x);
                x[0] = -x[0];
            },
        );
        let mut process = Process::start(&wrong, 0.0, &[1.0; 9]).unwrap();
        let mut direction = vec![1.0; n];
        assert!(matches!(process.expand(&mut direction), Err(Fault::NotAdjoint(_))));
    }
}
