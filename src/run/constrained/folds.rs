//! K-fold cross-validation for a bounded problem: by refits, since leaving rows out has no closed form where x is not linear in b.
//!
//! minimise over λ  Σ_S ‖D_S(b_S − A_Sx_S − c_S)‖², x_S and c_S the bounded fit without the rows S at the same λ, which multiplies a
//! sum over rows and is not divided among those that remain. The criterion has kinks where a component of some x_S meets its bound, so that
//! it is looked at on the grid of [`constrained_lambda`](crate::outer::constrained_lambda).
//!
//! Cost: each of about fifty λ is a bounded solve for each fold, from the set of the last; a Gram matrix and a copy of the rows for each.

use super::dense::{Dense, Found};
use super::{keep, resolved};
use crate::check::check;
use crate::description::Description;
use crate::error::{Error, Result};
use crate::linalg::{self, Mat, MatRef};
use crate::operator::DenseView;
use crate::outer::bounds::{self, Bounded, Start, Way};
use crate::outer::constrained_lambda::{self, Sample, Scales};
use crate::rule::{KFold, Rule};
use crate::scalar::{Real, Scalar};
use crate::transform::reduced::{Reduced, ReducedData};
use crate::transform::whiten::row_scale;

/// The rows that stay when one fold is left out.
struct Part<T: Scalar> {
    kept: Vec<usize>,
    left_out: Vec<usize>,
    a: Mat<T>,
}

/// The bounded problem of one part.
struct Refit<'p, 'd, 'a, T: Scalar> {
    dense: &'p Dense<'d, 'a, T>,
    data: ReducedData<T>,
    bounded: Bounded,
    column: bounds::Data,
    last: Option<Start>,
    left_out: &'p [usize],
}

/// λ for each right-hand side, and the fit on all rows at it.
pub(super) fn choose<T: Scalar>(whole: &Dense<'_, '_, T>, b: MatRef<'_, T>, rule: KFold, way: Way) -> Result<Vec<Found>> {
    let description = whole.description;
    let (m, n) = description.operator.shape();
    let folds = rule.assign(m, description.groups.as_deref());
    if folds.len() < 2 {
        let why = "there are fewer than two rows (or groups) to leave out; use Gcv or λ as a number".into();
        return Err(Error::NoLambda { rule: "K-fold", low: 0.0, high: f64::INFINITY, why });
    }
    let a = whole.entries();
    let part = |left_out: Vec<usize>| {
        let mut out = vec![false; m];
        left_out.iter().for_each(|&i| out[i] = true);
        let kept: Vec<usize> = (0..m).filter(|&i| !out[i]).collect();
        let a = Mat::from_fn(kept.len(), n, |i, j| a[(kept[i], j)]);
        Part { kept, left_out, a }
    };
    let parts: Vec<Part<T>> = folds.into_iter().map(part).collect();
    let views: Vec<DenseView<'_, T>> = parts.iter().map(|part| DenseView::from_matrix(part.a.as_ref())).collect();
    let of_rows = |values: &Option<Vec<T::Real>>, part: &Part<T>| {
        // a single noise level serves all rows
        values.as_ref().map(|v| if v.len() == m && m != 1 { part.kept.iter().map(|&i| v[i]).collect() } else { v.clone() })
    };
    let descriptions: Vec<Description<'_, T>> = (parts.iter().zip(&views))
        .map(|(part, view)| Description {
            operator: view,
            weights: of_rows(&description.weights, part),
            noise_std: of_rows(&description.noise_std, part),
            groups: None,
            ..description.clone()
        })
        .collect();
    let mut refits = Vec::with_capacity(parts.len());
    for (part, description) in parts.iter().zip(&descriptions) {
        let largest = check(description, None)?.largest;
        refits.push(Dense { description, reduced: Reduced::new(description, part.a.as_ref(), largest)? });
    }
    let scale = row_scale(m, description.weights.as_deref(), description.noise_std.as_deref());
    let (low, high) = resolved(description)?;
    let all = whole.reduced.data(b)?;
    let bounded = whole.bounded(&all)?;
    let mut found = Vec::with_capacity(b.ncols());
    for k in 0..b.ncols() {
        let (size_a, size_l) = bounded.sizes();
        let scales = Scales {
            rows: m,
            middle: size_a / size_l,
            data_norm: all.norms[k],
            unit: all.unit(),
            penalty_unit: 1.0 / whole.reduced.penalty_norm(1.0, &all),
        };
        let mut fits = Vec::with_capacity(parts.len());
        for (dense, part) in refits.iter().zip(&parts) {
            let rows = Mat::from_fn(part.kept.len(), 1, |i, _| b[(part.kept[i], k)]);
            let data = dense.reduced.data(rows.as_ref())?;
            let bounded = dense.bounded(&data)?;
            let column = bounded.data((0..data.b.nrows()).map(|i| data.b[(i, 0)].real().to_f64()).collect());
            fits.push(Refit { dense, data, bounded, column, last: None, left_out: &part.left_out });
        }
        let mut sample = |damping: f64| {
            let lambda = whole.reduced.lambda(damping);
            let (mut errors, mut norms) = (0.0, 0.0f64);
            for fit in &mut fits {
                let damping = fit.dense.reduced.damping(lambda);
                let answer = fit
                    .bounded
                    .solve(&fit.column, damping, way, fit.last.as_ref())
                    .map_err(|failure| fit.dense.failed(failure, &fit.data))?;
                let z = Mat::from_fn(n, 1, |i, _| T::from_real(T::Real::from_f64(answer.z[i])));
                let (mut x, intercepts) = fit.dense.reduced.answers(z.as_ref(), &fit.data)?;
                keep(&mut x, &answer.places, &low, &high);
                for &i in fit.left_out {
                    let fitted = (0..n).fold(intercepts[0], |sum, j| sum + a[(i, j)] * x[j]);
                    let off = (b[(i, k)] - fitted).modulus().to_f64() * scale.as_ref().map_or(1.0, |d| d[i].to_f64());
                    errors += off * off;
                }
                norms = norms.max(linalg::norm(&x).to_f64());
                fit.last = Some(answer.start());
            }
            // the search counts in units of the whole problem; degrees of freedom are not asked for
            Ok(Sample { residual_norm: errors.sqrt() * all.unit(), penalty_norm: norms, dof: 0.0 })
        };
        let chosen = constrained_lambda::choose(&Rule::KFold(rule), &scales, &mut sample)?;
        found.push(whole.at_chosen(&bounded, &all, k, chosen, way, "K-fold")?);
    }
    Ok(found)
}
