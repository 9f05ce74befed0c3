//! The whole evidence of an incident as one Markdown document, fit for a pull request comment (EV-3).

use std::fmt::Write as _;

use shared_types::incident::{
    EvidenceItem, EvidenceState, Incident as IncidentView, RcaFileState, TimelineEntry,
};
use shared_types::{AuditEntry, Decision, Timestamp};

use super::markdown::{block, code};
use crate::effects::notification::NotificationView;
use crate::rollout::Transition;
use crate::story::figures::{format_number, observed};

/// What GitHub takes as a comment, in characters.
pub const LONGEST: usize = 65_536;

/// What a part may take at most; together they stay below [`LONGEST`].
mod share {
    pub(super) const TIMELINE: usize = 14_000;
    pub(super) const DECISIONS: usize = 8_000;
    pub(super) const NOTIFICATIONS: usize = 10_000;
    pub(super) const CHECKLIST: usize = 10_000;
    pub(super) const AUDIT: usize = 6_000;
}

/// Of one value, one text, one output.
const WORD: usize = 120;
const LINE: usize = 400;
const TEXT: usize = 1_500;
const OUTPUT: usize = 2_500;

/// What the document is made of.
#[derive(Debug)]
pub struct Bundle<'a> {
    pub view: &'a IncidentView,
    /// The incident's newest one, if any.
    pub rollback: Option<&'a Transition>,
    /// The opening one first.
    pub decisions: &'a [Decision],
    /// Oldest first.
    pub notifications: &'a [NotificationView],
    /// Rows of the audit log that are about the incident, oldest first.
    pub audit: &'a [AuditEntry],
}

/// The line by which a comment is found again; GitHub does not show it.
#[must_use]
pub fn marker(incident: &shared_types::IncidentId) -> String {
    format!("<!-- phasegate:evidence:{incident} -->")
}

/// Never longer than [`LONGEST`].
#[must_use]
pub fn render(bundle: &Bundle<'_>) -> String {
    let view = bundle.view;
    let mut text = format!("{}\n", marker(&view.id));
    let _ = writeln!(text, "# Evidence of {}", view.id);
    text.push_str(&summary(view));
    text.push_str(&checklist(&view.evidence));
    text.push_str(&decisions(view, bundle.decisions));
    text.push_str(&acknowledgement(view));
    text.push_str(&rollback(bundle.rollback));
    text.push_str(&rca(view));
    text.push_str(&notifications(bundle.notifications));
    text.push_str(&timeline(&view.timeline));
    text.push_str(&audit(bundle.audit));
    text
}

/// Lines until the share is used up; then how many there are besides.
fn within(share: usize, lines: impl ExactSizeIterator<Item = String>, what: &str) -> String {
    let all = lines.len();
    let mut text = String::new();
    let mut used = 0;
    for (index, line) in lines.enumerate() {
        used += line.chars().count();
        if used > share {
            let _ = writeln!(text, "\n{} more {what} are not shown here.", all - index);
            return text;
        }
        text.push_str(&line);
    }
    text
}

fn at(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "not yet".to_owned(), |it| it.to_string())
}

fn summary(view: &IncidentView) -> String {
    let complete = view.evidence.iter().filter(|it| it.state.is_complete()).count();
    let mut text = String::from("\n");
    let _ = writeln!(
        text,
        "- Target: {}, phase {}, epoch {}",
        code(view.target.as_str(), WORD),
        code(view.phase.as_str(), WORD),
        view.epoch
    );
    let _ = writeln!(text, "- Violated: {} in {}", code(&view.metric, WORD), view.window);
    let _ = writeln!(text, "- State: {}, priority {}", view.state.as_str(), code(&view.priority, WORD));
    let _ = writeln!(text, "- Opened: {}", view.opened_at);
    let _ = writeln!(text, "- Recovered: {}", at(view.recovered_at));
    let _ = writeln!(text, "- Closed: {}", at(view.closed_at));
    let _ = writeln!(text, "- Evidence: {complete} of {} items complete", view.evidence.len());
    text
}

fn checklist(items: &[EvidenceItem]) -> String {
    let heading = "\n## Checklist\n\n";
    if items.is_empty() {
        return format!("{heading}The policy asks for no evidence.\n");
    }
    heading.to_owned() + &within(share::CHECKLIST, items.iter().map(item), "items")
}

fn item(it: &EvidenceItem) -> String {
    let mark = if it.state.is_complete() { 'x' } else { ' ' };
    let mut text = format!("- [{mark}] **{}** (owner {}): ", code(&it.item, WORD), code(&it.owner, WORD));
    match (it.state, &it.signer) {
        (EvidenceState::Signed, Some(signer)) => {
            let _ = write!(text, "signed by {} at {}", code(signer, WORD), at(it.at));
        }
        (EvidenceState::Satisfied, _) => text.push_str("checked by the system"),
        (EvidenceState::Waiting, _) => text.push_str("waits for other items"),
        _ => text.push_str("open"),
    }
    text.push('\n');
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  - {name}: {}", code(value, LINE));
        }
    };
    line("found by the system", it.figures.as_deref());
    line("comment", it.comment.as_deref());
    line("link", it.link.as_deref());
    let task = if it.task_done == Some(true) { "task, done" } else { "task, open" };
    line(task, it.task.as_deref());
    for missing in &it.missing {
        line("missing", Some(missing));
    }
    text
}

fn decisions(view: &IncidentView, decisions: &[Decision]) -> String {
    let heading = "\n## Decision figures\n\n";
    let more = view.decisions.len().saturating_sub(decisions.len());
    let mut text =
        heading.to_owned() + &within(share::DECISIONS, decisions.iter().map(decision), "decisions");
    if decisions.is_empty() {
        text.push_str("The decisions are not kept any more.\n");
    } else if more > 0 {
        let _ = writeln!(text, "\n{more} later decisions belong to it too.");
    }
    text
}

fn decision(it: &Decision) -> String {
    let mut text = format!(
        "- {}: {} (cause {}), decided at {}, decision {}, policy {}\n",
        it.window,
        it.verdict.as_str(),
        it.cause.as_str(),
        it.decided_at,
        code(&it.decision_id.to_string(), WORD),
        code(&it.policy_version, WORD),
    );
    for metric in &it.metrics {
        let unit = |value: Option<f64>| format!("{}{}", format_number(value), metric.unit);
        let observed = observed(metric, |value| unit(Some(value))).unwrap_or_else(|| unit(None));
        let _ = writeln!(
            text,
            "  - {}: observed {}, threshold {}, {}",
            code(&metric.metric, WORD),
            code(&observed, WORD),
            code(&unit(Some(metric.threshold)), WORD),
            metric.verdict.as_str(),
        );
    }
    text
}

fn acknowledgement(view: &IncidentView) -> String {
    let mut text = "\n## Acknowledgement\n\n".to_owned();
    match (&view.acknowledged_by, view.acknowledged_at) {
        (Some(by), Some(at)) => {
            let time = if view.acknowledged_in_time == Some(true) { "in time" } else { "late" };
            let _ = writeln!(text, "- By {} at {at}, {time} (due {})", code(by, WORD), view.acknowledge_by);
        }
        _ => {
            let _ = writeln!(text, "- Nobody has acknowledged it; it was due at {}", view.acknowledge_by);
        }
    }
    if let Some(at) = view.escalated_at {
        let _ = writeln!(text, "- Escalated at {at}");
    }
    text
}

fn rollback(it: Option<&Transition>) -> String {
    let mut text = "\n## Rollback\n\n".to_owned();
    let Some(it) = it else { return text + "Nothing was rolled back.\n" };
    let _ = writeln!(
        text,
        "- From {} to {}, by {}",
        code(it.from.as_str(), WORD),
        code(it.to.as_str(), WORD),
        code(&it.initiator, WORD)
    );
    let _ = writeln!(text, "- Reason: {}", code(&it.reason, LINE));
    let _ = writeln!(text, "- Command: {}", code(&it.request.words, LINE));
    let _ = writeln!(
        text,
        "- Requested: {}, started: {}, finished: {}",
        it.requested_at,
        at(it.started_at),
        at(it.finished_at)
    );
    let _ = writeln!(text, "- State: {} after {} attempts", it.state.as_str(), it.attempts);
    match (it.request.reads_back, &it.verified) {
        (_, Some(phase)) => {
            let _ = writeln!(text, "- Read back: {}", code(phase, WORD));
        }
        (true, None) => text.push_str("- Not read back yet\n"),
        (false, None) => text.push_str("- Not read back: the policy names no command for that\n"),
    }
    if let Some(output) = &it.output {
        let _ = write!(text, "\nIts output:\n\n{}", block(output, OUTPUT));
    }
    text
}

fn rca(view: &IncidentView) -> String {
    let it = &view.rca;
    let mut text = "\n## Root cause analysis\n\n".to_owned();
    let _ = writeln!(text, "- File: {}, due at {}", code(&it.file, LINE), it.due_at);
    let Some(by) = &it.submitted_by else { return text + "- Not submitted\n" };
    let time = if it.in_time == Some(true) { "in time" } else { "late" };
    let _ = writeln!(text, "- Submitted by {} at {}, {time}", code(by, WORD), at(it.submitted_at));
    if let Some(link) = &it.link {
        let _ = writeln!(text, "- Link: {}", code(link, LINE));
    }
    match &it.confirmed_by {
        Some(by) => {
            let comment = code(it.comment.as_deref().unwrap_or_default(), LINE);
            let _ = writeln!(text, "- Confirmed by {} at {}: {comment}", code(by, WORD), at(it.confirmed_at));
        }
        None => text.push_str("- Not confirmed\n"),
    }
    if let Some(hash) = &it.hash {
        let confirmed = match &it.confirmed_hash {
            Some(confirmed) if confirmed == hash => ", as it was confirmed",
            _ => "",
        };
        let _ = writeln!(text, "- Hash of what was submitted{confirmed}: {}", code(hash, LINE));
    }
    match it.on_disk {
        Some(RcaFileState::Differs) => text.push_str(
            "- **The file says something else now than what was submitted**; what counts is what was submitted, below\n",
        ),
        Some(RcaFileState::Unreadable) => text.push_str(
            "- **The file cannot be read**, so it may say something else than what was submitted, which is below\n",
        ),
        Some(RcaFileState::Absent | RcaFileState::AsSubmitted) | None => {}
    }
    for (name, part) in [("Cause", &it.cause), ("Prevention", &it.prevention)] {
        if let Some(part) = part {
            let _ = write!(text, "\n{name}:\n\n{}", block(part, OUTPUT));
        }
    }
    text
}

fn notifications(sent: &[NotificationView]) -> String {
    let heading = "\n## Notifications as sent\n\n";
    if sent.is_empty() {
        return format!("{heading}None.\n");
    }
    let one = |it: &NotificationView| {
        let when = it.sent_at.unwrap_or(it.created_at);
        let what = format!("**{}** to {}", it.kind, code(&it.channel, WORD));
        format!("{what}, {} at {when}\n\n{}\n", it.state.as_str(), block(&it.text, TEXT))
    };
    heading.to_owned() + &within(share::NOTIFICATIONS, sent.iter().map(one), "notifications")
}

fn timeline(hops: &[TimelineEntry]) -> String {
    let one = |it: &TimelineEntry| format!("- {} {}: {}\n", it.at, it.kind, code(&it.detail, LINE));
    "\n## Timeline\n\n".to_owned() + &within(share::TIMELINE, hops.iter().map(one), "hops")
}

/// Where each act stands in the hash-chained log.
fn audit(rows: &[AuditEntry]) -> String {
    let heading = "\n## Audit log\n\n";
    if rows.is_empty() {
        return format!("{heading}No row is about it.\n");
    }
    let one = |it: &AuditEntry| {
        let row = format!("{} #{}", it.stream, it.seq);
        let hash: String = it.hash.chars().take(23).collect();
        format!(
            "- {} {} by {}, {}\n",
            code(&row, WORD),
            code(&it.action, WORD),
            code(&it.actor.name, WORD),
            code(&hash, WORD)
        )
    };
    heading.to_owned() + &within(share::AUDIT, rows.iter().map(one), "rows")
}
