//! How a log writes times.

use std::fmt;

/// A text of RFC 3339, or a number counted from the start of 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeFormat {
    Rfc3339,
    EpochS,
    EpochMs,
    EpochUs,
    EpochNs,
}

impl TimeFormat {
    /// All, each with its name in the policy.
    pub const ALL: [(&'static str, Self); 5] = [
        ("rfc3339", Self::Rfc3339),
        ("epoch_s", Self::EpochS),
        ("epoch_ms", Self::EpochMs),
        ("epoch_us", Self::EpochUs),
        ("epoch_ns", Self::EpochNs),
    ];

    /// In milliseconds since 1970, what is finer cut off; `None` if it is no such time between 1970 and 9999.
    #[must_use]
    pub fn parse_ms(self, text: &str) -> Option<i64> {
        let digits_below_ms = match self {
            Self::Rfc3339 => return crate::time::parse_ms(text),
            Self::EpochS => -3,
            Self::EpochMs => 0,
            Self::EpochUs => 3,
            Self::EpochNs => 6,
        };
        let ms = decimal(text, digits_below_ms)?;
        (0..=LATEST_MS).contains(&ms).then_some(ms)
    }
}

/// The end of the year 9998, as far as [`crate::time`] reads by itself.
const LATEST_MS: i64 = 253_370_764_799_999;

/// A decimal number divided by ten to the power of `places`, rounded down. Not by way of a binary fraction: 1764694800.123 s
/// must not become 122 ms.
fn decimal(text: &str, places: i32) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number =
        !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_sub(places)?;
    if !is_number || point > 18 {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat(b'0'));
    let count = usize::try_from(point).unwrap_or(0);
    Some(digits.take(count).fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::name_of(self, &Self::ALL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TE-7: each format, whole and with a fraction, as numbers are written in logs.
    #[test]
    fn times_are_read_in_each_format() {
        let ms = Some(1_795_341_600_250);
        let check =
            |format: TimeFormat, text: &str, expected| assert_eq!(format.parse_ms(text), expected, "{text}");
        check(TimeFormat::Rfc3339, "2026-11-22T10:00:00.25Z", ms);
        check(TimeFormat::Rfc3339, "2026-11-22T19:00:00.250123456+09:00", ms);
        check(TimeFormat::EpochS, "1795341600.25", ms);
        check(TimeFormat::EpochS, "1795341600.250999", ms);
        check(TimeFormat::EpochS, "1.79534160025e+09", ms);
        check(TimeFormat::EpochS, "1764694800.123", Some(1_764_694_800_123));
        check(TimeFormat::EpochMs, "1795341600250", ms);
        check(TimeFormat::EpochMs, "1795341600250.9", ms);
        check(TimeFormat::EpochUs, "1795341600250999", ms);
        check(TimeFormat::EpochNs, "1795341600250999999", ms);
        check(TimeFormat::EpochS, "0", Some(0));
        check(TimeFormat::EpochNs, "7", Some(0));
        for text in ["", "-1", "x", "1795341600x", ".5", "1e99", "1e", "99999999999999999999", "253402300800"]
        {
            check(TimeFormat::EpochS, text, None);
        }
    }
}
