//! The reader with the last word: serde_json, any valid JSON object, with the error in words.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::value::RawValue;

use super::fields::{Field, Fields, Value};
use super::{EventSpecs, Map, Reason};

/// The fields of the object that `text` is, by the map if there is one.
pub(super) fn fields<'a>(text: &'a str, specs: &EventSpecs) -> Result<Fields<'a>, Reason> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut twice = None;
    let read = match specs.map() {
        Some(map) => {
            let mut fields = Fields::default();
            let seed = MappedSeed { map, above: "", fields: &mut fields, seen: &mut 0, twice: &mut twice };
            seed.deserialize(&mut json).map(|()| fields)
        }
        None => ObjectSeed { specs, twice: &mut twice }.deserialize(&mut json),
    };
    let read = read.and_then(|fields| json.end().map(|()| fields));
    match (read, twice) {
        (_, Some(field)) => Err(Reason::Twice { field }),
        (Ok(fields), None) => Ok(fields),
        // It is one line, and whoever shows the reason has its number in the file.
        (Err(error), None) => {
            Err(Reason::NotJson(error.to_string().replace(" at line 1 column", " at column")))
        }
    }
}

struct ObjectSeed<'s> {
    specs: &'s EventSpecs,
    /// The first field that stood there twice.
    twice: &'s mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut seen: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            let Some(field) = Field::of(&key, self.specs) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = match field {
                Field::SESSION => written(map.next_value()?),
                _ => map.next_value::<AnyValue<'de>>()?.0,
            };
            fields.put(field, value);
            if seen.contains(&key) {
                self.twice.get_or_insert_with(|| key.to_string());
            }
            seen.push(key);
        }
        Ok(fields)
    }
}

/// An object, in which a map asks for what stands at its paths.
struct MappedSeed<'s, 'de> {
    map: &'s Map,
    /// The path of the object itself.
    above: &'s str,
    fields: &'s mut Fields<'de>,
    seen: &'s mut u32,
    /// The first path whose value stood there twice.
    twice: &'s mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for MappedSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MappedSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { map, above, fields, seen, twice } = self;
        while let Some(Key(key)) = entries.next_key()? {
            let path = if above.is_empty() { key } else { Cow::Owned(format!("{above}.{key}")) };
            let (field, leads_on) = (map.field(&path), map.leads_on(&path));
            if field.is_none() && !leads_on {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = entries.next_value()?;
            if let Some(field) = field {
                if *seen & field.bit() != 0 {
                    twice.get_or_insert_with(|| path.to_string());
                }
                *seen |= field.bit();
                fields.put(field, written(value));
            }
            if leads_on && value.get().starts_with('{') {
                let below = MappedSeed {
                    map,
                    above: &path,
                    fields: &mut *fields,
                    seen: &mut *seen,
                    twice: &mut *twice,
                };
                let mut json = serde_json::Deserializer::from_str(value.get());
                below.deserialize(&mut json).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// A number as its digits.
fn written(value: &RawValue) -> Value<'_> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Value::Text(Cow::Borrowed(text)),
        _ => serde_json::from_str(text).map_or(Value::Other, |AnyValue(value)| value),
    }
}

/// A key that borrows when it can.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(AnyVisitor)?.0 {
            Value::Text(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a key is not a string")),
        }
    }
}

struct AnyValue<'a>(Value<'a>);

impl<'de> serde::Deserialize<'de> for AnyValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

#[expect(clippy::cast_precision_loss, reason = "a duration beyond 2^53 ms is refused anyway")]
impl<'de> Visitor<'de> for AnyVisitor {
    type Value = AnyValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Number(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Number(number as f64)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Number(number as f64)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Bool(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(AnyValue(Value::Absent))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(AnyValue(Value::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(AnyValue(Value::Other))
    }
}
