//! From a policy's text to the checked policy: its version, and what is wrong where in which of its files.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use shared_types::one_line;

use super::check::{Wrong, WrongPlaces};
use super::contents::Contents;
use super::lint::{Findings, Lint};
use super::section::file;
use super::{Policy, PolicyError, WrongPolicy, stream};
use crate::kinds::Kinds;

impl Policy {
    /// Parses and checks a policy's text, which may be that of several files; `file` is only named in errors, and so are the others
    /// beside it.
    ///
    /// This is reading, not taking over: what the lint refuses is said by [`Self::admitted`].
    ///
    /// # Errors
    /// [`PolicyError::Wrong`] with all places; of a part that has not the shape of a policy the first.
    pub fn parse(text: &str, file: &str) -> Result<Self, PolicyError> {
        Self::parse_with(text, file, &Kinds::shipped())
    }

    /// As [`Self::parse`], with the kinds that may be named.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(text: &str, file: &str, kinds: &Kinds) -> Result<Self, PolicyError> {
        let (mut wrong, mut findings) = (WrongPlaces::default(), Findings::default());
        let contents = Contents::of(text, &mut wrong);
        let shaped = wrong.is_empty();
        let sections = if shaped { file::check(&contents, kinds, &mut wrong, &mut findings) } else { None };
        let mut wrong = wrong.into_vec();
        let told = |wrong| in_order(wrong, &contents, file);
        let Some((targets, retention)) = sections.filter(|_| wrong.is_empty()) else {
            wrong.extend(findings.refused);
            return Err(PolicyError::Wrong(told(wrong)));
        };
        let lint = Arc::new(Lint { refused: told(findings.refused), warnings: told(findings.warnings) });
        let (version, text) = (content_hash(text.as_bytes()), Arc::from(text));
        Ok(Self { kinds: Arc::new(kinds.clone()), text, version, lint, targets, retention })
    }

    /// The policy, if the lint lets it protect something: what a service, or anybody else who takes a new version over, asks.
    /// Versions that were kept are only read.
    ///
    /// # Errors
    /// [`PolicyError::Wrong`] with all places.
    pub fn admitted(self) -> Result<Self, PolicyError> {
        if self.lint.refused.is_empty() {
            Ok(self)
        } else {
            Err(PolicyError::Wrong(self.lint.refused.clone()))
        }
    }

    /// The version that a text of these bytes has.
    #[must_use]
    pub fn version_of(bytes: &[u8]) -> String {
        content_hash(bytes)
    }

    /// Whether a text can be a version at all.
    #[must_use]
    pub fn is_version(text: &str) -> bool {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// As [`Self::parse`], for bytes that may not be UTF-8.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_bytes(bytes: &[u8], file: &str) -> Result<Self, PolicyError> {
        Self::parse_bytes_with(bytes, file, &Kinds::shipped())
    }

    /// As [`Self::parse_bytes`], with the kinds that may be named.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_bytes_with(bytes: &[u8], file: &str, kinds: &Kinds) -> Result<Self, PolicyError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse_with(text, file, kinds),
            Err(error) => Err(not_text(bytes, &error, file)),
        }
    }
}

/// Where a file stops being UTF-8.
pub(crate) fn not_text(bytes: &[u8], error: &std::str::Utf8Error, file: &str) -> PolicyError {
    let before = &bytes[..error.valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    wrong_at(file, (line as u64, column as u64), "expected UTF-8 text")
}

/// The error that a file is wrong as a whole.
pub(crate) fn wrong_at(file: &str, (line, column): (u64, u64), message: &str) -> PolicyError {
    let (file, message) = (file.to_owned(), message.to_owned());
    PolicyError::Wrong(vec![WrongPolicy { file, line, column, path: String::new(), rule: None, message }])
}

/// In the order of the text, each once.
fn in_order(mut wrong: Vec<Wrong>, contents: &Contents<'_>, file: &str) -> Vec<WrongPolicy> {
    wrong.sort_by_key(|it| (it.line, it.column));
    let mut seen = HashSet::new();
    let told = wrong.into_iter().map(|wrong| told(wrong, contents, file));
    told.filter(|it| seen.insert((it.line, it.column, it.file.clone(), it.message.clone()))).collect()
}

/// What is wrong, where it stands: in one of the files, and in the template that a target has it from.
fn told(wrong: Wrong, contents: &Contents<'_>, policy: &str) -> WrongPolicy {
    let Wrong { line, column, path, rule, message, common } = wrong;
    let place = (line, column);
    let of_target = path.strip_prefix("targets.").and_then(|rest| rest.split(['.', '[']).next());
    let message = match (of_target, contents.template_at(place)) {
        (Some(target), Some(_)) if !common => format!("{message}, as the target `{target}` takes it"),
        _ => message,
    };
    let path = contents.path_at(place, path);
    let part = stream::part_of(&contents.parts, line);
    let file = part.map_or_else(|| policy.to_owned(), |part| stream::file_of(part, policy));
    // A part's own place before its first line is that line: there the file begins.
    let line = line.saturating_sub(part.map_or(0, |part| part.lines_before)).max(1);
    // What the file says is quoted in the message, and its keys are the path; it must stay one line.
    let [path, message] = [path, message].map(|it| one_line(&it));
    WrongPolicy { file, line, column, path, rule, message }
}

/// `sha256:<hex>` over the file's bytes.
fn content_hash(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
