//! How a log writes durations.

use std::fmt;

/// What a number counts. A text may name its units itself, as Go writes them (`1m2.5s`); then those hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
}

impl Unit {
    /// All, each with its name in the policy.
    pub const ALL: [(&'static str, Self); 4] = [
        ("ns", Self::Nanoseconds),
        ("us", Self::Microseconds),
        ("ms", Self::Milliseconds),
        ("s", Self::Seconds),
    ];

    /// In milliseconds; `None` if it is no duration.
    #[must_use]
    pub fn parse_ms(self, text: &str) -> Option<f64> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Some(self.in_ms(number)),
            _ => with_units(text),
        }
    }

    /// By its name, which is also its symbol in UCUM (<https://ucum.org/ucum>).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit)
    }

    /// In milliseconds.
    #[must_use]
    pub fn in_ms(self, number: f64) -> f64 {
        match self {
            Self::Nanoseconds => number / 1e6,
            Self::Microseconds => number / 1e3,
            Self::Milliseconds => number,
            Self::Seconds => number * 1e3,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::name_of(self, &Self::ALL))
    }
}

/// Numbers with their units behind them, added up.
fn with_units(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().ok()?;
        sum += match unit.trim() {
            "ns" => Unit::Nanoseconds.in_ms(number),
            "us" | "µs" | "μs" => Unit::Microseconds.in_ms(number),
            "ms" => number,
            "s" => Unit::Seconds.in_ms(number),
            "m" | "min" => number * 60e3,
            "h" => number * 3_600e3,
            _ => return None,
        };
        rest = after;
    }
    (!text.trim().is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TE-7: a duration is a number, or the text of one, in the unit of the map or in its own.
    #[test]
    fn durations_are_read_in_each_unit() {
        let check = |unit: Unit, text: &str, expected| assert_eq!(unit.parse_ms(text), expected, "{text}");
        check(Unit::Seconds, "0.25", Some(250.0));
        check(Unit::Milliseconds, "640.5", Some(640.5));
        check(Unit::Microseconds, "1500", Some(1.5));
        check(Unit::Nanoseconds, "2000000", Some(2.0));
        check(Unit::Nanoseconds, "1m2.5s", Some(62_500.0));
        check(Unit::Seconds, "12.5ms", Some(12.5));
        check(Unit::Seconds, "12 ms", Some(12.0));
        check(Unit::Seconds, "3µs", Some(0.003));
        check(Unit::Milliseconds, "-5", Some(-5.0));
        for text in ["", " ", "fast", "12 parsecs", "NaN", "inf", "ms", "1..2s"] {
            check(Unit::Milliseconds, text, None);
        }
    }
}
