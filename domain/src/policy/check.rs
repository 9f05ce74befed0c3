//! What each check of the file's shape works with: where it is, and how it says what is wrong there.
//!
//! The check of one value fails with its place and says what it expected there; the check of a section notes that and goes on, so
//! that one run names all wrong places.

use super::at::At;
use super::lint::Rule;

/// A wrong place, before it is known in which file.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) path: String,
    /// The rule of the lint that it breaks; none where the file has not the shape of a policy.
    pub(super) rule: Option<Rule>,
    pub(super) message: String,
    /// What all targets have that name a template, whichever of them was looked at.
    pub(super) common: bool,
}

pub(crate) type Checked<T> = Result<T, Wrong>;

impl Wrong {
    pub(crate) fn new((line, column): (u64, u64), path: String, message: String) -> Self {
        Self { line, column, path, rule: None, message, common: false }
    }

    pub(crate) fn by(self, rule: Rule) -> Self {
        Self { rule: Some(rule), ..self }
    }
}

/// The wrong places found so far.
#[derive(Debug, Default)]
pub(crate) struct WrongPlaces(Vec<Wrong>);

impl WrongPlaces {
    /// What was checked, or none and the place is noted.
    pub(crate) fn note<T>(&mut self, checked: Checked<T>) -> Option<T> {
        checked.map_err(|wrong| self.0.push(wrong)).ok()
    }

    pub(crate) fn add(&mut self, wrong: Wrong) {
        self.0.push(wrong);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are; for [`Self::common_from`].
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that were noted since then are wrong for all.
    pub(super) fn common_from(&mut self, noted: usize) {
        self.0[noted..].iter_mut().for_each(|wrong| wrong.common = true);
    }

    pub(crate) fn into_vec(self) -> Vec<Wrong> {
        self.0
    }
}

impl<T> At<T> {
    /// The error that this place holds something else than was expected.
    pub(crate) fn wrong(&self, path: &Path, message: impl Into<String>) -> Wrong {
        Wrong::new((self.line, self.column), path.text(), message.into())
    }
}

/// Where in the document a check is, as it is written in errors.
#[derive(Debug, Clone)]
pub(crate) struct Path(String);

impl Path {
    /// The document as a whole.
    pub(crate) fn root() -> Self {
        Self(String::new())
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        Self(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) })
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub(crate) fn text(&self) -> String {
        self.0.clone()
    }
}

pub(crate) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}
