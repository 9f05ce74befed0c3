//! What the collector tells of itself: acts of people, and what went wrong.

use domain::effects::NewMessage;
use shared_types::audit::{CollectorAct, CollectorActKind};
use shared_types::collector_event::CollectorEventKind;
use shared_types::{Actor, CollectorEvent, TargetName, Timestamp};

use super::append_retry_failure::{AppendRetryFailure, RetryFailure};
use super::deliver_event::DeliverEvent;
use super::tell_act::TellAct;
use crate::schedule::Planned;
use crate::state::event_id;

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
