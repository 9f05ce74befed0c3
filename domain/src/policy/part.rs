//! A part of the file whose shape depends on a key in it: which kind of metric, of source. What stands there is chosen
//! by that key first and then read by the kind's own type, with the places and the words of all other errors.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use super::at::{At, Entries};
use super::check;
pub use super::check::{Checked, Path, Wrong};
use super::parse::read_part;
pub use super::raw::{Decimal, Dur, Kept, Ratio, Threshold, Whole};
use crate::kinds::Kinds;

/// A policy's text, and the kinds that it is read by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) text: &'a str,
    pub(super) kinds: &'a Kinds,
}

/// The keys of a mapping, with their places and those of their values; what the values are is not looked at.
#[derive(Debug)]
pub(super) struct Keys(Vec<(At<String>, At<IgnoredAny>)>);

impl Keys {
    /// In the file's order.
    pub(super) fn names(&self) -> impl Iterator<Item = &At<String>> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The value's place.
    pub(super) fn place(&self, key: &str) -> Option<&At<IgnoredAny>> {
        self.0.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key()? {
                    keys.push((key, map.next_value()?));
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// One section, for the kind that it names.
#[derive(Debug)]
pub struct Part<'a> {
    text: &'a str,
    place: (u64, u64),
    path: Path,
}

impl<'a> Part<'a> {
    pub(super) fn new<T>(written: Written<'a>, at: &At<T>, path: Path) -> Self {
        Self { text: written.text, place: (at.line, at.column), path }
    }

    /// What stands there, in the kind's own shape.
    ///
    /// # Errors
    /// The first place that has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Checked<T> {
        let keys: Vec<&str> = self.path.0.split('.').collect();
        let found = read_part(self.text, |it| Pick(&keys, PhantomData::<T>).deserialize(it));
        let found = found.map_err(|wrong| match wrong.path == self.path.0 {
            // A key is missing: the reader is past the section's beginning when it sees that.
            true => self.wrong(wrong.message),
            false => wrong,
        });
        found?.ok_or_else(|| self.wrong("expected a mapping"))
    }

    /// The error that the section as a whole is wrong.
    #[must_use]
    pub fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong::new(self.place, self.path.0.clone(), message.into())
    }

    /// The error that the value of a key is wrong.
    #[must_use]
    pub fn wrong_at<T>(&self, key: &str, at: &At<T>, message: impl Into<String>) -> Wrong {
        at.wrong(&self.path.key(key), message)
    }

    /// The error that a key is missing.
    #[must_use]
    pub fn missing(&self, key: &str) -> Wrong {
        self.wrong(format!("the key `{key}` is missing"))
    }

    /// A text with something in it.
    ///
    /// # Errors
    /// It is empty.
    pub fn text(&self, key: &str, at: &At<String>) -> Checked<String> {
        check::text(at, &self.path.key(key))
    }

    /// Texts with something in them.
    ///
    /// # Errors
    /// One of them is empty.
    pub fn texts(&self, key: &str, at: &[At<String>]) -> Checked<Vec<String>> {
        check::texts(at, &self.path.key(key))
    }

    /// Any duration, zero included.
    ///
    /// # Errors
    /// It is none.
    pub fn duration(&self, key: &str, at: &At<Dur>) -> Checked<Duration> {
        check::duration(at, &self.path.key(key))
    }
}

/// Reads only what stands at the end of a path of keys.
struct Pick<'a, T>(&'a [&'a str], PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Pick<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.0.is_empty() {
            T::deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_map(self)
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Pick<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == *first {
                found = map.next_value_seed(Pick(rest, PhantomData))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The schema of a kind's part.
#[must_use]
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// Whether a kind's section has a key, by its schema.
pub(super) fn has_key(schema: fn(&mut SchemaGenerator) -> Schema, key: &str) -> bool {
    let schema = schema(&mut SchemaGenerator::default());
    schema.get("properties").and_then(Value::as_object).is_some_and(|keys| keys.contains_key(key))
}
