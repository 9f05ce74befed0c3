//! A section of the policy read as a shape that derives `Deserialize`; what does not fit is told with its place.

use std::fmt;
use std::slice;

use serde::Deserializer;
use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::at::{At, PLACED};
use super::check::{Wrong, one_of};
use super::forms::{AS_TEXT, ONLY_TEXT};
use super::kind_section::Section;
use super::tree::{Node, Plain};

impl Section {
    fn placed(&self, error: ShapeError) -> ShapeError {
        error.or_at((self.line, self.column), &self.path)
    }

    /// The text that stands there.
    fn only_text(&self) -> Result<&str, ShapeError> {
        let quotes = |what: &str| format!("expected a text, found {what}: put it in quotes");
        match &self.value {
            Node::Plain(Plain::Whole(_) | Plain::Number(_), _) => Err(ShapeError::custom(quotes("a number"))),
            Node::Plain(Plain::Bool(it), _) => Err(ShapeError::custom(quotes(&format!("`{it}`")))),
            _ => self.scalar(),
        }
    }

    /// What stands there as a text, however it is written.
    pub(super) fn as_text(&self) -> Result<&str, Wrong> {
        self.scalar().map_err(|error| self.wrong(error.message))
    }

    fn scalar(&self) -> Result<&str, ShapeError> {
        match &self.value {
            Node::Plain(Plain::Null, _) => Err(ShapeError::custom("expected a value, found none")),
            Node::Plain(_, text) | Node::Text(text) => Ok(text),
            Node::List(_) | Node::Map(_) => Err(ShapeError::custom("expected a single value")),
        }
    }
}

impl<'de> Deserializer<'de> for &'de Section {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let read = match &self.value {
            Node::Plain(Plain::Null, _) => visitor.visit_unit(),
            Node::Plain(Plain::Bool(it), _) => visitor.visit_bool(*it),
            Node::Plain(Plain::Whole(it), _) => visitor.visit_u64(*it),
            Node::Plain(Plain::Number(it), _) => visitor.visit_f64(*it),
            Node::Text(it) => visitor.visit_borrowed_str(it),
            Node::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Node::Map(entries) => visitor.visit_map(Entries::of(self, entries)),
        };
        read.map_err(|error| self.placed(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.value {
            Node::Plain(Plain::Null, _) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.value {
            Node::Plain(Plain::Bool(it), _) => visitor.visit_bool(it),
            _ => Err(self.placed(ShapeError::custom("expected true or false"))),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        if !self.loose {
            return self.deserialize_any(visitor);
        }
        self.scalar().and_then(|text| visitor.visit_borrowed_str(text)).map_err(|error| self.placed(error))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.value {
            Node::Map(_) => self.deserialize_any(visitor),
            _ => Err(self.placed(ShapeError::custom("expected a mapping"))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let text = match name {
            AS_TEXT => self.scalar(),
            ONLY_TEXT => self.only_text(),
            PLACED => return visitor.visit_seq(Placed::of((self.line, self.column), self)),
            _ => return visitor.visit_newtype_struct(self),
        };
        let read = text.and_then(|text| visitor.visit_newtype_struct(text.into_deserializer()));
        read.map_err(|error| self.placed(error))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.value {
            Node::List(_) => self.deserialize_any(visitor),
            _ => Err(self.placed(ShapeError::custom("expected a list"))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let read = match &self.value {
            Node::Plain(Plain::Null, _) => return self.deserialize_str(visitor),
            Node::Plain(_, it) | Node::Text(it) => visitor.visit_enum(it.as_str().into_deserializer()),
            Node::Map(entries) => visitor.visit_enum(MapAccessDeserializer::new(Entries::of(self, entries))),
            Node::List(_) => return self.deserialize_any(visitor),
        };
        read.map_err(|error| self.placed(error))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
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
        let read = seed.deserialize(Key(key));
        let path = || format!("{}.{}", self.section.path, key.value);
        read.map(Some).map_err(|error: ShapeError| error.or_at((key.line, key.column), &path()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ShapeError> {
        seed.deserialize(self.next.take().unwrap_or(self.section))
    }
}

/// A mapping's key.
struct Key<'de>(&'de At<String>);

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_borrowed_str(&self.0.value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match name {
            PLACED => visitor.visit_seq(Placed::of(self.0.place(), Key(self.0))),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        visitor.visit_enum(self.0.value.as_str().into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Line, column and value, as [`At`] asks for them.
struct Placed<D> {
    place: [u64; 2],
    given: usize,
    value: Option<D>,
}

impl<D> Placed<D> {
    fn of((line, column): (u64, u64), value: D) -> Self {
        Self { place: [line, column], given: 0, value: Some(value) }
    }
}

impl<'de, D: Deserializer<'de, Error = ShapeError>> SeqAccess<'de> for Placed<D> {
    type Error = ShapeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ShapeError> {
        self.given += 1;
        match self.place.get(self.given - 1) {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => self.value.take().map(|value| seed.deserialize(value)).transpose(),
        }
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
    pub(super) message: String,
    pub(super) place: Option<(u64, u64, String)>,
    /// Only that a key is missing.
    pub(super) incomplete: bool,
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
        Self { message: message.to_string(), place: None, incomplete: false }
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
        Self { incomplete: true, ..Self::custom(format!("the key `{field}` is missing")) }
    }
}
