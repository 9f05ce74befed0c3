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
pub(super) struct Field(usize);

impl Field {
    pub(super) const TS: Self = Self(0);
    pub(super) const NAME: Self = Self(1);
    pub(super) const EVENT_ID: Self = Self(2);
    pub(super) const CODE: Self = Self(3);
    pub(super) const RETRYABLE: Self = Self(4);
    pub(super) const VARIANT: Self = Self(5);
    /// Here a number is a text as it is written.
    pub(super) const SESSION: Self = Self(6);
    /// Of the durations, by index in [`EventSpecs::duration_fields`], the first.
    const DURATION: usize = 7;
    const ALL: usize = Self::DURATION + DURATION_FIELDS_MAX;

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
        Self(Self::DURATION + at)
    }

    /// One of its own.
    #[inline]
    pub(super) fn bit(self) -> u32 {
        1 << self.0
    }
}

/// The fields that anything here asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fields<'a>([Value<'a>; Field::ALL]);

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn put(&mut self, field: Field, value: Value<'a>) {
        if let Some(slot) = self.0.get_mut(field.0) {
            *slot = value;
        }
    }

    #[inline]
    pub(super) fn take(&mut self, field: Field) -> Value<'a> {
        self.0.get_mut(field.0).map(std::mem::take).unwrap_or_default()
    }
}
