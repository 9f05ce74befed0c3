//! What people can do by pressing a button under a message. A button says all of what it does: an approval of
//! another epoch, phase or policy than it was shown for is refused.

use serde::{Deserialize, Serialize};
use shared_types::{Epoch, IncidentId, PhaseId, TargetName};

use crate::rollout::{Notice, NoticeKind};

/// An act behind a button; the button's value is this as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "act", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ButtonAct {
    Acknowledge { incident: IncidentId },
    Approve { target: TargetName, role: String, phase: PhaseId, epoch: Epoch, policy_version: String },
}

impl ButtonAct {
    /// Unique among the buttons of a message.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Acknowledge { .. } => "acknowledge".to_owned(),
            Self::Approve { role, .. } => format!("approve:{role}"),
        }
    }

    /// What stands on it.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Acknowledge { .. } => "Acknowledge".to_owned(),
            Self::Approve { role, .. } => format!("Approve as {role}"),
        }
    }
}

/// The buttons under a notice.
#[must_use]
pub fn of(target: &TargetName, notice: &Notice) -> Vec<ButtonAct> {
    match (&notice.kind, &notice.incident) {
        (
            NoticeKind::Incident
            | NoticeKind::StillHeld(_)
            | NoticeKind::Escalation
            | NoticeKind::RollbackWaiting
            | NoticeKind::Unproven { .. }
            | NoticeKind::RollbackFailed { .. }
            | NoticeKind::GivenUp(_),
            Some(incident),
        ) => vec![ButtonAct::Acknowledge { incident: incident.clone() }],
        (NoticeKind::ApprovalAsked(asked), _) => {
            let approve = |role: &String| ButtonAct::Approve {
                target: target.clone(),
                role: role.clone(),
                phase: notice.phase.clone(),
                epoch: asked.epoch,
                policy_version: asked.policy_version.clone(),
            };
            asked.roles.iter().map(approve).collect()
        }
        _ => Vec::new(),
    }
}
