//! What the reporter keeps, behind one narrow trait. All SQL of the service is in this folder.
//!
//! [`ReporterStore::change`] is the only way a machine's state changes: it locks the target, lets the caller's
//! plan decide on what is there, and commits state, effects, notifications and timeline together. The seam is
//! a trait so that tests can put failures into it.

mod act;
mod audit;
mod change;
mod daily;
mod read;
mod rows;
mod settle;
mod sql;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use domain::audit::AuditDraft;
use domain::effects::NewMessage;
use domain::stored::Form;
use serde_json::Value;
use service_kit::db::{DbError, Migration};
use service_kit::outbox::{Claim, ListFilter, MessagePage, MessageView, OutboxStats, Outcome, Recorded};
use shared_types::incident::IncidentState;
use shared_types::story::LoggedHop;
use shared_types::{AuditEntry, Decision, IncidentId, TargetName, Timestamp, Verdict, Window};
use uuid::Uuid;

use domain::effects::VERBS;
use domain::effects::lower::Plan;
use domain::effects::notification::{Notification, NotificationView};
use domain::rollout::{Aggregate, Incident, Rejection, Step, TargetState};

pub use act::Act;
pub use sql::SqlStore;

/// The reporter's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 100,
        name: "reporter",
        postgres: include_str!("../../../migrations/postgres/reporter/0100_reporter.sql"),
        sqlite: include_str!("../../../migrations/sqlite/reporter/0100_reporter.sql"),
    },
    Migration {
        version: 120,
        name: "webhooks",
        postgres: include_str!("../../../migrations/postgres/reporter/0120_webhooks.sql"),
        sqlite: include_str!("../../../migrations/sqlite/reporter/0120_webhooks.sql"),
    },
    Migration {
        version: 140,
        name: "audit",
        postgres: include_str!("../../../migrations/postgres/reporter/0140_audit.sql"),
        sqlite: include_str!("../../../migrations/sqlite/reporter/0140_audit.sql"),
    },
    Migration {
        version: 160,
        name: "daily",
        postgres: include_str!("../../../migrations/postgres/reporter/0160_daily.sql"),
        sqlite: include_str!("../../../migrations/sqlite/reporter/0160_daily.sql"),
    },
    Migration {
        version: 170,
        name: "decisions by target",
        postgres: include_str!("../../../migrations/postgres/reporter/0170_decisions_by_target.sql"),
        sqlite: include_str!("../../../migrations/sqlite/reporter/0170_decisions_by_target.sql"),
    },
];

/// What the reporter keeps as JSON: the machines' states and the effects. Decisions carry their schema; audit rows are
/// chained byte for byte, so theirs is the only form; hops' data, vendors' answers and first answers are kept as they were
/// said.
#[must_use]
pub fn documents() -> Vec<Form> {
    let states = [Form::of::<TargetState>(), Form::of::<Incident>()];
    states.iter().chain(VERBS).copied().collect()
}

/// What a plan is given besides the state: ids it may use, and what recording the outcome did.
#[derive(Debug, Clone)]
pub struct Given {
    pub new_incident: IncidentId,
    /// The target's version once this change is committed.
    pub version: u64,
    /// Set when an outcome is settled.
    pub recorded: Option<Recorded>,
}

/// Decides, under the target's lock. Called again with the real id when it opened an incident; no side effects.
pub type Planner<'a> = &'a (dyn Fn(&Aggregate, &Given) -> Result<Plan, Rejection> + Send + Sync);

/// A change of one target.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub target: &'a TargetName,
    /// The incident it is about; none: the open one, if any.
    pub incident: Option<&'a IncidentId>,
    /// Where no incident is named and none is open: the one that the transition under way belongs to.
    pub of_transition: bool,
    /// Kept with its outcome; a known one is a repeat.
    pub decision: Option<&'a Decision>,
    /// A known request is a repeat.
    pub act: Option<&'a Act>,
    /// Recorded in the same transaction.
    pub settle: Option<(&'a Claim, &'a Outcome)>,
    /// A dead effect that is made ready again.
    pub retry: Option<&'a str>,
    pub now: Timestamp,
    pub plan: Planner<'a>,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum Changed {
    Applied {
        step: Box<Step>,
        answer: Value,
        version: u64,
        recorded: Option<Recorded>,
    },
    /// Done before; the first answer.
    Repeated {
        answer: Value,
    },
    /// Nothing changed, except that an outcome may have been recorded.
    Rejected {
        rejection: Rejection,
        recorded: Option<Recorded>,
    },
    /// The key was used for something else.
    KeyReused,
    UnknownTarget,
    UnknownIncident,
    /// The effect is not dead.
    NotDead,
    /// Another worker has the effect now; nothing was committed.
    Fenced,
}

/// A target as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTarget {
    pub state: TargetState,
    pub version: u64,
}

/// A daily report and what it leads to.
#[derive(Debug, Clone)]
pub struct DailyMade {
    pub target: TargetName,
    /// `YYYY-MM-DD`.
    pub date: String,
    pub messages: Vec<NewMessage>,
    pub notification: Option<Notification>,
}

/// Something a tick has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub target: TargetName,
    /// None: the target itself.
    pub incident: Option<IncidentId>,
}

/// Which incidents to list.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    pub target: Option<TargetName>,
    pub state: Option<IncidentState>,
}

/// Which notifications to list.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    pub target: Option<TargetName>,
    pub incident: Option<IncidentId>,
    pub kind: Option<String>,
    pub state: Option<String>,
}

/// Which decisions to list.
#[derive(Debug, Clone, Default)]
pub struct DecisionFilter {
    pub target: Option<TargetName>,
    /// Only windows that end after this.
    pub from: Option<Timestamp>,
    /// Only windows that end at this or before.
    pub to: Option<Timestamp>,
    pub verdict: Option<Verdict>,
}

/// A decision as it was taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDecision {
    pub decision: Decision,
    /// Of another epoch or phase than the rollout's (PH-8).
    pub stale: bool,
    /// The incident it opened or joined.
    pub incident: Option<IncidentId>,
}

/// Which rows of the audit log to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub stream: Option<String>,
    pub actor: Option<String>,
    pub action: Option<String>,
    pub subject: Option<String>,
    /// Of this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// Where a page of the audit log goes on: time, stream and seq of the last row of the page before.
pub type AuditAfter = (i64, String, i64);

/// Where a page newest-first goes on: time and id of the last item of the page before.
pub type After = (i64, String);

/// The outcome of an effect that people read, with the hop it leaves.
#[derive(Debug, Clone)]
pub struct Settled<'a> {
    pub notification: Option<Uuid>,
    pub incident: Option<&'a IncidentId>,
    /// Added when the effect is done.
    pub hop: Option<LoggedHop>,
}

/// See the module.
#[async_trait]
pub trait ReporterStore: Send + Sync {
    /// Makes the rows of targets that are new in the policy.
    async fn ensure_targets(&self, targets: &[TargetName], now: Timestamp) -> Result<(), DbError>;

    /// See [`Change`].
    async fn change(&self, change: Change<'_>) -> Result<Changed, DbError>;

    /// Records an outcome together with the notification's fate and its hop.
    async fn settle(
        &self,
        claim: &Claim,
        outcome: &Outcome,
        settled: Settled<'_>,
        now: Timestamp,
    ) -> Result<Recorded, DbError>;

    async fn target(&self, target: &TargetName) -> Result<Option<StoredTarget>, DbError>;
    /// In the order of their names, after `after`.
    async fn targets(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredTarget>, DbError>;
    /// Grows with every change of any target.
    async fn revision(&self) -> Result<u64, DbError>;
    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, DbError>;
    async fn incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<Incident>, DbError>;
    async fn timeline(&self, id: &IncidentId) -> Result<Vec<LoggedHop>, DbError>;
    /// Decisions that belong to an incident, the opening one first.
    async fn decisions_of(&self, id: &IncidentId) -> Result<Vec<Uuid>, DbError>;
    async fn decision(&self, id: Uuid) -> Result<Option<StoredDecision>, DbError>;
    /// The newest window first.
    async fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, DbError>;
    async fn notifications(
        &self,
        filter: &NotificationFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<NotificationView>, DbError>;
    /// Decisions about windows that began in a time, oldest first, after a window's start and a decision's id; with
    /// whether they were stale.
    async fn decisions_of_windows(
        &self,
        target: &TargetName,
        starts: Window,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<(Decision, bool)>, DbError>;
    /// Whether the report of a day was made.
    async fn daily_made(&self, target: &TargetName, date: &str) -> Result<bool, DbError>;
    /// Writes down that it was, with what it leads to; false if it had been.
    async fn make_daily(&self, made: &DailyMade, now: Timestamp) -> Result<bool, DbError>;
    /// What the messenger answered to the incident's first message in a channel.
    async fn thread(&self, incident: &IncidentId, channel: &str) -> Result<Option<Value>, DbError>;
    /// Writes down an event that a vendor told of, how it calls a page of ours, and the work it makes; false if the
    /// event is known, then nothing is written.
    async fn receive_event(
        &self,
        event: &str,
        kind: &str,
        page: Option<(&str, &str)>,
        work: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<bool, DbError>;
    /// The dedup key of a page, by the vendor's name of it.
    async fn page_key(&self, page: &str) -> Result<Option<String>, DbError>;
    /// Whatever is due, the longest overdue first.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Due>, DbError>;
    /// When something will be due next.
    async fn next_due(&self) -> Result<Option<Timestamp>, DbError>;

    async fn effects(
        &self,
        filter: &ListFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<MessagePage, DbError>;
    async fn effect(&self, id: &str) -> Result<Option<MessageView>, DbError>;
    /// Keeps the answer of an act that changed nothing, if none is kept yet, and enqueues what is to be told.
    async fn remember(
        &self,
        act: &Act,
        answer: &Value,
        message: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<(), DbError>;
    /// Makes a dead effect ready again, with the act's audit row in `target`'s stream; false if it is not dead.
    async fn retry_effect(
        &self,
        id: &str,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<bool, DbError>;
    /// Writes a row of the audit log for an act that changes no machine: into the stream of `target`, or, where there
    /// is none or it is not known, into the service's (GO-4).
    async fn note(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<AuditEntry, DbError>;
    /// As [`Self::note`], unless the stream holds a row of that action and subject that says the same: what may be told
    /// more than once. Whether it was written.
    async fn note_once(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<bool, DbError>;
    /// Rows, newest first.
    async fn audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditAfter>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, DbError>;
    /// The stream that comes after this one by name.
    async fn audit_stream_after(&self, stream: &str) -> Result<Option<String>, DbError>;
    /// The last seq of each stream that has a row of `since` or later.
    async fn audit_heads(&self, since: Timestamp) -> Result<Vec<(String, u64)>, DbError>;
    /// The last seq of a stream; 0 without rows.
    async fn audit_head(&self, stream: &str) -> Result<u64, DbError>;
    /// Rows of a stream from `seq` on, oldest first.
    async fn audit_piece(&self, stream: &str, seq: u64, limit: u32) -> Result<Vec<AuditEntry>, DbError>;
    /// Rows of a target's stream that are about one of its incidents, since then, oldest first.
    async fn audit_of(
        &self,
        target: &TargetName,
        incident: &IncidentId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, DbError>;
    async fn outbox_stats(&self, now: Timestamp) -> Result<OutboxStats, DbError>;
    async fn ping(&self) -> Result<(), DbError>;
    /// Forgets events of vendors that came before, some at a time; returns how many went.
    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64, DbError>;
    /// Deletes decisions and notifications older than these, some at a time; returns how many went.
    async fn forget(
        &self,
        decisions_before: Option<Timestamp>,
        notifications_before: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, DbError>;
}

/// What the analyzer is answered for a decision, the first time and every time after.
#[must_use]
pub fn decision_answer(decision: &Decision, stale: bool, incident: Option<&str>) -> Value {
    serde_json::json!({
        "decision_id": decision.decision_id,
        "target": decision.target,
        "stale": stale,
        "incident": incident,
    })
}

/// Shared by the service's parts.
pub type SharedStore = Arc<dyn ReporterStore>;
