//! `paging`: how people are paged.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Checked, Path, WrongPlaces};
use crate::policy::diff::changes::Changes;
use crate::policy::forms::{Dur, duration, positive, text};
use crate::story::figures::format_duration;

/// How people are paged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPaging {
    /// Name of the service that the page is about.
    service: At<String>,
    /// Priority of a new incident, `P1` (highest) to `P5`.
    priority: At<String>,
    /// The checklist's target for an acknowledgement.
    acknowledge_within: At<Dur>,
    /// Not acknowledged for so long: the priority becomes `escalate_to`; not before `acknowledge_within`.
    escalate_after: At<Dur>,
    /// Priority after the escalation; not below `priority`.
    escalate_to: At<String>,
}

pub(crate) const EXAMPLE: &str =
    "paging: { service: Checkout, priority: P2, acknowledge_within: 15m, escalate_after: 30m, escalate_to: P1 }
";

#[derive(Debug, Clone, PartialEq)]
pub struct Paging {
    pub service: String,
    pub priority: String,
    pub acknowledge_within: Duration,
    pub escalate_after: Duration,
    pub escalate_to: String,
}

pub(crate) fn check(raw: &RawPaging, path: &Path, wrong: &mut WrongPlaces) -> Option<Paging> {
    let service = wrong.note(text(&raw.service, &path.key("service")));
    let acknowledge_within = wrong.note(positive(&raw.acknowledge_within, &path.key("acknowledge_within")));
    let escalate_path = path.key("escalate_after");
    let escalate_after = wrong.note(duration(&raw.escalate_after, &escalate_path));
    if escalate_after.zip(acknowledge_within).is_some_and(|(escalate, acknowledge)| escalate < acknowledge) {
        let message =
            format!("expected at least `acknowledge_within`, found `{}`", raw.escalate_after.value.0);
        wrong.add(raw.escalate_after.wrong(&escalate_path, message));
    }
    let first = wrong.note(priority(&raw.priority, &path.key("priority")));
    let escalate_to_path = path.key("escalate_to");
    let escalate_to = wrong.note(priority(&raw.escalate_to, &escalate_to_path));
    if let (Some(first), Some(then)) = (&first, &escalate_to)
        && then > first
    {
        let message = format!("expected {first} or a higher priority, found `{then}`");
        wrong.add(raw.escalate_to.wrong(&escalate_to_path, message));
    }
    Some(Paging {
        service: service?,
        priority: first?,
        acknowledge_within: acknowledge_within?,
        escalate_after: escalate_after?,
        escalate_to: escalate_to?,
    })
}

/// `P1` to `P5`; as texts they sort from the highest priority to the lowest.
fn priority(raw: &At<String>, path: &Path) -> Checked<String> {
    if matches!(raw.value.as_bytes(), [b'P', b'1'..=b'5']) {
        return Ok(raw.value.clone());
    }
    Err(raw.wrong(path, format!("expected a priority from P1 to P5, found `{}`", raw.value)))
}

pub(crate) fn diff(place: &str, old: &Paging, new: &Paging, list: &mut Changes) {
    let Paging { service, priority, acknowledge_within, escalate_after, escalate_to } = new;
    list.text(place, "paged service", &old.service, service);
    // P1 is the highest: a later letter or number is a lower priority.
    list.more_is_looser(place, "page priority", old.priority.as_str(), priority.as_str(), str::to_owned);
    list.more_is_looser(
        place,
        "acknowledge within",
        old.acknowledge_within,
        *acknowledge_within,
        format_duration,
    );
    list.more_is_looser(place, "escalate after", old.escalate_after, *escalate_after, format_duration);
    list.more_is_looser(place, "escalate to", old.escalate_to.as_str(), escalate_to.as_str(), str::to_owned);
}
