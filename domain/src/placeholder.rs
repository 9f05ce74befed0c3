//! Texts with `{name}` placeholders: message templates and the arguments of commands (NO-2, RB-2).
//!
//! A text is parsed once against the names it may use and refused if it uses another; rendering refuses
//! a placeholder without a value, so that a half-filled text never leaves the house. `{{` and `}}` stand for
//! literal braces. Values are put in as they are and never looked at for placeholders again.

use std::collections::BTreeMap;
use std::fmt;

use crate::notifiers::{Message, Span};
use crate::story::figures::NOT_KNOWN;

/// What placeholders are filled with, by name.
pub type Values = BTreeMap<String, String>;

/// A parsed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(String),
}

/// Why a text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    #[error("unknown placeholder {{{name}}}; known here: {}", Braced(known))]
    Unknown { name: String, known: Vec<String> },
    #[error("`{{` without `}}`; write `{{{{` for a literal brace")]
    Unclosed,
    #[error("`}}` without `{{`; write `}}}}` for a literal brace")]
    Unopened,
    #[error("no value for placeholder {{{name}}}")]
    Unfilled { name: String },
}

impl Pattern {
    /// Parses `text`, which may use the placeholders in `known` and no others.
    ///
    /// # Errors
    /// [`PlaceholderError::Unknown`], or a brace without its partner.
    pub fn parse<S: AsRef<str>>(text: &str, known: &[S]) -> Result<Self, PlaceholderError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after_double) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after_double;
                continue;
            }
            if brace == "}" {
                return Err(PlaceholderError::Unopened);
            }
            // A name stays on its line, so that the error about it does too.
            let ends = |c: char| matches!(c, '{' | '}') || c.is_control();
            let end = after.find(ends).ok_or(PlaceholderError::Unclosed)?;
            if !after[end..].starts_with('}') {
                return Err(PlaceholderError::Unclosed);
            }
            let name = &after[..end];
            if !known.iter().any(|known| known.as_ref() == name) {
                let known = known.iter().map(|known| known.as_ref().to_owned()).collect();
                return Err(PlaceholderError::Unknown { name: name.to_owned(), known });
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = &after[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The placeholders used, in order, repeats included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The values that a rendered text shows, in order; none: the text cannot have been rendered from this. The way
    /// back, which looks only at the literals around each placeholder: a value that holds the literal behind its own
    /// place is read too short.
    #[must_use]
    pub fn read<'a>(&self, text: &'a str) -> Option<Vec<(&str, &'a str)>> {
        let mut found = Vec::new();
        let mut rest = text;
        let mut parts = self.parts.iter().peekable();
        let mut unknown = false;
        while let Some(part) = parts.next() {
            match (part, parts.peek()) {
                (Part::Literal(literal), _) => rest = rest.strip_prefix(behind(literal, unknown))?,
                (Part::Placeholder(name), Some(Part::Literal(next))) => {
                    let after = rest.strip_prefix(NOT_KNOWN);
                    unknown = after.is_some_and(|after| after.starts_with(behind(next, true)));
                    let value = if unknown { NOT_KNOWN } else { rest.split_once(next.as_str())?.0 };
                    found.push((name.as_str(), &rest[..value.len()]));
                    rest = &rest[value.len()..];
                }
                // What stands next to each other without a literal cannot be told apart.
                (Part::Placeholder(_), Some(Part::Placeholder(_))) => return None,
                (Part::Placeholder(name), None) => {
                    found.push((name.as_str(), rest));
                    rest = "";
                }
            }
        }
        rest.is_empty().then_some(found)
    }

    /// The text with every placeholder filled, values as they came: for programs, not for people. An empty value does not count as one.
    ///
    /// # Errors
    /// [`PlaceholderError::Unfilled`] with the first placeholder that has no value.
    pub fn render(&self, values: &Values) -> Result<String, PlaceholderError> {
        let spans = self.message(values)?.0;
        Ok(spans.iter().map(Span::as_it_came).collect())
    }

    /// As [`Self::render`], with values told from the text around them.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn message(&self, values: &Values) -> Result<Message, PlaceholderError> {
        let mut unknown = false;
        let one = |part: &Part| match part {
            Part::Literal(literal) => Ok(Span::Text(behind(literal, unknown).to_owned())),
            Part::Placeholder(name) => {
                let value = values.get(name).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| PlaceholderError::Unfilled { name: name.clone() })?;
                unknown = value == NOT_KNOWN;
                Ok(Span::Value(value.clone()))
            }
        };
        self.parts.iter().map(one).collect::<Result<_, _>>().map(Message)
    }
}

/// The literal behind a value: what is not known has no unit.
fn behind(literal: &str, unknown: bool) -> &str {
    if !unknown {
        return literal;
    }
    let units = ["ms", "s", "%"];
    let rest = units.iter().find_map(|unit| literal.strip_prefix(unit));
    rest.filter(|rest| !rest.starts_with(char::is_alphanumeric)).unwrap_or(literal)
}

/// Renders an argument vector; a value is never split into several arguments.
///
/// # Errors
/// [`PlaceholderError`] of the first argument that names an unknown placeholder or one without a value.
pub fn render_arguments<S: AsRef<str>>(
    arguments: &[S],
    values: &Values,
) -> Result<Vec<String>, PlaceholderError> {
    let known: Vec<&str> = values.keys().map(String::as_str).collect();
    arguments.iter().map(|argument| Pattern::parse(argument.as_ref(), &known)?.render(values)).collect()
}

/// `{a} {b}`.
struct Braced<'a>(&'a [String]);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{{{name}}}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A figure that is not there has no unit, and is read back all the same.
    #[test]
    fn what_is_not_known_has_no_unit() {
        let pattern = Pattern::parse("p95={p95}s / err={err}% / in={n}steps", &["p95", "err", "n"]).unwrap();
        let shown = |p95: &str, err: &str, n: &str| {
            let values = [("p95", p95), ("err", err), ("n", n)];
            let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let text = pattern.render(&values).unwrap();
            assert_eq!(pattern.read(&text).unwrap(), [("p95", p95), ("err", err), ("n", n)]);
            text
        };
        assert_eq!(shown("1.2", "n/a", "3"), "p95=1.2s / err=n/a / in=3steps");
        assert_eq!(shown("n/a", "0.1", "n/a"), "p95=n/a / err=0.1% / in=n/asteps");
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = Pattern::parse(text, &["phase", "p95"]).expect_err("must be refused");
        assert_eq!(error.to_string(), expected);
    }

    /// NO-2
    #[test]
    fn a_text_with_an_unknown_placeholder_is_refused_when_parsed() {
        refused("{phase} {fase}", "unknown placeholder {fase}; known here: {phase} {p95}");
        refused("{}", "unknown placeholder {}; known here: {phase} {p95}");
        refused("{phase", "`{` without `}`; write `{{` for a literal brace");
        refused("{pha{se}", "`{` without `}`; write `{{` for a literal brace");
        refused("{pha\nse}", "`{` without `}`; write `{{` for a literal brace");
        refused("{\u{1b}[2J}", "`{` without `}`; write `{{` for a literal brace");
        refused("phase}", "`}` without `{`; write `}}` for a literal brace");
    }

    /// NO-2
    #[test]
    fn a_placeholder_without_a_value_is_never_rendered() {
        let pattern = Pattern::parse("{phase} p95={p95}", &["phase", "p95"]).unwrap();
        let unfilled = Err(PlaceholderError::Unfilled { name: "p95".into() });
        assert_eq!(pattern.render(&values(&[("phase", "A")])), unfilled);
        assert_eq!(pattern.render(&values(&[("phase", "A"), ("p95", "")])), unfilled);
        assert_eq!(pattern.render(&values(&[("phase", "A"), ("p95", "2.5")])).unwrap(), "A p95=2.5");
    }

    #[test]
    fn only_values_are_escaped_and_doubled_braces_are_literal() {
        let pattern = Pattern::parse("<{phase}> {{x}}", &["phase"]).unwrap();
        let message = pattern.message(&values(&[("phase", "a<b")])).unwrap();
        let text = message.rendered(|value| value.replace('<', "&lt;"));
        assert_eq!(text, "<a&lt;b> {x}");
        assert_eq!(pattern.names().collect::<Vec<_>>(), ["phase"]);
    }

    /// RB-2
    #[test]
    fn an_argument_stays_one_argument_whatever_its_value() {
        let rendered = render_arguments(
            &["flags", "--reason={reason}", "{prev}"],
            &values(&[("prev", "A"), ("reason", "a b; rm -rf \"{prev}\"")]),
        );
        assert_eq!(rendered.unwrap(), ["flags", "--reason=a b; rm -rf \"{prev}\"", "A"]);
    }

    proptest! {
        /// NO-2
        #[test]
        fn any_text_parses_or_is_refused_and_a_parsed_one_renders_whole(text in "[a{}x ]{0,24}", value in "\\PC{1,8}") {
            if let Ok(pattern) = Pattern::parse(&text, &["x", "a"]) {
                let filled = values(&[("x", &value), ("a", &value)]);
                prop_assert!(pattern.render(&filled).is_ok());
                let used = pattern.names().count();
                prop_assert_eq!(pattern.render(&Values::new()).is_ok(), used == 0);
            }
        }

        #[test]
        fn a_literal_text_survives_doubling_its_braces(text in "\\PC{0,40}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            let none: [&str; 0] = [];
            prop_assert_eq!(Pattern::parse(&doubled, &none).unwrap().render(&Values::new()).unwrap(), text);
        }
    }
}
