//! The root of a rising function between two places where its signs differ, without derivatives: regula falsi in which an end that stays
//! twice counts half, so that neither is left behind (the Illinois variant; Dowell, Jarratt 1971, doi:10.1007/BF01934364).
//!
//! For functions whose values cost a solve each. Where the slope comes with the value see [`target`](super::target).

/// Values at most. Where the function is smooth its order of 1.44 needs about ten; at a kink or a jump it may take all of them.
const VALUES: usize = 80;

/// A place and the value there.
pub(crate) type At = (f64, f64);

/// What is left of the bracket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bracket {
    /// The last place at which the function was not positive.
    pub left: f64,
    /// The place with the least modulus of the value, and the value.
    pub best: At,
}

/// Ends where a value is within `value` of 0, or the bracket is `width` wide (relative to 1 and where it lies).
///
/// # Errors
/// Those of the function.
pub(crate) fn rising_root<E>(
    mut left: At,
    mut right: At,
    (value, width): (f64, f64),
    at: &mut dyn FnMut(f64) -> Result<f64, E>,
) -> Result<Bracket, E> {
    let mut best = if left.1.abs() <= right.1.abs() { left } else { right };
    // which end stayed the last time
    let mut stayed = 0i8;
    for _ in 0..VALUES {
        if best.1.abs() <= value || right.0 - left.0 <= width * (1.0 + left.0.abs()) {
            break;
        }
        let secant = left.0 - left.1 * (right.0 - left.0) / (right.1 - left.1);
        let t = if secant > left.0 && secant < right.0 { secant } else { 0.5 * (left.0 + right.0) };
        let here = (t, at(t)?);
        if here.1.abs() < best.1.abs() {
            best = here;
        }
        if here.1 > 0.0 {
            right = here;
            if stayed == -1 {
                left.1 *= 0.5;
            }
            stayed = -1;
        } else {
            left = here;
            if stayed == 1 {
                right.1 *= 0.5;
            }
            stayed = 1;
        }
    }
    Ok(Bracket { left: left.0, best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smooth, flat on one side, with a kink, with a jump: the root to the width asked for, in few values.
    #[test]
    fn roots_of_rising_functions() {
        type Function = fn(f64) -> f64;
        let functions: [(Function, f64, usize); 4] = [
            (|t: f64| t.exp() - 2.0, 2f64.ln(), 12),
            (|t: f64| (10.0 * (t - 0.9)).tanh() + 0.5, 0.9 + (-0.5f64).atanh() / 10.0, 20),
            (|t: f64| if t < 0.3 { 1e-3 * (t - 0.3) } else { t - 0.3 }, 0.3, VALUES),
            (|t: f64| if t < 0.7 { -1.0 } else { 3.0 }, 0.7, VALUES),
        ];
        for (k, (function, root, most)) in functions.into_iter().enumerate() {
            let mut values = 0;
            let mut at = |t: f64| {
                values += 1;
                Ok::<f64, core::convert::Infallible>(function(t))
            };
            let Ok(found) = rising_root((-1.0, function(-1.0)), (2.0, function(2.0)), (0.0, 1e-13), &mut at);
            assert!((found.best.0 - root).abs() < 1e-11 || k == 3, "{k}: {found:?}");
            assert!(found.left <= root && root - found.left < 1e-9 || k != 3, "{k}: {found:?}");
            assert!(values <= most, "{k}: {values} values");
        }
    }
}
