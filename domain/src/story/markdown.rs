//! Words of people and figures of telemetry, put into Markdown so that nothing in them is read as Markdown.
//!
//! Whatever comes from outside stands in code: there GitHub sees no markup, no HTML, no mention, no reference to an
//! issue or a commit, and no link.

use super::visible::visible;

/// A code span on one line, at most `longest` characters of the text.
#[must_use]
pub fn code(text: &str, longest: usize) -> String {
    let line: String = cut(text, longest).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "—".to_owned();
    }
    let fence = "`".repeat(longest_run(&line) + 1);
    // A span that begins or ends with a backtick needs a space, which is then not shown.
    if line.starts_with('`') || line.ends_with('`') {
        format!("{fence} {line} {fence}")
    } else {
        format!("{fence}{line}{fence}")
    }
}

/// A fenced block, at most `longest` characters of the text. Ends with a newline.
#[must_use]
pub fn block(text: &str, longest: usize) -> String {
    let text = cut(text.trim_end(), longest);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// Longer ones are cut, so that a fence never outgrows what it holds.
const LONGEST_RUN: usize = 20;

/// What cannot be seen becomes visible; a cut is marked.
fn cut(text: &str, longest: usize) -> String {
    let text = text.replace("\r\n", "\n");
    let mut run = 0;
    let in_bounds = |c: &char| {
        run = if *c == '`' { run + 1 } else { 0 };
        run <= LONGEST_RUN
    };
    let mut shown: String = visible(&text).chars().take(longest).filter(in_bounds).collect();
    if text.chars().nth(longest).is_some() {
        shown.push_str(" […]");
    }
    shown
}

/// Of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EV-3: a span cannot be left from within, and stays on its line.
    #[test]
    fn a_span_holds_whatever_stands_in_it() {
        let table = [
            ("plain", "`plain`"),
            ("@team please", "`@team please`"),
            ("a `b` c", "``a `b` c``"),
            ("`", "`` ` ``"),
            ("``` ends", "```` ``` ends ````"),
            ("two\n\n# lines", "`two # lines`"),
            ("<img src=x onerror=y>", "`<img src=x onerror=y>`"),
            ("<!-- -->", "`<!-- -->`"),
            ("turn\u{202e}ed\u{0}", "`turn\u{fffd}ed\u{fffd}`"),
            ("  ", "—"),
            ("", "—"),
        ];
        for (text, expected) in table {
            assert_eq!(code(text, 100), expected, "{text:?}");
        }
        assert_eq!(code("abcdef", 3), "`abc […]`");
        assert_eq!(code(&"`".repeat(5000), 5000).chars().count(), 20 + 2 * 22);
    }

    /// EV-3: a block's fence is longer than any in it.
    #[test]
    fn a_block_cannot_be_closed_from_within() {
        assert_eq!(block("a\n```\n@all\n", 100), "````text\na\n```\n@all\n````\n");
        assert_eq!(block("a\r\nb", 100), "```text\na\nb\n```\n");
        assert_eq!(block("abcdef", 3), "```text\nabc […]\n```\n");
        assert_eq!(block("~~~\n", 100), "```text\n~~~\n```\n");
    }
}
