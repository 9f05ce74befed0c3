//! A whole file of events as batches, as if each had come in time (SLO-11).

use crate::telemetry::event_specs;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use shared_types::{Batch, PhaseId, TargetName, Timestamp, Window};

use super::totals::{BatchHead, Totals, add_label, add_uncounted};
use crate::policy::TargetPolicy;
use crate::story::figures::format_duration;
use events::records::{MalformedLine, Record, Records};
use events::{EventSpecs, TooManyFields};

/// A file that spans more windows than this is a mistake.
const WINDOWS_MAX: u32 = 20_000;

/// What a file of events came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// One a window from the first event's to the last one's, empty ones included.
    pub batches: Vec<Batch>,
    /// The first malformed lines; all of them are counted on the last batch.
    pub malformed: Vec<MalformedLine>,
}

/// Why a file cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    #[error(transparent)]
    Specs(#[from] TooManyFields),
    #[error("no line is an event{}", first.as_ref().map(|line| format!("; line {}: {}", line.line, line.reason)).unwrap_or_default())]
    NoEvents { first: Option<MalformedLine> },
    #[error("the array: {0}")]
    Array(String),
    #[error("the events span more than {WINDOWS_MAX} windows of {}", format_duration(*window))]
    Span { window: Duration },
}

/// Counts events, lines or a JSON array of them, by the policy's window. The collector is taken to have waited its grace time.
///
/// # Errors
/// [`CountError`].
pub fn count(
    lines: &[u8],
    target: &TargetName,
    phase: &PhaseId,
    policy: &TargetPolicy,
) -> Result<Counted, CountError> {
    let specs = event_specs(policy)?;
    let records = Records::of_body(lines, &specs).map_err(|error| CountError::Array(error.to_string()))?;
    let length = policy.collection.window;
    let starts = || records.events.iter().map(|record| start_of(record, length));
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else {
        return Err(CountError::NoEvents { first: records.kept.first().cloned() });
    };
    if last.since(first) > length * WINDOWS_MAX {
        return Err(CountError::Span { window: length });
    }
    let mut totals = count_windows(&records, &specs, length);
    add_uncounted(&mut totals.entry(last).or_default().intake, &records, 0);
    let mut batch = |start: Timestamp| {
        let window = Window { start, end: start.plus(length) };
        let head = BatchHead {
            target: target.clone(),
            phase: phase.clone(),
            epoch: 1,
            window,
            next_window: Some(Window { start: window.end, end: window.end.plus(length) }),
            attempts: 1,
            source: "file",
            collected_at: window.end.plus(policy.collection.grace),
            paused: Duration::ZERO,
            policy_version: None,
        };
        totals.remove(&start).unwrap_or_default().into_batch(head, &specs)
    };
    let following = |start: &Timestamp| Some(start.plus(length)).filter(|next| *next <= last);
    let batches = std::iter::successors(Some(first), following).map(&mut batch).collect();
    Ok(Counted { batches, malformed: records.kept })
}

fn start_of(record: &Record, length: Duration) -> Timestamp {
    Timestamp::from_millis(record.ts_ms).align_down(length)
}

/// TE-1, TE-3, TE-4: every event in the window of its `ts`, each id once a window.
fn count_windows(records: &Records, specs: &EventSpecs, length: Duration) -> BTreeMap<Timestamp, Totals> {
    let mut windows: BTreeMap<Timestamp, Totals> = BTreeMap::new();
    let mut seen: HashSet<(Timestamp, u64)> = HashSet::new();
    for record in &records.events {
        let start = start_of(record, length);
        let totals = windows.entry(start).or_default();
        let Some(spec) = specs.all().get(usize::from(record.name)) else {
            totals.intake.unknown += 1;
            add_label(&mut totals.intake.unknown_names, records.names.get(record.code), 1);
            continue;
        };
        if record.has_id && !seen.insert((start, record.id_hash)) {
            totals.intake.duplicates += 1;
            continue;
        }
        *totals.counters.entry(spec.name.clone()).or_default() += 1;
        if spec.duration_field.is_some() {
            totals.distributions.entry(spec.name.clone()).or_default().0.record(record.duration_ms);
        }
        if record.session != Record::SESSIONLESS {
            for error in specs.errors_of_attempt(usize::from(record.name)) {
                let error = specs.all()[*error].name.clone();
                totals.sessions.entry(error).or_default().attempt(record.session);
            }
        }
        if spec.error {
            if record.session != Record::SESSIONLESS {
                totals.sessions.entry(spec.name.clone()).or_default().error(record.session);
            }
            let fields = totals.breakdowns.entry(spec.name.clone()).or_default();
            let code = records.codes.get(record.code);
            let retryable = record.retryable.map(|it| if it { "true" } else { "false" });
            for (field, value) in [("retryable", retryable), ("code", Some(code))] {
                if let Some(value) = value {
                    add_label(fields.entry(field.to_owned()).or_default(), value, 1);
                }
            }
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    const EVENTS: &str = r#"
{"ts":"2026-11-22T10:00:01Z","name":"autosave.save.completed","duration_ms":640,"event_id":"a"}
{"ts":"2026-11-22T10:00:01Z","name":"autosave.save.completed","duration_ms":640,"event_id":"a"}
{"ts":"2026-11-22T10:14:59.999Z","name":"autosave.save.error","code":"E_LOCK","retryable":true}
not an event
{"ts":"2026-11-22T10:20:00Z","name":"autosave.opened"}
{"ts":"2026-11-22T10:45:00Z","name":"autosave.save.completed","duration_ms":2500}
"#;

    fn counted(text: &str) -> Result<Counted, CountError> {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
        let policy = Policy::load(&file).unwrap();
        let (target, policy) = policy.targets.iter().next().unwrap();
        count(text.as_bytes(), target, &PhaseId::parse("A").unwrap(), policy)
    }

    /// JU-10: a file's errors are told by session as the collector's are.
    #[test]
    fn file_of_events_tells_errors_by_session() {
        let line = |name: &str, session: &str| {
            format!(
                "{{\"ts\":\"2026-11-22T10:00:01Z\",\"name\":\"autosave.save.{name}\",\"duration_ms\":640,\"code\":\"E\",\"retryable\":true{session}}}\n"
            )
        };
        let session = ",\"session\":\"s\"";
        let lines =
            [line("completed", session), line("error", session), line("error", session), line("error", "")];
        let batch = counted(&lines.concat()).unwrap().batches.remove(0);
        let expected = [("distinct", 1), ("squares", 5), ("top", 2), ("top_attempts", 3)];
        let figures = expected.map(|(figure, value)| (figure.to_owned(), value));
        assert_eq!(batch.breakdowns["autosave.save.error"]["session"], figures.into());
        assert!(
            !counted(EVENTS).unwrap().batches[0].breakdowns["autosave.save.error"].contains_key("session")
        );
    }

    /// SLO-11: each window of the file's time is a batch, those without events too.
    #[test]
    fn file_of_events_becomes_its_windows() {
        let counted = counted(EVENTS).unwrap();
        let starts: Vec<String> = counted.batches.iter().map(|batch| batch.window.to_string()).collect();
        assert_eq!(
            starts,
            [
                "2026-11-22T10:00Z/10:15Z",
                "2026-11-22T10:15Z/10:30Z",
                "2026-11-22T10:30Z/10:45Z",
                "2026-11-22T10:45Z/11:00Z"
            ]
        );
        let first = &counted.batches[0];
        assert_eq!(first.counters["autosave.save.completed"], 1);
        assert_eq!((first.counters["autosave.save.error"], first.intake.duplicates), (1, 1));
        assert_eq!(first.breakdowns["autosave.save.error"]["code"]["E_LOCK"], 1);
        let intake = &counted.batches[1].intake;
        assert_eq!((intake.unknown, intake.unknown_names["autosave.opened"]), (1, 1));
        assert_eq!(counted.batches[2].counters["autosave.save.completed"], 0);
        let last = &counted.batches[3].distributions["autosave.save.completed"];
        assert!((last.p95 - 2500.0).abs() < f64::EPSILON, "{}", last.p95);
        assert_eq!(counted.batches[3].intake.malformed, 1);
        assert_eq!((counted.malformed[0].line, first.collector_latency_ms), (5, 30_000));
    }

    #[test]
    fn file_without_events_says_why() {
        let error = counted("\nnonsense\n").unwrap_err().to_string();
        assert!(error.starts_with("no line is an event; line 2: "), "{error}");
        assert!(matches!(counted(""), Err(CountError::NoEvents { first: None })));
    }
}
