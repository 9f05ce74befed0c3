//! What a source that counts by itself tells apart of an event.

use std::collections::BTreeMap;

use crate::policy::Wrong;
use crate::policy::check::one_of;
use crate::policy::kind_section::{Section, Text};

/// What an event can be broken down by.
const FIELDS: [&str; 2] = ["code", "retryable"];

/// From a field of the event to the label or attribute with its value: what stands under `breakdown` at a place.
pub(super) fn breakdown(
    place: &Section,
    raw: &BTreeMap<String, Text>,
) -> Result<BTreeMap<String, String>, Wrong> {
    let place = place.at("breakdown");
    let read = |(field, label): (&String, &Text)| {
        if !FIELDS.contains(&field.as_str()) {
            let message = format!("expected {}, found `{field}`", one_of(&FIELDS));
            return Err(place.at(field).wrong(message));
        }
        Ok((field.clone(), place.text(field, label)?))
    };
    raw.iter().map(read).collect()
}
