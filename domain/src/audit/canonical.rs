//! Canonical JSON by RFC 8785 (JCS): keys sorted by their UTF-16 code units, no spaces, the shortest escapes,
//! numbers as ECMAScript prints them.
//!
//! One thing goes beyond it: integers are written with all their digits. Up to 2^53 that is what the RFC says;
//! beyond, a double could not tell two of them apart.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

/// See the module.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(it) => text.push_str(if *it { "true" } else { "false" }),
        Value::Number(it) => write_number(text, it),
        Value::String(it) => write_string(text, it),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => write_object(text, fields),
    }
}

fn write_object(text: &mut String, fields: &Map<String, Value>) {
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
    text.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(text, name);
        text.push(':');
        write(text, value);
    }
    text.push('}');
}

fn write_string(text: &mut String, it: &str) {
    text.push('"');
    for c in it.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

fn write_number(text: &mut String, it: &Number) {
    match it.as_f64() {
        Some(float) if it.is_f64() => write_float(text, float),
        _ => {
            let _ = write!(text, "{it}");
        }
    }
}

/// ECMAScript's Number::toString: the shortest digits that read back as the same double.
fn write_float(text: &mut String, float: f64) {
    if float == 0.0 {
        text.push('0');
        return;
    }
    if float < 0.0 {
        text.push('-');
    }
    let (digits, exponent) = shortest(float.abs());
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands behind so many digits.
    let point = exponent + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
    let _ = match point {
        _ if (count..=21).contains(&point) => write!(text, "{digits}{}", zeros(point - count)),
        1..=21 => write!(text, "{}.{}", split(point).0, split(point).1),
        -5..=0 => write!(text, "0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = split(1);
            let dot = if rest.is_empty() { "" } else { "." };
            write!(text, "{first}{dot}{rest}e{:+}", point - 1)
        }
    };
}

/// The shortest digits and the exponent of the first one. Where two are as short and as close, ECMAScript takes
/// the even one, Rust the upper one.
fn shortest(float: f64) -> (String, i32) {
    let (digits, exponent) = parts(&format!("{float:e}"));
    let odd = digits.ends_with(['1', '3', '5', '7', '9']);
    if !odd || parts(&format!("{float:.*e}", digits.len())).0.as_bytes().get(digits.len()) != Some(&b'5') {
        return (digits, exponent);
    }
    let (exact, _) = parts(&format!("{float:.800e}"));
    let (lower, rest) = exact.split_at(digits.len());
    let tie = rest.trim_end_matches('0') == "5";
    let reads_back = |digits: &str| {
        let (first, rest) = digits.split_at(1);
        format!("{first}.{rest}e{exponent}").parse::<f64>().is_ok_and(|it| it.to_bits() == float.to_bits())
    };
    if tie && lower != digits && reads_back(lower) {
        return (lower.to_owned(), exponent);
    }
    (digits, exponent)
}

/// Of `d.ddde±x`.
fn parts(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa.chars().filter(char::is_ascii_digit).collect(), exponent.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// GO-4: the example of RFC 8785, section 3.2.2 and 3.2.3.
    #[test]
    fn the_rfcs_example_comes_out_byte_for_byte() {
        let text = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            canonical(&value),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
    }

    /// GO-4: section 3.2.3; an astral character's first code unit sorts before U+FB33.
    #[test]
    fn keys_are_sorted_by_their_utf_16_code_units() {
        let value = json!({ "€": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "😀": 5, "\u{80}": 6, "ö": 7 });
        assert_eq!(
            canonical(&value),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
    }

    /// GO-4: appendix B of RFC 8785.
    #[test]
    fn numbers_are_printed_as_ecmascript_does() {
        let table: [(f64, &str); 18] = [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (-5e-324, "-5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9007199254740992.0, "9007199254740992"),
            (295147905179352830000.0, "295147905179352830000"),
            (9.999999999999997e22, "9.999999999999997e+22"),
            (1e23, "1e+23"),
            (1.0000000000000001e23, "1.0000000000000001e+23"),
            (999999999999999700000.0, "999999999999999700000"),
            (1e21, "1e+21"),
            (9.999999999999997e-7, "9.999999999999997e-7"),
            (0.000001, "0.000001"),
            (333333333.3333332, "333333333.3333332"),
            (-0.0000033333333333333333, "-0.0000033333333333333333"),
            (1424953923781206.2, "1424953923781206.2"),
            (2.5, "2.5"),
        ];
        for (float, expected) in table {
            assert_eq!(canonical(&json!(float)), expected);
        }
        assert_eq!(canonical(&json!(u64::MAX)), "18446744073709551615", "all digits of an integer");
    }
}
