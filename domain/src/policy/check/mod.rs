//! From the file's shape to the checked types: every number in its unit, every name known, every order sensible.
//!
//! Each check fails with the place it looked at and says what it expected there.

mod metrics;
mod phases;
mod response;

use std::collections::BTreeMap;
use std::time::Duration;

use shared_types::{PhaseId, TargetName};

use super::at::At;
use super::parse::one_of;
use super::part::{Part, Written};
use super::raw::{Dur, Kept, RawCollection, RawPolicy, RawRetention, RawSource, RawTarget};
use super::units::parse_duration;
use super::{Collection, Retention, TargetPolicy};
use crate::kinds::Chosen;
use crate::sources::SourceSettings;

/// A wrong place, before it is known in which file.
#[derive(Debug)]
pub struct Wrong {
    pub(in crate::policy) line: u64,
    pub(in crate::policy) column: u64,
    pub(in crate::policy) path: String,
    pub(in crate::policy) message: String,
}

/// What a check gives.
pub type Checked<T> = Result<T, Wrong>;

impl Wrong {
    pub(super) fn new((line, column): (u64, u64), path: String, message: String) -> Self {
        Self { line, column, path, message }
    }
}

impl<T> At<T> {
    /// The error that this place holds something else than was expected.
    pub(super) fn wrong(&self, path: &Path, message: impl Into<String>) -> Wrong {
        Wrong::new((self.line, self.column), path.0.clone(), message.into())
    }
}

/// Where in the document a check is, as it is written in errors.
#[derive(Debug, Clone)]
pub struct Path(pub(super) String);

impl Path {
    pub(super) fn key(&self, key: &str) -> Self {
        Self(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) })
    }

    fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

/// The whole file.
pub(super) fn policy(
    raw: &RawPolicy,
    written: Written<'_>,
) -> Checked<(BTreeMap<TargetName, TargetPolicy>, Retention)> {
    let root = Path(String::new());
    if raw.version.value.0 != "1" {
        let message = format!("expected 1, the only version of the format, found `{}`", raw.version.value.0);
        return Err(raw.version.wrong(&root.key("version"), message));
    }
    let path = root.key("targets");
    if raw.targets.value.0.is_empty() {
        return Err(raw.targets.wrong(&path, "expected at least one target"));
    }
    let mut targets = BTreeMap::new();
    for (name, raw) in &raw.targets.value.0 {
        let path = path.key(name);
        let id = TargetName::parse(name).map_err(|error| raw.wrong(&path, error.to_string()))?;
        targets.insert(id, target(&raw.value, written, &path)?);
    }
    Ok((targets, retention(&raw.retention, &root.key("retention"))?))
}

fn target(raw: &RawTarget, written: Written<'_>, path: &Path) -> Checked<TargetPolicy> {
    let title = text(&raw.title, &path.key("title"))?;
    let collection = collection(&raw.collection, written, &path.key("collection"))?;
    let metrics = metrics::metrics(raw, written, collection.window, path)?;
    let gate = metrics::gate(&raw.gate, &path.key("gate"))?;
    let phases = phases::phases(&raw.phases, &metrics, &path.key("phases"))?;
    let ids: Vec<PhaseId> = phases.iter().map(|phase| phase.id.clone()).collect();
    Ok(TargetPolicy {
        title,
        transitions: response::transitions(&raw.transitions, &collection, &path.key("transitions"))?,
        notifications: response::notifications(
            &raw.notifications,
            &metrics,
            &ids,
            &path.key("notifications"),
        )?,
        paging: response::paging(&raw.paging, &path.key("paging"))?,
        rca: response::rca(&raw.rca, &path.key("rca"))?,
        evidence: response::evidence(&raw.evidence, &path.key("evidence"))?,
        collection,
        metrics,
        gate,
        phases,
    })
}

fn collection(raw: &RawCollection, written: Written<'_>, path: &Path) -> Checked<Collection> {
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
        source: source(&raw.source, written, &path.key("source"))?,
        window,
        grace,
        delayed_after,
        retry: retry(&raw.retry, &path.key("retry"))?,
        source_timeout: positive(&raw.source_timeout, &path.key("source_timeout"))?,
    })
}

fn source(raw: &At<RawSource>, written: Written<'_>, path: &Path) -> Checked<Chosen<dyn SourceSettings>> {
    let one_source = "expected one source with its settings, such as { http: {} }";
    let keys = &raw.value.0;
    let mut names = keys.names();
    let (Some(name), other) = (names.next(), names.next()) else { return Err(raw.wrong(path, one_source)) };
    if let Some(other) = other {
        return Err(other.wrong(&path.key(&name.value), one_source));
    }
    let known = written.kinds.sources();
    let Some(kind) = known.iter().find(|kind| kind.key == name.value) else {
        let supported = one_of(&known.iter().map(|kind| kind.key).collect::<Vec<_>>());
        let message =
            format!("source `{}` is not supported in this version; supported: {supported}", name.value);
        return Err(name.wrong(path, message));
    };
    let path = path.key(kind.key);
    let Some(place) = keys.place(kind.key) else { return Err(raw.wrong(&path, one_source)) };
    (kind.read)(&Part::new(written, place, path))
}

fn retention(raw: &RawRetention, path: &Path) -> Checked<Retention> {
    let kept = |raw: &At<Kept>, key: &str| match raw.value.0.as_str() {
        "forever" => Ok(None),
        text => parse_duration(text).filter(|kept| !kept.is_zero()).map(Some).ok_or_else(|| {
            let message = format!("expected a duration such as 400d, or `forever`, found `{text}`");
            raw.wrong(&path.key(key), message)
        }),
    };
    Ok(Retention {
        batches: kept(&raw.batches, "batches")?,
        decisions: kept(&raw.decisions, "decisions")?,
        notifications: kept(&raw.notifications, "notifications")?,
        audit: kept(&raw.audit, "audit")?,
    })
}

/// Any duration, zero included.
pub(super) fn duration(raw: &At<Dur>, path: &Path) -> Checked<Duration> {
    parse_duration(&raw.value.0).ok_or_else(|| {
        let message =
            format!("expected a duration such as 500ms, 30s, 15m, 24h or 400d, found `{}`", raw.value.0);
        raw.wrong(path, message)
    })
}

fn positive(raw: &At<Dur>, path: &Path) -> Checked<Duration> {
    let found = duration(raw, path)?;
    if found.is_zero() { Err(raw.wrong(path, "expected a duration longer than 0")) } else { Ok(found) }
}

/// A window's length: at least a second, at most a day, so that every window has a name in the logs and a batch soon.
fn window(raw: &At<Dur>, path: &Path) -> Checked<Duration> {
    let found = duration(raw, path)?;
    let allowed = Duration::from_secs(1)..=Duration::from_hours(24);
    if allowed.contains(&found) {
        return Ok(found);
    }
    Err(raw.wrong(path, format!("expected a window of 1s to 24h, found `{}`", raw.value.0)))
}

fn retry(raw: &[At<Dur>], path: &Path) -> Checked<Vec<Duration>> {
    raw.iter().enumerate().map(|(index, wait)| positive(wait, &path.index(index))).collect()
}

/// A text with something in it.
pub(super) fn text(raw: &At<String>, path: &Path) -> Checked<String> {
    if raw.value.trim().is_empty() {
        return Err(raw.wrong(path, "expected a text that is not empty"));
    }
    Ok(raw.value.clone())
}

pub(super) fn texts(raw: &[At<String>], path: &Path) -> Checked<Vec<String>> {
    raw.iter().enumerate().map(|(index, one)| text(one, &path.index(index))).collect()
}

/// Names of roles, items and the like: what may stand in a URL and a file name, each once.
fn names(raw: &[At<String>], path: &Path) -> Checked<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for (index, one) in raw.iter().enumerate() {
        let path = path.index(index);
        let name = name(one, &path)?;
        if found.contains(&name) {
            return Err(one.wrong(&path, format!("`{name}` stands there twice")));
        }
        found.push(name);
    }
    Ok(found)
}

fn name(raw: &At<String>, path: &Path) -> Checked<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let text = &raw.value;
    if (1..=64).contains(&text.len()) && !text.starts_with('-') && text.chars().all(allowed) {
        return Ok(text.clone());
    }
    Err(raw.wrong(path, format!("expected a name of 1 to 64 a-z A-Z 0-9 _ -, found `{text}`")))
}
