//! What the reporter tells the collector to do for a target.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Epoch, PhaseId, TargetName, Timestamp};

/// What `GET /v1/rollouts/{target}` says of a directive; whoever only asks for that depends on nothing else of the answer,
/// so that it can be read of a reporter of an older release too (OP-6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Directed {
    pub directive: Option<Directive>,
}

/// Phase, epoch, cadence and whether to collect (CO-6). The highest `sequence` wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Directive {
    pub target: TargetName,
    /// The phase served now; `off` and `completed` are not gated.
    pub phase: PhaseId,
    pub epoch: Epoch,
    /// Window length, in milliseconds, until `until`; the policy's window afterwards.
    pub cadence_ms: u64,
    /// False: count what comes, but close no window (RB-5).
    pub collect: bool,
    /// Grows with every directive of a target; an older one is ignored.
    pub sequence: u64,
    /// When the cadence falls back to the policy's window; null = it does not.
    pub until: Option<Timestamp>,
    /// When this stay in the phase began: no window that ended before is of it. A release before 0.1 does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
