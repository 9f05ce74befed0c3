//! `1` for a percentage: one of a hundred, or all of them (PL-3).

use crate::policy::at::At;
use crate::policy::check::{Path, Wrong};
use crate::policy::lint::rule::Rule;
use crate::policy::units::parse_number;

/// Whether the text can be read both ways.
pub(in crate::policy) fn is_ambiguous(text: &str) -> bool {
    parse_number(text).is_some_and(|number| (number - 1.0).abs() < f64::EPSILON)
}

pub(in crate::policy) fn wrong<T>(raw: &At<T>, path: &Path, text: &str) -> Wrong {
    raw.wrong(path, format!("`{text}` may mean 1% or 100%; write the one that is meant")).by(Rule::Limits)
}
