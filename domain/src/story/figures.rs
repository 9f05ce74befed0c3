//! Numbers and durations as they are written for people: everywhere the same.

use std::time::Duration;

use shared_types::decision::{Between, MetricVerdict};

const SECOND: u128 = 1000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;

/// What stands for a number that is not there.
pub(crate) const NOT_KNOWN: &str = "n/a";

/// A number: three decimals at most, or three significant digits if it is small; `n/a` if there is none.
#[must_use]
pub fn format_number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return NOT_KNOWN.to_owned() };
    let decimals = (3..=12).find(|decimals| value.abs() * 10_f64.powi(*decimals) >= 100.0).unwrap_or(12);
    let decimals = usize::try_from(if value.abs() >= 0.1 { 3 } else { decimals }).unwrap_or(3);
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A ratio in per cent, one decimal at most: `94.2 %`. Nobody acts on a hundredth of a per cent of a limit.
#[must_use]
pub fn format_ratio(ratio: f64) -> String {
    format!("{} %", format_number(Some((ratio * 1000.0).round() / 10.0)))
}

/// A number with its unit: `2.5 s`, `0.3 %`, a plain `7`; what is not known has none.
#[must_use]
pub fn format_value(value: Option<f64>, unit: &str) -> String {
    match format_number(value) {
        number if unit.is_empty() || number == NOT_KNOWN => number,
        number => format!("{number} {unit}"),
    }
}

/// What was observed of a metric, each number as it is `written`: `2.81 s`, or `between 2.5 s and 5 s` where only bounds are known.
#[must_use]
pub fn observed(metric: &MetricVerdict, written: impl Fn(f64) -> String) -> Option<String> {
    value_or_bounds(metric.observed, metric.between, written)
}

/// The same of a value with its bounds.
#[must_use]
pub fn value_or_bounds(
    value: Option<f64>,
    between: Option<Between>,
    written: impl Fn(f64) -> String,
) -> Option<String> {
    match (value, between) {
        (Some(value), _) => Some(written(value)),
        (None, Some(Between { lower, upper: Some(upper) })) => {
            Some(format!("between {} and {}", written(lower), written(upper)))
        }
        (None, Some(Between { lower, upper: None })) => Some(format!("above {}", written(lower))),
        (None, None) => None,
    }
}

/// A share in per cent, as exact as [`format_number`]: `0.3 %`, `0.0412 %`.
#[must_use]
pub fn format_share(share: f64) -> String {
    format!("{} %", format_number(Some(share * 100.0)))
}

/// `15m`, `24h`, `22h 15m`, `2.5s`, `400ms`: its units in the order of their size, those that are not needed left out, and
/// nothing rounded away. Days only from four of them, as people say 72 h.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let days = if millis >= 4 * DAY { millis / DAY } else { 0 };
    let rest = millis - days * DAY;
    let mut parts: Vec<String> = [(days, 'd'), (rest / HOUR, 'h'), (rest % HOUR / MINUTE, 'm')]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    match rest % MINUTE {
        0 if parts.is_empty() => parts.push("0s".to_owned()),
        0 => {}
        millis if millis < SECOND && parts.is_empty() => parts.push(format!("{millis}ms")),
        millis => {
            let seconds = format!("{}.{:03}", millis / SECOND, millis % SECOND);
            parts.push(format!("{}s", seconds.trim_end_matches('0').trim_end_matches('.')));
        }
    }
    parts.join(" ")
}

/// A time that passes while it is read, as exact as one needs it: whole seconds below two minutes, whole minutes above.
#[must_use]
pub fn format_roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format_duration(Duration::from_secs(if seconds < 120 { seconds } else { seconds - seconds % 60 }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::units::parse_duration;

    /// NO-1
    #[test]
    fn numbers_are_written_for_people() {
        for (number, expected) in [
            (Some(0.0), "0"),
            (Some(-0.0), "0"),
            (Some(2.0), "2"),
            (Some(1.84), "1.84"),
            (Some(2.81049), "2.81"),
            (Some(180.0), "180"),
            (Some(1_234.567_8), "1234.568"),
            (Some(0.25), "0.25"),
            (Some(0.012_345), "0.0123"),
            (Some(0.000_421_9), "0.000422"),
            (Some(1e-300), "0"),
            (Some(f64::NAN), "n/a"),
            (Some(f64::INFINITY), "n/a"),
            (None, "n/a"),
        ] {
            assert_eq!(format_number(number), expected, "{number:?}");
        }
    }

    #[test]
    fn ratios_are_written_in_per_cent() {
        let texts = [0.0, 0.942_33, 1.1, 12.5, f64::NAN].map(format_ratio);
        assert_eq!(texts, ["0 %", "94.2 %", "110 %", "1250 %", "n/a %"]);
    }

    #[test]
    fn durations_are_written_for_people() {
        for (millis, expected) in [
            (0, "0s"),
            (400, "400ms"),
            (2_500, "2.5s"),
            (90_000, "1m 30s"),
            (900_000, "15m"),
            (5_400_000, "1h 30m"),
            (80_100_000, "22h 15m"),
            (86_400_000, "24h"),
            (259_200_000, "72h"),
            (349_200_000, "4d 1h"),
            (34_560_000_000, "400d"),
            (1_234_567, "20m 34.567s"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), expected);
        }
        let roughly = [119_900, 121_000, 80_123_456].map(|it| format_roughly(Duration::from_millis(it)));
        assert_eq!(roughly, ["1m 59s", "2m", "22h 15m"]);
    }

    proptest! {
        /// Two durations that differ are never told as the same.
        #[test]
        fn the_parts_of_a_duration_are_the_whole_of_it(millis in 0..=3650 * 86_400_000_u64) {
            let duration = Duration::from_millis(millis);
            let parts: Option<Vec<Duration>> = format_duration(duration).split(' ').map(parse_duration).collect();
            prop_assert_eq!(parts.map(|it| it.iter().sum()), Some(duration));
        }
    }
}
