//! The corner of a discrete L-curve: points (log ‖Ax − b‖, log ‖Lx‖) in the order of falling residual norm.
//!
//! *Adaptive pruning*: Hansen, Jensen, Rodriguez 2007, J. Comput. Appl. Math. 198:483 (doi:10.1016/j.cam.2005.09.026). Of
//! the steps between
//! neighbours only the p longest are kept, for p = 5, 10, 20, …; each pruned curve proposes two corners, the sharpest right
//! turn and
//! the point nearest to where its flattest and its steepest step meet. Among the proposals the last is taken that still turns
//! from the steep to the flat part. What makes small clusters of points look like corners disappears with their short steps.
//!
//! *Triangle*: Castellanos, Gómez, Guerra 2002, Appl. Numer. Math. 43:359 (doi:10.1016/S0168-9274(01)00179-9). The vertex B
//! of the sharpest angle
//! ABC, C the last point and A any point before B, with the right orientation and an angle below 7π/8.
//!
//! Cost: O(n log n) and O(n²) for n points.

/// The index of the corner by adaptive pruning; `None` when the curve turns right nowhere.
pub(crate) fn pruning(points: &[(f64, f64)]) -> Option<usize> {
    let usable: Vec<usize> = (0..points.len()).filter(|&k| points[k].0.is_finite() && points[k].1.is_finite()).collect();
    let p: Vec<(f64, f64)> = usable.iter().map(|&k| points[k]).collect();
    if p.len() < 3 {
        return None;
    }
    let steps: Vec<(f64, f64)> = p.windows(2).map(|w| (w[1].0 - w[0].0, w[1].1 - w[0].1)).collect();
    let lengths: Vec<f64> = steps.iter().map(|s| s.0.hypot(s.1)).collect();
    let unit: Vec<(f64, f64)> =
        steps.iter().zip(&lengths).map(|(s, &length)| if length > 0.0 { (s.0 / length, s.1 / length) } else { (0.0, 0.0) }).collect();
    let mut by_length: Vec<usize> = (0..steps.len()).collect();
    by_length.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let mut proposals: Vec<usize> = Vec::new();
    let mut turns = false;
    let mut keep = 5.min(steps.len());
    while keep < 2 * steps.len() {
        let mut kept = by_length[..keep.min(steps.len())].to_vec();
        kept.sort_unstable();
        if let Some(corner) = sharpest_turn(&unit, &kept) {
            turns = true;
            proposals.push(corner);
        }
        proposals.extend(nearest_to_origin(&p, &unit, &kept));
        keep *= 2;
    }
    if !turns {
        return None;
    }
    proposals.extend([0, p.len() - 1]);
    proposals.sort_unstable();
    proposals.dedup();
    Some(usable[last_corner(&p, &proposals)?])
}

/// The end of the step after which the pruned curve turns right most sharply.
fn sharpest_turn(unit: &[(f64, f64)], kept: &[usize]) -> Option<usize> {
    let wedge = |k: usize| unit[kept[k]].0 * unit[kept[k + 1]].1 - unit[kept[k + 1]].0 * unit[kept[k]].1;
    let sharpest = (0..kept.len().saturating_sub(1)).min_by(|&i, &j| wedge(i).total_cmp(&wedge(j)))?;
    (wedge(sharpest) < 0.0).then(|| kept[sharpest] + 1)
}

/// The point nearest to where the flattest step meets the steepest one after it.
fn nearest_to_origin(p: &[(f64, f64)], unit: &[(f64, f64)], kept: &[usize]) -> Option<usize> {
    let mut by_angle: Vec<usize> = (0..kept.len()).collect();
    by_angle.sort_by(|&i, &j| unit[kept[i]].1.abs().total_cmp(&unit[kept[j]].1.abs()));
    let count = by_angle.len();
    // the first pair, flattest with steepest, that lies in this order on the curve
    let mut pair = None;
    'depth: for depth in 1..=count {
        for i in 0..depth {
            for j in (count - depth..count).rev() {
                if by_angle[i] < by_angle[j] {
                    pair = Some((kept[by_angle[i]], kept[by_angle[j]]));
                    break 'depth;
                }
            }
        }
    }
    let (flat, steep) = pair?;
    let rise = p[steep + 1].1 - p[steep].1;
    if rise == 0.0 {
        return None;
    }
    let y = p[flat].1;
    let x = p[steep + 1].0 + (y - p[steep + 1].1) / rise * (p[steep + 1].0 - p[steep].0);
    let distance = |k: &usize| (x - p[*k].0).hypot(y - p[*k].1);
    (0..p.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Among the proposals, the first before a steep rise at which the curve turns right.
fn last_corner(p: &[(f64, f64)], proposals: &[usize]) -> Option<usize> {
    let between = |k: usize| {
        let (a, b) = (p[proposals[k]], p[proposals[k + 1]]);
        (b.0 - a.0, b.1 - a.1)
    };
    // where ‖Lx‖ rises by at least as much as ‖Ax − b‖ falls
    let mut steep: Vec<usize> = (0..proposals.len() - 1).filter(|&k| between(k).1 >= between(k).0.abs()).collect();
    if steep.first() == Some(&0) {
        steep.remove(0);
    }
    let Some(&last) = steep.last() else { return proposals.last().copied() };
    let turn = |k: usize| {
        let (before, after) = (between(k - 1), between(k));
        let size = before.0.hypot(before.1) * after.0.hypot(after.1);
        (before.0 * after.1 - after.0 * before.1) / size
    };
    let chosen = steep.iter().copied().find(|&k| turn(k) <= 0.0).unwrap_or(last);
    Some(proposals[chosen])
}

/// The index of the corner by the triangle method; `None` when no angle is sharp enough.
pub(crate) fn triangle(points: &[(f64, f64)]) -> Option<usize> {
    let usable: Vec<usize> = (0..points.len()).filter(|&k| points[k].0.is_finite() && points[k].1.is_finite()).collect();
    let c = points[*usable.last()?];
    let mut best = None;
    // the cosine at B of the triangle ABC: an angle of 7π/8 or more is no corner
    let mut sharpest = (7.0 * core::f64::consts::PI / 8.0).cos();
    for (k, &j) in usable.iter().enumerate() {
        let b = points[j];
        let to_c = (c.0 - b.0, c.1 - b.1);
        for &i in &usable[..k] {
            let to_a = (points[i].0 - b.0, points[i].1 - b.1);
            let size = to_a.0.hypot(to_a.1) * to_c.0.hypot(to_c.1);
            let cosine = (to_a.0 * to_c.0 + to_a.1 * to_c.1) / size;
            // A, B, C turn right where the curve is convex
            let turn = to_a.0 * to_c.1 - to_a.1 * to_c.0;
            if turn > 0.0 && cosine > sharpest {
                (sharpest, best) = (cosine, Some(j));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flat part to the left, then a steep rise: the corner is where they meet, whatever small clusters lie on the way.
    #[test]
    fn the_corner_of_an_l() {
        // residual norms fall along the flat bottom, then the penalty norm rises
        let mut points: Vec<(f64, f64)> = (0..12).map(|k| (-0.5 * k as f64, 0.01 * k as f64)).collect();
        let corner = points.len() - 1;
        points.extend((1..10).map(|k| (-5.5 - 0.01 * k as f64, 0.11 + 0.6 * k as f64)));
        assert_eq!(pruning(&points), Some(corner));
        assert_eq!(triangle(&points), Some(corner));
        // points that are no numbers are passed over
        points.insert(3, (f64::NEG_INFINITY, 0.0));
        assert_eq!(pruning(&points), Some(corner + 1));
        assert_eq!(triangle(&points), Some(corner + 1));
        // a cluster of tiny steps with a turn of its own
        for k in 0..6 {
            let (x, y) = points[7];
            points.insert(8, (x - 1e-5 * k as f64, y + 1e-5 * (k * k) as f64));
        }
        assert_eq!(pruning(&points), Some(corner + 7));
    }

    /// A straight line, and a curve that bends the other way, have no corner.
    #[test]
    fn no_corner() {
        let line: Vec<(f64, f64)> = (0..20).map(|k| (-(k as f64), k as f64)).collect();
        assert_eq!(triangle(&line), None);
        let concave: Vec<(f64, f64)> = (0..20).map(|k| (-(k as f64).powi(2), k as f64)).collect();
        assert_eq!(pruning(&concave), None);
        assert_eq!(triangle(&concave), None);
        assert_eq!(pruning(&[]), None);
        assert_eq!(triangle(&[(0.0, 1.0)]), None);
    }
}
