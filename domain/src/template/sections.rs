//! The parts of a root cause analysis file: what the product writes, and what belongs to people.
//!
//! Markers in HTML comments bound each part, so that a person may move, rename and translate everything around them.
//! Pure.

use std::ops::Range;

use strum::{Display, EnumIter};

/// A part between two markers, by its name there and in messages; in the order of the shipped template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Section {
    /// Written anew whenever there is something to tell.
    Generated,
    /// A person's.
    Cause,
    /// A person's.
    Prevention,
}

impl Section {
    /// The marker before the part.
    #[must_use]
    pub fn begin(self) -> String {
        format!("<!-- phasegate:{self} -->")
    }

    /// The marker after it.
    #[must_use]
    pub fn end(self) -> String {
        format!("<!-- /phasegate:{self} -->")
    }
}

/// Where the part stands in a text, markers excluded; none if a marker is missing, doubled or out of order.
#[must_use]
pub fn place(text: &str, section: Section) -> Option<Range<usize>> {
    let (begin, end) = (section.begin(), section.end());
    let from = text.find(&begin)? + begin.len();
    let to = from + text[from..].find(&end)?;
    let once = text.matches(&begin).count() == 1 && text.matches(&end).count() == 1;
    once.then_some(from..to)
}

/// What stands in the part, without the template's hints, which are HTML comments; empty if only hints do.
#[must_use]
pub fn written(text: &str, section: Section) -> Option<String> {
    place(text, section).map(|place| without_comments(&text[place]).trim().to_owned())
}

/// The same text without `<!-- … -->`; an unclosed comment hides all that follows it, as it does for a reader.
#[must_use]
pub fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<!--") {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 4..];
        rest = after.find("-->").map_or("", |end| &after[end + 3..]);
    }
    plain.push_str(rest);
    plain
}

/// Whether a text would be taken for a marker of ours.
#[must_use]
pub fn holds_a_marker(text: &str) -> bool {
    text.contains("<!-- phasegate:") || text.contains("<!-- /phasegate:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# x\n<!-- phasegate:cause -->\n<!-- hint -->\nThe lock.\n<!-- /phasegate:cause -->\n";

    /// GO-1
    #[test]
    fn a_part_is_what_stands_between_its_markers_without_hints() {
        assert_eq!(written(FILE, Section::Cause).as_deref(), Some("The lock."));
        assert_eq!(written(&FILE.replace("The lock.", ""), Section::Cause).as_deref(), Some(""));
        assert_eq!(written(FILE, Section::Prevention), None);
    }

    /// GO-1: a part that cannot be told for sure is none.
    #[test]
    fn a_marker_that_is_lost_or_doubled_is_seen() {
        assert_eq!(place(&FILE.replace("<!-- /phasegate:cause -->", ""), Section::Cause), None);
        assert_eq!(place(&format!("{FILE}{FILE}"), Section::Cause), None);
        let turned = "<!-- /phasegate:cause --><!-- phasegate:cause -->";
        assert_eq!(place(turned, Section::Cause), None);
    }

    #[test]
    fn an_unclosed_comment_hides_the_rest() {
        assert_eq!(without_comments("a <!-- b --> c <!-- d"), "a  c ");
        assert!(holds_a_marker("x <!-- /phasegate:generated -->"));
    }
}
