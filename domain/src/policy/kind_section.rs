//! A part of the policy that a kind reads by itself: a tree of values that know their place, so that a kind needs no hand in
//! the policy's own shape, and its errors still name line, column and path.

use std::fmt;
use std::slice;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer};

use super::at::At;
use super::check::{Wrong, one_of};
use super::forms::{self, AS_TEXT, ONLY_TEXT};

pub use super::forms::{Decimal, Dur, Text};

/// A value of the policy with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    line: u64,
    column: u64,
    path: String,
    value: Node<Section>,
}

/// A value, as YAML means it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<T> {
    Null,
    Bool(bool),
    Whole(u64),
    Number(f64),
    Text(String),
    List(Vec<T>),
    /// In the file's order.
    Map(Vec<(At<String>, T)>),
}

/// As the YAML reader gives it, before its path is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree(pub(crate) Node<At<Tree>>);

impl Section {
    pub(crate) fn new(raw: &At<Tree>, path: &str) -> Self {
        Self::of(&raw.value, (raw.line, raw.column), path)
    }

    pub(crate) fn of(tree: &Tree, (line, column): (u64, u64), path: &str) -> Self {
        let value = match &tree.0 {
            Node::Null => Node::Null,
            Node::Bool(it) => Node::Bool(*it),
            Node::Whole(it) => Node::Whole(*it),
            Node::Number(it) => Node::Number(*it),
            Node::Text(it) => Node::Text(it.clone()),
            Node::List(items) => {
                let one = |(index, item)| Self::new(item, &format!("{path}[{index}]"));
                Node::List(items.iter().enumerate().map(one).collect())
            }
            Node::Map(entries) => {
                let one = |(key, item): &(At<String>, At<Tree>)| {
                    (key.clone(), Self::new(item, &format!("{path}.{}", key.value)))
                };
                Node::Map(entries.iter().map(one).collect())
            }
        };
        Self { line, column, path: path.to_owned(), value }
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
        T::deserialize(self).map_err(|error| {
            let ShapeError { message, place } = error;
            match place {
                Some((line, column, path)) => Wrong::new((line, column), path, message),
                None => self.wrong(message),
            }
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

    /// The duration under a key; zero is one.
    ///
    /// # Errors
    /// It is none.
    pub fn duration(&self, key: &str, raw: &Dur) -> Result<Duration, Wrong> {
        forms::duration_of(raw).map_err(|message| self.at(key).wrong(message))
    }

    fn filled(&self, text: &Text) -> Result<String, Wrong> {
        forms::filled(&text.0).map_err(|message| self.wrong(message))
    }

    fn placed(&self, error: ShapeError) -> ShapeError {
        error.or_at((self.line, self.column), &self.path)
    }

    /// The text that stands there.
    fn only_text(&self) -> Result<String, ShapeError> {
        let quotes = |what: &str| format!("expected a text, found {what}: put it in quotes");
        match &self.value {
            Node::Whole(_) | Node::Number(_) => Err(serde::de::Error::custom(quotes("a number"))),
            Node::Bool(it) => Err(serde::de::Error::custom(quotes(&format!("`{it}`")))),
            _ => self.scalar(),
        }
    }

    /// What stands there as a text, however it is written.
    fn scalar(&self) -> Result<String, ShapeError> {
        match &self.value {
            Node::Bool(it) => Ok(it.to_string()),
            Node::Whole(it) => Ok(it.to_string()),
            Node::Number(it) if it.is_nan() => Ok(".nan".to_owned()),
            Node::Number(it) if it.is_infinite() => Ok(if *it > 0.0 { ".inf" } else { "-.inf" }.to_owned()),
            Node::Number(it) => Ok(it.to_string()),
            Node::Text(it) => Ok(it.clone()),
            Node::Null => Err(serde::de::Error::custom("expected a value, found none")),
            Node::List(_) | Node::Map(_) => Err(serde::de::Error::custom("expected a single value")),
        }
    }
}

impl<'de> Deserializer<'de> for &'de Section {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let read = match &self.value {
            Node::Null => visitor.visit_unit(),
            Node::Bool(it) => visitor.visit_bool(*it),
            Node::Whole(it) => visitor.visit_u64(*it),
            Node::Number(it) => visitor.visit_f64(*it),
            Node::Text(it) => visitor.visit_borrowed_str(it),
            Node::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Node::Map(entries) => visitor.visit_map(Entries::of(self, entries)),
        };
        read.map_err(|error| self.placed(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.value {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let text = match name {
            AS_TEXT => self.scalar(),
            ONLY_TEXT => self.only_text(),
            _ => return visitor.visit_newtype_struct(self),
        };
        let read = text.and_then(|text| visitor.visit_newtype_struct(text.into_deserializer()));
        read.map_err(|error| self.placed(error))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.value {
            Node::List(_) => self.deserialize_any(visitor),
            _ => Err(self.placed(serde::de::Error::custom("expected a list"))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let read = match &self.value {
            Node::Text(it) => visitor.visit_enum(it.as_str().into_deserializer()),
            Node::Map(entries) => visitor.visit_enum(MapAccessDeserializer::new(Entries::of(self, entries))),
            _ => return self.deserialize_any(visitor),
        };
        read.map_err(|error| self.placed(error))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// A mapping's entries; what is wrong with a key is wrong at its place.
struct Entries<'de> {
    section: &'de Section,
    left: slice::Iter<'de, (At<String>, Section)>,
    next: Option<&'de Section>,
}

impl<'de> Entries<'de> {
    fn of(section: &'de Section, entries: &'de [(At<String>, Section)]) -> Self {
        Self { section, left: entries.iter(), next: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ShapeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ShapeError> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.next = Some(value);
        let read = seed.deserialize(key.value.as_str().into_deserializer());
        let path = || format!("{}.{}", self.section.path, key.value);
        read.map(Some).map_err(|error: ShapeError| error.or_at((key.line, key.column), &path()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ShapeError> {
        seed.deserialize(self.next.take().unwrap_or(self.section))
    }
}

impl<'de> IntoDeserializer<'de, ShapeError> for &'de Section {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// Why a section does not fit its shape, in the policy's words.
#[derive(Debug)]
pub struct ShapeError {
    message: String,
    place: Option<(u64, u64, String)>,
}

impl ShapeError {
    /// The innermost place stays.
    fn or_at(self, (line, column): (u64, u64), path: &str) -> Self {
        let place = self.place.or_else(|| Some((line, column, path.to_owned())));
        Self { place, ..self }
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ShapeError {}

impl serde::de::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None }
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {expected}, found {found}"))
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {expected}, found {found}"))
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown key `{field}`; expected {}", one_of(expected)))
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("expected {}, found `{variant}`", one_of(expected)))
    }
    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key `{field}` is missing"))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node<At<Tree>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Node::Null)
            }
            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Node::Null)
            }
            fn visit_bool<E>(self, it: bool) -> Result<Self::Value, E> {
                Ok(Node::Bool(it))
            }
            fn visit_u64<E>(self, it: u64) -> Result<Self::Value, E> {
                Ok(Node::Whole(it))
            }
            #[allow(
                clippy::cast_precision_loss,
                reason = "a negative whole number is wrong wherever it stands"
            )]
            fn visit_i64<E>(self, it: i64) -> Result<Self::Value, E> {
                Ok(u64::try_from(it).map_or(Node::Number(it as f64), Node::Whole))
            }
            fn visit_f64<E>(self, it: f64) -> Result<Self::Value, E> {
                Ok(Node::Number(it))
            }
            fn visit_str<E>(self, it: &str) -> Result<Self::Value, E> {
                Ok(Node::Text(it.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Node::Map(entries))
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

/// The schema of a kind's section.
#[must_use]
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}
