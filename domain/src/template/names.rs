//! The placeholders that texts may use.

/// What `ok` and `warn` texts may use, beside the policy's `values`.
pub const DECISION: [&str; 9] =
    ["target", "title", "phase", "epoch", "window", "verdict", "metric", "decision", "certainty"];

/// What `incident` texts may use, beside the policy's `values`.
pub const INCIDENT: [&str; 14] = [
    "target",
    "title",
    "phase",
    "epoch",
    "window",
    "verdict",
    "metric",
    "decision",
    "certainty",
    "observed",
    "threshold",
    "incident",
    "cmd",
    "priority",
];

/// What `rollback` texts and the runbook may use.
pub const ROLLBACK: [&str; 19] = [
    "target",
    "title",
    "phase",
    "prev",
    "incident",
    "cmd",
    "command",
    "metric",
    "reason",
    "observed",
    "threshold",
    "window",
    "initiator",
    "started_at",
    "recovery_watch",
    "recovery_cadence",
    "approver",
    "escalate_to",
    "escalation_channel",
];
