//! What the reporter keeps. All SQL of the service is in this folder, a file a topic.
//!
//! [`Store::change`] is the only way a machine's state changes: it locks the target, lets the caller's
//! plan decide on what is there, and commits state, effects, notifications and timeline together.

mod act;
mod audit;
mod audit_streams;
mod change;
mod coming;
mod daily;
mod days;
mod decisions;
mod effects;
mod held;
mod incidents;
mod list;
mod notifications;
mod retention;
mod rows;
mod sessions;
mod settle;
mod storms;
mod targets;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use domain::effects::NewMessage;
use domain::stored::Form;
use serde_json::Value;
use service_kit::db::{Db, Migration};
use service_kit::migration;
use service_kit::outbox::{Claim, Outcome, Precedence, Recorded};
use shared_types::incident::IncidentState;
use shared_types::story::LoggedHop;
use shared_types::{Decision, IncidentId, TargetName, Timestamp, Verdict};
use uuid::Uuid;

use domain::effects::lower::Plan;
use domain::effects::notification::Notification;
use domain::rollout::storm::Storm;
use domain::rollout::{Aggregate, Incident, Rejection, Step, TargetState};

use self::coming::Coming;

pub use act::Act;
pub use effects::target_of;
pub use retention::{HISTORY, past};

/// The reporter's tables.
pub const MIGRATIONS: &[Migration] = &[
    migration!(100, "reporter", "reporter/0100_reporter.sql"),
    migration!(120, "webhooks", "reporter/0120_webhooks.sql"),
    migration!(140, "audit", each "reporter/0140_audit.sql"),
    migration!(160, "daily", "reporter/0160_daily.sql"),
    migration!(170, "decisions by target", "reporter/0170_decisions_by_target.sql"),
    migration!(180, "incident states", "reporter/0180_incident_states.sql"),
    migration!(190, "verdicts", each "reporter/0190_verdicts.sql"),
    migration!(200, "audit archives", "reporter/0200_audit_archives.sql"),
    migration!(230, "ended sessions", "reporter/0230_ended_sessions.sql"),
    migration!(270, "behind", "reporter/0270_behind.sql"),
    migration!(280, "storms", "reporter/0280_storms.sql"),
    migration!(290, "by verdict", "reporter/0290_by_verdict.sql"),
    migration!(291, "kept for a time", "reporter/0291_kept_for_a_time.sql"),
    migration!(292, "days", "reporter/0292_days.sql"),
    migration!(293, "fewer indexes", "reporter/0293_fewer_indexes.sql"),
    migration!(300, "targets changed", "reporter/0300_targets_changed.sql"),
    migration!(310, "room for updates", each "reporter/0310_room_for_updates.sql"),
];

/// What the reporter keeps as JSON, beside the payloads of its effects. Decisions carry their schema; audit rows are chained
/// byte for byte, so theirs is the only form; hops' data, vendors' answers and first answers are kept as they were said.
pub const DOCUMENTS: &[Form] = &[Form::of::<TargetState>(), Form::of::<Incident>()];

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    coming: Arc<Coming>,
}

impl Store {
    /// Over an open database with [`MIGRATIONS`] applied.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, coming: Arc::default() }
    }

    /// What cannot wait: decisions on their way in, commands that are about to start.
    #[must_use]
    pub fn precedence(&self) -> &Precedence {
        self.db.precedence()
    }
}

/// What a plan is given besides the state: ids it may use, and what recording the outcome did.
#[derive(Debug, Clone)]
pub struct Given {
    pub new_incident: IncidentId,
    /// The target's version once this change is committed.
    pub version: u64,
    /// The storm that an incident opens in.
    pub storm: Option<Storm>,
    /// Set when an outcome is settled.
    pub recorded: Option<Recorded>,
    /// Whether a command that the plan asks for is begun right after the commit.
    pub begins: bool,
}

/// Decides, under the target's lock. Called again with the real id when it opened an incident, and when its command begins; no
/// side effects.
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
    /// A dead effect that is told of, once.
    pub lost: Option<&'a str>,
    /// In which so many incidents are a storm.
    pub window: Duration,
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
    /// A decision was taken in under this id that says something else (SLO-9).
    Differs,
    /// Nothing changed, except that an outcome may have been recorded.
    Rejected {
        rejection: Rejection,
        recorded: Option<Recorded>,
    },
    /// The key was used for something else.
    KeyReused,
    UnknownTarget,
    UnknownIncident,
    /// The effect is not dead, or was told of.
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
