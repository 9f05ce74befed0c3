//! `collection`: where events come from and how they are cut into batches.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::source::{self, RawSource};
use crate::kinds::{Chosen, Kinds};
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::{Changes, times};
use crate::policy::forms::{Dur, duration, positive, retry, window};
use crate::sources::SourceSettings;
use crate::story::figures::format_duration;

/// Where events come from and how they are cut into batches.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCollection {
    /// Where events are read from; pushed events are accepted beside it.
    source: At<RawSource>,
    /// Length of the window one batch covers, aligned to the clock; at least 1 s.
    window: At<Dur>,
    /// How long after a window's end the collector waits for stragglers; shorter than the window.
    grace: At<Dur>,
    /// A batch not delivered so long after its window's end is reported as delayed; longer than `grace`.
    delayed_after: At<Dur>,
    /// Waits before each retry of a source or a delivery that failed; after the last, `collector.retry_exhausted`.
    retry: Vec<At<Dur>>,
    /// How long one read of a source may take.
    source_timeout: At<Dur>,
}

pub(crate) const EXAMPLE: &str = r#"collection:
  source: { jsonl: { paths: ["telemetry/checkout/*.jsonl"] } }   # or { http: {} }: events are only pushed
  window: 15m
  grace: 30s
  delayed_after: 5m
  retry: [30s, 60s, 120s, 240s]
  source_timeout: 30s
"#;

#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    pub source: Chosen<dyn SourceSettings>,
    pub window: Duration,
    pub grace: Duration,
    pub delayed_after: Duration,
    pub retry: Vec<Duration>,
    pub source_timeout: Duration,
}

pub(crate) fn check(raw: &RawCollection, kinds: &Kinds, path: &Path) -> Checked<Collection> {
    let window = window(&raw.window, &path.key("window"))?;
    let grace_path = path.key("grace");
    let grace = duration(&raw.grace, &grace_path)?;
    if grace >= window {
        let message = format!("expected less than the window, found `{}`", raw.grace.value.0);
        return Err(raw.grace.wrong(&grace_path, message));
    }
    let delayed_path = path.key("delayed_after");
    let delayed_after = duration(&raw.delayed_after, &delayed_path)?;
    if delayed_after <= grace {
        let message = format!("expected more than `grace`, found `{}`", raw.delayed_after.value.0);
        return Err(raw.delayed_after.wrong(&delayed_path, message));
    }
    Ok(Collection {
        source: source::check(&raw.source, kinds, &path.key("source"))?,
        window,
        grace,
        delayed_after,
        retry: retry(&raw.retry, &path.key("retry"))?,
        source_timeout: positive(&raw.source_timeout, &path.key("source_timeout"))?,
    })
}

pub(crate) fn diff(place: &str, old: &Collection, new: &Collection, list: &mut Changes) {
    let Collection { source, window, grace, delayed_after, retry, source_timeout } = new;
    list.text(place, "source", &old.source.words(), &source.words());
    list.time(place, "window", old.window, *window);
    list.time(place, "grace", old.grace, *grace);
    list.more_is_looser(place, "delayed_after", old.delayed_after, *delayed_after, format_duration);
    list.text(place, "collection retry", &times(&old.retry), &times(retry));
    list.time(place, "source_timeout", old.source_timeout, *source_timeout);
}
