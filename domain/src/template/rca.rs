//! What fills the file of a root cause analysis: timeline, metrics, commands and decisions of an incident (GO-1).
//!
//! Everything that comes from outside is one line of a table or a list, and cannot end the part it stands in.

use std::collections::BTreeSet;

use shared_types::incident::{Incident, IncidentState, TimelineEntry};
use shared_types::story::HopKind;
use shared_types::{Decision, Timestamp};

use super::values::{observed_and_threshold, worst_metric};
use crate::executors::stored::words_of_hop;
use crate::placeholder::Values;
use crate::policy::TargetPolicy;
use crate::policy::units::format_duration;
use crate::story::figures::format_number;

/// What `rca.md` may use.
pub const RCA: [&str; 24] = [
    "incident",
    "target",
    "title",
    "phase",
    "epoch",
    "state",
    "priority",
    "metric",
    "observed",
    "threshold",
    "ratio",
    "window",
    "opened_at",
    "acknowledged",
    "escalated_at",
    "recovered_at",
    "due_at",
    "due",
    "approver",
    "rollback",
    "metrics",
    "commands",
    "decisions",
    "timeline",
];

const NOTHING: &str = "–";
/// Of a timeline longer than this the middle is left out.
const HOPS_AT_EACH_END: usize = 200;

/// What the file is written from.
#[derive(Debug, Clone, Copy)]
pub struct RcaFacts<'a> {
    /// With its timeline.
    pub incident: &'a Incident,
    /// The opening decision, then some of those that joined.
    pub decisions: &'a [Decision],
}

/// The values of `rca.md`.
#[must_use]
pub fn rca_values(target: &TargetPolicy, facts: &RcaFacts<'_>) -> Values {
    let incident = facts.incident;
    let opening = facts.decisions.first();
    let worst = opening.map(worst_metric);
    let metric =
        opening.and_then(|it| it.metrics.iter().find(|metric| Some(&metric.metric) == worst.as_ref()));
    let (observed, threshold) = observed_and_threshold(metric);
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let acknowledged = incident.acknowledged_at.map(|at| {
        let by = incident.acknowledged_by.as_deref().unwrap_or_default();
        let in_time = if incident.acknowledged_in_time == Some(true) { "in time" } else { "late" };
        format!("{at} by {by}, {in_time}")
    });
    let lines = [
        ("incident", incident.id.to_string()),
        ("target", incident.target.to_string()),
        ("title", target.title.clone()),
        ("phase", incident.phase.to_string()),
        ("epoch", incident.epoch.to_string()),
        ("state", state(incident.state).to_owned()),
        ("priority", incident.priority.clone()),
        ("metric", incident.metric.clone()),
        ("observed", observed),
        ("threshold", threshold),
        ("ratio", format_number(metric.and_then(|it| it.ratio))),
        ("window", incident.window.to_string()),
        ("opened_at", incident.opened_at.to_string()),
        ("acknowledged", acknowledged.unwrap_or_default()),
        ("escalated_at", at(incident.escalated_at)),
        ("recovered_at", at(incident.recovered_at)),
        ("due_at", incident.rca.due_at.to_string()),
        ("due", format_duration(target.rca.due)),
        ("approver", target.rca.approver.clone()),
        ("rollback", rollback(incident)),
    ];
    let blocks = [
        ("metrics", metrics(facts.decisions)),
        ("commands", commands(incident)),
        ("decisions", decisions(incident, facts.decisions)),
        ("timeline", timeline(&incident.timeline)),
    ];
    let lines = lines.map(|(name, value)| (name.to_owned(), or_nothing(cell(&value))));
    let blocks = blocks.map(|(name, value)| (name.to_owned(), or_nothing(value)));
    lines.into_iter().chain(blocks).collect()
}

fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "open",
        IncidentState::Recovered => "recovered",
        IncidentState::Closed => "closed",
    }
}

fn rollback(incident: &Incident) -> String {
    let rollback = incident.rollback.as_ref();
    rollback.map(|it| format!("{} → {}: {}", it.from, it.to, it.state.as_str())).unwrap_or_default()
}

/// One line of a table: no line break, no column break, and nothing that opens or closes a comment.
fn cell(text: &str) -> String {
    let text = text.replace(char::is_control, " ").replace('|', "\\|");
    text.replace("<!--", "< !--").replace("-->", "-- >")
}

fn or_nothing(text: String) -> String {
    if text.trim().is_empty() { NOTHING.to_owned() } else { text }
}

fn metrics(decisions: &[Decision]) -> String {
    let mut rows = vec![
        "| window | metric | observed | threshold | ratio | verdict |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for decision in decisions {
        for metric in &decision.metrics {
            let (observed, threshold) = observed_and_threshold(Some(metric));
            rows.push(format!(
                "| {} | {} | {observed} | {threshold} | {} | {} |",
                decision.window,
                cell(&metric.metric),
                format_number(metric.ratio),
                metric.verdict.as_str(),
            ));
        }
    }
    if rows.len() > 2 { rows.join("\n") } else { String::new() }
}

/// What people would type for the newest rollback, and every command that was started, once.
fn commands(incident: &Incident) -> String {
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    if let Some(rollback) = &incident.rollback {
        lines.push(format!("- for people: `{}`", code(&rollback.command)));
    }
    for hop in incident.timeline.iter().filter(|hop| hop.is(HopKind::CommandStarted)) {
        let command = words_of_hop(&hop.data);
        if seen.insert(command.clone()) {
            lines.push(format!("- run at {}: `{}`", hop.at, code(&command)));
        }
    }
    lines.join("\n")
}

/// Fit to stand between backticks.
fn code(text: &str) -> String {
    cell(text).replace('`', "'").replace("\\|", "|")
}

fn decisions(incident: &Incident, known: &[Decision]) -> String {
    const SHOWN: usize = 50;
    let line = |id: &uuid::Uuid| {
        let known = known.iter().find(|it| it.decision_id == *id);
        let about = known.map(|it| format!(": {} in {}", it.verdict.as_str(), it.window)).unwrap_or_default();
        format!("- `{id}`{about} (`phasegate explain {id}`, analyzer `/v1/decisions/{id}`)")
    };
    let mut lines: Vec<String> = incident.decisions.iter().take(SHOWN).map(line).collect();
    let more = incident.decisions.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    lines.join("\n")
}

fn timeline(hops: &[TimelineEntry]) -> String {
    let mut rows = vec!["| time | what | detail |".to_owned(), "| --- | --- | --- |".to_owned()];
    let row = |hop: &TimelineEntry| format!("| {} | {} | {} |", hop.at, cell(&hop.kind), cell(&hop.detail));
    let left_out = hops.len().saturating_sub(2 * HOPS_AT_EACH_END);
    if left_out == 0 {
        rows.extend(hops.iter().map(row));
    } else {
        rows.extend(hops.iter().take(HOPS_AT_EACH_END).map(row));
        rows.push(format!("| … | … | {left_out} entries are left out here |"));
        rows.extend(hops.iter().skip(hops.len() - HOPS_AT_EACH_END).map(row));
    }
    rows.join("\n")
}
