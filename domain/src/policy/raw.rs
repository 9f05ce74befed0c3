//! The shape of the policy file: what the YAML reader fills and what the JSON Schema is generated from.
//!
//! Numbers are kept as texts with their places; `check` turns them into the types of the parent module. The doc
//! comments here are the descriptions in the schema and in `docs/policy.md`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use shared_types::decision::ViolationAction;

use super::at::{At, Entries};
use super::part::Keys;

/// Scalars that are read as texts, each with the form that the schema asks for.
macro_rules! text_form {
    ($(#[$doc:meta])* $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        pub struct $name(pub String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_form! {
    Dur,
    { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$",
      "description": "A duration: `500ms`, `30s`, `15m`, `24h`, `400d`; at most ten years." }
}
text_form! {
    Kept,
    { "type": "string", "pattern": r"^(forever|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$",
      "description": "A duration such as `400d`, or `forever`." }
}
text_form! {
    Ratio,
    { "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$" }],
      "description": "A ratio: `0.8` or `80%`." }
}
text_form! {
    Threshold,
    { "anyOf": [{ "type": "number", "minimum": 0 },
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|%)$" }],
      "description": "In the unit its metric is shown in: `2.5s`, `1.0%`, a plain number, or `0`." }
}
text_form! {
    Decimal,
    { "type": "number", "minimum": 0, "description": "A decimal number." }
}
text_form! {
    Whole,
    { "type": "integer", "minimum": 0, "description": "A whole number." }
}

/// Every number, name, channel, role and command of Phasegate's rollouts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Phasegate policy")]
pub(super) struct RawPolicy {
    /// Version of the format: 1.
    pub(super) version: At<Whole>,
    /// The features under rollout, by name.
    pub(super) targets: At<Entries<RawTarget>>,
    /// How long history is kept.
    pub(super) retention: RawRetention,
}

/// One feature under rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget {
    /// Its name for people.
    pub(super) title: At<String>,
    /// Where its events come from and how they are cut into batches.
    pub(super) collection: RawCollection,
    /// What the gate looks at, by name, made from what the collector counted.
    pub(super) metrics: At<Entries<RawMetric>>,
    /// How metrics are judged.
    pub(super) gate: RawGate,
    /// The steps of the rollout, lowest first; `off` below and `completed` above them are implicit.
    pub(super) phases: At<Vec<At<RawPhase>>>,
    /// How a phase is changed.
    pub(super) transitions: RawTransitions,
    /// Which message goes where.
    pub(super) notifications: RawNotifications,
    /// How people are paged.
    pub(super) paging: RawPaging,
    /// What is asked for after an incident.
    pub(super) rca: RawRca,
    /// The checklist of each incident; no phase moves up while it is incomplete.
    #[serde(default)]
    pub(super) evidence: Vec<At<RawEvidence>>,
}

/// Where events come from and how they are cut into batches.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCollection {
    /// Where events are read from; pushed events are accepted beside it.
    pub(super) source: At<RawSource>,
    /// Length of the window one batch covers, aligned to the clock; at least 1 s.
    pub(super) window: At<Dur>,
    /// How long after a window's end the collector waits for stragglers; shorter than the window.
    pub(super) grace: At<Dur>,
    /// A batch not delivered so long after its window's end is reported as delayed; longer than `grace`.
    pub(super) delayed_after: At<Dur>,
    /// Waits before each retry of a source or a delivery that failed; after the last, `collector.retry_exhausted`.
    pub(super) retry: Vec<At<Dur>>,
    /// How long one read of a source may take.
    pub(super) source_timeout: At<Dur>,
}

/// Exactly one kind of source, with its settings.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct RawSource(pub(super) Keys);

/// One kind of metric, with the keys that belong to it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct RawMetric(pub(super) Keys);

/// Of what the kinds fill in, the schema holds a place with a description (see `schema`).
macro_rules! place_of_kinds {
    ($name:ident, $description:literal) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "description": $description })
            }
        }
    };
}
place_of_kinds!(RawSource, "Exactly one of them.");
place_of_kinds!(RawMetric, "One kind of metric: the key that names it, and those that belong to it.");

/// How metrics are judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGate {
    /// A warning is due above this part of a threshold; between 0 and 1.
    pub(super) warn_ratio: At<Ratio>,
    /// With fewer saves than this, quantiles and ratios of a batch are `insufficient`.
    pub(super) min_samples: At<Whole>,
    /// What each metric's violation leads to: `rollback`, `page` (an incident, no rollback) or `hold` (blocks promotion).
    pub(super) on_violation: At<Entries<ViolationAction>>,
}

/// One step of the rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPhase {
    /// Unique; not `off` and not `completed`.
    pub(super) id: At<String>,
    /// Its name for people.
    pub(super) name: At<String>,
    /// Share of the users who have the feature; never less than in the phase before.
    pub(super) audience: At<Ratio>,
    /// The highest compliant value of each metric.
    pub(super) thresholds: At<Entries<Threshold>>,
    /// What it takes to move up.
    pub(super) advance: At<RawAdvance>,
}

/// What it takes to move up: exactly one of `compliant_batches` and `compliant_for`, and the rest that is named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["compliant_batches"] }, { "required": ["compliant_for"] }]))]
pub(super) struct RawAdvance {
    /// So many compliant batches in a row.
    pub(super) compliant_batches: Option<At<Whole>>,
    /// So much covered, compliant window time in a row.
    pub(super) compliant_for: Option<At<Dur>>,
    /// At most so many incidents or pages in this stay in the phase.
    pub(super) critical_alerts: Option<At<Whole>>,
    /// At most so many incident notifications in the time of the condition.
    pub(super) incident_notifications: Option<At<Whole>>,
    /// Roles that must approve, each of them.
    #[serde(default)]
    pub(super) approvals: Vec<At<String>>,
}

/// How a phase is changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransitions {
    /// Run to go one phase down.
    pub(super) rollback: RawCommand,
    /// Run to go one phase up.
    pub(super) promote: RawCommand,
    /// A command whose output must be the phase that is now served; null: not read back.
    pub(super) verify: Option<RawCommand>,
    /// How long a command may run before it and its children are ended.
    pub(super) timeout: At<Dur>,
    /// Waits before each retry of a command that failed; after the last, the incident escalates.
    pub(super) retry: Vec<At<Dur>>,
    /// What follows a rollback.
    pub(super) recovery: RawRecovery,
    /// How many rollbacks may start by themselves; without it 6 per 24h.
    pub(super) budget: Option<RawBudget>,
}

/// How many rollbacks may start by themselves in how much time. The next one waits, and a person is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudget {
    /// So many; from 1 to 1000.
    pub(super) automatic_rollbacks: At<Whole>,
    /// In so much time, counted back from now.
    pub(super) per: At<Dur>,
}

/// A command, started without a shell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    /// Program and arguments; placeholders `{target}` `{phase}` `{prev}` `{next}` `{audience}` `{incident}` `{reason}`.
    pub(super) command: At<Vec<At<String>>>,
}

/// The watch after a rollback.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecovery {
    /// How long every batch must be compliant for the incident to be recovered.
    pub(super) watch: At<Dur>,
    /// Length of a window during the watch; at least 1 s, longer than `grace`, at most the watch.
    pub(super) cadence: At<Dur>,
}

/// Which message goes where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotifications {
    /// Directory of the texts, relative to the working directory: `<id>.txt` each, `rollback.md` and `rca.md`.
    pub(super) templates: At<String>,
    /// Placeholders that stand for a metric's observed value, and the metric.
    #[serde(default)]
    pub(super) values: Entries<String>,
    /// After a batch without findings.
    pub(super) ok: RawNotification,
    /// After a batch near its limits.
    pub(super) warn: RawNotification,
    /// When an incident opens.
    pub(super) incident: RawNotification,
    /// When a rollback starts.
    pub(super) rollback: RawNotification,
    /// Where an incident that nobody acknowledged is told again; a Slack channel.
    pub(super) escalation_channel: At<String>,
    /// The daily report, if one is wanted.
    pub(super) daily_report: Option<RawDailyReport>,
}

/// One kind of message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotification {
    /// Id of the text: its file name without `.txt`.
    pub(super) template: At<String>,
    /// A Slack channel such as `#incident`, or `runbook` for the runbook log.
    pub(super) channel: At<String>,
    /// The phases in which it is sent by itself.
    pub(super) phases: Vec<At<String>>,
}

/// The daily report.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDailyReport {
    /// The phases in which it is made by itself.
    pub(super) phases: Vec<At<String>>,
    /// Local time of day, `HH:MM`.
    pub(super) at: At<String>,
    /// IANA name of the time zone, such as `Asia/Tokyo`.
    pub(super) time_zone: At<String>,
    /// A Slack channel, or `runbook`.
    pub(super) channel: At<String>,
}

/// How people are paged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPaging {
    /// Name of the service that the page is about.
    pub(super) service: At<String>,
    /// Priority of a new incident, `P1` (highest) to `P5`.
    pub(super) priority: At<String>,
    /// The checklist's target for an acknowledgement.
    pub(super) acknowledge_within: At<Dur>,
    /// Not acknowledged for so long: the priority becomes `escalate_to`; not before `acknowledge_within`.
    pub(super) escalate_after: At<Dur>,
    /// Priority after the escalation; not below `priority`.
    pub(super) escalate_to: At<String>,
}

/// What is asked for after an incident.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRca {
    /// How long after its opening an incident's root cause analysis must be there.
    pub(super) due: At<Dur>,
    /// The role that confirms it.
    pub(super) approver: At<String>,
    /// What happens when it is overdue.
    pub(super) overdue: RawOverdue,
}

/// What happens when the root cause analysis is overdue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverdue {
    /// What the review that then opens recommends.
    pub(super) propose: At<RawProposal>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawProposal {
    /// One phase back.
    Rollback,
}

/// One item of an incident's checklist.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvidence {
    /// Unique name.
    pub(super) item: At<String>,
    /// The role that signs it.
    pub(super) owner: At<String>,
    /// Whether the system fills it in by itself.
    #[serde(default)]
    pub(super) auto: bool,
    /// Items, listed before this one, that must be done first.
    #[serde(default)]
    pub(super) after: Vec<At<String>>,
}

/// How long history is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetention {
    /// Batches.
    pub(super) batches: At<Kept>,
    /// Decisions.
    pub(super) decisions: At<Kept>,
    /// Notifications.
    pub(super) notifications: At<Kept>,
    /// The audit log.
    pub(super) audit: At<Kept>,
}
