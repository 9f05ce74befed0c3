//! The policy's texts for durations, ratios and thresholds, and back.
//!
//! Exact: a duration is whole milliseconds or refused; no number here is ever NaN or infinite.

use std::time::Duration;

/// The longest duration a policy may name: ten years of days, far from any overflow in milliseconds.
pub const LONGEST: Duration = Duration::from_millis(3650 * 86_400_000);

/// In the order that parsing needs: `ms` before `m` and `s`.
const UNITS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// How a metric's values are shown: the policy's thresholds are parsed into the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayUnit {
    Seconds,
    Milliseconds,
    Percent,
    Number,
}

impl DisplayUnit {
    /// `s`, `ms`, `%` or empty.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::Number => "",
        }
    }
}

/// Parses `500ms`, `2.5s`, `15m`, `24h`, `400d`: one number, one unit, whole milliseconds, at most [`LONGEST`].
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit_ms) =
        UNITS_MS.iter().find_map(|(unit, ms)| text.strip_suffix(unit).map(|number| (number, *ms)))?;
    let (whole, fraction) = split_decimal(number)?;
    let mut total = whole.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    if !fraction.is_empty() {
        let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = fraction.parse::<u64>().ok()?.checked_mul(unit_ms)?;
        if part % scale != 0 {
            return None;
        }
        total = total.checked_add(part / scale)?;
    }
    Some(Duration::from_millis(total)).filter(|duration| *duration <= LONGEST)
}

/// Parses `0.8` or `80%` into 0.8.
#[must_use]
pub fn parse_ratio(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => parse_number(percent).map(|percent| percent / 100.0),
        None => parse_number(text),
    }
}

/// Parses `5%` or `0.05` into 5.
#[must_use]
pub fn parse_percent(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => parse_number(percent),
        None => parse_number(text).map(|ratio| ratio * 100.0),
    }
}

/// A threshold in its metric's unit: `2.5s` or `2500ms` where seconds are shown, `1.0%` for a percentage, `3` for a plain
/// number. `0` needs no unit; any other number without its unit could mean two things and is refused.
#[must_use]
pub fn parse_threshold(text: &str, unit: DisplayUnit) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    match unit {
        DisplayUnit::Seconds => parse_duration(text).map(|duration| duration.as_secs_f64()),
        DisplayUnit::Milliseconds => parse_duration(text).map(|duration| duration.as_secs_f64() * 1000.0),
        DisplayUnit::Percent => parse_number(text.strip_suffix('%')?),
        DisplayUnit::Number => parse_number(text),
    }
}

/// What [`parse_threshold`] takes, for error messages.
#[must_use]
pub fn threshold_form(unit: DisplayUnit) -> &'static str {
    match unit {
        DisplayUnit::Seconds | DisplayUnit::Milliseconds => "a duration such as 2.5s or 180s",
        DisplayUnit::Percent => "a percentage such as 1.0%",
        DisplayUnit::Number => "a number such as 0 or 2.5",
    }
}

/// A decimal number that is not negative: digits, and perhaps a point and more digits. No sign, no exponent, no `inf`.
#[must_use]
pub fn parse_number(text: &str) -> Option<f64> {
    split_decimal(text)?;
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Digits before and after the point; neither may be missing where the point is there.
fn split_decimal(text: &str) -> Option<(&str, &str)> {
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        None => digits(text).then_some((text, "")),
        Some((whole, fraction)) => (digits(whole) && digits(fraction)).then_some((whole, fraction)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> Option<u128> {
        parse_duration(text).map(|duration| duration.as_millis())
    }

    /// PO-1
    #[test]
    fn durations_are_one_number_and_one_unit() {
        for (text, expected) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2.5s", 2_500),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("400d", 34_560_000_000),
            ("0s", 0),
        ] {
            assert_eq!(ms(text), Some(expected), "{text}");
        }
        for text in [
            "", "s", "30", "30 s", " 30s", "-30s", "+1s", "1e3s", ".5s", "5.s", "1h30m", "0.5ms", "1S",
            "infs",
        ] {
            assert_eq!(ms(text), None, "{text}");
        }
        assert_eq!(ms("3650d"), Some(LONGEST.as_millis()));
        assert_eq!(ms("3651d"), None);
        assert_eq!(ms("99999999999999999d"), None);
    }

    /// PO-1
    #[test]
    fn ratios_and_percentages_say_the_same() {
        assert_eq!(parse_ratio("80%"), Some(0.8));
        assert_eq!(parse_ratio("0.8"), Some(0.8));
        assert_eq!(parse_percent("5%"), Some(5.0));
        assert_eq!(parse_percent("0.05"), Some(5.0));
        for text in ["", "%", "nan", "NaN%", ".inf", "inf", "-1", "-1%", "1e999", "80 %", "eighty"] {
            assert_eq!(parse_ratio(text), None, "{text}");
            assert_eq!(parse_percent(text), None, "{text}");
        }
    }

    /// SLO-1
    #[test]
    fn thresholds_are_read_in_the_unit_they_are_shown_in() {
        for (text, unit, expected) in [
            ("2.5s", DisplayUnit::Seconds, Some(2.5)),
            ("2500ms", DisplayUnit::Seconds, Some(2.5)),
            ("3m", DisplayUnit::Seconds, Some(180.0)),
            ("2.5s", DisplayUnit::Milliseconds, Some(2500.0)),
            ("2.5", DisplayUnit::Seconds, None),
            ("1.0%", DisplayUnit::Percent, Some(1.0)),
            ("0.3%", DisplayUnit::Percent, Some(0.3)),
            ("0.01", DisplayUnit::Percent, None),
            ("0", DisplayUnit::Percent, Some(0.0)),
            ("0", DisplayUnit::Number, Some(0.0)),
            ("2.5", DisplayUnit::Number, Some(2.5)),
            ("nan", DisplayUnit::Number, None),
            ("1s", DisplayUnit::Number, None),
        ] {
            assert_eq!(parse_threshold(text, unit), expected, "{text} {unit:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_finite_number_or_refused(text in "[0-9.eE+%infNamsh-]{0,24}") {
            for number in [parse_ratio(&text), parse_percent(&text), parse_threshold(&text, DisplayUnit::Number)].into_iter().flatten() {
                prop_assert!(number.is_finite() && number >= 0.0);
            }
            prop_assert!(parse_duration(&text).is_none_or(|duration| duration <= LONGEST));
        }

        #[test]
        fn a_ratio_and_its_percentage_agree(per_mille in 0..100_000_u32) {
            let ratio = format!("{}.{:03}", per_mille / 1000, per_mille % 1000);
            let percent = format!("{}.{}%", per_mille / 10, per_mille % 10);
            let (a, b) = (parse_ratio(&ratio).unwrap(), parse_ratio(&percent).unwrap());
            prop_assert!((a - b).abs() <= f64::EPSILON * a.max(1.0) * 4.0);
        }
    }
}
