//! What fills the templates: decisions, incidents and rollbacks put into words and numbers for people.
//!
//! Each function fills every placeholder of its kind; what is not known is `n/a`, never an empty text, `NaN` or `null`.

use shared_types::decision::{Decision, MetricVerdict};
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp, Window};

use crate::placeholder::Values;
use crate::policy::{Notifications, TargetPolicy};
use crate::story::certainty;
use crate::story::figures::{NOT_KNOWN, format_duration, format_number, observed};

/// The values of an `ok` or `warn` text.
#[must_use]
pub fn decision_values(target: &TargetPolicy, decision: &Decision) -> Values {
    let mut values = metric_values(&target.notifications, &decision.metrics);
    let metric = worst_metric(decision);
    let fixed = [
        ("target", decision.target.to_string()),
        ("title", target.title.clone()),
        ("phase", decision.phase.to_string()),
        ("epoch", decision.epoch.to_string()),
        ("window", decision.window.to_string()),
        ("verdict", decision.verdict.as_str().to_owned()),
        ("metric", metric),
        ("decision", decision.decision_id.to_string()),
        ("certainty", certainty::of_decision(decision)),
    ];
    values.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    values
}

/// The values of an `incident` text. `cmd` is the human form of the rollback, [`rollback_command_text`].
#[must_use]
pub fn incident_values(
    target: &TargetPolicy,
    decision: &Decision,
    incident: &IncidentId,
    priority: &str,
    cmd: &str,
) -> Values {
    let mut values = decision_values(target, decision);
    let worst = decision.violated.first();
    let metric = decision.metrics.iter().find(|metric| Some(&metric.metric) == worst);
    let (observed, threshold) = observed_and_threshold(metric);
    let fixed = [
        ("incident", incident.to_string()),
        ("priority", priority.to_owned()),
        ("cmd", cmd.to_owned()),
        ("observed", observed),
        ("threshold", threshold),
    ];
    values.extend(fixed.map(|(name, value)| (name.to_owned(), or_not_known(&value))));
    values
}

/// What a rollback text is written from.
#[derive(Debug, Clone, Copy)]
pub struct RollbackFacts<'a> {
    pub target: &'a TargetName,
    /// The phase that is left and the one to reach.
    pub from: &'a PhaseId,
    pub to: &'a PhaseId,
    /// None: a rollback by hand, without an incident.
    pub incident: Option<&'a IncidentId>,
    /// The decision that asked for it; none for one by hand.
    pub decision: Option<&'a Decision>,
    /// Why, in words; also stands for the metric if there is no decision.
    pub reason: &'a str,
    /// Who started it: a person's name, or `reporter`.
    pub initiator: &'a str,
    /// What is done, in its executor's words.
    pub command: &'a str,
    pub started_at: Timestamp,
}

/// The values of a `rollback` text and of the runbook.
#[must_use]
pub fn rollback_values(target: &TargetPolicy, facts: &RollbackFacts<'_>) -> Values {
    let metric = facts.decision.map_or_else(|| facts.reason.to_owned(), worst_metric);
    let verdict = facts.decision.and_then(|decision| decision.metrics.iter().find(|m| m.metric == metric));
    let (observed, threshold) = observed_and_threshold(verdict);
    let window: Option<Window> = facts.decision.map(|decision| decision.window);
    let fixed = [
        ("target", facts.target.to_string()),
        ("title", target.title.clone()),
        ("phase", facts.from.to_string()),
        ("prev", facts.to.to_string()),
        ("incident", facts.incident.map(ToString::to_string).unwrap_or_default()),
        ("cmd", rollback_command_text(facts.target, facts.from, facts.reason)),
        ("command", facts.command.to_owned()),
        ("metric", metric),
        ("reason", facts.reason.to_owned()),
        ("observed", observed),
        ("threshold", threshold),
        ("window", window.map(|window| window.to_string()).unwrap_or_default()),
        ("initiator", facts.initiator.to_owned()),
        ("started_at", facts.started_at.to_string()),
        ("recovery_watch", format_duration(target.transitions.recovery_watch)),
        ("recovery_cadence", format_duration(target.transitions.recovery_cadence)),
        ("approver", target.rca.approver.clone()),
        ("escalate_to", target.paging.escalate_to.clone()),
        ("escalation_channel", target.notifications.escalation_channel.to_string()),
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), or_not_known(&value))).collect()
}

/// The policy's `values`, e.g. `p95`: the observed value of the metric each names, in its own unit.
#[must_use]
pub fn metric_values(notifications: &Notifications, metrics: &[MetricVerdict]) -> Values {
    let seen = |name: &str| {
        observed(metrics.iter().find(|metric| metric.metric == name)?, |value| format_number(Some(value)))
    };
    let seen = |name: &str| seen(name).unwrap_or_else(|| NOT_KNOWN.to_owned());
    notifications.values.iter().map(|(placeholder, metric)| (placeholder.clone(), seen(metric))).collect()
}

/// The metric a decision is about: the worst violated one, else the one nearest its threshold, else the cause.
#[must_use]
pub fn worst_metric(decision: &Decision) -> String {
    let nearest = || {
        let judged = decision.metrics.iter().filter(|metric| metric.verdict == decision.verdict);
        let judged = judged.filter(|metric| !metric.on_violation.is_advisory());
        judged.max_by(|a, b| a.used().unwrap_or(0.0).total_cmp(&b.used().unwrap_or(0.0)))
    };
    let metric = decision.violated.first().or_else(|| nearest().map(|metric| &metric.metric));
    metric.map_or_else(|| decision.cause.as_str().to_owned(), Clone::clone)
}

/// The human form of a rollback (RB-2): `phasegate rollback --target autosave --phase C --reason "… violation"`.
#[must_use]
pub fn rollback_command_text(target: &TargetName, current: &PhaseId, reason: &str) -> String {
    let reason = reason.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
    format!("phasegate rollback --target {target} --phase {current} --reason \"{reason}\"")
}

pub(super) fn observed_and_threshold(metric: Option<&MetricVerdict>) -> (String, String) {
    let with_unit = |value: Option<f64>, unit: &str| match format_number(value) {
        text if text == NOT_KNOWN => text,
        text => format!("{text}{unit}"),
    };
    metric.map_or_else(Default::default, |metric| {
        let written = |value| with_unit(Some(value), &metric.unit);
        let observed = observed(metric, written).unwrap_or_else(|| NOT_KNOWN.to_owned());
        (observed, written(metric.threshold))
    })
}

/// A value is one line of visible text, or `n/a`; what a person typed as a reason may be neither.
fn or_not_known(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    if text.trim().is_empty() { NOT_KNOWN.to_owned() } else { text }
}
