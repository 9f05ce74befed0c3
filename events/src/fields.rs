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

/// The fields that anything here asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fields<'a> {
    pub(super) ts: Value<'a>,
    pub(super) name: Value<'a>,
    pub(super) event_id: Value<'a>,
    pub(super) code: Value<'a>,
    pub(super) retryable: Value<'a>,
    pub(super) variant: Value<'a>,
    /// A number is a text as it is written.
    pub(super) session: Value<'a>,
    /// By index in [`EventSpecs::duration_fields`].
    pub(super) durations: [Value<'a>; DURATION_FIELDS_MAX],
}

impl<'a> Fields<'a> {
    /// Where to put the field's value; `None` for a field that nobody asks for.
    #[inline]
    pub(super) fn slot(&mut self, key: &str, specs: &EventSpecs) -> Option<&mut Value<'a>> {
        match key {
            "ts" => Some(&mut self.ts),
            "name" => Some(&mut self.name),
            "event_id" => Some(&mut self.event_id),
            "code" => Some(&mut self.code),
            "retryable" => Some(&mut self.retryable),
            "variant" if specs.want_variants() => Some(&mut self.variant),
            "session" if specs.want_sessions() => Some(&mut self.session),
            _ => {
                let at = specs.duration_fields().iter().position(|field| field == key)?;
                self.durations.get_mut(at)
            }
        }
    }
}
