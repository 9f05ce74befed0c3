//! A share that may be bad, as exact as the policy's text has it.

use std::fmt;

use super::tail::as_number;

/// A non-negative decimal number, or an equal part of one: `digits / (10^scale · parts)`. `99.9 %` at least is then 0.001 of
/// bad ones, where a binary fraction would have 0.0010000000000000009.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    digits: u64,
    scale: u32,
    /// At least 1.
    parts: u64,
}

/// Why a number is none that can be held exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 0 with at most 15 digits")]
pub struct ShareError;

/// More digits than these a binary fraction does not keep.
const DIGITS: u32 = 15;

/// Powers of ten up to this one are binary fractions as they are.
const EXACT_POWERS: u32 = 22;

impl Share {
    /// The decimal number that a limit was written as, divided by `10^shift`: 2 for a percentage. The shortest text that
    /// reads back as `limit` is the policy's own, up to 15 digits.
    ///
    /// # Errors
    /// The limit is negative, not finite, or has more digits.
    pub fn of(limit: f64, shift: u32) -> Result<Self, ShareError> {
        if !limit.is_finite() || limit.is_sign_negative() && limit != 0.0 {
            return Err(ShareError);
        }
        let text = format!("{}", limit.abs());
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let scale = u32::try_from(part.len()).map_err(|_| ShareError)? + shift;
        let digits: u64 = format!("{whole}{part}").parse().map_err(|_| ShareError)?;
        if digits >= 10_u64.pow(DIGITS) || scale > 2 * DIGITS {
            return Err(ShareError);
        }
        Ok(Self { digits, scale, parts: 1 })
    }

    /// One of so many equal parts of it; none of no parts.
    #[must_use]
    pub fn part(self, of: u64) -> Option<Self> {
        let parts = self.parts.checked_mul(of).filter(|parts| *parts > 0)?;
        Some(Self { parts, ..self })
    }

    /// What is left of the whole: 0.001 of 0.999. `None` above 1.
    #[must_use]
    pub fn rest(self) -> Option<Self> {
        let whole = self.divisor()?;
        let digits = u64::try_from(whole.checked_sub(u128::from(self.digits))?).ok()?;
        Some(Self { digits, ..self })
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// bad ÷ attempts > this share, in exact arithmetic.
    #[must_use]
    pub fn is_exceeded_by(self, bad: u64, attempts: u64) -> bool {
        let allowed = u128::from(self.digits) * u128::from(attempts);
        match self.divisor().and_then(|divisor| u128::from(bad).checked_mul(divisor)) {
            Some(found) => found > allowed,
            None => bad > 0, // no product of two u64 comes near
        }
    }

    fn divisor(self) -> Option<u128> {
        10_u128.checked_pow(self.scale)?.checked_mul(u128::from(self.parts))
    }

    #[must_use]
    pub fn value(self) -> f64 {
        let parts = as_number(self.parts);
        if self.scale > EXACT_POWERS {
            // Parsed as a whole, so that the result is the binary fraction nearest to the decimal.
            let decimal: f64 = format!("{}e-{}", self.digits, self.scale).parse().unwrap_or(f64::NAN);
            return decimal / parts;
        }
        // Both are exact, so their quotient is that fraction too; it is asked for in each step of the evidence.
        as_number(self.digits) / 10_u128.pow(self.scale) as f64 / parts
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}e-{}", self.digits, self.scale)?;
        if self.parts > 1 { write!(f, "/{}", self.parts) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JU-1: the limit's own text counts, not the binary fraction next to it.
    #[test]
    fn a_share_is_the_decimal_of_the_policy() {
        let p0 = |limit, shift| Share::of(limit, shift).unwrap();
        assert_eq!(p0(1.0, 2).value().to_bits(), 0.01_f64.to_bits());
        assert_eq!(p0(0.3, 2).value().to_bits(), 0.003_f64.to_bits());
        assert_eq!(p0(99.9, 2).rest().unwrap().value().to_bits(), 0.001_f64.to_bits());
        assert_eq!(p0(8.0, 2).rest().unwrap().value().to_bits(), 0.92_f64.to_bits());
        assert_eq!(p0(0.95, 0).rest().unwrap().value().to_bits(), 0.05_f64.to_bits());
        assert_eq!(p0(1.5, 0).value().to_bits(), 1.5_f64.to_bits());
        assert!(p0(0.0, 2).is_zero() && p0(100.0, 2).rest().unwrap().is_zero());
        assert_eq!(p0(150.0, 2).rest(), None);
    }

    /// JU-1: the quotient is the fraction that the decimal text reads as.
    #[test]
    fn a_value_is_the_fraction_nearest_to_its_text() {
        for (limit, shift) in
            [(0.3, 2), (99.9, 2), (0.1, 0), (1e-9, 2), (123_456_789.123, 2), (1.0, 22), (7.0, 23)]
        {
            let share = Share::of(limit, shift).unwrap();
            let parsed: f64 = share.to_string().parse().unwrap();
            assert_eq!(share.value().to_bits(), parsed.to_bits(), "{share}");
        }
    }

    /// JU-1: over is k > p0·n, exactly: 3 of 1,000 is 0.3 %, and not over it.
    #[test]
    fn at_the_limit_is_not_over_it() {
        for (limit, bad, attempts) in [(0.3, 3, 1000), (1.0, 1, 100), (0.7, 7, 1000), (99.9, 999, 1000)] {
            let share = Share::of(limit, 2).unwrap();
            assert!(!share.is_exceeded_by(bad, attempts), "{limit}");
            assert!(share.is_exceeded_by(bad + 1, attempts), "{limit}");
            assert!(share.is_exceeded_by(bad, attempts - 1), "{limit}");
        }
        let rate = Share::of(1.5, 0).unwrap();
        assert!(rate.is_exceeded_by(151, 100) && !rate.is_exceeded_by(150, 100));
        assert!(Share::of(1e-9, 2).unwrap().is_exceeded_by(u64::MAX, 1));
    }

    /// JU-1: ten a quarter of an hour are ten thirds in five minutes, exactly: three such windows with ten are not over.
    #[test]
    fn a_part_of_a_limit_is_exact() {
        let limit = Share::of(10.0, 0).unwrap().part(900_000).unwrap();
        assert!(!limit.is_exceeded_by(10, 900_000) && limit.is_exceeded_by(11, 900_000));
        assert!(!limit.is_exceeded_by(3, 300_000) && limit.is_exceeded_by(4, 300_000));
        assert!(!limit.is_exceeded_by(10, 3 * 300_000));
        assert!((limit.value() * 900_000.0 - 10.0).abs() < 1e-12);
        assert_eq!(limit.part(0), None);
        assert_eq!(limit.to_string(), "10e-0/900000");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for limit in [-1.0, f64::NAN, f64::INFINITY, 1e16, 0.123_456_789_012_345_6, 1e-40] {
            assert_eq!(Share::of(limit, 2), Err(ShareError), "{limit}");
        }
    }
}
