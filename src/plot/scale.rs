//! Axes: where a value lies, which values get a tick, and how they are written.

/// How values become places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// A tick: its value and its text; an empty text is a minor tick.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    pub text: String,
}

/// An axis with a range that is never empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub label: String,
    pub scale: Scale,
    pub low: f64,
    pub high: f64,
}

/// Most decades of a logarithmic axis that get a label.
const LABELS: i32 = 8;
/// The smallest number that a logarithmic axis shows: below it powers of ten are no normal numbers.
const LEAST: f64 = 1e-307;

impl Axis {
    /// The range of the values that the scale can show, with a margin of this fraction of it at both ends.
    pub fn of(label: impl Into<String>, scale: Scale, values: impl IntoIterator<Item = f64>, margin: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|&v| shown(scale, v)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = if scale == Scale::Log { (0.1, 10.0) } else { (0.0, 1.0) };
        }
        Self::from(label, scale, low, high, margin)
    }

    /// From one value to another; an empty range is widened.
    pub fn from(label: impl Into<String>, scale: Scale, low: f64, high: f64, margin: f64) -> Self {
        let (low, high) = match scale {
            Scale::Linear if low == high => {
                let room = if low == 0.0 { 1.0 } else { low.abs() / 2.0 };
                (low - room, high + room)
            }
            Scale::Linear => (low - margin * (high / 2.0 - low / 2.0) * 2.0, high + margin * (high / 2.0 - low / 2.0) * 2.0),
            Scale::Log => {
                let room = if high.log10() - low.log10() < 0.05 { 0.5 } else { margin * (high.log10() - low.log10()) };
                (10f64.powf(low.log10() - room), 10f64.powf(high.log10() + room))
            }
        };
        let least = if scale == Scale::Log { LEAST } else { -f64::MAX };
        Self { label: label.into(), scale, low: low.max(least), high: high.min(f64::MAX) }
    }

    /// 0 at the lower end and 1 at the upper; `None` where the scale has no place for the value.
    pub fn place(&self, value: f64) -> Option<f64> {
        if !shown(self.scale, value) {
            return None;
        }
        Some(match self.scale {
            // halves: the difference of the ends may overflow
            Scale::Linear => (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0),
            Scale::Log => (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10()),
        })
    }

    /// Ticks inside the range, by increasing value.
    pub fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high),
            Scale::Log => log_ticks(self.low, self.high),
        }
    }
}

fn shown(scale: Scale, value: f64) -> bool {
    value.is_finite() && (scale == Scale::Linear || value >= LEAST)
}

/// 1, 2 or 5 times a power of ten apart, about six of them.
fn linear_ticks(low: f64, high: f64) -> Vec<Tick> {
    // a sixth of the range, each end divided first: their difference may overflow
    let rough = high / 6.0 - low / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let Some(step) = [1.0, 2.0, 5.0, 10.0].iter().map(|k| k * power).find(|&step| step >= rough * 0.999) else { return Vec::new() };
    if !(step.is_finite() && step > 0.0) {
        return Vec::new();
    }
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    if last - first > 20.0 || first.abs().max(last.abs()) > 1e15 {
        // the range is a rounding error of its ends
        return vec![Tick { value: low, text: number(low) }, Tick { value: high, text: number(high) }];
    }
    let largest = low.abs().max(high.abs());
    let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
    let count = (last - first) as i64;
    (0..=count)
        .map(|k| {
            let value = (first + k as f64) * step;
            let text = if !(1e-4..1e6).contains(&largest) { scientific(value, step) } else { typographic(&format!("{value:.decimals$}")) };
            Tick { value, text }
        })
        .collect()
}

/// Powers of ten, every second, fifth, … when they are many; 2 and 5 between them when they are few.
fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    // a little room: the ends of a range are often powers of ten themselves
    let (first, last) = ((low.log10() - 1e-9).ceil() as i32, (high.log10() + 1e-9).floor() as i32);
    let mut ticks = Vec::new();
    let every = [1, 2, 3, 5, 10, 20, 50, 100].into_iter().find(|e| (last - first) / e < LABELS).unwrap_or(200);
    for exponent in first - 1..=last {
        let base = 10f64.powi(exponent);
        for k in 1..10 {
            let value = if exponent < 0 { f64::from(k) / 10f64.powi(-exponent) } else { f64::from(k) * base };
            if !(value.is_finite() && value >= low * (1.0 - 1e-9) && value <= high * (1.0 + 1e-9)) {
                continue;
            }
            let text = match k {
                1 if exponent.rem_euclid(every) == 0 => power_of_ten(exponent),
                2 | 5 if last - first <= 1 => number(value),
                _ if (every > 1 && k > 1) || every > 5 => continue,
                _ => String::new(),
            };
            ticks.push(Tick { value, text });
        }
    }
    if ticks.iter().filter(|tick| !tick.text.is_empty()).count() < 3 && high < 10.0 * low {
        // less than a decade: the numbers of a linear axis, at their logarithmic places
        return linear_ticks(low, high);
    }
    ticks
}

/// 10⁻³.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    match exponent {
        0 => "1".into(),
        1 => "10".into(),
        _ => format!("10{}", superscript(exponent)),
    }
}

fn superscript(value: i32) -> String {
    value
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => char::from_u32('⁰' as u32 + other.to_digit(10).unwrap_or(0)).unwrap_or(other),
        })
        .collect()
}

/// A tick far from 1, with as many digits as the step asks for.
fn scientific(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let exponent = value.abs().log10().floor() as i32;
    let digits = (exponent - step.log10().floor() as i32).clamp(0, 15) as usize;
    let text = format!("{value:.digits$e}");
    power_notation(&text)
}

/// "1.2e-7" as "1.2·10⁻⁷".
fn power_notation(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return typographic(text) };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match (mantissa, exponent) {
        (m, 0) => typographic(m),
        ("1", e) => power_of_ten(e),
        (m, e) => format!("{}·10{}", typographic(m), superscript(e)),
    }
}

/// A minus sign instead of a hyphen.
fn typographic(text: &str) -> String {
    text.replace('-', "−")
}

/// A number as people read it: four digits, powers of ten where plain decimals would be long; "not a number" in words.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return "undefined".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "−∞".into() };
    }
    if value == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-3..5).contains(&exponent) {
        let decimals = (3 - exponent).max(0) as usize;
        let plain = format!("{value:.decimals$}");
        let plain = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
        return typographic(plain);
    }
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    power_notation(&format!("{mantissa}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|t| t.text).filter(|t| !t.is_empty()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        let axis = |low, high| Axis::from("", Scale::Linear, low, high, 0.0);
        assert_eq!(texts(&axis(0.0, 1.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&axis(-3.0, 4.0)), ["−2", "0", "2", "4"]);
        assert_eq!(texts(&axis(0.0, 3e-7)), ["0", "5·10⁻⁸", "1.0·10⁻⁷", "1.5·10⁻⁷", "2.0·10⁻⁷", "2.5·10⁻⁷", "3.0·10⁻⁷"]);
        assert_eq!(texts(&axis(0.25, 0.35)), ["0.26", "0.28", "0.30", "0.32", "0.34"]);
    }

    #[test]
    fn log_ticks_are_powers_of_ten() {
        let axis = |low, high| Axis::from("", Scale::Log, low, high, 0.0);
        assert_eq!(texts(&axis(1e-3, 1e2)), ["10⁻³", "10⁻²", "10⁻¹", "1", "10", "10²"]);
        assert_eq!(texts(&axis(1e-12, 1e12)), ["10⁻¹⁰", "10⁻⁵", "1", "10⁵", "10¹⁰"]);
        assert_eq!(texts(&axis(0.9, 6.0)), ["1", "2", "5"]);
        assert_eq!(texts(&axis(0.95, 1.7)), ["1.0", "1.2", "1.4", "1.6"]);
        // minor ticks between
        assert_eq!(axis(1.0, 1e3).ticks().len(), 28);
    }

    #[test]
    fn every_tick_lies_on_its_axis() {
        let ends = [-1e308, -5.0, -1e-3, 0.0, 1e-320, 1e-300, 3e-9, 0.7, 1.0, 1.0 + 1e-15, 99.0, 1e17, 1.7e308];
        for scale in [Scale::Linear, Scale::Log] {
            for low in ends {
                for high in ends.into_iter().filter(|&high| high >= low) {
                    for margin in [0.0, 0.05] {
                        let axis = Axis::of("", scale, [low, high], margin);
                        assert!(axis.low < axis.high && axis.low.is_finite() && axis.high.is_finite(), "{low} {high}: {axis:?}");
                        let ticks = axis.ticks();
                        assert!(ticks.len() < 80, "{axis:?}: {}", ticks.len());
                        for tick in ticks {
                            let place = axis.place(tick.value).unwrap_or(f64::NAN);
                            assert!((-1e-6..=1.0 + 1e-6).contains(&place), "{axis:?}: {tick:?} at {place}");
                            assert!(!tick.text.contains("NaN") && !tick.text.contains("inf"), "{tick:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_an_axis_cannot_show_has_no_place() {
        let log = Axis::of("", Scale::Log, [0.0, f64::NAN, f64::INFINITY, -1.0, 2.0, 8.0], 0.0);
        assert!((log.low - 2.0).abs() < 1e-12 && (log.high - 8.0).abs() < 1e-12);
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(log.place(value), None);
        }
        assert!((log.place(4.0).unwrap_or(f64::NAN) - 0.5).abs() < 1e-15);
        let wide = Axis::of("", Scale::Linear, [-f64::MAX, f64::MAX], 0.0);
        assert_eq!(wide.place(0.0), Some(0.5));
        assert_eq!(wide.place(f64::NAN), None);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-0.05, "−0.05"),
            (12345.6, "12346"),
            (123456.0, "1.235·10⁵"),
            (1e-10, "10⁻¹⁰"),
            (0.001_234_56, "0.001235"),
            (1.5e300, "1.5·10³⁰⁰"),
            (f64::NAN, "undefined"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
