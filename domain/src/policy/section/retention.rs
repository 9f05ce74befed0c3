//! `retention`: how long history is kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::Kept;
use crate::policy::units::parse_duration;
use crate::story::figures::format_duration;

/// How long history is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetention {
    /// Batches.
    pub(in crate::policy) batches: At<Kept>,
    /// The histograms of batches, where they go before the rest of a batch; without it, with it. What is judged by durations can then
    /// not be judged anew.
    histograms: Option<At<Kept>>,
    /// Decisions.
    pub(in crate::policy) decisions: At<Kept>,
    /// Notifications.
    notifications: At<Kept>,
    /// The audit log.
    audit: At<Kept>,
}

pub(crate) const EXAMPLE: &str =
    "retention: { batches: 400d, histograms: 90d, decisions: 400d, notifications: 90d, audit: forever }
";

/// How long history is kept; `None` = forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub batches: Option<Duration>,
    /// Of batches; `None` = as long as those.
    pub histograms: Option<Duration>,
    pub decisions: Option<Duration>,
    pub notifications: Option<Duration>,
    pub audit: Option<Duration>,
}

pub(crate) fn check(raw: &RawRetention, path: &Path, wrong: &mut WrongPlaces) -> Option<Retention> {
    let mut kept = |raw: &At<Kept>, key: &str| {
        let kept = match raw.value.0.as_str() {
            "forever" => Ok(None),
            text => parse_duration(text).filter(|kept| !kept.is_zero()).map(Some).ok_or_else(|| {
                let message = format!("expected a duration such as 400d, or `forever`, found `{text}`");
                raw.wrong(&path.key(key), message)
            }),
        };
        wrong.note(kept)
    };
    let (batches, decisions) = (kept(&raw.batches, "batches"), kept(&raw.decisions, "decisions"));
    let (notifications, audit) = (kept(&raw.notifications, "notifications"), kept(&raw.audit, "audit"));
    let histograms = raw.histograms.as_ref().map_or(Some(None), |raw| kept(raw, "histograms"));
    Some(Retention {
        batches: batches?,
        histograms: histograms?,
        decisions: decisions?,
        notifications: notifications?,
        audit: audit?,
    })
}

pub(crate) fn diff(place: &str, old: Retention, new: Retention, list: &mut Changes) {
    let Retention { batches, histograms, decisions, notifications, audit } = new;
    let rows = [
        ("batches", old.batches, batches, Effect::Other),
        ("histograms", old.histograms, histograms, Effect::Other),
        ("decisions", old.decisions, decisions, Effect::Other),
        ("notifications", old.notifications, notifications, Effect::Other),
        ("audit", old.audit, audit, Effect::Looser),
    ];
    for (name, old, new, if_shorter) in rows {
        if old == new {
            continue;
        }
        let shorter = new.is_some_and(|new| old.is_none_or(|old| new < old));
        let effect = if shorter { if_shorter } else { Effect::Other };
        let kept = |time| match (name, time) {
            ("histograms", None) => "as batches".to_owned(),
            (_, time) => kept(time),
        };
        list.add(place, format!("{name} {} → {}", kept(old), kept(new)), effect);
    }
}

fn kept(time: Option<Duration>) -> String {
    time.map_or_else(|| "forever".to_owned(), format_duration)
}
