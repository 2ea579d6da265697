//! An A that only multiplies, but is small: its entries by products with unit vectors, and then the dense engines.

use super::dense;
use crate::check::check;
use crate::choose::Route;
use crate::description::Description;
use crate::error::{Error, Result, Size};
use crate::linalg::MatRef;
use crate::operator::{DenseView, Operator};
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::rule::Choice;
use crate::scalar::Scalar;
use crate::solution::Outcome;

pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    route: &Route,
    plan: Plan,
) -> Result<Outcome<T>> {
    let (m, n) = description.operator.shape();
    let (entries, by_rows) = entries(description.operator)?;
    let a = if by_rows { DenseView::row_major(&entries, m, n)? } else { DenseView::column_major(&entries, m, n)? };
    let description = Description { operator: &a, ..description.clone() };
    let checked = check(&description, Some(choice))?;
    dense::solve(&description, b, choice, route, plan, checked.largest, Refusal::NotCovered)
}

/// The entries, and whether they are stored row after row: min(m, n) products.
fn entries<T: Scalar>(a: &dyn Operator<Scalar = T>) -> Result<(Vec<T>, bool)> {
    let (m, n) = a.shape();
    let by_rows = m < n;
    let (count, length) = if by_rows { (m, n) } else { (n, m) };
    let mut entries = vec![T::ZERO; m * n];
    let mut unit = vec![T::ZERO; count];
    for (k, line) in entries.chunks_exact_mut(length.max(1)).enumerate() {
        unit[k] = T::ONE;
        if by_rows {
            // Aᴴeₖ is the conjugate of row k
            a.apply_adjoint(&unit, line);
            line.iter_mut().for_each(|value| *value = value.conj());
        } else {
            a.apply(&unit, line);
        }
        unit[k] = T::ZERO;
        if line.iter().any(|value| !value.finite()) {
            return Err(Error::NonFinite { what: "the product of A with a unit vector", index: Size::Step(k + 1) });
        }
    }
    Ok((entries, by_rows))
}
