//! What is filled into selectors and queries when a window is read: `{target}` and `{phase}` within a string, and `{window}` in a
//! query. None of them is PromQL by itself, and no name needs an escape in a string. A text that is meant as it stands has its
//! braces twice: `{{id}}` is `{id}`.

use std::time::Duration;

use shared_types::{PhaseId, TargetName};

/// What a window is read for.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    pub target: &'a TargetName,
    pub phase: &'a PhaseId,
    /// The window's length.
    pub length: Duration,
}

/// A part of a text.
#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Text(&'t str),
    /// `{word}`, and whether it stands within a string.
    Place(&'t str, bool),
    /// `{{word}}`.
    Meant(&'t str),
}

/// Whether all places can be filled; `{window}` only where `has_window`.
pub(super) fn check(text: &str, has_window: bool) -> Result<(), String> {
    let places = if has_window { "`{target}`, `{phase}` or `{window}`" } else { "`{target}` or `{phase}`" };
    for piece in pieces(text) {
        match piece {
            Piece::Text(_) | Piece::Meant(_) | Piece::Place("target" | "phase", true) => {}
            Piece::Place("window", _) if has_window => {}
            Piece::Place(word @ ("target" | "phase"), false) => {
                return Err(format!(
                    "expected `{{{word}}}` within a string, such as `x{{{word}=\"{{{word}}}\"}}`"
                ));
            }
            Piece::Place(word, _) => {
                return Err(format!(
                    "expected {places}, found `{{{word}}}`; a text that has braces has them twice: `{{{{{word}}}}}`"
                ));
            }
        }
    }
    Ok(())
}

/// The text for a window.
pub(super) fn filled(text: &str, filling: Filling<'_>) -> String {
    let fill = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Place("target", _) => filling.target.to_string(),
        Piece::Place("phase", _) => filling.phase.to_string(),
        Piece::Place("window", _) => range(filling.length),
        Piece::Place(word, _) | Piece::Meant(word) => format!("{{{word}}}"),
    };
    pieces(text).into_iter().map(fill).collect()
}

/// A duration as a query writes it, in whole seconds.
#[must_use]
pub fn range(span: Duration) -> String {
    format!("{}s", span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut from, mut at) = (Vec::new(), 0, 0);
    let mut quote = None;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let meant = rest.strip_prefix("{{").and_then(|rest| word_of(rest, "}}"));
        let place = rest.strip_prefix('{').and_then(|rest| word_of(rest, "}"));
        let (piece, length) = match (meant, place) {
            (Some(word), _) => (Piece::Meant(word), word.len() + 4),
            (None, Some(word)) => (Piece::Place(word, quote.is_some()), word.len() + 2),
            (None, None) => {
                match (quote, next) {
                    // What is escaped ends no string.
                    (Some('"' | '\''), '\\') => at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                    (Some(open), _) => {
                        quote = (next != open).then_some(open);
                        at += next.len_utf8();
                    }
                    (None, _) => {
                        quote = matches!(next, '"' | '\'' | '`').then_some(next);
                        at += next.len_utf8();
                    }
                }
                continue;
            }
        };
        pieces.push(Piece::Text(&text[from..at]));
        pieces.push(piece);
        at += length;
        from = at;
    }
    pieces.push(Piece::Text(&text[from..]));
    pieces
}

/// The word that a text begins with, if that ends there.
fn word_of<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (word, after) = text.split_at(text.find(|c| !is_word(c))?);
    // `x{2}` is a repetition of a pattern.
    let begins = word.starts_with(|c: char| !c.is_ascii_digit());
    (begins && after.starts_with(end)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fills(text: &str, expected: &str) {
        let (target, phase) = (TargetName::parse("shop-1").unwrap(), PhaseId::parse("B").unwrap());
        let filling = Filling { target: &target, phase: &phase, length: Duration::from_millis(899_500) };
        assert_eq!(check(text, true), Ok(()), "{text}");
        assert_eq!(filled(text, filling), expected);
    }

    #[track_caller]
    fn refused(text: &str, has_window: bool, expected: &str) {
        let why = check(text, has_window).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }

    /// TE-5: one text serves each target and phase; what is a text, a matcher or a pattern stays.
    #[test]
    fn places_are_filled_and_braces_stay() {
        fills(r#"x_total{phase="{phase}",app='{target}'}"#, r#"x_total{phase="B",app='shop-1'}"#);
        fills("max(rate(x{job=`{target}`}[{window}]))", "max(rate(x{job=`shop-1`}[900s]))");
        fills(r#"x{a="\"{phase}",b=~"a{2}|{{id}}",c="é{}"}"#, r#"x{a="\"B",b=~"a{2}|{id}",c="é{}"}"#);
        fills(r#"x{a="\\"} or x{path="{{id}}/{target}"}"#, r#"x{a="\\"} or x{path="{id}/shop-1"}"#);
        fills("", "");
    }

    /// PO-1: a place that nothing fills is a mistake and no text.
    #[test]
    fn other_places_are_refused() {
        refused(r#"x{phase="{fase}"}"#, true, "expected `{target}`, `{phase}` or `{window}`, found `{fase}`");
        refused(r#"x{path="/o/{id}"}"#, false, "a text that has braces has them twice: `{{id}}`");
        refused("x{target={target}}", false, "`{target}` within a string, such as `x{target=\"{target}\"}`");
        refused("{phase}", false, "within a string");
        refused(r#"x{a="\\"} or {phase} or x{b=""}"#, false, "within a string");
        refused(r#"x{a="{window}"}"#, false, "expected `{target}` or `{phase}`, found `{window}`");
    }
}
