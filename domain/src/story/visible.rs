//! What came from outside, shown so that it commands nothing and hides nothing (OP-8): a command's output, a line of a log, a name.
//!
//! It is stored as it came; whoever shows it makes it visible: the terminal, messages, documents, and the page by the same table.

use std::borrow::Cow;

/// Control characters but line breaks and tabs become U+FFFD; so does what turns the direction of a text, or has no width.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        Cow::Owned(text.chars().map(shown).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// As [`visible`], on one line of at most `longest` characters.
#[must_use]
pub fn one_line(text: &str, longest: usize) -> String {
    let flat = |c: char| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { shown(c) };
    text.chars().map(flat).take(longest).collect()
}

/// How an output ends, in one line of at most 500 characters.
#[must_use]
pub fn last_lines(output: &str) -> String {
    const LINES: usize = 3;
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    one_line(&lines[lines.len().saturating_sub(LINES)..].join(" / "), 500)
}

/// As [`visible`], of JSON: what is hidden is written as an escape, so that nothing of it is lost.
#[must_use]
pub fn visible_json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn shown(c: char) -> char {
    if is_hidden(c) { '\u{fffd}' } else { c }
}

/// Whether it steers what is shown beside it, or is not shown at all.
pub(crate) fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OP-8
    #[test]
    fn nothing_that_steers_a_terminal_or_hides_is_left() {
        let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31mred\r\n\tend\u{202e}\u{200b}\u{7f}";
        let expected =
            "\u{fffd}]0;owned\u{fffd}\u{fffd}[2J\u{fffd}31mred\u{fffd}\n\tend\u{fffd}\u{fffd}\u{fffd}";
        assert_eq!(visible(hostile), expected);
        assert!(matches!(visible("日本 🚨 é\n"), Cow::Borrowed(_)));
        assert_eq!(one_line("a\r\nb\tc\u{7}def", 7), "a  b c\u{fffd}");
    }

    /// OP-8
    #[test]
    fn json_says_the_same_after_it_was_made_visible() {
        let value = serde_json::json!({ "output": "a\u{9b}31m\u{202e}\u{7f}\u{1b}b" });
        let text = serde_json::to_string(&value).unwrap();
        let shown = visible_json(&text);
        assert!(!shown.chars().any(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
