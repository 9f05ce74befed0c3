//! `collection`: where events come from and how they are cut into batches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use events::EventSpec;
use events::map::Map;
use schemars::JsonSchema;
use serde::Deserialize;

use super::source::{self, RawSource};
use crate::kinds::{Chosen, Kinds};
use crate::policy::MetricPolicy;
use crate::policy::at::At;
use crate::policy::check::{Checked, Path, WrongPlaces, one_of};
use crate::policy::diff::changes::{Changes, times};
use crate::policy::forms::{Dur, duration, positive, retry, window};
use crate::policy::kind_section::Section;
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
  source:
    jsonl: { paths: ["telemetry/checkout/*.jsonl"] }   # or http: {}: events are only pushed
    map:                             # where lines are not of Phasegate's own shape
      preset: pino                   # a logger's usual places; what follows goes before it
      wrapper: docker
      ts: { path: time, format: epoch_ms }
      name: msg
      events: { "payment ok": checkout.pay.completed, "payment failed*": checkout.pay.error }
      others: ignored
      duration: { path: res.took, unit: ms }
      code: err.code
      retryable: err.retryable
      event_id: req.id
      session: user.id
      variant: experiment
      if: { level: "30..", logger: [payments, "cards*"] }
      text_lines: ignored
  window: 15m
  grace: 30s
  delayed_after: 5m
  retry: [30s, 60s, 120s, 240s]
  source_timeout: 30s
"#;

#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    pub source: Chosen<dyn SourceSettings>,
    /// How lines are read that are not of the product's own shape, pushed ones too (TE-7).
    pub map: Option<Arc<Map>>,
    pub window: Duration,
    pub grace: Duration,
    pub delayed_after: Duration,
    pub retry: Vec<Duration>,
    pub source_timeout: Duration,
}

pub(crate) fn check(
    raw: &RawCollection,
    kinds: &Kinds,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Option<Collection> {
    let source = wrong.note(source::check(&raw.source, kinds, &path.key("source")));
    let map = wrong.note(source::check_map(&raw.source, &path.key("source")));
    let window = wrong.note(window(&raw.window, &path.key("window")));
    let grace = wrong.note(grace(&raw.grace, window, &path.key("grace")));
    if let (Some(source), Some(grace)) = (&source, grace) {
        wrong.note(settled(raw, source, grace, &path.key("source")));
    }
    let delayed_after = wrong.note(delayed_after(&raw.delayed_after, grace, &path.key("delayed_after")));
    let retry = wrong.note(retry(&raw.retry, &path.key("retry")));
    let source_timeout = wrong.note(positive(&raw.source_timeout, &path.key("source_timeout")));
    Some(Collection {
        source: source?,
        map: map?,
        window: window?,
        grace: grace?,
        delayed_after: delayed_after?,
        retry: retry?,
        source_timeout: source_timeout?,
    })
}

/// PO-1: an event that the map or the source names has to be of a metric, else it counts for nothing.
pub(crate) fn check_events(
    raw: &RawCollection,
    collection: &Collection,
    metrics: &[MetricPolicy],
    path: &Path,
    wrong: &mut WrongPlaces,
) {
    let path = path.key("source");
    let needed: Vec<EventSpec> = metrics.iter().flat_map(MetricPolicy::needs).collect();
    let known: BTreeSet<&str> = needed.iter().map(|event| event.name.as_str()).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let check = |place: &Section, event: &str, wrong: &mut WrongPlaces| {
        if !known.contains(&event) {
            let message = format!("expected an event of a metric ({}), found `{event}`", one_of(&known));
            wrong.add(place.wrong(message));
        }
    };
    if let (Some(map), Some(section)) = (&collection.map, source::map_section(&raw.source, &path)) {
        for (value, event) in &map.rules().events {
            check(section.at("events").at(&value.to_string()), event, wrong);
        }
    }
    if let Some(section) = source::settings(&raw.source, collection.source.kind(), &path) {
        check_values(&section, collection, metrics, wrong);
        for (keys, event) in collection.source.named() {
            check(keys.iter().fold(&section, |place, key| place.at(key)), event, wrong);
        }
        for event in collection.source.counted() {
            let place = section.at("counters").at(event);
            check(place, event, wrong);
            if needed.iter().any(|it| it.name == event && it.duration_field.is_some()) {
                wrong.add(
                    place.wrong(
                        "a metric asks for the durations of this event, which a counter does not have: name its histogram under `distributions`",
                    ),
                );
            }
        }
        for event in collection.source.timed() {
            check(section.at("distributions").at(event), event, wrong);
        }
    }
}

/// JU-16: a number is of a metric, and a metric's number is of the source.
fn check_values(
    section: &Section,
    collection: &Collection,
    metrics: &[MetricPolicy],
    wrong: &mut WrongPlaces,
) {
    let given = collection.source.values();
    for metric in metrics {
        if let Some(number) = metric.kind.number().filter(|number| !given.contains_key(*number)) {
            let message = format!(
                "expected the value `{number}` of the metric `{}`, which this source does not give",
                metric.name
            );
            wrong.add(section.at("values").wrong(message));
        }
    }
    for number in given.keys() {
        if !metrics.iter().any(|metric| metric.kind.number() == Some(number)) {
            wrong.add(section.at("values").at(number).wrong(format!("no metric has `value: {number}`")));
        }
    }
}

/// What comes later than a window is closed would never be in it.
fn settled(
    raw: &RawCollection,
    source: &Chosen<dyn SourceSettings>,
    grace: Duration,
    path: &Path,
) -> Checked<()> {
    let settle = source.settle();
    if settle <= grace {
        return Ok(());
    }
    let found = format_duration(settle);
    match source::settings(&raw.source, source.kind(), path) {
        Some(section) => Err(section
            .at("settle")
            .wrong(format!("expected at most `grace`, {}, found {found}", format_duration(grace)))),
        None => Ok(()),
    }
}

fn grace(raw: &At<Dur>, window: Option<Duration>, path: &Path) -> Checked<Duration> {
    let grace = duration(raw, path)?;
    match window {
        Some(window) if grace >= window => {
            Err(raw.wrong(path, format!("expected less than the window, found `{}`", raw.value.0)))
        }
        _ => Ok(grace),
    }
}

fn delayed_after(raw: &At<Dur>, grace: Option<Duration>, path: &Path) -> Checked<Duration> {
    let delayed_after = duration(raw, path)?;
    match grace {
        Some(grace) if delayed_after <= grace => {
            Err(raw.wrong(path, format!("expected more than `grace`, found `{}`", raw.value.0)))
        }
        _ => Ok(delayed_after),
    }
}

pub(crate) fn diff(place: &str, old: &Collection, new: &Collection, list: &mut Changes) {
    let Collection { source, map, window, grace, delayed_after, retry, source_timeout } = new;
    list.text(place, "source", &old.source.words(), &source.words());
    let read = |map: &Option<Arc<Map>>| map.as_ref().map_or("none".to_owned(), |it| it.rules().to_string());
    list.text(place, "map", &read(&old.map), &read(map));
    list.time(place, "window", old.window, *window);
    list.time(place, "grace", old.grace, *grace);
    list.more_is_looser(place, "delayed_after", old.delayed_after, *delayed_after, format_duration);
    list.text(place, "collection retry", &times(&old.retry), &times(retry));
    list.time(place, "source_timeout", old.source_timeout, *source_timeout);
}
