//! How a target stands: what there is to say, how urgent it is, and who may do something about it. Which of it is so,
//! [`stands`](super::stands) decides.

use serde::{Deserialize, Serialize};
use shared_types::standing::Severity;
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp};
use strum::{EnumDiscriminants, EnumIter, IntoStaticStr};

use crate::role;

/// What is said of a target, the most urgent first. The name of a variant in `snake_case` is its stable code on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, EnumDiscriminants)]
#[serde(tag = "code", rename_all = "snake_case")]
#[strum_discriminants(
    name(StandingCode),
    derive(EnumIter, IntoStaticStr, PartialOrd, Ord),
    strum(serialize_all = "snake_case"),
    doc = "Codes of [`Standing`]."
)]
pub enum Standing {
    /// A move down has used up its retries.
    RollbackFailed {
        target: TargetName,
        phase: PhaseId,
        to: PhaseId,
        attempts: u32,
        output: String,
    },
    /// The store does not know what a neighbour was told: decisions wait (OP-3).
    StoreBehind {
        phase: PhaseId,
        told_by: String,
        since: Timestamp,
    },
    /// Users have it, and nothing is collected.
    NotMeasured {
        phase: PhaseId,
    },
    /// Nobody has taken the open incident on.
    IncidentOpen {
        incident: IncidentId,
        phase: PhaseId,
    },
    /// A required rollback does not start by itself.
    RollbackWaits {
        target: TargetName,
        phase: PhaseId,
        to: PhaseId,
        why: String,
    },
    /// The newest move up has used up its retries.
    MoveFailed {
        target: TargetName,
        phase: PhaseId,
        to: PhaseId,
        attempts: u32,
        output: String,
    },
    /// The flag system serves something else than the phase on record.
    Drifted {
        target: TargetName,
        phase: PhaseId,
        served: String,
        since: Timestamp,
    },
    /// What the flag system serves cannot be read.
    ServedUnread {
        phase: PhaseId,
        since: Timestamp,
        reason: String,
    },
    /// A verdict should have come.
    Silent {
        phase: PhaseId,
        expected_by: Timestamp,
    },
    /// The newest window proves nothing.
    WithoutData {
        phase: PhaseId,
    },
    /// The newest window is beyond a limit, which holds the promotion.
    Held {
        phase: PhaseId,
        metrics: Vec<String>,
    },
    /// The newest window is beyond a limit, and that may be chance.
    Unsure {
        phase: PhaseId,
        metrics: Vec<String>,
    },
    /// A command is under way.
    Moving {
        phase: PhaseId,
        to: PhaseId,
    },
    /// Somebody has taken the open incident on; its recovery is not confirmed.
    Watching {
        incident: IncidentId,
        phase: PhaseId,
        by: String,
    },
    /// Nothing moves by itself.
    Frozen {
        target: TargetName,
        phase: PhaseId,
        by: String,
        reason: String,
    },
    /// All but people's part is there.
    Asked {
        target: TargetName,
        phase: PhaseId,
        next: PhaseId,
        roles: Vec<String>,
    },
    /// Within the limits, and not by much.
    NearLimit {
        phase: PhaseId,
        metrics: Vec<String>,
    },
    /// The first window of the stay is not over.
    Waiting {
        phase: PhaseId,
    },
    Healthy {
        phase: PhaseId,
    },
    Off,
    Completed,
}

impl Standing {
    /// Its stable code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        StandingCode::from(self).into()
    }

    /// Roles of which anyone may do what it asks for; none: nobody is asked.
    #[must_use]
    pub fn who(&self) -> &'static [&'static str] {
        match self {
            Self::RollbackFailed { .. } => &role::MAY_RETRY,
            Self::RollbackWaits { .. } | Self::Drifted { .. } | Self::Frozen { .. } => &role::MAY_STOP,
            Self::IncidentOpen { .. } | Self::MoveFailed { .. } | Self::Asked { .. } => &role::MAY_OPERATE,
            _ => &[],
        }
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::RollbackFailed { .. }
            | Self::StoreBehind { .. }
            | Self::NotMeasured { .. }
            | Self::IncidentOpen { .. }
            | Self::RollbackWaits { .. }
            | Self::Silent { .. } => Severity::Critical,
            Self::MoveFailed { .. }
            | Self::Drifted { .. }
            | Self::ServedUnread { .. }
            | Self::WithoutData { .. }
            | Self::Held { .. }
            | Self::Unsure { .. }
            | Self::Moving { .. }
            | Self::Watching { .. }
            | Self::NearLimit { .. } => Severity::Warning,
            Self::Frozen { .. } | Self::Asked { .. } => Severity::Asked,
            Self::Waiting { .. } | Self::Healthy { .. } => Severity::Ok,
            Self::Off | Self::Completed => Severity::Idle,
        }
    }
}
