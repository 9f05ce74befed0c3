//! What a map makes of the lines.

use std::collections::BTreeMap;

use events::EventSpecs;
use events::map::Rules;
use events::records::{Before, Records};
use serde::Serialize;
use shared_types::Timestamp;

use super::look::Look;

/// Lines that are shown.
const SHOWN: usize = 10;
/// Values that were left out, and codes of an event, that are named.
const NAMED: usize = 8;

/// The lines, counted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Trial {
    /// By event.
    pub(crate) events: BTreeMap<String, Counted>,
    /// Some lines and what they become, in order.
    pub(crate) shown: Vec<Shown>,
    /// Lines that the map ignores.
    pub(crate) ignored: u64,
    /// Values of the name on lines that are no events, the most frequent first.
    pub(crate) left_out: Vec<(String, u64)>,
    pub(crate) malformed: u64,
    /// Why, each with how often and on which line first.
    pub(crate) reasons: Vec<(String, u64, u64)>,
}

/// An event's lines.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Counted {
    pub(crate) lines: u64,
    /// Of an error, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) codes: Vec<(String, u64)>,
    /// Lines with an id under which they count once.
    pub(crate) with_id: u64,
}

/// A line, and what it becomes.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) line: u64,
    pub(crate) time: Timestamp,
    pub(crate) event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    pub(crate) has_id: bool,
}

impl Trial {
    /// Lines that are events of the policy.
    pub(crate) fn accepted(&self) -> u64 {
        self.events.values().map(|it| it.lines).sum()
    }
}

/// The lines as `specs` read them.
pub(crate) fn tried(lines: &[&[u8]], look: &Look, rules: &Rules, specs: &EventSpecs) -> Trial {
    let mut trial = Trial::default();
    let (mut records, mut before) = (Records::default(), Before::default());
    for line in lines {
        records.push_line(line, specs, &mut before);
    }
    records.end(before);
    let mut shown: Vec<(u64, Shown)> = Vec::new();
    let mut codes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for event in &records.events {
        let (name, spec) = match specs.get(usize::from(event.name)) {
            Some(spec) => (spec.name.clone(), Some(spec)),
            None => (format!("{} (unknown)", records.names.get(event.code)), None),
        };
        let counted = trial.events.entry(name.clone()).or_default();
        counted.lines += 1;
        counted.with_id += u64::from(event.has_id);
        let is_error = spec.is_some_and(|spec| spec.error);
        let code = is_error.then(|| records.codes.get(event.code).to_owned());
        if let Some(code) = &code {
            *codes.entry(name.clone()).or_default().entry(code.clone()).or_default() += 1;
        }
        let duration_ms = spec.and_then(|spec| spec.duration_field.as_ref()).map(|_| event.duration_ms);
        let line = Shown {
            line: u64::from(event.line),
            time: Timestamp::from_millis(event.ts_ms),
            event: name,
            duration_ms,
            code,
            has_id: event.has_id,
        };
        // Of each event its first ones before the tenth of the most frequent.
        let order = counted.lines;
        let at = shown.partition_point(|(other, _)| *other <= order);
        if at < SHOWN {
            shown.insert(at, (order, line));
            shown.truncate(SHOWN);
        }
    }
    trial.shown = shown.into_iter().map(|(_, line)| line).collect();
    trial.shown.sort_by_key(|it| it.line);
    for (event, codes) in codes {
        trial.events.entry(event).or_default().codes = most_frequent(codes);
    }
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    for object in &look.objects {
        let value = object.get(&rules.name).map_or("", |value| value.written());
        if !rules.is_event(value, specs) {
            *left_out.entry(value.to_owned()).or_default() += 1;
        }
    }
    if rules.ignores_text && look.texts > 0 {
        left_out.insert("(no JSON)".to_owned(), look.texts);
    }
    trial.left_out = most_frequent(left_out);
    (trial.ignored, trial.malformed) = (records.ignored, records.malformed);
    trial.reasons = records
        .reasons
        .iter()
        .map(|(reason, count)| {
            let first = records.examples.iter().find(|it| it.what == *reason).map_or(0, |it| it.line);
            (reason.clone(), *count, first)
        })
        .collect();
    trial
}

/// The most frequent first, and what is beyond those together.
fn most_frequent(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest: u64 = counts.iter().skip(NAMED).map(|(_, count)| count).sum();
    let others = counts.len().saturating_sub(NAMED);
    counts.truncate(NAMED);
    if others > 0 {
        counts.push((format!("{others} others"), rest));
    }
    counts
}
