//! The words for what happened and what is in the way, both languages side by side.
//!
//! Each file is functions whose `match` names every form, so that none can lack its words. Their texts have places, which are
//! filled from the data of what they tell; terminal, documents and the API's `detail` fill the English ones here, the page gets
//! both languages as a generated file and fills them from the data that the API gives it.

pub mod blockers;
pub mod checks;
mod fill;
pub mod hops;
pub mod names;
#[cfg(test)]
mod page;
pub mod pair;
pub mod refusals;
#[cfg(test)]
mod samples;
pub mod standings;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;
use shared_types::incident::TimelineEntry;
use shared_types::problem::Blocker as WireBlocker;
use shared_types::standing::Standing as WireStanding;
use shared_types::story::{Hold, Hop, LoggedHop};

use crate::rollout::evidence::{Figure, Lack};
use crate::rollout::{Blocker, Refusal, Rejection, Standing};
use fill::fill;

/// A hop in English.
#[must_use]
pub fn hop(it: &Hop) -> String {
    match it {
        Hop::Told(told) => told.detail.clone(),
        typed => fill(hops::hop(typed).1.en, &facts(typed)),
    }
}

/// In English, why a required rollback waits.
#[must_use]
pub fn hold(it: &Hold) -> String {
    fill(hops::hold(it).en, &crate::stored::plain(it))
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
    told(it, &crate::stored::plain(it))
}

/// Its sentence, with the one that it says within.
fn told(it: &Blocker, data: &Value) -> String {
    let mut facts = data.clone();
    if let Some(within) = blockers::within(it) {
        facts["within"] = fill(within.en, data).into();
    }
    fill(blockers::blocker(it).1.en, &facts)
}

/// What is in the way as the API gives it: with its English words, and with its data for words of other languages.
#[must_use]
pub fn blockers(found: &[Blocker]) -> Vec<WireBlocker> {
    let wire = |it: &Blocker| {
        let mut data = crate::stored::plain(it);
        let detail = told(it, &data);
        if let Some(facts) = data.as_object_mut() {
            facts.retain(|name, fact| name != "code" && !fact.is_null());
        }
        let data = if data.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { data };
        WireBlocker { code: it.code().to_owned(), detail, data }
    };
    found.iter().map(wire).collect()
}

/// How a target stands as the API gives it: with its English words, and with its data for words of other languages.
#[must_use]
pub fn standing(it: &Standing) -> WireStanding {
    let mut data = crate::stored::plain(it);
    let (sentence, action) = standings::standing(it);
    let (sentence, action) = (fill(sentence.en, &data), fill(action.en, &data));
    if let Some(facts) = data.as_object_mut() {
        facts.remove("code");
    }
    WireStanding {
        severity: it.severity(),
        code: it.code().to_owned(),
        sentence,
        action: Some(action).filter(|it| !it.is_empty()),
        who: it.who().iter().map(|it| (*it).to_owned()).collect(),
        data: if data.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { data },
    }
}

/// Why an event is refused, in English.
#[must_use]
pub fn refusal(it: &Refusal) -> String {
    fill(refusals::refusal(it), &crate::stored::plain(it))
}

/// What a check of evidence goes by, in English; none: by nothing.
#[must_use]
pub fn figures(found: &[Figure]) -> Option<String> {
    let told = |it: &Figure| fill(checks::figure(it).en, &crate::stored::plain(it));
    (!found.is_empty()).then(|| found.iter().map(told).collect::<Vec<_>>().join("; "))
}

/// What a check of evidence does not find, in English.
#[must_use]
pub fn lack(it: &Lack) -> String {
    fill(checks::lack(it).en, &crate::stored::plain(it))
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
