//! One step of an incident, with its facts.
//!
//! The log stores a hop as JSON under the tag `hop`, flat, so that whoever shows it can make a sentence of any language from
//! it. Where one kind has several sentences, the field `how` says which. Fields are only ever added, and optional then: a form
//! that is not known here, and what was stored before hops had data, is read as [`Told`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{EnumDiscriminants, EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::decision::{Cause, Verdict};
use crate::incident::{Recommendation, TimelineEntry};
use crate::{Epoch, IncidentId, PhaseId, TargetName, Timestamp, Window};

/// The tag in the stored form.
const TAG: &str = "hop";

/// What happened. The name of a variant in `snake_case` is its stable name, as `kind` on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EnumDiscriminants)]
#[serde(tag = "hop", rename_all = "snake_case")]
#[strum_discriminants(
    name(HopKind),
    derive(strum::Display, EnumIter, EnumString, IntoStaticStr),
    strum(serialize_all = "snake_case"),
    doc = "Kinds of [`Hop`]."
)]
pub enum Hop {
    /// The window that violated was over.
    BatchWindowEnded {
        window: Window,
    },
    /// The analyzer judged it.
    Decided {
        decision: Uuid,
        window: Window,
        verdict: Verdict,
        cause: Cause,
    },
    DecisionReceived(Heard),
    /// Of another epoch or phase: kept, not gated (PH-8).
    DecisionStale(Heard),
    /// A further violation of an incident that is open.
    ViolationJoined(Heard),
    /// People were told again of a hold that does not end (JU-9g).
    StillHeld(StillHeld),
    IncidentOpened {
        incident: IncidentId,
    },
    /// With `before` others in its window: it shares the page of the one that began the storm (NO-9).
    StormJoined {
        begun_by: IncidentId,
        before: u64,
    },
    Acknowledged {
        how: Acknowledgement,
        by: String,
        acknowledged_at: Timestamp,
    },
    Escalated {
        how: EscalationReason,
        priority: String,
    },
    RollbackRequested {
        transition: Uuid,
        by: String,
        from: PhaseId,
        to: PhaseId,
        reason: String,
    },
    /// A move's command has started, up or down; the rollback follows it. The names are stored: they are of when only a
    /// violation overtook a command.
    WaitingForPromotion {
        transition: Uuid,
        to: PhaseId,
    },
    /// That command has ended; its move does not count.
    PromotionSuperseded {
        transition: Uuid,
        to: PhaseId,
    },
    RollbackWaiting {
        transition: Uuid,
        #[serde(flatten)]
        hold: Hold,
    },
    RollbackReleased {
        transition: Uuid,
    },
    RollbackRetried {
        transition: Uuid,
        by: String,
    },
    RollbackFailed {
        transition: Uuid,
        attempts: u32,
        reason: String,
    },
    /// The flag system serves something else than the phase on record (RB-11).
    Drifted {
        phase: PhaseId,
        served: String,
    },
    /// It serves the phase on record again.
    DriftOver {
        phase: PhaseId,
    },
    /// A move up has used up its retries, or was read back as not made (PH-10).
    MoveFailed {
        transition: Uuid,
        to: PhaseId,
        attempts: u32,
        reason: String,
    },
    /// The collector holds its windows.
    CollectionStopped {
        transition: Uuid,
    },
    CollectionStopPending {
        transition: Uuid,
        reason: String,
    },
    CommandStarted {
        transition: Uuid,
        attempt: u32,
        /// What was started, in one line.
        command: String,
    },
    CommandFinished {
        transition: Uuid,
        /// How it ended, in a few words.
        summary: String,
        duration_ms: u64,
        /// The executor's own figures.
        #[serde(flatten)]
        facts: serde_json::Map<String, Value>,
    },
    CommandFailed {
        transition: Uuid,
        attempt: u32,
        next: Timestamp,
        reason: String,
    },
    /// What the verify command read back.
    Verified {
        transition: Uuid,
        phase: String,
    },
    PhaseChanged {
        from: PhaseId,
        to: PhaseId,
        epoch: Epoch,
    },
    /// The rollback's text, as it went into the runbook log. On the wire its kind is the id of the text's template.
    RollbackTold {
        transition: Uuid,
        template: String,
        text: String,
    },
    DirectiveDelivered(Directed),
    /// A newer directive made it needless.
    DirectiveSuperseded(Directed),
    WatchStarted {
        until: Timestamp,
    },
    WatchBatch {
        decision: Uuid,
        window: Window,
        verdict: Verdict,
        compliant: u32,
        violations: u32,
    },
    WatchFailed {
        how: WatchFailure,
    },
    Recovered {
        how: Recovery,
    },
    /// Recovered, and the root cause analysis is confirmed.
    Closed,
    NotificationSent(Sent),
    /// No vendor is configured: it went into the log only.
    NotificationLogged(Sent),
    PageResolved,
    PageResolutionLogged,
    /// At the pager; the incident goes on.
    PageResolvedByPerson {
        by: String,
    },
    RcaPrepared {
        file: String,
    },
    RcaReminded {
        due_at: Timestamp,
    },
    RcaSubmitted {
        how: InTime,
        by: String,
        link: Option<String>,
    },
    RcaConfirmed {
        by: String,
        comment: String,
    },
    ReviewOpened {
        how: Recommendation,
        due_at: Timestamp,
    },
    ReviewDecided {
        how: Ruling,
        by: String,
        incident: IncidentId,
        comment: String,
        transition: Option<Uuid>,
    },
    /// The RCA was confirmed before the review was decided.
    ReviewVoid,
    EvidenceSigned {
        by: String,
        item: String,
        comment: Option<String>,
        link: Option<String>,
        task: Option<String>,
    },
    EvidenceTaskDone {
        by: String,
        item: String,
        task: String,
    },
    Frozen {
        by: String,
        reason: String,
    },
    Unfrozen {
        by: String,
        reason: Option<String>,
    },
    /// An effect is not tried any more, and how people learn of that (NO-7).
    GivenUp {
        how: ToldBy,
        effect: String,
        /// Of its row.
        what: String,
        lane: String,
        reason: String,
    },
    /// What has no data here.
    #[serde(skip)]
    Told(Told),
}

/// A decision that reached the incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    pub decision: Uuid,
    pub window: Window,
    pub phase: PhaseId,
    pub epoch: Epoch,
    /// Names of metrics; none where the cause is another.
    pub violated: Vec<String>,
    pub cause: Cause,
}

/// A hold because the control group is as bad as the feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StillHeld {
    /// In a row.
    pub windows: u64,
    /// The move up that the stay began with, and how long before the first of these windows it ended, in milliseconds; none, if
    /// it began with another move.
    pub from: Option<PhaseId>,
    pub to: Option<PhaseId>,
    pub before_ms: Option<u64>,
}

/// What the collector was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Directed {
    pub phase: PhaseId,
    pub collect: bool,
    pub sequence: u64,
}

/// What people were told, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    pub notification: Uuid,
    pub channel: String,
    /// Of a page.
    pub priority: Option<String>,
}

/// A hop as it was put into words when it happened, by a release that stored no data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    pub kind: String,
    pub detail: String,
    /// What it links, see [`Links`].
    pub links: Value,
}

/// Which acknowledgement it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledgement {
    First,
    /// News overtook each other: this one happened before the one known so far.
    LearnedLate,
    AfterEscalation,
}

/// Why the page was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum EscalationReason {
    Unacknowledged,
    RollbackFailed,
    /// The budget of automatic rollbacks is spent, or a storm holds them.
    RollbackWaiting,
}

/// What a required rollback waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Hold {
    /// Until somebody unfreezes the target.
    Frozen { by: String, reason: String, target: TargetName },
    /// As many as the policy allows have started by themselves; `per` as the policy writes it.
    Budget { most: u64, per: String, until: Timestamp },
    /// It was asked for in a storm of incidents (NO-9): until a person rolls `target` back from `phase`.
    Storm { target: TargetName, phase: PhaseId },
}

/// How a recovery watch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum WatchFailure {
    /// No window violated; put together they are over a limit by more than chance.
    OverLimit,
    /// No batch confirmed the recovery in time.
    Silent,
    /// A batch violated.
    Violated,
}

/// What confirmed a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Every judged batch of the watch was compliant.
    Watched,
    /// Nothing was rolled back: compliant for as long as a recovery watch lasts.
    Covered,
    /// Nobody is served any more.
    NobodyServed,
    /// Nothing violated, and too little was seen, or it was over a limit by no more than chance: a person looks (JU-11).
    Unproven,
    /// The flag system serves the phase on record again.
    Restored,
}

/// Through which other way people learn of an effect that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// A message was lost: somebody is paged.
    Page,
    /// A page or a document was lost: a message says so.
    Message,
    /// By what stands in the log, the status and the readiness alone.
    Nobody,
}

/// Whether something came before it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum InTime {
    InTime,
    Late,
}

/// What governance decided of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    Approved,
    Declined,
}

/// What a hop was about, told with data or without.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Links {
    pub decision: Option<Uuid>,
    pub transition: Option<Uuid>,
    pub notification: Option<Uuid>,
}

impl Hop {
    /// What is stored, read: `kind` and `detail` serve where the data is of no form known here.
    #[must_use]
    pub fn read(kind: &str, detail: &str, data: Value) -> Self {
        match data.get(TAG).and_then(|_| Self::deserialize(&data).ok()) {
            Some(typed) => typed,
            None => Self::Told(Told { kind: kind.to_owned(), detail: detail.to_owned(), links: data }),
        }
    }

    /// Its stable name on the wire.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Told(it) => &it.kind,
            Self::RollbackTold { template, .. } => template,
            typed => HopKind::from(typed).into(),
        }
    }

    /// Whether it is one of that kind, told with data or without.
    #[must_use]
    pub fn is(&self, kind: HopKind) -> bool {
        self.kind() == <&str>::from(kind)
    }

    /// Facts and links, as stored and on the wire.
    ///
    /// # Errors
    /// None that a hop of this program could cause.
    pub fn data(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Told(it) => Ok(it.links.clone()),
            typed => serde_json::to_value(typed),
        }
    }
}

impl TimelineEntry {
    /// What happened, as data.
    #[must_use]
    pub fn hop(&self) -> Hop {
        Hop::read(&self.kind, &self.detail, self.data.clone())
    }

    /// Whether it is one of that kind, told with data or without.
    #[must_use]
    pub fn is(&self, kind: HopKind) -> bool {
        self.kind == <&str>::from(kind)
    }

    /// What it was about.
    #[must_use]
    pub fn links(&self) -> Links {
        Links::deserialize(&self.data).unwrap_or_default()
    }
}
