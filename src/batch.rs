//! Many independent small problems in one call: a status for each, and the threads shared out between them.

use crate::data::Data;
use crate::error::Result;
use crate::operator::Operator;
use crate::problem::Problem;
use crate::rule::Choice;
use crate::scalar::Scalar;
use crate::solution::Solution;

/// [`ridge`](crate::ridge) for each pair of A and b: the regressions of many groups, patients, pixels or stocks. The answers come in the order
/// of the problems; one that fails is the `Err` in its place, and stops no other.
///
/// Problems run beside each other on the threads of the current rayon pool, and each of them on one thread; one of few unknowns (n ≤ 16)
/// works on the stack, and allocates its answer alone. A is borrowed: groups in one large matrix need no copy.
///
/// ```
/// use wellposed::{DenseView, Gcv, ridge_batch};
///
/// // rows of three groups one after another, two columns
/// let a = [1.0, 0.1, 2.0, 0.9, 3.0, 0.4, 1.0, 0.5, 2.0, 0.3, 4.0, 0.8, 1.0, 1.0, 1.0, 2.0, 1.0, 4.0];
/// let b = [1.1, 2.0, 3.2, 2.1, 3.9, 8.2, f64::NAN, 1.0, 2.0];
/// let groups: Vec<_> = a.chunks(6).zip(b.chunks(3)).map(|(a, b)| Ok((DenseView::row_major(a, 3, 2)?, b))).collect::<Result<_, wellposed::Error>>()?;
///
/// let fits = ridge_batch(&groups, 0.1);
/// assert!((fits[1].as_ref().unwrap().x[0] - 2.0_f64).abs() < 0.2);
/// assert!(fits[2].is_err()); // the NaN is an error of its own group
/// let each_with_its_own_lambda = ridge_batch(&groups, Gcv);
/// # let _ = each_with_its_own_lambda;
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn ridge_batch<T, A, B>(problems: &[(A, B)], choice: impl Into<Choice>) -> Vec<Result<Solution<T, B>>>
where
    T: Scalar,
    A: Operator<Scalar = T> + Sync,
    B: Data<T> + Sync,
    Solution<T, B>: Send,
{
    solve_batch(problems, choice, |_, problem| problem)
}

/// [`ridge_batch`] for any problem: `configure` gets the number of each problem and the ridge problem of its A, and says the rest.
///
/// ```
/// use wellposed::{DenseView, Penalty, solve_batch};
/// let columns = [[1.0_f64, 2.0, 4.0], [2.0, 3.0, 5.0]];
/// let weights = [[1.0, 1.0, 2.0], [1.0, 2.0, 1.0]];
/// let problems: Vec<_> = columns.iter().map(|a| (DenseView::column(a), [3.0, 5.0, 9.1])).collect();
/// let fits = solve_batch(&problems, 0.1, |k, problem| problem.intercept().weights(&weights[k]));
/// for fit in fits {
///     let fit = fit?;
///     println!("{:.3} + {:.3} a", fit.intercept, fit.x[0]);
/// }
/// # Ok::<(), wellposed::Error>(())
/// ```
pub fn solve_batch<'a, T, A, B, F>(problems: &'a [(A, B)], choice: impl Into<Choice>, configure: F) -> Vec<Result<Solution<T, B>>>
where
    T: Scalar,
    A: Operator<Scalar = T> + Sync,
    B: Data<T> + Sync,
    F: Fn(usize, Problem<'a, T>) -> Problem<'a, T> + Sync,
    Solution<T, B>: Send,
{
    let choice = choice.into();
    let one = |(index, (a, b)): (usize, &'a (A, B))| configure(index, Problem::new(a).threads(1)).solve(b, choice);
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        problems.par_iter().enumerate().map(one).collect()
    }
    #[cfg(not(feature = "rayon"))]
    problems.iter().enumerate().map(one).collect()
}
