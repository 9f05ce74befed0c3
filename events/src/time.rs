//! RFC 3339 to milliseconds: the usual UTC form by hand, every other form by jiff.

use shared_types::Timestamp;

/// Milliseconds since 1970; `None` if it is no RFC 3339 time between 1970 and 9999.
#[inline]
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    utc(text.as_bytes()).or_else(|| Timestamp::parse(text).ok().map(Timestamp::as_millis))
}

/// `2026-11-22T10:15:00Z` with 0 to 9 digits of fraction. `None` for everything else, right or wrong.
#[inline]
fn utc(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let separators = [head[4], head[7], head[10], head[13], head[16]];
    if separators != *b"--T::" {
        return None;
    }
    let year = number(&head[0..4])?;
    let (month, day) = (number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?);
    let in_range = (1970..=9998).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + fraction_ms(rest)?)
}

/// `Z` or `.` digits `Z`; finer than a millisecond is cut off.
#[inline]
fn fraction_ms(rest: &[u8]) -> Option<i64> {
    match rest {
        b"Z" => Some(0),
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => {
            let mut millis = 0;
            for at in 0..3 {
                millis = millis * 10 + digits.get(at).map_or(Some(0), |digit| number(&[*digit]))?;
            }
            digits.iter().all(u8::is_ascii_digit).then_some(millis)
        }
        _ => None,
    }
}

#[inline]
fn number(digits: &[u8]) -> Option<i64> {
    let mut value = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_year = year * 365 + year / 4 - year / 100 + year / 400;
    let days_before_month = (153 * month + 2) / 5;
    days_before_year + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_agrees_with_jiff(
            y in 1965..9999_u32, mo in 0..14_u32, d in 0..33_u32, h in 0..25_u32, mi in 0..61_u32, s in 0..60_u32,
            fraction in prop::option::of("[0-9]{1,9}"),
        ) {
            let fraction = fraction.map(|digits| format!(".{digits}")).unwrap_or_default();
            let text = format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}{fraction}Z");
            let theirs = Timestamp::parse(&text).ok().map(Timestamp::as_millis);
            if let Some(ours) = utc(text.as_bytes()) {
                prop_assert_eq!(Some(ours), theirs, "{}", text);
            } else {
                prop_assert!(theirs.is_none() || !(1970..=9998).contains(&y), "{}", text);
            }
        }
    }
}
