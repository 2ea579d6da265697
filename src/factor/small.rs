//! Few unknowns: stub during bring-up.
use crate::description::Description;
use crate::linalg::MatRef;
use crate::rule::Choice;
use crate::scalar::Scalar;
use crate::solution::Outcome;

pub(crate) fn solve<T: Scalar>(_: &Description<'_, T>, _: MatRef<'_, T>, _: Choice) -> Option<Outcome<T>> {
    None
}
