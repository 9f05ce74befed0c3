//! `advance` of a phase: what it takes to move up.

use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::{Dur, Whole, names, positive, whole};
use crate::story::figures::format_duration;

/// What it takes to move up: exactly one of `compliant_batches` and `compliant_for`, and the rest that is named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["compliant_batches"] }, { "required": ["compliant_for"] }]))]
pub(crate) struct RawAdvance {
    /// So many compliant batches in a row.
    compliant_batches: Option<At<Whole>>,
    /// So much covered, compliant window time in a row.
    compliant_for: Option<At<Dur>>,
    /// At most so many incidents or pages in this stay in the phase.
    critical_alerts: Option<At<Whole>>,
    /// At most so many incident notifications in the time of the condition.
    incident_notifications: Option<At<Whole>>,
    /// Roles that must approve, each of them.
    #[serde(default)]
    pub(in crate::policy) approvals: Vec<At<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    pub condition: AdvanceCondition,
    /// At most so many incidents or pages in the epoch; `None` = not asked.
    pub critical_alerts: Option<u64>,
    /// At most so many incident notifications in the time of the condition; `None` = not asked.
    pub incident_notifications: Option<u64>,
    pub approvals: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvanceCondition {
    CompliantBatches(u64),
    CompliantFor(Duration),
}

pub(crate) fn check(raw: &At<RawAdvance>, path: &Path, wrong: &mut WrongPlaces) -> Option<Advance> {
    let advance = &raw.value;
    let condition = match (&advance.compliant_batches, &advance.compliant_for) {
        (Some(batches), None) => {
            whole(batches, 1, &path.key("compliant_batches")).map(AdvanceCondition::CompliantBatches)
        }
        (None, Some(time)) => positive(time, &path.key("compliant_for")).map(AdvanceCondition::CompliantFor),
        _ => Err(raw.wrong(path, "expected exactly one of `compliant_batches` and `compliant_for`")),
    };
    let optional = |raw: &Option<At<Whole>>, key: &str| {
        raw.as_ref().map(|raw| whole(raw, 0, &path.key(key))).transpose()
    };
    let condition = wrong.note(condition);
    let critical_alerts = wrong.note(optional(&advance.critical_alerts, "critical_alerts"));
    let notifications = optional(&advance.incident_notifications, "incident_notifications");
    let incident_notifications = wrong.note(notifications);
    let approvals = wrong.note(names(&advance.approvals, &path.key("approvals")));
    Some(Advance {
        condition: condition?,
        critical_alerts: critical_alerts?,
        incident_notifications: incident_notifications?,
        approvals: approvals?,
    })
}

pub(crate) fn diff(place: &str, old: &Advance, new: &Advance, list: &mut Changes) {
    let Advance { condition, critical_alerts, incident_notifications, approvals } = new;
    match (old.condition, *condition) {
        (AdvanceCondition::CompliantBatches(old), AdvanceCondition::CompliantBatches(new)) => {
            list.less_is_looser(place, "moves up after compliant batches:", old, new, |it| it.to_string());
        }
        (AdvanceCondition::CompliantFor(old), AdvanceCondition::CompliantFor(new)) => {
            list.less_is_looser(place, "moves up after compliance of", old, new, format_duration);
        }
        (old, new) => list.text(place, "moves up after", &condition_text(old), &condition_text(new)),
    }
    let rows = [
        ("critical alerts", old.critical_alerts, *critical_alerts),
        ("incident notifications", old.incident_notifications, *incident_notifications),
    ];
    for (what, old, new) in rows {
        if old != new {
            let looser = new.is_none_or(|new| old.is_some_and(|old| new > old));
            let show = |most: Option<u64>| most.map_or_else(|| "not asked".to_owned(), |it| it.to_string());
            let effect = if looser { Effect::Looser } else { Effect::Stricter };
            list.add(place, format!("{what} allowed: {} → {}", show(old), show(new)), effect);
        }
    }
    list.asked(place, "approvals", &old.approvals, approvals);
}

fn condition_text(condition: AdvanceCondition) -> String {
    match condition {
        AdvanceCondition::CompliantBatches(count) => format!("{count} compliant batches in a row"),
        AdvanceCondition::CompliantFor(time) => format!("compliance of {}", format_duration(time)),
    }
}

/// `8 compliant batches in a row`, and what else is asked.
#[must_use]
pub(crate) fn words(advance: &Advance) -> String {
    let mut text = match advance.condition {
        AdvanceCondition::CompliantBatches(count) => format!("{count} compliant batches in a row"),
        AdvanceCondition::CompliantFor(time) => {
            format!("{} of uninterrupted compliance", format_duration(time))
        }
    };
    for (most, what) in [
        (advance.critical_alerts, "critical alerts"),
        (advance.incident_notifications, "incident notifications"),
    ] {
        match most {
            None => {}
            Some(0) => {
                let _ = write!(text, ", no {what}");
            }
            Some(most) => {
                let _ = write!(text, ", at most {most} {what}");
            }
        }
    }
    text
}
