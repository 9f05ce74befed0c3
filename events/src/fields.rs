//! What a reader finds in a line, before anybody says what it means.

use std::borrow::Cow;

use super::specs::{DURATION_FIELDS_MAX, EventSpecs};

/// A field's value, as far as anything here asks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Value<'a> {
    /// Not there, or null.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Number(f64),
    Bool(bool),
    /// An array or an object.
    Other,
}

/// A field that anything here asks for, by its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    at: u8,
    /// Here a number is a text as it is written.
    written: bool,
}

impl Field {
    pub(super) const TS: Self = Self { at: 0, written: false };
    pub(super) const NAME: Self = Self { at: 1, written: false };
    pub(super) const EVENT_ID: Self = Self { at: 2, written: false };
    pub(super) const CODE: Self = Self { at: 3, written: false };
    pub(super) const RETRYABLE: Self = Self { at: 4, written: false };
    pub(super) const VARIANT: Self = Self { at: 5, written: false };
    pub(super) const SESSION: Self = Self::mapped(6);
    /// Of the durations, by index in [`EventSpecs::duration_fields`], the first.
    const DURATION: usize = 7;
    /// How many there can be; a map's paths too.
    pub(super) const ALL: usize = Self::DURATION + DURATION_FIELDS_MAX;

    /// `None` for a field that nobody asks for.
    #[inline]
    pub(super) fn of(key: &str, specs: &EventSpecs) -> Option<Self> {
        match key {
            "ts" => Some(Self::TS),
            "name" => Some(Self::NAME),
            "event_id" => Some(Self::EVENT_ID),
            "code" => Some(Self::CODE),
            "retryable" => Some(Self::RETRYABLE),
            "variant" if specs.want_variants() => Some(Self::VARIANT),
            "session" if specs.want_sessions() => Some(Self::SESSION),
            _ => specs.duration_fields().iter().position(|field| field == key).map(Self::duration),
        }
    }

    #[inline]
    pub(super) fn duration(at: usize) -> Self {
        Self { written: false, ..Self::mapped(Self::DURATION + at) }
    }

    /// Of a map's paths, by index.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are not so many")]
    pub(super) const fn mapped(at: usize) -> Self {
        Self { at: at as u8, written: true }
    }

    #[inline]
    pub(super) fn is_written(self) -> bool {
        self.written
    }

    /// One of its own.
    #[inline]
    pub(super) fn bit(self) -> u32 {
        1 << self.at
    }
}

/// The fields that anything here asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fields<'a>([Value<'a>; Field::ALL]);

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn put(&mut self, field: Field, value: Value<'a>) {
        if let Some(slot) = self.0.get_mut(usize::from(field.at)) {
            *slot = value;
        }
    }

    #[inline]
    pub(super) fn get(&self, field: Field) -> &Value<'a> {
        self.0.get(usize::from(field.at)).unwrap_or(&Value::Absent)
    }

    #[inline]
    pub(super) fn take(&mut self, field: Field) -> Value<'a> {
        self.0.get_mut(usize::from(field.at)).map(std::mem::take).unwrap_or_default()
    }
}
