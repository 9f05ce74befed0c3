//! Incidents as text for people: a line, a summary, the whole story.

use std::fmt::Write;

use domain::story::figures::format_roughly;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_types::Timestamp;
use shared_types::incident::{Incident, Rca, RcaFileState, Recommendation, Review, ReviewState};

/// An incident with what was sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Story {
    #[serde(flatten)]
    pub(crate) incident: Incident,
    /// Newest first.
    #[serde(default)]
    pub(crate) notifications: Vec<Value>,
    /// Newest first.
    #[serde(default)]
    pub(crate) effects: Vec<Value>,
}

/// `INC-… autosave B save_latency_p95 open P2 …`
pub(crate) fn line(incident: &Incident) -> String {
    let acknowledged = if incident.acknowledged_at.is_some() { "acknowledged" } else { "not acknowledged" };
    format!(
        "{}  {}  {} phase {}: {}  {} {}, {acknowledged}, RCA {}{}\n",
        incident.opened_at,
        incident.id,
        incident.target,
        incident.phase,
        incident.metric,
        incident.state.as_str(),
        incident.priority,
        incident.rca.state.as_str(),
        match &incident.review {
            Some(review) => format!(", review {}", review.state.as_str()),
            None => String::new(),
        },
    )
}

/// A few lines: where it stands.
pub(crate) fn summary(incident: &Incident) -> String {
    about(incident, None)
}

/// Everything that is known, `now` for what is still due.
pub(crate) fn story(story: &Story, now: Timestamp) -> String {
    let mut text = about(&story.incident, Some(now));
    text.push_str("\ntimeline:\n");
    for entry in &story.incident.timeline {
        let _ = writeln!(text, "  {}  {:<24} {}", entry.at, entry.kind, entry.detail);
    }
    if !story.notifications.is_empty() {
        text.push_str("\nsent:\n");
    }
    for told in story.notifications.iter().rev() {
        let word = |name: &str| told[name].as_str().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {}  {:<20} {:<8} {}",
            word("created_at"),
            word("channel"),
            word("state"),
            word("text")
        );
    }
    text
}

fn about(incident: &Incident, now: Option<Timestamp>) -> String {
    let mut text = format!(
        "{}: {} of {} in phase {}, {}, {}\n",
        incident.id,
        incident.metric,
        incident.target,
        incident.phase,
        incident.state.as_str(),
        incident.priority
    );
    let _ = writeln!(text, "  opened {}", incident.opened_at);
    match (incident.acknowledged_at, &incident.acknowledged_by) {
        (Some(at), by) => {
            let in_time = if incident.acknowledged_in_time == Some(true) { "in time" } else { "late" };
            let by = by.as_deref().unwrap_or("somebody");
            let _ = writeln!(text, "  acknowledged {at} by {by}, {in_time}");
        }
        (None, _) => {
            let _ = writeln!(text, "  not acknowledged; asked for by {}", incident.acknowledge_by);
        }
    }
    if let Some(at) = incident.escalated_at {
        let _ = writeln!(text, "  escalated {at}");
    }
    if let Some(rollback) = &incident.rollback {
        let how = rollback.state.as_str();
        let _ = writeln!(text, "  rollback {} → {}: {how}: {}", rollback.from, rollback.to, rollback.command);
    }
    if let Some(at) = incident.recovered_at {
        let _ = writeln!(text, "  recovered {at}");
    }
    text.push_str(&rca(&incident.rca, now));
    if let Some(review) = &incident.review {
        text.push_str(&self::review(review, incident));
    }
    text
}

fn rca(rca: &Rca, now: Option<Timestamp>) -> String {
    let mut text = format!("  RCA {}", rca.state.as_str());
    if let (Some(by), Some(at)) = (&rca.submitted_by, rca.submitted_at) {
        let in_time = if rca.in_time == Some(false) { ", after it was due" } else { "" };
        let _ = write!(text, " {at} by {by}{in_time}");
    } else {
        let _ = write!(text, ", due {}", rca.due_at);
        if let Some(now) = now {
            let _ = write!(text, " ({})", countdown(now, rca.due_at));
        }
    }
    text.push('\n');
    if let (Some(by), Some(at)) = (&rca.confirmed_by, rca.confirmed_at) {
        let _ = writeln!(text, "    confirmed {at} by {by}: {}", rca.comment.as_deref().unwrap_or_default());
    }
    if let Some(hash) = &rca.hash {
        let _ = writeln!(text, "    submitted as {hash}");
    }
    let apart = match rca.on_disk {
        Some(RcaFileState::Differs) => ", which says something else than what was submitted",
        Some(RcaFileState::Unreadable) => ", which cannot be read",
        Some(RcaFileState::Absent | RcaFileState::AsSubmitted) | None => "",
    };
    let _ = writeln!(text, "    file {}{apart}", rca.file);
    if let Some(link) = &rca.link {
        let _ = writeln!(text, "    link {link}");
    }
    text
}

fn review(review: &Review, incident: &Incident) -> String {
    let advice = match review.recommendation {
        Recommendation::Rollback => "go back one phase",
        Recommendation::Stay => "stay",
    };
    let mut text =
        format!("  review {} since {}, recommendation: {advice}\n", review.state.as_str(), review.opened_at);
    match (&review.decided_by, review.decided_at) {
        (Some(by), Some(at)) => {
            let _ =
                writeln!(text, "    decided {at} by {by}: {}", review.comment.as_deref().unwrap_or_default());
        }
        _ if review.state == ReviewState::Open => {
            let _ = writeln!(text, "    decide it: phasegate review {} --approve | --decline", incident.id);
        }
        _ => {}
    }
    if let Some(forced) = &review.rollback {
        let _ = writeln!(text, "    forces the rollback {} → {}", forced.from, forced.to);
    }
    text
}

/// `3h 12m left`, `overdue by 40m`
fn countdown(now: Timestamp, due: Timestamp) -> String {
    if due >= now {
        format!("{} left", format_roughly(due.since(now)))
    } else {
        format!("overdue by {}", format_roughly(now.since(due)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue() -> Story {
        let json = serde_json::json!({
            "id": "INC-20261122-001", "target": "autosave", "phase": "B", "epoch": 2, "state": "recovered",
            "metric": "save_latency_p95",
            "window": {"start": "2026-11-22T10:00:00.000Z", "end": "2026-11-22T10:15:00.000Z"},
            "priority": "P2", "opened_at": "2026-11-22T10:15:31.000Z",
            "acknowledged_at": "2026-11-22T10:20:00.000Z", "acknowledged_by": "ana",
            "acknowledge_by": "2026-11-22T10:30:31.000Z", "acknowledged_in_time": true,
            "escalated_at": null, "recovered_at": "2026-11-22T11:00:00.000Z", "closed_at": null,
            "rollback": {"from": "B", "to": "A", "state": "succeeded", "command": "phasegate rollback …",
                "initiator": "phasegate", "reason": "save_latency_p95 violation", "attempts": 1, "output": null,
                "verified": "A"},
            "decisions": [],
            "rca": {"state": "draft", "due_at": "2026-11-23T10:15:31.000Z",
                "file": "reports/rca/2026-11-22-INC-20261122-001.md", "link": null, "cause": null,
                "prevention": null, "submitted_at": null, "submitted_by": null, "in_time": null,
                "confirmed_at": null, "confirmed_by": null, "comment": null},
            "review": {"state": "open", "recommendation": "rollback", "opened_at": "2026-11-23T10:15:31.000Z",
                "decided_at": null, "decided_by": null, "comment": null, "rollback": null},
            "evidence": [], "runbook": null,
            "timeline": [{"at": "2026-11-22T10:15:31.000Z", "kind": "incident_opened", "detail": "INC-20261122-001"}],
            "notifications": [{"created_at": "2026-11-22T10:15:31.000Z", "channel": "#incident-autosave",
                "state": "sent", "text": "🚨 AutoSave B violation"}],
        });
        serde_json::from_value(json).unwrap()
    }

    /// GO-1, GO-2: what is overdue, since when, and what to type.
    #[test]
    fn the_story_says_what_is_asked_of_whom() {
        let found = overdue();
        let now = Timestamp::parse("2026-11-23T11:00:00Z").unwrap();
        let text = story(&found, now);
        for line in [
            "INC-20261122-001: save_latency_p95 of autosave in phase B, recovered, P2",
            "acknowledged 2026-11-22T10:20:00.000Z by ana, in time",
            "RCA draft, due 2026-11-23T10:15:31.000Z (overdue by 44m)",
            "file reports/rca/2026-11-22-INC-20261122-001.md",
            "review open since 2026-11-23T10:15:31.000Z, recommendation: go back one phase",
            "decide it: phasegate review INC-20261122-001 --approve | --decline",
            "🚨 AutoSave B violation",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(line(&found.incident).contains("RCA draft, review open"));
    }

    #[test]
    fn a_countdown_has_two_units_at_most() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let cases = [
            (0, 90, "1m 30s left"),
            (0, 3_600, "1h left"),
            (0, 80_100, "22h 15m left"),
            (600, 0, "overdue by 10m"),
        ];
        for (now, due, expected) in cases {
            assert_eq!(countdown(at(now), at(due)), expected);
        }
    }
}
