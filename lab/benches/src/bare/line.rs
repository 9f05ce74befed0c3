//! One line of telemetry as the bare programs read it: typed by serde_json, or by hand.
//!
//! What is read by hand is believed: no escapes, no nesting, no UTF-8 is looked for, and a line that is not as expected is only
//! counted. That is a bound, and no way to read what others wrote.

use serde::Deserialize;

/// An event.
pub(super) struct Line<'a> {
    pub(super) ts_ms: i64,
    pub(super) name: &'a [u8],
    pub(super) event_id: Option<&'a [u8]>,
    pub(super) duration_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    ts: &'a str,
    name: &'a str,
    event_id: Option<&'a str>,
    duration_ms: Option<f64>,
    code: Option<&'a str>,
    retryable: Option<bool>,
}

/// By serde_json into a borrowed struct.
pub(super) fn typed(line: &[u8]) -> Option<Line<'_>> {
    let Typed { ts, name, event_id, duration_ms, code, retryable } = serde_json::from_slice(line).ok()?;
    std::hint::black_box((code, retryable));
    Some(Line {
        ts_ms: time_ms(ts.as_bytes())?,
        name: name.as_bytes(),
        event_id: event_id.map(str::as_bytes),
        duration_ms,
    })
}

/// By hand.
pub(super) fn flat(line: &[u8]) -> Option<Line<'_>> {
    let mut rest = line.strip_prefix(b"{")?;
    let mut read = Line { ts_ms: 0, name: &[], event_id: None, duration_ms: None };
    loop {
        let (key, after) = until(rest.strip_prefix(b"\"")?, b'"')?;
        let value = after.strip_prefix(b":")?;
        if let Some(text) = value.strip_prefix(b"\"") {
            let (text, after) = until(text, b'"')?;
            rest = after;
            match key {
                b"ts" => read.ts_ms = time_ms(text)?,
                b"name" => read.name = text,
                b"event_id" => read.event_id = Some(text),
                _ => {}
            }
        } else {
            let length = value.iter().position(|byte| matches!(byte, b',' | b'}'))?;
            if key == b"duration_ms" {
                read.duration_ms = Some(number(&value[..length])?);
            }
            rest = &value[length..];
        }
        match rest.split_first()? {
            (b',', more) => rest = more,
            (b'}', []) => return (read.ts_ms > 0 && !read.name.is_empty()).then_some(read),
            _ => return None,
        }
    }
}

/// What stands before the next `end`, and what after it; eight bytes at a time.
fn until(text: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let differing = u64::from_le_bytes(*eight) ^ (ONES * u64::from(end));
        let found = differing.wrapping_sub(ONES) & !differing & (ONES << 7);
        if found != 0 {
            at += found.trailing_zeros() as usize / 8;
            return Some((&text[..at], &text[at + 1..]));
        }
        at += 8;
    }
    let at = at + text[at..].iter().position(|byte| *byte == end)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Digits, perhaps with a fraction.
fn number(text: &[u8]) -> Option<f64> {
    const TENS: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    let (mut digits, mut decimals, mut in_fraction) = (0_u32, 0, false);
    for byte in text {
        if *byte == b'.' {
            in_fraction = true;
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        digits = digits.checked_mul(10)?.checked_add(u32::from(digit)).filter(|_| digit < 10)?;
        decimals += usize::from(in_fraction);
    }
    Some(f64::from(digits) / TENS.get(decimals)?)
}

/// `2026-11-22T10:15:00.250Z`, or without a fraction.
fn time_ms(text: &[u8]) -> Option<i64> {
    let (head, fraction) = text.split_first_chunk::<19>()?;
    let two = |at: usize| i64::from(head[at] - b'0') * 10 + i64::from(head[at + 1] - b'0');
    let (year, month) = (two(0) * 100 + two(2), two(5));
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + two(8) - 719_469;
    let seconds = days * 86_400 + two(11) * 3600 + two(14) * 60 + two(17);
    let millis = match fraction {
        [b'.', a, b, c, b'Z'] => [a, b, c].iter().fold(0, |sum, digit| sum * 10 + i64::from(**digit - b'0')),
        _ => 0,
    };
    Some(seconds * 1000 + millis)
}
