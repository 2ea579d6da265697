//! Cx = d without bounds: a problem like any other on the null space of C. See [`equality`](crate::outer::equality).

use super::{ELIMINATE, ENTRIES_UP_TO, entries_of};
use crate::constraint::Equality;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::linalg::{self, Accum, Mat, MatRef, Op};
use crate::operator::{DenseView, Entries, Operator, algebra};
use crate::outer::equality::{self, Eliminated};
use crate::penalty::{Penalty, Resolved};
use crate::rule::{Choice, Kind, Rule};
use crate::scalar::{Real, Scalar};
use crate::solution::Outcome;
use crate::step::Observer;
use crate::transform::reduced::finite;
use crate::warning::Warning;

/// Cx = d and no bounds: a problem like any other in the coordinates of the null space of C.
pub(super) fn solve<T: Scalar>(
    description: &Description<'_, T>,
    equality: &Equality<'_, T>,
    b: MatRef<'_, T>,
    choice: Choice,
    mut observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let (m, n) = description.operator.shape();
    let threads = description.threads();
    let c = entries_of(equality)?;
    let refused = |gap| Error::Infeasible {
        what: "Cx = d (the rows of C at norm 1)",
        gap,
        instead: "drop the equations that contradict others, or put their rows into A with a large weight to satisfy them as far as possible",
    };
    let null = equality::eliminate(&c, &equality.values, threads).map_err(refused)?;
    let free = null.basis.ncols();
    if n.saturating_mul(free) > ENTRIES_UP_TO {
        return Err(Error::Unsupported {
            what: "equality constraints",
            with: "so many unknowns, whose null space of C would have to be stored",
            instead: "put the rows of C into A with a large weight",
        });
    }
    // AN: its entries where they fit, or one product after the other
    let basis = DenseView::from_matrix(null.basis.as_ref());
    let entries = (m.saturating_mul(free) <= ENTRIES_UP_TO).then(|| image(description.operator, &null.basis));
    let view = entries.as_ref().map(|entries| DenseView::from_matrix(entries.as_ref()));
    let product = algebra::product(description.operator, basis)?;
    let operator: &dyn Operator<Scalar = T> = match &view {
        Some(view) => view,
        None => &product,
    };
    let mut offset = vec![T::ZERO; m];
    description.operator.apply(&null.particular, &mut offset);
    let shifted = Mat::from_fn(m, b.ncols(), |i, j| b[(i, j)] - offset[i]);

    let mean = description.prior_mean.clone().unwrap_or_else(|| vec![T::ZERO; n]);
    let (centre, constant, penalty_entries) = centre(description, &null, &mean, choice)?;
    let penalty_view = penalty_entries.as_ref().map(|l| DenseView::from_matrix(l.as_ref()));
    let here = Description {
        operator,
        penalty: penalty_view.as_ref().map_or_else(Penalty::identity, Penalty::matrix),
        prior_mean: Some(centre),
        equality: None,
        bounds: None,
        ..description.clone()
    };
    let norms = whitened_norms(description, b);
    let mut parts = Vec::new();
    // a noise level relative to b, and a ball around x₀, are other numbers without the part that the equations fix
    let each = adapted(choice, &norms, constant)?;
    let together = each.windows(2).all(|pair| pair[0] == pair[1]);
    if together {
        parts.push(crate::run::solve(&here, shifted.as_ref(), each.first().copied().unwrap_or(choice), observer.take())?);
    } else {
        for (j, &choice) in each.iter().enumerate() {
            parts.push(crate::run::solve(&here, shifted.as_ref().subcols(j, 1), choice, observer.as_deref_mut())?);
        }
    }
    let mut parts = parts.into_iter();
    let Some(mut outcome) = parts.next() else {
        return crate::run::solve(&here, shifted.as_ref(), choice, None);
    };
    for part in parts {
        outcome.append(part);
    }
    let columns = outcome.report.fits.len();
    let mut x = Vec::with_capacity(n * columns);
    for j in 0..columns {
        x.extend(null.answer(&outcome.x[j * free..(j + 1) * free], threads));
    }
    finite(&x, &outcome.intercepts, n)?;
    let report = &mut outcome.report;
    report.fits.iter_mut().for_each(|fit| fit.penalty_norm = fit.penalty_norm.hypot(constant));
    report.rank = report.rank.map(|rank| rank + null.rank);
    report.plan.columns = n;
    report.plan.penalty = description.penalty.describe();
    report.plan.choice = Some(choice);
    report.plan.transforms.insert(0, ELIMINATE);
    for warning in &mut report.warnings {
        if let Warning::MinimumNorm { rank, unknowns, .. } = warning {
            (*rank, *unknowns) = (*rank + null.rank, n);
        }
    }
    Ok(Outcome { x, unknowns: n, ..outcome })
}

/// y₀, the constant of ‖L(x − x₀)‖, and LN where L is not the identity.
#[allow(clippy::type_complexity)]
fn centre<T: Scalar>(
    description: &Description<'_, T>,
    null: &Eliminated<T>,
    mean: &[T],
    choice: Choice,
) -> Result<(Vec<T>, f64, Option<Mat<T>>)> {
    let n = mean.len();
    let threads = description.threads();
    let nearest = null.coordinates(mean, threads);
    let mut back = vec![T::ZERO; n];
    T::multiply(null.basis.as_ref(), &nearest, &mut back, threads);
    // x_p + NNᴴ(x₀ − x_p) − x₀
    let gap: Vec<T> = (0..n).map(|i| null.particular[i] + back[i] - mean[i]).collect();
    let l = match description.penalty.resolve(n)? {
        Resolved::Identity => return Ok((nearest, linalg::norm(&gap).to_f64(), None)),
        Resolved::Diagonal(w) => Mat::from_fn(n, null.basis.ncols(), |i, j| null.basis[(i, j)].scale(w[i])),
        Resolved::Operator(l) => image(&*l, &null.basis),
    };
    let entries = match description.penalty.resolve(n)? {
        Resolved::Identity => gap.clone(),
        Resolved::Diagonal(w) => gap.iter().zip(&w).map(|(&g, &w)| g.scale(w)).collect(),
        Resolved::Operator(l) => {
            let mut out = vec![T::ZERO; l.shape().0];
            l.apply(&gap, &mut out);
            out
        }
    };
    if let Kind::Number(lambda) = choice.kind
        && lambda.damping() == 0.0
    {
        // the minimiser nearest to x₀, whatever L is
        return Ok((nearest, linalg::norm(&entries).to_f64(), Some(l)));
    }
    // LN(y − nearest) + L·gap smallest, y near to nearest where that leaves it open
    let view = DenseView::from_matrix(l.as_ref());
    let away: Vec<T> = entries.iter().map(|&v| -v).collect();
    let least = crate::run::solve(&Description::new(&view), DenseView::column(&away).matrix(), Choice::from(0.0), None)?;
    let constant = least.report.fits[0].residual_norm;
    let centre = nearest.iter().zip(&least.x).map(|(&y, &step)| y + step).collect();
    Ok((centre, constant, Some(l)))
}

/// The choice for each right-hand side of the problem without equations.
fn adapted(choice: Choice, norms: &[f64], constant: f64) -> Result<Vec<Choice>> {
    let Kind::Rule(rule) = choice.kind else { return Ok(vec![choice; norms.len()]) };
    if constant > 0.0
        && matches!(rule, Rule::LCurve(_) | Rule::LCurveCorner(_) | Rule::Reginska(_) | Rule::NormFraction(_))
        && constant > 1e-12 * norms.iter().copied().fold(f64::MIN_POSITIVE, f64::max)
    {
        return Err(Error::Unsupported {
            what: rule.name(),
            with: "equations that keep x away from the prior mean, so that ‖L(x − x₀)‖ does not go to 0",
            instead: "use Gcv, Evidence or a noise level, or give a prior mean that satisfies the equations",
        });
    }
    let one = |&norm: &f64| {
        let rule = match rule {
            Rule::Discrepancy(rule) => rule.absolute(norm).into(),
            Rule::PenaltyNorm(rule) => rule.without(constant)?.into(),
            other => other,
        };
        Ok(Choice { kind: Kind::Rule(rule), ..choice })
    };
    let each = norms.iter().map(one).collect::<Result<Vec<Choice>>>()?;
    if choice.shared && each.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::Unsupported {
            what: "one λ for all right-hand sides by a relative noise level",
            with: "equality constraints",
            instead: "give the noise norm as a number",
        });
    }
    Ok(each)
}

/// ‖W^½b‖ of each right-hand side.
fn whitened_norms<T: Scalar>(description: &Description<'_, T>, b: MatRef<'_, T>) -> Vec<f64> {
    let scale = crate::transform::whiten::row_scale(b.nrows(), description.weights.as_deref(), description.noise_std.as_deref());
    let entry = |i: usize, j: usize| scale.as_ref().map_or(b[(i, j)], |scale| b[(i, j)].scale(scale[i]));
    linalg::column_norms(Mat::from_fn(b.nrows(), b.ncols(), entry).as_ref())
}

/// The entries of a product with a dense matrix.
fn image<T: Scalar>(a: &dyn Operator<Scalar = T>, basis: &Mat<T>) -> Mat<T> {
    let mut image = linalg::zeros(a.shape().0, basis.ncols());
    if let Entries::Dense(entries) = a.entries() {
        let threads = linalg::Threads::available();
        T::product(image.as_mut(), Accum::Replace, T::ONE, entries.matrix(), Op::None, basis.as_ref(), Op::None, threads);
        return image;
    }
    for j in 0..basis.ncols() {
        a.apply(basis.col_as_slice(j), image.col_as_slice_mut(j));
    }
    image
}
