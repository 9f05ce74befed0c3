//! From the file's bytes to a checked policy: the hash, the YAML reader, and its errors put into our words.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_path_to_error::Segment;
use serde_saphyr::{Error as YamlError, MessageFormatter as _};
use sha2::{Digest, Sha256};
use shared_types::one_line;

use super::check::{Wrong, WrongPlaces, one_of};
use super::lint::{self, Findings, Lint};
use super::section::file::{self, RawPolicy};
use super::{Policy, PolicyError, WrongPolicy};
use crate::kinds::Kinds;

impl Policy {
    /// Parses and checks a policy's text; `file` is only named in errors.
    ///
    /// This is reading, not taking over: what the lint refuses is said by [`Self::admitted`].
    ///
    /// # Errors
    /// [`PolicyError::Wrong`]: where the YAML or a section's keys are wrong, the first place; else all places.
    pub fn parse(text: &str, file: &str) -> Result<Self, PolicyError> {
        Self::parse_with(text, file, &Kinds::shipped())
    }

    /// As [`Self::parse`], with the kinds that may be named.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(text: &str, file: &str, kinds: &Kinds) -> Result<Self, PolicyError> {
        let raw = read_shape(text).map_err(|wrong| refused(vec![wrong], file))?;
        let (mut wrong, mut findings) = (WrongPlaces::default(), Findings::default());
        let parts = file::check(&raw, kinds, &mut wrong);
        parts.targets.iter().for_each(|target| lint::check(target, &mut findings));
        lint::whole::check(&raw, &parts, &mut findings);
        let mut wrong = wrong.into_vec();
        let Some((targets, retention)) = parts.whole().filter(|_| wrong.is_empty()) else {
            wrong.extend(findings.refused);
            return Err(refused(wrong, file));
        };
        let lint = Arc::new(Lint {
            refused: in_order(findings.refused, file),
            warnings: in_order(findings.warnings, file),
        });
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

    /// The version that a file with these bytes has.
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
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
                let place = (line as u64, column as u64);
                let wrong = Wrong::new(place, String::new(), "expected UTF-8 text".to_owned());
                Err(refused(vec![wrong], file))
            }
        }
    }
}

fn refused(wrong: Vec<Wrong>, file: &str) -> PolicyError {
    PolicyError::Wrong(in_order(wrong, file))
}

fn in_order(wrong: Vec<Wrong>, file: &str) -> Vec<WrongPolicy> {
    let mut places: Vec<WrongPolicy> = wrong.into_iter().map(|wrong| wrong.in_file(file)).collect();
    places.sort_by_key(|it| (it.line, it.column));
    places
}

impl Wrong {
    fn in_file(self, file: &str) -> WrongPolicy {
        let Self { line, column, path, rule, message } = self;
        // What the file says is quoted in the message, and its keys are the path; it must stay one line.
        let [path, message] = [path, message].map(|it| one_line(&it));
        WrongPolicy { file: file.to_owned(), line, column, path, rule, message }
    }
}

/// `sha256:<hex>` over the file's bytes.
fn content_hash(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn read_shape(text: &str) -> Result<RawPolicy, Wrong> {
    let mut path = String::new();
    let options = serde_saphyr::options! {
        strict_booleans: true,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        // A number that is none is told by whoever checks its place.
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    let raw = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        serde_path_to_error::deserialize::<_, RawPolicy>(deserializer).map_err(|error| {
            path = plain_path(error.path());
            error.into_inner()
        })
    });
    raw.map_err(|error| shape_error(&error, path))
}

/// `phases.value[1].value.thresholds` → `phases[1].thresholds`: positions are kept in wrappers whose only field of
/// interest is called `value`. A key of that name stands there twice, and is kept once.
fn plain_path(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    let mut after_dropped = false;
    for segment in path {
        match segment {
            Segment::Map { key } if key == "value" && !after_dropped => {
                after_dropped = true;
                continue;
            }
            Segment::Map { key } => push_key(&mut text, key),
            Segment::Enum { variant } => push_key(&mut text, variant),
            Segment::Seq { index } => {
                let _ = write!(text, "[{index}]");
            }
            Segment::Unknown => {}
        }
        after_dropped = false;
    }
    text
}

fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

fn shape_error(error: &YamlError, path: String) -> Wrong {
    let error = error.without_snippet();
    let place = error.location().map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
    let message = match error {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            format!("unknown key `{field}`; expected {}", one_of(expected))
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            format!("expected {}, found `{variant}`", one_of(expected))
        }
        YamlError::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        YamlError::SerdeInvalidType { unexpected, expected, .. }
        | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("expected {expected}, found {unexpected}")
        }
        YamlError::NullIntoString { .. } => "expected a value, found none".to_owned(),
        YamlError::InvalidBooleanStrict { .. } => "expected true or false".to_owned(),
        YamlError::Unexpected { expected: "string scalar", .. } => "expected a single value".to_owned(),
        YamlError::Unexpected { expected: "mapping start", .. } => "expected a mapping".to_owned(),
        YamlError::Unexpected { expected: "sequence start", .. } => "expected a list".to_owned(),
        other => serde_saphyr::UserMessageFormatter.format_message(other).into_owned(),
    };
    Wrong::new(place, path, message)
}
