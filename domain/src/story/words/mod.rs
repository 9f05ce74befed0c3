//! The words for what happened and what is in the way, one list a language: [`en`], [`ja`].
//!
//! A list is functions whose `match` names every form, so that none can lack its words. Their texts have places, which are
//! filled from the data of what they tell; terminal, documents and the API's `detail` fill the English ones here, the page gets
//! both lists as generated files and fills them from the data that the API gives it.

pub mod en;
mod fill;
pub mod ja;
#[cfg(test)]
mod page;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;
use shared_types::incident::TimelineEntry;
use shared_types::problem::Blocker as WireBlocker;
use shared_types::story::{Hold, Hop, LoggedHop};

use crate::rollout::evidence::{Figure, Lack};
use crate::rollout::{Blocker, Refusal, Rejection};
use fill::fill;

/// A hop in English.
#[must_use]
pub fn hop(it: &Hop) -> String {
    match it {
        Hop::Told(told) => told.detail.clone(),
        typed => fill(en::hop(typed), &facts(typed)),
    }
}

/// In English, why a required rollback waits.
#[must_use]
pub fn hold(it: &Hold) -> String {
    fill(en::hold(it), &crate::stored::plain(it))
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&refusal(&self.refusal))
    }
}

impl std::error::Error for Rejection {}

/// What is in the way, in English.
#[must_use]
pub fn blocker(it: &Blocker) -> String {
    fill(en::blocker(it), &crate::stored::plain(it))
}

/// What is in the way as the API gives it: with its English words, and with its data for words of other languages.
#[must_use]
pub fn blockers(found: &[Blocker]) -> Vec<WireBlocker> {
    let wire = |it: &Blocker| {
        let mut data = crate::stored::plain(it);
        let detail = fill(en::blocker(it), &data);
        if let Some(facts) = data.as_object_mut() {
            facts.retain(|name, fact| name != "code" && !fact.is_null());
        }
        let data = if data.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { data };
        WireBlocker { code: it.code().to_owned(), detail, data }
    };
    found.iter().map(wire).collect()
}

/// Why an event is refused, in English.
#[must_use]
pub fn refusal(it: &Refusal) -> String {
    fill(en::refusal(it), &crate::stored::plain(it))
}

/// What a check of evidence goes by, in English; none: by nothing.
#[must_use]
pub fn figures(found: &[Figure]) -> Option<String> {
    let told = |it: &Figure| fill(en::figure(it), &crate::stored::plain(it));
    (!found.is_empty()).then(|| found.iter().map(told).collect::<Vec<_>>().join("; "))
}

/// What a check of evidence does not find, in English.
#[must_use]
pub fn lack(it: &Lack) -> String {
    fill(en::lack(it), &crate::stored::plain(it))
}

/// A hop as the API gives it: with its English words, and with its data for words of other languages.
#[must_use]
pub fn entry(it: &LoggedHop) -> TimelineEntry {
    TimelineEntry { at: it.at, kind: it.hop.kind().to_owned(), detail: hop(&it.hop), data: facts(&it.hop) }
}

/// A hop's names and numbers are always serialisable.
fn facts(it: &Hop) -> Value {
    it.data().unwrap_or_default()
}
