//! The collector's effects, as they are put into the outbox. Each is done by [`crate::effects`].

use std::time::Duration;

use domain::effects::{NewMessage, RetrySchedule};
use domain::stored::{self, Document, Form};
use serde::{Deserialize, Serialize};
use shared_types::audit::{CollectorAct, CollectorActKind};
use shared_types::collector_event::CollectorEventKind;
use shared_types::{Actor, CollectorEvent, Epoch, PhaseId, TargetName, Timestamp, Window};

use crate::schedule::Planned;
use crate::state::event_id;

/// Sends a stored batch to the analyzer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverBatch {
    pub target: TargetName,
    pub window_start: Timestamp,
}

/// Sends an event about the collector itself to the analyzer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliverEvent {
    pub event: CollectorEvent,
}

/// Writes a stored batch to its file (CO-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteArchive {
    pub target: TargetName,
    pub window_start: Timestamp,
}

/// Appends a line to `retry_failures.jsonl` (CO-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendRetryFailure {
    pub line: RetryFailure,
}

/// Tells the reporter, which keeps the audit log, of an act done here (GO-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellAct {
    pub act: CollectorAct,
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

impl Document for DeliverBatch {
    const KIND: &'static str = "deliver_batch";
}

impl DeliverBatch {
    /// By the policy's schedule, then on and on with its last delay: a batch is never lost.
    #[must_use]
    pub fn message(self, retry: &[Duration], now: Timestamp) -> NewMessage {
        NewMessage {
            dedup_key: format!("batch/{}/{}", self.target, self.window_start.as_millis()),
            lane: format!("analyzer/{}", self.target),
            kind: Self::KIND,
            subject: format!("{}/{}", self.target, self.window_start.basic_format()),
            payload: stored::payload(&self),
            due_at: now,
            retry: RetrySchedule::then_repeat(retry.iter().copied()),
        }
    }
}

impl Document for DeliverEvent {
    const KIND: &'static str = "deliver_event";
}

impl DeliverEvent {
    /// In a lane of its own: an event about batches that are not taken must not wait behind them.
    #[must_use]
    pub fn message(self, now: Timestamp) -> NewMessage {
        let event = &self.event;
        NewMessage {
            dedup_key: format!("event/{}", event.event_id),
            lane: format!("analyzer-events/{}", event.target),
            kind: Self::KIND,
            subject: format!("{}/{}", event.target, event.window.start.basic_format()),
            payload: stored::payload(&self),
            due_at: now,
            retry: patient(),
        }
    }
}

impl Document for WriteArchive {
    const KIND: &'static str = "write_archive";
}

impl WriteArchive {
    #[must_use]
    pub fn message(self, now: Timestamp) -> NewMessage {
        NewMessage {
            dedup_key: format!("archive/{}/{}", self.target, self.window_start.as_millis()),
            lane: format!("archive/{}", self.target),
            kind: Self::KIND,
            subject: format!("{}/{}", self.target, self.window_start.basic_format()),
            payload: stored::payload(&self),
            due_at: now,
            retry: patient(),
        }
    }
}

impl Document for AppendRetryFailure {
    const KIND: &'static str = "append_retry_failure";
}

impl AppendRetryFailure {
    #[must_use]
    pub fn message(self, now: Timestamp) -> NewMessage {
        NewMessage {
            dedup_key: format!("retry-failure/{}", self.line.event_id),
            lane: "files/retry_failures".to_owned(),
            kind: Self::KIND,
            subject: format!("{}/{}", self.line.target, self.line.window.start.basic_format()),
            payload: stored::payload(&self),
            due_at: now,
            retry: patient(),
        }
    }
}

impl Document for TellAct {
    const KIND: &'static str = "tell_act";
}

impl TellAct {
    #[must_use]
    pub fn message(self, now: Timestamp) -> NewMessage {
        NewMessage {
            dedup_key: format!("act/{}", self.act.id),
            lane: format!("reporter/{}", self.act.target),
            kind: Self::KIND,
            subject: format!("{}/{}", self.act.target, self.act.kind.deed()),
            payload: stored::payload(&self),
            due_at: now,
            retry: patient(),
        }
    }
}

/// All of them.
pub const MESSAGES: &[Form] = &[
    Form::of::<DeliverBatch>(),
    Form::of::<DeliverEvent>(),
    Form::of::<WriteArchive>(),
    Form::of::<AppendRetryFailure>(),
    Form::of::<TellAct>(),
];

/// A pause, or its end, as an act of somebody (CO-7).
#[must_use]
pub fn act(target: &TargetName, paused_until: Option<Timestamp>, actor: Actor, now: Timestamp) -> NewMessage {
    let kind = if paused_until.is_some() { CollectorActKind::Pause } else { CollectorActKind::Resume };
    let act =
        CollectorAct { id: uuid::Uuid::now_v7(), target: target.clone(), kind, at: now, paused_until, actor };
    TellAct { act }.message(now)
}

/// `collector.delayed` for a window (CO-4).
#[must_use]
pub fn delayed(
    target: &TargetName,
    planned: &Planned,
    attempts: u32,
    detail: &str,
    now: Timestamp,
) -> NewMessage {
    let event_id = event_id(target, planned.window.start, "delayed");
    let event = event(CollectorEventKind::Delayed, event_id, target, planned, attempts, detail, now);
    DeliverEvent { event }.message(now)
}

/// `collector.retry_exhausted` and its line in the file (CO-5). `outage` tells one outage from the next.
#[must_use]
pub fn exhausted(
    target: &TargetName,
    planned: &Planned,
    failing: &str,
    outage: Timestamp,
    attempts: u32,
    cause: &str,
    now: Timestamp,
) -> [NewMessage; 2] {
    let event_id =
        event_id(target, planned.window.start, &format!("exhausted/{failing}/{}", outage.as_millis()));
    let event = event(CollectorEventKind::RetryExhausted, event_id, target, planned, attempts, cause, now);
    let line = RetryFailure {
        time: now,
        event: event.kind,
        event_id,
        target: target.clone(),
        phase: planned.phase.clone(),
        epoch: planned.epoch,
        window: planned.window,
        attempts,
        failing: failing.to_owned(),
        cause: event.detail.clone(),
    };
    [DeliverEvent { event }.message(now), AppendRetryFailure { line }.message(now)]
}

fn event(
    kind: CollectorEventKind,
    event_id: uuid::Uuid,
    target: &TargetName,
    planned: &Planned,
    attempts: u32,
    detail: &str,
    now: Timestamp,
) -> CollectorEvent {
    CollectorEvent {
        event_id,
        kind,
        target: target.clone(),
        phase: planned.phase.clone(),
        epoch: planned.epoch,
        window: planned.window,
        elapsed_ms: u64::try_from(now.since(planned.window.end).as_millis()).unwrap_or(u64::MAX),
        attempts,
        detail: detail.chars().take(500).collect(),
        occurred_at: now,
    }
}

/// For receivers that will come back: with backoff up to 30 s, for ever.
fn patient() -> RetrySchedule {
    RetrySchedule::then_repeat([1, 2, 4, 8, 16, 30].map(Duration::from_secs))
}
