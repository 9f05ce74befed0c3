//! A policy that stands in several files, as one text: the policy's own file, then each file of targets behind a line that names it.
//!
//! ```yaml
//! version: 1
//! targets_from: [teams/*.yaml]
//! …
//! --- # targets_from: teams/checkout.yaml
//! targets:
//!   …
//! ```
//!
//! That text is what has a version, is kept and is given out: whatever reads it again reads the same policy, wherever its files
//! have gone. A line of the text is a line of one of the files, so errors name those.

use std::path::Path;

/// What begins the line before a file's text; its name follows.
const MARK: &str = "--- # targets_from: ";
/// The key that names such files.
pub(super) const KEY: &str = "targets_from";

/// A file as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Relative to the policy's directory; none of the policy's own file.
    pub(super) name: Option<&'a str>,
    pub(super) text: &'a str,
    /// Of the whole text, before the first of this part.
    pub(super) lines_before: u64,
}

/// The files that a text was put together from, the policy's own first.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from, mut at, mut lines) = (Vec::new(), 0, 0, 0);
    let (mut name, mut lines_before) = (None, 0);
    for line in text.split_inclusive('\n') {
        lines += 1;
        let begin = at;
        at += line.len();
        if let Some(next) = named(line) {
            parts.push(Part { name, text: &text[from..begin], lines_before });
            (name, from, lines_before) = (Some(next), at, lines);
        }
    }
    parts.push(Part { name, text: &text[from..], lines_before });
    parts
}

/// Whether a text names files of targets that it does not hold itself.
pub(crate) fn is_to_be_composed(text: &str) -> bool {
    text.contains(KEY) && !text.lines().any(|line| named(line).is_some())
}

/// The number of the first line that would end a file's part of a text.
pub(crate) fn mark_in(text: &str) -> Option<usize> {
    text.lines().position(|line| named(line).is_some()).map(|index| index + 1)
}

/// Adds a file to a text.
pub(crate) fn add(whole: &mut String, name: &str, text: &str) {
    if !whole.ends_with('\n') && !whole.is_empty() {
        whole.push('\n');
    }
    whole.push_str(MARK);
    whole.push_str(name);
    whole.push('\n');
    // A mark at its beginning would belong to the file before.
    whole.push_str(text.trim_start_matches('\u{feff}'));
}

fn named(line: &str) -> Option<&str> {
    line.strip_prefix(MARK).map(|name| name.trim_end_matches(['\r', '\n']))
}

/// The part that a line of the whole text belongs to.
pub(super) fn part_of<'a, 'p>(parts: &'p [Part<'a>], line: u64) -> Option<&'p Part<'a>> {
    let after = parts.partition_point(|part| part.lines_before < line);
    parts.get(after.saturating_sub(1))
}

/// The file of a part, beside the policy's.
pub(super) fn file_of(part: &Part<'_>, policy: &str) -> String {
    match part.name {
        None => policy.to_owned(),
        Some(name) => Path::new(policy).with_file_name("").join(name).display().to_string(),
    }
}

/// Where files of targets may be: a directory, beside or below the policy's, and what their names are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Ends with `/`, or is empty.
    directory: String,
    /// Before and after the `*`; both empty stand for any name.
    name: (String, Option<String>),
}

impl Pattern {
    /// `teams/*.yaml`, or the name of one file.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected files beside or below the policy, such as teams/*.yaml";
        let text = text.trim_start_matches("./");
        let (directory, name) = text.rsplit_once('/').unwrap_or(("", text));
        let wrong = |why: &str| Err(format!("{EXPECTED}, found `{text}`: {why}"));
        if name.is_empty() {
            return Err(format!("{EXPECTED}, found `{text}`"));
        }
        if text.starts_with('/') {
            return wrong("it names a place of one machine");
        }
        if text.contains(['?', '[', ']', '\\']) || text.contains(char::is_control) {
            return wrong("only `*` stands for something else");
        }
        if directory.contains('*') {
            return wrong("`*` may stand in the last part only");
        }
        let name = match name.split_once('*') {
            None => (name.to_owned(), None),
            Some((_, after)) if after.contains('*') => return wrong("`*` may stand there once"),
            Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
        };
        let directory = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        Ok(Self { directory, name })
    }

    /// Where the files are, relative to the policy's directory; empty: there.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The one file that it names; none where a `*` stands for more.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        self.name.1.is_none().then_some(self.name.0.as_str())
    }

    /// Whether a file in its directory is meant. One whose name begins with a dot is not yet, or no longer, meant for anybody.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        match &self.name {
            (name_alone, None) => name == name_alone,
            (before, Some(after)) => {
                let inside =
                    name.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                inside.is_some() && (!name.starts_with('.') || before.starts_with('.'))
            }
        }
    }

    /// Whether a name, as a text's part has it, is one of its files.
    pub(super) fn names(&self, name: &str) -> bool {
        name.strip_prefix(self.directory.as_str()).is_some_and(|file| !file.contains('/') && self.takes(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PO-1
    #[test]
    fn a_text_is_taken_apart_where_it_was_put_together() {
        let mut whole = "version: 1".to_owned();
        add(&mut whole, "teams/a.yaml", "---\ntargets: {}\n# end");
        add(&mut whole, "teams/b.yaml", "\u{feff}targets:\r\n");
        let parts = parts(&whole);
        let seen: Vec<_> = parts.iter().map(|it| (it.name, it.text, it.lines_before)).collect();
        assert_eq!(
            seen,
            [
                (None, "version: 1\n", 0),
                (Some("teams/a.yaml"), "---\ntargets: {}\n# end\n", 2),
                (Some("teams/b.yaml"), "targets:\r\n", 6),
            ]
        );
        for (line, name) in
            [(1, None), (3, Some("teams/a.yaml")), (5, Some("teams/a.yaml")), (7, Some("teams/b.yaml"))]
        {
            assert_eq!(part_of(&parts, line).unwrap().name, name, "{line}");
        }
        assert_eq!(file_of(&parts[0], "governance/policy.yaml"), "governance/policy.yaml");
        assert_eq!(file_of(&parts[1], "governance/policy.yaml"), "governance/teams/a.yaml");
        assert_eq!(file_of(&parts[1], "policy"), "teams/a.yaml");
        assert!(
            !is_to_be_composed(&whole) && is_to_be_composed("targets_from: x") && mark_in(&whole) == Some(2)
        );
    }

    /// PO-1
    #[test]
    fn a_pattern_is_a_directory_and_names_in_it() {
        let pattern = |text: &str| Pattern::parse(text).unwrap();
        for (text, taken, left) in [
            ("teams/*.yaml", "teams/a.yaml", "teams/a.yml"),
            ("teams/*.yaml", "teams/.yaml.yaml.yaml", "teams/x/a.yaml"),
            ("*", "a", "teams/a"),
            ("a-*.yaml", "a-.yaml", "a.yaml"),
            ("../shared/t.yaml", "../shared/t.yaml", "../shared/tt.yaml"),
        ] {
            assert_eq!(
                (pattern(text).names(taken), pattern(text).names(left)),
                (!taken.contains("/."), false),
                "{text}"
            );
        }
        assert_eq!((pattern("a/b/*").directory(), pattern("a/b").only()), ("a/b/", Some("b")));
        for (text, why) in [
            ("", "expected files beside or below the policy, such as teams/*.yaml, found ``"),
            ("teams/", "found `teams/`"),
            ("/etc/*.yaml", "a place of one machine"),
            ("teams/**", "may stand there once"),
            ("*/a.yaml", "in the last part only"),
            ("teams/[ab].yaml", "only `*` stands for something else"),
        ] {
            assert!(Pattern::parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
