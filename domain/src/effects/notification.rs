//! What was told to people, kept with its text, channel, attempts and outcome (NO-5).

use serde::Serialize;
use shared_types::{IncidentId, TargetName, Timestamp};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};
use utoipa::ToSchema;
use uuid::Uuid;

/// A notification as it is written down, before the first attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub id: Uuid,
    pub target: TargetName,
    pub kind: NotificationKind,
    /// An address as it is kept, or the name of what pages.
    pub channel: String,
    pub text: String,
    pub incident: Option<IncidentId>,
    pub decision: Option<Uuid>,
}

/// Which text it is, by its stable name in rows and metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NotificationKind {
    Ok,
    Warn,
    Gap,
    Vanished,
    Hold,
    Incident,
    StillHeld,
    Escalation,
    RollbackFailed,
    RollbackWaiting,
    Unproven,
    Storm,
    Drifted,
    DriftOver,
    ServedUnread,
    MoveFailed,
    Rollback,
    Page,
    ApprovalAsked,
    Frozen,
    Unfrozen,
    RcaReminder,
    ReviewOpened,
    ReviewDecided,
    Daily,
    GivenUp,
    StoreBehind,
}

/// A notification and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NotificationView {
    pub id: Uuid,
    pub target: TargetName,
    /// `ok`, `warn`, `gap`, `vanished`, `hold`, `incident`, `still_held`, `escalation`, `rollback_failed`, `rollback_waiting`, `unproven`,
    /// `storm`, `drifted`, `drift_over`, `served_unread`, `move_failed`, `rollback`, `page`, `approval_asked`, `frozen`, `unfrozen`, `rca_reminder`,
    /// `review_opened`, `review_decided`, `daily`, `given_up`, `store_behind`.
    pub kind: String,
    /// An address as it is kept, or the name of what pages.
    pub channel: String,
    /// As sent.
    pub text: String,
    pub incident: Option<IncidentId>,
    pub decision: Option<Uuid>,
    pub state: NotificationState,
    /// Attempts that have ended, whatever came of them.
    pub attempts: u32,
    /// Of these, how many may have reached the receiver without an answer; a resend after one may be a duplicate.
    pub unknowns: u32,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    /// What the receiver answered.
    pub outcome: Option<serde_json::Value>,
    pub last_error: Option<String>,
}

/// What became of a notification.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    serde::Deserialize,
    ToSchema,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NotificationState {
    /// On its way.
    Pending,
    Sent,
    /// No receiver is configured: it stands in the log only (NO-6).
    Logged,
    /// Given up; its effect can be retried.
    Failed,
}

impl NotificationState {
    /// As stored and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
