//! The editor's telemetry: one JSON object a line, appended to a file with one write each, as a log shipper likes it, or pushed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use serde::Serialize;

use super::push::Lines;

/// The events of one run of the editor.
#[derive(Debug)]
pub(crate) struct Telemetry {
    sink: Sink,
    /// In a container every run has the same process id.
    run: u64,
    next: AtomicU64,
}

/// Where the lines go.
#[derive(Debug)]
enum Sink {
    File(File),
    Pushed(Lines),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A save ended well, that long after it was begun.
    Completed(Duration),
    /// A save failed; the next one may work.
    Failed { code: &'static str, retryable: bool },
    /// `current.json` and `index.json` differ.
    Drift(String),
}

#[derive(Debug, Serialize)]
struct Line<'t> {
    ts: String,
    name: &'static str,
    event_id: String,
    phase: &'t str,
    session: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Telemetry {
    /// Appends to a file of this process's own in `dir`.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(format!("editor-{}.jsonl", std::process::id()));
        Ok(Self::to(Sink::File(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    /// Hands them to what pushes them.
    pub(crate) fn pushed(lines: Lines) -> Self {
        Self::to(Sink::Pushed(lines))
    }

    fn to(sink: Sink) -> Self {
        Self { sink, run: rand::rng().random(), next: AtomicU64::new(1) }
    }

    /// Writes one event of a user who is inside the audience, with the time of now.
    pub(crate) fn write(&self, phase: &str, session: &str, event: &Event) -> io::Result<()> {
        let mut line = self.line(phase, session);
        match event {
            Event::Completed(took) => {
                line.name = "autosave.save.completed";
                line.duration_ms = Some((took.as_secs_f64() * 1e6).round() / 1e3);
            }
            Event::Failed { code, retryable } => {
                line.name = "autosave.save.error";
                (line.code, line.retryable) = (Some(*code), Some(*retryable));
            }
            Event::Drift(detail) => {
                line.name = "autosave.history.drift";
                line.detail = Some(detail.clone());
            }
        }
        match &self.sink {
            Sink::File(file) => {
                let mut bytes = serde_json::to_vec(&line)?;
                bytes.push(b'\n');
                (&mut &*file).write_all(&bytes)
            }
            Sink::Pushed(lines) => {
                lines.push(serde_json::value::to_raw_value(&line)?);
                Ok(())
            }
        }
    }

    fn line<'t>(&self, phase: &'t str, session: &'t str) -> Line<'t> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let ts = format!("{:.3}", jiff::Timestamp::now());
        let event_id = format!("{:016x}-{number}", self.run);
        Line {
            ts,
            name: "",
            event_id,
            phase,
            session,
            duration_ms: None,
            code: None,
            retryable: None,
            detail: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TE-1: what the editor writes is what the collector reads.
    #[test]
    fn events_have_the_fields_their_names_ask_for() {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = Telemetry::open(dir.path()).unwrap();
        let failed = Event::Failed { code: "E_LOCK", retryable: true };
        for event in [Event::Completed(Duration::from_micros(12_345)), failed, Event::Drift("x".to_owned())] {
            telemetry.write("A", "user-0001", &event).unwrap();
        }

        let path = dir.path().join(format!("editor-{}.jsonl", std::process::id()));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["name"], "autosave.save.completed");
        assert_eq!(lines[0]["duration_ms"], 12.345);
        assert_eq!((&lines[1]["code"], &lines[1]["retryable"]), (&"E_LOCK".into(), &true.into()));
        assert_eq!(lines[2]["name"], "autosave.history.drift");
        assert!(
            lines.iter().all(|line| shared_types::Timestamp::parse(line["ts"].as_str().unwrap()).is_ok())
        );
    }
}
