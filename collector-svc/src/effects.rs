//! Does the collector's effects: batches and events to the analyzer, acts to the reporter, files. All may be done
//! twice without harm: the receivers know what they were told by its id, files are replaced whole or checked before a
//! line is added.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::effects::NewMessage;
use domain::stored::Document as _;
use service_kit::client::Neighbour;
use service_kit::db::{Db, DbError};
use service_kit::outbox::{self, Claim, Handler, Outcome, Recorded};
use shared_types::{Batch, TargetName, Timestamp};

use crate::messages::{
    self, AppendRetryFailure, DeliverBatch, DeliverEvent, RetryFailure, TellAct, WriteArchive,
};
use crate::schedule::Planned;
use crate::store::{CollectorStore, Delivery, record_delivery};

/// How long a delivery may take.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The collector's handler.
pub struct Effects {
    pub store: Arc<dyn CollectorStore>,
    pub analyzer: Neighbour,
    pub reporter: Neighbour,
    pub data_dir: PathBuf,
}

#[async_trait]
impl Handler for Effects {
    async fn handle(&self, claim: &Claim) -> Outcome {
        let done = match claim.kind.as_str() {
            DeliverBatch::KIND => self.deliver_batch(claim).await,
            DeliverEvent::KIND => self.deliver_event(claim).await,
            TellAct::KIND => self.tell_act(claim).await,
            WriteArchive::KIND => self.write_archive(claim).await,
            AppendRetryFailure::KIND => self.append_retry_failure(claim).await,
            kind => Err(Outcome::Never { reason: format!("`{kind}` is not known") }),
        };
        done.unwrap_or_else(|outcome| outcome)
    }

    async fn settle(
        &self,
        db: &Db,
        claim: &Claim,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Recorded, DbError> {
        let delivery =
            (claim.kind == DeliverBatch::KIND).then(|| claim.decode::<DeliverBatch>().ok()).flatten();
        let Some(delivery) = delivery else {
            let mut tx = db.begin().await?;
            let recorded = outbox::record(&mut tx, claim, outcome, now).await?;
            tx.commit().await?;
            return Ok(recorded);
        };
        let told = match claim.exhausts_retries(outcome) {
            true => self.exhausted(claim, &delivery, outcome, now).await?,
            false => None,
        };
        let mut tx = db.begin().await?;
        let recorded = outbox::record(&mut tx, claim, outcome, now).await?;
        if recorded == Recorded::Fenced {
            return Ok(recorded);
        }
        let result = match outcome.reason() {
            None => Delivery::Delivered,
            Some(reason) => Delivery::Failed(reason.to_owned()),
        };
        record_delivery(&mut tx, &delivery.target, delivery.window_start, &result, now).await?;
        for message in told.into_iter().flatten() {
            outbox::enqueue(&mut tx, &message, now).await?;
        }
        tx.commit().await?;
        Ok(recorded)
    }
}

impl Effects {
    async fn deliver_batch(&self, claim: &Claim) -> Result<Outcome, Outcome> {
        let delivery: DeliverBatch = claim.read()?;
        let batch = self.batch(&delivery.target, delivery.window_start).await?;
        Ok(self.analyzer.deliver("/v1/batches", &batch).await)
    }

    async fn deliver_event(&self, claim: &Claim) -> Result<Outcome, Outcome> {
        let delivery: DeliverEvent = claim.read()?;
        Ok(self.analyzer.deliver("/v1/collector-events", &delivery.event).await)
    }

    async fn tell_act(&self, claim: &Claim) -> Result<Outcome, Outcome> {
        let told: TellAct = claim.read()?;
        Ok(self.reporter.deliver("/v1/audit/acts", &told.act).await)
    }

    async fn write_archive(&self, claim: &Claim) -> Result<Outcome, Outcome> {
        let archive: WriteArchive = claim.read()?;
        let batch = self.batch(&archive.target, archive.window_start).await?;
        let path = archive_path(&self.data_dir, &archive.target, archive.window_start);
        let shown = path.display().to_string();
        blocking(move || write_whole(&path, &line_of(&batch)?)).await?;
        Ok(Outcome::Done(serde_json::json!({ "path": shown })))
    }

    async fn append_retry_failure(&self, claim: &Claim) -> Result<Outcome, Outcome> {
        let append: AppendRetryFailure = claim.read()?;
        let path = retry_failures_path(&self.data_dir);
        blocking(move || append_once(&path, &append.line)).await?;
        Ok(Outcome::Done(serde_json::Value::Null))
    }

    async fn batch(&self, target: &TargetName, window_start: Timestamp) -> Result<Batch, Outcome> {
        match self.store.batch(target, window_start).await {
            Ok(Some(row)) => Ok(row.batch),
            Ok(None) => Err(Outcome::Never { reason: "the batch is no longer kept".to_owned() }),
            Err(error) => Err(Outcome::Failed { reason: error.to_string() }),
        }
    }

    /// The last listed retry has failed: what to say about it (CO-5).
    async fn exhausted(
        &self,
        claim: &Claim,
        delivery: &DeliverBatch,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Option<[NewMessage; 2]>, DbError> {
        let Some(row) = self.store.batch(&delivery.target, delivery.window_start).await? else {
            return Ok(None);
        };
        let planned = Planned { window: row.batch.window, phase: row.batch.phase, epoch: row.batch.epoch };
        let cause = outcome.reason().unwrap_or("no answer");
        let attempts = claim.step.saturating_add(1);
        let started = claim.enqueued_at;
        Ok(Some(messages::exhausted(&delivery.target, &planned, "analyzer", started, attempts, cause, now)))
    }
}

/// `logs/<target>/<window start, basic ISO 8601>.jsonl` under the data directory (CO-3).
#[must_use]
pub fn archive_path(data_dir: &Path, target: &TargetName, window_start: Timestamp) -> PathBuf {
    data_dir.join("logs").join(target.as_str()).join(format!("{}.jsonl", window_start.basic_format()))
}

/// `reports/monitoring/retry_failures.jsonl` under the data directory (CO-5).
#[must_use]
pub fn retry_failures_path(data_dir: &Path) -> PathBuf {
    data_dir.join("reports").join("monitoring").join("retry_failures.jsonl")
}

/// A batch as a line of JSON, with its line break.
///
/// # Errors
/// It cannot be serialised.
pub fn line_of(batch: &Batch) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(batch)?;
    line.push(b'\n');
    Ok(line)
}

/// Replaces the file in one step: a reader sees the old or the new one, whole.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let temporary = path.with_extension("jsonl.tmp");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
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
    let is_whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
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

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Outcome> {
    let failed = |reason: String| Outcome::Failed { reason };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| failed(error.to_string())),
        Err(panic) => Err(failed(panic.to_string())),
    }
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
