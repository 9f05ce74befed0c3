//! A part of the policy that a kind reads by itself: a tree of values that know their place, so that a kind needs no hand in
//! the policy's own shape, and its errors still name line, column and path.

use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::at::At;
use super::check::{Wrong, one_of};
use super::forms;
use super::shape::ShapeError;
use super::tree::{Node, Tree};

pub use super::forms::{Decimal, Dur, Text, Whole};

/// A value of the policy with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) path: String,
    /// Whether any scalar will do for a text.
    pub(super) loose: bool,
    pub(super) value: Node<Section>,
}

impl Section {
    pub(crate) fn new(raw: &At<Tree>, path: &str) -> Self {
        Self::of(&raw.value, raw.place(), path)
    }

    pub(crate) fn of(tree: &Tree, place: (u64, u64), path: &str) -> Self {
        Self::made(tree, place, path, false)
    }

    /// Of the policy's own shapes, where a text may be written like a number: a phase may be called `1`.
    pub(crate) fn of_policy(raw: &At<Tree>, path: &str) -> Self {
        Self::made(&raw.value, raw.place(), path, true)
    }

    fn made(tree: &Tree, (line, column): (u64, u64), path: &str, loose: bool) -> Self {
        let below = |raw: &At<Tree>, path: &str| Self::made(&raw.value, raw.place(), path, loose);
        let value = match &tree.0 {
            Node::Plain(it, text) => Node::Plain(*it, text.clone()),
            Node::Text(it) => Node::Text(it.clone()),
            Node::List(items) => {
                let one = |(index, item)| below(item, &format!("{path}[{index}]"));
                Node::List(Arc::new(items.iter().enumerate().map(one).collect()))
            }
            Node::Map(entries) => {
                let one = |(key, item): &(At<String>, At<Tree>)| {
                    (key.clone(), below(item, &format!("{path}.{}", key.value)))
                };
                Node::Map(Arc::new(entries.iter().map(one).collect()))
            }
        };
        Self { line, column, path: path.to_owned(), loose, value }
    }

    /// The error that this place holds something else than was expected, in one line.
    #[must_use]
    pub fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::new((self.line, self.column), self.path.clone(), message.into())
    }

    /// The value under a key; this place itself if there is none, so that an error about it still has one.
    #[must_use]
    pub fn at(&self, key: &str) -> &Self {
        let Node::Map(entries) = &self.value else { return self };
        entries.iter().find(|(name, _)| name.value == key).map_or(self, |(_, value)| value)
    }

    /// Where that text stands, first in the file's order.
    pub(crate) fn place_of(&self, text: &str) -> Option<&Self> {
        match &self.value {
            Node::Text(it) if it == text => Some(self),
            Node::List(items) => items.iter().find_map(|it| it.place_of(text)),
            Node::Map(entries) => entries.iter().find_map(|(_, it)| it.place_of(text)),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// Reads it as a shape that derives `Deserialize`.
    ///
    /// # Errors
    /// The innermost place that does not fit, and what was expected there.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        self.shape().map_err(|(wrong, _)| wrong)
    }

    /// As [`Self::read`]; whether it is only that a key is missing.
    pub(crate) fn shape<T: DeserializeOwned>(&self) -> Result<T, (Wrong, bool)> {
        T::deserialize(self).map_err(|ShapeError { message, place, incomplete }| {
            let wrong = match place {
                Some((line, column, path)) => Wrong::new((line, column), path, message),
                None => self.wrong(message),
            };
            (wrong, incomplete)
        })
    }

    /// The error that a key is missing here.
    #[must_use]
    pub fn missing(&self, key: &str) -> Wrong {
        self.wrong(format!("the key `{key}` is missing"))
    }

    /// The text under a key, which has something in it.
    ///
    /// # Errors
    /// It is empty.
    pub fn text(&self, key: &str, text: &Text) -> Result<String, Wrong> {
        self.at(key).filled(text)
    }

    /// The texts under a key, each with something in it.
    ///
    /// # Errors
    /// One of them is empty.
    pub fn texts(&self, key: &str, texts: &[Text]) -> Result<Vec<String>, Wrong> {
        std::iter::zip(texts, self.at(key).items()).map(|(text, place)| place.filled(text)).collect()
    }

    /// What the word under a key means, of those that are known.
    ///
    /// # Errors
    /// It is none of them.
    pub fn word<T: Copy>(&self, key: &str, said: &Text, known: &[(&'static str, T)]) -> Result<T, Wrong> {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let found = known.iter().find(|(word, _)| *word == said.0).map(|(_, meant)| *meant);
        let message = || format!("expected {}, found `{}`", one_of(&words), said.0);
        found.ok_or_else(|| self.at(key).wrong(message()))
    }

    /// The duration under a key; zero is one.
    ///
    /// # Errors
    /// It is none.
    pub fn duration(&self, key: &str, raw: &Dur) -> Result<Duration, Wrong> {
        forms::duration_of(raw).map_err(|message| self.at(key).wrong(message))
    }

    /// The whole number under a key, of at least `least`.
    ///
    /// # Errors
    /// It is none, or less.
    pub fn whole(&self, key: &str, raw: &Whole, least: u64) -> Result<u64, Wrong> {
        forms::whole_of(raw, least).map_err(|message| self.at(key).wrong(message))
    }

    fn filled(&self, text: &Text) -> Result<String, Wrong> {
        forms::filled(&text.0).map_err(|message| self.wrong(message))
    }
}

/// The schema of a kind's section.
#[must_use]
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}
