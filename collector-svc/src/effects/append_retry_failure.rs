//! Appends a line to `retry_failures.jsonl`, once an event (CO-5).

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::Document;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::outbox::{Claim, Outcome, Perform};
use shared_types::collector_event::CollectorEventKind;
use shared_types::{Epoch, PhaseId, TargetName, Timestamp, Window};

use super::context::{Effects, in_file};

/// Appends a line to `retry_failures.jsonl` (CO-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendRetryFailure {
    pub line: RetryFailure,
}

/// A line of `retry_failures.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryFailure {
    pub time: Timestamp,
    /// `collector.retry_exhausted`.
    pub event: CollectorEventKind,
    /// That event's id.
    pub event_id: uuid::Uuid,
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
    /// Made in vain, the first one included.
    pub attempts: u32,
    /// `source` or `analyzer`: what did not answer.
    pub failing: String,
    pub cause: String,
}

impl AppendRetryFailure {
    #[must_use]
    pub fn message(&self, now: Timestamp) -> NewMessage {
        let subject = format!("{}/{}", self.line.target, self.line.window.start.basic_format());
        NewMessage::of(self, format!("retry-failure/{}", self.line.event_id), subject, now)
    }
}

impl Document for AppendRetryFailure {
    const KIND: &'static str = "append_retry_failure";
}

impl Effect for AppendRetryFailure {
    fn lane(&self) -> String {
        "files/retry_failures".to_owned()
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}

#[async_trait]
impl Perform<Effects> for AppendRetryFailure {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        let (path, line) = (retry_failures_path(&effects.data_dir), self.line.clone());
        in_file(Value::Null, move || append_once(&path, &line)).await
    }
}

/// `reports/monitoring/retry_failures.jsonl` under the data directory (CO-5).
#[must_use]
pub fn retry_failures_path(data_dir: &Path) -> PathBuf {
    data_dir.join("reports").join("monitoring").join("retry_failures.jsonl")
}

/// Appends the line, unless it is there, whole, from an attempt whose outcome got lost: a full disk or a crash may have
/// left the beginning of one, id included.
fn append_once(path: &Path, line: &RetryFailure) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let id = line.event_id.to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let is_whole = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    if text.lines().any(|line| line.contains(&id) && is_whole(line)) {
        return Ok(());
    }
    let mut bytes = if text.ends_with('\n') || text.is_empty() { Vec::new() } else { vec![b'\n'] };
    serde_json::to_writer(&mut bytes, line)?;
    bytes.push(b'\n');
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CO-5: a disk that filled up in the middle of a line left its id there; the line is not written yet.
    #[test]
    fn a_torn_line_with_the_id_does_not_count_as_written() {
        let line: RetryFailure = serde_json::from_value(serde_json::json!({
            "time": "2026-11-22T10:20:00.000Z", "event": "collector.retry_exhausted",
            "event_id": "0f4a8c7e-2c54-5d0e-9d0b-6a1f5f0d3c11", "target": "autosave", "phase": "A", "epoch": 1,
            "window": {"start": "2026-11-22T10:00:00.000Z", "end": "2026-11-22T10:15:00.000Z"},
            "attempts": 5, "failing": "analyzer", "cause": "no answer",
        }))
        .unwrap();
        let whole = serde_json::to_string(&line).unwrap();
        let torn = &whole[..whole.len() - 20];
        let directory = tempfile::tempdir().unwrap();
        let path = retry_failures_path(directory.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{torn}\n")).unwrap();
        append_once(&path, &line).unwrap();
        append_once(&path, &line).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{torn}\n{whole}\n"));
    }
}
